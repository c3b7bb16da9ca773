"""The store: what went in comes out, after a restart as before, in this process and in others."""

import multiprocessing
import os
import signal
import subprocess
import sys
from pathlib import Path

import lmdb.verify
import pytest

from careledger.ledger.entry import BlockEntry, GenesisEntry, TransactionEntry, decode_entry
from careledger.ledger.errors import CorruptStore, InvalidBlock, Unavailable
from careledger.ledger.genesis import BadGenesis
from careledger.ledger.merkle import inclusion_proof, leaf_hash, verify_inclusion
from careledger.ledger.record import Digest
from careledger.ledger.state import View
from careledger.ledger.state_root import verify_row
from careledger.store.layout import number_key
from careledger.store.reader import StoreReader
from careledger.store.store import Store
from tests.store.workload import (
    APPLICATIONS,
    CHAIN,
    SHELVES,
    Keep,
    ShelfRow,
    Unwelcome,
    Workload,
    add,
    apply,
    create,
    genesis_file,
    rows,
    signed,
)

NONCE = bytes(16)


def test_a_chain_begins_with_its_genesis(store: Store) -> None:
    with store.snapshot() as committed:
        assert committed.genesis() == genesis_file()
        assert committed.header(0) == committed.latest() == store.latest
        assert decode_entry(committed.entries(0, 9)[0]) == GenesisEntry(chain=CHAIN)
        assert committed.header(1) is None
    assert store.latest.state_root == store.state_root


def test_creating_it_again_opens_what_is_there(tmp_path: Path) -> None:
    with create(tmp_path) as store:
        Workload(1).run(store, 3)
        latest = store.latest
    with create(tmp_path) as store:
        assert store.latest == latest
    other = genesis_file().replace(b"A test", b"Another")
    with pytest.raises(CorruptStore):
        Store.create(tmp_path, other, APPLICATIONS)
    with pytest.raises(BadGenesis):
        Store.create(tmp_path / "new", b"{", APPLICATIONS)
    with pytest.raises(Unavailable):
        Store(tmp_path / "nowhere")


def test_everything_of_a_block_can_be_asked_for(store: Store) -> None:
    time = store.latest.time + 5
    kept = signed("riverside", Keep(shelf="a", text=b"x"), nonce=NONCE, time=time)
    refused = signed("riverside", Keep(shelf="b", text=b"unwelcome"), nonce=NONCE, time=time)
    closed = add(store, [kept, refused])
    with store.snapshot() as committed:
        assert View(committed).get(SHELVES, "riverside", "a") == ShelfRow(text=b"x")
        assert committed.header(1) == store.latest == closed.header
        assert committed.index_of(kept.id) == 1
        assert committed.has(refused.id)
        assert not committed.has(bytes(32))
        assert committed.transaction(refused.id) == refused.raw == committed.transaction_at(2)
        receipt = committed.receipt(refused.id)
        assert receipt is not None
        assert receipt.code == Unwelcome.code
        assert [index for index, _ in committed.receipts(0)] == [1, 2]
        assert [index for index, _ in committed.receipts(2)] == [2]
        assert committed.receipt(bytes(32)) is None
        assert committed.transaction(bytes(32)) is None
        assert committed.receipt_at(3) is None, "a block entry has no receipt"
        kinds = [type(decode_entry(entry)) for entry in committed.entries(1, 99)]
        assert kinds == [TransactionEntry, TransactionEntry, BlockEntry]
        assert committed.entry(3) == closed.entries[2]
        assert committed.entries(2, 3) == [closed.entries[1]]
        assert committed.entry(4) is None
        assert [committed.height_of(index) for index in range(4)] == [0, 1, 1, 1]


def test_the_height_of_an_entry_among_empty_blocks(store: Store) -> None:
    Workload(5, most=2).run(store, 40)
    with store.snapshot() as committed:
        for index in range(store.latest.size):
            header = committed.header(committed.height_of(index))
            assert header is not None
            assert header.first <= index < header.size


def test_a_restart_changes_nothing(tmp_path: Path) -> None:
    with create(tmp_path) as store:
        Workload(2).run(store, 30)
        before = (store.latest, store.frontier, store.state_root, rows(store))
    with Store(tmp_path) as store:
        assert (store.latest, store.frontier, store.state_root, rows(store)) == before
        Workload(3).run(store, 10)
    damage = lmdb.verify.verify(str(tmp_path))  # type: ignore[no-untyped-call] # as LMDB has it
    assert damage == []


def test_restarts_between_blocks_leave_the_same_chain(tmp_path: Path) -> None:
    with create(tmp_path / "one") as store:
        Workload(4).run(store, 12)
        whole = (store.latest, rows(store))
    workload = Workload(4)
    create(tmp_path / "many").close()
    for _ in range(12):
        with Store(tmp_path / "many") as store:
            workload.run(store, 1)
    with Store(tmp_path / "many") as store:
        assert (store.latest, rows(store)) == whole


def test_rows_are_proved_present_and_absent(store: Store) -> None:
    Workload(6).run(store, 10)
    root = Digest(store.latest.state_root)
    with store.snapshot() as committed:
        for key, value in list(committed.scan(b""))[::7]:
            verify_row(root, key, value, committed.prove_row(key))
        verify_row(root, b"nothing", None, committed.prove_row(b"nothing"))


def test_entries_are_proved_from_the_tiles(store: Store) -> None:
    Workload(7, most=30).run(store, 40)
    size, root = store.latest.size, Digest(store.latest.log_root)
    assert size > 2 * 256, "more than one tile"
    with store.snapshot() as committed:
        for index in (*range(0, size, 37), size - 1):
            path = inclusion_proof(index, size, committed.subtree)
            entry = committed.entry(index)
            assert entry is not None
            verify_inclusion(leaf_hash(entry), index, size, path, root)
        assert len(committed.tile(0, 0)) == len(committed.tile(0, 1)) == 256 * 32
        assert len(committed.tile(1, 0)) == size // 256 * 32
        with pytest.raises(CorruptStore):
            committed.subtree(0, size)


def test_a_snapshot_does_not_see_later_blocks(store: Store) -> None:
    Workload(8).run(store, 2)
    with store.snapshot() as before:
        latest, state = before.latest(), dict(before.scan(b""))
        Workload(9).run(store, 5)
        assert before.latest() == latest
        assert dict(before.scan(b"")) == state
    assert store.latest.height == 7


def test_a_store_that_does_not_answer_is_no_absence_and_no_fault_of_a_rule(store: Store) -> None:
    with store.snapshot() as over:
        pass
    for ask in (over.get, over.has, over.receipt, lambda key: list(over.scan(key))):
        with pytest.raises(Unavailable):
            ask(b"key")


def test_what_does_not_follow_is_refused_and_leaves_no_trace(store: Store) -> None:
    workload = Workload(10)
    stale, stale_closed, stale_delta = apply(store, workload.transactions(store.latest.time + 5))
    workload.run(store, 2)
    before = rows(store), store.latest
    with pytest.raises(InvalidBlock):
        store.append(stale_closed, (), stale.receipts, stale.changes, stale_delta)
    assert (rows(store), store.latest) == before


def test_a_transaction_enters_once(store: Store) -> None:
    once = signed("lakeview", Keep(shelf="a", text=b"x"), nonce=NONCE, time=store.latest.time + 5)
    add(store, [once])
    before = rows(store), store.latest
    with pytest.raises(InvalidBlock):
        add(store, [once])
    assert (rows(store), store.latest) == before
    Workload(11).run(store, 1)


def test_one_writer(store: Store, tmp_path: Path) -> None:
    with pytest.raises(Unavailable, match="another process writes"):
        Store(tmp_path / "chain")


def _read(folder: Path, key: bytes) -> tuple[object, bytes | None]:
    with StoreReader(folder) as reader, reader.snapshot() as committed:
        return committed.latest(), committed.get(key)


def test_another_process_reads_what_is_committed(store: Store, tmp_path: Path) -> None:
    folder = tmp_path / "chain"
    with multiprocessing.get_context("spawn").Pool(1) as pool:
        for _ in range(2):
            Workload(store.latest.height).run(store, 3)
            key, row = max(rows(store).items())
            assert pool.apply(_read, (folder, key)) == (store.latest, row)


def _watch(folder: Path, blocks: int) -> int:
    """In another process: look again and again; each time, a row must be proved by the header."""
    heights = set[int]()
    with StoreReader(folder) as reader:
        while len(heights) < blocks:
            with reader.snapshot() as committed:
                latest = committed.latest()
                key, row = next(committed.scan(b"shelves"), (b"none", None))
                verify_row(Digest(latest.state_root), key, row, committed.prove_row(key))
                entries = committed.entries(latest.first, latest.size + 9)
                assert len(entries) == latest.size - latest.first
            heights.add(latest.height)
    return len(heights)


def test_another_process_never_sees_half_a_block(store: Store, tmp_path: Path) -> None:
    workload = Workload("watched", shelves=30)
    with multiprocessing.get_context("spawn").Pool(1) as pool:
        watching = pool.apply_async(_watch, (tmp_path / "chain", 20))
        while not watching.ready() and store.latest.height < 5_000:
            workload.run(store, 1)
        assert watching.get(60) == 20


def test_a_reader_waits_for_a_chain(tmp_path: Path) -> None:
    with pytest.raises(Unavailable):
        StoreReader(tmp_path)


@pytest.mark.filterwarnings("ignore:.*use of fork.*:DeprecationWarning")
def test_a_store_does_not_cross_a_fork(store: Store) -> None:
    child = os.fork()
    if not child:
        try:
            with store.snapshot():
                os._exit(1)
        except RuntimeError:
            os._exit(0)
    assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 0


_DIES_READING = """
import os, signal, sys
from pathlib import Path
from careledger.store.reader import StoreReader
with StoreReader(Path(sys.argv[1])).snapshot() as committed:
    committed.latest()
    os.kill(os.getpid(), signal.SIGKILL)
"""


def test_readers_that_died_do_not_hold_pages(tmp_path: Path) -> None:
    with create(tmp_path) as store:
        workload = Workload(12)
        workload.run(store, 1)
        died = subprocess.run([sys.executable, "-c", _DIES_READING, str(tmp_path)], check=False)
        assert died.returncode == -signal.SIGKILL
        assert store.usage().readers == 1
        workload.run(store, 64)
        assert store.usage().readers == 0


@pytest.mark.parametrize(
    ("database", "key"),
    [("rows", None), ("buckets", None), ("tiles", None), ("headers", None), ("meta", b"groups")],
)
def test_a_store_that_contradicts_itself_does_not_open(
    tmp_path: Path, database: str, key: bytes | None
) -> None:
    with create(tmp_path) as store:
        Workload(13).run(store, 3)
    with lmdb.open(str(tmp_path), max_dbs=16) as environment:
        handle = environment.open_db(database.encode())
        with environment.begin(write=True, db=handle) as transaction:
            cursor = transaction.cursor()
            cursor.set_key(key) if key else cursor.last()
            value = bytearray(cursor.value())
            value[-1] ^= 1
            transaction.put(cursor.key(), bytes(value))
    if database == "rows":  # too many to hash at every start: fsck finds it
        Store(tmp_path).close()
    else:
        with pytest.raises(CorruptStore):
            Store(tmp_path)


def test_another_format_is_not_touched(tmp_path: Path) -> None:
    with lmdb.open(str(tmp_path), max_dbs=16):
        pass
    with pytest.raises(CorruptStore):
        Store(tmp_path)
    with pytest.raises(CorruptStore):
        StoreReader(tmp_path)


def test_numbers_sort() -> None:
    numbers = [0, 1, 255, 256, 2**32, 2**53]
    assert sorted(map(number_key, numbers)) == [number_key(number) for number in numbers]
