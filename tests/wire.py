"""For tests of the wire: a listener that keeps what it is given, a raw socket that speaks PDUs, DCMTK's tools."""

from __future__ import annotations

import socket
import struct
import subprocess
import threading
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

from filmless.dimse import commands as c
from filmless.dimse import pdus
from filmless.dimse.pdus import AssociateRequest, ContextAnswer, ProposedContext, UserInformation
from filmless.dimse.server import Accept, Caller, Server
from filmless.dimse.services import Outcome, Request

VERIFICATION = "1.2.840.10008.1.1"
CT = "1.2.840.10008.5.1.4.1.1.2"
STUDY_FIND = "1.2.840.10008.5.1.4.1.2.2.1"
STUDY_MOVE = "1.2.840.10008.5.1.4.1.2.2.2"
STUDY_GET = "1.2.840.10008.5.1.4.1.2.2.3"
PRINT = "1.2.840.10008.5.1.1.9"
IMPLICIT_LE = "1.2.840.10008.1.2"
EXPLICIT_LE = "1.2.840.10008.1.2.1"


@dataclass
class Stored:
    """One data set that was received."""

    request: Request
    pieces: list[bytes] = field(default_factory=list)
    is_whole: bool = False
    is_aborted: bool = False
    outcome: Outcome = field(default_factory=Outcome)

    @property
    def data(self) -> bytes:
        return b"".join(self.pieces)

    def write(self, piece: memoryview) -> None:
        self.pieces.append(bytes(piece))

    def finish(self) -> Outcome:
        self.is_whole = True
        return self.outcome

    def abort(self) -> None:
        self.is_aborted = True


@dataclass
class Scp:
    """A running listener and what it saw."""

    server: Server
    port: int
    callers: list[Caller]
    stored: list[Stored]
    ended: list[Any]

    def wait_until_quiet(self, timeout_s: float = 5) -> None:
        """Wait until no connection is open."""
        wait_for(lambda: self.server.association_count == 0, timeout_s)


def wait_for(condition: Callable[[], bool], timeout_s: float = 5) -> None:
    tick = threading.Event()
    for _ in range(int(timeout_s / 0.01)):
        if condition():
            return
        tick.wait(0.01)
    raise AssertionError("it did not come to pass in time")


def accept_all(caller: Caller) -> Accept:
    """Accept each context with its first transfer syntax."""
    contexts = tuple(
        ContextAnswer(context.context_id, pdus.ACCEPTANCE, context.transfer_syntaxes[0])
        for context in caller.request.contexts
    )
    return Accept(contexts, principal="anyone")


class Raw:
    """A socket on which a test says exactly what it wants to."""

    def __init__(self, port: int, timeout_s: float = 5) -> None:
        self.sock = socket.create_connection(("127.0.0.1", port), timeout_s)
        self.sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)

    def send(self, data: bytes) -> None:
        self.sock.sendall(data)

    def read(self, count: int) -> bytes:
        out = b""
        while len(out) < count:
            part = self.sock.recv(count - len(out))
            if not part:
                raise EOFError(out)
            out += part
        return out

    def read_pdu(self) -> tuple[int, bytes]:
        kind, length = struct.unpack(">BxI", self.read(6))
        return kind, self.read(length)

    def read_command(self) -> c.Command:
        kind, body = self.read_pdu()
        assert kind == pdus.P_DATA_TF, (kind, body)
        return c.decode_command(body[6:])

    def is_closed(self) -> bool:
        """Whether the other side has closed (and said nothing more)."""
        try:
            return self.sock.recv(1) == b""
        except ConnectionResetError:
            return True

    def close(self) -> None:
        self.sock.close()


def request_of(
    *contexts: tuple[str, str], called: str = "SCP", calling: str = "SCU", user: UserInformation | None = None
) -> bytes:
    """An A-ASSOCIATE-RQ; contexts are numbered 1, 3, 5 ..."""
    proposed = tuple(
        ProposedContext(2 * n + 1, abstract, (syntax,))
        for n, (abstract, syntax) in enumerate(contexts or ((VERIFICATION, IMPLICIT_LE), (CT, IMPLICIT_LE)))
    )
    user = user or UserInformation(16384, "2.25.1", "RAW")
    return pdus.encode_associate_request(AssociateRequest(called, calling, proposed, user))


def p_data(context_id: int, data: bytes, *, command: bool, last: bool = True) -> bytes:
    """One P-DATA-TF with one PDV."""
    flags = (1 if command else 0) | (2 if last else 0)
    return struct.pack(">BxIIBB", 4, len(data) + 6, len(data) + 2, context_id, flags) + data


def echo_command(message_id: int = 1) -> bytes:
    return c.encode_command(
        {
            c.AFFECTED_SOP_CLASS_UID: VERIFICATION,
            c.COMMAND_FIELD: c.C_ECHO_RQ,
            c.MESSAGE_ID: message_id,
            c.COMMAND_DATA_SET_TYPE: c.NO_DATA_SET,
        }
    )


def store_command(message_id: int = 1, uid: str = "1.2.3") -> bytes:
    return c.encode_command(
        {
            c.AFFECTED_SOP_CLASS_UID: CT,
            c.COMMAND_FIELD: c.C_STORE_RQ,
            c.MESSAGE_ID: message_id,
            c.PRIORITY: 0,
            c.COMMAND_DATA_SET_TYPE: c.DATA_SET,
            c.AFFECTED_SOP_INSTANCE_UID: uid,
        }
    )


def run(*words: Any, timeout_s: float = 30) -> subprocess.CompletedProcess[str]:
    """Run one of DCMTK's tools."""
    return subprocess.run(
        [str(word) for word in words], check=False, capture_output=True, text=True, timeout=timeout_s, errors="replace"
    )
