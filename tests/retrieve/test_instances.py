"""Instances are found by what is given, in order, and only by those who may see them."""

from __future__ import annotations

import random
from collections.abc import Callable

import pytest
from pydicom import Dataset

import make
from callers import principal_of
from filmless.access.principal import Principal
from filmless.archive import Archive
from filmless.errors import NotFound
from filmless.retrieve import instances
from filmless.retrieve.instances import find_instances, find_record, forget, get_record

Store = Callable[[Dataset], Dataset]


def uids(found: object) -> list[str]:
    return [each.sop_instance_uid for each in found]  # type: ignore[attr-defined]


def series(count: int, number: int | None, study: str, patient: str = "P1") -> list[Dataset]:
    uid = make.uid()
    return [
        make.ct_slice(
            StudyInstanceUID=study, SeriesInstanceUID=uid, PatientID=patient, InstanceNumber=str(each + 1),
            SeriesNumber=None if number is None else str(number),
        )
        for each in range(count)
    ]  # fmt: skip


def test_instances_come_by_series_and_instance_number(archive: Archive, stored: Store, radiologist: Principal) -> None:
    study = make.uid()
    ordered = [*series(3, 2, study), *series(4, 10, study), *series(2, None, study)]
    for ds in random.Random(5).sample(ordered, len(ordered)):
        stored(ds)
    found = uids(find_instances(archive, radiologist, study_uids=[study]))
    assert found == [ds.SOPInstanceUID for ds in ordered]


def test_pages_join_without_gap_or_overlap(
    archive: Archive, stored: Store, radiologist: Principal, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(instances, "_PAGE", 2)
    study = make.uid()
    slices = series(7, 1, study)
    slices[2].InstanceNumber = slices[3].InstanceNumber = slices[4].InstanceNumber = "3"
    del slices[6].InstanceNumber
    for ds in slices:
        stored(ds)
    found = uids(find_instances(archive, radiologist, study_uids=[study]))
    assert sorted(found) == sorted(ds.SOPInstanceUID for ds in slices)
    assert found[-1] == slices[6].SOPInstanceUID


def test_all_that_is_given_must_match(archive: Archive, stored: Store, radiologist: Principal) -> None:
    study = make.uid()
    first, second = stored(series(1, 1, study)[0]), stored(series(1, 2, study)[0])
    other = stored(series(1, 1, make.uid(), patient="P2")[0])

    def found(**given: object) -> set[str]:
        return set(uids(find_instances(archive, radiologist, **given)))  # type: ignore[arg-type]

    assert found(patient_id="P1") == {first.SOPInstanceUID, second.SOPInstanceUID}
    assert found(study_uids=[study, other.StudyInstanceUID]) == {
        first.SOPInstanceUID, second.SOPInstanceUID, other.SOPInstanceUID,
    }  # fmt: skip
    assert found(study_uids=[study], series_uids=[second.SeriesInstanceUID]) == {second.SOPInstanceUID}
    assert found(study_uids=[study], sop_uids=[other.SOPInstanceUID]) == set()
    assert found(sop_uids=[first.SOPInstanceUID, other.SOPInstanceUID]) == {first.SOPInstanceUID, other.SOPInstanceUID}


def test_nothing_given_finds_nothing(archive: Archive, stored: Store, radiologist: Principal) -> None:
    stored(make.ct_slice())
    assert uids(find_instances(archive, radiologist)) == []


def test_who_may_see_nothing_finds_nothing(archive: Archive, stored: Store) -> None:
    ds = stored(make.ct_slice())
    nobody = principal_of("clinician", kind="token", rights=frozenset({"store"}))
    assert uids(find_instances(archive, nobody, study_uids=[ds.StudyInstanceUID])) == []


def test_a_record_needs_all_three_uids(archive: Archive, stored: Store) -> None:
    ds = stored(make.ct_slice())
    record = get_record(archive, ds.StudyInstanceUID, ds.SeriesInstanceUID, ds.SOPInstanceUID)
    assert record.instance.rows == ds.Rows
    for wrong in (
        (make.uid(), ds.SeriesInstanceUID, ds.SOPInstanceUID),
        (ds.StudyInstanceUID, make.uid(), ds.SOPInstanceUID),
        (ds.StudyInstanceUID, ds.SeriesInstanceUID, make.uid()),
    ):
        with pytest.raises(NotFound):
            get_record(archive, *wrong)


def test_records_are_remembered_up_to_a_limit(archive: Archive, stored: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(instances, "_RECORDS_KEPT", 2)
    for ds in [stored(make.ct_slice()) for _ in range(4)]:
        first = find_record(archive, ds.SOPInstanceUID)
        assert find_record(archive, ds.SOPInstanceUID) is first
        assert len(instances._records[archive]._records) <= 2
    forget(archive, ds.SOPInstanceUID)
    assert find_record(archive, ds.SOPInstanceUID) is not first
