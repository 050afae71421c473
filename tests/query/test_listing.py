"""The list of studies that the screen shows."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from pydicom import Dataset

import make
import population
from filmless.access.principal import SYSTEM, Principal
from filmless.archive import Archive
from filmless.dicom.names import fold
from filmless.errors import NotAllowed, NotFound, Refused
from filmless.query import listing
from filmless.query.listing import StudyFilter, get_study, list_studies

US = SYSTEM("api")
STORED = population.make_all()


def uids(archive: Archive, **wanted: Any) -> set[str]:
    rows, _, total = list_studies(archive, US, StudyFilter(**wanted), 100)
    assert total == len(rows)
    return {row.study_instance_uid for row in rows}


def uids_of(**wanted: str) -> set[str]:
    return {
        str(ds.StudyInstanceUID)
        for ds in STORED
        if all(str(ds.get(keyword, "")) == value for keyword, value in wanted.items())
    }


@pytest.mark.parametrize(
    ("words", "wanted"),
    [
        ("doe john", {"PatientID": "P01"}),
        ("JOHN doe", {"PatientID": "P01"}),
        ("ürg MUL", {"PatientID": "P02"}),
        ("yama", {"PatientID": "P05"}),
        ("山田", {"PatientID": "P05"}),
        ("太", {"PatientID": "P05"}),
        ("やまだ 太郎", {"PatientID": "P05"}),
        ("пётр", {"PatientID": "P06"}),
        ("o'neil", {"PatientID": "P07"}),
        ("p03", {"PatientID": "P03"}),
        ("001]", {"AccessionNumber": "A[001]"}),
        ("100%", {"StudyDescription": "MR brain 100%"}),
        ("brain doe", {"StudyDescription": "MR brain 100%", "PatientID": "P01"}),
        ('"quoted', {"PatientID": "nobody"}),
        ("a OR b", {"PatientID": "nobody"}),
        ("Doe^John", {"PatientID": "P01"}),
    ],
)
def test_all_words_must_occur_somewhere_in_any_script(filled: Any, words: str, wanted: dict[str, str]):
    assert uids(filled.archive, q=words) == uids_of(**wanted)


@given(
    words=st.lists(
        st.sampled_from(["do", "joh", "e^", "p0", "brain", "ct_", "山", "A[", "%", "_", "ür", "1"]), max_size=3
    )
)
@settings(max_examples=100, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_the_index_finds_what_looking_at_each_study_finds(filled: Any, words: list[str]):
    def text_of(ds: Dataset) -> str:
        names = str(ds.PatientName).replace("^", " ").replace("=", " ")
        return fold(f"{names} {ds.PatientID} {ds.AccessionNumber} {ds.StudyDescription}")

    parts = [part for word in words for part in fold(word).replace("^", " ").split()]

    assert uids(filled.archive, q=" ".join(words)) == {
        ds.StudyInstanceUID for ds in STORED if all(part in text_of(ds) for part in parts)
    }


@pytest.mark.parametrize(
    ("asked", "wanted"),
    [
        ({"patient_name": "jane"}, lambda ds: "jane" in str(ds.PatientName).lower()),
        ({"patient_name": "brain"}, lambda ds: False),
        ({"patient_id": "p0"}, lambda ds: bool(ds.PatientID)),
        ({"accession_number": "[001"}, lambda ds: "[001" in ds.AccessionNumber),
        ({"description": "BRAIN 100%"}, lambda ds: ds.StudyDescription == "MR brain 100%"),
        ({"study_date": "20240102"}, lambda ds: ds.StudyDate == "20240102"),
        ({"study_date": "20240101-20240131"}, lambda ds: ds.StudyDate.startswith("202401")),
        ({"study_date": "-20231231"}, lambda ds: ds.StudyDate == "20230630"),
        ({"study_date": "20240110-"}, lambda ds: ds.StudyDate == "20240131"),
        (
            {"q": "doe", "study_date": "20240131", "patient_id": "P01"},
            lambda ds: ds.PatientID == "P01" and ds.StudyDate == "20240131",
        ),
    ],
)
def test_filters_narrow_together(filled: Any, asked: dict[str, Any], wanted: Callable[[Dataset], bool]):
    assert uids(filled.archive, **asked) == {ds.StudyInstanceUID for ds in STORED if wanted(ds)}


def test_any_of_the_modalities_is_enough(filled: Any):
    assert uids(filled.archive, modalities=("SR",)) == uids_of(Modality="SR")
    assert uids(filled.archive, modalities=("SR", "CT")) == uids_of(Modality="SR") | uids_of(Modality="CT")
    assert uids(filled.archive, modalities=("US",)) == set()


@pytest.mark.parametrize("field", sorted(listing.SORT_COLUMNS))
@pytest.mark.parametrize("sign", ["", "-"])
def test_pages_of_every_order_hold_each_study_once(filled: Any, field: str, sign: str):
    wanted = StudyFilter(sort=sign + field)
    whole, _, _ = list_studies(filled.archive, US, wanted, 100)

    rows, cursor, total = list_studies(filled.archive, US, wanted, 5)
    while cursor is not None:
        more, cursor, _ = list_studies(filled.archive, US, wanted, 5, cursor)
        rows += more

    assert rows == whole
    assert total == len(whole) == 12


def test_the_newest_study_comes_first(filled: Any):
    rows, _, _ = list_studies(filled.archive, US, StudyFilter(), 100)

    moments = [(row.study_date, row.study_time) for row in rows]
    assert moments == sorted(moments, reverse=True)


def test_a_page_is_not_moved_by_what_arrives(archive: Archive, put: Callable[[Dataset], None]):
    for day in ("02", "03", "04"):
        put(make.ct_slice(StudyDate=f"202401{day}"))
    first, cursor, _ = list_studies(archive, US, StudyFilter(), 2)

    put(make.ct_slice(StudyDate="20240105"))
    second, end, total = list_studies(archive, US, StudyFilter(), 2, cursor)

    assert [row.study_date for row in first + second] == ["20240104", "20240103", "20240102"]
    assert end is None
    assert total == 4


def test_a_row_tells_what_the_study_is(archive: Archive, put: Callable[[Dataset], None]):
    slices = make.ct_series(3, PatientName="Yamada^Tarou=山田^太郎", PatientID="P9", StudyID="7")
    for ds in slices:
        put(ds)

    ((row,), _, _) = list_studies(archive, US, StudyFilter(), 10)

    assert row.study_instance_uid == slices[0].StudyInstanceUID
    assert row.patient_name == "Yamada^Tarou=山田^太郎"
    assert (row.patient_id, row.study_id, row.modalities) == ("P9", "7", "CT")
    assert (row.number_of_series, row.number_of_instances) == (1, 3)
    assert row.size_bytes > 0
    assert row.created_at <= row.updated_at


def test_the_total_stops_at_its_bound(filled: Any, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(listing, "TOTAL_MAX", 4)

    assert list_studies(filled.archive, US, StudyFilter(), 2)[2] == 4


def test_words_that_many_studies_share_give_the_same_list(filled: Any, monkeypatch: pytest.MonkeyPatch):
    few = list_studies(filled.archive, US, StudyFilter(q="doe"), 2)

    monkeypatch.setattr("filmless.query.conditions.FEW", 1)

    assert list_studies(filled.archive, US, StudyFilter(q="doe"), 2) == few


@pytest.mark.parametrize("cursor", ["", "x", "bm90IGpzb24=", "WzFd", "e30="])
def test_a_cursor_that_was_not_given_out_is_refused(filled: Any, cursor: str):
    with pytest.raises(Refused, match="cursor"):
        list_studies(filled.archive, US, StudyFilter(), 2, cursor)


def test_a_cursor_of_another_order_is_refused(filled: Any):
    _, cursor, _ = list_studies(filled.archive, US, StudyFilter(sort="patientName"), 2)

    with pytest.raises(Refused, match="another order"):
        list_studies(filled.archive, US, StudyFilter(), 2, cursor)


def test_an_unknown_order_is_refused(filled: Any):
    with pytest.raises(Refused, match="sorted by 'shoe'"):
        list_studies(filled.archive, US, StudyFilter(sort="shoe"), 2)


def test_a_study_comes_with_its_series_in_the_order_of_their_numbers(filled: Any):
    study = get_study(filled.archive, US, "1.2.826.0.1.11.1")

    assert study.number_of_series == 3
    assert [series.series_number for series in study.series] == [1, 2, 3]
    assert [series.modality for series in study.series] == ["SR", "CT", "MR"]
    assert sum(series.number_of_instances for series in study.series) == study.number_of_instances


def test_a_study_that_is_not_there_is_not_found(filled: Any):
    with pytest.raises(NotFound):
        get_study(filled.archive, US, "1.2.3")


def test_what_the_policy_hides_is_neither_listed_nor_opened(filled: Any, monkeypatch: pytest.MonkeyPatch):
    from filmless.archive.tables import studies

    hidden = "1.2.826.0.1.1.1"
    monkeypatch.setattr("filmless.access.policy.visible_studies", lambda _: studies.c.study_instance_uid != hidden)

    assert uids(filled.archive) == uids_of() - {hidden}
    with pytest.raises(NotFound):
        get_study(filled.archive, US, hidden)


def test_who_may_not_search_gets_no_list(filled: Any):
    nobody = Principal("person", 1, "nobody", frozenset(), frozenset(), None, "api")

    with pytest.raises(NotAllowed):
        list_studies(filled.archive, nobody, StudyFilter())
