"""The Non-Patient Instance Service (PS3.18 chapter 12): hanging protocols and their kin over the web."""

from __future__ import annotations

import io
import json
from typing import Any

import pytest
from pydicom import Dataset, dcmread
from sqlalchemy import func, select
from starlette.testclient import TestClient

import make
from answers import Mounted, data_set_of, multipart_body, parts_of
from callers import principal_of
from filmless.access import audit
from filmless.archive import Archive
from filmless.archive.tables import instances, non_patient_instances

HANGING, PALETTE, TEMPLATE = (f"1.2.840.10008.5.1.4.{arc}.1" for arc in (38, 39, 43))
PLACE = "/dicomweb/hanging-protocols"


def protocol(sop_class_uid: str = HANGING, **changes: Any) -> Dataset:
    """A hanging protocol with all that its class requires (PS3.3 A.44)."""
    ds = Dataset()
    ds.SpecificCharacterSet = "ISO_IR 192"
    ds.SOPClassUID, ds.SOPInstanceUID = sop_class_uid, make.uid()
    ds.HangingProtocolName, ds.HangingProtocolLevel = "Mammo", "SITE"
    ds.HangingProtocolDescription = "Vorherige links"
    ds.HangingProtocolCreator, ds.HangingProtocolCreationDateTime = "Müller^Änne", "20260301080000"
    item = Dataset()
    item.Modality, item.Laterality = "MG", "L"
    ds.HangingProtocolDefinitionSequence = [item]
    ds.NumberOfPriorsReferenced = 1
    ds.ImageSetsSequence = [Dataset()]
    ds.ImageSetsSequence[0].ImageSetLabel = "Current"
    ds.NumberOfScreens = 0
    ds.NominalScreenDefinitionSequence = []
    ds.DisplaySetsSequence = [Dataset()]
    ds.DisplaySetsSequence[0].DisplaySetNumber = 1
    for keyword, value in changes.items():
        setattr(ds, keyword, value)
    return ds


def post(client: TestClient, *sent: Dataset, place: str = PLACE) -> Any:
    body, kind = multipart_body([make.part10(ds) for ds in sent])
    return client.post(place, content=body, headers={"Content-Type": kind})


def test_what_is_stored_is_found_and_given_back_to_the_byte(client: TestClient, archive: Archive) -> None:
    kept = protocol()
    answer = post(client, kept)
    url = f"http://pacs.test{PLACE}/{kept.SOPInstanceUID}"
    assert answer.status_code == 200
    assert answer.json()["00081199"]["Value"][0]["00081190"]["Value"] == [url]
    (found,) = client.get(PLACE, params={"HangingProtocolName": "Mam*"}).json()
    assert found["00081190"]["Value"] == [url]
    assert found["00720008"]["Value"] == ["Müller^Änne"]
    as_file = client.get(url, headers={"Accept": "application/dicom"})
    assert as_file.headers["content-type"] == "application/dicom; transfer-syntax=1.2.840.10008.1.2.1"
    assert data_set_of(as_file.content) == data_set_of(make.part10(kept))
    with archive.reading() as session:
        assert session.execute(select(func.count()).select_from(instances)).scalar_one() == 0
    rows, _ = audit.read(archive)
    assert {row.action for row in rows if row.object == kept.SOPInstanceUID} == {"store", "retrieve"}


def test_it_comes_as_json_xml_or_in_a_multipart(client: TestClient) -> None:
    kept = protocol()
    post(client, kept)
    url = f"{PLACE}/{kept.SOPInstanceUID}"
    answer = client.get(url)
    assert answer.headers["content-type"] == "application/dicom+json"
    assert Dataset.from_json(answer.json()[0]) == kept
    assert client.get(url, headers={"If-None-Match": answer.headers["etag"]}).status_code == 304
    xml = 'multipart/related; type="application/dicom+xml"'
    ((_, document),) = parts_of(client.get(url, headers={"Accept": xml}))
    assert b"Vorherige links" in document
    files = 'multipart/related; type="application/dicom"; transfer-syntax=1.2.840.10008.1.2'
    ((head, body),) = parts_of(client.get(url, headers={"Accept": files}))
    assert head["content-location"] == f"http://pacs.test{url}"
    assert dcmread(io.BytesIO(body)).file_meta.TransferSyntaxUID == "1.2.840.10008.1.2"
    assert client.get(url, headers={"Accept": "image/png"}).status_code == 406
    jpeg = {"Accept": "application/dicom; transfer-syntax=1.2.840.10008.1.2.4.50"}
    assert client.get(url, headers=jpeg).status_code == 406


def test_a_long_one_is_given_as_a_file_only(client: TestClient, archive: Archive) -> None:
    archive.settings = archive.settings.model_copy(update={"non_patient_model_max_bytes": 1 << 10})
    kept = protocol(HangingProtocolDefinitionSequence=[Dataset() for _ in range(500)])
    post(client, kept)
    url = f"{PLACE}/{kept.SOPInstanceUID}"
    assert client.get(url).status_code == 406
    assert client.get(url, headers={"Accept": "application/dicom"}).status_code == 200


def test_a_page_writes_one_as_json(client: TestClient) -> None:
    kept = protocol()
    body = json.dumps([kept.to_json_dict()])
    sent = client.post(PLACE, content=body, headers={"Content-Type": "application/dicom+json"})
    assert sent.status_code in (200, 202), sent.text
    assert client.get(f"{PLACE}/{kept.SOPInstanceUID}").json()[0]["00720002"]["Value"] == ["Mammo"]
    del kept.HangingProtocolName
    body = json.dumps([kept.to_json_dict()])
    refused = client.post(PLACE, content=body, headers={"Content-Type": "application/dicom+json"})
    assert refused.status_code == 409
    assert "HangingProtocolName" in refused.json()["00081198"]["Value"][0]["00000902"]["Value"][0]


@pytest.mark.parametrize(
    ("keys", "is_found"),
    [
        ({"HangingProtocolLevel": "SITE"}, True),
        ({"HangingProtocolLevel": "USER"}, False),
        ({"00720014": "1"}, True),
        ({"HangingProtocolCreationDateTime": "20260101-20260401"}, True),
        ({"HangingProtocolDefinitionSequence.Laterality": "L"}, True),
        ({"HangingProtocolDefinitionSequence.Laterality": "R"}, False),
    ],
)
def test_any_attribute_is_matched(client: TestClient, keys: dict[str, str], is_found: bool) -> None:
    post(client, protocol())
    assert len(client.get(PLACE, params=keys).json()) == int(is_found)


def test_a_search_is_cut_into_pages_and_says_more_when_asked(client: TestClient) -> None:
    sent = [protocol(HangingProtocolName=f"P{number}") for number in range(3)]
    post(client, *sent)
    first = client.get(PLACE, params={"limit": 2})
    assert "additional results" in first.headers["warning"]
    rest = client.get(PLACE, params={"limit": 2, "offset": 2})
    assert "warning" not in rest.headers
    found = [each["00080018"]["Value"][0] for each in first.json() + rest.json()]
    assert found == [ds.SOPInstanceUID for ds in sent]
    assert "00720100" not in first.json()[0]
    assert "00720100" in client.get(PLACE, params={"includefield": "NumberOfScreens"}).json()[0]
    assert "00720100" in client.get(PLACE, params={"includefield": "all"}).json()[0]
    assert client.get(PLACE, params={"nonsense": "1"}).status_code == 400


def test_each_address_has_its_own_classes(client: TestClient, archive: Archive) -> None:
    palette, template = protocol(PALETTE), protocol(TEMPLATE)
    assert post(client, palette, place="/dicomweb/color-palettes").status_code == 200
    assert post(client, template, place="/dicomweb/implant-templates").status_code == 200
    refused = post(client, palette, make.ct_slice())
    assert refused.status_code == 409
    assert [item["00081197"]["Value"] for item in refused.json()["00081198"]["Value"]] == [[0xA900], [0xA900]]
    assert client.get(PLACE).json() == []
    assert client.get(f"{PLACE}/{palette.SOPInstanceUID}").status_code == 404
    assert len(client.get("/dicomweb/color-palettes").json()) == 1
    partly = post(client, protocol(), palette)
    assert (partly.status_code, len(partly.json()["00081199"]["Value"])) == (200, 1)
    with archive.reading() as session:
        assert session.execute(select(func.count()).select_from(non_patient_instances)).scalar_one() == 3


def test_an_address_of_one_takes_that_one(client: TestClient) -> None:
    kept = protocol()
    assert post(client, kept, place=f"{PLACE}/{make.uid()}").status_code == 409
    assert post(client, kept, place=f"{PLACE}/{kept.SOPInstanceUID}").status_code == 200
    kept.HangingProtocolName = "Other"
    assert post(client, kept, place=f"{PLACE}/{kept.SOPInstanceUID}").status_code == 409


def test_only_who_may_stores_and_retrieves(client: TestClient, archive: Archive) -> None:
    kept = protocol()
    post(client, kept)
    clinician = TestClient(Mounted(archive, principal_of("clinician")), base_url="http://pacs.test")
    assert post(clinician, protocol()).status_code == 403
    assert clinician.get(f"{PLACE}/{kept.SOPInstanceUID}").status_code == 200
    nobody = TestClient(Mounted(archive, principal_of("nobody", rights=frozenset())), base_url="http://pacs.test")
    assert nobody.get(f"{PLACE}/{kept.SOPInstanceUID}").status_code == 403
    assert nobody.get(PLACE).status_code == 403
