"""A server with open event streams: it tells what arrives, and stops when told."""

from __future__ import annotations

import json
import time
import urllib.request

import pytest

import make
from running import RunningServer

pytestmark = pytest.mark.system


def test_a_study_that_arrives_is_told_and_open_streams_do_not_hold_up_the_stop(server: RunningServer) -> None:
    authorization = {"Authorization": f"Bearer {server.sign_in()}"}
    api = f"{server.url}/api/v1"
    dataset = make.ct_slice()

    with urllib.request.urlopen(urllib.request.Request(f"{api}/events", headers=authorization), timeout=20) as stream:
        assert stream.readline() == b"retry: 2000\n"
        request = urllib.request.Request(f"{api}/uploads", data=make.part10(dataset), headers=authorization)
        with urllib.request.urlopen(request, timeout=20) as answer:
            assert json.load(answer)["results"][0]["outcome"] == "stored"
        wanted = f'data: {{"name": "study", "key": "{dataset.StudyInstanceUID}"}}\n'.encode()
        assert wanted in iter(stream.readline, b"")  # jobs and other events may be told of first

        began = time.monotonic()
        assert server.stop() == 0
        assert time.monotonic() - began < 5
        assert all(line.startswith((b"id:", b"event:", b"data:", b":", b"\n")) for line in stream)  # to its end
