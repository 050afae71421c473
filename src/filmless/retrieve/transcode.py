"""An instance in another transfer syntax: the data set written anew, frame by frame, without further loss."""

from __future__ import annotations

import contextlib
import struct
import zlib
from collections.abc import Iterable, Iterator
from typing import Any, Final

from filmless.archive import Archive
from filmless.archive.limits import scan_limits
from filmless.dicom.compressing import ENCODABLE
from filmless.dicom.part10 import preamble_and_meta
from filmless.dicom.pixels import DECODABLE, NATIVE
from filmless.dicom.rewriting import Replacements, element_head, rewrite
from filmless.dicom.scanner import PIXEL_DATA, Header, scan
from filmless.dicom.syntaxes import (
    DEFLATED,
    EXPLICIT_BE,
    EXPLICIT_LE,
    GE_PRIVATE_BIG_ENDIAN_PIXELS,
    IMPLICIT_LE,
    get_syntax,
)
from filmless.errors import NotAcceptable
from filmless.retrieve.frames import described_frame
from filmless.retrieve.instances import InstanceRecord, StoredInstance

_NATIVE_LENGTH_MAX: Final = 0xFFFFFFFE
_WRITTEN: Final = frozenset({IMPLICIT_LE, EXPLICIT_LE, DEFLATED}) | ENCODABLE
_LONG_ENOUGH: Final = 64 << 10


def can_transcode(instance: StoredInstance, transfer_syntax_uid: str) -> bool:
    """Whether an instance can be had in a transfer syntax, as far as its row tells."""
    stored = instance.transfer_syntax_uid
    if transfer_syntax_uid == stored:
        return True
    if transfer_syntax_uid not in _WRITTEN or get_syntax(stored).is_referenced:
        return False
    if instance.pixel_offset is None or not instance.number_of_frames:
        # Without pixel data any syntax can be written, but a compressed one would say what is not so.
        return transfer_syntax_uid not in ENCODABLE
    return stored in DECODABLE


def part10(archive: Archive, record: InstanceRecord, transfer_syntax_uid: str) -> Iterator[bytes]:
    """Give an instance as a Part 10 file in a transfer syntax; see `data_set`."""
    instance = record.instance
    head = preamble_and_meta(instance.sop_class_uid, instance.sop_instance_uid, transfer_syntax_uid)
    body = data_set(archive, record, transfer_syntax_uid)
    return _prefixed(head, body)


def _prefixed(head: bytes, body: Iterator[bytes]) -> Iterator[bytes]:
    yield head
    yield from body


def data_set(archive: Archive, record: InstanceRecord, transfer_syntax_uid: str) -> Iterator[bytes]:
    """Give the data set of an instance in a transfer syntax, as stored where that is the one.

    The header is read and the first frame decoded before this returns, so what cannot be done is told before the
    first byte is sent.

    Raises
    ------
    NotAcceptable: it cannot be had so. NotFound: the blob is gone. Refused: it cannot be read. Unavailable.
    """
    instance = record.instance
    if transfer_syntax_uid == instance.transfer_syntax_uid:
        length = instance.length_bytes - instance.dataset_offset
        return archive.blobs.stream(instance.blob, instance.dataset_offset, length)
    if not can_transcode(instance, transfer_syntax_uid):
        have, want = get_syntax(instance.transfer_syntax_uid).name, get_syntax(transfer_syntax_uid).name
        raise NotAcceptable(
            f"the instance {instance.sop_instance_uid} is stored as {have} and cannot be given as {want}"
        )
    pieces = _gathered(_written(archive, record, transfer_syntax_uid))
    if get_syntax(transfer_syntax_uid).is_deflated:
        pieces = _deflated(pieces)
    first = next(pieces, b"")
    return _prefixed(first, pieces)


@contextlib.contextmanager
def _whole_header(archive: Archive, record: InstanceRecord) -> Iterator[Header]:
    """Scan a blob to its end, mapped into memory: what stands after the pixel data must not be lost."""
    with archive.blobs.reader(record.instance.blob) as reader:
        yield scan(reader.map(), limits=scan_limits(archive.settings))


def _written(archive: Archive, record: InstanceRecord, transfer_syntax_uid: str) -> Iterator[bytes]:
    is_implicit = transfer_syntax_uid == IMPLICIT_LE
    with _whole_header(archive, record) as header:
        replacements: Replacements = {}
        pixel_data: Iterator[bytes] | None = None
        if _must_decode(record, header, transfer_syntax_uid):
            frames = _frames(archive, record, transfer_syntax_uid)
            first, attributes = next(frames)
            replacements = _replacements(header, attributes)
            data = _all(first, (frame for frame, _ in frames))
            if transfer_syntax_uid in ENCODABLE:
                pixel_data = encapsulated(data)
            else:
                length = len(first) * record.instance.number_of_frames
                bits = attributes["bits_allocated"]
                if bits == 1:
                    length = _one_bit_bytes(header, record)
                    data = joined_bits(data, _frame_bits(header))
                pixel_data = _native(data, length, bits, is_implicit=is_implicit)
        yield from rewrite(header, is_implicit=is_implicit, replacements=replacements, pixel_data=pixel_data)


def _must_decode(record: InstanceRecord, header: Header, transfer_syntax_uid: str) -> bool:
    """Whether the samples must be touched: not from one little endian syntax to another."""
    if header.pixel_data is None or not record.instance.number_of_frames:
        return False
    stored = record.instance.transfer_syntax_uid
    if transfer_syntax_uid in ENCODABLE or stored not in NATIVE:
        return True
    if stored == GE_PRIVATE_BIG_ENDIAN_PIXELS:
        return True
    # Of big endian, 16-bit words are turned round by their VR as any other value; 8-bit samples in OW too, and that
    # puts them right (PS3.5 A.3). Only wider samples need more.
    return stored == EXPLICIT_BE and (header.integer(0x00280100) or 0) > 16


def _replacements(header: Header, attributes: dict[str, Any]) -> Replacements:
    """Say what the transcoding changed, and drop offset tables of frames that are no longer there."""
    samples = attributes["samples_per_pixel"]
    changed: dict[int, tuple[str, bytes] | None] = {
        0x00280004: ("CS", str(attributes["photometric_interpretation"]).encode()),
        0x7FE00001: None,
        0x7FE00002: None,
        0x7FE00003: None,
    }
    if samples > 1:
        changed[0x00280006] = ("US", struct.pack("<H", attributes["planar_configuration"]))
    elif header.text(0x00280004) == attributes["photometric_interpretation"]:
        del changed[0x00280004]
    return changed


def _frames(
    archive: Archive, record: InstanceRecord, transfer_syntax_uid: str
) -> Iterator[tuple[memoryview, dict[str, Any]]]:
    for frame_number in range(1, record.instance.number_of_frames + 1):
        yield described_frame(archive, record, frame_number, transfer_syntax_uid)


def _all(first: memoryview, rest: Iterable[memoryview]) -> Iterator[memoryview]:
    yield first
    yield from rest


def _native(frames: Iterator[memoryview], length: int, bits: int, *, is_implicit: bool) -> Iterator[bytes]:
    if length > _NATIVE_LENGTH_MAX:
        raise NotAcceptable(f"{length} bytes of pixel data do not fit into a native transfer syntax")
    yield element_head(PIXEL_DATA, "OB" if bits <= 8 else "OW", length + length % 2, is_implicit=is_implicit)
    for frame in frames:
        yield bytes(frame)
    if length % 2:
        yield b"\0"


def _one_bit_bytes(header: Header, record: InstanceRecord) -> int:
    return (_frame_bits(header) * record.instance.number_of_frames + 7) // 8


def _frame_bits(header: Header) -> int:
    return (header.integer(0x00280010) or 0) * (header.integer(0x00280011) or 0)


def joined_bits(frames: Iterator[memoryview], bits: int) -> Iterator[memoryview]:
    """Join frames of so many 1-bit samples, which follow each other without padding (PS3.5 8.1.1)."""
    pending, pending_bits = 0, 0
    for frame in frames:
        pending |= (int.from_bytes(frame, "little") & ((1 << bits) - 1)) << pending_bits
        pending_bits += bits
        whole = pending_bits // 8
        yield memoryview((pending & ((1 << whole * 8) - 1)).to_bytes(whole, "little"))
        pending >>= whole * 8
        pending_bits -= whole * 8
    if pending_bits:
        yield memoryview(pending.to_bytes(1, "little"))


def encapsulated(frames: Iterator[memoryview]) -> Iterator[bytes]:
    """Write each frame as one fragment after an empty offset table: lengths are known only as they come (A.4)."""
    yield element_head(PIXEL_DATA, "OB", 0xFFFFFFFF, is_implicit=False)
    yield struct.pack("<HHL", 0xFFFE, 0xE000, 0)
    for frame in frames:
        yield struct.pack("<HHL", 0xFFFE, 0xE000, len(frame) + len(frame) % 2)
        yield bytes(frame)
        if len(frame) % 2:
            yield b"\0"
    yield struct.pack("<HHL", 0xFFFE, 0xE0DD, 0)


def _gathered(pieces: Iterator[bytes]) -> Iterator[bytes]:
    """Join small pieces, of which a header has hundreds, into ones worth sending."""
    gathered, length = [], 0
    for piece in pieces:
        gathered.append(piece)
        length += len(piece)
        if length >= _LONG_ENOUGH:
            yield b"".join(gathered)
            gathered, length = [], 0
    if gathered:
        yield b"".join(gathered)


def _deflated(pieces: Iterator[bytes]) -> Iterator[bytes]:
    deflate = zlib.compressobj(6, zlib.DEFLATED, -zlib.MAX_WBITS)
    length = 0
    for piece in pieces:
        data = deflate.compress(piece)
        length += len(data)
        if data:
            yield data
    data = deflate.flush()
    yield data + b"\0" * ((length + len(data)) % 2)
