"""A store without its past never says that something is unknown which it only has not got yet."""

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from careledger.ledger.merkle import consistency_proof, inclusion_proof, leaf_hash, verify_inclusion
from careledger.ledger.record import Digest
from careledger.ledger.tile import Place
from careledger.store.gap import Gap, HistoryAbsent
from careledger.store.reader import StoreReader
from careledger.store.snapshot import Snapshot
from careledger.store.store import Store
from careledger.store.tile_files import content
from tests.store.sync.world import restore, snapshot_of, with_transactions
from tests.store.workload import Keep, Workload, create, run, signed


@pytest.fixture(scope="module")
def new(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Store]:
    """A store of a long chain that began from a snapshot, and went on by a block."""
    folder = tmp_path_factory.mktemp("gap")
    with create(folder / "old") as old:
        time, blocks = old.latest.time, []
        for number in range(10):
            time += 900
            keeps = [
                signed(
                    "riverside",
                    Keep(shelf=str(n), text=b"x"),
                    nonce=(number * 100 + n).to_bytes(16),
                    time=time,
                )
                for n in range(60)
            ]
            blocks.append(keeps)
        list(run(old, blocks, step_s=900))
        restore(folder / "new", *snapshot_of(old, folder / "snapshots"))
    with Store(folder / "new") as store:
        with_transactions(store, Workload("gap"))
        yield store


def gap_of(committed: Snapshot) -> Gap:
    assert committed.gap is not None
    return committed.gap


ABSENT: dict[str, Callable[[Snapshot], object]] = {
    "a header": lambda s: s.header(3),
    "the height of an entry": lambda s: s.height_of(70),
    "an entry": lambda s: s.entry(70),
    "entries": lambda s: s.entries(gap_of(s).kept - 1, gap_of(s).kept + 1),
    "a receipt": lambda s: s.receipt_at(70),
    "a receipt of the last hour": lambda s: s.receipt_at(gap_of(s).size - 2),
    "a transaction": lambda s: s.transaction_at(gap_of(s).size - 2),
    "receipts": lambda s: list(s.receipts(1)),
    "receipts from the middle on": lambda s: list(s.receipts(70)),
    "an old root": lambda s: s.root_at(70),
    "an inclusion path": lambda s: inclusion_proof(70, s.latest().size, s.subtree),
    "a consistency path": lambda s: consistency_proof(70, s.latest().size, s.subtree),
}


@pytest.mark.parametrize("what", ABSENT)
def test_what_is_not_here_yet_is_said_to_be_so(new: Store, what: str) -> None:
    with new.snapshot() as committed, pytest.raises(HistoryAbsent, match="not here yet"):
        ABSENT[what](committed)


def test_what_never_was_is_unknown(new: Store) -> None:
    with new.snapshot() as committed:
        size, height = committed.latest().size, committed.latest().height
        assert committed.header(height + 1) is None
        assert committed.entry(size) is None
        assert committed.receipt_at(size) is None
        assert committed.transaction_at(size) is None
        assert committed.entries(size, size + 5) == []
        assert committed.root_at(size + 1) is None
        assert content(committed, Place(0, 0)) is None
        assert not committed.has(bytes(32))


def test_what_came_since_is_all_there(new: Store) -> None:
    with new.snapshot() as committed:
        header, gap = committed.latest(), gap_of(committed)
        assert committed.header(0) is not None
        assert committed.header(gap.height) is not None
        assert committed.height_of(0) == 0
        for index in range(gap.size, header.size):
            assert committed.height_of(index) == header.height
            entry = committed.entry(index)
            assert entry is not None
            path = inclusion_proof(index, header.size, committed.subtree)
            root = Digest(header.log_root)
            verify_inclusion(leaf_hash(entry), index, header.size, path, root)
        told = list(committed.receipts(gap.size))
        assert [index for index, _ in told] == list(range(gap.size, header.size - 1))
        assert all(committed.index_of(receipt.id) == index for index, receipt in told)
        assert committed.root_at(gap.size) is not None


def test_a_reader_sees_the_ledger_that_took_the_place_of_another(tmp_path: Path) -> None:
    """As a gateway does whose node began anew."""
    load = Workload("swap")
    with create(tmp_path / "old") as old:
        for _ in range(3):
            with_transactions(old, load)
        snapshot = snapshot_of(old, tmp_path / "snapshots")
    restore(tmp_path / "begun anew", *snapshot)
    create(tmp_path / "new").close()
    with StoreReader(tmp_path / "new") as reader:
        with reader.snapshot() as before:
            assert before.latest().height == 0
            (tmp_path / "new").rename(tmp_path / "before")  # as `swap_in` does, elsewhere
            (tmp_path / "begun anew").rename(tmp_path / "new")
            assert before.latest().height == 0, "a snapshot stays what it is"
        with reader.snapshot() as after:
            assert after.latest() == snapshot[0].header
