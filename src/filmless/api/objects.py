"""What a reader makes of a study, like key images or segmentations: DICOM objects, stored like any instance."""

from __future__ import annotations

from typing import Annotated

from fastapi import APIRouter, File, Form, Path, UploadFile
from pydantic import Json

from filmless.api.callers import Here, Storer
from filmless.api.errors import responses
from filmless.api.models import objects as models
from filmless.dicom.windowing import Window
from filmless.reading import presentation_states as states
from filmless.reading import segmentations
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


@router.post("/studies/{studyInstanceUid}/presentation-states", status_code=201, responses=responses(404))
def write_presentation_state(
    archive: Here, principal: Storer, study_instance_uid: StudyUid, body: models.NewPresentationState
) -> models.WrittenObject:
    """Keep how images are shown, and what is drawn on them, as a Softcopy Presentation State of the study."""
    wanted = states.NewState(
        label=body.label,
        description=body.description.strip(),
        images=[KeyImage(each.sop_instance_uid, tuple(each.frame_numbers)) for each in body.images],
        window=Window(body.window.center, body.window.width, body.window.function) if body.window else None,
        table=states.Table(body.voi_table.first, body.voi_table.bits, body.voi_table.entries)
        if body.voi_table
        else None,
        is_inverse=body.is_inverse,
        rotation=body.rotation,
        is_flipped=body.is_flipped,
        area=_rectangle(body.area),
        shutter=_rectangle(body.shutter),
        graphics=[
            states.Graphic(each.kind, [(x, y) for x, y in each.points], each.is_filled, each.units)
            for each in body.graphics
        ],
        texts=[states.Words(each.text, (each.anchor[0], each.anchor[1]), each.units) for each in body.texts],
    )
    author = person_name(principal.name)
    written = states.write_presentation_state(archive, principal, study_instance_uid, wanted, author=author)
    return models.WrittenObject.model_validate(written)


@router.post("/studies/{studyInstanceUid}/segmentations", status_code=201, responses=responses(404))
def write_segmentation(
    archive: Here,
    principal: Storer,
    study_instance_uid: StudyUid,
    description: Annotated[Json[models.NewSegmentation], Form(description="A NewSegmentation as JSON.")],
    masks: Annotated[
        UploadFile,
        File(description="gzip of one byte a pixel, frame after frame: 0, or the number of a segment."),
    ],
) -> models.WrittenObject:
    """Keep which pixels of images belong to which structure, as a Segmentation of the study."""
    wanted = segmentations.NewSegmentation(
        label=description.label.strip(),
        frames=[segmentations.MaskedFrame(each.sop_instance_uid, each.frame_number) for each in description.frames],
        segments=[
            segmentations.Segment(
                each.number,
                each.label.strip(),
                each.type_code,
                (each.colour[0], each.colour[1], each.colour[2]),
                each.is_by_hand,
            )
            for each in description.segments
        ],
        form=description.form,
    )
    author = person_name(principal.name)
    written = segmentations.write_segmentation(
        archive, principal, study_instance_uid, wanted, masks.file, author=author
    )
    return models.WrittenObject.model_validate(written)


def _rectangle(area: models.StateArea | None) -> states.Rectangle | None:
    return None if area is None else states.Rectangle(area.left, area.top, area.right, area.bottom)
