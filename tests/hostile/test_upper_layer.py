"""Every PDU, whole, malformed, oversized and truncated, in every state of the upper layer (PS3.8 9.2), both roles."""

from __future__ import annotations

import contextlib
import itertools
import socket
import struct
import threading
import time
from collections.abc import Callable, Iterator

import pytest

from filmless.dimse import client, pdus
from filmless.dimse.limits import Limits
from filmless.errors import FilmlessError
from wire import CT, IMPLICIT_LE, VERIFICATION, Raw, Scp, echo_command, p_data, request_of, store_command, wait_for

LIMITS = Limits(
    artim_timeout_s=0.4,
    network_timeout_s=0.4,
    idle_timeout_s=0.4,
    associations_max=1000,
    associations_per_peer_max=1000,
    pdu_max_bytes=1 << 16,
)
KINDS = (0x00, *range(pdus.ASSOCIATE_RQ, pdus.ABORT + 1), 0x08, 0x7F, 0xFF)


def whole_pdus(kind: int) -> bytes:
    """A PDU of this kind as it should be; of a kind that is none, four bytes."""
    accept = pdus.AssociateAccept("SCP", "SCU", (pdus.ContextAnswer(1, 0, IMPLICIT_LE),))
    return {
        pdus.ASSOCIATE_RQ: request_of(),
        pdus.ASSOCIATE_AC: pdus.encode_associate_accept(accept),
        pdus.ASSOCIATE_RJ: pdus.encode_associate_reject(1, 1, 1),
        pdus.P_DATA_TF: p_data(1, echo_command(), command=True),
        pdus.RELEASE_RQ: pdus.encode_release_request(),
        pdus.RELEASE_RP: pdus.encode_release_response(),
        pdus.ABORT: pdus.encode_abort(0, 0),
    }.get(kind, struct.pack(">BxI", kind, 4) + bytes(4))


def bent(kind: int) -> Iterator[bytes]:
    """The same PDU in all the ways that a peer can get it wrong."""
    good = whole_pdus(kind)
    body = good[6:]
    yield good
    yield good + good  # twice
    yield good + b"\x00"  # with something after it
    yield good[: len(good) // 2]  # truncated
    yield good[:3]
    yield struct.pack(">BxI", kind, 0)  # empty
    yield struct.pack(">BxI", kind, 0xFFFFFFFF) + body  # claims four gibibytes
    yield struct.pack(">BxI", kind, len(body) + 7) + body  # claims a little more than there is
    yield struct.pack(">BxI", kind, max(len(body) - 3, 0)) + body  # claims less
    yield struct.pack(">BxI", kind, 4096) + b"\xff" * 4096  # nonsense
    yield struct.pack(">BxI", kind, 4096) + bytes(4096)
    for at in range(0, len(body), max(len(body) // 8, 1)):  # each length field in it, sooner or later
        yield good[: 6 + at] + b"\xff\xff" + good[8 + at :]


CASES = list(itertools.chain.from_iterable(bent(kind) for kind in KINDS))


def awaiting_request(_: Raw) -> None:
    """State 2."""


def established(peer: Raw) -> None:
    """State 6."""
    peer.send(request_of())
    assert peer.read_pdu()[0] == pdus.ASSOCIATE_AC


def within_a_command(peer: Raw) -> None:
    established(peer)
    peer.send(p_data(3, store_command()[:20], command=True, last=False))


def within_a_data_set(peer: Raw) -> None:
    established(peer)
    peer.send(p_data(3, store_command(), command=True) + p_data(3, bytes(1000), command=False, last=False))


def within_a_pdu(peer: Raw) -> None:
    established(peer)
    peer.send(p_data(3, store_command(), command=True) + p_data(3, bytes(1000), command=False)[:100])


def awaiting_close(peer: Raw) -> None:
    """State 13."""
    established(peer)
    peer.send(pdus.encode_release_request())
    assert peer.read_pdu()[0] == pdus.RELEASE_RP


STATES = (awaiting_request, established, within_a_command, within_a_data_set, within_a_pdu, awaiting_close)


def read_to_end(peer: Raw) -> bytes:
    peer.sock.settimeout(10)
    out = b""
    with contextlib.suppress(ConnectionResetError):
        while part := peer.sock.recv(1 << 16):
            out += part
    return out


def assert_only_whole_pdus(said: bytes) -> None:
    while said:
        kind, length = struct.unpack(">BxI", said[:6])
        assert kind in {pdus.ASSOCIATE_AC, pdus.ASSOCIATE_RJ, pdus.P_DATA_TF, pdus.RELEASE_RP, pdus.ABORT}
        assert len(said) >= 6 + length
        said = said[6 + length :]


@pytest.mark.parametrize("leaves", [False, True], ids=["stays", "closes"])
@pytest.mark.parametrize("bring", STATES, ids=lambda bring: bring.__name__)
def test_no_pdu_in_any_state_holds_or_breaks_the_acceptor(
    bring: Callable[[Raw], None], leaves: bool, scp: Callable[..., Scp], raw: Callable[..., Raw]
) -> None:
    listening = scp(limits=LIMITS)
    threads = threading.active_count() + 1  # that of the timers may not be there yet
    for at in range(0, len(CASES), 60):
        peers = [raw(listening) for _ in CASES[at : at + 60]]
        for peer, said in zip(peers, CASES[at : at + 60], strict=True):
            bring(peer)
            with contextlib.suppress(ConnectionError):
                peer.send(said)
                if leaves:
                    peer.sock.shutdown(socket.SHUT_WR)
        for peer in peers:
            assert_only_whole_pdus(read_to_end(peer))
            peer.close()
    listening.wait_until_quiet(10)
    wait_for(lambda: threading.active_count() <= threads)
    assert all(stored.is_aborted or stored.is_whole for stored in listening.stored)
    with client.connect(
        "127.0.0.1", listening.port, called_ae="SCP", calling_ae="SCU", contexts=[(VERIFICATION, [IMPLICIT_LE])]
    ) as association:
        assert association.echo() == 0


# The requestor --------------------------------------------------------------------------------------------------------


class Impostor:
    """A listener that plays along up to a point, then says what it is told to."""

    def __init__(self, said: bytes, after: str, *, again_s: float | None = None) -> None:
        self.sock = socket.create_server(("127.0.0.1", 0))
        self.port = self.sock.getsockname()[1]
        self._said, self._after, self._again_s = said, after, again_s
        self._thread = threading.Thread(target=self._serve, daemon=True)
        self._thread.start()

    def _serve(self) -> None:
        peer, _ = self.sock.accept()
        with peer, contextlib.suppress(OSError):
            peer.settimeout(5)
            peer.recv(1 << 16)  # the request
            if self._after != "request":
                contexts = (pdus.ContextAnswer(1, 0, IMPLICIT_LE), pdus.ContextAnswer(3, 0, IMPLICIT_LE))
                peer.sendall(pdus.encode_associate_accept(pdus.AssociateAccept("SCP", "SCU", contexts)))
                peer.recv(1 << 16)  # the C-ECHO-RQ, or the release
            peer.sendall(self._said)
            while self._again_s is not None:
                time.sleep(self._again_s)
                peer.sendall(self._said)
            while peer.recv(1 << 16):
                pass

    def close(self) -> None:
        self.sock.close()
        self._thread.join(10)
        assert not self._thread.is_alive()


def call(port: int, *, asks: bool) -> None:
    contexts = [(VERIFICATION, [IMPLICIT_LE]), (CT, [IMPLICIT_LE])]
    association = client.connect("127.0.0.1", port, called_ae="SCP", calling_ae="SCU", contexts=contexts, limits=LIMITS)
    with association:
        if asks:
            association.echo()


@pytest.mark.parametrize("after", ["request", "message", "release"])
def test_no_pdu_in_any_state_holds_or_breaks_the_requestor(after: str) -> None:
    failures: list[BaseException] = []

    def one(said: bytes) -> None:
        impostor = Impostor(said, after)
        try:
            with contextlib.suppress(FilmlessError):
                call(impostor.port, asks=after == "message")
        except BaseException as error:
            failures.append(error)
        finally:
            impostor.close()

    for at in range(0, len(CASES), 60):
        threads = [threading.Thread(target=one, args=(said,)) for said in CASES[at : at + 60]]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join(20)
            assert not thread.is_alive()
    assert failures == []


def test_a_peer_that_goes_on_talking_after_our_release_is_given_up() -> None:
    impostor = Impostor(p_data(1, bytes(100), command=False, last=False), "release", again_s=0.1)
    began = time.monotonic()
    with contextlib.suppress(FilmlessError):
        call(impostor.port, asks=False)
    assert time.monotonic() - began < 5
    impostor.close()
