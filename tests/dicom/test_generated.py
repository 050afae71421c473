"""Data sets made at random and written by pydicom are read as they were made, in every native transfer syntax."""

from __future__ import annotations

from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st
from pydicom import DataElement, Dataset, Sequence

import make
from filmless.dicom.encode import decode, encode
from filmless.dicom.json import to_json
from filmless.dicom.scanner import scan

words = st.text(
    st.characters(codec="utf-8", exclude_characters="\\^=\r\n\t\f\x1b\0", exclude_categories=["C"]), max_size=12
)
trimmed = words.map(str.strip).filter(bool)
VALUES: dict[str, st.SearchStrategy[Any]] = {
    "CS": st.text("ABC_ 1", max_size=16).map(str.strip).filter(bool),
    "UI": st.from_regex(r"[1-9]\.[1-9][0-9]{0,8}", fullmatch=True),
    "LO": trimmed,
    "SH": trimmed,
    "IS": st.integers(-(2**31), 2**31 - 1),
    "US": st.integers(0, 65535),
    "SS": st.integers(-32768, 32767),
    "UL": st.integers(0, 2**32 - 1),
    "SL": st.integers(-(2**31), 2**31 - 1),
    "SV": st.integers(-(2**63), 2**63 - 1),
    "UV": st.integers(0, 2**64 - 1),
    "FD": st.floats(allow_nan=False, allow_infinity=False),
    "FL": st.floats(allow_nan=False, allow_infinity=False, width=32),
    "AT": st.integers(0, 2**32 - 1),
}


@st.composite
def elements(draw: st.DrawFn, depth: int) -> dict[int, tuple[str, Any]]:
    """Private elements of one block: {tag: (VR, values)}."""
    out: dict[int, tuple[str, Any]] = {}
    for tag in draw(st.lists(st.integers(0x00111000, 0x001110FF), max_size=6, unique=True)):
        vr = draw(st.sampled_from((*VALUES, "OB", "UT", *(("SQ",) if depth else ()))))
        if vr == "SQ":
            out[tag] = vr, (draw(st.booleans()), draw(st.lists(elements(depth - 1), max_size=3)))
        elif vr == "OB":
            out[tag] = vr, draw(st.binary(max_size=20).filter(lambda value: len(value) % 2 == 0))
        elif vr == "UT":
            out[tag] = vr, draw(words.map(str.strip))
        else:
            out[tag] = vr, draw(st.lists(VALUES[vr], max_size=4))
    return out


def dataset_of(made: dict[int, tuple[str, Any]]) -> Dataset:
    ds = Dataset()
    for tag, (vr, value) in made.items():
        if vr == "SQ":
            is_undefined, items = value
            inner = [dataset_of(item) for item in items]
            for item in inner:
                item.is_undefined_length_sequence_item = is_undefined
            element = DataElement(tag, vr, Sequence(inner))
            element.is_undefined_length = is_undefined
            ds.add(element)
        else:
            ds.add_new(tag, vr, value)
    return ds


def json_of(made: dict[int, tuple[str, Any]]) -> dict[str, Any]:
    """What the DICOM JSON of it must be."""
    import base64

    out: dict[str, Any] = {}
    for tag, (vr, value) in sorted(made.items()):
        attribute: dict[str, Any] = {"vr": vr}
        if vr == "SQ":
            attribute["Value"] = [json_of(item) for item in value[1]]
        elif vr == "OB" and value:
            attribute["InlineBinary"] = base64.b64encode(value).decode()
        elif vr == "UT" and value:
            attribute["Value"] = [value]
        elif vr == "AT" and value:
            attribute["Value"] = [f"{number:08X}" for number in value]
        elif value:
            attribute["Value"] = value
        out[f"{tag:08X}"] = attribute
    return out


@settings(max_examples=120, deadline=None)
@given(made=elements(3), syntax=st.sampled_from((make.EXPLICIT_LE, make.EXPLICIT_BE, make.DEFLATED)))
def test_what_was_made_is_what_is_read(made: dict[int, tuple[str, Any]], syntax: str) -> None:
    ds = dataset_of(made)
    ds.SpecificCharacterSet = "ISO_IR 192"
    expected = {"00080005": {"vr": "CS", "Value": ["ISO_IR 192"]}} | json_of(made)

    header = scan(make.part10(ds, syntax))

    assert to_json(header, bulk_uri=None, inline_max=None) == expected
    assert header.flaws == []
    assert decode(encode(expected, syntax), syntax) == expected
