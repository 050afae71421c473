"""What a compressed picture says of itself: JPEG, JPEG-LS, JPEG 2000, HTJ2K and JPEG XL, read from their heads.

For pictures that come without a data set around them (PS3.18 10.5): what they say becomes the Image Pixel attributes.
Nothing is decoded; every length is checked before it is used.
"""

from __future__ import annotations

import struct
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from typing import Final

from filmless.dicom.syntaxes import (
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
    JPEG_XL_RECOMPRESSION,
)
from filmless.errors import Refused

ReadAt = Callable[[int, int], bytes]
"""Gives the bytes from an offset; fewer only at the end."""

_SEGMENTS_MAX: Final = 10_000
_BOXES_MAX: Final = 1_000


@dataclass(frozen=True, slots=True)
class Codestream:
    """One picture.

    Attributes
    ----------
    transfer_syntax_uid : in which it can be encapsulated as it is
    bits : of each sample
    offset, length : of the codestream within what was given: a JP2 file has boxes around it
    orientation : as Exif counts them; 1 is upright
    others : further transfer syntaxes that the sender may mean by it
    """

    transfer_syntax_uid: str
    rows: int
    columns: int
    samples_per_pixel: int
    photometric_interpretation: str
    bits: int
    is_signed: bool = False
    offset: int = 0
    length: int = 0
    orientation: int = 1
    others: frozenset[str] = frozenset()


def read_codestream(read_at: ReadAt, length: int) -> Codestream:
    """Read the head of a picture, told apart by its first bytes and not by its name.

    Raises
    ------
    Refused: it is none of those, is cut off, or is of a kind that DICOM has no transfer syntax for.
    """
    head = read_at(0, 12)
    if head[:3] == b"\xff\xd8\xff":
        found = _read_jpeg(read_at)
    elif head[:4] == b"\xff\x4f\xff\x51":
        found = _read_jpeg_2000(read_at, 0, length)
    elif head == b"\x00\x00\x00\x0cjP  \r\n\x87\n":
        found = _read_jp2(read_at, length)
    elif head[:2] == b"\xff\x0a":
        found = _read_jpeg_xl(read_at, 0)
    elif head == b"\x00\x00\x00\x0cJXL \r\n\x87\n":
        found = _read_jpeg_xl_boxes(read_at, length)
    else:
        raise Refused("the bytes are no JPEG, JPEG-LS, JPEG 2000, HTJ2K or JPEG XL picture")
    if not found.rows or not found.columns:
        raise Refused("the picture does not say how many rows and columns it has")
    if found.samples_per_pixel not in (1, 3):
        raise Refused(f"the picture has {found.samples_per_pixel} components; DICOM has pictures of 1 or 3")
    return found if found.length else replace(found, length=length - found.offset)


def _unpack(form: str, read_at: ReadAt, offset: int) -> tuple[int, ...]:
    size = struct.calcsize(form)
    data = read_at(offset, size)
    if len(data) < size:
        raise Refused("the picture is cut off in its head")
    return struct.unpack(form, data)


# JPEG and JPEG-LS (ISO/IEC 10918-1 annex B, 14495-1 annex C) ----------------------------------------------------------

_SOF_BASELINE, _SOF_EXTENDED, _SOF_LOSSLESS, _SOF_LS = 0xC0, 0xC1, 0xC3, 0xF7
_SOFS: Final = {
    0xC2: "progressive", 0xC5: "hierarchical", 0xC6: "hierarchical", 0xC7: "hierarchical", 0xC9: "arithmetic coded",
    0xCA: "arithmetic coded", 0xCB: "arithmetic coded", 0xCD: "arithmetic coded", 0xCE: "arithmetic coded",
    0xCF: "arithmetic coded",
}  # fmt: skip
_READ: Final = frozenset({_SOF_BASELINE, _SOF_EXTENDED, _SOF_LOSSLESS, _SOF_LS})
_SOS, _APP1, _APP14 = 0xDA, 0xE1, 0xEE


@dataclass(slots=True)
class _Frame:
    marker: int
    precision: int
    rows: int
    columns: int
    components: tuple[int, ...]  # their identifiers


def _segments(read_at: ReadAt) -> Iterator[tuple[int, int, int]]:
    """Marker, offset and length of the content of each segment up to the first scan."""
    position = 2
    for _ in range(_SEGMENTS_MAX):
        first, marker, length = _unpack(">BBH", read_at, position)
        if first != 0xFF:
            raise Refused("the JPEG is damaged: there is no marker where one must be")
        if marker == 0xFF:  # a fill byte
            position += 1
            continue
        if marker == 0x01 or 0xD0 <= marker <= 0xD9 or length < 2:
            raise Refused(f"the JPEG is damaged: marker {marker:02X} stands in its head")
        yield marker, position + 4, length - 2
        if marker == _SOS:
            return
        position += 2 + length
    raise Refused(f"the JPEG has more than {_SEGMENTS_MAX} segments before its first scan")


def _read_jpeg(read_at: ReadAt) -> Codestream:
    frame: _Frame | None = None
    transform: int | None = None
    orientation, parameter = 1, 0
    for marker, offset, length in _segments(read_at):
        if marker in _SOFS:
            raise Refused(f"the JPEG is {_SOFS[marker]}: DICOM has no transfer syntax for it; send it as baseline")
        if marker in _READ:
            if frame is not None:
                raise Refused("the JPEG has two frames")
            frame = _read_frame(read_at, marker, offset)
        elif marker == _APP14 and length >= 12 and read_at(offset, 5) == b"Adobe":
            transform = read_at(offset + 11, 1)[0]
        elif marker == _APP1 and length > 14 and read_at(offset, 6) == b"Exif\0\0":
            orientation = _read_orientation(read_at(offset + 6, min(length - 6, 4096)))
        elif marker == _SOS:
            (count,) = _unpack(">B", read_at, offset)
            # Ss: of JPEG Lossless the predictor, of JPEG-LS the largest error (NEAR).
            (parameter,) = _unpack(">B", read_at, offset + 1 + 2 * count)
    if frame is None:
        raise Refused("the JPEG has a scan and no frame header")
    syntax = _jpeg_syntax(frame, parameter)
    return Codestream(
        syntax,
        frame.rows,
        frame.columns,
        len(frame.components),
        _jpeg_colour(frame, transform),
        frame.precision,
        orientation=orientation,
    )


def _read_frame(read_at: ReadAt, marker: int, offset: int) -> _Frame:
    precision, rows, columns, count = _unpack(">BHHB", read_at, offset)
    if not 1 <= count <= 4:
        raise Refused(f"the JPEG has {count} components")
    data = _unpack(f">{3 * count}B", read_at, offset + 6)
    return _Frame(marker, precision, rows, columns, data[::3])


def _jpeg_syntax(frame: _Frame, parameter: int) -> str:
    bits = frame.precision
    if frame.marker == _SOF_BASELINE and bits == 8:
        return JPEG_BASELINE
    if frame.marker == _SOF_EXTENDED and bits in (8, 12):
        return JPEG_EXTENDED
    if frame.marker == _SOF_LOSSLESS and 2 <= bits <= 16:
        return JPEG_LOSSLESS_SV1 if parameter == 1 else JPEG_LOSSLESS
    if frame.marker == _SOF_LS and 2 <= bits <= 16:
        return JPEG_LS_NEAR_LOSSLESS if parameter else JPEG_LS_LOSSLESS
    raise Refused(f"a JPEG of this process has no samples of {bits} bits")


def _jpeg_colour(frame: _Frame, transform: int | None) -> str:
    """Say what the components are (PS3.5 8.2.1): JPEG itself does not."""
    if len(frame.components) == 1:
        return "MONOCHROME2"
    is_lossy = frame.marker in {_SOF_BASELINE, _SOF_EXTENDED}
    named_rgb = frame.components == (0x52, 0x47, 0x42)
    is_rgb = transform == 0 or named_rgb if is_lossy else transform != 1
    if is_rgb:
        return "RGB"
    # Of lossy JPEG the codestream says how far chroma is subsampled, and YBR_FULL_422 stands for any.
    return "YBR_FULL_422" if is_lossy else "YBR_FULL"


def _read_orientation(tiff: bytes) -> int:
    """Read Orientation (0112H) of the first directory of an Exif segment; 1 when it does not say."""
    order = {b"II": "<", b"MM": ">"}.get(tiff[:2])
    try:
        if order is None:
            return 1
        (start,) = struct.unpack_from(f"{order}L", tiff, 4)
        (count,) = struct.unpack_from(f"{order}H", tiff, start)
        for i in range(min(count, 200)):
            tag, _, _, value = struct.unpack_from(f"{order}HHLH", tiff, start + 2 + 12 * i)
            if tag == 0x0112:
                return value if 1 <= value <= 8 else 1
    except struct.error:
        pass
    return 1


# JPEG 2000 and HTJ2K (ISO/IEC 15444-1 annexes A and I, 15444-15) ------------------------------------------------------

_SOT, _CAP, _COD, _TLM = 0xFF90, 0xFF50, 0xFF52, 0xFF55
_SYCC: Final = 18


def boxes(read_at: ReadAt, start: int, end: int) -> Iterator[tuple[bytes, int, int]]:
    """Type, offset and length of the content of each box (ISO/IEC 15444-1 I.4, 14496-12 4.2).

    Raises
    ------
    Refused: a box goes beyond what it stands in, or there are too many.
    """
    for _ in range(_BOXES_MAX):
        if start + 8 > end:
            return
        size, kind = struct.unpack(">L4s", read_at(start, 8))
        head = 8
        if size == 1:
            (size,) = _unpack(">Q", read_at, start + 8)
            head = 16
        elif size == 0:
            size = end - start
        if size < head or start + size > end:
            raise Refused(f"the box {kind.decode('latin-1')!r} goes beyond its end: the file is cut off or damaged")
        yield kind, start + head, size - head
        start += size
    raise Refused(f"there are more than {_BOXES_MAX} boxes")


def _read_jp2(read_at: ReadAt, length: int) -> Codestream:
    colour = 0
    for kind, offset, size in boxes(read_at, 0, length):
        if kind == b"jp2h":
            for inner, place, _ in boxes(read_at, offset, offset + size):
                if inner == b"pclr":
                    raise Refused("the JPEG 2000 picture has a palette in its file; DICOM encapsulates the codestream")
                if inner == b"colr" and read_at(place, 1) == b"\x01":
                    (colour,) = _unpack(">L", read_at, place + 3)
        elif kind == b"jp2c":
            found = _read_jpeg_2000(read_at, offset, size)
            if colour == _SYCC and found.photometric_interpretation == "RGB":
                return replace(found, photometric_interpretation="YBR_FULL")
            return found
    raise Refused("the JP2 file has no codestream")


def _read_jpeg_2000(read_at: ReadAt, start: int, length: int) -> Codestream:
    marker, _, rsiz, x1, y1, x0, y0 = _unpack(">HHHLLLL", read_at, start + 2)
    (count,) = _unpack(">H", read_at, start + 40)
    if marker != 0xFF51 or not 1 <= count <= 16384:
        raise Refused("the JPEG 2000 codestream has no SIZ")
    components = {_unpack(">BBB", read_at, start + 42 + 3 * i) for i in range(min(count, 4))}
    if len(components) != 1 or next(iter(components))[1:] != (1, 1):
        raise Refused("the components of the JPEG 2000 picture differ in size or bits")
    ((size, _, _),) = components
    is_high_throughput, has_lengths, style = bool(rsiz & 0x4000), False, None
    for code, offset in _j2k_segments(read_at, start):
        if code == _CAP:
            is_high_throughput = is_high_throughput or bool(_unpack(">L", read_at, offset)[0] & 0x00020000)
        elif code == _TLM:
            has_lengths = True
        elif code == _COD:
            style = _unpack(">BBHBBBBBB", read_at, offset)
    if style is None:
        raise Refused("the JPEG 2000 codestream has no COD")
    is_reversible = style[8] == 1
    syntax, others = _j2k_syntax(is_high_throughput, is_reversible, is_rpcl=style[1] == 2 and has_lengths)
    photometric = "MONOCHROME2"
    if count > 1:
        photometric = ("YBR_RCT" if is_reversible else "YBR_ICT") if style[3] else "RGB"
    return Codestream(
        syntax,
        y1 - y0,
        x1 - x0,
        count,
        photometric,
        (size & 0x7F) + 1,
        is_signed=size >= 0x80,
        offset=start,
        length=length,
        others=others,
    )


def _j2k_segments(read_at: ReadAt, start: int) -> Iterator[tuple[int, int]]:
    """Marker and content of each segment of the main header."""
    position = start + 2
    for _ in range(_SEGMENTS_MAX):
        marker, length = _unpack(">HH", read_at, position)
        if marker == _SOT:
            return
        if marker < 0xFF00 or length < 2:
            raise Refused("the JPEG 2000 codestream is damaged in its main header")
        yield marker, position + 4
        position += 2 + length
    raise Refused("the JPEG 2000 codestream has no tiles")


def _j2k_syntax(is_high_throughput: bool, is_reversible: bool, *, is_rpcl: bool) -> tuple[str, frozenset[str]]:
    """Name the syntax. What is reversible may have been cut off on purpose: then the sender says that it is lossy."""
    if not is_high_throughput:
        return (JPEG_2000_LOSSLESS, frozenset({JPEG_2000})) if is_reversible else (JPEG_2000, frozenset())
    if not is_reversible:
        return HTJ2K, frozenset()
    return HTJ2K_LOSSLESS, frozenset({HTJ2K, *([HTJ2K_LOSSLESS_RPCL] if is_rpcl else [])})


# JPEG XL (ISO/IEC 18181-1 annex D, 18181-2) ---------------------------------------------------------------------------


class _Bits:
    """Reads a codestream bit by bit, the least significant first."""

    def __init__(self, data: bytes) -> None:
        self._value = int.from_bytes(data, "little")
        self._left = 8 * len(data)

    def u(self, count: int) -> int:
        if count > self._left:
            raise Refused("the JPEG XL picture is cut off in its head")
        found = self._value & ((1 << count) - 1)
        self._value >>= count
        self._left -= count
        return found

    def u32(self, *forms: tuple[int, int]) -> int:
        """One of four forms: a number to add and how many bits."""
        add, bits = forms[self.u(2)]
        return add + self.u(bits)

    def enumeration(self) -> int:
        return self.u32((0, 0), (1, 0), (2, 4), (18, 6))


_RATIOS: Final = ((1, 1), (12, 10), (4, 3), (3, 2), (16, 9), (5, 4), (2, 1))
_SIZES: Final = ((1, 9), (1, 13), (1, 18), (1, 30))


def _jxl_size(bits: _Bits) -> tuple[int, int]:
    """Rows and columns."""
    is_small = bool(bits.u(1))
    rows = 8 * (bits.u(5) + 1) if is_small else bits.u32(*_SIZES)
    ratio = bits.u(3)
    if ratio:
        numerator, denominator = _RATIOS[ratio - 1]
        return rows, rows * numerator // denominator
    return rows, 8 * (bits.u(5) + 1) if is_small else bits.u32(*_SIZES)


def _read_jpeg_xl(read_at: ReadAt, start: int) -> Codestream:
    bits = _Bits(read_at(start + 2, 64))
    rows, columns = _jxl_size(bits)
    orientation, depth, is_xyb, count = 1, 8, True, 3
    if not bits.u(1):  # not all_default
        if bits.u(1):  # extra_fields
            orientation = bits.u(3) + 1
            if bits.u(1):
                _jxl_size(bits)
            if bits.u(1) or bits.u(1):
                raise Refused("the JPEG XL picture has a preview or moves; DICOM has one picture in each frame")
        if bits.u(1):
            raise Refused("the samples of the JPEG XL picture are floating point")
        depth = bits.u32((8, 0), (10, 0), (12, 0), (1, 6))
        bits.u(1)  # modular_16bit_buffers
        if bits.u32((0, 0), (1, 0), (2, 4), (1, 12)):
            raise Refused("the JPEG XL picture has further channels, such as transparency")
        is_xyb = bool(bits.u(1))
        if not bits.u(1):  # the colour encoding is not the default
            bits.u(1)  # want_icc
            count = 1 if bits.enumeration() == 1 else 3
    photometric = "MONOCHROME2" if count == 1 else "XYB" if is_xyb else "RGB"
    # What is not XYB may be lossless or not, and does not say so: what the sender says counts.
    syntax, others = (JPEG_XL, frozenset[str]()) if is_xyb else (JPEG_XL_LOSSLESS, frozenset({JPEG_XL}))
    return Codestream(
        syntax, rows, columns, count, photometric, depth, orientation=orientation, offset=start, others=others
    )


def _read_jpeg_xl_boxes(read_at: ReadAt, length: int) -> Codestream:
    kinds = list(boxes(read_at, 0, length))
    names = [kind for kind, _, _ in kinds]
    if b"jbrd" in names:  # what makes the JPEG again must stay beside the codestream
        # A codestream in pieces has the number of each before it.
        starts = {b"jxlc": 0, b"jxlp": 4}
        place = next((offset + starts[kind] for kind, offset, _ in kinds if kind in starts), None)
        if place is None:
            raise Refused("the JPEG XL file has no codestream")
        inner = _read_jpeg_xl(read_at, place)
        colour = "MONOCHROME2" if inner.samples_per_pixel == 1 else "YBR_FULL_422"
        return replace(
            inner,
            transfer_syntax_uid=JPEG_XL_RECOMPRESSION,
            photometric_interpretation=colour,
            offset=0,
            length=length,
            others=frozenset({JPEG_XL}),
        )
    for kind, offset, size in kinds:
        if kind == b"jxlc":
            return replace(_read_jpeg_xl(read_at, offset), length=size)
    raise Refused("the JPEG XL file has no codestream in one piece")
