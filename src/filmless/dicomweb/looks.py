"""How a picture is wanted: the query parameters of rendered resources and thumbnails (PS3.18 8.3.5.1, 8.3.5.2)."""

from __future__ import annotations

import math
import re
from typing import Final

from starlette.requests import Request

from filmless.dicom.colour import SPACES
from filmless.dicom.rendering import JPEG, PNG, SIDE_MAX, Viewport
from filmless.dicom.windowing import Function, Window
from filmless.dicomweb.answers import Headers
from filmless.errors import Refused
from filmless.retrieve.rendered import Look

_FUNCTIONS: Final[dict[str, Function]] = {
    "linear": "LINEAR",
    "linear-exact": "LINEAR_EXACT",
    "sigmoid": "SIGMOID",
}
_KEYWORD: Final = re.compile(r"[a-z][a-z0-9_-]{0,31}")
_HOLD_PROFILES: Final = frozenset({JPEG, PNG})
ANNOTATIONS: Final = ("patient", "technique")
"""Keywords of the parameter `annotation` that something is drawn for."""


def read_look(request: Request, media_type: str) -> Look:
    """Read the query parameters of a rendered resource.

    Raises
    ------
    Refused: one is not of its form, or this media type cannot hold the colour profile that is asked for.
    """
    query = request.query_params
    quality = query.get("quality")
    if quality is not None and (not _is_count(quality) or not 1 <= int(quality) <= 100):
        raise Refused(f"quality is {quality[:20]!r}; it is a whole number from 1 to 100")
    space = query.get("iccprofile")
    if space is not None and space not in SPACES:
        raise Refused(f"iccprofile is {space[:20]!r}; it is one of {', '.join(SPACES)}")
    if space not in {None, "no"} and media_type not in _HOLD_PROFILES:
        raise Refused(f"{media_type} holds no ICC profile; ask for {JPEG} or {PNG}, or for iccprofile=no")
    return Look(
        media_type=media_type,
        window=_window(query.get("window")),
        viewport=_viewport(query.get("viewport")),
        quality=int(quality or 90),
        space=None if space == "no" else space,
        annotation=tuple(word for word in ANNOTATIONS if word in _annotations(request)),
    )


def read_size(request: Request) -> tuple[int, int] | None:
    """Read the viewport of a thumbnail or a presentation state: a width and a height, no region.

    Raises
    ------
    Refused: it is not of that form.
    """
    text = request.query_params.get("viewport")
    if text is not None and text.count(",") != 1:
        raise Refused(f"viewport is {text[:60]!r}; here it is width,height: no region can be asked for")
    viewport = _viewport(text)
    return None if viewport is None else (viewport.width, viewport.height)


def annotation_warning(request: Request) -> Headers:
    """Give the header that names the keywords of `annotation` for which nothing is drawn (PS3.18 8.3.5.1.1)."""
    ignored = [word for word in _annotations(request) if word not in ANNOTATIONS]
    if not ignored:
        return []
    return [("Warning", f'299 filmless "The following annotation values are not supported: {", ".join(ignored)}"')]


def _annotations(request: Request) -> list[str]:
    text = request.query_params.get("annotation")
    if text is None:
        return []
    words = [word.strip() for word in text.split(",")]
    if len(words) > 16 or not all(map(_KEYWORD.fullmatch, words)):
        raise Refused(f"annotation is {text[:40]!r}; it is one or several of {', '.join(ANNOTATIONS)}")
    return words


def _window(text: str | None) -> Window | None:
    if text is None:
        return None
    parts = [part.strip().lower() for part in text.split(",")]
    function = _FUNCTIONS.get(parts[2].replace("_", "-")) if len(parts) == 3 else None
    if function is None or not all(parts):
        raise Refused(f"window is {text[:60]!r}; it is center,width,function: linear, linear-exact or sigmoid")
    center, width = numbers_of(parts[:2], "window")
    if width < 1 if function == "LINEAR" else width <= 0:
        raise Refused(
            f"the window width is {width:g}; {parts[2]} needs {'at least 1' if function == 'LINEAR' else 'more than 0'}"
        )
    return Window(center, width, function)


def _viewport(text: str | None) -> Viewport | None:
    if text is None:
        return None
    parts = [part.strip() for part in text.split(",")]
    if not 2 <= len(parts) <= 6 or not all(map(_is_count, parts[:2])):
        raise Refused(f"viewport is {text[:60]!r}; it is width,height[,sx,sy,sw,sh], the first two whole numbers")
    width, height = int(parts[0]), int(parts[1])
    if not (1 <= width <= SIDE_MAX and 1 <= height <= SIDE_MAX):
        raise Refused(f"a viewport of {width} x {height} is outside 1 to {SIDE_MAX}")
    region = numbers_of(parts[2:], "viewport")
    left, top, region_width, region_height = [*region, 0.0, 0.0, 0.0, 0.0][:4]
    if left < 0 or top < 0:
        raise Refused("the region of a viewport begins inside the image: sx and sy are not below 0")
    return Viewport(width, height, left, top, region_width, region_height)


def _is_count(text: str) -> bool:
    return text.isascii() and text.isdigit() and len(text) <= 9


def numbers_of(parts: list[str], name: str) -> list[float]:
    """Read decimal numbers; one that is left out is 0."""
    numbers = []
    for part in parts:
        try:
            number = float(part or 0)
        except ValueError as error:
            raise Refused(f"{name}: {part[:20]!r} is not a number") from error
        if not math.isfinite(number) or abs(number) > 1e12:
            raise Refused(f"{name}: {part[:20]!r} is not a number that can be used")
        numbers.append(number)
    return numbers
