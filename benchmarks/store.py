"""C-STORE, C-MOVE and C-GET: Filmless and Orthanc side by side on the same data, with the targets beside the figures.

    python benchmarks/store.py [--quick] [--scaled] [--json FILE] [--folder DIR]

Both are durable (Orthanc: SyncStorageArea, SQLite; Filmless as it comes), on loopback and on one disk. They take turns,
round after round, and the median round counts, so that a busy moment of the machine does not decide.
"""

from __future__ import annotations

import argparse
import sys
import tempfile
from contextlib import ExitStack
from pathlib import Path

import servers
from bare import bare_loop
from data import Source
from load import Run, Sink, get, move, store
from report import Line, Report, on_what
from scaled import scaled

from dimse import Peer

MB_05, MB_013, KB_8 = 512, 256, 64  # sides of 16-bit slices of 0.5 MB, 0.13 MB and 8 kB


def measure(
    peers: dict[str, Peer],
    source: Source,
    *,
    associations: int,
    quickack: bool,
    instances: int,
    seconds: float,
    rounds: int,
) -> dict[str, Run]:
    """Send new instances to each server in turn; give each server's median round."""
    runs: dict[str, list[Run]] = {name: [] for name in peers}
    for _ in range(rounds):
        for name, peer in peers.items():
            batches = [source.study(instances // associations) for _ in range(associations)]
            run = store(peer, batches, quickack=quickack, seconds_max=seconds)
            if run.failed:
                raise RuntimeError(f"{name} refused {run.failed} of {run.count} instances")
            runs[name].append(run)
    return {name: _median(done) for name, done in runs.items()}


def _median(runs: list[Run]) -> Run:
    return sorted(runs, key=lambda run: run.per_second)[len(runs) // 2]


def _spent(server: servers.Server, before: tuple[float, float], run: Run, rounds: int) -> tuple[float, float]:
    """Processor time of an instance, in user code and in the system, where each round sent about as many."""
    user, system = server.cpu_ms()
    return (user - before[0]) / (run.count * rounds), (system - before[1]) / (run.count * rounds)


def main() -> int:
    """Run the comparison."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--quick", action="store_true", help="a tenth of the time, for a first look")
    parser.add_argument("--json", type=Path, help="write the figures here too")
    parser.add_argument("--folder", type=Path, help="make the archives below this folder (a disk), not the default one")
    parser.add_argument(
        "--scaled", action="store_true", help="Filmless on PostgreSQL and S3 instead of SQLite and disk"
    )
    args = parser.parse_args()
    rounds, seconds = (1, 1.0) if args.quick else (3, 3.0)
    missing = servers.orthanc_problem()
    report = Report("Receiving and sending, DIMSE" + on_what(args.scaled))
    if missing:
        report.note(f"Orthanc is not measured: {missing}")
    with ExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory(dir=args.folder)))
        shape = stack.enter_context(scaled(folder / "scaled")) if args.scaled else {}
        sink = Sink()
        stack.callback(sink.close)
        ours = stack.enter_context(servers.filmless(folder / "filmless", sink.port, **shape))
        started = {"Filmless": ours}
        if not missing:
            started["Orthanc"] = stack.enter_context(servers.orthanc(folder / "orthanc", sink.port))
        peers = {name: server.peer for name, server in started.items()}
        bare = Peer("127.0.0.1", stack.enter_context(bare_loop(folder / "bare")), "BARE")

        for side, label, targets in (
            (MB_05, "0.5 MB", {True: 3.0, False: 10.0}),
            (MB_013, "0.13 MB", {True: 1.5}),
            (KB_8, "8 kB", {True: 1.5}),
        ):
            for quickack, target in targets.items():
                for associations in (1, 4):
                    source = Source(side * 100 + quickack * 10 + associations, side)
                    instances = int((1200 if side == MB_05 else 3000) * seconds / 3)
                    compared = dict(peers)
                    if side == MB_05 and quickack:
                        compared["bare"] = bare
                    clocks = {name: server.cpu_ms() for name, server in started.items()}
                    runs = measure(
                        compared,
                        source,
                        associations=associations,
                        quickack=quickack,
                        instances=instances,
                        seconds=seconds,
                        rounds=rounds,
                    )
                    spent = {name: _spent(started[name], clocks[name], runs[name], rounds) for name in started}
                    client = "client acknowledges at once" if quickack else "ordinary client"
                    what = f"C-STORE {label}, {associations} association{'s' * (associations > 1)}, {client}"
                    theirs = runs["Orthanc"].per_second if "Orthanc" in runs else None
                    for name, (user, system) in spent.items():
                        report.note(
                            f"{name}, {what}: {user:.2f} ms in user code and {system:.2f} ms in the system each"
                        )
                    report.add(Line(what, "1/s", runs["Filmless"].per_second, theirs, target))
                    if "bare" in runs:
                        of = "a bare receive-hash-sync loop"
                        report.add(Line(what, "1/s", runs["Filmless"].per_second, runs["bare"].per_second, 0.7, of=of))

        study = Source(5, MB_05).study(60 if args.quick else 200)
        moved: dict[str, Run] = {}
        got: dict[str, Run] = {}
        for name, peer in peers.items():
            store(peer, [study], quickack=True)
            moves = [move(peer, sink, servers.SINK_AE, study[0].study) for _ in range(rounds)]
            moved[name] = _median(moves)
            got[name] = _median([get(peer, study[0].study) for _ in range(rounds)])
        receiver = Peer("127.0.0.1", sink.port, servers.SINK_AE)
        bare_sender = _median([store(receiver, [study], quickack=True) for _ in range(max(3, rounds))])
        for what, runs in (("C-MOVE", moved), ("C-GET", got)):
            theirs = runs["Orthanc"].mb_per_second if "Orthanc" in runs else None
            words, ours = f"{what} of {len(study)} x 0.5 MB", runs["Filmless"].mb_per_second
            report.add(Line(words, "MB/s", ours, theirs, 3.0))
            of = "sending the same from memory, and nothing else"
            report.add(Line(words, "MB/s", ours, bare_sender.mb_per_second, 0.7, of=of))
    report.finish(args.json)
    return 0


if __name__ == "__main__":
    sys.exit(main())
