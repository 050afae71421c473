"""Events: a name and a key, written in the transaction that caused them: who hears one refetches."""

from __future__ import annotations

import time
from dataclasses import dataclass

from sqlalchemy import Connection, bindparam, delete, func, select

from filmless.archive.database import Prepared
from filmless.archive.tables import events

_COALESCED_MAX = 4096


@dataclass(frozen=True, slots=True)
class Event:
    """Something happened to what `key` names."""

    id: int
    at: float
    name: str
    key: str
    study_instance_uid: str | None


_INSERT = Prepared(
    lambda insert: (
        insert(events)
        .values(
            at=bindparam("at"),
            name=bindparam("name"),
            key=bindparam("key"),
            study_instance_uid=bindparam("study_instance_uid"),
        )
        .returning(events.c.id)
    )
)
_DELETE = Prepared(lambda _: delete(events).where(events.c.id == bindparam("event_id")))


def publish(session: Connection, name: str, key: str, study_instance_uid: str | None = None) -> int:
    """Record an event; it is seen when the caller's transaction commits. Returns its id."""
    values = {"at": time.time(), "name": name, "key": key, "study_instance_uid": study_instance_uid}
    return int(_INSERT.run(session, values).fetchone()[0])


class Coalescer:
    """Publishes events that repeat: a new one within `within_s` takes the place of the last, so that the table grows
    by at most one row a key in that time while readers still hear of every change. One per process and event name.
    """

    def __init__(self, name: str, *, within_s: float = 1.0) -> None:
        self._name = name
        self._within_s = within_s
        self._last: dict[str, tuple[int, float]] = {}

    def publish(self, session: Connection, key: str, study_instance_uid: str | None = None) -> None:
        """Record the event in the caller's transaction."""
        now = time.time()
        last = self._last.get(key)
        if last is not None and now - last[1] < self._within_s:
            # If its transaction was rolled back there is nothing to delete, and no harm.
            _DELETE.run(session, {"event_id": last[0]})
            began_at = last[1]
        else:
            began_at = now
        if len(self._last) >= _COALESCED_MAX:
            self._last.clear()
        self._last[key] = (publish(session, self._name, key, study_instance_uid), began_at)


def read_since(session: Connection, last_id: int, limit: int = 500) -> list[Event]:
    """Read the events after `last_id`, oldest first."""
    rows = session.execute(
        select(events.c.id, events.c.at, events.c.name, events.c.key, events.c.study_instance_uid)
        .where(events.c.id > last_id)
        .order_by(events.c.id)
        .limit(limit)
    )
    return [Event(*row) for row in rows]


def latest_id(session: Connection) -> int:
    """The id of the newest event; 0 when there is none."""
    return int(session.execute(select(func.max(events.c.id))).scalar() or 0)


def forget_before(session: Connection, at: float) -> int:
    """Delete the events before a time; returns how many."""
    return session.execute(delete(events).where(events.c.at < at)).rowcount
