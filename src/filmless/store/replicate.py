"""Keeps the replica like the archive: at once (synchronous) or by a job, every few seconds (lagging)."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable
from concurrent.futures import ThreadPoolExecutor
from itertools import islice
from typing import Any, Final

import structlog
from sqlalchemy import delete, select, update

from filmless.access.principal import SYSTEM
from filmless.archive import Archive
from filmless.archive.blobs import Blobs, copy_blob
from filmless.archive.jobs import JobContext
from filmless.archive.problems import raise_problem, settle_problem
from filmless.archive.replica import Replica, find_replica, read_backlog
from filmless.archive.sentences import say
from filmless.archive.tables import instances, problems, replica_backlog, replicas
from filmless.archive.walks import find_stored, non_patient_stored, stored_after
from filmless.errors import Damaged, NotFound, Unavailable
from filmless.store.damage import examine

logger = structlog.get_logger()

REPLICATE_S: Final = 5.0
"""The job is enqueued so often."""

_SLICE_S: Final = 20.0
_AT_ONCE: Final = 4
_PAGE: Final = 200


def take_at_once(archive: Archive, key: str, length_bytes: int) -> bool:
    """Put a new blob into a synchronous replica before its row is written; whether it is there.

    Raises
    ------
    Unavailable: the replica is away, and `replica_away` says that nothing is taken in without it.
    """
    replica = archive.replica
    if replica is None or not replica.is_synchronous:
        return False
    try:
        blobs = replica.ready(archive)
        if blobs.length(key) != length_bytes:
            copy_blob(archive.blobs, blobs, key)
    except NotFound:  # it is on its way back from the trash
        return False
    except Unavailable as error:
        if not replica.may_degrade:
            raise Unavailable(f"nothing is kept without the replica: {error}", retry_after_s=30) from error
        logger.warning("replica_degraded", blob=key, reason=str(error))
        return False
    return True


def replicate(archive: Archive, *, is_stopping: Callable[[], bool] = lambda: False) -> None:
    """Work off what waits, then bring over what is older than the replica: for a while; the next time goes on there.

    A replica that is away is a problem until it is back, and no error. `is_stopping` is asked often.
    """
    replica = archive.replica
    if replica is None:
        return
    until = time.monotonic() + _SLICE_S

    def goes_on() -> bool:
        return time.monotonic() < until and not is_stopping()

    try:
        blobs = replica.prepare(archive)
        with ThreadPoolExecutor(_AT_ONCE) as pool:
            _work_off(archive, blobs, pool, goes_on)
            _fill(archive, replica, blobs, pool, goes_on)
    except Unavailable as error:
        with archive.transaction() as session:
            waiting = read_backlog(session).blobs
            raise_problem(
                session,
                "replica",
                "away",
                say("replica_away", error=str(error), count=waiting),
                say("replica_away_do"),
            )
        return
    with archive.reading() as session:
        is_told = session.execute(select(problems.c.key).where(problems.c.kind == "replica")).first() is not None
    if is_told:
        with archive.transaction() as session:
            settle_problem(session, "replica", "away")


def replicate_job(archive: Archive, _args: dict[str, Any], job: JobContext) -> None:
    """The scheduled run."""

    def is_stopping() -> bool:
        job.check()
        return job.is_stopping

    replicate(archive, is_stopping=is_stopping)


def _work_off(archive: Archive, blobs: Blobs, pool: ThreadPoolExecutor, goes_on: Callable[[], bool]) -> None:
    """Do what the rows of the backlog say, the oldest first; a row that was written again meanwhile stays."""
    query = select(replica_backlog.c.blob, replica_backlog.c.is_wanted, replica_backlog.c.at)
    while goes_on():
        with archive.reading() as session:
            rows = session.execute(query.order_by(replica_backlog.c.at).limit(_PAGE)).all()
        if not rows:
            return
        _all(pool.map(lambda row: _reconcile(archive, blobs, row.blob, bool(row.is_wanted)), rows))
        with archive.transaction() as session:
            for blob, _, at in rows:
                done = (replica_backlog.c.blob == blob, replica_backlog.c.at == at)
                session.execute(delete(replica_backlog).where(*done))


def _reconcile(archive: Archive, blobs: Blobs, key: str, is_wanted: bool) -> None:
    if not is_wanted and archive.blobs.length(key) is None:
        blobs.delete(key)
    else:
        _bring(archive, blobs, key)


def _bring(archive: Archive, blobs: Blobs, key: str) -> None:
    """Copy a blob unless it is there. One that is not whole here is told as the scrub does."""
    length = archive.blobs.length(key)
    try:
        if length is None or blobs.length(key) != length:
            copy_blob(archive.blobs, blobs, key)
    except (Damaged, NotFound):
        query = select(instances.c.sop_instance_uid).where(instances.c.blob == bytes.fromhex(key))
        with archive.reading() as session:
            found = [find_stored(session, uid) for uid in session.scalars(query)]
        for stored in found:
            if stored is not None:
                examine(archive, SYSTEM("replicate"), stored)


def _fill(
    archive: Archive, replica: Replica, blobs: Blobs, pool: ThreadPoolExecutor, goes_on: Callable[[], bool]
) -> None:
    """Bring over the instances that are older than the replica, in the order of their keys."""
    with archive.reading() as session:
        known = find_replica(session, replica.url)
    if known is None or known.filled_at is not None:
        return
    rest = iter(stored_after(archive, known.position))
    while goes_on():
        page = list(islice(rest, _PAGE))
        _all(pool.map(lambda stored: _bring(archive, blobs, stored.blob), page))
        if not page:
            _all(pool.map(lambda stored: _bring(archive, blobs, stored.blob), non_patient_stored(archive)))  # few
        values: dict[str, Any] = {"position": page[-1].key} if page else {"filled_at": time.time()}
        with archive.transaction() as session:
            session.execute(update(replicas).where(replicas.c.url == replica.url).values(values))
        if not page:
            return


def _all(results: Iterable[None]) -> None:
    for _ in results:
        pass
