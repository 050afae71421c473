"""How answers leave: bytes in hand with ranges and validators, streams pulled from threads, whole files by the server.

Raw ASGI: a frame is one message, a stream costs one thread hop for each mebibyte.
"""

from __future__ import annotations

import asyncio
import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import Any, Final, TypeVar
from urllib.parse import urlsplit

import anyio
import anyio.to_thread
from starlette.requests import Request
from starlette.types import Receive, Scope, Send

from filmless.access.forwarding import Outside
from filmless.access.principal import Principal
from filmless.archive import Archive
from filmless.errors import NotRecognised, Refused, Unavailable

_T = TypeVar("_T")

_PULL_BYTES: Final = 1 << 20
_HOST = re.compile(r"(?:[0-9A-Za-z._-]{1,253}|\[[0-9A-Fa-f:.]{2,45}\])(?::[0-9]{1,5})?")
_RANGE = re.compile(r"bytes=(\d*)-(\d*)")

PRIVATE: Final = "private, max-age=3600"
"""For what never changes: shared caches keep no patient data, the browser keeps it for an hour."""
REVALIDATE: Final = "private, no-cache"
"""For what may grow: the browser asks again, and mostly hears 304."""

Headers = list[tuple[str, str]]


def policy_of(media_type: str) -> str:
    """The Content-Security-Policy of what was sent to us: it may hold anything, so it may do nothing. (ADR-0025)"""
    # Browsers show no PDF whose policy is a sandbox.
    is_pdf = media_type == "application/pdf"
    return "frame-ancestors 'self'" if is_pdf else "default-src 'none'; sandbox; frame-ancestors 'self'"


@dataclass(slots=True)
class Answer:
    """An answer whose body is in hand, or a stream of pieces, or a whole file."""

    status: int = 200
    headers: Headers = field(default_factory=list)
    body: bytes | memoryview = b""
    pieces: Iterator[bytes] | None = None
    file: str | None = None
    length: int | None = None

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Send it; of a HEAD request only the head."""
        length = self.length
        if self.pieces is None and self.file is None:
            length = len(self.body)
        headers = [(name.lower().encode("latin-1"), value.encode("latin-1")) for name, value in self.headers]
        if length is not None and self.status not in (204, 304):
            headers.append((b"content-length", str(length).encode()))
        await send({"type": "http.response.start", "status": self.status, "headers": headers})
        if scope["method"] == "HEAD" or self.status in (204, 304):
            await send({"type": "http.response.body", "body": b""})
        elif self.file is not None:
            await send({"type": "http.response.pathsend", "path": self.file})
        elif self.pieces is not None:
            await _send_pieces(self.pieces, receive, send)
        elif length is not None and length > 4 * _PULL_BYTES:  # a huge frame is not copied as a whole once more
            view = memoryview(self.body)
            for at in range(0, length, _PULL_BYTES):
                await send(
                    {"type": "http.response.body", "body": bytes(view[at : at + _PULL_BYTES]), "more_body": True}
                )
            await send({"type": "http.response.body", "body": b"", "more_body": False})
        else:
            await send({"type": "http.response.body", "body": bytes(self.body)})

    def close(self) -> None:
        """Let go of what a stream that is not sent holds open."""
        if self.pieces is not None:
            close(self.pieces)


def close(pieces: Iterator[bytes]) -> None:
    """Close a generator, so that its files are closed now and not when memory is tidied."""
    end = getattr(pieces, "close", None)
    if end is not None:
        end()


def _pull(pieces: Iterator[bytes]) -> bytes:
    """Take pieces up to a mebibyte."""
    taken, length = [], 0
    for piece in pieces:
        taken.append(piece)
        length += len(piece)
        if length >= _PULL_BYTES:
            break
    return taken[0] if len(taken) == 1 else b"".join(taken)


async def _send_pieces(pieces: Iterator[bytes], receive: Receive, send: Send) -> None:
    """Send a stream until it ends or the client is gone; the server's `send` holds back when the client is slow.

    While one mebibyte is sent the next is read.
    """
    gone = asyncio.ensure_future(_until_gone(receive))
    coming = asyncio.ensure_future(anyio.to_thread.run_sync(_pull, pieces))
    try:
        while not gone.done():
            data = await coming
            if not data:
                await send({"type": "http.response.body", "body": b"", "more_body": False})
                return
            coming = asyncio.ensure_future(anyio.to_thread.run_sync(_pull, pieces))
            await send({"type": "http.response.body", "body": data, "more_body": True})
    finally:
        gone.cancel()
        with anyio.CancelScope(shield=True):
            await asyncio.wait([coming])  # a generator that runs cannot be closed
            if not coming.cancelled():
                coming.exception()
            await anyio.to_thread.run_sync(close, pieces)


async def _until_gone(receive: Receive) -> None:
    while (await receive())["type"] != "http.disconnect":
        pass


def started(pieces: Iterator[bytes]) -> Iterator[bytes]:
    """Take the first piece now, so that what fails before it can still be answered as an error."""
    first = next(pieces, b"")
    return _joined(first, pieces)


def _joined(first: bytes, rest: Iterator[bytes]) -> Iterator[bytes]:
    try:
        yield first
        yield from rest
    finally:
        close(rest)


def is_fresh(request: Request, etag: str) -> bool:
    """Whether the client already has what `etag` names (RFC 9110 13.1.2)."""
    known = request.headers.get("if-none-match")
    if known is None:
        return False
    bare = etag.removeprefix("W/")
    return any(part.strip().removeprefix("W/") in {bare, "*"} for part in known.split(","))


def not_modified(headers: Headers) -> Answer:
    """Answer that the client's copy is good."""
    kept = {"etag", "cache-control", "vary", "expires", "content-location"}
    return Answer(304, [(name, value) for name, value in headers if name.lower() in kept])


def read_range(request: Request, length: int, etag: str) -> tuple[int, int] | None:
    """Read a Range of one part: (start, stop), None for all; (0, 0) cannot be satisfied (RFC 9110 14.1.2).

    Several ranges in one request are answered with all: a server may.
    """
    wanted = request.headers.get("range")
    if wanted is None or request.headers.get("if-range", etag) != etag:
        return None
    match = _RANGE.fullmatch(wanted.strip())
    if match is None or not (match.group(1) or match.group(2)):
        return None
    if not match.group(1):
        start, stop = max(length - int(match.group(2)), 0), length
    else:
        start = int(match.group(1))
        stop = min(int(match.group(2)) + 1, length) if match.group(2) else length
        if match.group(2) and int(match.group(2)) < start:
            return None
    return (start, stop) if start < stop else (0, 0)


def ranged(
    request: Request, headers: Headers, length: int, etag: str, read: Callable[[int, int], Iterator[bytes]]
) -> Answer:
    """Answer with a value of known length, or with the range of it that was asked for."""
    headers = [*headers, ("Accept-Ranges", "bytes")]
    wanted = read_range(request, length, etag)
    if wanted == (0, 0):
        return Answer(416, [("Content-Range", f"bytes */{length}")])
    if wanted is None:
        return Answer(200, headers, pieces=started(read(0, length)), length=length)
    start, stop = wanted
    headers.append(("Content-Range", f"bytes {start}-{stop - 1}/{length}"))
    return Answer(206, headers, pieces=started(read(start, stop)), length=stop - start)


def can_send_file(scope: Scope) -> bool:
    """Whether the server sends files by itself (the ASGI extension `http.response.pathsend`)."""
    return "http.response.pathsend" in (scope.get("extensions") or {})


def principal_of(request: Request) -> Principal:
    """Give the caller that `access.http` recognised.

    Raises
    ------
    NotRecognised
    """
    principal: Principal | None = request.scope.get("filmless.principal")
    if principal is None:
        raise NotRecognised("Sign in, or send an API token that is still good.")
    return principal


def service_url(archive: Archive, request: Request) -> str:
    """Give the address of the service as the caller sees it: by `public_url`, by a trusted proxy, or by Host.

    Raises
    ------
    Refused: the Host header is no host; it would stand in every link of the answer.
    """
    root: str = request.scope.get("root_path", "")
    if archive.settings.public_url:
        return archive.settings.public_url.rstrip("/") + root
    outside: Outside | None = request.scope.get("filmless.outside")
    scheme = "https" if request.scope.get("filmless.is_secure") else request.url.scheme
    host = (outside and outside.host) or request.headers.get("host") or request.url.netloc
    if not _HOST.fullmatch(host):
        raise Refused("the Host header is not HOST or HOST:PORT")
    return f"{scheme}://{host}{outside.prefix if outside else ''}{root}"


def service_path(archive: Archive, request: Request) -> str:
    """Give the path of the service as the caller sees it: addresses of bulk data begin with it."""
    return urlsplit(service_url(archive, request)).path


class Decoding:
    """The threads that wait for decoder processes: apart, so that frames sent as stored never stand behind them."""

    def __init__(self, archive: Archive) -> None:
        settings = archive.settings
        self._threads = settings.decoder_processes + 2
        self._waiting_max = settings.decode_waiting_max
        self._limiter: anyio.CapacityLimiter | None = None

    async def run(self, work: Callable[..., _T], *args: Any) -> _T:
        """Run blocking work that decodes.

        Raises
        ------
        Unavailable: too many wait already.
        """
        if self._limiter is None:
            self._limiter = anyio.CapacityLimiter(self._threads)
        if self._limiter.statistics().tasks_waiting >= self._waiting_max:
            raise Unavailable("too many pictures wait to be decoded", retry_after_s=2)
        return await anyio.to_thread.run_sync(lambda: work(*args), limiter=self._limiter)
