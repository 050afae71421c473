"""WADO-RS: the Retrieve transaction of the Studies Service for instances, metadata, frames and bulk data (10.4)."""

from __future__ import annotations

import gzip
import hashlib
import zlib
from collections.abc import Awaitable, Callable, Iterable, Iterator
from typing import Final

import structlog
from starlette.concurrency import run_in_threadpool
from starlette.requests import Request
from starlette.routing import BaseRoute, Route
from starlette.types import Receive, Scope, Send

from filmless.access import audit
from filmless.access.forwarding import Outside
from filmless.access.policy import Action
from filmless.access.principal import Principal
from filmless.archive import Archive
from filmless.dicom.syntaxes import EXPLICIT_LE, OCTET_STREAM, get_syntax
from filmless.dicom.xml import to_xml
from filmless.dicomweb.answers import (
    PRIVATE,
    REVALIDATE,
    Answer,
    Headers,
    can_send_file,
    close,
    is_fresh,
    not_modified,
    policy_of,
    principal_of,
    ranged,
    read_range,
    service_path,
    service_url,
    started,
)
from filmless.dicomweb.frames import frame_form, read_frame
from filmless.dicomweb.multipart import (
    closing,
    content_type,
    documents,
    new_boundary,
    part_head,
    part_headers,
)
from filmless.dicomweb.negotiation import (
    AS_STORED,
    DICOM,
    DICOM_XML,
    ZIP,
    InstanceForm,
    ModelForm,
    choose_instance_form,
    choose_model_form,
    read_accept,
)
from filmless.errors import NotAcceptable, NotFound, Refused
from filmless.retrieve import bulkdata, metadata
from filmless.retrieve.instances import (
    InstanceRecord,
    StoredInstance,
    find_instances,
    find_record,
    get_record,
    instance_path,
)
from filmless.retrieve.opening import open_study, require
from filmless.retrieve.transcode import can_transcode, part10
from filmless.retrieve.zipping import zip_study

log = structlog.get_logger()

STUDY: Final = "/studies/{study}"
SERIES: Final = "/studies/{study}/series/{series}"
INSTANCE: Final = "/studies/{study}/series/{series}/instances/{instance}"
_FRAMES_MAX: Final = 100_000
_GZIP_LEVEL: Final = 1


class Endpoint:
    """A resource whose answer is made by one function in one thread hop."""

    def __init__(self, archive: Archive, work: Callable[[Archive, Principal, Request], Answer]) -> None:
        self.archive = archive
        self.work = work

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        request = Request(scope, receive)
        answer = await run_in_threadpool(self.work, self.archive, principal_of(request), request)
        await answer(scope, receive, send)


def retrieve_routes(archive: Archive) -> list[BaseRoute]:
    """Give the routes of this transaction."""
    works: list[tuple[str, Callable[[Archive, Principal, Request], Answer]]] = [
        (f"{INSTANCE}/bulkdata/{{path:path}}", _bulk),
        (f"{INSTANCE}/metadata", _instance_metadata),
        (f"{SERIES}/metadata", _metadata),
        (f"{STUDY}/metadata", _metadata),
        (INSTANCE, _instances),
        (SERIES, _instances),
        (STUDY, _instances),
    ]
    return [_get(path, Endpoint(archive, work)) for path, work in works]


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
        return one_instance(archive, record_of(archive, principal, request, Action.RETRIEVE), request, form)
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
                ("Content-Location", f"{service}{instance_path(instance)}"),
            ],
        )
        yield from pieces
    yield closing(boundary)


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


def one_instance(archive: Archive, record: InstanceRecord, request: Request, form: InstanceForm) -> Answer:
    """Answer with one instance as a single part: when it is as stored, with the file itself.

    Raises
    ------
    NotAcceptable: it cannot be given in the transfer syntax that was asked for.
    """
    instance = record.instance
    wanted = form.transfer_syntax_uid
    if wanted not in {None, AS_STORED, instance.transfer_syntax_uid} and not can_transcode(instance, wanted or ""):
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
        etag = f'W/"{instance.blob[:40]}-{syntax}"'  # weak: encoders change
        headers.append(("ETag", etag))
        if is_fresh(request, etag):
            close(pieces)
            return not_modified(headers)
        return Answer(200, headers, pieces=started(pieces))
    etag = f'"{instance.blob[:40]}"'
    headers.append(("ETag", etag))
    if is_fresh(request, etag):
        return not_modified(headers)
    path = archive.blobs.local_path(instance.blob)
    if path and can_send_file(request.scope) and read_range(request, instance.length_bytes, etag) is None:
        headers.append(("Accept-Ranges", "bytes"))
        return Answer(200, headers, file=str(path), length=instance.length_bytes)
    return ranged(
        request,
        headers,
        instance.length_bytes,
        etag,
        lambda start, stop: archive.blobs.stream(instance.blob, start, stop - start),
    )


# Metadata -------------------------------------------------------------------------------------------------------------


def _instance_metadata(archive: Archive, principal: Principal, request: Request) -> Answer:
    form = choose_model_form(read_accept(request.headers, request.query_params), is_single=True)
    record = record_of(archive, principal, request, Action.VIEW)
    etag = f'W/"{record.instance.blob[:40]}-{_etag_of(form, request)}"'
    headers = [("Cache-Control", PRIVATE), ("ETag", etag), ("Vary", "Accept")]
    if is_fresh(request, etag):
        return not_modified(headers)
    root = service_path(archive, request)
    if not form.is_xml:
        headers.insert(0, ("Content-Type", form.media_type))
        return Answer(200, headers, metadata.instance_metadata(archive, record, root))
    document = to_xml(metadata.instance_dataset(archive, record, root))
    if not form.is_multipart:
        headers.insert(0, ("Content-Type", DICOM_XML))
        return Answer(200, headers, document)
    return _documents(headers, iter([document]))


def _etag_of(form: ModelForm, request: Request) -> str:
    """What tells forms of the same metadata apart: addresses in them depend on where the caller sees the service."""
    outside: Outside | None = request.scope.get("filmless.outside")
    seen = f"{outside.prefix if outside else ''}{request.scope.get('root_path', '')}"
    root = hashlib.sha256(seen.encode()).hexdigest()[:4]
    return f"{form.media_type[-4:]}{'p' if form.is_multipart else ''}-{root}"


def _documents(headers: Headers, bodies: Iterator[bytes]) -> Answer:
    boundary = new_boundary()
    headers.insert(0, ("Content-Type", content_type(boundary, DICOM_XML)))
    return Answer(200, headers, pieces=started(documents(boundary, DICOM_XML, bodies)))


def _metadata(archive: Archive, principal: Principal, request: Request) -> Answer:
    """Answer with the metadata of a series, or of a study: the stored gzip itself where one will do."""
    form = choose_model_form(read_accept(request.headers, request.query_params), is_single=False)
    study, series, _ = uids_of(request)
    require(principal, Action.VIEW, study)
    keys = metadata.find_series(archive, principal, study, series)
    open_study(archive, principal, study)
    root = service_path(archive, request)
    headers = [("Cache-Control", REVALIDATE), ("Vary", "Accept, Accept-Encoding")]
    if form.is_xml:
        state = metadata.state_of(archive, keys)
        headers.append(("ETag", f'W/"{state}-{_etag_of(form, request)}"'))
        if is_fresh(request, headers[-1][1]):
            return not_modified(headers)
        return _documents(headers, map(to_xml, metadata.datasets(archive, keys, root)))
    headers.insert(0, ("Content-Type", form.media_type))
    takes_gzip = "gzip" in request.headers.get("accept-encoding", "")
    if len(keys) > 1:
        headers.append(("ETag", f'W/"{metadata.state_of(archive, keys)}-{_etag_of(form, request)}"'))
        if is_fresh(request, headers[-1][1]):
            return not_modified(headers)
        pieces = metadata.joined(archive, keys, root)
        if takes_gzip:
            headers.append(("Content-Encoding", "gzip"))
            pieces = _gzipped(pieces)
        return Answer(200, headers, pieces=started(pieces))
    packed = metadata.series_metadata(archive, keys[0], root)
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


# Bulk data ------------------------------------------------------------------------------------------------------------


def _bulk(archive: Archive, principal: Principal, request: Request) -> Answer:
    record = record_of(archive, principal, request, Action.VIEW)
    instance = record.instance
    path = request.path_params["path"].strip("/")
    ranges = read_accept(request.headers, request.query_params)
    etag = f'"{instance.blob[:32]}-{path.upper().replace("/", ".")[:200]}"'
    headers: Headers = [("Cache-Control", PRIVATE), ("ETag", etag), ("Vary", "Accept")]
    service = f"{service_url(archive, request)}{instance_path(instance)}/bulkdata/{path}"
    if bulkdata.has_frames_at(record, path):
        return _bulk_frames(archive, record, request, headers, service)
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
            headers.append(("Content-Security-Policy", policy_of(media_type)))
            return ranged(
                request,
                headers,
                bulk.length,
                etag,
                lambda start, stop: bulk.read(archive, instance, start, stop),
            )
        boundary = new_boundary()
        headers.insert(0, ("Content-Type", content_type(boundary, media_type)))
        head = part_head(boundary, part_headers(part_type, service, bulk.length))
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
    headers: Headers,
    location: str,
) -> Answer:
    """Answer with pixel data that is not one value but a list of frames: each a part."""
    instance = record.instance
    count = instance.number_of_frames
    form = frame_form(request, instance, count)
    part_type = f"{form.media_type}; transfer-syntax={form.transfer_syntax_uid}"
    etag = f'W/"{instance.blob[:32]}-{form.transfer_syntax_uid}{"-parts" if form.is_multipart else ""}"'
    headers = [(name, etag if name == "ETag" else value) for name, value in headers]
    if is_fresh(request, etag):
        return not_modified(headers)
    if not form.is_multipart:
        data = read_frame(archive, record, 1, form.transfer_syntax_uid).data
        return Answer(200, [("Content-Type", part_type), *headers], data)
    boundary = new_boundary()

    def parts() -> Iterator[bytes]:
        for number in range(1, count + 1):
            data = read_frame(archive, record, number, form.transfer_syntax_uid).data
            yield part_head(boundary, part_headers(part_type, location, len(data)))
            yield bytes(data)
        yield closing(boundary)

    return Answer(200, [("Content-Type", content_type(boundary, form.media_type)), *headers], pieces=started(parts()))
