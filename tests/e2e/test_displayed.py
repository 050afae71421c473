"""Which images were displayed is known by instance and frame: to each reader, over reloads, browsers and arrivals."""

from __future__ import annotations

import json
from typing import Any

import pytest
from playwright.sync_api import Locator, Page, expect
from pydicom.dataset import Dataset

import make
from screen import OpenPage, ScreenServer, serious_findings
from waiting import until

pytestmark = [pytest.mark.browser, pytest.mark.xdist_group("screen")]

SLICES, FRAMES = 12, 5
LOOK = "window.__filmless.viewer"
SHOWN = f"""([pane, index]) => {{ const v = {LOOK}.viewport(pane);
  return v.status === 'ready' && v.shown === index && v.index === index && v.imageId === v.imageIds[index]; }}"""


def shown(page: Page, index: int, pane: str = "pane1") -> None:
    page.wait_for_function(SHOWN, arg=[pane, index])


KEPT = """async ([uid, count]) => {
  const answer = await fetch(`/api/v1/studies/${uid}/displayed`);
  return answer.ok && (await answer.json()).displayed === count; }"""


def displayed(page: Page) -> dict[str, list[list[int]]]:
    return dict(page.evaluate(f"{LOOK}.displayed.frames"))


def left(page: Page, count: int, images: int) -> None:
    """Wait until so many images are left, of so many."""
    page.wait_for_function(
        "([left, images]) => { const p = window.__filmless?.viewer?.displayed.progress;"
        " return p?.left === left && p.images === images; }",
        arg=[count, images],
        timeout=60_000,
    )


def status(page: Page) -> Locator:
    return page.locator("[data-role=displayed]")


def opened(page: Page, study: str) -> Page:
    page.wait_for_function(
        "uid => { const v = window.__filmless?.viewer; return v?.hasPreferences && v.displayed.progress"
        " && v.series.every(({ state }) => state.kind === 'ready')"
        " && v.viewport('pane1').imageId?.includes(uid) && v.viewport('pane1').status === 'ready'; }",
        arg=study,
        timeout=60_000,
    )
    return page


def hide(page: Page, is_hidden: bool) -> None:
    """Say to the page that nobody can see it, or that it is seen again."""
    page.evaluate(
        "state => { Object.defineProperty(document, 'visibilityState', { value: state, configurable: true });"
        " document.dispatchEvent(new Event('visibilitychange')); }",
        "hidden" if is_hidden else "visible",
    )


def make_study() -> tuple[list[Dataset], Dataset, Dataset]:
    """A stack, a film and a report of one patient of their own: 17 images."""
    study = {"PatientID": make.uid()[-12:], "PatientName": "Seen^Sam", "StudyInstanceUID": make.uid()}
    slices = make.ct_series(SLICES, 16, SeriesNumber=1, **study)
    film = make.multi_frame(FRAMES, 16, SeriesNumber=2, **study)
    return slices, film, make.text_report(SeriesNumber=3, **study)


def test_what_was_painted_is_displayed_and_nothing_else(open_page: OpenPage, screen_server: ScreenServer) -> None:
    screen_server.add_person("seer", "radiologist")
    slices, film, report = make_study()
    screen_server.store(*slices, film, report)
    study = slices[0].StudyInstanceUID
    uids = [str(ds.SOPInstanceUID) for ds in slices]
    images = SLICES + FRAMES
    page = opened(open_page(f"/viewer/{study}", name="seer"), study)
    left(page, images - 1, images)
    assert list(displayed(page)) == uids[:1]

    # The wheel shows one after the other; what End passes by, although it was loaded, was not displayed.
    page.locator("[data-viewport=pane1]").hover()
    for index in range(1, 5):
        page.mouse.wheel(0, 100)
        shown(page, index)
    page.keyboard.press("End")
    shown(page, SLICES - 1)
    page.wait_for_function(f"n => Object.values({LOOK}.loaded).includes(n)", arg=SLICES)
    left(page, images - 6, images)
    assert sorted(displayed(page)) == sorted([*uids[:5], uids[-1]])
    expect(status(page)).to_contain_text(f"{images - 6} images not yet displayed")
    expect(page.locator("[data-display-set]").first).to_contain_text("12 images · 6 displayed")
    expect(page.locator("[data-displayed]")).to_have_count(2)  # the report has none

    # Planes are no images of the archive, and a page that nobody sees shows none.
    page.keyboard.press("q")
    page.wait_for_function(f"() => {LOOK}.viewport('pane1').slab && {LOOK}.viewport('pane1').status === 'ready'")
    at = page.evaluate(f"{LOOK}.viewport('pane1').shown")
    page.evaluate(f"at => {LOOK}.scrollTo('pane1', at)", at - 2)
    shown(page, at - 2)
    assert len(displayed(page)) == 6
    page.keyboard.press("q")
    shown(page, 0)
    page.keyboard.press("End")
    shown(page, SLICES - 1)
    hide(page, True)
    page.keyboard.press("ArrowUp")
    shown(page, SLICES - 2)
    page.evaluate("() => new Promise(done => requestAnimationFrame(() => requestAnimationFrame(() => done(0))))")
    left(page, images - 6, images)
    hide(page, False)
    left(page, images - 7, images)
    assert uids[-2] in displayed(page)

    # The key leads on: past the end to what was passed by.
    page.keyboard.press("Shift+J")
    shown(page, 5)
    left(page, images - 8, images)
    before = displayed(page)

    # A tab that is closed at once has lost nothing: it is there in another browser, and nobody else's.
    page.close(run_before_unload=True)
    page = open_page("/", name="seer")
    page.wait_for_function(KEPT, arg=[study, 8])
    page.goto(f"/viewer/{study}")
    left(opened(page, study), images - 8, images)
    assert displayed(page).keys() == before.keys()
    stranger = opened(open_page(f"/viewer/{study}"), study)
    left(stranger, images - 1, images)
    stranger.close()

    # What arrives meanwhile is not displayed; it is told of, and shown once the study is opened again.
    late = make.ct_slice(
        16,
        **{
            keyword: getattr(slices[0], keyword)
            for keyword in ("PatientID", "PatientName", "StudyInstanceUID", "SeriesInstanceUID", "FrameOfReferenceUID")
        },
        ImagePositionPatient=["-100.5", "-100.5", f"{SLICES * 1.5:g}"],
        InstanceNumber=SLICES + 1,
        SeriesNumber=1,
    )
    screen_server.store(late)
    left(page, images - 7, images + 1)
    status(page).get_by_role("button", name="1 image has arrived since").click()
    page.wait_for_function(
        f"n => {LOOK}.displaySets.length === 3 && {LOOK}.viewport('pane1').imageIds.length === n", arg=SLICES + 1
    )
    left(opened(page, study), images - 7, images + 1)
    assert str(late.SOPInstanceUID) not in displayed(page)

    # From one to the next until there is none, over the series; then it is told once.
    for count in range(images - 8, -1, -1):
        page.keyboard.press("Shift+J")
        left(page, count, images + 1)
    expect(status(page)).to_contain_text(f"All {images + 1} images were displayed")
    ((first, last),) = displayed(page)[str(film.SOPInstanceUID)]
    assert (first, last >= FRAMES) == (1, True)
    page.keyboard.press("Shift+J")
    expect(page.get_by_role("alert").filter(has_text="All images of the study were displayed.")).to_be_visible()

    def told() -> list[Any]:
        rows = screen_server.call("GET", f"/audit?action=images_displayed&studyInstanceUid={study}")["items"]
        return [(row["actor"], row["count"], json.loads(row["detail"])) for row in rows]

    until(lambda: told() == [("seer", 1, {"images": images + 1})])
    expect(page.locator("[data-display-set]").first).to_contain_text("13 images · all displayed")
    assert serious_findings(page) == []


def test_who_leaves_images_behind_is_told_or_asked(open_page: OpenPage, screen_server: ScreenServer) -> None:
    screen_server.add_person("leaver", "radiologist")
    first, _, _ = make_study()
    second, _, _ = make_study()
    screen_server.store(*first[:3], *second[:1])
    studies = [first[0].StudyInstanceUID, second[0].StudyInstanceUID]
    # Not from the page of the list, which says for itself what the reader came from.
    page = open_page(f"/viewer/{studies[0]}", name="leaver")
    page.evaluate(
        "uids => sessionStorage.setItem('filmless.readingList', JSON.stringify({ studyInstanceUids: uids }))", studies
    )
    page.reload()
    left(opened(page, studies[0]), 2, 3)

    # Nothing holds the reader up; what was left is told, with a way back.
    page.keyboard.press("Shift+PageDown")
    notice = page.get_by_role("alert").filter(has_text="Seen, Sam: 2 of 3 images were not displayed.")
    expect(notice).to_be_visible()
    left(opened(page, studies[1]), 0, 1)
    notice.get_by_role("button", name="Go back").click()
    left(opened(page, studies[0]), 2, 3)
    expect(notice).to_have_count(0)
    page.keyboard.press("Escape")
    page.wait_for_url(lambda url: "/viewer/" not in url)
    expect(notice).to_be_visible()
    notice.get_by_role("button", name="Go back").click()
    left(opened(page, studies[0]), 2, 3)

    # Who wants to be asked is.
    page.keyboard.press("Control+,")
    page.get_by_role("tab", name="Screen").click()
    page.get_by_role("combobox", name="When images were not displayed").click()
    page.get_by_role("option", name="Ask first").click()
    page.keyboard.press("Escape")
    expect(page.get_by_role("dialog")).to_have_count(0)
    question = page.get_by_role("dialog", name="Not all images were displayed")
    page.keyboard.press("Shift+PageDown")
    expect(question).to_contain_text("2 of 3 images were not displayed to you yet.")
    question.get_by_role("button", name="Show the next one").click()
    shown(page, 1)
    left(page, 1, 3)
    expect(question).to_have_count(0)
    page.keyboard.press("Shift+PageDown")
    question.get_by_role("button", name="Leave the study").click()
    left(opened(page, studies[1]), 0, 1)
    page.keyboard.press("Shift+PageUp")
    left(opened(page, studies[0]), 1, 3)
    page.keyboard.press("Shift+J")
    left(page, 0, 3)
    page.keyboard.press("Shift+PageDown")
    left(opened(page, studies[1]), 0, 1)
