"""C-STORE into the archive: statuses, and what is there when Success was answered."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest
from sqlalchemy import select

import make
from doors import Door, add_peer, write_file
from filmless.access import audit
from filmless.archive import Archive
from filmless.archive.tables import conflicts, instances, refusals, studies
from filmless.dimse import commands
from filmless.dimse.client import Requestor
from filmless.errors import Damaged, NotAllowed, Unavailable
from filmless.retrieve.instances import find_record
from filmless.store import receive
from stored import waiting_files
from wire import EXPLICIT_LE, IMPLICIT_LE, run


def stored(archive: Archive, uid: str) -> bytes:
    record = find_record(archive, uid)
    assert record is not None
    return archive.blobs.read(record.instance.blob, record.instance.dataset_offset)


def store(association: Requestor, ds: make.Dataset, syntax: str = EXPLICIT_LE, **announced: str) -> int:
    uids = {"sop_class_uid": str(ds.SOPClassUID), "sop_instance_uid": str(ds.SOPInstanceUID)} | announced
    return association.store(uids["sop_class_uid"], uids["sop_instance_uid"], syntax, make.dataset_bytes(ds, syntax))


def test_an_instance_is_in_the_archive_when_success_is_answered(door: Door, archive: Archive) -> None:
    ds = make.ct_slice(rows=64)
    with door.ask((make.CT, EXPLICIT_LE)) as association:
        assert store(association, ds) == commands.SUCCESS
        assert stored(archive, ds.SOPInstanceUID) == make.dataset_bytes(ds, EXPLICIT_LE)


@pytest.mark.parametrize("syntax", [IMPLICIT_LE, EXPLICIT_LE, make.DEFLATED, make.EXPLICIT_BE])
def test_a_data_set_is_kept_to_the_byte_in_its_syntax(door: Door, archive: Archive, syntax: str) -> None:
    ds = make.ct_slice()
    with door.ask((make.CT, syntax)) as association:
        assert store(association, ds, syntax) == commands.SUCCESS
    assert stored(archive, ds.SOPInstanceUID) == make.dataset_bytes(ds, syntax)


def test_the_same_instance_again_is_a_success_and_nothing_new(door: Door, archive: Archive) -> None:
    ds = make.ct_slice()
    with door.ask((make.CT, EXPLICIT_LE)) as association:
        assert [store(association, ds), store(association, ds)] == [commands.SUCCESS] * 2
    with archive.reading() as session:
        assert session.execute(select(studies.c.number_of_study_related_instances)).scalars().all() == [1]


def test_other_bytes_under_the_same_uid_are_refused_with_0111(door: Door, archive: Archive) -> None:
    ds = make.ct_slice()
    with door.ask((make.CT, EXPLICIT_LE)) as association:
        store(association, ds)
        ds.PatientName = "Somebody^Else"
        assert store(association, ds) == commands.DUPLICATE_SOP_INSTANCE
    with archive.reading() as session:
        assert session.execute(select(conflicts.c.sop_instance_uid)).scalars().all() == [ds.SOPInstanceUID]


def test_a_data_set_that_is_another_instance_is_refused_with_a900(door: Door) -> None:
    with door.ask((make.CT, EXPLICIT_LE)) as association:
        assert store(association, make.ct_slice(), sop_instance_uid="1.2.3") == 0xA900
        assert "SOP Instance UID" in association.last_response.text(commands.ERROR_COMMENT)


def test_a_data_set_without_study_uid_is_refused_with_c000(door: Door, archive: Archive) -> None:
    with door.ask((make.CT, EXPLICIT_LE)) as association:
        assert store(association, make.ct_slice(StudyInstanceUID=None)) == 0xC000
    with archive.reading() as session:
        assert "Study Instance UID" in session.execute(select(refusals.c.reason)).scalar_one()
        assert session.execute(select(instances.c.id)).first() is None


def test_bytes_that_are_no_data_set_are_refused_and_the_association_goes_on(door: Door) -> None:
    ds = make.ct_slice()
    with door.ask((make.CT, EXPLICIT_LE)) as association:
        assert association.store(make.CT, "1.2.3", EXPLICIT_LE, b"\xff" * 5000) == 0xC000
        assert store(association, ds) == commands.SUCCESS


@pytest.mark.parametrize(
    ("error", "status"),
    [
        (Unavailable("the disk is full"), 0xA700),
        (NotAllowed("no longer"), 0x0124),
        (Damaged("bytes are gone"), 0x0110),
        (RuntimeError("bug"), 0x0110),
    ],
)
def test_each_kind_of_failure_has_its_status(
    door: Door, monkeypatch: pytest.MonkeyPatch, error: Exception, status: int
) -> None:
    def fail(*_: object, **__: object) -> None:
        raise error

    with door.ask((make.CT, EXPLICIT_LE)) as association:
        with monkeypatch.context() as patched:
            patched.setattr(receive.Reception, "finish", fail)
            assert store(association, make.ct_slice()) == status
        assert store(association, make.ct_slice()) == commands.SUCCESS


def test_a_disk_that_fills_in_the_middle_is_a700_and_service_resumes(
    door: Door, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(*_: object) -> None:
        raise Unavailable("no space left")

    with door.ask((make.CT, EXPLICIT_LE)) as association:
        with monkeypatch.context() as patched:
            patched.setattr(receive.Reception, "write", full)
            assert store(association, make.ct_slice(rows=512)) == 0xA700
        assert store(association, make.ct_slice()) == commands.SUCCESS


def test_an_association_is_one_audit_row_for_each_study(door: Door, archive: Archive) -> None:
    series = make.ct_series(3)
    with door.ask((make.CT, EXPLICIT_LE)) as association:
        for ds in series:
            store(association, ds)
    rows, _ = audit.read(archive, action="store")
    assert [(row.actor, row.outcome, row.study_instance_uid, row.count) for row in rows] == [
        ("TEST", "success", series[0].StudyInstanceUID, 3)
    ]


def test_a_half_sent_instance_leaves_nothing(door: Door, archive: Archive) -> None:
    from filmless.dimse.association import FileRange

    association = door.ask((make.CT, EXPLICIT_LE))
    with (Path(__file__)).open("rb") as file, pytest.raises(Damaged):
        association.store(make.CT, "1.2.3", EXPLICIT_LE, FileRange(file.fileno(), 0, 1 << 24))
    assert waiting_files(archive) == list(archive.blobs.keys()) == []


def test_dcmtk_sends_a_series_and_all_of_it_is_kept(door: Door, archive: Archive, tmp_path: Path) -> None:
    series = [make.ct_slice(rows=300) for _ in range(5)] + [make.color(frames=3), make.text_report()]
    for ds in series:
        write_file(tmp_path, ds)
    done = run("storescu", "-aet", "TEST", "-aec", "FILMLESS", "+sd", "127.0.0.1", door.port, tmp_path)
    assert done.returncode == 0, done.stderr
    for ds in series:
        assert stored(archive, ds.SOPInstanceUID) == make.dataset_bytes(ds, EXPLICIT_LE)


def test_dcmtk_is_told_that_it_may_not_store(serving: Callable[..., Door], archive: Archive, tmp_path: Path) -> None:
    add_peer(archive, "READER", None, "query")
    path = write_file(tmp_path, make.ct_slice())
    done = run("storescu", "-v", "-aet", "READER", "-aec", "FILMLESS", "127.0.0.1", serving().port, path)
    assert "No Acceptable Presentation Contexts" in done.stderr + done.stdout
