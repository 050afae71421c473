"""The list of studies and the page of one study, as the screen shows them."""

from __future__ import annotations

import base64
import binascii
import json
from collections.abc import Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

from sqlalchemy import ColumnElement, Select, and_, func, select, tuple_

from filmless.access import policy
from filmless.access.policy import Action
from filmless.access.principal import Principal
from filmless.archive.database import require_dialect
from filmless.archive.tables import series, studies
from filmless.dicom.names import fold
from filmless.errors import NotFound, Refused
from filmless.query import conditions, matching
from filmless.query.attributes import MODALITIES_IN_STUDY, STUDY_COLUMNS

if TYPE_CHECKING:
    from filmless.archive import Archive

TOTAL_MAX: Final = 10_000
"""Counting stops here: a total of so many means "so many or more"."""

WORDS_MAX: Final = 16

SORT_COLUMNS: Final[dict[str, tuple[ColumnElement[Any], ...]]] = {
    "studyDate": (studies.c.study_date, studies.c.study_time),
    "patientName": (studies.c.patient_name_folded,),
    "patientId": (studies.c.patient_id,),
    "patientBirthDate": (studies.c.patient_birth_date,),
    "accessionNumber": (studies.c.accession_number,),
    "studyDescription": (studies.c.study_description,),
    "numberOfInstances": (studies.c.number_of_study_related_instances,),
    "sizeBytes": (studies.c.size_bytes,),
    "createdAt": (studies.c.created_at,),
    "updatedAt": (studies.c.updated_at,),
}


@dataclass(frozen=True, slots=True)
class StudyFilter:
    """What a person looks for; None and "" leave nothing out.

    `q`: words that must each occur, in any order, in a name (any script), id, accession number or description.
    `study_date`: YYYYMMDD, or a range of them, open at either end. `modalities`: any of these.
    `sort`: a key of SORT_COLUMNS, with "-" before it when it descends.
    """

    q: str | None = None
    patient_name: str | None = None
    patient_id: str | None = None
    accession_number: str | None = None
    study_date: str | None = None
    modalities: tuple[str, ...] = ()
    description: str | None = None
    sort: str = "-studyDate"


@dataclass(frozen=True, slots=True)
class StudyRow:
    """A study as a list shows it. Names are the text of a PN; `_at` are seconds since 1970."""

    study_instance_uid: str
    patient_name: str
    patient_id: str
    issuer_of_patient_id: str
    patient_birth_date: str
    patient_sex: str
    study_date: str
    study_time: str
    accession_number: str
    study_id: str
    study_description: str
    referring_physician_name: str
    modalities: str
    number_of_series: int
    number_of_instances: int
    size_bytes: int
    created_at: float
    updated_at: float


@dataclass(frozen=True, slots=True)
class SeriesRow:
    """A series as the page of its study shows it."""

    series_instance_uid: str
    series_number: int | None
    modality: str
    series_description: str
    body_part_examined: str
    laterality: str
    number_of_instances: int
    size_bytes: int
    created_at: float
    updated_at: float


@dataclass(frozen=True, slots=True)
class Study(StudyRow):
    """A study with its series, in the order of their numbers."""

    series: tuple[SeriesRow, ...]


LISTED_COLUMNS = [
    studies.c.study_instance_uid,
    studies.c.patient_name,
    studies.c.patient_id,
    studies.c.issuer_of_patient_id,
    studies.c.patient_birth_date,
    studies.c.patient_sex,
    studies.c.study_date,
    studies.c.study_time,
    studies.c.accession_number,
    studies.c.study_id,
    studies.c.study_description,
    studies.c.referring_physician_name,
    studies.c.modalities_in_study.label("modalities"),
    studies.c.number_of_study_related_series.label("number_of_series"),
    studies.c.number_of_study_related_instances.label("number_of_instances"),
    studies.c.size_bytes,
    studies.c.created_at,
    studies.c.updated_at,
]

_SERIES_COLUMNS = [
    series.c.series_instance_uid,
    series.c.series_number,
    series.c.modality,
    series.c.series_description,
    series.c.body_part_examined,
    series.c.laterality,
    series.c.number_of_series_related_instances.label("number_of_instances"),
    series.c.size_bytes,
    series.c.created_at,
    series.c.updated_at,
]


def list_studies(
    archive: Archive, principal: Principal, wanted: StudyFilter, limit: int = 100, cursor: str | None = None
) -> tuple[list[StudyRow], str | None, int]:
    """List studies: a page, the cursor of the next (None at the end), and how many match, up to TOTAL_MAX.

    The cursor names the last row shown, so that what arrives meanwhile neither repeats nor hides a row. The caller
    leaves the audit row.

    Raises
    ------
    Refused: a date, the order or the cursor cannot be read.
    NotAllowed: the principal may not search.
    """
    policy.require(principal, Action.QUERY)
    dialect = "sqlite" if archive.database.is_sqlite else "postgresql"
    visible = policy.visible_studies(principal)
    found = [*_conditions(wanted, dialect), *([] if visible is None else [conditions.Condition(visible)])]
    clauses = [condition.clause for condition in found]
    narrowings = [condition.narrowing for condition in found if condition.narrowing is not None]
    order, descending = _order(wanted.sort)
    page = select(*LISTED_COLUMNS, *order).limit(limit + 1)
    page = page.order_by(*(column.desc() if descending else column for column in order))
    if cursor is not None:
        after = _read_cursor(cursor, wanted.sort, len(order))
        page = page.where(tuple_(*order) < after if descending else tuple_(*order) > after)
    counted = select(studies.c.id).limit(TOTAL_MAX)
    with archive.reading() as session:
        require_dialect(session, dialect)
        few = conditions.few_studies(session, narrowings)
        if few is not None:
            clauses.append(studies.c.id.in_(few))
        else:  # the page is soon full in the order of the list; counting goes on, and better by the index
            counted = counted.where(*(studies.c.id.in_(narrowing) for narrowing in narrowings))
        rows = session.execute(page.where(*clauses)).all()
        total = int(session.execute(select(func.count()).select_from(counted.where(*clauses).subquery())).scalar_one())
    shown = [StudyRow(*row[: len(LISTED_COLUMNS)]) for row in rows[:limit]]
    if len(rows) <= limit:
        return shown, None, total
    return shown, _write_cursor(wanted.sort, rows[limit - 1][len(LISTED_COLUMNS) :]), total


def get_study(archive: Archive, principal: Principal, study_instance_uid: str) -> Study:
    """Read one study and its series. The caller leaves the audit row.

    Raises
    ------
    NotFound: there is no such study, or the principal may not see it.
    """
    statement = select(*LISTED_COLUMNS, studies.c.id).where(studies.c.study_instance_uid == study_instance_uid)
    visible = policy.visible_studies(principal)
    if visible is not None:
        statement = statement.where(visible)
    with archive.reading() as session:
        row = session.execute(statement).one_or_none()
        if row is None:
            raise NotFound(f"there is no study {study_instance_uid}")
        below = [tuple(each) for each in session.execute(_series_of(row.id))]
    shown: dict[str, Any] = {column.name: row._mapping[column.name] for column in LISTED_COLUMNS}
    return Study(**shown, series=tuple(SeriesRow(*each) for each in below))


def _series_of(study_key: int) -> Select[Any]:
    number = series.c.series_number
    return (
        select(*_SERIES_COLUMNS)
        .where(series.c.study_key == study_key)
        .order_by(number.is_(None), number, series.c.created_at, series.c.id)
    )


def _conditions(wanted: StudyFilter, dialect: str) -> Iterator[conditions.Condition]:
    words = _words(wanted.q)
    named = _words(wanted.patient_name)
    if words or named:
        clauses = [conditions.holds_text(word, dialect) for word in [*words, *named]]
        clauses += [studies.c.patient_name_folded.contains(word, autoescape=True) for word in named]
        yield conditions.Condition(and_(*clauses), narrowing=conditions.narrow([*words, *named], (), dialect))
    for column, text in (
        (studies.c.patient_id, wanted.patient_id),
        (studies.c.accession_number, wanted.accession_number),
        *((studies.c.study_description, word) for word in (wanted.description or "").split()[:WORDS_MAX]),
    ):
        if text and text.strip():
            clause = column.icontains(text.strip(), autoescape=True)
            yield conditions.Condition(clause, narrowing=conditions.narrow(_words(text), (), dialect))
    if wanted.study_date:
        key = matching.read_key("00080020", {"vr": "DA", "Value": [wanted.study_date]}, matching.Options())
        for test in key.tests:
            if isinstance(test, matching.Span):
                yield conditions.Condition(conditions.span(studies.c.study_date, test.low, test.high))
    if wanted.modalities:
        values = list(wanted.modalities)
        key = matching.Key(
            MODALITIES_IN_STUDY, "CS", matching.Kind.VALUES, tuple(matching.Equal(value) for value in values)
        )
        yield conditions.condition_of(key, STUDY_COLUMNS[MODALITIES_IN_STUDY], dialect)


def _words(text: str | None) -> list[str]:
    """Split into folded words; a person may type a name with its delimiters."""
    return fold(text or "").replace("^", " ").replace("=", " ").replace(",", " ").split()[:WORDS_MAX]


def _order(sort: str) -> tuple[list[ColumnElement[Any]], bool]:
    columns = SORT_COLUMNS.get(sort.removeprefix("-"))
    if columns is None:
        raise Refused(f"studies cannot be sorted by {sort!r}; choose one of {', '.join(SORT_COLUMNS)}")
    return [*columns, studies.c.id], sort.startswith("-")


def _write_cursor(sort: str, position: tuple[Any, ...]) -> str:
    return base64.urlsafe_b64encode(json.dumps([sort, *position], ensure_ascii=False).encode()).decode()


def _read_cursor(cursor: str, sort: str, length: int) -> tuple[Any, ...]:
    try:
        made_for, *position = json.loads(base64.urlsafe_b64decode(cursor.encode("ascii")))
    except (ValueError, binascii.Error, TypeError):
        raise Refused("the cursor is not one that this list gave out") from None
    if made_for != sort or len(position) != length or any(not isinstance(part, str | int | float) for part in position):
        raise Refused("the cursor belongs to a list in another order")
    return tuple(position)
