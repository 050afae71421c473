"""Storing an object that was made here, through the same verb as what comes from outside."""

from __future__ import annotations

import io
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from filmless.access.principal import Principal
from filmless.archive import Archive
from filmless.store.receive import receive

if TYPE_CHECKING:
    from pydicom import Dataset

MANUFACTURER: Final = "Filmless"
MODEL_NAME: Final = "Filmless"

# Far from the numbers of scanners, so that what readers made comes last in a list of series.
KEY_OBJECTS_SERIES_NUMBER: Final = 9001
PRESENTATION_STATES_SERIES_NUMBER: Final = 9002
SEGMENTATIONS_SERIES_NUMBER: Final = 9003
REPORTS_SERIES_NUMBER: Final = 9004


@dataclass(frozen=True, slots=True)
class Written:
    """What an object that was stored is found by."""

    study_instance_uid: str
    series_instance_uid: str
    sop_instance_uid: str
    sop_class_uid: str


def store_object(archive: Archive, principal: Principal, ds: Dataset) -> Written:
    """Store a data set that was made here, in Explicit VR Little Endian unless its file meta says otherwise.

    Raises
    ------
    As `receive`.
    """
    file = part10_of(ds)
    receipt = receive(archive, principal, file, expected_study_uid=str(ds.StudyInstanceUID))
    return Written(
        receipt.study_instance_uid, receipt.series_instance_uid, receipt.sop_instance_uid, receipt.sop_class_uid
    )


def part10_of(ds: Dataset) -> io.BytesIO:
    """Make a Part 10 file of a data set, in Explicit VR Little Endian unless its file meta says otherwise."""
    from pydicom import dcmwrite
    from pydicom.dataset import FileMetaDataset
    from pydicom.uid import ExplicitVRLittleEndian

    meta = getattr(ds, "file_meta", None) or FileMetaDataset()
    meta.MediaStorageSOPClassUID, meta.MediaStorageSOPInstanceUID = ds.SOPClassUID, ds.SOPInstanceUID
    if "TransferSyntaxUID" not in meta:
        meta.TransferSyntaxUID = ExplicitVRLittleEndian
    ds.file_meta = meta
    file = io.BytesIO()
    dcmwrite(file, ds, enforce_file_format=True)
    file.seek(0)
    return file
