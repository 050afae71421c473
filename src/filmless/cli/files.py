"""filmless import, verify and reindex."""

from __future__ import annotations

import os
import sys
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Annotated

import typer

from filmless.cli.options import Config, Data, caller, existing, open_archive
from filmless.config import read_settings
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
    from filmless.store.importing import import_paths

    missing = [str(path) for path in paths if not path.exists()]
    if missing:
        raise NotFound(f"there is no {', '.join(missing)}")
    outcomes: Counter[str] = Counter()
    with open_archive(data, config, is_new=True) as archive, progress_bar("importing") as on_progress:
        total = sum(count_files(path) for path in paths)
        for result in import_paths(archive, caller(), paths):
            outcomes[result.outcome] += 1
            on_progress(sum(outcomes.values()), total)
            if result.outcome == "refused":
                typer.echo(f"refused\t{result.name}\t{result.reason}")
    parts = [f"{outcomes[name]} {name}" for name in ("stored", "duplicate", "refused", "skipped")]
    typer.echo(", ".join(parts))
    if outcomes["refused"]:
        raise typer.Exit(1)


def verify_blobs(data: Data = None, config: Config = None) -> None:
    """Read every blob again and compare digests; exit code 1 when one is damaged or missing."""
    from filmless.store.verify import verify

    with open_archive(data, config) as archive, progress_bar("verifying") as on_progress:
        result = verify(archive, on_progress=on_progress)
    for finding in result.findings:
        typer.echo(f"{finding.kind}\tstudy {finding.study_instance_uid}\t{finding.sop_instance_uid}\t{finding.blob}")
    typer.echo(f"{result.checked} instances read, {result.size_bytes} bytes good, {len(result.findings)} not good")
    if result.findings:
        raise typer.Exit(1)


def reindex_blobs(data: Data = None, config: Config = None) -> None:
    """Rebuild the whole index from the blobs alone; stop the server first."""
    # Only tables that are known here are carried over from the old index.
    import filmless.reading.tables
    import filmless.routing.tables
    import filmless.worklist.tables  # noqa: F401
    from filmless.store.reindex import reindex

    settings = existing(read_settings(config, data=data))
    with progress_bar("reindexing") as on_progress:
        result = reindex(settings, on_progress=on_progress)
    for blob, reason in result.refused:
        typer.echo(f"left out\t{blob}\t{reason}")
    for line in (*result.not_carried_over, *result.differences):
        typer.echo(line)
    typer.echo(f"{result.instances} instances indexed, {len(result.differences)} differences from the old index")


def count_files(path: Path) -> int:
    """How many files are at or below a path; a ZIP counts as one."""
    return sum(len(names) for _, _, names in os.walk(path)) if path.is_dir() else 1


@contextmanager
def progress_bar(what: str) -> Iterator[Callable[[int, int], None]]:
    """Show on a terminal how many of how many are done."""
    with progress_by_name() as update:
        yield lambda done, total: update(what, done, total)


@contextmanager
def progress_by_name() -> Iterator[Callable[[str, int, int], None]]:
    """Show on a terminal what is being done, and how many of how many are done; a line for each."""
    from rich.console import Console
    from rich.progress import BarColumn, MofNCompleteColumn, Progress, TaskID, TextColumn, TimeRemainingColumn

    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn())
    tasks: dict[str, TaskID] = {}
    with Progress(*columns, console=Console(stderr=True), disable=not sys.stderr.isatty()) as progress:

        def update(what: str, done: int, total: int) -> None:
            if what not in tasks:
                tasks[what] = progress.add_task(what, total=None)
            progress.update(tasks[what], completed=done, total=total)

        yield update
