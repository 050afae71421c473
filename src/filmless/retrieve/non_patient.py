"""Gives back instances that belong to no patient, by their UIDs."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Sequence
from functools import partial
from typing import Final

from sqlalchemy import Row, select

from filmless.access import audit, policy
from filmless.access.policy import Action
from filmless.access.principal import Principal
from filmless.archive import Archive
from filmless.archive.limits import scan_limits
from filmless.archive.tables import non_patient_instances as table
from filmless.dicom.json import JsonDataset, to_json
from filmless.dicom.part10 import preamble_and_meta
from filmless.dicom.rewriting import rewrite
from filmless.dicom.scanner import scan
from filmless.dicom.syntaxes import EXPLICIT_LE, IMPLICIT_LE
from filmless.errors import NotAcceptable, NotFound
from filmless.retrieve.derived import Derived
from filmless.retrieve.instances import StoredInstance

_UIDS_AT_ONCE: Final = 500


def find_non_patient(archive: Archive, classes: Collection[str], sop_uids: Sequence[str]) -> list[Derived]:
    """List the instances of these SOP classes that have one of these UIDs. Whoever calls has asked the policy."""
    found: list[Derived] = []
    for start in range(0, len(sop_uids), _UIDS_AT_ONCE):
        some = sop_uids[start : start + _UIDS_AT_ONCE]
        query = select(table).where(table.c.sop_instance_uid.in_(some), table.c.sop_class_uid.in_(sorted(classes)))
        with archive.reading() as session:
            found += [_sendable(archive, row) for row in session.execute(query.order_by(table.c.id))]
    return found


def get_non_patient(archive: Archive, principal: Principal, classes: Collection[str], sop_instance_uid: str) -> Derived:
    """Give one instance to a caller who may have it; its audit row is left.

    Raises
    ------
    NotAllowed, NotFound
    """
    policy.require(principal, Action.RETRIEVE)
    found = find_non_patient(archive, classes, [sop_instance_uid])
    if not found:
        raise NotFound("there is no instance of this UID under this address")
    with archive.transaction() as session:
        audit.record(session, principal, Action.RETRIEVE.value, object=sop_instance_uid)
    return found[0]


def part10(archive: Archive, found: Derived, transfer_syntax_uid: str) -> Iterator[bytes]:
    """Give an instance as a Part 10 file; as it is kept where that is its transfer syntax."""
    if transfer_syntax_uid == found.transfer_syntax_uid:
        yield from archive.blobs.stream(found.source.blob)
        return
    yield preamble_and_meta(found.sop_class_uid, found.sop_instance_uid, transfer_syntax_uid)
    yield from found.write(transfer_syntax_uid)


def model_of(archive: Archive, found: Derived) -> JsonDataset:
    """Give all that an instance says as DICOM JSON, its bulk data inline.

    Raises
    ------
    NotAcceptable: it is too long to be given so.
    """
    most = archive.settings.non_patient_model_max_bytes
    if found.source.length_bytes > most:
        raise NotAcceptable(
            f"the instance has {found.source.length_bytes} bytes; longer ones than {most} (non_patient_model_max_bytes)"
            " are given as application/dicom only"
        )
    with archive.blobs.reader(found.source.blob) as reader:
        header = scan(reader.map(), limits=scan_limits(archive.settings))
        return to_json(header, bulk_uri=None, inline_max=None, skip_pixel_data=False)


def _sendable(archive: Archive, row: Row[tuple[object, ...]]) -> Derived:
    """Say how an instance is sent: its bytes as they are kept, or in another native transfer syntax."""
    instance = StoredInstance(
        id=row.id,
        study_instance_uid="",
        series_instance_uid="",
        sop_instance_uid=row.sop_instance_uid,
        sop_class_uid=row.sop_class_uid,
        transfer_syntax_uid=row.transfer_syntax_uid,
        blob=bytes(row.blob).hex(),
        length_bytes=row.length_bytes,
        dataset_offset=row.dataset_offset,
        pixel_offset=None,
        pixel_length=None,
        number_of_frames=0,
        rows=None,
        columns=None,
        flags=0,
    )
    return Derived(
        source=instance,
        sop_instance_uid=instance.sop_instance_uid,
        syntaxes=tuple(dict.fromkeys((instance.transfer_syntax_uid, EXPLICIT_LE, IMPLICIT_LE))),
        length_bytes=instance.length_bytes - instance.dataset_offset,
        write=partial(_written, archive, instance),
    )


def _written(archive: Archive, instance: StoredInstance, transfer_syntax_uid: str) -> Iterator[bytes]:
    if transfer_syntax_uid == instance.transfer_syntax_uid:
        length = instance.length_bytes - instance.dataset_offset
        yield from archive.blobs.stream(instance.blob, instance.dataset_offset, length)
        return
    with archive.blobs.reader(instance.blob) as reader:
        header = scan(reader.map(), limits=scan_limits(archive.settings))
        is_implicit = transfer_syntax_uid == IMPLICIT_LE
        yield from rewrite(header, is_implicit=is_implicit, replacements={}, pixel_data=None)
