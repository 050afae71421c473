"""The rows of instances that belong to no patient: hanging protocols, palettes, templates, inventories (PS3.4 GG).

Their bytes are blobs as all others are; their row holds all that they say but for bulk data, for there are few of them
and any attribute may be searched.
"""

from __future__ import annotations

import time
from collections.abc import Sequence
from typing import Any, Final

from sqlalchemy import Connection, Row, delete, func, literal, select

from filmless.access import audit
from filmless.access.principal import SYSTEM
from filmless.archive import Archive
from filmless.archive.database import insert_for
from filmless.archive.metadata import dumps
from filmless.archive.tables import non_patient_instances as table
from filmless.dicom.json import to_json
from filmless.dicom.uids import NON_PATIENT_CLASSES
from filmless.errors import Unavailable
from filmless.store.facts import Facts
from filmless.store.record import AlreadyKept

_INLINE_MAX: Final = 1024
_INVENTORIED_STUDIES: Final = "00080423"  # the whole archive, which nobody searches an inventory by
_ATTRIBUTES_MAX_BYTES: Final = 4 << 20


def is_non_patient(facts: Facts) -> bool:
    """Whether an instance belongs to no patient."""
    return facts.sop_class_uid in NON_PATIENT_CLASSES


def record(
    session: Connection, facts: Facts, key: str, length_bytes: int, *, most: int | None, at: float | None = None
) -> int:
    """Write the row of a durable blob into the caller's transaction, and give its key.

    Raises
    ------
    AlreadyKept: there is an instance of this SOP Instance UID. Unavailable: there are `most` already.
    """
    if most is not None:
        count = session.execute(select(func.count()).select_from(table)).scalar_one()
        if count >= most:
            raise Unavailable(f"{count} instances without a patient are kept already (non_patient_instances_max)")
    dataset = to_json(facts.header, bulk_uri=None, inline_max=_INLINE_MAX)
    dataset.pop(_INVENTORIED_STUDIES, None)
    attributes = dumps(dataset)
    if len(attributes) > _ATTRIBUTES_MAX_BYTES:
        attributes = dumps({tag: each for tag, each in dataset.items() if each.get("vr") != "SQ"})
    values: dict[str, Any] = {
        "sop_instance_uid": facts.sop_instance_uid,
        "sop_class_uid": facts.sop_class_uid,
        "transfer_syntax_uid": facts.transfer_syntax_uid,
        "blob": bytes.fromhex(key),
        "length_bytes": length_bytes,
        "dataset_offset": facts.dataset_offset,
        "attributes": attributes.decode(),
        "created_at": time.time() if at is None else at,
    }
    statement = insert_for(session)(table).values(values)
    found = session.execute(
        statement.on_conflict_do_nothing(index_elements=[table.c.sop_instance_uid]).returning(table.c.id)
    ).first()
    if found is None:
        raise AlreadyKept
    return int(found.id)


def find_row(session: Connection, sop_instance_uid: str) -> Row[Any] | None:
    """What is kept under a SOP Instance UID: blob, length, offset of the data set, its syntax, and "" for a study."""
    query = select(table.c.blob, table.c.length_bytes, table.c.dataset_offset, table.c.transfer_syntax_uid, literal(""))
    found: Row[Any] | None = session.execute(query.where(table.c.sop_instance_uid == sop_instance_uid)).first()
    return found


def uids_holding(session: Connection, sop_class_uid: str, text: str) -> list[str]:
    """The instances of a class that hold a text, such as a UID, in one of their attributes."""
    query = select(table.c.sop_instance_uid).where(
        table.c.sop_class_uid == sop_class_uid, table.c.attributes.contains(text, autoescape=True)
    )
    return list(session.scalars(query))


def remove(archive: Archive, sop_uids: Sequence[str]) -> None:
    """Remove instances that we made ourselves: their rows, then their bytes."""
    for uid in sop_uids:
        with archive.transaction() as session:
            row = session.execute(delete(table).where(table.c.sop_instance_uid == uid).returning(table.c.blob)).first()
            if row is not None:
                audit.record(session, SYSTEM("worker"), "remove", object=uid)
        if row is not None:
            archive.blobs.delete(bytes(row.blob).hex())
