"""What a store takes of its disk, and who reads it: what its operator watches."""

import os
from dataclasses import dataclass
from pathlib import Path

import lmdb

from careledger.store.failure import failure

_READER_FIELDS = 3


@dataclass(frozen=True, kw_only=True)
class Usage:
    """A moment's figures."""

    bytes: int
    """Size of the store's file, pages that are free again included."""
    most_bytes: int
    free_bytes: int
    """Room that its disk has left."""
    readers: int
    """Processes and threads that read just now, and those that died while they did."""
    oldest_reader: int
    """How many commits ago the oldest of them began: pages that it sees are not used again."""


def usage_of(environment: lmdb.Environment, folder: Path) -> Usage:
    """The figures of the open `environment` in `folder`.

    Raises:
        Unavailable: the disk does not answer.
    """
    try:
        info, page = environment.info(), environment.stat()["psize"]
        # A line for each reader after the heading: process, thread, transaction, or a dash for it.
        lines = [line.split() for line in environment.readers().splitlines()[1:]]
        disk = os.statvfs(folder)
    except (lmdb.Error, OSError) as error:
        raise failure(error, folder) from error
    begun = [int(one[2]) for one in lines if len(one) == _READER_FIELDS and one[2].isdigit()]
    return Usage(
        bytes=(info["last_pgno"] + 1) * page,
        most_bytes=info["map_size"],
        free_bytes=disk.f_bavail * disk.f_frsize,
        readers=len(begun),
        oldest_reader=max((info["last_txnid"] - one for one in begun), default=0),
    )
