"""Floods, crowds and stopping: what one peer does must not take the listener from the others."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable

import pytest

from filmless.dimse import client, pdus
from filmless.dimse.client import RejectedForNow, connect
from filmless.dimse.limits import Limits
from filmless.dimse.server import Listener, Server, listen
from filmless.dimse.services import Handlers, Outcome, Request
from filmless.errors import Unavailable
from wire import CT, IMPLICIT_LE, VERIFICATION, Raw, Scp, accept_all, p_data, request_of, store_command, wait_for

ECHO = [(VERIFICATION, [IMPLICIT_LE])]


def ask(scp: Scp) -> client.Requestor:
    return connect("127.0.0.1", scp.port, called_ae="SCP", calling_ae="SCU", contexts=ECHO)


def test_an_association_too_many_from_one_address_is_refused_for_now(scp: Callable[..., Scp]) -> None:
    listening = scp(limits=Limits(associations_per_peer_max=2, artim_timeout_s=2))
    with ask(listening), ask(listening):
        with pytest.raises(RejectedForNow) as caught:
            ask(listening)
        assert (caught.value.result, caught.value.source, caught.value.reason) == (2, 3, 2)
    listening.wait_until_quiet()
    with ask(listening) as association:
        assert association.echo() == 0


def test_an_association_too_many_in_all_is_refused_for_now(scp: Callable[..., Scp]) -> None:
    listening = scp(limits=Limits(associations_max=1, artim_timeout_s=2))
    with ask(listening), pytest.raises(RejectedForNow):
        ask(listening)


def test_a_flood_of_connections_is_cut_off_and_others_are_served_after(
    scp: Callable[..., Scp], raw: Callable[..., Raw]
) -> None:
    listening = scp(limits=Limits(associations_per_peer_max=4, artim_timeout_s=1))
    flood = [raw(listening) for _ in range(60)]
    wait_for(lambda: listening.server.association_count == 4 + 16)
    assert threading.active_count() < 60
    for each in flood:
        each.close()
    listening.wait_until_quiet()
    with ask(listening) as association:
        assert association.echo() == 0


def test_slow_peers_do_not_keep_others_waiting(scp: Callable[..., Scp], raw: Callable[..., Raw]) -> None:
    listening = scp()
    slow = [raw(listening) for _ in range(8)]
    for each in slow:
        each.send(request_of()[:50])
    began = time.monotonic()
    with ask(listening) as association:
        assert association.echo() == 0
    assert time.monotonic() - began < 1


def test_opening_and_closing_many_connections_leaves_nothing_behind(
    scp: Callable[..., Scp], raw: Callable[..., Raw]
) -> None:
    listening = scp(limits=Limits(associations_per_peer_max=1000, associations_max=1000))
    before = threading.active_count()
    for n in range(200):
        peer = raw(listening)
        if n % 2:
            peer.send(request_of()[: n % 90])
        peer.close()
    listening.wait_until_quiet()
    wait_for(lambda: threading.active_count() <= before)


def test_a_store_under_way_is_finished_when_the_server_stops(scp: Callable[..., Scp], raw: Callable[..., Raw]) -> None:
    listening = scp()
    peer = raw(listening)
    peer.send(request_of())
    peer.read_pdu()
    peer.send(p_data(3, store_command(), command=True) + p_data(3, b"half", command=False, last=False))
    wait_for(lambda: bool(listening.stored))
    stopped = threading.Thread(target=listening.server.drain, args=(5.0,))
    stopped.start()
    peer.send(p_data(3, b"whole", command=False))
    assert peer.read_command().status == 0
    peer.send(pdus.encode_release_request())
    assert peer.read_pdu()[0] == pdus.RELEASE_RP
    peer.close()
    stopped.join(5)
    assert listening.stored[0].data == b"halfwhole"


def test_an_idle_association_is_aborted_soon_after_the_server_stops(
    scp: Callable[..., Scp], raw: Callable[..., Raw]
) -> None:
    listening = scp()
    peer = raw(listening)
    peer.send(request_of())
    peer.read_pdu()
    began = time.monotonic()
    listening.server.drain(0.5)
    assert peer.read_pdu() == (pdus.ABORT, bytes(4))
    assert time.monotonic() - began < 3


def test_a_stopped_server_accepts_no_more(scp: Callable[..., Scp]) -> None:
    listening = scp()
    listening.server.drain(0)
    with pytest.raises(Unavailable):
        ask(listening)


def test_two_servers_share_a_port(tmp_path: object) -> None:
    first = listen("127.0.0.1", 0, reuse_port=True)
    second = listen("127.0.0.1", first.getsockname()[1], reuse_port=True)
    served: list[int] = []
    servers = [
        Server(
            [Listener(sock)],
            authorize=accept_all,
            handlers=Handlers(echo=lambda _, n=n: served.append(n) or Outcome()),  # type: ignore[misc]
        )
        for n, sock in enumerate((first, second))
    ]
    port = first.getsockname()[1]
    threads = [threading.Thread(target=server.run) for server in servers]
    for thread in threads:
        thread.start()
    for _ in range(40):
        with connect("127.0.0.1", port, called_ae="A", calling_ae="B", contexts=ECHO) as association:
            assert association.echo() == 0
    for server, thread in zip(servers, threads, strict=True):
        server.drain(1)
        thread.join()
    assert set(served) == {0, 1}


def test_a_handler_that_fails_costs_its_message_not_the_association(
    scp: Callable[..., Scp], raw: Callable[..., Raw]
) -> None:
    def fail(request: Request) -> Outcome:
        raise RuntimeError("a bug")

    listening = scp(store=fail)
    peer = raw(listening)
    peer.send(request_of())
    peer.read_pdu()
    for _ in range(2):
        peer.send(p_data(3, store_command(), command=True) + p_data(3, b"data", command=False))
        assert peer.read_command().status == 0x0110


def test_an_authorizer_that_fails_costs_one_association(scp: Callable[..., Scp], raw: Callable[..., Raw]) -> None:
    calls: list[int] = []

    def authorize(caller: object) -> object:
        calls.append(1)
        if len(calls) == 1:
            raise RuntimeError("a bug")
        return accept_all(caller)  # type: ignore[arg-type]

    listening = scp(authorize=authorize)
    peer = raw(listening)
    peer.send(request_of())
    assert peer.read_pdu() == (pdus.ABORT, bytes(4))
    with ask(listening) as association:
        assert association.echo() == 0


def test_memory_does_not_grow_with_the_data_set(scp: Callable[..., Scp]) -> None:
    """128 MiB pass through; no piece is longer than the buffer."""
    longest = [0, 0]

    class Counting:
        def write(self, piece: memoryview) -> None:
            longest[0] = max(longest[0], len(piece))
            longest[1] += len(piece)

        def finish(self) -> Outcome:
            return Outcome()

        def abort(self) -> None: ...

    listening = scp(store=lambda _: Counting())
    block = bytes(1 << 20)
    with connect(
        "127.0.0.1", listening.port, called_ae="A", calling_ae="B", contexts=[(CT, [IMPLICIT_LE])]
    ) as association:
        assert association.store(CT, "1.2.3", IMPLICIT_LE, (block for _ in range(128))) == 0
    assert longest[1] == 128 << 20
    assert longest[0] <= 1 << 20
