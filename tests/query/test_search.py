"""Searches on a real database against a brute-force search over the pydicom data sets that were stored."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from pydicom import Dataset
from pydicom.datadict import dictionary_VR, tag_for_keyword

import make
import plain_matching
import population
from filmless.access import audit
from filmless.access.principal import SYSTEM, Principal
from filmless.archive import Archive
from filmless.errors import NotAllowed, Refused
from filmless.query.search import JsonDataset, Level, Options, find_all, find_page, read_query

US = SYSTEM("test")
STORED = population.make_all()


def identifier_of(keys: dict[str, str], **more: str) -> JsonDataset:
    """An identifier of keys by keyword; "Sequence.Attribute" goes into an item."""
    identifier: JsonDataset = {}
    for keyword, value in (keys | more).items():
        target = identifier
        for outer in keyword.split(".")[:-1]:
            element = identifier.setdefault(f"{tag_for_keyword(outer):08X}", {"vr": "SQ", "Value": [{}]})
            target = element["Value"][0]
        name = keyword.split(".")[-1]
        element = {"vr": dictionary_VR(name)}
        if value:
            element["Value"] = value.split("\\")
        target[f"{tag_for_keyword(name):08X}"] = element
    return identifier


def found(archive: Archive, level: str, keys: dict[str, str], **options: bool) -> set[str]:
    """The unique keys of what a search finds, as plain_matching names them."""
    wanted = {"PATIENT": ("PatientID", "IssuerOfPatientID"), "STUDY": ("StudyInstanceUID",)}
    wanted |= {"SERIES": ("SeriesInstanceUID",), "IMAGE": ("SOPInstanceUID",)}
    identifier = identifier_of(dict.fromkeys(wanted[level], "") | keys)
    query = read_query(Level[level], identifier, Options(relational=True, **options))
    datasets = list(find_all(archive, US, query))
    names = {"|".join(first(dataset, keyword) for keyword in wanted[level]) for dataset in datasets}
    assert len(names) == len(datasets)
    return names


def first(dataset: JsonDataset, keyword: str) -> str:
    """The first value of an element as text, "" when it is empty."""
    values = dataset[f"{tag_for_keyword(keyword):08X}"].get("Value") or [""]
    return str(values[0])


def expected(level: str, keys: dict[str, str], datasets: list[Dataset] = STORED) -> set[str]:
    nameless = {ds.StudyInstanceUID: "|" + ds.IssuerOfPatientID for ds in datasets if not ds.PatientID}
    names = plain_matching.find(datasets, level, keys)
    return {nameless.get(name, name) for name in names} if level == "PATIENT" else names


KEYWORDS = {
    "PATIENT": ["PatientName", "PatientID", "IssuerOfPatientID", "PatientBirthDate", "PatientSex"],
    "STUDY": [
        "StudyInstanceUID",
        "StudyDate",
        "StudyTime",
        "AccessionNumber",
        "StudyID",
        "StudyDescription",
        "ReferringPhysicianName",
        "AdmittingDiagnosesDescription",
        "RequestingPhysician",
        "ModalitiesInStudy",
        "NumberOfStudyRelatedInstances",
    ],
    "SERIES": [
        "SeriesInstanceUID",
        "SeriesNumber",
        "Modality",
        "SeriesDescription",
        "BodyPartExamined",
        "PerformedProcedureStepStartDate",
        "OperatorsName",
        "RequestAttributesSequence.ScheduledProcedureStepID",
        "RequestAttributesSequence.RequestedProcedureID",
    ],
    "IMAGE": [
        "SOPInstanceUID",
        "SOPClassUID",
        "InstanceNumber",
        "Rows",
        "ContentDate",
        "SliceLocation",
        "ImageComments",
    ],
}


def values_of(keyword: str) -> list[str]:
    """The values that the population has of an attribute."""
    if keyword == "ModalitiesInStudy":
        return ["CT", "MR", "SR"]
    if keyword == "NumberOfStudyRelatedInstances":
        return ["1", "2", "3", "4", "6"]
    outer, _, inner = keyword.rpartition(".")
    holders = [ds[outer][0] for ds in STORED if outer in ds and ds[outer].value] if outer else STORED
    return sorted({text for ds in holders if (text := plain_matching.text_of(ds, inner))})


@st.composite
def a_key(draw: st.DrawFn, keyword: str) -> str:
    """A key for an attribute: a value of the population, often changed by what its VR allows."""
    value = draw(st.sampled_from(values_of(keyword)))
    vr = "CS" if keyword == "ModalitiesInStudy" else dictionary_VR(keyword.rsplit(".", maxsplit=1)[-1])
    if vr == "UI":
        return "\\".join(draw(st.lists(st.sampled_from(values_of(keyword)), min_size=1, max_size=3)))
    if vr in ("DA", "TM"):
        other = draw(st.sampled_from(values_of(keyword)))
        low, high = sorted([value, other], key=lambda text: text.ljust(13, "0"))
        return draw(st.sampled_from([value, f"{low}-{high}", f"{value}-", f"-{value}"]))
    if vr in ("IS", "DS", "US"):
        return value
    start = draw(st.integers(0, len(value)))
    end = draw(st.integers(start, len(value)))
    cut = value[start:end]
    forms = [
        value,
        value.swapcase(),
        f"{value[:end]}*",
        f"*{cut}*",
        f"*{value[start:]}",
        f"{value[:start]}?{value[start + 1 :]}",
    ]
    if vr == "PN":
        forms += [f"={cut}*", f"{value.split('^')[0]}^*", value.split("=")[0]]
    return draw(st.sampled_from(forms))


@st.composite
def a_query(draw: st.DrawFn) -> tuple[str, dict[str, str]]:
    level = draw(st.sampled_from(plain_matching.LEVELS))
    allowed = [
        key for above in plain_matching.LEVELS[: plain_matching.LEVELS.index(level) + 1] for key in KEYWORDS[above]
    ]
    keywords = draw(st.lists(st.sampled_from(allowed), max_size=3, unique=True))
    return level, {keyword: draw(a_key(keyword)) for keyword in keywords}


@given(asked=a_query())
@settings(max_examples=400, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_a_search_finds_what_a_walk_over_all_data_sets_finds(filled: Any, asked: tuple[str, dict[str, str]]):
    level, keys = asked

    assert found(filled.archive, level, keys) == expected(level, keys)


@pytest.mark.parametrize("level", plain_matching.LEVELS)
def test_a_search_without_keys_finds_everything(filled: Any, level: str):
    assert found(filled.archive, level, {}) == expected(level, {})


@pytest.mark.parametrize(
    ("level", "keys", "through"),
    [
        ("STUDY", {"Modality": "SR"}, "SERIES"),
        ("STUDY", {"SOPInstanceUID": "1.2.826.0.1.4.3.1.1"}, "IMAGE"),
        ("STUDY", {"Modality": "MR", "BodyPartExamined": "HEAD", "InstanceNumber": "2"}, "IMAGE"),
        ("SERIES", {"InstanceNumber": "3"}, "IMAGE"),
    ],
)
def test_relational_keys_of_lower_levels_must_hold_for_one_row_below(
    filled: Any, level: str, keys: dict[str, str], through: str
):
    below = plain_matching.find(STORED, through, keys)
    attribute = {"SERIES": "SeriesInstanceUID", "IMAGE": "SOPInstanceUID"}[through]
    upper = {"STUDY": "StudyInstanceUID", "SERIES": "SeriesInstanceUID"}[level]

    assert found(filled.archive, level, keys) == {ds[upper].value for ds in STORED if ds[attribute].value in below}


def test_patients_are_found_by_what_their_studies_say(filled: Any):
    told = [ds for ds in STORED if ds.StudyDescription.startswith("MR") and ds.Modality == "CT"]

    assert found(filled.archive, "PATIENT", {"StudyDescription": "MR*", "Modality": "CT"}) == {
        f"{ds.PatientID}|{ds.IssuerOfPatientID}" for ds in told
    }


def test_lower_keys_are_unsupported_unless_queries_are_relational():
    identifier = identifier_of({"Modality": "CT", "StudyInstanceUID": ""})

    assert read_query(Level.STUDY, identifier, Options()).unsupported == {"00080060"}
    assert read_query(Level.STUDY, identifier, Options(relational=True)).unsupported == set()


def test_pages_hold_every_match_once_in_a_stable_order(filled: Any):
    query = read_query(Level.STUDY, identifier_of({"StudyInstanceUID": "", "StudyDate": ""}), Options())
    whole = find_page(filled.archive, US, query, limit=100)

    pages = [find_page(filled.archive, US, query, limit=5, offset=offset) for offset in (0, 5, 10)]

    assert [page.has_more for page in pages] == [True, True, False]
    assert [dataset for page in pages for dataset in page.datasets] == whole.datasets
    dates = [first(dataset, "StudyDate") for dataset in whole.datasets]
    assert dates == sorted(dates, reverse=True)


def test_pages_also_work_where_sql_does_not_say_all(filled: Any):
    keys = {"StudyInstanceUID": "", "RequestingPhysician": "b*"}
    query = read_query(Level.STUDY, identifier_of(keys), Options())
    whole = find_page(filled.archive, US, query, limit=100)

    pages = [find_page(filled.archive, US, query, limit=3, offset=offset) for offset in (0, 3, 6)]

    assert len(whole.datasets) == 8
    assert [page.has_more for page in pages] == [True, True, False]
    assert [dataset for page in pages for dataset in page.datasets] == whole.datasets


def test_long_results_come_in_several_statements_without_gaps(filled: Any, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr("filmless.query.search.ROWS_PER_STATEMENT", 4)

    for level in plain_matching.LEVELS:
        assert found(filled.archive, level, {}) == expected(level, {})


def test_series_and_instances_come_in_the_order_of_their_numbers(archive: Archive, put: Callable[[Dataset], None]):
    slices = make.ct_series(3)
    for ds in reversed(slices):
        put(ds)
    study = slices[0].StudyInstanceUID
    series = slices[0].SeriesInstanceUID

    keys = {"StudyInstanceUID": study, "SeriesInstanceUID": series, "InstanceNumber": ""}
    page = find_page(archive, US, read_query(Level.IMAGE, identifier_of(keys), Options()), limit=10)

    assert [first(dataset, "InstanceNumber") for dataset in page.datasets] == ["1", "2", "3"]


def test_counts_and_lists_of_a_study_are_those_of_its_instances(filled: Any):
    asked = dict.fromkeys(
        [
            "ModalitiesInStudy",
            "SOPClassesInStudy",
            "NumberOfStudyRelatedSeries",
            "NumberOfStudyRelatedInstances",
            "NumberOfPatientRelatedStudies",
            "NumberOfPatientRelatedSeries",
            "NumberOfPatientRelatedInstances",
        ],
        "",
    )
    study = "1.2.826.0.1.1.1"
    mine = [ds for ds in STORED if study == ds.StudyInstanceUID]
    patients = [ds for ds in STORED if ds.PatientID == mine[0].PatientID]

    query = read_query(Level.STUDY, identifier_of(asked, StudyInstanceUID=study), Options())
    (dataset,) = find_page(filled.archive, US, query, limit=10).datasets

    assert dataset["00080061"]["Value"] == sorted({ds.Modality for ds in mine})
    assert dataset["00080062"]["Value"] == sorted({ds.SOPClassUID for ds in mine})
    assert dataset["00201206"]["Value"] == [len({ds.SeriesInstanceUID for ds in mine})]
    assert dataset["00201208"]["Value"] == [len(mine)]
    assert dataset["00201200"]["Value"] == [len({ds.StudyInstanceUID for ds in patients})]
    assert dataset["00201202"]["Value"] == [len({ds.SeriesInstanceUID for ds in patients})]
    assert dataset["00201204"]["Value"] == [len(patients)]


def test_fuzzy_searches_find_names_by_sound(filled: Any):
    literal = found(filled.archive, "STUDY", {"PatientName": "Steven Maier"})
    fuzzy = found(filled.archive, "STUDY", {"PatientName": "Steven Maier"}, fuzzy=True)

    assert literal == set()
    assert fuzzy == {ds.StudyInstanceUID for ds in STORED if ds.PatientName == "Meyer^Stephen"}


def test_empty_values_are_found_when_asked_for(filled: Any):
    keys = {"AccessionNumber": '""', "OperatorsName": '""'}

    assert found(filled.archive, "SERIES", keys, empty_values=True) == {
        ds.SeriesInstanceUID for ds in STORED if not ds.AccessionNumber and not ds.get("OperatorsName")
    }


def test_several_modalities_must_all_be_in_the_study_when_asked_so(filled: Any):
    held: dict[str, set[str]] = {}
    for ds in STORED:
        held.setdefault(ds.StudyInstanceUID, set()).add(ds.Modality)

    every = found(filled.archive, "STUDY", {"ModalitiesInStudy": "CT\\MR"}, multiple_values=True)
    either = found(filled.archive, "STUDY", {"ModalitiesInStudy": "CT\\MR"})

    assert every == {study for study, modalities in held.items() if {"CT", "MR"} <= modalities}
    assert either == {study for study, modalities in held.items() if {"CT", "MR"} & modalities}


def test_dates_are_compared_on_the_clock_of_the_query(filled: Any):
    keys = {"StudyDate": "20240102", "TimezoneOffsetFromUTC": "+1400"}

    same = found(filled.archive, "STUDY", keys)
    moved = found(filled.archive, "STUDY", keys, timezone=True)

    zones = {ds.StudyInstanceUID: ds.get("TimezoneOffsetFromUTC") for ds in STORED if ds.StudyDate == "20240102"}
    assert same == set(zones)
    # 10:11:12 at +0100 is 23:11:12 of the same day at +1400; at -0500 it is the next day.
    assert moved == {study for study, zone in zones.items() if zone != "-0500"}


def test_date_and_time_are_one_range_when_asked_so(filled: Any):
    keys = {"StudyDate": "20240102-20240131", "StudyTime": "1100-1230"}

    apart = found(filled.archive, "STUDY", keys)
    together = found(filled.archive, "STUDY", keys, combined_date_time=True)

    assert apart == together == {ds.StudyInstanceUID for ds in STORED if ds.StudyDate == "20240131"}
    keys["StudyTime"] = "1000-1100"
    assert found(filled.archive, "STUDY", keys, combined_date_time=True) == {
        ds.StudyInstanceUID for ds in STORED if ds.StudyDate == "20240102"
    }


def test_the_wanted_part_of_a_sequence_is_returned(filled: Any):
    keys = {"SeriesInstanceUID": "1.2.826.0.1.1.2.1", "RequestAttributesSequence.ScheduledProcedureStepID": ""}

    query = read_query(Level.SERIES, identifier_of(keys), Options(relational=True))
    (dataset,) = find_page(filled.archive, US, query, limit=10).datasets

    assert dataset["00400275"]["Value"] == [{"00400009": {"vr": "SH", "Value": ["SPS1"]}}]


def test_what_was_asked_for_and_is_unknown_comes_back_empty(filled: Any):
    keys = {"StudyInstanceUID": "1.2.826.0.1.3.1", "StudyDate": "", "PatientComments": ""}

    query = read_query(Level.STUDY, identifier_of(keys), Options())
    (dataset,) = find_page(filled.archive, US, query, limit=10).datasets

    assert dataset["00080020"] == {"vr": "DA"}
    assert dataset["00104000"] == {"vr": "LT"}


def test_a_search_leaves_an_audit_row_that_says_what_was_asked(archive: Archive):
    query = read_query(Level.STUDY, identifier_of({"PatientID": "P1"}), Options())

    find_page(archive, US, query, limit=1)

    rows, _ = audit.read(archive, action="search")
    assert [(row.object, row.outcome) for row in rows] == [("STUDY", "success")]
    assert '"P1"' in str(rows[0].detail)


def test_who_may_not_search_finds_nothing_out(archive: Archive):
    nobody = Principal("peer", 1, "STORER", frozenset(), frozenset({"store"}), None, "dimse")

    with pytest.raises(NotAllowed):
        find_page(archive, nobody, read_query(Level.STUDY, {}, Options()), limit=1)


def test_what_the_policy_hides_is_neither_found_nor_counted(filled: Any, monkeypatch: pytest.MonkeyPatch):
    from filmless.archive.tables import studies

    hidden = "1.2.826.0.1.1.1"
    monkeypatch.setattr("filmless.access.policy.visible_studies", lambda _: studies.c.study_instance_uid != hidden)

    assert hidden not in found(filled.archive, "STUDY", {})
    assert not any(uid.startswith("1.2.826.0.1.1.") for uid in found(filled.archive, "IMAGE", {}))
    keys = {"PatientID": "P01", "NumberOfPatientRelatedStudies": ""}
    query = read_query(Level.PATIENT, identifier_of(keys), Options())
    (dataset,) = find_page(filled.archive, US, query, limit=10).datasets
    assert dataset["00201200"]["Value"] == [1]


def test_a_sound_or_a_word_that_many_share_does_not_change_what_is_found(filled: Any, monkeypatch: pytest.MonkeyPatch):
    """Beyond a bound the trigram index is left alone; the answer is the same."""
    keys = {"PatientName": "*doe*"}
    few = found(filled.archive, "STUDY", keys)

    monkeypatch.setattr("filmless.query.conditions.FEW", 1)

    assert found(filled.archive, "STUDY", keys) == few == expected("STUDY", keys)


def test_a_key_that_cannot_be_matched_is_refused_with_its_name():
    with pytest.raises(Refused, match=r"\(0008,0020\)"):
        read_query(Level.STUDY, identifier_of({"StudyDate": "2024*"}), Options())
