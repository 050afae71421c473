"""The requestor: opens an association and asks for services (PS3.7 9.1)."""

from __future__ import annotations

import socket
import ssl
from collections.abc import Iterator, Sequence
from types import TracebackType
from typing import Any

from filmless.dicom.encode import decode, encode
from filmless.dimse import commands as c
from filmless.dimse import pdus
from filmless.dimse.association import Association, DataSource
from filmless.dimse.commands import Command, Value
from filmless.dimse.limits import Limits
from filmless.dimse.pdus import (
    AssociateAccept,
    AssociateRequest,
    CommonExtendedNegotiation,
    ExtendedNegotiation,
    ProposedContext,
    RoleSelection,
    UserIdentity,
    UserInformation,
)
from filmless.dimse.services import (
    Request,
    StoreHandler,
    await_response,
    is_response_to,
    perform_store,
    send_store,
)
from filmless.dimse.upper_layer import Context, State
from filmless.errors import NotAcceptable, Refused, Unavailable

JsonDataset = dict[str, Any]

VERIFICATION = "1.2.840.10008.1.1"
IMPLICIT_LE = "1.2.840.10008.1.2"
EXPLICIT_LE = "1.2.840.10008.1.2.1"
CONTEXTS_MAX = 128


class Rejected(Refused):
    """The peer refused the association for good."""

    def __init__(self, result: int, source: int, reason: int) -> None:
        super().__init__(pdus.describe_reject(result, source, reason))
        self.result, self.source, self.reason = result, source, reason


class RejectedForNow(Unavailable):
    """The peer refused the association, but may accept it later."""

    def __init__(self, result: int, source: int, reason: int) -> None:
        super().__init__(pdus.describe_reject(result, source, reason))
        self.result, self.source, self.reason = result, source, reason


class Requestor(Association):
    """An association that we asked for. As a context manager it is released at the end, aborted on an exception."""

    def __init__(self, sock: socket.socket, limits: Limits) -> None:
        super().__init__(sock, limits, is_requestor=True)
        self.answer: AssociateAccept | None = None
        self.last_response = Command()

    def __enter__(self) -> Requestor:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, _: TracebackType | None) -> None:
        if kind is None:
            self.release()
        else:
            self.abort()

    @property
    def accepted_contexts(self) -> list[Context]:
        """What the peer accepted of what was proposed."""
        return list(self.contexts.values())

    @property
    def operations_window(self) -> int:
        """Requests of ours that may be under way at once (PS3.7 D.3.3.3); 1 unless both sides agreed on more."""
        proposed = self.request.user.operations_window if self.request is not None else None
        answered = self.answer.user.operations_window if self.answer is not None else None
        if proposed is None or answered is None:
            return 1
        return min(proposed[0], answered[0]) or max(proposed[0], answered[0]) or 1  # 0 is any number

    def get_context(self, abstract_syntax: str, transfer_syntax: str | None = None) -> Context:
        """The accepted context for a SOP class (and transfer syntax).

        Raises
        ------
        NotAcceptable: the peer accepted none.
        """
        for context in self.contexts.values():
            if context.abstract_syntax == abstract_syntax and transfer_syntax in {None, context.transfer_syntax}:
                return context
        raise NotAcceptable(
            f"the peer accepted no presentation context for {abstract_syntax}"
            + (f" in transfer syntax {transfer_syntax}" if transfer_syntax else "")
        )

    def _await_response(self, field: int, message_id: int) -> int:
        self.last_response = await_response(self, field, message_id)
        return self.last_response.status

    def echo(self) -> int:
        """C-ECHO; returns the status."""
        context = self.get_context(VERIFICATION)
        message_id = self.next_message_id()
        self.send_message(
            context.context_id,
            {
                c.AFFECTED_SOP_CLASS_UID: VERIFICATION,
                c.COMMAND_FIELD: c.C_ECHO_RQ,
                c.MESSAGE_ID: message_id,
                c.COMMAND_DATA_SET_TYPE: c.NO_DATA_SET,
            },
        )
        return self._await_response(c.C_ECHO_RQ, message_id)

    def store(
        self,
        sop_class_uid: str,
        sop_instance_uid: str,
        transfer_syntax_uid: str,
        data_set: DataSource,
        *,
        originator: tuple[str, int] | None = None,
    ) -> int:
        """C-STORE of a data set encoded in `transfer_syntax_uid`; returns the status.

        `originator` is AE title and Message ID of the C-MOVE that this is a sub-operation of.

        Raises
        ------
        NotAcceptable: the peer accepted no such context.
        """
        context = self.get_context(sop_class_uid, transfer_syntax_uid)
        message_id = self.next_message_id()
        send_store(self, context, message_id, sop_class_uid, sop_instance_uid, data_set, originator)
        return self._await_response(c.C_STORE_RQ, message_id)

    def _request(self, field: int, sop_class_uid: str, identifier: JsonDataset, **elements: Value) -> tuple[int, int]:
        context = self.get_context(sop_class_uid)
        message_id = self.next_message_id()
        command: dict[int, Value] = {
            c.AFFECTED_SOP_CLASS_UID: sop_class_uid,
            c.COMMAND_FIELD: field,
            c.MESSAGE_ID: message_id,
            c.PRIORITY: 0,
            c.COMMAND_DATA_SET_TYPE: c.DATA_SET,
        }
        if "destination" in elements:
            command[c.MOVE_DESTINATION] = elements["destination"]
        self.send_message(context.context_id, command, encode(identifier, context.transfer_syntax))
        return context.context_id, message_id

    def cancel(self, message_id: int, context_id: int) -> None:
        """C-CANCEL of a request under way."""
        self.send_message(
            context_id,
            {
                c.COMMAND_FIELD: c.C_CANCEL_RQ,
                c.MESSAGE_ID_BEING_RESPONDED_TO: message_id,
                c.COMMAND_DATA_SET_TYPE: c.NO_DATA_SET,
            },
        )

    def find(self, sop_class_uid: str, identifier: JsonDataset) -> Iterator[tuple[int, JsonDataset | None]]:
        """C-FIND: each response's status and identifier, the final one last. Stopping early cancels."""
        yield from self._converse(c.C_FIND_RQ, sop_class_uid, identifier)

    def move(
        self, sop_class_uid: str, identifier: JsonDataset, destination: str
    ) -> Iterator[tuple[int, JsonDataset | None]]:
        """C-MOVE: each response's status and identifier; `last_response` has the counts. Stopping early cancels."""
        yield from self._converse(c.C_MOVE_RQ, sop_class_uid, identifier, destination=destination)

    def get(
        self, sop_class_uid: str, identifier: JsonDataset, store: StoreHandler
    ) -> Iterator[tuple[int, JsonDataset | None]]:
        """C-GET: `store` takes what comes; yields like `move`."""
        yield from self._converse(c.C_GET_RQ, sop_class_uid, identifier, store=store)

    def _converse(
        self,
        field: int,
        sop_class_uid: str,
        identifier: JsonDataset,
        *,
        destination: str | None = None,
        store: StoreHandler | None = None,
    ) -> Iterator[tuple[int, JsonDataset | None]]:
        context_id, message_id = self._request(
            field, sop_class_uid, identifier, **({} if destination is None else {"destination": destination})
        )
        status = c.PENDING
        try:
            while c.is_pending(status):
                status, found = self._next_of(field, message_id, store)
                yield status, found
        finally:
            if c.is_pending(status) and self.state is State.ESTABLISHED:
                self.cancel(message_id, context_id)
                while c.is_pending(status):
                    status, _ = self._next_of(field, message_id, store)

    def _next_of(self, field: int, message_id: int, store: StoreHandler | None) -> tuple[int, JsonDataset | None]:
        while True:
            context, command = self.read_command(self.limits.idle_timeout_s)
            if store is not None and command.field == c.C_STORE_RQ:
                perform_store(Request(self, context, command), store)
                continue
            if not is_response_to(command, field, message_id):
                self.misused(f"command 0x{command.field:04X} where a response to {message_id} was due")
            self.last_response = command
            found = None
            if command.has_data_set:
                raw = self.read_data_set(self.limits.identifier_max_bytes)
                found = decode(raw, context.transfer_syntax, limits=self.limits.of_identifiers())
            return command.status, found


def connect(
    host: str,
    port: int,
    *,
    called_ae: str,
    calling_ae: str,
    contexts: Sequence[tuple[str, Sequence[str]]],
    tls: ssl.SSLContext | None = None,
    limits: Limits | None = None,
    implementation: tuple[str, str] = ("2.25.1", ""),
    roles: Sequence[RoleSelection] = (),
    extended: Sequence[ExtendedNegotiation] = (),
    common_extended: Sequence[CommonExtendedNegotiation] = (),
    user_identity: UserIdentity | None = None,
    operations_window: tuple[int, int] | None = None,
) -> Requestor:
    """Open an association.

    Raises
    ------
    Rejected: the peer refused it for good, RejectedForNow: it may accept later.
    Unavailable: the peer cannot be reached, is silent, or broke off; the message says which.
    Refused: more than 128 contexts, or none.
    """
    if not 1 <= len(contexts) <= CONTEXTS_MAX:
        raise Refused(f"{len(contexts)} presentation contexts; an association has 1 to {CONTEXTS_MAX}")
    limits = limits or Limits()
    try:
        sock = socket.create_connection((host, port), limits.connect_timeout_s)
    except OSError as error:
        raise Unavailable(f"no connection to {host} port {port}: {_why(error)}") from error
    association = Requestor(sock, limits)
    request = AssociateRequest(
        called_ae,
        calling_ae,
        tuple(ProposedContext(2 * n + 1, uid, tuple(syntaxes)) for n, (uid, syntaxes) in enumerate(contexts)),
        UserInformation(
            max_pdu_bytes=limits.pdu_max_bytes,
            implementation_class_uid=implementation[0],
            implementation_version=implementation[1],
            operations_window=operations_window,
            roles=tuple(roles),
            extended=tuple(extended),
            common_extended=tuple(common_extended),
            user_identity=user_identity,
        ),
    )
    try:
        if tls is not None:
            association.secure(tls, host)
        answer = association.establish(request)
    except BaseException:
        association.close()
        raise
    if not isinstance(answer, AssociateAccept):
        raise (RejectedForNow if answer[0] == pdus.REJECTED_TRANSIENT else Rejected)(*answer)
    association.answer = answer
    return association


def _why(error: OSError) -> str:
    if isinstance(error, ConnectionRefusedError):
        return "nothing listens there (connection refused)"
    if isinstance(error, TimeoutError):
        return "no answer in time"
    if isinstance(error, socket.gaierror):
        return "the name is not known"
    return error.strerror or str(error)
