"""A fuzzer of mutations: for some seconds in every run, for long in `make soak`. The corpus is what was found by it."""

from __future__ import annotations

import contextlib
import hashlib
import os
import random
import socket
import struct
import time
from collections.abc import Callable

import pytest

import fuzzing
from filmless.dimse import pdus
from filmless.dimse.limits import Limits
from listening import raw, scp
from wire import Raw, Scp

__all__ = ["raw", "scp"]

CASES = {
    "data_set": 700,
    "picture": 4000,
    "movie": 3000,
    "negotiation": 4000,
    "command": 4000,
    "multipart": 800,
    "model": 600,
}
CONVERSATIONS = 200
LIMITS = Limits(
    artim_timeout_s=0.5,
    network_timeout_s=0.5,
    idle_timeout_s=0.5,
    associations_max=1000,
    associations_per_peer_max=1000,
)
SOAK_S = float(os.environ.get("FILMLESS_SOAK_MINUTES", "60")) * 60 / 10


def hold(name: str, data: bytes) -> None:
    """Run one case; one that fails is written to the corpus, where it is read again by every run from then on."""
    try:
        fuzzing.TARGETS[name].hold(data)
    except Exception:
        fuzzing.CORPUS.mkdir(exist_ok=True)
        (fuzzing.CORPUS / f"{name}-{hashlib.sha256(data).hexdigest()[:12]}.bin").write_bytes(data)
        raise


@pytest.mark.parametrize("name", fuzzing.TARGETS)
def test_what_is_bent_is_made_of_what_can_be_read(name: str) -> None:
    """A fuzzer whose seeds are refused at once would find nothing."""
    for seed in fuzzing.TARGETS[name].seeds():
        fuzzing.TARGETS[name].read(seed)


@pytest.mark.parametrize("name", fuzzing.TARGETS)
def test_bent_input_is_read_or_refused(name: str) -> None:
    seeds = fuzzing.TARGETS[name].seeds()
    for number in range(CASES[name]):
        hold(name, fuzzing.bend(seeds, random.Random(number)))


@pytest.mark.parametrize("path", sorted(fuzzing.CORPUS.glob("*.bin")), ids=lambda path: path.stem)
def test_what_was_found_once_stays_mended(path) -> None:  # type: ignore[no-untyped-def]
    fuzzing.TARGETS[path.stem.rpartition("-")[0]].hold(path.read_bytes())


def converse(peer: Raw, said: bytes) -> None:
    """Say all of it and hang up; what comes back are whole PDUs of kinds that an acceptor sends."""
    with contextlib.suppress(ConnectionError):
        peer.send(said)
        peer.sock.shutdown(socket.SHUT_WR)
    peer.sock.settimeout(10)
    heard = b""
    with contextlib.suppress(ConnectionError):
        while part := peer.sock.recv(1 << 16):
            heard += part
    peer.close()
    while heard:
        kind, length = struct.unpack(">BxI", heard[:6])
        assert kind in {pdus.ASSOCIATE_AC, pdus.ASSOCIATE_RJ, pdus.P_DATA_TF, pdus.RELEASE_RP, pdus.ABORT}
        assert len(heard) >= 6 + length
        heard = heard[6 + length :]


def test_bent_conversations_break_nothing(scp: Callable[..., Scp], raw: Callable[..., Raw]) -> None:
    listening, seeds = scp(limits=LIMITS), fuzzing.conversations()
    for number in range(CONVERSATIONS):
        converse(raw(listening), fuzzing.bend(seeds, random.Random(number)))
    for seed in seeds:
        converse(raw(listening), seed)
    listening.wait_until_quiet(10)
    assert all(stored.is_aborted or stored.is_whole for stored in listening.stored)
    assert listening.stored[-2].is_whole


@pytest.mark.soak
@pytest.mark.timeout(int(SOAK_S * 2) + 600)
@pytest.mark.parametrize("name", fuzzing.TARGETS)
def test_bent_input_is_read_or_refused_for_long(name: str) -> None:
    seeds, end = fuzzing.TARGETS[name].seeds(), time.monotonic() + SOAK_S / len(fuzzing.TARGETS)
    number = time.time_ns()
    while time.monotonic() < end:
        number += 1
        hold(name, fuzzing.bend(seeds, random.Random(number)))
