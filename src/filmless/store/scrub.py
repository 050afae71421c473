"""Verifies all kept bytes again and again at a bounded rate, a minute's worth at a time, and goes on where it stopped.

One round reads every blob once; the next begins `scrub_round_s` after the last one began. What was found is looked at
again every few minutes, so that a problem is settled soon after the bytes are good.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any, Final

import structlog
from sqlalchemy import func, select

from filmless.access.principal import SYSTEM
from filmless.archive import Archive
from filmless.archive.jobs import JobContext
from filmless.archive.problems import raise_problem, settle_problem
from filmless.archive.sentences import say
from filmless.archive.tables import studies
from filmless.archive.walks import Walk, find_stored, non_patient_stored, read_walk, save_walk, stored_after
from filmless.errors import Unavailable
from filmless.store.damage import examine, forget, is_halted, known_findings

logger = structlog.get_logger()

WALK: Final = "scrub"
SLICE_S: Final = 60.0
"""A slice is enqueued so often, and reads as much as the rate allows for that time."""

_BURST: Final = 4  # within a slice: the job's thread is free again after a quarter of the time
_SAVE_S: Final = 5.0
_LOOK_AGAIN_S: Final = 300.0
_LOOK_AGAIN_AT_ONCE: Final = 20


@dataclass(slots=True)
class Pace:
    """Reads no faster than a rate, with pauses. `check` is asked after each piece and may raise to stop."""

    bytes_per_s: int
    check: Callable[[], None]
    used_bytes: int = 0
    began_at: float = field(default_factory=time.monotonic)

    def spend(self, length: int) -> None:
        """Account for bytes that were read."""
        self.check()
        self.used_bytes += length
        while (ahead_s := self.used_bytes / (_BURST * self.bytes_per_s) - (time.monotonic() - self.began_at)) > 0:
            time.sleep(min(ahead_s, 0.2))
            self.check()


def scrub(archive: Archive, *, check: Callable[[], None] = lambda: None) -> Walk:
    """Read one slice; returns how far the round is. `check` is called often and may raise to stop.

    Raises
    ------
    Unavailable: disk or database is away. Nothing is lost: the next slice goes on.
    """
    rate = archive.settings.scrub_bytes_per_s
    with archive.reading() as session:
        walk = read_walk(session, WALK)
    if not rate:
        return walk
    now = time.time()
    longest_wait_s = SLICE_S + archive.settings.instance_max_bytes / rate
    if now < walk.resume_at <= now + longest_wait_s:  # later than that: the clock was set back
        return walk
    pace = Pace(rate, check)
    _look_again(archive, pace)
    with archive.transaction() as session:
        if is_halted(session):
            return walk
    if walk.is_under_way or now >= walk.began_at + archive.settings.scrub_round_s or now < walk.began_at:
        if not walk.is_under_way:
            walk.begin(now)
            _tell_when_too_slow(archive)
        _go_on(archive, walk, pace, now)
    return walk


def scrub_job(archive: Archive, _args: dict[str, Any], job: JobContext) -> None:
    """The scheduled slice."""

    def check() -> None:
        job.check()
        if job.is_stopping:
            raise Unavailable("the worker stops; the scrub goes on when it is back")

    walk = scrub(archive, check=check)
    job.report(1.0, f"{walk.instances} instances in this round")


def _go_on(archive: Archive, walk: Walk, pace: Pace, now: float) -> None:
    """Read on from the walk's position until the slice's bytes are used up or the round is over."""
    principal = SYSTEM("scrub")
    budget = archive.settings.scrub_bytes_per_s * SLICE_S
    saved_at = time.monotonic()

    def save() -> None:
        walk.resume_at = now + pace.used_bytes / pace.bytes_per_s
        with archive.transaction() as session:
            save_walk(session, walk)

    try:
        for stored in stored_after(archive, walk.position):
            if pace.used_bytes >= budget:
                return
            examine(archive, principal, stored, pace.spend)
            pace.spend(0)
            walk.position = stored.key
            walk.instances += 1
            walk.size_bytes += stored.length_bytes
            if time.monotonic() - saved_at > _SAVE_S:
                saved_at = time.monotonic()
                save()
        for stored in non_patient_stored(archive):  # few: they end the round, in one slice
            examine(archive, principal, stored, pace.spend)
            walk.instances += 1
            walk.size_bytes += stored.length_bytes
        walk.ended_at = max(time.time(), walk.began_at)
        logger.info("scrub_round_ended", instances=walk.instances, size_bytes=walk.size_bytes)
    finally:
        save()


def _look_again(archive: Archive, pace: Pace) -> None:
    """Examine what was found before once more."""
    with archive.reading() as session:
        known = known_findings(session, time.time() - _LOOK_AGAIN_S, _LOOK_AGAIN_AT_ONCE)
    for uid in known:
        with archive.reading() as session:
            stored = find_stored(session, uid)
        if stored is None:
            with archive.transaction() as session:
                forget(session, uid)
        else:
            examine(archive, SYSTEM("scrub"), stored, pace.spend)


def _tell_when_too_slow(archive: Archive) -> None:
    rate, round_s = archive.settings.scrub_bytes_per_s, archive.settings.scrub_round_s
    with archive.transaction() as session:
        total = int(session.execute(select(func.coalesce(func.sum(studies.c.size_bytes), 0))).scalar_one())
        if total / rate <= round_s:
            settle_problem(session, "scrub", "slow")
            return
        raise_problem(
            session,
            "scrub",
            "slow",
            say(
                "scrub_slow",
                size=total >> 30,
                rate=rate >> 20,
                days=round(total / rate / 86400),
                allowed=round(round_s / 86400),
            ),
            say("scrub_slow_do", rate=int(total / round_s) + 1),
        )
