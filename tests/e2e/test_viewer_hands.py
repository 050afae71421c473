"""The reader's hands: own keys, mouse and windows, which follow the person; the studies before and after; priors."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from playwright.sync_api import Page, expect
from pydicom.dataset import Dataset

import make
from screen import OpenPage, ScreenServer, serious_findings
from waiting import until

pytestmark = [pytest.mark.browser, pytest.mark.xdist_group("screen")]

MOUSE = {
    "left": "window",
    "middle": "pan",
    "right": "zoom",
    "wheel": "scroll",
    "isWheelReversed": False,
    "back": "none",
    "forward": "none",
}
PREFERENCES = "async () => (await (await fetch('/api/v1/preferences')).json()).values"
READY = """(uid) => { const v = window.__filmless?.viewer?.viewport('pane1');
  return v?.status === 'ready' && v.imageIds[0].includes(uid) && window.__filmless.viewer.hasPreferences
    && new Promise(done => requestAnimationFrame(() => requestAnimationFrame(() => done(true)))); }"""


def voi(page: Page) -> dict[str, Any]:
    return dict(page.evaluate("() => window.__filmless.viewer.viewport('pane1').voi"))


def saved(page: Page, name: str, wanted: Any) -> None:
    """Wait until the server has a preference."""
    until(lambda: page.evaluate(PREFERENCES).get(name) == wanted)


def test_the_patient_is_legible_beside_all_tools(open_page: OpenPage, screen_server: ScreenServer) -> None:
    ct = make.ct_slice(32, PatientID="LEGIBLE-1", PatientName="Waldmueller^Anna Katharina", PatientBirthDate="19610304")
    screen_server.store(ct)
    page = open_page(f"/viewer/{ct.StudyInstanceUID}")
    page.wait_for_function(READY, arg=ct.StudyInstanceUID)
    name = page.get_by_role("banner").get_by_role("heading", level=1)
    last = page.get_by_role("toolbar").get_by_role("button").last
    for width in (1440, 1280, 1024):
        page.set_viewport_size({"width": width, "height": 800})
        page.wait_for_function("width => innerWidth === width", arg=width)
        expect(name).to_have_text("Waldmueller, Anna Katharina")
        assert name.evaluate(
            "each => [each, ...each.querySelectorAll('*')].every(e => e.scrollWidth <= e.clientWidth + 1"
            " || getComputedStyle(e).display === 'inline')"
        )
        assert page.evaluate("document.documentElement.scrollWidth") == width
        last.scroll_into_view_if_needed()
        box = last.bounding_box()
        assert box and box["x"] + box["width"] <= width
        page.screenshot(path=f"/tmp/legible-{width}.png")


def test_keys_mouse_and_windows_follow_the_person(open_page: OpenPage, screen_server: ScreenServer) -> None:
    screen_server.add_person("handy", "radiologist")
    ct = make.ct_slice(32)
    screen_server.store(ct)
    page = open_page(f"/viewer/{ct.StudyInstanceUID}", name="handy")
    page.wait_for_function(READY, arg=ct.StudyInstanceUID)

    # A key that is taken is shown with what it does, and given over when the person says so.
    page.keyboard.press("Shift+?")
    page.get_by_role("button", name="Change keys").click()
    page.get_by_role("button", name="Change the key of: Invert").click()
    page.keyboard.press("f")
    alert = page.get_by_role("alert")
    alert.wait_for()
    assert "Fit to viewport" in alert.inner_text()
    page.get_by_role("button", name="Take it").click()
    saved(page, "hotkeys", {"viewer.fit": ["="], "viewer.invert": ["f"]})
    page.keyboard.press("Escape")
    page.locator("[role=dialog]").wait_for(state="detached")
    page.keyboard.press("f")
    page.wait_for_function("() => window.__filmless.viewer.viewport('pane1').isInverted")

    # Commands stand in the palette with the person's keys.
    page.keyboard.press("Control+k")
    page.get_by_role("textbox").fill("viewer pref")
    page.get_by_role("button", name="Viewer preferences").last.click()
    page.get_by_role("combobox", name="Middle button").click()
    page.get_by_role("option", name="Scroll").click()
    page.get_by_role("tab", name="Windows").click()
    page.get_by_label("Name of window 1").fill("Mine")
    page.get_by_label("Width of window 1", exact=True).fill("777")
    page.get_by_label("Center of window 1", exact=True).fill("33")
    saved(page, "mouse", {**MOUSE, "middle": "scroll"})
    mine = {"name": "Mine", "width": 777, "center": 33}
    until(lambda: page.evaluate(PREFERENCES).get("windowPresets", {}).get("CT", [None])[0] == mine)

    # In another browser all of it is there.
    other = open_page(f"/viewer/{ct.StudyInstanceUID}", name="handy")
    other.wait_for_function(READY, arg=ct.StudyInstanceUID)
    other.get_by_role("button", name="Invert").wait_for()
    other.keyboard.press("1")
    other.wait_for_function("() => window.__filmless.viewer.viewport('pane1').voi?.width === 777")
    assert voi(other)["center"] == 33
    other.keyboard.press("f")
    other.wait_for_function("() => window.__filmless.viewer.viewport('pane1').isInverted")
    # Nobody else has them.
    screen_server.add_person("unhandy", "radiologist")
    nobody = open_page("/", name="unhandy")
    assert nobody.evaluate(PREFERENCES) == {}


def test_the_next_study_of_the_list_is_warm_and_opens_without_reload(
    open_page: OpenPage, screen_server: ScreenServer
) -> None:
    studies = [make.ct_slice(32, PatientID=f"NEXT{number}", StudyDate=f"2023010{number}") for number in (1, 2, 3)]
    screen_server.store(*studies)
    newest, middle, oldest = (ds.StudyInstanceUID for ds in reversed(studies))
    page = open_page("/?q=NEXT")
    page.get_by_text("NEXT3").first.wait_for()
    page.evaluate("() => { window.wasHere = true }")
    asked: list[str] = []
    page.on("request", lambda request: asked.append(request.url))
    with page.expect_request(lambda request: middle in request.url and "/frames/" in request.url):  # it is warmed
        page.evaluate(
            f"() => {{ history.pushState(null, '', '/viewer/{newest}'); dispatchEvent(new PopStateEvent('popstate')) }}"
        )
        page.wait_for_function(READY, arg=newest)
    assert page.locator("[data-role=place]").inner_text() == "1 of 3"
    asked.clear()
    page.keyboard.press("Shift+PageDown")
    page.wait_for_function(READY, arg=middle)
    assert not [url for url in asked if middle in url and ("/metadata" in url or "/frames/" in url)]
    page.get_by_role("button", name="Next study of the list").click()
    page.wait_for_function(READY, arg=oldest)
    assert page.get_by_role("button", name="Next study of the list").is_disabled()
    page.keyboard.press("Shift+PageUp")
    page.wait_for_function(READY, arg=middle)
    assert page.evaluate("() => window.wasHere")


def test_a_prior_is_hung_by_one_key_and_never_of_another_patient(
    open_page: OpenPage, screen_server: ScreenServer, shot: Path
) -> None:
    def chest(level: int, day: str, **more: Any) -> Dataset:
        pixels = np.full((32, 32), level + 1024, np.int16)
        return make.ct_slice(32, PatientID="PRIOR1", StudyDate=day, PixelData=pixels.tobytes(), **more)

    current = chest(100, "20240105", StudyDescription="CT Thorax")
    prior = chest(60, "20210105", StudyDescription="CT chest")
    brain = chest(30, "20230105", StudyDescription="CT brain", BodyPartExamined="HEAD", Modality="MR")
    stranger = chest(0, "20200105", StudyDescription="CT Thorax", PatientBirthDate="19111111")
    screen_server.store(current, prior, brain, stranger)
    page = open_page(f"/viewer/{current.StudyInstanceUID}")
    page.wait_for_function(READY, arg=current.StudyInstanceUID)
    asked: list[str] = []
    page.on("request", lambda request: asked.append(request.url))

    page.keyboard.press("y")
    page.wait_for_function("() => window.__filmless.viewer.viewport('pane2').status === 'ready'")
    values = [
        page.evaluate("(id) => window.__filmless.viewer.viewport(id).value(5, 5)", id) for id in ("pane1", "pane2")
    ]
    assert values == [100, 60]
    assert page.locator("[data-pane=pane1] [data-role=ribbon]").get_attribute("data-study") == "current"
    assert page.locator("[data-pane=pane2] [data-role=ribbon]").get_attribute("data-study") == "prior"
    assert page.evaluate("() => window.__filmless.viewer.active") == "pane1"
    # Only what was hung was fetched.
    assert not [url for url in asked if brain.StudyInstanceUID in url]

    page.keyboard.press("Shift+Y")
    offered = page.locator(f"[data-prior='{prior.StudyInstanceUID}']")
    assert "Same region: chest" in offered.inner_text()
    assert "Same modality: CT" in offered.inner_text()
    page.screenshot(path=shot)
    assert serious_findings(page) == []
    # The id is the same and the date of birth is not: it is refused, and what hangs stays.
    page.locator(f"[data-prior='{stranger.StudyInstanceUID}']").click()
    page.get_by_role("alert").wait_for()
    assert "another patient" in page.get_by_role("alert").inner_text()
    assert page.evaluate("() => window.__filmless.viewer.viewport('pane2').value(5, 5)") == 60
    assert page.locator("header h1").inner_text() == "Doe, Jane"
