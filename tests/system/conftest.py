"""Whole servers for the system tests."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from running import RunningServer


@pytest.fixture
def server(tmp_path: Path) -> Iterator[RunningServer]:
    """A running server of its own, with an administrator and the peer TEST."""
    running = RunningServer(tmp_path / "data")
    running.start()
    running.admit()
    yield running
    running.stop()
