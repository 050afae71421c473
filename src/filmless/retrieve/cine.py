"""Multi-frame instances that move, at their own pace: animated GIF, and H.264 where the extra `video` is installed."""

from __future__ import annotations

import hashlib
import importlib.util
import tempfile
from collections.abc import Iterable, Iterator
from dataclasses import asdict, dataclass, replace
from fractions import Fraction
from itertools import accumulate, pairwise
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from filmless.archive import Archive
from filmless.dicom.rendering import GIF, RAW, Viewport, animate
from filmless.dicom.scanner import Header
from filmless.errors import NotAcceptable, Refused
from filmless.retrieve.frames import read_header
from filmless.retrieve.instances import InstanceRecord
from filmless.retrieve.rendered import Look, draw_frame, render_frame
from filmless.retrieve.thumbnails import cache_of

if TYPE_CHECKING:
    from numpy.typing import NDArray

MP4: Final = "video/mp4"
_FRAME_TIME_DEFAULT_MS: Final = 100.0
_FRAME_TIME_MAX_MS: Final = 60_000.0
_SMPTE_170M: Final = 6
_LIMITED_RANGE: Final = 1


@dataclass(frozen=True, slots=True)
class Pace:
    """How fast frames follow each other. `increments_ms`: from the frame before to each frame, the first 0; or none."""

    frame_time_ms: float = _FRAME_TIME_DEFAULT_MS
    increments_ms: tuple[float, ...] = ()

    def durations_ms(self, frame_numbers: list[int]) -> list[float]:
        """How long each of these frames stays: until the next one, the last as long as the mean frame."""
        if not self.increments_ms:
            return [self.frame_time_ms] * len(frame_numbers)
        moments = list(accumulate(self.increments_ms))
        last = len(moments) - 1
        shown = [moments[min(number - 1, last)] for number in frame_numbers]
        gaps = [after - before for before, after in pairwise(shown)]
        return [gap if gap > 0 else self.frame_time_ms for gap in [*gaps, self.frame_time_ms]]


def read_pace(header: Header) -> Pace:
    """Read the pace of a cine: Frame Time Vector or Frame Time, else the rates (PS3.3 C.7.6.5, C.7.6.6)."""
    vector = tuple(number for number in header.numbers(0x00181065) if 0 <= number < _FRAME_TIME_MAX_MS)
    is_pointed = header.texts(0x00280009) == ["00181065"] or 0x00181063 not in header
    if len(vector) > 1 and is_pointed and sum(vector) > 0:
        return Pace(sum(vector) / (len(vector) - 1), vector)
    frame_time = header.number(0x00181063)
    if frame_time and 0 < frame_time < _FRAME_TIME_MAX_MS:
        return Pace(frame_time)
    for tag in (0x00082144, 0x00180040):  # Recommended Display Frame Rate, Cine Rate
        rate = header.number(tag)
        if rate and 0 < rate < 1000:
            return Pace(1000 / rate)
    return Pace()


def cine_frames(archive: Archive, record: InstanceRecord, frame_numbers: list[int]) -> list[int]:
    """Give the frames that are to move: those named, else all.

    Raises
    ------
    Refused: there are more than `cine_frames_max`.
    """
    chosen = frame_numbers or list(range(1, record.instance.number_of_frames + 1))
    allowed = archive.settings.cine_frames_max
    if len(chosen) > allowed:
        raise Refused(f"{len(chosen)} frames in one picture; {allowed} are allowed: name some of them (…/frames/1,2,3)")
    return chosen


def render_gif(archive: Archive, record: InstanceRecord, frame_numbers: list[int], look: Look) -> Iterator[bytes]:
    """Draw frames as one GIF, one frame in memory at a time; the first is drawn before this returns."""
    look = replace(look, media_type=GIF)
    pictures = (render_frame(archive, record, number, look) for number in frame_numbers)
    durations = read_pace(read_header(archive, record.instance)).durations_ms(frame_numbers)
    pieces = animate(pictures, delays_ms=durations)
    first = next(pieces)
    return _prefixed(first, pieces)


def _prefixed(first: bytes, rest: Iterator[bytes]) -> Iterator[bytes]:
    yield first
    yield from rest


def can_make_videos() -> bool:
    """Whether the encoder is installed."""
    return importlib.util.find_spec("av") is not None


def render_video(archive: Archive, record: InstanceRecord, frame_numbers: list[int], look: Look) -> bytes:
    """Draw frames as an MP4 of H.264 without sound, or find it drawn before. One frame is in memory at a time.

    Raises
    ------
    NotAcceptable: the encoder is not installed, a frame cannot be decoded, or the video passes `cine_bytes_max`.
    Unavailable: too many wait.
    """
    if not can_make_videos():
        raise NotAcceptable(
            f"{MP4} needs the optional encoder, which is not installed here: pip install 'filmless[video]'"
        )
    settings = archive.settings
    side = settings.cine_side_max
    viewport, may_grow = look.viewport, look.may_grow
    if viewport is None:
        viewport, may_grow = Viewport(side, side), False
    elif max(viewport.width, viewport.height) > side:
        raise Refused(f"a video of {viewport.width} x {viewport.height}; up to {side} x {side} are made")
    look = replace(look, media_type=RAW, viewport=viewport, may_grow=may_grow)
    asked = hashlib.sha256(repr((asdict(look), frame_numbers)).encode()).hexdigest()[:24]
    cache, name = cache_of(archive), f"{record.instance.blob}-{asked}.mp4"
    kept = cache.find(name)
    if kept is not None:
        return kept
    pace = read_pace(read_header(archive, record.instance))
    pictures = (_pixels(archive, record, number, look) for number in frame_numbers)
    folder = settings.data / "spool"
    folder.mkdir(exist_ok=True)
    with tempfile.NamedTemporaryFile(dir=folder, suffix=".mp4") as file:
        _encode(pictures, pace.durations_ms(frame_numbers), Path(file.name), settings.cine_bytes_max)
        video = Path(file.name).read_bytes()
    cache.keep(name, video)
    return video


def _pixels(archive: Archive, record: InstanceRecord, frame_number: int, look: Look) -> NDArray[Any]:
    """Draw one frame as an RGB array with an even number of rows and columns, as the encoder wants them."""
    import numpy as np

    info, data = draw_frame(archive, record, frame_number, look)
    shape = [int(side) for side in info["shape"]]
    shown = np.frombuffer(data, np.uint8, count=int(np.prod(shape))).reshape(shape)
    if shown.ndim == 2:
        shown = np.repeat(shown[:, :, None], 3, axis=2)
    return np.pad(shown, ((0, shape[0] % 2), (0, shape[1] % 2), (0, 0)), mode="edge")


def _encode(pictures: Iterable[NDArray[Any]], durations_ms: list[float], path: Path, bytes_max: int) -> None:
    """Write a video. Times are exact to the millisecond, so a Frame Time Vector keeps its pauses."""
    import av
    import numpy as np

    milliseconds = Fraction(1, 1000)
    moment, written = 0.0, 0
    stream: Any = None
    with av.open(str(path), "w", format="mp4", options={"movflags": "+faststart"}) as container:
        for shown, duration in zip(pictures, durations_ms, strict=True):
            if stream is None:
                stream = _stream(container, shown, sum(durations_ms) / len(durations_ms), milliseconds)
            frame = av.VideoFrame.from_ndarray(np.ascontiguousarray(shown), format="rgb24")
            frame.pts, frame.time_base = round(moment), milliseconds
            moment += duration
            written += _write(container, stream.encode(frame))
            if written > bytes_max:
                raise _too_long(bytes_max)
        written += _write(container, stream.encode(None))
    if written > bytes_max:
        raise _too_long(bytes_max)


def _stream(container: Any, shown: NDArray[Any], frame_time_ms: float, time_base: Fraction) -> Any:
    stream = container.add_stream("libx264", rate=Fraction(1000 / frame_time_ms).limit_denominator(1000))
    stream.height, stream.width, stream.pix_fmt = shown.shape[0], shown.shape[1], "yuv420p"
    stream.options = {"crf": "18", "preset": "veryfast", "profile": "high"}
    context = stream.codec_context
    context.time_base, context.thread_count = time_base, 1
    context.colorspace, context.color_range = _SMPTE_170M, _LIMITED_RANGE
    return stream


def _write(container: Any, packets: list[Any]) -> int:
    length = sum(int(packet.size) for packet in packets)
    container.mux(packets)
    return length


def _too_long(bytes_max: int) -> NotAcceptable:
    return NotAcceptable(f"the video passes {bytes_max} bytes: ask for fewer frames or a smaller viewport")
