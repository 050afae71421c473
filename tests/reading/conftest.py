"""What readers' objects are checked with: the bytes that were stored, and dicom3tools."""

from __future__ import annotations

import io
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest
from pydicom import Dataset, dcmread

import make
from filmless.access.principal import SYSTEM, Principal
from filmless.archive import Archive
from filmless.reading.writing import Written
from filmless.retrieve.instances import find_record
from filmless.store.receive import receive


@pytest.fixture
def reader() -> Principal:
    return SYSTEM("api")


@pytest.fixture
def store(archive: Archive, reader: Principal) -> Callable[..., None]:
    def store(*datasets: Dataset) -> None:
        for ds in datasets:
            receive(archive, reader, io.BytesIO(make.part10(ds)))

    return store


@pytest.fixture
def stored(archive: Archive, tmp_path: Path) -> Callable[[Written], Dataset]:
    """Read an object as it was stored, in which dciodvfy finds no error."""

    def stored(written: Written) -> Dataset:
        record = find_record(archive, written.sop_instance_uid)
        assert record is not None
        path = tmp_path / "object.dcm"
        path.write_bytes(archive.blobs.read(record.instance.blob, 0, record.instance.length_bytes))
        tool = Path(sys.executable).parent / "dciodvfy"
        done = subprocess.run([tool, path], capture_output=True, text=True, check=False)
        lines = (done.stderr + done.stdout).splitlines()
        assert [line for line in lines if line.startswith("Error")] == []
        return dcmread(path)

    return stored
