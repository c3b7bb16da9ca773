"""Throughput with a million state rows over that with ten thousand: the goal is 0.6.

Equal blocks: 1,000 signed transactions, each of which changes one row drawn at random from all
there are, which spares no page. As in a node, a block is prepared while its parent is being made
durable. Two chains take turns, so that both meet the same machine. Signatures are checked in the
second figure only, on the same core. Memory (goal: 600 MB of its own) and start-up (goal: 3 s) are
those with a million rows.
"""

import random
import tempfile
import time
from itertools import pairwise
from pathlib import Path
from statistics import median

from bench.measure import percentiles
from careledger.ledger.state import Changes
from careledger.ledger.transaction import (
    VerifiedTransaction,
    parse_transaction,
    verify_transaction,
)
from careledger.ledger.transition import Applied, Block, close_block
from careledger.store.store import Store
from tests.store.workload import MEMBERS, SHELVES, Keep, ShelfRow, create, run, signed

FEW, MANY = 10_000, 1_000_000
BLOCK = 1_000
BLOCKS, ROUNDS = 6, 5
GROW_BY = 20_000
MEMORY_GOAL_MB, START_GOAL_S = 600, 3.0


def grow(store: Store, rows: int) -> None:
    """Put so many rows, in blocks without transactions."""
    for first in range(0, rows, GROW_BY):
        changes: dict[bytes, bytes | None] = {}
        for number in range(first, min(first + GROW_BY, rows)):
            changes.update(row(number, b"x" * 100))
        delta = store.delta(changes)
        block = Block(height=store.latest.height + 1, time=store.latest.time, transactions=())
        applied = Applied(receipts=(), changes=changes)
        closed = close_block(applied, block, store.latest, delta.root, store.frontier)
        store.append(closed, (), (), changes, delta)


def row(number: int, text: bytes) -> Changes:
    return SHELVES.put(ShelfRow(text=text), MEMBERS[number % len(MEMBERS)], f"shelf {number:07}")


def block(rows: int, time_: int, chance: random.Random) -> list[VerifiedTransaction]:
    transactions = []
    for _ in range(BLOCK):
        number = chance.randrange(rows)
        command = Keep(shelf=f"shelf {number:07}", text=chance.randbytes(100))
        member = MEMBERS[number % len(MEMBERS)]
        transactions.append(signed(member, command, nonce=chance.randbytes(16), time=time_))
    return transactions


def block_times(store: Store, rows: int, chance: random.Random) -> list[float]:
    """Seconds from one block's being durable to the next one's."""
    begin = store.latest.time
    blocks = [block(rows, begin + 5 * number, chance) for number in range(1, BLOCKS + 1)]
    done = list(run(store, blocks))
    return [late - early for early, late in pairwise(done)]


def check_time(chance: random.Random) -> float:
    """Seconds to parse and check the signatures of one block."""
    raws = [(one.raw, one.key) for one in block(FEW, int(time.time()), chance)]
    started = time.perf_counter()
    for raw, key in raws:
        verify_transaction(parse_transaction(raw), key)
    return time.perf_counter() - started


def own_memory_mb() -> float:
    for line in Path("/proc/self/status").read_text().splitlines():
        if line.startswith("RssAnon:"):
            return int(line.split()[1]) / 1024
    raise OSError


def main() -> None:
    chance = random.Random(1)
    with tempfile.TemporaryDirectory() as place:
        folders = {rows: Path(place) / str(rows) for rows in (FEW, MANY)}
        times: dict[int, list[float]] = {FEW: [], MANY: []}
        with create(folders[FEW]) as few, create(folders[MANY]) as many:
            grow(few, FEW)
            grow(many, MANY)
            for _ in range(ROUNDS):
                times[FEW] += block_times(few, FEW, chance)
                times[MANY] += block_times(many, MANY, chance)
            memory = own_memory_mb()
        started = time.perf_counter()
        Store(folders[MANY]).close()
        start = time.perf_counter() - started
        size = (folders[MANY] / "data.mdb").stat().st_size / 1e6
        checking = check_time(chance)
    for rows, seconds in times.items():
        print(f"a block of {BLOCK:,} with {rows:>9,} rows: {percentiles(seconds)}")
    short, long = median(times[FEW]), median(times[MANY])
    both = (short + checking) / (long + checking)
    print(f"throughput, many rows / few, applying and storing: {short / long:.2f}")
    print(f"the same, signatures checked on the same core:     {both:.2f} (goal 0.60)")
    print(f"memory / goal of {MEMORY_GOAL_MB} MB: {memory / MEMORY_GOAL_MB:.2f} ({memory:.0f} MB)")
    print(f"start-up / goal of {START_GOAL_S:.0f} s:   {start / START_GOAL_S:.2f} ({start:.2f} s)")
    print(f"on disk: {size:.0f} MB")


if __name__ == "__main__":
    main()
