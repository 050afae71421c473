"""PS3.3 C.7.6.3, PS3.5 8 and A.4: frames decode to the values that pydicom gives."""

from __future__ import annotations

import contextlib
import struct
import warnings
from pathlib import Path
from typing import Any

import numpy as np
import pydicom
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pydicom.encaps import generate_frames

from filmless.dicom import pixels, syntaxes
from filmless.dicom.pixels import NATIVE, Frame, PixelFormat
from filmless.dicom.scanner import scan
from filmless.errors import FilmlessError, Refused
from real_files import pydicom_file, real_files

RGB_JPEG = "SC_rgb_jpeg_dcmtk.dcm"


def read(data: bytes) -> tuple[PixelFormat, list[tuple[bytes, int]]]:
    """The format of a file's pixel data, and each frame's bytes with the bits to skip."""
    header = scan(data)
    form = pixels.read_format(header)
    element = header.pixel_data
    assert element is not None
    value = header.value(element)
    try:
        count = int(header.integer(0x00280008) or 1)
    except ValueError:
        count = 1
    if form.transfer_syntax_uid in NATIVE:
        extents = [pixels.native_extent(form, index) for index in range(count)]
        return form, [(value[one.offset : one.offset + one.length], one.skip_bits) for one in extents]
    ds = pydicom.dcmread(pydicom.filebase.DicomBytesIO(data), force=True)
    return form, [(frame, 0) for frame in generate_frames(ds.PixelData, number_of_frames=count)]


def decode(data: bytes, **options: Any) -> list[Frame]:
    form, frames = read(data)
    return [pixels.decode_frame(frame, form, skip_bits=skip_bits, **options) for frame, skip_bits in frames]


def pydicom_pixels(path: Path) -> np.ndarray[Any, Any] | None:
    """What pydicom reads, with the plugins that are installed; None when it cannot."""
    ds = pydicom.dcmread(path, force=True)
    try:
        ds.file_meta.TransferSyntaxUID  # noqa: B018
        array = ds.pixel_array
    except Exception:
        return None
    frames = int(ds.get("NumberOfFrames", 1) or 1)
    return array if frames > 1 else array[None]


def image_files() -> list[Path]:
    found = []
    for path in real_files():
        try:
            header = scan(path.read_bytes())
            pixels.read_format(header)
        except FilmlessError:
            continue
        if header.pixel_data is not None:
            found.append(path)
    return found


IMAGES = image_files()


@pytest.mark.parametrize("path", IMAGES, ids=lambda path: path.name)
def test_pixels_equal_those_of_pydicom(path: Path) -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        expected = pydicom_pixels(path)
        if expected is None:
            pytest.skip("pydicom does not read it")
        frames = decode(path.read_bytes())
    found = np.stack([frame.pixels for frame in frames])
    assert found.shape == expected.shape
    assert found.dtype == expected.dtype.newbyteorder("=")
    assert np.array_equal(found, expected)


def test_most_real_images_are_compared() -> None:
    assert len(IMAGES) > 150


@pytest.mark.parametrize(
    ("compressed", "original"),
    [
        ("MR_small_jpeg_ls_lossless.dcm", "MR_small.dcm"),
        ("emri_small_jpeg_ls_lossless.dcm", "emri_small.dcm"),
        ("SC_rgb_jpeg_gdcm.dcm", "SC_rgb.dcm"),
        ("GDCMJ2K_TextGBR.dcm", "GDCMJ2K_TextGBR.dcm"),
    ],
)
def test_lossless_files_that_pydicom_cannot_read_equal_their_originals(compressed: str, original: str) -> None:
    paths = {path.name: path for path in real_files()}
    if compressed not in paths or original not in paths:
        pytest.skip("the data packages are not installed")
    found, expected = decode(paths[compressed].read_bytes()), decode(paths[original].read_bytes())
    assert all(np.array_equal(a.pixels, b.pixels) for a, b in zip(found, expected, strict=True))


def test_subsampled_chroma_is_spread_over_its_pair() -> None:
    form = PixelFormat(syntaxes.EXPLICIT_LE, 1, 2, 3, 8, 8, False, "YBR_FULL_422")
    frame = pixels.decode_frame(bytes([100, 200, 128, 128]), form)
    assert frame.pixels.tolist() == [[[100, 100, 100], [200, 200, 200]]]
    assert frame.format.photometric_interpretation == "RGB"


def test_unused_high_bits_are_not_part_of_the_value() -> None:
    unsigned = PixelFormat(syntaxes.EXPLICIT_LE, 1, 2, 1, 16, 12, False, "MONOCHROME2")
    signed = pixels.replace(unsigned, is_signed=True)
    data = struct.pack("<HH", 0xF123, 0x0FFF)
    assert pixels.decode_frame(data, unsigned).pixels.tolist() == [[0x123, 0xFFF]]
    assert pixels.decode_frame(data, signed).pixels.tolist() == [[0x123, -1]]


def test_one_bit_frames_that_begin_inside_a_byte_are_cut_out() -> None:
    form = PixelFormat(syntaxes.EXPLICIT_LE, 3, 3, 1, 1, 1, False, "MONOCHROME2")
    bits = np.random.default_rng(3).integers(0, 2, (3, 9)).astype(np.uint8)
    packed = np.packbits(bits.reshape(-1), bitorder="little").tobytes()
    for index in range(3):
        extent = pixels.native_extent(form, index)
        piece = packed[extent.offset : extent.offset + extent.length]
        frame = pixels.decode_frame(piece, form, skip_bits=extent.skip_bits)
        assert frame.pixels.reshape(-1).tolist() == bits[index].tolist()
        assert frame.to_bytes() == np.packbits(bits[index], bitorder="little").tobytes()


def test_big_endian_bytes_in_words_are_put_in_order_across_odd_frames() -> None:
    form = PixelFormat(syntaxes.EXPLICIT_BE, 1, 3, 1, 8, 8, False, "MONOCHROME2", is_word=True)
    swapped = bytes([2, 1, 4, 3, 6, 5])
    found = []
    for index in range(2):
        extent = pixels.native_extent(form, index)
        piece = swapped[extent.offset : extent.offset + extent.length]
        found.append(pixels.decode_frame(piece, form, skip_bits=extent.skip_bits).pixels.reshape(-1).tolist())
    assert found == [[1, 2, 3], [4, 5, 6]]


def test_a_jpeg_2000_frame_with_the_wrong_sign_is_noticed_and_read_as_meant() -> None:
    data = pydicom_file("J2K_pixelrep_mismatch.dcm").read_bytes()
    form, frames = read(data)
    assert pixels.has_sign_mismatch(form, frames[0][0])
    decoded = pixels.decode_frame(frames[0][0], form).pixels
    assert (decoded.min(), decoded.max()) == (-2000, 1896)


def test_a_frame_over_the_limit_of_samples_is_refused_before_anything_is_read() -> None:
    form = PixelFormat(syntaxes.EXPLICIT_LE, 60000, 60000, 1, 16, 16, False, "MONOCHROME2")
    with pytest.raises(Refused, match="over the limit"):
        pixels.decode_frame(b"", form, samples_max=1_000_000)


@pytest.mark.parametrize("name", ["JPEG2000.dcm", RGB_JPEG, "MR_small_jp2klossless.dcm"])
def test_a_codestream_larger_than_its_attributes_say_is_refused(name: str) -> None:
    form, frames = read(pydicom_file(name).read_bytes())
    small = pixels.replace(form, rows=8, columns=8)
    with pytest.raises(Refused, match="the data set says"):
        pixels.decode_frame(frames[0][0], small)


def test_a_native_frame_cut_short_is_refused_and_shown_when_leniency_is_asked_for() -> None:
    form = PixelFormat(syntaxes.EXPLICIT_LE, 2, 2, 1, 8, 8, False, "MONOCHROME2")
    with pytest.raises(Refused, match="3 bytes"):
        pixels.decode_frame(b"\1\2\3", form)
    assert pixels.decode_frame(b"\1\2\3", form, is_lenient=True).pixels.tolist() == [[1, 2], [3, 0]]


@settings(max_examples=150, deadline=None)
@given(
    data=st.binary(max_size=400),
    uid=st.sampled_from([syntaxes.RLE, syntaxes.JPEG_BASELINE, syntaxes.JPEG_LS_LOSSLESS, syntaxes.JPEG_2000]),
    prefix=st.sampled_from([b"", b"\xff\xd8\xff\xc0\x00\x11\x08\x00\x04\x00\x04\x03", b"\xff\x4f\xff\x51\x00\x2f"]),
)
def test_any_bytes_give_a_frame_or_a_refusal(data: bytes, uid: str, prefix: bytes) -> None:
    form = PixelFormat(uid, 4, 4, 1, 8, 8, False, "MONOCHROME2")
    with contextlib.suppress(Refused):
        pixels.decode_frame(prefix + data, form)
