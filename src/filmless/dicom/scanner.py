"""Reads headers in one pass: where every element lies, and what a few of them say (PS3.5 chapter 7, PS3.10 chapter 7).

Made for bytes that nobody vouches for. It never reads past the length it was given, allocates nothing whose size only
the data claim, does not recurse, and stops at the limits of `ScanLimits`. What can be forgiven is forgiven and noted
in `Header.flaws`; `Refused` is raised when nothing sensible can be read or a limit is passed. Values are not touched
until somebody asks for them, and a sequence of defined length is not entered before.
"""

from __future__ import annotations

import mmap
import zlib

from filmless.dicom.dictionary import ENTRIES, format_tag
from filmless.dicom.elements import (
    ENCODINGS,
    EXPLICIT,
    IMPLICIT,
    IMPLICIT_BIG,
    LONG_VRS,
    PIXEL_DATA,
    PIXEL_TAGS,
    SHORT_VRS,
    UNDEFINED,
    Buffer,
    Element,
    Encoding,
    RawElement,
    Reading,
    ScanLimits,
    read_level,
)
from filmless.dicom.header import BINARY_VRS, LOCAL_TEXT_VRS, Header
from filmless.dicom.inflating import Spool, cut, inflate_pieces
from filmless.dicom.syntaxes import EXPLICIT_BE, EXPLICIT_LE, IMPLICIT_LE, get_syntax
from filmless.errors import Refused

__all__ = [
    "BINARY_VRS",
    "LOCAL_TEXT_VRS",
    "PIXEL_DATA",
    "PIXEL_TAGS",
    "Buffer",
    "Element",
    "Header",
    "ScanLimits",
    "scan",
]

_BULK_BYTES = 65536
_BEGINNING_BYTES = 4 << 20

_META = {
    0x00020002: "sop_class_uid",
    0x00020003: "sop_instance_uid",
    0x00020010: "transfer_syntax_uid",
    0x00020012: "implementation_class_uid",
    0x00020013: "implementation_version_name",
    0x00020016: "source_application_entity_title",
    0x00020017: "sending_application_entity_title",
    0x00020018: "receiving_application_entity_title",
}


def _read_meta(reading: Reading, pos: int) -> tuple[dict[str, str], int]:
    """Read group 0002: explicit VR little endian, whatever follows. Its group length is not believed."""
    buffer, limit = reading.buffer, len(reading.buffer)
    raw: dict[int, RawElement] = {}
    while pos + 8 <= limit and buffer[pos : pos + 2] == b"\x02\x00":
        group, element, code, length = EXPLICIT.explicit_head(buffer, pos)
        start = pos + 8
        if code in LONG_VRS:
            if pos + 12 > limit:
                break
            (length,) = EXPLICIT.u32(buffer, pos + 8)
            start = pos + 12
        elif code not in SHORT_VRS:
            reading.flaw("group 0002 is in implicit VR")
            (length,) = EXPLICIT.u32(buffer, pos + 4)
        if start + length > limit:
            if limit < reading.total:
                reading.is_complete = False
            reading.flaw(f"{format_tag(group << 16 | element)} is cut off")
            length = limit - start
        raw[group << 16 | element] = ("UI", start, length)
        pos = start + length
        reading.spend(1)
    meta = {}
    for tag, name in _META.items():
        if tag in raw:
            _, start, length = raw[tag]
            value = str(buffer[start : start + min(length, 256)], "latin-1").strip(" \0")
            if value:
                meta[name] = value
    return meta, pos


def _skip_commands(reading: Reading, pos: int) -> int:
    """Pass over DIMSE command elements (group 0000), which some programs leave in front of a saved data set."""
    while pos + 8 <= len(reading.buffer) and reading.buffer[pos : pos + 2] == b"\x00\x00":
        _, element, length = IMPLICIT.head(reading.buffer, pos)
        if element > 0x5200 or pos + 8 + length > len(reading.buffer):
            return pos
        reading.flaw("DIMSE command elements stand in front of the data set")
        reading.spend(1)
        pos += 8 + length
    return pos


def _inflate(data: Buffer, start: int, reading: Reading) -> bytes | mmap.mmap:
    """Inflate the rest of the file (PS3.5 A.5), never beyond the limit; of a file's beginning only the beginning."""
    limit = reading.limits.inflate_max_bytes
    is_beginning = len(data) < reading.total
    with memoryview(data) as whole, whole[start:] as view:
        for window in (-zlib.MAX_WBITS, zlib.MAX_WBITS):
            spool = Spool(reading.limits.spool_folder)
            try:
                is_whole = inflate_pieces(
                    cut(view), spool.write, window=window, limit=min(limit, _BEGINNING_BYTES) if is_beginning else limit
                )
                if spool.length > limit:
                    raise Refused(f"the data set inflates to more than {limit} bytes")
            except zlib.error as error:
                if spool.length:
                    reading.flaw("the deflated data set is damaged; what could be inflated was read")
                    return spool.take()
                if window > 0:
                    raise Refused("the data set is declared deflated but is not") from error
            except BaseException:
                spool.close()
                raise
            else:
                if not is_whole and is_beginning:
                    reading.is_complete = False
                elif not is_whole:
                    reading.flaw("the deflated data set is cut off")
                return spool.take()
    raise AssertionError("unreachable")


def _is_known(tag: int) -> bool:
    return tag in ENTRIES or (tag & 0xFFFF == 0 and 0 < tag >> 16 < 0x100) or tag >> 16 in (9, 0x11, 0x19, 0x21, 0x29)


def _detect(reading: Reading, pos: int, declared: Encoding | None) -> Encoding:
    """Look at the first element to see how the data set is really encoded; declarations can be wrong."""
    buffer = reading.buffer
    if len(buffer) - pos < 8:
        return declared or IMPLICIT
    code = bytes(buffer[pos + 4 : pos + 6])
    is_explicit = code in SHORT_VRS or code in LONG_VRS
    group, element, _ = IMPLICIT.head(buffer, pos)
    swapped_group, swapped_element, _ = IMPLICIT_BIG.head(buffer, pos)
    little, big = _is_known(group << 16 | element), _is_known(swapped_group << 16 | swapped_element)
    if declared is None:
        if not little and big:
            return ENCODINGS[not is_explicit, False]
        return ENCODINGS[not is_explicit, True]
    is_little_endian = declared.is_little_endian
    if (is_little_endian and not little and big) or (not is_little_endian and not big and little):
        is_little_endian = not is_little_endian
        reading.flaw("the byte order is not that of the transfer syntax")
    is_implicit = declared.is_implicit
    if is_implicit and is_explicit:
        is_implicit = False
        reading.flaw("the data set is in explicit VR, its transfer syntax says implicit")
    elif not is_implicit and not is_explicit and not (code.isalpha() and code.isupper()):
        is_implicit = True
        reading.flaw("the data set is in implicit VR, its transfer syntax says explicit")
    return ENCODINGS[is_implicit, is_little_endian]


def _has_dicom_look(buffer: Buffer) -> bool:
    """Whether bytes without the DICM prefix begin like a data set: a known tag of a low group, a length that fits."""
    if len(buffer) < 8:
        return False
    for encoding in (IMPLICIT, IMPLICIT_BIG):
        group, element, length = encoding.head(buffer, 0)
        if group in (0, 2, 4, 8) and (group << 16 | element in ENTRIES or element == 0):
            code = bytes(buffer[4:6])
            if code in SHORT_VRS or code in LONG_VRS:
                return True
            return encoding is IMPLICIT and (8 + length <= len(buffer) or length == UNDEFINED)
    return False


def _begin(reading: Reading) -> tuple[dict[str, str], int]:
    """Pass over preamble and group 0002; either may be missing. Returns what group 0002 says and what follows it.

    Raises
    ------
    Refused: this does not look like DICOM.
    """
    buffer = reading.buffer
    if buffer[128:132] == b"DICM":
        meta, pos = _read_meta(reading, 132)
        if not meta:
            reading.flaw("group 0002 is missing")
    elif _has_dicom_look(buffer):
        reading.flaw("the preamble is missing")
        meta, pos = _read_meta(reading, 0)
    else:
        raise Refused("this is not DICOM: there is no DICM prefix and no data set")
    return meta, _skip_commands(reading, pos)


def scan(
    buffer: Buffer,
    *,
    transfer_syntax_uid: str | None = None,
    limits: ScanLimits | None = None,
    total_length: int | None = None,
) -> Header:
    """Read the header of a Part 10 file or, when the transfer syntax is given, of a bare data set.

    Parameters
    ----------
    buffer : the whole file, mapped or in memory; or its beginning, with `total_length` saying how long all of it is
    transfer_syntax_uid : of a bare data set; None for a Part 10 file, whose preamble and group 0002 may be missing
    total_length : then pixel data may run beyond the buffer, and only pixel data. When something else does,
        `is_complete` of the header is False.

    Raises
    ------
    Refused: these bytes are not DICOM, or pass a limit.
    """
    if isinstance(buffer, bytearray | memoryview):
        buffer = memoryview(buffer).cast("B")
    limits = limits or ScanLimits()
    reading = Reading(buffer, limits, max(total_length or 0, len(buffer)))
    meta, dataset_offset = _begin(reading) if transfer_syntax_uid is None else ({}, 0)
    uid = transfer_syntax_uid or meta.get("transfer_syntax_uid", "")
    pos = dataset_offset
    declared: Encoding | None = None
    if uid:
        syntax = get_syntax(uid)
        declared = ENCODINGS[syntax.is_implicit, syntax.is_little_endian]
        if syntax.is_deflated:
            inflated = _inflate(buffer, pos, reading)
            inner = Reading(inflated, limits, len(inflated))
            inner.flaws, inner.budget, inner.is_complete = reading.flaws, reading.budget, reading.is_complete
            reading, pos = inner, 0
    encoding = _detect(reading, pos, declared)
    if not uid:
        reading.flaw("the transfer syntax is not declared")
        uid = IMPLICIT_LE if encoding.is_implicit else EXPLICIT_LE if encoding.is_little_endian else EXPLICIT_BE
    raw: dict[int, RawElement] = {}
    read_level(reading, encoding, pos, len(reading.buffer), raw, 0)
    header = Header(reading, encoding, raw, None)
    header.meta = meta
    header.transfer_syntax_uid = uid
    header.dataset_offset = dataset_offset
    _check(header, pos)
    return header


def _check(header: Header, start: int) -> None:
    """Hold the limit on the header's length, and note elements out of order."""
    raw = header.raw_elements
    tags = list(raw)
    if tags != sorted(tags):
        header.flaws.append("the elements are not in ascending order")
    size = header.reading.total - start
    limit = header.limits.header_max_bytes
    if size > limit:
        bulk = sum(length for vr, _, length in raw.values() if length > _BULK_BYTES and vr != "SQ")
        if size - bulk > limit:
            raise Refused(f"the data set without its bulk data is longer than {limit} bytes")
