"""Options that several commands take, and opening the archive they name."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Annotated, Any

import typer

from filmless.access.principal import SYSTEM, Principal
from filmless.archive import Archive
from filmless.config import Settings, read_settings
from filmless.errors import Refused

Data = Annotated[
    Path | None, typer.Option("--data", metavar="DIR", help="Data folder (or FILMLESS_DATA).", show_default=False)
]
Config = Annotated[
    Path | None,
    typer.Option(
        "--config", envvar="FILMLESS_CONFIG", metavar="FILE", help="TOML file with settings.", show_default=False
    ),
]


def caller() -> Principal:
    """Whoever may run commands on this machine acts as the system."""
    return SYSTEM("cli")


def existing(settings: Settings) -> Settings:
    """Make sure that the data folder exists: a typing error must not make an empty archive.

    Raises
    ------
    Refused: there is no such folder.
    """
    if settings.database_url is None and not settings.data.is_dir():
        raise Refused(f"there is no data folder {settings.data}; name it with --data, or start 'filmless serve' first")
    return settings


def open_archive(data: Path | None, config: Path | None = None, *, is_new: bool = False, **flags: Any) -> Archive:
    """Open the archive of a command."""
    settings = read_settings(config, data=data, **flags)
    return Archive.open(settings if is_new else existing(settings))


def read_password(name: str) -> str:
    """Read one line from standard input.

    Raises
    ------
    Refused: there is none.
    """
    password = sys.stdin.readline().rstrip("\r\n")
    if not password:
        raise Refused(f"no password for {name} on standard input; for example: echo 'the password' | filmless ...")
    return password
