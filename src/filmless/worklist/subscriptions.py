"""Subscribing to a workitem, to all, or to those that match keys; and no longer (PS3.4 CC.2.3, table CC.2.3-2).

A subscriber is an AE that is told by DIMSE, or a name that somebody listens under on a WebSocket: which, the door says
through which it subscribed. The name on the WebSocket belongs to whoever used it first.
"""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Any

from sqlalchemy import Connection, Row, delete, func, insert, literal, select, update

from filmless.access import audit, peers, policy
from filmless.access.policy import Action
from filmless.access.principal import Principal
from filmless.archive.database import insert_for
from filmless.errors import NotAllowed, Unavailable
from filmless.query.matching import JsonDataset, read_keys
from filmless.worklist import attributes as at
from filmless.worklist import datasets, reports
from filmless.worklist.following import FILTER_OPTIONS, FILTERED_KIND, GLOBAL_KIND, SPECIFIC_KIND, subscription
from filmless.worklist.refusals import Reason, Remark, WorkitemRefused
from filmless.worklist.reports import DIMSE, WEBSOCKET, EventType, Subscriber
from filmless.worklist.search import matching_keys
from filmless.worklist.tables import (
    workitem_subscribers,
    workitem_subscriptions,
    workitems,
    worklist_subscriptions,
)
from filmless.worklist.workitems import Workitem, find, require_reading, take_turn

if TYPE_CHECKING:
    from filmless.archive import Archive

_WORKLISTS = {at.GLOBAL: GLOBAL_KIND, at.FILTERED: FILTERED_KIND}
_ROWS_PER_INSERT = 500


def subscribe(
    archive: Archive,
    principal: Principal,
    workitem_uid: str,
    ae_title: str,
    *,
    deletion_lock: bool = False,
    keys: JsonDataset | None = None,
) -> Remark | None:
    """Subscribe an AE to a workitem, or to the worklist by one of its well-known UIDs.

    A deletion lock keeps what has ended from being removed; it is granted to those who may change workitems.

    Raises
    ------
    NotAllowed, NotFound, Gone, Unavailable (too many subscribers).
    WorkitemRefused: the receiver is no known peer; a filtered subscription without a key.
    """
    require_reading(principal)
    transport = _check_receiver(archive, principal, ae_title)
    locks = deletion_lock and policy.explain(principal, Action.WORKLIST).allowed
    filter_keys = _read_filter(keys) if workitem_uid == at.FILTERED else None
    with archive.transaction() as session:
        take_turn(session)
        item = None if workitem_uid in _WORKLISTS else find(session, workitem_uid)
        subscriber = enter_subscriber(session, archive, principal, ae_title, transport)
        if item is not None:
            _subscribe_to(session, subscriber, item, locks)
        elif filter_keys is None:
            _subscribe_to_all(session, subscriber, locks)
        else:
            _subscribe_to_matching(session, subscriber, filter_keys, locks)
        _record(session, principal, "workitem_subscribe", workitem_uid, ae_title, deletion_lock=locks)
    return Remark.LOCK_NOT_GRANTED if deletion_lock and not locks else None


def unsubscribe(archive: Archive, principal: Principal, workitem_uid: str, ae_title: str) -> bool:
    """End a subscription; by the well-known UID of the worklist, every subscription of the AE.

    Returns whether there was one.

    Raises
    ------
    NotAllowed, NotFound, Gone.
    """
    require_reading(principal)
    transport = _check_receiver(archive, principal, ae_title, must_be_known=False)
    with archive.transaction() as session:
        item = None if workitem_uid in _WORKLISTS else find(session, workitem_uid)
        subscriber = find_subscriber(session, principal, ae_title, transport)
        if subscriber is None:
            return False
        own = workitem_subscriptions.c.subscriber_key == subscriber.id
        if item is not None:
            ended = session.execute(
                delete(workitem_subscriptions).where(own, workitem_subscriptions.c.workitem_key == item.key)
            ).rowcount
        elif workitem_uid == at.GLOBAL:
            ended = session.execute(
                delete(worklist_subscriptions).where(worklist_subscriptions.c.subscriber_key == subscriber.id)
            ).rowcount
            ended += session.execute(delete(workitem_subscriptions).where(own)).rowcount
        else:
            ended = _end_worklist(session, subscriber.id, FILTERED_KIND)
            made_by_it = workitem_subscriptions.c.kind == FILTERED_KIND
            ended += session.execute(delete(workitem_subscriptions).where(own, made_by_it)).rowcount
        if ended:
            _record(session, principal, "workitem_unsubscribe", workitem_uid, ae_title)
    return bool(ended)


def suspend(archive: Archive, principal: Principal, workitem_uid: str, ae_title: str) -> bool:
    """Subscribe an AE to no further workitems; what it is subscribed to it remains. Returns whether it was.

    Raises
    ------
    NotAllowed. WorkitemRefused: `workitem_uid` is not one of the worklist's.
    """
    require_reading(principal)
    if workitem_uid not in _WORKLISTS:
        raise WorkitemRefused(
            Reason.ACTION_NOT_APPROPRIATE,
            f"only a subscription to the worklist ({at.GLOBAL}, {at.FILTERED}) is suspended; unsubscribe from this one",
        )
    transport = _check_receiver(archive, principal, ae_title, must_be_known=False)
    with archive.transaction() as session:
        take_turn(session)
        subscriber = find_subscriber(session, principal, ae_title, transport)
        ended = 0 if subscriber is None else _end_worklist(session, subscriber.id, _WORKLISTS[workitem_uid])
        if ended:
            _record(session, principal, "worklist_suspend", workitem_uid, ae_title)
    return bool(ended)


def _end_worklist(session: Connection, subscriber_key: int, kind: str) -> int:
    return session.execute(
        delete(worklist_subscriptions).where(
            worklist_subscriptions.c.subscriber_key == subscriber_key, worklist_subscriptions.c.kind == kind
        )
    ).rowcount


def _check_receiver(archive: Archive, principal: Principal, ae_title: str, *, must_be_known: bool = True) -> str:
    """Say how a receiver is told. By DIMSE, a peer that can be called; and for another than oneself, a right."""
    title = check_title(ae_title)
    if principal.door != "dimse":
        return WEBSOCKET
    if must_be_known and peers.find_destination(archive, title) is None:
        raise WorkitemRefused(
            Reason.RECEIVER_UNKNOWN, f"no peer {title} with an address to call is known; add it, with its port"
        )
    if title != principal.name:
        policy.require(principal, Action.WORKLIST)
    return DIMSE


def check_title(ae_title: str) -> str:
    """Give an AE title without the blanks that pad it.

    Raises
    ------
    WorkitemRefused
    """
    title = ae_title.strip(" ")
    if not 1 <= len(title) <= 16 or not title.isascii() or not title.isprintable() or "\\" in title:
        raise WorkitemRefused(Reason.INVALID_VALUE, f"{ae_title[:32]!r} is no AE title (PS3.5 6.2)")
    return title


def _read_filter(keys: JsonDataset | None) -> JsonDataset:
    """Check the keys of a filtered subscription, now: later nobody is there to be told.

    Raises
    ------
    Refused
    """
    asked = {tag: element for tag, element in (keys or {}).items() if tag not in (at.TRANSACTION_UID, at.CHARACTER_SET)}
    if not read_keys(asked, FILTER_OPTIONS).matching:
        raise WorkitemRefused(
            Reason.MISSING_ATTRIBUTE, f"a filtered subscription names keys with values; for all, use {at.GLOBAL}"
        )
    return asked


def owner_of(principal: Principal) -> str:
    """Name who a WebSocket subscriber's name belongs to; a token acts for its person."""
    return f"{'person' if principal.kind == 'token' else principal.kind}:{principal.id}"


def find_subscriber(session: Connection, principal: Principal, ae_title: str, transport: str) -> Row[Any] | None:
    """Find a subscriber.

    Raises
    ------
    NotAllowed: it belongs to somebody else.
    """
    row: Row[Any] | None = session.execute(
        select(workitem_subscribers).where(
            workitem_subscribers.c.ae_title == ae_title.strip(" "), workitem_subscribers.c.transport == transport
        )
    ).first()
    is_foreign = row is not None and transport == WEBSOCKET and row.owner != owner_of(principal)
    if is_foreign and not policy.explain(principal, Action.ADMINISTER).allowed:
        raise NotAllowed(f"the subscriber name {ae_title} is used by somebody else; choose another")
    return row


def enter_subscriber(
    session: Connection, archive: Archive, principal: Principal, ae_title: str, transport: str
) -> Subscriber:
    """Find a subscriber, or enter it.

    Raises
    ------
    NotAllowed: it belongs to somebody else. Unavailable: there are `workitem_subscribers_max` already.
    """
    title = ae_title.strip(" ")
    known = find_subscriber(session, principal, title, transport)
    if known is not None:
        seen = update(workitem_subscribers).where(workitem_subscribers.c.id == known.id)
        session.execute(seen.values(seen_at=time.time()))
        return Subscriber(known.id, title, transport)
    count = session.execute(select(func.count()).select_from(workitem_subscribers)).scalar_one()
    if count >= archive.settings.workitem_subscribers_max:
        raise Unavailable(f"there are {count} subscribers already (workitem_subscribers_max)", retry_after_s=3600)
    now = time.time()
    key = session.execute(
        insert(workitem_subscribers)
        .values(ae_title=title, transport=transport, owner=owner_of(principal), created_at=now, seen_at=now)
        .returning(workitem_subscribers.c.id)
    ).scalar_one()
    return Subscriber(key, title, transport)


def _subscribe_to(session: Connection, subscriber: Subscriber, item: Workitem, locks: bool) -> None:
    statement = insert_for(session)(workitem_subscriptions).values(
        subscription(item.key, subscriber.key, SPECIFIC_KIND, locks)
    )
    session.execute(
        statement.on_conflict_do_update(
            index_elements=["workitem_key", "subscriber_key"],
            set_={"kind": SPECIFIC_KIND, "deletion_lock": int(locks), "created_at": time.time()},
        )
    )
    reports.state(session, item.workitem_uid, item.attributes, [subscriber])


def _subscribe_to_all(session: Connection, subscriber: Subscriber, locks: bool) -> None:
    _keep_worklist(session, subscriber, GLOBAL_KIND, None, locks)
    missing = workitems.c.id.not_in(_subscribed(subscriber))
    if locks:
        found = select(workitems.c.id, workitems.c.attributes).where(workitems.c.deleted_at.is_(None), missing)
        rows = [(row.id, datasets.load(row.attributes)) for row in session.execute(found.order_by(workitems.c.id))]
        _subscribe_to_each(session, subscriber, GLOBAL_KIND, rows, locks)
        return
    columns = list(subscription(0, 0, "", False))
    now = time.time()
    new = select(workitems.c.id, literal(subscriber.key), literal(GLOBAL_KIND), literal(0), literal(now)).where(
        workitems.c.deleted_at.is_(None), missing
    )
    session.execute(insert(workitem_subscriptions).from_select(columns, new))


def _subscribe_to_matching(session: Connection, subscriber: Subscriber, keys: JsonDataset, locks: bool) -> None:
    _keep_worklist(session, subscriber, FILTERED_KIND, keys, locks)
    known = set(session.execute(_subscribed(subscriber)).scalars())
    found = matching_keys(session, read_keys(keys, FILTER_OPTIONS))
    rows = [(key, attributes) for key, attributes in found if key not in known]
    _subscribe_to_each(session, subscriber, FILTERED_KIND, rows, locks)


def _subscribed(subscriber: Subscriber) -> Any:
    return select(workitem_subscriptions.c.workitem_key).where(
        workitem_subscriptions.c.subscriber_key == subscriber.key
    )


def _keep_worklist(
    session: Connection, subscriber: Subscriber, kind: str, keys: JsonDataset | None, locks: bool
) -> None:
    written = None if keys is None else datasets.dump(keys)
    statement = insert_for(session)(worklist_subscriptions).values(
        subscriber_key=subscriber.key, kind=kind, filter=written, deletion_lock=int(locks), created_at=time.time()
    )
    session.execute(
        statement.on_conflict_do_update(
            index_elements=["subscriber_key", "kind"], set_={"filter": written, "deletion_lock": int(locks)}
        )
    )


def _subscribe_to_each(
    session: Connection, subscriber: Subscriber, kind: str, rows: list[tuple[int, JsonDataset]], locks: bool
) -> None:
    """Subscribe to workitems that are there; with a lock, each is told of once (CC.2.4.3)."""
    for start in range(0, len(rows), _ROWS_PER_INSERT):
        part = rows[start : start + _ROWS_PER_INSERT]
        session.execute(
            insert(workitem_subscriptions), [subscription(key, subscriber.key, kind, locks) for key, _ in part]
        )
    if locks:
        for _, attributes in rows:
            uid = datasets.value(attributes, at.SOP_INSTANCE_UID)
            reports.record(session, uid, EventType.STATE, reports.state_information(attributes), [subscriber])


def _record(
    session: Connection, principal: Principal, action: str, workitem_uid: str, ae_title: str, **detail: Any
) -> None:
    audit.record(session, principal, action, object=workitem_uid, detail={"receiver": ae_title, **detail})
