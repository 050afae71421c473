"""Event streams: one poller per process, however many screens listen.

A screen that reads too slowly is cut off and comes back with Last-Event-ID, so nothing is kept for it here.
"""

from __future__ import annotations

import asyncio
import json
import time
from collections.abc import AsyncIterator
from typing import Final

import structlog
from fastapi import Request
from sqlalchemy import select
from starlette.concurrency import run_in_threadpool

from filmless.access.policy import Action, explain, visible_studies
from filmless.access.principal import Principal
from filmless.archive import Archive, feed
from filmless.archive.events import Event
from filmless.archive.feed import START, Position, position_of
from filmless.archive.tables import studies
from filmless.errors import FilmlessError, Unavailable

log = structlog.get_logger()

POLL_S: Final = 0.25
HEARTBEAT_S: Final = 15.0
RECHECK_S: Final = 2.0
"""A listener's right to listen is looked up again before an event, at most so often."""

STREAM_S: Final = 3600.0
"""A stream ends after so long and the browser opens a new one: none lives for ever."""

BEHIND_MAX: Final = 500
"""Events that a listener may be behind; beyond that it is cut off, or told to fetch everything anew."""


UNHEARD: Final = ("instance_stored",)
"""Events that no screen listens for: `study` tells it what it needs to know."""


class Broadcaster:
    """Reads new events once and hands them to every stream of this process."""

    def __init__(self, archive: Archive) -> None:
        self._archive = archive
        self._queues: set[asyncio.Queue[Event | None]] = set()
        self._poller: asyncio.Task[None] | None = None
        self._position = START
        self._is_stopping = False

    async def join(self) -> tuple[asyncio.Queue[Event | None], Position]:
        """Start to listen: gives a queue, and the place after which its events begin. A None in it means: cut off.

        Raises
        ------
        Unavailable: too many listen already.
        """
        if self._is_stopping or len(self._queues) >= self._archive.settings.event_streams_max:
            raise Unavailable("too many screens listen for events", retry_after_s=30)
        if self._poller is None or self._poller.done():
            position = await run_in_threadpool(self._newest)
            if self._poller is None or self._poller.done():  # another may have come first meanwhile
                self._position = position
                self._poller = asyncio.create_task(self._poll(), name="events")
        queue: asyncio.Queue[Event | None] = asyncio.Queue(BEHIND_MAX)
        self._queues.add(queue)
        return queue, self._position

    def leave(self, queue: asyncio.Queue[Event | None]) -> None:
        """Stop to listen; the last one out stops the poller."""
        self._queues.discard(queue)
        if not self._queues and self._poller is not None:
            self._poller.cancel()
            self._poller = None

    def stop(self) -> None:
        """End every stream: the server is going down and waits for open answers."""
        self._is_stopping = True
        for queue in list(self._queues):
            self._cut_off(queue)

    async def _poll(self) -> None:
        while True:
            try:
                for event in await run_in_threadpool(self._read):
                    self._position = position_of(event)
                    for queue in list(self._queues):
                        self._give(queue, event)
            except FilmlessError as error:
                log.warning("events are not read", reason=str(error))
            await asyncio.sleep(POLL_S)

    def _give(self, queue: asyncio.Queue[Event | None], event: Event) -> None:
        try:
            queue.put_nowait(event)
        except asyncio.QueueFull:
            self._cut_off(queue)

    def _cut_off(self, queue: asyncio.Queue[Event | None]) -> None:
        self._queues.discard(queue)
        while not queue.empty():
            queue.get_nowait()
        queue.put_nowait(None)

    def _read(self) -> list[Event]:
        with feed.reading(self._archive) as final:
            return final.read_after(self._position, BEHIND_MAX, without=UNHEARD)

    def _newest(self) -> Position:
        with feed.reading(self._archive) as final:
            newest = final.find_newest()
        return START if newest is None else position_of(newest)


async def stream(
    archive: Archive, principal: Principal, request: Request, broadcaster: Broadcaster, start_id: int | None
) -> AsyncIterator[bytes]:
    """Write the events that `principal` may hear of, from after `start_id` or from now on, until it goes away."""
    queue, position = await broadcaster.join()
    until = time.monotonic() + STREAM_S
    recognised_at = time.monotonic()
    try:
        yield b"retry: 2000\n\n"
        if start_id is not None:
            for line in await run_in_threadpool(_missed, archive, principal, start_id, position):
                yield line
        while time.monotonic() < until:
            event = None
            is_quiet = False
            try:
                event = await asyncio.wait_for(queue.get(), HEARTBEAT_S)
            except TimeoutError:
                is_quiet = True
            if not is_quiet and event is None:
                return
            if is_quiet or time.monotonic() - recognised_at > RECHECK_S:
                recognised_at = time.monotonic()
                again = await request.scope["filmless.recognise"]()
                if again is None or await request.is_disconnected():
                    return
                principal = again
            if event is None:
                yield b": still here\n\n"
            elif await run_in_threadpool(may_hear, archive, principal, event):
                yield encode(event)
    finally:
        broadcaster.leave(queue)


def may_hear(archive: Archive, principal: Principal, event: Event) -> bool:
    """Say whether an event concerns what `principal` may see; one that is about no study is for administrators."""
    study_instance_uid = event.study_instance_uid or (event.key if event.name == "study" else None)
    if study_instance_uid is None:
        return explain(principal, Action.ADMINISTER).allowed
    visible = visible_studies(principal)
    if visible is None:
        return True
    with archive.reading() as session:
        query = select(studies.c.id).where(studies.c.study_instance_uid == study_instance_uid, visible)
        return session.execute(query).first() is not None


def encode(event: Event) -> bytes:
    """Write one event as the browser's EventSource reads it (HTML standard 9.2)."""
    name = "".join(each for each in event.name if each.isprintable())
    data = json.dumps({"name": name, "key": event.key})
    return f"id: {event.id}\nevent: {name}\ndata: {data}\n\n".encode()


def _missed(archive: Archive, principal: Principal, start_id: int, end: Position) -> list[bytes]:
    """Write what a listener that comes back has missed, or that it was too much: then it must fetch everything anew."""
    with feed.reading(archive) as final:
        start = final.find_event(start_id)
        if start is None:
            return [_reset(end.id)] if start_id or end != START else []
        after = final.read_after(position_of(start), BEHIND_MAX + 1, without=UNHEARD)
    events = [event for event in after if position_of(event) <= end]
    if len(events) > BEHIND_MAX:
        return [_reset(end.id)]
    return [encode(event) for event in events if may_hear(archive, principal, event)]


def _reset(end_id: int) -> bytes:
    return f'id: {end_id}\nevent: reset\ndata: {{"name": "reset", "key": ""}}\n\n'.encode()
