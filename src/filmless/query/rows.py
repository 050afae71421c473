"""Rows of a search become data sets: what each level keeps as DICOM JSON, and over it what the archive itself knows.

All that does not change from row to row is settled once: a page of 100 studies takes 1 ms here.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING, Any, Final

import orjson

from filmless.dicom.dictionary import is_private, vr_of
from filmless.query import attributes as at
from filmless.query import matching
from filmless.query.attributes import Level
from filmless.query.matching import JsonDataset, Keys

if TYPE_CHECKING:
    from filmless.archive import Archive

Wanted = Mapping[str, "Wanted | None"]
"""Attributes to return, by tag; those of a sequence's items below it, None for all of it."""

Element = dict[str, Any]
_Maker = Callable[[Sequence[Any]], Element | None]

_SERIES_HELD: Final = 4
_ATTRIBUTES: Final = ("study_attributes", "series_attributes")  # of the patient and study, and of the series


def _one(vr: str, at_index: int) -> _Maker:
    return lambda row: {"vr": vr, "Value": [row[at_index]]}


def _one_if_known(vr: str, at_index: int) -> _Maker:
    def make(row: Sequence[Any]) -> Element | None:
        return None if row[at_index] is None else {"vr": vr, "Value": [row[at_index]]}

    return make


def _one_if_any(vr: str, at_index: int) -> _Maker:
    return lambda row: {"vr": vr, "Value": [row[at_index]]} if row[at_index] else None


def _count(vr: str, at_index: int) -> _Maker:
    return lambda row: {"vr": vr, "Value": [int(row[at_index] or 0)]}


def _list_by(separator: str) -> Callable[[str, int], _Maker]:
    def build(vr: str, at_index: int) -> _Maker:
        def make(row: Sequence[Any]) -> Element:
            values = sorted(value for value in (row[at_index] or "").split(separator) if value)
            return {"vr": vr, "Value": values} if values else {"vr": vr}

        return make

    return build


# Columns of a search by the name that its statement gives them: tag, VR, and how the value is made.
_KNOWN: Final[Mapping[str, tuple[str, str, Callable[[str, int], _Maker]]]] = {
    "study_instance_uid": (at.STUDY_UID, "UI", _one),
    "modalities_in_study": (at.MODALITIES_IN_STUDY, "CS", _list_by("\\")),
    "number_of_study_related_series": (at.STUDY_SERIES, "IS", _one),
    "number_of_study_related_instances": (at.STUDY_INSTANCES, "IS", _one),
    "sop_classes_in_study": (at.SOP_CLASSES_IN_STUDY, "UI", _list_by(",")),
    "number_of_patient_related_studies": (at.PATIENT_STUDIES, "IS", _count),
    "number_of_patient_related_series": (at.PATIENT_SERIES, "IS", _count),
    "number_of_patient_related_instances": (at.PATIENT_INSTANCES, "IS", _count),
    "series_instance_uid": (at.SERIES_UID, "UI", _one),
    "number_of_series_related_instances": (at.SERIES_INSTANCES, "IS", _one),
    "sop_instance_uid": (at.SOP_INSTANCE_UID, "UI", _one),
    "sop_class_uid": (at.SOP_CLASS_UID, "UI", _one),
    "instance_number": (at.INSTANCE_NUMBER, "IS", _one_if_known),
    "number_of_frames": (at.NUMBER_OF_FRAMES, "IS", _one_if_any),
    "rows": (at.ROWS, "US", _one_if_any),
    "columns": (at.COLUMNS, "US", _one_if_any),
    "bits_allocated": (at.BITS_ALLOCATED, "US", _one_if_any),
    "transfer_syntax_uid": (at.AVAILABLE_SYNTAX, "UI", _one),
}


class Reader:
    """Makes the data sets of one search.

    `names` are those of the statement's columns in order; `leftover` holds what SQL did not say, None when it said
    all; `reads_headers` when an attribute is looked at that only instances have.
    """

    def __init__(
        self,
        archive: Archive,
        names: Sequence[str],
        wanted: Wanted,
        *,
        wants_all: bool,
        leftover: Keys | None,
        reads_headers: bool,
    ) -> None:
        self._archive = archive
        self._wanted = wanted
        self._wants_all = wants_all
        self._leftover = leftover
        self._attributes = [names.index(name) if name in names else None for name in _ATTRIBUTES]
        self._parsed: list[tuple[str, JsonDataset]] = [("", {})] * len(_ATTRIBUTES)
        self._series = (names.index("series_key"), names.index("sop_instance_uid")) if reads_headers else None
        self._headers: dict[int, dict[str, JsonDataset]] = {}
        self._makers: dict[str, _Maker] = {}
        for index, name in enumerate(names):
            if name in _KNOWN:
                tag, vr, build = _KNOWN[name]
                self._makers[tag] = build(vr, index)
        for tag, vr, value in (
            (at.AVAILABILITY, "CS", "ONLINE"),
            (at.RETRIEVE_AE, "AE", archive.settings.ae_title),
        ):
            self._makers[tag] = _always({"vr": vr, "Value": [value]})
        self._plan = [(tag, self._makers.get(tag), _source_of(tag), wanted[tag], empty(tag)) for tag in sorted(wanted)]

    def read(self, row: Sequence[Any]) -> JsonDataset | None:
        """Make the data set of a row; None when it does not match after all."""
        sources = self._sources(row)
        if self._leftover is not None or self._wants_all:
            merged: JsonDataset = {}
            for source in sources:
                merged.update(source)
            for tag, make in self._makers.items():
                element = make(row)
                if element is not None:
                    merged[tag] = element
            if self._leftover is not None and not matching.matches(self._leftover, merged):
                return None
            if self._wants_all:
                return self._all_of(merged)
        dataset: JsonDataset = {}
        for tag, maker, source_index, inner, otherwise in self._plan:
            element = sources[source_index].get(tag) if maker is None else maker(row)
            if element is None and maker is None:
                element = sources[2].get(tag)
            if element is None:
                element = otherwise
            elif inner is not None:
                element = part_of(element, inner)
            if element is not None:
                dataset[tag] = element
        return dataset

    def _sources(self, row: Sequence[Any]) -> list[JsonDataset]:
        """Give the attributes kept of the study, the series and the instance; empty where nobody looks at them."""
        sources: list[JsonDataset] = []
        for number, index in enumerate(self._attributes):
            if index is None:
                sources.append({})
                continue
            text, parsed = self._parsed[number]
            if text != row[index]:  # the rows of a study come one after another
                text = row[index]
                parsed = orjson.loads(text) if text else {}
                self._parsed[number] = (text, parsed)
            sources.append(parsed)
        header: JsonDataset = {}
        if self._series is not None:
            series, instance = self._series
            header = self._headers_of(row[series]).get(row[instance], {})
        sources.append(header)
        return sources

    def _headers_of(self, series_key: int) -> dict[str, JsonDataset]:
        """Read the series metadata object, by SOP Instance UID; those of the last few series are held."""
        if series_key not in self._headers:
            import gzip

            from filmless.archive.metadata import series_metadata_gzip

            datasets: list[JsonDataset] = orjson.loads(gzip.decompress(series_metadata_gzip(self._archive, series_key)))
            while len(self._headers) >= _SERIES_HELD:
                del self._headers[next(iter(self._headers))]
            self._headers[series_key] = {
                matching.values_of(dataset, at.SOP_INSTANCE_UID)[0]: dataset for dataset in datasets
            }
        return self._headers[series_key]

    def _all_of(self, merged: JsonDataset) -> JsonDataset:
        tags = sorted(merged.keys() | self._wanted.keys())
        elements = ((tag, merged.get(tag) or empty(tag)) for tag in tags)
        return {tag: element for tag, element in elements if element is not None}


def _always(element: Element) -> _Maker:
    return lambda _: element


def _source_of(tag: str) -> int:
    """Give the place of an attribute among the sources of a row."""
    return {Level.SERIES: 1, Level.IMAGE: 2}.get(at.level_of(tag), 0)


def empty(tag: str) -> Element | None:
    """Give an element without a value; None when the VR is not known."""
    number = int(tag, 16)
    vr = None if is_private(number) else vr_of(number)
    return {"vr": vr.split(" or ")[0]} if vr else None


def part_of(element: Element, wanted: Wanted) -> Element:
    """Give the wanted part of a sequence's items; anything else as it is."""
    if element.get("vr") != "SQ" or not element.get("Value"):
        return element
    items = []
    for item in element["Value"]:
        picked = {}
        for tag in sorted(wanted):
            inner = wanted[tag]
            found = item.get(tag)
            held = empty(tag) if found is None else part_of(found, inner) if inner else found
            if held is not None:
                picked[tag] = held
        items.append(picked)
    return {"vr": "SQ", "Value": items}
