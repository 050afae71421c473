"""What is no stack of images opens in its place in the viewer: reports, documents, videos, models."""

from __future__ import annotations

from pathlib import Path

import pytest
from playwright.sync_api import Page, expect
from pydicom import Dataset

import make
import moving
from presenting import state
from reports import code, content, document, image, measurement, report
from screen import DESKTOP, PHONE, OpenPage, ScreenServer, serious_findings

pytestmark = [pytest.mark.browser, pytest.mark.xdist_group("objects")]

PDF = (
    b"%PDF-1.4\n1 0 obj<</Type/Catalog/Pages 2 0 R>>endobj 2 0 obj<</Type/Pages/Kids[3 0 R]/Count 1>>endobj "
    b"3 0 obj<</Type/Page/MediaBox[0 0 200 200]/Parent 2 0 R>>endobj\ntrailer<</Root 1 0 R>>\n%%EOF\n"
)


def of_study(ds: Dataset, picture: Dataset, number: int, description: str) -> Dataset:
    ds.StudyInstanceUID, ds.PatientID, ds.PatientName = picture.StudyInstanceUID, picture.PatientID, picture.PatientName
    ds.SeriesInstanceUID, ds.SeriesNumber, ds.SeriesDescription = make.uid(), number, description
    return ds


@pytest.fixture(scope="module")
def study(screen_server: ScreenServer) -> Dataset:
    """A CT slice, and one of each kind of object in its study."""
    picture = make.ct_slice(rows=64, PatientName="Object^Olga", SeriesDescription="The slice", SeriesNumber="1")
    length = measurement(code("M-1", "Length"), "12.5", code("mm", "millimeter", "UCUM"))
    text = content("TEXT", code("121071", "Finding"), TextValue="<script>document.title = 'caught'</script> & a nodule")
    objects = [
        of_study(report(text, length, length, image(picture)), picture, 2, "The report"),
        of_study(document(1, PDF, "application/pdf", DocumentTitle="The letter"), picture, 3, "The paper"),
        of_study(document(3, b"solid x\nendsolid x\n", "model/stl"), picture, 4, "The model"),
        of_study(make.instance("1.2.840.10008.5.1.4.1.1.481.3", Modality="RTSTRUCT"), picture, 5, "The structures"),
    ]
    screen_server.store(picture, *objects)
    shown = state(picture, PresentationLUTShape="INVERSE")
    screen_server.store(of_study(shown, picture, 8, "The state"))
    for number, container in ((6, "mp4"), (7, "mpegts")):
        film = of_study(moving.instance(moving.video(container)), picture, number, f"The {container} film")
        screen_server.call("POST", "/uploads?name=film.dcm", make.part10(film, moving.H264))
    return picture


def opened(open_page: OpenPage, study: Dataset, description: str, size: str = "desktop") -> Page:
    """The viewer with one series of the study in its first viewport."""
    page = open_page(f"/viewer/{study.StudyInstanceUID}", size=PHONE if size == "phone" else DESKTOP)
    page.wait_for_function("() => window.__filmless?.viewer?.displaySets.length >= 7", timeout=60_000)
    strip = page.get_by_role("navigation", name="Series")
    if not strip.is_visible():
        page.get_by_role("button", name="Series", exact=True).click()
    strip.get_by_role("button").filter(has_text=description).click()
    return page


def test_a_report_is_read_in_its_viewport(
    open_page: OpenPage, study: Dataset, size: str, screen_server: ScreenServer, shot: Path
) -> None:
    page = opened(open_page, study, "The report", size)
    frame = page.frame_locator("iframe[title='Structured report: The report']")
    expect(frame.get_by_role("heading", level=1)).to_have_text("Diagnostic imaging report")
    expect(frame.get_by_text("<script>document.title = 'caught'</script> & a nodule")).to_be_visible()
    expect(frame.get_by_role("row", name="Length 12.5 mm").first).to_be_visible()
    page.screenshot(path=shot)
    assert "caught" not in page.title()
    assert serious_findings(page) == []
    with page.context.expect_page() as follows:
        frame.get_by_role("link", name="CT Image").click()
    assert follows.value.evaluate("document.contentType") == "image/jpeg"


def test_a_pdf_is_in_its_viewport(open_page: OpenPage, study: Dataset, shot: Path) -> None:
    with_answer: list[tuple[int, str | None]] = []
    page = opened(open_page, study, "The slice")
    page.on("response", lambda answer: "accept=application%2Fpdf" in answer.url and with_answer.append(
        (answer.status, answer.headers.get("content-type"))
    ))  # fmt: skip
    page.get_by_role("navigation", name="Series").get_by_role("button").filter(has_text="The paper").click()
    frame = page.locator("iframe[title='Document: The letter']")
    expect(frame).to_be_visible()
    expect(page.get_by_role("link", name="Open in a new tab")).to_have_attribute(
        "href", frame.get_attribute("src") or ""
    )
    page.wait_for_timeout(500)
    page.screenshot(path=shot)
    assert (200, "application/pdf") in with_answer


def test_a_video_plays_in_its_viewport(open_page: OpenPage, study: Dataset, shot: Path) -> None:
    page = opened(open_page, study, "The mp4 film")
    video = page.locator("video[aria-label='Video: The mp4 film']")
    page.wait_for_function("() => document.querySelector('video')?.readyState >= 2")
    assert video.evaluate("video => [video.videoWidth, video.videoHeight]") == [64, 64]
    assert video.evaluate("video => video.duration") == pytest.approx(6 / 25, abs=0.05)
    page.screenshot(path=shot)


def test_a_video_that_no_browser_plays_says_so_and_can_be_saved(open_page: OpenPage, study: Dataset) -> None:
    page = opened(open_page, study, "The mpegts film")
    expect(page.get_by_text("This browser does not play it (video/mp2t).")).to_be_visible()
    with page.expect_download() as download:
        page.get_by_role("link", name="Save the file").click()
    assert download.value.path().read_bytes()[:1] == b"\x47"


def test_a_presentation_state_is_shown_on_its_image(open_page: OpenPage, study: Dataset) -> None:
    page = opened(open_page, study, "The state")
    expect(page.get_by_role("img", name="Presentation state: TEST")).to_be_visible()
    page.wait_for_function("() => document.querySelector('img[alt^=Presentation]').naturalWidth === 64")


def test_a_model_can_be_saved(open_page: OpenPage, study: Dataset) -> None:
    page = opened(open_page, study, "The model")
    with page.expect_download() as download:
        page.get_by_role("link", name="Save the file").click()
    assert download.value.path().read_bytes() == b"solid x\nendsolid x\n"


def test_what_has_no_form_of_its_own_says_what_it_is(open_page: OpenPage, study: Dataset) -> None:
    page = opened(open_page, study, "The structures")
    card = page.locator("[data-pane=pane1]")
    expect(card).to_contain_text("Structure set")
    expect(card.get_by_role("button", name="Show its attributes")).to_be_visible()


def test_a_study_of_a_report_alone_opens_with_it(open_page: OpenPage, screen_server: ScreenServer) -> None:
    ds = report(content("TEXT", code("121071", "Finding"), TextValue="Nothing else"), PatientName="Only^Words")
    screen_server.store(ds)
    page = open_page(f"/viewer/{ds.StudyInstanceUID}")
    expect(page.frame_locator("iframe").get_by_text("Nothing else")).to_be_visible()


def test_a_report_that_cannot_be_shown_says_why(open_page: OpenPage, screen_server: ScreenServer) -> None:
    ds = make.instance("1.2.840.10008.5.1.4.1.1.88.11", Modality="SR", PatientName="Without^Words")
    screen_server.store(ds)
    page = open_page(f"/viewer/{ds.StudyInstanceUID}")
    expect(page.get_by_role("alert")).to_contain_text("no content tree")
    expect(page.get_by_role("button", name="Try again")).to_be_visible()
