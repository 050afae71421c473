"""What is small on the wire and huge when it is unpacked: deflated data sets, images, ZIP archives, gzip, XML."""

from __future__ import annotations

import gzip
import io
import struct
import zipfile
import zlib
from collections.abc import Callable

import imagecodecs
import numpy as np
import pytest
from pydicom import Dataset
from pydicom.encaps import encapsulate

import make
from filmless.dimse import client
from hostile_wire import Target, find

MIB = 1 << 20
pytestmark = [pytest.mark.system, pytest.mark.xdist_group("hostile")]

RLE = "1.2.840.10008.1.2.5"
JPEG = "1.2.840.10008.1.2.4.50"
JPEG_LOSSLESS = "1.2.840.10008.1.2.4.70"
JPEG_LS = "1.2.840.10008.1.2.4.80"
JPEG_2000 = "1.2.840.10008.1.2.4.90"
HTJ2K = "1.2.840.10008.1.2.4.201"
JPEG_XL = "1.2.840.10008.1.2.4.110"


def deflated_zeros(ds: Dataset, count: int) -> bytes:
    """A deflated Part 10 file whose last, private element holds `count` zeros."""
    whole = make.part10(ds, transfer_syntax=make.DEFLATED)
    (group_length,) = struct.unpack_from("<L", whole, 140)
    squeeze = zlib.compressobj(1, zlib.DEFLATED, -15)
    data = make.dataset_bytes(ds, make.EXPLICIT_LE) + struct.pack("<HH2sHL", 0x7FE1, 0x1010, b"OB", 0, count)
    out = [whole[: 144 + group_length], squeeze.compress(data)]
    out += [squeeze.compress(bytes(MIB)) for _ in range(count // MIB)]
    return b"".join([*out, squeeze.flush()])


def test_a_deflated_data_set_over_the_limit_is_refused(target: Target) -> None:
    ds = make.ct_slice(rows=4)
    with target.unharmed():
        reply = target.stow(deflated_zeros(ds, 400 * MIB))
        assert reply.status == 409
        assert b"inflates to more than" in reply.body
        assert target.ask("GET", target.path_of(ds) + "/metadata").status == 404


def test_a_deflated_data_set_within_the_limit_is_kept_and_served_from_the_disk(target: Target) -> None:
    ds = make.ct_slice(rows=4)
    with target.unharmed():
        assert target.stow(deflated_zeros(ds, 200 * MIB)).status == 200
        reply = target.ask("GET", target.path_of(ds) + "/metadata", {"Accept": "application/dicom+json"})
        assert reply.status == 200
        assert target.ask("GET", target.path_of(ds) + "/rendered").status == 200


def test_a_deflated_identifier_over_the_limit_is_refused(target: Target) -> None:
    squeeze = zlib.compressobj(9, zlib.DEFLATED, -15)
    key = struct.pack("<HH2sHL", 0x0009, 0x1010, b"UT", 0, 200 * MIB)
    bomb = squeeze.compress(key) + b"".join(squeeze.compress(b"A" * MIB) for _ in range(200)) + squeeze.flush()
    with target.unharmed():
        assert find(target, bomb, make.DEFLATED).status == 0xC000


def test_a_gzipped_body_is_not_unpacked(target: Target) -> None:
    body = gzip.compress(bytes(64 * MIB))
    headers = {"Content-Type": "application/dicom", "Content-Encoding": "gzip"}
    with target.unharmed():
        assert target.ask("POST", "/dicomweb/studies", headers, body).status == 415
        headers["Content-Type"] = "application/json"
        assert target.ask("POST", "/api/v1/peers", headers, body).status in {400, 413, 415, 422}


def zipped(*members: tuple[str, bytes]) -> bytes:
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w", zipfile.ZIP_DEFLATED, compresslevel=1) as archive:
        for name, data in members:
            archive.writestr(name, data)
    return out.getvalue()


def liar(data: bytes) -> bytes:
    """A ZIP whose directory says that its member is short when it is long."""
    found = bytearray(zipped(("a.dcm", data)))
    size = struct.pack("<L", len(data))
    for at in (found.find(size), found.rfind(size)):
        found[at : at + 4] = struct.pack("<L", 1000)
    return bytes(found)


@pytest.mark.parametrize(
    ("name", "make_zip"),
    [
        ("grows too much", lambda: zipped(("a.dcm", bytes(256 * MIB)))),
        ("in itself", lambda: zipped(("a.zip", zipped(("b.zip", zipped(("c.dcm", bytes(MIB)))))))),
        ("says that it is short", lambda: liar(bytes(64 * MIB))),
        ("many empty members", lambda: zipped(*((f"{n}", b"") for n in range(3000)))),
        ("its end alone", lambda: b"PK\x05\x06" + b"\xff" * 18),
        ("64-bit sizes", lambda: zipped(("a", b"x")).replace(b"PK\x01\x02", b"PK\x01\x02" + b"\xff" * 30)),
    ],
)
def test_a_zip_bomb_stores_nothing(name: str, make_zip: Callable[[], bytes], target: Target) -> None:
    with target.unharmed():
        reply = target.ask(
            "POST", "/api/v1/uploads?name=a.zip", {"Content-Type": "application/octet-stream"}, make_zip()
        )
        assert reply.status == 200
        assert b'"outcome":"stored"' not in reply.body
        assert b'"reason":"' in reply.body


def image(transfer_syntax: str, frame: bytes, rows: int, columns: int, *, bits: int = 16, frames: int = 1) -> Dataset:
    ds = make.ct_slice(rows=4)
    ds.Rows, ds.Columns, ds.NumberOfFrames = rows, columns, frames
    ds.BitsAllocated = ds.BitsStored = bits
    ds.HighBit, ds.PixelRepresentation = bits - 1, 0
    ds.PixelData = encapsulate([frame])
    ds["PixelData"].VR = "OB"
    ds["PixelData"].is_undefined_length = True
    ds.file_syntax = transfer_syntax
    return ds


def part10_of(ds: Dataset) -> bytes:
    """pydicom does not know the JPEG XL syntaxes: their UIDs are as long as HTJ2K's, so they are put in afterwards."""
    syntax = ds.file_syntax
    known = HTJ2K if syntax == JPEG_XL else syntax
    return make.part10(ds, transfer_syntax=known).replace(known.encode() + b"\0", syntax.encode() + b"\0", 1)


def j2k_claiming(frame: bytes, side: int) -> bytes:
    """A codestream whose SIZ marker says that image and tile are `side` wide and high (ISO/IEC 15444-1 A.5.1)."""
    out = bytearray(frame)
    at = out.find(b"\xff\x51")
    out[at + 6 : at + 14] = out[at + 22 : at + 30] = struct.pack(">LL", side, side)
    return bytes(out)


def jpeg_claiming(frame: bytes, side: int) -> bytes:
    return frame.replace(struct.pack(">HH", 16, 16), struct.pack(">HH", side, side), 1)


def rle(segments: int, *data: bytes) -> bytes:
    offsets = [64 + sum(map(len, data[:n])) for n in range(len(data))]
    return struct.pack("<16L", segments, *(offsets + [0] * 15)[:15]) + b"".join(data)


def tiny(bits: int = 16) -> np.ndarray:
    return np.zeros((16, 16), np.uint16 if bits == 16 else np.uint8)


def j2k(side: int, claimed_by_the_data_set: int, syntax: str = JPEG_2000) -> Dataset:
    frame = j2k_claiming(imagecodecs.jpeg2k_encode(tiny(), codecformat="j2k"), side)
    return image(syntax, frame, claimed_by_the_data_set, claimed_by_the_data_set)


def jpeg(encode: Callable[..., bytes], side: int, syntax: str, bits: int = 16) -> Dataset:
    return image(syntax, jpeg_claiming(encode(tiny(bits)), side), side, side, bits=bits)


def cut_jpeg_xl() -> Dataset:
    return image(JPEG_XL, imagecodecs.jpegxl_encode(np.zeros((2000, 2000), np.uint16), lossless=True)[:40], 2000, 2000)


TWO_RUNS = (b"\x81\0", b"\x81\0")
CLAIMS = {
    "RLE of 65535 x 65535": lambda: image(RLE, rle(2, *TWO_RUNS), 65535, 65535),
    "RLE of too many segments": lambda: image(RLE, rle(0xFFFFFFFF, b"\x81\0"), 16, 16),
    "RLE whose segments lie outside": lambda: image(RLE, struct.pack("<16L", 2, *[0xFFFFFFF0] * 15), 16, 16),
    "JPEG of 65500": lambda: jpeg(imagecodecs.jpeg8_encode, 65500, JPEG, bits=8),
    "JPEG within the limit": lambda: jpeg(imagecodecs.jpeg8_encode, 8000, JPEG, bits=8),
    "JPEG Lossless within the limit": lambda: jpeg(imagecodecs.ljpeg_encode, 8000, JPEG_LOSSLESS),
    "JPEG-LS": lambda: jpeg(imagecodecs.jpegls_encode, 14000, JPEG_LS),
    "JPEG 2000 of 65535": lambda: j2k(65535, 65535),
    "JPEG 2000 of 2^32": lambda: j2k(0xFFFFFFFF, 16),
    "JPEG 2000 within the limit": lambda: j2k(14000, 14000),
    "HTJ2K": lambda: j2k(14000, 14000, HTJ2K),
    "JPEG XL, cut": cut_jpeg_xl,
    "frames that are not there": lambda: image(RLE, rle(2, *TWO_RUNS), 16, 16, frames=999_999),
}
ACCEPT = 'image/png, multipart/related; type="application/octet-stream"; transfer-syntax=1.2.840.10008.1.2.1'


@pytest.mark.parametrize("claim", CLAIMS)
def test_a_picture_that_claims_to_be_huge_costs_an_answer_and_no_more(claim: str, target: Target) -> None:
    ds = CLAIMS[claim]()
    with target.unharmed(grows_mib=160):
        assert target.stow(part10_of(ds)).status == 200
        path = target.path_of(ds)
        assert target.ask("GET", f"{path}/metadata").status == 200
        for resource in ("rendered", "frames/1"):
            reply = target.ask("GET", f"{path}/{resource}", {"Accept": ACCEPT})
            # JPEG has no checks: what is missing of a scan may be read as grey, which is small and no harm.
            assert reply.status in {404, 406} or (reply.status == 200 and "within" in claim), (resource, reply.status)
        thumbnail = target.ask("GET", f"{path}/thumbnail", {"Accept": "image/png"})
        assert thumbnail.status in {200, 404, 406}
        assert len(thumbnail.body) < 100_000


def test_more_frames_than_the_limit_are_refused(target: Target) -> None:
    ds = image(RLE, rle(2, b"\x81\0", b"\x81\0"), 16, 16, frames=2**31 - 1)
    with target.unharmed():
        reply = target.stow(part10_of(ds))
        assert reply.status == 409
        assert b"frames" in reply.body


def test_a_native_image_that_claims_to_be_huge_is_kept_and_not_drawn(target: Target) -> None:
    ds = make.ct_slice(rows=4)
    ds.Rows = ds.Columns = 65535
    ds.NumberOfFrames = 1_000_000
    with target.unharmed():
        assert target.stow(make.part10(ds)).status == 200
        assert target.ask("GET", f"{target.path_of(ds)}/rendered").status == 406
        assert target.ask("GET", f"{target.path_of(ds)}/frames/1").status == 404


def fragments(count: int) -> bytes:
    ds = image(RLE, b"\0\0", 16, 16, frames=count)
    ds.PixelData = struct.pack("<HHL", 0xFFFE, 0xE000, 0) + struct.pack("<HHL", 0xFFFE, 0xE000, 0) * count
    return part10_of(ds)


def test_a_flood_of_fragments_is_kept_within_bounds(target: Target) -> None:
    with target.unharmed():
        assert target.stow(fragments(300_000)).status == 200


@pytest.mark.parametrize("table", [b"\xff" * 4, b"\xff\xff\xff\xff" * 4096, b"\x01\0\0\0", b"\0" * 40_000])
def test_an_absurd_offset_table_is_not_believed(table: bytes, target: Target) -> None:
    ds = image(RLE, b"\0\0", 16, 16, frames=max(len(table) // 4, 1))
    item = struct.pack("<HHL", 0xFFFE, 0xE000, 8) + bytes(8)
    ds.PixelData = struct.pack("<HHL", 0xFFFE, 0xE000, len(table)) + table + item * 2
    ds.ExtendedOffsetTable = b"\xff" * 64
    ds.ExtendedOffsetTableLengths = b"\xff" * 64
    with target.unharmed():
        assert target.stow(part10_of(ds)).status == 200
        assert target.ask("GET", f"{target.path_of(ds)}/frames/1").status in {200, 404, 406}


def nested(depth: int, *, defined: bool) -> bytes:
    """A data set with a private sequence `depth` deep."""
    inner = b""
    if defined:
        for _ in range(depth):
            inner = struct.pack("<HHL", 0xFFFE, 0xE000, len(inner)) + inner
            inner = struct.pack("<HH2sHL", 0x7FE1, 0x1010, b"SQ", 0, len(inner)) + inner
    else:
        sequence = struct.pack("<HH2sHL", 0x7FE1, 0x1010, b"SQ", 0, 0xFFFFFFFF)
        item_end, sequence_end = struct.pack("<HHL", 0xFFFE, 0xE00D, 0), struct.pack("<HHL", 0xFFFE, 0xE0DD, 0)
        inner = (sequence + struct.pack("<HHL", 0xFFFE, 0xE000, 0xFFFFFFFF)) * depth + (item_end + sequence_end) * depth
    return make.part10(make.ct_slice(rows=4)) + inner


@pytest.mark.parametrize("defined", [True, False])
def test_sequences_ten_thousand_deep_are_refused(defined: bool, target: Target) -> None:
    with target.unharmed():
        reply = target.stow(nested(10_000, defined=defined))
        assert reply.status == 409
        assert b"nested more than" in reply.body


def test_a_flood_of_elements_side_by_side_is_refused(target: Target) -> None:
    elements = b"".join(struct.pack("<HHL", 0x7FE1 + 2 * (n >> 15), 0x1000 + (n & 0x7FFF), 0) for n in range(1_500_000))
    with target.unharmed():
        reply = target.stow(make.part10(make.ct_slice(rows=4), transfer_syntax=make.IMPLICIT_LE) + elements)
        assert reply.status == 409
        assert b"level of the data set has more than" in reply.body


@pytest.mark.parametrize("length", [0, 0xFFFFFFFF])
def test_a_flood_of_items_is_refused(length: int, target: Target) -> None:
    item = struct.pack("<HHL", 0xFFFE, 0xE000, length)
    if length:
        item += struct.pack("<HHL", 0xFFFE, 0xE00D, 0)
    flood = struct.pack("<HHL", 0x7FE1, 0x1010, 0xFFFFFFFF) + item * 1_000_000 + struct.pack("<HHL", 0xFFFE, 0xE0DD, 0)
    with target.unharmed():
        reply = target.stow(make.part10(make.ct_slice(rows=4), transfer_syntax=make.IMPLICIT_LE) + flood)
        assert reply.status == 409
        assert b"more than 200000 elements" in reply.body


def test_the_requestor_does_not_read_a_deflated_answer_over_the_limit() -> None:
    """An archive that we query may be as hostile as one that queries us."""
    from filmless.dicom.encode import decode
    from filmless.dimse.limits import Limits
    from filmless.errors import Refused

    squeeze = zlib.compressobj(9, zlib.DEFLATED, -15)
    bomb = squeeze.compress(bytes(64 * MIB)) + squeeze.flush()
    with pytest.raises(Refused, match="inflates to more than"):
        decode(bomb, make.DEFLATED, limits=Limits().of_identifiers())
    assert "of_identifiers" in client.Requestor._next_of.__code__.co_names


def test_a_report_of_very_many_items_is_a_page_within_bounds(target: Target) -> None:
    """What is read of a data set is bounded, and so is what is drawn of it."""
    ds = make.text_report()
    item = ds.ContentSequence[0]
    ds.ContentSequence = [item] * 8000
    with target.unharmed(grows_mib=160):
        assert target.stow(make.part10(ds)).status == 200
        reply = target.ask("GET", f"{target.path_of(ds)}/rendered", {"Accept": "text/html"})
        assert reply.status == 200 or (reply.status in {400, 404, 406} and b"report" in reply.body)
        assert len(reply.body) < 16 * MIB
