"""The generated studies: each function yields the Part 10 files of one study."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from datetime import datetime, timedelta
from typing import Any

import imagecodecs
import numpy as np
from numpy.typing import NDArray
from pydicom.dataset import Dataset
from pydicom.encaps import encapsulate
from pydicom.sequence import Sequence
from pydicom.uid import UID, HTJ2KLossless, JPEGBaseline8Bit, JPEGLSLossless

from filmless.demo import patients, phantoms
from filmless.demo.phantoms import Grid
from filmless.demo.writing import SampleStudy, part10, put_pixels, uid

CT = "1.2.840.10008.5.1.4.1.1.2"
MR = "1.2.840.10008.5.1.4.1.1.4"
US_MULTI_FRAME = "1.2.840.10008.5.1.4.1.1.3.1"
DX = "1.2.840.10008.5.1.4.1.1.1.1"
MG = "1.2.840.10008.5.1.4.1.1.1.2"
PET = "1.2.840.10008.5.1.4.1.1.128"

Files = Iterator[bytes]


def put_plane(ds: Dataset, grid: Grid, index: int, frame_of_reference: str) -> None:
    """Set the Image Plane module of an axial slice."""
    z, y, x = grid.axes()
    ds.FrameOfReferenceUID = frame_of_reference
    ds.PositionReferenceIndicator = ""
    ds.ImageOrientationPatient = [1, 0, 0, 0, 1, 0]
    ds.ImagePositionPatient = [round(float(v), 4) for v in (x[0], y[0], z[index])]
    ds.SliceLocation = round(float(z[index]), 4)
    ds.SliceThickness = grid.thickness_mm
    ds.PixelSpacing = [grid.spacing_mm, grid.spacing_mm]
    ds.PatientPosition = "HFS"


def code(value: str, scheme: str, meaning: str) -> Sequence:
    """Return a code sequence of one item (PS3.3 8)."""
    item = Dataset()
    item.CodeValue, item.CodingSchemeDesignator, item.CodeMeaning = value, scheme, meaning
    return Sequence([item])


def put_xray(ds: Dataset, anatomy: Sequence, positioner: str) -> None:
    """Set what every digital X-ray image says of its detector and anatomy."""
    ds.AnatomicRegionSequence = anatomy
    ds.DetectorType, ds.PositionerType, ds.AcquisitionContextSequence = "DIRECT", positioner, Sequence()
    ds.PixelIntensityRelationship, ds.BurnedInAnnotation, ds.LossyImageCompression = "LOG", "NO", "00"
    ds.RescaleIntercept, ds.RescaleSlope, ds.RescaleType = 0, 1, "US"


def put_voi(ds: Dataset, *windows: tuple[float, float, str]) -> None:
    """Set window centers, widths and their explanations."""
    ds.WindowCenter = [c for c, _, _ in windows] if len(windows) > 1 else windows[0][0]
    ds.WindowWidth = [w for _, w, _ in windows] if len(windows) > 1 else windows[0][1]
    ds.WindowCenterWidthExplanation = [name for _, _, name in windows] if len(windows) > 1 else windows[0][2]


def ct_series(
    study: SampleStudy,
    name: str,
    number: int,
    volume: NDArray[np.int16],
    grid: Grid,
    *,
    voi: tuple[tuple[float, float, str], ...],
    encode: Callable[[NDArray[Any]], bytes] | None = None,
    syntax: str | None = None,
    kernel: str = "Br40",
) -> Files:
    """Yield an axial CT series, head first in instance order, optionally compressed."""
    for instance, index in enumerate(range(grid.slices - 1, -1, -1), 1):
        ds = study.dataset(name, number, "CT", CT, instance)
        ds.ImageType = ["ORIGINAL", "PRIMARY", "AXIAL"]
        put_plane(ds, grid, index, uid(study.key, study.at.date(), "for"))
        ds.BodyPartExamined = "CHEST"
        ds.KVP, ds.XRayTubeCurrent, ds.ExposureTime, ds.ConvolutionKernel = 120, 210, 500, kernel
        ds.AcquisitionNumber = 1
        put_pixels(ds, volume[index], bits_stored=16)
        ds.RescaleIntercept, ds.RescaleSlope, ds.RescaleType = 0, 1, "HU"
        put_voi(ds, *voi)
        if encode and syntax:
            ds.PixelData = encapsulate([encode(np.ascontiguousarray(volume[index]))])
            ds["PixelData"].VR = "OB"
            ds["PixelData"].is_undefined_length = True
            ds.file_meta.TransferSyntaxUID = UID(syntax)
        yield part10(ds)


SOFT = (40.0, 400.0, "SOFT TISSUE")
LUNG = (-600.0, 1500.0, "LUNG")


def chest_ct(today: datetime) -> Files:
    """Today's chest CT with a nodule of 14 mm: soft tissue as sent, lung kernel in HTJ2K."""
    study = SampleStudy("chest-ct", patients.HARTMANN, today.replace(hour=8, minute=10), "CT Chest with contrast")
    volume = phantoms.chest_ct()
    yield from ct_series(study, "Chest 3.0 soft tissue", 2, volume, phantoms.CHEST_GRID, voi=(SOFT, LUNG))
    yield from ct_series(
        study,
        "Chest 3.0 lung",
        3,
        volume,
        phantoms.CHEST_GRID,
        voi=(LUNG, SOFT),
        encode=lambda image: bytes(imagecodecs.htj2k_encode(image)),
        syntax=HTJ2KLossless,
        kernel="Bl57",
    )


def prior_chest_ct(today: datetime) -> Files:
    """The same patient 13 months earlier, nodule of 9 mm, in JPEG-LS."""
    study = SampleStudy("prior-ct", patients.HARTMANN, today - timedelta(days=396, hours=3), "CT Chest with contrast")
    volume = phantoms.chest_ct(phantoms.PRIOR_NODULE_DIAMETER_MM, 2)
    yield from ct_series(
        study,
        "Chest 3.0 soft tissue",
        2,
        volume,
        phantoms.CHEST_GRID,
        voi=(SOFT, LUNG),
        encode=lambda image: bytes(imagecodecs.jpegls_encode(image.view(np.uint16))),
        syntax=JPEGLSLossless,
    )


def brain_mr(today: datetime) -> Files:
    """A head MR with three weightings and a lesion."""
    study = SampleStudy(
        "brain-mr", patients.YAMADA, today - timedelta(days=1, hours=2), "MR Head", station="MR1", referrer="Sato^Mika"
    )
    series = (("t1", "T1 TSE axial", 550, 12), ("t2", "T2 TSE axial", 4200, 98), ("flair", "FLAIR axial", 9000, 110))
    for number, (weighting, name, tr, te) in enumerate(series, 2):
        volume = phantoms.brain_mr(weighting)
        for instance, index in enumerate(range(phantoms.BRAIN_GRID.slices), 1):
            ds = study.dataset(name, number, "MR", MR, instance)
            ds.ImageType = ["ORIGINAL", "PRIMARY", "M", "SE"]
            put_plane(ds, phantoms.BRAIN_GRID, index, uid(study.key, study.at.date(), "for"))
            ds.ScanningSequence, ds.SequenceVariant, ds.ScanOptions, ds.MRAcquisitionType = "SE", "SK", "", "2D"
            ds.RepetitionTime, ds.EchoTime, ds.EchoTrainLength, ds.MagneticFieldStrength = tr, te, 9, 3
            ds.BodyPartExamined = "HEAD"
            put_pixels(ds, volume[index], bits_stored=12)
            put_voi(ds, (600.0, 1200.0, "DEFAULT"))
            yield part10(ds)


def heart_ultrasound(today: datetime) -> Files:
    """A colour Doppler cine loop in JPEG baseline, and a still frame as the machine's screenshot."""
    study = SampleStudy(
        "heart-us",
        patients.HONG,
        today.replace(hour=7, minute=40),
        "Echocardiography",
        station="US2",
        referrer="Kim^Jisoo",
    )
    cine = phantoms.ultrasound_cine()
    ds = study.dataset("Apical four chamber, colour", 1, "US", US_MULTI_FRAME, 1)
    ds.ImageType = ["ORIGINAL", "PRIMARY", "", "0001"]
    put_pixels(ds, cine)
    ds.FrameTime, ds.CineRate, ds.RecommendedDisplayFrameRate = 40, 25, 25
    ds.FrameIncrementPointer = 0x00181063
    ds.HeartRate, ds.PatientOrientation, ds.Laterality = 72, "", ""
    region = Dataset()
    region.RegionSpatialFormat, region.RegionDataType, region.RegionFlags = 1, 2, 0
    region.RegionLocationMinX0, region.RegionLocationMinY0 = 20, 20
    region.RegionLocationMaxX1, region.RegionLocationMaxY1 = 620, 470
    region.PhysicalUnitsXDirection = region.PhysicalUnitsYDirection = 3
    region.PhysicalDeltaX = region.PhysicalDeltaY = 0.04
    ds.SequenceOfUltrasoundRegions = Sequence([region])
    ds.PixelData = encapsulate([bytes(imagecodecs.jpeg8_encode(frame, level=92)) for frame in cine], has_bot=True)
    ds["PixelData"].VR = "OB"
    ds["PixelData"].is_undefined_length = True
    ds.PhotometricInterpretation = "YBR_FULL_422"
    ds.LossyImageCompression, ds.LossyImageCompressionMethod, ds.LossyImageCompressionRatio = "01", "ISO_10918_1", 12
    ds.file_meta.TransferSyntaxUID = JPEGBaseline8Bit
    yield part10(ds)


def chest_radiographs(today: datetime) -> Files:
    """A chest pair: PA as MONOCHROME2 and lateral as MONOCHROME1, as two detectors would send them."""
    study = SampleStudy(
        "chest-dx", patients.PETROVA, today.replace(hour=7, minute=55), "XR Chest PA and lateral", station="DX1"
    )
    for number, (view, axis) in enumerate((("PA", 1), ("LL", 2)), 1):
        image = phantoms.chest_projection(axis)
        ds = study.dataset(f"Chest {'PA' if view == 'PA' else 'lateral'}", number, "DX", DX, number)
        ds.ImageType = ["DERIVED", "PRIMARY"]
        ds.PresentationIntentType, ds.BodyPartExamined, ds.ViewPosition = "FOR PRESENTATION", "CHEST", view
        ds.PatientOrientation = ["L", "F"] if view == "PA" else ["P", "F"]
        ds.ImageLaterality = "U"
        ds.ImagerPixelSpacing = [0.24, 0.24]
        if view == "LL":
            image = (4095 - image).astype(np.uint16)
        put_pixels(ds, image, bits_stored=12, photometric="MONOCHROME2" if view == "PA" else "MONOCHROME1")
        ds.PresentationLUTShape = "IDENTITY" if view == "PA" else "INVERSE"
        ds.PixelIntensityRelationshipSign = -1 if view == "PA" else 1
        put_xray(ds, code("43799004", "SCT", "Thorax"), "NONE")
        put_voi(ds, (2047.5, 4096.0, "NORMAL"), (2047.5, 2400.0, "HARDER"))
        yield part10(ds)


def mammography(today: datetime) -> Files:
    """Four views, microcalcifications on the left, with a prior of one year ago."""
    for key, at in (("mammo", today.replace(hour=9, minute=5)), ("mammo-prior", today - timedelta(days=371))):
        study = SampleStudy(key, patients.GARCIA, at, "MG Screening bilateral", station="MG1", referrer="Ortega^Luis")
        for number, (laterality, view) in enumerate((("R", "CC"), ("L", "CC"), ("R", "MLO"), ("L", "MLO")), 1):
            ds = study.dataset(f"{laterality} {view}", number, "MG", MG, number)
            ds.ImageType = ["DERIVED", "PRIMARY"]
            ds.PresentationIntentType, ds.BodyPartExamined = "FOR PRESENTATION", "BREAST"
            ds.ImageLaterality, ds.ViewPosition = laterality, view
            ds.PatientOrientation = ["A" if laterality == "L" else "P", "L" if view == "CC" else "F"]
            ds.ImagerPixelSpacing = [0.1, 0.1]
            ds.PixelSpacing = [0.094, 0.094]
            put_pixels(ds, phantoms.breast(laterality, view), bits_stored=12)
            ds.PresentationLUTShape, ds.PixelIntensityRelationshipSign = "IDENTITY", -1
            ds.BreastImplantPresent, ds.OrganExposed = "NO", "BREAST"
            put_xray(ds, code("76752008", "SCT", "Breast"), "MAMMOGRAPHIC")
            if view == "CC":
                ds.ViewCodeSequence = code("399162004", "SCT", "cranio-caudal")
            else:
                ds.ViewCodeSequence = code("399368009", "SCT", "medio-lateral oblique")
            ds.ViewCodeSequence[0].ViewModifierCodeSequence = Sequence()
            put_voi(ds, (1800.0, 3200.0, "NORMAL"))
            yield part10(ds)


def pet_ct(today: datetime) -> Files:
    """A PET with SUV of known organs, and its low-dose CT in the same frame of reference."""
    study = SampleStudy(
        "pet-ct", patients.PAPADOPOULOS, today - timedelta(days=3, hours=1), "PET/CT whole body FDG", station="PT1"
    )
    volume = phantoms.chest_ct(phantoms.NODULE_DIAMETER_MM, 6, phantoms.PET_CT_GRID)
    yield from ct_series(study, "CT low dose", 2, volume, phantoms.PET_CT_GRID, voi=(SOFT, LUNG))
    suv = phantoms.body_pet()
    grid = phantoms.PET_GRID
    dose_bq, weight_g = 350e6, study.patient.weight_kg * 1000
    slope = float(np.max(suv) * dose_bq / weight_g / 32000)
    for instance, index in enumerate(range(grid.slices - 1, -1, -1), 1):
        ds = study.dataset("PET FDG AC", 3, "PT", PET, instance)
        ds.ImageType = ["ORIGINAL", "PRIMARY"]
        put_plane(ds, grid, index, uid(study.key, study.at.date(), "for"))
        del ds.PatientPosition  # the code sequences below say it
        ds.Units, ds.CountsSource, ds.SeriesType = "BQML", "EMISSION", ["WHOLE BODY", "IMAGE"]
        ds.CorrectedImage, ds.DecayCorrection, ds.AttenuationCorrectionMethod = ["ATTN", "DECY"], "START", "CT"
        ds.FrameReferenceTime, ds.ActualFrameDuration, ds.NumberOfSlices, ds.ImageIndex = (
            0,
            120000,
            grid.slices,
            instance,
        )
        tracer = Dataset()
        tracer.Radiopharmaceutical, tracer.RadionuclideTotalDose, tracer.RadionuclideHalfLife = "FDG", dose_bq, 6586.2
        tracer.RadiopharmaceuticalStartTime = (study.at + timedelta(minutes=6)).strftime("%H%M%S")
        ds.RadiopharmaceuticalInformationSequence = Sequence([tracer])
        put_pixels(ds, np.clip(suv[index] * dose_bq / weight_g / slope, 0, 32000).astype(np.int16))
        ds.RescaleIntercept, ds.RescaleSlope = 0, f"{slope:.8g}"
        tracer.RadionuclideCodeSequence = code("77004003", "SCT", "^18^Fluorine")
        ds.CollimatorType, ds.Laterality, ds.DecayFactor = "NONE", "", 1
        ds.PatientOrientationCodeSequence = code("102538003", "SCT", "recumbent")
        ds.PatientOrientationCodeSequence[0].PatientOrientationModifierCodeSequence = code("40199007", "SCT", "supine")
        ds.PatientGantryRelationshipCodeSequence = code("102540008", "SCT", "headfirst")
        ds.AcquisitionDate, ds.AcquisitionTime = ds.ContentDate, ds.ContentTime
        top = round(6 * dose_bq / weight_g)
        put_voi(ds, (top / 2, top, "SUV 0-6"))
        yield part10(ds)


STUDIES: tuple[Callable[[datetime], Files], ...] = (
    chest_ct,
    prior_chest_ct,
    chest_radiographs,
    heart_ultrasound,
    brain_mr,
    mammography,
    pet_ct,
)
