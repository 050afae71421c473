"""DICOM JSON as the Native DICOM Model in XML, and back (PS3.19 A.1, PS3.18 8.7.3.1).

The writer takes what the JSON writer makes, so both forms of a data set say the same. The reader is for bytes that
nobody vouches for: it builds no tree, knows no entities but the five of XML, opens no address, refuses every DOCTYPE.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any, Final

from lxml import etree

from filmless.dicom.dictionary import is_private, is_private_creator, keyword_of, tag_of, vr_of
from filmless.dicom.encode import format_decimal
from filmless.dicom.json import JsonDataset
from filmless.errors import Refused

NAMESPACE: Final = "http://dicom.nema.org/PS3.19/models/NativeDICOM"
DEPTH_MAX: Final = 64

_GROUPS: Final = ("Alphabetic", "Ideographic", "Phonetic")
_COMPONENTS: Final = ("FamilyName", "GivenName", "MiddleName", "NamePrefix", "NameSuffix")
_INTEGERS: Final = frozenset({"SL", "SS", "SV", "UL", "US", "UV"})
_FLOATS: Final = frozenset({"FL", "FD"})
_OTHER_NUMBERS: Final = {"nan": "NaN", "inf": "inf", "-inf": "-inf"}
_VALUES_MAX: Final = 1_000_000
_PIECE_BYTES: Final = 1 << 18
_ATTRIBUTE_COST: Final = 4  # as many as JSON has commas and brackets for one

# What XML 1.0 cannot say at all; a data set may have any of it in a text (XML 1.0 2.2).
_IMPOSSIBLE = re.compile("[^\t\n\r\x20-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")
_SPECIAL = re.compile('[&<>"\r\t\n]')
_ENTITIES: Final = {
    "&": "&amp;", "<": "&lt;", ">": "&gt;", '"': "&quot;", "\r": "&#13;", "\t": "&#9;", "\n": "&#10;",
}  # fmt: skip


def _escaped(text: str) -> str:
    return _SPECIAL.sub(lambda found: _ENTITIES[found.group()], _IMPOSSIBLE.sub("\ufffd", text))


# Writing --------------------------------------------------------------------------------------------------------------


def to_xml(dataset: JsonDataset) -> bytes:
    """Write a data set as one XML document in UTF-8.

    Control characters that XML cannot hold become U+FFFD. Private attributes have their block cleared and carry the
    private creator (PS3.19 A.1.5).

    Raises
    ------
    Refused: sequences are nested deeper than `DEPTH_MAX`.
    """
    return b"".join(pieces_of(dataset))


def pieces_of(dataset: JsonDataset) -> Iterator[bytes]:
    """Write it in pieces."""
    head = f'<?xml version="1.0" encoding="UTF-8"?>\n<NativeDicomModel xmlns="{NAMESPACE}" xml:space="preserve">'
    gathered, length = [head], len(head)
    for text in _level(dataset, 0):
        gathered.append(text)
        length += len(text)
        if length >= _PIECE_BYTES:
            yield "".join(gathered).encode()
            gathered, length = [], 0
    gathered.append("</NativeDicomModel>\n")
    yield "".join(gathered).encode()


def _level(dataset: JsonDataset, depth: int) -> Iterator[str]:
    if depth > DEPTH_MAX:
        raise Refused(f"sequences are nested more than {DEPTH_MAX} deep")
    for name in sorted(dataset):
        attribute = dataset[name]
        vr = str(attribute.get("vr", "UN"))
        yield f'<DicomAttribute {_names(dataset, name)} vr="{_escaped(vr)}">'
        if vr == "SQ":
            for number, item in enumerate(attribute.get("Value") or (), 1):
                yield f'<Item number="{number}">'
                yield from _level(item or {}, depth + 1)
                yield "</Item>"
        elif "InlineBinary" in attribute:
            yield f"<InlineBinary>{attribute['InlineBinary']}</InlineBinary>"
        elif "BulkDataURI" in attribute:
            yield f'<BulkData uri="{_escaped(str(attribute["BulkDataURI"]))}"/>'
        else:
            for number, value in enumerate(attribute.get("Value") or (), 1):
                yield _value(vr, number, value)
        yield "</DicomAttribute>"


def _names(dataset: JsonDataset, name: str) -> str:
    """Name an attribute: its tag and keyword, or its tag without the block and the private creator."""
    tag = int(name, 16)
    if not is_private(tag):
        keyword = keyword_of(tag)
        return f'keyword="{keyword}" tag="{name}"' if keyword else f'tag="{name}"'
    values = dataset.get(f"{tag >> 16:04X}00{tag >> 8 & 0xFF:02X}", {}).get("Value") or [None]
    creator = values[0]
    if is_private_creator(tag) or not isinstance(creator, str) or not creator:
        return f'tag="{name}"'
    return f'tag="{name[:4]}00{name[6:]}" privateCreator="{_escaped(creator)}"'


def _value(vr: str, number: int, value: Any) -> str:
    if vr == "PN" and isinstance(value, dict):
        groups = "".join(_group(group, str(value[group])) for group in _GROUPS if value.get(group))
        return f'<PersonName number="{number}">{groups}</PersonName>'
    text = _escaped(_text(vr, value))
    return f'<Value number="{number}">{text}</Value>' if text else f'<Value number="{number}"/>'


def _group(group: str, text: str) -> str:
    parts = text.split("^", len(_COMPONENTS) - 1)
    named = zip(_COMPONENTS, parts, strict=False)
    inner = "".join(f"<{component}>{_escaped(part)}</{component}>" for component, part in named if part)
    return f"<{group}>{inner}</{group}>"


def _text(vr: str, value: Any) -> str:
    if value is None:
        return ""
    if isinstance(value, float):
        return format_decimal(value) if vr == "DS" else repr(value)
    return str(value)


# Reading --------------------------------------------------------------------------------------------------------------


def from_xml(data: bytes, *, values_max: int = 4_000_000) -> JsonDataset:
    """Read one Native DICOM Model document as DICOM JSON.

    IS and DS keep their text, so that what is written from it has the digits that were sent. Private attributes get
    the block that their creator has in the document, or the first that is free.

    Raises
    ------
    Refused: it is no XML, has a DOCTYPE, is no Native DICOM Model, is nested too deep, or has more than `values_max`
    values; numbers that are left out count, and an attribute as `_ATTRIBUTE_COST`.
    """
    target = _Model(values_max)
    parser = etree.XMLParser(
        target=target, resolve_entities=False, no_network=True, load_dtd=False, dtd_validation=False, huge_tree=False
    )
    try:
        parser.feed(data)
        parser.close()
    except etree.XMLSyntaxError as error:
        raise Refused(f"the XML cannot be read: {error.msg}") from error
    if target.dataset is None:
        raise Refused("the XML is no Native DICOM Model")
    return target.dataset


class _Level:
    """A data set or item under way."""

    def __init__(self) -> None:
        self.elements: list[tuple[int, str | None, dict[str, Any]]] = []

    def dataset(self) -> JsonDataset:
        """Give the data set, its private attributes in their blocks."""
        found: JsonDataset = {}
        blocks: dict[tuple[int, str], int] = {}
        for tag, creator, attribute in self.elements:
            if is_private_creator(tag) and creator is None:
                said = (attribute.get("Value") or [None])[0]
                if isinstance(said, str):
                    blocks.setdefault((tag >> 16, said.strip()), tag & 0xFF)
        for said_tag, creator, attribute in self.elements:
            tag = said_tag
            if creator is not None and is_private(tag):
                tag = self._placed(tag, creator.strip(), blocks, found)
            name = f"{tag:08X}"
            if name in found:
                raise Refused(f"the attribute {name} is there twice")
            found[name] = attribute
        return dict(sorted(found.items()))

    def _placed(self, tag: int, creator: str, blocks: dict[tuple[int, str], int], found: JsonDataset) -> int:
        group = tag >> 16
        block = blocks.get((group, creator))
        if block is None:
            taken = {block for (other, _), block in blocks.items() if other == group}
            block = next((number for number in range(0x10, 0x100) if number not in taken), None)
            if block is None:
                raise Refused(f"the group {group:04X} has no free block for private attributes")
            blocks[group, creator] = block
            found[f"{group:04X}00{block:02X}"] = {"vr": "LO", "Value": [creator]}
        return group << 16 | block << 8 | tag & 0xFF


class _Model:
    """What lxml calls as it reads: `start`, `data`, `end`, `close`. Keeps only the way from the root to here."""

    def __init__(self, values_max: int) -> None:
        self._values_max = self._values_left = values_max
        self._path: list[str] = []
        self._levels: list[_Level] = []
        self._attributes: list[dict[str, Any]] = []
        self._numbers: list[int] = []
        self._text: list[str] = []
        self._name: dict[str, dict[str, str]] = {}
        self.dataset: JsonDataset | None = None

    def doctype(self, name: str, _public: str | None, _system: str | None) -> None:
        raise Refused(f"the XML has a DOCTYPE ({str(name)[:40]}): a Native DICOM Model needs none, so it is not read")

    def start(self, name: str, given: dict[str, str]) -> None:
        kind = name.rpartition("}")[2]
        parent = self._path[-1] if self._path else ""
        if kind not in _CHILDREN.get(parent, ()):
            raise Refused(f"<{kind[:40]}> has no place in <{parent or 'the document'}> of a Native DICOM Model")
        self._path.append(kind)
        self._text = []
        self._spend(_ATTRIBUTE_COST if kind == "DicomAttribute" else 1)
        if kind == "NativeDicomModel":
            self._levels.append(_Level())
        elif kind == "DicomAttribute":
            self._begin_attribute(given)
        elif kind == "Item":
            if len(self._levels) > DEPTH_MAX:
                raise Refused(f"sequences are nested more than {DEPTH_MAX} deep")
            self._levels.append(_Level())
        elif kind == "BulkData":
            uri = given.get("uri") or given.get("uuid")
            if not uri:
                raise Refused("a BulkData has neither a uri nor a uuid")
            self._attributes[-1]["BulkDataURI"] = uri
        elif kind == "PersonName":
            self._name = {}
        elif kind in _GROUPS:
            self._name[kind] = {}
        if kind in {"Item", "PersonName", "Value"}:
            self._numbers.append(_number(given, kind, self._attributes[-1]))

    def _spend(self, count: int) -> None:
        self._values_left -= count
        if self._values_left < 0:
            raise Refused(f"the XML has more than {self._values_max} values")

    def _begin_attribute(self, given: dict[str, str]) -> None:
        tag = _tag_of(given)
        vr = given.get("vr") or (vr_of(tag) or "UN")[:2]
        attribute: dict[str, Any] = {"vr": vr}
        if vr == "SQ":
            attribute["Value"] = []
        self._levels[-1].elements.append((tag, given.get("privateCreator"), attribute))
        self._attributes.append(attribute)

    def data(self, text: str) -> None:
        if self._path and self._path[-1] in _TEXTS:
            self._text.append(text)

    def end(self, name: str) -> None:
        kind = self._path.pop()
        text = "".join(self._text)
        self._text = []
        if kind == "NativeDicomModel":
            self.dataset = self._levels.pop().dataset()
        elif kind == "DicomAttribute":
            self._attributes.pop()
        elif kind == "Item":
            self._put(self._levels.pop().dataset())
        elif kind == "Value":
            self._put(_read_value(self._attributes[-1]["vr"], text))
        elif kind == "InlineBinary":
            self._attributes[-1]["InlineBinary"] = "".join(text.split())
        elif kind == "PersonName":
            self._put({group: _joined(parts) for group, parts in self._name.items() if parts} or None)
        elif kind in _COMPONENTS:
            self._name[self._path[-1]][kind] = text

    def _put(self, value: Any) -> None:
        """Put a value in the place that its number names."""
        values = self._attributes[-1].setdefault("Value", [])
        place = self._numbers.pop() - 1
        if place > len(values) + 1000:
            raise Refused(f"a value has the number {place + 1}; there are {len(values)} before it")
        self._spend(max(place - len(values), 0))
        values.extend([None] * (place + 1 - len(values)))
        values[place] = value

    def close(self) -> None:
        """lxml calls it at the end, after an error too."""


_CHILDREN: Final[dict[str, frozenset[str]]] = {
    "": frozenset({"NativeDicomModel"}),
    "NativeDicomModel": frozenset({"DicomAttribute"}),
    "Item": frozenset({"DicomAttribute"}),
    "DicomAttribute": frozenset({"Value", "Item", "PersonName", "BulkData", "InlineBinary"}),
    "PersonName": frozenset(_GROUPS),
    **dict.fromkeys(_GROUPS, frozenset(_COMPONENTS)),
}
_TEXTS: Final = frozenset({"Value", "InlineBinary", *_COMPONENTS})


def _tag_of(given: dict[str, str]) -> int:
    text = given.get("tag")
    if text is None and (named := tag_of(given.get("keyword", ""))) is not None:
        return named
    try:
        if text is not None and len(text) == 8:
            return int(text, 16)
    except ValueError:
        pass
    raise Refused(f"a DicomAttribute has the tag {str(text)[:20]!r}; eight hex digits are needed")


def _number(given: dict[str, str], kind: str, attribute: dict[str, Any]) -> int:
    text = given.get("number")
    if text is None:
        return len(attribute.get("Value") or ()) + 1
    if not text.isascii() or not text.isdigit() or not 1 <= int(text[:10]) <= _VALUES_MAX:
        raise Refused(f"a {kind} has the number {text[:20]!r}; they count from 1")
    return int(text[:10])


def _read_value(vr: str, text: str) -> Any:
    """Read one value as the JSON model has it."""
    if not text:
        return None
    if vr in _INTEGERS or vr in _FLOATS:
        bare = text.strip()
        try:
            if vr in _INTEGERS:
                return int(bare)
            return _OTHER_NUMBERS.get(bare.lower()) or float(bare)
        except ValueError as error:
            raise Refused(f"{bare[:40]!r} is no value of the VR {vr}") from error
    if vr == "PN":
        groups = dict(zip(_GROUPS, text.split("="), strict=False))
        return {group: part for group, part in groups.items() if part} or None
    return text


def _joined(parts: dict[str, str]) -> str:
    return "^".join(parts.get(component, "") for component in _COMPONENTS).rstrip("^")
