"""Workitems for tests, written with pydicom from what table CC.2.5-3 asks for, and the steps of their life."""

from __future__ import annotations

from typing import Any

from pydicom import Dataset, Sequence
from pydicom.uid import generate_uid

from filmless.access.principal import SYSTEM, Principal
from filmless.archive import Archive
from filmless.worklist import states, workitems
from filmless.worklist.datasets import load
from filmless.worklist.tables import workitem_reports, workitem_subscribers

STATE, READINESS, LABEL = "00741000", "00404041", "00741204"
GLOBAL, FILTERED = "1.2.840.10008.5.1.4.34.5", "1.2.840.10008.5.1.4.34.5.1"


def code(value: str, scheme: str = "99TEST", meaning: str = "something") -> Dataset:
    """An item of a code sequence."""
    item = Dataset()
    item.CodeValue, item.CodingSchemeDesignator, item.CodeMeaning = value, scheme, meaning
    return item


def workitem(**changes: Any) -> Dataset:
    """What a workitem is made of: all that is required, with changes by keyword; None takes an attribute out."""
    ds = Dataset()
    ds.TransactionUID = ""
    ds.ScheduledProcedureStepPriority = "MEDIUM"
    ds.ProcedureStepLabel = "Lung nodules"
    ds.WorklistLabel = ""
    ds.ScheduledProcessingParametersSequence = Sequence()
    ds.ScheduledStationNameCodeSequence = Sequence()
    ds.ScheduledStationClassCodeSequence = Sequence()
    ds.ScheduledStationGeographicLocationCodeSequence = Sequence()
    ds.ScheduledProcedureStepStartDateTime = "20260301080000"
    ds.ScheduledWorkitemCodeSequence = Sequence([code("110005", "DCM", "Interpretation")])
    ds.CommentsOnTheScheduledProcedureStep = ""
    ds.InputReadinessState = "READY"
    ds.InputInformationSequence = Sequence()
    ds.StudyInstanceUID = "1.2.826.0.1.1"
    ds.PatientName = "Doe^Jane"
    ds.PatientID = "4711"
    ds.IssuerOfPatientID = ""
    ds.IssuerOfPatientIDQualifiersSequence = Sequence()
    ds.OtherPatientIDsSequence = Sequence()
    ds.PatientBirthDate = "19700101"
    ds.PatientSex = "F"
    ds.AdmissionID = ""
    ds.IssuerOfAdmissionIDSequence = Sequence()
    ds.AdmittingDiagnosesDescription = ""
    ds.AdmittingDiagnosesCodeSequence = Sequence()
    ds.ReferencedRequestSequence = Sequence()
    ds.ProcedureStepState = "SCHEDULED"
    ds.ProcedureStepProgressInformationSequence = Sequence()
    ds.UnifiedProcedureStepPerformedProcedureSequence = Sequence()
    for keyword, value in changes.items():
        if value is None:
            delattr(ds, keyword)
        else:
            setattr(ds, keyword, value)
    return ds


def performed(**changes: Any) -> Dataset:
    """What must be set before a workitem may be COMPLETED."""
    item = Dataset()
    item.PerformedStationNameCodeSequence = Sequence([code("AI1")])
    item.PerformedProcedureStepStartDateTime = "20260301081000"
    item.PerformedWorkitemCodeSequence = Sequence([code("110005", "DCM", "Interpretation")])
    item.PerformedProcedureStepEndDateTime = "20260301081500"
    item.OutputInformationSequence = Sequence()
    for keyword, value in changes.items():
        if value is None:
            delattr(item, keyword)
        else:
            setattr(item, keyword, value)
    ds = Dataset()
    ds.UnifiedProcedureStepPerformedProcedureSequence = Sequence([item])
    return ds


def create(archive: Archive, principal: Principal | None = None, **changes: Any) -> str:
    """Make a workitem; returns its UID."""
    return workitems.create(archive, principal or SYSTEM("test"), workitem(**changes).to_json_dict(), generate_uid())


def claim(archive: Archive, workitem_uid: str) -> str:
    """Take a workitem to IN PROGRESS; returns the Transaction UID."""
    transaction_uid = str(generate_uid())
    states.change_state(archive, SYSTEM("test"), workitem_uid, "IN PROGRESS", transaction_uid)
    return transaction_uid


def set_performed(archive: Archive, workitem_uid: str, transaction_uid: str, **changes: Any) -> None:
    """Set what must be set before a workitem may be COMPLETED."""
    ds = performed(**changes)
    ds.TransactionUID = transaction_uid
    workitems.change(archive, SYSTEM("test"), workitem_uid, ds.to_json_dict())


def complete(archive: Archive, workitem_uid: str) -> str:
    """Take a SCHEDULED workitem to COMPLETED; returns the Transaction UID."""
    transaction_uid = claim(archive, workitem_uid)
    set_performed(archive, workitem_uid, transaction_uid)
    states.change_state(archive, SYSTEM("test"), workitem_uid, "COMPLETED", transaction_uid)
    return transaction_uid


def state_of(archive: Archive, workitem_uid: str) -> str:
    """The state in which a workitem is kept."""
    return workitems.get(archive, SYSTEM("test"), workitem_uid)[STATE]["Value"][0]


def reports_of(archive: Archive, ae_title: str) -> list[tuple[int, str, dict[str, Any]]]:
    """The reports that wait for a subscriber: event type, workitem, information."""
    query = (
        workitem_reports.select()
        .join(workitem_subscribers)
        .where(workitem_subscribers.c.ae_title == ae_title)
        .order_by(workitem_reports.c.id)
    )
    with archive.reading() as session:
        return [(row.event_type, row.workitem_uid, load(row.information)) for row in session.execute(query)]


def told(archive: Archive, ae_title: str) -> list[tuple[int, str]]:
    """The event types that wait for a subscriber, with the state that they tell."""
    return [
        (event, information.get(STATE, {}).get("Value", [""])[0])
        for event, _, information in reports_of(archive, ae_title)
    ]
