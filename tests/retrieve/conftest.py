from __future__ import annotations

import io
from collections.abc import Callable

import pytest
from pydicom import Dataset

import make
from callers import principal_of
from filmless.access.principal import SYSTEM, Principal
from filmless.archive import Archive
from filmless.store.receive import receive


@pytest.fixture
def radiologist() -> Principal:
    return principal_of("radiologist")


@pytest.fixture
def stored(archive: Archive) -> Callable[[Dataset], Dataset]:
    """Stores a data set and gives it back."""

    def store(ds: Dataset) -> Dataset:
        receive(archive, SYSTEM("cli"), io.BytesIO(make.part10(ds)))
        return ds

    return store
