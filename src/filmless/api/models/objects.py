"""Bodies of the objects that readers make of a study."""

from __future__ import annotations

from typing import Annotated

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
