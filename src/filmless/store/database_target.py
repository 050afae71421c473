"""The PostgreSQL database that another one is moved to: what it must be, how rows come into it and are read back.

While it is filled it has no index but those of primary keys and no constraint between rows: rows come in any order, and
an index is built faster than it grows. What it lacks, and how far it is, lies in a table of its own, so that a position
is committed with the rows that it tells of.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from contextlib import closing, contextmanager
from typing import Any, Final

import psycopg
from sqlalchemy import NullPool, create_engine, make_url

from filmless.archive.archive import FILLING_TABLE
from filmless.archive.database import Database, outage_of
from filmless.archive.impatience import ImpatientConnection
from filmless.archive.migrations import newest_revision
from filmless.config import Settings
from filmless.errors import Damaged, FilmlessError, Refused, Unavailable
from filmless.store.database_changes import CopiedTable, Key, Row, quoted

SERVER_VERSION_MIN: Final = 16
_KEYS_AT_ONCE: Final = 5000
_OURS: Final = """
    FROM pg_class c WHERE c.relnamespace = current_schema()::regnamespace AND c.relkind IN ('r', 'p')
    AND NOT EXISTS (SELECT FROM pg_depend d WHERE d.objid = c.oid AND d.deptype = 'e')"""


class Target:
    """One connection to it. Every method but `connect` is within a transaction, the caller's or one of its own."""

    def __init__(self, driver: ImpatientConnection) -> None:
        self.driver = driver

    @classmethod
    @contextmanager
    def connect(cls, url: str) -> Iterator[Target]:
        """Connect; failures are ours within the block.

        Raises
        ------
        Unavailable: nobody answers there, or no longer. Refused: it is too old, or keeps texts in another encoding.
        """
        engine = create_engine(url, poolclass=NullPool)
        args, options = engine.dialect.create_connect_args(make_url(url))
        options.update(connect_timeout=10, autocommit=True)
        with in_our_words(url), closing(ImpatientConnection.connect(*args, **options)) as driver:
            version = driver.info.server_version // 10000
            if version < SERVER_VERSION_MIN:
                raise Refused(f"{_place(url)} is PostgreSQL {version}: it must be {SERVER_VERSION_MIN} or newer")
            if (encoding := driver.info.parameter_status("server_encoding")) != "UTF8":
                raise Refused(f"{_place(url)} keeps texts as {encoding}: make one with ENCODING 'UTF8'")
            driver.execute("SET synchronous_commit = on")
            driver.execute("SET maintenance_work_mem = '256MB'")
            yield cls(driver)

    def _all(self, sql: str, values: Sequence[Any] = ()) -> list[Any]:
        return self.driver.execute(sql, values).fetchall()

    # What it is

    def is_being_filled(self) -> bool:
        """Whether a move was begun that is not over."""
        return FILLING_TABLE in self._names()

    def _names(self) -> set[str]:
        return {name for (name,) in self._all(f"SELECT c.relname::text {_OURS}")}

    def require_fit(self, move_id: str, ours: set[str]) -> None:
        """Make sure that nothing is in it, or what this move brought.

        Tables of ours without a row are nothing: we may have been killed when we had made them.

        Raises
        ------
        Refused: something else is in it, or it is of another version.
        """
        names, place = self._names(), self.driver.info.dbname
        if FILLING_TABLE in names:
            if self.read("move") != move_id:
                raise Refused(
                    f"another move to the database {place} was begun and given up, or is under way from another data"
                    " folder: name an empty database"
                )
            if self.read("revision") != newest_revision():
                raise Refused(
                    f"Filmless was updated since the move began, from {self.read('revision')} to {newest_revision()}:"
                    " end it with --give-up, make the database anew, and begin again"
                )
        else:
            filled = {name for name in names if self._all(f'SELECT FROM "{name}" LIMIT 1')}
            if (names - ours) | filled <= {"alembic_version"} and self._revision(filled) in (None, newest_revision()):
                return
            raise Refused(f"the database {place} is not empty ({', '.join(sorted(names)[:3])} ...): name an empty one")

    def prepare(self, settings: Settings, move_id: str) -> None:
        """Make an empty database ready to be filled by a move; one that is, is left as it is."""
        if self.is_being_filled():
            return
        self._migrate(settings)
        with self.driver.transaction():
            self.driver.execute(f"CREATE TABLE {FILLING_TABLE} (name text PRIMARY KEY, value text NOT NULL)")
            self.write("move", move_id)
            self.write("revision", newest_revision())
            self.write("definitions", self._definitions())
            self.strip()

    def _revision(self, filled: set[str]) -> str | None:
        if "alembic_version" not in filled:
            return None
        return str(self._all("SELECT version_num FROM alembic_version")[0][0])

    def _migrate(self, settings: Settings) -> None:
        try:
            with closing(Database(settings)) as database:
                database.migrate()
        except FilmlessError:
            raise
        except Exception as error:
            raise Refused(
                f"the tables cannot be made in {self.driver.info.dbname}: {str(error).splitlines()[0]}. Its user must"
                " be allowed to make tables and the extension pg_trgm"
            ) from error

    def read(self, name: str) -> Any:
        """Something that is known of the move; None when it is not."""
        found = self._all(f"SELECT value FROM {FILLING_TABLE} WHERE name = %s", (name,))
        return json.loads(found[0][0]) if found else None

    def write(self, name: str, value: Any) -> None:
        """Note something of the move."""
        self.driver.execute(
            f"INSERT INTO {FILLING_TABLE} VALUES (%s, %s) ON CONFLICT (name) DO UPDATE SET value = excluded.value",
            (name, json.dumps(value)),
        )

    def tables(self) -> list[CopiedTable]:
        """Our tables, by name."""
        found = self._all(f"""
            SELECT c.relname::text,
                ARRAY(SELECT attname::text FROM pg_attribute a
                    WHERE a.attrelid = c.oid AND attnum > 0 AND NOT attisdropped ORDER BY attnum),
                ARRAY(SELECT a.attname::text FROM pg_index i CROSS JOIN unnest(i.indkey)
                    WITH ORDINALITY k (number, place) JOIN pg_attribute a ON a.attrelid = c.oid AND a.attnum = k.number
                    WHERE i.indrelid = c.oid AND i.indisprimary ORDER BY k.place)
            {_OURS} AND c.relname NOT IN ('alembic_version', '{FILLING_TABLE}') ORDER BY 1""")
        return [CopiedTable(name, tuple(columns), tuple(keys)) for name, columns, keys in found]

    # Indexes and constraints

    def _definitions(self) -> list[list[str]]:
        """What is taken away meanwhile, as kind, name, table and definition; in the order in which it comes back."""
        return [
            list(row)
            for row in self._all("""
            SELECT 'unique' AS kind, conname::text, conrelid::regclass::text, pg_get_constraintdef(oid)
                FROM pg_constraint WHERE connamespace = current_schema()::regnamespace AND contype = 'u'
            UNION ALL SELECT 'index', c.relname::text, i.indrelid::regclass::text, pg_get_indexdef(i.indexrelid)
                FROM pg_index i JOIN pg_class c ON c.oid = i.indexrelid
                WHERE c.relnamespace = current_schema()::regnamespace AND NOT i.indisprimary
                AND NOT EXISTS (SELECT FROM pg_constraint WHERE conindid = i.indexrelid AND contype = 'u')
            UNION ALL SELECT 'reference', conname::text, conrelid::regclass::text, pg_get_constraintdef(oid)
                FROM pg_constraint WHERE connamespace = current_schema()::regnamespace AND contype = 'f'
            ORDER BY 1 DESC, 2""")
        ]

    def _there(self) -> set[str]:
        """The names of the indexes and constraints that are there."""
        return {
            name
            for (name,) in self._all("""
            SELECT conname::text FROM pg_constraint WHERE connamespace = current_schema()::regnamespace
            UNION SELECT relname::text FROM pg_class
                WHERE relnamespace = current_schema()::regnamespace AND relkind = 'i'""")
        }

    def strip(self, *, only: str | None = None) -> None:
        """Take indexes and constraints away, or those of one kind; what is gone already is no error."""
        there = self._there()
        for kind, name, table, _ in reversed(self.read("definitions")):
            if name in there and only in (None, kind):
                self.driver.execute(
                    f'DROP INDEX "{name}"' if kind == "index" else f'ALTER TABLE {table} DROP CONSTRAINT "{name}"'
                )

    def build_indexes(self) -> Iterator[tuple[int, int]]:
        """Build indexes and unique constraints that are missing; tells how many of how many are done."""
        there = self._there()
        wanted = [each for each in self.read("definitions") if each[0] != "reference"]
        for number, (kind, name, table, definition) in enumerate(wanted, 1):
            if name not in there:
                self.driver.execute(
                    definition if kind == "index" else f'ALTER TABLE {table} ADD CONSTRAINT "{name}" {definition}'
                )
            yield number, len(wanted)
        self.driver.execute("ANALYZE")

    def add_references(self) -> None:
        """Hold what comes from now on to its references; `check_references` looks at what is there."""
        for kind, name, table, definition in self.read("definitions"):
            if kind == "reference":
                self.driver.execute(f'ALTER TABLE {table} ADD CONSTRAINT "{name}" {definition} NOT VALID')

    def check_references(self) -> None:
        """Look whether all rows refer to rows that are there; writers go on meanwhile."""
        for name, table in self._all("""
            SELECT conname::text, conrelid::regclass::text FROM pg_constraint
            WHERE connamespace = current_schema()::regnamespace AND NOT convalidated"""):
            self.driver.execute(f'ALTER TABLE {table} VALIDATE CONSTRAINT "{name}"')

    # Rows

    def empty(self, tables: Sequence[CopiedTable]) -> None:
        """Take all rows out, and what is known of how far they had come."""
        with self.driver.transaction():
            self.strip()
            self.driver.execute(f"TRUNCATE {quoted(table.name for table in tables)}")
            self.driver.execute(f"DELETE FROM {FILLING_TABLE} WHERE name NOT IN ('move', 'revision', 'definitions')")

    def insert(self, table: CopiedTable, rows: Sequence[Row]) -> None:
        """Write rows that are not there."""
        try:
            with (
                self.driver.cursor() as cursor,
                cursor.copy(f'COPY "{table.name}" ({table.column_list}) FROM STDIN') as copy,
            ):
                for row in rows:
                    copy.write_row(row)
        except (psycopg.DataError, psycopg.IntegrityError) as error:
            first, last = table.key_of(rows[0]), table.key_of(rows[-1])
            raise Refused(
                f"PostgreSQL does not take a row of {table.name} with a key from {first} to {last}:"
                f" {str(error).splitlines()[0]}"
            ) from error

    def delete(self, table: CopiedTable, keys: Sequence[Key]) -> None:
        """Delete what there is of rows with these keys."""
        sql, pages = _by_key(table, keys)
        for page in pages:
            self.driver.execute(f'DELETE FROM "{table.name}" WHERE {sql}', page)

    def rows_of(self, table: CopiedTable, keys: Sequence[Key]) -> Iterator[Row]:
        """The rows that there are of these keys."""
        sql, pages = _by_key(table, keys)
        for page in pages:
            yield from self._all(f'SELECT {table.column_list} FROM "{table.name}" WHERE {sql}', page)

    def rows_in_order(self, table: CopiedTable, at_once: int) -> Iterator[list[Row]]:
        """All rows in the order that SQLite gives to their keys, some at a time."""
        texts = {
            name
            for (name,) in self._all(
                "SELECT column_name::text FROM information_schema.columns WHERE table_schema = current_schema()"
                " AND table_name = %s AND data_type IN ('text', 'character varying')",
                (table.name,),
            )
        }
        order = ", ".join(f'"{key}"' + (' COLLATE "C"' if key in texts else "") for key in table.keys)
        with self.driver.transaction(), self.driver.cursor(name="rows_in_order") as cursor:
            cursor.execute(f'SELECT {table.column_list} FROM "{table.name}" ORDER BY {order}')
            while rows := cursor.fetchmany(at_once):
                yield rows

    def count(self, table: CopiedTable) -> int:
        """How many rows a table has."""
        return int(self._all(f'SELECT count(*) FROM "{table.name}"')[0][0])

    def set_last_number(self, table: CopiedTable, number: int) -> None:
        """Have the next row of a table numbered from here on, if its rows are numbered at all."""
        if number > 0 and "id" in table.columns:
            self.driver.execute("SELECT setval(pg_get_serial_sequence(%s, 'id'), %s)", (table.name, number))

    def forget_move(self) -> None:
        """Drop what is known of the move: from now on this is a database like others."""
        self.driver.execute(f"DROP TABLE IF EXISTS {FILLING_TABLE}")


def _by_key(table: CopiedTable, keys: Sequence[Key]) -> tuple[str, list[Sequence[Any]]]:
    """A condition for rows with these keys, and the values for each time that it is to be used."""
    if len(table.keys) > 1:  # of few rows
        return " AND ".join(f'"{key}" = %s' for key in table.keys), list(keys)
    values = [key[0] for key in keys]
    pages: list[Sequence[Any]] = [
        [values[start : start + _KEYS_AT_ONCE]] for start in range(0, len(values), _KEYS_AT_ONCE)
    ]
    return f"{table.key_list} = ANY(%s)", pages


def _place(url: str) -> str:
    return make_url(url).render_as_string(hide_password=True)


@contextmanager
def in_our_words(url: str) -> Iterator[None]:
    """Turn an outage of the server into Unavailable, and a constraint that does not hold into Damaged."""
    try:
        yield
    except psycopg.IntegrityError as error:
        raise Damaged(f"{_place(url)} has rows that do not belong together: {str(error).splitlines()[0]}") from error
    except psycopg.errors.InsufficientPrivilege as error:
        raise Refused(f"{_place(url)}: {str(error).splitlines()[0]}") from error
    except psycopg.Error as error:
        outage = outage_of(error)
        if outage is None:
            raise
        raise Unavailable(f"{_place(url)} does not answer: {str(error).splitlines()[0]}") from error
