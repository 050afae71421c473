"""Moves the database of a living archive from SQLite to PostgreSQL: `filmless migrate-database`.

All rows are copied, table by table in the order of their keys, while Filmless goes on with SQLite; triggers write down
what changes meanwhile, and those rows are copied again, until little is left. Then writers are held for a moment: the
rest is copied, and all processes go on with PostgreSQL from their next transaction on. Stopped or killed anywhere, it
goes on when it is run again. Every row is read back and compared. (ADR-0023)
"""

from __future__ import annotations

import secrets
import sqlite3
import time
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from dataclasses import dataclass, field
from typing import Any, Final

import structlog
from sqlalchemy import Connection, make_url
from sqlalchemy.exc import ArgumentError

from filmless.access import audit
from filmless.access.principal import SYSTEM
from filmless.archive import Archive
from filmless.archive.database import Database
from filmless.archive.database_move import (
    DatabaseMove,
    begun_file,
    moved_file,
    old_database,
    read_move,
    write_move,
)
from filmless.archive.folders import sync_folder
from filmless.archive.group_commit import sqlite_outage
from filmless.archive.moving import only_one
from filmless.archive.processes import BEAT_S, list_processes
from filmless.config import Settings
from filmless.errors import Damaged, Refused, Unavailable
from filmless.store import database_changes as changes
from filmless.store.database_changes import CopiedTable, Row
from filmless.store.database_target import Target

logger = structlog.get_logger()

_COMMAND: Final = "migrate-database"

ROWS_AT_ONCE: Final = 5000
CHANGES_AT_ONCE: Final = 100_000
"""While there is more than that to catch up with, it is done in pieces."""

QUICK_S: Final = 0.3
"""Writers are held once catching up took less than that."""

ROUNDS_MAX: Final = 200
PAUSE_MAX_S: Final = 10.0
"""The server must answer each statement in that time while writers are held; else they go on with SQLite."""

COUNTED_MAX: Final = 1_000_000
"""Tables with more rows are not counted while writers are held: what was compared is enough."""

READY_S: Final = 3.0
"""So long a process may take to be connected to the server."""

LET_GO_S: Final = 40.0
"""Idle processes look at the database every 10 s, and let go of the old file then."""

Progress = Callable[[str, int, int], None]


@dataclass(slots=True)
class DatabaseMoveResult:
    """What a run did."""

    place: str = ""
    copied: int = 0
    caught_up: int = 0  # rows that changed meanwhile
    compared: int = 0
    copying_s: float = 0.0
    pause_s: float = 0.0
    old_file: str = ""  # '' when processes hold it still
    rows: dict[str, int] = field(default_factory=dict)


def move_database(
    settings: Settings, url: str | None = None, *, on_progress: Progress = lambda _what, _done, _total: None
) -> DatabaseMoveResult:
    """Move the database to PostgreSQL, or go on with that; the server may run and take in meanwhile.

    Parameters
    ----------
    url: of the database, as `database_url`. None: go on.

    Raises
    ------
    Refused: there is nothing to move, or the place is not fit for it, or is another than that of a move begun.
    Unavailable: either database or the disk is away. What was done is done: run it again.
    Damaged: what came there is not what was sent.
    """
    with only_one(settings.data, _COMMAND):
        moved = read_move(moved_file(settings.data))
        move = moved or _which(settings, url)
        if url is not None and _address(url) != move.url:
            raise Refused(f"the database {'was moved' if moved else 'is on its way'} to {move.place}: not elsewhere")
        result = DatabaseMoveResult(place=move.place)
        with Target.connect(move.url) as target:
            if moved is None:
                with closing(Database(settings)) as source, _sqlite_in_our_words():
                    _Mover(settings, move, source, target, result, on_progress).go()
            _tidy(settings, move, target, result)
    return result


def give_up(settings: Settings) -> DatabaseMove:
    """End a move that was begun; SQLite stays the database. What is in the server's database is left to its owner.

    Raises
    ------
    Refused: no move was begun, or it is over.
    """
    with only_one(settings.data, _COMMAND):
        move = read_move(begun_file(settings.data))
        if read_move(moved_file(settings.data)) is not None:
            raise Refused("the database was moved: there is nothing to give up. docs/operating.md says how to go back")
        if move is None:
            raise Refused("no move was begun")
        with closing(Database(settings)) as source, source.transaction() as session:
            changes.stop_writing_down(_driver(session))
            audit.record(session, SYSTEM(_COMMAND), "database_move_given_up", object=move.place)
        begun_file(settings.data).unlink()
        return move


def _address(url: str) -> str:
    """The address in full. Raises Refused when it is not of PostgreSQL."""
    try:
        parsed = make_url(url)
    except ArgumentError:
        raise Refused("--to is no address: postgresql://user:password@host/database") from None
    if parsed.get_backend_name() not in ("postgresql", "postgres") or not parsed.database:
        raise Refused("the database can be moved to PostgreSQL only: --to postgresql://user:password@host/database")
    return parsed.set(drivername="postgresql+psycopg").render_as_string(hide_password=False)


def _which(settings: Settings, url: str | None) -> DatabaseMove:
    """The move to go on with, or a new one, which is not written down yet."""
    if settings.database_url is not None:
        raise Refused(
            "database_url is set: the database is on a server already, or will be looked for there. Take it out of the"
            " settings of the server too; the address is given with --to"
        )
    if not (settings.data / "filmless.db").is_file():
        raise Refused(f"there is no database in {settings.data}: set database_url, and 'filmless serve' starts with it")
    begun = read_move(begun_file(settings.data))
    if begun is not None:
        return begun
    if url is None:
        raise Refused("no move was begun: name the database with --to postgresql://user:password@host/database")
    return DatabaseMove(secrets.token_hex(16), _address(url))


@contextmanager
def _sqlite_in_our_words() -> Iterator[None]:
    try:
        yield
    except sqlite3.Error as error:
        raise sqlite_outage(error) or error from error


def _driver(session: Connection) -> sqlite3.Connection:
    driver = session.connection.driver_connection
    assert isinstance(driver, sqlite3.Connection)
    return driver


@dataclass(slots=True)
class _Mover:
    """Brings all rows over, up to the instant at which the other database takes the place of this one."""

    settings: Settings
    move: DatabaseMove
    source: Database
    target: Target
    result: DatabaseMoveResult
    on_progress: Progress
    tables: dict[str, CopiedTable] = field(default_factory=dict)

    def go(self) -> None:
        self._begin()
        self._copy()
        self._catch_up_in_pieces()
        for done, total in self.target.build_indexes():
            self.on_progress("indexing", done, total)
        self._catch_up_at_leisure()
        if not self.target.read("is_compared"):
            self._compare()
        self._wait_for_others()
        self._catch_up_at_leisure()
        self._switch()

    def _begin(self) -> None:
        """Make the target ready and have changes written down, or see that they have been all the while."""
        self.source.migrate()
        with self._snapshot() as driver:
            self.target.require_fit(self.move.id, changes.table_names(driver))
        # Before anything is made there: who finds it there finds here that it is ours.
        write_move(begun_file(self.settings.data), self.move)
        self.target.prepare(self.settings.model_copy(update={"database_url": self.move.url}), self.move.id)
        self.tables = {table.name: table for table in self.target.tables()}
        with self.source.transaction() as session:
            driver = _driver(session)
            if changes.table_names(driver) != set(self.tables):
                raise Refused(
                    "the two databases do not have the same tables:"
                    f" {', '.join(sorted(changes.table_names(driver) ^ set(self.tables)))}"
                )
            if not changes.writes_down(driver, self.tables.values(), self.move.id):
                logger.info("database_move_begins", place=self.move.place)
                # Rows are taken out first: killed between, the next run finds no triggers and comes here again.
                self.target.empty(list(self.tables.values()))
                changes.begin_writing_down(driver, self.tables.values(), self.move.id)
                audit.record(session, SYSTEM(_COMMAND), "database_move_began", object=self.move.place)
        self.target.strip(only="reference")

    @contextmanager
    def _snapshot(self) -> Iterator[sqlite3.Connection]:
        """Read SQLite as it is now."""
        with self.source.reading() as session:
            session.begin()  # its driver's statements do not begin by themselves
            yield _driver(session)

    def _copy(self) -> None:
        began = time.monotonic()
        with self._snapshot() as driver:
            total = sum(driver.execute(f'SELECT count(*) FROM "{name}"').fetchone()[0] for name in self.tables)
        done = 0
        for table in self.tables.values():
            position = self.target.read(f"copied {table.name}") or {"key": None, "rows": 0, "is_over": False}
            done += position["rows"]
            while not position["is_over"]:
                # A snapshot each: one that stays open would keep the log of SQLite from being emptied.
                with self._snapshot() as driver:
                    rows = changes.rows_after(driver, table, _key_of(position), ROWS_AT_ONCE)
                with self.target.driver.transaction():
                    if rows:
                        self.target.insert(table, rows)
                        position["key"] = [_to_json(value) for value in table.key_of(rows[-1])]
                    position |= {"rows": position["rows"] + len(rows), "is_over": len(rows) < ROWS_AT_ONCE}
                    self.target.write(f"copied {table.name}", position)
                self.result.copied += len(rows)
                done += len(rows)
                self.on_progress("copying", min(done, total), total)
        self.result.copying_s = time.monotonic() - began

    # Catching up: in one transaction there, what was written down up to a snapshot here

    def _catch_up(self, driver: sqlite3.Connection, *, at_most: int | None = None) -> int:
        """Bring over what changed, and read it back; gives how many changes are left.

        Without `at_most` the target is what this snapshot is, row by row.
        """
        newest, after = changes.newest_change(driver), self._position()
        upto = newest if at_most is None else min(newest, after + at_most)
        with self.target.driver.transaction():
            for name, keys in changes.changed_keys(driver, self.tables, after, upto).items():
                table = self.tables[name]
                self.target.delete(table, keys)
                rows = list(changes.rows_of(driver, table, keys))
                if rows:
                    self.target.insert(table, rows)
                self._require_same(table, rows, list(self.target.rows_of(table, keys)))
                self.result.caught_up += len(keys)
            self.target.write("caught_up", upto)
        return newest - upto

    def _position(self) -> int:
        return int(self.target.read("caught_up") or 0)

    def _require_same(self, table: CopiedTable, here: list[Row], there: list[Row]) -> None:
        ours, theirs = ({table.key_of(row): row for row in rows} for rows in (here, there))
        if ours != theirs:
            key = next(key for key in (*ours, *theirs) if ours.get(key) != theirs.get(key))
            raise _different(table, key)

    def _catch_up_in_pieces(self) -> None:
        for _ in range(ROUNDS_MAX):
            with self._snapshot() as driver:
                left = changes.newest_change(driver) - self._position()
                if left <= CHANGES_AT_ONCE:
                    self._catch_up(driver)  # all of it: unique constraints are about to be made
                    return
                self.target.strip()  # an earlier run may have made them: a piece of the changes need not fit them
                self._catch_up(driver, at_most=CHANGES_AT_ONCE)
        raise Unavailable("more changes than can be copied: run this again when there is less to do")

    def _catch_up_at_leisure(self) -> None:
        """Until it is quick: then what is left is short enough to hold writers for."""
        for _ in range(ROUNDS_MAX):
            began = time.monotonic()
            with self._snapshot() as driver:
                self._catch_up(driver)
            if time.monotonic() - began < QUICK_S:
                return
        raise Unavailable("more changes than can be copied: run this again when there is less to do")

    def _compare(self) -> None:
        """Compare every row of both, from one snapshot here: what changes later is compared when it is caught up."""
        with self._snapshot() as driver:
            self._catch_up(driver)
            total = sum(self.target.count(table) for table in self.tables.values())
            for table in self.tables.values():
                ours = driver.execute(f'SELECT {table.column_list} FROM "{table.name}" ORDER BY {table.key_list}')
                for theirs in self.target.rows_in_order(table, ROWS_AT_ONCE):
                    page = ours.fetchmany(len(theirs))
                    if page != theirs:
                        self._require_same(table, page, theirs)
                        raise _different(table, table.key_of(theirs[0]))
                    self.result.compared += len(page)
                    self.on_progress("comparing", self.result.compared, total)
                if (more := ours.fetchone()) is not None:
                    raise _different(table, table.key_of(more))
            self.target.write("is_compared", 1)

    # The switch

    def _wait_for_others(self) -> None:
        """Until the processes that run have seen, at their next beat, that a move is under way, and are connected."""
        seen_at = begun_file(self.settings.data).stat().st_mtime + BEAT_S + READY_S
        with self.source.reading() as session:
            is_served = any(process.is_alive(time.time()) for process in list_processes(session))
        while is_served and time.time() < seen_at:
            time.sleep(min(1.0, BEAT_S))

    def _switch(self) -> None:
        """Hold all writers, bring the rest over, and have everybody go on there."""
        self.target.driver.answer_timeout_s = PAUSE_MAX_S
        with self.source.transaction() as session:
            began = time.monotonic()
            driver = _driver(session)
            if not changes.writes_down(driver, self.tables.values(), self.move.id):
                raise Unavailable("the database here was changed by an update or a reindex meanwhile: run this again")
            with self.target.driver.transaction():
                self._catch_up(driver)
                self._require_same_counts(driver)
                numbers = changes.last_numbers(driver)
                for table in self.tables.values():
                    if "id" in table.columns:
                        (highest,) = driver.execute(f'SELECT coalesce(max(id), 0) FROM "{table.name}"').fetchone()
                        self.target.set_last_number(table, max(highest, numbers.get(table.name, 0)))
                self.target.add_references()
            # The instant: from here on nobody writes to SQLite any more, whether or not we live to say so.
            write_move(moved_file(self.settings.data), self.move)
            self.result.pause_s = time.monotonic() - began
        self.target.driver.answer_timeout_s = None
        logger.info("database_moved", place=self.move.place, pause_s=round(self.result.pause_s, 3))

    def _require_same_counts(self, driver: sqlite3.Connection) -> None:
        for table in self.tables.values():
            position = self.target.read(f"copied {table.name}")
            if position["rows"] > COUNTED_MAX:
                continue
            (ours,) = driver.execute(f'SELECT count(*) FROM "{table.name}"').fetchone()
            theirs = self.target.count(table)
            self.result.rows[table.name] = theirs
            if ours != theirs:
                raise Damaged(f"{table.name} has {ours} rows here and {theirs} there; {_AGAIN}")


def _to_json(value: Any) -> Any:
    return {"hex": value.hex()} if isinstance(value, bytes) else value


def _key_of(position: dict[str, Any]) -> tuple[Any, ...] | None:
    """The key of the last row that is copied; None: of none."""
    if position["key"] is None:
        return None
    return tuple(bytes.fromhex(value["hex"]) if isinstance(value, dict) else value for value in position["key"])


_AGAIN: Final = "nothing was moved. End this with --give-up, and begin again with an empty database"


def _different(table: CopiedTable, key: Any) -> Damaged:
    return Damaged(f"the row of {table.name} with key {key} is not the same in both databases; {_AGAIN}")


def _tidy(settings: Settings, move: DatabaseMove, target: Target, result: DatabaseMoveResult) -> None:
    """After the move: look at all references, tell the trail, and put the old file away once nobody holds it."""
    old = old_database(settings.data)
    if read_move(begun_file(settings.data)) is None:  # all done before
        result.old_file = str(old)
        return
    if target.is_being_filled():
        target.check_references()
        with (
            Archive.open(settings.model_copy(update={"database_url": None})) as archive,
            archive.transaction() as session,
        ):
            audit.record(session, SYSTEM(_COMMAND), "database_moved", object=move.place)
        target.forget_move()
    if _put_away(settings):
        result.old_file = str(old)
        begun_file(settings.data).unlink(missing_ok=True)
        sync_folder(begun_file(settings.data).parent)


def _put_away(settings: Settings) -> bool:
    """Give the old database another name, without what was written down for the move; False when others hold it."""
    path = settings.data.absolute() / "filmless.db"
    deadline = time.monotonic() + LET_GO_S
    while path.exists():
        try:
            with closing(sqlite3.connect(path, timeout=1, isolation_level=None)) as driver:
                driver.execute("BEGIN IMMEDIATE")
                changes.stop_writing_down(driver)
                driver.execute("COMMIT")
                # Only who has it alone may end its log, so that all of it is in the one file.
                driver.execute("PRAGMA journal_mode = DELETE").fetchone()
        except sqlite3.OperationalError as error:
            if time.monotonic() > deadline:
                logger.info("old_database_held", reason=str(error))
                return False
            time.sleep(0.2)
            continue
        path.replace(old_database(settings.data))
        for suffix in (".turnstile", ".migrating"):
            path.with_name(path.name + suffix).unlink(missing_ok=True)
        sync_folder(path.parent)
    return True
