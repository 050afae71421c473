"""A peer that takes what it is sent when it may, and not before."""

from __future__ import annotations

import threading
from collections.abc import Iterator

import pytest
from pynetdicom import AE, evt

from senders import CT_IMAGE


class SlowPeer:
    """Takes instances, but none before it may: who sends to it is busy until then."""

    def __init__(self) -> None:
        self.may_answer = threading.Event()
        self.taken: list[str] = []
        self.associations = 0
        ae = AE("SLOW")
        ae.add_supported_context(CT_IMAGE)
        handlers = [(evt.EVT_C_STORE, self._take), (evt.EVT_ACCEPTED, self._count)]
        self.server = ae.start_server(("127.0.0.1", 0), block=False, evt_handlers=handlers)
        self.port = self.server.socket.getsockname()[1]

    def _count(self, _event: evt.Event) -> None:
        self.associations += 1

    def _take(self, event: evt.Event) -> int:
        self.may_answer.wait(60)
        self.taken.append(str(event.request.AffectedSOPInstanceUID))
        return 0x0000


@pytest.fixture
def slow_peer() -> Iterator[SlowPeer]:
    peer = SlowPeer()
    yield peer
    peer.may_answer.set()
    peer.server.shutdown()
