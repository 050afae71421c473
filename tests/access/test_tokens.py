"""API tokens: what they may, how long, and who makes them."""

from __future__ import annotations

from typing import Any

import pytest
from sqlalchemy import select

from callers import Clock, make_person, principal_of
from filmless.access import audit, people, tokens
from filmless.access.people import Person
from filmless.access.principal import SYSTEM, Principal
from filmless.access.tables import tokens as rows
from filmless.archive import Archive
from filmless.errors import NotAllowed, NotFound, Refused

CLI = SYSTEM("cli")


def find(archive: Archive, secret: str) -> tokens.UsedToken | None:
    with archive.reading() as session:
        return tokens.find_token(session, secret, address="192.0.2.7", door="dicomweb")


def add(archive: Archive, person: Person, **others: Any) -> str:
    return tokens.add_token(archive, CLI, person.id, **({"name": "script"} | others))[0]


def of(person: Person) -> Principal:
    return person.principal(address=None, door="api")


def test_a_token_acts_for_its_person(archive: Archive, radiologist: Person) -> None:
    used = find(archive, add(archive, radiologist))

    assert used is not None
    assert (used.principal.kind, used.principal.id, used.principal.name) == ("token", radiologist.id, "Rosalind")
    assert used.principal.rights == of(radiologist).rights


def test_a_token_looks_like_one_and_only_its_hash_is_kept(archive: Archive, radiologist: Person) -> None:
    secret = add(archive, radiologist)

    with archive.reading() as session:
        row = session.execute(select(rows)).one()
    assert secret.startswith("fl_")
    assert len(secret) >= 3 + 43  # 256 bits in base64
    assert secret[8:] not in str(row)


def test_a_token_has_no_more_than_its_scope(archive: Archive, radiologist: Person) -> None:
    used = find(archive, add(archive, radiologist, rights=["query", "view"]))

    assert used is not None
    assert used.principal.rights == {"query", "view"}


def test_a_token_has_no_more_than_its_person(archive: Archive, radiologist: Person) -> None:
    used = find(archive, add(archive, radiologist, rights=["query", "administer"]))

    assert used is not None
    assert used.principal.rights == {"query"}


def test_a_token_loses_what_its_person_loses(archive: Archive, radiologist: Person) -> None:
    secret = add(archive, radiologist)

    people.update_person(archive, CLI, radiologist.id, role="clinician")

    used = find(archive, secret)
    assert used is not None
    assert "store" not in used.principal.rights


def test_a_token_of_a_deactivated_person_is_worthless(archive: Archive, radiologist: Person) -> None:
    secret = add(archive, radiologist)

    people.update_person(archive, CLI, radiologist.id, is_active=False)

    assert find(archive, secret) is None


def test_a_token_runs_out(archive: Archive, radiologist: Person, clock: Clock) -> None:
    secret = add(archive, radiologist, expires_days=2)

    clock.pass_s(2 * 86400 - 1)
    assert find(archive, secret) is not None
    clock.pass_s(1)
    assert find(archive, secret) is None


@pytest.mark.parametrize(
    "wrong", [{"expires_days": 0}, {"expires_days": 367}, {"rights": ["fly"]}, {"name": ""}, {"name": "a\nb"}]
)
def test_a_token_that_cannot_be_is_refused(archive: Archive, radiologist: Person, wrong: dict[str, Any]) -> None:
    with pytest.raises(Refused):
        add(archive, radiologist, **wrong)


def test_a_revoked_token_is_worthless_at_once(archive: Archive, radiologist: Person) -> None:
    secret, token = tokens.add_token(archive, of(radiologist), radiologist.id, name="script")

    tokens.revoke_token(archive, of(radiologist), token.id)

    assert find(archive, secret) is None
    with pytest.raises(NotFound):
        tokens.revoke_token(archive, of(radiologist), token.id)


def test_a_token_cannot_make_tokens_and_so_outlive_itself(archive: Archive, administrator: Person) -> None:
    token = principal_of("administrator", kind="token", key=administrator.id)

    with pytest.raises(NotAllowed):
        tokens.add_token(archive, token, administrator.id, name="child")


def test_a_narrow_token_cannot_touch_its_persons_tokens(archive: Archive, radiologist: Person) -> None:
    _, token = tokens.add_token(archive, CLI, radiologist.id, name="script")
    narrow = principal_of("radiologist", kind="token", key=radiologist.id, rights=frozenset({"query"}))

    with pytest.raises(NotAllowed):
        tokens.list_tokens(archive, narrow, radiologist.id)
    with pytest.raises(NotAllowed):
        tokens.revoke_token(archive, narrow, token.id)


def test_others_do_not_see_make_or_revoke_a_persons_tokens(archive: Archive, radiologist: Person) -> None:
    other = of(make_person(archive, "Tim", "technologist"))
    _, token = tokens.add_token(archive, CLI, radiologist.id, name="script")

    with pytest.raises(NotAllowed):
        tokens.list_tokens(archive, other, radiologist.id)
    with pytest.raises(NotAllowed):
        tokens.add_token(archive, other, radiologist.id, name="theirs")
    with pytest.raises(NotAllowed):
        tokens.revoke_token(archive, other, token.id)


def test_making_and_revoking_are_told_without_the_secret(archive: Archive, radiologist: Person) -> None:
    secret, token = tokens.add_token(archive, of(radiologist), radiologist.id, name="script")
    tokens.revoke_token(archive, of(radiologist), token.id)

    trail = [row for row in audit.read(archive)[0] if row.action.startswith("token")]
    assert [row.action for row in trail] == ["token_revoke", "token_add"]
    assert not any(secret in str(row) for row in trail)


def test_the_tokens_of_a_person_are_bounded(
    archive: Archive, radiologist: Person, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(tokens, "TOKENS_PER_PERSON_MAX", 2)
    add(archive, radiologist)
    add(archive, radiologist)

    with pytest.raises(Refused, match="revoke"):
        add(archive, radiologist)


def test_what_is_no_token_is_not_even_looked_up(archive: Archive, radiologist: Person) -> None:
    assert find(archive, "Bearer") is None
    assert find(archive, "") is None


def test_nobody_has_no_tokens(archive: Archive) -> None:
    with pytest.raises(NotFound):
        tokens.list_tokens(archive, CLI, 99)
    with pytest.raises(NotFound):
        tokens.add_token(archive, CLI, 99, name="x")
