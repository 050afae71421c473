"""What we write, read by pydicom; what pydicom writes, read and written again to the same bytes."""

from __future__ import annotations

import io
from pathlib import Path
from typing import Any

import pydicom
import pytest

import make
from filmless.dicom.encode import decode, encode, format_decimal
from filmless.dicom.json import to_json
from filmless.dicom.part10 import preamble_and_meta
from filmless.dicom.scanner import scan
from filmless.errors import Refused
from real_files import real_files

PLAIN = (make.IMPLICIT_LE, make.EXPLICIT_LE, make.EXPLICIT_BE)


def read_by_pydicom(data: bytes, transfer_syntax: str) -> pydicom.Dataset:
    return pydicom.dcmread(io.BytesIO(preamble_and_meta(make.CT, "1.2.3", transfer_syntax) + data))


def everything(data: bytes) -> dict[str, Any]:
    return to_json(scan(data), bulk_uri=None, inline_max=None, skip_pixel_data=False)


@pytest.mark.parametrize("transfer_syntax", PLAIN)
@pytest.mark.parametrize(
    "ds", [make.ct_slice(), make.text_report(), make.color(2), make.segmentation(), make.nested(8)]
)
def test_what_pydicom_wrote_is_written_to_the_same_bytes(ds: pydicom.Dataset, transfer_syntax: str) -> None:
    dataset = everything(make.part10(ds, transfer_syntax))

    assert encode(dataset, transfer_syntax) == make.dataset_bytes(ds, transfer_syntax)


@pytest.mark.parametrize("transfer_syntax", make.NATIVE)
def test_what_was_encoded_is_decoded_as_it_was(transfer_syntax: str) -> None:
    dataset = everything(make.part10(make.ct_slice()))

    assert decode(encode(dataset, transfer_syntax), transfer_syntax) == dataset


@pytest.mark.parametrize("ds", [make.encapsulated([b"abcd", b"ef"]), make.encapsulated([b"abcd"], offsets="extended")])
def test_encapsulated_pixel_data_are_written_to_the_same_bytes(ds: pydicom.Dataset) -> None:
    dataset = everything(make.part10(ds, make.JPEG_BASELINE))

    assert encode(dataset, make.JPEG_BASELINE) == make.dataset_bytes(ds, make.JPEG_BASELINE)


# These two hold a value of odd length, which is padded when written.
ODD = ("meta_missing_tsyntax.dcm", "nested_priv_SQ.dcm")
SMALL = [path for path in real_files() if path.stat().st_size < 100_000 and not path.name.endswith(ODD)]


@pytest.mark.parametrize("path", SMALL, ids=lambda path: path.name)
def test_the_json_of_real_files_survives_encoding(path: Path) -> None:
    header = scan(path.read_bytes())
    dataset = to_json(header, bulk_uri=None)
    if "00080005" in dataset:
        dataset["00080005"] = {"vr": "CS", "Value": ["ISO_IR 192"]}

    again = decode(encode(dataset, make.EXPLICIT_LE), make.EXPLICIT_LE)

    if "00080005" not in dataset:
        again.pop("00080005", None)
    assert without_character_sets(again) == without_character_sets(dataset)


def without_character_sets(dataset: dict[str, Any]) -> dict[str, Any]:
    """Items lose their own character set, because all text is written in ours; numbers in IS become integers."""
    return {
        tag: attribute | {"Value": [without_character_sets(item) for item in attribute["Value"]]}
        if attribute["vr"] == "SQ"
        else attribute
        for tag, attribute in dataset.items()
        if tag != "00080005"
    }


@pytest.mark.parametrize("transfer_syntax", make.NATIVE)
def test_each_vr_is_read_by_pydicom_as_meant(transfer_syntax: str) -> None:
    dataset = {
        "00080005": {"vr": "CS", "Value": ["ISO_IR 192"]},
        "00080008": {"vr": "CS", "Value": ["ORIGINAL", "PRIMARY"]},
        "00080018": {"vr": "UI", "Value": ["1.2.3"]},
        "00080020": {"vr": "DA", "Value": ["20240102"]},
        "00080119": {"vr": "UC", "Value": ["äö"]},
        "00081190": {"vr": "UR", "Value": ["http://x"]},
        "00100010": {"vr": "PN", "Value": [{"Alphabetic": "Ä^B", "Phonetic": "p"}]},
        "00101010": {"vr": "AS", "Value": ["030Y"]},
        "00180050": {"vr": "DS", "Value": [1.5, None, 0.1]},
        "00189073": {"vr": "FD", "Value": [0.1]},
        "0018605A": {"vr": "FL", "Value": [0.5]},
        "00200013": {"vr": "IS", "Value": [7]},
        "00280009": {"vr": "AT", "Value": ["00181063"]},
        "00280010": {"vr": "US", "Value": [512]},
        "00186020": {"vr": "SL", "Value": [-5]},
        "0018602C": {"vr": "FD", "Value": [2]},
        "0040A730": {"vr": "SQ", "Value": [{"00080100": {"vr": "SH", "Value": ["code"]}}, {}]},
        "00420011": {"vr": "OB", "InlineBinary": "YWJj"},
    }

    ds = read_by_pydicom(encode(dataset, transfer_syntax), transfer_syntax)

    assert ds.ImageType == ["ORIGINAL", "PRIMARY"]
    assert ds.SOPInstanceUID == "1.2.3"
    assert ds.LongCodeValue == "äö" if "LongCodeValue" in ds else True
    assert ds.PatientName == "Ä^B==p"
    assert [str(value) for value in ds.SliceThickness] == ["1.5", "", "0.1"]
    assert ds.InstanceNumber == 7
    assert ds.FrameIncrementPointer == 0x00181063
    assert ds.Rows == 512
    assert ds.ReferencePixelX0 == -5
    assert ds.ContentSequence[0].CodeValue == "code"
    assert len(ds.ContentSequence) == 2
    assert ds.EncapsulatedDocument == b"abc\0"


def test_elements_are_written_in_ascending_order_and_padded() -> None:
    data = encode(
        {"00100020": {"vr": "LO", "Value": ["P"]}, "00080018": {"vr": "UI", "Value": ["1"]}}, make.EXPLICIT_LE
    )

    assert data == make.element(0x00080018, "UI", b"1\0") + make.element(0x00100020, "LO", b"P ")


def test_a_missing_vr_is_that_of_the_dictionary() -> None:
    assert encode({"00100020": {"Value": ["P1"]}}, make.EXPLICIT_LE) == make.element(0x00100020, "LO", b"P1")


def test_empty_values_have_no_length() -> None:
    dataset = {
        "00100010": {"vr": "PN"},
        "00100020": {"vr": "LO", "Value": []},
        "00100030": {"vr": "DA", "Value": [None]},
    }

    assert decode(encode(dataset, make.EXPLICIT_LE), make.EXPLICIT_LE) == {
        "00100010": {"vr": "PN"},
        "00100020": {"vr": "LO"},
        "00100030": {"vr": "DA"},
    }


def test_a_value_too_long_for_its_vr_is_written_as_un() -> None:
    """PS3.5 6.2.2."""
    data = encode({"00081030": {"vr": "LO", "Value": ["x" * 70_000]}}, make.EXPLICIT_LE)

    assert data[4:6] == b"UN"
    assert scan(data, transfer_syntax_uid=make.EXPLICIT_LE).raw(0x00081030) == b"x" * 70_000


def test_what_is_no_part_of_a_data_set_is_left_out() -> None:
    dataset = {"00020010": {"vr": "UI", "Value": ["1.2"]}, "00080000": {"vr": "UL", "Value": [4]}}

    assert encode(dataset, make.EXPLICIT_LE) == b""


@pytest.mark.parametrize(
    ("character_set", "expected"),
    [
        ("ISO_IR 192", "山田^太郎".encode()),
        ("GB18030", "山田^太郎".encode("gb18030")),
        ("\\ISO 2022 IR 87", b"\x1b$B;3ED\x1b(B^\x1b$BB@O:\x1b(B"),
    ],
)
def test_text_is_written_in_the_character_set_asked_for(character_set: str, expected: bytes) -> None:
    dataset = {"00100010": {"vr": "PN", "Value": [{"Alphabetic": "A", "Ideographic": "山田^太郎"}]}}

    header = scan(encode(dataset, make.EXPLICIT_LE, character_set=character_set), transfer_syntax_uid=make.EXPLICIT_LE)

    assert (header.raw(0x00100010) or b"").rstrip() == b"A=" + expected
    assert "\\".join(header.specific_character_set) == character_set
    assert header.text(0x00100010) == "A=山田^太郎"


def test_a_character_set_is_declared_only_when_there_is_need() -> None:
    ascii_only = {"00100020": {"vr": "LO", "Value": ["P1"]}}
    nested = {"0040A730": {"vr": "SQ", "Value": [{"00080104": {"vr": "LO", "Value": ["ä"]}}]}}

    assert "00080005" not in decode(encode(ascii_only, make.EXPLICIT_LE), make.EXPLICIT_LE)
    assert decode(encode(nested, make.EXPLICIT_LE), make.EXPLICIT_LE)["00080005"]["Value"] == ["ISO_IR 192"]


def test_a_bulk_data_uri_is_followed_when_somebody_can() -> None:
    dataset = {"7FE00010": {"vr": "OW", "BulkDataURI": "http://x/1"}}

    data = encode(dataset, make.EXPLICIT_BE, read_bulk={"http://x/1": b"abcd"}.__getitem__)

    assert scan(data, transfer_syntax_uid=make.EXPLICIT_BE).raw(0x7FE00010) == b"badc"
    with pytest.raises(Refused, match=r"\(7FE0,0010\) is given by a BulkDataURI"):
        encode(dataset, make.EXPLICIT_LE)


@pytest.mark.parametrize(
    ("attribute", "message"),
    [
        ("text", "is not an object"),
        ({"vr": "XX", "Value": ["a"]}, "unknown VR"),
        ({"vr": "US", "Value": [70000]}, "does not suit the VR US"),
        ({"vr": "US", "Value": ["x"]}, "does not suit the VR US"),
        ({"vr": "SQ", "Value": ["x"]}, "an item is not an object"),
        ({"vr": "LO", "Value": "x"}, "Value is not a list"),
        ({"vr": "LO", "Value": [{}]}, "does not suit the VR LO"),
        ({"vr": "OB", "Value": [1]}, "wants InlineBinary"),
        ({"vr": "OB", "InlineBinary": "?"}, "is not base64"),
        ({"vr": "AT", "Value": ["123"]}, "is not a tag"),
        ({"vr": "DS", "Value": [float("nan")]}, "DS cannot hold nan"),
    ],
)
def test_what_cannot_be_written_is_refused_by_name(attribute: Any, message: str) -> None:
    with pytest.raises(Refused, match=message):
        encode({"00091001": attribute}, make.EXPLICIT_LE)


def test_nesting_beyond_the_limit_is_refused() -> None:
    dataset: dict[str, Any] = {}
    for _ in range(70):
        dataset = {"0040A730": {"vr": "SQ", "Value": [dataset]}}

    with pytest.raises(Refused, match="nested more than 64 deep"):
        encode(dataset, make.EXPLICIT_LE)


@pytest.mark.parametrize(
    ("number", "text"),
    [
        (1.0, "1"),
        (0.1, "0.1"),
        (-1024, "-1024"),
        (1 / 3, "0.33333333333333"),
        (-1 / 3, "-0.3333333333333"),
        (1.5e300, "1.5e+300"),
        (-1.23456789012345e-300, "-1.2345678901e-300"),
        (123456789012345678, "1.2345678901e+17"),
        (0.000012345678901234567, "1.2345678901e-05"),
    ],
)
def test_a_decimal_string_has_at_most_16_characters(number: float, text: str) -> None:
    formatted = format_decimal(number)

    assert len(formatted) <= 16
    assert float(formatted) == pytest.approx(number, rel=1e-9)
    assert formatted[:6] == text[:6]


def test_an_identifier_of_a_query_is_decoded() -> None:
    data = make.identifier(QueryRetrieveLevel="STUDY", PatientName="DOE*", StudyDate=None)

    assert decode(data, make.IMPLICIT_LE) == {
        "00080020": {"vr": "DA"},
        "00080052": {"vr": "CS", "Value": ["STUDY"]},
        "00100010": {"vr": "PN", "Value": [{"Alphabetic": "DOE*"}]},
    }
    assert decode(b"", make.IMPLICIT_LE) == {}


@pytest.mark.parametrize(
    "data",
    [
        pytest.param(b"\xff" * 7, id="no element"),
        pytest.param(b"\x10\x00\x20\x00LO\x08\x00AB", id="half a value"),
        pytest.param(b"\x10\x00\x20\x00LO\x02\x00AB\x10\x00", id="half an element"),
        pytest.param(b"\x08\x00\x11\x11SQ\x00\x00\xff\xff\xff\xff\xfe\xff\x00\xe0\xff\xff\xff\xff", id="an open item"),
    ],
)
def test_a_request_that_is_cut_off_is_refused_and_not_widened(data: bytes) -> None:
    with pytest.raises(Refused, match="cut off"):
        decode(data, "1.2.840.10008.1.2.1")
