"""Re-reads every blob and compares it with its digest: what the disk lost is told before anybody needs it."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import Any, Final

import structlog
from sqlalchemy import Connection, delete, func, select

from filmless.archive import Archive
from filmless.archive.jobs import JobContext
from filmless.archive.problems import raise_problem
from filmless.archive.tables import instances, problems
from filmless.errors import NotFound
from filmless.store.sweep import tell_missing

logger = structlog.get_logger()

_PAGE: Final = 500


@dataclass(frozen=True, slots=True)
class Finding:
    """An instance whose bytes are not what was received."""

    sop_instance_uid: str
    blob: str
    kind: str  # damaged or missing


@dataclass(slots=True)
class VerifyResult:
    """What verification found."""

    checked: int = 0
    size_bytes: int = 0
    findings: list[Finding] = field(default_factory=list)


def verify(archive: Archive, *, on_progress: Callable[[int, int], None] = lambda _done, _total: None) -> VerifyResult:
    """Read all blobs. `on_progress` hears how many of how many instances are done and may raise to stop.

    Each finding is raised as a problem; problems that are gone are settled. Raises Unavailable.
    """
    with archive.reading() as session:
        total = session.execute(select(func.count()).select_from(instances)).scalar_one()
    result = VerifyResult()
    for sop_instance_uid, blob in _blobs(archive):
        kind = _state_of(archive, blob)
        if kind == "missing" and _is_gone(archive, sop_instance_uid):
            continue
        result.checked += 1
        if kind is None:
            result.size_bytes += archive.blobs.length(blob) or 0
        else:
            finding = Finding(sop_instance_uid, blob, kind)
            result.findings.append(finding)
            logger.error("blob_not_intact", sop_instance_uid=sop_instance_uid, blob=blob, kind=kind)
            with archive.transaction() as session:
                _tell(session, finding)
        on_progress(result.checked, total)
    with archive.transaction() as session:
        found = [finding.blob for finding in result.findings]
        is_of_ours = problems.c.kind.in_(("damaged", "missing"))
        known = session.execute(select(problems.c.kind, problems.c.key).where(is_of_ours)).all()
        for row in known:
            if row.key not in found:
                session.execute(delete(problems).where(problems.c.kind == row.kind, problems.c.key == row.key))
    return result


def verify_job(archive: Archive, _args: dict[str, Any], job: JobContext) -> None:
    """Verification as a job, with progress."""
    verify(archive, on_progress=lambda done, total: job.report(done / max(total, 1), f"{done} of {total}"))


def _blobs(archive: Archive) -> Iterator[tuple[str, str]]:
    last = 0
    while True:
        query = select(instances.c.id, instances.c.sop_instance_uid, instances.c.blob).where(instances.c.id > last)
        with archive.reading() as session:
            rows = session.execute(query.order_by(instances.c.id).limit(_PAGE)).all()
        yield from ((row.sop_instance_uid, bytes(row.blob).hex()) for row in rows)
        if len(rows) < _PAGE:
            return
        last = rows[-1].id


def _state_of(archive: Archive, blob: str) -> str | None:
    try:
        return None if archive.blobs.digest(blob) == blob else "damaged"
    except NotFound:
        return "missing"


def _is_gone(archive: Archive, sop_instance_uid: str) -> bool:
    """Whether the instance was deleted since its row was read."""
    with archive.reading() as session:
        query = select(instances.c.id).where(instances.c.sop_instance_uid == sop_instance_uid)
        return session.execute(query).first() is None


def _tell(session: Connection, finding: Finding) -> None:
    if finding.kind == "missing":
        tell_missing(session, finding.sop_instance_uid, finding.blob)
        return
    raise_problem(
        session,
        "damaged",
        finding.blob,
        f"the bytes of instance {finding.sop_instance_uid} do not match their digest (blob {finding.blob})",
        "Check the disk. Restore the file from a backup, or have the instance sent again: that replaces it.",
    )
