"""Who may associate, and for what: known peers only, each presentation context answered by itself (PS3.8 9.3.3.2)."""

from __future__ import annotations

import uuid
from dataclasses import dataclass, field

import structlog

from filmless.access import audit, peers
from filmless.access.peers import Peer
from filmless.access.policy import Action
from filmless.access.principal import Principal
from filmless.archive import Archive
from filmless.dicom.syntaxes import DEFLATED, EXPLICIT_BE, EXPLICIT_LE, IMPLICIT_LE, get_syntax
from filmless.dicom.uids import STORAGE_CLASSES, is_storable, name_of
from filmless.dimse import commands, pdus
from filmless.dimse.pdus import ContextAnswer, ExtendedNegotiation, ProposedContext, RoleSelection
from filmless.dimse.server import Accept, Caller, Reject
from filmless.errors import Unavailable
from filmless.routing.commitment import PUSH_MODEL
from filmless.routing.inventory import CREATION
from filmless.scp import find, non_patient, worklist
from filmless.scp.retrieving import (
    COMPOSITE_INSTANCE_GET,
    COMPOSITE_INSTANCE_MOVE,
    GET_MODELS,
    MOVE_MODELS,
    WITHOUT_BULK_DATA_GET,
)

log = structlog.get_logger()

VERIFICATION = "1.2.840.10008.1.1"

_READS_WORKLIST = frozenset({Action.QUERY, Action.WORKLIST})

SERVICES: dict[str, tuple[frozenset[Action], frozenset[int]]] = (
    {VERIFICATION: (frozenset({Action.ECHO}), frozenset({commands.C_ECHO_RQ}))}
    | {
        uid: (frozenset({Action.QUERY}), frozenset({commands.C_FIND_RQ}))
        for uid in (*find.MODELS, *non_patient.FIND_MODELS)
    }
    | {
        uid: (frozenset({Action.RETRIEVE}), frozenset({commands.C_MOVE_RQ}))
        for uid in (*MOVE_MODELS, COMPOSITE_INSTANCE_MOVE, *non_patient.MOVE_MODELS)
    }
    | {
        uid: (frozenset({Action.RETRIEVE}), frozenset({commands.C_GET_RQ}))
        for uid in (*GET_MODELS, COMPOSITE_INSTANCE_GET, WITHOUT_BULK_DATA_GET, *non_patient.GET_MODELS)
    }
    | {CREATION: (frozenset({Action.QUERY}), frozenset({commands.N_ACTION_RQ}))}
    | {PUSH_MODEL: (frozenset({Action.COMMIT}), frozenset({commands.N_ACTION_RQ}))}
    | {
        uid: (frozenset({Action.WORKLIST}) if is_for_workers else _READS_WORKLIST, worklist.COMMANDS[uid])
        for uid, is_for_workers in worklist.SOP_CLASSES.items()
    }
)
"""SOP classes other than storage that we serve: the rights of which they need one, and the requests they carry."""

_IDENTIFIER_SYNTAXES = (EXPLICIT_LE, IMPLICIT_LE, DEFLATED, EXPLICIT_BE)
_STORE = frozenset({commands.C_STORE_RQ})
_NOTHING: frozenset[int] = frozenset()

# Storage extended negotiation (PS3.4 B.3.1): level 2 (all elements are kept), digital signatures level 3 (to the
# byte), no coercion.
_STORAGE_INFORMATION = bytes([2, 0, 3, 0, 0, 0])


@dataclass(frozen=True, slots=True)
class Admitted:
    """Whom an association belongs to, for the handlers: the `principal` of their requests."""

    principal: Principal
    peer: Peer
    association: str  # names it in the audit trail
    extended: dict[str, bytes] = field(default_factory=dict)  # SOP class: our answer to its extended negotiation
    receives: frozenset[str] = frozenset()  # SOP classes of which the peer takes instances by C-GET
    commitments: list[int] = field(default_factory=list)  # asked for over this association, not reported yet


def is_storage(abstract_syntax: str) -> bool:
    """Whether instances of this SOP class are kept: any but those the standard gives another meaning."""
    if abstract_syntax in STORAGE_CLASSES:
        return True
    return is_storable(abstract_syntax) and name_of(abstract_syntax) == abstract_syntax


def authorize(archive: Archive, caller: Caller) -> Accept | Reject:
    """Answer a request for an association. Strangers are refused, and remembered for the administrator."""
    request = caller.request
    try:
        peer = peers.find_peer(archive, request.calling_ae, caller.address)
        if peer is None:
            _remember(archive, caller)
            return Reject(pdus.USER_CALLING_AE_NOT_RECOGNIZED)
        principal = peer.principal(address=caller.address)
        if request.called_ae != archive.settings.ae_title:
            _record_misaddressed(archive, principal, request.called_ae)
            return Reject(pdus.USER_CALLED_AE_NOT_RECOGNIZED)
    except Unavailable as error:
        log.warning("association_not_judged", reason=str(error))
        return Reject(pdus.PRESENTATION_TEMPORARY_CONGESTION, pdus.SOURCE_PRESENTATION, result=pdus.REJECTED_TRANSIENT)
    return accept(peer, principal, request)


def accept(peer: Peer, principal: Principal, request: pdus.AssociateRequest) -> Accept:
    """Answer each presentation context, role and extended negotiation of a known peer."""
    roles = _answer_roles(request.user.roles, peer, principal)
    extended = _answer_extended(request.user.extended, principal)
    answers, allowed = [], {}
    for context in request.contexts:
        answer, commands_allowed = _answer_context(context, peer, principal, roles)
        answers.append(answer)
        allowed[context.context_id] = commands_allowed
    admitted = Admitted(
        principal=principal,
        peer=peer,
        association=str(uuid.uuid4()),
        extended=extended,
        receives=frozenset(uid for uid, role in roles.items() if role.scp),
    )
    return Accept(
        contexts=tuple(answers),
        principal=admitted,
        commands=allowed,
        roles=tuple(roles.values()),
        extended=tuple(ExtendedNegotiation(uid, information) for uid, information in extended.items()),
    )


def _answer_context(
    context: ProposedContext, peer: Peer, principal: Principal, roles: dict[str, RoleSelection]
) -> tuple[ContextAnswer, frozenset[int]]:
    uid = context.abstract_syntax
    first = context.transfer_syntaxes[0] if context.transfer_syntaxes else IMPLICIT_LE
    if uid in SERVICES:
        carried = _carried(uid, peer, principal, roles.get(uid))
        if not carried:
            return ContextAnswer(context.context_id, pdus.USER_REJECTION, first), _NOTHING
        syntax = next((each for each in context.transfer_syntaxes if each in _IDENTIFIER_SYNTAXES), None)
    elif is_storage(uid):
        role = roles.get(uid)
        stores = Action.STORE.value in principal.rights and (role is None or role.scu)
        if not stores and (role is None or not role.scp):
            return ContextAnswer(context.context_id, pdus.USER_REJECTION, first), _NOTHING
        carried = _STORE if stores else _NOTHING
        syntax = _storage_syntax(context.transfer_syntaxes)
    else:
        return ContextAnswer(context.context_id, pdus.ABSTRACT_SYNTAX_NOT_SUPPORTED, first), _NOTHING
    if syntax is None:
        return ContextAnswer(context.context_id, pdus.TRANSFER_SYNTAXES_NOT_SUPPORTED, first), _NOTHING
    return ContextAnswer(context.context_id, pdus.ACCEPTANCE, syntax), carried


def _carried(uid: str, peer: Peer, principal: Principal, role: RoleSelection | None) -> frozenset[int]:
    """The requests that a context of a service may carry from this peer; none: it is refused.

    A peer that we ask for commitment reports over an association in which it is the SCP. Some forget to say so.
    """
    actions, carried = SERVICES[uid]
    if not {action.value for action in actions} & principal.rights or (
        uid == PUSH_MODEL and role is not None and not role.scu
    ):
        carried = _NOTHING
    if uid == PUSH_MODEL and peer.ask_commitment and (role is None or role.scp):
        carried |= {commands.N_EVENT_REPORT_RQ}
    return carried


def _storage_syntax(proposed: tuple[str, ...]) -> str | None:
    """The first that we know; else the first at all: an image in a private syntax is better kept than lost."""
    usable = [uid for uid in proposed if is_storable(uid)]
    return next((uid for uid in usable if get_syntax(uid).is_known), usable[0] if usable else None)


def _answer_roles(proposed: tuple[RoleSelection, ...], peer: Peer, principal: Principal) -> dict[str, RoleSelection]:
    """Grant the roles that the rights allow (PS3.7 D.3.3.4): SCU of what it may store, SCP of what it may retrieve."""
    answers = {}
    for role in proposed:
        if is_storage(role.sop_class_uid):
            answers[role.sop_class_uid] = RoleSelection(
                role.sop_class_uid,
                scu=role.scu and Action.STORE.value in principal.rights,
                scp=role.scp and Action.RETRIEVE.value in principal.rights,
            )
        elif role.sop_class_uid in SERVICES:
            is_reporter = role.sop_class_uid == PUSH_MODEL and peer.ask_commitment
            answers[role.sop_class_uid] = RoleSelection(role.sop_class_uid, scu=role.scu, scp=role.scp and is_reporter)
    return answers


def _answer_extended(proposed: tuple[ExtendedNegotiation, ...], principal: Principal) -> dict[str, bytes]:
    answers = {}
    for item in proposed:
        uid = item.sop_class_uid
        if uid in SERVICES:
            if commands.C_FIND_RQ in SERVICES[uid][1]:
                answers[uid] = find.negotiate(item.information)
            elif uid in MOVE_MODELS or uid in GET_MODELS:
                # Relational retrieval (PS3.4 C.5.2.1) is granted, conversion of multi-frame images is not.
                answers[uid] = bytes(n == 0 and byte == 1 for n, byte in enumerate(item.information[:2]))
        elif is_storage(uid) and Action.STORE.value in principal.rights:
            answers[uid] = _STORAGE_INFORMATION
    return answers


def _remember(archive: Archive, caller: Caller) -> None:
    request = caller.request
    proposed = [context.abstract_syntax for context in request.contexts]
    with archive.transaction() as session:
        peers.remember_unknown(
            session,
            request.calling_ae,
            caller.address,
            request.called_ae,
            "no peer with this AE title and address is known",
            proposed,
        )


def _record_misaddressed(archive: Archive, principal: Principal, called_ae: str) -> None:
    with archive.transaction() as session:
        audit.record_repeated(
            session,
            principal,
            "association",
            request=f"misaddressed:{principal.id}:{called_ae}",
            object=called_ae,
            detail={"reason": f"it called us {called_ae!r}; our AE title is {archive.settings.ae_title}"},
        )
