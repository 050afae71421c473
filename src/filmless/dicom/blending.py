"""Lays one set of images over another (PS3.3 C.11.14, PS3.4 N.2.4).

Comes in: values of a stack of frames, and where the pixels of another frame lie in it. Goes out: values at those
pixels, and the blend of the two. Not here: where frames lie (placing.py), windows and palettes (windowing.py).
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

from filmless.dicom.references import holding, images_in
from filmless.dicom.scanner import Header
from filmless.dicom.windowing import Display, Lut, modality_values, read_padding, read_palette, read_softcopy_display
from filmless.errors import NotAcceptable

if TYPE_CHECKING:
    from numpy.typing import NDArray

_BLOCK_ROWS: Final = 256


@dataclass(frozen=True, slots=True)
class BlendedSets:
    """The items of the Blending Sequence: the images below and those above."""

    underlying: Header
    superimposed: Header


@dataclass(frozen=True, slots=True)
class Blend:
    """How the images above are shown over those below: 1 hides what is below."""

    display: Display
    palette: tuple[Lut, Lut, Lut]
    opacity: float


@dataclass(frozen=True, slots=True)
class Layer:
    """Values that lie over a frame, and where there are any: arrays of its rows and columns."""

    values: NDArray[Any]
    is_there: NDArray[Any]
    blend: Blend


def read_blended_sets(state: Header) -> BlendedSets:
    """Read which images are below and which above.

    Raises
    ------
    NotAcceptable: there are not one item of each.
    """
    items = {(item.text(0x00700405) or "").strip().upper(): item for item in state.items(0x00700402)}
    for position in ("UNDERLYING", "SUPERIMPOSED"):
        if position not in items:
            raise NotAcceptable(f"the Blending Sequence has no item whose Blending Position (0070,0405) is {position}")
    return BlendedSets(items["UNDERLYING"], items["SUPERIMPOSED"])


def superimposed_images(sets: BlendedSets) -> Iterator[tuple[str, tuple[int, ...]]]:
    """List the images above, with their frames; none named means all.

    Raises
    ------
    NotAcceptable: some are of segments, which are not blended here.
    """
    for series in sets.superimposed.items(0x00081115):
        if any(0x0062000B in reference for reference in series.items(0x00081140)):
            raise NotAcceptable("the presentation state superimposes segments of a segmentation: not rendered here")
    return images_in(sets.superimposed)


def read_blend(state: Header, image: Header, sop_instance_uid: str, frame_number: int) -> Blend:
    """Read how the images above are shown: their own window, then the palette of the state.

    Raises
    ------
    NotAcceptable: the palette or the opacity is missing or makes no sense.
    """
    item = read_blended_sets(state).superimposed
    voi = next(holding(item, 0x00283110, sop_instance_uid, frame_number), None)
    palette = read_palette(state)
    if palette is None:
        raise NotAcceptable("the presentation state has no palette for what it superimposes (0028,1101 to 0028,1203)")
    opacity = state.number(0x00700403)
    if opacity is None or not 0 <= opacity <= 1:
        raise NotAcceptable(f"Relative Opacity (0070,0403) of the presentation state is {opacity}; it is 0 to 1")
    return Blend(read_softcopy_display(item, voi, image), palette, opacity)


def values_of(pixels: NDArray[Any], image: Header, display: Display) -> NDArray[Any]:
    """Map stored values of a superimposed frame to those of the Modality LUT; padding to NaN, which nothing shows.

    Raises
    ------
    NotAcceptable: the frame is in colour.
    """
    import numpy as np

    if pixels.ndim != 2 or (image.text(0x00280004) or "").strip().upper() == "PALETTE COLOR":
        raise NotAcceptable("the presentation state superimposes an image in colour, which is not rendered here")
    values = modality_values(pixels, display)
    padding = read_padding(image)
    if padding is not None:
        values[(pixels >= padding[0]) & (pixels <= padding[1])] = np.nan
    return values


def resample(
    stack: NDArray[Any],
    depths: list[float],
    mapped: NDArray[Any],
    size: tuple[int, int],
    ends: tuple[float, float],
) -> tuple[NDArray[Any], NDArray[Any]]:
    """Interpolate a stack of frames linearly, in three dimensions, at the pixels of another frame.

    Parameters
    ----------
    stack : float array, shape (frames, rows, columns), NaN where a pixel is padding; in the order of depth.
    depths : of the frames, in mm, increasing.
    mapped : see `placing.mapping`.
    size : rows and columns of the other frame.
    ends : the depths between which the stack has something to show.

    Returns
    -------
    float array of that size, and a bool array: where there is something. A pixel reaches half its
    width from its centre.
    """
    import numpy as np

    values, is_there = np.zeros(size), np.zeros(size, bool)
    columns = np.arange(size[1])
    for begin in range(0, size[0], _BLOCK_ROWS):
        rows = np.arange(begin, min(begin + _BLOCK_ROWS, size[0]))
        places = (
            mapped[:, 0, None, None] * columns + mapped[:, 1, None, None] * rows[:, None] + mapped[:, 2, None, None]
        )
        block, is_held = _interpolated(stack, np.asarray(depths), places, ends)
        values[rows], is_there[rows] = block, is_held
    return values, is_there


def _interpolated(
    stack: NDArray[Any], depths: NDArray[Any], places: NDArray[Any], ends: tuple[float, float]
) -> tuple[NDArray[Any], NDArray[Any]]:
    import numpy as np

    across, down, depth = places
    frames, rows, columns = stack.shape
    slack = 1e-6
    is_held = (
        (np.abs(across - (columns - 1) / 2) <= columns / 2 + slack)
        & (np.abs(down - (rows - 1) / 2) <= rows / 2 + slack)
        & (depth >= ends[0] - slack)
        & (depth <= ends[1] + slack)
    )
    below = np.clip(np.searchsorted(depths, depth, side="right") - 1, 0, max(frames - 2, 0))
    gaps = np.diff(depths) if frames > 1 else np.ones(1)
    along = (
        np.clip((depth - depths[below]) / gaps[below], 0, 1) if frames > 1 else np.zeros_like(depth),
        below,
        frames,
    )
    total, weights = np.zeros_like(depth), np.zeros_like(depth)
    axes = [along, *(_between(place, count) for place, count in ((down, rows), (across, columns)))]
    for corner in range(8):
        weight, index = np.ones_like(depth), []
        for axis, (share, first, count) in enumerate(axes):
            is_far = corner >> axis & 1
            weight = weight * (share if is_far else 1 - share)
            index.append(np.minimum(first + is_far, count - 1))
        found = stack[index[0], index[1], index[2]]
        is_value = ~np.isnan(found)
        total += np.where(is_value, found, 0) * weight
        weights += weight * is_value
    is_held &= weights >= 0.5
    return np.where(is_held, total / np.maximum(weights, 0.5), 0), is_held


def _between(place: NDArray[Any], count: int) -> tuple[NDArray[Any], NDArray[Any], int]:
    import numpy as np

    kept = np.clip(place, 0, count - 1)
    first = np.floor(kept).astype(np.int64)
    return kept - first, first, count


def blend(below: NDArray[Any], above: NDArray[Any], is_there: NDArray[Any], opacity: float) -> NDArray[Any]:
    """Lay RGB over RGB where there is something, as opaque as that: shape (rows, columns, 3), uint8."""
    import numpy as np

    mixed = np.floor(above * opacity + below * (1 - opacity) + 0.5).astype(np.uint8)
    return np.where(is_there[..., None], mixed, below)
