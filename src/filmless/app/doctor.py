"""`filmless doctor`: what the health page shows, and what only somebody at the machine can look at.

The checks are those of `health/`; only the ones that call peers, read the whole database or write are here alone.
"""

from __future__ import annotations

import socket
import sys
from collections.abc import Iterator

import sqlalchemy as sa

from filmless.access import peers
from filmless.app.screen import SCREEN
from filmless.archive import Archive, tables
from filmless.config import Settings, host_and_port
from filmless.errors import FilmlessError
from filmless.health.faults import Finding, broken, well
from filmless.health.machine import examine_blob_writing, examine_disk, examine_tls
from filmless.health.records import examine_records, examine_sweep


def examine(settings: Settings) -> Iterator[Finding]:
    """Look at the installation, the disk, the database, the blobs, the ports and the peers, in this order."""
    yield well("python", f"{sys.version.split()[0]} on {sys.platform}")
    yield from examine_screen()
    yield from examine_tls(settings)
    yield from examine_disk(settings)
    if not settings.data.is_dir() and settings.database_url is None:
        yield Finding("warning", "database", "there is none yet", "'filmless serve' makes it at its first start")
        yield from examine_ports(settings)
        return
    try:
        archive = Archive.open(settings)
    except (FilmlessError, sa.exc.SQLAlchemyError) as error:
        yield broken("database_away", f"cannot be opened: {error}")
        return
    with archive:
        damage = list(read_database(archive))
        yield from damage
        if any(finding.level == "problem" for finding in damage):
            return
        yield from examine_records(archive)
        blobs = list(examine_blob_writing(archive))
        yield from blobs
        if all(finding.level != "problem" for finding in blobs):
            yield from examine_sweep(archive)
        yield from examine_ports(settings)
        yield from call_peers(archive)


def examine_screen() -> Iterator[Finding]:
    """Look whether the screen is built into this installation."""
    if (SCREEN / "index.html").is_file():
        yield well("screen", "is built")
    else:
        yield Finding(
            "problem", "screen", "is not built, browsers will see nothing", "run 'make setup' in the source folder"
        )


def read_database(archive: Archive) -> Iterator[Finding]:
    """Read the database through: whether it is whole, and how many instances are in it."""
    with archive.reading() as session:
        if session.dialect.name == "sqlite":
            result = session.exec_driver_sql("PRAGMA quick_check(1)").scalar_one()
            if result != "ok":
                yield broken("database_damaged", f"is damaged: {result}")
                return
        instances = session.execute(sa.select(sa.func.count()).select_from(tables.instances)).scalar_one()
    yield well("database", f"{session.dialect.name}, whole, {instances} instances")


def examine_ports(settings: Settings) -> Iterator[Finding]:
    """Look whether our addresses are free, or whether we ourselves answer there."""
    for what, address in (("http", settings.http), ("dicom", settings.dicom), ("dicom_tls", settings.dicom_tls)):
        if address is None:
            continue
        host, port = host_and_port(address)
        target = "127.0.0.1" if host in {"0.0.0.0", ""} else host  # noqa: S104
        try:
            with socket.create_connection((target, port), timeout=2):
                yield well(what, f"{address} answers: a server runs there")
        except OSError:
            yield well(what, f"{address} is free: no server runs there now")


def call_peers(archive: Archive) -> Iterator[Finding]:
    """Call every peer that has a port, now; a job does it too, now and then."""
    from filmless.retrieve.calling import echo

    for peer in peers.list_peers(archive):
        if not peer.can_be_called:
            continue
        result = echo(archive.settings, peer)
        subject = f"peer {peer.ae_title}"
        if result.ok:
            yield well(subject, result.message)
        else:
            yield broken("peer_unreachable", result.message, subject=subject)
