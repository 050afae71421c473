"""The sweep: what a crash left is adopted or removed, what is lost is told."""

from __future__ import annotations

import os
import time
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from sqlalchemy import Table

import make
from filmless.archive import Archive
from filmless.archive.tables import conflicts, headers, instances, problems, refusals, series, studies
from filmless.config import Settings
from filmless.errors import Conflict
from filmless.store.receive import Receipt
from filmless.store.sweep import SweepResult, sweep
from stored import flip_bit

Send = Callable[..., Receipt]
Later = Callable[[], None]
Rows = Callable[[Table], list[Any]]


@pytest.fixture
def settings(settings: Settings) -> Settings:
    return settings.model_copy(update={"sweep_age_s": 60.0})


def age(path: Path, seconds: float = 3600.0) -> None:
    os.utime(path, (time.time() - seconds,) * 2)


@pytest.fixture
def an_hour_later(monkeypatch: pytest.MonkeyPatch) -> Callable[[], None]:
    """Put the sweep's clock forward, so that all that is there is old."""

    def put_forward() -> None:
        monkeypatch.setattr("filmless.store.sweep.time", SimpleNamespace(time=lambda: time.time() + 3600.0))

    return put_forward


def forget_rows(archive: Archive) -> None:
    """As if the process had been killed between the rename and the commit."""
    with archive.transaction() as session:
        for table in (headers, instances, series, studies):
            session.execute(table.delete())


def test_a_blob_without_a_row_is_adopted(archive: Archive, an_hour_later: Later, send: Send, rows: Rows) -> None:
    ds = make.ct_slice()
    send(ds)
    (before,) = rows(instances)
    forget_rows(archive)
    an_hour_later()
    assert sweep(archive) == SweepResult(adopted=1)
    (after,) = rows(instances)
    assert (after.sop_instance_uid, after.blob, after.flags) == (before.sop_instance_uid, before.blob, before.flags)
    assert rows(studies)[0].number_of_study_related_instances == 1


def test_a_young_blob_without_a_row_is_left_to_its_reception_and_adopted_later(
    archive: Archive, an_hour_later: Later, send: Send, rows: Rows
) -> None:
    send(make.ct_slice())
    forget_rows(archive)
    assert sweep(archive).adopted == 0
    an_hour_later()
    assert sweep(archive).adopted == 1
    assert len(rows(instances)) == 1


def test_an_instance_that_has_its_row_is_left_alone(
    archive: Archive, an_hour_later: Later, send: Send, rows: Rows
) -> None:
    ds = make.ct_slice()
    send(ds)
    an_hour_later()
    assert sweep(archive) == sweep(archive) == SweepResult()
    send(ds)
    assert sweep(archive) == SweepResult()
    assert len(rows(instances)) == 1


@pytest.mark.embedded  # what waits for a bucket has no name
def test_old_temporary_files_are_removed_and_young_ones_are_not(archive: Archive) -> None:
    old, young = archive.blobs.incoming / "old", archive.blobs.incoming / "young"
    for path in (old, young):
        path.write_bytes(b"half an instance")
    age(old)
    assert sweep(archive) == SweepResult(removed=1)
    assert list(archive.blobs.incoming.iterdir()) == [young]


def test_a_damaged_leftover_goes_to_quarantine(archive: Archive, an_hour_later: Later, send: Send, rows: Rows) -> None:
    send(make.ct_slice())
    (row,) = rows(instances)
    key = bytes(row.blob).hex()
    forget_rows(archive)
    flip_bit(archive.blobs, key, -1)
    an_hour_later()
    assert sweep(archive) == SweepResult(quarantined=1)
    assert rows(instances) == []
    assert list(archive.quarantine.keys()) == [key]
    assert "its bytes do not match its digest" in rows(refusals)[0].reason


def test_a_refused_version_that_was_not_moved_before_the_crash_is_moved(
    archive: Archive, an_hour_later: Later, send: Send, rows: Rows, monkeypatch: pytest.MonkeyPatch
) -> None:
    ds = make.ct_slice()
    send(ds)
    ds.PatientName = "Other^Name"
    with monkeypatch.context() as patch, pytest.raises(Conflict):
        patch.setattr(type(archive.blobs), "move_to", lambda *_: None)
        send(ds)
    an_hour_later()
    assert sweep(archive) == SweepResult(quarantined=1)
    (conflict,) = rows(conflicts)
    assert list(archive.quarantine.keys()) == [conflict.refused_blob]
    assert list(archive.blobs.keys()) == [conflict.kept_blob]


def test_a_row_without_a_blob_is_raised_as_a_problem(archive: Archive, send: Send, rows: Rows) -> None:
    send(make.ct_slice())
    (row,) = rows(instances)
    archive.blobs.delete(bytes(row.blob).hex())
    assert sweep(archive) == SweepResult(missing=1)
    (problem,) = rows(problems)
    assert problem.kind == "missing"
    assert row.sop_instance_uid in problem.what


def test_with_very_many_lost_blobs_it_halts_says_so_and_looks_at_them_again(
    archive: Archive, send: Send, rows: Rows, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("filmless.store.damage.FINDINGS_MAX", 2)
    for _ in range(4):
        send(make.ct_slice())
    for key in list(archive.blobs.keys()):
        archive.blobs.delete(key)
    assert sweep(archive).missing == 2
    assert sorted(row.kind for row in rows(problems)) == ["missing", "missing", "scrub"]
    assert sweep(archive).missing == 0
    with archive.transaction() as session:
        session.execute(problems.delete())
    monkeypatch.setattr("filmless.store.damage.FINDINGS_MAX", 1000)
    assert sweep(archive).missing == 4


def test_a_metadata_object_that_no_series_names_is_removed(archive: Archive, an_hour_later: Later) -> None:
    with archive.metadata_objects.create() as writer:
        writer.write(b"left by a worker that was killed")
        writer.finish()
    an_hour_later()
    assert sweep(archive) == SweepResult(removed=1)
    assert list(archive.metadata_objects.keys()) == []


@pytest.mark.embedded  # a bucket lists all
def test_only_what_changed_since_the_last_sweep_is_read(
    archive: Archive, an_hour_later: Later, send: Send, monkeypatch: pytest.MonkeyPatch
) -> None:
    send(make.ct_slice())
    an_hour_later()
    sweep(archive)
    for folder in archive.blobs.root.glob("???"):
        age(folder, 86400)
    asked: list[str] = []
    monkeypatch.setattr(os, "scandir", lambda path, real=os.scandir: asked.append(str(path)) or real(path))
    sweep(archive)
    kinds = (archive.blobs, archive.quarantine, archive.metadata_objects, archive.renditions, archive.trash)
    assert asked == [str(blobs.incoming) for blobs in kinds]
