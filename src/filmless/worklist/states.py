"""The states of a workitem: who may take it from one to another, and what that needs (PS3.4 CC.1.1, CC.2.1, CC.2.2)."""

from __future__ import annotations

import time
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, Final

from filmless.access import audit, policy
from filmless.access.policy import Action
from filmless.access.principal import Principal
from filmless.dicom.uids import new_uid, oddities
from filmless.query.matching import JsonDataset
from filmless.worklist import attributes as at
from filmless.worklist import datasets, reports, rules
from filmless.worklist.refusals import Reason, Remark, WorkitemRefused
from filmless.worklist.workitems import Workitem, find, require_lock, save

if TYPE_CHECKING:
    from sqlalchemy import Connection

    from filmless.archive import Archive

UNSPECIFIED_REASON: Final = ("110513", "DCM", "Discontinued for unspecified reason")
"""The code (CID 9300) that we give when a workitem is canceled and nobody said why: CANCELED needs one (CC.2.5-3)."""

_REQUEST: Final = (at.CANCELLATION_REASON, at.DISCONTINUATION_REASONS, at.CONTACT_URI, at.CONTACT_DISPLAY_NAME)


def change_state(
    archive: Archive, principal: Principal, workitem_uid: str, state: str, transaction_uid: str
) -> Remark | None:
    """Take a workitem to another state, as table CC.1.1-2 allows.

    Raises
    ------
    NotAllowed, NotFound, Gone, WorkitemRefused.
    """
    policy.require(principal, Action.WORKLIST)
    with archive.transaction() as session:
        item = find(session, workitem_uid, for_update=True)
        remark = _judge(item, state, transaction_uid)
        if remark is not None:
            return remark
        if state == at.IN_PROGRESS:
            _claim(session, principal, item, transaction_uid)
        elif state == at.COMPLETED:
            rules.check_completed(item.attributes)
            _end(session, principal, item, item.attributes, at.COMPLETED)
        else:
            _end(session, principal, item, _with_cancellation(item.attributes, {}), at.CANCELED)
    return None


def _judge(item: Workitem, state: str, transaction_uid: str) -> Remark | None:
    """Apply the table of transitions; None lets the change be made."""
    if state == at.SCHEDULED:
        raise WorkitemRefused(Reason.ONLY_CREATED_SCHEDULED, "a workitem is SCHEDULED only when it is made")
    if state not in (at.IN_PROGRESS, at.COMPLETED, at.CANCELED):
        raise WorkitemRefused(
            Reason.INVALID_VALUE,
            f"Procedure Step State {state[:16]!r} is none of {at.IN_PROGRESS}, {at.COMPLETED}, {at.CANCELED}",
        )
    if item.state == at.SCHEDULED:
        _check_claim(transaction_uid)
        if state == at.IN_PROGRESS:
            return None
        raise WorkitemRefused(Reason.NOT_IN_PROGRESS, f"the workitem is SCHEDULED; claim it before it is {state}")
    require_lock(item, transaction_uid)
    if item.state == at.IN_PROGRESS:
        if state == at.IN_PROGRESS:
            raise WorkitemRefused(Reason.ALREADY_IN_PROGRESS, "the workitem is IN PROGRESS already")
        return None
    if item.state == state:
        return Remark.ALREADY_COMPLETED if state == at.COMPLETED else Remark.ALREADY_CANCELED
    raise WorkitemRefused(Reason.NO_LONGER_UPDATABLE, f"the workitem is {item.state} and no longer changes")


def _check_claim(transaction_uid: str) -> None:
    if not transaction_uid:
        raise WorkitemRefused(
            Reason.TRANSACTION_MISSING, "a workitem is claimed by a Transaction UID, which is missing"
        )
    odd = oddities(transaction_uid)
    if odd:
        raise WorkitemRefused(Reason.TRANSACTION_WRONG, f"the Transaction UID {odd[0]} (PS3.5 9.1)")


def _claim(session: Connection, principal: Principal, item: Workitem, transaction_uid: str) -> Workitem:
    after = {**item.attributes, at.STATE: datasets.text("CS", at.IN_PROGRESS), at.MODIFIED_AT: datasets.now()}
    save(session, principal, item, after, "workitem_state", {"state": at.IN_PROGRESS}, transaction_uid=transaction_uid)
    return Workitem(item.key, item.workitem_uid, at.IN_PROGRESS, transaction_uid, after)


def _end(session: Connection, principal: Principal, item: Workitem, attributes: JsonDataset, state: str) -> None:
    after = {**attributes, at.STATE: datasets.text("CS", state), at.MODIFIED_AT: datasets.now()}
    save(session, principal, item, after, "workitem_state", {"state": state}, final_at=time.time())


def _with_cancellation(attributes: JsonDataset, request: Mapping[str, Any]) -> JsonDataset:
    """Say when and why a workitem is canceled, where its performer did not (CC.2.5-3, Final State X).

    `request` is the action information of a request to cancel.
    """
    held = datasets.items(attributes, at.PROGRESS_INFORMATION)
    progress = dict(held[0]) if held else {}
    progress |= datasets.parts_of(request, at.CANCELLATION_REASON, at.DISCONTINUATION_REASONS)
    contact = datasets.parts_of(request, at.CONTACT_URI, at.CONTACT_DISPLAY_NAME)
    if datasets.has_value(contact, at.CONTACT_URI):
        progress[at.COMMUNICATIONS] = datasets.sequence(contact)
    if not datasets.has_value(progress, at.CANCELLED_AT):
        progress[at.CANCELLED_AT] = datasets.now()
    if not datasets.has_value(progress, at.DISCONTINUATION_REASONS):
        progress[at.DISCONTINUATION_REASONS] = datasets.sequence(datasets.code(*UNSPECIFIED_REASON))
    return {**attributes, at.PROGRESS_INFORMATION: datasets.sequence(progress, *held[1:])}


def request_cancel(
    archive: Archive, principal: Principal, workitem_uid: str, information: JsonDataset, requesting_ae: str
) -> Remark | None:
    """Ask that a workitem be canceled: done at once while it is SCHEDULED, else passed on to those who subscribed.

    Raises
    ------
    NotAllowed, NotFound, Gone.
    WorkitemRefused: it is COMPLETED, or nobody is subscribed, so whoever performs it would not hear of it.
    """
    policy.require(principal, Action.WORKLIST)
    request = datasets.parts_of(information, *_REQUEST)
    with archive.transaction() as session:
        item = find(session, workitem_uid, for_update=True)
        if item.state == at.CANCELED:
            return Remark.ALREADY_CANCELED
        if item.state == at.COMPLETED:
            raise WorkitemRefused(Reason.ALREADY_COMPLETED, "the workitem is COMPLETED already")
        told = reports.subscribers_of(session, item.key)
        if item.state == at.IN_PROGRESS and not told:
            raise WorkitemRefused(
                Reason.PERFORMER_OUT_OF_REACH, "nobody is subscribed to the workitem, so its performer cannot be told"
            )
        reason = datasets.value(request, at.CANCELLATION_REASON)
        audit.record(
            session,
            principal,
            "workitem_cancel_request",
            study_instance_uid=datasets.study_of(item.attributes),
            object=workitem_uid,
            detail={"reason": reason, "state": item.state},
        )
        reports.cancel_requested(session, workitem_uid, request, requesting_ae, told)
        if item.state == at.SCHEDULED:
            claimed = _claim(session, principal, item, new_uid())
            _end(session, principal, claimed, _with_cancellation(claimed.attributes, request), at.CANCELED)
    return None
