"""Whatever process is killed, whenever: what was answered with Success is there, whole, and service is back at once."""

from __future__ import annotations

import hashlib
import logging
import os
import random
import signal
import sqlite3
import threading
import time
from pathlib import Path

import pytest
from pynetdicom import AE

from running import RunningServer, children_of, filmless
from senders import Sender

pytestmark = [pytest.mark.system, pytest.mark.timeout(300)]

KILLS = 50
ASSOCIATIONS = 4
RESTART_MAX_S = 10.0  # what it takes on a quiet machine is for benchmarks/web.py

logging.getLogger("pynetdicom").setLevel(logging.CRITICAL)  # connections are refused on purpose


def answers(server: RunningServer) -> bool:
    ae = AE("TEST")
    ae.acse_timeout = ae.network_timeout = ae.connection_timeout = 2
    ae.add_requested_context("1.2.840.10008.1.1")
    association = ae.associate("127.0.0.1", server.dicom_port, ae_title="FILMLESS")
    is_up = association.is_established
    if is_up:
        association.release()
    return is_up


def wait_until_it_answers(server: RunningServer) -> float:
    began = time.monotonic()
    while not answers(server):
        assert time.monotonic() - began < 20, "service did not come back"
        time.sleep(0.02)
    return time.monotonic() - began


def kill_something(server: RunningServer, chance: random.Random, turn: int) -> float:
    """Kill one process (each tenth time the supervisor); return how long service was away."""
    assert server.process
    if turn % 10 == 9:
        server.stop(signal.SIGKILL)
        began = time.monotonic()
        server.start(with_admin=False)
        wait_until_it_answers(server)
        return time.monotonic() - began
    os.kill(chance.choice(sorted(children_of(server.process.pid))), signal.SIGKILL)
    return wait_until_it_answers(server)


def kept(database: Path) -> dict[str, tuple[str, int]]:
    query = "select sop_instance_uid, lower(hex(blob)), length_bytes from instances"
    with sqlite3.connect(database) as connection:
        return {uid: (digest, length) for uid, digest, length in connection.execute(query)}


def test_nothing_acknowledged_is_lost_when_processes_are_killed_50_times(server: RunningServer) -> None:
    chance, stop = random.Random(20261124), threading.Event()
    senders = [Sender(server, stop) for _ in range(ASSOCIATIONS)]
    for sender in senders:
        sender.start()
    away = []
    for turn in range(KILLS):
        time.sleep(chance.uniform(0.05, 0.45))
        away.append(kill_something(server, chance, turn))
    stop.set()
    for sender in senders:
        sender.join(20)
    server.stop()

    rows = kept(server.data / "filmless.db")
    acknowledged = {uid: tail for sender in senders for uid, tail in sender.acknowledged.items()}
    print(
        f"{len(acknowledged)} acknowledged, {len(rows)} kept, "
        f"away at most {max(away):.2f} s, mean {sum(away) / KILLS:.2f} s"
    )
    assert len(acknowledged) > KILLS
    assert set(acknowledged) <= set(rows)
    for uid, (digest, length) in rows.items():
        blob = (server.data / "blobs" / digest[:3] / f"{digest}.dcm").read_bytes()
        assert len(blob) == length
        assert hashlib.sha256(blob).hexdigest() == digest
        if uid in acknowledged:
            assert blob.hex().endswith(acknowledged[uid])
    assert filmless(server.data, "verify").returncode == 0
    assert [status for sender in senders for status in sender.refused if status != 0xA700] == []
    assert max(away) < RESTART_MAX_S
