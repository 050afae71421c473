"""Whether searches, metadata and frames stay quick while eight associations store at full rate.

    python benchmarks/responsive.py [--seconds 20] [--scaled] [--json FILE] [--folder DIR]

One client each asks for a page of the worklist, the metadata of a series, and frame after frame, first on a quiet
server and then while 0.5 MB instances arrive over eight associations. The 99th percentile counts; the target is 150 ms.
"""

from __future__ import annotations

import argparse
import sys
import tempfile
import threading
from contextlib import ExitStack
from pathlib import Path

import servers
from data import Source
from load import FORK, Run, Sink, fetch, store
from report import Line, Report, on_what
from scaled import scaled
from web import JSON, OCTETS, SETTINGS, send_all, wait_until_packed

ASSOCIATIONS = 8
TARGET_MS = 150.0


def percentile_ms(run: Run, share: float) -> float:
    """A percentile of the latencies of a run."""
    taken = sorted(run.latencies_s)
    return taken[min(len(taken) - 1, int(share * len(taken)))] * 1e3


def all_at_once(work: dict[str, tuple[servers.Server, list[tuple[str, str]]]], seconds: float) -> dict[str, Run]:
    """Fetch each list of requests with a client of its own, side by side."""
    runs: dict[str, Run] = {}

    def one(what: str) -> None:
        server, requests = work[what]
        runs[what] = fetch(server.web, requests, seconds_max=seconds, Accept_Encoding="gzip")

    threads = [threading.Thread(target=one, args=(what,)) for what in work]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    return runs


def main() -> int:
    """Run it."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--seconds", type=float, default=20.0)
    parser.add_argument("--json", type=Path, help="write the figures here too")
    parser.add_argument("--folder", type=Path, help="make the archive below this folder")
    parser.add_argument(
        "--scaled", action="store_true", help="Filmless on PostgreSQL and S3 instead of SQLite and disk"
    )
    options = parser.parse_args()
    report = Report("Latencies while 8 associations store" + on_what(options.scaled))
    with ExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory(dir=options.folder)))
        settings = SETTINGS | (stack.enter_context(scaled(folder / "scaled")) if options.scaled else {})
        sink = Sink()
        stack.callback(sink.close)
        server = stack.enter_context(servers.filmless(folder / "filmless", sink.port, **settings))
        target = {"Filmless": server}
        small = Source(31, 64)
        send_all(target, [small.study(2, per_series=1) for _ in range(300)])
        series = Source(32, 256).study(200, per_series=200)
        send_all(target, [series])
        wait_until_packed(server)
        root = f"/studies/{series[0].study}/series/{series[0].series}"
        work = {
            "QIDO-RS page of 100 studies": (server, [("/studies?limit=100", JSON)]),
            "WADO-RS metadata of 200 slices": (server, [(f"{root}/metadata", JSON)]),
            "WADO-RS frame of 0.13 MB": (
                server,
                [(f"{root}/instances/{one.instance}/frames/1", OCTETS) for one in series],
            ),
        }
        quiet = all_at_once(work, options.seconds / 2)
        source = Source(33, 512)
        per_association = int(options.seconds * 400 / ASSOCIATIONS)
        batches = [source.study(per_association) for _ in range(ASSOCIATIONS)]
        stored = FORK.Queue()

        def load() -> None:
            stored.put(store(server.peer, batches, quickack=True, seconds_max=options.seconds + 2))

        loader = threading.Thread(target=load)
        loader.start()
        busy = all_at_once(work, options.seconds)
        loader.join()
        run = stored.get()
        report.note(
            f"stored meanwhile: {run.count:,} instances of 0.5 MB, {run.per_second:,.0f}/s, {run.failed} failed"
        )
        for what in work:
            line = Line(f"{what}, 99th percentile", "ms", percentile_ms(busy[what], 0.99), None, TARGET_MS)
            line.higher_is_better = False
            report.add(line)
            report.note(
                f"median {percentile_ms(busy[what], 0.5):.1f} ms; quiet: median {percentile_ms(quiet[what], 0.5):.1f},"
                f" 99th percentile {percentile_ms(quiet[what], 0.99):.1f} ms"
            )
    report.finish(options.json)
    return 0


if __name__ == "__main__":
    sys.exit(main())
