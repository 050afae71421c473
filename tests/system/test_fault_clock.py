"""The clock of a running server is set back: jobs, sessions and events go on in order, and health says so."""

from __future__ import annotations

import json
import logging
import os
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from ailing import archive_of, assert_goes_on, faults, serving
from filmless.archive import jobs
from filmless.archive.tables import events
from running import RunningServer
from waiting import until

pytestmark = [pytest.mark.system, pytest.mark.timeout(120)]

logging.getLogger("pynetdicom").setLevel(logging.CRITICAL)


FAKE = """
import os, time

real = time.time

def now():
    with open(os.environ["TEST_CLOCK"]) as file:
        return real() + float(file.read())

time.time = now
time.time_ns = lambda: int(now() * 1e9)
"""


@pytest.fixture
def set_clock(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[[float], None]:
    """Move the wall clock of the processes that are started after it by so many seconds; only that is not real."""
    file = tmp_path / "clock"
    file.write_text("0")
    (tmp_path / "fake").mkdir()
    (tmp_path / "fake" / "sitecustomize.py").write_text(FAKE)
    monkeypatch.setenv("TEST_CLOCK", str(file))
    monkeypatch.setenv("PYTHONPATH", f"{tmp_path / 'fake'}:{os.environ.get('PYTHONPATH', '')}")

    def set_clock(offset_s: float) -> None:
        passing = file.with_suffix(".passing")
        passing.write_text(str(offset_s))
        passing.rename(file)

    return set_clock


def test_a_clock_set_back_by_two_hours_stops_no_job_and_nobody(
    tmp_path: Path, set_clock: Callable[[float], None]
) -> None:
    server = RunningServer(tmp_path / "data", settings={"log_level": "warning", "series_quiet_s": 1})
    with serving(server) as (modality, web):
        assert "clock_wrong" not in faults(server)
        with archive_of(server) as archive:
            with archive.transaction() as session:
                job_id = jobs.enqueue(session, "tidy", {}, run_at=time.time() + 10)
            set_clock(-7200)
            until(lambda: "clock_wrong" in faults(server), 30)
            count = len(modality.acknowledged)

            def is_done() -> bool:
                with archive.reading() as session:
                    return jobs.get_job(session, job_id).state == "done"

            until(is_done, 30)
            with archive.reading() as session:
                told = session.execute(events.select().order_by(events.c.id)).all()
        assert len(modality.acknowledged) > count
        assert [event.id for event in told] == sorted(event.id for event in told)
        assert min(event.at for event in told) < time.time() - 3600
        status, body, _ = server.get("/api/v1/session")
        assert (status, json.loads(body)["user"]["name"]) == (200, "admin")
        set_clock(0)
        until(lambda: "clock_wrong" not in faults(server), 30)
        assert_goes_on(server, modality, web)
