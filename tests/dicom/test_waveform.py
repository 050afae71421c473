"""Channels, samples and annotations of waveform objects; samples as pydicom gives them."""

from __future__ import annotations

import io
import warnings

import numpy as np
import pydicom
import pytest
from pydicom import Dataset

import ecg
import make
from filmless.dicom.scanner import Header, scan
from filmless.dicom.waveform import WaveformLimits, read_samples, read_waveform
from filmless.dicom.waveform_picture import draw_strip
from filmless.errors import NotFound, Refused
from real_files import pydicom_file

ALL = 1 << 40


def header_of(ds: Dataset, syntax: str = make.EXPLICIT_LE) -> Header:
    return scan(make.part10(ds, transfer_syntax=syntax))


def test_samples_of_a_real_ecg_are_those_of_pydicom() -> None:
    path = pydicom_file("waveform_ecg.dcm")
    header, ds = scan(path.read_bytes()), pydicom.dcmread(path)
    for number, shape in ((1, (12, 10_000)), (2, (12, 1200))):
        samples = read_samples(header, number, 0, ALL)
        assert samples.shape == shape
        np.testing.assert_allclose(samples.T, ds.waveform_array(number - 1), rtol=1e-6)
    part = read_samples(header, 1, 9_990, 500)
    np.testing.assert_array_equal(part, read_samples(header, 1, 0, ALL)[:, 9_990:])


def test_what_a_real_ecg_says_is_read() -> None:
    waveform = read_waveform(scan(pydicom_file("waveform_ecg.dcm").read_bytes()), WaveformLimits())
    rhythm, beat = waveform.groups
    assert (rhythm.label, rhythm.sampling_frequency_hz, rhythm.number_of_samples) == ("RHYTHM", 1000, 10_000)
    assert (beat.originality, beat.trigger_s) == ("DERIVED", 0.5)
    lead = rhythm.channels[1]
    assert lead.source is not None
    assert lead.unit is not None
    assert (lead.source.meaning, lead.unit.value, lead.sensitivity) == ("Lead II", "uV", 1.25)
    assert (lead.filter_low_hz, lead.filter_high_hz, lead.notch_hz) == (0.05, 300, 0)
    values = {each.name.meaning: each.value for each in waveform.annotations if each.name and each.value}
    assert (values["PR Interval"], values["QRS Duration"], values["QTc Interval"]) == (161, 75, 370)
    assert [each.text for each in waveform.annotations[:2]] == ["RITMO SINUSALE", "ECG NORMALE"]
    onset = next(each for each in waveform.annotations if each.name and each.name.meaning == "P Onset")
    assert (onset.times_s, onset.range_type, onset.channels) == ((0.298,), "POINT", ((1, 0),))


@pytest.mark.parametrize("syntax", make.NATIVE)
@pytest.mark.parametrize(("bits", "kind", "form"), [(16, "SS", "<i2"), (16, "US", "<u2"), (32, "SL", "<i4")])
def test_samples_are_those_of_pydicom_in_every_form(syntax: str, bits: int, kind: str, form: str) -> None:
    """Sensitivity, correction and baseline of each channel, whatever the transfer syntax."""
    stored = np.arange(24).reshape(8, 3) * 7 - (0 if kind == "US" else 60)
    lead = ecg.code("2:2", "MDC", "Lead II")
    channels = [
        ecg.channel(lead),
        ecg.channel(lead, ChannelSensitivityCorrectionFactor="0.98", ChannelBaseline="-12.5"),
        ecg.channel(lead, ChannelSensitivity="0.001", ChannelBaseline="3"),
    ]
    group = ecg.group(stored, channels, 250, WaveformBitsAllocated=bits, WaveformSampleInterpretation=kind)
    order = form.replace("<", ">") if syntax == make.EXPLICIT_BE else form
    group.WaveformData = stored.astype(order).tobytes()
    ds = make.instance(ecg.TWELVE_LEAD, Modality="ECG", WaveformSequence=[group])
    wanted = stored * np.array([2.5, 2.5 * 0.98, 0.001]) + np.array([0, -12.5, 3])
    if syntax == make.EXPLICIT_LE:
        again = pydicom.dcmread(io.BytesIO(make.part10(ds)))
        np.testing.assert_allclose(wanted, again.waveform_array(0))

    samples = read_samples(header_of(ds, syntax), 1, 0, ALL)

    np.testing.assert_allclose(samples.T, wanted, rtol=1e-6)


def test_a_skewed_channel_and_a_gap_are_told() -> None:
    lead = ecg.channel(ecg.code("2:2", "MDC", "Lead II"), ChannelSampleSkew="0.5")
    stored = np.array([[100], [-32768], [200]])
    group = ecg.group(stored, [lead], 250, WaveformPaddingValue=b"\x00\x80")
    header = header_of(make.instance(ecg.TWELVE_LEAD, Modality="ECG", WaveformSequence=[group]))

    samples = read_samples(header, 1, 0, ALL)

    assert read_waveform(header, WaveformLimits()).groups[0].channels[0].skew_s == pytest.approx(0.002)
    assert np.isnan(samples[0, 1])
    assert samples[0, [0, 2]].tolist() == [250, 500]


@pytest.mark.parametrize(("kind", "expand"), [("MB", "ulaw2lin"), ("AB", "alaw2lin")])
def test_sound_of_g_711_is_expanded_as_python_did(kind: str, expand: str) -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DeprecationWarning)
        audioop = pytest.importorskip("audioop")
    codes = bytes(range(256))
    group = ecg.group(np.zeros((256, 1)), [Dataset()], 8000, WaveformBitsAllocated=8, WaveformSampleInterpretation=kind)
    group.WaveformData = codes
    header = header_of(make.instance("1.2.840.10008.5.1.4.1.1.9.4.1", Modality="AU", WaveformSequence=[group]))

    samples = read_samples(header, 1, 0, ALL)

    assert samples[0].tolist() == np.frombuffer(getattr(audioop, expand)(codes, 2), "<i2").tolist()


def test_fewer_samples_than_declared_are_those_that_are_there() -> None:
    group = ecg.group(np.ones((10, 2)), [ecg.channel(ecg.code("2:1", "MDC", "Lead I"))] * 2, 500)
    group.NumberOfWaveformSamples = 1 << 31
    header = header_of(make.instance(ecg.TWELVE_LEAD, Modality="ECG", WaveformSequence=[group]))
    assert read_waveform(header, WaveformLimits()).groups[0].number_of_samples == 10
    assert read_samples(header, 1, 4, ALL).shape == (2, 6)
    assert read_samples(header, 1, 99, 5).shape == (2, 0)


def test_what_cannot_be_read_is_refused_and_what_is_too_much_is_cut() -> None:
    ds = ecg.twelve_lead(1)
    waveform = read_waveform(header_of(ds), WaveformLimits(groups_max=1, channels_max=3, annotations_max=2))
    assert (len(waveform.groups), len(waveform.groups[0].channels), len(waveform.annotations)) == (1, 3, 2)
    assert waveform.is_cut
    with pytest.raises(NotFound, match="no multiplex group 3"):
        read_samples(header_of(ds), 3, 0, 1)
    ds.WaveformSequence[0].WaveformSampleInterpretation = "XX"
    assert read_waveform(header_of(ds), WaveformLimits()).groups[0].number_of_samples == 0
    with pytest.raises(Refused, match="16 bits, interpretation XX, 12 channels"):
        read_samples(header_of(ds), 1, 0, 1)
    with pytest.raises(Refused, match="no Waveform Sequence"):
        read_waveform(header_of(make.instance(ecg.TWELVE_LEAD)), WaveformLimits())


def test_a_strip_is_drawn_to_the_scale_of_its_paper() -> None:
    """3 mV over the height: a pulse of 1 mV is a third of it, and gaps are left."""
    samples = np.zeros(300, np.float32)
    samples[100:200] = 1000
    samples[250:] = np.nan
    drawn = draw_strip(samples, 1000.0, 3.0, 300)
    dark = drawn.max(axis=2) < 60
    rows = [int(np.flatnonzero(dark[:, column]).mean()) for column in (50, 150)]
    assert rows[0] - rows[1] == pytest.approx(100, abs=2)
    assert not dark[:, 260:].any()
