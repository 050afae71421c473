"""What pixel data that come by themselves say: as attributes of the Image Pixel module (PS3.3 C.7.6.3), and where the
frames lie.
"""

from __future__ import annotations

import struct
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Final

from filmless.dicom.codestreams import Codestream, read_codestream
from filmless.dicom.encode import format_decimal
from filmless.dicom.json import JsonDataset
from filmless.dicom.movies import read_movie
from filmless.dicom.syntaxes import EXPLICIT_LE, RLE, get_syntax
from filmless.errors import Refused
from filmless.store.documents import NotSupported

if TYPE_CHECKING:
    from filmless.store.assembling import BulkPart

_FRAGMENT_MAX_BYTES: Final = 0xFFFFFFFE
_ITEM: Final = struct.Struct("<HHL")
_ONE_FRAME: Final = frozenset(
    f"1.2.840.10008.5.1.4.1.1.{arc}" for arc in ("7", "77.1.1", "77.1.2", "77.1.3", "77.1.4", "77.1.5.1", "1", "2", "4")
)
_METHODS: Final = {
    "image/jpeg": "ISO_10918_1", "image/jls": "ISO_14495_1", "image/jp2": "ISO_15444_1", "image/jphc": "ISO_15444_15",
    "image/jxl": "ISO_18181_1",
}  # fmt: skip


@dataclass(slots=True)
class Described:
    """Attributes by how much they count: those that `must` agree, those that are `corrected`, those `offered`.

    `ranges` are offset and length of each frame within its part; None for native pixel data.
    """

    transfer_syntax_uid: str
    bits_allocated: int
    must: JsonDataset = field(default_factory=dict)
    corrected: JsonDataset = field(default_factory=dict)
    offered: JsonDataset = field(default_factory=dict)
    ranges: list[tuple[int, int]] | None = None
    remarks: list[str] = field(default_factory=list)


def _us(value: int) -> dict[str, Any]:
    return {"vr": "US", "Value": [value]}


def _cs(value: str) -> dict[str, Any]:
    return {"vr": "CS", "Value": [value]}


def _integer(dataset: JsonDataset, tag: str) -> int | None:
    values = dataset.get(tag, {}).get("Value") or [None]
    try:
        return None if values[0] is None else int(values[0])
    except (TypeError, ValueError) as error:
        raise Refused(f"{tag} is {str(values[0])[:40]!r}, not a whole number") from error


def describe_native(dataset: JsonDataset, parts: Sequence[BulkPart]) -> Described:
    """Hold the length of uncompressed pixel data against the metadata, which alone say what they are.

    Raises
    ------
    Refused: they are longer or shorter than the metadata say.
    """
    allocated = _integer(dataset, "00280100")
    described = Described(EXPLICIT_LE, allocated or 16)
    numbers = [_integer(dataset, tag) for tag in ("00280010", "00280011", "00280002")]
    if allocated is None or None in numbers:
        return described  # what is missing is told with all else that is
    bits = allocated * (_integer(dataset, "00280008") or 1)
    for number in numbers:
        bits *= number or 0
    if (dataset.get("00280004", {}).get("Value") or [""])[0] in {"YBR_FULL_422", "YBR_PARTIAL_422"}:
        bits = bits * 2 // 3
    length, there = (bits + 7) // 8, sum(part.length for part in parts)
    if there not in {length, length + length % 2}:
        raise Refused(f"the pixel data have {there} bytes; by the metadata they have {length}")
    return described


def describe_pictures(dataset: JsonDataset, parts: Sequence[BulkPart]) -> Described:
    """Read what compressed frames say, one in each part.

    Raises
    ------
    Refused: one is no picture, or they differ.
    """
    if parts[0].media_type == "image/dicom-rle":
        return _describe_rle(dataset, parts)
    found = [read_codestream(part.read_at, part.length) for part in parts]
    first = found[0]
    for number, other in enumerate(found, 1):
        if _kind(other) != _kind(first):
            raise Refused(f"frame {number} is of another size or kind than the first")
    syntax = _syntax(first, parts[0])
    media_type = get_syntax(syntax).media_type or ""
    described = Described(syntax, 8 if first.bits <= 8 else 16, ranges=[(each.offset, each.length) for each in found])
    described.must = {
        "00280002": _us(first.samples_per_pixel),
        "00280010": _us(first.rows),
        "00280011": _us(first.columns),
    }
    if len(parts) > 1:
        described.must["00280008"] = {"vr": "IS", "Value": [len(parts)]}
    described.corrected = _pixel_attributes(dataset, first)
    if get_syntax(syntax).is_lossy:
        size = first.rows * first.columns * first.samples_per_pixel * len(parts) * described.bits_allocated // 8
        _add_lossy(described, size, sum(part.length for part in parts), _METHODS.get(media_type, ""))
    if first.orientation != 1:
        described.remarks.append(
            f"the picture has orientation {first.orientation} in its own header, which DICOM viewers do not know"
        )
    return described


def _kind(found: Codestream) -> tuple[Any, ...]:
    return (
        found.transfer_syntax_uid,
        found.rows,
        found.columns,
        found.samples_per_pixel,
        found.photometric_interpretation,
        found.bits,
        found.is_signed,
    )


def _syntax(found: Codestream, part: BulkPart) -> str:
    """Choose the transfer syntax: the sender's where the picture can be in it."""
    asked = part.transfer_syntax_uid
    if asked is None or asked == found.transfer_syntax_uid or asked in found.others:
        return asked or found.transfer_syntax_uid
    raise Refused(
        f"the part says transfer syntax {asked} ({get_syntax(asked).name}); the picture is in"
        f" {found.transfer_syntax_uid} ({get_syntax(found.transfer_syntax_uid).name})"
    )


def _pixel_attributes(dataset: JsonDataset, found: Codestream) -> JsonDataset:
    """What follows from the picture; of the metadata what can be true stays."""
    photometric = found.photometric_interpretation
    said = (dataset.get("00280004", {}).get("Value") or [None])[0]
    if photometric == "MONOCHROME2" and said in {"MONOCHROME1", "PALETTE COLOR"}:
        photometric = said
    stored = _integer(dataset, "00280101")
    if stored is None or not 1 <= stored <= found.bits:
        stored = found.bits
    attributes = {
        "00280004": _cs(photometric),
        "00280100": _us(8 if found.bits <= 8 else 16),
        "00280101": _us(stored),
        "00280102": _us(stored - 1),
    }
    is_signed = _integer(dataset, "00280103")
    if is_signed is None or get_syntax(found.transfer_syntax_uid).media_type in {"image/jp2", "image/jphc"}:
        attributes["00280103"] = _us(int(found.is_signed))
    if found.samples_per_pixel > 1:
        attributes["00280006"] = _us(0)
    return attributes


def _add_lossy(described: Described, size: int, compressed: int, method: str) -> None:
    """State the lossy compression (PS3.3 C.7.6.1.1.5), unless the metadata do."""
    described.corrected["00282110"] = _cs("01")
    ratio = format_decimal(round(size / max(compressed, 1), 2))
    described.offered["00282112"] = {"vr": "DS", "Value": [ratio]}
    if method:
        described.offered["00282114"] = _cs(method)


def _describe_rle(dataset: JsonDataset, parts: Sequence[BulkPart]) -> Described:
    """RLE says nothing of itself but how many segments it has (PS3.5 G.5): those that the metadata let expect."""
    allocated, samples = _integer(dataset, "00280100") or 0, _integer(dataset, "00280002") or 0
    for number, part in enumerate(parts, 1):
        head = part.read_at(0, 64)
        (segments,) = struct.unpack("<L", head[:4]) if len(head) == 64 else (0,)
        if allocated and samples and segments != samples * allocated // 8:
            raise Refused(f"frame {number} has {segments} RLE segments; by the metadata {samples * allocated // 8}")
    described = Described(RLE, allocated or 8, ranges=[(0, part.length) for part in parts])
    if len(parts) > 1:
        described.must["00280008"] = {"vr": "IS", "Value": [len(parts)]}
    return described


def describe_video(sop_class_uid: str, parts: Sequence[BulkPart]) -> Described:
    """Read what an MP4 file says: size, frames, pace (PS3.5 8.2.7, 8.2.8; PS3.3 C.7.6.5).

    Raises
    ------
    Refused: it is none that DICOM takes, or the class has one frame.
    """
    if len(parts) > 1:
        raise Refused(f"the video comes in {len(parts)} parts")
    if sop_class_uid in _ONE_FRAME:
        raise NotSupported(f"the class {sop_class_uid} holds one frame, and not a video")
    movie = read_movie(parts[0].read_at, parts[0].length)
    described = Described(
        movie.transfer_syntax_uid, 8 if movie.bits <= 8 else 16, ranges=[(0, parts[0].length)], remarks=movie.remarks
    )
    described.must = {
        "00280002": _us(3),
        "00280008": {"vr": "IS", "Value": [movie.number_of_frames]},
        "00280010": _us(movie.rows),
        "00280011": _us(movie.columns),
    }
    described.corrected = {
        "00280004": _cs("YBR_PARTIAL_420"),
        "00280006": _us(0),
        "00280100": _us(described.bits_allocated),
        "00280101": _us(movie.bits),
        "00280102": _us(movie.bits - 1),
        "00280103": _us(0),
    }
    if movie.frame_time_ms > 0:
        time_ms = round(movie.frame_time_ms, 4)
        described.offered = {
            "00180040": {"vr": "IS", "Value": [max(1, round(1000 / time_ms))]},
            "00181063": {"vr": "DS", "Value": [format_decimal(time_ms)]},
            "00280009": {"vr": "AT", "Value": ["00181063"]},
        }
    size = movie.rows * movie.columns * 3 * movie.number_of_frames * described.bits_allocated // 8
    _add_lossy(described, size, parts[0].length, movie.compression_method)
    if movie.has_sound:
        described.remarks.append("the video has sound; Multiplexed Audio Channels Description (003A,0300) is not made")
    return described


def fragments_of(parts: Sequence[BulkPart], described: Described) -> Iterator[bytes]:
    """Write frames as fragments, one each, after an offset table where it fits (PS3.5 A.4)."""
    ranges = described.ranges or []
    lengths = [length + length % 2 for _, length in ranges]
    if max(lengths, default=0) > _FRAGMENT_MAX_BYTES:
        raise Refused("a frame or video is longer than 4 GiB")
    offsets = _offsets(lengths)
    fits = len(lengths) > 1 and offsets[-1] <= 0xFFFFFFFF
    table = struct.pack(f"<{len(offsets)}L", *offsets) if fits else b""
    return _fragments(table, parts, ranges)


def _offsets(lengths: list[int]) -> list[int]:
    offsets, position = [], 0
    for length in lengths:
        offsets.append(position)
        position += 8 + length
    return offsets


def _fragments(table: bytes, parts: Sequence[BulkPart], ranges: list[tuple[int, int]]) -> Iterator[bytes]:
    yield _ITEM.pack(0xFFFE, 0xE000, len(table)) + table
    for part, (offset, length) in zip(parts, ranges, strict=True):
        yield _ITEM.pack(0xFFFE, 0xE000, length + length % 2)
        yield from part.pieces(offset, length)
        yield b"\0" * (length % 2)
