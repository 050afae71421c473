"""The door by itself, in this process: what `app.web` puts around it is a principal and the place it is mounted at."""

from __future__ import annotations

import io
from collections.abc import Callable, Iterator
from dataclasses import replace
from typing import Any

import pytest
from pydicom import Dataset, dcmread
from starlette.testclient import TestClient

import make
from answers import Mounted
from callers import principal_of
from filmless.access.principal import SYSTEM, Principal
from filmless.archive import Archive
from filmless.retrieve import decoding
from filmless.retrieve.decoding import Decoders
from filmless.store.receive import receive


@pytest.fixture
def radiologist() -> Principal:
    return replace(principal_of("radiologist"), door="dicomweb")


@pytest.fixture(scope="session")
def pool() -> Iterator[Decoders]:
    """Decoder processes for all tests of this worker: they take a quarter of a second to start."""
    made = Decoders(processes=2, memory_bytes=4 << 30, timeout_s=30, samples_max=400_000_000, waiting_max=64)
    yield made
    made.close()


@pytest.fixture
def archive(archive: Archive, pool: Decoders) -> Archive:
    """The archive, with those decoder processes."""
    decoding._pools[archive] = pool
    return archive


@pytest.fixture
def client(archive: Archive, radiologist: Principal) -> TestClient:
    """A client that a radiologist uses."""
    return TestClient(Mounted(archive, radiologist), base_url="http://pacs.test")


@pytest.fixture
def stored(archive: Archive) -> Callable[..., Dataset]:
    """Stores a data set, or the bytes of a file, and gives the data set back."""

    def store(ds: Dataset | bytes, **options: Any) -> Dataset:
        data = ds if isinstance(ds, bytes) else make.part10(ds, **options)
        receive(archive, SYSTEM("cli"), io.BytesIO(data))
        return dcmread(io.BytesIO(data), force=True)

    return store
