"""PS3.5 Annex A: frames come out of every transfer syntax that we write as they went in."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import pydicom
import pytest

import make
from filmless.dicom import pixels, syntaxes
from filmless.dicom.compressing import ENCODABLE, LOSSY, encode_frame
from filmless.dicom.pixels import Frame, PixelFormat
from filmless.errors import NotAcceptable

FORMS = [
    ("grey 8", "u1", 1, 8, "MONOCHROME2"),
    ("grey 12 in 16", "u2", 1, 12, "MONOCHROME2"),
    ("grey 16", "u2", 1, 16, "MONOCHROME1"),
    ("signed 16", "i2", 1, 16, "MONOCHROME2"),
    ("signed 12 in 16", "i2", 1, 12, "MONOCHROME2"),
    ("signed 8", "i1", 1, 8, "MONOCHROME2"),
    ("palette", "u1", 1, 8, "PALETTE COLOR"),
    ("rgb", "u1", 3, 8, "RGB"),
    ("rgb 16", "u2", 3, 16, "RGB"),
    ("ybr", "u1", 3, 8, "YBR_FULL"),
    ("inverse 8", "u1", 1, 8, "MONOCHROME1"),
    ("grey 10 in 16", "u2", 1, 10, "MONOCHROME2"),
    ("palette 16", "u2", 1, 16, "PALETTE COLOR"),
]


def noise(dtype: str, samples: int, bits: int, rows: int = 31, columns: int = 47) -> np.ndarray[Any, Any]:
    kind = np.dtype(dtype)
    low, high = (-(1 << (bits - 1)), 1 << (bits - 1)) if kind.kind == "i" else (0, 1 << bits)
    shape = (rows, columns) if samples == 1 else (rows, columns, samples)
    return np.random.default_rng(7).integers(low, high, shape).astype(kind)


def form_of(array: np.ndarray[Any, Any], bits: int, photometric: str) -> PixelFormat:
    return PixelFormat(
        transfer_syntax_uid=syntaxes.EXPLICIT_LE,
        rows=array.shape[0],
        columns=array.shape[1],
        samples_per_pixel=1 if array.ndim == 2 else 3,
        bits_allocated=array.dtype.itemsize * 8,
        bits_stored=bits,
        is_signed=array.dtype.kind == "i",
        photometric_interpretation=photometric,
    )


@pytest.mark.parametrize("uid", sorted(ENCODABLE), ids=lambda uid: syntaxes.get_syntax(uid).name)
@pytest.mark.parametrize(("name", "dtype", "samples", "bits", "photometric"), FORMS, ids=[each[0] for each in FORMS])
def test_encoding_loses_nothing(uid: str, name: str, dtype: str, samples: int, bits: int, photometric: str) -> None:
    array = noise(dtype, samples, bits)
    if uid in {syntaxes.JPEG_XL_LOSSLESS, syntaxes.JPEG_XL} and photometric == "YBR_FULL":
        with pytest.raises(NotAcceptable):
            encode_frame(Frame(array, form_of(array, bits, photometric)), uid)
        return
    encoded, form = encode_frame(Frame(array, form_of(array, bits, photometric)), uid)
    back = pixels.decode_frame(encoded, form, as_rgb=False)
    assert np.array_equal(back.pixels, array)
    assert back.pixels.dtype == array.dtype
    assert back.format.photometric_interpretation == photometric


@pytest.mark.parametrize(
    ("uid", "photometric", "planar"),
    [
        (syntaxes.JPEG_2000_LOSSLESS, "YBR_RCT", 0),
        (syntaxes.HTJ2K_LOSSLESS, "YBR_RCT", 0),
        (syntaxes.JPEG_LS_LOSSLESS, "RGB", 0),
        (syntaxes.JPEG_LOSSLESS_SV1, "RGB", 0),
        (syntaxes.RLE, "RGB", 1),
    ],
)
def test_encoding_states_the_colour_space_that_the_codestream_has(uid: str, photometric: str, planar: int) -> None:
    array = noise("u1", 3, 8)
    encoded, form = encode_frame(Frame(array, form_of(array, 8, "RGB")), uid)
    assert (form.photometric_interpretation, form.planar_configuration) == (photometric, planar)
    if photometric == "YBR_RCT":
        assert pixels.read_j2k_header(encoded).has_component_transform


@pytest.mark.parametrize(
    "uid",
    [
        syntaxes.RLE,
        syntaxes.JPEG_2000_LOSSLESS,
        syntaxes.JPEG_2000,
        syntaxes.DEFLATED_IMAGE_FRAME,
        syntaxes.ENCAPSULATED_UNCOMPRESSED,
    ],
)
def test_what_we_encode_pydicom_decodes(uid: str) -> None:
    array = noise("i2", 1, 16, rows=16, columns=16)
    encoded, _ = encode_frame(Frame(array, form_of(array, 16, "MONOCHROME2")), uid)
    ds = make.ct_slice(rows=16)
    ds.PixelData = pydicom.encaps.encapsulate([encoded])
    ds["PixelData"].is_undefined_length = True
    ds.file_meta = pydicom.dataset.FileMetaDataset()
    ds.file_meta.TransferSyntaxUID = uid
    try:
        found = ds.pixel_array
    except (NotImplementedError, KeyError, RuntimeError):
        pytest.skip("pydicom does not read it")
    assert np.array_equal(found, array)


@pytest.mark.parametrize("uid", [syntaxes.ENCAPSULATED_UNCOMPRESSED, syntaxes.DEFLATED_IMAGE_FRAME])
@pytest.mark.parametrize(("dtype", "bits", "samples"), [("u1", 1, 1), ("u4", 32, 1), ("i8", 64, 1), ("u4", 32, 3)])
def test_uncompressed_and_deflated_frames_hold_samples_of_any_width(
    uid: str, dtype: str, bits: int, samples: int
) -> None:
    array = noise(dtype, samples, min(bits, 60), rows=5, columns=7)
    form = replace(form_of(array, bits, "RGB" if samples == 3 else "MONOCHROME2"), bits_allocated=bits)
    encoded, stated = encode_frame(Frame(array, form), uid)
    assert np.array_equal(pixels.decode_frame(encoded, stated, as_rgb=False).pixels, array)


def test_colour_by_plane_becomes_colour_by_pixel() -> None:
    array = noise("u1", 3, 8)
    form = replace(form_of(array, 8, "RGB"), planar_configuration=1)
    encoded, stated = encode_frame(Frame(array, form), syntaxes.ENCAPSULATED_UNCOMPRESSED)
    assert stated.planar_configuration == 0
    assert encoded == array.tobytes()


@pytest.mark.parametrize("bits", [1, 32, 64])
def test_what_a_syntax_cannot_hold_is_not_acceptable(bits: int) -> None:
    array = np.zeros((4, 4), f"u{max(bits // 8, 1)}")
    form = form_of(array, bits, "MONOCHROME2")
    form = replace(form, bits_allocated=bits, bits_stored=bits)
    with pytest.raises(NotAcceptable):
        encode_frame(Frame(array, form), syntaxes.JPEG_LS_LOSSLESS)


def smooth(dtype: str, top: int, samples: int = 1) -> np.ndarray[Any, Any]:
    y, x = np.mgrid[0:48, 0:64]
    one = ((np.sin(x / 9) + np.cos(y / 7) + 2) / 4 * top).astype(dtype)
    return one if samples == 1 else np.stack([one, np.roll(one, 9, 1), top - one], -1).astype(dtype)


@pytest.mark.parametrize(
    ("uid", "bits", "samples", "photometric", "stated"),
    [
        (syntaxes.JPEG_BASELINE, 8, 1, "MONOCHROME2", "MONOCHROME2"),
        (syntaxes.JPEG_BASELINE, 8, 1, "MONOCHROME1", "MONOCHROME1"),
        (syntaxes.JPEG_BASELINE, 8, 3, "RGB", "YBR_FULL"),
        (syntaxes.JPEG_EXTENDED, 12, 1, "MONOCHROME2", "MONOCHROME2"),
    ],
)
def test_what_jpeg_loses_is_little(uid: str, bits: int, samples: int, photometric: str, stated: str) -> None:
    array = smooth("u1" if bits == 8 else "u2", (1 << bits) - 1, samples)
    encoded, form = encode_frame(Frame(array, form_of(array, bits, photometric)), uid)
    assert form.photometric_interpretation == stated
    found = pixels.decode_frame(encoded, form).pixels.astype(int)
    assert np.abs(found - array).max() < (1 << bits) / 32
    assert len(encoded) < array.nbytes / 2
    assert bytes(encoded[:2]) == b"\xff\xd8"


def test_ybr_keeps_its_values_in_jpeg() -> None:
    array = smooth("u1", 255, 3)
    encoded, form = encode_frame(Frame(array, form_of(array, 8, "YBR_FULL")), syntaxes.JPEG_BASELINE)
    found = pixels.decode_frame(encoded, form).pixels.astype(int)
    assert np.abs(found - pixels.ybr_to_rgb(array)).max() < 12


@pytest.mark.parametrize(
    ("uid", "dtype", "bits", "photometric"),
    [
        (syntaxes.JPEG_BASELINE, "u2", 12, "MONOCHROME2"),
        (syntaxes.JPEG_BASELINE, "i1", 8, "MONOCHROME2"),
        (syntaxes.JPEG_BASELINE, "u1", 8, "PALETTE COLOR"),
        (syntaxes.JPEG_EXTENDED, "u2", 16, "MONOCHROME2"),
        (syntaxes.JPEG_EXTENDED, "i2", 12, "MONOCHROME2"),
    ],
)
def test_what_jpeg_cannot_hold_is_not_acceptable(uid: str, dtype: str, bits: int, photometric: str) -> None:
    array = noise(dtype, 1, bits)
    with pytest.raises(NotAcceptable):
        encode_frame(Frame(array, form_of(array, bits, photometric)), uid)


def test_the_syntaxes_that_lose_are_known() -> None:
    assert {syntaxes.JPEG_BASELINE, syntaxes.JPEG_EXTENDED} == LOSSY
    assert not ENCODABLE & LOSSY
