"""/healthz: this process runs. /readyz: it can serve. /metrics: for Prometheus, for administrators only."""

from __future__ import annotations

import json
import os
import shutil
import time
from collections.abc import Iterable, Iterator
from datetime import UTC, datetime
from typing import Any

import anyio
import anyio.to_thread
import sqlalchemy as sa
from prometheus_client import CONTENT_TYPE_LATEST, CollectorRegistry, generate_latest, multiprocess
from prometheus_client.core import GaugeMetricFamily, Metric
from starlette.concurrency import run_in_threadpool
from starlette.types import Receive, Scope, Send

from filmless.access import policy
from filmless.archive import Archive, tables
from filmless.archive.problems import count_problems
from filmless.archive.replica import Backlog, read_backlog
from filmless.archive.walks import Walk, read_walk
from filmless.errors import NotAllowed
from filmless.health.faults import FAULTS, Finding
from filmless.health.watch import Watch
from filmless.store import scrub
from filmless.store.damage import KINDS

ASKED_AT_ONCE = 4


class Health:
    """ASGI application of the three paths."""

    def __init__(self, archive: Archive, watch: Watch) -> None:
        self.archive = archive
        self.watch = watch
        # Not in the pool of all requests: while the database hangs, that is full of those who wait for it.
        self._limiter = anyio.CapacityLimiter(ASKED_AT_ONCE)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer in plain text; /metrics in Prometheus's format."""
        if scope["path"] == "/healthz":
            await _answer(send, 200, b"ok\n")
        elif scope["path"] == "/readyz":
            faults = await anyio.to_thread.run_sync(self.watch.faults, limiter=self._limiter)
            body, media_type = describe(faults, scope["headers"])
            await _answer(send, 503 if faults else 200, body, media_type)
        else:
            await self._metrics(scope, send)

    async def _metrics(self, scope: Scope, send: Send) -> None:
        principal = scope.get("filmless.principal")
        if principal is None:
            await _answer(send, 401, b"Send an API token of an administrator as Authorization: Bearer.\n")
            return
        try:
            policy.require(principal, policy.Action.ADMINISTER)
        except NotAllowed as error:
            await _answer(send, 403, f"{error}\n".encode())
            return
        body = await run_in_threadpool(read_metrics, self.archive)
        await _answer(send, 200, body, CONTENT_TYPE_LATEST.encode())


async def _answer(send: Send, status: int, body: bytes, media_type: bytes = b"text/plain; charset=utf-8") -> None:
    headers = [
        (b"content-type", media_type),
        (b"content-length", str(len(body)).encode()),
        (b"cache-control", b"no-store"),
    ]
    await send({"type": "http.response.start", "status": status, "headers": headers})
    await send({"type": "http.response.body", "body": body})


def describe(faults: list[Finding], headers: Iterable[tuple[bytes, bytes]]) -> tuple[bytes, bytes]:
    """Name what stops service, for anyone: kinds of fault, and no names, addresses or paths. Gives body, media type.

    One line of text each for probes; as JSON, with what it means and what to do, for the screen.
    """
    accept = b",".join(value for name, value in headers if name == b"accept")
    if b"application/json" in accept:
        told = [
            {
                "code": fault.code,
                "since": _iso(fault.since),
                "what": FAULTS[fault.code].title,
                "means": FAULTS[fault.code].means,
                "whatToDo": FAULTS[fault.code].what_to_do,
            }
            for fault in faults
        ]
        return json.dumps({"isReady": not faults, "faults": told}).encode(), b"application/json"
    lines = [f"{fault.code}: {FAULTS[fault.code].title}" for fault in faults] or ["ready"]
    return "".join(f"{line}\n" for line in lines).encode(), b"text/plain; charset=utf-8"


def _iso(at: float | None) -> str | None:
    return None if at is None else datetime.fromtimestamp(at, UTC).isoformat().replace("+00:00", "Z")


class ArchiveCollector:
    """Figures that the database knows, the same whichever process is asked."""

    def __init__(self, archive: Archive) -> None:
        self.archive = archive

    def collect(self) -> Iterator[Metric]:
        """Yield the gauges."""
        usage = shutil.disk_usage(self.archive.settings.data)
        yield GaugeMetricFamily("filmless_disk_free_bytes", "Free bytes where the data folder is.", value=usage.free)
        with self.archive.reading() as session:
            sums = session.execute(
                sa.select(
                    sa.func.count(),
                    sa.func.coalesce(sa.func.sum(tables.studies.c.number_of_study_related_instances), 0),
                    sa.func.coalesce(sa.func.sum(tables.studies.c.size_bytes), 0),
                ).select_from(tables.studies)
            ).one()
            jobs = session.execute(sa.select(tables.jobs.c.state, sa.func.count()).group_by(tables.jobs.c.state)).all()
            found = count_problems(session)
            walk = read_walk(session, scrub.WALK)
            backlog = None if self.archive.replica is None else read_backlog(session)
        yield GaugeMetricFamily("filmless_studies", "Studies kept.", value=sums[0])
        yield GaugeMetricFamily("filmless_instances", "Instances kept.", value=sums[1])
        yield GaugeMetricFamily("filmless_stored_bytes", "Bytes of the instances kept.", value=sums[2])
        by_state = GaugeMetricFamily("filmless_jobs", "Jobs by state.", labels=["state"])
        for state, count in jobs:
            by_state.add_metric([str(state)], count)
        yield by_state
        yield from gauge_problems(found)
        yield from gauge_scrub(walk)
        if backlog is not None:
            yield from gauge_replica(backlog)
        yield GaugeMetricFamily("filmless_time_seconds", "Our clock, to compare with others'.", value=time.time())


def gauge_problems(found: dict[str, int]) -> Iterator[Metric]:
    """Yield what an administrator must act on; damaged and missing blobs also when there are none."""
    by_kind = GaugeMetricFamily("filmless_problems", "Problems that need a person, by kind.", labels=["kind"])
    for kind, count in sorted((dict.fromkeys(KINDS, 0) | found).items()):
        by_kind.add_metric([kind], count)
    yield by_kind


def gauge_replica(backlog: Backlog) -> Iterator[Metric]:
    """Yield what the replica has yet to get."""
    yield GaugeMetricFamily("filmless_replica_waiting", "Blobs that wait for the replica.", value=backlog.blobs)
    yield GaugeMetricFamily(
        "filmless_replica_waiting_since_seconds",
        "Since when the oldest of them waits; 0: none does.",
        value=backlog.oldest_at or 0.0,
    )


def gauge_scrub(walk: Walk) -> Iterator[Metric]:
    """Yield how far the verification of all kept bytes is."""
    yield GaugeMetricFamily(
        "filmless_scrub_round_instances", "Instances verified in this round, or the last.", value=walk.instances
    )
    yield GaugeMetricFamily(
        "filmless_scrub_round_bytes", "Bytes verified in this round, or the last.", value=walk.size_bytes
    )
    yield GaugeMetricFamily(
        "filmless_scrub_round_began_seconds", "When this round, or the last, began; 0: none.", value=walk.began_at
    )
    yield GaugeMetricFamily(
        "filmless_scrub_round_ended_seconds",
        "When the last round that was whole ended; 0: none.",
        value=walk.ended_at or 0.0,
    )


def read_metrics(archive: Archive) -> bytes:
    """Return all metrics, summed over the processes of this machine."""
    registry = CollectorRegistry()
    if os.environ.get("PROMETHEUS_MULTIPROC_DIR"):
        collect: Any = multiprocess.MultiProcessCollector
        collect(registry)
    collector: Any = ArchiveCollector(archive)
    registry.register(collector)
    return bytes(generate_latest(registry))
