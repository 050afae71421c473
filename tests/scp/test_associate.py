"""Who may associate, and what each presentation context is answered (PS3.8 9.3.3.2)."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

import make
from doors import Door, add_peer
from filmless.access import audit, peers
from filmless.archive import Archive
from filmless.dimse import commands, pdus
from filmless.dimse.client import Rejected, RejectedForNow
from filmless.dimse.pdus import ExtendedNegotiation, RoleSelection
from wire import EXPLICIT_LE, IMPLICIT_LE, PRINT, STUDY_FIND, STUDY_GET, STUDY_MOVE, VERIFICATION

PRIVATE_CLASS = "1.2.392.200036.9116.7.8.1.1.1"
PRIVATE_SYNTAX = "1.2.276.0.99.1"


def results(door: Door, *contexts: tuple[str, str], **more: Any) -> list[int]:
    with door.ask(*contexts, **more) as association:
        assert association.answer is not None
        return [context.result for context in association.answer.contexts]


def test_a_stranger_is_refused_and_remembered_with_what_it_proposed(door: Door, archive: Archive) -> None:
    with pytest.raises(Rejected) as caught:
        door.ask((VERIFICATION, IMPLICIT_LE), (make.CT, IMPLICIT_LE), calling="STRANGER")
    assert (caught.value.result, caught.value.source, caught.value.reason) == (1, 1, 3)
    (unknown,) = peers.list_unknown(archive)
    assert (unknown.ae_title, unknown.address, unknown.called_ae_title) == ("STRANGER", "127.0.0.1", "FILMLESS")
    assert unknown.proposed == (VERIFICATION, make.CT)


def test_a_known_title_from_another_address_is_a_stranger(serving: Callable[..., Door], archive: Archive) -> None:
    add_peer(archive, "ELSEWHERE", host="192.0.2.1")
    with pytest.raises(Rejected) as caught:
        serving().ask((VERIFICATION, IMPLICIT_LE), calling="ELSEWHERE")
    assert caught.value.reason == pdus.USER_CALLING_AE_NOT_RECOGNIZED


def test_a_peer_admitted_while_we_run_is_served_at_once(door: Door, archive: Archive) -> None:
    with pytest.raises(Rejected):
        door.ask((VERIFICATION, IMPLICIT_LE), calling="NEW")
    add_peer(archive, "NEW")
    with door.ask((VERIFICATION, IMPLICIT_LE), calling="NEW") as association:
        assert association.echo() == 0


def test_another_called_title_is_refused_with_reason_7_and_audited(door: Door, archive: Archive) -> None:
    with pytest.raises(Rejected) as caught:
        door.ask((VERIFICATION, IMPLICIT_LE), called="OTHER")
    assert (caught.value.result, caught.value.source, caught.value.reason) == (1, 1, 7)
    rows, _ = audit.read(archive, action="association")
    assert [(row.actor, row.outcome, row.object) for row in rows] == [("TEST", "refused", "OTHER")]


def test_the_echoes_of_an_association_leave_one_audit_row(door: Door, archive: Archive) -> None:
    for _ in range(2):
        with door.ask((VERIFICATION, IMPLICIT_LE)) as association:
            assert [association.echo() for _ in range(3)] == [0, 0, 0]
    rows, _ = audit.read(archive, action="echo")
    assert [(row.actor, row.outcome) for row in rows] == [("TEST", "success")] * 2


def test_services_are_allowed_one_by_one(serving: Callable[..., Door], archive: Archive) -> None:
    add_peer(archive, "SENDER", None, "store")
    contexts = (
        (VERIFICATION, IMPLICIT_LE),
        (make.CT, EXPLICIT_LE),
        (STUDY_FIND, IMPLICIT_LE),
        (STUDY_MOVE, IMPLICIT_LE),
    )
    assert results(serving(), *contexts, calling="SENDER") == [1, 0, 1, 1]


def test_a_service_that_we_do_not_offer_is_an_unsupported_abstract_syntax(door: Door) -> None:
    assert results(door, (PRINT, IMPLICIT_LE), ("1.2.840.10008.5.1.4.31", IMPLICIT_LE)) == [3, 3]


def test_a_search_in_a_compressed_syntax_is_an_unsupported_transfer_syntax(door: Door) -> None:
    assert results(door, (STUDY_FIND, make.RLE), (STUDY_FIND, make.EXPLICIT_BE)) == [4, 0]


@pytest.mark.parametrize(
    "sop_class", [make.CT, PRIVATE_CLASS, "1.2.840.10008.5.1.4.1.1.999", "1.2.840.10008.5.1.4.34.7"]
)
@pytest.mark.parametrize("syntax", [IMPLICIT_LE, make.DEFLATED, make.RLE, "1.2.840.10008.1.2.4.203", PRIVATE_SYNTAX])
def test_any_storage_class_in_any_syntax_is_accepted(door: Door, sop_class: str, syntax: str) -> None:
    assert results(door, (sop_class, syntax)) == [0]


def test_the_first_proposed_syntax_that_we_know_is_taken(door: Door) -> None:
    from filmless.dimse.client import connect

    with connect(
        "127.0.0.1",
        door.port,
        called_ae="FILMLESS",
        calling_ae="TEST",
        contexts=[(make.CT, [PRIVATE_SYNTAX, make.RLE, EXPLICIT_LE])],
    ) as association:
        assert association.accepted_contexts[0].transfer_syntax == make.RLE


def test_roles_are_granted_as_far_as_the_rights_go(serving: Callable[..., Door], archive: Archive) -> None:
    add_peer(archive, "READER", None, "retrieve")
    wanted = [RoleSelection(make.CT, scu=True, scp=True)]
    with serving().ask((STUDY_GET, IMPLICIT_LE), (make.CT, EXPLICIT_LE), calling="READER", roles=wanted) as association:
        assert association.answer is not None
        assert association.answer.user.roles == (RoleSelection(make.CT, scu=False, scp=True),)
        assert association.store(make.CT, "1.2.3", EXPLICIT_LE, b"data") == commands.UNRECOGNIZED_OPERATION


def test_extended_negotiation_is_answered_per_service(door: Door) -> None:
    asked = [
        ExtendedNegotiation(STUDY_FIND, b"\1\1\1\1\1"),
        ExtendedNegotiation(STUDY_MOVE, b"\1\1"),
        ExtendedNegotiation(make.CT, b"\2\0\0\0\0\0"),
        ExtendedNegotiation(PRINT, b"\1"),
    ]
    with door.ask((STUDY_FIND, IMPLICIT_LE), (STUDY_MOVE, IMPLICIT_LE), extended=asked) as association:
        assert association.answer is not None
        answers = {item.sop_class_uid: item.information for item in association.answer.user.extended}
    assert answers == {STUDY_FIND: b"\1\1\1\1\0", STUDY_MOVE: b"\1\0", make.CT: b"\2\0\3\0\0\0"}


def test_a_user_identity_is_neither_needed_nor_answered(door: Door) -> None:
    from filmless.dimse.pdus import UserIdentity

    identity = UserIdentity(2, b"name", b"passcode", response_requested=True)
    with door.ask((VERIFICATION, IMPLICIT_LE), user_identity=identity) as association:
        assert association.answer is not None
        assert association.answer.user.user_identity_response is None
        assert association.echo() == 0


def test_an_archive_that_cannot_be_asked_refuses_for_now(
    door: Door, archive: Archive, monkeypatch: pytest.MonkeyPatch
) -> None:
    from filmless.errors import Unavailable

    def away(*_: object) -> None:
        raise Unavailable("the database is away")

    monkeypatch.setattr(peers, "find_peer", away)
    with pytest.raises(RejectedForNow, match="busy"):
        door.ask((VERIFICATION, IMPLICIT_LE))


def test_every_retrieve_model_is_accepted(door: Door) -> None:
    arcs = [f"1.2.840.10008.5.1.4.1.2.{model}.{kind}" for model in (1, 2, 3) for kind in (2, 3)]
    assert results(door, *((uid, IMPLICIT_LE) for uid in arcs)) == [0] * 6


def test_we_say_who_we_are(door: Door) -> None:
    with door.ask((VERIFICATION, IMPLICIT_LE)) as association:
        assert association.answer is not None
        user = association.answer.user
    assert user.implementation_class_uid == "2.25.13953235325717162550666812778957477409"
    assert (user.implementation_version, user.max_pdu_bytes) == ("FILMLESS_01", 1 << 20)
