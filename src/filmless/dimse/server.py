"""The acceptor: listens, admits associations, and serves each in a thread of its own, within named limits."""

from __future__ import annotations

import contextlib
import selectors
import socket
import ssl
import threading
import time
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any

import structlog

from filmless.dimse import commands, metrics, pdus
from filmless.dimse.association import Association
from filmless.dimse.commands import Command
from filmless.dimse.connection import AssociationEnded
from filmless.dimse.limits import Limits
from filmless.dimse.pdus import (
    AssociateAccept,
    AssociateRequest,
    ContextAnswer,
    ExtendedNegotiation,
    RoleSelection,
    UserInformation,
)
from filmless.dimse.services import Handlers, Idle, Request, perform
from filmless.dimse.upper_layer import Aborted, Context, Released, State

log = structlog.get_logger()

_SPARE_CONNECTIONS = 16  # beyond the limits, so many are still told why they are refused; the rest are cut off
_GRACE_S = 2.0  # an association without work in hand may still be released so long when the server stops


@dataclass(frozen=True, slots=True)
class Caller:
    """Who asks for an association: what `authorize` may judge by."""

    address: str
    is_tls: bool
    certificate: bytes | None  # DER
    request: AssociateRequest


@dataclass(frozen=True, slots=True)
class Accept:
    """The answer of `authorize`: one entry per proposed context, and who the caller is to the handlers."""

    contexts: tuple[ContextAnswer, ...]
    principal: Any = None
    commands: dict[int, frozenset[int]] = field(default_factory=dict)  # context to the requests it may carry
    roles: tuple[RoleSelection, ...] = ()
    extended: tuple[ExtendedNegotiation, ...] = ()
    user_identity_response: bytes | None = None


@dataclass(frozen=True, slots=True)
class Reject:
    """The other answer of `authorize` (PS3.8 table 9-21)."""

    reason: int
    source: int = pdus.SOURCE_USER
    result: int = pdus.REJECTED_PERMANENT


@dataclass(frozen=True, slots=True)
class Listener:
    """A listening socket, with TLS or without."""

    sock: socket.socket
    tls: ssl.SSLContext | None = None


def listen(host: str, port: int, *, reuse_port: bool = False, backlog: int = 256) -> socket.socket:
    """Open a listening socket; with `reuse_port` several processes may share it.

    Raises
    ------
    OSError: the address is in use or not ours.
    """
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    sock = socket.socket(family, socket.SOCK_STREAM)
    try:
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        if reuse_port:
            sock.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEPORT, 1)
        if family == socket.AF_INET6 and host == "::":
            sock.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 0)
        sock.bind((host, port))
        sock.listen(backlog)
    except OSError:
        sock.close()
        raise
    return sock


class Server:
    """An SCP that knows no archive: `authorize` admits, `handlers` do the work, `run` returns when it was stopped."""

    def __init__(
        self,
        listeners: Sequence[Listener],
        *,
        authorize: Callable[[Caller], Accept | Reject],
        handlers: Handlers,
        limits: Limits | None = None,
        implementation: tuple[str, str] = ("2.25.1", ""),
        ended: Callable[[Association, Any], None] | None = None,
    ) -> None:
        self.limits = limits or Limits()
        self._listeners = listeners
        self._authorize = authorize
        self._handlers = handlers
        self._implementation = implementation
        self._ended = ended
        self._lock = threading.Lock()
        self._connections: Counter[str] = Counter()
        self._associations: set[Association] = set()
        self._threads: set[threading.Thread] = set()
        self._is_stopping = False
        self._wake_reader, self._wake_writer = socket.socketpair()

    @property
    def association_count(self) -> int:
        """Connections that are open now."""
        return self._connections.total()

    def run(self) -> None:
        """Accept connections until `stop` is called. Closes the listening sockets."""
        with selectors.DefaultSelector() as selector:
            selector.register(self._wake_reader, selectors.EVENT_READ)
            for listener in self._listeners:
                listener.sock.setblocking(False)  # the peer may be gone again when we come to accept
                selector.register(listener.sock, selectors.EVENT_READ, listener)
            while not self._is_stopping:
                for key, _ in selector.select():
                    if isinstance(key.data, Listener):
                        self._accept(key.data)
        for listener in self._listeners:
            listener.sock.close()

    def stop(self) -> None:
        """Accept no more; may be called from any thread and from a signal handler."""
        self._is_stopping = True
        with contextlib.suppress(OSError):
            self._wake_writer.send(b"\0")

    def drain(self, timeout_s: float) -> int:
        """After `stop`: let associations finish what they do, then abort; returns how many had to be aborted."""
        self.stop()
        until = time.monotonic() + timeout_s
        while time.monotonic() < until and self._alive():
            with self._lock:
                for association in self._associations:
                    if association.is_idle:
                        association.deadline = min(association.deadline, time.monotonic() + min(_GRACE_S, timeout_s))
            time.sleep(0.02)
        with self._lock:
            left = list(self._associations)
            for association in left:
                association.deadline = 0.0  # the timers wake its thread, which then aborts
        for thread in self._alive():
            thread.join(1.0)
        return len(left)

    def _alive(self) -> list[threading.Thread]:
        with self._lock:
            return [thread for thread in self._threads if thread.is_alive()]

    def _accept(self, listener: Listener) -> None:
        try:
            sock, peer = listener.sock.accept()
        except OSError as error:  # gone already, or we are out of descriptors: the next one may succeed
            if not isinstance(error, BlockingIOError | ConnectionError):
                log.warning("dimse_accept_failed", error=str(error))
                time.sleep(0.05)
            return
        address = str(peer[0])
        with self._lock:
            of_peer, total = self._connections[address], self._connections.total()
            is_over = of_peer >= self.limits.associations_per_peer_max or total >= self.limits.associations_max
            is_flood = (
                of_peer >= self.limits.associations_per_peer_max + _SPARE_CONNECTIONS
                or total >= self.limits.associations_max + _SPARE_CONNECTIONS
            )
            if not is_flood:
                self._connections[address] += 1
        if is_flood:
            self._cut_off(sock, address, total)
            return
        thread = threading.Thread(
            target=self._serve, args=(sock, listener.tls, address, is_over), name=f"dimse-{address}", daemon=True
        )
        with self._lock:
            self._threads.add(thread)
        try:
            thread.start()
        except RuntimeError:  # the system gives no more threads
            self._gone(thread, address)
            self._cut_off(sock, address, total)

    def _cut_off(self, sock: socket.socket, address: str, total: int) -> None:
        sock.close()
        metrics.ASSOCIATIONS_REFUSED.labels(metrics.CUT_OFF).inc()
        log.warning("dimse_connection_cut_off", address=address, connections=total)

    def _gone(self, thread: threading.Thread, address: str) -> None:
        with self._lock:
            self._threads.discard(thread)
            self._connections[address] -= 1
            if self._connections[address] <= 0:
                del self._connections[address]

    def _serve(self, sock: socket.socket, tls: ssl.SSLContext | None, address: str, is_over: bool) -> None:
        """The life of one connection."""
        association, meter = Association(sock, self.limits, is_requestor=False), metrics.Meter()
        with self._lock:
            self._associations.add(association)
        began, principal, how = time.monotonic(), None, "released"
        try:
            if tls is not None:
                self._secure(association, tls, address)
            principal = self._admit(association, address, is_over)
            if association.state is State.ESTABLISHED:
                with metrics.ASSOCIATIONS_OPEN.track_inprogress():
                    self._exchange(association, principal, meter)
            else:
                how = "rejected"
        except Released:
            pass
        except Aborted as error:
            how = f"aborted by the peer (source {error.source}, reason {error.reason})"
        except AssociationEnded as error:
            how = str(error)
        except Exception:  # the thread's outermost line: a bug in `authorize` or here ends one association, no more
            how = "failed"
            log.exception("dimse_association_failed", address=address)
            association.abort()
        finally:
            association.close()
            meter.note(association.bytes_received, association.bytes_sent)
            with self._lock:
                self._associations.discard(association)
            self._gone(threading.current_thread(), address)
            if association.request is not None:
                log.info(
                    "dimse_association_ended",
                    calling_ae=association.request.calling_ae,
                    called_ae=association.request.called_ae,
                    address=address,
                    how=how,
                    seconds=round(time.monotonic() - began, 3),
                    bytes_received=association.bytes_received,
                    bytes_sent=association.bytes_sent,
                )
            else:
                log.info("dimse_connection_ended", address=address, how=how)
            if self._ended is not None and principal is not None:
                self._ended(association, principal)

    @staticmethod
    def _secure(association: Association, tls: ssl.SSLContext, address: str) -> None:
        try:
            association.secure(tls)
        except AssociationEnded as error:
            metrics.ASSOCIATIONS_REFUSED.labels(metrics.TLS_FAILED).inc()
            log.warning("dimse_tls_refused", address=address, reason=str(error))
            raise

    def _admit(self, association: Association, address: str, is_over: bool) -> Any:
        """Answer the request for an association; returns whom `authorize` took the caller for."""
        try:
            request = association.read_request()
        except AssociationEnded:
            metrics.ASSOCIATIONS_REFUSED.labels(metrics.NO_REQUEST).inc()
            raise
        answer: Accept | Reject
        if request.protocol_version & 1 == 0:
            answer = Reject(pdus.ACSE_PROTOCOL_VERSION_NOT_SUPPORTED, pdus.SOURCE_ACSE)
        elif request.application_context != pdus.APPLICATION_CONTEXT:
            answer = Reject(pdus.USER_APPLICATION_CONTEXT_NOT_SUPPORTED)
        elif is_over or self._is_stopping:
            answer = Reject(pdus.PRESENTATION_LOCAL_LIMIT_EXCEEDED, pdus.SOURCE_PRESENTATION, pdus.REJECTED_TRANSIENT)
        else:
            certificate = association.peer_certificate
            answer = self._authorize(Caller(address, certificate is not None, certificate, request))
        if isinstance(answer, Reject):
            log.info(
                "dimse_association_rejected",
                calling_ae=request.calling_ae,
                called_ae=request.called_ae,
                address=address,
                result=answer.result,
                source=answer.source,
                reason=answer.reason,
            )
            metrics.note_refusal(answer.source, answer.reason)
            association.reject(answer.result, answer.source, answer.reason)
            return None
        proposed = {context.context_id: context.abstract_syntax for context in request.contexts}
        association.accept(
            AssociateAccept(request.called_ae, request.calling_ae, answer.contexts, self._user(request, answer)),
            [
                Context(
                    context.context_id,
                    proposed[context.context_id],
                    context.transfer_syntax,
                    answer.commands.get(context.context_id),
                )
                for context in answer.contexts
                if context.result == pdus.ACCEPTANCE
            ],
        )
        metrics.ASSOCIATIONS_ACCEPTED.inc()
        return answer.principal

    def _user(self, request: AssociateRequest, answer: Accept) -> UserInformation:
        window = request.user.operations_window
        if window is not None:
            invoked = min(window[0] or self.limits.operations_max, self.limits.operations_max)
            window = (invoked, 1)  # we never have more than one sub-operation outstanding
        return UserInformation(
            max_pdu_bytes=self.limits.pdu_max_bytes,
            implementation_class_uid=self._implementation[0],
            implementation_version=self._implementation[1],
            operations_window=window,
            roles=answer.roles,
            extended=answer.extended,
            user_identity_response=answer.user_identity_response,
        )

    def _exchange(self, association: Association, principal: Any, meter: metrics.Meter) -> None:
        """Serve messages until the association ends; it always ends by an exception."""

        def answer(context: Context, command: Command) -> None:
            request, began = Request(association, context, command, principal), time.monotonic()
            try:
                perform(request, self._handlers)
            finally:
                if not command.is_response and command.field != commands.C_CANCEL_RQ:
                    metrics.note_operation(command.field, request.status, time.monotonic() - began)
                meter.note(association.bytes_received, association.bytes_sent)

        idle = Idle(association, principal, answer)
        while association.state is State.ESTABLISHED:
            since = time.monotonic()
            if self._handlers.idle is not None:
                self._idle(idle, self._handlers.idle)
            wait_s = _GRACE_S if self._is_stopping else self.limits.idle_timeout_s
            answer(*association.read_command(max(wait_s - (time.monotonic() - since), 0.0)))

    def _idle(self, idle: Idle, handler: Callable[[Idle], float | None]) -> None:
        """Let the service speak by itself, until a message comes or it is time to give the association up."""
        until = time.monotonic() + self.limits.idle_timeout_s
        while not self._is_stopping and idle.association.state is State.ESTABLISHED:
            again_s = handler(idle)
            left = until - time.monotonic()
            if again_s is None or left <= 0 or idle.association.wait_for_message(min(again_s, left)):
                return
