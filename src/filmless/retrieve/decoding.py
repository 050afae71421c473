"""The pool of child processes that decode pixel data, seen from the server (docs/decisions/0008).

A frame that hangs, crashes or devours memory ends its child, which is replaced; the server answers that the frame
cannot be decoded and goes on. Waiting is bounded: who finds the queue full is told to come again.
"""

from __future__ import annotations

import contextlib
import os
import signal
import socket
import subprocess
import threading
import time
import weakref
from collections.abc import Callable, Iterator
from typing import Any, Final

import structlog

from filmless.archive import Archive
from filmless.errors import NotAcceptable, Refused, Unavailable
from filmless.retrieve.decoder import command, receive_message, send_message

log = structlog.get_logger()

_SOCKET_BYTES: Final = 1 << 20
_ENDING_S: Final = 1.0  # time in which a child that closed its end of the socket ends, so that it can say of what
_ENVIRONMENT: Final = ("PATH", "LANG", "LC_ALL", "LD_LIBRARY_PATH", "SYSTEMROOT", "TZ")
_CHILD_ENVIRONMENT: Final = {
    "OPENBLAS_NUM_THREADS": "1",
    "OMP_NUM_THREADS": "1",
    # glibc else gives the memory of each frame back to the kernel, and asks for it again with the next.
    "MALLOC_TRIM_THRESHOLD_": str(256 << 20),
    "MALLOC_MMAP_THRESHOLD_": str(32 << 20),
    "MALLOC_TOP_PAD_": str(64 << 20),
}
_Ask = Callable[[dict[str, Any], list[bytes | memoryview]], tuple[dict[str, Any], memoryview]]
_KINDS: Final = {"Refused": Refused, "NotAcceptable": NotAcceptable}


class _Child:
    """One decoder process and our end of its socket."""

    def __init__(self, memory_bytes: int, timeout_s: float, samples_max: int, niceness: int) -> None:
        self._timeout_s = timeout_s
        self._length_max = samples_max * 8 + (64 << 20)
        self._connection, theirs = socket.socketpair()
        with theirs:
            for end in (self._connection, theirs):
                end.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, _SOCKET_BYTES)
            environment = {name: os.environ[name] for name in _ENVIRONMENT if name in os.environ}
            self._process = subprocess.Popen(
                command(theirs.fileno(), memory_bytes, timeout_s, samples_max, niceness),
                pass_fds=[theirs.fileno()],
                stdin=subprocess.DEVNULL,
                stdout=subprocess.DEVNULL,
                stderr=subprocess.DEVNULL,
                env={**environment, **_CHILD_ENVIRONMENT},
                cwd="/",
            )

    @property
    def pid(self) -> int:
        return self._process.pid

    def ask(self, task: dict[str, Any], parts: list[bytes | memoryview]) -> tuple[dict[str, Any], memoryview]:
        """Do one task.

        Raises
        ------
        TimeoutError, EOFError, OSError, ValueError: this child is of no more use.
        """
        self._connection.settimeout(self._timeout_s)
        send_message(self._connection, task, parts)
        info, answer = receive_message(self._connection, length_max=self._length_max)
        return info, answer[0] if answer else memoryview(b"")

    def kill(self, *, after_s: float = 0.0) -> int:
        """End the process, if it does not by itself within that time, and give its exit status."""
        self._connection.close()
        if after_s:
            with contextlib.suppress(subprocess.TimeoutExpired):
                return self._process.wait(after_s)
        with contextlib.suppress(ProcessLookupError):
            self._process.kill()
        return self._process.wait()


class _Killed(Exception):  # noqa: N818 - reads as a statement
    """A child ended by SIGKILL, which no frame brings about by itself: an operator, or the kernel short of memory."""


class Decoders:
    """At most `processes` children, made when first needed."""

    def __init__(
        self,
        *,
        processes: int,
        memory_bytes: int,
        timeout_s: float,
        samples_max: int,
        waiting_max: int,
        niceness: int = 0,
    ) -> None:
        self._processes = processes
        self._memory_bytes = memory_bytes
        self._timeout_s = timeout_s
        self._samples_max = samples_max
        self._waiting_max = waiting_max
        self._niceness = niceness
        self._changed = threading.Condition()
        self._idle: list[_Child] = []
        self._busy = 0
        self._waiting = 0
        self._is_closed = False

    def run(self, task: dict[str, Any], parts: list[bytes | memoryview]) -> tuple[dict[str, Any], memoryview]:
        """Do one task in a child. Blocks; any thread may call. A task whose child is killed by others is tried again.

        Raises
        ------
        NotAcceptable: the frame cannot be decoded, or not encoded as wished.
        Unavailable: too many wait, no child came free in time, or others killed it again.
        """
        try:
            info, data = self._run(task, parts)
        except _Killed:
            try:
                info, data = self._run(task, parts)
            except _Killed as error:
                raise Unavailable(f"the pixel data are not decoded now: {error}", retry_after_s=2) from error
        if "refused" in info:
            raise NotAcceptable(str(info.get("message", "the pixel data cannot be decoded")))
        return info, data

    def _run(self, task: dict[str, Any], parts: list[bytes | memoryview]) -> tuple[dict[str, Any], memoryview]:
        child = self._take()
        try:
            info, data = child.ask(task, parts)
        except (OSError, EOFError, ValueError) as error:
            is_late = isinstance(error, TimeoutError)
            is_ending = not is_late and not isinstance(error, ValueError)
            status = child.kill(after_s=_ENDING_S if is_ending else 0.0)
            self._give(None)
            log.warning("decoder ended", is_late=is_late, status=status, task=task.get("task"), key=task.get("key"))
            if is_ending and status == -signal.SIGKILL:
                raise _Killed("its decoder was killed, twice") from error
            reason = f"took over {self._timeout_s:g} s" if is_late else f"ended the decoder (status {status})"
            raise NotAcceptable(f"the pixel data cannot be decoded: it {reason}") from error
        except BaseException:
            child.kill()
            self._give(None)
            raise
        self._give(child)
        return info, data

    @contextlib.contextmanager
    def lease(self) -> Iterator[_Ask]:
        """Give one child for tasks that follow each other, as a function that does the next of them.

        Whatever goes wrong within ends the child, with all that it held. Raises as `run`.
        """
        child = self._take()
        is_whole = False

        def ask(task: dict[str, Any], parts: list[bytes | memoryview]) -> tuple[dict[str, Any], memoryview]:
            try:
                info, data = child.ask(task, parts)
            except (OSError, EOFError, ValueError) as error:
                log.warning("decoder ended", is_late=isinstance(error, TimeoutError), task=task.get("task"))
                reason = str(error) or type(error).__name__
                raise NotAcceptable(f"the process that works on it ended: {reason}") from error
            if "refused" in info:
                raise NotAcceptable(str(info.get("message", "it cannot be made")))
            return info, data

        try:
            yield ask
            is_whole = True
        finally:
            if not is_whole:
                child.kill()
            self._give(child if is_whole else None)

    def close(self) -> None:
        """End all children that have nothing to do, and the others when they are done."""
        with self._changed:
            self._is_closed = True
            idle, self._idle = self._idle, []
            self._changed.notify_all()
        for child in idle:
            child.kill()

    def pids(self) -> list[int]:
        """List the processes that wait for work."""
        with self._changed:
            return [child.pid for child in self._idle]

    def _take(self) -> _Child:
        deadline = time.monotonic() + self._timeout_s
        with self._changed:
            if self._is_closed:
                raise Unavailable("the server is stopping")
            if self._busy >= self._processes:
                if self._waiting >= self._waiting_max:
                    raise Unavailable(f"{self._waiting} frames already wait to be decoded", retry_after_s=2)
                self._waiting += 1
                try:
                    while self._busy >= self._processes and not self._is_closed:
                        if not self._changed.wait(deadline - time.monotonic()):
                            raise Unavailable("no decoder came free in time", retry_after_s=5)
                finally:
                    self._waiting -= 1
            self._busy += 1
            if self._idle:
                return self._idle.pop()
        try:
            return _Child(self._memory_bytes, self._timeout_s, self._samples_max, self._niceness)
        except OSError as error:
            self._give(None)
            raise Unavailable(f"a decoder process cannot be started: {error}") from error

    def _give(self, child: _Child | None) -> None:
        with self._changed:
            self._busy -= 1
            if child is not None and not self._is_closed:
                self._idle.append(child)
                child = None
            self._changed.notify()
        if child is not None:
            child.kill()


_pools: weakref.WeakKeyDictionary[Archive, Decoders] = weakref.WeakKeyDictionary()
_background_pools: weakref.WeakKeyDictionary[Archive, Decoders] = weakref.WeakKeyDictionary()
_film_pools: weakref.WeakKeyDictionary[Archive, Decoders] = weakref.WeakKeyDictionary()
_pools_lock = threading.Lock()
_FILM_NICENESS: Final = 5
_BACKGROUND_NICENESS: Final = 19


def decoders(archive: Archive) -> Decoders:
    """Give the pool of this process for an archive; its children end with the archive or the process."""
    with _pools_lock:
        pool = _pools.get(archive)
        if pool is None:
            pool = _made(archive, archive.settings.decoder_processes, 0)
            _pools[archive] = pool
        return pool


def background_decoders(archive: Archive) -> Decoders:
    """Give the one child for work that nobody waits for: it runs when the processor has nothing else to do."""
    with _pools_lock:
        pool = _background_pools.get(archive)
        if pool is None:
            pool = _made(archive, 1, _BACKGROUND_NICENESS)
            _background_pools[archive] = pool
        return pool


def film_decoders(archive: Archive) -> Decoders:
    """Give the one child that encodes videos. A video takes seconds: it must not stand in the way of frames."""
    with _pools_lock:
        pool = _film_pools.get(archive)
        if pool is None:
            pool = _made(archive, 1, _FILM_NICENESS)
            _film_pools[archive] = pool
        return pool


def _made(archive: Archive, processes: int, niceness: int) -> Decoders:
    settings = archive.settings
    pool = Decoders(
        processes=processes,
        memory_bytes=settings.decode_memory_bytes,
        timeout_s=settings.decode_timeout_s,
        samples_max=settings.frame_pixels_max,
        waiting_max=settings.decode_waiting_max,
        niceness=niceness,
    )
    weakref.finalize(archive, pool.close)
    return pool
