"""The studies page: found, ordered, live, by keyboard, on a phone; and what is dropped on it."""

from __future__ import annotations

import base64
import io
import re
import zipfile
from pathlib import Path

import pytest
from playwright.sync_api import Locator, Page, expect
from pydicom.dataset import Dataset

import make
from screen import PHONE, OpenPage, ScreenServer

pytestmark = [pytest.mark.browser, pytest.mark.xdist_group("pages")]


def study(name: str, **values: object) -> Dataset:
    return make.ct_slice(rows=32, PatientName=name, **values)


def row(page: Page, text: str) -> Locator:
    return page.locator("[data-study]").filter(has_text=text)


def names(page: Page) -> list[str]:
    return [text.split("\n")[0] for text in page.locator("[data-study]").all_inner_texts()]


def test_a_name_is_shown_in_all_its_scripts(open_page: OpenPage, screen_server: ScreenServer) -> None:
    screen_server.store(study("Suzuki^Hanako=鈴木^花子=すずき^はなこ", PatientID="JP-7", PatientSex="F"))
    page = open_page("/?id=JP-7")
    expect(row(page, "Suzuki, Hanako")).to_contain_text("鈴木 花子")
    expect(row(page, "Suzuki, Hanako")).to_contain_text("すずき はなこ")


def test_a_search_narrows_the_list_and_stands_in_the_address(open_page: OpenPage, screen_server: ScreenServer) -> None:
    screen_server.store(study("Quercus^Robur", PatientID="Q-1"), study("Fagus^Sylvatica", PatientID="Q-2"))
    page = open_page()
    page.get_by_role("searchbox").fill("querc")
    expect(row(page, "Quercus, Robur")).to_be_visible()
    expect(row(page, "Fagus, Sylvatica")).to_have_count(0)
    expect(page).to_have_url(re.compile(r"\?q=querc$"))
    page.reload()
    expect(page.get_by_role("searchbox")).to_have_value("querc")
    expect(row(page, "Quercus, Robur")).to_be_visible()


def test_every_filter_stands_in_the_address_and_comes_off(open_page: OpenPage, screen_server: ScreenServer) -> None:
    common = {"AccessionNumber": "FILTER-1", "StudyDate": "20240229"}
    screen_server.store(
        study("Filter^Ct", PatientID="F-1", **common),
        make.color(PatientName="Filter^Us", PatientID="F-2", Modality="US", **common),
    )
    page = open_page("/?accession=FILTER-1")
    expect(page.locator("[data-study]")).to_have_count(2)
    page.get_by_role("button", name="All modalities").click()
    page.get_by_label("Modality", exact=True).locator("label", has_text=re.compile("^US$")).click()
    page.keyboard.press("Escape")
    expect(page.locator("[data-study]")).to_have_count(1)
    expect(row(page, "Filter, Us")).to_be_visible()
    expect(page).to_have_url(re.compile("modality=US"))

    page.get_by_role("button", name="Any date").click()
    page.get_by_role("button", name="Today").click()
    expect(page.get_by_text("No study matches")).to_be_visible()
    expect(page).to_have_url(re.compile("date=today"))
    page.go_back()
    expect(row(page, "Filter, Us")).to_be_visible()

    page.get_by_role("button", name="Remove Accession number: FILTER-1").click()
    expect(page).not_to_have_url(re.compile("accession"))


def test_an_address_with_nonsense_shows_the_list(open_page: OpenPage, screen_server: ScreenServer) -> None:
    screen_server.store(study("Nonsense^Not"))
    page = open_page("/?sort=drop&date=never&modality=%3Cb%3E&q=Nonsense")
    expect(row(page, "Nonsense, Not").first).to_be_visible()


def test_a_heading_orders_the_list(open_page: OpenPage, screen_server: ScreenServer) -> None:
    for given in ("Beta", "Alpha", "Gamma"):
        screen_server.store(study(f"Order^{given}", PatientID=f"O-{given}"))
    page = open_page("/?name=Order")
    page.get_by_role("button", name="Patient", exact=True).click()
    expect(page.get_by_role("columnheader", name="Patient")).to_have_attribute("aria-sort", "ascending")
    expect(page.locator("[data-study]").first).to_contain_text("Alpha")
    assert names(page) == ["Order, Alpha", "Order, Beta", "Order, Gamma"]
    page.get_by_role("button", name="Patient", exact=True).click()
    expect(page.locator("[data-study]").first).to_contain_text("Gamma")


def test_a_study_appears_as_it_arrives_and_its_counts_grow(open_page: OpenPage, screen_server: ScreenServer) -> None:
    slices = make.ct_series(3, rows=16, PatientName="Arrival^Live", PatientID="LIVE-1")
    page = open_page("/?id=LIVE-1")
    expect(page.get_by_text("No study matches")).to_be_visible()
    screen_server.store(slices[0])
    expect(row(page, "Arrival, Live")).to_be_visible()
    expect(row(page, "Arrival, Live")).to_have_attribute("data-fresh", "true")
    expect(row(page, "Arrival, Live")).to_contain_text("1 / 1")
    screen_server.store(*slices[1:])
    expect(row(page, "Arrival, Live")).to_contain_text("1 / 3")


def test_the_list_is_driven_by_keys(open_page: OpenPage, screen_server: ScreenServer) -> None:
    for number, given in enumerate(("One", "Two", "Three")):
        screen_server.store(study(f"Keys^{given}", PatientID=f"K-{number}", StudyTime=f"1{number}0000"))
    page = open_page("/?name=Keys&sort=-studyDate")
    expect(page.locator("[data-study]")).to_have_count(3)
    selected = page.get_by_role("row", selected=True)
    page.keyboard.press("j")
    expect(selected).to_contain_text("Three")
    page.keyboard.press("j")
    page.keyboard.press("ArrowDown")
    expect(selected).to_contain_text("One")
    page.keyboard.press("k")
    expect(selected).to_contain_text("Two")

    page.keyboard.press("o")
    expect(page.get_by_role("heading", name="Keys, Two")).to_be_visible()
    page.keyboard.press("Escape")
    expect(selected).to_contain_text("Two")

    page.keyboard.press("/")
    expect(page.get_by_role("searchbox")).to_be_focused()
    page.keyboard.type("j")
    expect(page.get_by_role("searchbox")).to_have_value("j")
    page.keyboard.press("Escape")
    page.keyboard.press("Escape")
    page.keyboard.press("k")
    page.keyboard.press("Enter")
    expect(page).to_have_url(re.compile("/viewer/"))


def test_keys_are_listed_and_single_ones_can_be_turned_off(open_page: OpenPage, screen_server: ScreenServer) -> None:
    screen_server.store(study("Cheat^Sheet", PatientID="CHEAT"))
    page = open_page("/?id=CHEAT")
    expect(row(page, "Cheat, Sheet")).to_be_visible()
    page.keyboard.press("?")
    dialog = page.get_by_role("dialog")
    expect(dialog).to_contain_text("Next study")
    dialog.get_by_role("switch", name="Single keys").click()
    page.keyboard.press("Escape")
    expect(dialog).to_be_hidden()
    page.keyboard.press("j")
    expect(page.get_by_role("row", selected=True)).to_have_count(0)
    page.keyboard.press("ArrowDown")
    expect(page.get_by_role("row", selected=True)).to_have_count(1)


def test_the_palette_goes_to_a_study(open_page: OpenPage, screen_server: ScreenServer) -> None:
    screen_server.store(study("Palette^Goto", PatientID="PAL-1"))
    page = open_page()
    expect(page.locator("[data-study]").first).to_be_visible()
    page.keyboard.press("Control+k")
    page.get_by_role("dialog").locator("input").fill("palette")
    page.get_by_role("dialog").get_by_text("Palette, Goto").click()
    expect(page.get_by_role("heading", name="Palette, Goto")).to_be_visible()


def test_a_long_list_draws_only_what_is_in_sight(open_page: OpenPage, screen_server: ScreenServer) -> None:
    for number in range(130):
        screen_server.store(make.instance(PatientName=f"Long^{number:03d}", PatientID=f"L-{number:03d}"))
    page = open_page("/?name=Long&sort=patientName")
    expect(page.get_by_text("130 studies")).to_be_visible()
    assert page.locator("[data-study]").count() < 60
    page.keyboard.press("End")  # the last of the first page; the second is fetched on the way
    expect(row(page, "Long, 105")).to_have_count(1)
    page.keyboard.press("End")
    expect(page.locator("[data-study]").last).to_contain_text("129", timeout=20_000)
    expect(row(page, "Long, 000")).to_have_count(0)


def test_a_phone_shows_cards(open_page: OpenPage, screen_server: ScreenServer) -> None:
    screen_server.store(study("Phone^Pat", PatientID="PH-1"))
    page = open_page("/?id=PH-1", size=PHONE)
    expect(page.get_by_role("listitem").filter(has_text="Phone, Pat")).to_be_visible()
    assert page.evaluate("document.documentElement.scrollWidth") <= PHONE["width"]
    page.get_by_role("button", name="Filters").click()
    expect(page.get_by_role("dialog").get_by_label("Patient ID")).to_have_value("PH-1")
    page.keyboard.press("Escape")
    page.get_by_role("link", name="Phone, Pat").first.click()
    expect(page.get_by_role("heading", name="Phone, Pat")).to_be_visible()


# Uploads


def archive_of(*files: tuple[str, bytes]) -> bytes:
    """A ZIP in memory."""
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as archive:
        for name, data in files:
            archive.writestr(name, data)
    return buffer.getvalue()


def test_files_are_uploaded_and_each_result_is_told(open_page: OpenPage, tmp_path: Path) -> None:
    slices = make.ct_series(4, rows=16, PatientName="Upload^Files", PatientID="UP-1")
    for number, ds in enumerate(slices):
        (tmp_path / f"IM{number}").write_bytes(make.part10(ds))
    (tmp_path / "notes.txt").write_text("not an image")
    broken = make.ct_slice()
    del broken.StudyInstanceUID
    (tmp_path / "broken.dcm").write_bytes(make.part10(broken))
    page = open_page("/?id=UP-1")
    page.get_by_test_id("upload-files").set_input_files(sorted(tmp_path.iterdir()))
    panel = page.get_by_role("region", name="Uploads")
    expect(panel.get_by_role("status")).to_contain_text("4 stored")
    expect(panel.get_by_role("listitem").filter(has_text="broken.dcm")).to_contain_text("Study Instance UID")
    expect(panel.get_by_role("listitem").filter(has_text="notes.txt")).to_be_attached()
    expect(row(page, "Upload, Files")).to_contain_text("1 / 4")
    panel.get_by_role("listitem").filter(has_text="IM0").get_by_role("link").click()
    expect(page.get_by_role("heading", name="Upload, Files")).to_be_visible()


def test_a_zip_is_uploaded_and_each_file_in_it_told(open_page: OpenPage, tmp_path: Path) -> None:
    slices = make.ct_series(2, rows=16, PatientName="Upload^Zip", PatientID="UP-2")
    path = tmp_path / "cd.zip"
    path.write_bytes(archive_of(*((f"DICOM/IM{n}", make.part10(ds)) for n, ds in enumerate(slices)), ("README", b"hi")))
    page = open_page("/?id=UP-2")
    page.get_by_test_id("upload-files").set_input_files(path)
    expect(page.get_by_role("region", name="Uploads").get_by_role("status")).to_contain_text("2 stored")
    expect(row(page, "Upload, Zip")).to_contain_text("1 / 2")


DROP = """([name, base64]) => {
  const data = new DataTransfer();
  data.items.add(new File([Uint8Array.from(atob(base64), (letter) => letter.charCodeAt(0))], name));
  const fire = (type) =>
    document.body.dispatchEvent(new DragEvent(type, {dataTransfer: data, bubbles: true, cancelable: true}));
  fire('dragenter');
  fire('dragover');
  window.dropNow = () => fire('drop');
}"""


def test_files_are_dropped_anywhere_on_the_page(open_page: OpenPage) -> None:
    ds = study("Upload^Drop", PatientID="UP-3")
    page = open_page("/?id=UP-3")
    expect(page.get_by_text("No study matches")).to_be_visible()
    page.evaluate(DROP, ["IM1", base64.b64encode(make.part10(ds)).decode()])
    expect(page.get_by_text("Drop to upload")).to_be_visible()
    page.evaluate("window.dropNow()")
    expect(page.get_by_text("Drop to upload")).to_be_hidden()
    expect(row(page, "Upload, Drop")).to_be_visible()


def test_who_may_not_store_is_not_offered_to(open_page: OpenPage, screen_server: ScreenServer) -> None:
    screen_server.add_person("clara", "clinician")
    page = open_page(name="clara")
    expect(page.get_by_role("searchbox")).to_be_visible()
    expect(page.get_by_role("button", name="Upload")).to_have_count(0)
    expect(page.get_by_role("link", name="Administration")).to_have_count(0)
    page.goto("/admin/people")
    expect(page.get_by_role("searchbox")).to_be_visible()
