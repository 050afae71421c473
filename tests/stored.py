"""What tests do to stored bytes behind the archive's back, on the disk and in the bucket alike."""

from __future__ import annotations

import secrets
from pathlib import Path
from typing import Any

import obstore
from pydantic import SecretStr

import real_servers
from filmless.archive import Archive
from filmless.archive.blobs import Blobs
from filmless.archive.bucket_blobs import BucketBlobs
from filmless.archive.disk import DiskBlobs
from filmless.config import Settings


def waiting_files(archive: Archive) -> list[Path]:
    """Files of receptions that are not finished."""
    blobs = archive.blobs
    folder = blobs.incoming if isinstance(blobs, DiskBlobs) else archive.settings.data / "spool"
    return list(folder.iterdir())


def overwrite(blobs: Blobs, key: str, data: bytes) -> None:
    """Put other bytes in the place of a blob."""
    if isinstance(blobs, DiskBlobs):
        blobs.path(key).write_bytes(data)
        return
    assert isinstance(blobs, BucketBlobs)
    settings = blobs.bucket.settings
    assert settings.blobs_endpoint and settings.blobs_url
    prefix = settings.blobs_url.split("/", 3)[3]
    obstore.put(real_servers.store_at(settings.blobs_endpoint), f"{prefix}/{blobs._path(key)}", data)


def flip_bit(blobs: Blobs, key: str, position: int) -> None:
    """Damage a blob."""
    data = bytearray(blobs.read(key))
    data[position] ^= 0x10
    overwrite(blobs, key, bytes(data))


def as_flags(settings: Settings) -> dict[str, str]:
    """Settings that were set, as words for another process; also what is secret."""
    values = {name: getattr(settings, name) for name in settings.model_fields_set}
    return {
        name: value.get_secret_value() if isinstance(value, SecretStr) else str(value)
        for name, value in values.items()
        if value is not None
    }


def in_bucket(data: Path, servers: real_servers.Servers, **changes: Any) -> Settings:
    """Settings with a place of their own in the bucket; the database is SQLite."""
    values: dict[str, Any] = {
        "data": data,
        "blobs_url": f"s3://{real_servers.BUCKET}/{secrets.token_hex(8)}",
        "blobs_endpoint": servers.s3,
        "blobs_access_key_id": real_servers.ACCESS_KEY_ID,
        "blobs_secret_access_key": real_servers.SECRET_ACCESS_KEY,
        "disk_reserve_bytes": 0,
    }
    return Settings(**values | changes)
