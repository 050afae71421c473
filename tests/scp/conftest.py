"""A listener on an archive, with the peer TEST admitted from this machine."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from pydicom import Dataset

import make
from filmless.access import peers
from filmless.access.principal import SYSTEM
from filmless.archive import Archive
from filmless.dimse.client import Requestor, connect
from filmless.dimse.server import Listener, listen
from filmless.scp.server import serve
from filmless.store.receive import begin

EVERY = ("echo", "store", "query", "retrieve")


@dataclass
class Door:
    """A running DICOM listener."""

    archive: Archive
    port: int

    def ask(
        self, *contexts: tuple[str, str], calling: str = "TEST", called: str = "FILMLESS", **more: Any
    ) -> Requestor:
        """Open an association with our own requestor."""
        return connect(
            "127.0.0.1",
            self.port,
            called_ae=called,
            calling_ae=calling,
            contexts=[(uid, [syntax]) for uid, syntax in contexts],
            **more,
        )


def add_peer(archive: Archive, ae_title: str, port: int | None = None, *allow: str) -> peers.Peer:
    return peers.add_peer(archive, SYSTEM("test"), ae_title=ae_title, host="127.0.0.1", port=port, allow=allow or EVERY)


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


def put(archive: Archive, ds: Dataset, transfer_syntax: str = make.EXPLICIT_LE) -> bytes:
    """Store an instance without the network; returns its data set."""
    data = make.dataset_bytes(ds, transfer_syntax)
    reception = begin(
        archive,
        SYSTEM("test"),
        sop_class_uid=str(ds.SOPClassUID),
        sop_instance_uid=str(ds.SOPInstanceUID),
        transfer_syntax_uid=transfer_syntax,
    )
    reception.write(data)
    reception.finish()
    return data


def write_file(folder: Path, ds: Dataset, transfer_syntax: str = make.EXPLICIT_LE) -> Path:
    path = folder / f"{ds.SOPInstanceUID}.dcm"
    path.write_bytes(make.part10(ds, transfer_syntax=transfer_syntax))
    return path
