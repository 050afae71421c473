"""What is shown with the pixels: shutters, overlays, key images, presentation states, segments; on one page."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from highdicom.color import CIELabColor
from highdicom.seg import SegmentAlgorithmTypeValues, Segmentation, SegmentationTypeValues, SegmentDescription
from playwright.sync_api import Browser, Page, expect
from pydicom import Dataset
from pydicom.sr.codedict import codes

import make
from presenting import item, reference
from screen import DESKTOP, PHONE, OpenPage, ScreenServer, serious_findings, watched

pytestmark = [pytest.mark.browser, pytest.mark.xdist_group("screen")]

SIDE = 64
GREY = np.full((SIDE, SIDE), 1064, np.uint16)  # 40 HU
PANE = "document.querySelector('[data-layers=pane1]')"


def segmentation(slices: list[Dataset]) -> Dataset:
    """Two segments on the second of three slices: 10 x 10 pixels, and 4 x 5."""
    masks = np.zeros((3, SIDE, SIDE, 2), np.uint8)
    masks[1, 10:20, 30:40, 0] = 1
    masks[1, 40:44, 5:10, 1] = 1
    described = [
        SegmentDescription(
            number,
            label,
            codes.SCT.Organ,
            codes.SCT.Liver,
            SegmentAlgorithmTypeValues.MANUAL,
            display_color=CIELabColor(*lab),
        )
        for number, label, lab in ((1, "Red thing", (54.3, 80.8, 69.9)), (2, "Blue thing", (29.6, 68.3, -112.0)))
    ]
    made = Segmentation(
        slices, masks, SegmentationTypeValues.BINARY, described, make.uid(), 9003, make.uid(), 1, "T", "T", "1", "1"
    )
    made.SeriesDescription, made.ContentLabel = "Segments", "SEGMENTS"
    return made


def structures(image: Dataset) -> Dataset:
    ds = make.instance("1.2.840.10008.5.1.4.1.1.481.3", Modality="RTSTRUCT", StructureSetLabel="Plan")
    ds.StructureSetROISequence = [
        item(ROINumber=1, ReferencedFrameOfReferenceUID=image.FrameOfReferenceUID, ROIName="Cord")
    ]
    x, y, z = (float(value) for value in image.ImagePositionPatient)
    contour = item(
        ContourGeometricType="CLOSED_PLANAR", NumberOfContourPoints=3,
        ContourImageSequence=[reference(image)],
        ContourData=[x + 10, y + 10, z, x + 20, y + 10, z, x + 20, y + 20, z],
    )  # fmt: skip
    ds.ROIContourSequence = [item(ReferencedROINumber=1, ROIDisplayColor=[0, 255, 0], ContourSequence=[contour])]
    return ds


@pytest.fixture(scope="module")
def slices(screen_server: ScreenServer) -> list[Dataset]:
    """Three slices with their segments and structures, and a slice with a shutter and an overlay of one row."""
    values: dict[str, Any] = {"PixelData": GREY.tobytes(), "PixelRepresentation": 0, "PatientName": "Objects^Olaf"}
    made = make.ct_series(
        3, rows=SIDE, SeriesDescription="Slices", SeriesNumber=1, PositionReferenceIndicator="", **values
    )
    overlay = np.zeros((SIDE, SIDE), np.uint8)
    overlay[31, 20:40] = 1
    shuttered = make.ct_slice(
        SIDE, StudyInstanceUID=made[0].StudyInstanceUID, SeriesDescription="Shuttered", SeriesNumber=2,
        ShutterShape="RECTANGULAR", ShutterLeftVerticalEdge="17", ShutterRightVerticalEdge="48",
        ShutterUpperHorizontalEdge="9", ShutterLowerHorizontalEdge="56", ShutterPresentationValue=0, **values,
    )  # fmt: skip
    shuttered.add_new(0x60000010, "US", SIDE)
    shuttered.add_new(0x60000011, "US", SIDE)
    shuttered.add_new(0x60000040, "CS", "G")
    shuttered.add_new(0x60000050, "SS", [1, 1])
    shuttered.add_new(0x60000100, "US", 1)
    shuttered.add_new(0x60000102, "US", 0)
    shuttered.add_new(0x60003000, "OW", np.packbits(overlay.ravel(), bitorder="little").tobytes())
    plan = structures(made[2])
    plan.StudyInstanceUID, plan.PatientID, plan.PatientName = made[0].StudyInstanceUID, "P1", "Objects^Olaf"
    screen_server.store(*made, shuttered, segmentation(made), plan)
    return made


@pytest.fixture(scope="module")
def viewer(
    screen_server: ScreenServer, browser: Browser, admin_cookies: list[Any], slices: list[Dataset]
) -> Iterator[Page]:
    context = browser.new_context(base_url=screen_server.url, viewport=DESKTOP, reduced_motion="reduce")
    context.add_cookies(admin_cookies)
    complaints: list[str] = []
    page = watched(context, complaints)
    page.goto(f"/viewer/{slices[0].StudyInstanceUID}")
    page.wait_for_function("() => window.__filmless?.viewer?.displaySets.length >= 4", timeout=60_000)
    page.keyboard.press("Shift+K")
    yield page
    context.close()
    assert complaints == []


def open_series(page: Page, description: str) -> None:
    page.get_by_role("navigation", name="Series").get_by_role("button").filter(has_text=description).first.click()
    page.wait_for_function("() => window.__filmless.viewer.viewport('pane1').status === 'ready'")


def to_slice(page: Page, index: int) -> None:
    page.keyboard.press("Home")
    for _ in range(index):
        page.keyboard.press("ArrowDown")
    page.wait_for_function(f"() => window.__filmless.viewer.viewport('pane1').shown === {index}")


def layer(page: Page, column: int, row: int) -> list[int]:
    """Red, green, blue and opacity of what lies over an image pixel."""
    return list(
        page.evaluate(
            """([column, row]) => {
              const [x, y] = window.__filmless.viewer.viewport('pane1').imageToCanvas([column, row]);
              const canvas = document.querySelector('[data-layers=pane1]');
              if (!canvas) return [0, 0, 0, 0];
              const ratio = window.devicePixelRatio || 1;
              const at = [Math.floor(x * ratio), Math.floor(y * ratio)];
              return Array.from(canvas.getContext('2d').getImageData(...at, 1, 1).data);
            }""",
            [column, row],
        )
    )


def pane(page: Page) -> dict[str, Any]:
    return dict(
        page.evaluate(
            """() => { const {voi, isInverted, presentation, imageId, shown} =
              window.__filmless.viewer.viewport('pane1');
            return {voi, isInverted, presentation, imageId, shown}; }"""
        )
    )


def test_a_shutter_covers_what_lies_outside_and_an_overlay_is_drawn(viewer: Page) -> None:
    open_series(viewer, "Shuttered")
    viewer.wait_for_function(f"() => {PANE}?.getContext('2d').getImageData(0, 0, 1, 1)")
    viewer.wait_for_function("() => document.querySelectorAll('[data-layers=pane1]').length === 1")
    expect(viewer.locator("[data-layers=pane1]")).to_be_visible()
    outside = [(15, 31), (48, 31), (31, 7), (31, 56), (0, 0), (63, 63)]
    inside = [(16, 30), (47, 30), (31, 8), (31, 55)]
    assert [layer(viewer, *at) for at in outside] == [[0, 0, 0, 255]] * 6
    assert [layer(viewer, *at)[3] for at in inside] == [0] * 4
    assert (layer(viewer, 20, 31), layer(viewer, 39, 31)) == ([255] * 4, [255] * 4)
    assert layer(viewer, 30, 32)[3] == 0
    viewer.get_by_role("switch", name="Shutters").click()
    viewer.get_by_role("switch", name="Overlay graphics").click()
    expect(viewer.locator("[data-layers=pane1]")).to_have_count(0)
    viewer.get_by_role("switch", name="Shutters").click()
    viewer.get_by_role("switch", name="Overlay graphics").click()


def test_a_segment_lies_where_it_was_drawn_in_its_colour_and_can_be_hidden(viewer: Page, shot: Path) -> None:
    open_series(viewer, "Slices")
    viewer.get_by_role("button", name="Show SEGMENTS").click()
    to_slice(viewer, 1)
    drawn = viewer.locator("[data-layers=pane1]")
    expect(drawn).to_have_attribute("data-segments", "1:100 2:20")
    red, green, blue, opacity = layer(viewer, 30, 10)
    assert (red > 240, green < 20, blue < 20, 120 < opacity < 135) == (True, True, True, True)
    assert [layer(viewer, *at)[3] > 0 for at in ((39, 19), (29, 10), (40, 19), (39, 20))] == [True, False, False, False]
    assert layer(viewer, 7, 42)[2] > 240
    viewer.screenshot(path=shot)
    viewer.get_by_role("button", name="Red thing").click()
    expect(drawn).to_have_attribute("data-segments", "2:20")
    assert layer(viewer, 30, 10)[3] == 0
    viewer.get_by_role("button", name="Red thing").click()
    to_slice(viewer, 0)
    expect(drawn).to_have_count(0)


def test_a_contour_is_drawn_on_its_slice(viewer: Page) -> None:
    open_series(viewer, "Slices")
    viewer.get_by_role("button", name="Show Plan").click()
    to_slice(viewer, 2)
    expect(viewer.locator("[data-layers=pane1]")).to_be_visible()
    # 10 mm from the first pixel at 0.5 mm a pixel.
    assert layer(viewer, 30, 20)[:3] == [0, 255, 0]
    assert layer(viewer, 35, 22)[3] == 0
    viewer.get_by_role("button", name="Show Plan").click()


def test_key_images_are_marked_saved_listed_and_jumped_to(
    viewer: Page, slices: list[Dataset], screen_server: ScreenServer
) -> None:
    open_series(viewer, "Slices")
    to_slice(viewer, 2)
    viewer.keyboard.press("k")
    expect(viewer.locator("[data-pane=pane1]")).to_contain_text("★ Marked")
    viewer.get_by_label("Description (optional)").fill("look here")
    viewer.get_by_role("button", name="Save key images").click()
    saved = viewer.locator("[data-key-objects]")
    expect(saved).to_contain_text("look here")
    expect(saved.locator("[data-sop]")).to_have_attribute("data-sop", slices[2].SOPInstanceUID)
    viewer.locator("[data-pane=pane1]").focus()
    to_slice(viewer, 0)
    saved.get_by_role("button", name="Series 1: 3").click()
    viewer.wait_for_function("() => window.__filmless.viewer.viewport('pane1').shown === 2")
    expect(viewer.locator("[data-pane=pane1]")).to_contain_text("★ Key image")
    assert slices[2].SOPInstanceUID in pane(viewer)["imageId"]


def test_a_presentation_state_comes_back_the_same(viewer: Page) -> None:
    open_series(viewer, "Slices")
    to_slice(viewer, 1)
    viewer.locator("[data-pane=pane1]").focus()
    for key in ("2", "r", "h", "i", "+", "+", "+"):
        viewer.keyboard.press(key)
    viewer.wait_for_function("() => window.__filmless.viewer.viewport('pane1').voi.center === -600")
    viewer.wait_for_function("() => window.__filmless.viewer.viewport('pane1').presentation.zoom > 1.9")
    before = pane(viewer)
    viewer.get_by_label("Name (16 letters)").fill("lung turned")
    viewer.get_by_role("button", name="Save as presentation state").click()
    apply = viewer.get_by_role("button", name="Apply LUNG TURNED")
    expect(apply).to_be_visible()
    viewer.locator("[data-pane=pane1]").focus()
    viewer.keyboard.press("0")
    to_slice(viewer, 0)
    assert pane(viewer)["voi"]["center"] != -600
    apply.click()
    viewer.wait_for_function("() => window.__filmless.viewer.viewport('pane1').voi.center === -600")
    expect(viewer.locator("[data-pane=pane1]")).to_contain_text("State: LUNG TURNED")
    after = pane(viewer)
    assert (after["voi"]["center"], after["voi"]["width"]) == (before["voi"]["center"], before["voi"]["width"])
    assert (after["shown"], after["isInverted"]) == (1, True)
    assert after["presentation"]["orientation"] == before["presentation"]["orientation"]
    # The part that is seen is told in whole pixels: of 64, one more or less at each end.
    assert after["presentation"]["center"] == pytest.approx(before["presentation"]["center"], abs=1 / SIDE)
    assert after["presentation"]["zoom"] == pytest.approx(before["presentation"]["zoom"], rel=0.06)
    assert serious_findings(viewer) == []


def painted(page: Page) -> dict[int, int]:
    counts = page.evaluate("window.__filmless.viewer.segments.counts")
    return {int(number): count for number, count in counts.items()}


def press_at(page: Page, column: float, row: float) -> tuple[float, float]:
    """Press over an image point; where it really was, in pixels of the image."""
    box = page.locator("[data-viewport=pane1]").bounding_box()
    assert box
    x, y = page.evaluate("p => window.__filmless.viewer.viewport('pane1').imageToCanvas(p)", [column, row])
    at = (round(box["x"] + x), round(box["y"] + y))
    page.mouse.move(*at)
    page.mouse.down()
    page.mouse.up()
    found = page.evaluate(
        "p => window.__filmless.viewer.viewport('pane1').canvasToImage(p)", [at[0] - box["x"], at[1] - box["y"]]
    )
    return float(found[0]), float(found[1])


def disc(center: tuple[float, float], radius: float) -> Any:
    row, column = np.mgrid[0:SIDE, 0:SIDE]
    return np.hypot(column - center[0], row - center[1]) <= radius


def test_segments_are_drawn_undone_saved_and_read_back_voxel_by_voxel(viewer: Page, shot: Path) -> None:
    open_series(viewer, "Slices")
    to_slice(viewer, 0)
    viewer.keyboard.press("Alt+s")
    panel = viewer.get_by_role("complementary", name="Draw segments")
    panel.get_by_role("button", name="New segmentation").click()
    panel.get_by_role("textbox", name="Name of the segmentation").fill("Drawn here")
    viewer.locator("[data-pane=pane1]").focus()
    viewer.keyboard.press("Alt+PageDown")
    radius = viewer.evaluate("window.__filmless.viewer.segments.radius")
    assert radius == pytest.approx(8 / 1.25, abs=0.05)
    first = disc(press_at(viewer, 20, 30), radius)
    viewer.wait_for_function("() => window.__filmless.viewer.segments.counts[1] > 0")
    assert painted(viewer) == {1: int(first.sum())}
    viewer.keyboard.press("Alt+r")
    gone = disc(press_at(viewer, 26, 30), radius)
    left = int((first & ~gone).sum())
    viewer.wait_for_function("n => window.__filmless.viewer.segments.counts[1] === n", arg=left)
    viewer.keyboard.press("Control+z")
    assert painted(viewer) == {1: int(first.sum())}
    viewer.keyboard.press("Control+y")
    assert painted(viewer) == {1: left}

    # A second segment, on the other end; between them what lies between the shapes.
    viewer.keyboard.press("Control+z")
    to_slice(viewer, 2)
    viewer.keyboard.press("Alt+b")
    last = disc(press_at(viewer, 20, 30), radius)
    viewer.wait_for_function(
        "n => window.__filmless.viewer.segments.counts[1] === n", arg=int(first.sum() + last.sum())
    )
    panel.get_by_role("button", name="Fill the slices between").click()
    between = painted(viewer)[1] - int(first.sum() + last.sum())
    assert between == pytest.approx(int(first.sum()), abs=6)
    panel.get_by_role("button", name="Add a segment").click()
    # All pixels are 40 HU, which the range holds: the fill takes the whole slice, also from the first segment.
    viewer.locator("[data-pane=pane1]").focus()
    viewer.keyboard.press("Alt+l")
    press_at(viewer, 50, 50)
    viewer.wait_for_function("n => window.__filmless.viewer.segments.counts[2] === n", arg=SIDE * SIDE)
    counts = painted(viewer)
    assert counts == {1: int(first.sum()) + between, 2: SIDE * SIDE}
    spacing = viewer.evaluate(
        "window.__filmless.viewer.displaySets.find(s => s.description === 'Slices').frames[0].plane"
    )
    ml = SIDE * SIDE * spacing["rowSpacing"] * spacing["columnSpacing"] * 1.5 / 1000
    assert f"{SIDE * SIDE} voxels · {ml:.2f} mL" in panel.locator("[data-segment='2']").inner_text()
    assert serious_findings(viewer) == []
    viewer.screenshot(path=shot)

    panel.get_by_role("button", name="Save", exact=True).click()
    expect(panel.get_by_text("Saved in this study.")).to_be_visible()
    panel.get_by_role("button", name="Done").click()
    objects = viewer.get_by_role("complementary", name="On the images")
    other = objects.get_by_role("button", name="Show SEGMENTS", pressed=True)
    if other.count():
        other.click()
    objects.get_by_role("button", name="Show Drawn here").click()
    layers = viewer.locator("[data-layers=pane1]")
    for index, words in enumerate((f"1:{int(first.sum())}", f"1:{between}", f"2:{SIDE * SIDE}")):
        to_slice(viewer, index)
        expect(layers).to_have_attribute("data-segments", words)
    objects.get_by_role("button", name="Show Drawn here").click()

    panel.get_by_role("button", name="Edit a copy of Drawn here").click()
    viewer.wait_for_function("() => window.__filmless.viewer.segments.draft !== null")
    assert painted(viewer) == counts
    panel.get_by_role("button", name="Discard what is not saved").click()
    viewer.keyboard.press("Alt+s")
    expect(panel).to_have_count(0)


def test_the_panel_fits_a_phone(open_page: OpenPage, slices: list[Dataset], shot: Path) -> None:
    page = open_page(f"/viewer/{slices[0].StudyInstanceUID}", size=PHONE)
    page.wait_for_function("() => window.__filmless?.viewer?.displaySets.length >= 4", timeout=60_000)
    page.keyboard.press("Shift+K")
    expect(page.get_by_role("complementary", name="On the images")).to_be_visible()
    page.screenshot(path=shot)
    assert page.evaluate("document.documentElement.scrollWidth") <= 390
