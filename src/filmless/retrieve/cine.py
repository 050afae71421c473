"""Multi-frame instances that move, at their own pace: animated GIF, and H.264 where the extra `video` is installed."""

from __future__ import annotations

import hashlib
import math
from collections.abc import Iterator
from dataclasses import asdict, dataclass, replace
from itertools import accumulate, pairwise
from typing import Final

from filmless.archive import Archive
from filmless.dicom.rendering import GIF, RAW, Viewport, animate
from filmless.dicom.scanner import Header
from filmless.errors import NotAcceptable, Refused
from filmless.retrieve.decoding import film_decoders
from filmless.retrieve.frames import read_header
from filmless.retrieve.instances import InstanceRecord
from filmless.retrieve.rendered import Look, draw_frame, render_frame
from filmless.retrieve.thumbnails import cache_of
from filmless.retrieve.videos import can_read_videos

MP4: Final = "video/mp4"
_FRAME_TIME_DEFAULT_MS: Final = 100.0
_FRAME_TIME_MAX_MS: Final = 60_000.0


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


def render_video(archive: Archive, record: InstanceRecord, frame_numbers: list[int], look: Look) -> bytes:
    """Draw frames as an MP4 of H.264 without sound, or find it drawn before. One frame is in memory at a time.

    Raises
    ------
    NotAcceptable: the encoder is not installed, a frame cannot be decoded, or the video passes `cine_bytes_max`.
    Unavailable: too many wait.
    """
    if not can_read_videos():
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
    durations = read_pace(read_header(archive, record.instance)).durations_ms(frame_numbers)
    video = _film(archive, record, frame_numbers, durations, look)
    cache.keep(name, video)
    return video


def _film(
    archive: Archive, record: InstanceRecord, frame_numbers: list[int], durations_ms: list[float], look: Look
) -> bytes:
    """Draw frames by the decoders, and have the encoder's process film each as it comes."""
    mean_ms = sum(durations_ms) / len(durations_ms)
    with film_decoders(archive).lease() as ask:
        ask({"task": "film", "frame_time_ms": mean_ms, "bytes_max": archive.settings.cine_bytes_max}, [])
        for number, duration_ms in zip(frame_numbers, durations_ms, strict=True):
            info, data = draw_frame(archive, record, number, look)
            shape = [int(side) for side in info["shape"]]
            ask({"task": "film_picture", "shape": shape, "duration_ms": duration_ms}, [data[: math.prod(shape)]])
        return bytes(ask({"task": "film_end"}, [])[1])
