from __future__ import annotations

import pydicom.uid
import pynetdicom.sop_class
import pytest

from filmless.dicom import uids


@pytest.mark.parametrize("uid", ["1.2.840.10008.1.1", "0", "1.02.3", "abc", "1..2", "1.2.3 4", "x" * 64])
def test_what_can_be_told_apart_can_be_kept(uid: str) -> None:
    assert uids.is_storable(uid)


@pytest.mark.parametrize("uid", ["", "x" * 65, "1.2\n3", "1.2\x003", "1.é", " ", "   "])
def test_what_cannot_identify_anything_cannot_be_kept(uid: str) -> None:
    assert not uids.is_storable(uid)


@pytest.mark.parametrize(
    ("uid", "oddity"),
    [
        ("", "is empty"),
        ("1." + "2" * 63, "has 65 characters, 64 are allowed"),
        ("1.2a.3", "has characters other than digits and dots"),
        ("1..3", "has an empty component"),
        ("1.02.3", "has a component with a leading zero"),
        ("1.2.3 ", "begins or ends with padding"),
    ],
)
def test_an_odd_uid_is_told_why(uid: str, oddity: str) -> None:
    assert oddity in uids.oddities(uid)


@pytest.mark.parametrize("uid", ["1.2.840.10008.1.1", "2.25.0", "0.0"])
def test_a_proper_uid_has_no_oddities(uid: str) -> None:
    assert uids.oddities(uid) == []


def test_new_uids_are_proper_and_differ() -> None:
    first, second = uids.new_uid(), uids.new_uid()

    assert uids.oddities(first) == []
    assert first.startswith("2.25.")
    assert first != second


def test_our_implementation_class_uid_is_proper() -> None:
    assert uids.oddities(uids.IMPLEMENTATION_CLASS_UID) == []
    assert len(uids.IMPLEMENTATION_VERSION_NAME) <= 16


def test_every_storage_class_that_pynetdicom_knows_is_a_storage_class() -> None:
    theirs = {str(uid) for uid in pynetdicom.sop_class._STORAGE_CLASSES.values()}

    assert theirs - uids.STORAGE_CLASSES == set()


def test_every_class_that_pydicom_calls_storage_is_a_storage_class() -> None:
    theirs = {
        uid
        for uid, (name, kind, *_) in pydicom.uid.UID_dictionary.items()
        if kind == "SOP Class" and name.endswith("Storage") and not name.startswith("Media Storage")
    }

    assert theirs - uids.STORAGE_CLASSES == set()


def test_services_are_no_storage_classes() -> None:
    assert "1.2.840.10008.1.1" not in uids.STORAGE_CLASSES
    assert "1.2.840.10008.1.20.1" not in uids.STORAGE_CLASSES
    assert "1.2.840.10008.1.3.10" not in uids.STORAGE_CLASSES
    assert "1.2.840.10008.5.1.4.1.2.2.1" not in uids.STORAGE_CLASSES


@pytest.mark.parametrize("keyword", ["CTImageStorage", "SegmentationStorage", "RTDoseStorage", "ParametricMapStorage"])
def test_classes_with_pixel_data_are_image_classes(keyword: str) -> None:
    uid = uids.uid_of(keyword)
    assert uid is not None
    assert uids.is_image_class(uid)


@pytest.mark.parametrize("keyword", ["EncapsulatedPDFStorage", "RTPlanStorage", "BasicTextSRStorage", "Verification"])
def test_classes_without_pixel_data_are_no_image_classes(keyword: str) -> None:
    uid = uids.uid_of(keyword)
    assert uid is not None
    assert not uids.is_image_class(uid)


def test_kinds_of_classes_are_told_apart() -> None:
    root = "1.2.840.10008.5.1.4.1.1."
    assert uids.is_structured_report_class(root + "88.67")
    assert uids.is_presentation_state_class(root + "11.1")
    assert uids.is_encapsulated_document_class(root + "104.1")
    assert uids.is_waveform_class(root + "9.1.1")
    assert uids.is_key_object_class(root + "88.59")


def test_a_uid_has_the_name_of_the_standard_or_itself() -> None:
    assert uids.name_of("1.2.840.10008.5.1.4.1.1.2") == "CT Image Storage"
    assert uids.name_of("1.2.3") == "1.2.3"
    assert uids.uid_of("NoSuchClass") is None
