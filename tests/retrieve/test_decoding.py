"""The pool of decoder processes (ADR 0008): a hostile frame ends a child, never the server."""

from __future__ import annotations

import os
import signal
import sys
import threading
import time
from collections.abc import Iterator
from typing import Any

import numpy as np
import pytest

import make
import moving
from filmless.errors import NotAcceptable, Unavailable
from filmless.retrieve import decoding
from filmless.retrieve.decoding import Decoders

MEMORY = 2 << 30


@pytest.fixture
def pool() -> Iterator[Decoders]:
    """A pool of one child."""
    made = Decoders(processes=1, memory_bytes=MEMORY, timeout_s=20, samples_max=50_000_000, waiting_max=2)
    yield made
    made.close()


def task(data: bytes, **more: Any) -> tuple[dict[str, Any], list[bytes | memoryview]]:
    """A task on the first frame of a native file."""
    from filmless.dicom.scanner import scan

    header = scan(data)
    element = header.pixel_data
    assert element is not None
    info = {
        "task": "decode",
        "key": str(hash(data)),
        "bare_syntax": None,
        "total_length": len(data),
        "skip_bits": 0,
        "frame_number": 1,
        "as_rgb": True,
        "is_lenient": False,
        **more,
    }
    return info, [data[: element.offset], header.value(element)]


def in_child(pool: Decoders, program: str) -> None:
    """Make the next child run a program of the test's in place of a codec."""
    real = decoding.command

    def command(*arguments: Any) -> list[str]:
        made = real(*arguments)
        before, main, after = made[-1].partition("main(")
        return [*made[:-1], f"{before.replace('import main;', 'import main, Tasks;')}\n{program}\n{main}{after}"]

    decoding.command = command  # type: ignore[assignment]
    try:
        pool._give(pool._take())
    finally:
        decoding.command = real


def test_a_frame_is_decoded_in_a_child(pool: Decoders) -> None:
    ds = make.ct_slice(rows=4)
    info, data = pool.run(*task(make.part10(ds)))
    assert bytes(data) == ds.PixelData
    assert info["photometric_interpretation"] == "MONOCHROME2"
    assert os.getpid() not in pool.pids()


def test_the_child_is_used_again(pool: Decoders) -> None:
    pool.run(*task(make.part10(make.ct_slice())))
    first = pool.pids()
    pool.run(*task(make.part10(make.ct_slice())))
    assert pool.pids() == first


def test_a_child_that_hangs_is_killed_and_replaced() -> None:
    pool = Decoders(processes=1, memory_bytes=MEMORY, timeout_s=4.0, samples_max=50_000_000, waiting_max=2)
    try:
        in_child(pool, "import time\nTasks.run = lambda *a: time.sleep(60)")
        began = time.monotonic()
        with pytest.raises(NotAcceptable, match="took over 4 s"):
            pool.run(*task(make.part10(make.ct_slice())))
        assert time.monotonic() - began < 20
        assert bytes(pool.run(*task(make.part10(make.ct_slice())))[1])
    finally:
        pool.close()


def test_a_child_that_crashes_is_replaced(pool: Decoders) -> None:
    in_child(pool, "import os, signal\nTasks.run = lambda *a: os.kill(os.getpid(), signal.SIGSEGV)")
    with pytest.raises(NotAcceptable, match=f"status -{int(signal.SIGSEGV)}"):
        pool.run(*task(make.part10(make.ct_slice())))
    assert bytes(pool.run(*task(make.part10(make.ct_slice())))[1])


def test_a_task_whose_child_is_killed_by_others_is_tried_again(pool: Decoders) -> None:
    wanted = bytes(pool.run(*task(make.part10(make.ct_slice())))[1])
    in_child(pool, "import os, signal\nTasks.run = lambda *a: os.kill(os.getpid(), signal.SIGKILL)")
    assert bytes(pool.run(*task(make.part10(make.ct_slice())))[1]) == wanted


def test_a_frame_is_not_to_blame_when_its_children_are_killed_by_others(
    pool: Decoders, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Whoever asked is told to come again: no frame brings SIGKILL about."""
    killed = [sys.executable, "-c", "import os, signal; os.kill(os.getpid(), signal.SIGKILL)"]
    with monkeypatch.context() as patched:
        patched.setattr(decoding, "command", lambda *_: killed)
        with pytest.raises(Unavailable, match="killed, twice"):
            pool.run(*task(make.part10(make.ct_slice())))
    assert bytes(pool.run(*task(make.part10(make.ct_slice())))[1])


def test_a_child_that_devours_memory_is_stopped_by_its_limit() -> None:
    pool = Decoders(processes=1, memory_bytes=700 << 20, timeout_s=20, samples_max=50_000_000, waiting_max=2)
    try:
        in_child(pool, "Tasks.run = lambda *a: ({}, bytes(4 << 30))")
        with pytest.raises(NotAcceptable, match="too much memory"):
            pool.run(*task(make.part10(make.ct_slice())))
    finally:
        pool.close()


def test_a_child_cannot_write_files(pool: Decoders, tmp_path: Any) -> None:
    target = tmp_path / "written"
    in_child(pool, f"Tasks.run = lambda *a: (open({str(target)!r}, 'wb').write(b'x' * 10), b'')")
    with pytest.raises(NotAcceptable):
        pool.run(*task(make.part10(make.ct_slice())))
    assert not target.exists() or target.stat().st_size == 0


def test_a_child_knows_no_secret_of_ours(pool: Decoders, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("FILMLESS_DATABASE_URL", "postgresql://filmless:secret@db/filmless")
    in_child(pool, "import os\nTasks.run = lambda *a: ({}, repr(dict(os.environ)).encode())")
    _, data = pool.run(*task(make.part10(make.ct_slice())))
    assert b"secret" not in bytes(data)


def test_an_answer_longer_than_any_frame_ends_the_child() -> None:
    pool = Decoders(processes=1, memory_bytes=MEMORY, timeout_s=20, samples_max=1000, waiting_max=2)
    try:
        in_child(pool, "Tasks.run = lambda *a: ({}, bytes(100 << 20))")
        with pytest.raises(NotAcceptable):
            pool.run(*task(make.part10(make.ct_slice())))
    finally:
        pool.close()


def test_a_frame_over_the_limit_of_samples_is_not_decoded(pool: Decoders) -> None:
    ds = make.ct_slice(rows=4)
    ds.Rows, ds.Columns = 60000, 60000
    with pytest.raises(NotAcceptable, match="over the limit"):
        pool.run(*task(make.part10(ds)))


def test_who_finds_the_queue_full_is_told_to_come_again() -> None:
    pool = Decoders(processes=1, memory_bytes=MEMORY, timeout_s=3.0, samples_max=50_000_000, waiting_max=1)
    try:
        in_child(pool, "import time\nTasks.run = lambda *a: time.sleep(60)")
        outcomes: list[str] = []

        def ask() -> None:
            try:
                pool.run(*task(make.part10(make.ct_slice())))
                outcomes.append("done")
            except (NotAcceptable, Unavailable) as error:
                outcomes.append(type(error).__name__)

        threads = [threading.Thread(target=ask) for _ in range(4)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        assert outcomes.count("Unavailable") >= 2
        assert outcomes.count("NotAcceptable") == 1
    finally:
        pool.close()


def test_children_end_when_the_pool_is_closed(pool: Decoders) -> None:
    pool.run(*task(make.part10(make.ct_slice())))
    (pid,) = pool.pids()
    pool.close()
    with pytest.raises(ProcessLookupError):
        os.kill(pid, 0)
    with pytest.raises(Unavailable):
        pool.run(*task(make.part10(make.ct_slice())))


def test_the_values_of_many_threads_are_not_mixed_up() -> None:
    pool = Decoders(processes=2, memory_bytes=MEMORY, timeout_s=20, samples_max=50_000_000, waiting_max=50)
    wrong: list[int] = []

    def ask(number: int) -> None:
        ds = make.ct_slice(rows=8)
        ds.PixelData = np.full((8, 8), number, np.uint16).tobytes()
        answers = [bytes(pool.run(*task(make.part10(ds)))[1]) for _ in range(10)]
        wrong.extend(number for answer in answers if answer != ds.PixelData)

    try:
        threads = [threading.Thread(target=ask, args=(number,)) for number in range(8)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        assert wrong == []
    finally:
        pool.close()


def picture(grey: int) -> tuple[dict[str, Any], list[bytes | memoryview]]:
    return {"task": "film_picture", "shape": [16, 16], "duration_ms": 40.0}, [bytes([grey]) * 256]


BEGIN: dict[str, Any] = {"task": "film", "frame_time_ms": 40.0, "bytes_max": 1 << 20}


def test_a_video_is_encoded_in_one_child_picture_by_picture(pool: Decoders) -> None:
    pytest.importorskip("av")
    with pool.lease() as ask:
        ask(BEGIN, [])
        for number in range(3):
            ask(*picture(60 * number))
        movie = bytes(ask({"task": "film_end"}, [])[1])
    shown = moving.frames_of(movie)
    assert [round(float(pixels.mean()) / 60) for _, pixels in shown] == [0, 1, 2]
    assert movie.index(b"moov") < movie.index(b"mdat")
    assert len(pool.pids()) == 1


def test_a_video_that_is_given_up_ends_its_child_with_what_it_held(pool: Decoders) -> None:
    pytest.importorskip("av")
    with pytest.raises(RuntimeError), pool.lease() as ask:
        ask(BEGIN, [])
        ask(*picture(9))
        raise RuntimeError
    assert pool.pids() == []
    with pytest.raises(NotAcceptable, match="no video was begun"), pool.lease() as ask:
        ask(*picture(9))
    assert pool.run(*task(make.part10(make.ct_slice())))[0]["samples_per_pixel"] == 1


def test_an_encoder_that_crashes_is_replaced(pool: Decoders) -> None:
    in_child(pool, "import os, signal\nTasks._filmed = lambda *a: os.kill(os.getpid(), signal.SIGSEGV)")
    with pytest.raises(NotAcceptable, match="ended"), pool.lease() as ask:
        ask(BEGIN, [])
    assert bytes(pool.run(*task(make.part10(make.ct_slice())))[1])
