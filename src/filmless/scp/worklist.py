"""Unified Procedure Step on the wire (PS3.4 annex CC): Push, Pull, Watch and Query; events leave by `worklist.telling`.

Requests name the Push class, whatever class their context was accepted for (CC.3.1); some name that of the context.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING, Final

from filmless.access.principal import Principal
from filmless.archive import Archive
from filmless.dimse import commands as c
from filmless.dimse.services import Outcome, Request
from filmless.errors import FilmlessError
from filmless.query.rows import empty
from filmless.query.search import JsonDataset, wanted_of
from filmless.scp import find
from filmless.scp.status import normalized_outcome_of
from filmless.worklist import attributes as at
from filmless.worklist import datasets, search, states, subscriptions, workitems
from filmless.worklist.refusals import Gone, Reason, Remark, WorkitemRefused

if TYPE_CHECKING:
    from filmless.scp.associate import Admitted

CHANGE_STATE, REQUEST_CANCEL, SUBSCRIBE, UNSUBSCRIBE, SUSPEND = range(1, 6)
"""Action Type IDs (tables CC.2.1-1, CC.2.2-1, CC.2.3-1)."""

SOP_CLASSES: Final = {
    at.PUSH_SOP_CLASS: True,
    at.PULL_SOP_CLASS: True,
    at.WATCH_SOP_CLASS: False,
    at.QUERY_SOP_CLASS: False,
}
"""The SOP classes of this service, and whether they are for those who change workitems."""

COMMANDS: Final = {
    at.PUSH_SOP_CLASS: frozenset({c.N_CREATE_RQ, c.N_ACTION_RQ, c.N_GET_RQ}),
    at.PULL_SOP_CLASS: frozenset({c.C_FIND_RQ, c.N_GET_RQ, c.N_SET_RQ, c.N_ACTION_RQ}),
    at.WATCH_SOP_CLASS: frozenset({c.N_ACTION_RQ, c.N_GET_RQ, c.C_FIND_RQ}),
    at.QUERY_SOP_CLASS: frozenset({c.C_FIND_RQ}),
}
_ACTIONS: Final = {
    at.PUSH_SOP_CLASS: {REQUEST_CANCEL},
    at.PULL_SOP_CLASS: {CHANGE_STATE},
    at.WATCH_SOP_CLASS: {REQUEST_CANCEL, SUBSCRIBE, UNSUBSCRIBE, SUSPEND},
}
"""Tables CC.2-1 to CC.2-5."""

_OPTIONAL_NOT_SUPPORTED: Final = 0x0001
_NO_SUCH_WORKITEM: Final = 0xC307
_OF_REASONS: Final = {
    Reason.MISSING_ATTRIBUTE: c.MISSING_ATTRIBUTE,
    Reason.MISSING_VALUE: c.MISSING_ATTRIBUTE_VALUE,
    Reason.NOT_ALLOWED_ATTRIBUTE: c.INVALID_ATTRIBUTE_VALUE,
    Reason.INVALID_VALUE: c.INVALID_ATTRIBUTE_VALUE,
    Reason.NOT_CREATED_SCHEDULED: 0xC309,
    Reason.NO_LONGER_UPDATABLE: 0xC300,
    Reason.TRANSACTION_MISSING: 0xC301,
    Reason.TRANSACTION_WRONG: 0xC301,
    Reason.ALREADY_IN_PROGRESS: 0xC302,
    Reason.ONLY_CREATED_SCHEDULED: 0xC303,
    Reason.FINAL_STATE_NOT_MET: 0xC304,
    Reason.RECEIVER_UNKNOWN: 0xC308,
    Reason.NOT_IN_PROGRESS: 0xC310,
    Reason.ALREADY_COMPLETED: 0xC311,
    Reason.PERFORMER_OUT_OF_REACH: 0xC312,
    Reason.ACTION_NOT_APPROPRIATE: 0xC314,
}
_OF_REMARKS: Final = {
    Remark.CREATED_WITH_MODIFICATIONS: (0xB300, "created with modifications"),
    Remark.LOCK_NOT_GRANTED: (0xB301, "deletion lock not granted"),
    Remark.ALREADY_CANCELED: (0xB304, "already CANCELED"),
    Remark.ALREADY_COMPLETED: (0xB306, "already COMPLETED"),
}
"""The statuses of tables CC.2.1-2 to CC.2.8-1."""


def find_workitems(
    archive: Archive,
    principal: Principal,
    identifier: JsonDataset,
    sop_class_uid: str,
    negotiated: bytes | None,
    is_cancelled: Callable[[], bool],
) -> Iterator[tuple[int, JsonDataset | None]]:
    """Answer one C-FIND-RQ over the worklist (CC.2.8), as `find.handle_find` does."""

    def matches() -> Iterator[tuple[int, JsonDataset]]:
        keys = {tag: each for tag, each in identifier.items() if tag != at.CHARACTER_SET}
        query = search.read_query(keys, find.read_options(negotiated), wanted_of(keys))
        pending = find.PENDING_WITH_WARNING if query.unsupported else find.PENDING
        for dataset in search.find_all(archive, principal, query):
            yield pending, dataset

    return find.answer_all(matches, archive.settings.find_matches_max, is_cancelled, principal.name)


def handle_worklist(archive: Archive, request: Request) -> Outcome:
    """Answer one DIMSE-N request about workitems."""
    admitted: Admitted = request.principal
    if request.sop_class_uid not in (at.PUSH_SOP_CLASS, request.context.abstract_syntax):
        return Outcome(c.CLASS_INSTANCE_CONFLICT, f"the SOP class of a workitem is {at.PUSH_SOP_CLASS}")
    handle = _HANDLERS[request.command.field]
    try:
        given = datasets.read_dataset(request.identifier or {}, archive.settings)
        return handle(archive, admitted, request, given)
    except WorkitemRefused as error:
        return Outcome(_OF_REASONS[error.reason], comment=str(error))
    except FilmlessError as error:
        outcome = normalized_outcome_of(error)
        is_absent = outcome.status == c.NO_SUCH_SOP_INSTANCE or isinstance(error, Gone)
        return Outcome(_NO_SUCH_WORKITEM, comment=outcome.comment) if is_absent else outcome


def _create(archive: Archive, admitted: Admitted, request: Request, given: JsonDataset) -> Outcome:
    uid = workitems.create(archive, admitted.principal, given, request.sop_instance_uid)
    return Outcome(sop_instance_uid=uid)


def _get(archive: Archive, admitted: Admitted, request: Request, _: JsonDataset) -> Outcome:
    wanted = [f"{tag:08X}" for tag in request.attributes]
    found = workitems.get(archive, admitted.principal, request.sop_instance_uid, wanted or None)
    answered = dict(found)
    for tag in wanted:
        held = empty(tag) if tag not in found and tag in at.WORKITEM and tag != at.TRANSACTION_UID else None
        if held is not None:
            answered[tag] = held
    is_all = all(tag in answered or tag == at.CHARACTER_SET for tag in wanted)
    return Outcome(c.SUCCESS if is_all else _OPTIONAL_NOT_SUPPORTED, identifier=answered)


def _set(archive: Archive, admitted: Admitted, request: Request, given: JsonDataset) -> Outcome:
    workitems.change(archive, admitted.principal, request.sop_instance_uid, given)
    return Outcome()


def _act(archive: Archive, admitted: Admitted, request: Request, given: JsonDataset) -> Outcome:
    action_type = request.command.number(c.ACTION_TYPE_ID)
    if action_type not in _ACTIONS[request.context.abstract_syntax]:
        return Outcome(c.NO_SUCH_ACTION, f"action type {action_type} is none of this SOP class")
    principal, uid = admitted.principal, request.sop_instance_uid
    remark: Remark | None = None
    receiver = datasets.value(given, at.RECEIVING_AE)
    if action_type == CHANGE_STATE:
        state, transaction_uid = datasets.value(given, at.STATE), datasets.value(given, at.TRANSACTION_UID)
        remark = states.change_state(archive, principal, uid, state, transaction_uid)
    elif action_type == REQUEST_CANCEL:
        remark = states.request_cancel(archive, principal, uid, given, admitted.peer.ae_title)
    elif not receiver:
        return Outcome(c.MISSING_ATTRIBUTE_VALUE, "Receiving AE (0074,1234) has no value")
    elif action_type == SUBSCRIBE:
        locks = datasets.value(given, at.DELETION_LOCK) == "TRUE"
        keys = {tag: each for tag, each in given.items() if tag not in (at.RECEIVING_AE, at.DELETION_LOCK)}
        remark = subscriptions.subscribe(archive, principal, uid, receiver, deletion_lock=locks, keys=keys)
    elif action_type == UNSUBSCRIBE:
        subscriptions.unsubscribe(archive, principal, uid, receiver)
    else:
        subscriptions.suspend(archive, principal, uid, receiver)
    return Outcome() if remark is None else Outcome(*_OF_REMARKS[remark])


_HANDLERS: Final = {c.N_CREATE_RQ: _create, c.N_GET_RQ: _get, c.N_SET_RQ: _set, c.N_ACTION_RQ: _act}
