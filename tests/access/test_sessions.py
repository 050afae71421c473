"""Signing in: limits, expiry, and that nobody learns who exists."""

from __future__ import annotations

import threading

import pytest
from sqlalchemy import select

from callers import PASSWORD, Clock, make_person
from filmless.access import audit, people, sessions
from filmless.access.people import Person
from filmless.access.principal import SYSTEM
from filmless.access.tables import sessions as rows
from filmless.access.tables import sign_in_failures
from filmless.archive import Archive
from filmless.errors import NotAllowed, NotFound, NotRecognised, TooMany

CLI = SYSTEM("cli")


def sign_in(archive: Archive, password: str = PASSWORD, *, name: str = "Ada", address: str = "192.0.2.7") -> str:
    return sessions.sign_in(archive, name, password, address=address)[0]


def find(archive: Archive, secret: str) -> sessions.OpenSession | None:
    settings = archive.settings
    with archive.reading() as session:
        return sessions.find_session(
            session,
            secret,
            address="192.0.2.7",
            door="api",
            idle_s=settings.session_idle_s,
            max_s=settings.session_max_s,
        )


def fail(archive: Archive, times: int, *, name: str = "Ada", address: str = "192.0.2.7") -> None:
    for _ in range(times):
        with pytest.raises(NotRecognised):
            sign_in(archive, "wrong", name=name, address=address)


def test_the_secret_opens_the_session_it_was_made_for(archive: Archive, administrator: Person) -> None:
    opened = find(archive, sign_in(archive))

    assert opened is not None
    assert (opened.principal.kind, opened.principal.id, opened.principal.door) == ("person", administrator.id, "api")
    assert find(archive, "guess") is None


def test_the_database_does_not_hold_what_opens_a_session(archive: Archive, administrator: Person) -> None:
    secret = sign_in(archive)

    with archive.reading() as session:
        row = session.execute(select(rows)).one()
    assert secret.encode() not in row.secret_hash
    assert len(row.secret_hash) == 32


def test_each_session_has_another_secret_and_csrf_token(archive: Archive, administrator: Person) -> None:
    first, second = sign_in(archive), sign_in(archive)

    assert first != second
    assert sessions.csrf_token(first) != sessions.csrf_token(second)


@pytest.mark.parametrize("name", ["Ada", "Nobody"])
def test_a_wrong_password_and_a_wrong_name_sound_the_same(archive: Archive, administrator: Person, name: str) -> None:
    with pytest.raises(NotRecognised, match=r"^the name or the password is not right$"):
        sign_in(archive, "wrong", name=name)


def test_an_inactive_person_sounds_like_a_wrong_password(archive: Archive, administrator: Person) -> None:
    person = make_person(archive, "Rosalind", "radiologist")
    people.update_person(archive, CLI, person.id, is_active=False)

    with pytest.raises(NotRecognised, match=r"^the name or the password is not right$"):
        sign_in(archive, name="Rosalind")


def test_an_unknown_name_costs_a_hash_too(archive: Archive, monkeypatch: pytest.MonkeyPatch) -> None:
    asked: list[str | None] = []
    real = sessions.is_password
    monkeypatch.setattr(sessions, "is_password", lambda known, given: asked.append(known) or real(known, given))

    with pytest.raises(NotRecognised):
        sign_in(archive, name="Nobody")

    assert asked == [None]


def test_a_failure_is_told_without_the_name_that_was_typed(archive: Archive, administrator: Person) -> None:
    fail(archive, 1, name="my password by mistake")

    [row] = audit.read(archive, action="sign_in")[0]
    assert (row.outcome, row.actor, row.address) == ("refused", "unknown", "192.0.2.7")
    with archive.reading() as session:
        subjects = session.execute(select(sign_in_failures.c.subject)).scalars().all()
    assert not any("mistake" in subject for subject in subjects)


def test_after_too_many_failures_even_the_right_password_must_wait(archive: Archive, administrator: Person) -> None:
    fail(archive, archive.settings.sign_in_attempts_max)

    with pytest.raises(TooMany) as told:
        sign_in(archive)

    assert 0 < told.value.retry_after_s <= archive.settings.sign_in_window_s


def test_the_pause_ends(archive: Archive, administrator: Person, clock: Clock) -> None:
    fail(archive, archive.settings.sign_in_attempts_max)

    clock.pass_s(archive.settings.sign_in_window_s)

    assert find(archive, sign_in(archive)) is not None


def test_attempts_during_the_pause_do_not_prolong_it(archive: Archive, administrator: Person, clock: Clock) -> None:
    fail(archive, archive.settings.sign_in_attempts_max)
    clock.pass_s(archive.settings.sign_in_window_s - 10)
    with pytest.raises(TooMany) as told:
        sign_in(archive)

    clock.pass_s(10)

    assert told.value.retry_after_s == 10
    assert find(archive, sign_in(archive)) is not None


def test_the_limit_per_name_holds_across_addresses(archive: Archive, administrator: Person) -> None:
    for number in range(archive.settings.sign_in_attempts_max):
        fail(archive, 1, address=f"192.0.2.{number}")

    with pytest.raises(TooMany):
        sign_in(archive, address="192.0.2.200")


def test_the_limit_per_address_holds_across_names(archive: Archive, administrator: Person) -> None:
    for number in range(archive.settings.sign_in_attempts_per_address_max):
        fail(archive, 1, name=f"name {number}")

    with pytest.raises(TooMany):
        sign_in(archive)
    assert find(archive, sign_in(archive, address="192.0.2.8")) is not None


def test_an_unknown_name_is_limited_like_a_known_one(archive: Archive) -> None:
    fail(archive, archive.settings.sign_in_attempts_max, name="Nobody")

    with pytest.raises(TooMany):
        sign_in(archive, name="Nobody")


def test_a_locked_out_address_cannot_lock_out_names(archive: Archive, administrator: Person) -> None:
    for number in range(archive.settings.sign_in_attempts_per_address_max):
        fail(archive, 1, name=f"name {number}")

    for _ in range(archive.settings.sign_in_attempts_max + 1):
        with pytest.raises(TooMany):
            sign_in(archive, "wrong")

    assert find(archive, sign_in(archive, address="192.0.2.8")) is not None


def test_a_good_sign_in_forgives_what_came_before(archive: Archive, administrator: Person) -> None:
    for _ in range(10):
        fail(archive, archive.settings.sign_in_attempts_max - 1)
        sign_in(archive)
        with archive.transaction() as session:  # the address is another matter
            session.execute(sign_in_failures.delete().where(sign_in_failures.c.subject.startswith("address:")))


def test_attempts_at_once_are_no_way_round_the_limit(archive: Archive, administrator: Person) -> None:
    outcomes: list[type[Exception]] = []

    def attempt() -> None:
        try:
            sign_in(archive, "wrong")
        except (NotRecognised, TooMany) as error:
            outcomes.append(type(error))

    threads = [threading.Thread(target=attempt) for _ in range(12)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()

    assert outcomes.count(NotRecognised) == archive.settings.sign_in_attempts_max
    assert outcomes.count(TooMany) == 12 - archive.settings.sign_in_attempts_max


def test_refusals_by_the_limit_share_one_row_of_the_trail(archive: Archive, administrator: Person) -> None:
    fail(archive, archive.settings.sign_in_attempts_max)
    for _ in range(4):
        with pytest.raises(TooMany):
            sign_in(archive)

    counts = [row.count for row in audit.read(archive, action="sign_in")[0]]
    assert counts == [4, 1, 1, 1, 1, 1]


def test_an_idle_session_ends(archive: Archive, administrator: Person, clock: Clock) -> None:
    secret = sign_in(archive)

    clock.pass_s(archive.settings.session_idle_s - 1)
    assert find(archive, secret) is not None
    clock.pass_s(1)
    assert find(archive, secret) is None


def test_use_keeps_a_session_open_but_not_for_ever(archive: Archive, administrator: Person, clock: Clock) -> None:
    secret = sign_in(archive)
    opened = find(archive, secret)
    assert opened is not None

    hours = 0
    while (opened := find(archive, secret)) is not None:
        clock.pass_s(3600)
        hours += 1
        with archive.transaction() as session:
            sessions.touch(session, opened.id)

    assert hours == archive.settings.session_max_s / 3600


def test_signing_out_ends_the_session_and_no_other(archive: Archive, administrator: Person) -> None:
    first, second = sign_in(archive), sign_in(archive)
    opened = find(archive, first)
    assert opened is not None

    sessions.sign_out(archive, opened.principal, opened.id)

    assert find(archive, first) is None
    assert find(archive, second) is not None


def test_a_change_of_role_holds_for_open_sessions(archive: Archive, administrator: Person) -> None:
    person = make_person(archive, "Rosalind", "radiologist")
    secret = sign_in(archive, name="Rosalind")

    people.update_person(archive, CLI, person.id, role="clinician")

    opened = find(archive, secret)
    assert opened is not None
    assert "store" not in opened.principal.rights


def test_an_administrator_ends_anyones_sessions(archive: Archive, administrator: Person) -> None:
    person = make_person(archive, "Rosalind", "radiologist")
    secret = sign_in(archive, name="Rosalind")

    ended = sessions.end_sessions(archive, administrator.principal(address=None, door="api"), person.id)

    assert ended == 1
    assert find(archive, secret) is None


def test_others_end_only_their_own_sessions(archive: Archive, administrator: Person) -> None:
    person = make_person(archive, "Rosalind", "radiologist").principal(address=None, door="api")

    with pytest.raises(NotAllowed):
        sessions.end_sessions(archive, person, administrator.id)
    assert sessions.end_sessions(archive, person, person.id or 0) == 0


def test_sessions_of_nobody_cannot_be_ended(archive: Archive) -> None:
    with pytest.raises(NotFound):
        sessions.end_sessions(archive, CLI, 99)


def test_the_oldest_sessions_give_way(archive: Archive, administrator: Person, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sessions, "SESSIONS_PER_PERSON_MAX", 3)

    secrets = [sign_in(archive) for _ in range(5)]

    assert [find(archive, secret) is not None for secret in secrets] == [False, False, True, True, True]
