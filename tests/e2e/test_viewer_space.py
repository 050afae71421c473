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
from pydicom.sequence import Sequence

import make
from screen import DESKTOP, SHOTS, OpenPage, ScreenServer, watched

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


def uptake(x: Any, y: Any, z: Any) -> Any:
    """Activity in Bq/ml."""
    return 20_000 + 100 * x + 50 * y + 40 * z


def leaning(degrees: float) -> tuple[float, ...]:
    lean = np.radians(degrees)
    return (1, 0, 0, 0, float(np.cos(lean)), float(-np.sin(lean)))


def pet() -> list[Dataset]:
    """Slices of 4 mm with pixels of 4 mm, corrected to the start of the series."""
    dose = Dataset()
    dose.RadiopharmaceuticalStartTime = "090000"
    dose.RadionuclideTotalDose = "370000000"
    dose.RadionuclideHalfLife = "6586.2"
    return slices(
        stacked(13, 4.0, (-34.0, -26.0, -24.0)),
        "pet",
        truth=uptake,
        spacing=(4, 4),
        shape=(14, 18),
        SeriesNumber=4,
        SOPClassUID="1.2.840.10008.5.1.4.1.1.128",
        Modality="PT",
        Units="BQML",
        DecayCorrection="START",
        CorrectedImage=["DECY", "ATTN"],
        SeriesDate="20240102",
        SeriesTime="100000",
        AcquisitionDate="20240102",
        AcquisitionTime="100000",
        PatientWeight="70",
        PatientSize="1.75",
        RadiopharmaceuticalInformationSequence=Sequence([dose]),
        WindowCenter="20000",
        WindowWidth="40000",
    )


SERIES = ["thin", "thick", "scout", "pet", "gap", "tilted", "mixed", "unscaled"]


def study() -> Iterator[Dataset]:
    yield from slices(stacked(17, 2.5), "thin", SeriesNumber=1)
    yield from slices(stacked(8, 5.0, (-31.0, -24.0, -17.0)), "thick", SeriesNumber=2)
    yield from slices([(0.0, -24.0, 30.0)], "scout", orientation=SAGITTAL, shape=(64, 48), SeriesNumber=3)
    yield from pet()
    small = {"shape": (8, 8)}
    places = stacked(6, 2.5)
    yield from slices([*places[:2], *places[3:]], "gap", SeriesNumber=5, **small)
    yield from slices(stacked(4, 3.0), "tilted", orientation=leaning(12), SeriesNumber=6, **small)
    mixed = slices(stacked(4, 3.0), "mixed", SeriesNumber=7, **small)
    mixed[2].ImageOrientationPatient = [str(each) for each in SAGITTAL]
    yield from mixed
    yield from slices(stacked(1, 1), "unscaled", PixelSpacing=None, SeriesNumber=8, **small)


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
    page.locator("[data-display-set]").filter(has=page.get_by_text(name, exact=True)).click()
    ready(page, pane)


def set_space(page: Page, **changes: Any) -> None:
    page.evaluate("changes => window.__filmless.viewer.space.setState(changes)", changes)


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


def shown_at(page: Page, pane: str) -> float:
    """Height in mm of the axial image in a viewport."""
    return float(ask(page, pane, "v.place.position[2]"))


def test_linked_viewports_show_the_same_place_in_the_patient(page: Page) -> None:
    arrange(page, "1x2", pane1="thin", pane2="thick")
    page.locator("[data-pane=pane1]").focus()
    set_space(page, links={"place": True, "window": True, "view": True})
    seen = []
    for index in range(0, 17, 4):
        page.evaluate("index => window.__filmless.viewer.scrollTo('pane1', index)", index)
        ready(page, "pane1", "pane2")
        seen.append((shown_at(page, "pane1"), shown_at(page, "pane2")))
    page.keyboard.press("2")
    ready(page, "pane1", "pane2")

    assert [first for first, _ in seen] == [-20, -10, 0, 10, 20]
    assert all(abs(first - second) <= 3.0 for first, second in seen)
    assert [ask(page, pane, "[v.voi.center, v.voi.width]") for pane in ("pane1", "pane2")] == [[-600, 1500]] * 2

    page.evaluate("() => window.__filmless.viewer.present('pane1', {zoom: 2.5, center: [0.3, 0.6]})")
    points = [ask(page, pane, "v.worldToCanvas(arg)", [-10, 5, 0]) for pane in ("pane1", "pane2")]
    apart = [
        ask(page, pane, "v.worldToCanvas([10, 0, 0])[0] - v.worldToCanvas([0, 0, 0])[0]") for pane in ("pane1", "pane2")
    ]
    assert points[0] == pytest.approx(points[1], abs=0.1)
    assert apart[0] == pytest.approx(apart[1], abs=0.01)
    set_space(page, links={"place": False, "window": False, "view": False})


def test_viewports_linked_by_hand_keep_their_distance(page: Page) -> None:
    arrange(page, "1x2", pane1="thin", pane2="thin")
    page.evaluate("() => window.__filmless.viewer.scrollTo('pane2', 6)")
    page.locator("[data-pane=pane1]").focus()
    page.keyboard.press("Shift+G")
    for _ in range(3):
        page.keyboard.press("ArrowDown")
    ready(page, "pane1", "pane2")

    assert [shown_at(page, pane) for pane in ("pane1", "pane2")] == [-12.5, 2.5]
    page.keyboard.press("Shift+G")
    page.keyboard.press("ArrowDown")
    ready(page, "pane1", "pane2")
    assert shown_at(page, "pane2") == 2.5


def test_the_reference_line_lies_at_the_height_of_the_slice(page: Page) -> None:
    arrange(page, "1x2", pane1="thin", pane2="scout")
    page.locator("[data-pane=pane1]").focus()
    page.evaluate("() => window.__filmless.viewer.scrollTo('pane1', 10)")
    ready(page, "pane1", "pane2")

    (line,) = page.evaluate("() => window.__filmless.viewer.lines('pane2')")
    # The scout's row r is z = 30 - r, its column c is y = c - 24; slice 10 is z = 5, from y = -24.5 to 23.5.
    columns, rows = zip(*sorted(line["points"]), strict=True)
    assert columns == pytest.approx([-0.5, 47.5])
    assert rows == pytest.approx([25, 25])
    drawn = page.locator("[data-pane=pane2] [data-role=reference-line]")
    expected = [ask(page, "pane2", "v.imageToCanvas(arg)", point) for point in line["points"]]
    assert [float(drawn.get_attribute(name) or "") for name in ("x1", "y1", "x2", "y2")] == pytest.approx(
        [*expected[0], *expected[1]]
    )


def test_true_size_is_true_on_a_measured_screen_and_refused_without_millimetres(page: Page) -> None:
    arrange(page, "1x1", pane1="thin")
    page.keyboard.press("Shift+Z")
    page.get_by_role("slider", name="Size of the card").press("Home")
    page.get_by_role("button", name="Keep").click()
    page.wait_for_function("() => localStorage.getItem('filmless.screenScale') === '1 1'")
    page.evaluate("() => localStorage.setItem('filmless.screenScale', '4.25 1')")
    page.locator("[data-pane=pane1]").focus()
    page.keyboard.press("Shift+Z")

    # 20 mm of the patient are 20 mm of the screen.
    page.wait_for_function(
        "expected => { const v = window.__filmless.viewer.viewport('pane1');"
        " return Math.abs(v.imageToCanvas([30, 0])[0] - v.imageToCanvas([10, 0])[0] - expected) < 0.01; }",
        arg=20 * 4.25,
    )
    place(page, "pane1", "unscaled")
    page.locator("[data-pane=pane1]").focus()
    page.keyboard.press("Shift+Z")
    assert "does not say how many millimetres" in page.get_by_role("alert").inner_text()
    page.get_by_role("button", name="Put away").click()


def drag(page: Page, pane: str, start: Any, end: Any) -> None:
    """Drag the left button between two points of an image."""
    box = page.locator(f"[data-viewport={pane}]").bounding_box()
    assert box is not None
    points = [ask(page, pane, "v.imageToCanvas(arg)", point) for point in (start, end)]
    page.mouse.move(box["x"] + points[0][0], box["y"] + points[0][1])
    page.mouse.down()
    page.mouse.move(box["x"] + points[1][0], box["y"] + points[1][1], steps=4)


def test_a_region_gives_its_window_and_the_magnifier_its_values(page: Page) -> None:
    arrange(page, "1x1", pane1="thin")
    page.keyboard.press("0")
    page.keyboard.press("Shift+V")
    drag(page, "pane1", (20, 20), (30, 30))
    page.mouse.up()
    page.wait_for_function("() => window.__filmless.viewer.viewport('pane1').voi.center !== 40")
    low, high = hounsfield(-11, -4, -20), hounsfield(-1, 6, -20)
    center, width = ask(page, "pane1", "[v.voi.center, v.voi.width]")
    assert center == pytest.approx((low + high + 1) / 2, abs=2)
    assert 0.8 * (high - low) <= width <= high - low + 2

    page.keyboard.press("0")
    page.keyboard.press("Shift+X")
    drag(page, "pane1", (10, 10), (40, 30))
    page.wait_for_function("() => document.querySelector('[data-role=magnifier]')?.width === 240")
    page.wait_for_timeout(100)
    middle = page.evaluate(
        "() => { const c = document.querySelector('[data-role=magnifier]');"
        " return c.getContext('2d').getImageData(120, 120, 1, 1).data[0]; }"
    )
    page.mouse.up()
    page.keyboard.press("w")
    assert middle == pytest.approx(255 * ((hounsfield(9, 6, -20) - 39.5) / 399 + 0.5), abs=3)
    assert page.locator("[data-role=magnifier]").count() == 0


def value_at(page: Page, pane: str, point: Point) -> float:
    """The value of the pixel nearest to a point of the patient, in the image that a viewport shows."""
    return float(
        ask(
            page,
            pane,
            "(() => { const {position: p, rowDirection: r, columnDirection: c, rowSpacing, columnSpacing} = v.place;"
            " const from = arg.map((each, axis) => each - p[axis]);"
            " const along = d => from.reduce((sum, each, axis) => sum + each * d[axis], 0);"
            " return v.value(Math.round(along(r) / columnSpacing), Math.round(along(c) / rowSpacing)); })()",
            list(point),
        )
    )


def open_planes(page: Page) -> None:
    arrange(page, "1x1", pane1="thin")
    page.keyboard.press("q")
    ready(page, "pane1", "pane2", "pane3", "pane4")


def test_planes_hold_the_hounsfield_values_of_their_places(page: Page) -> None:
    open_planes(page)

    page.evaluate("point => window.__filmless.viewer.pointAt('pane1', point)", [4, -6, 7])
    ready(page, "pane1", "pane2", "pane3")
    page.screenshot(path=SHOTS / "space-planes.png")

    assert ask(page, "pane2", "v.place.position")[1] == -6
    assert ask(page, "pane3", "v.place.position")[0] == 4
    for pane, point in [
        ("pane2", (-9, -6, 7)),
        ("pane2", (12, -6, -13)),
        ("pane3", (4, 11, 2)),
        ("pane3", (4, -20, 19)),
    ]:
        # Between slices: they are 2.5 mm apart, a pixel of the plane is 1 mm.
        x, y, z = point
        assert value_at(page, pane, (x, y, z)) == pytest.approx(hounsfield(x, y, z), abs=2.5)
    letters = [ask(page, pane, "[v.letters.left, v.letters.top]") for pane in ("pane1", "pane2", "pane3")]
    assert letters == [["R", "A"], ["R", "H"], ["A", "H"]]


def test_a_turned_plane_holds_the_values_of_its_places(page: Page) -> None:
    open_planes(page)
    page.evaluate("point => window.__filmless.viewer.pointAt('pane1', point)", [0, 0, 0])
    page.locator("[data-pane=pane1]").focus()
    for _ in range(6):
        page.keyboard.press("Alt+.")
    page.wait_for_function(
        "() => Math.abs(window.__filmless.viewer.viewport('pane2').place.rowDirection[1] - 0.5) < 1e-6"
    )
    ready(page, "pane1", "pane2", "pane3")
    page.screenshot(path=SHOTS / "space-oblique.png")

    # The coronal plane, turned by 30 degrees about the axis of the patient: every pixel knows where it lies.
    differences = ask(
        page,
        "pane2",
        "(() => { const {position: p, rowDirection: r, columnDirection: c, rowSpacing: h, columnSpacing: w} = v.place;"
        " return [[20, 12], [30, 20], [40, 31], [50, 10]].map(([i, j]) => {"
        " const [x, y, z] = p.map((each, axis) => each + i * w * r[axis] + j * h * c[axis]);"
        " return v.value(i, j) - (2 * x + 3 * y + 4 * z + 10); }); })()",
    )
    assert differences == pytest.approx([0] * 4, abs=0.51)


def test_a_slab_shows_its_greatest_least_and_mean_values(page: Page) -> None:
    open_planes(page)
    page.evaluate("point => window.__filmless.viewer.pointAt('pane1', point)", [0, 0, 0])
    found = {}
    for mode in ("max", "min", "mean"):
        page.evaluate("mode => window.__filmless.viewer.slab({thicknessMm: 10, mode})", mode)
        page.wait_for_function(
            "mode => window.__filmless.viewer.viewport('pane2').slab?.mode === mode"
            " && window.__filmless.viewer.viewport('pane2').slab.thicknessMm === 10",
            arg=mode,
        )
        ready(page, "pane1", "pane2", "pane3")
        found[mode] = value_at(page, "pane2", (5, 0, 0))

    # Through the coronal plane y goes from -5 to 5 mm.
    assert found == {
        "max": pytest.approx(hounsfield(5, 5, 0), abs=2.5),
        "min": pytest.approx(hounsfield(5, -5, 0), abs=2.5),
        "mean": pytest.approx(hounsfield(5, 0, 0), abs=2.5),
    }
    page.keyboard.press("q")
    page.wait_for_function("() => window.__filmless.viewer.layout === '1x1'")


@pytest.mark.parametrize(
    ("name", "words"),
    [
        ("gap", "missing between -17.5 and -12.5 mm; the gap is 5 mm where 2.5 mm is usual"),
        ("tilted", "leaned by 12°"),
        ("mixed", "several directions"),
    ],
)
def test_what_is_no_volume_is_not_cut_and_says_why(page: Page, name: str, words: str) -> None:
    arrange(page, "1x1", pane1=name)
    for key in ("q", "Alt+v"):
        page.keyboard.press(key)

        assert words in page.get_by_role("alert").inner_text()
        assert page.evaluate("() => window.__filmless.viewer.layout") == "1x1"
        assert page.locator("[data-rendering]").count() == 0
        page.get_by_role("button", name="Put away").click()


BALL_AT: Point = (20, -12, 16)
BALL_MM, VOXEL_MM, SIDE = 12, 2, 48


def ball(x: Any, y: Any, z: Any) -> Any:
    """A ball of bone in air, away from the middle of the volume: to the left, to the front, upwards."""
    return np.where((x - BALL_AT[0]) ** 2 + (y - BALL_AT[1]) ** 2 + (z - BALL_AT[2]) ** 2 <= BALL_MM**2, 1000, -1000)


def seen(page: Page) -> dict[str, float]:
    """Middle and width of what is bright in the rendered volume, from the middle of the picture, in its pixels."""
    return dict(
        page.evaluate(
            """() => {
              const { data, width, height } = window.__filmless.viewer.rendering.scene.pixels();
              let [sum, x, y, left, right] = [0, 0, 0, width, 0];
              for (let at = 0; at < width * height; at += 1) {
                if (data[4 * at] < 40) continue;
                const column = at % width;
                [sum, x, y] = [sum + 1, x + column, y + Math.floor(at / width)];
                [left, right] = [Math.min(left, column), Math.max(right, column)];
              }
              const middle = 4 * (Math.round(y / sum) * width + Math.round(x / sum));
              return {
                x: x / sum + 0.5 - width / 2, y: y / sum + 0.5 - height / 2, wide: right - left + 1, red: data[middle],
              };
            }"""
        )
    )


def test_a_rendered_volume_lies_where_it_is_turned_to_and_leaves_nothing_behind(
    open_page: OpenPage, screen_server: ScreenServer
) -> None:
    study = make.uid()
    first = -VOXEL_MM * (SIDE - 1) / 2
    shape: dict[str, Any] = {"truth": ball, "spacing": (VOXEL_MM, VOXEL_MM), "shape": (SIDE, SIDE)}
    places = stacked(SIDE, VOXEL_MM, (first, first, first))
    screen_server.store(*slices(places, "ball", StudyInstanceUID=study, PatientID="BALL", **shape))
    # A small picture: without a GPU its cost grows with its pixels.
    page = open_page(f"/viewer/{study}", size={"width": 600, "height": 520})
    page.wait_for_function("() => window.__filmless?.viewer?.viewport('pane1')?.status === 'ready'", timeout=60_000)
    page.locator("[data-pane=pane1]").focus()
    page.keyboard.press("Alt+v")
    page.wait_for_function("() => window.__filmless.viewer.rendering !== null", timeout=60_000)
    volume = page.get_by_role("region", name="Volume")
    picture = volume.get_by_role("application")
    box = picture.bounding_box()
    assert box
    # All of it fits however it is turned: half of its diagonal is half of the lesser side.
    per_mm = min(box["width"], box["height"]) / (SIDE * VOXEL_MM * 3**0.5)
    assert page.evaluate("window.__filmless.viewer.rendering.pixelsPerMm") == pytest.approx(per_mm, rel=0.01)
    x, y, z = (each * per_mm for each in BALL_AT)
    voxel = VOXEL_MM * per_mm

    front = seen(page)
    # The light stands where the viewer does: what faces it is bright.
    assert front.pop("red") > 150
    assert front == {
        "x": pytest.approx(x, abs=voxel / 2),
        "y": pytest.approx(-z, abs=voxel / 2),
        "wide": pytest.approx(2 * BALL_MM * per_mm, abs=1.5 * voxel),
    }
    assert "Seen from A" in volume.inner_text()
    page.screenshot(path=SHOTS / "rendered.png")

    # The near side goes to the right by 90 degrees: the patient is seen from the right, the front at the right.
    picture.focus()
    page.keyboard.press("Shift+ArrowRight")
    turned = seen(page)
    assert (turned["x"], turned["y"]) == (pytest.approx(-y, abs=voxel / 2), pytest.approx(-z, abs=voxel / 2))
    assert turned["red"] > 150
    assert "Seen from R" in volume.inner_text()
    # By hand: half a degree a pixel, back to the front.
    middle = (box["x"] + box["width"] / 2, box["y"] + box["height"] / 2)
    page.mouse.move(*middle)
    page.mouse.down()
    page.mouse.move(middle[0] - 180, middle[1], steps=4)
    page.mouse.up()
    back = seen(page)
    assert (back["x"], back["y"]) == (pytest.approx(x, abs=voxel / 2), pytest.approx(-z, abs=voxel / 2))
    page.keyboard.press("+")
    assert seen(page)["x"] == pytest.approx(x * 1.2, abs=voxel / 2)

    volume.get_by_role("combobox", name="Preset").or_(volume.get_by_role("textbox", name="Preset")).first.click()
    page.get_by_role("option", name="CT: lung").click()
    page.wait_for_function("() => window.__filmless.viewer.rendering.applied.opacity[1]?.[0] === -600")
    applied = page.evaluate("window.__filmless.viewer.rendering.applied")
    nodes = [[-1000, 0], [-600, 0], [-599, 0.15], [-400, 0.15], [-399, 0], [2952, 0]]
    assert applied == {"opacity": [pytest.approx(node) for node in nodes], "isMip": False, "isShaded": True}
    page.mouse.move(*middle)
    page.mouse.down(button="right")
    page.mouse.move(middle[0], middle[1] + 100, steps=2)
    page.mouse.up(button="right")
    page.wait_for_function("() => window.__filmless.viewer.rendering.applied.opacity[1][0] > -550")
    shifted = page.evaluate("window.__filmless.viewer.rendering.applied.opacity")
    # A quarter of the span from -600 to -399.
    assert shifted == [pytest.approx([value + 201 / 4, opacity]) for value, opacity in nodes]
    volume.get_by_role("combobox", name="Preset").or_(volume.get_by_role("textbox", name="Preset")).first.click()
    page.get_by_role("option", name="PET: MIP").click()
    page.wait_for_function("() => window.__filmless.viewer.rendering.applied.isMip")

    page.evaluate("() => { window.context = window.__filmless.viewer.rendering.scene.gl; }")
    picture.focus()
    page.keyboard.press("Escape")
    page.wait_for_function("() => window.context.isContextLost() && window.__filmless.viewer.rendering === null")
    assert page.locator("[data-rendering]").count() == 0
    assert page.evaluate("() => window.__filmless.viewer.viewport('pane1').status") == "ready"


def test_pet_over_ct_shows_the_suv_of_the_place(page: Page) -> None:
    arrange(page, "1x1", pane1="thin")
    page.evaluate("() => window.__filmless.viewer.scrollTo('pane1', 8)")
    page.keyboard.press("j")
    page.locator("[data-pane=pane1] [data-role=fusion]").wait_for()
    page.wait_for_function("() => window.__filmless.viewer.space.getState().fusionReady > 0")
    page.wait_for_function("() => document.querySelector('[data-role=fusion]').width > 300")
    page.screenshot(path=SHOTS / "space-fusion.png")

    # 70 kg; 370 MBq given an hour before, of which 2 ** (-3600 / 6586.2) are left.
    left = 370e6 * 2 ** (-3600 / 6586.2)
    x, y, z = 5, -4, 0
    expected = uptake(x, y, z) * 70_000 / left
    at = ask(page, "pane1", "v.imageToCanvas([arg[0] + 31, arg[1] + 24])", [x, y])
    suv = {
        kind: page.evaluate("([at, kind]) => window.__filmless.viewer.uptake('pane1', at, kind)", [at, kind])
        for kind in ("bw", "lbm", "bsa")
    }
    # Janmahasatian for a woman of 1.75 m, Du Bois.
    lean = 9270 * 70 / (8780 + 244 * 70 / 1.75**2)
    surface = 0.007184 * 70**0.425 * 175**0.725
    assert suv["bw"] == pytest.approx(expected, rel=0.002)
    assert suv["lbm"] == pytest.approx(expected * lean / 70, rel=0.002)
    assert suv["bsa"] == pytest.approx(expected * surface * 10 / 70, rel=0.002)
    page.keyboard.press("j")
    assert page.locator("[data-role=fusion]").count() == 0


def test_a_lost_gpu_context_is_told_where_it_was_and_the_rest_goes_on(page: Page) -> None:
    arrange(page, "1x2", pane1="thin", pane2="thick")
    page.evaluate("() => window.__filmless.viewer.loseContext('pane1')")

    tile = page.locator("[data-pane=pane1]").get_by_role("alert")
    assert "graphics processor" in tile.inner_text()
    page.evaluate("() => window.__filmless.viewer.scrollTo('pane2', 3)")
    ready(page, "pane2")
    assert page.locator("[data-pane=pane2]").get_by_role("alert").count() == 0
    tile.get_by_role("button", name="Try again").click()
    ready(page, "pane1", "pane2")
    page.wait_for_function(
        "expected => { const v = window.__filmless.viewer.viewport('pane1');"
        " return Math.abs(v.screen(v.imageToCanvas([31, 24]))[0] - expected) <= 2; }",
        arg=255 * ((hounsfield(0, 0, -20) - 39.5) / 399 + 0.5),
    )
