"""The page of one study: its series in pictures, out as ZIP, on to a peer, live."""

from __future__ import annotations

import zipfile
from pathlib import Path

import pytest
from playwright.sync_api import expect

import make
from screen import OpenPage, ScreenServer

pytestmark = [pytest.mark.browser, pytest.mark.xdist_group("pages")]


def test_series_are_shown_as_pictures(open_page: OpenPage, screen_server: ScreenServer) -> None:
    slices = make.ct_series(2, rows=64, PatientName="Series^Shown", SeriesDescription="Lung 1.0")
    screen_server.store(*slices)
    page = open_page(f"/studies/{slices[0].StudyInstanceUID}")
    card = page.get_by_role("listitem").filter(has_text="Lung 1.0")
    expect(card).to_contain_text("2 instances")
    picture = card.locator("img")
    expect(picture).to_be_visible()
    page.wait_for_function("() => document.querySelector('li img')?.naturalWidth > 0")
    card.get_by_role("link").click()
    page.wait_for_url(f"**/viewer/{slices[0].StudyInstanceUID}?series={slices[0].SeriesInstanceUID}")


def test_a_study_grows_on_its_page(open_page: OpenPage, screen_server: ScreenServer) -> None:
    slices = make.ct_series(3, rows=16, PatientName="Study^Grows")
    screen_server.store(slices[0])
    page = open_page(f"/studies/{slices[0].StudyInstanceUID}")
    expect(page.get_by_text("1 series, 1 instance,")).to_be_visible()
    screen_server.store(*slices[1:])
    expect(page.get_by_text("1 series, 3 instances,")).to_be_visible()


def test_a_study_is_downloaded_as_a_zip(open_page: OpenPage, screen_server: ScreenServer, tmp_path: Path) -> None:
    slices = make.ct_series(3, rows=16, PatientName="Zip^Out")
    screen_server.store(*slices)
    page = open_page(f"/studies/{slices[0].StudyInstanceUID}")
    with page.expect_download() as download:
        page.get_by_role("link", name="Download").click()
    target = tmp_path / "study.zip"
    download.value.save_as(target)
    with zipfile.ZipFile(target) as archive:
        assert archive.testzip() is None
        assert sum(name.endswith(".dcm") for name in archive.namelist()) == 3


def test_a_study_is_sent_to_a_peer_as_a_job(open_page: OpenPage, screen_server: ScreenServer) -> None:
    ds = make.ct_slice(rows=16, PatientName="Send^Me")
    screen_server.store(ds)
    screen_server.call("POST", "/peers", {"aeTitle": "ELSEWHERE", "host": "127.0.0.1", "port": 9, "allow": []})
    page = open_page(f"/studies/{ds.StudyInstanceUID}")
    page.get_by_role("button", name="Send").click()
    dialog = page.get_by_role("dialog")
    dialog.get_by_role("combobox", name="To").click()
    page.get_by_role("option", name="ELSEWHERE").click()
    dialog.get_by_role("button", name="Send").click()
    expect(page.get_by_text("The study is on its way to ELSEWHERE.")).to_be_visible()
    page.goto("/admin/jobs")
    expect(page.get_by_role("row").filter(has_text="ELSEWHERE")).to_contain_text("Send study")


def test_a_study_that_is_not_there_says_so(open_page: OpenPage) -> None:
    page = open_page("/studies/1.2.3.4.5")
    expect(page.get_by_text("This study is not here")).to_be_visible()


def test_an_address_without_a_page_says_so(open_page: OpenPage) -> None:
    page = open_page("/no/such/page")
    expect(page.get_by_text("There is nothing here")).to_be_visible()


def test_a_study_is_deleted_with_a_reason_and_put_back(open_page: OpenPage, screen_server: ScreenServer) -> None:
    ds = make.ct_slice(rows=16, PatientName="Delete^Me", PatientID="D-7")
    screen_server.store(ds)
    page = open_page(f"/studies/{ds.StudyInstanceUID}")
    page.get_by_role("button", name="Delete").click()
    dialog = page.get_by_role("dialog")
    expect(dialog).to_contain_text("Delete, Me")
    expect(dialog).to_contain_text("D-7")
    expect(dialog.get_by_role("button", name="Delete")).to_be_disabled()
    dialog.get_by_role("textbox", name="Why is it deleted?").fill("sent twice")
    dialog.get_by_role("button", name="Delete").click()
    expect(page.get_by_text("The study of Delete, Me is deleted.")).to_be_visible()
    page.goto(f"/studies/{ds.StudyInstanceUID}")
    expect(page.get_by_text("This study is not here")).to_be_visible()
    page.goto("/admin/deletions")
    row = page.get_by_role("row").filter(has_text="Delete, Me")
    expect(row).to_contain_text("sent twice")
    row.get_by_role("button", name="Restore").click()
    page.goto(f"/studies/{ds.StudyInstanceUID}")
    expect(page.get_by_text("1 series, 1 instance,")).to_be_visible(timeout=15_000)
