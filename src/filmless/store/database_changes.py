"""What changes in a SQLite database while it is copied: triggers write down the key of every row, in its transaction.

So whoever reads all rows once, and then the rows whose keys were written down, has all of a living database.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Any, Final

Key = tuple[Any, ...]
Row = tuple[Any, ...]

CHANGES: Final = "database_move_changes"
_MARK: Final = "database_move_mark"
_KEYS_MAX: Final = 2
_KEYS_AT_ONCE: Final = 400
"""Keys in one statement; two values each, where SQLite of old takes 999."""


@dataclass(frozen=True, slots=True)
class CopiedTable:
    """A table of ours, as both databases have it."""

    name: str
    columns: tuple[str, ...]
    keys: tuple[str, ...]  # of the primary key, in its order

    def key_of(self, row: Row) -> Key:
        """The primary key of a row."""
        return tuple(row[self.columns.index(key)] for key in self.keys)

    @property
    def column_list(self) -> str:
        """For SQL."""
        return quoted(self.columns)

    @property
    def key_list(self) -> str:
        """For SQL."""
        return quoted(self.keys)


def quoted(names: Iterable[str]) -> str:
    """Names of columns for SQL."""
    return ", ".join(f'"{name}"' for name in names)


def _trigger(table: CopiedTable, operation: str) -> tuple[str, str]:
    """The name of a trigger, and the statement that makes it."""
    name = f"database_move_{table.name}_{operation.lower()}"
    into = f"INSERT INTO {CHANGES} (table_name, {', '.join(f'key_{n}' for n in range(len(table.keys)))})"
    old, new = (", ".join(f'{side}."{key}"' for key in table.keys) for side in ("old", "new"))
    of_old, of_new = f"{into} VALUES ('{table.name}', {old});", f"{into} VALUES ('{table.name}', {new});"
    if operation == "UPDATE":  # of a key: that is two rows
        body = f"{into} SELECT '{table.name}', {old} WHERE ({old}) IS NOT ({new}); {of_new}"
    else:
        body = of_old if operation == "DELETE" else of_new
    return name, f'CREATE TRIGGER {name} AFTER {operation} ON "{table.name}" BEGIN {body} END'


def _triggers(tables: Iterable[CopiedTable]) -> dict[str, str]:
    return dict(_trigger(table, operation) for table in tables for operation in ("INSERT", "UPDATE", "DELETE"))


def begin_writing_down(driver: sqlite3.Connection, tables: Iterable[CopiedTable], move_id: str) -> None:
    """Write down changes from the end of the caller's transaction on, for this move; what was before is forgotten."""
    stop_writing_down(driver)
    keys = ", ".join(f"key_{number}" for number in range(_KEYS_MAX))  # of no type: they keep that of their column
    driver.execute(f"CREATE TABLE {CHANGES} (id INTEGER PRIMARY KEY, table_name TEXT NOT NULL, {keys})")
    driver.execute(f"CREATE TABLE {_MARK} (move TEXT NOT NULL)")
    driver.execute(f"INSERT INTO {_MARK} VALUES (?)", (move_id,))
    for statement in _triggers(tables).values():
        driver.execute(statement)


def stop_writing_down(driver: sqlite3.Connection) -> None:
    """Take the triggers away, and what they wrote."""
    made = driver.execute("SELECT name FROM sqlite_master WHERE type = 'trigger' AND name LIKE 'database_move_%'")
    for (name,) in made.fetchall():
        driver.execute(f'DROP TRIGGER "{name}"')
    driver.execute(f"DROP TABLE IF EXISTS {CHANGES}")
    driver.execute(f"DROP TABLE IF EXISTS {_MARK}")


def writes_down(driver: sqlite3.Connection, tables: Iterable[CopiedTable], move_id: str) -> bool:
    """Whether all changes have been written down since this move began: a migration would have lost triggers."""
    made = dict(driver.execute("SELECT name, sql FROM sqlite_master WHERE name LIKE 'database_move_%'").fetchall())
    if not {CHANGES, _MARK} <= made.keys() or _triggers(tables).items() - made.items():
        return False
    return driver.execute(f"SELECT move FROM {_MARK}").fetchall() == [(move_id,)]


def newest_change(driver: sqlite3.Connection) -> int:
    """The number of the last change that is written down; 0: none."""
    return int(driver.execute(f"SELECT coalesce(max(id), 0) FROM {CHANGES}").fetchone()[0])


def changed_keys(
    driver: sqlite3.Connection, tables: dict[str, CopiedTable], after: int, upto: int
) -> dict[str, list[Key]]:
    """The keys that were written down, by table, each once."""
    found: dict[str, list[Key]] = {}
    rows = driver.execute(
        f"SELECT DISTINCT table_name, key_0, key_1 FROM {CHANGES} WHERE id > ? AND id <= ?", (after, upto)
    )
    for name, *key in rows:
        found.setdefault(name, []).append(tuple(key[: len(tables[name].keys)]))
    return found


def rows_of(driver: sqlite3.Connection, table: CopiedTable, keys: list[Key]) -> Iterator[Row]:
    """The rows that there are of these keys."""
    one = f"({', '.join('?' * len(table.keys))})"
    for start in range(0, len(keys), _KEYS_AT_ONCE):
        page = keys[start : start + _KEYS_AT_ONCE]
        wanted = f"VALUES {', '.join([one] * len(page))}"
        sql = f'SELECT {table.column_list} FROM "{table.name}" WHERE ({table.key_list}) IN ({wanted})'
        yield from driver.execute(sql, [value for key in page for value in key])


def rows_after(driver: sqlite3.Connection, table: CopiedTable, key: Key | None, limit: int) -> list[Row]:
    """Rows in the order of their keys; from the first on without a key."""
    after = "" if key is None else f"WHERE ({table.key_list}) > ({', '.join('?' * len(table.keys))})"
    sql = f'SELECT {table.column_list} FROM "{table.name}" {after} ORDER BY {table.key_list} LIMIT ?'
    return driver.execute(sql, (*(key or ()), limit)).fetchall()


def table_names(driver: sqlite3.Connection) -> set[str]:
    """Our tables: not those of the search index, nor of the move."""
    found = driver.execute("SELECT name FROM sqlite_master WHERE type = 'table'").fetchall()
    return {name for (name,) in found if not name.startswith(("sqlite_", "studies_search", "database_move_"))} - {
        "alembic_version"
    }


def last_numbers(driver: sqlite3.Connection) -> dict[str, int]:
    """The highest number that each table ever gave to a row, where numbers are not given twice."""
    return {name: int(number) for name, number in driver.execute("SELECT name, seq FROM sqlite_sequence")}
