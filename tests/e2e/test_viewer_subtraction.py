"""Masks in the viewer: subtracted, moved, chosen anew, brought by a state; and states that are not applied here."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from playwright.sync_api import Browser, Page, expect
from pydicom import Dataset
from pydicom.sequence import Sequence

from presenting import angiogram, item, masked, state, window
from screen import DESKTOP, ScreenServer, serious_findings, watched

pytestmark = [pytest.mark.browser, pytest.mark.xdist_group("screen")]

SIDE = 64
WHO: dict[str, Any] = {"PatientName": "Subtracted^Susi", "PatientID": "SUBTRACTED-1"}
PANE = "window.__filmless.viewer.viewport('pane1')"


def frames() -> Any:
    """Five frames: bone that does not move, and from the third on a vessel that fills."""
    rows, columns = np.mgrid[0:SIDE, 0:SIDE]
    bone = 2000 + 600 * np.sin(rows / 7.0) + 500 * np.cos(columns / 5.0)
    vessel = np.abs(columns - 32 - 6 * np.sin(rows / 9.0)) < 3
    return np.stack([np.rint(bone - vessel * 250 * max(0, number - 1)) for number in range(5)])


RUN = frames()


@pytest.fixture(scope="module")
def run(screen_server: ScreenServer) -> Dataset:
    """A run that recommends subtraction, and four states of it."""
    mask = Sequence([item(MaskOperation="AVG_SUB", MaskFrameNumbers=[1])])
    image = angiogram(RUN, SeriesDescription="Run", SeriesNumber=1, MaskSubtractionSequence=mask, **WHO)
    says = {**masked("TID", TIDOffset=2, MaskSubPixelShift=[1.0, 2.0]), "SoftcopyVOILUTSequence": window(-100, 800)}
    gsps = state(image, ContentLabel="SHIFTED", SeriesDescription="States", SeriesNumber=2, **says)
    part = item(StartTrim=1, StopTrim=5, RecommendedViewingMode="SUB", MaskVisibilityPercentage=50.0)
    seen = Sequence([item(FrameDisplaySequence=Sequence([part]))])
    regions = Sequence([item(MaskSubPixelShift=[0.0, 0.0])])
    shifts = Sequence([item(PixelShiftFrameRange=[1, 5], RegionPixelShiftSequence=regions)])
    second = Sequence([item(MaskOperation="AVG_SUB", MaskFrameNumbers=[2], PixelShiftSequence=shifts)])
    xa = state(
        image, ContentLabel="HALF", SOPClassUID="1.2.840.10008.5.1.4.1.1.11.5", MultiFramePresentationSequence=seen,
        MaskSubtractionSequence=second,
    )  # fmt: skip
    coloured = state(image, ContentLabel="COLOURED", SOPClassUID="1.2.840.10008.5.1.4.1.1.11.3")
    volumetric = state(image, ContentLabel="VOLUMETRIC", SOPClassUID="1.2.840.10008.5.1.4.1.1.11.6")
    for each in (xa, coloured, volumetric):
        each.SeriesInstanceUID = gsps.SeriesInstanceUID
    screen_server.store(image, gsps, xa, coloured, volumetric)
    return image


@pytest.fixture(scope="module")
def viewer(screen_server: ScreenServer, browser: Browser, admin_cookies: list[Any], run: Dataset) -> Iterator[Page]:
    context = browser.new_context(base_url=screen_server.url, viewport=DESKTOP, reduced_motion="reduce")
    context.add_cookies(admin_cookies)
    complaints: list[str] = []
    page = watched(context, complaints)
    page.goto(f"/viewer/{run.StudyInstanceUID}")
    page.wait_for_function("() => window.__filmless?.viewer?.displaySets.length >= 5", timeout=60_000)
    page.get_by_role("navigation", name="Series").get_by_role("button").filter(has_text="Run").first.click()
    page.wait_for_function(f"() => {PANE}.status === 'ready' && {PANE}.values() !== null")
    page.locator("[data-pane=pane1]").focus()
    yield page
    context.close()
    assert complaints == []


def shows(page: Page, truth: Any) -> None:
    """Hold that the viewport comes to show these values."""
    page.wait_for_function(
        f"""truth => {{ const shown = {PANE}.values();
          return shown?.length === truth.length && truth.every((each, at) => Math.abs(each - shown[at]) < 0.01); }}""",
        arg=[float(value) for value in truth.ravel()],
    )


def to_frame(page: Page, number: int) -> None:
    page.keyboard.press("Home")
    for _ in range(number - 1):
        page.keyboard.press("ArrowDown")
    page.wait_for_function(f"() => {PANE}.shown === {number - 1}")


def moved(values: Any, down: int, right: int) -> Any:
    padded = np.pad(values, 8, mode="edge")
    return padded[8 - down : 8 - down + SIDE, 8 - right : 8 - right + SIDE]


def test_the_mask_is_subtracted_moved_and_chosen_anew(viewer: Page, shot: Path) -> None:
    pane = viewer.locator("[data-pane=pane1]")
    expect(pane).to_contain_text("To be shown subtracted")
    to_frame(viewer, 5)
    shows(viewer, RUN[4])
    viewer.keyboard.press("Alt+d")
    shows(viewer, RUN[4] - RUN[0])
    expect(pane).to_contain_text("Subtracted; mask moved 0.0 down, 0.0 right")
    voi = viewer.evaluate(f"{PANE}.voi")
    assert (voi["center"], voi["width"]) == (0, 1500)
    for key in ("ArrowRight", "ArrowRight", "ArrowUp", "ArrowUp", "ArrowUp", "ArrowUp"):
        viewer.keyboard.press(f"Control+{key}")
    shows(viewer, RUN[4] - moved(RUN[0], -2, 1))
    expect(pane).to_contain_text("mask moved -2.0 down, 1.0 right")
    viewer.screenshot(path=shot)
    to_frame(viewer, 4)
    viewer.keyboard.press("Alt+Shift+D")
    to_frame(viewer, 3)
    shows(viewer, RUN[2] - moved(RUN[3], -2, 1))
    assert serious_findings(viewer) == []
    viewer.get_by_role("button", name="Subtract the mask, or show as stored", pressed=True).click()
    shows(viewer, RUN[2])


def test_a_mark_lies_on_the_frame_however_it_is_shown(viewer: Page) -> None:
    pane = viewer.locator("[data-pane=pane1]")
    pane.focus()
    to_frame(viewer, 4)
    viewer.keyboard.press("Alt+d")
    shows(viewer, RUN[3] - RUN[0])
    viewer.keyboard.press("Shift+P")
    box = viewer.locator("[data-viewport=pane1]").bounding_box()
    assert box
    x, y = viewer.evaluate(f"{PANE}.imageToCanvas([20.5, 20.5])")
    viewer.mouse.click(box["x"] + x, box["y"] + y)
    viewer.wait_for_function("() => window.__filmless.viewer.annotations.length === 1")
    mark = viewer.evaluate("window.__filmless.viewer.annotations[0]")
    assert mark["frameNumber"] == 4
    drawn = viewer.locator("[data-viewport=pane1] svg.svg-layer circle")
    expect(drawn).to_have_count(1)
    viewer.keyboard.press("Escape")
    # On the next frame there is none: what is there on the way back was drawn for this frame.
    for key, values in (("Alt+d", RUN[3]), ("Alt+d", RUN[3] - RUN[0])):
        viewer.keyboard.press("ArrowDown")
        expect(drawn).to_have_count(0)
        viewer.keyboard.press(key)
        viewer.keyboard.press("ArrowUp")
        shows(viewer, values)
        expect(drawn).to_have_count(1)


def test_states_bring_their_mask_and_others_are_listed_with_why(viewer: Page, run: Dataset) -> None:
    viewer.locator("[data-pane=pane1]").focus()
    viewer.keyboard.press("Shift+K")
    panel = viewer.get_by_role("complementary", name="On the images")
    panel.get_by_role("button", name="Apply SHIFTED").click()
    pane = viewer.locator("[data-pane=pane1]")
    expect(pane).to_contain_text("State: SHIFTED")
    pane.focus()
    to_frame(viewer, 5)
    # A positive shift of columns is one to the left.
    shows(viewer, RUN[4] - moved(RUN[2], 1, -2))
    viewer.wait_for_function(f"() => {PANE}.voi.center === -100 && {PANE}.voi.width === 800")
    to_frame(viewer, 2)
    shows(viewer, RUN[1])
    panel.get_by_role("button", name="Apply HALF").click()
    expect(pane).to_contain_text("State: HALF")
    pane.focus()
    to_frame(viewer, 4)
    shows(viewer, RUN[3] - 0.5 * RUN[1])
    panel.get_by_role("button", name="Applied: HALF").click()
    shows(viewer, RUN[3])
    coloured = panel.locator("[data-state]").filter(has_text="COLOURED")
    expect(coloured).to_contain_text("the server draws its picture")
    link = coloured.get_by_role("link", name="Picture of COLOURED")
    expect(link).to_have_attribute(
        "href", re.compile(rf"/studies/{run.StudyInstanceUID}/.+/rendered\?accept=image/png$")
    )
    volumetric = panel.locator("[data-state]").filter(has_text="VOLUMETRIC")
    expect(volumetric).to_contain_text("neither applied nor drawn")
    assert volumetric.get_by_role("link").count() == 0
    assert serious_findings(viewer) == []
