"""The audit rows of reading: one when somebody opens a study, on which all frames of the next minutes ride.

A scroll through 900 slices is one row. The row is on disk before the first byte leaves: no row, no answer.
"""

from __future__ import annotations

import threading
import time
import weakref
from collections import OrderedDict
from typing import Final

from filmless.access import audit, policy
from filmless.access.policy import Action
from filmless.access.principal import Principal
from filmless.archive import Archive

RIDE_S: Final = 600.0
_REMEMBERED: Final = 20_000

_Key = tuple[str, int | None, str, str | None, str, str, str]


class _Openings:
    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._until: OrderedDict[_Key, float] = OrderedDict()

    def is_open(self, key: _Key) -> bool:
        until = self._until.get(key)
        return until is not None and time.monotonic() < until

    def remember(self, key: _Key) -> None:
        with self._lock:
            self._until.pop(key, None)
            self._until[key] = time.monotonic() + RIDE_S
            while len(self._until) > _REMEMBERED:
                self._until.popitem(last=False)


_openings: weakref.WeakKeyDictionary[Archive, _Openings] = weakref.WeakKeyDictionary()


def open_study(archive: Archive, principal: Principal, study_instance_uid: str, action: Action = Action.VIEW) -> None:
    """Let a principal read from a study, leaving a row in the audit trail unless one of the last minutes tells it.

    Who may retrieve may view. The study must be known to exist, or a stranger could fill the trail.

    Raises
    ------
    NotAllowed
    """
    require(principal, action, study_instance_uid)
    openings, key = _openings_of(archive), _key(principal, study_instance_uid, action)
    if openings.is_open(key):
        return
    with archive.transaction() as session:
        audit.record(session, principal, action.value, study_instance_uid=study_instance_uid)
    openings.remember(key)


def is_open(archive: Archive, principal: Principal, study_instance_uid: str, action: Action = Action.VIEW) -> bool:
    """Say whether `open_study` would let this pass without waiting for a new row.

    Raises
    ------
    NotAllowed
    """
    require(principal, action, study_instance_uid)
    return _openings_of(archive).is_open(_key(principal, study_instance_uid, action))


def _openings_of(archive: Archive) -> _Openings:
    openings = _openings.get(archive)
    return _openings.setdefault(archive, _Openings()) if openings is None else openings


def _key(principal: Principal, study_instance_uid: str, action: Action) -> _Key:
    return (
        principal.kind,
        principal.id,
        principal.name,
        principal.address,
        principal.door,
        action.value,
        study_instance_uid,
    )


def require(principal: Principal, action: Action, study_instance_uid: str) -> None:
    """Let pass what the policy allows; the right to retrieve includes the right to view.

    Raises
    ------
    NotAllowed
    """
    if action is Action.VIEW and Action.RETRIEVE.value in principal.rights:
        return
    policy.require(principal, action, study_instance_uid)
