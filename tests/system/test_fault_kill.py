"""kill -9 of whoever works, during a STOW request and during a job: it is done, once, and nothing is there by half."""

from __future__ import annotations

import logging
import os
import signal
import time
from pathlib import Path

import pytest

from ailing import archive_of, assert_goes_on, faults, serving
from filmless.access import peers
from filmless.access.principal import SYSTEM
from filmless.archive import Archive, jobs
from filmless.archive.processes import list_processes
from running import RunningServer
from slow import SlowPeer, slow_peer
from waiting import until

__all__ = ["slow_peer"]

pytestmark = [pytest.mark.system, pytest.mark.timeout(120)]

logging.getLogger("pynetdicom").setLevel(logging.CRITICAL)  # connections are refused on purpose

QUICK = {"log_level": "warning", "job_lease_s": 2, "job_backoff_s": 0.5, "series_quiet_s": 1}


def kill(archive: Archive, role: str) -> int:
    """Kill the process of a role; gives its pid."""
    with archive.reading() as session:
        (pid,) = [process.pid for process in list_processes(session) if process.role == role]
    os.kill(pid, signal.SIGKILL)
    return pid


def wait_until_back(archive: Archive, role: str, before: int) -> None:
    """Wait until another process of the role is there, and the row of the one before is not."""

    def is_back() -> bool:
        with archive.reading() as session:
            pids = [process.pid for process in list_processes(session) if process.role == role]
        return bool(pids) and before not in pids

    until(is_back, 30)


def test_web_processes_killed_during_stow_lose_nothing_acknowledged(tmp_path: Path) -> None:
    server = RunningServer(tmp_path / "data", settings=QUICK)
    with serving(server) as (modality, web), archive_of(server) as archive:
        for _ in range(4):
            wait_until_back(archive, "web", kill(archive, "web"))
            count = len(web.acknowledged)
            until(lambda count=count: len(web.acknowledged) > count, 30)  # type: ignore[misc]
            time.sleep(0.1)
        assert_goes_on(server, modality, web)
        assert set(web.statuses) <= {0, 200}
        assert {"process_missing", "process_silent"} & faults(server) == set()


def test_a_job_whose_worker_is_killed_is_done_by_the_next(tmp_path: Path, slow_peer: SlowPeer) -> None:
    server = RunningServer(tmp_path / "data", settings=QUICK)
    with serving(server) as (modality, web), archive_of(server) as archive:
        peer = peers.add_peer(
            archive, SYSTEM("cli"), ae_title="SLOW", host="127.0.0.1", port=slow_peer.port, allow=["echo"]
        )
        sent = set(web.acknowledged)
        with archive.transaction() as session:
            args = {"study_instance_uid": web.study, "peer_id": peer.id}
            job_id = jobs.enqueue(session, "send_study", args, destination="SLOW")
        until(lambda: slow_peer.associations > 0, 30)
        wait_until_back(archive, "worker", kill(archive, "worker"))
        slow_peer.may_answer.set()

        def is_done() -> bool:
            with archive.reading() as session:
                return jobs.get_job(session, job_id).state == "done"

        until(is_done, 60)
        assert sent <= set(slow_peer.taken)
        assert_goes_on(server, modality, web)
        assert {"process_missing", "process_silent", "jobs_parked"} & faults(server) == set()
