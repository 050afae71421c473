"""What a study is about, as far as its rows say: modalities, regions, sides, procedures."""

from __future__ import annotations

import json
from collections import defaultdict
from collections.abc import Collection, Iterable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

from sqlalchemy import Connection, Row, select

from filmless.access import policy
from filmless.access.policy import Action
from filmless.access.principal import Principal
from filmless.archive.tables import series, studies
from filmless.dicom.anatomy import regions_in, sides_in
from filmless.errors import NotFound
from filmless.query.listing import LISTED_COLUMNS, StudyRow

if TYPE_CHECKING:
    from filmless.archive import Archive

_SUBJECT_COLUMNS: Final[list[Any]] = [
    studies.c.id,
    studies.c.modalities_in_study.label("modalities"),
    studies.c.study_description,
    studies.c.attributes,
]

_NO_IMAGES: Final = {"SR", "PR", "KO", "SEG", "DOC", "REG", "RTSTRUCT", "RTPLAN", "RTDOSE", "OT", "AU", "HC"}
_PROCEDURE_CODES: Final = ("00081032", "00321064")
_CODE_VALUE, _SCHEME, _MEANING = "00080100", "00080102", "00080104"
_LOOKED_AT_ONCE: Final = 100


@dataclass(frozen=True, slots=True)
class Code:
    """A coded concept."""

    value: str
    scheme: str
    meaning: str


@dataclass(frozen=True, slots=True)
class Subject:
    """What was examined, and how. `procedures` are meanings by code value and scheme."""

    modalities: frozenset[str]
    regions: frozenset[str]
    sides: frozenset[str]
    procedures: dict[tuple[str, str], str]

    @property
    def codes(self) -> list[Code]:
        """The procedures as codes."""
        return [Code(value, scheme, meaning) for (value, scheme), meaning in sorted(self.procedures.items())]


@dataclass(frozen=True, slots=True)
class Wanted:
    """What studies must be about: one of each that is not empty."""

    modalities: frozenset[str] = frozenset()
    regions: frozenset[str] = frozenset()
    procedures: frozenset[tuple[str, str]] = frozenset()
    side: str = ""


def read_series(session: Connection, study_keys: Collection[int]) -> dict[int, list[Any]]:
    """Give what the series of studies say of what they show, by the key of their study."""
    below: dict[int, list[Any]] = defaultdict(list)
    named = (series.c.body_part_examined, series.c.laterality, series.c.series_description, series.c.protocol_name)
    for row in session.execute(select(series.c.study_key, *named).where(series.c.study_key.in_(study_keys))):
        below[row.study_key].append(row)
    return below


def subject_of(study: Row[Any], below: Iterable[Any]) -> Subject:
    """Say what a study is about, from its row and those of its series."""
    below = list(below)
    codes = {
        (str(value), scheme): meaning
        for tag in _PROCEDURE_CODES
        for item in json.loads(study.attributes).get(tag, {}).get("Value", [])
        if (value := _first(item, _CODE_VALUE))
        for scheme, meaning in [(_first(item, _SCHEME), _first(item, _MEANING) or str(value))]
    }
    # The study's words are those of all its series; a series' words count only where nothing else names a region.
    texts = [study.study_description, *(row.body_part_examined for row in below), *codes.values()]
    regions = regions_in(texts)
    if not regions:
        regions = regions_in(text for row in below for text in (row.series_description, row.protocol_name))
    return Subject(
        modalities=frozenset(study.modalities.split("\\")) - _NO_IMAGES - {""},
        regions=regions,
        sides=sides_in((row.laterality for row in below), [study.study_description, *codes.values()]),
        procedures=codes,
    )


def find_subject(archive: Archive, principal: Principal, study_instance_uid: str) -> Subject:
    """Say what a study is about. The caller leaves the audit row.

    Raises
    ------
    NotAllowed. NotFound: there is no such study, or the principal may not see it.
    """
    policy.require(principal, Action.VIEW)
    visible = policy.visible_studies(principal)
    conditions = [studies.c.study_instance_uid == study_instance_uid, *([] if visible is None else [visible])]
    with archive.reading() as session:
        row = session.execute(select(*_SUBJECT_COLUMNS).where(*conditions)).one_or_none()
        if row is None:
            raise NotFound(f"there is no study {study_instance_uid}")
        return subject_of(row, read_series(session, [row.id])[row.id])


def find_alike(archive: Archive, principal: Principal, wanted: Wanted, most: int) -> list[StudyRow]:
    """List the newest studies that are about what is wanted, at most `most`. The caller leaves the audit row.

    At most `hanging_trial_scanned_max` of the newest with one of the modalities are looked at.
    """
    policy.require(principal, Action.QUERY)
    visible = policy.visible_studies(principal)
    columns: list[Any] = [*LISTED_COLUMNS, studies.c.id, studies.c.attributes]
    query = select(*columns)
    if visible is not None:
        query = query.where(visible)
    query = query.order_by(studies.c.study_date.desc(), studies.c.study_time.desc(), studies.c.id.desc())
    found: list[StudyRow] = []
    with archive.reading() as session:
        for start in range(0, archive.settings.hanging_trial_scanned_max, _LOOKED_AT_ONCE):
            rows = session.execute(query.limit(_LOOKED_AT_ONCE).offset(start)).all()
            alike = [
                row for row in rows if not wanted.modalities or wanted.modalities & set(row.modalities.split("\\"))
            ]
            below = read_series(session, [row.id for row in alike])
            found += [
                StudyRow(*row[: len(LISTED_COLUMNS)])
                for row in alike
                if _is_wanted(wanted, subject_of(row, below[row.id]))
            ]
            if len(found) >= most or len(rows) < _LOOKED_AT_ONCE:
                break
    return found[:most]


def _is_wanted(wanted: Wanted, subject: Subject) -> bool:
    return (
        (not wanted.regions or bool(wanted.regions & subject.regions))
        and (not wanted.procedures or bool(wanted.procedures & subject.procedures.keys()))
        and frozenset("LR" if wanted.side == "B" else wanted.side) <= subject.sides
    )


def _first(item: dict[str, Any], tag: str) -> str:
    values = item.get(tag, {}).get("Value") or [""]
    return str(values[0] or "")
