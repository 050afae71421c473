"""The pixel data of one frame: from stored bytes to numbers (PS3.3 C.7.6.3, PS3.5 8 and Annex A).

Nothing here trusts its input, yet the codecs below are C code fed from the network: call `decode_frame` on stored
data only in a process that may die (retrieve/decoding.py, docs/decisions/0008). Values equal pydicom's. The
way back: compressing.py.
"""

from __future__ import annotations

import struct
import zlib
from dataclasses import dataclass, replace
from math import ceil
from typing import TYPE_CHECKING, Any, Final

from filmless.dicom.endings import failures_told, require_tile_parts, require_whole
from filmless.dicom.syntaxes import (
    DEFLATED,
    DEFLATED_IMAGE_FRAME,
    ENCAPSULATED_UNCOMPRESSED,
    EXPLICIT_BE,
    EXPLICIT_LE,
    GE_PRIVATE_BIG_ENDIAN_PIXELS,
    HTJ2K,
    HTJ2K_LOSSLESS,
    HTJ2K_LOSSLESS_RPCL,
    IMPLICIT_LE,
    JPEG_2000,
    JPEG_2000_LOSSLESS,
    JPEG_2000_MC,
    JPEG_2000_MC_LOSSLESS,
    JPEG_BASELINE,
    JPEG_EXTENDED,
    JPEG_LOSSLESS,
    JPEG_LOSSLESS_SV1,
    JPEG_LS_LOSSLESS,
    JPEG_LS_NEAR_LOSSLESS,
    JPEG_XL,
    JPEG_XL_LOSSLESS,
    JPEG_XL_RECOMPRESSION,
    RLE,
)
from filmless.errors import Refused

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from filmless.dicom.scanner import Header

_BIG_ENDIAN: Final = frozenset({EXPLICIT_BE, GE_PRIVATE_BIG_ENDIAN_PIXELS})
NATIVE: Final = frozenset({IMPLICIT_LE, EXPLICIT_LE, DEFLATED}) | _BIG_ENDIAN
_DCT: Final = frozenset({JPEG_BASELINE, JPEG_EXTENDED})
_JPEG: Final = _DCT | {JPEG_LOSSLESS, JPEG_LOSSLESS_SV1}
_JPEG_LS: Final = frozenset({JPEG_LS_LOSSLESS, JPEG_LS_NEAR_LOSSLESS})
_JPEG_2000: Final = frozenset({JPEG_2000_LOSSLESS, JPEG_2000, JPEG_2000_MC_LOSSLESS, JPEG_2000_MC})
_HTJ2K: Final = frozenset({HTJ2K_LOSSLESS, HTJ2K_LOSSLESS_RPCL, HTJ2K})
_JPEG_XL: Final = frozenset({JPEG_XL_LOSSLESS, JPEG_XL_RECOMPRESSION, JPEG_XL})
_RAW_FRAMES: Final = frozenset({ENCAPSULATED_UNCOMPRESSED, DEFLATED_IMAGE_FRAME})

DECODABLE: Final = NATIVE | _JPEG | _JPEG_LS | _JPEG_2000 | _HTJ2K | _JPEG_XL | _RAW_FRAMES | {RLE}
"""Transfer syntaxes whose frames `decode_frame` reads."""

_ARE_BITS: Final = 1
_SAMPLES_DEFAULT_MAX: Final = 400_000_000


@dataclass(frozen=True, slots=True)
class PixelFormat:
    """How the bytes of a frame are to be read: the Image Pixel attributes (PS3.3 C.7.6.3.1).

    `kind` is "integer" for Pixel Data, "float" and "double" for the two floating point elements. `is_word` says
    that the element's VR is OW, which swaps 8-bit samples pairwise in big endian (PS3.5 Annex A.2 and 7.3).
    """

    transfer_syntax_uid: str
    rows: int
    columns: int
    samples_per_pixel: int
    bits_allocated: int
    bits_stored: int
    is_signed: bool
    photometric_interpretation: str
    planar_configuration: int = 0
    kind: str = "integer"
    is_word: bool = False

    @property
    def samples(self) -> int:
        """Count the samples of a frame."""
        return self.rows * self.columns * self.samples_per_pixel

    @property
    def is_subsampled(self) -> bool:
        """Whether a native frame holds one pair of chroma samples for two pixels (PS3.3 C.7.6.3.1.2)."""
        return self.photometric_interpretation == "YBR_FULL_422" and self.transfer_syntax_uid in NATIVE | _RAW_FRAMES

    @property
    def frame_bits(self) -> int:
        """Length of one native frame in bits; frames of 1-bit samples follow each other without padding."""
        if self.is_subsampled:
            return self.rows * self.columns * 2 * self.bits_allocated
        return self.samples * self.bits_allocated

    @property
    def frame_bytes(self) -> int:
        """Length of one decoded frame in bytes, as `Frame.to_bytes` gives it."""
        return ceil(self.samples * self.bits_allocated / 8)


@dataclass(frozen=True, slots=True)
class Extent:
    """Where a native frame lies in the pixel data: whole bytes, the bits to skip at their begin, and how many count."""

    offset: int
    length: int
    skip_bits: int
    bits: int


@dataclass(frozen=True, slots=True)
class Frame:
    """A decoded frame: shape (rows, columns) or (rows, columns, samples), stored values, sign extended."""

    pixels: NDArray[Any]
    format: PixelFormat

    def to_bytes(self) -> bytes:
        """Give the frame as native little endian bytes, 1-bit samples packed from the lowest bit on."""
        import numpy as np

        if self.format.bits_allocated == _ARE_BITS:
            return np.packbits(self.pixels.reshape(-1), bitorder="little").tobytes()
        pixels = self.pixels
        if self.format.planar_configuration == 1 and pixels.ndim == 3:
            pixels = pixels.transpose(2, 0, 1)
        return np.ascontiguousarray(pixels.astype(pixels.dtype.newbyteorder("<"), copy=False)).tobytes()


def read_format(header: Header) -> PixelFormat:
    """Read the Image Pixel attributes of a data set.

    Raises
    ------
    Refused: there is no pixel data, or Rows, Columns or Bits Allocated is missing or absurd.
    """
    kinds = {0x7FE00008: ("float", 32), 0x7FE00009: ("double", 64)}
    kind, bits = next((kinds[tag] for tag in kinds if tag in header), ("integer", 0))
    rows, columns = header.integer(0x00280010), header.integer(0x00280011)
    if not rows or not columns or rows < 0 or columns < 0:
        raise Refused(f"not an image: Rows is {rows}, Columns is {columns}")
    samples = header.integer(0x00280002) or 1
    allocated = bits or header.integer(0x00280100) or 0
    if allocated not in {1, 8, 16, 32, 64}:
        raise Refused(f"BitsAllocated is {allocated}; 1, 8, 16, 32 and 64 can be read")
    if not 1 <= samples <= 4:
        raise Refused(f"SamplesPerPixel is {samples}; 1 to 4 can be read")
    stored = header.integer(0x00280101) or allocated
    if not 1 <= stored <= allocated:
        stored = allocated  # Seen in the field; every value then counts in full.
    photometric = (header.text(0x00280004) or ("MONOCHROME2" if samples == 1 else "RGB")).strip().upper()
    syntax = header.transfer_syntax_uid
    if (
        syntax in NATIVE
        and syntax != GE_PRIVATE_BIG_ENDIAN_PIXELS
        and header.is_little_endian == (syntax == EXPLICIT_BE)
    ):
        # The data set is in the other byte order than it says; the scanner saw it and noted the flaw.
        syntax = EXPLICIT_LE if header.is_little_endian else EXPLICIT_BE
    return PixelFormat(
        transfer_syntax_uid=syntax,
        rows=rows,
        columns=columns,
        samples_per_pixel=samples,
        bits_allocated=allocated,
        bits_stored=stored,
        is_signed=header.integer(0x00280103) == 1,
        photometric_interpretation=photometric,
        planar_configuration=1 if samples > 1 and header.integer(0x00280006) == 1 else 0,
        kind=kind,
        is_word=header.vr(0x7FE00010) == "OW",
    )


def native_extent(form: PixelFormat, frame_index: int) -> Extent:
    """Say which bytes of native pixel data hold a frame (index from 0)."""
    start = frame_index * form.frame_bits
    stop = start + form.frame_bits
    first, last = start // 8, ceil(stop / 8)
    if _is_swapped(form):
        first, last = first - first % 2, last + last % 2
    return Extent(first, last - first, start - first * 8, stop - start)


def _is_swapped(form: PixelFormat) -> bool:
    return form.transfer_syntax_uid == EXPLICIT_BE and form.is_word and form.bits_allocated == 8


def decode_frame(
    data: bytes | bytearray | memoryview,
    form: PixelFormat,
    *,
    skip_bits: int = 0,
    as_rgb: bool = True,
    is_lenient: bool = False,
    samples_max: int = _SAMPLES_DEFAULT_MAX,
) -> Frame:
    """Decode one frame of any transfer syntax in `DECODABLE`.

    Parameters
    ----------
    data : the bytes of the frame; of native pixel data those of `native_extent`.
    as_rgb : turn every YBR into RGB. Without it, what is losslessly kept as YBR_FULL stays so: the conversion
        rounds. JPEG's and JPEG 2000's own colour transforms are undone in any case.
    is_lenient : read what a frame lacks at its end as zeros, or as its codec does, to show the part that is there.

    Returns
    -------
    The frame with its new format: Explicit VR Little Endian, and the Photometric Interpretation it now has.

    Raises
    ------
    Refused: the frame is too large, too short, damaged, or not what the attributes say.
    """
    if form.samples > samples_max:
        raise Refused(f"a frame of {form.samples} samples is over the limit of {samples_max}")
    uid = form.transfer_syntax_uid
    if is_lenient and uid in NATIVE:
        data = bytes(data).ljust(ceil((skip_bits + form.frame_bits) / 8), b"\0")
    if uid in NATIVE or uid == ENCAPSULATED_UNCOMPRESSED:
        pixels, photometric = _decode_native(data, form, skip_bits)
    elif uid == DEFLATED_IMAGE_FRAME:
        pixels, photometric = _decode_native(_inflate(data, form), form, 0)
    elif uid == RLE:
        pixels, photometric = _decode_rle(data, form), form.photometric_interpretation
    elif uid in _JPEG | _JPEG_LS | _JPEG_2000 | _HTJ2K | _JPEG_XL:
        pixels, photometric = _decode_compressed(bytes(data), form, is_lenient=is_lenient)
    else:
        raise Refused(f"pixel data in transfer syntax {uid} cannot be decoded")
    planar = form.planar_configuration if uid in NATIVE | {RLE} else 0
    if as_rgb and pixels.ndim == 3 and photometric in {"YBR_FULL", "YBR_FULL_422"}:
        pixels, photometric, planar = ybr_to_rgb(pixels), "RGB", 0
    return Frame(
        pixels,
        replace(
            form,
            transfer_syntax_uid=EXPLICIT_LE,
            photometric_interpretation=photometric,
            planar_configuration=planar,
        ),
    )


def _dtype(form: PixelFormat) -> str:
    if form.kind != "integer":
        return f"f{form.bits_allocated // 8}"
    return f"{'i' if form.is_signed else 'u'}{max(form.bits_allocated // 8, 1)}"


def _shaped(flat: NDArray[Any], form: PixelFormat, *, is_planar: bool) -> NDArray[Any]:
    if form.samples_per_pixel == 1:
        return flat.reshape(form.rows, form.columns)
    if is_planar:
        return flat.reshape(form.samples_per_pixel, form.rows, form.columns).transpose(1, 2, 0)
    return flat.reshape(form.rows, form.columns, form.samples_per_pixel)


def _without_unused_bits(pixels: NDArray[Any], form: PixelFormat, bits: int) -> NDArray[Any]:
    """Make the bits above `bits` zeros or the sign: they may hold anything (PS3.5 8.1.1)."""
    import numpy as np

    shift = pixels.dtype.itemsize * 8 - bits
    if shift <= 0 or form.kind != "integer":
        return pixels
    shifted: NDArray[Any] = np.left_shift(pixels, shift)
    np.right_shift(shifted, shift, out=shifted)
    return shifted


def _decode_native(data: bytes | bytearray | memoryview, form: PixelFormat, skip_bits: int) -> tuple[NDArray[Any], str]:
    import numpy as np

    if len(data) * 8 < skip_bits + form.frame_bits:
        raise Refused(f"the frame has {len(data)} bytes; {ceil((skip_bits + form.frame_bits) / 8)} are needed")
    if form.bits_allocated == _ARE_BITS:
        raw = np.frombuffer(data, np.uint8)
        bits = np.unpackbits(raw, bitorder="little")[skip_bits : skip_bits + form.frame_bits]
        return _shaped(bits, form, is_planar=form.planar_configuration == 1), form.photometric_interpretation
    is_big = form.transfer_syntax_uid in _BIG_ENDIAN
    if _is_swapped(form):
        data = np.frombuffer(data, ">u2").astype("<u2").tobytes()
    start, length = skip_bits // 8, form.frame_bits // 8
    native = np.frombuffer(memoryview(data)[start : start + length], _dtype(form))
    flat = (
        native.astype(native.dtype) if not is_big else native.view(native.dtype.newbyteorder(">")).astype(_dtype(form))
    )
    flat = _without_unused_bits(flat, form, form.bits_stored)
    if not form.is_subsampled:
        return _shaped(flat, form, is_planar=form.planar_configuration == 1), form.photometric_interpretation
    if form.columns % 2 or form.samples_per_pixel != 3:
        raise Refused(f"YBR_FULL_422 needs an even number of columns and 3 samples, not {form.columns} columns")
    pairs = flat.reshape(-1, 4)  # Y1 Y2 Cb Cr
    full = np.empty((len(pairs), 2, 3), flat.dtype)
    full[:, :, 0] = pairs[:, :2]
    full[:, :, 1:] = pairs[:, None, 2:]
    return full.reshape(form.rows, form.columns, 3), "YBR_FULL"


def read_overlay_bits(data: bytes | bytearray | memoryview, form: PixelFormat, position: int) -> bytes:
    """Read an overlay that lies in one bit of each pixel of a native frame, bit 0 being the lowest (PS3.5 8.1.2).

    Returns
    -------
    Its bits row by row, the lowest of each byte first, as Overlay Data has them.

    Raises
    ------
    Refused: pixels of this form have no such bit, or no bits but their own.
    """
    import numpy as np

    if form.transfer_syntax_uid not in NATIVE or form.samples_per_pixel != 1 or form.bits_allocated not in {8, 16, 32}:
        raise Refused("an overlay lies in the bits of pixels that are compressed, in colour or of one bit")
    if not form.bits_stored <= position < form.bits_allocated:
        raise Refused(
            f"Overlay Bit Position is {position}; bits {form.bits_stored} to {form.bits_allocated - 1} are free"
        )
    if len(data) < form.frame_bytes:
        raise Refused(f"the frame has {len(data)} bytes; {form.frame_bytes} are needed")
    if _is_swapped(form):
        data = np.frombuffer(data, ">u2").astype("<u2").tobytes()
    order = ">" if form.transfer_syntax_uid in _BIG_ENDIAN else "<"
    words = np.frombuffer(memoryview(data)[: form.frame_bytes], f"{order}u{form.bits_allocated // 8}")
    return np.packbits((words >> position) & 1, bitorder="little").tobytes()


def _inflate(data: bytes | bytearray | memoryview, form: PixelFormat) -> bytes:
    """Inflate a frame of the Deflated Image Frame Compression syntax (PS3.5 A.4.13), never past its length."""
    expected = ceil(form.frame_bits / 8)
    try:
        return bytes(zlib.decompressobj(-zlib.MAX_WBITS).decompress(data, expected))
    except zlib.error as error:
        raise Refused(f"the deflated frame is damaged: {error}") from error


def _decode_rle(data: bytes | bytearray | memoryview, form: PixelFormat) -> NDArray[Any]:
    """Decode the byte planes of an RLE frame, the most significant first (PS3.5 Annex G)."""
    import imagecodecs
    import numpy as np

    width = form.bits_allocated // 8
    planes = form.samples_per_pixel * width
    if width == 0 or len(data) < 64:
        raise Refused(f"not an RLE frame: {len(data)} bytes, BitsAllocated {form.bits_allocated}")
    header = struct.unpack_from("<16I", data)
    if header[0] != planes or planes > 15:
        raise Refused(f"the RLE frame has {header[0]} segments; {planes} are needed")
    bounds = [*header[1 : planes + 1], len(data)]
    pixels = form.rows * form.columns
    out = np.zeros((pixels, form.samples_per_pixel, width), np.uint8)
    view = memoryview(data)
    for plane in range(planes):
        start, stop = bounds[plane], bounds[plane + 1]
        if not 64 <= start <= stop <= len(data):
            raise Refused(f"the RLE frame has a segment from {start} to {stop} in {len(data)} bytes")
        sample, byte = divmod(plane, width)
        try:
            decoded = np.frombuffer(imagecodecs.packbits_decode(bytes(view[start:stop])), np.uint8)
        except RuntimeError as error:
            raise Refused(f"an RLE segment cannot be decoded: {error}") from error
        if len(decoded) < pixels:
            raise Refused(f"an RLE segment holds {len(decoded)} of {pixels} samples")
        out[:, sample, width - 1 - byte] = decoded[:pixels]
    flat = out.reshape(-1).view(_dtype(form).replace("u", "<u").replace("i", "<i"))
    return _without_unused_bits(_shaped(flat, form, is_planar=False), form, form.bits_stored)


@dataclass(frozen=True, slots=True)
class Codestream:
    """What the header of a JPEG, JPEG-LS or JPEG 2000 codestream says of itself."""

    rows: int
    columns: int
    components: int
    precision: int
    is_signed: bool = False
    is_lossless: bool = False
    component_ids: tuple[int, ...] = ()
    has_jfif: bool = False
    adobe_transform: int | None = None
    has_component_transform: bool = False


def read_jpeg_header(data: bytes | memoryview) -> Codestream:
    """Read the markers of a JPEG or JPEG-LS codestream up to its frame header and colour markers.

    Raises
    ------
    Refused: there is no frame header where one must be.
    """
    view, position = memoryview(data), 2
    if bytes(view[:2]) != b"\xff\xd8":
        raise Refused("not a JPEG codestream: it does not begin with SOI")
    has_jfif, adobe, frame = False, None, None
    while position + 4 <= len(view):
        if view[position] != 0xFF:
            raise Refused(f"not a JPEG codestream: no marker at byte {position}")
        marker = view[position + 1]
        if marker == 0xFF:
            position += 1
            continue
        if marker == 0x01 or 0xD0 <= marker <= 0xD8:
            position += 2
            continue
        length = int.from_bytes(view[position + 2 : position + 4], "big")
        body = view[position + 4 : position + 2 + length]
        if marker == 0xE0 and bytes(body[:4]) == b"JFIF":
            has_jfif = True
        elif marker == 0xEE and bytes(body[:5]) == b"Adobe" and len(body) >= 12:
            adobe = body[11]
        elif (0xC0 <= marker <= 0xCF and marker not in {0xC4, 0xC8, 0xCC}) or marker == 0xF7:
            if len(body) < 6 or len(body) < 6 + 3 * body[5]:
                raise Refused("not a JPEG codestream: its frame header is cut off")
            frame = marker, body
        elif marker in {0xDA, 0xD9}:
            break
        position += 2 + length
    if frame is None:
        raise Refused("not a JPEG codestream: it has no frame header")
    marker, body = frame
    return Codestream(
        rows=int.from_bytes(body[1:3], "big"),
        columns=int.from_bytes(body[3:5], "big"),
        components=body[5],
        precision=body[0],
        is_lossless=marker in {0xC3, 0xC7, 0xCB, 0xCF},
        component_ids=tuple(body[6 + 3 * n] for n in range(body[5])),
        has_jfif=has_jfif,
        adobe_transform=adobe,
    )


def read_j2k_header(data: bytes | memoryview) -> Codestream:
    """Read the SIZ and COD markers of a JPEG 2000 or HTJ2K codestream, also inside a JP2 file.

    Raises
    ------
    Refused: there is no codestream with a SIZ marker.
    """
    view, position = memoryview(data), 0
    while bytes(view[position : position + 2]) != b"\xff\x4f":
        size = int.from_bytes(view[position : position + 4], "big")
        kind = bytes(view[position + 4 : position + 8])
        if kind == b"jp2c":
            position += 16 if size == 1 else 8
        elif size >= 8:
            position += size
        else:
            raise Refused("not a JPEG 2000 codestream: it does not begin with SOC")
        if position >= len(view):
            raise Refused("not a JPEG 2000 codestream: the file holds none")
    siz = view[position + 2 : position + 2 + 41 + 3]
    if len(siz) < 43 or bytes(siz[:2]) != b"\xff\x51":
        raise Refused("not a JPEG 2000 codestream: it has no SIZ marker")
    columns, rows, left, top = struct.unpack_from(">4I", siz, 6)
    components = int.from_bytes(siz[38:40], "big")
    depth = siz[40]
    return Codestream(
        rows=rows - top,
        columns=columns - left,
        components=components,
        precision=(depth & 0x7F) + 1,
        is_signed=bool(depth & 0x80),
        has_component_transform=_has_component_transform(view, position + 2),
    )


def _has_component_transform(view: memoryview, position: int) -> bool:
    while position + 4 <= len(view) and view[position] == 0xFF and view[position + 1] != 0x90:
        if view[position + 1] == 0x52:
            return position + 8 < len(view) and view[position + 8] == 1
        position += 2 + int.from_bytes(view[position + 2 : position + 4], "big")
    return False


def has_sign_mismatch(form: PixelFormat, data: bytes | memoryview) -> bool:
    """Whether a JPEG 2000 frame's codestream and Pixel Representation disagree about the sign.

    Decoders that believe the codestream show other values than those meant; only monochrome frames are judged,
    as pydicom does.
    """
    if form.transfer_syntax_uid not in _JPEG_2000 | _HTJ2K or form.samples_per_pixel != 1:
        return False
    try:
        return read_j2k_header(data).is_signed != form.is_signed
    except Refused:
        return False


def _decode_compressed(data: bytes, form: PixelFormat, *, is_lenient: bool) -> tuple[NDArray[Any], str]:
    import numpy as np

    uid, photometric = form.transfer_syntax_uid, form.photometric_interpretation
    stream: Codestream | None = None
    if uid in _JPEG | _JPEG_LS:
        stream = read_jpeg_header(data)
    elif uid in _JPEG_2000 | _HTJ2K:
        stream = read_j2k_header(data)
    if uid in _HTJ2K:
        require_tile_parts(data)
    if stream is not None:
        _check(stream, form)
    decoded, photometric = _run_codec(data, form, stream)
    if not is_lenient and uid in _JPEG:
        # Its codec makes up what is missing; the others say so by themselves.
        require_whole(data, decoded, lambda changed: _run_codec(changed, form, stream)[0])
    pixels = np.asarray(decoded)
    if pixels.ndim == 3 and pixels.shape[2] == 1:
        pixels = pixels[:, :, 0]
    expected = (form.rows, form.columns) + ((form.samples_per_pixel,) if form.samples_per_pixel > 1 else ())
    if pixels.shape != expected:
        raise Refused(f"the frame decodes to {pixels.shape}, the data set says {expected}")
    is_wider = pixels.dtype.kind in "iu" and pixels.dtype.itemsize * 8 > max(form.bits_allocated, 8)
    if is_wider and int(pixels.max()) >= 1 << form.bits_allocated:
        raise Refused(f"the frame holds {pixels.max()}, over BitsAllocated {form.bits_allocated}")
    pixels = pixels.astype(_dtype(form), copy=False)
    if uid in _JPEG_2000 | _HTJ2K:
        if stream is not None and form.samples_per_pixel == 1 and stream.is_signed != form.is_signed:
            pixels = _without_unused_bits(pixels, form, stream.precision)
    elif uid in _JPEG_LS:
        if stream is not None and form.is_signed:
            pixels = _without_unused_bits(pixels, form, stream.precision)
    elif uid in _JPEG:
        pixels = _without_unused_bits(pixels, form, form.bits_stored)
    return pixels, photometric


def _check(stream: Codestream, form: PixelFormat) -> None:
    """Compare the codestream with the attributes before memory is taken for it: an image bomb lies here."""
    if stream.components != form.samples_per_pixel:
        raise Refused(f"the frame has {stream.components} components, SamplesPerPixel is {form.samples_per_pixel}")
    if (stream.rows or form.rows, stream.columns) != (form.rows, form.columns):
        raise Refused(f"the frame is {stream.columns} x {stream.rows}, the data set says {form.columns} x {form.rows}")
    if stream.precision > max(form.bits_allocated, 8):
        raise Refused(f"the frame has {stream.precision} bits, over BitsAllocated {form.bits_allocated}")


def _run_codec(data: bytes, form: PixelFormat, stream: Codestream | None) -> tuple[Any, str]:
    import imagecodecs

    uid, photometric = form.transfer_syntax_uid, form.photometric_interpretation
    try:
        if uid in _JPEG and stream is not None:
            return _decode_jpeg(data, form, stream)
        if uid in _JPEG_LS:
            return imagecodecs.jpegls_decode(data), photometric
        if uid in _JPEG_XL:
            is_ybr = photometric.startswith("YBR") or photometric == "XYB"
            return imagecodecs.jpegxl_decode(data, numthreads=1), "RGB" if is_ybr else photometric
        is_transformed = photometric in {"YBR_RCT", "YBR_ICT"}
        if uid in _HTJ2K:
            try:
                with failures_told():
                    return imagecodecs.htj2k_decode(data, planar=False), "RGB" if is_transformed else photometric
            except imagecodecs.Htj2kError:
                # OpenJPH reads no JP2 wrapper and no plain JPEG 2000 that is mislabelled; OpenJPEG does.
                return imagecodecs.jpeg2k_decode(data, planar=False), "RGB" if is_transformed else photometric
        return imagecodecs.jpeg2k_decode(data, planar=False, numthreads=1), "RGB" if is_transformed else photometric
    except (RuntimeError, ValueError, OSError, MemoryError, TypeError) as error:
        raise Refused(f"the frame cannot be decoded: {str(error)[:200]}") from error


def _decode_jpeg(data: bytes, form: PixelFormat, stream: Codestream) -> tuple[Any, str]:
    """Decode JPEG, undoing its colour transform where one was made.

    Markers win over Photometric Interpretation, which is often wrong: component identifiers "RGB", then JFIF
    (always YCbCr), then Adobe's transform flag; a lossless process never transforms.
    """
    import imagecodecs

    photometric = form.photometric_interpretation
    if stream.components != 3 or stream.is_lossless:
        try:
            return imagecodecs.jpeg8_decode(data), photometric
        except imagecodecs.Jpeg8Error:
            if not stream.is_lossless:
                raise
            return imagecodecs.jpegsof3_decode(data), photometric
    if stream.component_ids in {(82, 71, 66), (114, 103, 98)}:
        is_ycc = False
    elif stream.has_jfif:
        is_ycc = True
    elif stream.adobe_transform is not None and photometric != "RGB":
        is_ycc = stream.adobe_transform != 0
    else:
        is_ycc = photometric != "RGB"
    source = "YCBCR" if is_ycc else "RGB"
    return imagecodecs.jpeg8_decode(data, colorspace=source, outcolorspace="RGB"), "RGB"


def ybr_to_rgb(pixels: NDArray[Any]) -> NDArray[Any]:
    """Convert YBR_FULL to RGB, rounding half up (PS3.3 C.7.6.3.1.2).

    Parameters
    ----------
    pixels : unsigned array, shape (rows, columns, 3): Y, Cb, Cr over the full range of the type.
    """
    import numpy as np

    top = int(np.iinfo(pixels.dtype).max)
    middle = (top + 1) // 2
    kind = np.dtype(np.float32 if pixels.dtype.itemsize == 1 else np.float64)
    luma: NDArray[Any] = pixels[..., 0].astype(kind)
    luma += 0.5
    blue: NDArray[Any] = pixels[..., 1].astype(kind)
    blue -= middle
    red: NDArray[Any] = pixels[..., 2].astype(kind)
    red -= middle
    out = np.empty(pixels.shape, pixels.dtype)
    for channel, (of_blue, of_red) in enumerate(
        ((0.0, 1.402), (-0.114 * 1.772 / 0.587, -0.299 * 1.402 / 0.587), (1.772, 0.0))
    ):
        out[..., channel] = np.clip(np.floor(luma + of_blue * blue + of_red * red), 0, top)
    return out
