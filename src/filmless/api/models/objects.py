"""Bodies of the objects that readers make of a study."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field

from filmless.api.models.base import Answer, Request

Uid = Annotated[str, Field(min_length=1, max_length=64)]
FrameNumbers = Annotated[
    list[Annotated[int, Field(ge=1, le=2**31 - 1)]],
    Field(max_length=10_000, description="From 1; none: the whole instance."),
]


class WrittenObject(Answer):
    """An object that was made and stored."""

    study_instance_uid: str
    series_instance_uid: str
    sop_instance_uid: str
    sop_class_uid: str


class ReferencedImage(Request):
    """An instance of the study, or some of its frames."""

    sop_instance_uid: Uid
    frame_numbers: FrameNumbers = Field(default_factory=list)


class NewKeyObjects(Request):
    """Key images, and what they are for: a code of CID 7010."""

    images: Annotated[list[ReferencedImage], Field(min_length=1, max_length=10_000)]
    title: Annotated[str, Field(max_length=16, examples=["113000"])] = "113000"
    description: Annotated[str, Field(max_length=1024)] = ""


Point = Annotated[list[Annotated[float, Field(ge=-1e6, le=1e6)]], Field(min_length=2, max_length=2)]
Units = Annotated[
    Literal["PIXEL", "DISPLAY"],
    Field(description="PIXEL: the corner of the image is 0,0; DISPLAY: what is shown reaches from 0,0 to 1,1."),
]
Coordinate = Annotated[int, Field(ge=-(2**31), le=2**31 - 1)]


class StateWindow(Request):
    """A VOI window, in the units of the images' modality values."""

    center: Annotated[float, Field(ge=-1e12, le=1e12)]
    width: Annotated[float, Field(gt=0, le=1e12)]
    function: Literal["LINEAR", "LINEAR_EXACT", "SIGMOID"] = "LINEAR"


class StateTable(Request):
    """A VOI LUT: values from `first` on are mapped to `entries` of `bits` bits."""

    first: Annotated[int, Field(ge=-32_768, le=65_535)]
    bits: Annotated[int, Field(ge=8, le=16)]
    entries: Annotated[list[Annotated[int, Field(ge=0, le=65_535)]], Field(min_length=2, max_length=65_536)]


class StateArea(Request):
    """Columns and rows from 1, both ends shown; they may lie beyond the image."""

    left: Coordinate
    top: Coordinate
    right: Coordinate
    bottom: Coordinate


class StateRectangle(StateArea):
    """The part that a rectangular shutter leaves open."""


class StateGraphic(Request):
    """A graphic; `points` as PS3.3 C.10.5.1.2 orders them."""

    kind: Literal["POINT", "POLYLINE", "INTERPOLATED", "CIRCLE", "ELLIPSE"]
    points: Annotated[list[Point], Field(min_length=1, max_length=10_000)]
    is_filled: bool = False
    units: Units = "PIXEL"


class StateText(Request):
    """Words at a place."""

    text: Annotated[str, Field(min_length=1, max_length=1024)]
    anchor: Point
    units: Units = "PIXEL"


class NewPresentationState(Request):
    """How images are shown: grey values, turn, the part that is seen, what is drawn."""

    label: Annotated[str, Field(min_length=1, max_length=16)]
    description: Annotated[str, Field(max_length=64)] = ""
    images: Annotated[list[ReferencedImage], Field(min_length=1, max_length=10_000)]
    window: StateWindow | None = None
    voi_table: StateTable | None = None
    is_inverse: bool = False
    rotation: Literal[0, 90, 180, 270] = 0
    is_flipped: bool = False
    area: StateArea | None = None
    shutter: StateRectangle | None = None
    graphics: Annotated[list[StateGraphic], Field(max_length=10_000)] = Field(default_factory=list)
    texts: Annotated[list[StateText], Field(max_length=10_000)] = Field(default_factory=list)


class NewSegment(Request):
    """A segment; `number` is that of its pixels in the masks."""

    number: Annotated[int, Field(ge=1, le=255)]
    label: Annotated[str, Field(min_length=1, max_length=64)]
    type_code: Annotated[
        str,
        Field(max_length=16, description="SNOMED CT, one of those that docs/viewer.md lists.", examples=["10200004"]),
    ]
    colour: Annotated[
        list[Annotated[int, Field(ge=0, le=255)]], Field(min_length=3, max_length=3, description="Red, green, blue.")
    ]
    is_by_hand: Annotated[bool, Field(description="False: thresholds helped.")] = True


class MaskedFrame(Request):
    """A frame, from 1, that has a mask."""

    sop_instance_uid: Uid
    frame_number: Annotated[int, Field(ge=1, le=2**31 - 1)] = 1


class NewSegmentation(Request):
    """What a segmentation says but its pixels; the masks come in the order of `frames`."""

    label: Annotated[str, Field(min_length=1, max_length=64)]
    frames: Annotated[list[MaskedFrame], Field(min_length=1, max_length=10_000)]
    segments: Annotated[list[NewSegment], Field(min_length=1, max_length=255)]
    form: Literal["BINARY", "LABELMAP"] = "BINARY"
