"""When a node takes snapshots: at the same heights everywhere, and never at any price."""

import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from careledger.node import snapshots
from careledger.node.snapshots import Snapshotting
from careledger.store.store import Store
from careledger.store.sync.kept import Kept
from tests.store.sync.world import with_transactions
from tests.store.workload import Workload, add, create

PATIENCE_S = 30


@contextmanager
def watched(folder: Path, every: int, most: int = 99) -> Iterator[tuple[Store, Kept]]:
    with create(folder / "ledger") as store:
        taking = Snapshotting(
            store, folder / "ledger", Kept(folder / "snapshots"), every=every, most=most
        )
        taking.start()
        try:
            yield store, taking.kept
        finally:
            taking.close()


def settle(kept: Kept, heights: list[int]) -> None:
    end = time.monotonic() + PATIENCE_S
    while kept.heights() != heights:
        assert time.monotonic() < end, (kept.heights(), heights)
        time.sleep(0.01)


def test_of_the_first_block_with_entries_at_or_after_each_multiple(tmp_path: Path) -> None:
    load = Workload("due", most=3)
    full = {1, 2, 3, 7, 8, 14, 15, 16}  # all others are empty
    expected = {5: [7, 14, 15], 2: [2, 7, 8, 14, 16], 1: [2, 3, 7, 8, 14, 15, 16], 99: []}
    for every, heights in expected.items():
        with watched(tmp_path / str(every), every) as (store, kept):
            done: list[int] = []
            for height in range(1, 17):
                if height in full:
                    with_transactions(store, load)
                else:
                    add(store, [])
                if height in heights:
                    done.insert(0, height)
                settle(kept, done)


def test_the_newest_are_kept_and_what_a_crash_left_goes(tmp_path: Path) -> None:
    left = tmp_path / "snapshots" / "0000000000000009.part"
    left.mkdir(parents=True)
    with watched(tmp_path, every=1, most=2) as (store, kept):
        assert not left.exists()
        for _ in range(5):
            with_transactions(store, Workload("kept"))
            if store.latest.height > 1:
                newest = range(store.latest.height, max(store.latest.height - 2, 1), -1)
                settle(kept, list(newest))


def test_one_that_lets_the_ledger_grow_too_much_is_given_up(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr(snapshots, "GROWTH_BYTES", -1)
    monkeypatch.setattr(snapshots, "GROWTH_SHARE", -1.0)
    with watched(tmp_path, every=1) as (store, kept):
        for _ in range(2):
            with_transactions(store, Workload("growth"))
        end = time.monotonic() + PATIENCE_S
        while "has grown" not in caplog.text:
            assert time.monotonic() < end
            time.sleep(0.01)
    assert kept.heights() == []
    assert list((tmp_path / "snapshots").iterdir()) == []
