"""Documents that come by themselves: held against the class that is to hold them (PS3.3 A.45, A.85, A.104)."""

from __future__ import annotations

import re
import struct
from typing import TYPE_CHECKING, Any, Final

from filmless.dicom.json import JsonDataset
from filmless.errors import Refused

if TYPE_CHECKING:
    from filmless.store.assembling import BulkPart

_STORAGE: Final = "1.2.840.10008.5.1.4.1.1.104."
_CDA: Final = frozenset({"text/xml", "application/xml", "application/hl7-cda+xml"})

# Media types of a part, and what MIME Type of Encapsulated Document says then.
_TYPES: Final[dict[str, tuple[frozenset[str], str]]] = {
    f"{_STORAGE}1": (frozenset({"application/pdf"}), "application/pdf"),
    f"{_STORAGE}2": (_CDA, "text/XML"),
    f"{_STORAGE}3": (frozenset({"model/stl", "application/sla"}), "model/stl"),
    f"{_STORAGE}4": (frozenset({"model/obj"}), "model/obj"),
    f"{_STORAGE}5": (frozenset({"model/mtl"}), "model/mtl"),
}
_OBJ_LINE = re.compile(rb"(v|vn|vt|f|o|g|mtllib|usemtl|s|l|p)[ \t]")


class Incomplete(Refused):
    """The metadata lack what the storage class requires, or contradict the bulk data."""


class NotSupported(Refused):
    """The bulk data are of a kind that has no transfer syntax or no place in the class."""


def check_document(
    sop_class_uid: str, dataset: JsonDataset, part: BulkPart, warnings: list[str]
) -> dict[str, dict[str, Any]]:
    """Give the attributes that follow from a document.

    Raises
    ------
    NotSupported: the class holds documents of another kind, or none. Incomplete: an identifier is missing.
    Refused: the bytes are no such document.
    """
    kinds, mime_type = _TYPES.get(sop_class_uid, (frozenset(), ""))
    if not mime_type:
        raise NotSupported(f"the class {sop_class_uid} holds no document")
    if part.media_type not in kinds and part.media_type != "application/octet-stream":
        raise NotSupported(f"the document is {part.media_type}; the class holds {mime_type}")
    head = part.read_at(0, 4096)
    if not _looks_like(sop_class_uid, head, part.length):
        raise Refused(f"the bytes of the document are no {mime_type}")
    if mime_type == "text/XML" and not dataset.get("0040E001", {}).get("Value"):
        raise Incomplete("HL7InstanceIdentifier (0040,E001) is missing: it is required of a CDA document")
    said = (dataset.get("00420012", {}).get("Value") or [None])[0]
    if said is not None and str(said).strip().lower() != mime_type.lower():
        warnings.append(f"MIME Type of Encapsulated Document was {str(said)[:40]}, is {mime_type}")
    return {
        "00420012": {"vr": "LO", "Value": [mime_type]},
        "00420015": {"vr": "UL", "Value": [part.length]},
    }


def _looks_like(sop_class_uid: str, head: bytes, length: int) -> bool:
    kind = sop_class_uid.rpartition(".")[2]
    if kind == "1":
        return b"%PDF-" in head[:1024]
    if kind == "2":
        return b"ClinicalDocument" in head and head.lstrip(b"\xef\xbb\xbf \t\r\n")[:1] == b"<"
    if kind == "3":
        if head[:5] == b"solid" and b"facet" in head:
            return True
        return len(head) >= 84 and length == 84 + 50 * int(struct.unpack("<L", head[80:84])[0])
    lines = [line.strip() for line in head.splitlines()]
    if kind == "4":
        return any(_OBJ_LINE.match(line) for line in lines)
    return any(line.startswith(b"newmtl ") for line in lines)
