"""What compressed pictures say of themselves, and that none of their bytes makes the reader fail otherwise."""

from __future__ import annotations

import io

import imagecodecs
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image

from filmless.dicom.codestreams import Codestream, read_codestream
from filmless.dicom.movies import read_movie
from filmless.errors import Refused

GREY = (np.arange(37 * 53).reshape(37, 53) % 4096).astype(np.uint16)
COLOUR = np.stack([GREY % 256] * 3, axis=-1).astype(np.uint8)


def read(data: bytes) -> Codestream:
    return read_codestream(lambda offset, length: data[offset : offset + length], len(data))


@pytest.mark.parametrize(
    ("data", "syntax", "colour", "bits"),
    [
        (imagecodecs.ljpeg_encode(GREY, bitspersample=16), "57", "MONOCHROME2", 16),
        (imagecodecs.jpegls_encode(COLOUR, level=2), "81", "RGB", 8),
        (imagecodecs.jpeg2k_encode(COLOUR, level=0, reversible=True, codecformat="j2k"), "90", "YBR_RCT", 8),
        (imagecodecs.jpeg2k_encode(COLOUR, level=60, codecformat="jp2"), "91", "YBR_ICT", 8),
        (imagecodecs.htj2k_encode(GREY), "201", "MONOCHROME2", 16),
        (imagecodecs.jpegxl_encode(COLOUR, lossless=True), "110", "RGB", 8),
        (imagecodecs.jpegxl_encode(COLOUR, level=80, lossless=False), "112", "XYB", 8),
        (imagecodecs.jpegxl_encode(GREY, lossless=True, usecontainer=True), "110", "MONOCHROME2", 16),
        (imagecodecs.jpegxl_encode_jpeg(imagecodecs.jpeg8_encode(COLOUR)), "111", "YBR_FULL_422", 8),
        (imagecodecs.jpeg8_encode(GREY), "51", "MONOCHROME2", 12),
    ],
)
def test_the_head_of_a_picture_tells_what_is_in_it(data: bytes, syntax: str, colour: str, bits: int) -> None:
    found = read(data)
    assert found.transfer_syntax_uid == f"1.2.840.10008.1.2.4.{syntax}"
    assert (found.rows, found.columns, found.photometric_interpretation, found.bits) == (37, 53, colour, bits)


def test_the_codestream_within_a_file_is_found() -> None:
    data = imagecodecs.jpeg2k_encode(GREY, level=0, reversible=True, codecformat="jp2")
    found = read(data)
    assert data[found.offset : found.offset + 4] == b"\xff\x4f\xff\x51"
    assert found.offset + found.length == len(data)


def test_the_orientation_of_a_camera_is_read() -> None:
    picture, buffer = Image.fromarray(COLOUR), io.BytesIO()
    exif = picture.getexif()
    exif[0x0112] = 6
    picture.save(buffer, "JPEG", exif=exif)
    assert read(buffer.getvalue()).orientation == 6


WHOLE = [
    imagecodecs.jpeg8_encode(COLOUR),
    imagecodecs.jpegls_encode(GREY),
    imagecodecs.jpeg2k_encode(GREY, level=0, codecformat="jp2"),
    imagecodecs.jpegxl_encode(GREY, lossless=True, usecontainer=True),
    b"\0\0\0\x14ftypisom\0\0\0\0isom\0\0\0\x20moov\0\0\0\x18trak\0\0\0\x10mdia" + bytes(8),
]


@settings(max_examples=300, deadline=None)
@given(st.sampled_from(WHOLE), st.integers(0, 300), st.binary(max_size=8), st.integers(0, 400))
def test_damaged_heads_are_refused_or_read_and_nothing_else(data: bytes, at: int, put: bytes, cut: int) -> None:
    broken = (data[:at] + put + data[at + len(put) :])[: len(data) - cut if cut < 200 else cut]

    def read_at(offset: int, length: int) -> bytes:
        assert length < 1 << 20
        return broken[offset : offset + length]

    for reader in (read_codestream, read_movie):
        try:
            reader(read_at, len(broken))
        except Refused as error:
            assert str(error)
