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
from collections.abc import Callable
from typing import Any, Final

from filmless.dicom import charsets
from filmless.dicom.scanner import PIXEL_TAGS, Buffer, Element, Header
from filmless.errors import NotFound, Refused

JsonDataset = dict[str, Any]
"""The DICOM JSON model of one data set: {"00100010": {"vr": "PN", "Value": [{"Alphabetic": "A^B"}]}}."""

INLINE_MAX: Final = 1024

_LOCAL, _PLAIN, _NAME, _LOCAL_ONE, _NUMBER, _BINARY, _SEQUENCE, _IS, _DS, _AT, _UI, _AE, _UR = range(13)
_LOCAL_KINDS = frozenset({_LOCAL, _NAME, _LOCAL_ONE})
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


def _integer(text: str) -> int | str | None:
    """One value of IS. Not an integer: a string, because JSON must not say more or less than was sent."""
    text = text.strip(" \0")
    if not text:
        return None
    try:
        return int(text) if "_" not in text else text
    except ValueError:
        try:
            number = float(text)
            return int(number) if number.is_integer() and "_" not in text else text
        except (ValueError, OverflowError):
            return text


def _decimal(text: str) -> float | str | None:
    """One value of DS."""
    text = text.strip(" \0")
    if not text:
        return None
    try:
        number = float(text)
    except ValueError:
        return text
    return number if math.isfinite(number) and "_" not in text else text


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


def _values(header: Header, tag: int, vr: str, kind: int, offset: int, length: int) -> tuple[str, list[Any] | str]:
    """Convert what the main loop does not: (VR, values), or ("UN", base64) when the bytes do not suit the VR."""
    buffer = header.buffer
    if kind == _NUMBER:
        code, size = _NUMBERS[vr]
        if length % size:
            return "UN", base64.b64encode(buffer[offset : offset + length]).decode()
        numbers: list[Any] = list(
            struct.unpack_from(f"{'<' if header.is_little_endian else '>'}{length // size}{code}", buffer, offset)
        )
        if code in "fd" and not all(map(math.isfinite, numbers)):
            numbers = [_finite(number) for number in numbers]
        if tag in _LUT_DESCRIPTORS and len(numbers) > 1 and numbers[0] < 0:
            numbers[0] += 65536
        return vr, numbers
    if kind == _AT:
        order = "<" if header.is_little_endian else ">"
        parts = struct.unpack_from(f"{order}{length // 4 * 2}H", buffer, offset)
        return vr, [f"{parts[i]:04X}{parts[i + 1]:04X}" for i in range(0, len(parts), 2)]
    text = str(buffer[offset : offset + length], "latin-1")
    if kind == _IS:
        return vr, [_integer(part) for part in text.split("\\")]
    if kind == _DS:
        return vr, [_decimal(part) for part in text.split("\\")]
    if kind == _UR:
        return vr, [text.rstrip(" \0\r\n\t")]
    if kind == _PLAIN:
        return vr, [part or None for part in text.rstrip(" \0").split("\\")]
    return vr, [part.strip(" \0") or None for part in text.split("\\")]  # AE, UI


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
    root: JsonDataset = {}
    # Sequences wait on a list instead of Python's stack: (items still to write, where they go, path for bulk data).
    waiting: list[tuple[Header, JsonDataset, str]] = [(header, root, "")]
    while waiting:
        level, out, path = waiting.pop()
        _write_level(level, out, path, waiting, bulk_uri, inline_max, skip_pixel_data and not path)
    return root


def _write_level(
    header: Header,
    out: JsonDataset,
    path: str,
    waiting: list[tuple[Header, JsonDataset, str]],
    bulk_uri: str | None,
    inline_max: int | None,
    skip_pixel_data: bool,
) -> None:
    """Write the elements of one level; items of sequences are put on `waiting`.

    The one hot loop of this module: what most elements are, one value, is converted here without further calls.
    """
    buffer, names, kinds, resolve, raw = header.buffer, _NAMES, _KINDS, header.settled_vr, header.raw_elements
    singles = _SINGLES[header.is_little_endian]
    is_view = isinstance(buffer, memoryview)
    sets: charsets.CharacterSets | None = None
    codec = ""
    tags = list(raw)
    ordered = sorted(tags)
    for tag in tags if tags == ordered else ordered:
        if not tag & 0xFFFF:
            continue
        vr, offset, length = raw[tag]
        if vr is None or vr == "UN":
            vr = resolve(tag, vr, offset, length)
        kind = kinds[vr]
        if not length:
            out[names[tag]] = {"vr": vr, "Value": []} if kind == _SEQUENCE else {"vr": vr}
            continue
        if kind == _NUMBER:
            read, size = singles[vr]
            if length == size:
                (number,) = read(buffer, offset)
                out[names[tag]] = {"vr": vr, "Value": [number if number - number == 0 else _finite(number)]}
                continue
        elif kind == _SEQUENCE:
            items: list[JsonDataset] = []
            for i, item in enumerate(header.read_items(raw[tag][0], offset, length)):
                inner: JsonDataset = {}
                items.append(inner)
                waiting.append((item, inner, f"{path}{names[tag]}/{i}/"))
            out[names[tag]] = {"vr": vr, "Value": items}
            continue
        elif kind == _BINARY:
            if (inline_max is not None and length > inline_max) or (skip_pixel_data and tag in PIXEL_TAGS):
                if bulk_uri is not None:
                    out[names[tag]] = {"vr": vr, "BulkDataURI": f"{bulk_uri}/{path}{names[tag]}"}
            else:
                data = little_endian_value(header, Element(tag, vr, offset, length))
                out[names[tag]] = {"vr": vr, "InlineBinary": base64.b64encode(data).decode()}
            continue
        else:
            value: Any = buffer[offset : offset + length]
            if is_view:
                value = bytes(value)
            if kind == _PLAIN:
                text = value.decode("latin-1").rstrip(" \0")
                if "\\" not in text:
                    out[names[tag]] = {"vr": vr, "Value": [text]} if text else {"vr": vr}
                    continue
            elif kind in _LOCAL_KINDS:
                if sets is None:
                    sets = header.character_sets
                    codec = sets.codec
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
                continue
            elif kind == _DS and b"_" not in value:
                try:
                    number = float(value)
                except ValueError:
                    pass
                else:
                    if number - number == 0:
                        out[names[tag]] = {"vr": vr, "Value": [number]}
                        continue
        vr, values = _values(header, tag, vr, kind, offset, length)
        if isinstance(values, str):
            out[names[tag]] = {"vr": vr, "InlineBinary": values}
        elif len(values) > 1 or (values and values[0] not in (None, "")):
            out[names[tag]] = {"vr": vr, "Value": values}
        else:
            out[names[tag]] = {"vr": vr}


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
