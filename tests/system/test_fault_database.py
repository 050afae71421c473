"""PostgreSQL is stopped, halted, slow or restarted under load: what waits goes on, and nothing acknowledged is lost."""

from __future__ import annotations

import logging
import time
import urllib.request
from collections.abc import Iterator
from pathlib import Path

import pytest

from ailing import admit, assert_goes_on, faults, readiness, serving, wait_until_named, wait_until_ready
from faulty import Faulty
from own_postgres import PostgresServer
from running import RunningServer, children_of
from waiting import until

pytestmark = [pytest.mark.system, pytest.mark.timeout(180), pytest.mark.xdist_group("own postgres")]

logging.getLogger("pynetdicom").setLevel(logging.CRITICAL)  # connections are refused on purpose

QUICK = {
    "log_level": "warning",
    "job_backoff_s": 0.5,
    "series_quiet_s": 1,
    "transaction_timeout_s": 5,
    "database_timeout_s": 3,
}


@pytest.fixture(scope="module")
def postgres() -> Iterator[PostgresServer]:
    server = PostgresServer()
    server.start()
    yield server
    server.remove()


@pytest.fixture
def server(tmp_path: Path, postgres: PostgresServer) -> RunningServer:
    return RunningServer(tmp_path / "data", settings=QUICK | {"database_url": postgres.new_database()})


def test_a_database_that_is_killed_and_started_again_is_waited_for(
    server: RunningServer, postgres: PostgresServer
) -> None:
    with serving(server) as (modality, web):
        assert server.process
        before = set(children_of(server.process.pid))
        postgres.stop("immediate")
        wait_until_named(server, "database_away")
        until(lambda: bool(modality.refused) and web.statuses[-1] == 503, 30)
        assert server.get("/api/v1/health")[0] == 503
        postgres.start()
        assert_goes_on(server, modality, web)
        assert set(modality.refused) == {0xA700}
        assert set(web.statuses) <= {0, 200, 202, 409, 503}
        assert set(children_of(server.process.pid)) == before
        assert faults(server) & {"database_away", "process_missing", "process_silent", "jobs_parked"} == set()


def test_a_database_that_is_halted_holds_up_neither_probes_nor_what_comes_after(
    server: RunningServer, postgres: PostgresServer
) -> None:
    with serving(server) as (modality, web):
        assert server.process
        before = set(children_of(server.process.pid))
        postgres.halt()
        try:
            wait_until_named(server, "database_away")
            began = time.monotonic()
            for path in ("/healthz", "/", "/readyz"):
                try:
                    with urllib.request.urlopen(server.url + path, timeout=10) as answer:
                        assert answer.status == 200
                except urllib.error.HTTPError as error:
                    assert (path, error.code) == ("/readyz", 503)
            assert time.monotonic() - began < 10
            until(lambda: web.statuses[-1] == 503, 60)
        finally:
            postgres.go_on()
        assert_goes_on(server, modality, web)
        assert set(modality.refused) <= {0xA700}
        assert set(children_of(server.process.pid)) == before


def test_a_slow_database_is_named_and_serves_on(server: RunningServer, postgres: PostgresServer) -> None:
    between = Faulty(f"http://127.0.0.1:{postgres.port}")
    try:
        port = between.endpoint.rpartition(":")[2]
        server.settings["database_url"] = server.settings["database_url"].replace(f":{postgres.port}/", f":{port}/")
        server.start()
        admit(server)
        between.delay_s = 0.5
        until(lambda: "database_slow" in faults(server), 60)
        assert readiness(server)[0] == 200
        between.delay_s = 0.0
        until(lambda: "database_slow" not in faults(server), 30)
        wait_until_ready(server)
    finally:
        server.stop()
        between.close()
