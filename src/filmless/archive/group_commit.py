"""Many transactions, one fsync: the one writer of a SQLite database.

Bodies run one after another on one connection, each in a SAVEPOINT of its own inside one open transaction (a group).
Whoever leaves its body while nobody waits for the next turn commits for all; the others sleep until that COMMIT is
on the disk. So one association alone commits each instance at once, and many share their fsyncs. (ADR-0006)

`run` takes the body as a function, so that whoever has the turn runs those that wait: no thread has to wake up while
all others are held up. It is for the paths that every instance takes; everything else reads better with `transaction`.

Held by order: turns are given first come, first served, and a group is closed when it is full or old.
Other processes take the database in turn too: who waits for it holds the turnstile, a lock file, so that a process
that has just committed queues behind.
"""

from __future__ import annotations

import contextlib
import fcntl
import os
import sqlite3
import threading
import time
from collections import deque
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, TypeVar

import structlog
from sqlalchemy import Connection
from sqlalchemy.exc import DBAPIError

from filmless.errors import Damaged, FilmlessError, Unavailable

logger = structlog.get_logger()

T = TypeVar("T")

_POLL_S = 0.0005
_GROUP_AGE_MAX_S = 0.02

_OUTAGES = {
    sqlite3.SQLITE_FULL: "no space is left on the disk",
    sqlite3.SQLITE_IOERR: "the disk reports an input/output error",
    sqlite3.SQLITE_READONLY: "the database file is read-only",
    sqlite3.SQLITE_CANTOPEN: "the database file cannot be opened",
    sqlite3.SQLITE_BUSY: "another process holds the database",
    sqlite3.SQLITE_LOCKED: "another connection holds the table",
    sqlite3.SQLITE_NOMEM: "the system has no memory left",
    sqlite3.SQLITE_PROTOCOL: "the lock of the database file cannot be taken",
}


def sqlite_outage(error: BaseException) -> FilmlessError | None:
    """Our error for a failure of SQLite that the statement did not cause; None for others."""
    if isinstance(error, DBAPIError) and error.orig is not None:
        error = error.orig
    if not isinstance(error, sqlite3.Error):
        return None
    code = getattr(error, "sqlite_errorcode", 0) & 0xFF
    if code in (sqlite3.SQLITE_CORRUPT, sqlite3.SQLITE_NOTADB):
        return Damaged(f"the database file is damaged ({error}); restore it, or run `filmless reindex`")
    if code in _OUTAGES:
        return Unavailable(f"the database cannot be used: {_OUTAGES[code]}")
    return None


class Moved(Unavailable):
    """The database has become another: nothing was done in this one, and nothing may be any more."""


class _Group:
    """Transactions that share a COMMIT. Touched only by who has the turn, until `is_committed` is settled."""

    def __init__(self) -> None:
        self.began_at = time.monotonic()
        self.size = 0
        self.sleepers: list[threading.Lock] = []
        self.is_committed = False
        self.error: FilmlessError = Unavailable("the database did not confirm the transaction")

    def is_due(self, size_max: int) -> bool:
        return self.size >= size_max or time.monotonic() - self.began_at > _GROUP_AGE_MAX_S

    def wake(self) -> None:
        for sleeper in self.sleepers:
            sleeper.release()

    def require_committed(self) -> None:
        if not self.is_committed:
            raise type(self.error)(*self.error.args)


class _Waiter:
    """A thread in the queue. It sleeps on `gate` until it has the turn or, with a body, until that was run for it."""

    __slots__ = ("body", "error", "gate", "group", "has_turn", "result")

    def __init__(self, body: Callable[[Connection], Any] | None) -> None:
        self.body = body
        self.gate = threading.Lock()
        self.gate.acquire()
        self.has_turn = False
        self.group: _Group | None = None
        self.result: Any = None
        self.error: BaseException | None = None


class GroupCommit:
    """The writer of one process. `session` is its only connection, in driver-level autocommit."""

    def __init__(
        self, session: Connection, turnstile: Path, was_moved: Callable[[], bool], *, size_max: int, timeout_s: float
    ) -> None:
        self._session = session
        driver = session.connection.driver_connection
        assert isinstance(driver, sqlite3.Connection)
        self._driver = driver
        self._was_moved = was_moved
        self._size_max = size_max
        self._timeout_s = timeout_s
        self._turnstile = os.open(turnstile, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o640)
        self._mutex = threading.Lock()
        self._is_taken = False
        self._is_closed = False
        self._waiting: deque[_Waiter] = deque()
        self._group: _Group | None = None
        self._thread_with_turn = 0

    @contextmanager
    def transaction(self) -> Iterator[Connection]:
        """Run the block as one transaction.

        Raises
        ------
        Unavailable: no turn within the timeout, or the database is away. The block's changes are not kept.
        Moved: the database is another now. The block was not entered.
        Whatever the block raises: its changes are not kept, those of others are.
        """
        self._queue_up(None)
        with self._in_turn() as session:
            yield session

    def run(self, body: Callable[[Connection], T]) -> T:
        """Run a function as one transaction, maybe in the thread of somebody who has the turn. Raises as above."""
        waiter = self._queue_up(body)
        if waiter is None or waiter.has_turn:
            with self._in_turn() as session:
                return body(session)
        if waiter.error is not None:
            raise waiter.error
        assert waiter.group is not None
        waiter.group.require_committed()
        result: T = waiter.result
        return result

    def close(self) -> None:
        """Wait for the work in hand and close."""
        self._queue_up(None)
        self._is_closed = True
        self._session.close()
        os.close(self._turnstile)
        self._end_turn()

    # The turn: one thread of this process at a time, first come, first served.

    def _queue_up(self, body: Callable[[Connection], Any] | None) -> _Waiter | None:
        """Wait for the turn, or for the body to be run; None when the turn was free."""
        if self._thread_with_turn == threading.get_ident():
            raise RuntimeError("a transaction inside a transaction: pass the session, or enqueue a job")
        with self._mutex:
            if not self._is_taken:
                self._is_taken = True
                self._thread_with_turn = threading.get_ident()
                return None
            waiter = _Waiter(body)
            self._waiting.append(waiter)
        try:
            is_served = waiter.gate.acquire(timeout=self._timeout_s) or not self._leave_queue(waiter)
        except BaseException:  # an interrupt; if the turn is on its way to us, take it and give it on
            if not self._leave_queue(waiter) and waiter.has_turn:
                self._thread_with_turn = threading.get_ident()
                self._end_turn()
            raise
        if not is_served:
            raise Unavailable(f"the database was busy for {self._timeout_s:g} s")
        if waiter.has_turn:
            self._thread_with_turn = threading.get_ident()
        return waiter

    def _leave_queue(self, waiter: _Waiter) -> bool:
        """Stop waiting. False when it is our turn, or our body was run: that has happened on return."""
        with self._mutex:
            if waiter in self._waiting:
                self._waiting.remove(waiter)
                return True
        waiter.gate.acquire()
        return False

    @contextmanager
    def _in_turn(self) -> Iterator[Connection]:
        """Run the block as one transaction of the open group, beginning one if there is none, and give the turn on."""
        try:
            group = self._group
            if group is None:
                self._begin()
                group = self._group = _Group()
            with self._body(group):
                yield self._session
        except BaseException:
            # What the body saw of others in its group, and may have raised for, is not durable yet.
            sleeper = self._end_turn(sleeps=self._group is not None and self._group.size > 0)
            if sleeper is not None:
                sleeper.acquire()
            raise
        sleeper = self._end_turn(sleeps=True)
        if sleeper is not None:
            sleeper.acquire()
        group.require_committed()

    def _end_turn(self, *, sleeps: bool = False) -> threading.Lock | None:
        """Run the bodies that wait, commit the group unless somebody follows who will, and give the turn on.

        With `sleeps`, returns the lock to sleep on until the group is settled; None when it is.
        """
        sleeper = None
        while True:
            group = self._group
            with self._mutex:
                # Once out of the queue the follower cannot leave: it is sure to come here itself.
                follower = self._waiting.popleft() if self._waiting else None
            if group is None:
                break
            if follower is None or group.is_due(self._size_max):
                self._commit(group)
                break
            if follower.body is None:
                if sleeps:
                    sleeper = threading.Lock()
                    sleeper.acquire()
                    group.sleepers.append(sleeper)
                break
            self._run_for(follower, group)
        self._thread_with_turn = 0
        if follower is None:
            with self._mutex:
                if self._waiting:
                    follower = self._waiting.popleft()
                else:
                    self._is_taken = False
        if follower is not None:
            follower.has_turn = True
            follower.gate.release()
        return sleeper

    def _run_for(self, waiter: _Waiter, group: _Group) -> None:
        """Run the body of a waiting thread in this one. It sleeps on until the group is settled."""
        assert waiter.body is not None
        waiter.group = group
        try:
            with self._body(group):
                waiter.result = waiter.body(self._session)
        except BaseException as error:  # noqa: BLE001 - raised again in the thread that it belongs to
            waiter.error = error
        if self._group is group:
            group.sleepers.append(waiter.gate)
        else:
            waiter.gate.release()

    # The database: every function below is called by who has the turn.

    @contextmanager
    def _body(self, group: _Group) -> Iterator[None]:
        """Take back what the block did when it raises, and only that."""
        # The first of a group needs no savepoint: what it takes back is all there is.
        is_first = group.size == 0
        if not is_first:
            self._driver.execute("SAVEPOINT body")
        try:
            yield
            if not is_first:
                self._driver.execute("RELEASE body")
        except BaseException as error:
            self._undo(group, error)
            outage = sqlite_outage(error)
            if outage is not None:
                raise outage from error
            raise
        group.size += 1

    def _begin(self) -> None:
        """Take the database from the other processes, in turn with them."""
        if self._is_closed:
            self._require_not_moved()
            raise Unavailable("the archive is closed")
        deadline = time.monotonic() + self._timeout_s
        while not _try_lock(self._turnstile):
            self._pause_until(deadline)
        try:
            while True:
                try:
                    self._driver.execute("BEGIN IMMEDIATE")
                except sqlite3.Error as error:
                    if getattr(error, "sqlite_errorcode", 0) & 0xFF != sqlite3.SQLITE_BUSY:
                        raise sqlite_outage(error) or error from error
                    self._pause_until(deadline)
                else:
                    # Whoever moves it says so while holding it: asked before, the answer could be out of date.
                    try:
                        self._require_not_moved()
                    except Moved:
                        self._roll_back()
                        raise
                    return
        finally:
            fcntl.flock(self._turnstile, fcntl.LOCK_UN)

    def _require_not_moved(self) -> None:
        if self._was_moved():
            raise Moved("the database was moved in this instant", retry_after_s=1)

    def _pause_until(self, deadline: float) -> None:
        if time.monotonic() > deadline:
            raise Unavailable(f"another process held the database for {self._timeout_s:g} s")
        time.sleep(_POLL_S)

    def _undo(self, group: _Group, error: BaseException) -> None:
        """Take back what one body did. SQLite may have taken back the whole group (a full disk does that)."""
        if group.size == 0:
            self._group = None
            self._roll_back()
            group.wake()
            return
        try:
            if self._driver.in_transaction:
                self._driver.execute("ROLLBACK TO body")
                self._driver.execute("RELEASE body")
                return
        except sqlite3.Error as second:
            logger.error("transaction_lost", error=str(second))
            self._roll_back()
        group.error = sqlite_outage(error) or Unavailable("the database lost the transaction")
        self._group = None
        group.wake()

    def _commit(self, group: _Group) -> None:
        self._group = None
        try:
            self._driver.execute("COMMIT" if group.size else "ROLLBACK")
            group.is_committed = True
        except sqlite3.Error as error:
            logger.error("commit_failed", error=str(error), transactions=group.size)
            group.error = sqlite_outage(error) or Unavailable(f"the database refused the commit: {error}")
        finally:
            if not group.is_committed:
                self._roll_back()
            group.wake()

    def _roll_back(self) -> None:
        with contextlib.suppress(sqlite3.Error):
            if self._driver.in_transaction:
                self._driver.execute("ROLLBACK")


def _try_lock(descriptor: int) -> bool:
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True
