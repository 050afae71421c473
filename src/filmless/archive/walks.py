"""Long walks through all instances in the order of their keys: each goes on where it stopped, after any restart."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Final

from sqlalchemy import Connection, literal, select

from filmless.archive.database import insert_for
from filmless.archive.tables import instances, non_patient_instances, series, studies, walks

if TYPE_CHECKING:
    from filmless.archive.archive import Archive

_ROWS_AT_ONCE: Final = 500


@dataclass(slots=True)
class Walk:
    """How far a walk has come. Times are seconds since 1970."""

    name: str
    position: int = 0
    began_at: float = 0.0
    ended_at: float | None = None
    instances: int = 0
    size_bytes: int = 0
    resume_at: float = 0.0

    @property
    def is_under_way(self) -> bool:
        """Whether a round was begun and is not over."""
        return self.began_at > (self.ended_at or 0.0)

    def begin(self, now: float) -> None:
        """Begin a round at the first instance."""
        self.position = self.instances = self.size_bytes = 0
        self.began_at = now


@dataclass(frozen=True, slots=True)
class Stored:
    """An instance and where its bytes are."""

    key: int
    study_instance_uid: str
    sop_instance_uid: str
    blob: str
    length_bytes: int
    created_at: float


def read_walk(session: Connection, name: str) -> Walk:
    """How far a walk has come; one at its beginning when it was never begun."""
    row = session.execute(select(walks).where(walks.c.name == name)).first()
    return Walk(name) if row is None else Walk(**row._mapping)


def save_walk(session: Connection, walk: Walk) -> None:
    """Keep how far a walk has come."""
    values = asdict(walk)
    statement = insert_for(session)(walks).values(values)
    session.execute(statement.on_conflict_do_update(index_elements=["name"], set_=values))


_STORED = (
    select(
        instances.c.id,
        studies.c.study_instance_uid,
        instances.c.sop_instance_uid,
        instances.c.blob,
        instances.c.length_bytes,
        instances.c.created_at,
    )
    .join(series, series.c.id == instances.c.series_key)
    .join(studies, studies.c.id == series.c.study_key)
)


def stored_after(archive: Archive, position: int) -> Iterator[Stored]:
    """The instances with a key beyond `position`, in order; read by the page, so that no snapshot is held for long."""
    while True:
        query = _STORED.where(instances.c.id > position).order_by(instances.c.id).limit(_ROWS_AT_ONCE)
        with archive.reading() as session:
            rows = session.execute(query).all()
        for row in rows:
            yield Stored(row[0], row[1], row[2], bytes(row[3]).hex(), row[4], row[5])
        if len(rows) < _ROWS_AT_ONCE:
            return
        position = rows[-1][0]


_NON_PATIENT = select(
    non_patient_instances.c.id,
    literal(""),
    non_patient_instances.c.sop_instance_uid,
    non_patient_instances.c.blob,
    non_patient_instances.c.length_bytes,
    non_patient_instances.c.created_at,
)


def non_patient_stored(archive: Archive) -> Iterator[Stored]:
    """The instances that belong to no patient, in the order of their own keys; their study is ""."""
    position = 0
    while True:
        key = non_patient_instances.c.id
        query = _NON_PATIENT.where(key > position).order_by(key).limit(_ROWS_AT_ONCE)
        with archive.reading() as session:
            rows = session.execute(query).all()
        for row in rows:
            yield Stored(row[0], row[1], row[2], bytes(row[3]).hex(), row[4], row[5])
        if len(rows) < _ROWS_AT_ONCE:
            return
        position = rows[-1][0]


def find_stored(session: Connection, sop_instance_uid: str) -> Stored | None:
    """One instance; None when there is none of that UID."""
    row = session.execute(_STORED.where(instances.c.sop_instance_uid == sop_instance_uid)).first()
    if row is None:
        query = _NON_PATIENT.where(non_patient_instances.c.sop_instance_uid == sop_instance_uid)
        row = session.execute(query).first()
    return None if row is None else Stored(row[0], row[1], row[2], bytes(row[3]).hex(), row[4], row[5])
