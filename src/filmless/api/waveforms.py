"""Waveforms in the viewer: what a waveform object says, and its samples as bytes."""

from __future__ import annotations

from typing import Annotated

from fastapi import APIRouter, Path, Query
from fastapi.responses import Response

from filmless.api.callers import Here, Viewer
from filmless.api.errors import responses
from filmless.api.models import waveforms as models
from filmless.retrieve import waveforms

router = APIRouter(tags=["waveforms"])

StudyUid = Annotated[str, Path(alias="studyInstanceUid", min_length=1, max_length=64)]
SeriesUid = Annotated[str, Path(alias="seriesInstanceUid", min_length=1, max_length=64)]
SopUid = Annotated[str, Path(alias="sopInstanceUid", min_length=1, max_length=64)]

_INSTANCE = "/studies/{studyInstanceUid}/series/{seriesInstanceUid}/instances/{sopInstanceUid}"
_BYTES = {"content": {"application/octet-stream": {"schema": {"type": "string", "format": "binary"}}}}


@router.get(f"{_INSTANCE}/waveform", responses=responses(404))
def get_waveform(
    archive: Here,
    principal: Viewer,
    study_instance_uid: StudyUid,
    series_instance_uid: SeriesUid,
    sop_instance_uid: SopUid,
) -> models.Waveform:
    """Say what the channels of a waveform object are, and what was measured on them."""
    found = waveforms.get_waveform(archive, principal, study_instance_uid, series_instance_uid, sop_instance_uid)
    return models.Waveform(
        groups=[models.WaveformGroup.model_validate(each) for each in found.groups],
        annotations=[models.WaveformAnnotation.model_validate(each) for each in found.annotations],
        is_cut=found.is_cut,
        samples_max=archive.settings.waveform_samples_max,
    )


@router.get(
    f"{_INSTANCE}/waveform/{{groupNumber}}/samples",
    response_class=Response,
    responses={200: _BYTES, **responses(404)},
)
def get_waveform_samples(
    archive: Here,
    principal: Viewer,
    study_instance_uid: StudyUid,
    series_instance_uid: SeriesUid,
    sop_instance_uid: SopUid,
    group_number: Annotated[int, Path(alias="groupNumber", ge=1, le=2**31 - 1)],
    first: Annotated[int, Query(ge=0, le=2**53, description="Index of the first sample, from 0.")] = 0,
    count: Annotated[int, Query(ge=1, le=2**31 - 1, description="Samples of each channel.")] = 10_000,
) -> Response:
    """Give samples of a multiplex group in their units: 32-bit floats, little endian, channel after channel."""
    uids = study_instance_uid, series_instance_uid, sop_instance_uid
    samples = waveforms.get_samples(archive, principal, uids, group_number, first, count)
    return Response(samples.astype("<f4").tobytes(), media_type="application/octet-stream")
