"""Bodies of those who administer: people, tokens, peers, jobs, storage, the audit trail."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated, Any, Literal

from pydantic import BeforeValidator, Field, model_validator

from filmless.api.models.base import Answer, JobState, Name, Password, Request, Right, Role, Service, words
from filmless.dicom.uids import name_of

# People


class User(Answer):
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


class Users(Answer):
    """All people."""

    items: list[User]


class NewUser(Request):
    """A person to be."""

    name: Name
    role: Role
    password: Password
    display_name: Annotated[str, Field(max_length=128)] = ""


class UserChange(Request):
    """What to change of a person; what is left out stays."""

    role: Role | None = None
    display_name: Annotated[str, Field(max_length=128)] | None = None
    password: Password | None = None
    is_active: bool | None = None


class Token(Answer):
    """An API token. Its secret is shown once, when it is made; `hint` is how it begins."""

    id: int
    name: str
    hint: str
    rights: Annotated[list[Right], BeforeValidator(words)] = Field(
        description="What it may do: these rights, as far as its person has them."
    )
    created_at: datetime
    expires_at: datetime
    last_used_at: datetime | None


class Tokens(Answer):
    """The tokens of a person."""

    items: list[Token]


class NewToken(Request):
    """A token to be; without `rights` it may all that its person may."""

    name: Annotated[str, Field(min_length=1, max_length=128)]
    expires_days: Annotated[int, Field(ge=1, le=36500)] | None = None
    rights: list[Right] | None = None


class CreatedToken(Answer):
    """A new token and its secret, which is never shown again."""

    token: Token
    secret: str


# Peers


class Peer(Answer):
    """A known remote AE. `host` is an address, a name or a network; without `port` it cannot be called."""

    id: int
    ae_title: str
    host: str
    port: int | None
    allow: Annotated[list[Service], BeforeValidator(words)]
    tls: bool
    description: str
    ask_commitment: bool = Field(description="It is asked for storage commitment of what was sent to it.")
    notify_availability: bool = Field(description="It is told when a study is complete (PS3.4 annex R).")
    operations_window: int = Field(description="Instances on their way to it before the first is answered.")
    created_at: datetime
    updated_at: datetime


class Peers(Answer):
    """All known peers."""

    items: list[Peer]


AeTitle = Annotated[str, Field(min_length=1, max_length=16)]
Host = Annotated[str, Field(min_length=1, max_length=255)]
Port = Annotated[int, Field(ge=1, le=65535)]
OperationsWindow = Annotated[int, Field(ge=1, le=64)]


class NewPeer(Request):
    """A peer to be."""

    ae_title: AeTitle
    host: Host
    port: Port | None = None
    allow: list[Service]
    tls: bool = False
    description: Annotated[str, Field(max_length=255)] = ""
    ask_commitment: bool = False
    notify_availability: bool = False
    operations_window: OperationsWindow = 1


class PeerChange(Request):
    """What to change of a peer; what is left out stays. `port` may be set to null."""

    ae_title: AeTitle | None = None
    host: Host | None = None
    port: Port | None = None
    allow: list[Service] | None = None
    tls: bool | None = None
    description: Annotated[str, Field(max_length=255)] | None = None
    ask_commitment: bool | None = None
    notify_availability: bool | None = None
    operations_window: OperationsWindow | None = None


class EchoOutcome(Answer):
    """How a C-ECHO to a peer went, in a sentence."""

    ok: bool
    message: str
    duration_ms: float


class ProposedService(Answer):
    """A SOP class that a stranger proposed."""

    uid: str
    name: str


def services(uids: Any) -> Any:
    return [{"uid": uid, "name": name_of(uid) or uid} if isinstance(uid, str) else uid for uid in uids]


class UnknownPeer(Answer):
    """A stranger that was refused."""

    id: int
    ae_title: str
    address: str
    called_ae_title: str
    reason: str
    proposed: Annotated[list[ProposedService], BeforeValidator(services)]
    times: int
    first_seen_at: datetime
    last_seen_at: datetime


class UnknownPeers(Answer):
    """The strangers, the latest first."""

    items: list[UnknownPeer]


class Admission(Request):
    """How to admit a stranger; without `host`, at the address it came from."""

    host: Host | None = None
    port: Port | None = None
    allow: list[Service]
    tls: bool = False
    description: Annotated[str, Field(max_length=255)] = ""
    ask_commitment: bool = False
    notify_availability: bool = False
    operations_window: OperationsWindow = 1


# Operation


class Job(Answer):
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


class JobCounts(Answer):
    """How many jobs are in each state."""

    waiting: int
    running: int
    parked: int
    done: int
    cancelled: int


class JobPage(Answer):
    """A page of jobs, the latest first."""

    items: list[Job]
    next_cursor: str | None
    counts: JobCounts
    paused_queues: list[str]


class ModalityUse(Answer):
    """What one modality takes."""

    modality: str
    number_of_instances: int
    size_bytes: int


class ReplicaState(Answer):
    """The second place of all blobs. `is_filled`: it has what is older than itself; `waiting`: what is yet to come."""

    url: str
    is_synchronous: bool
    is_filled: bool
    waiting: int
    waiting_since: datetime | None


class Storage(Answer):
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
    replica: ReplicaState | None


class ConflictRow(Answer):
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


class Conflicts(Answer):
    """A page of conflicts, the latest first."""

    items: list[ConflictRow]
    next_cursor: str | None


class RefusalRow(Answer):
    """An instance that was not taken, and why."""

    id: int
    at: datetime
    origin: str
    sop_instance_uid: str | None
    sop_class_uid: str | None
    study_instance_uid: str | None
    reason: str


class Refusals(Answer):
    """A page of refusals, the latest first."""

    items: list[RefusalRow]
    next_cursor: str | None


class AuditEntry(Answer):
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


class AuditPage(Answer):
    """A page of the audit trail, the latest first."""

    items: list[AuditEntry]
    next_cursor: str | None


class Change(Answer):
    """Something that happened: what kind of thing (`name`), to what (`key`), and the cursor just after it."""

    cursor: str
    at: datetime
    name: str
    key: str
    study_instance_uid: str | None


class Changes(Answer):
    """A page of the change feed, the oldest first. `cursor` goes on after all that was looked at."""

    items: list[Change]
    cursor: str
    has_more: bool


class Process(Answer):
    """A process of Filmless and its last sign of life."""

    role: str
    host: str
    pid: int
    started_at: datetime
    heartbeat_at: datetime


class SystemProblem(Answer):
    """Something that needs a person, and what to do."""

    what: str
    what_to_do: str


class Sentence(Answer):
    """What a sentence is made of, so that it can be said in another language; a value may be a sentence too."""

    code: str
    values: dict[str, str | int | float | Sentence]


class HealthFinding(Answer):
    """One thing that was looked at. `code` names the kind of fault; it is empty when all is well.

    `said` and `saidToDo` are what `what` and `whatToDo` were made of, where that is known.
    """

    level: Literal["ok", "warning", "problem"]
    code: str
    subject: str
    title: str
    what: str
    means: str
    what_to_do: str
    said: Sentence | None
    said_to_do: Sentence | None
    since: datetime | None


class Health(Answer):
    """What is broken, the worst first, then what is well. `isReady` is what `/readyz` says."""

    level: Literal["ok", "warning", "problem"]
    is_ready: bool
    looked_at: datetime
    findings: list[HealthFinding]


class System(Answer):
    """The state of the installation."""

    version: str
    started_at: datetime
    processes: list[Process]
    database: str
    problems: list[SystemProblem]


# Deletions


class NewDeletion(Request):
    """What to delete: a study, one of its series, or one instance of that."""

    study_instance_uid: Annotated[str, Field(min_length=1, max_length=64)]
    series_instance_uid: Annotated[str, Field(min_length=1, max_length=64)] | None = None
    sop_instance_uid: Annotated[str, Field(min_length=1, max_length=64)] | None = Field(
        None, description="Only together with its series."
    )
    reason: Annotated[str, Field(min_length=1, max_length=500)] = Field(
        description="Why; one line, kept in the audit trail."
    )

    @model_validator(mode="after")
    def _names_the_series(self) -> NewDeletion:
        if self.sop_instance_uid is not None and self.series_instance_uid is None:
            raise ValueError("an instance is named together with its series")
        return self


class Deletion(Answer):
    """What was deleted, by whom and why. Once it is purged, nothing of the patient is left here."""

    id: int
    at: datetime
    actor: str
    reason: str
    level: Literal["study", "series", "instance"]
    study_instance_uid: str
    series_instance_uid: str | None
    sop_instance_uid: str | None
    patient_id: str
    patient_name: str
    study_date: str
    study_description: str
    number_of_instances: int
    size_bytes: int
    purge_at: datetime = Field(description="Until then it can be restored.")
    restored_at: datetime | None
    purged_at: datetime | None


class Deletions(Answer):
    """A page of deletions."""

    items: list[Deletion]
    next_cursor: str | None
