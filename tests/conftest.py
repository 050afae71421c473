"""Fixtures that every room shares: an archive of its own for each test, migrated, in a temporary folder."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest

from filmless.archive import Archive
from filmless.config import Settings


@pytest.fixture(params=["sqlite"])
def engine_name(request: pytest.FixtureRequest) -> str:
    """The kinds of database that the archive is tested on."""
    return str(request.param)


@pytest.fixture(scope="session")
def migrated(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A migrated, empty SQLite database, made once and copied for each test."""
    folder = tmp_path_factory.mktemp("migrated")
    Archive.open(Settings(data=folder)).close()
    return folder / "filmless.db"


@pytest.fixture
def settings(tmp_path: Path, engine_name: str, migrated: Path) -> Settings:
    """Settings of an archive in a temporary folder, with a migrated database in it."""
    assert engine_name == "sqlite"
    data = tmp_path / "data"
    data.mkdir()
    shutil.copyfile(migrated, data / "filmless.db")
    return Settings(data=data, http="127.0.0.1:0", dicom="127.0.0.1:0")


@pytest.fixture
def archive(settings: Settings) -> Iterator[Archive]:
    """An open, empty archive."""
    with Archive.open(settings) as opened:
        yield opened
