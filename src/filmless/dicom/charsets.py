"""Text by Specific Character Set (0008,0005), with ISO 2022 code extensions (PS3.5 6.1, PS3.3 C.12.1.1.2).

A value is decoded before it is split at backslashes: the second byte of a Chinese or Japanese character may be 0x5C.
Reading never fails; bytes that stand for nothing become U+FFFD, as everywhere in Unicode.
"""

from __future__ import annotations

import codecs
import functools
import re
from collections.abc import Sequence

from filmless.errors import Refused

UTF_8 = "ISO_IR 192"
DEFAULT = "ISO_IR 6"

# Python's codec for each Defined Term (PS3.3 tables C.12-2 to C.12-5). ISO_IR 6 is read as Latin-1: many devices write
# Latin-1 and declare nothing. Shift JIS holds JIS X 0201 in its single bytes.
_CODECS = {
    "ISO_IR 6": "latin_1",
    "ISO_IR 13": "shift_jis",
    "ISO_IR 100": "latin_1",
    "ISO_IR 101": "iso8859_2",
    "ISO_IR 109": "iso8859_3",
    "ISO_IR 110": "iso8859_4",
    "ISO_IR 126": "iso8859_7",
    "ISO_IR 127": "iso8859_6",
    "ISO_IR 138": "iso8859_8",
    "ISO_IR 144": "iso8859_5",
    "ISO_IR 148": "iso8859_9",
    "ISO_IR 166": "iso8859_11",
    "ISO_IR 203": "iso8859_15",
    "ISO 2022 IR 58": "gb2312",
    "ISO 2022 IR 87": "iso2022_jp",
    "ISO 2022 IR 149": "euc_kr",
    "ISO 2022 IR 159": "iso2022_jp_2",
    "ISO_IR 192": "utf_8",
    "GB18030": "gb18030",
    "GBK": "gbk",
}
_SINGLE_BYTE = {term[7:]: term for term in _CODECS if term.startswith("ISO_IR ") and term != UTF_8}
_STAND_ALONE = frozenset({UTF_8, "GB18030", "GBK"})

_ISO_2022 = re.compile(r"ISO[^0-9A-Z]*2022[^0-9A-Z]*(?:IR)?[^0-9A-Z]*([0-9]+)")
_ISO_IR = re.compile(r"ISO[^0-9A-Z]*IR[^0-9A-Z]*([0-9]+)")
_ALIASES = {
    "": DEFAULT,
    "ISO_IR 192": UTF_8,
    "UTF-8": UTF_8,
    "UTF8": UTF_8,
    "ASCII": DEFAULT,
    "US-ASCII": DEFAULT,
    "ISO 2022 GBK": "GBK",
    "ISO 2022 GB18030": "GB18030",
    "GB2312": "ISO 2022 IR 58",
}
# Names that are not in the standard but are Python codecs of real character sets; devices do write such.
_FOREIGN = re.compile(
    r"(CP|WINDOWS-?)\d{3,5}|ISO-?8859[-_]\d{1,2}|LATIN[-_]?\d{1,2}|KOI8[-_][RUT]|BIG5|EUC[-_](JP|KR)|SHIFT[-_]?JIS"
)


@functools.lru_cache(maxsize=1024)
def _term(written: str) -> str:
    """The Defined Term a device meant; a Python codec's name if it meant one outside the standard."""
    name = written.strip(" \0").upper()
    if name in _CODECS:
        return name
    if name in _ALIASES:
        return _ALIASES[name]
    if match := _ISO_2022.fullmatch(name):
        number = str(int(match[1][:6]))
        return _SINGLE_BYTE.get(number) or (f"ISO 2022 IR {number}" if f"ISO 2022 IR {number}" in _CODECS else DEFAULT)
    if match := _ISO_IR.fullmatch(name):
        number = str(int(match[1][:6]))
        return _SINGLE_BYTE.get(number) or (UTF_8 if number == "192" else DEFAULT)
    if _FOREIGN.fullmatch(name):
        try:
            return codecs.lookup(name.replace("WINDOWS", "CP").replace("CP-", "CP")).name
        except LookupError:
            return DEFAULT
    return DEFAULT


class CharacterSets:
    """One value of Specific Character Set, understood: how text begins, and what it may switch to."""

    __slots__ = ("codec", "first", "may_switch", "terms")

    def __init__(self, written: tuple[str, ...]) -> None:
        self.terms = tuple(_term(value) for value in written) or (DEFAULT,)
        self.first = self.terms[0]
        self.codec = _CODECS.get(self.first, self.first)
        self.may_switch = self.first not in _STAND_ALONE


@functools.lru_cache(maxsize=1024)
def _understand(written: tuple[str, ...]) -> CharacterSets:
    return CharacterSets(written)


def character_sets(written: Sequence[str]) -> CharacterSets:
    """Understand the values of (0008,0005); misspellings are forgiven, unknown ones taken for the default."""
    return _understand(tuple(written[:16]))


def is_known(written: str) -> bool:
    """Whether a value of (0008,0005) is one of the standard's Defined Terms, rightly spelled."""
    name = written.strip(" ")
    return name in _CODECS or (name.startswith("ISO 2022 IR ") and name[12:] in _SINGLE_BYTE) or name == ""


# What each escape sequence designates (PS3.3 tables C.12-3 and C.12-4): the left half (G0, bytes below 0x80) or the
# right half (G1) of the code table. (prefix that Python's codec wants, codec), or a plain codec.
_G0: dict[bytes, tuple[bytes, str] | None] = {
    b"(B": None,  # ASCII
    b"(J": None,  # JIS X 0201 Romaji: ASCII but for yen and overline, which DICOM reads as backslash and tilde
    b"$B": (b"\x1b$B", "iso2022_jp"),
    b"$@": (b"\x1b$@", "iso2022_jp"),
    b"$(B": (b"\x1b$B", "iso2022_jp"),
    b"$(D": (b"\x1b$(D", "iso2022_jp_2"),
    b"$(C": (b"\x1b$(C", "iso2022_jp_2"),
    b"$A": (b"\x1b$A", "iso2022_jp_2"),
}
_G1 = {
    b")I": "shift_jis",
    b"-A": "latin_1",
    b"-B": "iso8859_2",
    b"-C": "iso8859_3",
    b"-D": "iso8859_4",
    b"-F": "iso8859_7",
    b"-G": "iso8859_6",
    b"-H": "iso8859_8",
    b"-L": "iso8859_5",
    b"-M": "iso8859_9",
    b"-T": "iso8859_11",
    b"-b": "iso8859_15",
    b"$)C": "euc_kr",
    b"$)A": "gb2312",
}
_ESCAPES = sorted([*_G0, *_G1], key=len, reverse=True)
_PARTS = re.compile(
    rb"\x1b(?:" + b"|".join(re.escape(escape) for escape in _ESCAPES) + rb")"
    rb"|[\x80-\xff]+|[\r\n\t\f]|[^\x80-\xff\r\n\t\f\x1b]+|\x1b"
)


def _decode_switching(value: bytes, sets: CharacterSets) -> str:
    """Decode text with escape sequences: G0 and G1 are tracked apart; delimiters restore both (6.1.2.5.3).

    When the sets begin with ASCII there is no G1 to go back to after ^, = or a backslash. Then the last one stays in
    force, because some writers designate it only once.
    """
    initial_g1 = sets.codec if not sets.codec.startswith("iso2022") else "latin_1"
    begins_with_g1 = sets.first in _SINGLE_BYTE.values() and sets.first != DEFAULT
    g0: tuple[bytes, str] | None = None
    g1 = initial_g1
    out = []
    for match in _PARTS.finditer(value):
        part = match[0]
        byte = part[0]
        if byte == 0x1B and len(part) > 1:
            escape = part[1:]
            if escape in _G1:
                g1 = _G1[escape]
            else:
                g0 = _G0[escape]
        elif byte >= 0x80:
            out.append(part.decode(g1, "replace"))
        elif byte < 0x20 and len(part) == 1:
            g0, g1 = None, initial_g1
            out.append(part.decode("ascii"))
        elif g0 is None:
            out.append(part.decode("ascii"))
            if begins_with_g1 and (b"^" in part or b"=" in part or b"\\" in part):
                g1 = initial_g1
        else:
            out.append((g0[0] + part).decode(g0[1], "replace"))
    return "".join(out)


def decode(value: bytes, sets: CharacterSets) -> str:
    """Decode one whole value field, not yet split at backslashes. Padding stays."""
    if b"\x1b" in value and sets.may_switch:
        return _decode_switching(value, sets)
    return value.decode(sets.codec, "replace")


# How text is written: the escape sequence, which half it designates, and how one character is encoded.
_WRITERS: dict[str, tuple[bytes, int, str]] = {
    "ISO_IR 13": (b"\x1b)I", 1, "shift_jis"),
    "ISO_IR 100": (b"\x1b-A", 1, "latin_1"),
    "ISO_IR 101": (b"\x1b-B", 1, "iso8859_2"),
    "ISO_IR 109": (b"\x1b-C", 1, "iso8859_3"),
    "ISO_IR 110": (b"\x1b-D", 1, "iso8859_4"),
    "ISO_IR 126": (b"\x1b-F", 1, "iso8859_7"),
    "ISO_IR 127": (b"\x1b-G", 1, "iso8859_6"),
    "ISO_IR 138": (b"\x1b-H", 1, "iso8859_8"),
    "ISO_IR 144": (b"\x1b-L", 1, "iso8859_5"),
    "ISO_IR 148": (b"\x1b-M", 1, "iso8859_9"),
    "ISO_IR 166": (b"\x1b-T", 1, "iso8859_11"),
    "ISO_IR 203": (b"\x1b-b", 1, "iso8859_15"),
    "ISO 2022 IR 58": (b"\x1b$)A", 1, "gb2312"),
    "ISO 2022 IR 149": (b"\x1b$)C", 1, "euc_kr"),
    "ISO 2022 IR 87": (b"\x1b$B", 0, "iso2022_jp"),
    "ISO 2022 IR 159": (b"\x1b$(D", 0, "iso2022_jp_2"),
}
_DELIMITERS = frozenset("^=\\\r\n\t\f")


def _encode_character(character: str, term: str) -> bytes | None:
    """A character in one character set, without escape sequences; None if it is not in it."""
    escape, half, codec = _WRITERS[term]
    try:
        encoded = character.encode(codec)
    except UnicodeEncodeError:
        return None
    if half == 0:  # Python brackets the two bytes in escape sequences
        return encoded[len(escape) :][:2] if encoded.startswith(escape) else None
    if term == "ISO_IR 13" and len(encoded) != 1:
        return None
    return encoded if encoded[0] >= 0x80 else None


def _encode_switching(text: str, sets: CharacterSets, errors: str) -> bytes:
    """Encode text that no single set holds, switching as 6.1.2.5 allows: back to the start before each delimiter."""
    romaji_or_ascii = b"\x1b(J" if sets.first == "ISO_IR 13" else b"\x1b(B"
    initial_g1 = sets.first if sets.first in _WRITERS and _WRITERS[sets.first][1] == 1 else None
    terms = [term for term in sets.terms if term in _WRITERS]
    out = bytearray()
    g0: str | None = None
    g1 = initial_g1
    for character in text:
        if character < "\x80":
            if g0 is not None:
                out += romaji_or_ascii
                g0 = None
            if character in _DELIMITERS:
                g1 = initial_g1
            out += character.encode("ascii")
            continue
        current = [term for term in (g0, g1) if term is not None]
        for term in (*current, *terms):
            encoded = _encode_character(character, term)
            if encoded is None:
                continue
            escape, half, _ = _WRITERS[term]
            if half == 0:
                if g0 != term:
                    out += escape
                    g0 = term
            elif g1 != term:
                out += escape
                g1 = term
            out += encoded
            break
        else:
            if errors == "strict":
                raise Refused(f"text has characters outside of {' and '.join(sets.terms)}")
            if g0 is not None:
                out += romaji_or_ascii
                g0 = None
            out += b"?"
    if g0 is not None:
        out += romaji_or_ascii
    return bytes(out)


def encode(text: str, sets: CharacterSets, *, errors: str = "strict") -> bytes:
    """Encode one whole value field, values already joined by backslashes.

    Parameters
    ----------
    errors : "strict", or "replace" for a question mark in place of each character that the sets do not hold

    Raises
    ------
    Refused: the character sets do not hold the text.
    """
    if text.isascii():
        return text.encode("ascii")
    if sets.may_switch and (len(sets.terms) > 1 or sets.first in _WRITERS):
        return _encode_switching(text, sets, errors)
    codec = "ascii" if sets.first == DEFAULT else sets.codec
    try:
        return text.encode(codec, errors)
    except UnicodeEncodeError as error:
        raise Refused(f"text has characters outside of {sets.first}") from error


def smallest_for(texts: Sequence[str]) -> str:
    """The Specific Character Set to declare for texts that we write: the default one if it will do, else UTF-8."""
    return DEFAULT if all(text.isascii() for text in texts) else UTF_8
