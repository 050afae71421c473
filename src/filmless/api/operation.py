"""Jobs, storage, and what waits for a person, for the administrator."""

from __future__ import annotations

from typing import Annotated

from fastapi import APIRouter, Path, Query

from filmless.api import models
from filmless.api.callers import Administrator, Here
from filmless.api.errors import responses

router = APIRouter(tags=["operation"])

JobId = Annotated[int, Path(alias="jobId", ge=1, le=2**63 - 1)]
ConflictId = Annotated[models.Id, Path(alias="conflictId")]
QueueName = Annotated[str, Path(alias="queueName", min_length=1, max_length=64)]
Limit = Annotated[int, Query(ge=1, le=1000)]
Cursor = Annotated[int | None, Query(ge=1, le=2**63 - 1)]


@router.get("/jobs")
def list_jobs(
    archive: Here, _: Administrator, state: models.JobState | None = None, limit: Limit = 100, cursor: Cursor = None
) -> models.JobPage:
    """List jobs, the latest first."""
    from filmless.api.administration import read_jobs

    return read_jobs(archive, state=state, limit=limit, cursor=cursor)


@router.post("/jobs/{jobId}/retry", status_code=204, responses=responses(404, 409))
def retry_job(archive: Here, principal: Administrator, job_id: JobId) -> None:
    """Run a parked job again."""
    from filmless.api.administration import retry

    retry(archive, principal, job_id)


@router.post("/jobs/{jobId}/cancel", status_code=204, responses=responses(404, 409))
def cancel_job(archive: Here, principal: Administrator, job_id: JobId) -> None:
    """Give a job up."""
    from filmless.api.administration import cancel

    cancel(archive, principal, job_id)


@router.post("/queues/{queueName}/pause", status_code=204)
def pause_queue(archive: Here, principal: Administrator, queue_name: QueueName) -> None:
    """Start no more jobs of a queue."""
    from filmless.api.administration import pause

    pause(archive, principal, queue_name)


@router.post("/queues/{queueName}/resume", status_code=204)
def resume_queue(archive: Here, principal: Administrator, queue_name: QueueName) -> None:
    """Start the jobs of a queue again."""
    from filmless.api.administration import resume

    resume(archive, principal, queue_name)


@router.get("/storage")
def get_storage(archive: Here, _: Administrator) -> models.Storage:
    """Say what is kept and what room is left."""
    from filmless.api.administration import read_storage

    return read_storage(archive)


@router.get("/conflicts")
def list_conflicts(archive: Here, _: Administrator, limit: Limit = 100, cursor: Cursor = None) -> models.Conflicts:
    """List instances that came a second time with other bytes."""
    from filmless.api.administration import read_conflicts

    return read_conflicts(archive, limit=limit, cursor=cursor)


@router.post("/conflicts/{conflictId}/resolve", status_code=204, responses=responses(404, 409))
def resolve_conflict(archive: Here, principal: Administrator, conflict_id: ConflictId) -> None:
    """Note that a person has looked at a conflict; the first version stays the one that is kept."""
    from filmless.api.administration import resolve

    resolve(archive, principal, conflict_id)


@router.get("/refusals")
def list_refusals(archive: Here, _: Administrator, limit: Limit = 100, cursor: Cursor = None) -> models.Refusals:
    """List instances that were not taken, and why."""
    from filmless.api.administration import read_refusals

    return read_refusals(archive, limit=limit, cursor=cursor)


@router.get("/system")
def get_system(archive: Here, _: Administrator) -> models.System:
    """Say how the installation does and what needs a person."""
    from filmless.api.administration import read_system

    return read_system(archive)
