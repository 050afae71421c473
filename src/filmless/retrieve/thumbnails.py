"""Thumbnails, kept on disk up to a limit: small, asked for by the dozen, and never changed."""

from __future__ import annotations

import contextlib
import os
import secrets
import threading
import weakref
from pathlib import Path
from typing import Any, Final

from sqlalchemy import select

from filmless.archive import Archive
from filmless.archive.jobs import JobContext
from filmless.archive.tables import deleted_instances
from filmless.dicom.rendering import Viewport
from filmless.retrieve.instances import InstanceRecord
from filmless.retrieve.rendered import Look, render_any

SIDE_DEFAULT: Final = 256
SIDE_MAX: Final = 1024
_KEPT_AFTER_CLEANING: Final = 0.8


def thumbnail(
    archive: Archive,
    record: InstanceRecord,
    media_type: str,
    *,
    frame_number: int | None = None,
    width: int = SIDE_DEFAULT,
    height: int = SIDE_DEFAULT,
) -> bytes:
    """Draw a small picture of an instance or of one of its frames, or find it drawn before.

    Raises
    ------
    NotFound: there is no such frame. NotAcceptable: that frame cannot be decoded. Unavailable: too many wait.
    """
    width, height = (min(max(side, 8), SIDE_MAX) for side in (width, height))
    instance = record.instance
    name = f"{instance.blob}-{frame_number or 'middle'}-{width}x{height}.{media_type.rpartition('/')[2]}"
    cache = cache_of(archive)
    kept = cache.find(name)
    if kept is not None:
        return kept
    look = Look(media_type=media_type, viewport=Viewport(width, height), quality=80, may_grow=False)
    drawn = render_any(archive, record, look, frame_number)
    cache.keep(name, drawn)
    return drawn


def forget_thumbnails(archive: Archive, args: dict[str, Any], job: JobContext) -> None:
    """Remove the pictures of deleted instances from this machine. Elsewhere none can ask for them, and they age."""
    query = select(deleted_instances.c.blob).where(deleted_instances.c.deletion_key == int(args["deletion"]))
    with archive.reading() as session:
        blobs = [bytes(blob).hex() for blob in session.scalars(query)]
    cache = cache_of(archive)
    for blob in blobs:
        job.check()
        cache.forget(blob)


class _Cache:
    """Files in one folder, the oldest removed when they pass the limit. Losing any is no harm.

    Other processes may use the same folder: what each has written since it last looked is counted, and looking again
    sees the files of all.
    """

    def __init__(self, root: Path, limit_bytes: int) -> None:
        self._root = root
        self._limit_bytes = limit_bytes
        self._lock = threading.Lock()
        self._bytes: int | None = None

    def find(self, name: str) -> bytes | None:
        try:
            return self._path(name).read_bytes()
        except OSError:
            return None

    def keep(self, name: str, data: bytes) -> None:
        if len(data) > self._limit_bytes // 4:
            return
        path = self._path(name)
        passing = path.with_name(f"{secrets.token_hex(8)}.tmp")
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            passing.write_bytes(data)
            passing.replace(path)
        except OSError:  # a full disk: then nothing is kept, and the picture is drawn again next time
            with contextlib.suppress(OSError):
                passing.unlink(missing_ok=True)
            return
        with self._lock:
            if self._bytes is not None:
                self._bytes += len(data)
            if self._bytes is None or self._bytes > self._limit_bytes:
                self._bytes = self._clean()

    def forget(self, blob: str) -> None:
        for entry in _entries(self._path(blob).parent):
            if entry.name.startswith(blob):
                with contextlib.suppress(OSError):
                    os.unlink(entry.path)  # noqa: PTH108

    def _path(self, name: str) -> Path:
        return self._root / name[:2] / name

    def _clean(self) -> int:
        """Remove the oldest files if they are over the limit, and count what is left."""
        files = []
        for folder in _entries(self._root):
            for entry in _entries(Path(folder.path)) if folder.is_dir() else []:
                with contextlib.suppress(OSError):
                    status = entry.stat()
                    files.append((status.st_mtime, status.st_size, entry.path))
        total = sum(size for _, size, _ in files)
        if total <= self._limit_bytes:
            return total
        for _, size, path in sorted(files):
            if total <= self._limit_bytes * _KEPT_AFTER_CLEANING:
                break
            with contextlib.suppress(OSError):
                os.unlink(path)  # noqa: PTH108
            total -= size
        return total


def _entries(folder: Path) -> list[os.DirEntry[str]]:
    try:
        with os.scandir(folder) as entries:
            return list(entries)
    except OSError:
        return []


_caches: weakref.WeakKeyDictionary[Archive, _Cache] = weakref.WeakKeyDictionary()


def cache_of(archive: Archive) -> _Cache:
    """Give the folder of drawn pictures that an archive keeps."""
    cache = _caches.get(archive)
    if cache is None:
        settings = archive.settings
        cache = _caches.setdefault(archive, _Cache(settings.data / "thumbnails", settings.render_cache_bytes))
    return cache
