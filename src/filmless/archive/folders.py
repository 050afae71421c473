"""Folders that survive a power loss."""

from __future__ import annotations

import os
from pathlib import Path

from filmless.archive.outages import as_unavailable


def make_folder(path: Path) -> None:
    """Make a folder that survives a power loss: itself and each new parent is fsynced into the one above."""
    path = path.absolute()
    missing = []
    while not path.is_dir():
        missing.append(path)
        path = path.parent
    for folder in reversed(missing):
        with as_unavailable(f"the folder {folder} cannot be made"):
            folder.mkdir(mode=0o750, exist_ok=True)
            sync_folder(folder.parent)


def sync_folder(path: Path | str) -> None:
    """Make the names in a folder durable."""
    descriptor = os.open(path, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
