"""What a caller accepts (PS3.18 8.7.4 to 8.7.8, RFC 9110 12.5.1): media ranges by preference, with their parameters."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import Final

from starlette.datastructures import Headers, QueryParams

from filmless.dicom.syntaxes import (
    DEFLATED_IMAGE_FRAME,
    EXPLICIT_LE,
    HTJ2K_LOSSLESS,
    IMPLICIT_LE,
    JPEG_2000_LOSSLESS,
    JPEG_2000_MC_LOSSLESS,
    JPEG_LOSSLESS_SV1,
    JPEG_LS_LOSSLESS,
    JPEG_XL_LOSSLESS,
    OCTET_STREAM,
    RLE,
    get_syntax,
)
from filmless.errors import NotAcceptable

DICOM: Final = "application/dicom"
DICOM_JSON: Final = "application/dicom+json"
DICOM_XML: Final = "application/dicom+xml"
JSON: Final = "application/json"
ZIP: Final = "application/zip"
MULTIPART: Final = "multipart/related"
AS_STORED: Final = "*"
_RANGES_MAX: Final = 64

# The transfer syntax that a media type means when none is named (PS3.18 table 8.7.3-5).
DEFAULT_SYNTAX: Final = {
    OCTET_STREAM: EXPLICIT_LE,
    "image/jpeg": JPEG_LOSSLESS_SV1,
    "image/jls": JPEG_LS_LOSSLESS,
    "image/jp2": JPEG_2000_LOSSLESS,
    "image/jpx": JPEG_2000_MC_LOSSLESS,
    "image/jphc": HTJ2K_LOSSLESS,
    "image/jxl": JPEG_XL_LOSSLESS,
    "image/dicom-rle": RLE,
    "application/x-deflate": DEFLATED_IMAGE_FRAME,
}

_PARAMETER = re.compile(r'\s*;\s*([^\s=;,"]+)\s*(?:=\s*("(?:[^"\\]|\\.)*"|[^;,"]*))?')
_TYPE = re.compile(r"\s*([^\s;,]+)")


@dataclass(frozen=True, slots=True)
class MediaRange:
    """One range of an Accept header, the type within a multipart named by itself."""

    media_type: str
    is_multipart: bool
    transfer_syntax_uid: str | None
    quality: float

    def takes(self, media_type: str) -> bool:
        """Whether the range covers a media type."""
        kind = self.media_type
        return kind in {"*/*", media_type} or (kind.endswith("/*") and media_type.startswith(kind[:-1]))


def read_accept(headers: Headers, query: QueryParams) -> list[MediaRange]:
    """Read what is accepted, best first; the query parameter `accept` wins over the header (PS3.18 8.3.3.1)."""
    wished = query.getlist("accept")
    given = ",".join(wished) if any(wished) else ",".join(headers.getlist("accept"))
    ranges = sorted(_ranges(given or "*/*"), key=lambda found: -found.quality)
    return [found for found in ranges if found.quality > 0]


def _ranges(text: str) -> Iterator[MediaRange]:
    position, count = 0, 0
    while position < len(text) and count < _RANGES_MAX:
        match = _TYPE.match(text, position)
        if match is None:
            position += 1
            continue
        name, position = match.group(1).lower(), match.end()
        parameters, position = _parameters(text, position)
        # A plus in a query parameter is a blank there: `accept=image/svg+xml` and its kind.
        name = name.replace("application/dicom json", DICOM_JSON).replace("application/dicom xml", DICOM_XML)
        quality = _quality(parameters.get("q", "1"))
        syntax = parameters.get("transfer-syntax") or None
        is_multipart = name in {MULTIPART, "multipart/*", "multipart/mixed"}
        inner = parameters.get("type", "*/*").lower() if is_multipart else name
        yield MediaRange(inner, is_multipart, syntax, quality)
        count += 1
        comma = text.find(",", position)
        if comma < 0:
            return
        position = comma + 1


def _parameters(text: str, position: int) -> tuple[dict[str, str], int]:
    """Read parameters; values with a slash stand unquoted in what several viewers send."""
    parameters: dict[str, str] = {}
    while (match := _PARAMETER.match(text, position)) is not None and match.end() > position:
        value = (match.group(2) or "").strip()
        if value.startswith('"'):
            value = re.sub(r"\\(.)", r"\1", value[1:-1])
        parameters.setdefault(match.group(1).lower(), value)
        position = match.end()
    return parameters, position


def read_media_type(text: str) -> tuple[str, dict[str, str]]:
    """Read a Content-Type: the media type and its parameters."""
    match = _TYPE.match(text)
    if match is None:
        return "", {}
    return match.group(1).lower(), _parameters(text, match.end())[0]


def _quality(text: str) -> float:
    try:
        return min(max(float(text), 0.0), 1.0)
    except ValueError:
        return 0.0


def choose(ranges: Sequence[MediaRange], offers: Iterable[str]) -> str:
    """Choose the first offer, in our order, of the best range that takes one.

    Raises
    ------
    NotAcceptable: none does.
    """
    offers = list(offers)
    for wanted in ranges:
        if wanted.is_multipart:
            continue
        for offer in offers:
            if wanted.takes(offer):
                return offer
    raise NotAcceptable(f"this can be given as {', '.join(offers)}; the request accepts none of them")


@dataclass(frozen=True, slots=True)
class ModelForm:
    """How data sets are sent: as DICOM JSON, as one XML document, or as a multipart of those, one for each."""

    media_type: str
    is_multipart: bool

    @property
    def is_xml(self) -> bool:
        """Whether it is the Native DICOM Model."""
        return self.media_type == DICOM_XML


def choose_model_form(ranges: Sequence[MediaRange], *, is_single: bool) -> ModelForm:
    """Choose how to send data sets (PS3.18 8.7.3.2). XML of several is always a multipart, however it is asked for.

    Raises
    ------
    NotAcceptable: neither form is taken.
    """
    for wanted in ranges:
        if not wanted.is_multipart:
            for media_type in (DICOM_JSON, JSON):
                if wanted.takes(media_type):
                    return ModelForm(media_type, is_multipart=False)
        if wanted.takes(DICOM_XML):
            return ModelForm(DICOM_XML, is_multipart=wanted.is_multipart or not is_single)
    raise NotAcceptable(
        f'this can be given as {DICOM_JSON} or as {MULTIPART}; type="{DICOM_XML}"; the request accepts neither'
    )


@dataclass(frozen=True, slots=True)
class InstanceForm:
    """How instances are sent: in what container, and in which transfer syntax (None: as the standard's default)."""

    container: str
    transfer_syntax_uid: str | None


def choose_instance_form(ranges: Sequence[MediaRange], *, is_single: bool) -> InstanceForm:
    """Choose how to send whole instances (PS3.18 table 10.4.4-1).

    Raises
    ------
    NotAcceptable: no range takes DICOM instances, or one alone is wanted and there may be many.
    """
    for wanted in ranges:
        if not wanted.is_multipart and wanted.media_type == ZIP:
            return InstanceForm(ZIP, AS_STORED)
        if not wanted.takes(DICOM):
            continue
        if wanted.is_multipart or wanted.media_type == "*/*":
            return InstanceForm(MULTIPART, wanted.transfer_syntax_uid)
        if is_single:
            return InstanceForm(DICOM, wanted.transfer_syntax_uid)
    raise NotAcceptable(
        'instances are sent as multipart/related; type="application/dicom" or as application/zip'
        + (", one also as application/dicom" if is_single else "")
    )


@dataclass(frozen=True, slots=True)
class FrameForm:
    """How frames are sent."""

    is_multipart: bool
    media_type: str
    transfer_syntax_uid: str


def choose_frame_form(
    ranges: Sequence[MediaRange],
    stored_syntax_uid: str,
    obtainable: Iterable[str],
    *,
    count: int,
    at_hand: Sequence[str] = (),
) -> FrameForm:
    """Choose how to send frames (PS3.18 tables 8.7.3-5 and 10.4.4-1).

    Parameters
    ----------
    stored_syntax_uid : the transfer syntax in which they leave untouched.
    obtainable : the others in which they can be had.
    at_hand : those in which there are copies, shorter than what is stored. One of them is chosen where it is named
        with the same quality as the best that can be had: such a client leaves the choice to us.

    Raises
    ------
    NotAcceptable: nothing that is wanted can be had.
    """
    stored_type = get_syntax(stored_syntax_uid).media_type or OCTET_STREAM
    possible = {stored_syntax_uid, *obtainable}
    for wanted in ranges:
        if not wanted.is_multipart and count != 1 and wanted.media_type != "*/*":
            continue
        is_multipart = wanted.is_multipart or wanted.media_type == "*/*"
        asked = wanted.transfer_syntax_uid
        for media_type, syntax in _frame_offers(wanted, asked, stored_type, stored_syntax_uid):
            if syntax in possible:
                copy = _form_at_hand(ranges, wanted.quality, at_hand, count)
                return copy or FrameForm(is_multipart, media_type, syntax)
    names = ", ".join(sorted(f"{get_syntax(uid).media_type};transfer-syntax={uid}" for uid in possible))
    raise NotAcceptable(f"these frames can be given as {names}; the request accepts none of them")


def _form_at_hand(ranges: Sequence[MediaRange], quality: float, at_hand: Sequence[str], count: int) -> FrameForm | None:
    """Choose a copy, if one is named in so many words with this quality."""
    for wanted in ranges:
        if wanted.quality != quality or (not wanted.is_multipart and count != 1):
            continue
        for syntax in at_hand:
            media_type = get_syntax(syntax).media_type or OCTET_STREAM
            named = wanted.transfer_syntax_uid or DEFAULT_SYNTAX.get(wanted.media_type)
            if named == syntax and wanted.media_type in {media_type, OCTET_STREAM}:
                return FrameForm(wanted.is_multipart, media_type, syntax)
    return None


def _frame_offers(
    wanted: MediaRange, asked: str | None, stored_type: str, stored_syntax_uid: str
) -> Iterator[tuple[str, str]]:
    """List what would satisfy one range: (media type, transfer syntax), best first."""
    is_raw = wanted.media_type in {OCTET_STREAM, "*/*", "application/*"}
    if asked == AS_STORED:
        # `type=application/octet-stream; transfer-syntax=*` is what viewers send for "whatever you have".
        if is_raw or wanted.takes(stored_type):
            yield stored_type, stored_syntax_uid
        return
    if asked is not None:
        syntax = EXPLICIT_LE if asked == IMPLICIT_LE else asked
        media_type = get_syntax(syntax).media_type or OCTET_STREAM
        if is_raw or wanted.takes(media_type):
            yield media_type, syntax
        return
    if is_raw:
        yield OCTET_STREAM, EXPLICIT_LE
    if wanted.takes(stored_type) or wanted.media_type == "*/*":
        # Also a lossy JPEG for `image/jpeg`, whose default is lossless: what is lost does not come back.
        yield stored_type, stored_syntax_uid
    for media_type, syntax in DEFAULT_SYNTAX.items():
        if wanted.takes(media_type):
            yield media_type, syntax
