"""Four validators far apart: how long people wait, and how soon a revocation holds everywhere.

Every pair of engines is 50 to 150 ms apart, one way, the same in both directions, drawn from a
seed; the same network without added delay is measured by turns with it, in the same run. The
kernels we measure on have no netem, so the delay is in relays of ours between the engines
(`tests/faults/relays.py`): it is added to loopback, nothing is lost or reordered, and people reach
their nodes without it. Goal: 1 s from the acknowledgement of a revocation until the ledger of
every node has it, and with it refuses.
"""

import asyncio
import itertools
import math
import os
import random
import tempfile
import time
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

from bench.measure import percentiles
from careledger.consensus.remote import RemoteNode
from tests.faults.history import Operation
from tests.faults.people import People, wrongly_disclosed
from tests.faults.relays import Link
from tests.faults.validators import Validators

SECONDS = float(os.environ.get("SECONDS", "60"))
"""Of each kind."""

ROUNDS = 3
"""Of both kinds by turns, so that what else the machine does falls on both."""

PATIENTS = 3
NEAREST_S, FARTHEST_S = 0.05, 0.15
GOAL_S = 1.0
SEED = 7
LOOK_S = 0.005
"""Between two looks at a node whether it has a revocation."""


@dataclass
class Measured:
    """One kind of phase: how long each transaction took, and each revocation beyond that."""

    commits: list[float] = field(default_factory=list)
    everywhere: list[float] = field(default_factory=list)
    blocks: int = 0
    seconds: float = 0.0

    def add(self, other: "Measured") -> None:
        """Count another phase of the same kind in."""
        self.commits += other.commits
        self.everywhere += other.everywhere
        self.blocks += other.blocks
        self.seconds += other.seconds


async def phase(network: Validators, seconds: float) -> Measured:
    """People use the network for so long; what they saw."""
    people = People(network.network, [node.url for node in network.nodes], random.Random(SEED))
    await people.arrive(PATIENTS)
    measured = Measured()
    remotes = [RemoteNode(node.url) for node in network.nodes]
    begun, height, seen = time.monotonic(), network.nodes[0].height, len(people.operations)
    watching: list[asyncio.Task[float]] = []
    while time.monotonic() < begun + seconds:
        new = people.operations[seen:]
        seen += len(new)
        measured.commits += [one.acknowledged - one.sent for one in new]
        watching += [
            asyncio.create_task(_everywhere(one, remotes))
            for one in new
            if one.kind == "RevokeConsent" and one.code == 0
        ]
        await asyncio.sleep(LOOK_S)
    measured.blocks = network.nodes[0].height - height
    measured.seconds = time.monotonic() - begun
    measured.everywhere = await asyncio.gather(*watching)
    await people.leave()
    for remote in remotes:
        await remote.close()
    if wrong := wrongly_disclosed(people):
        raise RuntimeError(wrong)
    if math.inf in measured.commits:
        raise RuntimeError("something was never acknowledged")
    return measured


async def _everywhere(revocation: Operation, remotes: Sequence[RemoteNode]) -> float:
    """From its acknowledgement until every node has it in its ledger."""

    async def there(remote: RemoteNode) -> None:
        while await remote.receipt(revocation.id) is None:  # noqa: ASYNC110 - it is far away
            await asyncio.sleep(LOOK_S)

    await asyncio.gather(*map(there, remotes))
    return time.monotonic() - revocation.acknowledged


def delays(count: int) -> dict[Link, float]:
    """How far apart each two are."""
    chance = random.Random(SEED)
    pairs = list(itertools.combinations(range(count), 2))
    found = {pair: chance.uniform(NEAREST_S, FARTHEST_S) for pair in pairs}
    return found | {(other, one): delay for (one, other), delay in found.items()}


def report(name: str, found: Measured) -> None:
    slowest = max(found.everywhere)
    pace = found.blocks / found.seconds
    print(f"{name}: {len(found.commits)} transactions, {pace:.1f} blocks a second")
    print(f"  sent to acknowledged: {percentiles(found.commits)}")
    print(
        f"  revocation acknowledged to in force at every node: {percentiles(found.everywhere)}, "
        f"at most {slowest * 1e3:.0f} ms of {len(found.everywhere)}; goal {GOAL_S:g} s: "
        f"{'met' if slowest <= GOAL_S else 'MISSED'}"
    )


def ratios(far: Sequence[float], near: Sequence[float]) -> str:
    """Of p50, p95 and p99."""
    pairs = [(_at(far, p), _at(near, p)) for p in (0.50, 0.95, 0.99)]
    return "/".join(f"{one / other:.2f}" for one, other in pairs)


def _at(values: Sequence[float], share: float) -> float:
    return sorted(values)[min(len(values) - 1, math.ceil(len(values) * share) - 1)]


def main() -> None:
    near, far = Measured(), Measured()
    with tempfile.TemporaryDirectory() as folder, Validators(Path(folder) / "network") as network:
        apart = delays(len(network.nodes))
        for _ in range(ROUNDS):
            network.relays.slow(lambda _: 0.0)
            near.add(asyncio.run(phase(network, SECONDS / ROUNDS)))
            network.relays.slow(lambda link: apart[link])
            far.add(asyncio.run(phase(network, SECONDS / ROUNDS)))
    report("no added delay", near)
    added = ", ".join(f"{value * 1e3:.0f}" for value in sorted(set(apart.values())))
    report(f"{added} ms one way between each two", far)
    print(f"far / near, p50/p95/p99: sent to acknowledged {ratios(far.commits, near.commits)}")
    print(f"  acknowledged to everywhere {ratios(far.everywhere, near.everywhere)}")


if __name__ == "__main__":
    main()
