"""Bodies about webhooks."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated, Literal

from pydantic import Field

from filmless.api.models.base import Answer, Request

Url = Annotated[str, Field(min_length=1, max_length=2048)]
EventNames = Annotated[list[Annotated[str, Field(max_length=64)]], Field(min_length=1, max_length=100)]
Description = Annotated[str, Field(max_length=255)]


class Webhook(Answer):
    """A receiver of events and how its deliveries go. `names` is null when it is told of every event."""

    id: int
    url: str
    description: str
    names: list[str] | None
    is_active: bool
    state: Literal["disabled", "fine", "failing", "parked"] = Field(
        description="`parked`: given up after `webhook_retry_s`; it waits for somebody to try again."
    )
    delivered: int = Field(description="Events that it took.")
    delivered_at: datetime | None
    failures: int = Field(description="Failed attempts since the last delivery.")
    failing_since: datetime | None
    last_error: str | None = Field(description="How the last failed attempt went, in words.")
    next_attempt_at: datetime | None
    previous_secret_until: datetime | None = Field(
        description="Until then messages are signed with the secret before the present one too."
    )
    created_at: datetime
    updated_at: datetime


class EventKind(Answer):
    """A kind of event that can be chosen."""

    name: str
    description: str


class Webhooks(Answer):
    """All webhooks, and what they can be told of."""

    items: list[Webhook]
    event_kinds: list[EventKind]


class NewWebhook(Request):
    """A webhook to be. Without `names` it is told of every event, also of kinds that later versions add."""

    url: Url
    names: EventNames | None = None
    description: Description = ""


class CreatedWebhook(Answer):
    """A webhook and its new secret, which is never shown again."""

    webhook: Webhook
    secret: str


class WebhookChange(Request):
    """What to change of a webhook; what is left out stays. `names` may be set to null: every event."""

    url: Url | None = None
    names: EventNames | None = None
    description: Description | None = None
    is_active: bool | None = None


class SecretRotation(Request):
    """How to change a secret: `at_once` when the one before is known to somebody who should not know it."""

    at_once: bool = False


class DeliveryOutcome(Answer):
    """How a test event went, in a sentence."""

    ok: bool
    message: str
