"""The disk is full, read-only or gone: nothing acknowledged is lost, and health says so and gets over it."""

from __future__ import annotations

import logging
import os
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from ailing import assert_goes_on, faults, readiness, serving, wait_until_named
from running import RunningServer, children_of
from waiting import until

pytestmark = [pytest.mark.system, pytest.mark.timeout(120)]

logging.getLogger("pynetdicom").setLevel(logging.CRITICAL)  # connections are refused on purpose

QUICK = {"log_level": "warning", "job_backoff_s": 0.5, "series_quiet_s": 1}


@contextmanager
def small_disk(folder: Path, size: str) -> Iterator[Path]:
    """A disk of its own in a folder."""
    folder.mkdir(parents=True, exist_ok=True)
    words = ["mount", "-t", "tmpfs", "-o", f"size={size}", "tmpfs", str(folder)]
    if subprocess.run(words, capture_output=True, check=False).returncode:
        pytest.skip("a small disk cannot be mounted here")
    try:
        yield folder
    finally:
        subprocess.run(["umount", "--lazy", str(folder)], check=True)


def fill(folder: Path, leave_bytes: int = 0) -> Path:
    """Take all the room that is left, or all but a rest."""
    path = folder / "filler"
    with path.open("wb", buffering=0) as file:
        if leave_bytes:
            status = os.statvfs(folder)
            os.posix_fallocate(file.fileno(), 0, status.f_bavail * status.f_frsize - leave_bytes)
            return path
        for size in (1 << 20, 1 << 12):
            try:
                while True:
                    file.write(os.urandom(size))
            except OSError:
                continue
    return path


def test_below_the_reserve_nothing_is_taken_and_everything_shown_until_there_is_room(tmp_path: Path) -> None:
    with small_disk(tmp_path / "data", "200m") as disk:
        server = RunningServer(disk, settings=QUICK | {"disk_reserve_bytes": 32 << 20})
        with serving(server) as (modality, web):
            filler = fill(disk, leave_bytes=24 << 20)
            wait_until_named(server, "disk_full")
            assert "disk_full" in faults(server)
            until(lambda: bool(modality.refused) and web.statuses[-1] not in (0, 200), 30)
            assert set(modality.refused) == {0xA700}
            status, body, _ = server.get(f"/dicomweb/studies/{web.study}/metadata", "application/dicom+json")
            assert (status, web.study.encode() in body) == (200, True)
            filler.unlink()
            assert_goes_on(server, modality, web)
            assert "disk_full" not in faults(server)


def test_a_disk_without_a_byte_left_loses_nothing_and_no_process(tmp_path: Path) -> None:
    with small_disk(tmp_path / "data", "200m") as disk:
        server = RunningServer(disk, settings=QUICK | {"disk_reserve_bytes": 0})
        with serving(server) as (modality, web):
            assert server.process
            before = set(children_of(server.process.pid))
            filler = fill(disk)
            wait_until_named(server, "disk_full")
            assert "disk_full" in faults(server)
            until(lambda: bool(modality.refused) and web.statuses[-1] not in (0, 200), 30)
            assert set(modality.refused) == {0xA700}
            filler.unlink()
            assert_goes_on(server, modality, web)
            assert set(children_of(server.process.pid)) == before


def test_blobs_on_a_disk_that_turned_read_only_are_shown_and_nothing_is_taken(tmp_path: Path) -> None:
    with small_disk(tmp_path / "data" / "blobs", "100m") as disk:
        server = RunningServer(tmp_path / "data", settings=QUICK | {"disk_reserve_bytes": 0})
        with serving(server) as (modality, web):
            until(lambda: remount(disk, "ro"), 30)
            wait_until_named(server, "disk_read_only")
            until(lambda: bool(modality.refused) and web.statuses[-1] not in (0, 200), 30)
            assert set(modality.refused) == {0xA700}
            path = f"/dicomweb/studies/{web.study}/series/{web.study}.1/instances/{web.study}.9.0/frames/1"
            assert server.get(path)[0] == 200
            assert remount(disk, "rw")
            assert_goes_on(server, modality, web)


def remount(disk: Path, how: str) -> bool:
    """Have the disk be read-only or not; it must not be written to at that moment."""
    return (
        subprocess.run(["mount", "-o", f"remount,{how}", str(disk)], capture_output=True, check=False).returncode == 0
    )


def test_blobs_on_a_disk_that_is_gone_are_missed_and_come_back_with_it(tmp_path: Path) -> None:
    with small_disk(tmp_path / "data" / "blobs", "100m") as disk:
        server = RunningServer(tmp_path / "data", settings=QUICK | {"disk_reserve_bytes": 0})
        with serving(server) as (modality, web):
            elsewhere = tmp_path / "elsewhere"
            elsewhere.mkdir()
            subprocess.run(["mount", "--bind", str(disk), str(elsewhere)], check=True)
            try:
                subprocess.run(["umount", "--lazy", str(disk)], check=True)
                wait_until_named(server, "blobs_away")
                until(lambda: bool(modality.refused) and web.statuses[-1] not in (0, 200), 30)
                assert set(modality.refused) == {0xA700}
                subprocess.run(["mount", "--bind", str(elsewhere), str(disk)], check=True)
            finally:
                subprocess.run(["umount", "--lazy", str(elsewhere)], check=True)
            assert_goes_on(server, modality, web)
            assert readiness(server) == (200, "ready\n")
