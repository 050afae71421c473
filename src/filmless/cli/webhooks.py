"""filmless webhook ..."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Annotated

import typer

from filmless.cli.options import Config, Data, caller, open_archive
from filmless.routing import webhooks

webhook_app = typer.Typer(help="Programs that are told of events by HTTP.", no_args_is_help=True)

Id = Annotated[int, typer.Argument(metavar="ID", help="Its number, as 'filmless webhook list' prints it.")]


def add_to(app: typer.Typer) -> None:
    """Add the commands to the command line."""
    app.add_typer(webhook_app, name="webhook")


@webhook_app.command("add")
def webhook_add(
    url: Annotated[str, typer.Argument(metavar="URL", help="Where events are sent: http:// or https://.")],
    event: Annotated[
        list[str] | None,
        typer.Option(help="Tell it of this kind only (repeatable); without it of every kind.", show_default=False),
    ] = None,
    description: Annotated[str, typer.Option(help="What it is, for people.")] = "",
    data: Data = None,
    config: Config = None,
) -> None:
    """Have a receiver told of what happens from now on; prints its secret once, alone, on standard output."""
    with open_archive(data, config) as archive:
        secret, _ = webhooks.add_webhook(archive, caller(), url=url, names=event, description=description)
    typer.echo(secret)


@webhook_app.command("list")
def webhook_list(data: Data = None, config: Config = None) -> None:
    """List the webhooks, one a line: number, state, address, events, how many it took, the end of an overlap."""
    with open_archive(data, config) as archive:
        for standing in webhooks.list_webhooks(archive, caller()):
            hook = standing.webhook
            names = "all" if hook.names is None else ",".join(hook.names)
            until = hook.previous_secret_until
            overlap = "-" if until is None else f"{datetime.fromtimestamp(until, UTC):%Y-%m-%dT%H:%M:%SZ}"
            typer.echo("\t".join(map(str, (hook.id, standing.state, hook.url, names, hook.delivered, overlap))))


@webhook_app.command("rotate")
def webhook_rotate(
    webhook_id: Id,
    at_once: Annotated[
        bool, typer.Option("--at-once", help="The old secret counts no more, for it is known to others.")
    ] = False,
    data: Data = None,
    config: Config = None,
) -> None:
    """Give a webhook a new secret; prints it once, alone. Messages carry both signatures for a time."""
    with open_archive(data, config) as archive:
        secret, _ = webhooks.rotate_secret(archive, caller(), webhook_id, at_once=at_once)
    typer.echo(secret)


@webhook_app.command("remove")
def webhook_remove(webhook_id: Id, data: Data = None, config: Config = None) -> None:
    """Tell a receiver nothing more."""
    with open_archive(data, config) as archive:
        webhooks.remove_webhook(archive, caller(), webhook_id)
    typer.echo(f"removed webhook {webhook_id}")
