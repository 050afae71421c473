"""PS3.18 8.7.4, table 8.7.4-1: rendered resources of what is read and not looked at."""

from __future__ import annotations

import io
import sys
from collections.abc import Callable
from typing import Any

import pytest
from lxml import html
from pydicom import Dataset
from starlette.testclient import TestClient

import make
from answers import address, parts_of
from filmless.archive import Archive
from filmless.dicom.report_html import CONTENT_SECURITY_POLICY
from filmless.dicom.report_pdf import to_pdf
from filmless.errors import NotAcceptable
from real_files import pydicom_file
from reports import code, content, document, image, measurement, report

Store = Callable[..., Dataset]
PDF = b"%PDF-1.7 not much of a document"
BROWSER = "text/html,application/xhtml+xml,application/xml;q=0.9,image/avif,image/webp,*/*;q=0.8"


def rendered(
    client: TestClient, ds: Dataset, accept: str | None = None, level: str = "instance", **headers: str
) -> Any:
    return client.get(address(ds, level) + "/rendered", headers={**headers, **({"accept": accept} if accept else {})})


@pytest.mark.parametrize("accept", [None, "text/html", BROWSER, "text/*, image/jpeg;q=0.5"])
@pytest.mark.parametrize("level", ["instance", "series", "study"])
def test_a_report_is_a_page_that_runs_nothing(
    accept: str | None, level: str, stored: Store, client: TestClient
) -> None:
    ds = stored(
        report(
            content("TEXT", code("121071", "Finding"), TextValue="<b>Größe</b> normal"),
            SpecificCharacterSet="ISO_IR 192",
        )
    )
    answer = rendered(client, ds, accept, level)
    assert answer.status_code == 200
    assert answer.headers["content-type"] == "text/html; charset=utf-8"
    assert answer.headers["content-security-policy"] == CONTENT_SECURITY_POLICY
    assert "<b>Größe</b> normal" in html.document_fromstring(answer.content).text_content()


@pytest.mark.parametrize("name", ["reportsi.dcm", "test-SR.dcm"])
def test_real_reports_are_pages_and_text(name: str, stored: Store, client: TestClient) -> None:
    ds = stored(pydicom_file(name).read_bytes())
    title = ds.ConceptNameCodeSequence[0].CodeMeaning
    assert html.document_fromstring(rendered(client, ds).content).findtext(".//h1") == title
    assert rendered(client, ds, "text/plain").text.startswith(title)


def test_key_objects_are_a_page_with_their_images(stored: Store, client: TestClient) -> None:
    picture = stored(make.ct_slice())
    ds = stored(report(image(picture), SOPClassUID="1.2.840.10008.5.1.4.1.1.88.59", Modality="KO"))
    (link,) = html.document_fromstring(rendered(client, ds).content).iter("a")
    assert client.get(link.get("href"), headers={"accept": BROWSER}).headers["content-type"] == "image/jpeg"


def test_an_image_that_came_later_is_a_link_at_once(stored: Store, client: TestClient) -> None:
    picture = make.ct_slice()
    ds = stored(report(image(picture)))
    before = rendered(client, ds)
    assert rendered(client, ds, **{"if-none-match": before.headers["etag"]}).status_code == 304
    stored(picture)
    after = rendered(client, ds, **{"if-none-match": before.headers["etag"]})
    assert (before.text.count("<a "), after.status_code, after.text.count("<a ")) == (0, 200, 1)


def test_a_page_comes_also_in_a_multipart(stored: Store, client: TestClient) -> None:
    ds = stored(report())
    ((headers, body),) = parts_of(rendered(client, ds, 'multipart/related; type="text/html"'))
    assert headers["content-type"] == "text/html; charset=utf-8"
    assert headers["content-location"] == f"http://pacs.test{address(ds)}/rendered"
    assert body == rendered(client, ds).content


@pytest.mark.parametrize(
    ("kind", "mime_type", "media_type"),
    [
        (1, "application/pdf", "application/pdf"), (2, "text/XML", "text/xml"), (3, "model/stl", "model/stl"),
        (4, "model/obj", "model/obj"), (5, "model/mtl", "model/mtl"), (1, "text/html", "application/pdf"),
    ],
)  # fmt: skip
def test_an_encapsulated_document_comes_as_its_class_says_and_to_the_byte(
    kind: int, mime_type: str, media_type: str, stored: Store, client: TestClient
) -> None:
    data = PDF + bytes(range(256)) + b"odd"
    ds = stored(document(kind, data[: 21 + kind], mime_type))
    for accept in (None, "*/*", media_type):
        answer = rendered(client, ds, accept)
        assert (answer.status_code, answer.headers["content-type"]) == (200, media_type)
        assert answer.content == data[: 21 + kind]
        assert "frame-ancestors 'self'" in answer.headers["content-security-policy"]
        assert ("sandbox" in answer.headers["content-security-policy"]) == (media_type != "application/pdf")


@pytest.mark.parametrize(("kind", "media_type"), [(1, "application/pdf"), (2, "text/xml"), (3, "model/stl")])
@pytest.mark.parametrize("claim", ["text/html", "image/svg+xml", "application/xhtml+xml"])
def test_a_document_that_claims_to_be_a_page_is_none_as_bulk_data_either(
    kind: int, media_type: str, claim: str, stored: Store, client: TestClient
) -> None:
    ds = stored(document(kind, b"<script>alert(1)</script>", claim))
    for accept in (None, claim, BROWSER):
        answer = client.get(f"{address(ds)}/bulkdata/00420011", headers={"accept": accept} if accept else {})
        assert answer.headers["content-type"].partition(";")[0] in {media_type, "application/octet-stream"} or (
            answer.status_code == 406
        )
        if answer.status_code == 200 and media_type != "application/pdf":
            assert "sandbox" in answer.headers["content-security-policy"]


def test_a_document_is_given_in_ranges(stored: Store, client: TestClient) -> None:
    ds = stored(document(1, PDF, "application/pdf"))
    answer = rendered(client, ds, Range="bytes=5-7")
    assert (answer.status_code, answer.content) == (206, PDF[5:8])
    assert answer.headers["content-range"] == f"bytes 5-7/{len(PDF)}"


def test_a_large_document_comes_from_where_it_lies(stored: Store, client: TestClient) -> None:
    data = PDF + bytes(3 << 20) + b"end"
    answer = rendered(client, stored(document(1, data, "application/pdf")))
    assert answer.content == data


@pytest.mark.parametrize(
    ("maker", "accept", "words"),
    [
        (report, "text/rtf", "text/html or text/plain"),
        (lambda: document(1, PDF, "application/pdf"), "text/html", "application/pdf"),
        (report, "image/webp", "text/html or text/plain"),
        (lambda: make.instance("1.2.840.10008.5.1.4.1.1.481.3", Modality="RTSTRUCT"), "*/*", "RT Structure Set"),
        (lambda: make.ct_slice(rows=8), "text/html", "image/jpeg"),
    ],
)  # fmt: skip
@pytest.mark.parametrize("level", ["instance", "series"])
def test_what_cannot_be_had_is_406_and_says_what_can(
    maker: Callable[[], Dataset], accept: str, words: str, level: str, stored: Store, client: TestClient
) -> None:
    answer = rendered(client, stored(maker()), accept, level)
    assert answer.status_code == 406
    assert words in answer.json()["detail"]


@pytest.mark.parametrize(
    "maker",
    [
        report,
        lambda: document(1, PDF, "application/pdf"),
        lambda: make.instance("1.2.840.10008.5.1.4.1.1.481.3", Modality="RTSTRUCT"),
    ],
)
@pytest.mark.parametrize("level", ["instance", "series"])
def test_a_picture_that_is_asked_for_by_name_is_a_labelled_sheet(
    maker: Callable[[], Dataset], level: str, stored: Store, client: TestClient
) -> None:
    """OHIF asks so of every series in its list."""
    ds = stored(maker())
    for accept in ("image/jpeg", "image/jpeg, text/html;q=0.5", "image/*"):
        answer = rendered(client, ds, accept, level)
        assert (answer.status_code, answer.headers["content-type"]) == (200, "image/jpeg")


def test_a_report_without_content_is_refused_with_a_sentence(stored: Store, client: TestClient) -> None:
    ds = make.instance("1.2.840.10008.5.1.4.1.1.88.11", Modality="SR")
    answer = rendered(client, stored(ds))
    assert answer.status_code == 400
    assert "no content tree" in answer.json()["detail"]


def test_a_page_holds_no_more_items_than_allowed(stored: Store, client: TestClient, archive: Archive) -> None:
    archive.settings = archive.settings.model_copy(update={"report_items_max": 3})
    ds = stored(report(*(content("TEXT", TextValue=f"text {number}") for number in range(5))))
    page = rendered(client, ds).text
    assert ("text 1" in page, "text 2" in page) == (True, False)
    assert "Content after the first 3 items is left out here." in page


# CDA ------------------------------------------------------------------------------------------------------------------

CDA = """<?xml version="1.0"?><?xml-stylesheet type="text/xsl" href="https://elsewhere.test/run.xsl"?>
<!DOCTYPE ClinicalDocument [<!ENTITY secret SYSTEM "file:///etc/passwd"><!ENTITY lol "ha">]>
<ClinicalDocument xmlns="urn:hl7-org:v3"><title>Radiology letter</title><effectiveTime value="20240305"/>
<recordTarget><patientRole><id extension="P7"/><patient><name><given>Ida</given><family>Müller</family></name>
<administrativeGenderCode code="F"/><birthTime value="19700102"/></patient></patientRole></recordTarget>
<component><structuredBody><component><section><title>Findings &lt;b&gt;</title><text>
<paragraph>A <content styleCode="Bold">solid</content> nodule &amp; &lt;script&gt;alert(1)&lt;/script&gt;
&secret;</paragraph>
<list listType="ordered"><item>first</item><item>second</item></list>
<table onclick="evil()"><tr><th>Axis</th><td colspan="2" style="x">12 mm</td></tr></table>
<script>alert(2)</script><linkHtml href="javascript:alert(3)">more</linkHtml></text>
<component><section><title>Inner</title><text>deep</text></section></component></section></component></structuredBody>
</component></ClinicalDocument>"""


def test_a_cda_document_is_a_page_for_who_takes_one(stored: Store, client: TestClient) -> None:
    ds = stored(document(2, CDA.encode(), "text/XML"))
    answer = rendered(client, ds, BROWSER)
    assert answer.headers["content-type"] == "text/html; charset=utf-8"
    assert answer.headers["content-security-policy"] == CONTENT_SECURITY_POLICY
    page = html.document_fromstring(answer.content)
    assert [head.text for head in page.iter("h1", "h2", "h3")] == ["Radiology letter", "Findings <b>", "Inner"]
    facts = dict(zip((each.text for each in page.iter("dt")), (each.text for each in page.iter("dd")), strict=True))
    assert facts == {
        "Patient": "Müller, Ida",
        "Patient ID": "P7",
        "Born": "1970-01-02",
        "Sex": "female",
        "Written": "2024-03-05",
    }
    assert "A solid nodule & <script>alert(1)</script>" in page.text_content()
    assert [item.text for item in page.iter("li")] == ["first", "second"]
    assert page.find(".//td").attrib == {"colspan": "2"}


def test_nothing_of_a_cda_document_runs_loads_or_reads_files(stored: Store, client: TestClient) -> None:
    written = rendered(client, stored(document(2, CDA.encode(), "text/XML")), "text/html").text
    assert "root:" not in written
    for evil in ("<script", "onclick", "href=", "javascript:", "elsewhere.test", 'style="'):
        assert evil not in written


@pytest.mark.parametrize("data", [b"<ClinicalDocument", b"<html/>", b"\xff\xfe\0", b""])
def test_what_is_no_cda_document_is_refused_with_a_sentence(data: bytes, stored: Store, client: TestClient) -> None:
    answer = rendered(client, stored(document(2, data, "text/XML")), "text/html")
    assert answer.status_code in {400, 404}
    assert "document" in answer.json()["detail"]


def test_a_cda_document_in_a_file_says_so(stored: Store, client: TestClient) -> None:
    body = b"<nonXMLBody><text mediaType='application/pdf'>JVBERi0=</text></nonXMLBody>"
    data = b"<ClinicalDocument><component>" + body + b"</component></ClinicalDocument>"
    page = rendered(client, stored(document(2, data, "text/XML")), "text/html").text
    assert "a file of application/pdf, which is not shown here" in page
    assert "JVBERi0" not in page


# As PDF ---------------------------------------------------------------------------------------------------------------


def pdf_of(client: TestClient, ds: Dataset) -> Any:
    pytest.importorskip("typst", reason="the extra pdf is not installed")
    pypdf = pytest.importorskip("pypdf")
    answer = rendered(client, ds, "application/pdf")
    assert (answer.status_code, answer.headers["content-type"]) == (200, "application/pdf"), answer.text
    return pypdf.PdfReader(io.BytesIO(answer.content))


def words_of(pdf: Any) -> str:
    return " ".join(" ".join(page.extract_text() for page in pdf.pages).split())


def test_a_report_is_a_tagged_and_archival_pdf_for_who_asks(stored: Store, client: TestClient) -> None:
    length = measurement(code("M-1", "Length"), "12.5", code("mm", "millimeter", "UCUM"))
    findings = content("CONTAINER", code("121070", "Findings"), content("TEXT", TextValue="A nodule"), length, length)
    pdf = pdf_of(client, stored(report(findings, PatientName="Müller^Ida", SpecificCharacterSet="ISO_IR 192")))
    words = words_of(pdf)
    for text in ("Diagnostic imaging report", "Complete. Not verified.", "Müller, Ida", "A nodule", "Length 12.5 mm"):
        assert text in words
    assert pdf.metadata.title == "Diagnostic imaging report"
    assert pdf.trailer["/Root"]["/MarkInfo"]["/Marked"]
    assert b"pdfaid:part>2<" in pdf.trailer["/Root"]["/Metadata"].get_data()
    assert b"pdfuaid:part>1<" in pdf.trailer["/Root"]["/Metadata"].get_data()


def test_nothing_in_a_report_is_a_command_to_the_typesetter(stored: Store, client: TestClient) -> None:
    evil = '#panic("caught") $x^2$ *bold* `raw` #read("/etc/passwd") @ref <label> // gone'
    assert evil in words_of(pdf_of(client, stored(report(content("TEXT", code("1", "#eval"), TextValue=evil)))))


def test_a_deep_and_long_report_is_a_pdf_too(stored: Store, client: TestClient) -> None:
    tree = content("TEXT", TextValue="the innermost")
    for _ in range(28):
        tree = content("CONTAINER", code("1", "Level"), tree)
    pdf = pdf_of(client, stored(report(tree, *(content("TEXT", TextValue=f"line {n}") for n in range(200)))))
    assert len(pdf.pages) > 3
    assert "the innermost" in words_of(pdf)
    assert "line 199" in words_of(pdf)


def test_the_same_report_is_the_same_pdf(stored: Store, client: TestClient) -> None:
    pytest.importorskip("typst")
    ds = stored(report(content("TEXT", TextValue="x")))
    first = rendered(client, ds, "application/pdf")
    assert rendered(client, ds, "application/pdf").headers["etag"] == first.headers["etag"]


def test_letters_that_no_font_has_are_406_and_not_boxes(stored: Store, client: TestClient) -> None:
    pytest.importorskip("typst")
    ds = report(content("TEXT", TextValue="a secret \U000e1234"), SpecificCharacterSet="ISO_IR 192")
    answer = rendered(client, stored(ds), "application/pdf")
    assert answer.status_code == 406
    assert "lack letters" in answer.json()["detail"]
    assert "secret" not in answer.text


def test_without_the_typesetter_a_pdf_is_406_and_says_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "typst", None)
    with pytest.raises(NotAcceptable, match=r"filmless\[pdf\]"):
        to_pdf({"study": []})
