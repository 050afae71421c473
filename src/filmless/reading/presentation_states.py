"""Softcopy presentation states (PS3.3 A.33.1, A.33.2): how somebody showed images, and what they drew on them.

Written with pydicom: highdicom's knows neither shutters nor turns nor a displayed area of one's own.
"""

from __future__ import annotations

import re
import struct
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import TYPE_CHECKING, Any, Final

import filmless
from filmless.access.principal import Principal
from filmless.archive import Archive
from filmless.dicom.encode import format_decimal
from filmless.dicom.presentation_state import COLOR, GRAYSCALE, Point, Units
from filmless.dicom.uids import is_image_class, new_uid
from filmless.dicom.windowing import Window
from filmless.errors import Refused
from filmless.reading.key_objects import KeyImage
from filmless.reading.sources import PATIENT_AND_STUDY, UTF_8, copy_study, find_sources, read_source
from filmless.reading.writing import MANUFACTURER, MODEL_NAME, PRESENTATION_STATES_SERIES_NUMBER, Written, store_object
from filmless.retrieve.instances import StoredInstance

if TYPE_CHECKING:
    from pydicom import Dataset

LAYER: Final = "MARKS"
YELLOW_CIELAB: Final = (63_662, 27_243, 56_541)
"""Of what is drawn: it stands out on grey, and its grey is nearly white where there is no colour."""
YELLOW_GRAY: Final = 0xFFFF

_POINTS: Final = {
    "POINT": (1, 1),
    "CIRCLE": (2, 2),
    "ELLIPSE": (4, 4),
    "POLYLINE": (2, None),
    "INTERPOLATED": (2, None),
}
_LABEL: Final = re.compile(r"[A-Z0-9 _]{1,16}")
_SEVERAL_VALUES_FOR: Final = "the images have different {}, and a presentation state says one for all; save it for one"


@dataclass(frozen=True, slots=True)
class Table:
    """A VOI LUT (PS3.3 C.11.2.1.1)."""

    first: int
    bits: int
    entries: Sequence[int]


@dataclass(frozen=True, slots=True)
class Rectangle:
    """Columns and rows from 1, both ends included."""

    left: int
    top: int
    right: int
    bottom: int


@dataclass(frozen=True, slots=True)
class Graphic:
    """A graphic object, its points as PS3.3 C.10.5.1.2 orders them."""

    kind: str
    points: Sequence[Point]
    is_filled: bool = False
    units: Units = "PIXEL"


@dataclass(frozen=True, slots=True)
class Words:
    """A text object at an anchor."""

    text: str
    anchor: Point
    units: Units = "PIXEL"


@dataclass(frozen=True, slots=True)
class NewState:
    """All that a state says."""

    label: str
    images: Sequence[KeyImage]
    description: str = ""
    window: Window | None = None
    table: Table | None = None
    is_inverse: bool = False
    rotation: int = 0
    is_flipped: bool = False
    area: Rectangle | None = None
    shutter: Rectangle | None = None
    graphics: Sequence[Graphic] = field(default=())
    texts: Sequence[Words] = field(default=())


def label_of(text: str) -> str:
    """Make a Content Label, which is of VR CS: capital letters, digits, blank and underscore."""
    label = re.sub(r"[^A-Z0-9 _]", "_", text.strip().upper())[:16].strip()
    if not _LABEL.fullmatch(label):
        raise Refused("a presentation state needs a label")
    return label


def write_presentation_state(
    archive: Archive, principal: Principal, study_instance_uid: str, wanted: NewState, *, author: str
) -> Written:
    """Write a presentation state for images of one study and store it in that study.

    Raises
    ------
    Refused: it cannot be said in a presentation state, or not of these images. NotFound. As `receive`.
    """
    label = label_of(wanted.label)
    sources = find_sources(archive, principal, study_instance_uid, [each.sop_instance_uid for each in wanted.images])
    for instance in sources.values():
        if not is_image_class(instance.sop_class_uid) or instance.rows is None:
            raise Refused(f"the instance {instance.sop_instance_uid} is no image")
    headers = [read_source(archive, instance) for instance in sources.values()]
    first = headers[0]
    is_grey = int(first.get("SamplesPerPixel", 1)) == 1 and first.get("PhotometricInterpretation") != "PALETTE COLOR"

    ds = _beginning(first, GRAYSCALE if is_grey else COLOR, label, wanted.description, author)
    references = _references(wanted.images, sources)
    ds.ReferencedSeriesSequence = references
    if is_grey:
        _write_grey(ds, headers, wanted)
    elif "ICCProfile" in first:
        ds.ICCProfile = first.ICCProfile
    else:
        ds.ICCProfile = _srgb()
    _write_area(ds, headers, wanted)
    if wanted.rotation or wanted.is_flipped:
        ds.ImageRotation, ds.ImageHorizontalFlip = wanted.rotation, "Y" if wanted.is_flipped else "N"
    if wanted.shutter is not None:
        _write_shutter(ds, wanted.shutter, is_grey=is_grey)
    if wanted.graphics or wanted.texts:
        _write_marks(ds, references, wanted, is_grey=is_grey)
    copy_study(ds, first)
    return store_object(archive, principal, ds)


def _beginning(source: Dataset, sop_class_uid: str, label: str, description: str, author: str) -> Dataset:
    from pydicom import Dataset

    now = datetime.now()
    ds = Dataset()
    ds.SpecificCharacterSet = UTF_8
    for keyword in PATIENT_AND_STUDY:
        ds[keyword] = source[keyword]
    ds.SOPClassUID, ds.SOPInstanceUID = sop_class_uid, new_uid()
    ds.Modality, ds.SeriesInstanceUID = "PR", new_uid()
    ds.SeriesNumber, ds.InstanceNumber = PRESENTATION_STATES_SERIES_NUMBER, 1
    ds.SeriesDescription = description or label
    ds.Laterality = source.get("Laterality", "")
    ds.Manufacturer, ds.ManufacturerModelName = MANUFACTURER, MODEL_NAME
    ds.DeviceSerialNumber, ds.SoftwareVersions = MODEL_NAME, filmless.__version__
    ds.ContentLabel, ds.ContentDescription, ds.ContentCreatorName = label, description, author
    ds.PresentationCreationDate, ds.PresentationCreationTime = now.strftime("%Y%m%d"), now.strftime("%H%M%S")
    ds.InstanceCreationDate, ds.InstanceCreationTime = ds.PresentationCreationDate, ds.PresentationCreationTime
    return ds


def _item(**values: Any) -> Dataset:
    from pydicom import Dataset

    ds = Dataset()
    for keyword, value in values.items():
        setattr(ds, keyword, value)
    return ds


def _references(images: Sequence[KeyImage], sources: dict[str, StoredInstance]) -> list[Dataset]:
    by_series: dict[str, list[Dataset]] = {}
    for image in images:
        instance = sources[image.sop_instance_uid]
        reference = _item(
            ReferencedSOPClassUID=instance.sop_class_uid, ReferencedSOPInstanceUID=instance.sop_instance_uid
        )
        for number in image.frame_numbers:
            if not 1 <= number <= instance.number_of_frames:
                raise Refused(f"the instance {instance.sop_instance_uid} has no frame {number}")
        if image.frame_numbers and instance.number_of_frames > 1:
            reference.ReferencedFrameNumber = list(image.frame_numbers)
        by_series.setdefault(instance.series_instance_uid, []).append(reference)
    return [_item(SeriesInstanceUID=uid, ReferencedImageSequence=named) for uid, named in by_series.items()]


def _one_for_all(headers: list[Dataset], what: str, *keywords: str) -> None:
    """Refuse images that differ in what a state says once."""
    values = {tuple(str(header.get(keyword, "")) for keyword in keywords) for header in headers}
    if len(values) > 1:
        raise Refused(_SEVERAL_VALUES_FOR.format(what))


def _write_grey(ds: Dataset, headers: list[Dataset], wanted: NewState) -> None:
    first = headers[0]
    _one_for_all(headers, "rescale values", "RescaleSlope", "RescaleIntercept", "ModalityLUTSequence")
    modality = _transformation(first)
    if "ModalityLUTSequence" in first:
        ds.ModalityLUTSequence = first.ModalityLUTSequence
    elif "RescaleSlope" in modality and "RescaleIntercept" in modality:
        ds.RescaleIntercept, ds.RescaleSlope = modality.RescaleIntercept, modality.RescaleSlope
        ds.RescaleType = modality.get("RescaleType") or ("HU" if first.get("Modality") == "CT" else "US")
    voi = None
    if wanted.table is not None:
        voi = _item(VOILUTSequence=[_lut(wanted.table)])
    elif wanted.window is not None:
        window = wanted.window
        if window.function == "LINEAR" and window.width < 1:
            raise Refused(f"WindowWidth is {window.width}; LINEAR needs at least 1")
        voi = _item(WindowCenter=format_decimal(window.center), WindowWidth=format_decimal(window.width))
        if window.function != "LINEAR":
            voi.VOILUTFunction = window.function
    if voi is not None:
        ds.SoftcopyVOILUTSequence = [voi]
    ds.PresentationLUTShape = "INVERSE" if wanted.is_inverse else "IDENTITY"


def _transformation(header: Dataset) -> Dataset:
    """Where an image says how stored values become modality values: at the top, or in its functional groups."""
    for group in header.get("SharedFunctionalGroupsSequence", []), header.get("PerFrameFunctionalGroupsSequence", []):
        for item in group[:1]:
            for found in item.get("PixelValueTransformationSequence", []):
                return found  # type: ignore[no-any-return] # pydicom is not typed
    return header


def _lut(table: Table) -> Dataset:
    from pydicom import DataElement

    top = (1 << table.bits) - 1
    if any(not 0 <= entry <= top for entry in table.entries):
        raise Refused(f"an entry of the table does not fit in {table.bits} bits")
    item = _item()
    count = len(table.entries) % 65_536
    bits = 8 if table.bits == 8 else 16
    item.add(DataElement(0x00283002, "SS" if table.first < 0 else "US", _descriptor(count, table.first, bits)))
    # Only 8 and 16 are known as numbers of bits to all that read it; entries of eight bits lie two to a word.
    entries = [round(entry * 0xFFFF / top) for entry in table.entries] if bits == 16 else table.entries
    packed = bytes(entries) if bits == 8 else struct.pack(f"<{len(entries)}H", *entries)
    item.add(DataElement(0x00283006, "OW", packed + b"\0" * (len(packed) % 2)))
    return item


def _descriptor(count: int, first: int, bits: int) -> list[int]:
    # The number of entries is unsigned whatever the VR says (C.11.2.1.1); a signed one is written as its bits.
    return [count - 65_536 if first < 0 and count > 32_767 else count, first, bits]


def _write_area(ds: Dataset, headers: list[Dataset], wanted: NewState) -> None:
    """Write the displayed area, whose corners are named as they lie after turning (C.10.4)."""
    first = headers[0]
    _one_for_all(headers, "sizes", "Rows", "Columns", "PixelSpacing", "ImagerPixelSpacing", "PixelAspectRatio")
    area = wanted.area or Rectangle(1, 1, int(first.Columns), int(first.Rows))
    if area.left > area.right or area.top > area.bottom:
        raise Refused("the area that is shown is empty")
    # A quarter turn clockwise takes the lower left corner to the upper left; the flip then exchanges the sides.
    corners = [(area.left, area.top), (area.right, area.top), (area.right, area.bottom), (area.left, area.bottom)]
    corners = corners[-(wanted.rotation // 90) :] + corners[: -(wanted.rotation // 90)] if wanted.rotation else corners
    if wanted.is_flipped:
        corners = [corners[1], corners[0], corners[3], corners[2]]
    item = _item(
        DisplayedAreaTopLeftHandCorner=list(corners[0]),
        DisplayedAreaBottomRightHandCorner=list(corners[2]),
        PresentationSizeMode="SCALE TO FIT",
    )
    spacing = next((values for values in _spacings(first) if len(values) == 2), None)
    if spacing is not None:
        item.PresentationPixelSpacing = spacing
    else:
        item.PresentationPixelAspectRatio = [str(value) for value in first.get("PixelAspectRatio") or (1, 1)]
    ds.DisplayedAreaSelectionSequence = [item]


def _spacings(header: Dataset) -> list[list[str]]:
    found = [header.get(keyword) for keyword in ("PixelSpacing", "ImagerPixelSpacing", "NominalScannedPixelSpacing")]
    for group in header.get("SharedFunctionalGroupsSequence", [])[:1]:
        found += [measures.get("PixelSpacing") for measures in group.get("PixelMeasuresSequence", [])]
    return [[str(value) for value in values] for values in found if values]


def _write_shutter(ds: Dataset, shutter: Rectangle, *, is_grey: bool) -> None:
    if shutter.left > shutter.right or shutter.top > shutter.bottom:
        raise Refused("the shutter leaves nothing open")
    ds.ShutterShape = "RECTANGULAR"
    ds.ShutterLeftVerticalEdge, ds.ShutterRightVerticalEdge = shutter.left, shutter.right
    ds.ShutterUpperHorizontalEdge, ds.ShutterLowerHorizontalEdge = shutter.top, shutter.bottom
    ds.ShutterPresentationValue = 0
    if not is_grey:
        ds.ShutterPresentationColorCIELabValue = [0, 0x8080, 0x8080]


def _write_marks(ds: Dataset, references: list[Dataset], wanted: NewState, *, is_grey: bool) -> None:
    named = [image for series in references for image in series.ReferencedImageSequence]
    annotation = _item(GraphicLayer=LAYER, ReferencedImageSequence=named)
    if wanted.graphics:
        annotation.GraphicObjectSequence = [_graphic(each) for each in wanted.graphics]
    if wanted.texts:
        annotation.TextObjectSequence = [
            _item(
                AnchorPointAnnotationUnits=each.units,
                UnformattedTextValue=each.text,
                AnchorPoint=[float(value) for value in each.anchor],
                AnchorPointVisibility="N",
            )
            for each in wanted.texts
        ]
    ds.GraphicAnnotationSequence = [annotation]
    layer = _item(
        GraphicLayer=LAYER, GraphicLayerOrder=1, GraphicLayerRecommendedDisplayCIELabValue=list(YELLOW_CIELAB)
    )
    if is_grey:
        layer.GraphicLayerRecommendedDisplayGrayscaleValue = YELLOW_GRAY
    ds.GraphicLayerSequence = [layer]


def _graphic(graphic: Graphic) -> Dataset:
    least, most = _POINTS[graphic.kind]
    if len(graphic.points) < least or (most is not None and len(graphic.points) > most):
        raise Refused(f"a {graphic.kind} of {len(graphic.points)} points; it needs {most or f'at least {least}'}")
    item = _item(
        GraphicAnnotationUnits=graphic.units,
        GraphicDimensions=2,
        NumberOfGraphicPoints=len(graphic.points),
        GraphicData=[float(value) for point in graphic.points for value in point],
        GraphicType=graphic.kind,
    )
    is_closed = graphic.kind in ("CIRCLE", "ELLIPSE") or tuple(graphic.points[0]) == tuple(graphic.points[-1])
    if graphic.kind != "POINT" and is_closed and len(graphic.points) > 1:
        item.GraphicFilled = "Y" if graphic.is_filled else "N"
    return item


def _srgb() -> bytes:
    from PIL import ImageCms

    return ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes()
