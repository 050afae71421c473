"""Puts the API together. Closed by default: what is not listed as open answers 401 before it is even looked up."""

from __future__ import annotations

import re
from functools import partial
from http import HTTPStatus
from typing import Final

from fastapi import FastAPI
from fastapi.routing import APIRoute
from starlette.datastructures import MutableHeaders
from starlette.types import ASGIApp, Message, Receive, Scope, Send

import filmless
from filmless.access.http import problem, unauthorised
from filmless.api import (
    audit,
    changes,
    deletions,
    displayed,
    errors,
    events,
    films,
    hanging,
    health,
    marks,
    objects,
    openings,
    operation,
    peers,
    people,
    preferences,
    session,
    studies,
    uploads,
    waveforms,
    webhooks,
)
from filmless.api.openapi import describe
from filmless.api.streams import Broadcaster
from filmless.archive import Archive
from filmless.errors import TooLarge
from filmless.health.watch import Watch

OPEN: Final = frozenset({("POST", "/session"), ("GET", "/setup"), ("POST", "/setup")})
"""The ways in, for those who have no session yet."""

STREAMED: Final = re.compile(r"/uploads|/studies/[^/]+/films")
"""Paths that take their body as it comes and bound it themselves."""

MASKED: Final = re.compile(r"/studies/[^/]+/segmentations")
"""Paths whose body holds pixels, and may be as long as those need."""

DESCRIPTION: Final = """\
The API of the screen. Sign in with `POST /session` (a cookie, and a CSRF token for every change), or send an API token
as `Authorization: Bearer fl_...`. Errors are `application/problem+json`; times are ISO 8601 in UTC; DICOM dates and
times are as in the data set. Images themselves come by DICOMweb, under `/dicomweb`.
"""


class Closed:
    """Answers 401 to a caller that nobody knows, whatever it asks for, and 413 to one that sends too much."""

    def __init__(self, app: ASGIApp, body_max_bytes: int, masked_max_bytes: int) -> None:
        self.app = app
        self.body_max_bytes = body_max_bytes
        self.masked_max_bytes = masked_max_bytes

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Let pass those who are known, and the ways in."""
        if scope["type"] != "http":
            await self.app(scope, receive, send)
            return
        path = scope["path"].removeprefix(scope.get("root_path", ""))
        if scope.get("filmless.principal") is None and (scope["method"], path) not in OPEN:
            await unauthorised()(scope, receive, send)
        elif "\0" in path or b"%00" in scope["query_string"]:
            await problem(HTTPStatus.BAD_REQUEST, "The address has a NUL character in it.")(scope, receive, send)
        elif STREAMED.fullmatch(path):
            await self.app(scope, receive, partial(_send_uncached, send))
        else:
            length_max = self.masked_max_bytes if MASKED.fullmatch(path) else self.body_max_bytes
            await self.app(scope, partial(_receive, receive, [0], length_max), partial(_send_uncached, send))


async def _receive(receive: Receive, seen: list[int], length_max: int) -> Message:
    message = await receive()
    seen[0] += len(message.get("body", b""))
    if seen[0] > length_max:
        raise TooLarge(f"the body is longer than {length_max} bytes")
    return message


async def _send_uncached(send: Send, message: Message) -> None:
    """Pass an answer on; no browser and no proxy may keep what is about patients."""
    if message["type"] == "http.response.start":
        headers = MutableHeaders(scope=message)
        headers.setdefault("Cache-Control", "no-store")
    await send(message)


def create_api(archive: Archive | None) -> FastAPI:
    """Build the API of an archive; without one it can only be described."""
    app = FastAPI(
        title="Filmless",
        version=filmless.__version__,
        description=DESCRIPTION,
        servers=[{"url": "/api/v1"}],
        root_path_in_servers=False,
        docs_url=None,
        redoc_url=None,
        openapi_url="/openapi.json",
        generate_unique_id_function=_operation_id,
        responses=errors.responses(400, 401, 403, 413, 422, 503),
        redirect_slashes=False,
    )
    errors.add_handlers(app)
    studied = (studies, deletions, uploads, objects, marks, displayed)
    in_viewer = (films, hanging, openings, preferences, waveforms)
    for room in (session, *studied, events, changes, people, peers, operation, health, webhooks, audit, *in_viewer):
        app.include_router(room.router)
    if archive is not None:
        app.state.archive = archive
        app.state.broadcaster = Broadcaster(archive)
        app.state.watch = Watch(archive)
        app.add_middleware(
            Closed,
            body_max_bytes=archive.settings.api_body_max_bytes,
            masked_max_bytes=archive.settings.segmentation_body_max_bytes,
        )
    app.openapi = partial(describe, app)  # type: ignore[method-assign] # the way that FastAPI documents
    return app


def _operation_id(route: APIRoute) -> str:
    """Name an operation after its function, in the way of the screen: list_studies becomes listStudies."""
    first, *others = route.name.split("_")
    return first + "".join(word.capitalize() for word in others)
