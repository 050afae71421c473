"""People, their tokens and their sessions, for the administrator and for oneself."""

from __future__ import annotations

from functools import partial
from typing import Annotated, Any

import anyio.to_thread
from fastapi import APIRouter, Path

from filmless.access import people, sessions, tokens
from filmless.api.callers import HASHING, Administrator, Caller, Here
from filmless.api.errors import responses
from filmless.api.models import administration as models
from filmless.api.models.base import Id

router = APIRouter(tags=["people"])

UserId = Annotated[Id, Path(alias="userId")]
TokenId = Annotated[Id, Path(alias="tokenId")]


@router.get("/users")
def list_users(archive: Here, _: Administrator) -> models.Users:
    """List all people."""
    return models.Users(items=[models.User.model_validate(person) for person in people.list_people(archive)])


@router.post("/users", status_code=201, responses=responses(409))
async def add_user(archive: Here, principal: Administrator, body: models.NewUser) -> models.User:
    """Make a person who can sign in at once."""
    person = await anyio.to_thread.run_sync(
        partial(people.add_person, archive, principal, **body.model_dump()), limiter=HASHING
    )
    return models.User.model_validate(person)


@router.patch("/users/{userId}", responses=responses(404, 409))
async def change_user(archive: Here, principal: Administrator, user_id: UserId, body: models.UserChange) -> models.User:
    """Change a person. A new password or a deactivation ends their sessions; the last administrator stays one."""
    person = await anyio.to_thread.run_sync(
        partial(people.update_person, archive, principal, user_id, **body.model_dump()), limiter=HASHING
    )
    return models.User.model_validate(person)


@router.delete("/users/{userId}/sessions", status_code=204, responses=responses(404))
def end_user_sessions(archive: Here, principal: Caller, user_id: UserId) -> None:
    """Sign a person out everywhere; anyone may do so for themselves."""
    sessions.end_sessions(archive, principal, user_id)


@router.get("/users/{userId}/tokens", responses=responses(404))
def list_tokens(archive: Here, principal: Caller, user_id: UserId) -> models.Tokens:
    """List the API tokens of a person; anyone may list their own."""
    found = tokens.list_tokens(archive, principal, user_id)
    return models.Tokens(items=[models.Token.model_validate(token) for token in found])


@router.post("/users/{userId}/tokens", status_code=201, responses=responses(404))
def add_token(archive: Here, principal: Caller, user_id: UserId, body: models.NewToken) -> models.CreatedToken:
    """Make an API token for oneself, or as administrator for another. Its secret is in this answer only."""
    told: dict[str, Any] = body.model_dump()
    secret, token = tokens.add_token(archive, principal, user_id, **told)
    return models.CreatedToken(token=models.Token.model_validate(token), secret=secret)


@router.delete("/tokens/{tokenId}", status_code=204, responses=responses(404))
def revoke_token(archive: Here, principal: Caller, token_id: TokenId) -> None:
    """End an API token at once."""
    tokens.revoke_token(archive, principal, token_id)
