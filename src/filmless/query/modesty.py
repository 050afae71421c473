"""How much one query may ask for: a database takes expressions up to a depth, and matching takes time for each key."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING, Final

from filmless.errors import Refused

if TYPE_CHECKING:
    from filmless.query.matching import Key

KEYS_MAX: Final = 200  # that leave something out
ASKED_MAX: Final = 2000  # with those that only ask for an attribute
VALUES_MAX: Final = 100  # of one key that is no list of UIDs
UIDS_MAX: Final = 10_000
TEXT_MAX: Final = 512


def require_modest(keys: Iterable[Key]) -> None:
    """Hold the keys of one identifier, those within sequences too, against the limits of this module.

    Raises
    ------
    Refused
    """
    waiting, count, asked = list(keys), 0, 0
    while waiting:
        key = waiting.pop()
        waiting += key.items
        count += not key.is_universal
        asked += 1
        values_max = UIDS_MAX if key.vr == "UI" else VALUES_MAX
        if len(key.tests) > values_max:
            raise Refused(
                f"the key ({key.tag[:4]},{key.tag[4:]}) has {len(key.tests)} values; {values_max} can be matched"
            )
    if count > KEYS_MAX:
        raise Refused(f"the query has {count} keys; {KEYS_MAX} can be matched")
    if asked > ASKED_MAX:
        raise Refused(f"the query has {asked} keys; {ASKED_MAX} can be asked for")
