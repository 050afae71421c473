"""The API is closed: by default, to other sites, to lesser roles, and to whoever sends too much."""

from __future__ import annotations

import re
from collections.abc import Iterator

import pytest
import structlog
from fastapi.routing import APIRoute
from sqlalchemy import update
from starlette.testclient import TestClient
from starlette.types import ASGIApp

from callers import ADDRESS, PASSWORD, make_person
from filmless.access import audit, people, tokens
from filmless.access.principal import SYSTEM
from filmless.access.tables import sessions
from filmless.api.app import OPEN, create_api
from filmless.archive import Archive
from filmless.config import Settings

CLI = SYSTEM("cli")


def routes() -> Iterator[tuple[str, str]]:
    """Every method and path that the API has, from the table that routes by."""
    for method, path in _declared():
        yield method, re.sub(r"{[^}]+}", "1", path)


def _declared() -> Iterator[tuple[str, str]]:
    document = create_api(None).openapi()
    for path, methods in document["paths"].items():
        for method in methods:
            yield method.upper(), path


def test_the_document_lists_every_route() -> None:
    routed = {
        (method, route.path)
        for route in _flat(create_api(None).routes)
        if isinstance(route, APIRoute)
        for method in route.methods
    }

    assert routed == set(_declared())


def _flat(found: object) -> Iterator[object]:
    for route in found:  # type: ignore[attr-defined]
        inner = getattr(route, "original_router", None)
        if inner is not None:
            yield from _flat(inner.routes)
        else:
            yield route


@pytest.mark.parametrize(("method", "path"), [each for each in routes() if each not in OPEN])
def test_a_stranger_gets_401_everywhere(stranger: TestClient, method: str, path: str) -> None:
    answer = stranger.request(method, path)

    assert answer.status_code == 401
    assert answer.headers["WWW-Authenticate"].startswith("Bearer")
    assert answer.headers["Content-Type"] == "application/problem+json"


@pytest.mark.parametrize("path", ["/nothing", "/openapi.json", "/docs", "/session/", "//session", ""])
def test_a_stranger_does_not_even_learn_what_is_there(stranger: TestClient, path: str) -> None:
    assert stranger.get(f"/api/v1{path}" if not path.startswith("/") else path).status_code == 401


@pytest.mark.parametrize("header", ["Bearer fl_guess", "Bearer", "Basic QWRhOnNldmVu", "bearer  ", "x" * 5000])
def test_a_secret_that_opens_nothing_gets_401(stranger: TestClient, header: str) -> None:
    assert stranger.get("/session", headers={"Authorization": header}).status_code == 401


def test_a_bad_token_is_not_mended_by_a_good_cookie(administrator: TestClient) -> None:
    assert administrator.get("/session", headers={"Authorization": "Bearer fl_guess"}).status_code == 401


def test_guesses_of_one_address_share_a_row_of_the_trail(stranger: TestClient, archive: Archive) -> None:
    for _ in range(5):
        stranger.get("/session", headers={"Authorization": "Bearer fl_guess"})

    [row] = audit.read(archive)[0]
    assert (row.action, row.outcome, row.address) == ("request", "refused", ADDRESS)


ADMINISTRATORS_ONLY = [
    ("GET", "/users"),
    ("POST", "/users"),
    ("PATCH", "/users/1"),
    ("POST", "/peers"),
    ("PATCH", "/peers/1"),
    ("DELETE", "/peers/1"),
    ("POST", "/peers/1/echo"),
    ("GET", "/peers/unknown"),
    ("POST", "/peers/unknown/1/admit"),
    ("DELETE", "/peers/unknown/1"),
    ("GET", "/jobs"),
    ("POST", "/jobs/1/retry"),
    ("POST", "/jobs/1/cancel"),
    ("POST", "/queues/default/pause"),
    ("POST", "/queues/default/resume"),
    ("GET", "/storage"),
    ("GET", "/conflicts"),
    ("POST", "/conflicts/1/resolve"),
    ("GET", "/refusals"),
    ("GET", "/audit"),
    ("GET", "/system"),
    ("GET", "/health"),
]


@pytest.mark.parametrize(("method", "path"), ADMINISTRATORS_ONLY)
def test_administration_is_for_administrators(radiologist: TestClient, method: str, path: str) -> None:
    answer = radiologist.request(method, path)

    assert answer.status_code == 403
    assert "may not administer" in answer.json()["detail"]


@pytest.mark.parametrize(("method", "path"), [("POST", "/uploads"), ("POST", "/studies/1.2/send"), ("GET", "/peers")])
def test_a_clinician_neither_stores_nor_sends(clinician: TestClient, method: str, path: str) -> None:
    assert clinician.request(method, path).status_code == 403


def test_a_refusal_leaves_a_row_of_the_trail(clinician: TestClient, archive: Archive) -> None:
    clinician.get("/users")

    row = audit.read(archive)[0][0]
    assert (row.actor, row.action, row.outcome, row.object) == ("Clara", "request", "refused", "GET /api/v1/users")


UNSAFE = [(method, path) for method, path in routes() if method not in {"GET", "HEAD"} and (method, path) not in OPEN]


@pytest.mark.parametrize(("method", "path"), UNSAFE)
def test_a_cookie_alone_changes_nothing(administrator: TestClient, method: str, path: str) -> None:
    del administrator.headers["X-CSRF-Token"]

    answer = administrator.request(method, path)

    assert answer.status_code == 403
    assert "reload" in answer.json()["detail"]


@pytest.mark.parametrize("given", ["", "x", "0" * 64, "é"])
def test_a_wrong_csrf_token_changes_nothing(administrator: TestClient, given: str) -> None:
    answer = administrator.delete("/session", headers={"X-CSRF-Token": given.encode()})  # type: ignore[dict-item]

    assert answer.status_code == 403
    assert administrator.get("/session").status_code == 200


def test_the_csrf_token_of_another_session_changes_nothing(administrator: TestClient, radiologist: TestClient) -> None:
    answer = administrator.delete("/session", headers={"X-CSRF-Token": radiologist.headers["X-CSRF-Token"]})

    assert answer.status_code == 403


def test_a_request_that_the_browser_calls_cross_site_changes_nothing(administrator: TestClient) -> None:
    assert administrator.delete("/session", headers={"Sec-Fetch-Site": "cross-site"}).status_code == 403


def test_a_token_needs_no_csrf_token(stranger: TestClient, archive: Archive) -> None:
    person = make_person(archive, "Ada", "administrator")
    secret, _ = tokens.add_token(archive, CLI, person.id, name="script")

    answer = stranger.post(
        "/users",
        json={"name": "Bob", "role": "clinician", "password": PASSWORD},
        headers={"Authorization": f"Bearer {secret}"},
    )

    assert answer.status_code == 201


def test_a_scoped_token_may_no_more_than_its_scope(stranger: TestClient, archive: Archive) -> None:
    person = make_person(archive, "Ada", "administrator")
    secret, _ = tokens.add_token(archive, CLI, person.id, name="script", rights=["query"])
    headers = {"Authorization": f"Bearer {secret}"}

    assert stranger.get("/studies", headers=headers).status_code == 200
    assert stranger.get("/users", headers=headers).status_code == 403
    assert stranger.get("/session", headers=headers).json()["user"]["rights"] == ["query"]


def test_the_cookie_is_out_of_reach_of_scripts_and_other_sites(stranger: TestClient, archive: Archive) -> None:
    make_person(archive, "Ada", "administrator")

    cookie = stranger.post("/session", json={"name": "Ada", "password": PASSWORD}).headers["Set-Cookie"]

    assert "HttpOnly" in cookie
    assert "SameSite=strict" in cookie
    assert "Secure" not in cookie


@pytest.mark.parametrize(
    ("scheme", "public_url", "proxies", "forwarded"),
    [
        ("https", None, "", {}),
        ("http", "https://pacs.example", "", {}),
        ("http", None, f"{ADDRESS}/32", {"X-Forwarded-Proto": "https"}),
    ],
)
def test_under_tls_the_cookie_is_secure(
    settings: Settings, scheme: str, public_url: str | None, proxies: str, forwarded: dict[str, str]
) -> None:
    from filmless.access.http import Authentication

    changed = settings.model_copy(update={"public_url": public_url, "trusted_proxies": proxies})
    with Archive.open(changed) as archive:
        make_person(archive, "Ada", "administrator")
        app = Authentication(create_api(archive), archive)
        client = TestClient(app, base_url=f"{scheme}://testserver", client=(ADDRESS, 1))

        answer = client.post("/session", json={"name": "Ada", "password": PASSWORD}, headers=forwarded)

        assert "Secure" in answer.headers["Set-Cookie"]


def test_revoked_and_expired_sessions_end_at_once(administrator: TestClient, archive: Archive) -> None:
    assert administrator.get("/session").status_code == 200
    with archive.transaction() as session:
        session.execute(update(sessions).values(seen_at=1.0))

    assert administrator.get("/session").status_code == 401


def test_what_another_process_takes_away_is_gone_at_the_next_request(
    administrator: TestClient, radiologist: TestClient, settings: Settings
) -> None:
    assert radiologist.get("/studies").status_code == 200

    with Archive.open(settings) as other:
        person = people.find_person(other, "Rosalind")
        assert person is not None
        people.update_person(other, CLI, person.id, is_active=False)

    assert radiologist.get("/studies").status_code == 401


def test_use_is_noted_so_that_a_session_in_use_stays_open(administrator: TestClient, archive: Archive) -> None:
    with archive.transaction() as session:
        session.execute(update(sessions).values(seen_at=sessions.c.seen_at - 3600))
    with archive.reading() as session:
        before = session.execute(sessions.select()).one().seen_at

    administrator.get("/session")

    with archive.reading() as session:
        assert session.execute(sessions.select()).one().seen_at > before + 3000


def test_a_body_that_is_too_long_is_not_read(stranger: TestClient) -> None:
    def pieces() -> Iterator[bytes]:
        for _ in range(40):
            yield b" " * 65536

    answer = stranger.post("/session", content=pieces(), headers={"Content-Type": "application/json"})

    assert answer.status_code == 413
    assert answer.headers["Content-Type"] == "application/problem+json"


@pytest.mark.parametrize("path", ["/studies?q=%00", "/studies/1%00"])
def test_an_address_with_a_nul_in_it_is_refused(administrator: TestClient, path: str) -> None:
    assert administrator.get(path).status_code == 400


@pytest.mark.parametrize("kind", ["text/plain", "application/x-www-form-urlencoded", None])
def test_what_a_form_of_another_site_can_send_is_not_read(stranger: TestClient, kind: str | None) -> None:
    headers = {} if kind is None else {"Content-Type": kind}

    answer = stranger.post("/session", content=b'{"name": "Ada", "password": "seven grey herons"}', headers=headers)

    assert answer.status_code == 422


def test_answers_are_kept_by_no_cache(administrator: TestClient) -> None:
    assert administrator.get("/studies").headers["Cache-Control"] == "no-store"


def test_errors_are_problems_that_a_person_understands(administrator: TestClient) -> None:
    answer = administrator.get("/nothing")

    assert answer.headers["Content-Type"] == "application/problem+json"
    assert answer.json() == {
        "type": "about:blank",
        "title": "Not Found",
        "status": 404,
        "detail": "There is nothing at this address.",
        "errors": None,
    }


def test_a_malformed_request_is_told_by_field_and_does_not_echo_secrets(administrator: TestClient) -> None:
    answer = administrator.post("/users", json={"name": "", "role": "king", "password": "s3cret" * 400})

    assert answer.status_code == 422
    assert {each["field"] for each in answer.json()["errors"]} == {"name", "role", "password"}
    assert "s3cret" not in answer.text


def test_a_bug_answers_500_without_telling_how_it_works(
    app: ASGIApp, archive: Archive, administrator: TestClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(*_: object) -> None:
        raise ZeroDivisionError("secret detail")

    monkeypatch.setattr(people, "list_people", fail)
    client = TestClient(app, base_url=str(administrator.base_url), raise_server_exceptions=False)
    client.cookies = administrator.cookies

    with structlog.testing.capture_logs() as logs:
        answer = client.get("/users")

    assert answer.status_code == 500
    assert answer.headers["Content-Type"] == "application/problem+json"
    assert "secret detail" not in answer.text
    assert [(each["event"], each["log_level"]) for each in logs] == [("bug", "error")]
