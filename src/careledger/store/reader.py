"""Reading a node's store from another process, at memory speed."""

import os
import threading
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
    through its `Store`. When another ledger has been put into the folder, as a node does that
    begins from a snapshot, the next snapshot is of that one.
    """

    def __init__(self, folder: Path) -> None:
        """Open the store in `folder`.

        Raises:
            Unavailable: there is none yet.
            CorruptStore: it is not one of ours.
        """
        self._folder, self._path = folder, str(data_file(folder))
        self._process = os.getpid()
        self._opening = threading.Lock()
        self._opened: list[lmdb.Environment] = []
        self._open()

    @contextmanager
    def snapshot(self) -> Iterator[Snapshot]:
        """What is committed now; use it and let it go.

        Raises:
            Unavailable: the disk does not answer.
        """
        if os.getpid() != self._process:
            raise RuntimeError("open the store after the fork")
        if _file_id(self._path) not in (self._file, None):
            with self._opening:
                if _file_id(self._path) not in (self._file, None):
                    self._open()
        try:
            with self._environment.begin() as transaction:
                yield Snapshot(transaction, self._databases)
        except lmdb.Error as error:
            raise failure(error, self._folder) from error

    def close(self) -> None:
        """Let the environment go."""
        for environment in self._opened:
            environment.close()

    def _open(self) -> None:
        """Open what is in the folder now; a snapshot that somebody has of another stays good."""
        found = _file_id(self._path)
        if found is None:
            raise Unavailable(f"no ledger in {self._folder} yet")
        try:
            environment = open_for_reading(self._folder)
            self._opened.append(environment)
            self._databases = open_databases(environment)
        except lmdb.Error as error:
            raise failure(error, self._folder) from error
        self._environment, self._file = environment, found

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.close()


def _file_id(path: str) -> tuple[int, int] | None:
    """Which file is the ledger now; None while there is none. A text, since each read asks."""
    try:
        found = os.stat(path)  # noqa: PTH116
    except FileNotFoundError:
        return None
    return found.st_dev, found.st_ino
