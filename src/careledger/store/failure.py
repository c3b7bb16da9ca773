"""What the disk says when it cannot, in the ledger's words."""

import errno
import os
import resource
from pathlib import Path

import lmdb

from careledger.ledger.errors import Unavailable

_FULL = {errno.ENOSPC, errno.EDQUOT, errno.EFBIG}

_LITTLE_ROOM_BYTES = 1 << 26


class StorageFull(Unavailable):
    """There is no room to store a block; what is stored is whole, and goes on when there is."""


def failure(error: lmdb.Error | OSError, folder: Path) -> Unavailable:
    """What `error`, met while reading or writing in `folder`, means to the node."""
    if isinstance(error, lmdb.MapFullError):
        return StorageFull(f"the map of {folder} is full: open it with a larger map_size")
    if isinstance(error, lmdb.ReadersFullError):
        return Unavailable(f"too many processes read {folder}")
    code = getattr(error, "code", 0) if isinstance(error, lmdb.Error) else error.errno
    # LMDB reports a short write, which is how a disk fills up, as EIO.
    if code in _FULL or (code == errno.EIO and _is_nearly_full(folder)):
        return StorageFull(f"no space left for {folder}: free some and submit again")
    return Unavailable(f"the disk of {folder} does not answer: {error}")


def _is_nearly_full(folder: Path) -> bool:
    disk = os.statvfs(folder)
    limit, _ = resource.getrlimit(resource.RLIMIT_FSIZE)
    return disk.f_bavail * disk.f_frsize < _LITTLE_ROOM_BYTES or limit != resource.RLIM_INFINITY
