"""The state machine of PS3.8 9.2, state by state, told by a raw socket what no well-behaved peer would say."""

from __future__ import annotations

import struct
import time
from collections.abc import Callable

import pytest

from filmless.dimse import pdus
from filmless.dimse.limits import Limits
from wire import (
    CT,
    EXPLICIT_LE,
    IMPLICIT_LE,
    Raw,
    Scp,
    echo_command,
    p_data,
    request_of,
    store_command,
)

ABORT_BY_USER = (pdus.ABORT, b"\0\0\0\0")
RELEASE_RQ = pdus.encode_release_request()
RELEASE_RP = pdus.encode_release_response()


def abort_by_provider(reason: int) -> tuple[int, bytes]:
    return pdus.ABORT, bytes([0, 0, 2, reason])


@pytest.mark.parametrize(
    "said",
    [
        p_data(1, b"xx", command=True),
        RELEASE_RQ,
        RELEASE_RP,
        struct.pack(">BxI", 0x02, 4) + bytes(4),
        b"\x63\0\0\0\0\0",
    ],
    ids=["data", "release", "release answer", "accept", "unknown"],
)
def test_anything_but_a_request_first_is_aborted_by_the_user(
    scp: Callable[..., Scp], raw: Callable[..., Raw], said: bytes
) -> None:
    peer = raw(scp())
    peer.send(said)
    assert peer.read_pdu() == ABORT_BY_USER  # AA-1


def test_http_on_our_port_is_aborted(scp: Callable[..., Scp], raw: Callable[..., Raw]) -> None:
    peer = raw(scp())
    peer.send(b"GET / HTTP/1.1\r\nHost: localhost\r\n\r\n")
    assert peer.read_pdu() == ABORT_BY_USER


def test_a_peer_that_aborts_before_asking_is_left_alone(scp: Callable[..., Scp], raw: Callable[..., Raw]) -> None:
    listening = scp()
    peer = raw(listening)
    peer.send(pdus.encode_abort(0, 0))
    assert peer.is_closed()
    listening.wait_until_quiet()


def test_a_silent_connection_is_closed_when_artim_expires(scp: Callable[..., Scp], raw: Callable[..., Raw]) -> None:
    peer = raw(scp(limits=Limits(artim_timeout_s=0.3)))
    began = time.monotonic()
    assert peer.is_closed()  # AA-2: no A-ABORT
    assert 0.2 < time.monotonic() - began < 2


def test_artim_runs_on_while_a_request_drips_in(scp: Callable[..., Scp], raw: Callable[..., Raw]) -> None:
    peer = raw(scp(limits=Limits(artim_timeout_s=0.5)))
    began = time.monotonic()
    with pytest.raises((BrokenPipeError, ConnectionResetError)):
        for byte in request_of():
            peer.send(bytes([byte]))
            time.sleep(0.02)
    assert time.monotonic() - began < 3


def test_a_request_longer_than_the_limit_is_aborted_before_it_is_read(
    scp: Callable[..., Scp], raw: Callable[..., Raw]
) -> None:
    peer = raw(scp(limits=Limits(association_request_max_bytes=4096)))
    peer.send(struct.pack(">BxI", 1, 0xFFFFFFFF))
    assert peer.read_pdu() == abort_by_provider(pdus.INVALID_PDU_PARAMETER_VALUE)


def broken_requests() -> dict[str, bytes]:
    good = request_of()
    body = good[6:]

    def pdu(changed: bytes) -> bytes:
        return struct.pack(">BxI", 1, len(changed)) + changed

    even_context = body.replace(bytes([0x20, 0]) + body[68 + 27 : 68 + 29] + b"\x01", b"", 1)
    assert even_context != good
    at = body.index(bytes([0x20, 0]), 68)
    return {
        "short": pdu(body[:40]),
        "item past the end": pdu(body[:70] + b"\xff\xff" + body[72:]),
        "even context": pdu(body[: at + 4] + b"\x02" + body[at + 5 :]),
        "context twice": pdu(
            body[: body.index(b"\x03\0\0\0", at)] + b"\x01" + body[body.index(b"\x03\0\0\0", at) + 1 :]
        ),
        "stray bytes": pdu(body + b"\x10\0"),
        "maximum length of 2 bytes": pdu(body.replace(b"\x51\0\0\x04", b"\x51\0\0\x02")),
    }


@pytest.mark.parametrize("what", broken_requests())
def test_a_malformed_request_is_aborted_with_reason_6(
    scp: Callable[..., Scp], raw: Callable[..., Raw], what: str
) -> None:
    peer = raw(scp())
    peer.send(broken_requests()[what])
    assert peer.read_pdu() == abort_by_provider(pdus.INVALID_PDU_PARAMETER_VALUE)


@pytest.mark.parametrize(
    ("said", "reason"),
    [
        (request_of(), pdus.UNEXPECTED_PDU),
        (struct.pack(">BxI", 2, 4) + bytes(4), pdus.UNEXPECTED_PDU),
        (struct.pack(">BxI", 3, 4) + bytes(4), pdus.UNEXPECTED_PDU),
        (RELEASE_RP, pdus.UNEXPECTED_PDU),
        (struct.pack(">BxI", 0, 4) + bytes(4), pdus.UNRECOGNIZED_PDU),
        (struct.pack(">BxI", 8, 0xFFFFFFFF), pdus.UNRECOGNIZED_PDU),
        (struct.pack(">BxI", 4, 0), pdus.INVALID_PDU_PARAMETER_VALUE),
        (struct.pack(">BxI", 4, (1 << 20) + 1), pdus.INVALID_PDU_PARAMETER_VALUE),
        (struct.pack(">BxI", 4, 0xFFFFFFFF), pdus.INVALID_PDU_PARAMETER_VALUE),
        (struct.pack(">BxIIBB", 4, 6, 1, 1, 3), pdus.INVALID_PDU_PARAMETER_VALUE),
        (struct.pack(">BxIIBB", 4, 6, 0xFFFFFFFF, 1, 3), pdus.INVALID_PDU_PARAMETER_VALUE),
        (struct.pack(">BxIIBB", 4, 8, 3, 1, 3) + b"xx", pdus.INVALID_PDU_PARAMETER_VALUE),
        (p_data(5, echo_command(), command=True), pdus.INVALID_PDU_PARAMETER_VALUE),
        (struct.pack(">BxI", 5, 400) + bytes(400), pdus.INVALID_PDU_PARAMETER_VALUE),
    ],
    ids=[
        "request",
        "accept",
        "reject",
        "release answer",
        "type 0",
        "type 8",
        "empty data",
        "data longer than offered",
        "data of 4 GiB",
        "PDV too short",
        "PDV past the end",
        "PDV leaves a stray byte",
        "context not accepted",
        "release of 400 bytes",
    ],
)
def test_what_breaks_ps3_8_is_aborted_by_the_provider_with_the_reason(
    established: tuple[Scp, Raw], said: bytes, reason: int
) -> None:
    listening, peer = established
    peer.send(said)
    assert peer.read_pdu() == abort_by_provider(reason)
    peer.close()
    listening.wait_until_quiet()


@pytest.mark.parametrize(
    "said",
    [
        p_data(1, echo_command(), command=False),
        p_data(1, b"\0\0\2\0\xff\xff\xff\xff", command=True),
        p_data(1, b"\0\0", command=True),
        p_data(1, echo_command()[:20], command=True, last=False) + p_data(3, echo_command()[20:], command=True),
        p_data(3, store_command(), command=True) + p_data(3, store_command(2), command=True),
        p_data(3, store_command(), command=True) + p_data(1, b"xx", command=False),
        b"".join(p_data(1, bytes(16000), command=True, last=False) for _ in range(5)),
    ],
    ids=[
        "data first",
        "element past the end",
        "stray bytes",
        "context changes",
        "command inside a data set",
        "data set in another context",
        "command set without end",
    ],
)
def test_what_breaks_ps3_7_is_aborted_by_the_user(established: tuple[Scp, Raw], said: bytes) -> None:
    listening, peer = established
    peer.send(said)
    assert peer.read_pdu() == ABORT_BY_USER
    peer.close()
    listening.wait_until_quiet()


def test_a_release_is_answered_and_the_peer_closes(established: tuple[Scp, Raw]) -> None:
    listening, peer = established
    peer.send(RELEASE_RQ)
    assert peer.read_pdu() == (pdus.RELEASE_RP, bytes(4))
    peer.close()
    listening.wait_until_quiet()


def test_a_peer_that_does_not_close_after_release_is_closed_by_artim(
    scp: Callable[..., Scp], raw: Callable[..., Raw]
) -> None:
    listening = scp(limits=Limits(artim_timeout_s=0.4))
    peer = raw(listening)
    peer.send(request_of())
    peer.read_pdu()
    peer.send(RELEASE_RQ)
    assert peer.read_pdu()[0] == pdus.RELEASE_RP
    assert peer.is_closed()
    listening.wait_until_quiet()


def test_a_request_after_release_is_aborted(established: tuple[Scp, Raw]) -> None:
    _, peer = established
    peer.send(RELEASE_RQ)
    assert peer.read_pdu()[0] == pdus.RELEASE_RP
    peer.send(request_of())
    assert peer.read_pdu()[0] == pdus.ABORT  # AA-7


def test_data_after_release_is_ignored(established: tuple[Scp, Raw]) -> None:
    listening, peer = established
    peer.send(RELEASE_RQ)
    assert peer.read_pdu()[0] == pdus.RELEASE_RP
    peer.send(p_data(1, echo_command(), command=True) + RELEASE_RP)
    peer.close()
    listening.wait_until_quiet()
    assert listening.stored == []


def test_an_abort_in_the_middle_of_a_data_set_drops_it(established: tuple[Scp, Raw]) -> None:
    listening, peer = established
    peer.send(p_data(3, store_command(), command=True) + p_data(3, b"half", command=False, last=False))
    peer.send(pdus.encode_abort(0, 0))
    assert peer.is_closed()
    listening.wait_until_quiet()
    assert [(each.is_whole, each.is_aborted) for each in listening.stored] == [(False, True)]


def test_a_connection_that_breaks_in_the_middle_of_a_data_set_drops_it(established: tuple[Scp, Raw]) -> None:
    listening, peer = established
    peer.send(p_data(3, store_command(), command=True) + p_data(3, b"half", command=False, last=False))
    peer.close()
    listening.wait_until_quiet()
    assert [(each.is_whole, each.is_aborted) for each in listening.stored] == [(False, True)]


def test_an_idle_association_is_aborted(scp: Callable[..., Scp], raw: Callable[..., Raw]) -> None:
    peer = raw(scp(limits=Limits(idle_timeout_s=0.3)))
    peer.send(request_of())
    peer.read_pdu()
    assert peer.read_pdu() == ABORT_BY_USER
    assert peer.is_closed()


def test_a_pdu_that_drips_in_is_aborted(scp: Callable[..., Scp], raw: Callable[..., Raw]) -> None:
    peer = raw(scp(limits=Limits(network_timeout_s=0.5, artim_timeout_s=0.5)))
    peer.send(request_of())
    peer.read_pdu()
    began = time.monotonic()
    with pytest.raises((BrokenPipeError, ConnectionResetError)):
        for byte in p_data(3, bytes(500), command=True):
            peer.send(bytes([byte]))
            time.sleep(0.02)
    assert time.monotonic() - began < 4


def test_a_message_that_stops_in_the_middle_is_aborted(scp: Callable[..., Scp], raw: Callable[..., Raw]) -> None:
    listening = scp(limits=Limits(network_timeout_s=0.4))
    peer = raw(listening)
    peer.send(request_of())
    peer.read_pdu()
    peer.send(p_data(3, store_command(), command=True))
    assert peer.read_pdu() == ABORT_BY_USER
    listening.wait_until_quiet()
    assert listening.stored[0].is_aborted


def test_a_peer_that_takes_no_answer_does_not_hold_us(scp: Callable[..., Scp], raw: Callable[..., Raw]) -> None:
    listening = scp(limits=Limits(network_timeout_s=0.5, artim_timeout_s=0.5))
    peer = raw(listening)
    peer.send(request_of())
    peer.read_pdu()
    with pytest.raises((BrokenPipeError, ConnectionResetError, TimeoutError)):
        peer.sock.settimeout(3)
        for _ in range(20000):
            peer.send(p_data(1, echo_command(), command=True) * 100)
    listening.wait_until_quiet()


def test_a_wrong_protocol_version_is_rejected_by_acse(scp: Callable[..., Scp], raw: Callable[..., Raw]) -> None:
    peer = raw(scp())
    peer.send(request_of().replace(b"\x00\x01\x00\x00SCP", b"\x00\x02\x00\x00SCP", 1))
    assert peer.read_pdu() == (pdus.ASSOCIATE_RJ, bytes([0, 1, 2, 2]))


def test_another_application_context_is_rejected(scp: Callable[..., Scp], raw: Callable[..., Raw]) -> None:
    peer = raw(scp())
    peer.send(request_of().replace(b"1.2.840.10008.3.1.1.1", b"1.2.840.10008.3.1.1.9", 1))
    assert peer.read_pdu() == (pdus.ASSOCIATE_RJ, bytes([0, 1, 1, 2]))


def test_a_command_in_many_fragments_is_answered(established: tuple[Scp, Raw]) -> None:
    _, peer = established
    command = echo_command(7)
    pieces = [p_data(1, command[n : n + 1], command=True, last=n + 1 == len(command)) for n in range(len(command))]
    peer.send(b"".join(pieces))
    assert peer.read_command().message_id == 7


def test_many_fragments_in_one_pdu_are_one_data_set(established: tuple[Scp, Raw]) -> None:
    listening, peer = established
    pdvs = struct.pack(">IBB", 2 + len(store_command()), 3, 3) + store_command()
    pdvs += b"".join(struct.pack(">IBB", 5, 3, 0) + b"abc" for _ in range(50)) + struct.pack(">IBB", 2, 3, 2)
    peer.send(struct.pack(">BxI", 4, len(pdvs)) + pdvs)
    assert peer.read_command().status == 0
    assert listening.stored[0].data == b"abc" * 50


@pytest.mark.parametrize("size", [1, 11, 12, 13, 4096])
def test_a_data_set_arrives_whole_however_tcp_cuts_it(established: tuple[Scp, Raw], size: int) -> None:
    listening, peer = established
    data = bytes(range(256)) * 3
    sent = p_data(3, store_command(), command=True)
    sent += b"".join(p_data(3, data[n : n + 100], command=False, last=n + 100 >= len(data)) for n in range(0, 768, 100))
    for at in range(0, len(sent), size):
        peer.send(sent[at : at + size])
    assert peer.read_command().status == 0
    assert listening.stored[0].data == data


def test_reserved_bits_of_a_fragment_are_not_tested(established: tuple[Scp, Raw]) -> None:
    _, peer = established
    message = bytearray(p_data(1, echo_command(), command=True))
    message[11] |= 0xF0
    peer.send(bytes(message))
    assert peer.read_command().status == 0


def test_an_association_without_usable_contexts_can_be_released(
    scp: Callable[..., Scp], raw: Callable[..., Raw]
) -> None:
    listening = scp()
    peer = raw(listening)
    peer.send(request_of((CT, EXPLICIT_LE), (CT, IMPLICIT_LE)))
    assert peer.read_pdu()[0] == pdus.ASSOCIATE_AC
    peer.send(RELEASE_RQ)
    assert peer.read_pdu()[0] == pdus.RELEASE_RP
