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
import uuid
from pathlib import Path

import numpy as np
import pytest
from pydicom.dataset import Dataset, FileMetaDataset
from pydicom.uid import ExplicitVRLittleEndian
from pynetdicom import AE

import make
from running import RunningServer, children_of, filmless

pytestmark = [pytest.mark.system, pytest.mark.timeout(300)]

CT_IMAGE = "1.2.840.10008.5.1.4.1.1.2"
KILLS = 50
ASSOCIATIONS = 4
RESTART_MAX_S = 10.0  # what it takes on a quiet machine is for benchmarks/web.py

logging.getLogger("pynetdicom").setLevel(logging.CRITICAL)  # connections are refused on purpose


class Sender(threading.Thread):
    """Stores instances of its own over one association after another, and remembers what was acknowledged."""

    def __init__(self, server: RunningServer, number: int, stop: threading.Event) -> None:
        super().__init__(daemon=True)
        self.server, self.number, self.stop_event = server, number, stop
        self.acknowledged: dict[str, str] = {}
        self.refused: list[int] = []
        self.study = f"2.25.{uuid.uuid4().int}"

    def instance(self, count: int) -> Dataset:
        ds = make.ct_slice(rows=128)
        ds.StudyInstanceUID = self.study
        ds.SeriesInstanceUID = f"{self.study}.{1 + count // 40}"
        ds.SOPInstanceUID = f"{self.study}.9.{count}"
        ds.InstanceNumber = count
        ds.PixelData = np.random.default_rng(count).integers(0, 4000, 128 * 128, np.uint16).tobytes()
        ds.file_meta = FileMetaDataset()
        ds.file_meta.TransferSyntaxUID = ExplicitVRLittleEndian
        return ds

    def run(self) -> None:
        ae, count = AE("TEST"), 0
        ae.acse_timeout = ae.dimse_timeout = ae.network_timeout = ae.connection_timeout = 5
        ae.add_requested_context(CT_IMAGE, ExplicitVRLittleEndian)
        ds = self.instance(count)
        while not self.stop_event.is_set():
            association = ae.associate("127.0.0.1", self.server.dicom_port, ae_title="FILMLESS")
            while association.is_established and not self.stop_event.is_set():
                try:
                    status = association.send_c_store(ds)
                except RuntimeError:
                    break
                if "Status" not in status:
                    break  # unanswered: it may or may not be there, and is sent again
                if status.Status == 0x0000:
                    self.acknowledged[ds.SOPInstanceUID] = make.dataset_bytes(ds).hex()[-64:]
                    count += 1
                    ds = self.instance(count)
                else:
                    self.refused.append(status.Status)
                    break
            if association.is_established:
                association.release()
            time.sleep(0.1)


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
    senders = [Sender(server, number, stop) for number in range(ASSOCIATIONS)]
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
