"""What goes over the wire, in the names of the screen (camelCase).

These classes are the contract: docs/openapi.json and the client in web/ are made from them.
"""

from __future__ import annotations

from datetime import datetime
from typing import Annotated, Any, Literal

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field
from pydantic.alias_generators import to_camel

from filmless.dicom.uids import name_of


def _text(value: Any) -> Any:
    return "" if value is None else value


def _words(value: Any) -> Any:
    return sorted(value) if isinstance(value, frozenset | set) else value


def _modalities(value: Any) -> Any:
    """Read the backslash-joined text of the tables."""
    if isinstance(value, str):
        return [part for part in value.split("\\") if part]
    return [] if value is None else value


def _name(value: Any) -> Any:
    """Read a PN as text: alphabetic=ideographic=phonetic (PS3.5 6.2.1)."""
    if value is None or isinstance(value, str):
        groups = [*(value or "").split("="), "", "", ""]
        return {"alphabetic": groups[0], "ideographic": groups[1], "phonetic": groups[2]}
    return value


Text = Annotated[str, BeforeValidator(_text)]
Uid = Annotated[str, Field(max_length=64, examples=["1.2.840.113619.2.55.3.1"])]
Role = Literal["administrator", "radiologist", "technologist", "clinician"]
Right = Literal["echo", "query", "view", "retrieve", "store", "send", "delete", "administer"]
Service = Literal["echo", "store", "query", "retrieve"]
JobState = Literal["waiting", "running", "parked", "done", "cancelled"]
Name = Annotated[str, Field(min_length=1, max_length=64)]
Password = Annotated[str, Field(min_length=1, max_length=1024)]
Id = Annotated[int, Field(ge=1, le=2**31 - 1)]


class _Answer(BaseModel):
    model_config = ConfigDict(
        alias_generator=to_camel,
        validate_by_name=True,
        validate_by_alias=True,
        from_attributes=True,
        json_schema_serialization_defaults_required=True,
    )


class _Request(BaseModel):
    model_config = ConfigDict(alias_generator=to_camel, validate_by_name=True, validate_by_alias=True, extra="forbid")


class ProblemField(_Answer):
    """One field of a request that was not understood."""

    field: str
    message: str


class Problem(_Answer):
    """An answer that is an error (RFC 9457): `detail` is a sentence for the person at the screen."""

    type: str = Field(examples=["about:blank"])
    title: str
    status: int
    detail: str
    errors: list[ProblemField] | None = None


# Session and setup


class SessionUser(_Answer):
    """Who is signed in, and what they may do."""

    id: int
    name: str
    display_name: str
    role: Role
    rights: list[Right]


class Server(_Answer):
    """What the screen shows of the server it talks to."""

    ae_title: str
    version: str
    dicom_port: int


class Session(_Answer):
    """The session of the caller. `csrfToken` goes back as the header X-CSRF-Token; null when a token was used."""

    user: SessionUser
    csrf_token: str | None
    server: Server


class SignIn(_Request):
    """A name and its password."""

    name: Name
    password: Password


class PasswordChange(_Request):
    """The password in use, and the one to use from now on."""

    current: Password
    new: Password


class SetupState(_Answer):
    """Whether a setup link may still be used."""

    valid: bool


class Setup(_Request):
    """The first administrator, made with the one-time token of the setup link."""

    token: Annotated[str, Field(min_length=1, max_length=128)]
    name: Name
    password: Password
    display_name: Annotated[str, Field(max_length=128)] = ""


# Studies


class PersonName(_Answer):
    """The component groups of a PN (PS3.5 6.2.1), each with its ^ as received."""

    alphabetic: str
    ideographic: str
    phonetic: str


class StudyRow(_Answer):
    """A study as a list shows it. Text that the study does not have is empty; dates are YYYYMMDD, times HHMMSS."""

    study_instance_uid: str
    patient_name: Annotated[PersonName, BeforeValidator(_name)]
    patient_id: Text
    issuer_of_patient_id: Text
    patient_birth_date: Text
    patient_sex: Text
    study_date: Text
    study_time: Text
    accession_number: Text
    study_id: Text
    study_description: Text
    referring_physician_name: Annotated[PersonName, BeforeValidator(_name)]
    modalities: Annotated[list[str], BeforeValidator(_modalities)]
    number_of_series: int
    number_of_instances: int
    size_bytes: int
    created_at: datetime
    updated_at: datetime = Field(description="When its last instance arrived.")


class StudyPage(_Answer):
    """A page of studies; `total` counts all that match, up to 10 000, which then means so many or more."""

    items: list[StudyRow]
    next_cursor: str | None
    total: int


class SeriesRow(_Answer):
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


class SendRequest(_Request):
    """Where to send a study."""

    peer_id: Id


class JobStarted(_Answer):
    """The job that does what was asked."""

    job_id: int


class Tag(_Answer):
    """One element of a data set. `value` is null for bulk data; `items` holds the items of a sequence."""

    tag: str = Field(examples=["00100010"])
    vr: str
    keyword: str
    name: str
    value: str | None
    length_bytes: int
    items: list[list[Tag]] | None


class UploadResult(_Answer):
    """What became of one file of an upload."""

    name: str
    outcome: Literal["stored", "duplicate", "refused", "skipped"]
    reason: str | None
    study_instance_uid: str | None
    sop_instance_uid: str | None


class UploadResults(_Answer):
    """What became of each file of an upload; a ZIP holds many."""

    results: list[UploadResult]


# People


class User(_Answer):
    """A person who may sign in."""

    id: int
    name: str
    display_name: str
    role: Role
    is_active: bool
    created_at: datetime
    last_sign_in_at: datetime | None
    number_of_sessions: int
    number_of_tokens: int


class Users(_Answer):
    """All people."""

    items: list[User]


class NewUser(_Request):
    """A person to be."""

    name: Name
    role: Role
    password: Password
    display_name: Annotated[str, Field(max_length=128)] = ""


class UserChange(_Request):
    """What to change of a person; what is left out stays."""

    role: Role | None = None
    display_name: Annotated[str, Field(max_length=128)] | None = None
    password: Password | None = None
    is_active: bool | None = None


class Token(_Answer):
    """An API token. Its secret is shown once, when it is made; `hint` is how it begins."""

    id: int
    name: str
    hint: str
    rights: Annotated[list[Right], BeforeValidator(_words)] = Field(
        description="What it may do: these rights, as far as its person has them."
    )
    created_at: datetime
    expires_at: datetime
    last_used_at: datetime | None


class Tokens(_Answer):
    """The tokens of a person."""

    items: list[Token]


class NewToken(_Request):
    """A token to be; without `rights` it may all that its person may."""

    name: Annotated[str, Field(min_length=1, max_length=128)]
    expires_days: Annotated[int, Field(ge=1, le=36500)] | None = None
    rights: list[Right] | None = None


class CreatedToken(_Answer):
    """A new token and its secret, which is never shown again."""

    token: Token
    secret: str


# Peers


class Peer(_Answer):
    """A known remote AE. `host` is an address, a name or a network; without `port` it cannot be called."""

    id: int
    ae_title: str
    host: str
    port: int | None
    allow: Annotated[list[Service], BeforeValidator(_words)]
    tls: bool
    description: str
    created_at: datetime
    updated_at: datetime


class Peers(_Answer):
    """All known peers."""

    items: list[Peer]


AeTitle = Annotated[str, Field(min_length=1, max_length=16)]
Host = Annotated[str, Field(min_length=1, max_length=255)]
Port = Annotated[int, Field(ge=1, le=65535)]


class NewPeer(_Request):
    """A peer to be."""

    ae_title: AeTitle
    host: Host
    port: Port | None = None
    allow: list[Service]
    tls: bool = False
    description: Annotated[str, Field(max_length=255)] = ""


class PeerChange(_Request):
    """What to change of a peer; what is left out stays. `port` may be set to null."""

    ae_title: AeTitle | None = None
    host: Host | None = None
    port: Port | None = None
    allow: list[Service] | None = None
    tls: bool | None = None
    description: Annotated[str, Field(max_length=255)] | None = None


class EchoOutcome(_Answer):
    """How a C-ECHO to a peer went, in a sentence."""

    ok: bool
    message: str
    duration_ms: float


class ProposedService(_Answer):
    """A SOP class that a stranger proposed."""

    uid: str
    name: str


def _services(uids: Any) -> Any:
    return [{"uid": uid, "name": name_of(uid) or uid} if isinstance(uid, str) else uid for uid in uids]


class UnknownPeer(_Answer):
    """A stranger that was refused."""

    id: int
    ae_title: str
    address: str
    called_ae_title: str
    reason: str
    proposed: Annotated[list[ProposedService], BeforeValidator(_services)]
    times: int
    first_seen_at: datetime
    last_seen_at: datetime


class UnknownPeers(_Answer):
    """The strangers, the latest first."""

    items: list[UnknownPeer]


class Admission(_Request):
    """How to admit a stranger; without `host`, at the address it came from."""

    host: Host | None = None
    port: Port | None = None
    allow: list[Service]
    tls: bool = False
    description: Annotated[str, Field(max_length=255)] = ""


# Operation


class Job(_Answer):
    """Work done in the background."""

    id: int
    name: str
    queue: str
    destination: str | None
    state: JobState
    attempts: int
    progress: float | None = Field(description="0 to 1; null when not known.")
    progress_text: str | None
    error: str | None
    created_at: datetime
    run_at: datetime


class JobCounts(_Answer):
    """How many jobs are in each state."""

    waiting: int
    running: int
    parked: int
    done: int
    cancelled: int


class JobPage(_Answer):
    """A page of jobs, the latest first."""

    items: list[Job]
    next_cursor: str | None
    counts: JobCounts
    paused_queues: list[str]


class ModalityUse(_Answer):
    """What one modality takes."""

    modality: str
    number_of_instances: int
    size_bytes: int


class Storage(_Answer):
    """What is kept and what room is left. `conflicts` and `refusals` count what waits for a person."""

    capacity_bytes: int
    free_bytes: int
    used_bytes: int
    number_of_patients: int
    number_of_studies: int
    number_of_series: int
    number_of_instances: int
    by_modality: list[ModalityUse]
    conflicts: int
    refusals: int


class ConflictRow(_Answer):
    """An instance that came a second time with other bytes. The first is kept, the second set aside."""

    id: int
    at: datetime
    origin: str
    sop_instance_uid: str
    study_instance_uid: str | None
    reason: str
    times: int
    last_at: datetime
    resolved_at: datetime | None
    resolved_by: str | None


class Conflicts(_Answer):
    """A page of conflicts, the latest first."""

    items: list[ConflictRow]
    next_cursor: str | None


class RefusalRow(_Answer):
    """An instance that was not taken, and why."""

    id: int
    at: datetime
    origin: str
    sop_instance_uid: str | None
    sop_class_uid: str | None
    study_instance_uid: str | None
    reason: str


class Refusals(_Answer):
    """A page of refusals, the latest first."""

    items: list[RefusalRow]
    next_cursor: str | None


class AuditEntry(_Answer):
    """A row of the audit trail. `count` tells how many things of one kind share it, `lastAt` when the last came."""

    id: int
    at: datetime
    last_at: datetime
    actor: str
    actor_kind: Literal["person", "peer", "token", "system"]
    door: str
    address: str | None
    action: str
    outcome: Literal["success", "refused", "failed"]
    study_instance_uid: str | None
    object: str | None
    detail: str | None
    count: int
    size_bytes: int


class AuditPage(_Answer):
    """A page of the audit trail, the latest first."""

    items: list[AuditEntry]
    next_cursor: str | None


class Process(_Answer):
    """A process of Filmless and its last sign of life."""

    role: str
    host: str
    pid: int
    started_at: datetime
    heartbeat_at: datetime


class SystemProblem(_Answer):
    """Something that needs a person, and what to do."""

    what: str
    what_to_do: str


class System(_Answer):
    """The state of the installation."""

    version: str
    started_at: datetime
    processes: list[Process]
    database: str
    problems: list[SystemProblem]
