"""A part of a video, cut out between frames as it is encoded: what a child process does for `videos` (0008)."""

from __future__ import annotations

import io
from bisect import bisect_left
from typing import Any, Final

from filmless.dicom.movies import with_tables_first
from filmless.errors import Refused

_MUXERS: Final = {"mpegts": "mpegts", "mpegvideo": "mpeg2video"}
_MPEG_2_MARK: Final = 0b01  # in the two bits behind a pack's start code (ISO/IEC 13818-1 2.5.3.3)


class Cut:
    """A video that comes in pieces, in memory: this process can write no file."""

    def __init__(self, bytes_max: int) -> None:
        self._stream = bytearray()
        self._bytes_max = bytes_max

    def add(self, piece: memoryview) -> None:
        """Take the next piece.

        Raises
        ------
        Refused: the video passes its longest.
        """
        if len(self._stream) + len(piece) > self._bytes_max:
            raise Refused(f"the video passes {self._bytes_max} bytes")
        self._stream += piece

    def end(self, first: int, last: int, count: int, *, is_exact: bool) -> tuple[int, int, bytes]:
        """Cut frames `first` to `last` (from 1, of `count`) out; give what they became, and the file.

        A stream can begin at a key frame only, and can end where no later frame is missing in between. Unless
        `is_exact`, the part is widened to where it can. Nothing is encoded anew; sound of that time comes along.

        Raises
        ------
        Refused: the video cannot be cut there, or at all.
        """
        import av

        stream = bytes(self._stream)
        try:
            with av.open(io.BytesIO(stream)) as source:
                begin, end, cut = _cut(source, stream, first, last, count, is_exact=is_exact)
            with av.open(io.BytesIO(cut), "r") as made:  # nothing leaves that a player could not begin with
                is_readable = next(iter(made.decode(video=0)), None) is not None
        except av.FFmpegError as error:
            raise Refused(f"the video cannot be cut: {error}") from error
        if not is_readable:
            raise Refused(f"the video cannot be read from frame {begin} on")
        return begin, end, cut


def _cut(source: Any, stream: bytes, first: int, last: int, count: int, *, is_exact: bool) -> tuple[int, int, bytes]:
    import av

    if not source.streams.video:
        raise Refused("there is no video in it")
    video = source.streams.video[0]
    packets = [packet for packet in source.demux(video, *source.streams.audio) if packet.size]
    shown = [packet for packet in packets if packet.stream.index == video.index]
    if any(packet.pts is None or packet.dts is None for packet in shown):
        raise Refused("a bare stream, which does not say at what time each frame is shown")
    moments = sorted({packet.pts for packet in shown})
    if len(shown) != count or len(moments) != count:
        raise Refused(f"the video has {len(shown)} frames, at {len(moments)} times, and the instance says {count}")
    numbers = [bisect_left(moments, packet.pts) + 1 for packet in shown]
    keys = [at for at, packet in enumerate(shown) if packet.is_keyframe and numbers[at] <= first]
    if not keys:
        raise Refused(f"no key frame is shown before frame {first}")
    begin_at = max(keys, key=lambda at: numbers[at])
    begin = numbers[begin_at]
    end_at, end = _find_end(numbers, begin_at, last)
    if is_exact and (begin, end) != (first, last):
        raise Refused(f"frames {first} to {last} would have to be encoded anew; frames {begin} to {end} would not")
    chosen = {
        id(packet)
        for packet, number in zip(shown[begin_at:end_at], numbers[begin_at:], strict=False)
        if number >= begin
    }  # those shown before a key frame but decoded behind it lean on what is gone
    start_s = float(moments[begin - 1] * video.time_base)
    stop_s = float(moments[end] * video.time_base) if end < count else float("inf")
    file = io.BytesIO()
    kind = _muxer(source.format.name, stream)
    with av.open(file, "w", format=kind) as out:
        streams = {video.index: out.add_stream_from_template(video)}
        for audio in source.streams.audio:
            streams[audio.index] = out.add_stream_from_template(audio)
        for packet in packets:
            is_heard = packet.stream.index != video.index and packet.pts is not None
            if id(packet) in chosen or (is_heard and start_s <= float(packet.pts * packet.time_base) < stop_s):
                shift = round(start_s / packet.time_base)
                packet.pts -= shift
                packet.dts = None if packet.dts is None else packet.dts - shift
                packet.stream = streams[packet.stream.index]
                out.mux(packet)
    made = file.getvalue()
    return begin, end, with_tables_first(made) if kind == "mp4" else made


def _find_end(numbers: list[int], begin_at: int, last: int) -> tuple[int, int]:
    """Find the first place, in the order of decoding, up to which no frame is missing and `last` is there."""
    begin, greatest, found = numbers[begin_at], 0, 0
    for at in range(begin_at, len(numbers)):
        if numbers[at] >= begin:
            found += 1
            greatest = max(greatest, numbers[at])
        if greatest >= last and greatest - begin + 1 == found:
            return at + 1, greatest
    raise Refused(f"the frames from {begin} on are not all there")


def _muxer(name: str, stream: bytes) -> str:
    if "mp4" in name.split(","):
        return "mp4"
    if name == "mpeg":
        return "vob" if stream[4] >> 6 == _MPEG_2_MARK else "mpeg"
    if name not in _MUXERS:
        raise Refused(f"a video in {name} is not cut")
    return _MUXERS[name]
