"""What is proposed, answered and kept of an association's negotiation, with pynetdicom as the other side."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from pynetdicom import AE, build_role, evt
from pynetdicom.pdu_primitives import (
    AsynchronousOperationsWindowNegotiation,
    SOPClassCommonExtendedNegotiation,
    SOPClassExtendedNegotiation,
    UserIdentityNegotiation,
)

from filmless.dimse import pdus
from filmless.dimse.client import Rejected, RejectedForNow, connect
from filmless.dimse.limits import Limits
from filmless.dimse.pdus import (
    CommonExtendedNegotiation,
    ContextAnswer,
    ExtendedNegotiation,
    RoleSelection,
    UserIdentity,
)
from filmless.dimse.server import Accept, Caller, Reject
from filmless.errors import NotAcceptable, Refused, Unavailable
from wire import CT, EXPLICIT_LE, IMPLICIT_LE, PRINT, STUDY_FIND, STUDY_GET, VERIFICATION, Scp

MR = "1.2.840.10008.5.1.4.1.1.4"


@pytest.fixture
def scu() -> AE:
    ae = AE("PYNETDICOM")
    ae.add_requested_context(VERIFICATION, IMPLICIT_LE)
    ae.acse_timeout = ae.dimse_timeout = ae.network_timeout = 5
    return ae


def test_the_request_reaches_the_authorizer_as_sent(scp: Callable[..., Scp], scu: AE) -> None:
    listening = scp()
    association = scu.associate("127.0.0.1", listening.port, ae_title="CALLED", max_pdu=32768)
    association.release()
    caller = listening.callers[0]
    assert (caller.address, caller.is_tls) == ("127.0.0.1", False)
    request = caller.request
    assert (request.called_ae, request.calling_ae) == ("CALLED", "PYNETDICOM")
    assert request.contexts == (pdus.ProposedContext(1, VERIFICATION, (IMPLICIT_LE,)),)
    assert request.user.max_pdu_bytes == 32768
    assert request.user.implementation_version.startswith("PYNETDICOM")


def test_the_answer_says_who_we_are_and_how_long_a_pdu_may_be(scp: Callable[..., Scp], scu: AE) -> None:
    association = scu.associate("127.0.0.1", scp(limits=Limits(pdu_max_bytes=1 << 19)).port)
    assert association.is_established
    assert association.acceptor.maximum_length == 1 << 19
    assert association.acceptor.implementation_class_uid == "2.25.42"
    assert association.acceptor.implementation_version_name == "TESTSCP"
    association.release()


def test_each_context_is_answered_by_itself(scp: Callable[..., Scp], scu: AE) -> None:
    results = {VERIFICATION: 0, CT: 1, MR: 2, STUDY_FIND: 3, PRINT: 4}

    def authorize(caller: Caller) -> Accept:
        return Accept(
            tuple(
                ContextAnswer(context.context_id, results[context.abstract_syntax], context.transfer_syntaxes[-1])
                for context in caller.request.contexts
            )
        )

    for uid in (CT, MR, STUDY_FIND, PRINT):
        scu.add_requested_context(uid, [EXPLICIT_LE, IMPLICIT_LE])
    association = scu.associate("127.0.0.1", scp(authorize=authorize).port)
    answered = {context.abstract_syntax: context.result for context in association.rejected_contexts}
    association.release()
    assert answered == {uid: result for uid, result in results.items() if result}


@pytest.mark.parametrize(
    ("reject", "expected"),
    [
        (Reject(pdus.USER_CALLING_AE_NOT_RECOGNIZED), (1, 1, 3)),
        (Reject(pdus.USER_CALLED_AE_NOT_RECOGNIZED), (1, 1, 7)),
        (Reject(pdus.PRESENTATION_TEMPORARY_CONGESTION, pdus.SOURCE_PRESENTATION, 2), (2, 3, 1)),
    ],
)
def test_a_rejection_names_its_source_and_reason(
    scp: Callable[..., Scp], scu: AE, reject: Reject, expected: tuple[int, int, int]
) -> None:
    association = scu.associate("127.0.0.1", scp(authorize=lambda _: reject).port)
    assert association.is_rejected
    answer = association.acceptor.primitive
    assert (answer.result, answer.result_source, answer.diagnostic) == expected


def test_our_requestor_tells_a_rejection_for_good_from_one_for_now(scp: Callable[..., Scp]) -> None:
    def ask(reject: Reject) -> None:
        port = scp(authorize=lambda _: reject).port
        connect("127.0.0.1", port, called_ae="A", calling_ae="B", contexts=[(VERIFICATION, [IMPLICIT_LE])])

    with pytest.raises(Rejected, match="does not know our AE title"):
        ask(Reject(pdus.USER_CALLING_AE_NOT_RECOGNIZED))
    with pytest.raises(RejectedForNow, match="busy"):
        ask(Reject(pdus.PRESENTATION_TEMPORARY_CONGESTION, pdus.SOURCE_PRESENTATION, pdus.REJECTED_TRANSIENT))


def test_roles_extended_and_identity_pass_both_ways(scp: Callable[..., Scp], scu: AE) -> None:
    def authorize(caller: Caller) -> Accept:
        contexts = tuple(
            ContextAnswer(context.context_id, 0, context.transfer_syntaxes[0]) for context in caller.request.contexts
        )
        return Accept(
            contexts,
            roles=(RoleSelection(CT, scu=False, scp=True),),
            extended=(ExtendedNegotiation(STUDY_FIND, b"\1\0\1"),),
            user_identity_response=b"ticket",
        )

    listening = scp(authorize=authorize)
    scu.add_requested_context(STUDY_GET)
    scu.add_requested_context(STUDY_FIND)
    scu.add_requested_context(CT)
    extended = SOPClassExtendedNegotiation()
    extended.sop_class_uid = STUDY_FIND
    extended.service_class_application_information = b"\1\1\1"
    common = SOPClassCommonExtendedNegotiation()
    common.sop_class_uid = CT
    common.service_class_uid = "1.2.840.10008.4.2"
    common.related_general_sop_class_identification = [MR]
    window = AsynchronousOperationsWindowNegotiation()
    window.maximum_number_operations_invoked = 5
    window.maximum_number_operations_performed = 3
    identity = UserIdentityNegotiation()
    identity.user_identity_type = 2
    identity.primary_field = b"nurse"
    identity.secondary_field = b"secret"
    identity.positive_response_requested = True
    items = [build_role(CT, scp_role=True), extended, common, window, identity]
    association = scu.associate("127.0.0.1", listening.port, ext_neg=items)
    association.release()

    user = listening.callers[0].request.user
    assert user.roles == (RoleSelection(CT, scu=False, scp=True),)
    assert user.extended == (ExtendedNegotiation(STUDY_FIND, b"\1\1\1"),)
    assert user.common_extended == (CommonExtendedNegotiation(CT, "1.2.840.10008.4.2", (MR,)),)
    assert user.operations_window == (5, 3)
    assert user.user_identity == UserIdentity(2, b"nurse", b"secret", response_requested=True)
    assert "secret" not in repr(user)

    answer = association.acceptor
    assert answer.role_selection[CT].scp_role
    assert not answer.role_selection[CT].scu_role
    assert answer.sop_class_extended == {STUDY_FIND: b"\1\0\1"}
    assert answer.user_identity.server_response == b"ticket"
    assert answer.asynchronous_operations == (5, 1)


def test_no_window_is_answered_when_none_was_proposed(scp: Callable[..., Scp]) -> None:
    port = scp().port
    with connect(
        "127.0.0.1", port, called_ae="A", calling_ae="B", contexts=[(VERIFICATION, [IMPLICIT_LE])]
    ) as association:
        assert association.answer is not None
        assert association.answer.user.operations_window is None


def test_an_unlimited_window_is_answered_with_our_limit(scp: Callable[..., Scp]) -> None:
    with connect(
        "127.0.0.1",
        scp(limits=Limits(operations_max=8)).port,
        called_ae="A",
        calling_ae="B",
        contexts=[(VERIFICATION, [IMPLICIT_LE])],
        operations_window=(0, 0),
    ) as association:
        assert association.answer is not None
        assert association.answer.user.operations_window == (8, 1)


def test_our_requestor_proposes_what_it_was_given() -> None:
    seen: list[object] = []
    ae = AE("PEER")
    ae.add_supported_context(STUDY_GET)
    ae.add_supported_context(CT, scu_role=True, scp_role=True)
    server = ae.start_server(("127.0.0.1", 0), block=False, evt_handlers=[(evt.EVT_ACCEPTED, seen.append)])
    with connect(
        "127.0.0.1",
        server.socket.getsockname()[1],
        called_ae="PEER",
        calling_ae="US",
        contexts=[(STUDY_GET, [IMPLICIT_LE]), (CT, [IMPLICIT_LE, EXPLICIT_LE])],
        implementation=("2.25.7", "OURS"),
        roles=[RoleSelection(CT, scu=False, scp=True)],
        extended=[ExtendedNegotiation(STUDY_GET, b"\1")],
        common_extended=[CommonExtendedNegotiation(CT, "1.2.840.10008.4.2")],
        user_identity=UserIdentity(1, b"someone"),
    ) as association:
        assert {context.abstract_syntax for context in association.accepted_contexts} == {STUDY_GET, CT}
        assert association.answer is not None
        assert association.answer.user.roles == (RoleSelection(CT, scu=False, scp=True),)
        with pytest.raises(NotAcceptable, match=MR):
            association.get_context(MR)
    server.shutdown()
    requestor = seen[0].assoc.requestor  # type: ignore[attr-defined]
    assert requestor.implementation_class_uid == "2.25.7"
    assert requestor.implementation_version_name == "OURS"
    assert requestor.maximum_length == 1 << 20
    assert requestor.user_identity.primary_field == b"someone"
    assert requestor.sop_class_extended == {STUDY_GET: b"\1"}


def test_more_than_128_contexts_are_refused_before_anything_is_sent() -> None:
    with pytest.raises(Refused, match="129"):
        connect("127.0.0.1", 1, called_ae="A", calling_ae="B", contexts=[(CT, [IMPLICIT_LE])] * 129)


def test_a_peer_that_is_not_there_is_named_in_words() -> None:
    with pytest.raises(Unavailable, match="connection refused"):
        connect("127.0.0.1", 1, called_ae="A", calling_ae="B", contexts=[(CT, [IMPLICIT_LE])])


def test_a_peer_that_never_answers_is_given_up(raw: object) -> None:
    import socket

    with socket.create_server(("127.0.0.1", 0)) as silent, pytest.raises(Unavailable, match="too long"):
        connect(
            "127.0.0.1",
            silent.getsockname()[1],
            called_ae="A",
            calling_ae="B",
            contexts=[(CT, [IMPLICIT_LE])],
            limits=Limits(artim_timeout_s=0.3),
        )
