"""Where things lie: layouts, links between viewports, reference lines, reconstructed planes, fusion, volumes.

One study, opened once. Every value in it is a linear function of the place in the patient, so that the value at any
point, on a slice or between slices, is known exactly: HU = 2x + 3y + 4z + 10.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import numpy as np
import pytest
from playwright.sync_api import Browser, Page
from pydicom.dataset import Dataset

import make
from screen import DESKTOP, SHOTS, ScreenServer, watched

pytestmark = [pytest.mark.browser, pytest.mark.xdist_group("screen")]

Array = np.ndarray[Any, Any]
Point = tuple[float, float, float]

STUDY, FRAME_OF_REFERENCE = make.uid(), make.uid()
ROWS, COLUMNS = 48, 64
AXIAL: tuple[float, ...] = (1, 0, 0, 0, 1, 0)
SAGITTAL: tuple[float, ...] = (0, 1, 0, 0, 0, -1)
ORIGIN: Point = (-31.0, -24.0, -20.0)


def hounsfield(x: Any, y: Any, z: Any) -> Any:
    return 2 * x + 3 * y + 4 * z + 10


def slices(
    positions: list[Point],
    description: str,
    *,
    truth: Callable[[Any, Any, Any], Any] = hounsfield,
    orientation: tuple[float, ...] = AXIAL,
    spacing: tuple[float, float] = (1, 1),
    shape: tuple[int, int] = (ROWS, COLUMNS),
    **overrides: Any,
) -> list[Dataset]:
    """A series that holds `truth` at the place of each pixel; spacing is between rows, then columns."""
    series = make.uid()
    row, column = np.mgrid[0 : shape[0], 0 : shape[1]]
    along, down = np.array(orientation[:3]), np.array(orientation[3:])
    made = []
    for number, position in enumerate(positions, 1):
        place = np.array(position) + column[..., None] * spacing[1] * along + row[..., None] * spacing[0] * down
        values = truth(place[..., 0], place[..., 1], place[..., 2])
        made.append(
            make.ct_slice(
                *shape,
                **{
                    "PatientID": "SPACE",
                    "StudyInstanceUID": STUDY,
                    "SeriesInstanceUID": series,
                    "FrameOfReferenceUID": FRAME_OF_REFERENCE,
                    "SeriesDescription": description,
                    "InstanceNumber": number,
                    "ImagePositionPatient": [f"{each:g}" for each in position],
                    "ImageOrientationPatient": [f"{each:g}" for each in orientation],
                    "PixelSpacing": [f"{each:g}" for each in spacing],
                    "SliceThickness": "2.5",
                    "RescaleIntercept": "0",
                    "PixelData": np.round(values).astype(np.int16).tobytes(),
                    **overrides,
                },
            )
        )
    return made


def stacked(count: int, step: float, first: Point = ORIGIN) -> list[Point]:
    return [(first[0], first[1], first[2] + index * step) for index in range(count)]


SERIES = ["thin", "thick", "scout"]


def study() -> Iterator[Dataset]:
    yield from slices(stacked(17, 2.5), "thin", SeriesNumber=1)
    yield from slices(stacked(8, 5.0, (-31.0, -24.0, -17.0)), "thick", SeriesNumber=2)
    yield from slices(
        [(0.0, -24.0, 30.0)], "scout", orientation=SAGITTAL, shape=(64, 48), SeriesNumber=3, InstanceNumber=1
    )


@pytest.fixture(scope="module")
def page(screen_server: ScreenServer, browser: Browser, admin_cookies: list[Any]) -> Iterator[Page]:
    screen_server.store(*study())
    context = browser.new_context(base_url=screen_server.url, viewport=DESKTOP, reduced_motion="reduce")
    context.add_cookies(admin_cookies)
    complaints: list[str] = []
    opened = watched(context, complaints)
    opened.goto(f"/viewer/{STUDY}")
    opened.wait_for_function(f"() => window.__filmless?.viewer?.displaySets.length >= {len(SERIES)}")
    yield opened
    context.close()
    assert complaints == []


def ready(page: Page, *panes: str) -> None:
    """Wait until the wanted image of each viewport is on the screen."""
    page.wait_for_function(
        "panes => panes.every(id => { const v = window.__filmless.viewer.viewport(id);"
        " return v.status === 'ready' && v.shown === v.index && v.values(); })",
        arg=list(panes),
    )


def ask(page: Page, pane: str, expression: str, arg: Any = None) -> Any:
    """What a viewport `v` answers."""
    return page.evaluate(
        f"([id, arg]) => {{ const v = window.__filmless.viewer.viewport(id); return {expression}; }}", [pane, arg]
    )


def place(page: Page, pane: str, name: str) -> None:
    """Open a series in a viewport."""
    page.locator(f"[data-pane={pane}]").focus()
    page.locator("[data-display-set]", has_text=name).first.click()
    ready(page, pane)


def arrange(page: Page, layout: str, **series: str) -> None:
    page.evaluate("layout => window.__filmless.viewer.setLayout(layout)", layout)
    for pane, name in series.items():
        place(page, pane, name)


def test_sixteen_viewports_show_their_images_with_few_gpu_contexts(page: Page) -> None:
    page.keyboard.press("Shift+Digit7")
    panes = page.evaluate("window.__filmless.viewer.viewports()")
    assert len(panes) == 16
    for pane in panes[3:]:
        page.locator(f"[data-pane={pane}]").focus()
        page.locator("[data-display-set]", has_text="thin").first.click()
    ready(page, *panes)
    page.screenshot(path=SHOTS / "space-16.png")

    for pane in panes[3:]:
        # The middle of the screen is the middle of the first slice: HU(0.5, 0, -20) = -69, through window 40, 400.
        red = ask(page, pane, "v.screen(v.imageToCanvas([31, 24]))[0]")
        assert red == pytest.approx(255 * ((hounsfield(0, 0, -20) - 39.5) / 399 + 0.5), abs=2)
    assert len(page.locator("canvas").all()) == 16


def test_a_layout_is_picked_from_the_grid_by_keyboard(page: Page) -> None:
    arrange(page, "1x1")
    page.get_by_role("button", name="Layout").click()
    page.locator("[data-shape='1x1']").focus()
    for key in ["ArrowDown", *["ArrowRight"] * 4, "Enter"]:
        page.keyboard.press(key)

    assert page.evaluate("window.__filmless.viewer.layout") == "2x5"
    assert page.locator("[data-pane]").count() == 10
    boxes = [box for pane in ("pane1", "pane6") if (box := page.locator(f"[data-pane={pane}]").bounding_box())]
    assert boxes[0]["x"] == boxes[1]["x"]
    assert boxes[0]["y"] < boxes[1]["y"]


def test_a_series_is_carried_to_a_viewport_by_pointer_and_by_keyboard(page: Page) -> None:
    arrange(page, "2x2", pane1="thin", pane2="thin", pane3="thin", pane4="thin")

    page.locator("[data-display-set]", has_text="scout").drag_to(page.locator("[data-pane=pane2]"))
    ready(page, "pane2")
    page.locator("[data-display-set]", has_text="thick").focus()
    for key in ["Shift+Enter", "ArrowRight", "ArrowRight", "Enter"]:
        page.keyboard.press(key)
    ready(page, "pane4")

    shown = [
        page.evaluate(
            "id => { const v = window.__filmless.viewer; const set = v.viewport(id).displaySetId;"
            " return v.displaySets.find(each => each.id === set).description; }",
            pane,
        )
        for pane in ("pane1", "pane2", "pane3", "pane4")
    ]
    # Active was viewport 2, where the pointer had dropped the scout.
    assert shown == ["thin", "scout", "thin", "thick"]
