"""DICOM over TLS through `filmless serve`, both sides with certificates (PS3.15 B.12).

DCMTK and pynetdicom are the other side; the certificates are made here.
"""

from __future__ import annotations

import json
import ssl
import subprocess
from collections.abc import Iterator
from io import BytesIO
from pathlib import Path
from typing import Any

import pytest
from pydicom import Dataset, dcmread
from pynetdicom import AE

import make
from certificates import make_certificate
from running import RunningServer, free_port
from waiting import until

pytestmark = [pytest.mark.system, pytest.mark.xdist_group("secured")]

CT = "1.2.840.10008.5.1.4.1.1.2"
VERIFICATION = "1.2.840.10008.1.1"


@pytest.fixture(scope="module")
def certificates(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """An authority, a server and a modality that it signed; a stranger that signed itself."""
    folder = tmp_path_factory.mktemp("certificates")
    make_certificate(folder, "authority")
    make_certificate(folder, "server", "authority")
    make_certificate(folder, "modality", "authority")
    make_certificate(folder, "stranger")
    return folder


@pytest.fixture(scope="module")
def tls_port() -> int:
    return free_port()


@pytest.fixture(scope="module")
def secured(tmp_path_factory: pytest.TempPathFactory, certificates: Path, tls_port: int) -> Iterator[RunningServer]:
    """A running server that listens with TLS too."""
    settings = {
        "dicom_tls": f"127.0.0.1:{tls_port}",
        "dicom_tls_certificate": certificates / "server.pem",
        "dicom_tls_key": certificates / "server.key",
        "dicom_tls_ca": certificates / "authority.pem",
    }
    running = RunningServer(tmp_path_factory.mktemp("secured") / "data", settings=settings)
    running.start()
    running.admit()
    yield running
    running.stop()


def storescu(certificates: Path, port: int, path: Path, *how: str) -> subprocess.CompletedProcess[str]:
    words = ["storescu", "-v", "-aet", "TEST", "-aec", "FILMLESS", *how, "127.0.0.1", str(port), str(path)]
    return subprocess.run(words, capture_output=True, text=True, check=False, timeout=60)


def shown(certificates: Path, name: str) -> list[str]:
    """The options of DCMTK that show a certificate and verify the server's."""
    files = [str(certificates / f"{name}.key"), str(certificates / f"{name}.pem")]
    return ["+tls", *files, "+cf", str(certificates / "authority.pem")]


def saved(folder: Path, **attributes: Any) -> tuple[Path, str]:
    ds = make.ct_slice(rows=16, **attributes)
    path = folder / "slice.dcm"
    path.write_bytes(make.part10(ds))
    return path, str(ds.StudyInstanceUID)


def sendable(**attributes: Any) -> Dataset:
    """A slice as pynetdicom wants to have it."""
    return dcmread(BytesIO(make.part10(make.ct_slice(**attributes))))


def is_kept(server: RunningServer, study: str) -> bool:
    status, body, _ = server.get(f"/dicomweb/studies?StudyInstanceUID={study}", accept="application/dicom+json")
    return status == 200 and len(json.loads(body)) == 1


def test_dcmtk_stores_over_tls_with_certificates_of_both(
    secured: RunningServer, certificates: Path, tls_port: int, tmp_path: Path
) -> None:
    path, study = saved(tmp_path)

    done = storescu(certificates, tls_port, path, *shown(certificates, "modality"))

    assert done.returncode == 0, done.stderr + done.stdout
    assert is_kept(secured, study)


def test_pynetdicom_echoes_and_stores_over_tls(secured: RunningServer, certificates: Path, tls_port: int) -> None:
    context = ssl.create_default_context(cafile=str(certificates / "authority.pem"))
    context.load_cert_chain(certificates / "modality.pem", certificates / "modality.key")
    ae = AE("TEST")
    ae.add_requested_context(VERIFICATION)
    ae.add_requested_context(CT)
    ds = sendable(rows=16)

    association = ae.associate("127.0.0.1", tls_port, ae_title="FILMLESS", tls_args=(context, "127.0.0.1"))

    assert association.is_established
    assert association.send_c_echo().Status == 0x0000
    assert association.send_c_store(ds).Status == 0x0000
    association.release()
    assert is_kept(secured, str(ds.StudyInstanceUID))


@pytest.mark.parametrize(
    ("who", "reason"),
    [("stranger", "certificate verify failed"), (None, "peer did not return a certificate")],
    ids=["of a stranger", "none"],
)
def test_another_certificate_is_refused_and_the_log_says_why(
    secured: RunningServer, certificates: Path, tls_port: int, tmp_path: Path, who: str | None, reason: str
) -> None:
    path, study = saved(tmp_path)
    how = ["+tla", "+cf", str(certificates / "authority.pem")] if who is None else shown(certificates, who)

    done = storescu(certificates, tls_port, path, *how)

    assert done.returncode != 0
    until(lambda: any("dimse_tls_refused" in line and reason in line for line in secured.log().splitlines()))
    assert not is_kept(secured, study)


def test_who_speaks_without_tls_to_the_port_with_it_is_refused_and_the_log_says_why(
    secured: RunningServer, certificates: Path, tls_port: int, tmp_path: Path
) -> None:
    path, study = saved(tmp_path)

    done = storescu(certificates, tls_port, path)

    assert done.returncode != 0
    until(lambda: any("dimse_tls_refused" in each and "version" in each for each in secured.log().splitlines()))
    assert not is_kept(secured, study)


def test_a_peer_that_trusts_another_authority_does_not_talk_to_us(
    secured: RunningServer, certificates: Path, tls_port: int, tmp_path: Path
) -> None:
    path, study = saved(tmp_path)
    how = [*shown(certificates, "modality")[:-1], str(certificates / "stranger.pem")]

    assert storescu(certificates, tls_port, path, *how).returncode != 0

    assert not is_kept(secured, study)
