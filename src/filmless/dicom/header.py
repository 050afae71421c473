"""What a header says: elements by tag, and their values when they are asked for."""

from __future__ import annotations

import struct
from array import array
from collections.abc import Iterator
from typing import Any, Final

from filmless.dicom import charsets
from filmless.dicom.dictionary import ENTRIES, format_tag, private_vr_of, vr_of
from filmless.dicom.elements import (
    ITEM,
    PIXEL_DATA,
    PIXEL_TAGS,
    SEQUENCE_END,
    UNDEFINED,
    Buffer,
    Element,
    Encoding,
    RawElement,
    Reading,
    ScanLimits,
    read_level,
)
from filmless.dicom.syntaxes import get_syntax
from filmless.errors import Refused

SPECIFIC_CHARACTER_SET: Final = 0x00080005
PIXEL_REPRESENTATION: Final = 0x00280103
_BITS_ALLOCATED: Final = 0x00280100
_WAVEFORM_BITS_ALLOCATED: Final = 0x54001004

BINARY_VRS = frozenset({"OB", "OD", "OF", "OL", "OV", "OW", "UN"})
LOCAL_TEXT_VRS = frozenset({"LO", "LT", "PN", "SH", "ST", "UC", "UT"})
"""VRs whose text is encoded by Specific Character Set."""
_SINGLE_TEXT_VRS = frozenset({"LT", "ST", "UT", "UR"})
_NUMBERS = {"FL": "f", "FD": "d", "SL": "i", "SS": "h", "SV": "q", "UL": "I", "US": "H", "UV": "Q"}


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
        "_parent",
        "dataset_offset",
        "depth",
        "encoding",
        "meta",
        "raw_elements",
        "reading",
        "transfer_syntax_uid",
    )

    def __init__(self, reading: Reading, encoding: Encoding, raw: dict[int, RawElement], parent: Header | None) -> None:
        self.reading = reading
        self.encoding = encoding
        self.raw_elements = raw
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
        return self.reading.buffer

    @property
    def is_cut_off(self) -> bool:
        """Whether the data end before they should, as far as they were read."""
        return self.reading.is_cut_off

    @property
    def flaws(self) -> list[str]:
        return self.reading.flaws

    @property
    def is_complete(self) -> bool:
        return self.reading.is_complete

    @property
    def limits(self) -> ScanLimits:
        return self.reading.limits

    @property
    def is_implicit(self) -> bool:
        return self.encoding.is_implicit

    @property
    def is_little_endian(self) -> bool:
        return self.encoding.is_little_endian

    @property
    def is_deflated(self) -> bool:
        """Whether the file holds the data set deflated, so that offsets count in `buffer` and not in the file."""
        return get_syntax(self.transfer_syntax_uid).is_deflated

    @property
    def elements(self) -> dict[int, Element]:
        """All elements of this level by tag, VRs looked up where the encoding does not say them."""
        if self._elements is None:
            self._elements = {
                tag: Element(tag, self.settled_vr(tag, vr, offset, length), offset, length)
                for tag, (vr, offset, length) in self.raw_elements.items()
            }
        return self._elements

    def element(self, tag: int) -> Element | None:
        raw = self.raw_elements.get(tag)
        return Element(tag, self.settled_vr(tag, *raw), raw[1], raw[2]) if raw else None

    def __contains__(self, tag: int) -> bool:
        return tag in self.raw_elements

    def __iter__(self) -> Iterator[int]:
        return iter(self.raw_elements)

    def __len__(self) -> int:
        return len(self.raw_elements)

    @property
    def pixel_data(self) -> Element | None:
        """Pixel Data, Float Pixel Data or Double Float Pixel Data of this level."""
        for tag in PIXEL_TAGS:
            if tag in self.raw_elements:
                return self.element(tag)
        return None

    def is_undefined_length(self, element: Element) -> bool:
        return element.offset in self.reading.ends

    def fragments(self, element: Element) -> tuple[array[int], array[int]] | None:
        """Offsets and lengths of the fragments of encapsulated pixel data, its offset table first."""
        return self.reading.fragments.get(element.offset)

    def settled_vr(self, tag: int, vr: str | None, offset: int, length: int) -> str:
        """The VR of an element: as written, or of the dictionary when it is missing or UN."""
        if vr is not None and vr != "UN":
            return vr
        if vr == "UN" and length >= 0xFFFF and not tag >> 16 & 1 and offset not in self.reading.ends:
            return "UN"  # Explicit VR has no room for such lengths in most VRs, so UN is right (PS3.5 6.2.2).
        entry = ENTRIES.get(tag)
        known = entry[0] if entry else vr_of(tag)
        if known is None:
            if tag >> 16 & 1:
                known = self._private_vr(tag)
            elif tag & 0xFFFF == 0 and vr is None:
                known = "UL"
        if known is None or known in {"UN", "NONE"}:
            return "SQ" if offset in self.reading.ends and offset not in self.reading.fragments else "UN"
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
            if offset in self.reading.ends:
                return "OB"
            if self.encoding.is_implicit or 0x6000 <= tag >> 16 <= 0x60FF:
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
            return "SS" if PIXEL_DATA in self.raw_elements else "US"
        return "OW"

    def vr(self, tag: int) -> str | None:
        raw = self.raw_elements.get(tag)
        return self.settled_vr(tag, *raw) if raw else None

    # -- values ----------------------------------------------------------------------------------------------------

    @property
    def specific_character_set(self) -> list[str]:
        """The values of (0008,0005) that hold here: of this item, or of what it is in (PS3.5 7.5.3)."""
        level: Header | None = self
        while level is not None:
            if SPECIFIC_CHARACTER_SET in level.raw_elements:
                _, offset, length = level.raw_elements[SPECIFIC_CHARACTER_SET]
                value = str(self.buffer[offset : offset + min(length, 1024)], "latin-1")
                return [part.strip(" \0") for part in value.split("\\")]
            level = level._parent
        return []

    @property
    def character_sets(self) -> charsets.CharacterSets:
        if self._character_sets is None:
            if self._parent is not None and SPECIFIC_CHARACTER_SET not in self.raw_elements:
                self._character_sets = self._parent.character_sets
            else:
                self._character_sets = charsets.character_sets(self.specific_character_set)
        return self._character_sets

    def raw(self, tag: int) -> bytes | None:
        """The value as it stands, with its padding and in its byte order; None when the element is absent."""
        raw = self.raw_elements.get(tag)
        return bytes(self.buffer[raw[1] : raw[1] + raw[2]]) if raw else None

    def value(self, element: Element) -> bytes:
        """The value of an element of this header, as it stands."""
        return bytes(self.buffer[element.offset : element.offset + element.length])

    def texts(self, tag: int) -> list[str]:
        """All values as text, padding removed; numbers in decimal, tags as eight hex digits. Empty values stay."""
        raw = self.raw_elements.get(tag)
        if not raw or not raw[2]:
            return []
        vr = self.settled_vr(tag, *raw)
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
        raw = self.raw_elements.get(tag)
        if not raw or not raw[2]:
            return []
        vr = self.settled_vr(tag, *raw)
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
        raw = self.raw_elements.get(tag)
        if raw is None:
            return None
        if raw[0] == "US" and raw[2] == 2:  # what most are
            return int.from_bytes(self.buffer[raw[1] : raw[1] + 2], "little" if self.is_little_endian else "big")
        number = self.number(tag)
        try:
            return None if number is None else int(number)
        except (OverflowError, ValueError):  # infinity, not a number
            return None

    def _numbers(self, vr: str, offset: int, length: int) -> tuple[Any, ...]:
        order = self.encoding.order
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
        raw = self.raw_elements.get(tag)
        if not raw or self.settled_vr(tag, *raw) != "SQ":
            return []
        self.reading.budget = self.limits.elements_max
        return list(self.read_items(*raw))

    def read_items(self, vr: str | None, start: int, length: int) -> Iterator[Header]:
        reading = self.reading
        end = min(start + length, len(reading.buffer))
        if self.depth + 1 > reading.limits.depth_max:
            raise Refused(f"sequences are nested more than {reading.limits.depth_max} deep")
        encoding = reading.item_encoding(start, end, self.encoding)
        pos = start
        while pos + 8 <= end:
            group, element, length = encoding.head(reading.buffer, pos)
            tag = group << 16 | element
            reading.spend(1)
            pos += 8
            if tag != ITEM:
                if tag != SEQUENCE_END:
                    reading.flaw(f"{format_tag(tag)} stands where an item should begin")
                return
            content = reading.content_encoding(encoding, vr, pos, end)
            raw: dict[int, RawElement] = {}
            if length == UNDEFINED:
                known = reading.ends.get(pos)
                item_end = known[0] if known else end
                stopped = read_level(reading, content, pos, item_end, raw, self.depth + 1)
                if known is None:
                    known = reading.ends[pos] = stopped
                following = known[1]
            else:
                following = pos + length
                if following > end:
                    reading.cut_off("an item runs past the end of its sequence")
                    following = end
                read_level(reading, content, pos, following, raw, self.depth + 1)
            yield Header(reading, content, raw, self)
            pos = following
