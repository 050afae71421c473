"""Matching as SQL, for attributes that have columns; the same answers as `matching` gives, on SQLite and PostgreSQL.

A condition may let through more than the key means; then it says so (`is_exact` is False) and the rows are held
against the key once more with `matching`.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Any

from sqlalchemy import ColumnElement, and_, bindparam, false, func, literal, or_, select, text, true

from filmless.archive.tables import studies
from filmless.dicom.names import fold
from filmless.query import matching
from filmless.query.attributes import Form, Stored

_ALL_ZONES_DAYS = 2  # between +1400 and -1200 a moment's date differs by no more


@dataclass(frozen=True, slots=True)
class Condition:
    """A condition on columns, and whether it says all that its key means."""

    clause: ColumnElement[bool]
    is_exact: bool = True


def condition_of(key: matching.Key, stored: Stored, dialect: str) -> Condition:
    """Say one key as SQL."""
    column: ColumnElement[Any] = stored.column
    if key.kind is matching.Kind.EMPTY:
        return Condition(column.is_(None) if stored.form is Form.NUMBER else column == "")
    parts = [_condition_of_test(test, stored, dialect) for test in key.tests]
    clause = and_(*(part.clause for part in parts)) if key.every else or_(*(part.clause for part in parts))
    uids = [test.text for test in key.tests if isinstance(test, matching.Equal)]
    if len(uids) > 1 and len(uids) == len(parts) and not key.every and stored.form is Form.TEXT:
        clause = column.in_(uids)
    return Condition(clause, all(part.is_exact for part in parts))


def _condition_of_test(test: matching.Test, stored: Stored, dialect: str) -> Condition:
    column: ColumnElement[Any] = stored.column
    if isinstance(test, matching.Name):
        return _name(test, stored, dialect)
    if stored.form is Form.LIST:
        return _one_of_list(test, column, dialect)
    match test:
        case matching.Equal(wanted):
            return Condition(column == wanted)
        case matching.Number(value):
            return Condition(column == int(value) if value.is_integer() else false())
        case matching.Wildcard(pattern):
            clause = like(column, pattern, dialect)
            return Condition(clause & _trigrams(pattern, dialect) if stored.finds_words else clause)
        case matching.Span(low, high):
            return Condition(span(column, low, high))
        case _:
            return Condition(true(), is_exact=False)


def _one_of_list(test: matching.Test, column: ColumnElement[Any], dialect: str) -> Condition:
    """Match one value of a backslash-joined column; a wild card might reach over a backslash, so it is not exact."""
    joined = literal("\\") + column + literal("\\")
    match test:
        case matching.Equal(wanted):
            return Condition(like(joined, f"*\\{_quoted(wanted)}\\*", dialect, is_quoted=True))
        case matching.Wildcard(pattern):
            return Condition(like(joined, f"*\\{pattern}\\*", dialect), is_exact=False)
        case _:
            return Condition(true(), is_exact=False)


def span(column: ColumnElement[Any], low: str, high: str) -> ColumnElement[bool]:
    """Compare dates or times as text; "" is an open end, and an empty column lies in no range."""
    limits: list[ColumnElement[bool]] = []
    value = column
    if "." in low or "." in high:  # a time; ACR-NEMA wrote it with colons
        value = func.replace(column, ":", "")
    limits.append(value >= matching.low_text(low) if low else column != "")
    if high:
        limits.append(value <= high)
    return and_(*limits)


def like(column: ColumnElement[Any], pattern: str, dialect: str, *, is_quoted: bool = False) -> ColumnElement[bool]:
    """Match DICOM wild cards with case. `is_quoted`: literal "*" and "?" are written \\1 and \\2.

    SQLite's LIKE ignores the case of ASCII, its GLOB does not and uses an index for a fixed beginning; PostgreSQL's
    LIKE does both with text_pattern_ops.
    """
    if dialect == "sqlite":
        written = pattern.replace("[", "[[]")
        if is_quoted:
            written = written.replace("\1", "[*]").replace("\2", "[?]")
        return column.op("GLOB", is_comparison=True)(bindparam(None, written))
    written = re.sub(r"([\\%_])", r"\\\1", pattern).replace("*", "%").replace("?", "_")
    if is_quoted:
        written = written.replace("\1", "*").replace("\2", "?")
    return column.like(written, escape="\\")


def _quoted(value: str) -> str:
    """Protect a literal value within a pattern for `like(..., is_quoted=True)`."""
    return value.replace("*", "\1").replace("?", "\2")


def _name(test: matching.Name, stored: Stored, dialect: str) -> Condition:
    """Match a person name on its folded column, of which each group is closed off by "="."""
    assert stored.folded is not None
    assert stored.sound is not None
    closed = literal("=") + stored.folded + literal("=")
    parts: list[ColumnElement[bool]] = []
    is_exact = test.anywhere
    for group in test.groups:
        if not group.strip("*"):
            continue
        either = [like(closed, f"*={pattern}=*", dialect) for pattern in matching.alternatives(group)]
        clause = or_(*either)
        parts.append(clause & _trigrams(group, dialect) if stored.finds_words else clause)
        is_exact = is_exact and "*" not in group and "?" not in group
    clause = and_(true(), *parts)
    if test.sounds:
        spaced = literal(" ") + stored.sound + literal(" ")
        alike = and_(*(like(spaced, f"* {sound} *", dialect) for sound in test.sounds))
        clause = or_(clause, alike)
    return Condition(clause, is_exact)


def _trigrams(pattern: str, dialect: str) -> ColumnElement[bool]:
    """Narrow to studies whose search text holds the longest fixed part of a pattern, if it is long enough to help."""
    fixed = max(re.split(r"[*?]", pattern), key=len)
    # A folded name keeps its delimiters; the search text may have blanks for them, so a part ends there.
    words = [word for word in re.split(r"[\^=\s]", fold(fixed)) if len(word) >= 3]
    return holds_text(max(words, key=len), dialect) if words else true()


def holds_text(folded: str, dialect: str) -> ColumnElement[bool]:
    """Hold for studies whose search text contains folded text, by the trigram index where it has three characters."""
    if dialect == "sqlite" and len(folded) >= 3:
        rows = select(text("rowid")).select_from(text("studies_search"))
        quoted = '"' + folded.replace('"', '""') + '"'
        found = rows.where(text("studies_search MATCH :words").bindparams(bindparam("words", quoted, unique=True)))
        return studies.c.id.in_(found)
    if dialect == "sqlite":
        return func.instr(studies.c.search_text, folded) > 0
    return studies.c.search_text.contains(folded, autoescape=True)


def dates_in_any_zone(column: ColumnElement[Any], low: str, high: str) -> ColumnElement[bool]:
    """Narrow to dates that may lie in a range when the clocks are told apart."""
    from datetime import date, timedelta

    def moved(day: str, days: int) -> str:
        try:
            return f"{date(int(day[:4]), int(day[4:6]), int(day[6:])) + timedelta(days=days):%Y%m%d}".rjust(8, "0")
        except (OverflowError, ValueError):
            return day

    return span(column, moved(low, -_ALL_ZONES_DAYS) if low else "", moved(high, _ALL_ZONES_DAYS) if high else "")
