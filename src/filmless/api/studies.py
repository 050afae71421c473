"""Finding studies and taking them out: list, one study, its ZIP, its tags, and sending it to a peer."""

from __future__ import annotations

import hashlib
import json
import time
from dataclasses import asdict
from typing import Annotated, Any, Literal

from fastapi import APIRouter, Path, Query
from fastapi.responses import StreamingResponse

from filmless.access import audit, peers
from filmless.access.principal import Principal
from filmless.api.callers import Here, Retriever, Searcher, Sender, Viewer
from filmless.api.errors import responses
from filmless.api.models import reading as models
from filmless.api.models import viewing
from filmless.archive import Archive
from filmless.errors import NotFound, Refused

router = APIRouter(tags=["studies"])

StudyUid = Annotated[str, Path(alias="studyInstanceUid", min_length=1, max_length=64)]
SeriesUid = Annotated[str, Path(alias="seriesInstanceUid", min_length=1, max_length=64)]
SopUid = Annotated[str, Path(alias="sopInstanceUid", min_length=1, max_length=64)]
Text = Annotated[str | None, Query(max_length=256)]
SortKey = Literal[
    "studyDate",
    "-studyDate",
    "patientName",
    "-patientName",
    "patientId",
    "-patientId",
    "accessionNumber",
    "-accessionNumber",
    "studyDescription",
    "-studyDescription",
    "patientBirthDate",
    "-patientBirthDate",
    "numberOfInstances",
    "-numberOfInstances",
    "sizeBytes",
    "-sizeBytes",
    "createdAt",
    "-createdAt",
    "updatedAt",
    "-updatedAt",
]


@router.get("/studies")
def list_studies(
    archive: Here,
    principal: Searcher,
    q: Annotated[
        str | None, Query(max_length=256, description="Words, each in any of name, id, accession, description.")
    ] = None,
    patient_name: Annotated[Text, Query(alias="patientName")] = None,
    patient_id: Annotated[Text, Query(alias="patientId")] = None,
    accession_number: Annotated[Text, Query(alias="accessionNumber")] = None,
    study_date: Annotated[
        str | None,
        Query(
            alias="studyDate", pattern=r"^(\d{8}|\d{8}-(\d{8})?|-\d{8})$", description="YYYYMMDD or a range of them."
        ),
    ] = None,
    modality: Annotated[list[str] | None, Query(max_length=20, description="Any of these.")] = None,
    description: Text = None,
    sort: SortKey = "-studyDate",
    limit: Annotated[int, Query(ge=1, le=1000)] = 100,
    cursor: Annotated[str | None, Query(max_length=1024)] = None,
) -> models.StudyPage:
    """Search studies. Pages are stable: what arrives meanwhile neither repeats nor hides a row."""
    from filmless.query.listing import StudyFilter
    from filmless.query.listing import list_studies as find

    wanted = StudyFilter(
        q=q,
        patient_name=patient_name,
        patient_id=patient_id,
        accession_number=accession_number,
        study_date=study_date,
        modalities=tuple(modality or ()),
        description=description,
        sort=sort,
    )
    rows, next_cursor, total = find(archive, principal, wanted, min(limit, archive.settings.query_page_max), cursor)
    asked = {name: value for name, value in asdict(wanted).items() if value and name != "sort"}
    _record_search(archive, principal, asked)
    return models.StudyPage(
        items=[models.StudyRow.model_validate(row) for row in rows], next_cursor=next_cursor, total=total
    )


@router.get("/studies/{studyInstanceUid}", responses=responses(404))
def get_study(archive: Here, principal: Viewer, study_instance_uid: StudyUid) -> models.Study:
    """Read a study with its series."""
    from filmless.query.listing import get_study as find
    from filmless.retrieve.opening import open_study

    study = find(archive, principal, study_instance_uid)
    open_study(archive, principal, study_instance_uid)
    return models.Study.model_validate(study)


@router.get("/studies/{studyInstanceUid}/priors", responses=responses(404))
def list_priors(archive: Here, principal: Viewer, study_instance_uid: StudyUid) -> list[viewing.Prior]:
    """List the other studies of the patient, those that a reader wants beside this one first, each with the reasons."""
    from filmless.query.priors import find_priors

    found = find_priors(archive, principal, study_instance_uid)
    _record_search(archive, principal, {"priors_of": study_instance_uid})
    return [viewing.Prior.model_validate(prior) for prior in found]


@router.get(
    "/studies/{studyInstanceUid}/zip",
    response_class=StreamingResponse,
    responses={
        200: {"content": {"application/zip": {"schema": {"type": "string", "format": "binary"}}}},
        **responses(404),
    },
)
def download_study(archive: Here, principal: Retriever, study_instance_uid: StudyUid) -> StreamingResponse:
    """Download a study as a ZIP of its instances, as stored."""
    from filmless.retrieve.zipping import zip_study

    name, chunks = zip_study(archive, principal, study_instance_uid)
    with archive.transaction() as session:
        audit.record(session, principal, "download", study_instance_uid=study_instance_uid)
    headers = {"Content-Disposition": f'attachment; filename="{name}"', "Cache-Control": "no-store"}
    return StreamingResponse(chunks, media_type="application/zip", headers=headers)


@router.post("/studies/{studyInstanceUid}/send", status_code=202, responses=responses(404))
def send_study(
    archive: Here, principal: Sender, study_instance_uid: StudyUid, body: models.SendRequest
) -> models.JobStarted:
    """Send a study to a peer, in the background."""
    from filmless.archive import jobs
    from filmless.query.listing import get_study as find

    find(archive, principal, study_instance_uid)
    peer = peers.get_peer(archive, body.peer_id)
    if not peer.can_be_called:
        raise Refused(f"{peer.ae_title} has no single address and port, so nothing can be sent to it")
    with archive.transaction() as session:
        arguments = {"study_instance_uid": study_instance_uid, "peer_id": peer.id, "requested_by": principal.name}
        job_id = jobs.enqueue(session, "send_study", arguments, queue="send", destination=peer.ae_title)
        audit.record(
            session,
            principal,
            "send",
            study_instance_uid=study_instance_uid,
            object=peer.ae_title,
            detail={"job": job_id},
        )
    return models.JobStarted(job_id=job_id)


@router.get(
    "/studies/{studyInstanceUid}/series/{seriesInstanceUid}/instances/{sopInstanceUid}/tags", responses=responses(404)
)
def list_tags(
    archive: Here,
    principal: Viewer,
    study_instance_uid: StudyUid,
    series_instance_uid: SeriesUid,
    sop_instance_uid: SopUid,
) -> list[models.Tag]:
    """List the elements of an instance for the tag browser."""
    from filmless.api.tags import list_tags as list_elements
    from filmless.retrieve.instances import find_instances
    from filmless.retrieve.opening import open_study

    found = find_instances(
        archive,
        principal,
        study_uids=(study_instance_uid,),
        series_uids=(series_instance_uid,),
        sop_uids=(sop_instance_uid,),
    )
    instance = next(iter(found), None)
    if instance is None:
        raise NotFound(f"there is no instance {sop_instance_uid} in this series")
    open_study(archive, principal, study_instance_uid)
    return list_elements(archive, instance.blob)


def _record_search(archive: Archive, principal: Principal, asked: dict[str, Any]) -> None:
    """A screen that refreshes its list asks the same over and over: one row per question and hour, counted."""
    digest = hashlib.sha256(json.dumps(asked, sort_keys=True).encode()).hexdigest()[:32]
    caller = f"{principal.door}:{principal.kind}:{principal.id}:{principal.address}"
    request = f"{caller}:{int(time.time() // 3600)}:{digest}"
    with archive.transaction() as session:
        audit.record_repeated(session, principal, "search", request=request, outcome="success", detail=asked or None)
