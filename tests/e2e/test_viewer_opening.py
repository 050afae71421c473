"""The first picture is drawn without the renderer, and is the picture that the renderer then draws in its place."""

from __future__ import annotations

from collections import Counter
from typing import Any

import numpy as np
import pytest
from playwright.sync_api import Page, Request, Route

import make
from screen import OpenPage, ScreenServer

pytestmark = [pytest.mark.browser, pytest.mark.xdist_group("screen")]

ROWS, COLUMNS, SLICES = 40, 64, 4
# The greys of a canvas, a row at a time: those of the plain picture, or those of the renderer's.
GREYS = """selector => { const canvas = document.querySelector(selector);
  const { data } = canvas.getContext('2d').getImageData(0, 0, canvas.width, canvas.height);
  return { width: canvas.width, greys: Array.from({ length: data.length / 4 }, (_, each) => data[each * 4]) }; }"""
PLAIN = "canvas[data-first-picture=true]"
DRAWN = "[data-viewport=pane1] canvas"


def stack() -> list[Any]:
    """Slices with a pattern that shows turns, mirrorings and shifts, in pixels that are no squares."""
    study, series = make.uid(), make.uid()
    row, column = np.mgrid[:ROWS, :COLUMNS]
    made = []
    for number in range(SLICES):
        values = 1024 + 3 * column + 4 * row + 120 * ((row // 8 + column // 16 + number) % 2)
        made.append(
            make.ct_slice(
                ROWS,
                StudyInstanceUID=study,
                SeriesInstanceUID=series,
                InstanceNumber=str(number + 1),
                Rows=ROWS,
                Columns=COLUMNS,
                PixelSpacing=["0.8", "0.5"],
                ImagePositionPatient=["0", "0", str(-number)],
                ImageOrientationPatient=["1", "0", "0", "0", "1", "0"],
                WindowCenter="180",
                WindowWidth="500",
                PixelData=values.astype(np.int16).tobytes(),
            )
        )
    return made


def greys(page: Page, selector: str) -> np.ndarray:
    found = page.evaluate(GREYS, selector)
    return np.array(found["greys"], np.int16).reshape(-1, found["width"])


def test_the_first_picture_is_the_renderers_and_takes_input(open_page: OpenPage, screen_server: ScreenServer) -> None:
    slices = stack()
    screen_server.store(*slices)
    page = open_page("/sign-in")
    held: list[Route] = []
    asked: Counter[str] = Counter()

    def note(request: Request) -> None:
        if "/dicomweb/" in request.url and "/thumbnail" not in request.url:
            asked[request.url.split("/dicomweb/")[1].split("?")[0]] += 1

    def hold(route: Route) -> None:
        held.append(route)

    page.on("request", note)
    page.route("**/assets/session-*.js", hold)
    study = slices[0].StudyInstanceUID
    series = f"studies/{study}/series/{slices[0].SeriesInstanceUID}"
    page.goto(f"/viewer/{study}")

    # Without the renderer: shown, scrolled by the wheel, windowed by dragging, turned by a key.
    page.wait_for_selector(PLAIN)
    pane = page.locator("[data-pane=pane1]")
    pane.get_by_text(f"1 / {SLICES}").wait_for()
    pane.get_by_text("W 500 L 180").wait_for()
    before = greys(page, PLAIN)
    box = pane.bounding_box()
    assert box is not None
    x, y = box["x"] + box["width"] / 2, box["y"] + box["height"] / 2
    page.mouse.move(x, y)
    page.mouse.wheel(0, 100)
    pane.get_by_text(f"2 / {SLICES}").wait_for()
    page.mouse.down()
    page.mouse.move(x + 60, y - 20, steps=3)
    page.mouse.up()
    pane.get_by_text("W 560 L 200").wait_for()
    page.keyboard.press("r")
    page.wait_for_function("() => document.querySelector('[data-pane=pane1] [data-edge=top]')?.textContent !== 'A'")
    plain = greys(page, PLAIN)
    assert page.evaluate("window.__filmless?.viewer") is None
    assert np.abs(before - plain).mean() > 10
    assert 90 < plain[plain > 0].mean() < 200

    # The renderer takes its place, at the same slice, with the same window, turned the same way.
    assert held
    page.unroute("**/assets/session-*.js")  # lets go on what is held
    page.wait_for_function("() => window.__filmless?.viewer?.viewport('pane1').shown === 1")
    page.wait_for_selector(PLAIN, state="detached")
    drawn = greys(page, DRAWN)
    assert drawn.shape == plain.shape
    difference = np.abs(drawn - plain)
    assert difference.mean() < 0.5
    assert np.quantile(difference, 0.995) <= 2

    # What was asked for before the app ran is not asked for again.
    page.wait_for_function(
        f"() => Object.values(window.__filmless.viewer.loaded).reduce((a, b) => a + b, 0) === {SLICES}"
    )
    frames = [f"{series}/instances/{ds.SOPInstanceUID}/frames/1" for ds in slices]
    wanted = [f"studies/{study}/series", f"{series}/metadata", *frames]
    assert {path: asked[path] for path in wanted} == dict.fromkeys(wanted, 1)
