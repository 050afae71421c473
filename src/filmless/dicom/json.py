"""Writes a header as DICOM JSON, straight from the bytes (PS3.18 annex F).

The result equals that of pydicom's `to_json_dict`, but for what pydicom gets wrong by the standard:

- group lengths are left out and attributes stand in ascending order (F.2.2);
- an empty value among several is null, in text too (F.2.5); empty component groups of a name are left out (F.2.2);
- numbers that IS and DS cannot hold are strings (F.2.3) instead of an error; NaN and infinities of FL and FD too;
- a value whose length does not suit its VR is UN with its bytes inline, instead of an error;
- bytes from a big endian data set are turned round (F.2.7: inline and bulk data are little endian).
"""

from __future__ import annotations

import base64
import math
import struct
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any, Final

from filmless.dicom import charsets
from filmless.dicom.elements import RawElement
from filmless.dicom.scanner import PIXEL_TAGS, Buffer, Element, Header
from filmless.errors import NotFound, Refused

JsonDataset = dict[str, Any]
"""The DICOM JSON model of one data set: {"00100010": {"vr": "PN", "Value": [{"Alphabetic": "A^B"}]}}."""

INLINE_MAX: Final = 1024

_LOCAL, _NAME, _LOCAL_ONE, _PLAIN, _NUMBER, _BINARY, _SEQUENCE, _IS, _DS, _AT, _UI, _AE, _UR = range(13)
_LAST_LOCAL = _LOCAL_ONE
_KINDS = {
    "AE": _AE, "AS": _PLAIN, "AT": _AT, "CS": _PLAIN, "DA": _PLAIN, "DS": _DS, "DT": _PLAIN, "FD": _NUMBER,
    "FL": _NUMBER, "IS": _IS, "LO": _LOCAL, "LT": _LOCAL_ONE, "OB": _BINARY, "OD": _BINARY, "OF": _BINARY,
    "OL": _BINARY, "OV": _BINARY, "OW": _BINARY, "PN": _NAME, "SH": _LOCAL, "SL": _NUMBER, "SQ": _SEQUENCE,
    "SS": _NUMBER, "ST": _LOCAL_ONE, "SV": _NUMBER, "TM": _PLAIN, "UC": _LOCAL, "UI": _UI, "UL": _NUMBER,
    "UN": _BINARY, "UR": _UR, "US": _NUMBER, "UT": _LOCAL_ONE, "UV": _NUMBER,
}  # fmt: skip
_NUMBERS = {
    "FL": ("f", 4), "FD": ("d", 8), "SL": ("i", 4), "SS": ("h", 2), "SV": ("q", 8), "UL": ("I", 4), "US": ("H", 2),
    "UV": ("Q", 8),
}  # fmt: skip
_SINGLES: dict[bool, dict[str, tuple[Callable[[Buffer, int], tuple[Any]], int]]] = {
    is_little_endian: {
        vr: (struct.Struct(f"{'<' if is_little_endian else '>'}{code}").unpack_from, size)
        for vr, (code, size) in _NUMBERS.items()
    }
    for is_little_endian in (True, False)
}
_WORD_BYTES = {"OW": 2, "OF": 4, "OL": 4, "OD": 8, "OV": 8}

# Descriptors of lookup tables whose first value is a count, unsigned whatever the VR says (PS3.3 C.11.1.1).
_LUT_DESCRIPTORS = frozenset({0x00281101, 0x00281102, 0x00281103, 0x00283002})


class _Names(dict[int, str]):
    """Tags as property names; the known ones are kept, because formatting costs as much as all else."""

    def __missing__(self, tag: int) -> str:
        name = f"{tag:08X}"
        if len(self) < 20_000:
            self[tag] = name
        return name


_NAMES = _Names()


def _integer(value: bytes) -> int | str | None:
    """One value of IS. Not an integer: a string, because JSON must not say more or less than was sent."""
    value = value.strip(b" \0")
    if not value:
        return None
    try:
        if b"_" not in value:
            return int(value)
    except ValueError:
        try:
            number = float(value)
            if number.is_integer():
                return int(number)
        except ValueError:
            pass
    return value.decode("latin-1")


def _decimal(value: bytes) -> float | str | None:
    """One value of DS; a string when it is no number, or one that JSON cannot hold."""
    try:
        number = float(value)
        if number - number == 0 and b"_" not in value:
            return number
    except ValueError:
        pass
    value = value.strip(b" \0")
    if not value:
        return None
    try:
        number = float(value)
        if number - number == 0 and b"_" not in value:
            return number
    except ValueError:
        pass
    return value.decode("latin-1")


def _finite(number: float) -> float | str:
    if math.isfinite(number):
        return number
    return "NaN" if math.isnan(number) else "inf" if number > 0 else "-inf"


def name_groups(text: str) -> dict[str, str] | None:
    """One person name as component groups (F.2.2); None when it is empty."""
    parts = text.split("=")
    if len(parts) == 1:
        return {"Alphabetic": text} if text else None
    groups = dict(zip(("Alphabetic", "Ideographic", "Phonetic"), parts, strict=False))
    return {group: part for group, part in groups.items() if part} or None


def swap_words(data: bytes, size: int) -> bytes:
    """Turn round each word of `size` bytes; odd bytes at the end stay."""
    whole = len(data) // size * size
    swapped = bytearray(data)
    for i in range(size):
        swapped[i:whole:size] = data[size - 1 - i : whole : size]
    return bytes(swapped)


def little_endian_value(header: Header, element: Element) -> bytes:
    """The bytes of a value as web services give them: little endian, whatever the data set was (F.2.7)."""
    value = header.value(element)
    size = _WORD_BYTES.get(element.vr)
    return value if size is None or header.is_little_endian else swap_words(value, size)


def _numbers(header: Header, tag: int, vr: str, offset: int, length: int) -> list[Any]:
    """Numbers that are stored as such."""
    code, size = _NUMBERS[vr]
    order = "<" if header.is_little_endian else ">"
    numbers: list[Any] = list(struct.unpack_from(f"{order}{length // size}{code}", header.buffer, offset))
    if code in "fd" and not all(map(math.isfinite, numbers)):
        return [_finite(number) for number in numbers]
    if tag in _LUT_DESCRIPTORS and numbers[0] < 0:
        numbers[0] += 65536
    return numbers


def _tags(header: Header, offset: int, length: int) -> list[str]:
    order = "<" if header.is_little_endian else ">"
    parts = struct.unpack_from(f"{order}{length // 4 * 2}H", header.buffer, offset)
    return [f"{parts[i]:04X}{parts[i + 1]:04X}" for i in range(0, len(parts), 2)]


def _attribute(header: Header, tag: int, vr: str, offset: int, length: int) -> dict[str, Any]:
    """Convert a value that the hot loop leaves: of a rarer kind, or of several numbers."""
    kind = _KINDS[vr]
    value = bytes(header.buffer[offset : offset + length])
    values: list[Any]
    if kind == _DS:
        values = [_decimal(part) for part in value.split(b"\\")]
    elif kind == _NUMBER:
        if length % _NUMBERS[vr][1]:
            return {"vr": "UN", "InlineBinary": base64.b64encode(value).decode()}
        values = _numbers(header, tag, vr, offset, length)
    elif kind == _IS:
        values = [_integer(part) for part in value.split(b"\\")]
    elif kind == _AT:
        values = _tags(header, offset, length)
    else:  # UR has one value, AE and UI may have several; blanks on both sides do not count
        text = value.decode("latin-1")
        parts = [text.rstrip(" \0\r\n\t")] if kind == _UR else [part.strip(" \0") for part in text.split("\\")]
        values = [part or None for part in parts]
    if len(values) > 1 or (values and values[0] is not None):
        return {"vr": vr, "Value": values}
    return {"vr": vr}


@dataclass(frozen=True, slots=True)
class _Bulk:
    """Which values are left to be fetched, and from where."""

    uri: str | None
    inline_max: int | None
    skip_pixel_data: bool

    def attribute(self, header: Header, element: Element, path: str) -> dict[str, Any] | None:
        """A binary value inline or by its address; None to leave it out."""
        is_long = self.inline_max is not None and element.length > self.inline_max
        if is_long or (self.skip_pixel_data and not path and element.tag in PIXEL_TAGS):
            if self.uri is None:
                return None
            return {"vr": element.vr, "BulkDataURI": f"{self.uri}/{path}{_NAMES[element.tag]}"}
        value = little_endian_value(header, element)
        return {"vr": element.vr, "InlineBinary": base64.b64encode(value).decode()}


# Levels that are still to be written, one after the other: a header, where it goes, its path in addresses of bulk data.
_Waiting = Iterator[tuple[Header, JsonDataset, str]]


def to_json(
    header: Header, *, bulk_uri: str | None, inline_max: int | None = INLINE_MAX, skip_pixel_data: bool = True
) -> JsonDataset:
    """Write a header as DICOM JSON.

    Parameters
    ----------
    bulk_uri : what a BulkDataURI begins with: "{bulk_uri}/7FE00010", "{bulk_uri}/52009229/0/00081199". None leaves
        out the elements that would have one.
    inline_max : longest value of VR OB, OD, OF, OL, OV, OW or UN that is written inline; None: all are
    skip_pixel_data : give pixel data of the top level a BulkDataURI however short they are

    Raises
    ------
    Refused: the data set has more elements, or is nested deeper, than the limits of its scan.
    """
    header.reading.budget = header.limits.elements_max
    bulk = _Bulk(bulk_uri, inline_max, skip_pixel_data)
    root: JsonDataset = {}
    waiting: list[_Waiting] = [iter([(header, root, "")])]  # instead of Python's stack
    while waiting:
        following = next(waiting[-1], None)
        if following is None:
            waiting.pop()
        else:
            _write_level(*following, waiting, bulk)
    return root


def _items(header: Header, raw: RawElement, items: list[JsonDataset], path: str) -> _Waiting:
    """Read the items of a sequence one by one: a header goes when its level is written, and never are all there."""
    for i, item in enumerate(header.read_items(*raw)):
        items.append({})
        yield item, items[-1], f"{path}/{i}/"


def _write_level(header: Header, out: JsonDataset, path: str, waiting: list[_Waiting], bulk: _Bulk) -> None:
    """Write the elements of one level; items of sequences are put on `waiting`.

    The hot loop: text and single numbers, most of what there is, are converted here without a further call.
    """
    buffer, names, kinds, raw = header.buffer, _NAMES, _KINDS, header.raw_elements
    singles = _SINGLES[header.is_little_endian]
    sets: charsets.CharacterSets | None = None
    codec = "latin-1"
    tags = list(raw)
    ordered = sorted(tags)
    for tag in tags if tags == ordered else ordered:
        if not tag & 0xFFFF:
            continue
        vr, offset, length = raw[tag]
        if vr is None or vr == "UN":
            vr = header.settled_vr(tag, vr, offset, length)
        kind = kinds[vr]
        if not length:
            out[names[tag]] = {"vr": vr, "Value": []} if kind == _SEQUENCE else {"vr": vr}
        elif kind == _NUMBER and length == singles[vr][1]:
            (number,) = singles[vr][0](buffer, offset)
            out[names[tag]] = {"vr": vr, "Value": [number if number - number == 0 else _finite(number)]}
        elif kind == _PLAIN:
            text = str(buffer[offset : offset + length], "latin-1").rstrip(" \0")
            if "\\" in text:
                out[names[tag]] = {"vr": vr, "Value": [part or None for part in text.split("\\")]}
            else:
                out[names[tag]] = {"vr": vr, "Value": [text]} if text else {"vr": vr}
        elif kind <= _LAST_LOCAL:
            if sets is None:
                sets = header.character_sets
                codec = sets.codec
            value = bytes(buffer[offset : offset + length])
            text = charsets.decode(value, sets) if b"\x1b" in value else value.decode(codec, "replace")
            text = text.rstrip(" \0")
            if not text:
                out[names[tag]] = {"vr": vr}
            elif kind == _NAME:
                out[names[tag]] = {"vr": vr, "Value": [name_groups(part) for part in text.split("\\")]}
            elif kind == _LOCAL and "\\" in text:
                out[names[tag]] = {"vr": vr, "Value": [part.rstrip(" \0") or None for part in text.split("\\")]}
            else:
                out[names[tag]] = {"vr": vr, "Value": [text]}
        elif kind == _DS and b"\\" not in (value := bytes(buffer[offset : offset + length])):
            number = _decimal(value)
            out[names[tag]] = {"vr": vr} if number is None else {"vr": vr, "Value": [number]}
        elif kind == _BINARY:
            attribute = bulk.attribute(header, Element(tag, vr, offset, length), path)
            if attribute is not None:
                out[names[tag]] = attribute
        elif kind == _SEQUENCE:
            items: list[JsonDataset] = []
            out[names[tag]] = {"vr": vr, "Value": items}
            waiting.append(_items(header, raw[tag], items, f"{path}{names[tag]}"))
        else:
            out[names[tag]] = _attribute(header, tag, vr, offset, length)


def find_element(header: Header, path: str) -> Element:
    """Find what a BulkDataURI of `to_json` points at.

    Raises
    ------
    NotFound: there is no such element.
    Refused: the path is not of the form TAG or TAG/INDEX/.../TAG.
    """
    return find_level(header, path)[1]


def find_level(header: Header, path: str) -> tuple[Header, Element]:
    """As `find_element`, with the header or item that the element stands in.

    Raises
    ------
    NotFound: there is no such element.
    Refused: the path is not of the form TAG or TAG/INDEX/.../TAG.
    """
    steps = path.strip("/").split("/")
    if len(steps) % 2 == 0 or len(steps) > 2 * header.limits.depth_max + 1:
        raise Refused(f"{path[:100]!r} is not a path of bulk data, such as 7FE00010 or 52009229/0/00081199")
    level = header
    for i in range(0, len(steps) - 1, 2):
        tag, index = _tag(steps[i]), steps[i + 1]
        if not (index.isascii() and index.isdigit() and len(index) < 10):
            raise Refused(f"{index[:20]!r} is not the index of an item")
        items = level.items(tag)
        if int(index) >= len(items):
            raise NotFound(f"there is no item {index} in {steps[i]}")
        level = items[int(index)]
    element = level.element(_tag(steps[-1]))
    if element is None:
        raise NotFound(f"there is no element {steps[-1]}")
    return level, element


def _tag(text: str) -> int:
    try:
        if len(text) == 8:
            return int(text, 16)
    except ValueError:
        pass
    raise Refused(f"{text[:20]!r} is not a tag of eight hex digits")
