"""What an administrator must act on: raised once, seen again and again, settled by what raised it."""

from __future__ import annotations

import time
from dataclasses import dataclass

from sqlalchemy import Connection, delete, func, select

from filmless.archive.database import insert_for
from filmless.archive.events import publish
from filmless.archive.sentences import decode, encode
from filmless.archive.tables import problems


@dataclass(frozen=True, slots=True)
class Problem:
    """One problem, in words: sentences, where they are known."""

    kind: str
    key: str
    what: str
    what_to_do: str
    at: float
    last_at: float


def raise_problem(session: Connection, kind: str, key: str, what: str, what_to_do: str) -> None:
    """Record a problem, or that it is still there. The first time is an event."""
    now, said = time.time(), encode(what, what_to_do)
    known = select(problems.c.kind).where(problems.c.kind == kind, problems.c.key == key)
    if session.execute(known).first() is None:
        publish(session, "problem", kind)
    statement = insert_for(session)(problems).values(
        kind=kind, key=key, what=what, what_to_do=what_to_do, said=said, at=now, last_at=now
    )
    session.execute(
        statement.on_conflict_do_update(
            index_elements=["kind", "key"], set_={"what": what, "what_to_do": what_to_do, "said": said, "last_at": now}
        )
    )


def settle_problem(session: Connection, kind: str, key: str) -> None:
    """Take a problem back; one that was not raised is no error."""
    if session.execute(delete(problems).where(problems.c.kind == kind, problems.c.key == key)).rowcount:
        publish(session, "problem", kind)


def count_problems(session: Connection) -> dict[str, int]:
    """How many problems there are of each kind."""
    rows = session.execute(select(problems.c.kind, func.count()).group_by(problems.c.kind))
    return {str(kind): int(count) for kind, count in rows}


def list_keys(session: Connection, kind: str) -> set[str]:
    """The keys of the problems of one kind."""
    return set(session.scalars(select(problems.c.key).where(problems.c.kind == kind)))


def list_problems(session: Connection, limit: int = 200) -> list[Problem]:
    """The problems, newest first."""
    columns = (
        problems.c.kind,
        problems.c.key,
        problems.c.what,
        problems.c.what_to_do,
        problems.c.said,
        problems.c.at,
        problems.c.last_at,
    )
    found = []
    for row in session.execute(select(*columns).order_by(problems.c.at.desc()).limit(limit)):
        what, what_to_do = decode(row.said, row.what, row.what_to_do)
        found.append(Problem(row.kind, row.key, what, what_to_do, row.at, row.last_at))
    return found
