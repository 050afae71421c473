"""The body of an upload on its way to the archive: a file in the spool that is gone when the request is."""

from __future__ import annotations

import errno
import os
import tempfile
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import asdict
from pathlib import Path
from typing import Any, Final

from fastapi import Request
from starlette.concurrency import run_in_threadpool

from filmless.access.principal import Principal
from filmless.archive import Archive
from filmless.errors import Refused, TooLarge, Unavailable
from filmless.store.importing import import_stream

_FLUSH_BYTES: Final = 4 << 20
_FULL: Final = frozenset({errno.ENOSPC, errno.EDQUOT, errno.EFBIG})


@asynccontextmanager
async def spool(archive: Archive, request: Request) -> AsyncIterator[Path]:
    """Write the body of a request to a file as it arrives; the file is removed at the end of the block.

    Raises
    ------
    Refused: there is no body. TooLarge: it is longer than `upload_file_max_bytes`. Unavailable: the disk is full.
    """
    most = archive.settings.upload_file_max_bytes
    declared = request.headers.get("content-length", "")
    if declared.isdigit() and int(declared) > most:
        raise TooLarge(f"the file has {declared} bytes; at most {most} are taken")
    folder = archive.settings.data / "spool"
    await run_in_threadpool(folder.mkdir, parents=True, exist_ok=True)
    handle, name = await run_in_threadpool(tempfile.mkstemp, dir=folder, prefix="upload-")
    path = Path(name)
    try:
        length = 0
        pending = bytearray()
        async for chunk in request.stream():
            length += len(chunk)
            if length > most:
                raise TooLarge(f"the file is longer than {most} bytes, the most that is taken")
            pending += chunk
            if len(pending) >= _FLUSH_BYTES:
                await run_in_threadpool(_write, handle, bytes(pending))
                pending.clear()
        if not length:
            raise Refused("the request has no body: send the bytes of one file")
        await run_in_threadpool(_write, handle, bytes(pending))
        yield path
    finally:
        os.close(handle)
        path.unlink(missing_ok=True)


def _write(handle: int, data: bytes) -> None:
    try:
        view = memoryview(data)
        while view:
            view = view[os.write(handle, view) :]
    except OSError as error:
        if error.errno in _FULL:
            raise Unavailable("the disk is full: the upload could not be kept") from error
        raise Unavailable(f"the spool cannot be written: {error.strerror}") from error


def import_spooled(archive: Archive, principal: Principal, path: Path, name: str) -> list[dict[str, Any]]:
    """Take in a spooled file or ZIP under the name that the browser gave; one result for each file in it."""
    with path.open("rb") as file:
        return [asdict(result) for result in import_stream(archive, principal, file, name)]
