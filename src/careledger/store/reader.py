"""Reading a node's store from another process, at memory speed."""

import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from types import TracebackType
from typing import Self

import lmdb

from careledger.ledger.errors import Unavailable
from careledger.store.environment import open_for_reading
from careledger.store.failure import failure
from careledger.store.layout import data_file, open_databases
from careledger.store.snapshot import Snapshot


class StoreReader:
    """Committed state and log of the node on this machine; open it after any fork.

    Owns the environment until `close`. One process opens a folder once: the node itself reads
    through its `Store`.
    """

    def __init__(self, folder: Path) -> None:
        """Open the store in `folder`.

        Raises:
            Unavailable: there is none yet.
            CorruptStore: it is not one of ours.
        """
        self._folder = folder
        self._process = os.getpid()
        if not data_file(folder).exists():
            raise Unavailable(f"no ledger in {folder} yet")
        try:
            self._environment = open_for_reading(folder)
            self._databases = open_databases(self._environment)
        except lmdb.Error as error:
            raise failure(error, folder) from error

    @contextmanager
    def snapshot(self) -> Iterator[Snapshot]:
        """What is committed now; use it and let it go.

        Raises:
            Unavailable: the disk does not answer.
        """
        if os.getpid() != self._process:
            raise RuntimeError("open the store after the fork")
        try:
            with self._environment.begin() as transaction:
                yield Snapshot(transaction, self._databases)
        except lmdb.Error as error:
            raise failure(error, self._folder) from error

    def close(self) -> None:
        """Let the environment go."""
        self._environment.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.close()
