"""The audit trail, for the administrator."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Annotated

from fastapi import APIRouter, Query

from filmless.access import audit
from filmless.api.callers import Administrator, Here
from filmless.api.models import administration as models

router = APIRouter(tags=["audit"])

Cursor = Annotated[int | None, Query(ge=1, le=2**63 - 1)]


@router.get("/audit")
def list_audit(
    archive: Here,
    _: Administrator,
    actor: Annotated[str | None, Query(max_length=128)] = None,
    action: Annotated[str | None, Query(max_length=48)] = None,
    study_instance_uid: Annotated[str | None, Query(alias="studyInstanceUid", max_length=64)] = None,
    after: Annotated[datetime | None, Query(alias="from")] = None,
    before: Annotated[datetime | None, Query(alias="to")] = None,
    limit: Annotated[int, Query(ge=1, le=1000)] = 100,
    cursor: Cursor = None,
) -> models.AuditPage:
    """Read the audit trail, the latest first. Reading it is itself no entry."""
    rows, next_cursor = audit.read(
        archive,
        actor=actor,
        action=action,
        study_instance_uid=study_instance_uid,
        after=_seconds(after),
        before=_seconds(before),
        limit=limit,
        cursor=cursor,
    )
    return models.AuditPage(
        items=[models.AuditEntry.model_validate(row) for row in rows],
        next_cursor=None if next_cursor is None else str(next_cursor),
    )


def _seconds(moment: datetime | None) -> float | None:
    """Read a time as seconds since 1970; one that names no zone is UTC."""
    if moment is None:
        return None
    return (moment if moment.tzinfo is not None else moment.replace(tzinfo=UTC)).timestamp()
