"""UPS-RS (PS3.18 11.4 to 11.9): statuses and warnings to the letter."""

from __future__ import annotations

from typing import Any

import pytest
from pydicom import Dataset
from pydicom.uid import generate_uid
from starlette.testclient import TestClient

import ups
from filmless.archive import Archive

URL = "/dicomweb/workitems"
JSON = {"Content-Type": "application/dicom+json"}


def send(client: TestClient, method: str, path: str, ds: Dataset | None = None) -> Any:
    body = None if ds is None else f"[{ds.to_json()}]"
    return client.request(method, f"{URL}{path}", content=body, headers=JSON if ds is not None else {})


def state(name: str, transaction_uid: str = "") -> Dataset:
    ds = Dataset()
    ds.ProcedureStepState = name
    if transaction_uid:
        ds.TransactionUID = transaction_uid
    return ds


def warning(response: Any) -> str:
    head, _, text = response.headers["warning"].partition(": ")
    assert head == "299 http://pacs.test/dicomweb"
    return text


@pytest.mark.parametrize("query", ["?{uid}", "?workitem={uid}", "?AffectedSOPInstanceUID={uid}"])
def test_a_workitem_is_made_and_retrieved(client: TestClient, query: str) -> None:
    uid = str(generate_uid())
    made = send(client, "POST", query.format(uid=uid), ups.workitem())
    assert made.status_code == 201
    assert made.headers["location"] == f"http://pacs.test{URL}/{uid}"
    (found,) = send(client, "GET", f"/{uid}").json()
    assert found["00080018"]["Value"] == [uid]
    assert "00081195" not in found
    assert send(client, "POST", f"?{uid}", ups.workitem()).status_code == 409


def test_what_the_data_set_lacks_is_said(client: TestClient) -> None:
    answer = send(client, "POST", "", ups.workitem(ProcedureStepLabel=None))
    assert answer.status_code == 400
    assert "ProcedureStepLabel" in answer.json()["detail"]
    assert client.post(URL, content=b"<x/>", headers={"Content-Type": "application/dicom+xml"}).status_code == 400
    assert client.post(URL, content=b"<x/>", headers={"Content-Type": "text/xml"}).status_code == 415
    assert client.post(URL, content=b"[]", headers=JSON).status_code == 400


def test_a_life_from_claim_to_completion(client: TestClient, archive: Archive) -> None:
    uid, mine = ups.create(archive), str(generate_uid())
    missing = send(client, "PUT", f"/{uid}/state", state("IN PROGRESS"))
    assert (missing.status_code, warning(missing)) == (400, "The Transaction UID is missing.")
    early = send(client, "PUT", f"/{uid}/state", state("COMPLETED", mine))
    told = "The submitted request is inconsistent with the state of the UPS Instance."
    assert (early.status_code, warning(early)) == (409, told)
    unclaimed = send(client, "POST", f"/{uid}?{mine}", ups.performed())
    assert (unclaimed.status_code, warning(unclaimed)) == (409, "The target URI did not reference a claimed Workitem.")
    assert send(client, "PUT", f"/{uid}/state", state("IN PROGRESS", mine)).status_code == 200
    wrong = send(client, "PUT", f"/{uid}/state", state("COMPLETED", "1.2.3"))
    assert (wrong.status_code, warning(wrong)) == (400, "The Transaction UID is incorrect.")
    assert send(client, "PUT", f"/{uid}/state", state("COMPLETED", mine)).status_code == 409
    assert send(client, "POST", f"/{uid}", ups.performed()).status_code == 400
    assert send(client, "POST", f"/{uid}?transaction-uid={mine}", ups.performed()).status_code == 200
    assert send(client, "PUT", f"/{uid}/state", state("COMPLETED", mine)).status_code == 200
    again = send(client, "PUT", f"/{uid}/state", state("COMPLETED", mine))
    assert (again.status_code, warning(again)) == (200, "The UPS is already in the requested state of COMPLETED.")
    assert send(client, "POST", f"/{uid}?{mine}", ups.performed()).status_code == 400


def test_a_cancellation_is_requested(client: TestClient, archive: Archive) -> None:
    uid, claimed, done = (ups.create(archive) for _ in range(3))
    assert send(client, "POST", f"/{uid}/cancelrequest").status_code == 202
    assert ups.state_of(archive, uid) == "CANCELED"
    again = send(client, "POST", f"/{uid}/cancelrequest")
    assert (again.status_code, warning(again)) == (202, "The UPS is already in the requested state of CANCELED.")
    ups.claim(archive, claimed)
    assert send(client, "POST", f"/{claimed}/cancelrequest").status_code == 409
    ups.complete(archive, done)
    assert send(client, "POST", f"/{done}/cancelrequest").status_code == 409


def test_workitems_are_searched(client: TestClient, archive: Archive) -> None:
    assert send(client, "GET", "").status_code == 204
    uids = [ups.create(archive, ScheduledProcedureStepStartDateTime=f"2026030{day}") for day in (1, 2, 3)]
    page = send(client, "GET", "?limit=2&ProcedureStepState=SCHEDULED&includefield=00400400")
    assert (page.status_code, warning(page)) == (206, "There are additional results that can be requested.")
    assert [ds["00080018"]["Value"][0] for ds in page.json()] == uids[:2]
    assert page.json()[0]["00400400"] == {"vr": "LT"}
    rest = send(client, "GET", "?limit=2&offset=2&ScheduledWorkitemCodeSequence.CodeValue=110005")
    assert (rest.status_code, [ds["00080018"]["Value"][0] for ds in rest.json()]) == (200, uids[2:])
    assert send(client, "GET", "?PatientID=nobody").status_code == 204
    assert send(client, "GET", "?NoSuchKey=1").status_code == 400


@pytest.mark.parametrize(("method", "path"), [("GET", ""), ("POST", ""), ("PUT", "/state"), ("POST", "/cancelrequest")])
def test_what_is_not_there_is_404(client: TestClient, method: str, path: str) -> None:
    ds = None if method == "GET" or path == "/cancelrequest" else state("IN PROGRESS", "1.2.3")
    assert send(client, method, f"/1.2.3{path}", ds).status_code == 404
