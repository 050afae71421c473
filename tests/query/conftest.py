"""An archive with the population of tests/population.py in it."""

from __future__ import annotations

import io
from collections.abc import Callable, Iterator
from dataclasses import dataclass

import pytest
from pydicom import Dataset

import make
import population
from filmless.access.principal import SYSTEM
from filmless.archive import Archive
from filmless.config import Settings
from filmless.store.receive import receive


@dataclass(repr=False)
class Filled:
    """An archive and what was put into it."""

    archive: Archive
    datasets: list[Dataset]

    def put(self, dataset: Dataset) -> None:
        """Store one more instance."""
        receive(self.archive, SYSTEM("test"), io.BytesIO(make.part10(dataset)))
        self.datasets.append(dataset)


@pytest.fixture(scope="session")
def filled(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Filled]:
    """The population, stored. Shared by all tests of a worker, which only read it."""
    settings = Settings(data=tmp_path_factory.mktemp("filled"), series_quiet_s=0.0)
    with Archive.open(settings) as archive:
        store = Filled(archive, [])
        for dataset in population.make_all():
            store.put(dataset)
        yield store


@pytest.fixture
def put(archive: Archive) -> Callable[[Dataset], None]:
    """Store instances in the archive of this test."""
    return Filled(archive, []).put
