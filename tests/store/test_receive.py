"""Reception: what is in the archive when success is answered, and what is said when it is not."""

from __future__ import annotations

import io
import os
import threading
from collections.abc import Callable
from typing import Any

import pytest
from pydicom import dcmread
from sqlalchemy import Table

import make
from filmless.access import tables as access_tables
from filmless.access.principal import Principal
from filmless.access.tables import audit
from filmless.archive import Archive
from filmless.archive.tables import (
    Flags,
    conflicts,
    events,
    frame_tables,
    headers,
    instances,
    jobs,
    patients,
    refusals,
    series,
    studies,
    uids,
)
from filmless.config import Settings
from filmless.dicom import part10
from filmless.dicom.frames import FrameTable
from filmless.errors import Conflict, Mismatch, NotAllowed, Refused, Unavailable
from filmless.store.receive import Receipt, begin, receive
from stored import flip_bit, overwrite, waiting_files
from waiting import until

Send = Callable[..., Receipt]
Rows = Callable[[Table], list[Any]]
Count = Callable[[Table], int]


def blob_of(archive: Archive, row: Any) -> bytes:
    return archive.blobs.read(bytes(row.blob).hex())


def test_an_instance_is_in_the_archive_when_it_is_received(archive: Archive, send: Send, rows: Rows) -> None:
    ds = make.ct_slice()
    receipt = send(ds)
    (row,) = rows(instances)
    assert receipt.outcome == "stored"
    assert row.sop_instance_uid == ds.SOPInstanceUID
    assert dcmread(io.BytesIO(blob_of(archive, row))).PatientID == ds.PatientID


@pytest.mark.parametrize("transfer_syntax", [*make.NATIVE])
def test_the_data_set_is_kept_to_the_byte(archive: Archive, send: Send, rows: Rows, transfer_syntax: str) -> None:
    ds = make.ct_slice()
    send(ds, transfer_syntax)
    (row,) = rows(instances)
    blob = blob_of(archive, row)
    assert blob[row.dataset_offset :] == make.dataset_bytes(ds, transfer_syntax)
    assert blob[:132] == bytes(128) + b"DICM"
    assert len(blob) == row.length_bytes


def test_the_preamble_and_group_2_of_the_sender_are_not_kept(archive: Archive, send: Send, rows: Rows) -> None:
    data = bytearray(make.part10(make.ct_slice()))
    data[:128] = b"#!/bin/sh rm -rf /".ljust(128)
    send(bytes(data))
    (row,) = rows(instances)
    assert blob_of(archive, row)[:128] == bytes(128)


def test_a_file_without_preamble_is_kept_with_one(archive: Archive, send: Send, rows: Rows) -> None:
    ds = make.ct_slice()
    receipt = send(make.dataset_bytes(ds, make.IMPLICIT_LE))
    (row,) = rows(instances)
    assert blob_of(archive, row)[row.dataset_offset :] == make.dataset_bytes(ds, make.IMPLICIT_LE)
    assert "the preamble is missing" in receipt.warnings


def test_patient_study_and_series_have_their_rows_and_counts(send: Send, rows: Rows) -> None:
    slices = make.ct_series(3)
    sizes = [send(ds) and len(make.part10(ds)) for ds in slices]
    other = make.ct_slice(StudyInstanceUID=slices[0].StudyInstanceUID, Modality="PT")
    send(other)
    (patient,) = rows(patients)
    (study,) = rows(studies)
    first, second = rows(series)
    assert patient.patient_id == slices[0].PatientID
    assert (study.number_of_study_related_series, study.number_of_study_related_instances) == (2, 4)
    assert study.modalities_in_study == "CT\\PT"
    assert (first.number_of_series_related_instances, second.number_of_series_related_instances) == (3, 1)
    assert study.size_bytes == sum(row.length_bytes for row in rows(instances))
    assert first.size_bytes == sum(row.length_bytes for row in rows(instances) if row.series_key == first.id)
    assert len(sizes) == 3


def test_names_are_decoded_folded_and_searchable(send: Send, rows: Rows) -> None:
    send(make.ct_slice(SpecificCharacterSet="ISO_IR 192", PatientName="Müller^Jürgen=山田^太郎", PatientID="M1"))
    (study,) = rows(studies)
    assert study.patient_name == "Müller^Jürgen=山田^太郎"
    assert study.patient_name_folded == "muller^jurgen=山田^太郎"
    assert study.search_text.startswith("muller jurgen 山田 太郎 m1 ")


def test_a_study_event_a_packing_job_and_an_audit_row_are_in_the_same_transaction(send: Send, rows: Rows) -> None:
    for ds in make.ct_series(3):
        send(ds, request="association 1")
    (event,) = (event for event in rows(events) if event.name == "study")
    (job,) = rows(jobs)
    (entry,) = rows(access_tables.audit)
    assert (event.name, event.key) == ("study", ds.StudyInstanceUID)
    assert job.name == "series_quiet"
    assert (entry.action, entry.actor, entry.count) == ("store", "CT1", 3)


def test_instances_that_follow_at_once_share_one_later_event(send: Send, rows: Rows) -> None:
    for ds in make.ct_series(4):
        send(ds)
    assert [row.name for row in rows(events)].count("study") == 1
    until(lambda: [row.name for row in rows(events)].count("study") == 2)
    assert {row.key for row in rows(events) if row.name == "study"} == {ds.StudyInstanceUID}


def test_identical_bytes_again_are_a_success_and_nothing_new(archive: Archive, send: Send, count: Count) -> None:
    ds = make.ct_slice()
    send(ds)
    assert send(ds).outcome == "duplicate"
    assert (count(instances), count(conflicts), count(headers)) == (1, 0, 1)
    assert len(list(archive.blobs.keys())) == 1


def test_identical_bytes_with_another_group_2_are_a_success(
    archive: Archive, send: Send, count: Count, monkeypatch: pytest.MonkeyPatch
) -> None:
    ds = make.ct_slice()
    send(ds)
    monkeypatch.setattr("filmless.dicom.part10.IMPLEMENTATION_VERSION_NAME", "FILMLESS_99")
    assert send(ds).outcome == "duplicate"
    assert count(instances) == 1
    assert len(list(archive.blobs.keys())) == 1


@pytest.mark.parametrize("damage", ["a flipped bit", "the end is lost"])
def test_an_instance_that_comes_again_repairs_what_was_damaged(
    damage: str, archive: Archive, send: Send, rows: Rows, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Also when another version of Filmless writes another group 0002: the data set is recognised by the digest."""
    ds = make.ct_slice(rows=64)
    monkeypatch.setattr(part10, "IMPLEMENTATION_VERSION_NAME", "FILMLESS_0_0_1")
    send(ds)
    monkeypatch.undo()
    key = bytes(rows(instances)[0].blob).hex()
    if damage == "a flipped bit":
        flip_bit(archive.blobs, key, 3000)
    else:
        overwrite(archive.blobs, key, archive.blobs.read(key)[:-1000])
    assert archive.blobs.digest(key) != key
    assert send(ds).outcome == "duplicate"
    assert archive.blobs.digest(key) == key
    assert rows(conflicts) == []
    assert list(archive.blobs.keys()) == [key]
    told = [(row.name, row.key, row.study_instance_uid) for row in rows(events) if row.name == "blob_repaired"]
    assert told == [("blob_repaired", ds.SOPInstanceUID, ds.StudyInstanceUID)]
    (line,) = [row for row in rows(audit) if row.action == "blob_repaired"]
    assert (line.outcome, line.object, line.detail) == (
        "success", ds.SOPInstanceUID, f'{{"blob": "{key}", "source": "resend"}}'
    )  # fmt: skip


def test_a_damaged_instance_does_not_take_other_content_for_its_own(
    archive: Archive, send: Send, rows: Rows, monkeypatch: pytest.MonkeyPatch
) -> None:
    ds = make.ct_slice(rows=64)
    monkeypatch.setattr(part10, "IMPLEMENTATION_VERSION_NAME", "FILMLESS_0_0_1")
    send(ds)
    monkeypatch.undo()
    key = bytes(rows(instances)[0].blob).hex()
    flip_bit(archive.blobs, key, 3000)
    ds.PixelData = bytes(len(ds.PixelData))
    with pytest.raises(Conflict):
        send(ds)
    assert len(rows(conflicts)) == 1


def test_other_bytes_under_the_same_uid_are_refused_and_both_are_findable(
    archive: Archive, send: Send, rows: Rows
) -> None:
    ds = make.ct_slice()
    send(ds)
    ds.PatientName = "Other^Name"
    with pytest.raises(Conflict, match=f"instance {ds.SOPInstanceUID} is kept with other content"):
        send(ds)
    (conflict,) = rows(conflicts)
    kept = dcmread(io.BytesIO(archive.blobs.read(conflict.kept_blob)))
    refused = dcmread(io.BytesIO(archive.quarantine.read(conflict.refused_blob)))
    assert (str(kept.PatientName), str(refused.PatientName)) == ("Doe^Jane", "Other^Name")
    assert conflict.origin == "CT1 by dimse from 10.0.0.1"
    assert [row.number_of_study_related_instances for row in rows(studies)] == [1]
    assert list(archive.blobs.keys()) == [conflict.kept_blob]


def test_a_conflict_that_is_sent_again_is_counted_and_not_repeated(send: Send, rows: Rows) -> None:
    ds = make.ct_slice()
    send(ds)
    ds.PatientName = "Other^Name"
    for _ in range(3):
        with pytest.raises(Conflict):
            send(ds)
    assert [row.times for row in rows(conflicts)] == [3]


def test_a_conflict_leaves_no_rows_of_its_own_study(send: Send, rows: Rows) -> None:
    ds = make.ct_slice()
    send(ds)
    ds.StudyInstanceUID = make.uid()
    ds.PatientID = "someone else"
    with pytest.raises(Conflict):
        send(ds)
    assert len(rows(studies)) == len(rows(patients)) == 1
    assert rows(conflicts)[0].refused_study_instance_uid == ds.StudyInstanceUID


@pytest.mark.parametrize(
    ("keyword", "name"),
    [
        ("SOPInstanceUID", "SOP Instance UID"),
        ("StudyInstanceUID", "Study Instance UID"),
        ("SeriesInstanceUID", "Series Instance UID"),
    ],
)
def test_a_missing_uid_is_refused_with_the_reason_and_recorded(
    archive: Archive, send: Send, rows: Rows, keyword: str, name: str
) -> None:
    with pytest.raises(Refused, match=name):
        send(make.ct_slice(**{keyword: None}))
    (refusal,) = rows(refusals)
    (entry,) = rows(access_tables.audit)
    assert name in refusal.reason
    assert (entry.action, entry.outcome) == ("store", "refused")
    assert rows(instances) == []
    assert list(archive.blobs.keys()) == waiting_files(archive) == []


def test_a_missing_sop_class_is_taken_from_group_2(send: Send, rows: Rows) -> None:
    data = make.part10(make.ct_slice())
    element = make.element(0x00080016, "UI", make.CT.encode() + b"\0")
    assert element in data
    send(data.replace(element, b""))
    classes = {row.id: row.uid for row in rows(uids)}
    (row,) = rows(instances)
    assert classes[row.sop_class_key] == make.CT


@pytest.mark.parametrize("uid", ["1.02.3", "1.2.x", "1.2 3", "abc"])
def test_an_odd_uid_is_kept_as_it_is_and_flagged(archive: Archive, send: Send, rows: Rows, uid: str) -> None:
    data = make.part10(make.ct_slice(SOPInstanceUID="1.2.3.4.5.6"))
    receipt = send(data.replace(b"1.2.3.4.5.6\0", uid.encode().ljust(12, b"\0")))
    (row,) = rows(instances)
    assert row.sop_instance_uid == receipt.sop_instance_uid == uid
    assert Flags(row.flags) & Flags.ODD_UID
    assert any("SOP Instance UID" in warning for warning in receipt.warnings)


def test_a_uid_that_cannot_be_kept_is_refused(send: Send) -> None:
    with pytest.raises(Refused, match="not 1 to 64 letters, digits and dots"):
        send(make.part10(make.ct_slice(StudyInstanceUID="1.2.3.4.5.6")).replace(b"1.2.3.4.5.6\0", b"1.2\x07.4.5.6\0\0"))


def test_something_that_is_not_dicom_is_refused(send: Send, rows: Rows) -> None:
    with pytest.raises(Refused, match="not DICOM"):
        send(b"<html>" * 100)
    assert len(rows(refusals)) == 1


def test_a_data_set_of_another_instance_than_announced_is_a_mismatch(
    archive: Archive, sender: Principal, rows: Rows
) -> None:
    ds = make.ct_slice()
    announced = {"sop_class_uid": make.CT, "sop_instance_uid": make.uid(), "transfer_syntax_uid": make.EXPLICIT_LE}
    reception = begin(archive, sender, **announced)
    reception.write(make.dataset_bytes(ds))
    with pytest.raises(Mismatch, match="SOP Instance UID"):
        reception.finish()
    assert rows(instances) == []


def test_an_instance_of_another_study_than_expected_is_a_mismatch(send: Send) -> None:
    with pytest.raises(Mismatch, match="Study Instance UID"):
        send(make.ct_slice(), expected_study_uid="1.2.3")


def test_a_data_set_that_comes_in_small_pieces_is_the_same(archive: Archive, sender: Principal, rows: Rows) -> None:
    ds = make.ct_slice(rows=64)
    data = make.dataset_bytes(ds)
    reception = begin(
        archive,
        sender,
        sop_class_uid=make.CT,
        sop_instance_uid=ds.SOPInstanceUID,
        transfer_syntax_uid=make.EXPLICIT_LE,
    )
    for start in range(0, len(data), 777):
        reception.write(memoryview(data)[start : start + 777])
    reception.finish()
    (row,) = rows(instances)
    assert blob_of(archive, row)[row.dataset_offset :] == data


def test_a_reception_that_is_aborted_leaves_nothing(archive: Archive, sender: Principal, rows: Rows) -> None:
    reception = begin(
        archive, sender, sop_class_uid=make.CT, sop_instance_uid="1.2", transfer_syntax_uid=make.EXPLICIT_LE
    )
    reception.write(bytes(3 << 20))
    reception.abort()
    assert waiting_files(archive) == []
    assert rows(instances) == rows(refusals) == []


def test_who_may_not_store_is_refused_and_it_is_recorded(archive: Archive, rows: Rows) -> None:
    stranger = Principal("peer", 2, "MRI", frozenset(), frozenset({"query"}), None, "dimse")
    with pytest.raises(NotAllowed):
        receive(archive, stranger, io.BytesIO(make.part10(make.ct_slice())))
    assert rows(instances) == []
    assert rows(access_tables.audit)[0].outcome == "refused"


def test_an_instance_that_is_too_long_is_refused(settings: Settings, sender: Principal) -> None:
    with Archive.open(settings.model_copy(update={"instance_max_bytes": 1 << 20})) as archive:
        with pytest.raises(Refused, match="instance_max_bytes"):
            receive(archive, sender, io.BytesIO(make.part10(make.ct_slice(rows=1024))))
        assert waiting_files(archive) == []


def test_a_long_instance_is_read_by_its_head(archive: Archive, send: Send, rows: Rows) -> None:
    ds = make.multi_frame(frames=40, rows=256)
    send(ds)
    (row,) = rows(instances)
    assert (row.number_of_frames, row.rows, row.columns) == (40, 256, 256)
    assert archive.blobs.read(bytes(row.blob).hex(), row.pixel_offset, row.pixel_length) == ds.PixelData


def test_a_long_compressed_instance_has_a_frame_table(archive: Archive, send: Send, rows: Rows) -> None:
    frames = [os.urandom(300_000) for _ in range(7)]
    ds = make.encapsulated(frames, transfer_syntax=make.JPEG_BASELINE)
    send(ds, make.JPEG_BASELINE)
    (row,) = rows(instances)
    (table,) = rows(frame_tables)
    found = FrameTable.unpack(table.data)
    blob = bytes(row.blob).hex()
    read = [b"".join(archive.blobs.read(blob, *piece) for piece in found.ranges(n + 1)) for n in range(7)]
    assert read == frames
    assert row.pixel_offset + row.pixel_length + 8 == row.length_bytes


def test_a_header_longer_than_the_head_is_read(archive: Archive, send: Send, rows: Rows) -> None:
    ds = make.ct_slice()
    ds.add_new(0x00091001, "OB", bytes(3 << 20))
    ds.add_new(0x00090010, "LO", "TEST")
    send(ds)
    (row,) = rows(instances)
    assert archive.blobs.read(bytes(row.blob).hex(), row.pixel_offset, row.pixel_length) == ds.PixelData


@pytest.mark.parametrize(
    ("overrides", "transfer_syntax", "flag"),
    [
        ({}, make.EXPLICIT_BE, Flags.BIG_ENDIAN),
        ({}, make.DEFLATED, Flags.DEFLATED),
    ],
)
def test_unusual_encodings_are_flagged(
    send: Send, rows: Rows, overrides: dict[str, Any], transfer_syntax: str, flag: Flags
) -> None:
    send(make.ct_slice(**overrides), transfer_syntax)
    assert Flags(rows(instances)[0].flags) == flag


def test_native_ybr_full_422_is_flagged(send: Send, rows: Rows) -> None:
    ds = make.color(rows=4)
    ds.PhotometricInterpretation = "YBR_FULL_422"
    ds.PixelData = ds.PixelData[: 4 * 4 * 2]
    send(ds)
    assert Flags(rows(instances)[0].flags) & Flags.YBR_FULL_422_NATIVE


@pytest.mark.parametrize(("is_signed", "representation", "expected"), [(1, 0, True), (1, 1, False), (0, 0, False)])
def test_a_jpeg_2000_sign_that_contradicts_the_header_is_flagged(
    send: Send, rows: Rows, is_signed: int, representation: int, expected: bool
) -> None:
    size = bytes(38) + bytes([15 | is_signed << 7, 1, 1])
    frame = b"\xff\x4f\xff\x51" + size + bytes(20) + b"\xff\xd9"
    assert frame[42] == 15 | is_signed << 7
    ds = make.encapsulated([frame], transfer_syntax=make.JPEG_2000_LOSSLESS, PixelRepresentation=representation)
    send(ds, make.JPEG_2000_LOSSLESS)
    assert bool(Flags(rows(instances)[0].flags) & Flags.J2K_SIGN_MISMATCH) is expected


def test_an_instance_of_another_patient_in_the_study_is_kept_and_flagged(send: Send, rows: Rows) -> None:
    first, second = make.ct_series(2)
    second.PatientID = "another"
    send(first)
    receipt = send(second)
    assert [bool(Flags(row.flags) & Flags.OTHER_PATIENT) for row in rows(instances)] == [False, True]
    assert any("patient" in warning for warning in receipt.warnings)
    assert rows(studies)[0].patient_id == first.PatientID


def test_patients_without_an_id_are_never_merged(send: Send, rows: Rows) -> None:
    for _ in range(2):
        send(make.ct_slice(PatientID="", StudyInstanceUID=make.uid()))
    assert len(rows(patients)) == 2


def test_a_study_that_gets_its_patient_id_later_has_it(send: Send, rows: Rows) -> None:
    first, second = make.ct_series(2)
    first.PatientID = ""
    send(first)
    send(second)
    assert [row.patient_id for row in rows(patients)] == [second.PatientID]
    assert rows(studies)[0].patient_id == second.PatientID


def test_the_same_patient_id_of_another_issuer_is_another_patient(send: Send, rows: Rows) -> None:
    for issuer in ("A", "B"):
        send(make.ct_slice(PatientID="7", IssuerOfPatientID=issuer, StudyInstanceUID=make.uid()))
    assert len(rows(patients)) == 2


def test_what_a_later_instance_says_fills_blanks_and_changes_nothing(send: Send, rows: Rows) -> None:
    first, second = make.ct_series(2)
    first.StudyDescription, first.AccessionNumber = "", "A1"
    second.StudyDescription, second.AccessionNumber = "Thorax", "A2"
    send(first)
    send(second)
    (study,) = rows(studies)
    assert (study.study_description, study.accession_number) == ("Thorax", "A1")


def test_many_senders_at_once_give_right_counts(archive: Archive, sender: Principal, rows: Rows) -> None:
    study = make.uid()
    batches = [make.ct_series(15, StudyInstanceUID=study) for _ in range(6)]
    files = [[make.part10(ds) for ds in batch] for batch in batches]
    outcomes: list[str] = []

    def work(batch: list[bytes]) -> None:
        outcomes.extend(receive(archive, sender, io.BytesIO(data), request="r").outcome for data in batch)

    threads = [threading.Thread(target=work, args=(batch,)) for batch in files for _ in range(2)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    (row,) = rows(studies)
    assert sorted(outcomes) == ["duplicate"] * 90 + ["stored"] * 90
    assert (row.number_of_study_related_series, row.number_of_study_related_instances) == (6, 90)
    assert [row.number_of_series_related_instances for row in rows(series)] == [15] * 6


def test_two_processes_that_write_to_one_study_give_right_counts(
    settings: Settings, sender: Principal, rows: Rows
) -> None:
    slices = make.ct_series(20)
    with Archive.open(settings) as one, Archive.open(settings) as other:
        for number, ds in enumerate(slices):
            receive((one, other)[number % 2], sender, io.BytesIO(make.part10(ds)))
    (row,) = rows(studies)
    assert (row.number_of_study_related_series, row.number_of_study_related_instances) == (1, 20)


def test_rows_that_another_process_deleted_are_made_again(archive: Archive, send: Send, rows: Rows) -> None:
    first, second = make.ct_series(2)
    send(first)
    with archive.transaction() as session:
        for table in (headers, instances, series, studies, patients):
            session.execute(table.delete())
    send(second)
    assert [row.number_of_study_related_instances for row in rows(studies)] == [1]


def test_a_full_disk_is_unavailable_and_service_resumes_by_itself(
    archive: Archive, send: Send, rows: Rows, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(_descriptor: int, _data: object) -> int:
        raise OSError(28, "No space left on device")

    with monkeypatch.context() as patch:
        patch.setattr(os, "write", full)
        with pytest.raises(Unavailable, match="no space is left on the disk"):
            send(make.ct_slice(rows=1024))
    assert rows(instances) == []
    assert waiting_files(archive) == []
    assert send(make.ct_slice()).outcome == "stored"


def test_nothing_is_accepted_below_the_disk_reserve(settings: Settings, sender: Principal) -> None:
    greedy = settings.model_copy(update={"disk_reserve_bytes": 1 << 60})
    with Archive.open(greedy) as archive, pytest.raises(Unavailable, match="disk_reserve_bytes"):
        receive(archive, sender, io.BytesIO(make.part10(make.ct_slice())))
