"""Marks go through structured reports (TID 1500) and come back at the same place; dicom3tools finds no error."""

from __future__ import annotations

import io
import math
import random
import shutil
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from highdicom.sr import ComprehensiveSR
from pydicom import Dataset

import make
from filmless.access.principal import Principal
from filmless.archive import Archive
from filmless.errors import NotFound, Refused
from filmless.reading.key_objects import KeyImage, write_key_objects
from filmless.reading.marks import KINDS, Mark, Spacing, Value
from filmless.reading.measurement_documents import read_documents
from filmless.reading.measurements import write_measurements
from filmless.reading.presentation_states import NewState, write_presentation_state
from filmless.reading.writing import Written
from filmless.store.delete import Target, delete_instances
from filmless.store.receive import receive
from sent import data_set_of
from spatial import SHAPES_3D, in_space

Store = Callable[..., None]
Stored = Callable[[Written], Dataset]

SIDE = 512
MR, US, DX, MG, PET = (
    "1.2.840.10008.5.1.4.1.1.4",
    "1.2.840.10008.5.1.4.1.1.3.1",
    "1.2.840.10008.5.1.4.1.1.1.1",
    "1.2.840.10008.5.1.4.1.1.1.2",
    "1.2.840.10008.5.1.4.1.1.128",
)
# Modality, source of millimetres, mm of a column and of a row, unit of values.
SHAPES = {
    "CT": ("patient", 0.7, 0.7, "HU"),
    "MR": ("patient", 0.9, 0.45, ""),
    "US": ("ultrasound", 0.3, 0.2, ""),
    "DX": ("detector", 0.139, 0.139, ""),
    "MG": ("detector", 0.07, 0.07, ""),
    "PT": ("patient", 4.07, 4.07, "SUVbw"),
}
POINTS = {
    "length": 2, "bidirectional": 4, "angle": 3, "cobb": 4, "ellipse": 4, "circle": 2, "rectangle": 4,
    "freehand": 60, "spline": 24, "livewire": 40, "polyline": 7, "probe": 1, "arrow": 2, "calibration": 2,
}  # fmt: skip


def study() -> dict[str, Dataset]:
    """An image of each modality in one study; the ultrasound has frames."""
    common: dict[str, Any] = {"StudyInstanceUID": make.uid(), "PatientName": "Düsentrieb^Daniel"}
    return {
        "CT": make.ct_slice(SIDE, **common),
        "MR": make.ct_slice(SIDE, SOPClassUID=MR, Modality="MR", **common),
        "US": make.multi_frame(3, 16, SOPClassUID=US, Modality="US", **common),
        "DX": make.ct_slice(SIDE, SOPClassUID=DX, Modality="DX", **common),
        "MG": make.ct_slice(SIDE, SOPClassUID=MG, Modality="MG", **common),
        "PT": make.ct_slice(SIDE, SOPClassUID=PET, Modality="PT", **common),
    }


def values_of(kind: str, unit: str, chance: random.Random) -> list[Value]:
    def number() -> float:
        return chance.uniform(-1000, 3000)

    match kind:
        case "length" | "polyline":
            return [Value("length", abs(number()), "mm")]
        case "bidirectional":
            return [Value("longAxis", 30.0, "mm"), Value("shortAxis", 20.0, "px")]
        case "angle" | "cobb":
            return [Value("angle", chance.uniform(0, 180), "°")]
        case "probe":
            return [Value("value", number(), unit)]
        case "arrow" | "calibration":
            return []
    statistics = ("mean", "standardDeviation", "minimum", "maximum")
    return [Value("area", abs(number()), "mm²"), *(Value(name, number(), unit) for name in statistics)]


def marks_on(images: dict[str, Dataset], count: int) -> Iterator[Mark]:
    chance = random.Random(1500)
    modalities, kinds = list(images), list(KINDS)
    for number in range(count):
        modality, kind = modalities[number // len(kinds) % len(modalities)], kinds[number % len(kinds)]
        source, column_mm, row_mm, unit = SHAPES[modality]
        points = [(chance.uniform(0, SIDE), chance.uniform(0, SIDE)) for _ in range(POINTS[kind])]
        if kind == "ellipse":
            x, y, a, b = (chance.uniform(100, 200) for _ in range(4))
            points = [(x, y - b), (x, y + b), (x - a, y), (x + a, y)]
        yield Mark(
            uid=f"2.25.{1000 + number}",
            kind=kind,
            series_instance_uid=images[modality].SeriesInstanceUID,
            sop_instance_uid=images[modality].SOPInstanceUID,
            frame_number=number % 3 + 1 if modality == "US" else 1,
            points=points,
            controls=points[::4] if kind in ("spline", "livewire") else None,
            label="" if number % 2 else f"Größe {number}",
            values=values_of(kind, unit, chance),
            spacing=None if kind in ("probe", "arrow") else Spacing(column_mm, row_mm, source),
            known_mm=42.5 if kind == "calibration" else None,
        )


def furthest_mm(mark: Mark, other: Mark, spacing: tuple[float, float]) -> float:
    """The greatest distance between points of the same mark; the axes of an ellipse may have changed places."""
    scale = np.array(spacing)
    mine, theirs = np.array(mark.points) * scale, np.array(other.points) * scale
    orders = [[0, 1, 2, 3], [2, 3, 0, 1]] if mark.kind == "ellipse" else [list(range(len(mine)))]
    return float(min(np.linalg.norm(mine[order] - theirs, axis=1).max() for order in orders))


def test_500_marks_of_all_kinds_come_back_within_a_tenth_of_a_millimetre(
    archive: Archive, reader: Principal, store: Store, stored: Stored
) -> None:
    images = study()
    store(*images.values())
    uid = images["CT"].StudyInstanceUID
    marks = list(marks_on(images, 500))
    assert {(mark.kind, modality) for mark in marks for modality, image in images.items()
            if image.SOPInstanceUID == mark.sop_instance_uid} == {(k, m) for k in KINDS for m in images}  # fmt: skip

    written = write_measurements(archive, reader, uid, marks, language="de", author="Rosa^")

    ds = stored(written)
    assert ComprehensiveSR.from_dataset(ds).content is not None
    assert (ds.ContentTemplateSequence[0].TemplateIdentifier, str(ds.PatientName)) == ("1500", "Düsentrieb^Daniel")
    (document,) = read_documents(archive, reader, uid)
    assert (document.author, document.is_own, document.left_out) == ("Rosa", True, 0)
    assert [mark.uid for mark in document.marks] == [mark.uid for mark in marks]
    spacings = {image.SOPInstanceUID: SHAPES[modality][1:3] for modality, image in images.items()}
    distances = [
        furthest_mm(mark, found, spacings[mark.sop_instance_uid])
        for mark, found in zip(marks, document.marks, strict=True)
    ]
    assert max(distances) < 0.1
    for mark, found in zip(marks, document.marks, strict=True):
        assert replace(found, points=(), controls=None) == replace(mark, points=(), controls=None)
        assert (mark.controls is None) == (found.controls is None)
        if mark.controls and found.controls:
            assert np.allclose(mark.controls, found.controls, atol=1e-3)


def test_a_report_that_goes_on_from_another_supersedes_it(
    archive: Archive, reader: Principal, store: Store, stored: Stored
) -> None:
    image = make.ct_slice(SIDE)
    store(image)
    uid = image.StudyInstanceUID
    mark = next(marks_on({"CT": image}, 1))
    first = write_measurements(archive, reader, uid, [mark], author="Rosa^")
    moved = replace(mark, points=[(1.0, 1.0), (2.0, 2.0)])
    second = write_measurements(archive, reader, uid, [moved], predecessor_uid=first.sop_instance_uid, author="Rosa^")
    references = stored(second).PredecessorDocumentsSequence[0].ReferencedSeriesSequence[0].ReferencedSOPSequence
    assert references[0].ReferencedSOPInstanceUID == first.sop_instance_uid
    documents = {each.sop_instance_uid: each for each in read_documents(archive, reader, uid)}
    assert documents[first.sop_instance_uid].is_superseded
    assert not documents[second.sop_instance_uid].is_superseded
    assert documents[second.sop_instance_uid].marks[0].points == [(1.0, 1.0), (2.0, 2.0)]


@pytest.mark.parametrize(
    ("change", "kind", "words"),
    [
        ({"points": [(1.0, 1.0)]}, Refused, "has 2 points"),
        ({"frame_number": 2}, Refused, "1 frames, and no 2"),
        ({"sop_instance_uid": "1.2.3"}, NotFound, "1.2.3"),
    ],
)
def test_what_lies_nowhere_is_no_report(
    archive: Archive, reader: Principal, store: Store, change: dict[str, Any], kind: type[Exception], words: str
) -> None:
    image = make.ct_slice(SIDE)
    store(image)
    mark = replace(next(marks_on({"CT": image}, 1)), **change)
    with pytest.raises(kind, match=words):
        write_measurements(archive, reader, image.StudyInstanceUID, [mark], author="Rosa^")
    assert read_documents(archive, reader, image.StudyInstanceUID) == []


def item(value_type: str, code: tuple[str, str, str], relation: str = "CONTAINS", **values: Any) -> Dataset:
    ds = Dataset()
    ds.RelationshipType, ds.ValueType = relation, value_type
    ds.ConceptNameCodeSequence = [coded(*code)]
    for keyword, value in values.items():
        setattr(ds, keyword, value)
    return ds


def coded(value: str, scheme: str, meaning: str) -> Dataset:
    ds = Dataset()
    ds.CodeValue, ds.CodingSchemeDesignator, ds.CodeMeaning = value, scheme, meaning
    return ds


def scoord(image: Dataset, kind: str, *flat: float) -> Dataset:
    reference = Dataset()
    reference.ReferencedSOPClassUID, reference.ReferencedSOPInstanceUID = image.SOPClassUID, image.SOPInstanceUID
    source = item("IMAGE", ("121112", "DCM", "Source"), "SELECTED FROM", ReferencedSOPSequence=[reference])
    return item("SCOORD", ("121112", "DCM", "Source"), "INFERRED FROM",
                GraphicType=kind, GraphicData=list(flat), ContentSequence=[source])  # fmt: skip


def num(code: tuple[str, str, str], value: float, unit: str, *below: Dataset) -> Dataset:
    measured = Dataset()
    measured.NumericValue = f"{value:g}"
    measured.MeasurementUnitsCodeSequence = [coded(unit, "UCUM", unit)]
    return item("NUM", code, MeasuredValueSequence=[measured], ContentSequence=list(below))


AREA, LENGTH_SRT = ("42798000", "SCT", "Area"), ("G-D7FE", "SRT", "Length")


def foreign(image: Dataset, *items: Dataset) -> Dataset:
    return make.text_report(
        StudyInstanceUID=image.StudyInstanceUID, SOPClassUID="1.2.840.10008.5.1.4.1.1.88.33", Manufacturer="Other",
        ContentDate="20240103", ContentTime="120000", ContentSequence=list(items),
    )  # fmt: skip


def test_reports_of_others_are_read_as_far_as_they_go(archive: Archive, reader: Principal, store: Store) -> None:
    image = make.ct_slice(SIDE)
    group = ("125007", "DCM", "Measurement Group")
    volume = item("SCOORD3D", ("111030", "DCM", "Image Region"), GraphicType="POLYLINE",
                  GraphicData=[1.0, 2.0, 3.0, 4.0, 5.0, 6.0])  # fmt: skip
    tracking = item("TEXT", ("112039", "DCM", "Tracking Identifier"), "HAS OBS CONTEXT", TextValue="Lesion 1")
    region = item("CONTAINER", group, ContentSequence=[
        tracking, scoord(image, "POLYLINE", 1, 1, 9, 1, 9, 9, 1, 9, 1, 1), num(AREA, 64, "mm2"),
        num(("R-00317", "SRT", "Mean"), 40.5, "[hnsf'U]"), num(("X1", "99ELSE", "Kurtosis"), 3, "1"),
    ])  # fmt: skip
    axes = item("CONTAINER", group, ContentSequence=[
        num(("103340004", "SCT", "Short Axis"), 4, "mm", scoord(image, "POLYLINE", 5, 3, 5, 7)),
        num(("103339001", "SCT", "Long Axis"), 8, "mm", scoord(image, "POLYLINE", 1, 5, 9, 5)),
    ])  # fmt: skip
    lost = make.ct_slice()
    odd = [
        volume,
        num(LENGTH_SRT, 12, "mm", scoord(image, "POLYLINE", 1, 1, 25, 1)),
        num(LENGTH_SRT, 12, "mm", scoord(lost, "POLYLINE", 1, 1, 25, 1)),
        num(LENGTH_SRT, 12, "mm", scoord(image, "POLYLINE", 1, 1, 25)),
        num(LENGTH_SRT, 12, "mm", scoord(image, "POLYLINE", 1, 1, 2, 5, 9, 9, 4, 4, 7, 7)),
        item("NUM", LENGTH_SRT, MeasuredValueSequence=[], ContentSequence=[scoord(image, "MULTIPOINT", 1, 2, 3, 4)]),
        item("CONTAINER", ("1", "99X", "Empty")),
        Dataset(),
        item("CONTAINER", group),
    ]
    deep = item("CONTAINER", ("1", "99X", "Deep"), ContentSequence=[scoord(image, "CIRCLE", 5, 5, 7, 5)])
    for _ in range(40):
        deep = item("CONTAINER", ("1", "99X", "Deep"), ContentSequence=[deep])
    store(image, foreign(image, region, axes, *odd, deep), make.text_report(StudyInstanceUID=image.StudyInstanceUID))
    (document,) = read_documents(archive, reader, image.StudyInstanceUID)
    assert (document.author, document.is_own, document.left_out) == ("Other", False, 2)
    found = [(mark.kind, mark.label, list(mark.points)) for mark in document.marks]
    assert found == [
        ("freehand", "Lesion 1", [(1, 1), (9, 1), (9, 9), (1, 9)]),
        ("bidirectional", "", [(1, 5), (9, 5), (5, 3), (5, 7)]),
        ("length", "Length", [(1, 1), (25, 1)]),
        ("polyline", "Length", [(1, 1), (2, 5), (9, 9), (4, 4), (7, 7)]),
        ("probe", "Length", [(1, 2)]),
        ("probe", "Length", [(3, 4)]),
        ("circle", "Source", [(5, 5), (7, 5)]),
    ]
    assert document.marks[0].values == [
        Value("area", 64, "mm²"), Value("mean", 40.5, "HU"), Value("other", 3, "", "Kurtosis"),
    ]  # fmt: skip
    assert [each.value for each in document.marks[1].values] == [8, 4]
    assert document.marks[2].values == [Value("length", 12, "mm")]
    assert [(shape.graphic_type, shape.points) for shape in document.shapes] == [("POLYLINE", [(1, 2, 3), (4, 5, 6)])]
    assert len({mark.uid for mark in document.marks}) == 7
    assert all(math.isfinite(each.value) for mark in document.marks for each in mark.values)


def test_what_highdicom_draws_in_space_is_read_with_its_values(
    archive: Archive, reader: Principal, store: Store
) -> None:
    image = make.ct_slice(SIDE)
    store(image, in_space(image))
    (document,) = read_documents(archive, reader, image.StudyInstanceUID)
    assert (document.left_out, document.marks) == (0, [])
    found = {shape.label: shape for shape in document.shapes}
    assert {label: shape.graphic_type for label, shape in found.items()} == {
        "Line": "POLYLINE", "Seed": "POINT", "Vessel": "POLYLINE", "Area": "POLYGON", "Oval": "ELLIPSE",
        "Ball": "ELLIPSOID",
    }  # fmt: skip
    assert all(shape.frame_of_reference_uid == image.FrameOfReferenceUID for shape in found.values())
    for label, points in SHAPES_3D.items():
        np.testing.assert_allclose(found[label].points, points, atol=1e-4)
    assert found["Line"].values == [Value("length", 30.0, "mm")]
    assert found["Area"].values == [Value("area", 64.0, "mm²")]


@pytest.mark.skipif(shutil.which("dcmqrscp") is None, reason="DCMTK is not installed")
def test_what_readers_write_goes_through_dcmtk_byte_for_byte_and_is_read_again(
    archive: Archive,
    reader: Principal,
    store: Store,
    stored: Stored,
    tmp_path: Path,
    there_and_back: Callable[[Path, Written], Path],
) -> None:
    image = make.ct_slice(SIDE)
    store(image)
    uid, images = image.StudyInstanceUID, [KeyImage(image.SOPInstanceUID)]
    report = write_measurements(archive, reader, uid, list(marks_on({"CT": image}, 26)), author="Rosa^")
    before = read_documents(archive, reader, uid)
    key_objects = write_key_objects(archive, reader, uid, images, author="Rosa^")
    state = write_presentation_state(archive, reader, uid, NewState("BONE", images), author="Rosa^")
    for written in (report, key_objects, state):
        stored(written)
        sent = tmp_path / "object.dcm"
        back = there_and_back(sent, written)
        assert data_set_of(back) == data_set_of(sent)
        target = Target(uid, written.series_instance_uid, written.sop_instance_uid)
        delete_instances(archive, reader, target, "it comes from elsewhere")
        assert receive(archive, reader, io.BytesIO(back.read_bytes())).sop_instance_uid == written.sop_instance_uid
    assert read_documents(archive, reader, uid) == before
