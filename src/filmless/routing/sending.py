"""The job that sends a study to a peer. After a kill or a broken association it goes on with what was not acknowledged.

What the peer acknowledged is recorded every few instances, as ranges of keys: a study of 10,000 slices that went in
order is one range. A kill can forget the last few; a peer that gets one again answers Success.
"""

from __future__ import annotations

import json
import threading
import time
from collections.abc import Iterable
from typing import Any, Final

from sqlalchemy import Connection, delete, select

from filmless.access import peers
from filmless.access.principal import SYSTEM
from filmless.archive import Archive
from filmless.archive.database import insert_for
from filmless.archive.jobs import JobContext
from filmless.errors import Unavailable
from filmless.retrieve.instances import StoredInstance, find_instances
from filmless.retrieve.send import Progress, send
from filmless.routing.ask_commitment import enqueue_questions
from filmless.routing.tables import sends

CHECKPOINT_INSTANCES: Final = 20


def pack(keys: Iterable[int]) -> str:
    """Write numbers as ranges, [[3, 90], [94, 94]] in JSON."""
    ranges: list[list[int]] = []
    for key in sorted(keys):
        if ranges and key == ranges[-1][1] + 1:
            ranges[-1][1] = key
        else:
            ranges.append([key, key])
    return json.dumps(ranges)


def unpack(ranges: str) -> set[int]:
    """Read what `pack` wrote."""
    return {key for first, last in json.loads(ranges) for key in range(first, last + 1)}


class _Checkpoint:
    """What arrived for one job, recorded every few instances and whenever asked."""

    def __init__(self, archive: Archive, job_id: int) -> None:
        self._archive = archive
        self._job_id = job_id
        self._lock = threading.Lock()
        with archive.reading() as session:
            ranges = session.execute(select(sends.c.arrived).where(sends.c.job_id == job_id)).scalar_one_or_none()
        self.keys = unpack(ranges or "[]")
        self._recorded = len(self.keys)

    def arrived(self, instance: StoredInstance) -> None:
        with self._lock:
            self.keys.add(instance.id)
            is_due = len(self.keys) - self._recorded >= CHECKPOINT_INSTANCES
        if is_due:
            self.record()

    def record(self) -> None:
        with self._lock:
            if len(self.keys) == self._recorded:
                return
            self._recorded = len(self.keys)
            values = {"job_id": self._job_id, "arrived": pack(self.keys), "changed_at": time.time()}
            with self._archive.transaction() as session:
                statement = insert_for(session)(sends).values(values)
                session.execute(statement.on_conflict_do_update(index_elements=["job_id"], set_=values))


def send_study(archive: Archive, args: dict[str, Any], job: JobContext) -> None:
    """Send what the peer has not acknowledged yet; when it has all, ask it for commitment if it is set so.

    Raises
    ------
    Unavailable: the peer did not take everything; the job is tried again, for the rest.
    """
    peer = peers.get_peer(archive, args["peer_id"])
    principal = SYSTEM("worker")
    instances = list(find_instances(archive, principal, study_uids=(args["study_instance_uid"],)))
    checkpoint = _Checkpoint(archive, job.job_id)
    left = [instance for instance in instances if instance.id not in checkpoint.keys]
    before = len(instances) - len(left)

    def on_progress(progress: Progress) -> None:
        checkpoint.record()
        done = before + len(left) - progress.remaining
        job.report(done / max(len(instances), 1), f"{done} of {len(instances)} instances")

    try:
        result = send(
            archive,
            principal,
            peer,
            left,
            on_progress=on_progress,
            on_arrived=checkpoint.arrived,
            is_cancelled=lambda: job.is_stopping,
        )
    finally:
        checkpoint.record()
    arrived = result.completed + result.warning
    if arrived < len(left):
        why = next(iter(result.failures.values()), "the server is stopping")
        raise Unavailable(f"{peer.ae_title} took {before + arrived} of {len(instances)} instances: {why}")
    with archive.transaction() as session:
        session.execute(delete(sends).where(sends.c.job_id == job.job_id))
        if peer.ask_commitment:
            enqueue_questions(session, peer, instances)


def forget_sends(session: Connection, before: float) -> None:
    """Delete how far sends came that nobody took up again."""
    session.execute(delete(sends).where(sends.c.changed_at < before))
