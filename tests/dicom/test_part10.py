from __future__ import annotations

import io

import pydicom
import pytest

import make
from filmless.dicom import scanner
from filmless.dicom.part10 import preamble_and_meta
from filmless.dicom.uids import IMPLEMENTATION_CLASS_UID
from filmless.errors import Refused


def test_a_file_with_our_head_is_read_by_pydicom() -> None:
    ds = make.ct_slice()
    head = preamble_and_meta(make.CT, ds.SOPInstanceUID, make.EXPLICIT_LE)

    read = pydicom.dcmread(io.BytesIO(head + make.dataset_bytes(ds)))

    assert read.preamble == bytes(128)
    assert read.file_meta.MediaStorageSOPClassUID == make.CT
    assert read.file_meta.MediaStorageSOPInstanceUID == ds.SOPInstanceUID
    assert read.file_meta.TransferSyntaxUID == make.EXPLICIT_LE
    assert read.file_meta.ImplementationClassUID == IMPLEMENTATION_CLASS_UID
    assert read.file_meta.FileMetaInformationGroupLength == len(head) - 144
    assert read.PatientName == "Doe^Jane"


def test_the_same_instance_has_the_same_head() -> None:
    assert preamble_and_meta("1.2", "1.2.3", "1.2.4") == preamble_and_meta("1.2", "1.2.3", "1.2.4")


def test_the_head_is_read_by_the_scanner() -> None:
    header = scanner.scan(preamble_and_meta("1.2", "1.2.3.4", make.IMPLICIT_LE))

    assert header.meta["sop_class_uid"] == "1.2"
    assert header.meta["sop_instance_uid"] == "1.2.3.4"
    assert header.transfer_syntax_uid == make.IMPLICIT_LE
    assert header.meta["implementation_version_name"] == "FILMLESS_01"


@pytest.mark.parametrize("uid", ["1.é", "1" * 65])
def test_a_uid_that_cannot_be_written_is_refused(uid: str) -> None:
    with pytest.raises(Refused):
        preamble_and_meta("1.2", uid, make.IMPLICIT_LE)
