"""Starts whole servers (`filmless serve`) for system and browser tests, and talks to their command line."""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import sys
import threading
import time
import urllib.request
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

ADMIN, PASSWORD = "admin", "correct-horse-battery-staple"
READY_S = 60.0


def free_port() -> int:
    """Return a port that was free a moment ago."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def filmless(
    data: Path, *words: str, stdin: str = "", check: bool = True, settings: Mapping[str, Any] | None = None
) -> subprocess.CompletedProcess[str]:
    """Run one command on a data folder, with further settings."""
    env = {**os.environ, **in_environment(settings or {}), "FILMLESS_DATA": str(data)}
    return subprocess.run(
        [sys.executable, "-m", "filmless", *words], input=stdin, capture_output=True, text=True, check=check, env=env
    )


def in_environment(settings: Mapping[str, Any]) -> dict[str, str]:
    """Settings as variables."""
    return {f"FILMLESS_{name.upper()}": str(value) for name, value in settings.items()}


def children_of(pid: int) -> dict[int, str]:
    """Return the pids of the processes that a supervisor started (Linux)."""
    found = {}
    for task in Path(f"/proc/{pid}/task").iterdir():
        for child in (task / "children").read_text().split():
            found[int(child)] = Path(f"/proc/{child}/cmdline").read_bytes().decode().replace("\0", " ")
    return found


@dataclass
class RunningServer:
    """One `filmless serve` with an administrator and the peer that tests send from."""

    data: Path
    http_port: int = field(default_factory=free_port)
    dicom_port: int = field(default_factory=free_port)
    settings: dict[str, Any] = field(default_factory=dict)
    ready_s: float = 0.0
    process: subprocess.Popen[str] | None = None
    token: str = ""
    output: list[str] = field(default_factory=list)

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.http_port}"

    @property
    def log_path(self) -> Path:
        return self.data.parent / f"{self.data.name}.log"

    def start(self, *flags: str, with_admin: bool = True) -> RunningServer:
        """Start and wait until it says that it is ready."""
        words = ["serve", "--data", str(self.data), "--http", f"127.0.0.1:{self.http_port}"]
        words += ["--dicom", f"127.0.0.1:{self.dicom_port}", *flags]
        if with_admin:
            words += ["--admin", ADMIN, "--admin-password-stdin"]
        env = {**os.environ, **in_environment(self.settings)}
        began = time.monotonic()
        with self.log_path.open("a") as log:
            self.process = subprocess.Popen(
                [sys.executable, "-m", "filmless", *words],
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=log,
                text=True,
                env=env,
            )
        assert self.process.stdin
        self.process.stdin.write(PASSWORD + "\n")
        self.process.stdin.close()
        is_ready = threading.Event()
        threading.Thread(target=self._read, args=(is_ready,), daemon=True).start()
        deadline = began + READY_S
        while not is_ready.wait(0.05) and time.monotonic() < deadline and self.process.poll() is None:
            pass
        if not is_ready.is_set():
            raise AssertionError(f"not ready after {READY_S} s:\n{self.log_path.read_text()[-4000:]}")
        self.ready_s = time.monotonic() - began
        return self

    def _read(self, is_ready: threading.Event) -> None:
        assert self.process and self.process.stdout
        for line in self.process.stdout:
            self.output.append(line)
            if "ready" in line:
                is_ready.set()

    def admit(self, ae: str = "TEST", allow: str = "echo,store,query,retrieve", port: int | None = None) -> None:
        """Admit a peer on this machine."""
        words = ["peer", "add", ae, "--host", "127.0.0.1", "--allow", allow]
        filmless(self.data, *words, *(["--port", str(port)] if port else []), settings=self.settings)

    def sign_in(self) -> str:
        """Make an API token of the administrator and keep it."""
        if not self.token:
            added = filmless(self.data, "token", "add", "--user", ADMIN, settings=self.settings)
            self.token = added.stdout.strip()
        return self.token

    def get(self, path: str, accept: str = "*/*", timeout_s: float = 30) -> tuple[int, bytes, dict[str, str]]:
        """GET with the token; return status, body and headers (lower case)."""
        headers = {"Authorization": f"Bearer {self.sign_in()}", "Accept": accept}
        request = urllib.request.Request(self.url + path, headers=headers)
        try:
            with urllib.request.urlopen(request, timeout=timeout_s) as answer:
                return answer.status, answer.read(), {k.lower(): v for k, v in answer.headers.items()}
        except urllib.error.HTTPError as error:
            return error.code, error.read(), {k.lower(): v for k, v in error.headers.items()}

    def stop(self, number: signal.Signals = signal.SIGTERM, timeout_s: float = 30) -> int:
        """Signal the supervisor and wait for its end."""
        assert self.process
        if self.process.poll() is None:
            self.process.send_signal(number)
        return self.process.wait(timeout_s)

    def log(self) -> str:
        """Return what the server logged."""
        return self.log_path.read_text()
