"""Rendered resources of what is read: reports, encapsulated documents (PS3.18 8.7.4, table 8.7.4-1, category Text)."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from typing import Final

from starlette.requests import Request

from filmless.access.principal import Principal
from filmless.archive import Archive
from filmless.dicom import report_html
from filmless.dicom.rendering import MEDIA_TYPES
from filmless.dicomweb.answers import (
    PRIVATE,
    REVALIDATE,
    Answer,
    Headers,
    is_fresh,
    not_modified,
    policy_of,
    ranged,
    service_path,
    service_url,
    started,
)
from filmless.dicomweb.multipart import closing, content_type, new_boundary, part_head, part_headers
from filmless.dicomweb.negotiation import MediaRange
from filmless.errors import NotAcceptable
from filmless.retrieve.bulkdata import Bulk
from filmless.retrieve.documents import HTML, TEXT, Document, document_types, read_document
from filmless.retrieve.instances import InstanceRecord, instance_path

_POLICIES: Final = {HTML: report_html.CONTENT_SECURITY_POLICY}


def answer_document(
    archive: Archive, principal: Principal, record: InstanceRecord, request: Request, ranges: list[MediaRange]
) -> Answer | None:
    """Answer with a document in the form that the caller takes; None when it is none, or is wanted as a picture.

    Raises
    ------
    NotAcceptable: it cannot be had in any form that the caller takes.
    """
    kinds = document_types(record.instance)
    if not kinds:
        return None
    for wanted in ranges:
        media_type = next((kind for kind in kinds if wanted.takes(kind)), None)
        if media_type is not None:
            document = read_document(archive, principal, record, media_type, service_path(archive, request))
            return _answer(archive, record, request, document, is_multipart=wanted.is_multipart)
        if asks_for_picture(wanted):
            return None
    raise NotAcceptable(f"this document is given as {' or '.join(kinds)}, and as a picture of a labelled sheet")


def asks_for_picture(wanted: MediaRange) -> bool:
    """Whether a range names pictures, and not just anything: viewers ask so of all that stands in their list."""
    return wanted.media_type.startswith("image/") and any(wanted.takes(kind) for kind in MEDIA_TYPES)


def _answer(
    archive: Archive, record: InstanceRecord, request: Request, document: Document, *, is_multipart: bool
) -> Answer:
    data = document.data
    if isinstance(data, bytes):  # links in it come and go with what is in the archive
        etag, caching = f'"{hashlib.sha256(data).hexdigest()[:32]}"', REVALIDATE
    else:
        etag, caching = f'"{record.instance.blob[:32]}-document"', PRIVATE
    headers: Headers = [("Cache-Control", caching), ("ETag", etag), ("Vary", "Accept")]
    if is_fresh(request, etag):
        return not_modified(headers)
    kind = document.media_type
    full_type = f"{kind}; charset=utf-8" if kind in {HTML, TEXT} else kind
    if is_multipart:
        boundary = new_boundary()
        location = f"{service_url(archive, request)}{instance_path(record.instance)}/rendered"
        head = part_head(boundary, part_headers(full_type, location, document.length))
        headers.insert(0, ("Content-Type", content_type(boundary, kind)))
        return Answer(200, headers, pieces=started(_wrapped(archive, record, document, head, closing(boundary))))
    headers.insert(0, ("Content-Type", full_type))
    headers.append(("Content-Security-Policy", _POLICIES.get(kind) or policy_of(kind)))
    return ranged(
        request, headers, document.length, etag, lambda start, stop: _read(archive, record, data, start, stop)
    )


def _read(archive: Archive, record: InstanceRecord, data: bytes | Bulk, start: int, stop: int) -> Iterator[bytes]:
    if isinstance(data, Bulk):
        yield from data.read(archive, record.instance, start, stop)
    else:
        yield data[start:stop]


def _wrapped(archive: Archive, record: InstanceRecord, document: Document, head: bytes, tail: bytes) -> Iterator[bytes]:
    yield head
    yield from _read(archive, record, document.data, 0, document.length)
    yield tail
