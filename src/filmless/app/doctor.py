"""`filmless doctor`: looks at everything that goes wrong in practice and says in words what to mend."""

from __future__ import annotations

import os
import shutil
import socket
import ssl
import sys
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import sqlalchemy as sa

from filmless.access import peers, people
from filmless.app.screen import SCREEN
from filmless.archive import Archive, tables
from filmless.archive.problems import count_problems, list_problems
from filmless.archive.walks import read_walk
from filmless.config import Settings, host_and_port
from filmless.errors import FilmlessError, Refused
from filmless.store import scrub

GIB = 1 << 30
CLOCK_OLDEST = 1_767_225_600  # 2026-01-01: an earlier clock is wrong
CLOCK_SLACK_S = 120
PROBLEMS_TOLD = 20


@dataclass(frozen=True, slots=True)
class Finding:
    """One thing looked at."""

    level: str  # ok, warning, problem
    subject: str
    what: str
    what_to_do: str = ""


def examine(settings: Settings) -> Iterator[Finding]:
    """Look at the settings, the disk, the database, the ports, the clock and the peers, in this order."""
    yield Finding("ok", "python", f"{sys.version.split()[0]} on {sys.platform}")
    yield from examine_screen()
    yield from examine_tls(settings)
    yield from examine_folder(settings)
    if not settings.data.is_dir() and settings.database_url is None:
        yield Finding("warning", "database", "there is none yet", "'filmless serve' makes it at its first start")
        yield from examine_ports(settings)
        return
    try:
        archive = Archive.open(settings)
    except (FilmlessError, sa.exc.SQLAlchemyError) as error:
        yield Finding(
            "problem", "database", f"cannot be opened: {error}", "mend what the message names, then run doctor again"
        )
        return
    with archive:
        yield from examine_database(archive)
        yield from examine_blobs(archive)
        yield from examine_clock(archive)
        yield from examine_problems(archive)
        yield from examine_scrub(archive)
        yield from examine_people(archive)
        yield from examine_ports(settings)
        yield from examine_peers(archive)


def examine_screen() -> Iterator[Finding]:
    """Look whether the screen is built into this installation."""
    if (SCREEN / "index.html").is_file():
        yield Finding("ok", "screen", "is built")
    else:
        yield Finding(
            "problem", "screen", "is not built, browsers will see nothing", "run 'make setup' in the source folder"
        )


def examine_tls(settings: Settings) -> Iterator[Finding]:
    """Look whether certificate and key belong together and can be read."""
    for what, certificate, key in (
        ("http TLS", settings.http_tls_certificate, settings.http_tls_key),
        ("DICOM TLS", settings.dicom_tls_certificate, settings.dicom_tls_key),
    ):
        if certificate is None and key is None:
            continue
        try:
            if certificate is None or key is None:
                raise Refused("certificate and key must both be set")
            ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER).load_cert_chain(certificate, key)
        except (OSError, FilmlessError) as error:
            yield Finding("problem", what, str(error), "give a PEM certificate chain and its unencrypted PKCS#8 key")
        else:
            yield Finding("ok", what, "certificate and key belong together")
    host, _ = host_and_port(settings.http)
    is_local = host in {"127.0.0.1", "localhost", "::1"}
    has_tls = settings.http_tls_certificate or (settings.public_url or "").startswith("https://")
    if not is_local and not has_tls:
        yield Finding(
            "warning",
            "http TLS",
            f"{settings.http} is open to the network without TLS: passwords and images travel in the clear",
            "set http_tls_certificate and http_tls_key, or put a proxy with TLS in front and set public_url",
        )


def examine_folder(settings: Settings) -> Iterator[Finding]:
    """Look whether the data folder can be written, and how much room there is."""
    folder = settings.data if settings.data.is_dir() else settings.data.absolute().parent
    if not os.access(folder, os.W_OK | os.X_OK):
        yield Finding(
            "problem",
            "disk",
            f"{folder} cannot be written",
            "give the user that runs Filmless the right to write there",
        )
        return
    usage = shutil.disk_usage(folder)
    text = f"{usage.free / GIB:.1f} of {usage.total / GIB:.1f} GiB free at {folder}"
    if usage.free <= settings.disk_reserve_bytes:
        yield Finding("problem", "disk", f"{text}: nothing new is accepted", "make room; reception resumes by itself")
    elif usage.free < max(10 * GIB, usage.total // 20):
        yield Finding("warning", "disk", text, "plan for more room")
    else:
        yield Finding("ok", "disk", text)
    network = file_system_of(folder)
    if network in {"nfs", "nfs4", "cifs", "smb3", "9p", "fuse.sshfs"} and settings.database_url is None:
        yield Finding(
            "problem",
            "disk",
            f"{folder} is on {network}: SQLite's locks are not safe there",
            "keep the data folder on a local disk, or set database_url to PostgreSQL",
        )


def file_system_of(folder: Path) -> str:
    """Name the file system of a folder, '' when it cannot be told."""
    best, kind = "", ""
    try:
        mounts = Path("/proc/mounts").read_text(encoding="utf-8", errors="replace")
    except OSError:
        return ""
    where = str(folder.resolve())
    for line in mounts.splitlines():
        _, point, name, *_ = line.split(" ")
        is_above = point in {"/", where} or where.startswith(point + "/")
        if is_above and len(point) > len(best):
            best, kind = point, name
    return kind


def examine_database(archive: Archive) -> Iterator[Finding]:
    """Look whether the database answers, is whole, and what waits in it."""
    with archive.reading() as session:
        if session.dialect.name == "sqlite":
            result = session.exec_driver_sql("PRAGMA quick_check(1)").scalar_one()
            if result != "ok":
                yield Finding(
                    "problem",
                    "database",
                    f"is damaged: {result}",
                    "stop Filmless and run 'filmless reindex': the blobs are the truth",
                )
                return
        instances = session.execute(sa.select(sa.func.count()).select_from(tables.instances)).scalar_one()
        parked = session.execute(
            sa.select(sa.func.count()).select_from(tables.jobs).where(tables.jobs.c.state == "parked")
        ).scalar_one()
    yield Finding("ok", "database", f"{session.dialect.name}, whole, {instances} instances")
    if parked:
        yield Finding(
            "warning", "jobs", f"{parked} were given up", "see Administration, Jobs: mend the cause, then retry them"
        )


def examine_blobs(archive: Archive) -> Iterator[Finding]:
    """Look whether blobs can be written and read."""
    try:
        archive.blobs.check()
        if archive.settings.blobs_url is not None:
            archive.blobs.prepare()  # writes one object
    except FilmlessError as error:
        yield Finding(
            "problem", "blobs", str(error), "nothing is taken in or shown until this is mended; see blobs_url"
        )
    else:
        yield Finding("ok", "blobs", f"{archive.blobs.name} can be written and read")


def examine_clock(archive: Archive) -> Iterator[Finding]:
    """Look whether the clock is plausible and not behind what is recorded."""
    now = time.time()
    with archive.reading() as session:
        latest = session.execute(sa.select(sa.func.max(tables.instances.c.created_at))).scalar_one() or 0.0
    if now < CLOCK_OLDEST or now + CLOCK_SLACK_S < latest:
        yield Finding(
            "problem",
            "clock",
            f"{time.strftime('%Y-%m-%d %H:%M', time.gmtime(now))} UTC is in the past",
            "set up NTP or chrony",
        )
    else:
        yield Finding("ok", "clock", time.strftime("%Y-%m-%d %H:%M UTC", time.gmtime(now)))


def examine_problems(archive: Archive) -> Iterator[Finding]:
    """Tell of what was found while serving: damaged or missing bytes, and the like."""
    with archive.reading() as session:
        found = list_problems(session, limit=PROBLEMS_TOLD)
        total = sum(count_problems(session).values())
    for problem in found:
        yield Finding("problem", problem.kind, problem.what, problem.what_to_do)
    if total > len(found):
        yield Finding("problem", "problems", f"there are {total - len(found)} more", "see Administration")


def examine_scrub(archive: Archive) -> Iterator[Finding]:
    """Look whether the kept bytes are verified as often as the settings want."""
    if not archive.settings.scrub_bytes_per_s:
        yield Finding("warning", "scrub", "kept bytes are never verified", "set scrub_bytes_per_s above 0")
        return
    with archive.reading() as session:
        walk = read_walk(session, scrub.WALK)
    now = time.time()
    if walk.began_at == 0:
        yield Finding("ok", "scrub", "has not begun yet: a worker does it")
    elif walk.is_under_way and now - walk.began_at > 2 * archive.settings.scrub_round_s:
        began = time.strftime("%Y-%m-%d", time.gmtime(walk.began_at))
        yield Finding(
            "warning",
            "scrub",
            f"the round that began on {began} is not over ({walk.instances} instances)",
            "make sure that a worker runs, or set scrub_bytes_per_s higher",
        )
    else:
        state = "under way" if walk.is_under_way else "over"
        yield Finding("ok", "scrub", f"this round is {state}: {walk.instances} instances, {walk.size_bytes >> 20} MiB")


def examine_people(archive: Archive) -> Iterator[Finding]:
    """Look whether somebody administers."""
    active = [person for person in people.list_people(archive) if person.role == "administrator" and person.is_active]
    if active:
        yield Finding("ok", "people", f"{len(active)} administrator{'s' if len(active) > 1 else ''}")
    else:
        yield Finding(
            "warning",
            "people",
            "nobody administers",
            "open the setup link that 'filmless serve' prints, or run 'filmless user add'",
        )


def examine_ports(settings: Settings) -> Iterator[Finding]:
    """Look whether our addresses are free, or whether we ourselves answer there."""
    for what, address in (("http", settings.http), ("dicom", settings.dicom), ("dicom_tls", settings.dicom_tls)):
        if address is None:
            continue
        host, port = host_and_port(address)
        target = "127.0.0.1" if host in {"0.0.0.0", ""} else host  # noqa: S104
        try:
            with socket.create_connection((target, port), timeout=2):
                yield Finding("ok", what, f"{address} answers: a server runs there")
        except OSError:
            yield Finding("ok", what, f"{address} is free: no server runs there now")


def examine_peers(archive: Archive) -> Iterator[Finding]:
    """Call every peer that has a port."""
    from filmless.retrieve.calling import echo

    known = peers.list_peers(archive)
    if not known:
        yield Finding(
            "warning",
            "peers",
            "none is admitted: scanners are refused",
            "Administration, Peers, or 'filmless peer add'",
        )
    for peer in known:
        if not peer.can_be_called:
            continue
        result = echo(archive.settings, peer)
        to_do = "" if result.ok else "check its address, port and AE title, and that it knows ours"
        yield Finding("ok" if result.ok else "warning", f"peer {peer.ae_title}", result.message, to_do)
