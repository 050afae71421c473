"""The messages of PS3.7 that pass over an association: command sets whole, data sets piece by piece.

What arrives is handed on from the buffer it was read into; what is sent is laid out between its PDU headers and
leaves in one write.
"""

from __future__ import annotations

import os
import socket
import struct
import time
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass

from filmless.dimse import pdus
from filmless.dimse.commands import C_CANCEL_RQ, Command, InvalidCommand, Value, decode_command, encode_command
from filmless.dimse.connection import BUFFER_BYTES, SLOWEST_BYTES_PER_S
from filmless.dimse.limits import Limits
from filmless.dimse.timers import NEVER
from filmless.dimse.upper_layer import Context, UpperLayer
from filmless.errors import Damaged

_GATHER_BYTES = 1 << 16  # fragments up to this are moved together in the buffer, longer ones are handed on as they are
_SLOTS_MAX = 512  # fragments read from a file by one preadv; Linux takes at most 1024
_COMMAND_ROOM = 1 << 16  # a longer command set is sent by itself

_IS_COMMAND = 1
_IS_LAST = 2

_PDV_HEAD = struct.Struct(">IBB")
_PDU_AND_PDV_HEAD = struct.Struct(">BxIIBB")


@dataclass(frozen=True, slots=True)
class FileRange:
    """A data set that lies in an open file."""

    fd: int
    offset: int
    length: int


DataSource = bytes | bytearray | memoryview | FileRange | Iterator[bytes]


class Association(UpperLayer):
    """What requestor and acceptor have in common. Not safe to use from two threads at once."""

    def __init__(self, sock: socket.socket, limits: Limits, *, is_requestor: bool) -> None:
        super().__init__(sock, limits, is_requestor=is_requestor)
        self.cancelled: set[int] = set()  # Message IDs that the peer asked to cancel
        self.is_idle = False  # whether the next message is waited for
        self._message_id = 0
        self._pdv_context = self._pdv_flags = self._data_set_context = 0
        self._data_set_open = False  # a data set follows the command read last, and its end was not taken yet
        self._next_command: tuple[Context, Command] | None = None
        self._send_buffer: bytearray | None = None

    # ---------------------------------------------------------------------------------------------- in

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
        else:  # the rest of a PDU whose beginning was used already: it must come, too
            self._allow(self.limits.network_timeout_s + self._pdu_left / SLOWEST_BYTES_PER_S)
        if self._pdu_left < _PDV_HEAD.size:
            self._violated("P-DATA-TF without room for a PDV", pdus.INVALID_PDU_PARAMETER_VALUE)
        length, self._pdv_context, flags = self._unpack(_PDV_HEAD)
        self._pdv_flags = flags & (_IS_COMMAND | _IS_LAST)  # the other bits are reserved and not tested (PS3.8 E.2)
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
        if 0 < self._pdu_left < _PDV_HEAD.size:
            self._violated(f"{self._pdu_left} stray bytes after a PDV", pdus.INVALID_PDU_PARAMETER_VALUE)
        self._pdv_left = length - 2

    def read_command(self, wait_s: float) -> tuple[Context, Command]:
        """Wait for the next message and read its command set. What is left of the message before is skipped.

        Raises
        ------
        Released, Aborted, ConnectionLost, TimedOut, Violation: the association is over.
        """
        if self._next_command is not None:
            waiting, self._next_command = self._next_command, None
            return waiting
        if self._data_set_open:
            self.receive_data_set(_ignore)
        self.is_idle = True
        self._next_fragment(wait_s)
        self.is_idle = False
        context_id = self._pdv_context
        raw = self._take_command_set(context_id)
        try:
            command = decode_command(raw)
        except InvalidCommand as error:
            self.misused(str(error))
        self._data_set_open = command.has_data_set
        self._data_set_context = context_id
        self._pdv_flags = 0
        self.deadline = NEVER
        return self.contexts[context_id], command

    def _take_command_set(self, context_id: int) -> bytearray:
        """Gather the fragments of a command set, of which the first was gone to."""
        raw = bytearray()
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
                return raw
            self._next_fragment(self.limits.network_timeout_s)

    def receive_data_set(self, write: Callable[[memoryview], object]) -> int:
        """Hand the data set of the message under way to `write`, piece by piece, and return its length.

        A piece is part of the buffer: it must be used up before `write` returns. When `write` raises, the rest can
        still be received (or is skipped by the next `read_command`).
        """
        view, total = self._view, 0
        while self._data_set_open:
            if self._pdv_left == 0:
                self._next_fragment(self.limits.network_timeout_s)
                if self._pdv_flags & _IS_COMMAND or self._pdv_context != self._data_set_context:
                    self.misused("a fragment that does not continue the data set")
                self._data_set_open = bool(self._pdv_left or self._pdv_flags != _IS_LAST)
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
        buffer, view, head = self._buffer, self._view, _PDU_AND_PDV_HEAD.size
        while self._pdu_left == 0 and self._pdv_flags == 0 and self._end - self._start > head:
            kind, pdu, pdv, context_id, flags = _PDU_AND_PDV_HEAD.unpack_from(buffer, self._start)
            if (
                kind != pdus.P_DATA_TF
                or pdu != pdv + 4
                or not 2 <= pdv <= _GATHER_BYTES
                or pdu > self.limits.pdu_max_bytes
                or context_id != self._data_set_context
                or flags & _IS_COMMAND
            ):
                break  # whatever this is, the careful way will deal with it
            source = self._start + head
            count = min(pdv - 2, self._end - source)
            view[end : end + count] = view[source : source + count]
            end += count
            self._start = source + count
            self._pdv_left = pdv - 2 - count
            self._pdv_flags = flags & _IS_LAST
            if self._pdv_left:
                self._allow(self.limits.network_timeout_s + self._pdv_left / SLOWEST_BYTES_PER_S)
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

    def next_message_id(self) -> int:
        """Number a request of ours."""
        self._message_id = self._message_id % 0xFFFF + 1
        return self._message_id

    def wait_for_message(self, seconds: float) -> bool:
        """Wait a while for the next message, and say whether something of it (or the end) is there to be read.

        What is left of the message before is skipped. Raises AssociationEnded as `read_command`.
        """
        if self._next_command is not None:
            return True
        if self._data_set_open:
            self.receive_data_set(_ignore)
        self.is_idle = True
        has_input = self._has_input(seconds)
        self.is_idle = False
        return has_input

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
                self._next_command = (context, command)

    # ---------------------------------------------------------------------------------------------- out

    def encode_message(self, context_id: int, command: Mapping[int, Value], data_set: bytes | None = None) -> bytes:
        """PDUs of a whole message whose data set, if any, is at hand."""
        parts = self._fragments(context_id, encode_command(command), _IS_COMMAND)
        if data_set is not None:
            parts += self._fragments(context_id, data_set, 0)
        return b"".join(parts)

    def _fragments(self, context_id: int, data: bytes | bytearray | memoryview, flag: int) -> list[bytes | memoryview]:
        step, view = self._peer_max_bytes - 6, memoryview(data)
        out: list[bytes | memoryview] = []
        for at in range(0, len(view), step) or (0,):
            part = view[at : at + step]
            flags = flag | (_IS_LAST if at + step >= len(view) else 0)
            out.append(_PDU_AND_PDV_HEAD.pack(pdus.P_DATA_TF, len(part) + 6, len(part) + 2, context_id, flags))
            out.append(part)
        return out

    def send_encoded(self, messages: Iterable[bytes]) -> None:
        """Send what `encode_message` made, in one write."""
        self._send(b"".join(messages))

    def send_message(self, context_id: int, command: Mapping[int, Value], data_set: DataSource | None = None) -> None:
        """Send a message; when its data set fits the buffer it leaves in one write.

        Raises
        ------
        AssociationEnded: the association is over. Damaged: a file is shorter than it should be; we aborted.
        """
        if data_set is None or isinstance(data_set, bytes):
            self._send(self.encode_message(context_id, command, data_set))
            return
        head = b"".join(self._fragments(context_id, encode_command(command), _IS_COMMAND))
        if isinstance(data_set, FileRange):
            self._send_file(context_id, head, data_set)
        elif isinstance(data_set, bytearray | memoryview):
            self._send(head + b"".join(self._fragments(context_id, data_set, 0)))
        else:
            self._send_pieces(context_id, head, data_set)

    def _send_file(self, context_id: int, head: bytes, source: FileRange) -> None:
        """Read the file straight into the gaps between PDU headers, and send all of it at once."""
        if self._send_buffer is None:
            self._send_buffer = bytearray(BUFFER_BYTES + 2 * _COMMAND_ROOM)
        buffer, view = self._send_buffer, memoryview(self._send_buffer)
        if len(head) > _COMMAND_ROOM:
            self._send(head)
            head = b""
        buffer[: len(head)] = head
        at, offset, left = len(head), source.offset, source.length
        while True:
            at, slots = self._lay_out(context_id, at, left)
            wanted = sum(map(len, slots))
            if wanted and os.preadv(source.fd, slots, offset) != wanted:
                self.abort()
                raise Damaged(f"a file ended before the {source.length} bytes that it should hold")
            offset += wanted
            left -= wanted
            self._send(view[:at])
            if left == 0:
                return
            at = 0

    def _lay_out(self, context_id: int, at: int, left: int) -> tuple[int, list[memoryview]]:
        """Write PDU headers into the send buffer from `at` on; returns where they end and the gaps between them."""
        assert self._send_buffer is not None
        buffer, view, step = self._send_buffer, memoryview(self._send_buffer), self._peer_max_bytes - 6
        slots: list[memoryview] = []
        while len(slots) < _SLOTS_MAX:
            part = min(step, left)
            end = at + _PDU_AND_PDV_HEAD.size + part
            if end > len(buffer):
                break
            flags = _IS_LAST if part == left else 0
            _PDU_AND_PDV_HEAD.pack_into(buffer, at, pdus.P_DATA_TF, part + 6, part + 2, context_id, flags)
            slots.append(view[at + _PDU_AND_PDV_HEAD.size : end])
            at = end
            left -= part
            if left == 0:
                break
        return at, slots

    def _send_pieces(self, context_id: int, head: bytes, pieces: Iterator[bytes]) -> None:
        """Send a data set whose length is not known yet: the last fragment is held back until the end is there."""
        step = self._peer_max_bytes - 6
        out, waiting = bytearray(head), bytearray()
        for piece in pieces:
            waiting += piece
            while len(waiting) > step:
                out += _PDU_AND_PDV_HEAD.pack(pdus.P_DATA_TF, step + 6, step + 2, context_id, 0)
                out += memoryview(waiting)[:step]
                del waiting[:step]
                if len(out) >= BUFFER_BYTES:
                    self._send(out)
                    out = bytearray()
        length = len(waiting)
        out += _PDU_AND_PDV_HEAD.pack(pdus.P_DATA_TF, length + 6, length + 2, context_id, _IS_LAST)
        self._send(out + waiting)


def _ignore(_: memoryview) -> None:
    """Take a piece of a data set that nobody wants."""
