from __future__ import annotations

import pytest
from pydicom.uid import UID, AllTransferSyntaxes

from filmless.dicom import syntaxes
from filmless.dicom.syntaxes import get_syntax

# SMPTE ST 2110 is sent over real-time networks only; nothing is ever stored in it.
STORED = [str(uid) for uid in AllTransferSyntaxes if not uid.name.startswith("SMPTE")]


@pytest.mark.parametrize("uid", STORED)
def test_each_syntax_is_laid_out_as_pydicom_says(uid: str) -> None:
    theirs, ours = UID(uid), get_syntax(uid)

    assert ours.is_known
    assert ours.is_implicit == theirs.is_implicit_VR
    assert ours.is_little_endian == theirs.is_little_endian
    assert ours.is_encapsulated == (theirs.is_encapsulated and "JPIP" not in theirs.name)
    assert ours.is_deflated == ("Deflate" in theirs.name)


# PS3.18 table 8.7.3-5
@pytest.mark.parametrize(
    ("uid", "media_type"),
    [
        ("1.2.840.10008.1.2.4.50", "image/jpeg"),
        ("1.2.840.10008.1.2.4.51", "image/jpeg"),
        ("1.2.840.10008.1.2.4.57", "image/jpeg"),
        ("1.2.840.10008.1.2.4.70", "image/jpeg"),
        ("1.2.840.10008.1.2.5", "image/dicom-rle"),
        ("1.2.840.10008.1.2.4.80", "image/jls"),
        ("1.2.840.10008.1.2.4.81", "image/jls"),
        ("1.2.840.10008.1.2.4.90", "image/jp2"),
        ("1.2.840.10008.1.2.4.91", "image/jp2"),
        ("1.2.840.10008.1.2.4.92", "image/jpx"),
        ("1.2.840.10008.1.2.4.93", "image/jpx"),
        ("1.2.840.10008.1.2.4.201", "image/jphc"),
        ("1.2.840.10008.1.2.4.202", "image/jphc"),
        ("1.2.840.10008.1.2.4.203", "image/jphc"),
        ("1.2.840.10008.1.2.4.110", "image/jxl"),
        ("1.2.840.10008.1.2.4.111", "image/jxl"),
        ("1.2.840.10008.1.2.4.112", "image/jxl"),
        ("1.2.840.10008.1.2.4.100", "video/mpeg"),
        ("1.2.840.10008.1.2.4.101.1", "video/mpeg"),
        ("1.2.840.10008.1.2.4.102", "video/mp4"),
        ("1.2.840.10008.1.2.4.106.1", "video/mp4"),
        ("1.2.840.10008.1.2.4.108", "video/mp4"),
        ("1.2.840.10008.1.2.1", "application/octet-stream"),
        ("1.2.840.10008.1.2.1.98", "application/octet-stream"),
    ],
)
def test_frames_of_a_syntax_travel_by_the_media_type_of_the_standard(uid: str, media_type: str) -> None:
    assert get_syntax(uid).media_type == media_type


def test_an_unknown_syntax_is_taken_for_explicit_little_endian_with_encapsulated_pixel_data() -> None:
    syntax = get_syntax("1.2.3.4")

    assert not syntax.is_known
    assert (syntax.is_implicit, syntax.is_little_endian, syntax.is_encapsulated) == (False, True, True)


def test_a_media_type_names_its_default_syntax_first() -> None:
    groups = syntaxes.by_media_type()

    assert groups["image/jpeg"][0].uid == syntaxes.JPEG_LOSSLESS_SV1
    assert groups["image/jls"][0].uid == syntaxes.JPEG_LS_LOSSLESS
    assert groups["image/jp2"][0].uid == syntaxes.JPEG_2000_LOSSLESS
    assert groups["application/octet-stream"][0].uid == syntaxes.EXPLICIT_LE


def test_no_uid_is_listed_twice() -> None:
    assert len({syntax.uid for syntax in syntaxes.ALL}) == len(syntaxes.ALL)
