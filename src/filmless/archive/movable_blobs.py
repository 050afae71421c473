"""Blobs in a folder that may be moved to a bucket while they are used.

Until a move begins they are `DiskBlobs`. From then on every process puts new blobs into the bucket and looks for others
in the folder first, then in the bucket. Nothing new comes into the folder once `shut` has returned, so that whoever
copies what is there then copies everything. (ADR-0020)
"""

from __future__ import annotations

import fcntl
import heapq
import os
import threading
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, TypeVar

from filmless.archive.blobs import BUFFER_BYTES, BlobReader, Blobs, BlobWriter, copy_blob
from filmless.archive.disk import DiskBlobs, DiskWriter
from filmless.archive.moving import find_move, move_file
from filmless.archive.outages import as_unavailable, in_folder
from filmless.config import Settings
from filmless.errors import NotFound

if TYPE_CHECKING:
    from filmless.archive.bucket import Bucket
    from filmless.archive.bucket_blobs import BucketBlobs

T = TypeVar("T")


class Destination:
    """Where the blobs of an archive go, once a move has begun: asked of the file system until then."""

    def __init__(self, settings: Settings) -> None:
        self._settings = settings
        self._path = str(move_file(settings.data))
        self._mutex = threading.Lock()
        self._bucket: Bucket | None = None

    def bucket(self) -> Bucket | None:
        """The bucket; None before a move. Raises Unavailable: the file that names it cannot be read."""
        if self._bucket is not None or not os.path.exists(self._path):  # noqa: PTH110 - asked for every blob
            return self._bucket
        from filmless.archive.bucket import Bucket  # its library is of no use to an archive in a folder

        with self._mutex:
            if self._bucket is None:
                move = find_move(self._settings.data)
                self._bucket = None if move is None else Bucket(move.settings(self._settings))
        return self._bucket


class MovableBlobs(DiskBlobs):
    """The blobs under one folder, and those in the bucket to which they are being moved."""

    def __init__(self, root: Path, destination: Destination, *, suffix: str, reserve_bytes: int) -> None:
        super().__init__(root, suffix=suffix, reserve_bytes=reserve_bytes)
        self._destination = destination
        self._gate = self.root / "gate"
        self._gate.touch(0o640)
        self._target: BucketBlobs | None = None

    def target(self) -> BucketBlobs | None:
        """The blobs of this kind in the bucket; None before a move."""
        if self._target is None and (bucket := self._destination.bucket()) is not None:
            from filmless.archive.bucket_blobs import BucketBlobs

            self._target = BucketBlobs(bucket, self.root.name, suffix=self._suffix, on_kept=self._supersede)
        return self._target

    def _supersede(self, key: str) -> None:
        """Remove the file of a blob that came again while it was damaged here: the folder is looked into first."""
        with self.held(key) as is_here:
            if is_here and self.digest(key) != key:
                self.remove_here(key)

    @contextmanager
    def _entering(self) -> Iterator[BucketBlobs | None]:
        """Where a blob must be put that is put within the block: no move begins before its end."""
        target = self.target()
        if target is not None:
            yield target
            return
        with as_unavailable(f"nothing can be put under {self.root}"), in_folder(self.root):
            gate = os.open(self._gate, os.O_RDONLY | os.O_CLOEXEC)
        try:
            fcntl.flock(gate, fcntl.LOCK_SH)  # let go of with the file
            yield self.target()
        finally:
            os.close(gate)

    def shut(self) -> None:
        """After a move was announced: wait for those who put blobs here and did not know of it yet."""
        with self._gate.open("r+") as gate:
            fcntl.flock(gate, fcntl.LOCK_EX)

    @contextmanager
    def held(self, key: str) -> Iterator[bool]:
        """Whether a blob is in the folder; if it is, nobody removes it before the end of the block."""
        try:
            with as_unavailable(f"blob {key} cannot be opened"):
                descriptor = os.open(self._path(key), os.O_RDWR | os.O_CLOEXEC)
        except FileNotFoundError:
            yield False
            return
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX)
            yield os.fstat(descriptor).st_nlink > 0
        finally:
            os.close(descriptor)

    def create(self) -> BlobWriter:
        """Begin a new blob, which goes into the bucket once a move has begun."""
        target = self.target()
        if target is not None:
            return target.create()
        self.require_room()
        return MovableWriter(self)

    def _either(self, in_folder: Callable[[], T], in_bucket: Callable[[BucketBlobs], T]) -> T:
        try:
            return in_folder()
        except NotFound:
            target = self.target()
            if target is None:
                raise
        return in_bucket(target)

    def open(self, key: str) -> int:
        """A file descriptor of all of a blob. Raises NotFound, Unavailable."""
        return self._either(lambda: super(MovableBlobs, self).open(key), lambda target: target.open(key))

    def read(self, key: str, offset: int = 0, length: int | None = None) -> bytes:
        """Read a range; a range beyond the end gives what there is."""
        return self._either(
            lambda: super(MovableBlobs, self).read(key, offset, length), lambda target: target.read(key, offset, length)
        )

    def stream(
        self, key: str, offset: int = 0, length: int | None = None, chunk_bytes: int = BUFFER_BYTES
    ) -> Iterator[bytes]:
        """Read a range in pieces. A missing blob is told before the first piece."""
        return self._either(
            lambda: super(MovableBlobs, self).stream(key, offset, length, chunk_bytes),
            lambda target: target.stream(key, offset, length, chunk_bytes),
        )

    def reader(self, key: str) -> BlobReader:
        """Open a blob to be looked at in places. Raises NotFound, Unavailable."""
        return self._either(lambda: super(MovableBlobs, self).reader(key), lambda target: target.reader(key))

    def at_hand(self, key: str, ranges: Sequence[tuple[int, int]]) -> bytes | None:
        """Offsets and lengths joined, if they are in memory; None for what is in the bucket, which is not asked."""
        if self.target() is not None and not os.path.exists(self._path(key)):  # noqa: PTH110
            return None
        return self._either(lambda: super(MovableBlobs, self).at_hand(key, ranges), lambda _target: None)

    def local_path(self, key: str) -> Path | None:
        """The file itself; None from the beginning of a move on: the file may go before the system has opened it."""
        return super().local_path(key) if self.target() is None else None

    def length(self, key: str) -> int | None:
        """Length in bytes; None when there is no such blob."""
        length = super().length(key)
        if length is None and (target := self.target()) is not None:
            return target.length(key)
        return length

    def delete(self, key: str) -> None:
        """Remove a blob from both places; one that is being copied is waited for."""
        with self.held(key) as is_here:
            if is_here:
                super().delete(key)
        target = self.target()  # not before: it was put there after the move was announced, and before this
        if target is not None:
            target.delete(key)

    def move_to(self, other: Blobs, key: str) -> None:
        """Move a blob to others of this archive. One that was moved already is no error. Raises NotFound."""
        assert isinstance(other, MovableBlobs)
        with other._entering() as there:
            if there is None:
                super().move_to(other, key)
                return
        if super().length(key) is not None:
            copy_blob(self, there, key)
            self.delete(key)
        elif other.length(key) is None or self.length(key) is not None:
            target = self.target()
            assert target is not None
            target.move_to(there, key)

    def remove_here(self, key: str) -> None:
        """Remove the file of a blob that is in the bucket, by whoever holds it."""
        super().delete(key)

    def keys_here(self) -> Iterator[str]:
        """The keys of the blobs that are in the folder, in order."""
        return super().keys()

    def keys(self) -> Iterator[str]:
        """All keys, in order."""
        here, target = super().keys(), self.target()
        if target is None:
            yield from here
            return
        last = None
        for key in heapq.merge(here, target.keys()):
            if key != last:
                yield key
            last = key

    def arrivals(self) -> Iterator[tuple[str, int]]:
        """All keys with the time when each was written, in nanoseconds since 1970: in the folder, if it is there."""
        yield from ((key, self.path(key).stat().st_mtime_ns) for key in self.keys_here())
        if (target := self.target()) is not None:
            yield from ((key, at) for key, at in target.arrivals() if super(MovableBlobs, self).length(key) is None)

    def keys_changed(self, since: float, before: float) -> Iterator[str]:
        """Keys of the blobs that came between two times, from both places."""
        yield from super().keys_changed(since, before)
        if (target := self.target()) is not None:
            yield from target.keys_changed(since, before)

    def check(self) -> None:
        """Raise Unavailable unless the folder is there, and the bucket answers once a move has begun."""
        super().check()
        if (target := self.target()) is not None:
            target.check()


class MovableWriter(DiskWriter):
    """A blob being written in the folder; it goes to the bucket all the same when a move began meanwhile."""

    def __init__(self, blobs: MovableBlobs) -> None:
        super().__init__(blobs)
        self._movable = blobs

    def finish(self) -> tuple[str, int]:
        """Make the blob durable and give its key and length. Raises Unavailable."""
        with self._movable._entering() as target:
            if target is None:
                return super().finish()
        with target.create() as writer:
            writer.write(self.map())
            finished = writer.finish()
        self.abort()
        return finished
