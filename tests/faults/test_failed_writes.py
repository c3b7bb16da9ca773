"""Every durable write fails both ways: the error comes before anything is stored, and after."""

import errno
import shutil
import subprocess
import sys
from collections.abc import Callable, Sequence
from functools import partial
from pathlib import Path

import lmdb
import pytest

from careledger.ledger.errors import LedgerError, Unavailable
from careledger.ledger.transaction import VerifiedTransaction
from careledger.node.fsck import check
from careledger.store.failure import StorageFull
from careledger.store.store import Store
from tests.store.workload import INSTALLED, Workload, add, create, rows

ROOT = Path(__file__).parent.parent.parent

pytestmark = pytest.mark.filterwarnings("ignore:.*use of fork.*:DeprecationWarning")


class Faulty:
    """A durable step that fails when it is told to."""

    def __init__(self, fail_at: int, *, persisted: bool, code: int = errno.EIO) -> None:
        self.steps = 0
        self._fail_at, self._persisted, self._code = fail_at, persisted, code

    def __call__(self, transaction: "lmdb.Transaction[bytes]") -> None:
        step, self.steps = self.steps, self.steps + 1
        if step != self._fail_at:
            transaction.commit()
            return
        if self._persisted:
            transaction.commit()
        raise OSError(self._code, "injected")


def again(attempt: Callable[[], object]) -> int:
    """Try until it succeeds, as an engine does; how often it failed."""
    for failures in range(3):
        try:
            attempt()
        except Unavailable:
            continue
        return failures
    raise AssertionError


def everything(store: Store) -> object:
    return store.latest, store.frontier, store.state_root, rows(store)


def attempt(store: Store, transactions: Sequence[VerifiedTransaction]) -> None:
    before = everything(store)
    try:
        add(store, transactions)
    except Unavailable:
        assert everything(store) == before, "nothing of the block is there"
        raise


@pytest.mark.parametrize("persisted", [False, True])
@pytest.mark.parametrize("step", range(5))
def test_any_step_may_fail(tmp_path: Path, step: int, *, persisted: bool) -> None:
    """Steps 0 and 1 make the chain, each later one stores a block."""
    faulty = Faulty(step, persisted=persisted)
    stores: list[Store] = []
    failures = again(lambda: stores.append(create(tmp_path / "faulty", commit=faulty)))
    with create(tmp_path / "sound") as sound, stores[0] as store:
        for number in range(3):
            transactions = Workload(number).transactions(store.latest.time + 5)
            failures += again(partial(attempt, store, transactions))
            add(sound, transactions)
            assert everything(store) == everything(sound)
    # A block that is there after all is no failure; making the databases is simply tried again.
    assert failures == (0 if persisted and step > 0 else 1)
    assert faulty.steps >= 5
    assert check(tmp_path / "faulty", INSTALLED).is_sound


@pytest.mark.parametrize(
    ("code", "error"),
    [(errno.ENOSPC, StorageFull), (errno.EDQUOT, StorageFull), (errno.EROFS, Unavailable)],
)
def test_the_error_says_what_it_was(tmp_path: Path, code: int, error: type[LedgerError]) -> None:
    with create(tmp_path, commit=Faulty(2, persisted=False, code=code)) as store:
        with pytest.raises(Unavailable) as raised:
            Workload(1).run(store, 1)
        assert type(raised.value) is error
        assert str(tmp_path) in str(raised.value)


STORE_THROUGH_FAILURES = """
import sys
from pathlib import Path
from careledger.ledger.errors import Unavailable
from careledger.store.store import Store
from tests.store.workload import Workload, add
with Store(Path(sys.argv[1])) as store:
    failures = 0
    for number in range(4):
        transactions = Workload(number, most=20).transactions(store.latest.time + 5)
        height = store.latest.height
        while store.latest.height == height:
            try:
                add(store, transactions)
            except Unavailable as error:
                failures += 1
                print(type(error).__name__, flush=True)
                with store.snapshot() as committed:
                    assert committed.latest().height == height
    print(failures, store.latest.height)
"""


@pytest.mark.parametrize(
    ("call", "error", "said"),
    [
        ("writev,pwritev", "EIO", "Unavailable"),
        ("writev,pwritev", "ENOSPC", "StorageFull"),
        ("fdatasync", "EIO", "Unavailable"),
        ("pwrite64", "EIO", "Unavailable"),
        ("pwrite64", "ENOSPC", "StorageFull"),
    ],
)
def test_the_disk_itself_fails(tmp_path: Path, call: str, error: str, said: str) -> None:
    """The operating system refuses the second call of a kind; the next attempt succeeds."""
    strace = shutil.which("strace")
    if strace is None:
        pytest.skip("strace is missing: install it to let system calls fail")
    create(tmp_path).close()
    of_that_file = ["-f", "-P", str(tmp_path / "data.mdb"), "-o", "/dev/null"]
    inject = ["-e", f"trace={call}", "-e", f"inject={call}:error={error}:when=2"]
    ran = subprocess.run(
        [strace, *of_that_file, *inject, sys.executable, "-c", STORE_THROUGH_FAILURES, tmp_path],
        check=False,
        cwd=ROOT,
        capture_output=True,
        text=True,
    )
    assert ran.stdout.split() == [said, "1", "4"], ran.stderr
    assert check(tmp_path, INSTALLED).is_sound
