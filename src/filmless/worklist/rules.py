"""What a workitem must and may hold when it is made, changed and ended (PS3.4 CC.2.5.1, table CC.2.5-3).

Forgiven: Transaction UID, Progress Information and Performed Procedure Sequence absent when a workitem is made. They
shall be there empty, so what is absent says the same.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from typing import Any, Final

from filmless.dicom.dictionary import format_tag
from filmless.dicom.uids import oddities
from filmless.query import moments
from filmless.query.matching import JsonDataset
from filmless.worklist import attributes as at
from filmless.worklist.attributes import Attribute
from filmless.worklist.datasets import has_value, items, value
from filmless.worklist.refusals import Reason, WorkitemRefused

_CODE_VALUES: Final = ("00080100", "00080119", "00080120")
_RETRIEVALS: Final = ("0040E021", "0040E022", "0040E023", "0040E024", "0040E025")
_STORAGES: Final = ("00404071", "00404072", "00404074")
_OF_VALUE_TYPE: Final = {
    "DATETIME": "0040A120",
    "DATE": "0040A121",
    "TIME": "0040A122",
    "PNAME": "0040A123",
    "UIDREF": "0040A124",
    "TEXT": "0040A160",
    "CODE": "0040A168",
    "NUMERIC": "0040A30A",
}
_DATE_TIMES: Final = ("00404005", "00404011", "00404008")


def check_uid(uid: str) -> None:
    """Refuse what cannot name a workitem.

    Raises
    ------
    WorkitemRefused
    """
    odd = oddities(uid)
    if odd:
        raise WorkitemRefused(Reason.INVALID_VALUE, f"the workitem UID {uid[:64]!r} {odd[0]} (PS3.5 9.1)")
    if uid in (at.GLOBAL, at.FILTERED):
        raise WorkitemRefused(Reason.INVALID_VALUE, f"{uid} stands for all workitems and cannot name one")


def check_new(dataset: JsonDataset) -> None:
    """Check what a workitem is made of, against the column N-CREATE.

    Raises
    ------
    WorkitemRefused
    """
    state = value(dataset, at.STATE)
    if at.STATE in dataset and state != at.SCHEDULED:
        raise WorkitemRefused(
            Reason.NOT_CREATED_SCHEDULED, f"Procedure Step State is {state[:16]!r}; a workitem is made SCHEDULED"
        )
    given_class = value(dataset, at.SOP_CLASS_UID)
    if given_class and given_class != at.PUSH_SOP_CLASS:
        raise WorkitemRefused(
            Reason.INVALID_VALUE, f"SOP Class UID is {given_class}; that of a workitem is {at.PUSH_SOP_CLASS}"
        )
    _check(dataset, at.WORKITEM, lambda attribute: attribute.create, "")
    _check_values(dataset)


def check_change(dataset: JsonDataset) -> None:
    """Check what shall be changed, against the column N-SET. What must have a value cannot lose it.

    Raises
    ------
    WorkitemRefused
    """
    for tag in dataset:
        attribute = at.WORKITEM.get(tag)
        if attribute is None:
            continue
        if attribute.change == "N":
            how = "use Change UPS State" if tag == at.STATE else "cancel the workitem and make another"
            raise WorkitemRefused(
                Reason.NOT_ALLOWED_ATTRIBUTE, f"{_name(attribute)} cannot be changed once it is made; {how}"
            )
        if (attribute.create == "1" or tag == at.WORKLIST_LABEL) and not has_value(dataset, tag):
            raise WorkitemRefused(Reason.MISSING_VALUE, f"{_name(attribute)} must keep a value")
    _check(dataset, at.WORKITEM, lambda attribute: attribute.change, "")
    _check_values(dataset)


def check_completed(dataset: JsonDataset) -> None:
    """Check that a workitem may become COMPLETED (CC.2.5.1.1).

    Raises
    ------
    WorkitemRefused: Reason.FINAL_STATE_NOT_MET, with the first attribute that is missing.
    """
    missing = _missing_at_end(dataset, at.WORKITEM, "")
    if missing:
        raise WorkitemRefused(
            Reason.FINAL_STATE_NOT_MET, f"{missing} has no value; a workitem is not COMPLETED without it (PS3.4 CC.2.5)"
        )


def _missing_at_end(dataset: Mapping[str, Any], wanted: Mapping[str, Attribute], path: str) -> str | None:
    """Name an attribute that COMPLETED asks for; of sequences that lie in it those of every item."""
    for tag, attribute in wanted.items():
        name = f"{path}{attribute.keyword}"
        if attribute.final in {"R", "P"} and tag not in (at.SOP_CLASS_UID, at.SOP_INSTANCE_UID):
            # An Output Information Sequence without items says that there is no output.
            is_there = tag in dataset if attribute.change == "2" else has_value(dataset, tag)
            if not is_there:
                return name
        if tag == at.PERFORMED_PROCEDURE:
            for item in items(dataset, tag):
                missing = _missing_at_end(item, attribute.items, f"{name}.")
                if missing:
                    return missing
    return None


def _check(
    dataset: Mapping[str, Any], wanted: Mapping[str, Attribute], column: Callable[[Attribute], str], path: str
) -> None:
    """Check one level: what must be there, what must not, and the same in the items of sequences."""
    for tag, attribute in wanted.items():
        requirement, name = column(attribute), f"{path}{_name(attribute)}"
        if tag not in dataset:
            if requirement in {"1", "2"}:
                raise WorkitemRefused(Reason.MISSING_ATTRIBUTE, f"{name} is missing")
            continue
        if requirement == "1" and not has_value(dataset, tag):
            raise WorkitemRefused(Reason.MISSING_VALUE, f"{name} has no value")
        if requirement == "E" and has_value(dataset, tag):
            raise WorkitemRefused(Reason.INVALID_VALUE, f"{name} must be empty in a workitem that is made")
        if attribute.items:
            for number, item in enumerate(items(dataset, tag), start=1):
                inside = f"{path}{attribute.keyword}[{number}]."
                _check(item, attribute.items, column, inside)
                _check_conditions(item, attribute.macros, inside)


def _check_conditions(item: Mapping[str, Any], macros: Iterable[str], path: str) -> None:
    """Check what a macro asks for only in some cases."""
    for macro in macros:
        if macro == "code":
            _require_one(item, _CODE_VALUES, path, "a code value")
            if "00080120" not in item and not has_value(item, "00080102"):
                raise WorkitemRefused(Reason.MISSING_VALUE, f"{path}CodingSchemeDesignator has no value")
        elif macro == "instances":
            _require_one(item, _RETRIEVALS, path, "a sequence that says where to retrieve from")
        elif macro == "storage":
            _require_one(item, _STORAGES, path, "a sequence that says where to store")
        elif macro == "content":
            kind = value(item, "0040A040")
            tag = _OF_VALUE_TYPE.get(kind)
            if tag is None:
                raise WorkitemRefused(
                    Reason.INVALID_VALUE, f"{path}ValueType is {kind[:16]!r}, none of {', '.join(_OF_VALUE_TYPE)}"
                )
            _require_one(item, (tag,), path, f"the value of the type {kind}")
        elif macro == "entity":
            _require_one(item, ("00400031", "00400032"), path, "a namespace or universal entity ID")


def _require_one(item: Mapping[str, Any], tags: Iterable[str], path: str, what: str) -> None:
    if not any(has_value(item, tag) for tag in tags):
        where = path.rstrip(".") or "the workitem"
        raise WorkitemRefused(Reason.MISSING_ATTRIBUTE, f"{where} lacks {what}")


def _check_values(dataset: JsonDataset) -> None:
    for tag, allowed in at.ENUMERATED.items():
        given = value(dataset, tag)
        if given and given not in allowed:
            raise WorkitemRefused(
                Reason.INVALID_VALUE,
                f"{_name(at.WORKITEM[tag])} is {given[:16]!r}, none of {', '.join(sorted(allowed))}",
            )
    for tag in _DATE_TIMES:
        given = value(dataset, tag)
        if given and moments.read_date_time(given) is None:
            raise WorkitemRefused(Reason.INVALID_VALUE, f"{_name(at.WORKITEM[tag])} is {given[:32]!r}, no date-time")


def _name(attribute: Attribute) -> str:
    return f"{attribute.keyword} {format_tag(int(attribute.tag, 16))}"
