"""A real server and a real browser for the tests of the screen. Console errors and CSP violations fail a test."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from playwright.sync_api import Browser, BrowserContext, Page, ViewportSize, sync_playwright

from running import ADMIN
from screen import DESKTOP, FLAGS, PHONE, SCREEN, SHOTS, OpenPage, ScreenServer, browser_path, watched


@pytest.fixture(scope="session")
def screen_server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ScreenServer]:
    """One server for all browser tests of a worker; each test makes the studies that it looks for."""
    assert SCREEN.exists(), "the screen is not built: make setup"
    settings = {"sign_in_attempts_per_address_max": 1000}
    server = ScreenServer(tmp_path_factory.mktemp("screen") / "data", settings=settings)
    server.start()
    server.sign_in()
    server.forget_preferences()
    yield server
    server.stop()


@pytest.fixture(scope="session")
def browser() -> Iterator[Browser]:
    with sync_playwright() as playwright:
        chromium = playwright.chromium.launch(executable_path=browser_path(), args=FLAGS)
        yield chromium
        chromium.close()


@pytest.fixture(scope="session")
def admin_cookies(screen_server: ScreenServer) -> list[Any]:
    """The session of the administrator, signed in once."""
    return screen_server.cookies()


@pytest.fixture
def open_page(screen_server: ScreenServer, browser: Browser, admin_cookies: list[Any]) -> Iterator[OpenPage]:
    """Open pages, signed in as somebody or as nobody."""
    contexts: list[BrowserContext] = []
    complaints: list[str] = []

    def opened(
        path: str = "/", *, name: str | None = ADMIN, size: ViewportSize = DESKTOP, locale: str = "en-GB"
    ) -> Page:
        context = browser.new_context(
            base_url=screen_server.url, viewport=size, has_touch=size == PHONE, locale=locale, reduced_motion="reduce"
        )
        contexts.append(context)
        if name is not None:
            context.add_cookies(admin_cookies if name == ADMIN else screen_server.cookies(name))
        page = watched(context, complaints)
        page.goto(path)
        return page

    yield opened
    for context in contexts:
        context.close()
    screen_server.forget_preferences()
    assert complaints == []


@pytest.fixture(params=["desktop", "phone"])
def size(request: pytest.FixtureRequest) -> str:
    return str(request.param)


@pytest.fixture
def page(browser: Browser, admin_cookies: list[Any], request: pytest.FixtureRequest) -> Iterator[Page]:
    """A page of the signed-in administrator, at the size the test asks for."""
    is_phone = "size" in request.fixturenames and request.getfixturevalue("size") == "phone"
    context = browser.new_context(viewport=PHONE if is_phone else DESKTOP, has_touch=is_phone)
    context.add_cookies(admin_cookies)
    complaints: list[str] = []
    yield watched(context, complaints)
    context.close()
    assert complaints == []


@pytest.fixture
def shot(request: pytest.FixtureRequest) -> Path:
    """Where this test's screenshot goes, for people to look at."""
    SHOTS.mkdir(exist_ok=True)
    return SHOTS / f"{request.node.name}.png"
