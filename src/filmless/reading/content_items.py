"""Content items of structured reports as they come: parts may be missing, empty or not what they should be."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, Final

from filmless.reading.marks import COBB_ANGLE, DERIVATIONS, INTENSITIES, NAMES, SCHEME, Code, Value, unit_of

if TYPE_CHECKING:
    from pydicom import Dataset

_DERIVATION: Final[Code] = ("121401", "DCM", "Derivation")
_INTENSITY_CODES: Final = {code[:2] for code in INTENSITIES.values()}


def value_of(item: Dataset) -> Value:
    """Give a number by our name of it, or by the meaning of its code; what has no value is not finite."""
    measured = next(iter(sequence_in(item, "MeasuredValueSequence")), None)
    number = measured.get("FloatingPointValue", measured.get("NumericValue")) if measured is not None else None
    numbers = list_of(number)
    try:
        value = float(numbers[0]) if numbers else math.nan
    except (TypeError, ValueError):
        value = math.nan
    units = next(iter(sequence_in(measured, "MeasurementUnitsCodeSequence")), None) if measured is not None else None
    unit = unit_of(str(units.get("CodeValue") or "")) if units is not None else ""
    concept = _code_of(item)
    derived = next((child for child in items_of(item) if is_named(child, _DERIVATION)), None)
    derivation = _code_in(derived, "ConceptCodeSequence") if derived is not None else ("", "")
    for name, code in DERIVATIONS.items():
        if derivation == code[:2] or concept == code[:2]:
            return Value(name, value, unit)
    for name, code in NAMES.items():
        if concept == code[:2]:
            return Value(name, value, unit)
    if concept == COBB_ANGLE[:2]:
        return Value("angle", value, unit)
    if concept[1] == SCHEME and not derivation[0]:
        return Value("value", value, unit)
    words = [value_meaning_of(derived) if derived is not None else "", meaning_of(item)]
    if concept in _INTENSITY_CODES and not derivation[0]:
        return Value("value", value, unit)
    return Value("other", value, unit, " ".join(filter(None, words)))


def sequence_in(ds: Dataset, keyword: str) -> list[Dataset]:
    value = ds.get(keyword)
    return [each for each in value if hasattr(each, "get")] if isinstance(value, Sequence) else []


def items_of(ds: Dataset) -> list[Dataset]:
    return sequence_in(ds, "ContentSequence")


def list_of(value: Any) -> list[Any]:
    if value is None or value == "":
        return []
    return list(value) if isinstance(value, Sequence) and not isinstance(value, str | bytes) else [value]


def type_of(item: Dataset) -> str:
    return str(item.get("ValueType") or "")


def text_of(item: Dataset) -> str:
    for keyword in ("TextValue", "UID", "PersonName"):
        if value := item.get(keyword):
            return str(value)
    return ""


def _code_in(item: Dataset, keyword: str) -> tuple[str, str]:
    """Give a code and its scheme; SNOMED codes of the old kind as they are now."""
    from pydicom.sr._snomed_dict import mapping

    code = next(iter(sequence_in(item, keyword)), None)
    if code is None:
        return "", ""
    value, scheme = str(code.get("CodeValue") or ""), str(code.get("CodingSchemeDesignator") or "")
    if scheme in ("SRT", "SNM3", "99SDM"):
        return str(mapping["SRT"].get(value, value)), "SCT"
    return value, scheme


def _code_of(item: Dataset) -> tuple[str, str]:
    return _code_in(item, "ConceptNameCodeSequence")


def value_code_of(item: Dataset) -> tuple[str, str]:
    return _code_in(item, "ConceptCodeSequence")


def is_named(item: Dataset, code: Code) -> bool:
    return _code_of(item) == code[:2]


def meaning_of(item: Dataset) -> str:
    return _meaning_in(item, "ConceptNameCodeSequence")


def value_meaning_of(item: Dataset) -> str:
    return _meaning_in(item, "ConceptCodeSequence")


def _meaning_in(item: Dataset, keyword: str) -> str:
    code = next(iter(sequence_in(item, keyword)), None)
    return str(code.get("CodeMeaning") or "") if code is not None else ""
