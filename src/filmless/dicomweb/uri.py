"""WADO-URI (PS3.18 9): one instance by its UIDs in the query, for viewers that know nothing newer.

At `/wado` and `/dicomweb/wado`. A picture is drawn as a rendered resource is; an instance is given as by WADO-RS.
"""

from __future__ import annotations

import hashlib
from typing import Final

from starlette.datastructures import Headers as RequestHeaders
from starlette.datastructures import QueryParams
from starlette.requests import Request
from starlette.routing import BaseRoute, Route
from starlette.types import Receive, Scope, Send

from filmless.access.policy import Action
from filmless.access.principal import Principal
from filmless.archive import Archive
from filmless.dicom.rendering import GIF, JPEG, MEDIA_TYPES, SIDE_MAX, Viewport
from filmless.dicom.windowing import Window
from filmless.dicomweb.answers import PRIVATE, Answer, Decoding, Headers, is_fresh, not_modified, principal_of
from filmless.dicomweb.documents import answer_document
from filmless.dicomweb.looks import ANNOTATIONS, numbers_of
from filmless.dicomweb.negotiation import DICOM, InstanceForm, MediaRange, read_accept
from filmless.dicomweb.retrieve import one_instance
from filmless.dicomweb.videos import answer_video
from filmless.errors import NotAcceptable, NotFound, Refused
from filmless.retrieve.cine import cine_frames, render_gif
from filmless.retrieve.instances import InstanceRecord, get_record
from filmless.retrieve.opening import open_study, require
from filmless.retrieve.presented import open_state, presented_frame, render_presented
from filmless.retrieve.rendered import Look, is_image, middle_frame, render_frame
from filmless.retrieve.videos import is_video

_WITH_A_STATE: Final = ("windowcenter", "windowwidth", "region")


def uri_routes(archive: Archive, decoding: Decoding) -> list[BaseRoute]:
    """Give the route of this service."""
    return [Route("/wado", _Uri(archive, decoding), methods=["GET"])]


class _Uri:
    def __init__(self, archive: Archive, decoding: Decoding) -> None:
        self.archive = archive
        self.decoding = decoding

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        request = Request(scope, receive)
        answer = await self.decoding.run(_answer, self.archive, principal_of(request), request)
        await answer(scope, receive, send)


def _answer(archive: Archive, principal: Principal, request: Request) -> Answer:
    """Answer one request.

    Raises
    ------
    Refused: a parameter is missing or not of its form. NotAcceptable: it cannot be had so. NotFound, NotAllowed.
    """
    given = {name.lower(): value for name, value in request.query_params.multi_items()}
    if given.get("requesttype") != "WADO":
        raise Refused("requestType is WADO, and nothing else, in a request to this address")
    study, series, uid = (_uid(given, name) for name in ("studyUID", "seriesUID", "objectUID"))
    if given.get("anonymize", "no").lower() != "no":
        raise NotAcceptable("de-identification is not offered here: leave anonymize out")
    require(principal, Action.VIEW, study)
    record = get_record(archive, study, series, uid)
    ranges = _ranges(given.get("contenttype", ""), record, has_state=bool(given.get("presentationuid")))
    if given.get("presentationuid"):
        open_study(archive, principal, study)
        return _presented(archive, principal, record, request, given, ranges)
    if _wants_instance(ranges):
        require(principal, Action.RETRIEVE, study)
        open_study(archive, principal, study, Action.RETRIEVE)
        syntax = given.get("transfersyntax") or None
        return one_instance(archive, record, request, InstanceForm(DICOM, syntax))
    open_study(archive, principal, study)
    if is_video(record.instance):
        return answer_video(archive, record, request, ranges)
    document = answer_document(archive, principal, record, request, ranges)
    if document is not None:
        return document
    return _picture(archive, record, request, given, ranges)


def _uid(given: dict[str, str], name: str) -> str:
    uid = given.get(name.lower(), "")
    if not uid:
        raise Refused(f"{name} is missing: a request names one instance by studyUID, seriesUID and objectUID")
    return uid


def _ranges(content_type: str, record: InstanceRecord, *, has_state: bool) -> list[MediaRange]:
    """Read contentType, the best first; without it JPEG of what is one picture, and else the instance (9.1.2.2.1)."""
    is_picture = is_image(record.instance) and record.instance.number_of_frames <= 1
    wished = content_type or (JPEG if is_picture or has_state else DICOM)
    return read_accept(RequestHeaders({}), QueryParams([("accept", wished)]))


def _wants_instance(ranges: list[MediaRange]) -> bool:
    return bool(ranges) and ranges[0].takes(DICOM) and ranges[0].media_type != "*/*"


def _picture(
    archive: Archive, record: InstanceRecord, request: Request, given: dict[str, str], ranges: list[MediaRange]
) -> Answer:
    instance = record.instance
    kinds = (kind for wanted in ranges for kind in MEDIA_TYPES if wanted.takes(kind))
    media_type = next(kinds, None) if is_image(instance) else None
    if media_type is None:
        offered = (DICOM, *(MEDIA_TYPES if is_image(instance) else ()))
        raise NotAcceptable(f"this instance is given as {', '.join(offered)}; contentType names none of them")
    look = _look(given, record, media_type)
    asked = hashlib.sha256(f"{request.query_params}".encode()).hexdigest()[:16]
    etag = f'"{instance.blob[:32]}-{asked}"'
    headers: Headers = [("Content-Type", media_type), ("Cache-Control", PRIVATE), ("ETag", etag)]
    number = _whole(given, "frameNumber", 1, max(instance.number_of_frames, 1))
    if is_fresh(request, etag):
        return not_modified(headers)
    if media_type == GIF and number is None and instance.number_of_frames > 1:
        return Answer(200, headers, pieces=render_gif(archive, record, cine_frames(archive, record, []), look))
    return Answer(200, headers, render_frame(archive, record, number or middle_frame(instance), look))


def _presented(
    archive: Archive,
    principal: Principal,
    record: InstanceRecord,
    request: Request,
    given: dict[str, str],
    ranges: list[MediaRange],
) -> Answer:
    """Answer with one frame as a presentation state shows it (PS3.18 9.1.2.2.11)."""
    for name in _WITH_A_STATE:
        if name in given:
            raise Refused(
                f"a presentation state has its own window and area: {name} is not given beside presentationUID"
            )
    study, series, uid = (_uid(given, name) for name in ("studyUID", "presentationSeriesUID", "presentationUID"))
    state = open_state(archive, principal, get_record(archive, study, series, uid))
    for other in {each.instance.study_instance_uid for each in state.records}:
        open_study(archive, principal, other)
    media_type = next((kind for wanted in ranges for kind in MEDIA_TYPES if wanted.takes(kind)), None)
    if media_type is None or not is_image(record.instance):
        raise NotAcceptable(f"an image with a presentation state is given as {', '.join(MEDIA_TYPES)}")
    number = _whole(given, "frameNumber", 1, max(record.instance.number_of_frames, 1))
    shown = presented_frame(state, record, number)
    blobs = "".join(each.instance.blob for each in (state.record, *state.records))
    asked = hashlib.sha256(f"{request.query_params}{blobs}".encode()).hexdigest()[:16]
    etag = f'"{record.instance.blob[:32]}-{asked}"'
    headers: Headers = [("Content-Type", media_type), ("Cache-Control", PRIVATE), ("ETag", etag)]
    if is_fresh(request, etag):
        return not_modified(headers)
    return Answer(200, headers, render_presented(archive, state, shown, _look(given, record, media_type)))


def _look(given: dict[str, str], record: InstanceRecord, media_type: str) -> Look:
    """Read how the picture is wanted (PS3.18 9.1.2.2).

    Raises
    ------
    Refused
    """
    window = None
    if "windowcenter" in given or "windowwidth" in given:
        if "windowcenter" not in given or "windowwidth" not in given:
            raise Refused("windowCenter and windowWidth are given together")
        center, width = numbers_of([given["windowcenter"], given["windowwidth"]], "windowCenter, windowWidth")
        if width < 1:
            raise Refused(f"windowWidth is {width:g}; at least 1 is needed")
        window = Window(center, width, "LINEAR")
    quality = _whole(given, "imageQuality", 1, 100)
    words = given.get("annotation", "").split(",")
    return Look(
        media_type=media_type,
        window=window,
        viewport=_viewport(given, record),
        quality=quality or 90,
        annotation=tuple(word for word in ANNOTATIONS if word in words),
    )


def _viewport(given: dict[str, str], record: InstanceRecord) -> Viewport | None:
    rows, columns = _whole(given, "rows", 1, SIDE_MAX), _whole(given, "columns", 1, SIDE_MAX)
    region = given.get("region")
    height, width = float(record.instance.rows or 0), float(record.instance.columns or 0)
    if region is None:
        return None if rows is None and columns is None else Viewport(columns or SIDE_MAX, rows or SIDE_MAX)
    corners = numbers_of(region.split(","), "region")
    if len(corners) != 4 or not (0 <= corners[0] < corners[2] <= 1 and 0 <= corners[1] < corners[3] <= 1):
        raise Refused(f"region is {region[:60]!r}; it is xmin,ymin,xmax,ymax, each from 0 to 1")
    left, top = corners[0] * width, corners[1] * height
    shown_width, shown_height = corners[2] * width - left, corners[3] * height - top
    return Viewport(
        columns or max(round(shown_width), 1), rows or max(round(shown_height), 1), left, top, shown_width, shown_height
    )


def _whole(given: dict[str, str], name: str, least: int, most: int) -> int | None:
    text = given.get(name.lower())
    if text is None:
        return None
    if not text.isascii() or not text.isdigit() or len(text) > 9:
        raise Refused(f"{name} is {text[:20]!r}; it is a whole number from {least} to {most}")
    if not least <= int(text) <= most:
        if name == "frameNumber":
            raise NotFound(f"there is no frame {int(text)}: the instance has {most}")
        raise Refused(f"{name} is {text}; it is a whole number from {least} to {most}")
    return int(text)
