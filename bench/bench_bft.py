"""Our application over CometBFT against CometBFT's own kvstore: the same load, size and settings.

Goals: 0.6 of the kvstore's transactions a second with one validator and 0.5 with four, all on this
machine's cores; 30,000 record commitments a second on one validator, 10,000 on four; and from
submission to receipt at half load, p50 and p99 on four validators. Both applications get their
transactions from the engine's RPC of one node, at most WINDOW waiting; the kvstore checks no
signature and keeps nothing durable of its own.
"""

import asyncio
import os
import tempfile
import time
from pathlib import Path

from bench.engines import (
    BATCH,
    Running,
    Signer,
    committed_rate,
    found,
    kvstore,
    ours,
    pair,
    processor_s,
)
from bench.measure import percentiles
from careledger.consensus.intake import Ordered
from careledger.consensus.remote import RemoteNode

PORT = 17_800
TRANSACTIONS = {1: int(os.environ.get("TRANSACTIONS", "20000")), 4: 6_000}
WINDOW = {1: 4_000, 4: 2_000}
RECORDS = 64
GOALS = {1: (0.6, 30_000), 4: (0.5, 10_000)}
LATENCY_S = 10.0


async def compare(folder: Path, validators: int) -> None:
    network = found(folder / str(validators), validators, PORT + 100 * validators)
    signer = Signer(network, RECORDS)
    size, count, window = len(signer.sign()), TRANSACTIONS[validators], WINDOW[validators]
    async with ours(network) as running:
        await committed_rate(running, signer.sign, 2 * BATCH, window)
        before = processor_s(running.pids)
        rate = await committed_rate(running, signer.sign, count, window)
        after = processor_s(running.pids)
        latency = await latencies(running, signer, rate / 2)
    async with kvstore(network) as running:
        await committed_rate(running, lambda: pair(size), 2 * BATCH, window)
        theirs = await committed_rate(running, lambda: pair(size), count, window)
    goal, commitments = GOALS[validators]
    print(
        f"{validators} validators, {size} bytes: {rate / theirs:.2f} of kvstore's transactions a "
        f"second (goal {goal}); record commitments {rate * RECORDS / commitments:.2f} of the goal "
        f"of {commitments:,} a second"
    )
    spent = {name: (after[name] - before.get(name, 0)) / count * 1e6 for name in sorted(after)}
    print(
        "  processor time a transaction, all nodes: "
        + ", ".join(f"{name} {us:.0f} µs" for name, us in spent.items())
    )
    print(f"  submission to receipt at half load: {percentiles(latency)}")


async def latencies(running: Running, signer: Signer, rate: float) -> list[float]:
    """From submission at each node's own door to the receipt, arrivals evenly spread."""
    urls = list(running.network.nodes.values())
    times: list[float] = []

    async def one(remote: RemoteNode, raw: bytes) -> None:
        started = time.perf_counter()
        assert isinstance(await remote.submit(raw), Ordered)
        times.append(time.perf_counter() - started)

    remotes = [RemoteNode(url) for url in urls]
    raws = [signer.sign() for _ in range(int(rate * LATENCY_S))]
    begun, tasks = time.perf_counter(), []
    for number, raw in enumerate(raws):
        await asyncio.sleep(max(0.0, begun + number / rate - time.perf_counter()))
        tasks.append(asyncio.create_task(one(remotes[number % len(remotes)], raw)))
    await asyncio.gather(*tasks)
    for remote in remotes:
        await remote.close()
    return times


async def measure(folder: Path) -> None:
    for validators in GOALS:
        await compare(folder, validators)


def main() -> None:
    with tempfile.TemporaryDirectory() as folder:
        asyncio.run(measure(Path(folder)))


if __name__ == "__main__":
    main()
