"""Rendered resources that move and are no GIF: stored videos, and MP4 of multi-frame instances (PS3.18 8.7.4)."""

from __future__ import annotations

from starlette.requests import Request

from filmless.archive import Archive
from filmless.dicomweb.answers import PRIVATE, Answer, Headers, is_fresh, not_modified, ranged
from filmless.dicomweb.negotiation import MediaRange
from filmless.errors import NotAcceptable
from filmless.retrieve.cine import MP4, render_video
from filmless.retrieve.instances import InstanceRecord
from filmless.retrieve.rendered import Look
from filmless.retrieve.videos import find_video


def answer_video(archive: Archive, record: InstanceRecord, request: Request, ranges: list[MediaRange]) -> Answer:
    """Answer with a stored video as it is, or with the range of it that was asked for.

    Raises
    ------
    NotAcceptable: the caller does not take what it is.
    """
    video = find_video(archive, record)
    kind = video.media_type
    # Media types are compared without regard to case (RFC 9110 8.3.1); ranges are in lower case.
    if not any(wanted.takes(kind.lower()) for wanted in ranges if not wanted.is_multipart):
        raise NotAcceptable(f"this video is stored as {kind} and given as it is; the request does not accept that")
    etag = f'"{record.instance.blob[:32]}-video"'
    headers: Headers = [("Content-Type", kind), ("Cache-Control", PRIVATE), ("ETag", etag), ("Vary", "Accept")]
    if is_fresh(request, etag):
        return not_modified(headers)
    return ranged(
        request,
        headers,
        video.length,
        etag,
        lambda start, stop: video.read(archive, record.instance, start, stop),
    )


def answer_cine(
    archive: Archive, record: InstanceRecord, request: Request, headers: Headers, frames: list[int], look: Look
) -> Answer:
    """Answer with frames as an MP4, or with the range of it that was asked for."""
    made = render_video(archive, record, frames, look)
    etag = next(value for name, value in headers if name == "ETag")
    return ranged(
        request, [("Content-Type", MP4), *headers], len(made), etag, lambda start, stop: iter([made[start:stop]])
    )
