"""Shows a frame as a presentation state says (PS3.4 N.2): values, shutter, area, turns, then what is drawn on it."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import replace
from typing import TYPE_CHECKING, Any, Final

from filmless.dicom.blending import Layer, blend
from filmless.dicom.faces import Faces, draw_line, faces_in, han_of, width_of
from filmless.dicom.presentation_state import Area, Plane, Point, PresentationState, Shape, Shutter, Units, Words
from filmless.dicom.rendering import SIDE_MAX, resize
from filmless.dicom.subtracting import inside, sharpen, subtract
from filmless.dicom.windowing import Lut, modality_values, to_display
from filmless.errors import NotAcceptable

if TYPE_CHECKING:
    from numpy.typing import NDArray

_ROUND_POINTS: Final = 96
_CURVE_STEPS: Final = 12
_FONT_MIN, _FONT_MAX, _FONT_OF_HEIGHT = 10, 64, 36
_LINE_HEIGHT: Final = 1.3
_TEXT_MAX: Final = 2000


def present(
    pixels: NDArray[Any],
    state: PresentationState,
    *,
    others: Mapping[int, NDArray[Any]] | None = None,
    layer: Layer | None = None,
    fit: tuple[int, int] | None = None,
    faces: Faces | None = None,
) -> NDArray[Any]:
    """Show a frame as a presentation state says.

    Parameters
    ----------
    pixels : shape (rows, columns), stored values; or (rows, columns, 3) of RGB.
    others : frames of the same image by their number, of which a mask is made; the frame itself may be among them.
    layer : what is laid over the frame before anything is drawn.
    fit : width and height in which the picture is to fit; without it a pixel of the image is one of the picture, times
        the magnification of the state.
    faces : in which its words are written; without them in Pillow's own.

    Returns
    -------
    uint8 array, shape (rows, columns), or (rows, columns, 3) where something in colour is in it.

    Raises
    ------
    NotAcceptable: the displayed area is too large.
    """
    shown = _through_presentation_lut(_to_grey(pixels, state, others or {}), state)
    rows, columns = shown.shape[:2]
    if layer is not None:
        shown = _under(shown, layer)
    if state.shutter is not None:
        shown = _shut(shown, state.shutter)
    area = state.area or Area(1, 1, shown.shape[1], shown.shape[0])
    view = _View(area, state.rotation, is_flipped=state.is_flipped, fit=fit)
    shown = view.turned(_cut(shown, area))
    shown = resize(shown, view.height, view.width)
    return _drawn(shown, state, view, faces or faces_in(None), (rows, columns)) if state.marks else shown


def _to_grey(pixels: NDArray[Any], state: PresentationState, others: Mapping[int, NDArray[Any]]) -> NDArray[Any]:
    """Subtract a mask and sharpen, where the state says so, and apply its window (PS3.4 N.2.1, N.2.5)."""
    if state.subtraction is None and not state.sharpening:
        return to_display(pixels, state.display)
    if state.subtraction is not None:
        values = subtract(others, state.subtraction, state.display, is_linear=state.is_linear)
    elif pixels.ndim == 3 or state.display.palette is not None:
        raise NotAcceptable("the presentation state sharpens an image in colour, which is not rendered here")
    else:
        values = modality_values(pixels, state.display)
    done = replace(state.display, slope=1.0, intercept=0.0, modality_lut=None)
    return to_display(sharpen(values, state.sharpening), done)


def _through_presentation_lut(shown: NDArray[Any], state: PresentationState) -> NDArray[Any]:
    import numpy as np

    if shown.ndim == 3:
        return shown
    if state.palette is not None:
        tables = (_levels(each) for each in state.palette)
        return np.stack([table[shown] for table in tables], axis=-1)
    if state.presentation_lut is not None:
        return np.asarray(_levels(state.presentation_lut)[shown])
    return np.invert(shown) if state.is_inverse else shown


def _under(shown: NDArray[Any], layer: Layer) -> NDArray[Any]:
    """Lay what is superimposed, through its window and its palette, over a frame (PS3.4 N.2.4)."""
    import numpy as np

    window = replace(layer.blend.display, slope=1.0, intercept=0.0, modality_lut=None, palette=None)
    levels = to_display(layer.values, window)
    above = np.stack([_levels(each)[levels] for each in layer.blend.palette], axis=-1)
    below = shown if shown.ndim == 3 else np.repeat(shown[..., None], 3, axis=2)
    return blend(below, above, layer.is_there, layer.blend.opacity)


def _levels(lut: Lut) -> NDArray[Any]:
    """Spread a table over what a window gives, 0 to 255, as bytes."""
    import numpy as np

    levels = np.rint(np.arange(256) / 255 * (len(lut.entries) - 1)).astype(np.int64)
    scaled = np.minimum(lut.entries[levels] / ((1 << lut.bits) - 1), 1.0)
    return np.asarray(np.rint(scaled * 255), np.uint8)


def _mask(plane: Plane, rows: int, columns: int) -> NDArray[Any]:
    """Lay an overlay over the image: True where its bits are set."""
    import numpy as np

    bits = np.unpackbits(np.frombuffer(plane.bits, np.uint8), count=plane.rows * plane.columns, bitorder="little")
    out = np.zeros((rows, columns), bool)
    left, top = plane.corner[0] - 1, plane.corner[1] - 1
    first_row, first_column = max(top, 0), max(left, 0)
    last_row, last_column = min(top + plane.rows, rows), min(left + plane.columns, columns)
    if first_row < last_row and first_column < last_column:
        piece = bits.reshape(plane.rows, plane.columns)[first_row - top : last_row - top]
        out[first_row:last_row, first_column:last_column] = piece[:, first_column - left : last_column - left]
    return out


def _shut(shown: NDArray[Any], shutter: Shutter) -> NDArray[Any]:
    """Cover all that lies outside the shapes (C.7.6.11). A pixel is inside when its centre is."""
    import numpy as np

    rows, columns = np.ogrid[1 : shown.shape[0] + 1, 1 : shown.shape[1] + 1]
    is_open = np.ones(shown.shape[:2], bool)
    if shutter.rectangle is not None:
        left, top, right, bottom = shutter.rectangle
        is_open &= (columns >= left) & (columns <= right) & (rows >= top) & (rows <= bottom)
    if shutter.circle is not None:
        column, row, radius = shutter.circle
        is_open &= (columns - column) ** 2 + (rows - row) ** 2 <= radius**2
    if shutter.polygon:
        is_open &= inside(shutter.polygon, shown.shape[0], shown.shape[1])
    if shutter.bitmap is not None:
        is_open &= ~_mask(shutter.bitmap, shown.shape[0], shown.shape[1])
    covered: NDArray[Any] = np.where(is_open if shown.ndim == 2 else is_open[..., None], shown, shutter.value)
    return covered.astype(np.uint8)


def _cut(shown: NDArray[Any], area: Area) -> NDArray[Any]:
    """Cut the displayed area out; what lies beyond the image is black."""
    import numpy as np

    width, height = area.right - area.left + 1, area.bottom - area.top + 1
    if width > SIDE_MAX or height > SIDE_MAX:
        raise NotAcceptable(f"the displayed area is {width} x {height} pixels; up to {SIDE_MAX} are rendered")
    out = np.zeros((height, width, *shown.shape[2:]), np.uint8)
    top, left = max(area.top, 1), max(area.left, 1)
    bottom, right = min(area.bottom, shown.shape[0]), min(area.right, shown.shape[1])
    if top <= bottom and left <= right:
        piece = shown[top - 1 : bottom, left - 1 : right]
        out[top - area.top : bottom - area.top + 1, left - area.left : right - area.left + 1] = piece
    return out


class _View:
    """Where points of the image come to lie in the picture: cut, turned clockwise, then flipped, then scaled."""

    def __init__(self, area: Area, rotation: int, *, is_flipped: bool, fit: tuple[int, int] | None) -> None:
        self._area = area
        self._rotation = rotation
        self._is_flipped = is_flipped
        self._size = (area.right - area.left + 1, area.bottom - area.top + 1)
        is_aside = rotation in (90, 270)
        self._turned_size = self._size[::-1] if is_aside else self._size
        wide, high = float(self._size[0]), float(self._size[1])
        wide, high = (wide, high * area.aspect) if area.aspect >= 1 else (wide / area.aspect, high)
        wide, high = (high, wide) if is_aside else (wide, high)
        scale = min(fit[0] / wide, fit[1] / high) if fit else area.magnification
        self.width = min(max(round(wide * scale), 1), fit[0] if fit else SIDE_MAX)
        self.height = min(max(round(high * scale), 1), fit[1] if fit else SIDE_MAX)

    def turned(self, shown: NDArray[Any]) -> NDArray[Any]:
        import numpy as np

        shown = np.rot90(shown, -self._rotation // 90)
        return np.ascontiguousarray(shown[:, ::-1] if self._is_flipped else shown)

    def laid(self, mask: NDArray[Any]) -> NDArray[Any]:
        """Lay a mask of the image over the picture: 0 to 255, by how much of a pixel it covers."""
        return resize(self.turned(_cut(mask.astype("uint8") * 255, self._area)), self.height, self.width)

    def place(self, point: Point, units: Units) -> Point:
        """Give the place of a point in the picture, in pixels from its corner."""
        if units == "DISPLAY":
            return point[0] * self.width, point[1] * self.height
        x, y = point[0] - (self._area.left - 1), point[1] - (self._area.top - 1)
        wide, high = self._size
        if self._rotation == 90:
            x, y = high - y, x
        elif self._rotation == 180:
            x, y = wide - x, high - y
        elif self._rotation == 270:
            x, y = y, wide - x
        if self._is_flipped:
            x = self._turned_size[0] - x
        return x * self.width / self._turned_size[0], y * self.height / self._turned_size[1]


def _drawn(
    shown: NDArray[Any], state: PresentationState, view: _View, faces: Faces, image_size: tuple[int, int]
) -> NDArray[Any]:
    """Draw the marks, in the order of their layers."""
    import numpy as np
    from PIL import Image, ImageDraw

    is_colour = shown.ndim == 3 or any(len(set(mark.colour)) > 1 for mark in state.marks)
    if is_colour and shown.ndim == 2:
        shown = np.repeat(shown[..., None], 3, axis=2)
    picture = Image.fromarray(shown)
    draw = ImageDraw.Draw(picture)
    draw.fontmode = "L"
    for mark in state.marks:
        colour = mark.colour if is_colour else mark.colour[0]
        if isinstance(mark, Shape):
            _draw_shape(draw, mark, view, colour)
        elif isinstance(mark, Plane):
            picture.paste(colour, (0, 0), Image.fromarray(view.laid(_mask(mark, *image_size))))
        else:
            _draw_words(draw, mark, view, colour, faces)
    return np.asarray(picture)


def _draw_shape(draw: Any, shape: Shape, view: _View, colour: Any) -> None:
    points = [view.place(point, shape.units) for point in _outline(shape)]
    if shape.kind == "INFINITELINE":
        points = _across(points[0], points[1], view)
    pixels = [(math.floor(x), math.floor(y)) for x, y in points if abs(x) < 1e6 and abs(y) < 1e6]
    width = max(round(min(view.width, view.height) / 400), 1)
    if shape.kind == "POINT" or len(pixels) == 1:
        reach = max(width, 2) - 1
        for x, y in pixels:
            draw.line([(x - reach, y), (x + reach, y)], fill=colour, width=width)
            draw.line([(x, y - reach), (x, y + reach)], fill=colour, width=width)
    elif pixels:
        if shape.is_filled and pixels[0] == pixels[-1] and len(pixels) > 2:
            draw.polygon(pixels, fill=colour)
        draw.line(pixels, fill=colour, width=width, joint="curve" if width > 2 else None)


def _across(first: Point, second: Point, view: _View) -> list[Point]:
    """Extend a line beyond the borders of the picture, about the point of it that is nearest to the middle."""
    across, down = second[0] - first[0], second[1] - first[1]
    length = math.hypot(across, down)
    if length == 0:
        return []
    across, down = across / length, down / length
    along = (view.width / 2 - first[0]) * across + (view.height / 2 - first[1]) * down
    reach = view.width + view.height
    return [(first[0] + across * (along + way), first[1] + down * (along + way)) for way in (-reach, reach)]


def _outline(shape: Shape) -> list[Point]:
    """Give a shape as a line (C.10.5.1.2)."""
    points = list(shape.points)
    if shape.kind == "CIRCLE" and len(points) >= 2:
        (x, y), (rim_x, rim_y) = points[:2]
        radius = math.hypot(rim_x - x, rim_y - y)
        return _ellipse((x, y), (radius, 0), (0, radius))
    if shape.kind == "ELLIPSE" and len(points) >= 4:
        (a, b), (c, d), (e, f), (g, h) = points[:4]
        return _ellipse(((a + c) / 2, (b + d) / 2), ((c - a) / 2, (d - b) / 2), ((g - e) / 2, (h - f) / 2))
    if shape.kind == "INTERPOLATED" and len(points) > 2:
        return _curve(points)
    return points


def _ellipse(centre: Point, major: Point, minor: Point) -> list[Point]:
    turns = [2 * math.pi * step / _ROUND_POINTS for step in range(_ROUND_POINTS)]
    outline = [
        (
            centre[0] + major[0] * math.cos(turn) + minor[0] * math.sin(turn),
            centre[1] + major[1] * math.cos(turn) + minor[1] * math.sin(turn),
        )
        for turn in turns
    ]
    return [*outline, outline[0]]


def _curve(points: list[Point]) -> list[Point]:
    """Lead a curve through all points (Catmull-Rom); the standard leaves the kind of curve open."""
    is_closed = points[0] == points[-1]
    before, after = (points[-2], points[1]) if is_closed else (points[0], points[-1])
    padded = [before, *points, after]
    curve: list[Point] = []
    for p, q, r, s in zip(padded, padded[1:], padded[2:], padded[3:], strict=False):
        for step in range(_CURVE_STEPS):
            t = step / _CURVE_STEPS
            weights = (-t + 2 * t**2 - t**3, 2 - 5 * t**2 + 3 * t**3, t + 4 * t**2 - 3 * t**3, -(t**2) + t**3)
            x, y = (sum(w * point[axis] for w, point in zip(weights, (p, q, r, s), strict=True)) / 2 for axis in (0, 1))
            curve.append((x, y))
    return [*curve, points[-1]]


def _draw_words(draw: Any, words: Words, view: _View, colour: Any, faces: Faces) -> None:
    size = min(max(view.height // _FONT_OF_HEIGHT, _FONT_MIN), _FONT_MAX)
    text = words.text.replace("\r\n", "\n").replace("\r", "\n")[:_TEXT_MAX]
    lines = [faces.lay_out(line, size, han_of([], text)) for line in text.split("\n")]
    step = round(size * _LINE_HEIGHT)
    wide, high = max(map(width_of, lines)), float(step * len(lines))
    anchor = view.place(words.anchor, words.anchor_units) if words.anchor is not None else None
    indent = {"RIGHT": 1.0, "CENTER": 0.5}.get(words.justification, 0.0)
    if words.box is not None:
        first, last = (view.place(corner, words.box_units) for corner in words.box)
        left, right = min(first[0], last[0]), max(first[0], last[0])
        place = (left + (right - left - wide) * indent, min(first[1], last[1]))
    elif anchor is not None:
        place = (anchor[0] + 2, anchor[1] - high / 2)
    else:
        return
    if max(map(abs, place)) > 1e6:
        return
    if anchor is not None and words.box is not None and words.has_line:
        near = (min(max(anchor[0], place[0]), place[0] + wide), min(max(anchor[1], place[1]), place[1] + high))
        ends = [(math.floor(x), math.floor(y)) for x, y in (anchor, near) if abs(x) < 1e6 and abs(y) < 1e6]
        draw.line(ends, fill=colour, width=1)
    # A dark rim, so that the words are read on light tissue too.
    style = {"fill": colour, "stroke_width": 1, "stroke_fill": (0, 0, 0) if isinstance(colour, tuple) else 0}
    for number, line in enumerate(lines):
        x = place[0] + (wide - width_of(line)) * indent
        draw_line(draw, (math.floor(x), math.floor(place[1]) + step * number + size), line, **style)
