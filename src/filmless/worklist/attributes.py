"""What the standard asks of each attribute of a Unified Procedure Step (PS3.4 CC.2.5-3 and the macros CC.2.5-2a to g).

`WORKITEM` is the tree of attributes by tag. A line of the table below is: the keyword, behind as many ">" as sequences
it lies in; what a caller must give to create it; what it may give to change it; what a final state asks; whether a
search returns it unasked. The codes are the standard's (1 with a value, 2 may be empty, 3 optional, C on a condition;
R, RC, P, X, O of table CC.2.5-1), and further N: not allowed, E: shall be empty, -: ours to give.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

from filmless.dicom.dictionary import tag_of

_TABLE: Final = """
[code]
CodeValue 1C 1C O 1C
CodingSchemeDesignator 1C 1C O 1C
CodingSchemeVersion 1C 1C O 1C
CodeMeaning 1 1 O 1
LongCodeValue 1C 1C O 1C
URNCodeValue 1C 1C O 1C
MappingResource 3 3 O 3
MappingResourceUID 3 3 O 3
ContextGroupVersion 3 3 O 3
ContextGroupExtensionFlag 3 3 O 3
ContextGroupLocalVersion 3 3 O 3
ContextGroupExtensionCreatorUID 3 3 O 3

[content]
ValueType 1 1 O 1
ConceptNameCodeSequence 1 1 O 1
>@code
DateTime 1C 1C O 1C
Date 1C 1C O 1C
Time 1C 1C O 1C
PersonName 1C 1C O 1C
UID 1C 1C O 1C
TextValue 1C 1C O 1C
ConceptCodeSequence 1C 1C O 1C
>@code
NumericValue 1C 1C O 1C
MeasurementUnitsCodeSequence 1C 1C O 1C
>@code

[instances]
TypeOfInstances 1 1 O 1
StudyInstanceUID 1C 1C O 1C
SeriesInstanceUID 1C 1C O 1C
ReferencedSOPSequence 1 1 O 1
>ReferencedSOPClassUID 1 1 O 1
>ReferencedSOPInstanceUID 1 1 O 1
>HL7InstanceIdentifier 1C 1C O 1C
>ReferencedFrameNumber 1C 1C O 1C
>ReferencedSegmentNumber 1C 1C O 1C
DICOMRetrievalSequence 1C 1C O 1C
>RetrieveAETitle 1 1 O 1
DICOMMediaRetrievalSequence 1C 1C O 1C
>StorageMediaFileSetID 2 2 O 2
>StorageMediaFileSetUID 1 1 O 1
WADORetrievalSequence 1C 1C O 1C
>RetrieveURI 1 1 O 1
XDSRetrievalSequence 1C 1C O 1C
>RepositoryUniqueID 1 1 O 1
>HomeCommunityID 3 3 O 2
WADORSRetrievalSequence 1C 1C O 1C
>RetrieveURL 1 1 O 1

[entity]
LocalNamespaceEntityID 1C N O 1C
UniversalEntityID 1C N O 1C
UniversalEntityIDType 1C N O 1C

[issuer]
IssuerOfPatientID 2 N O 2
IssuerOfPatientIDQualifiersSequence 2 N O 2
>UniversalEntityID 2 N O 2
>UniversalEntityIDType 1C N O 1C
>IdentifierTypeCode 2 N O 2
>AssigningFacilitySequence 2 N O 2
>>@entity
>AssigningJurisdictionCodeSequence 2 N O 2
>>@code
>AssigningAgencyOrDepartmentCodeSequence 2 N O 2
>>@code

[reference]
ReferencedSOPClassUID 1 1 O 1
ReferencedSOPInstanceUID 1 1 O 1

[storage]
ReferencedSOPClassUID 1C 1C O 1C
DICOMStorageSequence 1C 1C O 1C
>DestinationAE 1 1 O 1
STOWRSStorageSequence 1C 1C O 1C
>StorageURL 1 1 O 1
XDSStorageSequence 1C 1C O 1C
>RepositoryUniqueID 1 1 O 1
>HomeCommunityID 3 3 O 2

[workitem]
TransactionUID E - O -
SpecificCharacterSet 1C 1C RC 1C
SOPClassUID - N R 1
SOPInstanceUID N N R 1
ScheduledProcedureStepPriority 1 3 R 1
ScheduledProcedureStepModificationDateTime - - R 3
ProcedureStepLabel 1 3 O 1
WorklistLabel - 3 O 1
ScheduledProcessingParametersSequence 2 3 O 2
>@content
ScheduledStationNameCodeSequence 2 3 O 2
>@code
ScheduledStationClassCodeSequence 2 3 O 2
>@code
ScheduledStationGeographicLocationCodeSequence 2 3 O 2
>@code
ScheduledHumanPerformersSequence 2C 3 O 2
>HumanPerformerCodeSequence 1 1 O 1
>>@code
>HumanPerformerName 1 1 O 3
>HumanPerformerOrganization 1 1 O 3
ScheduledProcedureStepStartDateTime 1 3 R 1
ExpectedCompletionDateTime 3 3 O 3
ScheduledProcedureStepExpirationDateTime 3 3 O 3
ScheduledWorkitemCodeSequence 2 3 O 2
>@code
CommentsOnTheScheduledProcedureStep 2 3 O 3
InputReadinessState 1 3 R 1
InputInformationSequence 2 3 O 2
>@instances
StudyInstanceUID 1C 3 O 2
OutputDestinationSequence 3 3 O 3
>@storage
PatientName 2 N O 2
PatientID 1C N O 2
@issuer
OtherPatientIDsSequence 2 3 O 2
>PatientID 1 1 O 1
>@issuer
>TypeOfPatientID 3 3 O 3
PatientBirthDate 2 N O 2
PatientSex 2 N O 2
ReferencedPatientPhotoSequence 3 3 O 3
>@instances
AdmissionID 2 N O 2
IssuerOfAdmissionIDSequence 2 N O 2
>@entity
AdmittingDiagnosesDescription 2 N O 2
AdmittingDiagnosesCodeSequence 2 N O 2
>@code
ReferencedRequestSequence 2 N O 2
>StudyInstanceUID 1 N O 1
>AccessionNumber 2 N O 2
>IssuerOfAccessionNumberSequence 2 N O 2
>>@entity
>PlacerOrderNumberImagingServiceRequest 3 N O 1C
>OrderPlacerIdentifierSequence 2 N O 2
>>@entity
>FillerOrderNumberImagingServiceRequest 3 N O 1C
>OrderFillerIdentifierSequence 2 N O 2
>>@entity
>RequestedProcedureID 2 N O 2
>RequestedProcedureDescription 2 N O 2
>RequestedProcedureCodeSequence 2 N O 2
>>@code
>ReasonForTheRequestedProcedure 3 3 O 3
>ReasonForRequestedProcedureCodeSequence 3 3 O 3
>>@code
>RequestedProcedureComments 3 3 O 1C
>ConfidentialityCode 3 3 O 3
>NamesOfIntendedRecipientsOfResults 3 3 O 3
>ImagingServiceRequestComments 3 3 O 3
>RequestingPhysician 3 3 O 3
>RequestingService 3 3 O 3
>RequestingServiceCodeSequence 3 3 O 3
>>@code
>IssueDateOfImagingServiceRequest 3 3 O 3
>IssueTimeOfImagingServiceRequest 3 3 O 3
>ReferringPhysicianName 3 3 O 3
ReplacedProcedureStepSequence 1C N O 3
>@reference
MedicalAlerts 3 3 O 2C
PregnancyStatus 3 3 O 2C
SpecialNeeds 3 3 O 2C
ProcedureStepState 1 N R 1
ProcedureStepProgressInformationSequence E 3 X 2
>ProcedureStepProgress N 3 O -
>ProcedureStepProgressDescription N 3 O -
>ProcedureStepProgressParametersSequence N 3 O -
>>@content
>>ContentItemModifierSequence N 3 O -
>>>@content
>ProcedureStepCommunicationsURISequence N 3 O -
>>ContactURI N 1 O -
>>ContactDisplayName N 3 O -
>ProcedureStepCancellationDateTime N 3 X -
>ReasonForCancellation N 3 O -
>ProcedureStepDiscontinuationReasonCodeSequence N 3 X -
>>@code
UnifiedProcedureStepPerformedProcedureSequence E 3 P -
>ActualHumanPerformersSequence N 3 RC 1C
>>HumanPerformerCodeSequence N 3 RC -
>>>@code
>>HumanPerformerName N 3 RC -
>>HumanPerformerOrganization N 3 O -
>PerformedStationNameCodeSequence N 3 P 3
>>@code
>PerformedStationClassCodeSequence N 3 O -
>>@code
>PerformedStationGeographicLocationCodeSequence N 3 O -
>>@code
>PerformedProcedureStepStartDateTime N 3 P -
>PerformedProcedureStepDescription N 3 O -
>CommentsOnThePerformedProcedureStep N 3 O -
>PerformedWorkitemCodeSequence N 3 P -
>>@code
>PerformedProcessingParametersSequence N 3 O -
>>@content
>PerformedProcedureStepEndDateTime N 3 P 1C
>OutputInformationSequence N 2 P -
>>@instances
"""


@dataclass(frozen=True, slots=True)
class Attribute:
    """One attribute: its requirements, and those of the items if it is a sequence. `macro`: what the items are."""

    keyword: str
    tag: str
    create: str
    change: str
    final: str
    returned: str
    items: Mapping[str, Attribute]
    macros: frozenset[str]


@dataclass(slots=True)
class _Line:
    """A line of the table and those that lie in it."""

    words: list[str]
    below: list[_Line]


def _read_lines(text: str) -> dict[str, list[_Line]]:
    """Read the table: the lines of each section, nested."""
    sections: dict[str, list[_Line]] = {}
    open_lists: list[list[_Line]] = []
    for raw in text.split("\n"):
        line = raw.strip()
        if not line:
            continue
        if line.startswith("["):
            open_lists = [sections.setdefault(line.strip("[]"), [])]
            continue
        depth = len(line) - len(line.lstrip(">"))
        made = _Line(line.lstrip(">").split(), [])
        del open_lists[depth + 1 :]
        open_lists[depth].append(made)
        open_lists.append(made.below)
    return sections


_SECTIONS: Final = _read_lines(_TABLE)


def _tree(lines: list[_Line]) -> tuple[dict[str, Attribute], frozenset[str]]:
    """Make attributes of lines; a macro's lines are its own, beside which it is named."""
    found: dict[str, Attribute] = {}
    macros: set[str] = set()
    for line in lines:
        keyword = line.words[0]
        if keyword.startswith("@"):
            macros.add(keyword[1:])
            found |= _tree(_SECTIONS[keyword[1:]])[0]
            continue
        number = tag_of(keyword)
        assert number is not None, keyword
        _, create, change, final, returned = line.words
        items, inner_macros = _tree(line.below)
        tag = f"{number:08X}"
        found[tag] = Attribute(keyword, tag, create, change, final, returned, items, inner_macros)
    return found, frozenset(macros)


WORKITEM: Final[Mapping[str, Attribute]] = _tree(_SECTIONS["workitem"])[0]

TRANSACTION_UID: Final = "00081195"
CHARACTER_SET: Final = "00080005"
SOP_CLASS_UID, SOP_INSTANCE_UID = "00080016", "00080018"
STUDY_INSTANCE_UID, PATIENT_ID = "0020000D", "00100020"
REFERENCED_REQUEST: Final = "0040A370"
STATE, PRIORITY, READINESS = "00741000", "00741200", "00404041"
WORKLIST_LABEL, MODIFIED_AT, SCHEDULED_START = "00741202", "00404010", "00404005"
STATION_NAMES, HUMAN_PERFORMERS = "00404025", "00404034"
HUMAN_PERFORMER_CODES, HUMAN_PERFORMER_ORGANIZATION = "00404009", "00404036"
PROGRESS_INFORMATION, PERFORMED_PROCEDURE = "00741002", "00741216"
PROGRESS, PROGRESS_DESCRIPTION, COMMUNICATIONS = "00741004", "00741006", "00741008"
PROGRESS_PARAMETERS: Final = "00741007"
CONTACT_URI, CONTACT_DISPLAY_NAME = "0074100A", "0074100C"
CANCELLED_AT, CANCELLATION_REASON, DISCONTINUATION_REASONS = "00404052", "00741238", "0074100E"
REQUESTING_AE, RECEIVING_AE, DELETION_LOCK = "00741236", "00741234", "00741230"
SCP_STATUS, SUBSCRIPTION_LIST_STATUS, WORKITEM_LIST_STATUS = "00741242", "00741244", "00741246"

SCHEDULED, IN_PROGRESS, COMPLETED, CANCELED = "SCHEDULED", "IN PROGRESS", "COMPLETED", "CANCELED"
FINAL: Final = frozenset({COMPLETED, CANCELED})

PUSH_SOP_CLASS: Final = "1.2.840.10008.5.1.4.34.6.1"
"""The SOP class of every workitem, whatever class an association was made for (CC.3.1)."""

WATCH_SOP_CLASS: Final = "1.2.840.10008.5.1.4.34.6.2"
PULL_SOP_CLASS: Final = "1.2.840.10008.5.1.4.34.6.3"
EVENT_SOP_CLASS: Final = "1.2.840.10008.5.1.4.34.6.4"
QUERY_SOP_CLASS: Final = "1.2.840.10008.5.1.4.34.6.5"

GLOBAL: Final = "1.2.840.10008.5.1.4.34.5"
FILTERED: Final = "1.2.840.10008.5.1.4.34.5.1"
"""The well-known UIDs that stand for all workitems, and for those that match keys (CC.2.3.2)."""

ENUMERATED: Final[Mapping[str, frozenset[str]]] = {
    STATE: frozenset({SCHEDULED, IN_PROGRESS, COMPLETED, CANCELED}),
    PRIORITY: frozenset({"HIGH", "MEDIUM", "LOW"}),
    READINESS: frozenset({"INCOMPLETE", "UNAVAILABLE", "READY"}),
}
"""Enumerated Values (PS3.3 C.30.1, C.30.2)."""

RETURNED: Final = tuple(tag for tag, each in WORKITEM.items() if each.returned in {"1", "2"})
"""What a search by HTTP returns unasked (PS3.18 11.9.2)."""
