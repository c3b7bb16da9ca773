"""The past is fetched truly or not at all, and then the store is like one that was always there."""

import json
import os
import random
import time
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path

import msgspec
import pytest

from careledger.apps import installed
from careledger.ledger.errors import InvalidBlock, LedgerError, Malformed, ProofError, Unavailable
from careledger.ledger.record import encode, load_cbor
from careledger.ledger.transition import Receipt
from careledger.node.backfill import Backfill
from careledger.node.fsck import check
from careledger.node.joining import join
from careledger.node.peer import Peer
from careledger.store.layout import DATABASES
from careledger.store.reader import StoreReader
from careledger.store.store import Store
from careledger.store.sync.past import PastBlock
from tests.faults.test_failed_writes import Faulty
from tests.node.consortium import Consortium
from tests.node.lying import lying
from tests.node.test_cosigning import eventually
from tests.node.test_joining import every, run, snapshots

pytestmark = pytest.mark.filterwarnings("ignore:.*use of fork.*:DeprecationWarning")


@pytest.fixture(scope="module")
def world(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Consortium, str]]:
    """One node that answers, and another member's that is to begin from its snapshot."""
    made = Consortium(tmp_path_factory.mktemp("past") / "net", ("hospital", "clinic"))
    every(made, "hospital", 4)
    with made.running("hospital") as [node]:
        for _ in range(12):
            made.write(node.url, 30)
        eventually(lambda: bool(snapshots(node)))
        yield made, node.url


def begun(world: tuple[Consortium, str], folder: Path) -> Path:
    """A home whose ledger has just begun from the snapshot."""
    made, url = world
    home = folder / "home"
    home.mkdir()
    for path in made.home("clinic").iterdir():
        if path.is_file():
            (home / path.name).write_bytes(path.read_bytes())
    (folder / "genesis.json").write_bytes(made.genesis.read_bytes())
    with Peer(url) as peer:
        join(home, [peer], made.trusting(1, "hospital"), int(time.time()))
    return home


def test_afterwards_nothing_tells_it_from_one_that_was_always_there(
    tmp_path: Path, world: tuple[Consortium, str]
) -> None:
    home = begun(world, tmp_path)
    undecided = run("fsck", home)
    assert undecided.exit_code == 2, undecided.output
    assert "still to be fetched" in undecided.output
    filled = run("node", "backfill", home, "--peers", world[1])
    assert filled.exit_code == 0, filled.output
    report = check(home / "ledger", installed())
    assert report.is_sound, report.findings
    assert report.missing is None
    again = run("node", "backfill", home, "--peers", world[1])
    assert again.exit_code == 0, again.output
    with StoreReader(home / "ledger") as reader, reader.snapshot() as committed:
        size = committed.latest().size
        keys = {database: [key for key, _ in committed.pairs(database)] for database in DATABASES}
    # A copy of the honest one, cut at the same block, is what a replay computes: fsck has done it.
    assert len(keys["entries"]) == size
    assert keys["meta"] == [b"format", b"genesis", b"groups"]


def test_it_goes_on_after_a_kill(
    tmp_path: Path, world: tuple[Consortium, str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Killed at each of its durable steps, before or after, the next run goes on from there."""
    from careledger.gateway import node_history

    monkeypatch.setattr(node_history, "PAST_BYTES", 1)  # a block at a time
    home = begun(world, tmp_path)
    progress: list[int] = []
    for number in range(30):
        child = os.fork()
        if not child:
            _fill_until_killed(home, world[1], persisted=number % 2 == 0)
        status = os.waitpid(child, 0)[1]
        with StoreReader(home / "ledger") as reader, reader.snapshot() as committed:
            gap = committed.gap
            progress.append(gap.next if gap else committed.latest().size)
        if os.waitstatus_to_exitcode(status) == 0:
            break
    else:
        raise AssertionError("it never ends")
    assert progress == sorted(progress)
    assert len(set(progress)) > 3
    report = check(home / "ledger", installed())
    assert report.is_sound, report.findings


def _fill_until_killed(home: Path, url: str, *, persisted: bool) -> None:
    steps = 0

    def commit(transaction: object) -> None:
        nonlocal steps
        steps += 1
        if steps == 2 and not persisted:
            os._exit(9)
        transaction.commit()  # type: ignore[attr-defined] # LMDB's own
        if steps == 2:
            os._exit(9)

    try:
        with Store(home / "ledger", commit=commit) as store:
            done = Backfill(store, [url]).run()
        os._exit(0 if done else 1)
    finally:
        os._exit(1)


def test_each_step_fails_both_ways(tmp_path: Path, world: tuple[Consortium, str]) -> None:
    for persisted in (False, True):
        folder = tmp_path / str(persisted)
        folder.mkdir()
        home, faulty = begun(world, folder), Faulty(0, persisted=persisted)
        with Store(home / "ledger", commit=faulty) as store, Peer(world[1]) as peer:
            filling = Backfill(store, [])
            with pytest.raises(Unavailable):
                filling.step(peer)
            assert filling.step(peer)
        assert check(home / "ledger", installed()).is_sound


# --- lies --------------------------------------------------------------------------------------

Change = Callable[[list[PastBlock]], list[PastBlock]]


def flip(value: bytes) -> bytes:
    return value[:-1] + bytes([value[-1] ^ 1])


def first(**fields: Callable[[PastBlock], object]) -> Change:
    """Alter the first block that is not empty."""

    def change(blocks: list[PastBlock]) -> list[PastBlock]:
        at = next(at for at, block in enumerate(blocks) if block.transactions)
        altered = {name: how(blocks[at]) for name, how in fields.items()}
        return [*blocks[:at], msgspec.structs.replace(blocks[at], **altered), *blocks[at + 1 :]]

    return change


def another_event(block: PastBlock) -> tuple[bytes, ...]:
    receipt = msgspec.convert(load_cbor(block.receipts[0]), Receipt, builtin_types=(bytes,))
    altered = msgspec.structs.replace(receipt, code=receipt.code + 1)
    return (encode(altered), *block.receipts[1:])


LIES: dict[str, Change] = {
    "an entry": first(entries=lambda b: (flip(b.entries[0]), *b.entries[1:])),
    "entries swapped": first(entries=lambda b: (b.entries[1], b.entries[0], *b.entries[2:])),
    "a receipt": first(receipts=another_event),
    "receipts swapped": first(receipts=lambda b: (b.receipts[1], b.receipts[0], *b.receipts[2:])),
    "a receipt too few": first(receipts=lambda b: b.receipts[1:]),
    "a signature": first(transactions=lambda b: (flip(b.transactions[0]), *b.transactions[1:])),
    "transactions swapped": first(
        transactions=lambda b: (b.transactions[1], b.transactions[0], *b.transactions[2:])
    ),
    "a transaction too few": first(transactions=lambda b: b.transactions[1:]),
    "the time": first(time=lambda b: b.time + 1),
    "all of it": first(entries=lambda b: (), transactions=lambda b: (), receipts=lambda b: ()),
    "an empty block between": lambda blocks: [
        PastBlock(time=blocks[0].time, entries=(), transactions=(), receipts=()),
        *blocks,
    ],
    "a block left out": lambda blocks: blocks[1:],
    "blocks swapped": lambda blocks: [blocks[1], blocks[0], *blocks[2:]],
    "nothing": lambda blocks: [],
}


def liar(change: Change) -> Callable[[str, int, bytes], tuple[int, bytes]]:
    def alter(path: str, status: int, body: bytes) -> tuple[int, bytes]:
        if not path.startswith("/v1/history") or status != 200:
            return status, body
        found = load_cbor(body, most=len(body))
        blocks = list(msgspec.convert(found, tuple[PastBlock, ...], builtin_types=(bytes,)))
        return status, encode(tuple(change(blocks)))

    return alter


def test_a_past_that_never_was_is_not_stored(
    tmp_path: Path, world: tuple[Consortium, str], chance: random.Random
) -> None:
    home = begun(world, tmp_path)
    with Store(home / "ledger") as store:
        with store.snapshot() as committed:
            before = committed.gap
        for what, change in LIES.items():
            with (
                lying(world[1], liar(change)) as url,
                Peer(url) as peer,
                pytest.raises((ProofError, Malformed)),
            ):
                Backfill(store, []).step(peer)
            with store.snapshot() as committed:
                assert committed.gap == before, what
        # Beside a liar, an honest peer is enough.
        with lying(world[1], liar(chance.choice(list(LIES.values())))) as url:
            assert Backfill(store, [url, world[1]]).run()
    assert check(home / "ledger", installed()).is_sound


def _say(answer: bytes, _path: str, _status: int, _body: bytes) -> tuple[int, bytes]:
    return 200, answer


def test_what_is_no_answer_is_not_taken(tmp_path: Path, world: tuple[Consortium, str]) -> None:
    home = begun(world, tmp_path)
    answers = (b"", b"\xff", b"\x80", encode(("x",)), json.dumps([]).encode(), bytes(49_000_000))
    with Store(home / "ledger") as store:
        for answer in answers:
            said = partial(_say, answer)
            with lying(world[1], said) as url, Peer(url) as peer, pytest.raises(LedgerError):
                Backfill(store, []).step(peer)
        with pytest.raises(InvalidBlock):
            store.fill([], None)
