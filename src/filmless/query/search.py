"""The searches of C-FIND and QIDO-RS: one statement a page, rows out as DICOM JSON (PS3.4 C.4.1, PS3.18 10.6)."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Final

from sqlalchemy import ColumnElement, Connection, FromClause, Select, exists, func, select, tuple_
from sqlalchemy.sql.util import ClauseAdapter

from filmless.access import audit, policy
from filmless.access.policy import Action
from filmless.access.principal import Principal
from filmless.archive.database import require_dialect
from filmless.archive.tables import instances, patients, series, studies, uids
from filmless.errors import Refused
from filmless.query import attributes as at
from filmless.query import conditions, matching
from filmless.query.attributes import Level
from filmless.query.columns import selected_columns
from filmless.query.matching import JsonDataset, Key, Keys, Kind, Options
from filmless.query.rows import Reader, Wanted

if TYPE_CHECKING:
    from filmless.archive import Archive

ROWS_PER_STATEMENT: Final = 500

_others: Final = studies.alias("others")  # of the same patient; made once, as each alias makes all its columns

_KEYS: Final = {
    Level.PATIENT: patients.c.id,
    Level.STUDY: studies.c.id,
    Level.SERIES: series.c.id,
    Level.IMAGE: instances.c.id,
}


@dataclass(frozen=True, slots=True)
class Query:
    """A search, read and checked: what `read_query` makes of an identifier."""

    level: Level
    keys: Keys
    wanted: Wanted
    wants_all: bool = False
    options: Options = field(default_factory=Options)
    unsupported: frozenset[str] = frozenset()
    detail: str = ""


Position = tuple[int | str, ...]


@dataclass(frozen=True, slots=True)
class Page:
    """Matches, and whether there are more; `position` is the place of the last in the order of its level."""

    datasets: list[JsonDataset]
    has_more: bool
    position: Position | None = None


def read_query(
    level: Level,
    identifier: JsonDataset,
    options: Options,
    *,
    wanted: Wanted | None = None,
    wants_all: bool = False,
) -> Query:
    """Read an identifier. Without `wanted`, its keys are also what is returned, as in C-FIND.

    Raises
    ------
    Refused: a key cannot be matched as asked; the message says why.
    """
    keys = matching.read_keys(identifier, options)
    unsupported = {tag for tag in keys.requested | set(wanted or ()) if not at.is_supported(level, tag)}
    can_look_below = options.relational
    usable = tuple(
        key
        for key in keys.keys
        if at.is_supported(level, key.tag) or (can_look_below and at.find_column(key.tag) is not None)
    )
    for key in keys.matching:
        if key not in usable:
            unsupported.add(key.tag)
        elif not at.is_supported(level, key.tag):
            unsupported.discard(key.tag)
    return Query(
        level,
        Keys(usable, keys.moments, keys.offset, keys.requested),
        wanted if wanted is not None else wanted_of(identifier),
        wants_all,
        options,
        frozenset(unsupported),
        _describe(level, identifier),
    )


def wanted_of(identifier: Mapping[str, Any]) -> Wanted:
    """Give the return keys of an identifier: all its elements, and of its sequences those of the item."""
    wanted: dict[str, Wanted | None] = {}
    for tag, element in identifier.items():
        items = [item for item in element.get("Value") or () if item] if element.get("vr") == "SQ" else []
        wanted[tag] = wanted_of(items[0]) if items else None
    return wanted


def _describe(level: Level, identifier: Mapping[str, Any]) -> str:
    """Say what was searched for, for the audit trail."""
    asked = {tag: element["Value"] for tag, element in identifier.items() if element.get("Value")}
    return json.dumps({"level": level.name, "keys": asked}, ensure_ascii=False, default=str)[:4000]


def begin(archive: Archive, principal: Principal, query: Query) -> None:
    """Ask the policy and leave the audit row; no search is answered without it.

    Raises
    ------
    NotAllowed: the principal may not search.
    """
    study = _only_uid(query.keys, at.STUDY_UID)
    policy.require(principal, Action.QUERY, study)
    with archive.transaction() as session:
        audit.record(
            session, principal, "search", study_instance_uid=study, object=query.level.name, detail=query.detail
        )


def find_page(
    archive: Archive,
    principal: Principal,
    query: Query,
    *,
    limit: int,
    offset: int = 0,
    after: Position | None = None,
) -> Page:
    """Search once and give matches `offset` to `offset + limit` in the stable order of the level.

    With `after`, the position of an earlier page, they are those behind it, whatever came or went meanwhile. Raises
    NotAllowed, and Refused: the position is none of this level's order.
    """
    begin(archive, principal, query)
    search = _Search(archive, principal, query)
    if after is not None:
        search.check_position(after)
    found: list[tuple[Position, JsonDataset]] = []
    if search.is_exact:
        rows = search.run(limit=limit + 1, offset=offset, after=after)
        found = [(position, dataset) for position, dataset in rows if dataset is not None]
    else:
        for number, each in enumerate(search.found(min(offset + limit + 1, ROWS_PER_STATEMENT), after)):
            if number >= offset:
                found.append(each)
            if len(found) > limit:
                break
    last = found[:limit][-1][0] if found[:limit] else None
    return Page([dataset for _, dataset in found[:limit]], len(found) > limit, last)


def find_all(archive: Archive, principal: Principal, query: Query) -> Iterator[JsonDataset]:
    """Search and yield every match, page by page: no read transaction stays open while the caller sends one."""
    begin(archive, principal, query)
    yield from (dataset for _, dataset in _Search(archive, principal, query).found())


def find_in_record_order(
    archive: Archive, principal: Principal, query: Query, after: int | None
) -> Iterator[tuple[int, JsonDataset]]:
    """Search and yield every match behind the record `after` with the key of its record, in the order of these keys.

    A key is given once and never again, so whoever goes on behind one misses nothing that was there before.
    """
    begin(archive, principal, query)
    found = _Search(archive, principal, query, by_key=True).found(None, None if after is None else (after,))
    for position, dataset in found:
        yield int(position[0]), dataset


class _Search:
    """One search under way: its statement, and what it has parsed."""

    def __init__(self, archive: Archive, principal: Principal, query: Query, *, by_key: bool = False) -> None:
        self.archive = archive
        self.query = query
        self.dialect = "sqlite" if archive.database.is_sqlite else "postgresql"
        self.visible = policy.visible_studies(principal)
        self.level = query.level
        self.leftover: list[Key] = []
        self.narrowings: list[Select[Any]] = []
        self.own: list[ColumnElement[bool]] = []
        self.elsewhere: dict[Level, list[ColumnElement[bool]]] = {}
        self._read_keys()
        self.wants = set(query.wanted)
        self.looks_at = self.wants | {key.tag for key in self.leftover}
        self.needs_headers = self.level is Level.IMAGE and (
            query.wants_all or any(at.is_in_header(tag) for tag in self.looks_at)
        )
        self.order, self.descending = self._order()
        if by_key:
            self.order, self.descending = [_KEYS[self.level]], False
        self.statement: Select[Any] | None = None
        self.reader: Reader | None = None

    # What is asked

    @property
    def is_exact(self) -> bool:
        """Whether the statement says all, so that it can also count and skip."""
        return not self.leftover and not self.query.keys.moments and self.query.keys.offset is None

    def _read_keys(self) -> None:
        """Say the keys as SQL, level by level; what SQL cannot say remains in `leftover`."""
        moved = self.query.keys.offset is not None
        for key in self.query.keys.matching:
            if moved and key.vr in {"DA", "TM"}:
                self.leftover.append(key)
                self.own.extend(self._in_any_zone(key))
                continue
            found = at.find_column(key.tag, self.level)
            if found is None:
                self.leftover.append(key)
                self.own.extend(self._in_attributes(key))
                continue
            level, stored = found
            condition = conditions.condition_of(key, stored, self.dialect)
            if not condition.is_exact and at.is_supported(self.level, key.tag):
                self.leftover.append(key)
            if condition.narrowing is not None:
                self.narrowings.append(condition.narrowing)
            if self._is_joined(level):
                self.own.append(condition.clause)
            else:
                self.elsewhere.setdefault(level, []).append(condition.clause)
        self.own.extend(self._moments())

    def _in_attributes(self, key: Key) -> Iterator[ColumnElement[bool]]:
        """Narrow by the text of the attributes among which the key's is kept."""
        kept = at.level_of(key.tag)
        if kept is Level.SERIES and self.level >= Level.SERIES:
            yield from conditions.may_hold(series.c.attributes, key, self.dialect)
        elif kept <= Level.STUDY and not at.is_of_the_archive(key.tag):
            held = patients.c.attributes if self.level is Level.PATIENT else studies.c.attributes
            yield from conditions.may_hold(held, key, self.dialect)

    def _prepare(self, session: Connection, page: int) -> Select[Any]:
        """Finish the statement; first see whether few studies can match."""
        few = conditions.few_studies(session, self.narrowings, page if self.level is Level.STUDY else None)
        if few is not None:
            looked_up = studies.c.id.in_(few)
            if self.level is Level.PATIENT:
                self.elsewhere.setdefault(Level.STUDY, []).append(looked_up)
            else:
                self.own.append(looked_up)
        direction = [column.desc() if self.descending else column for column in self.order]
        return self._select().where(*self.own, *self._below(), *self._scope()).order_by(*direction)

    def _is_joined(self, level: Level) -> bool:
        """Whether the row of that level is in the statement's FROM."""
        return level is self.level if self.level is Level.PATIENT else level <= self.level

    def _in_any_zone(self, key: Key) -> Iterator[ColumnElement[bool]]:
        found = at.find_column(key.tag, self.level)
        if found is not None and key.vr == "DA" and self._is_joined(found[0]) and key.tag != at.PATIENT_BIRTH_DATE:
            for test in key.tests:
                if isinstance(test, matching.Span) and len(key.tests) == 1:
                    yield conditions.dates_in_any_zone(found[1].column, test.low, test.high)

    def _moments(self) -> Iterator[ColumnElement[bool]]:
        """Narrow by the dates of date-and-time ranges; the times are looked at row by row."""
        for pair in self.query.keys.moments:
            found = at.find_column(pair.date_tag, self.level)
            if found is not None and self._is_joined(found[0]):
                low = pair.low[0] if pair.low else ""
                high = pair.high[0] if pair.high else ""
                narrow = conditions.span if self.query.keys.offset is None else conditions.dates_in_any_zone
                yield narrow(found[1].column, low, high)

    def _below(self) -> Iterator[ColumnElement[bool]]:
        """Say keys of lower levels as a list of the rows that have one below which holds all of them."""
        if not self.elsewhere:
            return
        lowest = max(self.elsewhere)
        source: FromClause = {Level.STUDY: studies, Level.SERIES: series, Level.IMAGE: instances}[lowest]
        if lowest is Level.IMAGE:
            source = source.join(uids, instances.c.sop_class_key == uids.c.id)
            if self.level <= Level.STUDY:
                source = source.join(series, instances.c.series_key == series.c.id)
        if lowest >= Level.SERIES and self.level is Level.PATIENT:
            source = source.join(studies, series.c.study_key == studies.c.id)
        given = [clause for clauses in self.elsewhere.values() for clause in clauses]
        mine: ColumnElement[Any]
        theirs: ColumnElement[Any]
        if self.level is Level.PATIENT:
            mine, theirs = patients.c.id, studies.c.patient_key
            if self.visible is not None:
                given.append(self.visible)
        elif self.level is Level.STUDY:
            mine, theirs = studies.c.id, series.c.study_key
        else:
            mine, theirs = series.c.id, instances.c.series_key
        yield mine.in_(select(theirs).select_from(source).where(*given).correlate(None))

    def _scope(self) -> Iterator[ColumnElement[bool]]:
        if self.level is Level.PATIENT:
            if self.elsewhere:
                return  # it says so already
            seen = [studies.c.patient_key == patients.c.id]
            yield exists(select(1).where(*seen, *([] if self.visible is None else [self.visible])).correlate(patients))
        elif self.visible is not None:
            yield self.visible

    # What is selected, in which order

    def _order(self) -> tuple[list[ColumnElement[Any]], bool]:
        """Give the stable order of the level and whether it descends. New studies come first, so that pages of a
        growing list may repeat a study and never skip one."""
        match self.level:
            case Level.PATIENT:
                return [patients.c.id], False
            case Level.STUDY:
                return [studies.c.study_date, studies.c.study_time, studies.c.id], True
            case Level.SERIES:
                if self._names_one(at.STUDY_UID):
                    return [func.coalesce(series.c.series_number, 0), series.c.id], False
                return [series.c.id], True
            case _:
                number = func.coalesce(instances.c.instance_number, 0)
                if self._names_one(at.SERIES_UID):
                    return [number, instances.c.id], False
                if self._names_one(at.STUDY_UID):
                    return [instances.c.series_key, number, instances.c.id], False
                return [instances.c.id], False

    def _names_one(self, tag: str) -> bool:
        return _only_uid(self.query.keys, tag) is not None

    def _select(self) -> Select[Any]:
        """Select what the row's data set is made of, and no text that nobody looks at."""
        selected = selected_columns(
            self.level,
            self._looks_at(Level.STUDY),
            self._looks_at(Level.SERIES),
            at.AVAILABLE_SYNTAX in self.wants,
        )
        counted = [count.label(name) for name, count in self._counts()]
        positions = [column.label(f"order_{number}") for number, column in enumerate(self.order)]
        return selected.add_columns(*counted, *positions)

    def _looks_at(self, level: Level) -> bool:
        if self.query.wants_all:
            return True
        looked = self.looks_at | {tag for pair in self.query.keys.moments for tag in (pair.date_tag, pair.time_tag)}
        if self.query.keys.offset is not None:
            looked |= {at.TIMEZONE}
        return any(
            at.level_of(tag) in ({Level.PATIENT, Level.STUDY} if level is Level.STUDY else {level}) for tag in looked
        )

    def _counts(self) -> Iterator[tuple[str, ColumnElement[Any]]]:
        """Count what the row does not keep, only when asked for it."""
        asked = self.wants
        mine = patients.c.id if self.level is Level.PATIENT else studies.c.patient_key
        for tag, name, counted in (
            (at.PATIENT_STUDIES, "studies", func.count()),
            (at.PATIENT_SERIES, "series", func.sum(_others.c.number_of_study_related_series)),
            (at.PATIENT_INSTANCES, "instances", func.sum(_others.c.number_of_study_related_instances)),
        ):
            if tag in asked:
                seen = [] if self.visible is None else [ClauseAdapter(_others).traverse(self.visible)]
                total = select(counted).where(_others.c.patient_key == mine, *seen).scalar_subquery()
                yield f"number_of_patient_related_{name}", total
        if at.SOP_CLASSES_IN_STUDY in asked and self.level is not Level.PATIENT:
            their, classes, theirs = series.alias("their_series"), uids.alias("classes"), instances.alias("theirs")
            joined: ColumnElement[Any]
            if self.dialect == "sqlite":
                joined = func.group_concat(classes.c.uid.distinct())
            else:
                joined = func.string_agg(classes.c.uid.distinct(), ",")
            yield (
                "sop_classes_in_study",
                select(joined)
                .select_from(
                    their.join(theirs, theirs.c.series_key == their.c.id).join(
                        classes, theirs.c.sop_class_key == classes.c.id
                    )
                )
                .where(their.c.study_key == studies.c.id)
                .scalar_subquery(),
            )

    # Rows to data sets

    def run(
        self, *, limit: int, offset: int = 0, after: tuple[Any, ...] | None = None
    ) -> list[tuple[tuple[Any, ...], JsonDataset | None]]:
        """Run the statement for one page; give each row's position and its data set, None when it does not match."""
        with self.archive.reading() as session:
            require_dialect(session, self.dialect)
            if self.statement is None:
                self.statement = self._prepare(session, offset + limit)
            statement = self.statement.limit(limit)
            if offset:
                statement = statement.offset(offset)
            if after is not None:
                position = tuple_(*self.order)
                statement = statement.where(position < after if self.descending else position > after)
            rows = session.execute(statement).all()
        if self.reader is None:
            self.reader = self._reader()
        return [(tuple(row[-len(self.order) :]), self.reader.read(row)) for row in rows]

    def _reader(self) -> Reader:
        assert self.statement is not None
        leftover = Keys(tuple(self.leftover), self.query.keys.moments, self.query.keys.offset)
        return Reader(
            self.archive,
            [column.key or "" for column in self.statement.selected_columns],
            self.query.wanted,
            wants_all=self.query.wants_all,
            leftover=None if self.is_exact else leftover,
            reads_headers=self.needs_headers,
        )

    def check_position(self, position: Position) -> None:
        """Hold that a position is one of this order. Raises Refused."""
        kinds = (str, str, int) if self.level is Level.STUDY else (int,) * len(self.order)
        is_long = any(isinstance(each, int) and abs(each) >> 63 for each in position)
        if tuple(map(type, position)) != kinds or is_long:
            raise Refused("this cursor is of another search")

    def found(self, first: int | None = None, after: Position | None = None) -> Iterator[tuple[Position, JsonDataset]]:
        """Yield every match with its position, a page of rows at a time; the first page has `first` rows."""
        limit = first or ROWS_PER_STATEMENT
        while True:
            rows = self.run(limit=limit, after=after)
            for position, dataset in rows:
                if dataset is not None:
                    yield position, dataset
            if len(rows) < limit:
                return
            after, limit = rows[-1][0], ROWS_PER_STATEMENT


def _only_uid(keys: Keys, tag: str) -> str | None:
    """Give the one UID that a key names; None when it names none or several."""
    for key in keys.keys:
        if key.tag == tag and key.kind is Kind.VALUES and len(key.tests) == 1:
            test = key.tests[0]
            return test.text if isinstance(test, matching.Equal) else None
    return None


__all__ = [
    "JsonDataset",
    "Level",
    "Options",
    "Page",
    "Query",
    "Wanted",
    "find_all",
    "find_in_record_order",
    "find_page",
    "read_query",
    "wanted_of",
]
