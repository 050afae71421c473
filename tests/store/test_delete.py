"""What is deleted is gone at once, stays gone whatever happens, can be restored for a while, and can come again."""

from __future__ import annotations

import gzip
import io
import json
import threading
import time
from collections.abc import Callable
from types import SimpleNamespace
from typing import Any

import pytest
from pydicom import Dataset
from sqlalchemy import Table, func, select, update

import make
from callers import principal_of
from filmless.access.principal import Principal
from filmless.access.tables import audit
from filmless.app.worker import make_worker
from filmless.archive import Archive, metadata
from filmless.archive.tables import (
    deleted_instances,
    deletions,
    events,
    headers,
    instances,
    patients,
    problems,
    renditions,
    series,
    studies,
)
from filmless.config import Settings
from filmless.errors import Conflict, NotAllowed, NotFound, Refused, Unavailable
from filmless.query.listing import get_study
from filmless.store import marks, trash
from filmless.store.delete import Target, delete_instances
from filmless.store.kept import find_kept
from filmless.store.receive import Receipt, receive
from filmless.store.reindex import reindex
from filmless.store.sweep import sweep
from filmless.store.verify import verify

Send = Callable[..., Receipt]
Rows = Callable[[Table], list[Any]]
Count = Callable[[Table], int]

ADMINISTRATOR = principal_of("administrator")


@pytest.fixture
def settings(settings: Settings) -> Settings:
    return settings.model_copy(update={"sweep_age_s": 0.0})


def study_of(ds: Dataset) -> Target:
    return Target(ds.StudyInstanceUID)


def instance_of(ds: Dataset) -> Target:
    return Target(ds.StudyInstanceUID, ds.SeriesInstanceUID, ds.SOPInstanceUID)


def delete(archive: Archive, target: Target, reason: str = "wrong patient") -> int:
    return delete_instances(archive, ADMINISTRATOR, target, reason)


def run_jobs(archive: Archive) -> None:
    make_worker(archive).run_due()


def blob_of(rows: Rows, ds: Dataset) -> str:
    (found,) = (bytes(row.blob).hex() for row in rows(instances) if row.sop_instance_uid == ds.SOPInstanceUID)
    return found


@pytest.fixture
def a_year_later(monkeypatch: pytest.MonkeyPatch) -> Callable[[], None]:
    def put_forward() -> None:
        monkeypatch.setattr(trash, "time", SimpleNamespace(time=lambda: time.time() + 365 * 86400.0))

    return put_forward


def test_a_study_leaves_no_row_of_it_and_of_its_patient(archive: Archive, send: Send, count: Count) -> None:
    slices = make.ct_series(3)
    for ds in slices:
        send(ds)
    metadata.pack_series(archive, 1)
    delete(archive, study_of(slices[0]))
    assert [count(table) for table in (instances, headers, series, studies, patients)] == [0] * 5


def test_a_patient_with_another_study_stays(archive: Archive, send: Send, rows: Rows) -> None:
    one, other = make.ct_slice(), make.ct_slice()
    send(one), send(other)
    delete(archive, study_of(one))
    assert [row.study_instance_uid for row in rows(studies)] == [other.StudyInstanceUID]
    assert [row.patient_id for row in rows(patients)] == [other.PatientID]


def test_counts_sizes_and_modalities_are_right_at_once(archive: Archive, send: Send, rows: Rows) -> None:
    slices = make.ct_series(3)
    report = make.text_report(StudyInstanceUID=slices[0].StudyInstanceUID)
    for ds in (*slices, report):
        send(ds)
    delete(archive, instance_of(slices[1]))
    delete(archive, Target(report.StudyInstanceUID, report.SeriesInstanceUID))
    (study,), (left,) = rows(studies), rows(series)
    size_bytes = sum(row.length_bytes for row in rows(instances))
    assert (study.number_of_study_related_series, study.number_of_study_related_instances) == (1, 2)
    assert (study.modalities_in_study, study.size_bytes) == ("CT", size_bytes)
    assert (left.number_of_series_related_instances, left.size_bytes) == (2, size_bytes)


def test_packed_metadata_no_longer_tell_of_a_deleted_instance(archive: Archive, send: Send, rows: Rows) -> None:
    slices = make.ct_series(3)
    for ds in slices:
        send(ds)
    metadata.pack_series(archive, 1)
    packed = rows(series)[0].metadata_blob
    delete(archive, instance_of(slices[1]))

    def told() -> list[str]:
        return [
            ds["00080018"]["Value"][0] for ds in json.loads(gzip.decompress(metadata.series_metadata_gzip(archive, 1)))
        ]

    left = [slices[0].SOPInstanceUID, slices[2].SOPInstanceUID]
    assert told() == left
    run_jobs(archive)
    assert archive.metadata_objects.length(packed) is None
    metadata.pack_series(archive, 1)
    assert told() == left


def test_copies_of_its_frames_are_removed(archive: Archive, send: Send, count: Count) -> None:
    slices = make.ct_series(2)
    for ds in slices:
        send(ds)
    with archive.renditions.create() as writer:
        writer.write(b"frames")
        copy, length_bytes = writer.finish()
    with archive.transaction() as session:
        values = {"series_key": 1, "blob": copy, "length_bytes": length_bytes, "created_at": 0.0, "used_at": 0.0}
        session.execute(renditions.insert().values(values))
    delete(archive, instance_of(slices[0]))
    assert count(renditions) == 0
    run_jobs(archive)
    assert archive.renditions.length(copy) is None


def test_the_trail_says_who_what_and_why_in_the_same_transaction(archive: Archive, send: Send, rows: Rows) -> None:
    ds = make.ct_slice()
    send(ds)
    key = delete(archive, study_of(ds), "sent twice by the CT")
    (row,) = (row for row in rows(audit) if row.action == "delete")
    assert (row.actor, row.study_instance_uid, row.outcome) == (ADMINISTRATOR.name, ds.StudyInstanceUID, "success")
    assert json.loads(row.detail)["reason"] == "sent twice by the CT"
    assert json.loads(row.detail)["deletion"] == key
    assert ("study_deleted", ds.StudyInstanceUID) in [(event.name, event.key) for event in rows(events)]


def test_without_the_right_nothing_is_deleted(archive: Archive, send: Send, count: Count) -> None:
    ds = make.ct_slice()
    send(ds)
    with pytest.raises(NotAllowed, match="may not delete studies"):
        delete_instances(archive, principal_of("radiologist"), study_of(ds), "tidying")
    assert (count(instances), count(deletions)) == (1, 0)


@pytest.mark.parametrize("reason", ["", "  ", "a\nb", "x" * 501])
def test_a_deletion_needs_a_reason(archive: Archive, send: Send, count: Count, reason: str) -> None:
    ds = make.ct_slice()
    send(ds)
    with pytest.raises(Refused, match="needs a reason"):
        delete(archive, study_of(ds), reason)
    assert count(instances) == 1


def test_what_is_not_in_the_study_named_is_not_found(archive: Archive, send: Send, count: Count) -> None:
    one, other = make.ct_slice(), make.ct_slice()
    send(one), send(other)
    for target in (
        Target("1.2.3"),
        Target(one.StudyInstanceUID, other.SeriesInstanceUID),
        Target(one.StudyInstanceUID, one.SeriesInstanceUID, other.SOPInstanceUID),
    ):
        with pytest.raises(NotFound):
            delete(archive, target)
    assert (count(instances), count(deletions)) == (2, 0)


def test_the_bytes_wait_in_the_trash_and_are_purged_when_their_time_is_over(
    archive: Archive, send: Send, rows: Rows, a_year_later: Callable[[], None]
) -> None:
    ds = make.ct_slice()
    send(ds)
    blob = blob_of(rows, ds)
    delete(archive, study_of(ds))
    assert archive.blobs.length(blob) is not None  # nothing is moved before the commit
    run_jobs(archive)
    assert (archive.blobs.length(blob), archive.trash.length(blob) is not None) == (None, True)
    a_year_later()
    trash.empty_trash_job(archive, {}, SimpleNamespace(check=lambda: None))  # type: ignore[arg-type]
    assert archive.trash.length(blob) is None
    (row,) = rows(deletions)
    assert (row.reason, row.number_of_instances, row.patient_name) == ("wrong patient", 1, "")
    assert [row.action for row in rows(audit)].count("purge") == 1
    with pytest.raises(Conflict, match="its time in the trash"):
        trash.ask_to_restore(archive, ADMINISTRATOR, row.id)


def test_without_a_time_in_the_trash_the_bytes_go_at_once(settings: Settings, sender: Principal) -> None:
    ds = make.ct_slice()
    with Archive.open(settings.model_copy(update={"trash_keep_s": 0.0})) as archive:
        receive(archive, sender, io.BytesIO(make.part10(ds)))
        kept = find_kept(archive, ds.SOPInstanceUID)
        assert kept is not None
        delete(archive, study_of(ds))
        run_jobs(archive)
        assert archive.blobs.length(kept.blob) is archive.trash.length(kept.blob) is None


def test_a_deletion_is_restored_whole(archive: Archive, send: Send, rows: Rows, count: Count) -> None:
    slices = make.ct_series(3)
    for ds in slices:
        send(ds)
    before = [(row.sop_instance_uid, bytes(row.blob)) for row in rows(instances)]
    key = delete(archive, study_of(slices[0]))
    run_jobs(archive)
    trash.ask_to_restore(archive, ADMINISTRATOR, key)
    run_jobs(archive)
    assert sorted((row.sop_instance_uid, bytes(row.blob)) for row in rows(instances)) == sorted(before)
    assert verify(archive).findings == []
    assert count(deleted_instances) == 0
    assert list(archive.trash.keys()) == []
    assert [row.action for row in rows(audit)].count("restored") == 1
    with pytest.raises(Conflict, match="restored already"):
        trash.ask_to_restore(archive, ADMINISTRATOR, key)


def test_what_came_again_with_other_content_is_not_overwritten_by_a_restore(
    archive: Archive, send: Send, rows: Rows, count: Count
) -> None:
    slices = make.ct_series(2)
    for ds in slices:
        send(ds)
    key = delete(archive, study_of(slices[0]))
    run_jobs(archive)
    slices[0].PatientComments = "corrected"
    send(slices[0])
    corrected = blob_of(rows, slices[0])
    trash.ask_to_restore(archive, ADMINISTRATOR, key)
    run_jobs(archive)
    assert blob_of(rows, slices[0]) == corrected
    assert (count(instances), count(deleted_instances)) == (2, 1)
    (row,) = (row for row in rows(audit) if row.action == "restored")
    assert (row.outcome, json.loads(row.detail)["left_out"]) == ("failed", 1)


def test_the_same_instance_can_come_again(archive: Archive, send: Send, rows: Rows, count: Count) -> None:
    ds = make.ct_slice()
    send(ds)
    delete(archive, study_of(ds))
    run_jobs(archive)
    assert send(ds).outcome == "stored"
    blob = blob_of(rows, ds)
    assert archive.blobs.digest(blob) == blob
    assert (count(deleted_instances), archive.trash.length(blob)) == (0, None)


def test_what_came_again_before_its_bytes_were_moved_is_not_moved(archive: Archive, send: Send, rows: Rows) -> None:
    ds = make.ct_slice()
    send(ds)
    delete(archive, study_of(ds))
    send(ds)
    run_jobs(archive)
    blob = blob_of(rows, ds)
    assert archive.blobs.digest(blob) == blob
    assert verify(archive).findings == []


def test_bytes_that_are_moved_while_the_same_come_again_are_brought_back(
    archive: Archive, sender: Principal, send: Send, rows: Rows, monkeypatch: pytest.MonkeyPatch
) -> None:
    ds = make.ct_slice()
    send(ds)
    delete(archive, study_of(ds))
    waiting = archive.blobs.create

    def create_then_move() -> Any:
        writer = waiting()
        finish = writer.finish

        def finish_then_move() -> tuple[str, int]:
            made = finish()
            run_jobs(archive)  # the bytes are durable, the row is not written yet
            assert archive.blobs.length(made[0]) is None
            return made

        monkeypatch.setattr(writer, "finish", finish_then_move)
        return writer

    monkeypatch.setattr(archive.blobs, "create", create_then_move)
    assert send(ds).outcome == "stored"
    blob = blob_of(rows, ds)
    assert archive.blobs.digest(blob) == blob


def test_bytes_that_are_purged_while_the_same_come_again_are_asked_for_again(
    archive: Archive, send: Send, count: Count, monkeypatch: pytest.MonkeyPatch
) -> None:
    ds = make.ct_slice()
    send(ds)
    delete(archive, study_of(ds))
    run_jobs(archive)
    with archive.transaction() as session:
        blob = bytes(session.execute(select(deleted_instances.c.blob)).scalar_one())
        session.execute(update(deleted_instances).values(purged_at=time.time()))
    hold = marks.hold

    def purge_first(session: Any, key: bytes) -> bool:
        archive.trash.delete(blob.hex())
        archive.blobs.delete(blob.hex())
        return hold(session, key)

    monkeypatch.setattr(marks, "hold", purge_first)
    with pytest.raises(Unavailable, match="send it again"):
        send(ds)
    monkeypatch.undo()
    assert count(instances) == 0
    assert send(ds).outcome == "stored"


def test_a_crash_before_the_bytes_are_moved_brings_nothing_back(settings: Settings, sender: Principal) -> None:
    slices = make.ct_series(2)
    with Archive.open(settings) as archive:
        for ds in slices:
            receive(archive, sender, io.BytesIO(make.part10(ds)))
        delete(archive, instance_of(slices[0]))  # no job runs
        assert sweep(archive).adopted == 0
        assert verify(archive).findings == []
    result = reindex(settings)
    assert (result.instances, result.differences, result.not_carried_over) == (1, [], [])
    with Archive.open(settings) as archive:
        assert find_kept(archive, slices[0].SOPInstanceUID) is None
        run_jobs(archive)  # the job was carried over
        assert len(list(archive.trash.keys())) == 1


def test_an_index_that_is_lost_altogether_does_not_bring_back_what_is_in_the_trash(
    settings: Settings, sender: Principal
) -> None:
    slices = make.ct_series(2)
    with Archive.open(settings) as archive:
        for ds in slices:
            receive(archive, sender, io.BytesIO(make.part10(ds)))
        delete(archive, instance_of(slices[0]))
        run_jobs(archive)
        with archive.transaction() as session:
            session.execute(deleted_instances.delete())
            session.execute(deletions.delete())
    assert reindex(settings).instances == 1


def test_problems_of_what_is_deleted_are_gone(archive: Archive, send: Send, rows: Rows, count: Count) -> None:
    ds = make.ct_slice()
    send(ds)
    archive.blobs.delete(blob_of(rows, ds))
    assert len(verify(archive).findings) == 1
    delete(archive, study_of(ds))
    run_jobs(archive)
    assert [row.kind for row in rows(problems)] == []


def test_deleting_and_receiving_at_once_leaves_counts_that_are_true(
    archive: Archive, sender: Principal, count: Count
) -> None:
    slices = make.ct_series(24)
    first, rest = slices[0], slices[1:]
    receive(archive, sender, io.BytesIO(make.part10(first)))
    files = [make.part10(ds) for ds in rest]

    def store() -> None:
        for data in files:
            receive(archive, sender, io.BytesIO(data))

    thread = threading.Thread(target=store)
    thread.start()
    while thread.is_alive():
        try:
            delete(archive, study_of(first))
        except NotFound:
            time.sleep(0.002)
    thread.join()
    with archive.reading() as session:
        counted = session.execute(select(func.sum(studies.c.number_of_study_related_instances))).scalar_one() or 0
    assert counted == count(instances) == 23 + 1 - count(deleted_instances)
    if counted:
        study = get_study(archive, ADMINISTRATOR, first.StudyInstanceUID)
        assert study.number_of_instances == counted
