"""The states of a workitem: table CC.1.1-2 row by row, final state requirements, requests to cancel."""

from __future__ import annotations

import threading
from typing import Any

import pytest
from pydicom import Dataset, Sequence
from pydicom.uid import generate_uid

import ups
from filmless.access.principal import SYSTEM, Principal
from filmless.archive import Archive
from filmless.errors import NotAllowed, NotFound
from filmless.worklist import states, workitems
from filmless.worklist.refusals import Reason, Remark, WorkitemRefused
from filmless.worklist.subscriptions import subscribe

RIGHT, WRONG, NONE = "right", "wrong", ""
CLAIM = "1.2.3.99"


def reach(archive: Archive, state: str) -> tuple[str, str]:
    """Make a workitem and take it to a state; returns its UID and the Transaction UID that is right for it."""
    uid = ups.create(archive)
    if state == "SCHEDULED":
        return uid, CLAIM
    if state == "COMPLETED":
        return uid, ups.complete(archive, uid)
    transaction = ups.claim(archive, uid)
    if state == "CANCELED":
        states.change_state(archive, SYSTEM("test"), uid, "CANCELED", transaction)
    return uid, transaction


# Table CC.1.1-2: state, asked for, Transaction UID, what comes of it.
TABLE: list[tuple[str, str, str, Any]] = [
    ("SCHEDULED", "IN PROGRESS", RIGHT, None),
    ("IN PROGRESS", "IN PROGRESS", RIGHT, Reason.ALREADY_IN_PROGRESS),
    ("COMPLETED", "IN PROGRESS", RIGHT, Reason.NO_LONGER_UPDATABLE),
    ("CANCELED", "IN PROGRESS", RIGHT, Reason.NO_LONGER_UPDATABLE),
    ("SCHEDULED", "IN PROGRESS", NONE, Reason.TRANSACTION_MISSING),
    ("IN PROGRESS", "IN PROGRESS", WRONG, Reason.TRANSACTION_WRONG),
    ("COMPLETED", "IN PROGRESS", WRONG, Reason.TRANSACTION_WRONG),
    ("CANCELED", "IN PROGRESS", WRONG, Reason.TRANSACTION_WRONG),
    ("SCHEDULED", "SCHEDULED", RIGHT, Reason.ONLY_CREATED_SCHEDULED),
    ("IN PROGRESS", "SCHEDULED", RIGHT, Reason.ONLY_CREATED_SCHEDULED),
    ("COMPLETED", "SCHEDULED", RIGHT, Reason.ONLY_CREATED_SCHEDULED),
    ("CANCELED", "SCHEDULED", RIGHT, Reason.ONLY_CREATED_SCHEDULED),
    ("SCHEDULED", "COMPLETED", RIGHT, Reason.NOT_IN_PROGRESS),
    ("IN PROGRESS", "COMPLETED", RIGHT, Reason.FINAL_STATE_NOT_MET),
    ("COMPLETED", "COMPLETED", RIGHT, Remark.ALREADY_COMPLETED),
    ("CANCELED", "COMPLETED", RIGHT, Reason.NO_LONGER_UPDATABLE),
    ("SCHEDULED", "COMPLETED", NONE, Reason.TRANSACTION_MISSING),
    ("IN PROGRESS", "COMPLETED", WRONG, Reason.TRANSACTION_WRONG),
    ("COMPLETED", "COMPLETED", WRONG, Reason.TRANSACTION_WRONG),
    ("CANCELED", "COMPLETED", WRONG, Reason.TRANSACTION_WRONG),
    ("SCHEDULED", "CANCELED", RIGHT, Reason.NOT_IN_PROGRESS),
    ("IN PROGRESS", "CANCELED", RIGHT, None),
    ("COMPLETED", "CANCELED", RIGHT, Reason.NO_LONGER_UPDATABLE),
    ("CANCELED", "CANCELED", RIGHT, Remark.ALREADY_CANCELED),
    ("SCHEDULED", "CANCELED", NONE, Reason.TRANSACTION_MISSING),
    ("IN PROGRESS", "CANCELED", WRONG, Reason.TRANSACTION_WRONG),
    ("COMPLETED", "CANCELED", WRONG, Reason.TRANSACTION_WRONG),
    ("CANCELED", "CANCELED", WRONG, Reason.TRANSACTION_WRONG),
]


@pytest.mark.parametrize(("state", "asked", "transaction", "expected"), TABLE)
def test_states_change_as_the_table_says(
    archive: Archive, state: str, asked: str, transaction: str, expected: Any
) -> None:
    uid, right = reach(archive, state)
    given = {RIGHT: right, WRONG: "1.2.3.4", NONE: ""}[transaction]
    if isinstance(expected, Reason):
        with pytest.raises(WorkitemRefused) as caught:
            states.change_state(archive, SYSTEM("test"), uid, asked, given)
        assert caught.value.reason is expected
        assert ups.state_of(archive, uid) == state
    else:
        assert states.change_state(archive, SYSTEM("test"), uid, asked, given) is expected
        assert ups.state_of(archive, uid) == asked


def test_a_workitem_that_is_not_there_has_no_state(archive: Archive) -> None:
    with pytest.raises(NotFound):
        states.change_state(archive, SYSTEM("test"), "1.2.3", "IN PROGRESS", CLAIM)


def test_of_two_who_claim_at_once_one_holds_it(archive: Archive) -> None:
    uid = ups.create(archive)
    outcomes: list[Any] = []

    def claim(transaction: str) -> None:
        try:
            outcomes.append(states.change_state(archive, SYSTEM("test"), uid, "IN PROGRESS", transaction))
        except WorkitemRefused as error:
            outcomes.append(error.reason)

    threads = [threading.Thread(target=claim, args=(str(generate_uid()),)) for _ in range(6)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert outcomes.count(None) == 1
    assert outcomes.count(Reason.TRANSACTION_WRONG) == 5


@pytest.mark.parametrize(
    "missing",
    [
        "PerformedStationNameCodeSequence",
        "PerformedProcedureStepStartDateTime",
        "PerformedWorkitemCodeSequence",
        "PerformedProcedureStepEndDateTime",
    ],
)
def test_a_workitem_is_completed_only_with_what_its_final_state_asks_for(archive: Archive, missing: str) -> None:
    uid = ups.create(archive)
    transaction = ups.claim(archive, uid)
    ups.set_performed(archive, uid, transaction, **{missing: None})
    with pytest.raises(WorkitemRefused, match=missing) as caught:
        states.change_state(archive, SYSTEM("test"), uid, "COMPLETED", transaction)
    assert caught.value.reason is Reason.FINAL_STATE_NOT_MET

    ups.set_performed(archive, uid, transaction)
    states.change_state(archive, SYSTEM("test"), uid, "COMPLETED", transaction)
    assert ups.state_of(archive, uid) == "COMPLETED"


def test_a_canceled_workitem_says_when_and_why_though_nobody_said(archive: Archive) -> None:
    uid = ups.create(archive)
    transaction = ups.claim(archive, uid)
    states.change_state(archive, SYSTEM("test"), uid, "CANCELED", transaction)
    found = Dataset.from_json(workitems.get(archive, SYSTEM("test"), uid))
    progress = found.ProcedureStepProgressInformationSequence[0]
    assert progress.ProcedureStepCancellationDateTime
    assert progress.ProcedureStepDiscontinuationReasonCodeSequence[0].CodeValue == "110513"


def test_what_the_performer_said_of_the_end_stays(archive: Archive) -> None:
    uid = ups.create(archive)
    transaction = ups.claim(archive, uid)
    progress = Dataset()
    progress.ReasonForCancellation = "Scanner is down"
    progress.ProcedureStepDiscontinuationReasonCodeSequence = Sequence([ups.code("110501", "DCM", "Equipment failure")])
    ds = Dataset()
    ds.TransactionUID, ds.ProcedureStepProgressInformationSequence = transaction, Sequence([progress])
    workitems.change(archive, SYSTEM("test"), uid, ds.to_json_dict())
    states.change_state(archive, SYSTEM("test"), uid, "CANCELED", transaction)
    found = Dataset.from_json(workitems.get(archive, SYSTEM("test"), uid))
    kept = found.ProcedureStepProgressInformationSequence[0]
    assert kept.ReasonForCancellation == "Scanner is down"
    assert kept.ProcedureStepDiscontinuationReasonCodeSequence[0].CodeValue == "110501"


def cancel_request() -> dict[str, Any]:
    ds = Dataset()
    ds.ReasonForCancellation = "Wrong patient"
    ds.ContactURI, ds.ContactDisplayName = "tel:+49-30-1234", "Dr. Who"
    return ds.to_json_dict()


def test_a_request_cancels_what_nobody_has_begun(archive: Archive, radiologist: Principal) -> None:
    uid = ups.create(archive)
    subscribe(archive, radiologist, uid, "WATCH")
    assert states.request_cancel(archive, radiologist, uid, cancel_request(), "RIS") is None
    found = Dataset.from_json(workitems.get(archive, radiologist, uid))
    assert found.ProcedureStepState == "CANCELED"
    progress = found.ProcedureStepProgressInformationSequence[0]
    assert progress.ReasonForCancellation == "Wrong patient"
    assert progress.ProcedureStepCommunicationsURISequence[0].ContactURI == "tel:+49-30-1234"
    told = ups.told(archive, "WATCH")
    assert [entry for entry in told if entry[0] == 1] == [(1, "SCHEDULED"), (1, "IN PROGRESS"), (1, "CANCELED")]
    assert (2, "") in told


def test_a_request_about_what_is_in_progress_is_passed_on(archive: Archive, radiologist: Principal) -> None:
    uid = ups.create(archive)
    ups.claim(archive, uid)
    subscribe(archive, radiologist, uid, "PERFORMER")
    assert states.request_cancel(archive, radiologist, uid, cancel_request(), "RIS") is None
    assert ups.state_of(archive, uid) == "IN PROGRESS"
    event, about, information = ups.reports_of(archive, "PERFORMER")[-1]
    assert (event, about) == (2, uid)
    assert Dataset.from_json(information).RequestingAE == "RIS"
    assert Dataset.from_json(information).ReasonForCancellation == "Wrong patient"


def test_a_request_that_nobody_would_hear_is_refused(archive: Archive, radiologist: Principal) -> None:
    uid = ups.create(archive)
    ups.claim(archive, uid)
    with pytest.raises(WorkitemRefused) as caught:
        states.request_cancel(archive, radiologist, uid, {}, "RIS")
    assert caught.value.reason is Reason.PERFORMER_OUT_OF_REACH


def test_a_request_about_what_has_ended_says_so(archive: Archive, radiologist: Principal) -> None:
    canceled, _ = reach(archive, "CANCELED")
    assert states.request_cancel(archive, radiologist, canceled, {}, "RIS") is Remark.ALREADY_CANCELED
    completed, _ = reach(archive, "COMPLETED")
    with pytest.raises(WorkitemRefused) as caught:
        states.request_cancel(archive, radiologist, completed, {}, "RIS")
    assert caught.value.reason is Reason.ALREADY_COMPLETED


def test_who_only_reads_changes_no_state(archive: Archive, clinician: Principal) -> None:
    uid = ups.create(archive)
    with pytest.raises(NotAllowed):
        states.change_state(archive, clinician, uid, "IN PROGRESS", CLAIM)
    with pytest.raises(NotAllowed):
        states.request_cancel(archive, clinician, uid, {}, "RIS")
