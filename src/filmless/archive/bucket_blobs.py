"""Blobs in a bucket: `<prefix>/blobs/<hex>.dcm`.

A blob waits in memory or in a nameless file on this machine, which may be lost, and is hashed meanwhile. `finish`
returns when the store has said that it has it.
"""

from __future__ import annotations

import hashlib
import mmap
import os
import tempfile
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import IO, Final

import obstore
from obstore import exceptions

from filmless.archive.blobs import BUFFER_BYTES, KEY, Blobs, Usage, copy_blob
from filmless.archive.bucket import Bucket, put_new
from filmless.archive.outages import as_unavailable
from filmless.archive.writing import Writer, write_all
from filmless.errors import NotFound, Unavailable

_HEAD_BYTES: Final = 1 << 20  # fetched with the length of a blob that is looked at in places
_COPIED_MAX_BYTES: Final = 5 << 30  # the longest object that S3 copies by itself
_PARTS_MAX: Final = 10_000  # of one S3 multipart upload


class BucketBlobs:
    """The blobs of one kind: those below one folder of the bucket."""

    def __init__(
        self, bucket: Bucket, kind: str, *, suffix: str, on_kept: Callable[[str], None] = lambda _key: None
    ) -> None:
        self.bucket = bucket
        self._on_kept = on_kept  # hears of each blob that was written
        self._prefix = f"{kind}/"
        self._suffix = suffix

    @property
    def name(self) -> str:
        """The address of the folder."""
        return f"{self.bucket.name}/{self._prefix.rstrip('/')}"

    def create(self) -> BucketWriter:
        """Begin a new blob. Raises Unavailable: less than the reserve is free on the disk of the spool."""
        self.require_room()
        return BucketWriter(self)

    def require_room(self) -> None:
        """Raise Unavailable when less than the reserve is free on the disk of the spool."""
        self.bucket.incoming.require_room()

    def open(self, key: str) -> int:
        """Fetch a blob into a nameless file: a descriptor that the caller closes. Raises NotFound, Unavailable."""
        pieces = self.stream(key)
        self.require_room()
        kept = f"blob {key} cannot be kept under {self.bucket.incoming.folder}"
        with self._spool_file() as file, as_unavailable(kept):
            for piece in pieces:
                write_all(file, piece)
            file.seek(0)
            return os.dup(file.fileno())

    def _spool_file(self) -> IO[bytes]:
        folder = self.bucket.incoming.folder
        with as_unavailable(f"a file under {folder} cannot be made"):
            return tempfile.TemporaryFile(dir=folder, buffering=0)

    def read(self, key: str, offset: int = 0, length: int | None = None) -> bytes:
        """Read a range; a range beyond the end gives what there is."""
        if length is None:
            return b"".join(self.stream(key, offset))
        return self._get(key, offset, length)[0] if length > 0 else b""

    def _get(self, key: str, offset: int, length: int) -> tuple[bytes, int]:
        """A range, and the length of the whole blob."""
        with self.bucket.asked(f"blob {key} cannot be read"):
            try:
                result = obstore.get(self.bucket.store, self._path(key), options={"range": (offset, offset + length)})
                return bytes(result.bytes()), int(result.meta["size"])
            except exceptions.BaseError as error:
                if "416 Range Not Satisfiable" not in str(error):
                    raise
                return b"", int(obstore.head(self.bucket.store, self._path(key))["size"])

    def stream(
        self, key: str, offset: int = 0, length: int | None = None, chunk_bytes: int = BUFFER_BYTES
    ) -> Iterator[bytes]:
        """Read a range in pieces. The first part is fetched at once, so that a missing blob is told before it.

        Each part is a request of its own: who reads slowly holds no connection, and no time limit counts against it.
        """
        part_bytes = max(self.bucket.settings.blobs_part_bytes // chunk_bytes, 1) * chunk_bytes
        first = part_bytes if length is None else min(part_bytes, length)
        data, size = self._get(key, offset, max(first, 1))
        end = size if length is None else min(offset + length, size)
        return self._pieces(key, data[: max(end - offset, 0)], offset, end, chunk_bytes, part_bytes)

    def _pieces(
        self, key: str, data: bytes, offset: int, end: int, chunk_bytes: int, part_bytes: int
    ) -> Iterator[bytes]:
        while True:
            for start in range(0, len(data), chunk_bytes):
                yield data[start : start + chunk_bytes]
            offset += len(data)
            if offset >= end:
                return
            data, _ = self._get(key, offset, min(part_bytes, end - offset))
            if not data:
                raise Unavailable(f"blob {key} in {self.name} ended {end - offset} bytes early")

    def reader(self, key: str) -> BucketReader:
        """Fetch the beginning of a blob, to look at it in places. Raises NotFound, Unavailable."""
        return BucketReader(self, key, *self._get(key, 0, _HEAD_BYTES))

    def at_hand(self, key: str, ranges: Sequence[tuple[int, int]]) -> bytes | None:
        """Nothing: a request must be waited for."""
        return None

    def local_path(self, key: str) -> Path | None:
        """None: no blob is a file here."""
        return None

    def length(self, key: str) -> int | None:
        """Length in bytes; None when there is no such blob."""
        try:
            with self.bucket.asked(f"blob {key} cannot be asked for"):
                return int(obstore.head(self.bucket.store, self._path(key))["size"])
        except NotFound:
            self.bucket.check()  # the answer to HEAD has no text: a bucket that is gone looks the same
            return None

    def digest(self, key: str) -> str:
        """The SHA-256 of what is in the bucket now, in hex: equal to `key` unless the blob is damaged."""
        sha256 = hashlib.sha256()
        for piece in self.stream(key):
            sha256.update(piece)
        return sha256.hexdigest()

    def delete(self, key: str) -> None:
        """Remove a blob; one that is not there is no error."""
        try:
            with self.bucket.asked(f"blob {key} cannot be removed"):
                obstore.delete(self.bucket.store, self._path(key))
        except NotFound:
            return

    def move_to(self, other: Blobs, key: str) -> None:
        """Move a blob to others: within the bucket by the store itself. One that was moved already is no error."""
        length = self.length(key)
        if length is None:
            if other.length(key) is None:
                raise NotFound(f"blob {key} is not in {self.name}")
            return
        if not isinstance(other, BucketBlobs) or other.bucket is not self.bucket:
            copy_blob(self, other, key)
        elif length <= _COPIED_MAX_BYTES:
            with self.bucket.asked(f"blob {key} cannot be moved to {other.name}"):
                obstore.copy(self.bucket.store, self._path(key), other._path(key))
        else:
            descriptor = self.open(key)
            try:
                other._put_parts(key, descriptor, length)
            finally:
                os.close(descriptor)
        self.delete(key)

    def keys(self) -> Iterator[str]:
        """All keys, in order."""
        return (key for key, _ in self._objects())

    def arrivals(self) -> Iterator[tuple[str, int]]:
        """All keys with the time when each was written, in nanoseconds since 1970; the store counts in seconds."""
        return ((key, int(changed_at * 1e9)) for key, changed_at in self._objects())

    def keys_changed(self, since: float, before: float) -> Iterator[str]:
        """Keys of the blobs that came between two times. A store cannot be asked for those: all are listed."""
        return (key for key, changed_at in self._objects() if since <= changed_at < before)

    def _objects(self) -> Iterator[tuple[str, float]]:
        with self.bucket.asked(f"the objects of {self._prefix} cannot be listed"):
            for page in obstore.list(self.bucket.store, self._prefix, chunk_size=1000):
                for each in page:
                    key = each["path"].rpartition("/")[2].removesuffix(self._suffix)
                    if KEY.fullmatch(key):
                        yield key, each["last_modified"].timestamp()

    def leftovers(self, older_than: float) -> Iterator[Path]:
        """None: what waits has no name, and goes with its process."""
        return iter(())

    def read_note(self, name: str) -> str | None:
        """A short text in an object beside the blobs."""
        try:
            with self.bucket.asked(f"{name} cannot be read"):
                return bytes(obstore.get(self.bucket.store, f"notes/{self._prefix}{name}").bytes()).decode()
        except NotFound:
            return None

    def write_note(self, name: str, text: str) -> None:
        """Keep a short text in an object."""
        with self.bucket.asked(f"{name} cannot be written"):
            obstore.put(self.bucket.store, f"notes/{self._prefix}{name}", text.encode())

    def usage(self) -> Usage:
        """Room on the disk of the spool: a bucket has no end."""
        return self.bucket.incoming.usage()

    def check(self) -> None:
        """Raise Unavailable unless the store answers."""
        self.bucket.check()

    def prepare(self) -> None:
        """Find out what the store can do. Raises Unavailable."""
        self.bucket.refuses_to_overwrite()

    def _path(self, key: str) -> str:
        return f"{self._prefix}{key}{self._suffix}"

    def _keep(self, key: str, data: bytes | None, descriptor: int, length: int) -> None:
        """Put a blob unless it is there already, whole: the time of the first arrival stays.

        Raises
        ------
        Unavailable
        """
        settings, store = self.bucket.settings, self.bucket.store
        if length > settings.blobs_part_bytes:
            if not self._is_whole(key, length):
                self._put_parts(key, descriptor, length)
            return
        if data is None:
            with as_unavailable(f"blob {key} cannot be read from the spool"):
                data = os.pread(descriptor, length, 0)
        path = self._path(key)
        with self.bucket.asked(f"blob {key} cannot be written"):
            if self.bucket.refuses_to_overwrite():
                if put_new(store, path, data) or self._is_whole(key, length):
                    return
            elif self._is_whole(key, length):
                return
            obstore.put(store, path, data, use_multipart=False)

    def _is_whole(self, key: str, length: int) -> bool:
        """Whether a blob is there with the bytes that its key promises: read back, because Success rests on it."""
        try:
            return self.length(key) == length and self.digest(key) == key
        except NotFound:
            return False

    def _put_parts(self, key: str, descriptor: int, length: int) -> None:
        """Upload a file in parts, a few at once."""
        settings = self.bucket.settings
        part_bytes = max(settings.blobs_part_bytes, -(-length // _PARTS_MAX))
        with self.bucket.asked(f"blob {key} cannot be written"):
            obstore.put(
                self.bucket.store,
                self._path(key),
                Path(f"/proc/self/fd/{descriptor}"),  # the file has no name; the library reads it by itself
                use_multipart=True,
                chunk_size=part_bytes,
                max_concurrency=settings.blobs_parts_at_once,
            )


class BucketWriter(Writer):
    """A blob on its way into a bucket; a short one never touches the disk."""

    _writes_short_ones = False

    def __init__(self, blobs: BucketBlobs) -> None:
        super().__init__(blobs.bucket.incoming)
        self._blobs = blobs

    def _make_file(self) -> int:
        with self._blobs._spool_file() as file:
            return os.dup(file.fileno())

    def finish(self) -> tuple[str, int]:
        """Put the blob and give its key and length.

        Raises
        ------
        Unavailable: the store is away, or refuses it.
        """
        key = self.digest().hex()
        try:
            data = None
            if self._is_whole_in_buffer:
                data = bytes(memoryview(self._buffer)[: self._buffered])
            self._blobs._keep(key, data, self._descriptor, self.length)
            self._blobs._on_kept(key)
        finally:
            self.abort()
        return key, self.length


class BucketReader:
    """One blob of a bucket: its beginning is here, the rest is fetched when it is looked at."""

    def __init__(self, blobs: BucketBlobs, key: str, head: bytes, length: int) -> None:
        self.length = length
        self._blobs = blobs
        self._key = key
        self._head = head

    def map(self) -> memoryview | mmap.mmap:
        """All of it: from memory when short, else fetched into a nameless file and mapped."""
        if self.length <= len(self._head):
            return memoryview(self._head)
        descriptor = self._blobs.open(self._key)
        try:
            return mmap.mmap(descriptor, 0, access=mmap.ACCESS_READ)
        finally:
            os.close(descriptor)

    def read_at(self, offset: int, length: int) -> bytes:
        """A range of it."""
        end = min(offset + length, self.length)
        if end <= len(self._head):
            return self._head[offset:end]
        return self._blobs.read(self._key, offset, end - offset) if end > offset else b""

    def close(self) -> None:
        """Forget the beginning."""
        self._head = b""

    def __enter__(self) -> BucketReader:
        return self

    def __exit__(self, kind: object, error: object, trace: object) -> None:
        self.close()
