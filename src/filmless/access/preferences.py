"""What a person has set for themselves on the screen: keys, mouse buttons, windows, layout. It follows the person."""

from __future__ import annotations

import json
import re
import time
from typing import TYPE_CHECKING, Any, Final

from sqlalchemy import Connection, delete, func, select

from filmless.access import audit
from filmless.access.policy import Action, require
from filmless.access.principal import Principal
from filmless.access.tables import people, preferences
from filmless.archive.database import insert_for
from filmless.errors import NotAllowed, Refused, TooLarge

if TYPE_CHECKING:
    from filmless.archive import Archive

_NAME: Final = re.compile(r"[a-z][A-Za-z0-9]{0,39}")
_ROW_S: Final = 3600
"""Changes of one preference within this time are one row of the audit trail."""


def read(archive: Archive, principal: Principal) -> dict[str, Any]:
    """Give all that the caller has set, by name.

    Raises
    ------
    NotAllowed: the caller is nobody who could have preferences, or may not view.
    """
    owner = owner_of(principal)
    query = select(preferences.c.name, preferences.c.value).where(preferences.c.person_key == owner)
    with archive.reading() as session:
        return {row.name: json.loads(row.value) for row in session.execute(query)}


def write(archive: Archive, principal: Principal, name: str, value: Any) -> None:
    """Keep one preference, in place of what it was.

    Raises
    ------
    NotAllowed, Refused (the name is none, or there are too many), TooLarge.
    """
    owner = owner_of(principal)
    _check_name(name)
    text = json.dumps(value, ensure_ascii=False, separators=(",", ":"))
    if "\\u0000" in text:
        raise Refused(f"the preference {name} has a NUL character in it")
    if len(text.encode()) > archive.settings.preference_max_bytes:
        raise TooLarge(f"the preference {name} is longer than {archive.settings.preference_max_bytes} bytes")
    row = {"person_key": owner, "name": name, "value": text, "updated_at": time.time()}
    with archive.transaction() as session:
        others = select(func.count()).where(preferences.c.person_key == owner, preferences.c.name != name)
        if session.execute(others).scalar_one() >= archive.settings.preferences_max:
            raise Refused(f"there are {archive.settings.preferences_max} preferences already (preferences_max)")
        insert = insert_for(session)(preferences).values(row)
        session.execute(
            insert.on_conflict_do_update(
                index_elements=[preferences.c.person_key, preferences.c.name],
                set_={"value": insert.excluded.value, "updated_at": insert.excluded.updated_at},
            )
        )
        _record(session, principal, name)


def reset(archive: Archive, principal: Principal, name: str) -> None:
    """Forget one preference: what Filmless does by itself holds again."""
    owner = owner_of(principal)
    _check_name(name)
    with archive.transaction() as session:
        session.execute(delete(preferences).where(preferences.c.person_key == owner, preferences.c.name == name))
        _record(session, principal, name)


def _record(session: Any, principal: Principal, name: str) -> None:
    request = f"preference:{principal.kind}:{principal.id}:{name}:{int(time.time() // _ROW_S)}"
    audit.record_repeated(session, principal, "preference_change", request=request, outcome="success", object=name)


def _check_name(name: str) -> None:
    if not _NAME.fullmatch(name):
        raise Refused(f"{name!r} is no name of a preference: letters and digits, 40 at most, a small letter first")


def lock_owner(session: Connection, owner: int) -> None:
    """Make other windows of one person wait, also before there is a row of theirs to wait for."""
    session.execute(select(people.c.id).where(people.c.id == owner).with_for_update()).first()


def owner_of(principal: Principal) -> int:
    """Give the key of the person that what the caller keeps belongs to.

    Raises
    ------
    NotAllowed: the caller is nobody who could keep something, or may not view.
    """
    require(principal, Action.VIEW)
    if principal.kind not in ("person", "token") or principal.id is None:
        raise NotAllowed("only a person can keep something of their own here")
    return principal.id
