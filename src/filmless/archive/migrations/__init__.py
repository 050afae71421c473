"""The tables of each version, forward and back, on SQLite and PostgreSQL. Written by hand, numbered in one line.

Alembic is loaded only when there is something to migrate: reading one row says so.
"""

from __future__ import annotations

import fcntl
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from sqlalchemy import Connection, Engine, inspect, text

from filmless.errors import Refused

_LOCK = 0x46494C4D  # the advisory lock of PostgreSQL that migrations hold


def newest_revision() -> str:
    """The revision that this version of Filmless works with."""
    return max(path.stem for path in (Path(__file__).parent / "versions").glob("[0-9]*.py"))


def current_revision(session: Connection) -> str | None:
    """The revision of the database; None when it is empty."""
    if not inspect(session).has_table("alembic_version"):
        return None
    revision: str | None = session.execute(text("SELECT version_num FROM alembic_version")).scalar_one_or_none()
    return revision


def migrate(engine: Engine, revision: str = "head") -> None:
    """Bring the database to a revision, in one transaction.

    Raises
    ------
    Refused: the database was made by a newer Filmless.
    """
    target = newest_revision() if revision == "head" else revision
    with engine.connect() as session:
        if current_revision(session) == target:
            return
    with _alone(engine):
        with engine.connect() as session:
            current = current_revision(session)
        if current == target:  # another process did it
            return
        if current is not None and current > newest_revision():
            raise Refused(
                f"the database is at {current}, newer than this Filmless ({newest_revision()}): update Filmless"
            )
        _run(engine, current or "", target)


def _run(engine: Engine, current: str, target: str) -> None:
    from alembic import command
    from alembic.config import Config

    config = Config()
    config.set_main_option("script_location", str(Path(__file__).parent).replace("%", "%%"))
    with engine.connect() as session:
        is_sqlite = session.dialect.name == "sqlite"
        if is_sqlite:
            # Batch mode rebuilds tables: their references must not be followed meanwhile.
            session.exec_driver_sql("PRAGMA foreign_keys = OFF")
            session.exec_driver_sql("PRAGMA busy_timeout = 30000")
            session.exec_driver_sql("BEGIN IMMEDIATE")
        else:
            session.exec_driver_sql(f"SELECT pg_advisory_xact_lock({_LOCK})")
        config.attributes["session"] = session
        try:
            if target == "base" or target < current:
                command.downgrade(config, target)
            else:
                command.upgrade(config, target)
        except BaseException:
            if is_sqlite:
                session.exec_driver_sql("ROLLBACK")
            raise
        if is_sqlite:
            session.exec_driver_sql("COMMIT")
            session.exec_driver_sql("PRAGMA busy_timeout = 0")
            session.exec_driver_sql("PRAGMA foreign_keys = ON")
        else:
            session.commit()


@contextmanager
def _alone(engine: Engine) -> Iterator[None]:
    """Hold off the other processes of this machine while migrating; those of PostgreSQL wait for its own lock."""
    if engine.dialect.name != "sqlite":
        yield
        return
    with Path(f"{engine.url.database}.migrating").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield
