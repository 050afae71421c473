"""How the cost of the index grows: the same questions to indexes of 10^4 to 10^7 instances, and one more instance each.

    python benchmarks/scale.py [--largest 10000000] [--folder DIR [--keep]] [--json FILE]

Each study is one series of 100 instances. The rows are made past the doors and have no blobs, so only the index is
asked; what is stored on top of it is real. By a name, 5 of 100 studies are found and 100 of more than 2,000: what
grows up to there is the answer. Ten million instances take 2.5 GB and some minutes.
"""

from __future__ import annotations

import argparse
import random
import sys
import time
from collections.abc import Callable
from contextlib import ExitStack
from pathlib import Path
from tempfile import TemporaryDirectory

sys.path.insert(0, str(Path(__file__).resolve().parent.parent / "src"))

import fill
from data import CT_STORAGE, EXPLICIT_LE, Source
from report import Line, Report
from sqlalchemy import select

from filmless.access.policy import EVERYTHING
from filmless.access.principal import Principal
from filmless.archive import Archive
from filmless.archive.tables import instances, series, studies
from filmless.config import Settings
from filmless.query.search import Level, Options, Query, find_all, find_page, read_query
from filmless.retrieve.instances import find_instances
from filmless.store.receive import begin

PER_STUDY = 100
WANTED = dict.fromkeys(
    ("00080020", "00080030", "00080050", "00080061", "00100010", "00100020", "0020000D", "00201206", "00201208")
)


def median_ms(work: Callable[[], object], times: int) -> float:
    """Median time of a piece of work."""
    taken = []
    for _ in range(times):
        began = time.perf_counter()
        work()
        taken.append(time.perf_counter() - began)
    return sorted(taken)[len(taken) // 2] * 1e3


class Asked:
    """The questions that an archive is asked."""

    def __init__(self, archive: Archive, instances_kept: int) -> None:
        self.archive = archive
        self.principal = Principal("person", 1, "bench", frozenset({"administrator"}), EVERYTHING, "127.0.0.1", "http")
        self.peer = Principal("peer", 1, "BENCH", frozenset({"store"}), EVERYTHING, "127.0.0.1", "dimse")
        self.stream = random.Random(7)
        with archive.reading() as session:
            row = session.execute(
                select(studies.c.study_instance_uid, studies.c.patient_id, series.c.series_instance_uid)
                .join(series, series.c.study_key == studies.c.id)
                .where(studies.c.id == instances_kept // PER_STUDY // 2 + 1)
            ).one()
            self.study, self.patient, self.series = row
            self.instance = session.scalar(
                select(instances.c.sop_instance_uid)
                .join(series, series.c.id == instances.c.series_key)
                .where(series.c.series_instance_uid == self.series)
                .limit(1)
            )
        self.new = iter(Source(time.time_ns(), 64).study(400))  # in a kept archive too they are new

    def page(self, level: Level, **keys: str) -> Callable[[], object]:
        identifier = {
            tag[1:]: {
                "vr": {"t00100010": "PN", "t0020000D": "UI", "t0020000E": "UI"}.get(tag, "LO"),
                "Value": [{"Alphabetic": value}] if tag == "t00100010" else [value],
            }
            for tag, value in keys.items()
        }
        query: Query = read_query(level, identifier, Options(relational=True), wanted=WANTED)
        return lambda: find_page(self.archive, self.principal, query, limit=100)

    def all_of_a_study(self) -> object:
        query = read_query(
            Level.IMAGE, {"0020000D": {"vr": "UI", "Value": [self.study]}}, Options(relational=True), wanted=WANTED
        )
        return list(find_all(self.archive, self.principal, query))

    def one_instance(self) -> object:
        return list(find_instances(self.archive, self.principal, sop_uids=[str(self.instance)]))

    def one_more(self) -> object:
        made = next(self.new)
        reception = begin(
            self.archive,
            self.peer,
            sop_class_uid=CT_STORAGE,
            sop_instance_uid=made.instance,
            transfer_syntax_uid=EXPLICIT_LE,
            request="bench",
        )
        reception.write(made.head + made.tail)
        return reception.finish()

    def questions(self) -> dict[str, tuple[Callable[[], object], int]]:
        """Each with how often it is asked."""
        return {
            "page of 100 studies": (self.page(Level.STUDY), 30),
            "studies by beginning of a name": (self.page(Level.STUDY, t00100010="Sato*"), 30),
            "study by patient id": (self.page(Level.STUDY, t00100020=self.patient), 30),
            "instances of a series (page of 100)": (self.page(Level.IMAGE, t0020000E=self.series), 30),
            "all instances of a study": (self.all_of_a_study, 30),
            "one instance by its UID": (self.one_instance, 100),
            "one more instance of 8 kB received": (self.one_more, 300),
        }


def main() -> int:
    """Run it."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--largest", type=int, default=10_000_000)
    parser.add_argument("--folder", type=Path, help="make the archives below this folder")
    parser.add_argument("--keep", action="store_true", help="leave the archives in --folder, and use those left there")
    parser.add_argument("--json", type=Path, help="write the figures here too")
    options = parser.parse_args()
    report = Report("How cost grows with the index; 'other' is the smallest of them")
    sizes = [10**power for power in range(4, 9) if 10**power <= options.largest]
    with ExitStack() as stack:
        root = options.folder if options.keep else Path(stack.enter_context(TemporaryDirectory(dir=options.folder)))
        asked: dict[int, dict[str, tuple[Callable[[], object], int]]] = {}
        for size in sizes:
            data = root / str(size)
            if not data.exists():
                began = time.perf_counter()
                fill.make(data, studies=size // PER_STUDY, instances=PER_STUDY)
                report.note(f"{size:,} instances: made in {time.perf_counter() - began:,.0f} s")
            length = sum(path.stat().st_size for path in data.glob("filmless.db*"))
            report.note(f"{size:,} instances: {length / size:,.0f} bytes each in the database")
            asked[size] = Asked(stack.enter_context(Archive.open(Settings(data=data))), size).questions()
        for what in asked[sizes[0]]:  # all sizes one after another, so that they meet the machine in one mood
            first = None
            for size in sizes:
                work, times = asked[size][what]
                figure = median_ms(work, times)
                target = 1 / (1.2 if "more" in what else 1.3) if first is not None else None
                line = Line(f"{what}, {size:,}", "ms", figure, first, target, higher_is_better=False)
                line.of = "the smallest"
                report.add(line)
                first = first if first is not None else figure
    report.finish(options.json)
    return 0


if __name__ == "__main__":
    sys.exit(main())
