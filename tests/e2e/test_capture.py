"""What a viewport shows leaves as PNG, MP4 and PDF: pictures and marks, with whose they are, or with nobody's name."""

from __future__ import annotations

import io
import zipfile
from fractions import Fraction
from pathlib import Path
from typing import Any

import av
import numpy as np
import pydicom
import pypdf
import pytest
from PIL import Image
from playwright.sync_api import Download, Locator, Page, Route, expect
from pydicom import Dataset

import make
import moving
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


MM = 25.4 / 72  # of a point
# Headless Chromium has no print preview and dies of one: that it was asked for, and of what, is told instead.
TELL_PRINT = """() => {
  const make = URL.createObjectURL;
  let file = null;
  URL.createObjectURL = (made) => make.call(URL, file = made);
  const print = async () => { window.printed = await file.slice(0, 5).text(); };
  Object.defineProperty(HTMLIFrameElement.prototype, 'contentWindow', { get: () => ({ focus: () => {}, print }) });
}"""
FILMED = (10, 45, 80, 115, 150, 185)  # HU, which is also a grey in the window of `filmed`


def filmed(patient_id: str, **attributes: object) -> list[Dataset]:
    """A stack whose slices are each of one grey of their own: 0 HU is black, 255 HU white."""
    common = {"RescaleIntercept": "0", "WindowCenter": "128", "WindowWidth": "256", "PatientName": "Filmstar^Fay"}
    stack = make.ct_series(len(FILMED), SIDE, PatientID=patient_id, **common | attributes)
    for ds, value in zip(stack, FILMED, strict=True):
        values = np.full((SIDE, SIDE), value, np.int16)
        values[0, 0] = 0  # of one value alone the renderer complains
        ds.PixelData = values.tobytes()
    return stack


def displayed(page: Page) -> list[str]:
    """The images that count as displayed to the reader: not those that were drawn for a file."""
    return list(page.evaluate("() => Object.keys(window.__filmless.viewer.displayed.frames)"))


def film_dialog(page: Page) -> Locator:
    page.keyboard.press("Alt+Shift+P")
    dialog = page.get_by_role("dialog", name="Save as a film (MP4)")
    expect(dialog.get_by_label("To image")).to_have_value(str(len(FILMED)))
    return dialog


def saved_film(page: Page, dialog: Locator) -> tuple[str, bytes]:
    with page.expect_download() as saved:
        dialog.get_by_role("button", name="Save film").click()
    expect(dialog).not_to_be_visible()
    return saved.value.suggested_filename, Path(saved.value.path()).read_bytes()


def test_what_is_played_is_saved_as_a_film_at_its_rate_with_or_without_identity(
    open_page: OpenPage, screen_server: ScreenServer
) -> None:
    stack = filmed("FILM 1")
    screen_server.store(*stack)
    page = open_page(f"/viewer/{stack[0].StudyInstanceUID}")
    open_study(page, stack[0].StudyInstanceUID)
    box = page.locator(PICTURE).bounding_box()
    assert box
    begun = page.evaluate("() => window.__filmless.viewer.viewport('pane1').index")

    dialog = film_dialog(page)
    dialog.get_by_label("From image").fill("2")
    dialog.get_by_label("Frames per second").fill("12.5")
    expect(dialog).to_contain_text("Images: 5, 0.4 s")
    name, named = saved_film(page, dialog)
    assert name.startswith("FILM-1-")
    assert name.endswith(".mp4")
    with av.open(io.BytesIO(named)) as file:
        stream = file.streams.video[0]
        assert (stream.codec_context.name, stream.frames, stream.average_rate) == ("h264", 5, Fraction(25, 2))
        assert not file.streams.audio
    shown = moving.frames_of(named)
    assert [moment for moment, _ in shown] == pytest.approx([0, 0.08, 0.16, 0.24, 0.32])
    for (_, picture), grey in zip(shown, FILMED[1:], strict=True):
        height, width = picture.shape[:2]
        assert (height, width) == (int(box["height"]) // 2 * 2, int(box["width"]) // 2 * 2)
        middle = picture[height // 2 - 20 : height // 2 + 20, width // 2 - 20 : width // 2 + 20].astype(int)
        assert abs(middle - grey).max() <= 4
        assert words_in(picture[:70, :300].astype(int)) > 100
    page.wait_for_function("(index) => window.__filmless.viewer.viewport('pane1').index === index", arg=begun)

    dialog = film_dialog(page)
    dialog.get_by_text("Without identity").click()
    name, bare = saved_film(page, dialog)
    assert name == "image-CT-1.mp4"
    for said in (b"Filmstar", b"FILM 1", str(stack[0].StudyInstanceUID).encode()):
        assert said not in bare
    for (_, picture), grey in zip(moving.frames_of(bare), FILMED, strict=True):
        assert words_in(picture[:70, :300].astype(int)) == 0
        assert words_in(picture[:70, -300:].astype(int)) == 0
        assert words_in(picture[-70:, :300].astype(int)) > 50
        assert abs(int(picture[picture.shape[0] // 2, picture.shape[1] // 2, 0]) - grey) <= 4
    assert displayed(page) == [stack[begun].SOPInstanceUID]


def test_a_film_can_be_stopped_and_is_refused_where_pixels_name_the_patient(
    open_page: OpenPage, screen_server: ScreenServer
) -> None:
    stack = filmed("FILM 2", BurnedInAnnotation="YES")
    screen_server.store(*stack)
    page = open_page(f"/viewer/{stack[0].StudyInstanceUID}")
    open_study(page, stack[0].StudyInstanceUID)
    held: list[Route] = []  # a server that does not answer
    page.route("**/films?**", lambda route: held.append(route))  # noqa: PLW0108 - Playwright sets an attribute on it
    dialog = film_dialog(page)
    dialog.get_by_role("button", name="Save film").click()
    expect(dialog.get_by_role("status")).to_contain_text("Sending the images")
    dialog.get_by_role("button", name="Stop").click()
    expect(dialog.get_by_role("button", name="Cancel")).to_be_visible()
    expect(dialog.get_by_role("alert")).to_have_count(0)
    held[0].abort()
    page.unroute("**/films?**")
    dialog.get_by_text("Without identity").click()
    dialog.get_by_role("button", name="Save film").click()
    expect(dialog.get_by_role("alert")).to_contain_text("Burned In Annotation is YES")


def test_what_a_viewport_shows_is_downloaded_as_the_archive_holds_it(
    open_page: OpenPage, screen_server: ScreenServer
) -> None:
    stack = filmed("FILM 3")
    screen_server.store(*stack)
    page = open_page(f"/viewer/{stack[0].StudyInstanceUID}")
    open_study(page, stack[0].StudyInstanceUID)

    def downloaded(name: str) -> tuple[str, bytes]:
        page.get_by_role("button", name="Save as a file").click()
        with page.expect_download() as saved:
            page.get_by_role("menuitem", name=name).click()
        return saved.value.suggested_filename, Path(saved.value.path()).read_bytes()

    for what, uid in (("study", stack[0].StudyInstanceUID), ("series", stack[0].SeriesInstanceUID)):
        name, packed = downloaded(f"Download {what} (DICOM, ZIP)")
        assert name == f"{uid}.zip"
        assert len(zipfile.ZipFile(io.BytesIO(packed)).namelist()) == len(FILMED)
    shown = page.evaluate("() => window.__filmless.viewer.viewport('pane1').shown")
    name, instance = downloaded("Download image (DICOM)")
    read = pydicom.dcmread(io.BytesIO(instance))
    assert (name, read.InstanceNumber) == (f"{read.SOPInstanceUID}.dcm", shown + 1)
    assert read.PixelData == stack[shown].PixelData
    name, jpeg = downloaded("Download image (JPEG)")
    picture = np.asarray(Image.open(io.BytesIO(jpeg)).convert("L")).astype(int)
    assert name.endswith(f"-{shown + 1}.jpg")
    assert picture.shape == (SIDE, SIDE)
    assert abs(np.median(picture) - FILMED[shown]) <= 3


def placed_images(page: pypdf.PageObject) -> list[tuple[float, float, np.ndarray[Any, Any]]]:
    """The images on a page as they are drawn: width and height in mm, and the greys."""
    found: list[tuple[float, float, np.ndarray[Any, Any]]] = []
    objects = page["/Resources"]["/XObject"]

    def see(operator: bytes, operands: list[Any], matrix: list[float], _: list[float]) -> None:
        if operator == b"Do":
            image = objects[operands[0]].decode_as_image().convert("L")
            found.append((matrix[0] * MM, matrix[3] * MM, np.asarray(image).astype(int)))

    page.extract_text(visitor_operand_before=see)
    return found


def test_images_are_printed_in_true_size_with_or_without_identity(
    open_page: OpenPage, screen_server: ScreenServer
) -> None:
    stack = filmed("PRINT 1", PixelSpacing=["1.5", "1.5"], InstitutionName="Lichtspielhaus")
    for ds in stack:  # a square of 48 mm
        values = np.frombuffer(ds.PixelData, np.int16).reshape(SIDE, SIDE).copy()
        values[16:48, 16:48] = 255
        ds.PixelData = values.tobytes()
    screen_server.store(*stack)
    page = open_page(f"/viewer/{stack[0].StudyInstanceUID}")
    open_study(page, stack[0].StudyInstanceUID)

    def printed(*, is_named: bool) -> tuple[str, bytes]:
        page.keyboard.press("Control+p")
        dialog = page.get_by_role("dialog", name="Print")
        dialog.get_by_text("Series", exact=True).click()
        dialog.get_by_label("Every").fill("2")
        dialog.get_by_label("Rows").fill("2")
        dialog.get_by_label("Columns").fill("1")
        dialog.get_by_label("True size").check()
        if not is_named:
            dialog.get_by_text("Without identity").click()
        expect(dialog).to_contain_text("Images: 3, pages: 2")
        with page.expect_download() as saved:
            dialog.get_by_role("button", name="Save PDF").click()
        expect(dialog).not_to_be_visible()
        return saved.value.suggested_filename, Path(saved.value.path()).read_bytes()

    name, named = printed(is_named=True)
    assert name.startswith("PRINT-1-")
    document = pypdf.PdfReader(io.BytesIO(named))
    assert [round(float(side) * MM, 1) for side in document.pages[0].mediabox[2:]] == [210.0, 297.0]
    words = [each.extract_text() for each in document.pages]
    for number, said in enumerate(words, start=1):
        for expected in ("Filmstar", "PRINT 1", "Lichtspielhaus", "Not for diagnosis", f"Page {number} of 2", "50 mm"):
            assert expected in said
    assert "5 / 6" in words[1]
    images = [image for each in document.pages for image in placed_images(each)]
    for (width, height, shown), grey in zip(images, FILMED[::2], strict=True):
        rows, columns = shown.shape
        assert width / columns == pytest.approx(height / rows, rel=1e-3)
        middle = shown[rows // 2 + 100]  # where no letters stand
        assert np.count_nonzero(middle > (255 + grey) / 2) * width / columns == pytest.approx(48, abs=0.2)
        assert np.count_nonzero(middle > grey / 2) * width / columns == pytest.approx(96, abs=0.2)
        assert abs(middle[columns // 2 + 9 * 30] - grey) <= 4  # 34 mm from the middle

    name, bare = printed(is_named=False)
    assert name == "image-CT-1.pdf"
    said = " ".join(each.extract_text() for each in pypdf.PdfReader(io.BytesIO(bare)).pages)
    assert "Not for diagnosis" in said
    for secret in ("Filmstar", "PRINT 1", "Lichtspielhaus"):
        assert secret not in said
        assert secret.encode() not in bare
    page.wait_for_function("() => window.__filmless.viewer.viewport('pane1').presentation.zoom === 1")
    assert displayed(page) == [stack[0].SOPInstanceUID]


def test_viewports_are_printed_as_they_are_laid_out_and_names_in_all_scripts(
    open_page: OpenPage, screen_server: ScreenServer
) -> None:
    stack = filmed("PRINT 2", PatientName="Эйзенштейн^Сергей", SpecificCharacterSet="ISO_IR 192")
    screen_server.store(*stack)
    page = open_page(f"/viewer/{stack[0].StudyInstanceUID}")
    open_study(page, stack[0].StudyInstanceUID)
    page.keyboard.press("k")
    page.keyboard.press("Control+p")
    dialog = page.get_by_role("dialog", name="Print")
    dialog.get_by_text("Key images").click()
    expect(dialog).to_contain_text("Images: 1, pages: 1")
    dialog.get_by_text("Viewports").click()
    dialog.get_by_text("Letter").click()
    dialog.get_by_text("Landscape").click()
    expect(dialog).to_contain_text("Images: 1, pages: 1")
    page.screenshot(path=SHOTS / "print-dialog.png")
    box = page.locator(PICTURE).bounding_box()
    assert box
    with page.expect_download() as saved:
        dialog.get_by_role("button", name="Save PDF").click()
    (only,) = pypdf.PdfReader(io.BytesIO(Path(saved.value.path()).read_bytes())).pages
    assert [round(float(side) * MM, 1) for side in only.mediabox[2:]] == [279.4, 215.9]
    name, picture = sorted(placed_images(only), key=lambda image: image[1])
    assert name[1] == pytest.approx(10 * 1.5 * MM, abs=0.1)  # letters that Helvetica has not, 10 points high
    assert picture[0] / picture[1] == pytest.approx(box["width"] / box["height"], rel=0.01)
    assert picture[1] > 150

    page.keyboard.press("Control+p")
    page.evaluate(TELL_PRINT)
    dialog.get_by_role("button", name="Print").click()
    page.wait_for_function("() => window.printed === '%PDF-'")
    expect(dialog).not_to_be_visible()
