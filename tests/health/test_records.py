"""What the database tells of faults: each is found while it lasts and no longer."""

from __future__ import annotations

import io
import os
import re
import socket
import time
from collections.abc import Callable
from pathlib import Path

import pytest
from sqlalchemy import insert, update

import make
from filmless.access import peers
from filmless.access.principal import SYSTEM
from filmless.app.worker import make_worker
from filmless.archive import Archive, jobs, problems
from filmless.archive.processes import BEAT_S, FORGOTTEN_AFTER_S, alive, list_processes
from filmless.archive.tables import instances, processes
from filmless.health import records
from filmless.health.faults import FAULTS, Finding
from filmless.store.receive import receive
from filmless.store.sweep import sweep
from filmless.store.verify import verify
from wire import Scp

ROOT = Path(__file__).resolve().parents[2]


def codes(archive: Archive) -> set[tuple[str, str]]:
    return {(finding.code, finding.key) for finding in records.examine_records(archive) if finding.code}


def found(archive: Archive, code: str) -> Finding:
    (finding,) = [finding for finding in records.examine_records(archive) if finding.code == code]
    return finding


def lose(archive: Archive, role: str, *, silent_s: float, host: str = "elsewhere", pid: int = 4711) -> None:
    now = time.time()
    row = {"role": role, "host": host, "pid": pid, "started_at": now - 2 * silent_s, "heartbeat_at": now - silent_s}
    with archive.transaction() as session:
        session.execute(insert(processes).values(row))


def test_an_installation_that_does_nothing_lacks_all_that_there_should_be(archive: Archive) -> None:
    assert codes(archive) == {
        ("process_missing", "web"),
        ("process_missing", "dicom"),
        ("process_missing", "worker"),
        ("people_missing", ""),
        ("peers_missing", ""),
    }


def test_a_process_that_runs_is_not_missing_and_one_that_ended_in_order_is(archive: Archive) -> None:
    with alive(archive, "worker"):
        assert ("process_missing", "worker") not in codes(archive)
    assert ("process_missing", "worker") in codes(archive)


def test_a_process_that_was_lost_is_told_for_an_hour_when_others_do_its_work(archive: Archive) -> None:
    lose(archive, "dicom", silent_s=4 * BEAT_S)
    missing = [finding for finding in records.examine_records(archive) if finding.key == "dicom"]
    assert [finding.code for finding in missing] == ["process_missing"]
    assert missing[0].since is not None and time.time() - missing[0].since > 3 * BEAT_S
    lose(archive, "dicom", silent_s=FORGOTTEN_AFTER_S + BEAT_S)
    with alive(archive, "dicom"):
        silent = found(archive, "process_silent")
    assert "4711 on elsewhere" in silent.what


def test_a_process_that_starts_removes_the_rows_of_those_that_are_no_more(archive: Archive) -> None:
    lose(archive, "web", silent_s=FORGOTTEN_AFTER_S + BEAT_S)
    lose(archive, "web", silent_s=4 * BEAT_S, host=socket.gethostname(), pid=os.getpid())
    lose(archive, "web", silent_s=4 * BEAT_S, host=socket.gethostname(), pid=2**22 + 1)  # beyond what Linux gives
    lose(archive, "web", silent_s=4 * BEAT_S, host=socket.gethostname(), pid=1)
    lose(archive, "web", silent_s=4 * BEAT_S)
    with alive(archive, "web"), archive.reading() as session:
        left = {(process.host, process.pid) for process in list_processes(session)}
    assert left == {("elsewhere", 4711), (socket.gethostname(), 1), (socket.gethostname(), os.getpid())}


def test_a_process_whose_row_was_removed_comes_back_with_its_next_beat(archive: Archive) -> None:
    with alive(archive, "worker", beat_s=0.05) as key:
        with archive.transaction() as session:
            session.execute(processes.delete())
        deadline = time.monotonic() + 10
        rows: list[int] = []
        while not rows and time.monotonic() < deadline:
            with archive.reading() as session:
                rows = [process.id for process in list_processes(session)]
            time.sleep(0.02)
    assert rows == [key]


def test_a_database_that_takes_no_writes_is_known_by_our_own_beat(archive: Archive) -> None:
    lose(archive, "web", silent_s=4 * BEAT_S, host=socket.gethostname(), pid=os.getpid())
    fault = found(archive, "database_refuses_writes")
    assert FAULTS[fault.code].stops_service
    assert fault.since is not None and time.time() - fault.since > 3 * BEAT_S


def test_jobs_that_were_given_up_are_told_until_somebody_retries_them(archive: Archive) -> None:
    with archive.transaction() as session:
        job = jobs.enqueue(session, "no_such_job", {})
    jobs.Worker(archive, {}).run_due()
    assert found(archive, "jobs_parked").what == "one was given up"
    with archive.transaction() as session:
        jobs.retry(session, job)
    assert ("jobs_parked", "") not in codes(archive)


def test_jobs_that_nobody_runs_are_late_after_ten_minutes(archive: Archive) -> None:
    now = time.time()
    with archive.transaction() as session:
        jobs.enqueue(session, "verify", {}, run_at=now - records.JOBS_LATE_S + 60)
    assert ("jobs_late", "") not in codes(archive)
    with archive.transaction() as session:
        jobs.enqueue(session, "verify", {}, run_at=now - records.JOBS_LATE_S - 60)
    late = found(archive, "jobs_late")
    assert late.since == pytest.approx(now - records.JOBS_LATE_S - 60)


def test_a_paused_queue_is_told_and_its_jobs_are_not_late(archive: Archive) -> None:
    with archive.transaction() as session:
        jobs.enqueue(session, "verify", {}, run_at=time.time() - 2 * records.JOBS_LATE_S)
        jobs.pause(session, "default")
    assert {code for code, _ in codes(archive)} & {"jobs_late", "jobs_paused"} == {"jobs_paused"}
    with archive.transaction() as session:
        jobs.resume(session, "default")
    assert {code for code, _ in codes(archive)} & {"jobs_late", "jobs_paused"} == {"jobs_late"}


def test_a_clock_behind_what_was_recorded_is_wrong(archive: Archive) -> None:
    receive(archive, SYSTEM("test"), io.BytesIO(make.part10(make.ct_slice())))
    assert ("clock_wrong", "") not in codes(archive)
    with archive.transaction() as session:
        session.execute(update(instances).values(created_at=time.time() + 2 * records.CLOCK_SLACK_S))
    assert "an instance was recorded at" in found(archive, "clock_wrong").what


def test_a_clock_behind_that_of_another_machine_is_wrong(archive: Archive) -> None:
    lose(archive, "worker", silent_s=-2 * records.CLOCK_SLACK_S)
    assert "a process on elsewhere was alive at" in found(archive, "clock_wrong").what


def test_a_clock_that_differs_from_that_of_the_database_is_wrong(
    archive: Archive, archive_shape: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    if archive_shape != "scaled":
        pytest.skip("SQLite has no clock of its own")
    now = time.time() + 2 * records.CLOCK_SLACK_S
    monkeypatch.setattr(time, "time", lambda: now)
    assert "that of the database" in found(archive, "clock_wrong").what


def test_what_was_raised_as_a_problem_is_told_with_its_own_words_and_time(archive: Archive) -> None:
    with archive.transaction() as session:
        problems.raise_problem(session, "damaged", "1.2.3", "The bytes of 1.2.3 do not match", "Restore it")
        problems.raise_problem(session, "of_another_version", "x", "Something", "Do it")
    damaged = found(archive, "damaged")
    assert (damaged.what, damaged.what_to_do) == ("The bytes of 1.2.3 do not match", "Restore it")
    assert damaged.means == FAULTS["damaged"].means
    assert damaged.since is not None and time.time() - damaged.since < 60
    assert found(archive, "other").subject == "of_another_version"


def test_every_kind_of_problem_that_is_raised_has_words() -> None:
    sources = (ROOT / "src" / "filmless").rglob("*.py")
    raised = {
        kind
        for source in sources
        for kind in re.findall(r'raise_problem\(\s*session,\s*"(\w+)"', source.read_text(encoding="utf-8"))
    }
    assert "scrub" in raised
    assert raised | {"commitment", "damaged", "missing", "peer_unreachable"} <= set(FAULTS)


def test_more_problems_than_anybody_reads_are_counted(archive: Archive) -> None:
    with archive.transaction() as session:
        for number in range(records.PROBLEMS_TOLD + 7):
            problems.raise_problem(session, "missing", f"1.2.{number}", "gone", "restore")
    told = [finding for finding in records.examine_records(archive) if finding.code == "missing"]
    assert len(told) == records.PROBLEMS_TOLD + 1
    assert "there are 7 more" in told[-1].what


def test_the_last_sweep_and_the_last_verification_are_told(archive: Archive, monkeypatch: pytest.MonkeyPatch) -> None:
    receive(archive, SYSTEM("test"), io.BytesIO(make.part10(make.ct_slice())))
    sweep(archive)
    verify(archive)
    verified = [finding.what for finding in records.examine_records(archive) if finding.subject == "verify"]
    assert len(verified) == 1 and verified[0].startswith("1 instances")
    assert [finding.level for finding in records.examine_sweep(archive)] == ["ok"]
    later = time.time() + 3 * archive.settings.sweep_interval_s + 3600
    monkeypatch.setattr(time, "time", lambda: later)
    assert [finding.code for finding in records.examine_sweep(archive)] == ["sweep_late"]


def test_a_peer_that_does_not_answer_is_told_until_it_does(archive: Archive, scp: Callable[..., Scp]) -> None:
    with socket.socket() as nobody:
        nobody.bind(("127.0.0.1", 0))
        away = nobody.getsockname()[1]
        peer = peers.add_peer(
            archive, SYSTEM("test"), ae_title="AWAY", host="127.0.0.1", port=away, allow=["echo"], description=""
        )
        check_peers(archive)
        assert f"AWAY at 127.0.0.1:{away}" in found(archive, "peer_unreachable").what
    listening = scp()
    peers.update_peer(archive, SYSTEM("test"), peer.id, port=listening.port)
    check_peers(archive)
    assert "peer_unreachable" not in {code for code, _ in codes(archive)}


def test_a_peer_that_was_removed_is_not_missed(archive: Archive) -> None:
    with archive.transaction() as session:
        problems.raise_problem(session, "peer_unreachable", "77", "GONE does not answer", "see")
    check_peers(archive)
    assert "peer_unreachable" not in {code for code, _ in codes(archive)}


def check_peers(archive: Archive) -> None:
    """Run the job as the worker does."""
    with archive.transaction() as session:
        jobs.enqueue(session, "check_peers", {})
    make_worker(archive).run_due()
    with archive.reading() as session:
        assert jobs.count_jobs(session).get("parked", 0) == 0
