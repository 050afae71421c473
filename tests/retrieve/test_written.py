"""Instances that are written anew for who asks have all that their IOD wants: dciodvfy finds no error in them."""

from __future__ import annotations

import io
from collections.abc import Callable, Iterator
from datetime import datetime
from pathlib import Path

import pytest
from pydicom import dcmread

import dciodvfy
from filmless.access.principal import SYSTEM
from filmless.archive import Archive
from filmless.demo import generated
from filmless.dicom.compressing import ENCODABLE
from filmless.dicom.part10 import preamble_and_meta
from filmless.dicom.syntaxes import DEFLATED, EXPLICIT_LE, IMPLICIT_LE
from filmless.retrieve import transcode
from filmless.retrieve.extraction import extract_frames
from filmless.retrieve.instances import InstanceRecord, find_record
from filmless.store.receive import receive

pytestmark = pytest.mark.embedded
TODAY = datetime(2026, 11, 24, 9)
STRANGE = {DEFLATED, "1.2.840.10008.1.2.1.98", "1.2.840.10008.1.2.8.1"}
"""What dciodvfy cannot read: the deflated ones, and frames that are encapsulated without compression."""


def kept(archive: Archive, file: bytes) -> InstanceRecord:
    receive(archive, SYSTEM("cli"), io.BytesIO(file))
    record = find_record(archive, str(dcmread(io.BytesIO(file)).SOPInstanceUID), with_series=True)
    assert record
    return record


@pytest.mark.parametrize("study", [generated.chest_ct, generated.heart_ultrasound])
def test_an_instance_in_another_transfer_syntax_has_no_error(
    study: Callable[[datetime], Iterator[bytes]], archive: Archive, tmp_path: Path
) -> None:
    record = kept(archive, next(study(TODAY)))
    asked = (ENCODABLE | {IMPLICIT_LE, EXPLICIT_LE}) - STRANGE
    for syntax in asked:
        (tmp_path / f"{syntax}.dcm").write_bytes(b"".join(transcode.part10(archive, record, syntax)))
    assert len(asked) > 12
    assert dciodvfy.errors_in(tmp_path.glob("*.dcm")) == {}


def test_frames_that_are_made_an_instance_of_their_own_have_no_error(archive: Archive, tmp_path: Path) -> None:
    instance = kept(archive, next(generated.heart_ultrasound(TODAY))).instance
    made = extract_frames(archive, instance, {"00081161": {"vr": "UL", "Value": [2, 5]}})
    for syntax in made.syntaxes:
        head = preamble_and_meta(made.sop_class_uid, made.sop_instance_uid, syntax)
        (tmp_path / f"{syntax}.dcm").write_bytes(head + b"".join(made.write(syntax)))
    assert len(made.syntaxes) == 3
    assert dciodvfy.errors_in(tmp_path.glob("*.dcm")) == {}
