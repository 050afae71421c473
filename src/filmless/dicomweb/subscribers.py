"""UPS-RS subscriptions (PS3.18 11.10 to 11.12): to a workitem, to all, or to those that match keys; and no longer.

Who subscribes is told on the channel that it opens at the address in Content-Location (`channel.py`).
"""

from __future__ import annotations

from http import HTTPStatus
from typing import Final
from urllib.parse import quote

from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import BaseRoute, Route

from filmless.access.principal import Principal
from filmless.archive import Archive
from filmless.dicomweb.answers import service_url
from filmless.dicomweb.search import read_parameters
from filmless.dicomweb.workitems import endpoint, warn
from filmless.errors import NotFound, Refused
from filmless.query.matching import JsonDataset
from filmless.worklist import attributes as at
from filmless.worklist.subscriptions import subscribe, suspend, unsubscribe

_OWN: Final = frozenset({"filter", "deletionlock"})


def subscriber_routes(archive: Archive) -> list[BaseRoute]:
    """Give the routes of these transactions."""
    one = "/workitems/{workitem}/subscribers/{subscriber}"
    return [
        Route(one, endpoint(archive, _subscribe), methods=["POST"]),
        Route(one, endpoint(archive, _unsubscribe), methods=["DELETE"]),
        Route(f"{one}/suspend", endpoint(archive, _suspend), methods=["POST"]),
    ]


def _subscribe(archive: Archive, principal: Principal, request: Request, _: bytes) -> Response:
    uid, title = _named(request)
    keys = _read_filter(request) if uid == at.FILTERED else None
    remark = subscribe(archive, principal, uid, title, deletion_lock=_wants_lock(request), keys=keys)
    channel = f"{service_url(archive, request)}/ws/subscribers/{quote(title.strip())}"
    headers = {"Content-Location": channel.replace("http", "ws", 1)}
    if remark is not None:
        headers |= warn(archive, request, "Deletion Lock not granted.")
    return Response(status_code=HTTPStatus.CREATED, headers=headers)


def _unsubscribe(archive: Archive, principal: Principal, request: Request, _: bytes) -> Response:
    uid, title = _named(request)
    if not unsubscribe(archive, principal, uid, title):
        raise NotFound(f"{title} is not subscribed to {uid}")
    return Response(status_code=HTTPStatus.OK)


def _suspend(archive: Archive, principal: Principal, request: Request, _: bytes) -> Response:
    uid, title = _named(request)
    if not suspend(archive, principal, uid, title):
        raise NotFound(f"{title} is not subscribed to {uid}")
    return Response(status_code=HTTPStatus.OK)


def _named(request: Request) -> tuple[str, str]:
    return request.path_params["workitem"], request.path_params["subscriber"]


def _wants_lock(request: Request) -> bool:
    given = next((value for name, value in request.query_params.multi_items() if name.lower() == "deletionlock"), "")
    if given.lower() not in ("", "true", "false"):
        raise Refused(f"deletionlock is {given[:20]!r}; it takes true or false")
    return given.lower() == "true"


def _read_filter(request: Request) -> JsonDataset:
    """Read the keys: in `filter`, by comma, or each as a parameter of its own."""
    given = request.query_params.multi_items()
    items = [(name, value) for name, value in given if name.lower() not in _OWN]
    for part in (part for name, text in given if name.lower() == "filter" for part in text.split(",")):
        name, equals, value = part.partition("=")
        if equals:
            items.append((name.strip(), value.strip()))
        elif items:  # a comma within a value
            items[-1] = (items[-1][0], f"{items[-1][1]},{part}")
    return read_parameters(items).identifier
