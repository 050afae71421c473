"""filmless serve and filmless demo."""

from __future__ import annotations

from enum import StrEnum
from pathlib import Path
from typing import Annotated, Any

import typer

from filmless.cli.options import Config, read_password
from filmless.config import read_settings
from filmless.errors import Refused


class Role(StrEnum):
    """Which processes to run here."""

    ALL = "all"
    WEB = "web"
    DICOM = "dicom"
    WORKER = "worker"


Http = Annotated[str | None, typer.Option(metavar="HOST:PORT", help="Address of the web server [127.0.0.1:8080].")]
Dicom = Annotated[
    str | None, typer.Option(metavar="HOST:PORT", help="Address of the DICOM listener [127.0.0.1:11112].")
]
AeTitle = Annotated[str | None, typer.Option(metavar="AE", help="Our AE title [FILMLESS].")]


def add_to(app: typer.Typer) -> None:
    """Add both commands to the command line."""
    app.command("serve")(serve)
    app.command("demo")(demo)


def serve(
    data: Annotated[Path | None, typer.Option(metavar="DIR", help="Data folder [./filmless-data].")] = None,
    http: Http = None,
    dicom: Dicom = None,
    ae_title: AeTitle = None,
    role: Annotated[
        list[Role] | None, typer.Option(help="Which processes to run here; may be given more than once [all].")
    ] = None,
    admin: Annotated[str | None, typer.Option(metavar="NAME", help="First start: make this administrator.")] = None,
    admin_password: Annotated[
        str | None, typer.Option(metavar="TEXT", help="Its password (others on this machine may see it).")
    ] = None,
    admin_password_stdin: Annotated[
        bool, typer.Option("--admin-password-stdin", help="Read its password from standard input.")
    ] = False,
    config: Config = None,
) -> None:
    """Run Filmless: web, DICOM and jobs. Ctrl+C stops it."""
    from filmless.app.serving import run

    flags: dict[str, Any] = {"data": data, "http": http, "dicom": dicom, "ae_title": ae_title}
    settings = read_settings(config, **flags)
    password = admin_password
    if admin and admin_password_stdin:
        password = read_password(admin)
    if admin and not password:
        raise Refused("--admin needs --admin-password-stdin or --admin-password")
    raise typer.Exit(
        run(settings, roles=roles_of(role or []), administrator=(admin, password) if admin and password else None)
    )


def roles_of(roles: list[Role]) -> tuple[str, ...]:
    """Return the processes that roles stand for, each once and in one order."""
    is_all = not roles or Role.ALL in roles
    return tuple(role.value for role in (Role.WEB, Role.DICOM, Role.WORKER) if is_all or role in roles)


def demo(
    data: Annotated[Path, typer.Option(metavar="DIR", help="Folder of the demo.")] = Path("filmless-demo"),
    http: Http = None,
    dicom: Dicom = None,
    ae_title: AeTitle = None,
    config: Config = None,
) -> None:
    """Run Filmless with sample studies; prints the address and a sign-in made for this run."""
    from filmless.demo.run import run_demo

    raise typer.Exit(run_demo(read_settings(config, data=data, http=http, dicom=dicom, ae_title=ae_title)))
