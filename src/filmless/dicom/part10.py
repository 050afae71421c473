"""The head of a Part 10 file as we write it (PS3.10 chapter 7)."""

from __future__ import annotations

import functools
import struct

from filmless.dicom.uids import IMPLEMENTATION_CLASS_UID, IMPLEMENTATION_VERSION_NAME
from filmless.errors import Refused

PREAMBLE = bytes(128)
MAGIC = b"DICM"


@functools.lru_cache(maxsize=256)  # all but the instance UID are the same again and again
def _element(element: int, vr: bytes, value: bytes) -> bytes:
    """One element of group 0002, explicit VR little endian, padded to even length."""
    if len(value) % 2:
        value += b" " if vr == b"SH" else b"\0"
    if vr == b"OB":
        return struct.pack("<HH2sHL", 2, element, vr, 0, len(value)) + value
    return struct.pack("<HH2sH", 2, element, vr, len(value)) + value


def _uid(name: str, uid: str) -> bytes:
    try:
        encoded = uid.encode("ascii")
    except UnicodeEncodeError as error:
        raise Refused(f"{name} is not ASCII") from error
    if len(encoded) > 64:
        raise Refused(f"{name} has {len(encoded)} characters, 64 are allowed")
    return encoded


def preamble_and_meta(sop_class_uid: str, sop_instance_uid: str, transfer_syntax_uid: str) -> bytes:
    """What stands before the data set in each file we keep or send: an empty preamble, "DICM" and our group 0002.

    The same arguments give the same bytes, so that the digest of a file depends only on what was received.

    Raises
    ------
    Refused: a UID cannot be written: not ASCII, or longer than 64 characters.
    """
    elements = b"".join(
        (
            _element(0x0001, b"OB", b"\x00\x01"),
            _element(0x0002, b"UI", _uid("Media Storage SOP Class UID", sop_class_uid)),
            _element(0x0003, b"UI", _uid("Media Storage SOP Instance UID", sop_instance_uid)),
            _element(0x0010, b"UI", _uid("Transfer Syntax UID", transfer_syntax_uid)),
            _element(0x0012, b"UI", IMPLEMENTATION_CLASS_UID.encode()),
            _element(0x0013, b"SH", IMPLEMENTATION_VERSION_NAME.encode()),
        )
    )
    return PREAMBLE + MAGIC + _element(0x0000, b"UL", struct.pack("<L", len(elements))) + elements
