"""Many transactions, one fsync: the one writer of a SQLite database.

Bodies run one after another on one connection, each in a SAVEPOINT of its own inside one open transaction (a group).
Whoever leaves its body while nobody waits for the next turn commits for all; the others sleep until that COMMIT is
on the disk. So one association alone commits each instance at once, and many share their fsyncs. (ADR-0006)

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
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import structlog
from sqlalchemy import Connection
from sqlalchemy.exc import DBAPIError

from filmless.errors import Damaged, FilmlessError, Unavailable

logger = structlog.get_logger()

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


class _Group:
    """Transactions that share a COMMIT. Touched only by who has the turn, until `is_committed` is settled."""

    def __init__(self) -> None:
        self.began_at = time.monotonic()
        self.size = 0
        self.sleepers: list[threading.Lock] = []
        self.is_committed = False
        self.error: FilmlessError = Unavailable("the database did not confirm the transaction")

    def wake(self) -> None:
        for sleeper in self.sleepers:
            sleeper.release()


class GroupCommit:
    """The writer of one process. `session` is its only connection, in driver-level autocommit."""

    def __init__(self, session: Connection, turnstile: Path, *, size_max: int, timeout_s: float) -> None:
        self._session = session
        driver = session.connection.driver_connection
        assert isinstance(driver, sqlite3.Connection)
        self._driver = driver
        self._size_max = size_max
        self._timeout_s = timeout_s
        self._turnstile = os.open(turnstile, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o640)
        self._mutex = threading.Lock()
        self._is_taken = False
        self._waiting: deque[threading.Lock] = deque()
        self._group: _Group | None = None
        self._thread_with_turn = 0

    @contextmanager
    def transaction(self) -> Iterator[Connection]:
        """Run the block as one transaction.

        Raises
        ------
        Unavailable: no turn within the timeout, or the database is away. The block's changes are not kept.
        Whatever the block raises: its changes are not kept, those of others are.
        """
        if self._thread_with_turn == threading.get_ident():
            raise RuntimeError("a transaction inside a transaction: pass the session, or enqueue a job")
        self._take_turn()
        try:
            group = self._group
            if group is None:
                self._begin()
                group = self._group = _Group()
            self._driver.execute("SAVEPOINT body")
            try:
                yield self._session
                self._driver.execute("RELEASE body")
            except BaseException as error:
                self._undo(group, error)
                outage = sqlite_outage(error)
                if outage is not None:
                    raise outage from error
                raise
            group.size += 1
        except BaseException:
            # What the body saw of others in its group, and may have raised for, is not durable yet.
            sleeper = self._end_turn(sleeps=self._group is not None and self._group.size > 0)
            if sleeper is not None:
                sleeper.acquire()
            raise
        sleeper = self._end_turn(sleeps=True)
        if sleeper is not None:
            sleeper.acquire()
        if not group.is_committed:
            raise type(group.error)(*group.error.args)

    def close(self) -> None:
        """Wait for the work in hand and close."""
        self._take_turn()
        self._session.close()
        os.close(self._turnstile)

    # The turn: one thread of this process at a time, first come, first served.

    def _take_turn(self) -> None:
        with self._mutex:
            if not self._is_taken:
                self._is_taken = True
                self._thread_with_turn = threading.get_ident()
                return
            gate = threading.Lock()
            gate.acquire()
            self._waiting.append(gate)
        try:
            is_ours = gate.acquire(timeout=self._timeout_s) or not self._leave_queue(gate)
        except BaseException:  # an interrupt; if the turn is on its way to us, take it and give it on
            if not self._leave_queue(gate):
                self._thread_with_turn = threading.get_ident()
                self._end_turn()
            raise
        if not is_ours:
            raise Unavailable(f"the database was busy for {self._timeout_s:g} s")
        self._thread_with_turn = threading.get_ident()

    def _leave_queue(self, gate: threading.Lock) -> bool:
        """Stop waiting. False when the turn was given to us meanwhile: it is ours on return."""
        with self._mutex:
            if gate in self._waiting:
                self._waiting.remove(gate)
                return True
        gate.acquire()
        return False

    def _end_turn(self, *, sleeps: bool = False) -> threading.Lock | None:
        """Give the turn on. Commit the open group first, unless somebody follows who will.

        With `sleeps`, returns the lock to sleep on until that has happened; None when it has.
        """
        sleeper = None
        group = self._group
        with self._mutex:
            # Once out of the queue the follower cannot leave: it is sure to come here itself.
            follower = self._waiting.popleft() if self._waiting else None
        if group is not None:
            if follower is None or group.size >= self._size_max or time.monotonic() - group.began_at > _GROUP_AGE_MAX_S:
                self._commit(group)
            elif sleeps:
                sleeper = threading.Lock()
                sleeper.acquire()
                group.sleepers.append(sleeper)
        self._thread_with_turn = 0
        if follower is None:
            with self._mutex:
                if self._waiting:
                    follower = self._waiting.popleft()
                else:
                    self._is_taken = False
        if follower is not None:
            follower.release()
        return sleeper

    # The database: every function below is called by who has the turn.

    def _begin(self) -> None:
        """Take the database from the other processes, in turn with them."""
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
                    return
        finally:
            fcntl.flock(self._turnstile, fcntl.LOCK_UN)

    def _pause_until(self, deadline: float) -> None:
        if time.monotonic() > deadline:
            raise Unavailable(f"another process held the database for {self._timeout_s:g} s")
        time.sleep(_POLL_S)

    def _undo(self, group: _Group, error: BaseException) -> None:
        """Take back what one body did. SQLite may have taken back the whole group (a full disk does that)."""
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
