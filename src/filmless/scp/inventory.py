"""Inventory Creation on the wire (PS3.4 annex KK): N-ACTION in; how it went leaves by `routing.inventory`."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from filmless.archive import Archive
from filmless.dimse import commands as c
from filmless.dimse.services import Outcome, Request
from filmless.errors import FilmlessError, NotAllowed, NotFound, Refused
from filmless.routing import inventory
from filmless.scp.status import normalized_outcome_of

if TYPE_CHECKING:
    from filmless.scp.associate import Admitted

INITIATE: Final = 11
_CHANGES: Final = {12: "status", 13: "cancel", 14: "pause", 15: "resume"}
_KEYS_NOT_MATCHED: Final = 0xB010


def handle_inventory(archive: Archive, request: Request) -> Outcome:
    """Answer an N-ACTION about an inventory (KK.2.2.3)."""
    admitted: Admitted = request.principal
    if request.sop_instance_uid != inventory.STORAGE_MANAGEMENT:
        return Outcome(c.NO_SUCH_SOP_INSTANCE, f"the well-known instance is {inventory.STORAGE_MANAGEMENT}")
    action_type = request.command.number(c.ACTION_TYPE_ID)
    information = request.identifier or {}
    try:
        if action_type == INITIATE:
            unmatched = inventory.initiate(archive, admitted.peer, admitted.principal, information)
            if unmatched:
                tags = tuple(int(tag, 16) for tag in unmatched)
                return Outcome(_KEYS_NOT_MATCHED, "keys are not supported for matching", attribute_identifiers=tags)
            return Outcome()
        if action_type not in _CHANGES:
            return Outcome(c.NO_SUCH_ACTION, f"action type {action_type} is none of 11 to 15")
        inventory.change(archive, admitted.peer, admitted.principal, _CHANGES[action_type], information)
    except FilmlessError as error:
        is_argument = isinstance(error, Refused) and not isinstance(error, NotAllowed | NotFound)
        if action_type == INITIATE and type(error) is Refused:
            return Outcome(c.MISTYPED_ARGUMENT, comment=str(error))
        if is_argument or isinstance(error, NotFound):
            return Outcome(c.INVALID_ARGUMENT_VALUE, comment=str(error))
        return normalized_outcome_of(error)
    return Outcome()
