"""C-FIND on the wire (PS3.4 C.4.1), asked by pynetdicom and DCMTK's findscu, and the handler's rules one by one."""

from __future__ import annotations

import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from pydicom import Dataset, dcmread
from pynetdicom import AE
from pynetdicom.pdu_primitives import SOPClassExtendedNegotiation

import make
import population
from filmless.access.principal import SYSTEM, Principal
from filmless.archive import Archive
from filmless.config import Settings
from filmless.query.matching import Options
from filmless.scp import find
from filmless.store.receive import begin

STORED = population.make_all()
STUDY = "1.2.826.0.1.1.1"
SERIES = "1.2.826.0.1.1.2.1"
US = SYSTEM("test")


@pytest.fixture(scope="module")
def searched(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Archive]:
    """An archive that holds the population."""
    with Archive.open(Settings(data=tmp_path_factory.mktemp("found"), http="127.0.0.1:0")) as archive:
        for ds in STORED:
            reception = begin(
                archive,
                US,
                sop_class_uid=ds.SOPClassUID,
                sop_instance_uid=ds.SOPInstanceUID,
                transfer_syntax_uid=make.EXPLICIT_LE,
            )
            reception.write(make.dataset_bytes(ds))
            reception.finish()
        yield archive


@pytest.fixture
def port(searched: Archive, serving: Any) -> int:
    """The port of a listener on it, which knows the peer TEST."""
    from filmless.access import peers

    if peers.find_peer(searched, "TEST", "127.0.0.1") is None:
        peers.add_peer(searched, US, ae_title="TEST", host="127.0.0.1", port=None, allow=("query", "echo"))
    door = serving(searched)
    return int(door.port)


def ask(port: int, identifier: Dataset, model: str = find.STUDY_ROOT_FIND, options: bytes = b"") -> Any:
    """Ask with pynetdicom: the final status, what pended, and the answer to our extended negotiation."""
    ae = AE("TEST")
    ae.add_requested_context(model)
    items = []
    if options:
        item = SOPClassExtendedNegotiation()
        item.sop_class_uid = model
        item.service_class_application_information = options
        items.append(item)
    association = ae.associate("127.0.0.1", port, ae_title="FILMLESS", ext_neg=items)
    assert association.is_established
    answers = list(association.send_c_find(identifier, model))
    granted = association.acceptor.sop_class_extended.get(model) if options else None
    association.release()
    return answers[-1][0], [(status.Status, ds) for status, ds in answers[:-1]], granted


def keys(level: str, **values: Any) -> Dataset:
    ds = Dataset()
    ds.QueryRetrieveLevel = level
    for keyword, value in values.items():
        setattr(ds, keyword, value)
    return ds


def test_studies_are_found_with_their_return_keys(port: int):
    asked = keys("STUDY", PatientName="doe*", PatientID="P01", StudyInstanceUID="", ModalitiesInStudy="", StudyDate="")

    final, pending, _ = ask(port, asked)

    assert final.Status == 0x0000
    assert {status for status, _ in pending} == {0xFF00}
    expected = {ds.StudyInstanceUID for ds in STORED if ds.PatientID == "P01"}
    assert {ds.StudyInstanceUID for _, ds in pending} == expected
    match = next(ds for _, ds in pending if ds.StudyInstanceUID == STUDY)
    assert match.QueryRetrieveLevel == "STUDY"
    assert match.RetrieveAETitle == "FILMLESS"
    assert match.InstanceAvailability == "ONLINE"
    assert list(match.ModalitiesInStudy) == ["MR", "SR"]
    assert match.StudyDate == "20240131"


def test_only_requested_keys_and_those_of_the_service_come_back(port: int):
    _, pending, _ = ask(port, keys("STUDY", StudyInstanceUID=STUDY, StudyDescription=""))

    (match,) = [ds for _, ds in pending]
    assert {element.keyword for element in match} == {
        "InstanceAvailability",
        "QueryRetrieveLevel",
        "RetrieveAETitle",
        "StudyDescription",
        "StudyInstanceUID",
    }


def test_names_in_all_scripts_come_back_whole(port: int):
    _, pending, _ = ask(port, keys("STUDY", PatientID="P05", PatientName="", SpecificCharacterSet="ISO_IR 192"))

    (match,) = [ds for _, ds in pending]
    assert match.SpecificCharacterSet == "ISO_IR 192"
    assert match.PatientName == "Yamada^Tarou=山田^太郎=やまだ^たろう"


@pytest.mark.parametrize(("character_set", "name"), [("ISO_IR 100", "MÜLLER^JÜRGEN"), ("ISO_IR 144", "ИВАНОВ^*")])
def test_names_are_asked_in_the_character_set_of_the_request(port: int, character_set: str, name: str):
    asked = keys("STUDY", SpecificCharacterSet=character_set, PatientName=name, PatientID="", StudyInstanceUID="")

    _, pending, _ = ask(port, asked)

    assert {ds.PatientID for _, ds in pending} == ({"P02"} if "M" in name else {"P06"})


def test_each_level_of_the_patient_root_model_is_found(port: int):
    model = find.PATIENT_ROOT_FIND
    _, patients, _ = ask(
        port, keys("PATIENT", PatientID="P0*", PatientName="", NumberOfPatientRelatedStudies=""), model
    )
    _, studies, _ = ask(port, keys("STUDY", PatientID="P01", StudyInstanceUID=""), model)
    _, series, _ = ask(port, keys("SERIES", PatientID="P01", StudyInstanceUID=STUDY, SeriesInstanceUID=""), model)
    below = keys("IMAGE", PatientID="P01", StudyInstanceUID=STUDY, SeriesInstanceUID=SERIES, SOPInstanceUID="")
    below.ImageComments = ""
    _, images, _ = ask(port, below, model)

    assert {ds.PatientID for _, ds in patients} == {ds.PatientID for ds in STORED if ds.PatientID}
    assert {ds.PatientID: ds.NumberOfPatientRelatedStudies for _, ds in patients}["P01"] == 2
    assert {ds.StudyInstanceUID for _, ds in studies} == {STUDY, "1.2.826.0.1.11.1"}
    assert {ds.SeriesInstanceUID for _, ds in series} == {"1.2.826.0.1.1.2.0", SERIES}
    assert [ds.get("ImageComments") for _, ds in images] == ["axial", "sagittal", ""]


def test_the_retired_patient_study_only_model_still_answers(port: int):
    final, pending, _ = ask(port, keys("STUDY", PatientID="P01", StudyInstanceUID=""), find.PATIENT_STUDY_ONLY_FIND)

    assert final.Status == 0x0000
    assert len(pending) == 2


def test_a_key_that_is_not_supported_is_told_by_ff01(port: int):
    final, pending, _ = ask(port, keys("STUDY", StudyInstanceUID=STUDY, SliceThickness=""))

    assert final.Status == 0x0000
    ((status, match),) = pending
    assert status == 0xFF01
    assert match["SliceThickness"].is_empty


@pytest.mark.parametrize(
    ("asked", "model", "comment"),
    [
        (keys("SERIES", SeriesInstanceUID=""), find.STUDY_ROOT_FIND, "Study Instance UID must be one value"),
        (keys("SERIES", StudyInstanceUID="1.2\\1.3"), find.STUDY_ROOT_FIND, "Study Instance UID must be one value"),
        (keys("IMAGE", StudyInstanceUID=STUDY), find.STUDY_ROOT_FIND, "Series Instance UID must be one value"),
        (keys("STUDY", StudyInstanceUID=STUDY), find.PATIENT_ROOT_FIND, "Patient ID must be one value"),
        (keys("STUDY", PatientID="P*"), find.PATIENT_ROOT_FIND, "Patient ID must be one value"),
        (keys("PATIENT", PatientID=""), find.STUDY_ROOT_FIND, "'PATIENT' is none of STUDY, SERIES, IMAGE"),
        (keys("SERIES", PatientID="P01"), find.PATIENT_STUDY_ONLY_FIND, "'SERIES' is none of"),
        (keys("", StudyInstanceUID=""), find.STUDY_ROOT_FIND, "Level (0008,0052) is missing"),
        (keys("STUDY", StudyDate="2024*"), find.STUDY_ROOT_FIND, "(0008,0020)"),
    ],
)
def test_a_bad_identifier_is_told_by_a900_and_a_comment(port: int, asked: Dataset, model: str, comment: str):
    final, pending, _ = ask(port, asked, model)

    assert final.Status == 0xA900
    assert comment in final.ErrorComment
    assert pending == []


def test_relational_queries_are_granted_and_need_no_unique_keys_above(port: int):
    asked = keys("SERIES", Modality="SR", SeriesInstanceUID="")

    final, pending, granted = ask(port, asked, options=b"\1")

    assert granted == b"\1"
    assert final.Status == 0x0000
    assert {ds.SeriesInstanceUID for _, ds in pending} == {ds.SeriesInstanceUID for ds in STORED if ds.Modality == "SR"}


def test_fuzzy_names_are_matched_when_negotiated(port: int):
    asked = keys("STUDY", PatientName="Steven Maier", PatientID="")

    _, literal, _ = ask(port, asked)
    _, fuzzy, granted = ask(port, asked, options=b"\0\0\1")

    assert literal == []
    assert granted == b"\0\0\1"
    assert {ds.PatientID for _, ds in fuzzy} == {"P04"}


def test_all_options_but_multi_frame_conversion_are_granted(port: int):
    _, _, granted = ask(port, keys("STUDY", PatientID="P01"), options=b"\1\1\1\1\1\1\1")

    assert granted == b"\1\1\1\1\0\1\1"


def test_the_negotiated_bytes_mean_what_table_c_5_2_says():
    assert find.read_options(None) == Options()
    assert find.read_options(b"\1") == Options(relational=True)
    assert find.read_options(b"\0\1") == Options(combined_date_time=True)
    assert find.read_options(b"\0\0\0\1") == Options(timezone=True)
    assert find.read_options(b"\0\0\0\0\0\1") == Options(empty_values=True)
    assert find.read_options(b"\0\0\0\0\0\0\1\1") == Options(multiple_values=True)


def handle(
    archive: Archive, asked: dict[str, Any], cancelled_after: int | None = None, who: Principal = US
) -> list[Any]:
    """Ask the handler itself; it is cancelled after so many matches."""
    polls = iter(range(10_000))
    is_cancelled = lambda: cancelled_after is not None and next(polls) >= cancelled_after  # noqa: E731
    return list(find.handle_find(archive, who, asked, find.STUDY_ROOT_FIND, None, is_cancelled))


EVERYTHING = {"00080052": {"vr": "CS", "Value": ["STUDY"]}, "0020000D": {"vr": "UI"}}


def test_a_cancelled_query_ends_with_fe00(searched: Archive):
    answers = handle(searched, EVERYTHING, cancelled_after=3)

    assert [status for status, _ in answers] == [0xFF00, 0xFF00, 0xFF00, 0xFE00]


def test_too_many_matches_end_with_a700(searched: Archive, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(searched, "settings", searched.settings.model_copy(update={"find_matches_max": 2}))

    answers = handle(searched, EVERYTHING)

    assert [status for status, _ in answers] == [0xFF00, 0xFF00, 0xA700]


def test_who_may_not_query_is_told_so(searched: Archive):
    storer = Principal("peer", 1, "STORER", frozenset(), frozenset({"store"}), None, "dimse")

    ((status, _),) = handle(searched, EVERYTHING, who=storer)

    assert status == 0x0124


@pytest.mark.skipif(shutil.which("findscu") is None, reason="DCMTK is not installed")
def test_dcmtk_finds_studies_and_writes_the_answers(port: int, tmp_path: Path):
    command = ["findscu", "-S", "-X", "-od", str(tmp_path), "-aet", "TEST", "-aec", "FILMLESS"]
    command += ["-k", "QueryRetrieveLevel=STUDY", "-k", "PatientID=P01", "-k", "StudyInstanceUID", "-k", "PatientName"]

    done = subprocess.run([*command, "127.0.0.1", str(port)], capture_output=True, text=True, timeout=60, check=False)

    assert done.returncode == 0, done.stderr
    found = [dcmread(path, force=True) for path in sorted(tmp_path.glob("*.dcm"))]
    assert {ds.StudyInstanceUID for ds in found} == {STUDY, "1.2.826.0.1.11.1"}
    assert {str(ds.PatientName) for ds in found} == {"Doe^John^^Dr"}
