"""Processes start quickly, come back when killed, stop when told, and never run twice on one address."""

from __future__ import annotations

import os
import re
import signal
import subprocess
import time
import urllib.request
from pathlib import Path

import pytest

from running import ADMIN, PASSWORD, RunningServer, children_of, filmless

pytestmark = pytest.mark.system


def is_listening(server: RunningServer) -> bool:
    done = subprocess.run(
        ["echoscu", "-aet", "TEST", "-aec", "FILMLESS", "-to", "2", "127.0.0.1", str(server.dicom_port)],
        capture_output=True,
        check=False,
    )
    return done.returncode == 0


def wait_until(condition, timeout_s: float = 15.0) -> None:  # type: ignore[no-untyped-def]
    deadline = time.monotonic() + timeout_s
    while not condition():
        assert time.monotonic() < deadline, "it did not happen in time"
        time.sleep(0.05)


def test_every_process_comes_back_when_it_is_killed(server: RunningServer) -> None:
    assert server.process
    before = set(children_of(server.process.pid))
    assert len(before) == 3
    for pid in before:
        os.kill(pid, signal.SIGKILL)
    wait_until(lambda: len(set(children_of(server.process.pid)) - before) == 3)
    wait_until(lambda: is_listening(server))
    wait_until(lambda: server.get("/readyz")[0] == 200)


def test_nothing_is_left_running_when_the_supervisor_is_killed(server: RunningServer) -> None:
    assert server.process
    children = set(children_of(server.process.pid))
    server.stop(signal.SIGKILL)
    wait_until(lambda: not any(Path(f"/proc/{pid}").exists() for pid in children))


def test_sigterm_ends_all_processes_with_code_0(server: RunningServer) -> None:
    assert server.process
    children = set(children_of(server.process.pid))
    assert server.stop() == 0
    assert not any(Path(f"/proc/{pid}").exists() for pid in children)
    assert "Traceback" not in server.log()


def test_a_second_server_on_the_same_address_is_refused(server: RunningServer, tmp_path: Path) -> None:
    words = ("serve", "--http", f"127.0.0.1:{server.http_port}", "--dicom", f"127.0.0.1:{server.dicom_port}")
    done = filmless(tmp_path / "other", *words, check=False)
    assert done.returncode == 1
    assert "cannot listen on" in done.stderr


def test_the_first_start_prints_a_setup_link_once(tmp_path: Path) -> None:
    server = RunningServer(tmp_path / "data")
    server.start(with_admin=False)
    wait_until(lambda: any("setup?token=" in line for line in server.output))
    link = re.search(r"http://\S+token=(\S+)", "".join(server.output))
    assert link
    with urllib.request.urlopen(f"{server.url}/api/v1/setup?token={link[1]}") as answer:
        assert b'"valid":true' in answer.read().replace(b" ", b"")
    server.stop()
    filmless(server.data, "user", "add", ADMIN, "--role", "administrator", "--password-stdin", stdin=PASSWORD + "\n")
    again = RunningServer(server.data)
    again.start(with_admin=False)
    again.stop()
    assert "setup?token=" not in "".join(again.output)


def test_nothing_but_health_is_answered_to_strangers(server: RunningServer) -> None:
    server.sign_in()
    for path, status in (("/healthz", 200), ("/readyz", 200), ("/metrics", 401), ("/dicomweb/studies", 401)):
        try:
            with urllib.request.urlopen(server.url + path) as answer:
                assert answer.status == status
        except urllib.error.HTTPError as error:
            assert error.code == status


def test_metrics_count_what_the_processes_did(server: RunningServer) -> None:
    server.get("/dicomweb/studies", accept="application/dicom+json")
    status, body, _ = server.get("/metrics")
    assert status == 200
    assert b"filmless_studies 0.0" in body
    assert b'filmless_http_requests_total{door="dicomweb"' in body


def test_a_running_server_obeys_the_command_line_at_once(server: RunningServer) -> None:
    assert is_listening(server)
    token = filmless(server.data, "token", "add", "--user", ADMIN, "--name", "t").stdout.strip()
    assert token and "\n" not in token
    request = urllib.request.Request(f"{server.url}/api/v1/session", headers={"Authorization": f"Bearer {token}"})
    with urllib.request.urlopen(request) as answer:
        assert ADMIN.encode() in answer.read()
    assert f"{ADMIN}\tadministrator\tactive" in filmless(server.data, "user", "list").stdout
    assert "TEST\t127.0.0.1" in filmless(server.data, "peer", "list").stdout


def test_the_doctor_finds_a_running_installation_healthy(server: RunningServer) -> None:
    done = filmless(server.data, "doctor", "--data", str(server.data), check=False)
    assert "MEND" not in done.stdout.replace("screen: is not built", "")
    assert "database: sqlite, whole" in done.stdout
