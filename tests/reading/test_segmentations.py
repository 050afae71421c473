"""Segmentations that readers draw: highdicom and dicom3tools read them, DCMTK gives them back byte for byte."""

from __future__ import annotations

import gzip
import io
import json
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import highdicom as hd
import numpy as np
import pytest
from pydicom import Dataset, dcmread

import make
from filmless.access.principal import Principal
from filmless.archive import Archive
from filmless.errors import NotFound, Refused
from filmless.reading.segmentations import (
    MaskedFrame,
    NewSegmentation,
    Segment,
    property_types,
    write_segmentation,
)
from filmless.reading.writing import Written
from sent import data_set_of

Store = Callable[..., None]
Stored = Callable[[Written], Dataset]
Masks = np.ndarray[Any, Any]

ROWS, COLUMNS = 12, 10
LIVER = Segment(1, "Left lobe", "10200004", (230, 80, 70))
CYST = Segment(2, "Cyst", "367643001", (70, 170, 230), is_by_hand=False)


def packed(masks: Masks) -> io.BytesIO:
    return io.BytesIO(gzip.compress(masks.astype(np.uint8).tobytes()))


def drawn(count: int) -> Masks:
    """Frames with a box of segment 1 that grows, and a line of segment 2 in the last."""
    masks = np.zeros((count, ROWS, COLUMNS), np.uint8)
    for index in range(count):
        masks[index, 2 : 4 + index, 3:7] = 1
    masks[-1, 9, 1:9] = 2
    return masks


@pytest.fixture
def slices(store: Store) -> list[Dataset]:
    found = make.ct_series(5, ROWS, PatientName="Düsentrieb^Daniel", PixelSpacing=["0.7", "0.5"])
    for ds in found:
        ds.Columns = COLUMNS
        ds.PixelData = bytes(ROWS * COLUMNS * 2)
    store(*found)
    return found


def frames_of(*slices: Dataset) -> list[MaskedFrame]:
    return [MaskedFrame(ds.SOPInstanceUID) for ds in slices]


@pytest.mark.parametrize("form", ["BINARY", "LABELMAP"])
def test_masks_are_read_back_by_highdicom_where_they_were_drawn(
    archive: Archive, reader: Principal, slices: list[Dataset], stored: Stored, form: Any
) -> None:
    # Not in the order of the patient: the reader's stack may run the other way.
    chosen = [slices[3], slices[2], slices[1]]
    masks = drawn(3)
    wanted = NewSegmentation("Liver and cyst", frames_of(*chosen), [LIVER, CYST], form)
    written = write_segmentation(archive, reader, slices[0].StudyInstanceUID, wanted, packed(masks), author="Rosa^")
    ds = stored(written)
    segmentation = hd.seg.Segmentation.from_dataset(ds)
    back = segmentation.get_pixels_by_source_instance(
        [each.SOPInstanceUID for each in chosen], combine_segments=True, assert_missing_frames_are_empty=True
    )
    assert np.array_equal(back, masks)
    volume = segmentation.get_volume(combine_segments=True)
    assert np.allclose(volume.spacing, (1.5, 0.7, 0.5))
    assert volume.frame_of_reference_uid == slices[0].FrameOfReferenceUID
    assert int((volume.array == 1).sum()) == int((masks == 1).sum())
    assert ds.SegmentationType == form
    assert [each.SegmentLabel for each in ds.SegmentSequence if each.SegmentNumber > 0] == ["Left lobe", "Cyst"]
    liver, cyst = ds.SegmentSequence[-2:]
    assert liver.SegmentedPropertyTypeCodeSequence[0].CodeValue == "10200004"
    assert cyst.SegmentedPropertyCategoryCodeSequence[0].CodeMeaning == "Morphologically Abnormal Structure"
    assert (liver.SegmentAlgorithmType, cyst.SegmentAlgorithmType) == ("MANUAL", "SEMIAUTOMATIC")
    assert (ds.SeriesNumber, str(ds.PatientName), ds.ContentCreatorName) == (9003, "Düsentrieb^Daniel", "Rosa^")
    named = {each.ReferencedSOPInstanceUID for each in ds.ReferencedSeriesSequence[0].ReferencedInstanceSequence}
    assert named == {each.SOPInstanceUID for each in chosen}
    assert len(ds.DimensionOrganizationSequence) == 1


def test_frames_of_a_multi_frame_image_keep_their_places(
    archive: Archive, reader: Principal, slices: list[Dataset], store: Store, stored: Stored
) -> None:
    enhanced = hd.legacy.LegacyConvertedEnhancedCTImage(
        legacy_datasets=[dcmread(io.BytesIO(make.part10(each))) for each in slices],
        series_instance_uid=make.uid(),
        series_number=2,
        sop_instance_uid=make.uid(),
        instance_number=1,
    )
    store(enhanced)
    masks = drawn(2)
    frames = [MaskedFrame(enhanced.SOPInstanceUID, 4), MaskedFrame(enhanced.SOPInstanceUID, 2)]
    wanted = NewSegmentation("Liver", frames, [LIVER, CYST])
    written = write_segmentation(archive, reader, slices[0].StudyInstanceUID, wanted, packed(masks), author="Rosa^")
    segmentation = hd.seg.Segmentation.from_dataset(stored(written))
    back = segmentation.get_pixels_by_source_frame(
        enhanced.SOPInstanceUID, [4, 2], combine_segments=True, assert_missing_frames_are_empty=True
    )
    assert np.array_equal(back, masks)


@pytest.mark.skipif(shutil.which("dcmqrscp") is None, reason="DCMTK is not installed")
def test_a_segmentation_goes_through_dcmtk_byte_for_byte(
    archive: Archive,
    reader: Principal,
    slices: list[Dataset],
    stored: Stored,
    tmp_path: Path,
    there_and_back: Callable[[Path, Written], Path],
) -> None:
    wanted = NewSegmentation("Liver", frames_of(*slices), [LIVER, CYST])
    written = write_segmentation(archive, reader, slices[0].StudyInstanceUID, wanted, packed(drawn(5)), author="Rosa^")
    stored(written)
    sent = tmp_path / "object.dcm"
    back = there_and_back(sent, written)
    assert data_set_of(back) == data_set_of(sent)


def changed(**values: Any) -> NewSegmentation:
    plain: dict[str, Any] = {"label": "Liver", "frames": [], "segments": [LIVER, CYST]}
    return NewSegmentation(**plain | values)


@pytest.mark.parametrize(
    ("change", "masks", "words"),
    [
        ({"segments": [CYST]}, drawn(5), "numbered from 1"),
        ({"segments": [LIVER, Segment(2, "x", "1", (0, 0, 0))]}, drawn(5), "none of the types"),
        ({"segments": [LIVER]}, drawn(5), "number 2"),
        ({}, drawn(4), "have 600"),
        ({}, drawn(6), "longer than 5 frames"),
        ({}, drawn(5) * 0, "nothing is marked"),
        ({"frames": [("", 1), ("", 1)]}, drawn(2), "named twice"),
        ({"frames": [("", 2)]}, drawn(1), "no frame 2"),
    ],
)
def test_what_is_no_segmentation_of_the_images_is_refused(
    archive: Archive, reader: Principal, slices: list[Dataset], change: dict[str, Any], masks: Masks, words: str
) -> None:
    named = change.get("frames")
    frames = (
        frames_of(*slices)
        if named is None
        else [MaskedFrame(uid or slices[0].SOPInstanceUID, frame) for uid, frame in named]
    )
    wanted = changed(**change | {"frames": frames})
    with pytest.raises(Refused, match=words):
        write_segmentation(archive, reader, slices[0].StudyInstanceUID, wanted, packed(masks), author="Rosa^")


def test_masks_are_not_inflated_beyond_what_the_frames_hold(
    archive: Archive, reader: Principal, slices: list[Dataset]
) -> None:
    study = slices[0].StudyInstanceUID
    wanted = changed(frames=frames_of(slices[0]))
    bomb = io.BytesIO(gzip.compress(bytes(64 << 20)))
    with pytest.raises(Refused, match="longer than 1 frames"):
        write_segmentation(archive, reader, study, wanted, bomb, author="Rosa^")
    assert bomb.tell() < 1 << 17
    with pytest.raises(Refused, match="no gzip"):
        write_segmentation(archive, reader, study, wanted, io.BytesIO(b"no gzip"), author="Rosa^")
    with pytest.raises(NotFound):
        write_segmentation(archive, reader, "1.2.3", wanted, packed(drawn(1)), author="Rosa^")


def test_images_without_a_place_in_the_patient_are_refused(archive: Archive, reader: Principal, store: Store) -> None:
    nowhere = dict.fromkeys(("ImagePositionPatient", "ImageOrientationPatient", "FrameOfReferenceUID"))
    image = make.ct_slice(ROWS, COLUMNS, **nowhere)
    store(image)
    wanted = changed(frames=frames_of(image))
    with pytest.raises(Refused, match="no place in the patient"):
        write_segmentation(archive, reader, image.StudyInstanceUID, wanted, packed(drawn(1)), author="Rosa^")


def test_the_screen_offers_the_types_that_are_taken() -> None:
    texts = Path(__file__).parents[2] / "web/src/viewer/i18n/en.json"
    words = json.loads(texts.read_text())["segments"]["types"]
    assert words.keys() == property_types().keys()
