"""The web application: DICOMweb, the API and the screen under one roof, and the server that runs it."""

from __future__ import annotations

import asyncio
import contextlib
import signal
import time
from collections.abc import Callable, MutableMapping
from typing import Any

import structlog
from prometheus_client import Counter, Histogram
from starlette.requests import ClientDisconnect
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from filmless.access.http import Authentication
from filmless.api.app import create_api
from filmless.app.health import Health
from filmless.app.screen import Screen
from filmless.archive import Archive
from filmless.archive.processes import alive
from filmless.config import Settings, host_and_port
from filmless.dicomweb.app import create_dicomweb
from filmless.health.watch import Watch

log = structlog.get_logger()

CONTENT_SECURITY_POLICY = (
    b"default-src 'self'; script-src 'self' 'wasm-unsafe-eval'; style-src 'self' 'unsafe-inline'; "
    b"img-src 'self' data: blob:; worker-src 'self' blob:; frame-src 'self' blob:; object-src 'none'; base-uri 'self'; "
    b"form-action 'self'; frame-ancestors 'none'"
)
SECURITY_HEADERS = [
    (b"x-content-type-options", b"nosniff"),
    (b"referrer-policy", b"no-referrer"),
    (b"cross-origin-opener-policy", b"same-origin"),
    (b"cross-origin-resource-policy", b"same-origin"),
    (b"permissions-policy", b"camera=(), microphone=(), geolocation=()"),
]

SLOWEST_BYTES_PER_S = 8192

REQUESTS = Counter("filmless_http_requests_total", "HTTP requests answered.", ["door", "method", "status"])
SECONDS = Histogram(
    "filmless_http_request_seconds",
    "Time from a request to the first byte of its answer.",
    ["door"],
    buckets=(0.002, 0.005, 0.01, 0.02, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 10),
)


class Doors:
    """Send each request to the door that its path names."""

    def __init__(self, archive: Archive) -> None:
        self.dicomweb = create_dicomweb(archive)
        self.api = create_api(archive)
        self.watch: Watch = self.api.state.watch
        self.health = Health(archive, self.watch)
        self.screen = Screen()

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Route one request; the application under a prefix sees its path below it."""
        if scope["type"] not in ("http", "websocket"):
            return
        app, prefix = self.find(scope["path"])
        if scope["type"] == "websocket" and app is not self.dicomweb:
            await send({"type": "websocket.close", "code": 1008})
            return
        if prefix:
            scope = {**scope, "root_path": scope.get("root_path", "") + prefix}
        await app(scope, receive, send)

    def stop(self) -> None:
        """End the answers that would go on for ever, so that the server need not wait for them."""
        self.api.state.broadcaster.stop()
        self.dicomweb.stop()

    def find(self, path: str) -> tuple[ASGIApp, str]:
        """Return the application for a path and the prefix it is mounted at."""
        for prefix, app in (("/dicomweb", self.dicomweb), ("/api/v1", self.api)):
            if path == prefix or path.startswith(prefix + "/"):
                return app, prefix
        if path == "/wado":
            return self.dicomweb, ""
        if path in {"/healthz", "/readyz", "/metrics"}:
            return self.health, ""
        return self.screen, ""


def door_of(path: str) -> str:
    """Name the door of a path, for metrics: a bounded set."""
    first = path.split("/", 2)[1] if path.startswith("/") else ""
    if first == "wado":
        return "dicomweb"
    return first if first in {"dicomweb", "api", "healthz", "readyz", "metrics"} else "screen"


class Patience:
    """Waits for the body of a request, but not for ever: a sender that stalls must not hold what others wait for.

    Only the time spent waiting counts, so that our own slowness is not held against the sender.
    """

    def __init__(self, receive: Receive, timeout_s: float) -> None:
        self._receive = receive
        self._left_s = timeout_s
        self._is_read = False
        self.is_over = False

    async def receive(self) -> Message:
        """Give the next message; a sender that took too long counts as gone."""
        if self._is_read:
            return await self._receive()  # what still can come is that the client goes
        if self.is_over:
            return {"type": "http.disconnect"}
        began = time.monotonic()
        try:
            message = await asyncio.wait_for(self._receive(), max(self._left_s, 0.0))
        except TimeoutError:
            self.is_over = True
            return {"type": "http.disconnect"}
        self._left_s += len(message.get("body", b"")) / SLOWEST_BYTES_PER_S - (time.monotonic() - began)
        self._is_read = not message.get("more_body", False)
        return message


class Envelope:
    """What every answer carries, and what every request counts."""

    def __init__(self, app: ASGIApp, *, is_https: bool, body_timeout_s: float) -> None:
        self.app = app
        self.body_timeout_s = body_timeout_s
        self.headers = list(SECURITY_HEADERS)
        if is_https:
            self.headers.append((b"strict-transport-security", b"max-age=31536000"))

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Add security headers, count and time the answer, and answer 500 for a bug."""
        if scope["type"] != "http":
            await self.app(scope, receive, send)
            return
        began, door, is_started = time.perf_counter(), door_of(scope["path"]), False
        patience = Patience(receive, self.body_timeout_s)

        async def outgoing(message: MutableMapping[str, Any]) -> None:
            nonlocal is_started
            if message["type"] == "http.response.start":
                is_started = True
                headers = list(message.get("headers", []))
                message["headers"] = [*headers, *self.headers, (b"x-frame-options", _framing(headers))]
                if door != "dicomweb":
                    message["headers"].append((b"content-security-policy", CONTENT_SECURITY_POLICY))
                REQUESTS.labels(door, scope["method"], str(message["status"])).inc()
                SECONDS.labels(door).observe(time.perf_counter() - began)
            await send(message)

        try:
            await self.app(scope, patience.receive, outgoing)
            if patience.is_over and not is_started:
                await _send_timeout(outgoing)
        except ClientDisconnect:
            if patience.is_over and not is_started:
                await _send_timeout(outgoing)
        except Exception:  # the outermost line of the door
            log.exception("a request failed", door=door, method=scope["method"])
            if is_started:
                raise
            await _send_bug(outgoing)


async def _send_timeout(send: Callable[[Message], Any]) -> None:
    body = b'{"title":"Request Timeout","status":408,"detail":"The body of the request came too slowly."}'
    headers = [
        (b"content-type", b"application/problem+json"),
        (b"content-length", str(len(body)).encode()),
        (b"connection", b"close"),
    ]
    await send({"type": "http.response.start", "status": 408, "headers": headers})
    await send({"type": "http.response.body", "body": body})


def _framing(headers: list[tuple[bytes, bytes]]) -> bytes:
    """Who may frame an answer: nobody, but for documents whose own policy lets our pages do it."""
    policy = next((value for name, value in headers if name == b"content-security-policy"), b"")
    return b"SAMEORIGIN" if b"frame-ancestors 'self'" in policy else b"DENY"


async def _send_bug(send: Callable[[Message], Any]) -> None:
    body = b'{"title":"Internal error","status":500,"detail":"Filmless met a fault of its own; the log has it."}'
    headers = [(b"content-type", b"application/problem+json"), (b"content-length", str(len(body)).encode())]
    await send({"type": "http.response.start", "status": 500, "headers": headers})
    await send({"type": "http.response.body", "body": body})


def is_https(settings: Settings) -> bool:
    """Whether browsers reach us over TLS, from ourselves or from a proxy in front."""
    return bool(settings.http_tls_certificate) or (settings.public_url or "").startswith("https://")


def create_web(archive: Archive, doors: Doors | None = None) -> ASGIApp:
    """Build the whole web application."""
    return Envelope(
        Authentication(doors or Doors(archive), archive),
        is_https=is_https(archive.settings),
        body_timeout_s=archive.settings.http_body_timeout_s,
    )


def run_web(settings: Settings, ready: Callable[[], None]) -> None:
    """Serve HTTP until SIGTERM."""
    with Archive.open(settings) as archive, alive(archive, "web"):
        doors = Doors(archive)
        with doors.watch.running():
            asyncio.run(_serve(settings, create_web(archive, doors), ready, doors.stop))


async def _serve(settings: Settings, app: ASGIApp, ready: Callable[[], None], on_stop: Callable[[], None]) -> None:
    from granian.constants import HTTPModes, Interfaces, SSLProtocols
    from granian.http import HTTP1Settings, HTTP2Settings
    from granian.server.embed import Server

    host, port = host_and_port(settings.http)
    server = Server(
        app,
        host,
        port,
        interface=Interfaces.ASGI,
        http=HTTPModes.auto,
        websockets=True,
        log_enabled=False,
        backlog=1024,
        backpressure=settings.http_connections_max,
        http1_settings=HTTP1Settings(
            header_read_timeout=int(settings.http_header_timeout_s * 1000), max_buffer_size=settings.http_head_max_bytes
        ),
        http2_settings=HTTP2Settings(
            keep_alive_interval=int(settings.http_header_timeout_s * 1000),
            keep_alive_timeout=int(settings.http_header_timeout_s),
            max_headers_size=settings.http_head_max_bytes,
            max_concurrent_streams=100,
        ),
        ssl_cert=settings.http_tls_certificate,
        ssl_key=settings.http_tls_key,
        ssl_protocol_min=SSLProtocols.tls12,
    )
    loop = asyncio.get_running_loop()

    def stop() -> None:
        on_stop()
        server.stop()  # type: ignore[no-untyped-call]

    loop.add_signal_handler(signal.SIGTERM, stop)
    serving = loop.create_task(server.serve())
    while not serving.done():
        with contextlib.suppress(OSError):
            _, writer = await asyncio.open_connection("127.0.0.1" if host in {"0.0.0.0", ""} else host, port)  # noqa: S104
            writer.close()
            break
        await asyncio.sleep(0.01)
    ready()
    await serving
