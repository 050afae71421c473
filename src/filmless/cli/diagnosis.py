"""filmless doctor and filmless openapi."""

from __future__ import annotations

import json

import typer

from filmless.cli.options import Config, Data
from filmless.config import read_settings


def add_to(app: typer.Typer) -> None:
    """Add the commands to the command line."""
    app.command("doctor")(doctor)
    app.command("openapi")(openapi)


def doctor(data: Data = None, config: Config = None) -> None:
    """Check settings, disk, database, ports, clock and peers, and say what to mend; exit code 1 if anything is."""
    from filmless.app.doctor import examine

    findings = list(examine(read_settings(config, data=data)))
    for finding in findings:
        mark = {"ok": "ok    ", "warning": "look  ", "problem": "MEND  "}[finding.level]
        typer.echo(f"{mark}{finding.subject}: {finding.what}")
        if finding.what_to_do:
            typer.echo(f"      -> {finding.what_to_do}")
    if any(finding.level == "problem" for finding in findings):
        raise typer.Exit(1)


def openapi() -> None:
    """Print the OpenAPI document of /api/v1."""
    from filmless.api.openapi import document

    typer.echo(json.dumps(document(), indent=2, sort_keys=True, ensure_ascii=False))
