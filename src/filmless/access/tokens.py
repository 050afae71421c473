"""API tokens: for programs, in the name of a person. Scoped, expiring, kept as a hash, shown once."""

from __future__ import annotations

import time
from collections.abc import Collection
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

from sqlalchemy import Connection, bindparam, delete, insert, select, update

from filmless.access import audit
from filmless.access.policy import EVERYTHING, Action, require, rights_of
from filmless.access.principal import Principal
from filmless.access.secret import digest, new_secret
from filmless.access.tables import people, tokens
from filmless.errors import NotAllowed, NotFound, Refused

if TYPE_CHECKING:
    from filmless.archive import Archive

PREFIX: Final = "fl_"
"""Lets people and secret scanners see what was leaked."""

TOUCH_S: Final = 60.0
"""`last_used_at` is written at most so often."""

DEFAULT_DAYS: Final = 90
TOKENS_PER_PERSON_MAX: Final = 100


@dataclass(frozen=True, slots=True)
class Token:
    """An API token without its secret; `rights` is what it carries, as far as its person has it."""

    id: int
    person_id: int
    name: str
    hint: str
    rights: frozenset[str]
    created_at: float
    expires_at: float
    last_used_at: float | None


@dataclass(frozen=True, slots=True)
class UsedToken:
    """A token that holds, and when it was last noted as used."""

    id: int
    principal: Principal
    expires_at: float
    last_used_at: float | None


def add_token(
    archive: Archive,
    principal: Principal,
    person_id: int,
    *,
    name: str,
    expires_days: int | None = None,
    rights: Collection[str] | None = None,
) -> tuple[str, Token]:
    """Make a token for oneself, or as administrator for another; give its secret, shown only now, and the token.

    Raises
    ------
    NotAllowed: also when a token asks, which could otherwise outlive itself.
    NotFound, Refused (name, rights or life is not possible).
    """
    _require_owner(principal, person_id)
    if principal.kind == "token":
        raise NotAllowed("a token cannot make tokens: sign in")
    settings = archive.settings
    days = min(DEFAULT_DAYS, settings.token_days_max) if expires_days is None else expires_days
    if not 1 <= days <= settings.token_days_max:
        raise Refused(f"a token lives 1 to {settings.token_days_max} days, not {days}")
    if not 1 <= len(name) <= 128 or not name.isprintable():
        raise Refused("a token's name has 1 to 128 printable characters")
    strange = set(rights or ()) - EVERYTHING
    if strange:
        raise Refused(f"{', '.join(sorted(strange))}: no such right; there are {', '.join(sorted(EVERYTHING))}")
    now = time.time()
    secret = new_secret(PREFIX)
    with archive.transaction() as session:
        owner = _owner(session, person_id)
        have = session.execute(select(tokens.c.id).where(tokens.c.person_key == person_id)).all()
        if len(have) >= TOKENS_PER_PERSON_MAX:
            raise Refused(f"{owner} has {len(have)} tokens already: revoke some first")
        key = session.execute(
            insert(tokens)
            .values(
                person_key=person_id,
                name=name,
                secret_hash=digest(secret),
                hint=secret[:8],
                rights=None if rights is None else " ".join(sorted(set(rights))),
                created_at=now,
                expires_at=now + days * 86400.0,
            )
            .returning(tokens.c.id)
        ).scalar_one()
        token = _get(session, key)
        told = {"token": name, "hint": token.hint, "rights": sorted(token.rights), "days": days}
        audit.record(session, principal, "token_add", object=owner, detail=told)
        return secret, token


def list_tokens(archive: Archive, principal: Principal, person_id: int) -> list[Token]:
    """Read the tokens of a person, the latest first; anyone may read their own.

    Raises
    ------
    NotAllowed, NotFound.
    """
    _require_owner(principal, person_id)
    with archive.reading() as session:
        _owner(session, person_id)
        query = _select().where(tokens.c.person_key == person_id).order_by(tokens.c.id.desc())
        return [_token(row) for row in session.execute(query)]


def revoke_token(archive: Archive, principal: Principal, token_id: int) -> None:
    """End a token at once; anyone may end their own.

    Raises
    ------
    NotAllowed, NotFound.
    """
    with archive.transaction() as session:
        token = _get(session, token_id)
        _require_owner(principal, token.person_id)
        session.execute(delete(tokens).where(tokens.c.id == token_id))
        owner = _owner(session, token.person_id)
        audit.record(session, principal, "token_revoke", object=owner, detail={"token": token.name, "hint": token.hint})


def find_token(session: Connection, secret: str, *, address: str | None, door: str) -> UsedToken | None:
    """Find the token with this secret, unless it or its person has come to an end. One read."""
    if not secret.startswith(PREFIX):
        return None
    row = session.execute(_BY_SECRET, {"secret_hash": digest(secret)}).one_or_none()
    if row is None or not row.is_active or time.time() >= row.expires_at:
        return None
    principal = Principal(
        kind="token",
        id=row.person_key,
        name=row.person_name,
        roles=frozenset({row.role}),
        rights=_effective(row.rights, row.role),
        address=address,
        door=door,
    )
    return UsedToken(row.id, principal, row.expires_at, row.last_used_at)


def touch(session: Connection, token_id: int) -> None:
    """Note that a token was used."""
    session.execute(update(tokens).where(tokens.c.id == token_id).values(last_used_at=time.time()))


_BY_SECRET = (
    select(
        tokens.c.id,
        tokens.c.person_key,
        tokens.c.rights,
        tokens.c.expires_at,
        tokens.c.last_used_at,
        people.c.name.label("person_name"),
        people.c.role,
        people.c.is_active,
    )
    .join_from(tokens, people, people.c.id == tokens.c.person_key)
    .where(tokens.c.secret_hash == bindparam("secret_hash"))
)


def _effective(rights: str | None, role: str) -> frozenset[str]:
    """Cut a token's rights down to what its person has now."""
    return rights_of(role) if rights is None else rights_of(role) & frozenset(rights.split())


def _require_owner(principal: Principal, person_id: int) -> None:
    if principal.kind != "person" or principal.id != person_id:
        require(principal, Action.ADMINISTER)


def _owner(session: Connection, person_id: int) -> str:
    name = session.execute(select(people.c.name).where(people.c.id == person_id)).scalar_one_or_none()
    if name is None:
        raise NotFound(f"there is no person {person_id}")
    return str(name)


def _select() -> Any:
    return select(tokens, people.c.role).join_from(tokens, people, people.c.id == tokens.c.person_key)


def _get(session: Connection, token_id: int) -> Token:
    row = session.execute(_select().where(tokens.c.id == token_id)).one_or_none()
    if row is None:
        raise NotFound(f"there is no token {token_id}")
    return _token(row)


def _token(row: Any) -> Token:
    return Token(
        id=row.id,
        person_id=row.person_key,
        name=row.name,
        hint=row.hint,
        rights=_effective(row.rights, row.role),
        created_at=row.created_at,
        expires_at=row.expires_at,
        last_used_at=row.last_used_at,
    )
