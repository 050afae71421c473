"""Writes DICOM JSON as a data set, and reads small data sets as DICOM JSON: identifiers, and what we make ourselves.

What arrived from outside is never re-encoded with this; it leaves as it came.
"""

from __future__ import annotations

import base64
import binascii
import functools
import math
import struct
import zlib
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any, Final

from filmless.dicom import charsets
from filmless.dicom.dictionary import format_tag, vr_of
from filmless.dicom.json import JsonDataset, swap_words, to_json
from filmless.dicom.scanner import LOCAL_TEXT_VRS, PIXEL_DATA, ScanLimits, scan
from filmless.dicom.syntaxes import EXPLICIT_LE, TransferSyntax, get_syntax
from filmless.errors import Refused

DEPTH_MAX: Final = 64

_LONG_VRS = frozenset({"OB", "OD", "OF", "OL", "OV", "OW", "SQ", "SV", "UC", "UN", "UR", "UT", "UV"})
_NUMBERS = {"FL": "f", "FD": "d", "SL": "i", "SS": "h", "SV": "q", "UL": "I", "US": "H", "UV": "Q"}
_FLOATS = frozenset({"FL", "FD"})
_WORD_BYTES = {"OW": 2, "OF": 4, "OL": 4, "OD": 8, "OV": 8, "OB": 1, "UN": 1}
_TEXT_VRS = frozenset(
    {"AE", "AS", "CS", "DA", "DS", "DT", "IS", "LO", "LT", "PN", "SH", "ST", "TM", "UC", "UI", "UR", "UT"}
)
_VRS = _TEXT_VRS | _NUMBERS.keys() | _WORD_BYTES.keys() | {"SQ", "AT"}
_ITEM = 0xFFFEE000
_SEQUENCE_END = 0xFFFEE0DD
_SPECIFIC_CHARACTER_SET = 0x00080005
_CHARACTER_SET_NAME = "00080005"
_PLAIN_VRS = _TEXT_VRS - _LONG_VRS
_PLAIN_MAX = 0xFFFC


def format_decimal(number: float) -> str:
    """Write a number as DS: at most 16 characters, as exact as they allow (PS3.5 6.2).

    Raises
    ------
    Refused: the number is infinite or not a number, which DS cannot say.
    """
    if isinstance(number, int) or (math.isfinite(number) and number == int(number) and abs(number) < 1e15):
        text = str(int(number))
        if len(text) <= 16:
            return text
    if not math.isfinite(number):
        raise Refused(f"DS cannot hold {number}")
    text = repr(float(number))
    digits = 16
    while len(text) > 16:
        text = f"{number:.{digits}g}"
        digits -= 1
    return text


class _Writer:
    """What is the same for all elements of one data set."""

    __slots__ = ("character_set", "is_implicit", "keeps_ascii", "length_format", "order", "read_bulk", "sets", "syntax")

    def __init__(self, syntax: TransferSyntax, character_set: str, read_bulk: Callable[[str], bytes] | None) -> None:
        self.syntax = syntax
        self.is_implicit = syntax.is_implicit
        self.order = "<" if syntax.is_little_endian else ">"
        self.length_format = f"{self.order}L" if self.is_implicit else f"{self.order}H"
        self.character_set = character_set
        self.keeps_ascii = character_set == charsets.UTF_8
        self.sets = charsets.character_sets(character_set.split("\\"))
        self.read_bulk = read_bulk

    def tag(self, tag: int) -> bytes:
        return struct.pack(f"{self.order}HH", tag >> 16, tag & 0xFFFF)

    def head(self, tag: int, vr: str, length: int) -> bytes:
        if self.is_implicit:
            return self.tag(tag) + struct.pack(f"{self.order}L", length)
        if vr not in _LONG_VRS and length > 0xFFFE:
            vr = "UN"  # too long for its VR: PS3.5 6.2.2
        if vr in _LONG_VRS:
            return self.tag(tag) + vr.encode() + b"\0\0" + struct.pack(f"{self.order}L", length)
        return self.tag(tag) + vr.encode() + struct.pack(f"{self.order}H", length)

    def dataset(self, dataset: JsonDataset, depth: int) -> bytes:
        if depth > DEPTH_MAX:
            raise Refused(f"sequences are nested more than {DEPTH_MAX} deep")
        out = bytearray()
        for name in sorted(dataset):
            attribute = dataset[name]
            plain = self.plain(name, attribute)
            if plain is not None:
                out += plain
                continue
            tag = _tag(name)
            if not _is_written(tag):
                continue
            if tag == _SPECIFIC_CHARACTER_SET and depth:
                continue  # items inherit ours
            out += self.element(tag, attribute, depth)
        return bytes(out)

    def plain(self, name: str, attribute: Any) -> bytes | None:
        """Write what nearly all elements are, no value or one short ASCII text; None for all others."""
        try:
            start = _plain_start(name, attribute["vr"], self.is_implicit, self.order)
            values = attribute.get("Value")
        except (KeyError, TypeError, AttributeError):
            return None
        if start is None or "InlineBinary" in attribute or "BulkDataURI" in attribute:
            return None
        head, padding = start
        if values is None or values == []:
            return head + (b"\0\0\0\0" if self.is_implicit else b"\0\0")
        if type(values) is not list or len(values) != 1 or not self.keeps_ascii:
            return None
        value = values[0]
        if type(value) is dict and len(value) == 1:
            value = value.get("Alphabetic") if attribute["vr"] == "PN" else None
        if type(value) is not str or len(value) > _PLAIN_MAX or not value.isascii():
            return None
        data = value.encode() + padding if len(value) % 2 else value.encode()
        return head + struct.pack(self.length_format, len(data)) + data

    def element(self, tag: int, attribute: Any, depth: int) -> bytes:
        if not isinstance(attribute, dict):
            raise Refused(f"{format_tag(tag)} is not an object with vr and Value")
        vr = attribute.get("vr") or (vr_of(tag) or "UN")[:2]
        if not isinstance(vr, str) or vr not in _VRS:
            raise Refused(f"{format_tag(tag)} has the unknown VR {str(vr)[:10]!r}")
        if vr == "SQ":
            return self.sequence(tag, attribute.get("Value") or [], depth)
        value = self.value(tag, vr, attribute)
        if tag == PIXEL_DATA and self.syntax.is_encapsulated and value[:4] == b"\xfe\xff\x00\xe0":
            return self.head(tag, "OB", 0xFFFFFFFF) + value + self.tag(_SEQUENCE_END) + bytes(4)
        if len(value) % 2:
            value += b" " if vr in _TEXT_VRS and vr != "UI" else b"\0"
        if len(value) > 0xFFFFFFFE:
            raise Refused(f"{format_tag(tag)} is longer than 4 GiB")
        return self.head(tag, vr, len(value)) + value

    def sequence(self, tag: int, items: Any, depth: int) -> bytes:
        if not isinstance(items, list):
            raise Refused(f"{format_tag(tag)}: Value is not a list of items")
        out = bytearray()
        for item in items:
            content = self.dataset(item or {}, depth + 1) if isinstance(item, dict | None) else None
            if content is None:
                raise Refused(f"{format_tag(tag)}: an item is not an object")
            out += self.tag(_ITEM) + struct.pack(f"{self.order}L", len(content)) + content
        return self.head(tag, "SQ", len(out)) + out

    def value(self, tag: int, vr: str, attribute: dict[str, Any]) -> bytes:
        if "InlineBinary" in attribute:
            return self.binary(tag, vr, attribute["InlineBinary"])
        if "BulkDataURI" in attribute:
            if self.read_bulk is None:
                raise Refused(f"{format_tag(tag)} is given by a BulkDataURI, which cannot be followed here")
            return self.ordered(vr, self.read_bulk(str(attribute["BulkDataURI"])))
        values = attribute.get("Value")
        if values is None or values == []:
            return b""
        if not isinstance(values, list):
            raise Refused(f"{format_tag(tag)}: Value is not a list")
        try:
            if vr in _NUMBERS:
                return self.numbers(vr, values)
            if vr == "AT":
                return b"".join(self.tag(_tag(str(value))) for value in values if value is not None)
            if vr in _TEXT_VRS:
                return self.text(vr, values)
        except (ValueError, TypeError, OverflowError, struct.error) as error:
            raise Refused(f"{format_tag(tag)}: a value does not suit the VR {vr}") from error
        raise Refused(f"{format_tag(tag)}: VR {vr} wants InlineBinary, not Value")

    def binary(self, tag: int, vr: str, encoded: Any) -> bytes:
        try:
            # Annex F.4 of PS3.18 once showed a list; both forms are read.
            data = base64.b64decode(encoded[0] if isinstance(encoded, list) else encoded, validate=True)
        except (binascii.Error, ValueError, TypeError, IndexError) as error:
            raise Refused(f"{format_tag(tag)}: InlineBinary is not base64") from error
        return self.ordered(vr, data)

    def ordered(self, vr: str, data: bytes) -> bytes:
        size = _WORD_BYTES.get(vr, 1)
        return data if self.order == "<" or size == 1 else swap_words(data, size)

    def numbers(self, vr: str, values: list[Any]) -> bytes:
        convert: Callable[[Any], Any] = float if vr in _FLOATS else int
        numbers = [convert(value) for value in values if value is not None]
        return struct.pack(f"{self.order}{len(numbers)}{_NUMBERS[vr]}", *numbers)

    def text(self, vr: str, values: list[Any]) -> bytes:
        joined = "\\".join(_as_text(vr, value) for value in values)
        if vr in LOCAL_TEXT_VRS:
            return charsets.encode(joined, self.sets)
        try:
            return joined.encode("ascii")
        except UnicodeEncodeError:
            # CS, UI and the like must be ASCII, but what devices sent comes back as it came.
            return joined.encode("latin-1", "replace")


def _as_text(vr: str, value: Any) -> str:
    if value is None:
        return ""
    if vr == "PN":
        if isinstance(value, dict):
            groups = [str(value.get(group) or "") for group in ("Alphabetic", "Ideographic", "Phonetic")]
            return "=".join(groups).rstrip("=")
        return str(value)
    if isinstance(value, bool) or not isinstance(value, str | int | float):
        raise TypeError(type(value).__name__)
    if isinstance(value, str):
        return value
    if vr == "IS":
        return str(int(value))
    return format_decimal(value) if vr == "DS" else str(value)


def _is_written(tag: int) -> bool:
    """Whether an element has its place in a data set: group lengths, commands and file meta information have none."""
    return tag & 0xFFFF != 0 and tag >> 16 not in (0, 2, 0xFFFE)


@functools.lru_cache(maxsize=4096)
def _plain_start(name: str, vr: str, is_implicit: bool, order: str) -> tuple[bytes, bytes] | None:
    """Tag and VR of a text element as they are written, and its padding; None where more is to be thought of."""
    if vr not in _PLAIN_VRS or name == _CHARACTER_SET_NAME:
        return None
    try:
        tag = _tag(name)
    except Refused:
        return None
    if not _is_written(tag):
        return None
    head = struct.pack(f"{order}HH", tag >> 16, tag & 0xFFFF)
    return head if is_implicit else head + vr.encode(), b"\0" if vr == "UI" else b" "


def _tag(name: str) -> int:
    try:
        if len(name) == 8:
            return int(name, 16)
    except ValueError:
        pass
    raise Refused(f"{name[:20]!r} is not a tag of eight hex digits")


def _has_foreign_text(dataset: JsonDataset) -> bool:
    """Whether any text that depends on Specific Character Set goes beyond ASCII, at any level."""
    waiting: list[Any] = [dataset]
    while waiting:
        level = waiting.pop()
        if not isinstance(level, dict):
            continue
        for attribute in level.values():
            values = attribute.get("Value") if isinstance(attribute, dict) else None
            if not isinstance(values, list):
                continue
            for value in values:
                if isinstance(value, str):
                    if not value.isascii():
                        return True
                elif isinstance(value, dict):
                    if attribute.get("vr") == "SQ":
                        waiting.append(value)
                    elif not all(str(part).isascii() for part in value.values()):
                        return True
    return False


def encode(
    dataset: JsonDataset,
    transfer_syntax_uid: str,
    *,
    character_set: str = charsets.UTF_8,
    read_bulk: Callable[[str], bytes] | None = None,
) -> bytes:
    """Write DICOM JSON as a data set, elements in ascending order, sequences with defined lengths.

    Parameters
    ----------
    character_set : Specific Character Set to write text in, several terms joined by a backslash. It is declared when
        the data set declares one or has text beyond ASCII.
    read_bulk : gives the bytes of a BulkDataURI, little endian

    Raises
    ------
    Refused: something cannot be written; the message names the element.
    """
    syntax = get_syntax(transfer_syntax_uid)
    declared = dict(dataset)
    is_foreign = _has_foreign_text(dataset)
    if is_foreign or _CHARACTER_SET_NAME in dataset:
        terms: list[str | None] = [term or None for term in character_set.split("\\")]
        declared[_CHARACTER_SET_NAME] = {"vr": "CS", "Value": terms}
    data = _Writer(syntax, character_set, read_bulk).dataset(declared, 0)
    if syntax.is_deflated:
        deflater = zlib.compressobj(wbits=-zlib.MAX_WBITS)
        data = deflater.compress(data) + deflater.flush()
        if len(data) % 2:
            data += b"\0"
    return data


@dataclass(frozen=True, slots=True)
class LongValue:
    """A value of the top level that is written as it is read. `length` None: fragments with their item heads."""

    vr: str
    length: int | None
    pieces: Iterable[bytes]


def encode_pieces(
    dataset: JsonDataset,
    long_values: Mapping[str, LongValue],
    *,
    read_bulk: Callable[[str], bytes] | None = None,
) -> Iterator[bytes]:
    """Write a data set in Explicit VR Little Endian, UTF-8, piece by piece: long values cost no memory.

    `long_values` stand in the place of what the data set has under their tags. See `encode`.

    Raises
    ------
    Refused: something cannot be written; before the first piece.
    """
    rest = {name: attribute for name, attribute in dataset.items() if name not in long_values}
    writer = _Writer(get_syntax(EXPLICIT_LE), charsets.UTF_8, read_bulk)
    if _has_foreign_text(rest) or _CHARACTER_SET_NAME in rest:
        rest[_CHARACTER_SET_NAME] = {"vr": "CS", "Value": [charsets.UTF_8]}
    written = {name: writer.dataset({name: attribute}, 0) for name, attribute in rest.items()}
    return _interleaved(writer, written, long_values)


def _interleaved(
    writer: _Writer, written: Mapping[str, bytes], long_values: Mapping[str, LongValue]
) -> Iterator[bytes]:
    for name in sorted({*written, *long_values}):
        if name in written:
            yield written[name]
            continue
        value, tag = long_values[name], _tag(name)
        if value.length is None:
            yield writer.head(tag, value.vr, 0xFFFFFFFF)
            yield from value.pieces
            yield writer.tag(_SEQUENCE_END) + bytes(4)
        else:
            yield writer.head(tag, value.vr, value.length + value.length % 2)
            yield from value.pieces
            yield b"\0" * (value.length % 2)


def decode(data: bytes, transfer_syntax_uid: str, *, limits: ScanLimits | None = None) -> JsonDataset:
    """Read a small data set as DICOM JSON, everything inline.

    Unlike an instance, which is kept as it came, this one is a request: a key that was cut off must not widen it.

    Raises
    ------
    Refused: it cannot be read, is cut off, or passes a limit.
    """
    if not data:
        return {}
    header = scan(data, transfer_syntax_uid=transfer_syntax_uid, limits=limits)
    dataset = to_json(header, bulk_uri=None, inline_max=None, skip_pixel_data=False)
    if header.is_cut_off:
        raise Refused(f"the data set is cut off: {'; '.join(header.flaws)}")
    return dataset
