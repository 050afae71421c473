"""Texts of senders that are markup to a browser are shown as the texts they are, on every page that shows them."""

from __future__ import annotations

import contextlib
from pathlib import Path

import pytest
from playwright.sync_api import Page, expect
from pydicom.dataset import Dataset

import make
from filmless.dimse.client import Rejected, connect
from screen import OpenPage, ScreenServer
from wire import IMPLICIT_LE, VERIFICATION

pytestmark = [pytest.mark.browser, pytest.mark.xdist_group("pages")]

IMAGE = "<img src=x onerror=window.harmed=1>"
SCRIPT = "</script><script>window.harmed=1</script>"
LINK = "javascript:window.harmed=1"


def hostile_study() -> Dataset:
    return make.ct_slice(
        rows=32,
        PatientName="<marquee>Doe^<big>Jane</big>",
        PatientID=f"H-{SCRIPT}",
        StudyDescription=f"{IMAGE}<a href={LINK}>",
        SeriesDescription=f"{IMAGE}\u202e\u0007{{{{7*7}}}}",
        ReferringPhysicianName="<svg/onload>",
        AccessionNumber="<ins>acc</ins>",
        Modality="<ins>CT",
        BodyPartExamined="<ins>HEAD",
        InstitutionName=SCRIPT,
    )


def assert_only_text(page: Page) -> None:
    """Nothing of it became an element or ran; the page's own complaints are held by `open_page`."""
    assert page.evaluate("() => window.harmed") is None
    planted = "marquee, img[src='x'], svg[onload], a[href^='javascript:'], big, ins"
    assert page.locator(planted).all_inner_texts() == []


def test_the_studies_show_markup_as_text(open_page: OpenPage, screen_server: ScreenServer) -> None:
    ds = hostile_study()
    screen_server.store(ds)
    page = open_page("/")
    row = page.locator("[data-study]").filter(has_text=ds.StudyDescription).first
    expect(row).to_contain_text("<marquee>Doe, <big>Jane</big>")
    assert_only_text(page)
    page.goto(f"/?q={IMAGE}&accession={SCRIPT}&id={SCRIPT}")
    expect(page.get_by_role("searchbox")).to_have_value(IMAGE)
    assert_only_text(page)


def test_a_study_and_the_viewer_show_markup_as_text(open_page: OpenPage, screen_server: ScreenServer) -> None:
    ds = hostile_study()
    screen_server.store(ds)
    page = open_page(f"/studies/{ds.StudyInstanceUID}")
    expect(page.get_by_role("heading").filter(has_text="<marquee>Doe, <big>Jane</big>")).to_be_visible()
    expect(page.get_by_role("listitem").filter(has_text="{{7*7}}")).to_be_visible()
    assert_only_text(page)
    page.goto(f"/viewer/{ds.StudyInstanceUID}")
    expect(page.get_by_text("<marquee>Doe").first).to_be_visible()
    page.wait_for_function("() => document.querySelector('canvas')")
    assert_only_text(page)


def test_the_names_of_uploaded_files_are_shown_as_text(open_page: OpenPage, tmp_path: Path) -> None:
    name = f"{IMAGE}.dcm"
    (tmp_path / name).write_bytes(b"no DICOM")
    page = open_page("/")
    page.get_by_test_id("upload-files").set_input_files(tmp_path / name)
    expect(page.get_by_role("region", name="Uploads").get_by_text(name)).to_be_attached()
    assert_only_text(page)


def test_the_administration_shows_markup_as_text(open_page: OpenPage, screen_server: ScreenServer) -> None:
    title = "<img src=x id=y>"
    with contextlib.suppress(Rejected):
        connect(
            "127.0.0.1",
            screen_server.dicom_port,
            called_ae=title,
            calling_ae=title,
            contexts=[(VERIFICATION, [IMPLICIT_LE])],
        )
    page = open_page("/admin/peers")
    expect(page.get_by_text(title).first).to_be_visible()
    assert_only_text(page)
    for section in ("audit", "storage", "jobs", "people"):
        page.goto(f"/admin/{section}")
        expect(page.get_by_role("heading").first).to_be_visible()
        assert_only_text(page)
