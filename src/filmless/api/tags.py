"""The elements of a data set as a person reads them, for the tag browser."""

from __future__ import annotations

import base64
from typing import Any, Final

from filmless.api.models.reading import Tag
from filmless.archive import Archive
from filmless.dicom import dictionary
from filmless.dicom.json import JsonDataset, to_json
from filmless.dicom.scanner import Header, ScanLimits, scan

VALUE_MAX: Final = 1024
"""Characters of a value that are shown."""

BYTES_SHOWN: Final = 32
ITEMS_SHOWN: Final = 200
"""Items of a sequence that are shown: an enhanced multi-frame instance has thousands."""


def list_tags(archive: Archive, blob: str) -> list[Tag]:
    """List the elements of a stored instance in order, sequences with their items."""
    settings = archive.settings
    limits = ScanLimits(
        depth_max=settings.sequence_depth_max,
        elements_max=settings.elements_max,
        header_max_bytes=settings.header_max_bytes,
        inflate_max_bytes=settings.inflate_max_bytes,
        frames_max=settings.frames_max,
    )
    with archive.blobs.reader(blob) as reader:
        header = scan(reader.map(), limits=limits)
    return _level(header, to_json(header, bulk_uri="", inline_max=BYTES_SHOWN))


def _level(header: Header, dataset: JsonDataset) -> list[Tag]:
    return [_tag(header, int(name, 16), entry) for name, entry in dataset.items()]


def _tag(header: Header, tag: int, entry: dict[str, Any]) -> Tag:
    element = header.element(tag)
    items: list[list[Tag]] | None = None
    if entry["vr"] == "SQ":
        inner = entry.get("Value", [])
        value: str | None = "1 item" if len(inner) == 1 else f"{len(inner)} items"
        if len(inner) > ITEMS_SHOWN:
            value = f"{value}, the first {ITEMS_SHOWN} shown"
        shown = zip(header.items(tag), inner[:ITEMS_SHOWN], strict=False)
        items = [_level(item, dataset) for item, dataset in shown]
    else:
        value = _value(entry)
    return Tag(
        tag=f"{tag:08X}",
        vr=entry["vr"],
        keyword=dictionary.keyword_of(tag) or "",
        name=dictionary.name_of_tag(tag, _creator(header, tag)),
        value=value,
        length_bytes=element.length if element is not None else 0,
        items=items,
    )


def _creator(header: Header, tag: int) -> str | None:
    """Find who reserved a private tag (PS3.5 7.8.1)."""
    if not dictionary.is_private(tag) or dictionary.is_private_creator(tag):
        return None
    return header.text(tag & 0xFFFF0000 | (tag & 0xFFFF) >> 8)


def _value(entry: dict[str, Any]) -> str | None:
    """Write a value as text; None when it is too long to be read by people."""
    if "BulkDataURI" in entry:
        return None
    if "InlineBinary" in entry:
        return base64.b64decode(entry["InlineBinary"]).hex(" ")
    text = "\\".join(_one(value) for value in entry.get("Value", []))
    return text if len(text) <= VALUE_MAX else text[:VALUE_MAX] + "…"


def _one(value: Any) -> str:
    if value is None:
        return ""
    if isinstance(value, dict):  # a person name
        groups = [value.get(group, "") for group in ("Alphabetic", "Ideographic", "Phonetic")]
        return "=".join(groups).rstrip("=")
    return str(value)
