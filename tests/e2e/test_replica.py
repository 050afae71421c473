"""The storage page says how the replica stands: whole, behind, whole again. A server of its own has one."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from playwright.sync_api import Browser, Page, expect

import make
from screen import DESKTOP, PHONE, ScreenServer, watched

COMPLETE, WAITS = "Every image is in both places.", "2 instances wait to be copied. Waiting longest:"


@pytest.fixture
def replica(tmp_path: Path) -> Path:
    """A folder with a name that has no place to break at."""
    folder = tmp_path / ("a-disk-with-a-long-name-" * 4)
    folder.mkdir()
    return folder


@pytest.fixture
def replicated(tmp_path: Path, replica: Path) -> Iterator[ScreenServer]:
    server = ScreenServer(tmp_path / "data", settings={"replica_url": str(replica), "job_backoff_s": 1})
    server.start()
    server.sign_in()
    yield server
    server.stop()


def opened(browser: Browser, server: ScreenServer, is_phone: bool, complaints: list[str]) -> Page:
    context = browser.new_context(base_url=server.url, viewport=PHONE if is_phone else DESKTOP, locale="en-GB")
    context.add_cookies(server.cookies())
    page = watched(context, complaints)
    page.goto("/admin/storage")
    return page


def test_the_storage_page_says_what_it_lacks(browser: Browser, replicated: ScreenServer, replica: Path) -> None:
    complaints: list[str] = []
    replicated.store(*make.ct_series(2))
    desk, phone = (opened(browser, replicated, is_phone, complaints) for is_phone in (False, True))
    expect(desk.get_by_text(COMPLETE)).to_be_visible()
    away = replica.rename(replica.with_name("away"))
    replicated.store(*make.ct_series(2))
    for page in (desk, phone):
        page.reload()
        expect(page.get_by_text(WAITS)).to_be_visible()
        expect(page.get_by_text(COMPLETE)).to_have_count(0)
        expect(page.get_by_role("navigation").get_by_text("Storage")).to_be_in_viewport(ratio=0.9)
        assert page.evaluate("document.documentElement.scrollWidth - document.documentElement.clientWidth") == 0
    away.rename(replica)
    expect(desk.get_by_text(COMPLETE)).to_be_visible(timeout=30_000)
    for page in (desk, phone):
        page.context.close()
    assert complaints == []
