"""Signing in and out, one's own password, and the first administrator."""

from __future__ import annotations

from functools import partial
from typing import Annotated, Any

import anyio.to_thread
from fastapi import APIRouter, Query, Request, Response

import filmless
from filmless.access import people, sessions
from filmless.access.http import clear_cookie, set_cookie
from filmless.access.principal import Principal
from filmless.api.callers import HASHING, Caller, Here
from filmless.api.errors import responses
from filmless.api.models import reading as models
from filmless.archive import Archive
from filmless.config import host_and_port

router = APIRouter(tags=["session"])


@router.get("/session")
def get_session(archive: Here, principal: Caller, request: Request) -> models.Session:
    """Say who is signed in and what they may do."""
    opened = request.scope.get("filmless.session")
    return _session(archive, principal, None if opened is None else opened.csrf_token)


@router.post("/session", status_code=201, responses=responses(429))
async def sign_in(archive: Here, body: models.SignIn, request: Request, response: Response) -> models.Session:
    """Open a session; its cookie comes with the answer."""
    secret, opened = await anyio.to_thread.run_sync(
        partial(sessions.sign_in, archive, body.name, body.password, **_where_from(request)), limiter=HASHING
    )
    set_cookie(response, request.scope, secret, archive.settings)
    return await anyio.to_thread.run_sync(_session, archive, opened.principal, opened.csrf_token)


@router.delete("/session", status_code=204)
def sign_out(archive: Here, principal: Caller, request: Request, response: Response) -> None:
    """End the session."""
    opened = request.scope.get("filmless.session")
    if opened is not None:
        sessions.sign_out(archive, principal, opened.id)
    clear_cookie(response, request.scope)


@router.post("/session/password", status_code=204, responses=responses(429))
async def change_password(archive: Here, principal: Caller, body: models.PasswordChange, request: Request) -> None:
    """Change one's own password. All other sessions of the person end."""
    opened = request.scope.get("filmless.session")
    await anyio.to_thread.run_sync(
        partial(
            people.change_password,
            archive,
            principal,
            current=body.current,
            new=body.new,
            keep_session=None if opened is None else opened.id,
        ),
        limiter=HASHING,
    )


@router.get("/setup")
def get_setup(archive: Here, token: Annotated[str, Query(max_length=128)] = "") -> models.SetupState:
    """Say whether a setup link may still be used."""
    return models.SetupState(valid=people.is_setup_link(archive, token))


@router.post("/setup", status_code=201)
async def set_up(archive: Here, body: models.Setup, request: Request, response: Response) -> models.Session:
    """Make the first administrator with the one-time token, and sign them in."""
    person = await anyio.to_thread.run_sync(
        partial(
            people.set_up,
            archive,
            body.token,
            name=body.name,
            password=body.password,
            display_name=body.display_name,
            address=request.scope.get("filmless.address"),
        ),
        limiter=HASHING,
    )
    secret, opened = await anyio.to_thread.run_sync(partial(sessions.begin, archive, person, **_where_from(request)))
    set_cookie(response, request.scope, secret, archive.settings)
    return await anyio.to_thread.run_sync(_session, archive, opened.principal, opened.csrf_token)


def _where_from(request: Request) -> dict[str, Any]:
    return {
        "address": request.scope.get("filmless.address"),
        "user_agent": request.headers.get("user-agent", ""),
        "door": "api",
    }


def _session(archive: Archive, principal: Principal, csrf_token: str | None) -> models.Session:
    assert principal.id is not None
    person = people.get_person(archive, principal.id)
    settings = archive.settings
    return models.Session(
        user=models.SessionUser.model_validate(
            {
                "id": person.id,
                "name": person.name,
                "display_name": person.display_name,
                "role": person.role,
                "rights": sorted(principal.rights),
            }
        ),
        csrf_token=csrf_token,
        server=models.Server(
            ae_title=settings.ae_title, version=filmless.__version__, dicom_port=host_and_port(settings.dicom)[1]
        ),
    )
