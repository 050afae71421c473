"""DICOMweb and C-FIND: Filmless and Orthanc side by side on the same data, with the targets beside the figures.

    python benchmarks/web.py [--quick] [--scaled] [--json FILE] [--folder DIR]

Both get the same instances by C-STORE. Requests take turns between the servers; medians count. Answers are asked for
as each client of the service would: searches and metadata with gzip accepted, pixels as stored.
"""

from __future__ import annotations

import argparse
import sys
import tempfile
import time
from contextlib import ExitStack
from pathlib import Path

import fill
import servers
from data import Slice, Source
from load import Run, Sink, fetch, fetch_once, find, store, study_keys
from report import Line, Report, on_what
from scaled import scaled

JSON = "application/dicom+json"
OCTETS = 'multipart/related; type="application/octet-stream"; transfer-syntax=*'
STORED = 'multipart/related; type="application/dicom"; transfer-syntax=*'
CLIENTS = 8
SETTINGS = {"series_quiet_s": "2"}  # only how long it waits before it packs a series: the run is short
OHIF = "/studies?limit=101&offset=0&fuzzymatching=true&includefield=00081030%2C00080060%2C00080090%2C00100030"


class Comparison:
    """Runs the same requests against each server and reports the outcome."""

    def __init__(self, report: Report, targets: dict[str, servers.Server], seconds: float) -> None:
        self.report = report
        self.servers = targets
        self.seconds = seconds

    def both(
        self, what: str, requests: list[tuple[str, str]], target: float, *, unit: str, clients: int = 1, **headers: str
    ) -> None:
        """Fetch from each server in turn. Unit: ms (median latency), 1/s or MB/s."""
        figures = {}
        for name, server in self.servers.items():
            run = fetch(server.web, requests, clients=clients, seconds_max=self.seconds, **headers)
            if run.failed:
                self.report.note(f"{name}: {run.failed} of {run.count} answers to {what} were not 200")
            figures[name] = figure_of(run, unit)
        self.add(what, unit, figures, target)

    def add(self, what: str, unit: str, figures: dict[str, float], target: float) -> None:
        """Report one comparison."""
        line = Line(
            what, unit, figures["Filmless"], figures.get("Orthanc"), target, higher_is_better=unit.endswith("/s")
        )
        self.report.add(line)

    def finds(self, what: str, identifier: bytes, target: float, times: int) -> None:
        """Run the same C-FIND on each server."""
        figures = {}
        for name, server in self.servers.items():
            run = find(server.peer, identifier, times=times)
            figures[name] = run.median_s * 1e3
            self.report.note(f"{name}: {run.count} matches")
        self.add(what, "ms", figures, target)


def figure_of(run: Run, unit: str) -> float:
    """Take the figure of a unit out of a run."""
    return {"ms": run.median_s * 1e3, "1/s": run.per_second, "MB/s": run.mb_per_second}[unit]


def send_all(targets: dict[str, servers.Server], studies: list[list[Slice]]) -> None:
    """Put the same studies into each server, over two associations."""
    flat = [instance for study in studies for instance in study]
    half = len(flat) // 2
    for name, server in targets.items():
        run = store(server.peer, [batch for batch in (flat[:half], flat[half:]) if batch], quickack=True)
        if run.failed:
            raise RuntimeError(f"{name} refused {run.failed} instances")


def wait_until_packed(server: servers.Server) -> None:
    """Wait until the series that have become quiet are packed, as they are minutes after an examination."""
    import sqlalchemy

    engine = sqlalchemy.create_engine(server.database_url)
    end = time.monotonic() + 90
    while time.monotonic() < end:
        with engine.connect() as session:
            if not session.execute(sqlalchemy.text("SELECT count(*) FROM headers")).scalar_one():
                engine.dispose()
                return
        time.sleep(0.5)
    raise RuntimeError("series were not packed within 90 s")


def sizes_of(targets: dict[str, servers.Server], path: str, **headers: str) -> dict[str, float]:
    """Length of an answer as each server sends it, in kB."""
    return {name: len(fetch_once(server.web, path, JSON, **headers)[1]) / 1e3 for name, server in targets.items()}


def main() -> int:
    """Run the comparison."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--quick", action="store_true", help="fewer studies and seconds, for a first look")
    parser.add_argument("--json", type=Path, help="write the figures here too")
    parser.add_argument("--folder", type=Path, help="make the archives below this folder (a disk), not the default one")
    parser.add_argument(
        "--scaled", action="store_true", help="Filmless on PostgreSQL and S3 instead of SQLite and disk"
    )
    args = parser.parse_args()
    quick = args.quick
    seconds = 1.0 if quick else 4.0
    studies, slices, large = (200, 200, 10_000) if quick else (1000, 1000, 100_000)
    report = Report("Finding and giving back, DICOMweb and C-FIND" + on_what(args.scaled))
    missing = servers.orthanc_problem()
    if missing:
        report.note(f"Orthanc is not measured: {missing}")
    with ExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory(dir=args.folder)))
        settings = SETTINGS | (stack.enter_context(scaled(folder / "scaled")) if args.scaled else {})
        sink = Sink()
        stack.callback(sink.close)
        targets = {"Filmless": stack.enter_context(servers.filmless(folder / "filmless", sink.port, **settings))}
        if not missing:
            targets["Orthanc"] = stack.enter_context(servers.orthanc(folder / "orthanc", sink.port))
        ready = targets["Filmless"].ready_s
        report.add(Line("start to ready, empty", "s", ready, None, 2.0, higher_is_better=False))

        source = Source(11, 64)
        send_all(targets, [source.study(2, per_series=1) for _ in range(studies)])
        compare = Comparison(report, targets, seconds)
        label = f"at {studies:,} studies"
        page = [("/studies?limit=100", JSON)]
        compare.both(f"QIDO-RS page of 100 {label}", page, 100, unit="ms", Accept_Encoding="gzip")
        compare.both(f"QIDO-RS worklist of OHIF {label}", [(OHIF, JSON)], 100, unit="ms", Accept_Encoding="gzip")
        name = [(f"/studies?limit=100&PatientName={family}*", JSON) for family in ("Sato", "Weber", "Rossi")]
        compare.both(f"QIDO-RS by beginning of a name {label}", name, 100, unit="ms", Accept_Encoding="gzip")
        compare.finds(f"C-FIND of all {label}", study_keys(), 100, times=2 if quick else 5)
        compare.finds(f"C-FIND of one patient id {label}", study_keys(t00100020=b"P0000000000007"), 100, times=20)

        series = Source(12, 256).study(slices, per_series=slices)
        send_all(targets, [series])
        root = f"/studies/{series[0].study}/series/{series[0].series}"
        metadata = [(f"{root}/metadata", JSON)]
        wait_until_packed(targets["Filmless"])
        label = f"of a series of {slices:,}"
        compare.both(f"WADO-RS metadata {label}", metadata, 5, unit="ms", Accept_Encoding="gzip")
        compare.both(f"WADO-RS metadata {label}, no gzip", metadata, 5, unit="ms")
        compressed = sizes_of(targets, metadata[0][0], Accept_Encoding="gzip")
        plain = sizes_of(targets, metadata[0][0])
        compare.add(f"WADO-RS metadata {label}, bytes with gzip accepted", "kB", compressed, 10)
        compare.add(f"WADO-RS metadata {label}, bytes without gzip", "kB", plain, 1)
        unlike = plain | {"Filmless": compressed["Filmless"]}
        compare.add(f"WADO-RS metadata {label}, bytes with gzip against Orthanc's without", "kB", unlike, 10)
        instances = [(f"{root}/instances", JSON)]
        compare.both(f"QIDO-RS instances {label}", instances, 20, unit="ms", Accept_Encoding="gzip")
        frames = [(f"{root}/instances/{one.instance}/frames/1", OCTETS) for one in series]
        compare.both(f"WADO-RS frames of 0.13 MB, {CLIENTS} clients", frames, 2, unit="1/s", clients=CLIENTS)
        rendered = [(f"{root}/instances/{one.instance}/rendered", "image/jpeg") for one in series]
        compare.both(f"WADO-RS rendered, {CLIENTS} clients", rendered, 1, unit="1/s", clients=CLIENTS)

        study = Source(13, 512).study(60 if quick else 200)
        send_all(targets, [study])
        whole = [(f"/studies/{study[0].study}", STORED)]
        compare.both(f"WADO-RS study of {len(study)} x 0.5 MB", whole, 1.5, unit="MB/s")

        if args.scaled:
            report.note("a large index is measured on SQLite only")
            report.finish(args.json)
            return 0
        few = [(path.replace("limit=100", "limit=10"), kind) for path, kind in name]  # as many matches in both
        small = {"page": page, "name": few}
        before = {what: measure_ours(targets["Filmless"], asked, seconds) for what, asked in small.items()}
        before["find"] = find(targets["Filmless"].peer, study_keys(t00100020=b"P0000000000007"), times=20).median_s
        data = folder / "large" / "data"
        token = fill.make(data, studies=large)
        with servers.serve(data, folder / "large" / "log.txt", token) as server:
            label = f"at {large:,} studies against {studies:,}"
            report.add(
                Line(f"start to ready, {large:,} studies", "s", server.ready_s, None, 2.0, higher_is_better=False)
            )
            after = {what: measure_ours(server, asked, seconds) for what, asked in small.items()}
            after["find"] = find(server.peer, study_keys(t00100020=b"P0000000000007"), times=20).median_s
        for what, words in (
            ("page", "QIDO-RS page of 100"),
            ("name", "QIDO-RS of 10 by beginning of a name"),
            ("find", "C-FIND of one patient id"),
        ):
            flat = Line(
                f"{words} {label}", "ms", after[what] * 1e3, before[what] * 1e3, 1 / 1.3, higher_is_better=False
            )
            flat.of = "itself"
            report.add(flat)
    report.finish(args.json)
    return 0


def measure_ours(server: servers.Server, requests: list[tuple[str, str]], seconds: float) -> float:
    """Median latency of a search."""
    return fetch(server.web, requests, seconds_max=seconds / 2, Accept_Encoding="gzip").median_s


if __name__ == "__main__":
    sys.exit(main())
