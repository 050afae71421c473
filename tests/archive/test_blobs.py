"""Blobs: there under their digest once they are finished, and not before."""

from __future__ import annotations

import errno
import hashlib
import io
import os
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

import make
from filmless.access.principal import SYSTEM
from filmless.archive import Archive, folders
from filmless.archive import disk as disk_module
from filmless.archive.blobs import Blobs, copy_blob, open_store
from filmless.archive.disk import DiskBlobs
from filmless.archive.folders import syncs_names_with_files
from filmless.config import Settings
from filmless.errors import Damaged, NotFound, Unavailable
from filmless.store.receive import receive
from stored import flip_bit, in_bucket


@pytest.fixture
def blobs(tmp_path: Path, archive_shape: str, request: pytest.FixtureRequest) -> Blobs:
    if archive_shape == "embedded":
        return DiskBlobs(tmp_path / "blobs", suffix=".dcm", reserve_bytes=0)
    return open_store(in_bucket(tmp_path, request.getfixturevalue("servers"))).blobs


@pytest.fixture(params=["one sync", "two syncs"])
def disk(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, request: pytest.FixtureRequest) -> DiskBlobs:
    """A folder on a file system whose files are synced with their names, and on one where names go by themselves."""
    monkeypatch.setattr(disk_module, "syncs_names_with_files", lambda _folder: request.param == "one sync")
    blobs = DiskBlobs(tmp_path / "blobs", suffix=".dcm", reserve_bytes=0)
    blobs.prepare()
    return blobs


def put(blobs: Blobs, data: bytes, piece_bytes: int = 1 << 30) -> str:
    with blobs.create() as writer:
        for start in range(0, len(data), piece_bytes):
            writer.write(memoryview(data)[start : start + piece_bytes])
        return writer.finish()[0]


LENGTHS = [0, 1, 1000, (256 << 10) - 1, 256 << 10, (1 << 20) - 1, 1 << 20, (1 << 20) + 1, 3_500_001]


@pytest.mark.parametrize("length", LENGTHS)
@pytest.mark.parametrize("piece_bytes", [70_001, 1 << 18, (1 << 20) + 7, 1 << 30])
def test_what_was_written_is_read(blobs: Blobs, length: int, piece_bytes: int) -> None:
    data = os.urandom(length)
    key = put(blobs, data, piece_bytes)
    assert key == hashlib.sha256(data).hexdigest()
    assert blobs.read(key) == b"".join(blobs.stream(key)) == data
    assert blobs.length(key) == length
    with blobs.reader(key) as reader:
        assert reader.length == length
        assert reader.read_at(length // 2, 1000) == data[length // 2 : length // 2 + 1000]
        assert bytes(reader.map()[:]) == data
    with os.fdopen(blobs.open(key), "rb") as file:
        assert file.read() == data


def test_a_blob_on_disk_is_a_file_of_its_name(disk: DiskBlobs) -> None:
    key = put(disk, b"data")
    assert disk.local_path(key) == disk.root / key[:3] / f"{key}.dcm"
    assert disk.path(key).read_bytes() == b"data"


@pytest.mark.parametrize("length", LENGTHS[1:])
def test_a_writer_can_be_read_while_it_is_written(blobs: Blobs, length: int) -> None:
    data = os.urandom(length)
    with blobs.create() as writer:
        for start in range(0, length, 300_000):
            writer.write(data[start : start + 300_000])
            done = data[: start + 300_000]
            assert bytes(writer.map()[:]) == done
            assert writer.read_at(start // 2, 50) == done[start // 2 : start // 2 + 50]
            assert writer.digest() == hashlib.sha256(done).digest()
        writer.finish()
        assert bytes(writer.map()[:]) == data if length <= 1 << 20 else True


def test_nothing_is_there_before_finish_and_nothing_after_abort(disk: DiskBlobs) -> None:
    with disk.create() as writer:
        writer.write(bytes(2 << 20))
        assert list(disk.keys()) == []
        writer.abort()
    assert list(disk.incoming.iterdir()) == []


def test_ranges_are_read_and_streamed(blobs: Blobs) -> None:
    data = os.urandom(3 << 20)
    key = put(blobs, data)
    assert blobs.read(key, 100, 2000) == data[100:2100]
    assert blobs.read(key, len(data) - 5, 100) == data[-5:]
    assert b"".join(blobs.stream(key, 7, 2 << 20, 10_000)) == data[7 : 7 + (2 << 20)]


def test_a_blob_that_is_not_there_is_not_found_before_the_first_piece(blobs: Blobs) -> None:
    for ask in (blobs.read, blobs.open, blobs.stream, blobs.reader, blobs.digest):
        with pytest.raises(NotFound):
            ask("ab" * 32)
    blobs.delete("ab" * 32)


def test_a_stream_that_nobody_reads_closes_its_file(disk: DiskBlobs) -> None:
    key = put(disk, b"x" * 100)
    before = len(list(Path("/proc/self/fd").iterdir()))
    for _ in range(50):
        disk.stream(key)
    assert len(list(Path("/proc/self/fd").iterdir())) == before


def test_the_same_bytes_again_are_one_blob_with_the_time_of_the_first(disk: DiskBlobs) -> None:
    key = put(disk, b"same")
    os.utime(disk.path(key), (1000, 1000))
    assert put(disk, b"same") == key
    assert list(disk.keys()) == [key]
    assert disk.path(key).stat().st_mtime == 1000


def test_sending_again_heals_a_damaged_blob(disk: DiskBlobs) -> None:
    key = put(disk, b"whole")
    disk.path(key).write_bytes(b"wh0le")
    assert disk.digest(key) != key
    put(disk, b"whole")
    assert disk.digest(key) == key


def test_keys_are_listed_in_order_and_other_files_are_not(disk: DiskBlobs) -> None:
    keys = sorted(put(disk, bytes([number])) for number in range(50))
    (disk.root / "ab").mkdir(exist_ok=True)
    (disk.root / "ab" / "notes.txt").write_text("not a blob")
    (disk.root / "swept").touch()
    assert list(disk.keys()) == keys


def test_keys_that_came_between_two_times_are_listed(disk: DiskBlobs) -> None:
    keys = [put(disk, bytes([number])) for number in range(3)]
    for number, key in enumerate(keys):
        os.utime(disk.path(key), (1000 * number, 1000 * number))
    assert list(disk.keys_changed(500, 1500)) == [keys[1]]


def test_blobs_that_come_in_one_instant_are_told_apart_in_their_order(disk: DiskBlobs) -> None:
    keys = [put(disk, bytes([number])) for number in range(40)]
    assert [key for key, _ in sorted(disk.arrivals(), key=lambda arrival: arrival[1])] == keys


def test_each_blob_and_its_name_are_synced(disk: DiskBlobs, monkeypatch: pytest.MonkeyPatch) -> None:
    synced: list[str] = []

    def tell(descriptor: int) -> None:
        status = os.fstat(descriptor)
        names = [path for path in disk.root.rglob("*") if path.stat().st_ino == status.st_ino]
        synced.append(str(names[0].relative_to(disk.root).parts[0]) if names else "nameless")

    monkeypatch.setattr(os, "fsync", tell)
    monkeypatch.setattr(os, "fdatasync", tell)
    folder = put(disk, b"data")[:3]
    assert synced == ([folder] if disk._syncs_names_with_files else ["incoming", folder])
    synced.clear()
    put(disk, b"data")  # in the place of one that others may have rows for: its bytes first
    assert synced == ["incoming", folder]


def test_bytes_that_could_not_be_synced_do_not_keep_their_name(
    disk: DiskBlobs, monkeypatch: pytest.MonkeyPatch
) -> None:
    def broken(_descriptor: int) -> None:
        raise OSError(errno.EIO, "Input/output error")

    with monkeypatch.context() as patch, pytest.raises(Unavailable, match="input/output error"):
        patch.setattr(os, "fsync" if disk._syncs_names_with_files else "fdatasync", broken)
        put(disk, b"lost")
    assert list(disk.keys()) == list(disk.incoming.iterdir()) == []
    assert disk.read(put(disk, b"lost")) == b"lost"


@pytest.mark.parametrize(
    ("mount", "expected"),
    [
        ("27 1 {device} / / rw,relatime - ext4 /dev/vda rw,discard", True),
        ("27 1 {device} / /data rw shared:1 master:2 - xfs /dev/sdb rw,attr2", True),
        ("27 1 {device} / / rw - ext4 /dev/vda rw,nobarrier", False),
        ("27 1 {device} / / rw - ext4 /dev/vda rw,barrier=0", False),
        ("27 1 {device} / / rw - nfs4 server:/export rw,vers=4.2", False),
        ("27 1 {device} / / rw - tmpfs tmpfs", False),
        ("27 1 0:9999 / / rw - ext4 /dev/vda rw", False),
        ("", False),
    ],
)
def test_names_go_with_files_only_where_the_file_system_says_so(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, mount: str, expected: bool
) -> None:
    device = tmp_path.stat().st_dev
    mounts = tmp_path / "mountinfo"
    mounts.write_text(
        "22 27 0:21 / /proc rw - proc proc rw\n" + mount.format(device=f"{os.major(device)}:{os.minor(device)}") + "\n"
    )
    monkeypatch.setattr(folders, "_MOUNTS", mounts)
    assert syncs_names_with_files(tmp_path) is expected


def test_a_failure_after_the_rename_does_not_take_the_blob_of_others(
    disk: DiskBlobs, monkeypatch: pytest.MonkeyPatch
) -> None:
    key = put(disk, b"kept")

    def broken(_descriptor: int) -> None:
        raise OSError(errno.EIO, "Input/output error")

    with monkeypatch.context() as patch, pytest.raises(Unavailable, match="input/output error"):
        patch.setattr(os, "fsync", broken)
        put(disk, b"kept")
    assert disk.read(key) == b"kept"


@pytest.mark.parametrize("code", [errno.ENOSPC, errno.EDQUOT, errno.EROFS, errno.EIO])
@pytest.mark.parametrize("call", ["open", "write", "sync", "name"])
def test_an_outage_of_the_disk_is_unavailable_and_leaves_nothing(
    disk: DiskBlobs, monkeypatch: pytest.MonkeyPatch, call: str, code: int
) -> None:
    def broken(*_args: object, **_options: object) -> None:
        raise OSError(code, os.strerror(code))

    one_sync = disk._syncs_names_with_files
    call = {"sync": "fsync" if one_sync else "fdatasync", "name": "link" if one_sync else "rename"}.get(call, call)
    with monkeypatch.context() as patch, pytest.raises(Unavailable):
        patch.setattr(os, call, broken)
        put(disk, b"x" * 100)
    assert list(disk.incoming.iterdir()) == []
    assert list(disk.keys()) == []
    put(disk, b"x" * 100)


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    """A disk of four megabytes, where the system lets us mount one."""
    folder = tmp_path / "disk"
    folder.mkdir()
    mounted = subprocess.run(
        ["mount", "-t", "tmpfs", "-o", "size=4m", "tmpfs", str(folder)], capture_output=True, check=False
    )
    if mounted.returncode:
        pytest.skip("a small disk cannot be mounted here")
    yield folder
    subprocess.run(["umount", "--lazy", str(folder)], check=True)


def test_a_disk_that_is_really_full_is_unavailable_until_there_is_room(small_disk: Path) -> None:
    blobs = DiskBlobs(small_disk / "blobs", suffix=".dcm", reserve_bytes=0)
    keys = []
    with pytest.raises(Unavailable, match="no space is left on the disk"):
        for _ in range(10):
            keys.append(put(blobs, os.urandom(1 << 20)))  # noqa: PERF401 - what was put before counts
    assert list(blobs.incoming.iterdir()) == []
    blobs.delete(keys[0])
    put(blobs, os.urandom(500_000))


def test_a_blob_moves_to_others_on_another_disk(small_disk: Path, tmp_path: Path) -> None:
    blobs = DiskBlobs(small_disk / "blobs", suffix=".dcm", reserve_bytes=0)
    other = DiskBlobs(tmp_path / "other", suffix=".dcm", reserve_bytes=0)
    key = put(blobs, b"data")
    for _ in range(2):
        blobs.move_to(other, key)
        assert (blobs.length(key), other.read(key)) == (None, b"data")
    assert list(other.incoming.iterdir()) == []
    other.move_to(blobs, key)
    assert (other.length(key), blobs.read(key)) == (None, b"data")


def test_no_blob_is_lost_because_its_disk_is_not_there(disk: DiskBlobs, tmp_path: Path) -> None:
    key = put(disk, b"data")
    disk.root.rename(tmp_path / "elsewhere")
    for asked in (lambda: disk.read(key), lambda: disk.length(key), lambda: list(disk.leftovers(0.0))):
        with pytest.raises(Unavailable, match="is the disk mounted"):
            asked()
    with pytest.raises(Unavailable, match="is the disk mounted"):
        put(disk, b"other")
    (tmp_path / "elsewhere").rename(disk.root)
    assert disk.read(key) == b"data"


def test_no_new_folder_takes_the_place_of_one_whose_disk_is_not_mounted(tmp_path: Path) -> None:
    settings = Settings(data=tmp_path / "data")
    with Archive.open(settings) as archive:
        (tmp_path / "data" / "blobs").rename(tmp_path / "unmounted")
    with Archive.open(settings) as archive:  # an archive without instances may lie anywhere
        receive(archive, SYSTEM("test"), io.BytesIO(make.part10(make.ct_slice())))
    shutil.rmtree(tmp_path / "data" / "blobs")
    with pytest.raises(Unavailable, match="mount its disk"):
        Archive.open(settings)


def test_the_reserve_is_kept_free(small_disk: Path) -> None:
    blobs = DiskBlobs(small_disk / "blobs", suffix=".dcm", reserve_bytes=1 << 30)
    with pytest.raises(Unavailable, match="kept in reserve") as told:
        blobs.create()
    assert told.value.retry_after_s == 60


def test_a_blob_moves_to_others_and_can_be_moved_again(blobs: Blobs, disk: DiskBlobs, tmp_path: Path) -> None:
    other = DiskBlobs(tmp_path / "other", suffix=".dcm", reserve_bytes=0)
    key = put(blobs, b"data")
    for _ in range(2):
        blobs.move_to(other, key)
        assert (blobs.length(key), other.read(key)) == (None, b"data")
    with pytest.raises(NotFound):
        blobs.move_to(other, "ab" * 32)


def test_a_copy_is_compared_with_its_digest(blobs: Blobs, tmp_path: Path) -> None:
    other = DiskBlobs(tmp_path / "other", suffix=".dcm", reserve_bytes=0)
    key = put(blobs, b"data" * 1000)
    assert copy_blob(blobs, other, key) == 4000
    other.delete(key)
    flip_bit(blobs, key, 77)
    with pytest.raises(Damaged, match=key):
        copy_blob(blobs, other, key)
    assert other.length(key) is None
    assert list(other.incoming.iterdir()) == []


def test_a_note_is_read_as_it_was_written_last(blobs: Blobs) -> None:
    assert blobs.read_note("swept") is None
    blobs.write_note("swept", "one")
    blobs.write_note("swept", "two")
    assert blobs.read_note("swept") == "two"
    assert list(blobs.keys()) == []
