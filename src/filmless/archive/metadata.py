"""Series metadata objects: the DICOM JSON of all instances of a series, compressed as it is served (PS3.18 F).

When a series has been quiet for a while a job packs the headers of its instances into one object, and their rows are
dropped. Asked for earlier, what is not in the object yet is added on the spot.

An object is one gzip member made of pieces: "[", some instances, "," and some more, "]". Each piece is compressed for
itself and ends on a byte boundary, so an object is extended without being unpacked (RFC 1951 3.2.3, RFC 1952 2.3).
"""

from __future__ import annotations

import contextlib
import json
import struct
import time
import zlib
from collections.abc import Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

import orjson
import structlog
from sqlalchemy import Connection, delete, func, select, update

from filmless.archive.events import publish
from filmless.archive.jobs import JobContext, enqueue
from filmless.archive.limits import scan_limits
from filmless.archive.tables import Flags, headers, instances, series, studies, uids
from filmless.dicom.json import JsonDataset, to_json
from filmless.dicom.scanner import Header, scan
from filmless.errors import NotFound, Refused

if TYPE_CHECKING:
    from filmless.archive.archive import Archive

logger = structlog.get_logger()

_PAGE: Final = 200
_IDS_AT_ONCE: Final = 500
_NO_NUMBER: Final = 1 << 40
_LEVEL_SERVED: Final = 1
_LEVEL_PACKED: Final = 6
_HEAD_BYTES: Final = 1 << 20
_HEADER_PLAIN_MAX_BYTES: Final = 16 << 10
_HEADER_KEPT_MAX_BYTES: Final = 256 << 10
_ATTEMPTS_MAX: Final = 4
_CHUNK_BYTES: Final = 1 << 20

# A gzip header without name or time; then "[" and, at the end, "]" as stored blocks, whose length is known.
_OPENING: Final = b"\x1f\x8b\x08\x00\x00\x00\x00\x00\x00\xff" + b"\x00\x01\x00\xfe\xff["
_CLOSING: Final = b"\x01\x01\x00\xfe\xff]"
_TRAILER: Final = struct.Struct("<LL")  # CRC-32 and length of all that was compressed
_TAIL_BYTES: Final = len(_CLOSING) + _TRAILER.size


def series_metadata_gzip(archive: Archive, series_key: int) -> bytes:
    """The metadata of all instances of a series: a gzip of a JSON array, for `Content-Encoding: gzip`.

    Raises
    ------
    NotFound: there is no such series. Unavailable.
    """
    return b"".join(stream_series_metadata(archive, series_key))


def stream_series_metadata(archive: Archive, series_key: int) -> Iterator[bytes]:
    """The same in pieces, so that memory does not grow with the series."""
    for attempt in range(_ATTEMPTS_MAX):
        state = _read_state(archive, series_key, ignores_object=attempt == _ATTEMPTS_MAX - 1)
        # An object that was replaced since its name was read is gone: then the new one is asked for.
        with contextlib.suppress(NotFound):
            if state.blob is not None and not state.to_add:
                return archive.metadata_objects.stream(state.blob)
            pieces = _extended(archive, state, _LEVEL_SERVED)
            next(pieces)
            return pieces
    raise NotFound(f"the metadata of the series with the key {series_key} cannot be made")


def pack_series(archive: Archive, series_key: int) -> None:
    """Bring the metadata object of a series up to date and drop the header rows that it makes superfluous.

    Raises
    ------
    NotFound: there is no such series. Unavailable.
    """
    state = _read_state(archive, series_key)
    if state.blob is not None and archive.metadata_objects.length(state.blob) is None:
        state = _read_state(archive, series_key, ignores_object=True)
    if not state.to_add:
        return
    with archive.metadata_objects.create() as writer:
        for piece in _extended(archive, state, _LEVEL_PACKED):
            writer.write(piece)
        key, _ = writer.finish()
    with archive.transaction() as session:
        # Another worker may have packed meanwhile: then this object is not the one.
        packed = session.execute(
            update(series)
            .where(series.c.id == series_key, series.c.metadata_blob.is_not_distinct_from(state.replaces))
            .values(metadata_blob=key, metadata_instances=state.packed + len(state.to_add))
        )
        if packed.rowcount == 1:
            for start in range(0, len(state.to_add), _IDS_AT_ONCE):
                some = state.to_add[start : start + _IDS_AT_ONCE]
                session.execute(delete(headers).where(headers.c.instance_key.in_(some)))
        current = session.execute(select(series.c.metadata_blob).where(series.c.id == series_key)).scalar_one_or_none()
    for other in {key, state.replaces} - {current, None}:
        assert other is not None
        archive.metadata_objects.delete(other)
    logger.info("series_packed", series_key=series_key, instances=state.packed + len(state.to_add))


def series_quiet(archive: Archive, args: dict[str, Any], _job: JobContext) -> None:
    """The job that reception asks for: pack the series if it has been quiet, and tell of its study; else look later."""
    key = int(args["series_key"])
    query = select(
        series.c.updated_at, series.c.series_instance_uid, series.c.study_key, studies.c.study_instance_uid
    ).join(studies, studies.c.id == series.c.study_key)
    with archive.reading() as session:
        row = session.execute(query.where(series.c.id == key)).first()
    if row is None:
        return
    due_at = row.updated_at + archive.settings.series_quiet_s
    if due_at > time.time():
        with archive.transaction() as session:
            enqueue(session, "series_quiet", args, key=f"series_quiet:{key}", run_at=due_at)
        return
    pack_series(archive, key)
    with archive.transaction() as session:
        publish(session, "series_completed", row.series_instance_uid, row.study_instance_uid)
        if not _is_awaited(session, row.study_key):
            publish(session, "study_completed", row.study_instance_uid, row.study_instance_uid)
        publish(session, "study", row.study_instance_uid, row.study_instance_uid)
        study = {"study_instance_uid": row.study_instance_uid}
        enqueue(session, "study_quiet", study, key=f"study_quiet:{row.study_instance_uid}")
        if archive.settings.rendition_cache_bytes:
            enqueue(
                session,
                "make_renditions",
                {"series_key": key},
                key=f"make_renditions:{key}",
                destination="renditions",
                priority=-10,
            )


def _is_awaited(session: Connection, study_key: int) -> bool:
    """Whether a series of the study has headers that are not packed yet: its own job will come."""
    query = select(headers.c.instance_key).join(series, series.c.id == headers.c.series_key)
    return session.execute(query.where(series.c.study_key == study_key).limit(1)).first() is not None


@dataclass(frozen=True, slots=True)
class _State:
    """What an object has, and what is to be added."""

    study_instance_uid: str
    series_instance_uid: str
    replaces: str | None  # the object that the row names, usable or not
    blob: str | None
    packed: int
    to_add: list[int]


def _read_state(archive: Archive, series_key: int, *, ignores_object: bool = False) -> _State:
    with archive.reading() as session:
        row = session.execute(
            select(
                studies.c.study_instance_uid,
                series.c.series_instance_uid,
                series.c.metadata_blob,
                series.c.metadata_instances,
            )
            .join(studies, studies.c.id == series.c.study_key)
            .where(series.c.id == series_key)
        ).first()
        if row is None:
            raise NotFound(f"there is no series with the key {series_key}")
        is_usable = row.metadata_blob is not None and not ignores_object
        if is_usable:
            query = select(headers.c.instance_key).where(headers.c.series_key == series_key)
            number = session.execute(
                select(func.count()).select_from(instances).where(instances.c.series_key == series_key)
            ).scalar_one()
            to_add = list(session.scalars(query))
            is_usable = row.metadata_instances + len(to_add) == number
        if not is_usable:
            to_add = list(session.scalars(select(instances.c.id).where(instances.c.series_key == series_key)))
        to_add = _in_order(session, to_add)
    return _State(
        row.study_instance_uid,
        row.series_instance_uid,
        row.metadata_blob,
        row.metadata_blob if is_usable else None,
        row.metadata_instances if is_usable else 0,
        to_add,
    )


def _in_order(session: Connection, keys: list[int]) -> list[int]:
    """Keys by instance number, then by UID: the same whatever the order of arrival was."""
    places: dict[int, tuple[int, str]] = {}
    columns = (instances.c.id, instances.c.instance_number, instances.c.sop_instance_uid)
    for start in range(0, len(keys), _IDS_AT_ONCE):
        query = select(*columns).where(instances.c.id.in_(keys[start : start + _IDS_AT_ONCE]))
        places |= {key: (_NO_NUMBER if number is None else number, uid) for key, number, uid in session.execute(query)}
    return sorted(places, key=lambda key: places[key])


def _extended(archive: Archive, state: _State, level: int) -> Iterator[bytes]:
    """The object of a state with what is to be added. The first piece is empty: the object is open then."""
    crc, length = zlib.crc32(b"["), 1
    if state.blob is None:
        yield b""
        yield _OPENING
    else:
        with archive.metadata_objects.reader(state.blob) as reader:
            yield b""
            crc, length = _TRAILER.unpack(reader.read_at(reader.length - _TRAILER.size, _TRAILER.size))
            crc, length = _crc_without_last(crc, b"]"), length - 1
            end = reader.length - _TAIL_BYTES
            for offset in range(0, end, _CHUNK_BYTES):
                yield reader.read_at(offset, min(_CHUNK_BYTES, end - offset))
    is_first = state.packed == 0
    for start in range(0, len(state.to_add), _PAGE):
        piece = b",".join(_datasets(archive, state, state.to_add[start : start + _PAGE]))
        if not piece:
            continue
        if not is_first:
            piece = b"," + piece
        is_first = False
        deflate = zlib.compressobj(level, zlib.DEFLATED, -zlib.MAX_WBITS)
        yield deflate.compress(piece) + deflate.flush(zlib.Z_SYNC_FLUSH)
        crc, length = zlib.crc32(piece, crc), length + len(piece)
    yield _CLOSING + _TRAILER.pack(zlib.crc32(b"]", crc), (length + 1) & 0xFFFFFFFF)


def _crc_without_last(crc: int, last: bytes) -> int:
    """The CRC-32 before its last byte: the table step of RFC 1952 8 taken back."""
    state = crc ^ 0xFFFFFFFF
    index = _CRC_INDEX[state >> 24]
    return ((state ^ _CRC_STEPS[index]) << 8 & 0xFFFFFFFF | index ^ last[0]) ^ 0xFFFFFFFF


def _crc_step(index: int) -> int:
    for _ in range(8):
        index = index >> 1 ^ (0xEDB88320 if index & 1 else 0)
    return index


_CRC_STEPS: Final = [_crc_step(index) for index in range(256)]
_CRC_INDEX: Final = {step >> 24: index for index, step in enumerate(_CRC_STEPS)}


def _datasets(archive: Archive, state: _State, keys: list[int]) -> Iterator[bytes]:
    """The DICOM JSON of some instances, in the order of the keys."""
    query = (
        select(
            instances.c.id,
            instances.c.sop_instance_uid,
            instances.c.blob,
            instances.c.length_bytes,
            instances.c.pixel_offset,
            instances.c.flags,
            uids.c.uid.label("sop_class_uid"),
            headers.c.data,
        )
        .join(uids, uids.c.id == instances.c.sop_class_key)
        .outerjoin(headers, headers.c.instance_key == instances.c.id)
        .where(instances.c.id.in_(keys))
    )
    with archive.reading() as session:
        rows = {row.id: row for row in session.execute(query)}
    for key in keys:
        if key in rows:  # it may have been deleted meanwhile
            yield dumps(_dataset(archive, state, rows[key]))


def _dataset(archive: Archive, state: _State, row: Any) -> JsonDataset:
    root = f"/dicomweb/studies/{state.study_instance_uid}/series/{state.series_instance_uid}"
    try:
        header = _read_header(archive, row)
        return to_json(header, bulk_uri=f"{root}/instances/{row.sop_instance_uid}/bulkdata")
    except (NotFound, Refused) as error:
        # `verify` and the sweep raise the problem; the series stays readable.
        logger.error("metadata_missing", sop_instance_uid=row.sop_instance_uid, reason=str(error))
        return {
            "00080016": {"vr": "UI", "Value": [row.sop_class_uid]},
            "00080018": {"vr": "UI", "Value": [row.sop_instance_uid]},
            "0020000D": {"vr": "UI", "Value": [state.study_instance_uid]},
            "0020000E": {"vr": "UI", "Value": [state.series_instance_uid]},
        }


def _read_header(archive: Archive, row: Any) -> Header:
    limits = scan_limits(archive.settings)
    if row.data is not None:
        return scan(_unpack_header(bytes(row.data)), limits=limits, total_length=row.length_bytes)
    with archive.blobs.reader(bytes(row.blob).hex()) as reader:
        if row.length_bytes > _HEAD_BYTES and not row.flags & Flags.DEFLATED:
            header = scan(reader.read_at(0, _HEAD_BYTES), limits=limits, total_length=row.length_bytes)
            if header.is_complete and _ends_with_pixels(header, row.length_bytes):
                return header
        return scan(reader.map(), limits=limits)


def pack_header(head: memoryview) -> bytes | None:
    """What is kept of a header until its series is packed; None when it is too long to be kept twice.

    Compressing a usual one costs more time than writing it does (75 against 10 microseconds).
    """
    if len(head) > _HEADER_KEPT_MAX_BYTES:
        return None
    return bytes(head) if len(head) <= _HEADER_PLAIN_MAX_BYTES else zlib.compress(head, 1)


def _unpack_header(data: bytes) -> bytes:
    """The beginning of the file again: it begins with the preamble's zeros, zlib's format never does."""
    return data if data.startswith(b"\0") else zlib.decompress(data)


def _ends_with_pixels(header: Header, length_bytes: int) -> bool:
    """Whether nothing follows the pixel data, as far as the head of a file tells."""
    element = header.pixel_data
    return element is not None and element.offset + element.length == length_bytes


def dumps(dataset: JsonDataset) -> bytes:
    """As JSON; also integers beyond 64 bits, which some devices write."""
    try:
        return orjson.dumps(dataset)
    except TypeError:
        return json.dumps(dataset, ensure_ascii=False).encode("utf-8", "replace")
