"""Pages by the Link header (RFC 8288) stay right while studies arrive and go."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from pydicom import Dataset
from starlette.testclient import TestClient

import make
from filmless.access.principal import SYSTEM
from filmless.archive import Archive
from filmless.store.delete import Target, delete_instances

Store = Callable[..., Dataset]
STUDY, SOP = "0020000D", "00080018"


def follow(client: TestClient, path: str, between: Callable[[], object] = lambda: None) -> list[list[dict[str, Any]]]:
    """All pages from the first on; something happens after each."""
    pages, address = [], f"http://pacs.test/dicomweb{path}"
    while address:
        answer = client.get(address)
        assert answer.status_code == 200, answer.text
        pages.append(answer.json())
        address = answer.links.get("next", {}).get("url", "")
        assert bool(address) == ("additional results" in answer.headers.get("warning", ""))
        between()
    return pages


def uids(pages: list[list[dict[str, Any]]], tag: str = STUDY) -> list[str]:
    return [match[tag]["Value"][0] for page in pages for match in page]


def dated(number: int, **more: Any) -> Dataset:
    return make.ct_slice(StudyDate=f"202601{number:02d}", PatientName=f"Paged^{number}", **more)


@pytest.mark.parametrize("query", ["", "PatientName=Paged*&", "StudyDate=20260101-20260131&StudyTime=000000-235959&"])
def test_pages_by_link_show_each_study_once_while_others_arrive(client: TestClient, stored: Store, query: str) -> None:
    known = [stored(dated(number, StudyTime="120000")).StudyInstanceUID for number in range(2, 9)]
    found = uids(follow(client, f"/studies?{query}limit=2", lambda: stored(dated(20, StudyTime="120000"))))
    assert found == known[::-1]


def test_a_page_goes_on_behind_a_study_that_was_deleted(client: TestClient, stored: Store, archive: Archive) -> None:
    known = [stored(dated(number)).StudyInstanceUID for number in range(1, 6)][::-1]
    first = client.get("/dicomweb/studies?limit=2")
    assert uids([first.json()]) == known[:2]
    for uid in known[:2]:
        delete_instances(archive, SYSTEM("test"), Target(uid), "a test")
    rest = client.get(first.links["next"]["url"])
    assert uids([rest.json()]) == known[2:4]


@pytest.mark.parametrize(
    "path",
    [
        "/studies",
        "/series",
        "/instances",
        "/studies/{study}/series",
        "/studies/{study}/instances",
        "/studies/{study}/series/{series}/instances",
    ],
)
def test_all_resources_are_paged_by_link(client: TestClient, stored: Store, path: str) -> None:
    slices = [stored(ds) for ds in make.ct_series(3)]
    for _ in range(2):
        stored(make.ct_slice(StudyInstanceUID=slices[0].StudyInstanceUID))
        stored(make.ct_slice())
    path = path.format(study=slices[0].StudyInstanceUID, series=slices[0].SeriesInstanceUID)
    whole = client.get(f"/dicomweb{path}?includefield=SOPInstanceUID").json()
    pages = follow(client, f"{path}?limit=1&includefield=SOPInstanceUID")
    assert [match for page in pages for match in page] == whole
    assert len(whole) > 1


@pytest.mark.parametrize("cursor", ["x", "!!!", "WzFd", "W10", "bnVsbA", "WzEsMSwyLDNd", "A" * 2000])
def test_a_cursor_that_is_none_is_refused(client: TestClient, stored: Store, cursor: str) -> None:
    stored(make.ct_slice())
    answer = client.get("/dicomweb/studies", params={"cursor": cursor})
    assert answer.status_code == 400
    assert "cursor" in answer.json()["detail"]


def test_a_cursor_goes_with_no_offset_and_no_other_resource(client: TestClient, stored: Store) -> None:
    for number in range(3):
        stored(dated(number + 1))
    address = client.get("/dicomweb/studies?limit=1").links["next"]["url"]
    assert client.get(f"{address}&offset=1").status_code == 400
    assert client.get(address.replace("/studies", "/series")).status_code == 400
    assert client.get(address.replace("/studies", "/workitems")).status_code == 400
