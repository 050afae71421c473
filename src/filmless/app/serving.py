"""`filmless serve`: checks what would fail later, makes the first administrator, then hands over to the supervisor."""

from __future__ import annotations

import gc
import hashlib
import os
import shutil
import sys
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import Final

import structlog

from filmless.access import people
from filmless.access.principal import SYSTEM
from filmless.app.logs import configure_logs
from filmless.app.supervisor import Child, Ready, Runner, Supervisor, check_free
from filmless.archive import Archive
from filmless.archive.moving import where_blobs_are
from filmless.config import Settings
from filmless.errors import FilmlessError

log = structlog.get_logger()

Administrator = tuple[str, str]


def prepare(settings: Settings, roles: tuple[str, ...], administrator: Administrator | None) -> str | None:
    """Make sure that we can serve; return the one-time setup link when nobody administers yet.

    Raises
    ------
    Refused: an address is taken, or the administrator's name or password is not good enough.
    Unavailable: the data folder or the database cannot be used.
    """
    if "web" in roles:
        check_free(settings.http, "http")
    if "dicom" in roles:
        check_free(settings.dicom, "dicom")
        if settings.dicom_tls:
            check_free(settings.dicom_tls, "dicom_tls")
    if settings.blobs_url is not None:
        prepare_bucket(settings)
    with Archive.open(settings) as archive:
        if settings.blobs_url is None:
            archive.blobs.prepare()
        if "web" not in roles and administrator is None:
            return None  # a link made here would put an end to the one that a web node printed
        token = people.setup_link(archive)
        if token and administrator:
            name, password = administrator
            people.add_person(archive, SYSTEM("serve"), name=name, role="administrator", password=password)
            token = people.setup_link(archive)
    return f"{address_of(settings)}/setup?token={token}" if token else None


def prepare_bucket(settings: Settings) -> None:
    """Find out what the bucket can do. One that is away is told and does not hold us up: it may come back.

    In a process of its own: the threads of the bucket's library would not survive our forks.
    """
    sys.stdout.flush()
    sys.stderr.flush()
    pid = os.fork()
    if pid:
        os.waitpid(pid, 0)
        return
    try:
        with Archive.open(settings) as archive:
            archive.blobs.prepare()
    except FilmlessError as error:
        log.error("blobs cannot be used", reason=str(error))
    except BaseException:
        log.exception("the bucket could not be asked")
    finally:
        sys.stdout.flush()
        sys.stderr.flush()
        os._exit(0)


def address_of(settings: Settings) -> str:
    """Return the address that people open in the browser."""
    if settings.public_url:
        return settings.public_url.rstrip("/")
    scheme = "https" if settings.http_tls_certificate else "http"
    return f"{scheme}://{settings.http.replace('0.0.0.0', 'localhost')}"  # noqa: S104


def prepare_metrics(settings: Settings, roles: tuple[str, ...]) -> Path:
    """Give the processes of this machine one folder to keep their counters in, empty at start.

    In memory where there is a place for that: the counters are written through maps, and a process that writes to a map
    on a full disk is killed (SIGBUS).
    """
    memory = Path("/dev/shm")  # noqa: S108 - a folder of our own in it
    parent = memory if os.access(memory, os.W_OK | os.X_OK) else Path(tempfile.gettempdir())
    installation = hashlib.sha256(os.fsencode(settings.data.absolute())).hexdigest()[:16]
    folder = parent / f"filmless-{os.geteuid()}-{installation}-{'-'.join(roles)}"
    shutil.rmtree(folder, ignore_errors=True)
    try:
        folder.mkdir(mode=0o700)
    except OSError:  # somebody else's, of that name
        folder = Path(tempfile.mkdtemp(prefix="filmless-", dir=parent))
    os.environ["PROMETHEUS_MULTIPROC_DIR"] = str(folder)
    return folder


_GC_THRESHOLDS: Final = (20_000, 20, 20)
"""A page of 100 studies is 10,000 objects, none in a cycle: looked through every 700, it takes a fifth longer."""


def run(
    settings: Settings,
    *,
    roles: tuple[str, ...] = ("web", "dicom", "worker"),
    administrator: Administrator | None = None,
    on_ready: Callable[[], None] | None = None,
) -> int:
    """Serve until told to stop; return the exit code."""
    configure_logs(settings, "supervisor")
    settings = where_blobs_are(settings)
    setup_link = prepare(settings, roles, administrator)
    metrics = prepare_metrics(settings, roles)
    gc.disable()
    children = children_of(settings, roles)
    gc.freeze()  # what all processes share is never looked through, so it is never copied
    gc.enable()
    gc.set_threshold(*_GC_THRESHOLDS)
    try:
        return Supervisor(settings, children, on_ready or announce(settings, roles, setup_link)).run()
    finally:
        shutil.rmtree(metrics, ignore_errors=True)


def announce(settings: Settings, roles: tuple[str, ...], setup_link: str | None) -> Callable[[], None]:
    """Return what prints the addresses once all processes serve."""

    def say() -> None:
        lines = [f"Filmless is ready: {address_of(settings) if 'web' in roles else ', '.join(roles)}"]
        if "dicom" in roles:
            lines.append(f"DICOM listener:    {settings.ae_title} at {settings.dicom}")
        if setup_link:
            lines.append(f"Nobody administers yet. Open this link once, within a day: {setup_link}")
        sys.stdout.write("\n".join([*lines, ""]))
        sys.stdout.flush()

    return say


def children_of(settings: Settings, roles: tuple[str, ...]) -> list[Child]:
    """Import what the processes need, before any is forked, and list them."""
    children: list[Child] = []
    if "web" in roles:
        from filmless.app.web import run_web

        children += [Child("web", run_web) for _ in range(settings.web_workers)]
    if "dicom" in roles:
        children += [Child("dicom", dicom_runner()) for _ in range(settings.dicom_processes)]
    if "worker" in roles:
        from filmless.app.worker import run_worker

        children.append(Child("worker", run_worker))
    return children


def dicom_runner() -> Runner:
    """Return what serves DICOM until SIGTERM."""
    import signal
    import threading

    from filmless.scp.server import serve

    def run_dicom(settings: Settings, ready: Ready) -> None:
        stop = threading.Event()
        signal.signal(signal.SIGTERM, lambda *_: stop.set())
        with Archive.open(settings) as archive:
            serve(archive, stop=stop, ready=ready)

    return run_dicom
