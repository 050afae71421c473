"""Makes pydicom data sets for the sample studies and writes them as Part 10 files."""

from __future__ import annotations

import io
import uuid
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any

import numpy as np
import pydicom
from numpy.typing import NDArray
from pydicom.dataset import Dataset, FileDataset, FileMetaDataset
from pydicom.uid import UID, ExplicitVRLittleEndian

from filmless.demo.patients import SamplePatient

NAMESPACE = uuid.UUID("5f1d2f2e-8f9a-4c40-9e4b-7d3b0b6f2c11")


def uid(*parts: object) -> str:
    """Return the same UID for the same parts, so that a second demo adds nothing to the first."""
    return f"2.25.{uuid.uuid5(NAMESPACE, '/'.join(map(str, parts))).int}"


@dataclass(frozen=True)
class SampleStudy:
    """One visit of a patient."""

    key: str
    patient: SamplePatient
    at: datetime
    description: str
    referrer: str = "Bauer^Lena^^Dr."
    accession: str = ""
    station: str = "CT1"
    manufacturer: str = "Filmless Phantoms"
    extra: dict[str, Any] = field(default_factory=dict)

    @property
    def study_instance_uid(self) -> str:
        """Study Instance UID, from the key and the day."""
        return uid(self.key, self.at.date())

    def dataset(self, series: str, number: int, modality: str, sop_class_uid: str, instance: int) -> FileDataset:
        """Return a data set with the patient, study, series, equipment and SOP common modules."""
        meta = FileMetaDataset()
        meta.TransferSyntaxUID = ExplicitVRLittleEndian
        meta.MediaStorageSOPClassUID = UID(sop_class_uid)
        ds = FileDataset("", {}, file_meta=meta, preamble=b"\0" * 128)
        at = self.at + timedelta(minutes=2 * number, seconds=instance * 0.5)
        ds.SpecificCharacterSet = "ISO_IR 192"
        ds.SOPClassUID = sop_class_uid
        ds.SOPInstanceUID = uid(self.key, self.at.date(), series, instance)
        meta.MediaStorageSOPInstanceUID = UID(ds.SOPInstanceUID)
        ds.StudyDate = ds.SeriesDate = ds.ContentDate = self.at.strftime("%Y%m%d")
        ds.StudyTime = self.at.strftime("%H%M%S")
        ds.SeriesTime = (self.at + timedelta(minutes=2 * number)).strftime("%H%M%S")
        ds.ContentTime = at.strftime("%H%M%S.%f")
        ds.AccessionNumber = self.accession or f"A{int(self.at.timestamp()) % 10_000_000:07d}"
        ds.Modality = modality
        ds.Manufacturer = self.manufacturer
        ds.InstitutionName = "Filmless Clinic"
        ds.StationName = self.station
        ds.ReferringPhysicianName = self.referrer
        ds.StudyDescription = self.description
        ds.SeriesDescription = series
        ds.PatientName = self.patient.name
        ds.PatientID = self.patient.patient_id
        ds.IssuerOfPatientID = "FILMLESS-DEMO"
        ds.PatientBirthDate = self.patient.birth_date
        ds.PatientSex = self.patient.sex
        ds.PatientSize = self.patient.size_m
        ds.PatientWeight = self.patient.weight_kg
        ds.StudyInstanceUID = self.study_instance_uid
        ds.SeriesInstanceUID = uid(self.key, self.at.date(), series)
        ds.StudyID = str(int(self.at.timestamp()) % 100_000)
        ds.SeriesNumber = number
        ds.InstanceNumber = instance
        for keyword, value in self.extra.items():
            setattr(ds, keyword, value)
        return ds


def put_pixels(
    ds: Dataset, pixels: NDArray[Any], *, bits_stored: int | None = None, photometric: str = "MONOCHROME2"
) -> None:
    """Set the Image Pixel module for shape (rows, columns[, 3]) or (frames, rows, columns[, 3])."""
    is_color = pixels.shape[-1] == 3
    shape = pixels.shape[:-1] if is_color else pixels.shape
    ds.SamplesPerPixel = 3 if is_color else 1
    ds.PhotometricInterpretation = "RGB" if is_color else photometric
    if is_color:
        ds.PlanarConfiguration = 0
    if len(shape) == 3:
        ds.NumberOfFrames = shape[0]
    ds.Rows, ds.Columns = shape[-2:]
    ds.BitsAllocated = pixels.dtype.itemsize * 8
    ds.BitsStored = bits_stored or ds.BitsAllocated
    ds.HighBit = ds.BitsStored - 1
    ds.PixelRepresentation = int(np.issubdtype(pixels.dtype, np.signedinteger))
    data = np.ascontiguousarray(pixels).tobytes()
    ds.PixelData = data + b"\0" * (len(data) % 2)
    ds["PixelData"].VR = "OW" if ds.BitsAllocated > 8 else "OB"


def part10(ds: Dataset) -> bytes:
    """Encode a data set as a Part 10 file."""
    out = io.BytesIO()
    pydicom.dcmwrite(out, ds, enforce_file_format=True)
    return out.getvalue()
