"""Webhooks: programs that are told of events by HTTP. For administrators."""

from __future__ import annotations

from dataclasses import asdict
from typing import Annotated

from fastapi import APIRouter, Path

from filmless.api.callers import Administrator, Here
from filmless.api.errors import responses
from filmless.api.models import webhooks as models
from filmless.api.models.base import Id
from filmless.archive.events import NAMES
from filmless.routing import webhooks
from filmless.routing.webhooks import Standing

router = APIRouter(tags=["webhooks"])

WebhookId = Annotated[Id, Path(alias="webhookId")]


@router.get("/webhooks")
def list_webhooks(archive: Here, principal: Administrator) -> models.Webhooks:
    """List the webhooks and how their deliveries go, and the kinds of events."""
    return models.Webhooks(
        items=[_model(standing) for standing in webhooks.list_webhooks(archive, principal)],
        event_kinds=[models.EventKind(name=name, description=text) for name, text in NAMES.items()],
    )


@router.post("/webhooks", status_code=201)
def add_webhook(archive: Here, principal: Administrator, body: models.NewWebhook) -> models.CreatedWebhook:
    """Have a receiver told of what happens from now on. The secret that signs it is in this answer only."""
    secret, standing = webhooks.add_webhook(archive, principal, **body.model_dump())
    return models.CreatedWebhook(webhook=_model(standing), secret=secret)


@router.patch("/webhooks/{webhookId}", responses=responses(404))
def change_webhook(
    archive: Here, principal: Administrator, webhook_id: WebhookId, body: models.WebhookChange
) -> models.Webhook:
    """Change, disable or enable a webhook. One that is enabled goes on where it stopped."""
    named = body.model_dump(exclude_unset=True)
    changes = {field: value for field, value in named.items() if value is not None or field == "names"}
    return _model(webhooks.update_webhook(archive, principal, webhook_id, **changes))


@router.delete("/webhooks/{webhookId}", status_code=204, responses=responses(404))
def remove_webhook(archive: Here, principal: Administrator, webhook_id: WebhookId) -> None:
    """Tell a receiver nothing more."""
    webhooks.remove_webhook(archive, principal, webhook_id)


@router.post("/webhooks/{webhookId}/rotate", responses=responses(404))
def rotate_webhook_secret(
    archive: Here, principal: Administrator, webhook_id: WebhookId, body: models.SecretRotation
) -> models.CreatedWebhook:
    """Give a webhook a new secret, in this answer only. For a time both sign its messages, or not with `atOnce`."""
    secret, standing = webhooks.rotate_secret(archive, principal, webhook_id, at_once=body.at_once)
    return models.CreatedWebhook(webhook=_model(standing), secret=secret)


@router.post("/webhooks/{webhookId}/test", responses=responses(404))
def test_webhook(archive: Here, principal: Administrator, webhook_id: WebhookId) -> models.DeliveryOutcome:
    """Send an event named `test` and say how it went."""
    return models.DeliveryOutcome.model_validate(webhooks.send_test(archive, principal, webhook_id))


@router.post("/webhooks/{webhookId}/retry", responses=responses(404))
def retry_webhook(archive: Here, principal: Administrator, webhook_id: WebhookId) -> models.Webhook:
    """Try a delivery that failed or was given up again now."""
    return _model(webhooks.try_again(archive, principal, webhook_id))


def _model(standing: Standing) -> models.Webhook:
    told = {"state": standing.state, "next_attempt_at": standing.next_attempt_at}
    return models.Webhook.model_validate(asdict(standing.webhook) | told)
