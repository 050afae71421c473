"""The reader's hands: own keys, mouse and windows, which follow the person; the studies before and after; priors."""

from __future__ import annotations

from typing import Any

import pytest
from playwright.sync_api import Page

import make
from screen import OpenPage, ScreenServer
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
READY = """(uid) => { const v = window.__filmless?.viewer?.viewport('pane1');
  return v?.status === 'ready' && v.imageIds[0].includes(uid); }"""


def voi(page: Page) -> dict[str, Any]:
    return dict(page.evaluate("() => window.__filmless.viewer.viewport('pane1').voi"))


def viewed(page: Page, pane: str = "pane1") -> Any:
    return page.evaluate("(pane) => window.__filmless.viewer.viewport(pane)", pane)


def saved(page: Page, name: str, wanted: Any) -> None:
    """Wait until the server has a preference."""
    until(
        lambda: (
            page.evaluate("async () => (await (await fetch('/api/v1/preferences')).json()).values").get(name) == wanted
        )
    )


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
    until(
        lambda: (
            page.evaluate("async () => (await (await fetch('/api/v1/preferences')).json()).values")["windowPresets"][
                "CT"
            ][0]
            == {"name": "Mine", "width": 777, "center": 33}
        )
    )

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
    assert screen_server.call("GET", "/preferences") == {"values": {}}
