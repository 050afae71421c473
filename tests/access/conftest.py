"""People with quick passwords, and a clock that tests can move."""

from __future__ import annotations

import time

import pytest

from callers import Clock, hash_quickly, make_person
from filmless.access.people import Person
from filmless.archive import Archive


@pytest.fixture(autouse=True, scope="session")
def quick_passwords() -> None:
    hash_quickly()


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> Clock:
    clock = Clock()
    monkeypatch.setattr(time, "time", clock)
    return clock


@pytest.fixture
def administrator(archive: Archive) -> Person:
    return make_person(archive, "Ada", "administrator")


@pytest.fixture
def radiologist(archive: Archive) -> Person:
    return make_person(archive, "Rosalind", "radiologist")
