"""Re-reads every blob at once and compares it with its digest: `filmless verify`. The scrub does it all the time."""

from __future__ import annotations

import itertools
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any, Final

from sqlalchemy import func, select

from filmless.access.principal import SYSTEM
from filmless.archive import Archive
from filmless.archive.jobs import JobContext
from filmless.archive.tables import instances, non_patient_instances
from filmless.archive.walks import Walk, find_stored, non_patient_stored, save_walk, stored_after
from filmless.store.damage import Finding, examine, forget, known_findings

WALK: Final = "verify"
"""Tells when everything was last verified at once."""

_KNOWN_AT_ONCE: Final = 500


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
    principal = SYSTEM("verify")
    began_at = time.time()
    with archive.reading() as session:
        total = sum(
            session.execute(select(func.count()).select_from(table)).scalar_one()
            for table in (instances, non_patient_instances)
        )
    result = VerifyResult()
    for stored in itertools.chain(stored_after(archive, 0), non_patient_stored(archive)):
        finding = examine(archive, principal, stored)
        result.checked += 1
        if finding is None:
            result.size_bytes += stored.length_bytes
        else:
            result.findings.append(finding)
        on_progress(result.checked, total)
    forget_deleted(archive)
    with archive.transaction() as session:
        done = Walk(WALK, began_at=began_at, ended_at=time.time())
        done.instances, done.size_bytes = result.checked, result.size_bytes
        save_walk(session, done)
    return result


def forget_deleted(archive: Archive) -> None:
    """Take back the problems of instances that are no longer kept."""
    seen_before = float("inf")
    with archive.reading() as session:
        known = known_findings(session, seen_before, _KNOWN_AT_ONCE)
        gone = [uid for uid in known if find_stored(session, uid) is None]
    with archive.transaction() as session:
        for uid in gone:
            forget(session, uid)


def verify_job(archive: Archive, _args: dict[str, Any], job: JobContext) -> None:
    """Verification as a job, with progress."""
    verify(archive, on_progress=lambda done, total: job.report(done / max(total, 1), f"{done} of {total}"))
