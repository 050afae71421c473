"""DIMSE command sets (PS3.7 9.3, 10.3, annex E.1) and the statuses they carry (annex C)."""

from __future__ import annotations

import struct
from collections.abc import Mapping

from filmless.errors import FilmlessError

C_STORE_RQ = 0x0001
C_GET_RQ = 0x0010
C_FIND_RQ = 0x0020
C_MOVE_RQ = 0x0021
C_ECHO_RQ = 0x0030
N_EVENT_REPORT_RQ = 0x0100
N_GET_RQ = 0x0110
N_SET_RQ = 0x0120
N_ACTION_RQ = 0x0130
N_CREATE_RQ = 0x0140
N_DELETE_RQ = 0x0150
C_CANCEL_RQ = 0x0FFF
RESPONSE = 0x8000  # bit of every response

NO_DATA_SET = 0x0101
DATA_SET = 0x0001

# Element numbers of group 0000
AFFECTED_SOP_CLASS_UID = 0x0002
REQUESTED_SOP_CLASS_UID = 0x0003
COMMAND_FIELD = 0x0100
MESSAGE_ID = 0x0110
MESSAGE_ID_BEING_RESPONDED_TO = 0x0120
MOVE_DESTINATION = 0x0600
PRIORITY = 0x0700
COMMAND_DATA_SET_TYPE = 0x0800
STATUS = 0x0900
OFFENDING_ELEMENT = 0x0901
ERROR_COMMENT = 0x0902
ERROR_ID = 0x0903
AFFECTED_SOP_INSTANCE_UID = 0x1000
REQUESTED_SOP_INSTANCE_UID = 0x1001
EVENT_TYPE_ID = 0x1002
ATTRIBUTE_IDENTIFIER_LIST = 0x1005
ACTION_TYPE_ID = 0x1008
REMAINING_SUBOPERATIONS = 0x1020
COMPLETED_SUBOPERATIONS = 0x1021
FAILED_SUBOPERATIONS = 0x1022
WARNING_SUBOPERATIONS = 0x1023
MOVE_ORIGINATOR_AE_TITLE = 0x1030
MOVE_ORIGINATOR_MESSAGE_ID = 0x1031

_VRS = {
    0x0000: "UL",
    AFFECTED_SOP_CLASS_UID: "UI",
    REQUESTED_SOP_CLASS_UID: "UI",
    COMMAND_FIELD: "US",
    MESSAGE_ID: "US",
    MESSAGE_ID_BEING_RESPONDED_TO: "US",
    MOVE_DESTINATION: "AE",
    PRIORITY: "US",
    COMMAND_DATA_SET_TYPE: "US",
    STATUS: "US",
    OFFENDING_ELEMENT: "AT",
    ERROR_COMMENT: "LO",
    ERROR_ID: "US",
    AFFECTED_SOP_INSTANCE_UID: "UI",
    REQUESTED_SOP_INSTANCE_UID: "UI",
    EVENT_TYPE_ID: "US",
    ATTRIBUTE_IDENTIFIER_LIST: "AT",
    ACTION_TYPE_ID: "US",
    REMAINING_SUBOPERATIONS: "US",
    COMPLETED_SUBOPERATIONS: "US",
    FAILED_SUBOPERATIONS: "US",
    WARNING_SUBOPERATIONS: "US",
    MOVE_ORIGINATOR_AE_TITLE: "AE",
    MOVE_ORIGINATOR_MESSAGE_ID: "US",
}

# Statuses that more than one service uses (PS3.7 annex C)
SUCCESS = 0x0000
CANCELLED = 0xFE00
PENDING = 0xFF00
PENDING_WITH_UNSUPPORTED_KEYS = 0xFF01
NO_SUCH_ATTRIBUTE = 0x0105
INVALID_ATTRIBUTE_VALUE = 0x0106
PROCESSING_FAILURE = 0x0110
DUPLICATE_SOP_INSTANCE = 0x0111
NO_SUCH_SOP_INSTANCE = 0x0112
NO_SUCH_EVENT_TYPE = 0x0113
INVALID_ARGUMENT_VALUE = 0x0115
INVALID_SOP_INSTANCE = 0x0117
NO_SUCH_SOP_CLASS = 0x0118
CLASS_INSTANCE_CONFLICT = 0x0119
MISSING_ATTRIBUTE = 0x0120
MISSING_ATTRIBUTE_VALUE = 0x0121
SOP_CLASS_NOT_SUPPORTED = 0x0122
NO_SUCH_ACTION = 0x0123
NOT_AUTHORIZED = 0x0124
DUPLICATE_INVOCATION = 0x0210
UNRECOGNIZED_OPERATION = 0x0211
MISTYPED_ARGUMENT = 0x0212
RESOURCE_LIMITATION = 0x0213

Value = int | str | list[int]


class InvalidCommand(FilmlessError):  # noqa: N818 - kinds of failure read as statements
    """The peer sent a command set that breaks PS3.7."""


class Command(dict[int, Value]):
    """A command set: element number of group 0000 to value."""

    __slots__ = ()

    @property
    def field(self) -> int:
        """Command Field (0000,0100)."""
        return self.number(COMMAND_FIELD)

    @property
    def message_id(self) -> int:
        """Message ID (0000,0110), or of the message responded to when this is a response or C-CANCEL."""
        return self.number(MESSAGE_ID, self.number(MESSAGE_ID_BEING_RESPONDED_TO))

    @property
    def is_response(self) -> bool:
        """Whether this answers a request."""
        return bool(self.number(COMMAND_FIELD) & RESPONSE)

    @property
    def has_data_set(self) -> bool:
        """Whether a data set follows."""
        return self.number(COMMAND_DATA_SET_TYPE, NO_DATA_SET) != NO_DATA_SET

    @property
    def status(self) -> int:
        """Status (0000,0900); a response without one counts as a processing failure."""
        return self.number(STATUS, PROCESSING_FAILURE)

    def number(self, element: int, default: int = 0) -> int:
        """Value of an element as a number."""
        value = self.get(element, default)
        return value if isinstance(value, int) else default

    def text(self, element: int) -> str:
        """Value of an element as text, empty when absent."""
        value = self.get(element, "")
        return value if isinstance(value, str) else ""


def decode_command(data: bytes | bytearray | memoryview) -> Command:
    """Decode a command set (Implicit VR Little Endian, PS3.7 6.3.1). Unknown elements are left out.

    Raises
    ------
    InvalidCommand: an element runs past the end, or there is no Command Field.
    """
    command, at, end = Command(), 0, len(data)
    while at < end:
        if end - at < 8:
            raise InvalidCommand(f"command set: {end - at} stray bytes at its end")
        group, number, length = struct.unpack_from("<HHI", data, at)
        at += 8
        if length > end - at:
            raise InvalidCommand(f"command set: ({group:04X},{number:04X}) claims {length} bytes, {end - at} are left")
        vr = _VRS.get(number) if group == 0 else None
        if vr == "US":
            if length >= 2:
                command[number] = int.from_bytes(data[at : at + 2], "little")
        elif vr == "AT":
            half = struct.unpack_from(f"<{length // 4 * 2}H", data, at)
            command[number] = [half[n] << 16 | half[n + 1] for n in range(0, len(half), 2)]
        elif vr is not None and vr != "UL":
            command[number] = bytes(data[at : at + length]).decode("ascii", "backslashreplace").strip(" \0")
        at += length
    if COMMAND_FIELD not in command:
        raise InvalidCommand("command set without a Command Field")
    return command


def encode_command(elements: Mapping[int, Value]) -> bytes:
    """Encode a command set; the group length is added, empty texts are left out."""
    out = bytearray(12)
    for number in sorted(elements):
        value = elements[number]
        if isinstance(value, int):
            out += struct.pack("<HHIH", 0, number, 2, value)
        elif isinstance(value, str):
            if not value:
                continue
            raw = value.encode("ascii", "replace")
            if len(raw) % 2:
                raw += b"\0" if _VRS.get(number) == "UI" else b" "
            out += struct.pack("<HHI", 0, number, len(raw)) + raw
        else:
            out += struct.pack("<HHI", 0, number, 4 * len(value))
            out += b"".join(struct.pack("<HH", tag >> 16, tag & 0xFFFF) for tag in value)
    struct.pack_into("<HHII", out, 0, 0, 0, 4, len(out) - 12)
    return bytes(out)


def is_pending(status: int) -> bool:
    """Whether more responses follow (PS3.7 C.5)."""
    return status in {PENDING, PENDING_WITH_UNSUPPORTED_KEYS}


def is_warning(status: int) -> bool:
    """Whether the operation was done, with a remark (PS3.7 C.3)."""
    return status in {0x0001, 0x0107, 0x0116} or status >> 12 == 0xB
