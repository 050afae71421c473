"""What a report of another maker draws in space lies on the slices that it names in millimetres, and can be copied."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from playwright.sync_api import Page, expect

import make
from screen import OpenPage, ScreenServer
from spatial import SHAPES_3D, in_space

pytestmark = [pytest.mark.browser, pytest.mark.xdist_group("objects")]

SIDE, MM = 256, 0.5
TENTH = 0.1 / MM  # of a millimetre, in pixels
READY = """() => { const view = window.__filmless?.viewer?.viewport('pane1');
  return view?.status === 'ready' && view.imageId !== null && window.__filmless.viewer.hasPreferences
    && window.__filmless.viewer.keeping.state === 'kept'; }"""
WORDS = "[...document.querySelectorAll('[data-viewport=pane1] svg text')].map((each) => each.textContent).join(' ')"
LINES = """() => { const view = window.__filmless.viewer.viewport('pane1');
  return [...document.querySelectorAll('[data-viewport=pane1] svg line')].map((line) =>
    [[line.x1, line.y1], [line.x2, line.y2]].map(([x, y]) => view.canvasToImage([x.baseVal.value, y.baseVal.value])));
}"""


def pixel(point: tuple[float, ...]) -> list[float]:
    """Column and row of a point of the patient, 0 being the centre of the first pixel."""
    return [(point[0] + 100.5) / MM, (point[1] + 100.5) / MM]


def shown_at(page: Page, index: int, *, words: list[str], none_of: list[str]) -> None:
    page.evaluate("(index) => window.__filmless.viewer.scrollTo('pane1', index)", index)
    page.wait_for_function(
        f"""([index, there, missing]) => {{ const view = window.__filmless.viewer.viewport('pane1');
          const words = {WORDS}; return view.shown === index && there.every((word) => words.includes(word))
            && missing.every((word) => !words.includes(word)); }}""",
        arg=[index, words, none_of],
    )


def drag(page: Page, start: list[float], end: list[float]) -> None:
    box = page.locator("[data-viewport=pane1]").bounding_box()
    assert box
    for at, point in enumerate((start, end)):
        x, y = page.evaluate("(point) => window.__filmless.viewer.viewport('pane1').imageToCanvas(point)", point)
        page.mouse.move(box["x"] + x, box["y"] + y, steps=8 if at else 1)
        if at == 0:
            page.mouse.down()
    page.mouse.up()


def test_shapes_in_space_lie_on_their_slices_and_become_marks(
    open_page: OpenPage, screen_server: ScreenServer, shot: Path
) -> None:
    common: dict[str, Any] = {
        "StudyInstanceUID": make.uid(),
        "SeriesInstanceUID": make.uid(),
        "FrameOfReferenceUID": make.uid(),
        "PatientID": "SPACE 1",
        "PatientName": "Space^Sara",
        "SliceThickness": "4",
    }
    slices = [
        make.ct_slice(SIDE, ImagePositionPatient=["-100.5", "-100.5", str(z)], InstanceNumber=at, **common)
        for at, z in enumerate((8, 12, 16), 1)
    ]
    screen_server.store(*slices, in_space(slices[1]))
    page = open_page(f"/viewer/{common['StudyInstanceUID']}")
    page.wait_for_function(READY)

    # On the slice at 12 mm all of it; on its neighbours only the ellipsoid, which reaches from 4 to 20 mm.
    flat = ["Line", "Vessel", "Area", "Oval"]
    shown_at(page, 1, words=[*flat, "Ball", "30.0 mm", "64.0 mm²", "41.2 mm"], none_of=[])
    wanted = [pixel(point) for point in SHAPES_3D["Line"]]
    lines = page.evaluate(LINES)
    assert any(line == [pytest.approx(end, abs=TENTH) for end in wanted] for line in lines), lines
    shown_at(page, 0, words=["Ball"], none_of=flat)
    shown_at(page, 2, words=["Ball"], none_of=flat)
    shown_at(page, 1, words=flat, none_of=[])

    page.screenshot(path=shot)
    page.keyboard.press("Shift+M")
    saved = page.get_by_role("region", name="Saved reports")
    expect(saved).to_contain_text("Other Otto")
    expect(saved).not_to_contain_text("on no image here")
    expect(saved.get_by_role("button", name="Line, Length 30.0 mm")).to_have_count(0)
    expect(saved.get_by_role("button", name="Line, 30.0 mm")).to_be_visible()
    saved.get_by_role("button", name="Edit as a copy").click()
    page.wait_for_function("() => window.__filmless.viewer.annotations.length === 5")
    copies = {mark["label"]: mark for mark in page.evaluate("() => window.__filmless.viewer.annotations")}
    kinds = {"Line": "length", "Seed": "probe", "Vessel": "polyline", "Area": "freehand", "Oval": "ellipse"}
    assert {label: mark["kind"] for label, mark in copies.items()} == kinds
    for label, mark in copies.items():
        assert mark["sopInstanceUid"] == slices[1].SOPInstanceUID
        points = SHAPES_3D[label][:-1] if label == "Area" else SHAPES_3D[label]
        # Ours count from the outer corner of the first pixel.
        expected = [[each + 0.5 for each in pixel(point)] for point in points]
        assert mark["points"] == [pytest.approx(point, abs=TENTH) for point in expected]
    measured = {label: mark["values"][0]["value"] for label, mark in copies.items() if mark["values"]}
    # Measured again: 125^0.5 twice and 500^0.5 mm along the vessel.
    assert measured["Line"] == pytest.approx(30, abs=0.1)
    assert measured["Vessel"] == pytest.approx(44.72, abs=0.1)
    assert measured["Area"] == pytest.approx(64, abs=0.1)
    page.keyboard.press("Shift+M")

    # A line by hand that stays open: 100 pixels of half a millimetre.
    page.keyboard.press("Shift+U")
    drag(page, [20, 220], [120, 220])
    page.wait_for_function("() => window.__filmless.viewer.annotations.length === 6")
    own = page.evaluate("() => window.__filmless.viewer.annotations.at(-1)")
    assert own["kind"] == "polyline"
    assert own["values"][0] == {"name": "length", "unit": "mm", "value": pytest.approx(50, abs=0.6)}
