"""Jobs: claimed by one worker at a time, tried again, parked, never lost."""

from __future__ import annotations

import subprocess
import sys
import threading
import time
from pathlib import Path
from typing import Any

import pytest

from filmless.archive import Archive, feed, jobs, tables
from filmless.archive.jobs import Job, JobContext, Worker
from filmless.config import Settings
from filmless.errors import Refused, Unavailable
from waiting import until


@pytest.fixture
def settings(settings: Settings) -> Settings:
    """Impatient settings: everything that waits waits shortly."""
    return settings.model_copy(
        update={"job_lease_s": 0.5, "job_poll_s": 0.02, "job_backoff_s": 0.0, "job_attempts_max": 3, "job_threads": 2}
    )


def enqueue(archive: Archive, name: str, **options: Any) -> int:
    with archive.transaction() as session:
        return jobs.enqueue(session, name, options.pop("args", {}), **options)


def all_jobs(archive: Archive) -> list[Job]:
    with archive.reading() as session:
        return jobs.list_jobs(session)[0]


def test_a_job_runs_with_its_arguments_and_is_done(archive: Archive) -> None:
    seen = []
    job_id = enqueue(archive, "greet", args={"name": "1.2.3"})

    Worker(archive, {"greet": lambda _archive, args, _job: seen.append(args)}).run_due()

    assert seen == [{"name": "1.2.3"}]
    assert [(job.id, job.state) for job in all_jobs(archive)] == [(job_id, "done")]


def test_a_job_is_not_there_when_its_transaction_is_not(archive: Archive) -> None:
    with pytest.raises(ZeroDivisionError), archive.transaction() as session:
        jobs.enqueue(session, "greet", {})
        raise ZeroDivisionError
    assert all_jobs(archive) == []


def test_a_job_with_a_key_is_one_job_whose_time_moves(archive: Archive) -> None:
    first = enqueue(archive, "pack", key="pack:1", run_at=time.time() + 50)
    second = enqueue(archive, "pack", key="pack:1", run_at=time.time() + 100, args={"series": 2})
    assert first == second
    (job,) = all_jobs(archive)
    assert job.run_at > time.time() + 90
    assert job.args == {"series": 2}


def test_a_job_with_a_key_leaves_no_row_when_it_is_done(archive: Archive) -> None:
    enqueue(archive, "pack", key="pack:1")
    Worker(archive, {"pack": lambda *_: None}).run_due()
    assert all_jobs(archive) == []


def test_a_job_asked_for_again_while_it_runs_is_run_once_more(archive: Archive) -> None:
    runs = []

    def pack(_archive: Archive, _args: dict[str, Any], _job: JobContext) -> None:
        runs.append(1)
        if len(runs) == 1:
            enqueue(archive, "pack", key="pack:1")

    enqueue(archive, "pack", key="pack:1")
    Worker(archive, {"pack": pack}).run_due()
    assert len(runs) == 2
    assert all_jobs(archive) == []


def test_higher_priority_goes_first_and_later_ones_wait_for_their_time(archive: Archive) -> None:
    seen: list[str] = []
    enqueue(archive, "see", args={"name": "low"})
    enqueue(archive, "see", args={"name": "high"}, priority=5)
    enqueue(archive, "see", args={"name": "tomorrow"}, run_at=time.time() + 86400, priority=9)
    Worker(archive, {"see": lambda _archive, args, _job: seen.append(args["name"])}).run_due()
    assert seen == ["high", "low"]


def test_a_job_that_fails_is_tried_again_and_parked_with_its_error(archive: Archive) -> None:
    attempts = []

    def fail(_archive: Archive, _args: dict[str, Any], job: JobContext) -> None:
        attempts.append(job.attempt)
        raise Unavailable("the peer is away", retry_after_s=0)

    job_id = enqueue(archive, "fail")
    Worker(archive, {"fail": fail}).run_due()

    (job,) = all_jobs(archive)
    assert attempts == [1, 2, 3]
    assert (job.state, job.error, job.attempts) == ("parked", "the peer is away", 3)
    with archive.transaction() as session:
        jobs.retry(session, job_id)
    Worker(archive, {"fail": lambda *_: None}).run_due()
    assert [job.state for job in all_jobs(archive)] == ["done"]


def test_a_job_that_is_refused_is_parked_at_once(archive: Archive) -> None:
    def refuse(_archive: Archive, _args: dict[str, Any], _job: JobContext) -> None:
        raise Refused("there is no such study")

    enqueue(archive, "refuse")
    Worker(archive, {"refuse": refuse}).run_due()
    assert [(job.state, job.attempts, job.error) for job in all_jobs(archive)] == [
        ("parked", 1, "there is no such study")
    ]


def test_a_bug_in_a_job_is_parked_without_telling_data(archive: Archive) -> None:
    def fail(_archive: Archive, _args: dict[str, Any], _job: JobContext) -> None:
        raise ValueError("Doe^John")

    enqueue(archive, "fail")
    Worker(archive, {"fail": fail}).run_due()
    (job,) = all_jobs(archive)
    assert job.state == "parked"
    assert job.error == "ValueError: an error in Filmless; the log has more"


def test_the_wait_before_each_attempt_is_longer(archive: Archive, settings: Settings) -> None:
    patient = Archive(settings.model_copy(update={"job_backoff_s": 10.0}), archive.database)

    def fail(_archive: Archive, _args: dict[str, Any], _job: JobContext) -> None:
        raise Unavailable("away", retry_after_s=0)

    waits = []
    job_id = enqueue(archive, "fail")
    for _ in range(2):
        Worker(patient, {"fail": fail}).run_due()
        (job,) = all_jobs(archive)
        waits.append(round(job.run_at - time.time()))
        with archive.transaction() as session:
            session.execute(tables.jobs.update().where(tables.jobs.c.id == job_id).values(run_at=0))
    assert waits == [10, 30]


def test_a_paused_queue_or_destination_starts_nothing(archive: Archive) -> None:
    enqueue(archive, "see", queue="send", args={"name": "by queue"})
    enqueue(archive, "see", destination="PACS2", args={"name": "by destination"})
    seen: list[str] = []
    worker = Worker(archive, {"see": lambda _archive, args, _job: seen.append(args["name"])})
    with archive.transaction() as session:
        jobs.pause(session, "send")
        jobs.pause(session, "PACS2", kind="destination")
    worker.run_due()
    assert seen == []
    with archive.transaction() as session:
        jobs.resume(session, "send")
        jobs.resume(session, "PACS2", kind="destination")
    worker.run_due()
    assert sorted(seen) == ["by destination", "by queue"]


def test_a_destination_gets_no_more_jobs_at_once_than_its_limit(archive: Archive, settings: Settings) -> None:
    busy = Archive(settings.model_copy(update={"job_threads": 6}), archive.database)
    mutex = threading.Lock()
    are_two = threading.Event()
    now, peak, done = 0, 0, 0

    def send(_archive: Archive, _args: dict[str, Any], _job: JobContext) -> None:
        nonlocal now, peak, done
        with mutex:
            now += 1
            peak = max(peak, now)
        if now == 2:
            are_two.set()
        are_two.wait(5)
        time.sleep(0.03)  # a third may begin, if it wants
        with mutex:
            now -= 1
            done += 1

    for _ in range(8):
        enqueue(archive, "send", destination="PACS2")
    stop = threading.Event()
    worker = Worker(busy, {"send": send}, destination_limits={"PACS2": 2})
    thread = threading.Thread(target=worker.run, args=(stop,))
    thread.start()
    until(lambda: done == 8)
    stop.set()
    thread.join()
    assert peak == 2


def test_a_waiting_job_can_be_cancelled(archive: Archive) -> None:
    job_id = enqueue(archive, "see")
    with archive.transaction() as session:
        jobs.cancel(session, job_id)
    assert Worker(archive, {}).run_due() == 0
    assert [job.state for job in all_jobs(archive)] == ["cancelled"]


def test_a_running_job_can_be_cancelled_and_shows_progress(archive: Archive) -> None:
    def count(_archive: Archive, _args: dict[str, Any], job: JobContext) -> None:
        for step in range(3000):
            job.report(step / 3000, f"{step} of 3000")
            time.sleep(0.01)

    job_id = enqueue(archive, "count")
    stop = threading.Event()
    thread = threading.Thread(target=Worker(archive, {"count": count}).run, args=(stop,))
    thread.start()
    until(lambda: all_jobs(archive)[0].progress is not None)
    with archive.transaction() as session:
        jobs.cancel(session, job_id)
    until(lambda: all_jobs(archive)[0].state == "cancelled")
    stop.set()
    thread.join()
    assert (all_jobs(archive)[0].progress_text or "").endswith("of 3000")


def test_a_schedule_enqueues_its_job_again_and_again(archive: Archive) -> None:
    runs = []
    stop = threading.Event()
    worker = Worker(archive, {"sweep": lambda *_: runs.append(1)}, schedules={"sweep": 0.05})
    thread = threading.Thread(target=worker.run, args=(stop,))
    thread.start()
    until(lambda: len(runs) >= 3)
    stop.set()
    thread.join()


WORKER = """
import sys, threading, time
from pathlib import Path
from filmless.archive import Archive
from filmless.archive.jobs import Worker
from filmless.config import Settings

data, url, marks, delay_s = sys.argv[1:]

def mark(_archive, args, _job):
    time.sleep(float(delay_s))
    with Path(marks).open("a") as file:
        file.write(f"{args['number']}\\n")

settings = Settings(data=Path(data), database_url=url or None, job_lease_s=0.5, job_poll_s=0.02)
with Archive.open(settings) as archive:
    Worker(archive, {"mark": mark}).run(threading.Event())
"""


def worker_process(settings: Settings, marks: Path, delay_s: float) -> subprocess.Popen[bytes]:
    """A worker process that writes a mark for each job it finishes."""
    return subprocess.Popen(
        [sys.executable, "-c", WORKER, str(settings.data), settings.database_url or "", str(marks), str(delay_s)]
    )


def test_the_jobs_of_a_killed_worker_are_finished_by_another(archive: Archive, settings: Settings) -> None:
    marks = settings.data / "marks"
    marks.touch()
    for number in range(10):
        enqueue(archive, "mark", args={"number": number})
    slow = worker_process(settings, marks, 30.0)
    until(lambda: sum(job.state == "running" for job in all_jobs(archive)) == 2)
    slow.kill()
    slow.wait()

    quick = worker_process(settings, marks, 0.0)
    until(lambda: {job.state for job in all_jobs(archive)} == {"done"})
    quick.kill()
    quick.wait()

    assert sorted(map(int, marks.read_text().split())) == list(range(10))


def test_a_job_that_kills_its_workers_is_parked(archive: Archive) -> None:
    enqueue(archive, "poison")
    worker = Worker(archive, {"poison": lambda *_: None})
    for _ in range(3):
        assert worker._claim(threading.Event()) is not None
        with archive.transaction() as session:
            session.exec_driver_sql("UPDATE jobs SET lease_until = 1")
    assert worker._claim(threading.Event()) is None
    assert [(job.state, job.error) for job in all_jobs(archive)] == [("parked", "its worker vanished 3 times")]


def test_a_worker_that_lost_its_lease_cannot_complete_the_job(archive: Archive) -> None:
    enqueue(archive, "slow")
    worker = Worker(archive, {})
    first = worker._claim(threading.Event())
    with archive.transaction() as session:
        session.exec_driver_sql("UPDATE jobs SET lease_until = 1")
    second = worker._claim(threading.Event())
    assert first is not None
    assert second is not None
    with archive.transaction() as session:
        assert not jobs._end(session, first[0].job_id, "slow", first[0].owner, "done", None)
        assert jobs._end(session, second[0].job_id, "slow", second[0].owner, "done", None)


def test_each_change_of_a_job_is_an_event_and_parking_one_more(archive: Archive) -> None:
    job_id = enqueue(archive, "refuse")

    def refuse(*_: Any) -> None:
        raise Refused("never")

    Worker(archive, {"refuse": refuse}).run_due()
    with archive.transaction() as session:
        jobs.cancel(session, job_id)

    with feed.reading(archive) as final:
        told = [(event.name, event.key) for event in final.read_after(feed.START, 100)]
    key = str(job_id)
    assert told == [("job", key), ("job", key), ("job", key), ("job_parked", key), ("job", key)]
