"""filmless migrate-blobs."""

from __future__ import annotations

from typing import Annotated

import typer

from filmless.cli.files import progress_bar
from filmless.cli.options import Config, Data, existing
from filmless.config import read_settings


def add_to(app: typer.Typer) -> None:
    """Add the command to the command line."""
    app.command("migrate-blobs")(migrate_blobs)


def migrate_blobs(
    to: Annotated[
        str | None,
        typer.Option("--to", metavar="URL", help="s3://bucket/prefix, as blobs_url; not needed to go on with a move."),
    ] = None,
    at_once: Annotated[int, typer.Option(help="Blobs copied at once.", min=1, max=256)] = 8,
    remove: Annotated[
        bool, typer.Option("--remove", help="Delete each file once its copy was read back and compared.")
    ] = False,
    without_damaged: Annotated[
        bool, typer.Option("--without-damaged", help="End the move although damaged files stay behind.")
    ] = False,
    data: Data = None,
    config: Config = None,
) -> None:
    """Move the blobs from the data folder to a bucket while the server runs; run again, it goes on."""
    from filmless.store.move_blobs import move_blobs

    settings = existing(read_settings(config, data=data))
    with progress_bar("moving") as on_progress:
        result = move_blobs(
            settings, to, at_once=at_once, removes=remove, without_damaged=without_damaged, on_progress=on_progress
        )
    for kind, key in result.not_whole:
        typer.echo(f"damaged\t{kind}\t{key}")
    typer.echo(
        f"{result.copied} blobs copied and read back, {result.size_bytes} bytes, {result.removed} files removed,"
        f" {len(result.not_whole)} damaged"
    )
    if not result.is_over:
        typer.echo(
            "The move is not over: the damaged files stay in use. Restore them or have their studies sent again"
            " ('filmless verify' names them), then run this again; or end it with --without-damaged."
        )
        raise typer.Exit(1)
    typer.echo("All blobs are in the bucket, and are looked for there from now on.")
