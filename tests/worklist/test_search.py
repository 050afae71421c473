"""Searching the worklist: what pydicom's own matching by hand would find."""

from __future__ import annotations

from typing import Any, cast

import pytest
from pydicom import Dataset, Sequence

import ups
from callers import principal_of
from filmless.access import audit
from filmless.access.principal import SYSTEM, Principal
from filmless.archive import Archive
from filmless.errors import NotAllowed, Refused
from filmless.query.matching import Options
from filmless.worklist import search
from filmless.worklist.search import find_all, find_page, read_query


def found(archive: Archive, identifier: dict[str, Any], **options: bool) -> list[str]:
    """The labels of what matches."""
    query = read_query(identifier, Options(timezone=True, **options), {"00741204": None})
    return [ds["00741204"]["Value"][0] for ds in find_all(archive, SYSTEM("test"), query)]


def keys(**values: Any) -> dict[str, Any]:
    ds = Dataset()
    for keyword, value in values.items():
        setattr(ds, keyword, value)
    return cast("dict[str, Any]", ds.to_json_dict())


@pytest.fixture
def filled(archive: Archive) -> Archive:
    """Five workitems, told apart by their labels."""
    request = Dataset()
    request.StudyInstanceUID, request.AccessionNumber, request.RequestedProcedureID = "1.2.9", "A77", "RP1"
    request.IssuerOfAccessionNumberSequence = request.OrderPlacerIdentifierSequence = Sequence()
    request.OrderFillerIdentifierSequence = request.RequestedProcedureCodeSequence = Sequence()
    request.RequestedProcedureDescription = ""
    performer = Dataset()
    performer.HumanPerformerCodeSequence = Sequence([ups.code("RAD1")])
    performer.HumanPerformerName, performer.HumanPerformerOrganization = "Roe^Ann", "Radiology"
    ups.create(archive, ProcedureStepLabel="early", ScheduledProcedureStepStartDateTime="20260301070000")
    ups.create(
        archive,
        ProcedureStepLabel="urgent",
        ScheduledProcedureStepPriority="HIGH",
        WorklistLabel="Reading",
        ScheduledProcedureStepStartDateTime="20260301090000+0100",
        ReferencedRequestSequence=Sequence([request]),
    )
    ups.create(
        archive,
        ProcedureStepLabel="assigned",
        PatientName="Müller^Jürgen",
        PatientID="P-2",
        ScheduledStationNameCodeSequence=Sequence([ups.code("AI1"), ups.code("AI2", "99OTHER")]),
        ScheduledHumanPerformersSequence=Sequence([performer]),
        ScheduledProcedureStepStartDateTime="20260302080000",
    )
    claimed = ups.create(archive, ProcedureStepLabel="claimed", ScheduledProcedureStepStartDateTime="20260303080000")
    ups.claim(archive, claimed)
    ups.create(
        archive,
        ProcedureStepLabel="waiting",
        InputReadinessState="INCOMPLETE",
        PatientID="",
        ScheduledProcedureStepStartDateTime="20260304",
    )
    return archive


ALL = ["early", "urgent", "assigned", "claimed", "waiting"]


def item(**values: Any) -> Sequence:
    ds = Dataset()
    for keyword, value in values.items():
        setattr(ds, keyword, value)
    return Sequence([ds])


@pytest.mark.parametrize(
    ("identifier", "labels"),
    [
        ({}, ALL),
        (keys(ProcedureStepState="SCHEDULED"), ["early", "urgent", "assigned", "waiting"]),
        (keys(ProcedureStepState="IN PROGRESS"), ["claimed"]),
        (keys(ScheduledProcedureStepPriority="HIGH"), ["urgent"]),
        (keys(WorklistLabel="Reading"), ["urgent"]),
        (keys(WorklistLabel="Read*"), ["urgent"]),
        (keys(InputReadinessState="INCOMPLETE"), ["waiting"]),
        (keys(PatientID="P-2"), ["assigned"]),
        (keys(PatientName="muller*"), ["assigned"]),
        (keys(ProcedureStepLabel="*l*"), ["early", "claimed"]),
        (keys(ScheduledProcedureStepStartDateTime="20260301"), ["early", "urgent"]),
        (keys(ScheduledProcedureStepStartDateTime="20260301080000-20260302080000"), ["urgent", "assigned"]),
        (keys(ScheduledProcedureStepStartDateTime="-20260301080000+0000"), ["early", "urgent"]),
        (keys(ScheduledProcedureStepStartDateTime="20260303-"), ["claimed", "waiting"]),
        (keys(ScheduledStationNameCodeSequence=item(CodeValue="AI2")), ["assigned"]),
        (keys(ScheduledStationNameCodeSequence=item(CodeValue="AI2", CodingSchemeDesignator="99TEST")), []),
        (keys(ScheduledWorkitemCodeSequence=item(CodeValue="110005", CodingSchemeDesignator="DCM")), ALL),
        (keys(ReferencedRequestSequence=item(AccessionNumber="A77")), ["urgent"]),
        (keys(ReferencedRequestSequence=item(StudyInstanceUID="1.2.9")), ["urgent"]),
        (
            keys(ScheduledHumanPerformersSequence=item(HumanPerformerCodeSequence=item(CodeValue="RAD1"))),
            ["assigned"],
        ),
        (keys(StudyInstanceUID="1.2.826.0.1.1"), ALL),
        (keys(StudyInstanceUID=["1.2.4", "1.2.5"]), []),
        (keys(ProcedureStepState="SCHEDULED", ScheduledProcedureStepPriority="HIGH"), ["urgent"]),
    ],
)  # fmt: skip
def test_any_attribute_is_a_key(filled: Archive, identifier: dict[str, Any], labels: list[str]) -> None:
    assert found(filled, identifier) == labels


def test_empty_values_are_found_when_asked_for(filled: Archive) -> None:
    assert found(filled, keys(PatientID='""'), empty_values=True) == ["waiting"]


def test_a_workitem_is_found_by_its_uid(filled: Archive) -> None:
    uid = ups.create(filled, ProcedureStepLabel="one")
    assert found(filled, keys(SOPInstanceUID=[uid, "1.2.3"])) == ["one"]


def test_the_transaction_uid_is_no_key_and_is_never_told(archive: Archive) -> None:
    transaction = ups.claim(archive, ups.create(archive))
    query = read_query(keys(TransactionUID="1.2.3"), Options(), {"00081195": None}, wants_all=True)
    (ds,) = find_all(archive, SYSTEM("test"), query)
    assert "00081195" not in ds
    assert transaction not in str(ds)
    assert query.unsupported == {"00081195"}


def test_what_is_asked_for_comes_back_empty_where_it_is_not_known(archive: Archive) -> None:
    ups.create(archive)
    wanted = {"00404011": None, "00404018": {"00080100": None}}
    (ds,) = find_all(archive, SYSTEM("test"), read_query({}, Options(), wanted))
    assert ds == {
        "00404011": {"vr": "DT"},
        "00404018": {"vr": "SQ", "Value": [{"00080100": {"vr": "SH", "Value": ["110005"]}}]},
    }


def test_pages_join_without_gap_or_overlap(filled: Archive, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(search, "ROWS_PER_STATEMENT", 2)
    query = read_query({}, Options(), {"00741204": None})
    pages = [find_page(filled, SYSTEM("test"), query, limit=2, offset=offset) for offset in (0, 2, 4)]
    assert [ds["00741204"]["Value"][0] for page in pages for ds in page.datasets] == ALL
    assert [page.has_more for page in pages] == [True, True, False]
    assert found(filled, {}) == ALL


def test_a_search_is_allowed_and_in_the_trail(filled: Archive, clinician: Principal) -> None:
    query = read_query(keys(PatientID="P-2"), Options(), {})
    assert len(find_page(filled, clinician, query, limit=9).datasets) == 1
    rows, _ = audit.read(filled, action="workitem_search")
    assert (rows[0].actor, "P-2" in str(rows[0].detail)) == (clinician.name, True)
    with pytest.raises(NotAllowed):
        find_page(filled, principal_of("clinician", rights=frozenset({"store"})), query, limit=9)


def test_a_key_that_cannot_be_matched_is_refused(archive: Archive) -> None:
    with pytest.raises(Refused, match="0040,4005"):
        read_query({"00404005": {"vr": "DT", "Value": ["soon"]}}, Options(), {})
