"""Structured reports as trees, pages and text (PS3.3 C.17)."""

from __future__ import annotations

import re
from typing import Any

import pytest
from lxml import html
from pydicom import Dataset, dcmread
from pydicom.data import get_testdata_file
from pydicom.sequence import Sequence

import make
from filmless.dicom.plain import plain_date, plain_datetime, plain_name, plain_time
from filmless.dicom.report import ContentItem, Report, ReportLimits, read_report
from filmless.dicom.report_html import CONTENT_SECURITY_POLICY, to_html
from filmless.dicom.report_text import to_text
from filmless.dicom.scanner import scan
from filmless.errors import Refused
from reports import code, content, image, measurement, report

MM = code("mm", "millimeter", "UCUM")
EVIL = "<script>alert(1)</script>\"><img src=x onerror=alert(2)>'&amp;"


def read(ds: Dataset, **limits: int) -> Report:
    return read_report(scan(make.part10(ds)), ReportLimits(**limits))


def page(ds: Dataset, links: dict[str, str] | None = None, **limits: int) -> Any:
    return html.document_fromstring(to_html(read(ds, **limits), links or {}))


def items(item: ContentItem) -> list[ContentItem]:
    return [item, *(found for child in item.children for found in items(child))]


def words(element: Any) -> str:
    return " ".join(element.text_content().split())


@pytest.mark.parametrize("name", ["reportsi.dcm", "test-SR.dcm", "reportsi_with_empty_number_tags.dcm"])
def test_every_text_of_a_real_report_is_on_its_page(name: str) -> None:
    path = get_testdata_file(name)
    ds = dcmread(path)
    with open(path, "rb") as file:  # noqa: PTH123
        shown = words(html.document_fromstring(to_html(read_report(scan(file.read())), {})))
    found = [str(element.value) for element in ds.iterall() if element.keyword in {"TextValue", "NumericValue"}]
    meanings = [str(item.ConceptNameCodeSequence[0].CodeMeaning) for item in content_items(ds)]
    assert len(found) + len(meanings) > 4
    assert [text for text in [*found, *meanings] if " ".join(text.split()) not in shown] == []


def content_items(ds: Dataset) -> list[Dataset]:
    children = ds.get("ContentSequence", [])
    own = [ds] if ds.get("ConceptNameCodeSequence") else []
    return own + [found for child in children for found in content_items(child)]


def test_items_are_numbered_as_the_standard_counts_them() -> None:
    """PS3.3 C.17.3.2.5: the root is 1, its second child 1.2."""
    inner = content("CONTAINER", code("1", "Inner"), content("TEXT", TextValue="deep"))
    tree = read(report(content("TEXT", TextValue="first"), inner)).root
    assert [(item.number, item.text) for item in items(tree)] == [
        ("1", ""), ("1.1", "first"), ("1.2", ""), ("1.2.1", "deep"),
    ]  # fmt: skip


@pytest.mark.parametrize(
    ("value_type", "values", "shown"),
    [
        ("TEXT", {"TextValue": "Two\r\nlines"}, "Two\r\nlines"),
        ("DATE", {"Date": "20240305"}, "2024-03-05"),
        ("TIME", {"Time": "140211"}, "14:02:11"),
        ("DATETIME", {"DateTime": "20240305140211+0100"}, "2024-03-05 14:02:11 +01:00"),
        ("PNAME", {"PersonName": "Müller^Hans^^Dr."}, "Müller, Hans, Dr."),
        ("UIDREF", {"UID": "1.2.3"}, "1.2.3"),
        ("SCOORD", {"GraphicType": "POINT", "GraphicData": [1.5, 2.0]}, "point (1.5, 2)"),
        ("TCOORD", {"TemporalRangeType": "POINT", "ReferencedTimeOffsets": ["0.5"]}, "point at 0.5 s"),
    ],
)
def test_values_are_in_plain_form(value_type: str, values: dict[str, Any], shown: str) -> None:
    (item,) = read(
        report(content(value_type, code("1", "Name"), **values), SpecificCharacterSet="ISO_IR 192")
    ).root.children
    assert item.text == shown


@pytest.mark.parametrize("text", ["2024", "20241399x", "", "yesterday", "\0"])
def test_what_is_no_date_time_or_name_stays_as_it_is(text: str) -> None:
    assert {plain_date(text), plain_time(text) if text != "2024" else text, plain_datetime(text)} == {text}
    assert plain_name(text) == text.strip()


def test_measurements_in_a_row_are_a_table_with_units() -> None:
    rows = [
        measurement(code("M-1", "Length", "SRT"), "12.5", MM),
        measurement(code("M-2", "Count"), "3", code("1", "no units", "UCUM")),
    ]
    table = page(report(*rows)).find(".//table")
    cells = [[words(cell) for cell in row] for row in table.iter("tr")]
    assert cells == [["Measurement", "Value", "Unit"], ["Length", "12.5", "mm"], ["Count", "3", ""]]
    assert [head.get("title") for head in table.iter("th")][3:] == ["M-1, SRT", "M-2, DCM"]
    assert table.findall(".//td")[1].get("title") == "mm, UCUM"


def test_a_measurement_with_properties_keeps_them_below_it() -> None:
    where = content("CODE", code("G-C0E3", "Finding site"), ConceptCodeSequence=Sequence([code("T-1", "Lung")]))
    (line,) = page(report(measurement(code("M-1", "Length"), "12.5", MM, where))).iterfind(".//main/ul/li")
    assert words(line) == "Length 12.5 mm Finding site Lung"
    assert [span.get("title") for span in line.iter("span")] == ["M-1, DCM", "mm, UCUM", "G-C0E3, DCM", "T-1, DCM"]


def test_containers_are_headings_that_go_down_one_level_at_a_time() -> None:
    tree = content("TEXT", TextValue="leaf")
    for depth in range(8, 0, -1):
        tree = content("CONTAINER", code(str(depth), f"Level {depth}"), tree)
    heads = page(report(tree)).xpath(
        "//main//*[self::h1 or self::h2 or self::h3 or self::h4 or self::h5 or self::h6 or @role='heading']"
    )
    levels = [int(head.get("aria-level") or head.tag[1]) for head in heads]
    assert levels == list(range(1, 10))
    assert [words(head) for head in heads][1:] == [f"Level {depth}" for depth in range(1, 9)]


def test_the_head_says_whose_it_is_and_how_far_it_is() -> None:
    observer = Dataset()
    observer.VerifyingObserverName, observer.VerifyingOrganization = "Reader^Rita", "General"
    observer.VerificationDateTime = "20240305140211"
    ds = report(
        content("TEXT", TextValue="x"), PatientName="Doe^Jane", PatientID="P7", PatientBirthDate="19700102",
        StudyDescription="Chest", AccessionNumber="A9", ContentDate="20240304", ContentTime="0910",
        VerificationFlag="VERIFIED", CompletionFlag="COMPLETE", VerifyingObserverSequence=Sequence([observer]),
    )  # fmt: skip
    head = page(ds).find(".//header")
    facts = dict(zip((words(each) for each in head.iter("dt")), (words(each) for each in head.iter("dd")), strict=True))
    assert words(head.find("h1")) == "Diagnostic imaging report"
    assert head.find("h1").get("title") == "18748-4, LN"
    assert words(head.find_class("state")[0]) == "Complete · Verified"
    assert (facts["Patient"], facts["Patient ID"], facts["Born"]) == ("Doe, Jane", "P7", "1970-01-02")
    assert (facts["Study"], facts["Accession number"], facts["Written"]) == ("Chest", "A9", "2024-03-04 09:10")
    assert facts["Verified by"] == "Reader, Rita, General, 2024-03-05 14:02:11"


@pytest.mark.parametrize(
    ("flags", "shown"),
    [
        (
            {"CompletionFlag": "PARTIAL", "VerificationFlag": "UNVERIFIED"},
            "Partial: it may not hold all that is to be said · Not verified",
        ),
        ({"CompletionFlag": "", "VerificationFlag": ""}, "Completion not stated · Not verified"),
        ({"CompletionFlag": "COMPLETE", "PreliminaryFlag": "PRELIMINARY"}, "Complete, preliminary · Not verified"),
    ],
)
def test_a_report_that_is_not_final_says_so(flags: dict[str, str], shown: str) -> None:
    assert words(page(report(**flags)).find_class("state")[0]) == shown


def test_images_are_links_where_they_are_here_and_words_where_not() -> None:
    here, elsewhere = make.ct_slice(), make.ct_slice()
    ds = report(image(here), image(here, 2, 5), image(elsewhere))
    shown = page(ds, {here.SOPInstanceUID: "/dicomweb/studies/1/series/2/instances/3"})
    assert [link.get("href") for link in shown.iter("a")] == [
        "/dicomweb/studies/1/series/2/instances/3/rendered",
        "/dicomweb/studies/1/series/2/instances/3/frames/2/rendered",
        "/dicomweb/studies/1/series/2/instances/3/frames/5/rendered",
    ]
    assert words(shown.findall(".//li")[2]).endswith("CT Image, not available here")


def test_an_item_by_reference_is_a_link_to_the_item() -> None:
    by_reference = Dataset()
    by_reference.RelationshipType, by_reference.ReferencedContentItemIdentifier = "INFERRED FROM", [1, 1]
    shown = page(
        report(content("TEXT", TextValue="basis"), content("TEXT", None, by_reference, TextValue="conclusion"))
    )
    (link,) = shown.iter("a")
    assert shown.get_element_by_id(link.get("href")[1:]).text_content().split()[-1] == "basis"
    assert words(link.getparent()) == "inferred from item 1.1"


def test_no_text_of_the_data_set_becomes_markup() -> None:
    evil = code(EVIL[:16], EVIL[:64], EVIL[:16])
    measured = measurement(evil, "1", evil)
    ds = report(
        content("TEXT", evil, TextValue=EVIL),
        content("CODE", evil, ConceptCodeSequence=Sequence([evil])),
        measured,
        measured,
        content("CONTAINER", evil, content("UIDREF", evil, UID="1.2")),
        content(EVIL[:16], evil),
        image(make.ct_slice(SOPClassUID='1."><b>')),
        content("PNAME", evil, PersonName=EVIL[:60]),
        ConceptNameCodeSequence=Sequence([evil]),
        PatientName=EVIL[:60],
        PatientID=EVIL[:60],
        StudyDescription=EVIL[:60],
    )
    written = to_html(read(ds), {}).decode()
    allowed = (
        "html head meta title style body main header p h1 b div dl dt dd ul li span section h2 table caption thead "
        "tbody tr th td"
    )
    assert set(re.findall(r"<([a-zA-Z]\w*)", written)) <= set(allowed.split())
    tree = html.document_fromstring(written)
    assert {name for element in tree.iter() if isinstance(element.tag, str) for name in element.attrib} <= {
        "lang", "charset", "name", "content", "id", "class", "title", "dir", "aria-label", "aria-labelledby", "scope"
    }  # fmt: skip
    assert EVIL in tree.text_content()


def test_the_policy_lets_nothing_run_and_only_the_own_style_apply() -> None:
    import base64
    import hashlib

    (style,) = page(report()).iter("style")
    digest = base64.b64encode(hashlib.sha256(style.text.encode()).digest()).decode()
    assert f"style-src 'sha256-{digest}'" in CONTENT_SECURITY_POLICY
    assert CONTENT_SECURITY_POLICY.startswith("default-src 'none';")
    assert "unsafe" not in CONTENT_SECURITY_POLICY


@pytest.mark.parametrize(
    ("limit", "sentence"),
    [
        ({"depth_max": 3}, "nested deeper than 3 levels"),
        ({"items_max": 5}, "after the first 5 items"),
        ({"characters_max": 20}, "beyond 20 characters"),
    ],
)
def test_what_is_cut_is_said(limit: dict[str, int], sentence: str) -> None:
    tree = content("TEXT", code("1", "Name"), TextValue="a text of some length")
    for _ in range(6):
        tree = content("CONTAINER", code("1", "C"), tree, content("TEXT", TextValue="aside"))
    ds = report(tree)
    assert read(ds).cuts == []
    (note,) = page(ds, None, **limit).find_class("note")
    assert sentence in words(note)
    assert sentence in to_text(read(ds, **limit))


def test_a_tree_deeper_than_the_scanner_reads_is_a_page_all_the_same() -> None:
    ds = make.nested(70)
    ds.ValueType = "CONTAINER"
    assert read(ds).cuts == ["Content nested deeper than 32 levels is left out here."]


def test_what_has_no_content_tree_is_no_report() -> None:
    with pytest.raises(Refused, match="no content tree"):
        read(make.ct_slice())


def test_the_text_form_says_the_same() -> None:
    ds = report(
        content("CONTAINER", code("1", "Findings"), measurement(code("2", "Length"), "12.5", MM)),
        PatientName="Doe^Jane",
    )
    lines = to_text(read(ds)).splitlines()
    assert lines[0] == "Diagnostic imaging report"
    assert "Patient: Doe, Jane" in lines
    assert lines[-2:] == ["Findings", "  Length: 12.5 mm"]
