"""The archive of one installation: settings, database, blobs. Everything above takes it as its first parameter."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, ExitStack, contextmanager
from types import TracebackType
from typing import TypeVar

from sqlalchemy import Connection, select, text

from filmless.archive import feed
from filmless.archive.blobs import open_store
from filmless.archive.database import Database
from filmless.archive.database_move import begun_file, read_move, where_database_is
from filmless.archive.folders import make_folder
from filmless.archive.group_commit import Moved
from filmless.archive.moving import where_blobs_are
from filmless.archive.replica import Replica
from filmless.archive.tables import instances
from filmless.config import Settings
from filmless.errors import Refused, Unavailable

T = TypeVar("T")


class Archive:
    """An open archive. One per process, shared by its threads."""

    def __init__(self, settings: Settings, database: Database) -> None:
        self.settings = where_blobs_are(settings)
        self._database = database
        self._following = threading.Lock()
        self._next: Database | None = None
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
        Refused: the settings name a database to which another is being moved.
        """
        is_named = settings.database_url is not None
        settings = where_database_is(settings)
        make_folder(settings.data)
        database = Database(settings)
        try:
            database.migrate()
            if not database.is_sqlite:
                with database.transaction() as session:
                    if is_named:
                        _require_whole(session)
                    feed.mend_order(session)
            _require_blobs(where_blobs_are(settings), database)
            return cls(settings, database)
        except BaseException:
            database.close()
            raise

    @property
    def database(self) -> Database:
        """The database: another one, once it was moved while we serve."""
        if self._database.was_moved():
            self._follow()
        return self._database

    def _follow(self) -> None:
        with self._following:
            old = self._database
            if old.was_moved():
                settings = where_database_is(old.settings)
                is_known = self._next is not None and self._next.url == settings.database_url
                self._database = self._next if self._next is not None and is_known else Database(settings)
                old.close()

    def look_ahead(self) -> None:
        """While the database is being moved, be connected to the other one: the library and a connection take time.

        Raises
        ------
        Unavailable: it is away for us.
        """
        with self._following:
            if not self._database.is_sqlite or self._database.was_moved():
                return
            move = read_move(begun_file(self.settings.data))
            if self._next is not None and (move is None or move.url != self._next.url):
                self._next.close()  # given up
                self._next = None
            if self._next is None and move is not None:
                upcoming = Database(self.settings.model_copy(update={"database_url": move.url}))
                upcoming.check()
                self._next = upcoming

    def close(self) -> None:
        """Close all connections. Work in hand in other threads fails."""
        self._database.close()
        if self._next is not None:
            self._next.close()

    @contextmanager
    def transaction(self) -> Iterator[Connection]:
        """Write in one transaction; when the block is left without an error, its changes are on disk."""
        with ExitStack() as stack:
            try:
                session = stack.enter_context(self._database.transaction())
            except Moved:
                session = stack.enter_context(self.database.transaction())
            yield session

    def run(self, body: Callable[[Connection], T]) -> T:
        """Run a function as one transaction, maybe in another thread: for the paths that every instance takes."""
        try:
            return self._database.run(body)
        except Moved:
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


FILLING_TABLE = "database_move"
"""Is in a server's database while it is being filled from another one."""


def _require_whole(session: Connection) -> None:
    """Serve nothing from a database that is being filled.

    Raises
    ------
    Refused: 'filmless migrate-database' has not come to its end.
    """
    if session.execute(text(f"SELECT to_regclass('{FILLING_TABLE}')")).scalar_one() is not None:
        raise Refused(
            "this database is being filled by 'filmless migrate-database': let it come to its end first (run again, it"
            " goes on), or name another database"
        )


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
