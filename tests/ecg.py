"""Makes waveform objects with pydicom, whose shape is known: a pulse at every full second."""

from __future__ import annotations

from typing import Any

import numpy as np
from pydicom import Dataset

import make

TWELVE_LEAD = "1.2.840.10008.5.1.4.1.1.9.1.1"
LEADS = {
    "I": "2:1", "II": "2:2", "III": "2:61", "aVR": "2:62", "aVL": "2:63", "aVF": "2:64",
    "V1": "2:3", "V2": "2:4", "V3": "2:5", "V4": "2:6", "V5": "2:7", "V6": "2:8",
}  # fmt: skip
FREQUENCY_HZ, PULSE_S = 500, 0.1
UV_PER_STEP = 2.5


def height_mv(lead: str) -> float:
    """How high the pulses of a lead are."""
    return 1.0 if lead == "II" else round(0.1 * (list(LEADS).index(lead) + 1), 1)


def code(value: str, scheme: str, meaning: str) -> Dataset:
    ds = Dataset()
    ds.CodeValue, ds.CodingSchemeDesignator, ds.CodeMeaning = value, scheme, meaning
    return ds


def channel(source: Dataset, unit: Dataset | None = None, **values: Any) -> Dataset:
    """A channel of 16 bits in microvolts."""
    ds = Dataset()
    ds.ChannelSourceSequence = [source]
    ds.ChannelSensitivity, ds.ChannelSensitivityCorrectionFactor, ds.ChannelBaseline = str(UV_PER_STEP), "1", "0"
    ds.ChannelSensitivityUnitsSequence = [unit or code("uV", "UCUM", "microvolt")]
    ds.ChannelSampleSkew, ds.WaveformBitsStored = "0", 16
    ds.FilterLowFrequency, ds.FilterHighFrequency, ds.NotchFilterFrequency = "0.05", "150", "50"
    for keyword, value in values.items():
        setattr(ds, keyword, value)
    return ds


def group(samples: np.ndarray[Any, Any], channels: list[Dataset], frequency: float, **values: Any) -> Dataset:
    """A multiplex group; `samples` has the shape (samples, channels), in stored values of 16 bits."""
    ds = Dataset()
    ds.WaveformOriginality, ds.MultiplexGroupTimeOffset = "ORIGINAL", "0"
    ds.NumberOfWaveformSamples, ds.NumberOfWaveformChannels = samples.shape
    ds.SamplingFrequency, ds.ChannelDefinitionSequence = str(frequency), channels
    ds.WaveformBitsAllocated, ds.WaveformSampleInterpretation = 16, "SS"
    ds.WaveformData = samples.astype("<i2").tobytes()
    for keyword, value in values.items():
        setattr(ds, keyword, value)
    return ds


def pulses(seconds: float, frequency: int = FREQUENCY_HZ) -> np.ndarray[Any, Any]:
    """A pulse of 0.1 s at every full second but the first: 0 or 1."""
    times = np.arange(round(seconds * frequency)) / frequency
    return ((times >= 1) & (times % 1 < PULSE_S - 1e-9)).astype(float)


def measured(name: tuple[str, str], value: float, unit: str = "ms") -> Dataset:
    ds = Dataset()
    ds.ReferencedWaveformChannels, ds.AnnotationGroupNumber = [1, 0], 1
    ds.ConceptNameCodeSequence = [code(name[0], "MDC", name[1])]
    ds.NumericValue, ds.MeasurementUnitsCodeSequence = str(value), [code(unit, "UCUM", unit)]
    return ds


def stated(words: str) -> Dataset:
    ds = Dataset()
    ds.ReferencedWaveformChannels, ds.AnnotationGroupNumber, ds.UnformattedTextValue = [1, 0], 0, words
    return ds


def point(name: str, sample: int) -> Dataset:
    ds = Dataset()
    ds.ReferencedWaveformChannels, ds.AnnotationGroupNumber = [1, 0], 2
    ds.ConceptNameCodeSequence = [code("5.10.3-3", "SCPECG", name)]
    ds.TemporalRangeType, ds.ReferencedSamplePositions = "POINT", sample
    return ds


def twelve_lead(seconds: float = 10, **overrides: Any) -> Dataset:
    """A 12-lead ECG with its rhythm and one median beat; lead II has pulses of 1 mV."""
    ds = make.instance(TWELVE_LEAD, **{"Modality": "ECG", "SeriesDescription": "12-lead ECG"} | overrides)
    ds.ContentDate, ds.ContentTime, ds.AcquisitionDateTime = "20240102", "101112", "20240102101112"
    heights = np.array([height_mv(lead) for lead in LEADS]) * 1000 / UV_PER_STEP
    channels = [channel(code(value, "MDC", f"Lead {lead}")) for lead, value in LEADS.items()]
    rhythm = np.outer(pulses(seconds), heights)
    beat = np.outer(np.roll(pulses(2, FREQUENCY_HZ)[FREQUENCY_HZ:], 100), heights)
    ds.WaveformSequence = [
        group(rhythm, channels, FREQUENCY_HZ, MultiplexGroupLabel="RHYTHM"),
        group(beat, channels, FREQUENCY_HZ, MultiplexGroupLabel="MEDIAN BEAT", WaveformOriginality="DERIVED"),
    ]
    ds.WaveformAnnotationSequence = [
        stated("Sinus rhythm"),
        stated("Normal ECG"),
        measured(("2:15872", "PR Interval"), 160),
        measured(("2:16156", "QRS Duration"), 92),
        measured(("2:16160", "QT Interval"), 380),
        measured(("2:15876", "QTc Interval"), 412),
        point("QRS Onset", 501),
        point("QRS Offset", 551),
    ]
    return ds
