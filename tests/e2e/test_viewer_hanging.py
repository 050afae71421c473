"""Hanging: a study is arranged by geometry and codes, its priors beside it, and an arrangement is remembered."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from playwright.sync_api import Page
from pydicom.dataset import Dataset

import make
from hung import READY, hung
from screen import OpenPage, ScreenServer, serious_findings

pytestmark = [pytest.mark.browser, pytest.mark.xdist_group("screen")]

MAMMOGRAM = "1.2.840.10008.5.1.4.1.1.1.2"
PIXELS_PER_MM = """() => { const v = window.__filmless.viewer; return v.viewports().map(id => {
  const pane = v.viewport(id); const [a, b] = [[0, 0], [10, 0]].map(pane.imageToCanvas);
  return Math.abs(b[0] - a[0]) / 10 / pane.place.columnSpacing; }) }"""
CHEST_WALLS = """() => { const v = window.__filmless.viewer; return v.viewports().map(id => {
  const pane = v.viewport(id); const width = document.querySelector(`[data-viewport=${id}]`).clientWidth;
  const edges = [-0.5, COLUMNS - 0.5].map(column => pane.imageToCanvas([column, 0])[0]);
  return {left: Math.min(...edges), right: width - Math.max(...edges)}; }) }"""


@pytest.fixture(autouse=True)
def hangs(screen_server: ScreenServer) -> None:
    screen_server.call("DELETE", "/preferences/hanging")


def code(value: str, meaning: str) -> Dataset:
    item = Dataset()
    item.CodeValue, item.CodingSchemeDesignator, item.CodeMeaning = value, "SCT", meaning
    return item


VIEWS = {"CC": code("399162004", "cranio-caudal"), "MLO": code("399368009", "medio-lateral oblique")}


def breast(side: str, view: str, spacing: str, shape: tuple[int, int], **more: Any) -> Dataset:
    """A mammogram read out with the chest wall at its first column, whichever breast it is of."""
    rows, columns = shape
    pixels = np.tile(np.linspace(3000, 0, columns), (rows, 1)).astype(np.int16)
    down = "F" if view == "MLO" else ("L" if side == "R" else "R")
    values = {
        "SOPClassUID": MAMMOGRAM,
        "SOPInstanceUID": make.uid(),
        "SeriesInstanceUID": make.uid(),
        "PatientID": "HANGMG",
        "Modality": "MG",
        "BodyPartExamined": "BREAST",
        "ImageLaterality": side,
        "PatientOrientation": ["A", down],
        "ViewCodeSequence": [VIEWS[view]],
        "ImagerPixelSpacing": [spacing, spacing],
        "PresentationIntentType": "FOR PRESENTATION",
        "ImagePositionPatient": None,
        "ImageOrientationPatient": None,
        "PixelSpacing": None,
        "FrameOfReferenceUID": None,
        "RescaleIntercept": "0",
        "WindowCenter": "1500",
        "WindowWidth": "3000",
        "PixelData": pixels.tobytes(),
        # What it is called must not matter.
        "SeriesDescription": "L MLO",
    }
    return make.ct_slice(rows, columns, **values | more)


def scales_are(page: Page, wanted: list[float]) -> None:
    page.wait_for_function(
        f"wanted => ({PIXELS_PER_MM})().every((scale, at) => Math.abs(scale - wanted[at]) < 1e-6)", arg=wanted
    )


def test_mammograms_hang_by_view_at_one_size_with_their_prior_below(
    open_page: OpenPage, screen_server: ScreenServer
) -> None:
    order = [("R", "CC"), ("L", "CC"), ("R", "MLO"), ("L", "MLO")]
    # Two sizes of pixels and of detectors: 24 x 30 cm and 18 x 24 cm at 1 mm and 0.75 mm.
    sizes = {"R": ("1", (300, 240)), "L": ("0.75", (320, 240))}
    made: dict[str, dict[tuple[str, str], Dataset]] = {}
    for day in ("20240301", "20220301"):
        common = {"StudyInstanceUID": make.uid(), "StudyDate": day}
        numbers = iter((4, 3, 2, 1))
        made[day] = {
            each: breast(*each, *sizes[each[0]], SeriesNumber=next(numbers), **common)  # type: ignore[arg-type]
            for each in order
        }
        raw = breast("R", "CC", "1", (300, 240), SeriesNumber=0, PresentationIntentType="FOR PROCESSING", **common)
        screen_server.store(raw, *made[day].values())
    current, prior = made["20240301"], made["20220301"]

    page = open_page(f"/viewer/{current['R', 'CC'].StudyInstanceUID}")
    shown = hung(page, "mammographyPrior")
    assert shown == [str(study[each].SOPInstanceUID) for study in (current, prior) for each in order]
    assert "1 prior" in page.locator("[data-role=hung-by]").inner_text()
    page.screenshot(path="/tmp/hanging-mg8.png")

    page.keyboard.press("e")
    assert hung(page, "mammography") == [str(current[each].SOPInstanceUID) for each in order]
    # The tallest is 300 mm; all have its scale, once the viewports have the size of the new layout.
    heights = "[...document.querySelectorAll('[data-viewport]')].map(each => each.clientHeight)"
    page.wait_for_function(f"""() => {{ const scales = ({PIXELS_PER_MM})(); const heights = {heights};
      return scales.length === 4 && scales.every(scale => Math.abs(scale - Math.min(...heights) / 300) < 1e-6); }}""")
    scale = min(page.evaluate(heights)) / 300
    walls = page.evaluate(CHEST_WALLS.replace("COLUMNS", "240"))
    assert [round(wall["right" if at % 2 == 0 else "left"], 3) for at, wall in enumerate(walls)] == [0, 0, 0, 0]
    page.screenshot(path="/tmp/hanging-mg4.png")

    # Zoomed in one, it is zoomed in all; 5 pixels to the mm where the screen was measured so.
    page.keyboard.press("+")
    scales_are(page, [1.25 * scale] * 4)
    page.evaluate("localStorage.setItem('filmless.screenScale', `5 ${devicePixelRatio}`)")
    page.keyboard.press("Shift+Z")
    scales_are(page, [5] * 4)
    page.keyboard.press("Alt+z")
    scales_are(page, [height / mm for height, mm in zip(page.evaluate(heights), (300, 240, 300, 240), strict=True)])


def sequence(number: int, study: str, level: int, **times: str) -> list[Dataset]:
    series = make.uid()
    pixels = np.full((16, 16), level, np.int16).tobytes()
    return [
        make.ct_slice(
            16,
            SOPClassUID=make.MR,
            PatientID="HANGMR",
            Modality="MR",
            BodyPartExamined="HEAD",
            StudyInstanceUID=study,
            SeriesInstanceUID=series,
            SeriesNumber=number,
            InstanceNumber=at,
            SeriesDescription="t1 t2 flair",
            ImagePositionPatient=["0", "0", str(5 * at)],
            RescaleIntercept="0",
            PixelData=pixels,
            **times,
        )
        for at in (1, 2)
    ]


def test_the_sequences_of_a_brain_hang_by_their_times_and_keys_go_through_the_protocols(
    open_page: OpenPage, screen_server: ScreenServer
) -> None:
    study = make.uid()
    t1 = sequence(1, study, 10, RepetitionTime="500", EchoTime="12")
    flair = sequence(2, study, 20, RepetitionTime="9000", EchoTime="120", InversionTime="2500")
    t2 = sequence(3, study, 30, RepetitionTime="4500", EchoTime="95")
    screen_server.store(*t1, *flair, *t2)
    firsts = [str(each[0].SOPInstanceUID) for each in (t1, flair, t2)]

    page = open_page(f"/viewer/{study}")
    assert hung(page, "brain") == [firsts[1], firsts[2], firsts[0], None]
    page.keyboard.press("e")
    assert hung(page, "mr") == [*firsts, None]
    page.keyboard.press("e")
    page.wait_for_function("() => window.__filmless.viewer.hanging.current === null")
    assert page.evaluate("window.__filmless.viewer.layout") == "1x1"
    page.keyboard.press("Alt+e")
    assert hung(page, "mr") == [*firsts, None]
    # What the reader arranges is no longer the protocol's.
    page.keyboard.press("Shift+Digit1")
    assert page.locator("[data-role=hung-by]").count() == 0


def test_a_prior_hangs_beside_a_ct_and_only_the_series_that_hangs_is_fetched(
    open_page: OpenPage, screen_server: ScreenServer
) -> None:
    def series(study: str, day: str, number: int, **more: Any) -> Dataset:
        values = {"PatientID": "HANGCT", "StudyInstanceUID": study, "StudyDate": day, "SeriesNumber": number}
        return make.ct_slice(16, **values | {"SeriesInstanceUID": make.uid()} | more)

    now, before = make.uid(), make.uid()
    coronal = ["1", "0", "0", "0", "0", "-1"]
    current = series(now, "20240301", 1, ContrastBolusAgent="Iohexol")
    other = series(before, "20230301", 1, ImageOrientationPatient=coronal)
    plain = series(before, "20230301", 2)
    same = series(before, "20230301", 3, ContrastBolusAgent="Iohexol")
    screen_server.store(current, other, plain, same)

    page = open_page("/")
    asked: list[str] = []
    page.on("request", lambda request: asked.append(request.url))
    page.goto(f"/viewer/{now}")
    assert hung(page, "ctPrior") == [str(current.SOPInstanceUID), str(same.SOPInstanceUID)]
    assert page.locator("[data-pane=pane2] [data-role=ribbon]").get_attribute("data-study") == "prior"
    of_prior = {url.split("/series/")[1].split("/")[0] for url in asked if f"{before}/series/" in url}
    assert of_prior == {str(same.SeriesInstanceUID)}


def knee(patient: str, *planes: str) -> dict[str, Dataset]:
    """A CT of a knee: one series of each plane, in this order."""
    axes = {"coronal": ["1", "0", "0", "0", "0", "-1"], "sagittal": ["0", "1", "0", "0", "0", "-1"]}
    study = make.uid()
    return {
        plane: make.ct_slice(
            16,
            PatientID=patient,
            StudyInstanceUID=study,
            StudyDescription=f"Knee of {patient}",
            SeriesInstanceUID=make.uid(),
            SeriesNumber=number,
            SeriesDescription=f"number {number}",
            BodyPartExamined="KNEE",
            ImageOrientationPatient=axes[plane],
        )
        for number, plane in enumerate(planes, 1)
    }


def test_an_arrangement_is_tried_remembered_and_hangs_the_next_study(
    open_page: OpenPage, screen_server: ScreenServer
) -> None:
    first, second = knee("HANGR1", "sagittal", "coronal"), knee("HANGR2", "coronal", "sagittal")
    third = knee("HANGR3", "sagittal")
    screen_server.store(*first.values(), *second.values(), *third.values())
    page = open_page(f"/viewer/{first['sagittal'].StudyInstanceUID}")
    page.wait_for_function("() => window.__filmless?.viewer?.displaySets.length === 2")
    page.wait_for_function("() => window.__filmless.viewer.hanging.subject !== null")
    page.keyboard.press("Shift+Digit2")
    for pane, name in (("pane1", "number 2"), ("pane2", "number 1")):
        page.locator(f"[data-pane={pane}]").focus()
        page.locator("[data-display-set]", has_text=name).click()
    page.locator("[data-pane=pane1]").focus()
    page.keyboard.press("2")
    page.wait_for_function(READY)

    page.keyboard.press("Alt+k")
    dialog = page.get_by_role("dialog", name="Remember this arrangement")
    words = dialog.get_by_role("list", name="What goes where, in 1 × 2 viewports").get_by_role("listitem")
    words.nth(1).wait_for()
    assert words.all_inner_texts() == ["CT, coronal; W 1500 L -600", "CT, sagittal"]
    assert dialog.get_by_label("Name").input_value() == "CT knee"
    dialog.get_by_label("Name").fill("My knees")
    assert dialog.get_by_role("button", name="Remember").is_disabled()
    dialog.get_by_role("button", name="Try on recent studies").click()
    trials = {
        patient: dialog.locator(f"[data-trial='{study['sagittal'].StudyInstanceUID}'] [data-series]")
        for patient, study in (("second", second), ("third", third))
    }
    trials["second"].nth(1).wait_for()
    trials["third"].nth(1).wait_for()
    series = [[each.get_attribute("data-series") for each in trial.all()] for trial in trials.values()]
    assert series == [
        [str(second["coronal"].SeriesInstanceUID), str(second["sagittal"].SeriesInstanceUID)],
        ["", str(third["sagittal"].SeriesInstanceUID)],
    ]
    assert trials["third"].first.inner_text() == "stays empty"
    page.screenshot(path="/tmp/hanging-remember.png")
    assert serious_findings(page) == []
    dialog.get_by_role("button", name="Remember").click()
    page.locator("[data-role=hung-by]", has_text="My knees").wait_for()

    (kept,) = [each for each in screen_server.call("GET", "/hanging-protocols") if each["name"] == "My knees"]
    page.goto(f"/viewer/{second['coronal'].StudyInstanceUID}")
    assert hung(page, f"person:{kept['id']}") == [
        str(second["coronal"].SOPInstanceUID),
        str(second["sagittal"].SOPInstanceUID),
    ]
    voi = page.evaluate("() => window.__filmless.viewer.viewport('pane1').voi")
    assert (voi["center"], voi["width"]) == (-600, 1500)
    assert page.locator("[data-role=hung-by]").inner_text() == "My knees knee · CT · 2 of 2 viewports"

    page.keyboard.press("Alt+h")
    listed = page.get_by_role("dialog", name="Hanging protocols")
    entry = listed.locator("[data-protocol='My knees']")
    entry.get_by_label("Name").fill("Knees")
    entry.get_by_label("Name").press("Tab")
    renamed = listed.locator("[data-protocol='Knees']")
    renamed.get_by_role("switch").dispatch_event("click")
    page.wait_for_function("() => window.__filmless.viewer.hanging.matches.length === 0")
    page.screenshot(path="/tmp/hanging-list.png")
    assert serious_findings(page) == []
    renamed.get_by_role("button", name="Delete Knees").click()
    renamed.wait_for(state="detached")
    assert "Knees" not in [each["name"] for each in screen_server.call("GET", "/hanging-protocols")]
