"""QIDO-RS as a client sees it (PS3.18 8.3.4, 10.6), on the whole DICOMweb application."""

from __future__ import annotations

import gzip
import io
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from starlette.testclient import TestClient
from starlette.types import ASGIApp, Receive, Scope, Send

import make
import population
from filmless.access.principal import SYSTEM, Principal
from filmless.archive import Archive
from filmless.config import Settings
from filmless.dicomweb.app import create_dicomweb
from filmless.store.receive import receive

STORED = population.make_all()
STUDY = "1.2.826.0.1.1.1"
SERIES = "1.2.826.0.1.1.2.1"


class As:
    """The application as one caller meets it below /dicomweb."""

    def __init__(self, app: ASGIApp, principal: Principal | None) -> None:
        self.app = app
        self.principal = principal

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        scope = {**scope, "filmless.principal": self.principal, "root_path": "/dicomweb"}
        await self.app(scope, receive, send)


@pytest.fixture(scope="session")
def stored(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Archive]:
    """An archive that holds the population."""
    with Archive.open(Settings(data=tmp_path_factory.mktemp("searched"), query_page_default=5)) as archive:
        for ds in STORED:
            receive(archive, SYSTEM("test"), io.BytesIO(make.part10(ds)))
        yield archive


@pytest.fixture(scope="session")
def client(stored: Archive) -> TestClient:
    """A caller who may do everything."""
    return TestClient(As(create_dicomweb(stored), SYSTEM("dicomweb")), base_url="http://pacs.test")


def get(client: TestClient, path: str, **headers: str) -> list[dict[str, Any]]:
    """Search, and expect an answer."""
    answer = client.get(f"/dicomweb{path}", headers=headers)
    assert answer.status_code == 200, answer.text
    assert answer.headers["content-type"] == "application/dicom+json"
    rows: list[dict[str, Any]] = answer.json()
    return rows


def values(rows: list[dict[str, Any]], tag: str) -> set[Any]:
    return {value for row in rows for value in row[tag].get("Value", [])}


def uids_of(attribute: str, **wanted: str) -> set[str]:
    """The UIDs of what the population has with these values."""
    return {
        str(ds[attribute].value)
        for ds in STORED
        if all(str(ds.get(keyword, "")) == value for keyword, value in wanted.items())
    }


def test_all_six_resources_answer(client: TestClient):
    studies = get(client, "/studies?limit=100")
    series = get(client, "/series?limit=100")
    instances = get(client, "/instances?limit=100")
    of_study = get(client, f"/studies/{STUDY}/series")
    of_study_instances = get(client, f"/studies/{STUDY}/instances")
    of_series = get(client, f"/studies/{STUDY}/series/{SERIES}/instances")

    assert values(studies, "0020000D") == uids_of("StudyInstanceUID")
    assert values(series, "0020000E") == uids_of("SeriesInstanceUID")
    assert values(instances, "00080018") == uids_of("SOPInstanceUID")
    assert values(of_study, "0020000E") == uids_of("SeriesInstanceUID", StudyInstanceUID=STUDY)
    assert values(of_study_instances, "00080018") == uids_of("SOPInstanceUID", StudyInstanceUID=STUDY)
    assert values(of_series, "00080018") == uids_of("SOPInstanceUID", SeriesInstanceUID=SERIES)


def test_a_study_carries_what_table_10_6_3_3_requires(client: TestClient):
    (row,) = get(client, f"/studies?StudyInstanceUID={STUDY}")

    assert row["00080020"] == {"vr": "DA", "Value": ["20240131"]}
    assert row["00080030"] == {"vr": "TM", "Value": ["1200"]}
    assert row["00080050"] == {"vr": "SH", "Value": ["A[001]"]}
    assert row["00080056"] == {"vr": "CS", "Value": ["ONLINE"]}
    assert row["00080061"] == {"vr": "CS", "Value": ["MR", "SR"]}
    assert row["00080090"] == {"vr": "PN", "Value": [{"Alphabetic": "Réferrer^Rémy"}]}
    assert row["00081190"] == {"vr": "UR", "Value": [f"http://pacs.test/dicomweb/studies/{STUDY}"]}
    assert row["00100010"] == {"vr": "PN", "Value": [{"Alphabetic": "Doe^John^^Dr"}]}
    assert row["00100020"] == {"vr": "LO", "Value": ["P01"]}
    assert row["00100030"] == {"vr": "DA"}
    assert row["00100040"] == {"vr": "CS", "Value": ["M"]}
    assert row["00200010"] == {"vr": "SH", "Value": ["1"]}
    assert row["00201206"] == {"vr": "IS", "Value": [2]}
    assert row["00201208"] == {"vr": "IS", "Value": [5]}
    assert "00080201" not in row  # no time zone is known
    assert "00081030" not in row  # was not asked for


def test_a_series_carries_what_table_10_6_3_4_requires(client: TestClient):
    row = next(row for row in get(client, f"/studies/{STUDY}/series") if row["0020000E"]["Value"] == [SERIES])

    assert row["00080060"] == {"vr": "CS", "Value": ["SR"]}
    assert row["0008103E"] == {"vr": "LO", "Value": ["Series 1"]}
    assert row["00081190"]["Value"] == [f"http://pacs.test/dicomweb/studies/{STUDY}/series/{SERIES}"]
    assert row["00200011"] == {"vr": "IS", "Value": [2]}
    assert row["00201209"] == {"vr": "IS", "Value": [3]}
    assert row["00400244"] == {"vr": "DA", "Value": ["20240102"]}
    assert row["00400275"]["Value"] == [
        {"00400009": {"vr": "SH", "Value": ["SPS1"]}, "00401001": {"vr": "SH", "Value": ["RP1"]}}
    ]
    assert "00100010" not in row


def test_an_instance_carries_what_table_10_6_3_5_requires(client: TestClient):
    rows = get(client, f"/studies/{STUDY}/series/{SERIES}/instances")

    assert [row["00200013"]["Value"][0] for row in rows] == [1, 2, 3]
    assert rows[1]["00080016"] == {"vr": "UI", "Value": [make.CT]}
    assert rows[1]["00080018"] == {"vr": "UI", "Value": ["1.2.826.0.1.1.3.1.1"]}
    assert rows[1]["00280010"] == {"vr": "US", "Value": [3]}
    assert rows[1]["00280011"] == {"vr": "US", "Value": [3]}
    assert rows[1]["00280100"] == {"vr": "US", "Value": [16]}
    assert rows[1]["00081190"]["Value"] == [
        f"http://pacs.test/dicomweb/studies/{STUDY}/series/{SERIES}/instances/1.2.826.0.1.1.3.1.1"
    ]


def test_series_of_all_studies_also_carry_their_study(client: TestClient):
    (row,) = get(client, f"/series?SeriesInstanceUID={SERIES}")

    assert row["00100020"]["Value"] == ["P01"]
    assert row["0020000D"]["Value"] == [STUDY]


@pytest.mark.parametrize(
    ("query", "wanted"),
    [
        ("PatientID=P01", {"PatientID": "P01"}),
        ("00100020=P01", {"PatientID": "P01"}),
        ("00080020=20240131", {"StudyDate": "20240131"}),
        ("StudyDate=20240103-20240201", {"StudyDate": "20240131"}),
        ("StudyDate=20240103-", {"StudyDate": "20240131"}),
        ("StudyDate=-20230701", {"StudyDate": "20230630"}),
        ("PatientName=doe*&PatientID=P00", {"PatientID": "P00"}),
        ("PatientName=%E5%B1%B1%E7%94%B0*", {"PatientID": "P05"}),
        ("PatientName=muller%5ejurgen", {"PatientID": "P02"}),
        ("StudyDescription=MR%20brain%20100%25", {"StudyDescription": "MR brain 100%"}),
        ("AccessionNumber=A%5B*", {}),
        ("NumberOfStudyRelatedSeries=1&StudyDate=20230630", {"StudyDate": "20230630", "StudyID": "6"}),
    ],
)
def test_studies_match_by_keyword_and_by_tag(client: TestClient, query: str, wanted: dict[str, str]):
    rows = get(client, f"/studies?limit=100&{query}")

    if wanted:
        assert values(rows, "0020000D") == uids_of("StudyInstanceUID", **wanted)
    else:
        assert values(rows, "0020000D") == {ds.StudyInstanceUID for ds in STORED if ds.AccessionNumber}


@pytest.mark.parametrize("separator", [",", "\\", "&StudyInstanceUID="])
def test_a_list_of_uids_matches_each_of_them(client: TestClient, separator: str):
    other = "1.2.826.0.1.2.1"

    rows = get(client, f"/studies?StudyInstanceUID={STUDY}{separator}{other}")

    assert values(rows, "0020000D") == {STUDY, other}


def test_a_key_of_a_lower_level_finds_the_study_that_has_it(client: TestClient):
    rows = get(client, "/studies?limit=100&SOPInstanceUID=1.2.826.0.1.1.3.1.1&includefield=SOPInstanceUID")

    assert values(rows, "0020000D") == {STUDY}
    assert "00080018" not in rows[0]


@pytest.mark.parametrize(
    "name",
    [
        "RequestAttributesSequence.ScheduledProcedureStepID",
        "00400275.00400009",
        "RequestAttributesSequence.00400009",
    ],
)
def test_attributes_within_sequences_match_by_dotted_paths(client: TestClient, name: str):
    rows = get(client, f"/series?limit=100&{name}=SPS2")

    assert values(rows, "0020000E") == {ds.SeriesInstanceUID for ds in STORED if ds.SeriesInstanceUID.endswith(".2.2")}


def test_included_fields_come_along_repeated_or_by_comma(client: TestClient):
    path = f"/studies?StudyInstanceUID={STUDY}&includefield=StudyDescription,00104000&includefield=RequestingPhysician"

    (row,) = get(client, path)

    assert row["00081030"]["Value"] == ["MR brain 100%"]
    assert row["00104000"] == {"vr": "LT"}
    assert row["00321032"] == {"vr": "PN"}


def test_all_fields_of_each_level_come_when_asked_for(client: TestClient):
    (study,) = get(client, f"/studies?StudyInstanceUID={STUDY}&includefield=all")
    series = get(client, f"/studies/{STUDY}/series?includefield=all")
    instances = get(client, f"/studies/{STUDY}/series/{SERIES}/instances?includefield=all")

    assert study["00081030"]["Value"] == ["MR brain 100%"]
    assert series[0]["00180015"]["Value"] == ["CHEST"]
    assert instances[0]["00204000"]["Value"] == ["axial"]
    assert instances[0]["00200037"]["Value"] == [1, 0, 0, 0, 1, 0]


def test_a_field_that_only_headers_have_is_returned_and_matched(client: TestClient):
    rows = get(client, "/instances?limit=100&ImageComments=sag*&includefield=SliceLocation,StudyDate")

    assert values(rows, "00080018") == uids_of("SOPInstanceUID", ImageComments="sagittal")
    assert values(rows, "00201041") == {2.5}


def test_pages_by_limit_and_offset_join_without_gap_or_overlap(client: TestClient):
    whole = [row["0020000D"]["Value"][0] for row in get(client, "/studies?limit=100")]

    pages = [get(client, f"/studies?limit=4&offset={offset}") for offset in (0, 4, 8, 12)]

    assert [row["0020000D"]["Value"][0] for page in pages for row in page] == whole
    assert pages[-1] == []


def test_a_truncated_answer_says_so(client: TestClient):
    some = client.get("/dicomweb/studies")
    all_of_them = client.get("/dicomweb/studies?limit=100")

    assert len(some.json()) == 5
    assert some.headers["warning"] == (
        '299 http://pacs.test/dicomweb "There are additional results that can be requested."'
    )
    assert "warning" not in all_of_them.headers


def test_without_a_limit_a_study_is_never_truncated(client: TestClient):
    answer = client.get("/dicomweb/studies/1.2.826.0.1.11.1/instances")

    assert len(answer.json()) == 6
    assert "warning" not in answer.headers


def test_no_match_is_an_empty_list(client: TestClient):
    assert get(client, "/studies?PatientID=NOBODY") == []


def test_names_are_found_by_sound_only_when_asked_for(client: TestClient):
    assert get(client, "/studies?PatientName=Steven%20Maier") == []
    rows = get(client, "/studies?PatientName=Steven%20Maier&fuzzymatching=true")
    assert values(rows, "0020000D") == uids_of("StudyInstanceUID", PatientName="Meyer^Stephen")


def test_empty_and_multiple_values_match_when_asked_for(client: TestClient):
    empty = get(client, '/studies?limit=100&AccessionNumber=""&emptyvaluematching=true')
    both = get(client, "/studies?limit=100&ModalitiesInStudy=CT,MR&multiplevaluematching=true")
    either = get(client, "/studies?limit=100&ModalitiesInStudy=CT,MR")

    assert values(empty, "0020000D") == {ds.StudyInstanceUID for ds in STORED if not ds.AccessionNumber}
    assert all({"CT", "MR"} <= set(row["00080061"]["Value"]) for row in both)
    assert 0 < len(both) < len(either)


@pytest.mark.parametrize(
    ("query", "sentence"),
    [
        ("PatientNaem=x", "'PatientNaem' is no search parameter"),
        ("0010002=x", "'0010002' is no search parameter"),
        ("StudyDate=2024*", "a date is YYYYMMDD"),
        ("StudyDate=20240201-20240101", "ends before it begins"),
        ("StudyInstanceUID=1.2.*", "takes no wild cards"),
        ("limit=-1", "limit is '-1'"),
        ("limit=many", "limit is 'many'"),
        ("offset=1.5", "offset is '1.5'"),
        ("fuzzymatching=maybe", "takes true or false"),
        ("PatientID.StudyID=1", "is not a sequence"),
        ("RequestAttributesSequence=1", "is a sequence"),
        ("includefield=Foo", "'Foo' is no search parameter"),
        ("TimezoneOffsetFromUTC=CET", "is not +HHMM"),
    ],
)
def test_a_bad_parameter_is_refused_with_a_sentence(client: TestClient, query: str, sentence: str):
    answer = client.get(f"/dicomweb/studies?{query}")

    assert answer.status_code == 400
    assert answer.headers["content-type"] == "application/problem+json"
    assert sentence in answer.json()["detail"]


def test_attributes_that_cannot_be_matched_are_named_in_a_warning(client: TestClient):
    answer = client.get("/dicomweb/studies?limit=100&ImageComments=axial&00090010=x")

    assert len(answer.json()) == len(uids_of("StudyInstanceUID"))
    assert "00090010 00204000" in answer.headers["warning"]


@pytest.mark.parametrize("accept", ["application/dicom+json", "*/*", "application/*;q=0.8", "text/html, */*"])
def test_dicom_json_is_answered_to_who_takes_it(client: TestClient, accept: str):
    assert get(client, "/studies?limit=1", Accept=accept)


def test_other_media_types(client: TestClient):
    plain = client.get("/dicomweb/studies?limit=1", headers={"Accept": "application/json"})
    text = client.get("/dicomweb/studies", headers={"Accept": "text/html"})
    by_parameter = client.get("/dicomweb/studies?limit=1&accept=application/json")

    assert plain.headers["content-type"] == "application/json"
    assert by_parameter.headers["content-type"] == "application/json"
    assert text.status_code == 406


def test_long_answers_are_compressed_for_who_takes_it(client: TestClient):
    asked = "/dicomweb/studies?limit=100"
    plain = client.get(asked, headers={"Accept-Encoding": "identity"})
    with client.stream("GET", asked, headers={"Accept-Encoding": "gzip, br"}) as answer:
        raw = b"".join(answer.iter_raw())

    assert "content-encoding" not in plain.headers
    assert answer.headers["content-encoding"] == "gzip"
    assert json.loads(gzip.decompress(raw)) == plain.json()


def test_the_retrieve_url_is_the_public_one_behind_a_proxy(tmp_path: Path):
    settings = Settings(data=tmp_path, public_url="https://pacs.example.org/")
    with Archive.open(settings) as archive:
        ds = make.ct_slice()
        receive(archive, SYSTEM("test"), io.BytesIO(make.part10(ds)))
        client = TestClient(As(create_dicomweb(archive), SYSTEM("dicomweb")))

        (row,) = get(client, "/studies")

    assert row["00081190"]["Value"] == [f"https://pacs.example.org/dicomweb/studies/{ds.StudyInstanceUID}"]


def test_strangers_and_those_without_the_right_are_turned_away(stored: Archive):
    storer = Principal("token", 1, "storer", frozenset(), frozenset({"store"}), None, "dicomweb")
    app = create_dicomweb(stored)

    assert TestClient(As(app, None)).get("/dicomweb/studies").status_code == 401
    assert TestClient(As(app, storer)).get("/dicomweb/studies").status_code == 403


# What OHIF asks (VIEWER.md 3.1), to the letter


OHIF_WORKLIST = "limit=101&offset=0&fuzzymatching=true&includefield=00081030%2C00080060%2C00080090%2C00100030"


def test_ohif_fills_its_worklist(client: TestClient):
    rows = get(client, f"/studies?{OHIF_WORKLIST}", Accept="application/dicom+json")

    assert len(rows) == 12
    needed = {"00080020", "00080030", "00080050", "00080061", "00100010", "00100020", "0020000D", "00201208"}
    assert all(needed <= row.keys() for row in rows)
    assert "00081030" in rows[0]


def test_ohif_opens_a_study(client: TestClient):
    (row,) = get(client, f"/studies?{OHIF_WORKLIST}&StudyInstanceUID={STUDY}", Accept="application/dicom+json")

    assert row["0020000D"]["Value"] == [STUDY]


def test_ohif_finds_priors_by_tag_number(client: TestClient):
    rows = get(client, f"/studies?00100020=P01&{OHIF_WORKLIST}", Accept="application/dicom+json")

    assert values(rows, "0020000D") == uids_of("StudyInstanceUID", PatientID="P01")


@pytest.mark.parametrize("fields", ["0008103E%2C00080021", "00080021%2C00080031%2C0008103E%2C00200011"])
def test_ohif_lists_the_series_of_a_study(client: TestClient, fields: str):
    rows = get(client, f"/studies/{STUDY}/series?includefield={fields}", Accept="application/dicom+json")

    assert [row["00200011"]["Value"][0] for row in rows] == [1, 2]
    assert all(tag in row for row in rows for tag in ("00080060", "0008103E", "00080021", "00201209"))


def test_ohif_filters_by_a_piece_of_a_name_and_dates(client: TestClient):
    rows = get(client, f"/studies?{OHIF_WORKLIST}&PatientName=*doe*&StudyDate=20240101-20241231")

    assert values(rows, "0020000D") == {
        ds.StudyInstanceUID for ds in STORED if "doe" in str(ds.PatientName).lower() and ds.StudyDate > "20240101"
    }


def test_dicomweb_client_searches_at_all_levels(stored: Archive, monkeypatch: pytest.MonkeyPatch):
    import requests
    from dicomweb_client import DICOMwebClient

    web = TestClient(As(create_dicomweb(stored), SYSTEM("dicomweb")), base_url="http://pacs.test")

    def through_the_app(session: Any, request: Any, **_: Any) -> requests.Response:
        answer = web.request(request.method, request.url, headers=dict(request.headers))
        response = requests.Response()
        response.status_code = answer.status_code
        response.headers.update(answer.headers)
        response.headers.pop("content-encoding", None)
        response._content = answer.content
        response.request = request
        response.url = request.url
        return response

    monkeypatch.setattr(requests.Session, "send", through_the_app)
    client = DICOMwebClient("http://pacs.test/dicomweb")

    studies = client.search_for_studies(search_filters={"PatientID": "P01"}, fields=["StudyDescription"])
    series = client.search_for_series(STUDY)
    instances = client.search_for_instances(STUDY, SERIES, limit=2, offset=1)

    assert values(studies, "0020000D") == uids_of("StudyInstanceUID", PatientID="P01")
    assert len(series) == 2
    assert [row["00200013"]["Value"] for row in instances] == [[2], [3]]
