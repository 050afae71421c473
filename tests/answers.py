"""The DICOMweb door by itself, addresses under it, and its multipart bodies cut by the book and not by our parser."""

from __future__ import annotations

import asyncio
import secrets
from collections.abc import Iterator
from typing import Any

from pydicom import Dataset
from starlette.types import Receive, Scope, Send

from filmless.access.principal import Principal
from filmless.archive import Archive
from filmless.dicomweb.app import create_dicomweb


class Mounted:
    """Sets the caller, as `access.http` does, and the mount point."""

    def __init__(self, archive: Archive, principal: Principal | None) -> None:
        self.app = create_dicomweb(archive)
        self.principal = principal

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            return
        await self.app({**scope, "filmless.principal": self.principal, "root_path": "/dicomweb"}, receive, send)


def address(ds: Dataset, level: str = "instance") -> str:
    """Where a data set is found."""
    parts = [("studies", ds.StudyInstanceUID), ("series", ds.SeriesInstanceUID), ("instances", ds.SOPInstanceUID)]
    count = {"study": 1, "series": 2, "instance": 3}[level]
    return "/dicomweb" + "".join(f"/{name}/{uid}" for name, uid in parts[:count])


def parts_of(response: Any) -> list[tuple[dict[str, str], bytes]]:
    """Cut a multipart answer into headers and bodies, by the book and not by our parser."""
    kind = response.headers["content-type"]
    assert kind.startswith("multipart/related; ")
    boundary = kind.partition('boundary="')[2].rstrip('"').encode()
    *pieces, end = (b"\r\n" + response.content if response.content[:2] == b"--" else response.content).split(
        b"\r\n--" + boundary
    )
    assert end == b"--\r\n"
    assert pieces[0] == b""
    parts = []
    for piece in pieces[1:]:
        head, _, body = piece[2:].partition(b"\r\n\r\n")
        lines = [line.partition(": ") for line in head.decode().split("\r\n")]
        parts.append(({name.lower(): value for name, _, value in lines}, body))
    return parts


def multipart_body(files: list[bytes], content_type: str = "application/dicom") -> tuple[bytes, str]:
    """Write a STOW request body and its Content-Type."""
    boundary = secrets.token_hex(8)
    body = b"".join(f"--{boundary}\r\nContent-Type: {content_type}\r\n\r\n".encode() + data + b"\r\n" for data in files)
    kind = f'multipart/related; type="{content_type}"; boundary="{boundary}"'
    return body + f"--{boundary}--\r\n".encode(), kind


def data_set_of(part10: bytes) -> bytes:
    """What follows group 0002."""
    length = int.from_bytes(part10[140:144], "little")
    return part10[144 + length :]


async def send_streamed(
    app: Any, pieces: Iterator[bytes], kind: str, *, cut_after: int | None = None
) -> list[dict[str, Any]]:
    """Speak ASGI to the application, piece by piece; None of the body is ever whole."""
    sent = 0

    async def receive() -> dict[str, Any]:
        nonlocal sent
        await asyncio.sleep(0)
        if cut_after is not None and sent >= cut_after:
            return {"type": "http.disconnect"}
        piece = next(pieces, None)
        sent += 1
        if piece is None:
            return {"type": "http.request", "body": b"", "more_body": False}
        return {"type": "http.request", "body": piece, "more_body": True}

    answers: list[dict[str, Any]] = []

    async def send(message: dict[str, Any]) -> None:
        answers.append(message)

    scope = {
        "type": "http", "method": "POST", "path": "/dicomweb/studies", "raw_path": b"/dicomweb/studies",
        "query_string": b"", "scheme": "http", "server": ("pacs.test", 80), "client": ("192.0.2.1", 1),
        "headers": [(b"content-type", kind.encode()), (b"host", b"pacs.test")], "http_version": "1.1",
    }  # fmt: skip
    await app(scope, receive, send)
    return answers
