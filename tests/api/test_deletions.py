"""Deleting from the screen, seeing what was deleted, putting it back."""

from __future__ import annotations

import io

from starlette.testclient import TestClient

import make
from filmless.access.principal import SYSTEM
from filmless.app.worker import make_worker
from filmless.archive import Archive
from filmless.store.receive import receive


def store(archive: Archive) -> str:
    ds = make.ct_slice(PatientName="Doe^Jane")
    receive(archive, SYSTEM("cli"), io.BytesIO(make.part10(ds)))
    return str(ds.StudyInstanceUID)


def test_a_deleted_study_is_listed_with_its_patient_and_reason_and_comes_back(
    administrator: TestClient, archive: Archive
) -> None:
    uid = store(archive)
    made = administrator.post("/deletions", json={"studyInstanceUid": uid, "reason": "sent twice"})
    assert made.status_code == 201
    assert administrator.get(f"/studies/{uid}").status_code == 404
    (listed,) = administrator.get("/deletions").json()["items"]
    assert listed == made.json()
    assert (listed["level"], listed["reason"], listed["actor"]) == ("study", "sent twice", "Ada")
    assert (listed["patientName"], listed["numberOfInstances"]) == ("Doe^Jane", 1)
    assert administrator.post(f"/deletions/{listed['id']}/restore").status_code == 202
    make_worker(archive).run_due()
    assert administrator.get(f"/studies/{uid}").status_code == 200
    assert administrator.post(f"/deletions/{listed['id']}/restore").status_code == 409


def test_only_who_may_delete_sees_deletions(radiologist: TestClient, archive: Archive) -> None:
    uid = store(archive)
    assert radiologist.post("/deletions", json={"studyInstanceUid": uid, "reason": "tidying"}).status_code == 403
    assert radiologist.get("/deletions").status_code == 403
    assert radiologist.post("/deletions/1/restore").status_code == 403


def test_a_deletion_without_a_reason_or_of_nothing_is_refused(administrator: TestClient, archive: Archive) -> None:
    uid = store(archive)
    assert administrator.post("/deletions", json={"studyInstanceUid": uid}).status_code == 422
    assert administrator.post("/deletions", json={"studyInstanceUid": uid, "reason": "  "}).status_code == 400
    assert administrator.post("/deletions", json={"studyInstanceUid": "1.2", "reason": "gone"}).status_code == 404
    body = {"studyInstanceUid": uid, "sopInstanceUid": "1.2", "reason": "no series"}
    assert administrator.post("/deletions", json=body).status_code == 422
    assert administrator.post("/deletions/99/restore").status_code == 404
    assert administrator.get(f"/studies/{uid}").status_code == 200
