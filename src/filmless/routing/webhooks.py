"""Webhooks: who is told of events by HTTP, as the administrator says it. `deliveries` carries them out."""

from __future__ import annotations

import asyncio
import secrets
import time
from collections.abc import Collection
from dataclasses import dataclass, fields
from typing import Any, Final, Literal

from sqlalchemy import Connection, RowMapping, delete, func, insert, select, update

from filmless.access import audit
from filmless.access.policy import Action, require
from filmless.access.principal import Principal
from filmless.archive import Archive, feed, jobs
from filmless.archive.events import NAMES, publish
from filmless.archive.problems import settle_problem
from filmless.errors import NotFound, Refused
from filmless.routing.messages import message_of_test
from filmless.routing.receivers import Outcome, Receiver, checked_url, new_signing_secret
from filmless.routing.tables import webhooks

DELIVER: Final = "deliver_webhook"
QUEUE: Final = "webhooks"
PROBLEM: Final = "webhook"

State = Literal["disabled", "fine", "failing", "parked"]


@dataclass(frozen=True, slots=True)
class Webhook:
    """One receiver and how far it has come; its secret is not here. `names` is None for every event."""

    id: int
    url: str
    description: str
    names: tuple[str, ...] | None
    is_active: bool
    cursor: str
    delivered: int
    delivered_at: float | None
    failures: int
    failing_since: float | None
    last_error: str | None
    previous_secret_until: float | None
    created_at: float
    updated_at: float


@dataclass(frozen=True, slots=True)
class Standing:
    """A webhook and how its deliveries go. `next_attempt_at` is when the one that failed is tried again."""

    webhook: Webhook
    state: State
    next_attempt_at: float | None


def list_webhooks(archive: Archive, principal: Principal) -> list[Standing]:
    """Read all webhooks, the oldest first. Raises NotAllowed."""
    require(principal, Action.ADMINISTER)
    with archive.reading() as session:
        rows = session.execute(select(*_COLUMNS).order_by(webhooks.c.id)).mappings().all()
        return [_standing(session, _webhook(row)) for row in rows]


def add_webhook(
    archive: Archive, principal: Principal, *, url: str, names: Collection[str] | None = None, description: str = ""
) -> tuple[str, Standing]:
    """Have a receiver told of what happens from now on; give its secret, shown only now.

    Raises
    ------
    NotAllowed, Refused (a field is malformed, or there are too many).
    """
    require(principal, Action.ADMINISTER)
    values = _checked(archive, url=url, names=names, description=description)
    with feed.reading(archive) as final:
        cursor = feed.cursor_of(final.find_newest())
    now, secret = time.time(), new_signing_secret()
    with archive.transaction() as session:
        if session.execute(select(func.count()).select_from(webhooks)).scalar_one() >= archive.settings.webhooks_max:
            raise Refused(f"there are {archive.settings.webhooks_max} webhooks already (setting webhooks_max)")
        key = session.execute(
            insert(webhooks)
            .values(
                **values,
                secret=secret,
                is_active=True,
                cursor=cursor,
                delivered=0,
                failures=0,
                created_at=now,
                updated_at=now,
            )
            .returning(webhooks.c.id)
        ).scalar_one()
        added = get_webhook(session, key)
        _record(session, principal, "webhook_add", added, {"after": _told(added)})
        return secret, _standing(session, added)


def update_webhook(archive: Archive, principal: Principal, webhook_id: int, **changes: Any) -> Standing:
    """Change the named fields: those of `add_webhook`, and `is_active`. One that is enabled goes on where it stopped.

    Raises
    ------
    NotAllowed, NotFound, Refused.
    """
    require(principal, Action.ADMINISTER)
    with archive.transaction() as session:
        before = get_webhook(session, webhook_id)
        told = {name: changes.get(name, getattr(before, name)) for name in ("url", "names", "description")}
        is_active = bool(changes.get("is_active", before.is_active))
        values = {**_checked(archive, **told), "is_active": is_active, "updated_at": time.time()}
        session.execute(update(webhooks).where(webhooks.c.id == webhook_id).values(values))
        jobs.withdraw(session, key_of(webhook_id))  # the next look asks for a delivery at once
        if not is_active:
            settle_problem(session, PROBLEM, str(webhook_id))
        after = get_webhook(session, webhook_id)
        _record(session, principal, "webhook_change", after, {"before": _told(before), "after": _told(after)})
        return _standing(session, after)


def rotate_secret(
    archive: Archive, principal: Principal, webhook_id: int, *, at_once: bool = False
) -> tuple[str, Standing]:
    """Give a webhook a new secret, shown only now. For `webhook_secret_overlap_s` its messages are signed with the one
    before as well, so that the receiver may change over in its own time; with `at_once` they are not.

    Raises
    ------
    NotAllowed, NotFound.
    """
    require(principal, Action.ADMINISTER)
    now, secret = time.time(), new_signing_secret()
    overlap_s = 0.0 if at_once else archive.settings.webhook_secret_overlap_s
    with archive.transaction() as session:
        get_webhook(session, webhook_id)
        values: dict[str, Any] = {"secret": secret, "updated_at": now}
        values |= {"previous_secret": None, "previous_secret_until": None}
        if overlap_s:
            values |= {"previous_secret": webhooks.c.secret, "previous_secret_until": now + overlap_s}
        session.execute(update(webhooks).where(webhooks.c.id == webhook_id).values(values))
        jobs.withdraw(session, key_of(webhook_id))  # the next one signs with it
        after = get_webhook(session, webhook_id)
        _record(session, principal, "webhook_rotate", after, {"overlap_s": overlap_s})
        return secret, _standing(session, after)


def remove_webhook(archive: Archive, principal: Principal, webhook_id: int) -> None:
    """Tell a receiver nothing more. Raises NotAllowed, NotFound."""
    require(principal, Action.ADMINISTER)
    with archive.transaction() as session:
        webhook = get_webhook(session, webhook_id)
        session.execute(delete(webhooks).where(webhooks.c.id == webhook_id))
        jobs.withdraw(session, key_of(webhook_id))
        settle_problem(session, PROBLEM, str(webhook_id))
        _record(session, principal, "webhook_remove", webhook, {"before": _told(webhook)})


def try_again(archive: Archive, principal: Principal, webhook_id: int) -> Standing:
    """Try a delivery that failed or was given up again now. Raises NotAllowed, NotFound."""
    require(principal, Action.ADMINISTER)
    with archive.transaction() as session:
        webhook = get_webhook(session, webhook_id)
        jobs.withdraw(session, key_of(webhook_id))
        _record(session, principal, "webhook_retry", webhook, None)
        return _standing(session, webhook)


def send_test(archive: Archive, principal: Principal, webhook_id: int) -> Outcome:
    """Send an event named `test`, also when it is disabled, and say how that went. Raises NotAllowed, NotFound."""
    require(principal, Action.ADMINISTER)
    with archive.reading() as session:
        webhook = get_webhook(session, webhook_id)
        secrets_now = secrets_of(session, webhook_id)

    async def send() -> Outcome:
        async with Receiver(archive.settings, webhook.url, secrets_now) as receiver:
            return await receiver.post(message_of_test(secrets.token_hex(8)))

    outcome = asyncio.run(send())
    with archive.transaction() as session:
        audit.record(
            session,
            principal,
            "webhook_test",
            outcome="success" if outcome.ok else "failed",
            object=_where(webhook),
            detail=outcome.message,
        )
    return outcome


def key_of(webhook_id: int) -> str:
    """The key of the one job that delivers for a webhook."""
    return f"{DELIVER}:{webhook_id}"


def find_webhook(session: Connection, webhook_id: int) -> Webhook | None:
    """Read a webhook, if there is one."""
    row = session.execute(select(*_COLUMNS).where(webhooks.c.id == webhook_id)).mappings().one_or_none()
    return None if row is None else _webhook(row)


def list_active(session: Connection) -> list[Webhook]:
    """Read the webhooks that are enabled."""
    query = select(*_COLUMNS).where(webhooks.c.is_active).order_by(webhooks.c.id)
    return [_webhook(row) for row in session.execute(query).mappings()]


def get_webhook(session: Connection, webhook_id: int) -> Webhook:
    """Read a webhook. Raises NotFound."""
    webhook = find_webhook(session, webhook_id)
    if webhook is None:
        raise NotFound(f"there is no webhook {webhook_id}")
    return webhook


def secrets_of(session: Connection, webhook_id: int) -> tuple[str, ...]:
    """What the messages of a webhook are signed with, the newest first; never told, logged or audited."""
    columns = webhooks.c.secret, webhooks.c.previous_secret, webhooks.c.previous_secret_until
    row = session.execute(select(*columns).where(webhooks.c.id == webhook_id)).one()
    is_in_overlap = row.previous_secret is not None and time.time() < row.previous_secret_until
    return (row.secret, row.previous_secret) if is_in_overlap else (row.secret,)


def forget_secrets(session: Connection) -> None:
    """Remove the secrets that count no more."""
    is_over = webhooks.c.previous_secret_until <= time.time()
    session.execute(update(webhooks).where(is_over).values(previous_secret=None, previous_secret_until=None))


_COLUMNS: Final = tuple(webhooks.c[field.name] for field in fields(Webhook))


def _webhook(row: RowMapping) -> Webhook:
    names = row["names"]
    return Webhook(**{**row, "names": None if names is None else tuple(names.split())})


def _standing(session: Connection, webhook: Webhook) -> Standing:
    job = jobs.find_by_key(session, key_of(webhook.id))
    if not webhook.is_active:
        return Standing(webhook, "disabled", None)
    if job is not None and job.state == "parked":
        return Standing(webhook, "parked", None)
    if webhook.failures == 0:
        return Standing(webhook, "fine", None)
    return Standing(webhook, "failing", job.run_at if job is not None and job.state == "waiting" else None)


def _checked(archive: Archive, *, url: str, names: Collection[str] | None, description: str) -> dict[str, Any]:
    strange = sorted(set(names or ()) - set(NAMES))
    if strange:
        raise Refused(f"{', '.join(strange)}: no event has this name; there are {', '.join(NAMES)}")
    if names is not None and not names:
        raise Refused("a webhook is told of at least one kind of event; leave names out for every event")
    if len(description) > 255 or not description.isprintable():
        raise Refused("a description has at most 255 printable characters")
    return {
        "url": checked_url(archive.settings, url),
        "names": None if names is None else " ".join(name for name in NAMES if name in names),
        "description": description,
    }


def _record(session: Connection, principal: Principal, action: str, webhook: Webhook, detail: Any) -> None:
    audit.record(session, principal, action, object=_where(webhook), detail=detail)
    publish(session, "webhook", str(webhook.id))


def _where(webhook: Webhook) -> str:
    return f"webhook {webhook.id} ({webhook.url.partition('?')[0]})"


def _told(webhook: Webhook) -> dict[str, Any]:
    return {
        "url": webhook.url.partition("?")[0],  # a query may hold a secret of the receiver's
        "names": webhook.names,
        "description": webhook.description,
        "is_active": webhook.is_active,
    }
