"""Jobs, storage, and what waits for a person, for the administrator."""

from __future__ import annotations

import os
import time
from typing import Annotated, Any

from fastapi import APIRouter, Path, Query
from sqlalchemy import Connection, RowMapping, Table, func, select, update

import filmless
from filmless.access import audit
from filmless.api.callers import Administrator, Here
from filmless.api.errors import responses
from filmless.api.models import administration as models
from filmless.api.models.base import JobState
from filmless.archive import Archive, jobs, problems, processes
from filmless.archive.events import publish
from filmless.archive.replica import find_replica, read_backlog
from filmless.archive.tables import conflicts, job_pauses, patients, refusals, series, studies
from filmless.errors import Conflict, NotFound

router = APIRouter(tags=["operation"])

JobId = Annotated[int, Path(alias="jobId", ge=1, le=2**63 - 1)]
ConflictId = Annotated[int, Path(alias="conflictId", ge=1, le=2**63 - 1)]
QueueName = Annotated[str, Path(alias="queueName", min_length=1, max_length=64)]
Limit = Annotated[int, Query(ge=1, le=1000)]
Cursor = Annotated[int | None, Query(ge=1, le=2**63 - 1)]


@router.get("/jobs")
def list_jobs(
    archive: Here, _: Administrator, state: JobState | None = None, limit: Limit = 100, cursor: Cursor = None
) -> models.JobPage:
    """List jobs, the latest first."""
    with archive.reading() as session:
        found, next_cursor = jobs.list_jobs(session, state=state, cursor=cursor, limit=limit)
        counts = jobs.count_jobs(session)
        paused = session.execute(select(job_pauses.c.name).where(job_pauses.c.kind == "queue")).scalars().all()
    return models.JobPage(
        items=[models.Job.model_validate(job) for job in found],
        next_cursor=_cursor(next_cursor),
        counts=models.JobCounts(**{name: counts.get(name, 0) for name in models.JobCounts.model_fields}),
        paused_queues=sorted(paused),
    )


@router.post("/jobs/{jobId}/retry", status_code=204, responses=responses(404))
def retry_job(archive: Here, principal: Administrator, job_id: JobId) -> None:
    """Run a parked or cancelled job again, a waiting one at once."""
    with archive.transaction() as session:
        jobs.retry(session, job_id)
        audit.record(session, principal, "job_retry", object=f"job {job_id}")


@router.post("/jobs/{jobId}/cancel", status_code=204, responses=responses(404))
def cancel_job(archive: Here, principal: Administrator, job_id: JobId) -> None:
    """Give a job up; one that runs stops at its next step."""
    with archive.transaction() as session:
        jobs.cancel(session, job_id)
        audit.record(session, principal, "job_cancel", object=f"job {job_id}")


@router.post("/queues/{queueName}/pause", status_code=204)
def pause_queue(archive: Here, principal: Administrator, queue_name: QueueName) -> None:
    """Start no more jobs of a queue; those that run go on."""
    with archive.transaction() as session:
        jobs.pause(session, queue_name)
        audit.record(session, principal, "queue_pause", object=queue_name)


@router.post("/queues/{queueName}/resume", status_code=204)
def resume_queue(archive: Here, principal: Administrator, queue_name: QueueName) -> None:
    """Start the jobs of a queue again."""
    with archive.transaction() as session:
        jobs.resume(session, queue_name)
        audit.record(session, principal, "queue_resume", object=queue_name)


@router.get("/storage")
def get_storage(archive: Here, _: Administrator) -> models.Storage:
    """Say what is kept and what room is left."""
    disk = os.statvfs(archive.settings.data)
    with archive.reading() as session:
        by_modality = session.execute(
            select(
                series.c.modality,
                func.sum(series.c.number_of_series_related_instances).label("number_of_instances"),
                func.sum(series.c.size_bytes).label("size_bytes"),
            )
            .group_by(series.c.modality)
            .order_by(func.sum(series.c.size_bytes).desc())
        ).mappings()
        uses = [models.ModalityUse.model_validate(dict(row)) for row in by_modality]
        return models.Storage(
            capacity_bytes=disk.f_blocks * disk.f_frsize,
            free_bytes=disk.f_bavail * disk.f_frsize,
            used_bytes=sum(use.size_bytes for use in uses),
            number_of_patients=_count(session, patients),
            number_of_studies=_count(session, studies),
            number_of_series=_count(session, series),
            number_of_instances=sum(use.number_of_instances for use in uses),
            by_modality=uses,
            conflicts=_count(session, conflicts, conflicts.c.resolved_at.is_(None)),
            refusals=_count(session, refusals),
            replica=_replica(archive, session),
        )


def _replica(archive: Archive, session: Connection) -> models.ReplicaState | None:
    if archive.replica is None:
        return None
    backlog, known = read_backlog(session), find_replica(session, archive.replica.url)
    return models.ReplicaState.model_validate(
        {
            "url": archive.replica.url,
            "is_synchronous": archive.replica.is_synchronous,
            "is_filled": known is not None and known.filled_at is not None,
            "waiting": backlog.blobs,
            "waiting_since": backlog.oldest_at,
        }
    )


@router.get("/conflicts")
def list_conflicts(archive: Here, _: Administrator, limit: Limit = 100, cursor: Cursor = None) -> models.Conflicts:
    """List instances that came a second time with other bytes, the latest first."""
    rows, next_cursor = _page(archive, conflicts, limit, cursor)
    return models.Conflicts(
        items=[models.ConflictRow.model_validate(dict(row)) for row in rows], next_cursor=next_cursor
    )


@router.post("/conflicts/{conflictId}/resolve", status_code=204, responses=responses(404, 409))
def resolve_conflict(archive: Here, principal: Administrator, conflict_id: ConflictId) -> None:
    """Settle a conflict: the first version stays the one that is kept, the second stays set aside."""
    with archive.transaction() as session:
        row = session.execute(select(conflicts).where(conflicts.c.id == conflict_id)).mappings().one_or_none()
        if row is None:
            raise NotFound(f"there is no conflict {conflict_id}")
        if row["resolved_at"] is not None:
            raise Conflict(f"conflict {conflict_id} was settled already by {row['resolved_by']}")
        session.execute(
            update(conflicts)
            .where(conflicts.c.id == conflict_id)
            .values(resolved_at=time.time(), resolved_by=principal.name, resolution="kept the first")
        )
        uid = row["sop_instance_uid"]
        audit.record(session, principal, "conflict_resolve", study_instance_uid=row["study_instance_uid"], object=uid)
        publish(session, "conflict_resolved", uid, row["study_instance_uid"])


@router.get("/refusals")
def list_refusals(archive: Here, _: Administrator, limit: Limit = 100, cursor: Cursor = None) -> models.Refusals:
    """List instances that were not taken and why, the latest first."""
    rows, next_cursor = _page(archive, refusals, limit, cursor)
    return models.Refusals(items=[models.RefusalRow.model_validate(dict(row)) for row in rows], next_cursor=next_cursor)


@router.get("/system")
def get_system(archive: Here, _: Administrator) -> models.System:
    """Say how the installation does and what needs a person."""
    now = time.time()
    with archive.reading() as session:
        alive = [process for process in processes.list_processes(session) if process.is_alive(now)]
        found = problems.list_problems(session)
    started_at = min((process.started_at for process in alive), default=now)
    return models.System.model_validate(
        {
            "version": filmless.__version__,
            "started_at": started_at,
            "processes": [models.Process.model_validate(process) for process in alive],
            "database": "SQLite" if archive.database.is_sqlite else "PostgreSQL",
            "problems": [models.SystemProblem.model_validate(problem) for problem in found],
        }
    )


def _count(session: Connection, table: Table, *conditions: Any) -> int:
    return int(session.execute(select(func.count()).select_from(table).where(*conditions)).scalar_one())


def _page(archive: Archive, table: Table, limit: int, cursor: int | None) -> tuple[list[RowMapping], str | None]:
    query = select(table).order_by(table.c.id.desc()).limit(limit + 1)
    if cursor is not None:
        query = query.where(table.c.id < cursor)
    with archive.reading() as session:
        rows = list(session.execute(query).mappings())
    return rows[:limit], _cursor(rows[limit - 1]["id"] if len(rows) > limit else None)


def _cursor(key: int | None) -> str | None:
    return None if key is None else str(key)
