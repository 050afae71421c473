"""What ends by itself: workitems that ended a while ago, reports nobody came for, subscribers without a subscription.

A workitem that ended is kept for `workitem_keep_s`, and while anyone holds a deletion lock on it, but no longer than
`workitem_lock_max_s`: a subscriber that is gone for ever must not fill the disk (PS3.4 CC.2.3.3 lets us). Its empty
row stays for `workitem_remember_s`, to answer that it is gone and to keep its UID from being used again.
"""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Any, Final

from sqlalchemy import Connection, and_, delete, exists, func, or_, select, update

from filmless.access import audit
from filmless.access.principal import SYSTEM
from filmless.worklist.tables import (
    workitem_reports,
    workitem_subscribers,
    workitem_subscriptions,
    workitems,
    worklist_subscriptions,
)

if TYPE_CHECKING:
    from filmless.archive import Archive
    from filmless.archive.jobs import JobContext

_PER_TRANSACTION: Final = 200


def tidy_worklist(archive: Archive, args: dict[str, Any], job: JobContext) -> None:
    """Remove what has had its time; a job, on a schedule."""
    while not job.is_stopping:
        with archive.transaction() as session:
            removed = _remove_ended(archive, session)
        if removed < _PER_TRANSACTION:
            break
        job.check()
    settings, now = archive.settings, time.time()
    with archive.transaction() as session:
        session.execute(delete(workitems).where(workitems.c.deleted_at < now - settings.workitem_remember_s))
        session.execute(delete(workitem_reports).where(workitem_reports.c.at < now - settings.workitem_report_keep_s))
        _cut_queues(session, settings.workitem_reports_max)
        _forget_subscribers(session, now - settings.workitem_report_keep_s)


def _remove_ended(archive: Archive, session: Connection) -> int:
    """Empty the rows of some workitems that ended long enough ago."""
    settings, now = archive.settings, time.time()
    is_locked = exists().where(
        workitem_subscriptions.c.workitem_key == workitems.c.id, workitem_subscriptions.c.deletion_lock == 1
    )
    rows = session.execute(
        select(workitems.c.id, workitems.c.workitem_uid, workitems.c.study_instance_uid)
        .where(
            workitems.c.deleted_at.is_(None),
            or_(
                and_(workitems.c.final_at < now - settings.workitem_keep_s, ~is_locked),
                workitems.c.final_at < now - max(settings.workitem_lock_max_s, settings.workitem_keep_s),
            ),
        )
        .order_by(workitems.c.final_at)
        .limit(_PER_TRANSACTION)
    ).all()
    for row in rows:
        session.execute(delete(workitem_subscriptions).where(workitem_subscriptions.c.workitem_key == row.id))
        session.execute(
            update(workitems)
            .where(workitems.c.id == row.id)
            .values(
                deleted_at=now,
                attributes="{}",
                patient_id="",
                worklist_label="",
                study_instance_uid=None,
                transaction_uid=None,
            )
        )
        audit.record(
            session,
            SYSTEM("worker"),
            "workitem_remove",
            study_instance_uid=row.study_instance_uid,
            object=row.workitem_uid,
        )
    return len(rows)


def _cut_queues(session: Connection, reports_max: int) -> None:
    """Drop the oldest reports of subscribers that have too many waiting."""
    rows = session.execute(
        select(workitem_reports.c.subscriber_key)
        .group_by(workitem_reports.c.subscriber_key)
        .having(func.count() > reports_max)
    ).all()
    for row in rows:
        own = workitem_reports.c.subscriber_key == row.subscriber_key
        newest = select(workitem_reports.c.id).where(own).order_by(workitem_reports.c.id.desc())
        last = session.execute(newest.offset(reports_max).limit(1)).scalar()
        if last is not None:
            session.execute(delete(workitem_reports).where(own, workitem_reports.c.id <= last))


def _forget_subscribers(session: Connection, before: float) -> None:
    """Forget who has nothing to be told; whose channel is open was seen a moment ago."""
    key = workitem_subscribers.c.id
    session.execute(
        delete(workitem_subscribers).where(
            workitem_subscribers.c.seen_at < before,
            key.not_in(select(workitem_subscriptions.c.subscriber_key)),
            key.not_in(select(worklist_subscriptions.c.subscriber_key)),
            key.not_in(select(workitem_reports.c.subscriber_key)),
        )
    )
