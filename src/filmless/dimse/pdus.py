"""PDUs of the DICOM upper layer (PS3.8 9.3, PS3.7 annex D.3.3): bytes to values and back.

Every length is held against what is really there before it is used. Unknown items are skipped, as PS3.8 9.3.1 asks.
"""

from __future__ import annotations

import struct
from collections.abc import Iterator
from dataclasses import dataclass, field

from filmless.errors import FilmlessError

ASSOCIATE_RQ = 0x01
ASSOCIATE_AC = 0x02
ASSOCIATE_RJ = 0x03
P_DATA_TF = 0x04
RELEASE_RQ = 0x05
RELEASE_RP = 0x06
ABORT = 0x07

APPLICATION_CONTEXT = "1.2.840.10008.3.1.1.1"

# A-ABORT (PS3.8 table 9-26)
SERVICE_USER = 0
SERVICE_PROVIDER = 2
REASON_NOT_SPECIFIED = 0
UNRECOGNIZED_PDU = 1
UNEXPECTED_PDU = 2
UNRECOGNIZED_PDU_PARAMETER = 4
UNEXPECTED_PDU_PARAMETER = 5
INVALID_PDU_PARAMETER_VALUE = 6

# A-ASSOCIATE-RJ (PS3.8 table 9-21)
REJECTED_PERMANENT = 1
REJECTED_TRANSIENT = 2
SOURCE_USER = 1
SOURCE_ACSE = 2
SOURCE_PRESENTATION = 3
USER_NO_REASON = 1
USER_APPLICATION_CONTEXT_NOT_SUPPORTED = 2
USER_CALLING_AE_NOT_RECOGNIZED = 3
USER_CALLED_AE_NOT_RECOGNIZED = 7
ACSE_NO_REASON = 1
ACSE_PROTOCOL_VERSION_NOT_SUPPORTED = 2
PRESENTATION_TEMPORARY_CONGESTION = 1
PRESENTATION_LOCAL_LIMIT_EXCEEDED = 2

# Results of a presentation context (PS3.8 table 9-18)
ACCEPTANCE = 0
USER_REJECTION = 1
NO_REASON = 2
ABSTRACT_SYNTAX_NOT_SUPPORTED = 3
TRANSFER_SYNTAXES_NOT_SUPPORTED = 4


class InvalidPdu(FilmlessError):  # noqa: N818 - kinds of failure read as statements
    """The peer sent a PDU that breaks PS3.8; `reason` is what our A-ABORT will say (source: service provider)."""

    def __init__(self, message: str, reason: int = INVALID_PDU_PARAMETER_VALUE) -> None:
        super().__init__(message)
        self.reason = reason


@dataclass(frozen=True, slots=True)
class ProposedContext:
    """A presentation context as proposed: its odd number, what is to be done, and the syntaxes it may be done in."""

    context_id: int
    abstract_syntax: str
    transfer_syntaxes: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class ContextAnswer:
    """The answer to a proposed context; the transfer syntax means something only when `result` is ACCEPTANCE."""

    context_id: int
    result: int
    transfer_syntax: str


@dataclass(frozen=True, slots=True)
class RoleSelection:
    """SCP/SCU role selection (PS3.7 D.3.3.4): the roles of the association's requestor for one SOP class."""

    sop_class_uid: str
    scu: bool
    scp: bool


@dataclass(frozen=True, slots=True)
class ExtendedNegotiation:
    """SOP class extended negotiation (PS3.7 D.3.3.5): bytes whose meaning PS3.4 gives per service."""

    sop_class_uid: str
    information: bytes


@dataclass(frozen=True, slots=True)
class CommonExtendedNegotiation:
    """SOP class common extended negotiation (PS3.7 D.3.3.6): the service a SOP class belongs to."""

    sop_class_uid: str
    service_class_uid: str
    related_general_sop_classes: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class UserIdentity:
    """User identity (PS3.7 D.3.3.7): 1 name, 2 name and passcode, 3 Kerberos, 4 SAML, 5 JSON web token."""

    kind: int
    primary: bytes
    secondary: bytes = b""
    response_requested: bool = False

    def __repr__(self) -> str:
        """Show no secret: this reaches logs."""
        return f"UserIdentity(kind={self.kind})"


@dataclass(frozen=True, slots=True)
class UserInformation:
    """The user information item of an A-ASSOCIATE-RQ or -AC (PS3.8 9.3.2.3)."""

    max_pdu_bytes: int = 0  # 0: the sender sets no limit
    implementation_class_uid: str = ""
    implementation_version: str = ""
    operations_window: tuple[int, int] | None = None  # invoked, performed; from the requestor's side; 0: no limit
    roles: tuple[RoleSelection, ...] = ()
    extended: tuple[ExtendedNegotiation, ...] = ()
    common_extended: tuple[CommonExtendedNegotiation, ...] = ()
    user_identity: UserIdentity | None = None
    user_identity_response: bytes | None = None


@dataclass(frozen=True, slots=True)
class AssociateRequest:
    """A-ASSOCIATE-RQ (PS3.8 9.3.2)."""

    called_ae: str
    calling_ae: str
    contexts: tuple[ProposedContext, ...]
    user: UserInformation = field(default_factory=UserInformation)
    application_context: str = APPLICATION_CONTEXT
    protocol_version: int = 1


@dataclass(frozen=True, slots=True)
class AssociateAccept:
    """A-ASSOCIATE-AC (PS3.8 9.3.3)."""

    called_ae: str
    calling_ae: str
    contexts: tuple[ContextAnswer, ...]
    user: UserInformation = field(default_factory=UserInformation)
    application_context: str = APPLICATION_CONTEXT
    protocol_version: int = 1


# ---------------------------------------------------------------------------------------------- encoding


def _item(kind: int, body: bytes) -> bytes:
    return struct.pack(">BBH", kind, 0, len(body)) + body


def _counted(value: bytes) -> bytes:
    return struct.pack(">H", len(value)) + value


def _ae(title: str) -> bytes:
    return title.encode("ascii", "replace")[:16].ljust(16)


def _user_items(user: UserInformation, *, is_request: bool) -> bytes:
    body = _item(0x51, struct.pack(">I", user.max_pdu_bytes))
    body += _item(0x52, user.implementation_class_uid.encode("ascii"))
    if user.operations_window is not None:
        body += _item(0x53, struct.pack(">HH", *user.operations_window))
    for role in user.roles:
        uid = role.sop_class_uid.encode("ascii")
        body += _item(0x54, _counted(uid) + bytes([role.scu, role.scp]))
    if user.implementation_version:
        body += _item(0x55, user.implementation_version.encode("ascii")[:16])
    for extended in user.extended:
        body += _item(0x56, _counted(extended.sop_class_uid.encode("ascii")) + extended.information)
    if is_request:
        for common in user.common_extended:
            related = b"".join(_counted(uid.encode("ascii")) for uid in common.related_general_sop_classes)
            inner = _counted(common.sop_class_uid.encode("ascii"))
            inner += _counted(common.service_class_uid.encode("ascii")) + _counted(related)
            body += _item(0x57, inner)
        if (identity := user.user_identity) is not None:
            head = bytes([identity.kind, identity.response_requested])
            body += _item(0x58, head + _counted(identity.primary) + _counted(identity.secondary))
    elif user.user_identity_response is not None:
        body += _item(0x59, _counted(user.user_identity_response))
    return body


def _pdu(kind: int, body: bytes) -> bytes:
    return struct.pack(">BBI", kind, 0, len(body)) + body


def encode_associate_request(request: AssociateRequest) -> bytes:
    """Encode an A-ASSOCIATE-RQ."""
    body = struct.pack(">HH", request.protocol_version, 0) + _ae(request.called_ae) + _ae(request.calling_ae)
    body += bytes(32) + _item(0x10, request.application_context.encode("ascii"))
    for context in request.contexts:
        inner = _item(0x30, context.abstract_syntax.encode("ascii"))
        inner += b"".join(_item(0x40, uid.encode("ascii")) for uid in context.transfer_syntaxes)
        body += _item(0x20, bytes([context.context_id, 0, 0, 0]) + inner)
    return _pdu(ASSOCIATE_RQ, body + _item(0x50, _user_items(request.user, is_request=True)))


def encode_associate_accept(accept: AssociateAccept) -> bytes:
    """Encode an A-ASSOCIATE-AC. The AE titles are those of the request, sent back as PS3.8 9.3.3 asks."""
    body = struct.pack(">HH", accept.protocol_version, 0) + _ae(accept.called_ae) + _ae(accept.calling_ae)
    body += bytes(32) + _item(0x10, accept.application_context.encode("ascii"))
    for context in accept.contexts:
        inner = _item(0x40, context.transfer_syntax.encode("ascii"))
        body += _item(0x21, bytes([context.context_id, 0, context.result, 0]) + inner)
    return _pdu(ASSOCIATE_AC, body + _item(0x50, _user_items(accept.user, is_request=False)))


def encode_associate_reject(result: int, source: int, reason: int) -> bytes:
    """Encode an A-ASSOCIATE-RJ (PS3.8 9.3.4)."""
    return _pdu(ASSOCIATE_RJ, bytes([0, result, source, reason]))


def encode_release_request() -> bytes:
    """Encode an A-RELEASE-RQ (PS3.8 9.3.6)."""
    return _pdu(RELEASE_RQ, bytes(4))


def encode_release_response() -> bytes:
    """Encode an A-RELEASE-RP (PS3.8 9.3.7)."""
    return _pdu(RELEASE_RP, bytes(4))


def encode_abort(source: int, reason: int) -> bytes:
    """Encode an A-ABORT (PS3.8 9.3.8)."""
    return _pdu(ABORT, bytes([0, 0, source, reason]))


# ---------------------------------------------------------------------------------------------- decoding


def _items(body: memoryview, what: str) -> Iterator[tuple[int, memoryview]]:
    at = 0
    while at < len(body):
        if len(body) - at < 4:
            raise InvalidPdu(f"{what}: {len(body) - at} stray bytes after the last item")
        kind, _, length = struct.unpack_from(">BBH", body, at)
        at += 4
        if length > len(body) - at:
            raise InvalidPdu(f"{what}: item 0x{kind:02X} claims {length} bytes, {len(body) - at} are left")
        yield kind, body[at : at + length]
        at += length


def _take_counted(body: memoryview, at: int, what: str) -> tuple[memoryview, int]:
    if len(body) - at < 2:
        raise InvalidPdu(f"{what}: no room for a length")
    length = int.from_bytes(body[at : at + 2], "big")
    at += 2
    if length > len(body) - at:
        raise InvalidPdu(f"{what}: a field claims {length} bytes, {len(body) - at} are left")
    return body[at : at + length], at + length


def _text(value: memoryview | bytes) -> str:
    """Text of a UID or title: padding of either kind is dropped, bytes that are not ASCII are shown as such."""
    return bytes(value).decode("ascii", "backslashreplace").strip(" \0")


def _head(body: memoryview, what: str) -> tuple[int, str, str]:
    if len(body) < 68:
        raise InvalidPdu(f"{what} of {len(body)} bytes; at least 68 are needed")
    return int.from_bytes(body[:2], "big"), _text(body[4:20]), _text(body[20:36])


def _decode_role(body: memoryview) -> RoleSelection:
    uid, at = _take_counted(body, 0, "role selection")
    if len(body) - at < 2:
        raise InvalidPdu("role selection without roles")
    return RoleSelection(_text(uid), bool(body[at]), bool(body[at + 1]))


def _decode_common_extended(body: memoryview) -> CommonExtendedNegotiation:
    what = "common extended negotiation"
    sop_class, at = _take_counted(body, 0, what)
    service, at = _take_counted(body, at, what)
    related: list[str] = []
    if at < len(body):  # some peers leave the (optional) list out altogether
        listed, _ = _take_counted(body, at, what)
        inner = 0
        while inner < len(listed):
            uid, inner = _take_counted(listed, inner, what)
            related.append(_text(uid))
    return CommonExtendedNegotiation(_text(sop_class), _text(service), tuple(related))


def _decode_user_identity(body: memoryview) -> UserIdentity:
    if len(body) < 2:
        raise InvalidPdu("user identity without a type")
    primary, at = _take_counted(body, 2, "user identity")
    secondary, _ = _take_counted(body, at, "user identity")
    return UserIdentity(body[0], bytes(primary), bytes(secondary), bool(body[1]))


def _decode_user(body: memoryview) -> UserInformation:
    max_pdu_bytes, class_uid, version, window = 0, "", "", None
    roles: list[RoleSelection] = []
    extended: list[ExtendedNegotiation] = []
    common: list[CommonExtendedNegotiation] = []
    identity, response = None, None
    for kind, value in _items(body, "user information"):
        if kind == 0x51:
            if len(value) != 4:
                raise InvalidPdu(f"maximum length of {len(value)} bytes; 4 are needed")
            max_pdu_bytes = int.from_bytes(value, "big")
        elif kind == 0x52:
            class_uid = _text(value)
        elif kind == 0x53:
            if len(value) != 4:
                raise InvalidPdu(f"asynchronous operations window of {len(value)} bytes; 4 are needed")
            window = (int.from_bytes(value[:2], "big"), int.from_bytes(value[2:], "big"))
        elif kind == 0x54:
            roles.append(_decode_role(value))
        elif kind == 0x55:
            version = _text(value)
        elif kind == 0x56:
            uid, at = _take_counted(value, 0, "extended negotiation")
            extended.append(ExtendedNegotiation(_text(uid), bytes(value[at:])))
        elif kind == 0x57:
            common.append(_decode_common_extended(value))
        elif kind == 0x58:
            identity = _decode_user_identity(value)
        elif kind == 0x59:
            answer, _ = _take_counted(value, 0, "user identity response")
            response = bytes(answer)
    return UserInformation(
        max_pdu_bytes, class_uid, version, window, tuple(roles), tuple(extended), tuple(common), identity, response
    )


def _decode_proposed_context(body: memoryview) -> ProposedContext:
    if len(body) < 4:
        raise InvalidPdu(f"presentation context of {len(body)} bytes; at least 4 are needed")
    abstract, syntaxes = "", []
    for kind, value in _items(body[4:], "presentation context"):
        if kind == 0x30:
            abstract = _text(value)
        elif kind == 0x40:
            syntaxes.append(_text(value))
    if body[0] % 2 == 0:
        raise InvalidPdu(f"presentation context {body[0]}: the number must be odd")
    if not abstract:
        raise InvalidPdu(f"presentation context {body[0]} has no abstract syntax")
    return ProposedContext(body[0], abstract, tuple(syntaxes))


def decode_associate_request(data: bytes | bytearray | memoryview) -> AssociateRequest:
    """Decode the body (after the 6 bytes of type and length) of an A-ASSOCIATE-RQ.

    Raises
    ------
    InvalidPdu: a length, a presentation context or a mandatory item is wrong.
    """
    body = memoryview(data)
    version, called, calling = _head(body, "A-ASSOCIATE-RQ")
    application, user = "", UserInformation()
    contexts: dict[int, ProposedContext] = {}
    for kind, value in _items(body[68:], "A-ASSOCIATE-RQ"):
        if kind == 0x10:
            application = _text(value)
        elif kind == 0x20:
            context = _decode_proposed_context(value)
            if context.context_id in contexts:
                raise InvalidPdu(f"presentation context {context.context_id} is proposed twice")
            contexts[context.context_id] = context
        elif kind == 0x50:
            user = _decode_user(value)
    return AssociateRequest(called, calling, tuple(contexts.values()), user, application, version)


def decode_associate_accept(data: bytes | bytearray | memoryview) -> AssociateAccept:
    """Decode the body of an A-ASSOCIATE-AC.

    Raises
    ------
    InvalidPdu: a length or an item is wrong.
    """
    body = memoryview(data)
    version, called, calling = _head(body, "A-ASSOCIATE-AC")
    application, user = "", UserInformation()
    contexts: list[ContextAnswer] = []
    for kind, value in _items(body[68:], "A-ASSOCIATE-AC"):
        if kind == 0x10:
            application = _text(value)
        elif kind == 0x21:
            if len(value) < 4:
                raise InvalidPdu(f"answered presentation context of {len(value)} bytes; at least 4 are needed")
            syntax = next((_text(v) for k, v in _items(value[4:], "presentation context") if k == 0x40), "")
            contexts.append(ContextAnswer(value[0], value[2], syntax))
        elif kind == 0x50:
            user = _decode_user(value)
    return AssociateAccept(called, calling, tuple(contexts), user, application, version)


# ---------------------------------------------------------------------------------------------- in words

_ABORT_REASONS = {
    REASON_NOT_SPECIFIED: "without a reason",
    UNRECOGNIZED_PDU: "because it did not know a PDU",
    UNEXPECTED_PDU: "because a PDU was not expected",
    UNRECOGNIZED_PDU_PARAMETER: "because it did not know a PDU parameter",
    UNEXPECTED_PDU_PARAMETER: "because a PDU parameter was not expected",
    INVALID_PDU_PARAMETER_VALUE: "because a PDU parameter was not valid",
}

_REJECT_REASONS = {
    (SOURCE_USER, USER_NO_REASON): "without a reason",
    (SOURCE_USER, USER_APPLICATION_CONTEXT_NOT_SUPPORTED): "because it does not support the DICOM application context",
    (SOURCE_USER, USER_CALLING_AE_NOT_RECOGNIZED): "because it does not know our AE title (calling AE not recognized)",
    (SOURCE_USER, USER_CALLED_AE_NOT_RECOGNIZED): "because it has another AE title (called AE not recognized)",
    (SOURCE_ACSE, ACSE_NO_REASON): "without a reason",
    (SOURCE_ACSE, ACSE_PROTOCOL_VERSION_NOT_SUPPORTED): "because it does not support the protocol version",
    (SOURCE_PRESENTATION, PRESENTATION_TEMPORARY_CONGESTION): "because it is busy",
    (SOURCE_PRESENTATION, PRESENTATION_LOCAL_LIMIT_EXCEEDED): "because it has too many associations open",
}


def describe_abort(source: int, reason: int) -> str:
    """Say in words what an A-ABORT says in numbers (PS3.8 table 9-26)."""
    if source == SERVICE_USER:
        return "the peer aborted the association"
    return f"the peer's network layer aborted the association {_ABORT_REASONS.get(reason, f'(reason {reason})')}"


def describe_reject(result: int, source: int, reason: int) -> str:
    """Say in words what an A-ASSOCIATE-RJ says in numbers (PS3.8 table 9-21)."""
    how = "refused the association for now" if result == REJECTED_TRANSIENT else "refused the association"
    why = _REJECT_REASONS.get((source, reason), f"(result {result}, source {source}, reason {reason})")
    return f"the peer {how} {why}"
