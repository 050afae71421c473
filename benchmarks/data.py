"""The data that both servers get: CT slices of a chosen size, each with UIDs of its own, made in memory."""

from __future__ import annotations

import functools
import random
from dataclasses import dataclass

from dimse import CT_STORAGE, EXPLICIT_LE

ROOT = "2.25"
_STUDY, _SERIES, _INSTANCE = (f"{ROOT}.{n}{'0' * 37}" for n in (1, 2, 3))
_NUMBER, _NAME, _PATIENT, _ACCESSION = "000000", "PLACEHOLDER^NAME0000000000000000", "PATIENT0000000", "ACCESSION00000"
_DATE = "19000101"
_NUMBER_ELEMENT = b"\x20\x00\x13\x00IS\x06\x00" + _NUMBER.encode()  # zeros alone are in other values too

FAMILIES = [
    "Almeida", "Bianchi", "Chowdhury", "Dubois", "Eriksson", "Fischer", "Garcia", "Haddad", "Ivanova", "Jansen",
    "Kowalski", "Lindqvist", "Moreau", "Nakamura", "Okafor", "Petrov", "Quispe", "Rossi", "Sato", "Tanaka",
    "Ueda", "Vargas", "Weber", "Xu", "Yilmaz", "Zhang",
]  # fmt: skip
GIVEN = ["Anna", "Bo", "Chidi", "Daria", "Emil", "Fatima", "Goro", "Hana", "Ines", "Jonas", "Kaede", "Lucia", "Mira"]


def new_uid(kind: int, stream: random.Random) -> str:
    """A UID as long as the placeholders, so that it can be written over one."""
    return f"{ROOT}.{kind}{stream.randrange(10**37):037d}"


@dataclass(frozen=True)
class Slice:
    """One instance: its identity and its bytes in two parts, of which the long one is shared by all of a size."""

    study: str
    series: str
    instance: str
    head: bytes
    tail: bytes

    @property
    def part10(self) -> bytes:
        """The instance as a Part 10 file."""
        return preamble(self.instance) + self.head + self.tail


@functools.cache
def template(side: int) -> tuple[bytes, bytes]:
    """Encode a CT slice of side x side samples of 16 bits; give what lies before the pixel values, and those."""
    import numpy as np
    from pydicom.dataset import Dataset
    from pydicom.filebase import DicomBytesIO
    from pydicom.filewriter import write_dataset

    noise = np.random.default_rng(7)
    y, x = np.mgrid[0:side, 0:side].astype(np.float32) / side - 0.5
    body = (x * x * 1.6 + y * y * 2.6) < 0.36
    pixels = np.where(body, 1040 + 60 * np.sin(20 * x) * np.cos(16 * y), 24) + noise.normal(0, 12, (side, side))
    ds = Dataset()
    ds.SpecificCharacterSet = "ISO_IR 192"
    ds.ImageType = ["ORIGINAL", "PRIMARY", "AXIAL"]
    ds.SOPClassUID = CT_STORAGE
    ds.SOPInstanceUID = _INSTANCE
    ds.StudyDate = ds.SeriesDate = ds.AcquisitionDate = ds.ContentDate = _DATE
    ds.StudyTime = ds.SeriesTime = ds.AcquisitionTime = ds.ContentTime = "101500"
    ds.AccessionNumber = _ACCESSION
    ds.Modality = "CT"
    ds.Manufacturer = "Benchmark"
    ds.InstitutionName = "Hospital"
    ds.ReferringPhysicianName = "Referrer^Rita"
    ds.StationName = "CT1"
    ds.StudyDescription = "CT thorax and abdomen"
    ds.SeriesDescription = "Axial 1.0 mm soft tissue"
    ds.PatientName = _NAME
    ds.PatientID = _PATIENT
    ds.PatientBirthDate = "19700101"
    ds.PatientSex = "F"
    ds.BodyPartExamined = "CHEST"
    ds.SliceThickness = "1.0"
    ds.KVP = "120"
    ds.SpacingBetweenSlices = "1.0"
    ds.ProtocolName = "Thorax"
    ds.ExposureTime = "500"
    ds.XRayTubeCurrent = "200"
    ds.ConvolutionKernel = "B30f"
    ds.PatientPosition = "HFS"
    ds.StudyInstanceUID = _STUDY
    ds.SeriesInstanceUID = _SERIES
    ds.StudyID = "1"
    ds.SeriesNumber = "2"
    ds.InstanceNumber = _NUMBER
    ds.ImagePositionPatient = [-180.5, -180.5, 100]
    ds.ImageOrientationPatient = [1, 0, 0, 0, 1, 0]
    ds.FrameOfReferenceUID = _STUDY + "1"
    ds.SliceLocation = "100"
    ds.SamplesPerPixel = 1
    ds.PhotometricInterpretation = "MONOCHROME2"
    ds.Rows = ds.Columns = side
    ds.PixelSpacing = [0.7, 0.7]
    ds.BitsAllocated = 16
    ds.BitsStored = 12
    ds.HighBit = 11
    ds.PixelRepresentation = 0
    ds.WindowCenter = "40"
    ds.WindowWidth = "400"
    ds.RescaleIntercept = "-1024"
    ds.RescaleSlope = "1"
    ds.PixelData = np.clip(pixels, 0, 4095).astype("<u2").tobytes()
    out = DicomBytesIO()
    out.is_little_endian, out.is_implicit_VR = True, False
    write_dataset(out, ds)
    encoded = out.getvalue()
    length = side * side * 2
    return encoded[:-length], encoded[-length:]


def preamble(instance: str) -> bytes:
    """The part of a file before its data set (PS3.10 7.1)."""
    from pydicom.dataset import FileMetaDataset
    from pydicom.filebase import DicomBytesIO
    from pydicom.filewriter import write_file_meta_info
    from pydicom.uid import UID

    meta = FileMetaDataset()
    meta.MediaStorageSOPClassUID = UID(CT_STORAGE)
    meta.MediaStorageSOPInstanceUID = UID(instance)
    meta.TransferSyntaxUID = UID(EXPLICIT_LE)
    meta.ImplementationClassUID = UID("2.25.311111111111111111111")
    out = DicomBytesIO()
    write_file_meta_info(out, meta, enforce_standard=True)
    return bytes(128) + b"DICM" + out.getvalue()


class Source:
    """A stream of studies that is the same for the same seed."""

    def __init__(self, seed: int, side: int) -> None:
        self.random = random.Random(seed)
        self.side = side
        self.studies = 0

    def study(self, instances: int, *, per_series: int = 200) -> list[Slice]:
        """Make a study; its patient, date and accession number follow from its number."""
        head, tail = template(self.side)
        number = self.studies
        self.studies += 1
        study = new_uid(1, self.random)
        name = f"{self.random.choice(FAMILIES)}^{self.random.choice(GIVEN)}"
        date = f"{2024 + number % 3}{number % 12 + 1:02d}{number % 28 + 1:02d}"
        common = (
            head.replace(_STUDY.encode(), study.encode())
            .replace(_NAME.encode(), name.ljust(len(_NAME)).encode())
            .replace(_PATIENT.encode(), f"P{number:0{len(_PATIENT) - 1}d}".encode())
            .replace(_ACCESSION.encode(), f"A{number:0{len(_ACCESSION) - 1}d}".encode())
            .replace(_DATE.encode(), date.encode())
        )
        made: list[Slice] = []
        series = ""
        for index in range(instances):
            if index % per_series == 0:
                series = new_uid(2, self.random)
            instance = new_uid(3, self.random)
            own = (
                common.replace(_SERIES.encode(), series.encode())
                .replace(_INSTANCE.encode(), instance.encode())
                .replace(_NUMBER_ELEMENT, _NUMBER_ELEMENT[:8] + f"{index + 1:06d}".encode())
            )
            made.append(Slice(study, series, instance, own, tail))
        return made
