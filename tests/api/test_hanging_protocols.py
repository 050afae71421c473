"""Hanging protocols of people and of the site: kept as DICOM objects, changed, put in order, tried."""

from __future__ import annotations

import io
import time
from typing import Any, cast

import pytest
from pydicom import Dataset, dcmread
from sqlalchemy import select
from starlette.testclient import TestClient

import make
from filmless.access.principal import SYSTEM
from filmless.archive import Archive
from filmless.archive.jobs import find_by_key
from filmless.archive.tables import non_patient_instances as table
from filmless.reading.hanging_protocols import forget_job
from filmless.store.receive import receive

HANGING = "1.2.840.10008.5.1.4.38.1"
SELECTOR: dict[str, Any] = {
    "prior": 0,
    "modality": "CT",
    "plane": "axial",
    "views": [],
    "laterality": "",
    "weighting": "",
    "hasContrast": None,
    "imageType": [],
    "thickness": None,
    "place": 0,
}


def viewport(**changes: Any) -> dict[str, Any]:
    return {"selector": SELECTOR | changes, "window": None, "isInverted": False, "reformat": None}


def rule(name: str = "CT, wie ich es mag", **changes: Any) -> dict[str, Any]:
    return {
        "name": name,
        "layout": "1x2",
        "viewports": [viewport() | {"window": {"center": 60, "width": 160}}, viewport(prior=1, thickness=[1, 5])],
        "when": {"modalities": ["CT"], "regions": ["chest"], "procedures": [], "laterality": "", "priors": 1},
        "atLeast": 2,
        "sizing": "fit",
        "links": {"place": True, "window": False, "view": False},
        "hasFusion": False,
    } | changes


def keep(client: TestClient, said: dict[str, Any], owner: str = "person") -> dict[str, Any]:
    answer = client.post("/hanging-protocols", json={"owner": owner, "rule": said})
    assert answer.status_code == 201, answer.text
    found: dict[str, Any] = answer.json()
    return found


def names(client: TestClient) -> list[tuple[str, str]]:
    return [(each["owner"], each["name"]) for each in client.get("/hanging-protocols").json()]


def test_a_protocol_is_kept_given_back_renamed_and_removed(
    radiologist: TestClient, administrator: TestClient, clinician: TestClient
) -> None:
    kept = keep(radiologist, rule())
    assert (kept["owner"], kept["isOn"], kept["creator"]) == ("person", True, "Rosalind")
    assert kept["rule"] == rule()
    second = keep(radiologist, rule("B"))
    keep(administrator, rule("Haus"), "site")
    # The newest comes first, mine before the site's; what is another's own is not seen.
    assert names(radiologist) == [("person", "B"), ("person", "CT, wie ich es mag"), ("site", "Haus")]
    assert names(clinician) == [("site", "Haus")]

    renamed = radiologist.patch(
        f"/hanging-protocols/{kept['id']}", json={"name": "A", "isOn": False, "position": 0}
    ).json()
    assert (renamed["name"], renamed["rule"]["name"], renamed["isOn"]) == ("A", "A", False)
    assert renamed["sopInstanceUid"] != kept["sopInstanceUid"]
    assert names(radiologist) == [("person", "A"), ("person", "B"), ("site", "Haus")]
    assert radiologist.delete(f"/hanging-protocols/{second['id']}").status_code == 204
    assert names(radiologist) == [("person", "A"), ("site", "Haus")]


def test_another_rule_is_a_new_instance_that_names_the_one_before_and_a_few_of_those_are_kept(
    radiologist: TestClient, administrator: TestClient, archive: Archive
) -> None:
    archive.settings = archive.settings.model_copy(update={"hanging_history_max": 2})
    kept = keep(radiologist, rule("1"))
    path = f"/hanging-protocols/{kept['id']}"
    keep(radiologist, rule("B"))
    uids = [kept["sopInstanceUid"]]
    cut = {"kind": "plane", "plane": "coronal", "thickness": 5.0, "interval": 2.0, "mode": "max"}
    for name in ("2", "3", "4"):
        wanted = rule(name, viewports=[viewport(place=2) | {"reformat": cut}, viewport(prior=1)])
        changed = radiologist.patch(path, json={"rule": wanted}).json()
        # In the place of the old one, with the same id and as the rule says.
        assert (changed["id"], changed["name"], changed["rule"]) == (kept["id"], name, wanted)
        uids.append(changed["sopInstanceUid"])
    assert names(radiologist) == [("person", "B"), ("person", "4")]
    assert len(set(uids)) == 4

    source = fetched(archive, uids[3]).SourceHangingProtocolSequence[0]
    assert (source.ReferencedSOPClassUID, source.ReferencedSOPInstanceUID) == (HANGING, uids[2])
    former = radiologist.get(f"{path}/history").json()
    assert [(each["name"], each["sopInstanceUid"], each["id"]) for each in former] == [
        ("3", uids[2], None),
        ("2", uids[1], None),
    ]
    assert former[0]["createdAt"][:2] == "20"
    assert kept_uids(archive) >= set(uids[1:])
    assert uids[0] not in kept_uids(archive)
    assert administrator.get(f"{path}/history").status_code == 404
    # What was superseded is in no list, and no rule that could not hang takes its place.
    assert radiologist.patch(path, json={"rule": rule(layout="9x9")}).status_code == 400
    assert names(radiologist) == [("person", "B"), ("person", "4")]


def test_a_deleted_protocol_is_taken_back_where_it_was_until_its_instance_goes(
    radiologist: TestClient, archive: Archive
) -> None:
    kept = [keep(radiologist, rule(name)) for name in ("C", "B", "A")]
    changed = radiologist.patch(f"/hanging-protocols/{kept[1]['id']}", json={"name": "B2", "isOn": False}).json()
    uid = changed["sopInstanceUid"]
    radiologist.delete(f"/hanging-protocols/{changed['id']}")
    assert names(radiologist) == [("person", "A"), ("person", "C")]
    body = {"owner": "person", "sopInstanceUid": uid, "position": 1, "isOn": False}
    back = radiologist.post("/hanging-protocols", json=body).json()
    assert names(radiologist) == [("person", "A"), ("person", "B2"), ("person", "C")]
    assert (back["sopInstanceUid"], back["isOn"], back["rule"]) == (uid, False, rule("B2"))
    assert [each["name"] for each in radiologist.get(f"/hanging-protocols/{back['id']}/history").json()] == ["B"]

    with archive.reading() as session:
        job = find_by_key(session, f"hanging_forget:{uid}")
    assert job is not None
    assert job.run_at - time.time() == pytest.approx(archive.settings.hanging_undo_s, abs=60)
    # It was taken back: nothing goes. Deleted again, it goes and so does what it replaced.
    forget_job(archive, dict(job.args), cast("Any", None))
    assert uid in kept_uids(archive)
    radiologist.delete(f"/hanging-protocols/{back['id']}")
    forget_job(archive, dict(job.args), cast("Any", None))
    assert kept_uids(archive) == {kept[0]["sopInstanceUid"], kept[2]["sopInstanceUid"]}
    assert radiologist.post("/hanging-protocols", json=body).status_code == 404


def test_what_is_not_ones_own_cannot_be_changed(
    radiologist: TestClient, administrator: TestClient, clinician: TestClient
) -> None:
    site, mine = keep(administrator, rule("Haus"), "site"), keep(radiologist, rule())
    said = {"owner": "site", "rule": rule()}
    assert radiologist.post("/hanging-protocols", json=said).status_code == 403
    assert radiologist.patch(f"/hanging-protocols/{site['id']}", json={"isOn": False}).status_code == 403
    assert administrator.delete(f"/hanging-protocols/{mine['id']}").status_code == 404
    assert clinician.post("/hanging-protocols", json={"owner": "person", "rule": rule()}).status_code == 403
    for wrong in (rule(layout="9x9"), rule(viewports=[viewport()]), rule(name="a\\b")):
        assert radiologist.post("/hanging-protocols", json={"owner": "person", "rule": wrong}).status_code == 400
    assert radiologist.post("/hanging-protocols", json={"owner": "person"}).status_code == 422


def test_a_protocol_of_another_maker_is_listed_and_taken_over(radiologist: TestClient, archive: Archive) -> None:
    uid = keep(radiologist, rule("Mein"))["sopInstanceUid"]
    found = fetched(archive, uid)
    found.SOPInstanceUID = make.uid()
    found.Manufacturer, found.HangingProtocolName, found.HangingProtocolDescription = "Other", "Theirs", ""
    found.HangingProtocolDefinitionSequence[0].ReasonForRequestedProcedureCodeSequence = [Dataset()]
    broken = Dataset()
    broken.SOPClassUID, broken.SOPInstanceUID, broken.HangingProtocolName = HANGING, make.uid(), "Leer"
    for ds in (found, broken):
        receive(archive, SYSTEM("cli"), io.BytesIO(make.part10(ds)), takes_non_patient=True)

    listed = {each["name"]: each for each in radiologist.get("/hanging-protocols").json()}
    assert {name: each["owner"] for name, each in listed.items()} == {
        "Mein": "person",
        "Theirs": "archive",
        "Leer": "archive",
    }
    assert (listed["Leer"]["rule"], listed["Leer"]["problem"]) == (None, "the hanging protocol shows nothing")
    assert listed["Theirs"]["notes"] == [{"kind": "reason", "about": ""}]
    body = {"owner": "person", "sopInstanceUid": listed["Theirs"]["sopInstanceUid"]}
    taken = radiologist.post("/hanging-protocols", json=body).json()
    assert names(radiologist)[:2] == [("person", "Theirs"), ("person", "Mein")]
    # Taken out of the list again, it stays in the archive: it is not ours.
    radiologist.delete(f"/hanging-protocols/{taken['id']}")
    assert ("archive", "Theirs") in names(radiologist)


def kept_uids(archive: Archive) -> set[str]:
    with archive.reading() as session:
        return set(session.scalars(select(table.c.sop_instance_uid)))


def fetched(archive: Archive, uid: str) -> Dataset:
    with archive.reading() as session:
        blob = session.execute(select(table.c.blob).where(table.c.sop_instance_uid == uid)).scalar_one()
    return dcmread(io.BytesIO(archive.blobs.read(bytes(blob).hex())))


def test_recent_studies_are_found_that_a_protocol_would_be_for(radiologist: TestClient, archive: Archive) -> None:
    def store(day: str, **more: Any) -> str:
        ds = make.ct_slice(PatientID=f"TRIAL{day}", StudyDate=day, **more)
        receive(archive, SYSTEM("cli"), io.BytesIO(make.part10(ds)))
        return str(ds.StudyInstanceUID)

    old, new = store("20240101"), store("20240301")
    store("20240401", BodyPartExamined="KNEE")
    store("20240402", Modality="MR")
    days = [store(f"202402{day:02}", BodyPartExamined="CHEST") for day in range(1, 8)]
    found = radiologist.post("/hanging-protocols/alike", json=rule()["when"]).json()
    # The newest five; the other region, the other modality and what is older are not among them.
    assert [each["studyInstanceUid"] for each in found] == [new, *reversed(days[3:])]
    left = rule()["when"] | {"laterality": "L"}
    assert radiologist.post("/hanging-protocols/alike", json=left).json() == []
    assert old not in [each["studyInstanceUid"] for each in found]
