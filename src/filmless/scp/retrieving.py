"""What C-MOVE and C-GET share: which instances an identifier names, and how sub-operations are answered.

PS3.4 C.4, and for single instances, frames and what has no bulk data annexes Y and Z.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

from filmless.access import policy
from filmless.access.policy import Action
from filmless.access.principal import Principal
from filmless.archive import Archive
from filmless.dimse import commands
from filmless.dimse.services import Outcome
from filmless.errors import Refused
from filmless.query.search import JsonDataset, Level
from filmless.retrieve.derived import without_bulk_data
from filmless.retrieve.extraction import extract_frames
from filmless.retrieve.frame_list import FramesRefused, Reason
from filmless.retrieve.instances import StoredInstance, find_instances
from filmless.retrieve.non_patient import find_non_patient
from filmless.retrieve.send import Progress, Sendable, SendResult
from filmless.scp import find, non_patient
from filmless.scp.status import SUBOPERATIONS_FAILED, UNABLE_TO_PERFORM_SUBOPERATIONS

MOVE_MODELS: Final = {
    "1.2.840.10008.5.1.4.1.2.1.2": find.PATIENT_ROOT_FIND,
    "1.2.840.10008.5.1.4.1.2.2.2": find.STUDY_ROOT_FIND,
    "1.2.840.10008.5.1.4.1.2.3.2": find.PATIENT_STUDY_ONLY_FIND,
}
GET_MODELS: Final = {
    "1.2.840.10008.5.1.4.1.2.1.3": find.PATIENT_ROOT_FIND,
    "1.2.840.10008.5.1.4.1.2.2.3": find.STUDY_ROOT_FIND,
    "1.2.840.10008.5.1.4.1.2.3.3": find.PATIENT_STUDY_ONLY_FIND,
}
"""Retrieve SOP classes, and the query class of the same information model."""

COMPOSITE_INSTANCE_MOVE: Final = "1.2.840.10008.5.1.4.1.2.4.2"
COMPOSITE_INSTANCE_GET: Final = "1.2.840.10008.5.1.4.1.2.4.3"
WITHOUT_BULK_DATA_GET: Final = "1.2.840.10008.5.1.4.1.2.5.3"

_QUERY_LEVEL = "00080052"
_FAILED_SOP_INSTANCE_UID_LIST = "00080058"
_UNIQUE_KEYS = {
    Level.PATIENT: "00100020",
    Level.STUDY: "0020000D",
    Level.SERIES: "0020000E",
    Level.IMAGE: "00080018",
}


def find_named(
    archive: Archive, principal: Principal, identifier: JsonDataset, retrieve_class: str
) -> Sequence[Sendable]:
    """List what an identifier of a C-MOVE or C-GET names.

    Raises
    ------
    Refused: the identifier does not suit the class. FramesRefused: the frames it names cannot be had.
    """
    query_class = MOVE_MODELS.get(retrieve_class) or GET_MODELS.get(retrieve_class)
    if query_class is not None:
        return find_named_instances(archive, principal, identifier, query_class)
    sop_uids = _values(identifier, _UNIQUE_KEYS[Level.IMAGE])
    classes = non_patient.MOVE_MODELS.get(retrieve_class) or non_patient.GET_MODELS.get(retrieve_class)
    if classes is not None:
        _check_composite("", sop_uids, ("",))
        policy.require(principal, Action.RETRIEVE)
        return find_non_patient(archive, classes, sop_uids)
    level = (_values(identifier, _QUERY_LEVEL) or [""])[0].upper()
    if retrieve_class == WITHOUT_BULK_DATA_GET:
        _check_composite(level, sop_uids, ("IMAGE",))
        return [without_bulk_data(archive, each) for each in find_instances(archive, principal, sop_uids=sop_uids)]
    _check_composite(level, sop_uids, ("IMAGE", "FRAME"))
    if level == "IMAGE":
        return list(find_instances(archive, principal, sop_uids=sop_uids))
    if len(sop_uids) > 1:
        raise FramesRefused(Reason.INVALID, "frames are those of one SOP Instance UID")
    return [extract_frames(archive, each, identifier) for each in find_instances(archive, principal, sop_uids=sop_uids)]


def _check_composite(level: str, sop_uids: Sequence[str], levels: Sequence[str]) -> None:
    if level not in levels:
        raise Refused(f"Query/Retrieve Level {level[:16]!r} is none of {', '.join(levels)}")
    if not sop_uids:
        raise Refused("SOP Instance UID is missing")
    if any("*" in uid or "?" in uid for uid in sop_uids):
        raise Refused("SOP Instance UID holds a wildcard; a retrieve names what it wants")


def find_named_instances(
    archive: Archive, principal: Principal, identifier: JsonDataset, query_class: str
) -> list[StoredInstance]:
    """List the instances that an identifier of a C-MOVE or C-GET names.

    The unique key of its level is needed, as one value or a list of UIDs. Keys of the levels above narrow when they
    are there; many peers leave them out, and a UID says enough.

    Raises
    ------
    Refused: the level is none of the model's, or its unique key is missing or holds a wildcard.
    """
    level = _read_level(identifier, find.MODELS[query_class])
    values = {each: _values(identifier, tag) for each, tag in _UNIQUE_KEYS.items() if each <= level}
    if not values[level]:
        raise Refused(f"the unique key of {level.name} level is missing")
    if any("*" in value or "?" in value for each in values.values() for value in each):
        raise Refused("a unique key holds a wildcard; a retrieve names what it wants")
    patients = values[Level.PATIENT]
    if len(patients) > 1:
        raise Refused("Patient ID must be one value")
    return list(
        find_instances(
            archive,
            principal,
            patient_id=patients[0] if patients else None,
            study_uids=values.get(Level.STUDY, ()),
            series_uids=values.get(Level.SERIES, ()),
            sop_uids=values.get(Level.IMAGE, ()),
        )
    )


def _read_level(identifier: JsonDataset, levels: Sequence[Level]) -> Level:
    named = (_values(identifier, _QUERY_LEVEL) or [""])[0].upper()
    for level in levels:
        if level.name == named:
            return level
    raise Refused(f"Query/Retrieve Level {named[:16]!r} is none of {', '.join(level.name for level in levels)}")


def _values(identifier: JsonDataset, tag: str) -> list[str]:
    return [str(value).strip() for value in identifier.get(tag, {}).get("Value", []) if value not in {None, ""}]


def pending(progress: Progress) -> Outcome:
    """Say how far the sub-operations are."""
    counts = (progress.remaining, progress.completed, progress.failed, progress.warning)
    return Outcome(commands.PENDING, counts=counts)


def final(result: SendResult, remaining: int) -> Outcome:
    """Say how the sub-operations ended (PS3.4 C.4.2.3.1): what failed is listed, whatever the status."""
    status, comment = commands.SUCCESS, ""
    if result.cancelled:
        status = commands.CANCELLED
    elif result.failed and not (result.completed or result.warning):
        status, comment = UNABLE_TO_PERFORM_SUBOPERATIONS, next(iter(result.failures.values()), "")
    elif result.failed or result.warning:
        status, comment = SUBOPERATIONS_FAILED, next(iter(result.failures.values()), "")
    identifier = None
    if result.failures:
        identifier = {_FAILED_SOP_INSTANCE_UID_LIST: {"vr": "UI", "Value": list(result.failed_uids)}}
    counts = (remaining if result.cancelled else None, result.completed, result.failed, result.warning)
    return Outcome(status, comment, identifier, counts)
