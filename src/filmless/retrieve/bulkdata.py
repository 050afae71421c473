"""Bulk data: what a BulkDataURI of the metadata points at, as a byte range where it is one (PS3.18 10.4.1.1.5)."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Final

from filmless.archive import Archive
from filmless.archive.limits import scan_limits
from filmless.archive.tables import Flags
from filmless.dicom.json import find_level, little_endian_value
from filmless.dicom.pixels import NATIVE
from filmless.dicom.scanner import Buffer, Header, scan
from filmless.dicom.syntaxes import OCTET_STREAM
from filmless.errors import NotFound
from filmless.retrieve.frames import FIX_UPS, inflated, read_header, stored_frame
from filmless.retrieve.instances import InstanceRecord, StoredInstance

_PIXEL_PATHS: Final = frozenset({"7FE00008", "7FE00009", "7FE00010"})
_ENCAPSULATED_DOCUMENT: Final = 0x00420011

PDF: Final = "application/pdf"
XML: Final = "text/xml"
_STORAGE: Final = "1.2.840.10008.5.1.4.1.1.104."
# By the class and not by what the data set says of itself: a document that claims to be a page must not be one here.
# (ADR-0025)
DOCUMENT_TYPES: Final = {
    f"{_STORAGE}1": PDF,
    f"{_STORAGE}2": XML,
    f"{_STORAGE}3": "model/stl",
    f"{_STORAGE}4": "model/obj",
    f"{_STORAGE}5": "model/mtl",
}
"""Media type of the encapsulated document, by SOP class."""
_PIECE_BYTES: Final = 1 << 20


@dataclass(frozen=True, slots=True)
class Bulk:
    """A value: a range of what is in hand or mapped, or of the blob. `media_type` is what the value is by itself."""

    length: int
    media_type: str
    data: Buffer | None = None
    offset: int = 0

    def read(self, archive: Archive, instance: StoredInstance, start: int, stop: int) -> Iterator[bytes]:
        """Read bytes from `start` to before `stop`."""
        if self.data is not None:
            for at in range(self.offset + start, self.offset + stop, _PIECE_BYTES):
                yield bytes(self.data[at : min(at + _PIECE_BYTES, self.offset + stop)])
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
        return Bulk(instance.pixel_length, OCTET_STREAM, data=inflated(archive, instance), offset=instance.pixel_offset)
    try:
        return _in_header(read_header(archive, instance), path, instance)
    except NotFound:
        if instance.pixel_offset is None:
            raise
    # A rare element: one that stands after the pixel data.
    with archive.blobs.reader(instance.blob) as reader:
        return _in_header(scan(reader.map(), limits=scan_limits(archive.settings)), path, instance)


def _in_header(header: Header, path: str, instance: StoredInstance) -> Bulk:
    level, found = find_level(header, path)
    media_type = OCTET_STREAM
    if found.tag == _ENCAPSULATED_DOCUMENT:
        media_type = DOCUMENT_TYPES.get(instance.sop_class_uid, OCTET_STREAM)
    if level.is_little_endian and found.length > _PIECE_BYTES:
        data = level.buffer if instance.has(Flags.DEFLATED) else None
        return Bulk(found.length, media_type, data=data, offset=found.offset)
    value = little_endian_value(level, found)
    return Bulk(len(value), media_type, data=value)
