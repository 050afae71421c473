"""Verification re-reads every byte."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from sqlalchemy import Table

import make
from filmless.archive import Archive, jobs, walks
from filmless.archive.jobs import Worker
from filmless.archive.tables import instances, problems
from filmless.store.damage import Finding
from filmless.store.receive import Receipt
from filmless.store.verify import verify, verify_job
from stored import flip_bit

Send = Callable[..., Receipt]
Rows = Callable[[Table], list[Any]]


def test_an_archive_that_is_whole_verifies(archive: Archive, send: Send, rows: Rows) -> None:
    for ds in make.ct_series(3):
        send(ds)
    result = verify(archive)
    assert (result.checked, result.findings) == (3, [])
    assert result.size_bytes == sum(row.length_bytes for row in rows(instances))


@pytest.mark.parametrize("position", [0, 500, -1])
def test_a_flipped_bit_is_found_and_told(archive: Archive, send: Send, rows: Rows, position: int) -> None:
    first, second = make.ct_series(2)
    send(first)
    send(second)
    key = bytes(rows(instances)[1].blob).hex()
    flip_bit(archive.blobs, key, position)
    assert verify(archive).findings == [Finding(second.StudyInstanceUID, second.SOPInstanceUID, key, "damaged")]
    (problem,) = rows(problems)
    assert (problem.kind, problem.key) == ("damaged", second.SOPInstanceUID)
    assert second.StudyInstanceUID in problem.what


def test_a_lost_blob_is_found_and_settled_when_it_is_sent_again(archive: Archive, send: Send, rows: Rows) -> None:
    ds = make.ct_slice()
    send(ds)
    key = bytes(rows(instances)[0].blob).hex()
    archive.blobs.delete(key)
    assert verify(archive).findings == [Finding(ds.StudyInstanceUID, ds.SOPInstanceUID, key, "missing")]
    assert len(rows(problems)) == 1
    assert send(ds).outcome == "duplicate"
    assert verify(archive).findings == []
    assert rows(problems) == []


def test_progress_is_told_and_can_stop_it(archive: Archive, send: Send, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(walks, "_ROWS_AT_ONCE", 2)
    for ds in make.ct_series(5):
        send(ds)
    told: list[tuple[int, int]] = []
    verify(archive, on_progress=lambda done, total: told.append((done, total)))
    assert told == [(number, 5) for number in range(1, 6)]


def test_it_runs_as_a_job_with_progress(archive: Archive, send: Send) -> None:
    send(make.ct_slice())
    with archive.transaction() as session:
        job_id = jobs.enqueue(session, "verify", {})
    Worker(archive, {"verify": verify_job}).run_due()
    with archive.reading() as session:
        job = jobs.get_job(session, job_id)
    assert (job.state, job.progress, job.progress_text) == ("done", 1.0, "1 of 1")
