"""The policy, as a table: who may what."""

from __future__ import annotations

import pytest

from callers import principal_of
from filmless.access.policy import (
    EVERYTHING,
    PEER_SERVICES,
    ROLES,
    Action,
    explain,
    require,
    rights_of,
    visible_studies,
)
from filmless.access.principal import SYSTEM, Principal
from filmless.errors import NotAllowed

TABLE = {
    #                  echo  query view retr. store commit send worklist delete administer
    "administrator": (True, True, True, True, True, True, True, True, True, True),
    "radiologist": (True, True, True, True, True, False, True, True, False, False),
    "technologist": (True, True, True, True, True, False, True, True, False, False),
    "clinician": (True, True, True, True, False, False, False, False, False, False),
}


def peer(*allow: str) -> Principal:
    return Principal("peer", 1, "CT1", frozenset(), frozenset(allow), "192.0.2.9", "dimse")


@pytest.mark.parametrize(
    ("role", "action", "allowed"),
    [(role, action, allowed) for role, row in TABLE.items() for action, allowed in zip(Action, row, strict=True)],
)
def test_a_role_may_what_the_table_says_and_nothing_else(role: str, action: Action, allowed: bool) -> None:
    decision = explain(principal_of(role), action)

    assert decision.allowed is allowed


def test_the_table_covers_every_role() -> None:
    assert TABLE.keys() == ROLES.keys()


@pytest.mark.parametrize("service", sorted(PEER_SERVICES))
@pytest.mark.parametrize("action", list(Action))
def test_a_peer_may_only_the_services_of_its_entry(service: str, action: Action) -> None:
    assert explain(peer(service), action).allowed is (action.value == service)


def test_an_unknown_role_gives_no_rights() -> None:
    assert rights_of("superuser") == frozenset()


def test_filmless_itself_may_everything() -> None:
    assert SYSTEM("worker").rights == EVERYTHING


def test_a_refusal_says_who_may_not_what_and_why() -> None:
    with pytest.raises(NotAllowed) as refused:
        require(principal_of("clinician"), Action.STORE, "1.2.3")

    assert str(refused.value) == (
        "some clinician may not store instances (study 1.2.3): the role clinician lacks the right 'store'"
    )


def test_a_peers_refusal_names_the_service_that_its_entry_lacks() -> None:
    assert explain(peer("echo"), Action.QUERY).reason == (
        "the peer CT1 may not search the archive: its entry does not allow the service 'query'"
    )


def test_whoever_may_read_sees_every_study() -> None:
    assert visible_studies(principal_of("clinician")) is None
    assert visible_studies(peer("retrieve")) is None


def test_whoever_may_not_read_sees_no_study() -> None:
    condition = visible_studies(peer("echo", "store"))

    assert condition is not None
    assert str(condition.compile()) == "false"
