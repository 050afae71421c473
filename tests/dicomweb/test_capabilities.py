"""Retrieve Capabilities (PS3.18 8.9) lists what is served, and nothing else."""

from __future__ import annotations

import re
import xml.etree.ElementTree as ET

import pytest
from starlette.routing import Route
from starlette.testclient import TestClient

from answers import Mounted
from filmless.archive import Archive
from filmless.dicomweb.app import create_dicomweb
from filmless.dicomweb.capabilities import TRANSACTIONS

WADL = "{http://wadl.dev.java.net/2009/02}"


def test_what_is_served_is_listed_and_what_is_listed_is_served(archive: Archive) -> None:
    served = {
        (re.sub(r":\w+\}", "}", route.path), method)
        for route in create_dicomweb(archive).router.routes
        if isinstance(route, Route)
        for method in route.methods or ()
    }
    listed = {(each.path, each.method) for each in TRANSACTIONS}
    assert {(path, method) for path, method in served if method != "HEAD" and path != "/"} == listed


@pytest.mark.parametrize(
    ("method", "place"), [("OPTIONS", "/dicomweb/"), ("GET", "/dicomweb/"), ("OPTIONS", "/dicomweb")]
)
def test_the_description_is_wadl_unless_json_is_asked_for(client: TestClient, method: str, place: str) -> None:
    answer = client.request(method, place)
    assert answer.headers["content-type"] == "application/vnd.sun.wadl+xml"
    (resources,) = ET.fromstring(answer.content)
    assert resources.attrib["base"] == "http://pacs.test/dicomweb/"
    studies = next(each for each in resources if each.attrib["path"] == "studies")
    assert {each.attrib["id"] for each in studies.iter(f"{WADL}method")} == {"SearchForStudies", "StoreInstances"}
    described = client.request(method, place, headers={"Accept": "application/json"}).json()
    assert described["base"] == "http://pacs.test/dicomweb"
    assert len(described["resources"]) == len(list(resources))


def test_strangers_and_other_media_types_are_turned_away(archive: Archive, client: TestClient) -> None:
    assert client.options("/dicomweb/", headers={"Accept": "text/html"}).status_code == 406
    stranger = TestClient(Mounted(archive, None), base_url="http://pacs.test")
    assert stranger.options("/dicomweb/").status_code == 401
