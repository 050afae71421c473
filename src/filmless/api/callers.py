"""What endpoints are given: the archive, and a caller with the right that the endpoint names."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import Annotated, Final

from anyio import CapacityLimiter
from fastapi import Depends, Request

from filmless.access.passwords import HASHES_AT_ONCE
from filmless.access.policy import Action, require
from filmless.access.principal import Principal
from filmless.archive import Archive
from filmless.errors import NotAllowed, NotRecognised

HASHING: Final = CapacityLimiter(HASHES_AT_ONCE)
"""Whoever hashes a password waits for this, and not in the thread pool, where it would keep everybody else out."""


async def _archive(request: Request) -> Archive:
    archive: Archive = request.app.state.archive
    return archive


async def _caller(request: Request) -> Principal:
    principal: Principal | None = request.scope.get("filmless.principal")
    if principal is None:
        raise NotRecognised("Sign in, or send an API token that is still good.")
    return principal


def needs(*actions: Action) -> Callable[[Request], Awaitable[Principal]]:
    """Make a dependency that gives the caller when it has one of these rights."""

    async def check(request: Request) -> Principal:
        principal = await _caller(request)
        for action in actions[:-1]:
            try:
                require(principal, action)
            except NotAllowed:
                continue
            return principal
        require(principal, actions[-1])
        return principal

    return check


Here = Annotated[Archive, Depends(_archive)]
Caller = Annotated[Principal, Depends(_caller)]
Searcher = Annotated[Principal, Depends(needs(Action.QUERY))]
Viewer = Annotated[Principal, Depends(needs(Action.VIEW))]
Retriever = Annotated[Principal, Depends(needs(Action.RETRIEVE))]
Storer = Annotated[Principal, Depends(needs(Action.STORE))]
Sender = Annotated[Principal, Depends(needs(Action.SEND))]
Deleter = Annotated[Principal, Depends(needs(Action.DELETE))]
Administrator = Annotated[Principal, Depends(needs(Action.ADMINISTER))]
SenderOrAdministrator = Annotated[Principal, Depends(needs(Action.SEND, Action.ADMINISTER))]
