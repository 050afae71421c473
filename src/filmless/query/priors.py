"""Which other studies of a patient a reader wants beside this one, and why.

The patient is the row that the archive keeps of them: a study without a Patient ID has a patient of its own, so
strangers never meet here.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final, Literal

from sqlalchemy import Row, select

from filmless.access import policy
from filmless.access.policy import Action
from filmless.access.principal import Principal
from filmless.archive.tables import studies
from filmless.dicom.anatomy import are_neighbours
from filmless.errors import NotFound
from filmless.query.listing import LISTED_COLUMNS, StudyRow
from filmless.query.subjects import Subject, read_series, subject_of

if TYPE_CHECKING:
    from filmless.archive import Archive

Kind = Literal["procedure", "modality", "related_modality", "anatomy", "near_anatomy", "side", "other_side"]

WEIGHTS: Final[dict[Kind, int]] = {
    "procedure": 4,
    "anatomy": 4,
    "modality": 2,
    "near_anatomy": 2,
    "related_modality": 1,
    "side": 1,
    "other_side": -3,
}
RELEVANT_FROM: Final = 4
"""Of the same region, or of the same modality and one side by side."""

_FAMILIES: Final = ({"CR", "DX", "DR", "RG", "RF"}, {"CT", "PT"}, {"MG", "US", "MR"}, {"XA", "CT"}, {"PT", "NM"})


@dataclass(frozen=True, slots=True)
class Reason:
    """One reason for or against a prior: its kind, and what it is about."""

    kind: Kind
    about: str


@dataclass(frozen=True, slots=True)
class Prior:
    """Another study of the patient: how well it fits, and why."""

    study: StudyRow
    score: int
    is_relevant: bool
    is_later: bool
    reasons: tuple[Reason, ...]


def find_priors(archive: Archive, principal: Principal, study_instance_uid: str) -> list[Prior]:
    """List the other studies of the patient, best first. The caller leaves the audit row.

    Raises
    ------
    NotAllowed. NotFound: there is no such study, or the principal may not see it.
    """
    policy.require(principal, Action.VIEW)
    visible = policy.visible_studies(principal)
    seen = [] if visible is None else [visible]
    with archive.reading() as session:
        columns = [*LISTED_COLUMNS, studies.c.id, studies.c.patient_key, studies.c.attributes]
        wanted = studies.c.study_instance_uid == study_instance_uid
        current = session.execute(select(*columns).where(wanted, *seen)).one_or_none()
        if current is None:
            raise NotFound(f"there is no study {study_instance_uid}")
        others = session.execute(
            select(*columns)
            .where(studies.c.patient_key == current.patient_key, studies.c.id != current.id, *seen)
            .order_by(studies.c.study_date.desc(), studies.c.study_time.desc(), studies.c.id.desc())
            .limit(archive.settings.priors_max)
        ).all()
        below = read_series(session, [current.id, *(row.id for row in others)])
    subject = subject_of(current, below[current.id])
    found = [_prior(current, subject, row, subject_of(row, below[row.id])) for row in others]
    return sorted(found, key=lambda prior: -prior.score)  # stable: the newest of the same score comes first


def _prior(current: Row[Any], subject: Subject, row: Row[Any], other: Subject) -> Prior:
    reasons = _reasons(subject, other)
    score = sum(WEIGHTS[reason.kind] for reason in reasons)
    return Prior(
        study=StudyRow(*row[: len(LISTED_COLUMNS)]),
        score=score,
        is_relevant=score >= RELEVANT_FROM,
        is_later=(row.study_date, row.study_time) > (current.study_date, current.study_time),
        reasons=tuple(reasons),
    )


def _reasons(one: Subject, other: Subject) -> list[Reason]:
    codes = sorted(one.procedures.keys() & other.procedures.keys())
    reasons = [Reason("procedure", one.procedures[code]) for code in codes[:1]]
    common = one.regions & other.regions
    if common:
        reasons += [Reason("anatomy", ", ".join(sorted(common)))]
    elif are_neighbours(one.regions, other.regions):
        reasons.append(Reason("near_anatomy", ", ".join(sorted(other.regions))))
    if one.modalities & other.modalities:
        reasons.append(Reason("modality", ", ".join(sorted(one.modalities & other.modalities))))
    elif any(one.modalities & family and other.modalities & family for family in _FAMILIES):
        reasons.append(Reason("related_modality", ", ".join(sorted(other.modalities))))
    if one.sides and other.sides:
        shared = one.sides & other.sides
        reasons.append(Reason("side" if shared else "other_side", ", ".join(sorted(shared or other.sides))))
    return reasons
