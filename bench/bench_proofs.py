"""Inclusion proofs at a million entries: built in 1 ms and verified in 0.3 ms are the goals.

The log's hashes lie in tiles of 256 as the store keeps them, here in memory. A ratio below 1 meets
its goal. One SHA-256 of a node is timed in the same run, so that machines can be compared.
"""

import random
import time
from collections.abc import Callable, Iterable

from careledger.ledger.merkle import (
    consistency_proof,
    inclusion_proof,
    leaf_hash,
    node_hash,
    verify_consistency,
    verify_inclusion,
)
from careledger.ledger.record import Digest
from careledger.store import tiles

SIZE = 1_000_000
EARLIER = 777_728
"""A multiple of 256, so that its root follows from whole tiles."""
PROOFS = 1_000
BUILD_GOAL_S, VERIFY_GOAL_S = 1e-3, 0.3e-3


def million() -> dict[tuple[int, int], bytes]:
    """The tiles of a log of a million entries."""
    stored: dict[tuple[int, int], bytes] = {}
    leaves = [leaf_hash(number.to_bytes(8)) for number in range(SIZE)]
    read = lambda level, number: stored.get((level, number), b"")  # noqa: E731
    for level, number, tile in tiles.grow(read, 0, leaves):
        stored[level, number] = tile
    return stored


def seconds_each(work: Callable[[int], object], items: Iterable[int]) -> float:
    """Median time of one."""
    times = []
    for item in items:
        started = time.perf_counter()
        work(item)
        times.append(time.perf_counter() - started)
    return sorted(times)[len(times) // 2]


def main() -> None:
    stored = million()

    def subtree(level: int, index: int) -> Digest:
        return tiles.subtree(lambda at, number: stored[at, number], level, index)

    def read(level: int, number: int) -> bytes:
        return stored[level, number]

    root = tiles.frontier(read, SIZE).root()
    indices = random.Random(1).sample(range(SIZE), PROOFS)
    paths = {index: inclusion_proof(index, SIZE, subtree) for index in indices}
    leaves = {index: leaf_hash(index.to_bytes(8)) for index in indices}

    node = seconds_each(lambda _: [node_hash(root, root) for _ in range(100)], range(200)) / 100
    build = seconds_each(lambda index: inclusion_proof(index, SIZE, subtree), indices)
    verify = seconds_each(
        lambda index: verify_inclusion(leaves[index], index, SIZE, paths[index], root), indices
    )
    early = tiles.frontier(read, EARLIER).root()
    joined = consistency_proof(EARLIER, SIZE, subtree)
    continued = seconds_each(
        lambda _: verify_consistency(EARLIER, SIZE, joined, early, root), range(PROOFS)
    )
    print(f"entries {SIZE:,}; path of {len(paths[indices[0]])}; one hash {node * 1e6:.2f} us")
    print(f"proof built / goal of 1 ms            {build / BUILD_GOAL_S:.3f}")
    print(f"proof verified / goal of 0.3 ms       {verify / VERIFY_GOAL_S:.3f}")
    print(f"consistency verified / goal of 0.3 ms {continued / VERIFY_GOAL_S:.3f}")
    print(f"proof built / its hashes alone        {build / (len(paths[indices[0]]) * node):.1f}")


if __name__ == "__main__":
    main()
