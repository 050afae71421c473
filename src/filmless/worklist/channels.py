"""The channel by which a subscriber hears on a WebSocket: one at a time, the newest wins (PS3.18 8.10.4).

A process says at every look which channels it holds; it learns which of them have reports waiting, and which were
taken over by another connection of the same name, wherever that is.
"""

from __future__ import annotations

import time
import uuid
from collections.abc import Set
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from sqlalchemy import exists, select, update

from filmless.access import audit, policy
from filmless.access.policy import Action
from filmless.access.principal import Principal
from filmless.query.matching import JsonDataset
from filmless.worklist import attributes as at
from filmless.worklist import datasets, reports
from filmless.worklist.reports import WEBSOCKET, Report
from filmless.worklist.subscriptions import check_title, enter_subscriber
from filmless.worklist.tables import workitem_reports, workitem_subscribers

if TYPE_CHECKING:
    from filmless.archive import Archive

REPORTS_AT_ONCE: Final = 100


@dataclass(frozen=True, slots=True)
class Channel:
    """An open channel: the subscriber that hears on it, and the name of this very connection."""

    subscriber_key: int
    name: str


def open_channel(archive: Archive, principal: Principal, ae_title: str) -> Channel:
    """Take over the channel of a subscriber, whose name is then the caller's.

    Raises
    ------
    NotAllowed, Unavailable, WorkitemRefused (it is no AE title).
    """
    policy.require(principal, Action.QUERY)
    check_title(ae_title)
    name = str(uuid.uuid4())
    with archive.transaction() as session:
        subscriber = enter_subscriber(session, archive, principal, ae_title, WEBSOCKET)
        session.execute(
            update(workitem_subscribers).where(workitem_subscribers.c.id == subscriber.key).values(channel=name)
        )
        audit.record(session, principal, "workitem_listen", object=ae_title)
    return Channel(subscriber.key, name)


def close_channel(archive: Archive, channel: Channel) -> None:
    """Give a channel up, unless it was taken over."""
    with archive.transaction() as session:
        session.execute(
            update(workitem_subscribers)
            .where(workitem_subscribers.c.id == channel.subscriber_key, workitem_subscribers.c.channel == channel.name)
            .values(channel=None, seen_at=time.time())
        )


def look(archive: Archive, channels: Set[Channel]) -> tuple[set[Channel], set[Channel]]:
    """Say which channels have reports waiting, and which are no longer theirs who hold them."""
    keys = [channel.subscriber_key for channel in channels]
    has_reports = exists().where(workitem_reports.c.subscriber_key == workitem_subscribers.c.id)
    query = select(workitem_subscribers.c.id, workitem_subscribers.c.channel, has_reports.label("has_reports"))
    with archive.reading() as session:
        rows = {row.id: row for row in session.execute(query.where(workitem_subscribers.c.id.in_(keys)))}
    lost = {each for each in channels if each.subscriber_key not in rows}
    lost |= {each for each in channels - lost if rows[each.subscriber_key].channel != each.name}
    waiting = {each for each in channels - lost if rows[each.subscriber_key].has_reports}
    return waiting, lost


def read_reports(archive: Archive, channel: Channel) -> list[Report]:
    """Read the oldest reports that wait for a channel."""
    with archive.reading() as session:
        return reports.pending(session, channel.subscriber_key, REPORTS_AT_ONCE)


def forget_reports(archive: Archive, ids: list[int]) -> None:
    """Strike reports that were sent."""
    with archive.transaction() as session:
        reports.forget(session, ids)


def message_of(report: Report) -> JsonDataset:
    """Write a report as the data set that goes over the channel (PS3.18 8.10.5, 11.13)."""
    return {
        "00000002": datasets.text("UI", at.PUSH_SOP_CLASS),
        "00000110": {"vr": "US", "Value": [report.id % 0x10000]},
        "00001000": datasets.text("UI", report.workitem_uid),
        "00001002": {"vr": "US", "Value": [report.event_type]},
        **report.information,
    }
