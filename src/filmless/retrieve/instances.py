"""Which instances there are: the row behind each, found by UID and remembered while a series is scrolled."""

from __future__ import annotations

import threading
import time
import weakref
from collections import OrderedDict
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any, Final

from sqlalchemy import Select, and_, func, or_, select
from sqlalchemy.sql.elements import ColumnElement

from filmless.access import policy
from filmless.access.principal import Principal
from filmless.archive import Archive
from filmless.archive.tables import Flags, deletions, frame_tables, instances, series, studies, uids
from filmless.dicom.frames import FrameTable
from filmless.errors import NotFound

_PAGE: Final = 1000
_UIDS_AT_ONCE: Final = 500
_NO_NUMBER: Final = 1 << 40  # what has no number comes last
_RECORDS_KEPT: Final = 10_000
_SERIES_AHEAD_MAX: Final = 2000
_SERIES_AGAIN_S: Final = 30.0
_DELETIONS_AGAIN_S: Final = 1.0
_TABLE_BYTES_KEPT: Final = 64 << 20

_classes = uids.alias("sop_classes")
_syntaxes = uids.alias("transfer_syntaxes")


@dataclass(frozen=True, slots=True)
class StoredInstance:
    """One instance as the archive keeps it. Offsets count in the blob; of a deflated one in the inflated data set."""

    id: int
    study_instance_uid: str
    series_instance_uid: str
    sop_instance_uid: str
    sop_class_uid: str
    transfer_syntax_uid: str
    blob: str
    length_bytes: int
    dataset_offset: int
    pixel_offset: int | None
    pixel_length: int | None
    number_of_frames: int
    rows: int | None
    columns: int | None
    flags: int
    instance_number: int | None = None
    series_number: int | None = None
    modality: str = ""
    series_description: str = ""

    def has(self, flag: Flags) -> bool:
        """Whether a flag is set."""
        return bool(self.flags & flag)


def instance_path(instance: StoredInstance) -> str:
    """Give the path of an instance below the root of DICOMweb."""
    return (
        f"/studies/{instance.study_instance_uid}/series/{instance.series_instance_uid}"
        f"/instances/{instance.sop_instance_uid}"
    )


@dataclass(frozen=True, slots=True)
class InstanceRecord:
    """An instance with where its frames lie; the table is there only for encapsulated pixel data."""

    instance: StoredInstance
    frames: FrameTable | None


_COLUMNS: Final = (
    instances.c.id,
    studies.c.study_instance_uid,
    series.c.series_instance_uid,
    instances.c.sop_instance_uid,
    _classes.c.uid,
    _syntaxes.c.uid,
    instances.c.blob,
    instances.c.length_bytes,
    instances.c.dataset_offset,
    instances.c.pixel_offset,
    instances.c.pixel_length,
    instances.c.number_of_frames,
    instances.c.rows,
    instances.c.columns,
    instances.c.flags,
    instances.c.instance_number,
    series.c.series_number,
    series.c.modality,
    series.c.series_description,
)
_SOURCE: Final = (
    instances.join(series, instances.c.series_key == series.c.id)
    .join(studies, series.c.study_key == studies.c.id)
    .join(_classes, instances.c.sop_class_key == _classes.c.id)
    .join(_syntaxes, instances.c.transfer_syntax_key == _syntaxes.c.id)
)


def _instance(row: Sequence[Any]) -> StoredInstance:
    values = list(row)
    values[6] = bytes(values[6]).hex()
    return StoredInstance(*values)


def find_instances(
    archive: Archive,
    principal: Principal,
    *,
    patient_id: str | None = None,
    study_uids: Iterable[str] = (),
    series_uids: Iterable[str] = (),
    sop_uids: Iterable[str] = (),
) -> Iterator[StoredInstance]:
    """List the instances that match all that is given and that `principal` may see.

    They come by study, series number and instance number, read in pages, so that a study of any size takes little
    memory and no snapshot is held while they are sent. Nothing given finds nothing. The caller records the audit row.
    """
    given = [list(study_uids), list(series_uids), list(sop_uids)]
    conditions: list[ColumnElement[bool]] = []
    if patient_id is not None:
        conditions.append(studies.c.patient_id == patient_id)
    visible = policy.visible_studies(principal)
    if visible is not None:
        conditions.append(visible)
    for column, values in zip((studies.c.study_instance_uid, series.c.series_instance_uid), given[:2], strict=True):
        if values:
            conditions.append(column.in_(values))
    if patient_id is None and not any(given):
        return
    if given[2]:
        for start in range(0, len(given[2]), _UIDS_AT_ONCE):
            some = instances.c.sop_instance_uid.in_(given[2][start : start + _UIDS_AT_ONCE])
            yield from _pages(archive, select(*_COLUMNS).select_from(_SOURCE).where(*conditions, some))
        return
    number = func.coalesce(series.c.series_number, _NO_NUMBER)
    with archive.reading() as session:
        keys = session.scalars(
            select(series.c.id)
            .join(studies, series.c.study_key == studies.c.id)
            .where(*conditions)
            .order_by(studies.c.id, number, series.c.id)
        ).all()
    for key in keys:
        yield from _pages(archive, select(*_COLUMNS).select_from(_SOURCE).where(series.c.id == key))


def _pages(archive: Archive, query: Select[Any]) -> Iterator[StoredInstance]:
    number = func.coalesce(instances.c.instance_number, _NO_NUMBER)
    query = query.order_by(number, instances.c.id).limit(_PAGE)
    after: ColumnElement[bool] | None = None
    while True:
        with archive.reading() as session:
            rows = session.execute(query if after is None else query.where(after)).all()
        yield from map(_instance, rows)
        if len(rows) < _PAGE:
            return
        last = _instance(rows[-1])
        value = _NO_NUMBER if last.instance_number is None else last.instance_number
        after = or_(number > value, and_(number == value, instances.c.id > last.id))


class _Records:
    """The records of one archive that were asked for last, bounded by number and by the bytes of their tables.

    Instances never change, so nothing here grows stale but by a deletion: whether there was one is asked once a second.
    """

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._checked_at = -_DELETIONS_AGAIN_S
        self._last_deletion = 0
        self.generation = 0
        self._records: OrderedDict[str, tuple[InstanceRecord, int]] = OrderedDict()
        self._table_bytes = 0
        self._series_read_at: OrderedDict[int, float] = OrderedDict()

    def is_checked(self) -> bool:
        """Whether it was asked lately if something was deleted."""
        return time.monotonic() - self._checked_at < _DELETIONS_AGAIN_S

    def note(self, last_deletion: int, checked_at: float) -> None:
        """Forget all when something was deleted since it was last asked."""
        with self._lock:
            self._checked_at = checked_at
            if last_deletion == self._last_deletion:
                return
            self._last_deletion = last_deletion
            self.generation += 1
            self._records.clear()
            self._table_bytes = 0

    def ask_again(self) -> None:
        """Ask at the next use whether something was deleted."""
        self._checked_at = -_DELETIONS_AGAIN_S

    def is_series_due(self, series_key: int) -> bool:
        """Whether the series was not read as a whole lately: one that still grows must not be read at each miss."""
        now = time.monotonic()
        with self._lock:
            if now - self._series_read_at.pop(series_key, -_SERIES_AGAIN_S) < _SERIES_AGAIN_S:
                return False
            self._series_read_at[series_key] = now
            while len(self._series_read_at) > _RECORDS_KEPT:
                self._series_read_at.popitem(last=False)
            return True

    def find(self, sop_instance_uid: str) -> InstanceRecord | None:
        with self._lock:
            kept = self._records.get(sop_instance_uid)
            if kept is None:
                return None
            self._records.move_to_end(sop_instance_uid)
            return kept[0]

    def keep(self, record: InstanceRecord, table_bytes: int, generation: int) -> None:
        with self._lock:
            if generation != self.generation:  # read before a deletion that was heard of since
                return
            self._drop(record.instance.sop_instance_uid)
            self._records[record.instance.sop_instance_uid] = record, table_bytes
            self._table_bytes += table_bytes
            while len(self._records) > _RECORDS_KEPT or (
                self._table_bytes > _TABLE_BYTES_KEPT and len(self._records) > 1
            ):
                self._drop(next(iter(self._records)))

    def forget(self, sop_instance_uid: str) -> None:
        with self._lock:
            self._drop(sop_instance_uid)

    def _drop(self, sop_instance_uid: str) -> None:
        _, table_bytes = self._records.pop(sop_instance_uid, (None, 0))
        self._table_bytes -= table_bytes


_records: weakref.WeakKeyDictionary[Archive, _Records] = weakref.WeakKeyDictionary()


def _records_of(archive: Archive) -> _Records:
    records = _records.get(archive)
    if records is None:
        records = _records.setdefault(archive, _Records())
    return records


def get_record(
    archive: Archive,
    study_instance_uid: str,
    series_instance_uid: str,
    sop_instance_uid: str,
    *,
    with_series: bool = False,
) -> InstanceRecord:
    """Find one instance by its three UIDs, all of which must be right. Whoever calls has asked the policy.

    Raises
    ------
    NotFound
    """
    record = find_record(archive, sop_instance_uid, with_series=with_series)
    if record is None:
        raise NotFound(f"there is no instance {sop_instance_uid}")
    if not _is_of(record, study_instance_uid, series_instance_uid):
        raise NotFound(f"the instance {sop_instance_uid} is not in that series of that study")
    return record


def remembered_record(
    archive: Archive, study_instance_uid: str, series_instance_uid: str, sop_instance_uid: str
) -> InstanceRecord | None:
    """Give what `get_record` would if it costs no waiting, else None."""
    records = _records_of(archive)
    record = records.find(sop_instance_uid) if records.is_checked() else None
    return record if record is not None and _is_of(record, study_instance_uid, series_instance_uid) else None


def _is_of(record: InstanceRecord, study_instance_uid: str, series_instance_uid: str) -> bool:
    instance = record.instance
    return instance.study_instance_uid == study_instance_uid and instance.series_instance_uid == series_instance_uid


def find_record(archive: Archive, sop_instance_uid: str, *, with_series: bool = False) -> InstanceRecord | None:
    """Find one instance by its UID alone. Whoever calls has asked the policy.

    `with_series` remembers the rest of its series too, whose frames will be asked for next: one query for all costs
    as much as three for one each.
    """
    records = _records_of(archive)
    if not records.is_checked():
        _check(archive, records)
    record = records.find(sop_instance_uid)
    if record is not None:
        return record
    generation = records.generation
    with archive.reading() as session:
        row = session.execute(_RECORDS.where(instances.c.sop_instance_uid == sop_instance_uid)).first()
        if row is None:
            return None
        record = _keep(records, row, generation)
        if with_series and records.is_series_due(row.series_key):
            rest = _RECORDS.where(instances.c.series_key == row.series_key, instances.c.number_of_frames <= 1)
            for other in session.execute(rest.order_by(instances.c.id).limit(_SERIES_AHEAD_MAX)):
                _keep(records, other, generation)
    return record


_RECORDS: Final = select(*_COLUMNS, instances.c.series_key, frame_tables.c.data).select_from(
    _SOURCE.outerjoin(frame_tables, frame_tables.c.instance_key == instances.c.id)
)


def _check(archive: Archive, records: _Records) -> None:
    now = time.monotonic()
    with archive.reading() as session:
        last = session.execute(select(func.coalesce(func.max(deletions.c.id), 0))).scalar_one()
    records.note(last, now)


def heed_deletions(archive: Archive) -> None:
    """Let what this process remembers be good only after a look at what was deleted; others look once a second."""
    _records_of(archive).ask_again()


def _keep(records: _Records, row: Sequence[Any], generation: int) -> InstanceRecord:
    packed = row[-1]
    record = InstanceRecord(_instance(row[:-2]), None if packed is None else FrameTable.unpack(bytes(packed)))
    records.keep(record, len(packed or b""), generation)
    return record


def forget(archive: Archive, sop_instance_uid: str) -> None:
    """Drop what is remembered of an instance that turned out to be gone."""
    _records_of(archive).forget(sop_instance_uid)
