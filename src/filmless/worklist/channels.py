"""The channel that a subscriber opens to be told on: whose turn it is to be given the reports, and what it was given.

A subscriber has one channel at a time; a new one takes over from the old. Reports that came while none was open wait.
"""

from __future__ import annotations

import time
import uuid
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from sqlalchemy import ColumnElement, select, update

from filmless.access import audit
from filmless.access.principal import Principal
from filmless.worklist import reports
from filmless.worklist.reports import WEBSOCKET, Report
from filmless.worklist.subscriptions import check_title, enter_subscriber
from filmless.worklist.tables import workitem_reports, workitem_subscribers
from filmless.worklist.workitems import require_reading

if TYPE_CHECKING:
    from filmless.archive import Archive

AT_ONCE: Final = 100
_KEYS_AT_ONCE: Final = 500


@dataclass(frozen=True, slots=True)
class Channel:
    """An open channel: of which subscriber, and its own name."""

    subscriber_key: int
    ae_title: str
    name: str


def open_channel(archive: Archive, principal: Principal, ae_title: str) -> Channel:
    """Take over the reports of a subscriber, which is entered when nobody had its name.

    Raises
    ------
    NotAllowed: the name is somebody else's, or the caller may not read workitems. WorkitemRefused: it is no AE title.
    Unavailable: too many subscribers.
    """
    require_reading(principal)
    title = check_title(ae_title)
    name = str(uuid.uuid4())
    with archive.transaction() as session:
        subscriber = enter_subscriber(session, archive, principal, title, WEBSOCKET)
        session.execute(
            update(workitem_subscribers)
            .where(workitem_subscribers.c.id == subscriber.key)
            .values(channel=name, seen_at=time.time())
        )
        audit.record(session, principal, "workitem_channel", detail={"receiver": title})
    return Channel(subscriber.key, title, name)


def close_channel(archive: Archive, channel: Channel) -> None:
    """Let go of the reports, unless another channel took over."""
    with archive.transaction() as session:
        session.execute(update(workitem_subscribers).where(_is_of(channel)).values(channel=None, seen_at=time.time()))


def is_current(archive: Archive, channel: Channel) -> bool:
    """Say whether no other channel took over; the subscriber counts as seen."""
    with archive.transaction() as session:
        seen = update(workitem_subscribers).where(_is_of(channel)).values(seen_at=time.time())
        return session.execute(seen).rowcount == 1


def with_reports(archive: Archive, subscriber_keys: Sequence[int]) -> set[int]:
    """Name the subscribers, of these, for whom reports wait."""
    found: set[int] = set()
    with archive.reading() as session:
        for start in range(0, len(subscriber_keys), _KEYS_AT_ONCE):
            some = workitem_reports.c.subscriber_key.in_(subscriber_keys[start : start + _KEYS_AT_ONCE])
            found.update(session.scalars(select(workitem_reports.c.subscriber_key).where(some).distinct()))
    return found


def read(archive: Archive, channel: Channel) -> list[Report] | None:
    """Read the oldest reports that wait, `AT_ONCE` at most; None when another channel took over."""
    with archive.reading() as session:
        if session.execute(select(workitem_subscribers.c.id).where(_is_of(channel))).first() is None:
            return None
        return reports.pending(session, channel.subscriber_key, AT_ONCE)


def strike(archive: Archive, principal: Principal, channel: Channel, given: Sequence[Report]) -> None:
    """Strike the reports that were given; one row in the trail counts those of a channel."""
    with archive.transaction() as session:
        reports.forget(session, [report.id for report in given])
        for _ in given:
            audit.record_repeated(
                session,
                principal,
                "workitem_report",
                request=f"channel:{channel.name}",
                outcome="success",
                detail={"receiver": channel.ae_title},
            )


def _is_of(channel: Channel) -> ColumnElement[bool]:
    return (workitem_subscribers.c.id == channel.subscriber_key) & (workitem_subscribers.c.channel == channel.name)
