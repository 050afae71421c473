"""One association on one socket: the state machine of PS3.8 9.2 and the messages of PS3.7 that pass over it.

A thread owns an association and blocks in it; deadlines are kept by `timers`. What is read lands in one large buffer
that is used again and again, and data sets are handed on from there, never gathered.
"""

from __future__ import annotations

import contextlib
import os
import select
import socket
import ssl
import struct
import time
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from enum import IntEnum
from typing import NoReturn

from filmless.dimse import pdus
from filmless.dimse.commands import C_CANCEL_RQ, Command, InvalidCommand, Value, decode_command, encode_command
from filmless.dimse.limits import Limits
from filmless.dimse.pdus import AssociateAccept, AssociateRequest, InvalidPdu
from filmless.dimse.timers import NEVER, TIMERS
from filmless.errors import Damaged, Unavailable

_BUFFER_BYTES = 1 << 20
_SLOWEST_BYTES_PER_S = 8192  # a PDU under way may take the network timeout plus its length at this rate
_GATHER_BYTES = 1 << 16  # fragments up to this are moved together in the buffer, longer ones are handed on as they are
_SLOTS_MAX = 512  # fragments read from a file by one preadv; Linux takes at most 1024
_SMALLEST_PDU = 64  # a peer that asks for shorter PDUs gets these: less carries no data worth naming

_IS_COMMAND = 1
_IS_LAST = 2


class State(IntEnum):
    """States of the upper layer (PS3.8 tables 9-1 to 9-5); 4 and 5 are the requestor's, 2 and 3 the acceptor's."""

    CLOSED = 1
    AWAITING_REQUEST = 2
    AWAITING_LOCAL_ANSWER = 3
    CONNECTING = 4
    AWAITING_ANSWER = 5
    ESTABLISHED = 6
    RELEASE_SENT = 7
    RELEASE_RECEIVED = 8
    COLLISION_REQUESTOR_TO_ANSWER = 9
    COLLISION_ACCEPTOR_AWAITING = 10
    COLLISION_REQUESTOR_AWAITING = 11
    COLLISION_ACCEPTOR_TO_ANSWER = 12
    AWAITING_CLOSE = 13


class AssociationEnded(Unavailable):
    """The association is over before the work on it is."""


class Aborted(AssociationEnded):
    """The peer sent A-ABORT."""

    def __init__(self, source: int, reason: int) -> None:
        super().__init__(pdus.describe_abort(source, reason))
        self.source, self.reason = source, reason


class Released(AssociationEnded):
    """The peer released the association (and was answered)."""


class ConnectionLost(AssociationEnded):
    """The connection broke, or the peer closed it."""


class TimedOut(AssociationEnded):
    """The peer was silent, or took nothing, for longer than a limit."""


class Violation(AssociationEnded):
    """The peer broke the protocol, and we aborted."""


@dataclass(frozen=True, slots=True)
class Context:
    """An accepted presentation context; `commands` are the requests that it may carry (None: any)."""

    context_id: int
    abstract_syntax: str
    transfer_syntax: str
    commands: frozenset[int] | None = None


@dataclass(frozen=True, slots=True)
class FileRange:
    """A data set that lies in an open file."""

    fd: int
    offset: int
    length: int


DataSource = bytes | bytearray | memoryview | FileRange


class Association:
    """What requestor and acceptor have in common. Not safe to use from two threads at once."""

    def __init__(self, sock: socket.socket, limits: Limits, *, is_requestor: bool) -> None:
        self.limits = limits
        self.state = State.CONNECTING if is_requestor else State.AWAITING_REQUEST
        self.contexts: dict[int, Context] = {}
        self.request: AssociateRequest | None = None
        self.deadline = NEVER
        self.cancelled: set[int] = set()  # Message IDs that the peer asked to cancel
        self.is_idle = False  # whether the next message is waited for
        self.bytes_received = 0
        self.bytes_sent = 0
        self._is_requestor = is_requestor
        self._socket = sock
        self._peer_max_bytes = 16384
        self._expired = False
        self._writing = False
        self._buffer = bytearray(max(_BUFFER_BYTES, limits.association_request_max_bytes))
        self._view = memoryview(self._buffer)
        self._start = self._end = 0  # unread bytes of the buffer
        self._pdu_left = 0  # bytes of the P-DATA-TF under way that follow its current fragment
        self._pdv_left = 0  # bytes of the current fragment that were not taken yet
        self._pdv_context = self._pdv_flags = self._data_set_context = 0
        self._data_set_open = False  # a data set follows the command read last, and its end was not taken yet
        self._next_command: tuple[int, Command] | None = None
        self._send_buffer: bytearray | None = None
        self._has_quickack = hasattr(socket, "TCP_QUICKACK") and sock.family in {socket.AF_INET, socket.AF_INET6}
        if sock.family in {socket.AF_INET, socket.AF_INET6}:
            sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            sock.setsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1)
        sock.settimeout(None)
        TIMERS.watch(self)

    # ------------------------------------------------------------------------------------------ time and ends

    def expire(self) -> None:
        """Wake the thread that waits in this association; called by the timers when the deadline has passed."""
        if self.deadline > time.monotonic():
            return
        self._expired = True
        self.deadline = NEVER
        with contextlib.suppress(OSError):  # closed meanwhile
            # The method of ssl.SSLSocket would take the TLS state away from under the waiting thread.
            socket.socket.shutdown(self._socket, socket.SHUT_RDWR if self._writing else socket.SHUT_RD)

    def _allow(self, seconds: float) -> None:
        self.deadline = time.monotonic() + seconds

    def _lost(self, error: Exception | None) -> AssociationEnded:
        """Say why nothing more can be read or written, and tell the peer if that is a timeout of ours."""
        if not self._expired:
            self.close()
            return ConnectionLost(f"the connection to the peer broke: {error or 'the peer closed it'}")
        if self._writing:
            what = "the peer took no data for too long"
        elif self.state in {State.AWAITING_REQUEST, State.AWAITING_CLOSE}:
            what = "the peer sent nothing for too long (ARTIM)"  # AA-2: closed without an A-ABORT
        else:
            what = "the peer sent nothing for too long"
            self._send_quietly(pdus.encode_abort(pdus.SERVICE_USER, pdus.REASON_NOT_SPECIFIED))
        self.close()
        return TimedOut(what)

    def _violated(self, message: str, reason: int, source: int = pdus.SERVICE_PROVIDER) -> NoReturn:
        """Abort because of what the peer sent (AA-8), and raise."""
        self._send_quietly(pdus.encode_abort(source, reason))
        self._await_close(is_in_step=False)
        raise Violation(message)

    def misused(self, message: str) -> NoReturn:
        """Abort because the peer broke PS3.7, of which the upper layer knows nothing: the source is the user."""
        self._violated(message, pdus.REASON_NOT_SPECIFIED, pdus.SERVICE_USER)

    def abort(self, source: int = pdus.SERVICE_USER, reason: int = pdus.REASON_NOT_SPECIFIED) -> None:
        """Send A-ABORT and close, whatever state the association is in (AA-1)."""
        if self.state is State.CLOSED:
            return
        if self.state is not State.AWAITING_CLOSE:
            self._send_quietly(pdus.encode_abort(source, reason))
        self._await_close(is_in_step=False)

    def _await_close(self, *, is_in_step: bool = True) -> None:
        """Wait in state 13 until the peer closes or ARTIM expires, so that our last PDU is not lost to a reset."""
        self.state = State.AWAITING_CLOSE
        self._allow(self.limits.artim_timeout_s)
        try:
            while is_in_step:
                self._fill(6)
                kind, length = struct.unpack_from(">BxI", self._buffer, self._start)
                self._start += 6
                if kind == pdus.ABORT:
                    break  # AA-2
                if kind == pdus.ASSOCIATE_RQ or not pdus.ASSOCIATE_RQ <= kind <= pdus.ABORT:
                    self._send_quietly(pdus.encode_abort(pdus.SERVICE_PROVIDER, pdus.UNEXPECTED_PDU))  # AA-7
                    is_in_step = False
                else:
                    self._skip(length)  # AA-6
            while not is_in_step:
                self._start = self._end = 0
                self._fill(1)
        except AssociationEnded:
            pass
        self.close()

    def close(self) -> None:
        """Close the connection; nothing is sent."""
        self.state = State.CLOSED
        self.deadline = NEVER
        TIMERS.forget(self)
        if isinstance(self._socket, ssl.SSLSocket):
            with contextlib.suppress(OSError, ValueError):
                self._socket.settimeout(0)  # say that we close, do not wait for the peer to say so too
                self._socket.unwrap()
        with contextlib.suppress(OSError):
            self._socket.close()

    # ------------------------------------------------------------------------------------------ bytes

    def secure(self, context: ssl.SSLContext, server_hostname: str | None = None) -> None:
        """Put TLS under the association, before anything was sent.

        Raises
        ------
        ConnectionLost, TimedOut: the handshake failed; the message says why.
        """
        self._allow(self.limits.artim_timeout_s)
        self._writing = True  # nothing could be said to the peer if this takes too long
        try:
            self._socket = context.wrap_socket(
                self._socket,
                server_side=not self._is_requestor,
                do_handshake_on_connect=False,
                server_hostname=server_hostname,
            )
            self._socket.do_handshake()
        except (OSError, ValueError) as error:
            raise self._lost(error) from error
        self._writing = False

    @property
    def peer_certificate(self) -> bytes | None:
        """The certificate that the peer showed over TLS, in DER."""
        return self._socket.getpeercert(binary_form=True) if isinstance(self._socket, ssl.SSLSocket) else None

    def _fill(self, need: int) -> None:
        """Have at least `need` unread bytes (at most the buffer's length) in the buffer."""
        while (have := self._end - self._start) < need:
            if have == 0:
                self._start = self._end = 0
            elif len(self._buffer) - self._start < need:
                self._view[:have] = self._view[self._start : self._end]
                self._start, self._end = 0, have
            try:
                if self._has_quickack:
                    # A peer with Nagle's algorithm on waits for our acknowledgement before it sends a message's last
                    # segment; Linux goes back to delaying them by itself, so ask again each time.
                    self._socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_QUICKACK, 1)
                count = self._socket.recv_into(self._view[self._end :])
            except OSError as error:
                raise self._lost(error) from error
            if count == 0:
                raise self._lost(None)
            self._end += count
            self.bytes_received += count

    def _skip(self, length: int) -> None:
        while length:
            self._fill(1)
            step = min(length, self._end - self._start)
            self._start += step
            length -= step

    def _send(self, data: bytes | bytearray | memoryview) -> None:
        if self.state in {State.CLOSED, State.AWAITING_CLOSE}:
            raise ConnectionLost("the association is closed")
        self._writing = True
        self._allow(self.limits.network_timeout_s + len(data) / _SLOWEST_BYTES_PER_S)
        try:
            self._socket.sendall(data)
        except OSError as error:
            raise self._lost(error) from error
        self._writing = False
        self.deadline = NEVER
        self.bytes_sent += len(data)

    def _send_quietly(self, data: bytes) -> None:
        """Send a last word, to which nobody may listen any more."""
        expired, self._expired = self._expired, False
        self._writing = True
        self._allow(min(self.limits.artim_timeout_s, 2.0))
        with contextlib.suppress(OSError):
            self._socket.sendall(data)
        self._writing = False
        self._expired = expired

    # ------------------------------------------------------------------------------------------ PDUs

    def _next_pdu(self, wait_s: float) -> tuple[int, int]:
        """Type and length of the next PDU: it must begin within `wait_s` and be whole by the network timeout."""
        if self._end - self._start < 6:
            if self._end == self._start:
                self._allow(wait_s)
                self._fill(1)
            if self.state is not State.AWAITING_REQUEST:  # there ARTIM runs on
                self._allow(self.limits.network_timeout_s)
            self._fill(6)
        kind, length = struct.unpack_from(">BxI", self._buffer, self._start)
        self._start += 6
        if self.state is not State.AWAITING_REQUEST:
            self._allow(self.limits.network_timeout_s + min(length, self.limits.pdu_max_bytes) / _SLOWEST_BYTES_PER_S)
        return kind, length

    def _take_body(self, length: int, limit: int, what: str) -> bytes:
        """The body of a PDU that is not P-DATA-TF; its length is checked before a byte of it is waited for."""
        if length > limit:
            self._violated(f"{what} of {length} bytes, at most {limit} are taken", pdus.INVALID_PDU_PARAMETER_VALUE)
        self._fill(length)
        body = bytes(self._view[self._start : self._start + length])
        self._start += length
        return body

    def _take_control(self, kind: int, length: int) -> NoReturn:
        """Act on a PDU other than P-DATA-TF while the association is established, and raise what it means."""
        if kind == pdus.RELEASE_RQ:
            self._take_body(length, 4, "A-RELEASE-RQ")
            self.state = State.RELEASE_RECEIVED
            self._send_quietly(pdus.encode_release_response())  # AR-4
            self._await_close()
            raise Released("the peer released the association")
        if kind == pdus.ABORT:
            self._take_abort(length)
        self._refuse_pdu(kind)

    def _take_abort(self, length: int) -> NoReturn:
        body = self._take_body(length, 4, "A-ABORT").ljust(4, b"\0")
        self.close()  # AA-2, AA-3
        raise Aborted(body[2], body[3])

    def _refuse_pdu(self, kind: int) -> NoReturn:
        known = pdus.ASSOCIATE_RQ <= kind <= pdus.ABORT
        message = f"PDU type 0x{kind:02X} in state {int(self.state)}"
        if self.state is State.AWAITING_REQUEST:  # AA-1: there the abort comes from the service user
            self._violated(message, pdus.REASON_NOT_SPECIFIED, pdus.SERVICE_USER)
        self._violated(message, pdus.UNEXPECTED_PDU if known else pdus.UNRECOGNIZED_PDU)

    def _next_fragment(self, wait_s: float) -> None:
        """Go to the next PDV (PS3.8 9.3.5.1), in the P-DATA-TF under way or the next one."""
        if self._pdu_left == 0:
            kind, length = self._next_pdu(wait_s)
            if kind != pdus.P_DATA_TF:
                self._take_control(kind, length)
            if length > self.limits.pdu_max_bytes:
                self._violated(
                    f"P-DATA-TF of {length} bytes, at most {self.limits.pdu_max_bytes} were offered",
                    pdus.INVALID_PDU_PARAMETER_VALUE,
                )
            self._pdu_left = length
        if self._pdu_left < 6:
            self._violated("P-DATA-TF without room for a PDV", pdus.INVALID_PDU_PARAMETER_VALUE)
        self._fill(6)
        length, self._pdv_context, self._pdv_flags = struct.unpack_from(">IBB", self._buffer, self._start)
        self._start += 6
        self._pdv_flags &= _IS_COMMAND | _IS_LAST  # the other bits are reserved and not tested (PS3.8 E.2)
        if not 2 <= length <= self._pdu_left - 4:
            self._violated(
                f"PDV of {length} bytes where {self._pdu_left - 4} are left", pdus.INVALID_PDU_PARAMETER_VALUE
            )
        if self._pdv_context not in self.contexts:
            self._violated(
                f"PDV in presentation context {self._pdv_context}, which was not accepted",
                pdus.INVALID_PDU_PARAMETER_VALUE,
            )
        self._pdu_left -= length + 4
        self._pdv_left = length - 2

    # ------------------------------------------------------------------------------------------ messages in

    def read_command(self, wait_s: float) -> tuple[Context, Command]:
        """Wait for the next message and read its command set. What is left of the message before is skipped.

        Raises
        ------
        Released, Aborted, ConnectionLost, TimedOut, Violation: the association is over.
        """
        if self._next_command is not None:
            (context_id, command), self._next_command = self._next_command, None
            return self.contexts[context_id], command
        if self._data_set_open:
            self.receive_data_set(_ignore)
        raw = bytearray()
        self.is_idle = True
        self._next_fragment(wait_s)
        self.is_idle = False
        context_id = self._pdv_context
        while True:
            if not self._pdv_flags & _IS_COMMAND or self._pdv_context != context_id:
                self.misused("a fragment that does not continue the command set")
            if len(raw) + self._pdv_left > self.limits.command_max_bytes:
                self.misused(f"a command set of more than {self.limits.command_max_bytes} bytes")
            while self._pdv_left:
                self._fill(1)
                step = min(self._pdv_left, self._end - self._start)
                raw += self._view[self._start : self._start + step]
                self._start += step
                self._pdv_left -= step
            if self._pdv_flags & _IS_LAST:
                break
            self._next_fragment(self.limits.network_timeout_s)
        try:
            command = decode_command(raw)
        except InvalidCommand as error:
            self.misused(str(error))
        self._data_set_open = command.has_data_set
        self._pdv_flags = 0
        self._data_set_context = context_id
        self.deadline = NEVER
        return self.contexts[context_id], command

    def receive_data_set(self, write: Callable[[memoryview], object]) -> int:
        """Hand the data set of the message under way to `write`, piece by piece, and return its length.

        A piece is part of the buffer: it must be used up before `write` returns. When `write` raises, the rest can
        still be received (or is skipped by the next `read_command`).
        """
        view, total = self._view, 0
        while self._data_set_open:
            if self._pdv_left == 0:
                if self._pdv_flags == _IS_LAST:
                    self._data_set_open = False
                    self._pdv_flags = 0
                    break
                self._next_fragment(self.limits.network_timeout_s)
                if self._pdv_flags & _IS_COMMAND or self._pdv_context != self._data_set_context:
                    self.misused("a fragment that does not continue the data set")
                continue
            if self._start == self._end:
                self._fill(1)
            begin = self._start
            end = begin + min(self._pdv_left, self._end - begin)
            self._pdv_left -= end - begin
            self._start = end
            if self._pdv_left == 0 and end - begin <= _GATHER_BYTES:
                end = self._gather(end)
            self._data_set_open = bool(self._pdv_left or self._pdv_flags != _IS_LAST)
            total += end - begin
            deadline, self.deadline, paused = self.deadline, NEVER, time.monotonic()
            try:
                write(view[begin:end])
            finally:
                self.deadline = deadline + time.monotonic() - paused  # our own slowness is not the peer's
        self.deadline = NEVER
        return total

    def _gather(self, end: int) -> int:
        """Move the fragments of the data set that lie in the buffer, each in a PDU of its own, up to `end`.

        With the usual 16 KiB PDUs this makes one write of thirty.
        """
        buffer, view = self._buffer, self._view
        while self._pdu_left == 0 and self._pdv_flags == 0 and self._end - self._start > 12:
            kind, pdu, pdv, context_id, flags = struct.unpack_from(">BxIIBB", buffer, self._start)
            if (
                kind != pdus.P_DATA_TF
                or pdu != pdv + 4
                or not 2 <= pdv <= _GATHER_BYTES
                or pdu > self.limits.pdu_max_bytes
                or context_id != self._data_set_context
                or flags & _IS_COMMAND
            ):
                break  # whatever this is, the careful way will deal with it
            source = self._start + 12
            count = min(pdv - 2, self._end - source)
            view[end : end + count] = view[source : source + count]
            end += count
            self._start = source + count
            self._pdv_left = pdv - 2 - count
            self._pdv_flags = flags & _IS_LAST
            if self._pdv_left:
                self._allow(self.limits.network_timeout_s + self._pdv_left / _SLOWEST_BYTES_PER_S)
                break
        return end

    def read_data_set(self, limit: int) -> bytes:
        """Read a small data set as a whole.

        Raises
        ------
        Violation: it is longer than `limit`; the association was aborted.
        """
        out = bytearray()

        def take(piece: memoryview) -> None:
            if len(out) + len(piece) > limit:
                self.misused(f"an identifier of more than {limit} bytes")
            out.extend(piece)

        self.receive_data_set(take)
        return bytes(out)

    def poll(self) -> None:
        """Take in C-CANCEL requests that have come meanwhile, without waiting for any.

        Raises
        ------
        Released, Aborted, ConnectionLost, TimedOut, Violation: the association is over.
        """
        while self._next_command is None and not self._data_set_open and self._has_input():
            context, command = self.read_command(self.limits.network_timeout_s)
            if command.field == C_CANCEL_RQ:
                self.cancelled.add(command.message_id)
            else:
                self._next_command = (context.context_id, command)

    def _has_input(self) -> bool:
        if self._end > self._start:
            return True
        if self.state is State.CLOSED:
            raise ConnectionLost("the association is closed")
        if isinstance(self._socket, ssl.SSLSocket) and self._socket.pending():
            return True
        poller = select.poll()
        poller.register(self._socket, select.POLLIN)
        return bool(poller.poll(0))

    # ------------------------------------------------------------------------------------------ messages out

    def _set_peer_max(self, max_pdu_bytes: int) -> None:
        """Honour the longest PDU that the peer takes; 0 means any, and then ours is long enough."""
        self._peer_max_bytes = max(min(max_pdu_bytes or _BUFFER_BYTES, _BUFFER_BYTES), _SMALLEST_PDU)

    def _fragments(self, context_id: int, data: bytes | bytearray | memoryview, flag: int) -> list[bytes]:
        step, view = self._peer_max_bytes - 6, memoryview(data)
        out: list[bytes] = []
        for at in range(0, len(view), step) or (0,):
            part = view[at : at + step]
            flags = flag | (_IS_LAST if at + step >= len(view) else 0)
            out.append(struct.pack(">BxIIBB", pdus.P_DATA_TF, len(part) + 6, len(part) + 2, context_id, flags))
            out.append(bytes(part))
        return out

    def encode_message(self, context_id: int, command: Mapping[int, Value], data_set: bytes | None = None) -> bytes:
        """PDUs of a whole message whose data set, if any, is at hand."""
        parts = self._fragments(context_id, encode_command(command), _IS_COMMAND)
        if data_set is not None:
            parts += self._fragments(context_id, data_set, 0)
        return b"".join(parts)

    def send_encoded(self, messages: Iterable[bytes]) -> None:
        """Send what `encode_message` made, in one write."""
        self._send(b"".join(messages))

    def send_message(self, context_id: int, command: Mapping[int, Value], data_set: DataSource | None = None) -> None:
        """Send a message; when its data set fits the buffer it leaves in one write."""
        if isinstance(data_set, FileRange):
            self._send_from_file(context_id, encode_command(command), data_set)
        else:
            self._send(self.encode_message(context_id, command, None if data_set is None else bytes(data_set)))

    def _send_from_file(self, context_id: int, command: bytes, source: FileRange) -> None:
        """Read the file straight into the gaps between PDU headers, and send all of it at once."""
        if self._send_buffer is None:
            self._send_buffer = bytearray(_BUFFER_BYTES + (1 << 17))
        buffer, view = self._send_buffer, memoryview(self._send_buffer)
        head = b"".join(self._fragments(context_id, command, _IS_COMMAND))
        if len(head) > 1 << 16:
            self._send(head)
            head = b""
        buffer[: len(head)] = head
        at, offset, left = len(head), source.offset, source.length
        step = self._peer_max_bytes - 6
        while True:
            slots: list[memoryview] = []
            wanted = 0
            while len(slots) < _SLOTS_MAX:
                part = min(step, left)
                if at + 12 + part > len(buffer):
                    break
                flags = _IS_LAST if part == left else 0
                struct.pack_into(">BxIIBB", buffer, at, pdus.P_DATA_TF, part + 6, part + 2, context_id, flags)
                slots.append(view[at + 12 : at + 12 + part])
                at += 12 + part
                left -= part
                wanted += part
                if left == 0:
                    break
            if wanted and os.preadv(source.fd, slots, offset) != wanted:
                self.abort()
                raise Damaged(f"a file ended before the {source.length} bytes that it should hold")
            offset += wanted
            self._send(view[:at])
            if left == 0:
                return
            at = 0

    # ------------------------------------------------------------------------------------------ beginning and end

    def read_request(self) -> AssociateRequest:
        """Wait, as acceptor, for the A-ASSOCIATE-RQ (AE-6), at most for the time of ARTIM.

        Raises
        ------
        ConnectionLost, TimedOut, Violation, Aborted: there will be no association.
        """
        kind, length = self._next_pdu(self.limits.artim_timeout_s)
        if kind == pdus.ABORT:
            self._take_abort(length)
        if kind != pdus.ASSOCIATE_RQ:
            self._refuse_pdu(kind)
        body = self._take_body(length, self.limits.association_request_max_bytes, "A-ASSOCIATE-RQ")
        self.deadline = NEVER
        self.state = State.AWAITING_LOCAL_ANSWER
        try:
            self.request = pdus.decode_associate_request(body)
        except InvalidPdu as error:
            self._violated(str(error), error.reason)
        return self.request

    def accept(self, answer: AssociateAccept, contexts: Iterable[Context]) -> None:
        """Answer, as acceptor, that the association is on (AE-7)."""
        assert self.request is not None
        self._set_peer_max(self.request.user.max_pdu_bytes)
        self.contexts = {context.context_id: context for context in contexts}
        self._send(pdus.encode_associate_accept(answer))
        self.state = State.ESTABLISHED

    def reject(self, result: int, source: int, reason: int) -> None:
        """Answer, as acceptor, that it is not (AE-8), and wait for the peer to close."""
        self._send_quietly(pdus.encode_associate_reject(result, source, reason))
        self._await_close()

    def establish(self, request: AssociateRequest) -> AssociateAccept | tuple[int, int, int]:
        """Ask, as requestor, for the association; the answer is an acceptance, or result, source and reason.

        Raises
        ------
        ConnectionLost, TimedOut, Violation, Aborted: there will be no association.
        """
        self.request = request
        self._send(pdus.encode_associate_request(request))
        self.state = State.AWAITING_ANSWER
        kind, length = self._next_pdu(self.limits.artim_timeout_s)
        if kind == pdus.ASSOCIATE_RJ:
            body = self._take_body(length, 4, "A-ASSOCIATE-RJ").ljust(4, b"\0")
            self.close()
            return body[1], body[2], body[3]
        if kind == pdus.ABORT:
            self._take_abort(length)
        if kind != pdus.ASSOCIATE_AC:
            self._refuse_pdu(kind)
        body = self._take_body(length, self.limits.association_request_max_bytes, "A-ASSOCIATE-AC")
        self.deadline = NEVER
        try:
            answer = pdus.decode_associate_accept(body)
        except InvalidPdu as error:
            self._violated(str(error), error.reason)
        self._set_peer_max(answer.user.max_pdu_bytes)
        proposed = {context.context_id: context.abstract_syntax for context in request.contexts}
        self.contexts = {
            context.context_id: Context(context.context_id, proposed[context.context_id], context.transfer_syntax)
            for context in answer.contexts
            if context.result == pdus.ACCEPTANCE and context.context_id in proposed
        }
        self.state = State.ESTABLISHED
        return answer

    def release(self) -> None:
        """Release the association in good order (AR-1); also when both sides ask at once (AR-8 to AR-10).

        Raises
        ------
        AssociationEnded: it ended otherwise.
        """
        if self.state is not State.ESTABLISHED:
            return
        self._send(pdus.encode_release_request())
        self.state = State.RELEASE_SENT
        self._skip(self._pdv_left + self._pdu_left)
        self._pdv_left = self._pdu_left = 0
        while True:
            kind, length = self._next_pdu(self.limits.network_timeout_s)
            if kind == pdus.P_DATA_TF and self.state is State.RELEASE_SENT and length <= self.limits.pdu_max_bytes:
                self._skip(length)  # AR-6: what the peer still had to say
            elif kind == pdus.RELEASE_RP:
                self._take_body(length, 4, "A-RELEASE-RP")
                if self.state is State.COLLISION_ACCEPTOR_AWAITING:
                    self.state = State.COLLISION_ACCEPTOR_TO_ANSWER
                    self._send_quietly(pdus.encode_release_response())
                    self._await_close()
                self.close()
                return
            elif kind == pdus.RELEASE_RQ and self.state is State.RELEASE_SENT:
                self._take_body(length, 4, "A-RELEASE-RQ")
                if self._is_requestor:
                    self.state = State.COLLISION_REQUESTOR_TO_ANSWER
                    self._send(pdus.encode_release_response())
                    self.state = State.COLLISION_REQUESTOR_AWAITING
                else:
                    self.state = State.COLLISION_ACCEPTOR_AWAITING
            elif kind == pdus.ABORT:
                self._take_abort(length)
            else:
                self._refuse_pdu(kind)


def _ignore(_: memoryview) -> None:
    """Take a piece of a data set that nobody wants."""
