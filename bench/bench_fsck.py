"""fsck against the writing of the same chain: at least as fast is the goal.

The chain is written as a node does it: signatures are checked in a worker process while a block of
1,000 is chosen and applied here and the one before is being made durable.
"""

import random
import resource
import tempfile
import time
from concurrent.futures import ProcessPoolExecutor
from multiprocessing import get_context
from pathlib import Path
from statistics import median

from careledger.ledger.signature import PublicKey
from careledger.ledger.transaction import (
    VerifiedTransaction,
    parse_transaction,
    verify_transaction,
)
from careledger.node.fsck import check
from tests.store.workload import INSTALLED, MEMBERS, Keep, create, run, signed

TRANSACTIONS = 30_000
BLOCK = 1_000
SHELVES = 20_000
ROUNDS = 3


def verified(raws: list[tuple[bytes, PublicKey]]) -> float:
    """In a worker: what a node's worker does with them. Seconds of its core that it took."""
    started = time.process_time()
    for raw, key in raws:
        verify_transaction(parse_transaction(raw), key)
    return time.process_time() - started


def transactions(chance: random.Random, begin: int) -> list[list[VerifiedTransaction]]:
    return [
        [
            signed(
                chance.choice(MEMBERS),
                Keep(shelf=str(chance.randrange(SHELVES)), text=chance.randbytes(80)),
                nonce=chance.randbytes(16),
                time=begin + 5 * number,
            )
            for _ in range(BLOCK)
        ]
        for number in range(1, TRANSACTIONS // BLOCK + 1)
    ]


def write(folder: Path, worker: ProcessPoolExecutor) -> tuple[float, float]:
    """Seconds, and seconds of all cores, that writing took."""
    with create(folder) as store:
        blocks = transactions(random.Random(1), store.latest.time)
        started, spent = time.perf_counter(), time.process_time()
        checking = [
            worker.submit(verified, [(one.raw, one.key) for one in block]) for block in blocks
        ]
        arriving = (
            block
            for block, checked in zip(blocks, checking, strict=True)
            if checked.result() is not None
        )
        *_, ended = run(store, arriving)
        spent = time.process_time() - spent + sum(checked.result() for checked in checking)
    return ended - started, spent


def read(folder: Path) -> tuple[float, float]:
    """Seconds, and seconds of all cores, that checking took."""
    started, spent = time.perf_counter(), children_s()
    report = check(folder, INSTALLED)
    assert report.is_sound, report.findings
    assert report.transactions == TRANSACTIONS
    return time.perf_counter() - started, children_s() - spent


def children_s() -> float:
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    return used.ru_utime + used.ru_stime


def main() -> None:
    ratios, work = [], []
    with ProcessPoolExecutor(1, mp_context=get_context("spawn")) as worker:
        worker.submit(verified, []).result()
        for _ in range(ROUNDS):
            with tempfile.TemporaryDirectory() as place:
                writing, writing_work = write(Path(place), worker)
                reading, reading_work = read(Path(place))
            ratios.append(writing / reading)
            work.append(writing_work / reading_work)
            rates = TRANSACTIONS / writing, TRANSACTIONS / reading
            print(f"  written {rates[0]:,.0f}/s, checked {rates[1]:,.0f}/s")
    print(f"fsck / writing, transactions a second:      {median(ratios):.2f} (goal 1.00)")
    print(f"fsck / writing, transactions a core second: {median(work):.2f}")


if __name__ == "__main__":
    main()
