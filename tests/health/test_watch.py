"""Health is told in time whatever hangs, with the moment since when, and to strangers without details."""

from __future__ import annotations

import json
import threading
import time
from collections.abc import Callable, Iterator

import pytest
from starlette.testclient import TestClient

from callers import ADDRESS, make_person
from filmless.access import tokens
from filmless.access.principal import SYSTEM
from filmless.app.web import create_web
from filmless.archive import Archive
from filmless.errors import Unavailable
from filmless.health import machine, records
from filmless.health.faults import FAULTS, Finding, broken, well
from filmless.health.watch import LOOK_S, Look, Watch
from waiting import until


@pytest.fixture
def gate() -> Iterator[threading.Event]:
    """Holds a look up until the test is over."""
    event = threading.Event()
    yield event
    event.set()


@pytest.fixture
def quick(monkeypatch: pytest.MonkeyPatch) -> None:
    """What was found is believed for an instant only."""
    monkeypatch.setattr("filmless.health.watch.LOOK_S", 0.01)


def fail(message: str) -> Callable[..., list[Finding]]:
    def examine(*_: object) -> list[Finding]:
        raise Unavailable(message)

    return examine


def test_a_look_that_hangs_is_a_fault_and_holds_nobody_up(gate: threading.Event) -> None:
    def hang() -> list[Finding]:
        gate.wait()
        return [well("database", "answers")]

    look = Look(hang, away="database_away", every_s=0.0)
    for _ in range(20):
        look.begin()
    before = threading.active_count()
    began = time.monotonic()
    (finding,) = look.findings(patience_s=0.2)
    assert finding.code == "database_away"
    assert "there was no answer" in finding.what
    look.begin()
    assert [finding.code for finding in look.findings(patience_s=0.2)] == ["database_away"]
    assert time.monotonic() - began < 5
    assert threading.active_count() <= before  # one thread waits, however often one asks
    gate.set()
    until(lambda: [finding.code for finding in look.findings(patience_s=0.2)] == [""])


def test_a_look_that_breaks_is_a_fault_and_not_an_error() -> None:
    def bug() -> list[Finding]:
        raise ZeroDivisionError

    look = Look(bug, away="disk_away", every_s=0.0)
    look.begin()
    (finding,) = look.findings(patience_s=5.0)
    assert (finding.code, "ZeroDivisionError" in finding.what) == ("disk_away", True)


def test_slowness_is_believed_when_two_looks_in_a_row_find_it() -> None:
    answers = iter([["database_slow"], [], ["database_slow"], ["database_slow"], []])
    look = Look(lambda: [broken(code, "slow") for code in next(answers)], away="database_away", every_s=0.0)
    told = []
    for _ in range(5):
        look.begin()
        until(lambda: look._began_at is None)
        told.append([finding.code for finding in look.findings(patience_s=5.0)])
    assert told == [[], [], [], ["database_slow"], []]


def test_a_fault_is_told_with_the_moment_since_when_until_it_is_over(
    quick: None, archive: Archive, monkeypatch: pytest.MonkeyPatch
) -> None:
    watch = Watch(archive)
    assert watch.faults() == []
    with monkeypatch.context() as broken_store:
        broken_store.setattr(machine, "examine_blobs", fail("the bucket is away"))
        before = time.time()
        until(lambda: bool(watch.faults()))
        (first,) = watch.faults()
        time.sleep(2 * LOOK_S / 10)
        (later,) = watch.faults()
    assert (first.code, first.what) == ("blobs_away", "the bucket is away")
    assert first.since is not None and before <= first.since <= time.time()
    assert later.since == first.since
    until(lambda: watch.faults() == [])


def test_the_worst_is_told_first(archive: Archive) -> None:
    levels = [finding.level for finding in Watch(archive).findings()]
    assert levels == sorted(levels, key=["problem", "warning", "ok"].index)
    assert set(levels) == {"problem", "warning", "ok"}


@pytest.fixture
def stranger(archive: Archive) -> TestClient:
    return TestClient(create_web(archive), base_url="http://testserver", client=(ADDRESS, 50000))


@pytest.fixture
def administrator(archive: Archive, stranger: TestClient) -> dict[str, str]:
    """The headers of an administrator."""
    person = make_person(archive, "Ada", "administrator")
    secret, _ = tokens.add_token(archive, SYSTEM("cli"), person.id, name="test")
    return {"Authorization": f"Bearer {secret}"}


def test_ready_is_said_in_a_word_and_as_json(stranger: TestClient) -> None:
    assert (stranger.get("/readyz").status_code, stranger.get("/readyz").text) == (200, "ready\n")
    assert stranger.get("/readyz", headers={"Accept": "application/json"}).json() == {"isReady": True, "faults": []}


def test_strangers_hear_the_kind_of_fault_and_administrators_the_details(
    quick: None, stranger: TestClient, administrator: dict[str, str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(machine, "examine_blobs", fail("s3://secret-name cannot be reached"))
    until(lambda: stranger.get("/readyz").status_code == 503)
    line = f"blobs_away: {FAULTS['blobs_away'].title}\n"
    assert stranger.get("/readyz").text == line
    told = stranger.get("/readyz", headers={"Accept": "application/json"})
    assert told.status_code == 503
    assert [fault["code"] for fault in told.json()["faults"]] == ["blobs_away"]
    assert told.json()["faults"][0]["whatToDo"]
    assert "secret-name" not in told.text

    health = stranger.get("/api/v1/health", headers=administrator).json()
    assert health["isReady"] is False
    assert health["level"] == "problem"
    (fault,) = [finding for finding in health["findings"] if finding["code"] == "blobs_away"]
    assert fault["what"] == "s3://secret-name cannot be reached"
    assert fault["means"] and fault["title"] == FAULTS["blobs_away"].title
    assert fault["since"] == told.json()["faults"][0]["since"]


def test_while_the_database_is_away_nobody_is_recognised_and_readyz_says_why(
    quick: None, stranger: TestClient, administrator: dict[str, str], archive: Archive, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(records, "examine_database", fail("the database does not answer: OperationalError"))
    monkeypatch.setattr(archive.database, "reading", fail("the database does not answer: OperationalError"))
    until(lambda: stranger.get("/readyz").status_code == 503)
    assert stranger.get("/readyz").text == f"database_away: {FAULTS['database_away'].title}\n"
    answer = stranger.get("/api/v1/health", headers=administrator)
    assert answer.status_code == 503
    assert "the database does not answer" in json.loads(answer.text)["detail"]
    assert int(answer.headers["Retry-After"]) > 0
