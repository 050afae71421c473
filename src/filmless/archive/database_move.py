"""The move of the database from the data folder to a server: what says that one is under way, or that it is over.

`moving/database.json` is written once everything is in the server's database and nobody can change the old one any
more: the move is over for all processes at that instant, each goes on there with its next transaction. (ADR-0023)
"""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass
from pathlib import Path

from sqlalchemy import make_url

from filmless.archive.moving import write_for_owner
from filmless.archive.outages import as_unavailable
from filmless.config import Settings
from filmless.errors import Refused, Unavailable


@dataclass(frozen=True, slots=True)
class DatabaseMove:
    """A move of the database: a mark that lies in both databases while it lasts, and where to."""

    id: str
    url: str

    @property
    def place(self) -> str:
        """Where to, without the password."""
        return make_url(self.url).render_as_string(hide_password=True)


def begun_file(data: Path) -> Path:
    """The file that is there while a move is under way, until all is tidied up after it."""
    return data.absolute() / "moving" / "database-begun.json"


def moved_file(data: Path) -> Path:
    """The file that is there once the database is the server's."""
    return data.absolute() / "moving" / "database.json"


def old_database(data: Path) -> Path:
    """The database that was moved away, kept as the way back."""
    return data.absolute() / "filmless-before-move.db"


def read_move(path: Path) -> DatabaseMove | None:
    """The move that a file tells of; None without the file. Raises Unavailable."""
    try:
        with as_unavailable(f"{path} cannot be read"):
            read = json.loads(path.read_text())
            return DatabaseMove(str(read["id"]), str(read["url"]))
    except FileNotFoundError:
        return None
    except (ValueError, KeyError, TypeError) as error:
        raise Unavailable(f"{path} is damaged: it says where the database is; restore it from a backup") from error


def write_move(path: Path, move: DatabaseMove) -> None:
    """Write such a file durably."""
    write_for_owner(path, json.dumps(asdict(move), indent=1))


def where_database_is(settings: Settings) -> Settings:
    """The settings with the database to which that of the data folder was moved, if it was and no setting names one.

    Raises
    ------
    Refused: a database is named while the move is not over, or the one of the data folder was moved away and nothing
    says where to.
    """
    moved = read_move(moved_file(settings.data))
    if settings.database_url is not None:
        begun = read_move(begun_file(settings.data))
        if begun is not None and moved is None:
            raise Refused(
                f"the database is on its way to {begun.place}, and is still the one in {settings.data}. Take"
                " database_url out of the settings until 'filmless migrate-database' says that all is there"
            )
        return settings
    if moved is not None:
        return settings.model_copy(update={"database_url": moved.url})
    old = old_database(settings.data)
    if old.exists() and not old.with_name("filmless.db").exists():
        raise Refused(
            f"the database was moved to a server, and nothing says to which: set database_url. Or, to go back to what"
            f" it was then, rename {old} to filmless.db"
        )
    return settings
