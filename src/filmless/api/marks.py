"""What readers measure and draw on a study: a draft while it is worked on, then a structured report of the study."""

from __future__ import annotations

from typing import Annotated

from fastapi import APIRouter, Path, Query

from filmless.api.callers import Here, Storer, Viewer
from filmless.api.errors import responses
from filmless.api.models import marks as models
from filmless.api.models.objects import WrittenObject
from filmless.errors import Conflict
from filmless.reading import drafts
from filmless.reading.measurement_documents import read_documents
from filmless.reading.measurements import save_draft
from filmless.reading.sources import person_name

router = APIRouter(tags=["marks"])

StudyUid = Annotated[str, Path(alias="studyInstanceUid", min_length=1, max_length=64)]


@router.get("/studies/{studyInstanceUid}/draft", responses=responses(404))
def get_draft(archive: Here, principal: Viewer, study_instance_uid: StudyUid) -> models.Draft:
    """Give the caller's marks on a study that are no report yet."""
    return models.Draft.model_validate(drafts.read_draft(archive, principal, study_instance_uid))


@router.post("/studies/{studyInstanceUid}/draft", responses=responses(404, 409))
def change_draft(
    archive: Here, principal: Viewer, study_instance_uid: StudyUid, body: models.DraftChange
) -> models.DraftOutcome:
    """Keep what a window has changed; tell what other windows of the caller have changed since."""
    change = drafts.Change(
        body.revision,
        {mark.uid: mark.model_dump(mode="json", by_alias=True) for mark in body.changed},
        body.removed,
        body.document_uid,
    )
    return models.DraftOutcome.model_validate(drafts.change_draft(archive, principal, study_instance_uid, change))


@router.delete("/studies/{studyInstanceUid}/draft", status_code=204, responses=responses(409))
def discard_draft(
    archive: Here,
    principal: Viewer,
    study_instance_uid: StudyUid,
    revision: Annotated[int | None, Query(ge=1, le=2**53, description="Only when it is this one.")] = None,
) -> None:
    """Forget the caller's marks on a study that are no report."""
    if not drafts.discard_draft(archive, principal, study_instance_uid, revision=revision):
        raise Conflict("marks were changed in another window meanwhile; look at them before they are discarded")


@router.get("/studies/{studyInstanceUid}/measurements")
def get_measurements(archive: Here, principal: Viewer, study_instance_uid: StudyUid) -> models.MeasurementDocuments:
    """Give the marks in the structured reports of a study, ours and those of other makers."""
    documents = read_documents(archive, principal, study_instance_uid)
    return models.MeasurementDocuments.model_validate({"documents": documents})


@router.post("/studies/{studyInstanceUid}/measurements", status_code=201, responses=responses(404, 409))
def write_measurements(
    archive: Here, principal: Storer, study_instance_uid: StudyUid, body: models.NewMeasurements
) -> WrittenObject:
    """Make the caller's draft a structured report of the study (TID 1500)."""
    written = save_draft(
        archive,
        principal,
        study_instance_uid,
        revision=body.revision,
        language=body.language,
        author=person_name(principal.name),
    )
    return WrittenObject.model_validate(written)
