"""Searching the worklist, for C-FIND and for HTTP (PS3.4 CC.2.8, PS3.18 11.9): any attribute may be a key.

SQL narrows by the columns, and by the text of the attributes; what is left is held against the keys by the matching
rules of `query`. In the order of the scheduled start.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

from sqlalchemy import ColumnElement, Connection, and_, select, tuple_

from filmless.access import audit
from filmless.access.principal import Principal
from filmless.query import conditions, matching
from filmless.query.attributes import Stored
from filmless.query.matching import JsonDataset, Key, Keys, Options
from filmless.query.rows import Wanted, empty, part_of
from filmless.worklist import attributes as at
from filmless.worklist import datasets
from filmless.worklist.tables import workitems
from filmless.worklist.workitems import require_reading

if TYPE_CHECKING:
    from filmless.archive import Archive

ROWS_PER_STATEMENT: Final = 500
_ALL_ZONES: Final = 2 * 86400 * 1_000_000  # clocks between +1400 and -1200 differ by less

_COLUMNS: Final[Mapping[str, Stored]] = {
    at.SOP_INSTANCE_UID: Stored(workitems.c.workitem_uid),
    at.STATE: Stored(workitems.c.state),
    at.PRIORITY: Stored(workitems.c.priority),
    at.READINESS: Stored(workitems.c.input_readiness),
    at.WORKLIST_LABEL: Stored(workitems.c.worklist_label),
    at.PATIENT_ID: Stored(workitems.c.patient_id),
}


@dataclass(frozen=True, slots=True)
class Query:
    """A search, read and checked. `wanted` is what to return; `unsupported` what was asked and is never told."""

    keys: Keys
    wanted: Wanted
    wants_all: bool
    unsupported: frozenset[str]
    detail: str


@dataclass(frozen=True, slots=True)
class Page:
    """Matches, and whether there are more."""

    datasets: list[JsonDataset]
    has_more: bool


def read_query(identifier: JsonDataset, options: Options, wanted: Wanted, *, wants_all: bool = False) -> Query:
    """Read an identifier. The Transaction UID is no key and is not returned (table CC.2.5-3).

    Raises
    ------
    Refused: a key cannot be matched as asked; the message says why.
    """
    asked = {tag: element for tag, element in identifier.items() if tag != at.TRANSACTION_UID}
    return Query(
        keys=matching.read_keys(asked, options),
        wanted={tag: inner for tag, inner in wanted.items() if tag != at.TRANSACTION_UID},
        wants_all=wants_all,
        unsupported=frozenset({at.TRANSACTION_UID} & (identifier.keys() | wanted.keys())),
        detail=_describe(asked),
    )


def _describe(asked: Mapping[str, Any]) -> str:
    keys = {tag: element["Value"] for tag, element in asked.items() if element.get("Value")}
    return json.dumps({"keys": keys}, ensure_ascii=False, default=str)[:4000]


def find_page(archive: Archive, principal: Principal, query: Query, *, limit: int, offset: int = 0) -> Page:
    """Search and give matches `offset` to `offset + limit`.

    Raises
    ------
    NotAllowed
    """
    _begin(archive, principal, query)
    found: list[JsonDataset] = []
    for number, attributes in enumerate(_matches(archive, query)):
        if number >= offset:
            found.append(_answer(query, attributes))
        if len(found) > limit:
            break
    return Page(found[:limit], len(found) > limit)


def find_all(archive: Archive, principal: Principal, query: Query) -> Iterator[JsonDataset]:
    """Search and yield every match; no read transaction stays open while the caller sends one.

    Raises
    ------
    NotAllowed
    """
    _begin(archive, principal, query)
    for attributes in _matches(archive, query):
        yield _answer(query, attributes)


def _begin(archive: Archive, principal: Principal, query: Query) -> None:
    require_reading(principal)
    with archive.transaction() as session:
        audit.record(session, principal, "workitem_search", detail=query.detail)


def _matches(archive: Archive, query: Query) -> Iterator[JsonDataset]:
    after: tuple[int, int] | None = None
    while True:
        with archive.reading() as session:
            rows = _read(session, query.keys, after)
        for _, _, attributes in rows:
            if matching.matches(query.keys, attributes):
                yield attributes
        if len(rows) < ROWS_PER_STATEMENT:
            return
        after = rows[-1][:2]


def matching_keys(session: Connection, keys: Keys) -> Iterator[tuple[int, JsonDataset]]:
    """Find, within the caller's transaction, the rows of all workitems that match."""
    after: tuple[int, int] | None = None
    while True:
        rows = _read(session, keys, after)
        for _, key, attributes in rows:
            if matching.matches(keys, attributes):
                yield key, attributes
        if len(rows) < ROWS_PER_STATEMENT:
            return
        after = rows[-1][:2]


def _read(session: Connection, keys: Keys, after: tuple[int, int] | None) -> list[tuple[int, int, JsonDataset]]:
    """Read workitems that may match: scheduled start, row and attributes, in order, after a place in it."""
    place = tuple_(workitems.c.scheduled_at, workitems.c.id)
    query = (
        select(workitems.c.scheduled_at, workitems.c.id, workitems.c.attributes)
        .where(workitems.c.deleted_at.is_(None), *_narrowed(keys, session.dialect.name))
        .order_by(workitems.c.scheduled_at, workitems.c.id)
        .limit(ROWS_PER_STATEMENT)
    )
    if after is not None:
        query = query.where(place > tuple_(*after))
    return [(at_, key, datasets.load(written)) for at_, key, written in session.execute(query)]


def _narrowed(keys: Keys, dialect: str) -> Iterator[ColumnElement[bool]]:
    """Say in SQL what the keys leave out, as far as it can be said."""
    for key in keys.matching:
        stored = _COLUMNS.get(key.tag)
        if stored is not None:
            yield conditions.condition_of(key, stored, dialect).clause
        elif key.tag == at.SCHEDULED_START:
            yield from _around(key)
        else:
            yield from conditions.may_hold(workitems.c.attributes, key, dialect)


def _around(key: Key) -> Iterator[ColumnElement[bool]]:
    """Narrow to starts that may lie in a range, whatever the clocks are."""
    if len(key.tests) == 1 and isinstance(test := key.tests[0], matching.Instants):
        yield and_(
            workitems.c.scheduled_at >= max(test.low - _ALL_ZONES, -(1 << 62)),
            workitems.c.scheduled_at <= min(test.high + _ALL_ZONES, 1 << 62),
        )


def _answer(query: Query, attributes: JsonDataset) -> JsonDataset:
    """Give what was asked for of one match; an attribute that it lacks is there without a value."""
    found = dict(attributes) if query.wants_all else {}
    for tag, inner in query.wanted.items():
        element = attributes.get(tag)
        if element is not None and inner:
            element = part_of(element, inner)
        held = element if element is not None else empty(tag)
        if held is not None:
            found[tag] = held
    return {tag: found[tag] for tag in sorted(found)}
