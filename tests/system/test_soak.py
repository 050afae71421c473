"""Hours of mixed load in which processes are killed at random, and afterwards every invariant (`make soak`)."""

from __future__ import annotations

import hashlib
import json
import os
import random
import signal
import sqlite3
import threading
import time
from collections import Counter
from collections.abc import Callable, Collection, Hashable, Iterator
from pathlib import Path

import pytest

import mixed_load
from hostile_wire import anonymous_mib
from listening import scp
from running import RunningServer, children_of, filmless
from wire import Scp

__all__ = ["scp"]

MINUTES = float(os.environ.get("FILMLESS_SOAK_MINUTES", "60"))
SETTINGS = {
    "series_quiet_s": 3,
    "sweep_interval_s": 5,
    "sweep_age_s": 20,
    "job_backoff_s": 1,
    "job_lease_s": 10,
    "associations_max": 64,
    "associations_per_peer_max": 48,
    "web_workers": 2,
    "dicom_processes": 2,
}
GROWS_MIB = 96.0
STANDS_STILL_S = 300.0
PERIODIC = {"sweep", "scrub", "tidy", "tidy_worklist", "check_peers", "empty_trash"}  # app/worker.py

pytestmark = [pytest.mark.soak, pytest.mark.system, pytest.mark.timeout(int(MINUTES * 60) + 1800)]


@pytest.fixture
def soaked(tmp_path: Path) -> Iterator[RunningServer]:
    server = RunningServer(tmp_path / "data", settings=dict(SETTINGS))
    server.start()
    server.admit()
    server.sign_in()
    yield server
    server.stop()


def memory_of(server: RunningServer) -> dict[int, float]:
    """MiB that each process of the server has allocated, by pid; decoders too."""
    assert server.process
    found: dict[int, float] = {}
    waiting = [server.process.pid]
    while waiting:
        pid = waiting.pop()
        try:
            found[pid] = anonymous_mib(pid)
            waiting += children_of(pid)
        except OSError:  # it ended meanwhile
            continue
    return found


def kill_until(server: RunningServer, end: float, chance: random.Random) -> Counter[str]:
    """Kill -9: a process, one of the processes below it, and now and then all with the supervisor."""
    killed: Counter[str] = Counter()
    while time.monotonic() < end:
        time.sleep(chance.uniform(0.5, 6))
        assert server.process
        if chance.random() < 0.05:
            server.stop(signal.SIGKILL)
            server.start(with_admin=False)
            killed["everything"] += 1
            continue
        children = set(children_of(server.process.pid))
        below = set(memory_of(server)) - children - {server.process.pid}  # decoders and their like
        victims = sorted(below if below and chance.random() < 0.3 else children)
        if victims:
            try:
                os.kill(chance.choice(victims), signal.SIGKILL)
            except ProcessLookupError:
                continue
            killed["one process"] += 1
    return killed


def watch_until(server: RunningServer, end: float) -> list[dict[int, float]]:
    """Look at the memory once a second, while nothing is killed."""
    seen = []
    while time.monotonic() < end:
        seen.append(memory_of(server))
        time.sleep(1)
    return seen


def growth(seen: list[dict[int, float]]) -> dict[int, float]:
    """How much more each process has at the end than after the first quarter: means of a tenth of the time each."""
    tenth = max(len(seen) // 10, 1)
    early, late = seen[len(seen) // 4 :][:tenth], seen[-tenth:]
    lasting = set.intersection(*(set(each) for each in early + late))
    return {
        pid: sum(each[pid] for each in late) / tenth - sum(each[pid] for each in early) / len(early) for pid in lasting
    }


def states_of_jobs(database: Path) -> Counter[str]:
    with sqlite3.connect(database, timeout=30) as connection:
        return Counter(dict(connection.execute("select state, count(*) from jobs group by state")))


def jobs_left(database: Path) -> set[tuple[int, str]]:
    """Jobs that wait or run, but for those that come again by the clock, and renditions, which are made at leisure."""
    with sqlite3.connect(database, timeout=30) as connection:
        rows = connection.execute("select id, name from jobs where state in ('running', 'waiting')")
        return {(key, name) for key, name in rows if name not in PERIODIC | {"make_renditions"}}


def until_none(left: Callable[[], Collection[Hashable]]) -> None:
    """Wait until nothing is left, as long as something of it goes: a busy machine is slow, a stuck server stands still.

    The time of the whole test bounds it all.
    """
    before, since = set(left()), time.monotonic()
    while before:
        time.sleep(0.5)
        now = set(left())
        if before - now:
            since = time.monotonic()
        assert time.monotonic() - since < STANDS_STILL_S, f"{len(now)} left: {sorted(map(str, now))[:20]}"
        before = now


def check_rows(database: Path, ledger: mixed_load.Ledger, blobs: Path) -> None:
    """Every acknowledged instance is there, to the byte; nothing is there that was not sent; all counts are right."""
    with sqlite3.connect(database, timeout=30) as connection:
        rows = connection.execute(
            "select sop_instance_uid, lower(hex(blob)), length_bytes, dataset_offset from instances"
        ).fetchall()
        kept = {row[0] for row in rows}
        assert len(kept) == len(rows)
        assert set(ledger.acknowledged) <= kept <= set(ledger.sent) - ledger.deleted
        for uid, key, length, offset in rows:
            blob = (blobs / key[:3] / f"{key}.dcm").read_bytes()
            assert (len(blob), hashlib.sha256(blob).hexdigest()) == (length, key)
            assert hashlib.sha256(blob[offset:]).hexdigest() == ledger.sent[uid], uid
        counted = """
            select x.number_of_series_related_instances, x.size_bytes, count(i.id), coalesce(sum(i.length_bytes), 0)
            from series x left join instances i on i.series_key = x.id group by x.id
        """
        assert [row for row in connection.execute(counted) if row[:2] != row[2:]] == []
        counted = """
            select s.number_of_study_related_instances, s.number_of_study_related_series, s.size_bytes,
                   sum(x.number_of_series_related_instances), count(x.id), sum(x.size_bytes)
            from studies s left join series x on x.study_key = s.id group by s.id
        """
        assert [row for row in connection.execute(counted) if row[:3] != row[3:]] == []
        assert connection.execute("select kind, key, what from problems").fetchall() == []
        on_disk = {path.stem for path in blobs.glob("*/*.dcm")}
        assert on_disk == {row[1] for row in rows}  # what was deleted lies in the trash


def leftovers(data: Path) -> list[Path]:
    return [path for name in ("blobs/incoming", "spool") for path in (data / name).glob("*") if path.is_file()]


def bugs_in(log: str) -> list[str]:
    """Events with a traceback: what is no fault of the kills is a bug."""
    found = []
    for line in log.splitlines():
        try:
            event = json.loads(line)
        except ValueError:
            continue
        if event.get("exception"):
            found.append(f"{event.get('event')}: {event['exception'][-600:]}")
    return found


def test_mixed_load_with_random_kills_breaks_no_invariant(soaked: RunningServer, scp: Callable[..., Scp]) -> None:
    ledger, stop, wrong = mixed_load.Ledger(), threading.Event(), list[str]()
    destination = scp(store=mixed_load.arrivals(ledger, wrong))
    soaked.admit("DEST", allow="echo,store", port=destination.port)
    kinds: list[type[mixed_load.Actor]] = [mixed_load.Modality] * 3
    kinds += [
        mixed_load.Gateway,
        mixed_load.Tidier,
        mixed_load.Searcher,
        mixed_load.Reader,
        mixed_load.Reader,
        mixed_load.Mover,
    ]
    actors = [kind(soaked, ledger, stop, number) for number, kind in enumerate(kinds)]
    began = time.monotonic()
    for actor in actors:
        actor.start()
    killed = kill_until(soaked, began + MINUTES * 30, random.Random(20261124))
    before_calm = len(ledger.acknowledged)
    seen = watch_until(soaked, began + MINUTES * 60)
    stop.set()
    for actor in actors:
        actor.join(90)
        wrong += actor.wrong
    done = {actor.name: dict(actor.turns) for actor in actors}
    print(json.dumps({"killed": killed, "acknowledged": len(ledger.acknowledged), "done": done}, indent=1))

    assert wrong == []
    assert [actor.name for actor in actors if actor.is_alive()] == []
    assert killed.total() >= MINUTES
    assert 0 < before_calm < len(ledger.acknowledged)
    assert all(actor.turns for actor in actors)

    database = soaked.data / "filmless.db"
    until_none(lambda: jobs_left(database))
    assert states_of_jobs(database)["parked"] == 0
    until_none(lambda: leftovers(soaked.data))
    grown = growth(seen)
    print(json.dumps({"MiB grown in the calm half": grown, "at its end": seen[-1]}, indent=1))
    assert max(grown.values()) < GROWS_MIB, grown
    assert soaked.stop() == 0
    check_rows(database, ledger, soaked.data / "blobs")
    verified = filmless(soaked.data, "verify", check=False)
    assert verified.returncode == 0, verified.stdout
    assert bugs_in(soaked.log()) == []
