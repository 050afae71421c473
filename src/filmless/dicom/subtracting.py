"""Subtracts masks from frames, and sharpens them (PS3.3 C.7.6.10, PS3.4 N.2.1.2, N.2.5).

Comes in: stored values of frames, and what a presentation state says. Goes out: signed differences as floats.
Not here: which frames are taken (angiography.py), the window over the differences (windowing.py).
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from filmless.dicom.angiography import Shift, Subtraction
from filmless.dicom.windowing import Display, look_up, modality_values
from filmless.errors import NotAcceptable

if TYPE_CHECKING:
    from numpy.typing import NDArray


def subtract(
    frames: Mapping[int, NDArray[Any]], subtraction: Subtraction, display: Display, *, is_linear: bool
) -> NDArray[Any]:
    """Subtract the mean of the mask's frames from that of the contrast's, in a space logarithmic to X-ray intensity.

    Parameters
    ----------
    frames : stored values of shape (rows, columns), by the number of their frame (from 1): all that it takes.
    display : the Modality LUT of the state, which leads to that space where there is one.
    is_linear : the stored values are linear to the intensity. Without a table of the state their logarithm is taken,
        on the scale on which the lowest and the highest stored value stay what they are.

    Returns
    -------
    float64 array, shape (rows, columns): 0 where nothing differs, above 0 where the contrast is larger.

    Raises
    ------
    NotAcceptable: the frames are in colour.
    """

    def values(number: int) -> NDArray[Any]:
        stored = frames[number]
        if stored.ndim != 2 or display.palette is not None:
            raise NotAcceptable("the presentation state subtracts a mask from an image in colour: not rendered here")
        lut = subtraction.log_lut_of(number)
        if lut is not None:
            stored = look_up(stored, lut)
        elif is_linear and display.modality_lut is None:
            stored = _logarithm(stored, display.bits_stored)
        return modality_values(stored, display)

    contrast = _mean(values, subtraction.contrast)
    mask = _mean(values, subtraction.mask) * (1 - subtraction.mask_share_kept)
    difference = contrast - mask
    for shift in subtraction.shifts:
        shifted = contrast - _shifted(mask, shift)
        if shift.region:
            is_inside = inside(shift.region, *contrast.shape)
            difference[is_inside] = shifted[is_inside]
        else:
            difference = shifted
    return difference


def _mean(values: Any, numbers: tuple[int, ...]) -> NDArray[Any]:
    total: NDArray[Any] = values(numbers[0])
    for number in numbers[1:]:
        total = total + values(number)
    return total / len(numbers)


def _logarithm(stored: NDArray[Any], bits: int) -> NDArray[Any]:
    import numpy as np

    top = (1 << bits) - 1
    logarithm: NDArray[Any] = np.log2(1 + np.maximum(stored.astype(np.float64), 0)) * (top / bits)
    return logarithm


def _shifted(mask: NDArray[Any], shift: Shift) -> NDArray[Any]:
    """Move a mask down and to the left; between pixels it is linear, beyond its edge as at its edge."""
    return _moved(_moved(mask, shift.rows).T, -shift.columns).T


def _moved(mask: NDArray[Any], distance: float) -> NDArray[Any]:
    """Move along the first axis: what is at `row - distance` comes to lie at `row`."""
    import numpy as np

    if distance == 0:
        return mask
    last = len(mask) - 1
    places = np.clip(np.arange(len(mask)) - distance, 0, last)
    before = np.floor(places).astype(np.int64)
    share = (places - before)[:, None]
    moved: NDArray[Any] = mask[before] * (1 - share) + mask[np.minimum(before + 1, last)] * share
    return moved


def sharpen(values: NDArray[Any], strength: float) -> NDArray[Any]:
    """Enhance edges: add `strength` (0 to 1) of how each value differs from the mean of the 3 x 3 around it.

    Which filter it is, the standard leaves open; that a percentage scales it, it says (PS3.3 C.8.19.7, PS3.4 N.2.5).
    """
    import numpy as np

    if strength == 0:
        return values
    padded = np.pad(values, 1, mode="edge")
    rows, columns = values.shape
    around = sum(padded[row : row + rows, column : column + columns] for row in range(3) for column in range(3))
    sharpened: NDArray[Any] = values + strength * (values - around / 9)
    return sharpened


def inside(polygon: tuple[tuple[float, float], ...], rows: int, columns: int) -> NDArray[Any]:
    """Say which pixels lie within a polygon: its vertices are (column, row) from 1 and belong to it.

    Returns
    -------
    bool array, shape (rows, columns).
    """
    import numpy as np
    from PIL import Image, ImageDraw

    mask = Image.new("1", (columns, rows))
    ImageDraw.Draw(mask).polygon([(round(column) - 1, round(row) - 1) for column, row in polygon], fill=1, outline=1)
    return np.asarray(mask)
