"""Matching as SQL, for attributes that have columns; the same answers as `matching` gives, on SQLite and PostgreSQL.

A condition may let through more than its key means; then it says so (`is_exact` is False) and the rows are held
against the key once more with `matching`. Beside it may stand a narrowing: a statement that names the studies that can
match, from an index that the planner of SQLite would not think of. `few_studies` runs it with a bound: few studies are
then looked up one by one; many are found sooner by walking the list in its order.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from datetime import date, timedelta
from typing import Any, Final

from sqlalchemy import (
    ColumnElement,
    Connection,
    Select,
    and_,
    bindparam,
    column,
    false,
    func,
    literal,
    or_,
    select,
    table,
    text,
    true,
)

from filmless.archive.tables import studies
from filmless.dicom.names import fold
from filmless.query import matching
from filmless.query.attributes import Form, Stored

FEW: Final = 1000
_LOOK_UP_COST: Final = 5
_ALL_ZONES_DAYS: Final = 2  # between +1400 and -1200 a moment's date differs by no more
_TRIGRAM: Final = 3
_PLAIN = re.compile(r"[A-Za-z0-9 ._:+-]+")  # text that JSON writes as it is

_studies_search = table("studies_search", column("rowid"))
_others = studies.alias("others")


@dataclass(frozen=True, slots=True)
class Condition:
    """A condition on columns, whether it says all that its key means, and a narrowing if there is one."""

    clause: ColumnElement[bool]
    is_exact: bool = True
    narrowing: Select[Any] | None = None


def condition_of(key: matching.Key, stored: Stored, dialect: str) -> Condition:
    """Say one key as SQL."""
    held: ColumnElement[Any] = stored.column
    if key.kind is matching.Kind.EMPTY:
        return Condition(held.is_(None) if stored.form is Form.NUMBER else held == "")
    parts = [_condition_of_test(test, stored, dialect) for test in key.tests]
    if len(parts) == 1:
        return parts[0]
    texts = [test.text for test in key.tests if isinstance(test, matching.Equal)]
    if len(texts) == len(parts) and not key.every and stored.form is Form.TEXT:
        return Condition(held.in_(texts))
    join = and_ if key.every else or_
    return Condition(join(*(part.clause for part in parts)), all(part.is_exact for part in parts))


def _condition_of_test(test: matching.Test, stored: Stored, dialect: str) -> Condition:
    held: ColumnElement[Any] = stored.column
    if isinstance(test, matching.Name):
        return _name(test, stored, dialect)
    if stored.form is Form.LIST:
        return _one_of_list(test, stored, dialect)
    match test:
        case matching.Equal(wanted):
            return Condition(held == wanted)
        case matching.Number(value):
            return Condition(held == int(value) if value.is_integer() else false())
        case matching.Wildcard(pattern):
            clause = like(held, pattern, dialect)
            if not stored.finds_words or pattern[0] not in "*?":  # a fixed beginning is found by the column's index
                return Condition(clause)
            words = _words(pattern)
            return Condition(and_(clause, *_words_on_server(words, dialect)), narrowing=narrow(words, (), dialect))
        case matching.Span(low, high):
            return Condition(span(held, low, high))
        case _:
            return Condition(true(), is_exact=False)


def _one_of_list(test: matching.Test, stored: Stored, dialect: str) -> Condition:
    """Match one value of a backslash-joined column; a wild card might reach over a backslash, so it is not exact."""
    match test:
        case matching.Equal(wanted):
            pattern, is_exact = f"*\\{_quoted(wanted)}\\*", True
        case matching.Wildcard(wild):
            pattern, is_exact = f"*\\{wild}\\*", False
        case _:
            return Condition(true(), is_exact=False)
    clause = like(_joined(stored.column), pattern, dialect, is_quoted=is_exact)
    narrowing = None
    if dialect == "sqlite" and stored.column is studies.c.modalities_in_study:
        narrowing = select(_others.c.id).where(
            like(_joined(_others.c.modalities_in_study), pattern, dialect, is_quoted=is_exact)
        )
    return Condition(clause, is_exact, narrowing)


def _joined(held: ColumnElement[Any]) -> ColumnElement[Any]:
    return literal("\\") + held + literal("\\")


def span(held: ColumnElement[Any], low: str, high: str) -> ColumnElement[bool]:
    """Compare dates or times as text; "" is an open end, and an empty column lies in no range."""
    value = held
    if "." in low or "." in high:  # a time; ACR-NEMA wrote it with colons
        value = func.replace(held, ":", "")
    above = value >= matching.low_text(low) if low else held != ""
    return and_(above, value <= high) if high else above


def like(held: ColumnElement[Any], pattern: str, dialect: str, *, is_quoted: bool = False) -> ColumnElement[bool]:
    """Match DICOM wild cards with case. `is_quoted`: literal "*" and "?" are written \\1 and \\2.

    SQLite's LIKE ignores the case of ASCII, its GLOB does not and uses an index for a fixed beginning; PostgreSQL's
    LIKE does both with text_pattern_ops.
    """
    if dialect == "sqlite":
        written = pattern.replace("[", "[[]")
        if is_quoted:
            written = written.replace("\1", "[*]").replace("\2", "[?]")
        return held.op("GLOB", is_comparison=True)(bindparam(None, written))
    written = re.sub(r"([\\%_])", r"\\\1", pattern).replace("*", "%").replace("?", "_")
    if is_quoted:
        written = written.replace("\1", "*").replace("\2", "?")
    return held.like(written, escape="\\")


def _quoted(value: str) -> str:
    """Protect a literal value within a pattern for `like(..., is_quoted=True)`."""
    return value.replace("*", "\1").replace("?", "\2")


def _name(test: matching.Name, stored: Stored, dialect: str) -> Condition:
    """Match a person name on its folded column, of which each group is closed off by "="."""
    assert stored.folded is not None
    assert stored.sound is not None
    closed = literal("=") + stored.folded + literal("=")
    parts: list[ColumnElement[bool]] = []
    words: list[str] = []
    is_exact = test.anywhere
    for group in test.groups:
        if not group.strip("*"):
            continue
        parts.append(or_(*(like(closed, f"*={form}=*", dialect) for form in matching.alternatives(group))))
        words += _words(group)
        # A wild card inside a group might reach into the next one; a "*" at its end can only do so harmlessly.
        is_exact = is_exact and "?" not in group and "*" not in group.rstrip("*")
    clause = and_(true(), *parts)
    if not stored.finds_words:
        words = []
    if test.sounds:
        alike = (like(stored.sound, f"* {sound} *", dialect) for sound in test.sounds)
        clause = or_(clause, and_(*alike))
    else:
        clause = and_(clause, *_words_on_server(words, dialect))
    return Condition(clause, is_exact, narrow(words, test.sounds, dialect))


def _words(pattern: str) -> list[str]:
    """Give the fixed parts of a pattern that are long enough for the trigram index, folded as the search text is.

    A folded name keeps its delimiters and the search text may have blanks for them, so a part ends there.
    """
    return [word for word in re.split(r"[\^=\s*?]", fold(pattern)) if len(word) >= _TRIGRAM]


def _words_on_server(words: Iterable[str], dialect: str) -> list[ColumnElement[bool]]:
    """PostgreSQL weighs its trigram index against other plans by itself."""
    return [] if dialect == "sqlite" else [holds_text(word, dialect) for word in words]


def holds_text(folded: str, dialect: str) -> ColumnElement[bool]:
    """Hold for studies whose search text contains folded text."""
    if dialect == "sqlite":
        return func.instr(studies.c.search_text, folded) > 0
    return studies.c.search_text.contains(folded, autoescape=True)


def narrow(words: Iterable[str], sounds: Iterable[str], dialect: str) -> Select[Any] | None:
    """Select studies by the trigram index: all words in the search text, or all sounds in the patient's name."""
    if dialect != "sqlite":
        return None
    words = [word for word in words if len(word) >= _TRIGRAM]
    if not words:
        return None
    asked = f"{{search_text}} : ({' AND '.join(map(_phrase, words))})"
    spoken = [_phrase(f" {sound} ") for sound in sounds]
    if spoken:
        asked = f"({asked}) OR ({{patient_name_sound}} : ({' AND '.join(spoken)}))"
    found = text("studies_search MATCH :asked").bindparams(bindparam("asked", asked, unique=True))
    return select(_studies_search.c.rowid).where(found)


def _phrase(word: str) -> str:
    return '"' + word.replace('"', '""') + '"'


def few_studies(
    session: Connection, narrowings: Iterable[Select[Any] | None], page: int | None = None
) -> list[int] | None:
    """Name the studies that all narrowings leave; None when walking the list in its order finds them sooner.

    `page` is how many are wanted, newest first: then a walk ends early, after page / (share that matches) rows.
    """
    found: set[int] | None = None
    for narrowing in narrowings:
        if narrowing is None:
            continue
        keys = set(session.execute(narrowing.limit(FEW + 1)).scalars())
        if len(keys) <= FEW:
            found = keys if found is None else found & keys
    if found is None or (page is not None and _is_walked_sooner(session, len(found), page)):
        return None
    return sorted(found)


def _is_walked_sooner(session: Connection, matches: int, page: int) -> bool:
    """Whether rows to walk over for a page cost less than matches to look up, each five times a row walked over."""
    if matches <= page:
        return False
    kept = session.scalar(select(func.max(studies.c.id))) or 0
    return page * kept < _LOOK_UP_COST * matches**2


def may_hold(attributes: ColumnElement[Any], key: matching.Key, dialect: str) -> Iterator[ColumnElement[bool]]:
    """Narrow to DICOM JSON texts in which a key can match: its tag is there, its value if JSON escapes none of it."""
    find = func.instr if dialect == "sqlite" else func.strpos
    if key.kind in (matching.Kind.UNIVERSAL, matching.Kind.EMPTY):
        return
    yield find(attributes, f'"{key.tag}"') > 0
    for inner in key.items:
        yield from may_hold(attributes, inner, dialect)
    if len(key.tests) == 1:
        test = key.tests[0]
        if isinstance(test, matching.Equal) and _PLAIN.fullmatch(test.text):
            yield find(attributes, test.text) > 0


def dates_in_any_zone(held: ColumnElement[Any], low: str, high: str) -> ColumnElement[bool]:
    """Narrow to dates that may lie in a range when the clocks are told apart."""

    def moved(day: str, days: int) -> str:
        try:
            return f"{date(int(day[:4]), int(day[4:6]), int(day[6:])) + timedelta(days=days):%Y%m%d}".rjust(8, "0")
        except (OverflowError, ValueError):
            return day

    return span(held, moved(low, -_ALL_ZONES_DAYS) if low else "", moved(high, _ALL_ZONES_DAYS) if high else "")
