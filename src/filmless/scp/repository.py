"""Repository Query (PS3.4 C.6.4): a search of the Study Root model that is gone on with where it stopped.

Each answer carries the key of its record, and the answers come in the order of these keys. A request that names a key
is answered from the record behind it; more matches than we give at once end with a warning instead of a failure.
"""

from __future__ import annotations

import base64
import binascii
from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING, Final

from filmless.access.principal import Principal
from filmless.errors import Refused
from filmless.query.search import JsonDataset, Level, find_in_record_order
from filmless.scp import find

if TYPE_CHECKING:
    from filmless.archive import Archive

RECORD_KEY, PRIOR_RECORD_KEY = "0008041B", "0008041C"
RESPONSE_LIMIT_REACHED: Final = 0xB001
_KEY_BYTES: Final = 8


def find_records(
    archive: Archive,
    principal: Principal,
    identifier: JsonDataset,
    sop_class_uid: str,
    negotiated: bytes | None,
    is_cancelled: Callable[[], bool],
) -> Iterator[tuple[int, JsonDataset | None]]:
    """Answer one C-FIND-RQ, as `find.handle_find` does."""
    asked = {tag: each for tag, each in identifier.items() if tag not in (RECORD_KEY, PRIOR_RECORD_KEY)}

    def search() -> Iterator[tuple[int, JsonDataset]]:
        query = find.read_identifier(asked, sop_class_uid, find.read_options(negotiated))
        if _bytes_of(identifier, RECORD_KEY):
            raise Refused("Record Key (0008,041B) is asked for without a value")
        after = _read_key(_bytes_of(identifier, PRIOR_RECORD_KEY), query.level)
        pending = find.PENDING_WITH_WARNING if query.unsupported else find.PENDING
        for key, dataset in find_in_record_order(archive, principal, query, after):
            answer = find.answer(dataset, query, asked)
            if RECORD_KEY in identifier:
                answer[RECORD_KEY] = _write_key(key, query.level)
            yield pending, dict(sorted(answer.items()))

    return find.answer_all(
        search,
        archive.settings.find_matches_max,
        is_cancelled,
        principal.name,
        when_there_are_more=RESPONSE_LIMIT_REACHED,
    )


def _write_key(key: int, level: Level) -> JsonDataset:
    """Write a key: a byte for the level, seven for the row."""
    data = bytes([level]) + key.to_bytes(_KEY_BYTES - 1, "big")
    return {"vr": "OB", "InlineBinary": base64.b64encode(data).decode()}


def _read_key(data: bytes, level: Level) -> int | None:
    """Read a key that an earlier answer gave; None without one.

    Raises
    ------
    InvalidRecordKey
    """
    if not data:
        return None
    if len(data) != _KEY_BYTES or data[0] != level:
        raise find.InvalidRecordKey(f"Prior Record Key is none of {level.name} level that we gave")
    return int.from_bytes(data[1:], "big")


def _bytes_of(identifier: JsonDataset, tag: str) -> bytes:
    element = identifier.get(tag) or {}
    try:
        return base64.b64decode(element.get("InlineBinary") or "", validate=True)
    except (binascii.Error, TypeError) as error:
        raise Refused(f"{tag} is no OB") from error
