"""Priors: the studies of the same patient that a reader wants beside the current one, and why."""

from __future__ import annotations

from io import BytesIO
from typing import Any

import pytest
from pydicom.dataset import Dataset
from starlette.testclient import TestClient

import make
from filmless.access.principal import SYSTEM
from filmless.archive import Archive
from filmless.dicom.anatomy import regions_in, sides_in
from filmless.store.receive import receive


def code(value: str, meaning: str) -> Dataset:
    item = Dataset()
    item.CodeValue, item.CodingSchemeDesignator, item.CodeMeaning = value, "99LOCAL", meaning
    return item


def stored(archive: Archive, patient_id: str, day: str, modality: str, words: str, **more: Any) -> str:
    study = make.uid()
    ds = make.ct_slice(
        PatientID=patient_id,
        StudyDate=day,
        Modality=modality,
        StudyDescription=words,
        StudyInstanceUID=study,
        SeriesInstanceUID=make.uid(),
        SOPInstanceUID=make.uid(),
        **{"BodyPartExamined": "", "SeriesDescription": "", "ProtocolName": ""} | more,
    )
    receive(archive, SYSTEM("cli"), BytesIO(make.part10(ds)))
    return study


def test_priors_are_found_by_anatomy_modality_side_and_code_with_their_reasons(
    radiologist: TestClient, archive: Archive
) -> None:
    knee = {"BodyPartExamined": "KNEE"}
    current = stored(archive, "P7", "20240301", "MR", "MRT Knie links", Laterality="L", **knee)
    same = stored(archive, "P7", "20220101", "MR", "Knee", Laterality="L", **knee)
    other_side = stored(archive, "P7", "20230101", "MR", "Knie rechts", Laterality="R", **knee)
    film = stored(archive, "P7", "20210101", "DX", "left knee 2 views")
    brain = stored(archive, "P7", "20240201", "MR", "MRT Schädel")
    chest = stored(archive, "P7", "20230601", "DX", "Thorax pa")
    stored(archive, "P8", "20230601", "MR", "Knie links", Laterality="L", **knee)

    answer = radiologist.get(f"/studies/{current}/priors")
    assert answer.status_code == 200
    found = answer.json()
    assert [each["study"]["studyInstanceUid"] for each in found] == [same, film, other_side, brain, chest]
    reasons = {
        each["study"]["studyInstanceUid"]: [(one["kind"], one["about"]) for one in each["reasons"]] for each in found
    }
    assert reasons[same] == [("anatomy", "knee"), ("modality", "MR"), ("side", "L")]
    assert reasons[film] == [("anatomy", "knee"), ("side", "L")]
    assert reasons[other_side] == [("anatomy", "knee"), ("modality", "MR"), ("other_side", "R")]
    assert reasons[brain] == [("modality", "MR")]
    assert [each["isRelevant"] for each in found] == [True, True, False, False, False]


def test_a_procedure_code_finds_what_words_do_not(radiologist: TestClient, archive: Archive) -> None:
    item = [code("4711", "Follow-up")]
    current = stored(archive, "P9", "20240301", "OT", "", ProcedureCodeSequence=item)
    prior = stored(archive, "P9", "20250301", "OT", "xyz", ProcedureCodeSequence=item)
    (found,) = radiologist.get(f"/studies/{current}/priors").json()
    assert found["study"]["studyInstanceUid"] == prior
    assert found["reasons"] == [{"kind": "procedure", "about": "Follow-up"}]
    assert found["isRelevant"] and found["isLater"]


def test_who_has_no_patient_id_has_no_priors(radiologist: TestClient, archive: Archive) -> None:
    first = stored(archive, "", "20240301", "CT", "Thorax")
    stored(archive, "", "20230301", "CT", "Thorax")
    assert radiologist.get(f"/studies/{first}/priors").json() == []
    assert radiologist.get("/studies/1.2.3/priors").status_code == 404


@pytest.mark.parametrize(
    ("text", "regions"),
    [
        ("MRT Schädel nativ", {"head"}),
        ("CT Abdomen/Becken", {"abdomen", "pelvis"}),
        ("LWS seitl.", {"spine"}),
        ("TSPINE", {"spine"}),
        ("KNEE_RT", {"knee"}),
        ("handed over", set()),
        ("", set()),
    ],
)
def test_words_name_regions(text: str, regions: set[str]) -> None:
    assert regions_in([text]) == regions


def test_a_coded_side_goes_before_words() -> None:
    assert sides_in(["R"], ["knee left"]) == {"R"}
    assert sides_in([""], ["knee left"]) == {"L"}
    assert sides_in(["B"], []) == {"L", "R"}
