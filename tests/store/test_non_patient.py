"""What keeps all kept bytes safe keeps those of no patient safe too: verify, scrub, sweep and reindex."""

from __future__ import annotations

import io
from pathlib import Path

from pydicom import Dataset
from sqlalchemy import delete, select

import make
from filmless.access.principal import SYSTEM
from filmless.archive import Archive
from filmless.archive.problems import list_problems
from filmless.archive.tables import non_patient_instances as table
from filmless.config import Settings
from filmless.store.importing import import_paths
from filmless.store.receive import receive
from filmless.store.reindex import reindex
from filmless.store.scrub import scrub
from filmless.store.sweep import sweep
from filmless.store.verify import verify
from stored import flip_bit

HANGING = "1.2.840.10008.5.1.4.38.1"


def hanging_protocol() -> Dataset:
    ds = Dataset()
    ds.SOPClassUID, ds.SOPInstanceUID = HANGING, make.uid()
    ds.HangingProtocolName = "Mammo"
    return ds


def put(archive: Archive, ds: Dataset) -> str:
    receive(archive, SYSTEM("test"), io.BytesIO(make.part10(ds)), takes_non_patient=True)
    return blobs_of(archive)[str(ds.SOPInstanceUID)]


def blobs_of(archive: Archive) -> dict[str, str]:
    with archive.reading() as session:
        return {row.sop_instance_uid: bytes(row.blob).hex() for row in session.execute(select(table))}


def test_damage_is_found_by_verify_and_by_the_scrub(archive: Archive) -> None:
    ds = hanging_protocol()
    flip_bit(archive.blobs, put(archive, ds), -1)
    (finding,) = verify(archive).findings
    assert (finding.sop_instance_uid, finding.kind) == (ds.SOPInstanceUID, "damaged")
    with archive.reading() as session:
        (problem,) = list_problems(session)
    assert "belongs to no study" in problem.what
    walk = scrub(archive)
    assert (walk.instances, walk.is_under_way) == (1, False)


def test_a_blob_without_its_row_is_adopted(archive: Archive) -> None:
    archive.settings = archive.settings.model_copy(update={"sweep_age_s": -10.0})
    ds = hanging_protocol()
    blob = put(archive, ds)
    with archive.transaction() as session:
        session.execute(delete(table))
    assert sweep(archive).adopted == 1
    assert blobs_of(archive) == {str(ds.SOPInstanceUID): blob}
    result = sweep(archive)
    assert (result.adopted, result.removed, result.missing) == (0, 0, 0)


def test_a_lost_blob_is_told_by_the_sweep(archive: Archive) -> None:
    archive.blobs.delete(put(archive, hanging_protocol()))
    assert sweep(archive).missing == 1


def test_the_index_is_rebuilt_with_them(settings: Settings) -> None:
    ds, other = hanging_protocol(), make.ct_slice()
    with Archive.open(settings) as archive:
        blob = put(archive, ds)
        receive(archive, SYSTEM("test"), io.BytesIO(make.part10(other)))
    result = reindex(settings)
    assert (result.instances, result.refused, result.differences) == (2, [], [])
    with Archive.open(settings) as archive:
        assert blobs_of(archive) == {str(ds.SOPInstanceUID): blob}


def test_they_are_imported_from_files(archive: Archive, tmp_path: Path) -> None:
    ds = hanging_protocol()
    path = tmp_path / "protocol.dcm"
    path.write_bytes(make.part10(ds))
    (result,) = import_paths(archive, SYSTEM("test"), [path])
    assert result.outcome == "stored"
    assert list(blobs_of(archive)) == [ds.SOPInstanceUID]
