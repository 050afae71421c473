"""Which images were displayed is kept for each reader, by frame, and told once when there is none left."""

from __future__ import annotations

import io
import re
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import pytest
from pydicom import Dataset
from sqlalchemy import select, update
from starlette.testclient import TestClient

import callers
import make
from filmless.access import audit
from filmless.access.principal import SYSTEM
from filmless.access.tables import displayed
from filmless.archive import Archive
from filmless.archive.tables import instances
from filmless.config import Settings
from filmless.reading.displayed import NO_PICTURES, STORAGE, add_displayed, is_picture, read_displayed, united
from filmless.store.delete import Target, delete_instances
from filmless.store.receive import receive
from filmless.store.reindex import reindex

SOP_CLASSES = Path(__file__).parents[2] / "web/src/viewer/data/sopClasses.ts"


def keep(archive: Archive, *datasets: Dataset) -> None:
    for ds in datasets:
        receive(archive, SYSTEM("api"), io.BytesIO(make.part10(ds)))


def show(client: TestClient, study: str, *shown: Dataset | tuple[Dataset, list[list[int]]]) -> dict[str, Any]:
    """Tell of images that were displayed, whole or the frames named."""
    pairs = [each if isinstance(each, tuple) else (each, [[1, 1]]) for each in shown]
    body = {"instances": [{"sopInstanceUid": ds.SOPInstanceUID, "frames": frames} for ds, frames in pairs]}
    answer = client.post(f"/studies/{study}/displayed", json=body)
    assert answer.status_code == 200, answer.text
    return dict(answer.json())


def counts(told: dict[str, Any]) -> tuple[int, int]:
    return told["displayed"], told["images"]


def whole(told: dict[str, Any]) -> set[str]:
    return {uid for each in told["series"] for uid in each["whole"]}


def uids_of(datasets: Iterable[Dataset]) -> set[str]:
    return {str(ds.SOPInstanceUID) for ds in datasets}


def target_of(ds: Dataset) -> Target:
    return Target(ds.StudyInstanceUID, ds.SeriesInstanceUID, ds.SOPInstanceUID)


def kept_value(archive: Archive) -> list[str]:
    with archive.reading() as session:
        return list(session.execute(select(displayed.c.value)).scalars())


@pytest.fixture
def study(archive: Archive) -> list[Dataset]:
    """Five slices and a loop of ten frames, that is fifteen images; a report and a segmentation, that are none."""
    slices = make.ct_series(5)
    same = {"StudyInstanceUID": slices[0].StudyInstanceUID}
    others = [make.multi_frame(10, **same), make.text_report(**same), make.segmentation(**same)]
    keep(archive, *slices, *others)
    return [*slices, others[0]]


def test_what_was_displayed_comes_back_by_frame_and_is_each_readers_own(
    radiologist: TestClient, clinician: TestClient, archive: Archive, study: list[Dataset]
) -> None:
    *slices, loop = study
    uid = slices[0].StudyInstanceUID
    address = f"/studies/{uid}/displayed"
    assert counts(radiologist.get(address).json()) == (0, 15)
    assert kept_value(archive) == []
    first = show(radiologist, uid, slices[0], slices[2], (loop, [[3, 4]]))
    assert counts(first) == (4, 15)
    assert {(each["displayed"], each["images"]) for each in first["series"]} == {(2, 5), (2, 10)}
    assert counts(show(radiologist, uid, slices[2], slices[1], (loop, [[9, 99], [5, 5], [1, 1]]))) == (9, 15)

    found = radiologist.get(address).json()

    assert whole(found) == uids_of(slices[:3])
    partly = [each for of_series in found["series"] for each in of_series["partly"]]
    assert partly == [{"sopInstanceUid": loop.SOPInstanceUID, "frames": [[1, 1], [3, 5], [9, 10]]}]
    assert found["completedAt"] is None
    assert counts(clinician.get(address).json()) == (0, 15)
    assert audit.read(archive, action="images_displayed") == ([], None)


def test_that_all_were_displayed_is_told_once_and_again_when_more_have_come(
    radiologist: TestClient, archive: Archive, study: list[Dataset]
) -> None:
    *slices, loop = study
    uid = slices[0].StudyInstanceUID
    show(radiologist, uid, *slices[:4], (loop, [[1, 10]]))
    done = show(radiologist, uid, slices[4])
    assert (counts(done), done["completedAt"] is None) == ((15, 15), False)
    assert show(radiologist, uid, *slices)["completedAt"] == done["completedAt"]
    (value,) = kept_value(archive)
    assert len(value) < 60

    late = make.ct_slice(StudyInstanceUID=uid, SeriesInstanceUID=slices[0].SeriesInstanceUID)
    keep(archive, late)
    found = radiologist.get(f"/studies/{uid}/displayed").json()
    assert (counts(found), late.SOPInstanceUID in whole(found)) == ((15, 16), False)
    assert found["completedAt"] == done["completedAt"]
    again = show(radiologist, uid, late)

    assert again["completedAt"] > done["completedAt"]
    rows, _ = audit.read(archive, action="images_displayed")
    assert [(row.actor, row.study_instance_uid, row.detail) for row in rows] == [
        ("Rosalind", uid, '{"images": 16}'),
        ("Rosalind", uid, '{"images": 15}'),
    ]


def test_an_image_that_is_deleted_counts_no_more_and_is_not_displayed_when_it_comes_again(
    radiologist: TestClient, archive: Archive
) -> None:
    slices = make.ct_series(4)
    keep(archive, *slices)
    uid = slices[0].StudyInstanceUID
    show(radiologist, uid, *slices[:3])
    delete_instances(archive, SYSTEM("cli"), target_of(slices[1]), "blurred")
    assert counts(show(radiologist, uid, slices[0])) == (2, 3)
    keep(archive, slices[1])
    found = radiologist.get(f"/studies/{uid}/displayed").json()
    assert (counts(found), whole(found)) == ((2, 4), uids_of([slices[0], slices[2]]))


def test_two_windows_lose_nothing_and_what_is_not_of_the_study_is_passed_over(
    radiologist: TestClient, study: list[Dataset]
) -> None:
    *slices, _ = study
    uid = slices[0].StudyInstanceUID
    stray = make.ct_slice()
    show(radiologist, uid, *slices[:3], stray)
    told = show(radiologist, uid, *slices[2:], (slices[0], [[2, 7]]))
    assert counts(told) == (5, 15)


@pytest.mark.parametrize("frames", [[], [[2, 1]], [[0, 1]], [[1]], [[1, 2, 3]], [[1, 2**31]], "all"])
def test_what_is_no_range_of_frames_is_refused(radiologist: TestClient, study: list[Dataset], frames: Any) -> None:
    body = {"instances": [{"sopInstanceUid": study[0].SOPInstanceUID, "frames": frames}]}
    assert radiologist.post(f"/studies/{study[0].StudyInstanceUID}/displayed", json=body).status_code == 422


def test_strangers_and_studies_that_are_not_there_have_nothing(
    radiologist: TestClient, stranger: TestClient, study: list[Dataset]
) -> None:
    assert stranger.get(f"/studies/{study[0].StudyInstanceUID}/displayed").status_code == 401
    assert radiologist.get("/studies/1.2.3/displayed").status_code == 404
    assert radiologist.post("/studies/1.2.3/displayed", json={"instances": []}).status_code == 404


def test_what_is_kept_is_bounded_and_the_studies_looked_at_longest_ago_are_forgotten(
    radiologist: TestClient, archive: Archive, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(archive, "settings", archive.settings.model_copy(update={"displayed_studies_max": 2}))
    images = [make.ct_slice() for _ in range(3)]
    keep(archive, *images)
    for at, image in enumerate(images[:2]):
        show(radiologist, image.StudyInstanceUID, image)
        with archive.transaction() as session:
            mine = displayed.c.study_instance_uid == image.StudyInstanceUID
            session.execute(update(displayed).where(mine).values(updated_at=float(at)))
    show(radiologist, images[2].StudyInstanceUID, images[2])
    left = [counts(radiologist.get(f"/studies/{each.StudyInstanceUID}/displayed").json())[0] for each in images]
    assert left == [0, 1, 1]

    monkeypatch.setattr(archive, "settings", archive.settings.model_copy(update={"displayed_max_bytes": 20}))
    loop = make.multi_frame(10)
    keep(archive, loop)
    body = {"instances": [{"sopInstanceUid": loop.SOPInstanceUID, "frames": [[1, 2], [4, 5]]}]}
    refused = radiologist.post(f"/studies/{loop.StudyInstanceUID}/displayed", json=body)
    assert (refused.status_code, "displayed_max_bytes" in refused.json()["detail"]) == (413, True)


def test_a_thousand_images_in_the_order_of_their_arrival_take_a_few_bytes(
    radiologist: TestClient, archive: Archive, study: list[Dataset]
) -> None:
    uid = study[0].StudyInstanceUID
    with archive.transaction() as session:
        template = dict(session.execute(select(instances)).mappings().first() or {})
        del template["id"]
        session.execute(
            instances.insert(),
            [template | {"sop_instance_uid": f"2.25.{number}", "number_of_frames": 1} for number in range(1000)],
        )
    body = {"instances": [{"sopInstanceUid": f"2.25.{number}"} for number in range(1000)]}
    told = radiologist.post(f"/studies/{uid}/displayed", json=body).json()
    assert counts(told) == (1000, 1015)
    (value,) = kept_value(archive)
    assert len(value) < 60


def test_an_index_built_anew_has_no_notes_of_other_images(settings: Settings) -> None:
    gone, *left = make.ct_series(4)
    uid = gone.StudyInstanceUID
    with Archive.open(settings) as archive:
        keep(archive, gone, *left)
        reader = callers.principal_of("radiologist", key=callers.make_person(archive, "Rosalind", "radiologist").id)
        assert add_displayed(archive, reader, uid, {left[0].SOPInstanceUID: [(1, 1)]}).displayed == 1
        delete_instances(archive, SYSTEM("cli"), target_of(gone), "blurred")
    reindex(settings)
    with Archive.open(settings) as archive:
        assert (read_displayed(archive, reader, uid).displayed, read_displayed(archive, reader, uid).images) == (0, 3)


def test_the_server_and_the_screen_agree_on_what_a_picture_is() -> None:
    text = SOP_CLASSES.read_text().split("const PREFIXES", 1)[1].split("\n];", 1)[0]
    prefixes = dict(re.findall(r"\['([0-9.]+)', '(\w+)'\]", text))
    assert len(prefixes) > 25
    for prefix, kind in prefixes.items():
        sop_class_uid = f"{STORAGE}{prefix}1" if prefix.endswith(".") else f"{STORAGE}{prefix}"
        assert is_picture(sop_class_uid, make.EXPLICIT_LE) == (kind == "video"), prefix
    told = {prefix for prefix, kind in prefixes.items() if kind != "video"}
    assert all(any(each.startswith(prefix) for each in told) for prefix in NO_PICTURES)
    assert is_picture(f"{STORAGE}2", make.EXPLICIT_LE)
    assert is_picture(f"{STORAGE}481.2", make.EXPLICIT_LE)
    assert not is_picture(f"{STORAGE}77.1.1.1", "1.2.840.10008.1.2.4.102")


def test_ranges_have_one_form() -> None:
    assert united([(5, 6), (1, 2), (3, 3), (8, 9), (9, 12)]) == [(1, 3), (5, 6), (8, 12)]
