"""What a reader makes of a study: key images. Each is a DICOM object, stored like any instance."""

from __future__ import annotations

from typing import Annotated

from fastapi import APIRouter, Path

from filmless.api.callers import Here, Storer
from filmless.api.errors import responses
from filmless.api.models import objects as models
from filmless.reading.key_objects import KeyImage, write_key_objects
from filmless.reading.sources import person_name

router = APIRouter(tags=["objects"])

StudyUid = Annotated[str, Path(alias="studyInstanceUid", min_length=1, max_length=64)]


@router.post("/studies/{studyInstanceUid}/key-objects", status_code=201, responses=responses(404))
def write_key_images(
    archive: Here, principal: Storer, study_instance_uid: StudyUid, body: models.NewKeyObjects
) -> models.WrittenObject:
    """Keep key images as a Key Object Selection document of the study."""
    written = write_key_objects(
        archive,
        principal,
        study_instance_uid,
        [KeyImage(each.sop_instance_uid, tuple(each.frame_numbers)) for each in body.images],
        title=body.title,
        description=body.description.strip() or None,
        author=person_name(principal.name),
    )
    return models.WrittenObject.model_validate(written)
