"""Messages between our requestor, our acceptor and pynetdicom, in both directions."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from typing import Any

import pytest
from pydicom import Dataset
from pynetdicom import AE, build_role, evt

import make
from filmless.dimse import commands as c
from filmless.dimse import pdus
from filmless.dimse.association import FileRange
from filmless.dimse.client import Requestor, connect
from filmless.dimse.limits import Limits
from filmless.dimse.services import Outcome, Request, await_response, send_store
from filmless.errors import Damaged
from wire import (
    CT,
    EXPLICIT_LE,
    IMPLICIT_LE,
    PRINT,
    STUDY_FIND,
    STUDY_GET,
    STUDY_MOVE,
    VERIFICATION,
    Raw,
    Scp,
    Stored,
    p_data,
    request_of,
    wait_for,
)

LEVEL = {"00080052": {"vr": "CS", "Value": ["STUDY"]}}


def ask(port: int, *classes: str, limits: Limits | None = None, **others: Any) -> Requestor:
    contexts = [(uid, [EXPLICIT_LE]) for uid in classes]
    return connect("127.0.0.1", port, called_ae="SCP", calling_ae="SCU", contexts=contexts, limits=limits, **others)


def match(n: int) -> Outcome:
    return Outcome(c.PENDING, identifier={"00100010": {"vr": "PN", "Value": [{"Alphabetic": f"Näme^{n}"}]}})


# ------------------------------------------------------------------------------------------------------ C-STORE


@pytest.mark.parametrize("pdu_max", [4096, 16384, 1 << 20])
@pytest.mark.parametrize("length", [0, 1, 4084, 4090, 4091, 300_001, 3_000_000])
def test_a_data_set_arrives_as_it_was_sent(scp: Callable[..., Scp], tmp_path: Path, pdu_max: int, length: int) -> None:
    listening = scp(limits=Limits(pdu_max_bytes=pdu_max))
    data = bytes(n * 7 & 0xFF for n in range(1000)) * (length // 1000 + 1)
    data = data[:length]
    path = tmp_path / "data"
    path.write_bytes(b"head" + data + b"tail")
    with ask(listening.port, CT) as association, path.open("rb") as file:
        ways = [
            data,
            bytearray(data),
            memoryview(data),
            FileRange(file.fileno(), 4, length),
            iter([data[:9], data[9:]]),
        ]
        for way in ways:
            assert association.store(CT, "1.2.3", EXPLICIT_LE, way) == 0
    assert [stored.data == data for stored in listening.stored] == [True] * len(ways)
    assert listening.stored[0].request.sop_instance_uid == "1.2.3"
    assert listening.stored[0].request.transfer_syntax_uid == EXPLICIT_LE


def test_small_pdus_reach_the_handler_in_few_pieces(scp: Callable[..., Scp]) -> None:
    listening = scp(limits=Limits(pdu_max_bytes=4096))
    with ask(listening.port, CT) as association:
        association.store(CT, "1.2.3", EXPLICIT_LE, bytes(400_000))
    assert len(listening.stored[0].pieces) < 40  # a hundred PDUs


def test_a_file_that_is_too_short_aborts_the_association(scp: Callable[..., Scp], tmp_path: Path) -> None:
    listening = scp()
    path = tmp_path / "short"
    path.write_bytes(b"short")
    association = ask(listening.port, CT)
    with path.open("rb") as file, pytest.raises(Damaged):
        association.store(CT, "1.2.3", EXPLICIT_LE, FileRange(file.fileno(), 0, 100))
    listening.wait_until_quiet()
    assert listening.stored == [] or listening.stored[0].is_aborted


def test_a_refused_store_is_answered_and_the_next_one_is_taken(scp: Callable[..., Scp]) -> None:
    kept: list[Stored] = []

    def store(request: Request) -> Stored | Outcome:
        if request.sop_instance_uid == "1.2.9":
            return Outcome(0xC000, "an odd UID", offending_elements=(0x00080018,))
        kept.append(Stored(request))
        return kept[-1]

    with ask(scp(store=store).port, CT) as association:
        assert association.store(CT, "1.2.9", EXPLICIT_LE, bytes(2_000_000)) == 0xC000
        assert association.last_response.text(c.ERROR_COMMENT) == "an odd UID"
        assert association.last_response[c.OFFENDING_ELEMENT] == [0x00080018]
        assert association.store(CT, "1.2.3", EXPLICIT_LE, b"data") == 0
    assert kept[0].data == b"data"


def test_a_move_originator_is_passed_on(scp: Callable[..., Scp]) -> None:
    listening = scp()
    with ask(listening.port, CT) as association:
        association.store(CT, "1.2.3", EXPLICIT_LE, b"data", originator=("MOVER", 77))
    command = listening.stored[0].request.command
    assert command.text(c.MOVE_ORIGINATOR_AE_TITLE) == "MOVER"
    assert command.number(c.MOVE_ORIGINATOR_MESSAGE_ID) == 77


def test_requests_of_an_asynchronous_window_are_answered_in_turn(scp: Callable[..., Scp]) -> None:
    listening = scp()
    with ask(listening.port, CT, operations_window=(10, 1)) as association:
        context = association.get_context(CT)
        for n in range(1, 11):
            send_store(association, context, n, CT, f"1.2.{n}", b"data", None)
        for n in range(1, 11):
            assert await_response(association, c.C_STORE_RQ, n).status == 0
    assert [stored.request.sop_instance_uid for stored in listening.stored] == [f"1.2.{n}" for n in range(1, 11)]


def test_pynetdicom_stores_with_us(scp: Callable[..., Scp]) -> None:
    listening = scp()
    ae = AE("PYNETDICOM")
    ae.add_requested_context(CT, EXPLICIT_LE)
    association = ae.associate("127.0.0.1", listening.port)
    ds = make.ct_slice(rows=256)
    ds.file_meta = make_meta(ds)
    assert association.send_c_store(ds).Status == 0
    association.release()
    assert listening.stored[0].data == make.dataset_bytes(ds, EXPLICIT_LE)


def make_meta(ds: Dataset) -> Any:
    from pydicom.dataset import FileMetaDataset
    from pydicom.uid import UID

    meta = FileMetaDataset()
    meta.TransferSyntaxUID = UID(EXPLICIT_LE)
    meta.MediaStorageSOPClassUID = ds.SOPClassUID
    meta.MediaStorageSOPInstanceUID = ds.SOPInstanceUID
    return meta


def test_we_store_with_pynetdicom() -> None:
    received: list[bytes] = []

    def keep(event: Any) -> int:
        received.append(event.request.DataSet.getvalue())
        return 0xB000

    ae = AE("PEER")
    ae.add_supported_context(CT, EXPLICIT_LE)
    server = ae.start_server(("127.0.0.1", 0), block=False, evt_handlers=[(evt.EVT_C_STORE, keep)])
    data = make.dataset_bytes(make.ct_slice(rows=300), EXPLICIT_LE)
    with ask(server.socket.getsockname()[1], CT) as association:
        assert association.store(CT, "1.2.3", EXPLICIT_LE, data) == 0xB000
    server.shutdown()
    assert received == [data]


# ------------------------------------------------------------------------------------------------------- C-FIND


def find_many(_: Request) -> Iterable[Outcome]:
    return map(match, range(500))


def test_every_match_comes_and_then_success(scp: Callable[..., Scp]) -> None:
    with ask(scp(find=find_many).port, STUDY_FIND) as association:
        answers = list(association.find(STUDY_FIND, LEVEL))
    assert [status for status, _ in answers] == [c.PENDING] * 500 + [c.SUCCESS]
    assert answers[499][1]["00100010"]["Value"] == [{"Alphabetic": "Näme^499"}]
    assert answers[500][1] is None


def test_pynetdicom_finds_with_us(scp: Callable[..., Scp]) -> None:
    asked: list[Any] = []

    def find(request: Request) -> Iterator[Outcome]:
        asked.append(request.identifier)
        yield from map(match, range(3))
        yield Outcome(0xC001, "enough")

    ae = AE("PYNETDICOM")
    ae.add_requested_context(STUDY_FIND)
    association = ae.associate("127.0.0.1", scp(find=find).port)
    query = Dataset()
    query.QueryRetrieveLevel = "STUDY"
    query.PatientName = "N*"
    answers = list(association.send_c_find(query, STUDY_FIND))
    association.release()
    assert [status.Status for status, _ in answers] == [0xFF00] * 3 + [0xC001]
    assert answers[0][1].PatientName == "Näme^0"
    assert answers[3][0].ErrorComment == "enough"
    assert asked[0]["00100010"] == {"vr": "PN", "Value": [{"Alphabetic": "N*"}]}


def test_we_find_with_pynetdicom() -> None:
    def answer(event: Any) -> Iterator[tuple[int, Dataset | None]]:
        for n in range(3):
            ds = Dataset()
            ds.PatientID = f"{event.identifier.PatientID}{n}"
            yield 0xFF01, ds

    ae = AE("PEER")
    ae.add_supported_context(STUDY_FIND, EXPLICIT_LE)
    server = ae.start_server(("127.0.0.1", 0), block=False, evt_handlers=[(evt.EVT_C_FIND, answer)])
    with ask(server.socket.getsockname()[1], STUDY_FIND) as association:
        key = {"00100020": {"vr": "LO", "Value": ["P"]}}
        answers = [
            (status, found and found["00100020"]["Value"][0]) for status, found in association.find(STUDY_FIND, key)
        ]
    server.shutdown()
    assert answers == [(0xFF01, "P0"), (0xFF01, "P1"), (0xFF01, "P2"), (0, None)]


def test_a_cancel_reaches_the_handler(scp: Callable[..., Scp]) -> None:
    sent = [0]

    def find(request: Request) -> Iterator[Outcome]:
        for n in range(100_000):
            if request.is_cancelled():
                yield Outcome(c.CANCELLED)
                return
            sent[0] += 1
            yield match(n)

    with ask(scp(find=find).port, STUDY_FIND) as association:
        answers = association.find(STUDY_FIND, LEVEL)
        for _ in range(3):
            assert next(answers)[0] == c.PENDING
        answers.close()  # sends C-CANCEL and waits for the end
        assert association.last_response.status == c.CANCELLED
        assert [status for status, _ in association.find(STUDY_FIND, LEVEL)][:1] == [c.PENDING]
    assert sent[0] < 200_000


def test_a_cancel_of_what_is_over_is_ignored(scp: Callable[..., Scp]) -> None:
    with ask(scp(find=lambda _: [match(1)]).port, STUDY_FIND, VERIFICATION) as association:
        list(association.find(STUDY_FIND, LEVEL))
        association.cancel(1, association.get_context(STUDY_FIND).context_id)
        assert association.echo() == 0


def test_a_release_while_we_search_ends_the_search(scp: Callable[..., Scp], raw: Callable[..., Raw]) -> None:
    over: list[bool] = []

    def find(request: Request) -> Iterator[Outcome]:
        try:
            while not request.is_cancelled():
                time.sleep(0.01)
                yield match(1)
        finally:
            over.append(True)

    listening = scp(find=find)
    peer = raw(listening)
    peer.send(request_of((STUDY_FIND, IMPLICIT_LE)))
    peer.read_pdu()
    command = c.encode_command(
        {
            c.AFFECTED_SOP_CLASS_UID: STUDY_FIND,
            c.COMMAND_FIELD: c.C_FIND_RQ,
            c.MESSAGE_ID: 1,
            c.COMMAND_DATA_SET_TYPE: 1,
        }
    )
    peer.send(p_data(1, command, command=True) + p_data(1, b"", command=False))
    peer.read_pdu()
    peer.send(pdus.encode_release_request())
    wait_for(lambda: over == [True])


def test_an_identifier_that_cannot_be_read_is_refused(scp: Callable[..., Scp], raw: Callable[..., Raw]) -> None:
    peer = raw(scp(find=find_many))
    peer.send(request_of((STUDY_FIND, IMPLICIT_LE)))
    peer.read_pdu()
    command = {c.AFFECTED_SOP_CLASS_UID: STUDY_FIND, c.COMMAND_FIELD: c.C_FIND_RQ, c.MESSAGE_ID: 1}
    bad = (b"\x08\0\x40\x11\xff\xff\xff\xff" + b"\xfe\xff\0\xe0\xff\xff\xff\xff") * 5000  # sequences in sequences
    peer.send(p_data(1, c.encode_command(command | {c.COMMAND_DATA_SET_TYPE: 1}), command=True))
    peer.send(p_data(1, bad, command=False))
    assert peer.read_command().status == 0xC000
    peer.send(p_data(1, c.encode_command(command | {c.COMMAND_DATA_SET_TYPE: 0x0101}), command=True))
    assert peer.read_command().status == c.MISTYPED_ARGUMENT


def test_an_identifier_longer_than_the_limit_is_aborted(scp: Callable[..., Scp]) -> None:
    from filmless.dimse.upper_layer import Aborted

    listening = scp(find=find_many, limits=Limits(identifier_max_bytes=1024))
    long = {"00100010": {"vr": "PN", "Value": [{"Alphabetic": "x" * 2000}]}}
    with pytest.raises(Aborted), ask(listening.port, STUDY_FIND) as association:
        list(association.find(STUDY_FIND, long))


# -------------------------------------------------------------------------------------------- C-MOVE and C-GET


def test_counts_and_failed_uids_of_a_move_pass(scp: Callable[..., Scp]) -> None:
    failed = {"00080058": {"vr": "UI", "Value": ["1.2.3", "1.2.4"]}}
    seen: list[str] = []

    def move(request: Request) -> Iterator[Outcome]:
        seen.append(request.command.text(c.MOVE_DESTINATION))
        yield Outcome(c.PENDING, counts=(3, 1, 0, 0))
        yield Outcome(0xB000, counts=(None, 2, 2, 0), identifier=failed)

    with ask(scp(move=move).port, STUDY_MOVE) as association:
        responses = association.move(STUDY_MOVE, LEVEL, "DEST")
        assert next(responses) == (c.PENDING, None)
        assert association.last_response.number(c.REMAINING_SUBOPERATIONS) == 3
        assert next(responses) == (0xB000, failed)
        assert association.last_response.number(c.FAILED_SUBOPERATIONS) == 2
        assert c.REMAINING_SUBOPERATIONS not in association.last_response
    assert seen == ["DEST"]


def test_pynetdicom_gets_from_us_in_its_negotiated_role(scp: Callable[..., Scp]) -> None:
    from filmless.dimse.server import Accept, Caller
    from wire import accept_all

    data = make.dataset_bytes(make.ct_slice(rows=200), EXPLICIT_LE)

    def authorize(caller: Caller) -> Accept:
        return Accept(accept_all(caller).contexts, roles=caller.request.user.roles)

    def get(request: Request) -> Iterator[Outcome]:
        association = request.association
        context = next(each for each in association.contexts.values() if each.abstract_syntax == CT)
        for n in (1, 2):
            send_store(association, context, n, CT, f"1.2.{n}", data, None)
            assert await_response(association, c.C_STORE_RQ, n).status == 0
            yield Outcome(c.PENDING, counts=(2 - n, n, 0, 0))
        yield Outcome(c.SUCCESS, counts=(None, 2, 0, 0))

    received: list[bytes] = []

    def keep(event: Any) -> int:
        received.append(event.request.DataSet.getvalue())
        return 0

    ae = AE("PYNETDICOM")
    ae.add_requested_context(STUDY_GET)
    ae.add_requested_context(CT, EXPLICIT_LE)
    association = ae.associate(
        "127.0.0.1",
        scp(get=get, authorize=authorize).port,
        ext_neg=[build_role(CT, scp_role=True)],
        evt_handlers=[(evt.EVT_C_STORE, keep)],
    )
    query = Dataset()
    query.QueryRetrieveLevel = "STUDY"
    statuses = [status.Status for status, _ in association.send_c_get(query, STUDY_GET)]
    association.release()
    assert statuses == [0xFF00, 0xFF00, 0]
    assert received == [data, data]


def test_we_get_from_pynetdicom() -> None:
    ds = make.ct_slice(rows=100)
    ds.file_meta = make_meta(ds)

    def give(event: Any) -> Iterator[Any]:
        yield 1
        yield 0xFF00, ds

    ae = AE("PEER")
    ae.add_supported_context(STUDY_GET)
    ae.add_supported_context(CT, EXPLICIT_LE, scu_role=True, scp_role=True)
    server = ae.start_server(("127.0.0.1", 0), block=False, evt_handlers=[(evt.EVT_C_GET, give)])
    kept: list[Stored] = []

    def store(request: Request) -> Stored:
        kept.append(Stored(request))
        return kept[-1]

    with ask(
        server.socket.getsockname()[1], STUDY_GET, CT, roles=[pdus.RoleSelection(CT, scu=False, scp=True)]
    ) as association:
        answers = [status for status, _ in association.get(STUDY_GET, LEVEL, store)]
    server.shutdown()
    assert answers[-1] == 0
    assert kept[0].data == make.dataset_bytes(ds, EXPLICIT_LE)


# ------------------------------------------------------------------------------- what is not offered, N- services


@pytest.mark.parametrize("field", [c.C_FIND_RQ, c.C_MOVE_RQ, c.C_GET_RQ, c.N_CREATE_RQ, c.N_ACTION_RQ, 0x0500])
def test_a_service_without_a_handler_is_an_unrecognized_operation(
    scp: Callable[..., Scp], raw: Callable[..., Raw], field: int
) -> None:
    peer = raw(scp())
    peer.send(request_of((PRINT, IMPLICIT_LE)))
    peer.read_pdu()
    command = {c.AFFECTED_SOP_CLASS_UID: PRINT, c.COMMAND_FIELD: field, c.MESSAGE_ID: 9, c.COMMAND_DATA_SET_TYPE: 1}
    for _ in range(2):
        peer.send(p_data(1, c.encode_command(command), command=True) + p_data(1, b"", command=False))
        answer = peer.read_command()
        assert (answer.field, answer.status, answer.message_id) == (field | c.RESPONSE, c.UNRECOGNIZED_OPERATION, 9)


def test_a_command_in_the_context_of_another_service_is_refused(
    scp: Callable[..., Scp], raw: Callable[..., Raw]
) -> None:
    from filmless.dimse.server import Accept, Caller
    from wire import accept_all, store_command

    def authorize(caller: Caller) -> Accept:
        return Accept(accept_all(caller).contexts, commands={1: frozenset({c.C_ECHO_RQ}), 3: frozenset()})

    listening = scp(authorize=authorize)
    peer = raw(listening)
    peer.send(request_of())
    peer.read_pdu()
    peer.send(p_data(3, store_command(), command=True) + p_data(3, b"data", command=False))
    assert peer.read_command().status == c.UNRECOGNIZED_OPERATION
    assert listening.stored == []


def test_pynetdicoms_n_action_reaches_its_handler(scp: Callable[..., Scp]) -> None:
    commitment = "1.2.840.10008.1.20.1"
    seen: list[Any] = []

    def normalized(request: Request) -> Outcome:
        seen.append((request.command.field, request.sop_instance_uid, request.identifier))
        return Outcome()

    ae = AE("PYNETDICOM")
    ae.add_requested_context(commitment)
    association = ae.associate("127.0.0.1", scp(normalized=normalized).port)
    ds = Dataset()
    ds.TransactionUID = "1.2.3"
    status, _ = association.send_n_action(ds, 1, commitment, "1.2.840.10008.1.20.1.1")
    association.release()
    assert status.Status == 0
    assert seen == [(c.N_ACTION_RQ, "1.2.840.10008.1.20.1.1", {"00081195": {"vr": "UI", "Value": ["1.2.3"]}})]


def test_a_request_without_message_id_is_refused(scp: Callable[..., Scp], raw: Callable[..., Raw]) -> None:
    peer = raw(scp())
    peer.send(request_of())
    peer.read_pdu()
    peer.send(
        p_data(1, c.encode_command({c.COMMAND_FIELD: c.C_ECHO_RQ, c.COMMAND_DATA_SET_TYPE: 0x0101}), command=True)
    )
    assert peer.read_command().status == c.MISTYPED_ARGUMENT


def test_a_response_to_nothing_is_aborted(scp: Callable[..., Scp], raw: Callable[..., Raw]) -> None:
    peer = raw(scp())
    peer.send(request_of())
    peer.read_pdu()
    response = {
        c.COMMAND_FIELD: 0x8030,
        c.MESSAGE_ID_BEING_RESPONDED_TO: 1,
        c.STATUS: 0,
        c.COMMAND_DATA_SET_TYPE: 0x0101,
    }
    peer.send(p_data(1, c.encode_command(response), command=True))
    assert peer.read_pdu() == (pdus.ABORT, bytes(4))


def test_we_echo_pynetdicom_and_it_echoes_us(scp: Callable[..., Scp]) -> None:
    ae = AE("PEER")
    ae.add_supported_context(VERIFICATION, EXPLICIT_LE)
    ae.add_requested_context(VERIFICATION)
    server = ae.start_server(("127.0.0.1", 0), block=False)
    with ask(server.socket.getsockname()[1], VERIFICATION) as association:
        assert association.echo() == 0
    server.shutdown()
    association = ae.associate("127.0.0.1", scp().port)
    assert association.send_c_echo().Status == 0
    association.release()
