"""What a viewport shows leaves as a PNG: the picture and its marks, with whose it is, or with nobody's name."""

from __future__ import annotations

import io
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image
from playwright.sync_api import Download, Page, expect

import make
from screen import SHOTS, OpenPage, ScreenServer

pytestmark = [pytest.mark.browser, pytest.mark.xdist_group("screen")]

SIDE = 64
READY = """(uid) => { const v = window.__filmless?.viewer?.viewport('pane1');
  return v?.status === 'ready' && v.imageIds[0].includes(uid) && window.__filmless.viewer.hasPreferences
    && new Promise(done => requestAnimationFrame(() => requestAnimationFrame(() => done(true)))); }"""
PICTURE = "[data-pane=pane1] [data-viewport]"


def pixels_of(download: Download) -> np.ndarray[Any, Any]:
    """Red, green and blue of a file that was saved."""
    return np.asarray(Image.open(io.BytesIO(Path(download.path()).read_bytes())).convert("RGB")).astype(int)


def words_in(area: np.ndarray[Any, Any]) -> int:
    """Pixels as bright as the words are; the image itself is of one middling grey."""
    return int((area.min(axis=2) > 230).sum())


def open_study(page: Page, uid: str) -> None:
    page.wait_for_function(READY, arg=uid)


def test_a_picture_is_saved_with_its_marks_and_with_or_without_identity(
    open_page: OpenPage, screen_server: ScreenServer
) -> None:
    hounsfield = np.full((SIDE, SIDE), 140, np.int16)
    ct = make.ct_slice(
        SIDE,
        SIDE,
        PixelData=hounsfield.tobytes(),
        RescaleSlope="1",
        RescaleIntercept="0",
        WindowCenter="40.5",
        WindowWidth="401",
        PatientName="Capture^Carla",
        PatientID="CAP 1",
        InstanceNumber=7,
    )
    screen_server.store(ct)
    page = open_page(f"/viewer/{ct.StudyInstanceUID}")
    open_study(page, ct.StudyInstanceUID)
    box = page.locator(PICTURE).bounding_box()
    assert box
    x, y = box["x"] + box["width"] / 2, box["y"] + box["height"] / 2
    page.keyboard.press("Shift+L")
    page.mouse.move(x - 60, y + 100)
    page.mouse.down()
    page.mouse.move(x + 60, y + 100, steps=4)
    page.mouse.up()
    page.keyboard.press("Escape")
    page.wait_for_function("() => document.querySelectorAll('[data-viewport=pane1] svg line').length > 0")

    with page.expect_download() as named:
        page.keyboard.press("Alt+p")
    assert named.value.suggested_filename.startswith("CAP-1-")
    assert named.value.suggested_filename.endswith("-7.png")
    saved = pixels_of(named.value)
    assert saved.shape[:2] == (round(box["height"]), round(box["width"]))
    height, width = saved.shape[:2]
    middle = saved[height // 2 - 20 : height // 2 + 20, width // 2 - 20 : width // 2 + 20]
    # 140 HU in a window of 401 about 40.5: (99.5 + 0.5) / 400 + 0.5 of the brightness (PS3.3 C.11.2.1.2).
    assert abs(middle - 191).max() <= 2
    assert words_in(saved[:70, :300]) > 150
    colourful = np.ptp(saved[height // 2 + 90 : height // 2 + 110, width // 2 - 55 : width // 2 + 55], axis=2)
    assert (colourful > 60).sum() > 100  # the line that was drawn
    SHOTS.mkdir(exist_ok=True)
    Image.fromarray(saved.astype(np.uint8)).save(SHOTS / "captured.png")

    page.get_by_role("button", name="Save as a file").click()
    with page.expect_download() as nameless:
        page.get_by_role("menuitem", name="Save picture without identity").click()
    assert nameless.value.suggested_filename == "image-CT-7.png"
    bare = pixels_of(nameless.value)
    assert words_in(bare[:70, :300]) == 0
    assert words_in(bare[:70, -300:]) == 0
    assert words_in(bare[-70:, :300]) > 100  # which image, its window, and that it is not for diagnosis
    assert abs(bare[height // 2, width // 2] - 191).max() <= 2


def test_pixels_that_name_the_patient_are_not_saved_without_identity(
    open_page: OpenPage, screen_server: ScreenServer
) -> None:
    ct = make.ct_slice(SIDE, PatientID="CAP 2", BurnedInAnnotation="YES")
    screen_server.store(ct)
    page = open_page(f"/viewer/{ct.StudyInstanceUID}")
    open_study(page, ct.StudyInstanceUID)
    page.get_by_role("button", name="Save as a file").click()
    page.get_by_role("menuitem", name="Save picture without identity").click()
    expect(page.get_by_role("alert")).to_contain_text("Burned In Annotation is YES")
