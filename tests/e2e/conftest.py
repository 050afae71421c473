"""A real server and a real browser for the tests of the screen. Console errors and CSP violations fail a test."""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest
from playwright.sync_api import Browser, BrowserContext, Page, sync_playwright

from running import ADMIN, PASSWORD, RunningServer

ROOT = Path(__file__).resolve().parents[2]
FLAGS = [
    "--no-sandbox",
    "--use-gl=angle",
    "--use-angle=swiftshader",
    "--enable-unsafe-swiftshader",
    "--ignore-gpu-blocklist",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
]
DESKTOP = {"width": 1440, "height": 900}
PHONE = {"width": 390, "height": 844}


def browser_path() -> str:
    """The machine's own Chromium (or what FILMLESS_CHROMIUM names)."""
    names = (os.environ.get("FILMLESS_CHROMIUM"), "chromium", "chromium-browser", "google-chrome")
    found = next((path for name in names if name and (path := shutil.which(name))), None)
    assert found, "no Chromium: apt-get install chromium, or name one in FILMLESS_CHROMIUM"
    return found


@pytest.fixture(scope="session")
def screen_server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningServer]:
    """One server for all browser tests of a worker."""
    server = RunningServer(tmp_path_factory.mktemp("screen") / "data")
    server.start()
    server.sign_in()
    yield server
    server.stop()


@pytest.fixture(scope="session")
def browser() -> Iterator[Browser]:
    with sync_playwright() as playwright:
        chromium = playwright.chromium.launch(executable_path=browser_path(), args=FLAGS)
        yield chromium
        chromium.close()


@pytest.fixture(scope="session")
def cookies(browser: Browser, screen_server: RunningServer) -> list[dict[str, object]]:
    """The session of the administrator, signed in once through the page."""
    context = browser.new_context(viewport=DESKTOP)  # type: ignore[arg-type]
    page = context.new_page()
    sign_in(page, screen_server)
    found = context.cookies()
    context.close()
    return list(found)  # type: ignore[arg-type]


def sign_in(page: Page, server: RunningServer) -> None:
    page.goto(server.url)
    page.get_by_label("Name").fill(ADMIN)
    page.get_by_label("Password").first.fill(PASSWORD)
    page.keyboard.press("Enter")
    page.get_by_placeholder("Name, ID, accession or description").wait_for()


def watched(context: BrowserContext, complaints: list[str]) -> Page:
    """A page whose console errors are noted."""
    page = context.new_page()
    page.on("pageerror", lambda error: complaints.append(str(error)))
    page.on("console", lambda message: complaints.append(message.text) if message.type == "error" else None)
    return page


@pytest.fixture(params=["desktop", "phone"])
def size(request: pytest.FixtureRequest) -> str:
    return str(request.param)


@pytest.fixture
def page(browser: Browser, cookies: list[dict[str, object]], request: pytest.FixtureRequest) -> Iterator[Page]:
    """A page of the signed-in administrator, at the size the test asks for."""
    is_phone = "size" in request.fixturenames and request.getfixturevalue("size") == "phone"
    context = browser.new_context(viewport=PHONE if is_phone else DESKTOP, has_touch=is_phone)  # type: ignore[arg-type]
    context.add_cookies(cookies)  # type: ignore[arg-type]
    complaints: list[str] = []
    yield watched(context, complaints)
    context.close()
    assert complaints == []


@pytest.fixture
def shot(request: pytest.FixtureRequest) -> Path:
    """Where this test's screenshot goes, for people to look at."""
    folder = ROOT / "test-results"
    folder.mkdir(exist_ok=True)
    return folder / f"{request.node.name}.png"
