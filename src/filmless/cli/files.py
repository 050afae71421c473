"""filmless import, verify and reindex."""

from __future__ import annotations

import sys
from collections import Counter
from pathlib import Path
from typing import Annotated

import typer

from filmless.cli.options import Config, Data, caller, open_archive
from filmless.errors import NotFound


def add_to(app: typer.Typer) -> None:
    """Add the commands to the command line."""
    app.command("import")(import_files)
    app.command("verify")(verify_blobs)
    app.command("reindex")(reindex_blobs)


def import_files(
    paths: Annotated[
        list[Path], typer.Argument(metavar="PATH...", help="Files, folders, ZIP archives, DICOMDIR media.")
    ],
    data: Data = None,
    config: Config = None,
) -> None:
    """Take in files; prints a line for each one refused. Exit code 1 when any was."""
    from rich.console import Console
    from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

    from filmless.store.importing import count_files, import_paths

    missing = [str(path) for path in paths if not path.exists()]
    if missing:
        raise NotFound(f"there is no {', '.join(missing)}")
    outcomes: Counter[str] = Counter()
    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn())
    with (
        open_archive(data, config, is_new=True) as archive,
        Progress(*columns, console=Console(stderr=True), disable=not sys.stderr.isatty()) as progress,
    ):
        task = progress.add_task("importing", total=count_files(paths))
        for result in import_paths(archive, caller(), paths):
            outcomes[result.outcome] += 1
            progress.advance(task)
            if result.outcome == "refused":
                typer.echo(f"refused\t{result.name}\t{result.reason}")
    parts = [f"{outcomes[name]} {name}" for name in ("stored", "duplicate", "refused", "skipped")]
    typer.echo(", ".join(parts))
    if outcomes["refused"]:
        raise typer.Exit(1)


def verify_blobs(data: Data = None, config: Config = None) -> None:
    """Read every blob again and compare digests; exit code 1 when one is damaged."""
    from filmless.store.verify import verify

    with open_archive(data, config) as archive:
        raise typer.Exit(1 if verify(archive) else 0)


def reindex_blobs(data: Data = None, config: Config = None) -> None:
    """Rebuild the whole index from the blobs alone; stop the server first."""
    from filmless.store.reindex import reindex

    with open_archive(data, config) as archive:
        reindex(archive)
