"""Measurement reports: the marks of a reader as Comprehensive SR (PS3.3 A.35.3, PS3.16 TID 1500). (ADR-0026)

What encloses an area is a planar ROI (TID 1410), all else a measurement group (TID 1501) whose numbers are inferred
from coordinates. What the templates have no place for stands in the group, which is extensible, under codes of our own.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING, Any, Final

from filmless.access.principal import Principal
from filmless.archive import Archive
from filmless.dicom.uids import new_uid
from filmless.errors import Conflict, Refused
from filmless.reading.drafts import discard_draft, read_draft
from filmless.reading.marks import (
    AREAS,
    COBB_ANGLE,
    COMMENT,
    CONTROLS,
    DERIVATIONS,
    HORIZONTAL_SPACING,
    INTENSITIES,
    KINDS,
    MM_FROM,
    NAMES,
    PIXEL_VALUE,
    SCHEME,
    SOURCES,
    VERTICAL_SPACING,
    Code,
    Mark,
    Point,
    Value,
    mark_of,
    unit_code,
)
from filmless.reading.sources import UTF_8, bare_source, copy_study, find_sources, read_source
from filmless.reading.writing import MANUFACTURER, MODEL_NAME, REPORTS_SERIES_NUMBER, Written, store_object
from filmless.retrieve.instances import StoredInstance, find_instances

if TYPE_CHECKING:
    from pydicom import Dataset

LANGUAGES: Final = {"en": "English", "de": "German"}
SERIES_DESCRIPTION: Final = "Measurements"
_PROCEDURE: Final[Code] = ("363679005", "SCT", "Imaging procedure")


def save_draft(
    archive: Archive, principal: Principal, study_instance_uid: str, *, revision: int, language: str, author: str
) -> Written:
    """Make a report of the caller's draft, which is none any more afterwards.

    Raises
    ------
    Conflict: the draft has changed since `revision`. As `write_measurements`.
    """
    draft = read_draft(archive, principal, study_instance_uid)
    if draft.revision != revision:
        raise Conflict("the marks were changed in another window; look at them again before they become a report")
    written = write_measurements(
        archive,
        principal,
        study_instance_uid,
        [mark_of(each) for each in draft.marks],
        predecessor_uid=draft.document_uid,
        language=language,
        author=author,
    )
    discard_draft(archive, principal, study_instance_uid, revision=revision)
    return written


def write_measurements(
    archive: Archive,
    principal: Principal,
    study_instance_uid: str,
    marks: Sequence[Mark],
    *,
    predecessor_uid: str | None = None,
    language: str = "en",
    author: str,
) -> Written:
    """Write a measurement report of one study and store it in that study.

    Raises
    ------
    Refused: no mark, a language we have no code for, a frame that is not there, points that are no such mark. NotFound:
    an image that is not there. As `receive`.
    """
    if not marks:
        raise Refused("nothing is marked; a report needs a mark")
    if language not in LANGUAGES:
        raise Refused(f"a report can be in {', '.join(LANGUAGES)}, not in {language}")
    sources = find_sources(archive, principal, study_instance_uid, [each.sop_instance_uid for each in marks])
    for each in marks:
        _check(each, sources[each.sop_instance_uid])
    first, *others = sources.values()
    evidence = [read_source(archive, first), *map(bare_source, others)]
    predecessor = (
        next(find_instances(archive, principal, study_uids=(study_instance_uid,), sop_uids=(predecessor_uid,)), None)
        if predecessor_uid
        else None
    )
    document = _document(evidence, sources, marks, predecessor, language, author, principal.name)
    copy_study(document, evidence[0])
    return store_object(archive, principal, document)


_POINTS: Final = {
    "length": 2,
    "bidirectional": 4,
    "angle": 3,
    "cobb": 4,
    "ellipse": 4,
    "circle": 2,
    "rectangle": 4,
    "probe": 1,
    "arrow": 2,
    "calibration": 2,
}


def _check(mark: Mark, source: StoredInstance) -> None:
    wanted, count = _POINTS.get(mark.kind), len(mark.points)
    least = 2 if mark.kind == "polyline" else 3
    if count < least if wanted is None else count != wanted:
        said = wanted or f"at least {least}"
        raise Refused(f"a mark of the kind {mark.kind} has {said} points, and {mark.uid} has {count}")
    if mark.frame_number > source.number_of_frames:
        raise Refused(
            f"the instance {mark.sop_instance_uid} has {source.number_of_frames} frames, and no {mark.frame_number}"
        )


def _document(
    evidence: list[Dataset],
    sources: dict[str, StoredInstance],
    marks: Sequence[Mark],
    predecessor: StoredInstance | None,
    language: str,
    author: str,
    login_name: str,
) -> Dataset:
    from highdicom.sr import (
        ComprehensiveSR,
        LanguageOfContentItemAndDescendants,
        MeasurementReport,
        ObservationContext,
        ObserverContext,
        PersonObserverIdentifyingAttributes,
    )
    from pydicom.sr.codedict import codes

    person = PersonObserverIdentifyingAttributes(name=author, login_name=login_name)
    content = MeasurementReport(
        observation_context=ObservationContext(
            observer_person_context=ObserverContext(
                observer_type=codes.DCM.Person, observer_identifying_attributes=person
            )
        ),
        procedure_reported=_procedures(evidence[0]),
        imaging_measurements=[
            _group(mark, number, sources[mark.sop_instance_uid]) for number, mark in enumerate(marks, 1)
        ],
        title=codes.DCM.ImagingMeasurementReport,
        language_of_content_item_and_descendants=LanguageOfContentItemAndDescendants(
            _code((language, "RFC5646", LANGUAGES[language]))
        ),
    )
    document = ComprehensiveSR(
        evidence=evidence,
        content=content,
        series_instance_uid=new_uid(),
        series_number=REPORTS_SERIES_NUMBER,
        sop_instance_uid=new_uid(),
        instance_number=1,
        manufacturer=MANUFACTURER,
        manufacturer_model_name=MODEL_NAME,
        is_complete=True,
        previous_versions=[bare_source(predecessor)] if predecessor else None,
        series_description=SERIES_DESCRIPTION,
        specific_character_set=UTF_8,
    )
    document.CodingSchemeIdentificationSequence = [_scheme()]
    return document


def _scheme() -> Dataset:
    from pydicom import Dataset

    ds = Dataset()
    ds.CodingSchemeDesignator = SCHEME
    ds.CodingSchemeName = "Codes of Filmless"
    ds.CodingSchemeResponsibleOrganization = MANUFACTURER
    return ds


def _procedures(source: Dataset) -> list[Any]:
    """What was done, as the study says; else that images were made."""
    found = []
    for item in source.get("ProcedureCodeSequence") or ():
        value, scheme, meaning = (
            str(item.get(name) or "") for name in ("CodeValue", "CodingSchemeDesignator", "CodeMeaning")
        )
        if value and scheme and meaning and len(value) <= 16:
            found.append(_code((value, scheme, meaning[:64])))
    return found or [_code(_PROCEDURE)]


def _code(code: Code) -> Any:
    from highdicom.sr import CodedConcept

    value, scheme, meaning = code
    return CodedConcept(value=value, scheme_designator=scheme, meaning=meaning)


def _group(mark: Mark, number: int, source: StoredInstance) -> Any:
    from highdicom.sr import (
        ImageRegion,
        MeasurementsAndQualitativeEvaluations,
        PlanarROIMeasurementsAndQualitativeEvaluations,
        SourceImageForRegion,
        TrackingIdentifier,
    )

    image = SourceImageForRegion(
        referenced_sop_class_uid=source.sop_class_uid,
        referenced_sop_instance_uid=source.sop_instance_uid,
        # Frames are named only of what has several (PS3.3 10.3).
        referenced_frame_numbers=[mark.frame_number] if source.number_of_frames > 1 else None,
    )
    common = {
        "tracking_identifier": TrackingIdentifier(
            uid=mark.uid, identifier=mark.label.strip() or f"{KINDS[mark.kind]} {number}"
        ),
        "method": _code((mark.kind, SCHEME, KINDS[mark.kind])),
        "measurements": [_measurement(mark, value, image) for value in _numbers(mark)],
    }
    if mark.kind in AREAS:
        region = ImageRegion(AREAS[mark.kind], _array(_region_points(mark)), image)
        group: Any = PlanarROIMeasurementsAndQualitativeEvaluations(referenced_region=region, **common)
    else:
        group = MeasurementsAndQualitativeEvaluations(**common)
    group[0].ContentSequence.extend(_additions(mark, image, has_place=bool(common["measurements"])))
    return group


def _numbers(mark: Mark) -> Iterable[Value]:
    if mark.kind == "calibration":
        return [Value("length", mark.known_mm, "mm")] if mark.known_mm is not None else []
    if mark.kind == "bidirectional" and len(mark.values) == 2:
        # In the order of their points, from which they are read again.
        is_swapped = math.dist(*mark.points[:2]) < math.dist(*mark.points[2:])
        return sorted(mark.values, key=lambda each: (each.name == "longAxis") == is_swapped)
    return mark.values


def _measurement(mark: Mark, value: Value, image: Any) -> Any:
    from highdicom.sr import CoordinatesForMeasurement, Measurement

    derivation = DERIVATIONS.get(value.name)
    if value.name in NAMES:
        name = COBB_ANGLE if mark.kind == "cobb" else NAMES[value.name]
    else:
        name = INTENSITIES.get(value.unit, PIXEL_VALUE)
    coordinates = None
    if mark.kind not in AREAS:
        graphic_type, points = _place(mark, value.name)
        coordinates = [CoordinatesForMeasurement(graphic_type, _array(points), image)]
    return Measurement(
        name=_code(name),
        value=float(value.value),
        unit=_code(unit_code(value.unit)),
        derivation=_code(derivation) if derivation else None,
        referenced_coordinates=coordinates,
    )


def _place(mark: Mark, value_name: str) -> tuple[str, Sequence[Point]]:
    if mark.kind == "probe":
        return "POINT", mark.points
    if mark.kind == "bidirectional":
        pairs = mark.points[:2], mark.points[2:]
        longer = 0 if math.dist(*pairs[0]) >= math.dist(*pairs[1]) else 1
        return "POLYLINE", pairs[longer if value_name == "longAxis" else 1 - longer]
    return "POLYLINE", mark.points


def _region_points(mark: Mark) -> Sequence[Point]:
    if mark.kind == "circle":
        return mark.points
    if mark.kind == "ellipse":
        # The major axis goes first (PS3.3 C.18.6.1.2).
        pairs = [mark.points[:2], mark.points[2:]]
        longer, shorter = sorted(pairs, key=lambda each: -math.dist(*each))
        return [*longer, *shorter]
    return [*mark.points, mark.points[0]]


def _array(points: Sequence[Point]) -> Any:
    import numpy as np

    return np.array(points, dtype=np.float64)


def _additions(mark: Mark, image: Any, *, has_place: bool) -> list[Any]:
    """What the templates have no row for: where millimetres come from, control points, the reader's words."""
    from highdicom.sr import CodeContentItem, NumContentItem, TextContentItem
    from pydicom.sr.codedict import codes

    contains = "CONTAINS"
    found: list[Any] = []
    if mark.spacing is not None:
        source = _code((mark.spacing.source, SCHEME, SOURCES[mark.spacing.source]))
        found.append(CodeContentItem(_code(MM_FROM), source, contains))
        for name, value in (
            (HORIZONTAL_SPACING, mark.spacing.column_mm),
            (VERTICAL_SPACING, mark.spacing.row_mm),
        ):
            found.append(NumContentItem(_code(name), float(value), codes.UCUM.Millimeter, relationship_type=contains))
    if mark.controls:
        graphic_type = "MULTIPOINT" if len(mark.controls) > 1 else "POINT"
        found.append(_placed_text(CONTROLS, KINDS[mark.kind], graphic_type, mark.controls, image))
    if mark.kind not in AREAS and not has_place:
        graphic_type = "POINT" if len(mark.points) == 1 else "POLYLINE"
        found.append(_placed_text(COMMENT, mark.label or KINDS[mark.kind], graphic_type, mark.points, image))
    elif mark.label:
        found.append(TextContentItem(_code(COMMENT), mark.label, contains))
    return found


def _placed_text(name: Code, text: str, graphic_type: str, points: Sequence[Point], image: Any) -> Any:
    from highdicom.sr import CoordinatesForMeasurement, TextContentItem

    item: Any = TextContentItem(_code(name), text, "CONTAINS")
    item.ContentSequence = [CoordinatesForMeasurement(graphic_type, _array(points), image)]
    return item
