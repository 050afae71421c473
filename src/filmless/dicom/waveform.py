"""Waveforms: what a data set says of its channels, their samples in units, its annotations (PS3.3 C.10.9, C.10.10).

Comes in: a scanned header. Goes out: plain values, cut where they pass a limit; of samples only those asked for, so
that a recording of a day costs no more than a strip of ten seconds.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

from filmless.dicom.elements import Element
from filmless.dicom.report import Code, read_code
from filmless.dicom.scanner import Header
from filmless.errors import NotFound, Refused

if TYPE_CHECKING:
    from numpy.typing import NDArray

WAVEFORMS: Final = 0x54000100
_DATA, _PADDING, _BITS, _KIND = 0x54001010, 0x5400100A, 0x54001004, 0x54001006
_CHANNELS, _SOURCE, _MODIFIERS, _UNITS = 0x003A0200, 0x003A0208, 0x003A0209, 0x003A0211
_ANNOTATIONS: Final = 0x0040B020
_MOMENTS_MAX: Final = 64
_FORMS: Final = {
    (8, "SB"): "i1",
    (8, "UB"): "u1",
    (8, "MB"): "u1",
    (8, "AB"): "u1",
    (16, "SS"): "i2",
    (16, "US"): "u2",
    (32, "SL"): "i4",
    (32, "UL"): "u4",
    (64, "SV"): "i8",
    (64, "UV"): "u8",
}
"""Waveform Bits Allocated and Waveform Sample Interpretation (PS3.3 C.10.9.1.5) as types of numpy."""


@dataclass(frozen=True, slots=True)
class WaveformLimits:
    """How much of what is said is read."""

    groups_max: int = 64
    channels_max: int = 1024
    annotations_max: int = 10_000


@dataclass(frozen=True, slots=True)
class Channel:
    """A channel of a multiplex group. Filters are in Hz; `skew_s` is added to the times of its samples."""

    number: int
    label: str
    source: Code | None
    modifiers: tuple[str, ...]
    unit: Code | None
    sensitivity: float | None
    correction: float
    baseline: float
    skew_s: float
    filter_low_hz: float | None
    filter_high_hz: float | None
    notch_hz: float | None
    bits_stored: int | None


@dataclass(frozen=True, slots=True)
class Group:
    """Channels that were sampled together. `number_of_samples` of each channel are there, whatever is declared."""

    number: int
    label: str
    originality: str
    sampling_frequency_hz: float
    number_of_samples: int
    number_of_channels: int
    """As the samples lie; more or fewer may be described in `channels`."""
    offset_s: float
    trigger_s: float | None
    channels: tuple[Channel, ...]


@dataclass(frozen=True, slots=True)
class Annotation:
    """What was measured or stated. `times_s` count from the first sample of the group; channel 0 is all of a group."""

    name: Code | None
    text: str
    code: Code | None
    value: float | None
    unit: Code | None
    channels: tuple[tuple[int, int], ...]
    range_type: str
    times_s: tuple[float, ...]
    group_number: int | None


@dataclass(frozen=True, slots=True)
class Waveform:
    """A waveform object."""

    groups: tuple[Group, ...]
    annotations: tuple[Annotation, ...]
    is_cut: bool
    """Whether there were more groups, channels or annotations than the limits allow."""


def read_waveform(header: Header, limits: WaveformLimits) -> Waveform:
    """Read what a waveform object says, without its samples.

    Raises
    ------
    Refused: it has no Waveform Sequence.
    """
    items = header.items(WAVEFORMS)
    if not items:
        raise Refused("the data set has no Waveform Sequence, so there is no waveform to show")
    groups = tuple(_group(item, number, limits) for number, item in enumerate(items[: limits.groups_max], 1))
    notes = header.items(_ANNOTATIONS)
    is_cut = (
        len(items) > limits.groups_max
        or len(notes) > limits.annotations_max
        or any(len(item.items(_CHANNELS)) > limits.channels_max for item in items[: limits.groups_max])
    )
    annotations = tuple(_annotation(item, groups) for item in notes[: limits.annotations_max])
    return Waveform(groups, annotations, is_cut)


def read_samples(header: Header, group_number: int, first: int, count: int) -> NDArray[Any]:
    """Read samples of all channels of a group, the first sample having the index 0.

    Returns
    -------
    float32 array, shape (channels, samples): in the units of each channel, that is, sample x Channel Sensitivity x
    Channel Sensitivity Correction Factor + Channel Baseline (C.10.9.1.4); NaN is what was not recorded (Waveform
    Padding Value). Fewer samples than `count` where the group ends.

    Raises
    ------
    NotFound: there is no such group. Refused: its samples are of a form that does not exist.
    """
    import numpy as np

    items = header.items(WAVEFORMS)
    if not 1 <= group_number <= len(items):
        raise NotFound(f"there is no multiplex group {group_number}; the waveform has {len(items)}")
    item = items[group_number - 1]
    found = _layout(item)
    if found is None:
        raise Refused(f"the samples of multiplex group {group_number} cannot be read: {_form_of(item)}")
    element, code, channels, samples = found
    first = min(first, samples)
    count = min(count, samples - first)
    form = np.dtype(code).newbyteorder("<" if item.is_little_endian else ">")
    at = element.offset + first * channels * form.itemsize
    # A copy of these bytes alone: what is mapped must not be held by the array.
    data = bytes(item.buffer[at : at + count * channels * form.itemsize])
    stored = np.frombuffer(data, form).reshape(count, channels)
    values = _expanded(stored, item.text(_KIND) or "")
    for at, channel in enumerate(item.items(_CHANNELS)[:channels]):
        factor = _number(channel, 0x003A0210, 1.0) * _number(channel, 0x003A0212, 1.0)
        values[:, at] = values[:, at] * factor + _number(channel, 0x003A0213, 0.0)
    padding = item.raw(_PADDING)
    if padding is not None and len(padding) >= form.itemsize:
        values[stored == np.frombuffer(padding[: form.itemsize], form)[0]] = np.nan
    return np.ascontiguousarray(values.T, np.float32)


def _expanded(stored: NDArray[Any], kind: str) -> NDArray[Any]:
    """Give samples as numbers; those of ITU-T G.711 as the 16 bits that they stand for."""
    import numpy as np

    if kind not in ("MB", "AB"):
        return stored.astype(np.float64)
    code = stored.astype(np.int32) ^ (0xFF if kind == "MB" else 0x55)
    exponent, mantissa = code >> 4 & 7, code & 15
    if kind == "MB":
        size = ((mantissa * 8 + 132) << exponent) - 132
        return np.where(code & 0x80, -size, size).astype(np.float64)
    size = np.where(exponent == 0, mantissa * 16 + 8, (mantissa * 16 + 264) << np.maximum(exponent - 1, 0))
    return np.where(code & 0x80, size, -size).astype(np.float64)


def _layout(item: Header) -> tuple[Element, str, int, int] | None:
    """Say where the samples of a group lie: element, type, channels, samples of each; None when that cannot be."""
    element = item.element(_DATA)
    form = _FORMS.get((item.integer(_BITS) or 0, (item.text(_KIND) or "").strip()))
    channels = item.integer(0x003A0005) or len(item.items(_CHANNELS))
    if element is None or form is None or channels < 1:
        return None
    room = min(element.length, len(item.buffer) - element.offset)
    declared = item.integer(0x003A0010)
    there = room // (channels * int(form[1]))
    return element, form, channels, there if declared is None else max(0, min(there, declared))


def _form_of(item: Header) -> str:
    return f"{item.integer(_BITS)} bits, interpretation {item.text(_KIND)}, {item.integer(0x003A0005)} channels"


def _group(item: Header, number: int, limits: WaveformLimits) -> Group:
    found = _layout(item)
    frequency = max(_number(item, 0x003A001A, 0.0), 0.0)
    sample = item.integer(0x0018106E)
    trigger = (sample - 1) / frequency if sample and frequency else None
    channels = item.items(_CHANNELS)[: limits.channels_max]
    return Group(
        number,
        item.text(0x003A0020) or "",
        item.text(0x003A0004) or "",
        frequency,
        found[3] if found else 0,
        found[2] if found else 0,
        _number(item, 0x00181068, 0.0) / 1000,
        trigger,
        tuple(_channel(channel, at, frequency) for at, channel in enumerate(channels, 1)),
    )


def _channel(item: Header, number: int, frequency: float) -> Channel:
    skew = item.number(0x003A0214)
    if skew is None and frequency:
        skew = _number(item, 0x003A0215, 0.0) / frequency
    modifiers = tuple(each.text(0x00080104) or "" for each in item.items(_MODIFIERS)[:8])
    return Channel(
        number,
        item.text(0x003A0203) or "",
        read_code(item, _SOURCE),
        modifiers,
        read_code(item, _UNITS),
        _finite(item.number(0x003A0210)),
        _number(item, 0x003A0212, 1.0),
        _number(item, 0x003A0213, 0.0),
        _finite(skew) or 0.0,
        _finite(item.number(0x003A0220)),
        _finite(item.number(0x003A0221)),
        _finite(item.number(0x003A0222)),
        item.integer(0x003A021A),
    )


def _annotation(item: Header, groups: tuple[Group, ...]) -> Annotation:
    flat = [int(each) for each in item.numbers(0x0040A0B0) if math.isfinite(each)][: 2 * _MOMENTS_MAX]
    pairs = tuple(zip(flat[::2], flat[1::2], strict=False))
    frequency = groups[pairs[0][0] - 1].sampling_frequency_hz if pairs and 1 <= pairs[0][0] <= len(groups) else 0.0
    positions = item.numbers(0x0040A132)[:_MOMENTS_MAX]
    # The position of the first sample is 1 (C.10.10.1.1).
    times = [(each - 1) / frequency for each in positions] if frequency else []
    times = times or item.numbers(0x0040A138)[:_MOMENTS_MAX]
    return Annotation(
        read_code(item, 0x0040A043),
        item.text(0x00700006) or "",
        read_code(item, 0x0040A168),
        _finite(item.number(0x0040A30A)),
        read_code(item, 0x004008EA),
        pairs,
        item.text(0x0040A130) or "",
        tuple(each for each in times if math.isfinite(each)),
        item.integer(0x0040A180),
    )


def _finite(value: float | None) -> float | None:
    return value if value is not None and math.isfinite(value) else None


def _number(item: Header, tag: int, default: float) -> float:
    value = _finite(item.number(tag))
    return default if value is None else value
