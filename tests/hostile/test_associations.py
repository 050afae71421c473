"""What a known peer can do to a whole server: messages that are bombs, associations that drip, as many as it may."""

from __future__ import annotations

import struct
import time
from collections.abc import Callable
from contextlib import ExitStack, closing, suppress
from pathlib import Path

import pytest

import make
from filmless.dimse import commands as c
from filmless.dimse import pdus
from hostile_wire import MIB, Target, find
from wire import CT, IMPLICIT_LE, Raw, p_data, request_of, store_command

pytestmark = [pytest.mark.system, pytest.mark.xdist_group("hostile")]

NEVER_ENDS = 0xFFFFFFFF
SEQUENCE_END = struct.pack("<HHL", 0xFFFE, 0xE0DD, 0)


def deep(depth: int) -> bytes:
    """A private sequence, implicit VR, whose ends never come."""
    return (struct.pack("<HHL", 0x7FE1, 0x1010, NEVER_ENDS) + struct.pack("<HHL", 0xFFFE, 0xE000, NEVER_ENDS)) * depth


def items(count: int) -> bytes:
    item = struct.pack("<HHL", 0xFFFE, 0xE000, 0)
    return struct.pack("<HHL", 0x7FE1, 0x1010, NEVER_ENDS) + item * count + SEQUENCE_END


LEVEL = struct.pack("<HHL", 0x0008, 0x0052, 6) + b"STUDY "
IDENTIFIERS: dict[str, bytes] = {
    "ten thousand deep": LEVEL + deep(10_000),
    "a length beyond its end": LEVEL + struct.pack("<HHL", 0x0010, 0x0010, 0x7FFFFFFF),
    "longer than may be": LEVEL + struct.pack("<HHL", 0x7FE1, 0x1010, 2 * MIB) + bytes(2 * MIB),
    "nonsense": bytes(range(256)) * 16,
}


@pytest.mark.parametrize("name", IDENTIFIERS)
def test_an_identifier_that_is_a_bomb_is_refused(name: str, target: Target) -> None:
    with target.unharmed():
        if name == "longer than may be":
            with pytest.raises(Exception, match="abort"):
                find(target, IDENTIFIERS[name], make.IMPLICIT_LE)
        else:
            assert find(target, IDENTIFIERS[name], make.IMPLICIT_LE).status in {0xA900, 0xC000}


@pytest.mark.parametrize("keys", [items(100_000), (struct.pack("<HHL", 0x0010, 0x0010, 2) + b"A ") * 50_000])
def test_an_identifier_that_says_much_and_asks_little_is_answered(keys: bytes, target: Target) -> None:
    with target.unharmed():
        assert find(target, LEVEL + keys, make.IMPLICIT_LE).status == c.SUCCESS


def established(target: Target) -> Raw:
    peer = Raw(target.server.dicom_port, timeout_s=30)
    peer.send(request_of((CT, IMPLICIT_LE), called="FILMLESS", calling="TEST"))
    assert peer.read_pdu()[0] == pdus.ASSOCIATE_AC
    return peer


@pytest.mark.parametrize("tail", [deep(10_000), items(1_000_000)], ids=["ten thousand deep", "a million items"])
def test_a_stored_data_set_that_is_a_bomb_is_refused(tail: bytes, target: Target) -> None:
    ds = make.ct_slice(rows=4)
    data = make.dataset_bytes(ds, make.IMPLICIT_LE) + tail
    with target.unharmed(), closing(established(target)) as peer:
        peer.send(p_data(1, store_command(uid=str(ds.SOPInstanceUID)), command=True))
        pieces = [data[at : at + 500_000] for at in range(0, len(data), 500_000)]
        for number, piece in enumerate(pieces):
            peer.send(p_data(1, piece, command=False, last=number == len(pieces) - 1))
        answer = peer.read_command()
        assert answer.status >= 0xA000
        assert "more than" in str(answer.get(c.ERROR_COMMENT))
    assert target.ask("GET", target.path_of(ds) + "/metadata").status == 404


def test_a_data_set_that_is_claimed_and_never_comes_leaves_nothing(target: Target) -> None:
    """The peer goes away in the midst of it: no row, and no file."""

    def blobs() -> set[Path]:
        return {path for path in (target.server.data / "blobs").rglob("*") if path.is_file()}

    before = blobs()
    ds = make.ct_slice(rows=64)
    data = make.dataset_bytes(ds, make.IMPLICIT_LE)
    with target.unharmed():
        for part in (1, len(data) // 2, len(data) - 1):
            with closing(established(target)) as peer:
                peer.send(p_data(1, store_command(uid=str(ds.SOPInstanceUID)), command=True))
                peer.send(p_data(1, data[:part], command=False, last=False))
        assert target.ask("GET", target.path_of(ds) + "/metadata").status == 404
    deadline = time.monotonic() + 10
    while (left := blobs() - before) and time.monotonic() < deadline:
        time.sleep(0.1)
    assert left == set()


def drip(peer: Raw, data: Callable[[], bytes], at_most_s: float) -> float:
    """Send one piece after the other, until the other side has had enough; return after how long."""
    began = time.monotonic()
    peer.sock.settimeout(0.2)
    while time.monotonic() - began < at_most_s:
        try:
            peer.send(data())
            if peer.sock.recv(1000) == b"":
                break
        except TimeoutError:
            continue
        except OSError:
            break
    return time.monotonic() - began


def test_a_request_that_drips_is_ended_when_artim_expires(target: Target) -> None:
    whole = iter(request_of(called="FILMLESS", calling="TEST") * 10)
    with target.unharmed(), closing(Raw(target.server.dicom_port)) as peer:
        assert drip(peer, lambda: bytes([next(whole)]), 20) < 10  # artim_timeout_s is 3


def test_a_pdu_that_drips_is_ended(target: Target) -> None:
    with target.unharmed(), closing(established(target)) as peer:
        peer.send(p_data(1, store_command(), command=True))
        peer.send(struct.pack(">BxIIBB", 4, 10_006, 10_002, 1, 0))
        assert drip(peer, lambda: b"x", 30) < 15  # network_timeout_s is 5


def test_all_associations_that_one_address_may_have_do_not_stop_the_web_or_those_that_are_open(target: Target) -> None:
    """This machine is one address to the server: others have their own share (dimse/test_limits)."""
    with ExitStack() as stack:
        first = stack.enter_context(closing(established(target)))
        opened = 0
        with suppress(AssertionError, OSError, EOFError):
            while opened < 200:
                stack.enter_context(closing(established(target)))
                opened += 1
        assert 0 < opened < 200
        assert target.ask("GET", "/dicomweb/studies?limit=1", timeout_s=10).status == 200
        ds = make.ct_slice(rows=4)
        first.send(p_data(1, store_command(uid=str(ds.SOPInstanceUID)), command=True))
        first.send(p_data(1, make.dataset_bytes(ds, make.IMPLICIT_LE), command=False))
        assert first.read_command().status == c.SUCCESS
    deadline = time.monotonic() + 10
    while time.monotonic() < deadline:
        with suppress(Exception):
            assert target.echo() == 0
            break
        time.sleep(0.1)
    with target.unharmed():
        pass
