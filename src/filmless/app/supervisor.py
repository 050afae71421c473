"""Starts the processes of `filmless serve`, restarts one that dies, drains all on SIGTERM.

The supervisor imports everything once and forks: a child starts in milliseconds and shares its parent's code
pages. So it must hold no threads and no open database when it forks.
"""

from __future__ import annotations

import os
import select
import signal
import socket
import sys
import time
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass, field

import structlog

from filmless.app.logs import configure_logs
from filmless.app.process import die_with_parent, keep_freed_memory, raise_descriptor_limit
from filmless.config import Settings, host_and_port
from filmless.errors import Refused

log = structlog.get_logger()

Ready = Callable[[], None]
Runner = Callable[[Settings, Ready], None]

QUICK_DEATH_S = 5.0
RESTART_DELAY_MAX_S = 1.0  # a fork costs milliseconds: even a process that dies at once is tried every second


@dataclass
class Child:
    """One process: what it runs, and how its last lives went."""

    role: str
    runner: Runner
    pid: int = 0
    started_at: float = 0.0
    quick_deaths: int = 0
    restart_at: float = 0.0
    is_ready: bool = False
    ready_pipe: int = -1


@dataclass
class Supervisor:
    """Runs children until told to stop."""

    settings: Settings
    children: list[Child]
    on_ready: Callable[[], None]
    is_stopping: bool = False
    _said_ready: bool = field(default=False, init=False)

    def run(self) -> int:
        """Start all children and watch over them; return the exit code."""
        wake_r, wake_w = os.pipe2(os.O_CLOEXEC | os.O_NONBLOCK)
        signal.set_wakeup_fd(wake_w)
        for number in (signal.SIGTERM, signal.SIGINT, signal.SIGCHLD):
            signal.signal(number, self._on_signal)
        for child in self.children:
            self._start(child)
        deadline = 0.0
        while True:
            self._reap()
            alive = [child for child in self.children if child.pid]
            if self.is_stopping:
                if not alive:
                    return 0
                if not deadline:
                    deadline = time.monotonic() + self.settings.shutdown_timeout_s
                    self._signal_all(signal.SIGTERM)
                elif time.monotonic() > deadline:
                    log.warning("processes did not finish in time and are killed", roles=[c.role for c in alive])
                    self._signal_all(signal.SIGKILL)
                    deadline += 5
            else:
                for child in self.children:
                    if not child.pid and time.monotonic() >= child.restart_at:
                        self._start(child)
            pipes = [child.ready_pipe for child in self.children if child.ready_pipe >= 0]
            readable, _, _ = select.select([wake_r, *pipes], [], [], 0.5)
            if wake_r in readable:
                with suppress(BlockingIOError):
                    os.read(wake_r, 4096)
            self._note_ready(readable)

    def _on_signal(self, number: int, frame: object) -> None:
        if number != signal.SIGCHLD:
            self.is_stopping = True

    def _note_ready(self, readable: list[int]) -> None:
        for child in self.children:
            if child.ready_pipe in readable:
                child.is_ready = bool(os.read(child.ready_pipe, 1)) or child.is_ready
                os.close(child.ready_pipe)
                child.ready_pipe = -1
        if not self._said_ready and all(child.is_ready for child in self.children):
            self._said_ready = True
            self.on_ready()

    def _start(self, child: Child) -> None:
        reader, writer = os.pipe2(os.O_CLOEXEC)
        sys.stdout.flush()
        sys.stderr.flush()
        pid = os.fork()
        if pid == 0:
            code = 1
            try:
                os.close(reader)
                self._become(child, writer)
                code = 0
            except KeyboardInterrupt:
                code = 0
            except BaseException:
                log.exception("the process failed", role=child.role)
            finally:
                sys.stdout.flush()
                sys.stderr.flush()
                os._exit(code)
        os.close(writer)
        if child.ready_pipe >= 0:
            os.close(child.ready_pipe)
        child.pid, child.started_at, child.ready_pipe = pid, time.monotonic(), reader
        log.info("process started", child=child.role, pid=pid)

    def _become(self, child: Child, writer: int) -> None:
        signal.set_wakeup_fd(-1)
        signal.signal(signal.SIGCHLD, signal.SIG_DFL)
        signal.signal(signal.SIGTERM, signal.SIG_DFL)
        signal.signal(signal.SIGINT, signal.SIG_IGN)  # the terminal signals the whole group: the supervisor decides
        die_with_parent()
        keep_freed_memory()
        raise_descriptor_limit()
        configure_logs(self.settings, child.role)

        def say_ready() -> None:
            os.write(writer, b"1")

        child.runner(self.settings, say_ready)

    def _reap(self) -> None:
        while True:
            try:
                pid, status = os.waitpid(-1, os.WNOHANG)
            except ChildProcessError:
                return
            if pid == 0:
                return
            for child in self.children:
                if child.pid == pid:
                    self._bury(child, status)

    def _bury(self, child: Child, status: int) -> None:
        if os.environ.get("PROMETHEUS_MULTIPROC_DIR"):
            from prometheus_client import multiprocess  # not earlier: it looks then where counters are kept

            mark: Callable[[int], None] = multiprocess.mark_process_dead
            mark(child.pid)  # what it had open is no longer
        child.pid, child.is_ready = 0, False
        if self.is_stopping:
            return
        is_quick = time.monotonic() - child.started_at < QUICK_DEATH_S
        child.quick_deaths = child.quick_deaths + 1 if is_quick else 0
        delay = min(0.05 * 2 ** (child.quick_deaths - 2), RESTART_DELAY_MAX_S) if child.quick_deaths > 1 else 0.0
        child.restart_at = time.monotonic() + delay
        log.error(
            "a process ended and is started again",
            child=child.role,
            exit_code=os.waitstatus_to_exitcode(status),
            restart_in_s=delay,
        )

    def _signal_all(self, number: signal.Signals) -> None:
        for child in self.children:
            if child.pid:
                with suppress(ProcessLookupError):
                    os.kill(child.pid, number)


def check_free(address: str, what: str) -> None:
    """Make sure that nobody listens on an address yet: our listeners share ports among themselves and would not notice.

    Raises
    ------
    Refused: the address is taken, or is not ours to listen on; the message says which setting to change.
    """
    host, port = host_and_port(address)
    if port == 0:
        raise Refused(f"{what}: port 0 is not an address that others can find; name a port")
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    with socket.socket(family, socket.SOCK_STREAM) as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((host, port))
        except OSError as error:
            raise Refused(
                f"{what}: cannot listen on {address} ({error.strerror}); stop what uses it or choose another address"
            ) from error
