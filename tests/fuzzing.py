"""Made input, bent at random, for what reads bytes that nobody vouches for. A target raises only when it found a bug.

The cases of a run are made by a seed, so a failure can be had again: `bend(seeds, random.Random(number))`. What was
found once is kept as a file in `tests/hostile/corpus` under the name of its target, and read again in every run.
"""

from __future__ import annotations

import contextlib
import random
import struct
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import imagecodecs
import numpy as np

import make
from filmless.dicom import codestreams, encode, frames, json, movies, pixels, report, report_html, report_text, scanner
from filmless.dicom.scanner import Header, ScanLimits
from filmless.dicom.xml import from_xml, to_xml
from filmless.dicomweb.multipart import Multipart
from filmless.dimse import commands, pdus
from filmless.errors import FilmlessError
from wire import echo_command, p_data, request_of, store_command

CORPUS = Path(__file__).parent / "hostile" / "corpus"
SECONDS_MAX = 3.0
LIMITS = ScanLimits(inflate_max_bytes=1 << 20, frames_max=10_000, elements_max=50_000, level_elements_max=10_000)
LENGTHS = (0xFFFFFFFF, 0xFFFFFFFE, 0x80000000, 0x7FFFFFFF, 0xFFFF, 0x100, 1, 0)
WORDS = (
    b"\xfe\xff\x00\xe0\xff\xff\xff\xff", b"\xfe\xff\x0d\xe0\0\0\0\0", b"\xfe\xff\xdd\xe0\0\0\0\0",
    b"UN\0\0\xff\xff\xff\xff",
    b"SQ\0\0\xff\xff\xff\xff", b"\xff\xd9", b"\xff\xff", b"\r\n", b"\r\n--b", b"--", b"\0" * 8, b"\xff" * 8,
    b"<!DOCTYPE a>",
    b"<a>", b"]]>", b"&#0;", b'"', b"{}", b"\\", b"\x1b$B", b"99999999999999999999", b"-1", b"1e999",
)  # fmt: skip


def bend(seeds: list[bytes], chance: random.Random) -> bytes:
    """One of the seeds with bits flipped, lengths overwritten, pieces cut out, doubled, swapped or put in."""
    data = bytearray(chance.choice(seeds))
    for _ in range(chance.randint(1, 6)):
        if not data:
            break
        at = chance.randrange(len(data))
        # Heads hold more of what steers a reader than bodies do.
        at = min(at, chance.randrange(400)) if chance.random() < 0.5 else at
        match chance.randrange(9):
            case 0:
                data[at] ^= 1 << chance.randrange(8)
            case 1:
                data[at] = chance.choice((0, 1, 0x7F, 0x80, 0xFF))
            case 2:
                data[at : at + 4] = struct.pack(chance.choice("<>") + "L", chance.choice(LENGTHS))
            case 3:
                data[at : at + 2] = struct.pack(chance.choice("<>") + "H", chance.choice(LENGTHS) & 0xFFFF)
            case 4:
                del data[at : at + chance.randint(1, 200)]
            case 5:
                del data[at:]
            case 6:
                data[at:at] = chance.choice(WORDS)
            case 7:
                data[at:at] = data[at : at + chance.randint(1, 300)] * chance.randint(1, 4)
            case 8:
                other = chance.choice(seeds)
                begin = chance.randrange(len(other) + 1)
                data[at:at] = other[begin : begin + chance.randint(1, 300)]
    return bytes(data)


@dataclass(frozen=True)
class Target:
    """What is fuzzed: what is bent, and what reads it."""

    seeds: Callable[[], list[bytes]]
    read: Callable[[bytes], None]

    def hold(self, data: bytes) -> None:
        """Read; a FilmlessError is a fine answer, anything else and a long time are bugs."""
        began = time.process_time()
        with contextlib.suppress(FilmlessError):
            self.read(data)
        assert time.process_time() - began < SECONDS_MAX + len(data) / 20_000, "it took too long"


# Data sets ------------------------------------------------------------------------------------------------------------


def files() -> list[bytes]:
    """Small files of every kind that tests can make."""
    made = [make.ct_slice(), make.multi_frame(), make.color(), make.segmentation(), make.text_report(), make.nested(5)]
    made += [make.nested(5, undefined=True), make.instance()]
    found = [make.part10(ds, syntax) for ds in made for syntax in make.NATIVE]
    return [*found, make.part10(make.rle(), make.RLE)]


def _tried(question: Callable[[], object]) -> None:
    with contextlib.suppress(FilmlessError):
        question()


def read_data_set(data: bytes) -> None:
    header = scanner.scan(data, limits=LIMITS)
    _tried(lambda: json.to_json(header, bulk_uri="/bulk"))
    _tried(lambda: _through_other_forms(header))
    _tried(lambda: [(header.texts(tag), header.numbers(tag), header.items(tag)) for tag in header])
    _tried(lambda: _cut(header))
    _tried(lambda: _report(header))
    for element in header.elements.values():
        assert 0 <= element.offset <= element.offset + element.length <= len(header.buffer)


def _through_other_forms(header: Header) -> None:
    dataset = json.to_json(header, bulk_uri=None, inline_max=None)
    from_xml(to_xml(dataset))
    encode.decode(encode.encode(dataset, make.EXPLICIT_LE), make.EXPLICIT_LE, limits=LIMITS)


def _report(header: Header) -> None:
    found = report.read_report(header)
    report_text.to_text(found)
    assert b"<script" not in report_html.to_html(found, {})


def _cut(header: Header) -> None:
    table = frames.locate_frames(header)
    assert frames.FrameTable.unpack(table.pack()).count == table.count
    form = None
    with contextlib.suppress(FilmlessError):
        form = pixels.read_format(header)
    for frame_number in range(1, min(table.count, 5) + 1):
        pieces = [bytes(header.buffer[start : start + length]) for start, length in table.ranges(frame_number)]
        if form is not None:
            _tried(lambda: pixels.decode_frame(b"".join(pieces), form, samples_max=1 << 20))  # noqa: B023


# Pictures: their heads only; what decodes them runs in a process of its own -------------------------------------------


def pictures() -> list[bytes]:
    grey = np.arange(256, dtype=np.uint16).reshape(16, 16)
    small = grey.astype(np.uint8)
    return [
        imagecodecs.jpeg8_encode(small),
        imagecodecs.ljpeg_encode(grey),
        imagecodecs.jpegls_encode(grey),
        imagecodecs.jpeg2k_encode(grey, codecformat="j2k"),
        imagecodecs.jpeg2k_encode(grey, codecformat="jp2"),
        imagecodecs.htj2k_encode(grey),
        imagecodecs.jpegxl_encode(small),
    ]


def _reader(data: bytes) -> Callable[[int, int], bytes]:
    def read_at(offset: int, length: int) -> bytes:
        assert offset >= 0 and length >= 0
        return data[offset : offset + length]

    return read_at


def read_picture(data: bytes) -> None:
    _tried(lambda: codestreams.read_codestream(_reader(data), len(data)))
    _tried(lambda: pixels.read_jpeg_header(data))
    _tried(lambda: pixels.read_j2k_header(data))
    _tried(lambda: pixels.require_tile_parts(data))


def box(kind: bytes, *inner: bytes) -> bytes:
    body = b"".join(inner)
    return struct.pack(">L4s", len(body) + 8, kind) + body


def movie() -> list[bytes]:
    """An MP4 of one frame of H.264, as far as its boxes go (ISO/IEC 14496-12)."""
    configuration = box(b"avcC", b"\x01\x64\x00\x1f\xff\xe1\0\x04gd\0\x1f\x01\0\x02h\xee")
    entry = box(b"avc1", bytes(24), struct.pack(">HH", 64, 64), bytes(50), configuration)
    table = box(
        b"stbl",
        box(b"stsd", struct.pack(">LL", 0, 1), entry),
        box(b"stts", struct.pack(">LLLL", 0, 1, 1, 1000)),
        box(b"stsz", struct.pack(">LLL", 0, 100, 1)),
    )
    media = box(
        b"mdia",
        box(b"mdhd", struct.pack(">LLLLLHH", 0, 0, 0, 25_000, 1000, 0, 0)),
        box(b"hdlr", bytes(8), b"vide", bytes(13)),
        box(b"minf", table),
    )
    head = box(b"ftyp", b"isom\0\0\2\0isom")
    return [head + box(b"moov", box(b"trak", box(b"tkhd", bytes(84)), media)) + box(b"mdat", bytes(100))]


def read_movie(data: bytes) -> None:
    movies.read_movie(_reader(data), len(data))


# The network ----------------------------------------------------------------------------------------------------------


def negotiations() -> list[bytes]:
    user = pdus.UserInformation(16384, "2.25.1", "RAW", roles=(pdus.RoleSelection("1.2.3", True, True),))
    accept = pdus.AssociateAccept("SCP", "SCU", (pdus.ContextAnswer(1, 0, make.IMPLICIT_LE),))
    return [request_of()[6:], request_of(user=user)[6:], pdus.encode_associate_accept(accept)[6:]]


def read_negotiation(data: bytes) -> None:
    _tried(lambda: pdus.decode_associate_request(data))
    _tried(lambda: pdus.decode_associate_accept(data))


def read_command(data: bytes) -> None:
    command = commands.decode_command(data)
    assert isinstance(command.field, int)


def conversations() -> list[bytes]:
    """What a requestor says from the first byte to the last, in one piece."""
    data = make.dataset_bytes(make.ct_slice(), make.IMPLICIT_LE)
    store = p_data(3, store_command(), command=True) + p_data(3, data[:200], command=False, last=False)
    return [
        request_of() + p_data(1, echo_command(), command=True) + pdus.encode_release_request(),
        request_of() + store + p_data(3, data[200:], command=False) + pdus.encode_release_request(),
        request_of() + store + pdus.encode_abort(0, 0),
    ]


# Multipart ------------------------------------------------------------------------------------------------------------


def bodies() -> list[bytes]:
    head = b"\r\n--b\r\nContent-Type: application/dicom\r\nContent-Location: x\r\n\r\n"
    return [
        head + bytes(300) + head + b"\r\n\r\n--" + b"\r\n--b--\r\n",
        b"preamble\n--b\nA: b\n\nbody\n--b--\nepilogue",
        head * 5 + b"--b--",
    ]


def _parts(data: bytes, sizes: Iterator[int]) -> list[tuple[dict[str, str], bytes]] | str:
    at = 0

    def read() -> bytes:
        nonlocal at
        piece = data[at : at + next(sizes)]
        at += len(piece)
        return piece

    try:
        return [(dict(part.headers), part.read()) for part in Multipart(read, "b").parts()]
    except FilmlessError as error:
        return str(error)


def read_multipart(data: bytes) -> None:
    """However it is cut into pieces, it is the same."""

    def cut(most: int) -> Iterator[int]:
        chance = random.Random(len(data))
        while True:
            yield chance.randint(1, most)

    whole = _parts(data, iter(lambda: len(data) + 1, None))
    for most in (1, 7, 64):
        assert _parts(data, cut(most)) == whole


# Models ---------------------------------------------------------------------------------------------------------------


def models() -> list[bytes]:
    made = [make.ct_slice(), make.text_report(), make.nested(4)]
    found = [json.to_json(scanner.scan(make.part10(ds)), bulk_uri=None, inline_max=None) for ds in made]
    return [to_xml(dataset) for dataset in found]


def read_model(data: bytes) -> None:
    encode.encode(from_xml(data, values_max=50_000), make.EXPLICIT_LE)


TARGETS: dict[str, Target] = {
    "data_set": Target(files, read_data_set),
    "picture": Target(pictures, read_picture),
    "movie": Target(movie, read_movie),
    "negotiation": Target(negotiations, read_negotiation),
    "command": Target(lambda: [echo_command(), store_command()], read_command),
    "multipart": Target(bodies, read_multipart),
    "model": Target(models, read_model),
}
