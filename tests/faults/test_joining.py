"""Every durable write of a node that joins fails both ways: nothing is there afterwards, or all."""

import errno
import os
from pathlib import Path

import lmdb
import pytest

from careledger.ledger.errors import Unavailable
from careledger.node.fsck import check
from careledger.store.store import Store
from careledger.store.sync.placing import STEPS, Steps
from careledger.store.sync.restoring import Restoration
from tests.store.sync.world import Snapshot, snapshot_of, with_transactions
from tests.store.workload import APPLICATIONS, INSTALLED, Workload, create, genesis_file, rows

pytestmark = pytest.mark.filterwarnings("ignore:.*use of fork.*:DeprecationWarning")


class Disk:
    """Counts what is asked of it, and fails one of them, before or after it is done."""

    def __init__(self, fail_at: int = -1, *, persisted: bool = False) -> None:
        self.asked = 0
        self._fail_at, self._persisted = fail_at, persisted
        self.steps = Steps(rename=self._rename, sync=self._sync)

    def commit(self, transaction: "lmdb.Transaction[bytes]") -> None:
        self._do(transaction.commit)

    def _rename(self, source: Path, target: Path) -> None:
        self._do(lambda: source.rename(target))

    def _sync(self, folder: Path) -> None:
        self._do(lambda: STEPS.sync(folder))

    def _do(self, what: object) -> None:
        fails = self.asked == self._fail_at
        self.asked += 1
        if not fails or self._persisted:
            what()  # type: ignore[operator] # a call of nothing
        if fails:
            raise OSError(errno.EIO, "injected")


@pytest.fixture(scope="module")
def source(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Snapshot]:
    folder = tmp_path_factory.mktemp("source")
    with create(folder / "ledger") as store:
        Workload("faults").run(store, 5)
        with_transactions(store, Workload("more"))
        return folder / "ledger", snapshot_of(store, folder / "snapshots")


def attempt(ledger: Path, snapshot: Snapshot, disk: Disk) -> None:
    """One try of a node that has its first block, as an engine leads it."""
    manifest, chunks = snapshot
    with create(ledger) as store:
        with Restoration(
            ledger, manifest, genesis_file(), APPLICATIONS, commit=disk.commit
        ) as staged:
            for chunk in chunks:
                staged.add(chunk)
            staged.finish()
            store.adopt(staged, disk.steps)
        assert store.latest == manifest.header


def steps(folder: Path, snapshot: Snapshot) -> int:
    disk = Disk()
    attempt(folder, snapshot, disk)
    return disk.asked


def test_every_durable_write_fails_both_ways(tmp_path: Path, source: tuple[Path, Snapshot]) -> None:
    ledger, snapshot = source
    count = steps(tmp_path / "count", snapshot)
    assert count > 8
    for number in range(count):
        for persisted in (False, True):
            folder = tmp_path / f"{number}-{persisted}"
            try:
                attempt(folder, snapshot, Disk(number, persisted=persisted))
            except Unavailable:
                with create(folder) as store:
                    assert store.latest.height == 0, "nothing of it is there"
                attempt(folder, snapshot, Disk())
            with Store(folder) as store, Store(ledger) as whole:
                assert (store.latest, rows(store)) == (whole.latest, rows(whole)), "all of it is"
            assert check(folder, INSTALLED).is_sound
            assert {path.name for path in folder.parent.iterdir()} == {
                path.name for path in tmp_path.iterdir() if "." not in path.name
            }, "nothing is left beside it"


def test_a_crash_leaves_nothing_or_all(tmp_path: Path, source: tuple[Path, Snapshot]) -> None:
    """Nobody cleans up after a crash; whoever begins again does."""
    _, snapshot = source
    count = steps(tmp_path / "count", snapshot)
    begun_with = set()
    for number in range(count):
        for persisted in (False, True):
            folder = tmp_path / f"{number}-{persisted}"
            crash(folder, snapshot, number, persisted=persisted)
            with create(folder) as store:  # as a node does when it starts
                height = store.latest.height
            assert height in {0, snapshot[0].header.height}
            begun_with.add(height)
            if not height:
                attempt(folder, snapshot, Disk())
            with Store(folder) as store:
                assert store.latest == snapshot[0].header
            assert check(folder, INSTALLED).is_sound
    assert len(begun_with) == 2


def crash(folder: Path, snapshot: Snapshot, number: int, *, persisted: bool) -> None:
    """Lose the process at one of its durable writes: before it, or just after."""

    class Fatal(Disk):
        def _do(self, what: object) -> None:
            if self.asked == number and not persisted:
                os._exit(0)
            self.asked += 1
            what()  # type: ignore[operator] # a call of nothing
            if self.asked == number + 1:
                os._exit(0)

    child = os.fork()
    if not child:
        try:
            attempt(folder, snapshot, Fatal())
        finally:
            os._exit(1)
    assert os.waitpid(child, 0)[1] == 0
