"""Bulk data: what a BulkDataURI of the metadata points at, as a byte range where it is one (PS3.18 10.4.1.1.5)."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Final

from filmless.archive import Archive
from filmless.archive.tables import Flags
from filmless.dicom.json import find_level, little_endian_value
from filmless.dicom.pixels import NATIVE
from filmless.dicom.scanner import Header, scan
from filmless.dicom.syntaxes import OCTET_STREAM
from filmless.errors import NotFound
from filmless.retrieve.frames import FIX_UPS, read_header, read_range, scan_limits, stored_frame
from filmless.retrieve.instances import InstanceRecord, StoredInstance

_PIXEL_PATHS: Final = frozenset({"7FE00008", "7FE00009", "7FE00010"})
_ENCAPSULATED_DOCUMENT: Final = 0x00420011
_MIME_TYPE: Final = 0x00420012
_PIECE_BYTES: Final = 1 << 20


@dataclass(frozen=True, slots=True)
class Bulk:
    """A value: bytes in hand, or a range of the blob. `media_type` is what the value is by itself."""

    length: int
    media_type: str
    data: bytes | None = None
    offset: int = 0

    def read(self, archive: Archive, instance: StoredInstance, start: int, stop: int) -> Iterator[bytes]:
        """Read bytes from `start` to before `stop`."""
        if self.data is not None:
            yield self.data[start:stop]
            return
        yield from archive.blobs.stream(instance.blob, self.offset + start, stop - start)


def has_frames_at(record: InstanceRecord, path: str) -> bool:
    """Whether a path names pixel data that must be given frame by frame: encapsulated, or fixed for clients."""
    instance = record.instance
    if path.upper() not in _PIXEL_PATHS or instance.pixel_offset is None:
        return False
    return instance.transfer_syntax_uid not in NATIVE or bool(instance.flags & FIX_UPS)


def find_bulk(archive: Archive, record: InstanceRecord, path: str) -> Bulk:
    """Find the value at a path of DICOM JSON, `7FE00010` or `52009229/0/00081199`.

    Raises
    ------
    NotFound: there is no such element. Refused: that is no path.
    """
    instance = record.instance
    path = path.strip("/").upper()
    if path in _PIXEL_PATHS and instance.pixel_offset is not None and instance.pixel_length is not None:
        if instance.number_of_frames == 1 and has_frames_at(record, path):
            frame = stored_frame(archive, record, 1)
            return Bulk(len(frame.data), OCTET_STREAM, data=bytes(frame.data))
        if not instance.has(Flags.DEFLATED):
            return Bulk(instance.pixel_length, OCTET_STREAM, offset=instance.pixel_offset)
        data = read_range(archive, instance, instance.pixel_offset, instance.pixel_length)
        return Bulk(len(data), OCTET_STREAM, data=data)
    try:
        return _in_header(read_header(archive, instance), path, instance)
    except NotFound:
        if instance.pixel_offset is None:
            raise
    # A rare element: one that stands after the pixel data.
    with archive.blobs.reader(instance.blob) as reader:
        return _in_header(scan(reader.map(), limits=scan_limits(archive)), path, instance)


def _in_header(header: Header, path: str, instance: StoredInstance) -> Bulk:
    level, found = find_level(header, path)
    media_type = OCTET_STREAM
    if found.tag == _ENCAPSULATED_DOCUMENT:
        said = (level.text(_MIME_TYPE) or "").lower()
        media_type = said if re.fullmatch(r"[a-z]+/[a-z0-9.+-]+", said) else OCTET_STREAM
    is_plain = level.is_little_endian and not instance.has(Flags.DEFLATED)
    if is_plain and found.length > _PIECE_BYTES:
        return Bulk(found.length, media_type, offset=found.offset)
    value = little_endian_value(level, found)
    return Bulk(len(value), media_type, data=value)
