"""Stored bytes, each under the SHA-256 of itself in hex (its key). They never change. On disk, or in a bucket.

Two implementations have the operations of `Blobs`: `disk.py` for a folder, `bucket_blobs.py` for S3 and its kin;
`movable_blobs.py` joins the two while blobs move from one to the other.
`finish` of a writer returns when the bytes are durable, so that a row may point at them. What a crash leaves without a
row is for the sweep.
"""

from __future__ import annotations

import mmap
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Final, Protocol

from filmless.config import Settings
from filmless.errors import Damaged

if TYPE_CHECKING:
    from collections.abc import Buffer  # type: ignore[attr-defined,unused-ignore]

BUFFER_BYTES: Final = 1 << 20
"""What is shorter is written and read from memory."""

KEY: Final = re.compile(r"[0-9a-f]{64}")


@dataclass(frozen=True, slots=True)
class Usage:
    """Room on the disk where blobs are, or where they wait on their way to the bucket."""

    capacity_bytes: int
    free_bytes: int


class BlobWriter(Protocol):
    """One blob being written, by one thread: `finish` keeps it, `close` ends the writer either way."""

    @property
    def length(self) -> int:
        """Bytes written so far."""

    def write(self, data: Buffer) -> None:
        """Append bytes. Raises Unavailable, and the writer is aborted: the disk is full or away."""

    def map(self) -> memoryview | mmap.mmap:
        """What was written so far."""

    def read_at(self, offset: int, length: int) -> bytes:
        """A range of what was written so far."""

    def digest(self) -> bytes:
        """The SHA-256 of what was written so far."""

    def finish(self) -> tuple[str, int]:
        """Make the blob durable and give its key and length. Raises Unavailable: nothing is left behind."""

    def abort(self) -> None:
        """Drop what was written; nothing after `finish`. What `map` gave stays readable until `close`."""

    def close(self) -> None:
        """End the writer: what was not finished is dropped, and what `map` gave may change."""

    def __enter__(self) -> BlobWriter:
        """Close at the end of the block."""

    def __exit__(self, kind: object, error: object, trace: object) -> None:
        """Close."""


class BlobReader(Protocol):
    """One open blob."""

    @property
    def length(self) -> int:
        """All its bytes."""

    def map(self) -> memoryview | mmap.mmap:
        """All of it; stays readable after `close`."""

    def read_at(self, offset: int, length: int) -> bytes:
        """A range of it."""

    def close(self) -> None:
        """Let go of it."""

    def __enter__(self) -> BlobReader:
        """Close at the end of the block."""

    def __exit__(self, kind: object, error: object, trace: object) -> None:
        """Close."""


class Blobs(Protocol):
    """The blobs of one kind. All operations raise Unavailable when the disk or the bucket is away."""

    @property
    def name(self) -> str:
        """Where they are, for people; never with a credential."""

    def create(self) -> BlobWriter:
        """Begin a new blob. Raises Unavailable too when less than the reserve is free on the disk."""

    def require_room(self) -> None:
        """Raise Unavailable when less than the reserve is free on the disk."""

    def open(self, key: str) -> int:
        """A file descriptor of all of a blob, which the caller closes. From a bucket it is fetched as a whole.

        Raises
        ------
        NotFound
        """

    def read(self, key: str, offset: int = 0, length: int | None = None) -> bytes:
        """Read a range; a range beyond the end gives what there is. Raises NotFound."""

    def stream(
        self, key: str, offset: int = 0, length: int | None = None, chunk_bytes: int = BUFFER_BYTES
    ) -> Iterator[bytes]:
        """Read a range in pieces of `chunk_bytes`. A missing blob is told (NotFound) before the first piece."""

    def reader(self, key: str) -> BlobReader:
        """Open a blob to be looked at in places: its length and beginning in one request. Raises NotFound."""

    def at_hand(self, key: str, ranges: Sequence[tuple[int, int]]) -> bytes | None:
        """Offsets and lengths joined, if that takes no waiting, so that an event loop may ask; else None.

        Raises
        ------
        NotFound
        """

    def local_path(self, key: str) -> Path | None:
        """A file that the system can send by itself; None when the blob is not one on this machine."""

    def length(self, key: str) -> int | None:
        """Length in bytes; None when there is no such blob."""

    def digest(self, key: str) -> str:
        """The SHA-256 of what is stored now, in hex: equal to `key` unless the blob is damaged. Raises NotFound."""

    def delete(self, key: str) -> None:
        """Remove a blob; one that is not there is no error."""

    def move_to(self, other: Blobs, key: str) -> None:
        """Move a blob to others, durably. One that was moved already is no error. Raises NotFound."""

    def keys(self) -> Iterator[str]:
        """All keys, in order."""

    def arrivals(self) -> Iterator[tuple[str, int]]:
        """All keys with the time when each was written, in nanoseconds since 1970. A bucket counts in seconds."""

    def keys_changed(self, since: float, before: float) -> Iterator[str]:
        """Keys of the blobs that came between two times."""

    def leftovers(self, older_than: float) -> Iterator[Path]:
        """Temporary files on this machine last written before `older_than`: of writers that are gone."""

    def read_note(self, name: str) -> str | None:
        """A short text that lies beside the blobs, such as when they were swept; None when there is none."""

    def write_note(self, name: str, text: str) -> None:
        """Keep a short text beside the blobs, in the place of the one of that name."""

    def usage(self) -> Usage:
        """Room on the disk."""

    def check(self) -> None:
        """Raise Unavailable unless blobs can be written and read now."""

    def prepare(self) -> None:
        """Make ready for a server, so that no reception has to; does nothing where nothing needs to be made."""


@dataclass(frozen=True, slots=True)
class Store:
    """The kinds of blobs of an archive."""

    blobs: Blobs  # instances
    quarantine: Blobs  # instances that were refused, for an administrator to see
    metadata_objects: Blobs  # of series
    renditions: Blobs  # frames compressed anew: a cache
    trash: Blobs  # deleted instances, until they are purged


def open_store(settings: Settings) -> Store:
    """The blobs where the settings say they are. Nothing is asked of a bucket yet.

    Raises
    ------
    Refused: `blobs_url` or what belongs to it cannot be used. Unavailable: the data folder cannot be written.
    """
    if settings.blobs_url is not None:
        from filmless.archive.bucket import Bucket
        from filmless.archive.bucket_blobs import BucketBlobs

        bucket = Bucket(settings)
        return Store(
            BucketBlobs(bucket, "blobs", suffix=".dcm"),
            BucketBlobs(bucket, "quarantine", suffix=".dcm"),
            BucketBlobs(bucket, "metadata", suffix=".json.gz"),
            BucketBlobs(bucket, "renditions", suffix=".frames"),
            BucketBlobs(bucket, "trash", suffix=".dcm"),
        )
    from filmless.archive.movable_blobs import Destination, MovableBlobs

    reserve = settings.disk_reserve_bytes
    destination = Destination(settings)
    return Store(
        MovableBlobs(settings.data / "blobs", destination, suffix=".dcm", reserve_bytes=reserve),
        MovableBlobs(settings.data / "quarantine", destination, suffix=".dcm", reserve_bytes=reserve),
        MovableBlobs(settings.data / "metadata", destination, suffix=".json.gz", reserve_bytes=reserve),
        # A cache stops growing long before reception has to.
        MovableBlobs(settings.data / "renditions", destination, suffix=".frames", reserve_bytes=4 * reserve),
        MovableBlobs(settings.data / "trash", destination, suffix=".dcm", reserve_bytes=reserve),
    )


def copy_blob(source: Blobs, target: Blobs, key: str) -> int:
    """Copy a blob to others of any kind, read through and compared with its digest; gives its length.

    Raises
    ------
    NotFound, Unavailable. Damaged: what was read is not what the key says; nothing is kept.
    """
    with target.create() as writer:
        for piece in source.stream(key):
            writer.write(piece)
        if writer.digest().hex() != key:
            raise Damaged(f"blob {key} in {source.name} does not match its digest")
        return writer.finish()[1]
