"""Migrations run forward and back, and give exactly the tables that the code knows."""

from __future__ import annotations

import io
import json
import signal
import subprocess
import sys
from pathlib import Path

import pytest
from sqlalchemy import inspect, select

import filmless.access.tables
import filmless.archive.tables
import filmless.reading.tables
import filmless.routing.tables
import filmless.worklist.tables
import make
from filmless.access.principal import SYSTEM
from filmless.archive import Archive
from filmless.archive.database import Database, metadata
from filmless.archive.migrations import current_revision, newest_revision
from filmless.archive.tables import instances
from filmless.config import Settings
from filmless.errors import Refused
from filmless.store.receive import receive
from stored import as_flags

KILLED = """
import json, os, signal, sys
from sqlalchemy import Engine, event
from filmless.archive import Archive
from filmless.config import Settings

left = int(sys.argv[2])

@event.listens_for(Engine, "before_cursor_execute")
def die(*_):
    global left
    left -= 1
    if left == 0:
        os.kill(os.getpid(), signal.SIGKILL)

Archive.open(Settings(**json.loads(sys.argv[1]))).close()
"""


def test_a_new_archive_is_at_the_newest_revision(archive: Archive) -> None:
    with archive.reading() as session:
        assert current_revision(session) == newest_revision()


def test_migrated_tables_have_the_columns_and_indexes_that_the_code_knows(archive: Archive) -> None:
    with archive.reading() as session:
        inspector = inspect(session)
        for table in metadata.sorted_tables:
            columns = {column["name"]: column["nullable"] for column in inspector.get_columns(table.name)}
            assert columns == {column.name: column.nullable for column in table.columns}, table.name
            found = {(index["name"], bool(index["unique"])) for index in inspector.get_indexes(table.name)}
            assert {(index.name, index.unique) for index in table.indexes} <= found, table.name
            keys = {constraint["name"] for constraint in inspector.get_unique_constraints(table.name)}
            foreign = {key["referred_table"] for key in inspector.get_foreign_keys(table.name)}
            assert {key.column.table.name for key in table.foreign_keys} == foreign, table.name
            assert {c.name for c in table.constraints if type(c).__name__ == "UniqueConstraint"} <= keys, table.name


def test_migrations_go_back_to_nothing_and_forward_again(tmp_path: Path) -> None:
    with Archive.open(Settings(data=tmp_path)) as archive:
        archive.database.migrate("base")
        with archive.reading() as session:
            left = set(inspect(session).get_table_names()) - {"alembic_version", "sqlite_sequence"}
        assert left == set()
        archive.database.migrate()
        with archive.reading() as session:
            assert set(metadata.tables) <= set(inspect(session).get_table_names())


def test_each_migration_can_be_taken_back_alone(tmp_path: Path) -> None:
    versions = Path(filmless.archive.migrations.__file__).parent / "versions"
    revisions = sorted(path.stem for path in versions.glob("[0-9]*.py"))
    with Archive.open(Settings(data=tmp_path)) as archive:
        for revision in reversed(revisions):
            archive.database.migrate(revision)
            with archive.reading() as session:
                assert current_revision(session) == revision
        archive.database.migrate()


def test_a_database_of_a_newer_filmless_is_refused(archive: Archive) -> None:
    with archive.transaction() as session:
        session.exec_driver_sql("UPDATE alembic_version SET version_num = '9999_future'")
    with pytest.raises(Refused, match="newer than this Filmless"):
        archive.database.migrate()
    with archive.transaction() as session:  # the database serves other tests
        session.exec_driver_sql(f"UPDATE alembic_version SET version_num = '{newest_revision()}'")


@pytest.mark.parametrize("statement", [6, 14, 24])
def test_a_migration_that_is_killed_is_done_as_a_whole_by_the_next_start(settings: Settings, statement: int) -> None:
    with Archive.open(settings) as archive:
        kept = receive(archive, SYSTEM("test"), io.BytesIO(make.part10(make.ct_slice())))
        archive.database.migrate("0005_walks")
    program = [sys.executable, "-c", KILLED, json.dumps(as_flags(settings)), str(statement)]
    assert subprocess.run(program, check=False).returncode == -signal.SIGKILL
    database = Database(settings)
    with database.reading() as session:
        assert current_revision(session) == "0005_walks"
        assert not inspect(session).has_table("workitems")
    database.close()
    with Archive.open(settings) as archive, archive.reading() as session:
        assert current_revision(session) == newest_revision()
        assert set(metadata.tables) <= set(inspect(session).get_table_names())
        assert list(session.scalars(select(instances.c.sop_instance_uid))) == [kept.sop_instance_uid]
