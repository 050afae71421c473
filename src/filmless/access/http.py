"""Who is asking, for every HTTP door: raw ASGI, so that frames and streams pass at full speed.

A bearer token or a session cookie becomes `scope["filmless.principal"]` (None when there is none that holds); the doors
answer 401 with `unauthorised`. Both are read from the database at each request, so what an administrator takes away
is gone at once. A cookie alone never makes a change: unsafe methods need the CSRF token that only our own page knows.
"""

from __future__ import annotations

import ipaddress
import json
import time
from collections.abc import Mapping, Sequence
from http import HTTPStatus
from typing import TYPE_CHECKING, Any, Final

from starlette.concurrency import run_in_threadpool
from starlette.responses import Response
from starlette.types import ASGIApp, Receive, Scope, Send

from filmless.access import sessions, tokens
from filmless.errors import FilmlessError, Refused, Unavailable

if TYPE_CHECKING:
    from filmless.archive import Archive
    from filmless.config import Settings

COOKIE: Final = "filmless_session"
CHALLENGE: Final = 'Bearer realm="Filmless"'
SAFE_METHODS: Final = frozenset({"GET", "HEAD", "OPTIONS"})
"""Methods that change nothing (RFC 9110 9.2.1)."""

_Network = ipaddress.IPv4Network | ipaddress.IPv6Network


class Authentication:
    """ASGI middleware in front of all doors."""

    def __init__(self, app: ASGIApp, archive: Archive, doors: Mapping[str, str] | None = None) -> None:
        self.app = app
        self.archive = archive
        self.doors = {"/dicomweb": "dicomweb"} if doors is None else doors
        self.proxies = read_networks(archive.settings.trusted_proxies)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Recognise the caller, then pass on; refuse a change that a cookie alone would make."""
        if scope["type"] != "http":
            await self.app(scope, receive, send)
            return
        headers = _headers(scope)
        address, scheme = client_of(scope, headers, self.proxies)
        scope["filmless.address"] = address
        scope["filmless.is_secure"] = scheme == "https" or (self.archive.settings.public_url or "").startswith("https:")
        scope["filmless.principal"] = None
        scope["filmless.session"] = None
        secret, is_token = _secret_of(headers)
        if secret is not None:
            try:
                await run_in_threadpool(self._recognise, scope, secret, is_token)
            except FilmlessError as error:
                retry = {"Retry-After": str(error.retry_after_s)} if isinstance(error, Unavailable) else {}
                await problem(HTTPStatus.SERVICE_UNAVAILABLE, str(error), headers=retry)(scope, receive, send)
                return
        session: sessions.OpenSession | None = scope["filmless.session"]
        if session is not None and scope["method"] not in SAFE_METHODS:
            given = headers.get(b"x-csrf-token", b"").decode("latin-1")
            if not sessions.is_csrf_token(session, given) or headers.get(b"sec-fetch-site") == b"cross-site":
                told = "The page is out of date or the request comes from another site: reload the page and try again."
                await problem(HTTPStatus.FORBIDDEN, told)(scope, receive, send)
                return
        await self.app(scope, receive, send)

    def _recognise(self, scope: Scope, secret: str, is_token: bool) -> None:
        """Find whose secret it is, and note its use once in a while."""
        address, door, settings = scope["filmless.address"], self._door(scope["path"]), self.archive.settings
        now = time.time()
        with self.archive.reading() as session:
            if is_token:
                token = tokens.find_token(session, secret, address=address, door=door)
                opened = None
            else:
                token = None
                opened = sessions.find_session(
                    session,
                    secret,
                    address=address,
                    door=door,
                    idle_s=settings.session_idle_s,
                    max_s=settings.session_max_s,
                )
        if token is not None:
            scope["filmless.principal"] = token.principal
            if now - (token.last_used_at or 0.0) > tokens.TOUCH_S:
                with self.archive.transaction() as session:
                    tokens.touch(session, token.id)
        elif opened is not None:
            scope["filmless.principal"] = opened.principal
            scope["filmless.session"] = opened
            if now - opened.seen_at > min(sessions.TOUCH_S, settings.session_idle_s / 10):
                with self.archive.transaction() as session:
                    sessions.touch(session, opened.id)

    def _door(self, path: str) -> str:
        return next((door for prefix, door in self.doors.items() if path.startswith(prefix)), "api")


def client_of(scope: Scope, headers: Mapping[bytes, bytes], proxies: Sequence[_Network]) -> tuple[str | None, str]:
    """Give the address and scheme of the client: what trusted proxies say, and else what the connection is.

    Each proxy appends the address it saw, so the last one that is no proxy of ours is the client; what stands before
    it is the client's own word and worth nothing.
    """
    client = scope.get("client")
    address = _plain(client[0]) if client else None
    scheme = scope.get("scheme", "http")
    if address is None or not _is_among(address, proxies):
        return address, scheme
    for hop in reversed(headers.get(b"x-forwarded-for", b"").decode("latin-1").split(",")):
        said = _plain(hop.strip())
        if said is None:
            break
        address = said
        if not _is_among(said, proxies):
            break
    proto = headers.get(b"x-forwarded-proto", b"").decode("latin-1").split(",")[-1].strip().lower()
    return address, proto if proto in ("http", "https") else scheme


def read_networks(text: str) -> tuple[_Network, ...]:
    """Read the setting `trusted_proxies`.

    Raises
    ------
    Refused: a part is neither an address nor a network.
    """
    try:
        return tuple(ipaddress.ip_network(part.strip(), strict=False) for part in text.split(",") if part.strip())
    except ValueError as error:
        raise Refused(f"trusted_proxies: {error}") from error


def set_cookie(response: Response, scope: Scope, secret: str, settings: Settings) -> None:
    """Hand the browser its session. The page itself cannot read it, and other sites cannot send it."""
    response.set_cookie(
        COOKIE,
        secret,
        max_age=int(settings.session_max_s),
        path="/",
        httponly=True,
        samesite="strict",
        secure=bool(scope.get("filmless.is_secure")),
    )


def clear_cookie(response: Response, scope: Scope) -> None:
    """Take the session out of the browser."""
    secure = bool(scope.get("filmless.is_secure"))
    response.delete_cookie(COOKIE, path="/", httponly=True, samesite="strict", secure=secure)


def _headers(scope: Scope) -> dict[bytes, bytes]:
    """Index the headers; those that come several times are joined, cookies as RFC 9113 8.2.3 says."""
    headers: dict[bytes, bytes] = {}
    for name, value in scope["headers"]:
        if name in headers:
            headers[name] += (b"; " if name == b"cookie" else b", ") + value
        else:
            headers[name] = value
    return headers


def _secret_of(headers: Mapping[bytes, bytes]) -> tuple[str | None, bool]:
    """Give the secret that a request shows and whether it is a token; a token wins over a cookie."""
    authorization = headers.get(b"authorization", b"").decode("latin-1")
    scheme, _, given = authorization.partition(" ")
    if authorization:
        return (given.strip() or None, True) if scheme.lower() == "bearer" else (None, True)
    for part in headers.get(b"cookie", b"").decode("latin-1").split(";"):
        name, _, value = part.strip().partition("=")
        if name == COOKIE and value:
            return value, False
    return None, False


def _plain(text: str) -> str | None:
    try:
        address = ipaddress.ip_address(text.strip("[]").partition("%")[0])
    except ValueError:
        return None
    return str(getattr(address, "ipv4_mapped", None) or address)


def _is_among(address: str, networks: Sequence[_Network]) -> bool:
    return any(ipaddress.ip_address(address) in network for network in networks)


def problem(
    status: HTTPStatus,
    detail: str,
    *,
    headers: Mapping[str, str] | None = None,
    errors: list[dict[str, str]] | None = None,
) -> Response:
    """Make an error answer (RFC 9457) whose `detail` a person understands."""
    body: dict[str, Any] = {
        "type": "about:blank",
        "title": status.phrase,
        "status": int(status),
        "detail": detail,
        "errors": errors,
    }
    return Response(
        json.dumps(body, ensure_ascii=False).encode(),
        status_code=status,
        headers={"Cache-Control": "no-store", **(headers or {})},
        media_type="application/problem+json",
    )


def unauthorised(detail: str = "Sign in, or send an API token that is still good.") -> Response:
    """Make the answer to a caller that nobody knows."""
    return problem(HTTPStatus.UNAUTHORIZED, detail, headers={"WWW-Authenticate": CHALLENGE})
