"""Puts the API together. Closed by default: what is not listed as open answers 401 before it is even looked up."""

from __future__ import annotations

from functools import partial
from typing import Final

from fastapi import FastAPI
from fastapi.routing import APIRoute
from starlette.types import ASGIApp, Receive, Scope, Send

import filmless
from filmless.access.http import unauthorised
from filmless.api import audit, errors, events, operation, peers, people, session, studies, uploads
from filmless.api.openapi import describe
from filmless.archive import Archive

OPEN: Final = frozenset({("POST", "/session"), ("GET", "/setup"), ("POST", "/setup")})
"""The ways in, for those who have no session yet."""

DESCRIPTION: Final = """\
The API of the screen. Sign in with `POST /session` (a cookie, and a CSRF token for every change), or send an API token
as `Authorization: Bearer fl_...`. Errors are `application/problem+json`; times are ISO 8601 in UTC; DICOM dates and
times are as in the data set. Images themselves come by DICOMweb, under `/dicomweb`.
"""


class Closed:
    """Answers 401 to a caller that nobody knows, whatever it asks for."""

    def __init__(self, app: ASGIApp) -> None:
        self.app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Let pass those who are known, and the ways in."""
        if scope["type"] == "http" and scope.get("filmless.principal") is None:
            path = scope["path"].removeprefix(scope.get("root_path", ""))
            if (scope["method"], path) not in OPEN:
                await unauthorised()(scope, receive, send)
                return
        await self.app(scope, receive, send)


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
        responses=errors.responses(401, 403, 422, 503),
        redirect_slashes=False,
    )
    app.state.archive = archive
    errors.add_handlers(app)
    for room in (session, studies, uploads, events, people, peers, operation, audit):
        app.include_router(room.router)
    app.add_middleware(Closed)
    app.openapi = partial(describe, app)  # type: ignore[method-assign] # the way that FastAPI documents
    return app


def _operation_id(route: APIRoute) -> str:
    """Name an operation after its function, in the way of the screen: list_studies becomes listStudies."""
    first, *others = route.name.split("_")
    return first + "".join(word.capitalize() for word in others)
