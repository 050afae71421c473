"""WADO-RS: the Retrieve transaction of the Studies Service for instances, metadata, frames and bulk data (10.4)."""

from __future__ import annotations

import gzip
import zlib
from collections.abc import Awaitable, Callable, Iterable, Iterator
from typing import Final

import structlog
from starlette.concurrency import run_in_threadpool
from starlette.requests import Request
from starlette.routing import BaseRoute, Route
from starlette.types import Receive, Scope, Send

from filmless.access import audit
from filmless.access.policy import Action
from filmless.access.principal import Principal
from filmless.archive import Archive
from filmless.dicom.pixels import ENCODABLE
from filmless.dicom.syntaxes import EXPLICIT_LE, OCTET_STREAM, get_syntax
from filmless.dicomweb.answers import (
    PRIVATE,
    REVALIDATE,
    Answer,
    Decoding,
    Headers,
    can_send_file,
    is_fresh,
    not_modified,
    principal_of,
    ranged,
    read_range,
    service_url,
    started,
)
from filmless.dicomweb.multipart import closing, content_type, new_boundary, part_head
from filmless.dicomweb.negotiation import (
    AS_STORED,
    DICOM,
    DICOM_JSON,
    ZIP,
    FrameForm,
    InstanceForm,
    MediaRange,
    choose,
    choose_frame_form,
    choose_instance_form,
    read_accept,
)
from filmless.errors import NotAcceptable, NotFound, Refused
from filmless.retrieve import bulkdata, metadata
from filmless.retrieve.frames import FIX_UPS, FrameBytes, can_give, served_syntax, stored_frame, transcoded_frame
from filmless.retrieve.instances import InstanceRecord, StoredInstance, find_instances, find_record, forget, get_record
from filmless.retrieve.opening import open_study, require
from filmless.retrieve.transcode import can_transcode, part10
from filmless.retrieve.zipping import zip_study

log = structlog.get_logger()

_STUDY: Final = "/studies/{study}"
_SERIES: Final = "/studies/{study}/series/{series}"
_INSTANCE: Final = "/studies/{study}/series/{series}/instances/{instance}"
_FRAMES_MAX: Final = 100_000
_GZIP_LEVEL: Final = 1


class _Endpoint:
    """A resource whose answer is made by one function in one thread hop."""

    def __init__(self, archive: Archive, work: Callable[[Archive, Principal, Request], Answer]) -> None:
        self.archive = archive
        self.work = work

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        request = Request(scope, receive)
        answer = await run_in_threadpool(self.work, self.archive, principal_of(request), request)
        await answer(scope, receive, send)


def retrieve_routes(archive: Archive, decoding: Decoding) -> list[BaseRoute]:
    """Give the routes of this transaction."""
    frames = _Frames(archive, decoding)
    works: list[tuple[str, Callable[[Archive, Principal, Request], Answer]]] = [
        (f"{_INSTANCE}/bulkdata/{{path:path}}", _bulk),
        (f"{_INSTANCE}/metadata", _instance_metadata),
        (f"{_SERIES}/metadata", _metadata),
        (f"{_STUDY}/metadata", _metadata),
        (_INSTANCE, _instances),
        (_SERIES, _instances),
        (_STUDY, _instances),
    ]
    return [
        _get(f"{_INSTANCE}/frames/{{frames}}", frames),
        *(_get(path, _Endpoint(archive, work)) for path, work in works),
    ]


def _get(path: str, app: Callable[[Scope, Receive, Send], Awaitable[None]]) -> Route:
    return Route(path, app, methods=["GET"])


def uids_of(request: Request) -> tuple[str, str | None, str | None]:
    """Read the study, series and instance of the address."""
    path = request.path_params
    return path["study"], path.get("series"), path.get("instance")


def record_of(archive: Archive, principal: Principal, request: Request, action: Action) -> InstanceRecord:
    """Find the instance of the address, and let the caller read it.

    Raises
    ------
    NotAllowed, NotFound
    """
    study, series, instance = uids_of(request)
    require(principal, action, study)
    record = get_record(archive, study, series or "", instance or "")
    open_study(archive, principal, study, action)
    return record


# Instances ------------------------------------------------------------------------------------------------------------


def _instances(archive: Archive, principal: Principal, request: Request) -> Answer:
    study, series, instance = uids_of(request)
    require(principal, Action.RETRIEVE, study)
    ranges = read_accept(request.headers, request.query_params)
    form = choose_instance_form(ranges, is_single=instance is not None)
    if form.container == DICOM:
        return _one_instance(archive, record_of(archive, principal, request, Action.RETRIEVE), request, form)
    _require_known(archive, study, series, instance)
    if form.container == ZIP:
        if instance is not None:
            raise NotAcceptable("a ZIP is made of a study or a series, not of one instance")
        name, pieces = zip_study(archive, principal, study, series)
        _record(archive, principal, request)
        headers = [
            ("Content-Type", ZIP),
            ("Content-Disposition", f'attachment; filename="{name}"'),
            ("Cache-Control", "no-store"),
        ]
        return Answer(200, headers, pieces=started(pieces))
    chosen = _find(archive, principal, study, series, instance)
    first = next(chosen, None)
    if first is None:
        raise NotFound("there is nothing under this study, series and instance")
    status, headers = 200, [("Cache-Control", "no-store"), ("Vary", "Accept")]
    wanted = form.transfer_syntax_uid
    if wanted not in {None, AS_STORED}:
        status = _completeness(_find(archive, principal, study, series, instance), wanted or "")
        if status == 206:
            headers.append(("Warning", '299 filmless "some instances cannot be given in this transfer syntax"'))
    _record(archive, principal, request)
    boundary = new_boundary()
    headers.append(("Content-Type", content_type(boundary, DICOM)))
    service = service_url(archive, request)
    pieces = _instance_parts(archive, _chain(first, chosen), wanted, boundary, service)
    return Answer(status, headers, pieces=started(pieces))


def _find(
    archive: Archive, principal: Principal, study: str, series: str | None, instance: str | None
) -> Iterator[StoredInstance]:
    return find_instances(
        archive,
        principal,
        study_uids=[study],
        series_uids=[series] if series else [],
        sop_uids=[instance] if instance else [],
    )


def _chain(first: StoredInstance, rest: Iterator[StoredInstance]) -> Iterator[StoredInstance]:
    yield first
    yield from rest


def _require_known(archive: Archive, study: str, series: str | None, instance: str | None) -> None:
    if instance is not None:
        get_record(archive, study, series or "", instance)


def _record(archive: Archive, principal: Principal, request: Request) -> None:
    """Leave the audit row of a retrieval, before its first byte leaves."""
    study, series, instance = uids_of(request)
    with archive.transaction() as session:
        audit.record(
            session, principal, Action.RETRIEVE.value, study_instance_uid=study, object=instance or series or None
        )


def _completeness(chosen: Iterator[StoredInstance], wanted: str) -> int:
    """Say whether all (200) or some (206) instances can be had in a transfer syntax.

    Raises
    ------
    NotAcceptable: none can.
    """
    can, cannot = False, False
    for instance in chosen:
        if can_transcode(instance, wanted):
            can = True
        else:
            cannot = True
    if not can:
        raise NotAcceptable(f"nothing of this can be given in transfer syntax {wanted} ({get_syntax(wanted).name})")
    return 206 if cannot else 200


def _instance_parts(
    archive: Archive, chosen: Iterable[StoredInstance], wanted: str | None, boundary: str, service: str
) -> Iterator[bytes]:
    for instance in chosen:
        form = _part10(archive, instance, wanted)
        if form is None:
            continue
        syntax, pieces = form
        yield part_head(
            boundary,
            [
                ("Content-Type", f"{DICOM}; transfer-syntax={syntax}"),
                ("Content-Location", f"{service}{_address(instance)}"),
            ],
        )
        yield from pieces
    yield closing(boundary)


def _address(instance: StoredInstance) -> str:
    return (
        f"/studies/{instance.study_instance_uid}/series/{instance.series_instance_uid}"
        f"/instances/{instance.sop_instance_uid}"
    )


def _part10(archive: Archive, instance: StoredInstance, wanted: str | None) -> tuple[str, Iterator[bytes]] | None:
    """Give an instance in the transfer syntax that was asked for, or in the default one (PS3.18 8.7.3.4).

    The default gives way, as the standard lets it, where the pixel data cannot be decoded; what was asked for by name
    does not, and the instance is left out.
    """
    stored = instance.transfer_syntax_uid
    syntax = stored if wanted == AS_STORED else wanted or EXPLICIT_LE
    if syntax != stored and can_transcode(instance, syntax):
        record = find_record(archive, instance.sop_instance_uid)
        if record is None:
            return None
        try:
            return syntax, part10(archive, record, syntax)
        except (NotAcceptable, Refused) as error:
            log.warning("not transcoded", instance=instance.sop_instance_uid, to=syntax, reason=str(error))
    if syntax != stored and wanted is not None:
        return None
    return stored, archive.blobs.stream(instance.blob)


def _one_instance(archive: Archive, record: InstanceRecord, request: Request, form: InstanceForm) -> Answer:
    """Answer with one instance as a single part: when it is as stored, with the file itself."""
    instance = record.instance
    wanted = form.transfer_syntax_uid
    if wanted not in {None, AS_STORED} and not can_transcode(instance, wanted or ""):
        raise NotAcceptable(f"the instance cannot be given in transfer syntax {wanted}")
    made = _part10(archive, instance, wanted)
    if made is None:
        raise NotAcceptable(f"the instance cannot be given in transfer syntax {wanted}")
    syntax, pieces = made
    headers: Headers = [
        ("Content-Type", f"{DICOM}; transfer-syntax={syntax}"),
        ("Cache-Control", PRIVATE),
        ("Vary", "Accept"),
    ]
    if syntax != instance.transfer_syntax_uid:
        return Answer(200, headers, pieces=started(pieces))
    etag = f'"{instance.blob[:40]}"'
    headers.append(("ETag", etag))
    if is_fresh(request, etag):
        return not_modified(headers)
    if can_send_file(request.scope) and read_range(request, instance.length_bytes, etag) is None:
        headers.append(("Accept-Ranges", "bytes"))
        return Answer(200, headers, file=str(archive.blobs.path(instance.blob)), length=instance.length_bytes)
    return ranged(
        request,
        headers,
        instance.length_bytes,
        etag,
        lambda start, stop: archive.blobs.stream(instance.blob, start, stop - start),
    )


# Metadata -------------------------------------------------------------------------------------------------------------


def _json_type(ranges: list[MediaRange]) -> str:
    return choose(ranges, [DICOM_JSON, "application/json"])


def _instance_metadata(archive: Archive, principal: Principal, request: Request) -> Answer:
    media_type = _json_type(read_accept(request.headers, request.query_params))
    record = record_of(archive, principal, request, Action.VIEW)
    etag = f'W/"{record.instance.blob[:40]}-m"'
    headers = [("Content-Type", media_type), ("Cache-Control", PRIVATE), ("ETag", etag), ("Vary", "Accept")]
    if is_fresh(request, etag):
        return not_modified(headers)
    return Answer(200, headers, metadata.instance_metadata(archive, record))


def _metadata(archive: Archive, principal: Principal, request: Request) -> Answer:
    """Answer with the metadata of a series, or of a study: the stored gzip itself where one will do."""
    media_type = _json_type(read_accept(request.headers, request.query_params))
    study, series, _ = uids_of(request)
    require(principal, Action.VIEW, study)
    keys = metadata.find_series(archive, principal, study, series)
    open_study(archive, principal, study)
    headers = [("Content-Type", media_type), ("Cache-Control", REVALIDATE), ("Vary", "Accept, Accept-Encoding")]
    takes_gzip = "gzip" in request.headers.get("accept-encoding", "")
    if len(keys) > 1:
        pieces = metadata.joined(archive, keys)
        if takes_gzip:
            headers.append(("Content-Encoding", "gzip"))
            pieces = _gzipped(pieces)
        return Answer(200, headers, pieces=started(pieces))
    packed = metadata.series_metadata(archive, keys[0])
    # The last eight bytes of a gzip are the checksum and the length of what is in it.
    etag = f'W/"{packed[-8:].hex()}"'
    headers.append(("ETag", etag))
    if is_fresh(request, etag):
        return not_modified(headers)
    if takes_gzip:
        headers.append(("Content-Encoding", "gzip"))
        return Answer(200, headers, packed)
    return Answer(200, headers, gzip.decompress(packed))


def _gzipped(pieces: Iterator[bytes]) -> Iterator[bytes]:
    squeeze = zlib.compressobj(_GZIP_LEVEL, zlib.DEFLATED, 16 + zlib.MAX_WBITS)
    for piece in pieces:
        if data := squeeze.compress(piece):
            yield data
    yield squeeze.flush()


# Frames ---------------------------------------------------------------------------------------------------------------


class _Frames:
    """Frames: the path that must be quick. As stored, one look-up and one read in one thread hop."""

    def __init__(self, archive: Archive, decoding: Decoding) -> None:
        self.archive = archive
        self.decoding = decoding

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        request = Request(scope, receive)
        principal = principal_of(request)
        made = await run_in_threadpool(self._answer, principal, request)
        if not isinstance(made, Answer):
            made = await self.decoding.run(made)
        await made(scope, receive, send)

    def _answer(self, principal: Principal, request: Request) -> Answer | Callable[[], Answer]:
        """Make the answer; of frames that must be decoded, what makes it in another thread."""
        archive = self.archive
        record = record_of(archive, principal, request, Action.VIEW)
        instance = record.instance
        numbers = read_frame_numbers(request.path_params["frames"])
        beyond = next((number for number in numbers if number > instance.number_of_frames), None)
        if beyond is not None:
            raise NotFound(f"frame {beyond} is not among the {instance.number_of_frames} of this instance")
        stored = served_syntax(instance)
        form = choose_frame_form(
            read_accept(request.headers, request.query_params),
            stored,
            [uid for uid in (EXPLICIT_LE, *sorted(ENCODABLE)) if can_give(record, uid)],
            count=len(numbers),
        )
        part_type = f"{form.media_type}; transfer-syntax={form.transfer_syntax_uid}"
        etag = f'"{instance.blob[:32]}-{request.path_params["frames"]}-{form.transfer_syntax_uid}"'
        headers = [("Cache-Control", PRIVATE), ("ETag", etag), ("Vary", "Accept")]
        if is_fresh(request, etag):
            return not_modified(headers)
        is_plain = form.transfer_syntax_uid == stored and not instance.flags & FIX_UPS

        def make() -> Answer:
            return self._send(request, record, numbers, form, headers, part_type, etag)

        return make() if is_plain else make

    def _send(
        self,
        request: Request,
        record: InstanceRecord,
        numbers: list[int],
        form: FrameForm,
        headers: Headers,
        part_type: str,
        etag: str,
    ) -> Answer:
        archive = self.archive
        if not form.is_multipart:
            data = _frame(archive, record, numbers[0], form.transfer_syntax_uid).data
            headers = [("Content-Type", part_type), *headers, ("Accept-Ranges", "bytes")]
            wanted = read_range(request, len(data), etag)
            if wanted == (0, 0):
                return Answer(416, [("Content-Range", f"bytes */{len(data)}")])
            if wanted is None:
                return Answer(200, headers, data)
            start, stop = wanted
            headers.append(("Content-Range", f"bytes {start}-{stop - 1}/{len(data)}"))
            return Answer(206, headers, memoryview(data)[start:stop])
        boundary = new_boundary()
        headers = [("Content-Type", content_type(boundary, form.media_type)), *headers]
        service = f"{service_url(archive, request)}{_address(record.instance)}/frames/"
        if len(numbers) == 1:
            data = _frame(archive, record, numbers[0], form.transfer_syntax_uid).data
            head = part_head(boundary, _frame_headers(part_type, f"{service}{numbers[0]}", len(data)))
            return Answer(200, headers, b"".join((head, data, closing(boundary))))
        pieces = self._parts(record, numbers, form.transfer_syntax_uid, boundary, part_type, service)
        return Answer(200, headers, pieces=started(pieces))

    def _parts(
        self, record: InstanceRecord, numbers: list[int], syntax: str, boundary: str, part_type: str, service: str
    ) -> Iterator[bytes]:
        for number in numbers:
            data = _frame(self.archive, record, number, syntax).data
            yield part_head(boundary, _frame_headers(part_type, f"{service}{number}", len(data)))
            yield bytes(data)
        yield closing(boundary)


def _frame_headers(part_type: str, location: str, length: int) -> Headers:
    return [("Content-Type", part_type), ("Content-Length", str(length)), ("Content-Location", location)]


def _frame(archive: Archive, record: InstanceRecord, number: int, syntax: str) -> FrameBytes:
    try:
        if syntax == served_syntax(record.instance):
            return stored_frame(archive, record, number)
        return transcoded_frame(archive, record, number, syntax)
    except NotFound:
        forget(archive, record.instance.sop_instance_uid)
        raise


def read_frame_numbers(text: str) -> list[int]:
    """Read a list of frame numbers, which count from 1.

    Raises
    ------
    Refused: one is not a number above 0, or there are too many.
    """
    parts = text.split(",")
    if len(parts) > _FRAMES_MAX:
        raise Refused(f"{len(parts)} frames in one request; {_FRAMES_MAX} are allowed")
    numbers = []
    for part in map(str.strip, parts):
        if not part.isascii() or not part.isdigit() or len(part) > 9 or int(part) < 1:
            raise Refused(f"{part[:20]!r} is not a frame number: they are whole numbers from 1")
        numbers.append(int(part))
    return numbers


# Bulk data ------------------------------------------------------------------------------------------------------------


def _bulk(archive: Archive, principal: Principal, request: Request) -> Answer:
    record = record_of(archive, principal, request, Action.VIEW)
    instance = record.instance
    path = request.path_params["path"].strip("/")
    ranges = read_accept(request.headers, request.query_params)
    etag = f'"{instance.blob[:32]}-{path.upper().replace("/", ".")[:200]}"'
    headers: Headers = [("Cache-Control", PRIVATE), ("ETag", etag), ("Vary", "Accept")]
    service = f"{service_url(archive, request)}{_address(instance)}/bulkdata/{path}"
    if bulkdata.has_frames_at(record, path):
        return _bulk_frames(archive, record, request, ranges, headers, service)
    bulk = bulkdata.find_bulk(archive, record, path)
    if is_fresh(request, etag):
        return not_modified(headers)
    for wanted in ranges:
        media_type = next((kind for kind in (bulk.media_type, OCTET_STREAM) if wanted.takes(kind)), None)
        if media_type is None:
            continue
        part_type = f"{media_type}; transfer-syntax={EXPLICIT_LE}" if media_type == OCTET_STREAM else media_type
        if not wanted.is_multipart:
            headers.insert(0, ("Content-Type", part_type))
            return ranged(
                request,
                headers,
                bulk.length,
                etag,
                lambda start, stop: bulk.read(archive, instance, start, stop),
            )
        boundary = new_boundary()
        headers.insert(0, ("Content-Type", content_type(boundary, media_type)))
        head = part_head(boundary, _frame_headers(part_type, service, bulk.length))
        pieces = _wrapped(head, bulk.read(archive, instance, 0, bulk.length), closing(boundary))
        length = len(head) + bulk.length + len(closing(boundary))
        return Answer(200, headers, pieces=started(pieces), length=length)
    raise NotAcceptable(f"this value is {bulk.media_type}; the request accepts neither that nor {OCTET_STREAM}")


def _wrapped(head: bytes, pieces: Iterator[bytes], tail: bytes) -> Iterator[bytes]:
    yield head
    yield from pieces
    yield tail


def _bulk_frames(
    archive: Archive,
    record: InstanceRecord,
    request: Request,
    ranges: list[MediaRange],
    headers: Headers,
    location: str,
) -> Answer:
    """Answer with pixel data that is not one value but a list of frames: each a part."""
    instance = record.instance
    obtainable = [uid for uid in (EXPLICIT_LE, *sorted(ENCODABLE)) if can_give(record, uid)]
    count = instance.number_of_frames
    form = choose_frame_form(ranges, served_syntax(instance), obtainable, count=count)
    part_type = f"{form.media_type}; transfer-syntax={form.transfer_syntax_uid}"
    if not form.is_multipart:
        data = _frame(archive, record, 1, form.transfer_syntax_uid).data
        return Answer(200, [("Content-Type", part_type), *headers], data)
    boundary = new_boundary()

    def parts() -> Iterator[bytes]:
        for number in range(1, count + 1):
            data = _frame(archive, record, number, form.transfer_syntax_uid).data
            yield part_head(boundary, _frame_headers(part_type, location, len(data)))
            yield bytes(data)
        yield closing(boundary)

    return Answer(200, [("Content-Type", content_type(boundary, form.media_type)), *headers], pieces=started(parts()))
