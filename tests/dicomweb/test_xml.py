"""Answers in XML (PS3.18 8.7.3.2, PS3.19 A.1): the same as in JSON, each data set a part."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from pydicom import Dataset
from starlette.testclient import TestClient

import make
from answers import address, parts_of
from filmless.archive import Archive
from filmless.archive.metadata import pack_series
from filmless.dicom.xml import from_xml, to_xml

Store = Callable[..., Dataset]
PARTS = {"accept": 'multipart/related; type="application/dicom+xml"'}
BARE = {"accept": "application/dicom+xml"}


def read(response: Any) -> list[dict[str, Any]]:
    """Data sets of the parts of an answer."""
    parts = parts_of(response)
    assert {headers["content-type"] for headers, _ in parts} == {"application/dicom+xml"}
    return [from_xml(body) for _, body in parts]


def through_xml(datasets: list[dict[str, Any]]) -> list[dict[str, Any]]:
    return [from_xml(to_xml(dataset)) for dataset in datasets]


@pytest.mark.parametrize("level", ["study", "series", "instance"])
def test_metadata_in_xml_says_what_the_json_says(level: str, stored: Store, client: TestClient) -> None:
    slices = [stored(ds) for ds in make.ct_series(3)]
    stored(make.text_report(StudyInstanceUID=slices[0].StudyInstanceUID, PatientName="山^太"))
    url = address(slices[0], level) + "/metadata"
    found = client.get(url, headers=PARTS)
    assert found.status_code == 200
    assert read(found) == through_xml(client.get(url).json())


def test_metadata_of_a_packed_series_is_the_same_in_xml(stored: Store, client: TestClient, archive: Archive) -> None:
    slices = [stored(ds) for ds in make.ct_series(3)]
    url = address(slices[0], "series") + "/metadata"
    before = read(client.get(url, headers=PARTS))
    pack_series(archive, 1)
    assert read(client.get(url, headers=PARTS)) == before


def test_one_instance_may_come_as_one_document(stored: Store, client: TestClient) -> None:
    ds = stored(make.ct_slice())
    url = address(ds) + "/metadata"
    found = client.get(url, headers=BARE)
    assert found.headers["content-type"] == "application/dicom+xml"
    assert [from_xml(found.content)] == through_xml(client.get(url).json())


@pytest.mark.parametrize("accept", [PARTS, BARE])
def test_a_search_is_answered_in_parts(accept: dict[str, str], stored: Store, client: TestClient) -> None:
    stored(make.ct_slice())
    stored(make.text_report())
    url = "/dicomweb/studies?includefield=all"
    assert read(client.get(url, headers=accept)) == through_xml(client.get(url).json())


def test_a_search_without_match_is_a_multipart_without_parts(client: TestClient) -> None:
    found = client.get("/dicomweb/studies", headers=PARTS)
    assert found.status_code == 200
    assert parts_of(found) == []


@pytest.mark.parametrize("level", ["study", "series", "instance"])
@pytest.mark.parametrize("accept", [PARTS, {"accept": "application/dicom+json"}])
def test_metadata_that_did_not_change_is_not_sent_again_in_any_form(
    accept: dict[str, str], level: str, stored: Store, client: TestClient
) -> None:
    ds = stored(make.ct_slice())
    stored(make.text_report(StudyInstanceUID=ds.StudyInstanceUID))
    url = address(ds, level) + "/metadata"
    etag = client.get(url, headers=accept).headers["etag"]
    assert client.get(url, headers={**accept, "if-none-match": etag}).status_code == 304
    other = BARE if accept is not PARTS else {}
    assert client.get(url, headers={**other, "if-none-match": etag}).status_code == 200
