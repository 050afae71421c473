"""The TCP connection under an association: one thread blocks in it, deadlines are kept by `timers`.

What is read lands in one large buffer that is used again and again; the layers above look at it there.
"""

from __future__ import annotations

import contextlib
import select
import socket
import ssl
import struct
import time

from filmless.dimse.limits import Limits
from filmless.dimse.timers import NEVER, TIMERS
from filmless.errors import Unavailable

BUFFER_BYTES = 1 << 20
SLOWEST_BYTES_PER_S = 8192  # what is under way may take the network timeout plus its length at this rate

_LAST_WORD_S = 2.0


class AssociationEnded(Unavailable):
    """The association is over before the work on it is."""


class ConnectionLost(AssociationEnded):
    """The connection broke, or the peer closed it."""


class TimedOut(AssociationEnded):
    """The peer was silent, or took nothing, for longer than a limit."""


class Connection:
    """Buffered reading and whole writes, each with a deadline. Not safe to use from two threads at once."""

    def __init__(self, sock: socket.socket, limits: Limits, *, is_requestor: bool) -> None:
        self.limits = limits
        self.deadline = NEVER
        self.bytes_received = 0
        self.bytes_sent = 0
        self.is_closed = False
        self._is_requestor = is_requestor
        self._socket = sock
        self._expired = False
        self._writing = False
        self._buffer = bytearray(max(BUFFER_BYTES, limits.association_request_max_bytes))
        self._view = memoryview(self._buffer)
        self._start = self._end = 0  # unread bytes of the buffer
        is_tcp = sock.family in {socket.AF_INET, socket.AF_INET6}
        self._has_quickack = is_tcp and hasattr(socket, "TCP_QUICKACK")
        if is_tcp:
            sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            sock.setsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1)
        sock.settimeout(None)
        TIMERS.watch(self)

    # ---------------------------------------------------------------------------------------------- time and ends

    def expire(self) -> None:
        """Wake the thread that waits in this connection; called by the timers when the deadline has passed."""
        if self.deadline > time.monotonic():
            return
        self._expired = True
        self.deadline = NEVER
        with contextlib.suppress(OSError):  # closed meanwhile
            # The method of ssl.SSLSocket would take the TLS state away from under the waiting thread.
            socket.socket.shutdown(self._socket, socket.SHUT_RDWR if self._writing else socket.SHUT_RD)

    def _allow(self, seconds: float) -> None:
        self.deadline = time.monotonic() + seconds

    def _last_word(self) -> bytes | None:
        """What the peer is told when it was silent for too long; the layer above knows."""
        return None

    def _lost(self, error: Exception | None) -> AssociationEnded:
        """Say why nothing more can be read or written, and tell the peer if that is a timeout of ours."""
        ended: AssociationEnded
        if not self._expired:
            ended = ConnectionLost(f"the connection to the peer broke: {error or 'the peer closed it'}")
        elif self._writing:
            ended = TimedOut("the peer took no data for too long")
        else:
            ended = TimedOut("the peer sent nothing for too long")
            word = self._last_word()
            if word is not None:
                self._send_quietly(word)
        self.close()
        return ended

    def close(self) -> None:
        """Close the connection; nothing is sent."""
        if self.is_closed:
            return
        self.is_closed = True
        self.deadline = NEVER
        TIMERS.forget(self)
        if isinstance(self._socket, ssl.SSLSocket):
            with contextlib.suppress(OSError, ValueError):
                self._socket.settimeout(0)  # say that we close, do not wait for the peer to say so too
                self._socket.unwrap()
        with contextlib.suppress(OSError):
            self._socket.close()

    # ---------------------------------------------------------------------------------------------- TLS

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

    # ---------------------------------------------------------------------------------------------- bytes

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

    def _take(self, length: int) -> bytes:
        self._fill(length)
        data = bytes(self._view[self._start : self._start + length])
        self._start += length
        return data

    def _unpack(self, form: struct.Struct) -> tuple[int, ...]:
        self._fill(form.size)
        values = form.unpack_from(self._buffer, self._start)
        self._start += form.size
        return values

    def _has_input(self, wait_s: float = 0.0) -> bool:
        """Whether something can be read without waiting, or comes within `wait_s`."""
        if self._end > self._start:
            return True
        if self.is_closed:
            raise ConnectionLost("the association is closed")
        if isinstance(self._socket, ssl.SSLSocket) and self._socket.pending():
            return True
        poller = select.poll()
        poller.register(self._socket, select.POLLIN)
        return bool(poller.poll(max(wait_s, 0.0) * 1000))

    def _send(self, data: bytes | bytearray | memoryview) -> None:
        if self.is_closed:
            raise ConnectionLost("the association is closed")
        self._writing = True
        self._allow(self.limits.network_timeout_s + len(data) / SLOWEST_BYTES_PER_S)
        try:
            self._socket.sendall(data)
        except OSError as error:
            raise self._lost(error) from error
        self._writing = False
        self.deadline = NEVER
        self.bytes_sent += len(data)

    def _send_quietly(self, data: bytes) -> None:
        """Send a last word, to which nobody may listen any more."""
        if self.is_closed:
            return
        expired, self._expired = self._expired, False
        self._writing = True
        self._allow(min(self.limits.artim_timeout_s, _LAST_WORD_S))
        with contextlib.suppress(OSError):
            self._socket.sendall(data)
        self._writing = False
        self._expired = expired
