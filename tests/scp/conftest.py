"""A listener on an archive, with the peer TEST admitted from this machine."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from typing import Any

import pytest

from doors import Door, add_peer
from filmless.archive import Archive
from filmless.dimse.server import Listener, listen
from filmless.scp.server import serve
from listening import raw, scp

__all__ = ["raw", "scp"]


@pytest.fixture
def serving(archive: Archive) -> Iterator[Callable[..., Door]]:
    """Start a listener on an archive (the test's own, when none is given)."""
    stop = threading.Event()
    threads: list[threading.Thread] = []

    def start(chosen: Archive | None = None, tls: Any = None) -> Door:
        sock = listen("127.0.0.1", 0)
        is_ready = threading.Event()
        arguments = {"stop": stop, "ready": is_ready.set, "listeners": [Listener(sock, tls)]}
        threads.append(threading.Thread(target=serve, args=(chosen or archive,), kwargs=arguments))
        threads[-1].start()
        assert is_ready.wait(5)
        return Door(chosen or archive, sock.getsockname()[1])

    yield start
    stop.set()
    for thread in threads:
        thread.join()


@pytest.fixture
def door(serving: Callable[..., Door], archive: Archive) -> Door:
    """A listener that knows the peer TEST."""
    add_peer(archive, "TEST")
    return serving()
