"""fsck: a sound store is sound, and no damage to what a reader could ever see goes unfound."""

import multiprocessing
import random
import shutil
from collections.abc import Callable, Iterator
from multiprocessing.connection import Connection
from pathlib import Path
from time import monotonic

import lmdb
import pytest

from careledger.ledger.entry import Evidence
from careledger.ledger.errors import Unavailable
from careledger.ledger.genesis import BadGenesis
from careledger.node import fsck
from careledger.node.fsck import check
from careledger.store.layout import DATABASES, data_file, number_key, open_header, seal_header
from careledger.store.reader import StoreReader
from careledger.store.store import Store
from tests.store.workload import INSTALLED, START, Workload, add, create

# Newer Pythons warn of any fork while pytest-xdist's own threads run; those hold none of our locks.
pytestmark = pytest.mark.filterwarnings("ignore:.*use of fork.*:DeprecationWarning")

BLOCKS = 14

Damage = Callable[[bytes], bytes]


@pytest.fixture(scope="module")
def chain(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("chain")
    with create(folder) as store:
        Workload("fsck", shelves=60).run(store, BLOCKS)
    return folder


@pytest.fixture
def copy(chain: Path, tmp_path: Path) -> Path:
    return copied(chain, tmp_path / "copy")


def copied(chain: Path, folder: Path) -> Path:
    folder.mkdir()
    shutil.copy(data_file(chain), data_file(folder))
    return folder


def flip(folder: Path, at: int, by: int) -> None:
    with data_file(folder).open("r+b") as data:
        data.seek(at)
        (byte,) = data.read(1)
        data.seek(at)
        data.write(bytes([byte ^ by]))


def change(folder: Path, database: str, key: bytes, damage: Damage | None) -> None:
    """Damage one value through LMDB itself, so that only the content is wrong."""
    with lmdb.open(str(folder), max_dbs=16, map_size=1 << 30) as environment:
        handle = environment.open_db(database.encode())
        with environment.begin(write=True, db=handle) as transaction:
            if damage is None:
                transaction.delete(key)
            else:
                transaction.put(key, damage(transaction.get(key, b"")))


def last_bit(value: bytes) -> bytes:
    return value[:-1] + bytes([value[-1] ^ 1])


@pytest.fixture
def with_evidence(tmp_path: Path) -> Path:
    """Blocks of transactions, of evidence alone, of both, of nothing."""
    with create(tmp_path / "evidence") as store:
        load = Workload("evidence", shelves=60)
        for number, pieces in enumerate((0, 2, 1, 0, 1, 0)):
            caught = [
                Evidence(kind="duplicate-vote", address=bytes([n]) * 20, height=n, time=START)
                for n in range(pieces)
            ]
            time = store.latest.time + 5
            add(store, load.transactions(time) if number % 2 else [], *caught)
    return tmp_path / "evidence"


def test_a_chain_with_evidence_is_sound(with_evidence: Path) -> None:
    report = check(with_evidence, INSTALLED)
    assert report.findings == ()
    with StoreReader(with_evidence) as reader, reader.snapshot() as committed:
        told = [
            receipt
            for index, receipt in committed.receipts(0)
            if committed.transaction_at(index) is None
        ]
        assert [len(receipt.events) for receipt in told] == [2, 1, 1]
        assert all(committed.index_of(receipt.id) is None for receipt in told)
        assert report.transactions == sum(1 for _ in committed.receipts(0)) - len(told) > 0


def test_what_evidence_led_to_cannot_be_altered_or_left_out(with_evidence: Path) -> None:
    with StoreReader(with_evidence) as reader, reader.snapshot() as committed:
        index, height = next(
            (index, committed.height_of(index))
            for index, _ in committed.receipts(0)
            if committed.transaction_at(index) is None
        )
    key = number_key(index)
    for number, (database, damage) in enumerate(
        [("receipts", last_bit), ("receipts", None), ("entries", last_bit)]
    ):
        folder = copied(with_evidence, with_evidence.parent / str(number))
        change(folder, database, key, damage)
        first = check(folder, INSTALLED).first
        assert first is not None, (database, damage)
        assert first.height == height


def test_a_sound_store_is_sound(chain: Path) -> None:
    said: list[tuple[int, int]] = []
    report = check(chain, INSTALLED, lambda done, of: said.append((done, of)))
    assert report.is_sound
    assert report.first is None
    assert report.blocks == BLOCKS + 1
    with StoreReader(chain) as reader, reader.snapshot() as committed:
        assert report.transactions == sum(1 for _ in committed.receipts(0)) > 0
        assert report.rows == sum(1 for _ in committed.scan(b"")) > 0
    assert said[-1] == (BLOCKS + 1, BLOCKS + 1)


def test_workers_find_the_same(chain: Path, copy: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(fsck, "_WORKERS_FROM_BYTES", 0)
    assert check(chain, INSTALLED).is_sound
    index, height = some_transaction(copy)
    change(copy, "transactions", number_key(index), last_bit)
    first = check(copy, INSTALLED).first
    assert first is not None
    assert first.height == height


def some_transaction(folder: Path) -> tuple[int, int]:
    """A log position with a transaction in the middle of the chain, and its height."""
    with StoreReader(folder) as reader, reader.snapshot() as committed:
        index = next(index for index, _ in committed.receipts(committed.latest().size // 2))
        return index, committed.height_of(index)


@pytest.mark.parametrize("database", ["transactions", "entries", "receipts"])
@pytest.mark.parametrize("damage", [last_bit, None, lambda value: value + b"\0"])
def test_the_first_wrong_height_is_named(copy: Path, database: str, damage: Damage | None) -> None:
    index, height = some_transaction(copy)
    change(copy, database, number_key(index), damage)
    report = check(copy, INSTALLED)
    assert report.first is not None
    assert report.first.height == height, report.findings


def retimed(value: bytes) -> bytes:
    """Another time, with a check that fits: only history can tell."""
    header = open_header(value)
    fields = {name: getattr(header, name) for name in header.__struct_fields__}
    return seal_header(type(header)(**fields | {"time": header.time + 1}))


@pytest.mark.parametrize("damage", [last_bit, None, retimed])
def test_a_wrong_header_is_named(copy: Path, damage: Damage | None) -> None:
    _, height = some_transaction(copy)
    change(copy, "headers", number_key(height), damage)
    first = check(copy, INSTALLED).first
    assert first is not None
    assert first.height == height


@pytest.mark.parametrize("database", DATABASES)
def test_a_key_too_many_or_too_few_is_found(chain: Path, tmp_path: Path, database: str) -> None:
    with StoreReader(chain) as reader, reader.snapshot() as committed:
        keys = [key for key, _ in committed.pairs(database)]
    more = copied(chain, tmp_path / "more")
    change(more, database, keys[-1] + b"\1", lambda _: b"new")
    assert not check(more, INSTALLED).is_sound
    fewer = copied(chain, tmp_path / "fewer")
    change(fewer, database, keys[len(keys) // 2], None)
    assert not check(fewer, INSTALLED).is_sound


def test_a_wrong_row_is_blamed_on_the_block_that_wrote_it(tmp_path: Path) -> None:
    written: dict[bytes, int] = {}
    with create(tmp_path) as store:
        workload = Workload("rows", shelves=40)
        for height in range(1, 9):
            with store.snapshot() as before:
                old = dict(before.scan(b""))
            workload.run(store, 1)
            with store.snapshot() as after:
                written |= {key: height for key, row in after.scan(b"") if old.get(key) != row}
    key = next(key for key, height in written.items() if height == 5)
    change(tmp_path, "rows", key, last_bit)
    report = check(tmp_path, INSTALLED)
    assert [(one.height, one.what) for one in report.findings if one.height is not None] == [
        (5, f"rows: {key.hex()}")
    ]


def test_going_back_by_a_block_is_found(chain: Path, tmp_path: Path) -> None:
    """A damaged root page makes LMDB take the state before: whole, but not the newest."""
    data = data_file(chain).read_bytes()
    txnid = 16 + 24 + 2 * 48 + 8
    ids = [int.from_bytes(data[page + txnid : page + txnid + 8], "little") for page in (0, 4096)]
    newest = ids.index(max(ids))
    folder = copied(chain, tmp_path / "back")
    flip(folder, newest * 4096 + txnid, max(ids) ^ (max(ids) - 2))
    with StoreReader(folder) as reader, reader.snapshot() as committed:
        assert committed.latest().height == BLOCKS - 1, "LMDB says nothing"
    assert not check(folder, INSTALLED).is_sound


def test_another_program_is_not_damage(chain: Path) -> None:
    with pytest.raises(BadGenesis):
        check(chain, {})


def test_it_wants_the_store_for_itself(tmp_path: Path) -> None:
    with pytest.raises(Unavailable):
        check(tmp_path, INSTALLED)
    with create(tmp_path), pytest.raises(Unavailable, match="another process writes"):
        check(tmp_path, INSTALLED)


# --- any single byte ---------------------------------------------------------------------------


def everything(folder: Path, sender: Connection) -> None:
    """Every logical read of every database: all pairs in order, and each key by search."""
    with StoreReader(folder) as reader, reader.snapshot() as committed:
        found = {database: list(committed.pairs(database)) for database in DATABASES}
        for database, pairs in found.items():
            assert pairs == [(key, committed.raw(database, key)) for key, _ in pairs]
        sender.send(found)


def read_everything(folder: Path) -> object:
    """In a child process, as damage may crash LMDB; `None` if it does, or does not end."""
    context = multiprocessing.get_context("fork")
    receiver, sender = context.Pipe(duplex=False)
    child = context.Process(target=everything, args=(folder, sender))
    child.start()
    sender.close()
    try:
        return receiver.recv() if receiver.poll(30) else None
    except EOFError:
        return None
    finally:
        child.kill()
        child.join()
        receiver.close()


def flip_and_check(chain: Path, folder: Path, flips: Iterator[tuple[int, int]]) -> tuple[int, int]:
    """How many of `flips` fsck finds, and how many are dead; any other fails the test."""
    found = dead = 0
    whole = read_everything(chain)
    copied(chain, folder)
    for at, by in flips:
        flip(folder, at, by)
        if not check(folder, INSTALLED).is_sound:
            found += 1
        else:
            assert read_everything(folder) == whole, f"byte {at} ^ {by} goes unfound"
            dead += 1
        flip(folder, at, by)
    assert check(folder, INSTALLED).is_sound
    return found, dead


def random_flips(chain: Path, chance: random.Random) -> Iterator[tuple[int, int]]:
    size = data_file(chain).stat().st_size
    while True:
        yield chance.randrange(size), chance.randrange(1, 256)


def test_any_flipped_byte_is_found_or_dead(
    chain: Path, tmp_path: Path, chance: random.Random
) -> None:
    flips = random_flips(chain, chance)
    found, dead = flip_and_check(chain, tmp_path / "flipped", (next(flips) for _ in range(300)))
    assert found > 20
    assert dead > 20


def test_any_flipped_byte_of_the_root_pages_is_found_or_dead(
    chain: Path, tmp_path: Path, chance: random.Random
) -> None:
    """They lead to everything else; what is used of each is some 170 bytes."""
    places = [page + at for page in (0, 4096) for at in range(170)]
    flips = ((at, chance.randrange(1, 256)) for at in chance.sample(places, 60))
    flip_and_check(chain, tmp_path / "flipped", flips)


@pytest.mark.soak
def test_any_flipped_byte_is_found_or_dead_for_long(
    tmp_path: Path, chance: random.Random, soak_seconds: float
) -> None:
    chain, end = tmp_path / "chain", monotonic() + soak_seconds
    with create(chain) as store:
        Workload(chance.random().hex(), shelves=400, most=30).run(store, 40)

    def flips() -> Iterator[tuple[int, int]]:
        for pair in random_flips(chain, chance):
            if monotonic() > end:
                return
            yield pair

    found, dead = flip_and_check(chain, tmp_path / "flipped", flips())
    print(f"{found} flips found, {dead} dead")
    assert found


def test_a_store_that_was_checked_goes_on(copy: Path) -> None:
    assert check(copy, INSTALLED).is_sound
    with Store(copy) as store:
        Workload("more").run(store, 2)
    assert check(copy, INSTALLED).is_sound
