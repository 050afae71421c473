"""DICOM JSON against pydicom's, for every real file, and where the standard says otherwise (PS3.18 annex F)."""

from __future__ import annotations

import io
import math
from pathlib import Path
from typing import Any

import orjson
import pydicom
import pytest

import make
from filmless.dicom.json import find_element, find_level, little_endian_value, swap_words, to_json
from filmless.dicom.scanner import ScanLimits, scan
from filmless.errors import NotFound, Refused
from make import element as explicit
from make import implicit_element as implicit
from make import item
from real_files import real_files

# This file is cut off inside its pixel data; pydicom then gives no elements at all.
CUT_OFF = "emri_small_jpeg_2k_lossless_too_short.dcm"
INLINE_MAX = 1024


def json_by_pydicom(ds: pydicom.Dataset, *, is_top: bool = True) -> dict[str, Any]:
    """pydicom's JSON, brought to the letter of the standard where `filmless.dicom.json` says that it differs.

    Elements for which pydicom raises, because a value does not suit its VR, have the value "error".
    """
    out: dict[str, Any] = {}
    for tag in sorted(ds.keys()):
        if tag.element == 0:
            continue
        name = f"{tag:08X}"
        is_pixel_data = is_top and tag in (0x7FE00010, 0x7FE00008, 0x7FE00009)
        try:
            element = ds[tag]
            if element.VR == "SQ":
                out[name] = {"vr": "SQ", "Value": [json_by_pydicom(inner, is_top=False) for inner in element.value]}
                continue
            attribute = element.to_json_dict(lambda _: "bulk", 0 if is_pixel_data else -(-INLINE_MAX // 3) * 4)
        except Exception:
            out[name] = "error"
            continue
        if attribute["vr"] == "PN":
            groups = [{group: text for group, text in value.items() if text} for value in attribute.get("Value", [])]
            attribute |= {"Value": [value or None for value in groups]} if groups else {}
        elif "Value" in attribute:
            attribute["Value"] = [None if value == "" else _standard(value) for value in attribute["Value"]]
        out[name] = attribute
    return out


def _standard(value: Any) -> Any:
    if isinstance(value, float) and not math.isfinite(value):
        return "NaN" if math.isnan(value) else "inf" if value > 0 else "-inf"
    return value


def without(ours: dict[str, Any], theirs: dict[str, Any]) -> dict[str, Any]:
    """Our JSON with bulk addresses made equal, and "error" where pydicom gave up."""
    out = {}
    for name, attribute in ours.items():
        if theirs.get(name) == "error":
            out[name] = "error"
        elif "BulkDataURI" in attribute:
            out[name] = {"vr": attribute["vr"], "BulkDataURI": "bulk"}
        elif attribute["vr"] == "SQ":
            others = theirs.get(name, {}).get("Value", [])
            items = [without(a, b) for a, b in zip(attribute["Value"], others, strict=True)]
            out[name] = {"vr": "SQ", "Value": items}
        else:
            out[name] = attribute
    return out


@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize(
    "path", [path for path in real_files() if not path.name.endswith(CUT_OFF)], ids=lambda path: path.name
)
def test_the_json_of_real_files_is_that_of_pydicom(path: Path) -> None:
    data = path.read_bytes()
    theirs = json_by_pydicom(pydicom.dcmread(io.BytesIO(data), force=True))
    header = scan(data)

    ours = to_json(header, bulk_uri="/bulk", inline_max=INLINE_MAX)

    if not header.is_little_endian:  # F.2.7: ours are turned round
        words = [name for name, attribute in ours.items() if attribute["vr"] == "OW" and "InlineBinary" in attribute]
        for name in words:
            ours[name] = theirs[name] = "words"  # type: ignore[assignment]
        ours = {name: attribute for name, attribute in ours.items() if name not in words}
        theirs = {name: attribute for name, attribute in theirs.items() if name not in words}
    assert without(ours, theirs) == theirs
    assert orjson.loads(orjson.dumps(ours)) == ours


@pytest.mark.parametrize("path", real_files()[:80], ids=lambda path: path.name)
def test_every_bulk_data_uri_leads_to_its_element(path: Path) -> None:
    header = scan(path.read_bytes())
    waiting = [to_json(header, bulk_uri="", inline_max=10)]

    while waiting:
        for name, attribute in waiting.pop().items():
            if "BulkDataURI" in attribute:
                element = find_element(header, attribute["BulkDataURI"])
                assert f"{element.tag:08X}" == name
                assert element.length > 10 or name.startswith("7FE0")
            elif attribute["vr"] == "SQ":
                waiting += attribute["Value"]


def to_json_of(*elements: bytes, **options: Any) -> dict[str, Any]:
    header = scan(b"".join(elements), transfer_syntax_uid=make.EXPLICIT_LE)
    return to_json(header, **{"bulk_uri": "/b"} | options)


# -- where the standard says otherwise than pydicom --------------------------------------------------------------------


def test_group_lengths_are_left_out() -> None:
    """F.2.2."""
    assert list(to_json_of(explicit(0x00080000, "UL", bytes(4)), explicit(0x00080005, "CS", b""))) == ["00080005"]


def test_attributes_are_in_ascending_order() -> None:
    """F.2.2."""
    out = to_json_of(explicit(0x00100020, "LO", b"P1"), explicit(0x00100010, "PN", b"A "))

    assert list(out) == ["00100010", "00100020"]


@pytest.mark.parametrize(
    ("vr", "value", "expected"),
    [
        ("CS", b"A\\\\B\\ ", ["A", None, "B", None]),
        ("LO", b"A\\\\B ", ["A", None, "B"]),
        ("PN", b"A^B\\\\C ", [{"Alphabetic": "A^B"}, None, {"Alphabetic": "C"}]),
        ("DS", b"1\\\\2.5", [1.0, None, 2.5]),
        ("IS", b"1\\\\2 ", [1, None, 2]),
        ("UI", b"1.2\\\\1.3\0", ["1.2", None, "1.3"]),
        ("AE", b" A \\\\B", ["A", None, "B"]),
    ],
)
def test_an_empty_value_among_several_is_null(vr: str, value: bytes, expected: list[Any]) -> None:
    """F.2.5."""
    assert to_json_of(explicit(0x00091001, vr, value))["00091001"] == {"vr": vr, "Value": expected}


def test_empty_component_groups_are_left_out() -> None:
    """F.2.2: non-empty name components are encoded."""
    out = to_json_of(explicit(0x00100010, "PN", b"=Ideo==x"))

    assert out["00100010"]["Value"] == [{"Ideographic": "Ideo"}]


@pytest.mark.parametrize(
    ("vr", "value", "expected"),
    [
        ("DS", b"P1: ", ["P1:"]),
        ("DS", b"1_0 ", ["1_0"]),
        ("DS", b"1e999 ", ["1e999"]),
        ("DS", b"nan ", ["nan"]),
        ("IS", b"1A", ["1A"]),
        ("IS", b"1.5 ", ["1.5"]),
        ("IS", b"1.0 ", [1]),
        ("IS", b"+7", [7]),
        ("DS", b" 1.50 ", [1.5]),
        ("DS", b"1.5\0", [1.5]),
    ],
)
def test_numbers_that_is_and_ds_cannot_hold_are_strings(vr: str, value: bytes, expected: list[Any]) -> None:
    """F.2.3."""
    assert to_json_of(explicit(0x00091001, vr, value))["00091001"]["Value"] == expected


def test_infinities_and_nan_are_strings_because_json_has_none() -> None:
    values = b"\0\0\x80\x7f" + b"\0\0\x80\xff" + b"\0\0\xc0\x7f" + b"\0\0\x80\x3f"

    assert to_json_of(explicit(0x00091001, "FL", values))["00091001"]["Value"] == ["inf", "-inf", "NaN", 1.0]
    assert to_json_of(explicit(0x00091001, "FL", values[:4]))["00091001"]["Value"] == ["inf"]


@pytest.mark.parametrize("vr", ["US", "UL", "FL", "FD", "SL", "SS"])
def test_a_value_that_does_not_suit_its_vr_is_un(vr: str) -> None:
    assert to_json_of(explicit(0x00091001, vr, b"abc"))["00091001"] == {"vr": "UN", "InlineBinary": "YWJj"}


def test_words_of_a_big_endian_data_set_are_turned_round() -> None:
    """F.2.7."""
    ds = make.multi_frame(1, rows=2)
    little, big = (scan(make.part10(ds, syntax)) for syntax in (make.EXPLICIT_LE, make.EXPLICIT_BE))

    assert big.raw(0x7FE00010) != little.raw(0x7FE00010)
    assert to_json(big, bulk_uri=None, inline_max=None, skip_pixel_data=False) == to_json(
        little, bulk_uri=None, inline_max=None, skip_pixel_data=False
    )
    assert big.pixel_data is not None
    assert little_endian_value(big, big.pixel_data) == ds.PixelData


def test_words_are_turned_round_by_their_size() -> None:
    assert swap_words(b"abcdefgh", 2) == b"badcfehg"
    assert swap_words(b"abcdefgh", 4) == b"dcbahgfe"
    assert swap_words(b"abcdefgh", 8) == b"hgfedcba"
    assert swap_words(b"abcde", 2) == b"badce"


# -- bulk data ---------------------------------------------------------------------------------------------------------


def test_long_binary_values_have_a_bulk_data_uri_and_short_ones_are_inline() -> None:
    out = to_json_of(explicit(0x00091001, "OB", bytes(1024)), explicit(0x00091002, "UN", bytes(1026)))

    assert "InlineBinary" in out["00091001"]
    assert out["00091002"] == {"vr": "UN", "BulkDataURI": "/b/00091002"}


def test_pixel_data_have_a_bulk_data_uri_however_short() -> None:
    assert to_json_of(explicit(0x7FE00010, "OW", bytes(2))) == {"7FE00010": {"vr": "OW", "BulkDataURI": "/b/7FE00010"}}


def test_bulk_data_in_a_sequence_have_a_path() -> None:
    waveform = explicit(0x54000100, "SQ", item(b"") + item(explicit(0x54001010, "OW", bytes(2000))))

    out = to_json_of(explicit(0x00080005, "CS", b""), waveform)

    assert out["54000100"]["Value"][1]["54001010"] == {"vr": "OW", "BulkDataURI": "/b/54000100/1/54001010"}


def test_without_an_address_bulk_data_are_left_out() -> None:
    assert to_json_of(explicit(0x00080005, "CS", b""), explicit(0x7FE00010, "OW", bytes(2)), bulk_uri=None) == {
        "00080005": {"vr": "CS"}
    }


def test_a_path_leads_into_sequences() -> None:
    inner = explicit(0x54001010, "OW", b"abcd")
    header = scan(
        explicit(0x00080005, "CS", b"") + explicit(0x54000100, "SQ", item(b"") + item(inner)),
        transfer_syntax_uid=make.EXPLICIT_LE,
    )

    level, element = find_level(header, "54000100/1/54001010")

    assert level.value(element) == b"abcd"


@pytest.mark.parametrize("path", ["7FE00010", "54000100/2/54001010", "54000100/0/54001010", "00080005/0/00080005"])
def test_a_path_to_nowhere_is_not_found(path: str) -> None:
    header = scan(
        explicit(0x00080005, "CS", b"") + explicit(0x54000100, "SQ", item(b"")), transfer_syntax_uid=make.EXPLICIT_LE
    )

    with pytest.raises(NotFound):
        find_element(header, path)


@pytest.mark.parametrize("path", ["", "x", "7FE0001", "54000100/1", "54000100/-1/54001010", "54000100/x/54001010"])
def test_what_is_no_path_is_refused(path: str) -> None:
    header = scan(explicit(0x00080005, "CS", b""), transfer_syntax_uid=make.EXPLICIT_LE)

    with pytest.raises(Refused):
        find_element(header, path)


# -- structure ---------------------------------------------------------------------------------------------------------


def test_empty_sequences_and_empty_items_stay() -> None:
    out = to_json_of(
        explicit(0x00080005, "CS", b""), explicit(0x0040A730, "SQ", b""), explicit(0x0040A731, "SQ", item(b""))
    )

    assert out["0040A730"] == {"vr": "SQ", "Value": []}
    assert out["0040A731"] == {"vr": "SQ", "Value": [{}]}


def test_the_deepest_nesting_allowed_is_written() -> None:
    for undefined in (False, True):
        level = to_json(scan(make.part10(make.nested(64, undefined=undefined))), bulk_uri=None)
        for _ in range(64):
            (level,) = level["0040A730"]["Value"]
        assert level["00080100"]["Value"] == ["innermost"]


def test_nesting_beyond_the_limit_is_refused() -> None:
    header = scan(make.part10(make.nested(12)), limits=ScanLimits(depth_max=11))

    with pytest.raises(Refused, match="nested more than 11 deep"):
        to_json(header, bulk_uri=None)


def test_a_lookup_table_of_65536_entries_has_a_count_that_is_not_negative() -> None:
    implicit_data = implicit(0x00280103, b"\1\0") + implicit(0x00281101, b"\x00\xff\x00\x80\x10\x00")
    header = scan(implicit(0x00080005, b"") + implicit_data, transfer_syntax_uid=make.IMPLICIT_LE)

    out = to_json(header, bulk_uri=None)

    assert out["00281101"]["Value"][0] == 0xFF00
