"""Blending Softcopy Presentation States (PS3.3 A.33.4, C.11.14): one set of images laid over another.

What lies above grows linearly in space, so linear interpolation of it is exact, and the truth is a formula.
"""

from __future__ import annotations

import io
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image, ImageCms
from pydicom import Dataset
from pydicom.sequence import Sequence
from starlette.testclient import TestClient

import dciodvfy
import make
from answers import address, parts_of
from filmless.archive import Archive
from presenting import annotation, area, item, layer, reference, shape, window

Store = Callable[..., Dataset]
Array = np.ndarray[Any, Any]

BLENDING = "1.2.840.10008.5.1.4.1.1.11.4"
PET = "1.2.840.10008.5.1.4.1.1.128"
REGISTRATION = "1.2.840.10008.5.1.4.1.1.66.1"
ROWS, COLUMNS = 20, 24
BELOW = np.arange(ROWS * COLUMNS, dtype=np.uint16).reshape(ROWS, COLUMNS) % 251
TOP = 4095
SRGB = ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes()
AXIAL = ((1, 0, 0), (0, 1, 0))
SAGITTAL = ((0, 1, 0), (0, 0, -1))


def field(points: Array) -> Array:
    """What is above, in the patient: of points in mm, the last axis x, y, z."""
    return 1000 + points @ np.array([40.0, 30.0, -20.0])


def grid(origin: tuple[float, ...], axes: Any, spacing: tuple[float, float], size: tuple[int, int]) -> Array:
    """Centres of the pixels of a frame: spacing between rows and between columns."""
    across, down = (np.array(axis, float) for axis in axes)
    rows, columns = np.mgrid[: size[0], : size[1]]
    return np.array(origin) + columns[..., None] * across * spacing[1] + rows[..., None] * down * spacing[0]


def placed(
    ds: Dataset, origin: tuple[float, ...], axes: Any, spacing: tuple[float, float], frame_of_reference: str
) -> Dataset:
    ds.ImagePositionPatient = list(map(str, origin))
    ds.ImageOrientationPatient = [str(number) for axis in axes for number in axis]
    ds.PixelSpacing, ds.FrameOfReferenceUID = list(map(str, spacing)), frame_of_reference
    return ds


def below(*depths: float, spacing: tuple[float, float] = (1.0, 0.75), **says: Any) -> list[Dataset]:
    """CT slices at these depths, whose own window shows nothing of them."""
    series = make.ct_series(len(depths), rows=ROWS)
    for ds, depth in zip(series, depths, strict=True):
        ds.Columns, ds.PixelRepresentation, ds.WindowWidth = COLUMNS, 0, "1"
        ds.PixelData = BELOW.tobytes()
        placed(ds, (-8.0, -9.0, depth), AXIAL, spacing, series[0].FrameOfReferenceUID)
        for keyword, value in says.items():
            setattr(ds, keyword, value)
    return series


def above(
    frame_of_reference: str, count: int = 6, axes: Any = AXIAL, origin: tuple[float, ...] = (-10.0, -12.0, -4.0),
    spacing: tuple[float, float] = (3.0, 2.0), size: tuple[int, int] = (10, 11), gap: float = 2.5,
) -> list[Dataset]:  # fmt: skip
    """A stack of PET slices, in no order, that show `field`."""
    normal = np.cross(*axes)
    study, series = make.uid(), make.uid()
    made = []
    for index in np.random.default_rng(1).permutation(count):
        corner = tuple(np.array(origin) + normal * gap * index)
        ds = make.ct_slice(rows=size[0], columns=size[1], SOPClassUID=PET, Modality="PT", PixelRepresentation=0)
        ds.StudyInstanceUID, ds.SeriesInstanceUID = study, series
        ds.PixelData = field(grid(corner, axes, spacing, size)).round().astype(np.uint16).tobytes()
        made.append(placed(ds, corner, axes, spacing, frame_of_reference))
    return made


def entry(position: str, images: list[Dataset], low: float, high: float, **says: Any) -> Dataset:
    """An item of the Blending Sequence, with a window of stored values; what it says of a rescale halves them."""
    named = Sequence([reference(image) for image in images])
    series = item(SeriesInstanceUID=images[0].SeriesInstanceUID, ReferencedImageSequence=named)
    return item(
        BlendingPosition=position, StudyInstanceUID=images[0].StudyInstanceUID,
        ReferencedSeriesSequence=Sequence([series]),
        SoftcopyVOILUTSequence=window((low + high) / 4, (high - low) / 2),
        RescaleSlope="0.5", RescaleIntercept="0", RescaleType="US", **says,
    )  # fmt: skip


def blended(lower: list[Dataset], upper: list[Dataset], opacity: float = 0.5, **says: Any) -> Dataset:
    """A Blending Softcopy Presentation State: palette red from black to full, green the opposite, blue full."""
    ds = make.instance(BLENDING, Modality="PR", StudyInstanceUID=lower[0].StudyInstanceUID, Laterality="")
    ds.ContentLabel, ds.ContentDescription, ds.ContentCreatorName = "BLEND", "", ""
    ds.PresentationCreationDate, ds.PresentationCreationTime = "20240101", "120000"
    ds.RelativeOpacity = opacity
    ds.BlendingSequence = Sequence([entry("UNDERLYING", lower, 0, 255), entry("SUPERIMPOSED", upper, 0, TOP)])
    ds.DisplayedAreaSelectionSequence = area((1, 1), (COLUMNS, ROWS), PresentationPixelAspectRatio=["1", "1"])
    ramp = np.arange(256, dtype=np.uint16) * 257
    for name, entries in (("Red", ramp), ("Green", 65535 - ramp), ("Blue", ramp * 0 + 65535)):
        setattr(ds, f"{name}PaletteColorLookupTableDescriptor", [256, 0, 16])
        setattr(ds, f"{name}PaletteColorLookupTableData", entries.tobytes())
    ds.ICCProfile = SRGB
    for keyword, value in says.items():
        setattr(ds, keyword, value)
    return ds


def mixed(values: Array, is_there: Array | bool = True, opacity: float = 0.5) -> Array:
    """What is seen of values above, through their window and the palette, over the slice below."""
    level = np.floor(np.clip(values / TOP, 0, 1) * 255 + 0.5)
    colours = np.stack([level, 255 - level, 0 * level + 255], axis=-1)
    grey = np.repeat(BELOW[..., None], 3, axis=2)
    return np.where(np.broadcast_to(is_there, BELOW.shape)[..., None], colours * opacity + grey * (1 - opacity), grey)


def pictures(client: TestClient, ds: Dataset) -> list[Array]:
    answer = client.get(address(ds) + "/rendered", headers={"accept": 'multipart/related; type="image/png"'})
    assert answer.status_code == 200, answer.text
    return [np.asarray(Image.open(io.BytesIO(body)).convert("RGB")).astype(float) for _, body in parts_of(answer)]


def is_close(found: Array, truth: Array) -> bool:
    return bool(np.abs(found - truth).max() <= 1 and np.abs(found - truth).mean() < 0.55)


def keep(stored: Store, *sets: list[Dataset]) -> None:
    for images in sets:
        for image in images:
            stored(image)


def points(depth: float, spacing: tuple[float, float] = (1.0, 0.75)) -> Array:
    return grid((-8.0, -9.0, depth), AXIAL, spacing, (ROWS, COLUMNS))


@pytest.mark.parametrize("opacity", [0.0, 0.3, 1.0])
def test_each_image_below_is_shown_with_what_lies_there_above(
    opacity: float, stored: Store, client: TestClient
) -> None:
    lower = below(-3.0, 0.0, 2.2)
    upper = above(lower[0].FrameOfReferenceUID)
    keep(stored, lower, upper)
    found = pictures(client, stored(blended(lower, upper, opacity)))
    assert len(found) == 3
    for picture, depth in zip(found, (-3.0, 0.0, 2.2), strict=True):
        assert is_close(picture, mixed(field(points(depth)), opacity=opacity))


def test_a_stack_of_another_orientation_is_cut_through(stored: Store, client: TestClient) -> None:
    lower = below(1.1)
    upper = above(lower[0].FrameOfReferenceUID, 12, SAGITTAL, (12.0, -14.0, 9.0), (1.5, 2.0), (14, 16), 2.0)
    keep(stored, lower, upper)
    assert is_close(pictures(client, stored(blended(lower, upper)))[0], mixed(field(points(1.1))))


def test_nothing_is_made_up_beyond_what_lies_above(stored: Store, client: TestClient) -> None:
    """A stack ends half a slice beyond its last one, and a slice half a pixel beyond its last column."""
    lower = below(-5.3, -5.2, 9.7, 9.8)
    upper = above(lower[0].FrameOfReferenceUID, size=(5, 5))
    keep(stored, lower, upper)
    places = points(0)
    is_there = (places[..., 0] <= -1.0) & (places[..., 1] <= 1.5)
    found = pictures(client, stored(blended(lower, upper)))
    covered = [np.any(picture != mixed(field(places), False), axis=2) for picture in found]
    assert [bool(each.any()) for each in covered] == [False, True, True, False]
    assert all(
        np.array_equal(each | ~is_there, np.ones_like(each)) and not each[~is_there].any() for each in covered[1:3]
    )


def test_padding_above_shows_what_is_below(stored: Store, client: TestClient) -> None:
    lower = below(1.0, spacing=(3.0, 2.0))
    (upper,) = above(lower[0].FrameOfReferenceUID, 1, origin=(-8.0, -9.0, 1.0), size=(ROWS, COLUMNS))
    values = np.full((ROWS, COLUMNS), 2000, np.uint16)
    values[:, :7] = 0
    upper.PixelData, upper.PixelPaddingValue = values.tobytes(), 0
    keep(stored, lower, [upper])
    truth = mixed(values.astype(float), np.broadcast_to(np.arange(COLUMNS) >= 7, BELOW.shape))
    assert is_close(pictures(client, stored(blended(lower, [upper])))[0], truth)


def test_a_registration_leads_to_another_frame_of_reference(stored: Store, client: TestClient) -> None:
    lower, turn = below(0.5), np.array([[0, -1, 0, 4], [1, 0, 0, -3], [0, 0, 1, 2], [0, 0, 0, 1]], float)
    upper = above(make.uid(), 8, origin=(-22.0, -22.0, -6.0), size=(16, 24))
    keep(stored, lower, upper)
    registration = stored(registered(lower[0], upper[0].FrameOfReferenceUID, turn))
    ds = blended(lower, upper, ReferencedSpatialRegistrationSequence=names(registration))
    there = points(0.5) @ np.linalg.inv(turn)[:3, :3].T + np.linalg.inv(turn)[:3, 3]
    assert is_close(pictures(client, stored(ds))[0], mixed(field(there)))


def registered(image: Dataset, other: str, matrix: Array) -> Dataset:
    """A Spatial Registration into the place of an image, by a matrix from another Frame of Reference."""

    def entry_of(uid: str, values: Array) -> Dataset:
        each = item(
            FrameOfReferenceTransformationMatrix=[f"{value:g}" for value in values.ravel()],
            FrameOfReferenceTransformationMatrixType="RIGID",
        )
        matrices = item(MatrixSequence=Sequence([each]), RegistrationTypeCodeSequence=Sequence())
        return item(FrameOfReferenceUID=uid, MatrixRegistrationSequence=Sequence([matrices]))

    ds = make.instance(REGISTRATION, Modality="REG", StudyInstanceUID=image.StudyInstanceUID)
    ds.FrameOfReferenceUID, ds.ContentLabel, ds.ContentDate, ds.ContentTime = (
        image.FrameOfReferenceUID,
        "R",
        "20240101",
        "10",
    )
    ds.RegistrationSequence = Sequence([entry_of(image.FrameOfReferenceUID, np.eye(4)), entry_of(other, matrix)])
    return ds


def names(registration: Dataset) -> Sequence:
    named = item(ReferencedSOPClassUID=REGISTRATION, ReferencedSOPInstanceUID=registration.SOPInstanceUID)
    series = item(SeriesInstanceUID=registration.SeriesInstanceUID, ReferencedSOPSequence=Sequence([named]))
    return Sequence([item(StudyInstanceUID=registration.StudyInstanceUID, ReferencedSeriesSequence=Sequence([series]))])


def test_the_blend_is_turned_and_drawn_on(stored: Store, client: TestClient) -> None:
    lower = below(0.0)
    upper = above(lower[0].FrameOfReferenceUID)
    keep(stored, lower, upper)
    marks = Sequence([annotation(shape("POLYLINE", 2.5, 2.5, 9.5, 2.5))])
    white = layer("MARKS", 1, GraphicLayerRecommendedDisplayGrayscaleValue=0xFFFF)
    ds = blended(
        lower, upper, ImageRotation=90, GraphicAnnotationSequence=marks, GraphicLayerSequence=Sequence([white])
    )
    ds.ImageHorizontalFlip = "N"
    truth = mixed(field(points(0.0)))
    truth[2, 2:10] = 255
    assert is_close(pictures(client, stored(ds))[0], np.rot90(truth, -1))


def test_by_uri_it_is_for_the_images_below_alone(stored: Store, client: TestClient) -> None:
    lower = below(0.0)
    upper = above(lower[0].FrameOfReferenceUID)
    keep(stored, lower, upper)
    ds = stored(blended(lower, upper))
    asked = {
        "requestType": "WADO", "studyUID": ds.StudyInstanceUID, "presentationUID": ds.SOPInstanceUID,
        "presentationSeriesUID": ds.SeriesInstanceUID, "contentType": "image/png",
        "seriesUID": lower[0].SeriesInstanceUID, "objectUID": lower[0].SOPInstanceUID,
    }  # fmt: skip
    answer = client.get("/dicomweb/wado", params=asked)
    assert answer.status_code == 200, answer.text
    found = np.asarray(Image.open(io.BytesIO(answer.content))).astype(float)
    assert is_close(found, mixed(field(points(0.0))))


def without(keyword: str) -> Callable[[Dataset, list[Dataset]], None]:
    return lambda ds, upper: delattr(ds, keyword)


def moved(ds: Dataset, upper: list[Dataset]) -> None:
    upper[0].ImagePositionPatient = upper[1].ImagePositionPatient


def tilted(ds: Dataset, upper: list[Dataset]) -> None:
    upper[0].ImageOrientationPatient = ["0", "1", "0", "1", "0", "0"]


def elsewhere(ds: Dataset, upper: list[Dataset]) -> None:
    for image in upper:
        image.FrameOfReferenceUID = "1.2.3"


def nowhere(ds: Dataset, upper: list[Dataset]) -> None:
    del upper[2].ImagePositionPatient


def one_sided(ds: Dataset, upper: list[Dataset]) -> None:
    ds.BlendingSequence.pop()


def segments(ds: Dataset, upper: list[Dataset]) -> None:
    ds.BlendingSequence[1].ReferencedSeriesSequence[0].ReferencedImageSequence[0].ReferencedSegmentNumber = 1


def unregistered(ds: Dataset, upper: list[Dataset]) -> None:
    elsewhere(ds, upper)
    ds.ReferencedSpatialRegistrationSequence = names(make.instance(REGISTRATION))


@pytest.mark.parametrize(
    ("bend", "status", "words"),
    [
        (without("RelativeOpacity"), 406, "Relative Opacity (0070,0403)"),
        (without("RedPaletteColorLookupTableDescriptor"), 406, "no palette"),
        (one_sided, 406, "Blending Position (0070,0405) is SUPERIMPOSED"),
        (moved, 406, "lie in one place"),
        (tilted, 406, "parallel"),
        (elsewhere, 406, "not one Frame of Reference"),
        (nowhere, 406, "Image Position (Patient)"),
        (segments, 406, "segments"),
        (unregistered, 404, "Spatial Registration"),
    ],
)
def test_what_cannot_be_blended_is_said(
    bend: Callable[[Dataset, list[Dataset]], None], status: int, words: str, stored: Store, client: TestClient
) -> None:
    lower = below(0.0)
    upper = above(lower[0].FrameOfReferenceUID, 3)
    ds = blended(lower, upper)
    bend(ds, upper)
    keep(stored, lower, upper)
    answer = client.get(address(stored(ds)) + "/rendered")
    assert (answer.status_code, words in answer.json()["detail"]) == (status, True), answer.text


def test_more_images_above_than_allowed_are_refused(stored: Store, client: TestClient, archive: Archive) -> None:
    archive.settings = archive.settings.model_copy(update={"presentation_frames_max": 3})
    lower = below(0.0)
    upper = above(lower[0].FrameOfReferenceUID, 12, SAGITTAL, (12.0, -14.0, 9.0), (1.5, 2.0), (14, 16), 2.0)
    keep(stored, lower, upper)
    answer = client.get(address(stored(blended(lower, upper))) + "/rendered")
    assert (answer.status_code, "up to 3 are combined" in answer.json()["detail"]) == (406, True)


def test_a_state_whose_upper_images_are_not_here_is_not_found(stored: Store, client: TestClient) -> None:
    lower = below(0.0)
    ds = blended(lower, above(lower[0].FrameOfReferenceUID, 2))
    keep(stored, lower)
    answer = client.get(address(stored(ds)) + "/rendered")
    assert (answer.status_code, "none of the 2 images" in answer.json()["detail"]) == (404, True)


def test_what_these_tests_render_is_valid(tmp_path: Path) -> None:
    lower = below(0.0)
    (tmp_path / "state.dcm").write_bytes(make.part10(blended(lower, above(lower[0].FrameOfReferenceUID, 2))))
    assert dciodvfy.errors_of(tmp_path / "state.dcm") == []
