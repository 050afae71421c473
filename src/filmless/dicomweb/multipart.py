"""multipart/related (RFC 2046 5.1, RFC 2387): read as it arrives, written as it leaves, held by a window only."""

from __future__ import annotations

import re
import secrets
from collections.abc import Callable, Iterable, Iterator, Mapping
from typing import Final

from filmless.errors import Refused

HEADERS_MAX_BYTES: Final = 16 << 10
_BOUNDARY = re.compile(r"[0-9A-Za-z'()+_,\-./:=? ]{1,200}")


def check_boundary(boundary: str) -> str:
    """Pass on a boundary that can be one; RFC 2046's limit of 70 characters is not held against the sender.

    Raises
    ------
    Refused
    """
    if not _BOUNDARY.fullmatch(boundary) or boundary.endswith(" "):
        raise Refused(f"the multipart boundary {boundary[:80]!r} is not one")
    return boundary


class Multipart:
    """The parts of a body that is read piece by piece.

    Parameters
    ----------
    read : gives the next piece, b"" at the end.

    Lines may end in CRLF, as they must, or in LF alone, as some senders' do.
    """

    def __init__(self, read: Callable[[], bytes], boundary: str) -> None:
        self._read = read
        self._delimiter = b"\n--" + check_boundary(boundary).encode("ascii")
        self._buffer = bytearray(b"\n")  # so that the first delimiter is like the others
        self._searched = 0
        self._found = -1
        self._is_over = False

    def parts(self) -> Iterator[Part]:
        """Yield the parts in order. A part that was not read to its end is passed over.

        Raises
        ------
        Refused: the body is not multipart, or ends before its last delimiter.
        """
        self._skip()  # the preamble
        while self._next_begins():
            part = Part(self, self._headers())
            yield part
            self._skip()

    def take(self, size: int) -> bytes:
        """Take at most `size` bytes of the current part; b"" at its end."""
        while True:
            there = self._available()
            if there > 0:
                count = min(size, there)
                data = bytes(memoryview(self._buffer)[:count])
                self._drop(count)
                return data
            if self._found >= 0:
                return b""
            self._fill()

    def _available(self) -> int:
        """Count the bytes at the front of the buffer that surely belong to the part."""
        if self._found < 0:
            self._found = self._buffer.find(self._delimiter, self._searched)
            if self._found < 0:
                # The delimiter may have begun; a CR before it may be its own.
                self._searched = max(len(self._buffer) - len(self._delimiter) + 1, 0)
                return max(self._searched - 1, 0)
        end = self._found
        return end - 1 if end > 0 and self._buffer[end - 1] == 0x0D else end

    def _drop(self, count: int) -> None:
        del self._buffer[:count]
        self._searched = max(self._searched - count, 0)
        if self._found >= 0:
            self._found -= count

    def _fill(self) -> None:
        data = b"" if self._is_over else self._read()
        if not data:
            self._is_over = True
            raise Refused("the multipart body ends before its closing delimiter")
        self._buffer += data

    def _skip(self) -> None:
        while self.take(1 << 20):
            pass

    def _next_begins(self) -> bool:
        """Step over the delimiter; False if it was the closing one."""
        self._drop(self._found + len(self._delimiter))
        self._found, self._searched = -1, 0
        while len(self._buffer) < 2:
            self._fill()
        if self._buffer[:2] == b"--":
            return False
        line = self._line(200)
        if line.strip():
            raise Refused("the multipart boundary is followed by something else on its line")
        return True

    def _headers(self) -> dict[str, str]:
        headers: dict[str, str] = {}
        left = HEADERS_MAX_BYTES
        while line := self._line(left):
            left -= len(line) + 2
            name, colon, value = line.decode("latin-1").partition(":")
            if colon:
                headers[name.strip().lower()] = value.strip()
        return headers

    def _line(self, length_max: int) -> bytes:
        searched = 0
        while (end := self._buffer.find(b"\n", searched)) < 0:
            if len(self._buffer) > length_max:
                raise Refused(f"the headers of a part are longer than {HEADERS_MAX_BYTES} bytes")
            searched = len(self._buffer)
            self._fill()
        if end > length_max:
            raise Refused(f"the headers of a part are longer than {HEADERS_MAX_BYTES} bytes")
        line = bytes(self._buffer[:end]).rstrip(b"\r")
        # An empty line may be followed at once by the delimiter, whose line end it then is: it may not have come yet.
        while not line and len(self._buffer) - end < len(self._delimiter):
            if not self._delimiter.startswith(self._buffer[end:]):
                break
            self._fill()
        self._drop(end if not line and self._buffer.startswith(self._delimiter, end) else end + 1)
        return line


class Part:
    """One part: its headers, names in small letters, and its body as a stream that can be read once."""

    def __init__(self, source: Multipart, headers: Mapping[str, str]) -> None:
        self.headers = headers
        self._source = source
        self.head = b""

    def read(self, size: int = -1) -> bytes:
        """Read `size` bytes, fewer only at the end of the part; all that is left when negative."""
        pieces, left = [], size
        while left:
            data = self._source.take(left if left > 0 else 1 << 20)
            if not data:
                break
            pieces.append(data)
            if left > 0:
                left -= len(data)
        return pieces[0] if len(pieces) == 1 else b"".join(pieces)


def new_boundary() -> str:
    """Make a boundary that occurs in no data."""
    return secrets.token_hex(16)


def part_head(boundary: str, headers: Iterable[tuple[str, str]]) -> bytes:
    """Write what stands before the body of a part."""
    lines = "".join(f"{name}: {value}\r\n" for name, value in headers)
    return f"\r\n--{boundary}\r\n{lines}\r\n".encode("latin-1")


def part_headers(media_type: str, location: str, length: int) -> list[tuple[str, str]]:
    """Say of a part what it is, where it is found, and how long it is."""
    return [("Content-Type", media_type), ("Content-Length", str(length)), ("Content-Location", location)]


def documents(boundary: str, media_type: str, bodies: Iterable[bytes]) -> Iterator[bytes]:
    """Write documents of one media type, each a part."""
    for body in bodies:
        yield part_head(boundary, [("Content-Type", media_type), ("Content-Length", str(len(body)))])
        yield body
    yield closing(boundary)


def closing(boundary: str) -> bytes:
    """Write the end of a multipart body."""
    return f"\r\n--{boundary}--\r\n".encode("latin-1")


def content_type(boundary: str, root_type: str) -> str:
    """Name a multipart body of parts of one type."""
    return f'multipart/related; type="{root_type}"; boundary="{boundary}"'
