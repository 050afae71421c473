"""Who is asking: the one form in which every door hands its caller to the verbs."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

Kind = Literal["person", "peer", "token", "system"]


@dataclass(frozen=True, slots=True)
class Principal:
    """A caller that was recognised, with what it may do and the way it came.

    `rights` holds the values of `policy.Action`; `name` is a person's name or a peer's AE title; `door` names
    the protocol ("dimse", "dicomweb", "api", "cli", "worker").
    """

    kind: Kind
    id: int | None
    name: str
    roles: frozenset[str]
    rights: frozenset[str]
    address: str | None
    door: str


def SYSTEM(door: str) -> Principal:  # noqa: N802 - reads as the constant it nearly is
    """Filmless itself: jobs, the sweep, and the command line acting on the data folder."""
    from filmless.access.policy import EVERYTHING

    return Principal(
        kind="system", id=None, name="filmless", roles=frozenset(), rights=EVERYTHING, address=None, door=door
    )
