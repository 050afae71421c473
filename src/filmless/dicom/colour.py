"""What colours mean: ICC profiles of data sets, well-known colour spaces, profiles within pictures (PS3.18 8.3.5.1.5).

Comes in: 8-bit RGB or grey as it is shown. Goes out: 8-bit RGB in a known space, and a JPEG or PNG with its profile.
Not here: YBR and palettes (pixels.py, windowing.py), how a profile is asked for.
"""

from __future__ import annotations

import functools
import io
import struct
import zlib
from typing import TYPE_CHECKING, Any, Final

from filmless.dicom.windowing import functional_group
from filmless.errors import NotAcceptable

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from filmless.dicom.scanner import Header

SPACES: Final = ("no", "yes", "srgb", "adobergb", "rommrgb")
"""Values of the parameter `iccprofile`."""

_ICC_PROFILE: Final = 0x00282000
_OPTICAL_PATHS: Final = 0x00480105
_OPTICAL_PATH_IDENTIFIER: Final = 0x00480106
_OPTICAL_PATHS_OF_FRAME: Final = 0x00480207
_CHUNK_BYTES: Final = 65_519  # of a JPEG segment, without its length, the identifier and the two numbers
_CHUNKS_MAX: Final = 255
_CURVE_STEPS: Final = 4096


def read_profile(header: Header, frame_number: int) -> bytes | None:
    """Read the ICC profile of a frame (from 1): of the data set, else of its optical path (PS3.3 C.11.15, C.8.12.5)."""
    if profile := _whole(header):
        return profile
    paths = header.items(_OPTICAL_PATHS)
    of_frame = functional_group(header, _OPTICAL_PATHS_OF_FRAME, frame_number)
    wanted = of_frame.text(_OPTICAL_PATH_IDENTIFIER) if of_frame is not None else None
    chosen = [path for path in paths if wanted is None or path.text(_OPTICAL_PATH_IDENTIFIER) == wanted]
    return _whole(chosen[0]) if chosen else None


def _whole(header: Header) -> bytes | None:
    """Read a profile without the padding of OB: its first four bytes say how long it is."""
    value = header.raw(_ICC_PROFILE) or b""
    return value[: int.from_bytes(value[:4], "big")] or None


def read_embedded_profile(frame: bytes | memoryview) -> bytes | None:
    """Read the ICC profile that lies within a JPEG frame (ISO 15076-1 annex B)."""
    from PIL import Image

    try:
        with Image.open(io.BytesIO(frame), formats=["JPEG"]) as opened:
            profile = opened.info.get("icc_profile")
    except (OSError, ValueError, SyntaxError, Image.DecompressionBombError):
        return None
    return bytes(profile) if profile else None


def in_space(shown: NDArray[Any], profile: bytes | None, space: str) -> tuple[NDArray[Any], bytes]:
    """Give a picture in a colour space of `SPACES`, and the profile of that.

    Parameters
    ----------
    shown : uint8 array, shape (rows, columns), taken for grey of sRGB, or (rows, columns, 3).
    profile : what its colours mean; without one they are taken for sRGB. "yes" leaves them as they are.

    Raises
    ------
    NotAcceptable: the profile cannot be used.
    """
    import numpy as np
    from PIL import Image, ImageCms

    is_grey = shown.ndim == 2
    colours = np.ascontiguousarray(np.repeat(shown[..., None], 3, axis=2) if is_grey else shown)
    source = profile if profile is not None and not is_grey else known_profile("srgb")
    meant = _opened(source)
    if space == "yes":
        return colours, source
    target = known_profile(space)
    if target == source:
        return colours, target
    try:
        changed = ImageCms.profileToProfile(
            Image.fromarray(colours), meant, _opened(target), renderingIntent=ImageCms.Intent.PERCEPTUAL
        )
    except (ImageCms.PyCMSError, ValueError, OSError) as error:
        raise NotAcceptable(f"the ICC profile of the image cannot be used: {str(error)[:200]}") from error
    return np.asarray(changed), target


def _opened(profile: bytes) -> Any:
    from PIL import ImageCms

    try:
        opened = ImageCms.ImageCmsProfile(io.BytesIO(profile))
        space = opened.profile.xcolor_space.strip()
    except (ImageCms.PyCMSError, OSError, ValueError, AttributeError) as error:
        raise NotAcceptable("the ICC profile of the image cannot be read") from error
    if space != "RGB":
        raise NotAcceptable(f"the ICC profile of the image is for {space}, not for RGB (PS3.3 C.11.15.1.1)")
    return opened


@functools.cache
def known_profile(space: str) -> bytes:
    """Make the profile of a well-known colour space: IEC 61966-2.1, Adobe RGB (1998) 4.3, ISO 22028-2 table 2."""
    import imagecodecs
    import numpy as np

    if space == "srgb":
        made = imagecodecs.cms_profile("srgb")
    elif space == "adobergb":
        primaries = (0.64, 0.33, 1, 0.21, 0.71, 1, 0.15, 0.06, 1)
        white = (0.3127, 0.3290, 1)
        made = imagecodecs.cms_profile("rgb", whitepoint=white, primaries=primaries, gamma=563 / 256)
    else:
        primaries = (0.7347, 0.2653, 1, 0.1596, 0.8404, 1, 0.0366, 0.0001, 1)
        white = (0.3457, 0.3585, 1)
        steps = np.linspace(0, 1, _CURVE_STEPS)
        curve = np.rint(np.where(steps < 1 / 32, steps / 16, steps**1.8) * 0xFFFF).astype(np.uint16)
        made = imagecodecs.cms_profile(
            "rgb", whitepoint=white, primaries=primaries, transferfunction=np.stack([curve] * 3)
        )
    # The time when it was made (ISO 15076-1 7.2.1) is set to one for all, or no two pictures would be the same.
    return bytes(made[:24]) + struct.pack(">6H", 2000, 1, 1, 0, 0, 0) + bytes(made[36:])


def with_profile(picture: bytes, profile: bytes) -> bytes:
    """Put a profile into a JPEG (APP2 segments after JFIF's) or a PNG (an iCCP chunk after IHDR).

    Raises
    ------
    NotAcceptable: it is too long for that.
    """
    if picture[:8] == b"\x89PNG\r\n\x1a\n":
        content = b"ICC profile\0\0" + zlib.compress(profile)
        chunk = struct.pack(">I", len(content)) + b"iCCP" + content
        chunk += struct.pack(">I", zlib.crc32(chunk[4:]))
        return picture[:33] + chunk + picture[33:]
    pieces = [profile[start : start + _CHUNK_BYTES] for start in range(0, len(profile), _CHUNK_BYTES)]
    if len(pieces) > _CHUNKS_MAX:
        raise NotAcceptable(f"an ICC profile of {len(profile)} bytes does not fit into a JPEG")
    begin = 2
    if picture[2:4] == b"\xff\xe0":
        begin += 2 + int.from_bytes(picture[4:6], "big")
    segments = b"".join(
        struct.pack(">HH", 0xFFE2, 16 + len(piece)) + b"ICC_PROFILE\0" + bytes([number, len(pieces)]) + piece
        for number, piece in enumerate(pieces, 1)
    )
    return picture[:begin] + segments + picture[begin:]
