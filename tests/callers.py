"""Who calls, for tests: people and their principals, quick passwords, the API behind its door, a clock to be moved."""

from __future__ import annotations

from argon2 import PasswordHasher
from starlette.types import ASGIApp, Receive, Scope, Send

from filmless.access import passwords, people
from filmless.access.http import Authentication
from filmless.access.people import Person
from filmless.access.policy import ROLES
from filmless.access.principal import SYSTEM, Principal
from filmless.api.app import create_api
from filmless.archive import Archive

PASSWORD = "seven grey herons"
ADDRESS = "192.0.2.7"


def make_person(archive: Archive, name: str, role: str, password: str = PASSWORD) -> Person:
    """Make a person by the command line's way."""
    return people.add_person(archive, SYSTEM("cli"), name=name, role=role, password=password)


def principal_of(role: str, *, kind: str = "person", key: int = 1, rights: frozenset[str] | None = None) -> Principal:
    """A principal that no table knows of."""
    return Principal(
        kind=kind,  # type: ignore[arg-type]
        id=key,
        name=f"some {role}",
        roles=frozenset({role}),
        rights=ROLES[role] if rights is None else rights,
        address=ADDRESS,
        door="api",
    )


def web_of(archive: Archive) -> ASGIApp:
    """The API as the web server runs it: behind Authentication, under /api/v1."""
    api = create_api(archive)

    async def mounted(scope: Scope, receive: Receive, send: Send) -> None:
        await api({**scope, "root_path": "/api/v1"}, receive, send)

    return Authentication(mounted, archive)


def hash_quickly() -> None:
    """Make argon2 cost as little as it can, in this process."""
    passwords._made["hasher"] = PasswordHasher(time_cost=1, memory_cost=8, parallelism=1)
    passwords._nobody.clear()


class Clock:
    """The wall clock, as far as tests move it."""

    def __init__(self) -> None:
        self.now = 1_800_000_000.0

    def __call__(self) -> float:
        return self.now

    def pass_s(self, seconds: float) -> None:
        self.now += seconds
