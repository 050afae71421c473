"""Storage commitment, both roles, with pynetdicom as the other side (PS3.4 annex J)."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator
from typing import Any

import pytest
from pydicom import Dataset
from sqlalchemy import select, update

import make
from committing import PUSH, PUSH_INSTANCE, TRANSACTION, Committer, Reports, ask, associate, listen, port_of, request_of
from doors import EVERY, Door, add_peer, put
from filmless.access import audit, peers
from filmless.access.principal import SYSTEM
from filmless.app.worker import make_worker
from filmless.archive import Archive
from filmless.archive.problems import list_problems
from filmless.archive.tables import instances, jobs
from filmless.config import Settings
from filmless.dimse.normalized import asking
from filmless.errors import NotAcceptable
from filmless.retrieve.instances import find_instances
from filmless.retrieve.send import send
from filmless.routing.ask_commitment import enqueue_questions
from filmless.routing.tables import commitment_requests, commitments
from running import free_port
from stored import flip_bit
from waiting import until

RIGHTS = (*EVERY, "commit")


@pytest.fixture
def settings(settings: Settings) -> Settings:
    return settings.model_copy(update={"job_backoff_s": 0.0, "commitment_same_association_s": 0.0})


@pytest.fixture
def kept(archive: Archive) -> list[Dataset]:
    """A series in the archive."""
    made = make.ct_series(2)
    for ds in made:
        put(archive, ds)
    return made


@pytest.fixture
def listening() -> Iterator[Callable[..., Any]]:
    """Peers that take reports."""
    servers: list[Any] = []

    def start(reports: Reports, port: int = 0) -> Any:
        servers.append(listen(reports, port))
        return servers[-1]

    yield start
    for server in servers:
        server.shutdown()


@pytest.fixture
def working(archive: Archive) -> Iterator[None]:
    """A worker that runs meanwhile."""
    stop = threading.Event()
    archive.settings = archive.settings.model_copy(update={"job_poll_s": 0.02})
    thread = threading.Thread(target=make_worker(archive).run, args=(stop,))
    thread.start()
    yield
    stop.set()
    thread.join()


def run_due(archive: Archive) -> None:
    make_worker(archive).run_due()


def make_due(archive: Archive) -> None:
    """Let what is to be tried again be due now."""
    with archive.transaction() as session:
        session.execute(update(jobs).values(run_at=0.0))


def references(series: list[Dataset]) -> list[tuple[str, str]]:
    return [(str(ds.SOPClassUID), str(ds.SOPInstanceUID)) for ds in series]


def states(archive: Archive) -> list[str]:
    with archive.reading() as session:
        return list(session.scalars(select(commitments.c.state).order_by(commitments.c.id)))


def uids_of(sequence: Any) -> list[str]:
    return [str(item.ReferencedSOPInstanceUID) for item in sequence]


# ---------------------------------------------------------------------------------------------------- we commit


@pytest.mark.usefixtures("working")
def test_an_open_association_hears_the_report(
    archive: Archive, kept: list[Dataset], serving: Callable[..., Door]
) -> None:
    archive.settings = archive.settings.model_copy(update={"commitment_same_association_s": 30.0})
    add_peer(archive, "TEST", None, *RIGHTS)
    reports = Reports()
    association = associate(serving(), reports)
    assert ask(association, references(kept)) == 0
    event_type, information = reports.wait()
    assert association.is_established
    association.release()
    assert event_type == 1
    assert information.TransactionUID == TRANSACTION
    assert information.RetrieveAETitle == "FILMLESS"
    assert uids_of(information.ReferencedSOPSequence) == [ds.SOPInstanceUID for ds in kept]
    assert "FailedSOPSequence" not in information
    until(lambda: states(archive) == ["reported"])
    time.sleep(0.1)
    assert len(reports.heard) == 1


def test_a_peer_that_has_released_is_called_in_the_role_of_its_scu(
    archive: Archive, kept: list[Dataset], serving: Callable[..., Door], listening: Callable[..., Any]
) -> None:
    reports = Reports()
    add_peer(archive, "TEST", port_of(listening(reports)), *RIGHTS)
    association = associate(serving(), reports)
    assert ask(association, references(kept)) == 0
    association.release()
    run_due(archive)
    assert reports.heard[0][0] == 1
    assert reports.roles == [{PUSH: (False, True)}]
    assert states(archive) == ["reported"]
    rows, _ = audit.read(archive, action="commitment_request")
    assert [(row.actor, row.object) for row in rows] == [("TEST", TRANSACTION)]
    rows, _ = audit.read(archive, action="commitment_report")
    assert [(row.outcome, row.object) for row in rows] == [("success", "TEST")]


def test_what_is_absent_of_another_class_or_damaged_is_reported_with_its_reason(
    archive: Archive, serving: Callable[..., Door], listening: Callable[..., Any]
) -> None:
    good, damaged, lost, other = made = make.ct_series(4)
    for ds in made:
        put(archive, ds)
    with archive.reading() as session:
        blobs = {row.sop_instance_uid: bytes(row.blob).hex() for row in session.execute(select(instances))}
    flip_bit(archive.blobs, blobs[damaged.SOPInstanceUID], -1)
    archive.blobs.delete(blobs[lost.SOPInstanceUID])
    reports = Reports()
    add_peer(archive, "TEST", port_of(listening(reports)), *RIGHTS)
    association = associate(serving(), reports)
    named = [*references([good, damaged, lost]), (make.MR, str(other.SOPInstanceUID)), (make.CT, "1.2.3.404")]
    assert ask(association, named) == 0
    association.release()
    run_due(archive)
    event_type, information = reports.heard[0]
    assert event_type == 2
    assert uids_of(information.ReferencedSOPSequence) == [good.SOPInstanceUID]
    reasons = {str(i.ReferencedSOPInstanceUID): i.FailureReason for i in information.FailedSOPSequence}
    assert reasons == {
        damaged.SOPInstanceUID: 0x0110,
        lost.SOPInstanceUID: 0x0110,
        other.SOPInstanceUID: 0x0119,
        "1.2.3.404": 0x0112,
    }
    assert {str(item.ReferencedSOPClassUID) for item in information.FailedSOPSequence} == {make.CT, make.MR}


def test_a_peer_that_was_away_hears_it_after_a_restart(
    archive: Archive,
    settings: Settings,
    kept: list[Dataset],
    serving: Callable[..., Door],
    listening: Callable[..., Any],
) -> None:
    port = free_port()
    add_peer(archive, "TEST", port, *RIGHTS)
    reports = Reports()
    association = associate(serving(), reports)
    assert ask(association, references(kept)) == 0
    association.abort()
    for _ in range(settings.job_attempts_max + 2):
        run_due(archive)
        make_due(archive)
    with archive.reading() as session:
        (job,) = session.execute(select(jobs).where(jobs.c.name == "commitment_report")).all()
    assert job.state == "waiting"
    assert job.attempts > settings.job_attempts_max
    assert "connection refused" in job.error
    with Archive.open(settings) as again:
        listening(reports, port)
        run_due(again)
    assert [event_type for event_type, _ in reports.heard] == [1]


def test_a_report_that_nobody_takes_is_parked_when_its_time_is_over(
    archive: Archive, kept: list[Dataset], serving: Callable[..., Door], listening: Callable[..., Any]
) -> None:
    reports = Reports()
    reports.status = 0x0110
    archive.settings = archive.settings.model_copy(update={"commitment_retry_s": 0.001, "job_attempts_max": 2})
    add_peer(archive, "TEST", port_of(listening(reports)), *RIGHTS)
    association = associate(serving(), reports)
    ask(association, references(kept))
    association.release()
    for _ in range(2):
        run_due(archive)
        make_due(archive)
    with archive.reading() as session:
        (job,) = session.execute(select(jobs).where(jobs.c.name == "commitment_report")).all()
    assert job.state == "parked"
    assert "0x0110" in job.error
    assert states(archive) == ["verified"]


def test_the_same_request_again_is_one_and_another_under_its_uid_is_0131(
    archive: Archive, kept: list[Dataset], serving: Callable[..., Door], listening: Callable[..., Any]
) -> None:
    reports = Reports()
    add_peer(archive, "TEST", port_of(listening(reports)), *RIGHTS)
    association = associate(serving(), reports)
    assert ask(association, references(kept)) == 0
    assert ask(association, references(kept)) == 0
    assert ask(association, references(kept[:1])) == 0
    association.release()
    run_due(archive)
    assert sorted(event_type for event_type, _ in reports.heard) == [1, 2]
    failed = next(information for event_type, information in reports.heard if event_type == 2)
    assert [item.FailureReason for item in failed.FailedSOPSequence] == [0x0131]


def test_a_peer_without_the_right_cannot_ask(archive: Archive, serving: Callable[..., Door]) -> None:
    add_peer(archive, "TEST", None, *EVERY)
    with (
        serving().ask((PUSH, make.EXPLICIT_LE), ("1.2.840.10008.1.1", make.EXPLICIT_LE)) as association,
        pytest.raises(NotAcceptable),
    ):
        asking(association, PUSH)


@pytest.mark.parametrize(
    ("change", "status"),
    [
        ({"instance": "1.2.3"}, 0x0112),
        ({"action": 2}, 0x0123),
        ({"transaction": ""}, 0x0115),
        ({"references": 0}, 0x0115),
    ],
)
def test_a_malformed_request_is_refused_with_its_status(
    archive: Archive, kept: list[Dataset], serving: Callable[..., Door], change: dict[str, Any], status: int
) -> None:
    add_peer(archive, "TEST", None, *RIGHTS)
    association = associate(serving(), Reports())
    ds = request_of(references(kept)[: change.get("references", 2)], change.get("transaction", TRANSACTION))
    answer, _ = association.send_n_action(ds, change.get("action", 1), PUSH, change.get("instance", PUSH_INSTANCE))
    association.release()
    assert answer.Status == status
    assert states(archive) == []


def test_a_request_with_an_item_without_uid_is_refused(archive: Archive, serving: Callable[..., Door]) -> None:
    add_peer(archive, "TEST", None, *RIGHTS)
    association = associate(serving(), Reports())
    ds = request_of([(make.CT, "1.2.3")])
    del ds.ReferencedSOPSequence[0].ReferencedSOPInstanceUID
    answer, _ = association.send_n_action(ds, 1, PUSH, PUSH_INSTANCE)
    association.release()
    assert (answer.Status, "item 1" in answer.ErrorComment) == (0x0115, True)


# ------------------------------------------------------------------------------------------------- peers commit


@pytest.fixture
def keeper() -> Iterator[Callable[..., Committer]]:
    """Peers that can be asked for commitment."""
    started: list[Committer] = []

    def start(**how: Any) -> Committer:
        started.append(Committer(**how))
        return started[-1]

    yield start
    for each in started:
        each.server.shutdown()


def questions(archive: Archive) -> list[tuple[str, str]]:
    with archive.reading() as session:
        rows = session.execute(select(commitment_requests).order_by(commitment_requests.c.id))
        return [(row.state, row.failed) for row in rows]


def send_series(archive: Archive, peer: peers.Peer, series: list[Dataset]) -> None:
    found = list(find_instances(archive, SYSTEM("test"), study_uids=(series[0].StudyInstanceUID,)))
    send(archive, SYSTEM("test"), peer, found)
    with archive.transaction() as session:
        enqueue_questions(session, peer, found)


def problems_of(archive: Archive) -> list[str]:
    with archive.reading() as session:
        return [problem.what for problem in list_problems(session) if problem.kind == "commitment"]


def test_a_report_on_the_same_association_is_recorded(
    archive: Archive, kept: list[Dataset], keeper: Callable[..., Committer]
) -> None:
    archive.settings = archive.settings.model_copy(update={"commitment_same_association_s": 10.0})
    peer = keeper()
    send_series(archive, add_peer(archive, "KEEPER", peer.port, ask_commitment=True), kept)
    run_due(archive)
    (asked,) = peer.asked
    assert uids_of(asked.ReferencedSOPSequence) == [ds.SOPInstanceUID for ds in kept]
    assert questions(archive) == [("committed", "{}")]
    assert problems_of(archive) == []
    rows, _ = audit.read(archive, action="commitment_result")
    assert [(row.outcome, row.object) for row in rows] == [("success", "KEEPER")]


def test_a_report_on_a_new_association_is_recorded_and_failures_are_a_problem_until_kept(
    archive: Archive, kept: list[Dataset], keeper: Callable[..., Committer], serving: Callable[..., Door]
) -> None:
    door = serving()
    peer = keeper(reports_at_once=False, failing={str(kept[0].SOPInstanceUID): 0x0112})
    entry = add_peer(archive, "KEEPER", peer.port, "echo", ask_commitment=True)
    send_series(archive, entry, kept)
    run_due(archive)
    assert questions(archive) == [("asked", "{}")]
    peer.report_anew(door, peer.asked[0])
    assert peer.statuses == [0]
    assert questions(archive) == [("failed", f'{{"{kept[0].SOPInstanceUID}": 274}}')]
    (problem,) = problems_of(archive)
    assert "KEEPER does not keep 1 instances" in problem
    assert "0x0112" in problem
    peer.failing = {}
    send_series(archive, entry, kept)
    run_due(archive)
    peer.report_anew(door, peer.asked[1])
    assert problems_of(archive) == []
    assert [state for state, _ in questions(archive)] == ["committed", "committed"]


def test_a_report_about_what_was_never_asked_is_refused(
    archive: Archive, kept: list[Dataset], keeper: Callable[..., Committer], serving: Callable[..., Door]
) -> None:
    door = serving()
    peer = keeper()
    add_peer(archive, "KEEPER", peer.port, "echo", ask_commitment=True)
    peer.report_anew(door, request_of(references(kept)))
    assert peer.statuses == [0x0115]


def test_a_peer_that_says_nothing_becomes_a_problem(
    archive: Archive, kept: list[Dataset], keeper: Callable[..., Committer]
) -> None:
    archive.settings = archive.settings.model_copy(update={"commitment_answer_s": 0.05})
    peer = keeper(reports_at_once=False)
    send_series(archive, add_peer(archive, "KEEPER", peer.port, ask_commitment=True), kept)
    run_due(archive)
    time.sleep(0.06)
    run_due(archive)
    (problem,) = problems_of(archive)
    assert "KEEPER has not said whether it keeps 2 instances" in problem


def test_a_move_to_a_peer_that_is_to_be_asked_asks_it(
    archive: Archive, kept: list[Dataset], keeper: Callable[..., Committer], serving: Callable[..., Door]
) -> None:
    archive.settings = archive.settings.model_copy(update={"commitment_same_association_s": 10.0})
    peer = keeper()
    add_peer(archive, "TEST")
    add_peer(archive, "KEEPER", peer.port, ask_commitment=True)
    model = "1.2.840.10008.5.1.4.1.2.2.2"
    keys = {
        "00080052": {"vr": "CS", "Value": ["STUDY"]},
        "0020000D": {"vr": "UI", "Value": [str(kept[0].StudyInstanceUID)]},
    }
    with serving().ask((model, make.IMPLICIT_LE)) as association:
        assert list(association.move(model, keys, "KEEPER"))[-1][0] == 0
    run_due(archive)
    assert questions(archive) == [("committed", "{}")]


def test_a_report_from_a_peer_that_we_do_not_ask_finds_no_context(
    archive: Archive, kept: list[Dataset], keeper: Callable[..., Committer], serving: Callable[..., Door]
) -> None:
    add_peer(archive, "KEEPER", None, "echo")
    with pytest.raises(AssertionError):
        keeper().report_anew(serving(), request_of(references(kept)))


def test_settled_commitments_are_forgotten_after_their_time(
    archive: Archive, kept: list[Dataset], serving: Callable[..., Door], listening: Callable[..., Any]
) -> None:
    from filmless.app.worker import FUNCTIONS

    reports = Reports()
    add_peer(archive, "TEST", port_of(listening(reports)), *RIGHTS)
    association = associate(serving(), reports)
    ask(association, references(kept))
    association.release()
    run_due(archive)
    with archive.transaction() as session:
        session.execute(update(commitments).values(changed_at=time.time() - archive.settings.commitment_keep_s - 1))
    FUNCTIONS["tidy"](archive, {}, None)  # type: ignore[arg-type]
    assert states(archive) == []
