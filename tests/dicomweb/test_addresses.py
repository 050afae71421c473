"""Addresses in answers are those that the caller can use, also behind a proxy with a path of its own."""

from __future__ import annotations

import io
from collections.abc import Callable

import pytest
from pydicom import Dataset
from starlette.testclient import TestClient

import make
import ups
from answers import address, parts_of
from callers import make_person
from filmless.access.principal import SYSTEM
from filmless.access.tokens import add_token
from filmless.app.web import create_web
from filmless.archive import Archive
from filmless.config import Settings
from filmless.store.receive import receive

PROXIED = {"X-Forwarded-Host": "pacs.example.org", "X-Forwarded-Proto": "https", "X-Forwarded-Prefix": "/images"}
OUTSIDE = "https://pacs.example.org/images"


@pytest.fixture
def settings(settings: Settings) -> Settings:
    return settings.model_copy(update={"trusted_proxies": "10.0.0.0/8"})


@pytest.fixture
def through(archive: Archive) -> Callable[[str], TestClient]:
    """A client with a token, whose connection comes from an address."""
    person = make_person(archive, "reader", "radiologist")
    token = add_token(archive, SYSTEM("cli"), person.id, name="test")[0]
    headers = {"Authorization": f"Bearer {token}", **PROXIED}
    web = create_web(archive)
    return lambda peer: TestClient(web, base_url="http://inside:8080", client=(peer, 50000), headers=headers)


@pytest.fixture
def ds(archive: Archive) -> Dataset:
    made = make.instance("1.2.840.10008.5.1.4.1.1.104.1")
    made.EncapsulatedDocument, made.MIMETypeOfEncapsulatedDocument = b"%PDF-1.7" + b" " * 3000, "application/pdf"
    receive(archive, SYSTEM("cli"), io.BytesIO(make.part10(made)))
    return made


def told(client: TestClient, ds: Dataset) -> dict[str, str]:
    """Addresses of each kind."""
    (found,) = client.get("/dicomweb/studies").json()
    whole = client.get(address(ds), headers={"Accept": 'multipart/related; type="application/dicom"'})
    ((headers, _),) = parts_of(whole)
    (metadata,) = client.get(address(ds) + "/metadata").json()
    made = client.post("/dicomweb/workitems", content=f"[{ups.workitem().to_json()}]",
                       headers={"Content-Type": "application/dicom+json"})  # fmt: skip
    return {
        "RetrieveURL": found["00081190"]["Value"][0],
        "Content-Location": headers["content-location"],
        "BulkDataURI": metadata["00420011"]["BulkDataURI"],
        "Location": made.headers["location"].rpartition("/")[0],
    }


def test_a_trusted_proxy_names_host_scheme_and_prefix(through: Callable[[str], TestClient], ds: Dataset) -> None:
    assert told(through("10.1.1.1"), ds) == {
        "RetrieveURL": OUTSIDE + address(ds, "study"),
        "Content-Location": OUTSIDE + address(ds),
        "BulkDataURI": f"/images{address(ds)}/bulkdata/00420011",
        "Location": f"{OUTSIDE}/dicomweb/workitems",
    }


def test_anybody_else_names_nothing(through: Callable[[str], TestClient], ds: Dataset) -> None:
    inside = "http://inside:8080"
    assert told(through("203.0.113.5"), ds) == {
        "RetrieveURL": inside + address(ds, "study"),
        "Content-Location": inside + address(ds),
        "BulkDataURI": f"{address(ds)}/bulkdata/00420011",
        "Location": f"{inside}/dicomweb/workitems",
    }


def test_old_viewers_ask_at_the_root(through: Callable[[str], TestClient], ds: Dataset) -> None:
    uids = {"studyUID": ds.StudyInstanceUID, "seriesUID": ds.SeriesInstanceUID, "objectUID": ds.SOPInstanceUID}
    answer = through("10.1.1.1").get("/wado", params={"requestType": "WADO", **uids})
    assert (answer.status_code, answer.content[128:132]) == (200, b"DICM")
