"""filmless user ... and filmless token ..."""

from __future__ import annotations

from typing import Annotated

import typer

from filmless.access import people, tokens
from filmless.cli.options import Config, Data, caller, open_archive, read_password
from filmless.errors import NotFound, Refused

users = typer.Typer(help="People who may sign in.", no_args_is_help=True)
tokens_app = typer.Typer(help="API tokens.", no_args_is_help=True)


def add_to(app: typer.Typer) -> None:
    """Add both groups to the command line."""
    app.add_typer(users, name="user")
    app.add_typer(tokens_app, name="token")


@users.command("add")
def user_add(
    name: Annotated[str, typer.Argument(help="Name to sign in with.")],
    role: Annotated[str, typer.Option(help="administrator, radiologist, technologist or clinician.")],
    password_stdin: Annotated[
        bool, typer.Option("--password-stdin", help="Read the password from standard input.")
    ] = False,
    display_name: Annotated[str, typer.Option(help="Name as others see it.")] = "",
    data: Data = None,
    config: Config = None,
) -> None:
    """Add a person. A running server lets them in at once."""
    if not password_stdin:
        raise Refused("say --password-stdin and send the password on standard input: arguments are visible to others")
    password = read_password(name)
    with open_archive(data, config, is_new=True) as archive:
        person = people.add_person(
            archive, caller(), name=name, role=role, password=password, display_name=display_name
        )
    typer.echo(f"added {person.name} as {person.role}")


@users.command("list")
def user_list(data: Data = None, config: Config = None) -> None:
    """List the people, one a line: name, role, whether active."""
    with open_archive(data, config) as archive:
        for person in people.list_people(archive):
            typer.echo(f"{person.name}\t{person.role}\t{'active' if person.is_active else 'inactive'}")


@tokens_app.command("add")
def token_add(
    user: Annotated[str, typer.Option(help="Name of the person the token acts for.")],
    name: Annotated[str, typer.Option(help="What the token is for.")] = "command line",
    expires: Annotated[int | None, typer.Option(metavar="DAYS", help="Days until it expires.")] = None,
    right: Annotated[
        list[str] | None, typer.Option(help="Give only this right of the person's (repeatable).", show_default=False)
    ] = None,
    data: Data = None,
    config: Config = None,
) -> None:
    """Make an API token; prints it once, alone, on standard output."""
    with open_archive(data, config) as archive:
        person = people.find_person(archive, user)
        if person is None:
            raise NotFound(f"there is no user {user!r}; 'filmless user list' shows who there is")
        secret, _ = tokens.add_token(archive, caller(), person.id, name=name, expires_days=expires, rights=right)
    typer.echo(secret)
