"""One process for one home: whoever runs a node holds its home until it ends, however it ends."""

import contextlib
import fcntl
import os
from collections.abc import Iterator
from pathlib import Path

from careledger.ledger.errors import LedgerError

LOCK_FILE = "node.lock"


class HomeInUse(LedgerError):
    """The node of this home is running already."""


@contextlib.contextmanager
def hold_home(home: Path) -> Iterator[None]:
    """Hold `home` within the `with` block.

    Raises:
        HomeInUse: another process does.
    """
    with (home / LOCK_FILE).open("a+") as file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError as error:
            file.seek(0)
            holder = file.read(20).strip() or "another process"
            raise HomeInUse(
                f"{home} is running already, as process {holder}: stop that one first"
            ) from error
        file.truncate(0)
        file.write(f"{os.getpid()}\n")
        file.flush()
        yield
