"""Fixtures of the wire, for the rooms that need them: a listener that keeps what it is given, raw sockets to it."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from typing import Any

import pytest

from filmless.dimse import pdus
from filmless.dimse.limits import Limits
from filmless.dimse.server import Accept, Caller, Listener, Reject, Server, listen
from filmless.dimse.services import Handlers, Request
from wire import Raw, Scp, Stored, accept_all, request_of


@pytest.fixture
def scp() -> Iterator[Callable[..., Scp]]:
    """Start a listener: `scp(limits=..., authorize=..., find=...)`."""
    running: list[tuple[Server, threading.Thread]] = []

    def start(
        *,
        limits: Limits | None = None,
        authorize: Callable[[Caller], Accept | Reject] = accept_all,
        store: Callable[[Request], Any] | None = None,
        tls: Any = None,
        host: str = "127.0.0.1",
        **handlers: Any,
    ) -> Scp:
        callers: list[Caller] = []
        stored: list[Stored] = []
        ended: list[Any] = []

        def admit(caller: Caller) -> Accept | Reject:
            callers.append(caller)
            return authorize(caller)

        def keep(request: Request) -> Stored:
            stored.append(Stored(request))
            return stored[-1]

        sock = listen(host, 0)
        server = Server(
            [Listener(sock, tls)],
            authorize=admit,
            handlers=Handlers(store=store or keep, **handlers),
            limits=limits or Limits(artim_timeout_s=2, network_timeout_s=5),
            implementation=("2.25.42", "TESTSCP"),
            ended=lambda association, principal: ended.append(principal),
        )
        port = sock.getsockname()[1]
        thread = threading.Thread(target=server.run)
        thread.start()
        running.append((server, thread))
        return Scp(server, port, callers, stored, ended)

    yield start
    for server, thread in running:
        server.drain(0.0)
        thread.join()


@pytest.fixture
def raw() -> Iterator[Callable[..., Raw]]:
    """Connect a raw socket to a listener."""
    opened: list[Raw] = []

    def connect(scp: Scp, timeout_s: float = 5) -> Raw:
        opened.append(Raw(scp.port, timeout_s))
        return opened[-1]

    yield connect
    for each in opened:
        each.close()


@pytest.fixture
def established(scp: Callable[..., Scp], raw: Callable[..., Raw]) -> tuple[Scp, Raw]:
    """A listener and a raw socket with an association: contexts 1 (Verification) and 3 (CT)."""
    listening = scp()
    peer = raw(listening)
    peer.send(request_of())
    assert peer.read_pdu()[0] == pdus.ASSOCIATE_AC
    return listening, peer
