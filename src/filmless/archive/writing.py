"""What writers of blobs have in common: bytes are hashed as they come, and kept in memory or in a file meanwhile."""

from __future__ import annotations

import hashlib
import mmap
import os
import time
from pathlib import Path
from typing import IO, TYPE_CHECKING, Final

from filmless.archive.blobs import BUFFER_BYTES, Usage
from filmless.archive.folders import make_folder
from filmless.archive.outages import as_unavailable, in_folder
from filmless.errors import Unavailable

if TYPE_CHECKING:
    from collections.abc import Buffer  # type: ignore[attr-defined,unused-ignore]

_FLUSH_BYTES: Final = 256 << 10  # hashed, and written where it must be, while the sender sends the next
_WRITEBACK_BYTES: Final = 8 << 20
_IDLE_BUFFERS_MAX: Final = 16
_ROOM_CHECK_S: Final = 0.2


def write_all(file: IO[bytes], data: bytes) -> None:
    """Write to a file without a buffer, which may take less than it is given."""
    view = memoryview(data)
    while view:
        view = view[file.write(view) :]


class Incoming:
    """The folder in which bytes wait until they are a blob, with the buffers of its writers."""

    def __init__(self, folder: Path, reserve_bytes: int) -> None:
        self.folder = folder.absolute()
        self._reserve_bytes = reserve_bytes
        self._room_seen_at = -_ROOM_CHECK_S
        self._idle_buffers: list[bytearray] = []
        make_folder(self.folder)

    def require_room(self) -> None:
        """Raise Unavailable when less than the reserve is free."""
        now = time.monotonic()
        if self._reserve_bytes and now - self._room_seen_at > _ROOM_CHECK_S:
            free_bytes = self.usage().free_bytes
            if free_bytes < self._reserve_bytes:
                raise Unavailable(
                    f"the disk under {self.folder.parent} has {free_bytes >> 20} MiB left;"
                    f" {self._reserve_bytes >> 20} MiB are kept in reserve (disk_reserve_bytes)",
                    retry_after_s=60,
                )
            self._room_seen_at = now

    def usage(self) -> Usage:
        """Room on the disk."""
        with as_unavailable(f"the disk under {self.folder.parent} cannot be asked for its free room"):
            status = os.statvfs(self.folder)
        return Usage(status.f_blocks * status.f_frsize, status.f_bavail * status.f_frsize)

    def take_buffer(self) -> bytearray:
        """A buffer of BUFFER_BYTES, to be returned."""
        try:
            return self._idle_buffers.pop()
        except IndexError:
            return bytearray(BUFFER_BYTES)

    def return_buffer(self, buffer: bytearray) -> None:
        """Take a buffer back."""
        if len(self._idle_buffers) < _IDLE_BUFFERS_MAX:
            self._idle_buffers.append(buffer)


class Writer:
    """The half of a `BlobWriter` that takes bytes. What is left to its kinds: the file, and `finish`."""

    _writes_short_ones = True  # whether what fits into the buffer goes into a file all the same

    def __init__(self, incoming: Incoming) -> None:
        self.length = 0
        self._incoming = incoming
        self._sha256 = hashlib.sha256()
        self._buffer = incoming.take_buffer()
        self._buffered = 0
        self._hashed = 0  # how much of the buffer is hashed
        self._flushed = 0  # how much of it is in the file
        self._is_whole_in_buffer = True
        self._descriptor = -1
        self._written_back = 0

    def _make_file(self) -> int:
        """Make the file in which the bytes wait; gives its descriptor."""
        raise NotImplementedError

    def _drop_file(self) -> None:
        """Remove the name of that file, if it has one."""

    def finish(self) -> tuple[str, int]:
        """Make the blob durable and give its key and length. Raises Unavailable."""
        raise NotImplementedError

    def write(self, data: Buffer) -> None:
        """Append bytes.

        Raises
        ------
        Unavailable: the disk is full or away. The writer is aborted.
        """
        view = memoryview(data)
        if view.format != "B":
            view = view.cast("B")
        length = len(view)
        start = self._buffered
        self.length += length
        if start + length > BUFFER_BYTES:
            self._flush()
            self._is_whole_in_buffer = False
            self._buffered = self._hashed = self._flushed = start = 0
            if length > BUFFER_BYTES:
                self._sha256.update(view)
                self._put(view)
                return
        self._buffer[start : start + length] = view
        self._buffered = start + length
        if self._buffered - self._hashed >= _FLUSH_BYTES:
            self._advance()

    def map(self) -> memoryview | mmap.mmap:
        """What was written so far: from memory when short, else the mapped file."""
        if self._is_whole_in_buffer:
            return memoryview(self._buffer)[: self._buffered].toreadonly()
        self._flush()
        with as_unavailable("what is being written cannot be read"):
            return mmap.mmap(self._descriptor, 0, access=mmap.ACCESS_READ)

    def read_at(self, offset: int, length: int) -> bytes:
        """A range of what was written so far."""
        if self._is_whole_in_buffer:
            return bytes(memoryview(self._buffer)[offset : min(offset + length, self._buffered)])
        self._flush()
        with as_unavailable("what is being written cannot be read"):
            return os.pread(self._descriptor, length, offset)

    def digest(self) -> bytes:
        """The SHA-256 of what was written so far."""
        self._advance()
        return self._sha256.digest()

    def abort(self) -> None:
        """Drop what was written; nothing after `finish`. What `map` gave stays readable until `close`."""
        self._close_file()
        self._drop_file()

    def close(self) -> None:
        """End the writer: what was not finished is dropped, and what `map` gave may change."""
        self.abort()
        if self._buffer:
            self._incoming.return_buffer(self._buffer)
            self._buffer = bytearray()

    def __enter__(self) -> Writer:
        return self

    def __exit__(self, kind: object, error: object, trace: object) -> None:
        self.close()

    def _advance(self) -> None:
        """Do what can be done before more bytes come."""
        if self._writes_short_ones or not self._is_whole_in_buffer:
            self._flush()
        else:
            self._hash()

    def _hash(self) -> None:
        if self._hashed < self._buffered:
            with memoryview(self._buffer) as view, view[self._hashed : self._buffered] as filled:
                self._sha256.update(filled)
            self._hashed = self._buffered

    def _flush(self) -> None:
        """Bring hash and file up to the buffer, making the file first."""
        self._hash()
        if self._descriptor < 0:
            try:
                folder = self._incoming.folder
                with as_unavailable(f"a file under {folder} cannot be made"), in_folder(folder):
                    self._descriptor = self._make_file()
            except BaseException:
                self.abort()
                raise
        if self._flushed < self._buffered:
            with memoryview(self._buffer) as view, view[self._flushed : self._buffered] as filled:
                self._flushed = self._buffered
                self._put(filled)

    def _put(self, view: memoryview) -> None:
        try:
            with as_unavailable(f"nothing can be written under {self._incoming.folder.parent}"):
                done = os.write(self._descriptor, view)
                while done < len(view):
                    done += os.write(self._descriptor, view[done:])
                if self.length - self._written_back > _WRITEBACK_BYTES:
                    # Starts the write-out now, so that the fsync of a long instance is short.
                    os.posix_fadvise(
                        self._descriptor, self._written_back, self.length - self._written_back, os.POSIX_FADV_DONTNEED
                    )
                    self._written_back = self.length
        except BaseException:
            self.abort()
            raise

    def _close_file(self) -> None:
        if self._descriptor >= 0:
            os.close(self._descriptor)
            self._descriptor = -1
