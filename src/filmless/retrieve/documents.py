"""What is read and not looked at: structured reports as pages, encapsulated documents as what they are."""

from __future__ import annotations

import json
from dataclasses import dataclass
from itertools import islice
from typing import Final

from filmless.access.principal import Principal
from filmless.archive import Archive
from filmless.dicom.cda_html import cda_to_html
from filmless.dicom.report import Report, ReportLimits, read_report
from filmless.dicom.report_html import to_html
from filmless.dicom.report_pdf import to_model
from filmless.dicom.report_text import to_text
from filmless.dicom.uids import is_structured_report_class
from filmless.errors import NotAcceptable, NotFound
from filmless.retrieve import bulkdata
from filmless.retrieve.bulkdata import DOCUMENT_TYPES, PDF, XML, Bulk
from filmless.retrieve.decoding import decoders
from filmless.retrieve.frames import read_header
from filmless.retrieve.instances import InstanceRecord, StoredInstance, find_instances, instance_path

HTML: Final = "text/html"
TEXT: Final = "text/plain"
_LINKS_MAX: Final = 5000


@dataclass(frozen=True, slots=True)
class Document:
    """A document in one of its forms: the text of it, or the value that holds it."""

    media_type: str
    data: bytes | Bulk

    @property
    def length(self) -> int:
        return len(self.data) if isinstance(self.data, bytes) else self.data.length


def document_types(instance: StoredInstance) -> tuple[str, ...]:
    """List the media types that a document can be given in, the preferred first; empty when it is none."""
    if is_structured_report_class(instance.sop_class_uid):
        return (HTML, TEXT, PDF)
    encapsulated = DOCUMENT_TYPES.get(instance.sop_class_uid)
    if encapsulated == XML:
        return (XML, HTML)
    return (encapsulated,) if encapsulated else ()


def read_document(
    archive: Archive, principal: Principal, record: InstanceRecord, media_type: str, service: str
) -> Document:
    """Give a document as one of its `document_types`.

    Parameters
    ----------
    service : address under which the reader sees DICOMweb, for links to instances.

    Raises
    ------
    NotFound: the instance holds no document. Refused: its content cannot be read.
    NotAcceptable: PDF of a report, and the extra `pdf` or letters are missing. Unavailable: too many wait.
    """
    if media_type not in document_types(record.instance):
        raise NotAcceptable(f"this document is not given as {media_type}")
    settings = archive.settings
    if record.instance.sop_class_uid in DOCUMENT_TYPES:
        bulk = _encapsulated(archive, record)
        if media_type != HTML:
            return Document(media_type, bulk)
        if bulk.length > settings.report_characters_max:
            raise NotAcceptable(f"the document is longer than {settings.report_characters_max} bytes: ask for {XML}")
        return Document(HTML, cda_to_html(b"".join(bulk.read(archive, record.instance, 0, bulk.length))))
    limits = ReportLimits(settings.report_depth_max, settings.report_items_max, settings.report_characters_max)
    report = read_report(read_header(archive, record.instance), limits)
    if media_type == TEXT:
        return Document(TEXT, to_text(report).encode("utf-8", "replace"))
    if media_type == PDF:
        # In a child process: a long report takes seconds and memory.
        model = json.dumps(to_model(report)).encode()
        return Document(PDF, bytes(decoders(archive).run({"task": "typeset"}, [model])[1]))
    return Document(HTML, to_html(report, _links(archive, principal, report, service)))


def _encapsulated(archive: Archive, record: InstanceRecord) -> Bulk:
    """Find the document without the byte that pads it to an even length (PS3.3 C.24.2)."""
    bulk = bulkdata.find_bulk(archive, record, "00420011")
    length = read_header(archive, record.instance).integer(0x00420015)
    if not bulk.length:
        raise NotFound("the encapsulated document is empty")
    if length is not None and 0 < bulk.length - length <= 1:
        return Bulk(length, bulk.media_type, bulk.data[:length] if bulk.data is not None else None, bulk.offset)
    return bulk


def _links(archive: Archive, principal: Principal, report: Report, service: str) -> dict[str, str]:
    """Say where the instances are that a report refers to, of those that are here and that the reader may see."""
    uids = list(dict.fromkeys(islice((each.sop_instance_uid for each in report.references()), _LINKS_MAX)))
    found = find_instances(archive, principal, sop_uids=uids)
    return {instance.sop_instance_uid: f"{service}{instance_path(instance)}" for instance in found}
