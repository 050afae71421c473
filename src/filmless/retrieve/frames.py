"""Frames: a byte range of the blob as stored, or decoded and encoded anew where the stored form will not do."""

from __future__ import annotations

import mmap
import threading
import zlib
from collections import OrderedDict
from dataclasses import dataclass
from typing import Any, Final

from filmless.archive import Archive
from filmless.archive.limits import scan_limits
from filmless.archive.tables import Flags
from filmless.dicom.compressing import ENCODABLE, LOSSY
from filmless.dicom.frames import native_frame_bytes, shift_bits
from filmless.dicom.inflating import Spool, inflate_pieces
from filmless.dicom.pixels import DECODABLE, NATIVE, Extent, native_extent, read_format
from filmless.dicom.scanner import Header, scan
from filmless.dicom.syntaxes import DEFLATED, EXPLICIT_LE, get_syntax
from filmless.errors import NotAcceptable, NotFound, Refused
from filmless.retrieve.decoding import Decoders, decoders
from filmless.retrieve.instances import InstanceRecord, StoredInstance

_INFLATED_KEPT: Final = 2
_INFLATED_KEPT_BYTES: Final = 64 << 20
_MAPPED_FROM: Final = 1 << 20
_AT_HAND_MAX: Final = 4 << 20
_HEADER_SENT_MAX_BYTES: Final = 64 << 20  # to a decoder, with each frame

FIX_UPS: Final = Flags.YBR_FULL_422_NATIVE | Flags.J2K_SIGN_MISMATCH | Flags.BIG_ENDIAN
"""Frames that clients show wrongly as stored; they leave as Explicit VR Little Endian with values as meant."""


@dataclass(frozen=True, slots=True)
class FrameBytes:
    """One frame and the transfer syntax it is in; native frames are little endian."""

    data: bytes | memoryview
    transfer_syntax_uid: str


class _Inflated:
    """Deflated data sets inflated last: frames of one are asked for one after the other."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._kept: OrderedDict[str, bytes | mmap.mmap] = OrderedDict()

    def get(self, archive: Archive, instance: StoredInstance) -> bytes | mmap.mmap:
        with self._lock:
            if (data := self._kept.get(instance.blob)) is not None:
                self._kept.move_to_end(instance.blob)
                return data
        data = _inflate(archive, instance)
        if len(data) <= _INFLATED_KEPT_BYTES:
            with self._lock:
                self._kept[instance.blob] = data
                while len(self._kept) > _INFLATED_KEPT:
                    self._kept.popitem(last=False)
        return data


_inflated = _Inflated()


def _inflate(archive: Archive, instance: StoredInstance) -> bytes | mmap.mmap:
    """Inflate the data set of a deflated instance.

    Raises
    ------
    Refused: it is damaged, or grows beyond `inflate_max_bytes`. Unavailable: the disk is full.
    """
    limits = scan_limits(archive.settings)
    length = instance.length_bytes - instance.dataset_offset
    pieces = archive.blobs.stream(instance.blob, instance.dataset_offset, length)
    spool = Spool(limits.spool_folder)
    try:
        inflate_pieces(pieces, spool.write, window=-zlib.MAX_WBITS, limit=limits.inflate_max_bytes)
        if spool.length > limits.inflate_max_bytes:
            raise Refused(f"the data set inflates beyond {limits.inflate_max_bytes} bytes")
        return spool.take()
    except zlib.error as error:
        raise Refused(f"the deflated data set is damaged: {error}") from error
    finally:
        spool.close()


def inflated(archive: Archive, instance: StoredInstance) -> bytes | mmap.mmap:
    """Give the inflated data set of a deflated instance: the same again when it was asked for lately."""
    return _inflated.get(archive, instance)


def read_range(archive: Archive, instance: StoredInstance, offset: int, length: int) -> bytes:
    """Read bytes where the offsets of the instance count: in its blob, or in its inflated data set."""
    if instance.has(Flags.DEFLATED):
        return _inflated.get(archive, instance)[offset : offset + length]
    return archive.blobs.read(instance.blob, offset, length)


def read_header_bytes(archive: Archive, instance: StoredInstance) -> tuple[bytes | mmap.mmap, str | None]:
    """Read all that stands before the pixel data, and the transfer syntax if that is a bare data set."""
    end = instance.pixel_offset
    if instance.has(Flags.DEFLATED):
        data = _inflated.get(archive, instance)
        return data if end is None else data[:end], EXPLICIT_LE
    return archive.blobs.read(instance.blob, 0, instance.length_bytes if end is None else end), None


def read_header(archive: Archive, instance: StoredInstance) -> Header:
    """Scan what stands before the pixel data."""
    is_document = instance.pixel_offset is None and instance.length_bytes > _MAPPED_FROM
    if (is_document or (instance.pixel_offset or 0) > _HEADER_SENT_MAX_BYTES) and not instance.has(Flags.DEFLATED):
        # A document, raw data, or a long private element: mapped, not read. The mapping ends with the header.
        with archive.blobs.reader(instance.blob) as reader:
            return scan(reader.map(), limits=scan_limits(archive.settings))
    data, bare_syntax = read_header_bytes(archive, instance)
    total = len(data) if bare_syntax else instance.length_bytes
    return scan(data, transfer_syntax_uid=bare_syntax, total_length=total, limits=scan_limits(archive.settings))


def _check_number(instance: StoredInstance, frame_number: int) -> None:
    if instance.pixel_offset is None or instance.pixel_length is None or instance.number_of_frames < 1:
        raise NotFound(f"the instance {instance.sop_instance_uid} has no frames")
    if not 1 <= frame_number <= instance.number_of_frames:
        raise NotFound(f"frame {frame_number} is not among the {instance.number_of_frames} of this instance")


def has_cut_frame(instance: StoredInstance) -> bool:
    """Whether all there is of an image is the beginning of its first frame: enough to be shown, not to be given."""
    return instance.number_of_frames == 0 and bool(instance.pixel_length) and instance.transfer_syntax_uid in NATIVE


def _native_length(record: InstanceRecord) -> int | None:
    """Give the length of a native frame by the row alone; None when a frame table or the header must be asked."""
    instance = record.instance
    if record.frames is not None:
        return None
    return native_frame_bytes(instance.rows, instance.columns, instance.number_of_frames, instance.pixel_length)


def stored_frame(archive: Archive, record: InstanceRecord, frame_number: int) -> FrameBytes:
    """Read one frame (from 1) as stored; one of `FIX_UPS` in the form that clients read rightly.

    Raises
    ------
    NotFound: there is no such frame, or the blob is gone. NotAcceptable: a frame to be fixed cannot be decoded.
    """
    instance = record.instance
    _check_number(instance, frame_number)
    if instance.flags & FIX_UPS:
        return transcoded_frame(archive, record, frame_number, EXPLICIT_LE)
    if get_syntax(instance.transfer_syntax_uid).is_encapsulated:
        return FrameBytes(_encapsulated(archive, record, frame_number), instance.transfer_syntax_uid)
    length = _native_length(record)
    if length is None:
        extent, data = _native(archive, record, frame_number)
        if extent.bits % 8 or extent.skip_bits:
            # Frames of one bit a pixel share a byte: each leaves from a byte of its own, with nothing of the next.
            data = shift_bits(data, extent.skip_bits, extent.bits)
        return FrameBytes(data, EXPLICIT_LE)
    offset = (instance.pixel_offset or 0) + (frame_number - 1) * length
    return FrameBytes(read_range(archive, instance, offset, length), EXPLICIT_LE)


def frame_at_hand(archive: Archive, record: InstanceRecord, frame_number: int) -> bytes | None:
    """Read one frame as stored if the system has it in memory, so that an event loop may; None when it must wait."""
    instance = record.instance
    if instance.flags & (FIX_UPS | Flags.DEFLATED):
        return None
    _check_number(instance, frame_number)
    if get_syntax(instance.transfer_syntax_uid).is_encapsulated:
        ranges = [] if record.frames is None else record.frames.ranges(frame_number)
    else:
        length = _native_length(record) or 0
        ranges = [((instance.pixel_offset or 0) + (frame_number - 1) * length, length)]
    total = sum(length for _, length in ranges)
    if not 0 < total <= _AT_HAND_MAX:
        return None
    return archive.blobs.at_hand(instance.blob, ranges)


def _encapsulated(archive: Archive, record: InstanceRecord, frame_number: int) -> bytes:
    if record.frames is None:
        raise NotFound(f"the frames of the instance {record.instance.sop_instance_uid} could not be located")
    ranges = record.frames.ranges(frame_number)
    if len(ranges) > 1:
        # Fragments lie one after the other, 8 bytes apart: one read, which from a bucket is one request.
        begin, end = ranges[0][0], ranges[-1][0] + ranges[-1][1]
        if 0 < end - begin <= 2 * sum(length for _, length in ranges):
            data = memoryview(read_range(archive, record.instance, begin, end - begin))
            return b"".join(data[offset - begin : offset - begin + length] for offset, length in ranges)
    return b"".join(read_range(archive, record.instance, offset, length) for offset, length in ranges)


def _native(archive: Archive, record: InstanceRecord, frame_number: int) -> tuple[Extent, bytes]:
    """Read the bytes that hold a native frame, and say which of their bits it has."""
    instance = record.instance
    form = read_format(read_header(archive, instance))
    extent = native_extent(form, frame_number - 1)
    length = max(0, min(extent.length, (instance.pixel_length or 0) - extent.offset))
    return extent, read_range(archive, instance, (instance.pixel_offset or 0) + extent.offset, length)


def _needs_extent(record: InstanceRecord) -> bool:
    is_odd = record.instance.flags & (Flags.BIG_ENDIAN | Flags.YBR_FULL_422_NATIVE)
    return bool(is_odd) or _native_length(record) is None


@dataclass(frozen=True, slots=True)
class FrameTask:
    """What a decoder process needs of one frame: the words of its task, the header, and the frame as it lies."""

    words: dict[str, Any]
    header: bytes | memoryview
    data: bytes | memoryview


def read_frame_task(
    archive: Archive, record: InstanceRecord, frame_number: int, *, is_lenient: bool = False
) -> FrameTask:
    """Read one frame (from 1) and its header, for a decoder process.

    Raises
    ------
    NotFound: there is no such frame. NotAcceptable: it cannot be decoded.
    """
    instance = record.instance
    uid = instance.transfer_syntax_uid
    if not (is_lenient and frame_number == 1 and has_cut_frame(instance)):
        _check_number(instance, frame_number)
    if uid not in DECODABLE:
        raise NotAcceptable(f"pixel data in transfer syntax {uid} ({get_syntax(uid).name}) cannot be decoded")
    if (instance.pixel_offset or 0) > _HEADER_SENT_MAX_BYTES:
        raise NotAcceptable(
            f"{instance.pixel_offset} bytes stand before the pixel data;"
            f" frames are decoded behind at most {_HEADER_SENT_MAX_BYTES}"
        )
    skip_bits = 0
    header: bytes | memoryview
    data: bytes | memoryview
    header, bare_syntax = b"", None
    if uid not in NATIVE:
        data = _encapsulated(archive, record, frame_number)
    elif _needs_extent(record):
        extent, data = _native(archive, record, frame_number)
        skip_bits = extent.skip_bits
    else:
        length, begin = _native_length(record) or 0, instance.pixel_offset or 0
        if frame_number == 1 and not instance.has(Flags.DEFLATED):
            whole = memoryview(archive.blobs.read(instance.blob, 0, begin + length))  # one read for both
            header, data = whole[:begin], whole[begin:]
        else:
            data = read_range(archive, instance, begin + (frame_number - 1) * length, length)
    if not header:
        before, bare_syntax = read_header_bytes(archive, instance)
        header = memoryview(before)
    words = {
        "key": instance.blob,
        "bare_syntax": bare_syntax,
        "total_length": len(header) if bare_syntax else instance.length_bytes,
        "skip_bits": skip_bits,
        "frame_number": frame_number,
        "as_rgb": True,
        "is_lenient": is_lenient,
    }
    return FrameTask(words, header, data)


def run_on_frame(
    archive: Archive,
    record: InstanceRecord,
    frame_number: int,
    task: dict[str, Any],
    pool: Decoders | None = None,
    more: list[bytes | memoryview] | None = None,
) -> tuple[dict[str, Any], memoryview]:
    """Hand one frame to a decoder process with a task of `decoder.Tasks` and the parts that it takes besides.

    The process is of this process's pool if none is named.

    Raises
    ------
    NotFound: there is no such frame. NotAcceptable: it cannot be decoded, or not so. Unavailable: try again later.
    """
    frame = read_frame_task(archive, record, frame_number, is_lenient=bool(task.get("is_lenient")))
    parts = [frame.header, frame.data, *(more or [])]
    return (pool or decoders(archive)).run({**frame.words, **task}, parts)


def transcoded_frame(
    archive: Archive, record: InstanceRecord, frame_number: int, transfer_syntax_uid: str
) -> FrameBytes:
    """Decode one frame (from 1) and give it in another transfer syntax, without further loss.

    Raises
    ------
    NotFound, NotAcceptable, Unavailable
    """
    data, _ = described_frame(archive, record, frame_number, transfer_syntax_uid)
    return FrameBytes(data, transfer_syntax_uid)


def described_frame(
    archive: Archive, record: InstanceRecord, frame_number: int, transfer_syntax_uid: str
) -> tuple[memoryview, dict[str, Any]]:
    """Give a transcoded frame and the Image Pixel attributes it now has; see `transcoded_frame`."""
    # What was losslessly kept as YBR_FULL stays so: the way to RGB rounds. Subsampled native frames become RGB,
    # which every client reads, and so does what must fit its metadata (`metadata.py` says RGB for the same flag).
    as_rgb = record.instance.has(Flags.YBR_FULL_422_NATIVE)
    if transfer_syntax_uid in NATIVE:
        info, data = run_on_frame(archive, record, frame_number, {"task": "decode", "as_rgb": as_rgb})
    elif transfer_syntax_uid in ENCODABLE | LOSSY:
        if transfer_syntax_uid in LOSSY:
            _require_all(archive, record)
        task = {"task": "encode", "as_rgb": as_rgb, "transfer_syntax_uid": transfer_syntax_uid}
        info, data = run_on_frame(archive, record, frame_number, task)
    else:
        raise NotAcceptable(f"frames are not made in transfer syntax {transfer_syntax_uid}")
    return data, info


def _require_all(archive: Archive, record: InstanceRecord) -> None:
    """Hold that nothing was lost yet of what is about to lose something (Lossy Image Compression, PS3.3 C.7.6.1.1.5).

    Raises
    ------
    NotAcceptable
    """
    stored = get_syntax(record.instance.transfer_syntax_uid)
    if stored.is_lossy or (read_header(archive, record.instance).text(0x00282110) or "").strip() == "01":
        raise NotAcceptable(
            f"the image was compressed with loss already ({stored.name}); it is not compressed with loss once more"
        )


def served_syntax(instance: StoredInstance) -> str:
    """Name the transfer syntax in which frames leave as stored: native ones are all Explicit VR Little Endian."""
    uid = instance.transfer_syntax_uid
    return EXPLICIT_LE if uid in NATIVE or instance.flags & FIX_UPS or uid == DEFLATED else uid
