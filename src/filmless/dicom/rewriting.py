"""A data set written again in another transfer syntax, value by value, its pixel data by whoever has it (PS3.5 10, A).

Values keep their bytes, but for byte order; only the framing around them changes. Sequences are written with undefined
length, group lengths (retired) are left out. Pieces are yielded as they come: the size of a value costs no memory.
"""

from __future__ import annotations

import struct
from collections.abc import Iterator, Mapping
from types import MappingProxyType
from typing import Final

from filmless.dicom.json import swap_words
from filmless.dicom.scanner import PIXEL_DATA, PIXEL_TAGS, Element, Header

Replacements = Mapping[int, tuple[str, bytes] | None]
"""Elements of the top level to write instead of what is there, VR and value; None leaves an element out."""

_LONG_VRS: Final = frozenset({"OB", "OD", "OF", "OL", "OV", "OW", "SQ", "SV", "UC", "UN", "UR", "UT", "UV"})
_WIDTHS: Final = {
    **dict.fromkeys(("AT", "OW", "SS", "US"), 2),
    **dict.fromkeys(("FL", "OF", "OL", "SL", "UL"), 4),
    **dict.fromkeys(("FD", "OD", "OV", "SV", "UV"), 8),
}
_UNDEFINED: Final = 0xFFFFFFFF
_PIECE_BYTES: Final = 1 << 20
_ITEM: Final = struct.pack("<HHL", 0xFFFE, 0xE000, _UNDEFINED)
_ITEM_END: Final = struct.pack("<HHL", 0xFFFE, 0xE00D, 0)
_SEQUENCE_END: Final = struct.pack("<HHL", 0xFFFE, 0xE0DD, 0)


def element_head(tag: int, vr: str, length: int, *, is_implicit: bool) -> bytes:
    """Write what stands before a value in little endian; a value too long for its VR becomes UN (PS3.5 6.2.2)."""
    group, number = tag >> 16, tag & 0xFFFF
    if is_implicit:
        return struct.pack("<HHL", group, number, length)
    if vr not in _LONG_VRS and length > 0xFFFF:
        vr = "UN"
    if vr in _LONG_VRS:
        return struct.pack("<HH2sHL", group, number, vr.encode("latin-1"), 0, length)
    return struct.pack("<HH2sH", group, number, vr.encode("latin-1"), length)


def element(tag: int, vr: str, value: bytes, *, is_implicit: bool) -> bytes:
    """Write a short element, padded to even length."""
    if len(value) % 2:
        value += b"\0" if vr in {"UI", "OB", "UN"} else b" "
    return element_head(tag, vr, len(value), is_implicit=is_implicit) + value


def rewrite(
    header: Header,
    *,
    is_implicit: bool,
    replacements: Replacements,
    pixel_data: Iterator[bytes] | None,
    left_out_of_items: Mapping[int, frozenset[int]] = MappingProxyType({}),
) -> Iterator[bytes]:
    """Write the elements of a data set in little endian.

    Parameters
    ----------
    header : of the whole data set, so that what stands after the pixel data is kept.
    pixel_data : the whole element (head and value) to write in place of the pixel data; None keeps it as it is.
    left_out_of_items : sequence of the top level: elements of its items that are not written
    """
    written = dict(replacements)
    for tag in sorted({*header, *(tag for tag, value in replacements.items() if value is not None)}):
        if tag in PIXEL_TAGS and pixel_data is not None:
            yield from pixel_data
        elif tag in written:
            replacement = written[tag]
            if replacement is not None:
                yield element(tag, *replacement, is_implicit=is_implicit)
        elif tag & 0xFFFF or tag == PIXEL_DATA:
            found = header.element(tag)
            if found is not None:
                left_out = left_out_of_items.get(tag, frozenset())
                yield from _element(header, found, is_implicit=is_implicit, left_out=left_out)


def _element(
    header: Header, found: Element, *, is_implicit: bool, left_out: frozenset[int] = frozenset()
) -> Iterator[bytes]:
    if found.vr == "SQ":
        yield element_head(found.tag, "SQ", _UNDEFINED, is_implicit=is_implicit)
        for item in header.items(found.tag):
            yield _ITEM
            for tag in item:
                inner = item.element(tag)
                if inner is not None and tag & 0xFFFF and tag not in left_out:
                    yield from _element(item, inner, is_implicit=is_implicit)
            yield _ITEM_END
        yield _SEQUENCE_END
        return
    fragments = header.fragments(found)
    if fragments is not None:
        yield element_head(found.tag, found.vr, _UNDEFINED, is_implicit=is_implicit)
        for offset, length in zip(*fragments, strict=True):
            yield struct.pack("<HHL", 0xFFFE, 0xE000, length)
            yield bytes(header.buffer[offset : offset + length])
        yield _SEQUENCE_END
        return
    odd = found.length % 2
    yield element_head(found.tag, found.vr, found.length + odd, is_implicit=is_implicit)
    width = 1 if header.is_little_endian else _WIDTHS.get(found.vr, 1)
    if width == 1:
        for start in range(found.offset, found.offset + found.length, _PIECE_BYTES):
            yield bytes(header.buffer[start : min(start + _PIECE_BYTES, found.offset + found.length)])
    else:
        yield swap_words(header.value(found), width)
    if odd:
        yield b"\0"
