"""What a server costs: memory of its processes, and processor time and disk of each thing it does, in both shapes.

    python benchmarks/sizing.py [--scaled] [--seconds 3] [--json FILE] [--folder DIR]

Processor time is that of Filmless alone, in user code and in the system; PostgreSQL and the S3 server have their own.
Memory is the proportional share (Pss): pages that processes share are counted once. From these figures follow the
numbers of docs/operating.md.
"""

from __future__ import annotations

import argparse
import contextlib
import sys
import tempfile
import time
from collections.abc import Callable
from contextlib import ExitStack
from pathlib import Path

import servers
from data import Source
from load import Run, Sink, fetch, find, get, store, study_keys
from report import Line, Report, on_what
from scaled import scaled
from web import JSON, OCTETS, wait_until_packed

from dimse import CT_STORAGE, EXPLICIT_LE, associate

ASSOCIATIONS = 8
CLIENTS = 4
IDLE_S = 5.0
QUIET = {"series_quiet_s": "20"}  # nothing is packed while it is stored


def memory_mb(server: servers.Server) -> float:
    """Proportional memory of all processes of a server."""
    total_kb = 0
    for pid in servers.processes_of(server.process.pid):
        with contextlib.suppress(FileNotFoundError, ProcessLookupError):
            lines = Path(f"/proc/{pid}/smaps_rollup").read_text().splitlines()
            total_kb += sum(int(line.split()[1]) for line in lines if line.startswith("Pss:"))
    return total_kb / 1e3


def size_bytes(folder: Path) -> int:
    """What the files below a folder take on the disk."""
    return sum(path.stat().st_blocks * 512 for path in folder.rglob("*") if path.is_file())


def main() -> int:
    """Measure one shape."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument(
        "--scaled", action="store_true", help="Filmless on PostgreSQL and S3 instead of SQLite and disk"
    )
    parser.add_argument("--seconds", type=float, default=3.0, help="how long each thing is done")
    parser.add_argument("--json", type=Path, help="write the figures here too")
    parser.add_argument("--folder", type=Path, help="make the archive below this folder (a disk), not the default one")
    args = parser.parse_args()
    report = Report("What it costs" + on_what(args.scaled))
    with ExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory(dir=args.folder)))
        settings = QUIET | (stack.enter_context(scaled(folder / "scaled")) if args.scaled else {})
        sink = Sink()
        stack.callback(sink.close)
        server = stack.enter_context(servers.filmless(folder / "filmless", sink.port, **settings))
        time.sleep(IDLE_S)

        def add(what: str, unit: str, figure: float) -> None:
            report.add(Line(what, unit, figure, None, None))

        idle_mb = memory_mb(server)
        add(f"memory, idle, {len(servers.processes_of(server.process.pid))} processes", "MB", idle_mb)
        before, began = sum(server.cpu_ms()), time.monotonic()
        time.sleep(IDLE_S)
        add("processor, idle", "% of a core", (sum(server.cpu_ms()) - before) / (time.monotonic() - began) / 10)
        links = [associate(server.peer, [(CT_STORAGE, EXPLICIT_LE)]) for _ in range(ASSOCIATIONS)]
        time.sleep(1)
        add("memory of an association that waits", "MB", (memory_mb(server) - idle_mb) / ASSOCIATIONS)
        for link in links:
            link.release()

        def spend(what: str, go: Callable[[], Run]) -> Run:
            before = sum(server.cpu_ms())
            run = go()
            if not run.count or run.failed:
                raise RuntimeError(f"{what}: {run.failed} of {run.count} failed")
            add(what, "ms of a core", (sum(server.cpu_ms()) - before) / run.count)
            return run

        for side, words in ((64, "8 kB"), (256, "0.13 MB"), (512, "0.5 MB")):
            source = Source(side, side)
            batches = [source.study(2000 if side == 64 else 500) for _ in range(ASSOCIATIONS)]
            taken = size_bytes(folder / "filmless")
            run = spend(
                f"C-STORE of {words}",
                lambda batches=batches: store(server.peer, batches, quickack=True, seconds_max=args.seconds),
            )
            if not args.scaled:
                add(
                    f"disk for an instance of {words}",
                    "kB",
                    (size_bytes(folder / "filmless") - taken) / run.count / 1e3,
                )
        add(f"memory after {ASSOCIATIONS} associations stored at full rate", "MB", memory_mb(server))
        series = Source(51, 256).study(200, per_series=200)
        store(server.peer, [series], quickack=True)
        wait_until_packed(server)
        root = f"/studies/{series[0].study}/series/{series[0].series}"
        paths = {
            "QIDO-RS page of 100 studies": ([("/studies?limit=100", JSON)], {"Accept_Encoding": "gzip"}),
            "WADO-RS metadata of 200 slices": ([(f"{root}/metadata", JSON)], {"Accept_Encoding": "gzip"}),
            "WADO-RS frame of 0.13 MB": ([(f"{root}/instances/{one.instance}/frames/1", OCTETS) for one in series], {}),
            "WADO-RS rendered": ([(f"{root}/instances/{one.instance}/rendered", "image/jpeg") for one in series], {}),
        }
        for what, (requests, headers) in paths.items():
            fetch(server.web, requests, clients=CLIENTS, seconds_max=0.5, **headers)  # starts what is started once
            spend(
                what,
                lambda requests=requests, headers=headers: fetch(
                    server.web, requests, clients=CLIENTS, seconds_max=args.seconds, **headers
                ),
            )
        times = 100
        before = sum(server.cpu_ms())
        find(server.peer, study_keys(t00100020=b"P0000000000003"), times=times)
        add("C-FIND of one patient id", "ms of a core", (sum(server.cpu_ms()) - before) / times)
        spend("C-GET of an instance of 0.13 MB, in a series of 200", lambda: get(server.peer, series[0].study))
        add("memory afterwards, with decoders", "MB", memory_mb(server))
    report.finish(args.json)
    return 0


if __name__ == "__main__":
    sys.exit(main())
