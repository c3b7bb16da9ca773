"""A ledger's folder, held by its one writer: the lock, the environment, and the durable step."""

import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import BinaryIO

import lmdb

from careledger.ledger.errors import Unavailable
from careledger.store.environment import lock_folder, open_for_writing
from careledger.store.failure import failure
from careledger.store.layout import Commit, Databases, data_file, open_databases
from careledger.store.snapshot import Snapshot
from careledger.store.usage import Usage, usage_of


class Disk:
    """The folder is locked until `close`. What stands in it is for the store to say."""

    databases: Databases
    """Of the environment that is open now; written to by a durable step."""

    def __init__(self, folder: Path, map_size: int, commit: Commit) -> None:
        """Lock `folder` and open what is there; `commit` is the durable step.

        Raises:
            Unavailable: no ledger there, another process writes it, or the disk does not answer.
        """
        if not data_file(folder).exists():
            raise Unavailable(f"no ledger in {folder}")
        self.folder = folder
        self._map_size, self._commit = map_size, commit
        self._process = os.getpid()
        self._before: list[lmdb.Environment] = []
        self._lock = lock_folder(folder)
        try:
            self._open()
        except BaseException:
            self._lock.close()
            raise

    @contextmanager
    def snapshot(self) -> Iterator[Snapshot]:
        """What is committed now. From any thread of this process.

        Raises:
            Unavailable: the disk does not answer.
        """
        if os.getpid() != self._process:
            raise RuntimeError("open the store after the fork")
        try:
            with self._environment.begin() as transaction:
                yield Snapshot(transaction, self.databases)
        except lmdb.Error as error:
            raise failure(error, self.folder) from error

    def durably(self, write: "Callable[[lmdb.Transaction[bytes]], None]") -> None:
        """One durable step: all that `write` puts, or nothing.

        Raises:
            lmdb.Error, OSError: the step failed; whether it is on the disk `settle` finds out.
        """
        step = self._environment.begin(write=True)
        try:
            write(step)
            self._commit(step)
        except BaseException:
            step.abort()
            raise

    def settle(self) -> None:
        """After a failed step: make the environment answer again.

        Raises:
            Unavailable: it does not.
        """
        try:
            self._environment.begin().abort()
        except lmdb.Error:  # a failed write of LMDB's own root page ends the environment
            self._environment.close()
            self._open()

    def sync(self) -> None:
        """Make durable what a failed step left on the disk.

        Raises:
            Unavailable: the disk does not answer.
        """
        try:
            self._environment.sync(force=True)
        except lmdb.Error as error:
            raise failure(error, self.folder) from error

    def change(self, lock: BinaryIO) -> None:
        """Go on with the folder that was put in this one's place, and with its lock."""
        self._lock.close()
        self._lock = lock
        self._before.append(self._environment)  # another thread may still read there
        self._open()

    def usage(self) -> Usage:
        """What it takes of its disk, and who reads it.

        Raises:
            Unavailable: the disk does not answer.
        """
        return usage_of(self._environment, self.folder)

    def forget_dead_readers(self) -> None:
        """Let pages go that only readers hold who died."""
        self._environment.reader_check()

    def close(self) -> None:
        """Let the folder go."""
        for environment in (self._environment, *self._before):
            environment.close()
        self._lock.close()

    def _open(self) -> None:
        try:
            self._environment = open_for_writing(self.folder, self._map_size)
            try:
                self.databases = open_databases(self._environment)
            except BaseException:
                self._environment.close()
                raise
        except lmdb.Error as error:
            raise failure(error, self.folder) from error
