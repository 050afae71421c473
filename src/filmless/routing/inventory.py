"""Inventories that peers ask us for (PS3.4 annex KK): requested, produced by a job, reported until heard.

A request is a row before it is answered. The job `inventory_produce` walks the studies in the order of their keys,
writes one Inventory instance after the other, and remembers where it is after each: a pause, a kill or a full disk
costs the one under way. The last instance incorporates the others; its UID is what the peer is told.
"""

from __future__ import annotations

import json
import time
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final

from sqlalchemy import Connection, RowMapping, delete, func, insert, select, update

from filmless.access import audit, policy
from filmless.access.peers import Peer
from filmless.access.policy import Action
from filmless.access.principal import SYSTEM, Principal
from filmless.archive import Archive, jobs
from filmless.archive.jobs import JobContext
from filmless.archive.levels import PATIENT_TAGS, STUDY_TAGS
from filmless.archive.tables import studies
from filmless.dicom.uids import INVENTORY
from filmless.dimse import commands
from filmless.dimse.normalized import asking
from filmless.dimse.pdus import RoleSelection
from filmless.errors import Conflict, Damaged, NotAcceptable, NotFound, Refused, Unavailable
from filmless.query.matching import Keys, Options, matches, read_keys, tags_of
from filmless.retrieve.calling import IDENTIFIER_SYNTAXES, open_association
from filmless.routing.commitment import JsonDataset, destination_of, text_of
from filmless.routing.inventory_writing import Part, Wish, study_record, write_part, write_root
from filmless.routing.tables import inventories
from filmless.store import non_patient

CREATION: Final = "1.2.840.10008.5.1.4.1.1.201.5"
STORAGE_MANAGEMENT: Final = "1.2.840.10008.5.1.4.1.1.201.1.1"
"""The SOP class, and its well-known instance (KK.1.3)."""

PROCESSING, PAUSED, COMPLETE, FAILURE, CANCELED = "PROCESSING", "PAUSED", "COMPLETE", "FAILURE", "CANCELED"
TERMINAL: Final = frozenset({COMPLETE, FAILURE, CANCELED})
LEVELS: Final = ("STUDY", "SERIES", "INSTANCE")
WITH_INSTANCES, STATUS, WITHOUT_INSTANCES = 11, 12, 13  # event types

_TRANSACTION_UID: Final = "00081195"
_SCOPE, _PURPOSE, _LEVEL, _INTERVAL, _RETAIN = "00080400", "00080401", "00080403", "00080414", "00080415"
_MECHANISMS: Final = "0008040F"
_MATCHING: Final = ("00080410", "00080411", "00080412", "00080413")  # range, list of UID, empty value, general
_STUDIES_AT_ONCE: Final = 100
_KEY_TAGS: Final = frozenset(f"{tag:08X}" for tag in PATIENT_TAGS | STUDY_TAGS) | {"00080061"}
_SUPPORTED_MECHANISMS: Final = frozenset({"EMPTY_VALUE", "MULTIPLE_VALUE"})


@dataclass(frozen=True, slots=True)
class Inventory:
    """A request and how far it is. `parts` are the instances that are written: UID and study records."""

    id: int
    transaction_uid: str
    peer_key: int
    ae_title: str
    state: str
    comment: str
    level: str
    purpose: str
    scope: list[JsonDataset]
    position: int
    parts: list[tuple[str, int]]
    root_uid: str | None
    interval_min: int
    began_at: float
    changed_at: float

    @property
    def records(self) -> int:
        """Study records that are written."""
        return sum(count for _, count in self.parts)


# ------------------------------------------------------------------------------------------------- the request


def initiate(archive: Archive, peer: Peer, principal: Principal, information: JsonDataset) -> list[str]:
    """Record a request and the job that meets it; returns the keys of its scope that cannot be matched.

    Raises
    ------
    NotAllowed, Conflict (the Transaction UID is in use), Unavailable (too many are under way).
    Refused: the level, a key, or a matching mechanism cannot be served, or the peer cannot be called.
    """
    policy.require(principal, Action.QUERY)
    destination_of(archive, peer.id)
    transaction_uid = _transaction(information)
    level = text_of(information, _LEVEL)
    if level not in LEVELS:
        raise Refused(f"Inventory Level {level[:16]!r} is none of {', '.join(LEVELS)}")
    scope = [item or {} for item in information.get(_SCOPE, {}).get("Value") or []]
    unsupported = sorted(tags_of(read_scope(scope).matching) - _KEY_TAGS)
    now = time.time()
    with archive.transaction() as session:
        under_way = inventories.c.state.in_((PROCESSING, PAUSED))
        count = session.execute(select(func.count()).select_from(inventories).where(under_way)).scalar_one()
        if count >= archive.settings.inventories_max:
            raise Unavailable(f"{count} inventories are under way already (inventories_max)")
        if _find(session, peer, transaction_uid) is not None:
            raise Conflict(f"the Transaction UID {transaction_uid} is in use")
        key = session.execute(
            insert(inventories)
            .values(
                transaction_uid=transaction_uid,
                peer_key=peer.id,
                ae_title=peer.ae_title,
                state=PROCESSING,
                comment="",
                level=level,
                purpose=text_of(information, _PURPOSE)[:10240],
                scope=json.dumps(scope),
                position=0,
                parts="[]",
                interval_min=_interval(information),
                began_at=now,
                told_at=now,
                changed_at=now,
            )
            .returning(inventories.c.id)
        ).scalar_one()
        audit.record(session, principal, "inventory_request", object=transaction_uid, detail={"level": level})
        _enqueue(session, "inventory_produce", int(key), None)
    return unsupported


def read_scope(scope: list[JsonDataset]) -> Keys:
    """Read the keys of a Scope of Inventory Sequence: those of all its matching sequences must hold (KK.2.2.1.1).

    Raises
    ------
    Refused: it asks for a matching mechanism that we do not have, or for more than one set of keys.
    """
    if len(scope) > 1:
        raise Refused(f"Scope of Inventory Sequence has {len(scope)} items; one is expected")
    item = scope[0] if scope else {}
    asked = {str(each) for each in item.get(_MECHANISMS, {}).get("Value") or []}
    if asked - _SUPPORTED_MECHANISMS:
        raise Refused(f"the matching mechanism {min(asked - _SUPPORTED_MECHANISMS)[:16]} is not supported")
    identifier: JsonDataset = {}
    for sequence in _MATCHING:
        for keys in item.get(sequence, {}).get("Value") or []:
            identifier |= keys or {}
    options = Options(empty_values="EMPTY_VALUE" in asked, multiple_values="MULTIPLE_VALUE" in asked)
    return read_keys(identifier, options)


def change(archive: Archive, peer: Peer, principal: Principal, action: str, information: JsonDataset) -> None:
    """Do what a peer asks of an inventory of its: `status`, `cancel`, `pause` or `resume` (KK.2.2.2).

    Raises
    ------
    NotAllowed, NotFound. Refused: its state does not let it.
    """
    policy.require(principal, Action.QUERY)
    transaction_uid = _transaction(information)
    with archive.transaction() as session:
        row = _find(session, peer, transaction_uid)
        if row is None:
            raise NotFound(f"there is no inventory of the Transaction UID {transaction_uid}")
        key, state = int(row["id"]), str(row["state"])
        values: dict[str, Any] = {"changed_at": time.time()}
        if action == "status":
            if _INTERVAL in information:
                values["interval_min"] = _interval(information)
        elif state in TERMINAL or (action == "pause" and state == PAUSED) or (action == "resume" and state != PAUSED):
            raise Refused(f"the inventory is {state}: it cannot be asked to {action}")
        elif action == "cancel":
            keeps = text_of(information, _RETAIN) != "NO"
            values |= {"state": CANCELED, "comment": "" if keeps else "instances are not retained"}
        else:
            values["state"] = PAUSED if action == "pause" else PROCESSING
        session.execute(update(inventories).where(inventories.c.id == key).values(values))
        audit.record(session, principal, f"inventory_{action}", object=transaction_uid)
        if action in ("cancel", "resume"):
            _enqueue(session, "inventory_produce", key, None)
        if action in ("status", "pause", "resume"):
            _enqueue(session, "inventory_report", key, str(row["ae_title"]))


def _transaction(information: JsonDataset) -> str:
    uid = text_of(information, _TRANSACTION_UID)
    if not 1 <= len(uid) <= 64:
        raise Refused("Transaction UID (0008,1195) is missing, or no UID")
    return uid


def _interval(information: JsonDataset) -> int:
    values = information.get(_INTERVAL, {}).get("Value") or [0]
    return int(values[0]) if isinstance(values[0], int) else 0


def _enqueue(session: Connection, name: str, key: int, ae_title: str | None) -> None:
    jobs.enqueue(session, name, {"inventory": key}, key=f"{name}:{key}", destination=ae_title)


def _find(session: Connection, peer: Peer, transaction_uid: str) -> RowMapping | None:
    query = select(inventories).where(
        inventories.c.peer_key == peer.id, inventories.c.transaction_uid == transaction_uid
    )
    return session.execute(query).mappings().first()


# ------------------------------------------------------------------------------------------------- production


def inventory_produce(archive: Archive, args: dict[str, Any], job: JobContext) -> None:
    """The job that writes an inventory, from where it stopped.

    Raises
    ------
    Unavailable: disk or database is away; it goes on later.
    """
    key = int(args["inventory"])
    try:
        _produce(archive, key, job)
    except (Refused, Damaged) as error:  # it would be the same again
        _fail(archive, key, str(error))


def _produce(archive: Archive, key: int, job: JobContext) -> None:
    inventory = _read(archive, key)
    if inventory is not None:
        _remove_strays(archive, inventory)
    while (inventory := _read(archive, key)) is not None and inventory.state == PROCESSING and not job.is_stopping:
        job.check()
        part = write_part(archive, _wish_of(inventory), _studies(archive, inventory), job.check)
        if not _advance(archive, inventory, part):
            break
        _tell_at_times(archive, key)
        job.report(0.0, f"{inventory.records + (part.records if part else 0)} studies")
    inventory = _read(archive, key)
    if inventory is not None and inventory.state == CANCELED and inventory.root_uid is None:
        _end_canceled(archive, inventory)


def _wish_of(inventory: Inventory, parts: list[tuple[str, int]] | None = None) -> Wish:
    return Wish(
        inventory.transaction_uid,
        inventory.level,
        inventory.purpose,
        inventory.scope,
        inventory.began_at,
        tuple(inventory.parts if parts is None else parts),
    )


def _studies(archive: Archive, inventory: Inventory) -> Iterator[tuple[int, JsonDataset, int]]:
    """The studies in scope after the position: their key, record, and how many records that is with those below."""
    keys = read_scope(inventory.scope)
    position = inventory.position
    while True:
        query = (
            select(studies.c.id, studies.c.attributes, studies.c.modalities_in_study)
            .where(studies.c.id > position)
            .order_by(studies.c.id)
            .limit(_STUDIES_AT_ONCE)
        )
        with archive.reading() as session:
            rows = session.execute(query).all()
        for row in rows:
            position = int(row.id)
            dataset: JsonDataset = json.loads(row.attributes)
            modalities = [each for each in row.modalities_in_study.split("\\") if each]
            dataset["00080061"] = {"vr": "CS", "Value": modalities}
            if matches(keys, dataset):
                yield position, *study_record(archive, position, dataset, inventory.level)
        if len(rows) < _STUDIES_AT_ONCE:
            return


def _remove_strays(archive: Archive, inventory: Inventory) -> None:
    """Remove what was written and, for a kill, not remembered."""
    known = {uid for uid, _ in inventory.parts} | {inventory.root_uid}
    with archive.reading() as session:
        found = non_patient.uids_holding(session, INVENTORY, inventory.transaction_uid)
    non_patient.remove(archive, [uid for uid in found if uid not in known])


def _advance(archive: Archive, inventory: Inventory, part: Part | None) -> bool:
    """Remember an instance that is durable; says whether there is more to do. One that came too late is taken back."""
    made = [] if part is None else [(part.sop_instance_uid, part.records)]
    parts = [*inventory.parts, *made]
    values: dict[str, Any] = {"parts": json.dumps(parts), "changed_at": time.time()}
    if part is not None:
        values["position"] = part.position
    is_last = part is None or part.is_last
    written = [uid for uid, _ in made]
    if is_last:
        root = parts[0][0] if len(parts) == 1 else write_root(archive, _wish_of(inventory, parts), "COMPLETE")
        written.append(root)
        values |= {"state": COMPLETE, "root_uid": root}
    is_ours = inventories.c.id == inventory.id, inventories.c.state == PROCESSING
    with archive.transaction() as session:
        row = session.execute(
            update(inventories)
            .where(*is_ours, inventories.c.position == inventory.position)
            .values(values)
            .returning(inventories.c.id)
        ).first()
        if row is not None and is_last:
            _enqueue(session, "inventory_report", inventory.id, inventory.ae_title)
            count = sum(number for _, number in parts)
            audit.record(
                session,
                SYSTEM("worker"),
                "inventory_complete",
                object=inventory.transaction_uid,
                detail={"studies": count},
            )
    if row is None:
        non_patient.remove(archive, written)
    return row is not None and not is_last


def _tell_at_times(archive: Archive, key: int) -> None:
    """Have the peer told how far it is, as often as it asked for."""
    with archive.transaction() as session:
        now = time.time()
        is_due = inventories.c.told_at + 60.0 * inventories.c.interval_min <= now
        row = session.execute(
            update(inventories)
            .where(inventories.c.id == key, inventories.c.state == PROCESSING, inventories.c.interval_min > 0, is_due)
            .values(told_at=now)
            .returning(inventories.c.ae_title)
        ).first()
        if row is not None:
            _enqueue(session, "inventory_report", key, row.ae_title)


def _fail(archive: Archive, key: int, reason: str) -> None:
    """End an inventory that cannot be made; nothing of it is left."""
    inventory = _read(archive, key)
    if inventory is None or inventory.state in TERMINAL:
        return
    non_patient.remove(archive, [uid for uid, _ in inventory.parts])
    with archive.transaction() as session:
        values = {"state": FAILURE, "comment": reason[:1000], "parts": "[]", "changed_at": time.time()}
        session.execute(update(inventories).where(inventories.c.id == key).values(values))
        _enqueue(session, "inventory_report", key, inventory.ae_title)


def _end_canceled(archive: Archive, inventory: Inventory) -> None:
    """Leave what was written as a partial inventory, or nothing, as the peer wants it."""
    root = None
    if inventory.comment:
        non_patient.remove(archive, [uid for uid, _ in inventory.parts])
    elif inventory.parts:
        root = write_root(archive, _wish_of(inventory), "PARTIAL")
    with archive.transaction() as session:
        session.execute(
            update(inventories)
            .where(inventories.c.id == inventory.id)
            .values(root_uid=root, parts="[]" if inventory.comment else json.dumps(inventory.parts))
        )
        _enqueue(session, "inventory_report", inventory.id, inventory.ae_title)


# ------------------------------------------------------------------------------------------------- the report


def inventory_report(archive: Archive, args: dict[str, Any], job: JobContext) -> None:
    """The job that tells a peer how its inventory stands, over an association in the role of SCP (KK.2.3).

    Raises
    ------
    Unavailable: the peer is away or did not take it. Refused, NotFound: there is no peer to be called.
    """
    inventory = _read(archive, int(args["inventory"]))
    if inventory is None:
        return
    peer = destination_of(archive, inventory.peer_key)
    job.check()
    event_type, information = event_of(inventory, archive.settings.ae_title, archive.settings.inventory_keep_s)
    role = RoleSelection(CREATION, scu=False, scp=True)
    try:
        with open_association(archive.settings, peer, [(CREATION, IDENTIFIER_SYNTAXES)], roles=[role]) as association:
            answer = asking(association, CREATION).event_report(CREATION, STORAGE_MANAGEMENT, event_type, information)
    except NotAcceptable as error:
        raise Unavailable(f"{peer.ae_title} takes no reports of inventories: {error}") from error
    if answer.status != commands.SUCCESS and not commands.is_warning(answer.status):
        raise Unavailable(f"{peer.ae_title} answered the report of an inventory with status 0x{answer.status:04X}")


def event_of(inventory: Inventory, ae_title: str, keep_s: float) -> tuple[int, JsonDataset]:
    """Event type and information of the report (table KK.2-2)."""
    information: JsonDataset = {
        _TRANSACTION_UID: {"vr": "UI", "Value": [inventory.transaction_uid]},
        "00080417": {"vr": "CS", "Value": [inventory.state]},
        "00080428": {"vr": "UV", "Value": [inventory.records]},
    }
    if inventory.comment:
        information["00080418"] = {"vr": "LT", "Value": [inventory.comment]}
    if inventory.state not in TERMINAL:
        return STATUS, information
    if inventory.root_uid is None:
        del information["00080428"]
        return WITHOUT_INSTANCES, information
    until = datetime.fromtimestamp(inventory.changed_at + keep_s).astimezone()
    information |= {
        "00080416": {"vr": "DT", "Value": [f"{until:%Y%m%d%H%M%S%z}"]},
        "00080054": {"vr": "AE", "Value": [ae_title]},
        "00081150": {"vr": "UI", "Value": [INVENTORY]},
        "00081155": {"vr": "UI", "Value": [inventory.root_uid]},
    }
    return WITH_INSTANCES, information


def forget_inventories(archive: Archive) -> None:
    """Remove what ended `inventory_keep_s` ago: the instances and the request."""
    before = time.time() - archive.settings.inventory_keep_s
    ended = inventories.c.state.in_(sorted(TERMINAL)), inventories.c.changed_at < before
    with archive.reading() as session:
        keys = list(session.scalars(select(inventories.c.id).where(*ended)))
    for key in keys:
        inventory = _read(archive, key)
        if inventory is None:
            continue
        non_patient.remove(archive, [uid for uid, _ in inventory.parts if uid != inventory.root_uid])
        non_patient.remove(archive, [inventory.root_uid] if inventory.root_uid else [])
        with archive.transaction() as session:
            session.execute(delete(inventories).where(inventories.c.id == key))


def _read(archive: Archive, key: int) -> Inventory | None:
    with archive.reading() as session:
        row = session.execute(select(inventories).where(inventories.c.id == key)).mappings().first()
    if row is None:
        return None
    values = {name: row[name] for name in Inventory.__slots__}
    values |= {"scope": json.loads(row["scope"]), "parts": [(str(u), int(n)) for u, n in json.loads(row["parts"])]}
    return Inventory(**values)
