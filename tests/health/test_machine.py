"""What can be looked at without the database: the disk, the store of the blobs, certificates."""

from __future__ import annotations

import errno
import os
import shutil
import time
from collections import namedtuple
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

from filmless.archive import Archive
from filmless.config import Settings
from filmless.health import machine
from filmless.health.faults import Finding

Usage = namedtuple("Usage", "total used free")


def looked_at(settings: Settings) -> list[Finding]:
    return [finding for finding in machine.examine_disk(settings) if finding.subject == "disk"]


@pytest.mark.parametrize(
    ("free_gib", "code"), [(0.1, "disk_full"), (0.3, "disk_nearly_full"), (40.0, "disk_nearly_full"), (60.0, "")]
)
def test_a_disk_is_nearly_full_below_a_twentieth_and_full_below_the_reserve(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, free_gib: float, code: str
) -> None:
    free = int(free_gib * machine.GIB)
    monkeypatch.setattr(shutil, "disk_usage", lambda _: Usage(1000 * machine.GIB, 0, free))
    assert [finding.code for finding in looked_at(Settings(data=tmp_path))] == [code]


@pytest.mark.parametrize(
    ("number", "code"),
    [
        (errno.ENOSPC, "disk_full"),
        (errno.EDQUOT, "disk_full"),
        (errno.EROFS, "disk_read_only"),
        (errno.EACCES, "disk_read_only"),
        (errno.EIO, "disk_away"),
        (errno.ESTALE, "disk_away"),
    ],
)
def test_a_disk_is_judged_by_what_it_says_to_a_write(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, number: int, code: str
) -> None:
    def write(descriptor: int, data: bytes) -> int:
        raise OSError(number, os.strerror(number))

    monkeypatch.setattr(os, "write", write)
    assert [finding.code for finding in looked_at(Settings(data=tmp_path))] == [code]


def test_a_look_at_the_disk_leaves_nothing(tmp_path: Path) -> None:
    looked_at(Settings(data=tmp_path))
    assert list(tmp_path.iterdir()) == []


@pytest.mark.embedded
def test_a_folder_of_blobs_that_is_gone_is_away(archive: Archive) -> None:
    assert [finding.level for finding in machine.examine_blobs(archive)] == ["ok"]
    shutil.rmtree(archive.settings.data / "blobs" / "incoming")
    (finding,) = machine.examine_blobs(archive)
    assert (finding.code, "is the disk mounted?" in finding.what) == ("blobs_away", True)


def test_a_store_that_takes_its_time_is_slow(archive: Archive, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(machine, "SLOW_S", -1.0)
    assert [finding.code for finding in machine.examine_blobs(archive)] == ["blobs_slow"]


@pytest.fixture
def certified(tmp_path: Path) -> Callable[[float], Settings]:
    """Settings with a certificate of ours that ends in so many days."""

    def make_certificate(days: float) -> Settings:
        key = ec.generate_private_key(ec.SECP256R1())
        name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "localhost")])
        now = datetime.now(UTC)
        certificate = (
            x509.CertificateBuilder()
            .subject_name(name)
            .issuer_name(name)
            .public_key(key.public_key())
            .serial_number(1)
            .not_valid_before(now - timedelta(days=400))
            .not_valid_after(now + timedelta(days=days))
            .sign(key, hashes.SHA256())
        )
        (tmp_path / "c.pem").write_bytes(certificate.public_bytes(serialization.Encoding.PEM))
        private = key.private_bytes(
            serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
        )
        (tmp_path / "k.pem").write_bytes(private)
        return Settings(data=tmp_path, http_tls_certificate=tmp_path / "c.pem", http_tls_key=tmp_path / "k.pem")

    return make_certificate


@pytest.mark.parametrize(("days", "code"), [(60, ""), (29, "certificate_expiring"), (-1, "certificate_expired")])
def test_a_certificate_is_told_of_a_month_before_it_ends(
    certified: Callable[[float], Settings], days: float, code: str
) -> None:
    (finding,) = machine.examine_tls(certified(days))
    assert finding.code == code
    assert (finding.since or 0) == pytest.approx(
        time.time() + days * 86400 if code == "certificate_expired" else 0, abs=60
    )


def test_a_certificate_without_its_key_is_told_before_the_next_start_fails(
    certified: Callable[[float], Settings], tmp_path: Path
) -> None:
    settings = certified(60)
    (tmp_path / "k.pem").write_text("no key")
    assert [finding.code for finding in machine.examine_tls(settings)] == ["certificate_bad"]


def test_a_web_server_open_to_the_network_without_tls_is_told(tmp_path: Path) -> None:
    assert [finding.code for finding in machine.examine_tls(Settings(data=tmp_path, http="0.0.0.0:80"))] == [
        "http_open"
    ]
    proxied = Settings(data=tmp_path, http="0.0.0.0:80", public_url="https://pacs.example")
    assert list(machine.examine_tls(proxied)) == []
