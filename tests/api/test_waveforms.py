"""Waveforms by the API: what is said of them, and their samples."""

from __future__ import annotations

import io

import numpy as np
import pytest
from PIL import Image
from pydicom import Dataset
from starlette.testclient import TestClient

import ecg
import make
from callers import principal_of
from filmless.access.principal import SYSTEM
from filmless.archive import Archive
from filmless.errors import Refused
from filmless.retrieve.instances import find_record
from filmless.retrieve.rendered import Look, render_any
from filmless.retrieve.waveforms import get_samples
from filmless.store.receive import receive


@pytest.fixture
def stored(archive: Archive) -> Dataset:
    ds = ecg.twelve_lead()
    receive(archive, SYSTEM("cli"), io.BytesIO(make.part10(ds)))
    return ds


def path_of(ds: Dataset) -> str:
    return f"/studies/{ds.StudyInstanceUID}/series/{ds.SeriesInstanceUID}/instances/{ds.SOPInstanceUID}/waveform"


def test_an_ecg_is_described_and_its_samples_are_given(clinician: TestClient, stored: Dataset) -> None:
    said = clinician.get(path_of(stored)).json()
    assert [group["label"] for group in said["groups"]] == ["RHYTHM", "MEDIAN BEAT"]
    rhythm = said["groups"][0]
    assert (rhythm["samplingFrequencyHz"], rhythm["numberOfSamples"], rhythm["numberOfChannels"]) == (500, 5000, 12)
    assert rhythm["channels"][1]["source"] == {"value": "2:2", "scheme": "MDC", "meaning": "Lead II"}
    measured = {each["name"]["meaning"]: each["value"] for each in said["annotations"] if each["value"]}
    assert measured == {"PR Interval": 160, "QRS Duration": 92, "QT Interval": 380, "QTc Interval": 412}

    answer = clinician.get(f"{path_of(stored)}/1/samples", params={"first": 250, "count": 500})

    samples = np.frombuffer(answer.content, "<f4").reshape(12, 500)
    np.testing.assert_allclose(samples.T, stored.waveform_array(0)[250:750])
    assert samples[1, 249:301].tolist() == [0] + [1000] * 50 + [0]
    assert answer.headers["cache-control"] == "no-store"


def test_what_is_no_waveform_or_not_there_says_so(clinician: TestClient, stored: Dataset, archive: Archive) -> None:
    ct = make.ct_slice()
    receive(archive, SYSTEM("cli"), io.BytesIO(make.part10(ct)))
    assert clinician.get(path_of(ct)).status_code == 400
    assert "no Waveform Sequence" in clinician.get(path_of(ct)).json()["detail"]
    assert clinician.get(f"{path_of(stored)}/9/samples").status_code == 404
    assert clinician.get(path_of(stored).replace(stored.SOPInstanceUID, "1.2.3")).status_code == 404
    assert clinician.get(f"{path_of(stored)}/0/samples").status_code == 422


def test_one_answer_holds_so_many_samples(archive: Archive, stored: Dataset) -> None:
    uids = stored.StudyInstanceUID, stored.SeriesInstanceUID, stored.SOPInstanceUID
    caller = principal_of("clinician")
    most = archive.settings.waveform_samples_max // 12
    assert get_samples(archive, caller, uids, 1, 0, most).shape == (12, 5000)
    with pytest.raises(Refused, match="waveform_samples_max"):
        get_samples(archive, caller, uids, 1, 0, most + 1)


def test_the_thumbnail_of_an_ecg_is_a_strip_of_lead_ii(archive: Archive, stored: Dataset) -> None:
    record = find_record(archive, stored.SOPInstanceUID)
    assert record is not None
    picture = np.asarray(Image.open(io.BytesIO(render_any(archive, record, Look(media_type="image/png")))))
    dark = picture.max(axis=2) < 60
    # 2.5 s and 3 mV: the pulses stand from 1.0 to 1.1 s and from 2.0 to 2.1 s, 1 mV high.
    side = picture.shape[0]
    columns = [round(side * at / 2.5) for at in (0.5, 1.05, 1.5, 2.05)]
    rows = [float(np.flatnonzero(dark[:, column]).mean()) for column in columns]
    assert [round((rows[0] - row) / side * 3, 1) for row in rows] == [0, 1, 0, 1]
