"""Pictures: size, region, files. Pillow, another implementation, reads what we write."""

from __future__ import annotations

import io
from typing import Any

import numpy as np
import pytest
from PIL import Image

from filmless.dicom import rendering
from filmless.dicom.rendering import GIF, JPEG, PNG, Viewport, to_viewport
from filmless.errors import NotAcceptable, Refused


def slope(rows: int, columns: int) -> np.ndarray[Any, Any]:
    y, x = np.mgrid[:rows, :columns]
    return ((np.sin(x / 9) + np.cos(y / 7)) * 60 + 120).astype(np.uint8)


def opened(data: bytes) -> Image.Image:
    return Image.open(io.BytesIO(data))


@pytest.mark.parametrize("size", [(32, 32), (57, 91), (199, 301), (400, 600)])
def test_scaling_equals_pillows(size: tuple[int, int]) -> None:
    image = slope(200, 300)
    expected = np.asarray(Image.fromarray(image).resize(size[::-1], Image.Resampling.BILINEAR)).astype(int)
    found = rendering.resize(image, *size).astype(int)
    assert found.shape == size
    assert np.abs(found - expected).mean() < 1.5


def test_a_viewport_keeps_the_aspect_of_the_image() -> None:
    assert to_viewport(slope(100, 200), Viewport(50, 50)).shape == (25, 50)


def test_a_viewport_makes_small_images_grow_unless_told_not_to() -> None:
    assert to_viewport(slope(10, 20), Viewport(100, 100)).shape == (50, 100)
    assert to_viewport(slope(10, 20), Viewport(100, 100), may_grow=False).shape == (10, 20)


def test_pixels_that_are_not_square_are_made_so() -> None:
    assert to_viewport(slope(100, 100), Viewport(100, 100), aspect=2.0).shape == (100, 50)


def test_the_region_of_a_viewport_is_cut_out_and_mirrored_when_negative() -> None:
    image = np.arange(16, dtype=np.uint8).reshape(4, 4)
    assert to_viewport(image, Viewport(2, 2, 1, 1, 2, 2)).tolist() == [[5, 6], [9, 10]]
    assert to_viewport(image, Viewport(2, 2, 1, 1, -2, 2)).tolist() == [[6, 5], [10, 9]]
    assert to_viewport(image, Viewport(2, 2, 1, 1, 2, -2)).tolist() == [[9, 10], [5, 6]]


@pytest.mark.parametrize("viewport", [Viewport(10, 10, 9, 9, 5, 5), Viewport(0, 10), Viewport(1 << 20, 10)])
def test_a_viewport_outside_the_image_or_the_limits_is_refused(viewport: Viewport) -> None:
    with pytest.raises(Refused):
        to_viewport(slope(8, 8), viewport)


@pytest.mark.parametrize("shape", [(40, 60), (40, 60, 3)])
def test_png_keeps_every_pixel(shape: tuple[int, ...]) -> None:
    image = np.random.default_rng(1).integers(0, 256, shape).astype(np.uint8)
    assert np.array_equal(np.asarray(opened(rendering.encode_picture(image, PNG))), image)


def test_jpeg_quality_is_obeyed() -> None:
    image = slope(200, 300)
    low, high = (rendering.encode_picture(image, JPEG, quality=quality) for quality in (10, 95))
    assert len(low) < len(high)
    assert np.abs(np.asarray(opened(high)).astype(int) - image).mean() < 2


def test_a_grey_gif_keeps_every_grey() -> None:
    image = slope(40, 60)
    assert np.array_equal(np.asarray(opened(rendering.encode_picture(image, GIF)).convert("L")), image)


def test_a_colour_gif_comes_near_every_colour() -> None:
    image = np.stack([slope(80, 90), 255 - slope(80, 90), slope(80, 90) // 2], -1)
    found = np.asarray(opened(rendering.encode_picture(image, GIF)).convert("RGB")).astype(int)
    assert np.abs(found - image).mean() < 5


def test_frames_become_a_gif_that_moves_at_its_pace_for_ever() -> None:
    frames = [np.roll(slope(40, 60), 5 * step, axis=1) for step in range(4)]
    movie = opened(
        b"".join(rendering.animate((rendering.encode_picture(f, GIF) for f in frames), delays_ms=[40] * len(frames)))
    )
    assert movie.n_frames == 4
    assert (movie.info["duration"], movie.info["loop"]) == (40, 0)
    for number, frame in enumerate(frames):
        movie.seek(number)
        assert np.array_equal(np.asarray(movie.convert("L")), frame)


def test_other_kinds_of_picture_are_not_made() -> None:
    with pytest.raises(NotAcceptable):
        rendering.encode_picture(slope(4, 4), "image/bmp")


@pytest.mark.parametrize("label", ["SR", "PDF", "ECG", "", "A VERY LONG LABEL", "ÄÖ"])
def test_a_sheet_is_drawn_for_any_label(label: str) -> None:
    sheet = rendering.draw_sheet(label)
    assert sheet.shape == (256, 256)
    assert sheet.max() >= 128
