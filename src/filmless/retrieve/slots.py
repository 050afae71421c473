"""How many associations are open to a peer for sending: a limit over all jobs, C-MOVEs, processes and machines.

Each has a slot, a row that its transfer renews. What was killed renews nothing, and its slots are taken by others.
"""

from __future__ import annotations

import secrets
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Final

import structlog
from sqlalchemy import ColumnElement, delete, select, update

from filmless.access.peers import Peer
from filmless.archive import Archive
from filmless.archive.database import insert_for
from filmless.archive.tables import send_slots as table
from filmless.errors import Unavailable

log = structlog.get_logger()

RENEW_S: Final = 10.0
LEASE_S: Final = 90.0
"""A slot that was not renewed for so long is nobody's: longer than a peer may keep a transfer waiting."""

_LOOK_S: Final = 0.25


@dataclass(slots=True)
class Slot:
    """The right to one association with a peer."""

    archive: Archive
    peer_key: int
    slot: int
    owner: str
    renewed_at: float

    def renew(self) -> None:
        """Keep it, if it is time to say so."""
        now = time.time()
        if abs(now - self.renewed_at) < RENEW_S:
            return
        try:
            with self.archive.transaction() as session:
                session.execute(update(table).where(*self._row()).values(renewed_at=now))
            self.renewed_at = now
        except Unavailable as error:
            log.warning("send_slot_not_renewed", reason=str(error))

    def free(self) -> None:
        """Let others have it."""
        try:
            with self.archive.transaction() as session:
                session.execute(delete(table).where(*self._row()))
        except Unavailable as error:
            log.warning("send_slot_left", reason=str(error))  # until its lease is over

    def _row(self) -> tuple[ColumnElement[bool], ...]:
        return table.c.peer_key == self.peer_key, table.c.slot == self.slot, table.c.owner == self.owner


def take_slot(archive: Archive, peer: Peer, *, leaves: int = 0) -> Slot | None:
    """Take a slot; None when there are not more than `leaves` free.

    Raises
    ------
    Unavailable: the database is away.
    """
    most, now = archive.settings.send_associations_per_peer_max, time.time()
    with archive.transaction() as session:
        lasting = select(table.c.slot).where(table.c.peer_key == peer.id, table.c.renewed_at > now - LEASE_S)
        taken = set(session.scalars(lasting))
        free = [slot for slot in range(most) if slot not in taken]
        if len(taken) + leaves >= most:
            return None
        for slot in free:
            owner = secrets.token_hex(16)
            values = {"peer_key": peer.id, "slot": slot, "owner": owner, "renewed_at": now}
            statement = insert_for(session)(table).values(values)
            statement = statement.on_conflict_do_update(
                index_elements=["peer_key", "slot"],
                set_={"owner": owner, "renewed_at": now},
                where=table.c.renewed_at <= now - LEASE_S,
            )
            if session.execute(statement.returning(table.c.owner)).first() is not None:
                return Slot(archive, peer.id, slot, owner, now)
    return None


def wait_for_slot(archive: Archive, peer: Peer, is_stopping: Callable[[], bool]) -> Slot | None:
    """Take a slot as soon as there is one; None when stopping.

    Raises
    ------
    Unavailable: there was none for `send_wait_s`, or the database is away.
    """
    deadline = time.monotonic() + archive.settings.send_wait_s
    while not is_stopping():
        slot = take_slot(archive, peer)
        if slot is not None:
            return slot
        if time.monotonic() >= deadline:
            most = archive.settings.send_associations_per_peer_max
            raise Unavailable(
                f"all {most} associations that {peer.ae_title} may have from us are in use"
                " (send_associations_per_peer_max)"
            )
        time.sleep(_LOOK_S)
    return None
