"""Event reports: what subscribers are told, written in the transaction that it tells of (PS3.4 CC.2.4).

A report stays until its subscriber was given it: by the job `send_workitem_reports` over DIMSE, or by the channel that
the subscriber opened. Those nobody comes for are removed after `workitem_report_keep_s`.
"""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from enum import IntEnum
from typing import Any, Final

from sqlalchemy import Connection, delete, insert, select

from filmless.archive import jobs
from filmless.query.matching import JsonDataset
from filmless.worklist import attributes as at
from filmless.worklist import datasets
from filmless.worklist.tables import workitem_reports, workitem_subscribers, workitem_subscriptions

DIMSE, WEBSOCKET = "dimse", "websocket"
SEND_JOB: Final = "send_workitem_reports"


class EventType(IntEnum):
    """Event Type IDs of table CC.2.4-1."""

    STATE = 1
    CANCEL_REQUESTED = 2
    PROGRESS = 3
    SCP_STATUS = 4
    ASSIGNED = 5


@dataclass(frozen=True, slots=True)
class Subscriber:
    """Whom a report goes to."""

    key: int
    ae_title: str
    transport: str


@dataclass(frozen=True, slots=True)
class Report:
    """One event report that a subscriber has not been given yet."""

    id: int
    workitem_uid: str
    event_type: int
    information: JsonDataset


def subscribers_of(session: Connection, workitem_key: int) -> list[Subscriber]:
    """Name those who are subscribed to a workitem."""
    rows = session.execute(
        select(workitem_subscribers.c.id, workitem_subscribers.c.ae_title, workitem_subscribers.c.transport)
        .join_from(workitem_subscriptions, workitem_subscribers)
        .where(workitem_subscriptions.c.workitem_key == workitem_key)
        .order_by(workitem_subscribers.c.id)
    )
    return [Subscriber(*row) for row in rows]


def state(session: Connection, workitem_uid: str, attributes: Mapping[str, Any], told: Sequence[Subscriber]) -> None:
    """Tell the state that a workitem is in, and whether its input is ready."""
    record(session, workitem_uid, EventType.STATE, state_information(attributes), told)


def state_information(attributes: Mapping[str, Any]) -> JsonDataset:
    """Write a UPS State Report; of a canceled workitem with the reason."""
    information = datasets.parts_of(attributes, at.STATE, at.READINESS)
    if datasets.value(attributes, at.STATE) == at.CANCELED:
        for progress in datasets.items(attributes, at.PROGRESS_INFORMATION)[:1]:
            information |= datasets.parts_of(progress, at.CANCELLATION_REASON, at.DISCONTINUATION_REASONS)
    return information


def assigned(session: Connection, workitem_uid: str, attributes: Mapping[str, Any], told: Sequence[Subscriber]) -> None:
    """Tell which stations and people a workitem is meant for.

    The table has the performer's code and organization, the text the whole sequence: both are given.
    """
    information = datasets.parts_of(attributes, at.STATION_NAMES, at.HUMAN_PERFORMERS)
    for performer in datasets.items(attributes, at.HUMAN_PERFORMERS)[:1]:
        information |= datasets.parts_of(performer, at.HUMAN_PERFORMER_CODES, at.HUMAN_PERFORMER_ORGANIZATION)
    record(session, workitem_uid, EventType.ASSIGNED, information, told)


def cancel_requested(
    session: Connection,
    workitem_uid: str,
    request: Mapping[str, Any],
    requesting_ae: str,
    told: Sequence[Subscriber],
) -> None:
    """Tell that somebody asks for a workitem to be canceled."""
    information = {**request, at.REQUESTING_AE: datasets.text("AE", requesting_ae)}
    record(session, workitem_uid, EventType.CANCEL_REQUESTED, information, told)


def changes(
    session: Connection,
    workitem_uid: str,
    before: Mapping[str, Any],
    after: Mapping[str, Any],
    told: Sequence[Subscriber],
) -> None:
    """Tell what is different now: state or readiness, assignment, progress (CC.2.4.3)."""

    def differs(*tags: str) -> bool:
        return datasets.parts_of(before, *tags) != datasets.parts_of(after, *tags)

    if differs(at.STATE, at.READINESS):
        state(session, workitem_uid, after, told)
    if differs(at.STATION_NAMES, at.HUMAN_PERFORMERS):
        assigned(session, workitem_uid, after, told)
    if _progress(before) != _progress(after):
        information = datasets.parts_of(after, at.PROGRESS_INFORMATION)
        record(session, workitem_uid, EventType.PROGRESS, information, told)


def _progress(attributes: Mapping[str, Any]) -> list[JsonDataset]:
    tags = (at.PROGRESS, at.PROGRESS_DESCRIPTION, at.PROGRESS_PARAMETERS, at.COMMUNICATIONS)
    parts = [datasets.parts_of(item, *tags) for item in datasets.items(attributes, at.PROGRESS_INFORMATION)]
    return [part for part in parts if part]


def record(
    session: Connection,
    workitem_uid: str,
    event_type: EventType,
    information: Mapping[str, Any],
    told: Sequence[Subscriber],
) -> None:
    """Write one report for each subscriber into the caller's transaction."""
    if not told:
        return
    written, now = datasets.dump(information), time.time()
    session.execute(
        insert(workitem_reports),
        [
            {
                "subscriber_key": each.key,
                "at": now,
                "workitem_uid": workitem_uid,
                "event_type": int(event_type),
                "information": written,
            }
            for each in told
        ],
    )
    for each in told:
        if each.transport == DIMSE:
            ask_to_send(session, each)


def ask_to_send(session: Connection, subscriber: Subscriber) -> None:
    """Have the reports of a subscriber sent; asked for again while they are, they are looked through once more."""
    jobs.enqueue(
        session,
        SEND_JOB,
        {"subscriber_key": subscriber.key},
        key=f"{SEND_JOB}:{subscriber.key}",
        destination=subscriber.ae_title,
    )


def pending(session: Connection, subscriber_key: int, limit: int) -> list[Report]:
    """Read the oldest reports that a subscriber has not been given."""
    rows = session.execute(
        select(
            workitem_reports.c.id,
            workitem_reports.c.workitem_uid,
            workitem_reports.c.event_type,
            workitem_reports.c.information,
        )
        .where(workitem_reports.c.subscriber_key == subscriber_key)
        .order_by(workitem_reports.c.id)
        .limit(limit)
    )
    return [Report(row.id, row.workitem_uid, row.event_type, datasets.load(row.information)) for row in rows]


def forget(session: Connection, ids: Sequence[int]) -> None:
    """Strike the reports that were given."""
    session.execute(delete(workitem_reports).where(workitem_reports.c.id.in_(ids)))
