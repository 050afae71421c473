"""Bytes that are not what was received: how they are found, told, and settled once they are good again.

A damaged or missing blob is a problem of its instance, with the study's name, until its bytes match their digest.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from dataclasses import dataclass
from typing import Final, Literal

import structlog
from sqlalchemy import Connection, func, select

from filmless.access import audit
from filmless.access.principal import Principal
from filmless.archive import Archive
from filmless.archive.blobs import Blobs, copy_blob
from filmless.archive.events import publish
from filmless.archive.problems import raise_problem, settle_problem
from filmless.archive.replica import want_in_replica
from filmless.archive.sentences import say
from filmless.archive.tables import problems
from filmless.archive.walks import Stored, find_stored
from filmless.errors import Damaged, NotFound, Unavailable

logger = structlog.get_logger()

Kind = Literal["damaged", "missing"]
KINDS: Final = ("damaged", "missing")

FINDINGS_MAX: Final = 1000
"""With so many findings no more are looked for: a disk is not mounted, rather than a million files lost one by one."""


@dataclass(frozen=True, slots=True)
class Finding:
    """An instance whose bytes are not what was received."""

    study_instance_uid: str
    sop_instance_uid: str
    blob: str
    kind: Kind


def examine(
    archive: Archive, principal: Principal, stored: Stored, on_read: Callable[[int], None] = lambda _length: None
) -> Finding | None:
    """Read the bytes of an instance and compare them with their digest: None when they are good, or were repaired.

    What is not good is replaced by the copy of the replica, if that is; and the other way about. Else the finding is
    raised as a problem; one that is good again is settled. `on_read` hears of each piece that was read, in bytes, and
    may wait or raise. Raises Unavailable.
    """
    kind = _state_of(archive.blobs, stored.blob, on_read)
    if kind is None:
        _examine_replica(archive, principal, stored, on_read)
    with archive.reading() as session:
        if kind is None and not _is_known(session, stored.sop_instance_uid):
            return None
        if not _is_current(session, stored):
            return None
    why_not = "" if kind is None else _repair(archive, stored)
    with archive.transaction() as session:
        if not _is_current(session, stored):
            return None
        if kind is None:
            settle(session, principal, stored)
            return None
        if not why_not:
            tell_repaired(session, principal, stored, source="replica")
            return None
        finding = Finding(stored.study_instance_uid, stored.sop_instance_uid, stored.blob, kind)
        tell(session, principal, finding, why_not)
    return finding


def _is_current(session: Connection, stored: Stored) -> bool:
    """Whether an instance was neither deleted nor replaced meanwhile."""
    current = find_stored(session, stored.sop_instance_uid)
    return current is not None and current.blob == stored.blob


def _repair(archive: Archive, stored: Stored) -> str:
    """Put the copy of the replica in the place of what is not good; gives why that cannot be, '' when it was done."""
    if archive.replica is None:
        return say("why_no_replica")
    try:
        copy_blob(archive.replica.ready(archive), archive.blobs, stored.blob)
    except (NotFound, Damaged):
        return say("why_no_good_copy")
    except Unavailable as error:
        return say("why_later", error=str(error))
    if _state_of(archive.blobs, stored.blob, lambda _length: None) is not None:
        return say("why_not_read_back")
    return ""


def _examine_replica(archive: Archive, principal: Principal, stored: Stored, on_read: Callable[[int], None]) -> None:
    """Bring a copy to the replica that it lacks, or that is damaged there. One that is away is told by `replicate`."""
    if archive.replica is None:
        return
    try:
        blobs = archive.replica.ready(archive)
        kind = _state_of(blobs, stored.blob, on_read)
        with archive.reading() as session:
            if kind is None or not _is_current(session, stored):
                return
        copy_blob(archive.blobs, blobs, stored.blob)
    except (Unavailable, NotFound, Damaged) as error:
        logger.warning("replica_not_examined", blob=stored.blob, reason=str(error))
        return
    with archive.transaction() as session:
        if not _is_current(session, stored):
            want_in_replica(session, stored.blob, is_wanted=False)
        elif kind == "damaged":
            finding = Finding(stored.study_instance_uid, stored.sop_instance_uid, stored.blob, kind)
            _record(session, principal, "replica_repaired", "success", stored.study_instance_uid, finding)
            _publish_repair(session, "replica_repaired", stored)
            logger.warning("replica_repaired", sop_instance_uid=stored.sop_instance_uid, blob=stored.blob)


def tell(session: Connection, principal: Principal, finding: Finding, why_not: str = "") -> None:
    """Raise the problem of an instance; the first time also in the audit trail and to the screens.

    `why_not` is a sentence that says why it was not repaired.
    """
    is_new = not _is_known(session, finding.sop_instance_uid, finding.kind)
    for other in KINDS:
        if other != finding.kind:
            settle_problem(session, other, finding.sop_instance_uid)
    named = {"instance": finding.sop_instance_uid, "blob": finding.blob, "why": why_not}
    code = f"bytes_{finding.kind}"
    study = finding.study_instance_uid
    what = say(code, study=study, **named) if study else say(f"{code}_no_study", **named)
    raise_problem(
        session,
        finding.kind,
        finding.sop_instance_uid,
        what,
        say(f"restore_{finding.kind}"),
    )
    if is_new:
        _record(session, principal, f"blob_{finding.kind}", "failed", finding.study_instance_uid, finding)
        logger.error("blob_not_intact", sop_instance_uid=finding.sop_instance_uid, blob=finding.blob, kind=finding.kind)


def tell_repaired(
    session: Connection, principal: Principal, stored: Stored, *, source: Literal["replica", "resend"]
) -> None:
    """Tell that bytes were written anew: in the audit trail, as an event, and as the end of the problem."""
    forget(session, stored.sop_instance_uid)
    finding = Finding(stored.study_instance_uid, stored.sop_instance_uid, stored.blob, "damaged")
    _record(session, principal, "blob_repaired", "success", stored.study_instance_uid, finding, source)
    _publish_repair(session, "blob_repaired", stored)
    logger.warning("blob_repaired", sop_instance_uid=stored.sop_instance_uid, blob=stored.blob, source=source)


def is_halted(session: Connection) -> bool:
    """Whether there are too many findings to look for more; that is a problem by itself, until it is over."""
    query = select(func.count()).select_from(problems).where(problems.c.kind.in_(KINDS))
    found = session.execute(query).scalar_one()
    if found < FINDINGS_MAX:
        settle_problem(session, "scrub", "halted")
        return False
    raise_problem(
        session,
        "scrub",
        "halted",
        say("scrub_halted", count=found),
        say("scrub_halted_do"),
    )
    return True


def settle(session: Connection, principal: Principal, stored: Stored) -> None:
    """Take the problem of an instance back: its bytes are what was received."""
    forget(session, stored.sop_instance_uid)
    finding = Finding(stored.study_instance_uid, stored.sop_instance_uid, stored.blob, "damaged")
    _record(session, principal, "blob_good_again", "success", stored.study_instance_uid, finding)


def forget(session: Connection, sop_instance_uid: str) -> None:
    """Take the problem of an instance back that is no longer kept."""
    for kind in KINDS:
        settle_problem(session, kind, sop_instance_uid)


def known_findings(session: Connection, seen_before: float, limit: int) -> list[str]:
    """The SOP Instance UIDs with a problem that was last seen before a time, the longest ago first."""
    query = select(problems.c.key).where(problems.c.kind.in_(KINDS), problems.c.last_at < seen_before)
    return list(session.scalars(query.order_by(problems.c.last_at).limit(limit)))


def _state_of(blobs: Blobs, blob: str, on_read: Callable[[int], None]) -> Kind | None:
    sha256 = hashlib.sha256()
    try:
        for piece in blobs.stream(blob):
            sha256.update(piece)
            on_read(len(piece))
    except NotFound:
        return "missing"
    return None if sha256.hexdigest() == blob else "damaged"


def _is_known(session: Connection, sop_instance_uid: str, *kinds: str) -> bool:
    query = select(problems.c.kind).where(problems.c.kind.in_(kinds or KINDS), problems.c.key == sop_instance_uid)
    return session.execute(query).first() is not None


def _publish_repair(session: Connection, name: str, stored: Stored) -> None:
    publish(session, name, stored.sop_instance_uid, stored.study_instance_uid or None)


def _record(
    session: Connection,
    principal: Principal,
    action: str,
    outcome: audit.Outcome,
    study_instance_uid: str,
    finding: Finding,
    source: str = "",
) -> None:
    audit.record(
        session,
        principal,
        action,
        outcome=outcome,
        study_instance_uid=study_instance_uid,
        object=finding.sop_instance_uid,
        detail={"blob": finding.blob, **({"source": source} if source else {})},
    )
