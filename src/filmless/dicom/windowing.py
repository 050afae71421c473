"""From stored values to display values: Modality LUT, VOI LUT, palettes (PS3.3 C.7.6.3.1, C.11.1, C.11.2, PS3.4 N.2).

Comes in: a scanned header and the stored values of a frame. Goes out: 8-bit grey or RGB.
Not here: decoding (pixels.py), geometry and files (rendering.py).
"""

from __future__ import annotations

import functools
import math
import struct
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Final, Literal

from filmless.errors import Refused

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from filmless.dicom.scanner import Header

Function = Literal["LINEAR", "LINEAR_EXACT", "SIGMOID"]
FUNCTIONS: Final[tuple[Function, ...]] = ("LINEAR", "LINEAR_EXACT", "SIGMOID")

_TABLE_MAX: Final = 1 << 16
_MONOCHROME: Final = frozenset({"MONOCHROME1", "MONOCHROME2"})


@dataclass(frozen=True, slots=True)
class Window:
    """A VOI function: center and width in the units that the Modality LUT gives (HU for CT)."""

    center: float
    width: float
    function: Function = "LINEAR"


@dataclass(frozen=True, slots=True)
class Lut:
    """A lookup table (PS3.3 C.11.1.1): values from `first` on are mapped to `entries` of `bits` bits."""

    first: int
    bits: int
    entries: NDArray[Any]


@dataclass(frozen=True, slots=True)
class Display:
    """All that the data set says of how a frame is to be shown."""

    photometric_interpretation: str = "MONOCHROME2"
    bits_stored: int = 8
    slope: float = 1.0
    intercept: float = 0.0
    modality_lut: Lut | None = None
    windows: tuple[Window, ...] = ()
    voi_luts: tuple[Lut, ...] = ()
    palette: tuple[Lut, Lut, Lut] | None = None
    padding: tuple[int, int] | None = field(default=None)


def read_display(header: Header, frame_number: int = 1) -> Display:
    """Read how a frame (from 1) is to be shown, functional groups of multi-frame images included (C.7.6.16)."""
    is_signed = header.integer(0x00280103) == 1
    values = functional_group(header, 0x00289145, frame_number) or header  # Pixel Value Transformation Sequence
    voi = functional_group(header, 0x00289132, frame_number) or header  # Frame VOI LUT Sequence
    slope = _number(values, 0x00281053)
    photometric = (header.text(0x00280004) or "MONOCHROME2").strip().upper()
    return Display(
        photometric_interpretation=photometric,
        bits_stored=header.integer(0x00280101) or header.integer(0x00280100) or 8,
        slope=slope or 1.0,
        intercept=_number(values, 0x00281052) or 0.0,
        modality_lut=next(iter(_luts(header, 0x00283000, is_signed=is_signed)), None),
        windows=_windows(voi),
        voi_luts=tuple(_luts(voi, 0x00283010, is_signed=is_signed)),
        palette=_palette(header, is_signed=is_signed) if photometric == "PALETTE COLOR" else None,
        padding=read_padding(header),
    )


def read_softcopy_display(
    state: Header, voi: Header | None, image: Header, *, mask_share: float = 0.0, log_lut: Lut | None = None
) -> Display:
    """Read how a presentation state shows an image: its own Modality and VOI LUT alone count (PS3.4 N.2.1).

    Parameters
    ----------
    voi : the item of Softcopy VOI LUT Sequence that holds for the image; without one, all values are shown.
    mask_share : how much of a mask is subtracted, 0 to 1; the differences may then be negative.
    log_lut : a table through which values go before that.
    """
    is_signed = image.integer(0x00280103) == 1
    bits = min(image.integer(0x00280101) or image.integer(0x00280100) or 8, 32)
    slope, intercept = _number(state, 0x00281053) or 1.0, _number(state, 0x00281052) or 0.0
    modality_lut = next(iter(_luts(state, 0x00283000, is_signed=is_signed)), None)
    windows = _windows(voi) if voi is not None else ()
    voi_luts = tuple(_luts(voi, 0x00283010, is_signed=is_signed or mask_share > 0)) if voi is not None else ()
    if not windows and not voi_luts:
        lut = modality_lut or log_lut
        stored = (-(1 << bits - 1), (1 << bits - 1) - 1) if is_signed else (0, (1 << bits) - 1)
        low, high = sorted(end * slope + intercept for end in (stored if lut is None else (0, (1 << lut.bits) - 1)))
        low, high = low - mask_share * high, high - mask_share * low
        windows = (Window((low + high) / 2, max(high - low, 1e-6), "LINEAR_EXACT"),)
    return Display(
        bits_stored=bits,
        slope=slope,
        intercept=intercept,
        modality_lut=modality_lut,
        windows=windows,
        voi_luts=voi_luts,
        palette=_palette(image, is_signed=is_signed) if image.text(0x00280004) == "PALETTE COLOR" else None,
    )


def read_softcopy_lut(state: Header) -> Lut | None:
    """Read the Presentation LUT of a presentation state (PS3.3 C.11.6)."""
    return next(iter(_luts(state, 0x20500010, is_signed=False)), None)


def read_palette(state: Header) -> tuple[Lut, Lut, Lut] | None:
    """Read the palettes of a Pseudo-Color Softcopy Presentation State."""
    return _palette(state, is_signed=False)


def functional_group(header: Header, tag: int, frame_number: int) -> Header | None:
    """Find the item of a functional group for a frame (from 1): its own, else the shared one (PS3.3 C.7.6.16)."""
    per_frame = header.items(0x52009230)[frame_number - 1 : frame_number]
    for group in (*per_frame, *header.items(0x52009229)[:1]):
        if items := group.items(tag):
            return items[0]
    return None


def _number(header: Header, tag: int) -> float | None:
    return next(iter(_numbers(header, tag)), None)


def _numbers(header: Header, tag: int) -> list[float]:
    return [float(number) for number in header.numbers(tag) if math.isfinite(number)]


def _windows(header: Header) -> tuple[Window, ...]:
    named = (header.text(0x00281056) or "LINEAR").strip().upper()
    function: Function = next((known for known in FUNCTIONS if known == named), "LINEAR")
    pairs = zip(_numbers(header, 0x00281050), _numbers(header, 0x00281051), strict=False)
    # A width of 0 or less is against the standard and shows nothing: such a window is passed over.
    return tuple(Window(center, width, function) for center, width in pairs if width > 0)


def _words(header: Header, tag: int) -> tuple[int, ...]:
    raw = header.raw(tag) or b""
    order = "<" if header.is_little_endian else ">"
    return struct.unpack_from(f"{order}{len(raw) // 2}H", raw)


def _signed(word: int) -> int:
    return word - 0x10000 if word & 0x8000 else word


def _lut(header: Header, descriptor_tag: int, data: NDArray[Any], *, is_signed: bool) -> Lut | None:
    descriptor = _words(header, descriptor_tag)
    if len(descriptor) < 3 or not len(data):
        return None
    # Where no VR is written, that of a state's table depends on the image, which is not in it.
    vr = None if header.is_implicit else header.vr(descriptor_tag)
    first = _signed(descriptor[1]) if vr == "SS" or (vr != "US" and is_signed) else descriptor[1]
    count = descriptor[0] or 0x10000
    return Lut(first, min(max(descriptor[2], 1), 16), data[:count])


def _lut_data(header: Header, descriptor_tag: int, data_tag: int) -> NDArray[Any]:
    """Read LUT Data: 16-bit words, or bytes when there are only as many bytes as entries."""
    import numpy as np

    descriptor, raw = _words(header, descriptor_tag), header.raw(data_tag) or b""
    count = (descriptor[0] or 0x10000) if descriptor else 0
    if count and len(raw) in {count, count + 1} and descriptor[2] == 8:
        return np.frombuffer(raw, np.uint8)[:count].astype(np.uint16)
    order = "<" if header.is_little_endian else ">"
    return np.frombuffer(raw[: len(raw) // 2 * 2], f"{order}u2").astype(np.uint16)


def _luts(header: Header, sequence_tag: int, *, is_signed: bool) -> list[Lut]:
    found = []
    for item in header.items(sequence_tag):
        lut = read_lut(item, is_signed=is_signed)
        if lut is not None:
            found.append(lut)
    return found


def read_lut(item: Header, *, is_signed: bool) -> Lut | None:
    """Read the table of an item; None where it has no descriptor or no data (PS3.3 C.11.1.1)."""
    if 0x00283002 not in item or 0x00283006 not in item:
        return None
    return _lut(item, 0x00283002, _lut_data(item, 0x00283002, 0x00283006), is_signed=is_signed)


def _palette(header: Header, *, is_signed: bool) -> tuple[Lut, Lut, Lut] | None:
    """Read the three palettes, plain or segmented (PS3.3 C.7.6.3.1.5, C.7.9.2)."""
    import numpy as np

    luts = []
    for descriptor_tag in (0x00281101, 0x00281102, 0x00281103):
        plain, segmented = descriptor_tag + 0x100, descriptor_tag + 0x120
        if descriptor_tag not in header:
            return None
        if plain in header:
            data = _lut_data(header, descriptor_tag, plain)
        elif segmented in header:
            descriptor = _words(header, descriptor_tag)
            is_bytes = len(descriptor) > 2 and descriptor[2] == 8
            segments = list(header.raw(segmented) or b"") if is_bytes else list(_words(header, segmented))
            data = np.array(_expand(segments, is_bytes=is_bytes), np.uint16)
        else:
            return None
        lut = _lut(header, descriptor_tag, data, is_signed=is_signed)
        if lut is None:
            return None
        luts.append(lut)
    return luts[0], luts[1], luts[2]


def _expand(segments: list[int], *, is_bytes: bool) -> list[int]:
    """Expand segmented palette data: discrete, linear and indirect segments (PS3.3 C.7.9.2).

    Raises
    ------
    Refused: a segment has an unknown opcode, or the expansion is longer than any palette.
    """
    out: list[int] = []
    offset_words = 4 if is_bytes else 2

    def run(position: int, count: int, *, is_nested: bool) -> None:
        done = 0
        while position + 1 < len(segments) and (count < 0 or done < count) and len(out) <= _TABLE_MAX:
            opcode, length = segments[position], segments[position + 1]
            if opcode == 0:
                out.extend(segments[position + 2 : position + 2 + length])
                position += 2 + length
            elif opcode == 1:
                if position + 2 >= len(segments) or not out:
                    return
                begin, end = out[-1], segments[position + 2]
                out.extend(round(begin + (end - begin) * (step + 1) / length) for step in range(length))
                position += 3
            elif opcode == 2 and not is_nested:
                words = segments[position + 2 : position + 2 + offset_words]
                shift = 8 if is_bytes else 16
                target = sum(word << (shift * place) for place, word in enumerate(words))
                run(target // (1 if is_bytes else 2), length, is_nested=True)
                position += 2 + offset_words
            else:
                raise Refused(f"the segmented palette has a segment of type {opcode}")
            done += 1

    run(0, -1, is_nested=False)
    return out[:_TABLE_MAX]


def read_padding(header: Header) -> tuple[int, int] | None:
    """Read the least and the largest stored value that stand for no image (PS3.3 C.7.5.1.1.2)."""
    is_signed = header.integer(0x00280103) == 1
    if 0x00280120 not in header:
        return None
    words = [_words(header, tag)[:1] for tag in (0x00280120, 0x00280121) if tag in header]
    values = [_signed(word[0]) if is_signed else word[0] for word in words if word]
    return (min(values), max(values)) if values else None


def to_display(pixels: NDArray[Any], display: Display, window: Window | None = None) -> NDArray[Any]:
    """Map the stored values of a frame to what a screen shows.

    Parameters
    ----------
    pixels : shape (rows, columns), or (rows, columns, 3) of RGB.
    window : used in place of the data set's own VOI LUT or window.

    Returns
    -------
    uint8 array, shape (rows, columns) or (rows, columns, 3): 0 is black, 255 white.

    References: PS3.4 N.2.1, the grayscale rendering pipeline.
    """
    import numpy as np

    if pixels.ndim == 3:
        return _to_bytes(pixels, display.bits_stored)
    if display.palette is not None:
        return _through_palette(pixels, display.palette)
    if pixels.dtype.kind not in "iu" or pixels.size == 0:
        return _values_to_display(pixels, pixels, display, window)
    chosen = window or (None if display.voi_luts else next(iter(display.windows), None))
    if chosen is not None and display.modality_lut is None and pixels.dtype.itemsize <= 2:
        is_inverse = display.photometric_interpretation == "MONOCHROME1"
        table = _whole_table(pixels.dtype.str, display.slope, display.intercept, chosen, is_inverse)
        return _look_up(table, pixels.view(f"u{pixels.dtype.itemsize}"))
    low, high = int(pixels.min()), int(pixels.max())
    if high - low >= _TABLE_MAX:
        return _values_to_display(pixels, pixels, display, window)
    domain = np.arange(low, high + 1, dtype=np.int64)
    table = _values_to_display(domain, pixels, display, window)
    return _look_up(table, pixels.astype(np.int64) - low)


def _look_up(table: NDArray[Any], indices: NDArray[Any]) -> NDArray[Any]:
    import numpy as np

    shown: NDArray[Any] = np.take(table, indices)
    return shown


@functools.lru_cache(maxsize=32)
def _whole_table(dtype: str, slope: float, intercept: float, window: Window, is_inverse: bool) -> NDArray[Any]:
    """Map every value that an 8 or 16-bit type holds, by its bits: the same for all slices of most series."""
    import numpy as np

    bits = np.arange(1 << (8 * np.dtype(dtype).itemsize), dtype=np.uint32).astype(f"u{np.dtype(dtype).itemsize}")
    table = apply_window(bits.view(dtype).astype(np.float64) * slope + intercept, window)
    return np.invert(table) if is_inverse else table


def _values_to_display(
    stored: NDArray[Any], pixels: NDArray[Any], display: Display, window: Window | None
) -> NDArray[Any]:
    """Map `stored` values, which are the frame itself or each value that it may hold."""
    import numpy as np

    values = modality_values(stored, display)
    if window is not None:
        shown = apply_window(values, window)
    elif display.voi_luts:
        lut = display.voi_luts[0]
        index = np.clip(np.rint(values).astype(np.int64) - lut.first, 0, len(lut.entries) - 1)
        shown = np.rint(np.minimum(lut.entries[index] / ((1 << lut.bits) - 1), 1.0) * 255).astype(np.uint8)
    else:
        chosen = display.windows[0] if display.windows else default_window(pixels, display)
        shown = apply_window(values, chosen)
    if display.photometric_interpretation == "MONOCHROME1":
        np.invert(shown, out=shown)
    return shown


def modality_values(stored: NDArray[Any], display: Display) -> NDArray[Any]:
    """Map stored values to those that the Modality LUT gives, as floats."""
    import numpy as np

    if display.modality_lut is not None:
        return look_up(stored, display.modality_lut)
    values: NDArray[Any] = stored.astype(np.float64) * display.slope + display.intercept
    return values


def look_up(values: NDArray[Any], lut: Lut) -> NDArray[Any]:
    """Map values through a table, as floats; those beyond its ends to its first or last entry (PS3.3 C.11.1.1)."""
    import numpy as np

    index = np.clip(np.rint(values).astype(np.int64) - lut.first, 0, len(lut.entries) - 1)
    return np.asarray(lut.entries[index], np.float64)


def apply_window(values: NDArray[Any], window: Window) -> NDArray[Any]:
    """Apply a VOI function to values that are through the Modality LUT.

    Returns
    -------
    uint8 array of the same shape, rounded half up.

    Raises
    ------
    Refused: the width is not above 0. LINEAR with a width below 1, which the standard forbids and float images
        have, is taken as LINEAR_EXACT.

    References: PS3.3 C.11.2.1.2.1, C.11.2.1.3.1, C.11.2.1.3.2.
    """
    import numpy as np

    center, width = window.center, window.width
    if not width > 0:
        raise Refused(f"WindowWidth is {width}; it must be above 0")
    if window.function == "SIGMOID":
        with np.errstate(over="ignore"):
            shown = 1 / (1 + np.exp(-4 * (values - center) / width))
    elif window.function == "LINEAR" and width >= 1:
        if width == 1:
            shown = (values > center - 0.5).astype(np.float64)
        else:
            shown = (values - (center - 0.5)) / (width - 1) + 0.5
    else:
        shown = (values - center) / width + 0.5
    shown = np.clip(shown, 0, 1)
    shown[np.isnan(shown)] = 0
    return np.floor(shown * 255 + 0.5).astype(np.uint8)


def default_window(pixels: NDArray[Any], display: Display) -> Window:
    """Choose a window for a frame whose data set gives none.

    8-bit images are meant as they are; of others the darkest and brightest thousandth is left out, as are padding
    values, which would take the contrast from all the rest.
    """
    import numpy as np

    if pixels.dtype.kind in "iu" and display.bits_stored <= 8 and display.modality_lut is None:
        half = 1 << (display.bits_stored - 1)
        lowest, highest = (-half, half - 1) if pixels.dtype.kind == "i" else (0, 2 * half - 1)
        low, high = lowest * display.slope + display.intercept, highest * display.slope + display.intercept
    else:
        sample = pixels.reshape(-1)
        sample = sample[:: max(1, len(sample) // 262_144)]
        if display.padding is not None:
            kept = sample[(sample < display.padding[0]) | (sample > display.padding[1])]
            sample = kept if len(kept) else sample
        values = modality_values(sample, display)
        values = values[np.isfinite(values)]
        if not len(values):
            return Window(0.5, 1, "LINEAR_EXACT")
        low, high = (float(value) for value in np.percentile(values, (0.1, 99.9)))
        if high - low <= 0:
            low, high = float(values.min()), float(values.max())
    low, high = min(low, high), max(low, high)
    return Window((low + high) / 2, max(high - low, 1e-6), "LINEAR_EXACT")


def _to_bytes(pixels: NDArray[Any], bits_stored: int) -> NDArray[Any]:
    import numpy as np

    if pixels.dtype == np.uint8 and bits_stored >= 8:
        return pixels
    top = (1 << bits_stored) - 1
    return np.rint(np.clip(pixels.astype(np.float64) / top, 0, 1) * 255).astype(np.uint8)


def _through_palette(pixels: NDArray[Any], palette: tuple[Lut, Lut, Lut]) -> NDArray[Any]:
    import numpy as np

    out = np.empty((*pixels.shape, 3), np.uint8)
    for channel, lut in enumerate(palette):
        entries = lut.entries
        if lut.bits > 8 and int(entries.max(initial=0)) > 0xFF:
            entries = entries >> (lut.bits - 8)
        # else: entries said to have 16 bits that only fill 8, as several makers write them.
        table = np.minimum(entries, 0xFF).astype(np.uint8)
        out[..., channel] = table[np.clip(pixels.astype(np.int64) - lut.first, 0, len(table) - 1)]
    return out
