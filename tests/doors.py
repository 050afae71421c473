"""For tests of the DICOM door: a running listener on an archive, peers, and instances put in without the network."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

from pydicom import Dataset

import make
from filmless.access import peers
from filmless.access.principal import SYSTEM
from filmless.archive import Archive
from filmless.dimse.client import Requestor, connect
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


def add_peer(
    archive: Archive, ae_title: str, port: int | None = None, *allow: str, host: str = "127.0.0.1", **options: Any
) -> peers.Peer:
    """Admit a peer, for every service unless some are named."""
    return peers.add_peer(
        archive, SYSTEM("test"), ae_title=ae_title, host=host, port=port, allow=allow or EVERY, **options
    )


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
