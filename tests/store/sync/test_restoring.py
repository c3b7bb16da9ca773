"""A store that began from a snapshot goes on exactly like its source; a lying one is refused."""

import random
from collections.abc import Callable
from pathlib import Path

import msgspec
import pytest

from careledger.consensus.chain import Chain
from careledger.ledger.errors import CorruptStore, LedgerError, Malformed, ProofError
from careledger.ledger.genesis import load_genesis
from careledger.ledger.record import digest, encode
from careledger.ledger.transaction import Replayed
from careledger.store.store import Store
from careledger.store.sync import buckets
from careledger.store.sync.format import (
    ENTRIES,
    ROWS,
    Manifest,
    cut,
    decode_entries,
    decode_rows,
    encode_entry_items,
    encode_row_items,
    parse_manifest,
)
from careledger.store.sync.restoring import Restoration
from tests.store.sync.world import Snapshot, restore, snapshot_of, with_transactions
from tests.store.workload import (
    APPLICATIONS,
    CHAIN,
    INSTALLED,
    Workload,
    add,
    create,
    genesis_file,
    rows,
)


@pytest.mark.parametrize("blocks", [2, 3, 25])
def test_it_goes_on_alike(tmp_path: Path, chance: random.Random, blocks: int) -> None:
    load = Workload(chance.random().hex(), shelves=60)
    with create(tmp_path / "old") as old:
        load.run(old, blocks - 1)
        with_transactions(old, load)
        manifest, chunks = snapshot_of(old, tmp_path / "snapshots")
        restore(tmp_path / "new", manifest, chunks)
        with Store(tmp_path / "new") as new:
            assert new.latest == old.latest
            assert rows(new) == rows(old)
            for _ in range(4):
                transactions = load.transactions(old.latest.time + 5)
                assert add(old, transactions).header == add(new, transactions).header
                assert new.state_root == old.state_root
            # It is as good a source as the other, byte for byte.
            with_transactions(old, load := Workload(1))
            with_transactions(new, Workload(1))
            again = [snapshot_of(one, tmp_path / name) for one, name in ((old, "a"), (new, "b"))]
            assert again[0] == again[1]


def test_hashing_in_parts_gives_the_same(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    snapshot = taken(tmp_path, Workload("parts", shelves=400, most=40))
    monkeypatch.setattr(buckets, "PASS_ROWS", 20)
    restore(tmp_path / "new", *snapshot)
    with Store(tmp_path / "new") as new:
        assert new.state_root == snapshot[0].header.state_root


def test_what_was_ordered_lately_is_not_ordered_again(tmp_path: Path) -> None:
    """The snapshot brings the ids of every transaction that could be sent again."""
    load = Workload("seen")
    with create(tmp_path / "old") as old:
        sent = load.transactions(old.latest.time + 5) or load.transactions(old.latest.time + 5)
        add(old, sent)
        with_transactions(old, load)
        restore(tmp_path / "new", *snapshot_of(old, tmp_path / "snapshots"))
    with Store(tmp_path / "new") as new:
        chain = Chain(new, CHAIN, load_genesis(genesis_file())[1], INSTALLED)
        proposal = chain.prepare(sent, new.latest.time + 5).proposal
    assert proposal.chosen == []
    assert [type(error) for _, error in proposal.refused] == [Replayed] * len(sent)


# --- lies --------------------------------------------------------------------------------------


def taken(folder: Path, load: Workload, blocks: int = 6) -> Snapshot:
    with create(folder / "old") as old:
        load.run(old, blocks)
        with_transactions(old, load)
        return snapshot_of(old, folder / "snapshots")


@pytest.fixture(scope="module")
def honest(tmp_path_factory: pytest.TempPathFactory) -> Snapshot:
    return taken(tmp_path_factory.mktemp("honest"), Workload("lies", shelves=60))


def changed(manifest: Manifest, **fields: object) -> Manifest:
    found: Manifest = msgspec.structs.replace(manifest, **fields)
    return found


def with_chunks(manifest: Manifest, chunks: list[bytes], **more: object) -> Snapshot:
    """A manifest that names these chunks: whoever lies makes that fit."""
    return changed(manifest, chunks=tuple(map(digest, chunks)), **more), chunks


def other_rows(
    snapshot: Snapshot, change: Callable[[list[tuple[bytes, bytes]]], object]
) -> Snapshot:
    manifest, (entries, *rest) = snapshot
    pairs = [pair for chunk in rest for pair in decode_rows(chunk, b"")]
    change(pairs)
    chunks = [entries, *cut(ROWS, encode_row_items(pairs))]
    return with_chunks(manifest, chunks, rows=len(pairs))


def other_entries(snapshot: Snapshot, change: Callable[[list[bytes]], object]) -> Snapshot:
    manifest, (chunk, *rest) = snapshot
    entries = decode_entries(chunk)
    change(entries)
    return with_chunks(manifest, [*cut(ENTRIES, encode_entry_items(entries)), *rest])


def flip(value: bytes) -> bytes:
    return value[:-1] + bytes([value[-1] ^ 1])


def header_of(manifest: Manifest, **fields: object) -> Manifest:
    return changed(manifest, header=msgspec.structs.replace(manifest.header, **fields))


LIES: dict[str, Callable[[Snapshot], Snapshot]] = {
    "a row altered": lambda s: other_rows(s, lambda rows: rows.append((rows.pop()[0], b"x"))),
    "a row too few": lambda s: other_rows(s, lambda rows: rows.pop(3)),
    "a row too many": lambda s: other_rows(s, lambda rows: rows.append((b"\xff", b""))),
    "rows out of order": lambda s: other_rows(s, lambda rows: rows.reverse()),
    "a row twice": lambda s: other_rows(s, lambda rows: rows.insert(0, rows[0])),
    "an entry altered": lambda s: other_entries(s, lambda all_: all_.append(flip(all_.pop()))),
    "an entry left out": lambda s: other_entries(s, lambda all_: all_.pop(2)),
    "entries swapped": lambda s: other_entries(s, lambda all_: all_.insert(1, all_.pop(2))),
    "another number of rows": lambda s: (changed(s[0], rows=s[0].rows + 1), s[1]),
    "no rows": lambda s: with_chunks(s[0], s[1][:1], rows=0),
    "no entries": lambda s: with_chunks(s[0], s[1][1:]),
    "a chunk twice": lambda s: with_chunks(s[0], [s[1][0], *s[1]]),
    "a chunk of nothing": lambda s: with_chunks(s[0], [*s[1], b""]),
    "a chunk without rows": lambda s: with_chunks(s[0], [*s[1], ROWS]),
    "a chunk cut short": lambda s: with_chunks(s[0], [*s[1][:-1], s[1][-1][:-1]]),
    "a chunk of another kind": lambda s: with_chunks(s[0], [*s[1], b"\x03"]),
    "another height": lambda s: (header_of(s[0], height=s[0].header.height + 1_000), s[1]),
    "another time": lambda s: (header_of(s[0], time=s[0].header.time + 1), s[1]),
    "another state root": lambda s: (header_of(s[0], state_root=bytes(32)), s[1]),
    "another beginning of the block": lambda s: (
        header_of(s[0], first=s[0].header.first - 1),
        s[1],
    ),
    "another version": lambda s: (header_of(s[0], version=2), s[1]),
}


@pytest.mark.parametrize("lie", LIES)
def test_a_lying_snapshot_is_refused(tmp_path: Path, honest: Snapshot, lie: str) -> None:
    manifest, chunks = LIES[lie](honest)
    with pytest.raises(ProofError):
        restore(tmp_path / "new", parse_manifest(encode(manifest), CHAIN), chunks)
    assert list(tmp_path.iterdir()) == [], "nothing of it is left"


def test_an_honest_one_is_not(tmp_path: Path, honest: Snapshot) -> None:
    restore(tmp_path / "new", parse_manifest(encode(honest[0]), CHAIN), honest[1])
    assert [path.name for path in tmp_path.iterdir()] == ["new"]


def test_the_last_hour_cannot_be_left_out(tmp_path: Path) -> None:
    """Else a transaction of half an hour ago could be ordered again on the new node alone."""
    load = Workload("hour", shelves=60)
    with create(tmp_path / "old") as old:
        load.run(old, 3)
        with_transactions(old, load)
        newer = old.latest.size - 1
        before = old.frontier
        with_transactions(old, load)
        manifest, chunks = snapshot_of(old, tmp_path / "snapshots")
    entries = decode_entries(chunks[0])[newer:]
    frontier = before  # of the log that ends with the block entry at `newer`
    assert frontier.size == newer + 1
    with Store(tmp_path / "old") as old, old.snapshot() as committed:
        from careledger.store.sync.taking import frontier_at

        shorter = frontier_at(committed, newer).hashes
    lying = with_chunks(
        manifest,
        [*cut(ENTRIES, encode_entry_items(entries)), *chunks[1:]],
        begin=newer,
        before=shorter,
    )
    parse_manifest(encode(lying[0]), CHAIN)
    with pytest.raises(ProofError, match="last hour"):
        restore(tmp_path / "new", *lying)


@pytest.mark.parametrize(
    "fields",
    [
        {"chain": bytes(32)},
        {"edge": ()},
        {"edge": (b"",) * 3},
        {"begin": 2**52},
        {"before": (bytes(32),) * 64},
        {"before": (bytes(32),)},
        {"chunks": ()},
        {"chunks": (bytes(32),) * 25_001},
        {"format": "careledger-snapshot/2"},
    ],
)
def test_a_manifest_that_contradicts_itself(honest: Snapshot, fields: dict[str, object]) -> None:
    with pytest.raises((ProofError, Malformed)):
        parse_manifest(encode(changed(honest[0], **fields)), CHAIN)


def test_a_manifest_without_end(honest: Snapshot) -> None:
    for data in (b"", bytes(2 << 20), encode(honest[0])[:-1], encode(honest[0]) + b"\0"):
        with pytest.raises(LedgerError):
            parse_manifest(data, CHAIN)


def test_any_flipped_bit_of_a_manifest_is_noticed(
    tmp_path: Path, honest: Snapshot, chance: random.Random
) -> None:
    data = encode(honest[0])
    for number in range(150):
        at = chance.randrange(len(data))
        flipped = data[:at] + bytes([data[at] ^ 1 << chance.randrange(8)]) + data[at + 1 :]
        with pytest.raises(LedgerError):
            restore(tmp_path / str(number), parse_manifest(flipped, CHAIN), honest[1])


# --- what is there is not replaced ---------------------------------------------------------------


def test_a_ledger_with_blocks_stays(tmp_path: Path, honest: Snapshot) -> None:
    with create(tmp_path / "new") as store:
        add(store, [])
        latest = store.latest
    with pytest.raises(CorruptStore, match="holds blocks already"):
        restore(tmp_path / "new", *honest)
    with Store(tmp_path / "new") as store:
        assert store.latest == latest


def test_what_was_not_checked_does_not_become_the_ledger(tmp_path: Path, honest: Snapshot) -> None:
    manifest, chunks = honest
    with Restoration(tmp_path / "new", manifest, genesis_file(), APPLICATIONS) as restoration:
        restoration.add(chunks[0])
        with pytest.raises(ProofError, match="missing"):
            restoration.finish()
        with pytest.raises(ProofError, match="not the chunk"):
            restoration.add(chunks[0])
        with pytest.raises(CorruptStore):
            restoration.put_in_place()
    assert list(tmp_path.iterdir()) == []
