"""The scrub verifies everything at a bounded rate, goes on where it stopped, and tells what it finds."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from typing import Any

import pytest
from pydicom import Dataset
from sqlalchemy import Table, update

import make
from filmless.access.tables import audit
from filmless.archive import Archive
from filmless.archive.jobs import Worker
from filmless.archive.tables import instances, problems, walks
from filmless.config import Settings
from filmless.errors import Unavailable
from filmless.store import scrub as scrubbing
from filmless.store.receive import Receipt
from filmless.store.scrub import SLICE_S, scrub, scrub_job
from stored import flip_bit, overwrite

Send = Callable[..., Receipt]
Rows = Callable[[Table], list[Any]]


@pytest.fixture(autouse=True)
def _no_pauses(monkeypatch: pytest.MonkeyPatch) -> None:
    """Slices are read at once: the test of the pauses has a clock of its own."""
    monkeypatch.setattr(scrubbing, "_BURST", 1e9)


@pytest.fixture
def settings(settings: Settings) -> Settings:
    """A new round begins whenever the last is over."""
    return settings.model_copy(update={"scrub_round_s": 0.001})


@pytest.fixture
def slow(settings: Settings) -> Iterator[Archive]:
    """The archive at a rate of which one slice is 3,000 bytes: five small slices."""
    with Archive.open(settings.model_copy(update={"scrub_bytes_per_s": 50, "scrub_round_s": 86400.0})) as opened:
        yield opened


def damage(archive: Archive, ds: Dataset, rows: Rows) -> bytes:
    """Flip a bit of an instance's file; returns what it was."""
    (blob,) = (bytes(row.blob).hex() for row in rows(instances) if row.sop_instance_uid == ds.SOPInstanceUID)
    good = archive.blobs.read(blob)
    flip_bit(archive.blobs, blob, -1)
    return good


def look_again_now(archive: Archive) -> None:
    """Make what was found lie long back, and owe no pause."""
    with archive.transaction() as session:
        session.execute(update(problems).values(last_at=time.time() - 3600))
        session.execute(update(walks).values(resume_at=0.0))


def test_a_round_reads_every_instance_and_the_next_begins_when_it_is_due(archive: Archive, send: Send) -> None:
    for ds in make.ct_series(3):
        send(ds)
    first = scrub(archive)
    assert (first.instances, first.is_under_way) == (3, False)
    look_again_now(archive)
    second = scrub(archive)
    assert second.began_at > first.began_at
    assert second.instances == 3


def test_nothing_is_read_before_the_next_round_is_due(slow: Archive, archive: Archive, send: Send, rows: Rows) -> None:
    ds = make.ct_slice()
    send(ds)
    assert not scrub(slow).is_under_way
    damage(archive, ds, rows)
    look_again_now(slow)
    scrub(slow)
    assert rows(problems) == []


def test_a_damaged_blob_is_a_problem_that_names_the_study_until_it_is_good_again(
    archive: Archive, send: Send, rows: Rows
) -> None:
    first, second = make.ct_series(2)
    send(first)
    send(second)
    good = damage(archive, second, rows)
    scrub(archive)
    look_again_now(archive)
    scrub(archive)
    (problem,) = rows(problems)
    assert (problem.kind, problem.key) == ("damaged", second.SOPInstanceUID)
    assert second.StudyInstanceUID in problem.what
    assert "sent again" in problem.what_to_do
    overwrite(archive.blobs, bytes(rows(instances)[1].blob).hex(), good)
    look_again_now(archive)
    scrub(archive)
    assert rows(problems) == []
    told = [(row.action, row.outcome, row.study_instance_uid) for row in rows(audit) if row.action.startswith("blob")]
    assert told == [
        ("blob_damaged", "failed", second.StudyInstanceUID),
        ("blob_good_again", "success", second.StudyInstanceUID),
    ]


def test_a_missing_blob_is_settled_when_it_is_sent_again(archive: Archive, send: Send, rows: Rows) -> None:
    ds = make.ct_slice()
    send(ds)
    archive.blobs.delete(rows(instances)[0].blob.hex())
    scrub(archive)
    (problem,) = rows(problems)
    assert problem.kind == "missing"
    send(ds)
    look_again_now(archive)
    scrub(archive)
    assert rows(problems) == []


def test_it_goes_on_where_it_stopped(settings: Settings, slow: Archive, send: Send) -> None:
    for ds in make.ct_series(9):
        send(ds)
    done = [scrub(slow).instances]
    while done[-1] < 9:
        look_again_now(slow)
        with Archive.open(slow.settings) as another:  # as after a restart
            done.append(scrub(another).instances)
    assert len(done) > 2
    assert done == sorted(set(done))
    assert scrub(slow).ended_at is not None


def test_a_slice_reads_no_more_than_the_rate_allows_and_the_next_waits(slow: Archive, send: Send) -> None:
    for ds in make.ct_series(9):
        send(ds)
    began_at = time.time()
    walk = scrub(slow)
    longest = walk.size_bytes / walk.instances
    assert 50 * SLICE_S <= walk.size_bytes <= 50 * SLICE_S + longest
    assert walk.resume_at >= began_at + walk.size_bytes / 50
    assert scrub(slow).instances == walk.instances


def test_within_a_slice_it_pauses_after_what_it_read(monkeypatch: pytest.MonkeyPatch) -> None:
    clock = [100.0]
    monkeypatch.setattr(scrubbing, "_BURST", 4)
    monkeypatch.setattr(scrubbing.time, "monotonic", lambda: clock[0])
    monkeypatch.setattr(scrubbing.time, "sleep", lambda pause_s: clock.__setitem__(0, clock[0] + pause_s))
    pace = scrubbing.Pace(1000, lambda: None, began_at=100.0)
    pace.spend(8000)
    assert clock[0] == pytest.approx(102.0)  # four times the rate, a quarter of the time


def test_a_clock_that_was_set_back_does_not_stop_it(archive: Archive, send: Send) -> None:
    send(make.ct_slice())
    scrub(archive)
    a_year = 365 * 86400.0
    with archive.transaction() as session:
        session.execute(
            update(walks).values(
                began_at=walks.c.began_at + a_year,
                ended_at=walks.c.ended_at + a_year,
                resume_at=walks.c.resume_at + a_year,
            )
        )
    assert scrub(archive).began_at <= time.time()


def test_with_very_many_findings_it_halts_and_says_so(
    archive: Archive, send: Send, rows: Rows, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("filmless.store.damage.FINDINGS_MAX", 2)
    series = make.ct_series(2)
    for ds in series:
        send(ds)
    kept = {row.blob.hex(): archive.blobs.read(row.blob.hex()) for row in rows(instances)}
    for blob in kept:
        archive.blobs.delete(blob)
    scrub(archive)
    began_at = rows(walks)[0].began_at
    look_again_now(archive)
    scrub(archive)
    assert {row.kind for row in rows(problems)} == {"missing", "scrub"}
    assert rows(walks)[0].began_at == began_at
    for ds in series:
        send(ds)
    look_again_now(archive)
    scrub(archive)
    assert rows(problems) == []


def test_a_round_that_takes_too_long_is_told(archive: Archive, send: Send, rows: Rows) -> None:
    send(make.ct_slice())
    with Archive.open(archive.settings.model_copy(update={"scrub_bytes_per_s": 20})) as slow:
        scrub(slow)
    (problem,) = rows(problems)
    assert (problem.kind, problem.key) == ("scrub", "slow")
    assert "scrub_bytes_per_s" in problem.what_to_do


def test_it_is_off_at_a_rate_of_nothing(archive: Archive, send: Send) -> None:
    send(make.ct_slice())
    with Archive.open(archive.settings.model_copy(update={"scrub_bytes_per_s": 0})) as off:
        assert scrub(off).began_at == 0


def test_a_worker_that_stops_keeps_what_was_done(archive: Archive, send: Send, rows: Rows) -> None:
    for ds in make.ct_series(4):
        send(ds)
    asked = []

    def check() -> None:
        asked.append(1)
        if len(asked) > 5:
            raise Unavailable("stopping")

    with pytest.raises(Unavailable):
        scrub(archive, check=check)
    assert 0 < rows(walks)[0].instances < 4


def test_it_runs_as_a_scheduled_job(archive: Archive, send: Send, rows: Rows) -> None:
    send(make.ct_slice())
    worker = Worker(archive, {"scrub": scrub_job}, schedules={"scrub": SLICE_S})
    worker._write_schedules()
    worker._start_scheduled()
    assert worker.run_due() == 1
    assert rows(walks)[0].instances == 1
