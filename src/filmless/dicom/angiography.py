r"""What a presentation state says of a run of frames: mask subtraction, and how each frame is displayed.

Comes in: the scanned header of the state. Goes out: `FrameDisplay`; `Subtraction`, which names the frames it takes
(PS3.3 C.7.6.10, C.11.13, C.11.19, C.11.21, C.8.19.7). Not here: what is done to values (subtracting.py).
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Final

from filmless.dicom.references import Ranges, holding, is_within, read_ranges
from filmless.dicom.scanner import Header
from filmless.dicom.windowing import Lut, functional_group, read_lut
from filmless.errors import NotAcceptable

_OPERATIONS: Final = ("AVG_SUB", "TID", "REV_TID")
_FRAME_RANGE: Final = (0x00286102, "Applicable Frame Range")


@dataclass(frozen=True, slots=True)
class FrameDisplay:
    """How a frame of a run is displayed: not at all, as it is or subtracted, sharpened, for how long."""

    is_skipped: bool = False
    viewing_mode: str = ""  # SUB, NAT, or nothing
    sharpening: float = 0.0  # 0 to 1, of the strongest that is applied here
    mask_share_kept: float = 0.0  # 0: the mask is subtracted in full, 1: not at all
    rate_hz: float | None = None


@dataclass(frozen=True, slots=True)
class Shift:
    """How far the mask is moved, in pixels, within a region of the image: vertices are (column, row) from 1.

    A positive row shift moves it down, a positive column shift to the LEFT (C.7.6.10.1.2).
    """

    rows: float
    columns: float
    region: tuple[tuple[float, float], ...] = ()


@dataclass(frozen=True, slots=True)
class Subtraction:
    """The frames (from 1) whose mean is shown, those whose mean is the mask, and how that is subtracted."""

    contrast: tuple[int, ...]
    mask: tuple[int, ...]
    shifts: tuple[Shift, ...] = ()
    mask_share_kept: float = 0.0
    log_luts: tuple[tuple[Ranges, Lut], ...] = ()

    def log_lut_of(self, frame_number: int) -> Lut | None:
        """Give the table that turns the values of a frame into logarithms of the X-ray intensity, if there is one."""
        return next((lut for ranges, lut in self.log_luts if is_within(ranges, frame_number)), None)


def read_frame_display(state: Header, sop_instance_uid: str, frame_number: int) -> FrameDisplay:
    """Read how one frame is displayed by an XA/XRF state (C.11.21): the ranges of its frames do not overlap."""
    for presentation in holding(state, 0x00289505, sop_instance_uid, frame_number):
        for item in presentation.items(0x00089458):
            first, last = item.integer(0x00082142), item.integer(0x00082143)
            if first is None or last is None:
                missing = "Start Trim (0008,2142)" if first is None else "Stop Trim (0008,2143)"
                raise NotAcceptable(f"{missing} is missing from a Frame Display Sequence of the presentation state")
            if first <= frame_number <= last:
                rate_hz = item.number(0x00089459)
                return FrameDisplay(
                    is_skipped=(item.text(0x00089460) or "").strip().upper() == "SKIP",
                    viewing_mode=(item.text(0x00281090) or "").strip().upper(),
                    sharpening=_share(item, 0x00289411, "Display Filter Percentage (0028,9411)"),
                    mask_share_kept=_share(item, 0x00289478, "Mask Visibility Percentage (0028,9478)"),
                    rate_hz=rate_hz if rate_hz is not None and rate_hz > 0 else None,
                )
    return FrameDisplay()


def _share(item: Header, tag: int, name: str) -> float:
    percentage = item.number(tag) or 0.0
    if not 0 <= percentage <= 100:
        raise NotAcceptable(f"{name} of the presentation state is {percentage:g}; it is 0 to 100")
    return percentage / 100


def read_subtraction(
    state: Header, sop_instance_uid: str, frame_number: int, number_of_frames: int
) -> Subtraction | None:
    """Read which mask a state subtracts from one frame (from 1); None where it subtracts none.

    Raises
    ------
    NotAcceptable: what it says is not known, makes no sense, or names frames that the image does not have.
    """
    display = read_frame_display(state, sop_instance_uid, frame_number)
    if (display.viewing_mode or (state.text(0x00281090) or "").strip().upper()) == "NAT":
        return None
    for item in holding(state, 0x00286100, sop_instance_uid, frame_number):
        taken = _frames_taken(item, frame_number, number_of_frames)
        if taken is not None:
            contrast, mask = taken
            return Subtraction(
                contrast, mask, _shifts(item, frame_number), display.mask_share_kept, tuple(_log_luts(item))
            )
    return None


def _frames_taken(item: Header, frame_number: int, last: int) -> tuple[tuple[int, ...], tuple[int, ...]] | None:
    """Give the frames of contrast and mask; None where the operation is not for this frame (C.7.6.10.1.1)."""
    operation = (item.text(0x00286101) or "").strip().upper()
    if operation == "NONE":
        return None
    if operation not in _OPERATIONS:
        raise NotAcceptable(
            f"Mask Operation (0028,6101) of the presentation state is {operation!r}; known are {', '.join(_OPERATIONS)}"
        )
    averaged = max(item.integer(0x00286112) or 1, 1)
    stated = read_ranges(item, *_FRAME_RANGE)
    if not stated and operation == "REV_TID":
        raise NotAcceptable("Applicable Frame Range (0028,6102) is missing, from whose begin REV_TID counts")
    if not is_within(stated or ((1, last - averaged + 1),), frame_number):
        return None
    if operation == "AVG_SUB":
        mask = tuple(int(number) for number in item.numbers(0x00286110))
        if not mask:
            raise NotAcceptable("Mask Frame Numbers (0028,6110) is missing, of which AVG_SUB makes its mask")
    else:
        offset = item.integer(0x00286120)
        offset = 1 if offset is None else offset
        first = stated[0][0] if operation == "REV_TID" else frame_number
        mask = (first - offset - (frame_number - first),)
        if not stated and not 1 <= mask[0] <= last:
            return None
    for number in mask:
        if not 1 <= number <= last:
            raise NotAcceptable(f"the mask of frame {frame_number} is frame {number}, of an image of {last}")
    return tuple(range(frame_number, min(frame_number + averaged - 1, last) + 1)), mask


def _shifts(item: Header, frame_number: int) -> tuple[Shift, ...]:
    if 0x00289501 not in item:
        return (_shift(item),) if 0x00286114 in item else ()
    for group in item.items(0x00289501):
        if is_within(read_ranges(group, 0x00289506, "Pixel Shift Frame Range"), frame_number):
            return tuple(_shift(region) for region in group.items(0x00289502))
    return ()


def _shift(item: Header) -> Shift:
    values = item.numbers(0x00286114)
    if len(values) != 2 or not all(map(math.isfinite, values)):
        raise NotAcceptable("Mask Sub-pixel Shift (0028,6114) of the presentation state is not two numbers")
    flat = item.numbers(0x00289503)
    region = tuple((column, row) for row, column in zip(flat[::2], flat[1::2], strict=False))
    if flat and (len(flat) % 2 or len(region) < 3):
        raise NotAcceptable("Vertices of the Region (0028,9503) of the presentation state are not those of a polygon")
    return Shift(values[0], values[1], region)


def _log_luts(item: Header) -> list[tuple[Ranges, Lut]]:
    found = []
    for each in item.items(0x00289422):
        if (each.text(0x00289474) or "").strip().upper() == "TO_LOG":
            lut = read_lut(each, is_signed=False)
            if lut is None:
                raise NotAcceptable("LUT Data (0028,3006) is missing from a Pixel Intensity Relationship LUT Sequence")
            found.append((read_ranges(each, 0x00289507, "LUT Frame Range"), lut))
    return found


def is_linear_to_intensity(image: Header, frame_number: int) -> bool:
    """Whether the stored values of a frame are linear to the X-ray intensity, and no logarithms (C.8.7.1.1.2)."""
    properties = functional_group(image, 0x00289443, frame_number) or image
    return (properties.text(0x00281040) or "").strip().upper() == "LIN"
