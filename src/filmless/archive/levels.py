"""Which attributes are the patient's, the study's and the series': their rows keep them, queries ask for them."""

from __future__ import annotations

from typing import Final

from filmless.dicom.dictionary import tag_of


def _tags(keywords: str) -> frozenset[int]:
    tags = [tag_of(keyword) for keyword in keywords.split()]
    return frozenset(tag for tag in tags if tag is not None)


# Attributes that the archive takes as the patient's, the study's and the series' (the modules of PS3.3 C.7.1 to C.7.3,
# C.7.5.1 and C.7.4.1). All others are an instance's.
_PATIENT_KEYWORDS = """
    PatientName PatientID IssuerOfPatientID TypeOfPatientID IssuerOfPatientIDQualifiersSequence PatientBirthDate
    PatientBirthTime PatientBirthDateInAlternativeCalendar PatientAlternativeCalendar PatientSex
    QualityControlSubject StrainDescription OtherPatientIDs OtherPatientIDsSequence OtherPatientNames
    PatientBirthName PatientMotherBirthName EthnicGroup PatientComments ReferencedPatientSequence
    PatientSpeciesDescription PatientSpeciesCodeSequence PatientBreedDescription PatientBreedCodeSequence
    ResponsiblePerson ResponsiblePersonRole ResponsibleOrganization PatientIdentityRemoved
    DeidentificationMethod DeidentificationMethodCodeSequence PatientAddress PatientTelephoneNumbers
"""
_STUDY_KEYWORDS = """
    StudyInstanceUID StudyDate StudyTime AccessionNumber IssuerOfAccessionNumberSequence ReferringPhysicianName
    ReferringPhysicianIdentificationSequence ConsultingPhysicianName StudyDescription ProcedureCodeSequence
    PhysiciansOfRecord NameOfPhysiciansReadingStudy RequestingService StudyID AdmittingDiagnosesDescription
    AdmittingDiagnosesCodeSequence PatientAge PatientSize PatientWeight MedicalAlerts Allergies SmokingStatus
    PregnancyStatus Occupation AdditionalPatientHistory AdmissionID PatientSexNeutered RequestingPhysician
    RequestedProcedureDescription RequestedProcedureCodeSequence ClinicalTrialSponsorName
    ClinicalTrialProtocolID ClinicalTrialProtocolName ClinicalTrialSiteID ClinicalTrialSubjectID
    TimezoneOffsetFromUTC
"""
_SERIES_KEYWORDS = """
    Modality SeriesInstanceUID SeriesNumber Laterality SeriesDate SeriesTime PerformingPhysicianName
    ProtocolName SeriesDescription SeriesDescriptionCodeSequence OperatorsName
    ReferencedPerformedProcedureStepSequence BodyPartExamined PatientPosition RequestAttributesSequence
    PerformedProcedureStepID PerformedProcedureStepStartDate PerformedProcedureStepStartTime
    PerformedProcedureStepEndDate PerformedProcedureStepEndTime PerformedProcedureStepDescription
    PerformedProtocolCodeSequence CommentsOnThePerformedProcedureStep Manufacturer InstitutionName
    InstitutionAddress StationName InstitutionalDepartmentName ManufacturerModelName DeviceSerialNumber
    SoftwareVersions FrameOfReferenceUID PositionReferenceIndicator
"""
PATIENT_TAGS: Final = _tags(_PATIENT_KEYWORDS)
STUDY_TAGS: Final = _tags(_STUDY_KEYWORDS)
SERIES_TAGS: Final = _tags(_SERIES_KEYWORDS)
