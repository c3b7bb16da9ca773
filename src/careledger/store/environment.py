"""Opening the LMDB environment of a folder: for its one writer, or for a reader."""

import fcntl
import os
from pathlib import Path
from typing import BinaryIO

import lmdb

from careledger.ledger.errors import Unavailable
from careledger.store.failure import failure
from careledger.store.layout import MAP_BYTES, MAX_DATABASES, MAX_READERS

_LOCK_FILE_BYTES = 1 << 16


def open_for_writing(folder: Path, map_size: int) -> lmdb.Environment:
    """The environment in `folder`, made if it is not there; every commit is durable.

    Raises:
        Unavailable: there is no room even for its lock file.
    """
    # LMDB maps its lock file and writes to it: on a full disk that would be a SIGBUS, not an error.
    with (folder / "lock.mdb").open("ab") as lock_file:
        try:
            os.posix_fallocate(lock_file.fileno(), 0, _LOCK_FILE_BYTES)
        except OSError as error:
            raise failure(error, folder) from error
    return lmdb.open(
        str(folder),
        map_size=map_size,
        max_dbs=MAX_DATABASES,
        max_readers=MAX_READERS,
        mode=0o600,
        readahead=False,
    )


def open_for_reading(folder: Path) -> lmdb.Environment:
    """The environment in `folder`, for a process that never writes."""
    return lmdb.open(
        str(folder),
        readonly=True,
        create=False,
        map_size=MAP_BYTES,
        max_dbs=MAX_DATABASES,
        max_readers=MAX_READERS,
        readahead=False,
    )


def make_name_durable(folder: Path) -> None:
    """Sync the directory entries of a new store: a synced file without a name is lost."""
    sync_folder(folder)
    sync_folder(folder.parent)


def sync_folder(folder: Path) -> None:
    """Make the names in `folder` durable."""
    descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def lock_folder(folder: Path) -> BinaryIO:
    """Hold `folder` for writing until the file is closed; the process's end closes it."""
    lock_file = (folder / "writer.lock").open("ab")
    try:
        fcntl.flock(lock_file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError as error:
        lock_file.close()
        raise Unavailable(f"another process writes {folder}") from error
    return lock_file
