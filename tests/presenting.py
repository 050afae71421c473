"""Softcopy presentation states, made."""

from __future__ import annotations

from typing import Any

from pydicom import Dataset
from pydicom.sequence import Sequence

import make

GSPS = "1.2.840.10008.5.1.4.1.1.11.1"
XA = "1.2.840.10008.5.1.4.1.1.12.1"


def item(**values: Any) -> Dataset:
    ds = Dataset()
    for keyword, value in values.items():
        setattr(ds, keyword, value)
    return ds


def reference(of: Dataset, *frames: int) -> Dataset:
    named = item(ReferencedSOPClassUID=of.SOPClassUID, ReferencedSOPInstanceUID=of.SOPInstanceUID)
    if frames:
        named.ReferencedFrameNumber = list(frames)
    return named


def state(*images: Dataset, frames: tuple[int, ...] = (), **values: Any) -> Dataset:
    """A Grayscale Softcopy Presentation State for images of one series that says no more than it must."""
    first = images[0]
    ds = make.instance(GSPS, Modality="PR", StudyInstanceUID=first.StudyInstanceUID, PatientID=first.PatientID)
    ds.PatientName = first.PatientName
    ds.ContentLabel, ds.PresentationLUTShape = "TEST", "IDENTITY"
    named = Sequence([reference(image, *frames) for image in images])
    ds.ReferencedSeriesSequence = Sequence(
        [item(SeriesInstanceUID=first.SeriesInstanceUID, ReferencedImageSequence=named)]
    )
    for keyword, value in values.items():
        setattr(ds, keyword, value)
    return ds


def window(center: float, width: float, function: str = "LINEAR_EXACT", *images: Dataset) -> Sequence:
    """A Softcopy VOI LUT Sequence."""
    voi = item(WindowCenter=str(center), WindowWidth=str(width), VOILUTFunction=function)
    if images:
        voi.ReferencedImageSequence = Sequence([reference(image) for image in images])
    return Sequence([voi])


def area(first: tuple[int, int], last: tuple[int, int], **values: Any) -> Sequence:
    """A Displayed Area Selection Sequence: corners as column, row from 1."""
    values.setdefault("PresentationSizeMode", "SCALE TO FIT")
    return Sequence(
        [item(DisplayedAreaTopLeftHandCorner=list(first), DisplayedAreaBottomRightHandCorner=list(last), **values)]
    )


def annotation(*objects: Dataset, layer: str = "MARKS") -> Dataset:
    """An item of Graphic Annotation Sequence."""
    made = item(GraphicLayer=layer)
    shapes = [each for each in objects if "GraphicType" in each]
    texts = [each for each in objects if "UnformattedTextValue" in each]
    if shapes:
        made.GraphicObjectSequence = Sequence(shapes)
    if texts:
        made.TextObjectSequence = Sequence(texts)
    return made


def shape(kind: str, *points: float, units: str = "PIXEL", is_filled: bool = False) -> Dataset:
    return item(
        GraphicAnnotationUnits=units, GraphicDimensions=2, NumberOfGraphicPoints=len(points) // 2,
        GraphicData=list(points), GraphicType=kind, GraphicFilled="Y" if is_filled else "N",
    )  # fmt: skip


def layer(name: str, order: int, **values: Any) -> Dataset:
    return item(GraphicLayer=name, GraphicLayerOrder=order, **values)


def angiogram(values: Any, **says: Any) -> Dataset:
    """A run of frames of 12 bits, shape (frames, rows, columns), that says no more than it must."""
    ds = make.instance(XA, Modality="XA", ImageType=["ORIGINAL", "PRIMARY", "SINGLE PLANE"])
    ds.SamplesPerPixel, ds.PhotometricInterpretation = 1, "MONOCHROME2"
    ds.NumberOfFrames, ds.FrameIncrementPointer, ds.FrameTime = len(values), 0x00181063, "66"
    ds.Rows, ds.Columns = values.shape[1:]
    ds.BitsAllocated, ds.BitsStored, ds.HighBit, ds.PixelRepresentation = 16, 12, 11, 0
    ds.PixelIntensityRelationship, ds.RecommendedViewingMode = "LOG", "SUB"
    ds.PixelData = values.astype("uint16").tobytes()
    ds["PixelData"].VR = "OW"
    for keyword, value in says.items():
        setattr(ds, keyword, value)
    return ds


def masked(operation: str = "AVG_SUB", **says: Any) -> dict[str, Any]:
    """What a Grayscale Softcopy Presentation State says that subtracts a mask."""
    mask = item(MaskOperation=operation, **({"MaskFrameNumbers": [1]} if operation == "AVG_SUB" else {}))
    for keyword, value in says.items():
        setattr(mask, keyword, value)
    return {"MaskSubtractionSequence": Sequence([mask]), "RecommendedViewingMode": "SUB"}
