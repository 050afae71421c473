"""Segmentations (PS3.3 A.51, A.88): which pixels of images a reader says belong to which structure."""

from __future__ import annotations

import zlib
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache
from typing import TYPE_CHECKING, Any, BinaryIO, Final, Literal

import filmless
from filmless.access.principal import Principal
from filmless.archive import Archive
from filmless.dicom.uids import is_image_class, new_uid
from filmless.errors import Refused
from filmless.reading.sources import UTF_8, copy_study, find_sources, read_source
from filmless.reading.writing import MANUFACTURER, MODEL_NAME, SEGMENTATIONS_SERIES_NUMBER, Written, store_object

if TYPE_CHECKING:
    import numpy as np
    from pydicom import Dataset

TYPES: Final = {
    "AnatomicalStructure": (
        "Liver",
        "Kidney",
        "Spleen",
        "Pancreas",
        "Lung",
        "Heart",
        "Brain",
        "Bladder",
        "Prostate",
        "Aorta",
        "BloodVessel",
        "Bone",
        "LymphNode",
    ),
    "Tissue": ("MuscleTissue", "AdiposeTissue", "Blood"),
    "MorphologicallyAbnormalStructure": ("Lesion", "Neoplasm", "Nodule", "Cyst", "Edema", "Hemorrhage", "Necrosis"),
}
"""Segmented Property Types by their category: concepts of SNOMED CT by the names that pydicom has for them."""

SEGMENTS_MAX: Final = 255
_READ_BYTES: Final = 1 << 16

Rgb = tuple[int, int, int]


@dataclass(frozen=True, slots=True)
class Segment:
    """A structure: its samples in the masks have its number."""

    number: int
    label: str
    type_code: str
    colour: Rgb
    is_by_hand: bool = True


@dataclass(frozen=True, slots=True)
class MaskedFrame:
    """The frame (from 1) of an instance that a mask lies on."""

    sop_instance_uid: str
    frame_number: int = 1


@dataclass(frozen=True, slots=True)
class NewSegmentation:
    """All that a segmentation says but its pixels."""

    label: str
    frames: Sequence[MaskedFrame]
    segments: Sequence[Segment]
    form: Literal["BINARY", "LABELMAP"] = "BINARY"


@cache
def property_types() -> dict[str, tuple[Any, Any]]:
    """List category and type, as pydicom codes them, by the code value of the type."""
    from pydicom.sr.codedict import codes

    found = {}
    for category, names in TYPES.items():
        for name in names:
            code = getattr(codes.SCT, name)
            found[code.value] = (getattr(codes.SCT, category), code)
    return found


def write_segmentation(
    archive: Archive,
    principal: Principal,
    study_instance_uid: str,
    wanted: NewSegmentation,
    masks: BinaryIO,
    *,
    author: str,
) -> Written:
    """Write a Segmentation of images of one study and store it in that study.

    Parameters
    ----------
    masks : gzip of one byte a pixel, row by row, one frame after the other as `wanted.frames` names them
        0 is no segment, else the number of one.

    Raises
    ------
    Refused: it cannot be said in a segmentation, or not of these images. NotFound. As `receive`.
    """
    _check_segments(wanted.segments)
    uids = [each.sop_instance_uid for each in wanted.frames]
    sources = find_sources(archive, principal, study_instance_uid, uids)
    if len({(each.sop_instance_uid, each.frame_number) for each in wanted.frames}) != len(wanted.frames):
        raise Refused("a frame is named twice")
    instances = list(sources.values())
    first = instances[0]
    for instance in instances:
        if not is_image_class(instance.sop_class_uid) or not instance.rows or not instance.columns:
            raise Refused(f"the instance {instance.sop_instance_uid} is no image")
        if (instance.rows, instance.columns) != (first.rows, first.columns):
            raise Refused("the images have different sizes")
        if instance.number_of_frames > 1 and len(instances) > 1:
            raise Refused("a segmentation is about images of one frame each, or about one image of several")
    for each in wanted.frames:
        if not 1 <= each.frame_number <= sources[each.sop_instance_uid].number_of_frames:
            raise Refused(f"the instance {each.sop_instance_uid} has no frame {each.frame_number}")

    rows, columns = first.rows or 0, first.columns or 0
    count = first.number_of_frames if first.number_of_frames > 1 else len(instances)
    most = archive.settings.segmentation_voxels_max
    if count * rows * columns > most:
        raise Refused(f"{count} frames of {rows} x {columns} are more than {most} voxels (segmentation_voxels_max)")
    voxels = _read_masks(masks, len(wanted.frames), rows, columns)
    numbers = {each.number for each in wanted.segments}
    if strange := {int(value) for value in _values_in(voxels)} - numbers - {0}:
        raise Refused(f"the masks hold the number {min(strange)}, and no segment has it")
    if not voxels.any():
        raise Refused("nothing is marked in any frame")
    if first.number_of_frames > 1:
        voxels = _in_all_frames(voxels, wanted.frames, first.number_of_frames)
    headers = [read_source(archive, instance) for instance in instances]
    _check_places(headers)
    ds = _segmentation(headers, voxels, wanted, author)
    ds.SpecificCharacterSet = UTF_8
    copy_study(ds, headers[0])
    return store_object(archive, principal, ds)


def _check_segments(segments: Sequence[Segment]) -> None:
    if [each.number for each in segments] != list(range(1, len(segments) + 1)):
        raise Refused("segments are numbered from 1 on, without a gap (PS3.3 C.8.20.4)")
    if not 1 <= len(segments) <= SEGMENTS_MAX:
        raise Refused(f"{len(segments)} segments; there may be 1 to {SEGMENTS_MAX}")
    for each in segments:
        if each.type_code not in property_types():
            raise Refused(f"{each.type_code} is none of the types that segments are given here")


def _read_masks(masks: BinaryIO, count: int, rows: int, columns: int) -> np.ndarray[Any, Any]:
    """Inflate the masks, and not one byte more than the frames have pixels."""
    import numpy as np

    voxels = np.zeros(count * rows * columns, np.uint8)
    inflater = zlib.decompressobj(wbits=zlib.MAX_WBITS | 16)
    at = 0
    try:
        while not inflater.eof and (chunk := inflater.unconsumed_tail or masks.read(_READ_BYTES)):
            piece = inflater.decompress(chunk, _READ_BYTES)
            if at + len(piece) > len(voxels):
                raise Refused(f"the masks are longer than {count} frames of {rows} x {columns}")
            voxels[at : at + len(piece)] = np.frombuffer(piece, np.uint8)
            at += len(piece)
    except zlib.error as error:
        raise Refused(f"the masks are no gzip: {error}") from error
    if at != len(voxels) or not inflater.eof:
        raise Refused(f"the masks have {at} bytes; {count} frames of {rows} x {columns} have {len(voxels)}")
    return voxels.reshape(count, rows, columns)


def _values_in(voxels: np.ndarray[Any, Any]) -> np.ndarray[Any, Any]:
    """Which numbers there are; frame by frame, as counting makes eight bytes of each."""
    import numpy as np

    is_there = np.zeros(256, bool)
    for frame in voxels:
        is_there |= np.bincount(frame.ravel(), minlength=256) > 0
    return np.flatnonzero(is_there)


def _in_all_frames(
    voxels: np.ndarray[Any, Any], frames: Sequence[MaskedFrame], number_of_frames: int
) -> np.ndarray[Any, Any]:
    """Put masks of some frames of a multi-frame image where they lie among all of them."""
    import numpy as np

    every = np.zeros((number_of_frames, *voxels.shape[1:]), np.uint8)
    every[[each.frame_number - 1 for each in frames]] = voxels
    return every


def _check_places(headers: list[Dataset]) -> None:
    """Refuse images that have no place, or not all the same frame of reference: a segment is a place in the patient."""
    frames = {str(header.get("FrameOfReferenceUID", "")) for header in headers}
    if len(frames) > 1:
        raise Refused("the images are of several frames of reference")
    first = headers[0]
    is_placed = "PerFrameFunctionalGroupsSequence" in first or all(
        header.get(keyword)
        for header in headers
        for keyword in ("ImagePositionPatient", "ImageOrientationPatient", "PixelSpacing")
    )
    if frames == {""} or not is_placed:
        raise Refused("the images have no place in the patient; a segmentation needs one")


def _segmentation(
    headers: list[Dataset], voxels: np.ndarray[Any, Any], wanted: NewSegmentation, author: str
) -> Dataset:
    from highdicom import AlgorithmIdentificationSequence
    from highdicom.color import CIELabColor
    from highdicom.seg import SegmentAlgorithmTypeValues, Segmentation, SegmentDescription
    from pydicom.sr.codedict import codes

    def description(segment: Segment) -> SegmentDescription:
        category, kind = property_types()[segment.type_code]
        return SegmentDescription(
            segment_number=segment.number,
            segment_label=segment.label,
            segmented_property_category=category,
            segmented_property_type=kind,
            algorithm_type=SegmentAlgorithmTypeValues.MANUAL
            if segment.is_by_hand
            else SegmentAlgorithmTypeValues.SEMIAUTOMATIC,
            algorithm_identification=None
            if segment.is_by_hand
            else AlgorithmIdentificationSequence(
                name="Threshold", family=codes.DCM.ManualProcessing, version=filmless.__version__
            ),
            tracking_uid=new_uid(),
            tracking_id=segment.label,
            display_color=CIELabColor.from_rgb(*segment.colour),
        )

    for header in headers:
        # A source without a thickness is legal in some classes; Type 2 in those that highdicom reads.
        if "SliceThickness" not in header and "SharedFunctionalGroupsSequence" not in header:
            header.SliceThickness = None
    try:
        return Segmentation(
            source_images=headers,
            pixel_array=voxels,
            segmentation_type=wanted.form,
            segment_descriptions=[description(each) for each in wanted.segments],
            series_instance_uid=new_uid(),
            series_number=SEGMENTATIONS_SERIES_NUMBER,
            sop_instance_uid=new_uid(),
            instance_number=1,
            manufacturer=MANUFACTURER,
            manufacturer_model_name=MODEL_NAME,
            software_versions=filmless.__version__,
            device_serial_number=MODEL_NAME,
            content_label="SEGMENTATION",
            content_description=wanted.label,
            content_creator_name=author,
            series_description=wanted.label,
        )
    except ValueError as error:
        raise Refused(f"the images cannot be segmented: {error}") from error
