"""Storage commitment on the wire (PS3.4 annex J): N-ACTION in, N-EVENT-REPORT out while a peer is idle, and in."""

from __future__ import annotations

import structlog

from filmless.archive import Archive
from filmless.dimse import commands
from filmless.dimse.connection import AssociationEnded
from filmless.dimse.normalized import asking
from filmless.dimse.services import Idle, Outcome, Request
from filmless.errors import FilmlessError, Unavailable
from filmless.routing import ask_commitment, commitment
from filmless.scp.associate import Admitted
from filmless.scp.status import normalized_outcome_of

log = structlog.get_logger()

_LOOK_S = 0.2  # between looks whether the bytes were verified by now


def handle_commitment(archive: Archive, request: Request) -> Outcome:
    """Answer an N-ACTION that asks for commitment, or an N-EVENT-REPORT on what we asked for."""
    admitted: Admitted = request.principal
    try:
        if request.command.field == commands.N_EVENT_REPORT_RQ:
            return ask_commitment.hear_report(archive, admitted.peer, admitted.principal, request)
        return _take_request(archive, admitted, request)
    except FilmlessError as error:
        return normalized_outcome_of(error)


def _take_request(archive: Archive, admitted: Admitted, request: Request) -> Outcome:
    if request.sop_instance_uid != commitment.PUSH_MODEL_INSTANCE:
        return Outcome(commands.NO_SUCH_SOP_INSTANCE, "the well-known instance is 1.2.840.10008.1.20.1.1")
    action_type = request.command.number(commands.ACTION_TYPE_ID)
    if action_type != commitment.REQUEST:
        return Outcome(commands.NO_SUCH_ACTION, f"action type {action_type} is not 1")
    key = commitment.record_request(
        archive, admitted.peer, admitted.principal, request.identifier or {}, admitted.association
    )
    admitted.commitments.append(key)
    return Outcome()


def report_when_idle(archive: Archive, idle: Idle) -> float | None:
    """Report what was verified meanwhile; says when to look again, None when nothing more is waited for."""
    admitted: Admitted = idle.principal
    if not admitted.commitments:
        return None
    try:
        states = commitment.states_of(archive, admitted.commitments)
        for key in list(admitted.commitments):
            if states.get(key) not in ("asked", "verified"):
                admitted.commitments.remove(key)
            elif states[key] == "verified" and (claimed := commitment.claim_verified(archive, key, keep=False)):
                over = asking(idle.association, commitment.PUSH_MODEL, idle.perform)
                commitment.report(archive, admitted.peer, claimed, over, how="same")
                admitted.commitments.remove(key)
    except AssociationEnded:
        raise
    except FilmlessError as error:  # the job will report it, over an association of its own
        log.info("commitment_report_failed", peer=admitted.peer.ae_title, reason=str(error))
        commitment.association_ended(archive, admitted.commitments)
        admitted.commitments.clear()
    return _LOOK_S if admitted.commitments else None


def association_over(archive: Archive, admitted: Admitted) -> None:
    """Let the job report what this association did not."""
    if not admitted.commitments:
        return
    try:
        commitment.association_ended(archive, admitted.commitments)
    except Unavailable as error:  # the job's time comes all the same
        log.warning("commitment_left_to_its_time", reason=str(error))
