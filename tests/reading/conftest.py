"""What readers' objects are checked with: the bytes that were stored, and dicom3tools."""

from __future__ import annotations

import io
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from pydicom import Dataset, dcmread

import make
from filmless.access.principal import SYSTEM, Principal
from filmless.archive import Archive
from filmless.reading.writing import Written
from filmless.retrieve.instances import find_record
from filmless.store.receive import receive
from real_servers import free_port
from waiting import until
from wire import run


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


@pytest.fixture
def query_server(tmp_path: Path) -> Iterator[tuple[int, Path]]:
    """DCMTK's archive, which keeps what it gets as it came."""
    kept = tmp_path / "kept"
    kept.mkdir()
    port = free_port()
    settings = tmp_path / "dcmqrscp.cfg"
    settings.write_text(
        f"NetworkTCPPort = {port}\nMaxPDUSize = 16384\nMaxAssociations = 4\n"
        "HostTable BEGIN\nHostTable END\nVendorTable BEGIN\nVendorTable END\n"
        f"AETable BEGIN\nQR {kept} RW (10, 64mb) ANY\nAETable END\n"
    )
    server = subprocess.Popen(["dcmqrscp", "--bit-preserving", "-c", settings], stderr=subprocess.DEVNULL)
    until(lambda: run("echoscu", "-aec", "QR", "127.0.0.1", port).returncode == 0)
    yield port, kept
    server.terminate()
    server.wait(10)


@pytest.fixture
def there_and_back(query_server: tuple[int, Path], tmp_path: Path) -> Callable[[Path, Written], Path]:
    """Send an object to DCMTK's archive and get it from there again."""
    port, _ = query_server

    def there_and_back(sent: Path, written: Written) -> Path:
        assert run("storescu", "-R", "-aec", "QR", "127.0.0.1", port, sent).returncode == 0
        received = tmp_path / f"received-{written.sop_instance_uid}"
        received.mkdir()
        keys = ["-k", "QueryRetrieveLevel=IMAGE", "-k", f"StudyInstanceUID={written.study_instance_uid}"]
        keys += ["-k", f"SeriesInstanceUID={written.series_instance_uid}"]
        keys += ["-k", f"SOPInstanceUID={written.sop_instance_uid}"]
        got = run("getscu", "-S", "+B", "-aec", "QR", "-od", received, *keys, "127.0.0.1", port)
        assert got.returncode == 0, got.stderr
        (back,) = received.iterdir()
        return back

    return there_and_back
