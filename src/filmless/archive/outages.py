"""Failures of disk and database that pass by themselves, told in plain words."""

from __future__ import annotations

import errno
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from filmless.errors import Unavailable

_CAUSES = {
    errno.ENOSPC: "no space is left on the disk",
    errno.EDQUOT: "the disk quota is used up",
    errno.EROFS: "the disk is mounted read-only",
    errno.EIO: "the disk reports an input/output error",
    errno.EFBIG: "the file would be longer than the system allows",
    errno.EACCES: "the system does not permit it",
    errno.EPERM: "the system does not permit it",
    errno.EMFILE: "this process has too many open files",
    errno.ENFILE: "the system has too many open files",
    errno.ENOMEM: "the system has no memory left",
    errno.ESTALE: "the network disk lost the file",
    errno.ETIMEDOUT: "the network disk does not answer",
}


def cause_of(error: OSError) -> str | None:
    """The plain words for an outage; None when the error is of another kind."""
    return _CAUSES.get(error.errno or 0)


@contextmanager
def in_folder(folder: Path | str) -> Iterator[None]:
    """What is made in a folder that we made is refused as not there only when the folder itself is gone.

    Raises
    ------
    Unavailable: it is gone, as when its disk is no longer mounted.
    """
    try:
        yield
    except FileNotFoundError as error:
        raise Unavailable(f"the folder {folder} is gone: is the disk mounted?") from error


@contextmanager
def as_unavailable(what: str) -> Iterator[None]:
    """Turn an outage of the disk into Unavailable; other errors pass.

    Raises
    ------
    Unavailable: the message is `what` and the cause in plain words.
    """
    try:
        yield
    except OSError as error:
        cause = cause_of(error)
        if cause is None:
            raise
        raise Unavailable(f"{what}: {cause}") from error
