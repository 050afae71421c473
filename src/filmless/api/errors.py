"""The one table from our kinds of failure to HTTP, and every error as problem+json (RFC 9457)."""

from __future__ import annotations

from http import HTTPStatus
from typing import Any, Final

import structlog
from fastapi import FastAPI, Request
from fastapi.exceptions import RequestValidationError
from starlette.concurrency import run_in_threadpool
from starlette.exceptions import HTTPException
from starlette.requests import ClientDisconnect
from starlette.responses import Response

from filmless import errors
from filmless.access import audit
from filmless.access.http import CHALLENGE, problem

log = structlog.get_logger()

# The first that fits counts.
STATUS: Final[list[tuple[type[errors.FilmlessError], HTTPStatus]]] = [
    (errors.NotRecognised, HTTPStatus.UNAUTHORIZED),
    (errors.NotAllowed, HTTPStatus.FORBIDDEN),
    (errors.Gone, HTTPStatus.GONE),
    (errors.NotFound, HTTPStatus.NOT_FOUND),
    (errors.NotAcceptable, HTTPStatus.NOT_ACCEPTABLE),
    (errors.Conflict, HTTPStatus.CONFLICT),
    (errors.Mismatch, HTTPStatus.CONFLICT),
    (errors.TooLarge, HTTPStatus.REQUEST_ENTITY_TOO_LARGE),
    (errors.Refused, HTTPStatus.BAD_REQUEST),
    (errors.TooMany, HTTPStatus.TOO_MANY_REQUESTS),
    (errors.Unavailable, HTTPStatus.SERVICE_UNAVAILABLE),
    (errors.Damaged, HTTPStatus.INTERNAL_SERVER_ERROR),
]


def responses(*statuses: int) -> dict[int | str, dict[str, Any]]:
    """Describe, for OpenAPI, the errors that an endpoint can answer besides those that all can."""
    return {
        status: {
            "description": HTTPStatus(status).phrase,
            "content": {"application/problem+json": {"schema": {"$ref": "#/components/schemas/Problem"}}},
        }
        for status in statuses
    }


def status_of(error: errors.FilmlessError) -> HTTPStatus:
    """Look the kind of failure up in the table."""
    return next((status for kind, status in STATUS if isinstance(error, kind)), HTTPStatus.INTERNAL_SERVER_ERROR)


def add_handlers(app: FastAPI) -> None:
    """Make every error of `app` a problem+json."""
    app.add_exception_handler(errors.FilmlessError, _on_ours)
    app.add_exception_handler(RequestValidationError, _on_malformed)
    app.add_exception_handler(HTTPException, _on_framework)
    app.add_exception_handler(ClientDisconnect, _on_gone)
    app.add_exception_handler(Exception, _on_bug)


async def _on_ours(request: Request, error: Exception) -> Response:
    assert isinstance(error, errors.FilmlessError)
    status = status_of(error)
    headers = {}
    if isinstance(error, errors.Unavailable):
        headers["Retry-After"] = str(error.retry_after_s)
    if status == HTTPStatus.UNAUTHORIZED:
        headers["WWW-Authenticate"] = CHALLENGE
    if isinstance(error, errors.NotAllowed):
        await run_in_threadpool(_record_refusal, request, str(error))
    if isinstance(error, errors.Damaged):
        log.error("damaged", path=request.url.path, error=str(error))
    return problem(status, str(error), headers=headers)


def _record_refusal(request: Request, reason: str) -> None:
    """A refusal has no transaction of its own; it gets one, unless there is nobody to name."""
    principal = request.scope.get("filmless.principal")
    if principal is not None:
        archive = request.app.state.archive
        with archive.transaction() as session:
            what = f"{request.method} {request.url.path}"
            audit.record(session, principal, "request", outcome="refused", object=what, detail=reason)


async def _on_malformed(request: Request, error: Exception) -> Response:
    assert isinstance(error, RequestValidationError)
    # Neither the input nor the context goes back: both may hold a password.
    fields = [
        {"field": ".".join(str(part) for part in each["loc"][1:]) or str(each["loc"][0]), "message": str(each["msg"])}
        for each in error.errors()[:50]
    ]
    told = "; ".join(f"{each['field']}: {each['message']}" for each in fields[:3])
    return problem(HTTPStatus.UNPROCESSABLE_ENTITY, f"The request was not understood. {told}", errors=fields)


async def _on_framework(request: Request, error: Exception) -> Response:
    assert isinstance(error, HTTPException)
    if isinstance(error.__cause__, errors.FilmlessError):  # raised while the body was read
        return await _on_ours(request, error.__cause__)
    sentence = {
        HTTPStatus.NOT_FOUND: "There is nothing at this address.",
        HTTPStatus.METHOD_NOT_ALLOWED: f"{request.method} is not possible here.",
        HTTPStatus.BAD_REQUEST: "The request was not understood.",
    }.get(HTTPStatus(error.status_code), HTTPStatus(error.status_code).phrase)
    return problem(HTTPStatus(error.status_code), sentence, headers=dict(error.headers or {}))


async def _on_gone(request: Request, error: Exception) -> Response:
    told = "The body of the request came too slowly, or not to its end."
    return problem(HTTPStatus.REQUEST_TIMEOUT, told, headers={"Connection": "close"})


async def _on_bug(request: Request, error: Exception) -> Response:
    log.exception("bug", path=request.url.path, exc_info=error)
    return problem(HTTPStatus.INTERNAL_SERVER_ERROR, "Something went wrong in the server; the log tells what.")
