"""Folders and names that survive a power loss."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Final

from filmless.archive.outages import as_unavailable

# A file's new name is in the journal of these before the fsync of that file returns.
_NAMES_GO_WITH_FILES: Final = frozenset({"ext4", "xfs"})
_MOUNTS: Final = Path("/proc/self/mountinfo")


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


def syncs_names_with_files(folder: Path) -> bool:
    """Whether the fsync of a file in a folder, or just linked there, makes its name durable too.

    False for file systems that do not promise it, that are mounted so that they do not, or that cannot be told.
    """
    status = os.stat(folder)  # noqa: PTH116
    device = f"{os.major(status.st_dev)}:{os.minor(status.st_dev)}"
    try:
        mounts = _MOUNTS.read_text(errors="replace").splitlines()
    except OSError:
        return False
    for mount in mounts:
        before, _, after = mount.partition(" - ")
        kind, _, options = [*after.split(" "), "", ""][:3]
        if before.split(" ")[2:3] == [device]:
            return kind in _NAMES_GO_WITH_FILES and "nobarrier" not in options and "barrier=0" not in options
    return False
