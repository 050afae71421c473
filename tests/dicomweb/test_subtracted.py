"""Presentation states of runs of frames: mask subtraction (PS3.3 C.7.6.10, C.11.13) and XA/XRF states (A.33.6)."""

from __future__ import annotations

import io
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image
from pydicom import Dataset
from pydicom.sequence import Sequence
from starlette.testclient import TestClient

import dciodvfy
import make
from answers import address
from filmless.archive import Archive
from filmless.dicom.iods import required_of
from presenting import XA, angiogram, area, item, masked, reference, state, window

Store = Callable[..., Dataset]
Array = np.ndarray[Any, Any]

XA_XRF = "1.2.840.10008.5.1.4.1.1.11.5"
ROWS, COLUMNS, TOP = 9, 12, 4095
RUN = np.random.default_rng(5).integers(200, TOP, (6, ROWS, COLUMNS)).astype(np.float64)
"""Six frames of 12 bits; in the tests frame 1 is RUN[0]."""


def run(values: Array = RUN, **says: Any) -> Dataset:
    return angiogram(values, **says)


def through(values: Array, low: float = -TOP, high: float = TOP) -> Array:
    """What a window of these ends shows."""
    return np.floor(np.clip((values - low) / (high - low), 0, 1) * 255 + 0.5)


def shown(client: TestClient, ds: Dataset) -> Array:
    answer = client.get(address(ds) + "/rendered", params={"accept": "image/png"})
    assert answer.status_code == 200, answer.text
    return np.asarray(Image.open(io.BytesIO(answer.content)))


def frame(stored: Store, client: TestClient, number: int, image: Dataset | None = None, **says: Any) -> Array:
    """Frame `number` of a run as a state shows it."""
    return shown(client, stored(state(stored(image or run()), frames=(number,), **says)))


def down(values: Array, distance: float) -> Array:
    """Move down by that many pixels, between two of them in between, the edge repeated."""
    whole, share = int(np.floor(distance)), distance - np.floor(distance)

    def moved(by: int) -> Array:
        padded = np.pad(values, ((20, 20), (0, 0)), mode="edge")
        return padded[20 - by : 20 - by + len(values)]

    return moved(whole) * (1 - share) + moved(whole + 1) * share


# Mask of a Grayscale Softcopy Presentation State -----------------------------------------------------------------


def test_a_mask_is_subtracted_and_nothing_differing_is_mid_grey(stored: Store, client: TestClient) -> None:
    assert np.array_equal(frame(stored, client, 4, **masked()), through(RUN[3] - RUN[0]))
    assert (frame(stored, client, 1, **masked()) == 128).all()


def test_frames_of_mask_and_contrast_are_averaged(stored: Store, client: TestClient) -> None:
    says = masked(MaskFrameNumbers=[1, 3], ContrastFrameAveraging=2)
    truth = RUN[3:5].mean(axis=0) - RUN[[0, 2]].mean(axis=0)
    assert np.array_equal(frame(stored, client, 4, **says), through(truth))


def test_without_its_followers_to_average_a_frame_is_not_subtracted(stored: Store, client: TestClient) -> None:
    """Without an Applicable Frame Range it ends at the last frame whose average is whole (C.7.6.10.1.1)."""
    says = masked(ContrastFrameAveraging=2)
    assert np.array_equal(frame(stored, client, 6, **says), through(RUN[5], 0))


@pytest.mark.parametrize(("offset", "mask"), [({}, 3), ({"TIDOffset": 2}, 2), ({"TIDOffset": -1}, 5)])
def test_the_mask_of_a_time_interval_difference_moves_with_the_frame(
    offset: dict[str, int], mask: int, stored: Store, client: TestClient
) -> None:
    truth = through(RUN[3] - RUN[mask - 1])
    assert np.array_equal(frame(stored, client, 4, **masked("TID", **offset)), truth)
    outside = {2: 2, 3: 1, 5: 6}[mask] if offset else 1
    assert np.array_equal(frame(stored, client, outside, **masked("TID", **offset)), through(RUN[outside - 1], 0))


def test_the_mask_of_a_reversed_difference_moves_against_the_frame(stored: Store, client: TestClient) -> None:
    says = masked("REV_TID", ApplicableFrameRange=[4, 5], TIDOffset=1)
    assert np.array_equal(frame(stored, client, 4, **says), through(RUN[3] - RUN[2]))
    assert np.array_equal(frame(stored, client, 5, **says), through(RUN[4] - RUN[1]))
    assert np.array_equal(frame(stored, client, 3, **says), through(RUN[2], 0))


@pytest.mark.parametrize("shift", [(2.0, 0.0), (0.0, 3.0), (-1.0, -2.0), (0.5, 0.25), (-1.75, 2.5), (0.0, -40.0)])
def test_a_mask_moves_down_and_to_the_left(shift: tuple[float, float], stored: Store, client: TestClient) -> None:
    """A positive column shift is one to the left (C.7.6.10.1.2), against all habit."""
    rows, columns = shift
    moved = np.pad(RUN[0], ((0, 0), (50, 50)), mode="edge")
    moved = down(moved.T, -columns).T[:, 50:-50] if abs(columns) < 20 else np.repeat(RUN[0][:, :1], COLUMNS, axis=1)
    truth = through(RUN[3] - down(moved, rows))
    found = frame(stored, client, 4, **masked(MaskSubPixelShift=[rows, columns]))
    assert np.abs(found - truth).max() <= (0 if all(float(each).is_integer() for each in shift) else 1)


def test_a_window_of_the_state_is_one_of_differences(stored: Store, client: TestClient) -> None:
    says = {**masked(), "SoftcopyVOILUTSequence": window(-100, 800), "PresentationLUTShape": "INVERSE"}
    truth = 255 - through(RUN[3] - RUN[0], -500, 300)
    assert np.abs(frame(stored, client, 4, **says) - truth).max() <= 1


def test_a_voi_lut_of_differences_begins_below_zero(stored: Store, client: TestClient) -> None:
    entries = np.linspace(0, 255, 1001).astype(np.uint16)
    lut = item(LUTDescriptor=[1001, -500, 8], LUTData=entries.tobytes())
    lut["LUTDescriptor"].VR, lut["LUTData"].VR = "SS", "OW"
    says = {**masked(), "SoftcopyVOILUTSequence": Sequence([item(VOILUTSequence=Sequence([lut]))])}
    truth = entries[np.clip(RUN[3] - RUN[0] + 500, 0, 1000).astype(int)]
    assert np.array_equal(frame(stored, client, 4, **says), truth)


def test_values_linear_to_the_intensity_are_subtracted_as_logarithms(stored: Store, client: TestClient) -> None:
    linear = run(PixelIntensityRelationship="LIN")
    logarithms = np.log2(1 + RUN) * TOP / 12
    found = frame(stored, client, 4, linear, **masked())
    assert np.abs(found - through(logarithms[3] - logarithms[0])).max() <= 1
    even = RUN[0] // 2 * 2
    twice = run(np.stack([even, even / 2]), PixelIntensityRelationship="LIN")
    half = frame(stored, client, 2, twice, **masked(), SoftcopyVOILUTSequence=window(-TOP / 12, 40))
    assert np.ptp(half) <= 18  # half the intensity is the same difference everywhere, but for the 1 that is added


def test_the_modality_lut_of_a_state_leads_to_logarithms(stored: Store, client: TestClient) -> None:
    entries = (np.sqrt(np.arange(TOP + 1) / TOP) * 1023).astype(np.uint16)
    lut = item(LUTDescriptor=[TOP + 1, 0, 10], LUTData=entries.tobytes(), ModalityLUTType="US")
    lut["LUTDescriptor"].VR, lut["LUTData"].VR = "US", "OW"
    says = {**masked(), "ModalityLUTSequence": Sequence([lut])}
    values = entries[RUN.astype(int)].astype(np.float64)
    found = frame(stored, client, 4, run(PixelIntensityRelationship="LIN"), **says)
    assert np.array_equal(found, through(values[3] - values[0], -1023, 1023))


def test_an_image_by_itself_is_shown_as_it_is_stored(stored: Store, client: TestClient) -> None:
    """The recommendation of the image, to subtract, is one for viewers."""
    mask = Sequence([item(MaskOperation="AVG_SUB", MaskFrameNumbers=[1])])
    ds = stored(
        run(MaskSubtractionSequence=mask, WindowCenter="2047.5", WindowWidth="4095", VOILUTFunction="LINEAR_EXACT")
    )
    answer = client.get(f"{address(ds)}/frames/4/rendered", params={"accept": "image/png"})
    assert np.array_equal(np.asarray(Image.open(io.BytesIO(answer.content))), through(RUN[3], 0))


# XA/XRF Grayscale Softcopy Presentation State ------------------------------------------------------------------------


def xa_state(image: Dataset, *, frames: tuple[int, ...] = (), mask: Dataset | None = None, **says: Any) -> Dataset:
    """An XA/XRF Grayscale Softcopy Presentation State with all that its modules need."""
    ds = state(image, frames=frames, SOPClassUID=XA_XRF, ContentDescription="", ContentCreatorName="", **says)
    ds.PresentationCreationDate, ds.PresentationCreationTime = "20240101", "120000"
    ds.ManufacturerModelName, ds.DeviceSerialNumber, ds.SoftwareVersions = "Test", "1", "1"
    ds.setdefault(
        "DisplayedAreaSelectionSequence", area((1, 1), (COLUMNS, ROWS), PresentationPixelAspectRatio=["1", "1"])
    )
    ds.ReferencedSeriesSequence[0].ReferencedImageSequence[0].ReferencedSOPClassUID = XA
    if mask is not None:
        mask.setdefault("MaskOperation", "AVG_SUB")
        mask.setdefault("MaskFrameNumbers", [1])
        mask.setdefault("PixelShiftSequence", Sequence([pixel_shift((1, 6), item(MaskSubPixelShift=[0.0, 0.0]))]))
        ds.MaskSubtractionSequence = Sequence([mask])
    return ds


def pixel_shift(frames: tuple[int, int], *regions: Dataset) -> Dataset:
    return item(PixelShiftFrameRange=list(frames), RegionPixelShiftSequence=Sequence(regions))


def displayed(*ranges: dict[str, Any]) -> dict[str, Any]:
    """How ranges of frames are displayed: each with StartTrim, StopTrim, and what differs."""
    usual = {
        "SkipFrameRangeFlag": "DISPLAY", "RecommendedDisplayFrameRateInFloat": 5.0, "RecommendedViewingMode": "NAT",
        "DisplayFilterPercentage": 0.0,
    }  # fmt: skip
    items = Sequence([item(**{**usual, **each}) for each in ranges])
    return {"MultiFramePresentationSequence": Sequence([item(FrameDisplaySequence=items)])}


def test_each_frame_has_the_mask_of_its_range(stored: Store, client: TestClient) -> None:
    image = stored(run())
    says = Sequence([item(MaskOperation="AVG_SUB", MaskFrameNumbers=[1], ApplicableFrameRange=[2, 3]),
                     item(MaskOperation="AVG_SUB", MaskFrameNumbers=[4], ApplicableFrameRange=[5, 6])])  # fmt: skip
    for number, mask in ((3, 1), (6, 4)):
        ds = stored(xa_state(image, frames=(number,), MaskSubtractionSequence=says))
        assert np.array_equal(shown(client, ds), through(RUN[number - 1] - RUN[mask - 1]))
    ds = stored(xa_state(image, frames=(4,), MaskSubtractionSequence=says))
    assert np.array_equal(shown(client, ds), through(RUN[3], 0))


def test_regions_of_a_frame_have_their_own_shifts_and_the_last_wins(stored: Store, client: TestClient) -> None:
    image = stored(run())
    first = item(MaskSubPixelShift=[1.0, 0.0], VerticesOfTheRegion=[1, 1, 1, 8, 6, 8, 6, 1])
    second = item(MaskSubPixelShift=[0.0, -2.0], VerticesOfTheRegion=[4, 4, 4, 10, 8, 10, 8, 4])
    shifts = Sequence([pixel_shift((1, 3), item(MaskSubPixelShift=[5.0, 5.0])), pixel_shift((4, 6), first, second)])
    truth = RUN[3] - RUN[0]
    truth[:6, :8] = (RUN[3] - down(RUN[0], 1))[:6, :8]
    truth[3:8, 3:10] = (RUN[3] - down(np.ascontiguousarray(RUN[0].T), 2).T)[3:8, 3:10]
    found = shown(client, stored(xa_state(image, frames=(4,), mask=item(PixelShiftSequence=shifts))))
    assert np.array_equal(found, through(truth))


def test_a_share_of_the_mask_stays_visible(stored: Store, client: TestClient) -> None:
    """Psub = Pcontrast - (1 - X / 100) Pmask (C.8.19.7.1)."""
    each = {"StartTrim": 1, "StopTrim": 6, "RecommendedViewingMode": "SUB", "MaskVisibilityPercentage": 25.0}
    ds = stored(xa_state(stored(run()), frames=(4,), mask=item(), **displayed(each)))
    assert np.array_equal(shown(client, ds), through(RUN[3] - 0.75 * RUN[0], -0.75 * TOP, TOP))


def test_ranges_are_subtracted_shown_as_they_are_or_skipped_at_their_pace(stored: Store, client: TestClient) -> None:
    image = stored(run())
    says = displayed(
        {"StartTrim": 1, "StopTrim": 2, "SkipFrameRangeFlag": "SKIP"},
        {"StartTrim": 3, "StopTrim": 4, "RecommendedDisplayFrameRateInFloat": 10.0},
        {"StartTrim": 5, "StopTrim": 6, "RecommendedViewingMode": "SUB", "MaskVisibilityPercentage": 0.0},
    )
    ds = stored(xa_state(image, mask=item(), **says))
    movie = Image.open(io.BytesIO(client.get(address(ds) + "/rendered", headers={"accept": "image/gif"}).content))
    truth = [through(RUN[2], 0), through(RUN[3], 0), through(RUN[4] - RUN[0]), through(RUN[5] - RUN[0])]
    assert movie.n_frames == 4
    for index, expected in enumerate(truth):
        movie.seek(index)
        assert movie.info["duration"] == (100 if index < 2 else 200)
        assert np.abs(np.asarray(movie.convert("L")).astype(int) - expected).max() <= 1


def test_edges_are_enhanced_by_as_much_as_the_state_says(stored: Store, client: TestClient) -> None:
    each = {"StartTrim": 1, "StopTrim": 6, "DisplayFilterPercentage": 60.0}
    padded = np.pad(RUN[3], 1, mode="edge")
    around = sum(padded[row : row + ROWS, column : column + COLUMNS] for row in range(3) for column in range(3)) / 9
    found = shown(client, stored(xa_state(stored(run()), frames=(4,), **displayed(each))))
    assert np.abs(found - through(RUN[3] + 0.6 * (RUN[3] - around), 0)).max() <= 1


def test_frames_have_their_own_table_to_logarithms(stored: Store, client: TestClient) -> None:
    tables = []
    for power, frames in ((0.5, [1, 3]), (0.25, [4, 6])):
        entries = ((np.arange(TOP + 1) / TOP) ** power * TOP).astype(np.uint16)
        lut = item(
            LUTDescriptor=[TOP + 1, 0, 12], LUTData=entries.tobytes(), LUTFunction="TO_LOG", LUTFrameRange=frames
        )
        lut["LUTDescriptor"].VR, lut["LUTData"].VR = "US", "OW"
        tables.append((entries, lut))
    mask = item(PixelIntensityRelationshipLUTSequence=Sequence([lut for _, lut in tables]))
    truth = tables[1][0][RUN[3].astype(int)] - tables[0][0][RUN[0].astype(int)].astype(np.float64)
    image = stored(run(PixelIntensityRelationship="LIN"))
    assert np.array_equal(shown(client, stored(xa_state(image, frames=(4,), mask=mask))), through(truth))


def test_each_frame_has_its_shutter(stored: Store, client: TestClient) -> None:
    image = stored(run())
    edges = {"ShutterShape": "RECTANGULAR", "ShutterLeftVerticalEdge": "3", "ShutterRightVerticalEdge": "9",
             "ShutterUpperHorizontalEdge": "2", "ShutterLowerHorizontalEdge": "7"}  # fmt: skip
    own = item(ReferencedImageSequence=Sequence([reference(image, 4)]), ShutterPresentationValue=0x4000, **edges)
    says = {"FrameDisplayShutterSequence": Sequence([own]), "ShutterPresentationValue": 0xFFFF}
    truth = np.full((ROWS, COLUMNS), 0x40)
    truth[1:7, 2:9] = through(RUN[3], 0)[1:7, 2:9]
    assert np.array_equal(shown(client, stored(xa_state(image, frames=(4,), **says))), truth)
    assert np.array_equal(shown(client, stored(xa_state(image, frames=(5,), **says))), through(RUN[4], 0))


# What makes no sense, and what would be too much ---------------------------------------------------------------------


@pytest.mark.parametrize(
    ("mask", "words"),
    [
        ({"MaskOperation": "HALF"}, "Mask Operation (0028,6101)"),
        ({"MaskFrameNumbers": []}, "Mask Frame Numbers (0028,6110) is missing"),
        ({"MaskFrameNumbers": [7]}, "frame 7, of an image of 6"),
        ({"MaskSubPixelShift": [float("nan"), 0.0]}, "Mask Sub-pixel Shift (0028,6114)"),
        ({"MaskOperation": "REV_TID"}, "Applicable Frame Range (0028,6102) is missing"),
        ({"ApplicableFrameRange": [5, 3]}, "Applicable Frame Range (0028,6102) is 5\\3"),
        ({"MaskFrameNumbers": [1, 2, 3, 5]}, "5 frames; up to 4"),
    ],
)
def test_a_mask_that_makes_no_sense_is_406_and_says_which_attribute(
    mask: dict[str, Any], words: str, stored: Store, client: TestClient, archive: Archive
) -> None:
    archive.settings = archive.settings.model_copy(update={"presentation_frames_max": 4})
    ds = stored(state(stored(run()), frames=(4,), **masked(**mask)))
    answer = client.get(address(ds) + "/rendered")
    assert (answer.status_code, words in answer.json()["detail"]) == (406, True), answer.text


def test_a_mask_of_an_image_in_colour_is_406(stored: Store, client: TestClient) -> None:
    ds = stored(state(stored(make.color(frames=3)), frames=(2,), **masked()))
    answer = client.get(address(ds) + "/rendered")
    assert (answer.status_code, "in colour" in answer.json()["detail"]) == (406, True)


def test_what_these_tests_render_is_valid(tmp_path: Path) -> None:
    """dciodvfy knows Grayscale Softcopy Presentation States; of XA/XRF ones it knows no IOD, so tables are asked."""
    image = run()
    says = masked(MaskSubPixelShift=[0.5, 1.0], ContrastFrameAveraging=1)
    ds = state(image, frames=(4,), ContentDescription="", ContentCreatorName="", **says)
    ds.PresentationCreationDate, ds.PresentationCreationTime = "20240101", "120000"
    ds.DisplayedAreaSelectionSequence = area((1, 1), (COLUMNS, ROWS), PresentationPixelAspectRatio=["1", "1"])
    ds.Laterality = ""
    ds.RescaleIntercept, ds.RescaleSlope, ds.RescaleType = "0", "1", "US"
    (tmp_path / "state.dcm").write_bytes(make.part10(ds))
    assert dciodvfy.errors_of(tmp_path / "state.dcm") == []
    xa = xa_state(image, mask=item(), **displayed({"StartTrim": 1, "StopTrim": 6}))
    required = required_of(XA_XRF)
    assert required is not None
    assert [tag for tag in required.type_1 if int(tag, 16) not in xa or xa[int(tag, 16)].is_empty] == []
    assert [tag for tag in required.type_2 if int(tag, 16) not in xa] == []
