"""filmless migrate-blobs and migrate-database."""

from __future__ import annotations

import time
from typing import Annotated

import typer

from filmless.cli.files import progress_bar, progress_by_name
from filmless.cli.options import Config, Data, existing
from filmless.config import read_settings


def add_to(app: typer.Typer) -> None:
    """Add both commands to the command line."""
    app.command("migrate-blobs")(migrate_blobs)
    app.command("migrate-database")(migrate_database)


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


def migrate_database(
    to: Annotated[
        str | None,
        typer.Option(
            "--to",
            envvar="FILMLESS_MIGRATE_TO",
            metavar="URL",
            help="postgresql://user:password@host/database; not needed to go on with a move.",
        ),
    ] = None,
    give_up: Annotated[
        bool, typer.Option("--give-up", help="End a move that was begun and is not over; SQLite stays the database.")
    ] = False,
    data: Data = None,
    config: Config = None,
) -> None:
    """Move the database from SQLite to PostgreSQL while the server runs; run again, it goes on."""
    from filmless.store import move_database

    settings = existing(read_settings(config, data=data))
    if give_up:
        given_up = move_database.give_up(settings)
        typer.echo(f"The move was given up. What was brought to {given_up.place} is still there: drop that database.")
        return
    began = time.monotonic()
    with progress_by_name() as on_progress:
        result = move_database.move_database(settings, to, on_progress=on_progress)
    if result.pause_s:
        typer.echo(
            f"{result.copied} rows copied in {result.copying_s:.1f} s, {result.caught_up} changed meanwhile and were"
            f" copied again, {result.compared} compared; {time.monotonic() - began:.1f} s in all"
        )
        typer.echo(f"Writers were held for {result.pause_s:.2f} s.")
    typer.echo(f"The database is {result.place}; all processes use it from now on, and so does every start.")
    if not result.old_file:
        typer.echo("A process still holds the old database: run this again, and it is put away.")
        raise typer.Exit(1)
    typer.echo(f"The old one, as it was then, is {result.old_file}.")
