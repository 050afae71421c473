"""Another implementation of matching, over pydicom data sets: slow, plain, and written from PS3.4 C.2.2.2 alone."""

from __future__ import annotations

import unicodedata
from typing import Any

from pydicom import Dataset
from pydicom.datadict import dictionary_VR

LEVELS = ("PATIENT", "STUDY", "SERIES", "IMAGE")


def entities(datasets: list[Dataset], level: str) -> dict[str, list[Dataset]]:
    """The instances of each entity of a level, by unique key."""
    found: dict[str, list[Dataset]] = {}
    for ds in datasets:
        patient = f"{ds.PatientID}|{ds.IssuerOfPatientID}" if ds.PatientID else ds.StudyInstanceUID
        unique = {"PATIENT": patient, "STUDY": ds.StudyInstanceUID, "SERIES": ds.SeriesInstanceUID}
        found.setdefault(unique.get(level, ds.SOPInstanceUID), []).append(ds)
    return found


def find(datasets: list[Dataset], level: str, keys: dict[str, str]) -> set[str]:
    """The unique keys of the entities of a level that match keys of this and higher levels."""
    return {
        unique
        for unique, instances in entities(datasets, level).items()
        if all(matches(instances, keyword, value, datasets) for keyword, value in keys.items())
    }


def matches(instances: list[Dataset], keyword: str, value: str, datasets: list[Dataset]) -> bool:
    """Whether an entity, given by its instances, matches one key."""
    if value.strip("*") == "":
        return True
    if "." in keyword:
        sequence, inner = keyword.split(".")
        return any(
            any(one(dictionary_VR(inner), value, text_of(item, inner)) for item in ds.get(sequence) or [])
            for ds in instances[:1]
        )
    if keyword == "ModalitiesInStudy":
        study = instances[0].StudyInstanceUID
        held = {ds.Modality for ds in datasets if study == ds.StudyInstanceUID}
        return any(one("CS", value, modality) for modality in held)
    if keyword == "NumberOfStudyRelatedInstances":
        study = instances[0].StudyInstanceUID
        return int(value) == sum(study == ds.StudyInstanceUID for ds in datasets)
    return one(dictionary_VR(keyword), value, text_of(instances[0], keyword))


def text_of(ds: Dataset, keyword: str) -> str:
    value: Any = ds.get(keyword)
    return "" if value is None else str(value)


def one(vr: str, key: str, text: str) -> bool:
    """Whether one value matches one key."""
    if not text:
        return False
    if vr == "UI":
        return text in key.split("\\")
    if vr in ("IS", "DS", "US"):
        return float(text) == float(key)
    if vr in ("DA", "TM"):
        low, dash, high = key.partition("-")
        if not dash:
            high = low
        width = 8 if vr == "DA" else 13
        return (not low or first(low, width) <= first(text, width)) and (
            not high or first(text, width) <= last(high, width)
        )
    if vr == "PN":
        wanted = [simple(group) for group in key.split("=")]
        held = [simple(group) for group in text.split("=")]
        if len(wanted) == 1:
            return any(name(wanted[0], group) for group in held if group)
        held += [""] * 3
        return all(not w.strip("*") or (bool(h) and name(w, h)) for w, h in zip(wanted, held, strict=False))
    return walk(key.strip(), text.strip())


def first(text: str, width: int) -> str:
    return text if width == 8 else (text[:6].ljust(6, "0") + "." + text[7:].ljust(6, "0"))


def last(text: str, width: int) -> str:
    if width == 8:
        return text
    filled = text[:6] + "235959"[len(text[:6]) :]
    return filled + "." + text[7:].ljust(6, "9")


def name(pattern: str, group: str) -> bool:
    while True:
        if walk(pattern, group):
            return True
        if not pattern.endswith("^*"):
            return False
        pattern = pattern[:-2]


def simple(group: str) -> str:
    """Without case, Latin accents and empty components at the end."""
    kept = []
    for character in group.strip():
        base = unicodedata.normalize("NFD", character)
        kept.append(base[0] if all("\u0300" <= mark <= "\u036f" for mark in base[1:]) else character)
    return "".join(kept).lower().rstrip("^")


def walk(pattern: str, text: str) -> bool:
    """Wild cards, by walking over both."""
    if not pattern:
        return not text
    if pattern[0] == "*":
        return walk(pattern[1:], text) or (bool(text) and walk(pattern, text[1:]))
    return bool(text) and pattern[0] in ("?", text[0]) and walk(pattern[1:], text[1:])
