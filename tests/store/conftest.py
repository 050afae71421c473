"""What the tests of reception share: a sender, and short ways to send and to look."""

from __future__ import annotations

import io
from collections.abc import Callable
from typing import Any

import pytest
from pydicom import Dataset
from sqlalchemy import Table, func, select

import make
from filmless.access.policy import EVERYTHING
from filmless.access.principal import Principal
from filmless.archive import Archive
from filmless.store.receive import Receipt, receive


@pytest.fixture
def sender() -> Principal:
    """A peer that may store."""
    return Principal("peer", 1, "CT1", frozenset(), EVERYTHING, "10.0.0.1", "dimse")


@pytest.fixture
def send(archive: Archive, sender: Principal) -> Callable[..., Receipt]:
    """Send a data set, or the bytes of a file, into the archive."""

    def send(what: Dataset | bytes, transfer_syntax: str = make.EXPLICIT_LE, **options: Any) -> Receipt:
        data = what if isinstance(what, bytes) else make.part10(what, transfer_syntax)
        return receive(archive, sender, io.BytesIO(data), **options)

    return send


@pytest.fixture
def rows(archive: Archive) -> Callable[[Table], list[Any]]:
    """All rows of a table."""

    def rows(table: Table) -> list[Any]:
        with archive.reading() as session:
            return list(session.execute(select(table).order_by(*table.primary_key)).all())

    return rows


@pytest.fixture
def count(archive: Archive) -> Callable[[Table], int]:
    """How many rows a table has."""

    def count(table: Table) -> int:
        with archive.reading() as session:
            return session.execute(select(func.count()).select_from(table)).scalar_one()

    return count
