"""PS3.18 10.4: instances, metadata, frames and bulk data over WADO-RS."""

from __future__ import annotations

import gzip
import io
import json
from collections.abc import Callable, Iterator
from contextlib import ExitStack, suppress
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import pydicom
import pytest
from PIL import Image
from pydicom import Dataset, dcmread
from sqlalchemy import select
from starlette.testclient import TestClient

import make
from answers import Mounted, address, data_set_of, parts_of
from callers import principal_of
from filmless.access.principal import Principal
from filmless.access.tables import audit
from filmless.archive import Archive
from filmless.archive.tables import instances
from filmless.dicom import pixels, syntaxes
from filmless.dicom.compressing import ENCODABLE
from filmless.dicom.frames import locate_frames
from filmless.dicom.pixels import NATIVE
from filmless.dicom.scanner import scan
from filmless.errors import Conflict, FilmlessError
from filmless.retrieve import decoding
from filmless.retrieve.decoding import Decoders
from filmless.retrieve.frames import FIX_UPS
from filmless.retrieve.instances import find_record
from filmless.retrieve.transcode import can_transcode
from filmless.store.receive import receive
from real_files import pydicom_file, real_files

Store = Callable[..., Dataset]
AS_STORED = {"accept": 'multipart/related; type="application/dicom"; transfer-syntax=*'}
DEFAULT = {"accept": 'multipart/related; type="application/dicom"'}
OCTETS = {"accept": "application/octet-stream"}
OHIF_FRAMES = {"accept": "multipart/related; type=application/octet-stream; transfer-syntax=*"}

REAL = real_files()


def _has_frames(path: Path) -> bool:
    try:
        header = scan(path.read_bytes())
    except FilmlessError:
        return False
    return header.pixel_data is not None and bool(header.integer(0x00280010))


IMAGES = [path for path in REAL if _has_frames(path)]


class Shelves:
    """Real files, each taken in once; tests only read them. Where two have one UID, they lie in different archives."""

    def __init__(self, archives: list[Archive], open_another: Callable[[], Archive]) -> None:
        self._archives, self._open_another = archives, open_another
        self._found: dict[Path, Shelf] = {}

    def find(self, path: Path) -> Shelf:
        """The archive in which a file lies, and its record; skips the test when it is one that is refused."""
        if path not in self._found:
            self._found[path] = self._keep(path)
        return self._found[path]

    def _keep(self, path: Path) -> Shelf:
        for archive in self._archives:
            with suppress(Conflict):
                return Shelf(archive, keep(archive, path))
        self._archives.append(self._open_another())
        return Shelf(self._archives[-1], keep(self._archives[-1], path))


@dataclass
class Shelf:
    archive: Archive
    record: Any

    def get(self, url: str, headers: dict[str, str]) -> Any:
        """Ask as a radiologist."""
        return client_of(self.archive, replace(principal_of("radiologist"), door="dicomweb")).get(url, headers=headers)


@pytest.fixture(scope="session")
def shelves(
    archive_shape: str, new_settings: Any, pool: Decoders, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Shelves]:
    with ExitStack() as opened:

        def open_another() -> Archive:
            settings = opened.enter_context(new_settings(archive_shape, tmp_path_factory.mktemp("shelf")))
            archive = opened.enter_context(Archive.open(settings))
            decoding._pools[archive] = pool
            return archive

        yield Shelves([open_another()], open_another)


@pytest.fixture
def shelf(shelves: Shelves, path: Path) -> Shelf:
    """Where the file of this test lies."""
    return shelves.find(path)


def keep(archive: Archive, path: Path) -> Any:
    """Store a real file, or skip the test when it is one that is refused."""
    from filmless.access.principal import SYSTEM

    try:
        receipt = receive(archive, SYSTEM("cli"), io.BytesIO(path.read_bytes()))
    except Conflict:
        raise
    except FilmlessError:
        pytest.skip("refused by the archive")
    record = find_record(archive, receipt.sop_instance_uid)
    assert record is not None
    return record


def url_of(record: Any) -> str:
    one = record.instance
    return (
        f"/dicomweb/studies/{one.study_instance_uid}/series/{one.series_instance_uid}/instances/{one.sop_instance_uid}"
    )


def decoded(part10: bytes) -> list[np.ndarray[Any, Any]]:
    """The frames of a Part 10 file, by our decoder, which `test_pixels` holds to pydicom's."""
    header = scan(part10)
    form = pixels.read_format(header)
    element = header.pixel_data
    assert element is not None
    if form.transfer_syntax_uid in NATIVE:
        value = header.value(element)
        count = max(header.integer(0x00280008) or 1, 1)
        extents = [pixels.native_extent(form, index) for index in range(count)]
        pieces = [(value[each.offset : each.offset + each.length], each.skip_bits) for each in extents]
    else:
        table = locate_frames(header)
        pieces = [
            (b"".join(part10[offset : offset + length] for offset, length in table.ranges(number)), 0)
            for number in range(1, table.count + 1)
        ]
    return [pixels.decode_frame(piece, form, skip_bits=skip).pixels for piece, skip in pieces]


# Instances ------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("path", REAL, ids=lambda path: path.name)
def test_a_real_file_comes_back_as_stored_to_the_byte(path: Path, shelf: Shelf) -> None:
    record = shelf.record
    response = shelf.get(url_of(record), headers=AS_STORED)
    assert response.status_code == 200
    ((headers, body),) = parts_of(response)
    uid = record.instance.transfer_syntax_uid
    assert headers["content-type"] == f"application/dicom; transfer-syntax={uid}"
    assert headers["content-location"] == f"http://pacs.test{url_of(record)}"
    sent = path.read_bytes()
    assert sent.endswith(data_set_of(body))


@pytest.mark.parametrize("path", IMAGES, ids=lambda path: path.name)
def test_a_real_file_comes_back_as_explicit_little_endian_with_the_same_pixels(shelf: Shelf) -> None:
    record = shelf.record
    ((headers, body),) = parts_of(shelf.get(url_of(record), headers=DEFAULT))
    uid = headers["content-type"].partition("transfer-syntax=")[2]
    original = shelf.archive.blobs.read(record.instance.blob)
    try:
        expected = decoded(original)
    except (FilmlessError, AssertionError):
        assert dcmread(io.BytesIO(body), force=True).SOPInstanceUID == record.instance.sop_instance_uid
        return
    assert uid == syntaxes.EXPLICIT_LE
    found = decoded(body)
    assert len(found) == len(expected)
    assert all(np.array_equal(a, b) for a, b in zip(found, expected, strict=True))


@pytest.mark.parametrize("uid", [*sorted(ENCODABLE), syntaxes.IMPLICIT_LE, syntaxes.DEFLATED])
@pytest.mark.parametrize(
    "name",
    ["CT_small.dcm", "MR_small_RLE.dcm", "SC_rgb_small_odd.dcm", "examples_palette.dcm", "MR_small_bigendian.dcm"],
)
def test_an_instance_comes_in_any_syntax_that_we_write(
    name: str, uid: str, archive: Archive, client: TestClient
) -> None:
    record = keep(archive, pydicom_file(name))
    response = client.get(url_of(record), headers={"accept": f"application/dicom; transfer-syntax={uid}"})
    assert response.status_code == 200
    assert response.headers["content-type"] == f"application/dicom; transfer-syntax={uid}"
    assert dcmread(io.BytesIO(response.content)).file_meta.TransferSyntaxUID == uid
    expected = decoded(archive.blobs.read(record.instance.blob))
    assert all(np.array_equal(a, b) for a, b in zip(decoded(response.content), expected, strict=True))


@pytest.mark.parametrize(
    "name", ["CT_small.dcm", "MR_small_RLE.dcm", "reportsi.dcm", "rtplan.dcm", "nested_priv_SQ.dcm"]
)
@pytest.mark.parametrize("uid", [syntaxes.IMPLICIT_LE, syntaxes.EXPLICIT_LE, syntaxes.DEFLATED])
def test_transcoding_changes_no_other_attribute(name: str, uid: str, archive: Archive, client: TestClient) -> None:
    record = keep(archive, pydicom_file(name))
    body = client.get(url_of(record), headers={"accept": f"application/dicom; transfer-syntax={uid}"}).content
    before = dcmread(io.BytesIO(archive.blobs.read(record.instance.blob)), force=True)
    after = dcmread(io.BytesIO(body), force=True)
    for ds in (before, after):
        for tag in (0x7FE00010, 0x00280006):
            if tag in ds:
                del ds[tag]
        ds.walk(lambda level, element: level.pop(element.tag) if element.tag.element == 0 else None)
    assert json.loads(after.to_json()) == json.loads(before.to_json())


def test_a_transcoded_study_comes_in_the_order_of_its_series(stored: Store, client: TestClient) -> None:
    slices = make.ct_series(5)
    for ds in reversed(slices):
        stored(ds)
    parts = parts_of(client.get(address(slices[0], "series"), headers=DEFAULT))
    found = [dcmread(io.BytesIO(body)).InstanceNumber for _, body in parts]
    assert found == sorted(found)
    assert len(found) == 5


def test_a_study_holds_all_its_series(stored: Store, client: TestClient) -> None:
    first = stored(make.ct_slice())
    second = stored(make.ct_slice(StudyInstanceUID=first.StudyInstanceUID, PatientID=first.PatientID))
    parts = parts_of(client.get(address(first, "study"), headers=AS_STORED))
    uids = {dcmread(io.BytesIO(body)).SOPInstanceUID for _, body in parts}
    assert uids == {first.SOPInstanceUID, second.SOPInstanceUID}


def test_what_cannot_be_decoded_leaves_as_stored_when_no_syntax_is_asked_for(stored: Store, client: TestClient) -> None:
    # PS3.18 8.7.3.4: the default gives way for lossy data that only exist so.
    ds = stored(make.encapsulated([b"\0\0\1\xb3 not really a video"]), transfer_syntax=syntaxes.MPEG4_HP41)
    ((headers, _),) = parts_of(client.get(address(ds), headers=DEFAULT))
    assert headers["content-type"].endswith(syntaxes.MPEG4_HP41)


def test_a_syntax_that_an_instance_cannot_have_is_not_acceptable(stored: Store, client: TestClient) -> None:
    ds = stored(make.encapsulated([b"\0\0\1\xb3 not really a video"]), transfer_syntax=syntaxes.MPEG4_HP41)
    for accept in ("application/dicom", 'multipart/related; type="application/dicom"'):
        response = client.get(address(ds), headers={"accept": f"{accept}; transfer-syntax={syntaxes.EXPLICIT_LE}"})
        assert response.status_code == 406
        assert response.headers["content-type"] == "application/problem+json"


def test_a_study_of_which_only_some_can_be_had_is_partial(stored: Store, client: TestClient) -> None:
    video = stored(make.encapsulated([b"\0\0\1\xb3 a video"]), transfer_syntax=syntaxes.MPEG4_HP41)
    stored(make.ct_slice(StudyInstanceUID=video.StudyInstanceUID, PatientID=video.PatientID))
    accept = f'multipart/related; type="application/dicom"; transfer-syntax={syntaxes.EXPLICIT_LE}'
    response = client.get(address(video, "study"), headers={"accept": accept})
    assert response.status_code == 206
    assert response.headers["warning"].startswith("299 ")
    assert len(parts_of(response)) == 1


def test_a_damaged_frame_in_a_study_does_not_take_the_others_with_it(stored: Store, client: TestClient) -> None:
    broken = stored(make.encapsulated([b"\xff\xd8 not a JPEG"]), transfer_syntax=syntaxes.JPEG_BASELINE)
    stored(make.ct_slice(StudyInstanceUID=broken.StudyInstanceUID, PatientID=broken.PatientID))
    parts = parts_of(client.get(address(broken, "study"), headers=DEFAULT))
    assert len(parts) == 2


@pytest.mark.parametrize("accept", ["application/dicom+xml", "text/html", "image/jpeg"])
def test_other_media_types_are_not_acceptable(accept: str, stored: Store, client: TestClient) -> None:
    ds = stored(make.ct_slice())
    assert client.get(address(ds), headers={"accept": accept}).status_code == 406


def test_a_single_part_has_length_validator_and_ranges(stored: Store, archive: Archive, client: TestClient) -> None:
    ds = stored(make.ct_slice())
    accept = {"accept": "application/dicom; transfer-syntax=*"}
    response = client.get(address(ds), headers=accept)
    assert int(response.headers["content-length"]) == len(response.content)
    etag = response.headers["etag"]
    assert client.get(address(ds), headers={**accept, "if-none-match": etag}).status_code == 304
    part = client.get(address(ds), headers={**accept, "range": "bytes=128-131"})
    assert (part.status_code, part.content) == (206, b"DICM")
    assert part.headers["content-range"] == f"bytes 128-131/{len(response.content)}"
    assert client.get(address(ds), headers={**accept, "range": "bytes=9999999-"}).status_code == 416


def test_head_answers_without_a_body(stored: Store, client: TestClient) -> None:
    ds = stored(make.ct_slice())
    response = client.head(address(ds), headers={"accept": "application/dicom; transfer-syntax=*"})
    assert (response.status_code, response.content) == (200, b"")
    assert int(response.headers["content-length"]) > 0


@pytest.mark.parametrize("level", ["study", "series", "instance"])
@pytest.mark.parametrize("what", ["", "/metadata", "/rendered", "/thumbnail"])
def test_what_is_not_there_is_not_found(level: str, what: str, client: TestClient) -> None:
    response = client.get(address(make.ct_slice(), level) + what)
    assert response.status_code == 404
    assert response.json()["detail"]


def test_an_instance_is_only_found_under_its_own_study_and_series(stored: Store, client: TestClient) -> None:
    one, other = stored(make.ct_slice()), stored(make.ct_slice())
    wrong = address(one, "series").replace(one.StudyInstanceUID, other.StudyInstanceUID)
    assert client.get(f"{wrong}/instances/{one.SOPInstanceUID}/metadata").status_code == 404


def test_a_zip_of_a_study_holds_its_files_as_stored(stored: Store, client: TestClient) -> None:
    import zipfile

    slices = make.ct_series(3)
    for ds in slices:
        stored(ds)
    response = client.get(address(slices[0], "study"), headers={"accept": "application/zip"})
    assert response.status_code == 200
    with zipfile.ZipFile(io.BytesIO(response.content)) as found:
        assert found.testzip() is None
        uids = {dcmread(io.BytesIO(found.read(name))).SOPInstanceUID for name in found.namelist()}
    assert uids == {ds.SOPInstanceUID for ds in slices}


# Rights and the audit trail -------------------------------------------------------------------------------------------

RESOURCES = ["", "/metadata", "/rendered", "/thumbnail", "/frames/1", "/bulkdata/7FE00010"]


def client_of(archive: Archive, principal: Principal | None) -> TestClient:
    return TestClient(Mounted(archive, principal), base_url="http://pacs.test")


@pytest.mark.parametrize("what", RESOURCES)
def test_a_stranger_is_told_to_sign_in(what: str, archive: Archive, stored: Store) -> None:
    ds = stored(make.ct_slice())
    response = client_of(archive, None).get(address(ds) + what)
    assert response.status_code == 401
    assert response.headers["www-authenticate"].startswith("Bearer")


@pytest.mark.parametrize("what", RESOURCES)
def test_a_caller_without_the_right_is_refused_and_remembered(what: str, archive: Archive, stored: Store) -> None:
    ds = stored(make.ct_slice())
    caller = principal_of("clinician", kind="token", rights=frozenset({"query"}))
    response = client_of(archive, caller).get(address(ds) + what)
    assert response.status_code == 403
    with archive.reading() as session:
        outcomes = session.scalars(select(audit.c.outcome).where(audit.c.actor == caller.name)).all()
    assert outcomes == ["refused"]


def rows_of(archive: Archive, principal: Principal) -> list[tuple[str, str | None]]:
    with archive.reading() as session:
        rows = session.execute(
            select(audit.c.action, audit.c.study_instance_uid).where(audit.c.actor == principal.name)
        )
        return [(row.action, row.study_instance_uid) for row in rows]


def test_a_scroll_through_a_series_is_one_row_in_the_trail(
    archive: Archive, stored: Store, client: TestClient, radiologist: Principal
) -> None:
    slices = [stored(ds) for ds in make.ct_series(6)]
    client.get(address(slices[0], "series") + "/metadata")
    for ds in slices:
        assert client.get(f"{address(ds)}/frames/1", headers=OHIF_FRAMES).status_code == 200
    assert rows_of(archive, radiologist) == [("view", slices[0].StudyInstanceUID)]


def test_each_retrieval_of_instances_is_a_row(
    archive: Archive, stored: Store, client: TestClient, radiologist: Principal
) -> None:
    ds = stored(make.ct_slice())
    client.get(address(ds, "study"), headers=AS_STORED)
    client.get(address(ds, "series"), headers=AS_STORED)
    assert rows_of(archive, radiologist) == [("retrieve", ds.StudyInstanceUID)] * 2


# Metadata -------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("level", ["instance", "series", "study"])
def test_metadata_is_the_json_model_with_addresses_of_bulk_data(level: str, stored: Store, client: TestClient) -> None:
    ds = stored(make.ct_slice())
    response = client.get(address(ds, level) + "/metadata", headers={"accept": "application/dicom+json"})
    assert response.headers["content-type"] == "application/dicom+json"
    (found,) = response.json()
    assert found["00080018"] == {"vr": "UI", "Value": [ds.SOPInstanceUID]}
    assert found["7FE00010"]["BulkDataURI"] == f"{address(ds)}/bulkdata/7FE00010"
    assert not any(tag.startswith("0002") for tag in found)


def test_metadata_of_a_study_joins_its_series(stored: Store, client: TestClient) -> None:
    first = stored(make.ct_slice())
    second = stored(make.ct_slice(StudyInstanceUID=first.StudyInstanceUID, PatientID=first.PatientID))
    for encoding in ("gzip", "identity"):
        response = client.get(address(first, "study") + "/metadata", headers={"accept-encoding": encoding})
        uids = {each["00080018"]["Value"][0] for each in response.json()}
        assert uids == {first.SOPInstanceUID, second.SOPInstanceUID}


def test_metadata_is_compressed_for_those_who_take_it(stored: Store, client: TestClient) -> None:
    ds = stored(make.ct_slice())
    url = address(ds, "series") + "/metadata"
    packed = client.get(url, headers={"accept-encoding": "gzip"})
    plain = client.get(url, headers={"accept-encoding": "identity"})
    assert packed.headers["content-encoding"] == "gzip"
    assert "content-encoding" not in plain.headers
    assert packed.json() == plain.json()


def test_metadata_that_did_not_change_is_not_sent_again(stored: Store, client: TestClient) -> None:
    ds = stored(make.ct_slice())
    url = address(ds, "series") + "/metadata"
    etag = client.get(url).headers["etag"]
    assert client.get(url, headers={"if-none-match": etag}).status_code == 304
    stored(make.ct_slice(StudyInstanceUID=ds.StudyInstanceUID, SeriesInstanceUID=ds.SeriesInstanceUID,
                         PatientID=ds.PatientID))  # fmt: skip
    assert client.get(url, headers={"if-none-match": etag}).status_code == 200


def test_metadata_is_given_as_json_and_xml_only(stored: Store, client: TestClient) -> None:
    ds = stored(make.ct_slice())
    assert client.get(address(ds, "series") + "/metadata", headers={"accept": "text/csv"}).status_code == 406


@pytest.mark.parametrize("level", ["instance", "series"])
def test_metadata_says_rgb_of_frames_that_are_made_rgb(level: str, archive: Archive, client: TestClient) -> None:
    record = keep(archive, next(path for path in REAL if path.name == "SC_ybr_full_422_uncompressed.dcm"))
    url = url_of(record) if level == "instance" else url_of(record).partition("/instances/")[0]
    (found,) = client.get(f"{url}/metadata").json()
    assert found["00280004"]["Value"] == ["RGB"]


# Frames ---------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("path", IMAGES, ids=lambda path: path.name)
def test_frames_of_real_files_have_the_pixels_of_pydicom(shelf: Shelf) -> None:
    record = shelf.record
    if record.instance.transfer_syntax_uid not in pixels.DECODABLE or not record.instance.rows:
        pytest.skip("no image that can be decoded")
    try:
        expected = decoded(shelf.archive.blobs.read(record.instance.blob))
    except (FilmlessError, AssertionError):
        pytest.skip("damaged")
    for number in range(1, min(record.instance.number_of_frames, 3) + 1):
        response = shelf.get(f"{url_of(record)}/frames/{number}", headers=OCTETS)
        assert response.status_code == 200
        assert response.headers["content-type"] == f"application/octet-stream; transfer-syntax={syntaxes.EXPLICIT_LE}"
        want = expected[number - 1]
        header = scan(shelf.archive.blobs.read(record.instance.blob))
        if header.integer(0x00280100) == 1:
            assert response.content == np.packbits(want.reshape(-1), bitorder="little").tobytes()
            continue
        photometric = header.text(0x00280004) or ""
        element = header.pixel_data
        assert element is not None
        if (header.integer(0x00280101) or 0) < (header.integer(0x00280100) or 0) and response.content == header.value(
            element
        )[(number - 1) * want.nbytes :][: want.nbytes]:
            continue  # as stored: what the unused high bits hold is the sender's
        is_kept = photometric == "YBR_FULL" and record.instance.transfer_syntax_uid in {*NATIVE, syntaxes.RLE}
        if is_kept:
            assert len(response.content) == want.nbytes
            continue
        planar = header.integer(0x00280006) == 1 and record.instance.transfer_syntax_uid in {*NATIVE, syntaxes.RLE}
        ordered = want.transpose(2, 0, 1) if planar and want.ndim == 3 else want
        assert response.content == np.ascontiguousarray(ordered).astype(ordered.dtype.newbyteorder("<")).tobytes()


@pytest.mark.parametrize("path", IMAGES, ids=lambda path: path.name)
def test_frames_leave_as_stored_for_viewers_that_take_anything(shelf: Shelf) -> None:
    record = shelf.record
    if not record.instance.number_of_frames or not record.instance.rows:
        pytest.skip("no frames")
    response = shelf.get(f"{url_of(record)}/frames/1", headers=OHIF_FRAMES)
    if response.status_code == 406:
        assert record.instance.flags & FIX_UPS
        return
    ((headers, body),) = parts_of(response)
    uid = headers["content-type"].partition("transfer-syntax=")[2]
    original = shelf.archive.blobs.read(record.instance.blob)
    header = scan(original)
    if record.instance.flags & FIX_UPS:
        assert uid == syntaxes.EXPLICIT_LE
        return
    if record.instance.transfer_syntax_uid in NATIVE:
        assert uid == syntaxes.EXPLICIT_LE
        form = pixels.read_format(header)
        element = header.pixel_data
        assert element is not None
        if not form.frame_bits % 8:
            assert header.value(element).startswith(body)
        return
    assert uid == record.instance.transfer_syntax_uid
    table = locate_frames(header)
    assert body == b"".join(original[offset : offset + length] for offset, length in table.ranges(1))


def test_several_frames_come_as_parts_in_the_order_asked_for(stored: Store, client: TestClient) -> None:
    ds = stored(make.multi_frame(frames=3, rows=4))
    length = len(ds.PixelData) // 3
    parts = parts_of(client.get(f"{address(ds)}/frames/3,1"))
    assert [body for _, body in parts] == [ds.PixelData[2 * length : 3 * length], ds.PixelData[:length]]
    assert parts[0][0]["content-location"].endswith("/frames/3")


@pytest.mark.parametrize("numbers", ["0", "x", "1,,2", "-1", "1-2", "9" * 30])
def test_frame_numbers_that_are_none_are_refused(numbers: str, stored: Store, client: TestClient) -> None:
    ds = stored(make.multi_frame(frames=3))
    assert client.get(f"{address(ds)}/frames/{numbers}").status_code == 400


def test_a_frame_beyond_the_last_is_not_found(stored: Store, client: TestClient) -> None:
    ds = stored(make.multi_frame(frames=3))
    assert client.get(f"{address(ds)}/frames/4").status_code == 404
    assert client.get(f"{address(ds)}/frames/1,4").status_code == 404


def test_frames_of_what_has_none_are_not_found(stored: Store, client: TestClient) -> None:
    ds = stored(make.text_report())
    assert client.get(f"{address(ds)}/frames/1").status_code == 404


@pytest.mark.parametrize(
    ("accept", "uid"),
    [
        ("image/jls", syntaxes.JPEG_LS_LOSSLESS),
        ("image/jp2", syntaxes.JPEG_2000_LOSSLESS),
        ("image/jphc", syntaxes.HTJ2K_LOSSLESS),
        ("image/jxl", syntaxes.JPEG_XL_LOSSLESS),
        ("image/dicom-rle", syntaxes.RLE),
        ("image/jpeg", syntaxes.JPEG_LOSSLESS_SV1),
        ("application/x-deflate", syntaxes.DEFLATED_IMAGE_FRAME),
        *((f"{syntaxes.get_syntax(uid).media_type}; transfer-syntax={uid}", uid) for uid in sorted(ENCODABLE)),
    ],
)
def test_a_frame_is_compressed_without_loss_for_those_who_ask(
    accept: str, uid: str, stored: Store, client: TestClient
) -> None:
    ds = stored(make.ct_slice(rows=16))
    response = client.get(f"{address(ds)}/frames/1", headers={"accept": accept})
    assert response.headers["content-type"] == f"{accept.partition(';')[0]}; transfer-syntax={uid}"
    header = scan(make.part10(ds))
    form = replace(pixels.read_format(header), transfer_syntax_uid=uid)
    assert pixels.decode_frame(response.content, form).to_bytes() == ds.PixelData


def _eight_bits() -> Dataset:
    y, x = np.mgrid[0:32, 0:32]
    values = (128 + 60 * np.sin(x / 5) * np.cos(y / 6)).astype(np.uint8)
    return make.ct_slice(
        32, BitsAllocated=8, BitsStored=8, HighBit=7, PixelRepresentation=0, PixelData=values.tobytes()
    )


def test_a_frame_is_compressed_with_loss_only_for_those_who_name_the_syntax(stored: Store, client: TestClient) -> None:
    ds = stored(_eight_bits())
    named = client.get(
        f"{address(ds)}/frames/1", headers={"accept": f"image/jpeg; transfer-syntax={make.JPEG_BASELINE}"}
    )
    assert named.headers["content-type"] == f"image/jpeg; transfer-syntax={make.JPEG_BASELINE}"
    shown = np.asarray(Image.open(io.BytesIO(named.content))).astype(int)
    assert np.abs(shown - ds.pixel_array).max() < 8
    for accept in ("image/jpeg", "image/*", "*/*"):
        assert make.JPEG_BASELINE not in client.get(f"{address(ds)}/frames/1", headers={"accept": accept}).text[:600]


def test_what_lost_something_loses_no_more(stored: Store, client: TestClient) -> None:
    ds = _eight_bits()
    ds.LossyImageCompression = "01"
    stored(ds)
    response = client.get(
        f"{address(ds)}/frames/1", headers={"accept": f"image/jpeg; transfer-syntax={make.JPEG_BASELINE}"}
    )
    assert response.status_code == 406
    assert "with loss" in response.json()["detail"]


def test_whole_instances_are_never_compressed_with_loss(stored: Store, client: TestClient) -> None:
    ds = stored(_eight_bits())
    accept = f"application/dicom; transfer-syntax={make.JPEG_BASELINE}"
    assert client.get(address(ds), headers={"accept": accept}).status_code == 406


def test_one_bit_frames_begin_at_a_byte_wherever_they_lie(stored: Store, client: TestClient) -> None:
    ds = stored(make.segmentation(frames=3, rows=3, columns=3))
    bits = np.unpackbits(np.frombuffer(ds.PixelData, np.uint8), bitorder="little")
    for number in (1, 2, 3):
        response = client.get(f"{address(ds)}/frames/{number}", headers=OCTETS)
        expected = np.packbits(bits[(number - 1) * 9 : number * 9], bitorder="little").tobytes()
        assert response.content == expected


def test_big_endian_frames_leave_little_endian(stored: Store, client: TestClient) -> None:
    ds = make.ct_slice()
    stored(ds, transfer_syntax=make.EXPLICIT_BE)
    for accept in (OCTETS, OHIF_FRAMES):
        response = client.get(f"{address(ds)}/frames/1", headers=accept)
        body = response.content if accept is OCTETS else parts_of(response)[0][1]
        assert body == ds.PixelData


def test_frames_of_a_deflated_instance_are_found(stored: Store, client: TestClient) -> None:
    ds = make.multi_frame(frames=3)
    stored(ds, transfer_syntax=make.DEFLATED)
    length = len(ds.PixelData) // 3
    response = client.get(f"{address(ds)}/frames/2", headers=OCTETS)
    assert response.content == ds.PixelData[length : 2 * length]


def test_subsampled_frames_leave_as_rgb(archive: Archive, client: TestClient) -> None:
    path = next(path for path in REAL if path.name == "SC_ybr_full_422_uncompressed.dcm")
    record = keep(archive, path)
    ((headers, body),) = parts_of(client.get(f"{url_of(record)}/frames/1", headers=OHIF_FRAMES))
    assert headers["content-type"].endswith(syntaxes.EXPLICIT_LE)
    assert body == pydicom.dcmread(path).pixel_array.tobytes()


def test_a_jpeg_2000_frame_of_the_wrong_sign_leaves_with_the_values_meant(archive: Archive, client: TestClient) -> None:
    path = pydicom_file("J2K_pixelrep_mismatch.dcm")
    record = keep(archive, path)
    ((headers, body),) = parts_of(client.get(f"{url_of(record)}/frames/1", headers=OHIF_FRAMES))
    assert headers["content-type"].endswith(syntaxes.EXPLICIT_LE)
    found = np.frombuffer(body, "<i2")
    assert (found.min(), found.max()) == (-2000, 1896)


def test_a_frame_has_validator_and_ranges(stored: Store, client: TestClient) -> None:
    ds = stored(make.ct_slice())
    url = f"{address(ds)}/frames/1"
    response = client.get(url, headers=OCTETS)
    assert "private" in response.headers["cache-control"]
    again = client.get(url, headers={**OCTETS, "if-none-match": response.headers["etag"]})
    assert (again.status_code, again.content) == (304, b"")
    part = client.get(url, headers={**OCTETS, "range": "bytes=2-5"})
    assert (part.status_code, part.content) == (206, ds.PixelData[2:6])


def test_a_frame_that_cannot_be_decoded_is_not_acceptable_raw_and_leaves_as_stored(
    stored: Store, client: TestClient
) -> None:
    ds = stored(make.encapsulated([b"\xff\xd8 not a JPEG"]), transfer_syntax=syntaxes.JPEG_BASELINE)
    assert client.get(f"{address(ds)}/frames/1", headers=OCTETS).status_code == 406
    assert client.get(f"{address(ds)}/frames/1", headers=OHIF_FRAMES).status_code == 200


def test_an_image_bomb_is_refused_and_the_next_frame_is_served(stored: Store, client: TestClient) -> None:
    good = stored(make.ct_slice())
    bomb = make.encapsulated([b"\xff\x4f\xff\x51" + bytes(60)])
    bomb.Rows = bomb.Columns = 65535
    stored(bomb, transfer_syntax=syntaxes.JPEG_2000)
    assert client.get(f"{address(bomb)}/frames/1", headers=OCTETS).status_code == 406
    assert client.get(f"{address(bomb)}/rendered").status_code == 406
    assert client.get(f"{address(good)}/rendered").status_code == 200


def test_a_frame_whose_blob_is_gone_is_not_found(archive: Archive, stored: Store, client: TestClient) -> None:
    ds = stored(make.ct_slice())
    url = f"{address(ds)}/frames/1"
    assert client.get(url, headers=OCTETS).status_code == 200
    with archive.reading() as session:
        blob = session.execute(select(instances.c.blob)).scalar_one()
    archive.blobs.delete(bytes(blob).hex())
    assert client.get(url, headers=OCTETS).status_code == 404


# Bulk data ------------------------------------------------------------------------------------------------------------


def test_bulk_data_are_found_where_the_metadata_say(stored: Store, client: TestClient) -> None:
    ds = stored(make.ct_slice())
    (found,) = client.get(address(ds) + "/metadata").json()
    response = client.get(found["7FE00010"]["BulkDataURI"])
    assert response.content == ds.PixelData
    assert response.headers["content-type"].startswith("application/octet-stream")


def test_every_bulk_data_uri_of_real_files_answers(archive: Archive, client: TestClient) -> None:
    seen = 0
    for name in ("CT_small.dcm", "liver.dcm", "examples_palette.dcm", "waveform_ecg.dcm", "JPEG2000.dcm"):
        path = next((path for path in REAL if path.name == name), None)
        if path is None:
            continue
        record = keep(archive, path)
        (found,) = client.get(url_of(record) + "/metadata").json()
        for uri in addresses(found):
            response = client.get(uri)
            assert response.status_code == 200
            assert response.content
            seen += 1
    assert seen >= 3


def addresses(dataset: dict[str, Any]) -> list[str]:
    found = []
    for element in dataset.values():
        if "BulkDataURI" in element:
            found.append(element["BulkDataURI"])
        elif element["vr"] == "SQ":
            found += [uri for item in element.get("Value", []) for uri in addresses(item)]
    return found


def test_bulk_data_within_sequences_are_found_by_their_path(stored: Store, client: TestClient) -> None:
    inner = Dataset()
    inner.add_new(0x00091010, "OB", bytes(range(256)) * 10)
    ds = make.ct_slice()
    ds.RequestAttributesSequence = pydicom.Sequence([Dataset(), inner])
    stored(ds)
    response = client.get(f"{address(ds)}/bulkdata/00400275/1/00091010")
    assert response.content == bytes(range(256)) * 10


def test_a_document_comes_as_what_it_is(stored: Store, client: TestClient) -> None:
    ds = make.instance("1.2.840.10008.5.1.4.1.1.104.1")
    ds.EncapsulatedDocument, ds.MIMETypeOfEncapsulatedDocument = b"%PDF-1.7 " + b"x" * 2000, "application/pdf"
    stored(ds)
    url = f"{address(ds)}/bulkdata/00420011"
    whole = client.get(url)
    assert whole.headers["content-type"] == "application/pdf"
    assert whole.content.startswith(b"%PDF-1.7")
    part = client.get(url, headers={"range": "bytes=0-3"})
    assert (part.status_code, part.content) == (206, b"%PDF")
    ((headers, _),) = parts_of(client.get(url, headers={"accept": "multipart/related; type=application/octet-stream"}))
    assert headers["content-type"].startswith("application/octet-stream")


def test_compressed_pixel_data_come_frame_by_frame(archive: Archive, client: TestClient) -> None:
    record = keep(archive, next(path for path in REAL if path.name == "SC_rgb_rle_2frame.dcm"))
    parts = parts_of(client.get(f"{url_of(record)}/bulkdata/7FE00010"))
    assert len(parts) == 2


@pytest.mark.parametrize(
    ("path", "status"), [("00100010/x", 400), ("00119999", 404), ("zzz", 400), ("7FE00010/0", 400)]
)
def test_a_path_that_leads_nowhere_is_said_to(path: str, status: int, stored: Store, client: TestClient) -> None:
    ds = stored(make.ct_slice())
    assert client.get(f"{address(ds)}/bulkdata/{path}").status_code == status


# The door itself ------------------------------------------------------------------------------------------------------


def test_an_address_that_is_none_is_a_problem(client: TestClient) -> None:
    response = client.get("/dicomweb/nothing/here")
    assert response.status_code == 404
    assert response.headers["content-type"] == "application/problem+json"


def test_a_method_that_is_not_possible_is_a_problem(client: TestClient) -> None:
    response = client.put("/dicomweb/studies/1.2.3")
    assert response.status_code == 405
    assert response.headers["content-type"] == "application/problem+json"


def test_other_origins_are_not_let_in_unless_named(archive: Archive, stored: Store, radiologist: Principal) -> None:
    ds = stored(make.ct_slice())
    viewer = {"origin": "https://viewer.test"}
    closed = client_of(archive, radiologist).get(address(ds) + "/metadata", headers=viewer)
    assert "access-control-allow-origin" not in closed.headers
    settings = archive.settings.model_copy(update={"cors_origins": "https://viewer.test"})
    archive.settings = settings
    opened = client_of(archive, radiologist)
    response = opened.get(address(ds) + "/metadata", headers=viewer)
    assert response.headers["access-control-allow-origin"] == "https://viewer.test"
    asked = {**viewer, "access-control-request-method": "GET", "access-control-request-headers": "authorization"}
    preflight = client_of(archive, None).options(address(ds), headers=asked)
    assert preflight.status_code == 204
    assert "Authorization" in preflight.headers["access-control-allow-headers"]
    other = opened.get(address(ds) + "/metadata", headers={"origin": "https://evil.test"})
    assert "access-control-allow-origin" not in other.headers


def test_addresses_are_those_that_the_caller_sees(archive: Archive, stored: Store, radiologist: Principal) -> None:
    ds = stored(make.ct_slice())
    archive.settings = archive.settings.model_copy(update={"public_url": "https://pacs.example.org/"})
    ((headers, _),) = parts_of(client_of(archive, radiologist).get(address(ds), headers=AS_STORED))
    assert headers["content-location"] == f"https://pacs.example.org{address(ds)}"


def test_the_row_alone_tells_what_can_be_transcoded(archive: Archive) -> None:
    record = keep(archive, pydicom_file("CT_small.dcm"))
    assert can_transcode(record.instance, syntaxes.RLE)
    assert not can_transcode(record.instance, syntaxes.MPEG4_HP41)


def test_gzip_is_what_the_archive_keeps(archive: Archive, stored: Store, client: TestClient) -> None:
    from filmless.archive.metadata import pack_series, series_metadata_gzip
    from filmless.archive.tables import series

    ds = stored(make.ct_slice())
    with archive.reading() as session:
        key = session.execute(select(series.c.id)).scalar_one()
    pack_series(archive, key)
    packed = series_metadata_gzip(archive, key)
    url = address(ds, "series") + "/metadata"
    with client.stream("GET", url, headers={"accept-encoding": "gzip"}) as response:
        assert b"".join(response.iter_raw()) == packed
    assert json.loads(gzip.decompress(packed)) == client.get(url).json()
