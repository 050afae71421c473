"""The marks of deleted instances: what stands between a blob and those who would give it a row again.

Who moves or removes a marked blob holds its mark meanwhile, and so does who takes it back: see ADR-0018.
"""

from __future__ import annotations

import contextlib

from sqlalchemy import Connection, delete, select

from filmless.archive import Archive
from filmless.archive.tables import deleted_instances
from filmless.errors import NotFound, Unavailable


def hold(session: Connection, blob: bytes) -> bool:
    """Hold the mark of a blob until the transaction ends; False when it has none."""
    query = select(deleted_instances.c.blob).where(deleted_instances.c.blob == blob).with_for_update()
    return session.execute(query).first() is not None


def is_deleted(session: Connection, blob: bytes) -> bool:
    """Whether a blob is that of a deleted instance."""
    return session.execute(select(deleted_instances.c.blob).where(deleted_instances.c.blob == blob)).first() is not None


def reclaim(archive: Archive, session: Connection, blob: bytes) -> None:
    """Make a deleted instance's blob a kept one again, in the transaction that gives it a row.

    It was received again, or is restored; its bytes are among the kept ones when this returns.

    Raises
    ------
    Unavailable: its bytes were purged while they were received; sent again, they are kept.
    """
    hold(session, blob)
    key = blob.hex()
    if archive.blobs.length(key) is None:
        with contextlib.suppress(NotFound):
            archive.trash.move_to(archive.blobs, key)
        if archive.blobs.length(key) is None:
            raise Unavailable("this instance was being purged from the trash while it came; send it again")
    archive.trash.delete(key)
    session.execute(delete(deleted_instances).where(deleted_instances.c.blob == blob))
