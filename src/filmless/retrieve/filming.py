"""Pictures into an MP4 of H.264, one after the other: what a child process does for `cine` (docs/decisions/0008)."""

from __future__ import annotations

import io
from collections.abc import Iterator
from fractions import Fraction
from typing import Any, Final

from filmless.dicom.movies import with_tables_first
from filmless.errors import Refused

JPEGS: Final = "video/x-motion-jpeg"
_SMPTE_170M: Final = 6
_LIMITED_RANGE: Final = 1
_MILLISECOND: Final = Fraction(1, 1000)


class Film:
    """A video that is being written, in memory: this process can write no file.

    Times are exact to the millisecond, so a Frame Time Vector keeps its pauses.
    """

    def __init__(self, frame_time_ms: float, bytes_max: int) -> None:
        import av

        self._frame_time_ms = frame_time_ms
        self._bytes_max = bytes_max
        self._file = io.BytesIO()
        self._container: Any = av.open(self._file, "w", format="mp4")
        self._stream: Any = None
        self._moment_ms = 0.0
        self._written = 0

    def add(self, shown: Any, duration_ms: float) -> None:
        """Add a picture, an array of grey or RGB bytes, that stays so long.

        Raises
        ------
        Refused: the video passes its longest.
        """
        import av
        import numpy as np

        if shown.ndim == 2:
            shown = np.repeat(shown[:, :, None], 3, axis=2)
        # The encoder wants an even number of rows and columns.
        shown = np.pad(shown, ((0, shown.shape[0] % 2), (0, shown.shape[1] % 2), (0, 0)), mode="edge")
        if self._stream is None:
            self._stream = self._open(shown)
        frame = av.VideoFrame.from_ndarray(np.ascontiguousarray(shown), format="rgb24")
        frame.pts, frame.time_base = round(self._moment_ms), _MILLISECOND
        self._moment_ms += duration_ms
        self._write(self._stream.encode(frame))

    def end(self) -> bytes:
        """Give the file, its tables first: it plays before all of it is there.

        Raises
        ------
        Refused: the video passes its longest, or there was no picture.
        """
        if self._stream is None:
            raise Refused("a video has at least one frame")
        self._write(self._stream.encode(None))
        self._container.close()
        return with_tables_first(self._file.getvalue())

    def _open(self, shown: Any) -> Any:
        rate = Fraction(1000 / self._frame_time_ms).limit_denominator(1000)
        stream = self._container.add_stream("libx264", rate=rate)
        stream.height, stream.width, stream.pix_fmt = shown.shape[0], shown.shape[1], "yuv420p"
        stream.options = {"crf": "18", "preset": "veryfast", "profile": "high"}
        context = stream.codec_context
        context.time_base, context.thread_count = _MILLISECOND, 1
        context.colorspace, context.color_range = _SMPTE_170M, _LIMITED_RANGE
        return stream

    def _write(self, packets: list[Any]) -> None:
        self._written += sum(int(packet.size) for packet in packets)
        if self._written > self._bytes_max:
            raise Refused(f"the video passes {self._bytes_max} bytes: ask for fewer frames or a smaller viewport")
        self._container.mux(packets)


class Pictures:
    """JPEG pictures one after the other, in pieces cut anywhere: where one ends is found by FFmpeg's own parser."""

    def __init__(self, side_max: int) -> None:
        import av

        self._side_max = side_max
        self._decoder: Any = av.CodecContext.create("mjpeg", "r")
        self._size: tuple[int, int] | None = None

    def read(self, piece: memoryview) -> Iterator[Any]:
        """Give the pictures that end in this piece, as arrays of RGB; an empty piece ends the last.

        Raises
        ------
        Refused: it is no JPEG, or a picture is too large, or has another size than the first.
        """
        import av

        try:
            for packet in self._decoder.parse(bytes(piece)):
                for frame in self._decoder.decode(packet):
                    self._require(frame.width, frame.height)
                    yield frame.to_ndarray(format="rgb24")
        except av.FFmpegError as error:
            raise Refused(f"a picture of the film is no JPEG: {error}") from error

    def _require(self, width: int, height: int) -> None:
        if max(width, height) > self._side_max:
            raise Refused(
                f"a picture of {width} x {height}; films of up to {self._side_max} x {self._side_max} are made"
            )
        if self._size not in {None, (width, height)}:
            raise Refused(f"a picture of {width} x {height} in a film of {self._size}")
        self._size = (width, height)
