"""Frames that were cut off: none is given as if it were whole, and the other frames of the instance are given."""

from __future__ import annotations

from collections.abc import Callable

import imagecodecs
import numpy as np
import pytest
from pydicom import Dataset
from pydicom.encaps import encapsulate

import make
from filmless.dicom.pixels import PixelFormat, decode_frame, read_format
from filmless.dicom.scanner import scan
from filmless.errors import Refused
from hostile_wire import Target

ROWS = 64
PIXELS = np.random.default_rng(1).integers(0, 4000, (3, ROWS, ROWS)).astype(np.uint16)
CODECS: dict[str, tuple[str, Callable[[np.ndarray], bytes]]] = {
    "JPEG Lossless": (make.JPEG_BASELINE[:-2] + "70", imagecodecs.ljpeg_encode),
    "JPEG-LS": (make.JPEG_BASELINE[:-2] + "80", imagecodecs.jpegls_encode),
    "JPEG 2000": (
        make.JPEG_2000_LOSSLESS,
        lambda pixels: imagecodecs.jpeg2k_encode(pixels, codecformat="j2k", level=0, reversible=True),
    ),
    "HTJ2K": (make.JPEG_BASELINE[:-2] + "201", imagecodecs.htj2k_encode),
}


def instance(frames: list[bytes]) -> Dataset:
    ds = make.multi_frame(frames=len(frames), rows=ROWS)
    ds.PixelRepresentation, ds.BitsAllocated, ds.BitsStored, ds.HighBit = 0, 16, 16, 15
    ds.PixelData = encapsulate(frames)
    ds["PixelData"].VR = "OB"
    ds["PixelData"].is_undefined_length = True
    return ds


def form_of(codec: str, frame: bytes) -> PixelFormat:
    return read_format(scan(make.part10(instance([frame]), transfer_syntax=CODECS[codec][0])))


@pytest.mark.parametrize("codec", CODECS)
@pytest.mark.parametrize("left", [0.2, 0.5, 0.9, 0.99])
def test_a_frame_that_was_cut_off_is_not_decoded_as_if_it_were_whole(codec: str, left: float) -> None:
    frame = CODECS[codec][1](PIXELS[0])
    form = form_of(codec, frame)
    assert np.array_equal(decode_frame(frame, form).pixels, PIXELS[0])
    with pytest.raises(Refused):
        decode_frame(frame[: int(len(frame) * left)], form)


@pytest.mark.parametrize("without", [1, 2])
def test_a_jpeg_that_lacks_its_end_marker_alone_is_whole(without: int) -> None:
    """Some encoders leave it out."""
    frame = CODECS["JPEG Lossless"][1](PIXELS[0])
    form = form_of("JPEG Lossless", frame)
    assert np.array_equal(decode_frame(frame[:-without], form).pixels, PIXELS[0])


@pytest.mark.system
@pytest.mark.xdist_group("hostile")
@pytest.mark.parametrize("codec", CODECS)
def test_the_other_frames_of_an_instance_with_one_that_was_cut_off_are_served(codec: str, target: Target) -> None:
    frames = [CODECS[codec][1](pixels) for pixels in PIXELS]
    frames[1] = frames[1][: len(frames[1]) // 2]
    ds = instance(frames)
    assert target.stow(make.part10(ds, transfer_syntax=CODECS[codec][0])).status == 200
    path = target.path_of(ds)
    native = {"Accept": 'multipart/related; type="application/octet-stream"; transfer-syntax=1.2.840.10008.1.2.1'}
    with target.unharmed():
        for number, wanted in ((1, PIXELS[0]), (3, PIXELS[2])):
            reply = target.ask("GET", f"{path}/frames/{number}", native)
            assert reply.status == 200
            assert wanted.tobytes() in reply.body
        reply = target.ask("GET", f"{path}/frames/2", native)
        assert reply.status == 406
        assert b"cut off" in reply.body or b"cannot be decoded" in reply.body
