"""A study as a ZIP of its instances as stored, written while it is sent: nothing is kept but the directory."""

from __future__ import annotations

import re
import unicodedata
import zipfile
from collections.abc import Iterator
from typing import Final

from filmless.access import policy
from filmless.access.policy import Action
from filmless.access.principal import Principal
from filmless.archive import Archive
from filmless.errors import NotFound
from filmless.retrieve.instances import StoredInstance, find_instances

_ZIP64_FROM: Final = 1 << 31
_NAME_MAX: Final = 40
_LONG_ENOUGH: Final = 256 << 10


def zip_study(
    archive: Archive, principal: Principal, study_instance_uid: str, series_instance_uid: str | None = None
) -> tuple[str, Iterator[bytes]]:
    """Give a file name without patient data, and the pieces of the ZIP. The caller records the audit row.

    Raises
    ------
    NotAllowed, NotFound: before the first piece.
    """
    policy.require(principal, Action.RETRIEVE, study_instance_uid)
    chosen = find_instances(
        archive,
        principal,
        study_uids=[study_instance_uid],
        series_uids=[series_instance_uid] if series_instance_uid else [],
    )
    first = next(chosen, None)
    if first is None:
        raise NotFound(f"there is no study {study_instance_uid}")
    named = re.sub(r"[^0-9A-Za-z.-]", "_", series_instance_uid or study_instance_uid)
    return f"{named}.zip", zip_instances(archive, _all(first, chosen))


def _all(first: StoredInstance, rest: Iterator[StoredInstance]) -> Iterator[StoredInstance]:
    yield first
    yield from rest


class _Sink:
    """What `zipfile` writes to: cannot seek, so that sizes follow each file, and is emptied as it fills."""

    def __init__(self) -> None:
        self.pieces: list[bytes] = []
        self.length = 0

    def write(self, data: bytes) -> int:
        self.pieces.append(bytes(data))
        self.length += len(data)
        return len(data)

    def flush(self) -> None:
        return

    def take(self) -> bytes:
        data = b"".join(self.pieces)
        self.pieces, self.length = [], 0
        return data


def zip_instances(archive: Archive, chosen: Iterator[StoredInstance]) -> Iterator[bytes]:
    """Write instances into a ZIP, uncompressed: most are compressed already, and it is read as fast as sent."""
    sink = _Sink()
    taken: set[str] = set()
    with zipfile.ZipFile(sink, "w", zipfile.ZIP_STORED, allowZip64=True) as target:  # type: ignore[call-overload]
        for instance in chosen:
            entry = zipfile.ZipInfo(_name(instance, taken))
            entry.external_attr = 0o644 << 16
            with target.open(entry, "w", force_zip64=instance.length_bytes >= _ZIP64_FROM) as member:
                for piece in archive.blobs.stream(instance.blob):
                    member.write(piece)
                    if sink.length >= _LONG_ENOUGH:
                        yield sink.take()
    yield sink.take()


def _name(instance: StoredInstance, taken: set[str]) -> str:
    """Name a file so that a person finds it: series folder, instance number. Names fit every file system."""
    number = "" if instance.series_number is None else f"{instance.series_number:03d}"
    parts = [part for part in (number, instance.modality, instance.series_description) if part]
    folder = _plain("_".join(parts)) or "series"
    # Two series may share number and description; the end of the UID tells them apart.
    folder = f"{folder}_{_plain(instance.series_instance_uid)[-8:]}"
    base = "instance" if instance.instance_number is None else f"{instance.instance_number:05d}"
    name = f"{folder}/{base}.dcm"
    if name in taken:
        name = f"{folder}/{base}_{instance.id}.dcm"
    taken.add(name)
    return name


def _plain(text: str) -> str:
    ascii_text = unicodedata.normalize("NFKD", text).encode("ascii", "ignore").decode()
    return re.sub(r"[^0-9A-Za-z-]+", "_", ascii_text).strip("_")[:_NAME_MAX].strip("_")
