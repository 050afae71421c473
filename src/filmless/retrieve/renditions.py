"""Frames kept a second time in HTJ2K, for clients that take it: a cache beside the originals, never in their place.

The copies of a series lie in one or a few objects: frames one after the other, then an index (zlib, JSON), then its
length. A frame is one range read, checked by its CRC-32. Losing an object loses time and nothing else: the frame is
then sent as stored. They are made by `make_renditions.py`.
"""

from __future__ import annotations

import struct
import threading
import time
import weakref
import zlib
from array import array
from collections import OrderedDict
from dataclasses import dataclass, field
from typing import Any, Final

import orjson
import structlog
from sqlalchemy import delete, select, update

from filmless.archive import Archive
from filmless.archive.jobs import enqueue
from filmless.archive.tables import Flags, renditions, series, studies
from filmless.dicom.syntaxes import (
    DEFLATED_IMAGE_FRAME,
    ENCAPSULATED_UNCOMPRESSED,
    EXPLICIT_BE,
    EXPLICIT_LE,
    HTJ2K_LOSSLESS,
    HTJ2K_LOSSLESS_RPCL,
    IMPLICIT_LE,
    JPEG_LOSSLESS,
    JPEG_LOSSLESS_SV1,
    RLE,
)
from filmless.errors import NotFound, Unavailable
from filmless.retrieve.instances import StoredInstance

log = structlog.get_logger()

SYNTAXES: Final = (HTJ2K_LOSSLESS_RPCL, HTJ2K_LOSSLESS)
"""What a copy may be called: RPCL is one of the orders in which the other syntax may be."""

SOURCES: Final = frozenset(
    {
        IMPLICIT_LE,
        EXPLICIT_LE,
        EXPLICIT_BE,
        ENCAPSULATED_UNCOMPRESSED,
        DEFLATED_IMAGE_FRAME,
        RLE,
        JPEG_LOSSLESS,
        JPEG_LOSSLESS_SV1,
    }
)
"""Transfer syntaxes of which HTJ2K may save bytes. None is lossy; JPEG-LS, JPEG 2000 and JPEG XL are as short."""

_LENGTH: Final = struct.Struct("<Q")
_INDEX_MAX_BYTES: Final = 64 << 20
_LOOK_AGAIN_S: Final = 20.0
_WISH_AGAIN_S: Final = 600.0
_TOUCH_AGAIN_S: Final = 3600.0
_SERIES_KEPT: Final = 2000
_FRAMES_KEPT: Final = 2_000_000


@dataclass(frozen=True, slots=True)
class Rendition:
    """The copies of one instance's frames: where each begins in the object, how long it is, and its CRC-32."""

    pack_id: int
    blob: str
    offsets: array[int]
    lengths: array[int]
    checks: array[int]

    def __len__(self) -> int:
        return len(self.lengths)


def is_source(instance: StoredInstance) -> bool:
    """Whether an instance may have copies: pixel data without loss, whose frames leave as the metadata say."""
    return (
        instance.transfer_syntax_uid in SOURCES
        and instance.number_of_frames > 0
        and not instance.has(Flags.YBR_FULL_422_NATIVE)
    )


def find_rendition(archive: Archive, instance: StoredInstance) -> Rendition | None:
    """Find the copies of an instance; of one that has none, ask for them to be made."""
    if not archive.settings.rendition_cache_bytes or not is_source(instance):
        return None
    memory = _memory_of(archive)
    known, found = memory.find(instance)
    if not known:
        memory.keep(instance.series_instance_uid, _read_series(archive, instance))
        _, found = memory.find(instance)
    if found is not None and memory.is_due(("used", found.pack_id), _TOUCH_AGAIN_S):
        with archive.transaction() as session:
            session.execute(update(renditions).where(renditions.c.id == found.pack_id).values(used_at=time.time()))
    if found is None and memory.is_due(("wish", instance.series_instance_uid), _WISH_AGAIN_S):
        _wish(archive, instance)
    return found if found is not None and len(found) else None


def remembered_rendition(archive: Archive, instance: StoredInstance) -> tuple[bool, Rendition | None]:
    """Tell what `find_rendition` would without waiting; False: it must be asked."""
    if not archive.settings.rendition_cache_bytes or not is_source(instance):
        return True, None
    known, found = _memory_of(archive).find(instance)
    return known, found if found is not None and len(found) else None


def read_rendition(archive: Archive, instance: StoredInstance, rendition: Rendition, frame_number: int) -> bytes | None:
    """Read the copy of one frame (from 1); None when it is gone or damaged, and then it is no longer known.

    Raises
    ------
    NotFound: there is no such frame.
    """
    if not 1 <= frame_number <= len(rendition):
        raise NotFound(f"frame {frame_number} is not among the {len(rendition)} of this instance")
    index = frame_number - 1
    try:
        data = archive.renditions.read(rendition.blob, rendition.offsets[index], rendition.lengths[index])
    except (NotFound, Unavailable) as error:
        data, reason = b"", str(error)
    else:
        reason = "its bytes do not match their CRC-32"
    if zlib.crc32(data) == rendition.checks[index] and data:
        return data
    log.warning("rendition_lost", blob=rendition.blob, reason=reason)
    _drop(archive, rendition)
    _memory_of(archive).forget(instance.series_instance_uid)
    return None


def _drop(archive: Archive, rendition: Rendition) -> None:
    with archive.transaction() as session:
        session.execute(delete(renditions).where(renditions.c.id == rendition.pack_id))
    archive.renditions.delete(rendition.blob)


def _wish(archive: Archive, instance: StoredInstance) -> None:
    """Ask for the copies of a series: it was kept before there were any, or they were removed for lack of use."""
    with archive.transaction() as session:
        key = session.execute(_series_of(instance)).scalar_one_or_none()
        if key is not None:
            ask_for(session, key)


def ask_for(session: Any, series_key: int, *, run_at: float | None = None) -> None:
    """Have the copies of a series made in the background, after everything else."""
    enqueue(
        session,
        "make_renditions",
        {"series_key": series_key},
        key=f"make_renditions:{series_key}",
        destination="renditions",
        run_at=run_at,
        priority=-10,
    )


def _series_of(instance: StoredInstance) -> Any:
    return (
        select(series.c.id)
        .join(studies, series.c.study_key == studies.c.id)
        .where(
            studies.c.study_instance_uid == instance.study_instance_uid,
            series.c.series_instance_uid == instance.series_instance_uid,
        )
    )


# The objects ----------------------------------------------------------------------------------------------------------


@dataclass(slots=True)
class Index:
    """What an object holds: of each original, by its digest, where its copies begin, their lengths and CRC-32s.

    One without copies was looked at, and none would pay or be exact.
    """

    series_instance_uid: str
    entries: dict[str, tuple[int, list[int], list[int]]] = field(default_factory=dict)

    def pack(self) -> bytes:
        """Give the end of an object: the index and its length."""
        listed = [[digest, *entry] for digest, entry in self.entries.items()]
        data = zlib.compress(orjson.dumps({"series": self.series_instance_uid, "entries": listed}), 6)
        return data + _LENGTH.pack(len(data))


def read_index(archive: Archive, blob: str, length_bytes: int) -> Index | None:
    """Read the index of an object; None when it is gone or makes no sense."""
    try:
        (length,) = _LENGTH.unpack(archive.renditions.read(blob, length_bytes - _LENGTH.size, _LENGTH.size))
        if not 0 < length <= min(_INDEX_MAX_BYTES, length_bytes):
            return None
        packed = archive.renditions.read(blob, length_bytes - _LENGTH.size - length, length)
        content = orjson.loads(zlib.decompressobj().decompress(packed, _INDEX_MAX_BYTES))
        entries = {digest: (offset, lengths, checks) for digest, offset, lengths, checks in content["entries"]}
        return Index(content["series"], entries)
    except (NotFound, Unavailable, zlib.error, struct.error, ValueError, KeyError, TypeError) as error:
        log.warning("rendition_unreadable", blob=blob, reason=str(error))
        return None


def _read_series(archive: Archive, instance: StoredInstance) -> dict[str, Rendition]:
    query = select(renditions.c.id, renditions.c.blob, renditions.c.length_bytes)
    with archive.reading() as session:
        rows = session.execute(query.where(renditions.c.series_key.in_(_series_of(instance)))).all()
    found: dict[str, Rendition] = {}
    for row in rows:
        index = read_index(archive, row.blob, row.length_bytes)
        for digest, (offset, lengths, checks) in (index.entries if index else {}).items():
            found[digest] = Rendition(
                row.id, row.blob, _running(offset, lengths), array("Q", lengths), array("Q", checks)
            )
    return found


def _running(offset: int, lengths: list[int]) -> array[int]:
    offsets = array("Q")
    for length in lengths:
        offsets.append(offset)
        offset += length
    return offsets


class _Memory:
    """The copies of the series that were asked for last. What is known grows stale after a while and is read again."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._series: OrderedDict[str, tuple[float, dict[str, Rendition]]] = OrderedDict()
        self._frames = 0
        self._done_at: OrderedDict[tuple[str, object], float] = OrderedDict()

    def find(self, instance: StoredInstance) -> tuple[bool, Rendition | None]:
        with self._lock:
            read_at, found = self._series.get(instance.series_instance_uid, (-_LOOK_AGAIN_S, {}))
            rendition = found.get(instance.blob)
            if rendition is not None:
                self._series.move_to_end(instance.series_instance_uid)
                return True, rendition
            return time.monotonic() - read_at < _LOOK_AGAIN_S, None

    def keep(self, series_instance_uid: str, found: dict[str, Rendition]) -> None:
        with self._lock:
            self._forget(series_instance_uid)
            self._series[series_instance_uid] = time.monotonic(), found
            self._frames += sum(map(len, found.values()))
            while len(self._series) > _SERIES_KEPT or (self._frames > _FRAMES_KEPT and len(self._series) > 1):
                self._forget(next(iter(self._series)))

    def forget(self, series_instance_uid: str) -> None:
        with self._lock:
            self._forget(series_instance_uid)

    def _forget(self, series_instance_uid: str) -> None:
        _, found = self._series.pop(series_instance_uid, (0.0, {}))
        self._frames -= sum(map(len, found.values()))

    def is_due(self, what: tuple[str, object], every_s: float) -> bool:
        now = time.monotonic()
        with self._lock:
            if now - self._done_at.get(what, -every_s) < every_s:
                return False
            self._done_at[what] = now
            self._done_at.move_to_end(what)
            while len(self._done_at) > 2 * _SERIES_KEPT:
                self._done_at.popitem(last=False)
            return True


_memories: weakref.WeakKeyDictionary[Archive, _Memory] = weakref.WeakKeyDictionary()


def _memory_of(archive: Archive) -> _Memory:
    memory = _memories.get(archive)
    return memory if memory is not None else _memories.setdefault(archive, _Memory())
