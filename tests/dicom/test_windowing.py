"""PS3.3 C.11.1, C.11.2, C.7.6.3.1.5, C.7.9.2: stored values become what a screen shows."""

from __future__ import annotations

import struct
import warnings
from pathlib import Path
from typing import Any

import numpy as np
import pydicom
import pytest
from pydicom import Dataset, Sequence
from pydicom.pixels.processing import apply_color_lut, apply_modality_lut, apply_voi_lut

import make
from filmless.dicom import windowing
from filmless.dicom.scanner import scan
from filmless.dicom.windowing import Display, Window, apply_window, read_display, to_display
from filmless.errors import FilmlessError, Refused
from real_files import real_files


def read(ds: Dataset, **options: Any) -> Display:
    return read_display(scan(make.part10(ds, **options)))


def lut_item(descriptor: list[int], data: bytes, vr: str = "US") -> Dataset:
    item = Dataset()
    item.add_new(0x00283002, vr, descriptor)
    item.add_new(0x00283006, "OW", data)
    return item


def test_linear_follows_the_pseudo_code_of_the_standard() -> None:
    # PS3.3 C.11.2.1.2.1, its own example: center 2048, width 4096.
    window = Window(2048, 4096)
    values = np.array([-1.0, 0.0, 2047.5, 4095.0, 5000.0])
    assert apply_window(values, window).tolist() == [0, 0, 128, 255, 255]


def test_a_linear_width_of_one_is_a_threshold() -> None:
    assert apply_window(np.array([99.4, 99.5, 99.6]), Window(100, 1)).tolist() == [0, 0, 255]


def test_linear_exact_has_no_half_pixel_shift() -> None:
    assert apply_window(np.array([0.0, 50.0, 100.0]), Window(50, 100, "LINEAR_EXACT")).tolist() == [0, 128, 255]


def test_sigmoid_is_half_at_its_center() -> None:
    shown = apply_window(np.array([-1e9, 40.0, 1e9]), Window(40, 400, "SIGMOID"))
    assert shown.tolist() == [0, 128, 255]


def test_a_width_that_is_not_above_zero_is_refused() -> None:
    with pytest.raises(Refused, match="WindowWidth is 0"):
        apply_window(np.array([1.0]), Window(0, 0))


def test_a_window_of_width_zero_in_a_file_is_passed_over() -> None:
    assert read(make.ct_slice(WindowCenter="40", WindowWidth="0")).windows == ()


def test_the_rescaled_value_goes_through_the_window() -> None:
    display = Display(bits_stored=16, slope=2, intercept=-1000, windows=(Window(0, 101),))
    stored = np.array([[450, 500, 550]], np.uint16)
    assert to_display(stored, display).tolist() == [[0, 129, 255]]


def test_monochrome1_is_inverted() -> None:
    display = Display("MONOCHROME1", windows=(Window(127.5, 255, "LINEAR_EXACT"),))
    assert to_display(np.array([[0, 255]], np.uint8), display).tolist() == [[255, 0]]


def test_a_window_that_is_asked_for_wins_over_that_of_the_data_set() -> None:
    display = Display(windows=(Window(1000, 2),))
    shown = to_display(np.array([[0, 255]], np.uint8), display, Window(127.5, 255, "LINEAR_EXACT"))
    assert shown.tolist() == [[0, 255]]


def test_values_below_and_above_a_modality_lut_take_its_ends() -> None:
    ds = make.ct_slice(rows=2, PixelRepresentation=0)
    ds.ModalityLUTSequence = Sequence([lut_item([3, 10, 16], struct.pack("<3H", 100, 200, 300))])
    display = read(ds)
    assert display.modality_lut is not None
    assert windowing.modality_values(np.array([0, 10, 11, 12, 99]), display).tolist() == [100, 100, 200, 300, 300]


def test_a_voi_lut_wins_over_the_window_beside_it() -> None:
    ds = make.ct_slice(rows=2, WindowCenter="40", WindowWidth="400", RescaleSlope="1", RescaleIntercept="0")
    ds.VOILUTSequence = Sequence([lut_item([4, 0, 8], struct.pack("<4H", 255, 128, 64, 0))])
    assert to_display(np.array([[0, 1, 2, 3, 9]], np.int16), read(ds)).tolist() == [[255, 128, 64, 0, 0]]


def test_eight_bit_images_without_a_window_are_shown_as_they_are() -> None:
    array = np.arange(256, dtype=np.uint8).reshape(16, 16)
    assert np.array_equal(to_display(array, Display(bits_stored=8)), array)


def test_padding_does_not_take_the_contrast_from_the_rest() -> None:
    array = np.full((64, 64), -2000, np.int16)
    array[20:40, 20:40] = np.arange(400).reshape(20, 20)
    shown = to_display(array, Display(bits_stored=16, padding=(-2000, -2000)))
    assert shown[20, 20] < 5
    assert shown[39, 39] > 250


def test_float_pixels_are_shown() -> None:
    shown = to_display(np.linspace(0, 1, 100, dtype=np.float32).reshape(10, 10), Display(bits_stored=32))
    assert (shown.min(), shown.max()) == (0, 255)


def test_not_a_number_is_black_and_harms_nothing() -> None:
    array = np.array([[np.nan, 0, 0.5, 1]], np.float32)
    assert to_display(array, Display(bits_stored=32))[0, 0] == 0


def test_a_constant_image_is_shown() -> None:
    assert to_display(np.full((4, 4), 700, np.uint16), Display(bits_stored=16)).shape == (4, 4)


def test_windows_of_multi_frame_images_come_from_the_functional_groups() -> None:
    ds = make.multi_frame(frames=2, WindowCenter=None, WindowWidth=None)
    groups = []
    for center in (10, 20):
        voi, values, group = Dataset(), Dataset(), Dataset()
        voi.WindowCenter, voi.WindowWidth = str(center), "50"
        values.RescaleIntercept, values.RescaleSlope, values.RescaleType = "-5", "3", "US"
        group.FrameVOILUTSequence, group.PixelValueTransformationSequence = Sequence([voi]), Sequence([values])
        groups.append(group)
    ds.PerFrameFunctionalGroupsSequence = Sequence(groups)
    header = scan(make.part10(ds))
    display = read_display(header, 2)
    assert display.windows == (Window(20, 50),)
    assert (display.slope, display.intercept) == (3, -5)


def expand(segments: list[int]) -> list[int]:
    return windowing._expand(segments, is_bytes=False)


def test_segmented_palettes_expand_as_the_standard_says() -> None:
    # PS3.3 C.7.9.2: discrete, then linear to an end value, then the first two segments once more.
    discrete, linear = [0, 2, 5, 10], [1, 4, 50]
    indirect = [2, 2, 0, 0]
    assert expand(discrete + linear) == [5, 10, 20, 30, 40, 50]
    assert expand(discrete + linear + indirect) == [5, 10, 20, 30, 40, 50, 5, 10, 20, 30, 40, 50]


def test_a_segmented_palette_that_refers_to_itself_ends() -> None:
    with pytest.raises(Refused):
        expand([0, 1, 7, 2, 2, 0, 0])


def test_a_segmented_palette_cannot_grow_without_bound() -> None:
    assert len(expand([0, 1, 0, *[1, 65535, 1] * 50])) <= 1 << 16


def _images() -> list[Path]:
    found = []
    for path in real_files():
        try:
            header = scan(path.read_bytes())
        except FilmlessError:
            continue
        if header.pixel_data is not None and header.integer(0x00280010):
            found.append(path)
    return found


@pytest.mark.parametrize("path", _images(), ids=lambda path: path.name)
def test_windows_and_palettes_of_real_files_equal_pydicoms(path: Path) -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        ds = pydicom.dcmread(path, force=True)
        try:
            array = ds.pixel_array
        except Exception:
            pytest.skip("pydicom does not read it")
        if int(ds.get("NumberOfFrames", 1) or 1) > 1:
            array = array[0]
        display = read_display(scan(path.read_bytes()))
        shown = to_display(array, display)
        if display.palette is not None:
            expected = apply_color_lut(array, ds)
            assert np.array_equal(shown, expected >> 8 if expected.max() > 255 else expected)
            return
        if not (display.windows or display.voi_luts) or array.ndim == 3 or "WindowWidth" not in ds:
            assert shown.dtype == np.uint8
            return
        values = apply_voi_lut(apply_modality_lut(array, ds), ds).astype(np.float64)
    low, high = 0.0, float((1 << display.voi_luts[0].bits) - 1) if display.voi_luts else 0.0
    if not display.voi_luts:
        low, high = (-(1 << (ds.BitsStored - 1)), (1 << (ds.BitsStored - 1)) - 1) if ds.PixelRepresentation else (
            0, (1 << ds.BitsStored) - 1
        )  # fmt: skip
        low, high = low * display.slope + display.intercept, high * display.slope + display.intercept
    expected = (values - low) / (high - low) * 255
    if display.photometric_interpretation == "MONOCHROME1":
        expected = 255 - expected
    assert np.abs(expected - shown).max() < 1
