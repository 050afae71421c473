"""Bodies of marks: what a reader measures and draws on images."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import ConfigDict, Field, StringConstraints
from pydantic.alias_generators import to_camel

from filmless.api.models.base import Answer, Request

Uid = Annotated[str, StringConstraints(pattern=r"^[0-9.]+$", min_length=1, max_length=64)]
Number = Annotated[float, Field(ge=-1e15, le=1e15, allow_inf_nan=False)]
Coordinate = Annotated[float, Field(ge=-1e6, le=1e6, allow_inf_nan=False)]
Point = Annotated[list[Coordinate], Field(min_length=2, max_length=2)]
Points = Annotated[list[Point], Field(min_length=1, max_length=5000)]
Kind = Literal[
    "length",
    "bidirectional",
    "angle",
    "cobb",
    "ellipse",
    "circle",
    "rectangle",
    "freehand",
    "spline",
    "livewire",
    "polyline",
    "probe",
    "arrow",
    "calibration",
]
ValueName = Literal[
    "length",
    "longAxis",
    "shortAxis",
    "angle",
    "area",
    "mean",
    "standardDeviation",
    "minimum",
    "maximum",
    "value",
]


class MarkSpacing(Request):
    """What a pixel measures, and how that is known."""

    model_config = ConfigDict(from_attributes=True, alias_generator=to_camel, validate_by_name=True, extra="forbid")

    column_mm: Annotated[float, Field(gt=0, le=1e6)]
    row_mm: Annotated[float, Field(gt=0, le=1e6)]
    source: Literal["patient", "detector", "ultrasound", "manual"]


class MarkValue(Request):
    """What was measured; an empty unit is that of stored values."""

    name: ValueName
    value: Number
    unit: Annotated[str, StringConstraints(max_length=16, pattern=r"^[^\x00-\x1f{}]*$")]


class Mark(Request):
    """A mark on one frame. Points are column and row; 0,0 is the outer corner of the first pixel (PS3.3 C.18.6)."""

    uid: Annotated[Uid, Field(description="Tracking Unique Identifier in reports.")]
    kind: Kind
    series_instance_uid: Uid
    sop_instance_uid: Uid
    frame_number: Annotated[int, Field(ge=1, le=2**31 - 1)]
    points: Points
    controls: Points | None = None
    label: Annotated[str, StringConstraints(max_length=256, pattern=r"^[^\x00-\x08\x0b\x0c\x0e-\x1f]*$")] = ""
    is_hidden: bool = False
    text_at: Point | None = None
    values: Annotated[list[MarkValue], Field(max_length=16)] = Field(default_factory=list)
    spacing: MarkSpacing | None = None
    known_mm: Annotated[float, Field(gt=0, le=1e6)] | None = None


class Draft(Answer):
    """The caller's marks on a study that are no report yet; revision 0: there are none."""

    revision: int
    document_uid: Annotated[str | None, Field(description="The report that they go on from.")]
    marks: list[Mark]


class DraftChange(Request):
    """What one window has changed since the revision that it knows."""

    revision: Annotated[int, Field(ge=0, le=2**53)]
    changed: Annotated[list[Mark], Field(max_length=2000)] = Field(default_factory=list)
    removed: Annotated[list[Uid], Field(max_length=10_000)] = Field(default_factory=list)
    document_uid: Uid | None = None


class DraftOutcome(Answer):
    """What other windows have changed since, and which marks of this change they had changed too."""

    revision: int
    document_uid: str | None
    changed: list[Mark]
    removed: list[str]
    overwritten: list[str]


class NewMeasurements(Request):
    """Which draft becomes a report, and the language of the reader's words in it."""

    revision: Annotated[int, Field(ge=1, le=2**53)]
    language: Literal["en", "de"] = "en"


class ReportedValue(Answer):
    """A number of a report; `other` is named by `meaning`."""

    name: ValueName | Literal["other"]
    value: float
    unit: str
    meaning: str


class ReportedMark(Answer):
    """A mark as a report tells of it."""

    uid: str
    kind: Kind
    series_instance_uid: str
    sop_instance_uid: str
    frame_number: int
    points: list[list[float]]
    controls: list[list[float]] | None
    label: str
    values: list[ReportedValue]
    spacing: MarkSpacing | None
    known_mm: float | None


class ReportedShape(Answer):
    """What a report draws in space: points in mm of the patient, in a Frame of Reference (PS3.3 C.18.9)."""

    uid: str
    label: str
    graphic_type: Literal["POINT", "MULTIPOINT", "POLYLINE", "POLYGON", "ELLIPSE", "ELLIPSOID"]
    frame_of_reference_uid: str
    points: list[list[float]]
    values: list[ReportedValue]


class MeasurementDocument(Answer):
    """A report with marks. The caller goes on from the newest one of their own; a superseded one is history."""

    sop_instance_uid: str
    series_instance_uid: str
    title: str
    author: str
    content_date: str
    content_time: str
    is_own: bool
    is_superseded: bool
    is_verified: bool
    marks: list[ReportedMark]
    shapes: list[ReportedShape]
    left_out: Annotated[int, Field(description="Marks on no image of the study, or of a form that is not shown.")]


class MeasurementDocuments(Answer):
    """The reports of a study that have marks, the latest first."""

    documents: list[MeasurementDocument]
