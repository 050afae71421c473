"""What can be looked at without the database: the disk, the store of the blobs, certificates."""

from __future__ import annotations

import errno
import os
import shutil
import ssl
import time
from collections.abc import Iterator
from datetime import datetime
from pathlib import Path
from typing import Final

from cryptography import x509

from filmless.archive import Archive
from filmless.archive.database_move import begun_file, moved_file, read_move
from filmless.archive.moving import find_move
from filmless.archive.outages import cause_of
from filmless.archive.sentences import say
from filmless.config import Settings, host_and_port
from filmless.errors import FilmlessError, Refused
from filmless.health.faults import Finding, broken, well

GIB: Final = 1 << 30
EXPIRES_SOON_S: Final = 30 * 86400.0
SLOW_S: Final = 1.0
"""A database or a store that takes longer for next to nothing is slow."""

_FULL: Final = (errno.ENOSPC, errno.EDQUOT)
_READ_ONLY: Final = (errno.EROFS, errno.EACCES, errno.EPERM)
_NETWORK_FILE_SYSTEMS: Final = {"nfs", "nfs4", "cifs", "smb3", "9p", "fuse.sshfs"}


def examine_disk(settings: Settings) -> Iterator[Finding]:
    """Look whether something can be written in the data folder and where the blobs come in, and at the room there."""
    folder = settings.data if settings.data.is_dir() else settings.data.absolute().parent
    yield _examine_folder(folder, settings)
    incoming = settings.data / "blobs" / "incoming"
    if settings.blobs_url is None and incoming.is_dir() and incoming.stat().st_dev != folder.stat().st_dev:
        yield _examine_folder(incoming, settings)
    kind = file_system_of(folder)
    if kind in _NETWORK_FILE_SYSTEMS and settings.database_url is None:
        yield broken("disk_unsafe", say("disk_network", folder=str(folder), kind=kind))


def _examine_folder(folder: Path, settings: Settings) -> Finding:
    try:
        _write_something(folder)
        usage = shutil.disk_usage(folder)
    except OSError as error:
        cause = cause_of(error) or os.strerror(error.errno or 0)
        code = "disk_full" if error.errno in _FULL else "disk_read_only" if error.errno in _READ_ONLY else "disk_away"
        return broken(code, say("disk_unwritable", folder=str(folder), cause=cause), key=str(folder))
    room = {"free": f"{usage.free / GIB:.1f}", "total": f"{usage.total / GIB:.1f}", "folder": str(folder)}
    if usage.free < settings.disk_reserve_bytes:
        return broken("disk_full", say("disk_refuses", **room), key=str(folder))
    if usage.free < max(10 * GIB, usage.total // 20):
        return broken("disk_nearly_full", say("disk_room", **room), key=str(folder))
    return well("disk", say("disk_room", **room))


def _write_something(folder: Path) -> None:
    """Write a page into a file of its own and remove it: only that tells of quotas, of a lack of inodes, of rights."""
    path = folder / f".health-{os.getpid()}"
    descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_CLOEXEC, 0o600)
    try:
        os.write(descriptor, bytes(4096))
    finally:
        os.close(descriptor)
        path.unlink()


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


def examine_blobs(archive: Archive) -> Iterator[Finding]:
    """Look whether the store of the blobs answers, and how fast."""
    began = time.monotonic()
    try:
        archive.blobs.check()
    except FilmlessError as error:
        yield broken("blobs_away", str(error))
        return
    took_s = time.monotonic() - began
    if took_s > SLOW_S:
        yield broken("blobs_slow", say("blobs_answer_late", store=archive.blobs.name, seconds=f"{took_s:.1f}"))
    else:
        yield well("blobs", say("blobs_read", store=archive.blobs.name))
    yield from examine_move(archive.settings)


def examine_blob_writing(archive: Archive) -> Iterator[Finding]:
    """Look whether blobs can be written and read: in a bucket, one object is written."""
    try:
        archive.blobs.check()
        if archive.settings.blobs_url is not None:
            archive.blobs.prepare()
    except FilmlessError as error:
        yield broken("blobs_away", str(error))
    else:
        yield well("blobs", say("blobs_written", store=archive.blobs.name))
        yield from examine_move(archive.settings)


def examine_move(settings: Settings) -> Iterator[Finding]:
    """Look whether a move of the blobs or the database was begun that is not over. Raises Unavailable."""
    move = find_move(settings.data)
    if move is not None and not move.is_over:
        yield broken("blobs_moving", say("blobs_left", url=move.url))
    begun = read_move(begun_file(settings.data))
    if begun is not None:
        is_there = moved_file(settings.data).exists()
        left = "database_left_old" if is_there else "database_left"
        yield broken("database_moving", say(left, place=str(begun.place)))


def examine_tls(settings: Settings) -> Iterator[Finding]:
    """Look whether certificates and keys belong together, and until when they hold."""
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
            ends = first_end(certificate)
        except (OSError, ValueError, FilmlessError) as error:
            yield broken("certificate_bad", str(error), subject=what, key=what)
            continue
        text = say("certificate_until", name=what, certificate=str(certificate), until=f"{ends:%Y-%m-%d %H:%M} UTC")
        if ends.timestamp() <= time.time():
            yield broken("certificate_expired", text, key=what, subject=what, since=ends.timestamp())
        elif ends.timestamp() - time.time() < EXPIRES_SOON_S:
            yield broken("certificate_expiring", text, key=what, subject=what)
        else:
            yield well(what, say("certificate_well", until=f"{ends:%Y-%m-%d}"))
    host, _ = host_and_port(settings.http)
    is_local = host in {"127.0.0.1", "localhost", "::1"}
    has_tls = settings.http_tls_certificate or (settings.public_url or "").startswith("https://")
    if not is_local and not has_tls:
        yield broken("http_open", say("http_open", address=settings.http))


def first_end(certificate: Path) -> datetime:
    """When the first certificate of a PEM chain ends. Raises OSError, ValueError."""
    return min(found.not_valid_after_utc for found in x509.load_pem_x509_certificates(certificate.read_bytes()))
