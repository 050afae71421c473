"""Bodies of those who read: session, setup, studies, tags, uploads."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated, Literal

from pydantic import BeforeValidator, Field

from filmless.api.models.base import Answer, Id, Name, Password, Request, Right, Role, Text, modalities_of, name_groups

# Session and setup


class SessionUser(Answer):
    """Who is signed in, and what they may do."""

    id: int
    name: str
    display_name: str
    role: Role
    rights: list[Right]


class Server(Answer):
    """What the screen shows of the server it talks to."""

    ae_title: str
    version: str
    dicom_port: int


class Session(Answer):
    """The session of the caller. `csrfToken` goes back as the header X-CSRF-Token; null when a token was used."""

    user: SessionUser
    csrf_token: str | None
    server: Server


class SignIn(Request):
    """A name and its password."""

    name: Name
    password: Password


class PasswordChange(Request):
    """The password in use, and the one to use from now on."""

    current: Password
    new: Password


class SetupState(Answer):
    """Whether a setup link may still be used."""

    valid: bool


class Setup(Request):
    """The first administrator, made with the one-time token of the setup link."""

    token: Annotated[str, Field(min_length=1, max_length=128)]
    name: Name
    password: Password
    display_name: Annotated[str, Field(max_length=128)] = ""


# Studies


class PersonName(Answer):
    """The component groups of a PN (PS3.5 6.2.1), each with its ^ as received."""

    alphabetic: str
    ideographic: str
    phonetic: str


class StudyRow(Answer):
    """A study as a list shows it. Text that the study does not have is empty; dates are YYYYMMDD, times HHMMSS."""

    study_instance_uid: str
    patient_name: Annotated[PersonName, BeforeValidator(name_groups)]
    patient_id: Text
    issuer_of_patient_id: Text
    patient_birth_date: Text
    patient_sex: Text
    study_date: Text
    study_time: Text
    accession_number: Text
    study_id: Text
    study_description: Text
    referring_physician_name: Annotated[PersonName, BeforeValidator(name_groups)]
    modalities: Annotated[list[str], BeforeValidator(modalities_of)]
    number_of_series: int
    number_of_instances: int
    size_bytes: int
    created_at: datetime
    updated_at: datetime = Field(description="When its last instance arrived.")


class StudyPage(Answer):
    """A page of studies; `total` counts all that match, up to 10 000, which then means so many or more."""

    items: list[StudyRow]
    next_cursor: str | None
    total: int


class SeriesRow(Answer):
    """A series as the study's page shows it."""

    series_instance_uid: str
    series_number: int | None
    modality: Text
    series_description: Text
    body_part_examined: Text
    laterality: Text
    number_of_instances: int
    size_bytes: int
    created_at: datetime
    updated_at: datetime


class Study(StudyRow):
    """A study with its series, in the order of their numbers."""

    series: list[SeriesRow]


class SendRequest(Request):
    """Where to send a study."""

    peer_id: Id


class JobStarted(Answer):
    """The job that does what was asked."""

    job_id: int


class Tag(Answer):
    """One element of a data set. `value` is null for bulk data; `items` holds the items of a sequence."""

    tag: str = Field(examples=["00100010"])
    vr: str
    keyword: str
    name: str
    value: str | None
    length_bytes: int
    items: list[list[Tag]] | None


class UploadResult(Answer):
    """What became of one file of an upload."""

    name: str
    outcome: Literal["stored", "duplicate", "refused", "skipped"]
    reason: str | None
    study_instance_uid: str | None
    sop_instance_uid: str | None


class UploadResults(Answer):
    """What became of each file of an upload; a ZIP holds many."""

    results: list[UploadResult]


# Opening of the viewer

PhaseMs = Annotated[float, Field(ge=0, le=600_000, allow_inf_nan=False)]


class Opening(Request):
    """When the phases of one opening were reached, in ms since the reader asked for the study; absent: not reached."""

    series_listed_ms: PhaseMs | None = None
    metadata_read_ms: PhaseMs | None = None
    engine_ready_ms: PhaseMs | None = None
    first_bytes_ms: PhaseMs | None = None
    first_decoded_ms: PhaseMs | None = None
    first_image_ms: PhaseMs
