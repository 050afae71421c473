"""Sending to a peer for jobs and the command line, and the C-ECHO that tells in words what is wrong."""

from __future__ import annotations

import socket
import threading
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
from sqlalchemy import func, select, update

import make
from doors import add_peer, put
from filmless.access import audit
from filmless.access.principal import SYSTEM
from filmless.archive import Archive
from filmless.archive.tables import send_slots
from filmless.dimse import pdus
from filmless.dimse.client import CONTEXTS_MAX
from filmless.dimse.pdus import ContextAnswer
from filmless.dimse.server import Accept, Reject
from filmless.dimse.services import Outcome, Request
from filmless.retrieve.calling import echo
from filmless.retrieve.instances import StoredInstance, find_instances
from filmless.retrieve.send import Progress, plan_contexts, send
from filmless.retrieve.slots import LEASE_S, take_slot
from listening import scp
from running import free_port
from wire import EXPLICIT_LE, IMPLICIT_LE, Scp, Stored

__all__ = ["scp"]


def series_of(archive: Archive, count: int) -> list[StoredInstance]:
    series = make.ct_series(count)
    for ds in series:
        put(archive, ds)
    return list(find_instances(archive, SYSTEM("test"), study_uids=(series[0].StudyInstanceUID,)))


def test_a_study_is_sent_counted_and_audited(archive: Archive, scp: Callable[..., Scp]) -> None:
    instances = series_of(archive, 3)
    listening = scp()
    seen: list[Progress] = []
    peer = add_peer(archive, "DEST", listening.port)
    result = send(archive, SYSTEM("test"), peer, instances, on_progress=seen.append)
    assert (result.completed, result.failed, result.warning, result.failed_uids) == (3, 0, 0, [])
    assert seen[-1] == Progress(0, 3, 0, 0)
    rows, _ = audit.read(archive, action="send")
    assert [(row.object, row.outcome, row.count) for row in rows] == [("DEST", "success", 3)]
    request = listening.callers[0].request
    assert (request.calling_ae, request.called_ae) == (archive.settings.ae_title, "DEST")


def test_each_context_has_one_syntax_and_each_class_its_fallbacks(archive: Archive) -> None:
    (instance,) = series_of(archive, 1)
    assert plan_contexts([instance]) == [[(make.CT, [EXPLICIT_LE]), (make.CT, [IMPLICIT_LE])]]


def test_more_contexts_than_fit_go_over_several_associations(archive: Archive, scp: Callable[..., Scp]) -> None:
    classes = [f"1.2.392.999.{n}" for n in range(70)]
    uids = []
    study = make.uid()
    for sop_class in classes:
        ds = make.instance(sop_class, StudyInstanceUID=study)
        put(archive, ds)
        uids.append(ds.SOPInstanceUID)
    listening = scp()
    instances = list(find_instances(archive, SYSTEM("test"), study_uids=(study,)))
    result = send(archive, SYSTEM("test"), add_peer(archive, "DEST", listening.port), instances)
    assert result.completed == 70
    proposed = [len(caller.request.contexts) for caller in listening.callers]
    assert max(proposed) <= CONTEXTS_MAX
    assert len({caller.request.contexts for caller in listening.callers}) == 2


def test_what_the_peer_refuses_is_listed_with_its_reason(archive: Archive, scp: Callable[..., Scp]) -> None:
    instances = series_of(archive, 2)
    listening = scp(store=lambda _: Outcome(0xA700, "disk full"))
    result = send(archive, SYSTEM("test"), add_peer(archive, "DEST", listening.port), instances)
    assert result.failures == {each.sop_instance_uid: "the peer answered 0xA700: disk full" for each in instances}


def test_a_peer_that_is_away_fails_all_with_the_reason(archive: Archive) -> None:
    instances = series_of(archive, 2)
    result = send(archive, SYSTEM("test"), add_peer(archive, "DEST", free_port()), instances)
    assert (result.completed, result.failed) == (0, 2)
    assert "connection refused" in next(iter(result.failures.values()))


def test_a_blob_that_is_gone_fails_alone(archive: Archive, scp: Callable[..., Scp]) -> None:
    instances = series_of(archive, 3)
    archive.blobs.delete(instances[1].blob)
    result = send(archive, SYSTEM("test"), add_peer(archive, "DEST", scp().port), instances)
    assert (result.completed, result.failed_uids) == (2, [instances[1].sop_instance_uid])


def test_a_cancelled_send_says_so(archive: Archive, scp: Callable[..., Scp]) -> None:
    instances = series_of(archive, 3)
    result = send(
        archive, SYSTEM("test"), add_peer(archive, "DEST", scp(store=slow).port), instances, is_cancelled=lambda: True
    )
    assert result.cancelled
    assert result.completed < 3


def slow(_: object) -> Outcome:
    import time

    time.sleep(0.4)
    return Outcome()


@pytest.mark.parametrize("window", [1, 3])
def test_a_window_that_the_peer_grants_is_used(archive: Archive, scp: Callable[..., Scp], window: int) -> None:
    instances = series_of(archive, 6)
    is_next_there: list[bool] = []

    class Watching(Stored):
        def finish(self) -> Outcome:  # it is not answered yet
            is_next_there.append(self.request.association._has_input(0.3))
            return Outcome()

    listening = scp(store=Watching)
    peer = add_peer(archive, "DEST", listening.port, operations_window=window)
    assert send(archive, SYSTEM("test"), peer, instances).completed == 6
    assert is_next_there == [window > 1] * 5 + [False]


def test_an_echo_that_is_answered_is_ok(archive: Archive, scp: Callable[..., Scp]) -> None:
    result = echo(archive.settings, add_peer(archive, "DEST", scp().port))
    assert result.ok
    assert "DEST" in result.message
    assert result.duration_ms > 0


@pytest.mark.parametrize(
    ("reject", "words"),
    [
        (Reject(pdus.USER_CALLING_AE_NOT_RECOGNIZED), "does not know us: enter our AE title FILMLESS"),
        (Reject(pdus.USER_CALLED_AE_NOT_RECOGNIZED), "does not call itself DEST"),
        (Reject(2, pdus.SOURCE_PRESENTATION, pdus.REJECTED_TRANSIENT), "too many associations"),
    ],
)
def test_an_echo_says_why_the_association_was_refused(
    archive: Archive, scp: Callable[..., Scp], reject: Reject, words: str
) -> None:
    result = echo(archive.settings, add_peer(archive, "DEST", scp(authorize=lambda _: reject).port))
    assert not result.ok
    assert words in result.message


def test_an_echo_says_that_the_service_was_not_allowed(archive: Archive, scp: Callable[..., Scp]) -> None:
    port = scp(authorize=lambda _: Accept((ContextAnswer(1, 3, IMPLICIT_LE),))).port
    assert "does not allow us" in echo(archive.settings, add_peer(archive, "DEST", port)).message


def test_an_echo_says_that_nothing_listens(archive: Archive) -> None:
    result = echo(archive.settings, add_peer(archive, "DEST", free_port()))
    assert not result.ok
    assert "nothing listens there" in result.message


def test_an_echo_says_that_what_answers_is_no_dicom(archive: Archive) -> None:
    with socket.create_server(("127.0.0.1", 0)) as other:
        import threading

        def answer() -> None:
            sock, _ = other.accept()
            sock.recv(1000)
            sock.sendall(b"HTTP/1.1 400 Bad Request\r\n\r\n")
            sock.close()

        thread = threading.Thread(target=answer)
        thread.start()
        result = echo(archive.settings, add_peer(archive, "DEST", other.getsockname()[1]))
        thread.join()
    assert not result.ok


def test_an_echo_needs_an_address(archive: Archive) -> None:
    assert "no single address" in echo(archive.settings, add_peer(archive, "DEST", None)).message


def test_a_peer_over_tls_without_our_certificates_is_told(archive: Archive, tmp_path: Path) -> None:
    result = echo(archive.settings, add_peer(archive, "DEST", free_port(), tls=True))
    assert not result.ok


def test_a_peer_has_no_more_associations_than_the_setting_over_all_transfers(
    archive: Archive, scp: Callable[..., Scp]
) -> None:
    archive.settings = archive.settings.model_copy(update={"send_associations_per_peer_max": 3})
    lock, at_once, most = threading.Lock(), [0], [0]

    def store(request: Request) -> Stored:
        with lock:
            at_once[0] += 1
            most[0] = max(most[0], at_once[0])
        time.sleep(0.005)
        with lock:
            at_once[0] -= 1
        return Stored(request)

    listening = scp(store=store)
    peer = add_peer(archive, "DEST", listening.port)
    instances = series_of(archive, 90)
    with ThreadPoolExecutor(4) as pool:
        results = list(pool.map(lambda _: send(archive, SYSTEM("test"), peer, instances), range(4)))
    assert [(result.completed, result.failed) for result in results] == [(90, 0)] * 4
    assert most[0] == 3
    assert slots_of(archive) == 0


def test_who_finds_no_association_free_in_time_fails_and_says_why(archive: Archive, scp: Callable[..., Scp]) -> None:
    archive.settings = archive.settings.model_copy(update={"send_associations_per_peer_max": 1, "send_wait_s": 0.3})
    peer = add_peer(archive, "DEST", scp().port)
    other = add_peer(archive, "OTHER", scp().port)
    held = take_slot(archive, peer)
    assert held is not None
    (instance,) = series_of(archive, 1)
    result = send(archive, SYSTEM("test"), peer, [instance])
    assert "send_associations_per_peer_max" in result.failures[instance.sop_instance_uid]
    assert send(archive, SYSTEM("test"), other, [instance]).completed == 1
    held.free()
    assert send(archive, SYSTEM("test"), peer, [instance]).completed == 1


def test_the_associations_of_what_was_killed_are_others_after_a_time(archive: Archive, scp: Callable[..., Scp]) -> None:
    archive.settings = archive.settings.model_copy(update={"send_associations_per_peer_max": 1, "send_wait_s": 0.3})
    peer = add_peer(archive, "DEST", scp().port)
    killed = take_slot(archive, peer)
    assert killed is not None
    assert take_slot(archive, peer) is None
    with archive.transaction() as session:
        session.execute(update(send_slots).values(renewed_at=time.time() - LEASE_S - 1))
    taken = take_slot(archive, peer)
    assert taken is not None
    killed.free()  # it is no longer its own
    assert slots_of(archive) == 1


def slots_of(archive: Archive) -> int:
    with archive.reading() as session:
        return int(session.execute(select(func.count()).select_from(send_slots)).scalar_one())
