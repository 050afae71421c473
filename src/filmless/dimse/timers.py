"""One thread that ends waits which last too long, so that an association's own thread may block without a timeout.

A timeout on a socket costs a poll for every read and cannot express "the whole PDU by then"; a deadline can.
"""

from __future__ import annotations

import threading
import time
from typing import Protocol

NEVER = float("inf")
_TICK_S = 0.1


class Watched(Protocol):
    """Something that may wait: when `deadline` (monotonic clock) has passed, `expire` wakes it."""

    deadline: float

    def expire(self) -> None:
        """End the wait that is under way."""


class Timers:
    """Looks at the deadlines of all that is watched, ten times a second while there is any."""

    def __init__(self) -> None:
        self._watched: set[Watched] = set()
        self._changed = threading.Condition()
        self._thread: threading.Thread | None = None

    def watch(self, watched: Watched) -> None:
        """Begin to watch."""
        with self._changed:
            self._watched.add(watched)
            if self._thread is None or not self._thread.is_alive():  # not alive: we are the child of a fork
                self._thread = threading.Thread(target=self._run, name="dimse-timers", daemon=True)
                self._thread.start()
            self._changed.notify()

    def forget(self, watched: Watched) -> None:
        """Watch no longer."""
        with self._changed:
            self._watched.discard(watched)

    def _run(self) -> None:
        while True:
            with self._changed:
                while not self._watched:
                    self._changed.wait()
                now = time.monotonic()
                late = [watched for watched in self._watched if watched.deadline < now]
            for watched in late:
                watched.expire()
            time.sleep(_TICK_S)


TIMERS = Timers()
