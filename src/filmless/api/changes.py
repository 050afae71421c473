"""The change feed: everything that happened, in an order in which nothing is missed, for programs that follow it."""

from __future__ import annotations

import asyncio
import time
from typing import Annotated, Final

from fastapi import APIRouter, Query, Request
from starlette.concurrency import run_in_threadpool

from filmless.access.policy import Action, explain, visible_studies
from filmless.access.principal import Principal
from filmless.api.callers import Caller, Here
from filmless.api.errors import responses
from filmless.api.models import administration as models
from filmless.api.streams import Broadcaster
from filmless.archive import Archive, feed
from filmless.archive.events import NAMES, Event
from filmless.errors import Refused

router = APIRouter(tags=["changes"])

LATEST: Final = "latest"
LOOK_AGAIN_S: Final = 2.0
"""Who waits looks again so often by itself, for the changes that wake nobody."""


@router.get("/changes", responses=responses(410))
async def list_changes(
    archive: Here,
    principal: Caller,
    request: Request,
    since: Annotated[
        str | None,
        Query(max_length=64, description="The cursor of an earlier answer; `latest`: only what comes from now on."),
    ] = None,
    limit: Annotated[int, Query(ge=1, le=10_000)] = 100,
    name: Annotated[
        list[str] | None, Query(max_length=64, description="Only changes of this name; repeatable.")
    ] = None,
    wait_s: Annotated[float, Query(ge=0, le=3600, description="Wait so long for a change.")] = 0,
) -> models.Changes:
    """List what happened after a cursor, the oldest first; without one, from the oldest that is kept.

    Each change comes at least once and none is left out, also when the transactions of several writers overlap. Keep
    the `cursor` of the answer, or of the last change that was dealt with, and give it back as `since`. Changes of
    studies go to those who may see them, all others to administrators. A cursor older than the setting
    `event_keep_s` is answered with 410, which says how to start over. `wait_s` holds the answer back until there is
    a change, at most for the setting `changes_wait_max_s`.
    """
    unknown = sorted(set(name or ()) - set(NAMES))
    if unknown:
        raise Refused(f"{', '.join(unknown)}: no change has this name; there are {', '.join(NAMES)}")
    limit = min(limit, archive.settings.changes_page_max)
    page = await run_in_threadpool(_read, archive, principal, since, limit, name)
    until = time.monotonic() + min(wait_s, archive.settings.changes_wait_max_s)
    if page.items or time.monotonic() >= until:
        return page
    broadcaster: Broadcaster = request.app.state.broadcaster
    queue, _ = await broadcaster.join()
    try:
        while not page.items and (left_s := until - time.monotonic()) > 0:
            page = await run_in_threadpool(_read, archive, principal, page.cursor, limit, name)
            if page.items or await _is_over(queue, min(left_s, LOOK_AGAIN_S)) or await request.is_disconnected():
                break
        return page
    finally:
        broadcaster.leave(queue)


async def _is_over(queue: asyncio.Queue[Event | None], wait_s: float) -> bool:
    """Wait for the next event, whatever it is; say whether the server goes down or we were cut off."""
    try:
        event = await asyncio.wait_for(queue.get(), wait_s)
    except TimeoutError:
        return False
    while event is not None and not queue.empty():
        event = queue.get_nowait()
    return event is None


def _read(
    archive: Archive, principal: Principal, since: str | None, limit: int, names: list[str] | None
) -> models.Changes:
    is_administrator = explain(principal, Action.ADMINISTER).allowed
    with feed.reading(archive) as final:
        newest = final.find_newest()
        if since == LATEST:
            return models.Changes(items=[], cursor=feed.cursor_of(newest), has_more=False)
        after = feed.START if since is None else final.read_cursor(since, archive.settings.event_keep_s)
        found = final.read_after(
            after,
            limit + 1,
            names=names,
            visible=visible_studies(principal),
            is_about_studies=not is_administrator,
        )
    has_more = len(found) > limit
    found = found[:limit]
    items = [
        models.Change(
            cursor=feed.cursor_of(event),
            at=event.at,  # type: ignore[arg-type] # pydantic reads seconds
            name=event.name,
            key=event.key,
            study_instance_uid=event.study_instance_uid,
        )
        for event in found
    ]
    # All up to the newest was looked at: then the next request need not look again.
    cursor = items[-1].cursor if has_more else feed.cursor_of(newest)
    return models.Changes(items=items, cursor=cursor, has_more=has_more)
