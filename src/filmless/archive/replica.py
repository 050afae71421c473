"""The replica: a second place with a copy of every instance's blob, in a folder or a bucket, laid out like the first.

What it still has to get, or to lose, is a row of `replica_backlog`, written in the transaction that says so.
Not here: who copies and repairs (`store/replicate.py`).
"""

from __future__ import annotations

import secrets
import threading
import time
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from sqlalchemy import Connection, delete, func, insert, select, update

from filmless.archive.blobs import Blobs
from filmless.archive.database import insert_for
from filmless.archive.tables import replica_backlog, replicas
from filmless.config import Settings
from filmless.errors import Unavailable

if TYPE_CHECKING:
    from filmless.archive.archive import Archive

_NOTE: Final = "replica"
REJOIN_S: Final = 600.0
"""A replica that nobody served for so long is compared with all instances anew: it may have missed some."""


@dataclass(frozen=True, slots=True)
class Known:
    """A replica as the database knows it. Times are seconds since 1970."""

    url: str
    mark: str  # a random word that lies in the replica too: a disk that is not mounted does not have it
    position: int  # the key of the last instance that is there, of those older than the replica
    filled_at: float | None  # all of those are there since then
    served_at: float


@dataclass(frozen=True, slots=True)
class Backlog:
    """What waits to be done in the replica."""

    blobs: int
    oldest_at: float | None


class Replica:
    """The replica of one open archive."""

    def __init__(self, settings: Settings) -> None:
        assert settings.replica_url is not None
        self.url = settings.replica_url
        self.is_synchronous = settings.replica_mode == "synchronous"
        self.may_degrade = settings.replica_away == "degrade"
        self._settings = settings
        self._mutex = threading.Lock()
        self._blobs: Blobs | None = None
        self._mark: str | None = None

    def ready(self, archive: Archive) -> Blobs:
        """The blobs of the replica, which is there, and is the one that was written to before.

        Raises
        ------
        Unavailable
        """
        if self._mark is None:
            with archive.reading() as session:
                known = find_replica(session, self.url)
            if known is None:
                raise Unavailable(f"the replica {self.url} was not made ready yet: a worker does it", retry_after_s=5)
            self._require_mark(known.mark)
            self._mark = known.mark
        elif "://" not in self.url:
            self._require_mark(self._mark)
        blobs = self._open()
        blobs.check()
        return blobs

    def prepare(self, archive: Archive) -> Blobs:
        """Make the replica ready at its first use; for the worker, of which one does it at a time.

        Raises
        ------
        Unavailable
        """
        with archive.reading() as session:
            known = find_replica(session, self.url)
        if known is not None:
            blobs = self.ready(archive)
        else:
            blobs = self._open()
            blobs.check()
            mark = secrets.token_hex(16)
            blobs.write_note(_NOTE, mark)
            blobs.prepare()
        now = time.time()
        with archive.transaction() as session:
            if known is None:
                session.execute(delete(replica_backlog))  # of another replica: this one gets everything
                session.execute(delete(replicas))
                session.execute(insert(replicas).values(url=self.url, mark=mark, position=0, served_at=now))
            else:
                values: dict[str, Any] = {"served_at": now}
                if now - known.served_at > REJOIN_S:
                    values |= {"position": 0, "filled_at": None}
                session.execute(update(replicas).where(replicas.c.url == self.url).values(values))
        return blobs

    def _open(self) -> Blobs:
        with self._mutex:
            if self._blobs is None:
                self._blobs = _open(self._settings, self.url)
            return self._blobs

    def _require_mark(self, mark: str) -> None:
        if self._open().read_note(_NOTE) != mark:
            raise Unavailable(
                f"the replica {self.url} is not the one that was written to before: is its disk mounted?",
                retry_after_s=60,
            )


def _open(settings: Settings, url: str) -> Blobs:
    if "://" in url:
        from filmless.archive.bucket import Bucket
        from filmless.archive.bucket_blobs import BucketBlobs

        names = ("url", "endpoint", "region", "access_key_id", "secret_access_key", "path_style", "ca_certificates")
        changes = {f"blobs_{name}": getattr(settings, f"replica_{name}") for name in names}
        return BucketBlobs(Bucket(settings.model_copy(update=changes)), "blobs", suffix=".dcm")
    from filmless.archive.disk import DiskBlobs

    if not Path(url).is_dir():
        raise Unavailable(f"there is no folder {url} (replica_url): make it, or mount its disk", retry_after_s=60)
    return DiskBlobs(Path(url) / "blobs", suffix=".dcm", reserve_bytes=settings.disk_reserve_bytes)


def find_replica(session: Connection, url: str) -> Known | None:
    """What is known of a replica; None before its first use."""
    columns = [replicas.c[name] for name in Known.__slots__]
    row = session.execute(select(*columns).where(replicas.c.url == url)).first()
    return None if row is None else Known(*row)


def want_in_replica(session: Connection, key: str, *, is_wanted: bool = True) -> None:
    """Have a worker bring a blob into the replica, or remove it there."""
    values = {"is_wanted": int(is_wanted), "at": time.time()}
    statement = insert_for(session)(replica_backlog).values(blob=key, **values)
    session.execute(statement.on_conflict_do_update(index_elements=["blob"], set_=values))


def read_backlog(session: Connection) -> Backlog:
    """How much waits, and since when."""
    count, oldest = session.execute(select(func.count(), func.min(replica_backlog.c.at))).one()
    return Backlog(int(count), oldest)
