"""`Rows` in a schema of a PostgreSQL database: one writer, every commit flushed before it counts.

Statements are written for SQLite and translated here. Whoever opens the schema holds an advisory
lock on it and leaves a token in it. A lost connection is made anew for the next question, and only
if the token is still ours: nobody else can have written meanwhile. What PostgreSQL itself keeps of
deleted rows (its log, its archives, its replicas) is beyond `purge`.
"""

import secrets
import sqlite3
from collections.abc import Iterator, Sequence
from contextlib import closing, contextmanager, suppress
from dataclasses import dataclass, field
from functools import lru_cache
from hashlib import sha256
from pathlib import Path
from re import compile as regex
from typing import Any, Final

import psycopg
from psycopg import sql
from psycopg.conninfo import conninfo_to_dict

from careledger.ledger.errors import CorruptStore, Unavailable
from careledger.vault.errors import VaultInUse
from careledger.vault.keystore import sync_directory
from careledger.vault.rows import INSERT, Found, SqliteRows, Step, Value, sync_file

_NEEDED: Final = ("host", "dbname", "user")
_CONNECT_S: Final = 10
_PATIENCE: Final = "SET lock_timeout = '2s'"
_AT_ONCE: Final = 2_000
_TABLE: Final = regex(r"CREATE TABLE IF NOT EXISTS (\w+)")
_COLUMN: Final = regex(r"[(,]\s*\w+ (TEXT|BLOB|INTEGER)\b")
_TYPES: Final = {"TEXT": "text", "BLOB": "bytea", "INTEGER": "int8"}
_WORTH_A_COPY: Final = 8
"""Rows from which on they are copied in: a statement for each takes both sides twice as long."""
_WRITER: Final = "CREATE TABLE IF NOT EXISTS writer (token BYTEA NOT NULL)"
_MAY_PASS: Final = frozenset(("08", "40", "53", "55", "57", "58"))
"""Classes of SQLSTATE (PostgreSQL appendix A) that say nothing against what is stored."""
_READ_ONLY: Final = "25006"

Connection = psycopg.Connection[tuple[Any, ...]]  # Any: each statement has its own columns
Cursor = psycopg.Cursor[tuple[Any, ...]]  # Any: likewise


@dataclass(frozen=True, slots=True)
class PostgresPlace:
    """Where in which database: `conninfo` as libpq reads it, a URI or `key=value` pairs."""

    conninfo: str = field(repr=False)
    schema: str

    def __post_init__(self) -> None:
        """Check that nothing is left to the environment.

        Raises:
            ValueError: not a connection string, or without host, database or user.
        """
        try:
            given = conninfo_to_dict(self.conninfo)
        except psycopg.ProgrammingError:
            raise ValueError("not a connection string of PostgreSQL") from None
        missing = [name for name in _NEEDED if not given.get(name)]
        if missing:
            raise ValueError(f"the connection string does not say {', '.join(missing)}")


class PostgresRows:
    """Tables in one schema of a PostgreSQL database."""

    def __init__(self, place: PostgresPlace, schema: Sequence[str]) -> None:
        """Take the schema for this process, making it and its tables if they are not there.

        Raises:
            Unavailable: the server does not answer, or does not let us in.
            VaultInUse: another process has it open.
        """
        self._place, self._schema = place, tuple(schema)
        self._columns = {
            table[1]: [_TYPES[kind] for kind in _COLUMN.findall(statement)]
            for statement in schema
            if (table := _TABLE.match(statement)) is not None
        }
        self._token = secrets.token_bytes(16)
        self._connection = _connect(place)
        try:
            with _translated():
                self._take(self._connection)
        except BaseException:
            self._connection.close()
            raise

    def read(self, statement: str, values: Sequence[Value] = ()) -> Found:
        """Every row that the statement finds."""
        text = translate(statement)
        try:
            with _translated():
                return self._live().execute(text, values, binary=True).fetchall()
        except Unavailable:
            if not self._connection.closed:
                raise
        with _translated():
            return self._live().execute(text, values, binary=True).fetchall()

    def write(self, steps: Sequence[Step]) -> None:
        """Do every step, or none; durable (power loss included) when this returns."""
        with _translated():
            connection = self._live()
            with connection.transaction(), connection.cursor() as cursor:
                self._run(cursor, steps)

    def purge(self, *, rewrite: bool) -> None:
        """Free the space of deleted rows for others; with `rewrite`, write each table anew.

        PostgreSQL's log, archives and replicas keep what they have.
        """
        with _translated():
            connection = self._live()
            for table in self._tables():
                connection.execute(f"VACUUM {'(FULL)' if rewrite else ''} {table}")

    def backup(self, path: Path, steps: Sequence[Step]) -> None:
        """Copy everything committed to `path`, a SQLite file, then do `steps` in the copy.

        Raises:
            FileExistsError: there is something at `path`.
        """
        if path.exists():
            raise FileExistsError(path.name)
        part = path.with_name(path.name + ".part")
        for old in part.parent.glob(part.name + "*"):
            old.unlink()
        with _translated(), closing(SqliteRows(part, self._schema)) as copy:
            connection = self._live()
            with connection.transaction():
                connection.execute("SET TRANSACTION ISOLATION LEVEL REPEATABLE READ READ ONLY")
                for table in self._tables():
                    for some in _pages(connection, table):
                        copy.write([_insert(table, some)])
            copy.write(steps)
        sync_file(part)
        part.replace(path)
        sync_directory(path.parent)

    def load(self, backup: Path, steps: Sequence[Step]) -> None:
        """Put what the SQLite file `backup` holds in the place of everything, then do `steps`.

        All of it is durable when this returns, or none.
        """
        with _translated(), closing(sqlite3.connect(backup)) as source:
            connection = self._live()
            with connection.transaction(), connection.cursor() as cursor:
                for table in self._tables():
                    cursor.execute(f"DELETE FROM {table}")  # noqa: S608 - our own tables
                    found = source.execute(f"SELECT * FROM {table}")  # noqa: S608 - our own tables
                    while some := found.fetchmany(_AT_ONCE):
                        self._run(cursor, [_insert(table, some)])
                self._run(cursor, steps)

    def close(self) -> None:
        """Let go of the schema, and of the connection."""
        with suppress(psycopg.Error):
            self._connection.execute("SELECT pg_advisory_unlock_all()")
        self._connection.close()

    def _tables(self) -> list[str]:
        return list(self._columns)

    def _run(self, cursor: Cursor, steps: Sequence[Step]) -> None:
        for step in steps:
            insert = INSERT.fullmatch(step.statement)
            if insert is not None and len(step.rows) >= _WORTH_A_COPY:
                self._copy(cursor, insert[1], step.rows)
            elif step.rows:
                cursor.executemany(translate(step.statement), step.rows)

    def _copy(self, cursor: Cursor, table: str, rows: Sequence[Sequence[Value]]) -> None:
        with cursor.copy(f"COPY {table} FROM STDIN (FORMAT BINARY)") as copy:
            copy.set_types(self._columns[table])
            for row in rows:
                copy.write_row(row)

    def _live(self) -> Connection:
        """The connection; a new one in the place of one that was lost."""
        if self._connection.closed:
            connection = _connect(self._place)
            try:
                self._resume(connection)
            except BaseException:
                connection.close()
                raise
            self._connection = connection
        return self._connection

    def _take(self, connection: Connection) -> None:
        """Become the writer, with every table there.

        Raises:
            VaultInUse: another process is.
        """
        if not self._lock(connection):
            raise VaultInUse("another process has it open")
        with connection.transaction():
            for statement in (*self._schema, _WRITER, "DELETE FROM writer"):
                connection.execute(translate(statement))
            connection.execute("INSERT INTO writer VALUES (%s)", [self._token])

    def _resume(self, connection: Connection) -> None:
        """Go on where the lost connection was.

        Raises:
            Unavailable: the server has not noticed yet that the connection is lost.
            VaultInUse: another process has had it open since.
        """
        if not self._lock(connection):
            raise Unavailable("the database still waits for a connection that is lost")
        if connection.execute("SELECT token FROM writer").fetchall() != [(self._token,)]:
            raise VaultInUse("another process has had it open")

    def _lock(self, connection: Connection) -> bool:
        """Whether the schema is ours; waits a little for a connection that is being closed."""
        name = sha256(b"careledger vault " + self._place.schema.encode()).digest()
        number = int.from_bytes(name[:8], signed=True)
        connection.execute(_PATIENCE)
        try:
            connection.execute("SELECT pg_advisory_lock(%s::bigint)", [number])
        except psycopg.errors.LockNotAvailable:
            return False
        connection.execute("SET lock_timeout = 0")
        return True


@lru_cache(maxsize=1_000)
def translate(statement: str) -> bytes:
    """A statement for SQLite as PostgreSQL reads it: `%s` for `?`, and its own names of types."""
    words = statement.replace("%", "%%").replace("?", "%s")
    if words.startswith("CREATE TABLE"):
        words = words.replace(" BLOB", " BYTEA").replace(" INTEGER", " BIGINT")
    return words.encode()


def _connect(place: PostgresPlace) -> Connection:
    with _translated():
        connection = psycopg.connect(
            place.conninfo,
            autocommit=True,
            connect_timeout=_CONNECT_S,
            application_name="careledger",
        )
        try:
            name = sql.Identifier(place.schema)
            connection.execute(sql.SQL("CREATE SCHEMA IF NOT EXISTS {}").format(name))
            connection.execute(sql.SQL("SET search_path = {}").format(name))
            connection.execute("SET synchronous_commit = on")
        except BaseException:
            connection.close()
            raise
        return connection


def _insert(table: str, rows: Sequence[tuple[Any, ...]]) -> Step:  # Any: of whatever columns
    marks = ", ".join("?" * len(rows[0]))
    return Step(f"INSERT INTO {table} VALUES ({marks})", rows)  # noqa: S608 - our own tables


def _pages(connection: Connection, table: str) -> Iterator[list[tuple[Any, ...]]]:  # Any: as above
    with connection.cursor(name="copy") as cursor:
        cursor.execute(f"SELECT * FROM {table}", binary=True)  # noqa: S608 - our own tables
        while some := cursor.fetchmany(_AT_ONCE):
            yield some


@contextmanager
def _translated() -> Iterator[None]:
    """PostgreSQL's errors as ours: what may pass is `Unavailable`, what will not `CorruptStore`."""
    try:
        yield
    except psycopg.IntegrityError as error:
        raise CorruptStore("two rows where one may be") from error
    except psycopg.Error as error:
        state = error.sqlstate
        if state is None or state[:2] in _MAY_PASS or state == _READ_ONLY:
            raise Unavailable(state or "the database does not answer") from error
        if isinstance(error, psycopg.OperationalError):
            raise Unavailable(state) from error
        raise CorruptStore(state) from error
