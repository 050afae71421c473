"""Storage commitment that we ask peers for, of what we sent them (PS3.4 annex J, the role of SCU).

A row and the job `ask_commitment` are written when a send is over. The peer's report comes over the association of
the job or over one that the peer opens later; what it does not keep, or that it says nothing, becomes a problem.
"""

from __future__ import annotations

import json
import time
from collections.abc import Iterable
from typing import Any, Final

from sqlalchemy import Connection, RowMapping, delete, insert, select, update

from filmless.access import audit
from filmless.access.peers import Peer
from filmless.access.principal import SYSTEM, Principal
from filmless.archive import Archive, jobs
from filmless.archive.jobs import JobContext
from filmless.archive.problems import raise_problem, settle_problem
from filmless.archive.sentences import say
from filmless.dicom.uids import new_uid
from filmless.dimse import commands
from filmless.dimse.normalized import asking, attend
from filmless.dimse.services import Handlers, Outcome, Request
from filmless.errors import NotAcceptable, Refused, Unavailable
from filmless.retrieve.calling import IDENTIFIER_SYNTAXES, open_association
from filmless.retrieve.instances import StoredInstance
from filmless.routing.commitment import (
    ALL_COMMITTED,
    FAILED_SOP_SEQUENCE,
    FAILURE_REASON,
    PROCESSING_FAILURE,
    PUSH_MODEL,
    PUSH_MODEL_INSTANCE,
    REFERENCED_SOP_INSTANCE_UID,
    REFERENCED_SOP_SEQUENCE,
    REQUEST,
    SOME_FAILED,
    TRANSACTION_UID,
    JsonDataset,
    destination_of,
    reference_item,
    references_of,
    text_of,
)
from filmless.routing.tables import commitment_requests

PROBLEM: Final = "commitment"
REFERENCES_MAX: Final = 5000
"""Instances in one request of ours; some devices keep them in small memory."""


def enqueue_questions(session: Connection, peer: Peer, arrived: Iterable[StoredInstance]) -> None:
    """Have a peer asked about instances that it took, a request for each study (and each 5,000 instances)."""
    of_studies: dict[str, list[tuple[str, str]]] = {}
    for instance in arrived:
        of_studies.setdefault(instance.study_instance_uid, []).append(
            (instance.sop_class_uid, instance.sop_instance_uid)
        )
    for study, references in of_studies.items():
        for start in range(0, len(references), REFERENCES_MAX):
            _enqueue(session, peer, study, references[start : start + REFERENCES_MAX])


def _enqueue(session: Connection, peer: Peer, study: str, references: list[tuple[str, str]]) -> None:
    now = time.time()
    row = session.execute(
        insert(commitment_requests)
        .values(
            transaction_uid=new_uid(),
            peer_key=peer.id,
            ae_title=peer.ae_title,
            state="waiting",
            study_instance_uid=study,
            asked=json.dumps(references),
            failed="{}",
            created_at=now,
            changed_at=now,
        )
        .returning(commitment_requests.c.id)
    )
    jobs.enqueue(session, "ask_commitment", {"request": int(row.scalar_one())}, queue="send", destination=peer.ae_title)


def ask_commitment(archive: Archive, args: dict[str, Any], job: JobContext) -> None:
    """The job that asks, and waits a moment for the report on the same association.

    Raises
    ------
    Unavailable: the peer is away, or did not take the request. Refused: it has no address.
    """
    row = _get(archive, int(args["request"]))
    if row is None or row["state"] not in ("waiting", "asked"):
        return
    peer = destination_of(archive, int(row["peer_key"]))
    job.check()
    information: JsonDataset = {
        TRANSACTION_UID: {"vr": "UI", "Value": [row["transaction_uid"]]},
        REFERENCED_SOP_SEQUENCE: {"vr": "SQ", "Value": [reference_item((a, b)) for a, b in json.loads(row["asked"])]},
    }
    association = open_association(archive.settings, peer, [(PUSH_MODEL, IDENTIFIER_SYNTAXES)])
    heard: list[Outcome] = []

    def hear(request: Request) -> Outcome:
        heard.append(hear_report(archive, peer, SYSTEM("worker"), request))
        return heard[-1]

    handlers = Handlers(normalized=hear)
    try:
        with association:
            _mark_asked(archive, int(row["id"]))  # the report may be here before the answer
            answer = asking(association, PUSH_MODEL).action(PUSH_MODEL, PUSH_MODEL_INSTANCE, REQUEST, information)
            if answer.status != commands.SUCCESS and not commands.is_warning(answer.status):
                said = f": {answer.comment}" if answer.comment else ""
                raise Unavailable(f"{peer.ae_title} answered the commitment request with 0x{answer.status:04X}{said}")
            with archive.transaction() as session:
                _record_asked(session, archive, peer, row)
            attend(association, handlers, archive.settings.commitment_same_association_s, lambda: bool(heard))
    except NotAcceptable as error:
        raise Unavailable(f"{peer.ae_title} does not offer storage commitment: {error}") from error


def _record_asked(session: Connection, archive: Archive, peer: Peer, row: RowMapping) -> None:
    audit.record(
        session,
        SYSTEM("worker"),
        "commitment_ask",
        study_instance_uid=row["study_instance_uid"],
        object=peer.ae_title,
        detail={"transaction_uid": row["transaction_uid"], "instances": len(json.loads(row["asked"]))},
    )
    jobs.enqueue(
        session,
        "commitment_overdue",
        {"request": row["id"]},
        key=f"commitment_overdue:{row['id']}",
        run_at=time.time() + archive.settings.commitment_answer_s,
    )


def commitment_overdue(archive: Archive, args: dict[str, Any], _job: JobContext) -> None:
    """The job that makes it a problem when a peer has said nothing."""
    row = _get(archive, int(args["request"]))
    if row is None or row["state"] != "asked":
        return
    with archive.transaction() as session:
        raise_problem(
            session,
            PROBLEM,
            row["transaction_uid"],
            say(
                "commitment_overdue",
                peer=row["ae_title"],
                count=len(json.loads(row["asked"])),
                study=row["study_instance_uid"],
            ),
            say("commitment_overdue_do", peer=row["ae_title"]),
        )


def hear_report(archive: Archive, peer: Peer, principal: Principal, request: Request) -> Outcome:
    """Answer an N-EVENT-REPORT of a peer about what we asked it, once its outcome is recorded."""
    information = request.identifier or {}
    event_type = request.command.number(commands.EVENT_TYPE_ID)
    if event_type not in (ALL_COMMITTED, SOME_FAILED):
        return Outcome(commands.NO_SUCH_EVENT_TYPE, f"event type {event_type} is neither 1 nor 2")
    transaction_uid = text_of(information, TRANSACTION_UID)
    try:
        kept = {uid for _, uid in references_of(information, REFERENCED_SOP_SEQUENCE)}
        failed = _failures_of(information)
    except Refused as error:
        return Outcome(commands.INVALID_ARGUMENT_VALUE, str(error))
    with archive.transaction() as session:
        query = select(commitment_requests).where(
            commitment_requests.c.transaction_uid == transaction_uid, commitment_requests.c.ae_title == peer.ae_title
        )
        row = session.execute(query).mappings().first()
        if row is None:
            return Outcome(commands.INVALID_ARGUMENT_VALUE, "we asked nothing under this Transaction UID")
        asked = [uid for _, uid in json.loads(row["asked"])]
        lost = {uid: failed.get(uid, PROCESSING_FAILURE) for uid in asked if uid in failed or uid not in kept}
        _record_outcome(session, row, principal, lost)
    return Outcome()


def _failures_of(information: JsonDataset) -> dict[str, int]:
    failed = {}
    for item in information.get(FAILED_SOP_SEQUENCE, {}).get("Value") or []:
        reasons = (item or {}).get(FAILURE_REASON, {}).get("Value") or [PROCESSING_FAILURE]
        failed[text_of(item or {}, REFERENCED_SOP_INSTANCE_UID)] = int(reasons[0])
    return failed


def _record_outcome(session: Connection, row: RowMapping, principal: Principal, lost: dict[str, int]) -> None:
    _store_outcome(session, int(row["id"]), lost)
    settle_problem(session, PROBLEM, row["transaction_uid"])  # it was overdue
    audit.record(
        session,
        principal,
        "commitment_result",
        outcome="failed" if lost else "success",
        study_instance_uid=row["study_instance_uid"],
        object=row["ae_title"],
        detail={"transaction_uid": row["transaction_uid"], "failed": lost},
    )
    kept = {uid for _, uid in json.loads(row["asked"])} - lost.keys()
    left = _failures_left(session, row, kept)
    key = f"{row['ae_title']}:{row['study_instance_uid']}"
    if not left:
        settle_problem(session, PROBLEM, key)
        return
    reasons = ", ".join(sorted({f"0x{reason:04X}" for reason in left.values()}))
    raise_problem(
        session,
        PROBLEM,
        key,
        say(
            "commitment_refused",
            peer=row["ae_title"],
            count=len(left),
            study=row["study_instance_uid"],
            reasons=reasons,
        ),
        say("commitment_refused_do", peer=row["ae_title"]),
    )


def _failures_left(session: Connection, row: RowMapping, kept: set[str]) -> dict[str, int]:
    """What this peer does not keep of this study, now that it keeps these: failures of earlier requests are settled."""
    left: dict[str, int] = {}
    query = select(commitment_requests).where(
        commitment_requests.c.peer_key == row["peer_key"],
        commitment_requests.c.study_instance_uid == row["study_instance_uid"],
        commitment_requests.c.state == "failed",
    )
    for failed in session.execute(query).mappings().all():
        before = json.loads(failed["failed"])
        lost = {uid: reason for uid, reason in before.items() if uid not in kept}
        if lost != before:
            _store_outcome(session, int(failed["id"]), lost)
        left |= lost
    return left


def _store_outcome(session: Connection, key: int, lost: dict[str, int]) -> None:
    session.execute(
        update(commitment_requests)
        .where(commitment_requests.c.id == key)
        .values(state="failed" if lost else "committed", failed=json.dumps(lost), changed_at=time.time())
    )


def forget_settled(session: Connection, before: float) -> None:
    """Delete what was committed before a time."""
    is_old = commitment_requests.c.changed_at < before
    session.execute(delete(commitment_requests).where(commitment_requests.c.state == "committed", is_old))


def _mark_asked(archive: Archive, key: int) -> None:
    with archive.transaction() as session:
        session.execute(
            update(commitment_requests)
            .where(commitment_requests.c.id == key, commitment_requests.c.state == "waiting")
            .values(state="asked", changed_at=time.time())
        )


def _get(archive: Archive, key: int) -> RowMapping | None:
    with archive.reading() as session:
        return session.execute(select(commitment_requests).where(commitment_requests.c.id == key)).mappings().first()
