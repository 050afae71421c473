"""Makes a Part 10 file of metadata and the bulk data beside them: the web capture of STOW-RS (PS3.18 10.5.1, 10.5.2).

What a picture, a video or a document says of itself completes the metadata and is held against them. The same input
gives the same bytes, so that a request that is sent again brings nothing new.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import IO, Any, Final

from filmless.dicom.dictionary import format_tag, keyword_of, vr_of
from filmless.dicom.encode import LongValue, encode_pieces
from filmless.dicom.iods import required_of
from filmless.dicom.json import JsonDataset
from filmless.dicom.part10 import preamble_and_meta
from filmless.dicom.syntaxes import EXPLICIT_LE, OCTET_STREAM
from filmless.dicom.uids import NON_PATIENT_CLASSES, is_storable
from filmless.errors import Refused
from filmless.store.documents import Incomplete, NotSupported, check_document
from filmless.store.pictures import Described, describe_native, describe_pictures, describe_video, fragments_of

PIXEL_DATA: Final = "7FE00010"
_DOCUMENT: Final = "00420011"
_PIECE_BYTES: Final = 1 << 20
_INNER_MAX_BYTES: Final = 64 << 20
_VALUE_MAX_BYTES: Final = 0xFFFFFFFE
_IDENTITY: Final = ("00080016", "00080018", "0020000D", "0020000E")


@dataclass(frozen=True, slots=True)
class BulkPart:
    """Bulk data as they came: a range of a spool file, and what the sender says they are."""

    media_type: str
    transfer_syntax_uid: str | None
    file: IO[bytes]
    offset: int
    length: int

    def read_at(self, offset: int, length: int) -> bytes:
        """Read a range of them."""
        self.file.seek(self.offset + offset)
        return self.file.read(max(0, min(length, self.length - offset)))

    def pieces(self, offset: int = 0, length: int | None = None) -> Iterator[bytes]:
        """Read a range in pieces."""
        end = offset + (self.length - offset if length is None else length)
        while offset < end:
            piece = self.read_at(offset, min(_PIECE_BYTES, end - offset))
            if not piece:
                raise Refused("the bulk data are shorter than they were")
            yield piece
            offset += len(piece)


@dataclass(slots=True)
class Assembled:
    """One instance, ready to be written."""

    sop_class_uid: str
    sop_instance_uid: str
    study_instance_uid: str
    transfer_syntax_uid: str
    pieces: Iterator[bytes]
    warnings: list[str] = field(default_factory=list)


def first_value(dataset: JsonDataset, tag: str) -> Any:
    """Give the first value of an attribute, None when it has none."""
    values = dataset.get(tag, {}).get("Value")
    return values[0] if isinstance(values, list) and values else None


def uid_of(dataset: JsonDataset, tag: str) -> str:
    """Give a UID, "" when there is none."""
    uid = first_value(dataset, tag)
    return uid.strip(" \0") if isinstance(uid, str) else ""


def bulk_uris(dataset: JsonDataset) -> dict[str, int]:
    """Every BulkDataURI of a data set and how many parts it wants: the frames of a picture are one each."""
    found: dict[str, int] = {}
    waiting: list[tuple[JsonDataset, bool]] = [(dataset, True)]
    while waiting:
        level, is_top = waiting.pop()
        for tag, attribute in level.items():
            if not isinstance(attribute, dict):
                continue
            uri = attribute.get("BulkDataURI")
            if isinstance(uri, str):
                found[uri] = _frames(dataset) if is_top and tag == PIXEL_DATA else 1
            elif attribute.get("vr") == "SQ" and isinstance(attribute.get("Value"), list):
                waiting.extend((item, False) for item in attribute["Value"] if isinstance(item, dict))
    return found


def _frames(dataset: JsonDataset) -> int:
    number = first_value(dataset, "00280008")
    try:
        return max(int(number), 1) if number is not None else 1
    except (TypeError, ValueError):
        return 1


def assemble(dataset: JsonDataset, bulk: Mapping[str, Sequence[BulkPart]]) -> Assembled:
    """Make a Part 10 file of a data set and its bulk data by BulkDataURI.

    Raises
    ------
    Incomplete, NotSupported, Refused: the message says what is missing or wrong.
    """
    is_non_patient = uid_of(dataset, _IDENTITY[0]) in NON_PATIENT_CLASSES
    for tag in _IDENTITY[:2] if is_non_patient else _IDENTITY:
        if not is_storable(uid_of(dataset, tag)):
            raise Incomplete(f"{_name(tag)} is missing or is no UID")
    dataset = {tag: attribute for tag, attribute in dataset.items() if not tag.startswith("0002")}
    sop_class_uid = uid_of(dataset, _IDENTITY[0])
    long_values: dict[str, LongValue] = {}
    warnings: list[str] = []
    syntax = EXPLICIT_LE
    for tag in sorted(dataset):
        attribute = dataset[tag]
        uri = attribute.get("BulkDataURI") if isinstance(attribute, dict) else None
        if not isinstance(uri, str):
            continue
        parts = bulk.get(uri)
        if not parts:
            raise Incomplete(f"the bulk data of {_name(tag)} did not come: {uri[:200]}")
        if tag == PIXEL_DATA:
            described = _describe(dataset, sop_class_uid, parts)
            syntax = described.transfer_syntax_uid
            warnings += described.remarks
            _complete(dataset, described, warnings)
            long_values[tag] = _pixel_value(described, parts)
        else:
            if tag == _DOCUMENT:
                for name, value in check_document(sop_class_uid, dataset, parts[0], warnings).items():
                    dataset[name] = value
            long_values[tag] = _plain_value(tag, attribute, parts)
    _require(dataset, sop_class_uid, warnings)
    body = encode_pieces(dataset, long_values, read_bulk=lambda uri: _inner(bulk, uri))
    head = preamble_and_meta(sop_class_uid, uid_of(dataset, _IDENTITY[1]), syntax)
    return Assembled(
        sop_class_uid,
        uid_of(dataset, _IDENTITY[1]),
        uid_of(dataset, _IDENTITY[2]),
        syntax,
        _after(head, body),
        warnings,
    )


def _after(head: bytes, body: Iterator[bytes]) -> Iterator[bytes]:
    yield head
    yield from body


def _name(tag: str) -> str:
    number = int(tag, 16)
    return f"{keyword_of(number) or 'attribute'} {format_tag(number)}"


def _describe(dataset: JsonDataset, sop_class_uid: str, parts: Sequence[BulkPart]) -> Described:
    media_type = parts[0].media_type
    if len({part.media_type for part in parts}) > 1:
        raise NotSupported("the frames come in different media types")
    if media_type == OCTET_STREAM and parts[0].transfer_syntax_uid in {None, EXPLICIT_LE}:
        return describe_native(dataset, parts)
    if media_type.startswith("image/"):
        return describe_pictures(dataset, parts)
    if media_type == "video/mp4":
        return describe_video(sop_class_uid, parts)
    raise NotSupported(
        f"pixel data of the media type {media_type} are not taken: octet-stream, JPEG, JPEG-LS, JPEG 2000, HTJ2K,"
        " JPEG XL, RLE and MP4 are"
    )


def _pixel_value(described: Described, parts: Sequence[BulkPart]) -> LongValue:
    if described.ranges is None:
        length = sum(part.length for part in parts)
        vr = "OB" if described.bits_allocated <= 8 else "OW"
        return LongValue(vr, _checked(length), (piece for part in parts for piece in part.pieces()))
    return LongValue("OB", None, fragments_of(parts, described))


def _plain_value(tag: str, attribute: dict[str, Any], parts: Sequence[BulkPart]) -> LongValue:
    vr = attribute.get("vr") or (vr_of(int(tag, 16)) or "UN").split(" or ")[0]
    if len(parts) > 1:
        raise Incomplete(f"{_name(tag)} has {len(parts)} parts of bulk data")
    if vr == "SQ":
        raise Incomplete(f"{_name(tag)} is a sequence; it has no bulk data")
    return LongValue(vr, _checked(parts[0].length), parts[0].pieces())


def _checked(length: int) -> int:
    if length > _VALUE_MAX_BYTES:
        raise NotSupported(f"a value of {length} bytes does not fit into a data set: 4 GiB do")
    return length


def _inner(bulk: Mapping[str, Sequence[BulkPart]], uri: str) -> bytes:
    """Read bulk data of an item: sequences are written with their length, so it must be in memory."""
    parts = bulk.get(uri)
    if not parts or len(parts) > 1:
        raise Incomplete(f"the bulk data did not come: {uri[:200]}")
    if parts[0].length > _INNER_MAX_BYTES:
        raise NotSupported(f"bulk data within a sequence are longer than {_INNER_MAX_BYTES} bytes")
    return parts[0].read_at(0, parts[0].length)


def _complete(dataset: JsonDataset, described: Described, warnings: list[str]) -> None:
    """Put in what the pixel data say of themselves; where the metadata say otherwise refuse, or correct and tell.

    Raises
    ------
    Incomplete: size, samples or frames contradict.
    """
    for tag, value in described.must.items():
        said = first_value(dataset, tag)
        if said is not None and _plain(said) != _plain(first_value({tag: value}, tag)):
            found = first_value({tag: value}, tag)
            raise Incomplete(f"{_name(tag)} is {str(said)[:40]} in the metadata and {found} in the pixel data")
        dataset[tag] = value
    for tag, value in described.corrected.items():
        said = first_value(dataset, tag)
        if said is not None and _plain(said) != _plain(first_value({tag: value}, tag)):
            warnings.append(f"{_name(tag)} was {str(said)[:40]}, is {first_value({tag: value}, tag)}")
        dataset[tag] = value
    for tag, value in described.offered.items():
        if first_value(dataset, tag) is None:
            dataset[tag] = value


def _plain(value: Any) -> Any:
    """Compare numbers by what they are: XML has them as text."""
    try:
        return float(value)
    except (TypeError, ValueError):
        return value.strip() if isinstance(value, str) else value


def _require(dataset: JsonDataset, sop_class_uid: str, warnings: list[str]) -> None:
    """Hold the data set against its class: what must have a value has one, what may be empty is there.

    Raises
    ------
    Incomplete: with all that is missing.
    """
    required = required_of(sop_class_uid)
    if required is None:
        return
    missing = sorted(tag for tag in required.type_1 if not _has_value(dataset.get(tag)))
    if missing:
        raise Incomplete(f"missing: {', '.join(map(_name, missing))}")
    added = sorted(required.type_2 - dataset.keys())
    for tag in added:
        dataset[tag] = {"vr": (vr_of(int(tag, 16)) or "UN").split(" or ")[0]}
    if added:
        warnings.append(f"added without a value: {', '.join(map(_name, added))}")


def _has_value(attribute: Any) -> bool:
    if not isinstance(attribute, dict):
        return False
    values = attribute.get("Value")
    if isinstance(values, list) and any(value is not None and value != "" for value in values):
        return True
    return bool(attribute.get("InlineBinary") or attribute.get("BulkDataURI"))
