"""People who may sign in, and the first of them: made by the one-time setup link or on the command line."""

from __future__ import annotations

import time
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from sqlalchemy import Connection, Row, delete, func, insert, select, update
from sqlalchemy.exc import IntegrityError

from filmless.access import attempts, audit
from filmless.access.names import fold
from filmless.access.passwords import check_password, hash_password, is_password
from filmless.access.policy import ROLES, Action, require, rights_of
from filmless.access.principal import SYSTEM, Principal
from filmless.access.secret import digest, new_secret
from filmless.access.tables import people, sessions, setup_links, tokens
from filmless.errors import Conflict, NotAllowed, NotFound, Refused

if TYPE_CHECKING:
    from filmless.archive import Archive


@dataclass(frozen=True, slots=True)
class Person:
    """Someone who may sign in."""

    id: int
    name: str
    display_name: str
    role: str
    is_active: bool
    created_at: float
    last_sign_in_at: float | None
    number_of_sessions: int
    number_of_tokens: int

    def principal(self, *, address: str | None, door: str) -> Principal:
        """Give the caller that the policy judges."""
        return Principal(
            kind="person",
            id=self.id,
            name=self.name,
            roles=frozenset({self.role}),
            rights=rights_of(self.role) if self.is_active else frozenset(),
            address=address,
            door=door,
        )


def list_people(archive: Archive) -> list[Person]:
    """Read all people by name."""
    with archive.reading() as session:
        return [_person(row) for row in session.execute(_select().order_by(people.c.name_folded))]


def get_person(archive: Archive, person_id: int) -> Person:
    """Read one person.

    Raises
    ------
    NotFound: there is none with this id.
    """
    with archive.reading() as session:
        return _get(session, person_id)


def find_person(archive: Archive, name: str) -> Person | None:
    """Find a person by name; case and accents of presentation do not matter."""
    with archive.reading() as session:
        row = session.execute(_select().where(people.c.name_folded == fold(name))).one_or_none()
        return None if row is None else _person(row)


def add_person(
    archive: Archive, principal: Principal, *, name: str, role: str, password: str, display_name: str = ""
) -> Person:
    """Make a person who can sign in at once.

    Raises
    ------
    NotAllowed, Conflict (the name is taken), Refused (name, role or password is not good enough).
    """
    require(principal, Action.ADMINISTER)
    values = _checked(archive, name, role, password, display_name)
    with archive.transaction() as session:
        return _add(session, principal, values)


def update_person(
    archive: Archive,
    principal: Principal,
    person_id: int,
    *,
    role: str | None = None,
    display_name: str | None = None,
    password: str | None = None,
    is_active: bool | None = None,
) -> Person:
    """Change a person; what is None stays. A new password or a deactivation ends the person's sessions.

    Raises
    ------
    NotAllowed, NotFound, Refused, Conflict (nobody would be left who can administer).
    """
    require(principal, Action.ADMINISTER)
    before = get_person(archive, person_id)
    if role is not None and role not in ROLES:
        raise Refused(f"{role!r} is no role: {', '.join(ROLES)}")
    if display_name is not None:
        display_name = _checked_display_name(display_name) or before.name
    values: dict[str, Any] = {"updated_at": time.time()}
    if password is not None:
        check_password(password, name=before.name, length_min=archive.settings.password_min_length)
        values["password_hash"] = hash_password(password)
    values |= {
        name: value
        for name, value in (("role", role), ("display_name", display_name), ("is_active", is_active))
        if value is not None
    }
    with archive.transaction() as session:
        # Two who demote each other at once must not both succeed: they wait for each other here.
        session.execute(select(people.c.id).where(people.c.role == "administrator").with_for_update()).all()
        before = _get(session, person_id)
        session.execute(update(people).where(people.c.id == person_id).values(values))
        if before.role == "administrator" and before.is_active and not _has_administrator(session):
            raise Conflict("this is the last active administrator: make another one first")
        if password is not None or is_active is False:
            session.execute(delete(sessions).where(sessions.c.person_key == person_id))
        after = _get(session, person_id)
        detail = {"before": _told(before), "after": _told(after), "password": "changed" if password else "same"}
        audit.record(session, principal, "user_change", object=before.name, detail=detail)
        return after


def change_password(
    archive: Archive, principal: Principal, *, current: str, new: str, keep_session: int | None = None
) -> None:
    """Change one's own password; other sessions than `keep_session` end.

    Raises
    ------
    NotAllowed: the caller is no person.
    Refused: `current` is not the password, or the new one is not good enough.
    TooMany: `current` was wrong too often.
    """
    if principal.kind != "person" or principal.id is None:
        raise NotAllowed("only a person who signed in has a password to change")
    person_id = principal.id
    attempts.count(archive, principal.name, principal)
    with archive.reading() as session:
        known = session.execute(select(people.c.password_hash).where(people.c.id == person_id)).scalar_one_or_none()
    if not is_password(known, current):
        with archive.transaction() as session:
            audit.record(session, principal, "password_change", outcome="refused", object=principal.name)
        raise Refused("the current password is not right")
    check_password(new, name=principal.name, length_min=archive.settings.password_min_length)
    hashed = hash_password(new)
    with archive.transaction() as session:
        session.execute(update(people).where(people.c.id == person_id).values(password_hash=hashed))
        attempts.forgive(session, principal.name, principal.address)
        others = delete(sessions).where(sessions.c.person_key == person_id)
        session.execute(others if keep_session is None else others.where(sessions.c.id != keep_session))
        audit.record(session, principal, "password_change", object=principal.name)


def setup_link(archive: Archive) -> str | None:
    """Make the one-time token with which the first administrator is made; None once there is one.

    Each call makes an earlier token worthless: only the one printed last works.
    """
    with archive.transaction() as session:
        if _has_administrator(session):
            return None
        now = time.time()
        secret = new_secret()
        session.execute(delete(setup_links))
        session.execute(
            insert(setup_links).values(
                secret_hash=digest(secret), created_at=now, expires_at=now + archive.settings.setup_link_s
            )
        )
        return secret


def is_setup_link(archive: Archive, secret: str) -> bool:
    """Say whether a setup token would still be taken."""
    with archive.reading() as session:
        return _is_setup_link(session, secret)


def set_up(
    archive: Archive, secret: str, *, name: str, password: str, display_name: str = "", address: str | None = None
) -> Person:
    """Make the first administrator with the token of the setup link, which is then used up.

    Raises
    ------
    NotAllowed: the token is wrong, used or too old.
    Refused: name or password is not good enough; the token stays good.
    """
    if not is_setup_link(archive, secret):
        raise NotAllowed(_USED_UP)
    values = _checked(archive, name, "administrator", password, display_name)
    with archive.transaction() as session:
        if not _is_setup_link(session, secret):
            raise NotAllowed(_USED_UP)
        session.execute(delete(setup_links))
        return _add(session, _setup_caller(address), values)


_USED_UP = "this setup link was used or is too old; start the server again to get a new one"


def _setup_caller(address: str | None) -> Principal:
    system = SYSTEM("api")
    return Principal("system", None, system.name, system.roles, system.rights, address, "api")


def _is_setup_link(session: Connection, secret: str) -> bool:
    until = session.execute(
        select(setup_links.c.expires_at).where(setup_links.c.secret_hash == digest(secret))
    ).scalar_one_or_none()
    return until is not None and time.time() < until and not _has_administrator(session)


def count_administrators(archive: Archive) -> int:
    """How many active administrators there are."""
    query = select(func.count()).where(people.c.role == "administrator", people.c.is_active)
    with archive.reading() as session:
        return int(session.execute(query).scalar_one())


def _has_administrator(session: Connection) -> bool:
    query = select(people.c.id).where(people.c.role == "administrator", people.c.is_active).limit(1)
    return session.execute(query).scalar_one_or_none() is not None


def _checked(archive: Archive, name: str, role: str, password: str, display_name: str) -> dict[str, Any]:
    name = name.strip()
    if not 1 <= len(name) <= 64 or not name.isprintable():
        raise Refused("a name has 1 to 64 printable characters")
    if role not in ROLES:
        raise Refused(f"{role!r} is no role: {', '.join(ROLES)}")
    display_name = _checked_display_name(display_name)
    check_password(password, name=name, length_min=archive.settings.password_min_length)
    return {
        "name": name,
        "name_folded": fold(name),
        "display_name": display_name or name,
        "role": role,
        "password_hash": hash_password(password),
        "is_active": True,
    }


def _checked_display_name(display_name: str) -> str:
    display_name = display_name.strip()
    if len(display_name) > 128 or not display_name.isprintable():
        raise Refused("a display name has at most 128 printable characters")
    return display_name


def _add(session: Connection, principal: Principal, values: dict[str, Any]) -> Person:
    now = time.time()
    try:
        with session.begin_nested():
            key = session.execute(
                insert(people).values(**values, created_at=now, updated_at=now).returning(people.c.id)
            ).scalar_one()
    except IntegrityError as error:
        raise Conflict(f"there is a person {values['name']!r} already") from error
    person = _get(session, key)
    audit.record(session, principal, "user_add", object=person.name, detail={"after": _told(person)})
    return person


def _select() -> Any:
    counts = [
        select(func.count()).select_from(table).where(table.c.person_key == people.c.id).scalar_subquery().label(label)
        for table, label in ((sessions, "number_of_sessions"), (tokens, "number_of_tokens"))
    ]
    columns = [people.c[name] for name in ("id", "name", "display_name", "role", "is_active", "created_at")]
    return select(*columns, people.c.last_sign_in_at, *counts)


def _get(session: Connection, person_id: int) -> Person:
    row = session.execute(_select().where(people.c.id == person_id)).one_or_none()
    if row is None:
        raise NotFound(f"there is no person {person_id}")
    return _person(row)


def _person(row: Row[Any]) -> Person:
    return Person(**row._mapping)


def _told(person: Person) -> dict[str, Any]:
    return {"role": person.role, "display_name": person.display_name, "is_active": person.is_active}
