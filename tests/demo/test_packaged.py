"""The sample studies that are made of files of packages."""

from __future__ import annotations

import io
from datetime import datetime

import pydicom
import pytest

from filmless.demo.packaged import department


@pytest.fixture(scope="module")
def samples() -> list[pydicom.Dataset]:
    return [pydicom.dcmread(io.BytesIO(file)) for file in department(datetime(2026, 11, 24, 9))]


def test_each_is_an_instance_of_its_own_in_a_study_of_its_patient(samples: list[pydicom.Dataset]) -> None:
    assert len({ds.SOPInstanceUID for ds in samples}) == len(samples) > 10
    assert all(ds.PatientName and ds.StudyInstanceUID and ds.PatientID.startswith("FL-") for ds in samples)


def test_names_inside_of_a_report_keep_their_letters(samples: list[pydicom.Dataset]) -> None:
    (report,) = (ds for ds in samples if ds.Modality == "SR")
    report.decode()
    assert str(report.VerifyingObserverSequence[0].VerifyingObserverName) == "Riesmeier^Jörg"
