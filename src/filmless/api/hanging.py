"""Hanging: what the screen needs to choose where the series of a study go."""

from __future__ import annotations

from typing import Annotated

from fastapi import APIRouter, Path

from filmless.api.callers import Here, Viewer
from filmless.api.errors import responses
from filmless.api.models import hanging as models

router = APIRouter(tags=["hanging"])

StudyUid = Annotated[str, Path(alias="studyInstanceUid", min_length=1, max_length=64)]


@router.get("/studies/{studyInstanceUid}/hanging", responses=responses(404))
def get_hanging_subject(archive: Here, principal: Viewer, study_instance_uid: StudyUid) -> models.HangingSubject:
    """Say what a study is about, with a few instances of each series: enough to choose what hangs where."""
    from filmless.query.subjects import find_subject
    from filmless.retrieve.opening import open_study
    from filmless.retrieve.samples import sample_study

    subject = find_subject(archive, principal, study_instance_uid)
    open_study(archive, principal, study_instance_uid)
    return models.HangingSubject(
        study_instance_uid=study_instance_uid,
        modalities=sorted(subject.modalities),
        regions=sorted(subject.regions),
        sides=sorted(subject.sides),
        procedures=[models.HangingCode.model_validate(code) for code in subject.codes],
        series=[
            models.SampledSeries.model_validate(each) for each in sample_study(archive, principal, study_instance_uid)
        ],
    )
