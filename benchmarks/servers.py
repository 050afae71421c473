"""Orthanc and Filmless, each started as its users start it, on loopback, in a folder that goes away."""

from __future__ import annotations

import contextlib
import json
import os
import shutil
import socket
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from load import Web

from dimse import Peer

ORTHANC = "/usr/sbin/Orthanc"
ORTHANC_DICOMWEB = Path("/usr/share/orthanc/plugins/libOrthancDicomWeb.so")
SINK_AE = "SINK"
LOWEST_PRIORITY = 19


@dataclass
class Server:
    """A running server under test."""

    name: str
    peer: Peer
    web: Web
    process: subprocess.Popen[bytes]
    ready_s: float
    folder: Path
    database_url: str = ""

    def cpu_ms(self) -> tuple[float, float]:
        """Processor time so far, in user code and in the system, of its processes.

        Not of those that get the processor only when nobody else wants it, such as the one that makes HTJ2K copies.
        """
        user = system = 0
        for pid in processes_of(self.process.pid):
            with contextlib.suppress(FileNotFoundError, ProcessLookupError):
                fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
                if int(fields[16]) == LOWEST_PRIORITY:
                    continue
                user, system = user + int(fields[11]), system + int(fields[12])
        tick_ms = 1e3 / os.sysconf("SC_CLK_TCK")
        return user * tick_ms, system * tick_ms


def processes_of(pid: int) -> list[int]:
    """A process and all below it."""
    found = [pid]
    for each in found:
        with contextlib.suppress(FileNotFoundError, ProcessLookupError):
            for task in Path(f"/proc/{each}/task").iterdir():
                found += map(int, (task / "children").read_text().split())
    return found


def free_port() -> int:
    """A port that nobody listens on now."""
    with socket.socket() as sock:
        sock.bind(("127.0.0.1", 0))
        return int(sock.getsockname()[1])


def orthanc_problem() -> str | None:
    """What is missing to run Orthanc, in words; None when nothing is."""
    if not Path(ORTHANC).exists() and shutil.which("Orthanc") is None:
        return "Orthanc is not installed: apt-get install orthanc orthanc-dicomweb"
    if not ORTHANC_DICOMWEB.exists():
        return "Orthanc's DICOMweb plugin is not installed: apt-get install orthanc-dicomweb"
    return None


def _wait(url: str, process: subprocess.Popen[bytes], port: int, log: Path) -> None:
    """Wait until the web server answers 200 and the DICOM port is open."""
    end = time.monotonic() + 60
    while time.monotonic() < end:
        if process.poll() is not None:
            raise RuntimeError(f"{url}: the server ended: {log.read_text(errors='replace')[-2000:]}")
        with contextlib.suppress(OSError, urllib.error.URLError), urllib.request.urlopen(url, timeout=5) as answer:
            if answer.status == 200:
                socket.create_connection(("127.0.0.1", port), timeout=5).close()
                return
        time.sleep(0.01)
    raise RuntimeError(f"{url} did not become ready within 60 s: {log.read_text(errors='replace')[-2000:]}")


def _stop(process: subprocess.Popen[bytes]) -> None:
    process.terminate()
    try:
        process.wait(30)
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait()


@contextlib.contextmanager
def orthanc(folder: Path, sink_port: int) -> Iterator[Server]:
    """Orthanc with its DICOMweb plugin: SQLite, files uncompressed and written through (SyncStorageArea)."""
    folder.mkdir()
    http, dicom = free_port(), free_port()
    settings = {
        "Name": "Benchmark",
        "StorageDirectory": str(folder / "storage"),
        "IndexDirectory": str(folder / "index"),
        "StorageCompression": False,
        "SyncStorageArea": True,
        "HttpPort": http,
        "DicomPort": dicom,
        "DicomAet": "ORTHANC",
        "RemoteAccessAllowed": True,
        "AuthenticationEnabled": False,
        "DicomCheckCalledAet": False,
        "DicomAlwaysAllowStore": True,
        "DicomAlwaysAllowFind": True,
        "DicomAlwaysAllowMove": True,
        "DicomAlwaysAllowGet": True,
        "DicomModalities": {
            "sink": [SINK_AE, "127.0.0.1", sink_port],
            "load": {"AET": "LOAD", "Host": "127.0.0.1", "Port": sink_port, "AllowGet": True, "AllowMove": True},
        },
        "Plugins": [str(ORTHANC_DICOMWEB)],
        "DicomWeb": {"Enable": True, "Root": "/dicom-web/"},
    }
    (folder / "orthanc.json").write_text(json.dumps(settings))
    log = folder / "log.txt"
    began = time.perf_counter()
    with log.open("wb") as output:
        process = subprocess.Popen([ORTHANC, str(folder / "orthanc.json")], stdout=output, stderr=output)
    try:
        _wait(f"http://127.0.0.1:{http}/system", process, dicom, log)
        ready = time.perf_counter() - began
        web = Web("127.0.0.1", http, "/dicom-web", {})
        yield Server("Orthanc", Peer("127.0.0.1", dicom, "ORTHANC"), web, process, ready, folder)
    finally:
        _stop(process)


def command(folder: Path, *words: str, typed: str = "", **settings: str) -> str:
    """Run one command of Filmless on a data folder and give its standard output."""
    done = subprocess.run(
        [sys.executable, "-m", "filmless", *words, "--data", str(folder)],
        input=typed.encode(),
        capture_output=True,
        check=False,
        timeout=120,
        env=_environment(settings),
    )
    if done.returncode:
        raise RuntimeError(f"filmless {' '.join(words)}: {done.stderr.decode(errors='replace')[-2000:]}")
    return done.stdout.decode().strip()


def _environment(settings: dict[str, str]) -> dict[str, str]:
    """The caller's environment with these settings and none of another Filmless."""
    kept = {name: value for name, value in os.environ.items() if not name.startswith("FILMLESS_")}
    source = Path(__file__).resolve().parent.parent / "src"
    given = {f"FILMLESS_{name.upper()}": value for name, value in settings.items()}
    return kept | {"PYTHONPATH": str(source), "FILMLESS_LOG_LEVEL": "warning"} | given


@contextlib.contextmanager
def filmless(folder: Path, sink_port: int, **settings: str) -> Iterator[Server]:
    """Filmless as `filmless serve` starts it, with one administrator, the load client and the sink as peers."""
    folder.mkdir()
    data = folder / "data"
    person = ("user", "add", "bench", "--role", "administrator", "--password-stdin")
    command(data, *person, typed="a long password 1\n", **settings)
    token = command(data, "token", "add", "--user", "bench", **settings).splitlines()[-1]
    for peer in ("LOAD", SINK_AE):
        where = ("--host", "127.0.0.1", "--port", str(sink_port), "--allow", "store,query,retrieve,echo")
        command(data, "peer", "add", peer, *where, **settings)
    with serve(data, folder / "log.txt", token, **settings) as server:
        yield server


@contextlib.contextmanager
def serve(data: Path, log: Path, token: str, **settings: str) -> Iterator[Server]:
    """Start Filmless on a data folder that is set up."""
    http, dicom = free_port(), free_port()
    words = ["--data", str(data), "--http", f"127.0.0.1:{http}", "--dicom", f"127.0.0.1:{dicom}"]
    began = time.perf_counter()
    with log.open("ab") as output:
        process = subprocess.Popen(
            [sys.executable, "-m", "filmless", "serve", *words, "--ae-title", "FILMLESS"],
            stdout=output,
            stderr=output,
            env=_environment(settings),
        )
    try:
        _wait(f"http://127.0.0.1:{http}/readyz", process, dicom, log)
        ready = time.perf_counter() - began
        web = Web("127.0.0.1", http, "/dicomweb", {"Authorization": f"Bearer {token}"})
        database_url = settings.get("database_url", f"sqlite:///{data}/filmless.db")
        yield Server("Filmless", Peer("127.0.0.1", dicom, "FILMLESS"), web, process, ready, data, database_url)
    finally:
        _stop(process)
