"""The DIMSE-N services from the side that asks (PS3.7 10.1): either role of an association may, an SCP for its events.

What answers them is `Handlers.normalized` of `services`. Context and SOP class are named apart, for a SOP class may be
used in the context of another (PS3.4 CC.2: all of Unified Procedure Step names the Push class).
"""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

from filmless.dicom.encode import decode, encode
from filmless.dimse import commands as c
from filmless.dimse.association import Association
from filmless.dimse.commands import Command, Value
from filmless.dimse.services import Handlers, Request, is_response_to, perform
from filmless.dimse.upper_layer import Context, State
from filmless.errors import NotAcceptable

JsonDataset = dict[str, Any]
Otherwise = Callable[[Context, Command], None]


@dataclass(frozen=True, slots=True)
class Answer:
    """A response: its status, its command set, and its data set if it has one."""

    status: int
    command: Command
    data_set: JsonDataset | None = None

    @property
    def comment(self) -> str:
        """Error Comment (0000,0902), empty when there is none."""
        return self.command.text(c.ERROR_COMMENT)


@dataclass(frozen=True, slots=True)
class Asking:
    """An association and the context in it that requests go over.

    `otherwise` performs a request of the peer that comes before the response; without it such a peer is aborted.
    All methods raise AssociationEnded when the association is over before the response is there.
    """

    association: Association
    context: Context
    otherwise: Otherwise | None = None

    def create(self, sop_class_uid: str, sop_instance_uid: str = "", attributes: JsonDataset | None = None) -> Answer:
        """N-CREATE (PS3.7 10.1.5). Without a UID the peer chooses it and says it in the answer's command set."""
        return self._ask(c.N_CREATE_RQ, sop_class_uid, sop_instance_uid, attributes)

    def set(self, sop_class_uid: str, sop_instance_uid: str, attributes: JsonDataset) -> Answer:
        """N-SET (PS3.7 10.1.3)."""
        return self._ask(c.N_SET_RQ, sop_class_uid, sop_instance_uid, attributes)

    def get(self, sop_class_uid: str, sop_instance_uid: str, tags: Sequence[int] = ()) -> Answer:
        """N-GET (PS3.7 10.1.2) of the attributes with these tags, or of all."""
        more: dict[int, Value] = {c.ATTRIBUTE_IDENTIFIER_LIST: list(tags)} if tags else {}
        return self._ask(c.N_GET_RQ, sop_class_uid, sop_instance_uid, None, more)

    def delete(self, sop_class_uid: str, sop_instance_uid: str) -> Answer:
        """N-DELETE (PS3.7 10.1.6)."""
        return self._ask(c.N_DELETE_RQ, sop_class_uid, sop_instance_uid, None)

    def action(
        self, sop_class_uid: str, sop_instance_uid: str, action_type_id: int, information: JsonDataset | None = None
    ) -> Answer:
        """N-ACTION (PS3.7 10.1.4)."""
        return self._ask(
            c.N_ACTION_RQ, sop_class_uid, sop_instance_uid, information, {c.ACTION_TYPE_ID: action_type_id}
        )

    def event_report(
        self, sop_class_uid: str, sop_instance_uid: str, event_type_id: int, information: JsonDataset | None = None
    ) -> Answer:
        """N-EVENT-REPORT (PS3.7 10.1.1)."""
        return self._ask(
            c.N_EVENT_REPORT_RQ, sop_class_uid, sop_instance_uid, information, {c.EVENT_TYPE_ID: event_type_id}
        )

    def _ask(
        self,
        field: int,
        sop_class_uid: str,
        sop_instance_uid: str,
        data_set: JsonDataset | None,
        more: dict[int, Value] | None = None,
    ) -> Answer:
        message_id = self.association.next_message_id()
        is_of_affected = field in {c.N_EVENT_REPORT_RQ, c.N_CREATE_RQ}  # PS3.7 10.3: the others name what they request
        command: dict[int, Value] = {
            c.AFFECTED_SOP_CLASS_UID if is_of_affected else c.REQUESTED_SOP_CLASS_UID: sop_class_uid,
            c.COMMAND_FIELD: field,
            c.MESSAGE_ID: message_id,
            c.COMMAND_DATA_SET_TYPE: c.NO_DATA_SET if data_set is None else c.DATA_SET,
            c.AFFECTED_SOP_INSTANCE_UID if is_of_affected else c.REQUESTED_SOP_INSTANCE_UID: sop_instance_uid,
        }
        command.update(more or {})
        encoded = None if data_set is None else encode(data_set, self.context.transfer_syntax)
        self.association.send_message(self.context.context_id, command, encoded)
        return self._answer(field, message_id)

    def _answer(self, field: int, message_id: int) -> Answer:
        association = self.association
        while True:
            context, command = association.read_command(association.limits.network_timeout_s)
            if is_response_to(command, field, message_id):
                break
            if self.otherwise is None or command.is_response:
                association.misused(f"command 0x{command.field:04X} where a response to {message_id} was due")
            self.otherwise(context, command)
        data_set = None
        if command.has_data_set:
            data_set = decode(
                association.read_data_set(association.limits.information_max_bytes),
                context.transfer_syntax,
                limits=association.limits.of_information(),
            )
        return Answer(command.status, command, data_set)


def asking(association: Association, abstract_syntax: str, otherwise: Otherwise | None = None) -> Asking:
    """Find the context for a SOP class.

    Raises
    ------
    NotAcceptable: none was accepted.
    """
    for context in association.contexts.values():
        if context.abstract_syntax == abstract_syntax:
            return Asking(association, context, otherwise)
    raise NotAcceptable(f"the peer accepted no presentation context for {abstract_syntax}")


def attend(association: Association, handlers: Handlers, seconds: float, is_done: Callable[[], bool]) -> None:
    """Perform what the peer asks, as requestor, until `is_done` or the time is over.

    Raises
    ------
    AssociationEnded: the association is over.
    """
    until = time.monotonic() + seconds
    while association.state is State.ESTABLISHED and not is_done():
        if not association.wait_for_message(until - time.monotonic()):
            return
        context, command = association.read_command(association.limits.network_timeout_s)
        perform(Request(association, context, command), handlers)
