"""The rows of one instance, all in the caller's transaction: patient, study, series, instance, header, event, job.

Nearly every instance belongs to a series that this process has just written to. For those the keys are remembered and
five short statements do; everything else takes the long way, which is right also when other processes write.
"""

from __future__ import annotations

import json
import threading
import time
import weakref
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Final

from sqlalchemy import Connection, Row, Table, bindparam, delete, exists, func, select, update

from filmless.archive import Archive
from filmless.archive.database import Insert, Prepared, insert_for
from filmless.archive.events import Coalescer, publish
from filmless.archive.jobs import enqueue
from filmless.archive.levels import PATIENT_TAGS, SERIES_TAGS, STUDY_TAGS
from filmless.archive.metadata import dumps
from filmless.archive.tables import (
    Flags,
    deleted_instances,
    frame_tables,
    headers,
    instances,
    patients,
    series,
    studies,
    uids,
)
from filmless.dicom.json import JsonDataset
from filmless.dicom.names import fold, name_keys
from filmless.store.facts import Facts
from filmless.store.marks import reclaim

_SERIES_KNOWN_MAX: Final = 4096
_SIGNATURES_MAX: Final = 32  # a level that differs more often says something else of each instance
_ATTRIBUTES_MAX_BYTES: Final = 1 << 20
_PATIENT_AND_STUDY_TAGS: Final = PATIENT_TAGS | STUDY_TAGS
_QUIET_CHECK_S: Final = 1.0


class AlreadyKept(Exception):  # noqa: N818 - reads as a statement; never leaves `store`
    """There is an instance of this SOP Instance UID. Raised inside the transaction, which keeps nothing then."""


class KnowledgeIsStale(Exception):  # noqa: N818
    """A remembered row is gone: another process deleted it. Forget and try again."""


@dataclass(slots=True)
class _Series:
    """A series that this process has written to."""

    study_key: int
    series_key: int
    patient: tuple[str, str]
    study_signatures: set[int] = field(default_factory=set)
    series_signatures: set[int] = field(default_factory=set)
    pack_asked_at: float = 0.0


@dataclass(slots=True)
class Learned:
    """What a transaction found out; remembered once it is committed."""

    series: _Series
    study_signature: int
    series_signature: int
    uid_keys: dict[str, int]
    pack_asked_at: float
    flags: Flags


class Known:
    """What one process remembers of the rows of one archive. Bounded; losing it costs time only."""

    def __init__(self) -> None:
        self.series: dict[tuple[str, str], _Series] = {}
        self.uid_keys: dict[str, int] = {}
        self.study_events = Coalescer("study")

    def learn(self, facts: Facts, learned: Learned) -> None:
        """Remember what was committed."""
        if len(self.series) >= _SERIES_KNOWN_MAX:
            self.series.clear()
        known = self.series.setdefault((facts.study_instance_uid, facts.series_instance_uid), learned.series)
        known.patient = learned.series.patient
        known.study_signatures.add(learned.study_signature)
        known.series_signatures.add(learned.series_signature)
        known.pack_asked_at = max(known.pack_asked_at, learned.pack_asked_at)
        self.uid_keys.update(learned.uid_keys)

    def forget(self) -> None:
        """Forget all."""
        self.series.clear()
        self.uid_keys.clear()


_known: weakref.WeakKeyDictionary[Archive, Known] = weakref.WeakKeyDictionary()
_known_mutex = threading.Lock()


def known_of(archive: Archive) -> Known:
    """What this process remembers of an archive."""
    known = _known.get(archive)
    if known is None:
        with _known_mutex:
            known = _known.setdefault(archive, Known())
    return known


def _insert_instance(insert: Insert) -> Any:
    columns: dict[str, Any] = {
        column.name: bindparam(column.name) for column in instances.columns if column.name != "id"
    }
    return (
        insert(instances)
        .values(columns)
        .on_conflict_do_nothing(index_elements=[instances.c.sop_instance_uid])
        .returning(instances.c.id, exists().where(deleted_instances.c.blob == bindparam("blob")))
    )


_INSERT_INSTANCE = Prepared(_insert_instance)
_INSERT_HEADER = Prepared(
    lambda insert: insert(headers).values({name: bindparam(name) for name in ("instance_key", "series_key", "data")})
)
_INSERT_FRAME_TABLE = Prepared(
    lambda insert: insert(frame_tables).values({name: bindparam(name) for name in ("instance_key", "data")})
)
_COUNT_IN_SERIES = Prepared(
    lambda _: (
        update(series)
        .where(series.c.id == bindparam("key"))
        .values(
            number_of_series_related_instances=series.c.number_of_series_related_instances + 1,
            size_bytes=series.c.size_bytes + bindparam("length"),
            updated_at=bindparam("now"),
        )
    )
)
_COUNT_IN_STUDY = Prepared(
    lambda _: (
        update(studies)
        .where(studies.c.id == bindparam("key"))
        .values(
            number_of_study_related_instances=studies.c.number_of_study_related_instances + 1,
            size_bytes=studies.c.size_bytes + bindparam("length"),
            updated_at=bindparam("now"),
        )
    )
)


class Recorder:
    """Records one instance. What can be prepared is prepared before the caller takes its turn to write."""

    def __init__(
        self, archive: Archive, facts: Facts, blob: str, length_bytes: int, *, at: float | None = None
    ) -> None:
        self.facts = facts
        self._at = at
        self._is_new = at is None  # else an index is rebuilt of what was told long ago
        self._archive = archive
        self._known = known_of(archive)
        self._study_signature = facts.signature(_PATIENT_AND_STUDY_TAGS)
        self._series_signature = facts.signature(SERIES_TAGS)
        self._length_bytes = length_bytes
        self._blob = bytes.fromhex(blob)
        header = facts.header
        self._patient = (header.text(0x00100020) or "", header.text(0x00100021) or "")
        if self._known_series() is None:
            facts.attributes(SERIES_TAGS)  # converted here, not while others wait

    def _known_series(self) -> _Series | None:
        """The series, if nothing about it has to be written but its counts."""
        facts = self.facts
        known = self._known.series.get((facts.study_instance_uid, facts.series_instance_uid))
        if known is None or not _is_seen(known.study_signatures, self._study_signature):
            return None
        return known if _is_seen(known.series_signatures, self._series_signature) else None

    def record(self, session: Connection) -> Learned:
        """Write the rows.

        Raises
        ------
        AlreadyKept, KnowledgeIsStale: the caller's transaction must keep nothing.
        """
        facts, now = self.facts, self._at or time.time()
        known = self._known_series()
        place = known or self._find_or_make_series(session, now)
        counts = {"length": self._length_bytes, "now": now}
        # The study before the series, here as on the long way: a server locks rows in this order.
        if (
            _COUNT_IN_STUDY.run(session, {"key": place.study_key, **counts}).rowcount != 1
            or _COUNT_IN_SERIES.run(session, {"key": place.series_key, **counts}).rowcount != 1
        ):
            raise KnowledgeIsStale
        uid_keys = {
            uid: self._known.uid_keys.get(uid) or _uid_key(session, uid)
            for uid in (facts.sop_class_uid, facts.transfer_syntax_uid)
        }
        flags = facts.flags | (Flags.OTHER_PATIENT if self._patient != place.patient else Flags(0))
        inserted = _INSERT_INSTANCE.run(
            session,
            {
                "series_key": place.series_key,
                "sop_instance_uid": facts.sop_instance_uid,
                "instance_number": facts.instance_number,
                "sop_class_key": uid_keys[facts.sop_class_uid],
                "transfer_syntax_key": uid_keys[facts.transfer_syntax_uid],
                "blob": self._blob,
                "length_bytes": self._length_bytes,
                "dataset_offset": facts.dataset_offset,
                "pixel_offset": facts.pixel_offset,
                "pixel_length": facts.pixel_length,
                "number_of_frames": facts.number_of_frames,
                "rows": facts.rows,
                "columns": facts.columns,
                "bits_allocated": facts.bits_allocated,
                "flags": int(flags),
                "created_at": now,
            },
        ).fetchone()
        if inserted is None:
            raise AlreadyKept
        key, was_deleted = inserted
        if was_deleted:
            reclaim(self._archive, session, self._blob)
        _INSERT_HEADER.run(session, {"instance_key": key, "series_key": place.series_key, "data": facts.header_data})
        if facts.frame_table is not None:
            _INSERT_FRAME_TABLE.run(session, {"instance_key": key, "data": facts.frame_table})
        self._tell(session)
        return Learned(
            series=place,
            study_signature=self._study_signature,
            series_signature=self._series_signature,
            uid_keys=uid_keys,
            pack_asked_at=self._ask_to_pack(session, place, now),
            flags=flags,
        )

    def _tell(self, session: Connection) -> None:
        facts = self.facts
        if self._is_new and self._archive.settings.instance_events:
            publish(session, "instance_stored", facts.sop_instance_uid, facts.study_instance_uid)
        self._known.study_events.publish(self._archive, session, facts.study_instance_uid, facts.study_instance_uid)

    def _tell_of_new(self, session: Connection, name: str, uid: str) -> None:
        if self._is_new:
            publish(session, name, uid, self.facts.study_instance_uid)

    def _ask_to_pack(self, session: Connection, place: _Series, now: float) -> float:
        """Move the job that packs the series to when it will have been quiet for long enough.

        Asked at most once in a while: each time so much later that what arrives meanwhile is covered.
        """
        quiet_s = self._archive.settings.series_quiet_s
        interval_s = min(_QUIET_CHECK_S, quiet_s / 2)
        if now - place.pack_asked_at < interval_s:
            return place.pack_asked_at
        args = {"series_key": place.series_key}
        key = f"series_quiet:{place.series_key}"
        enqueue(session, "series_quiet", args, key=key, run_at=now + quiet_s + interval_s)
        return now

    # The long way

    def _find_or_make_series(self, session: Connection, now: float) -> _Series:
        facts = self.facts
        study = self._find_or_make_study(session, now)
        query = select(series).where(
            series.c.study_key == study.id, series.c.series_instance_uid == facts.series_instance_uid
        )
        attributes = facts.attributes(SERIES_TAGS)
        row = session.execute(query).first()
        if row is None:
            values = _series_columns(attributes) | {
                "study_key": study.id,
                "series_instance_uid": facts.series_instance_uid,
                "number_of_series_related_instances": 0,
                "size_bytes": 0,
                "metadata_instances": 0,
                "created_at": now,
                "updated_at": now,
            }
            row = _insert_or_find(session, series, values, query)
            count_series(session, study.id)
            if row.created_at == now:
                self._tell_of_new(session, "series_stored", facts.series_instance_uid)
        else:
            merged = _merged(row.attributes, attributes)
            if merged is not None:
                values = _series_columns(merged)
                session.execute(update(series).where(series.c.id == row.id).values(values))
                if values["modality"] != row.modality:
                    count_series(session, study.id)
        return _Series(study.id, row.id, (study.patient_id, study.issuer_of_patient_id))

    def _find_or_make_study(self, session: Connection, now: float) -> Row[Any]:
        facts = self.facts
        query = select(studies).where(studies.c.study_instance_uid == facts.study_instance_uid).with_for_update()
        row = session.execute(query).first()
        attributes = facts.attributes(_PATIENT_AND_STUDY_TAGS)
        if row is None:
            values = _study_columns(attributes, *self._patient) | {
                "patient_key": self._find_or_make_patient(session, now),
                "study_instance_uid": facts.study_instance_uid,
                "modalities_in_study": "",
                "number_of_study_related_series": 0,
                "number_of_study_related_instances": 0,
                "size_bytes": 0,
                "created_at": now,
                "updated_at": now,
            }
            row = _insert_or_find(session, studies, values, query)
            if row.created_at == now:
                self._tell_of_new(session, "study_stored", facts.study_instance_uid)
                return row
        patient = (row.patient_id, row.issuer_of_patient_id)
        values = {}
        if patient != self._patient and patient == ("", ""):
            # The study was begun without a patient id: now it has one.
            patient = self._patient
            values = {"patient_key": self._find_or_make_patient(session, now)}
        elif patient != self._patient:
            # Another patient's instance says nothing of this patient; it is flagged.
            attributes = facts.attributes(STUDY_TAGS)
        else:
            self._find_or_make_patient(session, now)
        merged = _merged(row.attributes, attributes)
        if merged is None and not values:
            return row
        values |= _study_columns(merged or json.loads(row.attributes), *patient)
        session.execute(update(studies).where(studies.c.id == row.id).values(values))
        if row.patient_key != values.get("patient_key", row.patient_key):
            session.execute(delete(patients).where(patients.c.id == row.patient_key))
        return session.execute(query).one()

    def _find_or_make_patient(self, session: Connection, now: float) -> int:
        patient_id, issuer = self._patient
        scope = "" if patient_id else self.facts.study_instance_uid
        query = select(patients).where(
            patients.c.patient_id == patient_id,
            patients.c.issuer_of_patient_id == issuer,
            patients.c.study_scope == scope,
        )
        attributes = self.facts.attributes(PATIENT_TAGS)
        # Held, so that the deletion of the last other study does not take the patient away meanwhile.
        row = session.execute(query.with_for_update(read=True, key_share=True)).first()
        if row is None:
            values = _patient_columns(attributes, patient_id, issuer) | {
                "study_scope": scope,
                "created_at": now,
                "updated_at": now,
            }
            return int(_insert_or_find(session, patients, values, query).id)
        merged = _merged(row.attributes, attributes)
        if merged is not None:
            values = _patient_columns(merged, patient_id, issuer) | {"updated_at": now}
            session.execute(update(patients).where(patients.c.id == row.id).values(values))
        return int(row.id)


def _is_seen(signatures: set[int], signature: int) -> bool:
    return signature in signatures or len(signatures) >= _SIGNATURES_MAX


def _insert_or_find(session: Connection, table: Table, values: Mapping[str, Any], query: Any) -> Row[Any]:
    """Insert a row unless another process just did."""
    session.execute(insert_for(session)(table).values(values).on_conflict_do_nothing())
    row: Row[Any] = session.execute(query).one()
    return row


def _uid_key(session: Connection, uid: str) -> int:
    query = select(uids.c.id).where(uids.c.uid == uid)
    key = session.execute(query).scalar_one_or_none()
    if key is None:
        session.execute(insert_for(session)(uids).values(uid=uid).on_conflict_do_nothing())
        key = session.execute(query).scalar_one()
    return int(key)


def count_series(session: Connection, study_key: int) -> None:
    """Write the number of series of a study and their modalities."""
    rows = session.execute(
        select(series.c.modality, func.count()).where(series.c.study_key == study_key).group_by(series.c.modality)
    ).all()
    session.execute(
        update(studies)
        .where(studies.c.id == study_key)
        .values(
            number_of_study_related_series=sum(count for _, count in rows),
            modalities_in_study="\\".join(sorted(modality for modality, _ in rows if modality)),
        )
    )


def _merged(kept: str, attributes: JsonDataset) -> JsonDataset | None:
    """What was kept with its blanks filled in; None when nothing is new. What was said first stays."""
    merged: JsonDataset = json.loads(kept)
    new = {tag: entry for tag, entry in attributes.items() if not _has_value(merged.get(tag)) and _has_value(entry)}
    return dict(sorted((merged | new).items())) if new else None


def _has_value(entry: Mapping[str, Any] | None) -> bool:
    return entry is not None and bool(entry.get("Value") or entry.get("InlineBinary"))


def _text(attributes: JsonDataset, tag: str) -> str:
    """The first value of an attribute as text; a person name with its groups joined by "="."""
    values = attributes.get(tag, {}).get("Value") or [None]
    value = values[0]
    if isinstance(value, dict):
        groups = [value.get(group) or "" for group in ("Alphabetic", "Ideographic", "Phonetic")]
        return "=".join(groups).rstrip("=")
    return "" if value is None else str(value)


def _dumped(attributes: JsonDataset) -> str:
    """As JSON; an excess of sequences is left out, which only an attack has."""
    dumped = dumps(attributes)
    if len(dumped) > _ATTRIBUTES_MAX_BYTES:
        dumped = dumps({tag: entry for tag, entry in attributes.items() if entry["vr"] != "SQ"})
    return dumped.decode()


def _patient_columns(attributes: JsonDataset, patient_id: str, issuer: str) -> dict[str, Any]:
    return {
        "patient_id": patient_id,
        "issuer_of_patient_id": issuer,
        "patient_name": _text(attributes, "00100010"),
        "patient_birth_date": _text(attributes, "00100030"),
        "patient_sex": _text(attributes, "00100040"),
        "attributes": _dumped({tag: entry for tag, entry in attributes.items() if int(tag, 16) in PATIENT_TAGS}),
    }


def _study_columns(attributes: JsonDataset, patient_id: str, issuer: str) -> dict[str, Any]:
    name, referrer = _text(attributes, "00100010"), _text(attributes, "00080090")
    accession, description = _text(attributes, "00080050"), _text(attributes, "00081030")
    name_key, referrer_key = name_keys(name), name_keys(referrer)
    words = name_key.folded.replace("^", " ").replace("=", " ")
    return _patient_columns(attributes, patient_id, issuer) | {
        "study_date": _text(attributes, "00080020"),
        "study_time": _text(attributes, "00080030"),
        "timezone_offset_from_utc": _text(attributes, "00080201"),
        "accession_number": accession,
        "study_id": _text(attributes, "00200010"),
        "study_description": description,
        "referring_physician_name": referrer,
        "patient_name_folded": name_key.folded,
        "patient_name_sound": name_key.sound,
        "referring_physician_name_folded": referrer_key.folded,
        "referring_physician_name_sound": referrer_key.sound,
        "search_text": " ".join(filter(None, (words, fold(patient_id), fold(accession), fold(description)))),
        "attributes": _dumped(attributes),
    }


def _series_columns(attributes: JsonDataset) -> dict[str, Any]:
    number = _text(attributes, "00200011")
    is_number = number.lstrip("+-").isdecimal() and len(number) < 11
    return {
        "modality": _text(attributes, "00080060"),
        "series_number": int(number) if is_number and abs(int(number)) < 1 << 31 else None,
        "series_description": _text(attributes, "0008103E"),
        "body_part_examined": _text(attributes, "00180015"),
        "laterality": _text(attributes, "00200060"),
        "protocol_name": _text(attributes, "00181030"),
        "station_name": _text(attributes, "00081010"),
        "institution_name": _text(attributes, "00080080"),
        "performed_procedure_step_start_date": _text(attributes, "00400244"),
        "performed_procedure_step_start_time": _text(attributes, "00400245"),
        "attributes": _dumped(attributes),
    }
