"""Marks of a reader are kept as they are drawn: theirs alone, whole when two windows draw, within bounds."""

from __future__ import annotations

import io
from collections.abc import Callable
from typing import Any

import pytest
from starlette.testclient import TestClient

import make
from filmless.access import audit
from filmless.access.principal import SYSTEM
from filmless.archive import Archive
from filmless.store.receive import receive

Sign = Callable[[str, str], TestClient]


def mark(number: int, **overrides: Any) -> dict[str, Any]:
    plain = {
        "uid": f"2.25.{number}",
        "kind": "length",
        "seriesInstanceUid": "1.2",
        "sopInstanceUid": "1.2.3",
        "frameNumber": 1,
        "points": [[1.5, 2.5], [3.25, 4.0]],
        "controls": None,
        "label": "Größe",
        "isHidden": False,
        "textAt": None,
        "values": [{"name": "length", "value": 2.3, "unit": "mm"}],
        "spacing": {"columnMm": 0.5, "rowMm": 0.5, "source": "patient"},
        "knownMm": None,
    }
    return plain | overrides


@pytest.fixture
def draft(archive: Archive) -> str:
    """The address of the draft on a study."""
    image = make.ct_slice()
    receive(archive, SYSTEM("api"), io.BytesIO(make.part10(image)))
    return f"/studies/{image.StudyInstanceUID}/draft"


def change(client: TestClient, draft: str, **body: Any) -> dict[str, Any]:
    answer = client.post(draft, json=body)
    assert answer.status_code == 200, answer.text
    return dict(answer.json())


def test_a_draft_comes_back_as_it_was_and_is_nobody_elses(
    radiologist: TestClient, clinician: TestClient, archive: Archive, draft: str
) -> None:
    assert radiologist.get(draft).json() == {"revision": 0, "documentUid": None, "marks": []}
    first = change(radiologist, draft, revision=0, changed=[mark(1), mark(2)], documentUid="1.9")
    second = change(radiologist, draft, revision=first["revision"], changed=[mark(2, label="moved")], removed=[])
    third = change(radiologist, draft, revision=second["revision"], removed=["2.25.1"])
    found = radiologist.get(draft).json()
    assert found == {
        "revision": third["revision"],
        "documentUid": "1.9",
        "marks": [mark(2, label="moved")],
    }
    assert clinician.get(draft).json()["marks"] == []
    rows, _ = audit.read(archive, action="draft_change")
    assert [(row.actor, row.object, row.count) for row in rows] == [("Rosalind", draft.split("/")[2], 3)]
    assert radiologist.delete(draft).status_code == 204
    assert radiologist.get(draft).json() == {"revision": 0, "documentUid": None, "marks": []}


def test_two_windows_are_told_of_each_other_and_nothing_is_lost(radiologist: TestClient, draft: str) -> None:
    base = change(radiologist, draft, revision=0, changed=[mark(1), mark(2), mark(3)])["revision"]
    one = change(radiologist, draft, revision=base, changed=[mark(1, label="one"), mark(4)], removed=["2.25.3"])
    two = change(radiologist, draft, revision=base, changed=[mark(1, label="two"), mark(2, label="two")])
    assert (one["changed"], one["removed"], one["overwritten"]) == ([], [], [])
    assert two["changed"] == [mark(4)]
    assert two["removed"] == ["2.25.3"]
    assert two["overwritten"] == ["2.25.1"]
    again = change(radiologist, draft, revision=one["revision"])
    assert again["revision"] == two["revision"]
    assert {each["uid"]: each["label"] for each in again["changed"]} == {"2.25.1": "two", "2.25.2": "two"}
    late = change(radiologist, draft, revision=0, changed=[mark(5)])
    assert len(late["changed"]) == 3
    assert len(radiologist.get(draft).json()["marks"]) == 4


def test_a_change_of_a_draft_that_is_gone_is_a_conflict(radiologist: TestClient, draft: str) -> None:
    base = change(radiologist, draft, revision=0, changed=[mark(1)])["revision"]
    radiologist.delete(draft)
    answer = radiologist.post(draft, json={"revision": base, "changed": [mark(2)]})
    assert (answer.status_code, "report" in answer.json()["detail"]) == (409, True)
    assert radiologist.get(draft).json()["marks"] == []
    assert change(radiologist, draft, revision=0, changed=[mark(2)])["revision"] > base


def test_a_draft_is_discarded_only_as_the_reader_saw_it(
    radiologist: TestClient, clinician: TestClient, draft: str
) -> None:
    seen = change(radiologist, draft, revision=0, changed=[mark(1)])["revision"]
    now = change(radiologist, draft, revision=seen, changed=[mark(2)])["revision"]
    refused = radiologist.delete(draft, params={"revision": seen})
    assert (refused.status_code, "another window" in refused.json()["detail"]) == (409, True)
    assert clinician.delete(draft, params={"revision": now}).status_code == 204
    assert len(radiologist.get(draft).json()["marks"]) == 2
    assert radiologist.delete(draft, params={"revision": now}).status_code == 204
    assert radiologist.get(draft).json()["revision"] == 0
    assert radiologist.delete(draft, params={"revision": now}).status_code == 204


@pytest.mark.parametrize(
    "bent",
    [
        {"kind": "blob"},
        {"points": []},
        {"points": [[1, 2, 3]]},
        {"points": [[1e9, 2]]},
        {"uid": "no uid"},
        {"frameNumber": 0},
        {"label": "nul \0"},
        {"color": "red"},
        {"spacing": {"columnMm": 0, "rowMm": 1, "source": "patient"}},
        {"values": [{"name": "length", "value": 1, "unit": "{x}"}]},
    ],
)
def test_what_is_no_mark_is_refused(radiologist: TestClient, draft: str, bent: dict[str, Any]) -> None:
    assert radiologist.post(draft, json={"revision": 0, "changed": [mark(1, **bent)]}).status_code == 422
    assert radiologist.get(draft).json()["revision"] == 0


def test_marks_and_drafts_are_bounded(
    radiologist: TestClient, archive: Archive, draft: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    few = archive.settings.model_copy(update={"marks_max": 2, "drafts_max": 1})
    short = archive.settings.model_copy(update={"draft_max_bytes": 500})
    monkeypatch.setattr(archive, "settings", few)
    base = change(radiologist, draft, revision=0, changed=[mark(1), mark(2)])["revision"]
    more = radiologist.post(draft, json={"revision": base, "changed": [mark(3)]})
    assert (more.status_code, "marks_max" in more.json()["detail"]) == (400, True)
    other = make.ct_slice()
    receive(archive, SYSTEM("api"), io.BytesIO(make.part10(other)))
    another = radiologist.post(f"/studies/{other.StudyInstanceUID}/draft", json={"revision": 0, "changed": [mark(1)]})
    assert (another.status_code, "drafts_max" in another.json()["detail"]) == (400, True)
    monkeypatch.setattr(archive, "settings", short)
    large = radiologist.post(draft, json={"revision": base, "changed": [mark(3)]})
    assert (large.status_code, "draft_max_bytes" in large.json()["detail"]) == (413, True)
    assert len(radiologist.get(draft).json()["marks"]) == 2


def test_there_are_no_drafts_of_strangers_or_on_studies_that_are_not_there(
    radiologist: TestClient, stranger: TestClient, draft: str
) -> None:
    assert stranger.get(draft).status_code == 401
    assert radiologist.get("/studies/1.2.3/draft").status_code == 404
    assert radiologist.post("/studies/1.2.3/draft", json={"revision": 0}).status_code == 404


def test_a_draft_becomes_a_report_of_the_study_and_is_none_any_more(
    radiologist: TestClient, clinician: TestClient, archive: Archive
) -> None:
    image = make.ct_slice(16)
    receive(archive, SYSTEM("api"), io.BytesIO(make.part10(image)))
    draft = f"/studies/{image.StudyInstanceUID}/draft"
    place = {"seriesInstanceUid": image.SeriesInstanceUID, "sopInstanceUid": image.SOPInstanceUID}
    old = change(radiologist, draft, revision=0, changed=[mark(1, **place)])["revision"]
    new = change(radiologist, draft, revision=old, changed=[mark(2, **place, label="", kind="arrow", values=[])])
    address = f"/studies/{image.StudyInstanceUID}/measurements"
    assert clinician.post(address, json={"revision": new["revision"]}).status_code == 403
    assert radiologist.post(address, json={"revision": old}).status_code == 409
    written = radiologist.post(address, json={"revision": new["revision"], "language": "de"})
    assert written.status_code == 201, written.text
    assert radiologist.get(draft).json()["revision"] == 0
    assert radiologist.post(address, json={"revision": new["revision"]}).status_code == 409
    (mine,) = radiologist.get(address).json()["documents"]
    (theirs,) = clinician.get(address).json()["documents"]
    assert (mine["isOwn"], theirs["isOwn"], mine["author"]) == (True, False, "Rosalind")
    assert mine["sopInstanceUid"] == written.json()["sopInstanceUid"]
    assert [(each["kind"], each["label"], each["points"]) for each in mine["marks"]] == [
        ("length", "Größe", [[1.5, 2.5], [3.25, 4.0]]),
        ("arrow", "", [[1.5, 2.5], [3.25, 4.0]]),
    ]
    assert mine["marks"][0]["values"] == [{"name": "length", "value": 2.3, "unit": "mm", "meaning": ""}]
