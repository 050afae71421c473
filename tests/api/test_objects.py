"""What readers make over the API: who may, and what is answered."""

from __future__ import annotations

import gzip
import io
import json

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


def test_segmentations_are_kept_by_who_may_store_and_their_masks_are_bounded(
    radiologist: TestClient, clinician: TestClient, archive: Archive
) -> None:
    image = make.ct_slice(8)
    receive(archive, SYSTEM("cli"), io.BytesIO(make.part10(image)))
    address = f"/studies/{image.StudyInstanceUID}/segmentations"
    segment = {"number": 1, "label": "Liver", "typeCode": "10200004", "colour": [255, 0, 0]}
    description = {"label": "Liver", "frames": [{"sopInstanceUid": image.SOPInstanceUID}], "segments": [segment]}
    body = {"description": json.dumps(description)}
    masks = {"masks": ("masks.gz", gzip.compress(bytes(32) + b"\x01" * 32))}
    made = radiologist.post(address, data=body, files=masks)
    assert made.status_code == 201
    assert made.json()["sopClassUid"] == "1.2.840.10008.5.1.4.1.1.66.4"
    assert radiologist.get(f"/studies/{image.StudyInstanceUID}").json()["numberOfInstances"] == 2
    assert clinician.post(address, data=body, files=masks).status_code == 403
    assert radiologist.post("/studies/1.2/segmentations", data=body, files=masks).status_code == 404
    assert radiologist.post(address, data={"description": "{}"}, files=masks).status_code == 422
    longest = archive.settings.segmentation_body_max_bytes
    assert longest > archive.settings.api_body_max_bytes
    assert radiologist.post(address, data=body, files={"masks": ("masks.gz", bytes(2 << 20))}).status_code == 400
    assert radiologist.post(address, data=body, files={"masks": ("masks.gz", bytes(longest))}).status_code == 413
