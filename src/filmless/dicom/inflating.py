"""Inflates deflated data sets (PS3.5 A.5): short ones in memory, long ones in a file without a name.

Deflate grows data a thousand times, so a mebibyte from the network can ask for a gibibyte. That goes to the disk, where
it is mapped: the process's own memory stays what it was.
"""

from __future__ import annotations

import mmap
import tempfile
import zlib
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import IO, Final

from filmless.errors import Unavailable

_MEMORY_MAX_BYTES: Final = 16 << 20
_PIECE_BYTES: Final = 256 << 10
_INPUT_BYTES: Final = 1 << 20


class Spool:
    """Bytes that come one after the other, and are then looked at as a whole."""

    def __init__(self, folder: Path | None) -> None:
        self.length = 0
        self._folder = folder
        self._memory = bytearray()
        self._file: IO[bytes] | None = None

    def write(self, piece: bytes) -> None:
        """Append a piece.

        Raises
        ------
        Unavailable: the disk is full or away.
        """
        self.length += len(piece)
        if self._file is None and self.length <= _MEMORY_MAX_BYTES:
            self._memory += piece
            return
        try:
            if self._file is None:
                if self._folder is not None:
                    self._folder.mkdir(parents=True, exist_ok=True)
                self._file = tempfile.TemporaryFile(dir=self._folder, buffering=0)  # noqa: SIM115 - closed by `take`
                self._put(bytes(self._memory))
                self._memory = bytearray()
            self._put(piece)
        except OSError as error:
            self.close()
            raise Unavailable(f"a deflated data set cannot be inflated to the disk: {error.strerror}") from error

    def _put(self, data: bytes) -> None:
        assert self._file is not None
        view = memoryview(data)
        while view:
            view = view[self._file.write(view) :]

    def take(self) -> bytes | mmap.mmap:
        """Give all that was written, and end; a mapped file is gone when nobody looks at it any more."""
        if self._file is None:
            return bytes(self._memory)
        try:
            return mmap.mmap(self._file.fileno(), self.length, access=mmap.ACCESS_READ)
        finally:
            self.close()

    def close(self) -> None:
        """End; what `take` gave stays readable."""
        if self._file is not None:
            self._file.close()
            self._file = None


def inflate_pieces(
    pieces: Iterable[bytes | memoryview], write: Callable[[bytes], object], *, window: int, limit: int
) -> bool:
    """Inflate pieces and hand them on, each short, until the stream ends (True), the pieces do, or the limit is passed.

    What is handed on is at most a piece longer than `limit` bytes.

    Raises
    ------
    zlib.error: it is damaged; what came before was handed on.
    """
    inflater = zlib.decompressobj(window)
    length = 0
    for piece in pieces:
        rest: bytes | memoryview = piece
        while True:
            part = inflater.decompress(rest, _PIECE_BYTES)
            if part:
                write(part)
            length += len(part)
            rest = inflater.unconsumed_tail
            if inflater.eof or length > limit:
                return inflater.eof
            if not rest and len(part) < _PIECE_BYTES:
                break
    return inflater.eof


def cut(view: memoryview) -> Iterable[memoryview]:
    """Cut what is in hand into pieces, so that what zlib has not come to yet is not copied again and again."""
    return (view[at : at + _INPUT_BYTES] for at in range(0, len(view), _INPUT_BYTES))
