"""The one table from our kinds of failure to HTTP, each answered as problem+json (RFC 9457)."""

from __future__ import annotations

from http import HTTPStatus
from typing import Final

import structlog
from starlette.exceptions import HTTPException
from starlette.responses import Response

from filmless import errors
from filmless.access.http import CHALLENGE, problem

log = structlog.get_logger()


class UnsupportedMediaType(errors.Refused):
    """The body is of a type that this service does not read."""


# The first that fits counts.
_STATUS: Final[list[tuple[type[errors.FilmlessError], HTTPStatus]]] = [
    (UnsupportedMediaType, HTTPStatus.UNSUPPORTED_MEDIA_TYPE),
    (errors.NotRecognised, HTTPStatus.UNAUTHORIZED),
    (errors.NotAllowed, HTTPStatus.FORBIDDEN),
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


def answer(error: errors.FilmlessError | HTTPException) -> Response:
    """Make the answer for a failure."""
    if isinstance(error, HTTPException):
        status = HTTPStatus(error.status_code)
        sentence = {
            HTTPStatus.NOT_FOUND: "There is nothing at this address.",
            HTTPStatus.METHOD_NOT_ALLOWED: "This method is not possible here.",
        }.get(status, str(error.detail))
        return problem(status, sentence, headers=error.headers)
    status = next((status for kind, status in _STATUS if isinstance(error, kind)), HTTPStatus.INTERNAL_SERVER_ERROR)
    headers = {}
    if isinstance(error, errors.Unavailable):
        headers["Retry-After"] = str(error.retry_after_s)
    if status == HTTPStatus.UNAUTHORIZED:
        headers["WWW-Authenticate"] = CHALLENGE
    if isinstance(error, errors.Damaged):
        log.error("damaged", error=str(error))
    return problem(status, str(error), headers=headers)
