"""Every page of the screen at desktop and phone size: it shows what is there, and axe finds nothing serious."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
from playwright.sync_api import Browser, Page, expect

import make
from running import RunningServer, filmless

pytestmark = [pytest.mark.browser, pytest.mark.xdist_group("screen")]

ROOT = Path(__file__).resolve().parents[2]
AXE = ROOT / "web" / "node_modules" / "axe-core" / "axe.min.js"
ADMIN_PAGES = ("people", "peers", "jobs", "storage", "audit")


def assert_accessible(page: Page) -> None:
    page.evaluate(AXE.read_text())  # evaluated, not inserted as a script: the page's CSP forbids that
    found = page.evaluate("() => axe.run(document, {resultTypes: ['violations']})")
    serious = [
        f"{violation['id']}: {violation['nodes'][0]['html'][:200]}"
        for violation in found["violations"]
        if violation["impact"] in {"serious", "critical"}
    ]
    assert serious == []


@pytest.fixture(scope="session")
def study(screen_server: RunningServer, tmp_path_factory: pytest.TempPathFactory) -> str:
    folder = tmp_path_factory.mktemp("study")
    slices = make.ct_series(3, rows=64)
    for number, ds in enumerate(slices):
        ds.PatientName, ds.PatientID, ds.StudyDescription = "Browser^Berta", "E2E-1", "CT of the browser tests"
        (folder / f"{number}.dcm").write_bytes(make.part10(ds))
    filmless(screen_server.data, "import", str(folder))
    return str(slices[0].StudyInstanceUID)


def test_a_stranger_is_asked_to_sign_in_and_told_when_it_fails(browser: Browser, screen_server: RunningServer) -> None:
    page = browser.new_context().new_page()
    page.goto(screen_server.url)
    page.get_by_label("Name").fill("nobody")
    page.get_by_label("Password").first.fill("not the password")
    page.keyboard.press("Enter")
    expect(page.get_by_role("alert").first).to_be_visible()
    assert "sign-in" in page.url
    assert_accessible(page)
    page.context.close()


def test_studies_are_listed_and_found_by_typing(
    page: Page, study: str, screen_server: RunningServer, size: str, shot: Path
) -> None:
    page.goto(screen_server.url)
    expect(page.get_by_text("Browser, Berta").first).to_be_visible()
    page.get_by_placeholder("Name, ID, accession or description").fill("berta")
    expect(page).to_have_url(re.compile("berta"))
    expect(page.get_by_text("Browser, Berta").first).to_be_visible()
    page.screenshot(path=shot)
    assert_accessible(page)


def test_a_study_appears_while_the_list_is_open(page: Page, screen_server: RunningServer, tmp_path: Path) -> None:
    page.goto(screen_server.url)
    page.get_by_placeholder("Name, ID, accession or description").wait_for()
    (tmp_path / "live.dcm").write_bytes(make.part10(make.ct_slice(PatientName="Live^Liselotte", PatientID="E2E-2")))
    filmless(screen_server.data, "import", str(tmp_path / "live.dcm"))
    expect(page.get_by_text("Live, Liselotte").first).to_be_visible(timeout=10_000)


def test_a_file_is_uploaded_and_its_result_is_told(page: Page, screen_server: RunningServer) -> None:
    page.goto(screen_server.url)
    file = make.part10(make.ct_slice(PatientName="Upload^Ulla", PatientID="E2E-3"))
    with page.expect_response(lambda answer: "/api/v1/uploads" in answer.url) as told:
        page.locator("input[type=file]").first.set_input_files(
            [{"name": "ulla.dcm", "mimeType": "application/dicom", "buffer": file}]
        )
    assert told.value.json()["results"][0]["outcome"] == "stored"
    expect(page.get_by_text("Upload, Ulla").first).to_be_visible(timeout=10_000)


def test_the_study_page_shows_its_series(
    page: Page, study: str, screen_server: RunningServer, size: str, shot: Path
) -> None:
    page.goto(f"{screen_server.url}/studies/{study}")
    expect(page.get_by_text("CT of the browser tests").first).to_be_visible()
    image = page.locator("img").first
    expect(image).to_be_visible()
    page.wait_for_function("() => [...document.images].every((image) => image.complete && image.naturalWidth > 0)")
    page.screenshot(path=shot)
    assert_accessible(page)


@pytest.mark.parametrize("section", ADMIN_PAGES)
def test_each_page_of_administration_opens(
    page: Page, section: str, screen_server: RunningServer, size: str, shot: Path
) -> None:
    page.goto(f"{screen_server.url}/admin/{section}")
    expect(page.get_by_role("heading").first).to_be_visible()
    page.wait_for_load_state("load")
    page.wait_for_timeout(500)
    page.screenshot(path=shot)
    assert_accessible(page)


def test_the_viewer_is_accessible(page: Page, study: str, screen_server: RunningServer, size: str, shot: Path) -> None:
    page.goto(f"{screen_server.url}/viewer/{study}")
    page.wait_for_function("() => window.__filmless?.viewer?.viewport(window.__filmless.viewer.active)?.imageId")
    page.screenshot(path=shot)
    assert_accessible(page)
