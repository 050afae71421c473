"""Deleting, what was deleted, and putting it back."""

from __future__ import annotations

from typing import Annotated

from fastapi import APIRouter, Path, Query

from filmless.api.callers import Deleter, Here
from filmless.api.errors import responses
from filmless.api.models import administration as models
from filmless.api.models.reading import JobStarted
from filmless.retrieve.instances import heed_deletions
from filmless.store import trash
from filmless.store.delete import Target, delete_instances

router = APIRouter(tags=["deletions"])

DeletionId = Annotated[int, Path(alias="deletionId", ge=1, le=2**63 - 1)]


@router.get("/deletions")
def list_deletions(
    archive: Here,
    principal: Deleter,
    limit: Annotated[int, Query(ge=1, le=1000)] = 100,
    cursor: Annotated[int | None, Query(ge=1, le=2**63 - 1)] = None,
) -> models.Deletions:
    """List what was deleted, the latest first; until `purgeAt` it can be restored."""
    found, next_cursor = trash.list_deletions(archive, principal, limit=limit, cursor=cursor)
    return models.Deletions(
        items=[models.Deletion.model_validate(row) for row in found],
        next_cursor=None if next_cursor is None else str(next_cursor),
    )


@router.post("/deletions", status_code=201, responses=responses(404))
def delete_study(archive: Here, principal: Deleter, body: models.NewDeletion) -> models.Deletion:
    """Delete a study, a series or an instance. It is gone at once; its bytes lie in the trash until `purgeAt`."""
    target = Target(body.study_instance_uid, body.series_instance_uid, body.sop_instance_uid)
    key = delete_instances(archive, principal, target, body.reason)
    heed_deletions(archive)
    with archive.reading() as session:
        return models.Deletion.model_validate(trash.get_deletion(session, key))


@router.post("/deletions/{deletionId}/restore", status_code=202, responses=responses(404, 409))
def restore_deletion(archive: Here, principal: Deleter, deletion_id: DeletionId) -> JobStarted:
    """Put back what was deleted, in the background. What came again with other content meanwhile stays out."""
    return JobStarted(job_id=trash.ask_to_restore(archive, principal, deletion_id))
