"""What is kept of an instance that comes again: whether it is the same, and that damage is repaired by it."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from itertools import zip_longest

from sqlalchemy import select

from filmless.access.principal import Principal
from filmless.archive import Archive
from filmless.archive.tables import instances, series, studies, uids
from filmless.archive.walks import find_stored
from filmless.errors import Damaged, NotFound
from filmless.store import non_patient
from filmless.store.damage import tell_repaired
from filmless.store.facts import Facts


@dataclass(frozen=True, slots=True)
class Kept:
    """An instance that has its rows."""

    blob: str
    length_bytes: int
    dataset_offset: int
    transfer_syntax_uid: str
    study_instance_uid: str


def find_kept(archive: Archive, sop_instance_uid: str) -> Kept | None:
    """What is kept under a SOP Instance UID."""
    query = (
        select(
            instances.c.blob,
            instances.c.length_bytes,
            instances.c.dataset_offset,
            uids.c.uid,
            studies.c.study_instance_uid,
        )
        .join(uids, uids.c.id == instances.c.transfer_syntax_key)
        .join(series, series.c.id == instances.c.series_key)
        .join(studies, studies.c.id == series.c.study_key)
        .where(instances.c.sop_instance_uid == sop_instance_uid)
    )
    with archive.reading() as session:
        row = session.execute(query).first() or non_patient.find_row(session, sop_instance_uid)
    return None if row is None else Kept(bytes(row[0]).hex(), *row[1:])


def is_same_dataset(
    archive: Archive, principal: Principal, kept: Kept, facts: Facts, key: str, length_bytes: int
) -> bool:
    """Whether two files differ in group 0002 at most, as files of two versions of Filmless may.

    The key of a blob is the digest of all that it was. So what is kept need not be whole to be recognised: its own
    group 0002 with the data set that came now has that digest if the data set is the same. When the bytes that are kept
    have been damaged since, they are written anew.

    Raises
    ------
    Damaged: nothing is left of what was kept. Unavailable.
    """
    if kept.transfer_syntax_uid != facts.transfer_syntax_uid:
        return False
    if kept.length_bytes - kept.dataset_offset != length_bytes - facts.dataset_offset:
        return False
    blobs = archive.blobs
    try:
        head = blobs.read(kept.blob, 0, kept.dataset_offset)
    except NotFound as error:
        raise Damaged(f"the bytes of instance {facts.sop_instance_uid} are gone: blob {kept.blob}") from error
    sha256 = hashlib.sha256(head)
    for piece in blobs.stream(key, facts.dataset_offset):
        sha256.update(piece)
    if sha256.hexdigest() == kept.blob:
        if blobs.digest(kept.blob) != kept.blob:
            _repair(archive, principal, kept, head, key, facts)
        return True
    # Group 0002 itself is damaged, or this is another data set.
    ours, theirs = blobs.stream(kept.blob, kept.dataset_offset), blobs.stream(key, facts.dataset_offset)
    return all(one == other for one, other in zip_longest(ours, theirs))


def _repair(archive: Archive, principal: Principal, kept: Kept, head: bytes, key: str, facts: Facts) -> None:
    """Write a damaged blob anew under its key, and tell of it."""
    with archive.blobs.create() as writer:
        writer.write(head)
        for piece in archive.blobs.stream(key, facts.dataset_offset):
            writer.write(piece)
        writer.finish()
    with archive.transaction() as session:
        stored = find_stored(session, facts.sop_instance_uid)
        if stored is not None and stored.blob == kept.blob:
            tell_repaired(session, principal, stored, source="resend")
