from __future__ import annotations

import subprocess
import sys

import pydicom.datadict
import pytest

from filmless.dicom import dictionary


def test_public_tags_have_the_vr_keyword_and_name_of_the_standard() -> None:
    assert dictionary.vr_of(0x00100010) == "PN"
    assert dictionary.keyword_of(0x00100010) == "PatientName"
    assert dictionary.name_of_tag(0x00100010) == "Patient's Name"
    assert dictionary.vm_of(0x00080008) == "2-n"
    assert dictionary.tag_of("StudyInstanceUID") == 0x0020000D
    assert dictionary.is_retired(0x00080001)


def test_every_public_tag_agrees_with_pydicom() -> None:
    disagreeing = [
        tag
        for tag in pydicom.datadict.DicomDictionary
        if dictionary.vr_of(tag) != pydicom.datadict.dictionary_VR(tag)
        or dictionary.keyword_of(tag) != (pydicom.datadict.dictionary_keyword(tag) or None)
    ]

    assert disagreeing == []


@pytest.mark.parametrize(
    ("tag", "vr"), [(0x60003000, "OB or OW"), (0x60023000, "OB or OW"), (0x50020005, "US"), (0x00203142, "CS")]
)
def test_tags_of_repeating_groups_are_known(tag: int, vr: str) -> None:
    assert dictionary.vr_of(tag) == vr


@pytest.mark.parametrize("tag", [0x00091001, 0x60013000, 0x00080000 + 0xFFFE])
def test_private_and_unknown_tags_have_no_vr(tag: int) -> None:
    assert dictionary.vr_of(tag) is None
    assert dictionary.keyword_of(tag) is None


def test_private_tags_of_known_vendors_have_a_vr_and_a_name() -> None:
    assert dictionary.private_vr_of(0x00091004, "GEMS_IDEN_01") == "SH"
    assert dictionary.name_of_tag(0x00091004, "GEMS_IDEN_01") == "Product id"


def test_what_is_not_in_the_dictionary_still_has_a_name() -> None:
    assert dictionary.name_of_tag(0x00080000) == "Group Length"
    assert dictionary.name_of_tag(0x00090010) == "Private Creator"
    assert dictionary.name_of_tag(0x00091004) == "Private"
    assert dictionary.name_of_tag(0x0008FFFE) == "Unknown"
    assert dictionary.format_tag(0x7FE00010) == "(7FE0,0010)"


def test_an_unknown_keyword_has_no_tag() -> None:
    assert dictionary.tag_of("NoSuchKeyword") is None
    assert dictionary.tag_of("") is None


def test_reading_headers_imports_neither_pydicom_nor_numpy() -> None:
    program = "import sys, filmless.dicom.json, filmless.dicom.encode, filmless.dicom.frames, filmless.dicom.names; "
    program += "print(sorted({'pydicom', 'numpy', 'imagecodecs'} & set(sys.modules)))"

    answer = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)

    assert answer.stdout.strip() == "[]"
