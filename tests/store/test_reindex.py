"""The index built from the blobs alone equals the one that reception wrote."""

from __future__ import annotations

import gzip
import io
import subprocess
import sys
import time

import pytest
from sqlalchemy import func, insert, select

import callers
import make
import real_files
from filmless.access import people
from filmless.access.principal import Principal
from filmless.archive import Archive, metadata
from filmless.archive.database import Database
from filmless.archive.processes import alive
from filmless.archive.tables import conflicts, instances, jobs, non_patient_instances, series, studies
from filmless.config import Settings
from filmless.errors import Conflict, Refused
from filmless.reading.tables import drafts
from filmless.store.importing import import_paths
from filmless.store.receive import receive
from filmless.store.reindex import compare, reindex


@pytest.fixture
def filled(settings: Settings, sender: Principal) -> Settings:
    """An archive with all that pydicom ships, some studies, a conflict and a person."""
    slices = make.ct_series(6)
    slices[0].StudyDescription = ""
    more = [make.rle(), make.color(), make.segmentation(), make.text_report(), make.ct_slice(PatientID="")]
    with Archive.open(settings) as archive:
        for ds in (*slices, *more):
            syntax = make.RLE if ds is more[0] else make.EXPLICIT_LE
            receive(archive, sender, io.BytesIO(make.part10(ds, syntax)))
        if settings.blobs_url is not None:
            time.sleep(1.1)  # a bucket does not tell which of one second came first
        stray = make.ct_slice(StudyInstanceUID=slices[0].StudyInstanceUID, PatientID="another")
        receive(archive, sender, io.BytesIO(make.part10(stray)))
        results = list(import_paths(archive, sender, real_files.pydicom_files()))
        assert sum(result.outcome == "stored" for result in results) > 100
        metadata.pack_series(archive, 1)
        receive(archive, sender, io.BytesIO(make.part10(slices[2])))
        slices[3].PatientName = "Other^Name"
        with pytest.raises(Conflict):
            receive(archive, sender, io.BytesIO(make.part10(slices[3])))
        callers.hash_quickly()
        callers.make_person(archive, "ada", "radiologist")
    return settings


def count_kept(database: Database) -> int:
    """How many instances an index has, of patients and others."""
    with database.reading() as session:
        return sum(
            session.execute(select(func.count()).select_from(table)).scalar_one()
            for table in (instances, non_patient_instances)
        )


def test_nothing_is_left_out_and_nothing_differs(filled: Settings) -> None:
    result = reindex(filled)
    assert (result.differences, result.refused, result.not_carried_over) == ([], [], [])


@pytest.mark.embedded  # the old rows of a server's database are not kept
def test_the_new_index_equals_the_old(filled: Settings) -> None:
    result = reindex(filled)
    old = Database(
        filled.model_copy(update={"database_url": f"sqlite:///{filled.data.absolute()}/filmless.db.before-reindex"})
    )
    new = Database(filled)
    assert compare(old, new) == []
    assert result.instances == count_kept(old)
    old.close()
    new.close()


def test_series_metadata_are_the_same_afterwards(filled: Settings) -> None:
    def read(archive: Archive) -> dict[str, bytes]:
        with archive.reading() as session:
            rows = session.execute(select(series.c.id, series.c.series_instance_uid)).all()
        return {row[1]: gzip.decompress(metadata.series_metadata_gzip(archive, row[0])) for row in rows}

    with Archive.open(filled) as archive:
        before = read(archive)
    reindex(filled)
    with Archive.open(filled) as archive:
        assert read(archive) == before


def test_what_no_blob_can_tell_is_carried_over(filled: Settings) -> None:
    with Archive.open(filled) as archive, archive.transaction() as session:
        waiting = session.execute(select(func.count()).select_from(jobs)).scalar_one()
    reindex(filled)
    with Archive.open(filled) as archive, archive.reading() as session:
        assert people.find_person(archive, "ada") is not None
        assert session.execute(select(func.count()).select_from(conflicts)).scalar_one() > 0
        assert session.execute(select(func.count()).select_from(jobs)).scalar_one() == waiting


@pytest.mark.embedded  # a server's database keeps all tables but those of the index
def test_the_command_carries_over_what_readers_and_workitems_hold(settings: Settings) -> None:
    with Archive.open(settings) as archive:
        callers.hash_quickly()
        person = callers.make_person(archive, "ada", "radiologist")
        row = {"person_key": person.id, "study_instance_uid": "1.2", "revision": 1, "value": "{}", "updated_at": 1.0}
        with archive.transaction() as session:
            session.execute(insert(drafts), row)
    # In a process of its own: what one test imports, all know.
    subprocess.run([sys.executable, "-m", "filmless", "reindex", "--data", settings.data], check=True, timeout=120)
    with Archive.open(settings) as archive, archive.reading() as session:
        assert session.execute(select(drafts.c.study_instance_uid)).scalars().all() == ["1.2"]


@pytest.mark.embedded  # a server's database is no file of ours
def test_an_index_that_is_damaged_is_rebuilt(filled: Settings) -> None:
    with Archive.open(filled) as archive:
        count = count_kept(archive.database)
    (filled.data / "filmless.db").write_bytes(b"not a database" * 1000)
    result = reindex(filled)
    assert result.instances == count
    assert "people" in result.not_carried_over
    with Archive.open(filled) as archive:
        assert count_kept(archive.database) == count


@pytest.mark.embedded  # a server's database is no file of ours
def test_an_index_that_is_gone_is_rebuilt(filled: Settings) -> None:
    for path in filled.data.glob("filmless.db*"):
        path.unlink()
    assert reindex(filled).instances > 100


def test_what_is_received_afterwards_goes_on_from_there(filled: Settings, sender: Principal) -> None:
    reindex(filled)
    ds = make.ct_slice()
    with Archive.open(filled) as archive:
        assert receive(archive, sender, io.BytesIO(make.part10(ds))).outcome == "stored"
        with archive.reading() as session:
            query = select(studies.c.id).where(studies.c.study_instance_uid == ds.StudyInstanceUID)
            assert session.execute(query).first() is not None


def test_an_archive_in_use_is_not_reindexed(settings: Settings) -> None:
    with Archive.open(settings) as archive, alive(archive, "web"), pytest.raises(Refused, match=r"running .*\(web\)"):
        reindex(settings)


@pytest.mark.embedded  # objects of a bucket are there as a whole or not at all
def test_a_file_that_a_power_loss_tore_is_refused(filled: Settings, sender: Principal) -> None:
    with Archive.open(filled) as archive:
        torn = make.ct_slice()
        receive(archive, sender, io.BytesIO(make.part10(torn)))
        with archive.reading() as session:
            blob = bytes(session.execute(select(instances.c.blob).order_by(instances.c.id.desc())).scalars().first())
        path = archive.blobs.local_path(blob.hex())
        assert path is not None
        path.write_bytes(path.read_bytes()[:-1000])  # inside the pixel data: the header can be read
    assert reindex(filled).refused == [(blob.hex(), "its bytes do not match its digest")]


def test_a_difference_is_told(filled: Settings) -> None:
    with Archive.open(filled) as archive, archive.transaction() as session:
        session.execute(studies.update().where(studies.c.id == 1).values(accession_number="wrong"))
    assert [line.endswith("is not the same in both") for line in reindex(filled).differences] == [True]


def test_progress_is_told(filled: Settings) -> None:
    told: list[tuple[int, int]] = []
    result = reindex(filled, on_progress=lambda done, total: told.append((done, total)))
    assert told[-1] == (result.instances, result.instances)
