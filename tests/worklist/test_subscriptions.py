"""Who is told of what: table CC.2.3-2, the events of CC.2.4, and how long things are kept."""

from __future__ import annotations

import threading
from dataclasses import replace
from typing import Any, cast

import pytest
from pydicom import Dataset, Sequence

import ups
from callers import principal_of
from doors import add_peer
from filmless.access.principal import Principal
from filmless.archive import Archive
from filmless.archive.jobs import JobContext
from filmless.config import Settings
from filmless.errors import NotAllowed, NotFound, Refused, Unavailable
from filmless.worklist import states, workitems
from filmless.worklist.refusals import Gone, Reason, Remark, WorkitemRefused
from filmless.worklist.subscriptions import subscribe, suspend, unsubscribe
from filmless.worklist.tables import workitem_reports, workitem_subscribers, workitem_subscriptions
from filmless.worklist.tables import workitems as table
from filmless.worklist.tidying import tidy_worklist

AE = "WATCH"
PEER = replace(principal_of("radiologist", kind="peer", rights=frozenset({"query", "worklist"})), door="dimse")


def keys(**values: Any) -> dict[str, Any]:
    ds = Dataset()
    for keyword, value in values.items():
        setattr(ds, keyword, value)
    return cast("dict[str, Any]", ds.to_json_dict())


def is_subscribed(archive: Archive, uid: str, ae_title: str = AE) -> str | None:
    """How an AE is subscribed to a workitem."""
    with archive.reading() as session:
        row = session.execute(
            workitem_subscriptions.select()
            .join(table, table.c.id == workitem_subscriptions.c.workitem_key)
            .join(workitem_subscribers)
            .where(table.c.workitem_uid == uid, workitem_subscribers.c.ae_title == ae_title)
        ).first()
    return None if row is None else "with lock" if row.deletion_lock else "without lock"


def forget_reports(archive: Archive) -> None:
    with archive.transaction() as session:
        session.execute(workitem_reports.delete())


def test_who_subscribes_is_told_the_state_at_once(archive: Archive, radiologist: Principal) -> None:
    uid = ups.create(archive)
    assert subscribe(archive, radiologist, uid, AE) is None
    assert is_subscribed(archive, uid) == "without lock"
    ((event, about, information),) = ups.reports_of(archive, AE)
    assert (event, about) == (1, uid)
    assert information["00741000"]["Value"] == ["SCHEDULED"]
    assert information["00404041"]["Value"] == ["READY"]


def test_subscribing_again_changes_the_lock_and_tells_again(archive: Archive, radiologist: Principal) -> None:
    uid = ups.create(archive)
    for lock, expected in ((False, "without lock"), (True, "with lock"), (True, "with lock"), (False, "without lock")):
        subscribe(archive, radiologist, uid, AE, deletion_lock=lock)
        assert is_subscribed(archive, uid) == expected
    assert ups.told(archive, AE) == [(1, "SCHEDULED")] * 4


def test_a_subscription_ends_when_it_is_told_to(archive: Archive, radiologist: Principal) -> None:
    uid = ups.create(archive)
    subscribe(archive, radiologist, uid, AE)
    forget_reports(archive)
    assert unsubscribe(archive, radiologist, uid, AE)
    assert not unsubscribe(archive, radiologist, uid, AE)
    ups.claim(archive, uid)
    assert ups.reports_of(archive, AE) == []


def test_who_wants_all_is_told_of_new_workitems(archive: Archive, radiologist: Principal) -> None:
    old = ups.create(archive)
    subscribe(archive, radiologist, ups.GLOBAL, AE)
    assert is_subscribed(archive, old) == "without lock"
    assert ups.reports_of(archive, AE) == []
    new = ups.create(archive)
    assert is_subscribed(archive, new) == "without lock"
    assert [(event, uid) for event, uid, _ in ups.reports_of(archive, AE)] == [(1, new)]


def test_who_wants_all_with_a_lock_is_told_of_what_is_there(archive: Archive, radiologist: Principal) -> None:
    old, own = ups.create(archive), ups.create(archive)
    subscribe(archive, radiologist, own, AE)
    forget_reports(archive)
    subscribe(archive, radiologist, ups.GLOBAL, AE, deletion_lock=True)
    assert [(event, uid) for event, uid, _ in ups.reports_of(archive, AE)] == [(1, old)]
    assert (is_subscribed(archive, old), is_subscribed(archive, own)) == ("with lock", "without lock")
    assert is_subscribed(archive, ups.create(archive)) == "with lock"


def test_unsubscribing_from_all_ends_every_subscription(archive: Archive, radiologist: Principal) -> None:
    uid = ups.create(archive)
    subscribe(archive, radiologist, uid, AE)
    subscribe(archive, radiologist, ups.GLOBAL, AE)
    subscribe(archive, radiologist, ups.FILTERED, AE, keys=keys(ScheduledProcedureStepPriority="MEDIUM"))
    assert unsubscribe(archive, radiologist, ups.GLOBAL, AE)
    assert is_subscribed(archive, uid) is None
    assert is_subscribed(archive, ups.create(archive)) is None
    assert not unsubscribe(archive, radiologist, ups.GLOBAL, AE)


def test_suspending_keeps_what_there_is(archive: Archive, radiologist: Principal) -> None:
    uid = ups.create(archive)
    subscribe(archive, radiologist, ups.GLOBAL, AE)
    assert suspend(archive, radiologist, ups.GLOBAL, AE)
    assert is_subscribed(archive, uid) == "without lock"
    assert is_subscribed(archive, ups.create(archive)) is None
    assert not suspend(archive, radiologist, ups.GLOBAL, AE)
    with pytest.raises(WorkitemRefused) as caught:
        suspend(archive, radiologist, uid, AE)
    assert caught.value.reason is Reason.ACTION_NOT_APPROPRIATE


def test_a_filter_chooses_by_the_rules_of_a_search(archive: Archive, radiologist: Principal) -> None:
    mine = {"ScheduledStationNameCodeSequence": Sequence([ups.code("AI1")])}
    old, other = ups.create(archive, **mine), ups.create(archive)
    wanted = Dataset()
    wanted.CodeValue = "AI1"
    subscribe(archive, radiologist, ups.FILTERED, AE, keys=keys(ScheduledStationNameCodeSequence=Sequence([wanted])))
    new = ups.create(archive, **mine)
    assert [is_subscribed(archive, uid) for uid in (old, other, new, ups.create(archive))] == [
        "without lock",
        None,
        "without lock",
        None,
    ]
    assert unsubscribe(archive, radiologist, ups.FILTERED, AE)
    assert is_subscribed(archive, new) is None


def test_a_workitem_that_comes_to_match_a_filter_is_followed(archive: Archive, radiologist: Principal) -> None:
    subscribe(archive, radiologist, ups.FILTERED, AE, keys=keys(ScheduledProcedureStepPriority="HIGH"))
    uid = ups.create(archive)
    assert is_subscribed(archive, uid) is None
    workitems.change(archive, radiologist, uid, keys(ScheduledProcedureStepPriority="HIGH"))
    assert is_subscribed(archive, uid) == "without lock"
    assert ups.told(archive, AE) == [(1, "SCHEDULED")]
    unsubscribe(archive, radiologist, uid, AE)
    workitems.change(archive, radiologist, uid, keys(ProcedureStepLabel="Other"))
    assert is_subscribed(archive, uid) is None


@pytest.mark.parametrize("wanted", [{}, {"00741200": {"vr": "CS"}}, {"00404005": {"vr": "DT", "Value": ["soon"]}}])
def test_a_filter_that_says_nothing_is_refused(
    archive: Archive, radiologist: Principal, wanted: dict[str, Any]
) -> None:
    with pytest.raises(Refused):
        subscribe(archive, radiologist, ups.FILTERED, AE, keys=wanted)


def test_subscribers_hear_of_state_readiness_assignment_and_progress(archive: Archive, radiologist: Principal) -> None:
    uid = ups.create(archive, InputReadinessState="INCOMPLETE")
    subscribe(archive, radiologist, uid, AE)
    forget_reports(archive)
    workitems.change(archive, radiologist, uid, keys(InputReadinessState="READY"))
    workitems.change(archive, radiologist, uid, keys(ScheduledStationNameCodeSequence=Sequence([ups.code("AI1")])))
    workitems.change(archive, radiologist, uid, keys(ProcedureStepLabel="Unheard of"))
    transaction = ups.claim(archive, uid)
    progress = Dataset()
    progress.ProcedureStepProgress = "50"
    changes = keys(ProcedureStepProgressInformationSequence=Sequence([progress]), TransactionUID=transaction)
    workitems.change(archive, radiologist, uid, changes)
    workitems.change(archive, radiologist, uid, changes)
    states.change_state(archive, radiologist, uid, "CANCELED", transaction)

    found = ups.reports_of(archive, AE)
    assert [event for event, _, _ in found] == [1, 5, 1, 3, 1]
    assert Dataset.from_json(found[1][2]).ScheduledStationNameCodeSequence[0].CodeValue == "AI1"
    assert Dataset.from_json(found[3][2]).ProcedureStepProgressInformationSequence[0].ProcedureStepProgress == 50
    last = Dataset.from_json(found[4][2])
    assert (last.ProcedureStepState, last.InputReadinessState) == ("CANCELED", "READY")
    assert last.ProcedureStepDiscontinuationReasonCodeSequence[0].CodeValue == "110513"


def test_an_assignment_at_birth_is_told_to_who_wants_all(archive: Archive, radiologist: Principal) -> None:
    subscribe(archive, radiologist, ups.GLOBAL, AE)
    performer = Dataset()
    performer.HumanPerformerCodeSequence = Sequence([ups.code("RAD1")])
    performer.HumanPerformerName, performer.HumanPerformerOrganization = "Doe^John", "Radiology"
    ups.create(archive, ScheduledHumanPerformersSequence=Sequence([performer]))
    (_, (event, _, information)) = ups.reports_of(archive, AE)
    assert event == 5
    found = Dataset.from_json(information)
    assert found.HumanPerformerCodeSequence[0].CodeValue == "RAD1"
    assert found.ScheduledHumanPerformersSequence[0].HumanPerformerOrganization == "Radiology"


def test_a_lock_is_granted_to_those_who_may_change_workitems(archive: Archive, clinician: Principal) -> None:
    uid = ups.create(archive)
    assert subscribe(archive, clinician, uid, AE, deletion_lock=True) is Remark.LOCK_NOT_GRANTED
    assert is_subscribed(archive, uid) == "without lock"


def test_a_name_belongs_to_who_used_it_first(archive: Archive, radiologist: Principal, clinician: Principal) -> None:
    uid = ups.create(archive)
    subscribe(archive, radiologist, uid, AE)
    with pytest.raises(NotAllowed, match="somebody else"):
        subscribe(archive, clinician, uid, AE)
    with pytest.raises(NotAllowed):
        unsubscribe(archive, clinician, uid, AE)
    token = replace(radiologist, kind="token")
    assert unsubscribe(archive, token, uid, AE)


def test_by_dimse_only_a_peer_that_can_be_called_is_subscribed(archive: Archive) -> None:
    uid = ups.create(archive)
    add_peer(archive, "MUTE")
    for ae_title in ("NOBODY", "MUTE"):
        with pytest.raises(WorkitemRefused) as caught:
            subscribe(archive, PEER, uid, ae_title)
        assert caught.value.reason is Reason.RECEIVER_UNKNOWN
    add_peer(archive, "OTHER", 11113)
    assert subscribe(archive, PEER, uid, "OTHER") is None
    with pytest.raises(NotAllowed):
        subscribe(archive, replace(PEER, rights=frozenset({"query"})), uid, "OTHER")


def test_the_same_name_by_dimse_and_by_websocket_are_two(archive: Archive, radiologist: Principal) -> None:
    uid = ups.create(archive)
    add_peer(archive, AE, 11113)
    subscribe(archive, PEER, uid, AE)
    subscribe(archive, radiologist, uid, AE)
    assert unsubscribe(archive, PEER, uid, AE)
    assert unsubscribe(archive, radiologist, uid, AE)


@pytest.mark.parametrize("ae_title", ["", "SEVENTEEN LETTERS", "A\\B", "Ä"])
def test_a_subscriber_has_an_ae_title(archive: Archive, radiologist: Principal, ae_title: str) -> None:
    with pytest.raises(WorkitemRefused):
        subscribe(archive, radiologist, ups.GLOBAL, ae_title)


def test_there_is_a_most_of_subscribers(settings: Settings, radiologist: Principal) -> None:
    with Archive.open(settings.model_copy(update={"workitem_subscribers_max": 1})) as archive:
        subscribe(archive, radiologist, ups.GLOBAL, "ONE")
        with pytest.raises(Unavailable, match="workitem_subscribers_max"):
            subscribe(archive, radiologist, ups.GLOBAL, "TWO")


def test_nothing_is_there_to_subscribe_to(archive: Archive, radiologist: Principal) -> None:
    with pytest.raises(NotFound):
        subscribe(archive, radiologist, "1.2.3", AE)


def tidy(settings: Settings, **changes: Any) -> None:
    with Archive.open(settings.model_copy(update=changes)) as archive:
        tidy_worklist(archive, {}, JobContext(archive, 1, "tidy_worklist", 1, "test", threading.Event()))


def test_what_has_ended_is_removed_unless_it_is_locked(
    archive: Archive, settings: Settings, radiologist: Principal
) -> None:
    done, locked, under_way = (ups.create(archive) for _ in range(3))
    subscribe(archive, radiologist, locked, AE, deletion_lock=True)
    ups.complete(archive, done)
    ups.complete(archive, locked)
    ups.claim(archive, under_way)

    tidy(settings)
    assert ups.state_of(archive, done) == "COMPLETED"
    tidy(settings, workitem_keep_s=0)
    with pytest.raises(Gone):
        ups.state_of(archive, done)
    assert ups.state_of(archive, locked) == "COMPLETED"
    assert ups.state_of(archive, under_way) == "IN PROGRESS"

    unsubscribe(archive, radiologist, locked, AE)
    tidy(settings, workitem_keep_s=0)
    with pytest.raises(Gone):
        ups.state_of(archive, locked)


def test_a_lock_does_not_keep_a_workitem_for_ever(archive: Archive, settings: Settings, radiologist: Principal) -> None:
    uid = ups.create(archive)
    subscribe(archive, radiologist, uid, AE, deletion_lock=True)
    ups.complete(archive, uid)
    tidy(settings, workitem_keep_s=0, workitem_lock_max_s=0)
    with pytest.raises(Gone):
        ups.state_of(archive, uid)


def test_a_removed_workitem_is_remembered_for_a_time(archive: Archive, settings: Settings) -> None:
    uid = ups.create(archive)
    ups.complete(archive, uid)
    tidy(settings, workitem_keep_s=0)
    with pytest.raises(Gone):
        ups.state_of(archive, uid)
    tidy(settings, workitem_remember_s=0)
    with pytest.raises(NotFound) as caught:
        ups.state_of(archive, uid)
    assert not isinstance(caught.value, Gone)


def test_reports_wait_only_so_long_and_so_many(archive: Archive, settings: Settings, radiologist: Principal) -> None:
    subscribe(archive, radiologist, ups.GLOBAL, AE)
    made = [ups.create(archive) for _ in range(5)]
    tidy(settings, workitem_reports_max=2)
    assert [uid for _, uid, _ in ups.reports_of(archive, AE)] == made[3:]
    tidy(settings, workitem_report_keep_s=0)
    assert ups.reports_of(archive, AE) == []


def test_a_subscriber_without_a_subscription_is_forgotten(
    archive: Archive, settings: Settings, radiologist: Principal
) -> None:
    subscribe(archive, radiologist, ups.GLOBAL, "STAYS")
    subscribe(archive, radiologist, ups.GLOBAL, "GOES")
    unsubscribe(archive, radiologist, ups.GLOBAL, "GOES")
    tidy(settings, workitem_report_keep_s=0)
    with archive.reading() as session:
        left = [row.ae_title for row in session.execute(workitem_subscribers.select())]
    assert left == ["STAYS"]
