"""Storage commitment that peers ask us for (PS3.4 annex J): recorded, verified byte by byte, reported until heard.

A request is a row before it is answered. The job `commitment_verify` reads every blob it names; then the association
it came over reports, if that is still open and idle, else the job `commitment_report` on an association of its own,
for days if need be. Whoever reports claims the row first, so that a peer hears it once.
"""

from __future__ import annotations

import json
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any, Final

import structlog
from sqlalchemy import Connection, RowMapping, delete, insert, or_, select, update

from filmless.access import audit, peers
from filmless.access.peers import Peer
from filmless.access.principal import SYSTEM, Principal
from filmless.archive import Archive, jobs
from filmless.archive.jobs import JobContext
from filmless.archive.tables import instances, uids
from filmless.dimse import commands
from filmless.dimse.normalized import Asking, asking
from filmless.dimse.pdus import RoleSelection
from filmless.errors import NotAcceptable, NotFound, Refused, Unavailable
from filmless.retrieve.calling import IDENTIFIER_SYNTAXES, open_association
from filmless.routing.tables import commitments

log = structlog.get_logger()

PUSH_MODEL: Final = "1.2.840.10008.1.20.1"
PUSH_MODEL_INSTANCE: Final = "1.2.840.10008.1.20.1.1"
REQUEST: Final = 1  # action type
ALL_COMMITTED: Final = 1  # event types
SOME_FAILED: Final = 2

# Failure Reason (PS3.3 C.14.1.1)
PROCESSING_FAILURE: Final = 0x0110
NO_SUCH_INSTANCE: Final = 0x0112
CLASS_CONFLICT: Final = 0x0119
DUPLICATE_TRANSACTION_UID: Final = 0x0131

TRANSACTION_UID: Final = "00081195"
REFERENCED_SOP_SEQUENCE: Final = "00081199"
FAILED_SOP_SEQUENCE: Final = "00081198"
REFERENCED_SOP_CLASS_UID: Final = "00081150"
REFERENCED_SOP_INSTANCE_UID: Final = "00081155"
FAILURE_REASON: Final = "00081197"
RETRIEVE_AE_TITLE: Final = "00080054"

_CLAIM_S: Final = 120.0  # a claim of a process that was killed is void after so long
_UIDS_AT_ONCE: Final = 500

Reference = tuple[str, str]  # SOP Class UID, SOP Instance UID
JsonDataset = dict[str, Any]


@dataclass(frozen=True, slots=True)
class Commitment:
    """One request of a peer, as far as it has come."""

    id: int
    transaction_uid: str
    peer_key: int
    ae_title: str
    state: str
    asked: list[Reference]
    failed: dict[str, int]
    association: str | None
    asked_at: float


# ------------------------------------------------------------------------------------------------- data sets


def text_of(dataset: JsonDataset, tag: str) -> str:
    """The one value of an attribute as text, empty when there is none."""
    values = dataset.get(tag, {}).get("Value") or [""]
    return str(values[0] or "").strip(" \0")


def references_of(dataset: JsonDataset, sequence: str) -> list[Reference]:
    """Read a sequence of referenced SOP instances (PS3.3 table 10-11).

    Raises
    ------
    Refused: an item lacks one of its UIDs.
    """
    found = []
    for number, item in enumerate(dataset.get(sequence, {}).get("Value") or [], start=1):
        reference = text_of(item or {}, REFERENCED_SOP_CLASS_UID), text_of(item or {}, REFERENCED_SOP_INSTANCE_UID)
        if not all(reference):
            raise Refused(f"item {number} of ({sequence[:4]},{sequence[4:]}) lacks a SOP Class or Instance UID")
        found.append(reference)
    return found


def reference_item(reference: Reference, reason: int | None = None) -> JsonDataset:
    """Write an item of such a sequence, with the reason if it is one of failures."""
    item: JsonDataset = {
        REFERENCED_SOP_CLASS_UID: {"vr": "UI", "Value": [reference[0]]},
        REFERENCED_SOP_INSTANCE_UID: {"vr": "UI", "Value": [reference[1]]},
    }
    if reason is not None:
        item[FAILURE_REASON] = {"vr": "US", "Value": [reason]}
    return item


def event_of(commitment: Commitment, ae_title: str) -> tuple[int, JsonDataset]:
    """Event type and information of the report (PS3.4 table J.3-2): a sequence that would be empty is left out."""
    kept = [each for each in commitment.asked if each[1] not in commitment.failed]
    lost = [each for each in commitment.asked if each[1] in commitment.failed]
    information: JsonDataset = {
        TRANSACTION_UID: {"vr": "UI", "Value": [commitment.transaction_uid]},
        RETRIEVE_AE_TITLE: {"vr": "AE", "Value": [ae_title]},
    }
    if kept:
        items = [reference_item(each) for each in kept]
        information[REFERENCED_SOP_SEQUENCE] = {"vr": "SQ", "Value": items}
    if lost:
        items = [reference_item(each, commitment.failed[each[1]]) for each in lost]
        information[FAILED_SOP_SEQUENCE] = {"vr": "SQ", "Value": items}
    return (SOME_FAILED if lost else ALL_COMMITTED), information


# ------------------------------------------------------------------------------------------------- the request


def record_request(
    archive: Archive, peer: Peer, principal: Principal, information: JsonDataset, association: str
) -> int:
    """Record a request and the job that verifies it; returns its number.

    The same request again is taken as the repetition it is. Another one under a Transaction UID that is in use is
    reported as failed with 0x0131.

    Raises
    ------
    Refused: the Transaction UID or all references are missing.
    """
    transaction_uid = text_of(information, TRANSACTION_UID)
    asked = references_of(information, REFERENCED_SOP_SEQUENCE)
    if not transaction_uid:
        raise Refused("Transaction UID (0008,1195) is missing")
    if not asked:
        raise Refused("Referenced SOP Sequence (0008,1199) is missing or empty")
    now = time.time()
    with archive.transaction() as session:
        known = _find_in_use(session, peer, transaction_uid)
        values = {"association": association, "changed_at": now, "state": "asked", "failed": "{}"}
        if known is not None and known["asked"] == json.dumps(asked):
            key = int(known["id"])
            session.execute(update(commitments).where(commitments.c.id == key).values(values))
        else:
            values |= {
                "transaction_uid": transaction_uid,
                "peer_key": peer.id,
                "ae_title": peer.ae_title,
                "asked": json.dumps(asked),
                "asked_at": now,
            }
            if known is not None:
                values["failed"] = json.dumps({uid: DUPLICATE_TRANSACTION_UID for _, uid in asked})
            row = session.execute(insert(commitments).values(values).returning(commitments.c.id))
            key = int(row.scalar_one())
        audit.record(
            session,
            principal,
            "commitment_request",
            object=transaction_uid,
            detail={"instances": len(asked)},
        )
        jobs.enqueue(session, "commitment_verify", {"commitment": key}, key=f"commitment_verify:{key}")
    return key


def _find_in_use(session: Connection, peer: Peer, transaction_uid: str) -> RowMapping | None:
    query = select(commitments).where(
        commitments.c.peer_key == peer.id,
        commitments.c.transaction_uid == transaction_uid,
        commitments.c.state != "reported",
    )
    return session.execute(query.order_by(commitments.c.id)).mappings().first()


# ------------------------------------------------------------------------------------------------- verification


def commitment_verify(archive: Archive, args: dict[str, Any], job: JobContext) -> None:
    """The job that reads again what a peer wants to be sure of, and lets the outcome be reported."""
    commitment = _read(archive, int(args["commitment"]))
    if commitment is None or commitment.state != "asked":
        return
    failed = dict(commitment.failed)
    if not failed:
        for done, (uid, reason) in enumerate(_examine(archive, commitment.asked), start=1):
            if reason is not None:
                failed[uid] = reason
            job.report(done / len(commitment.asked), f"{done} of {len(commitment.asked)} instances")
    with archive.transaction() as session:
        row = session.execute(
            update(commitments)
            .where(commitments.c.id == commitment.id, commitments.c.state == "asked")
            .values(state="verified", failed=json.dumps(failed), changed_at=time.time())
            .returning(commitments.c.association)
        ).first()
        if row is None:
            return
        grace_s = 0.0 if row.association is None else archive.settings.commitment_same_association_s
        _enqueue_report(session, commitment.id, commitment.ae_title, run_at=commitment.asked_at + grace_s)


def _enqueue_report(session: Connection, key: int, ae_title: str, run_at: float) -> None:
    jobs.enqueue(
        session,
        "commitment_report",
        {"commitment": key},
        queue="send",
        destination=ae_title,
        key=f"commitment_report:{key}",
        run_at=run_at,
    )


def _examine(archive: Archive, asked: Sequence[Reference]) -> Iterator[tuple[str, int | None]]:
    """Say of each instance why it is not committed, None if it is."""
    for start in range(0, len(asked), _UIDS_AT_ONCE):
        some = asked[start : start + _UIDS_AT_ONCE]
        query = (
            select(instances.c.sop_instance_uid, instances.c.blob, uids.c.uid)
            .join(uids, uids.c.id == instances.c.sop_class_key)
            .where(instances.c.sop_instance_uid.in_([uid for _, uid in some]))
        )
        with archive.reading() as session:
            kept = {row.sop_instance_uid: (row.uid, bytes(row.blob).hex()) for row in session.execute(query)}
        for sop_class_uid, uid in some:
            if uid not in kept:
                yield uid, NO_SUCH_INSTANCE
            elif kept[uid][0] != sop_class_uid:
                yield uid, CLASS_CONFLICT
            else:
                yield uid, None if _is_intact(archive, kept[uid][1]) else PROCESSING_FAILURE


def _is_intact(archive: Archive, blob: str) -> bool:
    try:
        return archive.blobs.digest(blob) == blob
    except NotFound:
        return False


# ------------------------------------------------------------------------------------------------- the report


def claim_verified(archive: Archive, key: int, *, keep: bool) -> Commitment | None:
    """Take it on to report this one, if it is verified and nobody else does; with `keep` else raise for a later try.

    Raises
    ------
    Unavailable: somebody else is reporting it.
    """
    now = time.time()
    is_free = or_(
        commitments.c.state == "verified",
        (commitments.c.state == "reporting") & (commitments.c.changed_at < now - _CLAIM_S),
    )
    with archive.transaction() as session:
        claimed = session.execute(
            update(commitments)
            .where(commitments.c.id == key, is_free)
            .values(state="reporting", changed_at=now)
            .returning(*commitments.c)
        )
        row = claimed.mappings().first()
    if row is None and keep:
        current = _read(archive, key)
        if current is not None and current.state == "reporting":
            raise Unavailable("another association reports this commitment now")
    return None if row is None else _commitment(row)


def report(archive: Archive, peer: Peer, commitment: Commitment, asking: Asking, *, how: str) -> None:
    """Report a claimed commitment over an association, and record that it was heard; else the claim is given back.

    Raises
    ------
    Unavailable: the peer did not take it. AssociationEnded.
    """
    event_type, information = event_of(commitment, archive.settings.ae_title)
    status: int | None = None
    try:
        status = asking.event_report(PUSH_MODEL, PUSH_MODEL_INSTANCE, event_type, information).status
    finally:
        is_heard = status is not None and (status == commands.SUCCESS or commands.is_warning(status))
        with archive.transaction() as session:
            session.execute(
                update(commitments)
                .where(commitments.c.id == commitment.id)
                .values(state="reported" if is_heard else "verified", changed_at=time.time())
            )
            if is_heard:
                audit.record(
                    session,
                    SYSTEM("worker" if how == "new" else "dimse"),
                    "commitment_report",
                    outcome="failed" if commitment.failed else "success",
                    object=peer.ae_title,
                    detail={
                        "transaction_uid": commitment.transaction_uid,
                        "instances": len(commitment.asked),
                        "failed": len(commitment.failed),
                        "association": how,
                    },
                )
                if how == "same":  # nothing is left for the job to do
                    _enqueue_report(session, commitment.id, commitment.ae_title, run_at=time.time())
    if not is_heard:
        raise Unavailable(f"{peer.ae_title} answered the storage commitment report with status 0x{status:04X}")
    log.info("commitment_reported", peer=peer.ae_title, instances=len(commitment.asked), how=how)


def commitment_report(archive: Archive, args: dict[str, Any], job: JobContext) -> None:
    """The job that reports over an association of its own, in the role of SCP (PS3.4 J.3.3).

    Raises
    ------
    Unavailable: the peer is away or did not take it. Refused: it has no address, or accepts no such association.
    """
    key = int(args["commitment"])
    waiting = _read(archive, key)
    if waiting is None or waiting.state == "reported":
        return
    peer = destination_of(archive, waiting.peer_key)
    job.check()
    commitment = claim_verified(archive, key, keep=True)
    if commitment is None:
        return
    try:
        association = open_association(
            archive.settings,
            peer,
            [(PUSH_MODEL, IDENTIFIER_SYNTAXES)],
            roles=[RoleSelection(PUSH_MODEL, scu=False, scp=True)],
        )
        with association:
            report(archive, peer, commitment, asking(association, PUSH_MODEL), how="new")
    except NotAcceptable as error:  # it may be set up tomorrow
        raise Unavailable(f"{peer.ae_title} accepts no storage commitment report: {error}") from error
    finally:
        _give_back(archive, key)


def destination_of(archive: Archive, peer_key: int) -> Peer:
    """Find where a peer is called: at its own entry, or at another one of its AE title that has an address.

    Raises
    ------
    NotFound: the peer is not known any more. Refused: there is no address.
    """
    peer = peers.get_peer(archive, peer_key)
    if peer.can_be_called:
        return peer
    other = peers.find_destination(archive, peer.ae_title)
    if other is None:
        raise Refused(f"{peer.ae_title} has no single address and port to connect to: enter them, then try again")
    return other


def _give_back(archive: Archive, key: int) -> None:
    with archive.transaction() as session:
        session.execute(
            update(commitments)
            .where(commitments.c.id == key, commitments.c.state == "reporting")
            .values(state="verified", changed_at=time.time())
        )


def association_ended(archive: Archive, keys: Sequence[int]) -> None:
    """The association over which these were asked for is gone: what is verified is reported by job at once."""
    with archive.transaction() as session:
        for key in keys:
            row = session.execute(
                update(commitments)
                .where(commitments.c.id == key, commitments.c.state != "reported")
                .values(association=None)
                .returning(commitments.c.state, commitments.c.ae_title)
            ).first()
            if row is not None and row.state != "asked":
                _enqueue_report(session, key, row.ae_title, run_at=time.time())


def forget_reported(session: Connection, before: float) -> None:
    """Delete what was reported before a time; the audit trail keeps what was said."""
    session.execute(delete(commitments).where(commitments.c.state == "reported", commitments.c.changed_at < before))


def states_of(archive: Archive, keys: Sequence[int]) -> dict[int, str]:
    """How far these commitments are."""
    with archive.reading() as session:
        rows = session.execute(select(commitments.c.id, commitments.c.state).where(commitments.c.id.in_(keys)))
        return {row.id: row.state for row in rows}


def _read(archive: Archive, key: int) -> Commitment | None:
    with archive.reading() as session:
        row = session.execute(select(commitments).where(commitments.c.id == key)).mappings().one_or_none()
    return None if row is None else _commitment(row)


def _commitment(row: RowMapping) -> Commitment:
    values = {name: row[name] for name in Commitment.__slots__}
    return Commitment(
        **values
        | {
            "asked": [(str(a), str(b)) for a, b in json.loads(row["asked"])],
            "failed": {str(uid): int(reason) for uid, reason in json.loads(row["failed"]).items()},
        }
    )
