"""Walks over the elements of a data set: heads, lengths, and where undefined lengths end (PS3.5 chapter 7).

Nothing here looks into values. `header.py` does, and `scanner.py` begins it all.
"""

from __future__ import annotations

import mmap
import re
import struct
from array import array
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Final, NamedTuple, NoReturn

from filmless.dicom.dictionary import format_tag, vr_of
from filmless.errors import Refused

Buffer = bytes | bytearray | memoryview | mmap.mmap

UNDEFINED: Final = 0xFFFFFFFF
ITEM: Final = 0xFFFEE000
ITEM_END: Final = 0xFFFEE00D
SEQUENCE_END: Final = 0xFFFEE0DD
_DELIMITERS: Final = (ITEM_END, SEQUENCE_END)
_SEQUENCE_END_BYTES: Final = re.compile(rb"\xfe\xff\xdd\xe0\0\0\0\0|\xff\xfe\xe0\xdd\0\0\0\0")

PIXEL_DATA: Final = 0x7FE00010
FLOAT_PIXEL_DATA: Final = 0x7FE00008
DOUBLE_PIXEL_DATA: Final = 0x7FE00009
PIXEL_TAGS: Final = (PIXEL_DATA, FLOAT_PIXEL_DATA, DOUBLE_PIXEL_DATA)

_FLAWS_MAX = 50

# VRs by the width of their length field in explicit VR (PS3.5 7.1.2). "??" is what old toolkits wrote for unknown.
_SHORT = "AE AS AT CS DA DS DT FD FL IS LO LT PN SH SL SS ST TM UI UL US"
_LONG = "OB OD OF OL OV OW SQ SV UC UN UR UT UV"
SHORT_VRS = {vr.encode(): vr for vr in _SHORT.split()} | {b"??": "UN"}
LONG_VRS = {vr.encode(): vr for vr in _LONG.split()}


@dataclass(frozen=True, slots=True)
class ScanLimits:
    """What a data set may cost us; `config.Settings` says why each is as it is."""

    depth_max: int = 64
    elements_max: int = 2_000_000
    header_max_bytes: int = 256 << 20
    inflate_max_bytes: int = 1 << 30
    frames_max: int = 1_000_000
    level_elements_max: int = 65_536
    spool_folder: Path | None = None  # where long deflated data sets are inflated; None: the system's temporary folder


class Element(NamedTuple):
    """Where a value lies in `Header.buffer`. For undefined lengths, `length` ends before the delimiter."""

    tag: int
    vr: str
    offset: int
    length: int


class Encoding:
    """One of the ways elements are laid out, with the functions that read them."""

    __slots__ = ("explicit_head", "head", "is_implicit", "is_little_endian", "order", "u32")

    def __init__(self, is_implicit: bool, is_little_endian: bool) -> None:
        order = "<" if is_little_endian else ">"
        self.is_implicit = is_implicit
        self.is_little_endian = is_little_endian
        self.order = order
        self.head: Callable[[Buffer, int], tuple[int, int, int]] = struct.Struct(f"{order}HHL").unpack_from
        self.explicit_head: Callable[[Buffer, int], tuple[int, int, bytes, int]] = struct.Struct(
            f"{order}HH2sH"
        ).unpack_from
        self.u32: Callable[[Buffer, int], tuple[int]] = struct.Struct(f"{order}L").unpack_from


IMPLICIT = Encoding(True, True)
EXPLICIT = Encoding(False, True)
IMPLICIT_BIG = Encoding(True, False)
EXPLICIT_BIG = Encoding(False, False)
ENCODINGS = {
    (encoding.is_implicit, encoding.is_little_endian): encoding
    for encoding in (IMPLICIT, EXPLICIT, IMPLICIT_BIG, EXPLICIT_BIG)
}

RawElement = tuple[str | None, int, int]
"""VR (None: ask the dictionary), offset and length of the value."""

AT_LIMIT = 0
AT_UNDEFINED = 1
AT_DELIMITER = 2


class _Open(NamedTuple):
    """A sequence or an item of undefined length whose end is not yet known."""

    is_item: bool
    begin: int
    encoding: Encoding
    vr: str | None


class Reading:
    """One reading of a buffer, shared by a header and all items in it: limits left, flaws, and where things end."""

    __slots__ = ("budget", "buffer", "ends", "flaws", "fragments", "is_complete", "is_cut_off", "limits", "total")

    def __init__(self, buffer: Buffer, limits: ScanLimits, total: int) -> None:
        self.buffer = buffer
        self.limits = limits
        self.total = total
        self.budget = limits.elements_max
        self.flaws: list[str] = []
        self.is_cut_off = False
        self.is_complete = True
        # Where each undefined length ends: (end of value, first byte after the delimiter), by where its value begins.
        self.ends: dict[int, tuple[int, int]] = {}
        # Fragments of encapsulated pixel data: (offsets, lengths), by where its value begins.
        self.fragments: dict[int, tuple[array[int], array[int]]] = {}

    def cut_off(self, text: str) -> None:
        """Note that the data end before they should: more elements may be missing than this one."""
        self.is_cut_off = True
        self.flaw(text)

    def flaw(self, text: str) -> None:
        if len(self.flaws) < _FLAWS_MAX and text not in self.flaws:
            self.flaws.append(text)

    def spend(self, count: int) -> None:
        self.budget -= count
        if self.budget < 0:
            raise Refused(f"the data set has more than {self.limits.elements_max} elements")

    def refuse_level(self) -> NoReturn:
        """Refuse a data set that has too many elements, in all or side by side."""
        if self.budget <= self.limits.level_elements_max:
            raise Refused(f"the data set has more than {self.limits.elements_max} elements")
        raise Refused(f"a level of the data set has more than {self.limits.level_elements_max} elements")

    # -- elements --------------------------------------------------------------------------------------------------

    def run(self, encoding: Encoding, pos: int, limit: int, raw: dict[int, RawElement] | None) -> tuple[int, int, int]:
        """Read elements until the limit, an undefined length or a delimiter.

        Returns
        -------
        why it stopped, the position of the head that stopped it, and its tag
        """
        if encoding.is_implicit:
            return self._run_implicit(encoding, pos, limit, raw)
        return self._run_explicit(encoding, pos, limit, raw)

    def _run_explicit(
        self, encoding: Encoding, pos: int, limit: int, raw: dict[int, RawElement] | None
    ) -> tuple[int, int, int]:
        buffer, head, short, long = self.buffer, encoding.explicit_head, SHORT_VRS.get, LONG_VRS.get
        last = limit - 8
        count = 0
        for count in range(min(self.budget, self.limits.level_elements_max)):
            if pos > last:
                break
            group, element, code, length = head(buffer, pos)
            vr = short(code)
            if vr is not None:
                start = pos + 8
            else:
                vr = long(code)
                if vr is not None and pos <= last - 4:
                    (length,) = encoding.u32(buffer, pos + 8)
                    start = pos + 12
                    if length == UNDEFINED:
                        self.spend(count + 1)
                        return AT_UNDEFINED, pos, group << 16 | element
                else:
                    tag = group << 16 | element
                    if tag in _DELIMITERS:
                        self.spend(count + 1)
                        return AT_DELIMITER, pos, tag
                    vr, start, length = self._odd_element(encoding, pos, limit, tag, code)
                    if length == UNDEFINED:
                        self.spend(count + 1)
                        return AT_UNDEFINED, pos, tag
            following = start + length
            if following > limit:
                length, following = self._overrun(group << 16 | element, start, length, limit)
                if length < 0:
                    break
            if raw is not None:
                raw[group << 16 | element] = (vr, start, length)
            pos = following
        else:
            self.refuse_level()
        self.spend(count)
        if pos <= limit:
            self._check_end(pos, limit)
        return AT_LIMIT, pos, 0

    def _run_implicit(
        self, encoding: Encoding, pos: int, limit: int, raw: dict[int, RawElement] | None
    ) -> tuple[int, int, int]:
        buffer, head = self.buffer, encoding.head
        last = limit - 8
        count = 0
        for count in range(min(self.budget, self.limits.level_elements_max)):
            if pos > last:
                break
            group, element, length = head(buffer, pos)
            start = pos + 8
            following = start + length
            if following > limit or group == 0xFFFE:
                tag = group << 16 | element
                if tag in _DELIMITERS:
                    self.spend(count + 1)
                    return AT_DELIMITER, pos, tag
                if length == UNDEFINED:
                    self.spend(count + 1)
                    return AT_UNDEFINED, pos, tag
                if group == 0xFFFE:
                    self.flaw(f"{format_tag(tag)} stands outside of a sequence")
                    pos = start
                    continue
                length, following = self._overrun(tag, start, length, limit)
                if length < 0:
                    break
            if raw is not None:
                raw[group << 16 | element] = (None, start, length)
            pos = following
        else:
            self.refuse_level()
        self.spend(count)
        if pos <= limit:
            self._check_end(pos, limit)
        return AT_LIMIT, pos, 0

    def _check_end(self, pos: int, limit: int) -> None:
        """Tell whether elements stopped at `pos` because the buffer did, or left bytes over that are no element."""
        if limit == len(self.buffer) and limit < self.total:
            self.is_complete = False
        elif pos < limit and any(self.buffer[pos:limit]):
            self.cut_off(f"{limit - pos} bytes at {pos} are too few for an element")

    def _odd_element(
        self, encoding: Encoding, pos: int, limit: int, tag: int, code: bytes
    ) -> tuple[str | None, int, int]:
        """Make sense of an element whose VR is not one we know, or whose head is cut off."""
        if tag >> 16 == 0xFFFE:
            self.flaw(f"{format_tag(tag)} stands outside of a sequence")
            return "UN", pos + 8, 0
        (length,) = encoding.u32(self.buffer, pos + 4)
        if not (code[:1].isupper() and code[1:].isupper()):
            # Some writers fall into implicit VR in the middle of a data set.
            self.flaw(f"{format_tag(tag)} has no VR: read as implicit VR")
            return None, pos + 8, length
        self.flaw(f"{format_tag(tag)} has the unknown VR {code.decode('ascii')}")
        (short_length,) = struct.unpack_from(f"{encoding.order}H", self.buffer, pos + 6)
        if short_length == 0 and pos + 12 <= limit:
            # VRs made after 1998 have two reserved bytes and a long length (PS3.5 6.2); a short one of no length
            # would be followed by the next element.
            (long_length,) = encoding.u32(self.buffer, pos + 8)
            following = self.buffer[pos + 12 : pos + 14]
            if (
                pos + 12 + long_length <= limit
                and bytes(following) not in SHORT_VRS
                and bytes(following) not in LONG_VRS
            ):
                return "UN", pos + 12, long_length
        return "UN", pos + 8, short_length

    def _overrun(self, tag: int, start: int, length: int, limit: int) -> tuple[int, int]:
        """Settle an element that runs past its container: (length, where to go on); length -1 to stop before it."""
        if limit == len(self.buffer) and limit < self.total:
            if start + length > self.total and tag in PIXEL_TAGS:
                self.cut_off(f"{format_tag(tag)} is cut off: {self.total - start} of {length} bytes are there")
                return self.total - start, self.total
            if tag in PIXEL_TAGS:
                return length, start + length
            self.is_complete = False
            return -1, limit
        there = max(0, limit - start)
        self.cut_off(f"{format_tag(tag)} is cut off: {there} of {length} bytes are there")
        return there, limit

    # -- undefined lengths -----------------------------------------------------------------------------------------

    def close(self, encoding: Encoding, pos: int, limit: int, tag: int, depth: int) -> tuple[RawElement, int]:
        """Find the end of an element of undefined length whose head is at `pos`.

        Returns
        -------
        the element, and where the next one begins
        """
        vr, start = self._undefined_head(encoding, pos, limit)
        known = self.ends.get(start)
        if known is None:
            if self._holds_fragments(tag, vr):
                known = self.ends[start] = self._walk_fragments(start, limit)
            else:
                self._walk_sequence(encoding, start, limit, vr, depth)
                known = self.ends[start]
        if vr is None and tag == PIXEL_DATA:
            vr = "OB"
        return (vr, start, known[0] - start), known[1]

    def _undefined_head(self, encoding: Encoding, pos: int, limit: int) -> tuple[str | None, int]:
        if not encoding.is_implicit:
            code = bytes(self.buffer[pos + 4 : pos + 6])
            if code in LONG_VRS and pos + 12 <= limit:
                return LONG_VRS[code], pos + 12
        return None, pos + 8

    def _holds_fragments(self, tag: int, vr: str | None) -> bool:
        """Whether items are fragments of encapsulated pixel data rather than data sets (PS3.5 A.4)."""
        if vr in ("SQ", "UN"):
            return vr == "UN" and tag == PIXEL_DATA
        if vr is not None:
            return True
        known = vr_of(tag)
        return known is not None and known not in {"SQ", "UN"}

    def _walk_fragments(self, start: int, limit: int) -> tuple[int, int]:
        """Step from fragment to fragment of encapsulated pixel data; (end of value, first byte after the delimiter)."""
        offsets, lengths = array("Q"), array("Q")
        head = self.item_encoding(start, limit, EXPLICIT).head
        pos = start
        for _ in range(self.budget):
            if pos + 8 > limit:
                break
            group, element, length = head(self.buffer, pos)
            if element != 0xE000 or group != 0xFFFE:
                break
            offsets.append(pos + 8)
            lengths.append(length)
            pos += 8 + length
        self.spend(len(offsets) + 1)
        self.fragments[start] = (offsets, lengths)
        is_beginning = limit == len(self.buffer) and limit < self.total
        if pos > (self.total if is_beginning else limit):
            end = self.total if is_beginning else limit
            self.flaw(f"the last fragment is cut off: {end - offsets[-1]} of {lengths[-1]} bytes are there")
            lengths[-1] = end - offsets[-1]
            return end, end
        if pos + 8 > limit:
            if is_beginning:
                return self.total, self.total
            self.flaw("the pixel data have no end")
            return limit, limit
        if head(self.buffer, pos)[:2] == (SEQUENCE_END >> 16, SEQUENCE_END & 0xFFFF):
            return pos, pos + 8
        # Some writers store the bare stream, without items, between the head and the delimiter.
        self.flaw("the pixel data hold something that is no fragment")
        match = _SEQUENCE_END_BYTES.search(self.buffer, pos, limit)
        return (match.start(), match.end()) if match else (limit, limit)

    def item_encoding(self, start: int, limit: int, outer: Encoding) -> Encoding:
        """The byte order that the first item tag of a sequence shows; a UN may hold another one than its data set."""
        first = bytes(self.buffer[start : min(start + 4, limit)])
        if first == b"\xfe\xff\x00\xe0":
            return ENCODINGS[outer.is_implicit, True]
        if first == b"\xff\xfe\xe0\x00":
            return ENCODINGS[outer.is_implicit, False]
        return outer

    def content_encoding(self, outer: Encoding, vr: str | None, pos: int, limit: int) -> Encoding:
        """How an item is encoded: as its data set, but for UN, which is implicit (PS3.5 6.2.2), and broken writers."""
        if outer.is_implicit or limit - pos < 8:
            return outer
        code = bytes(self.buffer[pos + 4 : pos + 6])
        if code in SHORT_VRS or code in LONG_VRS:
            return outer
        if self.buffer[pos : pos + 2] in (b"\xfe\xff", b"\xff\xfe") or (code.isalpha() and code.isupper()):
            return outer
        if vr != "UN":
            self.flaw("an item of a sequence is in implicit VR")
        return ENCODINGS[True, outer.is_little_endian]

    def _walk_sequence(self, outer: Encoding, start: int, limit: int, vr: str | None, depth: int) -> None:
        """Note in `ends` where a sequence of undefined length ends, and all of undefined length inside it.

        Sequences and items that are open are kept on a list instead of Python's stack; the two alternate.
        """
        opened = [_Open(False, start, self.item_encoding(start, limit, outer), vr)]
        pos = start
        while opened:
            if depth + (len(opened) + 1) // 2 > self.limits.depth_max:
                raise Refused(f"sequences are nested more than {self.limits.depth_max} deep")
            step = self._step_in_item if opened[-1].is_item else self._step_in_sequence
            pos = step(opened, pos, limit)

    def _step_in_item(self, opened: list[_Open], pos: int, limit: int) -> int:
        """Go on in the innermost item until it ends or a sequence begins; returns where to go on."""
        _, begin, encoding, _ = opened[-1]
        why, pos, tag = self.run(encoding, pos, limit, None)
        if why == AT_UNDEFINED:
            vr, start = self._undefined_head(encoding, pos, limit)
            if start not in self.ends:
                if not self._holds_fragments(tag, vr):
                    opened.append(_Open(False, start, self.item_encoding(start, limit, encoding), vr))
                    return start
                self.ends[start] = self._walk_fragments(start, limit)
            return self.ends[start][1]
        opened.pop()
        if tag == ITEM_END:
            self.ends[begin] = (pos, pos + 8)
            return pos + 8
        if tag == SEQUENCE_END:
            self.cut_off("an item is not closed")
            self.ends[begin] = (pos, pos)
            return pos
        self._unclosed("an item")
        self.ends[begin] = (limit, limit)
        return limit

    def _step_in_sequence(self, opened: list[_Open], pos: int, limit: int) -> int:
        """Go on in the innermost sequence until it ends or an item of undefined length begins."""
        _, begin, encoding, vr = opened[-1]
        while pos + 8 <= limit:
            self.spend(1)
            group, element, length = encoding.head(self.buffer, pos)
            tag = group << 16 | element
            if tag != ITEM:
                opened.pop()
                if tag == SEQUENCE_END:
                    self.ends[begin] = (pos, pos + 8)
                    return pos + 8
                self.flaw(f"{format_tag(tag)} stands where an item should begin")
                self.ends[begin] = (pos, pos)
                return pos
            pos += 8
            if length == UNDEFINED:
                opened.append(_Open(True, pos, self.content_encoding(encoding, vr, pos, limit), vr))
                return pos
            pos += length
        opened.pop()
        self._unclosed("a sequence")
        self.ends[begin] = (limit, limit)
        return limit

    def _unclosed(self, what: str) -> None:
        if len(self.buffer) < self.total:
            self.is_complete = False
        else:
            self.cut_off(f"{what} is not closed")


def read_level(
    reading: Reading, encoding: Encoding, pos: int, limit: int, raw: dict[int, RawElement], depth: int
) -> tuple[int, int]:
    """Read one level of elements; sequences of undefined length are passed over.

    Returns
    -------
    where the level ended, and the first byte after the delimiter that ended it, if one did
    """
    while True:
        why, pos, tag = reading.run(encoding, pos, limit, raw)
        if len(raw) > reading.limits.level_elements_max:
            reading.refuse_level()
        if why == AT_UNDEFINED:
            raw[tag], pos = reading.close(encoding, pos, limit, tag, depth)
        elif why == AT_LIMIT:
            return pos, pos
        elif depth:
            return pos, pos + 8 if tag == ITEM_END else pos
        else:
            reading.flaw(f"{format_tag(tag)} stands outside of a sequence")
            pos += 8
