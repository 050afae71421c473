"""What becomes of subscriptions to the worklist when workitems are made and change (PS3.4 CC.2.3, table CC.2.3-2)."""

from __future__ import annotations

import time
from collections.abc import Mapping
from typing import Any, Final

from sqlalchemy import Connection, insert, select

from filmless.query.matching import Options, matches, read_keys
from filmless.worklist import datasets
from filmless.worklist.reports import Subscriber
from filmless.worklist.tables import workitem_subscribers, workitem_subscriptions, worklist_subscriptions

GLOBAL_KIND, FILTERED_KIND, SPECIFIC_KIND = "global", "filtered", "specific"
FILTER_OPTIONS: Final = Options(timezone=True)


def begin(session: Connection, workitem_key: int, attributes: Mapping[str, Any]) -> None:
    """Subscribe to a new workitem those who want all, or all that are like it."""
    wanted: dict[int, dict[str, Any]] = {}
    for row in session.execute(select(worklist_subscriptions).order_by(worklist_subscriptions.c.subscriber_key)):
        if row.kind == FILTERED_KIND and not is_wanted(row.filter, attributes):
            continue
        known = wanted.get(row.subscriber_key)
        if known is None or row.kind == GLOBAL_KIND:
            locked = bool(row.deletion_lock or (known and known["deletion_lock"]))
            wanted[row.subscriber_key] = subscription(workitem_key, row.subscriber_key, row.kind, locked)
        elif row.deletion_lock:
            known["deletion_lock"] = 1
    if wanted:
        session.execute(insert(workitem_subscriptions), list(wanted.values()))


def follow(
    session: Connection, workitem_key: int, before: Mapping[str, Any], after: Mapping[str, Any]
) -> list[Subscriber]:
    """Subscribe those whose keys a workitem has come to match; who unsubscribed from it before is left in peace."""
    subscribed = select(workitem_subscriptions.c.subscriber_key).where(
        workitem_subscriptions.c.workitem_key == workitem_key
    )
    rows = session.execute(
        select(worklist_subscriptions, workitem_subscribers.c.ae_title, workitem_subscribers.c.transport)
        .join_from(worklist_subscriptions, workitem_subscribers)
        .where(
            worklist_subscriptions.c.kind == FILTERED_KIND,
            worklist_subscriptions.c.subscriber_key.not_in(subscribed),
        )
        .order_by(worklist_subscriptions.c.subscriber_key)
    ).all()
    newcomers = [row for row in rows if is_wanted(row.filter, after) and not is_wanted(row.filter, before)]
    if newcomers:
        session.execute(
            insert(workitem_subscriptions),
            [
                subscription(workitem_key, row.subscriber_key, FILTERED_KIND, bool(row.deletion_lock))
                for row in newcomers
            ],
        )
    return [Subscriber(row.subscriber_key, row.ae_title, row.transport) for row in newcomers]


def is_wanted(written_filter: str, attributes: Mapping[str, Any]) -> bool:
    """Whether a workitem matches the keys of a subscription, by the rules of C-FIND."""
    return matches(read_keys(datasets.load(written_filter), FILTER_OPTIONS), attributes)


def subscription(workitem_key: int, subscriber_key: int, kind: str, locked: bool) -> dict[str, Any]:
    """Give the row of a subscription."""
    return {
        "workitem_key": workitem_key,
        "subscriber_key": subscriber_key,
        "kind": kind,
        "deletion_lock": int(locked),
        "created_at": time.time(),
    }
