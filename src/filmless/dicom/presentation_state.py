"""What a softcopy presentation state says of one image (PS3.3 A.33, C.10.4, C.10.5, C.10.6, C.10.7, C.7.6.11, C.11).

Comes in: the scanned headers of the state and of the image. Goes out: `PresentationState`, the parts that hold for this
image and frame, in the order of PS3.4 N.2. Not here: what it does to pixels (presenting.py).
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Final, Literal

from filmless.dicom.angiography import Subtraction, is_linear_to_intensity, read_frame_display, read_subtraction
from filmless.dicom.blending import read_blended_sets
from filmless.dicom.references import holding, images_in
from filmless.dicom.scanner import Header
from filmless.dicom.windowing import Display, Lut, read_palette, read_softcopy_display, read_softcopy_lut
from filmless.errors import NotAcceptable

GRAYSCALE: Final = "1.2.840.10008.5.1.4.1.1.11.1"
COLOR: Final = "1.2.840.10008.5.1.4.1.1.11.2"
PSEUDO_COLOR: Final = "1.2.840.10008.5.1.4.1.1.11.3"
XA_XRF: Final = "1.2.840.10008.5.1.4.1.1.11.5"
BLENDING: Final = "1.2.840.10008.5.1.4.1.1.11.4"
PRESENTABLE: Final = frozenset({GRAYSCALE, COLOR, PSEUDO_COLOR, BLENDING, XA_XRF})

Point = tuple[float, float]
Colour = tuple[int, int, int]
Units = Literal["PIXEL", "DISPLAY"]
_WHITE: Final[Colour] = (255, 255, 255)
_NO_LAYER: Final = (1 << 30, _WHITE)
_COMPOUND_ID: Final = 0x00700226


@dataclass(frozen=True, slots=True)
class Area:
    """The part of the image that is shown: columns and rows from 1, both ends included, possibly beyond the image."""

    left: int
    top: int
    right: int
    bottom: int
    aspect: float = 1.0
    magnification: float = 1.0


@dataclass(frozen=True, slots=True)
class Plane:
    """An overlay: bits, the lowest of each byte first, row by row; its corner lies at (column, row) from 1."""

    bits: bytes
    rows: int
    columns: int
    corner: tuple[int, int]
    colour: Colour = _WHITE


@dataclass(frozen=True, slots=True)
class Shutter:
    """What is left open, in pixels from 1: what all shapes leave open; all else becomes `value`."""

    rectangle: tuple[int, int, int, int] | None = None
    circle: tuple[float, float, float] | None = None
    polygon: tuple[Point, ...] = ()
    bitmap: Plane | None = None  # covered where a bit is set
    value: int = 0


@dataclass(frozen=True, slots=True)
class Shape:
    """A graphic object. Points are (x, y): PIXEL from 0 at the image's corner, DISPLAY from 0 to 1 of what is shown."""

    kind: str
    units: Units
    points: tuple[Point, ...]
    is_filled: bool = False
    colour: Colour = _WHITE


@dataclass(frozen=True, slots=True)
class Words:
    """A text object: within a box, at an anchor, or both."""

    text: str
    box: tuple[Point, Point] | None = None
    box_units: Units = "PIXEL"
    anchor: Point | None = None
    anchor_units: Units = "PIXEL"
    has_line: bool = False
    justification: str = "LEFT"
    colour: Colour = _WHITE


Mark = Shape | Words | Plane


@dataclass(frozen=True, slots=True)
class PresentationState:
    """All that is to be done to one frame."""

    display: Display
    is_inverse: bool
    presentation_lut: Lut | None
    rotation: int
    is_flipped: bool
    area: Area | None
    shutter: Shutter | None
    marks: tuple[Mark, ...]
    palette: tuple[Lut, Lut, Lut] | None = None
    subtraction: Subtraction | None = None
    is_linear: bool = False  # the values that are subtracted: to the X-ray intensity, not to its logarithm
    sharpening: float = 0.0


def read_presentation_state(
    state: Header,
    image: Header,
    sop_instance_uid: str,
    frame_number: int,
    *,
    number_of_frames: int,
    marks_max: int,
    overlay_bits: Callable[[int], bytes],
) -> PresentationState:
    """Read what a state says of one frame (from 1) of an image.

    Parameters
    ----------
    overlay_bits : gives the overlay in a bit of the frame's pixels, as Overlay Data has it.

    Raises
    ------
    NotAcceptable: it holds what cannot be drawn here, and without which the picture would mislead, or what makes no
        sense.
    """

    def items(tag: int) -> Iterator[Header]:
        return holding(state, tag, sop_instance_uid, frame_number)

    rotation = state.integer(0x00700042) or 0
    if rotation % 90:
        raise NotAcceptable(f"the presentation state rotates by {rotation} degrees; only quarter turns are known")
    area, source = next(items(0x0070005A), None), _source(state)
    subtraction = read_subtraction(state, sop_instance_uid, frame_number, number_of_frames)
    return PresentationState(
        display=read_softcopy_display(
            source,
            next(holding(source, 0x00283110, sop_instance_uid, frame_number), None),
            image,
            mask_share=1 - subtraction.mask_share_kept if subtraction else 0.0,
            log_lut=subtraction.log_lut_of(frame_number) if subtraction else None,
        ),
        is_inverse=(state.text(0x20500020) or "").strip().upper() == "INVERSE",
        presentation_lut=read_softcopy_lut(state),
        rotation=rotation % 360,
        is_flipped=(state.text(0x00700041) or "").strip().upper() == "Y",
        area=_area(area) if area is not None else None,
        shutter=_shutter(next(items(0x00189472), state), state),
        marks=tuple(_marks(state, image, frame_number, items(0x00700001), marks_max, overlay_bits)),
        palette=read_palette(state) if state.text(0x00080016) == PSEUDO_COLOR else None,
        subtraction=subtraction,
        is_linear=is_linear_to_intensity(image, frame_number),
        sharpening=read_frame_display(state, sop_instance_uid, frame_number).sharpening,
    )


def presented_images(state: Header) -> Iterator[tuple[str, tuple[int, ...]]]:
    """List the images that a state is for, with their frames; none named means all: of a blend those that lie below.

    Raises
    ------
    NotAcceptable: a blending state does not say which they are.
    """
    return images_in(_source(state))


def _source(state: Header) -> Header:
    """Give what says of which images a state is, and how they are windowed: of a blend an item (C.11.11, C.11.14)."""
    return read_blended_sets(state).underlying if state.text(0x00080016) == BLENDING else state


def _area(item: Header) -> Area | None:
    """Read the displayed area. Its corners are named as they lie after turning: either may have the larger column."""
    first, last = item.numbers(0x00700052), item.numbers(0x00700053)
    if len(first) != 2 or len(last) != 2:
        return None
    aspect = 1.0
    for tag in (0x00700101, 0x00700102):  # Presentation Pixel Spacing, Presentation Pixel Aspect Ratio: row, column
        values = item.numbers(tag)
        if len(values) == 2 and min(values) > 0 and 0.05 < values[0] / values[1] < 20:
            aspect = values[0] / values[1]
            break
    magnification = 1.0
    if (item.text(0x00700100) or "").strip().upper() == "MAGNIFY":
        ratio = item.number(0x00700103)
        magnification = ratio if ratio and 0.01 <= ratio <= 100 else 1.0
    left, right = sorted((int(first[0]), int(last[0])))
    top, bottom = sorted((int(first[1]), int(last[1])))
    return Area(left, top, right, bottom, aspect, magnification)


def _shutter(shutter: Header, state: Header) -> Shutter | None:
    """Read the shutter of a state, or of the item that it has for some frames (C.7.6.11, C.11.20)."""
    shapes = {shape.strip().upper() for shape in shutter.texts(0x00181600)}
    if not shapes:
        return None
    rectangle: tuple[int, int, int, int] | None = None
    edges = [shutter.integer(tag) for tag in (0x00181602, 0x00181606, 0x00181604, 0x00181608)]
    if "RECTANGULAR" in shapes and None not in edges:
        left, top, right, bottom = (edge or 0 for edge in edges)
        rectangle = (left, top, right, bottom)
    centre, radius = shutter.numbers(0x00181610), shutter.number(0x00181612)
    circle = (centre[1], centre[0], radius) if "CIRCULAR" in shapes and len(centre) == 2 and radius else None
    flat = shutter.numbers(0x00181620) if "POLYGONAL" in shapes else []
    polygon = tuple((column, row) for row, column in zip(flat[::2], flat[1::2], strict=False))
    group = shutter.integer(0x00181623) if "BITMAP" in shapes else None
    bitmap = _plane(state, group, 1, _WHITE) if group is not None else None
    if "BITMAP" in shapes and bitmap is None:
        raise NotAcceptable("the presentation state has a shutter of a bitmap that is not in it")
    value = (next((each.integer(0x00181622) for each in (shutter, state) if 0x00181622 in each), None) or 0) >> 8
    return Shutter(rectangle, circle, polygon if len(polygon) >= 3 else (), bitmap, min(value, 255))


def _overlays(
    state: Header,
    image: Header,
    frame_number: int,
    layers: dict[str, tuple[int, Colour]],
    overlay_bits: Callable[[int], bytes],
) -> Iterator[tuple[int, Plane]]:
    """Read the overlays that the state puts into a layer, from the state, else from the image (C.11.7)."""
    for group in range(0x6000, 0x6020, 2):
        name = state.text(group << 16 | 0x1001)
        if name is None:
            continue
        order, colour = layers.get(name.strip().upper(), _NO_LAYER)
        source = state if group << 16 | 0x3000 in state else image
        plane = _plane(source, group, frame_number, colour)
        if plane is None and image.integer(group << 16 | 0x0100) not in (None, 1):
            # In the bits of the pixels that hold no value: retired, and still found in old images (PS3.5 8.1.2).
            rows, columns = image.integer(0x00280010) or 0, image.integer(0x00280011) or 0
            bits = overlay_bits(image.integer(group << 16 | 0x0102) or 0)
            plane = Plane(bits, rows, columns, (1, 1), colour)
        if plane is not None:
            yield order, plane


def _plane(source: Header, group: int, frame_number: int, colour: Colour) -> Plane | None:
    """Read one overlay, of the frame that it has for a frame of the image (C.9.2, C.9.3)."""
    base = group << 16
    bits, rows, columns = source.raw(base | 0x3000), source.integer(base | 0x0010), source.integer(base | 0x0011)
    if bits is None or not rows or not columns or rows < 1 or columns < 1:
        return None
    corner = source.numbers(base | 0x0050)
    row, column = (int(corner[0]), int(corner[1])) if len(corner) == 2 else (1, 1)
    count = source.integer(base | 0x0015)
    index = frame_number - (source.integer(base | 0x0051) or 1) if count is not None else 0
    size = rows * columns
    if not 0 <= index < (count or 1) or len(bits) * 8 < (index + 1) * size:
        return None
    if not source.is_little_endian:
        bits = b"".join(bits[at : at + 2][::-1] for at in range(0, len(bits), 2))
    first = index * size
    held = int.from_bytes(bits[first // 8 : (first + size + 7) // 8], "little") >> first % 8
    cut = (
        (held & (1 << size) - 1).to_bytes((size + 7) // 8, "little")
        if first % 8
        else bits[first // 8 :][: -(-size // 8)]
    )
    return Plane(cut, rows, columns, (column, row), colour)


def _marks(
    state: Header,
    image: Header,
    frame_number: int,
    annotations: Iterator[Header],
    marks_max: int,
    overlay_bits: Callable[[int], bytes],
) -> Iterator[Mark]:
    layers = _layers(state)
    found: list[tuple[int, Mark]] = [*_overlays(state, image, frame_number, layers, overlay_bits)]
    for annotation in annotations:
        order, colour = layers.get((annotation.text(0x00700002) or "").strip().upper(), _NO_LAYER)
        shapes = (_shape(item, colour) for item in annotation.items(0x00700009))
        texts = (_words(item, colour) for item in annotation.items(0x00700008))
        found += [(order, mark) for mark in (*shapes, *texts) if mark is not None]
        simple = (*annotation.items(0x00700009), *annotation.items(0x00700008))
        # Each is to stand there in simple shapes and texts too, which bear its number (C.10.5.1.3.1).
        replaced = {item.integer(_COMPOUND_ID) for item in simple}
        for item in annotation.items(0x00700209):
            if item.integer(_COMPOUND_ID) not in replaced:
                found += [(order, shape) for shape in compound_shapes(item, _shape_colour(item, colour))]
        if len(found) > marks_max:
            raise NotAcceptable(f"the presentation state has more than {marks_max} graphic and text objects")
    found.sort(key=lambda entry: entry[0])
    return (mark for _, mark in found)


def _layers(state: Header) -> dict[str, tuple[int, Colour]]:
    layers: dict[str, tuple[int, Colour]] = {}
    for item in state.items(0x00700060):
        grey = item.integer(0x00700066)
        colour = _lab(item, 0x00700401, _WHITE if grey is None else (min(grey >> 8, 255),) * 3)
        layers[(item.text(0x00700002) or "").strip().upper()] = (item.integer(0x00700062) or 0, colour)
    return layers


def _lab(item: Header, tag: int, without: Colour) -> Colour:
    lab = item.numbers(tag)
    return from_cielab(lab[0], lab[1], lab[2]) if len(lab) == 3 else without


def _styled(item: Header, style: int, colour: int, without: Colour) -> Colour:
    """Give the colour of an object's own style, where it has one (C.10.5.1)."""
    return next((_lab(each, colour, without) for each in item.items(style)), without)


def _units(text: str | None) -> Units:
    return "DISPLAY" if (text or "").strip().upper() == "DISPLAY" else "PIXEL"


def _shape(item: Header, colour: Colour) -> Shape | None:
    flat = item.numbers(0x00700022)
    points = tuple(zip(flat[::2], flat[1::2], strict=False))
    kind = (item.text(0x00700023) or "").strip().upper()
    if not points or (item.integer(0x00700020) or 2) != 2:
        return None
    is_filled = (item.text(0x00700024) or "").strip().upper() == "Y"
    return Shape(kind, _units(item.text(0x00700005)), points, is_filled, _shape_colour(item, colour))


def _shape_colour(item: Header, without: Colour) -> Colour:
    return _styled(item, 0x00700232, 0x00700251, without)


def compound_shapes(item: Header, colour: Colour) -> list[Shape]:
    """Give the shapes of a compound graphic whose drawing the standard prescribes (C.10.5.1.3).

    Raises
    ------
    NotAcceptable: it is of another type, or turned or cut open in a way that is not drawn here.
    """
    kind = (item.text(0x00700294) or "").strip().upper()
    flat = item.numbers(0x00700022)
    points: list[Point] = list(zip(flat[::2], flat[1::2], strict=False))
    if kind not in {"RECTANGLE", "ELLIPSE", "INFINITELINE", "MULTILINE"} or item.number(0x00700261):
        what = f"{kind or 'without a type'}{' with a gap' if item.number(0x00700261) else ''}"
        raise NotAcceptable(
            f"the presentation state has a compound graphic, {what}, without the simple ones in its place"
        )
    if len(points) != 2 and (kind != "MULTILINE" or not points or len(points) % 2):
        raise NotAcceptable(f"Graphic Data (0070,0022) of a compound graphic, {kind}, has {len(points)} points")
    units = _units(item.text(0x00700282))
    is_filled = (item.text(0x00700024) or "").strip().upper() == "Y"
    (left, top), (right, bottom) = points[:2]
    lines: list[list[Point]]
    if kind == "RECTANGLE":
        lines = [[(left, top), (right, top), (right, bottom), (left, bottom), (left, top)]]
    elif kind == "ELLIPSE":
        x, y = (left + right) / 2, (top + bottom) / 2
        lines = [[(left, y), (right, y), (x, top), (x, bottom)]]
    else:
        lines = [points[index : index + 2] for index in range(0, len(points), 2)]
    turned = _turned(item, units)
    drawn_as = kind if kind in {"ELLIPSE", "INFINITELINE"} else "POLYLINE"
    return [Shape(drawn_as, units, tuple(map(turned, line)), is_filled, colour) for line in lines]


def _turned(item: Header, units: Units) -> Callable[[Point], Point]:
    """Give what turns points by Rotation Angle, counterclockwise as seen, about Rotation Point (C.10.5.1.3.2)."""
    angle, centre = item.number(0x00700230) or 0.0, item.numbers(0x00700273)
    if angle == 0:
        return lambda point: point
    if len(centre) != 2 or units != "PIXEL":
        raise NotAcceptable("a compound graphic is turned in display units, or without Rotation Point (0070,0273)")
    cosine, sine = math.cos(math.radians(angle)), math.sin(math.radians(angle))

    def turned(point: Point) -> Point:
        x, y = point[0] - centre[0], point[1] - centre[1]
        return centre[0] + x * cosine + y * sine, centre[1] - x * sine + y * cosine

    return turned


def _words(item: Header, colour: Colour) -> Words | None:
    text = item.text(0x00700006)
    first, last, anchor = item.numbers(0x00700010), item.numbers(0x00700011), item.numbers(0x00700014)
    if not text or (len(first) != 2 and len(anchor) != 2):
        return None
    return Words(
        text,
        box=((first[0], first[1]), (last[0], last[1])) if len(first) == 2 and len(last) == 2 else None,
        box_units=_units(item.text(0x00700003)),
        anchor=(anchor[0], anchor[1]) if len(anchor) == 2 else None,
        anchor_units=_units(item.text(0x00700004)),
        has_line=(item.text(0x00700015) or "").strip().upper() == "Y",
        justification=(item.text(0x00700012) or "LEFT").strip().upper(),
        colour=_styled(item, 0x00700231, 0x00700241, colour),
    )


def from_cielab(lightness: float, a: float, b: float) -> Colour:
    """Turn a colour as DICOM writes CIELab, 16 bits each, into sRGB (PS3.3 C.10.7.1.1, ISO 15076-1 with D50)."""
    level = (lightness / 65535 * 100 + 16) / 116
    across, along = a / 65535 * 255 - 128, b / 65535 * 255 - 128

    def linear(t: float) -> float:
        return t**3 if t > 6 / 29 else 3 * (6 / 29) ** 2 * (t - 4 / 29)

    x, y, z = 0.96422 * linear(level + across / 500), linear(level), 0.82521 * linear(level - along / 200)
    channels = (
        3.1338561 * x - 1.6168667 * y - 0.4906146 * z,
        -0.9787684 * x + 1.9161415 * y + 0.0334540 * z,
        0.0719453 * x - 0.2289914 * y + 1.4052427 * z,
    )

    def encoded(value: float) -> int:
        value = min(max(value, 0.0), 1.0)
        value = 12.92 * value if value <= 0.0031308 else 1.055 * value ** (1 / 2.4) - 0.055
        return round(value * 255)

    red, green, blue = map(encoded, channels)
    return red, green, blue
