"""The statuses of this door: the one table from kinds of failure to codes (PS3.7 annex C, PS3.4 B.2.3 and C.4)."""

from __future__ import annotations

from typing import Final

import structlog

from filmless.dimse import commands
from filmless.dimse.services import Outcome
from filmless.errors import Conflict, Damaged, FilmlessError, Mismatch, NotAllowed, NotFound, Refused, Unavailable
from filmless.retrieve.frame_list import FramesRefused, Reason

log = structlog.get_logger()

OUT_OF_RESOURCES = 0xA700
DATA_SET_DOES_NOT_MATCH = 0xA900
CANNOT_UNDERSTAND = 0xC000
UNABLE_TO_PERFORM_SUBOPERATIONS = 0xA702
MOVE_DESTINATION_UNKNOWN = 0xA801
SUBOPERATIONS_FAILED = 0xB000

_OF_FRAMES: Final = {
    Reason.NO_SUCH_FRAMES: 0xAA00,
    Reason.NOT_OF_THIS_CLASS: 0xAA01,
    Reason.NOT_EXTRACTABLE: 0xAA02,
    Reason.NOT_TIMED: 0xAA03,
    Reason.INVALID: 0xAA04,
}
"""PS3.4 tables Y.4-1 and Y.4-2."""

_OF_KINDS: tuple[tuple[type[FilmlessError], int], ...] = (
    (NotAllowed, commands.NOT_AUTHORIZED),
    (Conflict, commands.DUPLICATE_SOP_INSTANCE),
    (Mismatch, DATA_SET_DOES_NOT_MATCH),
    (Refused, CANNOT_UNDERSTAND),
    (Unavailable, OUT_OF_RESOURCES),
    (Damaged, commands.PROCESSING_FAILURE),
)


def status_of(error: FilmlessError) -> int:
    """Give the status of a failure; the first kind that fits decides."""
    return next((status for kind, status in _OF_KINDS if isinstance(error, kind)), commands.PROCESSING_FAILURE)


def outcome_of(error: FilmlessError) -> Outcome:
    """Give the response to a request that failed; its comment is the sentence, as far as 64 characters go."""
    return Outcome(status_of(error), comment=str(error))


def normalized_outcome_of(error: FilmlessError) -> Outcome:
    """Give the response to a DIMSE-N request that failed (PS3.7 annex C): those services know neither A7xx nor C000."""
    status = status_of(error)
    if isinstance(error, NotFound):
        status = commands.NO_SUCH_SOP_INSTANCE
    elif isinstance(error, Unavailable):
        status = commands.RESOURCE_LIMITATION
    elif status == CANNOT_UNDERSTAND:
        status = commands.INVALID_ARGUMENT_VALUE
    return Outcome(status, comment=str(error))


def retrieve_outcome_of(error: FilmlessError) -> Outcome:
    """Give the response to a C-MOVE or C-GET that cannot begin: a bad identifier is 0xA900 (PS3.4 table C.4-2)."""
    if isinstance(error, FramesRefused):
        return Outcome(_OF_FRAMES[error.reason], comment=str(error))
    status = status_of(error)
    return Outcome(DATA_SET_DOES_NOT_MATCH if status == CANNOT_UNDERSTAND else status, comment=str(error))
