"""Webhooks of a whole server: the worker is killed again and again, and no event is missed."""

from __future__ import annotations

import json
import os
import signal
import threading
import time
import urllib.request
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from io import BytesIO
from pathlib import Path
from typing import Any

import pytest
from pydicom import dcmread
from pynetdicom import AE

import make
from filmless.archive import Archive
from filmless.archive.processes import list_processes
from filmless.config import Settings
from running import RunningServer
from waiting import until

pytestmark = pytest.mark.system

CT = "1.2.840.10008.5.1.4.1.1.2"
STUDIES, KILLS = 40, 4


@pytest.fixture
def server(tmp_path: Path) -> Iterator[RunningServer]:
    """A server that gives jobs of a lost worker to another soon."""
    running = RunningServer(tmp_path / "data", settings={"job_lease_s": 1.0, "job_backoff_s": 0.2})
    running.start()
    running.admit()
    yield running
    running.stop()


@pytest.fixture
def receiver() -> Iterator[tuple[str, list[dict[str, Any]]]]:
    """The address of a receiver that takes its time, and what it has taken."""
    taken: list[dict[str, Any]] = []

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            told = json.loads(self.rfile.read(int(self.headers["content-length"])))
            time.sleep(0.05)
            taken.append(told | {"id": self.headers["webhook-id"]})
            self.send_response(204)
            self.end_headers()

        def log_message(self, *_: Any) -> None:
            pass

    listening = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    threading.Thread(target=listening.serve_forever, args=(0.05,), daemon=True).start()
    yield f"http://127.0.0.1:{listening.server_port}/", taken
    listening.shutdown()
    listening.server_close()


def add_webhook(server: RunningServer, url: str) -> None:
    body = json.dumps({"url": url, "names": ["study_stored"]}).encode()
    headers = {"Authorization": f"Bearer {server.sign_in()}", "Content-Type": "application/json"}
    request = urllib.request.Request(f"{server.url}/api/v1/webhooks", body, headers)
    with urllib.request.urlopen(request) as answer:
        assert answer.status == 201


def kill_worker(server: RunningServer) -> None:
    with Archive.open(Settings(data=server.data)) as archive, archive.reading() as session:
        newest = max((each for each in list_processes(session) if each.role == "worker"), key=lambda each: each.id)
    os.kill(newest.pid, signal.SIGKILL)


def test_no_event_is_missed_while_the_worker_is_killed_again_and_again(
    server: RunningServer, receiver: tuple[str, list[dict[str, Any]]]
) -> None:
    url, taken = receiver
    add_webhook(server, url)
    ae = AE("TEST")
    ae.add_requested_context(CT)
    association = ae.associate("127.0.0.1", server.dicom_port, ae_title="FILMLESS")
    stored = []
    for number in range(STUDIES):
        ds = dcmread(BytesIO(make.part10(make.ct_slice(rows=4))))
        assert association.send_c_store(ds).Status == 0x0000
        stored.append(str(ds.StudyInstanceUID))
        if number % (STUDIES // KILLS) == STUDIES // KILLS - 1:
            count = len(taken)
            until(lambda seen=count: len(taken) > seen)  # type: ignore[misc] # it is at work again
            kill_worker(server)
    association.release()

    until(lambda: {told["data"]["key"] for told in taken} == set(stored), timeout_s=60)

    ids = {
        told["data"]["key"]: {each["id"] for each in taken if each["data"]["key"] == told["data"]["key"]}
        for told in taken
    }
    assert all(len(each) == 1 for each in ids.values())  # what came twice has one id
    firsts = list(dict.fromkeys(told["data"]["key"] for told in taken))
    assert firsts == stored
