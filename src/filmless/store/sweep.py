"""Cleans up what a crash left: adopts whole blobs that no row points at, removes temporary files, tells of lost blobs.

Only what changed since the last sweep is looked at: a folder's time says when a blob last came into it; the objects of
a bucket are all listed. What is younger than `sweep_age_s` may still be on its way to its row and is left for later.
"""

from __future__ import annotations

import time
import uuid
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from typing import Any, Final

import structlog
from sqlalchemy import Select, Table, select

from filmless.access.principal import SYSTEM, Principal
from filmless.archive import Archive
from filmless.archive.blobs import Blobs
from filmless.archive.jobs import JobContext
from filmless.archive.limits import scan_limits
from filmless.archive.tables import instances, non_patient_instances, renditions, series
from filmless.archive.walks import find_stored
from filmless.errors import Conflict, NotFound, Refused
from filmless.store.damage import Finding, is_halted, tell
from filmless.store.facts import read_facts
from filmless.store.kept import find_kept
from filmless.store.marks import is_deleted
from filmless.store.receive import keep, record_refusal

logger = structlog.get_logger()

_NOTE: Final = "swept"
_CLOCK_SKEW_S: Final = 3600.0
_CANDIDATES_AT_ONCE: Final = 100_000
_ROWS_AT_ONCE: Final = 2000


@dataclass(slots=True)
class SweepResult:
    """What a sweep did."""

    adopted: int = 0
    removed: int = 0
    quarantined: int = 0
    missing: int = 0


def sweep(archive: Archive, *, check: Callable[[], None] = lambda: None) -> SweepResult:
    """Sweep once. `check` is called now and then and may raise to stop it. Raises Unavailable."""
    started_at = time.time()
    result = SweepResult()
    since = swept_at(archive) - archive.settings.sweep_age_s - _CLOCK_SKEW_S
    before = started_at - archive.settings.sweep_age_s
    for blobs in (archive.blobs, archive.quarantine, archive.metadata_objects, archive.renditions, archive.trash):
        for path in blobs.leftovers(before):
            path.unlink(missing_ok=True)
            result.removed += 1
    principal = SYSTEM("sweep")
    for candidates in _candidates(archive.blobs, since, before):
        check()
        for key in sorted(_without(candidates, _recent_blobs(archive, since))):
            _adopt(archive, principal, key, result)
    derived = ((archive.metadata_objects, _METADATA_OBJECTS), (archive.renditions, _RENDITIONS))
    for blobs, query in derived:
        for candidates in _candidates(blobs, since, before):
            check()
            for key in _without(candidates, _named(archive, query)):
                blobs.delete(key)
                result.removed += 1
    for key in _recent_blobs(archive, since):
        if archive.blobs.length(key) is None and not _tell_missing(archive, key, result):
            logger.error("sweep_halted", missing=result.missing)
            return result  # without its note: the next one looks at the same again
    archive.blobs.write_note(_NOTE, str(started_at))
    logger.info(
        "swept",
        adopted=result.adopted,
        removed=result.removed,
        quarantined=result.quarantined,
        missing=result.missing,
    )
    return result


def sweep_job(archive: Archive, _args: dict[str, Any], job: JobContext) -> None:
    """The scheduled sweep."""
    sweep(archive, check=job.check)


def swept_at(archive: Archive) -> float:
    """When the last sweep that was finished began; 0 before the first."""
    try:
        return float(archive.blobs.read_note(_NOTE) or 0.0)
    except ValueError:  # empty, as an earlier Filmless left it: everything is looked at once more
        return 0.0


def _candidates(blobs: Blobs, since: float, before: float) -> Iterator[set[str]]:
    """Keys of blobs that came between two times, in sets that fit into memory."""
    found: set[str] = set()
    for key in blobs.keys_changed(since, before):
        found.add(key)
        if len(found) >= _CANDIDATES_AT_ONCE:
            yield found
            found = set()
    if found:
        yield found


def _without(candidates: set[str], referenced: Iterable[str]) -> set[str]:
    candidates.difference_update(referenced)
    return candidates


def _recent_blobs(archive: Archive, since: float) -> Iterator[str]:
    """Keys of the instances recorded since a time, newest first; then of those that belong to no patient."""
    yield from _recent_of(archive, instances, since)
    yield from _recent_of(archive, non_patient_instances, since)


def _recent_of(archive: Archive, table: Table, since: float) -> Iterator[str]:
    last = None
    while True:
        query = select(table.c.id, table.c.blob, table.c.created_at).order_by(table.c.id.desc())
        if last is not None:
            query = query.where(table.c.id < last)
        with archive.reading() as session:
            rows = session.execute(query.limit(_ROWS_AT_ONCE)).all()
        for row in rows:
            if row.created_at < since:
                return
            yield bytes(row.blob).hex()
        if len(rows) < _ROWS_AT_ONCE:
            return
        last = rows[-1].id


_METADATA_OBJECTS: Final = select(series.c.id, series.c.metadata_blob.label("blob")).order_by(series.c.id)
_RENDITIONS: Final = select(renditions.c.id, renditions.c.blob).order_by(renditions.c.id)


def _named(archive: Archive, query: Select[Any]) -> Iterator[str]:
    """Keys of the objects that rows name, page by page."""
    last = 0
    while True:
        with archive.reading() as session:
            rows = session.execute(query.where(query.selected_columns[0] > last).limit(_ROWS_AT_ONCE)).all()
        yield from (row.blob for row in rows if row.blob is not None)
        if len(rows) < _ROWS_AT_ONCE:
            return
        last = rows[-1].id


def _adopt(archive: Archive, principal: Principal, key: str, result: SweepResult) -> None:
    """Give a blob its rows, as reception does; what cannot have any goes to quarantine. What was deleted stays so."""
    with archive.reading() as session:
        if is_deleted(session, bytes.fromhex(key)):
            return
    try:
        if archive.blobs.digest(key) != key:
            raise Refused("its bytes do not match its digest")
        with archive.blobs.reader(key) as reader:
            facts = read_facts(reader, scan_limits(archive.settings))
            kept = find_kept(archive, facts.sop_instance_uid)
            if kept is not None and kept.blob == key:  # sent again: the blob is newer than its row
                return
            receipt = keep(archive, principal, facts, key, reader.length, request=str(uuid.uuid4()))
    except NotFound:  # settled by somebody else meanwhile
        return
    except Conflict:
        result.quarantined += 1
    except Refused as refusal:
        record_refusal(archive, principal, f"a leftover cannot be adopted: {refusal}", request=None)
        archive.blobs.move_to(archive.quarantine, key)
        result.quarantined += 1
    else:
        result.adopted += receipt.outcome == "stored"
        logger.warning("blob_adopted", blob=key, sop_instance_uid=receipt.sop_instance_uid)


def _tell_missing(archive: Archive, key: str, result: SweepResult) -> bool:
    """Raise the problem of a blob that is gone; False when there are so many that it is none of each."""
    with archive.transaction() as session:
        if is_halted(session):
            return False
        queries = [
            select(table.c.sop_instance_uid).where(table.c.blob == bytes.fromhex(key))
            for table in (instances, non_patient_instances)
        ]
        for uid in [uid for query in queries for uid in session.scalars(query)]:  # none when it was deleted meanwhile
            stored = find_stored(session, uid)
            if stored is not None:
                tell(session, SYSTEM("sweep"), Finding(stored.study_instance_uid, uid, key, "missing"))
                result.missing += 1
    return True
