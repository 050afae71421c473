"""Transfer syntaxes: how a data set is encoded (PS3.5 annex A), by which media type a frame travels (PS3.18 8.7.3)."""

from __future__ import annotations

import functools
from dataclasses import dataclass

OCTET_STREAM = "application/octet-stream"


@dataclass(frozen=True, slots=True)
class TransferSyntax:
    """One row of PS3.6 table A-1.

    `media_type` is that of one frame (or one video) outside DICOM, PS3.18 tables 8.7.3-4 and -5: octet-stream for
    native pixel data, None where the standard names none.
    """

    uid: str
    name: str
    is_implicit: bool = False
    is_little_endian: bool = True
    is_deflated: bool = False
    is_encapsulated: bool = False
    is_lossy: bool = False
    media_type: str | None = None
    is_video: bool = False
    is_referenced: bool = False
    """JPIP: the pixel data are elsewhere, behind Pixel Data Provider URL."""
    is_retired: bool = False
    is_known: bool = True


IMPLICIT_LE = "1.2.840.10008.1.2"
EXPLICIT_LE = "1.2.840.10008.1.2.1"
ENCAPSULATED_UNCOMPRESSED = "1.2.840.10008.1.2.1.98"
DEFLATED = "1.2.840.10008.1.2.1.99"
EXPLICIT_BE = "1.2.840.10008.1.2.2"
JPEG_BASELINE = "1.2.840.10008.1.2.4.50"
JPEG_EXTENDED = "1.2.840.10008.1.2.4.51"
JPEG_LOSSLESS = "1.2.840.10008.1.2.4.57"
JPEG_LOSSLESS_SV1 = "1.2.840.10008.1.2.4.70"
JPEG_LS_LOSSLESS = "1.2.840.10008.1.2.4.80"
JPEG_LS_NEAR_LOSSLESS = "1.2.840.10008.1.2.4.81"
JPEG_2000_LOSSLESS = "1.2.840.10008.1.2.4.90"
JPEG_2000 = "1.2.840.10008.1.2.4.91"
JPEG_2000_MC_LOSSLESS = "1.2.840.10008.1.2.4.92"
JPEG_2000_MC = "1.2.840.10008.1.2.4.93"
JPIP_REFERENCED = "1.2.840.10008.1.2.4.94"
JPIP_REFERENCED_DEFLATE = "1.2.840.10008.1.2.4.95"
MPEG2_MPML = "1.2.840.10008.1.2.4.100"
MPEG2_MPHL = "1.2.840.10008.1.2.4.101"
MPEG4_HP41 = "1.2.840.10008.1.2.4.102"
MPEG4_HP41_BD = "1.2.840.10008.1.2.4.103"
MPEG4_HP42_2D = "1.2.840.10008.1.2.4.104"
MPEG4_HP42_3D = "1.2.840.10008.1.2.4.105"
MPEG4_HP42_STEREO = "1.2.840.10008.1.2.4.106"
HEVC_MP51 = "1.2.840.10008.1.2.4.107"
HEVC_M10P51 = "1.2.840.10008.1.2.4.108"
JPEG_XL_LOSSLESS = "1.2.840.10008.1.2.4.110"
JPEG_XL_RECOMPRESSION = "1.2.840.10008.1.2.4.111"
JPEG_XL = "1.2.840.10008.1.2.4.112"
HTJ2K_LOSSLESS = "1.2.840.10008.1.2.4.201"
HTJ2K_LOSSLESS_RPCL = "1.2.840.10008.1.2.4.202"
HTJ2K = "1.2.840.10008.1.2.4.203"
JPIP_HTJ2K_REFERENCED = "1.2.840.10008.1.2.4.204"
JPIP_HTJ2K_REFERENCED_DEFLATE = "1.2.840.10008.1.2.4.205"
RLE = "1.2.840.10008.1.2.5"
DEFLATED_IMAGE_FRAME = "1.2.840.10008.1.2.8.1"
PAPYRUS_3 = "1.2.840.10008.1.20"
GE_PRIVATE_BIG_ENDIAN_PIXELS = "1.2.840.113619.5.2"
"""Implicit VR little endian, but with big endian pixel data: GE, before 2000."""


def _native(uid: str, name: str, **more: bool) -> TransferSyntax:
    return TransferSyntax(uid, name, media_type=OCTET_STREAM, **more)


def _image(uid: str, name: str, media_type: str | None, **more: bool) -> TransferSyntax:
    return TransferSyntax(uid, name, is_encapsulated=True, media_type=media_type, **more)


def _video(uid: str, name: str, media_type: str) -> list[TransferSyntax]:
    """A video syntax and, except for HEVC, its fragmentable twin."""
    plain = TransferSyntax(uid, name, is_encapsulated=True, is_lossy=True, media_type=media_type, is_video=True)
    if "HEVC" in name:
        return [plain]
    twin = TransferSyntax(
        f"{uid}.1", f"Fragmentable {name}", is_encapsulated=True, is_lossy=True, media_type=media_type, is_video=True
    )
    return [plain, twin]


ALL: tuple[TransferSyntax, ...] = (
    _native(EXPLICIT_LE, "Explicit VR Little Endian"),
    _native(IMPLICIT_LE, "Implicit VR Little Endian", is_implicit=True),
    _native(DEFLATED, "Deflated Explicit VR Little Endian", is_deflated=True),
    _native(EXPLICIT_BE, "Explicit VR Big Endian", is_little_endian=False, is_retired=True),
    _image(
        ENCAPSULATED_UNCOMPRESSED,
        "Encapsulated Uncompressed Explicit VR Little Endian",
        OCTET_STREAM,
    ),
    _image(JPEG_BASELINE, "JPEG Baseline (Process 1)", "image/jpeg", is_lossy=True),
    _image(JPEG_EXTENDED, "JPEG Extended (Process 2 and 4)", "image/jpeg", is_lossy=True),
    _image(JPEG_LOSSLESS, "JPEG Lossless, Non-Hierarchical (Process 14)", "image/jpeg"),
    _image(
        JPEG_LOSSLESS_SV1,
        "JPEG Lossless, Non-Hierarchical, First-Order Prediction (Process 14 [Selection Value 1])",
        "image/jpeg",
    ),
    _image(JPEG_LS_LOSSLESS, "JPEG-LS Lossless Image Compression", "image/jls"),
    _image(JPEG_LS_NEAR_LOSSLESS, "JPEG-LS Lossy (Near-Lossless) Image Compression", "image/jls", is_lossy=True),
    _image(JPEG_2000_LOSSLESS, "JPEG 2000 Image Compression (Lossless Only)", "image/jp2"),
    _image(JPEG_2000, "JPEG 2000 Image Compression", "image/jp2", is_lossy=True),
    _image(JPEG_2000_MC_LOSSLESS, "JPEG 2000 Part 2 Multi-component Image Compression (Lossless Only)", "image/jpx"),
    _image(JPEG_2000_MC, "JPEG 2000 Part 2 Multi-component Image Compression", "image/jpx", is_lossy=True),
    TransferSyntax(JPIP_REFERENCED, "JPIP Referenced", is_lossy=True, is_referenced=True),
    TransferSyntax(
        JPIP_REFERENCED_DEFLATE, "JPIP Referenced Deflate", is_deflated=True, is_lossy=True, is_referenced=True
    ),
    *_video(MPEG2_MPML, "MPEG2 Main Profile / Main Level", "video/mpeg"),
    *_video(MPEG2_MPHL, "MPEG2 Main Profile / High Level", "video/mpeg"),
    *_video(MPEG4_HP41, "MPEG-4 AVC/H.264 High Profile / Level 4.1", "video/mp4"),
    *_video(MPEG4_HP41_BD, "MPEG-4 AVC/H.264 BD-compatible High Profile / Level 4.1", "video/mp4"),
    *_video(MPEG4_HP42_2D, "MPEG-4 AVC/H.264 High Profile / Level 4.2 For 2D Video", "video/mp4"),
    *_video(MPEG4_HP42_3D, "MPEG-4 AVC/H.264 High Profile / Level 4.2 For 3D Video", "video/mp4"),
    *_video(MPEG4_HP42_STEREO, "MPEG-4 AVC/H.264 Stereo High Profile / Level 4.2", "video/mp4"),
    *_video(HEVC_MP51, "HEVC/H.265 Main Profile / Level 5.1", "video/mp4"),
    *_video(HEVC_M10P51, "HEVC/H.265 Main 10 Profile / Level 5.1", "video/mp4"),
    _image(JPEG_XL_LOSSLESS, "JPEG XL Lossless", "image/jxl"),
    _image(JPEG_XL_RECOMPRESSION, "JPEG XL JPEG Recompression", "image/jxl", is_lossy=True),
    _image(JPEG_XL, "JPEG XL", "image/jxl", is_lossy=True),
    _image(HTJ2K_LOSSLESS, "High-Throughput JPEG 2000 Image Compression (Lossless Only)", "image/jphc"),
    _image(
        HTJ2K_LOSSLESS_RPCL,
        "High-Throughput JPEG 2000 with RPCL Options Image Compression (Lossless Only)",
        "image/jphc",
    ),
    _image(HTJ2K, "High-Throughput JPEG 2000 Image Compression", "image/jphc", is_lossy=True),
    TransferSyntax(JPIP_HTJ2K_REFERENCED, "JPIP HTJ2K Referenced", is_lossy=True, is_referenced=True),
    TransferSyntax(
        JPIP_HTJ2K_REFERENCED_DEFLATE,
        "JPIP HTJ2K Referenced Deflate",
        is_deflated=True,
        is_lossy=True,
        is_referenced=True,
    ),
    _image(RLE, "RLE Lossless", "image/dicom-rle"),
    _image(DEFLATED_IMAGE_FRAME, "Deflated Image Frame Compression", "application/x-deflate"),
    _native(PAPYRUS_3, "Papyrus 3 Implicit VR Little Endian", is_implicit=True, is_retired=True),
    _native(
        GE_PRIVATE_BIG_ENDIAN_PIXELS,
        "GE Private Implicit VR Little Endian with big endian pixel data",
        is_implicit=True,
        is_retired=True,
    ),
    *(
        _image(f"1.2.840.10008.1.2.4.{number}", name, "image/jpeg", is_lossy=number < 57, is_retired=True)
        for number, name in (
            (52, "JPEG Extended (Process 3 and 5)"),
            (53, "JPEG Spectral Selection, Non-Hierarchical (Process 6 and 8)"),
            (54, "JPEG Spectral Selection, Non-Hierarchical (Process 7 and 9)"),
            (55, "JPEG Full Progression, Non-Hierarchical (Process 10 and 12)"),
            (56, "JPEG Full Progression, Non-Hierarchical (Process 11 and 13)"),
            (58, "JPEG Lossless, Non-Hierarchical (Process 15)"),
        )
    ),
)
"""Every syntax that Filmless keeps, best known first. All are stored as received, whether we can decode them or not."""

_BY_UID = {syntax.uid: syntax for syntax in ALL}


@functools.lru_cache(maxsize=1024)
def get_syntax(uid: str) -> TransferSyntax:
    """The syntax of a UID. An unknown one is taken for explicit VR little endian with encapsulated pixel data.

    PS3.5 A.4 demands just that of every syntax for compressed pixel data, private ones included.
    """
    known = _BY_UID.get(uid)
    if known is not None:
        return known
    return TransferSyntax(uid, f"Unknown ({uid})", is_encapsulated=True, is_lossy=True, is_known=False)


@functools.cache
def by_media_type() -> dict[str, tuple[TransferSyntax, ...]]:
    """Syntaxes whose frames travel as each media type, the default of PS3.18 table 8.7.3-5 first."""
    defaults = (JPEG_LOSSLESS_SV1, JPEG_LS_LOSSLESS, JPEG_2000_LOSSLESS, HTJ2K_LOSSLESS, EXPLICIT_LE)
    groups: dict[str, list[TransferSyntax]] = {}
    for syntax in sorted(ALL, key=lambda syntax: syntax.uid not in defaults):
        if syntax.media_type is not None:
            groups.setdefault(syntax.media_type, []).append(syntax)
    return {media_type: tuple(members) for media_type, members in groups.items()}
