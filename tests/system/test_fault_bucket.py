"""The object store is away, fails, stalls or is killed under load: senders wait, and nothing acknowledged is lost."""

from __future__ import annotations

import logging
import secrets
import signal
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

import real_servers
from ailing import assert_goes_on, faults, serving, wait_until_named
from faulty import Faulty, Mode
from running import RunningServer
from waiting import until

pytestmark = [pytest.mark.system, pytest.mark.timeout(180)]

logging.getLogger("pynetdicom").setLevel(logging.CRITICAL)  # connections are refused on purpose

QUICK = {"log_level": "warning", "job_backoff_s": 0.5, "series_quiet_s": 1}
IMPATIENT = {"blobs_timeout_s": 2, "blobs_connect_timeout_s": 1, "blobs_retries": 1}


def in_bucket(endpoint: str) -> dict[str, Any]:
    """Settings of a place of its own in a bucket; the database is SQLite."""
    return {
        **QUICK,
        **IMPATIENT,
        "blobs_url": f"s3://{real_servers.BUCKET}/{secrets.token_hex(8)}",
        "blobs_endpoint": endpoint,
        "blobs_access_key_id": real_servers.ACCESS_KEY_ID,
        "blobs_secret_access_key": real_servers.SECRET_ACCESS_KEY,
        "disk_reserve_bytes": 0,
    }


@pytest.fixture
def between(servers: real_servers.Servers) -> Iterator[Faulty]:
    """What stands between us and the S3 server."""
    relay = Faulty(servers.s3)
    yield relay
    relay.close()


@pytest.mark.parametrize("mode", ["away", "error", "stalled"])
def test_a_bucket_that_fails_is_named_and_waited_for(tmp_path: Path, between: Faulty, mode: Mode) -> None:
    server = RunningServer(tmp_path / "data", settings=in_bucket(between.endpoint))
    with serving(server) as (modality, web):
        between.mode = mode
        wait_until_named(server, "blobs_away")
        assert "blobs_away" in faults(server)
        until(lambda: bool(modality.refused) and web.statuses[-1] not in (0, 200), 60)
        between.mode = "well"
        assert_goes_on(server, modality, web)
        assert set(modality.refused) == {0xA700}
        assert "blobs_away" not in faults(server)


@pytest.mark.soak
def test_an_object_store_that_is_killed_and_started_again_is_waited_for(tmp_path: Path) -> None:
    store = real_servers.S3Server(tmp_path / "s3")
    store.start()
    try:
        server = RunningServer(tmp_path / "data", settings=in_bucket(store.endpoint))
        with serving(server) as (modality, web):
            store.stop(signal.SIGKILL)
            wait_until_named(server, "blobs_away")
            store.start()
            assert_goes_on(server, modality, web)
            assert set(modality.refused) <= {0xA700}
    finally:
        store.stop()
