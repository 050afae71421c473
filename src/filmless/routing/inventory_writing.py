"""Writes Inventory instances (PS3.3 A.88, C.38.1), study by study: the longest costs the memory of one study.

An inventory that fits is one instance. Of a longer one each instance has a part of the studies, and a root without
studies of its own incorporates them.
"""

from __future__ import annotations

import itertools
import json
import struct
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final

from sqlalchemy import Connection, select

from filmless.access.principal import SYSTEM
from filmless.archive import Archive
from filmless.archive.tables import instances, series, uids
from filmless.dicom.charsets import UTF_8
from filmless.dicom.encode import encode
from filmless.dicom.rewriting import element_head
from filmless.dicom.syntaxes import EXPLICIT_LE
from filmless.dicom.uids import IMPLEMENTATION_VERSION_NAME, INVENTORY, new_uid
from filmless.routing.commitment import JsonDataset
from filmless.store import receive

_INVENTORIED_STUDIES: Final = 0x00080423
_UNDEFINED: Final = 0xFFFFFFFF
_SEQUENCE_END: Final = struct.pack("<HHL", 0xFFFE, 0xE0DD, 0)

Records = Iterator[tuple[int, JsonDataset, int]]


@dataclass(frozen=True, slots=True)
class Wish:
    """What is asked for, and the instances that are written already: UID and study records."""

    transaction_uid: str
    level: str
    purpose: str
    scope: list[JsonDataset]
    began_at: float
    parts: tuple[tuple[str, int], ...]


@dataclass(frozen=True, slots=True)
class Part:
    """An instance that is durable. `position` is the key of the last study in it; after the last none is left."""

    sop_instance_uid: str
    records: int
    position: int
    is_last: bool


def write_part(archive: Archive, wish: Wish, records: Records, check: Callable[[], None] = lambda: None) -> Part | None:
    """Write one instance: studies until it is full or none is left. None when none was left and others are there.

    Raises
    ------
    Unavailable: disk or database is away; nothing is kept then.
    """
    first = next(records, None)
    if first is None and wish.parts:
        return None
    settings, uid = archive.settings, new_uid()
    count = position = below = 0
    is_last = True
    with _Writing(archive, uid) as writing:
        writing.write(encode(_beginning(wish, uid, settings.ae_title), EXPLICIT_LE))
        writing.write(element_head(_INVENTORIED_STUDIES, "SQ", _UNDEFINED, is_implicit=False))
        for key, record, size in itertools.chain([] if first is None else [first], records):
            content = encode(record, EXPLICIT_LE)
            writing.write(struct.pack("<HHL", 0xFFFE, 0xE000, len(content)) + content)
            count, position, below = count + 1, key, below + size
            check()
            if count >= settings.inventory_studies_max or below >= settings.inventory_records_max:
                is_last = False
                break
        writing.write(_SEQUENCE_END)
        is_whole = is_last and not wish.parts
        total = count + sum(number for _, number in wish.parts)
        writing.write(encode(_end(wish, count, total, "COMPLETE" if is_whole else "PARTIAL"), EXPLICIT_LE))
    return Part(uid, count, position, is_last)


def write_root(archive: Archive, wish: Wish, status: str) -> str:
    """Write the instance that incorporates those that are written, and give its UID.

    Raises
    ------
    Unavailable
    """
    uid = new_uid()
    access = _access(archive.settings.ae_title)
    parts = [
        {"00080420": access, "00081150": _element("UI", INVENTORY), "00081155": _element("UI", part)}
        for part, _ in wish.parts
    ]
    dataset = _beginning(wish, uid, archive.settings.ae_title)
    dataset |= {"00080422": _element("SQ", *parts), "00080423": {"vr": "SQ"}}
    dataset |= _end(wish, 0, sum(number for _, number in wish.parts), status)
    with _Writing(archive, uid) as writing:
        writing.write(encode(dataset, EXPLICIT_LE))
    return uid


class _Writing:
    """One instance on its way into the archive: durable at the end of the block, nothing after an exception."""

    def __init__(self, archive: Archive, uid: str) -> None:
        self._reception = receive.begin(
            archive,
            SYSTEM("worker"),
            sop_class_uid=INVENTORY,
            sop_instance_uid=uid,
            transfer_syntax_uid=EXPLICIT_LE,
        )
        self.write = self._reception.write

    def __enter__(self) -> _Writing:
        return self

    def __exit__(self, kind: type[BaseException] | None, *_: object) -> None:
        if kind is None:
            self._reception.finish()
        else:
            self._reception.abort()


def _beginning(wish: Wish, uid: str, ae_title: str) -> JsonDataset:
    """The attributes that stand before the references and studies."""
    began = datetime.fromtimestamp(wish.began_at).astimezone()
    return {
        "00080005": _element("CS", UTF_8),
        "00080016": _element("UI", INVENTORY),
        "00080018": _element("UI", uid),
        "00080023": _element("DA", f"{began:%Y%m%d}"),
        "00080033": _element("TM", f"{began:%H%M%S.%f}"),
        "00080070": _element("LO", "Filmless"),
        "00080201": _element("SH", f"{began:%z}"),
        "00080400": {"vr": "SQ", "Value": wish.scope},
        "00080401": {"vr": "LT", "Value": [wish.purpose] if wish.purpose else []},
        "00080403": _element("CS", wish.level),
        "00080420": _access(ae_title),
        "00080421": _access(ae_title),
        "00080422": {"vr": "SQ"},  # type 2, as 00080423: empty where there is none
    }


def _end(wish: Wish, count: int, total: int, status: str) -> JsonDataset:
    """The attributes that stand after the studies."""
    return {
        "00080426": _element("CS", status),
        "00080427": _element("UL", count),
        "00080428": _element("UV", total),
        "00081090": _element("LO", IMPLEMENTATION_VERSION_NAME),
        "00081195": _element("UI", wish.transaction_uid),
    }


def _access(ae_title: str) -> JsonDataset:
    return _element("SQ", {"00080054": _element("AE", ae_title)})


def study_record(archive: Archive, study_key: int, dataset: JsonDataset, level: str) -> tuple[JsonDataset, int]:
    """Write the record of a study, with its series and instances as the level asks; and count the records in it."""
    now = datetime.now().astimezone()
    record = dataset | {"00080404": _element("DT", f"{now:%Y%m%d%H%M%S.%f%z}")}
    if level == "STUDY":
        return record, 1
    found: list[JsonDataset] = []
    count = 1
    with archive.reading() as session:
        query = select(series.c.id, series.c.attributes, series.c.number_of_series_related_instances)
        for row in session.execute(query.where(series.c.study_key == study_key).order_by(series.c.id)).all():
            item: JsonDataset = json.loads(row.attributes)
            item["00201209"] = _element("IS", row.number_of_series_related_instances)
            if level == "INSTANCE":
                items = list(_instances(session, int(row.id)))
                item["00080425"] = _element("SQ", *items)
                count += len(items)
            found.append(item)
    record["00080424"] = _element("SQ", *found)
    return record, count + len(found)


def _instances(session: Connection, series_key: int) -> Iterator[JsonDataset]:
    classes, syntaxes = uids.alias("classes"), uids.alias("syntaxes")
    query = (
        select(
            instances.c.sop_instance_uid,
            classes.c.uid,
            syntaxes.c.uid,
            instances.c.instance_number,
            instances.c.number_of_frames,
        )
        .join(classes, classes.c.id == instances.c.sop_class_key)
        .join(syntaxes, syntaxes.c.id == instances.c.transfer_syntax_key)
        .where(instances.c.series_key == series_key)
        .order_by(instances.c.id)
    )
    for uid, sop_class, syntax, number, frames in session.execute(query):
        item: JsonDataset = {
            "00080016": _element("UI", sop_class),
            "00080018": _element("UI", uid),
            "0008040E": _element("UI", syntax),
            "00200013": _element("IS", number) if number is not None else {"vr": "IS"},
        }
        if frames > 1:
            item["00280008"] = _element("IS", frames)
        yield item


def _element(vr: str, *values: Any) -> JsonDataset:
    return {"vr": vr, "Value": list(values)}
