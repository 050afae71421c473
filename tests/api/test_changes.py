"""The change feed as a program follows it."""

from __future__ import annotations

import io
import threading
import time
from collections.abc import Callable
from typing import Any

import pytest
from sqlalchemy import update
from starlette.testclient import TestClient

import make
from callers import make_person
from filmless.access import tokens
from filmless.access.principal import SYSTEM
from filmless.archive import Archive, events, feed
from filmless.archive.jobs import Worker
from filmless.archive.metadata import series_quiet
from filmless.archive.tables import events as table
from filmless.config import Settings
from filmless.retrieve.make_renditions import make_renditions
from filmless.routing.availability import study_quiet
from filmless.store.receive import receive

STUDY, SERIES = "1.2.3.4", "1.2.3.4.5"


@pytest.fixture
def settings(settings: Settings) -> Settings:
    return settings.model_copy(update={"series_quiet_s": 0.0, "changes_wait_max_s": 5.0})


def store(archive: Archive, number: int) -> str:
    ds = make.ct_slice(StudyInstanceUID=STUDY, SeriesInstanceUID=SERIES, InstanceNumber=number)
    receive(archive, SYSTEM("cli"), io.BytesIO(make.part10(ds)))
    return str(ds.SOPInstanceUID)


def publish(archive: Archive, name: str, key: str, study_instance_uid: str | None = None) -> None:
    with archive.transaction() as session:
        events.publish(session, name, key, study_instance_uid)


def changes(client: TestClient, **parameters: Any) -> Any:
    answer = client.get("/changes", params=parameters)
    assert answer.status_code == 200, answer.text
    return answer.json()


def told(page: Any) -> list[tuple[str, str]]:
    return [(item["name"], item["key"]) for item in page["items"] if item["name"] not in ("job", "study")]


def test_storing_is_told_from_the_first_instance_to_the_completed_study(
    administrator: TestClient, archive: Archive
) -> None:
    start = changes(administrator, since="latest")
    first, second = store(archive, 1), store(archive, 2)
    work = {"series_quiet": series_quiet, "study_quiet": study_quiet, "make_renditions": make_renditions}
    Worker(archive, work).run_due()

    page = changes(administrator, since=start["cursor"])

    assert told(page) == [
        ("study_stored", STUDY),
        ("series_stored", SERIES),
        ("instance_stored", first),
        ("instance_stored", second),
        ("series_completed", SERIES),
        ("study_completed", STUDY),
    ]
    assert {item["studyInstanceUid"] for item in page["items"] if item["name"] != "job"} == {STUDY}
    assert changes(administrator, since=page["cursor"])["items"] == []


def test_pages_follow_each_other_without_gap_or_overlap(radiologist: TestClient, archive: Archive) -> None:
    for number in range(7):
        publish(archive, "study_stored", f"1.{number}", f"1.{number}")
    seen, cursor, has_more = [], None, True
    while has_more:
        page = changes(radiologist, limit=3, **({"since": cursor} if cursor else {}))
        cursor, has_more = page["cursor"], page["hasMore"]
        seen += [item["key"] for item in page["items"]]

    assert seen == [f"1.{number}" for number in range(7)]


def test_each_change_carries_the_cursor_to_go_on_after_it(radiologist: TestClient, archive: Archive) -> None:
    for key in ("1.1", "1.2", "1.3"):
        publish(archive, "study_stored", key, key)
    first = changes(radiologist)["items"][0]

    assert [item["key"] for item in changes(radiologist, since=first["cursor"])["items"]] == ["1.2", "1.3"]


def test_only_the_names_asked_for_are_told(radiologist: TestClient, archive: Archive) -> None:
    publish(archive, "study_stored", "1.1", "1.1")
    publish(archive, "study_completed", "1.1", "1.1")
    publish(archive, "series_completed", "1.1", "1.1")

    page = changes(radiologist, name=["study_completed", "series_completed"])

    assert [item["name"] for item in page["items"]] == ["study_completed", "series_completed"]
    wrong = radiologist.get("/changes", params={"name": "study_compleet"})
    assert wrong.status_code == 400
    assert "study_completed" in wrong.json()["detail"]


def test_what_is_about_no_study_is_told_to_administrators_only(
    administrator: TestClient, radiologist: TestClient, archive: Archive
) -> None:
    publish(archive, "peer", "CT1")
    publish(archive, "study_stored", "1.1", "1.1")

    assert [item["key"] for item in changes(radiologist)["items"]] == ["1.1"]
    assert [item["key"] for item in changes(administrator, name="peer")["items"]] == ["CT1"]


def test_who_may_see_no_study_is_told_of_none(app: Any, archive: Archive) -> None:
    person = make_person(archive, "Stella", "technologist")
    secret, _ = tokens.add_token(archive, SYSTEM("cli"), person.id, name="store only", rights=["store"])
    publish(archive, "study_stored", "1.1", "1.1")
    headers = {"Authorization": f"Bearer {secret}"}
    with TestClient(app, base_url="http://testserver/api/v1", headers=headers) as client:
        assert changes(client)["items"] == []


def test_an_expired_cursor_is_gone_and_the_answer_says_how_to_start_over(
    radiologist: TestClient, archive: Archive
) -> None:
    publish(archive, "study_stored", "1.1", "1.1")
    cursor = changes(radiologist, since="latest")["cursor"]
    publish(archive, "study_stored", "1.2", "1.2")
    publish(archive, "study_stored", "1.3", "1.3")
    with archive.transaction() as session:
        session.execute(update(table).values(at=table.c.at - 10 * 86400))
        feed.forget_before(session, time.time() - 86400)

    answer = radiologist.get("/changes", params={"since": cursor})

    assert answer.status_code == 410
    assert "since=latest" in answer.json()["detail"]
    again = changes(radiologist, since="latest")
    publish(archive, "study_stored", "1.4", "1.4")
    assert [item["key"] for item in changes(radiologist, since=again["cursor"])["items"]] == ["1.4"]


def test_a_waiting_request_is_answered_when_something_happens(radiologist: TestClient, archive: Archive) -> None:
    start = changes(radiologist, since="latest")
    timer = threading.Timer(0.3, publish, (archive, "study_stored", "1.1", "1.1"))
    timer.start()

    page = changes(radiologist, since=start["cursor"], wait_s=60)

    timer.join()
    assert [item["key"] for item in page["items"]] == ["1.1"]


def test_a_wait_in_vain_ends_with_an_empty_answer_and_a_cursor_that_holds(
    radiologist: TestClient, archive: Archive
) -> None:
    start = changes(radiologist, since="latest")
    publish(archive, "peer", "CT1")

    page = changes(radiologist, since=start["cursor"], wait_s=0.2)

    assert page["items"] == []
    publish(archive, "study_stored", "1.1", "1.1")
    assert [item["key"] for item in changes(radiologist, since=page["cursor"])["items"]] == ["1.1"]


@pytest.mark.parametrize("role", ["radiologist", "clinician"])
def test_everybody_who_may_read_may_follow(sign_in: Callable[[str, str], TestClient], role: str) -> None:
    assert changes(sign_in("Some", role))["items"] == []
