"""Import: a result for each file, whatever it is, and nothing that an archive says is believed."""

from __future__ import annotations

import io
import struct
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import Table

import make
import real_files
from filmless.access.principal import Principal
from filmless.archive import Archive
from filmless.archive.tables import instances, refusals
from filmless.config import Settings
from filmless.store.importing import ImportResult, import_paths, import_stream

Rows = Callable[[Table], list[Any]]


@pytest.fixture
def take(archive: Archive, sender: Principal) -> Callable[..., list[ImportResult]]:
    """Import paths, or the bytes of one file."""

    def take(what: Path | bytes, name: str = "upload.zip") -> list[ImportResult]:
        if isinstance(what, Path):
            return list(import_paths(archive, sender, [what]))
        return list(import_stream(archive, sender, io.BytesIO(what), name))

    return take


Take = Callable[..., list[ImportResult]]


def zipped(members: dict[str, bytes], compression: int = zipfile.ZIP_DEFLATED) -> bytes:
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w", compression) as opened:
        for name, data in members.items():
            opened.writestr(name, data)
    return file.getvalue()


def outcomes(results: list[ImportResult]) -> dict[str, str]:
    return {Path(result.name).name: result.outcome for result in results}


def test_a_folder_is_imported_with_all_that_is_in_it(take: Take, tmp_path: Path, rows: Rows) -> None:
    folder = tmp_path / "cd" / "images"
    folder.mkdir(parents=True)
    first, second = make.ct_series(2)
    (folder / "1").write_bytes(make.part10(first))
    (folder.parent / "2.dcm").write_bytes(make.part10(second))
    (folder / "again.dcm").write_bytes(make.part10(first))
    (folder / "readme.txt").write_text("Insert the disc and open viewer.exe. " * 10)
    (folder / "empty").touch()
    (folder / "no-study.dcm").write_bytes(make.part10(make.ct_slice(StudyInstanceUID=None)))

    results = take(tmp_path / "cd")

    assert outcomes(results) == {
        "1": "stored",
        "2.dcm": "stored",
        "again.dcm": "duplicate",
        "readme.txt": "skipped",
        "empty": "skipped",
        "no-study.dcm": "refused",
    }
    assert len(rows(instances)) == 2
    assert len(rows(refusals)) == 1
    assert {result.sop_instance_uid for result in results} == {first.SOPInstanceUID, second.SOPInstanceUID, None}


def test_a_dicomdir_is_passed_over_and_its_files_are_imported(take: Take) -> None:
    root = real_files.pydicom_file("DICOMDIR").parent
    results = take(root)
    found = outcomes(results)
    assert found["DICOMDIR"] == "skipped"
    assert "stored" in found.values()


def test_every_file_of_pydicom_has_an_outcome_and_a_reason(take: Take, archive: Archive, sender: Principal) -> None:
    files = real_files.pydicom_files()
    results = list(import_paths(archive, sender, files))
    assert len(results) == len(files)
    assert all(result.reason for result in results if result.outcome in ("refused", "skipped"))


def test_a_zip_archive_is_imported(take: Take) -> None:
    first, second = make.ct_series(2)
    members = {"a/1.dcm": make.part10(first), "b/2.dcm": make.part10(second), "b/notes.txt": b"hello" * 50}
    results = take(zipped(members))
    assert [(result.name, result.outcome) for result in results] == [
        ("upload.zip/a/1.dcm", "stored"),
        ("upload.zip/b/2.dcm", "stored"),
        ("upload.zip/b/notes.txt", "skipped"),
    ]


@pytest.mark.parametrize("name", ["../../../etc/passwd", "/etc/passwd", "C:\\windows\\x", "a" * 5000])
def test_names_in_an_archive_are_only_told(take: Take, archive: Archive, name: str) -> None:
    before = {path for path in archive.settings.data.parent.rglob("*") if "blobs" not in str(path)}
    (result,) = take(zipped({name: make.part10(make.ct_slice())}))
    assert result.outcome == "stored"
    assert len(result.name) <= 500
    assert {path for path in archive.settings.data.parent.rglob("*") if "blobs" not in str(path)} <= before | {
        archive.settings.data / f"filmless.db{suffix}" for suffix in ("-wal", "-shm", ".turnstile")
    }


def test_an_archive_that_grows_beyond_measure_is_refused(take: Take, rows: Rows) -> None:
    (result,) = take(zipped({"bomb.dcm": bytes(30 << 20)}))
    assert result.outcome == "refused"
    assert "zip_ratio_max" in (result.reason or "")
    assert rows(instances) == []


def test_members_that_overlap_count_each_time(take: Take) -> None:
    """A bomb that names the same compressed bytes again and again grows only by its directory."""
    data = zipped({"0": bytes(1 << 20)})
    end = data.rfind(b"PK\x05\x06")
    (start,) = struct.unpack_from("<L", data, end + 16)
    entry = data[start:end]
    count = 2000
    tail = struct.pack("<4sHHHHLLH", b"PK\x05\x06", 0, 0, count, count, len(entry) * count, start, 0)
    (result,) = take(data[:start] + entry * count + tail)
    assert result.outcome == "refused"


def test_an_archive_of_too_many_files_is_refused(settings: Settings, sender: Principal) -> None:
    data = zipped({str(number): b"" for number in range(20)}, zipfile.ZIP_STORED)
    with Archive.open(settings.model_copy(update={"zip_members_max": 10})) as archive:
        (result,) = import_stream(archive, sender, io.BytesIO(data), "many.zip")
    assert (result.outcome, "20 files" in (result.reason or "")) == ("refused", True)


def test_a_directory_that_would_fill_the_memory_is_refused_unread(settings: Settings, sender: Principal) -> None:
    tail = struct.pack("<4sHHHHLLH", b"PK\x05\x06", 0, 0, 0xFFFF, 0xFFFF, 0xFFFFFFF0, 4, 0)
    with Archive.open(settings) as archive:
        (result,) = import_stream(archive, sender, io.BytesIO(b"PK\x03\x04" + bytes(100) + tail), "cd.zip")
    assert (result.outcome, "zip_members_max" in (result.reason or "")) == ("refused", True)


def test_a_zip_inside_of_a_zip_is_skipped(take: Take) -> None:
    (result,) = take(zipped({"inner.zip": zipped({"1.dcm": make.part10(make.ct_slice())})}))
    assert result.outcome == "skipped"


def test_a_damaged_member_is_refused_and_the_others_are_taken(take: Take) -> None:
    good, bad = make.part10(make.ct_slice()), make.part10(make.ct_slice())
    data = bytearray(zipped({"bad.dcm": bad, "good.dcm": good}, zipfile.ZIP_STORED))
    data[data.index(bad) + len(bad) - 1] ^= 0xFF
    assert outcomes(take(bytes(data))) == {"bad.dcm": "refused", "good.dcm": "stored"}


def test_an_encrypted_member_is_refused(take: Take) -> None:
    data = bytearray(zipped({"secret.dcm": make.part10(make.ct_slice())}))
    data[6] |= 1
    data[data.index(b"PK\x01\x02") + 8] |= 1
    (result,) = take(bytes(data))
    assert (result.outcome, result.reason) == ("refused", "it is encrypted")


@pytest.mark.parametrize("length", [4, 30, 200])
def test_what_only_begins_like_a_zip_is_refused(take: Take, length: int) -> None:
    (result,) = take(zipped({"1.dcm": make.part10(make.ct_slice())})[:length])
    assert result.outcome == "refused"


def test_a_file_that_cannot_be_opened_is_told(take: Take, tmp_path: Path) -> None:
    (result,) = take(tmp_path / "nothing.dcm")
    assert result.outcome == "refused"


def test_what_is_no_file_is_skipped(take: Take, tmp_path: Path) -> None:
    folder = tmp_path / "odd"
    folder.mkdir()
    (folder / "endless").symlink_to("/dev/zero")
    assert outcomes(take(folder)) == {"endless": "skipped"}
