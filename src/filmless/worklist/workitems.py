"""Making, reading and changing workitems (PS3.4 CC.2.5 to CC.2.7)."""

from __future__ import annotations

import hmac
import time
from collections.abc import Collection, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

from sqlalchemy import Connection, Row, func, insert, select, text, update

from filmless.access import audit, policy
from filmless.access.policy import Action
from filmless.access.principal import Principal
from filmless.archive import events
from filmless.dicom.uids import new_uid
from filmless.errors import Conflict, NotFound, Unavailable
from filmless.query.matching import JsonDataset
from filmless.worklist import attributes as at
from filmless.worklist import datasets, following, reports, rules
from filmless.worklist.refusals import Gone, Reason, WorkitemRefused
from filmless.worklist.tables import workitems

if TYPE_CHECKING:
    from filmless.archive import Archive

_LOCK: Final = 0x464C5750  # PostgreSQL: workitems are made, and lists subscribed to, one after the other


@dataclass(frozen=True, slots=True)
class Workitem:
    """A workitem as it is kept: its row, and its attributes without the Transaction UID."""

    key: int
    workitem_uid: str
    state: str
    transaction_uid: str | None
    attributes: JsonDataset


def require_reading(principal: Principal) -> None:
    """Let pass who may search; who works the worklist off may read it too.

    Raises
    ------
    NotAllowed
    """
    if not policy.explain(principal, Action.WORKLIST).allowed:
        policy.require(principal, Action.QUERY)


def take_turn(session: Connection) -> None:
    """Wait until nobody else makes a workitem or subscribes to the whole list: each must know of the other."""
    if session.dialect.name == "postgresql":
        session.execute(text(f"SELECT pg_advisory_xact_lock({_LOCK})"))


def create(archive: Archive, principal: Principal, dataset: JsonDataset, workitem_uid: str = "") -> str:
    """Make a workitem in the state SCHEDULED and return its UID: the one that was named, else a new one.

    Raises
    ------
    NotAllowed, Conflict (the UID is taken), WorkitemRefused (the data set is not what CC.2.5 asks for),
    Unavailable (there are `workitems_max` already).
    """
    policy.require(principal, Action.WORKLIST)
    uid = workitem_uid or datasets.value(dataset, at.SOP_INSTANCE_UID) or new_uid()
    rules.check_uid(uid)
    if datasets.value(dataset, at.SOP_INSTANCE_UID) not in ("", uid):
        raise WorkitemRefused(Reason.INVALID_VALUE, "SOP Instance UID in the data set is not that of the request")
    rules.check_new(dataset)
    attributes = _completed(archive, dataset, uid)
    now = time.time()
    with archive.transaction() as session:
        take_turn(session)
        if session.execute(select(workitems.c.id).where(workitems.c.workitem_uid == uid)).first() is not None:
            raise Conflict(f"there is, or was, a workitem {uid} already")
        count = session.execute(select(func.count()).where(workitems.c.deleted_at.is_(None))).scalar_one()
        if count >= archive.settings.workitems_max:
            raise Unavailable(f"there are {count} workitems already (workitems_max)", retry_after_s=3600)
        values = datasets.columns_of(attributes)
        key = session.execute(
            insert(workitems)
            .values(workitem_uid=uid, created_at=now, updated_at=now, **values)
            .returning(workitems.c.id)
        ).scalar_one()
        study = values["study_instance_uid"]
        audit.record(session, principal, "workitem_create", study_instance_uid=study, object=uid)
        events.publish(session, "workitem", uid, study)
        item = Workitem(key, uid, at.SCHEDULED, None, attributes)
        following.begin(session, key, attributes)
        told = reports.subscribers_of(session, key)
        reports.state(session, item.workitem_uid, attributes, told)
        if any(datasets.has_value(attributes, tag) for tag in (at.STATION_NAMES, at.HUMAN_PERFORMERS)):
            reports.assigned(session, item.workitem_uid, attributes, told)
    return uid


def _completed(archive: Archive, dataset: JsonDataset, uid: str) -> JsonDataset:
    """Add what is ours to say, and take out what is not kept."""
    attributes = dict(dataset)
    attributes.pop(at.TRANSACTION_UID, None)
    attributes.pop(at.CHARACTER_SET, None)
    attributes |= {
        at.SOP_CLASS_UID: datasets.text("UI", at.PUSH_SOP_CLASS),
        at.SOP_INSTANCE_UID: datasets.text("UI", uid),
        at.STATE: datasets.text("CS", at.SCHEDULED),
        at.MODIFIED_AT: datasets.now(),
        at.PROGRESS_INFORMATION: datasets.sequence(),
        at.PERFORMED_PROCEDURE: datasets.sequence(),
    }
    if not datasets.has_value(attributes, at.WORKLIST_LABEL):
        attributes[at.WORKLIST_LABEL] = datasets.text("LO", archive.settings.worklist_label)
    return attributes


def get(
    archive: Archive, principal: Principal, workitem_uid: str, wanted: Collection[str] | None = None
) -> JsonDataset:
    """Read a workitem, or some attributes of it. The Transaction UID is never among them (CC.2.7.3).

    Raises
    ------
    NotAllowed, NotFound, Gone.
    """
    require_reading(principal)
    with archive.transaction() as session:
        item = find(session, workitem_uid)
        study = datasets.study_of(item.attributes)
        audit.record(session, principal, "workitem_view", study_instance_uid=study, object=workitem_uid)
    if wanted is None:
        return item.attributes
    return datasets.parts_of(item.attributes, *wanted)


def change(archive: Archive, principal: Principal, workitem_uid: str, changes: JsonDataset) -> None:
    """Set attributes of a workitem; of an IN PROGRESS one only with its Transaction UID among them (CC.2.6).

    Raises
    ------
    NotAllowed, NotFound, Gone, WorkitemRefused.
    """
    policy.require(principal, Action.WORKLIST)
    with archive.transaction() as session:
        item = find(session, workitem_uid, for_update=True)
        _require_changeable(item, datasets.value(changes, at.TRANSACTION_UID))
        rules.check_change(changes)
        given = {tag: each for tag, each in changes.items() if tag not in (at.TRANSACTION_UID, at.CHARACTER_SET)}
        after = {**item.attributes, **given, at.MODIFIED_AT: datasets.now()}
        datasets.check_length(len(datasets.dump(after)), archive.settings)
        save(session, principal, item, after, "workitem_change", {"attributes": sorted(given)})


def _require_changeable(item: Workitem, transaction_uid: str) -> None:
    if item.state in at.FINAL:
        raise WorkitemRefused(Reason.NO_LONGER_UPDATABLE, f"the workitem is {item.state} and no longer changes")
    if item.state == at.SCHEDULED:
        if transaction_uid:
            raise WorkitemRefused(
                Reason.NOT_IN_PROGRESS, "the workitem is SCHEDULED; nobody holds it by a Transaction UID yet"
            )
        return
    require_lock(item, transaction_uid)


def require_lock(item: Workitem, transaction_uid: str) -> None:
    """Let only who performs the workitem go on.

    Raises
    ------
    WorkitemRefused
    """
    if not transaction_uid:
        raise WorkitemRefused(
            Reason.TRANSACTION_MISSING, "the Transaction UID by which the workitem was claimed is missing"
        )
    if not hmac.compare_digest(transaction_uid.encode(), (item.transaction_uid or "").encode()):
        raise WorkitemRefused(
            Reason.TRANSACTION_WRONG, "the Transaction UID is not the one by which the workitem was claimed"
        )


def find(session: Connection, workitem_uid: str, *, for_update: bool = False) -> Workitem:
    """Read a workitem within the caller's transaction; `for_update` keeps others from changing it meanwhile.

    Raises
    ------
    NotFound: there is none. Gone: it was there, and was removed.
    """
    query = select(workitems).where(workitems.c.workitem_uid == workitem_uid)
    row: Row[Any] | None = session.execute(query.with_for_update() if for_update else query).first()
    if row is None:
        raise NotFound(f"there is no workitem {workitem_uid[:64]}")
    if row.deleted_at is not None:
        raise Gone(f"the workitem {workitem_uid} had ended and was removed")
    return Workitem(row.id, row.workitem_uid, row.state, row.transaction_uid, datasets.load(row.attributes))


def save(
    session: Connection,
    principal: Principal,
    before: Workitem,
    after: JsonDataset,
    action: str,
    detail: Mapping[str, Any],
    **columns: Any,
) -> None:
    """Keep a changed workitem, and tell those who want to know what changed."""
    values = datasets.columns_of(after)
    session.execute(
        update(workitems).where(workitems.c.id == before.key).values(updated_at=time.time(), **values, **columns)
    )
    study = values["study_instance_uid"]
    audit.record(session, principal, action, study_instance_uid=study, object=before.workitem_uid, detail=detail)
    events.publish(session, "workitem", before.workitem_uid, study)
    told = reports.subscribers_of(session, before.key)
    reports.changes(session, before.workitem_uid, before.attributes, after, told)
    newcomers = following.follow(session, before.key, before.attributes, after)
    reports.state(session, before.workitem_uid, after, newcomers)
