"""DCMTK's tools as peers of the bare listener and requestor."""

from __future__ import annotations

import subprocess
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

import make
from filmless.dimse.association import FileRange
from filmless.dimse.client import Rejected, connect
from filmless.dimse.services import Outcome, Request
from filmless.errors import Unavailable
from running import free_port
from wire import CT, EXPLICIT_LE, IMPLICIT_LE, VERIFICATION, Scp, run


@pytest.fixture
def storescp(tmp_path: Path) -> Iterator[tuple[int, Path]]:
    folder = tmp_path / "received"
    folder.mkdir()
    port = free_port()
    process = subprocess.Popen(["storescp", "-aet", "DCMTK", "-od", str(folder), "+B", "+xa", str(port)])
    time.sleep(0.3)
    yield port, folder
    process.terminate()
    process.wait()


def test_echoscu_is_answered(scp: Callable[..., Scp]) -> None:
    assert run("echoscu", "127.0.0.1", scp().port).returncode == 0


def test_echoscu_can_abort(scp: Callable[..., Scp]) -> None:
    listening = scp()
    assert run("echoscu", "--abort", "127.0.0.1", listening.port).returncode == 0
    listening.wait_until_quiet()


def test_storescu_with_128_contexts_is_served(scp: Callable[..., Scp], tmp_path: Path) -> None:
    ds = make.ct_slice(rows=600)
    path = tmp_path / "ct.dcm"
    path.write_bytes(make.part10(ds))
    listening = scp()
    assert run("echoscu", "-pts", "20", "-ppc", "128", "127.0.0.1", listening.port).returncode == 0
    assert run("storescu", "-R", "127.0.0.1", listening.port, path).returncode == 0
    assert len(listening.callers[0].request.contexts) == 128
    assert listening.stored[0].data == make.dataset_bytes(ds, EXPLICIT_LE)


@pytest.mark.parametrize("pdu", ["4096", "131072"])
def test_storescu_chooses_its_longest_pdu(scp: Callable[..., Scp], tmp_path: Path, pdu: str) -> None:
    ds = make.ct_slice(rows=600)
    path = tmp_path / "ct.dcm"
    path.write_bytes(make.part10(ds))
    listening = scp()
    assert run("storescu", "-R", "-pdu", pdu, "127.0.0.1", listening.port, path).returncode == 0
    assert listening.callers[0].request.user.max_pdu_bytes == int(pdu)
    assert listening.stored[0].data == make.dataset_bytes(ds, EXPLICIT_LE)


def test_storescp_takes_what_we_send_to_the_byte(storescp: tuple[int, Path], tmp_path: Path) -> None:
    port, folder = storescp
    data = make.dataset_bytes(make.ct_slice(rows=600), EXPLICIT_LE)
    path = tmp_path / "data"
    path.write_bytes(data)
    with (
        path.open("rb") as file,
        connect("127.0.0.1", port, called_ae="DCMTK", calling_ae="US", contexts=[(CT, [EXPLICIT_LE])]) as association,
    ):
        for n in range(3):
            assert association.store(CT, f"1.2.{n}", EXPLICIT_LE, FileRange(file.fileno(), 0, len(data))) == 0
    written = sorted(folder.iterdir())
    assert len(written) == 3
    assert all(each.read_bytes().endswith(data) for each in written)


def test_a_quick_requestor_does_not_wait_for_dcmtks_delayed_segments(storescp: tuple[int, Path]) -> None:
    """45 ms an instance without TCP_QUICKACK: 40 instances would take two seconds."""
    port, _ = storescp
    data = make.dataset_bytes(make.ct_slice(rows=8), EXPLICIT_LE)
    with connect("127.0.0.1", port, called_ae="DCMTK", calling_ae="US", contexts=[(CT, [EXPLICIT_LE])]) as association:
        association.store(CT, "1.2.0", EXPLICIT_LE, data)
        began = time.monotonic()
        for n in range(40):
            association.store(CT, f"1.2.{n}", EXPLICIT_LE, data)
    assert time.monotonic() - began < 1.6


def test_storescp_that_refuses_is_told_apart_from_one_that_is_away(storescp: tuple[int, Path]) -> None:
    port = free_port()
    process = subprocess.Popen(["storescp", "--refuse", str(port)])
    time.sleep(0.3)
    try:
        with pytest.raises(Rejected):
            connect("127.0.0.1", port, called_ae="A", calling_ae="B", contexts=[(VERIFICATION, [IMPLICIT_LE])])
    finally:
        process.terminate()
        process.wait()
    with pytest.raises(Unavailable, match="refused"):
        connect("127.0.0.1", port, called_ae="A", calling_ae="B", contexts=[(VERIFICATION, [IMPLICIT_LE])])


@pytest.mark.parametrize("flag", ["--abort-during", "--abort-after"])
def test_storescp_that_aborts_in_the_middle_is_an_error_of_ours(flag: str, tmp_path: Path) -> None:
    port = free_port()
    process = subprocess.Popen(["storescp", flag, "-od", str(tmp_path), str(port)])
    time.sleep(0.3)
    data = make.dataset_bytes(make.ct_slice(rows=600), EXPLICIT_LE)
    try:
        with (
            pytest.raises(Unavailable),
            connect("127.0.0.1", port, called_ae="A", calling_ae="B", contexts=[(CT, [EXPLICIT_LE])]) as association,
        ):
            for n in range(3):
                association.store(CT, f"1.2.{n}", EXPLICIT_LE, data)
    finally:
        process.terminate()
        process.wait()


@pytest.mark.parametrize("syntax", [IMPLICIT_LE, EXPLICIT_LE])
def test_movescu_reads_a_list_of_failed_instances_longer_than_its_vr_has_room_for(
    syntax: str, scp: Callable[..., Scp]
) -> None:
    """In explicit VR it is UN with a length of 32 bits (PS3.5 6.2.2)."""
    failed = [f"1.2.826.0.1.3680043.8.498.{number:038d}" for number in range(3000)]

    def move(_: Request) -> Iterator[Outcome]:
        yield Outcome(0xB000, counts=(None, 0, 3000, 0), identifier={"00080058": {"vr": "UI", "Value": failed}})

    words = ["movescu", "-d", "-S", "-aem", "DEST", "-xi" if syntax == IMPLICIT_LE else "-xe"]
    keys = ["-k", "QueryRetrieveLevel=STUDY", "-k", "StudyInstanceUID=1.2.3"]
    done = run(*words, *keys, "127.0.0.1", scp(move=move).port)
    said = done.stdout + done.stderr
    last = failed[-1] if syntax == IMPLICIT_LE else "\\".join(f"{ord(each):02x}" for each in failed[-1])
    assert said.count(last) == 1
    assert done.returncode == 0 or "Releasing Association" in said
