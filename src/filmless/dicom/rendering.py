"""From display values to a picture file: region, size, JPEG, PNG and GIF, and a sheet for what is no image.

Comes in: 8-bit grey or RGB arrays. Goes out: arrays of another size, or the bytes of a file.
Not here: what the values mean (windowing.py), decoding (pixels.py).
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from heapq import heapify, heappop, heappush
from math import ceil, floor
from typing import TYPE_CHECKING, Any, Final

from filmless.errors import NotAcceptable, Refused

if TYPE_CHECKING:
    from numpy.typing import NDArray

JPEG: Final = "image/jpeg"
PNG: Final = "image/png"
GIF: Final = "image/gif"
RAW: Final = "application/octet-stream"
MEDIA_TYPES: Final = (JPEG, PNG, GIF)
SIDE_MAX: Final = 16_384


@dataclass(frozen=True, slots=True)
class Viewport:
    """Where a picture must fit, and which region of the image it shows (PS3.18 8.3.5.1.3).

    The region counts from 0 in pixels of the image; a negative width or height mirrors it; 0 means all.
    """

    width: int
    height: int
    left: float = 0
    top: float = 0
    region_width: float = 0
    region_height: float = 0


def to_viewport(image: NDArray[Any], viewport: Viewport, *, aspect: float = 1.0, may_grow: bool = True) -> NDArray[Any]:
    """Cut out the region of a viewport and scale it to the largest size that fits.

    Parameters
    ----------
    image : uint8 array, shape (rows, columns) or (rows, columns, 3).
    aspect : height of a pixel divided by its width.

    Raises
    ------
    Refused: the viewport is too large, or its region lies outside the image.
    """
    import numpy as np

    if not (1 <= viewport.width <= SIDE_MAX and 1 <= viewport.height <= SIDE_MAX):
        raise Refused(f"a viewport of {viewport.width} x {viewport.height} is outside 1 to {SIDE_MAX}")
    rows, columns = image.shape[:2]
    width = abs(viewport.region_width) or columns - viewport.left
    height = abs(viewport.region_height) or rows - viewport.top
    left, top = max(floor(viewport.left), 0), max(floor(viewport.top), 0)
    right, bottom = min(ceil(viewport.left + width), columns), min(ceil(viewport.top + height), rows)
    if left >= right or top >= bottom:
        raise Refused(f"the region {viewport.left},{viewport.top},{width},{height} lies outside {columns} x {rows}")
    region = image[top:bottom, left:right]
    if viewport.region_width < 0:
        region = region[:, ::-1]
    if viewport.region_height < 0:
        region = region[::-1]
    shown_rows, shown_columns = region.shape[0] * aspect, float(region.shape[1])
    scale = min(viewport.width / shown_columns, viewport.height / shown_rows)
    if not may_grow:
        scale = min(scale, 1.0)
    target = (
        min(max(round(shown_rows * scale), 1), viewport.height),
        min(max(round(shown_columns * scale), 1), viewport.width),
    )
    return resize(np.ascontiguousarray(region), *target)


def resize(image: NDArray[Any], rows: int, columns: int) -> NDArray[Any]:
    """Scale an image: mean of the area when it shrinks, bilinear when it grows."""
    import numpy as np

    if image.shape[:2] == (rows, columns):
        return image
    down, across = max(image.shape[0] // (2 * rows), 1), max(image.shape[1] // (2 * columns), 1)
    height, width = image.shape[0] / down, image.shape[1] / across
    image = _shrink_whole(image, down, across)
    channels = [image] if image.ndim == 2 else [image[..., channel] for channel in range(image.shape[2])]
    scaled = [
        _resample(_resample(channel.astype(np.float32), rows, height).T, columns, width).T for channel in channels
    ]
    joined = scaled[0] if image.ndim == 2 else np.stack(scaled, -1)
    return np.asarray(np.clip(np.rint(joined), 0, 255), np.uint8)


def _shrink_whole(image: NDArray[Any], down: int, across: int) -> NDArray[Any]:
    """Shrink by whole factors: cheap, and leaves the fine work little to do. The edge is repeated to fill a block."""
    import numpy as np

    if down == 1 and across == 1:
        return image
    rows, columns = ceil(image.shape[0] / down), ceil(image.shape[1] / across)
    rest = [(0, rows * down - image.shape[0]), (0, columns * across - image.shape[1])]
    if rest != [(0, 0), (0, 0)]:
        image = np.pad(image, rest + [(0, 0)] * (image.ndim - 2), mode="edge")
    blocks = image.reshape(rows, down, columns, across, *image.shape[2:])
    return np.asarray(blocks.mean(axis=(1, 3), dtype=np.float32))


def _resample(image: NDArray[Any], target: int, extent: float) -> NDArray[Any]:
    """Scale the first axis with a triangle filter that is wide enough to see every row.

    `extent` is how much of the rows counts: the last block of `_shrink_whole` may reach beyond the image.
    """
    import numpy as np

    source = image.shape[0]
    if source == target == extent:
        return image
    scale = extent / target
    support = max(scale, 1.0)
    centers = (np.arange(target) + 0.5) * scale - 0.5
    first = np.floor(centers - support).astype(np.int64) + 1
    taps = first[:, None] + np.arange(ceil(2 * support) + 1)
    weights = np.maximum(1 - np.abs(taps - centers[:, None]) / support, 0)
    weights[(taps < 0) | (taps >= source)] = 0
    weights = (weights / weights.sum(axis=1, keepdims=True)).astype(np.float32)
    taps = np.clip(taps, 0, source - 1)
    image = np.ascontiguousarray(image)
    out = np.zeros((target, image.shape[1]), np.float32)
    for tap in range(taps.shape[1]):
        out += image[taps[:, tap]] * weights[:, tap, None]
    return out


def encode_picture(image: NDArray[Any], media_type: str, *, quality: int = 90) -> bytes:
    """Write a picture as JPEG, PNG or a GIF of one frame.

    Parameters
    ----------
    image : uint8 array, shape (rows, columns) or (rows, columns, 3).
    quality : of JPEG, 1 to 100.

    Raises
    ------
    NotAcceptable: another media type.
    """
    import imagecodecs
    import numpy as np

    image = np.ascontiguousarray(image)
    if media_type == JPEG:
        # Chroma in full: Doppler and contour lines are one pixel wide.
        return bytes(imagecodecs.jpeg8_encode(image, level=min(max(quality, 1), 100), subsampling="444"))
    if media_type == PNG:
        return bytes(imagecodecs.png_encode(image, level=3))
    if media_type == GIF:
        indices, palette = _to_palette(image)
        return bytes(imagecodecs.gif_encode(indices, colormap=palette))
    raise NotAcceptable(f"pictures are made as {', '.join(MEDIA_TYPES)}, not as {media_type}")


def _to_palette(image: NDArray[Any]) -> tuple[NDArray[Any], NDArray[Any]]:
    """Reduce a picture to 256 colours: greys exactly, colours by median cut over 5 bits of each."""
    import numpy as np

    if image.ndim == 2:
        return image, np.repeat(np.arange(256, dtype=np.uint8)[:, None], 3, axis=1)
    bins = (
        (image[..., 0].astype(np.uint16) >> 3 << 10)
        | (image[..., 1].astype(np.uint16) >> 3 << 5)
        | (image[..., 2] >> 3)
    )
    counts = np.bincount(bins.reshape(-1), minlength=1 << 15)
    used = np.flatnonzero(counts)
    colours = np.stack([used >> 10, used >> 5 & 31, used & 31], axis=1)
    boxes = _median_cut(colours, counts[used])
    lookup = np.zeros(1 << 15, np.uint8)
    palette = np.zeros((256, 3), np.uint8)
    for number, members in enumerate(boxes):
        weights = counts[used[members]]
        mean = (colours[members] * weights[:, None]).sum(axis=0) / weights.sum()
        palette[number] = np.rint(mean * 255 / 31)
        lookup[used[members]] = number
    return lookup[bins], palette


def _median_cut(colours: NDArray[Any], counts: NDArray[Any]) -> list[NDArray[Any]]:
    import numpy as np

    whole = np.arange(len(colours))
    heap: list[tuple[float, int, NDArray[Any]]] = [(-_worth(colours, counts, whole), 0, whole)]
    heapify(heap)
    serial = 1
    while len(heap) < 256 and heap[0][0] < 0:
        _, _, members = heappop(heap)
        axis = int(np.argmax(np.ptp(colours[members], axis=0)))
        order = members[np.argsort(colours[members, axis], kind="stable")]
        running = np.cumsum(counts[order])
        cut = min(max(int(np.searchsorted(running, running[-1] / 2)), 1), len(order) - 1)
        for part in (order[:cut], order[cut:]):
            heappush(heap, (-_worth(colours, counts, part), serial, part))
            serial += 1
    return [members for _, _, members in heap]


def _worth(colours: NDArray[Any], counts: NDArray[Any], members: NDArray[Any]) -> float:
    """How much a box gains by being cut: its widest side, weighted by how many pixels see it."""
    import numpy as np

    return float(np.ptp(colours[members], axis=0).max() * counts[members].sum() ** 0.5) if len(members) > 1 else 0.0


def animate(pictures: Iterable[bytes], *, delays_ms: Iterable[float]) -> Iterator[bytes]:
    """Join GIFs of one frame, as `encode_picture` makes them, into one that moves and repeats.

    Each frame keeps its own palette as a local one, so nothing must be known of the frames to come.
    """
    is_first = True
    for picture, delay_ms in zip(pictures, delays_ms, strict=True):
        delay = min(max(round(delay_ms / 10), 2), 0xFFFF).to_bytes(2, "little")  # browsers slow down below 2
        if is_first:
            yield b"GIF89a" + picture[6:10] + b"\x70\0\0" + b"\x21\xff\x0bNETSCAPE2.0\x03\x01\0\0\0"
            is_first = False
        depth = picture[10] & 0x07
        palette = picture[13 : 13 + 3 * (2 << depth)]
        begin = picture.index(b"\x2c", 13 + len(palette))
        descriptor = picture[begin : begin + 9] + bytes([0x80 | depth])
        yield b"\x21\xf9\x04\x00" + delay + b"\0\0" + descriptor + palette + picture[begin + 10 : -1]
    yield b"\x3b"


# A 5 x 7 letter face, one byte a column, lowest bit on top.
_GLYPHS: Final = {
    " ": "0000000000", "-": "0808080808", "/": "2010080402", ".": "0060600000",
    "0": "3e5149453e", "1": "00427f4000", "2": "4261514946", "3": "2141454b31", "4": "1814127f10",
    "5": "2745454539", "6": "3c4a494930", "7": "0171090503", "8": "3649494936", "9": "064949291e",
    "A": "7e1111117e", "B": "7f49494936", "C": "3e41414122", "D": "7f4141221c", "E": "7f49494941",
    "F": "7f09090901", "G": "3e4149497a", "H": "7f0808087f", "I": "00417f4100", "J": "2040413f01",
    "K": "7f08142241", "L": "7f40404040", "M": "7f020c027f", "N": "7f0408107f", "O": "3e4141413e",
    "P": "7f09090906", "Q": "3e4151215e", "R": "7f09192946", "S": "4649494931", "T": "01017f0101",
    "U": "3f4040403f", "V": "1f2040201f", "W": "3f4038403f", "X": "6314081463", "Y": "0708700807",
    "Z": "6151494543",
}  # fmt: skip


def draw_text(text: str, scale: int = 1) -> NDArray[Any]:
    """Draw a line of capital letters and digits; what has no glyph is left blank.

    Returns
    -------
    bool array, shape (7 x scale, 6 x scale x letters).
    """
    import numpy as np

    columns = b"".join(bytes.fromhex(_GLYPHS.get(letter, _GLYPHS[" "])) + b"\0" for letter in text.upper())
    bits = np.unpackbits(np.frombuffer(columns, np.uint8)[:, None], axis=1, bitorder="little")[:, :7].T
    return np.kron(bits, np.ones((scale, scale), np.uint8)).astype(bool)


def draw_sheet(label: str, side: int = 256) -> NDArray[Any]:
    """Draw a sheet of paper with a label, the picture of an instance that is no image (a report, a waveform).

    Returns
    -------
    uint8 array, shape (side, side), dark around the sheet.
    """
    import numpy as np

    unit = max(side // 64, 1)
    sheet = np.full((side, side), 20, np.uint8)
    top, bottom, left, right = 7 * unit, 57 * unit, 13 * unit, 51 * unit
    sheet[top:bottom, left:right] = 92
    fold = 9 * unit
    for step in range(fold):
        sheet[top + step, right - fold + step : right] = 20
        sheet[top + step, right - fold : right - fold + step] = 128
    for line in range(4):
        width = (24, 28, 20, 28)[line] * unit
        row = top + (32 + 4 * line) * unit
        sheet[row : row + unit, left + 5 * unit : left + 5 * unit + width] = 58
    text = label[:6] or "DICOM"
    scale = max(min(28 * unit // (6 * len(text)), 3 * unit), 1)
    drawn = draw_text(text, scale)
    row, column = top + 14 * unit, (left + right - drawn.shape[1]) // 2
    area = sheet[row : row + drawn.shape[0], column : column + drawn.shape[1]]
    area[drawn[:, : area.shape[1]]] = 235
    return sheet
