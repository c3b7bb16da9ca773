"""Taking snapshots: whole or not there, the newest kept, none of an empty block."""

from pathlib import Path

import pytest

from careledger.ledger.entry import BlockEntry, decode_entry
from careledger.ledger.errors import CorruptStore
from careledger.store.store import Store
from careledger.store.sync.format import SEEN_S, decode_entries
from careledger.store.sync.kept import Kept
from careledger.store.sync.taking import GivenUp, find_begin, take
from tests.store.sync.world import snapshot_of, with_transactions
from tests.store.workload import CHAIN, Keep, Workload, add, create, run, signed


def test_only_the_newest_are_kept(store: Store, tmp_path: Path) -> None:
    load, kept = Workload("kept"), Kept(tmp_path / "snapshots")
    with_transactions(store, load)
    heights = []
    for _ in range(4):
        with_transactions(store, load)
        heights.append(snapshot_of(store, kept.folder)[0].header.height)
    assert kept.heights() == heights[:1:-1]
    assert kept.newest_taken() is not None
    assert kept.manifest(heights[0]) is None
    assert kept.chunk(heights[-1], 999) is None
    (kept.folder / "something else").mkdir()
    assert kept.heights() == heights[:1:-1]


def test_of_an_empty_block_or_the_first_there_is_none(store: Store, tmp_path: Path) -> None:
    for height in range(2):
        if height:
            add(store, [])
        with store.snapshot() as committed, pytest.raises(CorruptStore):
            take(committed, tmp_path)
    assert Kept(tmp_path).heights() == []


def test_one_that_takes_too_much_is_given_up(store: Store, tmp_path: Path) -> None:
    load = Workload("busy")
    for _ in range(2):
        with_transactions(store, load)

    def check() -> None:
        raise GivenUp

    with store.snapshot() as committed, pytest.raises(GivenUp):
        take(committed, tmp_path, check)
    assert Kept(tmp_path).heights() == []
    snapshot_of(store, tmp_path)
    assert Kept(tmp_path).heights() == [store.latest.height]
    assert Kept(tmp_path).load(store.latest.height, CHAIN) is not None
    assert Kept(tmp_path).load(store.latest.height, type(CHAIN)(bytes(32))) is None


def test_it_brings_the_entries_of_an_hour(tmp_path: Path) -> None:
    """From the newest block entry on that is older than any transaction may be."""
    with create(tmp_path / "chain") as store:
        time, blocks = store.latest.time, []
        for number in range(12):
            time += 600
            keep = Keep(shelf=str(number), text=b"x")
            blocks.append([signed("riverside", keep, nonce=number.to_bytes(16), time=time)])
        list(run(store, blocks, step_s=600))
        (manifest, chunks) = snapshot_of(store, tmp_path / "snapshots")
        times = [
            entry.time
            for entry in map(decode_entry, decode_entries(chunks[0]))
            if isinstance(entry, BlockEntry)
        ]
        assert times[0] < store.latest.time - SEEN_S <= times[1]
        assert manifest.begin > 0
        with store.snapshot() as committed:
            assert find_begin(committed) == manifest.begin
