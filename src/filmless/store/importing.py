"""Takes in files, folders and ZIP archives, one result for each file: stored, duplicate, refused or skipped.

Names inside an archive are only told, never used as paths. A DICOMDIR is passed over: its files are imported anyway.
"""

from __future__ import annotations

import os
import stat
import struct
import uuid
import zipfile
import zlib
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import IO, BinaryIO, Final, Literal, cast

from filmless.access.principal import Principal
from filmless.archive import Archive
from filmless.archive.limits import scan_limits
from filmless.config import Settings
from filmless.dicom.scanner import scan
from filmless.errors import Refused
from filmless.store.facts import SOP_INSTANCE_UID
from filmless.store.receive import receive

_SNIFF_BYTES: Final = 1 << 16
_MEDIA_STORAGE_DIRECTORY: Final = "1.2.840.10008.1.3.10"
_NAME_MAX: Final = 500

_ZIP_BEGINS: Final = (b"PK\x03\x04", b"PK\x05\x06")
_ZIP_END: Final = b"PK\x05\x06"
_ZIP64_LOCATOR: Final = b"PK\x06\x07"
_ZIP_TAIL_BYTES: Final = 22 + 0xFFFF + 20
_DIRECTORY_ENTRY_BYTES: Final = 512  # more for each member is no honest archive


@dataclass(frozen=True, slots=True)
class ImportResult:
    """What became of one file."""

    name: str
    outcome: Literal["stored", "duplicate", "refused", "skipped"]
    reason: str | None = None
    study_instance_uid: str | None = None
    sop_instance_uid: str | None = None


def import_paths(
    archive: Archive, principal: Principal, paths: Iterable[Path], *, request: str | None = None
) -> Iterator[ImportResult]:
    """Take in files, and folders with all that is in them.

    Raises
    ------
    Unavailable: the disk is full, say; what was yielded before is kept.
    """
    request = request or str(uuid.uuid4())
    for path in paths:
        for file in _files(path):
            yield from _import_path(archive, principal, file, request)


def import_stream(
    archive: Archive, principal: Principal, file: BinaryIO, name: str, *, request: str | None = None
) -> Iterator[ImportResult]:
    """Take in one open, seekable file, which may be a ZIP archive. Raises Unavailable."""
    request = request or str(uuid.uuid4())
    head = file.read(_SNIFF_BYTES)
    file.seek(0)
    if head.startswith(_ZIP_BEGINS):
        yield from _import_zip(archive, principal, file, name, request)
    else:
        yield _import_one(archive, principal, file, head, name, request)


def _files(path: Path) -> Iterator[Path]:
    if not path.is_dir():
        yield path
        return
    for folder, folders, names in os.walk(path):
        folders.sort()
        for name in sorted(names):
            yield Path(folder) / name


def _import_path(archive: Archive, principal: Principal, path: Path, request: str) -> Iterator[ImportResult]:
    name = str(path)
    try:
        if not stat.S_ISREG(path.stat().st_mode):
            yield ImportResult(name, "skipped", "not a file")
            return
        file = path.open("rb")
    except OSError as error:
        yield ImportResult(name, "refused", f"it cannot be opened: {error.strerror}")
        return
    with file:
        yield from import_stream(archive, principal, file, name, request=request)


def _import_one(
    archive: Archive, principal: Principal, file: BinaryIO, head: bytes, name: str, request: str
) -> ImportResult:
    name = name[-_NAME_MAX:]
    reason = _why_skipped(head, archive.settings)
    if reason is not None:
        return ImportResult(name, "skipped", reason)
    try:
        receipt = receive(archive, principal, file, request=request, takes_non_patient=True)
    except Refused as refusal:
        return ImportResult(name, "refused", str(refusal))
    except (zipfile.BadZipFile, zlib.error, EOFError, NotImplementedError) as error:
        return ImportResult(name, "refused", f"the ZIP archive is damaged here: {error}")
    return ImportResult(name, receipt.outcome, None, receipt.study_instance_uid, receipt.sop_instance_uid)


def _why_skipped(head: bytes, settings: Settings) -> str | None:
    """Why a file is no instance that anybody meant to send; None when it is one, or a broken one."""
    if not head:
        return "the file is empty"
    if head.startswith(_ZIP_BEGINS):
        return "a ZIP archive inside of a ZIP archive"
    try:
        header = scan(head, limits=scan_limits(settings), total_length=max(len(head) + 1, _SNIFF_BYTES))
    except Refused as refusal:
        return None if head[128:132] == b"DICM" else str(refusal)
    if header.meta.get("sop_class_uid") == _MEDIA_STORAGE_DIRECTORY:
        return "a DICOMDIR: the files that it lists are imported by themselves"
    if head[128:132] != b"DICM" and header.text(SOP_INSTANCE_UID) is None:
        return "this is not DICOM: no DICM prefix and no SOP Instance UID"
    return None


# ZIP


def _import_zip(
    archive: Archive, principal: Principal, file: BinaryIO, name: str, request: str
) -> Iterator[ImportResult]:
    settings = archive.settings
    try:
        length = _require_modest_directory(file, settings)
        opened = zipfile.ZipFile(file)
        members = [member for member in opened.infolist() if not member.is_dir()]
        _require_modest(members, length, settings)
    except (zipfile.BadZipFile, zlib.error, EOFError, NotImplementedError, UnicodeDecodeError, ValueError) as error:
        yield ImportResult(name, "refused", f"the ZIP archive cannot be read: {error}")
        return
    except Refused as refusal:
        yield ImportResult(name, "refused", str(refusal))
        return
    with opened:
        for member in members:
            yield _import_member(archive, principal, opened, member, f"{name}/{member.filename}", request)


def _import_member(
    archive: Archive, principal: Principal, opened: zipfile.ZipFile, member: zipfile.ZipInfo, name: str, request: str
) -> ImportResult:
    if member.flag_bits & 1:
        return ImportResult(name[-_NAME_MAX:], "refused", "it is encrypted")
    if member.file_size > archive.settings.upload_file_max_bytes:
        return ImportResult(name[-_NAME_MAX:], "refused", "it is longer than upload_file_max_bytes")
    try:
        with opened.open(member) as stream:
            head = stream.read(_SNIFF_BYTES)
            return _import_one(archive, principal, cast(BinaryIO, _Rejoined(head, stream)), head, name, request)
    except (zipfile.BadZipFile, zlib.error, EOFError, NotImplementedError, RuntimeError) as error:
        return ImportResult(name[-_NAME_MAX:], "refused", f"the ZIP archive is damaged here: {error}")


class _Rejoined:
    """A stream whose first bytes were read already."""

    def __init__(self, head: bytes, rest: IO[bytes]) -> None:
        self._head = memoryview(head)
        self._rest = rest

    def read(self, length: int) -> bytes:
        if self._head:
            part, self._head = self._head[:length], self._head[length:]
            return bytes(part)
        return self._rest.read(length)


def _require_modest(members: list[zipfile.ZipInfo], length: int, settings: Settings) -> None:
    """Refuse an archive that grows beyond measure when it is unpacked, also by members that overlap."""
    if len(members) > settings.zip_members_max:
        raise Refused(f"the ZIP archive has {len(members)} files, {settings.zip_members_max} are accepted")
    unpacked = sum(member.file_size for member in members)
    if unpacked > settings.zip_ratio_max * max(length, 1):
        raise Refused(f"the ZIP archive grows more than {settings.zip_ratio_max} times (zip_ratio_max)")


def _require_modest_directory(file: BinaryIO, settings: Settings) -> int:
    """Refuse an archive whose directory would fill the memory. Returns the length of the file."""
    length = file.seek(0, os.SEEK_END)
    file.seek(max(0, length - _ZIP_TAIL_BYTES))
    tail = file.read(_ZIP_TAIL_BYTES)
    end = tail.rfind(_ZIP_END)
    if end < 0 or len(tail) < end + 22:
        raise zipfile.BadZipFile("its end is missing")
    directory_bytes: int = struct.unpack_from("<L", tail, end + 12)[0]
    locator = tail.rfind(_ZIP64_LOCATOR, 0, end)
    if directory_bytes == 0xFFFFFFFF and locator >= 0 and end - locator >= 20:
        file.seek(min(struct.unpack_from("<Q", tail, locator + 8)[0], length))
        record = file.read(56)
        if len(record) < 56:
            raise zipfile.BadZipFile("its directory is missing")
        directory_bytes = struct.unpack_from("<Q", record, 40)[0]
    file.seek(0)
    if directory_bytes > settings.zip_members_max * _DIRECTORY_ENTRY_BYTES:
        raise Refused(f"the ZIP archive has more than {settings.zip_members_max} files (zip_members_max)")
    return length
