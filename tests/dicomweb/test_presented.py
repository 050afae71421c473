"""Rendered presentation states (PS3.4 N.2, PS3.3 A.33.1): pixel by pixel against the truth computed here."""

from __future__ import annotations

import io
import subprocess
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image
from pydicom import Dataset
from pydicom.sequence import Sequence
from starlette.testclient import TestClient

import make
from answers import address, parts_of
from filmless.archive import Archive
from filmless.dicom.presentation_state import from_cielab
from presenting import annotation, area, item, layer, shape, state, window
from real_files import pydicom_file

Store = Callable[..., Dataset]
Array = np.ndarray[Any, Any]
ROWS, COLUMNS = 12, 16
VALUES = np.arange(ROWS * COLUMNS, dtype=np.uint16).reshape(ROWS, COLUMNS)


def picture(values: Array = VALUES, **attributes: Any) -> Dataset:
    """A CT slice of these values whose own window shows nothing of them, so that it cannot be what is seen."""
    ds = make.ct_slice(rows=values.shape[0], columns=values.shape[1], PixelRepresentation=0)
    ds.BitsStored, ds.HighBit = 8, 7
    ds.PixelData = values.astype(np.uint16).tobytes()
    ds.RescaleSlope, ds.RescaleIntercept, ds.WindowCenter, ds.WindowWidth = "1", "5000", "0", "1"
    for keyword, value in attributes.items():
        setattr(ds, keyword, value)
    return ds


def shown(client: TestClient, ds: Dataset, **parameters: str) -> Array:
    answer = client.get(address(ds) + "/rendered", params={"accept": "image/png", **parameters})
    assert answer.status_code == 200, answer.text
    return np.asarray(Image.open(io.BytesIO(answer.content)))


def pair(stored: Store, values: Array = VALUES, **says: Any) -> Dataset:
    """An image that is stored, and a state for it, which is given back."""
    return stored(state(stored(picture(values)), **says))


# Grey values (N.2.1) --------------------------------------------------------------------------------------------------


def test_without_transformations_all_values_are_shown(stored: Store, client: TestClient) -> None:
    """The image's own rescale and window do not count."""
    assert np.array_equal(shown(client, pair(stored)), VALUES)


def test_the_window_of_the_state_counts(stored: Store, client: TestClient) -> None:
    truth = np.floor(np.clip((VALUES - 100.0) / 50 + 0.5, 0, 1) * 255 + 0.5)
    assert np.array_equal(shown(client, pair(stored, SoftcopyVOILUTSequence=window(100, 50))), truth)


def test_the_rescale_of_the_state_comes_before_its_window(stored: Store, client: TestClient) -> None:
    truth = np.floor(np.clip((VALUES * 2.0 - 50 - 100) / 60 + 0.5, 0, 1) * 255 + 0.5)
    says = {"RescaleSlope": "2", "RescaleIntercept": "-50", "RescaleType": "US"}
    assert np.array_equal(shown(client, pair(stored, SoftcopyVOILUTSequence=window(100, 60), **says)), truth)


def test_a_voi_lut_of_the_state_is_used(stored: Store, client: TestClient) -> None:
    entries = (np.arange(256) ** 2 // 255).astype(np.uint16)
    lut = item(LUTDescriptor=[256, 0, 8], LUTData=entries.tobytes())
    lut["LUTDescriptor"].VR, lut["LUTData"].VR = "US", "OW"
    voi = Sequence([item(VOILUTSequence=Sequence([lut]))])
    assert np.array_equal(shown(client, pair(stored, SoftcopyVOILUTSequence=voi)), entries[VALUES])


def test_an_inverse_presentation_lut_inverts(stored: Store, client: TestClient) -> None:
    assert np.array_equal(shown(client, pair(stored, PresentationLUTShape="INVERSE")), 255 - VALUES)


def test_a_presentation_lut_maps_what_the_window_gives(stored: Store, client: TestClient) -> None:
    entries = (65535 - np.arange(256, dtype=np.uint16) * 257).astype(np.uint16)
    lut = item(LUTDescriptor=[256, 0, 16], LUTData=entries.tobytes())
    lut["LUTDescriptor"].VR, lut["LUTData"].VR = "US", "OW"
    says = pair(stored, PresentationLUTSequence=Sequence([lut]))
    assert np.array_equal(shown(client, says), 255 - VALUES)


def test_monochrome1_is_shown_as_the_state_says_and_not_turned_again(stored: Store, client: TestClient) -> None:
    image = stored(picture(PhotometricInterpretation="MONOCHROME1"))
    assert np.array_equal(shown(client, stored(state(image))), VALUES)
    assert np.array_equal(shown(client, stored(state(image, PresentationLUTShape="INVERSE"))), 255 - VALUES)


def test_each_image_has_the_window_that_names_it(stored: Store, client: TestClient) -> None:
    first = stored(picture())
    second = stored(picture(StudyInstanceUID=first.StudyInstanceUID, SeriesInstanceUID=first.SeriesInstanceUID))
    says = [*window(50, 2, "LINEAR_EXACT", first), *window(150, 2, "LINEAR_EXACT", second)]
    ds = stored(state(first, second, SoftcopyVOILUTSequence=Sequence(says)))
    answer = client.get(address(ds) + "/rendered", headers={"accept": 'multipart/related; type="image/png"'})
    pictures = [np.asarray(Image.open(io.BytesIO(body))) for _, body in parts_of(answer)]
    assert [int((grey > 127).sum()) for grey in pictures] == [int((edge <= VALUES).sum()) for edge in (50, 150)]


# Shutter (C.7.6.11) ---------------------------------------------------------------------------------------------------


def inside(test: Callable[[Array, Array], Array]) -> Array:
    rows, columns = np.mgrid[1 : ROWS + 1, 1 : COLUMNS + 1]
    return test(columns, rows)


@pytest.mark.parametrize(
    ("says", "is_open"),
    [
        (
            {
                "ShutterShape": "RECTANGULAR", "ShutterLeftVerticalEdge": "3", "ShutterRightVerticalEdge": "9",
                "ShutterUpperHorizontalEdge": "2", "ShutterLowerHorizontalEdge": "7",
            },
            inside(lambda x, y: (x >= 3) & (x <= 9) & (y >= 2) & (y <= 7)),
        ),
        (
            {"ShutterShape": "CIRCULAR", "CenterOfCircularShutter": ["6", "8"], "RadiusOfCircularShutter": "4"},
            inside(lambda x, y: (x - 8) ** 2 + (y - 6) ** 2 <= 16),
        ),
        (
            {"ShutterShape": "POLYGONAL", "VerticesOfThePolygonalShutter": ["2", "3", "2", "10", "8", "10", "8", "3"]},
            inside(lambda x, y: (x >= 3) & (x <= 10) & (y >= 2) & (y <= 8)),
        ),
    ],
)  # fmt: skip
def test_a_shutter_covers_what_is_outside(
    says: dict[str, Any], is_open: Array, stored: Store, client: TestClient
) -> None:
    found = shown(client, pair(stored, ShutterPresentationValue=0x8000, **says))
    assert np.array_equal(found, np.where(is_open, VALUES, 128))


# Turns and area (C.10.6, C.10.4) --------------------------------------------------------------------------------------


@pytest.mark.parametrize("flip", ["N", "Y"])
@pytest.mark.parametrize("rotation", [0, 90, 180, 270])
def test_an_image_is_turned_clockwise_and_then_flipped(
    rotation: int, flip: str, stored: Store, client: TestClient
) -> None:
    truth = VALUES
    for _ in range(rotation // 90):
        truth = truth[::-1].T  # what was the left column is the top row, from bottom to top
    truth = truth[:, ::-1] if flip == "Y" else truth
    found = shown(client, pair(stored, ImageRotation=rotation, ImageHorizontalFlip=flip))
    assert np.array_equal(found, truth)


def test_the_displayed_area_is_cut_out(stored: Store, client: TestClient) -> None:
    says = {"DisplayedAreaSelectionSequence": area((3, 2), (10, 6))}
    assert np.array_equal(shown(client, pair(stored, **says)), VALUES[1:6, 2:10])
    turned = shown(client, pair(stored, ImageRotation=90, **says))
    assert np.array_equal(turned, VALUES[1:6, 2:10][::-1].T)


def test_corners_named_as_they_lie_after_a_flip_mean_the_same_area(stored: Store, client: TestClient) -> None:
    says = pair(stored, ImageHorizontalFlip="Y", DisplayedAreaSelectionSequence=area((10, 2), (3, 6)))
    assert np.array_equal(shown(client, says), VALUES[1:6, 2:10][:, ::-1])


def test_an_area_beyond_the_image_is_black_there(stored: Store, client: TestClient) -> None:
    says = pair(stored, DisplayedAreaSelectionSequence=area((-1, 0), (COLUMNS + 3, ROWS + 1)))
    truth = np.zeros((ROWS + 2, COLUMNS + 5), np.uint8)
    truth[1 : ROWS + 1, 2 : COLUMNS + 2] = VALUES
    assert np.array_equal(shown(client, says), truth)


def test_sizes_follow_magnification_aspect_and_viewport(stored: Store, client: TestClient) -> None:
    whole = ((1, 1), (COLUMNS, ROWS))
    doubled = area(*whole, PresentationSizeMode="MAGNIFY", PresentationPixelMagnificationRatio=2.0)
    assert shown(client, pair(stored, DisplayedAreaSelectionSequence=doubled)).shape == (24, 32)
    tall = pair(stored, DisplayedAreaSelectionSequence=area(*whole, PresentationPixelSpacing=["2", "1"]))
    assert shown(client, tall).shape == (24, 16)
    assert shown(client, tall, viewport="48,48").shape == (48, 32)
    aside = area(*whole, PresentationPixelAspectRatio=["2", "1"])
    assert shown(client, pair(stored, ImageRotation=90, DisplayedAreaSelectionSequence=aside)).shape == (16, 24)


# Marks (C.10.5) -------------------------------------------------------------------------------------------------------

BLACK = np.zeros((40, 60), np.uint16)


def marked(stored: Store, client: TestClient, *objects: Dataset, **says: Any) -> Array:
    """Where marks are on a black image of 40 rows and 60 columns."""
    ds = pair(stored, BLACK, GraphicAnnotationSequence=Sequence([annotation(*objects)]), **says)
    return shown(client, ds) > 0


def box(left: int, top: int, right: int, bottom: int, rows: int = 40, columns: int = 60) -> Array:
    """The outline of a box."""
    truth = np.zeros((rows, columns), bool)
    truth[[top, bottom], left : right + 1] = truth[top : bottom + 1, [left, right]] = True
    return truth


CORNERS = (10.5, 5.5, 30.5, 5.5, 30.5, 25.5, 10.5, 25.5, 10.5, 5.5)


def test_a_polyline_lies_on_the_pixels_that_it_names(stored: Store, client: TestClient) -> None:
    assert np.array_equal(marked(stored, client, shape("POLYLINE", *CORNERS)), box(10, 5, 30, 25))


def test_a_filled_polyline_is_filled(stored: Store, client: TestClient) -> None:
    found = marked(stored, client, shape("POLYLINE", *CORNERS, is_filled=True))
    assert found[5:26, 10:31].all()
    assert found.sum() == 21 * 21


def test_display_units_count_in_what_is_shown(stored: Store, client: TestClient) -> None:
    relative = [value for x, y in zip(CORNERS[::2], CORNERS[1::2], strict=True) for value in (x / 60, y / 40)]
    assert np.array_equal(marked(stored, client, shape("POLYLINE", *relative, units="DISPLAY")), box(10, 5, 30, 25))


def test_pixel_units_turn_with_the_image_and_display_units_do_not(stored: Store, client: TestClient) -> None:
    turned = marked(stored, client, shape("POLYLINE", *CORNERS), ImageRotation=90, ImageHorizontalFlip="Y")
    assert np.array_equal(turned, box(10, 5, 30, 25).T)
    fixed = [value for x, y in zip(CORNERS[::2], CORNERS[1::2], strict=True) for value in (x / 40, y / 60)]
    stays = marked(stored, client, shape("POLYLINE", *fixed, units="DISPLAY"), ImageRotation=180)
    assert np.array_equal(stays, marked(stored, client, shape("POLYLINE", *fixed, units="DISPLAY")))


def test_marks_move_with_the_displayed_area(stored: Store, client: TestClient) -> None:
    says = {"DisplayedAreaSelectionSequence": area((6, 4), (45, 33))}
    found = marked(stored, client, shape("POLYLINE", *CORNERS), **says)
    assert np.array_equal(found, box(5, 2, 25, 22, rows=30, columns=40))


def test_circle_and_ellipse_go_through_their_points(stored: Store, client: TestClient) -> None:
    rows, columns = np.mgrid[0:40, 0:60] + 0.5
    circle = marked(stored, client, shape("CIRCLE", 30, 20, 42, 20))
    far = np.hypot(columns - 30, rows - 20)
    assert np.abs(far[circle] - 12).max() <= 1.2
    assert circle[20, 41] | circle[20, 42]
    ellipse = marked(stored, client, shape("ELLIPSE", 10, 20, 50, 20, 30, 10, 30, 30))
    level = np.hypot((columns - 30) / 20, (rows - 20) / 10)
    assert np.abs(level[ellipse] - 1).max() <= 0.12
    assert ellipse[:, :12].any()
    assert ellipse[:12].any()
    assert min(circle.sum(), ellipse.sum()) > 40


def test_a_point_is_a_cross_at_its_place_and_a_curve_goes_through_its_points(stored: Store, client: TestClient) -> None:
    rows, columns = np.nonzero(marked(stored, client, shape("POINT", 20.5, 10.5)))
    assert (rows.mean(), columns.mean()) == (10, 20)
    curve = marked(stored, client, shape("INTERPOLATED", 5.5, 5.5, 20.5, 30.5, 50.5, 8.5))
    assert curve[5, 5] and curve[30, 20] and curve[8, 50]


def test_text_stands_in_its_box_and_at_its_anchor(stored: Store, client: TestClient) -> None:
    boxed = item(
        BoundingBoxAnnotationUnits="PIXEL", UnformattedTextValue="L", BoundingBoxTopLeftHandCorner=[20.0, 10.0],
        BoundingBoxBottomRightHandCorner=[50.0, 30.0], BoundingBoxTextHorizontalJustification="LEFT",
    )  # fmt: skip
    rows, columns = np.nonzero(marked(stored, client, boxed))
    assert 20 <= columns.min() <= columns.max() <= 35
    assert 10 <= rows.min() <= rows.max() <= 30
    right = item(**{each.keyword: each.value for each in boxed})
    right.BoundingBoxTextHorizontalJustification = "RIGHT"
    assert np.nonzero(marked(stored, client, right))[1].min() > 38
    anchored = item(
        AnchorPointAnnotationUnits="DISPLAY", UnformattedTextValue="R", AnchorPoint=[0.5, 0.5],
        AnchorPointVisibility="N",
    )  # fmt: skip
    rows, columns = np.nonzero(marked(stored, client, anchored))
    assert 30 <= columns.min() < 40
    assert abs(rows.mean() - 20) < 6


def test_layers_give_colour_and_order(stored: Store, client: TestClient) -> None:
    below, above = (shape("POLYLINE", *CORNERS, is_filled=True) for _ in range(2))
    layers = [layer("UPPER", 2, GraphicLayerRecommendedDisplayGrayscaleValue=0x4000),
              layer("LOWER", 1, GraphicLayerRecommendedDisplayGrayscaleValue=0xC000)]  # fmt: skip
    says = {"GraphicLayerSequence": Sequence(layers)}
    marks = Sequence([annotation(above, layer="UPPER"), annotation(below, layer="LOWER")])
    found = shown(client, pair(stored, BLACK, GraphicAnnotationSequence=marks, **says))
    assert set(np.unique(found)) == {0, 0x40}
    layers[0].GraphicLayerRecommendedDisplayCIELabValue = [0xFFFF * 53 // 100, 53457, 50115]  # red
    red = shown(client, pair(stored, BLACK, GraphicAnnotationSequence=marks, **says))
    assert red.shape == (40, 60, 3)
    assert red[10, 20, 0] > 180 > 80 > red[10, 20, 1:].max()


@pytest.mark.parametrize(
    ("lab", "rgb"),
    [
        ((65535, 32896, 32896), (255, 255, 255)),
        ((0, 32896, 32896), (0, 0, 0)),
        ((35000, 32896, 32896), (127, 127, 127)),
    ],
)
def test_neutral_colours_stay_neutral(lab: tuple[int, int, int], rgb: tuple[int, int, int]) -> None:
    assert np.abs(np.array(from_cielab(*lab)) - rgb).max() <= 2


COMPOUND = item(CompoundGraphicSequence=Sequence([item(CompoundGraphicType="ARROW")]))

# Which images ---------------------------------------------------------------------------------------------------------


def series(stored: Store, count: int) -> list[Dataset]:
    first = picture(VALUES * 0 + 10)
    rest = [
        picture(VALUES * 0 + 10 * number, StudyInstanceUID=first.StudyInstanceUID,
                SeriesInstanceUID=first.SeriesInstanceUID)
        for number in range(2, count + 1)
    ]  # fmt: skip
    return [stored(ds) for ds in (first, *rest)]


def test_several_images_come_as_their_middle_as_gif_or_in_parts(stored: Store, client: TestClient) -> None:
    slices = series(stored, 3)
    ds = stored(state(*slices))
    assert shown(client, ds).mean() == 20
    movie = Image.open(io.BytesIO(client.get(address(ds) + "/rendered", headers={"accept": "image/gif"}).content))
    assert movie.n_frames == 3
    parts = parts_of(client.get(address(ds) + "/rendered", headers={"accept": 'multipart/related; type="image/png"'}))
    assert [headers["content-location"].rpartition("/")[2] for headers, _ in parts] == [
        image.SOPInstanceUID for image in slices
    ]


def test_only_the_frames_that_a_state_names_are_shown(stored: Store, client: TestClient) -> None:
    cine = make.multi_frame(frames=4, rows=8)
    cine.BitsAllocated, cine.BitsStored, cine.HighBit = 8, 8, 7
    cine.PixelData = b"".join(bytes([50 * number]) * 64 for number in range(1, 5))
    stored(cine)
    assert shown(client, stored(state(cine, frames=(3,)))).mean() == 150


def test_a_state_whose_images_are_not_here_is_not_found(stored: Store, client: TestClient) -> None:
    answer = client.get(address(stored(state(picture()))) + "/rendered")
    assert answer.status_code == 404
    assert "none of the 1 images" in answer.json()["detail"]


@pytest.mark.parametrize(
    ("says", "status", "words"),
    [
        ({"SOPClassUID": "1.2.840.10008.5.1.4.1.1.11.8"}, 406, "Advanced Blending Presentation State"),
        ({"ShutterShape": "BITMAP", "ShutterOverlayGroup": 0x6000}, 406, "shutter of a bitmap"),
        ({"ImageRotation": 45}, 406, "45 degrees"),
        ({"DisplayedAreaSelectionSequence": area((1, 1), (2_000_000, 2))}, 406, "up to 16384"),
        ({"GraphicAnnotationSequence": Sequence([COMPOUND])}, 406, "compound graphic"),
    ],
)  # fmt: skip
def test_what_would_mislead_if_left_out_is_406(
    says: dict[str, Any], status: int, words: str, stored: Store, client: TestClient
) -> None:
    answer = client.get(address(pair(stored, **says)) + "/rendered")
    assert (answer.status_code, words in answer.json()["detail"]) == (status, True), answer.text


# Overlays, bitmaps, compound graphics, styles, pseudo-colour ----------------------------------------------------------

CROSS = np.zeros((4, 6), bool)
CROSS[1, :], CROSS[:, 2] = True, True


def overlay(
    ds: Dataset, group: int = 0x6000, origin: tuple[int, int] = (3, 5), planes: tuple[Array, ...] = (CROSS,)
) -> Dataset:
    """Put an overlay into a data set: its corner at (row, column) from 1."""
    base = group << 16
    ds.add_new(base | 0x0010, "US", planes[0].shape[0])
    ds.add_new(base | 0x0011, "US", planes[0].shape[1])
    if len(planes) > 1:
        ds.add_new(base | 0x0015, "IS", len(planes))
        ds.add_new(base | 0x0051, "US", 1)
    ds.add_new(base | 0x0040, "CS", "G")
    ds.add_new(base | 0x0050, "SS", list(origin))
    ds.add_new(base | 0x0100, "US", 1)
    ds.add_new(base | 0x0102, "US", 0)
    bits = np.packbits(np.concatenate([plane.ravel() for plane in planes]), bitorder="little").tobytes()
    ds.add_new(base | 0x3000, "OW", bits + bytes(len(bits) % 2))
    return ds


def activated(ds: Dataset, group: int = 0x6000) -> Dataset:
    ds.add_new(group << 16 | 0x1001, "CS", "LINES")
    ds.GraphicLayerSequence = Sequence([layer("LINES", 1, GraphicLayerRecommendedDisplayGrayscaleValue=0xC800)])
    return ds


def laid(mask: Array, top: int, left: int) -> Array:
    whole = np.zeros((ROWS, COLUMNS), bool)
    whole[top - 1 : top - 1 + mask.shape[0], left - 1 : left - 1 + mask.shape[1]] = mask[: ROWS - top + 1]
    return whole


def test_an_overlay_of_the_image_is_drawn_where_the_state_puts_it_into_a_layer(
    stored: Store, client: TestClient
) -> None:
    image = stored(overlay(picture()))
    truth = np.where(laid(CROSS, 3, 5), 200, VALUES)
    assert np.array_equal(shown(client, stored(activated(state(image)))), truth)
    assert np.array_equal(shown(client, stored(state(image))), VALUES)  # not named: not drawn
    turned = stored(activated(state(image, ImageRotation=90, ImageHorizontalFlip="N")))
    assert np.array_equal(shown(client, turned), np.rot90(truth, -1))


def test_an_overlay_of_the_state_is_drawn_instead_of_that_of_the_image(stored: Store, client: TestClient) -> None:
    image = stored(overlay(picture()))
    own = np.zeros((2, 3), bool)
    own[0, 1] = True
    ds = stored(activated(overlay(state(image), origin=(11, 1), planes=(own,))))
    assert np.array_equal(shown(client, ds), np.where(laid(own, 11, 1), 200, VALUES))


def test_each_frame_has_its_overlay(stored: Store, client: TestClient) -> None:
    planes = tuple(np.eye(3, dtype=bool)[:, [number]] @ np.ones((1, 3), bool) for number in range(3))
    image = picture(NumberOfFrames=3, PixelData=VALUES.tobytes() * 3)
    image = stored(overlay(image, origin=(1, 1), planes=planes))
    for number in (1, 3):
        ds = stored(activated(state(image, frames=(number,))))
        assert np.array_equal(shown(client, ds), np.where(laid(planes[number - 1], 1, 1), 200, VALUES))


@pytest.mark.parametrize("position", [9, 15])
def test_an_overlay_in_the_unused_bits_of_the_pixels_is_drawn(position: int, stored: Store, client: TestClient) -> None:
    where = np.random.default_rng(3).random(VALUES.shape) < 0.3
    image = picture(VALUES | where.astype(np.uint16) << position)
    for tag, vr, value in (
        (0x60000010, "US", ROWS), (0x60000011, "US", COLUMNS), (0x60000040, "CS", "G"), (0x60000050, "SS", [1, 1]),
        (0x60000100, "US", 16), (0x60000102, "US", position),
    ):  # fmt: skip
        image.add_new(tag, vr, value)
    ds = stored(activated(state(stored(image))))
    assert np.array_equal(shown(client, ds), np.where(where, 200, VALUES))


def test_an_overlay_in_bits_that_hold_values_is_406(stored: Store, client: TestClient) -> None:
    image = picture()
    image.add_new(0x60000100, "US", 16)
    image.add_new(0x60000102, "US", 7)
    answer = client.get(address(stored(activated(state(stored(image))))) + "/rendered")
    assert (answer.status_code, "Overlay Bit Position is 7; bits 8 to 15" in answer.json()["detail"]) == (406, True)


def test_a_shutter_of_a_bitmap_covers_what_it_sets(stored: Store, client: TestClient) -> None:
    says = {"ShutterShape": "BITMAP", "ShutterOverlayGroup": 0x6002, "ShutterPresentationValue": 0x4000}
    ds = stored(overlay(state(stored(picture()), **says), 0x6002))
    assert np.array_equal(shown(client, ds), np.where(laid(CROSS, 3, 5), 0x40, VALUES))


def test_a_compound_graphic_is_drawn_by_the_simple_ones_in_its_place(stored: Store, client: TestClient) -> None:
    line = shape("POLYLINE", 2.5, 2.5, 9.5, 2.5)
    line.CompoundGraphicInstanceID = 7
    made = annotation(line)
    made.CompoundGraphicSequence = Sequence([item(CompoundGraphicInstanceID=7, CompoundGraphicType="RULER")])
    ds = pair(stored, GraphicAnnotationSequence=Sequence([made]))
    assert (shown(client, ds)[2, 2:10] == 255).all()


def compound(kind: str, *points: float, **says: Any) -> Dataset:
    """An item of Graphic Annotation Sequence with a compound graphic and nothing in its place."""
    made = item(GraphicLayer="MARKS")
    graphic = item(
        CompoundGraphicInstanceID=1, CompoundGraphicType=kind, CompoundGraphicUnits="PIXEL", GraphicDimensions=2,
        NumberOfGraphicPoints=len(points) // 2, GraphicData=list(points), **says,
    )  # fmt: skip
    made.CompoundGraphicSequence = Sequence([graphic])
    return made


@pytest.mark.parametrize(
    ("graphic", "alike"),
    [
        (compound("RECTANGLE", 10.5, 5.5, 30.5, 25.5), [shape("POLYLINE", *CORNERS)]),
        (
            compound("RECTANGLE", 20.5, 5.5, 40.5, 15.5, RotationAngle=90.0, RotationPoint=[30.5, 20.5]),
            [shape("POLYLINE", 15.5, 10.5, 25.5, 10.5, 25.5, 30.5, 15.5, 30.5, 15.5, 10.5)],
        ),
        (compound("ELLIPSE", 10.0, 10.0, 50.0, 30.0), [shape("ELLIPSE", 10, 20, 50, 20, 30, 10, 30, 30)]),
        (compound("INFINITELINE", 20.5, 12.5, 25.5, 12.5), [shape("POLYLINE", 0.5, 12.5, 59.5, 12.5)]),
        (
            compound("MULTILINE", 2.5, 3.5, 9.5, 3.5, 30.5, 5.5, 30.5, 20.5),
            [shape("POLYLINE", 2.5, 3.5, 9.5, 3.5), shape("POLYLINE", 30.5, 5.5, 30.5, 20.5)],
        ),
    ],
)  # fmt: skip
def test_a_compound_graphic_alone_is_drawn_where_the_standard_says_how(
    graphic: Dataset, alike: list[Dataset], stored: Store, client: TestClient
) -> None:
    """A turn by 90 degrees about (30.5, 20.5), counterclockwise: what lay right of and above it lies left and above."""
    found = shown(client, pair(stored, BLACK, GraphicAnnotationSequence=Sequence([graphic]))) > 0
    assert np.array_equal(found, marked(stored, client, *alike))


def test_the_colour_of_an_object_wins_over_that_of_its_layer(stored: Store, client: TestClient) -> None:
    line = shape("POLYLINE", 2.5, 2.5, 9.5, 2.5)
    line.LineStyleSequence = Sequence([item(PatternOnColorCIELabValue=[65535, 32896, 32896])])
    layers = Sequence([layer("MARKS", 1, GraphicLayerRecommendedDisplayGrayscaleValue=0x4000)])
    ds = pair(stored, GraphicAnnotationSequence=Sequence([annotation(line)]), GraphicLayerSequence=layers)
    assert (shown(client, ds)[2, 2:10] >= 254).all()


def test_a_pseudo_colour_state_colours_what_its_window_gives(stored: Store, client: TestClient) -> None:
    ds = state(stored(picture()), SOPClassUID="1.2.840.10008.5.1.4.1.1.11.3")
    del ds.PresentationLUTShape
    levels = np.arange(256, dtype=np.uint16)
    for name, entries in (("Red", levels), ("Green", 255 - levels), ("Blue", levels // 2)):
        setattr(ds, f"{name}PaletteColorLookupTableDescriptor", [256, 0, 16])
        setattr(ds, f"{name}PaletteColorLookupTableData", (entries * 257).tobytes())
    truth = np.stack([VALUES, 255 - VALUES, VALUES // 2], axis=-1)
    assert np.array_equal(shown(client, stored(ds)), truth)


@pytest.mark.parametrize("query", ["window=1,2,linear", "viewport=10,10,1,1,5,5"])
def test_a_window_or_region_beside_a_state_is_refused(query: str, stored: Store, client: TestClient) -> None:
    assert client.get(f"{address(pair(stored))}/rendered?{query}").status_code == 400


def test_more_marks_than_allowed_are_refused(stored: Store, client: TestClient, archive: Archive) -> None:
    archive.settings = archive.settings.model_copy(update={"presentation_marks_max": 2})
    marks = Sequence([annotation(*(shape("POINT", 1.5, 1.5) for _ in range(3)))])
    answer = client.get(address(pair(stored, GraphicAnnotationSequence=marks)) + "/rendered")
    assert (answer.status_code, "more than 2" in answer.json()["detail"]) == (406, True)


@pytest.mark.parametrize(
    "says",
    [
        {"ImageRotation": 90, "ImageHorizontalFlip": "Y"},
        {"ImageRotation": 270, "ImageHorizontalFlip": "N", "PresentationLUTShape": "INVERSE"},
    ],
)
def test_dcmtk_shows_a_real_image_the_same(
    says: dict[str, Any], stored: Store, client: TestClient, tmp_path: Path
) -> None:
    """DCMTK's dcmp2pgm writes the image as transformed; shutters and annotation it leaves to viewers."""
    file = pydicom_file("CT_small.dcm")
    voi = window(40, 400, "LINEAR")
    del voi[0].VOILUTFunction  # DCMTK knows no other
    ds = state(
        stored(file.read_bytes()), SoftcopyVOILUTSequence=voi, RescaleSlope="1", RescaleIntercept="-1024",
        DisplayedAreaSelectionSequence=area((1, 1), (128, 128), PresentationPixelAspectRatio=["1", "1"]),
        RescaleType="HU",
        PresentationCreationDate="20240101", PresentationCreationTime="120000", ContentCreatorName="", **says,
    )  # fmt: skip
    (tmp_path / "state.dcm").write_bytes(make.part10(ds))
    subprocess.run(["dcmp2pgm", "-p", tmp_path / "state.dcm", file, tmp_path / "truth.pgm"], check=True)
    truth = np.asarray(Image.open(tmp_path / "truth.pgm")).astype(int)
    assert np.abs(shown(client, stored(ds)) - truth).max() <= 1
