"""Migrations run forward and back, and give exactly the tables that the code knows."""

from __future__ import annotations

from pathlib import Path

import pytest
from sqlalchemy import inspect

import filmless.access.tables
import filmless.archive.tables
import filmless.routing.tables
import filmless.worklist.tables
from filmless.archive import Archive
from filmless.archive.database import metadata
from filmless.archive.migrations import current_revision, newest_revision
from filmless.config import Settings
from filmless.errors import Refused


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
