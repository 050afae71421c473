"""Unified Procedure Step with pynetdicom as creator, performer and watcher (PS3.4 annex CC)."""

from __future__ import annotations

import queue
from collections.abc import Callable, Iterator
from typing import Any

import pytest
from pydicom import Dataset
from pydicom.uid import generate_uid
from pynetdicom import AE, evt
from pynetdicom.association import Association
from sqlalchemy import select, update

import ups
from doors import Door, add_peer
from filmless.access import audit
from filmless.app.worker import make_worker
from filmless.archive import Archive
from filmless.archive.tables import jobs
from filmless.config import Settings
from filmless.worklist.telling import tell_restarted
from running import free_port

PUSH, WATCH, PULL, EVENT, QUERY = (f"1.2.840.10008.5.1.4.34.6.{number}" for number in range(1, 6))
CHANGE_STATE, CANCEL, SUBSCRIBE, UNSUBSCRIBE, SUSPEND = range(1, 6)
STATE_REPORT, CANCEL_REQUESTED, PROGRESS, SCP_STATUS, ASSIGNED = range(1, 6)


@pytest.fixture
def settings(settings: Settings) -> Settings:
    return settings.model_copy(update={"job_backoff_s": 0.0})


class Watcher:
    """An AE that takes event reports and keeps them."""

    def __init__(self, port: int = 0, status: int = 0) -> None:
        self.status = status
        self.heard: list[tuple[int, str, Dataset]] = []
        self.classes: set[str] = set()
        self.came: queue.SimpleQueue[int] = queue.SimpleQueue()
        ae = AE("WATCHER")
        ae.add_supported_context(EVENT, scu_role=False, scp_role=True)
        handlers: list[Any] = [(evt.EVT_N_EVENT_REPORT, self.hear)]
        self.server = ae.start_server(("127.0.0.1", port), block=False, evt_handlers=handlers)
        self.port = int(self.server.socket.getsockname()[1])

    def hear(self, event: Any) -> tuple[int, None]:
        if self.status == 0:
            request = event.request
            self.classes.add(str(request.AffectedSOPClassUID))
            about = str(request.AffectedSOPInstanceUID)
            self.heard.append((event.event_type, about, event.event_information))
        return self.status, None

    def told(self) -> list[tuple[int, str]]:
        return [(event, information.get("ProcedureStepState", "")) for event, _, information in self.heard]


@pytest.fixture
def watcher(archive: Archive) -> Iterator[Watcher]:
    """The known peer WATCHER, listening."""
    watching = Watcher()
    add_peer(archive, "WATCHER", watching.port, "query")
    yield watching
    watching.server.shutdown()


@pytest.fixture
def door(serving: Callable[..., Door], archive: Archive) -> Door:
    """A listener that knows the peer TEST, which works off the worklist."""
    add_peer(archive, "TEST", None, "worklist")
    return serving()


@pytest.fixture
def asking(door: Door) -> Iterator[Callable[..., Association]]:
    """Open an association for SOP classes."""
    opened: list[Association] = []

    def associate(*classes: str, calling: str = "TEST") -> Association:
        ae = AE(calling)
        for uid in classes:
            ae.add_requested_context(uid)
        opened.append(ae.associate("127.0.0.1", door.port, ae_title="FILMLESS"))
        assert opened[-1].is_established
        return opened[-1]

    yield associate
    for association in opened:
        association.release()


def run_due(archive: Archive) -> None:
    with archive.transaction() as session:
        session.execute(update(jobs).values(run_at=0.0))
    make_worker(archive).run_due()


def dataset(**values: Any) -> Dataset:
    ds = Dataset()
    for keyword, value in values.items():
        setattr(ds, keyword, value)
    return ds


def act(over: Association, model: str, uid: str, action: int, **information: Any) -> int:
    # pynetdicom announces an empty data set and does not send it: without information there is none.
    status, _ = over.send_n_action(dataset(**information) if information else None, action, PUSH, uid, meta_uid=model)
    return int(status.Status)


def read(over: Association, model: str, uid: str, *tags: int) -> tuple[int, Dataset]:
    status, found = over.send_n_get(list(tags), PUSH, uid, meta_uid=model)
    return int(status.Status), found


# ------------------------------------------------------------------------------------------------- push and pull


def test_a_workitem_is_created_found_claimed_worked_off_and_read(
    archive: Archive, asking: Callable[..., Association]
) -> None:
    over, uid, transaction = asking(PUSH, PULL), str(generate_uid()), str(generate_uid())
    status, _ = over.send_n_create(ups.workitem(PatientName="Müller^Änne"), PUSH, uid)
    assert status.Status == 0
    keys = dataset(ProcedureStepState="SCHEDULED", SOPInstanceUID="", PatientName="", ScheduledWorkitemCodeSequence=[])
    answers = list(over.send_c_find(keys, PULL))
    assert [status.Status for status, _ in answers] == [0xFF00, 0]
    found = answers[0][1]
    assert (found.SOPInstanceUID, str(found.PatientName)) == (uid, "Müller^Änne")
    assert found.ScheduledWorkitemCodeSequence[0].CodeValue == "110005"
    claimed = {"ProcedureStepState": "IN PROGRESS", "TransactionUID": transaction}
    assert act(over, PULL, uid, CHANGE_STATE, **claimed) == 0
    performed = ups.performed()
    performed.TransactionUID = transaction
    status, _ = over.send_n_set(performed, PUSH, uid, meta_uid=PULL)
    assert status.Status == 0
    assert act(over, PULL, uid, CHANGE_STATE, ProcedureStepState="COMPLETED", TransactionUID=transaction) == 0
    status, found = read(over, PULL, uid)
    assert (status, found.ProcedureStepState) == (0, "COMPLETED")
    assert "TransactionUID" not in found
    rows, _ = audit.read(archive, action="workitem_create")
    assert [(row.actor, row.object) for row in rows] == [("TEST", uid)]


def test_who_creates_without_a_uid_is_told_the_one_that_was_given(
    archive: Archive, asking: Callable[..., Association]
) -> None:
    made: list[str] = []
    over = asking(PUSH)
    over.bind(evt.EVT_DIMSE_RECV, lambda event: made.append(str(event.message.command_set.AffectedSOPInstanceUID)))
    status, _ = over.send_n_create(ups.workitem(), PUSH)
    assert status.Status == 0
    assert ups.state_of(archive, made[0]) == "SCHEDULED"


def test_chosen_attributes_are_read_and_the_lock_never(archive: Archive, asking: Callable[..., Association]) -> None:
    uid = ups.create(archive)
    ups.claim(archive, uid)
    over = asking(WATCH, calling="TEST")
    status, found = read(over, WATCH, uid, 0x00741000, 0x00100010)
    assert (status, [element.keyword for element in found]) == (0, ["PatientName", "ProcedureStepState"])
    status, found = read(over, WATCH, uid, 0x00741000, 0x00081195)
    assert (status, [element.keyword for element in found]) == (1, ["ProcedureStepState"])


def in_progress(archive: Archive) -> tuple[str, str]:
    uid = ups.create(archive)
    return uid, ups.claim(archive, uid)


def test_each_refusal_of_a_change_of_state_has_its_status(archive: Archive, asking: Callable[..., Association]) -> None:
    over = asking(PULL)

    def change(uid: str, state: str, transaction_uid: str) -> int:
        return act(over, PULL, uid, CHANGE_STATE, ProcedureStepState=state, TransactionUID=transaction_uid)

    scheduled = ups.create(archive)
    assert change(scheduled, "IN PROGRESS", "") == 0xC301
    assert change(scheduled, "SCHEDULED", "1.2.3") == 0xC303
    assert change(scheduled, "COMPLETED", "1.2.3") == 0xC310
    assert change("1.2.3.404", "IN PROGRESS", "1.2.3") == 0xC307
    uid, lock = in_progress(archive)
    assert change(uid, "IN PROGRESS", lock) == 0xC302
    assert change(uid, "COMPLETED", "1.2.3") == 0xC301
    assert change(uid, "COMPLETED", lock) == 0xC304
    assert change(uid, "CANCELED", lock) == 0
    assert change(uid, "CANCELED", lock) == 0xB304
    done = ups.create(archive)
    lock = ups.complete(archive, done)
    assert change(done, "COMPLETED", lock) == 0xB306
    assert change(done, "CANCELED", lock) == 0xC300


def test_each_refusal_of_a_creation_has_its_status(asking: Callable[..., Association]) -> None:
    over = asking(PUSH)

    def create(uid: str = "", **changes: Any) -> int:
        status, _ = over.send_n_create(ups.workitem(**changes), PUSH, uid or str(generate_uid()))
        return int(status.Status)

    assert create("1.2.3.9") == 0
    assert create("1.2.3.9") == 0x0111
    assert create(ProcedureStepState="IN PROGRESS") == 0xC309
    assert create(ProcedureStepLabel=None) == 0x0120
    assert create(ProcedureStepLabel="") == 0x0121
    assert create(ScheduledProcedureStepPriority="AT ONCE") == 0x0106


def test_each_refusal_of_a_set_has_its_status(archive: Archive, asking: Callable[..., Association]) -> None:
    over = asking(PULL)

    def change(uid: str, **values: Any) -> int:
        status, _ = over.send_n_set(dataset(**values), PUSH, uid, meta_uid=PULL)
        return int(status.Status)

    uid, lock = in_progress(archive)
    assert change(uid, WorklistLabel="Night") == 0xC301
    assert change(uid, WorklistLabel="Night", TransactionUID=lock) == 0
    assert change(uid, PatientName="Other", TransactionUID=lock) == 0x0106
    assert change(ups.create(archive), WorklistLabel="Night", TransactionUID=lock) == 0xC310
    ended = ups.create(archive)
    assert change(ended, WorklistLabel="Night", TransactionUID=ups.complete(archive, ended)) == 0xC300


def test_an_action_of_another_sop_class_is_0123(archive: Archive, asking: Callable[..., Association]) -> None:
    over, uid = asking(PUSH, PULL, WATCH), ups.create(archive)
    for model, action in ((PUSH, SUBSCRIBE), (PULL, CANCEL), (WATCH, CHANGE_STATE)):
        assert act(over, model, uid, action, ReceivingAE="TEST") == 0x0123


def test_a_search_is_refused_or_has_its_remark(archive: Archive, asking: Callable[..., Association]) -> None:
    ups.create(archive)
    over = asking(QUERY)
    answers = [status.Status for status, _ in over.send_c_find(dataset(TransactionUID="", PatientID=""), QUERY)]
    assert answers == [0xFF01, 0]
    odd = dataset(ScheduledProcedureStepStartDateTime="yesterday")
    assert [status.Status for status, _ in over.send_c_find(odd, QUERY)] == [0xA900]


# ------------------------------------------------------------------------------------------------- watch and event


def test_a_watcher_hears_the_life_of_a_workitem_in_order(
    archive: Archive, asking: Callable[..., Association], watcher: Watcher
) -> None:
    uid = ups.create(archive)
    over = asking(WATCH, calling="WATCHER")
    assert act(over, WATCH, uid, SUBSCRIBE, ReceivingAE="WATCHER", DeletionLock="FALSE") == 0
    lock = ups.claim(archive, uid)
    ups.set_performed(archive, uid, lock)
    over.release()
    run_due(archive)
    assert watcher.told() == [(STATE_REPORT, "SCHEDULED"), (STATE_REPORT, "IN PROGRESS")]
    assert {about for _, about, _ in watcher.heard} == {uid}
    assert watcher.classes == {PUSH}
    rows, _ = audit.read(archive, action="workitem_report")
    assert {(row.outcome, row.object) for row in rows} == {("success", uid)}
    assert len(rows) == 2


def test_a_global_subscriber_hears_of_what_is_made_later_until_it_suspends(
    archive: Archive, asking: Callable[..., Association], watcher: Watcher
) -> None:
    over = asking(WATCH, calling="WATCHER")
    assert act(over, WATCH, ups.GLOBAL, SUBSCRIBE, ReceivingAE="WATCHER", DeletionLock="FALSE") == 0
    first = ups.create(archive)
    assert act(over, WATCH, ups.GLOBAL, SUSPEND, ReceivingAE="WATCHER") == 0
    ups.create(archive)
    ups.claim(archive, first)
    run_due(archive)
    assert [(event, about) for event, about, _ in watcher.heard] == [(STATE_REPORT, first)] * 2
    assert act(over, WATCH, ups.GLOBAL, UNSUBSCRIBE, ReceivingAE="WATCHER") == 0
    ups.create(archive)
    run_due(archive)
    assert len(watcher.heard) == 2


def test_a_filtered_subscriber_hears_of_what_matches(
    archive: Archive, asking: Callable[..., Association], watcher: Watcher
) -> None:
    over = asking(WATCH, calling="WATCHER")
    keys = {"ReceivingAE": "WATCHER", "DeletionLock": "FALSE", "ScheduledProcedureStepPriority": "HIGH"}
    assert act(over, WATCH, ups.FILTERED, SUBSCRIBE, **keys) == 0
    ups.create(archive)
    wanted = ups.create(archive, ScheduledProcedureStepPriority="HIGH")
    run_due(archive)
    assert [about for _, about, _ in watcher.heard] == [wanted]


def test_a_request_to_cancel_reaches_who_subscribed(
    archive: Archive, asking: Callable[..., Association], watcher: Watcher
) -> None:
    over = asking(PUSH, WATCH)
    uid, _ = in_progress(archive)
    assert act(over, PUSH, uid, CANCEL, ReasonForCancellation="Moved") == 0xC312
    assert act(asking(WATCH, calling="WATCHER"), WATCH, uid, SUBSCRIBE, ReceivingAE="WATCHER") == 0
    assert act(over, PUSH, uid, CANCEL, ReasonForCancellation="Moved") == 0
    run_due(archive)
    event, about, information = watcher.heard[-1]
    assert (event, about, information.RequestingAE) == (CANCEL_REQUESTED, uid, "TEST")
    assert information.ReasonForCancellation == "Moved"
    scheduled = ups.create(archive)
    assert act(over, WATCH, scheduled, CANCEL) == 0
    assert ups.state_of(archive, scheduled) == "CANCELED"
    assert act(over, WATCH, scheduled, CANCEL) == 0xB304
    done = ups.create(archive)
    ups.complete(archive, done)
    assert act(over, WATCH, done, CANCEL) == 0xC311


def test_each_refusal_of_a_subscription_has_its_status(
    archive: Archive, asking: Callable[..., Association], watcher: Watcher
) -> None:
    over, uid = asking(WATCH, calling="WATCHER"), ups.create(archive)
    workers = asking(WATCH)
    assert act(workers, WATCH, uid, SUBSCRIBE, ReceivingAE="NOBODY") == 0xC308
    assert act(over, WATCH, uid, SUBSCRIBE, ReceivingAE="") == 0x0121
    assert act(over, WATCH, uid, SUBSCRIBE, ReceivingAE="WATCHER", DeletionLock="TRUE") == 0xB301
    assert act(over, WATCH, uid, SUSPEND, ReceivingAE="WATCHER") == 0xC314
    assert act(over, WATCH, "1.2.3.404", SUBSCRIBE, ReceivingAE="WATCHER") == 0xC307
    assert act(over, WATCH, ups.FILTERED, SUBSCRIBE, ReceivingAE="WATCHER") == 0x0120
    add_peer(archive, "OTHER", 11112, "query")
    assert act(over, WATCH, uid, SUBSCRIBE, ReceivingAE="OTHER") == 0x0124
    assert act(over, WATCH, uid, CANCEL) == 0x0124


def test_reports_wait_for_a_watcher_that_is_away(
    archive: Archive, settings: Settings, asking: Callable[..., Association]
) -> None:
    port = free_port()
    add_peer(archive, "WATCHER", port, "query")
    uid = ups.create(archive)
    assert act(asking(WATCH, calling="WATCHER"), WATCH, uid, SUBSCRIBE, ReceivingAE="WATCHER") == 0
    for _ in range(settings.job_attempts_max + 2):
        run_due(archive)
    ups.claim(archive, uid)
    watching = Watcher(port, status=0x0110)  # it is back, but cannot take them yet
    try:
        run_due(archive)
        with archive.reading() as session:
            (job,) = session.execute(select(jobs).where(jobs.c.name == "send_workitem_reports")).all()
        assert (job.state, "0x0110" in job.error) == ("waiting", True)
        watching.status = 0
        run_due(archive)
    finally:
        watching.server.shutdown()
    assert watching.told() == [(STATE_REPORT, "SCHEDULED"), (STATE_REPORT, "IN PROGRESS")]


def test_a_report_that_is_refused_for_good_does_not_hold_up_those_behind_it(
    archive: Archive, asking: Callable[..., Association], watcher: Watcher
) -> None:
    uid = ups.create(archive)
    assert act(asking(WATCH, calling="WATCHER"), WATCH, uid, SUBSCRIBE, ReceivingAE="WATCHER") == 0
    watcher.status = 0x0113
    run_due(archive)
    watcher.status = 0
    ups.claim(archive, uid)
    run_due(archive)
    assert watcher.told() == [(STATE_REPORT, "IN PROGRESS")]


def test_subscribers_hear_that_the_service_is_back(
    archive: Archive, asking: Callable[..., Association], watcher: Watcher
) -> None:
    assert act(asking(WATCH, calling="WATCHER"), WATCH, ups.GLOBAL, SUBSCRIBE, ReceivingAE="WATCHER") == 0
    tell_restarted(archive, own_process=0)  # another listener is alive: nothing was down
    run_due(archive)
    assert watcher.heard == []
    with archive.reading() as session:
        from filmless.archive.tables import processes

        key = session.execute(select(processes.c.id).where(processes.c.role == "dicom")).scalar_one()
    tell_restarted(archive, own_process=key)
    run_due(archive)
    ((event, about, information),) = watcher.heard
    assert (event, about) == (SCP_STATUS, ups.GLOBAL)
    assert (information.SCPStatus, information.SubscriptionListStatus) == ("RESTARTED", "WARM START")


# ------------------------------------------------------------------------------------------------- rights


@pytest.mark.parametrize(
    ("right", "accepted"),
    [("worklist", {PUSH, PULL, WATCH, QUERY}), ("query", {WATCH, QUERY}), ("store", set())],
)
def test_the_classes_are_allowed_by_what_they_do(
    archive: Archive, serving: Callable[..., Door], right: str, accepted: set[str]
) -> None:
    add_peer(archive, "SOMEONE", None, right, "echo")
    ae = AE("SOMEONE")
    for uid in (PUSH, PULL, WATCH, QUERY, EVENT, "1.2.840.10008.1.1"):
        ae.add_requested_context(uid)
    over = ae.associate("127.0.0.1", serving().port, ae_title="FILMLESS")
    got = {str(context.abstract_syntax) for context in over.accepted_contexts}
    over.release()
    assert got == accepted | {"1.2.840.10008.1.1"}
