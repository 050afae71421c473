"""Videos, made with FFmpeg's libraries."""

from __future__ import annotations

import io
from fractions import Fraction
from typing import Any

import av
import numpy as np
from pydicom import Dataset

import make

H264 = "1.2.840.10008.1.2.4.102"
H265 = "1.2.840.10008.1.2.4.107"
MPEG2 = "1.2.840.10008.1.2.4.100"

_HERTZ = 48000
_TONE = np.sin(np.arange(_HERTZ // 25) * (2 * np.pi * 20 / (_HERTZ // 25)))[None, :].astype(np.float32)


def video(
    container: str = "mp4",
    codec: str = "libx264",
    frames: int = 6,
    side: int = 64,
    options: dict[str, str] | None = None,
    *,
    has_sound: bool = False,
) -> bytes:
    """A video of frames that grow lighter; the sound is 25 pieces a second, each as loud as the frame is light."""
    file = io.BytesIO()
    with av.open(file, "w", format=container) as out:
        stream: Any = out.add_stream(codec, rate=Fraction(25))
        stream.width = stream.height = side
        stream.pix_fmt = "yuv420p"
        stream.options = options or {}
        sound: Any = out.add_stream("aac", rate=_HERTZ, layout="mono") if has_sound else None
        for number in range(frames):
            shown = np.full((side, side, 3), 20 + 200 * number // frames, np.uint8)
            out.mux(stream.encode(av.VideoFrame.from_ndarray(shown, format="rgb24")))
            if sound is not None:
                heard = np.full((1, _HERTZ // 25), (number + 1) / frames, np.float32) * _TONE
                piece = av.AudioFrame.from_ndarray(heard, format="fltp", layout="mono")
                piece.rate, piece.pts, piece.time_base = _HERTZ, number * (_HERTZ // 25), Fraction(1, _HERTZ)
                out.mux(sound.encode(piece))
        out.mux(stream.encode(None))
        if sound is not None:
            out.mux(sound.encode(None))
    return file.getvalue()


def instance(stream: bytes, frames: int = 6, side: int = 64, *, fragments: int = 1) -> Dataset:
    """A Video Endoscopic Image that holds a stream."""
    ds = make.encapsulated([stream], fragments_per_frame=fragments, ds=make.color(rows=side))
    ds.SOPClassUID, ds.Modality = "1.2.840.10008.5.1.4.1.1.77.1.1.1", "ES"
    ds.NumberOfFrames, ds.FrameTime, ds.PhotometricInterpretation = frames, "40", "YBR_PARTIAL_420"
    return ds


def frames_of(data: bytes) -> list[tuple[float, np.ndarray[Any, Any]]]:
    """The frames of a video with the second at which each is shown."""
    with av.open(io.BytesIO(data)) as file:
        return [(float(frame.time), frame.to_ndarray(format="rgb24")) for frame in file.decode(video=0)]


def loudness_of(data: bytes) -> list[tuple[float, float]]:
    """The pieces of a video's sound: the second at which each is heard, and how loud it is."""
    with av.open(io.BytesIO(data)) as file:
        return [(float(frame.time), float(np.abs(frame.to_ndarray()).max())) for frame in file.decode(audio=0)]
