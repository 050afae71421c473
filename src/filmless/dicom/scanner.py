"""Reads headers in one pass: where every element lies, and what a few of them say (PS3.5 chapter 7, PS3.10 chapter 7).

Made for bytes that nobody vouches for. It never reads past the length it was given, allocates nothing whose size only
the data claim, does not recurse, and stops at the limits of `ScanLimits`. What can be forgiven is forgiven and noted
in `Header.flaws`; `Refused` is raised when nothing sensible can be read or a limit is passed. Values are not touched
until somebody asks for them, and a sequence of defined length is not entered before.
"""

from __future__ import annotations

import mmap
import re
import struct
import zlib
from array import array
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any, Final, NamedTuple

from filmless.dicom import charsets
from filmless.dicom.dictionary import ENTRIES, format_tag, private_vr_of, vr_of
from filmless.dicom.syntaxes import DEFLATED, EXPLICIT_BE, EXPLICIT_LE, IMPLICIT_LE, get_syntax
from filmless.errors import Refused

Buffer = bytes | bytearray | memoryview | mmap.mmap

UNDEFINED: Final = 0xFFFFFFFF
ITEM: Final = 0xFFFEE000
ITEM_END: Final = 0xFFFEE00D
SEQUENCE_END: Final = 0xFFFEE0DD
_DELIMITERS: Final = (ITEM_END, SEQUENCE_END)

SPECIFIC_CHARACTER_SET: Final = 0x00080005
PIXEL_DATA: Final = 0x7FE00010
FLOAT_PIXEL_DATA: Final = 0x7FE00008
DOUBLE_PIXEL_DATA: Final = 0x7FE00009
PIXEL_REPRESENTATION: Final = 0x00280103
_BITS_ALLOCATED: Final = 0x00280100
_WAVEFORM_BITS_ALLOCATED: Final = 0x54001004
TRAILING_PADDING: Final = 0xFFFCFFFC
PIXEL_TAGS: Final = (PIXEL_DATA, FLOAT_PIXEL_DATA, DOUBLE_PIXEL_DATA)

_SEQUENCE_END_BYTES: Final = re.compile(rb"\xfe\xff\xdd\xe0\0\0\0\0|\xff\xfe\xe0\xdd\0\0\0\0")

_FLAWS_MAX = 50
_BULK_BYTES = 65536

# VRs by the width of their length field in explicit VR (PS3.5 7.1.2). "??" is what old toolkits wrote for unknown.
_SHORT_VRS = "AE AS AT CS DA DS DT FD FL IS LO LT PN SH SL SS ST TM UI UL US"
_LONG_VRS = "OB OD OF OL OV OW SQ SV UC UN UR UT UV"
_SHORT = {vr.encode(): vr for vr in _SHORT_VRS.split()} | {b"??": "UN"}
_LONG = {vr.encode(): vr for vr in _LONG_VRS.split()}

BINARY_VRS = frozenset({"OB", "OD", "OF", "OL", "OV", "OW", "UN"})
LOCAL_TEXT_VRS = frozenset({"LO", "LT", "PN", "SH", "ST", "UC", "UT"})
"""VRs whose text is encoded by Specific Character Set."""
_SINGLE_TEXT_VRS = frozenset({"LT", "ST", "UT", "UR"})
_NUMBERS = {"FL": "f", "FD": "d", "SL": "i", "SS": "h", "SV": "q", "UL": "I", "US": "H", "UV": "Q"}


@dataclass(frozen=True, slots=True)
class ScanLimits:
    """What a data set may cost us; `config.Settings` says why each is as it is."""

    depth_max: int = 64
    elements_max: int = 2_000_000
    header_max_bytes: int = 256 << 20
    inflate_max_bytes: int = 1 << 30
    frames_max: int = 1_000_000


class Element(NamedTuple):
    """Where a value lies in `Header.buffer`. For undefined lengths, `length` ends before the delimiter."""

    tag: int
    vr: str
    offset: int
    length: int


class _Encoding:
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


_IMPLICIT = _Encoding(True, True)
_EXPLICIT = _Encoding(False, True)
_IMPLICIT_BIG = _Encoding(True, False)
_EXPLICIT_BIG = _Encoding(False, False)
_ENCODINGS = {
    (encoding.is_implicit, encoding.is_little_endian): encoding
    for encoding in (_IMPLICIT, _EXPLICIT, _IMPLICIT_BIG, _EXPLICIT_BIG)
}

# A stored element: VR (None: ask the dictionary), offset and length of its value.
_Raw = tuple[str | None, int, int]

_AT_LIMIT = 0
_AT_UNDEFINED = 1
_AT_DELIMITER = 2


class _Source:
    """What a header and all items in it share: the buffer, the limits left, and what was found out on the way."""

    __slots__ = ("budget", "buffer", "ends", "flaws", "fragments", "is_complete", "limits", "total")

    def __init__(self, buffer: Buffer, limits: ScanLimits, total: int) -> None:
        self.buffer = buffer
        self.limits = limits
        self.total = total
        self.budget = limits.elements_max
        self.flaws: list[str] = []
        self.is_complete = True
        # Where each undefined length ends: (end of value, first byte after the delimiter), by where its value begins.
        self.ends: dict[int, tuple[int, int]] = {}
        # Fragments of encapsulated pixel data: (offsets, lengths), by where its value begins.
        self.fragments: dict[int, tuple[array[int], array[int]]] = {}

    def flaw(self, text: str) -> None:
        if len(self.flaws) < _FLAWS_MAX and text not in self.flaws:
            self.flaws.append(text)

    def spend(self, count: int) -> None:
        self.budget -= count
        if self.budget < 0:
            raise Refused(f"the data set has more than {self.limits.elements_max} elements")

    # -- elements --------------------------------------------------------------------------------------------------

    def run(self, encoding: _Encoding, pos: int, limit: int, raw: dict[int, _Raw] | None) -> tuple[int, int, int]:
        """Read elements until the limit, an undefined length or a delimiter.

        Returns
        -------
        why it stopped, the position of the head that stopped it, and its tag
        """
        if encoding.is_implicit:
            return self._run_implicit(encoding, pos, limit, raw)
        return self._run_explicit(encoding, pos, limit, raw)

    def _run_explicit(
        self, encoding: _Encoding, pos: int, limit: int, raw: dict[int, _Raw] | None
    ) -> tuple[int, int, int]:
        buffer, head, short, long = self.buffer, encoding.explicit_head, _SHORT.get, _LONG.get
        last = limit - 8
        count = 0
        for count in range(self.budget):
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
                        return _AT_UNDEFINED, pos, group << 16 | element
                else:
                    tag = group << 16 | element
                    if tag in _DELIMITERS:
                        self.spend(count + 1)
                        return _AT_DELIMITER, pos, tag
                    vr, start, length = self._odd_element(encoding, pos, limit, tag, code)
                    if length == UNDEFINED:
                        self.spend(count + 1)
                        return _AT_UNDEFINED, pos, tag
            following = start + length
            if following > limit:
                length, following = self._overrun(group << 16 | element, start, length, limit)
                if length < 0:
                    break
            if raw is not None:
                raw[group << 16 | element] = (vr, start, length)
            pos = following
        else:
            self.spend(self.budget + 1)
        self.spend(count)
        if pos <= limit:
            self._check_end(pos, limit)
        return _AT_LIMIT, pos, 0

    def _run_implicit(
        self, encoding: _Encoding, pos: int, limit: int, raw: dict[int, _Raw] | None
    ) -> tuple[int, int, int]:
        buffer, head = self.buffer, encoding.head
        last = limit - 8
        count = 0
        for count in range(self.budget):
            if pos > last:
                break
            group, element, length = head(buffer, pos)
            start = pos + 8
            following = start + length
            if following > limit or group == 0xFFFE:
                tag = group << 16 | element
                if tag in _DELIMITERS:
                    self.spend(count + 1)
                    return _AT_DELIMITER, pos, tag
                if length == UNDEFINED:
                    self.spend(count + 1)
                    return _AT_UNDEFINED, pos, tag
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
            self.spend(self.budget + 1)
        self.spend(count)
        if pos <= limit:
            self._check_end(pos, limit)
        return _AT_LIMIT, pos, 0

    def _check_end(self, pos: int, limit: int) -> None:
        """Tell whether elements stopped at `pos` because the buffer did, or left bytes over that are no element."""
        if limit == len(self.buffer) and limit < self.total:
            self.is_complete = False
        elif pos < limit and any(self.buffer[pos:limit]):
            self.flaw(f"{limit - pos} bytes at {pos} are too few for an element")

    def _odd_element(
        self, encoding: _Encoding, pos: int, limit: int, tag: int, code: bytes
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
            if pos + 12 + long_length <= limit and bytes(following) not in _SHORT and bytes(following) not in _LONG:
                return "UN", pos + 12, long_length
        return "UN", pos + 8, short_length

    def _overrun(self, tag: int, start: int, length: int, limit: int) -> tuple[int, int]:
        """Settle an element that runs past its container: (length, where to go on); length -1 to stop before it."""
        if limit == len(self.buffer) and limit < self.total:
            if start + length > self.total and tag in PIXEL_TAGS:
                self.flaw(f"{format_tag(tag)} is cut off: {self.total - start} of {length} bytes are there")
                return self.total - start, self.total
            if tag in PIXEL_TAGS:
                return length, start + length
            self.is_complete = False
            return -1, limit
        there = max(0, limit - start)
        self.flaw(f"{format_tag(tag)} is cut off: {there} of {length} bytes are there")
        return there, limit

    # -- undefined lengths -----------------------------------------------------------------------------------------

    def close(self, encoding: _Encoding, pos: int, limit: int, tag: int, depth: int) -> tuple[_Raw, int]:
        """Find the end of an element of undefined length whose head is at `pos`.

        Returns
        -------
        the element, and where the next one begins
        """
        vr, start = self._undefined_head(encoding, pos, limit)
        known = self.ends.get(start)
        if known is None:
            if self._holds_fragments(tag, vr, start, limit):
                known = self.ends[start] = self._walk_fragments(start, limit)
            else:
                self._walk_sequence(encoding, start, limit, vr, depth)
                known = self.ends[start]
        if vr is None and tag == PIXEL_DATA:
            vr = "OB"
        return (vr, start, known[0] - start), known[1]

    def _undefined_head(self, encoding: _Encoding, pos: int, limit: int) -> tuple[str | None, int]:
        if not encoding.is_implicit:
            code = bytes(self.buffer[pos + 4 : pos + 6])
            if code in _LONG and pos + 12 <= limit:
                return _LONG[code], pos + 12
        return None, pos + 8

    def _holds_fragments(self, tag: int, vr: str | None, start: int, limit: int) -> bool:
        """Whether items are fragments of encapsulated pixel data rather than data sets (PS3.5 A.4)."""
        if vr in ("SQ", "UN"):
            return vr == "UN" and tag == PIXEL_DATA
        if vr is not None:
            return True
        known = vr_of(tag)
        return known is not None and known not in {"SQ", "UN"}

    def _walk_fragments(self, start: int, limit: int) -> tuple[int, int]:
        buffer, offsets, lengths = self.buffer, array("Q"), array("Q")
        head = self._item_encoding(start, limit, _EXPLICIT).head
        pos = start
        add_offset, add_length = offsets.append, lengths.append
        for _ in range(self.budget):
            if pos + 8 > limit:
                self.spend(len(offsets))
                self.fragments[start] = (offsets, lengths)
                if limit == len(buffer) and limit < self.total:
                    return self.total, self.total
                self.flaw("the pixel data have no end")
                return limit, limit
            group, element, length = head(buffer, pos)
            if element == 0xE000 and group == 0xFFFE:
                begin = pos + 8
                pos = begin + length
                if pos > limit:
                    if limit == len(buffer) and pos <= self.total:
                        add_offset(begin)
                        add_length(length)
                        continue
                    end = self.total if limit == len(buffer) else limit
                    self.flaw(
                        f"the last fragment of the pixel data is cut off: {end - begin} of {length} bytes are there"
                    )
                    length, pos = end - begin, end
                add_offset(begin)
                add_length(length)
                continue
            self.spend(len(offsets))
            self.fragments[start] = (offsets, lengths)
            if group << 16 | element == SEQUENCE_END:
                return pos, pos + 8
            # Some writers store the bare stream, without items, between the head and the delimiter.
            self.flaw("the pixel data hold something that is no fragment")
            if match := _SEQUENCE_END_BYTES.search(buffer, pos, limit):
                return match.start(), match.end()
            return limit, limit
        raise Refused(f"the pixel data have more than {self.limits.elements_max} fragments")

    def _item_encoding(self, start: int, limit: int, outer: _Encoding) -> _Encoding:
        """The byte order that the first item tag of a sequence shows; a UN may hold another one than its data set."""
        first = bytes(self.buffer[start : min(start + 4, limit)])
        if first == b"\xfe\xff\x00\xe0":
            return _ENCODINGS[outer.is_implicit, True]
        if first == b"\xff\xfe\xe0\x00":
            return _ENCODINGS[outer.is_implicit, False]
        return outer

    def content_encoding(self, outer: _Encoding, vr: str | None, pos: int, limit: int) -> _Encoding:
        """How an item is encoded: as its data set, but for UN, which is implicit (PS3.5 6.2.2), and broken writers."""
        if outer.is_implicit or limit - pos < 8:
            return outer
        code = bytes(self.buffer[pos + 4 : pos + 6])
        if code in _SHORT or code in _LONG:
            return outer
        if self.buffer[pos : pos + 2] in (b"\xfe\xff", b"\xff\xfe") or (code.isalpha() and code.isupper()):
            return outer
        if vr != "UN":
            self.flaw("an item of a sequence is in implicit VR")
        return _ENCODINGS[True, outer.is_little_endian]

    def _walk_sequence(self, outer: _Encoding, start: int, limit: int, vr: str | None, depth: int) -> None:
        """Note in `ends` where a sequence of undefined length ends, and all of undefined length inside it.

        Sequences and items that are open are kept on a list instead of Python's stack.
        """
        buffer, ends = self.buffer, self.ends
        encoding = self._item_encoding(start, limit, outer)
        opened: list[tuple[bool, int, _Encoding, str | None]] = [(False, start, encoding, vr)]
        depth += 1
        pos = start
        while opened:
            is_item, begin, encoding, vr = opened[-1]
            if is_item:
                why, pos, tag = self.run(encoding, pos, limit, None)
                if tag == ITEM_END:
                    ends[begin] = (pos, pos + 8)
                    pos += 8
                    opened.pop()
                elif tag == SEQUENCE_END:
                    self.flaw("an item is not closed")
                    ends[begin] = (pos, pos)
                    opened.pop()
                elif why == _AT_LIMIT:
                    self._unclosed("an item")
                    ends[begin] = (limit, limit)
                    pos = limit
                    opened.pop()
                else:
                    inner_vr, inner = self._undefined_head(encoding, pos, limit)
                    if inner in ends:
                        pos = ends[inner][1]
                    elif self._holds_fragments(tag, inner_vr, inner, limit):
                        ends[inner] = self._walk_fragments(inner, limit)
                        pos = ends[inner][1]
                    else:
                        depth += 1
                        if depth > self.limits.depth_max:
                            raise Refused(f"sequences are nested more than {self.limits.depth_max} deep")
                        opened.append((False, inner, self._item_encoding(inner, limit, encoding), inner_vr))
                        pos = inner
                continue
            self.spend(1)
            if pos + 8 > limit:
                self._unclosed("a sequence")
                ends[begin] = (min(pos, limit), limit)
                pos = limit
            else:
                group, element, length = encoding.head(buffer, pos)
                tag = group << 16 | element
                if tag == ITEM:
                    pos += 8
                    if length == UNDEFINED:
                        opened.append((True, pos, self.content_encoding(encoding, vr, pos, limit), vr))
                        continue
                    pos += length
                    if pos <= limit:
                        continue
                    if limit == len(buffer) and limit < self.total:
                        self.is_complete = False
                    else:
                        self.flaw("an item runs past the end of the data")
                    ends[begin] = (limit, limit)
                    pos = limit
                elif tag == SEQUENCE_END:
                    ends[begin] = (pos, pos + 8)
                    pos += 8
                else:
                    self.flaw(f"{format_tag(tag)} stands where an item should begin")
                    ends[begin] = (pos, pos)
            opened.pop()
            depth -= 1

    def _unclosed(self, what: str) -> None:
        if len(self.buffer) < self.total:
            self.is_complete = False
        else:
            self.flaw(f"{what} is not closed")


class Header:
    """The elements of a data set, or of one item of a sequence.

    Attributes
    ----------
    buffer : what offsets count in; of a deflated data set, the inflated bytes
    transfer_syntax_uid : as declared; "" when nothing declares it
    meta : what group 0002 says: sop_class_uid, sop_instance_uid, implementation_class_uid and the like
    dataset_offset : of the data set's first byte in the file
    flaws : in words, what was forgiven; shared with the items, and grows as they are read
    is_complete : False when the buffer ended before the header did: scan again with more of the file
    """

    __slots__ = (
        "_character_sets",
        "_elements",
        "_encoding",
        "_parent",
        "_raw",
        "_source",
        "dataset_offset",
        "depth",
        "meta",
        "transfer_syntax_uid",
    )

    def __init__(self, source: _Source, encoding: _Encoding, raw: dict[int, _Raw], parent: Header | None) -> None:
        self._source = source
        self._encoding = encoding
        self._raw = raw
        self._parent = parent
        self._elements: dict[int, Element] | None = None
        self._character_sets: charsets.CharacterSets | None = None
        if parent is None:
            self.transfer_syntax_uid = ""
            self.meta: dict[str, str] = {}
            self.dataset_offset = 0
            self.depth = 0
        else:
            self.transfer_syntax_uid = parent.transfer_syntax_uid
            self.meta = parent.meta
            self.dataset_offset = parent.dataset_offset
            self.depth = parent.depth + 1

    # -- structure -------------------------------------------------------------------------------------------------

    @property
    def buffer(self) -> Buffer:
        return self._source.buffer

    @property
    def flaws(self) -> list[str]:
        return self._source.flaws

    @property
    def is_complete(self) -> bool:
        return self._source.is_complete

    @property
    def limits(self) -> ScanLimits:
        return self._source.limits

    @property
    def is_implicit(self) -> bool:
        return self._encoding.is_implicit

    @property
    def is_little_endian(self) -> bool:
        return self._encoding.is_little_endian

    @property
    def is_deflated(self) -> bool:
        """Whether the file holds the data set deflated, so that offsets count in `buffer` and not in the file."""
        return get_syntax(self.transfer_syntax_uid).is_deflated

    @property
    def elements(self) -> dict[int, Element]:
        """All elements of this level by tag, VRs looked up where the encoding does not say them."""
        if self._elements is None:
            self._elements = {
                tag: Element(tag, self._vr(tag, vr, offset, length), offset, length)
                for tag, (vr, offset, length) in self._raw.items()
            }
        return self._elements

    def element(self, tag: int) -> Element | None:
        raw = self._raw.get(tag)
        return Element(tag, self._vr(tag, *raw), raw[1], raw[2]) if raw else None

    def __contains__(self, tag: int) -> bool:
        return tag in self._raw

    def __iter__(self) -> Iterator[int]:
        return iter(self._raw)

    def __len__(self) -> int:
        return len(self._raw)

    @property
    def pixel_data(self) -> Element | None:
        """Pixel Data, Float Pixel Data or Double Float Pixel Data of this level."""
        for tag in PIXEL_TAGS:
            if tag in self._raw:
                return self.element(tag)
        return None

    def is_undefined_length(self, element: Element) -> bool:
        return element.offset in self._source.ends

    def fragments(self, element: Element) -> tuple[array[int], array[int]] | None:
        """Offsets and lengths of the fragments of encapsulated pixel data, its offset table first."""
        return self._source.fragments.get(element.offset)

    def _vr(self, tag: int, vr: str | None, offset: int, length: int) -> str:
        """The VR of an element: as written, or of the dictionary when it is missing or UN."""
        if vr is not None and vr != "UN":
            return vr
        if vr == "UN" and length >= 0xFFFF and not tag >> 16 & 1 and offset not in self._source.ends:
            return "UN"  # Explicit VR has no room for such lengths in most VRs, so UN is right (PS3.5 6.2.2).
        entry = ENTRIES.get(tag)
        known = entry[0] if entry else vr_of(tag)
        if known is None:
            if tag >> 16 & 1:
                known = self._private_vr(tag)
            elif tag & 0xFFFF == 0 and vr is None:
                known = "UL"
        if known is None or known in {"UN", "NONE"}:
            return "SQ" if offset in self._source.ends and offset not in self._source.fragments else "UN"
        if len(known) > 2:
            return self._settle(tag, known, offset)
        return known

    def _private_vr(self, tag: int) -> str | None:
        element = tag & 0xFFFF
        if 0x10 <= element <= 0xFF:
            return "LO"
        if element & 0xFF00:
            creator = self.text(tag & 0xFFFF0000 | element >> 8)
            if creator:
                return private_vr_of(tag, creator)
        return None

    def _settle(self, tag: int, vr: str, offset: int) -> str:
        """Choose between the VRs that PS3.6 leaves open, by PS3.5 annex A and the elements they depend on."""
        if vr == "OB or OW":
            if offset in self._source.ends:
                return "OB"
            if self._encoding.is_implicit or 0x6000 <= tag >> 16 <= 0x60FF:
                return "OW"
            bits = self.integer(_BITS_ALLOCATED if tag == PIXEL_DATA else _WAVEFORM_BITS_ALLOCATED)
            return "OW" if bits is None or bits > 8 else "OB"
        if tag == 0x00283006:  # LUT Data (PS3.3 C.11.1.1.1)
            return "US" if self.integer(0x00283002) == 1 else "OW"
        if vr == "US or SS":
            level: Header | None = self
            while level is not None:
                representation = level.integer(PIXEL_REPRESENTATION)
                if representation is not None:
                    return "SS" if representation else "US"
                level = level._parent
            return "SS" if PIXEL_DATA in self._raw else "US"
        return "OW"

    def vr(self, tag: int) -> str | None:
        raw = self._raw.get(tag)
        return self._vr(tag, *raw) if raw else None

    # -- values ----------------------------------------------------------------------------------------------------

    @property
    def specific_character_set(self) -> list[str]:
        """The values of (0008,0005) that hold here: of this item, or of what it is in (PS3.5 7.5.3)."""
        level: Header | None = self
        while level is not None:
            if SPECIFIC_CHARACTER_SET in level._raw:
                _, offset, length = level._raw[SPECIFIC_CHARACTER_SET]
                value = str(self.buffer[offset : offset + min(length, 1024)], "latin-1")
                return [part.strip(" \0") for part in value.split("\\")]
            level = level._parent
        return []

    @property
    def character_sets(self) -> charsets.CharacterSets:
        if self._character_sets is None:
            if self._parent is not None and SPECIFIC_CHARACTER_SET not in self._raw:
                self._character_sets = self._parent.character_sets
            else:
                self._character_sets = charsets.character_sets(self.specific_character_set)
        return self._character_sets

    def raw(self, tag: int) -> bytes | None:
        """The value as it stands, with its padding and in its byte order; None when the element is absent."""
        raw = self._raw.get(tag)
        return bytes(self.buffer[raw[1] : raw[1] + raw[2]]) if raw else None

    def value(self, element: Element) -> bytes:
        """The value of an element of this header, as it stands."""
        return bytes(self.buffer[element.offset : element.offset + element.length])

    def texts(self, tag: int) -> list[str]:
        """All values as text, padding removed; numbers in decimal, tags as eight hex digits. Empty values stay."""
        raw = self._raw.get(tag)
        if not raw or not raw[2]:
            return []
        vr = self._vr(tag, *raw)
        _, offset, length = raw
        if vr in BINARY_VRS or vr == "SQ":
            return []
        if vr in _NUMBERS or vr == "AT":
            return [f"{number:08X}" if vr == "AT" else str(number) for number in self._numbers(vr, offset, length)]
        value = bytes(self.buffer[offset : offset + length])
        text = charsets.decode(value, self.character_sets) if vr in LOCAL_TEXT_VRS else value.decode("latin-1")
        if vr in _SINGLE_TEXT_VRS:
            text = text.rstrip(" \0")
            return [text] if text else []
        values = [part.strip(" \0") for part in text.split("\\")]
        return values if len(values) > 1 or values[0] else []

    def text(self, tag: int) -> str | None:
        """The first value as text, padding removed; None when the element is absent or empty."""
        values = self.texts(tag)
        return values[0] or None if values else None

    def numbers(self, tag: int) -> list[float]:
        """All values that are numbers, also of IS and DS; what cannot be read as a number is left out."""
        raw = self._raw.get(tag)
        if not raw or not raw[2]:
            return []
        vr = self._vr(tag, *raw)
        if vr in _NUMBERS:
            return list(self._numbers(vr, raw[1], raw[2]))
        found: list[float] = []
        for text in self.texts(tag):
            try:
                found.append(int(text))
            except ValueError:
                try:
                    found.append(float(text))
                except ValueError:
                    continue
        return found

    def number(self, tag: int) -> float | None:
        values = self.numbers(tag)
        return values[0] if values else None

    def integer(self, tag: int) -> int | None:
        """The first value as an integer; None when absent, empty or not a number."""
        number = self.number(tag)
        try:
            return None if number is None else int(number)
        except (OverflowError, ValueError):  # infinity, not a number
            return None

    def _numbers(self, vr: str, offset: int, length: int) -> tuple[Any, ...]:
        order = self._encoding.order
        if vr == "AT":
            parts = struct.unpack_from(f"{order}{length // 4 * 2}H", self.buffer, offset)
            return tuple(group << 16 | element for group, element in zip(parts[::2], parts[1::2], strict=True))
        code = _NUMBERS[vr]
        return struct.unpack_from(f"{order}{length // struct.calcsize(code)}{code}", self.buffer, offset)

    def items(self, tag: int) -> list[Header]:
        """The items of a sequence, each read when asked for; empty when the tag is absent or no sequence.

        Raises
        ------
        Refused: sequences are nested too deep, or the data set has too many elements.
        """
        raw = self._raw.get(tag)
        if not raw or self._vr(tag, *raw) != "SQ":
            return []
        self._source.budget = self.limits.elements_max
        return list(self._items(*raw))

    def _items(self, vr: str | None, start: int, length: int) -> Iterator[Header]:
        source = self._source
        end = min(start + length, len(source.buffer))
        if self.depth + 1 > source.limits.depth_max:
            raise Refused(f"sequences are nested more than {source.limits.depth_max} deep")
        encoding = source._item_encoding(start, end, self._encoding)
        pos = start
        while pos + 8 <= end:
            group, element, length = encoding.head(source.buffer, pos)
            tag = group << 16 | element
            source.spend(1)
            pos += 8
            if tag != ITEM:
                if tag != SEQUENCE_END:
                    source.flaw(f"{format_tag(tag)} stands where an item should begin")
                return
            content = source.content_encoding(encoding, vr, pos, end)
            raw: dict[int, _Raw] = {}
            if length == UNDEFINED:
                known = source.ends.get(pos)
                item_end = known[0] if known else end
                stopped = _read(source, content, pos, item_end, raw, self.depth + 1)
                if known is None:
                    known = source.ends[pos] = stopped
                following = known[1]
            else:
                following = pos + length
                if following > end:
                    source.flaw("an item runs past the end of its sequence")
                    following = end
                _read(source, content, pos, following, raw, self.depth + 1)
            yield Header(source, content, raw, self)
            pos = following


def _read(
    source: _Source, encoding: _Encoding, pos: int, limit: int, raw: dict[int, _Raw], depth: int
) -> tuple[int, int]:
    """Read one level of elements; sequences of undefined length are passed over.

    Returns
    -------
    where the level ended, and the first byte after the delimiter that ended it, if one did
    """
    while True:
        why, pos, tag = source.run(encoding, pos, limit, raw)
        if why == _AT_UNDEFINED:
            raw[tag], pos = source.close(encoding, pos, limit, tag, depth)
        elif why == _AT_LIMIT:
            return pos, pos
        elif depth:
            return pos, pos + 8 if tag == ITEM_END else pos
        else:
            source.flaw(f"{format_tag(tag)} stands outside of a sequence")
            pos += 8


# -- the beginning of a file -------------------------------------------------------------------------------------------

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


def _read_meta(source: _Source, pos: int) -> tuple[dict[str, str], int]:
    """Read group 0002: explicit VR little endian, whatever follows. Its group length is not believed."""
    buffer, limit = source.buffer, len(source.buffer)
    raw: dict[int, _Raw] = {}
    while pos + 8 <= limit and buffer[pos : pos + 2] == b"\x02\x00":
        group, element, code, length = _EXPLICIT.explicit_head(buffer, pos)
        start = pos + 8
        if code in _LONG:
            if pos + 12 > limit:
                break
            (length,) = _EXPLICIT.u32(buffer, pos + 8)
            start = pos + 12
        elif code not in _SHORT:
            source.flaw("group 0002 is in implicit VR")
            (length,) = _EXPLICIT.u32(buffer, pos + 4)
        if start + length > limit:
            if limit < source.total:
                source.is_complete = False
            source.flaw(f"{format_tag(group << 16 | element)} is cut off")
            length = limit - start
        raw[group << 16 | element] = ("UI", start, length)
        pos = start + length
        source.spend(1)
    meta = {}
    for tag, name in _META.items():
        if tag in raw:
            _, start, length = raw[tag]
            value = str(buffer[start : start + min(length, 256)], "latin-1").strip(" \0")
            if value:
                meta[name] = value
    return meta, pos


def _skip_commands(source: _Source, pos: int) -> int:
    """Pass over DIMSE command elements (group 0000), which some programs leave in front of a saved data set."""
    while pos + 8 <= len(source.buffer) and source.buffer[pos : pos + 2] == b"\x00\x00":
        _, element, length = _IMPLICIT.head(source.buffer, pos)
        if element > 0x5200 or pos + 8 + length > len(source.buffer):
            return pos
        source.flaw("DIMSE command elements stand in front of the data set")
        source.spend(1)
        pos += 8 + length
    return pos


def _inflate(data: Buffer, start: int, source: _Source) -> bytes:
    """Inflate the rest of the file (PS3.5 A.5), never beyond the limit."""
    limit = source.limits.inflate_max_bytes
    view = memoryview(data)[start:]
    for window in (-zlib.MAX_WBITS, zlib.MAX_WBITS):
        inflater = zlib.decompressobj(window)
        parts: list[bytes] = []
        left = limit + 1
        chunk: bytes | memoryview = view
        try:
            while left > 0:
                part = inflater.decompress(chunk, min(left, 1 << 20))
                parts.append(part)
                left -= len(part)
                chunk = inflater.unconsumed_tail
                if inflater.eof or (not part and not chunk):
                    break
        except zlib.error as error:
            if not any(parts):
                if window > 0:
                    raise Refused("the data set is declared deflated but is not") from error
                continue
            source.flaw("the deflated data set is damaged; what could be inflated was read")
        else:
            if left <= 0:
                raise Refused(f"the data set inflates to more than {limit} bytes")
            if not inflater.eof:
                if len(data) < source.total:
                    source.is_complete = False
                else:
                    source.flaw("the deflated data set is cut off")
        return b"".join(parts)
    raise AssertionError("unreachable")


def _is_known(tag: int) -> bool:
    return tag in ENTRIES or (tag & 0xFFFF == 0 and 0 < tag >> 16 < 0x100) or tag >> 16 in (9, 0x11, 0x19, 0x21, 0x29)


def _detect(source: _Source, pos: int, declared: _Encoding | None) -> _Encoding:
    """Look at the first element to see how the data set is really encoded; declarations can be wrong."""
    buffer = source.buffer
    if len(buffer) - pos < 8:
        return declared or _IMPLICIT
    code = bytes(buffer[pos + 4 : pos + 6])
    is_explicit = code in _SHORT or code in _LONG
    group, element, _ = _IMPLICIT.head(buffer, pos)
    swapped_group, swapped_element, _ = _IMPLICIT_BIG.head(buffer, pos)
    little, big = _is_known(group << 16 | element), _is_known(swapped_group << 16 | swapped_element)
    if declared is None:
        if not little and big:
            return _ENCODINGS[not is_explicit, False]
        return _ENCODINGS[not is_explicit, True]
    is_little_endian = declared.is_little_endian
    if (is_little_endian and not little and big) or (not is_little_endian and not big and little):
        is_little_endian = not is_little_endian
        source.flaw("the byte order is not that of the transfer syntax")
    is_implicit = declared.is_implicit
    if is_implicit and is_explicit:
        is_implicit = False
        source.flaw("the data set is in explicit VR, its transfer syntax says implicit")
    elif not is_implicit and not is_explicit and not (code.isalpha() and code.isupper()):
        is_implicit = True
        source.flaw("the data set is in implicit VR, its transfer syntax says explicit")
    return _ENCODINGS[is_implicit, is_little_endian]


def _has_dicom_look(buffer: Buffer) -> bool:
    """Whether bytes without the DICM prefix begin like a data set: a known tag of a low group, a length that fits."""
    if len(buffer) < 8:
        return False
    for encoding in (_IMPLICIT, _IMPLICIT_BIG):
        group, element, length = encoding.head(buffer, 0)
        if group in (0, 2, 4, 8) and (group << 16 | element in ENTRIES or element == 0):
            code = bytes(buffer[4:6])
            if code in _SHORT or code in _LONG:
                return True
            return encoding is _IMPLICIT and (8 + length <= len(buffer) or length == UNDEFINED)
    return False


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
    source = _Source(buffer, limits, max(total_length or 0, len(buffer)))
    meta: dict[str, str] = {}
    pos = 0
    if transfer_syntax_uid is None:
        if buffer[128:132] == b"DICM":
            meta, pos = _read_meta(source, 132)
            if not meta:
                source.flaw("group 0002 is missing")
        elif _has_dicom_look(buffer):
            source.flaw("the preamble is missing")
            meta, pos = _read_meta(source, 0)
        else:
            raise Refused("this is not DICOM: there is no DICM prefix and no data set")
        pos = _skip_commands(source, pos)
        uid = meta.get("transfer_syntax_uid", "")
    else:
        uid = transfer_syntax_uid
    dataset_offset = pos
    declared: _Encoding | None = None
    if uid:
        syntax = get_syntax(uid)
        declared = _ENCODINGS[syntax.is_implicit, syntax.is_little_endian]
        if syntax.is_deflated:
            inflated = _inflate(buffer, pos, source)
            inner = _Source(inflated, limits, len(inflated))
            inner.flaws, inner.budget, inner.is_complete = source.flaws, source.budget, source.is_complete
            source, pos = inner, 0
    encoding = _detect(source, pos, declared)
    if not uid:
        source.flaw("the transfer syntax is not declared")
        uid = IMPLICIT_LE if encoding.is_implicit else EXPLICIT_LE if encoding.is_little_endian else EXPLICIT_BE
    raw: dict[int, _Raw] = {}
    _read(source, encoding, pos, len(source.buffer), raw, 0)
    header = Header(source, encoding, raw, None)
    header.meta = meta
    header.transfer_syntax_uid = uid
    header.dataset_offset = dataset_offset
    _check(header, pos)
    return header


def _check(header: Header, start: int) -> None:
    """Hold the limit on the header's length, and note elements out of order."""
    raw = header._raw
    tags = list(raw)
    if tags != sorted(tags):
        header.flaws.append("the elements are not in ascending order")
    size = header._source.total - start
    limit = header.limits.header_max_bytes
    if size > limit:
        bulk = sum(length for vr, _, length in raw.values() if length > _BULK_BYTES and vr != "SQ")
        if size - bulk > limit:
            raise Refused(f"the data set without its bulk data is longer than {limit} bytes")


__all__ = [
    "BINARY_VRS",
    "DEFLATED",
    "LOCAL_TEXT_VRS",
    "PIXEL_DATA",
    "PIXEL_TAGS",
    "Buffer",
    "Element",
    "Header",
    "ScanLimits",
    "scan",
]
