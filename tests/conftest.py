"""Fixtures that every room shares: an archive of its own for each test, migrated, in a temporary folder.

There are two shapes: *embedded* is SQLite and the disk, *scaled* is PostgreSQL and S3, on real servers that the first
test to need them starts. The tests of the rooms in BOTH run on both, all others on SQLite and disk; with
FILMLESS_TEST_SHAPE set to `embedded` or `scaled`, all that take an archive run on that one (`make test-scaled`).
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


@contextmanager
def scaled_settings(data: Path, servers: real_servers.Servers, template: str | None) -> Iterator[Settings]:
    """Settings with a database and a place in the bucket of their own; migrated when a template is given."""
    name = f"test_{uuid.uuid4().hex}"
    copied = f" TEMPLATE {template}" if template else ""
    with server_session(servers.postgres) as session:
        session.execute(text(f"CREATE DATABASE {name}{copied}"))
    yield Settings(
        data=data,
        database_url=make_url(servers.postgres).set(database=name).render_as_string(hide_password=False),
        database_connections_max=8,
        blobs_url=f"s3://{real_servers.BUCKET}/{name}",
        blobs_endpoint=servers.s3,
        blobs_access_key_id=real_servers.ACCESS_KEY_ID,
        blobs_secret_access_key=real_servers.SECRET_ACCESS_KEY,
        **LISTENING,
    )
    with server_session(servers.postgres) as session:
        session.execute(text(f"DROP DATABASE {name} WITH (FORCE)"))


@pytest.fixture
def scaled(tmp_path: Path, servers: real_servers.Servers) -> Iterator[Settings]:
    """Settings with an empty database of a server, not migrated, and an empty place in the bucket."""
    with scaled_settings(tmp_path / "data", servers, None) as settings:
        yield settings


@pytest.fixture
def settings(tmp_path: Path, archive_shape: str, request: pytest.FixtureRequest) -> Iterator[Settings]:
    """Settings of an empty archive in a temporary folder, with a migrated database."""
    data = tmp_path / "data"
    data.mkdir()
    if archive_shape == "embedded":
        shutil.copyfile(request.getfixturevalue("migrated"), data / "filmless.db")
        yield Settings(data=data, **LISTENING)
        return
    servers, template = request.getfixturevalue("servers"), request.getfixturevalue("template")
    with scaled_settings(data, servers, template) as settings:
        yield settings


@pytest.fixture
def archive(settings: Settings) -> Iterator[Archive]:
    """An open, empty archive."""
    with Archive.open(settings) as opened:
        yield opened
