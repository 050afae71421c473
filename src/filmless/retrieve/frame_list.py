"""Which frames a retrieval at the FRAME level asks for (PS3.4 Y.3.2)."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime
from enum import Enum, auto
from itertools import pairwise
from typing import Any, Final

from filmless.errors import Refused

SIMPLE_FRAME_LIST: Final = "00081161"
CALCULATED_FRAME_LIST: Final = "00081162"
TIME_RANGE: Final = "00081163"
KEYS: Final = (SIMPLE_FRAME_LIST, CALCULATED_FRAME_LIST, TIME_RANGE)

_CONTENT_DATE, _CONTENT_TIME = "00080023", "00080033"
_FRAME_TIME, _FRAME_TIME_VECTOR, _FRAME_DELAY = "00181063", "00181065", "00181066"
_PER_FRAME, _FRAME_CONTENT, _FRAME_REFERENCE = "52009230", "00209111", "00189151"


class Reason(Enum):
    """Why frames cannot be had: the failures of table Y.4-1."""

    NO_SUCH_FRAMES = auto()  # AA00
    NOT_OF_THIS_CLASS = auto()  # AA01
    NOT_EXTRACTABLE = auto()  # AA02
    NOT_TIMED = auto()  # AA03
    INVALID = auto()  # AA04


class FramesRefused(Refused):
    """A request for frames that cannot be met."""

    def __init__(self, reason: Reason, message: str) -> None:
        super().__init__(message)
        self.reason = reason


def read_frame_list(identifier: Mapping[str, Any], count: int, dataset: Mapping[str, Any]) -> list[int]:
    """List the frames (from 1, ascending) that an identifier selects of an instance with `count` frames.

    Raises
    ------
    FramesRefused: there is not exactly one key of frames, it breaks Y.3.2, or it selects none.
    """
    given = [key for key in KEYS if key in identifier]
    if len(given) != 1:
        raise FramesRefused(Reason.INVALID, f"{len(given)} keys of frames; a request at FRAME level has one")
    key = given[0]
    values = [value for value in identifier[key].get("Value") or [] if value is not None]
    if not values:
        raise FramesRefused(Reason.INVALID, "the key of frames has no value")
    if key == TIME_RANGE:
        numbers = _of_time_range([float(value) for value in values], count, dataset)
    elif key == CALCULATED_FRAME_LIST:
        numbers = _of_ranges([int(value) for value in values], count)
    else:
        numbers = _ascending([int(value) for value in values])
    found = [number for number in numbers if number <= count]
    if not found:
        raise FramesRefused(Reason.NO_SUCH_FRAMES, f"none of these frames is among the {count} of the instance")
    return found


def _ascending(numbers: list[int]) -> list[int]:
    if numbers[0] < 1 or any(a >= b for a, b in pairwise(numbers)):
        raise FramesRefused(Reason.INVALID, "frame numbers begin at 1 and increase")
    return numbers


def _of_ranges(values: list[int], count: int) -> list[int]:
    """Read triplets of first, last and increment; a last of FFFFFFFFH is the last there is (Y.3.2.1.2)."""
    if len(values) % 3:
        raise FramesRefused(Reason.INVALID, f"Calculated Frame List has {len(values)} values, not triplets")
    numbers: list[int] = []
    end = 0
    for first, last, increment in zip(values[::3], values[1::3], values[2::3], strict=True):
        if first <= end or last < first or increment < 1:
            raise FramesRefused(Reason.INVALID, "a range of frames goes back, overlaps or has no increment")
        end = last
        numbers += range(first, min(last, count) + 1, increment)
    return numbers


def _of_time_range(values: list[float], count: int, dataset: Mapping[str, Any]) -> list[int]:
    if len(values) != 2 or values[1] < values[0]:
        raise FramesRefused(Reason.INVALID, "Time Range has a start and an end, not before it")
    times = frame_times(dataset, count)
    if times is None:
        raise FramesRefused(Reason.NOT_TIMED, "the instance does not say at what time its frames were taken")
    return [number for number, time_s in enumerate(times, start=1) if values[0] <= time_s <= values[1]]


def frame_times(dataset: Mapping[str, Any], count: int) -> Sequence[float] | None:
    """Say when each frame was taken, in seconds after Content Time; None when the instance does not (Y.3.2.1.3)."""
    delay_s = (_number(dataset, _FRAME_DELAY) or 0.0) / 1000
    vector = dataset.get(_FRAME_TIME_VECTOR, {}).get("Value") or []
    if len(vector) == count and all(isinstance(value, int | float) for value in vector):
        times, now_s = [], delay_s
        for number, increment_ms in enumerate(vector):
            now_s += increment_ms / 1000 if number else 0.0
            times.append(now_s)
        return times
    increment_ms = _number(dataset, _FRAME_TIME)
    if increment_ms is not None:
        return [delay_s + number * increment_ms / 1000 for number in range(count)]
    return _reference_times(dataset, count)


def _reference_times(dataset: Mapping[str, Any], count: int) -> list[float] | None:
    groups = dataset.get(_PER_FRAME, {}).get("Value") or []
    start = _moment(_text(dataset, _CONTENT_DATE) + _text(dataset, _CONTENT_TIME))
    if start is None or len(groups) != count:
        return None
    times = []
    for group in groups:
        contents = (group or {}).get(_FRAME_CONTENT, {}).get("Value") or [{}]
        moment = _moment(_text(contents[0] or {}, _FRAME_REFERENCE))
        if moment is None:
            return None
        times.append((moment - start).total_seconds())
    return times


def _moment(text: str) -> datetime | None:
    """Read a date and time to the second at least; both are on the clock of the device, so its zone does not count."""
    digits = text.partition("+")[0].partition("-")[0]
    try:
        return datetime.strptime(digits, "%Y%m%d%H%M%S.%f" if "." in digits else "%Y%m%d%H%M%S")
    except ValueError:
        return None


def _number(dataset: Mapping[str, Any], tag: str) -> float | None:
    values = dataset.get(tag, {}).get("Value") or [None]
    return float(values[0]) if isinstance(values[0], int | float) else None


def _text(dataset: Mapping[str, Any], tag: str) -> str:
    values = dataset.get(tag, {}).get("Value") or [""]
    return str(values[0] or "").strip()
