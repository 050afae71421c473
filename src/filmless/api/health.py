"""What is broken, since when, what it means for whom and what to do, for the administrator."""

from __future__ import annotations

import time

from fastapi import APIRouter, Request

from filmless.api.callers import Administrator
from filmless.api.models import administration as models
from filmless.archive.sentences import Said
from filmless.health.faults import FAULTS, Finding
from filmless.health.watch import Watch

router = APIRouter(tags=["operation"])


@router.get("/health")
def get_health(request: Request, _: Administrator) -> models.Health:
    """Say what is broken and what is well, as the process that answers sees it.

    While the database is away nobody can be recognised, and this answers 503 as everything does; `/readyz`, open to
    all, then names the fault.
    """
    watch: Watch = request.app.state.watch
    found = watch.findings()
    return models.Health.model_validate(
        {
            "level": found[0].level if found else "ok",
            "is_ready": not any(finding.code and FAULTS[finding.code].stops_service for finding in found),
            "looked_at": time.time(),
            "findings": [_told(finding) for finding in found],
        }
    )


def _told(finding: Finding) -> models.HealthFinding:
    return models.HealthFinding.model_validate(
        {
            "level": finding.level,
            "code": finding.code,
            "subject": finding.subject,
            "title": FAULTS[finding.code].title if finding.code else "",
            "what": finding.what,
            "means": finding.means,
            "what_to_do": finding.what_to_do,
            "said": finding.what.to_json() if isinstance(finding.what, Said) else None,
            "said_to_do": finding.what_to_do.to_json() if isinstance(finding.what_to_do, Said) else None,
            "since": finding.since,
        }
    )
