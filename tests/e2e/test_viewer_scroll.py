"""What is on the screen after a scroll is the slice that the viewer says it shows: wheel, keys, and a turned stack."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from playwright.sync_api import Page
from pydicom.dataset import Dataset

import make
from screen import OpenPage, ScreenServer

pytestmark = [pytest.mark.browser, pytest.mark.xdist_group("screen")]

SIDE = 64
LEVELS = (-110, -60, 0, 50, 100, 150)  # HU of the slices; the window is 40 +- 200
PLANES = {
    "axial": ([1, 0, 0, 0, 1, 0], (0.0, 0.0, 3.0)),
    "coronal": ([1, 0, 0, 0, 0, -1], (0.0, 2.5, 0.0)),
    "oblique": ([0.8, 0.6, 0, 0, 0, -1], (-0.9, 1.2, 0.0)),
}


def stack(orientation: list[float], step: tuple[float, float, float]) -> list[Dataset]:
    """Slices of one grey level each but for a corner, a step apart."""
    study, series, frame_of_reference = make.uid(), make.uid(), make.uid()
    made = []
    for number, level in enumerate(LEVELS):
        pixels = np.full((SIDE, SIDE), level + 1024, np.int16)
        pixels[:4, :4] = 0
        position = [-16 + number * step[0], -16 + number * step[1], 184.5 - number * step[2]]
        made.append(
            make.ct_slice(
                SIDE,
                StudyInstanceUID=study,
                SeriesInstanceUID=series,
                FrameOfReferenceUID=frame_of_reference,
                InstanceNumber=str(number + 1),
                ImagePositionPatient=[str(each) for each in position],
                ImageOrientationPatient=[str(each) for each in orientation],
                PixelData=pixels.tobytes(),
            )
        )
    return made


def shown(page: Page, index: int) -> list[Any]:
    """Wait for a slice, then read the value of its middle pixel and how bright the screen is there."""
    page.wait_for_function(
        "index => { const v = window.__filmless?.viewer?.viewport('pane1');"
        " return v?.status === 'ready' && v.shown === index && v.values(); }",
        arg=index,
    )
    page.wait_for_function(
        "() => new Promise(done => requestAnimationFrame(() => requestAnimationFrame(() => done(true))))"
    )
    return list(
        page.evaluate(
            "middle => { const v = window.__filmless.viewer.viewport('pane1');"
            " return [v.value(middle, middle), ...v.screen(v.imageToCanvas([middle, middle]))]; }",
            SIDE // 2,
        )
    )


def brightness(level: float) -> float:
    """The LINEAR function of PS3.3 C.11.2.1.2.1 for window 40, 400."""
    return 255 * ((level - 39.5) / 399 + 0.5)


def levels_of(page: Page) -> list[float]:
    """The grey levels in the order in which the viewer has the slices."""
    first = shown(page, 0)[0]
    return list(LEVELS) if first == LEVELS[0] else list(reversed(LEVELS))


@pytest.mark.parametrize("plane", PLANES)
def test_every_slice_is_on_the_screen_when_it_is_scrolled_to(
    open_page: OpenPage, screen_server: ScreenServer, plane: str
) -> None:
    slices = stack(*PLANES[plane])
    screen_server.store(*slices)
    page = open_page(f"/viewer/{slices[0].StudyInstanceUID}")
    levels = levels_of(page)
    box = page.locator("canvas").first.bounding_box()
    assert box is not None
    page.mouse.move(box["x"] + box["width"] / 2, box["y"] + box["height"] / 2)

    seen = [shown(page, 0)]
    for index in range(1, len(levels)):
        page.mouse.wheel(0, 100)
        seen.append(shown(page, index))
    for index in reversed(range(len(levels) - 1)):
        page.keyboard.press("ArrowUp")
        seen.append(shown(page, index))

    times = page.evaluate("() => window.__filmless.viewer.timings")
    assert 0 < times["seriesListed"] < times["metadataRead"] < times["firstBytes"] < times["firstImage"]
    page.get_by_role("button", name="First image after").click()
    shown_ms = page.get_by_role("row", name="First image shown").inner_text().split()[-2]
    assert float(shown_ms) == pytest.approx(times["firstImage"], abs=1)

    for (value, *colour), level in zip(seen, [*levels, *reversed(levels[:-1])], strict=True):
        assert value == level
        assert colour == pytest.approx([brightness(level)] * 3, abs=2)
