"""Three nodes on one PostgreSQL and one S3 server: each has a folder and ports of its own, and one of them is lost."""

from __future__ import annotations

import logging
import signal
import threading
import urllib.request
from collections.abc import Iterator
from pathlib import Path

import pytest
from sqlalchemy import func, select

from filmless.access import peers
from filmless.archive import Archive, jobs
from filmless.archive.tables import headers, instances, series, studies
from filmless.config import Settings
from filmless.store.verify import verify
from running import RunningServer
from senders import Sender
from slow import SlowPeer, slow_peer
from stored import as_flags
from waiting import until

__all__ = ["slow_peer"]

pytestmark = [pytest.mark.system, pytest.mark.timeout(240)]

logging.getLogger("pynetdicom").setLevel(logging.CRITICAL)  # connections are refused on purpose

SHARED = {"job_lease_s": 4, "series_quiet_s": 1, "job_backoff_s": 0.5, "log_level": "warning"}


@pytest.fixture
def nodes(tmp_path: Path, scaled: Settings) -> Iterator[list[RunningServer]]:
    """Three nodes, not started."""
    flags = {name: value for name, value in as_flags(scaled).items() if name not in {"data", "http", "dicom"}}
    made = [RunningServer(tmp_path / f"node{number}", settings=flags | SHARED) for number in range(3)]
    yield made
    for node in made:
        if node.process is not None:
            node.stop()


def test_one_of_three_nodes_is_lost_under_load_and_nothing_else_is(
    nodes: list[RunningServer], scaled: Settings, slow_peer: SlowPeer
) -> None:
    lost, left, late = nodes
    lost.start()
    left.start("--role", "web", "--role", "dicom", with_admin=False)
    lost.admit()
    lost.admit("SLOW", allow="echo", port=slow_peer.port)
    stop = threading.Event()
    senders = [Sender(node, stop) for node in (lost, left, late)]
    senders[0].start()
    senders[1].start()
    until(lambda: len(senders[0].acknowledged) > 10 and len(senders[1].acknowledged) > 10, 60)

    # The one worker there is begins to send a study, and will not come to its end.
    with Archive.open(scaled) as archive:
        (peer,) = (peer for peer in peers.list_peers(archive) if peer.ae_title == "SLOW")
        args = {"study_instance_uid": senders[1].study, "peer_id": peer.id}
        with archive.transaction() as session:
            job_id = jobs.enqueue(session, "send_study", args, destination="SLOW")
        until(lambda: slow_peer.associations > 0, 30)
        late.start("--role", "dicom", "--role", "worker", with_admin=False)
        senders[2].start()
        until(lambda: len(senders[2].acknowledged) > 10, 60)

        lost.stop(signal.SIGKILL)
        counts = [len(sender.acknowledged) for sender in senders]
        slow_peer.may_answer.set()
        until(lambda: len(senders[1].acknowledged) > counts[1] + 20, 60)
        until(lambda: len(senders[2].acknowledged) > counts[2] + 20, 60)
        assert left.get("/readyz")[0] == 200
        found = left.get(f"/dicomweb/studies?StudyInstanceUID={senders[0].study}", "application/dicom+json")
        assert senders[0].study.encode() in found[1]

        def is_sent() -> bool:
            with archive.reading() as session:
                return jobs.get_job(session, job_id).state == "done"

        until(is_sent, 60)
        stop.set()
        for sender in senders:
            sender.join(20)

        def is_packed() -> bool:
            with archive.reading() as session:
                return session.execute(select(func.count()).select_from(headers)).scalar_one() == 0

        until(is_packed, 60)
        acknowledged = {uid: tail for sender in senders for uid, tail in sender.acknowledged.items()}
        with archive.reading() as session:
            rows = session.execute(select(instances.c.sop_instance_uid, instances.c.blob, instances.c.length_bytes))
            kept = {row[0]: (bytes(row[1]).hex(), row[2]) for row in rows}
            counted = select(instances.c.series_key, func.count()).group_by(instances.c.series_key)
            said = select(series.c.id, series.c.number_of_series_related_instances)
            assert set(session.execute(counted)) == set(session.execute(said))
            total = select(func.sum(studies.c.number_of_study_related_instances))
            assert session.execute(total).scalar_one() == len(kept)
        assert set(acknowledged) <= set(kept)
        assert verify(archive).findings == []
        for uid, tail in acknowledged.items():
            blob, length = kept[uid]
            assert archive.blobs.read(blob, length - 32).hex() == tail
        assert set(slow_peer.taken) <= set(kept)
        assert [status for sender in senders for status in sender.refused if status != 0xA700] == []


def test_three_nodes_that_start_at_once_migrate_an_empty_database_once(nodes: list[RunningServer]) -> None:
    roles = ("web", "dicom", "worker")
    threads = [
        threading.Thread(target=node.start, args=("--role", role), kwargs={"with_admin": False})
        for node, role in zip(nodes, roles, strict=True)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(60)
    web, _, worker = nodes
    assert "setup?token=" in "".join(web.output)
    assert "setup?token=" not in "".join(worker.output)
    assert all(node.process is not None and node.process.poll() is None for node in nodes)
    with urllib.request.urlopen(f"{web.url}/readyz", timeout=10) as answer:
        assert answer.status == 200
