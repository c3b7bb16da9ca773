"""Thousands of heights of a network in one process: no fork, no loss, and one seed one run."""

import random
import time
from pathlib import Path

import pytest

from careledger.ledger.record import Digest, digest
from careledger.ledger.transition import Header
from careledger.node.fsck import check
from careledger.store.store import Store
from tests.consensus.cometbft.simulation import Seen, Simulation, simulation
from tests.consensus.cometbft.world import INSTALLED


def _run(folder: Path, seed: str, heights: int) -> Seen:
    with simulation(folder, random.Random(seed)) as running:
        for _ in range(heights):
            running.step()
        running.settle()
        _check_logs(running)
        seen = running.seen
    for node in range(len(running.nodes)):
        report = check(folder / str(node), INSTALLED)
        assert report.is_sound, report.findings
    return seen


def _check_logs(running: Simulation) -> None:
    """One history everywhere, each transaction once, and nothing that nobody let in."""
    first, *others = (_history(node.store) for node in running.nodes)
    for other in others:
        assert other == first
    ordered, *_ = first
    assert len(ordered) == len(set(ordered)) > running.seen.blocks
    # Nothing inadmissible was decided, so nothing that was decided is left out.
    assert set(ordered) == {raw for block in running.blocks for raw in block.transactions}


def _history(store: Store) -> tuple[list[bytes], list[bytes], Digest, Header]:
    """Transactions, entries, all rows, and where the chain stands."""
    with store.snapshot() as committed:
        latest = committed.latest()
        raws = (committed.transaction_at(index) for index in range(latest.size))
        rows = b"".join(key + row for key, row in committed.pairs("rows"))
        ordered = [raw for raw in raws if raw is not None]
        return ordered, committed.entries(0, latest.size), digest(rows), latest


def _happened(seen: Seen) -> bool:
    return bool(
        seen.crashes
        and seen.lost_commits
        and seen.replayed
        and seen.rejected
        and seen.rounds > seen.blocks
        and seen.admitted
    )


def test_copies_of_the_application_agree_whatever_happens(
    tmp_path: Path, chance: random.Random
) -> None:
    seed = str(chance.random())
    seen = _run(tmp_path / "once", seed, 60)
    assert _happened(seen)


def test_the_same_seed_gives_the_same_run(tmp_path: Path, chance: random.Random) -> None:
    seed = str(chance.random())
    once, again = (_run(tmp_path / name, seed, 20) for name in ("once", "again"))
    assert once.transcript.digest() == again.transcript.digest()
    other = _run(tmp_path / "other", seed + "?", 20)
    assert other.transcript.digest() != once.transcript.digest()


@pytest.mark.soak
def test_copies_of_the_application_agree_for_thousands_of_heights(
    tmp_path: Path, seed: int, soak_seconds: float
) -> None:
    until, number, heights = time.monotonic() + soak_seconds, 0, 0
    while time.monotonic() < until:
        seen = _run(tmp_path / str(number), f"{seed} {number}", 1_000)
        heights, number = heights + seen.blocks, number + 1
        print(f"simulated {heights:,} heights; this run: seed '{seed} {number - 1}'", flush=True)
        assert _happened(seen)
