"""Rendered resources and thumbnails of the Studies Service (PS3.18 8.3.5, 10.4.1.1.3, 10.4.1.1.4)."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterator
from typing import Final

from starlette.requests import Request
from starlette.routing import BaseRoute, Route
from starlette.types import Receive, Scope, Send

from filmless.access.policy import Action
from filmless.access.principal import Principal
from filmless.archive import Archive
from filmless.dicom.rendering import GIF, JPEG, MEDIA_TYPES, PNG, animate
from filmless.dicom.uids import is_presentation_state_class, name_of
from filmless.dicomweb.answers import (
    PRIVATE,
    REVALIDATE,
    Answer,
    Decoding,
    Headers,
    is_fresh,
    not_modified,
    principal_of,
    service_url,
    started,
)
from filmless.dicomweb.documents import answer_document, asks_for_picture
from filmless.dicomweb.frames import read_frame_numbers
from filmless.dicomweb.looks import annotation_warning, read_look, read_size
from filmless.dicomweb.multipart import closing, content_type, new_boundary, part_head, part_headers
from filmless.dicomweb.negotiation import MediaRange, choose, read_accept
from filmless.dicomweb.retrieve import uids_of
from filmless.dicomweb.videos import answer_cine, answer_video
from filmless.errors import NotAcceptable, NotFound, Refused
from filmless.retrieve.cine import MP4, cine_frames, render_gif
from filmless.retrieve.instances import (
    InstanceRecord,
    StoredInstance,
    find_instances,
    find_record,
    get_record,
    instance_path,
)
from filmless.retrieve.opening import open_study, require
from filmless.retrieve.presented import open_state, presented_frames, render_presented
from filmless.retrieve.rendered import (
    Look,
    draw_sheet,
    get_representative,
    is_image,
    middle_frame,
    render_any,
    render_frame,
)
from filmless.retrieve.thumbnails import SIDE_DEFAULT, thumbnail
from filmless.retrieve.videos import is_video

_MOVING: Final = (GIF, MP4)
_PRESENTED_MS: Final = 500.0

_Work = Callable[[Archive, Principal, Request], Answer]


class _Endpoint:
    """A resource that is drawn: in the threads that wait for decoders."""

    def __init__(self, archive: Archive, decoding: Decoding, work: _Work) -> None:
        self.archive = archive
        self.decoding = decoding
        self.work = work

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        request = Request(scope, receive)
        principal = principal_of(request)
        require(principal, Action.VIEW, request.path_params["study"])
        answer = await self.decoding.run(self.work, self.archive, principal, request)
        await answer(scope, receive, send)


def rendered_routes(archive: Archive, decoding: Decoding) -> list[BaseRoute]:
    """Give the routes of these resources."""
    study = "/studies/{study}"
    series = f"{study}/series/{{series}}"
    instance = f"{series}/instances/{{instance}}"
    frames = f"{instance}/frames/{{frames}}"
    works: list[tuple[str, _Work]] = [
        (f"{frames}/rendered", _rendered_instance),
        (f"{frames}/thumbnail", _thumbnail),
        (f"{instance}/rendered", _rendered_instance),
        (f"{instance}/thumbnail", _thumbnail),
        (f"{series}/rendered", _rendered_many),
        (f"{series}/thumbnail", _thumbnail),
        (f"{study}/rendered", _rendered_many),
        (f"{study}/thumbnail", _thumbnail),
    ]
    return [Route(path, _Endpoint(archive, decoding, work), methods=["GET"]) for path, work in works]


# Rendered -------------------------------------------------------------------------------------------------------------


def _rendered_instance(archive: Archive, principal: Principal, request: Request) -> Answer:
    study, series, uid = uids_of(request)
    record = get_record(archive, study, series or "", uid or "", with_series=True)
    instance = record.instance
    named = request.path_params.get("frames")
    numbers = read_frame_numbers(named) if named else []
    if any(number > max(instance.number_of_frames, 0) for number in numbers):
        raise NotFound(f"the instance has {instance.number_of_frames} frames")
    open_study(archive, principal, study)
    ranges = read_accept(request.headers, request.query_params)
    if not numbers:
        document = answer_document(archive, principal, record, request, ranges)
        if document is not None:
            return document
        if is_presentation_state_class(instance.sop_class_uid):
            return _presented(archive, principal, record, request, ranges)
        _require_picture(instance, ranges)
    if is_video(instance):
        return answer_video(archive, record, request, ranges)
    can_move = len(numbers) != 1 and instance.number_of_frames > 1
    wanted = _choice(ranges, count=len(numbers), can_move=can_move)
    look = read_look(request, wanted.media_type)
    _require_region(look, instance)
    etag = _etag(instance, request, wanted)
    headers: Headers = [("Cache-Control", PRIVATE), ("ETag", etag), ("Vary", "Accept"), *annotation_warning(request)]
    if is_fresh(request, etag):
        return not_modified(headers)
    if wanted.is_multipart and len(numbers) > 1:
        cine_frames(archive, record, numbers)
        return _parts(request, archive, headers, _each_frame(archive, record, numbers, look), look)
    if look.media_type in _MOVING and can_move:
        chosen = cine_frames(archive, record, numbers)
        if look.media_type == MP4:
            return answer_cine(archive, record, request, headers, chosen, look)
        return Answer(200, [("Content-Type", GIF), *headers], pieces=render_gif(archive, record, chosen, look))
    if is_image(instance):
        drawn = render_frame(archive, record, numbers[0] if numbers else middle_frame(instance), look)
    else:
        drawn = draw_sheet(archive, instance, look)
    if wanted.is_multipart:
        return _parts(request, archive, headers, iter([(instance, drawn)]), look)
    return Answer(200, [("Content-Type", look.media_type), *headers], drawn)


def _presented(
    archive: Archive, principal: Principal, state: InstanceRecord, request: Request, ranges: list[MediaRange]
) -> Answer:
    """Answer with the images of a presentation state as it shows them: the middle one, or all as GIF or in parts."""
    opened = open_state(archive, principal, state)
    frames = presented_frames(archive, principal, opened)
    for study in {each.instance.study_instance_uid for each in (*opened.records, *(each.record for each in frames))}:
        require(principal, Action.VIEW, study)
        open_study(archive, principal, study)
    wanted = _choice(ranges, count=1)
    look = read_look(request, wanted.media_type)
    read_size(request)
    if look.window is not None:
        raise Refused("a presentation state has its own window: the parameter is not for it")
    frames = frames if wanted.is_multipart or wanted.media_type == GIF else [frames[len(frames) // 2]]
    read = [*(each.record for each in frames), *opened.records]
    blobs = hashlib.sha256("".join(each.instance.blob for each in read).encode()).hexdigest()[:16]
    etag = f'{_etag(state.instance, request, wanted)[:-1]}-{blobs}"'
    headers: Headers = [("Cache-Control", REVALIDATE), ("ETag", etag), ("Vary", "Accept"), *annotation_warning(request)]
    if is_fresh(request, etag):
        return not_modified(headers)
    pictures = ((each.record.instance, render_presented(archive, opened, each, look)) for each in frames)
    if wanted.is_multipart:
        return _parts(request, archive, headers, pictures, look)
    headers.insert(0, ("Content-Type", look.media_type))
    if len(frames) > 1:
        delays = [each.duration_ms or _PRESENTED_MS for each in frames]
        pieces = animate((drawn for _, drawn in pictures), delays_ms=delays)
        return Answer(200, headers, pieces=started(pieces))
    return Answer(200, headers, next(pictures)[1])


def _etag(instance: StoredInstance, request: Request, wanted: MediaRange) -> str:
    asked = f"{request.scope['path']}?{request.query_params}#{wanted.media_type}{wanted.is_multipart}"
    return f'"{instance.blob[:32]}-{hashlib.sha256(asked.encode()).hexdigest()[:16]}"'


def _require_region(look: Look, instance: StoredInstance) -> None:
    """Hold that the region of a viewport has something of the image.

    Raises
    ------
    Refused
    """
    viewport, columns, rows = look.viewport, instance.columns or 0, instance.rows or 0
    if viewport is not None and (viewport.left >= columns or viewport.top >= rows):
        raise Refused(f"viewport: the region begins at {viewport.left:g},{viewport.top:g}, outside {columns} x {rows}")


def _require_picture(instance: StoredInstance, ranges: list[MediaRange]) -> None:
    """Hold that an instance can be drawn, or that a picture of it is asked for by name: then a labelled sheet will do.

    OHIF asks so of every series in its list, and shows a broken tile when it is refused.

    Raises
    ------
    NotAcceptable
    """
    if not is_image(instance) and not any(map(asks_for_picture, ranges)):
        name = name_of(instance.sop_class_uid)
        raise NotAcceptable(f"an instance of {name} has no picture or text of its own; its thumbnail stands for it")


def _choice(ranges: list[MediaRange], *, count: int, can_move: bool = False) -> MediaRange:
    """Choose the kind of picture, and whether it comes in parts."""
    offers = [*MEDIA_TYPES, MP4] if can_move else MEDIA_TYPES
    for wanted in ranges:
        is_multipart = wanted.is_multipart or (wanted.media_type == "*/*" and count > 1)
        kinds = [kind for kind in offers if wanted.takes(kind) and not (is_multipart and kind == MP4)]
        if count > 1 and not is_multipart:
            kinds = [kind for kind in kinds if kind in _MOVING]
        if kinds:
            return MediaRange(kinds[0], is_multipart, None, wanted.quality)
    several = f"several frames as {GIF}, {MP4} or in parts"
    raise NotAcceptable(f"pictures are given as {JPEG}, {PNG} or {GIF}{f'; {several}' if can_move else ''}")


def _each_frame(
    archive: Archive, record: InstanceRecord, numbers: list[int], look: Look
) -> Iterator[tuple[StoredInstance, bytes]]:
    for number in numbers:
        yield record.instance, render_frame(archive, record, number, look)


def _rendered_many(archive: Archive, principal: Principal, request: Request) -> Answer:
    """Answer with the pictures of a study or series: all of them in parts, or the one that stands for it."""
    study, series, _ = uids_of(request)
    ranges = read_accept(request.headers, request.query_params)
    representative = get_representative(archive, principal, study, series)
    open_study(archive, principal, study)
    document = answer_document(archive, principal, representative, request, ranges)
    if document is not None:
        return document
    _require_picture(representative.instance, ranges)
    wanted = _choice(ranges, count=1)
    look = read_look(request, wanted.media_type)
    _require_region(look, representative.instance)
    headers: Headers = [("Cache-Control", REVALIDATE), ("Vary", "Accept"), *annotation_warning(request)]
    if wanted.is_multipart:
        chosen = find_instances(archive, principal, study_uids=[study], series_uids=[series] if series else [])
        return _parts(request, archive, headers, _each_instance(archive, chosen, look), look)
    instance = representative.instance
    if is_image(instance):
        drawn = render_frame(archive, representative, middle_frame(instance), look)
    else:
        drawn = draw_sheet(archive, instance, look)
    return Answer(200, [("Content-Type", look.media_type), *headers], drawn)


def _each_instance(
    archive: Archive, chosen: Iterator[StoredInstance], look: Look
) -> Iterator[tuple[StoredInstance, bytes]]:
    for instance in chosen:
        record = find_record(archive, instance.sop_instance_uid) if is_image(instance) else None
        if record is not None:
            yield instance, render_any(archive, record, look)


def _parts(
    request: Request,
    archive: Archive,
    headers: Headers,
    pictures: Iterator[tuple[StoredInstance, bytes]],
    look: Look,
) -> Answer:
    boundary = new_boundary()
    service = service_url(archive, request)

    def parts() -> Iterator[bytes]:
        for instance, data in pictures:
            location = f"{service}{instance_path(instance)}"
            yield part_head(boundary, part_headers(look.media_type, location, len(data)))
            yield data
        yield closing(boundary)

    return Answer(200, [("Content-Type", content_type(boundary, look.media_type)), *headers], pieces=started(parts()))


# Thumbnails -----------------------------------------------------------------------------------------------------------


def _thumbnail(archive: Archive, principal: Principal, request: Request) -> Answer:
    study, series, uid = uids_of(request)
    media_type = choose(read_accept(request.headers, request.query_params), [JPEG, PNG, GIF])
    width, height = read_size(request) or (SIDE_DEFAULT, SIDE_DEFAULT)
    named = request.path_params.get("frames")
    frame_number = read_frame_numbers(named)[0] if named else None
    if uid is not None:
        record = get_record(archive, study, series or "", uid, with_series=True)
        headers: Headers = [("Cache-Control", PRIVATE)]
        if frame_number is not None and frame_number > record.instance.number_of_frames:
            raise NotFound(f"the instance has {record.instance.number_of_frames} frames")
    else:
        record = get_representative(archive, principal, study, series)
        headers = [("Cache-Control", REVALIDATE)]
    open_study(archive, principal, study)
    kind = media_type.rpartition("/")[2]
    etag = f'"{record.instance.blob[:32]}-t-{frame_number or 0}-{width}x{height}-{kind}"'
    headers += [("ETag", etag), ("Vary", "Accept")]
    if is_fresh(request, etag):
        return not_modified(headers)
    drawn = thumbnail(archive, record, media_type, frame_number=frame_number, width=width, height=height)
    return Answer(200, [("Content-Type", media_type), *headers], drawn)
