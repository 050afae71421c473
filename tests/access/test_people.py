"""People, the last administrator, and the setup link."""

from __future__ import annotations

import threading

import pytest

from callers import PASSWORD, Clock, make_person, principal_of
from filmless.access import audit, passwords, people, sessions
from filmless.access.people import Person
from filmless.access.principal import SYSTEM
from filmless.archive import Archive
from filmless.errors import Conflict, FilmlessError, NotAllowed, NotFound, NotRecognised, Refused, TooMany

CLI = SYSTEM("cli")


def of(person: Person) -> people.Principal:
    return person.principal(address="192.0.2.7", door="api")


def test_a_new_person_may_sign_in_at_once(archive: Archive) -> None:
    person = make_person(archive, "Rosalind", "radiologist")

    _, opened = sessions.sign_in(archive, "Rosalind", PASSWORD, address="192.0.2.7")

    assert (opened.principal.id, opened.principal.roles) == (person.id, {"radiologist"})


def test_a_password_is_kept_as_argon2id_with_costs_that_hurt() -> None:
    from argon2 import PasswordHasher, Type, extract_parameters

    parameters = extract_parameters(PasswordHasher().hash("x"))

    assert parameters.type is Type.ID
    assert (parameters.memory_cost, parameters.time_cost) >= (65536, 3)  # RFC 9106 4, second choice


def test_names_that_differ_in_case_or_width_are_the_same(archive: Archive) -> None:
    make_person(archive, "José", "clinician")

    with pytest.raises(Conflict):
        make_person(archive, "JOSÉ ", "clinician")
    found = people.find_person(archive, "ｊｏｓé")
    assert found is not None
    assert found.name == "José"


@pytest.mark.parametrize("name", ["", "   ", "a\nb", "x" * 65])
def test_a_name_that_cannot_be_shown_is_refused(archive: Archive, name: str) -> None:
    with pytest.raises(Refused):
        make_person(archive, name, "clinician")


def test_a_role_that_does_not_exist_is_refused(archive: Archive, administrator: Person) -> None:
    with pytest.raises(Refused, match="radiologist"):
        make_person(archive, "x", "root")
    with pytest.raises(Refused):
        people.update_person(archive, CLI, administrator.id, role="root")


@pytest.mark.parametrize("password", ["short", "aaaaaaaaaaaaaaa", "rosalind01", "y" * 1025])
def test_a_password_that_would_be_guessed_is_refused(archive: Archive, password: str) -> None:
    with pytest.raises(Refused, match="password"):
        make_person(archive, "rosalind", "clinician", password)


def test_any_characters_will_do_for_a_long_password(archive: Archive) -> None:
    make_person(archive, "Sun", "clinician", "한국어 비밀번호 입니다")

    _, opened = sessions.sign_in(archive, "Sun", "한국어 비밀번호 입니다", address=None)

    assert opened.principal.name == "Sun"


@pytest.mark.parametrize("role", ["radiologist", "technologist", "clinician"])
def test_only_an_administrator_makes_or_changes_people(archive: Archive, administrator: Person, role: str) -> None:
    with pytest.raises(NotAllowed):
        people.add_person(archive, principal_of(role), name="x", role=role, password=PASSWORD)
    with pytest.raises(NotAllowed):
        people.update_person(archive, principal_of(role), administrator.id, role="clinician")


def test_the_last_administrator_cannot_be_demoted_or_deactivated(archive: Archive, administrator: Person) -> None:
    with pytest.raises(Conflict, match="last"):
        people.update_person(archive, of(administrator), administrator.id, role="clinician")
    with pytest.raises(Conflict, match="last"):
        people.update_person(archive, of(administrator), administrator.id, is_active=False)

    assert people.get_person(archive, administrator.id) == administrator


def test_an_inactive_administrator_does_not_count_as_one(archive: Archive, administrator: Person) -> None:
    second = make_person(archive, "Grace", "administrator")
    people.update_person(archive, CLI, second.id, is_active=False)

    with pytest.raises(Conflict, match="last"):
        people.update_person(archive, of(administrator), administrator.id, role="clinician")


def test_two_administrators_who_demote_each_other_at_once_leave_one(archive: Archive, administrator: Person) -> None:
    second = make_person(archive, "Grace", "administrator")
    outcomes: list[str] = []

    def demote(person: Person) -> None:
        try:
            people.update_person(archive, CLI, person.id, role="clinician")
            outcomes.append("done")
        except Conflict:
            outcomes.append("refused")

    threads = [threading.Thread(target=demote, args=(person,)) for person in (administrator, second)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()

    assert sorted(outcomes) == ["done", "refused"]


def test_a_refused_change_leaves_nothing_of_itself(archive: Archive, administrator: Person) -> None:
    before = len(audit.read(archive)[0])

    with pytest.raises(Conflict):
        people.update_person(archive, CLI, administrator.id, role="clinician", display_name="Nobody")

    assert people.get_person(archive, administrator.id).display_name == "Ada"
    assert len(audit.read(archive)[0]) == before


def test_a_change_is_told_before_and_after_without_the_password(archive: Archive, radiologist: Person) -> None:
    people.update_person(archive, CLI, radiologist.id, role="clinician", password="another good phrase")

    [row] = audit.read(archive, action="user_change")[0]
    assert row.object == "Rosalind"
    assert '"before": {"role": "radiologist"' in (row.detail or "")
    assert '"after": {"role": "clinician"' in (row.detail or "")
    assert "another good phrase" not in (row.detail or "")


@pytest.mark.parametrize("change", [{"is_active": False}, {"password": "another good phrase"}])
def test_a_deactivation_or_new_password_ends_all_sessions(
    archive: Archive, radiologist: Person, change: dict[str, object]
) -> None:
    sessions.sign_in(archive, "Rosalind", PASSWORD, address=None)

    after = people.update_person(archive, CLI, radiologist.id, **change)  # type: ignore[arg-type]

    assert after.number_of_sessions == 0


def test_a_display_name_is_one_line_and_never_empty(archive: Archive, radiologist: Person) -> None:
    with pytest.raises(Refused):
        people.update_person(archive, CLI, radiologist.id, display_name="a\nb")
    assert people.update_person(archive, CLI, radiologist.id, display_name=" ").display_name == "Rosalind"


def test_nobody_changes_a_person_who_is_not_there(archive: Archive) -> None:
    with pytest.raises(NotFound):
        people.update_person(archive, CLI, 77, role="clinician")


def test_a_new_own_password_ends_the_other_sessions(archive: Archive, radiologist: Person) -> None:
    _, here = sessions.sign_in(archive, "Rosalind", PASSWORD, address=None)
    sessions.sign_in(archive, "Rosalind", PASSWORD, address=None)

    people.change_password(archive, here.principal, current=PASSWORD, new="another good phrase", keep_session=here.id)

    assert people.get_person(archive, radiologist.id).number_of_sessions == 1
    with pytest.raises(NotRecognised):
        sessions.sign_in(archive, "Rosalind", PASSWORD, address=None)


def test_a_wrong_current_password_changes_nothing_and_is_told(archive: Archive, radiologist: Person) -> None:
    with pytest.raises(Refused, match="current"):
        people.change_password(archive, of(radiologist), current="wrong", new="another good phrase")

    assert [row.outcome for row in audit.read(archive, action="password_change")[0]] == ["refused"]
    sessions.sign_in(archive, "Rosalind", PASSWORD, address=None)


def test_the_current_password_cannot_be_guessed_through_a_stolen_session(archive: Archive, radiologist: Person) -> None:
    for _ in range(archive.settings.sign_in_attempts_max):
        with pytest.raises(Refused):
            people.change_password(archive, of(radiologist), current="wrong", new="another good phrase")

    with pytest.raises(TooMany):
        people.change_password(archive, of(radiologist), current=PASSWORD, new="another good phrase")


def test_a_token_cannot_change_the_password(archive: Archive, radiologist: Person) -> None:
    token = principal_of("radiologist", kind="token", key=radiologist.id)

    with pytest.raises(NotAllowed):
        people.change_password(archive, token, current=PASSWORD, new="another good phrase")


def test_the_setup_link_makes_one_administrator_and_no_second(archive: Archive) -> None:
    link = people.setup_link(archive)
    assert link is not None

    person = people.set_up(archive, link, name="Ada", password=PASSWORD)

    assert person.role == "administrator"
    assert not people.is_setup_link(archive, link)
    with pytest.raises(NotAllowed):
        people.set_up(archive, link, name="Eve", password=PASSWORD)


def test_there_is_no_setup_link_once_there_is_an_administrator(archive: Archive, administrator: Person) -> None:
    assert people.setup_link(archive) is None


def test_an_administrator_made_on_the_command_line_ends_the_setup_link(archive: Archive) -> None:
    link = people.setup_link(archive)
    assert link is not None
    make_person(archive, "Ada", "administrator")

    assert not people.is_setup_link(archive, link)
    with pytest.raises(NotAllowed):
        people.set_up(archive, link, name="Eve", password=PASSWORD)


def test_only_the_setup_link_printed_last_works(archive: Archive) -> None:
    first, second = people.setup_link(archive), people.setup_link(archive)
    assert first is not None
    assert second is not None

    assert not people.is_setup_link(archive, first)
    assert people.is_setup_link(archive, second)


def test_the_setup_link_runs_out(archive: Archive, clock: Clock) -> None:
    link = people.setup_link(archive)
    assert link is not None

    clock.pass_s(archive.settings.setup_link_s)

    with pytest.raises(NotAllowed):
        people.set_up(archive, link, name="Ada", password=PASSWORD)


def test_a_bad_password_does_not_use_the_setup_link_up(archive: Archive) -> None:
    link = people.setup_link(archive)
    assert link is not None

    with pytest.raises(Refused):
        people.set_up(archive, link, name="Ada", password="short")

    assert people.is_setup_link(archive, link)


def test_a_guessed_setup_token_makes_nobody(archive: Archive) -> None:
    people.setup_link(archive)

    with pytest.raises(NotAllowed):
        people.set_up(archive, "guess", name="Eve", password=PASSWORD)

    assert people.list_people(archive) == []


def test_too_many_hashes_at_once_are_put_off(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(passwords, "HASH_WAIT_S", 0.01)
    for _ in range(passwords.HASHES_AT_ONCE):
        assert passwords._slots.acquire(timeout=5)
    try:
        with pytest.raises(FilmlessError, match="at once"):
            passwords.hash_password("x")
    finally:
        for _ in range(passwords.HASHES_AT_ONCE):
            passwords._slots.release()
