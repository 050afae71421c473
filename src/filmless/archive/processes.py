"""Which processes of Filmless are alive: each beats its row, on whatever machine it runs."""

from __future__ import annotations

import os
import socket
import threading
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import structlog
from sqlalchemy import Connection, delete, insert, select, update

from filmless.archive.tables import processes
from filmless.errors import Unavailable

if TYPE_CHECKING:
    from filmless.archive.archive import Archive

logger = structlog.get_logger()

BEAT_S = 10.0
FORGOTTEN_AFTER_S = 3600.0
"""A process that was lost is told for so long."""


@dataclass(frozen=True, slots=True)
class Process:
    """One process, as of its last beat."""

    id: int
    role: str
    host: str
    pid: int
    started_at: float
    heartbeat_at: float

    def is_alive(self, now: float) -> bool:
        """Whether it beat lately."""
        return now - self.heartbeat_at < 3 * BEAT_S


def list_processes(session: Connection) -> list[Process]:
    """All processes with a row, by role."""
    columns = [processes.c[name] for name in Process.__slots__]
    return [Process(*row) for row in session.execute(select(*columns).order_by(processes.c.role, processes.c.id))]


@contextmanager
def alive(archive: Archive, role: str, *, beat_s: float = BEAT_S) -> Iterator[int]:
    """Have a row while the block runs, beaten by a thread. Rows of those that are no more are removed on entry."""
    now = time.time()
    row = {"role": role, "host": socket.gethostname(), "pid": os.getpid(), "started_at": now, "heartbeat_at": now}
    with archive.transaction() as session:
        _remove_gone(session, str(row["host"]), now)
        key = int(session.execute(insert(processes).values(row).returning(processes.c.id)).scalar_one())
    stop = threading.Event()

    def beat() -> None:
        while not stop.wait(beat_s):
            try:
                with archive.transaction() as session:
                    _beat(session, key, row)
                archive.look_ahead()
            except Unavailable as error:
                logger.warning("heartbeat_missed", role=role, reason=str(error))

    thread = threading.Thread(target=beat, name="heartbeat", daemon=True)
    thread.start()
    try:
        yield key
    finally:
        stop.set()
        thread.join()
        try:
            with archive.transaction() as session:
                session.execute(delete(processes).where(processes.c.id == key))
        except Unavailable as error:
            logger.warning("process_row_left", role=role, reason=str(error))


def _beat(session: Connection, key: int, row: Mapping[str, Any]) -> None:
    """Beat; a row that was removed, because others thought that we were no more, is made again."""
    now = time.time()
    done = session.execute(update(processes).where(processes.c.id == key).values(heartbeat_at=now))
    if done.rowcount == 0:
        session.execute(insert(processes).values({**row, "id": key, "heartbeat_at": now}))


def _remove_gone(session: Connection, host: str, now: float) -> None:
    """Remove the rows of processes lost long ago, and of those on this machine that do not run."""
    session.execute(delete(processes).where(processes.c.heartbeat_at < now - FORGOTTEN_AFTER_S))
    for process in list_processes(session):
        if process.host == host and not _runs(process.pid):
            session.execute(delete(processes).where(processes.c.id == process.id))


def _runs(pid: int) -> bool:
    if pid == os.getpid():  # of one that had our number before us
        return False
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    except PermissionError:
        return True
    return True
