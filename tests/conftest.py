"""Fixtures that every room shares: an archive of its own for each test, migrated, in a temporary folder.

With FILMLESS_TEST_POSTGRES set to the SQLAlchemy address of a server's database in which databases may be made, every
test that takes an archive runs on PostgreSQL too.
"""

from __future__ import annotations

import os
import shutil
import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from sqlalchemy import Connection, create_engine, make_url, text

from filmless.archive import Archive
from filmless.archive.database import Database
from filmless.config import Settings

SERVER = os.environ.get("FILMLESS_TEST_POSTGRES")
ENGINES = ["sqlite", "postgresql"] if SERVER else ["sqlite"]


@pytest.fixture(params=ENGINES)
def engine_name(request: pytest.FixtureRequest) -> str:
    """The kinds of database that the archive is tested on."""
    return str(request.param)


@contextmanager
def server_session() -> Iterator[Connection]:
    """A session on the server in which databases can be made and dropped."""
    assert SERVER is not None
    engine = create_engine(SERVER, isolation_level="AUTOCOMMIT")
    with engine.connect() as session:
        yield session
    engine.dispose()


def database_url(name: str) -> str:
    """The address of a database on that server."""
    assert SERVER is not None
    return make_url(SERVER).set(database=name).render_as_string(hide_password=False)


@pytest.fixture(scope="session")
def migrated(tmp_path_factory: pytest.TempPathFactory) -> Iterator[dict[str, str]]:
    """A migrated, empty database of each kind, made once and copied for each test."""
    folder = tmp_path_factory.mktemp("migrated")
    Archive.open(Settings(data=folder)).close()
    made = {"sqlite": str(folder / "filmless.db")}
    if SERVER is None:
        yield made
        return
    made["postgresql"] = f"migrated_{uuid.uuid4().hex}"
    with server_session() as session:
        session.execute(text(f"CREATE DATABASE {made['postgresql']}"))
    database = Database(Settings(data=folder, database_url=database_url(made["postgresql"])))
    database.migrate()
    database.close()
    yield made
    with server_session() as session:
        session.execute(text(f"DROP DATABASE {made['postgresql']}"))


@pytest.fixture
def settings(tmp_path: Path, engine_name: str, migrated: dict[str, str]) -> Iterator[Settings]:
    """Settings of an archive in a temporary folder, with a migrated database."""
    data = tmp_path / "data"
    data.mkdir()
    listening = {"http": "127.0.0.1:0", "dicom": "127.0.0.1:0"}
    if engine_name == "sqlite":
        shutil.copyfile(migrated["sqlite"], data / "filmless.db")
        yield Settings(data=data, **listening)
        return
    name = f"test_{uuid.uuid4().hex}"
    with server_session() as session:
        session.execute(text(f"CREATE DATABASE {name} TEMPLATE {migrated['postgresql']}"))
    yield Settings(data=data, database_url=database_url(name), database_connections_max=8, **listening)
    with server_session() as session:
        session.execute(text(f"DROP DATABASE {name} WITH (FORCE)"))


@pytest.fixture
def archive(settings: Settings) -> Iterator[Archive]:
    """An open, empty archive."""
    with Archive.open(settings) as opened:
        yield opened
