"""The database: SQLite in the data folder, or PostgreSQL. Transactions are handed out here and nowhere else."""

from __future__ import annotations

import os
import sqlite3
import threading
from collections.abc import Callable, Iterator, Mapping
from contextlib import AbstractContextManager, contextmanager
from pathlib import Path
from typing import Any, Protocol, TypeVar

from sqlalchemy import ClauseElement, Connection, Engine, MetaData, NullPool, Table, create_engine, event, text
from sqlalchemy.dialects import postgresql, sqlite
from sqlalchemy.exc import DBAPIError
from sqlalchemy.exc import TimeoutError as PoolTimeoutError
from sqlalchemy.sql.compiler import SQLCompiler

from filmless.archive import impatience
from filmless.archive.database_move import moved_file
from filmless.archive.group_commit import GroupCommit, sqlite_outage
from filmless.config import Settings
from filmless.errors import FilmlessError, Unavailable

T = TypeVar("T")

_CONTENTION = ("40001", "40P01")  # serialization failure, deadlock: PostgreSQL says to try again
_CONTENTION_ATTEMPTS = 5

# Tables of all rooms attach here. Names of constraints are needed by migrations in batch mode.
metadata = MetaData(
    naming_convention={
        "ix": "ix_%(table_name)s_%(column_0_N_name)s",
        "uq": "uq_%(table_name)s_%(column_0_N_name)s",
        "ck": "ck_%(table_name)s_%(constraint_name)s",
        "fk": "fk_%(table_name)s_%(column_0_name)s",
        "pk": "pk_%(table_name)s",
    }
)


class Database:
    """The connections of one process."""

    def __init__(self, settings: Settings) -> None:
        self.settings = settings
        self.is_sqlite = settings.database_url is None or settings.database_url.startswith("sqlite")
        self.url = settings.database_url or f"sqlite:///{settings.data.absolute() / 'filmless.db'}"
        self._moved_path = None if settings.database_url else str(moved_file(settings.data))
        self._writer: GroupCommit | None = None
        self._writer_mutex = threading.Lock()
        if self.is_sqlite:
            self._write_engine = _sqlite_engine(self.url, settings, writes=True)
            self._read_engine = _sqlite_engine(self.url, settings, writes=False)
        else:
            self._write_engine = create_engine(
                self.url,
                pool_size=settings.database_connections_max,
                max_overflow=0,
                pool_timeout=settings.transaction_timeout_s,
                pool_pre_ping=True,
            )
            impatience.limit_waiting(self._write_engine, settings.database_timeout_s)
            self._read_engine = self._write_engine.execution_options(
                isolation_level="REPEATABLE READ", postgresql_readonly=True
            )
        self._driver_error: type[Exception] = self._write_engine.dialect.loaded_dbapi.Error

    @property
    def path(self) -> Path | None:
        """The file of a SQLite database; None for a server's."""
        return Path(self._write_engine.url.database or "") if self.is_sqlite else None

    def was_moved(self) -> bool:
        """Whether this is the database of a data folder and a server's has taken its place. (ADR-0023)"""
        return self._moved_path is not None and os.access(self._moved_path, os.F_OK)

    def transaction(self) -> AbstractContextManager[Connection]:
        """Write in one transaction; when the block is left without an error, its changes are on disk.

        Raises
        ------
        Unavailable: the database is away, busy for too long, or its disk is full. Nothing was kept.
        """
        if not self.is_sqlite:
            return self._server_transaction(self._write_engine.begin)
        return (self._writer or self._open_writer()).transaction()

    def run(self, body: Callable[[Connection], T]) -> T:
        """Run a function as one transaction; it may run in another thread, together with those of others.

        Raises as `transaction`, and what the function raises.
        """
        if self.is_sqlite:
            return (self._writer or self._open_writer()).run(body)
        for attempt in range(_CONTENTION_ATTEMPTS):
            try:
                with self._server_transaction(self._write_engine.begin) as session:
                    return body(session)
            except Unavailable as error:
                is_last = attempt == _CONTENTION_ATTEMPTS - 1
                if is_last or _sqlstate(error.__cause__) not in _CONTENTION:
                    raise
        raise AssertionError("unreachable")

    @contextmanager
    def reading(self) -> Iterator[Connection]:
        """Read from one snapshot. Raises Unavailable when the database is away."""
        with self._server_transaction(self._read_engine.connect) as session:
            yield session

    @contextmanager
    def _server_transaction(self, connect: Callable[[], AbstractContextManager[Connection]]) -> Iterator[Connection]:
        try:
            with connect() as session:
                yield session
        except PoolTimeoutError as error:
            raise Unavailable(
                f"no database connection was free for {self.settings.transaction_timeout_s:g} s"
            ) from error
        except (DBAPIError, self._driver_error) as error:
            outage = outage_of(error)
            if outage is None:
                raise
            raise outage from error

    def _open_writer(self) -> GroupCommit:
        with self._writer_mutex:
            if self._writer is None:
                path = self.path
                assert path is not None
                try:
                    session = self._write_engine.connect()
                except DBAPIError as error:
                    raise outage_of(error) or error from error
                self._writer = GroupCommit(
                    session,
                    path.with_name(path.name + ".turnstile"),
                    self.was_moved,
                    size_max=self.settings.transaction_group_max,
                    timeout_s=self.settings.transaction_timeout_s,
                )
            return self._writer

    def migrate(self, revision: str = "head") -> None:
        """Bring the tables to a revision, forward or back. Several processes may ask at once."""
        from filmless.archive.migrations import migrate

        if self.is_sqlite:
            migrate(self._write_engine, revision)
            return
        engine = create_engine(self.url, poolclass=NullPool)  # no limit of time: a table may be long
        try:
            migrate(engine, revision)
        except DBAPIError as error:
            raise outage_of(error) or error from error

    def check(self) -> None:
        """Raise Unavailable unless the database answers."""
        with self.reading() as session:
            session.execute(text("SELECT 1"))

    def close(self) -> None:
        """Close all connections."""
        if self._writer is not None:
            self._writer.close()
        self._write_engine.dispose()
        self._read_engine.dispose()


def require_dialect(session: Connection, dialect: str) -> None:
    """Make sure that a statement that was built for a database is run on one of its kind.

    Raises
    ------
    Unavailable: the database was moved since the statement was begun.
    """
    if session.dialect.name != dialect:
        raise Unavailable("the database was moved in this instant: ask again", retry_after_s=1)


def outage_of(error: BaseException) -> FilmlessError | None:
    """Our error for a failure of the database that the statement did not cause; None for others."""
    outage = sqlite_outage(error)
    if outage is not None:
        return outage
    cause = error.orig if isinstance(error, DBAPIError) else error
    if isinstance(cause, sqlite3.Error):
        return None
    if any(kind.__name__ in ("OperationalError", "InterfaceError") for kind in type(cause).__mro__):
        return Unavailable(f"the database does not answer: {type(cause).__name__}")
    return None


def _sqlstate(error: BaseException | None) -> str | None:
    """The code by which a server tells what went wrong."""
    cause = error.orig if isinstance(error, DBAPIError) else error
    return getattr(cause, "sqlstate", None)


def _sqlite_engine(url: str, settings: Settings, *, writes: bool) -> Engine:
    engine = create_engine(
        url,
        isolation_level="AUTOCOMMIT" if writes else None,
        connect_args={"check_same_thread": False, "timeout": 0 if writes else settings.transaction_timeout_s},
        pool_size=settings.database_connections_max,
        max_overflow=0,
        pool_timeout=settings.transaction_timeout_s,
    )

    @event.listens_for(engine, "connect")
    def prepare(driver: sqlite3.Connection, _record: object) -> None:
        driver.isolation_level = None  # BEGIN is ours to say
        # FULL: a COMMIT in WAL mode returns after the fsync of the log.
        for pragma in (
            "busy_timeout = 30000",
            "journal_mode = WAL",
            "synchronous = FULL",
            "foreign_keys = ON",
            "temp_store = MEMORY",
            "cache_size = -65536" if writes else "cache_size = -8192",
            "wal_autocheckpoint = 4000",
            "journal_size_limit = 67108864",
            "busy_timeout = 0" if writes else f"busy_timeout = {int(settings.transaction_timeout_s * 1000)}",
            f"query_only = {'OFF' if writes else 'ON'}",
        ):
            driver.execute(f"PRAGMA {pragma}").close()

    if not writes:

        @event.listens_for(engine, "begin")
        def begin(session: Connection) -> None:
            session.exec_driver_sql("BEGIN")

    return engine


class Insert(Protocol):
    """What the INSERT of SQLite and that of PostgreSQL have in common."""

    def __call__(self, table: Table) -> Any:
        """An INSERT with on_conflict_do_nothing and on_conflict_do_update."""


def insert_for(session: Connection) -> Insert:
    """The INSERT construct of the session's database."""
    return sqlite.insert if session.dialect.name == "sqlite" else postgresql.insert


class Prepared:
    """A statement compiled once and executed on the driver's own connection, for the paths that every instance takes.

    Measured: 6 microseconds a statement in place of 31 through Connection.execute. Columns that need a conversion
    (booleans, dates, JSON) are not for it.
    """

    def __init__(self, build: Callable[[Insert], ClauseElement]) -> None:
        self._build = build
        self._compiled: dict[str, tuple[str, list[str] | None, dict[str, Any]]] = {}

    def run(self, session: Connection, values: Mapping[str, Any]) -> Any:
        """Execute with named values; returns the driver's cursor."""
        sql, order, fixed = self._compiled.get(session.dialect.name) or self._compile(session)
        if fixed:
            values = {**fixed, **values}
        driver: Any = session.connection.driver_connection
        return driver.execute(sql, values if order is None else [values[name] for name in order])

    def _compile(self, session: Connection) -> tuple[str, list[str] | None, dict[str, Any]]:
        compiled = self._build(insert_for(session)).compile(dialect=session.dialect)
        assert isinstance(compiled, SQLCompiler)
        order = list(compiled.positiontup or ()) if compiled.positional else None
        fixed = {name: bind.value for name, bind in compiled.binds.items() if not bind.required}
        self._compiled[session.dialect.name] = (str(compiled), order, fixed)
        return self._compiled[session.dialect.name]
