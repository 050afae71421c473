"""Hanging: what the screen needs to choose where the series of a study go, and the protocols that say it."""

from __future__ import annotations

import json
from typing import Annotated

from fastapi import APIRouter, Path
from pydantic import TypeAdapter

from filmless.access import audit
from filmless.api.callers import Here, Searcher, Storer, Viewer
from filmless.api.errors import responses
from filmless.api.models import hanging as models
from filmless.api.models.base import Id
from filmless.api.models.reading import StudyRow
from filmless.reading import hanging_protocols
from filmless.reading.hanging_rules import Rule

router = APIRouter(tags=["hanging"])

ProtocolId = Annotated[Id, Path(alias="id")]
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


@router.get("/hanging-protocols")
def list_hanging_protocols(archive: Here, principal: Viewer) -> list[models.HangingProtocol]:
    """List the caller's hanging protocols, the site's, then those that lie in the archive and are neither's."""
    found = hanging_protocols.list_protocols(archive, principal)
    return [models.HangingProtocol.model_validate(each) for each in found]


@router.post("/hanging-protocols", status_code=201, responses=responses(404))
def keep_hanging_protocol(archive: Here, principal: Storer, body: models.NewHangingProtocol) -> models.HangingProtocol:
    """Keep a rule as a DICOM Hanging Protocol, or take one of the archive into a list. The site's need `administer`."""
    place = hanging_protocols.Place(body.owner, body.position, body.is_on)
    if body.rule is not None:
        kept = hanging_protocols.keep_protocol(archive, principal, _rule(body.rule), place)
    else:
        kept = hanging_protocols.adopt_protocol(archive, principal, body.sop_instance_uid or "", place)
    return models.HangingProtocol.model_validate(kept)


@router.post("/hanging-protocols/alike")
def list_studies_alike(archive: Here, principal: Searcher, body: models.HangingConditions) -> list[StudyRow]:
    """List the newest studies that a protocol with these conditions would be for."""
    from filmless.query.subjects import Wanted, find_alike

    wanted = Wanted(
        modalities=frozenset(body.modalities),
        regions=frozenset(body.regions),
        procedures=frozenset((code.value, code.scheme) for code in body.procedures),
        side=body.laterality,
    )
    found = find_alike(archive, principal, wanted, archive.settings.hanging_trial_max)
    with archive.transaction() as session:
        audit.record(session, principal, "search", detail=json.loads(body.model_dump_json()))
    return [StudyRow.model_validate(row) for row in found]


@router.patch("/hanging-protocols/{id}", responses=responses(404))
def change_hanging_protocol(
    archive: Here, principal: Storer, protocol_id: ProtocolId, body: models.HangingProtocolChange
) -> models.HangingProtocol:
    """Give a protocol another rule or name, turn it on or off, or put it at another place of its list."""
    changed = hanging_protocols.change_protocol(
        archive,
        principal,
        protocol_id,
        rule=None if body.rule is None else _rule(body.rule),
        name=body.name,
        is_on=body.is_on,
        position=body.position,
    )
    return models.HangingProtocol.model_validate(changed)


@router.get("/hanging-protocols/{id}/history", responses=responses(404))
def list_former_protocols(archive: Here, principal: Storer, protocol_id: ProtocolId) -> list[models.HangingProtocol]:
    """List what a protocol was before it was changed, the newest first."""
    found = hanging_protocols.list_former(archive, principal, protocol_id)
    return [models.HangingProtocol.model_validate(each) for each in found]


@router.delete("/hanging-protocols/{id}", status_code=204, responses=responses(404))
def remove_hanging_protocol(archive: Here, principal: Storer, protocol_id: ProtocolId) -> None:
    """Take a protocol out of its list; its DICOM object goes later, and can be taken into the list again until then."""
    hanging_protocols.remove_protocol(archive, principal, protocol_id)


def _rule(said: models.HangingRule) -> Rule:
    return TypeAdapter(Rule).validate_python(said.model_dump())
