"""Data sets of workitems in the DICOM JSON Model: read from a caller, looked into, written with our own values."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from typing import Any, Final

import orjson

from filmless.archive.limits import scan_limits
from filmless.config import Settings
from filmless.dicom.dictionary import format_tag, is_private, vr_of
from filmless.dicom.encode import decode, encode
from filmless.dicom.syntaxes import EXPLICIT_LE
from filmless.errors import Refused, TooLarge
from filmless.query import moments
from filmless.query.matching import JsonDataset, text_of, values_of
from filmless.worklist import attributes as at

NEVER: Final = 0
"""`scheduled_at` of a start that is no date-time: first in the list, for people to see it."""

_HEX: Final = frozenset("0123456789ABCDEF")


def read_dataset(given: Any, settings: Settings) -> JsonDataset:
    """Bring a data set that came as JSON into the one form in which it is kept: VRs of the dictionary, tags in order.

    It is written as DICOM and read back, so that whatever is kept can also be sent by DIMSE.

    Raises
    ------
    Refused: it is no data set, or a value does not suit its VR. TooLarge: it is over `workitem_max_bytes`.
    """
    typed = _with_vrs(given, 0, settings.sequence_depth_max)
    data = encode(typed, EXPLICIT_LE)
    check_length(len(data), settings)
    dataset = decode(data, EXPLICIT_LE, limits=scan_limits(settings))
    dataset.pop(at.CHARACTER_SET, None)  # JSON is UTF-8
    return dataset


def check_length(length_bytes: int, settings: Settings) -> None:
    """Refuse what is too long to be a workitem.

    Raises
    ------
    TooLarge
    """
    if length_bytes > settings.workitem_max_bytes:
        raise TooLarge(f"a workitem of {length_bytes} bytes; {settings.workitem_max_bytes} may be (workitem_max_bytes)")


def _with_vrs(given: Any, depth: int, depth_max: int) -> JsonDataset:
    if depth > depth_max:
        raise Refused(f"sequences are nested more than {depth_max} deep (sequence_depth_max)")
    if not isinstance(given, dict):
        raise Refused("a data set is a JSON object with tags of eight hexadecimal digits as names")
    dataset: JsonDataset = {}
    for name, element in given.items():
        tag = str(name).upper()
        if len(tag) != 8 or not set(tag) <= _HEX:
            raise Refused(f"{str(name)[:20]!r} is not a tag of eight hexadecimal digits")
        if not isinstance(element, dict):
            raise Refused(f"{format_tag(int(tag, 16))} is not an object with vr and Value")
        if "BulkDataURI" in element:
            raise Refused(f"{format_tag(int(tag, 16))}: a workitem holds no bulk data (PS3.18 11.1.3)")
        vr = _vr_of(tag, element)
        dataset[tag] = {**element, "vr": vr}
        if vr == "SQ" and element.get("Value"):
            if not isinstance(element["Value"], list):
                raise Refused(f"{format_tag(int(tag, 16))}: Value is not a list")
            dataset[tag]["Value"] = [_with_vrs(item or {}, depth + 1, depth_max) for item in element["Value"]]
    return dataset


def _vr_of(tag: str, element: Mapping[str, Any]) -> Any:
    """The VR that the dictionary gives, where it gives one; the example of PS3.18 11.13 itself has wrong ones."""
    number = int(tag, 16)
    known = None if is_private(number) else vr_of(number)
    if known is None or " or " in known:
        return element.get("vr") or (known or "UN")[:2]
    return known


def value(dataset: Mapping[str, Any], tag: str) -> str:
    """Give the first value of an attribute as text; "" when it has none."""
    element = dataset.get(tag)
    values = values_of(dataset, tag)
    return text_of(values[0], str(element["vr"])) if element and values else ""


def items(dataset: Mapping[str, Any], tag: str) -> list[JsonDataset]:
    """Give the items of a sequence."""
    return [item for item in values_of(dataset, tag) if isinstance(item, dict)]


def has_value(dataset: Mapping[str, Any], tag: str) -> bool:
    """Whether an attribute is there with a value; a sequence with an item."""
    element = dataset.get(tag)
    if not element:
        return False
    if element.get("vr") == "SQ":
        return bool(element.get("Value"))
    if element.get("InlineBinary"):
        return True
    return any(text_of(each, str(element.get("vr"))) for each in element.get("Value") or ())


def text(vr: str, *values: str) -> JsonDataset:
    """Make an element of text."""
    return {"vr": vr, "Value": list(values)}


def sequence(*found: JsonDataset) -> JsonDataset:
    """Make a sequence."""
    return {"vr": "SQ", "Value": list(found)}


def code(code_value: str, scheme: str, meaning: str) -> JsonDataset:
    """Make an item of a code sequence."""
    return {"00080100": text("SH", code_value), "00080102": text("SH", scheme), "00080104": text("LO", meaning)}


def now() -> JsonDataset:
    """This moment as a DT with its offset from UTC."""
    return text("DT", f"{datetime.now().astimezone():%Y%m%d%H%M%S.%f%z}")


def parts_of(dataset: Mapping[str, Any], *tags: str) -> JsonDataset:
    """Take some attributes out, those that are there."""
    return {tag: dataset[tag] for tag in tags if tag in dataset}


def study_of(dataset: Mapping[str, Any]) -> str | None:
    """The study that a workitem is about: its own, else that of its request."""
    requests = items(dataset, at.REFERENCED_REQUEST)
    found = (value(each, at.STUDY_INSTANCE_UID) for each in [dataset, *requests])
    return next((uid[:64] for uid in found if uid), None)


def columns_of(dataset: Mapping[str, Any]) -> dict[str, Any]:
    """Give the columns that say again what the data set holds."""
    start = moments.read_date_time(value(dataset, at.SCHEDULED_START))
    return {
        "state": value(dataset, at.STATE),
        "priority": value(dataset, at.PRIORITY),
        "input_readiness": value(dataset, at.READINESS),
        "worklist_label": value(dataset, at.WORKLIST_LABEL),
        "patient_id": value(dataset, at.PATIENT_ID),
        "study_instance_uid": study_of(dataset),
        "scheduled_at": start[0] if start else NEVER,
        "attributes": dump(dataset),
    }


def dump(dataset: Mapping[str, Any]) -> str:
    """Write a data set as JSON text, its tags in order."""
    return orjson.dumps(dict(dataset), option=orjson.OPT_SORT_KEYS).decode()


def load(written: str) -> JsonDataset:
    """Read what `dump` wrote."""
    dataset: JsonDataset = orjson.loads(written)
    return dataset
