"""A multi-frame instance of 2 GB goes in and out by every door: how far the memory of the server grows.

    python benchmarks/large.py [--gigabytes 2] [--json FILE] [--folder DIR]

The memory is the sum of what all processes of the server hold (VmRSS), looked at every 20 ms; the target is on its
growth, in MB.
"""

from __future__ import annotations

import argparse
import contextlib
import http.client
import struct
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path

import servers
from data import Slice, Source, preamble
from load import Sink, get
from report import Line, Report

from dimse import C_STORE_RQ, CT_STORAGE, EXPLICIT_LE, Peer, associate, command, p_data, uid

SIDE = 512
FRAME_BYTES = SIDE * SIDE * 2
GROWTH_MAX_MB = 200.0
_BEFORE_FRAMES = struct.pack("<HH2s", 0x0028, 0x0010, b"US")  # Rows
_CHUNK_BYTES = 1 << 20


def enlarged(instance: Slice, frames: int) -> bytes:
    """The data set of a slice up to the first frame of many."""
    count = f"{frames:08d}".encode()
    element = struct.pack("<HH2sH", 0x0028, 0x0008, b"IS", len(count)) + count
    head = instance.head.replace(_BEFORE_FRAMES, element + _BEFORE_FRAMES, 1)
    return head[:-4] + struct.pack("<I", frames * FRAME_BYTES)


class Memory:
    """Looks at the memory of a process and all below it until it is left."""

    def __init__(self, pid: int) -> None:
        self._pid = pid
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._watch, daemon=True)
        self.before_mb = self.peak_mb = self._now()

    def __enter__(self) -> Memory:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._stop.set()
        self._thread.join()

    @property
    def growth_mb(self) -> float:
        return self.peak_mb - self.before_mb

    def _watch(self) -> None:
        while not self._stop.wait(0.02):
            self.peak_mb = max(self.peak_mb, self._now())

    def _now(self) -> float:
        total_kb = 0
        for pid in servers.processes_of(self._pid):
            with contextlib.suppress(FileNotFoundError, ProcessLookupError):
                status = Path(f"/proc/{pid}/status").read_text()
                total_kb += sum(int(line.split()[1]) for line in status.splitlines() if line.startswith("VmRSS:"))
        return total_kb / 1e3


def store(peer: Peer, instance: Slice, frames: int) -> None:
    """Send it by C-STORE, frame by frame."""
    link = associate(peer, [(CT_STORAGE, EXPLICIT_LE)])
    told = command(
        C_STORE_RQ,
        message_id=1,
        has_dataset=True,
        e0002=uid(CT_STORAGE),
        e0700=b"\0\0",
        e1000=uid(instance.instance),
    )
    head = enlarged(instance, frames)
    link.sock.sendall(p_data(1, told, is_command=True, pdu_max=link.pdu_max) + _fragments(head, False, link.pdu_max))
    frame, last = (_fragments(instance.tail, is_last, link.pdu_max) for is_last in (False, True))
    for number in range(frames):
        link.sock.sendall(last if number == frames - 1 else frame)
    answer = next(link.messages())
    if answer.status:
        raise RuntimeError(f"C-STORE was answered with status {answer.status:04X}")
    link.release()


def _fragments(data: bytes, is_last: bool, pdu_max: int) -> bytes:
    """PDUs of one part of a data set."""
    step, out = pdu_max - 6, bytearray()
    for start in range(0, len(data), step):
        part = data[start : start + step]
        flags = 2 if is_last and start + step >= len(data) else 0
        out += struct.pack(">BBIIBB", 4, 0, len(part) + 6, len(part) + 2, 1, flags) + part
    return bytes(out)


class Web:
    """The DICOMweb door."""

    def __init__(self, server: servers.Server) -> None:
        self._web = server.web

    def post(self, instance: Slice, frames: int) -> None:
        """Send it by STOW-RS."""
        head = preamble(instance.instance) + enlarged(instance, frames)
        opening = b"--BOUNDARY\r\nContent-Type: application/dicom\r\n\r\n"
        closing = b"\r\n--BOUNDARY--\r\n"

        def body() -> Iterator[bytes]:
            yield opening + head
            for _ in range(frames):
                yield instance.tail
            yield closing

        length = len(opening) + len(head) + frames * FRAME_BYTES + len(closing)
        kind = 'multipart/related; type="application/dicom"; boundary=BOUNDARY'
        self._ask("POST", "/studies", "application/dicom+json", body(), Content_Type=kind, Content_Length=str(length))

    def get(self, path: str, accept: str) -> int:
        """Fetch and drop; gives the length of the answer."""
        return self._ask("GET", path, accept)

    def _ask(self, method: str, path: str, accept: str, body: Iterator[bytes] | None = None, **headers: str) -> int:
        connection = http.client.HTTPConnection(self._web.host, self._web.port, timeout=300)
        sent = self._web.headers | {"Accept": accept} | {name.replace("_", "-"): each for name, each in headers.items()}
        connection.request(method, self._web.root + path, body, sent)
        answer, length = connection.getresponse(), 0
        while chunk := answer.read(_CHUNK_BYTES):
            length += len(chunk)
        connection.close()
        if answer.status != 200:
            raise RuntimeError(f"{method} {path} was answered with {answer.status}")
        return length


def main() -> int:
    """Run all doors."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--gigabytes", type=float, default=2.0, help="size of the instance")
    parser.add_argument("--json", type=Path, help="write the figures here too")
    parser.add_argument("--folder", type=Path, help="make the archive below this folder (a disk), not the default one")
    args = parser.parse_args()
    frames = max(2, int(args.gigabytes * 1e9 / FRAME_BYTES))
    size_mb = frames * FRAME_BYTES / 1e6
    report = Report(f"One instance of {size_mb:,.0f} MB, {frames:,} frames: growth of the server's memory")
    with ExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory(dir=args.folder)))
        sink = Sink()
        stack.callback(sink.close)
        server = stack.enter_context(servers.filmless(folder / "filmless", sink.port))
        web, source = Web(server), Source(21, SIDE)
        (first,), (second,) = source.study(1), source.study(1)
        path = f"/studies/{first.study}/series/{first.series}/instances/{first.instance}"
        stored = 'multipart/related; type="application/dicom"; transfer-syntax=*'
        octets = 'multipart/related; type="application/octet-stream"; transfer-syntax=*'
        doors: list[tuple[str, Callable[[], object]]] = [
            ("C-STORE", lambda: store(server.peer, first, frames)),
            ("STOW-RS", lambda: web.post(second, frames)),
            ("C-GET", lambda: get(server.peer, first.study)),
            ("WADO-RS instance", lambda: web.get(path, stored)),
            ("WADO-RS frames, all", lambda: web.get(f"{path}/frames/{','.join(map(str, _all(frames)))}", octets)),
            ("WADO-RS frame, one in the middle", lambda: web.get(f"{path}/frames/{frames // 2}", octets)),
            ("WADO-RS rendered frame", lambda: web.get(f"{path}/frames/{frames // 2}/rendered", "image/jpeg")),
        ]
        for what, go in doors:
            began = time.perf_counter()
            with Memory(server.process.pid) as memory:
                go()
            seconds = time.perf_counter() - began
            report.add(Line(f"{what}, {seconds:.1f} s", "MB", memory.growth_mb, None, GROWTH_MAX_MB, False))
    report.finish(args.json)
    return 0


def _all(frames: int) -> range:
    """As many frame numbers as a request line holds."""
    return range(1, min(frames, 1000) + 1)


if __name__ == "__main__":
    sys.exit(main())
