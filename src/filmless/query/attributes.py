"""Where each attribute of the Query/Retrieve model lives: its level, and its column if it has one (PS3.4 C.6.1.1)."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from enum import Enum, IntEnum
from typing import Final

from sqlalchemy import Column

from filmless.archive.levels import PATIENT_TAGS, SERIES_TAGS, STUDY_TAGS
from filmless.archive.tables import instances, patients, series, studies, uids


class Level(IntEnum):
    """The levels of the Patient Root model, from the top."""

    PATIENT = 0
    STUDY = 1
    SERIES = 2
    IMAGE = 3


class Form(Enum):
    """How a column holds its attribute."""

    TEXT = "text"
    NAME = "name"  # with a folded and a sound column beside it
    NUMBER = "number"
    LIST = "list"  # values joined by a backslash


@dataclass(frozen=True, slots=True)
class Stored:
    """The column of an attribute. `finds_words`: its text is also in `studies.search_text`, folded."""

    column: Column[object]
    form: Form = Form.TEXT
    folded: Column[object] | None = None
    sound: Column[object] | None = None
    finds_words: bool = False


PATIENT_NAME, PATIENT_ID, ISSUER = "00100010", "00100020", "00100021"
PATIENT_BIRTH_DATE, PATIENT_SEX = "00100030", "00100040"
STUDY_DATE, STUDY_TIME, ACCESSION_NUMBER, STUDY_ID = "00080020", "00080030", "00080050", "00200010"
STUDY_DESCRIPTION, REFERRING_PHYSICIAN, STUDY_UID = "00081030", "00080090", "0020000D"
MODALITIES_IN_STUDY, SOP_CLASSES_IN_STUDY = "00080061", "00080062"
PATIENT_STUDIES, PATIENT_SERIES, PATIENT_INSTANCES = "00201200", "00201202", "00201204"
STUDY_SERIES, STUDY_INSTANCES, SERIES_INSTANCES = "00201206", "00201208", "00201209"
SERIES_UID, SERIES_NUMBER, MODALITY = "0020000E", "00200011", "00080060"
SERIES_DESCRIPTION, REQUEST_ATTRIBUTES = "0008103E", "00400275"
SOP_CLASS_UID, SOP_INSTANCE_UID, INSTANCE_NUMBER = "00080016", "00080018", "00200013"
NUMBER_OF_FRAMES, ROWS, COLUMNS, BITS_ALLOCATED = "00280008", "00280010", "00280011", "00280100"
CHARACTER_SET, QUERY_LEVEL, RETRIEVE_AE, AVAILABILITY = "00080005", "00080052", "00080054", "00080056"
TIMEZONE, RETRIEVE_URL, AVAILABLE_SYNTAX = "00080201", "00081190", "00083002"

UNIQUE_KEY: Final[Mapping[Level, str]] = {
    Level.PATIENT: PATIENT_ID,
    Level.STUDY: STUDY_UID,
    Level.SERIES: SERIES_UID,
    Level.IMAGE: SOP_INSTANCE_UID,
}

# At PATIENT level the patient's own row answers; below it, what the study says of the patient.
PATIENT_COLUMNS: Final[Mapping[str, Stored]] = {
    PATIENT_ID: Stored(patients.c.patient_id),
    ISSUER: Stored(patients.c.issuer_of_patient_id),
    PATIENT_BIRTH_DATE: Stored(patients.c.patient_birth_date),
    PATIENT_SEX: Stored(patients.c.patient_sex),
}

STUDY_COLUMNS: Final[Mapping[str, Stored]] = {
    PATIENT_NAME: Stored(
        studies.c.patient_name,
        Form.NAME,
        studies.c.patient_name_folded,
        studies.c.patient_name_sound,
        finds_words=True,
    ),
    PATIENT_ID: Stored(studies.c.patient_id, finds_words=True),
    ISSUER: Stored(studies.c.issuer_of_patient_id),
    PATIENT_BIRTH_DATE: Stored(studies.c.patient_birth_date),
    PATIENT_SEX: Stored(studies.c.patient_sex),
    STUDY_UID: Stored(studies.c.study_instance_uid),
    STUDY_DATE: Stored(studies.c.study_date),
    STUDY_TIME: Stored(studies.c.study_time),
    ACCESSION_NUMBER: Stored(studies.c.accession_number, finds_words=True),
    STUDY_ID: Stored(studies.c.study_id),
    STUDY_DESCRIPTION: Stored(studies.c.study_description, finds_words=True),
    REFERRING_PHYSICIAN: Stored(
        studies.c.referring_physician_name,
        Form.NAME,
        studies.c.referring_physician_name_folded,
        studies.c.referring_physician_name_sound,
    ),
    MODALITIES_IN_STUDY: Stored(studies.c.modalities_in_study, Form.LIST),
    STUDY_SERIES: Stored(studies.c.number_of_study_related_series, Form.NUMBER),
    STUDY_INSTANCES: Stored(studies.c.number_of_study_related_instances, Form.NUMBER),
}

SERIES_COLUMNS: Final[Mapping[str, Stored]] = {
    SERIES_UID: Stored(series.c.series_instance_uid),
    MODALITY: Stored(series.c.modality),
    SERIES_NUMBER: Stored(series.c.series_number, Form.NUMBER),
    SERIES_DESCRIPTION: Stored(series.c.series_description),
    "00180015": Stored(series.c.body_part_examined),
    "00200060": Stored(series.c.laterality),
    "00181030": Stored(series.c.protocol_name),
    "00081010": Stored(series.c.station_name),
    "00080080": Stored(series.c.institution_name),
    "00400244": Stored(series.c.performed_procedure_step_start_date),
    "00400245": Stored(series.c.performed_procedure_step_start_time),
    SERIES_INSTANCES: Stored(series.c.number_of_series_related_instances, Form.NUMBER),
}

IMAGE_COLUMNS: Final[Mapping[str, Stored]] = {
    SOP_INSTANCE_UID: Stored(instances.c.sop_instance_uid),
    INSTANCE_NUMBER: Stored(instances.c.instance_number, Form.NUMBER),
    SOP_CLASS_UID: Stored(uids.c.uid),
    NUMBER_OF_FRAMES: Stored(instances.c.number_of_frames, Form.NUMBER),
    ROWS: Stored(instances.c.rows, Form.NUMBER),
    COLUMNS: Stored(instances.c.columns, Form.NUMBER),
    BITS_ALLOCATED: Stored(instances.c.bits_allocated, Form.NUMBER),
}

PATIENT_COUNTS: Final = frozenset({PATIENT_STUDIES, PATIENT_SERIES, PATIENT_INSTANCES})

# What the archive itself knows, whatever the instances say, by the level where it may be asked for first.
_OF_THE_ARCHIVE: Final[Mapping[str, Level]] = {
    CHARACTER_SET: Level.PATIENT,
    QUERY_LEVEL: Level.PATIENT,
    "00080053": Level.PATIENT,  # Query/Retrieve View
    RETRIEVE_AE: Level.PATIENT,
    AVAILABILITY: Level.PATIENT,
    TIMEZONE: Level.PATIENT,
    **dict.fromkeys(PATIENT_COUNTS, Level.PATIENT),
    MODALITIES_IN_STUDY: Level.STUDY,
    SOP_CLASSES_IN_STUDY: Level.STUDY,
    STUDY_SERIES: Level.STUDY,
    STUDY_INSTANCES: Level.STUDY,
    RETRIEVE_URL: Level.STUDY,
    SERIES_INSTANCES: Level.SERIES,
    AVAILABLE_SYNTAX: Level.IMAGE,
}

_COLUMNS_BY_LEVEL: Final = (
    (Level.STUDY, STUDY_COLUMNS),
    (Level.SERIES, SERIES_COLUMNS),
    (Level.IMAGE, IMAGE_COLUMNS),
)

_OF_THE_ROW: Final = frozenset(
    {SOP_INSTANCE_UID, SOP_CLASS_UID, INSTANCE_NUMBER, NUMBER_OF_FRAMES, ROWS, COLUMNS, BITS_ALLOCATED}
)


def level_of(tag: str) -> Level:
    """Give the highest level at which the archive keeps an attribute: what is of no higher one is the instance's."""
    known = _OF_THE_ARCHIVE.get(tag)
    if known is not None:
        return known
    number = int(tag, 16)
    if number in PATIENT_TAGS:
        return Level.PATIENT
    if number in STUDY_TAGS:
        return Level.STUDY
    return Level.SERIES if number in SERIES_TAGS else Level.IMAGE


def is_of_the_archive(tag: str) -> bool:
    """Tell whether the archive itself knows an attribute, whatever the instances say."""
    return tag in _OF_THE_ARCHIVE


def is_supported(level: Level, tag: str) -> bool:
    """Tell whether an attribute can be matched and returned at a level."""
    return level_of(tag) <= level


def is_in_header(tag: str) -> bool:
    """Tell whether only the instance's header has an attribute, so that series metadata must be read for it."""
    return level_of(tag) is Level.IMAGE and tag not in _OF_THE_ROW and tag != AVAILABLE_SYNTAX


def find_column(tag: str, level: Level | None = None) -> tuple[Level, Stored] | None:
    """Find the column of an attribute and the level of its row; at PATIENT level the patient's own comes first."""
    if level is Level.PATIENT and tag in PATIENT_COLUMNS:
        return Level.PATIENT, PATIENT_COLUMNS[tag]
    for of_level, columns in _COLUMNS_BY_LEVEL:
        if tag in columns:
            return of_level, columns[tag]
    return None
