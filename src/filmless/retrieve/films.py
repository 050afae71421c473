"""Pictures that a browser drew, as one MP4 of H.264: a viewport with its window, its marks and its words, in motion."""

from __future__ import annotations

from typing import BinaryIO, Final

from filmless.archive import Archive
from filmless.errors import NotAcceptable, Refused
from filmless.retrieve.cine import MP4
from filmless.retrieve.decoding import film_decoders
from filmless.retrieve.videos import can_read_videos

_PIECE_BYTES: Final = 1 << 20


def make_film(archive: Archive, pictures: BinaryIO, frame_time_ms: float) -> tuple[int, bytes]:
    """Encode JPEG pictures that follow each other; give how many there were, and the video.

    Raises
    ------
    NotAcceptable: the encoder is not installed, the pictures cannot be read, or the video passes `cine_bytes_max`.
    Refused: there are more than `cine_frames_max`. Unavailable: too many wait.
    """
    if not can_read_videos():
        raise NotAcceptable(
            f"{MP4} needs the optional encoder, which is not installed here: pip install 'filmless[video]'"
        )
    settings = archive.settings
    allowed, count = settings.cine_frames_max, 0
    jpegs = {"task": "film_jpegs", "duration_ms": frame_time_ms, "side_max": settings.cine_side_max}
    with film_decoders(archive).lease() as ask:
        ask({"task": "film", "frame_time_ms": frame_time_ms, "bytes_max": settings.cine_bytes_max}, [])
        while True:
            piece = pictures.read(_PIECE_BYTES)
            info, _ = ask(jpegs, [piece])
            count += int(info["count"])
            if count > allowed:
                raise Refused(f"a film of more than {allowed} pictures (cine_frames_max)")
            if not piece:
                return count, bytes(ask({"task": "film_end"}, [])[1])
