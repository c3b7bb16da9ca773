"""The few things the vault asks of a database, so that another one can stand behind it.

`write` is the only way anything becomes durable: every step or none. SQLite is here, PostgreSQL in
`postgres`; statements are those of SQLite that both understand.
"""

import os
import sqlite3
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from itertools import chain
from pathlib import Path
from re import compile as regex
from typing import Any, Final, Protocol

from careledger.ledger.errors import CorruptStore, Unavailable
from careledger.vault.keystore import sync_directory

_PRAGMAS: Final = (
    "synchronous = FULL",
    "secure_delete = ON",
    "temp_store = MEMORY",
    "cell_size_check = ON",
    "trusted_schema = OFF",
    "cache_size = -32768",
)

INSERT: Final = regex(r"INSERT INTO (\w+) VALUES (\(\?(?:, \?)*\))")
"""Rows that are only inserted, each with all its columns."""

_MOST_VALUES: Final = 999
"""What SQLite before 3.32 binds to one statement."""

Value = bytes | str | int | None
Found = list[tuple[Any, ...]]  # Any: each statement has its own columns


@dataclass(frozen=True, slots=True)
class Step:
    """One statement, run once for each of `rows`."""

    statement: str
    rows: Sequence[Sequence[Value]]


def runs(step: Step) -> list[Step]:
    """The step as few statements: of rows that are only inserted, many go into each.

    Their numbers are powers of two, so that there are few statements to prepare. SQLite lets go of
    Python's lock at each statement, and waits for it: that costs more than storing a row.
    """
    match = INSERT.fullmatch(step.statement)
    if match is None or len(step.rows) <= 1:
        return [step]
    (table, marks), found, done = match.groups(), list[Step](), 0
    most = _MOST_VALUES // marks.count("?")
    while done < len(step.rows):
        size = 1 << min(len(step.rows) - done, most).bit_length() - 1
        values = tuple(chain.from_iterable(step.rows[done : done + size]))
        statement = f"INSERT INTO {table} VALUES " + ", ".join([marks] * size)  # noqa: S608 - both matched above
        found.append(Step(statement, [values]))
        done += size
    return found


class Rows(Protocol):
    """Tables of one file or database, with one writer."""

    def read(self, statement: str, values: Sequence[Value] = ()) -> Found:
        """Every row that the statement finds."""
        ...

    def write(self, steps: Sequence[Step]) -> None:
        """Do every step, or none; durable (power loss included) when this returns.

        If it raises, either may be the case: read before going on.
        """
        ...

    def purge(self, *, rewrite: bool) -> None:
        """Leave no copy of deleted rows in the log; nor, with `rewrite`, anywhere in the file."""
        ...

    def backup(self, path: Path, steps: Sequence[Step]) -> None:
        """Copy everything committed to `path`, then do `steps` in the copy; durable on return."""
        ...

    def close(self) -> None:
        """Let go of the files."""
        ...


class SqliteRows:
    """Tables in one SQLite file: WAL, every commit synced, deleted content overwritten."""

    def __init__(self, path: Path, schema: Sequence[str]) -> None:
        """Open `path`, making it and its tables if they are not there.

        Raises:
            Unavailable: the disk does not answer, or is full.
            CorruptStore: not a SQLite file.
        """
        self._path = path
        os.close(os.open(path, os.O_RDWR | os.O_CREAT, 0o600))
        with _translated():
            self._connection = _connect(path)
            try:
                self._connection.execute("PRAGMA journal_mode = WAL")
                for statement in schema:
                    self._connection.execute(statement)
            except sqlite3.Error:
                self._connection.close()
                raise
        sync_directory(path.parent)

    def read(self, statement: str, values: Sequence[Value] = ()) -> Found:
        """Every row that the statement finds."""
        with _translated():
            return self._connection.execute(statement, values).fetchall()

    def write(self, steps: Sequence[Step]) -> None:
        """Do every step, or none; durable (power loss included) when this returns."""
        connection = self._connection
        with _translated():
            connection.execute("BEGIN IMMEDIATE")
            try:
                for step in chain.from_iterable(map(runs, steps)):
                    connection.executemany(step.statement, step.rows)
                connection.execute("COMMIT")
            finally:
                if connection.in_transaction:
                    connection.execute("ROLLBACK")

    def purge(self, *, rewrite: bool) -> None:
        """Leave no copy of deleted rows in the log; nor, with `rewrite`, anywhere in the file."""
        with _translated():
            if rewrite:
                self._connection.execute("VACUUM")
            busy, *_ = self._connection.execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchone()
        if busy:
            raise Unavailable("the log of the database is still being read")

    def backup(self, path: Path, steps: Sequence[Step]) -> None:
        """Copy everything committed to `path`, then do `steps` in the copy; durable on return.

        Raises:
            FileExistsError: there is something at `path`.
        """
        if path.exists():
            raise FileExistsError(path.name)
        part = path.with_name(path.name + ".part")
        part.unlink(missing_ok=True)
        os.close(os.open(part, os.O_RDWR | os.O_CREAT, 0o600))
        with _translated():
            copy = _connect(part)
            try:
                self._connection.backup(copy)
                copy.execute("PRAGMA journal_mode = DELETE")  # so that the copy is one file
                for step in steps:
                    copy.executemany(step.statement, step.rows)
            finally:
                copy.close()
        sync_file(part)
        part.replace(path)
        sync_directory(path.parent)

    def close(self) -> None:
        """Let go of the files."""
        self._connection.close()


def _connect(path: Path) -> sqlite3.Connection:
    connection = sqlite3.connect(path, isolation_level=None, check_same_thread=False, timeout=10)
    try:
        for pragma in _PRAGMAS:
            connection.execute(f"PRAGMA {pragma}")
    except sqlite3.Error:
        connection.close()
        raise
    return connection


def sync_file(path: Path) -> None:
    """Make a file's content durable."""
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


@contextmanager
def _translated() -> Iterator[None]:
    """SQLite's errors as ours: what may pass is `Unavailable`, what will not is `CorruptStore`."""
    try:
        yield
    except sqlite3.IntegrityError as error:
        raise CorruptStore("two rows where one may be") from error
    except sqlite3.OperationalError as error:
        name = getattr(error, "sqlite_errorname", None)
        if name is None:  # Python's own: a value that is not of the type that was stored
            raise CorruptStore("a value that cannot be read") from error
        raise Unavailable(name) from error
    except sqlite3.DatabaseError as error:
        raise CorruptStore(getattr(error, "sqlite_errorname", "SQLITE")) from error
