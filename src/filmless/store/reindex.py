"""Builds the index anew from the blobs alone, in the order in which they arrived, and puts it in the place of the old.

What no blob can tell (people, peers, the audit trail, conflicts, jobs) is carried over from the old database as far as
that can be read. The archive must not be in use meanwhile.
"""

from __future__ import annotations

import sqlite3
import time
from collections.abc import Callable, Iterator
from contextlib import closing
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

import structlog
from sqlalchemy import Connection, Table, delete, func, insert, select
from sqlalchemy.exc import DBAPIError

from filmless.access.tables import displayed
from filmless.archive import Archive
from filmless.archive.database import Database, metadata
from filmless.archive.database_move import where_database_is
from filmless.archive.folders import sync_folder
from filmless.archive.limits import scan_limits
from filmless.archive.processes import list_processes
from filmless.archive.tables import (
    deleted_instances,
    events,
    frame_tables,
    headers,
    instances,
    jobs,
    non_patient_instances,
    patients,
    processes,
    renditions,
    series,
    studies,
    uids,
)
from filmless.config import Settings
from filmless.errors import FilmlessError, NotFound, Refused
from filmless.store import non_patient
from filmless.store.facts import read_facts
from filmless.store.record import AlreadyKept, Recorder, known_of

logger = structlog.get_logger()

_ROWS_AT_ONCE: Final = 1000
_TORN_NS: Final = 3600 * 10**9  # blobs that came so shortly before the last one may have been torn by a power loss
_PACKING_JOB: Final = "series_quiet"
_INDEX_TABLES: Final = (uids, patients, studies, series, instances, frame_tables, headers, non_patient_instances)


@dataclass(slots=True)
class ReindexResult:
    """What was built, what could not be, and where the new index says something else than the old."""

    instances: int = 0
    refused: list[tuple[str, str]] = field(default_factory=list)  # blob, reason
    not_carried_over: list[str] = field(default_factory=list)
    differences: list[str] = field(default_factory=list)


def reindex(
    settings: Settings, *, on_progress: Callable[[int, int], None] = lambda _done, _total: None
) -> ReindexResult:
    """Rebuild the index. `on_progress` hears how many of how many blobs are done.

    Raises
    ------
    Refused: Filmless is running on this archive. Unavailable.
    """
    settings = where_database_is(settings)
    scratch_path = settings.data / "reindex.db"
    _remove(scratch_path)
    scratch_settings = settings.model_copy(update={"database_url": f"sqlite:///{scratch_path.absolute()}"})
    database = Database(settings)
    try:
        _require_unused(database)
        _migrate_readable(database)
        scratch_database = Database(scratch_settings)
        try:
            scratch_database.migrate()
            scratch = Archive(scratch_settings, scratch_database)
            result = _build(scratch, _deleted_blobs(database), on_progress)
            result.differences = _compare_readable(database, scratch_database)
            if database.is_sqlite:
                _carry_over(database, scratch_database, result)
            else:
                _replace_rows(scratch_database, database)
        finally:
            scratch_database.close()
    finally:
        database.close()
    if database.path is not None:
        _swap(scratch_path, database.path)
    else:
        _remove(scratch_path)
    return result


def _require_unused(database: Database) -> None:
    try:
        with database.reading() as session:
            alive = [process.role for process in list_processes(session) if process.is_alive(time.time())]
    except (FilmlessError, DBAPIError):  # damaged, which is what this is for
        return
    if alive:
        raise Refused(f"Filmless is running on this archive ({', '.join(sorted(set(alive)))}): stop it first")


def _migrate_readable(database: Database) -> None:
    try:
        database.migrate()
    except (FilmlessError, DBAPIError, sqlite3.Error) as error:
        logger.error("old_index_not_migrated", reason=str(error))


def _deleted_blobs(database: Database) -> Iterator[bytes]:
    """Blobs of deleted instances that still lie among the others: a crash came before they were in the trash."""
    try:
        for rows in _pages(database, select(deleted_instances.c.blob)):
            yield from (bytes(row["blob"]) for row in rows)
    except (FilmlessError, DBAPIError, sqlite3.Error) as error:
        logger.error("deletions_not_known", reason=str(error))


def _build(scratch: Archive, deleted: Iterator[bytes], on_progress: Callable[[int, int], None]) -> ReindexResult:
    result = ReindexResult()
    with closing(sqlite3.connect("")) as order:  # a temporary file of SQLite's own
        total, newest_ns = _list_blobs(scratch, order, deleted)
        rows = order.execute("SELECT key, arrived_ns FROM arrivals ORDER BY arrived_ns, key")
        done = 0
        while page := rows.fetchmany(_ROWS_AT_ONCE):
            with scratch.transaction() as session:
                for key, arrived_ns in page:
                    done += 1
                    try:
                        if arrived_ns > newest_ns - _TORN_NS:
                            _require_whole(scratch, key.hex())
                        with session.begin_nested():
                            _record(scratch, session, key.hex(), arrived_ns / 1e9)
                    except AlreadyKept:
                        result.refused.append((key.hex(), "another blob has its SOP Instance UID"))
                    except (Refused, NotFound) as error:
                        result.refused.append((key.hex(), str(error)))
                    else:
                        result.instances += 1
            on_progress(done, total)
    with scratch.transaction() as session:
        session.execute(delete(events))
    return result


def _list_blobs(scratch: Archive, order: sqlite3.Connection, deleted: Iterator[bytes]) -> tuple[int, int]:
    """Write down all blobs with their arrivals; gives their number, and when the last one came."""
    order.execute("CREATE TABLE deleted (key BLOB PRIMARY KEY)")
    order.executemany("INSERT INTO deleted VALUES (?)", ((key,) for key in deleted))
    order.execute("CREATE TABLE arrivals (key BLOB, arrived_ns INTEGER)")
    arrivals = ((bytes.fromhex(key), arrived_ns) for key, arrived_ns in scratch.blobs.arrivals())
    order.executemany("INSERT INTO arrivals VALUES (?, ?)", arrivals)
    order.execute("DELETE FROM arrivals WHERE key IN (SELECT key FROM deleted)")
    total, newest_ns = order.execute("SELECT count(*), max(arrived_ns) FROM arrivals").fetchone()
    return total, newest_ns or 0


def _require_whole(scratch: Archive, key: str) -> None:
    """Refuse a file whose bytes did not all reach the disk; objects of a bucket are there as a whole or not at all."""
    if scratch.settings.blobs_url is None and scratch.blobs.digest(key) != key:
        raise Refused("its bytes do not match its digest")


def _record(scratch: Archive, session: Connection, key: str, arrived_at: float) -> None:
    with scratch.blobs.reader(key) as reader:
        facts = read_facts(reader, scan_limits(scratch.settings))
        facts.header_data = None  # packing reads the blobs: the headers of all would fill the database
        if non_patient.is_non_patient(facts):
            non_patient.record(session, facts, key, reader.length, most=None, at=arrived_at)
            return
        learned = Recorder(scratch, facts, key, reader.length, at=arrived_at).record(session)
        known_of(scratch).learn(facts, learned)


def _carry_over(old: Database, new: Database, result: ReindexResult) -> None:
    """Copy what no blob can tell."""
    # Notes of what was displayed name instances by keys that are other ones now.
    known = {table.name for table in (*_INDEX_TABLES, renditions, events, processes, displayed)}
    for table in metadata.sorted_tables:
        if table.name in known:
            continue
        query = select(table)
        if table is jobs:
            query = query.where(jobs.c.name != _PACKING_JOB)
        try:
            for rows in _pages(old, query):
                with new.transaction() as session:
                    session.execute(insert(table), _without_ids(table, rows))
        except (FilmlessError, DBAPIError, sqlite3.Error) as error:
            logger.error("not_carried_over", table=table.name, reason=str(error))
            result.not_carried_over.append(table.name)


def _without_ids(table: Table, rows: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """Jobs get new ids, because the new index has jobs of its own."""
    return [{name: value for name, value in row.items() if name != "id"} for row in rows] if table is jobs else rows


def _replace_rows(new: Database, target: Database) -> None:
    """Put the rows of the new index into a server's database, in one transaction."""
    with target.transaction() as session:
        for table in (displayed, *reversed(_INDEX_TABLES)):
            session.execute(delete(table))
        session.execute(delete(jobs).where(jobs.c.name == _PACKING_JOB))
        for table in _INDEX_TABLES:
            for rows in _pages(new, select(table)):
                session.execute(insert(table), rows)
            if "id" in table.columns:
                highest = select(func.coalesce(func.max(table.c.id), 0) + 1)
                sequence = func.pg_get_serial_sequence(table.name, "id")
                session.execute(select(func.setval(sequence, highest.scalar_subquery(), False)))
        for rows in _pages(new, select(jobs)):
            session.execute(insert(jobs), _without_ids(jobs, rows))


def _pages(database: Database, query: Any) -> Iterator[list[dict[str, Any]]]:
    with database.reading() as session:
        result = session.execute(query.execution_options(yield_per=_ROWS_AT_ONCE)).mappings()
        for rows in result.partitions():
            yield [dict(row) for row in rows]


# Comparing

_IGNORED: Final = frozenset({"id", "created_at", "updated_at", "metadata_blob", "metadata_instances"})
_DIFFERENCES_MAX: Final = 100


def _said(table: Table, *names: str) -> list[Any]:
    """The columns of a table that must be equal, those that name the row first."""
    ignored = _IGNORED | {column.name for column in table.columns if column.foreign_keys}
    return [
        *(table.c[name] for name in names),
        *(column for column in table.columns if column.name not in ignored and column.name not in names),
    ]


_classes, _syntaxes = uids.alias("classes"), uids.alias("syntaxes")
_COMPARED: Final[tuple[tuple[str, Any], ...]] = (
    ("patient", select(*_said(patients, "patient_id", "issuer_of_patient_id", "study_scope"))),
    (
        "study",
        select(*_said(studies, "study_instance_uid"), patients.c.patient_id, patients.c.study_scope).join(
            patients, patients.c.id == studies.c.patient_key
        ),
    ),
    (
        "series",
        select(studies.c.study_instance_uid, *_said(series, "series_instance_uid")).join(
            studies, studies.c.id == series.c.study_key
        ),
    ),
    (
        "instance",
        select(
            *_said(instances, "sop_instance_uid"),
            series.c.series_instance_uid,
            studies.c.study_instance_uid,
            _classes.c.uid,
            _syntaxes.c.uid,
            frame_tables.c.data,
        )
        .join(series, series.c.id == instances.c.series_key)
        .join(studies, studies.c.id == series.c.study_key)
        .join(_classes, _classes.c.id == instances.c.sop_class_key)
        .join(_syntaxes, _syntaxes.c.id == instances.c.transfer_syntax_key)
        .outerjoin(frame_tables, frame_tables.c.instance_key == instances.c.id),
    ),
    ("instance", select(*_said(non_patient_instances, "sop_instance_uid"))),
)


def compare(one: Database, other: Database) -> list[str]:
    """In words, what two indexes say differently of patients, studies, series and instances; the first hundred."""
    found: list[str] = []
    for kind, query in _COMPARED:
        ours = _digests(one, query)
        for name, digest in _digests(other, query).items():
            if ours.pop(name, None) != digest:
                found.append(f"{kind} {name} is not the same in both")
        found += [f"{kind} {name} is in one of them only" for name in ours]
    return found[:_DIFFERENCES_MAX]


def _digests(database: Database, query: Any) -> dict[str, int]:
    """A hash of what is said of each row, by what names it. The first text names it; a patient by all three."""
    digests = {}
    with database.reading() as session:
        for row in session.execute(query.execution_options(yield_per=_ROWS_AT_ONCE)):
            values = tuple(bytes(value) if isinstance(value, memoryview) else value for value in row)
            digests[" ".join(map(str, values[:3])) if query is _COMPARED[0][1] else _name(query, values)] = hash(values)
    return digests


def _name(query: Any, values: tuple[Any, ...]) -> str:
    return f"{values[0]} {values[1]}" if query is _COMPARED[2][1] else str(values[0])


def _compare_readable(old: Database, new: Database) -> list[str]:
    try:
        return compare(old, new)
    except (FilmlessError, DBAPIError, sqlite3.Error) as error:
        return [f"the old index cannot be read: {error}"]


# Files


def _swap(new: Path, place: Path) -> None:
    """Put the new database in the place of the old one, which stays beside it."""
    for suffix in ("-wal", "-shm", ""):
        old = place.with_name(place.name + suffix)
        if old.exists():
            old.replace(place.with_name(f"{place.name}.before-reindex{suffix}"))
    new.replace(place)
    _remove(new)
    sync_folder(place.parent)


def _remove(path: Path) -> None:
    for suffix in ("", "-wal", "-shm", ".turnstile", ".migrating"):
        path.with_name(path.name + suffix).unlink(missing_ok=True)
