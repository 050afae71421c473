"""The job that keeps frames a second time in HTJ2K (1.2.840.10008.1.2.4.202), and the limit on what is kept.

It runs when a study has been quiet, after all other jobs, one at a time, in a child process that gets the processor
when nobody else wants it. Each copy is decoded again and compared before it counts.
"""

from __future__ import annotations

import time
import zlib
from collections.abc import Iterator
from typing import Any, Final

import structlog
from sqlalchemy import delete, func, insert, select

from filmless.access.principal import SYSTEM
from filmless.archive import Archive
from filmless.archive.blobs import BlobWriter
from filmless.archive.jobs import JobContext
from filmless.archive.tables import instances, renditions, series, studies
from filmless.dicom.syntaxes import HTJ2K_LOSSLESS_RPCL
from filmless.errors import NotAcceptable, NotFound, Refused, Unavailable
from filmless.retrieve.decoding import background_decoders
from filmless.retrieve.frames import run_on_frame
from filmless.retrieve.instances import InstanceRecord, StoredInstance, find_instances, find_record
from filmless.retrieve.renditions import Index, ask_for, is_source, read_index

log = structlog.get_logger()

_PAYS_BELOW: Final = 0.9
"""A copy is kept only when its first frame is below this part of the frame as stored."""
_KEPT_AFTER_CLEANING: Final = 0.9
_ROWS_AT_ONCE: Final = 100


def make_renditions(archive: Archive, args: dict[str, Any], job: JobContext) -> None:
    """Make the copies that a series still lacks, once its study is quiet; then keep to the limit.

    Raises
    ------
    Unavailable: the process is being stopped; what was made is kept, and the rest is made later.
    """
    settings, key = archive.settings, int(args["series_key"])
    query = select(studies.c.study_instance_uid, series.c.series_instance_uid, studies.c.updated_at)
    with archive.reading() as session:
        row = session.execute(
            query.join(series, series.c.study_key == studies.c.id).where(series.c.id == key)
        ).one_or_none()
    if row is None or not settings.rendition_cache_bytes:
        return
    due_at = row.updated_at + settings.series_quiet_s
    if due_at > time.time():
        with archive.transaction() as session:
            ask_for(session, key, run_at=due_at)
        return
    chosen = find_instances(
        archive,
        SYSTEM("worker"),
        study_uids=[row.study_instance_uid],
        series_uids=[row.series_instance_uid],
    )
    known = _known(archive, key)
    wanted = (instance for instance in chosen if is_source(instance) and instance.blob not in known)
    try:
        _pack(archive, key, row.series_instance_uid, wanted, job)
    except Unavailable as error:
        if job.is_stopping:
            raise
        log.warning("renditions_not_made", series_instance_uid=row.series_instance_uid, reason=str(error))
    trim(archive)


def _known(archive: Archive, series_key: int) -> set[str]:
    """Digests of the originals that have copies, or for which none are kept."""
    query = select(renditions.c.blob, renditions.c.length_bytes).where(renditions.c.series_key == series_key)
    with archive.reading() as session:
        rows = session.execute(query).all()
    indexes = [read_index(archive, row.blob, row.length_bytes) for row in rows]
    return {digest for index in indexes if index for digest in index.entries}


def _pack(
    archive: Archive, series_key: int, series_instance_uid: str, wanted: Iterator[StoredInstance], job: JobContext
) -> None:
    """Write objects until nothing is wanted any more."""
    instance = next(wanted, None)
    while instance is not None:
        index = Index(series_instance_uid)
        with archive.renditions.create() as writer:
            while instance is not None and writer.length < archive.settings.rendition_pack_bytes:
                job.check()
                record = find_record(archive, instance.sop_instance_uid)
                if record is not None:
                    index.entries[instance.blob] = _copy(archive, record, writer, job)
                if job.is_stopping:
                    break
                instance = next(wanted, None)
            writer.write(index.pack())
            blob, length = writer.finish()
        _record(archive, series_key, index, blob, length)
        if job.is_stopping and instance is not None:
            raise Unavailable("the worker is stopping; the rest of the series follows")


def _record(archive: Archive, series_key: int, index: Index, blob: str, length: int) -> None:
    """Record an object, unless an instance in it was deleted meanwhile: then it goes, and another is asked for."""
    now = time.time()
    of_series = select(studies.c.id).join(series, series.c.study_key == studies.c.id).where(series.c.id == series_key)
    with archive.transaction() as session:
        is_there = session.execute(of_series.with_for_update(of=studies)).first() is not None  # as a deletion holds it
        rows = session.execute(select(instances.c.blob).where(instances.c.series_key == series_key))
        is_whole = index.entries.keys() <= {row.blob.hex() for row in rows}
        if is_there and is_whole:
            session.execute(
                insert(renditions).values(
                    series_key=series_key, blob=blob, length_bytes=length, created_at=now, used_at=now
                )
            )
            return
        if is_there:
            ask_for(session, series_key)
    archive.renditions.delete(blob)


def _copy(
    archive: Archive, record: InstanceRecord, writer: BlobWriter, job: JobContext
) -> tuple[int, list[int], list[int]]:
    """Append the copies of all frames of an instance; without any where they would not pay or not be exact."""
    begin, lengths, checks = writer.length, [], []
    instance = record.instance
    stored_bytes = (instance.pixel_length or 0) / instance.number_of_frames
    task = {"task": "exact", "as_rgb": False, "transfer_syntax_uid": HTJ2K_LOSSLESS_RPCL}
    for number in range(1, instance.number_of_frames + 1):
        try:
            job.check()
            _, data = run_on_frame(archive, record, number, task, background_decoders(archive))
        except (NotAcceptable, NotFound, Refused) as error:
            log.info("rendition_declined", sop_instance_uid=instance.sop_instance_uid, reason=str(error))
            return begin, [], []
        if number == 1 and len(data) > stored_bytes * _PAYS_BELOW:
            return begin, [], []
        writer.write(data)
        lengths.append(len(data))
        checks.append(zlib.crc32(data))
    return begin, lengths, checks


def trim(archive: Archive) -> int:
    """Remove the objects that were not used for longest until the rest is within the limit; returns how many."""
    limit, removed = archive.settings.rendition_cache_bytes, 0
    with archive.reading() as session:
        total = session.execute(select(func.coalesce(func.sum(renditions.c.length_bytes), 0))).scalar_one()
    if total <= limit:
        return 0
    while total > limit * _KEPT_AFTER_CLEANING:
        query = select(renditions.c.id, renditions.c.blob, renditions.c.length_bytes)
        with archive.reading() as session:
            rows = session.execute(query.order_by(renditions.c.used_at, renditions.c.id).limit(_ROWS_AT_ONCE)).all()
        if not rows:
            break
        gone = []
        for row in rows:
            if total <= limit * _KEPT_AFTER_CLEANING:
                break
            total -= row.length_bytes
            gone.append(row)
        with archive.transaction() as session:
            session.execute(delete(renditions).where(renditions.c.id.in_([row.id for row in gone])))
        for row in gone:
            archive.renditions.delete(row.blob)
        removed += len(gone)
    return removed
