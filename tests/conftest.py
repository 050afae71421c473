"""Fixtures that every room shares: an archive of its own for each test, migrated, in a temporary folder.

There are two shapes: *embedded* is SQLite and the disk, *scaled* is PostgreSQL and S3, on real servers that the first
test to need them starts. The tests of the rooms in BOTH run on both, all others on SQLite and disk; with
FILMLESS_TEST_SHAPE set to `embedded` or `scaled`, all that take an archive run on that one (`make test-scaled`).
"""

from __future__ import annotations

import gc
import os
import shutil
import uuid
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from pathlib import Path
from typing import Any

import psycopg
import pytest
from sqlalchemy import Connection, create_engine, make_url, text
from sqlalchemy.exc import OperationalError

import real_servers
from filmless.archive import Archive
from filmless.archive.database import Database
from filmless.config import Settings

BOTH = {"archive", "access", "health", "store", "query", "retrieve", "scp", "dicomweb", "api"}
LISTENING = {"http": "127.0.0.1:0", "dicom": "127.0.0.1:0"}


def pytest_configure(config: pytest.Config) -> None:
    """Have a place for the servers of this run, before the workers of xdist start."""
    if not hasattr(config, "workerinput"):
        real_servers.open_folder()


def pytest_unconfigure(config: pytest.Config) -> None:
    """End the servers, if any test started them."""
    if not hasattr(config, "workerinput"):
        real_servers.close_folder()


def pytest_collection_finish(session: pytest.Session) -> None:
    """Keep the collector of garbage away from ten thousand tests and what they import: each full round looks at all."""
    gc.collect()
    gc.freeze()


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    """Say on which shapes a test runs that takes an archive."""
    if "archive_shape" in metafunc.fixturenames:
        wanted = os.environ.get("FILMLESS_TEST_SHAPE")
        room = Path(metafunc.definition.path).parent.name
        shapes = [wanted] if wanted else ["embedded", "scaled"] if room in BOTH else ["embedded"]
        if metafunc.definition.get_closest_marker("embedded"):
            shapes = ["embedded"]
        metafunc.parametrize("archive_shape", shapes, scope="session")


@pytest.fixture(scope="session")
def servers() -> real_servers.Servers:
    """PostgreSQL and S3 on this machine."""
    return real_servers.running_servers()


@contextmanager
def server_session(address: str) -> Iterator[Connection]:
    """A session on a PostgreSQL server in which databases can be made and dropped."""
    engine = create_engine(address, isolation_level="AUTOCOMMIT")
    with engine.connect() as session:
        yield session
    engine.dispose()


@pytest.fixture(scope="session")
def migrated(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A migrated, empty SQLite database, made once and copied for each test."""
    folder = tmp_path_factory.mktemp("migrated")
    Archive.open(Settings(data=folder)).close()
    return folder / "filmless.db"


@pytest.fixture(scope="session")
def template(servers: real_servers.Servers, tmp_path_factory: pytest.TempPathFactory) -> str:
    """The name of a migrated, empty PostgreSQL database, the template of each test's own."""
    name = f"migrated_{uuid.uuid4().hex}"
    with server_session(servers.postgres) as session:
        session.execute(text(f"CREATE DATABASE {name}"))
    url = make_url(servers.postgres).set(database=name).render_as_string(hide_password=False)
    database = Database(Settings(data=tmp_path_factory.mktemp("postgres"), database_url=url))
    database.migrate()
    database.close()
    return name


class ServerDatabases:
    """Migrated databases on the server. One that a test is done with is emptied and serves the next.

    Measured: making and dropping a database takes a fifth of a second of processor, emptying one a thousandth.
    """

    def __init__(self, server: str, template: str) -> None:
        self._server, self._template = server, template
        self._free: list[str] = []
        self._shape = self._shape_of(template)

    @contextmanager
    def one(self) -> Iterator[str]:
        """The name of an empty database, a test's own while it runs."""
        name = self._free.pop() if self._free else self._make()
        yield name
        renamed = self._rename(name)
        if renamed and self._empty(renamed):
            self._free.append(renamed)
        else:
            self._drop(renamed or name)

    def close(self) -> None:
        """Drop them all."""
        for name in self._free:
            self._drop(name)

    def _make(self) -> str:
        name = f"test_{uuid.uuid4().hex}"
        with server_session(self._server) as session:
            session.execute(text(f"CREATE DATABASE {name} TEMPLATE {self._template}"))
        return name

    def _rename(self, name: str) -> str | None:
        """Take the name away, so that a thread that a test left behind cannot write into the next one's database."""
        new = f"test_{uuid.uuid4().hex}"
        with server_session(self._server) as session:
            session.execute(text(OTHERS_OUT), {"name": name})
            try:
                session.execute(text(f"ALTER DATABASE {name} RENAME TO {new}"))
            except OperationalError:  # one came back
                return None
        return new

    def _drop(self, name: str) -> None:
        with server_session(self._server) as session:
            session.execute(text(f"DROP DATABASE {name} WITH (FORCE)"))

    def _session(self, name: str) -> psycopg.Connection[Any]:
        address = make_url(self._server).set(database=name, drivername="postgresql")
        return psycopg.connect(address.render_as_string(hide_password=False), autocommit=True)

    def _shape_of(self, name: str) -> tuple[str, ...]:
        """The tables that are to be emptied, and what tells that nobody changed how they are made."""
        with self._session(name) as session:
            tables = [row[0] for row in session.execute(TABLES)]
            filled = [table for table in tables if session.execute(f'SELECT 1 FROM "{table}" LIMIT 1').fetchone()]
            assert not filled, f"rows that a migration made must come back when a test is done: {filled}"
            return (*tables, str(session.execute(CATALOGUE).fetchone()))

    def _empty(self, name: str) -> bool:
        """Leave the database as a migration made it; False when a test changed its tables."""
        *tables, catalogue = self._shape
        with self._session(name) as session:
            if str(session.execute(CATALOGUE).fetchone()) != catalogue:
                return False
            session.execute("SET session_replication_role = replica")  # in any order
            session.execute(";".join(f'DELETE FROM "{table}"' for table in tables))
            used = [table for table in tables if session.execute(SIZE, [table]).fetchone() != (0,)]
            if used:  # rows of the next test lie in the order in which they came
                session.execute(f"VACUUM {', '.join(used)}")
            session.execute("SELECT setval(seqrelid::regclass, seqstart, false) FROM pg_sequence")
            return True


TABLES = "SELECT tablename FROM pg_tables WHERE schemaname = 'public' AND tablename <> 'alembic_version'"
CATALOGUE = (
    "SELECT (SELECT count(*) FROM pg_class), (SELECT count(*) FROM pg_attribute), (SELECT max(oid) FROM pg_class)"
)
SIZE = "SELECT pg_relation_size(%s::regclass)"
OTHERS_OUT = (
    "SELECT pg_terminate_backend(pid, 10000) FROM pg_stat_activity "
    "WHERE datname = :name AND backend_type = 'client backend'"
)


@pytest.fixture(scope="session")
def databases(servers: real_servers.Servers, template: str) -> Iterator[ServerDatabases]:
    """The migrated databases of this worker."""
    made = ServerDatabases(servers.postgres, template)
    yield made
    made.close()


def scaled_settings(data: Path, servers: real_servers.Servers, name: str) -> Settings:
    """Settings with a database of the server and a place in the bucket of their own."""
    return Settings(
        data=data,
        database_url=make_url(servers.postgres).set(database=name).render_as_string(hide_password=False),
        database_connections_max=8,
        blobs_url=f"s3://{real_servers.BUCKET}/test_{uuid.uuid4().hex}",
        blobs_endpoint=servers.s3,
        blobs_access_key_id=real_servers.ACCESS_KEY_ID,
        blobs_secret_access_key=real_servers.SECRET_ACCESS_KEY,
        **LISTENING,
    )


@pytest.fixture
def scaled(tmp_path: Path, servers: real_servers.Servers) -> Iterator[Settings]:
    """Settings with an empty database of a server, not migrated, and an empty place in the bucket."""
    name = f"test_{uuid.uuid4().hex}"
    with server_session(servers.postgres) as session:
        session.execute(text(f"CREATE DATABASE {name}"))
    yield scaled_settings(tmp_path / "data", servers, name)
    with server_session(servers.postgres) as session:
        session.execute(text(f"DROP DATABASE {name} WITH (FORCE)"))


NewSettings = Callable[[str, Path], AbstractContextManager[Settings]]


@pytest.fixture(scope="session")
def new_settings(request: pytest.FixtureRequest) -> NewSettings:
    """Makes settings of an empty archive of a shape in a folder, with a migrated database."""

    @contextmanager
    def new_settings(shape: str, data: Path) -> Iterator[Settings]:
        data.mkdir(exist_ok=True)
        if shape == "embedded":
            shutil.copyfile(request.getfixturevalue("migrated"), data / "filmless.db")
            yield Settings(data=data, **LISTENING)
            return
        with request.getfixturevalue("databases").one() as name:
            yield scaled_settings(data, request.getfixturevalue("servers"), name)

    return new_settings


@pytest.fixture
def settings(tmp_path: Path, archive_shape: str, new_settings: NewSettings) -> Iterator[Settings]:
    """Settings of an empty archive in a temporary folder, with a migrated database."""
    with new_settings(archive_shape, tmp_path / "data") as made:
        yield made


@pytest.fixture
def archive(settings: Settings) -> Iterator[Archive]:
    """An open, empty archive."""
    with Archive.open(settings) as opened:
        yield opened
