"""Any bytes give a result or one of our errors, in bounded time and memory."""

from __future__ import annotations

import contextlib
import gc
import struct
import time
import tracemalloc
from collections.abc import Callable

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

import make
from filmless.dicom import encode, frames, json, names, scanner
from filmless.dicom.scanner import Header, ScanLimits
from filmless.errors import FilmlessError
from real_files import pydicom_files

SYNTAXES = (make.IMPLICIT_LE, make.EXPLICIT_LE, make.EXPLICIT_BE, make.DEFLATED, make.RLE, make.JPEG_BASELINE, "1.2.3")
LIMITS = ScanLimits(inflate_max_bytes=1 << 20, frames_max=10_000, elements_max=50_000)
SECONDS_MAX = 2.0
SEEDS = [path for path in pydicom_files() if path.stat().st_size < 40_000]

fuzzed = settings(
    max_examples=150,
    deadline=None,
    suppress_health_check=[
        HealthCheck.too_slow,
        HealthCheck.data_too_large,
        HealthCheck.function_scoped_fixture,
    ],
)


@pytest.fixture(autouse=True)
def frozen() -> None:
    """Let `bounded` collect what one example left, and not look at all that is in memory each time."""
    gc.collect()
    gc.freeze()


def read_everything(data: bytes, transfer_syntax_uid: str | None) -> None:
    """Scan, then ask for all there is; a FilmlessError is a fine answer."""
    try:
        header = scanner.scan(data, transfer_syntax_uid=transfer_syntax_uid, limits=LIMITS)
    except FilmlessError:
        return
    _ask(lambda: json.to_json(header, bulk_uri="/bulk"))
    _ask(lambda: [header.texts(tag) for tag in header])
    _ask(lambda: [header.numbers(tag) for tag in header])
    _ask(lambda: [header.items(tag) for tag in header])
    _ask(lambda: dict(header.elements))
    _ask(lambda: _cut_frames(header))
    _ask(lambda: names.name_keys(header.text(0x00100010)))
    for element in header.elements.values():
        assert 0 <= element.offset <= len(header.buffer)
        assert 0 <= element.length <= len(header.buffer) - element.offset


def _ask(question: Callable[[], object]) -> None:
    with contextlib.suppress(FilmlessError):
        question()


def _cut_frames(header: Header) -> None:
    table = frames.locate_frames(header)
    assert frames.FrameTable.unpack(table.pack()).count == table.count
    for frame_number in range(1, min(table.count, 20) + 1):
        for offset, length in table.ranges(frame_number):
            assert offset >= 0
            assert offset + length <= len(header.buffer)


def bounded(data: bytes, transfer_syntax_uid: str | None = None) -> None:
    """Run `read_everything` under a clock and a memory meter."""
    gc.collect()
    tracemalloc.start()
    started = time.process_time()
    try:
        read_everything(data, transfer_syntax_uid)
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert time.process_time() - started < SECONDS_MAX + len(data) / 20_000
    assert peak < (8 << 20) + 400 * len(data)


@fuzzed
@given(data=st.binary(max_size=2000), syntax=st.sampled_from((None, *SYNTAXES)))
def test_random_bytes_are_read_or_refused(data: bytes, syntax: str | None) -> None:
    bounded(data, syntax)


@fuzzed
@given(data=st.binary(max_size=2000))
def test_random_bytes_behind_a_preamble_are_read_or_refused(data: bytes) -> None:
    bounded(bytes(128) + b"DICM" + data)


@st.composite
def mutated_files(draw: st.DrawFn) -> bytes:
    """A real file with bytes flipped, lengths overwritten, pieces cut out, doubled or put in."""
    data = bytearray(draw(st.sampled_from(SEEDS)).read_bytes())
    for _ in range(draw(st.integers(1, 6))):
        if not data:
            break
        at = draw(st.integers(0, len(data) - 1))
        match draw(st.sampled_from(("flip", "length", "cut", "truncate", "insert", "double", "tag"))):
            case "flip":
                data[at] ^= 1 << draw(st.integers(0, 7))
            case "length":
                data[at : at + 4] = struct.pack("<L", draw(st.sampled_from((0xFFFFFFFF, 0xFFFFFFFE, 0x7FFFFFFF, 1, 0))))
            case "cut":
                del data[at : at + draw(st.integers(1, 200))]
            case "truncate":
                del data[at:]
            case "insert":
                data[at:at] = draw(st.binary(max_size=40))
            case "double":
                data[at:at] = data[at : at + draw(st.integers(1, 500))]
            case "tag":
                data[at : at + 8] = draw(
                    st.sampled_from(
                        (
                            b"\xfe\xff\x00\xe0\xff\xff\xff\xff",
                            b"\xfe\xff\x0d\xe0\0\0\0\0",
                            b"\xfe\xff\xdd\xe0\0\0\0\0",
                            b"\x40\0\x30\xa7\xff\xff\xff\xff",
                        )
                    )
                )
    return bytes(data)


@fuzzed
@given(data=mutated_files())
def test_mutated_files_are_read_or_refused(data: bytes) -> None:
    bounded(data)


@fuzzed
@given(
    text=st.text(max_size=200),
    terms=st.lists(
        st.sampled_from(("", "ISO_IR 100", "ISO 2022 IR 87", "ISO 2022 IR 149", "GB18030", "x")), max_size=4
    ),
)
def test_any_name_is_keyed_and_any_text_encoded_or_refused(text: str, terms: list[str]) -> None:
    names.name_keys(text)
    dataset = {"00100010": {"vr": "PN", "Value": [{"Alphabetic": text}]}}
    with contextlib.suppress(FilmlessError):
        encode.encode(dataset, make.EXPLICIT_LE, character_set="\\".join(terms))


json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=20),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=8), inner, max_size=3),
    max_leaves=20,
)


@fuzzed
@given(
    dataset=st.dictionaries(
        st.sampled_from(("00100010", "00080016", "00280010", "0040A730", "7FE00010", "00091001", "zz", "00181063")),
        json_values
        | st.fixed_dictionaries(
            {"vr": st.sampled_from(("PN", "UI", "US", "SQ", "OW", "DS", "IS", "AT", "FD", "XX", None))},
            optional={"Value": json_values, "InlineBinary": json_values, "BulkDataURI": json_values},
        ),
        max_size=6,
    ),
    syntax=st.sampled_from(SYNTAXES),
)
def test_any_json_is_encoded_or_refused(dataset: dict[str, object], syntax: str) -> None:
    try:
        data = encode.encode(dataset, syntax)
    except FilmlessError:
        return
    encode.decode(data, syntax)


UNDEFINED = b"\xff\xff\xff\xff"


def undefined_nesting(depth: int) -> bytes:
    """Content Sequence in an item in Content Sequence in an item..., none of them closed."""
    return (b"\x40\x00\x30\xa7SQ\0\0" + UNDEFINED + b"\xfe\xff\x00\xe0" + UNDEFINED) * depth


def defined_nesting(depth: int) -> bytes:
    data = b""
    for _ in range(depth):
        item = b"\xfe\xff\x00\xe0" + struct.pack("<L", len(data)) + data
        data = b"\x40\x00\x30\xa7SQ\0\0" + struct.pack("<L", len(item)) + item
    return data


@pytest.mark.parametrize("nesting", [undefined_nesting, defined_nesting])
def test_sequences_ten_thousand_deep_are_bounded(nesting: Callable[[int], bytes]) -> None:
    bounded(nesting(10_000), make.EXPLICIT_LE)


@pytest.mark.parametrize(
    "data",
    [
        pytest.param(b"\x10\x00\x10\x00UT\0\0" + b"\xfe\xff\xff\xff", id="a text of 4 GiB"),
        pytest.param(b"\xe0\x7f\x10\x00OW\0\0" + b"\xfe\xff\xff\xff" + bytes(10), id="pixel data of 4 GiB"),
        pytest.param(
            b"\xe0\x7f\x10\x00OB\0\0" + UNDEFINED + b"\xfe\xff\0\xe0" + b"\xf0\xff\xff\xff", id="a long table"
        ),
        pytest.param(b"\xe0\x7f\x10\x00OB\0\0" + UNDEFINED + b"\xfe\xff\0\xe0\0\0\0\0" * 20_000, id="empty fragments"),
        pytest.param(b"\x08\0\x05\0CS\0\0" * 20_000, id="the same empty element"),
        pytest.param(b"\x40\0\x30\xa7SQ\0\0" + UNDEFINED + b"\xfe\xff\0\xe0\0\0\0\0" * 20_000, id="empty items"),
        pytest.param(
            b"\x28\0\x08\0IS\x0a\x002147483647\xe0\x7f\x10\x00OW\0\0\x04\0\0\0abcd", id="two thousand million frames"
        ),
        pytest.param(b"\x28\0\x08\0IS\xfe\xff" + b"9" * 65534, id="a number of 65534 digits"),
        pytest.param(b"\x08\0\x05\0CS\xfe\xff" + b"\\" * 65534, id="65535 character sets"),
        pytest.param(b"\x10\0\x10\0PN\xfe\xff" + b"=^\\" * 21844 + b"  ", id="a name of delimiters"),
        pytest.param(b"\x10\0\x10\0PN\xfe\xff" + b"\x1b$B" * 21844 + b"  ", id="a name of escape sequences"),
    ],
)
def test_bombs_are_bounded(data: bytes) -> None:
    bounded(data, make.EXPLICIT_LE)


def test_an_inflation_bomb_is_refused_before_it_fills_memory() -> None:
    import zlib

    deflater = zlib.compressobj(9, wbits=-15)
    bomb = deflater.compress(bytes(200 << 20)) + deflater.flush()

    tracemalloc.start()
    with pytest.raises(FilmlessError, match="inflates to more than"):
        scanner.scan(bomb, transfer_syntax_uid=make.DEFLATED, limits=LIMITS)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()

    assert peak < 8 << 20
