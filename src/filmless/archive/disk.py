"""Blobs in a folder, each a file under its digest: `abc/<hex>.dcm`.

A blob is written to a temporary name in `incoming/`, and is on the disk under its own name before `finish` returns.
"""

from __future__ import annotations

import errno
import hashlib
import mmap
import os
import secrets
import shutil
import time
from collections.abc import Iterator, Sequence
from contextlib import suppress
from itertools import product
from pathlib import Path

from filmless.archive.blobs import BUFFER_BYTES, KEY, BlobReader, Blobs, BlobWriter, Usage, copy_blob
from filmless.archive.folders import sync_folder, syncs_names_with_files
from filmless.archive.outages import as_unavailable, in_folder
from filmless.archive.writing import Incoming, Writer
from filmless.errors import NotFound

_FOLDER_LETTERS = 3  # 4,096 folders: 25,000 files in each at 100 million instances
_FOLDERS = tuple("".join(letters) for letters in product("0123456789abcdef", repeat=_FOLDER_LETTERS))


class DiskBlobs:
    """The blobs under one folder."""

    def __init__(self, root: Path, *, suffix: str, reserve_bytes: int) -> None:
        self.root = root.absolute()
        self.incoming = self.root / "incoming"
        self._incoming = Incoming(self.incoming, reserve_bytes)
        self._prefix = f"{self.root}/"
        self._suffix = suffix
        self._known_folders: set[str] = set()
        self._syncs_names_with_files = syncs_names_with_files(self.incoming)
        self._all_folders_made = self.root / "folders"
        if self._all_folders_made.exists():
            self._known_folders.update(_FOLDERS)

    @property
    def name(self) -> str:
        """The folder."""
        return str(self.root)

    def create(self) -> BlobWriter:
        """Begin a new blob.

        Raises
        ------
        Unavailable: less than the reserve is free on the disk.
        """
        self.require_room()
        return DiskWriter(self)

    def require_room(self) -> None:
        """Raise Unavailable when less than the reserve is free."""
        self._incoming.require_room()

    def path(self, key: str) -> Path:
        """The path of a blob, whether it exists or not."""
        return Path(self._path(key))

    def open(self, key: str) -> int:
        """Open a blob for reading: a file descriptor that the caller closes.

        Raises
        ------
        NotFound, Unavailable
        """
        return self._open(key)

    def _open(self, key: str) -> int:
        try:
            with as_unavailable(f"blob {key} cannot be opened"):
                return os.open(self._path(key), os.O_RDONLY | os.O_CLOEXEC)
        except FileNotFoundError as error:
            self.check()  # no blob is lost because its disk is not mounted
            raise NotFound(f"blob {key} is not under {self.root}") from error

    def read(self, key: str, offset: int = 0, length: int | None = None) -> bytes:
        """Read a range; a range beyond the end gives what there is."""
        descriptor = self._open(key)
        try:
            with as_unavailable(f"blob {key} cannot be read"):
                if length is None:
                    length = os.fstat(descriptor).st_size - offset
                data = os.pread(descriptor, length, offset)
                if len(data) == length or not data:
                    return data
                return data + b"".join(_chunks(descriptor, offset + len(data), length - len(data), BUFFER_BYTES))
        finally:
            os.close(descriptor)

    def stream(
        self, key: str, offset: int = 0, length: int | None = None, chunk_bytes: int = BUFFER_BYTES
    ) -> Iterator[bytes]:
        """Read a range in pieces. Opened at once, so that a missing blob is told before the first piece."""
        pieces = self._pieces(key, offset, length, chunk_bytes)
        next(pieces)
        return pieces

    def _pieces(self, key: str, offset: int, length: int | None, chunk_bytes: int) -> Iterator[bytes]:
        descriptor = self._open(key)
        try:
            yield b""  # to `stream`: open
            with as_unavailable(f"blob {key} cannot be read"):
                rest = os.fstat(descriptor).st_size - offset if length is None else length
                yield from _chunks(descriptor, offset, rest, chunk_bytes)
        finally:
            os.close(descriptor)

    def reader(self, key: str) -> BlobReader:
        """Open a blob to be looked at in places. Raises NotFound, Unavailable."""
        return FileReader(self._open(key))

    def length(self, key: str) -> int | None:
        """Length in bytes; None when there is no such blob. Raises Unavailable."""
        try:
            with as_unavailable(f"blob {key} cannot be read"):
                return self.path(key).stat().st_size
        except FileNotFoundError:
            self.check()
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
        """Move a blob to others, durably: on the same disk without being read. One that was moved is no error."""
        if not isinstance(other, DiskBlobs):
            if self.length(key) is not None or other.length(key) is None:
                copy_blob(self, other, key)
                self.delete(key)
            return
        with as_unavailable(f"blob {key} cannot be moved to {other.root}"):
            try:
                target, parent = other._place(key)
                _rename(self._path(key), target, other.incoming)
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
                if KEY.fullmatch(key):
                    yield key

    def arrivals(self) -> Iterator[tuple[str, int]]:
        """All keys with the time when each was first written, in nanoseconds since 1970."""
        return ((key, self.path(key).stat().st_mtime_ns) for key in self.keys())

    def keys_changed(self, since: float, before: float) -> Iterator[str]:
        """Keys of the blobs that came between two times. A folder that nothing came into since is not read."""
        for folder in self._folders():
            if folder.stat().st_mtime < since:
                continue
            with os.scandir(folder) as entries:
                for entry in entries:
                    key = entry.name.removesuffix(self._suffix)
                    if KEY.fullmatch(key) and since <= _changed_at(entry) < before:
                        yield key

    def _folders(self) -> list[Path]:
        return [self.root / name for name in sorted(_names(self.root)) if len(name) == _FOLDER_LETTERS]

    def leftovers(self, older_than: float) -> Iterator[Path]:
        """Temporary files last written before the time `older_than`: of writers that are gone. Raises Unavailable."""
        with in_folder(self.incoming), os.scandir(self.incoming) as entries:
            for entry in entries:
                if 0 <= _changed_at(entry) < older_than:
                    yield Path(entry.path)

    def at_hand(self, key: str, ranges: Sequence[tuple[int, int]]) -> bytes | None:
        """Offsets and lengths joined, if the system has them in memory.

        RWF_NOWAIT fails at once where the disk would have to be asked, and on file systems that do not know it.
        """
        if not hasattr(os, "RWF_NOWAIT"):
            return None
        pieces = []
        descriptor = self._open(key)
        try:
            for offset, length in ranges:
                buffer = bytearray(length)
                if os.preadv(descriptor, [buffer], offset, os.RWF_NOWAIT) < length:
                    return None
                pieces.append(buffer)
        except OSError:
            return None
        finally:
            os.close(descriptor)
        return b"".join(pieces)

    def local_path(self, key: str) -> Path | None:
        """The file itself."""
        return self.path(key)

    def read_note(self, name: str) -> str | None:
        """A short text kept in a file beside the folders of the blobs."""
        try:
            with as_unavailable(f"{name} cannot be read under {self.root}"):
                return (self.root / name).read_text()
        except FileNotFoundError:
            return None

    def write_note(self, name: str, text: str) -> None:
        """Keep a short text; whoever reads it meanwhile has the old one or the new one."""
        passing = self.incoming / f"{name}-{secrets.token_hex(8)}"
        with as_unavailable(f"{name} cannot be written under {self.root}"):
            passing.write_text(text)
            passing.replace(self.root / name)

    def usage(self) -> Usage:
        """Room on the disk."""
        return self._incoming.usage()

    def check(self) -> None:
        """Raise Unavailable unless the folder is there."""
        with as_unavailable(f"the blobs under {self.root} cannot be read"), in_folder(self.incoming):
            self.incoming.stat()

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

    def prepare(self) -> None:
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


class DiskWriter(Writer):
    """A blob being written under a temporary name in `incoming/`."""

    def __init__(self, blobs: DiskBlobs) -> None:
        super().__init__(blobs._incoming)
        self._blobs = blobs
        self._path = ""

    def _make_file(self) -> int:
        self._path = f"{self._blobs.incoming}/{secrets.token_hex(12)}"
        return os.open(self._path, os.O_RDWR | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o640)

    def _drop_file(self) -> None:
        if self._path:
            with suppress(OSError):  # on a disk that fails it stays, for the sweep
                Path(self._path).unlink(missing_ok=True)
            self._path = ""

    def finish(self) -> tuple[str, int]:
        """Make the blob durable and give its key and length.

        Raises
        ------
        Unavailable: the disk is full or away. Nothing is left behind.
        """
        self._flush()
        key = self._sha256.hexdigest()
        try:
            root = self._blobs.root
            with as_unavailable(f"blob {key} cannot be written under {root}"), in_folder(root):
                target, parent = self._blobs._place(key)
                if parent is not None or not self._blobs._syncs_names_with_files or not self._name_and_sync(target):
                    self._sync_and_name(target, parent, key)
        except BaseException:
            self.abort()
            raise
        self._close_file()
        return key, self.length

    def _name_and_sync(self, target: str) -> bool:
        """Make bytes and name durable by one sync; False when the name is taken. Bytes that may be torn take none:
        a blob that others have rows for is only ever replaced by one that is on the disk. (ADR-0014)
        """
        now_ns = time.time_ns()
        os.utime(self._descriptor, ns=(now_ns, now_ns))
        try:
            os.link(self._path, target)
        except FileExistsError:
            return False
        try:
            os.unlink(self._path)  # noqa: PTH108
            os.fsync(self._descriptor)
        except BaseException:
            with suppress(OSError):
                if os.path.samestat(os.stat(target), os.fstat(self._descriptor)):  # noqa: PTH116
                    os.unlink(target)  # noqa: PTH108
            raise
        self._path = ""
        return True

    def _sync_and_name(self, target: str, parent: str | None, key: str) -> None:
        """Make the bytes durable, then the name, as any file system can."""
        _stamp(target, self._descriptor)
        os.fdatasync(self._descriptor)
        os.rename(self._path, target)  # noqa: PTH104
        self._path = ""  # from here on a failure leaves a blob without a row: others may have one for it
        sync_folder(target.rpartition("/")[0])
        if parent is not None:
            sync_folder(parent)
            self._blobs._known_folders.add(key[:_FOLDER_LETTERS])


class FileReader:
    """One open file: a blob, or a copy of one."""

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

    def __enter__(self) -> FileReader:
        return self

    def __exit__(self, kind: object, error: object, trace: object) -> None:
        self.close()


def _rename(path: str, target: str, passing_folder: Path) -> None:
    """Rename a file; one on another disk is copied by way of a folder on that of the target, as it is."""
    try:
        os.rename(path, target)  # noqa: PTH104
    except OSError as error:
        if error.errno != errno.EXDEV:
            raise
        passing = passing_folder / secrets.token_hex(12)
        try:
            shutil.copyfile(path, passing)
            with passing.open("rb") as copied:
                os.fsync(copied.fileno())
            passing.rename(target)
        except BaseException:
            with suppress(OSError):
                passing.unlink(missing_ok=True)
            raise
        sync_folder(target.rpartition("/")[0])
        Path(path).unlink(missing_ok=True)


def _stamp(path: str, descriptor: int) -> None:
    """Give a file the time of its arrival, by which `reindex` goes: that of the one whose place it takes, if any.

    The system's own stamps have the same time for all that comes within a tick of 4 ms.
    """
    try:
        status = os.stat(path)  # noqa: PTH116
    except FileNotFoundError:
        now_ns = time.time_ns()
        os.utime(descriptor, ns=(now_ns, now_ns))
    else:
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
