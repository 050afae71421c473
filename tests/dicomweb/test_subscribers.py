"""Subscribing over HTTP (PS3.18 11.10 to 11.12), and workitems in XML."""

from __future__ import annotations

import xml.etree.ElementTree as ET
from typing import Any

import pytest
from pydicom.uid import generate_uid
from starlette.testclient import TestClient

import ups
from answers import parts_of
from filmless.archive import Archive
from filmless.config import Settings
from filmless.dicom.xml import to_xml
from filmless.worklist.tidying import tidy_worklist

URL = "/dicomweb/workitems"
XML = "application/dicom+xml"


class Job:
    is_stopping = False

    def check(self) -> None:
        pass


@pytest.fixture
def settings(settings: Settings) -> Settings:
    return settings.model_copy(update={"workitem_keep_s": 0.0})


def told(archive: Archive, ae_title: str = "WATCH") -> list[Any]:
    return [(event, uid) for event, uid, _ in ups.reports_of(archive, ae_title)]


def test_who_subscribes_learns_where_the_channel_is_and_is_told(client: TestClient, archive: Archive) -> None:
    uid = ups.create(archive)
    answer = client.post(f"{URL}/{uid}/subscribers/WATCH")
    assert answer.status_code == 201
    assert answer.headers["content-location"] == "ws://pacs.test/dicomweb/ws/subscribers/WATCH"
    assert told(archive) == [(1, uid)]
    assert client.delete(f"{URL}/{uid}/subscribers/WATCH").status_code == 200
    assert client.delete(f"{URL}/{uid}/subscribers/WATCH").status_code == 404


def test_a_global_subscription_is_suspended_and_ended(client: TestClient, archive: Archive) -> None:
    assert client.post(f"{URL}/{ups.GLOBAL}/subscribers/WATCH").status_code == 201
    first = ups.create(archive)
    assert (1, first) in told(archive)
    assert client.post(f"{URL}/{ups.GLOBAL}/subscribers/WATCH/suspend").status_code == 200
    second = ups.create(archive)
    assert second not in [uid for _, uid in told(archive)]
    assert client.post(f"{URL}/{ups.GLOBAL}/subscribers/WATCH/suspend").status_code == 404
    assert client.delete(f"{URL}/{ups.GLOBAL}/subscribers/WATCH").status_code == 200
    assert client.post(f"{URL}/{first}/subscribers/WATCH/suspend").status_code == 400


@pytest.mark.parametrize(
    "query", ["?filter=00741204=CAD,00741200=HIGH", "?00741204=CAD&00741200=HIGH", "?filter=ProcedureStepLabel=CAD"]
)
def test_a_filter_tells_of_what_matches(client: TestClient, archive: Archive, query: str) -> None:
    assert client.post(f"{URL}/{ups.FILTERED}/subscribers/WATCH{query}").status_code == 201
    wanted = ups.create(archive, ProcedureStepLabel="CAD", ScheduledProcedureStepPriority="HIGH")
    ups.create(archive, ProcedureStepLabel="Reading", ScheduledProcedureStepPriority="HIGH")
    assert {uid for _, uid in told(archive)} == {wanted}


def test_what_is_no_subscription_is_refused(client: TestClient, archive: Archive) -> None:
    uid = ups.create(archive)
    assert client.post(f"{URL}/{ups.FILTERED}/subscribers/WATCH").status_code == 400
    assert client.post(f"{URL}/{uid}/subscribers/WATCH?deletionlock=maybe").status_code == 400
    assert client.post(f"{URL}/{uid}/subscribers/A-TITLE-FAR-TOO-LONG").status_code == 400
    assert client.post(f"{URL}/1.2.3/subscribers/WATCH").status_code == 404


def test_a_workitem_that_was_removed_is_gone(client: TestClient, archive: Archive) -> None:
    uid = ups.create(archive)
    assert client.post(f"{URL}/{uid}/cancelrequest").status_code == 202
    tidy_worklist(archive, {}, Job())  # type: ignore[arg-type]
    assert client.get(f"{URL}/{uid}").status_code == 410
    assert client.post(f"{URL}/{uid}/subscribers/WATCH").status_code == 410
    assert client.get("/dicomweb/workitems/1.2.3").status_code == 404


def test_a_workitem_comes_and_goes_in_xml(client: TestClient) -> None:
    uid = str(generate_uid())
    body = to_xml(ups.workitem().to_json_dict())
    assert client.post(f"{URL}?{uid}", content=body, headers={"Content-Type": XML}).status_code == 201
    one = client.get(f"{URL}/{uid}", headers={"Accept": XML})
    assert one.headers["content-type"] == XML
    label = ET.fromstring(one.content).find("./{*}DicomAttribute[@keyword='ProcedureStepLabel']/{*}Value")
    assert label is not None and label.text == "Lung nodules"
    found = client.get(URL, headers={"Accept": f'multipart/related; type="{XML}"'})
    ((_, document),) = parts_of(found)
    assert uid.encode() in document
    assert client.get(URL, headers={"Accept": "text/plain"}).status_code == 406
