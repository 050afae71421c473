"""The page of health: what is broken in words, and what the screen says while the database is away."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from playwright.sync_api import Browser, Page, expect

from filmless.archive import Archive, jobs
from filmless.config import Settings
from own_postgres import PostgresServer
from screen import DESKTOP, PHONE, SHOTS, ScreenServer, serious_findings, watched

pytestmark = [pytest.mark.browser, pytest.mark.xdist_group("pages"), pytest.mark.timeout(120)]


@pytest.fixture(scope="module")
def postgres() -> Iterator[PostgresServer]:
    server = PostgresServer()
    server.start()
    yield server
    server.remove()


@pytest.fixture(scope="module")
def own_server(tmp_path_factory: pytest.TempPathFactory, postgres: PostgresServer) -> Iterator[ScreenServer]:
    """A server whose database can be taken away."""
    settings = {"database_url": postgres.url, "log_level": "critical"}
    server = ScreenServer(tmp_path_factory.mktemp("health") / "data", settings=settings)
    server.start()
    yield server
    server.stop()


@pytest.fixture(scope="module")
def own_cookies(own_server: ScreenServer) -> list[Any]:
    return own_server.cookies()


@pytest.fixture
def health_page(own_server: ScreenServer, own_cookies: list[Any], browser: Browser) -> Iterator[Page]:
    context = browser.new_context(base_url=own_server.url, viewport=DESKTOP, locale="en-GB")
    context.add_cookies(own_cookies)
    complaints: list[str] = []
    page = watched(context, complaints)
    page.goto("/admin/health")
    yield page
    context.close()
    # What the router met it prints, and the stream of events ends with the database that it is read from.
    expected = (
        "503 (Service Unavailable)",
        "ApiError: the database does not answer",
        "ERR_INCOMPLETE_CHUNKED_ENCODING",
    )
    assert [each for each in complaints if not any(text in each for text in expected)] == []


def check(page: Page, name: str) -> None:
    """Keep a picture for people to look at, at a desk and on a phone, and look for what machines can see."""
    SHOTS.mkdir(exist_ok=True)
    for size in (PHONE, DESKTOP):
        page.set_viewport_size(size)
        page.screenshot(path=SHOTS / f"{name}-{size['width']}.png")
        assert page.evaluate("document.documentElement.scrollWidth <= innerWidth"), "the page is wider than the screen"
        assert serious_findings(page) == []


def test_a_job_that_was_given_up_is_named_with_what_to_do_and_goes_when_it_is_retried(
    health_page: Page, own_server: ScreenServer, own_cookies: list[Any], browser: Browser, tmp_path: Path
) -> None:
    with Archive.open(Settings(data=tmp_path, database_url=own_server.settings["database_url"])) as archive:
        with archive.transaction() as session:
            job = jobs.enqueue(session, "no_such_job", {})
        card = health_page.get_by_role("article").filter(has_text="Jobs were given up.")
        expect(card).to_contain_text("one was given up", timeout=15_000)
        expect(card).to_contain_text("mend the cause, then retry them")
        expect(card).to_contain_text("since")
        check(health_page, "health-warning")
        german = browser.new_context(base_url=own_server.url, viewport=DESKTOP, locale="de-DE")
        german.add_cookies(own_cookies)
        page = german.new_page()
        page.goto("/admin/health")
        card_in_german = page.get_by_role("article").filter(has_text="Aufträge wurden aufgegeben.")
        expect(card_in_german).to_contain_text("einer wurde aufgegeben")
        expect(card_in_german).to_contain_text("die Ursache beheben, dann wiederholen")
        well = page.get_by_role("region").or_(page.locator("section")).filter(has_text="In Ordnung").last
        expect(well).to_contain_text("PostgreSQL antwortet")
        expect(well).to_contain_text("verwaltet")
        page.screenshot(path=SHOTS / "health-german-1440.png", full_page=True)
        german.close()
        with archive.transaction() as session:
            jobs.cancel(session, job)
    expect(card).to_be_hidden(timeout=15_000)


def test_a_database_that_is_away_is_named_to_whoever_looks_and_goes_when_it_is_back(
    health_page: Page, postgres: PostgresServer
) -> None:
    expect(health_page.get_by_role("heading", name="Health")).to_be_visible()
    postgres.stop("immediate")
    card = health_page.get_by_role("article").filter(has_text="The database does not answer.")
    expect(card).to_contain_text("Nothing that was acknowledged is lost.", timeout=20_000)
    check(health_page, "health-away")
    health_page.reload()
    expect(card).to_be_visible(timeout=20_000)
    check(health_page, "health-away-opened")
    postgres.start()
    expect(card).to_be_hidden(timeout=20_000)
