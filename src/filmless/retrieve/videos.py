"""Videos as they are stored: one stream in the fragments of the pixel data (PS3.5 8.2.5 to 8.2.8, A.4.5 to A.4.10)."""

from __future__ import annotations

import importlib.util
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Final

from filmless.archive import Archive
from filmless.dicom.syntaxes import get_syntax
from filmless.errors import NotAcceptable, NotFound
from filmless.retrieve.decoding import film_decoders
from filmless.retrieve.frames import read_range
from filmless.retrieve.instances import InstanceRecord, StoredInstance

_PACKET: Final = 188
_HEAD_BYTES: Final = 2 * _PACKET
_PIECE_BYTES: Final = 1 << 20
_HEVC: Final = frozenset({"1.2.840.10008.1.2.4.107", "1.2.840.10008.1.2.4.108"})


def is_video(instance: StoredInstance) -> bool:
    """Whether the pixel data of an instance is a video stream."""
    return get_syntax(instance.transfer_syntax_uid).is_video and instance.pixel_offset is not None


@dataclass(frozen=True, slots=True)
class Video:
    """A stream: its pieces in the blob, and its media type by what it is and not by what it should be."""

    media_type: str
    length: int
    ranges: tuple[tuple[int, int], ...]

    def read(self, archive: Archive, instance: StoredInstance, start: int, stop: int) -> Iterator[bytes]:
        """Read bytes from `start` to before `stop`, a mebibyte at a time."""
        position = 0
        for offset, length in self.ranges:
            first, last = max(start - position, 0), min(stop - position, length)
            while first < last:
                count = min(last - first, _PIECE_BYTES)
                yield read_range(archive, instance, offset + first, count)
                first += count
            position += length


def find_video(archive: Archive, record: InstanceRecord) -> Video:
    """Find the stream of a video instance.

    Raises
    ------
    NotFound: there is none in it.
    """
    ranges = tuple(record.frames.ranges(1)) if record.frames is not None and record.frames.count else ()
    length = sum(each for _, each in ranges)
    if not length:
        raise NotFound(f"the instance {record.instance.sop_instance_uid} holds no video stream")
    head = b"".join(Video("", length, ranges).read(archive, record.instance, 0, min(length, _HEAD_BYTES)))
    return Video(media_type_of(head, record.instance.transfer_syntax_uid), length, ranges)


@dataclass(frozen=True, slots=True)
class Part:
    """Frames `first` to `last` (from 1) of a video, as a stream of the same kind."""

    first: int
    last: int
    stream: memoryview


def cut_video(archive: Archive, record: InstanceRecord, first: int, last: int, count: int, *, is_exact: bool) -> Part:
    """Cut frames (from 1, of `count`) out of a video as they are encoded: more than those unless `is_exact`.

    Raises
    ------
    NotAcceptable: it cannot be cut, or so. NotFound: it holds no stream. Unavailable: too many wait.
    """
    if not can_read_videos():
        raise NotAcceptable("videos are cut with the extra: pip install 'filmless[video]'")
    video, allowed = find_video(archive, record), archive.settings.video_cut_bytes_max
    if video.length > allowed:
        raise NotAcceptable(f"a video of {video.length} bytes; up to {allowed} are cut")
    with film_decoders(archive).lease() as ask:
        ask({"task": "cut", "bytes_max": allowed}, [])
        for piece in video.read(archive, record.instance, 0, video.length):
            ask({"task": "cut_piece"}, [piece])
        end = {"task": "cut_end", "first": first, "last": last, "count": count, "is_exact": is_exact}
        info, stream = ask(end, [])
    return Part(int(info["first"]), int(info["last"]), stream)


def can_read_videos() -> bool:
    """Whether the library for videos is installed."""
    return importlib.util.find_spec("av") is not None


def media_type_of(head: bytes, transfer_syntax_uid: str) -> str:
    """Tell the container, or the bare stream, by its first bytes (ISO/IEC 14496-12, 13818-1, 11172-2, 14496-10)."""
    if head[4:8] == b"ftyp":
        return "video/mp4"
    if head[:1] == b"\x47" and (len(head) <= _PACKET or head[_PACKET] == 0x47):
        return "video/mp2t"
    if head[:4] in {b"\0\0\1\xba", b"\0\0\1\xb3"}:
        return "video/mpeg"
    if head[:3] == b"\0\0\1" or head[:4] == b"\0\0\0\1":
        if transfer_syntax_uid in _HEVC:
            return "video/H265"
        if get_syntax(transfer_syntax_uid).media_type == "video/mp4":
            return "video/H264"
    return get_syntax(transfer_syntax_uid).media_type or "application/octet-stream"
