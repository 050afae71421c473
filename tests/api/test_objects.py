"""What readers make over the API: who may, and what is answered."""

from __future__ import annotations

import io

from starlette.testclient import TestClient

import make
from filmless.access.principal import SYSTEM
from filmless.archive import Archive
from filmless.store.receive import receive


def test_key_images_are_kept_by_who_may_store_and_by_nobody_else(
    radiologist: TestClient, clinician: TestClient, archive: Archive
) -> None:
    image = make.ct_slice()
    receive(archive, SYSTEM("cli"), io.BytesIO(make.part10(image)))
    address = f"/studies/{image.StudyInstanceUID}/key-objects"
    body = {"images": [{"sopInstanceUid": image.SOPInstanceUID}], "title": "113002"}
    made = radiologist.post(address, json=body)
    assert made.status_code == 201
    assert made.json()["studyInstanceUid"] == image.StudyInstanceUID
    assert radiologist.get(f"/studies/{image.StudyInstanceUID}").json()["numberOfInstances"] == 2
    assert clinician.post(address, json=body).status_code == 403
    assert radiologist.post(address, json={**body, "title": "1"}).status_code == 400
    assert radiologist.post("/studies/1.2/key-objects", json=body).status_code == 404
