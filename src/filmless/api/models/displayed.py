"""Bodies of which images were displayed to a reader. An image is a frame."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated

from pydantic import Field, model_validator

from filmless.api.models.base import Answer, Request

Frame = Annotated[int, Field(ge=1, le=2**31 - 1)]
FrameRange = Annotated[list[Frame], Field(min_length=2, max_length=2, description="First and last, from 1.")]


class DisplayedInstance(Request):
    """Frames of an instance that were displayed."""

    sop_instance_uid: Annotated[str, Field(min_length=1, max_length=64)]
    frames: Annotated[list[FrameRange], Field(min_length=1, max_length=10_000)] = Field(
        default_factory=lambda: [[1, 1]]
    )

    @model_validator(mode="after")
    def _rises(self) -> DisplayedInstance:
        if any(first > last for first, last in self.frames):
            raise ValueError("a range of frames ends before it begins")
        return self


class NewlyDisplayed(Request):
    """What one window has displayed since it last told."""

    instances: Annotated[list[DisplayedInstance], Field(max_length=10_000)]


class SeriesCount(Answer):
    """How many images a series has, and how many of them were displayed."""

    series_instance_uid: str
    images: int
    displayed: int


class DisplayedCount(Answer):
    """How many images there are, and how many of them were displayed to the caller."""

    images: int
    displayed: int
    completed_at: Annotated[datetime | None, Field(description="When all that there were had been displayed.")]
    series: list[SeriesCount]


class PartlyDisplayed(Answer):
    """An instance of which some frames were displayed."""

    sop_instance_uid: str
    frames: Annotated[list[list[int]], Field(description="First and last of each range, from 1.")]


class SeriesDisplayed(SeriesCount):
    """And which."""

    whole: Annotated[list[str], Field(description="Instances of which every frame was displayed.")]
    partly: list[PartlyDisplayed]


class StudyDisplayed(DisplayedCount):
    """Which images of a study were displayed to the caller."""

    series: list[SeriesDisplayed]  # type: ignore[assignment] # says more of each
