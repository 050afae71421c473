"""Where frames lie, against pydicom's own cutting of the same files."""

from __future__ import annotations

import struct
from pathlib import Path

import pydicom
import pytest
from pydicom.encaps import generate_frames

import make
from filmless.dicom.frames import FrameTable, frame_count, locate_frames, native_frame_bits, shift_bits
from filmless.dicom.scanner import Header, ScanLimits, scan
from filmless.errors import NotFound, Refused
from real_files import real_files

FRAMES = [b"\xff\xd8 one\xff\xd9", b"\xff\xd8 frame two \xff\xd9", b"\xff\xd8 third frame here\xff\xd9\0"]


def cut(header: Header, table: FrameTable) -> list[bytes]:
    buffer = header.buffer
    return [b"".join(bytes(buffer[o : o + n]) for o, n in table.ranges(i)) for i in range(1, table.count + 1)]


def padded(frames: list[bytes]) -> list[bytes]:
    return [frame + b"\0" * (len(frame) % 2) for frame in frames]


# -- native ------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("transfer_syntax", make.NATIVE)
def test_native_frames_follow_each_other(transfer_syntax: str) -> None:
    header = scan(make.part10(make.multi_frame(3, rows=2), transfer_syntax))

    table = locate_frames(header)

    order = ">" if transfer_syntax == make.EXPLICIT_BE else "<"
    assert [struct.unpack(f"{order}4H", frame) for frame in cut(header, table)] == [
        (0, 1, 2, 3),
        (4, 5, 6, 7),
        (8, 9, 10, 11),
    ]


def test_a_single_frame_needs_no_number_of_frames() -> None:
    ds = make.ct_slice(rows=4)
    header = scan(make.part10(ds))

    assert cut(header, locate_frames(header)) == [ds.PixelData]


def test_colour_frames_hold_all_samples() -> None:
    ds = make.color(frames=2, rows=3)
    header = scan(make.part10(ds))

    assert cut(header, locate_frames(header)) == [ds.PixelData[:27], ds.PixelData[27:54]]


def test_frames_of_one_bit_begin_within_a_byte() -> None:
    """PS3.5 8.1.1: 9 pixels a frame, packed without gaps."""
    header = scan(make.part10(make.segmentation(frames=3, rows=3, columns=3)))

    table = locate_frames(header)

    assert [table.bit_offset(number) for number in (1, 2, 3)] == [0, 1, 2]
    assert [length for number in (1, 2, 3) for _, length in table.ranges(number)] == [2, 2, 2]
    pixels = [shift_bits(frame, table.bit_offset(i + 1), 9) for i, frame in enumerate(cut(header, table))]
    assert pixels == [b"\x49\x00", b"\x49\x00", b"\x49\x00"]


def test_ybr_full_422_has_two_samples_a_pixel() -> None:
    ds = make.color(frames=2, rows=4, PhotometricInterpretation="YBR_FULL_422", PixelData=make.ramp(64, bits=8))
    header = scan(make.part10(ds))

    assert [len(frame) for frame in cut(header, locate_frames(header))] == [32, 32]


def test_ybr_full_422_over_data_that_are_not_subsampled_is_seen() -> None:
    ds = make.color(frames=2, rows=4, PhotometricInterpretation="YBR_FULL_422")
    header = scan(make.part10(ds))

    assert [len(frame) for frame in cut(header, locate_frames(header))] == [48, 48]


@pytest.mark.parametrize(("keyword", "bits"), [("FloatPixelData", 32), ("DoubleFloatPixelData", 64)])
def test_float_pixel_data_have_frames(keyword: str, bits: int) -> None:
    ds = make.multi_frame(2, rows=2, PixelData=None, BitsAllocated=bits)
    setattr(ds, keyword, bytes(range(2 * 4 * bits // 8)))
    header = scan(make.part10(ds))

    assert [len(frame) for frame in cut(header, locate_frames(header))] == [bits // 2] * 2


def test_fewer_frames_than_declared_are_counted_and_noted() -> None:
    header = scan(make.part10(make.multi_frame(3, rows=2, NumberOfFrames=5)))

    table = locate_frames(header)

    assert table.count == 3
    assert table.flaws == ("the pixel data hold 3 whole frames, 5 are declared",)


def test_pixel_data_of_unknown_shape_are_one_frame() -> None:
    header = scan(make.part10(make.multi_frame(1, rows=2, Rows=None)))

    assert [len(frame) for frame in cut(header, locate_frames(header))] == [8]


def test_without_pixel_data_there_are_no_frames() -> None:
    table = locate_frames(scan(make.part10(make.text_report())))

    assert table.count == 0
    with pytest.raises(NotFound, match="there is no frame 1: the instance has 0"):
        table.ranges(1)


def test_more_frames_than_allowed_are_refused() -> None:
    header = scan(make.part10(make.multi_frame(3, rows=2)), limits=ScanLimits(frames_max=2))

    with pytest.raises(Refused, match="has 3 frames, 2 are allowed"):
        locate_frames(header)


@pytest.mark.parametrize("number", [0, 4, -1])
def test_a_frame_that_is_not_there_is_not_found(number: int) -> None:
    table = locate_frames(scan(make.part10(make.multi_frame(3, rows=2))))

    with pytest.raises(NotFound):
        table.ranges(number)
    with pytest.raises(NotFound):
        table.bit_offset(number)


@pytest.mark.parametrize("declared", [None, "", "0", "-1"])
def test_no_sensible_number_of_frames_means_one(declared: str | None) -> None:
    ds = make.multi_frame(1, rows=2)
    data = make.dataset_bytes(make.multi_frame(1, rows=2, NumberOfFrames=None))
    if declared is not None:
        data = make.element(0x00280008, "IS", declared.encode().ljust(2)) + data

    assert frame_count(scan(data, transfer_syntax_uid=make.EXPLICIT_LE)) == 1
    assert ds.NumberOfFrames == 1


def test_a_frame_length_needs_rows_columns_and_bits() -> None:
    assert native_frame_bits(scan(make.part10(make.ct_slice(rows=4)))) == 256
    assert native_frame_bits(scan(make.part10(make.ct_slice(rows=4, BitsAllocated=None)))) == 0
    assert native_frame_bits(scan(make.part10(make.ct_slice(rows=4, Columns=0)))) == 0


# -- encapsulated ------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("offsets", ["basic", "extended", "none"])
def test_frames_of_one_fragment_are_found(offsets: str) -> None:
    header = scan(make.part10(make.encapsulated(FRAMES, offsets=offsets), make.JPEG_BASELINE))

    table = locate_frames(header)

    assert cut(header, table) == padded(FRAMES)
    assert table.flaws == ()
    assert table.is_encapsulated


@pytest.mark.parametrize("offsets", ["basic", "none"])
@pytest.mark.parametrize("fragments", [2, 3])
@pytest.mark.parametrize("count", [1, 2, 3])
def test_frames_of_several_fragments_are_found(offsets: str, fragments: int, count: int) -> None:
    ds = make.encapsulated(FRAMES[:count], fragments_per_frame=fragments, offsets=offsets)
    header = scan(make.part10(ds, make.JPEG_BASELINE))

    table = locate_frames(header)

    assert cut(header, table) == padded(FRAMES[:count])
    assert len(table.ranges(1)) == fragments


def fragments(*parts: bytes, table: bytes = b"", frames: int = 1, syntax: str = make.JPEG_BASELINE) -> Header:
    """An instance with just these fragments behind just this offset table."""
    content = make.item(table) + b"".join(make.item(part) for part in parts)
    data = make.element(0x00280008, "IS", str(frames).encode().ljust(2))
    data += make.element(0x7FE00010, "OB", content + b"\xfe\xff\xdd\xe0\0\0\0\0", 0xFFFFFFFF)
    return scan(data, transfer_syntax_uid=syntax)


def test_fragments_are_grouped_by_the_marker_that_begins_a_jpeg_frame() -> None:
    header = fragments(b"\xff\xd8aa", b"bb", b"cc", b"\xff\xd8dd", frames=2)

    assert cut(header, locate_frames(header)) == [b"\xff\xd8aabbcc", b"\xff\xd8dd"]


def test_fragments_are_grouped_by_the_marker_that_begins_a_jpeg_2000_frame() -> None:
    header = fragments(b"\xff\x4faa", b"\xff\x4fbb", b"cc", frames=2, syntax=make.JPEG_2000_LOSSLESS)

    assert cut(header, locate_frames(header)) == [b"\xff\x4faa", b"\xff\x4fbbcc"]


def test_fragments_are_grouped_by_the_marker_that_ends_a_frame() -> None:
    header = fragments(b"aaaa", b"b\xff\xd9\0", b"\xff\xd8", b"c\xff\xd9\0", frames=2)

    assert cut(header, locate_frames(header)) == [b"aaaab\xff\xd9\0", b"\xff\xd8c\xff\xd9\0"]


def test_fragments_without_markers_are_dealt_evenly() -> None:
    header = fragments(b"aa", b"bb", b"cc", b"dd", frames=2, syntax=make.RLE)

    table = locate_frames(header)

    assert cut(header, table) == [b"aabb", b"ccdd"]
    assert table.flaws == ("no offset table: 4 fragments are dealt evenly to 2 frames",)


def test_fewer_fragments_than_frames_are_as_many_frames() -> None:
    table = locate_frames(fragments(b"aa", b"bb", frames=5, syntax=make.RLE))

    assert table.count == 2
    assert table.flaws == ("no offset table, and 2 fragments do not tell 5 frames apart",)


@pytest.mark.parametrize(
    "table",
    [
        struct.pack("<2L", 0, 11),  # not where a fragment begins
        struct.pack("<2L", 10, 0),  # backwards
        struct.pack("<2L", 0, 0),
        struct.pack("<3L", 0, 10, 20),  # too many
        b"\0\0\0",
    ],
)
def test_a_wrong_offset_table_is_not_believed(table: bytes) -> None:
    header = fragments(b"\xff\xd8", b"\xff\xd8", table=table, frames=2)

    found = locate_frames(header)

    assert cut(header, found) == [b"\xff\xd8", b"\xff\xd8"]
    assert found.flaws


def test_an_offset_table_that_passed_4_gib_is_unwrapped() -> None:
    from array import array

    from filmless.dicom.frames import _by_basic_table

    lengths = array("L", [0xFFFFFF00, 0x1000, 0x1000])
    table = struct.pack("<3L", 0, 0xFFFFFF08, (0xFFFFFF08 + 0x1008) & 0xFFFFFFFF)

    assert _by_basic_table(table, lengths, 3, [], "<") == array("L", [0, 1, 2, 3])


def test_a_video_is_one_stream() -> None:
    header = fragments(b"aaaa", b"bbbb", frames=50, syntax="1.2.840.10008.1.2.4.102")

    table = locate_frames(header)

    assert cut(header, table) == [b"aaaabbbb"]


def test_no_fragments_are_no_frames() -> None:
    assert locate_frames(fragments(frames=3)).count == 0


def test_fragments_under_a_defined_length_are_found() -> None:
    content = make.item() + make.item(b"aa") + make.item(b"bb")
    data = make.element(0x00280008, "IS", b"2 ") + make.element(0x7FE00010, "OB", content)

    header = scan(data, transfer_syntax_uid=make.RLE)

    assert cut(header, locate_frames(header)) == [b"aa", b"bb"]


def test_frames_are_found_by_reading_when_only_the_beginning_was_scanned() -> None:
    data = make.part10(make.encapsulated([bytes(3000), bytes(2000), bytes(1000)], fragments_per_frame=2), make.RLE)
    whole = locate_frames(scan(data))
    asked: list[int] = []

    def read_at(offset: int, length: int) -> bytes:
        asked.append(length)
        return data[offset : offset + length]

    table = locate_frames(scan(data[:2000], total_length=len(data)), read_at=read_at)

    assert [table.ranges(i) for i in (1, 2, 3)] == [whole.ranges(i) for i in (1, 2, 3)]
    assert sum(asked) < 200


@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize("path", real_files(), ids=lambda path: path.name)
def test_frames_of_real_files_are_those_that_pydicom_cuts(path: Path) -> None:
    ds = pydicom.dcmread(path, force=True)
    header = scan(path.read_bytes())
    if "PixelData" not in ds or not header.pixel_data:
        pytest.skip("no pixel data")
    table = locate_frames(header)
    ours = cut(header, table)
    number = frame_count(header)

    if ds["PixelData"].is_undefined_length:
        try:
            theirs = list(
                generate_frames(
                    ds.PixelData,
                    number_of_frames=number,
                    extended_offsets=(
                        (ds.ExtendedOffsetTable, ds.ExtendedOffsetTableLengths) if "ExtendedOffsetTable" in ds else None
                    ),
                )
            )
        except (ValueError, struct.error, EOFError):
            pytest.skip("pydicom cannot cut this one")
        assert len(ours) == len(theirs)
        for mine, other in zip(ours, theirs, strict=True):
            assert mine.rstrip(b"\0") == other.rstrip(b"\0")
    else:
        assert b"".join(ours) == ds.PixelData[: sum(map(len, ours))] or ds.BitsAllocated == 1
        assert table.count == number or table.flaws


# -- packed ------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "header",
    [
        scan(make.part10(make.multi_frame(3, rows=2))),
        scan(make.part10(make.segmentation())),
        scan(make.part10(make.text_report())),
        scan(make.part10(make.encapsulated(FRAMES), make.JPEG_BASELINE)),
        scan(make.part10(make.encapsulated(FRAMES, fragments_per_frame=3), make.JPEG_BASELINE)),
        fragments(frames=2),
    ],
)
def test_a_packed_table_is_unpacked_as_it_was(header: Header) -> None:
    table = locate_frames(header)

    unpacked = FrameTable.unpack(table.pack())

    numbers = range(1, table.count + 1)
    assert unpacked.count == table.count
    assert [unpacked.ranges(i) for i in numbers] == [table.ranges(i) for i in numbers]
    assert [unpacked.bit_offset(i) for i in numbers] == [table.bit_offset(i) for i in numbers]
    assert unpacked.is_encapsulated == table.is_encapsulated


def test_a_packed_table_takes_four_bytes_a_fragment() -> None:
    table = locate_frames(scan(make.part10(make.encapsulated([b"abcd"] * 100), make.RLE)))

    assert len(table.pack()) == 26 + 400


@pytest.mark.parametrize("at", range(26 + 12))
def test_a_packed_table_that_is_cut_off_is_refused(at: int) -> None:
    packed = locate_frames(scan(make.part10(make.encapsulated(FRAMES), make.RLE))).pack()

    with pytest.raises(Refused):
        FrameTable.unpack(packed[:at])


def test_a_table_of_another_version_is_refused() -> None:
    packed = locate_frames(scan(make.part10(make.ct_slice()))).pack()

    with pytest.raises(Refused, match="unknown form"):
        FrameTable.unpack(b"\x09" + packed[1:])
