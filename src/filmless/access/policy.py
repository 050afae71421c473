"""The one policy: what a principal may do, as yes or no with the reason, and as an SQL filter for lists.

Every door asks here and nowhere else (docs/decisions/0009). A right is held or not; whoever may read at all sees
every study, so the filter has two answers today. It is the place where scopes (own referrals, a site) will be said.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from typing import Final

from sqlalchemy import ColumnElement, false

from filmless.access.principal import Principal
from filmless.errors import NotAllowed


class Action(StrEnum):
    """What can be done with the archive; the value is the name of the right."""

    ECHO = "echo"
    QUERY = "query"
    VIEW = "view"
    RETRIEVE = "retrieve"
    STORE = "store"
    COMMIT = "commit"
    SEND = "send"
    WORKLIST = "worklist"
    DELETE = "delete"
    ADMINISTER = "administer"


EVERYTHING: Final = frozenset(action.value for action in Action)

_READS: Final = frozenset({Action.ECHO.value, Action.QUERY.value, Action.VIEW.value, Action.RETRIEVE.value})
_WORKS: Final = _READS | {Action.STORE.value, Action.SEND.value, Action.WORKLIST.value}

ROLES: Final[dict[str, frozenset[str]]] = {
    "administrator": EVERYTHING,
    "radiologist": _WORKS,
    "technologist": _WORKS,
    "clinician": _READS,
}

PEER_SERVICES: Final = frozenset(
    action.value
    for action in (Action.ECHO, Action.STORE, Action.QUERY, Action.RETRIEVE, Action.COMMIT, Action.WORKLIST)
)
"""What a peer can be allowed. Being sent to is no right of the peer's: who sends needs `send` or `retrieve`."""

_SEES_STUDIES: Final = frozenset({Action.QUERY.value, Action.VIEW.value, Action.RETRIEVE.value, Action.SEND.value})

_WORDS: Final[dict[Action, str]] = {
    Action.ECHO: "test the connection",
    Action.QUERY: "search the archive",
    Action.VIEW: "view studies",
    Action.RETRIEVE: "retrieve studies",
    Action.STORE: "store instances",
    Action.COMMIT: "ask for storage commitment",
    Action.SEND: "send studies to other systems",
    Action.WORKLIST: "make and change workitems",
    Action.DELETE: "delete studies",
    Action.ADMINISTER: "administer Filmless",
}


@dataclass(frozen=True, slots=True)
class Decision:
    """The answer of the policy and the sentence that explains it."""

    allowed: bool
    reason: str


def rights_of(role: str) -> frozenset[str]:
    """List the rights that a role gives; an unknown role gives none."""
    return ROLES.get(role, frozenset())


def explain(principal: Principal, action: Action, study_instance_uid: str | None = None) -> Decision:
    """Say whether `principal` may do `action`, with one study or in general, and why."""
    words = _WORDS[action]
    which = "" if study_instance_uid is None else f" (study {study_instance_uid})"
    if action.value in principal.rights:
        return Decision(True, f"{_who(principal)} may {words}{which}: {_grant(principal)}")
    return Decision(False, f"{_who(principal)} may not {words}{which}: {_lack(principal, action)}")


def require(principal: Principal, action: Action, study_instance_uid: str | None = None) -> None:
    """Let pass what the policy allows.

    Raises
    ------
    NotAllowed: with the reason that `explain` gives.
    """
    if action.value not in principal.rights:
        raise NotAllowed(explain(principal, action, study_instance_uid).reason)


def visible_studies(principal: Principal) -> ColumnElement[bool] | None:
    """Give the SQL condition on `tables.studies` that holds for what `principal` may see; None is everything."""
    return None if principal.rights & _SEES_STUDIES else false()


def _who(principal: Principal) -> str:
    match principal.kind:
        case "peer":
            return f"the peer {principal.name}"
        case "token":
            return f"the token of {principal.name}"
        case "system":
            return "Filmless itself"
        case _:
            return principal.name


def _grant(principal: Principal) -> str:
    match principal.kind:
        case "peer":
            return "its entry allows this service"
        case "token":
            return "the token carries this right"
        case "system":
            return "it acts for itself"
        case _:
            return f"the role {', '.join(sorted(principal.roles))} gives this right"


def _lack(principal: Principal, action: Action) -> str:
    match principal.kind:
        case "peer":
            return f"its entry does not allow the service {action.value!r}"
        case "token":
            return f"the token does not carry the right {action.value!r}"
        case _:
            return f"the role {', '.join(sorted(principal.roles)) or 'none'} lacks the right {action.value!r}"
