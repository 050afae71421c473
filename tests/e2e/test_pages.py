"""Every page at a desk and on a phone: nothing overflows, axe finds nothing serious, in English and German."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from playwright.sync_api import Page, ViewportSize, expect

import make
from screen import DESKTOP, PHONE, SHOTS, OpenPage, ScreenServer, serious_findings

pytestmark = [pytest.mark.browser, pytest.mark.xdist_group("pages")]

SIZES = pytest.mark.parametrize("size", [DESKTOP, PHONE], ids=["desktop", "phone"])


@pytest.fixture(scope="module")
def study_uid(screen_server: ScreenServer) -> str:
    """A study with a series of pictures and one without."""
    slices = make.ct_series(3, rows=64, PatientName="Página^Ejemplo=例=れい", PatientID="PAGES")
    report = make.text_report(
        PatientName=slices[0].PatientName,
        PatientID="PAGES",
        StudyInstanceUID=slices[0].StudyInstanceUID,
        SeriesDescription="Report",
    )
    screen_server.store(*slices, report)
    return str(slices[0].StudyInstanceUID)


def check(page: Page, name: str) -> None:
    """Keep a picture for people to look at, then look for what machines can see."""
    assert page.viewport_size
    SHOTS.mkdir(exist_ok=True)
    page.screenshot(path=SHOTS / f"{name}-{page.viewport_size['width']}.png")
    assert page.evaluate("document.documentElement.scrollWidth <= innerWidth"), "the page is wider than the screen"
    assert serious_findings(page) == []


@SIZES
def test_sign_in(open_page: OpenPage, size: ViewportSize) -> None:
    page = open_page(name=None, size=size)
    expect(page.get_by_role("button", name="Sign in")).to_be_visible()
    check(page, "sign-in")


@SIZES
def test_studies(open_page: OpenPage, size: ViewportSize, study_uid: str) -> None:
    page = open_page(size=size)
    expect(page.locator("[data-study]").first).to_be_visible()
    check(page, "studies")


@SIZES
def test_study(open_page: OpenPage, size: ViewportSize, study_uid: str) -> None:
    page = open_page(f"/studies/{study_uid}", size=size)
    expect(page.get_by_role("listitem").first).to_be_visible()
    page.wait_for_function("() => document.querySelector('li img')?.naturalWidth > 0")
    check(page, "study")


@SIZES
@pytest.mark.parametrize("section", ["health", "people", "peers", "webhooks", "jobs", "storage", "audit"])
def test_administration(open_page: OpenPage, size: ViewportSize, section: str) -> None:
    page = open_page(f"/admin/{section}", size=size)
    expect(page.get_by_role("heading", level=2).first).to_be_visible()
    page.wait_for_load_state("load")
    check(page, section)


@SIZES
def test_viewer(open_page: OpenPage, size: ViewportSize, study_uid: str) -> None:
    page = open_page(f"/viewer/{study_uid}", size=size)
    page.wait_for_function("() => window.__filmless?.viewer?.viewport(window.__filmless.viewer.active)?.imageId")
    check(page, "viewer")


def at_filters(page: Page) -> None:
    page.get_by_role("button", name="Filters").click()


def at_date(page: Page) -> None:
    page.get_by_role("button", name="Any date").click()


def at_keys(page: Page) -> None:
    page.keyboard.press("?")


def at_palette(page: Page) -> None:
    page.keyboard.press("Control+k")


def at_account(page: Page) -> None:
    page.get_by_role("button", name="Account").click()


@pytest.mark.parametrize(
    ("size", "opening", "name"),
    [
        (PHONE, at_filters, "filters"),
        (DESKTOP, at_date, "date"),
        (DESKTOP, at_keys, "keys"),
        (DESKTOP, at_palette, "palette"),
        (PHONE, at_palette, "palette"),
        (DESKTOP, at_account, "account"),
        (PHONE, at_account, "account"),
    ],
)
def test_what_opens_over_the_page(
    open_page: OpenPage, study_uid: str, size: ViewportSize, opening: Callable[[Page], None], name: str
) -> None:
    page = open_page(size=size)
    expect(page.locator("[data-study]").first).to_be_visible()
    opening(page)
    expect(page.get_by_role("dialog").or_(page.get_by_role("menu"))).to_be_visible()
    page.wait_for_timeout(300)  # what opens is half transparent at first
    check(page, name)


@SIZES
def test_dialogs_of_administration(open_page: OpenPage, size: ViewportSize) -> None:
    for path, button in (("/admin/people", "Add person"), ("/admin/peers", "Add peer")):
        page = open_page(path, size=size)
        page.get_by_role("button", name=button).click()
        expect(page.get_by_role("dialog")).to_be_visible()
        page.wait_for_timeout(300)
        check(page, button.lower().replace(" ", "-"))


def test_the_screen_speaks_german(open_page: OpenPage, study_uid: str) -> None:
    page = open_page("/?id=PAGES", locale="de-DE")
    expect(page.get_by_role("link", name="Studien", exact=True)).to_be_visible()
    assert page.evaluate("document.documentElement.lang") == "de"
    page.get_by_role("button", name="Konto").click()
    page.get_by_role("menuitem", name="English").click()
    expect(page.get_by_role("link", name="Studies", exact=True)).to_be_visible()
    page.reload()
    expect(page.get_by_role("link", name="Studies", exact=True)).to_be_visible()


def test_the_first_thing_that_tab_reaches_skips_the_header(open_page: OpenPage, study_uid: str) -> None:
    page = open_page(f"/studies/{study_uid}")
    expect(page.get_by_role("heading", level=1)).to_be_visible()
    page.keyboard.press("Tab")
    expect(page.get_by_role("link", name="Skip to content")).to_be_focused()
