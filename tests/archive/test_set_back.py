"""A clock that was ahead and is set back holds up no job, no lease and no schedule, and leaves right times alone."""

from __future__ import annotations

import time

import pytest
from sqlalchemy import select, update

from filmless.archive import Archive, jobs
from filmless.archive.set_back import Clock, follow_clock
from filmless.archive.tables import jobs as job_rows
from filmless.archive.tables import schedules

HOUR_S = 3600.0


def test_jobs_made_by_a_clock_that_was_ahead_run_in_their_order_after_the_wait_that_they_were_to_have(
    archive: Archive,
) -> None:
    now = time.time()
    with archive.transaction() as session:
        right = jobs.enqueue(session, "right", {}, run_at=now + HOUR_S)
        late = jobs.enqueue(session, "late", {}, run_at=now + HOUR_S + 20)
        due = jobs.enqueue(session, "due", {}, run_at=now + HOUR_S)
        ahead = job_rows.c.id.in_([late, due])
        session.execute(update(job_rows).where(ahead).values(created_at=now + HOUR_S))
        assert follow_clock(session, 60.0) == 2
        run_at = dict(session.execute(select(job_rows.c.id, job_rows.c.run_at)).tuples().all())
        assert follow_clock(session, 60.0) == 0
    assert run_at[right] == pytest.approx(now + HOUR_S)
    assert run_at[late] == pytest.approx(now + 20, abs=10)
    assert run_at[due] == pytest.approx(now, abs=10)
    done: list[str] = []
    names = ("due", "late", "right")
    worker = jobs.Worker(archive, {name: lambda _archive, _args, job: done.append(job.name) for name in names})
    worker.run_due()
    assert done == ["due"]


def test_the_lease_of_a_worker_that_is_gone_ends_in_its_time(archive: Archive) -> None:
    now = time.time()
    with archive.transaction() as session:
        job = jobs.enqueue(session, "verify", {})
        session.execute(
            update(job_rows).where(job_rows.c.id == job).values(state="running", owner="gone", lease_until=now + HOUR_S)
        )
        follow_clock(session, 60.0)
        assert session.scalar(select(job_rows.c.lease_until)) == pytest.approx(now + 60, abs=10)


def test_a_schedule_goes_on_within_its_interval(archive: Archive) -> None:
    now = time.time()
    with archive.transaction() as session:
        jobs.schedule(session, "sweep", 600.0)
        session.execute(update(schedules).values(next_at=now + HOUR_S))
        follow_clock(session, 60.0)
        assert session.scalar(select(schedules.c.next_at)) == pytest.approx(now + 600, abs=10)


def test_a_clock_that_is_set_back_is_noticed_once(monkeypatch: pytest.MonkeyPatch) -> None:
    clock = Clock()
    assert not clock.was_set_back()
    earlier = time.time() - HOUR_S
    monkeypatch.setattr(time, "time", lambda: earlier)
    assert clock.was_set_back()
    assert not clock.was_set_back()
