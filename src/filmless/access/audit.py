"""The audit trail: a row in the transaction of what it tells, so neither is there without the other.

Rows that would come by the hundred (instances of one association, frames of one opening, knocks at a closed door)
share one row whose count is raised. No function here changes what a row said, and none deletes.
"""

from __future__ import annotations

import json
import time
from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final, Literal

from sqlalchemy import ClauseElement, Connection, bindparam, func, select

from filmless.access.principal import Principal
from filmless.access.tables import audit
from filmless.archive.database import Insert, Prepared

if TYPE_CHECKING:
    from filmless.archive import Archive

Outcome = Literal["success", "refused", "failed"]
DETAIL_MAX: Final = 16_384
"""Characters of `detail` that are kept."""

ACTIONS: Final = frozenset({
    "association", "availability_notify", "blob_damaged", "blob_good_again", "blob_missing", "blob_repaired",
    "blobs_move_began", "blobs_moved", "commitment_ask", "commitment_report", "commitment_request",
    "commitment_result", "conflict_resolve", "database_move_began", "database_move_given_up", "database_moved",
    "delete", "download", "draft_change", "echo", "hanging_protocol_change", "hanging_protocol_delete",
    "hanging_protocol_keep", "images_displayed",
    "inventory_cancel", "inventory_complete", "inventory_pause", "inventory_request",
    "inventory_resume", "inventory_status", "job_cancel", "job_retry", "password_change", "peer_add", "peer_admit",
    "peer_change", "peer_echo", "peer_forget", "peer_remove", "preference_change", "purge", "queue_pause",
    "queue_resume", "remove", "replica_repaired", "request", "restore", "restored", "retrieve", "search", "send",
    "sessions_end", "sign_in", "sign_out", "store", "store-duplicate", "token_add", "token_revoke", "user_add",
    "user_change", "view", "view_tags", "webhook_add", "webhook_change", "webhook_remove", "webhook_retry",
    "webhook_rotate", "webhook_test", "workitem_cancel_request", "workitem_change", "workitem_channel",
    "workitem_create", "workitem_remove", "workitem_report", "workitem_search", "workitem_state",
    "workitem_subscribe", "workitem_unsubscribe", "workitem_view", "worklist_suspend",
})  # fmt: skip
"""What a row may tell of; the screen has a word for each."""

Detail = str | Mapping[str, Any] | None


@dataclass(frozen=True, slots=True)
class AuditRow:
    """One line of the trail. `count` and `last_at` tell of all that shared the row."""

    id: int
    at: float
    last_at: float
    actor_kind: str
    actor_id: int | None
    actor: str
    door: str
    address: str | None
    action: str
    outcome: str
    study_instance_uid: str | None
    object: str | None
    detail: str | None
    count: int
    size_bytes: int


def record(
    session: Connection,
    principal: Principal,
    action: str,
    *,
    outcome: Outcome = "success",
    study_instance_uid: str | None = None,
    object: str | None = None,
    detail: Detail = None,
) -> int:
    """Write one row into the caller's transaction and return its id."""
    row = _row(principal, action, outcome, study_instance_uid, object, detail)
    return int(_INSERT.run(session, row).fetchone()[0])


def record_transfer(
    session: Connection,
    principal: Principal,
    action: str,
    study_instance_uid: str,
    *,
    request: str,
    instances: int = 1,
    size_bytes: int = 0,
    outcome: Outcome = "success",
    object: str | None = None,
    detail: Detail = None,
) -> None:
    """Count instances on the one row of (request, action, outcome, study), making it at the first.

    `request` names the association or HTTP request for all time, for example `str(uuid4())`.
    """
    _COUNT.run(
        session,
        _row(principal, action, outcome, study_instance_uid, object, detail)
        | {"count": instances, "size_bytes": size_bytes, "request": request[:128]},
    )


def record_repeated(
    session: Connection,
    principal: Principal,
    action: str,
    *,
    request: str,
    outcome: Outcome = "refused",
    object: str | None = None,
    detail: Detail = None,
) -> None:
    """Count one more of something that a stranger can cause at will, on one row per `request`."""
    row = _row(principal, action, outcome, "", object, detail)  # '' and not NULL: NULLs never meet in a unique index
    _COUNT.run(session, row | {"request": request[:128]})


def read(
    archive: Archive,
    *,
    actor: str | None = None,
    action: str | None = None,
    study_instance_uid: str | None = None,
    after: float | None = None,
    before: float | None = None,
    limit: int = 100,
    cursor: int | None = None,
) -> tuple[list[AuditRow], int | None]:
    """Read the trail, newest first; the second value is the cursor of the next page, None at the end."""
    names = [column for column in audit.c if column.name != "request"]
    query = select(*names).order_by(audit.c.id.desc()).limit(limit + 1)
    if actor is not None:
        query = query.where(audit.c.actor == actor)
    if action is not None:
        query = query.where(audit.c.action == action)
    if study_instance_uid is not None:
        query = query.where(audit.c.study_instance_uid == study_instance_uid)
    if after is not None:
        query = query.where(audit.c.last_at >= after)
    if before is not None:
        query = query.where(audit.c.at < before)
    if cursor is not None:
        query = query.where(audit.c.id < cursor)
    with archive.reading() as session:
        rows = [
            AuditRow(**{**row, "study_instance_uid": row["study_instance_uid"] or None})
            for row in session.execute(query).mappings()
        ]
    if len(rows) <= limit:
        return rows, None
    return rows[:limit], rows[limit - 1].id


def _row(
    principal: Principal, action: str, outcome: str, study_instance_uid: str | None, thing: str | None, detail: Detail
) -> dict[str, Any]:
    now = time.time()
    return {
        "at": now,
        "last_at": now,
        "actor_kind": principal.kind,
        "actor_id": principal.id,
        "actor": _clean(principal.name)[:128],
        "door": principal.door,
        "address": principal.address,
        "action": action,
        "outcome": outcome,
        "study_instance_uid": study_instance_uid,
        "object": None if thing is None else _clean(thing)[:255],
        "detail": None if detail is None else _clean(_told(detail))[:DETAIL_MAX],
        "count": 1,
        "size_bytes": 0,
        "request": None,
    }


def _told(detail: str | Mapping[str, Any]) -> str:
    return detail if isinstance(detail, str) else json.dumps(detail, ensure_ascii=False)


def _clean(text: str) -> str:
    """Take out what a stranger may send and a terminal, a log or PostgreSQL should not get."""
    return text if text.isprintable() else "".join(each if each.isprintable() else "\ufffd" for each in text)


def _build_insert(insert: Insert) -> Any:
    return insert(audit).values({column.name: bindparam(column.name) for column in audit.c if column.name != "id"})


def _build_count(insert: Insert) -> ClauseElement:
    statement = _build_insert(insert)
    counted: ClauseElement = statement.on_conflict_do_update(
        index_elements=["request", "action", "outcome", "study_instance_uid"],
        set_={
            "count": audit.c.count + statement.excluded.count,
            "size_bytes": audit.c.size_bytes + statement.excluded.size_bytes,
            "last_at": statement.excluded.last_at,
            "detail": func.coalesce(statement.excluded.detail, audit.c.detail),
        },
    )
    return counted


# Every instance that arrives takes these paths.
_INSERT: Final = Prepared(lambda insert: _build_insert(insert).returning(audit.c.id))
_COUNT: Final = Prepared(_build_count)
