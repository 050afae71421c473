"""Hanging: the built-in protocols picture by picture, planes and volumes in rules, and rules that are edited."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np
import pytest
from playwright.sync_api import Locator, Page, expect
from pydicom.dataset import Dataset

import make
from hung import READY, SHOWN, hung
from screen import PHONE, OpenPage, ScreenServer, serious_findings

pytestmark = [pytest.mark.browser, pytest.mark.xdist_group("screen")]

DX, PET, US = "1.2.840.10008.5.1.4.1.1.1.1", "1.2.840.10008.5.1.4.1.1.128", "1.2.840.10008.5.1.4.1.1.6.1"
PLACES = """() => { const v = window.__filmless.viewer; return v.viewports().map(id => {
  const { place, isInverted } = v.viewport(id); return [place.position[2], isInverted]; }) }"""
CUTS = """() => { const v = window.__filmless.viewer; return v.viewports().map(id => {
  const { slab, place, values } = v.viewport(id); return {slab, position: place?.position, values: values()}; }) }"""


@pytest.fixture(autouse=True)
def hangs(screen_server: ScreenServer) -> Iterator[None]:
    """Studies hang by themselves, and what is remembered hangs in no other test."""
    screen_server.call("DELETE", "/preferences/hanging")
    yield
    for each in screen_server.call("GET", "/hanging-protocols"):
        if each["id"] is not None:
            screen_server.call("DELETE", f"/hanging-protocols/{each['id']}")


def series(count: int, step: float, **more: Any) -> list[Dataset]:
    """Slices of 16 x 16 mm: 100 to the row and 1 to the slice, so that a value says where it is from."""
    common: dict[str, Any] = {"SeriesInstanceUID": make.uid(), "RescaleIntercept": "0", "PixelSpacing": ["1", "1"]}
    rows = np.arange(16, dtype=np.int16)[:, None] * 100
    return [
        make.ct_slice(
            16,
            **common
            | {
                "InstanceNumber": at + 1,
                "ImagePositionPatient": ["-8", "-8", f"{at * step:g}"],
                "SliceThickness": f"{step:g}",
                "PixelData": np.tile(rows + at, (1, 16)).astype(np.int16).tobytes(),
            }
            | more,
        )
        for at in range(count)
    ]


def uid_of(ds: Dataset) -> str:
    return str(ds.SOPInstanceUID)


def test_pet_over_ct_chest_ultrasound_and_a_prior_hang_picture_by_picture(
    open_page: OpenPage, screen_server: ScreenServer
) -> None:
    frame = {"PatientID": "HANGPT", "StudyInstanceUID": make.uid(), "FrameOfReferenceUID": make.uid()}
    pet = series(9, 4, **frame, SeriesNumber=1, Modality="PT", SOPClassUID=PET, BodyPartExamined="WHOLEBODY")
    ct = series(12, 3, **frame, SeriesNumber=2, BodyPartExamined="WHOLEBODY")
    screen_server.store(*pet, *ct)
    page = open_page(f"/viewer/{frame['StudyInstanceUID']}")
    # CT on the left though PET has the lower number; PET inverted, and in colours over the CT.
    assert hung(page, "petCt") == [uid_of(ct[0]), uid_of(pet[0])]
    assert page.evaluate(PLACES) == [[0, False], [0, True]]
    page.wait_for_function(
        "id => window.__filmless.viewer.space.getState().fusion?.overlayId === id", arg=str(pet[0].SeriesInstanceUID)
    )
    assert page.locator("[data-role=fusion]").count() == 1
    # Linked by place: 15 mm of the CT is nearest to 16 mm of the PET.
    page.evaluate("window.__filmless.viewer.scrollTo('pane1', 5)")
    page.wait_for_function("() => window.__filmless.viewer.viewport('pane2').shown === 4")
    page.wait_for_function(READY)
    assert page.evaluate(PLACES) == [[15, False], [16, True]]

    def view(study: str, day: str, position: str, number: int) -> Dataset:
        return make.ct_slice(
            16,
            SOPClassUID=DX,
            Modality="DX",
            PatientID="HANGDX",
            StudyInstanceUID=study,
            StudyDate=day,
            SeriesInstanceUID=make.uid(),
            SeriesNumber=number,
            ViewPosition=position,
            SeriesDescription="knee",
            ImagePositionPatient=None,
            ImageOrientationPatient=None,
            PresentationIntentType="FOR PRESENTATION",
        )

    now, before = make.uid(), make.uid()
    chest = {
        (study, position): view(study, day, position, number)
        for study, day in ((now, "20240301"), (before, "20230301"))
        for number, position in ((1, "LL"), (2, "PA"))
    }
    screen_server.store(*chest.values())
    page.goto(f"/viewer/{now}")
    order = [(study, position) for study in (now, before) for position in ("PA", "LL")]
    assert hung(page, "chestPrior") == [uid_of(chest[each]) for each in order]
    page.keyboard.press("e")
    assert hung(page, "chest") == [uid_of(chest[each]) for each in order[:2]]

    def scan(study: str, day: str, number: int) -> Dataset:
        common = {"PatientID": "HANGUS", "StudyInstanceUID": study, "StudyDate": day, "SeriesInstanceUID": make.uid()}
        return make.color(
            rows=16, **common, SOPClassUID=US, Modality="US", BodyPartExamined="ABDOMEN", SeriesNumber=number
        )

    now, before = make.uid(), make.uid()
    scans = {number: scan(now, "20240301", number) for number in (7, 2, 5, 3, 9)}
    earlier = {number: scan(before, "20230301", number) for number in (4, 1)}
    screen_server.store(*scans.values(), *earlier.values())
    page.goto(f"/viewer/{now}")
    # The first of the study beside that of the prior; then four by their numbers.
    assert hung(page, "ultrasoundPrior") == [uid_of(scans[2]), uid_of(earlier[1])]
    page.keyboard.press("e")
    assert hung(page, "ultrasound") == [uid_of(scans[number]) for number in (2, 3, 5, 7)]

    now, before = make.uid(), make.uid()
    current = series(4, 5, PatientID="HANGC2", StudyInstanceUID=now, StudyDate="20240301", SeriesNumber=1)
    thin = series(4, 1, PatientID="HANGC2", StudyInstanceUID=before, StudyDate="20230301", SeriesNumber=1)
    thick = series(4, 4, PatientID="HANGC2", StudyInstanceUID=before, StudyDate="20230301", SeriesNumber=2)
    screen_server.store(*current, *thin, *thick)
    page.goto(f"/viewer/{now}")
    # Of the prior what is as thick, though it is not the first.
    assert hung(page, "ctPrior") == [uid_of(current[0]), uid_of(thick[0])]
    for pane in ("pane1", "pane2"):
        page.evaluate(f"window.__filmless.viewer.scrollTo('{pane}', 3)")
    page.wait_for_function("() => ['pane1', 'pane2'].every(id => window.__filmless.viewer.viewport(id).shown === 3)")
    assert page.evaluate(PLACES) == [[15, False], [12, False]]


def pelvis(patient: str) -> list[Dataset]:
    common = {"PatientID": patient, "StudyInstanceUID": make.uid(), "FrameOfReferenceUID": make.uid()}
    return series(16, 1, **common, BodyPartExamined="PELVIS")


def rule_dialog(page: Page, name: str) -> Locator:
    dialog = page.get_by_role("dialog", name=name)
    dialog.get_by_role("button", name="Try on recent studies").wait_for()
    return dialog


def keep(dialog: Locator, button: str) -> None:
    dialog.get_by_role("button", name="Try on recent studies").click()
    dialog.locator("[data-hangs]").first.wait_for()
    dialog.get_by_role("button", name=button).click()
    dialog.wait_for(state="hidden")


def mine(server: ScreenServer) -> list[dict[str, Any]]:
    return [each for each in server.call("GET", "/hanging-protocols") if each["owner"] == "person"]


def wait_for_order(page: Page, names: list[str]) -> None:
    page.wait_for_function(
        """names => JSON.stringify([...document.querySelectorAll('[aria-label="For me"] [data-protocol]')]
          .map(each => each.dataset.protocol)) === JSON.stringify(names)""",
        arg=names,
    )


def test_planes_and_a_volume_are_remembered_hang_the_next_study_and_are_edited(
    open_page: OpenPage, screen_server: ScreenServer
) -> None:
    first, second = pelvis("HANGP1"), pelvis("HANGP2")
    screen_server.store(*first, *second)
    page = open_page(f"/viewer/{first[0].StudyInstanceUID}")
    page.wait_for_function("() => window.__filmless?.viewer?.hanging.subject != null")
    page.wait_for_function(READY)
    page.keyboard.press("q")
    page.wait_for_function("() => window.__filmless.viewer.space.getState().planes !== null")
    page.evaluate("window.__filmless.viewer.slab({thicknessMm: 4, mode: 'max'})")
    page.wait_for_function("() => window.__filmless.viewer.viewport('pane3').slab?.thicknessMm === 4")
    page.keyboard.press("Alt+k")
    dialog = rule_dialog(page, "Remember this arrangement")
    words = dialog.get_by_role("list", name="What goes where, in 2 × 2 viewports").get_by_role("listitem")
    expect(words).to_have_text(
        [*(f"CT, axial; {plane} planes, MIP 4 mm" for plane in ("Axial", "Coronal", "Sagittal")), "CT, axial"]
    )
    dialog.get_by_label("Name").fill("Planes")
    keep(dialog, "Remember")
    (kept,) = mine(screen_server)
    cut = {"kind": "plane", "thickness": 4, "interval": 0, "mode": "max"}
    assert [each["reformat"] for each in kept["rule"]["viewports"]] == [
        *(cut | {"plane": plane} for plane in ("axial", "coronal", "sagittal")),
        None,
    ]

    # As it was opened are the images that the planes were cut from; then the planes again.
    protocol = f"person:{kept['id']}"
    hung(page, protocol)
    page.keyboard.press("e")
    page.wait_for_function("() => window.__filmless.viewer.hanging.current === null")
    page.wait_for_function(READY)
    assert page.evaluate(SHOWN) == [uid_of(first[0])] * 4
    page.keyboard.press("e")
    assert hung(page, protocol)[:3] == [None] * 3

    page.goto(f"/viewer/{second[0].StudyInstanceUID}")
    assert hung(page, protocol) == [None, None, None, uid_of(second[0])]
    shown = page.evaluate(CUTS)
    assert [each["slab"] for each in shown] == [*[{"thicknessMm": 4, "mode": "max"}] * 3, None]
    # The planes through voxel 8 of each axis; 2 mm to either side reach row 10 and slice 10.
    assert [each["position"] for each in shown[:3]] == [[-8, -8, 8], [-8, 0, 15], [0, -8, 15]]
    row, column = np.mgrid[0:16, 0:16]
    for each, values in zip(shown, [100 * row + 10, 1000 + 15 - row, 100 * column + 15 - row], strict=False):
        assert np.array_equal(np.array(each["values"]).reshape(16, 16), values)
    planes = page.evaluate("window.__filmless.viewer.space.getState().planes")
    assert planes["panes"] == {"axial": "pane1", "coronal": "pane2", "sagittal": "pane3"}

    page.keyboard.press("Alt+h")
    listed = page.get_by_role("dialog", name="Hanging protocols")
    listed.get_by_role("button", name="Edit Planes").click()
    dialog = rule_dialog(page, "Hanging protocol: Planes")
    dialog.locator("[data-cell='2']").click()
    fields = dialog.get_by_role("group", name="Viewport 2")
    fields.get_by_label("What the slab shows").select_option("min")
    fields.get_by_label("Thickness of the slab in mm").fill("2")
    fields.get_by_label("From plane to plane in mm").fill("3")
    fields.get_by_label("Window", exact=True).select_option("bone")
    dialog.locator("[data-cell='4']").click()
    fields = dialog.get_by_role("group", name="Viewport 4")
    fields.get_by_label("Shown as").select_option("volume")
    fields.get_by_label("Preset").select_option("ctBone")
    dialog.get_by_label("Columns").fill("3")
    dialog.locator("[data-cell='6']").wait_for()
    dialog.get_by_label("Same window").check()
    words = dialog.get_by_role("list", name="What goes where, in 2 × 3 viewports").get_by_role("listitem")
    expect(words).to_have_text(
        [
            "CT, axial; Axial planes, MIP 4 mm",
            "CT, axial; Coronal planes, MinIP 2 mm, 3 mm apart; W 2500 L 480",
            "nothing",
            "CT, axial; Sagittal planes, MIP 4 mm",
            "CT, axial; Volume, CT: bone",
            "nothing",
        ]
    )
    assert serious_findings(page) == []
    page.screenshot(path="/tmp/hanging-edit.png")
    keep(dialog, "Keep the change")
    # It was in use, so it hangs the study anew: as a new instance, the former kept beside it.
    (changed,) = mine(screen_server)
    assert (changed["id"], changed["rule"]["layout"], changed["rule"]["links"]["window"]) == (kept["id"], "2x3", True)
    assert changed["sopInstanceUid"] != kept["sopInstanceUid"]
    (former,) = screen_server.call("GET", f"/hanging-protocols/{kept['id']}/history")
    assert (former["sopInstanceUid"], former["rule"]) == (kept["sopInstanceUid"], kept["rule"])
    page.wait_for_function("() => window.__filmless.viewer.viewport('pane2').slab?.mode === 'min'")
    page.wait_for_function("() => window.__filmless.viewer.rendering?.preset === 'ctBone'")
    page.wait_for_function(READY)
    assert page.locator("[data-pane=pane5] [data-rendering]").count() == 1
    coronal = page.evaluate(CUTS)[1]
    # 1 mm to either side of the plane nearest to the middle, of those 3 mm apart; row 15 - r of the slices.
    middle = coronal["position"][1] + 8
    assert middle in (6, 9)
    least = 100 * (middle - 1) + 15 - row
    assert np.array_equal(np.array(coronal["values"]).reshape(16, 16), least)

    # The former is taken up again: another change, and the volume goes.
    page.get_by_role("dialog", name="Hanging protocols").get_by_role("button", name="Edit Planes").click()
    dialog = rule_dialog(page, "Hanging protocol: Planes")
    dialog.get_by_text("1 earlier version").click()
    dialog.get_by_role("button", name="Take this one up again").click()
    dialog.locator("[data-cell='5']").wait_for(state="detached")
    keep(dialog, "Keep the change")
    page.wait_for_function("() => window.__filmless.viewer.rendering === null")
    assert hung(page, protocol)[3] == uid_of(second[0])
    assert mine(screen_server)[0]["rule"] == kept["rule"]


def test_protocols_are_copied_put_in_order_deleted_and_taken_back_by_keyboard_and_on_a_phone(
    open_page: OpenPage, screen_server: ScreenServer
) -> None:
    study = pelvis("HANGP3")
    screen_server.store(*study)
    page = open_page(f"/viewer/{study[0].StudyInstanceUID}")
    page.wait_for_function("() => window.__filmless?.viewer?.hanging.subject != null")
    page.keyboard.press("Alt+h")
    listed = page.get_by_role("dialog", name="Hanging protocols")
    for builtin, name in (("PET/CT", "A"), ("CT with prior", "B"), ("Ultrasound, four series", "C")):
        listed.get_by_role("button", name=f"Copy {builtin} and edit it").press("Enter")
        dialog = rule_dialog(page, f"Copy of: {builtin}")
        expect(dialog.get_by_label("Name")).to_have_value(f"{builtin} (copy)")
        dialog.get_by_label("Name").fill(name)
        modalities = dialog.locator("input").and_(dialog.get_by_label("Modalities"))
        modalities.press("Backspace")
        modalities.fill("ct")
        modalities.press("Enter")
        keep(dialog, "Remember")
        listed.locator(f"[data-protocol='{name}']").wait_for()
    assert [(each["name"], each["rule"]["when"]["modalities"]) for each in mine(screen_server)] == [
        ("C", ["CT"]),
        ("B", ["CT"]),
        ("A", ["CT"]),
    ]
    wait_for_order(page, ["C", "B", "A"])

    # By keyboard the focus goes with the entry, to the end and back; by pointer it is dragged.
    down = listed.get_by_role("button", name="Move C down")
    down.focus()
    for order in (["B", "C", "A"], ["B", "A", "C"]):
        page.keyboard.press("Enter")
        wait_for_order(page, order)
        expect(down).to_be_focused()
    assert down.get_attribute("aria-disabled") == "true"
    expect(listed.get_by_text("C is now number 3 of 3")).to_be_attached()
    listed.locator("[data-protocol=C] [data-role=grip]").drag_to(listed.locator("[data-protocol=B]"))
    wait_for_order(page, ["C", "B", "A"])

    before = mine(screen_server)[1]
    listed.get_by_role("button", name="Delete B").press("Enter")
    wait_for_order(page, ["C", "A"])
    listed.get_by_role("button", name="Undo: B was deleted").press("Enter")
    wait_for_order(page, ["C", "B", "A"])
    after = mine(screen_server)[1]
    assert (after["sopInstanceUid"], after["rule"]) == (before["sopInstanceUid"], before["rule"])

    # On a phone all of it is there and nothing lies beside the screen; the keyboard comes to each field and button.
    page.set_viewport_size(PHONE)
    wide = "() => document.querySelector('[role=dialog]').scrollWidth <= innerWidth"
    page.wait_for_function(wide)
    assert serious_findings(page) == []
    page.screenshot(path="/tmp/hanging-phone-list.png")
    listed.get_by_role("button", name="Edit B").press("Enter")
    dialog = rule_dialog(page, "Hanging protocol: B")
    page.wait_for_function(wide)
    dialog.locator("[data-cell='1']").press("Enter")
    dialog.get_by_label("Shown as").select_option("coronal")
    assert serious_findings(page) == []
    page.screenshot(path="/tmp/hanging-phone-edit.png")
    unreached = page.evaluate(MARK_UNREACHED)
    for _ in range(unreached * 2):
        page.keyboard.press("Tab")
        if page.evaluate(MARK_REACHED) == 0:
            break
    assert page.evaluate(NAMES_UNREACHED) == []


# One of a group of radio buttons is enough: arrow keys choose among them.
MARK_UNREACHED = """() => { const dialog = document.querySelector('[role=dialog]');
  const all = [...dialog.querySelectorAll('button, input, select, summary')].filter(each => !each.disabled
    && each.tabIndex >= 0 && each.type !== 'hidden' && each.checkVisibility()
    && !(each.type === 'radio' && !each.checked));
  all.forEach(each => each.setAttribute('data-unreached',
    each.getAttribute('aria-label') || each.labels?.[0]?.innerText || each.innerText));
  return all.length; }"""
MARK_REACHED = """() => { document.activeElement.removeAttribute('data-unreached');
  return document.querySelectorAll('[data-unreached]').length; }"""
NAMES_UNREACHED = "() => [...document.querySelectorAll('[data-unreached]')].map(each => each.dataset.unreached)"
