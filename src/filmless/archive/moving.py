"""The move of the blobs from the data folder to a bucket: what says that one is under way, and where to.

`moving/target.json` in the data folder is written before the first blob goes to the bucket, and read by every process
when it needs to know: a move begins for all of them at the same instant. It stays when the move is over, and says so.
"""

from __future__ import annotations

import fcntl
import json
import os
import secrets
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from pydantic import SecretStr

from filmless.archive.folders import make_folder, sync_folder
from filmless.archive.outages import as_unavailable
from filmless.config import Settings
from filmless.errors import Refused, Unavailable

_TARGET_SETTINGS: Final = (
    "blobs_url",
    "blobs_endpoint",
    "blobs_region",
    "blobs_access_key_id",
    "blobs_secret_access_key",
    "blobs_path_style",
    "blobs_ca_certificates",
)


@dataclass(frozen=True, slots=True)
class Move:
    """A move of the blobs that was begun."""

    target: dict[str, Any]  # the settings of the bucket that were given for it
    is_over: bool  # everything is in the bucket, verified: the folder is not looked at any more

    @property
    def url(self) -> str:
        """Where to."""
        return str(self.target["blobs_url"])

    def settings(self, settings: Settings) -> Settings:
        """The settings of an archive whose blobs are in the bucket."""
        values = dict(self.target)
        if "blobs_secret_access_key" in values:
            values["blobs_secret_access_key"] = SecretStr(values["blobs_secret_access_key"])
        if "blobs_ca_certificates" in values:
            values["blobs_ca_certificates"] = Path(values["blobs_ca_certificates"])
        return settings.model_copy(update=values)


def move_file(data: Path) -> Path:
    """The file that is there once a move has begun."""
    return data.absolute() / "moving" / "target.json"


def move_to_bucket(settings: Settings, url: str) -> Move:
    """The move to `url`, with the credentials that the settings have for it."""
    target: dict[str, Any] = {}
    for name in _TARGET_SETTINGS:
        value = url if name == "blobs_url" else getattr(settings, name)
        if isinstance(value, SecretStr):
            value = value.get_secret_value()
        if value is not None:
            target[name] = value if isinstance(value, bool) else str(value)
    return Move(target, is_over=False)


def find_move(data: Path) -> Move | None:
    """The move that was begun; None when there was none.

    Raises
    ------
    Unavailable: the file cannot be read.
    """
    path = move_file(data)
    try:
        with as_unavailable(f"{path} cannot be read"):
            read = json.loads(path.read_text())
            return Move(dict(read["target"]), bool(read["is_over"]))
    except FileNotFoundError:
        return None
    except (ValueError, KeyError) as error:
        raise Unavailable(f"{path} is damaged: it says where the blobs are; restore it from a backup") from error


def write_move(data: Path, move: Move) -> None:
    """Say durably that a move is under way, or over; for its owner's eyes: a credential may be in it."""
    write_for_owner(move_file(data), json.dumps({"target": move.target, "is_over": move.is_over}, indent=1))


def write_for_owner(path: Path, text: str) -> None:
    """Write a whole file durably, or none; readable by its owner alone."""
    make_folder(path.parent)
    passing = path.with_name(f"{path.name}-{secrets.token_hex(8)}")
    with as_unavailable(f"{path} cannot be written"):
        descriptor = os.open(passing, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600)
        with os.fdopen(descriptor, "w") as file:
            file.write(text)
            file.flush()
            os.fsync(file.fileno())
        passing.replace(path)
        sync_folder(path.parent)


def where_blobs_are(settings: Settings) -> Settings:
    """The settings with the bucket to which the blobs were moved, if they were and no setting names one.

    Raises
    ------
    Refused: a bucket is named while the move from the folder is not over.
    """
    move = find_move(settings.data)
    if move is None:
        return settings
    if settings.blobs_url is not None:
        if not move.is_over:
            raise Refused(
                f"the blobs are on their way to {move.url}: some are still in {settings.data}. Take blobs_url out of"
                " the settings until 'filmless migrate-blobs' says that all are there"
            )
        return settings
    return move.settings(settings) if move.is_over else settings


@contextmanager
def only_one(data: Path, command: str) -> Iterator[None]:
    """Run a command that moves an archive, or a part of it, in one process at a time.

    Raises
    ------
    Refused: another process runs it. Unavailable: the disk is away.
    """
    path = data / f"{command}.lock"
    with as_unavailable(f"{path} cannot be opened"), path.open("w") as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            raise Refused(f"another 'filmless {command}' runs on this archive") from None
        yield
