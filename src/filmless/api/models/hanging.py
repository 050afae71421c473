"""Bodies of hanging protocols: what tells the series of a study apart, and by which rule they hang."""

from __future__ import annotations

from typing import Annotated, Literal, Self

from pydantic import BeforeValidator, ConfigDict, Field, JsonValue, model_validator

from filmless.api.models.base import Answer, Request, Text, words
from filmless.reading.hanging_reading import NoteKind
from filmless.reading.hanging_rules import CUT_MAX_MM, CutPlane, Plane, Preset, Side, Sizing, SlabMode, Weighting

Words = Annotated[list[str], BeforeValidator(words)]
Few = Annotated[list[Annotated[str, Field(max_length=64)]], Field(max_length=32)]


class HangingCode(Answer):
    """A coded concept."""

    value: str
    scheme: Text
    meaning: Text


class SampledSeries(Answer):
    """A series and some of its instances, as DICOM JSON with only what tells series apart."""

    series_instance_uid: str
    modality: Text
    number_of_instances: int
    samples: list[dict[str, JsonValue]]


class HangingSubject(Answer):
    """What a study is about, and its series."""

    study_instance_uid: str
    modalities: Words
    regions: Words
    sides: Words
    procedures: list[HangingCode]
    series: list[SampledSeries]


class Said(Answer):
    """Part of a rule: sent and given alike, so nothing of it may be left out."""

    model_config = ConfigDict(extra="forbid")


class SaidCode(Said):
    """A coded concept."""

    value: Annotated[str, Field(min_length=1, max_length=16)]
    scheme: Annotated[str, Field(min_length=1, max_length=16)]
    meaning: Annotated[str, Field(max_length=64)]


class HangingConditions(Said):
    """When a protocol is for a study: each part that is not empty must hold; of a list, one entry."""

    modalities: Few
    regions: Few
    procedures: Annotated[list[SaidCode], Field(max_length=32)]
    laterality: Side
    priors: Annotated[int, Field(ge=0, le=3)]


class HangingSelector(Said):
    """Which images a viewport shows; what is empty or null may be anything. Prior 0 is the current study."""

    prior: Annotated[int, Field(ge=0, le=3)]
    modality: Annotated[str, Field(max_length=16)]
    plane: Plane
    views: Few
    laterality: Side
    weighting: Weighting
    has_contrast: bool | None
    image_type: Few
    thickness: Annotated[list[float], Field(min_length=2, max_length=2)] | None
    place: Annotated[int, Field(ge=0, le=99)]


class HungWindow(Said):
    """A window."""

    center: Annotated[float, Field(allow_inf_nan=False)]
    width: Annotated[float, Field(ge=1, allow_inf_nan=False)]


Mm = Annotated[float, Field(ge=0, le=CUT_MAX_MM)]


class HangingCut(Said):
    """Planes cut from the stack; 0 mm is a voxel."""

    kind: Literal["plane"]
    plane: CutPlane
    thickness: Mm
    interval: Mm
    mode: SlabMode


class HangingRendering(Said):
    """The stack as a volume; an empty preset is that of its modality."""

    kind: Literal["volume"]
    preset: Preset


class HangingViewport(Said):
    """What hangs in one viewport, and how."""

    selector: HangingSelector | None
    window: HungWindow | None
    is_inverted: bool
    reformat: Annotated[HangingCut | HangingRendering, Field(discriminator="kind")] | None


class HangingLinks(Said):
    """What viewports take from the one in use."""

    place: bool
    window: bool
    view: bool


class HangingRule(Said):
    """A hanging protocol; as many viewports as its layout (rows x columns) has."""

    name: Annotated[str, Field(min_length=1, max_length=64)]
    layout: Annotated[str, Field(max_length=8)]
    viewports: Annotated[list[HangingViewport], Field(min_length=1, max_length=16)]
    when: HangingConditions
    at_least: Annotated[int, Field(ge=1, le=16)]
    sizing: Sizing
    links: HangingLinks
    has_fusion: bool


class HangingNote(Answer):
    """Something that the DICOM object says and a rule cannot."""

    kind: NoteKind
    about: str


class HangingProtocol(Answer):
    """A protocol of the caller, of the site, or of nobody here: then it has no id."""

    id: int | None
    sop_instance_uid: str
    owner: Literal["person", "site", "archive"]
    is_on: bool
    name: str
    creator: str
    created_at: str = Field(description="When the instance was written, as DICOM says it (VR DT).")
    rule: HangingRule | None
    notes: list[HangingNote]
    problem: str = Field(description="Why there is no rule.")


class NewHangingProtocol(Request):
    """A rule to keep, or a protocol of the archive to take into a list."""

    owner: Literal["person", "site"]
    rule: HangingRule | None = None
    sop_instance_uid: Annotated[str, Field(max_length=64)] | None = None
    is_on: bool = True
    position: Annotated[int, Field(ge=0, le=1000)] = Field(0, description="Place in the list, from 0.")

    @model_validator(mode="after")
    def _is_one(self) -> Self:
        if (self.rule is None) == (self.sop_instance_uid is None):
            raise ValueError("either a rule or a SOP Instance UID")
        return self


class HangingProtocolChange(Request):
    """What is to be other; what is not given stays."""

    rule: HangingRule | None = None
    name: Annotated[str, Field(min_length=1, max_length=64)] | None = None
    is_on: bool | None = None
    position: Annotated[int, Field(ge=0, le=1000)] | None = Field(None, description="Place in the list, from 0.")
