"""What the database tells: whether it answers, the clocks, the processes, the jobs, the problems that were raised."""

from __future__ import annotations

import os
import socket
import time
from collections.abc import Iterator
from typing import Any, Final

from sqlalchemy import Connection, func, select, text

from filmless.access import peers, people
from filmless.archive import Archive
from filmless.archive.problems import count_problems, list_problems
from filmless.archive.processes import FORGOTTEN_AFTER_S, Process, list_processes
from filmless.archive.replica import find_replica, read_backlog
from filmless.archive.sentences import Said, say
from filmless.archive.tables import instances, job_pauses, jobs
from filmless.archive.walks import read_walk
from filmless.health.faults import FAULTS, Finding, broken, well
from filmless.health.machine import SLOW_S
from filmless.store import scrub, sweep, verify

CLOCK_OLDEST: Final = 1_767_225_600  # 2026-01-01: an earlier clock is wrong
CLOCK_SLACK_S: Final = 60.0
"""Clocks that are further apart are wrong."""

JOBS_LATE_S: Final = 600.0
PROBLEMS_TOLD: Final = 20
REPLICA_BEHIND_S: Final = 600.0
_NEWEST_LOOKED_AT: Final = 100
_SWEEP_TAKES_S: Final = 3600.0
_ROLES: Final = ("dicom", "worker", "web")


def examine_database(archive: Archive) -> Iterator[Finding]:
    """Look whether the database answers, and how fast. Raises Unavailable when it is away."""
    began = time.monotonic()
    archive.database.check()
    took_s = time.monotonic() - began
    if took_s > SLOW_S:
        yield broken("database_slow", say("database_answers_late", seconds=f"{took_s:.1f}"))
    else:
        database = "SQLite" if archive.database.is_sqlite else "PostgreSQL"
        yield well("database", say("database_answers", database=database))


def examine_records(archive: Archive) -> Iterator[Finding]:
    """Look at everything that is recorded. Raises Unavailable when the database is away."""
    with archive.reading() as session:
        now = time.time()
        running = list_processes(session)
        yield from examine_clock(session, running, now)
        yield from examine_processes(running, now)
        yield from examine_jobs(session, now)
        yield from examine_problems(session)
        yield from examine_scrub(archive, session, now)
        yield from examine_replica(archive, session, now)
    yield from examine_people(archive)
    yield from examine_peers(archive)


def examine_clock(session: Connection, running: list[Process], now: float) -> Iterator[Finding]:
    """Look whether the clock is plausible, not behind what is recorded, and that of the database and other machines."""
    wrong: dict[str, Said] = {}
    if now < CLOCK_OLDEST:
        wrong["early"] = say("clock_too_early", now=_time(now))
    newest = select(instances.c.created_at).order_by(instances.c.id.desc()).limit(_NEWEST_LOOKED_AT).subquery()
    recorded = session.execute(select(func.max(newest.c.created_at))).scalar_one() or 0.0
    if recorded > now + CLOCK_SLACK_S:
        wrong["recorded"] = say("clock_behind_recorded", now=_time(now), at=_time(recorded))
    ahead = max(running, key=lambda process: process.heartbeat_at, default=None)
    if ahead is not None and ahead.heartbeat_at > now + CLOCK_SLACK_S:
        at = _time(ahead.heartbeat_at)
        wrong["process"] = say("clock_behind_process", now=_time(now), host=ahead.host, at=at)
    if session.dialect.name == "postgresql":
        theirs = float(session.execute(text("SELECT extract(epoch FROM clock_timestamp())")).scalar_one())
        if abs(theirs - time.time()) > CLOCK_SLACK_S:
            wrong["database"] = say("clock_of_database", now=_time(now), at=_time(theirs))
    for key, what in wrong.items():
        yield broken("clock_wrong", what, key=key)
    if not wrong:
        yield well("clock", say("clock_says", now=_time(now)))


def examine_processes(running: list[Process], now: float) -> Iterator[Finding]:
    """Look which processes beat. One that ended in order has no row; one that was lost has one for an hour."""
    alive = [process for process in running if process.is_alive(now)]
    for role in _ROLES:
        lost = [process for process in running if process.role == role and not process.is_alive(now)]
        ours = [process for process in lost if process.pid == os.getpid() and process.host == socket.gethostname()]
        if ours:
            beaten_at = ours[0].heartbeat_at
            yield broken("database_refuses_writes", say("process_stuck", at=_time(beaten_at)), since=beaten_at)
            continue
        if not any(process.role == role for process in alive):
            since = max((process.heartbeat_at for process in lost), default=None)
            yield broken("process_missing", say(f"process_missing_{role}"), key=role, since=since)
            continue
        for process in lost:
            if now - process.heartbeat_at < FORGOTTEN_AFTER_S:
                at = _time(process.heartbeat_at)
                yield broken(
                    "process_silent",
                    say(f"process_silent_{role}", pid=process.pid, host=process.host, at=at),
                    key=str(process.id),
                    since=process.heartbeat_at,
                )
    if alive:
        hosts = len({process.host for process in alive})
        code = "processes_run" if hosts > 1 else "processes_run_one"
        yield well("processes", say(code, count=len(alive), hosts=hosts))


def examine_jobs(session: Connection, now: float) -> Iterator[Finding]:
    """Look at jobs that were given up, that wait for too long, and at queues that somebody paused."""
    parked, parked_at = session.execute(
        select(func.count(), func.min(jobs.c.finished_at)).where(jobs.c.state == "parked")
    ).one()
    if parked:
        what = say("jobs_given_up_one") if parked == 1 else say("jobs_given_up", count=parked)
        yield broken("jobs_parked", what, since=parked_at)
    paused = session.execute(select(job_pauses.c.kind, job_pauses.c.name, job_pauses.c.at)).all()
    for kind, name, at in paused:
        of_queue = say("paused_queue", name=name)
        yield broken(
            "jobs_paused",
            of_queue if kind == "queue" else f"the {kind} {name} is paused",
            key=f"{kind}:{name}",
            since=at,
        )
    queues = [name for kind, name, _ in paused if kind == "queue"]
    late, run_at = session.execute(
        select(func.count(), func.min(jobs.c.run_at)).where(
            jobs.c.state == "waiting", jobs.c.run_at < now - JOBS_LATE_S, jobs.c.queue.not_in(queues)
        )
    ).one()
    if late:
        yield broken("jobs_late", say("jobs_waiting", count=late, at=_time(run_at)), since=run_at)
    if not parked and not late:
        yield well("jobs", say("jobs_well"))


def examine_problems(session: Connection) -> Iterator[Finding]:
    """Tell of what was found while serving: damaged or missing bytes, and the like."""
    found = list_problems(session, limit=PROBLEMS_TOLD)
    for problem in found:
        yield broken(
            problem.kind if problem.kind in FAULTS else "other",
            problem.what,
            what_to_do=problem.what_to_do,
            key=problem.key,
            since=problem.at,
            subject=problem.kind,
        )
    counts = count_problems(session)
    if (total := sum(counts.values())) > len(found):
        kind = max(counts, key=lambda name: counts[name])
        yield broken(
            kind if kind in FAULTS else "other",
            say("more_problems", count=total - len(found)),
            what_to_do=say("more_problems_do"),
            key="more",
            subject="problems",
        )


def examine_scrub(archive: Archive, session: Connection, now: float) -> Iterator[Finding]:
    """Look whether the kept bytes are verified as often as the settings want, and when all were verified at once."""
    if not archive.settings.scrub_bytes_per_s:
        yield broken("scrub_late", say("scrub_off"))
    else:
        walk = read_walk(session, scrub.WALK)
        if walk.began_at == 0:
            yield well("scrub", say("worker_will_begin"))
        elif walk.is_under_way and now - walk.began_at > 2 * archive.settings.scrub_round_s:
            yield broken(
                "scrub_late",
                say("scrub_overdue", began=_time(walk.began_at), count=walk.instances),
                since=walk.began_at + archive.settings.scrub_round_s,
            )
        else:
            how_far = {"began": _time(walk.began_at), "count": walk.instances, "size": walk.size_bytes >> 20}
            ended = {"ended": _time(walk.ended_at or 0.0)}
            if not walk.is_under_way:
                yield well("scrub", say("scrub_ended", **ended, **how_far))
            elif walk.ended_at:
                yield well("scrub", say("scrub_under_way_again", **ended, **how_far))
            else:
                yield well("scrub", say("scrub_under_way", **how_far))
    verified = read_walk(session, verify.WALK)
    if verified.ended_at:
        yield well("verify", say("verified", count=verified.instances, at=_time(verified.ended_at)))


def examine_replica(archive: Archive, session: Connection, now: float) -> Iterator[Finding]:
    """Look how much waits for the replica, if there is one; that it is away is a problem that its job raises."""
    if archive.replica is None:
        return
    waiting, known = read_backlog(session), find_replica(session, archive.replica.url)
    waits = {"count": waiting.blobs, "url": archive.replica.url}
    if waiting.oldest_at is not None and now - waiting.oldest_at > REPLICA_BEHIND_S:
        what = say("replica_waits_since", at=_time(waiting.oldest_at), **waits)
        yield broken("replica_behind", what, since=waiting.oldest_at)
    elif known is None:
        yield broken("replica_behind", say("replica_new", url=archive.replica.url))
    elif known.filled_at is None:
        yield well("replica", say("replica_filling", **waits))
    else:
        yield well("replica", say("replica_waits", **waits))


def examine_sweep(archive: Archive) -> Iterator[Finding]:
    """Look when leftovers were last swept. Raises Unavailable when the store of the blobs is away."""
    swept_at = sweep.swept_at(archive)
    if not swept_at:
        yield well("sweep", say("worker_will"))
        return
    due_at = swept_at + 2 * archive.settings.sweep_interval_s + _SWEEP_TAKES_S
    if time.time() > due_at:
        yield broken("sweep_late", say("sweep_began", at=_time(swept_at)), since=due_at)
    else:
        yield well("sweep", say("sweep_began", at=_time(swept_at)))


def examine_people(archive: Archive) -> Iterator[Finding]:
    """Look whether somebody administers."""
    number = people.count_administrators(archive)
    if number:
        yield well("people", say("people_count", count=number) if number > 1 else say("people_one"))
    else:
        yield broken("people_missing", say("people_none"))


def examine_peers(archive: Archive) -> Iterator[Finding]:
    """Look whether scanners are admitted; whether they answer, a job finds out."""
    known = peers.list_peers(archive)
    if known:
        yield well("peers", say("peers_admitted", count=len(known)))
    else:
        yield broken("peers_missing", say("peers_none"))


def _time(at: Any) -> str:
    return time.strftime("%Y-%m-%d %H:%M:%S UTC", time.gmtime(float(at)))
