"""The trash: where the bytes of what was deleted lie until `trash_keep_s` is over, and the way back. (ADR-0018)"""

from __future__ import annotations

import contextlib
import time
import uuid
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any, Final

import structlog
from sqlalchemy import ColumnElement, Connection, delete, select, update

from filmless.access import audit, policy
from filmless.access.policy import Action
from filmless.access.principal import SYSTEM, Principal
from filmless.archive import Archive
from filmless.archive.blobs import BlobReader
from filmless.archive.events import publish
from filmless.archive.jobs import JobContext, enqueue
from filmless.archive.limits import scan_limits
from filmless.archive.replica import want_in_replica
from filmless.archive.tables import deleted_instances, deletions, series
from filmless.errors import Conflict, NotFound, Refused
from filmless.store.facts import read_facts
from filmless.store.kept import find_kept
from filmless.store.marks import hold
from filmless.store.receive import keep

logger = structlog.get_logger()

_MARKS_AT_ONCE: Final = 200
_MARK_KEEP_S: Final = 86400.0
"""A mark outlives its bytes so long: whoever received them at that very moment finds it, and asks for them again."""


@dataclass(frozen=True, slots=True)
class Deletion:
    """What was deleted, by whom and why. Times are seconds since 1970."""

    id: int
    at: float
    actor: str
    reason: str
    level: str
    study_instance_uid: str
    series_instance_uid: str | None
    sop_instance_uid: str | None
    patient_id: str
    patient_name: str
    study_date: str
    study_description: str
    number_of_instances: int
    size_bytes: int
    purge_at: float
    restored_at: float | None
    purged_at: float | None


_COLUMNS: Final = [deletions.c[name] for name in Deletion.__slots__]


def list_deletions(
    archive: Archive, principal: Principal, *, limit: int, cursor: int | None = None
) -> tuple[list[Deletion], int | None]:
    """What was deleted, the latest first; the second value is the cursor of the next page, None at the end.

    Raises
    ------
    NotAllowed: the caller may not delete.
    """
    policy.require(principal, Action.DELETE)
    query = select(*_COLUMNS).order_by(deletions.c.id.desc()).limit(limit + 1)
    if cursor is not None:
        query = query.where(deletions.c.id < cursor)
    with archive.reading() as session:
        found = [Deletion(*row) for row in session.execute(query)]
    return (found, None) if len(found) <= limit else (found[:limit], found[limit - 1].id)


def get_deletion(session: Connection, deletion_id: int) -> Deletion:
    """One deletion. Raises NotFound."""
    row = session.execute(select(*_COLUMNS).where(deletions.c.id == deletion_id)).first()
    if row is None:
        raise NotFound(f"there is no deletion {deletion_id}")
    return Deletion(*row)


def ask_to_restore(archive: Archive, principal: Principal, deletion_id: int) -> int:
    """Put back what was deleted, in the background; gives the number of the job.

    Raises
    ------
    NotAllowed. NotFound. Conflict: it was purged, or restored already.
    """
    policy.require(principal, Action.DELETE)
    with archive.transaction() as session:
        deletion = get_deletion(session, deletion_id)
        if deletion.purged_at is not None:
            raise Conflict(f"deletion {deletion_id} cannot be restored: its time in the trash (trash_keep_s) is over")
        if deletion.restored_at is not None:
            raise Conflict(f"deletion {deletion_id} was restored already")
        audit.record(
            session,
            principal,
            "restore",
            study_instance_uid=deletion.study_instance_uid,
            object=deletion.sop_instance_uid or deletion.series_instance_uid,
            detail={"deletion": deletion_id},
        )
        return enqueue(session, "restore", {"deletion": deletion_id}, key=f"restore:{deletion_id}")


# Jobs


def trash_job(archive: Archive, args: dict[str, Any], job: JobContext) -> None:
    """Move the bytes of a deletion into the trash, and remove what was made of its series."""
    key = int(args["deletion"])
    waiting = (deleted_instances.c.deletion_key == key) & deleted_instances.c.trashed_at.is_(None)
    for blob in _marked(archive, waiting, job.check):
        with archive.transaction() as session:
            if hold(session, blob):  # else it was received again meanwhile
                with contextlib.suppress(NotFound):  # bytes that were lost before
                    archive.blobs.move_to(archive.trash, blob.hex())
                _write(session, blob, trashed_at=time.time())
    for name in args.get("renditions", []):
        archive.renditions.delete(name)
    for name in args.get("metadata_objects", []):
        with archive.reading() as session:
            is_used = session.execute(select(series.c.id).where(series.c.metadata_blob == name)).first() is not None
        if not is_used:
            archive.metadata_objects.delete(name)
    if archive.settings.trash_keep_s == 0:
        empty_trash_job(archive, {}, job)


def restore_job(archive: Archive, args: dict[str, Any], job: JobContext) -> None:
    """Give the instances of a deletion their rows back. What came again with other content meanwhile stays out."""
    key = int(args["deletion"])
    request = str(uuid.uuid4())
    left_out = 0
    in_trash = (deleted_instances.c.deletion_key == key) & deleted_instances.c.purged_at.is_(None)
    for blob in _marked(archive, in_trash, job.check):
        try:
            _restore(archive, blob.hex(), request)
        except (NotFound, Refused) as error:
            left_out += 1
            logger.warning("not_restored", deletion=key, blob=blob.hex(), reason=str(error))
    with archive.transaction() as session:
        deletion = get_deletion(session, key)
        session.execute(update(deletions).where(deletions.c.id == key).values(restored_at=time.time()))
        audit.record(
            session,
            SYSTEM("trash"),
            "restored",
            outcome="failed" if left_out else "success",
            study_instance_uid=deletion.study_instance_uid,
            object=deletion.sop_instance_uid or deletion.series_instance_uid,
            detail={"deletion": key, "left_out": left_out},
        )
        publish(session, "study", deletion.study_instance_uid, deletion.study_instance_uid)


def empty_trash_job(archive: Archive, _args: dict[str, Any], job: JobContext) -> None:
    """Remove the bytes whose time in the trash is over; who deleted what, when and why stays."""
    now = time.time()
    due = select(deletions.c.id).where(deletions.c.purged_at.is_(None), deletions.c.purge_at <= now)
    with archive.reading() as session:
        keys = list(session.scalars(due.order_by(deletions.c.purge_at).limit(_MARKS_AT_ONCE)))
    for key in keys:
        kept = (deleted_instances.c.deletion_key == key) & deleted_instances.c.purged_at.is_(None)
        number = 0
        for blob in _marked(archive, kept, job.check):
            with archive.transaction() as session:
                if hold(session, blob):
                    archive.trash.delete(blob.hex())
                    archive.blobs.delete(blob.hex())
                    if archive.replica is not None:
                        want_in_replica(session, blob.hex(), is_wanted=False)
                    _write(session, blob, purged_at=now)
                    number += 1
        with archive.transaction() as session:
            _tell_purged(session, get_deletion(session, key), number, now)
    with archive.transaction() as session:
        session.execute(delete(deleted_instances).where(deleted_instances.c.purged_at < now - _MARK_KEEP_S))


def _tell_purged(session: Connection, deletion: Deletion, number: int, now: float) -> None:
    values = {"purged_at": now, "patient_id": "", "patient_name": "", "study_date": "", "study_description": ""}
    session.execute(update(deletions).where(deletions.c.id == deletion.id).values(values))
    if number == 0 and deletion.restored_at is not None:
        return
    audit.record(
        session,
        SYSTEM("trash"),
        "purge",
        study_instance_uid=deletion.study_instance_uid,
        object=deletion.sop_instance_uid or deletion.series_instance_uid,
        detail={"deletion": deletion.id, "number_of_instances": number},
    )


def _marked(archive: Archive, which: ColumnElement[bool], check: Callable[[], None]) -> Iterator[bytes]:
    """The blobs with a mark of which a condition holds, by the page: it may cease to hold meanwhile."""
    last = b""
    while True:
        query = select(deleted_instances.c.blob).where(which, deleted_instances.c.blob > last)
        with archive.reading() as session:
            rows = session.scalars(query.order_by(deleted_instances.c.blob).limit(_MARKS_AT_ONCE)).all()
        for blob in rows:
            check()
            yield bytes(blob)
        if len(rows) < _MARKS_AT_ONCE:
            return
        last = bytes(rows[-1])


def _write(session: Connection, blob: bytes, **values: float) -> None:
    session.execute(update(deleted_instances).where(deleted_instances.c.blob == blob).values(values))


def _open(archive: Archive, key: str) -> BlobReader:
    try:
        return archive.trash.reader(key)
    except NotFound:
        return archive.blobs.reader(key)  # the job that moves it has not come so far


def _restore(archive: Archive, key: str, request: str) -> None:
    with _open(archive, key) as reader:
        facts = read_facts(reader, scan_limits(archive.settings))
        kept = find_kept(archive, facts.sop_instance_uid)
        if kept is not None and kept.blob != key:
            raise Conflict(f"instance {facts.sop_instance_uid} came again meanwhile with other content")
        if kept is None:
            keep(archive, SYSTEM("trash"), facts, key, reader.length, request=request)
