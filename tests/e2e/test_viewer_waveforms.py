"""An ECG on its paper: leads at their places, millivolts and milliseconds that can be measured, and what it states."""

from __future__ import annotations

import io
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image
from playwright.sync_api import Locator, Page, expect

import ecg
from screen import DESKTOP, PHONE, OpenPage, ScreenServer, serious_findings

pytestmark = [pytest.mark.browser, pytest.mark.xdist_group("objects")]

SHOWN = "() => window.__filmless?.viewer?.waveform('pane1')?.isWhole"
PX_PER_MM = 5
INK = """([x, y]) => { const paper = document.querySelector('canvas[data-waveform=pane1]');
  const ratio = window.devicePixelRatio; const context = paper.getContext('2d');
  const column = context.getImageData(Math.round(x * ratio), Math.round((y - 3) * ratio), 1, 6 * ratio).data;
  return column.some((value, at) => at % 4 === 0 && value < 120); }"""


def shown(page: Page) -> dict[str, Any]:
    page.wait_for_function(SHOWN)
    found = page.evaluate("() => window.__filmless.viewer.waveform('pane1')")
    return dict(found)


def wait(page: Page, condition: str) -> None:
    """Wait until something is true of what is shown, `w`."""
    page.wait_for_function(
        f"() => {{ const w = window.__filmless.viewer.waveform('pane1'); return w && {condition}; }}"
    )


def place(paper: dict[str, Any], cell: dict[str, Any], time_s: float, millivolts: float) -> tuple[float, float]:
    """Where a value of a lead lies on the paper: 25 mm are a second, 10 mm a millivolt."""
    trace, scale = paper["traces"][cell["channel"]], paper["scale"]
    x = cell["left"] + (time_s - cell["fromS"]) * scale["mmPerS"] * scale["pxPerMm"]
    y = cell["top"] + cell["height"] / 2 - millivolts * trace["mmPerUnit"] * scale["pxPerMm"]
    return x, y


def choose(page: Page, label: str, option: str) -> None:
    page.get_by_role("toolbar", name="Waveform").get_by_role("combobox", name=label).click()
    page.get_by_role("option", name=option, exact=True).click()


def drag(page: Page, paper: Locator, start: tuple[float, float], end: tuple[float, float]) -> None:
    box = paper.bounding_box()
    assert box
    page.mouse.move(box["x"] + start[0], box["y"] + start[1])
    page.mouse.down()
    page.mouse.move(box["x"] + end[0], box["y"] + end[1], steps=3)
    page.mouse.up()


def opened(open_page: OpenPage, server: ScreenServer, patient: str, size: Any) -> Page:
    """The viewer, on a screen that was measured: 5 pixels to the mm."""
    ds = ecg.twelve_lead(PatientName="Wave^Willa", PatientID=patient)
    server.store(ds)
    page = open_page("/", size=size)
    page.evaluate(f"() => localStorage.setItem('filmless.screenScale', `{PX_PER_MM} ${{window.devicePixelRatio}}`)")
    page.goto(f"/viewer/{ds.StudyInstanceUID}")
    return page


def test_an_ecg_lies_on_its_paper_and_is_measured(open_page: OpenPage, screen_server: ScreenServer, shot: Path) -> None:
    page = opened(open_page, screen_server, "WAVE 1", DESKTOP)
    paper = shown(page)
    cells = paper["sheet"]["cells"]
    names = [paper["traces"][cell["channel"]]["name"] for cell in cells]
    assert names == ["I", "aVR", "V1", "V4", "II", "aVL", "V2", "V5", "III", "aVF", "V3", "V6", "II"]
    assert paper["scale"] == {"pxPerMm": PX_PER_MM, "mmPerS": 25}
    span = cells[0]["toS"]
    assert [cell["fromS"] for cell in cells[:4]] == pytest.approx([0, span, 2 * span, 3 * span])
    assert (cells[12]["fromS"], cells[12]["toS"]) == pytest.approx((0, 4 * span))
    assert cells[0]["width"] == pytest.approx(span * 25 * PX_PER_MM)

    # On the canvas itself: what lies where the millimetres say, and what does not.
    strip, third = cells[12], next(cell for cell in cells if paper["traces"][cell["channel"]]["name"] == "V1")
    beat = int(third["fromS"]) + 1
    for cell, time_s, millivolts, is_there in [
        (strip, 2.05, 1.0, True),
        (strip, 2.05, 0.0, False),
        (strip, 2.5, 0.0, True),
        (strip, 3.05, 1.0, True),
        (third, beat + 0.05, ecg.height_mv("V1"), True),
        (third, beat + 0.05, 1.0, False),
    ]:
        assert page.evaluate(INK, place(paper, cell, time_s, millivolts)) is is_there, (cell, time_s, millivolts)

    toolbar = page.get_by_role("toolbar", name="Waveform")
    expect(toolbar).to_contain_text("500 Hz · 0.05–150 Hz, notch 50 Hz")
    expect(toolbar.get_by_role("button", name="Screen not measured")).to_have_count(0)
    stated = page.get_by_role("note", name="What the object states")
    expect(stated).to_contain_text("Sinus rhythm · Normal ECG")
    for words in ("PR Interval 160 ms", "QRS Duration 92 ms", "QT Interval 380 ms", "QTc Interval 412 ms"):
        expect(stated).to_contain_text(words)
    thumbnail = page.get_by_role("navigation", name="Series").locator("img")
    page.wait_for_function("() => document.querySelector('nav img')?.naturalWidth > 0")
    assert "/thumbnail" in (thumbnail.get_attribute("src") or "")

    # From the foot of one beat to the top of the next: a second, and a millivolt.
    sheet = page.locator("canvas[data-waveform=pane1]")
    toolbar.get_by_role("button", name="Calipers").click()
    drag(page, sheet, place(paper, strip, 2.0, 0), place(paper, strip, 3.0, 1))
    wait(page, "w.caliper && w.caliper.to.timeS > 2.9")
    caliper = shown(page)["caliper"]
    assert caliper["to"]["timeS"] - caliper["from"]["timeS"] == pytest.approx(1, abs=0.008)
    assert caliper["to"]["value"] - caliper["from"]["value"] == pytest.approx(1, abs=0.02)
    page.keyboard.press("Space")
    for _ in range(5):
        page.keyboard.press("Shift+ArrowLeft")
    page.keyboard.press("ArrowUp")
    wait(page, f"Math.abs(w.caliper.from.timeS - {caliper['from']['timeS'] - 0.1}) < 1e-6")
    moved = shown(page)["caliper"]
    length = moved["to"]["timeS"] - moved["from"]["timeS"]
    expect(page.get_by_role("status").filter(has_text="II:")).to_have_text(
        f"II: {length * 1000:.0f} ms, {60 / length:.0f}/min, {moved['to']['value'] - moved['from']['value']:.2f} mV"
    )
    assert serious_findings(page) == []
    page.screenshot(path=shot)
    page.keyboard.press("Delete")
    wait(page, "w.caliper === null")

    with page.expect_download() as saved:
        page.keyboard.press("Alt+p")
    assert saved.value.suggested_filename.startswith("WAVE-1-20240102-ECG")
    picture = np.asarray(Image.open(io.BytesIO(saved.value.path().read_bytes())).convert("RGB")).astype(int)
    above = picture.shape[0] - round(paper["sheet"]["height"])
    assert picture.shape[1] == round(paper["sheet"]["width"])
    assert above > 60
    assert (picture[:60].min(axis=2) > 200).sum() > 150  # whose it is, on black
    with page.expect_download() as nameless:
        page.get_by_role("button", name="Save as a file").click()
        page.get_by_role("menuitem", name="Save picture without identity").click()
    bare = np.asarray(Image.open(io.BytesIO(nameless.value.path().read_bytes())).convert("RGB")).astype(int)
    x, y = place(paper, strip, 2.05, 1.0)
    assert bare[round(y) - 3 : round(y) + 3, round(x)].max(axis=1).min() < 120  # nothing stands above the paper

    choose(page, "Paper speed", "50 mm/s")
    choose(page, "Gain", "20 mm/mV")
    choose(page, "Arrangement", "12 × 1")
    wait(page, "w.sheet.cells.length === 12 && w.scale.mmPerS === 50 && w.traces[0].mmPerUnit === 20")
    stacked = shown(page)
    assert [stacked["traces"][cell["channel"]]["name"] for cell in stacked["sheet"]["cells"]] == list(ecg.LEADS)
    sheet.focus()
    page.keyboard.press("End")
    wait(page, "Math.abs(w.sheet.cells[0].fromS + w.sheet.pageS - 10) < 1e-6")
    choose(page, "Arrangement", "One lead")
    choose(page, "Lead", "V6")
    wait(page, "w.sheet.cells.length === 1 && w.traces[w.sheet.cells[0].channel].name === 'V6'")
    choose(page, "Group of channels", "MEDIAN BEAT")
    wait(page, "w.isWhole && w.sheet.cells.length === 13 && w.sheet.cells.every(({ fromS }) => fromS === 0)")


def test_an_ecg_is_read_on_a_phone(open_page: OpenPage, screen_server: ScreenServer, shot: Path) -> None:
    page = opened(open_page, screen_server, "WAVE 2", PHONE)
    paper = shown(page)
    assert len(paper["sheet"]["cells"]) == 12
    assert paper["sheet"]["width"] <= PHONE["width"]
    assert paper["scale"] == {"pxPerMm": PX_PER_MM, "mmPerS": 25}
    assert page.evaluate("() => document.documentElement.scrollWidth") <= PHONE["width"]
    sheet = page.locator("canvas[data-waveform=pane1]")
    start = paper["sheet"]["cells"][0]["left"]
    drag(page, sheet, (start + 200, 40), (start + 75, 40))
    wait(page, "Math.abs(w.sheet.cells[0].fromS - 1) < 0.02")  # 125 pixels are 25 mm
    page.get_by_role("slider", name="Time").fill("2")
    wait(page, "Math.abs(w.sheet.cells[0].fromS - 2) < 0.1")
    assert serious_findings(page) == []
    page.screenshot(path=shot)
