"""What a workitem must hold when it is made and changed (PS3.4 CC.2.5 to CC.2.7)."""

from __future__ import annotations

import contextlib
from typing import Any

import pytest
from pydicom import Dataset, Sequence
from pydicom.uid import generate_uid

import ups
from filmless.access import audit
from filmless.access.principal import SYSTEM, Principal
from filmless.archive import Archive
from filmless.config import Settings
from filmless.errors import Conflict, NotAllowed, NotFound, Refused, TooLarge, Unavailable
from filmless.worklist import workitems
from filmless.worklist.datasets import read_dataset
from filmless.worklist.refusals import Reason, WorkitemRefused

REQUIRED = [
    ("ScheduledProcedureStepPriority", True), ("ProcedureStepLabel", True),
    ("ScheduledProcedureStepStartDateTime", True), ("InputReadinessState", True), ("ProcedureStepState", True),
    ("ScheduledProcessingParametersSequence", False), ("ScheduledStationNameCodeSequence", False),
    ("ScheduledWorkitemCodeSequence", False), ("InputInformationSequence", False), ("PatientName", False),
    ("IssuerOfPatientID", False), ("OtherPatientIDsSequence", False), ("PatientBirthDate", False),
    ("PatientSex", False), ("AdmissionID", False), ("AdmittingDiagnosesDescription", False),
    ("ReferencedRequestSequence", False),
]  # fmt: skip


def make(archive: Archive, ds: Dataset, uid: str = "") -> str:
    return workitems.create(archive, SYSTEM("test"), ds.to_json_dict(), uid)


def refusal(archive: Archive, ds: Dataset) -> Reason:
    with pytest.raises(WorkitemRefused) as caught:
        make(archive, ds)
    return caught.value.reason


def change(archive: Archive, uid: str, **values: Any) -> None:
    ds = Dataset()
    for keyword, value in values.items():
        setattr(ds, keyword, value)
    workitems.change(archive, SYSTEM("test"), uid, ds.to_json_dict())


def test_a_workitem_is_kept_as_it_was_given(archive: Archive, radiologist: Principal) -> None:
    uid = str(generate_uid())
    ds = ups.workitem(WorklistLabel="Reading", ScheduledStationNameCodeSequence=Sequence([ups.code("AI1")]))
    assert workitems.create(archive, radiologist, ds.to_json_dict(), uid) == uid

    found = Dataset.from_json(workitems.get(archive, radiologist, uid))
    assert found.SOPInstanceUID == uid
    assert found.SOPClassUID == "1.2.840.10008.5.1.4.34.6.1"
    assert found.ScheduledProcedureStepModificationDateTime
    assert "TransactionUID" not in found
    for keyword in ("PatientName", "WorklistLabel", "ScheduledStationNameCodeSequence", "ProcedureStepState"):
        assert found[keyword].value == ds[keyword].value


def test_a_workitem_without_a_list_comes_onto_the_default_one(archive: Archive, settings: Settings) -> None:
    uid = ups.create(archive)
    assert workitems.get(archive, SYSTEM("test"), uid)["00741202"]["Value"] == [settings.worklist_label]


def test_a_workitem_without_a_uid_is_given_one(archive: Archive) -> None:
    assert make(archive, ups.workitem()).startswith("2.25.")


@pytest.mark.parametrize(("keyword", "needs_value"), REQUIRED)
def test_what_is_required_cannot_be_left_out(archive: Archive, keyword: str, needs_value: bool) -> None:
    assert refusal(archive, ups.workitem(**{keyword: None})) is Reason.MISSING_ATTRIBUTE
    if needs_value:
        assert refusal(archive, ups.workitem(**{keyword: ""})) in (Reason.MISSING_VALUE, Reason.NOT_CREATED_SCHEDULED)
    elif "Sequence" not in keyword:
        make(archive, ups.workitem(**{keyword: ""}))


def test_what_shall_be_empty_may_be_left_out_and_cannot_be_given(archive: Archive) -> None:
    make(
        archive,
        ups.workitem(
            TransactionUID=None,
            ProcedureStepProgressInformationSequence=None,
            UnifiedProcedureStepPerformedProcedureSequence=None,
        ),
    )
    assert refusal(archive, ups.workitem(TransactionUID="1.2.3")) is Reason.INVALID_VALUE
    assert (
        refusal(archive, ups.workitem(ProcedureStepProgressInformationSequence=Sequence([Dataset()])))
        is Reason.INVALID_VALUE
    )


def test_items_of_sequences_are_held_to_their_rules_too(archive: Archive) -> None:
    nameless = Dataset()
    nameless.HumanPerformerCodeSequence = Sequence([ups.code("RAD1")])
    nameless.HumanPerformerOrganization = "Radiology"
    assert refusal(archive, ups.workitem(ScheduledHumanPerformersSequence=Sequence([nameless]))) is (
        Reason.MISSING_ATTRIBUTE
    )
    meaningless = Dataset()
    meaningless.CodeValue, meaningless.CodingSchemeDesignator = "AI1", "99TEST"
    assert refusal(archive, ups.workitem(ScheduledStationNameCodeSequence=Sequence([meaningless]))) is (
        Reason.MISSING_ATTRIBUTE
    )
    nowhere = Dataset()
    nowhere.TypeOfInstances = "DICOM"
    reference = Dataset()
    reference.ReferencedSOPClassUID, reference.ReferencedSOPInstanceUID = "1.2.840.10008.5.1.4.1.1.2", "1.2.3"
    nowhere.ReferencedSOPSequence = Sequence([reference])
    with pytest.raises(WorkitemRefused, match="where to retrieve from"):
        make(archive, ups.workitem(InputInformationSequence=Sequence([nowhere])))


def test_only_what_is_scheduled_is_made(archive: Archive) -> None:
    assert refusal(archive, ups.workitem(ProcedureStepState="IN PROGRESS")) is Reason.NOT_CREATED_SCHEDULED


@pytest.mark.parametrize(
    ("keyword", "value"),
    [
        ("ScheduledProcedureStepPriority", "STAT"),
        ("InputReadinessState", "SOON"),
        ("ScheduledProcedureStepStartDateTime", "20261301"),
        ("SOPClassUID", "1.2.840.10008.5.1.4.1.1.2"),
    ],
)
def test_values_that_the_standard_does_not_know_are_refused(archive: Archive, keyword: str, value: str) -> None:
    json = ups.workitem().to_json_dict()
    element = Dataset()
    with pytest.warns(UserWarning) if keyword.endswith("DateTime") else contextlib.nullcontext():
        setattr(element, keyword, value)
    with pytest.raises(WorkitemRefused) as caught:
        workitems.create(archive, SYSTEM("test"), {**json, **element.to_json_dict()})
    assert caught.value.reason is Reason.INVALID_VALUE


def test_a_uid_is_used_once(archive: Archive) -> None:
    uid = ups.create(archive)
    with pytest.raises(Conflict):
        make(archive, ups.workitem(), uid)


@pytest.mark.parametrize("uid", ["1.2.x", "1.02.3", "1.2.840.10008.5.1.4.34.5", "1" * 65])
def test_a_uid_that_cannot_name_a_workitem_is_refused(archive: Archive, uid: str) -> None:
    with pytest.raises(WorkitemRefused):
        make(archive, ups.workitem(), uid)


def test_there_is_a_most_of_workitems(settings: Settings) -> None:
    with Archive.open(settings.model_copy(update={"workitems_max": 1})) as archive:
        ups.create(archive)
        with pytest.raises(Unavailable, match="workitems_max"):
            ups.create(archive)


def test_a_scheduled_workitem_changes_without_a_transaction(archive: Archive) -> None:
    uid = ups.create(archive)
    before = workitems.get(archive, SYSTEM("test"), uid)["00404010"]["Value"]
    change(archive, uid, ScheduledProcedureStepPriority="HIGH")
    after = workitems.get(archive, SYSTEM("test"), uid)
    assert after["00741200"]["Value"] == ["HIGH"]
    assert after["00404010"]["Value"] > before
    with pytest.raises(WorkitemRefused) as caught:
        change(archive, uid, ScheduledProcedureStepPriority="LOW", TransactionUID="1.2.3")
    assert caught.value.reason is Reason.NOT_IN_PROGRESS


def test_a_claimed_workitem_changes_only_for_who_holds_it(archive: Archive) -> None:
    uid = ups.create(archive)
    transaction = ups.claim(archive, uid)
    for given, reason in ((None, Reason.TRANSACTION_MISSING), ("1.2.3", Reason.TRANSACTION_WRONG)):
        with pytest.raises(WorkitemRefused) as caught:
            change(archive, uid, ProcedureStepLabel="Other", **({} if given is None else {"TransactionUID": given}))
        assert caught.value.reason is reason
    change(archive, uid, ProcedureStepLabel="Other", TransactionUID=transaction)
    found = workitems.get(archive, SYSTEM("test"), uid)
    assert found["00741204"]["Value"] == ["Other"]
    assert "00081195" not in found


def test_what_has_ended_no_longer_changes(archive: Archive) -> None:
    uid = ups.create(archive)
    transaction = ups.complete(archive, uid)
    with pytest.raises(WorkitemRefused) as caught:
        change(archive, uid, ProcedureStepLabel="Other", TransactionUID=transaction)
    assert caught.value.reason is Reason.NO_LONGER_UPDATABLE


@pytest.mark.parametrize(
    ("keyword", "value"),
    [("PatientName", "Roe^Richard"), ("PatientID", "1"), ("ProcedureStepState", "COMPLETED"), ("AdmissionID", "2")],
)
def test_what_says_whom_it_is_about_does_not_change(archive: Archive, keyword: str, value: str) -> None:
    uid = ups.create(archive)
    with pytest.raises(WorkitemRefused) as caught:
        change(archive, uid, **{keyword: value})
    assert caught.value.reason is Reason.NOT_ALLOWED_ATTRIBUTE


def test_what_must_have_a_value_cannot_lose_it(archive: Archive) -> None:
    uid = ups.create(archive)
    for keyword in ("ProcedureStepLabel", "WorklistLabel", "InputReadinessState"):
        with pytest.raises(WorkitemRefused) as caught:
            change(archive, uid, **{keyword: ""})
        assert caught.value.reason is Reason.MISSING_VALUE
    change(archive, uid, CommentsOnTheScheduledProcedureStep="", InputInformationSequence=Sequence())


def test_a_change_is_whole_or_not_at_all(archive: Archive) -> None:
    uid = ups.create(archive)
    with pytest.raises(WorkitemRefused):
        change(archive, uid, ProcedureStepLabel="Other", ScheduledProcedureStepPriority="STAT")
    assert workitems.get(archive, SYSTEM("test"), uid)["00741204"]["Value"] == ["Lung nodules"]


def test_rights_are_asked_for(archive: Archive, clinician: Principal) -> None:
    uid = ups.create(archive)
    assert workitems.get(archive, clinician, uid)
    with pytest.raises(NotAllowed):
        workitems.create(archive, clinician, ups.workitem().to_json_dict())
    with pytest.raises(NotAllowed):
        workitems.change(archive, clinician, uid, {})


def test_what_is_not_there_is_not_found(archive: Archive, radiologist: Principal) -> None:
    with pytest.raises(NotFound):
        workitems.get(archive, radiologist, "1.2.3")


def test_each_step_is_in_the_trail(archive: Archive, radiologist: Principal) -> None:
    uid = ups.create(archive, radiologist)
    workitems.change(archive, radiologist, uid, {"00741200": {"vr": "CS", "Value": ["HIGH"]}})
    workitems.get(archive, radiologist, uid)
    rows, _ = audit.read(archive)
    assert [(row.action, row.object, row.study_instance_uid) for row in rows] == [
        (action, uid, "1.2.826.0.1.1") for action in ("workitem_view", "workitem_change", "workitem_create")
    ]


def test_json_is_brought_into_one_form(settings: Settings) -> None:
    found = read_dataset(
        {
            "0074100e": {"Value": [{"00080100": {"vr": "SH", "Value": ["1"]}}]},
            "00404041": {"vr": "US", "Value": ["READY"]},
        },
        settings,
    )
    assert found == {
        "00404041": {"vr": "CS", "Value": ["READY"]},
        "0074100E": {"vr": "SQ", "Value": [{"00080100": {"vr": "SH", "Value": ["1"]}}]},
    }


@pytest.mark.parametrize(
    "given",
    [
        [],
        {"PatientID": {"vr": "LO"}},
        {"00100020": "4711"},
        {"00741000": {"vr": "CS", "Value": [{"Alphabetic": "x"}]}},
        {"00420011": {"vr": "OB", "BulkDataURI": "http://elsewhere.test/1"}},
        {"00404021": {"vr": "SQ", "Value": ["no item"]}},
    ],
)
def test_json_that_is_no_workitem_is_refused(settings: Settings, given: Any) -> None:
    with pytest.raises(Refused):
        read_dataset(given, settings)


def test_a_workitem_has_a_longest_length(settings: Settings) -> None:
    with pytest.raises(TooLarge, match="workitem_max_bytes"):
        read_dataset({"00400400": {"vr": "LT", "Value": ["x" * (2 << 20)]}}, settings)
