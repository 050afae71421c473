"""Takes one instance into the archive, whichever door it came through.

The bytes are on disk, and their name is, before a row may point at them; the answer is given after the commit.
"""

from __future__ import annotations

import time
import uuid
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, BinaryIO, Final, Literal

import structlog
from sqlalchemy import Connection, delete, insert

from filmless.access import audit, policy
from filmless.access.policy import Action
from filmless.access.principal import Principal
from filmless.archive import Archive
from filmless.archive.database import insert_for
from filmless.archive.events import publish
from filmless.archive.limits import scan_limits
from filmless.archive.replica import want_in_replica
from filmless.archive.tables import Flags, conflicts, refusals
from filmless.dicom.part10 import preamble_and_meta
from filmless.dicom.scanner import Header, scan
from filmless.dicom.uids import NON_PATIENT_CLASSES, is_storable, name_of
from filmless.errors import Conflict, Mismatch, Refused, Unavailable
from filmless.store import non_patient
from filmless.store.facts import HEAD_BYTES, SOP_CLASS_UID, SOP_INSTANCE_UID, Facts, read_facts
from filmless.store.kept import Kept, find_kept, is_same_dataset
from filmless.store.record import AlreadyKept, KnowledgeIsStale, Learned, Recorder, known_of
from filmless.store.replicate import take_at_once

if TYPE_CHECKING:
    from collections.abc import Buffer  # type: ignore[attr-defined,unused-ignore]

logger = structlog.get_logger()

_REFUSALS_MAX: Final = 10_000
_ATTEMPTS_MAX: Final = 5
_REASON_MAX: Final = 2000
_CHUNK_BYTES: Final = 1 << 20


@dataclass(frozen=True, slots=True)
class Receipt:
    """An instance is in the archive."""

    outcome: Literal["stored", "duplicate"]
    study_instance_uid: str
    series_instance_uid: str
    sop_instance_uid: str
    sop_class_uid: str
    warnings: list[str] = field(default_factory=list)


class AnotherAddress(Mismatch):
    """The instance is kept, but under another address than the one that it was sent to."""


@dataclass(frozen=True, slots=True)
class Only:
    """What is taken at an address of instances without a patient: these classes, and one UID where it is named."""

    sop_class_uids: frozenset[str]
    sop_instance_uid: str | None = None

    def require(self, sop_class_uid: str, sop_instance_uid: str) -> None:
        """Let nothing else in.

        Raises
        ------
        AnotherAddress
        """
        if sop_class_uid not in self.sop_class_uids:
            raise AnotherAddress(f"{name_of(sop_class_uid)} ({sop_class_uid}) does not belong to this address")
        if self.sop_instance_uid not in (None, sop_instance_uid):
            raise AnotherAddress(f"the data set has SOP Instance UID {sop_instance_uid}, the address another")


class Reception:
    """One instance on its way in. Write its data set, then `finish` or `abort`."""

    def __init__(
        self,
        archive: Archive,
        principal: Principal,
        *,
        sop_class_uid: str,
        sop_instance_uid: str,
        transfer_syntax_uid: str,
        expected_study_uid: str | None = None,
        request: str | None = None,
        takes_non_patient: bool = False,
        only: Only | None = None,
    ) -> None:
        self._archive = archive
        self._principal = principal
        self._sop_class_uid = sop_class_uid
        self._sop_instance_uid = sop_instance_uid
        self._transfer_syntax_uid = transfer_syntax_uid
        self._expected_study_uid = expected_study_uid
        self._request = request or str(uuid.uuid4())
        self._max_bytes = archive.settings.instance_max_bytes
        try:
            for name, uid in (("SOP Class UID", sop_class_uid), ("SOP Instance UID", sop_instance_uid)):
                if not is_storable(uid):
                    raise Refused(f"{name} is {uid[:80]!r}: not 1 to 64 letters, digits and dots")
            if only is not None:
                only.require(sop_class_uid, sop_instance_uid)
            elif sop_class_uid in NON_PATIENT_CLASSES and not takes_non_patient:
                raise Refused(
                    f"{name_of(sop_class_uid)} belongs to no study: send it by C-STORE or to its own address"
                    " (PS3.18 chapter 12), or import it"
                )
            policy.require(principal, Action.STORE)
            head = preamble_and_meta(sop_class_uid, sop_instance_uid, transfer_syntax_uid)
        except Refused as refusal:
            self._record_refusal(refusal)
            raise
        self._writer = archive.blobs.create()
        self._writer.write(head)

    def write(self, data: Buffer) -> None:
        """Take the next bytes of the data set.

        Raises
        ------
        Refused: the instance is longer than what is accepted. Unavailable: the disk is full or away.
        """
        self._writer.write(data)
        if self._writer.length > self._max_bytes:
            self._writer.close()
            refusal = Refused(f"the instance is longer than {self._max_bytes} bytes (instance_max_bytes)")
            self._record_refusal(refusal)
            raise refusal

    def finish(self) -> Receipt:
        """Keep the instance, durably.

        Raises
        ------
        Refused: it cannot be read, or a UID is missing. Mismatch: it is not what was announced.
        Conflict: another version is kept under its UID; this one lies in quarantine, for an administrator to see.
        NotAllowed: the sender may not store. Unavailable: try again later. Nothing is kept then.
        """
        with self._writer as writer:
            try:
                facts = read_facts(writer, scan_limits(self._archive.settings))
                self._require_announced(facts)
                policy.require(self._principal, Action.STORE, facts.study_instance_uid or None)
            except Refused as refusal:
                self._record_refusal(refusal)
                raise
            key, length_bytes = writer.finish()
            return keep(self._archive, self._principal, facts, key, length_bytes, request=self._request)

    def abort(self) -> None:
        """Drop what came: the sender went away."""
        self._writer.close()

    def _require_announced(self, facts: Facts) -> None:
        pairs = (
            ("SOP Class UID", facts.sop_class_uid, self._sop_class_uid),
            ("SOP Instance UID", facts.sop_instance_uid, self._sop_instance_uid),
            ("Study Instance UID", facts.study_instance_uid, self._expected_study_uid),
        )
        for name, found, announced in pairs:
            if announced is not None and found != announced.strip(" \0"):
                raise Mismatch(f"the data set has {name} {found}, announced was {announced}")

    def _record_refusal(self, refusal: Refused) -> None:
        record_refusal(
            self._archive,
            self._principal,
            str(refusal),
            request=self._request,
            sop_instance_uid=self._sop_instance_uid,
            sop_class_uid=self._sop_class_uid,
            study_instance_uid=self._expected_study_uid,
        )


def begin(
    archive: Archive,
    principal: Principal,
    *,
    sop_class_uid: str,
    sop_instance_uid: str,
    transfer_syntax_uid: str,
    request: str | None = None,
) -> Reception:
    """Begin to take an instance whose data set follows (C-STORE).

    `request` names the association, so that the audit trail has one row for all its instances of a study.

    Raises
    ------
    NotAllowed, Refused: recorded. Unavailable: the disk is full.
    """
    return Reception(
        archive,
        principal,
        sop_class_uid=sop_class_uid.strip(" \0"),
        sop_instance_uid=sop_instance_uid.strip(" \0"),
        transfer_syntax_uid=transfer_syntax_uid,
        request=request,
        takes_non_patient=True,
    )


def receive(
    archive: Archive,
    principal: Principal,
    part10: BinaryIO,
    *,
    expected_study_uid: str | None = None,
    request: str | None = None,
    takes_non_patient: bool = False,
    only: Only | None = None,
) -> Receipt:
    """Take an instance from a stream that holds a Part 10 file (STOW-RS, upload, import).

    Its preamble and group 0002 are replaced by ours; the data set is kept to the byte.

    Raises
    ------
    As `begin` and `Reception.finish`.
    """
    head = _read_head(part10)
    try:
        is_whole = len(head) < HEAD_BYTES
        header = scan(head, limits=scan_limits(archive.settings), total_length=None if is_whole else len(head) + 1)
        identity = {
            "sop_class_uid": _identity(header, SOP_CLASS_UID, "sop_class_uid"),
            "sop_instance_uid": _identity(header, SOP_INSTANCE_UID, "sop_instance_uid"),
            "transfer_syntax_uid": header.transfer_syntax_uid,
        }
    except Refused as refusal:
        record_refusal(archive, principal, str(refusal), request=request)
        raise
    flaws = header.flaws if is_whole else []  # what is wrong with group 0002 is gone from the file that is kept
    reception = Reception(
        archive,
        principal,
        **identity,
        expected_study_uid=expected_study_uid,
        request=request,
        takes_non_patient=takes_non_patient,
        only=only,
    )
    try:
        reception.write(memoryview(head)[header.dataset_offset :])
        del head
        while chunk := part10.read(_CHUNK_BYTES):
            reception.write(chunk)
        receipt = reception.finish()
    except BaseException:
        reception.abort()
        raise
    receipt.warnings.extend(flaw for flaw in flaws if flaw not in receipt.warnings)
    return receipt


def _read_head(stream: BinaryIO) -> bytes:
    """The first bytes of a stream: a short read is not its end."""
    parts, length = [], 0
    while length < HEAD_BYTES and (part := stream.read(HEAD_BYTES - length)):
        parts.append(part)
        length += len(part)
    return parts[0] if len(parts) == 1 else b"".join(parts)


_NAMES = {SOP_CLASS_UID: "SOP Class UID (0008,0016)", SOP_INSTANCE_UID: "SOP Instance UID (0008,0018)"}


def _identity(header: Header, tag: int, name: str) -> str:
    uid = header.text(tag) or header.meta.get(name)
    if not uid:
        raise Refused(f"{_NAMES[tag]} is missing")
    return uid


def keep(archive: Archive, principal: Principal, facts: Facts, key: str, length_bytes: int, *, request: str) -> Receipt:
    """Give a durable blob its rows: the part of reception that the sweep does too.

    Raises
    ------
    Conflict: another version is kept under its UID; the blob was moved to quarantine. Unavailable.
    """
    waits_for_replica = archive.replica is not None and not take_at_once(archive, key, length_bytes)
    if non_patient.is_non_patient(facts):
        return _keep_non_patient(archive, principal, facts, key, length_bytes, request, waits_for_replica)
    known = known_of(archive)
    for _ in range(_ATTEMPTS_MAX):
        recorder = Recorder(archive, facts, key, length_bytes)

        def record(session: Connection, recorder: Recorder = recorder) -> Learned:
            learned = recorder.record(session)
            if waits_for_replica:
                want_in_replica(session, key)
            audit.record_transfer(
                session, principal, "store", facts.study_instance_uid, request=request, size_bytes=length_bytes
            )
            return learned

        try:
            learned = archive.run(record)
        except KnowledgeIsStale:
            known.forget()
        except AlreadyKept:
            receipt = _settle_existing(archive, principal, facts, key, length_bytes, request)
            if receipt is not None:
                return receipt
        else:
            known.learn(facts, learned)
            if learned.flags & Flags.OTHER_PATIENT:
                facts.warnings.append("the patient is not the one that the study was first seen with")
            return _receipt("stored", facts)
    raise Unavailable(f"instance {facts.sop_instance_uid} is being changed by others; send it again")


def _keep_non_patient(
    archive: Archive,
    principal: Principal,
    facts: Facts,
    key: str,
    length_bytes: int,
    request: str,
    waits_for_replica: bool,
) -> Receipt:
    for _ in range(_ATTEMPTS_MAX):
        try:
            with archive.transaction() as session:
                most = archive.settings.non_patient_instances_max
                non_patient.record(session, facts, key, length_bytes, most=most)
                if waits_for_replica:
                    want_in_replica(session, key)
                audit.record(
                    session,
                    principal,
                    "store",
                    object=facts.sop_instance_uid,
                    detail={"sop_class": name_of(facts.sop_class_uid)},
                )
        except AlreadyKept:
            receipt = _settle_existing(archive, principal, facts, key, length_bytes, request)
            if receipt is not None:
                return receipt
        else:
            return _receipt("stored", facts)
    raise Unavailable(f"instance {facts.sop_instance_uid} is being changed by others; send it again")


def _receipt(outcome: Literal["stored", "duplicate"], facts: Facts) -> Receipt:
    return Receipt(
        outcome,
        facts.study_instance_uid,
        facts.series_instance_uid,
        facts.sop_instance_uid,
        facts.sop_class_uid,
        facts.warnings,
    )


def _settle_existing(
    archive: Archive, principal: Principal, facts: Facts, key: str, length_bytes: int, request: str
) -> Receipt | None:
    """An instance of that UID is kept: the same one, or another version. None when it has gone meanwhile."""
    kept = find_kept(archive, facts.sop_instance_uid)
    if kept is None:
        return None
    if kept.blob != key and not is_same_dataset(archive, principal, kept, facts, key, length_bytes):
        _record_conflict(archive, principal, facts, kept, key, length_bytes, request)
        raise Conflict(
            f"instance {facts.sop_instance_uid} is kept with other content; what was sent now lies in quarantine"
        )
    if kept.blob != key:
        archive.blobs.delete(key)
    with archive.transaction() as session:
        if archive.replica is not None:
            want_in_replica(session, key, is_wanted=kept.blob == key)
        audit.record_transfer(
            session, principal, "store-duplicate", kept.study_instance_uid, request=request, size_bytes=length_bytes
        )
    return _receipt("duplicate", facts)


def _record_conflict(
    archive: Archive,
    principal: Principal,
    facts: Facts,
    kept: Kept,
    key: str,
    length_bytes: int,
    request: str,
) -> None:
    """Tell of the refused version, then keep it aside. After a crash between the two the sweep comes here again."""
    reason = "other content under the same SOP Instance UID"
    if kept.study_instance_uid != facts.study_instance_uid:
        reason = f"the same SOP Instance UID in study {kept.study_instance_uid}"
    with archive.transaction() as session:
        now = time.time()
        statement = insert_for(session)(conflicts).values(
            at=now,
            last_at=now,
            times=1,
            origin=origin_of(principal),
            sop_instance_uid=facts.sop_instance_uid,
            study_instance_uid=kept.study_instance_uid,
            refused_study_instance_uid=facts.study_instance_uid,
            kept_blob=kept.blob,
            refused_blob=key,
            refused_length_bytes=length_bytes,
            reason=reason,
        )
        session.execute(
            statement.on_conflict_do_update(
                index_elements=[conflicts.c.sop_instance_uid, conflicts.c.refused_blob],
                set_={"last_at": now, "times": conflicts.c.times + 1},
            )
        )
        audit.record_transfer(
            session,
            principal,
            "store",
            kept.study_instance_uid,
            request=request,
            size_bytes=length_bytes,
            outcome="refused",
            object=facts.sop_instance_uid,
            detail=reason,
        )
        publish(session, "conflict", facts.sop_instance_uid, kept.study_instance_uid)
        if archive.replica is not None:
            want_in_replica(session, key, is_wanted=False)
    archive.blobs.move_to(archive.quarantine, key)


def record_refusal(
    archive: Archive,
    principal: Principal,
    reason: str,
    *,
    request: str | None,
    sop_instance_uid: str | None = None,
    sop_class_uid: str | None = None,
    study_instance_uid: str | None = None,
) -> None:
    """Keep the reason why something was not taken in, for the administrator: the newest ten thousand."""
    reason = reason[:_REASON_MAX]
    values = {
        "at": time.time(),
        "origin": origin_of(principal),
        "reason": reason,
        "sop_instance_uid": _cut(sop_instance_uid),
        "sop_class_uid": _cut(sop_class_uid),
        "study_instance_uid": _cut(study_instance_uid),
    }
    try:
        with archive.transaction() as session:
            key = session.execute(insert(refusals).values(values).returning(refusals.c.id)).scalar_one()
            session.execute(delete(refusals).where(refusals.c.id <= key - _REFUSALS_MAX))
            audit.record_repeated(
                session,
                principal,
                "store",
                request=request or str(uuid.uuid4()),
                outcome="refused",
                object=_cut(sop_instance_uid),
                detail=reason,
            )
    except Unavailable as error:  # the sender is refused all the same
        logger.error("refusal_not_recorded", reason=str(error))


def origin_of(principal: Principal) -> str:
    """Who sent by which door, in words."""
    return f"{principal.name} by {principal.door}" + (f" from {principal.address}" if principal.address else "")


def _cut(uid: str | None) -> str | None:
    """A UID that nobody checked, fit for a row."""
    return None if uid is None else "".join(each for each in uid[:64] if each.isprintable())
