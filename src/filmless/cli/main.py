"""The commands of `filmless` and what they have in common."""

from __future__ import annotations

import sys
from typing import Annotated

import typer

from filmless import __version__
from filmless.cli import diagnosis, files, moving, network, people, serving, webhooks
from filmless.errors import FilmlessError

app = typer.Typer(
    name="filmless",
    help="Filmless, the open PACS.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
)


def show_version(wanted: bool) -> None:
    """Print the version and stop."""
    if wanted:
        typer.echo(f"Filmless {__version__}")
        raise typer.Exit


@app.callback()
def common(
    version: Annotated[
        bool, typer.Option("--version", callback=show_version, is_eager=True, help="Print the version.")
    ] = False,
) -> None:
    """Filmless, the open PACS: receives, keeps, finds and shows medical images."""


serving.add_to(app)
files.add_to(app)
moving.add_to(app)
people.add_to(app)
network.add_to(app)
webhooks.add_to(app)
diagnosis.add_to(app)


def main() -> None:
    """Run a command; a foreseen failure is one line on standard error and exit code 1."""
    try:
        app()
    except FilmlessError as error:
        sys.stderr.write(f"filmless: {error}\n")
        sys.exit(1)
