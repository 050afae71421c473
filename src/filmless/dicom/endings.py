"""Whether a compressed frame is all there: some codecs go on with what they make up when its end is missing."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any, Final

from filmless.errors import Refused

_END_MARKER: Final = b"\xff\xd9"  # EOI, and EOC of JPEG 2000: they cannot occur in coded data
_TRAILER_BYTES: Final = 4096  # of padding and remarks that senders put after it
_SOC_SIZ: Final = b"\xff\x4f\xff\x51"
_SOT, _EOC = 0xFF90, 0xFFD9
_SEGMENTS_MAX: Final = 100_000
_TAILS: Final = (b"\xa5" * 64, b"\x5a" * 64)


def require_whole(data: bytes, decoded: Any, decode: Callable[[bytes], Any]) -> None:
    """Refuse a JPEG frame that was cut off.

    Some encoders leave the end marker out. Without it a frame is whole if its pixels do not depend on what follows it,
    which is tried with two tails.

    Raises
    ------
    Refused
    """
    import numpy as np

    if _END_MARKER in data[-_TRAILER_BYTES:]:
        return
    for tail in _TAILS:
        if not np.array_equal(decoded, decode(data.rstrip(b"\xff") + tail + _END_MARKER)):
            raise Refused("the frame is cut off: its end is missing")


def require_tile_parts(data: bytes) -> None:
    """Refuse a codestream of the JPEG 2000 family whose tile-parts are longer than it (ISO/IEC 15444-1 A.4.2).

    OpenJPH decodes what there is without a word, to a picture with nothing of the original in it.

    Raises
    ------
    Refused
    """
    start = data.find(_SOC_SIZ)
    position = start + 2
    for _ in range(_SEGMENTS_MAX if start >= 0 else 0):
        head = data[position : position + 10]
        marker = int.from_bytes(head[:2])
        if marker == _EOC or (marker != _SOT and not head):
            return
        if marker != _SOT:
            position += 2 + int.from_bytes(head[2:4])
            continue
        length = int.from_bytes(head[6:10])
        if length == 0:  # it goes on to the end
            position = len(data) if _END_MARKER in data[-_TRAILER_BYTES:] else len(data) + 1
        position += length
        if position > len(data) or len(head) < 10:
            raise Refused("the frame is cut off: a tile-part is longer than what is left of it")


@contextmanager
def failures_told() -> Iterator[None]:
    """Raise what a codec fails with and its binding only prints, giving memory that nobody wrote to as the picture.

    imagecodecs 2026.3 does so for HTJ2K: `_copy_from_codestream` has no way to pass an exception on. To be removed when
    its `htj2k_decode` raises for a codestream without its second half.

    Raises
    ------
    RuntimeError
    """
    failures: list[str] = []
    before = sys.unraisablehook
    sys.unraisablehook = lambda unraisable: failures.append(str(unraisable.exc_value))
    try:
        yield
    finally:
        sys.unraisablehook = before
    if failures:
        raise RuntimeError(failures[0])
