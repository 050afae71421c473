"""Why a request about a workitem cannot be done, or was done with a remark: the reasons of PS3.4 CC.2.x.4.

A door turns a reason into its own status: `scp/worklist.py` into those of DIMSE, `dicomweb/workitems.py` into HTTP's.
"""

from __future__ import annotations

from enum import Enum, auto

from filmless.errors import NotFound, Refused


class Reason(Enum):
    """What stands in the way."""

    MISSING_ATTRIBUTE = auto()
    MISSING_VALUE = auto()
    NOT_ALLOWED_ATTRIBUTE = auto()
    INVALID_VALUE = auto()
    NOT_CREATED_SCHEDULED = auto()  # C309
    NO_LONGER_UPDATABLE = auto()  # C300
    TRANSACTION_MISSING = auto()  # C301
    TRANSACTION_WRONG = auto()  # C301
    ALREADY_IN_PROGRESS = auto()  # C302
    ONLY_CREATED_SCHEDULED = auto()  # C303
    FINAL_STATE_NOT_MET = auto()  # C304
    RECEIVER_UNKNOWN = auto()  # C308
    NOT_IN_PROGRESS = auto()  # C310
    ALREADY_COMPLETED = auto()  # C311
    PERFORMER_OUT_OF_REACH = auto()  # C312
    ACTION_NOT_APPROPRIATE = auto()  # C314


class Remark(Enum):
    """What a caller whose request was done should know: the warnings of PS3.4."""

    CREATED_WITH_MODIFICATIONS = auto()  # B300
    LOCK_NOT_GRANTED = auto()  # B301
    ALREADY_CANCELED = auto()  # B304
    ALREADY_COMPLETED = auto()  # B306


class WorkitemRefused(Refused):
    """A request that contradicts the standard or the state of the workitem."""

    def __init__(self, reason: Reason, message: str) -> None:
        super().__init__(message)
        self.reason = reason


class Gone(NotFound):
    """The workitem was there once, and was removed after it had ended."""
