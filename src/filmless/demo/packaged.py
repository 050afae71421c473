"""Real images that packages ship: pydicom's examples, the pydicom-data wheel, the MNI152 brain in nilearn's wheel.

They come under invented patients, as a department would have them; a package that is missing is passed over.
"""

from __future__ import annotations

import importlib.util
from collections.abc import Callable
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import numpy as np
import pydicom
from pydicom.uid import UID, ExplicitVRLittleEndian

from filmless.demo import patients
from filmless.demo.generated import MR, Files, put_voi
from filmless.demo.patients import SamplePatient
from filmless.demo.writing import SampleStudy, part10, put_pixels, uid


def folder_of(package: str, *parts: str) -> Path | None:
    """Return a folder inside an installed package without importing it, or None."""
    spec = importlib.util.find_spec(package)
    if spec is None or not spec.submodule_search_locations:
        return None
    folder = Path(next(iter(spec.submodule_search_locations))).joinpath(*parts)
    return folder if folder.is_dir() else None


def find_file(name: str) -> Path | None:
    """Return one of pydicom's or pydicom-data's files by name, or None."""
    for package, parts in (("pydicom", ("data", "test_files")), ("data_store", ("data",))):
        folder = folder_of(package, *parts)
        if folder and (folder / name).is_file():
            return folder / name
    return None


def relabelled(name: str, study: SampleStudy, series: str, number: int, instance: int) -> bytes | None:
    """Return a packaged file under the study's patient, with new UIDs; None when the package is missing."""
    path = find_file(name)
    if path is None:
        return None
    ds = pydicom.dcmread(path)
    ds.decode()  # in its own character set, before it is given another one
    base = study.dataset(series, number, str(ds.get("Modality") or "OT"), str(ds.SOPClassUID), instance)
    if "TransferSyntaxUID" not in ds.file_meta:
        return None
    for keyword in ("Modality", "SOPClassUID", "StationName", "Manufacturer"):
        if keyword in ds:
            del base[keyword]
    for element in base:
        ds[element.tag] = element
    ds.file_meta.MediaStorageSOPInstanceUID = UID(ds.SOPInstanceUID)
    ds.SpecificCharacterSet = "ISO_IR 192"
    return part10(ds)


DEPARTMENT: tuple[tuple[str, SamplePatient, int, str, str, tuple[tuple[str, str], ...]], ...] = (
    ("cr-knee", patients.WANG, 12, "XR Extremity", "DX2", (("RG3_UNCR.dcm", "Extremity"), ("RG1_UNCR.dcm", "Skull"))),
    ("mr-single", patients.HADDAD, 40, "MR Spine", "MR1", (("MR2_UNCR.dcm", "T2 sagittal"),)),
    (
        "us-abdomen",
        patients.LEVI,
        75,
        "US Abdomen",
        "US1",
        (
            ("US1_UNCR.dcm", "Abdomen"),
            ("examples_jpeg2k.dcm", "Abdomen J2K"),
            ("examples_palette.dcm", "Vessel, palette colour"),
        ),
    ),
    (
        "us-cardiac",
        patients.ADEYEMI,
        133,
        "US Cardiac",
        "US2",
        (
            ("examples_ybr_color.dcm", "Cine loop"),
            ("color3d_jpeg_baseline.dcm", "Volume loop"),
            ("examples_rgb_color.dcm", "Doppler still"),
        ),
    ),
    (
        "ct-abdomen",
        patients.MULLER,
        210,
        "CT Abdomen",
        "CT2",
        (
            ("693_UNCR.dcm", "Abdomen"),
            ("eCT_Supplemental.dcm", "Enhanced CT"),
            ("J2K_pixelrep_mismatch.dcm", "J2K from an old archive"),
        ),
    ),
    (
        "mr-enhanced",
        patients.OBRIEN,
        318,
        "MR Head functional",
        "MR2",
        (("emri_small_jpeg_2k_lossless.dcm", "Enhanced MR"), ("examples_overlay.dcm", "With overlay")),
    ),
    (
        "ecg",
        patients.KOWALSKA,
        402,
        "ECG at rest",
        "ECG1",
        (("waveform_ecg.dcm", "12-lead ECG"), ("test-SR.dcm", "Report")),
    ),
    (
        "ct-small",
        patients.NGUYEN,
        655,
        "CT Chest",
        "CT1",
        (("CT_small.dcm", "Scout"), ("JPGLosslessP14SV1_1s_1f_8b.dcm", "Screenshot")),
    ),
)


def department(today: datetime) -> Files:
    """Yield the packaged images as studies of the last two years."""
    for key, patient, days, description, station, images in DEPARTMENT:
        at = today - timedelta(days=days, hours=days % 5, minutes=days % 47)
        study = SampleStudy(key, patient, at, description, station=station)
        for number, (name, series) in enumerate(images, 1):
            file = relabelled(name, study, series, number, 1)
            if file is not None:
                yield file


def brain_atlas(today: datetime) -> Files:
    """Yield the MNI152 average brain: T1, grey and white matter, each a series of axial slices of 1 mm."""
    folder = folder_of("nilearn", "datasets", "data")
    if folder is None or importlib.util.find_spec("nibabel") is None:
        return
    import nibabel

    study = SampleStudy(
        "mni152", patients.YAMADA, today - timedelta(days=188, hours=4), "MR Head volumetric", station="MR1"
    )
    names = (("t1", "T1 MPRAGE 1 mm"), ("gm", "Grey matter"), ("wm", "White matter"))
    for number, (name, series) in enumerate(names, 1):
        path = folder / f"mni_icbm152_{name}_tal_nlin_sym_09a_converted.nii.gz"
        if path.is_file():
            to_ras: Any = nibabel.funcs.as_closest_canonical
            yield from nifti_series(to_ras(nibabel.load(path)), study, series, number)


def nifti_series(image: Any, study: SampleStudy, series: str, number: int) -> Files:
    """Yield a NIfTI volume (RAS axes) as axial MR slices in the patient coordinates of DICOM (LPS)."""
    volume = np.asarray(image.dataobj, np.float32)
    spacing = [float(v) for v in image.header.get_zooms()[:3]]
    scale = 1000 / float(volume.max())
    stored = np.clip(np.rint(volume * scale), 0, 4095).astype(np.uint16)
    columns, rows, slices = stored.shape
    corner = image.affine @ np.array([columns - 1, rows - 1, 0, 1])
    for instance, index in enumerate(range(slices), 1):
        ds = study.dataset(series, number, "MR", MR, instance)
        ds.file_meta.TransferSyntaxUID = ExplicitVRLittleEndian
        ds.ImageType = ["DERIVED", "SECONDARY", "M", "SE"]
        ds.ScanningSequence, ds.SequenceVariant, ds.ScanOptions, ds.MRAcquisitionType = "GR", "MP", "", "3D"
        ds.RepetitionTime, ds.EchoTime, ds.EchoTrainLength, ds.BodyPartExamined = 2300, 3, 1, "HEAD"
        ds.FrameOfReferenceUID, ds.PositionReferenceIndicator = uid(study.key, study.at.date(), "for"), ""
        ds.ImageOrientationPatient = [1, 0, 0, 0, 1, 0]
        ds.ImagePositionPatient = [
            round(float(v), 4) for v in (-corner[0], -corner[1], image.affine[2, 3] + index * spacing[2])
        ]
        ds.SliceLocation, ds.SliceThickness = ds.ImagePositionPatient[2], spacing[2]
        ds.PixelSpacing = [spacing[1], spacing[0]]
        ds.PatientPosition = "HFS"
        put_pixels(ds, np.ascontiguousarray(stored[::-1, ::-1, index].T), bits_stored=12)
        put_voi(ds, (500.0, 1000.0, "DEFAULT"))
        yield part10(ds)


STUDIES: tuple[Callable[[datetime], Files], ...] = (department, brain_atlas)
