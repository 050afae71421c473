"""What the viewer keeps stays within its limit, and a study that is left gives everything back."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from playwright.sync_api import Page

import make
from screen import OpenPage, ScreenServer

pytestmark = [pytest.mark.browser, pytest.mark.xdist_group("screen")]

SIDE = 32
READY = """uid => { const v = window.__filmless?.viewer?.viewport('pane1');
  return v?.status === 'ready' && v.shown === 0 && v.imageIds[0].includes(uid) && v.values() }"""
# Shows every image from first to last, each when the one before is on the screen; gives the middle values and the most
# that was kept on the way.
SCROLL = """() => new Promise((done) => {
  const { viewer } = window.__filmless;
  const count = viewer.viewport('pane1').imageIds.length;
  const values = [];
  let bytes = 0;
  let loaded = 0;
  const look = () => {
    const { index, shown, status, value } = viewer.viewport('pane1');
    bytes = Math.max(bytes, viewer.memory().imageBytes);
    loaded = Math.max(loaded, ...Object.values(viewer.loaded));
    if (shown === index && status === 'ready') {
      values.push(value(16, 16));
      if (index === count - 1) return done({ values, bytes, loaded });
      viewer.scrollTo('pane1', index + 1);
    }
    requestAnimationFrame(look);
  };
  look();
})"""
# GPU contexts that are neither lost nor collected.
COUNT_CONTEXTS = """(() => {
  const made = [];
  for (const kind of [HTMLCanvasElement, OffscreenCanvas]) {
    const { getContext } = kind.prototype;
    kind.prototype.getContext = function (name, ...rest) {
      const context = getContext.call(this, name, ...rest);
      if (name.startsWith('webgl') && context && !made.some((each) => each.deref() === context))
        made.push(new WeakRef(context));
      return context;
    };
  }
  window.__contexts = () => made.filter((each) => each.deref() && !each.deref().isContextLost()).length;
})()"""


def scrolled(page: Page, study: str, images: int, image_bytes: int) -> dict[str, Any]:
    """Scroll through the stack of a study while no more images than these may be kept."""
    page.goto(f"/viewer/{study}")
    page.wait_for_function(READY, arg=study)
    page.evaluate("limit => window.__filmless.viewer.limitCache(limit)", images * image_bytes)
    # What was loaded ahead before there was a limit is dropped, and the count of it follows.
    page.wait_for_function("most => Math.max(...Object.values(window.__filmless.viewer.loaded)) <= most", arg=images)
    return dict(page.evaluate(SCROLL))


def test_images_are_kept_up_to_the_limit_and_loaded_again(open_page: OpenPage, screen_server: ScreenServer) -> None:
    slices = make.ct_series(60, SIDE)
    for number, ds in enumerate(slices):
        ds.InstanceNumber = str(number + 1)
        ds.ImagePositionPatient = ["0", "0", str(-number)]
        pixels = np.full((SIDE, SIDE), 1024 + number, np.int16)
        pixels[0] = 0  # the renderer complains of images of one value
        ds.PixelData = pixels.tobytes()
    screen_server.store(*slices)
    page = open_page("/")
    kept = scrolled(page, slices[0].StudyInstanceUID, images=10, image_bytes=SIDE * SIDE * 4)
    assert kept["values"] == list(range(60))
    assert kept["bytes"] <= 10 * SIDE * SIDE * 4
    assert 5 <= kept["loaded"] <= 10
    # The first was dropped: it is asked for again, and is what it was.
    with page.expect_request(lambda request: f"{slices[0].SOPInstanceUID}/frames/1" in request.url):
        page.keyboard.press("Home")
    page.wait_for_function("() => window.__filmless.viewer.viewport('pane1').value(16, 16) === 0")

    film = make.instance(make.MULTI_FRAME_COLOR)
    film.Modality, film.ConversionType = "OT", "WSD"
    film.SamplesPerPixel, film.PhotometricInterpretation, film.PlanarConfiguration = 3, "RGB", 0
    film.Rows = film.Columns = SIDE
    film.BitsAllocated, film.BitsStored, film.HighBit, film.PixelRepresentation = 8, 8, 7, 0
    film.NumberOfFrames, film.FrameTime, film.FrameIncrementPointer = "50", "40", 0x00181063
    colours = [[number, 250 - number, 7] for number in range(50)]
    film.PixelData = b"".join(bytes(colour) * SIDE * SIDE for colour in colours)
    film["PixelData"].VR = "OB"
    screen_server.store(film)
    kept = scrolled(page, film.StudyInstanceUID, images=8, image_bytes=SIDE * SIDE * 3)
    assert kept["values"] == colours
    assert kept["bytes"] <= 8 * SIDE * SIDE * 3
    assert 4 <= kept["loaded"] <= 8


def test_a_study_that_is_left_gives_everything_back(open_page: OpenPage, screen_server: ScreenServer) -> None:
    studies = [make.ct_series(3, 128, PatientID=f"LEFT{number}") for number in range(9)]
    screen_server.store(*(ds for slices in studies for ds in slices))
    uids = [str(slices[0].StudyInstanceUID) for slices in studies]
    page = open_page("/sign-in")
    page.add_init_script(COUNT_CONTEXTS)
    page.evaluate(
        "uids => sessionStorage.setItem('filmless.readingList',"
        " JSON.stringify({ studyInstanceUids: uids, filter: {}, nextCursor: null }))",
        uids,
    )
    chromium = page.context.new_cdp_session(page)
    chromium.send("Performance.enable")

    def held() -> dict[str, int]:
        for _ in range(2):
            chromium.send("HeapProfiler.collectGarbage")
        told = {each["name"]: int(each["value"]) for each in chromium.send("Performance.getMetrics")["metrics"]}
        memory = page.evaluate("() => ({ ...window.__filmless.viewer.memory(), contexts: window.__contexts() })")
        return {
            "heap": int(chromium.send("Runtime.getHeapUsage")["usedSize"]),
            "listeners": told["JSEventListeners"],
            "nodes": told["Nodes"],
            "workers": len(page.workers),
            **memory,
        }

    page.goto(f"/viewer/{uids[0]}")
    page.wait_for_function(READY, arg=uids[0])
    seen = []
    for uid in uids[1:]:
        page.keyboard.press("Shift+PageDown")
        page.wait_for_function(READY, arg=uid)
        page.wait_for_function("() => Object.values(window.__filmless.viewer.loaded).some((count) => count === 3)")
        seen.append(held())
    # By then everything is loaded that is loaded once for all studies.
    early, late = seen[2], seen[-1]
    # The engine compiles the code that is run most, 0.4 MB a study at first; nothing else grows.
    assert late["heap"] - early["heap"] < 5 * 2**20
    assert late["imageBytes"] == 3 * 128 * 128 * 4
    assert late["volumeBytes"] == 0
    assert late["framesWaiting"] <= 1  # of the study after this one
    assert late["contexts"] == early["contexts"] <= 4
    assert late["workers"] == early["workers"] <= 4
    assert late["nodes"] < early["nodes"] * 1.2
    assert late["listeners"] < early["listeners"] * 1.2
