"""A few dozen instances of known data sets for tests of searching: names in several scripts, blanks, odd characters."""

from __future__ import annotations

from pydicom import Dataset

import make

NAMES = [
    "Doe^Jane",
    "Doe^John^^Dr",
    "Müller^Jürgen",
    "Mueller^Juergen",
    "Meyer^Stephen",
    "Yamada^Tarou=山田^太郎=やまだ^たろう",
    "Иванов^Пётр",
    "O'Neil^Pat",
    "doe^jane",
    "",
]


def make_all() -> list[Dataset]:
    """Twelve studies of ten patients with one to three series of one to three instances; no two alike."""
    datasets = []
    for number in range(12):
        patient = number % 10
        study = {
            "PatientName": NAMES[patient],
            "PatientID": "" if patient == 9 else f"P{patient:02}",
            "IssuerOfPatientID": ["", "HOSPITAL"][patient % 2],
            "PatientBirthDate": ["19700203", "", "20001224"][patient % 3],
            "PatientSex": "FMO"[patient % 3],
            "StudyInstanceUID": f"1.2.826.0.1.{number}.1",
            "StudyDate": ["20240102", "20240131", "20230630", ""][number % 4],
            "StudyTime": ["101112", "1200", "235959.5", ""][number % 4],
            "TimezoneOffsetFromUTC": ["+0100", None, "-0500"][number % 3],
            "AccessionNumber": f"A[{number:03}]" if number % 5 else "",
            "StudyID": str(number),
            "StudyDescription": ["CT chest", "MR brain 100%", "ct_abdomen", ""][number % 4],
            "ReferringPhysicianName": ["Referrer^Rita", "Réferrer^Rémy", ""][number % 3],
            "AdmittingDiagnosesDescription": ["Cough", None][number % 2],
            "RequestingPhysician": ["Brown^Ann", None, "Black^Bob"][number % 3],
        }
        for order in range(number % 3 + 1):
            series = {
                "SeriesInstanceUID": f"1.2.826.0.1.{number}.2.{order}",
                "SeriesNumber": order + 1 if number != 7 else None,
                "Modality": ["CT", "MR", "SR"][(number + order) % 3],
                "SeriesDescription": f"Series {order}",
                "BodyPartExamined": ["CHEST", "HEAD"][order % 2],
                "PerformedProcedureStepStartDate": "20240102",
                "RequestAttributesSequence": [requested(f"SPS{order}", f"RP{number}")] if order else None,
                "OperatorsName": ["Op^One", None][order % 2],
            }
            for index in range((number + order) % 3 + 1):
                instance = {
                    "SOPInstanceUID": f"1.2.826.0.1.{number}.3.{order}.{index}",
                    "InstanceNumber": index + 1,
                    "ContentDate": "20240102",
                    "SliceLocation": str(index * 2.5),
                    "ImageComments": ["axial", "sagittal", None][index],
                }
                datasets.append(make.ct_slice(rows=2 + index, **study | series | instance))
    return datasets


def requested(step: str, procedure: str) -> Dataset:
    """An item of the Request Attributes Sequence."""
    item = Dataset()
    item.ScheduledProcedureStepID = step
    item.RequestedProcedureID = procedure
    return item
