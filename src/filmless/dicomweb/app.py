"""The DICOMweb application, mounted at /dicomweb: routes, errors, and what every answer carries."""

from __future__ import annotations

import time
from collections.abc import MutableMapping
from typing import Any, Final

from starlette.concurrency import run_in_threadpool
from starlette.exceptions import HTTPException
from starlette.responses import Response
from starlette.routing import Router
from starlette.types import Receive, Scope, Send

from filmless.access import audit
from filmless.access.http import unauthorised
from filmless.access.principal import Principal
from filmless.archive import Archive
from filmless.dicomweb import errors
from filmless.dicomweb.answers import Decoding
from filmless.dicomweb.capabilities import capability_routes
from filmless.dicomweb.channel import EventChannels
from filmless.dicomweb.delete import delete_routes
from filmless.dicomweb.frames import frame_routes
from filmless.dicomweb.non_patient import non_patient_routes
from filmless.dicomweb.rendered import rendered_routes
from filmless.dicomweb.retrieve import retrieve_routes
from filmless.dicomweb.search import search_routes
from filmless.dicomweb.store import store_routes
from filmless.dicomweb.subscribers import subscriber_routes
from filmless.dicomweb.uri import uri_routes
from filmless.dicomweb.workitems import workitem_routes
from filmless.errors import FilmlessError, NotAllowed

_EXPOSED: Final = "Content-Location, Content-Range, ETag, Link, Location, Warning, Retry-After"
_ALLOWED: Final = "Authorization, Accept, Content-Type, Range, If-None-Match"


def create_dicomweb(archive: Archive) -> Dicomweb:
    """Build the application."""
    return Dicomweb(archive)


class Dicomweb:
    """The application."""

    def __init__(self, archive: Archive) -> None:
        self.archive = archive
        decoding = Decoding(archive)
        self.router = Router(
            [
                *frame_routes(archive, decoding),  # first: asked for most
                *retrieve_routes(archive),
                *search_routes(archive),
                *capability_routes(archive),
                *store_routes(archive),
                *non_patient_routes(archive),
                *delete_routes(archive),
                *workitem_routes(archive),
                *subscriber_routes(archive),
                *rendered_routes(archive, decoding),
                *uri_routes(archive, decoding),
            ],
            redirect_slashes=False,
        )
        origins = archive.settings.cors_origins.split(",")
        self.channels = EventChannels(archive)
        self.origins = frozenset(origin.strip().rstrip("/") for origin in origins if origin.strip())

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one request: known callers only, and every failure as a problem that a person understands."""
        if scope["type"] == "websocket":
            await self.channels(scope, receive, send)
        if scope["type"] != "http":
            return
        scope.setdefault("app", self)
        if scope["path"] == scope.get("root_path"):
            scope = {**scope, "path": f"{scope['path']}/"}  # the base itself: its capabilities
        origin = _header(scope, b"origin")
        outgoing = send
        if origin is not None and self._allows(origin):
            outgoing = _with_cors(send, origin)
            if scope["method"] == "OPTIONS" and _header(scope, b"access-control-request-method") is not None:
                await _preflight()(scope, receive, outgoing)
                return
        if scope.get("filmless.principal") is None:
            await unauthorised()(scope, receive, outgoing)
            return
        is_started = False

        async def watched(message: MutableMapping[str, Any]) -> None:
            nonlocal is_started
            is_started = True
            await outgoing(message)

        try:
            await self.router(scope, receive, watched)
        except (FilmlessError, HTTPException) as error:
            if is_started:
                raise  # The server cuts the connection: the client must not take a part for the whole.
            if isinstance(error, NotAllowed):
                await run_in_threadpool(self._record, scope, str(error))
            await errors.answer(error)(scope, receive, outgoing)

    def stop(self) -> None:
        """End what would go on for ever."""
        self.channels.stop()

    def _allows(self, origin: str) -> bool:
        return "*" in self.origins or origin in self.origins

    def _record(self, scope: Scope, reason: str) -> None:
        """Leave a row of a refusal, one for all that are alike within an hour."""
        principal: Principal = scope["filmless.principal"]
        what = f"{scope['method']} {scope['path']}"
        key = f"refused:{principal.kind}:{principal.id}:{principal.address}:{int(time.time() // 3600)}"
        with self.archive.transaction() as session:
            audit.record_repeated(session, principal, "request", request=key, object=what, detail=reason)


def _header(scope: Scope, name: bytes) -> str | None:
    return next((value.decode("latin-1") for key, value in scope["headers"] if key == name), None)


def _with_cors(send: Send, origin: str) -> Send:
    async def outgoing(message: MutableMapping[str, Any]) -> None:
        if message["type"] == "http.response.start":
            added = [
                (b"access-control-allow-origin", origin.encode("latin-1")),
                (b"access-control-expose-headers", _EXPOSED.encode()),
                (b"cross-origin-resource-policy", b"cross-origin"),
                (b"vary", b"Origin"),
            ]
            message = {**message, "headers": [*message.get("headers", []), *added]}
        await send(message)

    return outgoing


def _preflight() -> Response:
    return Response(
        status_code=204,
        headers={
            "Access-Control-Allow-Methods": "GET, HEAD, POST, PUT, DELETE, OPTIONS",
            "Access-Control-Allow-Headers": _ALLOWED,
            "Access-Control-Max-Age": "3600",
        },
    )
