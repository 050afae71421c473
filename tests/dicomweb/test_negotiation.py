"""PS3.18 8.7: what is accepted decides the form of the answer."""

from __future__ import annotations

from typing import Any

import pytest
from starlette.datastructures import Headers, QueryParams

from filmless.dicom import syntaxes
from filmless.dicomweb.negotiation import (
    AS_STORED,
    DICOM,
    MULTIPART,
    ZIP,
    FrameForm,
    InstanceForm,
    choose,
    choose_frame_form,
    choose_instance_form,
    read_accept,
)
from filmless.errors import NotAcceptable

OCTETS = "application/octet-stream"
LOSSLESS = [syntaxes.EXPLICIT_LE, syntaxes.RLE, syntaxes.JPEG_LS_LOSSLESS, syntaxes.HTJ2K_LOSSLESS]


def ranges(accept: str | None, query: str = "") -> list[Any]:
    headers = {} if accept is None else {"accept": accept}
    return read_accept(Headers(headers), QueryParams(query))


@pytest.mark.parametrize(
    ("accept", "container", "syntax"),
    [
        (None, MULTIPART, None),
        ("*/*", MULTIPART, None),
        ('multipart/related; type="application/dicom"', MULTIPART, None),
        ("multipart/related; type=application/dicom", MULTIPART, None),
        ("multipart/related", MULTIPART, None),
        ('multipart/related; type="application/dicom"; transfer-syntax=*', MULTIPART, AS_STORED),
        ('multipart/related; type="application/dicom"; transfer-syntax="*"', MULTIPART, AS_STORED),
        ("multipart/related;type=application/dicom;transfer-syntax=1.2.840.10008.1.2.5", MULTIPART, syntaxes.RLE),
        ("application/dicom", DICOM, None),
        ("application/dicom; transfer-syntax=*", DICOM, AS_STORED),
        ("application/zip", ZIP, AS_STORED),
        ("text/html, application/dicom;q=0.5", DICOM, None),
        ("application/dicom;q=0.1, multipart/related; type=application/dicom", MULTIPART, None),
        ("application/zip;q=0, */*;q=0.1", MULTIPART, None),
    ],
)
def test_one_instance_is_sent_as_accepted(accept: str | None, container: str, syntax: str | None) -> None:
    assert choose_instance_form(ranges(accept), is_single=True) == InstanceForm(container, syntax)


@pytest.mark.parametrize("accept", ["application/dicom+xml", "text/html", "image/jpeg", "application/dicom;q=0"])
def test_instances_have_no_other_form(accept: str) -> None:
    with pytest.raises(NotAcceptable):
        choose_instance_form(ranges(accept), is_single=True)


def test_many_instances_are_not_one_part() -> None:
    with pytest.raises(NotAcceptable):
        choose_instance_form(ranges("application/dicom"), is_single=False)


@pytest.mark.parametrize(
    ("accept", "stored", "expected"),
    [
        # OHIF (VIEWER.md 3.1)
        (
            "multipart/related; type=application/octet-stream; transfer-syntax=*",
            syntaxes.JPEG_LS_LOSSLESS,
            FrameForm(True, "image/jls", syntaxes.JPEG_LS_LOSSLESS),
        ),
        (
            "multipart/related; type=application/octet-stream; transfer-syntax=*",
            syntaxes.EXPLICIT_LE,
            FrameForm(True, OCTETS, syntaxes.EXPLICIT_LE),
        ),
        ("*/*", syntaxes.JPEG_LS_LOSSLESS, FrameForm(True, OCTETS, syntaxes.EXPLICIT_LE)),
        (OCTETS, syntaxes.JPEG_LS_LOSSLESS, FrameForm(False, OCTETS, syntaxes.EXPLICIT_LE)),
        ("image/jls", syntaxes.EXPLICIT_LE, FrameForm(False, "image/jls", syntaxes.JPEG_LS_LOSSLESS)),
        ("image/jpeg", syntaxes.JPEG_BASELINE, FrameForm(False, "image/jpeg", syntaxes.JPEG_BASELINE)),
        ("image/*", syntaxes.RLE, FrameForm(False, "image/dicom-rle", syntaxes.RLE)),
        (
            "multipart/related; type=image/jphc; transfer-syntax=1.2.840.10008.1.2.4.201",
            syntaxes.EXPLICIT_LE,
            FrameForm(True, "image/jphc", syntaxes.HTJ2K_LOSSLESS),
        ),
        (
            "multipart/related; type=application/octet-stream; transfer-syntax=1.2.840.10008.1.2",
            syntaxes.RLE,
            FrameForm(True, OCTETS, syntaxes.EXPLICIT_LE),
        ),
        (
            'multipart/related; type="image/jp2", multipart/related; type="application/octet-stream"; q=0.5',
            syntaxes.RLE,
            FrameForm(True, OCTETS, syntaxes.EXPLICIT_LE),
        ),
    ],
)
def test_frames_are_sent_as_accepted(accept: str, stored: str, expected: FrameForm) -> None:
    assert choose_frame_form(ranges(accept), stored, LOSSLESS, count=1) == expected


@pytest.mark.parametrize("accept", ["text/plain", "multipart/related; type=video/mp4", "image/png"])
def test_frames_have_no_other_form(accept: str) -> None:
    with pytest.raises(NotAcceptable, match=r"1\.2\.840\.10008\.1\.2\.5"):
        choose_frame_form(ranges(accept), syntaxes.RLE, LOSSLESS, count=1)


def test_several_frames_are_not_one_part() -> None:
    with pytest.raises(NotAcceptable):
        choose_frame_form(ranges(OCTETS), syntaxes.RLE, LOSSLESS, count=2)


def test_frames_that_cannot_be_decoded_are_only_sent_as_stored() -> None:
    with pytest.raises(NotAcceptable):
        choose_frame_form(ranges(OCTETS), syntaxes.MPEG4_HP41, [], count=1)
    form = choose_frame_form(ranges("*/*"), syntaxes.MPEG4_HP41, [], count=1)
    assert form == FrameForm(True, "video/mp4", syntaxes.MPEG4_HP41)


@pytest.mark.parametrize("query", ["accept=image/jpeg", "accept=image%2Fjpeg", "accept=image/jpeg&accept=image/png"])
def test_the_query_parameter_wins_over_the_header(query: str) -> None:
    assert choose(ranges("image/png", query), ["image/png", "image/jpeg"]) == "image/jpeg"


def test_the_better_quality_wins_and_then_our_order() -> None:
    assert choose(ranges("image/png;q=0.5, image/jpeg;q=0.8"), ["image/png", "image/jpeg"]) == "image/jpeg"
    assert choose(ranges("image/*"), ["image/jpeg", "image/png"]) == "image/jpeg"


@pytest.mark.parametrize("accept", ["", ",,;;", ";q=", 'a"b;c="', "x" * 5000, "*/*;" * 500])
def test_nonsense_is_read_without_harm(accept: str) -> None:
    ranges(accept)
