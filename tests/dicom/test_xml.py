"""The Native DICOM Model (PS3.19 A.1) against DCMTK's, and back again; what a stranger's XML cannot do."""

from __future__ import annotations

import math
import shutil
import subprocess
from pathlib import Path
from typing import Any
from xml.etree import ElementTree

import pytest
from lxml import etree

import make
from filmless.dicom.encode import decode, encode
from filmless.dicom.json import to_json
from filmless.dicom.scanner import scan
from filmless.dicom.xml import NAMESPACE, from_xml, to_xml
from filmless.errors import Refused
from real_files import pydicom_files

_NS = f"{{{NAMESPACE}}}"
_DCM2XML = shutil.which("dcm2xml")


def native(text: bytes) -> ElementTree.Element:
    return ElementTree.fromstring(text.replace(b' xmlns="' + NAMESPACE.encode() + b'"', b""))


def plain(value: str, vr: str) -> Any:
    """A value as it compares: numbers by what they are, texts without padding."""
    value = value.strip(" \0")
    if vr in {"DS", "IS", "FL", "FD", "SL", "SS", "UL", "US", "SV", "UV"}:
        try:
            number = float(value)
        except ValueError:
            return value
        return float(f"{number:.6g}") if math.isfinite(number) else value
    return value


def parts_of(name: ElementTree.Element) -> dict[str, str]:
    return {f"{group.tag}.{part.tag}": part.text.strip() for group in name for part in group if part.text}


def content(level: ElementTree.Element) -> dict[tuple[str, str], Any]:
    """Attributes of a level by tag and private creator."""
    found: dict[tuple[str, str], Any] = {}
    for attribute in level:
        vr = attribute.attrib["vr"]
        key = (attribute.attrib["tag"].upper(), attribute.attrib.get("privateCreator", ""))
        if key[0].startswith("0002") or key[0].endswith("0000") or key[0].startswith("FFFC"):
            continue
        if attribute.find("BulkData") is not None or attribute.find("InlineBinary") is not None:
            found[key] = "bytes"
        elif vr == "SQ":
            found[key] = [content(item) for item in attribute.findall("Item")]
        elif vr == "PN":
            # dcm2xml 3.6.7 repeats groups of the first name in the names that follow.
            names = attribute.findall("PersonName")[:1]
            found[key] = [
                {part.tag: (part.text or "").strip() for part in name.iter() if (part.text or "").strip()}
                for name in names
            ]
        else:
            values = [plain(value.text or "", vr) for value in attribute.findall("Value")]
            while values and values[-1] == "":
                values.pop()
            found[key] = values
        if found[key] in ([], [{}]):
            del found[key]  # an empty attribute may have been left out
    return found


@pytest.mark.skipif(_DCM2XML is None, reason="DCMTK is not installed")
def test_the_model_of_real_files_is_that_of_dcmtk() -> None:
    compared = 0
    for path in [path for path in pydicom_files() if path.stat().st_size < 1 << 20][::2]:
        done = subprocess.run([str(_DCM2XML), "--native-format", path], capture_output=True, check=False)
        if done.returncode or done.stderr:
            continue
        ours = content(native(to_xml(to_json(scan(path.read_bytes()), bulk_uri="bulk"))))
        assert ours == content(native(done.stdout)), path.name
        compared += 1
    assert compared > 20


def without_empty_components(dataset: dict[str, Any]) -> dict[str, Any]:
    """Take the delimiters off the ends of names: XML does not keep them, and PS3.5 6.2 says that they mean nothing."""
    for attribute in dataset.values():
        if attribute["vr"] == "SQ":
            attribute["Value"] = [without_empty_components(item) for item in attribute["Value"]]
        elif attribute["vr"] == "PN" and "Value" in attribute:
            names = [{group: text.rstrip("^") for group, text in (name or {}).items()} for name in attribute["Value"]]
            attribute["Value"] = [{group: text for group, text in name.items() if text} or None for name in names]
    return dataset


@pytest.mark.parametrize("path", pydicom_files()[::3], ids=lambda path: path.name)
def test_a_data_set_is_the_same_after_a_way_through_xml(path: Path) -> None:
    dataset = without_empty_components(to_json(scan(path.read_bytes()), bulk_uri="bulk"))
    again = from_xml(to_xml(dataset))
    encoded = [encode(one, make.EXPLICIT_LE, read_bulk=lambda uri: uri.encode()) for one in (dataset, again)]
    assert encoded[0] == encoded[1]


def test_texts_that_xml_cannot_hold_are_replaced_and_the_rest_is_escaped() -> None:
    text = 'a<b>&"c"\x1b\x00\r\n\tend'
    dataset = {"00204000": {"vr": "LT", "Value": [text]}}
    written = to_xml(dataset)
    assert etree.fromstring(written)[0][0].text == 'a<b>&"c"\ufffd\ufffd\r\n\tend'
    assert from_xml(written)["00204000"]["Value"] == ['a<b>&"c"\ufffd\ufffd\r\n\tend']


def test_empty_values_and_empty_sequences_keep_their_places() -> None:
    dataset = {
        "00080008": {"vr": "CS", "Value": ["ORIGINAL", None, "AXIAL"]},
        "00080090": {"vr": "PN"},
        "00081140": {"vr": "SQ", "Value": [{}, {"00081150": {"vr": "UI", "Value": ["1.2"]}}]},
        "00082112": {"vr": "SQ", "Value": []},
        "00101001": {"vr": "PN", "Value": [{"Alphabetic": "A^B^^Dr", "Ideographic": "山^太"}, None]},
    }
    assert from_xml(to_xml(dataset)) == dataset


def test_private_attributes_go_by_their_creator() -> None:
    ds = make.ct_slice()
    ds.add_new(0x00090012, "LO", "ACME 1")
    ds.add_new(0x00091201, "LO", "one")
    ds.add_new(0x00091299, "UN", b"abcd")
    dataset = decode(make.dataset_bytes(ds), make.EXPLICIT_LE)
    written = to_xml(dataset)
    assert b'tag="00090001" privateCreator="ACME 1"' in written
    again = from_xml(written)
    assert again["00091201"]["Value"] == ["one"]
    assert again["00091299"] == {"vr": "UN", "InlineBinary": "YWJjZA=="}


def test_a_private_attribute_without_its_creator_element_gets_a_block() -> None:
    attribute = '<DicomAttribute tag="00090001" vr="LO" privateCreator="ACME"><Value>x</Value></DicomAttribute>'
    assert from_xml(f"<NativeDicomModel>{attribute}</NativeDicomModel>".encode()) == {
        "00090010": {"vr": "LO", "Value": ["ACME"]},
        "00091001": {"vr": "LO", "Value": ["x"]},
    }


@pytest.mark.parametrize(
    ("text", "told"),
    [
        (b'<!DOCTYPE a [<!ENTITY a "aaaa"><!ENTITY b "&a;&a;">]><NativeDicomModel>&b;</NativeDicomModel>', "DOCTYPE"),
        (
            b'<!DOCTYPE a [<!ENTITY a SYSTEM "file:///etc/passwd">]><NativeDicomModel>&a;</NativeDicomModel>',
            "DOCTYPE",
        ),
        ('<!DOCTYPE a SYSTEM "http://192.0.2.1/a.dtd"><NativeDicomModel/>'.encode("utf-16"), "DOCTYPE"),
        (b"<NativeDicomModel>&unknown;</NativeDicomModel>", "unknown"),
        (b"<html/>", "no place"),
        (b"", "read"),
        (b"<NativeDicomModel><DicomAttribute tag='00100010' vr='PN'>", "read"),
        (b"<NativeDicomModel><DicomAttribute tag='1' vr='PN'/></NativeDicomModel>", "tag"),
        (
            b"<NativeDicomModel><DicomAttribute tag='00280010' vr='US'><Value number='9999999'>1</Value>"
            b"</DicomAttribute></NativeDicomModel>",
            "number",
        ),
        (
            b"<NativeDicomModel><DicomAttribute tag='00280010' vr='US'><Value number='1'>many</Value>"
            b"</DicomAttribute></NativeDicomModel>",
            "VR US",
        ),
        (
            b"<NativeDicomModel>"
            + b"<DicomAttribute tag='00081140' vr='SQ'><Item number='1'>" * 70
            + b"</Item></DicomAttribute>" * 70
            + b"</NativeDicomModel>",
            "deep",
        ),
    ],
)
def test_hostile_and_broken_xml_is_refused_with_a_sentence(text: bytes, told: str) -> None:
    with pytest.raises(Refused, match=told):
        from_xml(text)
