"""The pixel data of one frame: from numbers to bytes in a transfer syntax (PS3.5 Annex A). The way back: pixels.py.

What comes out is without loss, also in the syntaxes that allow for loss: a codestream that loses nothing is one of
theirs too. Only the two of JPEG's DCT lose, and no data set is written in them.
"""

from __future__ import annotations

import struct
import zlib
from collections.abc import Callable
from dataclasses import replace
from typing import TYPE_CHECKING, Any, Final

from filmless.dicom.pixels import Frame, PixelFormat
from filmless.dicom.syntaxes import (
    DEFLATED_IMAGE_FRAME,
    ENCAPSULATED_UNCOMPRESSED,
    HTJ2K,
    HTJ2K_LOSSLESS,
    HTJ2K_LOSSLESS_RPCL,
    JPEG_2000,
    JPEG_2000_LOSSLESS,
    JPEG_BASELINE,
    JPEG_EXTENDED,
    JPEG_LOSSLESS,
    JPEG_LOSSLESS_SV1,
    JPEG_LS_LOSSLESS,
    JPEG_LS_NEAR_LOSSLESS,
    JPEG_XL,
    JPEG_XL_LOSSLESS,
    RLE,
)
from filmless.errors import NotAcceptable

if TYPE_CHECKING:
    from numpy.typing import NDArray

_JPEG_QUALITY: Final = 95
_ARE_BITS: Final = 1
_SAMPLE_BYTES_MAX: Final = {RLE: 4}
_SAMPLE_BYTES_DEFAULT: Final = 2


def encode_frame(frame: Frame, transfer_syntax_uid: str) -> tuple[bytes, PixelFormat]:
    """Put a frame into a transfer syntax of `ENCODABLE` or `LOSSY`.

    Returns
    -------
    The bytes, and the format that the data set must now state: Photometric Interpretation YBR_RCT where JPEG 2000
    transforms RGB, Planar Configuration 1 for RLE's byte planes and 0 otherwise.

    Raises
    ------
    NotAcceptable: the syntax cannot hold such a frame, or not without more loss than it is known for.
    """
    encoder = _ENCODERS.get(transfer_syntax_uid)
    if encoder is None:
        raise NotAcceptable(f"frames cannot be encoded in transfer syntax {transfer_syntax_uid}")
    form = frame.format
    if form.kind != "integer":
        raise NotAcceptable(f"{form.kind} samples cannot be kept in {transfer_syntax_uid}")
    if transfer_syntax_uid not in _RAW:
        width = frame.pixels.dtype.itemsize
        if form.bits_allocated == _ARE_BITS or width > _SAMPLE_BYTES_MAX.get(
            transfer_syntax_uid, _SAMPLE_BYTES_DEFAULT
        ):
            raise NotAcceptable(
                f"{form.bits_allocated}-bit samples cannot be kept without loss in {transfer_syntax_uid}"
            )
    data, photometric = encoder(frame)
    planar = 1 if transfer_syntax_uid == RLE and form.samples_per_pixel > 1 else 0
    return data, replace(
        form,
        transfer_syntax_uid=transfer_syntax_uid,
        photometric_interpretation=photometric,
        planar_configuration=planar,
    )


def same_samples(one: Frame, other: Frame) -> bool:
    """Whether two frames hold the same samples of the same type in the same colour space."""
    return (
        one.pixels.dtype == other.pixels.dtype
        and one.format.photometric_interpretation == other.format.photometric_interpretation
        and bool((one.pixels == other.pixels).all())
    )


# One function for each codec: a frame in, its bytes and Photometric Interpretation out --------------------------------


def _uncompressed(frame: Frame) -> tuple[bytes, str]:
    pixel_by_pixel = replace(frame.format, planar_configuration=0)
    return Frame(frame.pixels, pixel_by_pixel).to_bytes(), frame.format.photometric_interpretation


def _deflate(frame: Frame) -> tuple[bytes, str]:
    """PS3.5 A.4.13: each frame a deflated stream of its own (RFC 1951)."""
    data, photometric = _uncompressed(frame)
    deflate = zlib.compressobj(6, zlib.DEFLATED, -zlib.MAX_WBITS)
    return deflate.compress(data) + deflate.flush(), photometric


def _rle(frame: Frame) -> tuple[bytes, str]:
    """Encode the byte planes of a frame, each row on its own (PS3.5 G.3)."""
    import imagecodecs
    import numpy as np

    pixels = np.ascontiguousarray(frame.pixels)
    width = pixels.dtype.itemsize
    samples = 1 if pixels.ndim == 2 else pixels.shape[2]
    planes = pixels.astype(pixels.dtype.newbyteorder(">")).view(np.uint8)
    planes = planes.reshape(pixels.shape[0], pixels.shape[1], samples * width)
    if samples * width > 15:
        raise NotAcceptable(f"{samples * width} byte planes do not fit into an RLE frame")
    segments = []
    for plane in range(samples * width):
        segment = bytes(imagecodecs.packbits_encode(np.ascontiguousarray(planes[:, :, plane]), axis=-1))
        segments.append(segment + b"\0" * (len(segment) % 2))
    offsets, position = [], 64
    for segment in segments:
        offsets.append(position)
        position += len(segment)
    head = struct.pack("<16I", len(segments), *offsets, *[0] * (15 - len(offsets)))
    return head + b"".join(segments), frame.format.photometric_interpretation


def _jpeg_ls(frame: Frame) -> tuple[bytes, str]:
    data = _run(lambda codecs: codecs.jpegls_encode(_unsigned(frame.pixels), level=0))
    return data, frame.format.photometric_interpretation


def _jpeg_lossless(frame: Frame) -> tuple[bytes, str]:
    colours = {"colorspace": "RGB", "outcolorspace": "RGB"} if frame.pixels.ndim == 3 else {}
    pixels = _unsigned(frame.pixels)
    data = _run(lambda codecs: codecs.jpeg8_encode(pixels, lossless=True, predictor=1, **colours))
    return data, frame.format.photometric_interpretation


def _jpeg_xl(frame: Frame) -> tuple[bytes, str]:
    form = frame.format
    if form.samples_per_pixel > 1 and not _is_rgb(form):
        raise NotAcceptable(f"JPEG XL decoders give RGB: {form.photometric_interpretation} cannot be kept as it is")
    pixels = _unsigned(frame.pixels)
    options = {"lossless": True, "effort": 3, "usecontainer": False, "numthreads": 1}
    return _run(lambda codecs: codecs.jpegxl_encode(pixels, **options)), form.photometric_interpretation


def _jpeg_2000(frame: Frame) -> tuple[bytes, str]:
    is_rgb = _is_rgb(frame.format)
    options = {"level": 0, "reversible": True, "codecformat": "j2k", "mct": is_rgb, "numthreads": 1}
    bits = frame.format.bits_stored
    data = _run(lambda codecs: codecs.jpeg2k_encode(_whole(frame.pixels), bitspersample=bits, **options))
    return data, "YBR_RCT" if is_rgb else frame.format.photometric_interpretation


def _htj2k(frame: Frame) -> tuple[bytes, str]:
    is_rgb = _is_rgb(frame.format)
    data = _run(lambda codecs: codecs.htj2k_encode(_whole(frame.pixels), reversible=True, rgb=is_rgb, planar=False))
    return data, "YBR_RCT" if is_rgb else frame.format.photometric_interpretation


def _htj2k_rpcl(frame: Frame) -> tuple[bytes, str]:
    data, photometric = _htj2k(frame)
    return _with_tile_part_lengths(data), photometric


def _jpeg_baseline(frame: Frame) -> tuple[bytes, str]:
    """8-bit grey, or colour as YCbCr whose chroma keep their size: contour and Doppler lines are one pixel wide."""
    form = frame.format
    if form.bits_allocated != 8 or form.is_signed:
        raise NotAcceptable(f"JPEG Baseline holds 8 bits without sign, not BitsStored {form.bits_stored}")
    return _dct(frame, {})


def _jpeg_extended(frame: Frame) -> tuple[bytes, str]:
    form = frame.format
    if form.is_signed or form.samples_per_pixel != 1 or not 8 < form.bits_stored <= 12:
        raise NotAcceptable(f"JPEG Extended is made of grey with 9 to 12 bits, not of BitsStored {form.bits_stored}")
    return _dct(frame, {"bitspersample": 12})


def _dct(frame: Frame, options: dict[str, Any]) -> tuple[bytes, str]:
    photometric = frame.format.photometric_interpretation
    if photometric == "PALETTE COLOR":
        raise NotAcceptable("numbers of a palette cannot be compressed with loss: they stand for colours")
    if frame.pixels.ndim == 3:
        source = {"RGB": "RGB", "YBR_FULL": "YCBCR", "YBR_FULL_422": "YCBCR"}.get(photometric)
        if source is None:
            raise NotAcceptable(f"{photometric} cannot be compressed as JPEG")
        options = options | {"colorspace": source, "outcolorspace": "YCBCR", "subsampling": "444"}
        photometric = "YBR_FULL"
    pixels = _whole(frame.pixels)
    return _run(lambda codecs: codecs.jpeg8_encode(pixels, level=_JPEG_QUALITY, **options)), photometric


_ENCODERS: Final[dict[str, Callable[[Frame], tuple[bytes, str]]]] = {
    ENCAPSULATED_UNCOMPRESSED: _uncompressed,
    DEFLATED_IMAGE_FRAME: _deflate,
    RLE: _rle,
    JPEG_LOSSLESS: _jpeg_lossless,  # Selection Value 1 is one of its seven
    JPEG_LOSSLESS_SV1: _jpeg_lossless,
    JPEG_LS_LOSSLESS: _jpeg_ls,
    JPEG_LS_NEAR_LOSSLESS: _jpeg_ls,
    JPEG_2000_LOSSLESS: _jpeg_2000,
    JPEG_2000: _jpeg_2000,
    HTJ2K_LOSSLESS: _htj2k,
    HTJ2K_LOSSLESS_RPCL: _htj2k_rpcl,
    HTJ2K: _htj2k,
    JPEG_XL_LOSSLESS: _jpeg_xl,
    JPEG_XL: _jpeg_xl,
    JPEG_BASELINE: _jpeg_baseline,
    JPEG_EXTENDED: _jpeg_extended,
}
_RAW: Final = frozenset({ENCAPSULATED_UNCOMPRESSED, DEFLATED_IMAGE_FRAME})

LOSSY: Final = frozenset({JPEG_BASELINE, JPEG_EXTENDED})
"""Transfer syntaxes that `encode_frame` writes with loss: for single frames, never for instances."""

ENCODABLE: Final = frozenset(_ENCODERS) - LOSSY
"""Encapsulated transfer syntaxes that `encode_frame` writes without loss."""


def _is_rgb(form: PixelFormat) -> bool:
    return form.photometric_interpretation == "RGB" and form.samples_per_pixel == 3


def _whole(pixels: NDArray[Any]) -> NDArray[Any]:
    import numpy as np

    return np.ascontiguousarray(pixels)


def _unsigned(pixels: NDArray[Any]) -> NDArray[Any]:
    """See signed samples as the unsigned ones of the same bits: these codecs have no sign."""
    return _whole(pixels).view(f"u{pixels.dtype.itemsize}")


def _run(encode: Callable[[Any], Any]) -> bytes:
    import imagecodecs

    try:
        return bytes(encode(imagecodecs))
    except (RuntimeError, ValueError, NotImplementedError) as error:
        raise NotAcceptable(f"the frame cannot be encoded: {str(error)[:200]}") from error


def _with_tile_part_lengths(data: bytes) -> bytes:
    """Add the TLM marker segment, which the RPCL syntax wants and OpenJPH leaves out (ISO/IEC 15444-1 A.7.1)."""
    begin = position = data.index(b"\xff\x90\x00\x0a")
    lengths = b""
    while data[position : position + 2] == b"\xff\x90":
        tile, length = struct.unpack_from(">HI", data, position + 4)
        length = length or len(data) - 2 - position  # 0: up to EOC
        lengths += struct.pack(">HI", tile, length)
        position += length
    if not lengths or len(lengths) > 0xFF00 or b"\xff\x55" in data[:begin]:
        return data
    return data[:begin] + struct.pack(">HHBB", 0xFF55, 4 + len(lengths), 0, 0x60) + lengths + data[begin:]
