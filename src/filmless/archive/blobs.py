"""Stored bytes, each under the SHA-256 of itself: `abc/<hex>.dcm`. They never change.

A blob is written to a temporary name in `incoming/`, fsynced, renamed, and its folder fsynced before `finish` returns,
so that a row may point at it. What a crash leaves in `incoming/` or without a row is for the sweep.
"""

from __future__ import annotations

import hashlib
import mmap
import os
import re
import secrets
import time
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass
from itertools import product
from pathlib import Path
from typing import TYPE_CHECKING

from filmless.archive.folders import make_folder, sync_folder
from filmless.archive.outages import as_unavailable
from filmless.errors import NotFound, Unavailable

if TYPE_CHECKING:
    from collections.abc import Buffer  # type: ignore[attr-defined,unused-ignore]

_BUFFER_BYTES = 1 << 20  # what is shorter is read from memory
_FLUSH_BYTES = 256 << 10  # hashed and written while the sender sends the next
_WRITEBACK_BYTES = 8 << 20
_IDLE_BUFFERS_MAX = 16
_ROOM_CHECK_S = 0.2
_FOLDER_LETTERS = 3  # 4,096 folders: 25,000 files in each at 100 million instances
_FOLDERS = tuple("".join(letters) for letters in product("0123456789abcdef", repeat=_FOLDER_LETTERS))
_KEY = re.compile(r"[0-9a-f]{64}")


@dataclass(frozen=True, slots=True)
class Usage:
    """Room on the disk under the blobs."""

    capacity_bytes: int
    free_bytes: int


class Blobs:
    """The blobs under one folder."""

    def __init__(self, root: Path, *, suffix: str, reserve_bytes: int) -> None:
        self.root = root.absolute()
        self.incoming = self.root / "incoming"
        self._prefix = f"{self.root}/"
        self._suffix = suffix
        self._reserve_bytes = reserve_bytes
        self._room_seen_at = -_ROOM_CHECK_S
        self._known_folders: set[str] = set()
        self._all_folders_made = self.root / "folders"
        self._idle_buffers: list[bytearray] = []
        make_folder(self.incoming)
        if self._all_folders_made.exists():
            self._known_folders.update(_FOLDERS)

    def create(self) -> BlobWriter:
        """Begin a new blob.

        Raises
        ------
        Unavailable: less than the reserve is free on the disk, or the file cannot be made.
        """
        self.require_room()
        return BlobWriter(self)

    def require_room(self) -> None:
        """Raise Unavailable when less than the reserve is free."""
        now = time.monotonic()
        if self._reserve_bytes and now - self._room_seen_at > _ROOM_CHECK_S:
            free_bytes = self.usage().free_bytes
            if free_bytes < self._reserve_bytes:
                raise Unavailable(
                    f"the disk under {self.root} has {free_bytes >> 20} MiB left;"
                    f" {self._reserve_bytes >> 20} MiB are kept in reserve (disk_reserve_bytes)",
                    retry_after_s=60,
                )
            self._room_seen_at = now

    def path(self, key: str) -> Path:
        """The path of a blob, whether it exists or not."""
        return Path(self._path(key))

    def open(self, key: str) -> int:
        """Open a blob for reading: a file descriptor that the caller closes.

        Raises
        ------
        NotFound, Unavailable
        """
        try:
            with as_unavailable(f"blob {key} cannot be opened"):
                return os.open(self._path(key), os.O_RDONLY | os.O_CLOEXEC)
        except FileNotFoundError as error:
            raise NotFound(f"blob {key} is not under {self.root}") from error

    def read(self, key: str, offset: int = 0, length: int | None = None) -> bytes:
        """Read a range; a range beyond the end gives what there is."""
        descriptor = self.open(key)
        try:
            with as_unavailable(f"blob {key} cannot be read"):
                if length is None:
                    length = os.fstat(descriptor).st_size - offset
                data = os.pread(descriptor, length, offset)
                if len(data) == length or not data:
                    return data
                return data + b"".join(_chunks(descriptor, offset + len(data), length - len(data), _BUFFER_BYTES))
        finally:
            os.close(descriptor)

    def stream(
        self, key: str, offset: int = 0, length: int | None = None, chunk_bytes: int = _BUFFER_BYTES
    ) -> Iterator[bytes]:
        """Read a range in pieces. Opened at once, so that a missing blob is told before the first piece."""
        pieces = self._pieces(key, offset, length, chunk_bytes)
        next(pieces)
        return pieces

    def _pieces(self, key: str, offset: int, length: int | None, chunk_bytes: int) -> Iterator[bytes]:
        descriptor = self.open(key)
        try:
            yield b""  # to `stream`: open
            with as_unavailable(f"blob {key} cannot be read"):
                rest = os.fstat(descriptor).st_size - offset if length is None else length
                yield from _chunks(descriptor, offset, rest, chunk_bytes)
        finally:
            os.close(descriptor)

    def reader(self, key: str) -> BlobReader:
        """Open a blob to be looked at in places. Raises NotFound, Unavailable."""
        return BlobReader(self.open(key))

    def length(self, key: str) -> int | None:
        """Length in bytes; None when there is no such blob."""
        try:
            with as_unavailable(f"blob {key} cannot be read"):
                return self.path(key).stat().st_size
        except FileNotFoundError:
            return None

    def digest(self, key: str) -> str:
        """The SHA-256 of what is on the disk now, in hex: equal to `key` unless the blob is damaged."""
        sha256 = hashlib.sha256()
        for piece in self.stream(key):
            sha256.update(piece)
        return sha256.hexdigest()

    def delete(self, key: str) -> None:
        """Remove a blob; one that is not there is no error."""
        with as_unavailable(f"blob {key} cannot be removed"):
            Path(self._path(key)).unlink(missing_ok=True)

    def move_to(self, other: Blobs, key: str) -> None:
        """Move a blob to other blobs on the same disk, durably. One that was moved already is no error."""
        with as_unavailable(f"blob {key} cannot be moved to {other.root}"):
            try:
                target, parent = other._place(key)
                os.rename(self._path(key), target)  # noqa: PTH104
            except FileNotFoundError:
                if other.length(key) is None:
                    raise NotFound(f"blob {key} is not under {self.root}") from None
            sync_folder(other.path(key).parent)
            if parent is not None:
                sync_folder(parent)

    def keys(self) -> Iterator[str]:
        """All keys, in order."""
        for folder in self._folders():
            for name in sorted(_names(folder)):
                key = name.removesuffix(self._suffix)
                if _KEY.fullmatch(key):
                    yield key

    def keys_changed(self, since: float, before: float) -> Iterator[str]:
        """Keys of the blobs that came between two times. A folder that nothing came into since is not read."""
        for folder in self._folders():
            if folder.stat().st_mtime < since:
                continue
            with os.scandir(folder) as entries:
                for entry in entries:
                    key = entry.name.removesuffix(self._suffix)
                    if _KEY.fullmatch(key) and since <= _changed_at(entry) < before:
                        yield key

    def _folders(self) -> list[Path]:
        return [self.root / name for name in sorted(_names(self.root)) if len(name) == _FOLDER_LETTERS]

    def leftovers(self, older_than: float) -> Iterator[Path]:
        """Temporary files last written before the time `older_than`: of writers that are gone."""
        with os.scandir(self.incoming) as entries:
            for entry in entries:
                if 0 <= _changed_at(entry) < older_than:
                    yield Path(entry.path)

    def usage(self) -> Usage:
        """Room on the disk."""
        with as_unavailable(f"the disk under {self.root} cannot be asked for its free room"):
            status = os.statvfs(self._prefix)
        return Usage(status.f_blocks * status.f_frsize, status.f_bavail * status.f_frsize)

    def _path(self, key: str) -> str:
        return f"{self._prefix}{key[:_FOLDER_LETTERS]}/{key}{self._suffix}"

    def _place(self, key: str) -> tuple[str, str | None]:
        """The path of a blob that is about to be there, and the folder to fsync as well if its own is new."""
        name = key[:_FOLDER_LETTERS]
        if name in self._known_folders:
            return self._path(key), None
        # One that is there already may be lost in a power loss, if it was made by a process that died.
        with suppress(FileExistsError):
            os.mkdir(self._prefix + name, 0o750)  # noqa: PTH102
        return self._path(key), str(self.root)

    def make_folders(self) -> None:
        """Make all folders before they are needed: a reception that makes one has twice as many fsyncs to wait for.

        For a server. Without it each folder is made when the first blob goes into it.
        """
        with as_unavailable(f"folders cannot be made under {self.root}"):
            if not self._all_folders_made.exists():
                for name in _FOLDERS:
                    with suppress(FileExistsError):
                        os.mkdir(self._prefix + name, 0o750)  # noqa: PTH102
                sync_folder(self.root)
                self._all_folders_made.touch()
        self._known_folders.update(_FOLDERS)

    def _take_buffer(self) -> bytearray:
        try:
            return self._idle_buffers.pop()
        except IndexError:
            return bytearray(_BUFFER_BYTES)

    def _return_buffer(self, buffer: bytearray) -> None:
        if len(self._idle_buffers) < _IDLE_BUFFERS_MAX:
            self._idle_buffers.append(buffer)


class BlobWriter:
    """One blob being written, by one thread: `finish` keeps it, `close` ends the writer either way."""

    def __init__(self, blobs: Blobs) -> None:
        self.length = 0
        self._blobs = blobs
        self._sha256 = hashlib.sha256()
        self._buffer = blobs._take_buffer()
        self._buffered = 0
        self._flushed = 0  # how much of the buffer is hashed and in the file
        self._is_whole_in_buffer = True
        self._descriptor = -1
        self._path = ""
        self._written_back = 0

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
        if start + length > _BUFFER_BYTES:
            self._flush()
            self._is_whole_in_buffer = False
            self._buffered = self._flushed = start = 0
            if length > _BUFFER_BYTES:
                self._put(view)
                return
        self._buffer[start : start + length] = view
        self._buffered = start + length
        if self._buffered - self._flushed >= _FLUSH_BYTES:
            self._flush()

    def map(self) -> memoryview | mmap.mmap:
        """What was written so far: from memory when short, else the mapped file."""
        if self._is_whole_in_buffer:
            return memoryview(self._buffer)[: self._buffered].toreadonly()
        self._flush()
        with as_unavailable(f"{self._path} cannot be read"):
            return mmap.mmap(self._descriptor, 0, access=mmap.ACCESS_READ)

    def read_at(self, offset: int, length: int) -> bytes:
        """A range of what was written so far."""
        if self._is_whole_in_buffer:
            return bytes(memoryview(self._buffer)[offset : min(offset + length, self._buffered)])
        self._flush()
        with as_unavailable(f"{self._path} cannot be read"):
            return os.pread(self._descriptor, length, offset)

    def digest(self) -> bytes:
        """The SHA-256 of what was written so far."""
        self._flush()
        return self._sha256.digest()

    def finish(self) -> tuple[str, int]:
        """Make the blob durable and give its key and length.

        Raises
        ------
        Unavailable: the disk is full or away. Nothing is left behind.
        """
        self._flush()
        key = self._sha256.hexdigest()
        try:
            with as_unavailable(f"blob {key} cannot be written under {self._blobs.root}"):
                target, parent = self._blobs._place(key)
                _keep_time(target, self._descriptor)
                os.fdatasync(self._descriptor)
                os.rename(self._path, target)  # noqa: PTH104
                self._path = ""  # from here on a failure leaves a blob without a row: others may have one for it
                sync_folder(target.rpartition("/")[0])
                if parent is not None:
                    sync_folder(parent)
                    self._blobs._known_folders.add(key[:_FOLDER_LETTERS])
        except BaseException:
            self.abort()
            raise
        self._close_file()
        return key, self.length

    def abort(self) -> None:
        """Drop what was written; nothing after `finish`. What `map` gave stays readable until `close`."""
        self._close_file()
        if self._path:
            Path(self._path).unlink(missing_ok=True)
            self._path = ""

    def close(self) -> None:
        """End the writer: what was not finished is dropped, and what `map` gave may change."""
        self.abort()
        if self._buffer:
            self._blobs._return_buffer(self._buffer)
            self._buffer = bytearray()

    def __enter__(self) -> BlobWriter:
        return self

    def __exit__(self, kind: object, error: object, trace: object) -> None:
        self.close()

    def _flush(self) -> None:
        """Bring the file up to the buffer, making the file first."""
        if self._descriptor < 0:
            self._path = f"{self._blobs.incoming}/{secrets.token_hex(12)}"
            try:
                with as_unavailable(f"a file under {self._blobs.incoming} cannot be made"):
                    self._descriptor = os.open(self._path, os.O_RDWR | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o640)
            except BaseException:
                self.abort()
                raise
        if self._flushed < self._buffered:
            with memoryview(self._buffer) as view, view[self._flushed : self._buffered] as filled:
                self._flushed = self._buffered
                self._put(filled)

    def _put(self, view: memoryview) -> None:
        self._sha256.update(view)
        try:
            with as_unavailable(f"nothing can be written under {self._blobs.root}"):
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


class BlobReader:
    """One open blob."""

    def __init__(self, descriptor: int) -> None:
        self._descriptor = descriptor
        self.length = os.fstat(descriptor).st_size

    def map(self) -> memoryview | mmap.mmap:
        """All of it."""
        if not self.length:
            return memoryview(b"")
        return mmap.mmap(self._descriptor, 0, access=mmap.ACCESS_READ)

    def read_at(self, offset: int, length: int) -> bytes:
        """A range of it."""
        with as_unavailable("a blob cannot be read"):
            return os.pread(self._descriptor, length, offset)

    def close(self) -> None:
        """Close the file; what `map` gave stays readable."""
        os.close(self._descriptor)

    def __enter__(self) -> BlobReader:
        return self

    def __exit__(self, kind: object, error: object, trace: object) -> None:
        self.close()


def _keep_time(path: str, descriptor: int) -> None:
    """Give a file the time of the one whose place it takes: `reindex` goes by the time of the first arrival."""
    try:
        status = os.stat(path)  # noqa: PTH116
    except FileNotFoundError:
        return
    os.utime(descriptor, ns=(status.st_atime_ns, status.st_mtime_ns))


def _changed_at(entry: os.DirEntry[str]) -> float:
    try:
        return entry.stat(follow_symlinks=False).st_mtime
    except FileNotFoundError:
        return -1.0


def _chunks(descriptor: int, offset: int, length: int, chunk_bytes: int) -> Iterator[bytes]:
    while length > 0:
        piece = os.pread(descriptor, min(length, chunk_bytes), offset)
        if not piece:
            return
        yield piece
        offset += len(piece)
        length -= len(piece)


def _names(folder: Path) -> list[str]:
    try:
        return [path.name for path in folder.iterdir()]
    except (FileNotFoundError, NotADirectoryError):
        return []
