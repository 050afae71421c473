"""Blobs move to a real S3 server while the archive is used: nothing is lost, whatever happens and whenever."""

from __future__ import annotations

import secrets
import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest
from pydantic import SecretStr
from sqlalchemy import Table

import make
import real_servers
from filmless.access.tables import audit
from filmless.archive import Archive
from filmless.archive.blobs import open_store
from filmless.archive.bucket_blobs import BucketBlobs
from filmless.archive.movable_blobs import MovableBlobs
from filmless.archive.moving import find_move, move_file, only_one
from filmless.archive.tables import instances
from filmless.config import Settings
from filmless.errors import NotFound, Refused, Unavailable
from filmless.health.machine import examine_blob_writing, examine_blobs
from filmless.store import move_blobs as moving
from filmless.store.move_blobs import MoveResult, move_blobs
from filmless.store.receive import Receipt
from filmless.store.verify import verify

pytestmark = pytest.mark.embedded

Send = Callable[..., Receipt]
Rows = Callable[[Table], list[Any]]


@pytest.fixture
def url() -> str:
    return f"s3://{real_servers.BUCKET}/{secrets.token_hex(8)}"


@pytest.fixture
def reaching(settings: Settings, servers: real_servers.Servers) -> Settings:
    """The settings with what is needed to reach the bucket, but for its address."""
    return settings.model_copy(
        update={
            "blobs_endpoint": servers.s3,
            "blobs_access_key_id": real_servers.ACCESS_KEY_ID,
            "blobs_secret_access_key": SecretStr(real_servers.SECRET_ACCESS_KEY),
        }
    )


def put(archive: Archive, data: bytes) -> str:
    with archive.blobs.create() as writer:
        writer.write(data)
        return writer.finish()[0]


def files_of(archive: Archive) -> list[Path]:
    return sorted((archive.settings.data / "blobs").glob("???/*.dcm"))


def in_bucket(reaching: Settings, url: str) -> BucketBlobs:
    blobs = open_store(reaching.model_copy(update={"blobs_url": url})).blobs
    assert isinstance(blobs, BucketBlobs)
    return blobs


def stop_after(monkeypatch: pytest.MonkeyPatch, count: int) -> None:
    """Have the bucket go away after so many blobs."""
    copy, done = moving.copy_blob, []

    def copy_some(*args: Any) -> int:
        if len(done) >= count:
            raise Unavailable("the bucket is away")
        done.append(1)
        return copy(*args)

    monkeypatch.setattr(moving, "copy_blob", copy_some)


def test_all_kinds_of_blobs_are_in_the_bucket_and_read_from_there_by_a_process_that_was_open(
    archive: Archive, reaching: Settings, url: str, send: Send
) -> None:
    for ds in make.ct_series(3):
        send(ds)
    before = {key: archive.blobs.read(key) for key in list(archive.blobs.keys())}
    with archive.metadata_objects.create() as writer:
        writer.write(b"metadata")
        object_key, _ = writer.finish()
    with archive.quarantine.create() as writer:
        writer.write(b"refused")
        refused, _ = writer.finish()
    result = move_blobs(reaching, url, removes=True)
    assert (result.copied, result.removed, result.is_over) == (5, 5, True)
    assert files_of(archive) == []
    assert {key: archive.blobs.read(key) for key in list(archive.blobs.keys())} == before
    assert archive.metadata_objects.read(object_key) == b"metadata"
    assert archive.quarantine.read(refused) == b"refused"
    with Archive.open(archive.settings) as opened_later:
        assert isinstance(opened_later.blobs, BucketBlobs)
        assert {key: opened_later.blobs.read(key) for key in before} == before
        assert verify(opened_later).findings == []


def test_without_the_flag_no_file_is_removed(archive: Archive, reaching: Settings, url: str, send: Send) -> None:
    send(make.ct_slice())
    assert move_blobs(reaching, url).removed == 0
    assert len(files_of(archive)) == 1
    assert move_blobs(reaching, removes=True).removed == 1
    assert files_of(archive) == []


def test_new_instances_go_to_the_bucket_from_the_first_instant_and_old_ones_stay_readable(
    archive: Archive, reaching: Settings, url: str, send: Send, monkeypatch: pytest.MonkeyPatch
) -> None:
    first, second, third = make.ct_series(3)
    send(first)
    send(second)
    (one, other) = archive.blobs.keys()
    with monkeypatch.context() as patch:
        stop_after(patch, 1)
        with pytest.raises(Unavailable):
            move_blobs(reaching, url, at_once=1)
    assert len(list(in_bucket(reaching, url).keys())) == 1
    send(third)
    assert len(files_of(archive)) == 2
    assert len(list(in_bucket(reaching, url).keys())) == 2
    assert len(list(archive.blobs.keys())) == len(set(archive.blobs.keys())) == 3
    assert archive.blobs.digest(one) == one
    assert archive.blobs.digest(other) == other
    assert verify(archive).findings == []
    told = [finding for look in (examine_blobs, examine_blob_writing) for finding in look(archive)]
    assert [finding.what for finding in told if finding.code == "blobs_moving"] == [f"not all are in {url} yet"] * 2
    move_blobs(reaching)
    assert [finding for finding in examine_blobs(archive) if finding.level != "ok"] == []


def test_a_move_that_stopped_goes_on_and_copies_nothing_twice(
    archive: Archive, reaching: Settings, url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    for count in range(20):
        put(archive, b"%d" % count)
    with monkeypatch.context() as patch:
        stop_after(patch, 10)
        with pytest.raises(Unavailable):
            move_blobs(reaching, url, at_once=1)
    position = move_file(archive.settings.data).with_name("position.json").read_text()
    assert '"blobs"' in position
    again = move_blobs(reaching)
    assert (again.copied, again.is_over) == (10, True)


def test_a_reception_that_began_before_the_move_ends_in_the_bucket(
    archive: Archive, reaching: Settings, url: str
) -> None:
    long_data = secrets.token_bytes(3 << 20)
    with archive.blobs.create() as short, archive.blobs.create() as long:
        short.write(b"short")
        long.write(long_data)
        move_blobs(reaching, url)
        keys = [short.finish()[0], long.finish()[0]]
    assert files_of(archive) == []
    assert sorted(in_bucket(reaching, url).keys()) == sorted(keys)
    assert archive.blobs.read(keys[1]) == long_data
    assert list((archive.settings.data / "blobs" / "incoming").iterdir()) == []


def test_blobs_that_come_in_threads_while_the_move_begins_are_all_there_when_it_is_over(
    archive: Archive, reaching: Settings, url: str
) -> None:
    stop, keys = threading.Event(), []

    def store(thread: int) -> None:
        count = 0
        while not stop.is_set():
            keys.append(put(archive, b"%d %d" % (thread, count)))
            count += 1

    with ThreadPoolExecutor(4) as pool:
        storing = [pool.submit(store, thread) for thread in range(4)]
        while len(keys) < 50:
            pass
        in_folder = len(keys)
        assert move_blobs(reaching, url, removes=True).is_over
        while len(keys) < in_folder + 50:
            pass
        stop.set()
        for each in storing:
            each.result()
    assert files_of(archive) == []
    assert set(in_bucket(reaching, url).keys()) == set(keys)


def test_a_blob_that_is_deleted_while_it_is_copied_is_gone_from_both_places(
    archive: Archive, reaching: Settings, url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    key, deleting = put(archive, b"to be deleted"), []
    copy = moving.copy_blob

    def copy_while_it_is_deleted(source: Any, target: Any, key: str) -> int:
        length = copy(source, target, key)
        deleting.append(threading.Thread(target=archive.blobs.delete, args=(key,)))
        deleting[0].start()
        deleting[0].join(0.2)
        assert deleting[0].is_alive()  # it waits for us
        return length

    monkeypatch.setattr(moving, "copy_blob", copy_while_it_is_deleted)
    move_blobs(reaching, url)
    deleting[0].join()
    assert list(archive.blobs.keys()) == []
    assert list(in_bucket(reaching, url).keys()) == []
    with pytest.raises(NotFound):
        archive.blobs.read(key)


def test_a_conflict_goes_to_the_quarantine_of_the_bucket(archive: Archive, reaching: Settings, url: str) -> None:
    old, quarantined = put(archive, b"old"), put(archive, b"quarantined before")
    archive.blobs.move_to(archive.quarantine, quarantined)
    move_blobs(reaching, url)
    new = put(archive, b"new")
    for key in (old, new, quarantined):
        archive.blobs.move_to(archive.quarantine, key)
        archive.blobs.move_to(archive.quarantine, key)
        assert archive.quarantine.digest(key) == key
    assert list(archive.blobs.keys()) == []
    with pytest.raises(NotFound):
        archive.blobs.move_to(archive.quarantine, "00" * 32)


def test_a_damaged_file_is_left_where_it_is_and_the_move_is_not_over(
    archive: Archive, reaching: Settings, url: str
) -> None:
    good, bad = put(archive, b"good"), put(archive, b"bad")
    path = archive.blobs.local_path(bad)
    assert path is not None
    path.write_bytes(b"BAD")
    for result in (move_blobs(reaching, url, removes=True), move_blobs(reaching)):
        assert (result.not_whole, result.is_over) == ([("blobs", bad)], False)
        assert list(in_bucket(reaching, url).keys()) == [good]
        assert path.read_bytes() == b"BAD"
    path.write_bytes(b"bad")
    assert move_blobs(reaching).is_over
    assert in_bucket(reaching, url).read(bad) == b"bad"


def test_a_damaged_file_is_superseded_when_its_instance_is_sent_again_during_the_move(
    archive: Archive, reaching: Settings, url: str
) -> None:
    good, bad = put(archive, b"good"), put(archive, b"bad")
    for path in files_of(archive):
        if path.stem == bad:
            path.write_bytes(b"BAD")
    assert not move_blobs(reaching, url).is_over
    assert [put(archive, b"good"), put(archive, b"bad")] == [good, bad]
    assert archive.blobs.read(bad) == b"bad"
    assert [path.stem for path in files_of(archive)] == [good]
    assert move_blobs(reaching).is_over


def test_a_move_may_be_ended_without_damaged_files_which_stay(archive: Archive, reaching: Settings, url: str) -> None:
    bad = put(archive, b"bad")
    path = archive.blobs.local_path(bad)
    assert path is not None
    path.write_bytes(b"BAD")
    result = move_blobs(reaching, url, removes=True, without_damaged=True)
    assert (result.is_over, result.not_whole, path.read_bytes()) == (True, [("blobs", bad)], b"BAD")


def test_what_is_damaged_in_the_bucket_is_put_again_before_its_file_is_removed(
    archive: Archive, reaching: Settings, url: str
) -> None:
    from stored import overwrite

    key = put(archive, b"data")
    move_blobs(reaching, url)
    overwrite(in_bucket(reaching, url), key, b"DATA")
    assert move_blobs(reaching, removes=True).copied == 1
    assert in_bucket(reaching, url).read(key) == b"data"


def test_only_one_move_runs_and_only_to_one_place(archive: Archive, reaching: Settings, url: str) -> None:
    with only_one(reaching.data, "migrate-blobs"), pytest.raises(Refused, match="another"):
        move_blobs(reaching, url)
    with pytest.raises(Refused, match="--to"):
        move_blobs(reaching)
    move_blobs(reaching, url)
    with pytest.raises(Refused, match="was begun"):
        move_blobs(reaching, url + "2")
    with pytest.raises(Refused, match="blobs_url"):
        move_blobs(reaching.model_copy(update={"blobs_url": url}))


def test_a_bucket_that_cannot_be_used_begins_no_move(archive: Archive, reaching: Settings, url: str) -> None:
    wrong = reaching.model_copy(update={"blobs_secret_access_key": SecretStr("wrong"), "blobs_retries": 0})
    with pytest.raises(Unavailable):
        move_blobs(wrong, url)
    assert find_move(archive.settings.data) is None
    assert isinstance(archive.blobs, MovableBlobs)
    assert archive.blobs.target() is None


def test_a_server_with_the_bucket_in_its_settings_does_not_start_before_the_move_is_over(
    archive: Archive, reaching: Settings, url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    put(archive, b"data")
    named = reaching.model_copy(update={"blobs_url": url})
    with monkeypatch.context() as patch:
        stop_after(patch, 0)
        with pytest.raises(Unavailable):
            move_blobs(reaching, url)
    with pytest.raises(Refused, match="on their way"):
        Archive.open(named)
    move_blobs(reaching)
    with Archive.open(named) as opened:
        assert isinstance(opened.blobs, BucketBlobs)


def test_the_file_that_names_the_bucket_is_for_its_owner_alone(archive: Archive, reaching: Settings, url: str) -> None:
    move_blobs(reaching, url)
    assert move_file(archive.settings.data).stat().st_mode & 0o777 == 0o600


def test_the_move_is_in_the_audit_trail(archive: Archive, reaching: Settings, url: str, rows: Rows) -> None:
    result: MoveResult = move_blobs(reaching, url)
    assert result.is_over
    told = [(row.action, row.object) for row in rows(audit) if row.action.startswith("blobs")]
    assert told == [("blobs_move_began", url), ("blobs_moved", url)]
    assert rows(instances) == []
