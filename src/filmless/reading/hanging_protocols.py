"""Hanging protocols of people and of the site: kept, changed, put in order, given back, with those that others made."""

from __future__ import annotations

import json
import time
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any, Final, Literal

from sqlalchemy import Connection, Row, and_, delete, func, insert, not_, select, update

from filmless.access import audit, policy
from filmless.access.policy import Action
from filmless.access.principal import Principal
from filmless.archive import jobs
from filmless.archive.jobs import JobContext
from filmless.archive.metadata import dumps
from filmless.archive.tables import non_patient_instances as instances
from filmless.errors import NotAllowed, NotFound, Refused
from filmless.reading.hanging_reading import Note, read_hanging
from filmless.reading.hanging_rules import Rule
from filmless.reading.hanging_writing import HANGING_PROTOCOL, hanging_dataset
from filmless.reading.tables import hanging_protocols as table
from filmless.reading.writing import MANUFACTURER, MODEL_NAME, part10_of
from filmless.store.non_patient import remove
from filmless.store.receive import receive

if TYPE_CHECKING:
    from filmless.archive import Archive

Owner = Literal["person", "site"]
_MANUFACTURER, _MODEL = "00080070", "00081090"
_CREATOR: Final = "00720008"
_CREATED_AT: Final = "0072000A"
_SOURCE, _REFERENCED_UID = "00720012", "00081155"
_FORGET_JOB: Final = "hanging_forget"

# How the attributes of a row say who made it.
_OURS: Final = [
    dumps({tag: {"vr": "LO", "Value": [name]}}).decode()[1:-1]
    for tag, name in ((_MANUFACTURER, MANUFACTURER), (_MODEL, MODEL_NAME))
]


@dataclass(frozen=True, slots=True)
class Place:
    """Whose list a protocol is put into, and where; 0 is the first."""

    owner: Owner
    position: int = 0
    is_on: bool = True


@dataclass(frozen=True, slots=True)
class KeptProtocol:
    """A protocol. One that is only in the archive, and nobody's here, has no id and the owner `archive`."""

    id: int | None
    sop_instance_uid: str
    owner: Literal["person", "site", "archive"]
    is_on: bool
    name: str
    creator: str
    created_at: str
    rule: Rule | None
    notes: tuple[Note, ...]
    problem: str


def list_protocols(archive: Archive, principal: Principal) -> list[KeptProtocol]:
    """List the caller's protocols and the site's in their order, then those of the archive that are neither's.

    Raises
    ------
    NotAllowed
    """
    policy.require(principal, Action.VIEW)
    person = _person(principal)
    with archive.reading() as session:
        mine = [] if person is None else _rows(session, person)
        site = _rows(session, None)
        kept = {row.sop_instance_uid for row in (*mine, *site)}
        others = session.execute(
            select(instances.c.sop_instance_uid, instances.c.attributes)
            .where(
                instances.c.sop_class_uid == HANGING_PROTOCOL,
                # Else what was superseded, which is ours and not shown, would take the places.
                not_(and_(*(instances.c.attributes.contains(each, autoescape=True) for each in _OURS))),
            )
            .order_by(instances.c.id.desc())
            .limit(archive.settings.hanging_protocols_max)
        ).all()
    found = [_kept(row, "person") for row in mine] + [_kept(row, "site") for row in site]
    foreign = [row for row in others if row.sop_instance_uid not in kept]
    return found + [_read(row.attributes, None, row.sop_instance_uid, "archive", is_on=False) for row in foreign]


def keep_protocol(archive: Archive, principal: Principal, rule: Rule, place: Place) -> KeptProtocol:
    """Write a rule as a Hanging Protocol instance, store it, and put it into the list of its owner.

    Raises
    ------
    NotAllowed, Refused. As `receive`.
    """
    person = _may_change(principal, place.owner)
    uid = _store(archive, principal, rule, place.owner)
    return _enlist(archive, principal, person, uid, place)


def adopt_protocol(archive: Archive, principal: Principal, sop_instance_uid: str, place: Place) -> KeptProtocol:
    """Put a protocol that somebody else stored, or that was deleted a while ago, into the list of an owner.

    Raises
    ------
    NotAllowed. NotFound: there is no such instance. Refused: it cannot be read.
    """
    person = _may_change(principal, place.owner)
    with archive.reading() as session:
        found = _instance(session, sop_instance_uid)
    if found is None:
        raise NotFound(f"there is no hanging protocol {sop_instance_uid}")
    read = _read(found.attributes, None, sop_instance_uid, "archive", is_on=False)
    if read.rule is None:
        raise Refused(read.problem)
    return _enlist(archive, principal, person, sop_instance_uid, place)


def list_former(archive: Archive, principal: Principal, protocol_id: int) -> list[KeptProtocol]:
    """List the instances that a protocol replaced, the newest first.

    Raises
    ------
    NotAllowed, NotFound
    """
    row, owner = _get(archive, principal, protocol_id)
    with archive.reading() as session:
        found = _former(session, row.attributes, archive.settings.hanging_history_max)
    return [_read(each.attributes, None, each.sop_instance_uid, owner, is_on=False) for each in found]


def change_protocol(
    archive: Archive,
    principal: Principal,
    protocol_id: int,
    *,
    rule: Rule | None = None,
    name: str | None = None,
    is_on: bool | None = None,
    position: int | None = None,
) -> KeptProtocol:
    """Change a protocol: a new rule or name is a new instance in the place of the old one, which it names.

    Raises
    ------
    NotAllowed, NotFound, Refused. As `receive`.
    """
    row, owner = _get(archive, principal, protocol_id)
    old = _kept(row, owner)
    if name is not None:
        if (rule or old.rule) is None:
            raise Refused(old.problem)
        rule = replace(rule or old.rule, name=name)  # type: ignore[type-var] # one of them is there
    former = row.sop_instance_uid
    uid = former if rule is None else _store(archive, principal, rule, owner, former)
    values: dict[str, Any] = {"sop_instance_uid": uid}
    if is_on is not None:
        values["is_on"] = is_on
    with archive.transaction() as session:
        session.execute(update(table).where(table.c.id == protocol_id).values(values))
        if position is not None:
            _move(session, row.id, row.person_key, position)
        audit.record(session, principal, "hanging_protocol_change", object=uid)
    changed, _ = _get(archive, principal, protocol_id)
    if uid != former:
        most = archive.settings.hanging_history_max
        with archive.reading() as session:
            superseded = _former(session, changed.attributes, most + 1)
        _forget(archive, superseded[most:])
    return _kept(changed, owner)


def remove_protocol(archive: Archive, principal: Principal, protocol_id: int) -> None:
    """Take a protocol out of its list; the instance goes later when it was written here, so it can be taken back.

    Raises
    ------
    NotAllowed, NotFound
    """
    row, _ = _get(archive, principal, protocol_id)
    with archive.transaction() as session:
        session.execute(delete(table).where(table.c.id == protocol_id))
        uid = row.sop_instance_uid
        audit.record(session, principal, "hanging_protocol_delete", object=uid)
        run_at = time.time() + archive.settings.hanging_undo_s
        jobs.enqueue(session, _FORGET_JOB, {"sop_instance_uid": uid}, key=f"{_FORGET_JOB}:{uid}", run_at=run_at)


def forget_job(archive: Archive, args: dict[str, Any], _job: JobContext) -> None:
    """Remove the instance of a protocol that was deleted and not taken back, and those that it replaced."""
    with archive.reading() as session:
        own = _instance(session, str(args["sop_instance_uid"]))
        if own is None or _is_in_a_list(session, own.sop_instance_uid):
            return
        former = _former(session, own.attributes, archive.settings.hanging_history_max)
    _forget(archive, [own, *former])


def _person(principal: Principal) -> int | None:
    return principal.id if principal.kind in ("person", "token") else None


def _may_change(principal: Principal, owner: Owner) -> int | None:
    """Give the key of the person whose list it is; none is the site's."""
    policy.require(principal, Action.STORE)
    if owner == "site":
        policy.require(principal, Action.ADMINISTER)
        return None
    person = _person(principal)
    if person is None:
        raise NotAllowed("only a person has hanging protocols of their own")
    return person


def _rows(session: Connection, person: int | None) -> list[Row[Any]]:
    whose = table.c.person_key.is_(None) if person is None else table.c.person_key == person
    return list(session.execute(_query().where(whose).order_by(table.c.position, table.c.id)).all())


def _query() -> Any:
    return select(table, instances.c.attributes).join(
        instances, instances.c.sop_instance_uid == table.c.sop_instance_uid
    )


def _get(archive: Archive, principal: Principal, protocol_id: int) -> tuple[Row[Any], Owner]:
    """Find a protocol that the caller may change."""
    with archive.reading() as session:
        row = session.execute(_query().where(table.c.id == protocol_id)).one_or_none()
    if row is None or row.person_key not in (None, _person(principal)):
        raise NotFound(f"there is no hanging protocol {protocol_id}")
    owner: Owner = "site" if row.person_key is None else "person"
    _may_change(principal, owner)
    return row, owner


def _store(archive: Archive, principal: Principal, rule: Rule, owner: Owner, former: str | None = None) -> str:
    level: Final = "SITE" if owner == "site" else "SINGLE_USER"
    ds = hanging_dataset(rule, level, principal.name, former)
    receive(archive, principal, part10_of(ds), takes_non_patient=True)
    return str(ds.SOPInstanceUID)


def _enlist(archive: Archive, principal: Principal, person: int | None, uid: str, place: Place) -> KeptProtocol:
    most = archive.settings.hanging_protocols_max
    whose = table.c.person_key.is_(None) if person is None else table.c.person_key == person
    with archive.transaction() as session:
        count, first = session.execute(
            select(func.count(), func.coalesce(func.min(table.c.position), 0)).where(whose)
        ).one()
        if count >= most:
            raise Refused(f"there are {most} hanging protocols already (hanging_protocols_max)")
        values = {
            "sop_instance_uid": uid,
            "person_key": person,
            "position": first - 1,
            "is_on": place.is_on,
            "created_at": time.time(),
        }
        key = session.execute(insert(table).values(values).returning(table.c.id)).scalar_one()
        if place.position > 0:
            _move(session, key, person, place.position)
        audit.record(session, principal, "hanging_protocol_keep", object=uid)
    return _kept(_get(archive, principal, key)[0], place.owner)


def _move(session: Connection, protocol_id: int, person: int | None, position: int) -> None:
    """Put a protocol at a place of its list, from 0."""
    ids = [each.id for each in _rows(session, person) if each.id != protocol_id]
    ids.insert(max(0, position), protocol_id)
    for at, key in enumerate(ids):
        session.execute(update(table).where(table.c.id == key).values(position=at))


def _instance(session: Connection, uid: str) -> Row[Any] | None:
    query: Any = select(instances.c.sop_instance_uid, instances.c.attributes).where(
        instances.c.sop_instance_uid == uid, instances.c.sop_class_uid == HANGING_PROTOCOL
    )
    found: Row[Any] | None = session.execute(query).first()
    return found


def _former(session: Connection, attributes: str, most: int) -> list[Row[Any]]:
    """Find the instances that one replaced, the newest first: each names the one before it."""
    found: dict[str, Row[Any]] = {}
    while len(found) < most:
        (source,) = json.loads(attributes).get(_SOURCE, {}).get("Value") or [{}]
        row = _instance(session, _value(source, _REFERENCED_UID))
        if row is None or row.sop_instance_uid in found:
            break
        found[row.sop_instance_uid] = row
        attributes = row.attributes
    return list(found.values())


def _is_in_a_list(session: Connection, uid: str) -> bool:
    return session.execute(select(table.c.id).where(table.c.sop_instance_uid == uid)).first() is not None


def _forget(archive: Archive, rows: Sequence[Row[Any]]) -> None:
    """Remove instances that were written here and are in nobody's list any more."""
    ours = [row.sop_instance_uid for row in rows if _is_ours(json.loads(row.attributes))]
    with archive.reading() as session:
        unused = [uid for uid in ours if not _is_in_a_list(session, uid)]
    remove(archive, unused)


def _value(attributes: dict[str, Any], tag: str) -> str:
    return str((attributes.get(tag, {}).get("Value") or [""])[0])


def _is_ours(attributes: dict[str, Any]) -> bool:
    return (_value(attributes, _MANUFACTURER), _value(attributes, _MODEL)) == (MANUFACTURER, MODEL_NAME)


def _kept(row: Row[Any], owner: Owner) -> KeptProtocol:
    return _read(row.attributes, row.id, row.sop_instance_uid, owner, is_on=row.is_on)


def _read(
    attributes: str, key: int | None, uid: str, owner: Literal["person", "site", "archive"], *, is_on: bool
) -> KeptProtocol:
    from pydicom import Dataset

    found = json.loads(attributes)
    rule: Rule | None = None
    notes: tuple[Note, ...] = ()
    problem = ""
    try:
        read = read_hanging(Dataset.from_json(found, lambda _: b""))
        rule, notes = read.rule, read.notes
    except Refused as error:
        problem = str(error)
    except (ValueError, TypeError, KeyError, AttributeError, IndexError) as error:
        # Others write anything; one that cannot be read must not hide the rest.
        problem = f"it is no hanging protocol that can be read: {error}"
    name = rule.name if rule else _value(found, "00720002")
    creator, created_at = _value(found, _CREATOR), _value(found, _CREATED_AT)
    return KeptProtocol(key, uid, owner, is_on, name, creator, created_at, rule, notes, problem)
