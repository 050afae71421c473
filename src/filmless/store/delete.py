"""Deletes a study, a series or an instance: the rows at once, the bytes by way of the trash. (ADR-0018)"""

from __future__ import annotations

import time
from dataclasses import dataclass
from typing import Any, Final

from sqlalchemy import ColumnElement, Connection, Row, Select, delete, func, insert, literal, select, update

from filmless.access import audit, policy
from filmless.access.policy import Action
from filmless.access.principal import Principal
from filmless.archive import Archive
from filmless.archive.database import insert_for
from filmless.archive.events import publish
from filmless.archive.jobs import enqueue
from filmless.archive.tables import (
    deleted_instances,
    deletions,
    instances,
    patients,
    problems,
    renditions,
    series,
    studies,
)
from filmless.errors import NotFound, Refused
from filmless.store.damage import KINDS
from filmless.store.record import count_series, known_of

REASON_MAX: Final = 500


@dataclass(frozen=True, slots=True)
class Target:
    """What is to be deleted: a study, one of its series, or one instance of that."""

    study_instance_uid: str
    series_instance_uid: str | None = None
    sop_instance_uid: str | None = None

    @property
    def level(self) -> str:
        """Study, series or instance, as events and rows name it."""
        if self.sop_instance_uid is not None:
            return "instance"
        return "study" if self.series_instance_uid is None else "series"

    @property
    def uid(self) -> str:
        """The UID of what is deleted."""
        return self.sop_instance_uid or self.series_instance_uid or self.study_instance_uid


def delete_instances(archive: Archive, principal: Principal, target: Target, reason: str) -> int:
    """Delete what `target` names; gives the number of the deletion, by which it can be restored.

    Nobody finds or retrieves it once this returns. The audit row holds the reason.

    Raises
    ------
    NotAllowed. NotFound: there is nothing of these UIDs. Refused: the reason is no line of text. Unavailable.
    """
    policy.require(principal, Action.DELETE, target.study_instance_uid)
    reason = reason.strip()
    if not reason or len(reason) > REASON_MAX or not reason.isprintable():
        raise Refused(f"a deletion needs a reason: one line of text, at most {REASON_MAX} characters")
    deletion = archive.run(lambda session: _delete(archive, session, principal, target, reason))
    known_of(archive).forget()
    return deletion


def _delete(archive: Archive, session: Connection, principal: Principal, target: Target, reason: str) -> int:
    study = _hold_study(session, principal, target.study_instance_uid)
    chosen = _series_of(study.id, target)
    objects = [name for name in session.scalars(chosen.with_only_columns(series.c.metadata_blob)) if name]
    copies = delete(renditions).where(renditions.c.series_key.in_(chosen)).returning(renditions.c.blob)
    waste = {"metadata_objects": objects, "renditions": list(session.scalars(copies))}
    which: ColumnElement[bool] = instances.c.series_key.in_(chosen)
    if target.sop_instance_uid is not None:
        which &= instances.c.sop_instance_uid == target.sop_instance_uid
    number, size_bytes = session.execute(
        select(func.count(), func.coalesce(func.sum(instances.c.length_bytes), 0)).where(which)
    ).one()
    if not number:
        raise NotFound(f"there is no {target.level} {target.uid} in study {target.study_instance_uid}")
    now = time.time()
    key = _insert_deletion(session, study, target, principal, reason, now, archive.settings.trash_keep_s)
    counted = {"number_of_instances": number, "size_bytes": int(size_bytes)}
    session.execute(update(deletions).where(deletions.c.id == key).values(counted))
    _mark(session, key, which)
    session.execute(delete(instances).where(which))  # frame tables and headers go with them
    _settle_series(session, archive, study.id, list(session.scalars(chosen)), now)
    _settle_study(session, study, now)
    detail = {"deletion": key, "level": target.level, **counted, "reason": reason}
    audit.record(
        session,
        principal,
        "delete",
        study_instance_uid=target.study_instance_uid,
        object=None if target.level == "study" else target.uid,
        detail=detail,
    )
    publish(session, f"{target.level}_deleted", target.uid, target.study_instance_uid)
    if target.level != "study":
        publish(session, "study", target.study_instance_uid, target.study_instance_uid)
    enqueue(session, "trash", {"deletion": key, **waste})
    enqueue(session, "forget_thumbnails", {"deletion": key})
    return key


def _hold_study(session: Connection, principal: Principal, study_instance_uid: str) -> Row[Any]:
    """The row of a study; receptions into it wait until the transaction ends."""
    query = select(studies).where(studies.c.study_instance_uid == study_instance_uid).with_for_update()
    visible = policy.visible_studies(principal)
    if visible is not None:
        query = query.where(visible)
    row = session.execute(query).first()
    if row is None:
        raise NotFound(f"there is no study {study_instance_uid}")
    return row


def _series_of(study_key: int, target: Target) -> Select[Any]:
    query = select(series.c.id).where(series.c.study_key == study_key)
    if target.series_instance_uid is not None:
        query = query.where(series.c.series_instance_uid == target.series_instance_uid)
    return query


def _insert_deletion(
    session: Connection, study: Row[Any], target: Target, principal: Principal, reason: str, now: float, keep_s: float
) -> int:
    values = {
        "at": now,
        "actor": principal.name,
        "reason": reason,
        "level": target.level,
        "study_instance_uid": target.study_instance_uid,
        "series_instance_uid": target.series_instance_uid,
        "sop_instance_uid": target.sop_instance_uid,
        "patient_id": study.patient_id,
        "patient_name": study.patient_name,
        "study_date": study.study_date,
        "study_description": study.study_description,
        "number_of_instances": 0,
        "size_bytes": 0,
        "purge_at": now + keep_s,
    }
    return int(session.execute(insert(deletions).values(values).returning(deletions.c.id)).scalar_one())


def _mark(session: Connection, key: int, which: ColumnElement[bool]) -> None:
    """Mark the blobs, so that neither a sweep nor a reindex takes them for lost ones; their problems are gone."""
    rows = select(instances.c.blob, literal(key), instances.c.sop_instance_uid).where(which)
    statement = insert_for(session)(deleted_instances).from_select(["blob", "deletion_key", "sop_instance_uid"], rows)
    session.execute(
        statement.on_conflict_do_update(
            index_elements=[deleted_instances.c.blob],
            set_={"deletion_key": key, "trashed_at": None, "purged_at": None},
        )
    )
    deleted = select(deleted_instances.c.sop_instance_uid).where(deleted_instances.c.deletion_key == key)
    session.execute(delete(problems).where(problems.c.kind.in_(KINDS), problems.c.key.in_(deleted)))


def _settle_series(session: Connection, archive: Archive, study_key: int, keys: list[int], now: float) -> None:
    """Remove the series that have nothing left, and count those that do; their metadata are packed anew."""
    rest = select(instances.c.id).where(instances.c.series_key == series.c.id)
    session.execute(delete(series).where(series.c.study_key == study_key, ~rest.exists()))
    for key in keys:
        of_it = instances.c.series_key == key
        number = select(func.count()).where(of_it).scalar_subquery()
        size_bytes = select(func.coalesce(func.sum(instances.c.length_bytes), 0)).where(of_it).scalar_subquery()
        left = session.execute(
            update(series)
            .where(series.c.id == key)
            .values(
                number_of_series_related_instances=number,
                size_bytes=size_bytes,
                metadata_blob=None,
                metadata_instances=0,
                updated_at=now,
            )
        )
        if left.rowcount:
            run_at = now + archive.settings.series_quiet_s
            enqueue(session, "series_quiet", {"series_key": key}, key=f"series_quiet:{key}", run_at=run_at)


def _settle_study(session: Connection, study: Row[Any], now: float) -> None:
    """Remove a study that has nothing left, and its patient without another; else count it."""
    number, size_bytes = session.execute(
        select(
            func.coalesce(func.sum(series.c.number_of_series_related_instances), 0),
            func.coalesce(func.sum(series.c.size_bytes), 0),
        ).where(series.c.study_key == study.id)
    ).one()
    if number:
        values = {"number_of_study_related_instances": number, "size_bytes": size_bytes, "updated_at": now}
        session.execute(update(studies).where(studies.c.id == study.id).values(values))
        count_series(session, study.id)
        return
    session.execute(delete(studies).where(studies.c.id == study.id))
    # A study that is just being made holds the patient: wait for it, and look after that whether there is one.
    session.execute(select(patients.c.id).where(patients.c.id == study.patient_key).with_for_update())
    others = select(studies.c.id).where(studies.c.patient_key == study.patient_key)
    session.execute(delete(patients).where(patients.c.id == study.patient_key, ~others.exists()))
