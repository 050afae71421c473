"""/healthz: this process runs. /readyz: it can serve. /metrics: for Prometheus, for administrators only."""

from __future__ import annotations

import os
import shutil
import time
from collections.abc import Iterator
from typing import Any

import sqlalchemy as sa
from prometheus_client import CONTENT_TYPE_LATEST, CollectorRegistry, generate_latest, multiprocess
from prometheus_client.core import GaugeMetricFamily, Metric
from starlette.concurrency import run_in_threadpool
from starlette.types import Receive, Scope, Send

from filmless.access import policy
from filmless.archive import Archive, tables
from filmless.archive.problems import count_problems
from filmless.archive.walks import Walk, read_walk
from filmless.errors import FilmlessError, NotAllowed
from filmless.store import scrub
from filmless.store.damage import KINDS


class Health:
    """ASGI application of the three paths."""

    def __init__(self, archive: Archive) -> None:
        self.archive = archive

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer in plain text; /metrics in Prometheus's format."""
        if scope["path"] == "/healthz":
            await _answer(send, 200, b"ok\n")
        elif scope["path"] == "/readyz":
            problem = await run_in_threadpool(find_problem, self.archive)
            await _answer(send, 503 if problem else 200, f"{problem or 'ready'}\n".encode())
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


def find_problem(archive: Archive) -> str | None:
    """Return why this process cannot serve, or None."""
    try:
        with archive.reading() as session:
            session.execute(sa.select(1)).scalar_one()
        free = shutil.disk_usage(archive.settings.data).free
    except (FilmlessError, OSError, sa.exc.SQLAlchemyError):
        return "the database or the data folder does not answer"
    try:
        archive.blobs.check()
    except FilmlessError as error:
        return str(error)
    if free < archive.settings.disk_reserve_bytes:
        return "the disk of the data folder is full: nothing new is accepted until there is room"
    return None


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
        yield GaugeMetricFamily("filmless_studies", "Studies kept.", value=sums[0])
        yield GaugeMetricFamily("filmless_instances", "Instances kept.", value=sums[1])
        yield GaugeMetricFamily("filmless_stored_bytes", "Bytes of the instances kept.", value=sums[2])
        by_state = GaugeMetricFamily("filmless_jobs", "Jobs by state.", labels=["state"])
        for state, count in jobs:
            by_state.add_metric([str(state)], count)
        yield by_state
        yield from gauge_problems(found)
        yield from gauge_scrub(walk)
        yield GaugeMetricFamily("filmless_time_seconds", "Our clock, to compare with others'.", value=time.time())


def gauge_problems(found: dict[str, int]) -> Iterator[Metric]:
    """Yield what an administrator must act on; damaged and missing blobs also when there are none."""
    by_kind = GaugeMetricFamily("filmless_problems", "Problems that need a person, by kind.", labels=["kind"])
    for kind, count in sorted((dict.fromkeys(KINDS, 0) | found).items()):
        by_kind.add_metric([kind], count)
    yield by_kind


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
