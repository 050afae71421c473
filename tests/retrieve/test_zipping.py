"""A study as ZIP: its files as stored, under names that a person and every file system understand."""

from __future__ import annotations

import io
import re
import zipfile
from collections.abc import Callable

import pytest
from pydicom import Dataset, dcmread

import make
from callers import principal_of
from filmless.access.principal import Principal
from filmless.archive import Archive
from filmless.errors import NotAllowed, NotFound
from filmless.retrieve.zipping import zip_study

Store = Callable[[Dataset], Dataset]


def opened(archive: Archive, principal: Principal, study: str, series: str | None = None) -> zipfile.ZipFile:
    _, pieces = zip_study(archive, principal, study, series)
    return zipfile.ZipFile(io.BytesIO(b"".join(pieces)))


def test_files_are_as_stored(archive: Archive, stored: Store, radiologist: Principal) -> None:
    slices = [stored(ds) for ds in make.ct_series(4)]
    found = opened(archive, radiologist, slices[0].StudyInstanceUID)
    assert found.testzip() is None
    for name in found.namelist():
        data = found.read(name)
        assert data[128:132] == b"DICM"
    uids = [dcmread(io.BytesIO(found.read(name))).SOPInstanceUID for name in found.namelist()]
    assert sorted(uids) == sorted(ds.SOPInstanceUID for ds in slices)


def test_names_are_plain_and_differ(archive: Archive, stored: Store, radiologist: Principal) -> None:
    study = make.uid()
    for number in ("1", "1", None):
        stored(make.ct_slice(StudyInstanceUID=study, PatientID="P", InstanceNumber=number, SeriesNumber="7",
                             SeriesDescription="Thörax / axial: ../../x\\y"))  # fmt: skip
    uid = make.uid()
    for _ in range(2):
        stored(make.ct_slice(StudyInstanceUID=study, SeriesInstanceUID=uid, PatientID="P", InstanceNumber="5"))
    names = opened(archive, radiologist, study).namelist()
    assert len(set(names)) == 5
    assert all(re.fullmatch(r"[0-9A-Za-z_.-]+/[0-9A-Za-z_.-]+\.dcm", name) for name in names)
    assert all(".." not in name for name in names)
    assert any(name.startswith("007_CT_Thorax") for name in names)


def test_the_name_of_the_file_holds_no_patient_data(archive: Archive, stored: Store, radiologist: Principal) -> None:
    ds = stored(make.ct_slice(PatientName="Secret^Name"))
    name, pieces = zip_study(archive, radiologist, ds.StudyInstanceUID)
    assert name == f"{ds.StudyInstanceUID}.zip"
    assert b"Secret_Name" not in b"".join(pieces)


def test_one_series_can_be_had(archive: Archive, stored: Store, radiologist: Principal) -> None:
    first = stored(make.ct_slice())
    stored(make.ct_slice(StudyInstanceUID=first.StudyInstanceUID, PatientID=first.PatientID))
    assert len(opened(archive, radiologist, first.StudyInstanceUID, first.SeriesInstanceUID).namelist()) == 1


def test_who_may_not_and_what_is_not_there_is_told_before_the_first_byte(
    archive: Archive, stored: Store, radiologist: Principal
) -> None:
    ds = stored(make.ct_slice())
    with pytest.raises(NotAllowed):
        zip_study(archive, principal_of("clinician", rights=frozenset({"query"})), ds.StudyInstanceUID)
    with pytest.raises(NotFound):
        zip_study(archive, radiologist, make.uid())
