"""Who is asking, for every HTTP door: raw ASGI, so that frames and streams pass at full speed.

A bearer token or a session cookie becomes `scope["filmless.principal"]` (None when there is none that holds); the doors
answer 401 with `unauthorised`. Both hold as the database says at each request, so what an administrator takes away
is gone at once. A cookie alone never makes a change: unsafe methods need the CSRF token that only our own page knows.
"""

from __future__ import annotations

import json
import sqlite3
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import partial
from http import HTTPStatus
from typing import TYPE_CHECKING, Any, Final
from urllib.parse import urlsplit

import structlog
from sqlalchemy import Connection
from starlette.concurrency import run_in_threadpool
from starlette.responses import Response
from starlette.types import ASGIApp, Receive, Scope, Send

from filmless.access import audit, sessions, tokens
from filmless.access.forwarding import outside_of, read_networks
from filmless.access.principal import Principal
from filmless.errors import Unavailable

if TYPE_CHECKING:
    from filmless.archive import Archive
    from filmless.config import Settings

log = structlog.get_logger()

COOKIE: Final = "filmless_session"
CHALLENGE: Final = 'Bearer realm="Filmless"'
DOORS: Final = {"/dicomweb": "dicomweb", "/wado": "dicomweb", "/api": "api", "/metrics": "metrics"}
"""Paths behind which callers are recognised, and the names of their doors; elsewhere nobody needs to be."""

MEMORY_MAX: Final = 10_000
NOTE_S: Final = 10.0
_NONE: Final[frozenset[str]] = frozenset()

SAFE_METHODS: Final = frozenset({"GET", "HEAD", "OPTIONS"})
"""Methods that change nothing (RFC 9110 9.2.1)."""


@dataclass(frozen=True, slots=True)
class Recognised:
    """Whose secret it is, until when that holds by itself, and when its use must be noted again."""

    principal: Principal
    session: sessions.OpenSession | None
    until: float
    touch_at: float


class Authentication:
    """ASGI middleware in front of all doors."""

    def __init__(self, app: ASGIApp, archive: Archive, doors: Mapping[str, str] = DOORS) -> None:
        self.app = app
        self.archive = archive
        self.doors = doors
        self.proxies = read_networks(archive.settings.trusted_proxies)
        self._memory = _Memory(archive)
        self._noted_at: dict[tuple[str, str | None], float] = {}

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Recognise the caller, then pass on; refuse a change that a cookie alone would make."""
        if scope["type"] == "websocket":
            await self._open_socket(scope, receive, send)
            return
        if scope["type"] != "http":
            await self.app(scope, receive, send)
            return
        headers = _headers(scope)
        outside = outside_of(scope, headers, self.proxies)
        address = outside.address
        scope["filmless.address"] = address
        scope["filmless.outside"] = outside
        scope["filmless.is_secure"] = outside.scheme == "https" or (self.archive.settings.public_url or "").startswith(
            "https:"
        )
        scope["filmless.principal"] = scope["filmless.session"] = None
        door = next((door for prefix, door in self.doors.items() if scope["path"].startswith(prefix)), None)
        secret, is_token = _secret_of(headers)
        if door is None or secret is None:
            await self.app(scope, receive, send)
            return
        try:
            found = await self._recognise(secret, is_token, address, door)
        except Unavailable as error:
            answer = problem(
                HTTPStatus.SERVICE_UNAVAILABLE, str(error), headers={"Retry-After": str(error.retry_after_s)}
            )
            await answer(scope, receive, send)
            return
        if found is None:
            await self._note(Principal("token" if is_token else "person", None, "unknown", _NONE, _NONE, address, door))
        else:
            scope["filmless.principal"] = found.principal
            scope["filmless.session"] = found.session
            scope["filmless.recognise"] = partial(self._recognise_again, secret, is_token, address, door)
            if (
                found.session is not None
                and scope["method"] not in SAFE_METHODS
                and not _is_own(headers, found.session)
            ):
                told = "The page is out of date, or the request comes from another site: reload the page and try again."
                await self._note(found.principal)
                await problem(HTTPStatus.FORBIDDEN, told)(scope, receive, send)
                return
        await self.app(scope, receive, send)

    async def _open_socket(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Recognise who opens a WebSocket; with a cookie only our own page may, as Origin says (RFC 6455 10.2)."""
        headers = _headers(scope)
        outside = outside_of(scope, headers, self.proxies)
        address = outside.address
        door = next((door for prefix, door in self.doors.items() if scope["path"].startswith(prefix)), None)
        secret, is_token = _secret_of(headers)
        found = None
        if door is not None and secret is not None and (is_token or self._is_own_page(headers, outside.host)):
            try:
                found = await self._recognise(secret, is_token, address, door)
            except Unavailable:
                await send({"type": "websocket.close", "code": 1013})
                return
        if found is None:
            if door is not None:
                kind = "token" if is_token else "person"
                await self._note(Principal(kind, None, "unknown", _NONE, _NONE, address, door))  # type: ignore[arg-type]
            await send({"type": "websocket.close", "code": 1008})
            return
        scope["filmless.principal"] = found.principal
        scope["filmless.recognise"] = partial(self._recognise_again, secret or "", is_token, address, door or "")
        await self.app(scope, receive, send)

    def _is_own_page(self, headers: Mapping[bytes, bytes], host: str | None) -> bool:
        origin = headers.get(b"origin", b"").decode("latin-1").rstrip("/")
        host = host or headers.get(b"host", b"").decode("latin-1")
        public = urlsplit(self.archive.settings.public_url or "")
        own = {f"http://{host}", f"https://{host}", f"{public.scheme}://{public.netloc}"}
        return bool(origin) and origin in own

    async def _note(self, principal: Principal) -> None:
        """Leave a row of a refusal here: one per caller, address and hour, written at most once in `NOTE_S`.

        A secret that ran out is no crime, and a stranger must not be able to keep the disk busy.
        """
        now = time.monotonic()
        key = (principal.name, principal.address)
        if now - self._noted_at.get(key, -NOTE_S) < NOTE_S:
            return
        if len(self._noted_at) >= MEMORY_MAX:
            self._noted_at.clear()
        self._noted_at[key] = now
        await run_in_threadpool(self._record, principal)

    def _record(self, principal: Principal) -> None:
        request = f"refused:{principal.name}:{principal.address}:{int(time.time() // 3600)}"
        with self.archive.transaction() as session:
            audit.record_repeated(session, principal, "request", request=request)

    async def _recognise(self, secret: str, is_token: bool, address: str | None, door: str) -> Recognised | None:
        """Find whose secret it is: from memory when the database has not changed since, else with one read."""
        key = (secret, is_token, address, door)
        remembered = self._memory.find(key)
        if remembered is not None:
            return remembered
        version = self._memory.version()
        found = await run_in_threadpool(self._read, secret, is_token, address, door)
        if found is not None:
            self._memory.keep(key, version, found)
        return found

    async def _recognise_again(self, secret: str, is_token: bool, address: str | None, door: str) -> Principal | None:
        """Say who a long answer goes to now: None when it must end. Being open is no use of a session."""
        found = await run_in_threadpool(self._read, secret, is_token, address, door, is_use=False)
        return None if found is None else found.principal

    def _read(
        self, secret: str, is_token: bool, address: str | None, door: str, *, is_use: bool = True
    ) -> Recognised | None:
        settings = self.archive.settings
        now = time.time()
        if is_token:
            with self.archive.reading() as session:
                token = tokens.find_token(session, secret, address=address, door=door)
            if token is None:
                return None
            touch_at = (token.last_used_at or 0.0) + tokens.TOUCH_S
            if is_use and now >= touch_at:
                self._touch(tokens.touch, token.id)
                touch_at = now + tokens.TOUCH_S
            return Recognised(token.principal, None, token.expires_at, touch_at)
        with self.archive.reading() as session:
            opened = sessions.find_session(
                session,
                secret,
                address=address,
                door=door,
                idle_s=settings.session_idle_s,
                max_s=settings.session_max_s,
            )
        if opened is None:
            return None
        pause_s = min(sessions.TOUCH_S, settings.session_idle_s / 10)
        touch_at = opened.seen_at + pause_s
        if is_use and now >= touch_at:
            self._touch(sessions.touch, opened.id)
            touch_at = now + pause_s
        until = min(opened.seen_at + settings.session_idle_s, opened.created_at + settings.session_max_s)
        return Recognised(opened.principal, opened, until, touch_at)

    def _touch(self, touch: Callable[[Connection, int], None], key: int) -> None:
        """Note the use of a secret. One who may come in does so while the database takes no writes, to see health."""
        try:
            with self.archive.transaction() as session:
                touch(session, key)
        except Unavailable as error:
            log.warning("use_not_noted", reason=str(error))


_Key = tuple[str, bool, str | None, str]


class _Memory:
    """Callers recognised since the database last changed: `PRAGMA data_version` says whether it has, in 2 us.

    Any commit by any process empties it, so it never outlives what it tells. On PostgreSQL nothing is remembered.
    """

    def __init__(self, archive: Archive) -> None:
        self._archive = archive
        self._connection: sqlite3.Connection | None = None
        self._version: int | None = None
        self._kept: dict[_Key, Recognised] = {}
        if archive.database.path is not None:
            self._connection = sqlite3.connect(archive.database.path, check_same_thread=False, isolation_level=None)

    def version(self) -> int | None:
        """Read the version of the database; None when there is no telling."""
        if self._connection is None:
            return None
        if not self._archive.database.is_sqlite:  # it was moved while we serve
            self._connection.close()
            self._connection = None
            return None
        try:
            return int(self._connection.execute("PRAGMA data_version").fetchone()[0])
        except sqlite3.Error:  # the file is away: the read that follows says so
            return None

    def find(self, key: _Key) -> Recognised | None:
        """Find a caller recognised since the last change, unless time has run out or its use must be noted."""
        version = self.version()
        if version is None or version != self._version:
            self._kept.clear()
            self._version = version
            return None
        kept = self._kept.get(key)
        return kept if kept is not None and time.time() < min(kept.until, kept.touch_at) else None

    def keep(self, key: _Key, version: int | None, found: Recognised) -> None:
        """Remember a caller that was read at `version`."""
        if version is not None and version == self._version and len(self._kept) < MEMORY_MAX:
            self._kept[key] = found


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


def _is_own(headers: Mapping[bytes, bytes], opened: sessions.OpenSession) -> bool:
    """Say whether our own page made the request: it knows the CSRF token, and the browser does not deny it."""
    given = headers.get(b"x-csrf-token", b"").decode("latin-1")
    return sessions.is_csrf_token(opened, given) and headers.get(b"sec-fetch-site") != b"cross-site"
