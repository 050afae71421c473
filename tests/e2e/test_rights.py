"""Whoever may not store is told so where something would be saved, and not first when the server refuses it."""

from __future__ import annotations

import pytest
from playwright.sync_api import Locator, expect

import make
from screen import OpenPage, ScreenServer

pytestmark = [pytest.mark.browser, pytest.mark.xdist_group("screen")]

REASON = "Nothing can be saved in the archive: your role lacks the right to store."


def may_not(panel: Locator, name: str) -> None:
    button = panel.get_by_role("button", name=name)
    expect(button).to_be_disabled()
    expect(button).to_have_accessible_description(REASON)


@pytest.mark.parametrize("role", ["clinician", "radiologist"])
def test_what_saves_in_the_archive_needs_the_right_and_says_so(
    open_page: OpenPage, screen_server: ScreenServer, role: str
) -> None:
    screen_server.add_person(f"saving-{role}", role)
    slices = make.ct_series(3, 32, PatientID=make.uid()[-12:], PatientName="Reads^Only")
    screen_server.store(*slices)
    page = open_page(f"/viewer/{slices[0].StudyInstanceUID}", name=f"saving-{role}")
    page.wait_for_function(
        "() => { const v = window.__filmless?.viewer; return v?.hasPreferences && v.keeping.state === 'kept'"
        " && v.viewport('pane1').values() && document.querySelector('[data-viewport=pane1] svg'); }",
        timeout=60_000,
    )

    # A mark, a key image, a state, a segmentation: all can be made, and show where they would be saved.
    page.keyboard.press("Shift+L")
    page.keyboard.press("Enter")
    page.wait_for_function("() => window.__filmless.viewer.keeping.hasDraft")
    for key in ("k", "Shift+M", "Shift+K", "Alt+s"):
        page.keyboard.press(key)
    measurements = page.get_by_role("complementary", name="Measurements")
    objects = page.get_by_role("complementary", name="On the images")
    segments = page.get_by_role("complementary", name="Draw segments")
    segments.get_by_role("button", name="New segmentation").click()
    objects.get_by_role("textbox", name="Name (16 letters)").fill("MINE")

    if role == "radiologist":
        expect(page.locator("[data-role=may-not-store]")).to_have_count(0)
        for panel, name in ((measurements, "Save as report (SR)"), (objects, "Save key images")):
            expect(panel.get_by_role("button", name=name)).to_be_enabled()
        expect(objects.get_by_role("button", name="Save as presentation state")).to_be_enabled()
        return

    may_not(measurements, "Save as report (SR)")
    expect(measurements.get_by_role("button", name="Discard what is in no report")).to_be_enabled()
    may_not(objects, "Save key images")
    may_not(objects, "Save as presentation state")
    may_not(segments, "Save")
    page.locator("[data-pane=pane1]").focus()
    page.keyboard.press("Control+s")
    expect(page.get_by_role("alert").filter(has_text=REASON)).to_be_visible()
    assert page.evaluate("window.__filmless.viewer.keeping.documents.length") == 0
    page.keyboard.press("Alt+k")
    remember = page.get_by_role("dialog", name="Remember this arrangement")
    may_not(remember, "Remember")
    page.keyboard.press("Escape")
    expect(remember).to_have_count(0)
    page.keyboard.press("Alt+h")
    expect(page.get_by_role("dialog", name="Hanging protocols")).to_contain_text(REASON)
