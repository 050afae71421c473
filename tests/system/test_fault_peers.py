"""A peer that stalls, in the middle of what it sends or of what it is sent, costs others nothing and is given up."""

from __future__ import annotations

import logging
import socket
import time
from pathlib import Path

import pytest

from ailing import archive_of, assert_goes_on, serving
from filmless.access import peers
from filmless.access.principal import SYSTEM
from filmless.archive import jobs
from running import RunningServer
from slow import SlowPeer, slow_peer
from waiting import until
from wire import p_data, request_of

__all__ = ["slow_peer"]

pytestmark = [pytest.mark.system, pytest.mark.timeout(120)]

logging.getLogger("pynetdicom").setLevel(logging.CRITICAL)

QUICK = {"log_level": "warning", "network_timeout_s": 2, "association_idle_timeout_s": 2, "job_backoff_s": 60}


def test_a_sender_that_stalls_in_the_middle_of_a_pdu_is_cut_off_and_others_store_on(tmp_path: Path) -> None:
    server = RunningServer(tmp_path / "data", settings=QUICK)
    with serving(server) as (modality, web):
        with socket.create_connection(("127.0.0.1", server.dicom_port), timeout=30) as stalled:
            stalled.sendall(request_of(called="FILMLESS", calling="TEST"))
            assert stalled.recv(1) == b"\x02"  # A-ASSOCIATE-AC
            stalled.sendall(p_data(1, bytes(1000), command=True)[:500])  # the first half of a P-DATA-TF
            count, began = len(modality.acknowledged), time.monotonic()
            while stalled.recv(65_536):
                pass
            assert time.monotonic() - began < 20
            until(lambda: len(modality.acknowledged) > count, 30)
        assert modality.refused == []
        assert_goes_on(server, modality, web)


def test_a_peer_that_stops_taking_what_it_is_sent_is_tried_again_later_and_others_go_on(
    tmp_path: Path, slow_peer: SlowPeer
) -> None:
    server = RunningServer(tmp_path / "data", settings=QUICK)
    with serving(server) as (modality, web), archive_of(server) as archive:
        peer = peers.add_peer(
            archive, SYSTEM("cli"), ae_title="SLOW", host="127.0.0.1", port=slow_peer.port, allow=["echo"]
        )
        with archive.transaction() as session:
            args = {"study_instance_uid": web.study, "peer_id": peer.id}
            job_id = jobs.enqueue(session, "send_study", args, destination="SLOW")
        until(lambda: slow_peer.associations > 0, 30)
        count = len(modality.acknowledged)

        def error() -> str | None:
            with archive.reading() as session:
                return jobs.get_job(session, job_id).error

        until(lambda: error() is not None, 60)
        assert len(modality.acknowledged) > count
        with archive.reading() as session:
            job = jobs.get_job(session, job_id)
        assert (job.state, job.attempts) == ("waiting", 1)
        assert modality.refused == []
        assert_goes_on(server, modality, web)
