"""One server for the room: whatever is thrown at it, it must stay the same processes, small, and serve others."""

from __future__ import annotations

import time
from collections.abc import Iterator

import pytest

import make
from hostile_wire import MIB, Target
from listening import raw, scp
from running import RunningServer, children_of

__all__ = ["raw", "scp"]


@pytest.fixture(scope="session")
def hostile_server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningServer]:
    running = RunningServer(tmp_path_factory.mktemp("hostile") / "data")
    running.settings = {
        "http_header_timeout_s": 3,
        "http_body_timeout_s": 2,
        "artim_timeout_s": 3,
        "network_timeout_s": 5,
        "decode_timeout_s": 10,
        "series_quiet_s": 0.5,
        "stow_failures_max": 50,
        "elements_max": 200_000,
        "stow_metadata_values_max": 400_000,
        "inflate_max_bytes": 256 * MIB,
        "sign_in_attempts_per_address_max": 1000,
    }
    running.start()
    running.admit()
    running.sign_in()
    yield running
    running.stop()


@pytest.fixture
def target(hostile_server: RunningServer) -> Target:
    """The server, warm: one instance was stored and shown, so that what is loaded once is not taken for a leak."""
    assert hostile_server.process
    target = Target(hostile_server)
    if not (hostile_server.data / "warm").exists():
        ds = make.ct_slice(rows=64)
        assert target.stow(make.part10(ds)).status == 200
        assert target.ask("GET", f"{target.path_of(ds)}/rendered").status == 200
        (hostile_server.data / "warm").touch()
        time.sleep(1.5)  # until its series is packed
    target.pids = children_of(hostile_server.process.pid)

    return target
