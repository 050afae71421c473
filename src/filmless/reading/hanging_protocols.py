"""Hanging protocols of people and of the site: kept, changed, put in order, given back, with those that others made."""

from __future__ import annotations

import json
import time
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any, Final, Literal

from sqlalchemy import Connection, Row, delete, func, insert, select, update

from filmless.access import audit, policy
from filmless.access.policy import Action
from filmless.access.principal import Principal
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


@dataclass(frozen=True, slots=True)
class KeptProtocol:
    """A protocol. One that is only in the archive, and nobody's here, has no id and the owner `archive`."""

    id: int | None
    sop_instance_uid: str
    owner: Literal["person", "site", "archive"]
    is_on: bool
    name: str
    creator: str
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
            .where(instances.c.sop_class_uid == HANGING_PROTOCOL)
            .order_by(instances.c.id.desc())
            .limit(archive.settings.hanging_protocols_max)
        ).all()
    found = [_kept(row, "person") for row in mine] + [_kept(row, "site") for row in site]
    # What we wrote ourselves and is not in the list is somebody else's own.
    foreign = [row for row in others if row.sop_instance_uid not in kept and not _is_ours(json.loads(row.attributes))]
    return found + [_read(row.attributes, None, row.sop_instance_uid, "archive", is_on=False) for row in foreign]


def keep_protocol(archive: Archive, principal: Principal, rule: Rule, owner: Owner) -> KeptProtocol:
    """Write a rule as a Hanging Protocol instance, store it, and put it first in the list of its owner.

    Raises
    ------
    NotAllowed, Refused. As `receive`.
    """
    person = _may_change(principal, owner)
    uid = _store(archive, principal, rule, owner)
    return _enlist(archive, principal, person, uid, owner)


def adopt_protocol(archive: Archive, principal: Principal, sop_instance_uid: str, owner: Owner) -> KeptProtocol:
    """Put a protocol that somebody else stored into the list of an owner.

    Raises
    ------
    NotAllowed. NotFound: there is no such instance. Refused: it cannot be read.
    """
    person = _may_change(principal, owner)
    with archive.reading() as session:
        found = session.execute(
            select(instances.c.attributes).where(
                instances.c.sop_instance_uid == sop_instance_uid, instances.c.sop_class_uid == HANGING_PROTOCOL
            )
        ).first()
    if found is None:
        raise NotFound(f"there is no hanging protocol {sop_instance_uid}")
    read = _read(found.attributes, None, sop_instance_uid, "archive", is_on=False)
    if read.rule is None:
        raise Refused(read.problem)
    return _enlist(archive, principal, person, sop_instance_uid, owner)


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
    """Change a protocol: a new rule or name is a new instance in the place of the old one.

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
    uid = row.sop_instance_uid if rule is None else _store(archive, principal, rule, owner)
    values: dict[str, Any] = {"sop_instance_uid": uid}
    if is_on is not None:
        values["is_on"] = is_on
    with archive.transaction() as session:
        session.execute(update(table).where(table.c.id == protocol_id).values(values))
        if position is not None:
            _move(session, row, position)
        audit.record(session, principal, "hanging_protocol_change", object=uid)
    if uid != row.sop_instance_uid:
        _forget(archive, row)
    return _kept(_get(archive, principal, protocol_id)[0], owner)


def remove_protocol(archive: Archive, principal: Principal, protocol_id: int) -> None:
    """Take a protocol out of its list; the instance goes with it when it was written here.

    Raises
    ------
    NotAllowed, NotFound
    """
    row, _ = _get(archive, principal, protocol_id)
    with archive.transaction() as session:
        session.execute(delete(table).where(table.c.id == protocol_id))
        audit.record(session, principal, "hanging_protocol_delete", object=row.sop_instance_uid)
    _forget(archive, row)


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


def _store(archive: Archive, principal: Principal, rule: Rule, owner: Owner) -> str:
    level: Final = "SITE" if owner == "site" else "SINGLE_USER"
    ds = hanging_dataset(rule, level, principal.name)
    receive(archive, principal, part10_of(ds), takes_non_patient=True)
    return str(ds.SOPInstanceUID)


def _enlist(archive: Archive, principal: Principal, person: int | None, uid: str, owner: Owner) -> KeptProtocol:
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
            "is_on": True,
            "created_at": time.time(),
        }
        key = session.execute(insert(table).values(values).returning(table.c.id)).scalar_one()
        audit.record(session, principal, "hanging_protocol_keep", object=uid)
    return _kept(_get(archive, principal, key)[0], owner)


def _move(session: Connection, row: Row[Any], position: int) -> None:
    """Put a protocol at a place of its list, from 0."""
    ids = [each.id for each in _rows(session, row.person_key) if each.id != row.id]
    ids.insert(max(0, position), row.id)
    for at, key in enumerate(ids):
        session.execute(update(table).where(table.c.id == key).values(position=at))


def _forget(archive: Archive, row: Row[Any]) -> None:
    """Remove an instance that was written here and is in nobody's list any more."""
    if not _is_ours(json.loads(row.attributes)):
        return
    with archive.reading() as session:
        used = session.execute(select(table.c.id).where(table.c.sop_instance_uid == row.sop_instance_uid)).first()
    if used is None:
        remove(archive, [row.sop_instance_uid])


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
    return KeptProtocol(key, uid, owner, is_on, name, _value(found, _CREATOR), rule, notes, problem)
