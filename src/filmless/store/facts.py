"""What the index says of one instance, read from its header: identity, pixel data, what is unusual."""

from __future__ import annotations

import mmap
from dataclasses import dataclass, field
from typing import Final, Protocol

from filmless.archive.metadata import pack_header
from filmless.archive.tables import Flags
from filmless.dicom.frames import FrameTable, locate_frames, native_frame_bytes
from filmless.dicom.json import JsonDataset, to_json
from filmless.dicom.scanner import PIXEL_DATA, Element, Header, ScanLimits, scan
from filmless.dicom.syntaxes import get_syntax
from filmless.dicom.uids import NON_PATIENT_CLASSES, is_storable, oddities
from filmless.errors import Refused

SOP_CLASS_UID: Final = 0x00080016
SOP_INSTANCE_UID: Final = 0x00080018
STUDY_INSTANCE_UID: Final = 0x0020000D
SERIES_INSTANCE_UID: Final = 0x0020000E
_SPECIFIC_CHARACTER_SET: Final = 0x00080005
_INSTANCE_NUMBER: Final = 0x00200013
_ROWS: Final = 0x00280010
_COLUMNS: Final = 0x00280011
_BITS_ALLOCATED: Final = 0x00280100
_PIXEL_REPRESENTATION: Final = 0x00280103
_PHOTOMETRIC_INTERPRETATION: Final = 0x00280004

HEAD_BYTES: Final = 1 << 20
_ATTRIBUTES_INLINE_MAX: Final = 1024
_WARNINGS_MAX: Final = 20
_INT_MAX: Final = (1 << 31) - 1
_JPEG_2000_MEDIA_TYPES: Final = frozenset({"image/jp2", "image/jpx", "image/jphc"})
_CODESTREAM_BEGIN: Final = b"\xff\x4f\xff\x51"  # SOC and SIZ (ISO/IEC 15444-1 A.4.1, A.5.1)
_SAMPLE_SIZE_OFFSET: Final = 42  # of Ssiz of the first component, from SOC


class Source(Protocol):
    """A Part 10 file being written, or a blob: BlobWriter and BlobReader."""

    @property
    def length(self) -> int:
        """All its bytes."""

    def map(self) -> memoryview | mmap.mmap:
        """All of it."""

    def read_at(self, offset: int, length: int) -> bytes:
        """A range of it."""


@dataclass(slots=True)
class Facts:
    """One instance. Offsets count in the Part 10 file; those of a deflated data set in what it inflates to.

    The study and series of what belongs to no patient are "".
    """

    header: Header
    sop_class_uid: str
    sop_instance_uid: str
    study_instance_uid: str
    series_instance_uid: str
    transfer_syntax_uid: str
    instance_number: int | None
    dataset_offset: int
    pixel_offset: int | None
    pixel_length: int | None
    number_of_frames: int
    rows: int | None
    columns: int | None
    bits_allocated: int | None
    flags: Flags
    frame_table: bytes | None
    header_data: bytes | None
    warnings: list[str]
    _json: JsonDataset = field(default_factory=dict)

    def attributes(self, tags: frozenset[int]) -> JsonDataset:
        """The attributes of one level as DICOM JSON; bulk data are left out."""
        if not self._json:
            self._json = to_json(self.header, bulk_uri=None, inline_max=_ATTRIBUTES_INLINE_MAX)
        return {tag: entry for tag, entry in self._json.items() if int(tag, 16) in tags}

    def signature(self, tags: frozenset[int]) -> int:
        """A number that is the same for instances whose attributes of one level are the same."""
        header = self.header
        buffer, elements = header.buffer, header.raw_elements
        parts: list[object] = [header.raw(_SPECIFIC_CHARACTER_SET), self.transfer_syntax_uid]
        for tag in sorted(tags.intersection(elements)):
            _, offset, length = elements[tag]
            parts += (tag, bytes(buffer[offset : offset + length]))
        return hash(tuple(parts))


def read_facts(source: Source, limits: ScanLimits) -> Facts:
    """Read the facts of a Part 10 file that has our group 0002.

    Raises
    ------
    Refused: it cannot be read, a UID is missing, or is not one that can be kept.
    """
    header = _scan(source, limits)
    uids, warnings, flags = _identity(header)
    warnings += header.flaws
    if header.flaws:
        flags |= Flags.FLAWED
    if not header.is_little_endian:
        flags |= Flags.BIG_ENDIAN
    if header.is_deflated:
        flags |= Flags.DEFLATED
    element = header.pixel_data
    table, pixel_length = None, None
    if element is not None:
        table = locate_frames(header, read_at=None if _is_whole(header, source) else source.read_at)
        warnings += table.flaws
        flags |= _pixel_flags(header, element, table, source)
        pixel_length = _pixel_length(header, element, table)
    return Facts(
        header=header,
        sop_class_uid=uids[SOP_CLASS_UID],
        sop_instance_uid=uids[SOP_INSTANCE_UID],
        study_instance_uid=uids[STUDY_INSTANCE_UID],
        series_instance_uid=uids[SERIES_INSTANCE_UID],
        transfer_syntax_uid=header.transfer_syntax_uid,
        instance_number=_small(header.integer(_INSTANCE_NUMBER)),
        dataset_offset=header.dataset_offset,
        pixel_offset=element.offset if element else None,
        pixel_length=pixel_length,
        number_of_frames=table.count if table else 0,
        rows=_small(header.integer(_ROWS)),
        columns=_small(header.integer(_COLUMNS)),
        bits_allocated=_small(header.integer(_BITS_ALLOCATED)),
        flags=flags,
        frame_table=table.pack() if table and not _follows(table, header, pixel_length) else None,
        header_data=_header_data(header, element, pixel_length, source),
        warnings=warnings[:_WARNINGS_MAX],
    )


def _follows(table: FrameTable, header: Header, pixel_length: int | None) -> bool:
    """Whether the row of an instance tells where its frames lie, so that no table need be kept."""
    if table.is_encapsulated:
        return False
    rows, columns = header.integer(_ROWS), header.integer(_COLUMNS)
    length = native_frame_bytes(rows, columns, table.count, pixel_length)
    return table.count == 0 or (length is not None and length * 8 == table.frame_bits)


def _scan(source: Source, limits: ScanLimits) -> Header:
    """Scan from memory. Of a long file only the head is read, unless what stands before the pixel data is longer:
    a mapped file that is walked through counts as memory of ours.
    """
    if source.length <= HEAD_BYTES:
        return scan(source.map(), limits=limits)
    header = scan(source.read_at(0, HEAD_BYTES), limits=limits, total_length=source.length)
    if header.is_complete and not header.is_deflated:
        return header
    return scan(source.map(), limits=limits)


def _is_whole(header: Header, source: Source) -> bool:
    return header.is_deflated or len(header.buffer) == source.length


_NAMES = {
    SOP_CLASS_UID: "SOP Class UID (0008,0016)",
    SOP_INSTANCE_UID: "SOP Instance UID (0008,0018)",
    STUDY_INSTANCE_UID: "Study Instance UID (0020,000D)",
    SERIES_INSTANCE_UID: "Series Instance UID (0020,000E)",
}

_OF_PATIENTS: Final = frozenset({STUDY_INSTANCE_UID, SERIES_INSTANCE_UID})


def _identity(header: Header) -> tuple[dict[int, str], list[str], Flags]:
    uids: dict[int, str] = {}
    warnings, flags = [], Flags(0)
    for tag, name in _NAMES.items():
        uid = header.text(tag)
        if uid is None and tag == SOP_CLASS_UID:
            # Group 0002 says it too, so the instance can be told and found; the other three identify it.
            uid = header.meta.get("sop_class_uid")
            if uid is not None:
                warnings.append(f"{name} is missing; the file meta information has it")
        if tag in _OF_PATIENTS and uids[SOP_CLASS_UID] in NON_PATIENT_CLASSES:
            uids[tag] = ""
            continue
        if uid is None:
            raise Refused(f"{name} is missing")
        if not is_storable(uid):
            raise Refused(f"{name} is {uid[:80]!r}: not 1 to 64 letters, digits and dots")
        found = oddities(uid)
        if found:
            flags |= Flags.ODD_UID
            warnings += [f"{name} {oddity}" for oddity in found]
        uids[tag] = uid
    return uids, warnings, flags


def _small(number: int | None) -> int | None:
    """A number that fits its column; None for what no device means."""
    return number if number is not None and -_INT_MAX <= number <= _INT_MAX else None


def _pixel_length(header: Header, element: Element, table: FrameTable) -> int:
    """Length of the pixel data; of encapsulated ones without the delimiter, also where only the head was scanned."""
    end = element.offset + element.length
    if table.is_encapsulated and table.count and end > len(header.buffer):
        offset, length = table.ranges(table.count)[-1]
        return offset + length - element.offset
    return element.length


def _pixel_flags(header: Header, element: Element, table: FrameTable, source: Source) -> Flags:
    flags = Flags(0)
    if table.flaws or (table.count == 0 and element.length):
        flags |= Flags.PIXELS_ASTRAY
    if not table.is_encapsulated:
        if (header.text(_PHOTOMETRIC_INTERPRETATION) or "").startswith(("YBR_FULL_422", "YBR_PARTIAL_422")):
            flags |= Flags.YBR_FULL_422_NATIVE
    elif table.count and get_syntax(header.transfer_syntax_uid).media_type in _JPEG_2000_MEDIA_TYPES:
        offset, length = table.ranges(1)[0]
        is_signed = _is_signed_jpeg_2000(source.read_at(offset, min(length, 512)))
        if is_signed is not None and is_signed != bool(header.integer(_PIXEL_REPRESENTATION)):
            flags |= Flags.J2K_SIGN_MISMATCH
    return flags


def _is_signed_jpeg_2000(frame: bytes) -> bool | None:
    """Whether the samples of a codestream are signed: the top bit of Ssiz; None when there is no codestream.

    Some devices put it into a JP2 file; then it begins later. References: ISO/IEC 15444-1 A.5.1.
    """
    begin = frame.find(_CODESTREAM_BEGIN)
    if begin < 0 or begin + _SAMPLE_SIZE_OFFSET >= len(frame):
        return None
    return frame[begin + _SAMPLE_SIZE_OFFSET] >= 0x80


def _header_data(header: Header, element: Element | None, pixel_length: int | None, source: Source) -> bytes | None:
    """The file up to its pixel data, as it is kept; None when it must be read from the blob when it is wanted."""
    if header.is_deflated:
        return None
    end = source.length
    if element is not None:
        # What follows the pixel data is at most the delimiter; else the head does not tell all.
        following = source.length - element.offset - (pixel_length or 0)
        if following > 8 or element.tag != PIXEL_DATA:
            return None
        end = element.offset
    if end > len(header.buffer):
        return None
    return pack_header(memoryview(header.buffer)[:end])
