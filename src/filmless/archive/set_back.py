"""What a clock that was set back would hold up: jobs, leases and schedules timed for a future that never was."""

from __future__ import annotations

import time
from typing import Final

from sqlalchemy import Connection, case, update

from filmless.archive.tables import jobs, schedules

SLACK_S: Final = 5.0
"""Clocks of several machines may differ by so much."""


class Clock:
    """Notices that the wall clock of this machine was set back."""

    def __init__(self) -> None:
        self._lead_s = time.time() - time.monotonic()

    def was_set_back(self) -> bool:
        """Whether it was since one last asked."""
        before, self._lead_s = self._lead_s, time.time() - time.monotonic()
        return self._lead_s < before - SLACK_S


def follow_clock(session: Connection, lease_s: float) -> int:
    """Bring what was timed by a clock that was ahead into the present; returns how many jobs waited for it.

    A job that was made in the future waits from now for as long as it was to wait from then. Rows of right times are
    left alone, so that it may be done at any time and by several processes.
    """
    now = time.time()
    moved = session.execute(
        update(jobs)
        .where(jobs.c.state == "waiting", jobs.c.created_at > now + SLACK_S)
        .values(
            run_at=case((jobs.c.run_at > jobs.c.created_at, now + jobs.c.run_at - jobs.c.created_at), else_=now),
            created_at=now,
        )
    )
    session.execute(
        update(jobs)
        .where(jobs.c.state == "running", jobs.c.lease_until > now + lease_s + SLACK_S)
        .values(lease_until=now + lease_s)
    )
    session.execute(
        update(schedules)
        .where(schedules.c.next_at > now + schedules.c.every_s + SLACK_S)
        .values(next_at=now + schedules.c.every_s)
    )
    return moved.rowcount
