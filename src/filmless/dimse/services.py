"""What an SCP does with a request: takes its data set, calls the handler, sends the responses (PS3.7 9.3, 10.3)."""

from __future__ import annotations

import time
from collections.abc import Callable, Collection, Iterable
from dataclasses import dataclass
from typing import Any, Protocol

import structlog

from filmless.dicom.encode import decode, encode
from filmless.dimse import commands as c
from filmless.dimse.association import Association, DataSource
from filmless.dimse.commands import Command, Value
from filmless.dimse.connection import AssociationEnded
from filmless.dimse.upper_layer import Context
from filmless.errors import Refused

JsonDataset = dict[str, Any]

log = structlog.get_logger()

_BATCH_BYTES = 1 << 16  # pending responses are sent together up to this length,
_BATCH_S = 0.02  # or when the first of them is this old
_POLL_S = 0.01


@dataclass(frozen=True, slots=True)
class Outcome:
    """A response: its status and what goes with it. `counts` are remaining, completed, failed, warning."""

    status: int = c.SUCCESS
    comment: str = ""
    identifier: JsonDataset | None = None
    counts: tuple[int | None, int, int, int] | None = None
    offending_elements: tuple[int, ...] = ()
    sop_instance_uid: str = ""  # of what an N-CREATE without a UID has made
    attribute_identifiers: tuple[int, ...] = ()


@dataclass(slots=True)
class Request:
    """A request as a handler sees it."""

    association: Association
    context: Context
    command: Command
    principal: Any = None  # what `authorize` gave
    identifier: JsonDataset | None = None
    polled_at: float = 0.0
    status: int | None = None  # of the last response that was sent

    @property
    def sop_class_uid(self) -> str:
        """The SOP class that the request names; the one of its context when it names none."""
        named = self.command.text(c.AFFECTED_SOP_CLASS_UID) or self.command.text(c.REQUESTED_SOP_CLASS_UID)
        return named or self.context.abstract_syntax

    @property
    def sop_instance_uid(self) -> str:
        """The SOP instance that the request names, empty when it names none."""
        return self.command.text(c.AFFECTED_SOP_INSTANCE_UID) or self.command.text(c.REQUESTED_SOP_INSTANCE_UID)

    @property
    def transfer_syntax_uid(self) -> str:
        """The transfer syntax of the data set."""
        return self.context.transfer_syntax

    @property
    def attributes(self) -> tuple[int, ...]:
        """The tags that an N-GET asks for; empty when it asks for all."""
        named = self.command.get(c.ATTRIBUTE_IDENTIFIER_LIST, [])
        return tuple(named) if isinstance(named, list) else ()

    def is_cancelled(self) -> bool:
        """Whether the peer has asked to cancel this request; raises AssociationEnded if it has gone.

        May be asked between any two matches: the socket is looked at a hundred times a second.
        """
        now = time.monotonic()
        if now - self.polled_at >= _POLL_S:
            self.polled_at = now
            self.association.poll()
        return self.command.message_id in self.association.cancelled


class Sink(Protocol):
    """Where the data set of a C-STORE goes."""

    def write(self, piece: memoryview, /) -> object:
        """Take a piece; it must not be kept."""

    def finish(self) -> Outcome:
        """The data set was whole: keep it and say how that went."""

    def abort(self) -> None:
        """The association ended in the middle, or `write` raised."""


StoreHandler = Callable[[Request], Sink | Outcome]


@dataclass(frozen=True, slots=True)
class Idle:
    """An association whose peer has nothing under way: what an SCP has to say by itself can be said now.

    `perform` does what the peer asks while its response is waited for.
    """

    association: Association
    principal: Any
    perform: Callable[[Context, Command], None]


@dataclass(frozen=True, slots=True)
class Handlers:
    """One function per service; a service without one is answered with 0x0211. They return, never raise, failures.

    `idle` is called before each wait for a message; it says after how many seconds it wants to be called again if
    none comes, None: not before the next message. It must be quick when there is nothing to say.
    """

    echo: Callable[[Request], Outcome] = lambda _: Outcome()
    store: StoreHandler | None = None
    find: Callable[[Request], Iterable[Outcome]] | None = None
    move: Callable[[Request], Iterable[Outcome]] | None = None
    get: Callable[[Request], Iterable[Outcome]] | None = None
    normalized: Callable[[Request], Outcome] | None = None
    idle: Callable[[Idle], float | None] | None = None


def perform(request: Request, handlers: Handlers) -> None:
    """Do what one request asks and answer it.

    Raises
    ------
    AssociationEnded: the association is over.
    """
    field, allowed = request.command.field, request.context.commands
    if field == c.C_CANCEL_RQ:
        return  # the operation was over before this came
    if request.command.is_response or field == 0:
        request.association.abort()
        return
    if c.MESSAGE_ID not in request.command:
        _answer(request, Outcome(c.MISTYPED_ARGUMENT, "no Message ID"))
        return
    if allowed is not None and field not in allowed:
        _answer(request, Outcome(c.UNRECOGNIZED_OPERATION, "not an operation of this context's SOP class"))
        return
    try:
        _perform(request, handlers)
    except AssociationEnded:
        raise
    except Exception:  # the door's outermost line: a bug must not take the association's other messages with it
        log.exception("dimse_handler_failed", command=f"0x{field:04X}", sop_class_uid=request.sop_class_uid)
        _answer(request, Outcome(c.PROCESSING_FAILURE, "internal error"))


def _perform(request: Request, handlers: Handlers) -> None:
    field = request.command.field
    if field == c.C_STORE_RQ and handlers.store is not None:
        perform_store(request, handlers.store)
        return
    if field == c.C_ECHO_RQ:
        _answer(request, handlers.echo(request))
        return
    many = {c.C_FIND_RQ: handlers.find, c.C_MOVE_RQ: handlers.move, c.C_GET_RQ: handlers.get}.get(field)
    if many is not None:
        if _read_identifier(request):
            _answer_many(request, many(request))
        return
    if handlers.normalized is not None and c.N_EVENT_REPORT_RQ <= field <= c.N_DELETE_RQ:
        if not request.command.has_data_set or _read_identifier(request):
            _answer(request, handlers.normalized(request))
        return
    known = field in {c.C_STORE_RQ, c.C_FIND_RQ, c.C_MOVE_RQ, c.C_GET_RQ}
    known = known or (c.N_EVENT_REPORT_RQ <= field <= c.N_DELETE_RQ and field & 0xF == 0)
    comment = "this service is not offered" if known else f"unknown command field 0x{field:04X}"
    _answer(request, Outcome(c.UNRECOGNIZED_OPERATION, comment))


def perform_store(request: Request, handler: StoreHandler) -> None:
    """Take the data set of a C-STORE-RQ as it arrives, and answer.

    Raises
    ------
    AssociationEnded: the association is over.
    """
    association = request.association
    if not request.command.has_data_set:
        _answer(request, Outcome(c.MISTYPED_ARGUMENT, "a C-STORE needs a data set"))
        return
    sink = handler(request)
    if isinstance(sink, Outcome):
        _answer(request, sink)  # the data set is skipped before the next message is read
        return
    try:
        association.receive_data_set(sink.write)
    except BaseException:
        sink.abort()
        raise
    _answer(request, sink.finish())


def _read_identifier(request: Request) -> bool:
    """Read the data set of the request; answer and return False if there is none that can be read."""
    association = request.association
    if not request.command.has_data_set:
        _answer(request, Outcome(c.MISTYPED_ARGUMENT, "this request needs a data set"))
        return False
    is_normalized = c.N_EVENT_REPORT_RQ <= request.command.field <= c.N_DELETE_RQ
    limits = association.limits
    raw = association.read_data_set(limits.information_max_bytes if is_normalized else limits.identifier_max_bytes)
    costs = limits.of_information() if is_normalized else limits.of_identifiers()
    try:
        request.identifier = decode(raw, request.transfer_syntax_uid, limits=costs)
    except Refused as error:
        log.info("dimse_identifier_unreadable", sop_class_uid=request.sop_class_uid, reason=str(error))
        is_composite = request.command.field in {c.C_FIND_RQ, c.C_MOVE_RQ, c.C_GET_RQ}
        status = 0xC000 if is_composite else c.PROCESSING_FAILURE  # unable to process (PS3.4 C.4.1.1.4)
        _answer(request, Outcome(status, "the data set cannot be read"))
        return False
    return True


def _response(request: Request, outcome: Outcome) -> bytes:
    field = request.command.field
    elements: dict[int, Value] = {
        c.COMMAND_FIELD: field | c.RESPONSE,
        c.MESSAGE_ID_BEING_RESPONDED_TO: request.command.message_id,
        c.STATUS: outcome.status,
        c.COMMAND_DATA_SET_TYPE: c.NO_DATA_SET if outcome.identifier is None else c.DATA_SET,
        c.AFFECTED_SOP_CLASS_UID: request.sop_class_uid,
        c.ERROR_COMMENT: outcome.comment[:64],
    }
    if field == c.C_STORE_RQ or field & 0x0F00 == 0x0100:
        elements[c.AFFECTED_SOP_INSTANCE_UID] = outcome.sop_instance_uid or request.sop_instance_uid
        for number in (c.EVENT_TYPE_ID, c.ACTION_TYPE_ID):
            if number in request.command:
                elements[number] = request.command[number]
    if outcome.attribute_identifiers:
        elements[c.ATTRIBUTE_IDENTIFIER_LIST] = list(outcome.attribute_identifiers)
    if outcome.offending_elements:
        elements[c.OFFENDING_ELEMENT] = list(outcome.offending_elements)
    if outcome.counts is not None:
        remaining, completed, failed, warning = (None if n is None else min(n, 0xFFFF) for n in outcome.counts)
        if remaining is not None:
            elements[c.REMAINING_SUBOPERATIONS] = remaining
        assert completed is not None and failed is not None and warning is not None
        elements[c.COMPLETED_SUBOPERATIONS] = completed
        elements[c.FAILED_SUBOPERATIONS] = failed
        elements[c.WARNING_SUBOPERATIONS] = warning
    identifier = None
    if outcome.identifier is not None:
        identifier = encode(outcome.identifier, request.transfer_syntax_uid)
    return request.association.encode_message(request.context.context_id, elements, identifier)


def _answer(request: Request, outcome: Outcome) -> None:
    request.association.send_encoded([_response(request, outcome)])
    request.status = outcome.status


def _answer_many(request: Request, outcomes: Iterable[Outcome]) -> None:
    """Send each outcome as a response. Pending ones wait for company, so that a thousand matches are few writes."""
    association, status, length, since = request.association, c.PENDING, 0, 0.0
    batch: list[bytes] = []
    for outcome in outcomes:
        status = outcome.status
        message = _response(request, outcome)
        now = time.monotonic()
        if not batch:
            since = now
        batch.append(message)
        length += len(message)
        is_progress = outcome.counts is not None  # a retrieve's: rare, and somebody watches them
        if length >= _BATCH_BYTES or now - since >= _BATCH_S or is_progress:
            association.send_encoded(batch)
            batch, length = [], 0
        if not c.is_pending(status):
            break
    if c.is_pending(status):  # the handler came to its end without a final status of its own
        status = c.SUCCESS
        batch.append(_response(request, Outcome(status)))
    if batch:
        association.send_encoded(batch)
    request.status = status
    association.cancelled.discard(request.command.message_id)


def send_store(
    association: Association,
    context: Context,
    message_id: int,
    sop_class_uid: str,
    sop_instance_uid: str,
    data_set: DataSource,
    originator: tuple[str, int] | None,
) -> None:
    """Send a C-STORE-RQ and its data set."""
    command: dict[int, Value] = {
        c.AFFECTED_SOP_CLASS_UID: sop_class_uid,
        c.COMMAND_FIELD: c.C_STORE_RQ,
        c.MESSAGE_ID: message_id,
        c.PRIORITY: 0,
        c.COMMAND_DATA_SET_TYPE: c.DATA_SET,
        c.AFFECTED_SOP_INSTANCE_UID: sop_instance_uid,
    }
    if originator is not None:
        command[c.MOVE_ORIGINATOR_AE_TITLE], command[c.MOVE_ORIGINATOR_MESSAGE_ID] = originator
    association.send_message(context.context_id, command, data_set)


def is_response_to(command: Command, field: int, message_id: int) -> bool:
    """Whether this is the response to the request `field` with that Message ID."""
    return command.field == field | c.RESPONSE and command.number(c.MESSAGE_ID_BEING_RESPONDED_TO) == message_id


def await_response(association: Association, field: int, message_id: int) -> Command:
    """Wait for a response; a C-CANCEL that comes first is remembered, anything else breaks PS3.7.

    Raises
    ------
    AssociationEnded: the association is over.
    """
    return await_any_response(association, field, (message_id,))


def await_any_response(association: Association, field: int, message_ids: Collection[int]) -> Command:
    """Wait for the response to any of several requests, as `await_response` does for one."""
    while True:
        _, command = association.read_command(association.limits.network_timeout_s)
        answered = command.number(c.MESSAGE_ID_BEING_RESPONDED_TO)
        if answered in message_ids and is_response_to(command, field, answered):
            return command
        if command.field != c.C_CANCEL_RQ:
            due = ", ".join(map(str, message_ids))
            association.misused(f"command 0x{command.field:04X} where a response to {due} was due")
        association.cancelled.add(command.message_id)
