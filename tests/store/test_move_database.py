"""The database moves to a real PostgreSQL server while the archive is used: nothing is lost, whatever happens."""

from __future__ import annotations

import sqlite3
import uuid
from collections.abc import Callable, Iterator
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import (
    Boolean,
    Float,
    Integer,
    LargeBinary,
    Select,
    Table,
    create_engine,
    insert,
    make_url,
    select,
    text,
)

import filmless.reading.tables
import filmless.routing.tables
import filmless.worklist.tables  # noqa: F401 - all tables of the house
import make
import real_servers
from filmless.access.http import _Memory
from filmless.access.principal import SYSTEM
from filmless.access.tables import audit
from filmless.archive import Archive, events, feed, tables
from filmless.archive.database import Database, metadata, require_dialect
from filmless.archive.database_move import begun_file, moved_file, old_database, where_database_is
from filmless.config import Settings
from filmless.errors import Damaged, Refused, Unavailable
from filmless.health.machine import examine_blob_writing, examine_blobs
from filmless.query.listing import StudyFilter, list_studies
from filmless.store import database_target
from filmless.store import delete as deleting
from filmless.store import move_database as moving
from filmless.store.database_target import Target
from filmless.store.delete import delete_instances
from filmless.store.move_database import DatabaseMoveResult, give_up, move_database
from filmless.store.receive import Receipt
from filmless.store.verify import verify

pytestmark = pytest.mark.embedded

Send = Callable[..., Receipt]

ODD = '\\N Müller\t山田\r\n"quoted" \\ \' %s {}'


@pytest.fixture
def is_migrated() -> bool:
    """Whether the database that is moved to has our tables already, without a row: that is quicker."""
    return True


@pytest.fixture
def url(servers: real_servers.Servers, template: str, is_migrated: bool) -> Iterator[str]:
    """An empty database."""
    name = f"test_{uuid.uuid4().hex}"
    engine = create_engine(servers.postgres, isolation_level="AUTOCOMMIT")
    with engine.connect() as session:
        session.execute(text(f"CREATE DATABASE {name}" + (f" TEMPLATE {template}" if is_migrated else "")))
    yield make_url(servers.postgres).set(database=name).render_as_string(hide_password=False)
    with engine.connect() as session:
        session.execute(text(f"DROP DATABASE {name} WITH (FORCE)"))
    engine.dispose()


@pytest.fixture(autouse=True)
def soon(monkeypatch: pytest.MonkeyPatch) -> None:
    """Nobody else lets go of the old file while a test waits."""
    monkeypatch.setattr(moving, "LET_GO_S", 0.1)


def move(archive: Archive, settings: Settings, url: str | None = None) -> DatabaseMoveResult:
    """Move; the open archive goes on with the new one, and the old one is put away."""
    result = move_database(settings, url)
    archive.database.check()
    assert move_database(settings).old_file == str(old_database(settings.data))
    return result


def _said_in(table: Table) -> Select[Any]:
    """The rows of a table, but for what is told a second after it happened: that may be after the move."""
    return select(table).where(table.c.name != "study") if table.name == "events" else select(table)


def contents(database: Database) -> dict[str, list[tuple[Any, ...]]]:
    """All rows of all tables but the trail, which tells of the move too."""
    with database.reading() as session:
        return {
            table.name: sorted((tuple(row) for row in session.execute(_said_in(table))), key=repr)
            for table in metadata.sorted_tables
            if table is not audit
        }


def old_contents(settings: Settings) -> dict[str, list[tuple[Any, ...]]]:
    """The same of the file that was put away."""
    url = f"sqlite:///{old_database(settings.data)}"
    with closing(Database(settings.model_copy(update={"database_url": url}))) as old:
        return contents(old)


def made_row(table: Table, number: int) -> dict[str, Any]:
    """A row of any table: the second has NULL wherever there may be one."""
    row: dict[str, Any] = {}
    for column in table.columns:
        if column.foreign_keys or (column.primary_key and isinstance(column.type, Integer)):
            row[column.name] = number
        elif column.name == "transaction_id":
            row[column.name] = 0
        elif column.nullable and number == 2:
            row[column.name] = None
        elif isinstance(column.type, LargeBinary):
            row[column.name] = bytes([number, 0, 255, 92, 10]) * 6
        elif isinstance(column.type, Boolean):
            row[column.name] = number == 1
        elif isinstance(column.type, Float):
            row[column.name] = 1732467000.1234567 + number
        elif isinstance(column.type, Integer):
            row[column.name] = 2**31 - number
        else:
            row[column.name] = f"{number} {ODD}"[: getattr(column.type, "length", None) or 60]
    return row


def fill_every_table(archive: Archive) -> None:
    with archive.transaction() as session:
        for table in metadata.sorted_tables:
            session.execute(insert(table), [made_row(table, number) for number in (1, 2)])


def connections(target: Target) -> int:
    """How many others are connected to the database."""
    return int(
        target._all(
            "SELECT count(*) FROM pg_stat_activity WHERE datname = current_database() AND pid <> pg_backend_pid()"
        )[0][0]
    )


def are_writers_held(settings: Settings) -> bool:
    """Whether it is the moment of the switch."""
    with closing(sqlite3.connect(settings.data / "filmless.db", timeout=0, isolation_level=None)) as driver:
        try:
            driver.execute("BEGIN IMMEDIATE")
        except sqlite3.OperationalError:
            return True
        return False


def at_each(monkeypatch: pytest.MonkeyPatch, method: str, do: Callable[[int], None]) -> None:
    """Have something done before each call of a method of the target; it hears which call it is."""
    original, calls = getattr(Target, method), []

    def instead(*args: Any, **options: Any) -> Any:
        calls.append(1)
        do(len(calls))
        return original(*args, **options)

    monkeypatch.setattr(Target, method, instead)


def test_every_row_of_every_table_moves_and_an_open_archive_goes_on_there(
    archive: Archive, settings: Settings, url: str
) -> None:
    fill_every_table(archive)
    with archive.transaction() as session:  # the highest number that was given, of a row that is no more
        session.execute(text("DELETE FROM jobs WHERE id = 2"))
        session.execute(text("UPDATE sqlite_sequence SET seq = 77 WHERE name = 'jobs'"))
    result = move(archive, settings, url)
    assert not archive.database.is_sqlite
    assert contents(archive.database) == old_contents(settings)
    assert {len(found) for name, found in contents(archive.database).items() if name != "jobs"} == {2}
    assert result.compared >= 2 * (len(metadata.tables) - 1)
    assert not (settings.data / "filmless.db").exists()
    assert not begun_file(settings.data).exists()
    with archive.transaction() as session:
        row = {name: value for name, value in made_row(tables.jobs, 3).items() if name != "id"}
        assert session.execute(insert(tables.jobs).values(row).returning(tables.jobs.c.id)).scalar_one() == 78
        told = session.execute(select(audit.c.action, audit.c.object).where(audit.c.action.like("database%")))
        place = make_url(url).render_as_string(hide_password=True)
        assert [tuple(row) for row in told] == [("database_move_began", place), ("database_moved", place)]
    assert move_database(settings).copied == 0  # over, and may be asked for again


@pytest.mark.parametrize("is_migrated", [False])
def test_the_tables_there_are_what_a_new_database_has(
    archive: Archive, settings: Settings, url: str, template: str
) -> None:
    def definitions(address: str) -> list[tuple[Any, ...]]:
        with Target.connect(address) as target:
            return [
                *target._definitions(),
                *target._all("SELECT conname, convalidated FROM pg_constraint WHERE contype = 'f' ORDER BY 1"),
                *target._all(
                    "SELECT table_name, column_name, column_default, is_nullable FROM information_schema.columns"
                    " WHERE table_schema = 'public' ORDER BY 1, 2"
                ),
            ]

    move_database(settings, url)
    assert definitions(url) == definitions(make_url(url).set(database=template).render_as_string(hide_password=False))


def test_what_changes_while_rows_are_copied_is_there_as_it_became(
    archive: Archive, settings: Settings, url: str, send: Send, monkeypatch: pytest.MonkeyPatch
) -> None:
    series = make.ct_series(30)
    gone = make.ct_slice()
    send(gone)
    for ds in series[:10]:
        send(ds)
    rest = iter(series[10:])

    def use_it(call: int) -> None:
        if call % 3 == 0 and not are_writers_held(settings) and (ds := next(rest, None)) is not None:
            send(ds)
        if call == 7:
            delete_instances(archive, SYSTEM("cli"), deleting.Target(gone.StudyInstanceUID), "a mistake")

    monkeypatch.setattr(moving, "ROWS_AT_ONCE", 3)
    at_each(monkeypatch, "insert", use_it)
    result = move(archive, settings, url)
    assert result.caught_up > 20
    for ds in rest:
        send(ds)
    with archive.reading() as session:
        kept = set(session.execute(select(tables.instances.c.sop_instance_uid)).scalars())
    assert kept == {ds.SOPInstanceUID for ds in series}
    assert verify(archive).findings == []


@pytest.mark.parametrize("method", ["insert", "write", "strip", "add_references"])
def test_a_move_that_ends_anywhere_goes_on_and_loses_nothing(
    archive: Archive, settings: Settings, url: str, send: Send, monkeypatch: pytest.MonkeyPatch, method: str
) -> None:
    fill_every_table(archive)
    series = make.ct_series(8)
    monkeypatch.setattr(moving, "ROWS_AT_ONCE", 2)
    for broken_at, ds in zip((1, 9, 31, 60), series, strict=False):
        with monkeypatch.context() as patch:

            def fail(call: int, broken_at: int = broken_at) -> None:
                if call == broken_at:
                    raise Unavailable("killed here")

            at_each(patch, method, fail)
            try:
                move_database(settings, url)
                break  # there was no such call any more
            except Unavailable as error:
                assert str(error) == "killed here"
                assert archive.database.is_sqlite
        send(ds)
    move(archive, settings, url)
    assert contents(archive.database) == old_contents(settings)
    send(series[7])


def test_what_ends_after_the_instant_is_tidied_up_by_the_next_run(
    archive: Archive, settings: Settings, url: str, send: Send, monkeypatch: pytest.MonkeyPatch
) -> None:
    first, second = make.ct_series(2)
    send(first)
    with monkeypatch.context() as patch:

        def fail(_call: int) -> None:
            raise Unavailable("killed here")

        at_each(patch, "check_references", fail)
        with pytest.raises(Unavailable, match="killed here"):
            move_database(settings, url)
    send(second)
    with Archive.open(settings) as another:
        assert not another.database.is_sqlite
    with pytest.raises(Refused, match="being filled"):  # by name, until it is tidied up
        Archive.open(settings.model_copy(update={"data": settings.data / "other", "database_url": url}))
    assert move_database(settings).old_file == str(old_database(settings.data))
    Archive.open(settings.model_copy(update={"database_url": url})).close()
    assert len(contents(archive.database)["instances"]) == 2


def test_a_follower_of_the_feed_misses_nothing_and_sees_nothing_twice(
    archive: Archive, settings: Settings, url: str
) -> None:
    def publish(key: str) -> None:
        with archive.transaction() as session:
            events.publish(session, "problem", key)

    for number in range(5):
        publish(f"before {number}")
    with feed.reading(archive) as told:
        read = told.read_after(feed.START, 3)
        cursor = feed.cursor_of(read[-1])
    move_database(settings, url)
    for number in range(5):
        publish(f"after {number}")
    with feed.reading(archive) as told:
        read += told.read_after(told.read_cursor(cursor, 3600), 100)
    assert [event.key for event in read] == [f"{when} {number}" for when in ("before", "after") for number in range(5)]


def test_no_caller_is_remembered_and_no_search_runs_on_the_other_kind_of_database(
    archive: Archive, settings: Settings, url: str, send: Send, monkeypatch: pytest.MonkeyPatch
) -> None:
    send(make.ct_slice(PatientName="Doe^Jane"))
    memory = _Memory(archive)
    assert memory.version() is not None
    move_database(settings, url)
    assert memory.version() is None
    with archive.reading() as session, pytest.raises(Unavailable, match="ask again"):
        require_dialect(session, "sqlite")
    found, _, total = list_studies(archive, SYSTEM("cli"), StudyFilter(q="jane"), limit=5)
    assert (len(found), total) == (1, 1)


@pytest.mark.parametrize(
    ("where", "words"),
    [
        ("sqlite:////tmp/other.db", "to PostgreSQL only"),
        ("mysql://host/database", "to PostgreSQL only"),
        ("nothing at all", "is no address"),
        (None, "no move was begun"),
    ],
)
def test_what_cannot_be_moved_to_is_refused(
    archive: Archive, settings: Settings, where: str | None, words: str
) -> None:
    with pytest.raises(Refused, match=words):
        move_database(settings, where)
    assert not begun_file(settings.data).exists()


def test_a_place_that_is_away_not_empty_or_another_than_before_is_refused(
    archive: Archive, settings: Settings, url: str, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    with pytest.raises(Unavailable, match="does not answer"):
        move_database(settings, "postgresql://user:secret@127.0.0.1:1/database")
    with pytest.raises(Refused, match="database_url is set"):
        move_database(settings.model_copy(update={"database_url": url}), url)
    with monkeypatch.context() as patch:
        patch.setattr(database_target, "SERVER_VERSION_MIN", 99)
        with pytest.raises(Refused, match="must be 99 or newer"):
            move_database(settings, url)
    with Target.connect(url) as target:
        target.driver.execute("CREATE TABLE theirs (a int)")
        with pytest.raises(Refused, match="is not empty"):
            move_database(settings, url)
        target.driver.execute("DROP TABLE theirs")
    assert not begun_file(settings.data).exists()

    def fail(_call: int) -> None:
        raise Unavailable("killed here")

    with monkeypatch.context() as patch:
        at_each(patch, "insert", fail)
        with pytest.raises(Unavailable, match="killed here"):
            move_database(settings, url)
    with pytest.raises(Refused, match="not elsewhere"):
        move_database(settings, url + "x")
    with pytest.raises(Refused, match="is on its way to"):
        Archive.open(settings.model_copy(update={"database_url": url}))
    other = settings.model_copy(update={"data": tmp_path / "other"})
    Archive.open(other).close()
    with pytest.raises(Refused, match="another move to the database"):
        move_database(other, url)


def test_a_move_that_is_given_up_leaves_the_archive_as_it_was(
    archive: Archive, settings: Settings, url: str, send: Send, monkeypatch: pytest.MonkeyPatch
) -> None:
    with archive.reading() as session:
        before = session.execute(text("SELECT name FROM sqlite_master ORDER BY 1")).scalars().all()
    with pytest.raises(Refused, match="no move was begun"):
        give_up(settings)

    def fail(_call: int) -> None:
        raise Unavailable("killed here")

    at_each(monkeypatch, "build_indexes", fail)
    with pytest.raises(Unavailable):
        move_database(settings, url)
    archive.look_ahead()
    with Target.connect(url) as target:
        assert connections(target) == 1
    send(make.ct_slice())
    told = [finding for look in (examine_blobs, examine_blob_writing) for finding in look(archive)]
    assert [finding.code for finding in told if finding.level != "ok"] == ["database_moving"] * 2
    give_up(settings)
    assert [finding for finding in examine_blobs(archive) if finding.level != "ok"] == []
    archive.look_ahead()
    with Target.connect(url) as target:
        assert connections(target) == 0
    with archive.reading() as session:
        assert session.execute(text("SELECT name FROM sqlite_master ORDER BY 1")).scalars().all() == before
    send(make.ct_slice())
    with pytest.raises(Refused, match="another move"):
        move_database(settings, url)


def test_triggers_that_were_lost_are_noticed_and_all_is_copied_anew(
    archive: Archive, settings: Settings, url: str, send: Send, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(_call: int) -> None:
        raise Unavailable("killed here")

    first, second = make.ct_series(2)
    send(first)
    with monkeypatch.context() as patch:
        at_each(patch, "build_indexes", fail)
        with pytest.raises(Unavailable):
            move_database(settings, url)
    with closing(sqlite3.connect(settings.data / "filmless.db", isolation_level=None)) as driver:
        driver.execute("DROP TRIGGER database_move_instances_insert")
    send(second)
    move(archive, settings)
    assert len(contents(archive.database)["instances"]) == 2
    assert contents(archive.database) == old_contents(settings)


def test_a_row_that_came_otherwise_stops_the_move(
    archive: Archive, settings: Settings, url: str, send: Send, monkeypatch: pytest.MonkeyPatch
) -> None:
    send(make.ct_slice())

    def damage(call: int) -> None:
        if call == 1:
            with Target.connect(url) as other:
                other.driver.execute("UPDATE studies SET study_description = 'other'")

    at_each(monkeypatch, "build_indexes", damage)
    with pytest.raises(Damaged, match=r"the row of studies with key \(1,\)"):
        move_database(settings, url)
    assert archive.database.is_sqlite
    send(make.ct_slice())


def test_without_the_file_that_says_where_it_is_no_empty_database_is_made(
    archive: Archive, settings: Settings, url: str
) -> None:
    move(archive, settings, url)
    assert where_database_is(settings).database_url is not None
    moved_file(settings.data).unlink()
    with pytest.raises(Refused, match="was moved to a server"):
        Archive.open(settings)
    old_database(settings.data).rename(settings.data / "filmless.db")  # the way back
    with Archive.open(settings) as back:
        assert back.database.is_sqlite
