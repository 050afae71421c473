"""The replica has what the archive has, at once or a little later; what is damaged in one comes from the other."""

from __future__ import annotations

import secrets
from collections.abc import Callable, Iterator
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from pydantic import SecretStr
from pydicom import Dataset
from sqlalchemy import Table, update

import make
import real_servers
from callers import principal_of
from filmless.access.tables import audit
from filmless.app.health import read_metrics
from filmless.app.worker import make_worker
from filmless.archive import Archive
from filmless.archive import replica as replica_module
from filmless.archive.blobs import Blobs
from filmless.archive.replica import read_backlog
from filmless.archive.tables import deletions, events, instances, problems, replica_backlog, replicas, walks
from filmless.config import Settings
from filmless.errors import Conflict, Unavailable
from filmless.health.records import examine_replica
from filmless.store import scrub as scrubbing
from filmless.store.delete import Target, delete_instances
from filmless.store.receive import Receipt
from filmless.store.replicate import replicate
from filmless.store.scrub import scrub
from filmless.store.sweep import sweep
from filmless.store.trash import ask_to_restore, empty_trash_job
from stored import flip_bit

Send = Callable[..., Receipt]
Rows = Callable[[Table], list[Any]]


@pytest.fixture(autouse=True)
def _no_pauses(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(scrubbing, "_BURST", 1e9)


@pytest.fixture
def mode(request: pytest.FixtureRequest) -> dict[str, str]:
    """The settings of the replica; a test may be run with each mode."""
    params = getattr(request.node, "callspec", None)
    return {"replica_mode": params.params.get("replica_mode", "lagging") if params else "lagging"}


@pytest.fixture
def synchronous(mode: dict[str, str]) -> None:
    mode["replica_mode"] = "synchronous"


@pytest.fixture
def degrading(synchronous: None, mode: dict[str, str]) -> None:
    mode["replica_away"] = "degrade"


@pytest.fixture
def settings(settings: Settings, mode: dict[str, str], tmp_path: Path, archive_shape: str) -> Settings:
    """With a replica: a folder for the archive in a bucket, a place in the bucket for the one on disk."""
    changes: dict[str, Any] = {"scrub_round_s": 0.001, **mode}
    if archive_shape == "scaled":
        (tmp_path / "replica").mkdir()
        return settings.model_copy(update=changes | {"replica_url": str(tmp_path / "replica")})
    servers = real_servers.running_servers()
    bucket = {
        "replica_url": f"s3://{real_servers.BUCKET}/{secrets.token_hex(8)}",
        "replica_endpoint": servers.s3,
        "replica_access_key_id": real_servers.ACCESS_KEY_ID,
        "replica_secret_access_key": SecretStr(real_servers.SECRET_ACCESS_KEY),
    }
    return settings.model_copy(update=changes | bucket)


@pytest.fixture
def away(archive: Archive, monkeypatch: pytest.MonkeyPatch) -> Iterator[Callable[[bool], None]]:
    """Have the replica go away, and come back."""
    assert archive.replica is not None
    real = archive.replica._open

    def set_away(is_away: bool) -> None:
        def fail() -> Blobs:
            raise Unavailable("the disk of the replica is not mounted")

        monkeypatch.setattr(archive.replica, "_open", fail if is_away else real)

    yield set_away


def copies(archive: Archive) -> Blobs:
    assert archive.replica is not None
    return archive.replica.ready(archive)


def keys(rows: Rows) -> list[str]:
    return sorted(row.blob.hex() for row in rows(instances))


def waiting(archive: Archive) -> int:
    with archive.reading() as session:
        return read_backlog(session).blobs


def scrub_now(archive: Archive) -> None:
    with archive.transaction() as session:
        session.execute(update(walks).values(resume_at=0.0))
        session.execute(update(problems).values(last_at=0.0))
    scrub(archive)


def blob_audit(rows: Rows) -> list[tuple[str, str, str]]:
    told = [row for row in rows(audit) if row.action.startswith(("blob", "replica"))]
    return [(row.action, row.outcome, row.study_instance_uid) for row in told]


def told(rows: Rows) -> list[tuple[str, str, str | None]]:
    """The events of repairs, as the change feed and webhooks give them."""
    return [(row.name, row.key, row.study_instance_uid) for row in rows(events) if row.name.endswith("_repaired")]


def test_a_lagging_replica_gets_what_waits_and_the_backlog_is_seen_meanwhile(
    archive: Archive, send: Send, rows: Rows
) -> None:
    replicate(archive)
    for ds in make.ct_series(3):
        send(ds)
    assert list(copies(archive).keys()) == []
    assert waiting(archive) == 3
    assert b"filmless_replica_waiting 3.0" in read_metrics(archive)
    replicate(archive)
    assert list(copies(archive).keys()) == keys(rows)
    assert all(copies(archive).digest(key) == key for key in keys(rows))
    assert waiting(archive) == 0
    assert b"filmless_replica_waiting 0.0" in read_metrics(archive)


def test_what_waits_for_too_long_is_a_fault(archive: Archive, send: Send) -> None:
    replicate(archive)
    send(make.ct_slice())

    def look() -> list[str]:
        with archive.reading() as session:
            return [finding.code for finding in examine_replica(archive, session, now=look_at)]

    (since,) = [row_at(archive)]
    look_at = since + 10
    assert look() == [""]
    look_at = since + 3600
    assert look() == ["replica_behind"]


def row_at(archive: Archive) -> float:
    with archive.reading() as session:
        oldest = read_backlog(session).oldest_at
    assert oldest is not None
    return oldest


def test_instances_older_than_the_replica_are_brought_over_and_a_broken_run_goes_on(
    archive: Archive, send: Send, rows: Rows, monkeypatch: pytest.MonkeyPatch
) -> None:
    for ds in make.ct_series(5):
        send(ds)
    with archive.transaction() as session:
        session.execute(replica_backlog.delete())  # as if there had been no replica
    monkeypatch.setattr("filmless.store.replicate._PAGE", 2)
    looks = iter([False, False, True])
    replicate(archive, is_stopping=lambda: next(looks))
    assert len(list(copies(archive).keys())) == 2
    assert rows(replicas)[0].filled_at is None
    replicate(archive)
    assert list(copies(archive).keys()) == keys(rows)
    assert rows(replicas)[0].filled_at is not None


def hanging_protocol() -> Dataset:
    ds = Dataset()
    ds.SOPClassUID = "1.2.840.10008.5.1.4.38.1"
    ds.SOPInstanceUID = make.uid()
    ds.HangingProtocolName = "CT"
    return ds


def test_what_belongs_to_no_patient_gets_a_copy_too(archive: Archive, send: Send, rows: Rows) -> None:
    send(hanging_protocol(), takes_non_patient=True)
    with archive.transaction() as session:
        session.execute(replica_backlog.delete())  # as if it were older than the replica
    replicate(archive)
    send(hanging_protocol(), takes_non_patient=True)
    assert waiting(archive) == 1
    replicate(archive)
    assert list(copies(archive).keys()) == sorted(archive.blobs.keys())
    assert len(list(copies(archive).keys())) == 2


@pytest.mark.usefixtures("synchronous")
def test_success_means_both_places_with_a_synchronous_replica(archive: Archive, send: Send, rows: Rows) -> None:
    replicate(archive)
    ds = make.ct_slice()
    send(ds)
    assert list(copies(archive).keys()) == keys(rows)
    assert waiting(archive) == 0
    assert send(ds).outcome == "duplicate"


@pytest.mark.usefixtures("synchronous")
def test_nothing_is_kept_while_a_synchronous_replica_is_away(
    archive: Archive, send: Send, rows: Rows, away: Callable[[bool], None]
) -> None:
    replicate(archive)
    ds = make.ct_slice()
    away(True)
    with pytest.raises(Unavailable, match="without the replica: the disk of the replica is not mounted"):
        send(ds)
    assert rows(instances) == []
    away(False)
    assert send(ds).outcome == "stored"


@pytest.mark.usefixtures("degrading")
def test_a_replica_may_be_done_without_and_gets_it_later(
    archive: Archive, send: Send, rows: Rows, away: Callable[[bool], None]
) -> None:
    replicate(archive)
    away(True)
    send(make.ct_slice())
    replicate(archive)
    (problem,) = rows(problems)
    assert (problem.kind, waiting(archive)) == ("replica", 1)
    assert "1 blobs wait" in problem.what
    away(False)
    replicate(archive)
    assert rows(problems) == []
    assert list(copies(archive).keys()) == keys(rows)


def test_a_damaged_or_missing_blob_is_repaired_from_the_replica(archive: Archive, send: Send, rows: Rows) -> None:
    first, second = make.ct_series(2)
    send(first)
    send(second)
    replicate(archive)
    before = {key: archive.blobs.read(key) for key in keys(rows)}
    damaged, missing = keys(rows)
    flip_bit(archive.blobs, damaged, -1)
    archive.blobs.delete(missing)
    scrub_now(archive)
    assert {key: archive.blobs.read(key) for key in before} == before
    assert rows(problems) == []
    assert blob_audit(rows) == [("blob_repaired", "success", first.StudyInstanceUID)] * 2
    assert sorted(told(rows)) == sorted(
        ("blob_repaired", ds.SOPInstanceUID, first.StudyInstanceUID) for ds in (first, second)
    )


def test_a_damaged_or_missing_copy_is_repaired_from_the_archive(archive: Archive, send: Send, rows: Rows) -> None:
    first, second = make.ct_series(2)
    send(first)
    send(second)
    replicate(archive)
    damaged, missing = keys(rows)
    flip_bit(copies(archive), damaged, -1)
    copies(archive).delete(missing)
    scrub_now(archive)
    assert all(copies(archive).digest(key) == key for key in keys(rows))
    assert blob_audit(rows) == [("replica_repaired", "success", first.StudyInstanceUID)]
    ((name, uid, study),) = told(rows)
    assert (name, study) == ("replica_repaired", first.StudyInstanceUID)
    assert uid in (first.SOPInstanceUID, second.SOPInstanceUID)


def test_what_is_damaged_in_both_places_is_told_with_the_study(archive: Archive, send: Send, rows: Rows) -> None:
    ds = make.ct_slice()
    send(ds)
    replicate(archive)
    (key,) = keys(rows)
    flip_bit(archive.blobs, key, -1)
    flip_bit(copies(archive), key, -2)
    scrub_now(archive)
    (problem,) = rows(problems)
    assert problem.kind == "damaged"
    assert ds.StudyInstanceUID in problem.what
    assert "no good copy either" in problem.what
    assert blob_audit(rows) == [("blob_damaged", "failed", ds.StudyInstanceUID)]


def test_damage_is_told_while_the_replica_is_away_and_repaired_when_it_is_back(
    archive: Archive, send: Send, rows: Rows, away: Callable[[bool], None]
) -> None:
    send(make.ct_slice())
    replicate(archive)
    (key,) = keys(rows)
    flip_bit(archive.blobs, key, -1)
    away(True)
    scrub_now(archive)
    (problem,) = rows(problems)
    assert "cannot be repaired now" in problem.what
    away(False)
    scrub_now(archive)
    assert rows(problems) == []
    assert archive.blobs.digest(key) == key


def test_what_does_not_reach_a_row_does_not_stay_in_the_replica(archive: Archive, send: Send, rows: Rows) -> None:
    ds = make.ct_slice()
    send(ds)
    ds.PatientName = "Other^Content"
    with pytest.raises(Conflict):
        send(ds)
    replicate(archive)
    assert list(copies(archive).keys()) == keys(rows)


@pytest.mark.usefixtures("synchronous")
def test_a_refused_version_leaves_a_synchronous_replica(archive: Archive, send: Send, rows: Rows) -> None:
    replicate(archive)
    ds = make.ct_slice()
    send(ds)
    ds.PatientName = "Other^Content"
    with pytest.raises(Conflict):
        send(ds)
    replicate(archive)
    assert list(copies(archive).keys()) == keys(rows)


def test_an_adopted_blob_gets_a_copy_too(archive: Archive, settings: Settings, rows: Rows) -> None:
    with archive.blobs.create() as writer:
        writer.write(make.part10(make.ct_slice()))
        writer.finish()
    with Archive.open(settings.model_copy(update={"sweep_age_s": 0.0})) as sweeping:
        sweep(sweeping)
    replicate(archive)
    assert list(copies(archive).keys()) == keys(rows)
    assert len(keys(rows)) == 1


def test_a_replica_that_nobody_served_for_long_is_compared_anew(
    archive: Archive, settings: Settings, send: Send, rows: Rows
) -> None:
    replicate(archive)
    send(make.ct_slice())
    with archive.transaction() as session:  # as if it had come while no replica was set
        session.execute(replica_backlog.delete())
    replicate(archive)
    assert list(copies(archive).keys()) == []
    with archive.transaction() as session:
        session.execute(update(replicas).values(served_at=replicas.c.served_at - replica_module.REJOIN_S - 1))
    replicate(archive)
    assert list(copies(archive).keys()) == keys(rows)


def test_a_folder_that_lost_its_disk_is_not_taken_for_the_replica(
    archive: Archive, settings: Settings, send: Send, rows: Rows, tmp_path: Path
) -> None:
    folder = tmp_path / "mounted"
    changed = settings.model_copy(update={"replica_url": str(folder)})
    with Archive.open(changed) as opened:
        replicate(opened)
        assert "make it, or mount its disk" in rows(problems)[0].what
        folder.mkdir()
        replicate(opened)
        assert rows(problems) == []
        folder.rename(tmp_path / "away")
        folder.mkdir()
        send(make.ct_slice())
        replicate(opened)
        assert "is its disk mounted?" in rows(problems)[0].what
    with Archive.open(changed) as opened_later:
        replicate(opened_later)
        assert "is its disk mounted?" in rows(problems)[0].what
    assert list(folder.glob("blobs/???/*.dcm")) == []


def test_a_whole_archive_is_restored_from_its_replica(archive: Archive, send: Send, rows: Rows) -> None:
    for ds in make.ct_series(4):
        send(ds)
    replicate(archive)
    for key in keys(rows):
        archive.blobs.delete(key)
    from filmless.store.verify import verify

    assert verify(archive).findings == []
    assert sorted(archive.blobs.keys()) == keys(rows)


def purge(archive: Archive) -> None:
    with archive.transaction() as session:
        session.execute(update(deletions).values(purge_at=0.0))
    empty_trash_job(archive, {}, SimpleNamespace(check=lambda: None))  # type: ignore[arg-type]


@pytest.mark.parametrize("replica_mode", ["lagging", "synchronous"])
def test_a_deleted_instance_leaves_the_replica_with_the_trash_and_a_restored_one_is_there(
    archive: Archive, replica_mode: str, send: Send, rows: Rows
) -> None:
    assert archive.settings.replica_mode == replica_mode
    replicate(archive)
    deleted, restored = make.ct_slice(), make.ct_slice()
    for ds in (deleted, restored):
        send(ds)
        delete_instances(archive, principal_of("administrator"), Target(ds.StudyInstanceUID), "a test")
        replicate(archive)
    make_worker(archive).run_due()
    ask_to_restore(archive, principal_of("administrator"), rows(deletions)[1].id)
    make_worker(archive).run_due()
    assert len(keys(rows)) == 1
    purge(archive)
    replicate(archive)
    assert waiting(archive) == 0
    assert list(copies(archive).keys()) == keys(rows)
