"""What the screen is told of a study so that it can choose what hangs where."""

from __future__ import annotations

from io import BytesIO
from typing import Any

from pydicom.dataset import Dataset
from starlette.testclient import TestClient

import make
from filmless.access.principal import SYSTEM
from filmless.archive import Archive
from filmless.retrieve.samples import spread
from filmless.store.receive import receive


def store(archive: Archive, *datasets: Dataset) -> None:
    for ds in datasets:
        receive(archive, SYSTEM("cli"), BytesIO(make.part10(ds)))


def code(value: str, meaning: str) -> Dataset:
    item = Dataset()
    item.CodeValue, item.CodingSchemeDesignator, item.CodeMeaning = value, "99LOCAL", meaning
    return item


def ct(study: str, **more: Any) -> Dataset:
    return make.ct_slice(**{"StudyInstanceUID": study, "SeriesInstanceUID": make.uid(), "PatientID": "HANG1"} | more)


def test_a_study_is_told_by_its_subject_and_some_instances_of_each_series(
    radiologist: TestClient, archive: Archive
) -> None:
    study, series, other = make.uid(), make.uid(), make.uid()
    procedure = [code("4711", "CT knee left")]
    many = [
        ct(
            study,
            SeriesInstanceUID=series,
            InstanceNumber=number,
            BodyPartExamined="KNEE",
            ProcedureCodeSequence=procedure,
        )
        for number in range(1, 21)
    ]
    views = [
        ct(study, SeriesInstanceUID=other, InstanceNumber=number, Modality="DX", SeriesNumber=2) for number in (3, 1, 2)
    ]
    store(archive, *many, *views)

    found = radiologist.get(f"/studies/{study}/hanging").json()
    assert (found["modalities"], found["regions"], found["sides"]) == (["CT", "DX"], ["chest", "knee"], ["L"])
    assert found["procedures"] == [{"value": "4711", "scheme": "99LOCAL", "meaning": "CT knee left"}]
    numbers = [[each["00200013"]["Value"][0] for each in one["samples"]] for one in found["series"]]
    assert [one["numberOfInstances"] for one in found["series"]] == [20, 3]
    # Of a stack five, from the first to the last; of radiographs each, for each is a view of its own.
    assert numbers == [[1, 6, 11, 15, 20], [1, 2, 3]]
    (sample, *_) = found["series"][0]["samples"]
    assert sample["00200037"]["Value"] == [1, 0, 0, 0, 1, 0]
    assert "00100010" not in sample
    assert radiologist.get("/studies/1.2.3/hanging").status_code == 404


def test_places_are_spread_from_the_first_to_the_last() -> None:
    assert spread(3, 5) == [0, 1, 2]
    assert spread(100, 5) == [0, 25, 50, 74, 99]
