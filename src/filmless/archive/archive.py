"""The archive of one installation: settings, database, blobs. Everything above takes it as its first parameter."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import AbstractContextManager
from types import TracebackType
from typing import TypeVar

from sqlalchemy import Connection, select

from filmless.archive import feed
from filmless.archive.blobs import open_store
from filmless.archive.database import Database
from filmless.archive.folders import make_folder
from filmless.archive.moving import where_blobs_are
from filmless.archive.replica import Replica
from filmless.archive.tables import instances
from filmless.config import Settings
from filmless.errors import Unavailable

T = TypeVar("T")


class Archive:
    """An open archive. One per process, shared by its threads."""

    def __init__(self, settings: Settings, database: Database) -> None:
        self.settings = where_blobs_are(settings)
        self.database = database
        store = open_store(self.settings)
        self.blobs = store.blobs
        self.quarantine = store.quarantine
        self.metadata_objects = store.metadata_objects
        self.renditions = store.renditions
        self.trash = store.trash
        self.replica = None if self.settings.replica_url is None else Replica(self.settings)

    @classmethod
    def open(cls, settings: Settings) -> Archive:
        """Open the archive of `settings.data`: make the folder if absent, bring the database to this version.

        Raises
        ------
        Unavailable: the folder cannot be made or written, or the database is away.
        """
        make_folder(settings.data)
        database = Database(settings)
        try:
            database.migrate()
            if not database.is_sqlite:
                with database.transaction() as session:
                    feed.mend_order(session)
            _require_blobs(where_blobs_are(settings), database)
            return cls(settings, database)
        except BaseException:
            database.close()
            raise

    def close(self) -> None:
        """Close all connections. Work in hand in other threads fails."""
        self.database.close()

    def transaction(self) -> AbstractContextManager[Connection]:
        """Write in one transaction; when the block is left without an error, its changes are on disk."""
        return self.database.transaction()

    def run(self, body: Callable[[Connection], T]) -> T:
        """Run a function as one transaction, maybe in another thread: for the paths that every instance takes."""
        return self.database.run(body)

    def reading(self) -> AbstractContextManager[Connection]:
        """Read from one snapshot. Writing through it is an error."""
        return self.database.reading()

    def __enter__(self) -> Archive:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()


def _require_blobs(settings: Settings, database: Database) -> None:
    """Make no new folder in the place of one whose disk is not mounted: what came next would lie on the wrong disk.

    Raises
    ------
    Unavailable: instances are recorded and the folder of the blobs is not there.
    """
    folder = settings.data / "blobs" / "incoming"
    if settings.blobs_url is not None or folder.is_dir():
        return
    with database.reading() as session:
        is_used = session.execute(select(instances.c.id).limit(1)).first() is not None
    if is_used:
        raise Unavailable(
            f"instances are recorded, but the folder {folder} is gone: mount its disk, or restore it from a backup"
        )
