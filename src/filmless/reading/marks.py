"""What a reader marks on one frame, and the codes by which reports tell of it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

Point = tuple[float, float]
"""Column and row; 0,0 is the outer corner of the first pixel (PS3.3 C.18.6)."""

KINDS: Final = {
    "length": "Length",
    "bidirectional": "Long and short axis",
    "angle": "Angle",
    "cobb": "Cobb angle",
    "ellipse": "Ellipse",
    "circle": "Circle",
    "rectangle": "Rectangle",
    "freehand": "Outline",
    "spline": "Spline",
    "livewire": "Outline along edges",
    "polyline": "Line of several points",
    "probe": "Probe",
    "arrow": "Arrow",
    "calibration": "Calibration",
}
AREAS: Final = {"ellipse": "ELLIPSE", "circle": "CIRCLE"} | dict.fromkeys(
    ("rectangle", "freehand", "spline", "livewire"), "POLYLINE"
)
"""What encloses an area, with the Graphic Type of it."""

SOURCES: Final = {
    "patient": "Pixel Spacing (0028,0030)",
    "detector": "Imager Pixel Spacing (0018,1164)",
    "ultrasound": "Sequence of Ultrasound Regions (0018,6011)",
    "manual": "Calibration by hand",
}
"""Where millimetres come from."""

SCHEME: Final = "99FILMLESS"
"""Coding Scheme Designator of what the standard has no code for."""


@dataclass(frozen=True, slots=True)
class Spacing:
    """What a pixel measures, and how that is known."""

    column_mm: float
    row_mm: float
    source: str


@dataclass(frozen=True, slots=True)
class Value:
    """What was measured. The unit is as the screen writes it; `meaning` names what has no name of ours."""

    name: str
    value: float
    unit: str
    meaning: str = ""


@dataclass(frozen=True, slots=True)
class Shape:
    """What a report draws in space and not on an image (SCOORD3D, PS3.3 C.18.9). Points are in mm of the patient."""

    uid: str
    label: str
    graphic_type: str
    frame_of_reference_uid: str
    points: Sequence[tuple[float, float, float]]
    values: Sequence[Value] = ()


@dataclass(frozen=True, slots=True)
class Mark:
    """One mark; the order of the points is that of the screen's model (web/src/viewer/tools/annotations/model.ts)."""

    uid: str
    kind: str
    series_instance_uid: str
    sop_instance_uid: str
    frame_number: int
    points: Sequence[Point]
    controls: Sequence[Point] | None = None
    label: str = ""
    values: Sequence[Value] = ()
    spacing: Spacing | None = None
    known_mm: float | None = None


def mark_of(wire: Mapping[str, Any]) -> Mark:
    """Read a mark from the JSON in which drafts keep it."""
    spacing, controls = wire["spacing"], wire["controls"]
    return Mark(
        uid=wire["uid"],
        kind=wire["kind"],
        series_instance_uid=wire["seriesInstanceUid"],
        sop_instance_uid=wire["sopInstanceUid"],
        frame_number=wire["frameNumber"],
        points=[(x, y) for x, y in wire["points"]],
        controls=controls and [(x, y) for x, y in controls],
        label=wire["label"],
        values=[Value(each["name"], float(each["value"]), each["unit"]) for each in wire["values"]],
        spacing=spacing and Spacing(spacing["columnMm"], spacing["rowMm"], spacing["source"]),
        known_mm=wire["knownMm"],
    )


Code = tuple[str, str, str]
"""Value, scheme, meaning."""

MEAN: Final[Code] = ("373098007", "SCT", "Mean")
NAMES: Final[dict[str, Code]] = {
    "length": ("410668003", "SCT", "Length"),
    "longAxis": ("103339001", "SCT", "Long Axis"),
    "shortAxis": ("103340004", "SCT", "Short Axis"),
    "angle": ("1483009", "SCT", "Angle"),
    "area": ("42798000", "SCT", "Area"),
}
COBB_ANGLE: Final[Code] = ("285285000", "SCT", "Cobb angle")
DERIVATIONS: Final[dict[str, Code]] = {
    "mean": MEAN,
    "standardDeviation": ("386136009", "SCT", "Standard Deviation"),
    "minimum": ("255605001", "SCT", "Minimum"),
    "maximum": ("56851009", "SCT", "Maximum"),
}
UNITS: Final[dict[str, Code]] = {
    "mm": ("mm", "UCUM", "millimeter"),
    "mm²": ("mm2", "UCUM", "square millimeter"),
    "px": ("{pixels}", "UCUM", "pixels"),
    "px²": ("{square_pixels}", "UCUM", "square pixels"),
    "°": ("deg", "UCUM", "degree"),
    "HU": ("[hnsf'U]", "UCUM", "Hounsfield unit"),
    "SUVbw": ("{SUVbw}g/ml", "UCUM", "Standardized Uptake Value body weight"),
    "SUVlbm": ("{SUVlbm}g/ml", "UCUM", "Standardized Uptake Value lean body mass"),
    "SUVbsa": ("{SUVbsa}cm2/ml", "UCUM", "Standardized Uptake Value body surface area"),
    "Bq/ml": ("Bq/ml", "UCUM", "Becquerels/milliliter"),
    "": ("1", "UCUM", "no units"),
}
INTENSITIES: Final[dict[str, Code]] = {
    "HU": ("112031", "DCM", "Attenuation Coefficient"),
    "SUVbw": ("126401", "DCM", "SUVbw"),
    "SUVlbm": ("126402", "DCM", "SUVlbm"),
    "SUVbsa": ("126403", "DCM", "SUVbsa"),
}
PIXEL_VALUE: Final[Code] = ("value", SCHEME, "Pixel value")
METHOD: Final[Code] = ("370129005", "SCT", "Measurement Method")
COMMENT: Final[Code] = ("121106", "DCM", "Comment")
MM_FROM: Final[Code] = ("mm-from", SCHEME, "Source of millimeters")
CONTROLS: Final[Code] = ("controls", SCHEME, "Control points of the outline")
HORIZONTAL_SPACING: Final[Code] = ("111026", "DCM", "Horizontal Pixel Spacing")
VERTICAL_SPACING: Final[Code] = ("111066", "DCM", "Vertical Pixel Spacing")


def unit_code(unit: str) -> Code:
    """Give the UCUM code of a unit; one that we do not know is an annotation, which UCUM reads as 1."""
    return UNITS.get(unit) or (f"{{{unit.replace(' ', '_')}}}", "UCUM", unit)


_UNITS_BACK: Final = {value: unit for unit, (value, _, _) in UNITS.items()}


def unit_of(value: str) -> str:
    """Give a UCUM code as the screen writes it."""
    known = _UNITS_BACK.get(value)
    return known if known is not None else value.strip("{}")
