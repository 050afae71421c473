"""The scanner against pydicom, and against what devices do wrong."""

from __future__ import annotations

import mmap
from pathlib import Path

import pydicom
import pytest

import make
from filmless.dicom.scanner import Element, Header, ScanLimits, scan
from filmless.errors import Refused
from make import element as explicit
from make import implicit_element as implicit
from make import item
from real_files import pydicom_files, real_files

PATIENT_NAME = 0x00100010
PATIENT_ID = 0x00100020
CONTENT_SEQUENCE = 0x0040A730
CODE_VALUE = 0x00080100
PIXEL_DATA = 0x7FE00010
UNDEFINED = 0xFFFFFFFF


SEQUENCE_END = b"\xfe\xff\xdd\xe0\0\0\0\0"
NAME = explicit(PATIENT_NAME, "PN", b"Doe^Jane")
CODE = explicit(CODE_VALUE, "SH", b"innermost ")


def scan_explicit(data: bytes, **options: object) -> Header:
    return scan(data, transfer_syntax_uid=make.EXPLICIT_LE, **options)  # type: ignore[arg-type]


# -- every transfer syntax ---------------------------------------------------------------------------------------------


@pytest.mark.parametrize("transfer_syntax", make.NATIVE)
def test_a_part_10_file_is_read_in_each_native_syntax(transfer_syntax: str) -> None:
    ds = make.ct_slice(rows=4)

    header = scan(make.part10(ds, transfer_syntax))

    assert header.transfer_syntax_uid == transfer_syntax
    assert header.meta["sop_instance_uid"] == ds.SOPInstanceUID
    assert header.text(PATIENT_NAME) == "Doe^Jane"
    assert header.integer(0x00280010) == 4
    assert header.texts(0x00080008) == ["ORIGINAL", "PRIMARY", "AXIAL"]
    assert header.numbers(0x00200032) == [-100.5, -100.5, 12]
    assert header.pixel_data is not None
    assert header.pixel_data.length == 32
    assert header.flaws == []
    assert header.is_complete


@pytest.mark.parametrize("transfer_syntax", make.NATIVE)
def test_a_bare_data_set_is_read_in_each_native_syntax(transfer_syntax: str) -> None:
    data = make.dataset_bytes(make.ct_slice(rows=4), transfer_syntax)

    header = scan(data, transfer_syntax_uid=transfer_syntax)

    assert header.text(PATIENT_NAME) == "Doe^Jane"
    assert header.dataset_offset == 0
    assert header.flaws == []


@pytest.mark.parametrize("transfer_syntax", [make.IMPLICIT_LE, make.EXPLICIT_LE, make.EXPLICIT_BE])
@pytest.mark.parametrize("undefined", [False, True])
def test_nested_sequences_are_read_in_each_syntax(transfer_syntax: str, undefined: bool) -> None:
    level = scan(make.part10(make.nested(20, undefined=undefined), transfer_syntax))

    for _ in range(20):
        (level,) = level.items(CONTENT_SEQUENCE)

    assert level.text(CODE_VALUE) == "innermost"
    assert level.depth == 20
    assert level.flaws == []


def test_offsets_point_at_the_value_in_the_file() -> None:
    ds = make.ct_slice(rows=4)
    data = make.part10(ds)

    element = scan(data).pixel_data

    assert element == Element(PIXEL_DATA, "OW", len(data) - 32, 32)
    assert data[element.offset : element.offset + element.length] == ds.PixelData


@pytest.mark.parametrize("kind", [bytes, bytearray, memoryview])
def test_any_buffer_is_read(kind: type) -> None:
    header = scan(kind(make.part10(make.text_report())))

    assert header.text(PATIENT_NAME) == "Doe^Jane"
    assert header.items(CONTENT_SEQUENCE)[0].text(0x0040A160) == "Keine Auffälligkeiten"
    assert isinstance(header.raw(PATIENT_NAME), bytes)


def test_a_mapped_file_is_read(tmp_path: Path) -> None:
    path = tmp_path / "file.dcm"
    path.write_bytes(make.part10(make.ct_slice()))

    with path.open("rb") as file, mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ) as mapped:
        header = scan(mapped)
        assert header.text(PATIENT_NAME) == "Doe^Jane"
        assert header.raw(PATIENT_NAME) == b"Doe^Jane"


# -- every real file ---------------------------------------------------------------------------------------------------


def elements_by_pydicom(ds: pydicom.Dataset) -> list[tuple[int, ...]]:
    """Tags of all levels in order, items numbered."""
    found: list[tuple[int, ...]] = []
    for tag in sorted(ds.keys()):
        found.append((int(tag),))
        element = ds[tag]
        if element.VR == "SQ":
            for i, inner in enumerate(element.value):
                found += [(int(tag), i, *path) for path in elements_by_pydicom(inner)]
    return found


def elements_by_us(header: Header) -> list[tuple[int, ...]]:
    found: list[tuple[int, ...]] = []
    for tag in sorted(header):
        found.append((tag,))
        for i, inner in enumerate(header.items(tag)):
            found += [(tag, i, *path) for path in elements_by_us(inner)]
    return found


@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize("path", pydicom_files(), ids=lambda path: path.name)
def test_the_elements_of_real_files_are_those_that_pydicom_finds(path: Path) -> None:
    theirs = pydicom.dcmread(path, force=True)

    ours = scan(path.read_bytes())

    assert elements_by_us(ours) == elements_by_pydicom(theirs)


@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize("path", pydicom_files(), ids=lambda path: path.name)
def test_values_of_real_files_lie_where_pydicom_finds_them(path: Path) -> None:
    theirs = pydicom.dcmread(path, force=True)
    ours = scan(path.read_bytes())

    for tag in theirs.keys():  # noqa: SIM118 - iterating a Dataset converts its elements
        raw = theirs.get_item(tag)
        if isinstance(raw, pydicom.dataelem.RawDataElement) and raw.value is not None and raw.length != UNDEFINED:
            assert ours.raw(int(tag)) == raw.value


@pytest.mark.parametrize("path", real_files(), ids=lambda path: path.name)
def test_every_byte_of_a_real_file_is_in_its_elements(path: Path) -> None:
    """No element is passed over: the last one ends where the file does, but for fewer bytes than an element has."""
    header = scan(path.read_bytes())

    last = max((element.offset + element.length for element in header.elements.values()), default=0)

    assert len(header.buffer) - last <= 8 or header.flaws


# -- undefined lengths -------------------------------------------------------------------------------------------------


def test_an_undefined_length_ends_before_its_delimiter() -> None:
    content = item(CODE, undefined=True)
    data = explicit(CONTENT_SEQUENCE, "SQ", content + SEQUENCE_END, UNDEFINED)
    data += explicit(0x0040A491, "CS", b"COMPLETE")

    header = scan_explicit(NAME + data)

    element = header.element(CONTENT_SEQUENCE)
    assert element is not None
    assert header.value(element) == content
    assert header.text(0x0040A491) == "COMPLETE"


def test_un_of_undefined_length_is_a_sequence_in_implicit_vr() -> None:
    """PS3.5 6.2.2 note 2."""
    content = item(implicit(CODE_VALUE, b"innermost "), undefined=True)

    header = scan_explicit(NAME + explicit(0x00211001, "UN", content + SEQUENCE_END, UNDEFINED))

    assert header.vr(0x00211001) == "SQ"
    assert header.items(0x00211001)[0].text(CODE_VALUE) == "innermost"
    assert header.flaws == []


def test_un_of_undefined_length_in_explicit_vr_is_read_too() -> None:
    content = item(CODE, undefined=True)

    header = scan_explicit(NAME + explicit(0x00211001, "UN", content + SEQUENCE_END, UNDEFINED))

    assert header.items(0x00211001)[0].text(CODE_VALUE) == "innermost"


def test_un_of_a_known_sequence_is_read_as_that_sequence() -> None:
    header = scan_explicit(NAME + explicit(CONTENT_SEQUENCE, "UN", item(implicit(CODE_VALUE, b"inner "))))

    assert header.vr(CONTENT_SEQUENCE) == "SQ"
    assert header.items(CONTENT_SEQUENCE)[0].text(CODE_VALUE) == "inner"


def test_a_private_sequence_in_implicit_vr_is_seen_by_its_items() -> None:
    content = item(implicit(CODE_VALUE, b"inner "))
    data = implicit(PATIENT_NAME, b"A^") + implicit(0x00211001, content + SEQUENCE_END, UNDEFINED)

    header = scan(data, transfer_syntax_uid=make.IMPLICIT_LE)

    assert header.items(0x00211001)[0].text(CODE_VALUE) == "inner"


def test_undefined_inside_defined_inside_undefined_is_read() -> None:
    innermost = explicit(CONTENT_SEQUENCE, "SQ", item(CODE, undefined=True) + SEQUENCE_END, UNDEFINED)
    middle = explicit(CONTENT_SEQUENCE, "SQ", item(innermost) + item(CODE))
    outer = explicit(CONTENT_SEQUENCE, "SQ", item(middle, undefined=True) + SEQUENCE_END, UNDEFINED)

    header = scan_explicit(NAME + outer)

    first, second = header.items(CONTENT_SEQUENCE)[0].items(CONTENT_SEQUENCE)
    assert first.items(CONTENT_SEQUENCE)[0].text(CODE_VALUE) == "innermost"
    assert second.text(CODE_VALUE) == "innermost"
    assert header.flaws == []


def test_encapsulated_pixel_data_may_hold_the_bytes_of_a_delimiter() -> None:
    fragment = b"\xff\xd8" + SEQUENCE_END + b"\xff\xd9"
    ds = make.encapsulated([fragment])

    header = scan(make.part10(ds, make.JPEG_BASELINE))

    element = header.pixel_data
    assert element is not None
    assert element.vr == "OB"
    assert header.is_undefined_length(element)
    assert header.value(element).endswith(fragment)
    assert header.flaws == []


def test_elements_after_encapsulated_pixel_data_are_read() -> None:
    data = make.part10(make.encapsulated([b"abcd"]), make.JPEG_BASELINE) + explicit(0xFFFCFFFC, "OB", bytes(4))

    header = scan(data)

    assert 0xFFFCFFFC in header


# -- what is forgiven --------------------------------------------------------------------------------------------------


def test_a_missing_preamble_is_forgiven() -> None:
    header = scan(make.part10(make.ct_slice())[132:])

    assert header.text(PATIENT_NAME) == "Doe^Jane"
    assert "the preamble is missing" in header.flaws


@pytest.mark.parametrize("transfer_syntax", [make.IMPLICIT_LE, make.EXPLICIT_LE, make.EXPLICIT_BE])
def test_a_missing_group_0002_is_forgiven(transfer_syntax: str) -> None:
    data = make.dataset_bytes(make.ct_slice(), transfer_syntax)

    bare, behind_preamble = scan(data), scan(bytes(128) + b"DICM" + data)

    assert bare.text(PATIENT_NAME) == behind_preamble.text(PATIENT_NAME) == "Doe^Jane"
    assert bare.transfer_syntax_uid == transfer_syntax
    assert "the transfer syntax is not declared" in bare.flaws


def test_a_wrong_group_length_is_forgiven() -> None:
    data = bytearray(make.part10(make.ct_slice()))
    data[140:144] = b"\x01\0\0\0"

    assert scan(bytes(data)).text(PATIENT_NAME) == "Doe^Jane"


@pytest.mark.parametrize("declared", [make.IMPLICIT_LE, make.EXPLICIT_LE, make.EXPLICIT_BE])
@pytest.mark.parametrize("real", [make.IMPLICIT_LE, make.EXPLICIT_LE, make.EXPLICIT_BE])
def test_a_wrong_transfer_syntax_is_forgiven(declared: str, real: str) -> None:
    header = scan(make.dataset_bytes(make.ct_slice(), real), transfer_syntax_uid=declared)

    assert header.text(PATIENT_NAME) == "Doe^Jane"
    assert header.integer(0x00280010) == 4
    assert bool(header.flaws) == (declared != real)


def test_command_elements_in_front_are_passed_over() -> None:
    data = implicit(0x00000000, b"\x0a\0\0\0") + implicit(0x00000100, b"\x01\0") + make.dataset_bytes(make.ct_slice())

    header = scan(data)

    assert header.text(PATIENT_NAME) == "Doe^Jane"
    assert "DIMSE command elements stand in front of the data set" in header.flaws


def test_a_fall_into_implicit_vr_is_forgiven() -> None:
    header = scan_explicit(NAME + implicit(PATIENT_ID, b"P1") + explicit(0x00100040, "CS", b"F "))

    assert header.text(PATIENT_ID) == "P1"
    assert header.text(0x00100040) == "F"
    assert "(0010,0020) has no VR: read as implicit VR" in header.flaws


def test_an_item_in_implicit_vr_is_forgiven() -> None:
    header = scan_explicit(NAME + explicit(CONTENT_SEQUENCE, "SQ", item(implicit(CODE_VALUE, b"inner "))))

    assert header.items(CONTENT_SEQUENCE)[0].text(CODE_VALUE) == "inner"
    assert "an item of a sequence is in implicit VR" in header.flaws


@pytest.mark.parametrize("head", [b"ZZ\x02\0P1", b"ZZ\0\0\x02\0\0\0P1", b"??\x02\0P1"])
def test_an_unknown_vr_is_un(head: bytes) -> None:
    header = scan_explicit(NAME + b"\x09\0\x01\x10" + head + explicit(0x00100040, "CS", b"F "))

    assert header.vr(0x00091001) == "UN"
    assert header.raw(0x00091001) == b"P1"
    assert header.text(0x00100040) == "F"


def test_a_value_that_is_cut_off_ends_with_the_data() -> None:
    header = scan_explicit(NAME + explicit(PATIENT_ID, "LO", b"P1", 200))

    assert header.raw(PATIENT_ID) == b"P1"
    assert "(0010,0020) is cut off: 2 of 200 bytes are there" in header.flaws


def test_a_giant_length_is_not_believed() -> None:
    header = scan_explicit(NAME + explicit(0x00204000, "UT", b"abc", 0xFFFFFFFE))

    assert header.raw(0x00204000) == b"abc"


def test_an_item_that_runs_past_its_sequence_ends_with_it() -> None:
    broken = b"\xfe\xff\x00\xe0\xff\x00\x00\x00" + CODE
    header = scan_explicit(NAME + explicit(CONTENT_SEQUENCE, "SQ", broken) + explicit(0x0040A491, "CS", b"COMPLETE"))

    assert header.items(CONTENT_SEQUENCE)[0].text(CODE_VALUE) == "innermost"
    assert header.text(0x0040A491) == "COMPLETE"
    assert "an item runs past the end of its sequence" in header.flaws


def test_an_unclosed_sequence_ends_with_the_data() -> None:
    data = NAME + explicit(CONTENT_SEQUENCE, "SQ", b"\xfe\xff\x00\xe0\xff\xff\xff\xff" + CODE, UNDEFINED)

    header = scan_explicit(data)

    assert header.items(CONTENT_SEQUENCE)[0].text(CODE_VALUE) == "innermost"
    assert "an item is not closed" in header.flaws


def test_an_unclosed_item_ends_with_its_sequence() -> None:
    data = explicit(CONTENT_SEQUENCE, "SQ", b"\xfe\xff\x00\xe0\xff\xff\xff\xff" + CODE + SEQUENCE_END, UNDEFINED)

    header = scan_explicit(NAME + data + explicit(0x0040A491, "CS", b"COMPLETE"))

    assert header.items(CONTENT_SEQUENCE)[0].text(CODE_VALUE) == "innermost"
    assert header.text(0x0040A491) == "COMPLETE"


def test_encapsulated_pixel_data_without_an_end_run_to_the_end() -> None:
    data = make.part10(make.encapsulated([b"abcd"]), make.JPEG_BASELINE)[:-8]

    header = scan(data)

    assert header.pixel_data is not None
    assert "the pixel data have no end" in header.flaws


def test_a_bare_stream_in_place_of_fragments_ends_at_the_delimiter() -> None:
    data = NAME + explicit(PIXEL_DATA, "OB", b"\xff\xd8\xff\xd9" * 3 + SEQUENCE_END, UNDEFINED)

    header = scan(data + explicit(0xFFFCFFFC, "OB", bytes(2)), transfer_syntax_uid=make.JPEG_BASELINE)

    assert header.raw(PIXEL_DATA) == b"\xff\xd8\xff\xd9" * 3
    assert 0xFFFCFFFC in header


def test_elements_out_of_order_are_read_and_noted() -> None:
    header = scan_explicit(explicit(PATIENT_ID, "LO", b"P1") + NAME)

    assert header.text(PATIENT_NAME) == "Doe^Jane"
    assert "the elements are not in ascending order" in header.flaws


def test_a_stray_delimiter_is_passed_over() -> None:
    header = scan_explicit(NAME + b"\xfe\xff\x0d\xe0\0\0\0\0" + explicit(PATIENT_ID, "LO", b"P1"))

    assert header.text(PATIENT_ID) == "P1"


@pytest.mark.parametrize("wbits", [-15, 15])
def test_a_deflated_data_set_may_have_a_zlib_head(wbits: int) -> None:
    import zlib

    deflater = zlib.compressobj(wbits=wbits)
    deflated = deflater.compress(make.dataset_bytes(make.ct_slice())) + deflater.flush()

    header = scan(deflated, transfer_syntax_uid=make.DEFLATED)

    assert header.is_deflated
    assert header.text(PATIENT_NAME) == "Doe^Jane"


def test_a_deflated_data_set_that_is_cut_off_is_read_as_far_as_it_goes() -> None:
    ds = make.ct_slice(rows=64)
    data = make.dataset_bytes(ds, make.DEFLATED)

    header = scan(data[: len(data) * 3 // 4], transfer_syntax_uid=make.DEFLATED)

    assert header.text(PATIENT_NAME) == "Doe^Jane"
    assert "the deflated data set is cut off" in header.flaws


# -- what is refused ---------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "data",
    [
        b"",
        b"abc",
        b"\x89PNG\r\n\x1a\n" + bytes(200),
        b"%PDF-1.7\n" * 20,
        b"PK\x03\x04" + bytes(300),
        b"\xff\xd8\xff\xe0" * 40,
    ],
)
def test_what_is_not_dicom_is_refused(data: bytes) -> None:
    with pytest.raises(Refused, match="not DICOM"):
        scan(data)


def test_sequences_nested_too_deep_are_refused() -> None:
    limits = ScanLimits(depth_max=8)
    undefined = make.part10(make.nested(9, undefined=True))
    defined = scan(make.part10(make.nested(9)), limits=limits)

    with pytest.raises(Refused, match="nested more than 8 deep"):
        scan(undefined, limits=limits)
    with pytest.raises(Refused, match="nested more than 8 deep"):
        for _ in range(9):
            (defined,) = defined.items(CONTENT_SEQUENCE)


def test_sequences_nested_as_deep_as_allowed_are_read() -> None:
    for undefined in (False, True):
        level = scan(make.part10(make.nested(8, undefined=undefined)), limits=ScanLimits(depth_max=8))
        for _ in range(8):
            (level,) = level.items(CONTENT_SEQUENCE)
        assert level.text(CODE_VALUE) == "innermost"


@pytest.mark.parametrize(
    "data",
    [
        b"".join(explicit(0x00090000 + i, "LO", b"") for i in range(1, 101)),
        b"".join(implicit(0x00090000 + i, b"") for i in range(1, 101)),
        explicit(CONTENT_SEQUENCE, "SQ", item(b"", undefined=True) * 100 + SEQUENCE_END, UNDEFINED),
        explicit(PIXEL_DATA, "OB", item(b"") * 101 + SEQUENCE_END, UNDEFINED),
    ],
)
def test_too_many_elements_are_refused(data: bytes) -> None:
    syntax = make.EXPLICIT_LE if data[4:6].isalpha() else make.IMPLICIT_LE
    with pytest.raises(Refused, match="more than 99"):
        scan(data, transfer_syntax_uid=syntax, limits=ScanLimits(elements_max=99))


def test_as_many_elements_as_allowed_are_read_however_often() -> None:
    data = NAME + explicit(CONTENT_SEQUENCE, "SQ", item(CODE) * 30)
    header = scan_explicit(data, limits=ScanLimits(elements_max=100))

    for _ in range(5):
        assert len(header.items(CONTENT_SEQUENCE)) == 30


def test_a_header_that_is_too_long_is_refused_and_bulk_data_do_not_count() -> None:
    limits = ScanLimits(header_max_bytes=100_000)
    long_text = explicit(0x00204000, "UT", b" " * 60_000)
    bulk = explicit(0x00420011, "OB", bytes(200_000))

    with pytest.raises(Refused, match="longer than 100000 bytes"):
        scan_explicit(NAME + long_text + long_text[:2] + b"\x01\x40" + long_text[4:], limits=limits)
    assert 0x00420011 in scan_explicit(NAME + bulk, limits=limits)


# -- the beginning of a file -------------------------------------------------------------------------------------------


def test_the_beginning_of_a_file_will_do_when_only_pixel_data_are_missing() -> None:
    data = make.part10(make.ct_slice(rows=64))
    whole = scan(data)

    header = scan(data[:2048], total_length=len(data))

    assert header.is_complete
    assert header.pixel_data == whole.pixel_data
    assert header.flaws == []


def test_the_beginning_of_a_file_with_fragments_will_do() -> None:
    data = make.part10(make.encapsulated([bytes(5000)] * 4), make.JPEG_BASELINE)

    header = scan(data[:4096], total_length=len(data))

    assert header.is_complete
    assert header.pixel_data is not None
    assert header.pixel_data.offset + header.pixel_data.length == len(data)
    assert header.flaws == []


@pytest.mark.parametrize("at", range(400, 1000, 7))
def test_the_beginning_of_a_header_is_not_complete(at: int) -> None:
    data = make.part10(make.text_report(TextValue="x" * 600))

    header = scan(data[:at], total_length=len(data))

    assert not header.is_complete
    assert header.pixel_data is None


def test_the_beginning_of_a_deflated_file_is_not_complete() -> None:
    data = make.part10(make.ct_slice(rows=64), make.DEFLATED)

    assert not scan(data[:600], total_length=len(data)).is_complete


@pytest.mark.parametrize("path", pydicom_files(), ids=lambda path: path.name)
def test_the_beginning_of_a_real_file_says_the_same_or_that_it_is_not_complete(path: Path) -> None:
    """Elements behind pixel data are not missed: they cannot be known."""
    data = path.read_bytes()
    whole = scan(data)
    until = min((tag for tag in whole if tag in (PIXEL_DATA, 0x7FE00008, 0x7FE00009)), default=0xFFFFFFFF)

    for cut in range(len(data) // 23, len(data), len(data) // 23 + 1):
        try:
            header = scan(data[:cut], total_length=len(data))
        except Refused:
            assert cut < 132 or not whole.meta  # too short to tell that it is DICOM
            continue
        if header.is_complete and not header.is_deflated:
            assert [tag for tag in header if tag <= until] == [tag for tag in whole if tag <= until]
            for tag in header:
                if tag != until:
                    assert header.raw(tag) == whole.raw(tag)


def test_pixel_data_longer_than_the_file_are_cut_off() -> None:
    data = make.part10(make.ct_slice(rows=64))

    header = scan(data[:2048], total_length=len(data) - 10)

    assert header.pixel_data is not None
    assert header.pixel_data.offset + header.pixel_data.length == len(data) - 10
    assert any("is cut off" in flaw for flaw in header.flaws)


# -- values ------------------------------------------------------------------------------------------------------------


def test_values_are_given_as_asked_for() -> None:
    header = scan_explicit(
        explicit(0x00080005, "CS", b"\\ISO 2022 IR 87")
        + explicit(0x00080008, "CS", b"A \\ B\\")
        + explicit(PATIENT_NAME, "PN", "Yamada^Tarou=山田^太郎".encode("iso2022_jp"))
        + explicit(0x00181063, "DS", b" 1.5e1 ")
        + explicit(0x00200013, "IS", b" 12 ")
        + explicit(0x00280009, "AT", b"\x18\0\x63\x10")
        + explicit(0x00280010, "US", b"\x02\0\x03\0")
    )

    assert header.texts(0x00080008) == ["A", "B", ""]
    assert header.text(PATIENT_NAME) == "Yamada^Tarou=山田^太郎"
    assert header.number(0x00181063) == 15.0
    assert header.integer(0x00200013) == 12
    assert header.texts(0x00280009) == ["00181063"]
    assert header.texts(0x00280010) == ["2", "3"]
    assert header.integer(0x00280010) == 2


@pytest.mark.parametrize("value", [b"", b"  ", b"\0\0", b"abc ", b"inf ", b"nan "])
def test_what_is_no_number_is_none(value: bytes) -> None:
    assert scan_explicit(NAME + explicit(0x00200013, "IS", value)).integer(0x00200013) is None


def test_absent_and_empty_are_none() -> None:
    header = scan_explicit(NAME + explicit(PATIENT_ID, "LO", b""))

    assert header.text(PATIENT_ID) is None
    assert header.texts(PATIENT_ID) == []
    assert header.raw(PATIENT_ID) == b""
    assert header.text(0x00100030) is None
    assert header.raw(0x00100030) is None
    assert header.element(0x00100030) is None
    assert header.items(0x00100030) == []
    assert header.vr(0x00100030) is None


def test_an_item_inherits_the_character_set_and_may_have_its_own() -> None:
    """PS3.5 7.5.3."""
    greek = explicit(0x00080005, "CS", b"ISO_IR 126") + explicit(0x00080104, "LO", "Διονυσιος".encode("iso8859_7"))
    cyrillic = explicit(0x00080104, "LO", "Люк".encode("iso8859_5"))
    data = explicit(0x00080005, "CS", b"ISO_IR 144") + explicit(CONTENT_SEQUENCE, "SQ", item(greek) + item(cyrillic))

    first, second = scan_explicit(data).items(CONTENT_SEQUENCE)

    assert first.text(0x00080104) == "Διονυσιος"
    assert second.text(0x00080104) == "Люк"
    assert second.specific_character_set == ["ISO_IR 144"]


def test_private_tags_in_implicit_vr_have_the_vr_of_their_vendor() -> None:
    data = implicit(0x00090010, b"GEMS_IDEN_01") + implicit(0x00091004, b"LIGHTSPEED") + implicit(0x000910FF, b"ab")

    header = scan(implicit(0x00080005, b"") + data, transfer_syntax_uid=make.IMPLICIT_LE)

    assert header.vr(0x00090010) == "LO"
    assert header.vr(0x00091004) == "SH"
    assert header.vr(0x000910FF) == "UN"


@pytest.mark.parametrize(("representation", "vr"), [(b"\0\0", "US"), (b"\1\0", "SS")])
def test_us_or_ss_follows_pixel_representation_of_the_level_or_above(representation: bytes, vr: str) -> None:
    lut = implicit(0x00283010, item(implicit(0x00283002, b"\x00\x01\xff\xff\x10\x00")))
    data = implicit(0x00280103, representation) + implicit(0x00280106, b"\xff\xff") + lut

    header = scan(implicit(0x00080005, b"") + data, transfer_syntax_uid=make.IMPLICIT_LE)

    assert header.vr(0x00280106) == vr
    assert header.items(0x00283010)[0].vr(0x00283002) == vr


def test_flaws_are_bounded() -> None:
    header = scan_explicit(NAME + b"".join(implicit(0x00110000 + i, b"ab") for i in range(1000, 3000)))

    assert len(header.flaws) <= 60
