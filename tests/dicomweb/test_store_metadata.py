"""PS3.18 10.5: metadata and bulk data become instances that others read: pixels by pydicom, modules by dciodvfy."""

from __future__ import annotations

import asyncio
import io
import json
import secrets
import struct
import time
import tracemalloc
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import imagecodecs
import numpy as np
import pytest
from PIL import Image, ImageCms
from pydicom import Dataset, dcmread
from sqlalchemy import func, select
from starlette.testclient import TestClient

import dciodvfy
import make
from answers import Mounted, address, parts_of, send_streamed
from filmless.access.principal import Principal
from filmless.archive import Archive
from filmless.archive.tables import instances
from filmless.dicom.xml import from_xml, to_xml

CLASSES = "1.2.840.10008.5.1.4.1.1."
PHOTO, VIDEO, PDF, CDA, STL, OBJ, MTL = (
    CLASSES + arc for arc in ("77.1.4", "77.1.4.1", "104.1", "104.2", "104.3", "104.4", "104.5")
)
REFERENCED, FAILED, OTHERS = "00081199", "00081198", "0008119A"
AS_STORED = {"accept": 'application/dicom; transfer-syntax="*"'}
Part = tuple[str, str, bytes]


def photo(**overrides: Any) -> Dataset:
    """Metadata of a photograph, without what the picture says itself."""
    ds = make.instance(PHOTO, Modality="XC", SpecificCharacterSet=None, **overrides)
    ds.ImageType = ["ORIGINAL", "PRIMARY"]
    ds.AcquisitionContextSequence = []
    ds.Laterality = ""
    ds.PatientOrientation = ""
    ds.InstitutionName = "Filmless"
    return ds


def document(sop_class_uid: str, **overrides: Any) -> Dataset:
    ds = make.instance(sop_class_uid, Modality="DOC" if sop_class_uid in {PDF, CDA} else "M3D", **overrides)
    ds.BurnedInAnnotation = "YES"
    ds.ConversionType = "WSD"
    ds.ContentDate, ds.ContentTime, ds.AcquisitionDateTime, ds.DocumentTitle = "20240102", "101112", "", "Letter"
    ds.ConceptNameCodeSequence = []
    ds.Laterality = ""
    if sop_class_uid == CDA:
        ds.HL7InstanceIdentifier = "1.2.3^4"
    if sop_class_uid in {OBJ, MTL}:
        ds.ICCProfile = ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes()
    if sop_class_uid not in {PDF, CDA}:
        ds.ManufacturerModelName, ds.DeviceSerialNumber, ds.SoftwareVersions = "M", "1", "1"
        ds.FrameOfReferenceUID, ds.PositionReferenceIndicator = make.uid(), ""
        ds.MeasurementUnitsCodeSequence = [code("mm", "UCUM", "mm")]
    return ds


def code(value: str, scheme: str, meaning: str) -> Dataset:
    item = Dataset()
    item.CodeValue, item.CodingSchemeDesignator, item.CodeMeaning = value, scheme, meaning
    return item


def model(ds: Dataset, tag: str = "7FE00010", uri: str = "bulk/1") -> dict[str, Any]:
    found: dict[str, Any] = json.loads(ds.to_json())
    found[tag] = {"vr": "OB", "BulkDataURI": uri}
    return found


def body_of(metadata: list[bytes], parts: list[Part], kind: str = "application/dicom+json") -> tuple[bytes, str]:
    """A request: metadata, then bulk data as (media type, location, bytes)."""
    boundary = secrets.token_hex(8)
    heads = [(f"Content-Type: {kind}\r\n", text) for text in metadata]
    heads += [(f"Content-Type: {kind}\r\nContent-Location: {location}\r\n", data) for kind, location, data in parts]
    body = b"".join(f"--{boundary}\r\n{head}\r\n".encode() + data + b"\r\n" for head, data in heads)
    return body + f"--{boundary}--\r\n".encode(), f'multipart/related; type="{kind}"; boundary={boundary}'


def post(
    client: TestClient, models: list[dict[str, Any]], parts: list[Part], path: str = "/dicomweb/studies", **headers: str
) -> Any:
    body, kind = body_of([json.dumps(models).encode()], parts)
    return client.post(path, content=body, headers={"content-type": kind, **headers})


def stored_file(client: TestClient, ds: Dataset) -> bytes:
    response = client.get(address(ds), headers=AS_STORED)
    assert response.status_code == 200, response.text
    return bytes(response.content)


def failure(response: Any, sequence: str = FAILED) -> tuple[int, str]:
    (item,) = response.json()[sequence]["Value"]
    return item["00081197"]["Value"][0], item["00000902"]["Value"][0]


def errors_of_dciodvfy(data: bytes, tmp_path: Path) -> list[str]:
    path = tmp_path / "instance.dcm"
    path.write_bytes(data)
    return dciodvfy.errors_of(path)


def count(archive: Archive) -> int:
    with archive.reading() as session:
        return int(session.execute(select(func.count()).select_from(instances)).scalar_one())


def colours(rows: int = 37, columns: int = 53) -> np.ndarray:
    y, x = np.mgrid[0:rows, 0:columns]
    return np.stack([x * 4 % 256, y * 5 % 256, (x + y) * 2 % 256], axis=-1).astype(np.uint8)


def jpeg(pixels: np.ndarray, **options: Any) -> bytes:
    buffer = io.BytesIO()
    Image.fromarray(pixels).save(buffer, "JPEG", quality=95, **options)
    return buffer.getvalue()


GREY_12 = (np.arange(37 * 53).reshape(37, 53) * 2 % 4096).astype(np.uint16)
PICTURES: dict[str, tuple[str, bytes, np.ndarray, str]] = {
    "JPEG 4:2:0": ("image/jpeg", jpeg(colours(), subsampling=2), colours(), "1.2.840.10008.1.2.4.50"),
    "JPEG 4:4:4": ("image/jpeg", jpeg(colours(), subsampling=0), colours(), "1.2.840.10008.1.2.4.50"),
    "JPEG grey": ("image/jpeg", jpeg(colours()[..., 0]), colours()[..., 0], "1.2.840.10008.1.2.4.50"),
    "JPEG-LS": ("image/jls", imagecodecs.jpegls_encode(colours()), colours(), "1.2.840.10008.1.2.4.80"),
    "JPEG-LS 16": ("image/jls", imagecodecs.jpegls_encode(GREY_12), GREY_12, "1.2.840.10008.1.2.4.80"),
    "JPEG 2000": (
        "image/jp2",
        imagecodecs.jpeg2k_encode(colours(), level=0, reversible=True, codecformat="j2k"),
        colours(),
        "1.2.840.10008.1.2.4.90",
    ),
    "JP2 file": (
        "image/jp2",
        imagecodecs.jpeg2k_encode(GREY_12, level=0, reversible=True, codecformat="jp2"),
        GREY_12,
        "1.2.840.10008.1.2.4.90",
    ),
    "HTJ2K": ("image/jphc", imagecodecs.htj2k_encode(colours()), colours(), "1.2.840.10008.1.2.4.201"),
    "JPEG XL": ("image/jxl", imagecodecs.jpegxl_encode(colours(), lossless=True), colours(), "1.2.840.10008.1.2.4.110"),
}


PYDICOM_DECODES = {f"1.2.840.10008.1.2.4.{number}" for number in (50, 90)}
DCIODVFY_KNOWS = {f"1.2.840.10008.1.2.4.{number}" for number in (50, 80, 90, 102, 104)}


@pytest.mark.parametrize("name", PICTURES)
def test_a_picture_becomes_an_instance_with_its_own_attributes_and_pixels(
    name: str, client: TestClient, tmp_path: Path
) -> None:
    media_type, data, pixels, syntax = PICTURES[name]
    loss = 60 if name.startswith("JPEG 4") else 6 if name == "JPEG grey" else 0
    ds = photo(LossyImageCompression=... if loss else "00")
    response = post(client, [model(ds)], [(media_type, "bulk/1", data)])
    assert response.status_code == 200, response.text
    written = stored_file(client, ds)
    read = dcmread(io.BytesIO(written))
    assert read.file_meta.TransferSyntaxUID == syntax
    assert (read.Rows, read.Columns, read.SamplesPerPixel) == (*pixels.shape[:2], 3 if pixels.ndim == 3 else 1)
    frames = client.get(address(ds) + "/frames/1", headers={"accept": "application/octet-stream"})
    shown = np.frombuffer(frames.content, pixels.dtype)[: pixels.size].reshape(pixels.shape)
    if syntax in PYDICOM_DECODES:
        assert np.abs(shown.astype(int) - read.pixel_array.astype(int)).max() <= 4
    assert np.abs(shown.astype(int) - pixels.astype(int)).max() <= loss
    assert read.LossyImageCompression == ("01" if loss else "00")
    assert read.get("LossyImageCompressionMethod") == ("ISO_10918_1" if loss else None)
    if syntax in DCIODVFY_KNOWS and pixels.dtype == np.uint8:  # a photograph has 8 bits
        assert errors_of_dciodvfy(written, tmp_path) == []


def test_a_jpeg_is_shown_with_the_pixels_of_pydicom(client: TestClient) -> None:
    ds = photo()
    post(client, [model(ds)], [("image/jpeg", "bulk/1", jpeg(colours(), subsampling=2))])
    shown = client.get(address(ds) + "/rendered", headers={"accept": "image/png"})
    picture = np.asarray(Image.open(io.BytesIO(shown.content)).convert("RGB")).astype(int)
    assert np.abs(picture - dcmread(io.BytesIO(stored_file(client, ds))).pixel_array.astype(int)).max() <= 4


def test_the_same_request_again_brings_nothing_new(client: TestClient, archive: Archive) -> None:
    ds = photo(PatientName="Grün^Ä")
    request = [model(ds)], [("image/jpeg", "bulk/1", jpeg(colours()))]
    assert post(client, *request).status_code == 200
    before = stored_file(client, ds)
    assert post(client, *request).status_code == 200
    assert stored_file(client, ds) == before
    assert count(archive) == 1
    assert dcmread(io.BytesIO(before)).PatientName == "Grün^Ä"


def test_metadata_in_xml_make_the_same_instance(client: TestClient, archive: Archive) -> None:
    ds = photo(PatientName="Yamada^Tarou=山田^太郎")
    dataset = model(ds)
    picture = ("image/jpeg", "bulk/1", jpeg(colours()))
    body, kind = body_of([to_xml(dataset)], [picture], "application/dicom+xml")
    accept = {"content-type": kind, "accept": "application/dicom+xml"}
    response = client.post("/dicomweb/studies", content=body, headers=accept)
    assert response.status_code == 200
    assert response.headers["content-type"] == "application/dicom+xml"
    (item,) = from_xml(response.content)[REFERENCED]["Value"]
    assert item["00081155"]["Value"] == [ds.SOPInstanceUID]
    assert post(client, [dataset], [picture]).status_code == 200
    assert count(archive) == 1


def test_several_frames_are_parts_under_one_address(client: TestClient) -> None:
    ds = make.instance(CLASSES + "7.4", Modality="OT", NumberOfFrames=3, ConversionType="WSD")
    ds.BurnedInAnnotation = "NO"
    ds.FrameIncrementPointer, ds.FrameTime = 0x00181063, "40"
    frames = [jpeg(np.roll(colours(), 10 * i, axis=1)) for i in range(3)]
    response = post(client, [model(ds)], [("image/jpeg", "bulk/1", data) for data in frames])
    assert response.status_code in {200, 202}, response.text
    accept = {"accept": 'multipart/related; type="image/jpeg"; transfer-syntax=*'}
    read = parts_of(client.get(address(ds) + "/frames/1,2,3", headers=accept))
    assert [body[: len(data)] for (_, body), data in zip(read, frames, strict=True)] == frames


def test_native_pixels_must_have_the_length_that_the_metadata_say(client: TestClient) -> None:
    ds = make.ct_slice(rows=8)
    pixels = ds.PixelData
    del ds.PixelData
    dataset = model(ds)
    dataset["7FE00010"]["vr"] = "OW"
    octets = "application/octet-stream"
    assert post(client, [dataset], [(octets, "bulk/1", pixels[:-2])]).status_code == 409
    response = post(client, [dataset], [(octets, "bulk/1", pixels)])
    assert response.status_code in {200, 202}, response.text
    assert dcmread(io.BytesIO(stored_file(client, ds))).PixelData == pixels


def test_metadata_alone_are_an_instance(client: TestClient, archive: Archive) -> None:
    ds = make.instance(CLASSES + "66", Modality="OT", ContentDate="20240102", ContentTime="1011")
    ds.CreatorVersionUID = "1.2.3"
    body = json.dumps([json.loads(ds.to_json())]).encode()
    response = client.post("/dicomweb/studies", content=body, headers={"content-type": "application/dicom+json"})
    assert response.status_code in {200, 202}, response.text
    assert count(archive) == 1


PDF_BYTES = b"%PDF-1.4\n1 0 obj<<>>endobj\ntrailer<<>>\n%%EOF"
DOCUMENTS: list[tuple[str, str, bytes, str]] = [
    (PDF, "application/pdf", PDF_BYTES, "application/pdf"),
    (CDA, "text/xml", b'<?xml version="1.0"?><ClinicalDocument xmlns="urn:hl7-org:v3"/>', "text/XML"),
    (STL, "model/stl", bytes(80) + struct.pack("<L", 1) + bytes(50), "model/stl"),
    (OBJ, "model/obj", b"# cube\nv 0 0 0\nv 1 0 0\nv 0 1 0\nf 1 2 3\n", "model/obj"),
    (MTL, "model/mtl", b"# red\nnewmtl red\nKd 1 0 0\n", "model/mtl"),
]


@pytest.mark.parametrize(("sop_class_uid", "media_type", "data", "told"), DOCUMENTS, ids=lambda value: str(value)[:24])
def test_a_document_is_encapsulated(
    sop_class_uid: str, media_type: str, data: bytes, told: str, client: TestClient, tmp_path: Path
) -> None:
    ds = document(sop_class_uid)
    response = post(client, [model(ds, "00420011")], [(media_type, "bulk/1", data)])
    assert response.status_code in {200, 202}, response.text
    written = stored_file(client, ds)
    read = dcmread(io.BytesIO(written))
    assert read.EncapsulatedDocument[: len(data)] == data
    assert read.EncapsulatedDocumentLength == len(data)
    assert read.MIMETypeOfEncapsulatedDocument == told
    assert errors_of_dciodvfy(written, tmp_path) == []
    bulk = client.get(address(ds) + "/bulkdata/00420011")
    assert bulk.content[: len(data)] == data


def mp4(codec: str, frames: int = 5, options: dict[str, str] | None = None, container: str = "mp4") -> bytes:
    av = pytest.importorskip("av")
    buffer = io.BytesIO()
    with av.open(buffer, "w", format=container, options=options or {}) as file:
        stream = file.add_stream(codec, rate=25)
        stream.width, stream.height, stream.pix_fmt = 64, 48, "yuv420p"
        for i in range(frames):
            picture = av.VideoFrame.from_ndarray(np.roll(colours(48, 64), i, axis=1), format="rgb24")
            file.mux(stream.encode(picture))
        file.mux(stream.encode())
    return buffer.getvalue()


@pytest.mark.parametrize(
    ("codec", "options", "syntax"),
    [
        ("libx264", {}, "1.2.840.10008.1.2.4.102"),
        ("libx264", {"movflags": "frag_keyframe+empty_moov"}, "1.2.840.10008.1.2.4.102"),
        ("libx265", {}, "1.2.840.10008.1.2.4.107"),
    ],
)
def test_a_video_is_one_fragment_and_says_its_frames_and_pace(
    codec: str, options: dict[str, str], syntax: str, client: TestClient, tmp_path: Path
) -> None:
    data = mp4(codec, options=options)
    ds = photo(SOPClassUID=VIDEO)
    ds.AnatomicRegionSequence = [code("39937001", "SCT", "Skin")]
    response = post(client, [model(ds)], [("video/mp4", "bulk/1", data)])
    assert response.status_code in {200, 202}, response.text
    written = stored_file(client, ds)
    read = dcmread(io.BytesIO(written))
    assert read.file_meta.TransferSyntaxUID == syntax
    assert (read.Rows, read.Columns, read.NumberOfFrames, read.CineRate) == (48, 64, 5, 25)
    assert float(read.FrameTime) == 40
    assert data in read.PixelData
    if syntax in DCIODVFY_KNOWS:
        assert errors_of_dciodvfy(written, tmp_path) == []


# Refusals -------------------------------------------------------------------------------------------------------------


def test_what_is_missing_is_named_for_each_instance_and_the_others_are_stored(
    client: TestClient, archive: Archive
) -> None:
    good, bad = photo(), photo()
    del bad.ImageType
    parts = [("image/jpeg", uri, jpeg(colours())) for uri in ("bulk/1", "bulk/2")]
    response = post(client, [model(bad), model(good, uri="bulk/2")], parts)
    assert response.status_code == 202
    reason, told = failure(response)
    assert (reason, "ImageType" in told) == (0xA900, True)
    assert count(archive) == 1


def test_a_correction_is_a_warning(client: TestClient) -> None:
    ds = photo(PhotometricInterpretation="RGB")
    response = post(client, [model(ds)], [("image/jpeg", "bulk/1", jpeg(colours(), subsampling=2))])
    assert response.status_code == 202
    (item,) = response.json()[REFERENCED]["Value"]
    assert item["00081196"]["Value"] == [0xB000]
    assert "PhotometricInterpretation" in item["00000902"]["Value"][0]
    assert dcmread(io.BytesIO(stored_file(client, ds))).PhotometricInterpretation == "YBR_FULL_422"


@pytest.mark.parametrize(
    ("overrides", "part", "reason", "told"),
    [
        ({"Rows": 36, "Columns": 53}, ("image/jpeg", "bulk/1", jpeg(colours())), 0xA900, "Rows"),
        ({}, ("image/jpeg", "bulk/1", jpeg(colours(), progressive=True)), 0xC000, "progressive"),
        ({}, ("image/jpeg", "bulk/1", b"no picture at all"), 0xC000, "no JPEG"),
        ({}, ("image/jpeg", "bulk/1", jpeg(colours())[:300]), 0xC000, "cut off"),
        ({}, ("image/png", "bulk/1", b"\x89PNG\r\n\x1a\n" + bytes(40)), 0xC000, "no JPEG"),
        ({}, ("video/quicktime", "bulk/1", bytes(40)), 0xC122, "video/quicktime"),
        (
            {},
            ("image/jpeg; transfer-syntax=1.2.840.10008.1.2.4.70", "bulk/1", jpeg(colours())),
            0xC000,
            "transfer syntax",
        ),
        ({"SOPClassUID": PDF}, ("image/jpeg", "bulk/1", jpeg(colours())), 0xA900, "missing"),
        ({"StudyInstanceUID": None}, ("image/jpeg", "bulk/1", jpeg(colours())), 0xA900, "StudyInstanceUID"),
    ],
)
def test_what_cannot_be_right_is_refused_with_its_reason(
    overrides: dict[str, Any], part: Part, reason: int, told: str, client: TestClient, archive: Archive
) -> None:
    response = post(client, [model(photo(**overrides))], [part])
    assert response.status_code == 409, response.text
    found, sentence = failure(response)
    assert found == reason
    assert told in sentence
    assert count(archive) == 0
    assert list(archive.blobs.leftovers(time.time() + 60)) == []


def test_bulk_data_that_did_not_come_and_those_that_nobody_named_are_told(client: TestClient) -> None:
    response = post(client, [model(photo())], [("image/jpeg", "bulk/2", jpeg(colours()))])
    assert response.status_code == 409
    assert failure(response)[0] == 0xA900
    assert "bulk/2" in failure(response, OTHERS)[1]


def test_another_study_than_the_address_names_fails(client: TestClient) -> None:
    response = post(client, [model(photo())], [("image/jpeg", "bulk/1", jpeg(colours()))], "/dicomweb/studies/1.2.3")
    assert response.status_code == 409
    assert failure(response)[0] == 0xA901


@pytest.mark.parametrize("text", [b"[", b"[1]", b'[{"Rows": {}}]', b'[{"00280010": 1}]', b"[" * 2000])
def test_metadata_that_cannot_be_read_are_refused(text: bytes, client: TestClient) -> None:
    response = client.post("/dicomweb/studies", content=text, headers={"content-type": "application/dicom+json"})
    assert response.status_code == 409
    assert failure(response, OTHERS)[0] == 0xC000


def test_metadata_over_the_limit_are_413(archive: Archive, radiologist: Principal) -> None:
    archive.settings = archive.settings.model_copy(update={"stow_metadata_max_bytes": 1000})
    client = TestClient(Mounted(archive, radiologist), base_url="http://pacs.test")
    assert post(client, [model(photo())], []).status_code == 413


def test_memory_does_not_grow_with_the_bulk_data(archive: Archive, radiologist: Principal) -> None:
    dataset = model(document(PDF), "00420011")
    boundary = b"--b\r\n"
    piece = bytes(1 << 20)

    def pieces() -> Iterator[bytes]:
        yield boundary + b"Content-Type: application/dicom+json\r\n\r\n" + json.dumps([dataset]).encode() + b"\r\n"
        yield boundary + b"Content-Type: application/pdf\r\nContent-Location: bulk/1\r\n\r\n" + PDF_BYTES
        for _ in range(64):
            yield piece
        yield b"\r\n--b--\r\n"

    kind = 'multipart/related; type="application/dicom+json"; boundary=b'
    tracemalloc.start()
    try:
        answers = asyncio.run(send_streamed(Mounted(archive, radiologist), pieces(), kind))
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert answers[0]["status"] in {200, 202}
    assert peak < 40 << 20
