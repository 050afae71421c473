"""Taking files in, finding studies, looking into them, taking them out."""

from __future__ import annotations

import io
import zipfile
from collections.abc import Callable
from pathlib import Path

import pytest
from starlette.testclient import TestClient

import make
from callers import principal_of
from filmless.access import audit, peers
from filmless.access.principal import SYSTEM
from filmless.api import tags
from filmless.archive import Archive, jobs
from filmless.config import Settings
from filmless.store.receive import receive

STUDY, SERIES = "1.2.3.4", "1.2.3.4.5"


def ct(**overrides: object) -> bytes:
    return make.part10(
        make.ct_slice(
            **{
                "StudyInstanceUID": STUDY,
                "SeriesInstanceUID": SERIES,
                "SOPInstanceUID": make.uid(),
                "PatientName": "Yamada^Tarou=山田^太郎=やまだ^たろう",
                "SpecificCharacterSet": "ISO_IR 192",
                "PatientID": "P1",
                "AccessionNumber": "A1",
                "StudyDate": "20260102",
                "StudyDescription": "Thorax",
            }
            | overrides
        )
    )


def zipped(files: dict[str, bytes]) -> bytes:
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", zipfile.ZIP_DEFLATED) as target:
        for name, content in files.items():
            target.writestr(name, content)
    return buffer.getvalue()


def store(archive: Archive, part10: bytes) -> None:
    receive(archive, SYSTEM("cli"), io.BytesIO(part10))


@pytest.fixture
def study(archive: Archive) -> str:
    for number in range(2):
        store(archive, ct(InstanceNumber=number + 1))
    return STUDY


# Uploads


def test_an_uploaded_file_is_stored_and_then_a_duplicate(radiologist: TestClient) -> None:
    file = ct(SOPInstanceUID="1.2.3.4.5.6")

    answers = [radiologist.post("/uploads", params={"name": "a.dcm"}, content=file).json() for _ in range(2)]

    stored = {"name": "a.dcm", "reason": None, "studyInstanceUid": STUDY, "sopInstanceUid": "1.2.3.4.5.6"}
    assert answers == [{"results": [stored | {"outcome": outcome}]} for outcome in ("stored", "duplicate")]


def test_a_zip_gives_a_result_for_each_file_in_it(radiologist: TestClient) -> None:
    content = zipped({"one/a.dcm": ct(), "two/b.dcm": ct(), "notes.txt": b"to whom it may concern"})

    results = radiologist.post("/uploads", params={"name": "all.zip"}, content=content).json()["results"]

    assert [(each["name"], each["outcome"]) for each in results] == [
        ("all.zip/one/a.dcm", "stored"),
        ("all.zip/two/b.dcm", "stored"),
        ("all.zip/notes.txt", "skipped"),
    ]
    assert "DICOM" in results[2]["reason"]


def test_other_bytes_under_the_same_uid_are_refused_with_the_reason(radiologist: TestClient) -> None:
    radiologist.post("/uploads", content=ct(SOPInstanceUID="1.2.3.4.5.6"))

    answer = radiologist.post("/uploads", content=ct(SOPInstanceUID="1.2.3.4.5.6", PatientID="P2"))

    [result] = answer.json()["results"]
    assert result["outcome"] == "refused"
    assert result["reason"]


def test_an_upload_leaves_rows_of_the_trail(radiologist: TestClient, archive: Archive) -> None:
    radiologist.post("/uploads", content=zipped({"a": ct(), "b": ct()}))

    rows = [row for row in audit.read(archive)[0] if row.study_instance_uid == STUDY]
    assert [(row.actor, row.door, row.outcome, row.count) for row in rows] == [("Rosalind", "api", "success", 2)]


def test_an_empty_upload_is_refused(radiologist: TestClient) -> None:
    assert radiologist.post("/uploads", content=b"").status_code == 400


def test_nothing_of_an_upload_stays_in_the_spool(radiologist: TestClient, settings: Settings) -> None:
    radiologist.post("/uploads", content=ct())

    assert list(Path(settings.data, "spool").iterdir()) == []


@pytest.mark.parametrize("is_declared", [True, False])
def test_an_upload_beyond_the_limit_is_not_taken(settings: Settings, is_declared: bool) -> None:
    from callers import ADDRESS, PASSWORD, make_person, web_of

    with Archive.open(settings.model_copy(update={"upload_file_max_bytes": 1000})) as archive:
        make_person(archive, "Rosalind", "radiologist")
        client = TestClient(web_of(archive), base_url="http://testserver/api/v1", client=(ADDRESS, 1))
        token = client.post("/session", json={"name": "Rosalind", "password": PASSWORD}).json()["csrfToken"]
        content = b"x" * 1001

        answer = client.post(
            "/uploads", content=content if is_declared else iter([content]), headers={"X-CSRF-Token": token}
        )

        assert answer.status_code == 413


# Finding


def test_a_study_is_found_with_its_names_and_counts(clinician: TestClient, study: str) -> None:
    page = clinician.get("/studies", params={"q": "yamada"}).json()

    assert (page["total"], page["nextCursor"]) == (1, None)
    row = page["items"][0]
    assert row["patientName"] == {"alphabetic": "Yamada^Tarou", "ideographic": "山田^太郎", "phonetic": "やまだ^たろう"}
    assert (row["studyInstanceUid"], row["modalities"]) == (study, ["CT"])
    assert (row["numberOfSeries"], row["numberOfInstances"]) == (1, 2)
    assert row["sizeBytes"] > 0
    assert row["createdAt"].endswith("Z")


@pytest.mark.parametrize(
    ("wanted", "total"),
    [
        ({"patientId": "P1"}, 1),
        ({"patientId": "P9"}, 0),
        ({"studyDate": "20260101-20260131"}, 1),
        ({"studyDate": "20260103-"}, 0),
        ({"modality": ["CT", "MR"]}, 1),
        ({"modality": ["MR"]}, 0),
        ({"accessionNumber": "A1", "description": "thor"}, 1),
        ({"patientName": "太郎"}, 1),
    ],
)
def test_filters_narrow_the_list(clinician: TestClient, study: str, wanted: dict[str, str], total: int) -> None:
    assert clinician.get("/studies", params=wanted).json()["total"] == total


def test_pages_of_studies_follow_one_another(clinician: TestClient, archive: Archive) -> None:
    for number in range(5):
        store(archive, ct(StudyInstanceUID=f"1.{number}", SeriesInstanceUID=f"1.{number}.1", PatientID=f"{number}"))

    shown, wanted = [], {"limit": "2", "sort": "patientId"}
    for _ in range(3):
        page = clinician.get("/studies", params=wanted).json()
        shown += [row["patientId"] for row in page["items"]]
        wanted["cursor"] = page["nextCursor"]

    assert shown == list("01234")
    assert page["nextCursor"] is None


@pytest.mark.parametrize(
    ("wanted", "status"),
    [({"cursor": "x"}, 400), ({"studyDate": "yesterday"}, 422), ({"sort": "shoeSize"}, 422), ({"limit": "0"}, 422)],
)
def test_a_question_that_makes_no_sense_is_answered_so(
    clinician: TestClient, wanted: dict[str, str], status: int
) -> None:
    assert clinician.get("/studies", params=wanted).status_code == status


def test_the_same_search_again_is_counted_on_one_row_of_the_trail(clinician: TestClient, archive: Archive) -> None:
    for _ in range(3):
        clinician.get("/studies", params={"q": "yamada"})
    clinician.get("/studies", params={"q": "tarou"})

    rows, _ = audit.read(archive, action="search")
    assert [(row.count, row.detail) for row in rows] == [(1, '{"q": "tarou"}'), (3, '{"q": "yamada"}')]


def test_a_study_is_shown_with_its_series_and_the_view_is_told(
    clinician: TestClient, archive: Archive, study: str
) -> None:
    shown = clinician.get(f"/studies/{study}").json()

    assert [(each["seriesInstanceUid"], each["numberOfInstances"]) for each in shown["series"]] == [(SERIES, 2)]
    [row] = audit.read(archive, study_instance_uid=study, actor="Clara")[0]
    assert (row.action, row.outcome) == ("view", "success")


def test_a_study_that_is_not_there_is_not_found_and_not_told(clinician: TestClient, archive: Archive) -> None:
    answer = clinician.get("/studies/9.9")

    assert answer.status_code == 404
    assert audit.read(archive, study_instance_uid="9.9")[0] == []


# Looking in


def tags_of(client: TestClient, archive: Archive) -> list[dict[str, object]]:
    from filmless.retrieve.instances import find_instances

    instance = next(iter(find_instances(archive, SYSTEM("cli"), study_uids=(STUDY,))))
    answer = client.get(f"/studies/{STUDY}/series/{SERIES}/instances/{instance.sop_instance_uid}/tags")
    assert answer.status_code == 200
    found: list[dict[str, object]] = answer.json()
    return found


def test_tags_are_listed_as_a_person_reads_them(clinician: TestClient, archive: Archive, study: str) -> None:
    listed = {each["tag"]: each for each in tags_of(clinician, archive)}

    name = listed["00100010"]
    assert (name["vr"], name["keyword"], name["name"]) == ("PN", "PatientName", "Patient's Name")
    assert name["value"] == "Yamada^Tarou=山田^太郎=やまだ^たろう"
    pixels = listed["7FE00010"]
    assert (pixels["value"], pixels["lengthBytes"]) == (None, 32)
    assert list(listed) == sorted(listed)


def test_sequences_are_listed_with_their_items(clinician: TestClient, archive: Archive) -> None:
    from pydicom.dataset import Dataset

    inner = Dataset()
    inner.CodeValue, inner.CodeMeaning = "T-1", "Lung"
    store(archive, ct(ProcedureCodeSequence=[inner, inner]))

    listed = {each["keyword"]: each for each in tags_of(clinician, archive)}

    sequence = listed["ProcedureCodeSequence"]
    assert sequence["value"] == "2 items"
    items = sequence["items"]
    assert isinstance(items, list)
    assert [[element["value"] for element in item] for item in items] == [["T-1", "Lung"]] * 2


def test_private_tags_are_named_by_their_creator(clinician: TestClient, archive: Archive) -> None:
    dataset = make.ct_slice(StudyInstanceUID=STUDY, SeriesInstanceUID=SERIES)
    dataset.private_block(0x0009, "GEMS_IDEN_01", create=True).add_new(0x01, "LO", "GE_GENESIS_FF")
    store(archive, make.part10(dataset))

    listed = {each["tag"]: each for each in tags_of(clinician, archive)}

    assert (listed["00091001"]["value"], listed["00091001"]["keyword"]) == ("GE_GENESIS_FF", "")
    assert "Unknown" not in str(listed["00091001"]["name"])


def test_a_sequence_of_thousands_is_cut_and_says_so(
    clinician: TestClient, archive: Archive, monkeypatch: pytest.MonkeyPatch
) -> None:
    from pydicom.dataset import Dataset

    monkeypatch.setattr(tags, "ITEMS_SHOWN", 2)
    store(archive, ct(ProcedureCodeSequence=[Dataset() for _ in range(5)]))

    sequence = {each["keyword"]: each for each in tags_of(clinician, archive)}["ProcedureCodeSequence"]

    assert sequence["value"] == "5 items, the first 2 shown"
    assert sequence["items"] == [[], []]


@pytest.mark.parametrize("path", ["1.2.3.4/series/1.2.3.4.5/instances/9", "9/series/1.2.3.4.5/instances/9"])
def test_tags_of_what_is_not_there_are_not_found(clinician: TestClient, study: str, path: str) -> None:
    assert clinician.get(f"/studies/{path}/tags").status_code == 404


# Taking out


def test_a_study_is_downloaded_as_a_zip_and_the_download_is_told(
    clinician: TestClient, archive: Archive, study: str
) -> None:
    answer = clinician.get(f"/studies/{study}/zip")

    assert answer.headers["Content-Type"] == "application/zip"
    assert answer.headers["Content-Disposition"] == f'attachment; filename="{study}.zip"'
    with zipfile.ZipFile(io.BytesIO(answer.content)) as archived:
        assert archived.testzip() is None
        assert len([name for name in archived.namelist() if not name.endswith("/")]) == 2
    assert [row.actor for row in audit.read(archive, action="download")[0]] == ["Clara"]


def test_a_study_that_is_not_there_cannot_be_downloaded(clinician: TestClient) -> None:
    assert clinician.get("/studies/9.9/zip").status_code == 404


def test_sending_is_a_job_and_is_told(radiologist: TestClient, archive: Archive, study: str) -> None:
    peer = peers.add_peer(archive, SYSTEM("cli"), ae_title="NEXT", host="192.0.2.1", port=104, allow=[])

    answer = radiologist.post(f"/studies/{study}/send", json={"peerId": peer.id})

    assert answer.status_code == 202
    with archive.reading() as session:
        job = jobs.get_job(session, answer.json()["jobId"])
    assert (job.name, job.destination) == ("send_study", "NEXT")
    assert (job.args["study_instance_uid"], job.args["peer_id"]) == (study, peer.id)
    assert [row.object for row in audit.read(archive, action="send")[0]] == ["NEXT"]


@pytest.mark.parametrize(("host", "port", "status"), [("10.0.0.0/8", 104, 400), ("10.0.0.1", None, 400)])
def test_nothing_is_sent_to_a_peer_that_cannot_be_called(
    radiologist: TestClient, archive: Archive, study: str, host: str, port: int | None, status: int
) -> None:
    peer = peers.add_peer(archive, SYSTEM("cli"), ae_title="NEXT", host=host, port=port, allow=[])

    assert radiologist.post(f"/studies/{study}/send", json={"peerId": peer.id}).status_code == status
    assert radiologist.post(f"/studies/{study}/send", json={"peerId": 99}).status_code == 404


def test_who_may_see_no_study_finds_none(archive: Archive, study: str) -> None:
    from filmless.errors import NotFound
    from filmless.query.listing import get_study

    blind = principal_of("clinician", rights=frozenset({"store"}))

    with pytest.raises(NotFound):
        get_study(archive, blind, study)


def test_live_events_tell_of_an_arrival(
    sign_in: Callable[[str, str], TestClient], archive: Archive, study: str
) -> None:
    from filmless.archive import feed

    with feed.reading(archive) as final:
        arrived = final.read_after(feed.START, 100)

    assert {(event.name, event.key) for event in arrived} >= {("study", study)}
