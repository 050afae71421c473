"""Frames kept a second time in HTJ2K: exact, only where they pay, only for those who take them, within a limit."""

from __future__ import annotations

import io
import struct
import time
from collections.abc import Callable, Iterator
from types import SimpleNamespace
from typing import Any

import imagecodecs
import numpy as np
import pytest
from pydicom import Dataset, dcmread
from pydicom.encaps import encapsulate
from sqlalchemy import func, select
from starlette.testclient import TestClient

import make
from answers import address, parts_of
from filmless.access.principal import SYSTEM
from filmless.archive import Archive, metadata
from filmless.archive.jobs import Worker
from filmless.archive.tables import instances, renditions
from filmless.config import Settings
from filmless.retrieve import decoding
from filmless.retrieve.decoding import Decoders
from filmless.retrieve.make_renditions import make_renditions, trim
from filmless.retrieve.renditions import Index, read_index
from filmless.store.delete import Target, delete_instances
from filmless.store.sweep import sweep
from real_files import pydicom_file
from stored import flip_bit

Store = Callable[..., Dataset]
Array = np.ndarray[Any, Any]

RPCL = "1.2.840.10008.1.2.4.202"
AS_STORED = 'multipart/related; type="application/octet-stream"; transfer-syntax=*'
EITHER = f'{AS_STORED}, multipart/related; type="image/jphc"; transfer-syntax={RPCL}'
JPEG_LS = "1.2.840.10008.1.2.4.80"


@pytest.fixture
def settings(settings: Settings) -> Settings:
    return settings.model_copy(update={"series_quiet_s": 0.0})


@pytest.fixture(autouse=True)
def background(archive: Archive, pool: Decoders) -> Iterator[None]:
    decoding._background_pools[archive] = pool
    yield


def body_of_ct(rows: int = 96) -> Array:
    """A smooth body with noise: what CT looks like to a codec."""
    y, x = np.mgrid[0:rows, 0:rows]
    noise = np.random.default_rng(3).integers(-8, 8, (rows, rows))
    return (1000 + 500 * np.sin(x / 20) * np.cos(y / 25) + noise).astype(np.uint16)


def ct(**attributes: Any) -> Dataset:
    values = body_of_ct()
    return make.ct_slice(values.shape[0], **{"PixelData": values.tobytes(), "PixelRepresentation": 0} | attributes)


def work(archive: Archive) -> None:
    """Run what is due, as a worker does."""
    functions = {"series_quiet": metadata.series_quiet, "make_renditions": make_renditions}
    Worker(archive, functions, destination_limits={"renditions": 1}).run_due()


def frame(client: TestClient, ds: Dataset, accept: str, number: str = "1", **headers: str) -> Any:
    return client.get(f"{address(ds)}/frames/{number}", headers={"accept": accept, **headers})


def kept(archive: Archive) -> int:
    with archive.reading() as session:
        return int(session.execute(select(func.count()).select_from(renditions)).scalar_one())


def test_a_quiet_series_gets_copies_that_are_exact_and_shorter(
    archive: Archive, stored: Store, client: TestClient
) -> None:
    ds = stored(ct())
    work(archive)

    [(headers, data)] = parts_of(frame(client, ds, EITHER))

    assert headers["content-type"] == f"image/jphc; transfer-syntax={RPCL}"
    assert np.array_equal(imagecodecs.htj2k_decode(data), ds.pixel_array)
    assert len(data) < len(ds.PixelData) / 2


def test_copies_are_rpcl_with_lengths_of_tile_parts(archive: Archive, stored: Store, client: TestClient) -> None:
    ds = stored(ct())
    work(archive)
    [(_, data)] = parts_of(frame(client, ds, EITHER))

    start = data.index(b"\xff\x90")
    head = data[:start]
    cod = head.index(b"\xff\x52")
    assert head[cod + 5] == 2  # progression order RPCL (ISO/IEC 15444-1 table A.16)
    assert b"\xff\x50" in head  # CAP, of Part 15
    tlm = head.index(b"\xff\x55")  # TLM: the one tile-part, and its length up to EOC
    assert head[tlm + 2 :] == struct.pack(">HBBHI", 10, 0, 0x60, 0, len(data) - 2 - start)


@pytest.mark.parametrize(
    "accept",
    [AS_STORED, "*/*", 'multipart/related; type="application/octet-stream"', "application/octet-stream", "image/*"],
)
def test_who_does_not_name_the_syntax_never_gets_a_copy(
    accept: str, archive: Archive, stored: Store, client: TestClient
) -> None:
    ds = stored(ct())
    work(archive)
    answer = frame(client, ds, accept)
    assert RPCL.encode() not in answer.content + answer.headers["content-type"].encode()


def test_without_a_copy_both_wishes_are_met_by_what_is_stored(stored: Store, client: TestClient) -> None:
    ds = stored(ct())
    [(headers, data)] = parts_of(frame(client, ds, EITHER))
    assert headers["content-type"] == f"application/octet-stream; transfer-syntax={make.EXPLICIT_LE}"
    assert data == ds.PixelData


def test_a_lower_quality_is_a_second_choice(archive: Archive, stored: Store, client: TestClient) -> None:
    ds = stored(ct())
    work(archive)
    answer = frame(client, ds, f'{AS_STORED}, multipart/related; type="image/jphc"; transfer-syntax={RPCL}; q=0.5')
    assert parts_of(answer)[0][1] == ds.PixelData


def test_a_single_part_and_the_other_name_of_the_syntax_are_served_too(
    archive: Archive, stored: Store, client: TestClient
) -> None:
    ds = stored(ct())
    work(archive)
    alone = frame(client, ds, f"image/jphc; transfer-syntax={RPCL}")
    assert alone.headers["content-type"] == f"image/jphc; transfer-syntax={RPCL}"
    plain = frame(client, ds, "image/jphc")
    assert plain.headers["content-type"] == "image/jphc; transfer-syntax=1.2.840.10008.1.2.4.201"
    assert plain.content == alone.content
    assert plain.headers["etag"] != alone.headers["etag"]


def test_a_copy_has_a_validator_of_its_own(archive: Archive, stored: Store, client: TestClient) -> None:
    ds = stored(ct())
    original = frame(client, ds, AS_STORED).headers["etag"]
    work(archive)

    copy = frame(client, ds, EITHER, **{"if-none-match": original})

    assert copy.status_code == 200
    assert copy.headers["etag"] != original
    assert copy.headers["vary"] == "Accept"
    assert frame(client, ds, EITHER, **{"if-none-match": copy.headers["etag"]}).status_code == 304
    assert frame(client, ds, AS_STORED, **{"if-none-match": copy.headers["etag"]}).status_code == 200


def test_frames_of_a_multi_frame_instance_come_one_by_one_and_together(
    archive: Archive, stored: Store, client: TestClient
) -> None:
    values = np.stack([body_of_ct() + 7 * number for number in range(4)]).astype(np.uint16)
    ds = stored(make.multi_frame(4, values.shape[1], PixelData=values.tobytes()))
    work(archive)
    together = [data for _, data in parts_of(frame(client, ds, EITHER, "4,2"))]
    assert [
        np.array_equal(imagecodecs.htj2k_decode(data), values[n]) for data, n in zip(together, (3, 1), strict=False)
    ] == [True] * 2
    assert parts_of(frame(client, ds, EITHER, "2"))[0][1] == together[1]
    assert frame(client, ds, EITHER, "5").status_code == 404


def colours(planar: int) -> Dataset:
    y, x = np.mgrid[0:64, 0:64]
    rgb = np.stack([x * 2, y * 2, x + y], axis=-1).astype(np.uint8)
    data = rgb.transpose(2, 0, 1).tobytes() if planar else rgb.tobytes()
    return make.color(1, 64, PixelData=data, PlanarConfiguration=planar)


@pytest.mark.parametrize("syntax", [make.EXPLICIT_LE, make.IMPLICIT_LE, make.EXPLICIT_BE, make.RLE])
@pytest.mark.parametrize("kind", ["unsigned", "signed", "colour", "colour by plane"])
def test_copies_of_all_sources_decode_to_the_pixels_of_pydicom(
    syntax: str, kind: str, archive: Archive, stored: Store, client: TestClient
) -> None:
    ds = {
        "unsigned": ct(),
        "signed": ct(PixelRepresentation=1),
        "colour": colours(0),
        "colour by plane": colours(1),
    }[kind]
    if syntax == make.RLE:
        ds = make.rle(dcmread(io.BytesIO(make.part10(ds))))
    stored(ds, transfer_syntax=syntax)
    expected = dcmread(io.BytesIO(make.part10(ds, syntax))).pixel_array
    work(archive)

    [(headers, data)] = parts_of(frame(client, ds, EITHER))

    assert headers["content-type"] == f"image/jphc; transfer-syntax={RPCL}"
    assert np.array_equal(imagecodecs.htj2k_decode(data, planar=False), expected)


def test_samples_whose_unused_bits_hold_something_get_no_copy(
    archive: Archive, stored: Store, client: TestClient
) -> None:
    values = body_of_ct()
    values[3, 5] |= 0x8000  # an overlay in a high bit
    ds = stored(make.ct_slice(96, PixelData=values.tobytes(), PixelRepresentation=0, BitsStored=12, HighBit=11))
    work(archive)
    assert parts_of(frame(client, ds, EITHER))[0][1] == values.tobytes()


def test_noise_gets_no_copy_since_it_would_not_pay(archive: Archive, stored: Store, client: TestClient) -> None:
    noise = np.random.default_rng(1).integers(0, 1 << 16, (64, 64)).astype(np.uint16)
    ds = stored(make.ct_slice(64, PixelData=noise.tobytes(), PixelRepresentation=0))
    work(archive)
    assert parts_of(frame(client, ds, EITHER))[0][1] == noise.tobytes()


@pytest.mark.parametrize("syntax", [make.JPEG_BASELINE, JPEG_LS])
def test_lossy_frames_and_those_that_are_as_short_get_no_copy(
    syntax: str, archive: Archive, stored: Store, client: TestClient
) -> None:
    eight = (body_of_ct() >> 3).astype(np.uint8)
    encoded = (
        imagecodecs.jpeg8_encode(eight, level=95) if syntax == make.JPEG_BASELINE else imagecodecs.jpegls_encode(eight)
    )
    ds = make.ct_slice(96, BitsAllocated=8, BitsStored=8, HighBit=7, PixelRepresentation=0)
    ds.PixelData = encapsulate([encoded])
    ds["PixelData"].VR, ds["PixelData"].is_undefined_length = "OB", True
    stored(ds, transfer_syntax=syntax)
    work(archive)
    assert parts_of(frame(client, ds, EITHER))[0][1].rstrip(b"\0") == encoded.rstrip(b"\0")
    assert kept(archive) == 0


def test_none_of_the_real_files_is_changed_by_its_copy(archive: Archive, stored: Store, client: TestClient) -> None:
    names = ("CT_small.dcm", "MR_small_RLE.dcm", "SC_rgb_rle_2frame.dcm", "SC_rgb_small_odd.dcm")
    datasets = [stored(pydicom_file(name).read_bytes()) for name in names]
    work(archive)
    copies = 0
    for ds in datasets:
        answer = frame(client, ds, EITHER)
        if RPCL.encode() not in answer.content:
            continue
        copies += 1
        [(_, data)] = parts_of(answer)
        pixels = ds.pixel_array[0] if int(ds.get("NumberOfFrames", 1) or 1) > 1 else ds.pixel_array
        assert np.array_equal(imagecodecs.htj2k_decode(data, planar=False), pixels), ds.filename
    assert copies >= 2


def test_a_series_that_grows_gets_the_copies_it_lacks(archive: Archive, stored: Store, client: TestClient) -> None:
    first = stored(ct())
    work(archive)
    second = stored(ct(StudyInstanceUID=first.StudyInstanceUID, SeriesInstanceUID=first.SeriesInstanceUID))
    work(archive)
    assert kept(archive) == 2
    for ds in (first, second):
        assert parts_of(frame(client, ds, EITHER))[0][0]["content-type"].startswith("image/jphc")
    work(archive)
    assert kept(archive) == 2


@pytest.mark.parametrize("is_only_one", [True, False])
def test_what_is_deleted_while_copies_are_made_leaves_none(
    is_only_one: bool, archive: Archive, stored: Store, client: TestClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    gone = stored(ct())
    if not is_only_one:
        rest = stored(ct(StudyInstanceUID=gone.StudyInstanceUID, SeriesInstanceUID=gone.SeriesInstanceUID))
    target = Target(gone.StudyInstanceUID, gone.SeriesInstanceUID, gone.SOPInstanceUID)
    trims: list[int] = []

    def delete_once(index: Any, real: Callable[[Any], bytes] = Index.pack) -> bytes:
        if not trims:
            trims.append(delete_instances(archive, SYSTEM("cli"), target, "wrong patient"))
            assert kept(archive) == 0
        return real(index)

    monkeypatch.setattr(Index, "pack", delete_once)
    work(archive)

    assert trims
    if is_only_one:
        assert (kept(archive), list(archive.renditions.keys())) == (0, [])
        return
    [key] = archive.renditions.keys()
    with archive.reading() as session:
        length = session.execute(select(renditions.c.length_bytes)).scalar_one()
        left = session.execute(select(instances.c.blob)).scalar_one()
    index = read_index(archive, key, length)
    assert index is not None
    assert set(index.entries) == {left.hex()}
    assert RPCL in frame(client, rest, EITHER).text


def test_a_study_that_still_arrives_is_waited_for(archive: Archive, stored: Store) -> None:
    patient = Archive(archive.settings.model_copy(update={"series_quiet_s": 60.0}), archive.database)
    stored(ct())
    Worker(patient, {"series_quiet": lambda *_: None}).run_due()
    with archive.transaction() as session:
        from filmless.retrieve.renditions import ask_for

        ask_for(session, 1)
    assert Worker(patient, {"make_renditions": make_renditions}).run_due() == 1
    assert kept(archive) == 0


def test_the_longest_unused_copies_are_removed_first(archive: Archive, stored: Store, client: TestClient) -> None:
    datasets = [stored(ct()) for _ in range(3)]
    work(archive)
    with archive.transaction() as session:
        session.execute(renditions.update().where(renditions.c.id != 1).values(used_at=time.time() - 1000))
        sizes = list(session.scalars(select(renditions.c.length_bytes)))

    small = Archive(archive.settings.model_copy(update={"rendition_cache_bytes": sum(sizes) // 2}), archive.database)
    assert trim(small) == 2

    assert [RPCL in frame(client, ds, EITHER).text for ds in datasets] == [True, False, False]
    assert len(list(archive.renditions.keys())) == 1


def test_copies_that_were_removed_are_made_again_when_asked_for(
    archive: Archive, stored: Store, client: TestClient
) -> None:
    ds = stored(ct())
    work(archive)
    with archive.transaction() as session:
        session.execute(renditions.delete())
    assert parts_of(frame(client, ds, EITHER))[0][1] == ds.PixelData
    work(archive)
    assert kept(archive) == 1


@pytest.mark.parametrize("damage", ["lost", "changed"])
def test_a_lost_or_damaged_copy_only_costs_time(
    damage: str, archive: Archive, stored: Store, client: TestClient
) -> None:
    ds = stored(ct())
    work(archive)
    assert RPCL in frame(client, ds, EITHER).text
    [key] = archive.renditions.keys()
    if damage == "lost":
        archive.renditions.delete(key)
    else:
        flip_bit(archive.renditions, key, 200)

    [(headers, data)] = parts_of(frame(client, ds, EITHER))

    decoded = imagecodecs.htj2k_decode(data) if "jphc" in headers["content-type"] else None
    assert decoded is not None
    assert np.array_equal(decoded, ds.pixel_array)
    assert parts_of(frame(client, ds, EITHER))[0][1] == ds.PixelData
    assert kept(archive) == 0


def test_no_room_or_no_wish_for_copies_makes_none(archive: Archive, stored: Store, client: TestClient) -> None:
    ds = stored(ct())
    full = Archive(archive.settings.model_copy(update={"disk_reserve_bytes": 1 << 60}), archive.database)
    work(full)
    assert kept(archive) == 0
    off = Archive(archive.settings.model_copy(update={"rendition_cache_bytes": 0}), archive.database)
    work(off)
    assert kept(archive) == 0
    assert parts_of(frame(client, ds, EITHER))[0][1] == ds.PixelData


def test_the_sweep_removes_copies_that_no_row_names(
    archive: Archive, stored: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    stored(ct())
    work(archive)
    with archive.transaction() as session:
        session.execute(renditions.delete())
    assert list(archive.renditions.keys())
    monkeypatch.setattr("filmless.store.sweep.time", SimpleNamespace(time=lambda: time.time() + 86400))
    sweep(archive)
    assert list(archive.renditions.keys()) == []
