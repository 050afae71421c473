"""Marks measure what is known of made images: lengths, angles, areas, values, and where millimetres come from.

One study with a series for each case is opened once; each test draws on it with the mouse as a reader does.
"""

from __future__ import annotations

import itertools
import math
from collections.abc import Iterator
from typing import Any

import numpy as np
import pytest
from playwright.sync_api import Browser, Locator, Page, expect
from pydicom.dataset import Dataset
from pydicom.sequence import Sequence

import make
from screen import DESKTOP, OpenPage, ScreenServer, watched
from waiting import until

pytestmark = [pytest.mark.browser, pytest.mark.xdist_group("screen")]

Point = tuple[float, float]
Array = np.ndarray[Any, Any]

SIDE = 200
STUDY = make.uid()
DISC_HU, AROUND_HU = 60, -100


def disc() -> Array:
    """A disc of radius 40 around the centre of pixel (100, 100), on a darker ground; a ramp in the corner."""
    y, x = np.mgrid[0:SIDE, 0:SIDE]
    values = np.where((x - 100) ** 2 + (y - 100) ** 2 <= 40**2, DISC_HU, AROUND_HU)
    values[:20, :20] = np.arange(400).reshape(20, 20)
    return values.astype(np.int16)


def image(name: str, modality: str, **overrides: Any) -> Dataset:
    plain: dict[str, Any] = {
        "PixelData": disc().tobytes(),
        "RescaleIntercept": "0",
        "RescaleSlope": "1",
        "PixelSpacing": [0.5, 0.5],
    }
    study = {"StudyInstanceUID": STUDY, "PatientID": "MARKS", "SeriesDescription": name, "Modality": modality}
    return make.ct_slice(SIDE, SIDE, **(plain | study | {"WindowCenter": "0", "WindowWidth": "400"} | overrides))


def unplaced(name: str, modality: str, **overrides: Any) -> Dataset:
    """An image without a place in the patient."""
    nowhere = dict.fromkeys(("PixelSpacing", "ImagePositionPatient", "ImageOrientationPatient", "FrameOfReferenceUID"))
    return image(name, modality, **(nowhere | {"RescaleType": "US"} | overrides))


def region(x0: int, x1: int, delta_cm: float) -> Dataset:
    ds = Dataset()
    ds.RegionSpatialFormat, ds.RegionDataType, ds.RegionFlags = 1, 1, 0
    ds.RegionLocationMinX0, ds.RegionLocationMinY0 = x0, 0
    ds.RegionLocationMaxX1, ds.RegionLocationMaxY1 = x1, SIDE - 1
    ds.PhysicalUnitsXDirection = ds.PhysicalUnitsYDirection = 3
    ds.PhysicalDeltaX = ds.PhysicalDeltaY = delta_cm
    return ds


def pet() -> Dataset:
    drug = Dataset()
    drug.RadionuclideTotalDose, drug.RadionuclideHalfLife = 1000.0, 6586.2
    drug.RadiopharmaceuticalStartTime = "080000"
    ds = image("pet", "PT", Units="BQML", DecayCorrection="START", PatientWeight="70")
    ds.RadiopharmaceuticalInformationSequence = Sequence([drug])
    ds.SeriesTime = ds.AcquisitionTime = "094946.2"  # one half-life after the injection
    ds.AcquisitionDate = ds.SeriesDate
    return ds


def images() -> list[Dataset]:
    return [
        image("ct", "CT"),
        unplaced("detector", "DX", ImagerPixelSpacing=[0.2, 0.2]),
        unplaced("us", "US", SequenceOfUltrasoundRegions=Sequence([region(0, 99, 0.01), region(100, 199, 0.02)])),
        unplaced("plain", "OT"),
        pet(),
    ]


@pytest.fixture(scope="module")
def reader(screen_server: ScreenServer, browser: Browser, admin_cookies: list[Any]) -> Iterator[Page]:
    """The viewer on the study. What the console complains of fails the module."""
    datasets = images()
    for number, ds in enumerate(datasets, 1):
        ds.SeriesNumber = number
    screen_server.store(*datasets)
    context = browser.new_context(base_url=screen_server.url, viewport=DESKTOP, reduced_motion="reduce")
    context.add_cookies(admin_cookies)
    complaints: list[str] = []
    page = watched(context, complaints)
    page.goto(f"/viewer/{STUDY}")
    page.wait_for_function(
        f"() => window.__filmless?.viewer?.displaySets.length >= {len(datasets)}"
        " && document.querySelector('[data-viewport=pane1] svg')",
        timeout=60_000,
    )
    yield page
    context.close()
    assert complaints == []


def open_series(page: Page, name: str) -> None:
    identity = page.evaluate("n => window.__filmless.viewer.displaySets.find(set => set.description === n).id", name)
    page.locator(f"[data-display-set='{identity}']").click()
    page.wait_for_function(
        "id => { const v = window.__filmless.viewer.viewport('pane1');"
        " return v.displaySetId === id && v.status === 'ready' && v.values(); }",
        arg=identity,
    )
    page.locator("[data-pane=pane1]").focus()


def at(page: Page, point: Point) -> Point:
    """The point of the page over an image point, given as marks have it: 0.5 is the centre of the first pixel."""
    x, y = page.evaluate(
        "p => window.__filmless.viewer.viewport('pane1').imageToCanvas([p[0] - 0.5, p[1] - 0.5])", list(point)
    )
    box = page.locator("[data-viewport=pane1]").bounding_box()
    assert box
    return box["x"] + x, box["y"] + y


def drag(page: Page, start: Point, end: Point) -> None:
    page.mouse.move(*at(page, start))
    page.mouse.down()
    page.mouse.move(*at(page, ((start[0] + end[0]) / 2, (start[1] + end[1]) / 2)), steps=2)
    page.mouse.move(*at(page, end), steps=2)
    page.mouse.up()


def click(page: Page, point: Point) -> None:
    page.mouse.move(*at(page, point))
    page.mouse.down()
    page.wait_for_timeout(450)  # what the library waits for a second click
    page.mouse.up()


def marks(page: Page) -> list[dict[str, Any]]:
    return list(page.evaluate("window.__filmless.viewer.annotations"))


def drawn(page: Page, count: int) -> dict[str, Any]:
    """The newest mark, once there are so many."""
    page.wait_for_function("n => window.__filmless.viewer.annotations.length === n", arg=count)
    return marks(page)[-1]


def values(mark: dict[str, Any]) -> dict[str, tuple[Any, str]]:
    return {each["name"]: (each["value"], each["unit"]) for each in mark["values"]}


def inside(mark: dict[str, Any]) -> Any:
    """Pixels whose centre lies in the ellipse, circle or outline of a mark, by another way than the viewer's."""
    y, x = np.mgrid[0:SIDE, 0:SIDE] + 0.5
    points = np.array(mark["points"])
    if mark["kind"] == "circle":
        return np.hypot(x - points[0, 0], y - points[0, 1]) <= np.hypot(*(points[1] - points[0]))
    if mark["kind"] == "ellipse":
        center = points.mean(axis=0)
        a, b = (np.ptp(points[:, 0]) / 2, np.ptp(points[:, 1]) / 2)
        return ((x - center[0]) / a) ** 2 + ((y - center[1]) / b) ** 2 <= 1
    low, high = points.min(axis=0), points.max(axis=0)
    return (x > low[0]) & (x < high[0]) & (y > low[1]) & (y < high[1])


def enclosed_mm2(points: list[Point]) -> float:
    """The area of an outline on pixels of 0.5 mm (the shoelace formula)."""
    x, y = np.array(points).T
    return float(abs(x @ np.roll(y, -1) - y @ np.roll(x, -1)) / 2 * 0.25)


def start(page: Page, series: str, key: str) -> int:
    """Take all marks away, open a series, choose a tool; return how many marks there will be after one more."""
    for _ in marks(page):
        page.keyboard.press("n")
        page.keyboard.press("Delete")
    page.wait_for_function("() => window.__filmless.viewer.annotations.length === 0")
    open_series(page, series)
    page.keyboard.press(key)
    return len(marks(page)) + 1


# A drag ends on whole pixels of the screen: what was drawn is read back, and is where it was meant to within this.
SCREEN_PX = 0.4


def test_a_length_is_in_millimetres_of_the_patient(reader: Page) -> None:
    count = start(reader, "ct", "Shift+L")
    drag(reader, (60.5, 100.5), (140.5, 100.5))
    mark = drawn(reader, count)
    assert mark["points"][0] == pytest.approx([60.5, 100.5], abs=SCREEN_PX)
    length, unit = values(mark)["length"]
    assert unit == "mm"
    assert length == pytest.approx(40.0, abs=0.2)
    assert length == pytest.approx(math.dist(*mark["points"]) * 0.5, abs=1e-6)
    assert mark["spacing"] == {"columnMm": 0.5, "rowMm": 0.5, "source": "patient"}
    shown = reader.evaluate("window.__filmless.viewer.viewport('pane1').imageId")
    assert f"/instances/{mark['sopInstanceUid']}/frames/{mark['frameNumber']}" in shown


def test_angles(reader: Page) -> None:
    count = start(reader, "ct", "Shift+A")
    drag(reader, (100.5, 60.5), (60.5, 60.5))
    click(reader, (60.5, 100.5))
    right = drawn(reader, count)
    reader.keyboard.press("Shift+C")
    drag(reader, (40.5, 140.5), (140.5, 140.5))
    drag(reader, (40.5, 170.5), (140.5, 187.5))
    cobb = drawn(reader, count + 1)
    assert values(right)["angle"] == (pytest.approx(90.0, abs=0.5), "°")
    assert values(cobb)["angle"] == (pytest.approx(math.degrees(math.atan2(17, 100)), abs=0.5), "°")


def test_a_bidirectional_has_both_axes(reader: Page) -> None:
    count = start(reader, "ct", "Shift+B")
    drag(reader, (60.5, 30.5), (140.5, 30.5))
    mark = drawn(reader, count)
    assert values(mark)["longAxis"] == (pytest.approx(40.0, abs=0.2), "mm")
    across = math.dist(mark["points"][2], mark["points"][3]) * 0.5
    assert values(mark)["shortAxis"] == (pytest.approx(across, abs=1e-6), "mm")
    assert across < 40


@pytest.mark.parametrize(
    ("key", "start_at", "end_at", "area_mm2"),
    [
        ("Shift+E", (100.5, 100.5), (120.5, 115.5), math.pi * 10 * 7.5),
        ("Shift+O", (100.5, 100.5), (120.5, 100.5), math.pi * 100),
        ("Shift+Q", (85.5, 90.5), (115.5, 110.5), 15 * 10),
    ],
)
def test_an_area_inside_the_disc_has_its_value(
    reader: Page, key: str, start_at: Point, end_at: Point, area_mm2: float
) -> None:
    count = start(reader, "ct", key)
    drag(reader, start_at, end_at)
    found = values(drawn(reader, count))
    assert found["area"] == (pytest.approx(area_mm2, rel=0.04), "mm²")
    assert found["mean"] == (DISC_HU, "HU")
    assert found["standardDeviation"] == (0, "HU")
    assert (found["minimum"][0], found["maximum"][0]) == (DISC_HU, DISC_HU)


def test_statistics_are_those_of_the_pixels_whatever_the_window(reader: Page) -> None:
    count = start(reader, "ct", "Shift+O")
    reader.keyboard.press("2")
    drag(reader, (60.5, 70.5), (85.5, 70.5))
    mark = drawn(reader, count)
    truth = disc()[inside(mark)].astype(float)
    found = values(mark)
    assert found["standardDeviation"][0] > 0
    assert found["mean"][0] == pytest.approx(truth.mean(), abs=1e-6)
    assert found["standardDeviation"][0] == pytest.approx(truth.std(), abs=1e-6)
    assert (found["minimum"][0], found["maximum"][0]) == (truth.min(), truth.max())


def test_a_probe_reads_one_pixel(reader: Page) -> None:
    count = start(reader, "ct", "Shift+P")
    click(reader, (7.5, 3.5))
    assert values(drawn(reader, count))["value"] == (67, "HU")


def test_outlines_have_area_and_statistics(reader: Page) -> None:
    count = start(reader, "ct", "Shift+H")
    reader.mouse.move(*at(reader, (90.5, 90.5)))
    reader.mouse.down()
    for corner in [(110.5, 90.5), (110.5, 110.5), (90.5, 110.5), (90.5, 91.0)]:
        reader.mouse.move(*at(reader, corner), steps=8)
    reader.mouse.move(*at(reader, (90.5, 90.5)), steps=3)
    reader.mouse.up()
    freehand = drawn(reader, count)
    reader.keyboard.press("Shift+S")
    corners = [(90.5, 80.5), (110.5, 80.5), (110.5, 120.5), (90.5, 120.5)]
    for corner in [*corners, corners[0]]:
        click(reader, corner)
    spline = drawn(reader, count + 1)
    reader.keyboard.press("Shift+W")
    for corner in [(92.5, 85.5), (108.5, 85.5), (108.5, 115.5), (92.5, 85.5)]:
        click(reader, corner)
    livewire = drawn(reader, count + 2)
    assert values(freehand)["area"] == (pytest.approx(100, rel=0.06), "mm²")
    for mark in (freehand, spline, livewire):
        assert values(mark)["mean"] == (DISC_HU, "HU")
        assert values(mark)["area"][0] == pytest.approx(enclosed_mm2(mark["points"]), rel=1e-9)
    assert spline["controls"] == [pytest.approx(c, abs=SCREEN_PX) for c in corners]


def test_an_arrow_asks_for_its_text(reader: Page) -> None:
    count = start(reader, "ct", "Shift+T")
    drag(reader, (20.5, 120.5), (30.5, 150.5))
    reader.get_by_role("textbox", name="Text of the arrow").fill("Where is this?")
    reader.keyboard.press("Enter")
    mark = drawn(reader, count)
    assert (mark["kind"], mark["label"], mark["values"]) == ("arrow", "Where is this?", [])


@pytest.mark.parametrize(
    ("series", "end", "length", "unit", "source"),
    [
        ("detector", (90.5, 50.5), 80 * 0.2, "mm", "detector"),
        ("us", (90.5, 50.5), 80 * 0.1, "mm", "ultrasound"),
        ("us", (150.5, 50.5), 140, "px", None),
        ("plain", (90.5, 50.5), 80, "px", None),
    ],
)
def test_millimetres_come_from_what_the_image_says(
    reader: Page, series: str, end: Point, length: float, unit: str, source: str | None
) -> None:
    count = start(reader, series, "Shift+L")
    drag(reader, (10.5, 50.5), end)
    mark = drawn(reader, count)
    assert values(mark)["length"] == (pytest.approx(length, rel=0.006), unit)
    assert (mark["spacing"] or {}).get("source") == source


def test_another_region_of_an_ultrasound_has_another_scale(reader: Page) -> None:
    count = start(reader, "us", "Shift+L")
    drag(reader, (110.5, 80.5), (160.5, 80.5))
    assert values(drawn(reader, count))["length"] == (pytest.approx(50 * 0.2, rel=0.01), "mm")


def test_a_calibration_by_hand_counts_for_all_marks_of_the_image(reader: Page) -> None:
    count = start(reader, "plain", "Shift+L")
    drag(reader, (20.5, 120.5), (60.5, 120.5))
    drawn(reader, count)
    reader.keyboard.press("Shift+D")
    drag(reader, (20.5, 150.5), (120.5, 150.5))
    reader.get_by_role("textbox", name="Length of the line in millimetres").fill("250")
    reader.keyboard.press("Enter")
    drawn(reader, count + 1)
    length = marks(reader)[count - 1]
    assert values(length)["length"] == (pytest.approx(100, rel=0.01), "mm")
    assert length["spacing"]["source"] == "manual"
    reader.keyboard.press("Delete")
    drawn(reader, count)
    assert values(marks(reader)[count - 1])["length"][1] == "px"


def test_pet_values_are_standardised_uptake_values(reader: Page) -> None:
    count = start(reader, "pet", "Shift+O")
    drag(reader, (100.5, 100.5), (110.5, 100.5))
    value, unit = values(drawn(reader, count))["mean"]
    # 70 kg, 1000 Bq of which half is left: a Bq/ml is 140 g/ml.
    assert (value, unit) == (pytest.approx(DISC_HU * 140), "SUVbw")


def bars(figure: Locator) -> list[int]:
    """The heights of the bars that are drawn, from left to right, in pixels of the canvas."""
    figure.locator("canvas").wait_for()
    drawing = figure.locator("canvas").evaluate(COLUMNS)
    return [
        max(run) for is_bar, run in ((k, list(g)) for k, g in itertools.groupby(drawing, lambda n: n > 4)) if is_bar
    ]


# How many pixels of each column have the colour of bars: more green than red, by far.
COLUMNS = """(canvas) => {
  const { width, height } = canvas;
  const { data } = canvas.getContext('2d').getImageData(0, 0, width, height);
  return Array.from({ length: width }, (_, x) => {
    let count = 0;
    for (let y = 0; y < height; y += 1) {
      const at = (y * width + x) * 4;
      if (data[at + 3] > 40 && data[at + 1] - data[at] > 40) count += 1;
    }
    return count;
  });
}"""


def test_an_area_has_a_histogram_and_a_length_a_profile(reader: Page) -> None:
    count = start(reader, "ct", "Shift+O")
    drag(reader, (60.5, 70.5), (85.5, 70.5))
    area = drawn(reader, count)
    reader.keyboard.press("Shift+M")
    panel = reader.get_by_role("complementary", name="Measurements")
    figure = panel.get_by_role("figure", name="Histogram")
    with reader.expect_download() as caught:
        figure.get_by_role("button", name="Save the histogram as CSV").click()
    bins = [line.split(",") for line in caught.value.path().read_text("utf-8-sig").splitlines()]
    truth = disc()[inside(area)]
    assert bins[0][4:] == ["from", "to", "count", "unit"]
    counted = {(float(low), float(high)): int(n) for *_, low, high, n, unit in bins[1:] if unit == "HU"}
    assert {low: n for (low, _), n in counted.items() if n} == {
        float(value): int((truth == value).sum()) for value in np.unique(truth)
    }
    assert {high - low for low, high in counted} == {5.0}
    assert f"{truth.size} pixels from -100 to 60 HU, in bins of 5." in figure.inner_text()
    # Two bars are drawn, the brighter disc's at the right: as high as their counts are to each other.
    heights = bars(figure)
    assert len(heights) == len(np.unique(truth))
    assert heights[0] / heights[-1] == pytest.approx((truth == -100).sum() / (truth == 60).sum(), rel=0.1)

    start(reader, "pet", "Shift+L")
    drag(reader, (30.5, 100.5), (90.5, 100.5))
    line = drawn(reader, 1)
    profile = panel.get_by_role("figure", name="Profile")
    with reader.expect_download() as caught:
        profile.get_by_role("button", name="Save the profile as CSV").click()
    points = [line.split(",") for line in caught.value.path().read_text("utf-8-sig").splitlines()][1:]
    (x0, y0), (x1, y1) = line["points"]
    steps = math.ceil(math.dist((x0, y0), (x1, y1)))
    along = [(x0 + (x1 - x0) * i / steps, y0 + (y1 - y0) * i / steps) for i in range(steps + 1)]
    # Half of 1000 Bq in 70 kg: a Bq/ml is 140 g/ml.
    assert [float(value) for *_, value, _ in points] == pytest.approx(
        [disc()[math.floor(y), math.floor(x)] * 140 for x, y in along]
    )
    assert {unit for *_, unit in points} == {"SUVbw"}
    assert float(points[-1][4]) == pytest.approx(values(line)["length"][0])
    profile.get_by_text("As a table").click()
    assert profile.get_by_role("row").count() == len(points) + 1
    reader.keyboard.press("Shift+M")


def test_undo_redo_and_delete(reader: Page) -> None:
    count = start(reader, "ct", "Shift+L")
    drag(reader, (20.5, 180.5), (60.5, 180.5))
    made = drawn(reader, count)
    reader.keyboard.press("w")
    drag(reader, (60.5, 180.5), (100.5, 180.5))
    reader.wait_for_function("() => window.__filmless.viewer.annotations.at(-1).values[0].value > 30")
    moved = marks(reader)[-1]
    reader.keyboard.press("Control+z")
    back = marks(reader)[-1]
    reader.keyboard.press("Control+z")
    gone = marks(reader)
    reader.keyboard.press("Control+y")
    reader.keyboard.press("Control+y")
    again = marks(reader)[-1]
    assert values(moved)["length"][0] == pytest.approx(40, abs=0.3)
    assert back == made
    assert made["uid"] not in [mark["uid"] for mark in gone]
    assert again == moved


def test_marks_are_made_and_moved_by_keys_alone(reader: Page) -> None:
    count = start(reader, "ct", "Shift+L")
    reader.keyboard.press("Enter")
    mark = drawn(reader, count)
    reader.keyboard.press("Alt+ArrowDown")
    reader.keyboard.press("Alt+Shift+ArrowRight")
    reader.wait_for_function(
        "x => window.__filmless.viewer.annotations.at(-1).points[1][0] > x + 0.5", arg=mark["points"][1][0]
    )
    moved = marks(reader)[-1]
    assert moved["points"][0] == pytest.approx([mark["points"][0][0], mark["points"][0][1] + 1])
    assert moved["points"][1] == pytest.approx([mark["points"][1][0] + 1, mark["points"][1][1] + 1])
    assert values(moved)["length"][0] == pytest.approx(values(mark)["length"][0] + 0.5)
    reader.keyboard.press("Delete")
    reader.wait_for_function("n => window.__filmless.viewer.annotations.length === n", arg=count - 1)


def test_esc_leaves_the_tool_and_then_closes_the_panels_one_by_one(reader: Page) -> None:
    count = start(reader, "ct", "Shift+L")
    drag(reader, (60.5, 40.5), (140.5, 40.5))
    drawn(reader, count)
    reader.keyboard.press("Shift+E")
    drag(reader, (100.5, 100.5), (120.5, 115.5))
    drawn(reader, count + 1)
    measurements = reader.get_by_role("complementary", name="Measurements")
    objects = reader.get_by_role("complementary", name="On the images")
    for key in ("k", "Shift+M", "Shift+K"):
        reader.keyboard.press(key)
    expect(measurements).to_be_visible()
    expect(objects.get_by_role("button", name="Save key images")).to_be_visible()
    reader.keyboard.press("Escape")
    expect(measurements).to_be_visible()
    reader.keyboard.press("Escape")
    expect(measurements).to_have_count(0)
    expect(objects).to_be_visible()
    reader.keyboard.press("Escape")
    expect(objects).to_have_count(0)
    reader.keyboard.press("k")


def kept(page: Page) -> None:
    page.wait_for_function("() => window.__filmless.viewer.keeping.state === 'kept'")


def elsewhere(reader: Page, open_page: OpenPage, count: int) -> Page:
    """The study in another browser, once its marks have come from the server."""
    page = open_page(f"/viewer/{STUDY}")
    page.wait_for_function("n => window.__filmless?.viewer?.annotations.length === n", arg=count, timeout=60_000)
    return page


def test_marks_are_kept_come_back_elsewhere_and_survive_what_goes_wrong(reader: Page, open_page: OpenPage) -> None:
    count = start(reader, "ct", "Shift+L")
    sent: list[str] = []
    reader.on("request", lambda request: sent.append(request.url) if request.url.endswith("/draft") else None)
    drag(reader, (60.5, 40.5), (140.5, 40.5))
    drag(reader, (60.5, 60.5), (140.5, 60.5))
    drag(reader, (60.5, 80.5), (140.5, 80.5))
    drawn(reader, count + 2)
    kept(reader)
    assert 1 <= len(sent) <= 3
    other = elsewhere(reader, open_page, count + 2)
    mine = {mark["uid"]: mark for mark in marks(reader)}
    theirs = {mark["uid"]: mark for mark in marks(other)}
    assert theirs.keys() == mine.keys()
    for uid, mark in mine.items():
        assert theirs[uid]["points"] == [pytest.approx(point, abs=1e-4) for point in mark["points"]]
        assert (theirs[uid]["values"], theirs[uid]["spacing"]) == (mark["values"], mark["spacing"])

    # The server is away: it is said, and tried again.
    reader.route("**/draft", lambda route: route.fulfill(status=429, body="busy"))
    reader.keyboard.press("n")
    reader.keyboard.press("Delete")
    alert = reader.get_by_role("alert").filter(has_text="not kept on the server yet")
    expect(alert).to_be_visible()
    reader.unroute("**/draft")
    alert.get_by_role("button", name="Try now").click()
    kept(reader)
    expect(alert).to_have_count(0)

    # The other browser hears of it when it is looked at, and what both changed is said.
    uid = marks(reader)[-1]["uid"]
    other.evaluate("document.dispatchEvent(new Event('visibilitychange'))")
    other.wait_for_function("n => window.__filmless.viewer.annotations.length === n", arg=count + 1)
    for page, name in ((reader, "from here"), (other, "from there")):
        page.keyboard.press("Shift+M")
        page.locator(f"[data-mark='{uid}']").get_by_role("textbox").fill(name)
        page.locator(f"[data-mark='{uid}']").get_by_role("textbox").press("Enter")
        page.wait_for_function("() => window.__filmless.viewer.keeping.state === 'waiting'")
        kept(page)
    expect(other.get_by_role("alert").filter(has_text="1 mark was changed in another window too")).to_be_visible()

    # A tab that is closed at once has lost nothing.
    other.locator(f"[data-mark='{uid}']").get_by_role("textbox").fill("last word")
    other.locator(f"[data-mark='{uid}']").get_by_role("textbox").press("Enter")
    other.close(run_before_unload=True)

    def has_last_word() -> bool:
        # What is sent while a tab closes arrives when it arrives: whoever looks again has it.
        reader.evaluate("document.dispatchEvent(new Event('visibilitychange'))")
        reader.wait_for_timeout(100)
        return any(mark["uid"] == uid and mark["label"] == "last word" for mark in marks(reader))

    until(has_last_word)
    reader.keyboard.press("Shift+M")


def test_marks_become_a_report_and_come_back_from_it_in_a_fresh_browser(reader: Page, open_page: OpenPage) -> None:
    count = start(reader, "ct", "Shift+L")
    drag(reader, (60.5, 40.5), (140.5, 40.5))
    reader.keyboard.press("Shift+O")
    drag(reader, (100.5, 100.5), (120.5, 100.5))
    drawn(reader, count + 1)
    kept(reader)
    reader.keyboard.press("Control+s")
    reader.wait_for_function(
        "() => { const k = window.__filmless.viewer.keeping; return !k.hasDraft && k.documents.length === 1; }"
    )
    other = elsewhere(reader, open_page, count + 1)
    mine = {mark["uid"]: mark for mark in marks(reader)}
    theirs = {mark["uid"]: mark for mark in marks(other)}
    assert other.evaluate("window.__filmless.viewer.keeping.hasDraft") is False
    assert theirs.keys() == mine.keys()
    for uid, mark in mine.items():
        assert theirs[uid]["kind"] == mark["kind"]
        # 0.5 mm a pixel: 0.2 pixels are 0.1 mm.
        assert theirs[uid]["points"] == [pytest.approx(point, abs=0.01) for point in mark["points"]]
        found = {name: value for name, (value, _) in values(theirs[uid]).items()}
        assert found == pytest.approx({name: value for name, (value, _) in values(mark).items()})
        assert theirs[uid]["spacing"] == mark["spacing"]
    for page in (reader, other):
        page.keyboard.press("Shift+M")
    saved = other.get_by_role("region", name="Saved reports")
    expect(saved).to_contain_text("yours, shown above")
    reader.keyboard.press("n")
    reader.keyboard.press("Delete")
    reader.get_by_role("button", name="Save as report (SR)").click()
    reader.wait_for_function("() => window.__filmless.viewer.keeping.documents.length === 2")
    expect(reader.get_by_role("region", name="Saved reports")).to_contain_text("has a later version")
    reader.keyboard.press("Shift+M")


def test_a_draft_is_discarded_back_to_the_report_and_undo_brings_it_back(reader: Page, open_page: OpenPage) -> None:
    count = start(reader, "ct", "Shift+L")
    drag(reader, (60.5, 40.5), (140.5, 40.5))
    drawn(reader, count)
    kept(reader)
    reader.keyboard.press("Control+s")
    reader.wait_for_function("() => !window.__filmless.viewer.keeping.hasDraft")
    saved = {mark["uid"] for mark in marks(reader)}
    drag(reader, (60.5, 80.5), (140.5, 80.5))
    drawn(reader, count + 1)
    reader.wait_for_function("() => window.__filmless.viewer.keeping.hasDraft")
    kept(reader)
    reader.keyboard.press("Shift+M")
    panel = reader.get_by_role("complementary", name="Measurements")
    panel.get_by_role("button", name="Discard what is in no report").click()
    reader.wait_for_function("() => !window.__filmless.viewer.keeping.hasDraft")
    assert {mark["uid"] for mark in marks(reader)} == saved
    expect(panel.get_by_role("status").filter(has_text="Discarded")).to_be_visible()
    elsewhere(reader, open_page, len(saved)).close()
    reader.keyboard.press("Control+z")
    drawn(reader, count + 1)
    expect(panel.get_by_role("status").filter(has_text="Discarded")).to_have_count(0)
    reader.wait_for_function("() => window.__filmless.viewer.keeping.hasDraft")
    kept(reader)
    elsewhere(reader, open_page, count + 1).close()
    reader.keyboard.press("Shift+M")


def test_the_panel_renames_hides_jumps_and_tells_the_source(reader: Page) -> None:
    count = start(reader, "us", "Shift+L")
    drag(reader, (10.5, 180.5), (60.5, 180.5))
    mark = drawn(reader, count)
    reader.keyboard.press("Shift+M")
    row = reader.locator(f"[data-mark='{mark['uid']}']")
    assert "Millimetres from Sequence of Ultrasound Regions" in row.inner_text()
    row.get_by_role("textbox").fill("Left kidney")
    row.get_by_role("textbox").press("Enter")
    row.get_by_role("button", name="Hide Left kidney").click()
    open_series(reader, "ct")
    row.get_by_role("button", name="Go to Left kidney").click()
    reader.wait_for_function(
        "uid => window.__filmless.viewer.viewport('pane1').imageId.includes(uid)", arg=mark["sopInstanceUid"]
    )
    now = marks(reader)[-1]
    assert (now["label"], now["isHidden"]) == ("Left kidney", True)
    with reader.expect_download() as caught:
        reader.get_by_role("button", name="Save as CSV").click()
    lines = caught.value.path().read_text("utf-8-sig").splitlines()
    assert lines[0].startswith("tracking_uid,kind,label,series_instance_uid,sop_instance_uid,frame_number,name,value")
    assert any(line.startswith(f"{mark['uid']},length,Left kidney,") and ",mm,ultrasound," in line for line in lines)
    reader.keyboard.press("Escape")
