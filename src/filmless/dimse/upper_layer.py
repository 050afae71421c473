"""The state machine of PS3.8 9.2: associations are opened, refused, released and aborted. What they carry is above.

The names of actions (AE-1, AA-8 ...) in comments are those of PS3.8 tables 9-6 to 9-9.
"""

from __future__ import annotations

import socket
import struct
import time
from collections.abc import Iterable
from dataclasses import dataclass
from enum import IntEnum
from typing import NoReturn

from filmless.dimse import pdus
from filmless.dimse.connection import BUFFER_BYTES, SLOWEST_BYTES_PER_S, AssociationEnded, Connection
from filmless.dimse.limits import Limits
from filmless.dimse.pdus import AssociateAccept, AssociateRequest, InvalidPdu
from filmless.dimse.timers import NEVER

_SMALLEST_PDU = 64  # a peer that asks for shorter PDUs gets these: less carries no data worth naming
_PDU_HEAD = struct.Struct(">BxI")


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


class Aborted(AssociationEnded):
    """The peer sent A-ABORT."""

    def __init__(self, source: int, reason: int) -> None:
        super().__init__(pdus.describe_abort(source, reason))
        self.source, self.reason = source, reason


class Released(AssociationEnded):
    """The peer released the association (and was answered)."""


class Violation(AssociationEnded):
    """The peer broke the protocol, and we aborted."""


@dataclass(frozen=True, slots=True)
class Context:
    """An accepted presentation context; `commands` are the requests that it may carry (None: any)."""

    context_id: int
    abstract_syntax: str
    transfer_syntax: str
    commands: frozenset[int] | None = None


class UpperLayer(Connection):
    """One association, seen from PS3.8."""

    def __init__(self, sock: socket.socket, limits: Limits, *, is_requestor: bool) -> None:
        super().__init__(sock, limits, is_requestor=is_requestor)
        self.state = State.CONNECTING if is_requestor else State.AWAITING_REQUEST
        self.contexts: dict[int, Context] = {}
        self.request: AssociateRequest | None = None
        self._peer_max_bytes = 16384
        self._pdu_left = 0  # bytes of the P-DATA-TF under way that follow its current fragment
        self._pdv_left = 0  # bytes of the current fragment that were not taken yet

    # ---------------------------------------------------------------------------------------------- ends

    def close(self) -> None:
        """Close the connection; nothing is sent."""
        self.state = State.CLOSED
        super().close()

    def _last_word(self) -> bytes | None:
        if self.state in {State.AWAITING_REQUEST, State.AWAITING_CLOSE}:
            return None  # AA-2: when ARTIM expires the connection is closed without an A-ABORT
        return pdus.encode_abort(pdus.SERVICE_USER, pdus.REASON_NOT_SPECIFIED)

    def abort(self, source: int = pdus.SERVICE_USER, reason: int = pdus.REASON_NOT_SPECIFIED) -> None:
        """Send A-ABORT and close, whatever state the association is in (AA-1)."""
        if self.state is State.CLOSED:
            return
        if self.state is not State.AWAITING_CLOSE:
            self._send_quietly(pdus.encode_abort(source, reason))
        self._await_close(is_in_step=False)

    def _violated(self, message: str, reason: int, source: int = pdus.SERVICE_PROVIDER) -> NoReturn:
        """Abort because of what the peer sent (AA-8), and raise."""
        self._send_quietly(pdus.encode_abort(source, reason))
        self._await_close(is_in_step=False)
        raise Violation(message)

    def misused(self, message: str) -> NoReturn:
        """Abort because the peer broke PS3.7, of which the upper layer knows nothing: the source is the user."""
        self._violated(message, pdus.REASON_NOT_SPECIFIED, pdus.SERVICE_USER)

    def _await_close(self, *, is_in_step: bool = True) -> None:
        """Wait in state 13 until the peer closes or ARTIM expires, so that our last PDU is not lost to a reset."""
        self.state = State.AWAITING_CLOSE
        self._allow(self.limits.artim_timeout_s)
        try:
            while is_in_step:
                kind, length = self._unpack(_PDU_HEAD)
                if kind == pdus.ABORT:
                    break  # AA-2
                if kind == pdus.ASSOCIATE_RQ or not pdus.ASSOCIATE_RQ <= kind <= pdus.ABORT:
                    until = self.deadline
                    self._send_quietly(pdus.encode_abort(pdus.SERVICE_PROVIDER, pdus.UNEXPECTED_PDU))  # AA-7
                    self.deadline = until
                    is_in_step = False
                else:
                    self._skip(length)  # AA-6
            while not is_in_step:
                self._start = self._end
                self._fill(1)
        except AssociationEnded:
            pass
        self.close()

    # ---------------------------------------------------------------------------------------------- PDUs

    def _next_pdu(self, wait_s: float) -> tuple[int, int]:
        """Type and length of the next PDU: it must begin within `wait_s` and be whole by the network timeout."""
        if self._end - self._start < _PDU_HEAD.size:
            if self._end == self._start:
                self._allow(wait_s)
                self._fill(1)
            if self.state is not State.AWAITING_REQUEST:  # there ARTIM runs on
                self._allow(self.limits.network_timeout_s)
        kind, length = self._unpack(_PDU_HEAD)
        if self.state is not State.AWAITING_REQUEST:
            self._allow(self.limits.network_timeout_s + min(length, self.limits.pdu_max_bytes) / SLOWEST_BYTES_PER_S)
        return kind, length

    def _take_body(self, length: int, limit: int, what: str) -> bytes:
        """The body of a PDU that is not P-DATA-TF; its length is checked before a byte of it is waited for."""
        if length > limit:
            self._violated(f"{what} of {length} bytes, at most {limit} are taken", pdus.INVALID_PDU_PARAMETER_VALUE)
        return self._take(length)

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

    def _set_peer_max(self, max_pdu_bytes: int) -> None:
        """Honour the longest PDU that the peer takes; 0 means any, and then ours is long enough."""
        self._peer_max_bytes = max(min(max_pdu_bytes or BUFFER_BYTES, BUFFER_BYTES), _SMALLEST_PDU)

    # ---------------------------------------------------------------------------------------------- the acceptor

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

    # ---------------------------------------------------------------------------------------------- the requestor

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

    # ---------------------------------------------------------------------------------------------- release

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
        until = time.monotonic() + self.limits.network_timeout_s  # for all of it, however much the peer has to say
        self.deadline = until
        self._skip(self._pdv_left + self._pdu_left)
        self._pdv_left = self._pdu_left = 0
        while True:
            kind, length = self._unpack(_PDU_HEAD)
            self.deadline = until
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
