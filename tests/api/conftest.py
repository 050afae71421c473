"""The API as the web server runs it: behind Authentication, mounted at /api/v1."""

from __future__ import annotations

from collections.abc import Callable, Iterator

import pytest
from starlette.testclient import TestClient
from starlette.types import ASGIApp

from callers import ADDRESS, PASSWORD, hash_quickly, make_person, web_of
from filmless.archive import Archive

ROOT = "http://testserver/api/v1"


@pytest.fixture(autouse=True, scope="session")
def quick_passwords() -> None:
    hash_quickly()


@pytest.fixture
def app(archive: Archive) -> ASGIApp:
    return web_of(archive)


@pytest.fixture
def stranger(app: ASGIApp) -> Iterator[TestClient]:
    """A browser in which nobody has signed in."""
    with TestClient(app, base_url=ROOT, client=(ADDRESS, 50000)) as client:
        yield client


@pytest.fixture
def sign_in(app: ASGIApp, archive: Archive) -> Callable[[str, str], TestClient]:
    """Make a person with a role and sign them in, in a browser of their own that sends the CSRF token."""

    def sign_in(name: str, role: str) -> TestClient:
        make_person(archive, name, role)
        client = TestClient(app, base_url=ROOT, client=(ADDRESS, 50000))
        answer = client.post("/session", json={"name": name, "password": PASSWORD})
        client.headers["X-CSRF-Token"] = answer.json()["csrfToken"]
        return client

    return sign_in


@pytest.fixture
def administrator(sign_in: Callable[[str, str], TestClient]) -> TestClient:
    return sign_in("Ada", "administrator")


@pytest.fixture
def radiologist(sign_in: Callable[[str, str], TestClient]) -> TestClient:
    return sign_in("Rosalind", "radiologist")


@pytest.fixture
def clinician(sign_in: Callable[[str, str], TestClient]) -> TestClient:
    return sign_in("Clara", "clinician")
