"""PDUs and command sets against pynetdicom's, and against any bytes at all."""

from __future__ import annotations

import contextlib

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pynetdicom.pdu import A_ASSOCIATE_AC, A_ASSOCIATE_RQ

from filmless.dimse import commands as c
from filmless.dimse import pdus
from filmless.dimse.commands import InvalidCommand, decode_command, encode_command
from filmless.dimse.pdus import (
    AssociateAccept,
    AssociateRequest,
    CommonExtendedNegotiation,
    ContextAnswer,
    ExtendedNegotiation,
    InvalidPdu,
    ProposedContext,
    RoleSelection,
    UserIdentity,
    UserInformation,
)
from wire import CT, EXPLICIT_LE, IMPLICIT_LE, VERIFICATION

USER = UserInformation(
    max_pdu_bytes=65536,
    implementation_class_uid="2.25.3",
    implementation_version="V1",
    operations_window=(3, 2),
    roles=(RoleSelection(CT, scu=True, scp=False),),
    extended=(ExtendedNegotiation(CT, b"\1\2"),),
    common_extended=(CommonExtendedNegotiation(CT, "1.2.3", ("1.2.4", "1.2.5")),),
    user_identity=UserIdentity(2, b"name", b"code", response_requested=True),
)
REQUEST = AssociateRequest(
    "CALLED",
    "CALLING",
    (ProposedContext(1, VERIFICATION, (IMPLICIT_LE,)), ProposedContext(255, CT, (EXPLICIT_LE, IMPLICIT_LE))),
    USER,
)
ACCEPT = AssociateAccept(
    "CALLED",
    "CALLING",
    (ContextAnswer(1, 0, IMPLICIT_LE), ContextAnswer(255, 4, IMPLICIT_LE)),
    UserInformation(1024, "2.25.3", "V1", (1, 1), USER.roles, USER.extended, user_identity_response=b"yes"),
)


def test_a_request_reads_back_as_it_was_written() -> None:
    assert pdus.decode_associate_request(pdus.encode_associate_request(REQUEST)[6:]) == REQUEST


def test_an_acceptance_reads_back_as_it_was_written() -> None:
    assert pdus.decode_associate_accept(pdus.encode_associate_accept(ACCEPT)[6:]) == ACCEPT


def test_pynetdicom_writes_the_same_bytes() -> None:
    for ours, theirs in (
        (pdus.encode_associate_request(REQUEST), A_ASSOCIATE_RQ()),
        (pdus.encode_associate_accept(ACCEPT), A_ASSOCIATE_AC()),
    ):
        theirs.decode(ours)
        assert theirs.encode() == ours


def test_unknown_items_are_skipped() -> None:
    body = bytearray(pdus.encode_associate_request(REQUEST)[6:])
    body[68:68] = b"\x99\0\0\2xx"
    assert pdus.decode_associate_request(body) == REQUEST


def test_padded_uids_and_titles_are_read_without_padding() -> None:
    body = pdus.encode_associate_request(AssociateRequest(" A ", "B", (ProposedContext(1, CT + "\0", ("1.2 ",)),)))
    read = pdus.decode_associate_request(body[6:])
    assert (read.called_ae, read.contexts) == ("A", (ProposedContext(1, CT, ("1.2",)),))


@given(st.binary(max_size=400))
def test_any_bytes_are_a_request_or_an_invalid_pdu(data: bytes) -> None:
    for decode in (pdus.decode_associate_request, pdus.decode_associate_accept):
        try:
            decode(data)
        except InvalidPdu as error:
            assert error.reason == pdus.INVALID_PDU_PARAMETER_VALUE


@given(st.integers(0, 330), st.binary(min_size=1, max_size=8))
def test_a_request_with_any_bytes_changed_is_read_or_invalid(at: int, change: bytes) -> None:
    body = bytearray(pdus.encode_associate_request(REQUEST)[6:])
    body[at : at + len(change)] = change
    with contextlib.suppress(InvalidPdu):
        pdus.decode_associate_request(body)


@given(st.binary(max_size=200))
def test_any_bytes_are_a_command_or_invalid(data: bytes) -> None:
    try:
        command = decode_command(data)
    except InvalidCommand:
        return
    assert isinstance(command.field, int)
    assert isinstance(command.has_data_set, bool)


def test_a_command_reads_back_as_it_was_written() -> None:
    command = {
        c.AFFECTED_SOP_CLASS_UID: CT,
        c.COMMAND_FIELD: 0x8001,
        c.MESSAGE_ID_BEING_RESPONDED_TO: 0xFFFF,
        c.COMMAND_DATA_SET_TYPE: c.NO_DATA_SET,
        c.STATUS: 0xC000,
        c.OFFENDING_ELEMENT: [0x00080018, 0x00100010],
        c.ERROR_COMMENT: "no such",
        c.MOVE_ORIGINATOR_AE_TITLE: "ODD",
    }
    assert decode_command(encode_command(command)) == command


def test_pynetdicom_reads_our_command() -> None:
    from io import BytesIO

    from pynetdicom.dsutils import decode

    data = encode_command({c.AFFECTED_SOP_CLASS_UID: CT, c.COMMAND_FIELD: 1, c.MESSAGE_ID: 5, c.PRIORITY: 0})
    ds = decode(BytesIO(data), True, True)
    assert ds.CommandGroupLength == len(data) - 12
    assert (ds.AffectedSOPClassUID, ds.CommandField, ds.MessageID) == (CT, 1, 5)


@pytest.mark.parametrize(
    ("status", "pending", "warning"),
    [(0, False, False), (0xFF00, True, False), (0xFF01, True, False), (0xB000, False, True), (0xB007, False, True),
     (0x0001, False, True), (0xA700, False, False), (0xC000, False, False), (0xFE00, False, False)],
)  # fmt: skip
def test_statuses_are_told_apart(status: int, pending: bool, warning: bool) -> None:
    assert (c.is_pending(status), c.is_warning(status)) == (pending, warning)


def test_ends_of_an_association_are_told_in_words() -> None:
    assert "does not know our AE title" in pdus.describe_reject(1, 1, 3)
    assert "for now" in pdus.describe_reject(2, 3, 2)
    assert "(result 1, source 9, reason 9)" in pdus.describe_reject(1, 9, 9)
    assert "not expected" in pdus.describe_abort(2, 2)
    assert pdus.describe_abort(0, 0) == "the peer aborted the association"
