"""Series metadata objects equal what the blobs say, packed or not."""

from __future__ import annotations

import gzip
import io
import json
import time
from typing import Any

import pytest
from pydicom import Dataset, dcmread
from sqlalchemy import func, select, update

import make
from filmless.access.principal import SYSTEM
from filmless.archive import Archive, metadata
from filmless.archive.jobs import Worker
from filmless.archive.tables import headers, instances, series
from filmless.config import Settings
from filmless.errors import NotFound
from filmless.store.receive import receive


@pytest.fixture
def settings(settings: Settings) -> Settings:
    return settings.model_copy(update={"series_quiet_s": 0.0})


def store(archive: Archive, *datasets: Dataset, transfer_syntax: str = make.EXPLICIT_LE) -> None:
    for ds in datasets:
        receive(archive, SYSTEM("test"), io.BytesIO(make.part10(ds, transfer_syntax)))


def read(archive: Archive, series_key: int = 1) -> list[dict[str, Any]]:
    loaded: list[dict[str, Any]] = json.loads(gzip.decompress(metadata.series_metadata_gzip(archive, series_key)))
    return loaded


def waiting_headers(archive: Archive) -> int:
    with archive.reading() as session:
        return session.execute(select(func.count()).select_from(headers)).scalar_one()


def numbers(datasets: list[dict[str, Any]]) -> list[int]:
    return [dataset["00200013"]["Value"][0] for dataset in datasets]


def test_metadata_are_there_before_the_series_is_packed(archive: Archive) -> None:
    slices = make.ct_series(3)
    store(archive, *reversed(slices))
    assert numbers(read(archive)) == [1, 2, 3]
    assert waiting_headers(archive) == 3


def test_metadata_equal_pydicoms(archive: Archive) -> None:
    (ds,) = make.ct_series(1)
    store(archive, ds)
    (found,) = read(archive)
    expected = dcmread(io.BytesIO(make.part10(ds))).to_json_dict(bulk_data_threshold=1, bulk_data_element_handler=str)
    pixels = found.pop("7FE00010")
    expected.pop("7FE00010")
    assert found == expected
    root = f"/dicomweb/studies/{ds.StudyInstanceUID}/series/{ds.SeriesInstanceUID}/instances/{ds.SOPInstanceUID}"
    assert pixels == {"vr": "OW", "BulkDataURI": f"{root}/bulkdata/7FE00010"}


def test_a_packed_series_gives_the_same_and_needs_no_headers(archive: Archive) -> None:
    store(archive, *make.ct_series(5))
    before = read(archive)
    metadata.pack_series(archive, 1)
    assert read(archive) == before
    assert waiting_headers(archive) == 0


def test_what_arrives_after_packing_is_there_at_once_and_is_packed_next(archive: Archive) -> None:
    slices = make.ct_series(9)
    for start in (0, 3, 6):
        store(archive, *slices[start : start + 3])
        assert numbers(read(archive)) == list(range(1, start + 4))
        metadata.pack_series(archive, 1)
        assert waiting_headers(archive) == 0
    assert numbers(read(archive)) == list(range(1, 10))
    assert len(list(archive.metadata_objects.keys())) == 1


def test_more_instances_than_one_page_are_packed(archive: Archive, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(metadata, "_PAGE", 4)
    store(archive, *make.ct_series(11))
    metadata.pack_series(archive, 1)
    assert numbers(read(archive)) == list(range(1, 12))


def test_the_stream_gives_the_same_as_the_whole(archive: Archive) -> None:
    store(archive, *make.ct_series(3))
    assert b"".join(metadata.stream_series_metadata(archive, 1)) == metadata.series_metadata_gzip(archive, 1)


def test_an_object_that_is_lost_is_made_again(archive: Archive) -> None:
    store(archive, *make.ct_series(3))
    before = read(archive)
    metadata.pack_series(archive, 1)
    for key in list(archive.metadata_objects.keys()):
        archive.metadata_objects.delete(key)
    assert read(archive) == before
    metadata.pack_series(archive, 1)
    assert len(list(archive.metadata_objects.keys())) == 1
    assert read(archive) == before


def test_an_object_that_does_not_cover_the_series_is_not_believed(archive: Archive) -> None:
    store(archive, *make.ct_series(3))
    metadata.pack_series(archive, 1)
    with archive.transaction() as session:
        session.execute(update(series).values(metadata_instances=2))
    assert len(read(archive)) == 3
    metadata.pack_series(archive, 1)
    with archive.reading() as session:
        assert session.execute(select(series.c.metadata_instances)).scalar_one() == 3


def test_a_deflated_and_a_compressed_instance_and_one_with_more_after_its_pixels_are_told_whole(
    archive: Archive,
) -> None:
    trailed = make.ct_slice(DataSetTrailingPadding=b"\0" * 64)
    store(archive, make.ct_slice(PatientID="deflated"), transfer_syntax=make.DEFLATED)
    store(archive, make.rle(PatientID="compressed"), transfer_syntax=make.RLE)
    store(archive, trailed)
    found = [dataset for key in (1, 2, 3) for dataset in read(archive, key)]
    assert [dataset["00100020"]["Value"][0] for dataset in found] == ["deflated", "compressed", trailed.PatientID]
    assert all("BulkDataURI" in dataset["7FE00010"] for dataset in found)
    assert "FFFCFFFC" in found[2]


def test_a_lost_blob_does_not_take_the_series_with_it(archive: Archive) -> None:
    store(archive, *make.ct_series(2))
    with archive.transaction() as session:
        session.execute(update(headers).values(data=None))
        blob = session.execute(select(instances.c.blob).where(instances.c.instance_number == 2)).scalar_one()
    archive.blobs.delete(blob.hex())
    assert [len(dataset) > 4 for dataset in read(archive)] == [True, False]


def test_the_job_packs_a_series_that_is_quiet(archive: Archive) -> None:
    store(archive, *make.ct_series(3))
    Worker(archive, {"series_quiet": metadata.series_quiet}).run_due()
    assert waiting_headers(archive) == 0


def test_the_job_waits_for_a_series_that_is_not_quiet_yet(archive: Archive, settings: Settings) -> None:
    store(archive, *make.ct_series(3))
    patient = Archive(settings.model_copy(update={"series_quiet_s": 60.0}), archive.database)
    assert Worker(patient, {"series_quiet": metadata.series_quiet}).run_due() == 1
    assert waiting_headers(archive) == 3
    with archive.reading() as session:
        run_at = session.exec_driver_sql("SELECT run_at FROM jobs").scalar_one()
    assert run_at > time.time() + 50


def test_a_series_that_is_not_there_is_not_found(archive: Archive) -> None:
    with pytest.raises(NotFound):
        metadata.series_metadata_gzip(archive, 77)


def test_an_integer_of_more_than_64_bits_is_written(archive: Archive) -> None:
    assert json.loads(metadata.dumps({"00200013": {"vr": "IS", "Value": [1 << 70]}}))["00200013"]["Value"] == [1 << 70]
