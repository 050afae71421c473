"""A server with a synchronous replica: filled by its worker, refusing in words without it, repairing from it."""

from __future__ import annotations

import json
import urllib.error
import urllib.request
from collections.abc import Iterator
from pathlib import Path

import pytest
from pydicom.dataset import Dataset, FileMetaDataset
from pydicom.uid import UID
from pynetdicom import AE

import make
from running import RunningServer, filmless
from waiting import until

pytestmark = [pytest.mark.system, pytest.mark.timeout(120)]


@pytest.fixture
def replica(tmp_path: Path) -> Path:
    folder = tmp_path / "replica"
    folder.mkdir()
    return folder


@pytest.fixture
def server(tmp_path: Path, replica: Path) -> Iterator[RunningServer]:
    """Started on an archive that is older than its replica."""
    data = tmp_path / "data"
    (tmp_path / "old.dcm").write_bytes(make.part10(make.ct_slice()))
    filmless(data, "import", str(tmp_path / "old.dcm"))
    settings = {"replica_url": replica, "replica_mode": "synchronous", "scrub_bytes_per_s": 0}
    running = RunningServer(data, settings=settings).start()
    running.admit()
    yield running
    running.stop()


def c_store(server: RunningServer, ds: Dataset) -> int:
    ae = AE("TEST")
    ae.add_requested_context(ds.SOPClassUID, make.EXPLICIT_LE)
    ds.file_meta = FileMetaDataset()
    ds.file_meta.TransferSyntaxUID = UID(make.EXPLICIT_LE)
    association = ae.associate("127.0.0.1", server.dicom_port, ae_title="FILMLESS")
    assert association.is_established
    status = association.send_c_store(ds)
    association.release()
    return int(status.Status)


def stow(server: RunningServer, ds: Dataset) -> tuple[int, str]:
    head = b"--b\r\nContent-Type: application/dicom\r\n\r\n"
    request = urllib.request.Request(
        f"{server.url}/dicomweb/studies",
        data=head + make.part10(ds) + b"\r\n--b--\r\n",
        headers={
            "Authorization": f"Bearer {server.sign_in()}",
            "Content-Type": 'multipart/related; type="application/dicom"; boundary=b',
            "Accept": "application/dicom+json",
        },
    )
    try:
        with urllib.request.urlopen(request, timeout=30) as answer:
            return answer.status, answer.read().decode()
    except urllib.error.HTTPError as error:
        return error.code, error.read().decode()


def files(folder: Path) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in folder.glob("blobs/???/*.dcm")}


def test_a_synchronous_replica_is_filled_waited_for_and_restored_from(server: RunningServer, replica: Path) -> None:
    until(lambda: len(files(replica)) == 1)  # what is older than the replica
    until(lambda: json.loads(server.get("/api/v1/storage")[1])["replica"]["isFilled"])
    assert c_store(server, make.ct_slice()) == 0x0000
    assert stow(server, make.ct_slice())[0] == 200
    assert files(replica) == files(server.data)
    assert len(files(replica)) == 3

    replica.rename(replica.with_name("unplugged"))
    refused = make.ct_slice()
    assert c_store(server, refused) == 0xA700
    assert stow(server, refused)[0] == 503
    until(lambda: b'filmless_problems{kind="replica"} 1.0' in server.get("/metrics")[1])
    told = filmless(server.data, "doctor", check=False, settings=server.settings).stdout
    assert "MEND  replica" in told
    assert "is its disk mounted?" in told
    replica.mkdir()  # the place where it is mounted, empty
    assert c_store(server, refused) == 0xA700
    replica.rmdir()
    replica.with_name("unplugged").rename(replica)
    assert c_store(server, refused) == 0x0000
    until(lambda: b'filmless_problems{kind="replica"}' not in server.get("/metrics")[1])

    before = files(server.data)
    assert len(before) == 4
    for path in server.data.glob("blobs/???/*.dcm"):
        path.unlink()
    restored = filmless(server.data, "verify", settings=server.settings)
    assert "4 instances read" in restored.stdout
    assert files(server.data) == before
