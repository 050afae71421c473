"""Preferences follow the person, are theirs alone, and stay within bounds."""

from __future__ import annotations

import pytest
from starlette.testclient import TestClient

from callers import ADDRESS, PASSWORD
from filmless.access import audit
from filmless.archive import Archive

ROOT = "http://testserver/api/v1"


def test_preferences_are_there_in_the_next_browser_and_nobody_elses(
    radiologist: TestClient, clinician: TestClient, archive: Archive
) -> None:
    keys = {"viewer.invert": ["x"], "viewer.näher": ["Ctrl+ä"]}
    assert radiologist.put("/preferences/hotkeys", json={"value": {"old": ["y"]}}).status_code == 204
    assert radiologist.put("/preferences/hotkeys", json={"value": keys}).status_code == 204
    assert radiologist.put("/preferences/mouse", json={"value": {"left": "pan"}}).status_code == 204

    elsewhere = TestClient(radiologist.app, base_url=ROOT, client=(ADDRESS, 50001))
    elsewhere.post("/session", json={"name": "Rosalind", "password": PASSWORD})
    assert elsewhere.get("/preferences").json() == {"values": {"hotkeys": keys, "mouse": {"left": "pan"}}}
    assert clinician.get("/preferences").json() == {"values": {}}

    assert radiologist.delete("/preferences/hotkeys").status_code == 204
    assert elsewhere.get("/preferences").json() == {"values": {"mouse": {"left": "pan"}}}
    rows, _ = audit.read(archive, action="preference_change")
    assert sorted((row.actor, row.object, row.count) for row in rows) == [
        ("Rosalind", "hotkeys", 3),
        ("Rosalind", "mouse", 1),
    ]


@pytest.mark.parametrize(
    ("name", "value", "status"),
    [
        ("hotkeys", "x" * 70_000, 413),
        ("Hotkeys", 1, 400),
        ("a" * 41, 1, 422),
        ("hot..keys", 1, 400),
        ("hotkeys", {"key": "nul \0"}, 400),
    ],
)
def test_what_cannot_be_kept_is_refused(radiologist: TestClient, name: str, value: object, status: int) -> None:
    assert radiologist.put(f"/preferences/{name}", json={"value": value}).status_code == status
    assert radiologist.get("/preferences").json() == {"values": {}}


def test_a_person_has_so_many_preferences_and_no_more(radiologist: TestClient, archive: Archive) -> None:
    for number in range(archive.settings.preferences_max):
        assert radiologist.put(f"/preferences/p{number}", json={"value": number}).status_code == 204
    assert radiologist.put("/preferences/another", json={"value": 1}).status_code == 400
    assert radiologist.put("/preferences/p0", json={"value": 1}).status_code == 204


def test_strangers_have_none(stranger: TestClient) -> None:
    assert stranger.get("/preferences").status_code == 401
