"""Which images of a study were displayed to the caller."""

from __future__ import annotations

from typing import Annotated

from fastapi import APIRouter, Path

from filmless.api.callers import Here, Viewer
from filmless.api.errors import responses
from filmless.api.models import displayed as models
from filmless.reading import displayed

router = APIRouter(tags=["displayed"])

StudyUid = Annotated[str, Path(alias="studyInstanceUid", min_length=1, max_length=64)]


@router.get("/studies/{studyInstanceUid}/displayed", responses=responses(404))
def get_displayed(archive: Here, principal: Viewer, study_instance_uid: StudyUid) -> models.StudyDisplayed:
    """Say which images of a study were displayed to the caller. An image is a frame."""
    return models.StudyDisplayed.model_validate(displayed.read_displayed(archive, principal, study_instance_uid))


@router.post("/studies/{studyInstanceUid}/displayed", responses=responses(404))
def add_displayed(
    archive: Here, principal: Viewer, study_instance_uid: StudyUid, body: models.NewlyDisplayed
) -> models.DisplayedCount:
    """Note what was displayed to the caller, beside what was before; what is not of the study is no matter."""
    shown: dict[str, list[tuple[int, int]]] = {}
    for each in body.instances:
        shown.setdefault(each.sop_instance_uid, []).extend((first, last) for first, last in each.frames)
    return models.DisplayedCount.model_validate(displayed.add_displayed(archive, principal, study_instance_uid, shown))
