"""Jobs: rows written in the transaction that caused them, run by whichever worker claims them. (ADR-0007)

A claim is a lease that the worker's heartbeat extends; when it runs out, any worker may take the job over, and the
first can no longer complete it (its completion is fenced by the claim's `owner`). So a function may run twice: it must
bear that. What fails is tried again later, and parked after the last attempt, for an administrator to see.
"""

from __future__ import annotations

import json
import secrets
import threading
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from functools import partial
from typing import TYPE_CHECKING, Any

import structlog
from sqlalchemy import (
    Connection,
    Float,
    Row,
    Select,
    and_,
    bindparam,
    case,
    delete,
    func,
    literal,
    or_,
    select,
    text,
    true,
    update,
)

from filmless.archive.database import Insert, Prepared, insert_for
from filmless.archive.events import publish
from filmless.archive.set_back import Clock, follow_clock
from filmless.archive.tables import job_pauses, jobs, schedules
from filmless.errors import FilmlessError, NotFound, Refused, Unavailable

if TYPE_CHECKING:
    from filmless.archive.archive import Archive

logger = structlog.get_logger()

_CLAIM_LOCK = 0x464A4F42  # PostgreSQL: claims of jobs with a destination are made one by one
_HEARTBEATS_PER_LEASE = 3

# Jobs that are told of otherwise: an event of each delivery of events would never come to an end.
_UNTOLD = frozenset({"deliver_webhook"})


class JobStopped(Exception):  # noqa: N818 - reads as a statement
    """Raised by JobContext.report and check: the job was cancelled, or another worker has it."""


@dataclass(frozen=True, slots=True)
class Job:
    """One job, as listed."""

    id: int
    name: str
    args: dict[str, Any]
    queue: str
    destination: str | None
    key: str | None
    priority: int
    state: str
    run_at: float
    attempts: int
    is_cancel_asked: bool
    progress: float | None
    progress_text: str | None
    error: str | None
    created_at: float
    finished_at: float | None


JobFunction = Callable[["Archive", dict[str, Any], "JobContext"], None]


def _enqueue_statement(insert: Insert) -> Any:
    names = ("name", "args", "queue", "destination", "key", "priority", "run_at", "created_at")
    statement = insert(jobs).values(
        {name: bindparam(name) for name in names}
        | {"state": "waiting", "attempts": 0, "is_cancel_asked": 0, "is_asked_again": 0}
    )
    is_running = jobs.c.state == "running"
    return statement.on_conflict_do_update(
        index_elements=[jobs.c.key],
        set_={
            "args": statement.excluded.args,
            "priority": statement.excluded.priority,
            "run_at": statement.excluded.run_at,
            "state": case((is_running, jobs.c.state), else_="waiting"),
            "attempts": case((is_running, jobs.c.attempts), else_=0),
            "is_asked_again": case((is_running, 1), else_=0),
            "is_cancel_asked": case((is_running, jobs.c.is_cancel_asked), else_=0),
            "error": case((is_running, jobs.c.error), else_=None),
            "finished_at": None,
        },
    ).returning(jobs.c.id)


_ENQUEUE = Prepared(_enqueue_statement)


def enqueue(
    session: Connection,
    name: str,
    args: Mapping[str, Any],
    *,
    queue: str = "default",
    destination: str | None = None,
    key: str | None = None,
    run_at: float | None = None,
    priority: int = 0,
) -> int:
    """Write a job into the caller's transaction and return its id.

    With `key` there is one job of that key: asking again moves its arguments and `run_at`; while it runs, it is run
    once more afterwards. Jobs of the same `destination` are limited in number. Higher priorities go first.
    """
    now = time.time()
    values = {
        "name": name,
        "args": json.dumps(dict(args)),
        "queue": queue,
        "destination": destination,
        "key": key,
        "priority": priority,
        "run_at": now if run_at is None else run_at,
        "created_at": now,
    }
    job_id = int(_ENQUEUE.run(session, values).fetchone()[0])
    if key is None:  # one with a key is asked for again and again, and told of when it runs
        _tell(session, job_id, name)
    return job_id


def _tell(session: Connection, job_id: int, name: str, event: str = "job") -> None:
    if name not in _UNTOLD or event == "job_parked":
        publish(session, event, str(job_id))


# What an administrator does with jobs.

_LISTED = [jobs.c[name] for name in Job.__slots__]


def list_jobs(
    session: Connection, *, state: str | None = None, cursor: int | None = None, limit: int = 100
) -> tuple[list[Job], int | None]:
    """Jobs, newest first; the second value is the cursor of the next page, None at the end."""
    query = select(*_LISTED).order_by(jobs.c.id.desc()).limit(limit + 1)
    if state is not None:
        query = query.where(jobs.c.state == state)
    if cursor is not None:
        query = query.where(jobs.c.id < cursor)
    found = [_job_of(row) for row in session.execute(query)]
    return (found, None) if len(found) <= limit else (found[:limit], found[limit - 1].id)


def get_job(session: Connection, job_id: int) -> Job:
    """One job. Raises NotFound."""
    row = session.execute(select(*_LISTED).where(jobs.c.id == job_id)).first()
    if row is None:
        raise NotFound(f"there is no job {job_id}; a job that is done may have been forgotten")
    return _job_of(row)


def find_by_key(session: Connection, key: str) -> Job | None:
    """The job of a key, if there is one."""
    row = session.execute(select(*_LISTED).where(jobs.c.key == key)).first()
    return None if row is None else _job_of(row)


def withdraw(session: Connection, key: str) -> None:
    """Take the job of a key back, unless it runs: then it must see for itself that it is not wanted."""
    session.execute(delete(jobs).where(jobs.c.key == key, jobs.c.state != "running"))


def count_jobs(session: Connection) -> dict[str, int]:
    """Jobs by state."""
    rows = session.execute(select(jobs.c.state, func.count().label("total")).group_by(jobs.c.state))
    return {row.state: row.total for row in rows}


def retry(session: Connection, job_id: int) -> None:
    """Run a parked or cancelled job again, now; a waiting one at once. Raises NotFound, Refused."""
    job = get_job(session, job_id)
    if job.state not in ("parked", "cancelled", "waiting"):
        raise Refused(f"job {job_id} is {job.state}: only a parked, cancelled or waiting job can be tried again")
    session.execute(
        update(jobs)
        .where(jobs.c.id == job_id)
        .values(state="waiting", attempts=0, run_at=time.time(), is_cancel_asked=0, error=None, finished_at=None)
    )
    _tell(session, job_id, job.name)


def cancel(session: Connection, job_id: int) -> None:
    """Cancel a job: a running one stops at its next report of progress. Raises NotFound, Refused."""
    job = get_job(session, job_id)
    if job.state == "running":
        session.execute(update(jobs).where(jobs.c.id == job_id).values(is_cancel_asked=1))
    elif job.state in ("waiting", "parked"):
        session.execute(
            update(jobs).where(jobs.c.id == job_id).values(state="cancelled", finished_at=time.time(), owner=None)
        )
    else:
        raise Refused(f"job {job_id} is {job.state}: there is nothing to cancel")
    _tell(session, job_id, job.name)


def pause(session: Connection, name: str, *, kind: str = "queue") -> None:
    """Start no more jobs of a queue or destination. Those that run go on."""
    if not is_paused(session, name, kind=kind):
        session.execute(job_pauses.insert().values(kind=kind, name=name, at=time.time()))
        publish(session, "job", name)


def resume(session: Connection, name: str, *, kind: str = "queue") -> None:
    """Start jobs of a paused queue or destination again."""
    session.execute(delete(job_pauses).where(job_pauses.c.kind == kind, job_pauses.c.name == name))
    publish(session, "job", name)


def is_paused(session: Connection, name: str, *, kind: str = "queue") -> bool:
    """Whether a queue or destination is paused."""
    query = select(job_pauses.c.at).where(job_pauses.c.kind == kind, job_pauses.c.name == name)
    return session.execute(query).first() is not None


def schedule(session: Connection, name: str, every_s: float) -> None:
    """Enqueue the job `name` every `every_s` seconds, the first time now. A known schedule keeps its next time."""
    known = session.execute(select(schedules.c.every_s).where(schedules.c.name == name)).scalar_one_or_none()
    if known is None:
        new = insert_for(session)(schedules).values(name=name, every_s=every_s, next_at=time.time())
        session.execute(new.on_conflict_do_nothing())  # another node may do so at the same moment
    elif known != every_s:
        next_at = time.time() + every_s
        session.execute(
            update(schedules)
            .where(schedules.c.name == name)
            .values(every_s=every_s, next_at=case((schedules.c.next_at < next_at, schedules.c.next_at), else_=next_at))
        )


def forget_finished(session: Connection, before: float) -> int:
    """Delete the done and cancelled jobs that ended before a time; returns how many."""
    return session.execute(
        delete(jobs).where(jobs.c.state.in_(("done", "cancelled")), jobs.c.finished_at < before)
    ).rowcount


# Running them.


@dataclass
class JobContext:
    """What a running job knows of itself and may say."""

    archive: Archive
    job_id: int
    name: str
    attempt: int
    owner: str
    stop: threading.Event
    created_at: float = 0.0
    _halt: threading.Event = field(default_factory=threading.Event)
    _reported_at: float = 0.0

    @property
    def is_stopping(self) -> bool:
        """Whether the process is being stopped: a long job ends early by raising Unavailable, and is run again."""
        return self.stop.is_set()

    def check(self) -> None:
        """Raise JobStopped when the job was cancelled or taken over. Cheap: the heartbeat asks the database."""
        if self._halt.is_set():
            raise JobStopped(f"job {self.job_id} was cancelled or taken over")

    def report(self, progress: float, progress_text: str | None = None) -> None:
        """Say how far the job is, from 0 to 1; written at most once a second. Raises JobStopped as `check`."""
        self.check()
        now = time.monotonic()
        if now - self._reported_at < 1.0 and progress < 1.0:
            return
        self._reported_at = now
        with self.archive.transaction() as session:
            session.execute(
                update(jobs)
                .where(jobs.c.id == self.job_id, jobs.c.owner == self.owner)
                .values(progress=progress, progress_text=progress_text)
            )
            _tell(session, self.job_id, self.name)


class Worker:
    """Runs jobs in threads until told to stop."""

    def __init__(
        self,
        archive: Archive,
        functions: Mapping[str, JobFunction],
        *,
        schedules: Mapping[str, float] | None = None,
        destination_limits: Mapping[str, int] | None = None,
        keeps_trying_s: Mapping[str, float] | None = None,
        lanes: Mapping[str, int] | None = None,
    ) -> None:
        self._archive = archive
        self._functions = dict(functions)
        self._schedules = dict(schedules or {})
        self._destination_limits = dict(destination_limits or {})
        self._keeps_trying_s = dict(keeps_trying_s or {})  # jobs that are tried for a time, not a number of times
        self._lanes = dict(lanes or {})  # queues with threads of their own, and how many: they hold up nobody else
        self._settings = archive.settings
        self._running: dict[int, JobContext] = {}
        self._mutex = threading.Lock()

    def run(self, stop: threading.Event) -> None:
        """Run until `stop` is set; jobs in hand are finished first."""
        self._until_available(self._write_schedules, stop)
        self._until_available(self._follow_clock, stop)
        runners = [
            threading.Thread(target=self._run_jobs, args=(stop, lane, looking), name=f"{lane or 'job'}-{number}")
            for lane, count, looking in [
                ("", self._settings.job_threads, threading.Lock()),
                *((name, count, threading.Lock()) for name, count in self._lanes.items()),
            ]
            for number in range(count)
        ]
        are_done, clock = threading.Event(), Clock()
        keeper = threading.Thread(target=self._keep_leases, args=(are_done,), name="job-leases")
        for thread in (*runners, keeper):
            thread.start()
        while not stop.wait(self._settings.job_poll_s):
            if clock.was_set_back():
                logger.warning("clock_set_back")
                self._until_available(self._follow_clock, stop)
            self._try(self._start_scheduled)
        for thread in runners:
            thread.join()
        are_done.set()
        keeper.join()

    def run_due(self) -> int:
        """Run everything that is due, in this thread; returns how many jobs ran."""
        count = 0
        while self._run_one(threading.Event()):
            count += 1
        return count

    def _run_jobs(self, stop: threading.Event, lane: str, looking: threading.Lock) -> None:
        while not stop.is_set():
            with looking:  # one looks at a time: threads that have nothing to do cost nothing
                claimed = None if stop.is_set() else self._try(lambda: self._claim(stop, lane))
                if claimed is None:
                    stop.wait(self._settings.job_poll_s)
                    continue
            self._try(partial(self._carry_out, *claimed))

    def _try(self, step: Callable[[], Any]) -> Any:
        """One step of the loop. The database may be away for a while: the loop outlives that."""
        try:
            return step()
        except FilmlessError as error:
            logger.warning("worker_waits", reason=str(error))
        except Exception:
            logger.exception("worker_failed")
        return None

    def _until_available(self, step: Callable[[], Any], stop: threading.Event) -> None:
        while not stop.is_set():
            try:
                step()
            except Unavailable as error:
                logger.warning("worker_waits", reason=str(error))
                stop.wait(1.0)
            else:
                return

    # Claiming

    def _run_one(self, stop: threading.Event) -> bool:
        claimed = self._claim(stop)
        if claimed is not None:
            self._carry_out(*claimed)
        return claimed is not None

    def _carry_out(self, job: JobContext, args: dict[str, Any]) -> None:
        with self._mutex:
            self._running[job.job_id] = job
        try:
            self._execute(job, args)
        finally:
            with self._mutex:
                self._running.pop(job.job_id, None)

    def _claim(self, stop: threading.Event, lane: str | None = None) -> tuple[JobContext, dict[str, Any]] | None:
        """Take the next job of a lane: of a queue with threads of its own, of all others (""), or any (None)."""
        with self._archive.reading() as session:  # looking is cheaper than taking the turn to write
            if session.execute(self._due(time.time(), lane)).first() is None:
                return None
        while True:
            now = time.time()
            owner = secrets.token_hex(12)
            with self._archive.transaction() as session:
                if session.dialect.name == "postgresql":
                    session.execute(text(f"SELECT pg_advisory_xact_lock({_CLAIM_LOCK})"))
                row = session.execute(self._due(now, lane).with_for_update(skip_locked=True)).first()
                if row is None:
                    return None
                if row.state == "running" and self._is_last(row.name, row.attempts, row.created_at):
                    _end(session, row.id, row.name, row.owner, "parked", f"its worker vanished {row.attempts} times")
                    continue
                session.execute(
                    update(jobs)
                    .where(jobs.c.id == row.id)
                    .values(
                        state="running",
                        owner=owner,
                        lease_until=now + self._settings.job_lease_s,
                        attempts=row.attempts + 1,
                        is_asked_again=0,
                    )
                )
                _tell(session, row.id, row.name)
            job = JobContext(self._archive, row.id, row.name, row.attempts + 1, owner, stop, row.created_at)
            return job, json.loads(row.args)

    def _is_last(self, name: str, attempts: int, created_at: float) -> bool:
        """Whether an attempt that failed was the last."""
        keeps_trying_s = self._keeps_trying_s.get(name)
        if keeps_trying_s is None:
            return bool(attempts >= self._settings.job_attempts_max)
        return bool(attempts >= self._settings.job_attempts_max and time.time() - created_at >= keeps_trying_s)

    def _due(self, now: float, lane: str | None) -> Select[Any]:
        """The next job that may be run, if any."""
        of_lane = jobs.c.queue.not_in(list(self._lanes)) if lane == "" else jobs.c.queue == lane
        others = jobs.alias("others")
        of_destination = (
            select(func.count())
            .select_from(others)
            .where(others.c.destination == jobs.c.destination, others.c.state == "running", others.c.lease_until >= now)
            .scalar_subquery()
        )
        default = self._settings.job_destination_max
        limits = [(jobs.c.destination == name, limit) for name, limit in self._destination_limits.items()]
        limit = case(*limits, else_=default) if limits else literal(default)
        paused = select(job_pauses.c.name)
        return (
            select(jobs)
            .where(
                true() if lane is None else of_lane,
                or_(
                    and_(jobs.c.state == "waiting", jobs.c.run_at <= now),
                    and_(jobs.c.state == "running", jobs.c.lease_until < now),
                ),
                jobs.c.queue.not_in(paused.where(job_pauses.c.kind == "queue")),
                or_(
                    jobs.c.destination.is_(None),
                    and_(
                        jobs.c.destination.not_in(paused.where(job_pauses.c.kind == "destination")),
                        of_destination < limit,
                    ),
                ),
            )
            .order_by(jobs.c.priority.desc(), jobs.c.run_at, jobs.c.id)
            .limit(1)
        )

    # Running and ending

    def _execute(self, job: JobContext, args: dict[str, Any]) -> None:
        state, error, wait_s = "done", None, 0.0
        function = self._functions.get(job.name)
        try:
            if function is None:
                raise Refused(f"this version of Filmless has no job {job.name}")
            function(self._archive, args, job)
        except JobStopped:
            state = "cancelled"
        except Refused as refusal:  # the same would happen again
            state, error = "parked", str(refusal)
        except FilmlessError as failure:
            state, error, wait_s = "waiting", str(failure), float(getattr(failure, "retry_after_s", 0))
        except Exception as bug:
            logger.exception("job_failed", job=job.job_id, name=job.name)
            state, error = "waiting", f"{type(bug).__name__}: an error in Filmless; the log has more"
        if state == "waiting":
            if self._is_last(job.name, job.attempt, job.created_at):
                state = "parked"
            else:
                backoff_s = self._settings.job_backoff_s * 3.0 ** min(job.attempt - 1, 30)
                wait_s = max(wait_s, min(backoff_s, self._settings.job_backoff_max_s))
        with self._archive.transaction() as session:
            is_ours = _end(session, job.job_id, job.name, job.owner, state, error, wait_s)
        logger.info("job_ended", job=job.job_id, name=job.name, state=state if is_ours else "taken over", error=error)

    def _keep_leases(self, are_done: threading.Event) -> None:
        """Extend the leases of what runs here; halt what was cancelled or taken over."""
        period_s = min(1.0, self._settings.job_lease_s / _HEARTBEATS_PER_LEASE)
        extended_at = 0.0
        while not are_done.wait(period_s):
            with self._mutex:
                running = list(self._running.values())
            if not running:
                continue
            now = time.time()
            extends = now - extended_at >= self._settings.job_lease_s / _HEARTBEATS_PER_LEASE - period_s / 2
            if self._try(partial(self._keep, running, extends)) and extends:
                extended_at = now

    def _keep(self, running: list[JobContext], extends: bool) -> bool:
        if extends:
            with self._archive.transaction() as session:
                lease_until = time.time() + self._settings.job_lease_s
                for job in running:
                    session.execute(
                        update(jobs)
                        .where(jobs.c.id == job.job_id, jobs.c.owner == job.owner)
                        .values(lease_until=lease_until)
                    )
        with self._archive.reading() as session:
            ids = [job.job_id for job in running]
            query = select(jobs.c.id, jobs.c.owner).where(jobs.c.id.in_(ids), jobs.c.is_cancel_asked == 0)
            ours = {(row.id, row.owner) for row in session.execute(query)}
        for job in running:
            if (job.job_id, job.owner) not in ours:
                job._halt.set()
        return True

    # Schedules

    def _write_schedules(self) -> None:
        with self._archive.transaction() as session:
            for name, every_s in self._schedules.items():
                schedule(session, name, every_s)
            session.execute(delete(schedules).where(schedules.c.name.not_in(list(self._schedules))))

    def _follow_clock(self) -> None:
        with self._archive.transaction() as session:
            follow_clock(session, self._settings.job_lease_s)

    def _start_scheduled(self) -> None:
        now = time.time()
        query = select(schedules).where(schedules.c.next_at <= now)
        with self._archive.reading() as session:
            if session.execute(query).first() is None:
                return
        with self._archive.transaction() as session:
            for row in session.execute(query.with_for_update(skip_locked=True)).all():
                session.execute(update(schedules).where(schedules.c.name == row.name).values(next_at=now + row.every_s))
                enqueue(session, row.name, {}, key=f"schedule:{row.name}")


def _end(
    session: Connection, job_id: int, name: str, owner: str | None, state: str, error: str | None, wait_s: float = 0.0
) -> bool:
    """End a claim, unless another worker has it by now: then False. A job with a key leaves no row when it is done."""
    now = time.time()
    is_again = and_(jobs.c.is_asked_again == 1, literal(state in ("done", "parked")))
    values: dict[str, Any] = {
        "state": case((is_again, "waiting"), else_=state),
        "attempts": case((is_again, 0), else_=jobs.c.attempts),
        "owner": None,
        "lease_until": None,
        "error": error,
        "finished_at": None if state == "waiting" else case((is_again, literal(None, Float)), else_=now),
    }
    if state == "waiting":
        values["run_at"] = now + wait_s
    if state == "done":
        values["progress"] = 1.0
    if session.execute(update(jobs).where(jobs.c.id == job_id, jobs.c.owner == owner).values(values)).rowcount == 0:
        return False
    _tell(session, job_id, name)
    if state == "parked":
        _tell(session, job_id, name, "job_parked")
    if state == "done":
        session.execute(delete(jobs).where(jobs.c.id == job_id, jobs.c.key.is_not(None), jobs.c.state == "done"))
    return True


def _job_of(row: Row[Any]) -> Job:
    values = dict(row._mapping)
    return Job(**values | {"args": json.loads(values["args"]), "is_cancel_asked": bool(values["is_cancel_asked"])})
