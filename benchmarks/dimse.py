"""The least DICOM upper layer that loads a server: it costs almost nothing itself, so what it times is the server.

It shares no code with the product and checks nothing: a benchmark's peer is trusted.
"""

from __future__ import annotations

import socket
import struct
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field

PDU_MAX = 1 << 20
_BUFFER_BYTES = 4 << 20
EXPLICIT_LE = "1.2.840.10008.1.2.1"
IMPLICIT_LE = "1.2.840.10008.1.2"
CT_STORAGE = "1.2.840.10008.5.1.4.1.1.2"
STUDY_FIND = "1.2.840.10008.5.1.4.1.2.2.1"
STUDY_MOVE = "1.2.840.10008.5.1.4.1.2.2.2"
STUDY_GET = "1.2.840.10008.5.1.4.1.2.2.3"
C_STORE_RQ, C_STORE_RSP, C_FIND_RQ, C_GET_RQ, C_MOVE_RQ = 0x0001, 0x8001, 0x0020, 0x0010, 0x0021
NO_DATASET = 0x0101


def item(kind: int, body: bytes) -> bytes:
    """One variable item of an A-ASSOCIATE PDU (PS3.8 9.3.2)."""
    return struct.pack(">BBH", kind, 0, len(body)) + body


def uid(text: str) -> bytes:
    """A UID, padded to even length."""
    raw = text.encode()
    return raw + b"\0" * (len(raw) % 2)


def element(group: int, number: int, value: bytes) -> bytes:
    """One implicit VR little endian element."""
    value += b"\0" * (len(value) % 2)
    return struct.pack("<HHI", group, number, len(value)) + value


def command(code: int, *, message_id: int = 0, reply_to: int = 0, has_dataset: bool, **fields: bytes) -> bytes:
    """A command set with its group length; fields are named e0002 and so on, in ascending order of number."""
    numbered = {int(name[1:], 16): value for name, value in fields.items()}
    numbered[0x0100] = struct.pack("<H", code)
    if message_id:
        numbered[0x0110] = struct.pack("<H", message_id)
    if reply_to:
        numbered[0x0120] = struct.pack("<H", reply_to)
    numbered[0x0800] = struct.pack("<H", 0 if has_dataset else NO_DATASET)
    body = b"".join(element(0, number, value) for number, value in sorted(numbered.items()))
    return element(0, 0, struct.pack("<I", len(body))) + body


def read_command(data: bytes) -> dict[int, bytes]:
    """Read a command set by element number."""
    found, at = {}, 0
    while at + 8 <= len(data):
        _, number, length = struct.unpack_from("<HHI", data, at)
        found[number] = data[at + 8 : at + 8 + length]
        at += 8 + length
    return found


def p_data(context: int, data: bytes, *, is_command: bool, pdu_max: int) -> bytes:
    """Cut one message part into P-DATA-TF PDUs."""
    step, out = pdu_max - 6, bytearray()
    for start in range(0, len(data), step):
        part = data[start : start + step]
        flags = (1 if is_command else 0) | (2 if start + step >= len(data) else 0)
        out += struct.pack(">BBIIBB", 4, 0, len(part) + 6, len(part) + 2, context, flags) + part
    return bytes(out)


@dataclass
class Peer:
    """Where to call, and as whom."""

    host: str
    port: int
    ae_title: str
    calling: str = "LOAD"


@dataclass
class Message:
    """A message as it came: its context, command elements, and the pieces of its data set, each good until the next."""

    context: int
    command: dict[int, bytes]
    dataset_bytes: int

    @property
    def status(self) -> int:
        return int.from_bytes(self.command.get(0x0900, b"\xff\xff"), "little")

    @property
    def code(self) -> int:
        return int.from_bytes(self.command.get(0x0100, b"\0\0"), "little")

    @property
    def is_pending(self) -> bool:
        return self.status in (0xFF00, 0xFF01)


@dataclass
class Link:
    """A socket that carries PDUs; `quickack` acknowledges each segment at once, as few ordinary peers do."""

    sock: socket.socket
    quickack: bool = True
    pdu_max: int = PDU_MAX
    buffer: memoryview = field(default_factory=lambda: memoryview(bytearray(_BUFFER_BYTES)))
    start: int = 0
    end: int = 0

    def take(self, size: int) -> memoryview:
        """Receive `size` bytes; they lie in the buffer until the next call. Nothing is copied but a short remainder."""
        while self.end - self.start < size:
            if self.start + size > len(self.buffer):
                rest = self.end - self.start
                self.buffer[:rest] = bytes(self.buffer[self.start : self.end])
                self.start, self.end = 0, rest
            if self.quickack:
                self.sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_QUICKACK, 1)
            got = self.sock.recv_into(self.buffer[self.end :])
            if not got:
                raise ConnectionError("the peer closed the association")
            self.end += got
        taken = self.buffer[self.start : self.start + size]
        self.start += size
        if self.start == self.end:
            self.start = self.end = 0
        return taken

    def read_pdu(self) -> tuple[int, memoryview]:
        kind, length = struct.unpack(">BxI", self.take(6))
        return kind, self.take(length)

    def messages(self, keep: Callable[[memoryview], object] = lambda _: None) -> Iterator[Message]:
        """Yield messages until the peer asks to release, which is answered. `keep` is given data sets in pieces."""
        told, size = bytearray(), 0
        while True:
            kind, body = self.read_pdu()
            if kind == 5:
                self.sock.sendall(struct.pack(">BBII", 6, 0, 4, 0))
                return
            if kind == 6:
                return
            if kind != 4:
                raise ConnectionError(f"unexpected PDU of type {kind}: {body.hex()}")
            at = 0
            while at < len(body):
                length, context, flags = struct.unpack_from(">IBB", body, at)
                piece = body[at + 6 : at + 4 + length]
                at += 4 + length
                if flags & 1:
                    told += piece
                else:
                    size += len(piece)
                    keep(piece)
                if not flags & 2:
                    continue
                elements = read_command(bytes(told))
                if flags & 1 and int.from_bytes(elements.get(0x0800, b"\1\1"), "little") != NO_DATASET:
                    continue
                yield Message(context, elements, size)
                told, size = bytearray(), 0

    def send(self, context: int, told: bytes, dataset: bytes = b"") -> None:
        """Send one message in one write."""
        out = p_data(context, told, is_command=True, pdu_max=self.pdu_max)
        if dataset:
            out += p_data(context, dataset, is_command=False, pdu_max=self.pdu_max)
        self.sock.sendall(out)

    def release(self) -> None:
        self.sock.sendall(struct.pack(">BBII", 5, 0, 4, 0))
        for _ in self.messages():
            pass
        self.sock.close()


def associate(
    peer: Peer, contexts: list[tuple[str, str]], *, quickack: bool = True, scp_roles: tuple[str, ...] = ()
) -> Link:
    """Open an association that proposes (abstract syntax, transfer syntax) pairs; ids are 1, 3, 5 and so on."""
    sock = socket.create_connection((peer.host, peer.port), timeout=120)
    sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    body = struct.pack(">HH", 1, 0) + peer.ae_title.encode().ljust(16) + peer.calling.encode().ljust(16) + bytes(32)
    body += item(0x10, b"1.2.840.10008.3.1.1.1")
    for number, (abstract, syntax) in enumerate(contexts):
        inner = item(0x30, abstract.encode()) + item(0x40, syntax.encode())
        body += item(0x20, bytes([2 * number + 1, 0, 0, 0]) + inner)
    user = item(0x51, struct.pack(">I", PDU_MAX)) + item(0x52, b"2.25.311111111111111111111") + item(0x55, b"LOAD")
    for role in scp_roles:
        user += item(0x54, struct.pack(">H", len(role)) + role.encode() + b"\1\1")
    body += item(0x50, user)
    sock.sendall(struct.pack(">BBI", 1, 0, len(body)) + body)
    link = Link(sock, quickack)
    kind, told = link.read_pdu()
    answer = bytes(told)
    if kind != 2:
        raise ConnectionError(f"association refused: PDU type {kind}, {answer.hex()}")
    at = answer.find(b"\x51\x00\x00\x04")
    link.pdu_max = min(struct.unpack_from(">I", answer, at + 4)[0] or PDU_MAX, PDU_MAX)
    return link


def accept(sock: socket.socket) -> Link:
    """Answer an association request as a storage SCP that takes everything, each context in its first syntax."""
    sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    link = Link(sock)
    kind, told = link.read_pdu()
    request = bytes(told)
    if kind != 1:
        raise ConnectionError(f"not an association request: PDU type {kind}")
    body, at = request[:68] + item(0x10, b"1.2.840.10008.3.1.1.1"), 68
    while at + 4 <= len(request):
        what, _, length = struct.unpack_from(">BBH", request, at)
        inner = request[at + 4 : at + 4 + length]
        at += 4 + length
        if what == 0x20:
            abstract_length = struct.unpack_from(">H", inner, 6)[0]
            syntax_at = 8 + abstract_length
            syntax_length = struct.unpack_from(">H", inner, syntax_at + 2)[0]
            syntax = inner[syntax_at : syntax_at + 4 + syntax_length]
            body += item(0x21, inner[:1] + b"\0\0\0" + syntax)
        elif what == 0x50:
            found = inner.find(b"\x51\x00\x00\x04")
            link.pdu_max = min(struct.unpack_from(">I", inner, found + 4)[0] or PDU_MAX, PDU_MAX)
    body += item(0x50, item(0x51, struct.pack(">I", PDU_MAX)) + item(0x52, b"2.25.311111111111111111111"))
    sock.sendall(struct.pack(">BBI", 2, 0, len(body)) + body)
    return link


def store_response(request: Message) -> bytes:
    """Success for one C-STORE-RQ."""
    return command(
        C_STORE_RSP,
        reply_to=int.from_bytes(request.command[0x0110], "little"),
        has_dataset=False,
        e0002=request.command[0x0002],
        e0900=b"\0\0",
        e1000=request.command[0x1000],
    )
