"""Events: a name and a key, written in the transaction that caused them: who hears one refetches.

`feed` reads them, in the order in which they became final.
"""

from __future__ import annotations

import threading
import time
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

import structlog
from sqlalchemy import Connection, bindparam

from filmless.archive.database import Prepared
from filmless.archive.tables import events
from filmless.errors import Unavailable

if TYPE_CHECKING:
    from filmless.archive.archive import Archive

logger = structlog.get_logger()

_COALESCED_MAX = 4096

NAMES: Final[dict[str, str]] = {
    "instance_stored": "An instance was stored; the key is its SOP Instance UID.",
    "series_stored": "The first instance of a series was stored; the key is the Series Instance UID.",
    "series_completed": "Nothing more came for a series (series_quiet_s); again when more comes later.",
    "study_stored": "The first instance of a study was stored; the key is the Study Instance UID.",
    "study": "Something of a study changed; at most once a second for each study.",
    "study_completed": "Nothing more came for any series of a study; again when more comes later.",
    "study_deleted": "A study was deleted; the key is the Study Instance UID. Restored, it is stored anew.",
    "series_deleted": "A series was deleted; the key is the Series Instance UID.",
    "instance_deleted": "An instance was deleted; the key is its SOP Instance UID.",
    "conflict": "Other content came under a known SOP Instance UID, which is the key.",
    "conflict_resolved": "A conflict was settled; the key is the SOP Instance UID.",
    "peer": "A peer was added, changed or removed; the key is its AE title.",
    "peer_unknown": "A stranger called (told once in 5 s) or was struck from the list; the key is its AE title.",
    "job": "The state or progress of a job changed; the key is its number, or the queue that was paused or resumed.",
    "job_parked": "A job was given up and waits for a person; the key is its number.",
    "webhook": "A webhook was changed, or its deliveries began to fail or to work; the key is its number.",
    "problem": "A problem was raised or settled; the key is its kind.",
    "blob_repaired": "Damaged or missing bytes were written anew from a good copy; the key is the SOP Instance UID.",
    "replica_repaired": "A damaged copy in the replica was written anew; the key is the SOP Instance UID.",
    "workitem": "A unified procedure step changed; the key is its SOP Instance UID.",
}
"""What is told, and what the key of each is. An event about no study is for administrators."""


@dataclass(frozen=True, slots=True)
class Event:
    """Something happened to what `key` names."""

    id: int
    at: float
    name: str
    key: str
    study_instance_uid: str | None
    transaction_id: int = 0


_INSERT = Prepared(
    lambda insert: (
        insert(events)
        .values(
            at=bindparam("at"),
            name=bindparam("name"),
            key=bindparam("key"),
            study_instance_uid=bindparam("study_instance_uid"),
        )
        .returning(events.c.id)
    )
)


def publish(session: Connection, name: str, key: str, study_instance_uid: str | None = None) -> int:
    """Record an event; it is seen when the caller's transaction commits. Returns its id."""
    values = {"at": time.time(), "name": name, "key": key, "study_instance_uid": study_instance_uid}
    return int(_INSERT.run(session, values).fetchone()[0])


class Coalescer:
    """Publishes an event that repeats at most once in a while for each key: the first at once, in the transaction that
    caused it, and one for all that followed when the while is over. One per process and event name.

    What a process that is killed owed is made good by the job that packs the series.
    """

    def __init__(self, name: str, *, within_s: float = 1.0) -> None:
        self._name = name
        self._within_s = within_s
        self._published_at: dict[str, float] = {}
        self._owed: dict[str, str | None] = {}
        self._mutex = threading.Lock()
        self._timer: threading.Timer | None = None

    def publish(self, archive: Archive, session: Connection, key: str, study_instance_uid: str | None = None) -> None:
        """Record the event in the caller's transaction, or owe it."""
        now = time.monotonic()
        if now - self._published_at.get(key, -self._within_s) >= self._within_s:
            if len(self._published_at) >= _COALESCED_MAX:
                self._published_at.clear()
            self._published_at[key] = now
            publish(session, self._name, key, study_instance_uid)
        elif key not in self._owed:
            with self._mutex:
                self._owed[key] = study_instance_uid
                if self._timer is None:
                    self._timer = threading.Timer(self._within_s, self._pay, (archive,))
                    self._timer.daemon = True
                    self._timer.start()

    def _pay(self, archive: Archive) -> None:
        with self._mutex:
            owed, self._owed, self._timer = self._owed, {}, None
        try:
            # Comes after the transactions that caused it: the writer gives turns in order.
            with archive.transaction() as session:
                for key, study_instance_uid in owed.items():
                    publish(session, self._name, key, study_instance_uid)
                    self._published_at[key] = time.monotonic()
        except Unavailable as error:
            logger.info("events_not_published", name=self._name, reason=str(error))
