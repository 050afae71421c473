"""The job that sends a study goes on where it stopped."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from pydicom import Dataset
from sqlalchemy import select, update

import make
from doors import add_peer, put
from filmless.app.worker import make_worker
from filmless.archive import Archive, jobs
from filmless.archive.problems import list_problems
from filmless.archive.tables import jobs as job_table
from filmless.config import Settings
from filmless.dimse.services import Outcome, Request
from filmless.routing.sending import CHECKPOINT_INSTANCES, pack, unpack
from filmless.routing.tables import commitment_requests, sends
from listening import scp
from running import in_environment
from stored import as_flags
from wire import Scp, Stored, wait_for

__all__ = ["scp"]


def study(archive: Archive, count: int) -> list[Dataset]:
    made = make.ct_series(count)
    for ds in made:
        put(archive, ds)
    return made


def enqueue(archive: Archive, peer_id: int, series: list[Dataset]) -> int:
    with archive.transaction() as session:
        arguments = {"study_instance_uid": str(series[0].StudyInstanceUID), "peer_id": peer_id}
        return jobs.enqueue(session, "send_study", arguments, queue="send", destination="DEST")


def run_again(archive: Archive) -> None:
    with archive.transaction() as session:
        session.execute(update(job_table).values(run_at=0.0, lease_until=0.0))
    make_worker(archive).run_due()


def uids(stored: list[Stored]) -> list[str]:
    return [each.request.sop_instance_uid for each in stored if each.is_whole]


def state_of(archive: Archive, job_id: int) -> str:
    with archive.reading() as session:
        return jobs.get_job(session, job_id).state


def kept_ranges(archive: Archive) -> list[str]:
    with archive.reading() as session:
        return list(session.scalars(select(sends.c.arrived)))


@pytest.mark.parametrize(
    ("keys", "ranges"), [([], "[]"), ([7], "[[7, 7]]"), ([3, 1, 2, 9, 8, 20], "[[1, 3], [8, 9], [20, 20]]")]
)
def test_keys_are_kept_as_ranges(keys: list[int], ranges: str) -> None:
    assert pack(keys) == ranges
    assert unpack(ranges) == set(keys)


def test_what_was_acknowledged_is_not_sent_again(archive: Archive, scp: Callable[..., Scp]) -> None:
    series = study(archive, 5)
    taken: list[str] = []
    refused = {str(series[1].SOPInstanceUID), str(series[3].SOPInstanceUID)}

    def store(request: Request) -> Stored | Outcome:
        if request.sop_instance_uid in refused:
            return Outcome(0xA700, "disk full")
        taken.append(request.sop_instance_uid)
        return Stored(request)

    job_id = enqueue(archive, add_peer(archive, "DEST", scp(store=store).port).id, series)
    make_worker(archive).run_due()
    assert state_of(archive, job_id) == "waiting"
    assert len(taken) == 3
    refused.clear()
    run_again(archive)
    assert state_of(archive, job_id) == "done"
    assert sorted(taken) == sorted(str(ds.SOPInstanceUID) for ds in series)
    assert kept_ranges(archive) == []


@pytest.mark.parametrize("wants_commitment", [True, False])
def test_a_peer_is_asked_for_commitment_of_all_when_it_has_all(
    archive: Archive, scp: Callable[..., Scp], wants_commitment: bool
) -> None:
    series = study(archive, 2)
    peer = add_peer(archive, "DEST", scp().port, ask_commitment=wants_commitment)
    enqueue(archive, peer.id, series)
    make_worker(archive)._run_one(__import__("threading").Event())
    with archive.reading() as session:
        asked = [row.asked.count("[") - 1 for row in session.execute(select(commitment_requests))]
        assert list_problems(session) == []
    assert asked == ([2] if wants_commitment else [])


WORKER = """
from filmless.app.worker import make_worker
from filmless.archive import Archive
from filmless.config import Settings
with Archive.open(Settings()) as archive:
    make_worker(archive).run_due()
"""


def test_a_send_that_was_killed_goes_on_where_it_stopped(
    archive: Archive, settings: Settings, scp: Callable[..., Scp]
) -> None:
    series = study(archive, 60)
    taken: list[str] = []

    def store(request: Request) -> Any:
        taken.append(request.sop_instance_uid)
        if len(taken) > 40:
            time.sleep(0.05)
        return Stored(request)

    job_id = enqueue(archive, add_peer(archive, "DEST", scp(store=store).port).id, series)
    sources = str(Path(make.__file__).parents[1] / "src")
    environment = {**os.environ, **in_environment(as_flags(settings)), "PYTHONPATH": sources}
    process = subprocess.Popen([sys.executable, "-c", WORKER], env=environment)
    wait_for(lambda: len(taken) > 45, 30)
    process.send_signal(signal.SIGKILL)
    process.wait()
    before = len(taken)
    assert len(set(taken)) < 60
    run_again(archive)
    assert state_of(archive, job_id) == "done"
    assert set(taken) == {str(ds.SOPInstanceUID) for ds in series}
    sent_twice = len(taken) - 60
    assert sent_twice < CHECKPOINT_INSTANCES + 3  # one under way on each association
    assert before > CHECKPOINT_INSTANCES + 3


def test_a_big_study_goes_over_associations_that_are_open_at_once(archive: Archive, scp: Callable[..., Scp]) -> None:
    series = study(archive, 90)
    both_are_open = threading.Barrier(2, timeout=20)
    met: set[int] = set()

    def store(request: Request) -> Stored:
        association = id(request.association)
        if association not in met and len(met) < 2:
            met.add(association)
            both_are_open.wait()
        kept.append(Stored(request))
        return kept[-1]

    kept: list[Stored] = []
    archive.settings = archive.settings.model_copy(update={"send_associations_max": 2})
    listening = scp(store=store)
    job_id = enqueue(archive, add_peer(archive, "DEST", listening.port).id, series)
    make_worker(archive).run_due()
    assert state_of(archive, job_id) == "done"
    assert sorted(uids(kept)) == sorted(str(ds.SOPInstanceUID) for ds in series)
    assert len(listening.callers) == 2
