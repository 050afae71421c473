"""The body of an upload on its way to the archive: a file without a name, gone with the request or the process."""

from __future__ import annotations

import tempfile
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import asdict
from typing import IO, Any, BinaryIO, Final, Literal

from fastapi import Request
from starlette.concurrency import run_in_threadpool

from filmless.access.principal import Principal
from filmless.archive import Archive
from filmless.archive.outages import as_unavailable
from filmless.archive.writing import write_all
from filmless.errors import Refused, TooLarge
from filmless.store.importing import import_stream

_WRITE_BYTES: Final = 4 << 20


@asynccontextmanager
async def spool(
    archive: Archive,
    request: Request,
    limit: Literal["upload_file_max_bytes", "film_body_max_bytes"] = "upload_file_max_bytes",
) -> AsyncIterator[BinaryIO]:
    """Write the body of a request to a file as it arrives, for the length of the block.

    Raises
    ------
    Refused: there is no body. TooLarge: it is longer than the setting `limit`. Unavailable: the disk is full.
    """
    length_max = int(getattr(archive.settings, limit))
    too_long = f"the file is longer than {length_max} bytes ({limit})"
    declared = request.headers.get("content-length", "")
    if declared.isdigit() and int(declared) > length_max:
        raise TooLarge(too_long)
    with await run_in_threadpool(_open, archive) as file:
        length = 0
        pending = bytearray()
        async for chunk in request.stream():
            length += len(chunk)
            if length > length_max:
                raise TooLarge(too_long)
            pending += chunk
            if len(pending) >= _WRITE_BYTES:
                await run_in_threadpool(_write, archive, file, bytes(pending))
                pending.clear()
        if not length:
            raise Refused("the request has no body: send the bytes of one file")
        await run_in_threadpool(_write, archive, file, bytes(pending))
        await run_in_threadpool(file.seek, 0)
        yield file


def import_spooled(archive: Archive, principal: Principal, file: BinaryIO, name: str) -> list[dict[str, Any]]:
    """Take in a spooled file or ZIP under the name that the browser gave; one result for each file in it."""
    return [asdict(result) for result in import_stream(archive, principal, file, name)]


def _open(archive: Archive) -> Any:
    archive.blobs.require_room()
    folder = archive.settings.data / "spool"
    with as_unavailable(f"the spool {folder} cannot be written"):
        folder.mkdir(exist_ok=True)
        return tempfile.TemporaryFile(dir=folder, buffering=0)


def _write(archive: Archive, file: IO[bytes], data: bytes) -> None:
    archive.blobs.require_room()
    with as_unavailable("the upload cannot be kept"):
        write_all(file, data)
