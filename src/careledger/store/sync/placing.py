"""The swap: a staged folder becomes the ledger, or the ledger stays what it was."""

import shutil
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from careledger.ledger.errors import CorruptStore
from careledger.store.environment import open_for_writing, sync_folder
from careledger.store.failure import failure
from careledger.store.layout import MAP_BYTES, data_file, open_databases


@dataclass(frozen=True)
class Steps:
    """What is asked of the disk, so that tests can fail it."""

    rename: Callable[[Path, Path], object] = Path.rename
    sync: Callable[[Path], None] = sync_folder


STEPS = Steps()


def swap_in(
    staged: Path, ledger: Path, steps: Steps = STEPS, *, is_replaceable: bool = False
) -> None:
    """Make `staged` the ledger. A store that is there may hold its first block and no other.

    The rename of `staged` is the step that counts. A crash before it leaves the ledger that was
    there, or none, which begins with the same first block again; never half of one. Whoever has
    it open says that it `is_replaceable`: LMDB opens a file once in a process.

    Raises:
        CorruptStore: the ledger holds blocks.
        Unavailable: the disk does not answer; the ledger is what it was, unless only its new name
            may not be durable.
    """
    old = ledger.with_name(ledger.name + ".before")
    try:
        steps.sync(staged)
        if ledger.exists():
            if not is_replaceable:
                _check_replaceable(ledger)
            shutil.rmtree(old, ignore_errors=True)
            steps.rename(ledger, old)
            steps.sync(ledger.parent)
        steps.rename(staged, ledger)
    except OSError as error:
        if staged.exists():
            if old.exists() and not ledger.exists():
                old.rename(ledger)
            raise failure(error, ledger.parent) from error
    try:
        steps.sync(ledger.parent)
    except OSError:  # what failed may have been done; if it fails again, nobody knows
        try:
            steps.sync(ledger.parent)
        except OSError as error:
            raise failure(error, ledger.parent) from error
    shutil.rmtree(old, ignore_errors=True)


def _check_replaceable(ledger: Path) -> None:
    if not data_file(ledger).exists():
        return
    with open_for_writing(ledger, MAP_BYTES) as environment:
        databases = open_databases(environment)
        with environment.begin() as transaction:
            found = transaction.stat(databases["headers"])["entries"]
    if found > 1:
        raise CorruptStore(f"{ledger} holds blocks already: a snapshot does not replace them")
