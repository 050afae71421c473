"""DIMSE-N services between us and pynetdicom, as the side that asks and the side that answers."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from typing import Any

import pytest
from pydicom import Dataset
from pynetdicom import AE, build_role, evt

from filmless.dimse import commands as c
from filmless.dimse.client import Requestor, connect
from filmless.dimse.limits import Limits
from filmless.dimse.normalized import Answer, asking, attend
from filmless.dimse.services import Handlers, Idle, Outcome, Request
from filmless.errors import NotAcceptable
from wire import EXPLICIT_LE, PRINT, VERIFICATION, Scp

UPS_PUSH = "1.2.840.10008.5.1.4.34.6.1"
UPS_PULL = "1.2.840.10008.5.1.4.34.6.3"
FILM_SESSION = "1.2.840.10008.5.1.1.1"
LABEL = {"00741204": {"vr": "LO", "Value": ["Reading"]}}


def ask(port: int, *classes: str) -> Requestor:
    contexts = [(uid, [EXPLICIT_LE]) for uid in classes]
    return connect("127.0.0.1", port, called_ae="SCP", calling_ae="SCU", contexts=contexts)


@pytest.fixture
def peer() -> Iterator[tuple[int, list[Any]]]:
    """A pynetdicom SCP: its port, and what it was asked."""
    seen: list[Any] = []

    def answered(event: Any) -> tuple[int, Dataset]:
        request = event.request
        uid = getattr(request, "AffectedSOPInstanceUID", None) or getattr(request, "RequestedSOPInstanceUID", None)
        number = getattr(request, "ActionTypeID", None) or getattr(request, "EventTypeID", None)
        tags = getattr(request, "AttributeIdentifierList", None)
        seen.append((event.event.name, uid, number, tags))
        reply = Dataset()
        reply.ProcedureStepLabel = "answered"
        return 0, reply

    def deleted(event: Any) -> int:
        seen.append((event.event.name, event.request.RequestedSOPInstanceUID, None, None))
        return 0x0112

    ae = AE("PEER")
    ae.add_supported_context(UPS_PUSH, EXPLICIT_LE)
    ae.add_supported_context(PRINT, EXPLICIT_LE)
    handlers = [
        (getattr(evt, f"EVT_N_{name}"), answered) for name in ("CREATE", "SET", "GET", "ACTION", "EVENT_REPORT")
    ]
    server = ae.start_server(("127.0.0.1", 0), block=False, evt_handlers=[*handlers, (evt.EVT_N_DELETE, deleted)])
    yield server.socket.getsockname()[1], seen
    server.shutdown()


def test_each_service_reaches_pynetdicom_and_its_answer_comes_back(peer: tuple[int, list[Any]]) -> None:
    port, seen = peer
    with ask(port, UPS_PUSH) as association:
        step = asking(association, UPS_PUSH)
        answers = [
            step.create(UPS_PUSH, "1.2.3", LABEL),
            step.set(UPS_PUSH, "1.2.3", LABEL),
            step.get(UPS_PUSH, "1.2.3", [0x00741204, 0x00741000]),
            step.action(UPS_PUSH, "1.2.3", 3, LABEL),
            step.event_report(UPS_PUSH, "1.2.3", 2, LABEL),
        ]
    with ask(port, PRINT) as association:
        assert asking(association, PRINT).delete(FILM_SESSION, "1.2.3").status == c.NO_SUCH_SOP_INSTANCE
    assert [answer.status for answer in answers] == [0] * 5
    assert [answer.data_set for answer in answers] == [{"00741204": {"vr": "LO", "Value": ["answered"]}}] * 5
    assert seen == [
        ("EVT_N_CREATE", "1.2.3", None, None),
        ("EVT_N_SET", "1.2.3", None, None),
        ("EVT_N_GET", "1.2.3", None, [0x00741204, 0x00741000]),
        ("EVT_N_ACTION", "1.2.3", 3, None),
        ("EVT_N_EVENT_REPORT", "1.2.3", 2, None),
        ("EVT_N_DELETE", "1.2.3", None, None),
    ]


def test_pynetdicom_reaches_us_with_each_service(scp: Callable[..., Scp]) -> None:
    seen: list[tuple[int, str, tuple[int, ...], Any]] = []

    def normalized(request: Request) -> Outcome:
        seen.append((request.command.field, request.sop_instance_uid, request.attributes, request.identifier))
        return Outcome(identifier=LABEL) if request.command.field != c.N_DELETE_RQ else Outcome(c.NO_SUCH_SOP_INSTANCE)

    ae = AE("PYNETDICOM")
    ae.add_requested_context(UPS_PUSH)
    association = ae.associate("127.0.0.1", scp(normalized=normalized).port)
    ds = Dataset()
    ds.ProcedureStepLabel = "Reading"
    answers = [
        association.send_n_create(ds, UPS_PUSH, "1.2.3"),
        association.send_n_set(ds, UPS_PUSH, "1.2.3"),
        association.send_n_get([0x00741204], UPS_PUSH, "1.2.3"),
        association.send_n_action(ds, 1, UPS_PUSH, "1.2.3"),
        association.send_n_event_report(ds, 1, UPS_PUSH, "1.2.3"),
    ]
    assert association.send_n_delete(UPS_PUSH, "1.2.3").Status == c.NO_SUCH_SOP_INSTANCE
    association.release()
    assert [(status.Status, reply.ProcedureStepLabel) for status, reply in answers] == [(0, "Reading")] * 5
    assert [field for field, *_ in seen] == [0x0140, 0x0120, 0x0110, 0x0130, 0x0100, 0x0150]
    assert {uid for _, uid, *_ in seen} == {"1.2.3"}
    assert seen[2][2:] == ((0x00741204,), None)
    assert seen[0][3] == LABEL


def test_an_n_create_without_a_uid_hears_the_one_that_was_chosen(scp: Callable[..., Scp]) -> None:
    listening = scp(normalized=lambda _: Outcome(sop_instance_uid="1.2.77"))
    with ask(listening.port, UPS_PUSH) as association:
        answer = asking(association, UPS_PUSH).create(UPS_PUSH, "", LABEL)
    assert answer.command.text(c.AFFECTED_SOP_INSTANCE_UID) == "1.2.77"


def test_a_class_may_be_asked_for_in_the_context_of_another(scp: Callable[..., Scp]) -> None:
    seen: list[tuple[str, str]] = []

    def normalized(request: Request) -> Outcome:
        seen.append((request.context.abstract_syntax, request.sop_class_uid))
        return Outcome(c.NO_SUCH_ACTION, "unknown")

    with ask(scp(normalized=normalized).port, UPS_PULL) as association:
        answer = asking(association, UPS_PULL).action(UPS_PUSH, "1.2.3", 9)
    assert seen == [(UPS_PULL, UPS_PUSH)]
    assert (answer.status, answer.comment, answer.data_set) == (c.NO_SUCH_ACTION, "unknown", None)


def test_a_class_without_a_context_cannot_be_asked(scp: Callable[..., Scp]) -> None:
    with ask(scp().port, VERIFICATION) as association, pytest.raises(NotAcceptable):
        asking(association, UPS_PUSH)


def events_once(answers: list[Answer], stored: list[str]) -> Callable[[Idle], float | None]:
    """An SCP that reports one event when an N-ACTION was answered."""

    def idle(it: Idle) -> float | None:
        if not stored or answers:
            return None
        answers.append(asking(it.association, UPS_PUSH, it.perform).event_report(UPS_PUSH, stored[0], 1, LABEL))
        return None

    return idle


def test_an_scp_reports_an_event_over_the_association_of_the_request(scp: Callable[..., Scp]) -> None:
    answers: list[Answer] = []
    actions: list[str] = []
    events: list[Any] = []

    def normalized(request: Request) -> Outcome:
        actions.append(request.sop_instance_uid)
        return Outcome()

    def on_event(event: Any) -> tuple[int, None]:
        events.append((event.event_type, event.event_information.ProcedureStepLabel))
        return 0, None

    ae = AE("PYNETDICOM")
    ae.add_requested_context(UPS_PUSH)
    port = scp(normalized=normalized, idle=events_once(answers, actions)).port
    association = ae.associate("127.0.0.1", port, evt_handlers=[(evt.EVT_N_EVENT_REPORT, on_event)])
    association.send_n_action(None, 1, UPS_PUSH, "1.2.3")
    for _ in range(200):
        if answers:
            break
        time.sleep(0.02)
    association.release()
    assert events == [(1, "Reading")]
    assert [answer.status for answer in answers] == [0]


def test_a_request_that_crosses_an_event_report_is_performed(scp: Callable[..., Scp]) -> None:
    answers: list[Answer] = []
    actions: list[str] = []

    def normalized(request: Request) -> Outcome:
        actions.append(request.sop_instance_uid)
        return Outcome()

    with ask(scp(normalized=normalized, idle=events_once(answers, actions)).port, UPS_PUSH) as association:
        step = asking(association, UPS_PUSH)
        step.action(UPS_PUSH, "1.2.3", 1)
        assert association.wait_for_message(5)  # the event report is on its way

        def later(context: Any, command: c.Command) -> None:
            crossing.append(command)
            from filmless.dimse.services import perform

            perform(Request(association, context, command), Handlers(normalized=lambda _: Outcome()))

        crossing: list[c.Command] = []
        assert asking(association, UPS_PUSH, later).action(UPS_PUSH, "1.2.4", 1).status == 0
    assert actions == ["1.2.3", "1.2.4"]
    assert [command.field for command in crossing] == [c.N_EVENT_REPORT_RQ]
    assert [answer.status for answer in answers] == [0]


def test_a_requestor_attends_to_events_until_it_has_what_it_waits_for(scp: Callable[..., Scp]) -> None:
    actions: list[str] = []
    heard: list[Any] = []

    def normalized(request: Request) -> Outcome:
        actions.append(request.sop_instance_uid)
        return Outcome()

    def hear(request: Request) -> Outcome:
        heard.append((request.command[c.EVENT_TYPE_ID], request.identifier))
        return Outcome()

    with ask(scp(normalized=normalized, idle=events_once([], actions)).port, UPS_PUSH) as association:
        asking(association, UPS_PUSH).action(UPS_PUSH, "1.2.3", 1)
        attend(association, Handlers(normalized=hear), 5.0, lambda: bool(heard))
        attend(association, Handlers(normalized=hear), 0.05, lambda: False)  # nothing more comes
    assert heard == [(1, LABEL)]


def test_an_idle_handler_is_asked_again_and_the_idle_limit_still_holds(scp: Callable[..., Scp]) -> None:
    calls: list[float] = []

    def idle(_: Idle) -> float | None:
        calls.append(time.monotonic())
        return 0.05

    listening = scp(idle=idle, limits=Limits(idle_timeout_s=0.5, artim_timeout_s=2, network_timeout_s=5))
    association = ask(listening.port, VERIFICATION)
    listening.wait_until_quiet()
    association.close()
    assert len(calls) > 3


def test_a_role_that_pynetdicom_proposes_for_events_is_heard(scp: Callable[..., Scp]) -> None:
    listening = scp()
    ae = AE("PYNETDICOM")
    ae.add_requested_context(UPS_PUSH)
    association = ae.associate(
        "127.0.0.1", listening.port, ext_neg=[build_role(UPS_PUSH, scu_role=False, scp_role=True)]
    )
    association.release()
    (role,) = listening.callers[0].request.user.roles
    assert (role.sop_class_uid, role.scu, role.scp) == (UPS_PUSH, False, True)
