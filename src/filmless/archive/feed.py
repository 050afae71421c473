"""The order of events in which none is ever missed, and the cursors of those who follow it. (ADR-0015)

An event is final when every transaction that could still write one before it is over: readers see final events only,
so what they have read never changes. On SQLite that is every committed one, in the order of its number. On PostgreSQL
numbers are given out before the commit, so the order is that of the transactions' own numbers, and what is younger
than the oldest transaction under way waits for it.
"""

from __future__ import annotations

import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import TYPE_CHECKING, Final, NamedTuple

from sqlalchemy import ColumnElement, Connection, delete, func, or_, select, text, true, tuple_, update

from filmless.archive.events import Event
from filmless.archive.tables import events, studies
from filmless.errors import Gone, Refused

if TYPE_CHECKING:
    from filmless.archive.archive import Archive

_MEND_LOCK: Final = 0x46454544
_COLUMNS: Final = tuple(events.c[name] for name in Event.__slots__)
_ORDER: Final = (events.c.transaction_id, events.c.id)
_NEWEST_FIRST: Final = (events.c.transaction_id.desc(), events.c.id.desc())

# The number of the oldest transaction under way that has locked a table of ours, and so may write events; without one
# the next number to be given out. Transactions of other databases count on the same clock but are none of our concern,
# so pg_snapshot_xmin will not do. Locks tell 32 bits of a number; the rest is that of the next one.
_HORIZON: Final = text("""
    WITH held AS MATERIALIZED (SELECT locktype, mode, granted, database, pid, transactionid FROM pg_locks),
    clock AS (SELECT pg_snapshot_xmax(pg_current_snapshot())::text::bigint AS next),
    open AS (
        SELECT min(next - ((next - transactionid::text::bigint) & 4294967295)) AS oldest FROM held, clock
        WHERE locktype = 'transactionid' AND mode = 'ExclusiveLock' AND granted AND pid IN (
            SELECT pid FROM held WHERE locktype = 'relation'
            AND database = (SELECT oid FROM pg_database WHERE datname = current_database()))
    )
    SELECT least(next, oldest), next FROM clock, open
""")


class Position(NamedTuple):
    """A place in the order: just after the event with these numbers."""

    transaction_id: int
    id: int


START: Final = Position(-(2**62), 0)


def position_of(event: Event) -> Position:
    """The place just after an event."""
    return Position(event.transaction_id, event.id)


@contextmanager
def reading(archive: Archive) -> Iterator[Feed]:
    """Read the feed from one snapshot. Raises Unavailable when the database is away."""
    horizon = None
    if not archive.database.is_sqlite:
        with archive.reading() as session:  # a snapshot of its own: the one that is read from must come after it
            horizon = int(session.execute(_HORIZON).one()[0])
    with archive.reading() as session:
        if horizon is None and session.dialect.name != "sqlite":  # it was moved in this instant
            horizon = 1  # what was moved has no transaction, and is final
        yield Feed(session, horizon)


class Feed:
    """The events that are final; on PostgreSQL those of transactions before `horizon`."""

    def __init__(self, session: Connection, horizon: int | None) -> None:
        self.session = session
        self.is_final = true() if horizon is None else events.c.transaction_id < horizon

    def read_after(
        self,
        position: Position,
        limit: int,
        *,
        names: Sequence[str] | None = None,
        without: Sequence[str] = (),
        visible: ColumnElement[bool] | None = None,
        is_about_studies: bool = False,
    ) -> list[Event]:
        """Read the events after a place, in order.

        Parameters
        ----------
        names, without : only events of these names; events of other names than these.
        visible : condition on `tables.studies` that the study of an event must meet; None is any study.
        is_about_studies : leave out events about no study.
        """
        query = select(*_COLUMNS).where(self.is_final, tuple_(*_ORDER) > tuple_(*position))
        if names is not None:
            query = query.where(events.c.name.in_(names))
        if without:
            query = query.where(events.c.name.not_in(without))
        if is_about_studies:
            query = query.where(events.c.study_instance_uid.is_not(None))
        if visible is not None:
            study = studies.c.study_instance_uid == events.c.study_instance_uid
            seen = select(studies.c.id).where(study, visible).exists()
            query = query.where(or_(events.c.study_instance_uid.is_(None), seen))
        return [Event(*row) for row in self.session.execute(query.order_by(*_ORDER).limit(limit))]

    def find_newest(self) -> Event | None:
        """The last event; None when there is none."""
        row = self.session.execute(select(*_COLUMNS).where(self.is_final).order_by(*_NEWEST_FIRST).limit(1)).first()
        return None if row is None else Event(*row)

    def find_event(self, event_id: int) -> Event | None:
        """An event by its number; None when it is forgotten, or never was."""
        row = self.session.execute(select(*_COLUMNS).where(self.is_final, events.c.id == event_id)).first()
        return None if row is None else Event(*row)

    def read_cursor(self, cursor: str, keep_s: float) -> Position:
        """The place that a cursor stands for.

        Raises
        ------
        Refused: it is no cursor. Gone: events after it may have been forgotten, or it is of another history.
        """
        number, _, moment = cursor.partition(".")
        is_number = cursor.isascii() and number.isdecimal() and moment.isdecimal()
        if not is_number or len(number) > 18 or len(moment) > 18:
            raise Refused(f"{cursor[:40]!r} is no cursor of this feed: give back what an earlier answer gave")
        if int(number) == 0 and int(moment) >= _microseconds(time.time() - keep_s):
            return START
        event = self.find_event(int(number))
        if event is None or _microseconds(event.at) != int(moment):
            raise Gone(
                f"events after this cursor are no longer kept (event_keep_s is {keep_s:g} s), "
                "or the database was restored: start over by asking with since=latest, then read anew what you "
                "follow, then go on from that cursor"
            )
        return position_of(event)


def cursor_of(event: Event | None) -> str:
    """The cursor just after an event; without one, that of a feed that is empty now.

    It holds the number of the event, and when that was, which tells a database that was restored to an earlier day.
    """
    return f"0.{_microseconds(time.time())}" if event is None else f"{event.id}.{_microseconds(event.at)}"


def age_s(cursor: str) -> float:
    """How long ago the event of a cursor that we gave was."""
    return time.time() - int(cursor.partition(".")[2]) / 1_000_000


def _microseconds(at: float) -> int:
    return int(at * 1_000_000)


def forget_before(session: Connection, at: float) -> int:
    """Delete the events before a time, but for the last of them: cursors of the quiet stand on it. Returns how many."""
    final = Feed(session, None if session.dialect.name == "sqlite" else session.execute(_HORIZON).one()[0]).is_final
    kept = session.execute(select(*_ORDER).where(events.c.at >= at, final).order_by(*_ORDER).limit(1)).first()
    before = select(*_ORDER).where(final)
    if kept is not None:
        before = before.where(tuple_(*_ORDER) < tuple_(*kept))
    last = session.execute(before.order_by(*_NEWEST_FIRST).limit(1)).first()
    if last is None:
        return 0
    return session.execute(delete(events).where(tuple_(*_ORDER) < tuple_(*last))).rowcount


def mend_order(session: Connection) -> None:
    """After a restore into another PostgreSQL, whose transactions count from less: move all before what is to come."""
    if session.dialect.name == "sqlite" or not _is_ahead(session):
        return
    session.execute(text(f"SELECT pg_advisory_xact_lock({_MEND_LOCK})"))
    if _is_ahead(session):  # else another process has done it
        newest = select(func.max(events.c.transaction_id)).scalar_subquery()
        session.execute(update(events).values(transaction_id=events.c.transaction_id - (newest + 1)))


def _is_ahead(session: Connection) -> bool:
    newest = session.execute(select(func.max(events.c.transaction_id))).scalar_one_or_none()
    return newest is not None and newest >= session.execute(_HORIZON).one()[1]
