"""UPS-RS: the Worklist Service (PS3.18 11.4 to 11.9), in DICOM JSON and XML. Subscriptions: `subscribers.py`."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from http import HTTPStatus
from typing import Any, Final

import orjson
from starlette.concurrency import run_in_threadpool
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import BaseRoute, Route

from filmless.access.http import problem
from filmless.access.principal import Principal
from filmless.archive import Archive
from filmless.dicom.xml import from_xml, to_xml
from filmless.dicomweb.answers import principal_of, service_url
from filmless.dicomweb.errors import UnsupportedMediaType
from filmless.dicomweb.multipart import content_type, documents, new_boundary
from filmless.dicomweb.negotiation import (
    DICOM_JSON,
    DICOM_XML,
    ModelForm,
    choose_model_form,
    read_accept,
    read_media_type,
)
from filmless.dicomweb.search import read_parameters
from filmless.errors import Refused, TooLarge
from filmless.query.matching import JsonDataset
from filmless.worklist import attributes as at
from filmless.worklist import datasets, search, states, workitems
from filmless.worklist.refusals import Gone, Reason, Remark, WorkitemRefused

_AFFECTED_SOP_INSTANCE_UID: Final = "00001000"
_READ: Final = frozenset({DICOM_JSON, "application/json", DICOM_XML})
_INCONSISTENT: Final = "The submitted request is inconsistent with the current state of the Workitem."
_UPS_INCONSISTENT: Final = "The submitted request is inconsistent with the state of the UPS Instance."
_NOT_CLAIMED: Final = "The target URI did not reference a claimed Workitem."

_CONFLICTS: Final = frozenset(
    {
        Reason.ALREADY_IN_PROGRESS,
        Reason.NO_LONGER_UPDATABLE,
        Reason.FINAL_STATE_NOT_MET,
        Reason.NOT_IN_PROGRESS,
        Reason.ALREADY_COMPLETED,
        Reason.PERFORMER_OUT_OF_REACH,
    }
)
_REMARKS: Final = {
    Remark.ALREADY_CANCELED: "The UPS is already in the requested state of CANCELED.",
    Remark.ALREADY_COMPLETED: "The UPS is already in the requested state of COMPLETED.",
}

Answering = Callable[[Archive, Principal, Request, bytes], Response]


def workitem_routes(archive: Archive) -> list[BaseRoute]:
    """Give the routes of this service."""
    one = "/workitems/{workitem}"
    return [
        Route("/workitems", endpoint(archive, _search), methods=["GET"]),
        Route("/workitems", endpoint(archive, _create), methods=["POST"]),
        Route(one, endpoint(archive, _retrieve), methods=["GET"]),
        Route(one, endpoint(archive, _update), methods=["POST"]),
        Route(f"{one}/state", endpoint(archive, _change_state), methods=["PUT"]),
        Route(f"{one}/cancelrequest", endpoint(archive, _request_cancel), methods=["POST"]),
    ]


def endpoint(archive: Archive, answering: Answering) -> Callable[[Request], Awaitable[Response]]:
    async def endpoint(request: Request) -> Response:
        principal = principal_of(request)
        body = await _body(request, archive.settings.workitem_max_bytes)
        return await run_in_threadpool(_answer, archive, principal, request, body, answering)

    return endpoint


async def _body(request: Request, length_max: int) -> bytes:
    body = bytearray()
    async for piece in request.stream():
        body += piece
        if len(body) > length_max:
            raise TooLarge(f"the request is longer than {length_max} bytes (workitem_max_bytes)")
    return bytes(body)


def _answer(archive: Archive, principal: Principal, request: Request, body: bytes, answering: Answering) -> Response:
    """Answer one request; a refusal that PS3.18 gives a warning carries it."""
    try:
        return answering(archive, principal, request, body)
    except WorkitemRefused as error:
        is_update = answering is _update
        # 11.6.2 has an update of what has ended answered 400, though it is the state that stands in the way.
        conflicts = _CONFLICTS - {Reason.NO_LONGER_UPDATABLE} if is_update else _CONFLICTS
        status = HTTPStatus.CONFLICT if error.reason in conflicts else HTTPStatus.BAD_REQUEST
        warning = _warning_of(error.reason, is_update=is_update) if answering in (_update, _change_state) else None
        headers = {} if warning is None else warn(archive, request, warning)
        return problem(status, str(error), headers=headers)
    except Gone as error:
        return problem(HTTPStatus.GONE, str(error))


def _warning_of(reason: Reason, *, is_update: bool) -> str:
    """Choose the warning of a failure (PS3.18 11.6.3.2, 11.7.3.2)."""
    if is_update:
        return _NOT_CLAIMED if reason is Reason.NOT_IN_PROGRESS else _INCONSISTENT
    if reason is Reason.TRANSACTION_MISSING:
        return "The Transaction UID is missing."
    if reason is Reason.TRANSACTION_WRONG:
        return "The Transaction UID is incorrect."
    return _UPS_INCONSISTENT


def warn(archive: Archive, request: Request, text: str) -> dict[str, str]:
    return {"Warning": f"299 {service_url(archive, request)}: {text}"}


def _read(archive: Archive, request: Request, body: bytes) -> JsonDataset:
    """Read the data set of a request: alone, or as the only one of an array."""
    media_type, _ = read_media_type(request.headers.get("content-type", ""))
    if media_type not in _READ:
        raise UnsupportedMediaType(f"a workitem comes as {DICOM_JSON} or {DICOM_XML}")
    if request.headers.get("content-encoding", "identity") != "identity":
        raise UnsupportedMediaType("a workitem comes without a content encoding")
    try:
        given: Any = from_xml(body) if media_type == DICOM_XML else orjson.loads(body)
    except orjson.JSONDecodeError as error:
        raise Refused(f"the body is no JSON: {error}") from error
    if isinstance(given, list):
        if len(given) != 1:
            raise Refused(f"the body holds {len(given)} data sets; one is expected")
        given = given[0]
    affected = given.pop(_AFFECTED_SOP_INSTANCE_UID, None) if isinstance(given, dict) else None
    dataset = datasets.read_dataset(given, archive.settings)
    if isinstance(affected, dict) and at.SOP_INSTANCE_UID not in dataset:
        named = datasets.value({"affected": {"vr": "UI", **affected}}, "affected")
        dataset[at.SOP_INSTANCE_UID] = datasets.text("UI", named)
    return dataset


def _uid_in_query(request: Request, *names: str) -> str:
    """Read a UID that stands in the query by itself (`?1.2.3`), or as the value of a parameter."""
    items = request.query_params.multi_items()
    named = next((value for name, value in items if name.lower() in names), "")
    return named or next((name for name, value in items if not value and name[:1].isdigit()), "")


def _create(archive: Archive, principal: Principal, request: Request, body: bytes) -> Response:
    dataset = _read(archive, request, body)
    uid = _uid_in_query(request, "workitem", "affectedsopinstanceuid")
    made = workitems.create(archive, principal, dataset, uid)
    location = f"{service_url(archive, request)}/workitems/{made}"
    return Response(status_code=HTTPStatus.CREATED, headers={"Location": location, "Content-Location": location})


def _retrieve(archive: Archive, principal: Principal, request: Request, _: bytes) -> Response:
    form = choose_model_form(read_accept(request.headers, request.query_params), is_single=True)
    uid = request.path_params["workitem"]
    return _written(form, [workitems.get(archive, principal, uid)])


def _update(archive: Archive, principal: Principal, request: Request, body: bytes) -> Response:
    changes = _read(archive, request, body)
    named = _uid_in_query(request, "transaction-uid", "transactionuid")
    if named:
        changes[at.TRANSACTION_UID] = datasets.text("UI", named)
    workitems.change(archive, principal, request.path_params["workitem"], changes)
    return Response(status_code=HTTPStatus.OK)


def _change_state(archive: Archive, principal: Principal, request: Request, body: bytes) -> Response:
    given = _read(archive, request, body)
    # PS3.18 11.7.1.4 itself writes CANCELLED.
    state = datasets.value(given, at.STATE).replace("CANCELLED", at.CANCELED)
    transaction_uid = datasets.value(given, at.TRANSACTION_UID)
    remark = states.change_state(archive, principal, request.path_params["workitem"], state, transaction_uid)
    return _done(archive, request, HTTPStatus.OK, remark)


def _request_cancel(archive: Archive, principal: Principal, request: Request, body: bytes) -> Response:
    information = _read(archive, request, body) if body.strip() else {}
    # A user agent has no AE title: the caller's name stands for it, as far as an AE goes.
    name = principal.name.encode("ascii", "replace").decode().replace("\\", "?")[:16].strip() or "HTTP"
    remark = states.request_cancel(archive, principal, request.path_params["workitem"], information, name)
    return _done(archive, request, HTTPStatus.ACCEPTED, remark)


def _done(archive: Archive, request: Request, status: HTTPStatus, remark: Remark | None) -> Response:
    headers = {} if remark is None else warn(archive, request, _REMARKS[remark])
    return Response(status_code=status, headers=headers)


def _search(archive: Archive, principal: Principal, request: Request, _: bytes) -> Response:
    form = choose_model_form(read_accept(request.headers, request.query_params), is_single=False)
    asked = read_parameters(request.query_params.multi_items())
    wanted = dict.fromkeys((*at.RETURNED, *asked.identifier), None) | dict(asked.included)
    if asked.cursor is not None:
        raise Refused("a search for workitems has no cursor: page by limit and offset")
    query = search.read_query(asked.identifier, asked.options, wanted, wants_all=asked.includes_all)
    settings = archive.settings
    limit = min(settings.query_page_default if asked.limit is None else asked.limit, settings.query_page_max)
    page = search.find_page(archive, principal, query, limit=limit, offset=asked.offset)
    if page.has_more:
        more = warn(archive, request, "There are additional results that can be requested.")
        return _written(form, page.datasets, HTTPStatus.PARTIAL_CONTENT, more)
    if not page.datasets:
        return Response(status_code=HTTPStatus.NO_CONTENT)
    return _written(form, page.datasets)


def _written(
    form: ModelForm, found: list[JsonDataset], status: HTTPStatus = HTTPStatus.OK, more: dict[str, str] | None = None
) -> Response:
    headers = {"Cache-Control": "no-store", **(more or {})}
    if not form.is_xml:
        return Response(orjson.dumps(found), status_code=status, headers=headers, media_type=form.media_type)
    if not form.is_multipart:
        return Response(to_xml(found[0]), status_code=status, headers=headers, media_type=DICOM_XML)
    boundary = new_boundary()
    body = b"".join(documents(boundary, DICOM_XML, map(to_xml, found)))
    return Response(body, status_code=status, headers={**headers, "Content-Type": content_type(boundary, DICOM_XML)})
