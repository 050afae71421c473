"""Bodies of waveforms: channels, and what was measured on them."""

from __future__ import annotations

from typing import Annotated

from pydantic import Field

from filmless.api.models.base import Answer


class WaveformCode(Answer):
    """A coded concept (PS3.3 8.8)."""

    value: str
    scheme: str
    meaning: str


class WaveformChannel(Answer):
    """One channel. Its samples are given in `unit`, sensitivity, correction and baseline applied."""

    number: int
    label: str
    source: WaveformCode | None
    modifiers: list[str]
    unit: WaveformCode | None
    sensitivity: Annotated[float | None, Field(description="Null: the samples have no units.")]
    correction: float
    baseline: float
    skew_s: float
    filter_low_hz: float | None
    filter_high_hz: float | None
    notch_hz: float | None
    bits_stored: int | None


class WaveformGroup(Answer):
    """A multiplex group: channels that were sampled together."""

    number: int
    label: str
    originality: str
    sampling_frequency_hz: float
    number_of_samples: Annotated[int, Field(description="Of each channel.")]
    number_of_channels: Annotated[int, Field(description="Of the samples; `channels` may describe more or fewer.")]
    offset_s: float
    trigger_s: Annotated[float | None, Field(description="When the trigger was, from the first sample.")]
    channels: list[WaveformChannel]


class WaveformAnnotation(Answer):
    """What was measured or stated. A channel is the numbers of group and channel; channel 0 is all of the group."""

    name: WaveformCode | None
    text: str
    code: WaveformCode | None
    value: float | None
    unit: WaveformCode | None
    channels: list[tuple[int, int]]
    range_type: str
    times_s: Annotated[list[float], Field(description="From the first sample of the group.")]
    group_number: Annotated[int | None, Field(description="Annotations of one number belong together.")]


class Waveform(Answer):
    """A waveform object without its samples."""

    groups: list[WaveformGroup]
    annotations: list[WaveformAnnotation]
    is_cut: Annotated[bool, Field(description="Whether there is more than the limits of this server let through.")]
    samples_max: Annotated[int, Field(description="Most samples, of all channels together, in one answer.")]
