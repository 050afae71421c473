"""Requests that are bent, endless or far too many: heads, queries, JSON, multipart, ranges, slow senders, floods."""

from __future__ import annotations

import json
import socket
import struct
import threading
import time
from contextlib import ExitStack

import pytest

import make
from filmless.dimse import commands as c
from hostile_wire import MIB, Target, find
from wire import Raw, request_of

pytestmark = [pytest.mark.system, pytest.mark.xdist_group("hostile")]

REFUSED = {400, 404, 406, 413, 414, 415, 422, 431}


# Heads and addresses --------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("what", "headers"),
    [
        ("many headers", {f"X-{n}": "y" for n in range(3000)}),
        ("a long header", {"X-Long": "y" * MIB}),
        ("a long cookie", {"Cookie": "filmless_session=" + "a" * 200_000}),
        ("many cookies", {"Cookie": ";".join(f"a{n}=b" for n in range(15_000))}),
        ("a long token", {"Authorization": "Bearer " + "a" * 200_000}),
        ("a token that is none", {"Authorization": "Bearer \x00\xff"}),
    ],
)
def test_a_head_that_is_too_long_or_makes_no_sense_is_refused(
    what: str, headers: dict[str, str], target: Target
) -> None:
    with target.unharmed():
        try:
            status = target.ask("GET", "/api/v1/session", headers, known=False).status
        except (ConnectionError, ValueError):
            return  # cut off, or not even our own client would send it
        assert status in REFUSED | {401}


@pytest.mark.parametrize(
    "host", ['evil"<script>', "a b", "evil.example:80:90", "x" * 5000, "\x1b[31m", "a/b", "a@b", ""]
)
def test_a_host_that_is_none_is_refused_or_kept_out_of_markup(host: str, target: Target) -> None:
    ds = make.ct_slice(rows=4)
    assert target.stow(make.part10(ds)).status == 200
    try:
        reply = target.ask("GET", f"/dicomweb/studies?StudyInstanceUID={ds.StudyInstanceUID}", {"Host": host})
    except ValueError:
        return
    assert reply.status == 400 or (reply.status == 200 and b"<script>" not in reply.body and b"a@b" not in reply.body)


@pytest.mark.parametrize(
    "query",
    [
        "StudyInstanceUID=" + ",".join(f"1.2.{n}" for n in range(6000)),
        "PatientName=" + "%5C".join(f"a{n}" for n in range(4000)),
        "StudyDescription=" + "%5C".join(f"*a{n}*" for n in range(2000)),
        "StudyDescription=" + "*a" * 10_000,
        "PatientName=" + "*a?" * 10_000 + "b",
        "PatientName=" + "%20".join(["ab"] * 5000) + "&fuzzymatching=true",
        "&".join(["PatientID=1"] * 5000),
        "&".join(f"0009{n:04X}=1" for n in range(3000)),
        "includefield=" + ",".join(f"0009{n:04X}" for n in range(5000)),
        ".".join(["00081115"] * 2000) + "=1",
        "limit=" + "9" * 5000,
        "StudyDate=" + "-" * 5000,
        "PatientID=%00%0d%0a%ff",
        "%00=%00",
    ],
)
@pytest.mark.parametrize("path", ["/dicomweb/studies", "/dicomweb/instances"])
def test_a_search_beyond_measure_is_refused_or_answered_soon(path: str, query: str, target: Target) -> None:
    with target.unharmed():
        began = time.monotonic()
        status = target.ask("GET", f"{path}?{query}").status
        assert status in {200, *REFUSED}
        assert time.monotonic() - began < 30


def test_wild_cards_cannot_make_matching_slow(target: Target) -> None:
    ds = make.ct_slice(rows=4, PatientName="a" * 60)
    assert target.stow(make.part10(ds)).status == 200
    with target.unharmed():
        for number in (5, 12, 25):
            assert target.ask("GET", f"/dicomweb/studies?PatientName={'*a' * number}*b").status in {200, 204}
            pattern = ("*a" * number + "*b").encode()
            pattern += b" " * (len(pattern) % 2)
            key = struct.pack("<HHL", 0x0008, 0x0052, 6) + b"STUDY "
            key += struct.pack("<HHL", 0x0010, 0x0010, len(pattern)) + pattern
            assert find(target, key, make.IMPLICIT_LE).status == c.SUCCESS


@pytest.mark.parametrize(("count", "value"), [(300, b"1 "), (20_000, b"")])
def test_an_identifier_with_too_many_keys_is_refused(count: int, value: bytes, target: Target) -> None:
    keys = struct.pack("<HH2sH", 0x0008, 0x0052, b"CS", 6) + b"STUDY "
    keys += b"".join(struct.pack("<HH2sH", 0x0009, 0x1000 + n, b"LO", len(value)) + value for n in range(count))
    with target.unharmed():
        assert find(target, keys, make.EXPLICIT_LE).status == 0xA900


# Bodies ---------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("body", [b"[" * 900_000, b'{"a":' * 150_000, b'"' * 900_000, b"-" * 900_000, b"1" * 900_000])
def test_json_of_any_depth_is_refused(body: bytes, target: Target) -> None:
    with target.unharmed():
        for method, path in (("POST", "/api/v1/session"), ("POST", "/api/v1/peers"), ("POST", "/api/v1/people")):
            status = target.ask(method, path, {"Content-Type": "application/json"}, body).status
            assert status in {*REFUSED, 405}


def test_a_json_body_over_the_limit_is_refused(target: Target) -> None:
    with target.unharmed():
        body = json.dumps({"name": "a" * 4 * MIB}).encode()
        assert target.ask("POST", "/api/v1/peers", {"Content-Type": "application/json"}, body).status == 413


MULTIPART = 'multipart/related; type="application/dicom"; boundary='


def test_a_flood_of_parts_is_cut_short(target: Target) -> None:
    with target.unharmed():
        reply = target.stow(*[b"x"] * 5000)
        assert reply.status == 413
        assert b"stow_failures_max" in reply.body


def test_what_was_stored_before_a_flood_of_parts_is_told(target: Target) -> None:
    with target.unharmed():
        ds = make.ct_slice(rows=4)
        reply = target.stow(make.part10(ds), *[b"x"] * 5000)
        assert reply.status == 202
        assert str(ds.SOPInstanceUID).encode() in reply.body
        assert reply.body.count(b"00081197") == 51


@pytest.mark.parametrize(
    ("boundary", "body"),
    [
        ("b", b"--b\r\n" + b"X: y\r\n" * 100_000),
        ("b", b"--b\r\n" + b"X" * MIB),
        ("b", b"--b" + b" " * MIB),
        ("b", b"\r\n--b" * 500_000),
        ("b", (b"--b\r\nContent-Type: multipart/related; boundary=c\r\n\r\n--c\r\n\r\n") * 40 + b"--b--\r\n"),
        ("b" * 5000, b"--b--"),
        ("", b"----"),
        ('"a\r\nX: y"', b"--a--"),
        ("b", b"-" * MIB),
        ("b", b""),
    ],
)
def test_a_multipart_body_that_never_ends_is_refused(boundary: str, body: bytes, target: Target) -> None:
    with target.unharmed():
        try:
            reply = target.ask("POST", "/dicomweb/studies", {"Content-Type": MULTIPART + boundary}, body)
        except ValueError:
            return
        assert reply.status in {*REFUSED, 409}


def test_ranges_beyond_measure_give_the_whole_or_nothing(target: Target) -> None:
    ds = make.ct_slice(rows=64)
    assert target.stow(make.part10(ds)).status == 200
    path = f"{target.path_of(ds)}/bulkdata/7FE00010"
    whole = target.ask("GET", path, {"Accept": "application/octet-stream"}).body
    assert len(whole) == 64 * 64 * 2
    ranges = [
        ",".join(f"{n}-{n}" for n in range(8000)),
        "0-,0-,0-,0-",
        "9" * 4000 + "-",
        "-" + "9" * 4000,
        "5-2",
        "a-b",
        "-",
        "-0",
        f"{2**64}-{2**65}",
    ]
    with target.unharmed():
        for wanted in ranges:
            reply = target.ask("GET", path, {"Accept": "application/octet-stream", "Range": f"bytes={wanted}"})
            assert reply.status in {200, 206, 416}, wanted
            assert reply.body in {b"", whole}


@pytest.mark.parametrize("accept", [";" * 60_000, "a/b" + ";a" * 30_000, "a/b;q=" + '"\\' * 30_000, "a/b," * 20_000])
def test_an_accept_header_beyond_measure_is_answered_soon(accept: str, target: Target) -> None:
    ds = make.ct_slice(rows=4)
    assert target.stow(make.part10(ds)).status == 200
    with target.unharmed():
        for path in ("/dicomweb/studies", f"{target.path_of(ds)}/metadata", f"{target.path_of(ds)}/rendered"):
            reply = target.ask("GET", path, {"Accept": accept})
            assert reply.status in REFUSED
            assert len(reply.body) < 2000


# Slow senders and floods ----------------------------------------------------------------------------------------------


def open_socket(target: Target) -> socket.socket:
    return socket.create_connection(("127.0.0.1", target.server.http_port), 10)


def test_connections_that_never_finish_their_head_keep_nobody_out(target: Target) -> None:
    with ExitStack() as stack, target.unharmed():
        slow = [stack.enter_context(open_socket(target)) for _ in range(1500)]
        for each in slow:
            each.sendall(b"GET /healthz HTTP/1.1\r\nHost: x\r\nX-Slow: ")
        assert target.ask("GET", "/dicomweb/studies?limit=1", timeout_s=10).status == 200
        slow[0].settimeout(20)
        assert slow[0].recv(1000)[:12] in {b"", b"HTTP/1.1 408"}


def test_bodies_that_stall_do_not_keep_others_from_storing(target: Target) -> None:
    head = (
        f"POST /dicomweb/studies HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer {target.server.token}\r\n"
        "Content-Type: application/dicom\r\nContent-Length: 1000000\r\n\r\n"
    )
    with ExitStack() as stack, target.unharmed():
        slow = [stack.enter_context(open_socket(target)) for _ in range(40)]
        for each in slow:
            each.sendall(head.encode() + bytes(200))
        assert target.stow(make.part10(make.ct_slice(rows=4)), timeout_s=30).status == 200
        slow[0].settimeout(20)
        assert slow[0].recv(1000).startswith(b"HTTP/1.1 408")


def test_a_body_that_drips_is_ended(target: Target) -> None:
    head = (
        f"POST /api/v1/uploads?name=a HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer {target.server.token}\r\n"
        "Content-Length: 1000000\r\n\r\n"
    )
    with open_socket(target) as slow, target.unharmed():
        slow.sendall(head.encode())
        slow.settimeout(0.2)
        began = time.monotonic()
        answer = b""
        while not answer and time.monotonic() - began < 20:
            slow.sendall(b"x")
            try:
                answer = slow.recv(1000)
            except TimeoutError:
                continue
        assert answer.startswith(b"HTTP/1.1 408")


def test_a_flood_of_sign_ins_is_bounded_and_others_are_served(target: Target) -> None:
    statuses: list[int] = []

    def sign_in(number: int) -> None:
        body = json.dumps({"name": f"nobody{number}", "password": "x" * 200}).encode()
        headers = {"Content-Type": "application/json"}
        statuses.append(target.ask("POST", "/api/v1/session", headers, body, known=False, timeout_s=60).status)

    with target.unharmed(grows_mib=200):
        threads = [threading.Thread(target=sign_in, args=(number,)) for number in range(30)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
    assert set(statuses) <= {401, 429, 503}


def test_a_flood_of_associations_leaves_the_web_alone_and_passes(target: Target) -> None:
    """One address gets so many associations and no more; what others then get is held by dimse/test_limits."""
    flood = []
    before = target.ask("GET", "/readyz").status
    for number in range(300):
        peer = Raw(target.server.dicom_port)
        peer.send(request_of(called="FILMLESS", calling="TEST")[: 3 + number % 200])
        flood.append(peer)
    assert target.ask("GET", "/dicomweb/studies?limit=1", timeout_s=10).status == 200
    for peer in flood:
        peer.close()
    deadline = time.monotonic() + 20
    while True:
        try:
            assert target.echo() == 0
            break
        except Exception:
            assert time.monotonic() < deadline
            time.sleep(0.1)
    assert before == target.ask("GET", "/readyz").status == 200
    with target.unharmed():
        pass
