"""Where the server keeps HTJ2K copies the viewer takes them: fewer bytes, and not a value differs."""

from __future__ import annotations

import time
from collections.abc import Iterator
from typing import Any

import numpy as np
import pytest
from playwright.sync_api import Browser, Page

import make
from screen import DESKTOP, ScreenServer, watched

pytestmark = [pytest.mark.browser, pytest.mark.xdist_group("screen")]

SIDE, SLICES = 128, 5
RPCL = "1.2.840.10008.1.2.4.202"
EITHER = (
    'multipart/related; type="application/octet-stream"; transfer-syntax=*, '
    f'multipart/related; type="image/jphc"; transfer-syntax={RPCL}'
)


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ScreenServer]:
    """A server for which a study is complete after half a second."""
    settings = {"series_quiet_s": 0.5, "job_poll_s": 0.1}
    running = ScreenServer(tmp_path_factory.mktemp("renditions") / "data", settings=settings)
    running.start()
    yield running
    running.stop()


def slices() -> list[np.ndarray[Any, Any]]:
    y, x = np.mgrid[0:SIDE, 0:SIDE]
    noise = np.random.default_rng(5)
    return [
        (1100 + 700 * np.sin(x / 19 + n) * np.cos(y / 23) + noise.integers(-9, 9, (SIDE, SIDE))).astype(np.int16)
        for n in range(SLICES)
    ]


def test_the_viewer_takes_copies_in_fewer_bytes_and_shows_the_same_values(
    server: ScreenServer, browser: Browser
) -> None:
    values = slices()
    datasets = make.ct_series(SLICES, SIDE)
    for ds, stored in zip(datasets, values, strict=True):
        ds.PixelData, ds.RescaleIntercept = stored.tobytes(), "0"
    server.store(*datasets)
    first = datasets[0]
    root = f"/dicomweb/studies/{first.StudyInstanceUID}/series/{first.SeriesInstanceUID}/instances"
    listed = [f"{root}/{ds.SOPInstanceUID}/frames/1" for ds in datasets]
    deadline = time.monotonic() + 60
    while any(RPCL.encode() not in server.get(path, accept=EITHER)[1] for path in listed):
        assert time.monotonic() < deadline, server.log()[-3000:]
        time.sleep(0.5)
    context = browser.new_context(base_url=server.url, viewport=DESKTOP, reduced_motion="reduce")
    context.add_cookies(server.cookies())
    complaints: list[str] = []
    page = watched(context, complaints)
    bodies: list[bytes] = []
    page.on("response", lambda answer: "/frames/" in answer.url and bodies.append(answer.body()))
    page.goto(f"/viewer/{first.StudyInstanceUID}")
    shown = [np.array(values_shown(page, position), np.float64) for position in range(SLICES)]
    context.close()

    for ds, stored in zip(shown, values, strict=True):
        assert np.array_equal(ds.reshape(SIDE, SIDE), stored)
    assert len(bodies) == SLICES
    assert all(f"transfer-syntax={RPCL}".encode() in body for body in bodies)
    raw = sum(value.nbytes for value in values)
    assert sum(map(len, bodies)) < raw / 2
    assert complaints == []


def values_shown(page: Page, position: int) -> list[float]:
    """Go to an image of the stack and read what its viewport holds."""
    page.wait_for_function("() => window.__filmless?.viewer?.viewport('pane1')?.values()", timeout=60_000)
    page.keyboard.press("Home")
    for _ in range(position):
        page.keyboard.press("ArrowDown")
    page.wait_for_function(
        "index => { const v = window.__filmless.viewer.viewport('pane1');"
        " return v.status === 'ready' && v.index === index && v.values(); }",
        arg=position,
        timeout=30_000,
    )
    return list(page.evaluate("Array.from(window.__filmless.viewer.viewport('pane1').values())"))
