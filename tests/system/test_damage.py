"""Bytes that the disk lost are told wherever an administrator looks."""

from __future__ import annotations

import subprocess

import pytest

import make
from filmless.app.health import read_metrics
from filmless.archive import Archive
from filmless.config import Settings
from filmless.store.scrub import scrub
from running import filmless
from stored import as_flags

pytestmark = pytest.mark.system


def cli(settings: Settings, *words: str, check: bool = True) -> subprocess.CompletedProcess[str]:
    return filmless(settings.data, *words, check=check, settings=as_flags(settings))


def test_a_lost_blob_is_told_by_doctor_verify_and_metrics(settings: Settings, tmp_path) -> None:  # type: ignore[no-untyped-def]
    ds = make.ct_slice()
    (tmp_path / "a.dcm").write_bytes(make.part10(ds))
    cli(settings, "import", str(tmp_path / "a.dcm"))
    with Archive.open(settings) as archive:
        (blob,) = list(archive.blobs.keys())
        archive.blobs.delete(blob)
        assert b'filmless_problems{kind="missing"} 0.0' in read_metrics(archive)
        scrub(archive)
        metrics = read_metrics(archive)
    assert b'filmless_problems{kind="missing"} 1.0' in metrics
    assert b"filmless_scrub_round_instances 1.0" in metrics
    examined = cli(settings, "doctor", check=False)
    assert examined.returncode == 1
    (line,) = [line for line in examined.stdout.splitlines() if line.startswith("MEND  missing")]
    assert ds.StudyInstanceUID in line
    verified = cli(settings, "verify", check=False)
    assert verified.returncode == 1
    assert f"missing\tstudy {ds.StudyInstanceUID}\t{ds.SOPInstanceUID}\t{blob}" in verified.stdout
    cli(settings, "import", str(tmp_path / "a.dcm"))
    assert cli(settings, "verify").returncode == 0
    assert "MEND  missing" not in cli(settings, "doctor", check=False).stdout
