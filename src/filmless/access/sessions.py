"""Signing in and staying so. A session is a row: it ends by itself, and at once when its row goes.

The browser holds 256 random bits; the row holds their hash. The CSRF token is derived from the secret, so knowing one
page's token helps with no other session, and nothing more is kept.
"""

from __future__ import annotations

import hashlib
import hmac
import time
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from sqlalchemy import Connection, bindparam, delete, insert, or_, select, update

from filmless.access import attempts, audit
from filmless.access.names import fold
from filmless.access.passwords import hash_password, is_password, needs_rehash
from filmless.access.people import Person, get_person
from filmless.access.policy import Action, require, rights_of
from filmless.access.principal import Principal
from filmless.access.secret import digest, new_secret
from filmless.access.tables import people, sessions
from filmless.errors import NotFound, NotRecognised

if TYPE_CHECKING:
    from filmless.archive import Archive

SESSIONS_PER_PERSON_MAX: Final = 50
"""Beyond that the session not used for longest ends."""

TOUCH_S: Final = 60.0
"""`seen_at` is written at most so often: a request must not cost a write."""


@dataclass(frozen=True, slots=True)
class OpenSession:
    """A session that holds: whose it is, and what the door needs to keep it."""

    id: int
    principal: Principal
    csrf_token: str
    created_at: float
    seen_at: float


def sign_in(
    archive: Archive, name: str, password: str, *, address: str | None, user_agent: str = "", door: str = "api"
) -> tuple[str, OpenSession]:
    """Open a session for the right name and password; give its secret, for the browser alone, and the session.

    An attempt counts before it is judged, so a hundred at once are no way round the limit.

    Raises
    ------
    NotRecognised: name or password is wrong, or the person may not sign in; it does not say which.
    TooMany: too many failures for this name or from this address.
    """
    attempts.count(archive, name, _stranger(address, door))
    with archive.reading() as session:
        row = session.execute(
            select(people.c.id, people.c.password_hash, people.c.is_active).where(people.c.name_folded == fold(name))
        ).one_or_none()
    password_hash = row.password_hash if row is not None and row.is_active else None
    if not is_password(password_hash, password) or row is None or password_hash is None:
        with archive.transaction() as session:
            audit.record(session, _stranger(address, door), "sign_in", outcome="refused")
        raise NotRecognised("the name or the password is not right")

    rehashed = hash_password(password) if needs_rehash(password_hash) else password_hash
    with archive.transaction() as session:
        attempts.forgive(session, name, address)
        secret, opened = open_session(
            session, archive, get_person(archive, row.id), address=address, user_agent=user_agent, door=door
        )
        session.execute(
            update(people)
            .where(people.c.id == row.id)
            .values(last_sign_in_at=time.time(), **({} if rehashed == password_hash else {"password_hash": rehashed}))
        )
        audit.record(session, opened.principal, "sign_in")
    return secret, opened


def open_session(
    session: Connection, archive: Archive, person: Person, *, address: str | None, user_agent: str, door: str
) -> tuple[str, OpenSession]:
    """Open a session for a person whose identity was shown; give its secret and the session."""
    now = time.time()
    secret = new_secret()
    _end_expired(session, archive, now)
    kept = select(sessions.c.id).where(sessions.c.person_key == person.id).order_by(sessions.c.seen_at.desc())
    surplus = session.execute(kept.offset(SESSIONS_PER_PERSON_MAX - 1)).scalars().all()
    if surplus:
        session.execute(delete(sessions).where(sessions.c.id.in_(surplus)))
    key = session.execute(
        insert(sessions)
        .values(
            person_key=person.id,
            secret_hash=digest(secret),
            address=address,
            user_agent=user_agent[:256],
            created_at=now,
            seen_at=now,
        )
        .returning(sessions.c.id)
    ).scalar_one()
    return secret, OpenSession(key, person.principal(address=address, door=door), csrf_token(secret), now, now)


def find_session(
    session: Connection, secret: str, *, address: str | None, door: str, idle_s: float, max_s: float
) -> OpenSession | None:
    """Find the session that a browser's secret opens, unless it or its person has come to an end. One read."""
    row = session.execute(_BY_SECRET, {"secret_hash": digest(secret)}).one_or_none()
    now = time.time()
    if row is None or not row.is_active or now >= row.seen_at + idle_s or now >= row.created_at + max_s:
        return None
    principal = Principal(
        kind="person",
        id=row.person_key,
        name=row.name,
        roles=frozenset({row.role}),
        rights=rights_of(row.role),
        address=address,
        door=door,
    )
    return OpenSession(row.id, principal, csrf_token(secret), row.created_at, row.seen_at)


def is_csrf_token(opened: OpenSession, given: str) -> bool:
    """Compare without telling by the time it takes."""
    return hmac.compare_digest(opened.csrf_token.encode(), given.encode())


def begin(
    archive: Archive, person: Person, *, address: str | None, user_agent: str, door: str
) -> tuple[str, OpenSession]:
    """Open a session for a person who showed by other means than a password who they are."""
    with archive.transaction() as session:
        secret, opened = open_session(session, archive, person, address=address, user_agent=user_agent, door=door)
        audit.record(session, opened.principal, "sign_in")
    return secret, opened


def touch(session: Connection, session_id: int) -> None:
    """Note that a session was used."""
    session.execute(update(sessions).where(sessions.c.id == session_id).values(seen_at=time.time()))


def sign_out(archive: Archive, principal: Principal, session_id: int) -> None:
    """End one session."""
    with archive.transaction() as session:
        session.execute(delete(sessions).where(sessions.c.id == session_id))
        audit.record(session, principal, "sign_out")


def end_sessions(archive: Archive, principal: Principal, person_id: int) -> int:
    """End all sessions of a person and say how many there were; anyone may end their own.

    Raises
    ------
    NotAllowed, NotFound.
    """
    if principal.kind != "person" or principal.id != person_id:
        require(principal, Action.ADMINISTER)
    with archive.transaction() as session:
        name = session.execute(select(people.c.name).where(people.c.id == person_id)).scalar_one_or_none()
        if name is None:
            raise NotFound(f"there is no person {person_id}")
        ended = len(
            session.execute(delete(sessions).where(sessions.c.person_key == person_id).returning(sessions.c.id)).all()
        )
        audit.record(session, principal, "sessions_end", object=name, detail={"sessions": ended})
        return ended


def csrf_token(secret: str) -> str:
    """Derive the token that unsafe requests with this session's cookie must carry."""
    return hashlib.sha256(b"csrf:" + secret.encode("utf-8", "surrogateescape")).hexdigest()


_BY_SECRET = (
    select(
        sessions.c.id,
        sessions.c.person_key,
        sessions.c.created_at,
        sessions.c.seen_at,
        people.c.name,
        people.c.role,
        people.c.is_active,
    )
    .join_from(sessions, people, people.c.id == sessions.c.person_key)
    .where(sessions.c.secret_hash == bindparam("secret_hash"))
)


def _end_expired(session: Connection, archive: Archive, now: float) -> None:
    settings = archive.settings
    session.execute(
        delete(sessions).where(
            or_(
                sessions.c.seen_at <= now - settings.session_idle_s,
                sessions.c.created_at <= now - settings.session_max_s,
            )
        )
    )


def _stranger(address: str | None, door: str) -> Principal:
    """Name whoever failed to sign in as nobody: the name field may hold a password."""
    return Principal("person", None, "unknown", frozenset(), frozenset(), address, door)
