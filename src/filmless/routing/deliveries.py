"""Deliveries to webhooks: a watch that asks for them, and the job that follows the change feed for one receiver.

The cursor in the row of a webhook moves only over what its receiver took, so none is missed and some may come twice.
Each webhook has one job at a time, in a lane with as many threads as there may be webhooks: a slow receiver holds up
nobody else. While a job waits to be tried again, or is parked, the watch leaves it alone.
"""

from __future__ import annotations

import asyncio
import threading
import time
from dataclasses import replace
from typing import Any, Final

import structlog
from sqlalchemy import ColumnElement, select, update

from filmless.archive import Archive, feed, jobs
from filmless.archive.events import publish
from filmless.archive.feed import Position, cursor_of, position_of
from filmless.archive.jobs import JobContext
from filmless.archive.problems import raise_problem, settle_problem
from filmless.archive.sentences import say
from filmless.archive.tables import jobs as job_table
from filmless.errors import FilmlessError, Gone, Unavailable
from filmless.routing.messages import message_of, message_of_lost
from filmless.routing.receivers import Message, Outcome, Receiver
from filmless.routing.tables import webhooks
from filmless.routing.webhooks import (
    DELIVER,
    PROBLEM,
    QUEUE,
    Webhook,
    find_webhook,
    forget_secrets,
    key_of,
    list_active,
    secrets_of,
)

logger = structlog.get_logger()

LOOK_S: Final = 1.0
PAGE: Final = 100
SLICE_S: Final = 60.0
"""A job delivers for so long; what is left is the next one's."""

NOTED_S: Final = 1.0
"""How far a webhook has come is written so often at most: so much may come twice after a crash."""

MOVED_S: Final = 3600.0
"""The cursor of a webhook that nothing concerns is moved on when it is so old, before its event is forgotten."""

PROBLEM_S: Final = 900.0
"""A receiver that fails for so long is a problem for the administrator."""

_IS_IN_HAND: Final = job_table.c.state.in_(("waiting", "running", "parked"))


def watch(archive: Archive, stop: threading.Event) -> None:
    """Ask for deliveries until `stop` is set."""
    lookout = Lookout(archive)
    while not stop.wait(LOOK_S):
        try:
            lookout.look()
        except FilmlessError as error:
            logger.warning("webhooks_wait", reason=str(error))
        except Exception:
            logger.exception("webhooks_failed")


class Lookout:
    """Looks which webhooks have something to be delivered. Remembers up to where nothing was."""

    def __init__(self, archive: Archive) -> None:
        self._archive = archive
        self._nothing_until: dict[int, tuple[str, float, Position]] = {}

    def look(self) -> None:
        """Ask for a job for each webhook that has something to be delivered and no job."""
        with self._archive.reading() as session:
            found = list_active(session)
            keys = [key_of(hook.id) for hook in found]
            having = set(session.scalars(select(job_table.c.key).where(job_table.c.key.in_(keys), _IS_IN_HAND)))
        if any(hook.previous_secret_until is not None and hook.previous_secret_until <= time.time() for hook in found):
            with self._archive.transaction() as session:
                forget_secrets(session)
        idle = [hook for hook in found if key_of(hook.id) not in having]
        if not idle:
            return
        due: list[Webhook] = []
        moved: list[Webhook] = []
        with feed.reading(self._archive) as final:
            newest = final.find_newest()
            for hook in idle:
                if self._has_something(final, hook):
                    due.append(hook)
                elif newest is not None:
                    self._nothing_until[hook.id] = hook.cursor, hook.updated_at, position_of(newest)
                    if cursor_of(newest) != hook.cursor and feed.age_s(hook.cursor) >= MOVED_S:
                        moved.append(hook)
        if due or moved:
            with self._archive.transaction() as session:
                for hook in due:
                    jobs.enqueue(session, DELIVER, {"webhook_id": hook.id}, queue=QUEUE, key=key_of(hook.id))
                for hook in moved:
                    session.execute(update(webhooks).where(*_as_read(hook)).values(cursor=cursor_of(newest)))

    def _has_something(self, final: feed.Feed, hook: Webhook) -> bool:
        cursor, updated_at, position = self._nothing_until.get(hook.id, ("", 0.0, feed.START))
        if (cursor, updated_at) != (hook.cursor, hook.updated_at):
            try:
                position = final.read_cursor(hook.cursor, self._archive.settings.event_keep_s)
            except Gone:
                return True  # its receiver must be told
        return bool(final.read_after(position, 1, names=hook.names))


def deliver_webhook(archive: Archive, args: dict[str, Any], job: JobContext) -> None:
    """The job that sends a receiver what it was not sent yet, in order. Raises Unavailable when it does not take it."""
    with archive.reading() as session:
        hook = find_webhook(session, int(args["webhook_id"]))
        secrets = () if hook is None else secrets_of(session, hook.id)
    if hook is not None and hook.is_active:
        asyncio.run(_deliver(archive, hook, secrets, job))


async def _deliver(archive: Archive, hook: Webhook, secrets: tuple[str, ...], job: JobContext) -> None:
    until = time.monotonic() + SLICE_S
    account = _Account(archive, hook)
    async with Receiver(archive.settings, hook.url, secrets) as receiver:
        try:
            while messages := _read_next(archive, account.cursor, hook.names):
                for cursor, message in messages:
                    job.check()
                    if job.is_stopping or time.monotonic() >= until or not account.is_wanted:
                        return
                    outcome = await receiver.post(message)
                    if not outcome.ok:
                        account.note_failure(outcome)
                        if account.delivered:
                            return  # it came further than last time: that wait begins anew
                        raise Unavailable(outcome.message, retry_after_s=outcome.retry_after_s)
                    account.note(cursor)
        finally:
            account.write()


def _read_next(archive: Archive, cursor: str, names: tuple[str, ...] | None) -> list[tuple[str, Message]]:
    """The next messages after a cursor, each with the cursor after it."""
    with feed.reading(archive) as final:
        try:
            position = final.read_cursor(cursor, archive.settings.event_keep_s)
        except Gone:
            logger.error("webhook_events_lost", cursor=cursor)
            return [(cursor_of(None), message_of_lost(cursor))]
        return [(cursor_of(event), message_of(event)) for event in final.read_after(position, PAGE, names=names)]


class _Account:
    """How far one run of the job has come, and how it went: written now and then, and at the end."""

    def __init__(self, archive: Archive, hook: Webhook) -> None:
        self._archive = archive
        self._hook = hook
        self._written = hook.cursor
        self._written_at = time.monotonic()
        self._new = 0
        self.cursor = hook.cursor
        self.delivered = 0
        self.is_wanted = True

    def note(self, cursor: str) -> None:
        """A message was taken."""
        self.cursor = cursor
        self._new += 1
        self.delivered += 1
        if self._hook.failures or time.monotonic() - self._written_at >= NOTED_S:
            self.write()

    def write(self) -> None:
        """Write how far it is. If the webhook was changed meanwhile, its deliveries are no longer this job's."""
        if not self._new:
            return
        now = time.time()
        values: dict[str, Any] = {
            "cursor": self.cursor,
            "delivered": webhooks.c.delivered + self._new,
            "delivered_at": now,
            "failures": 0,
            "failing_since": None,
        }
        here = webhooks.c.id == self._hook.id, webhooks.c.cursor == self._written
        with self._archive.transaction() as session:
            is_ours = session.execute(update(webhooks).where(*here).values(values)).rowcount > 0
            current = find_webhook(session, self._hook.id)
            self.is_wanted = is_ours and current is not None and current.updated_at == self._hook.updated_at
            if self._hook.failures:
                settle_problem(session, PROBLEM, str(self._hook.id))
                publish(session, "webhook", str(self._hook.id))
        self._hook = replace(self._hook, failures=0, failing_since=None)
        self._written, self._written_at, self._new = self.cursor, time.monotonic(), 0

    def note_failure(self, outcome: Outcome) -> None:
        """A message was not taken: say so where the administrator looks."""
        self.write()
        now = time.time()
        since = self._hook.failing_since or now
        values = {"failures": webhooks.c.failures + 1, "failing_since": since, "last_error": outcome.message}
        with self._archive.transaction() as session:
            session.execute(update(webhooks).where(webhooks.c.id == self._hook.id).values(values))
            if self._hook.failing_since is None:
                publish(session, "webhook", str(self._hook.id))
            if now - since >= PROBLEM_S and find_webhook(session, self._hook.id) is not None:
                raise_problem(
                    session,
                    PROBLEM,
                    str(self._hook.id),
                    say("webhook_failed", number=self._hook.id, error=outcome.message),
                    say("webhook_failed_do"),
                )


def _as_read(hook: Webhook) -> tuple[ColumnElement[bool], ...]:
    """The row of a webhook, if nobody changed it since it was read."""
    same = webhooks.c.cursor == hook.cursor, webhooks.c.updated_at == hook.updated_at
    return (webhooks.c.id == hook.id, *same)
