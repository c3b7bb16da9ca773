"""Our application over CometBFT against CometBFT's own kvstore: the same load, size and settings.

Goals: 0.6 of the kvstore's transactions a second with one validator and 0.5 with four, all on this
machine's cores; 30,000 record commitments a second on one validator, 10,000 on four. Both
applications get their transactions from the engine's RPC of one node, at most WINDOW waiting; the
kvstore checks no signature and keeps nothing durable of its own.

Then what people see: each transaction a request of its own at the doors of all nodes in turn.
First as many as get through with CONNECTIONS at each door, then half as many a second, evenly:
from submission to receipt.
"""

import asyncio
import os
import tempfile
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
from bench.http_load import Ask, load, paced
from bench.measure import percentiles

PORT = 17_800
TRANSACTIONS = {1: int(os.environ.get("TRANSACTIONS", "20000")), 4: 6_000}
WINDOW = {1: 4_000, 4: 2_000}
RECORDS = 64
GOALS = {1: (0.6, 30_000), 4: (0.5, 10_000)}
CONNECTIONS = 32
THROUGH_DOORS = 3_000
LATENCY_S = 10.0
COSE = {"Content-Type": "application/cose"}


async def compare(folder: Path, validators: int) -> None:
    network = found(folder / str(validators), validators, PORT + 100 * validators)
    signer = Signer(network, RECORDS)
    size, count, window = len(signer.sign()), TRANSACTIONS[validators], WINDOW[validators]
    async with ours(network) as running:
        await committed_rate(running, signer.sign, 2 * BATCH, window)
        before = processor_s(running.pids)
        rate = await committed_rate(running, signer.sign, count, window)
        after = processor_s(running.pids)
        doors = await door_rate(running, signer)
        latency = await latencies(running, signer, doors / 2)
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
    print(
        f"  single requests through the doors: {doors / rate:.2f} of that rate; submission to "
        f"receipt at half of them: {percentiles(latency)}"
    )


def asks(signer: Signer, count: int) -> list[Ask]:
    return [Ask("/v1/transactions", "POST", signer.sign()) for _ in range(count)]


async def door_rate(running: Running, signer: Signer) -> float:
    """Receipts a second, of single requests at all doors, each of them always asked."""
    urls = list(running.network.nodes.values())
    loads = await asyncio.gather(
        *(
            load(url, asks(signer, THROUGH_DOORS // len(urls)), COSE, connections=CONNECTIONS)
            for url in urls
        )
    )
    return sum(len(one.seconds) for one in loads) / max(one.elapsed_s for one in loads)


async def latencies(running: Running, signer: Signer, rate: float) -> list[float]:
    """From submission at the doors to the receipt, arrivals evenly spread."""
    urls = list(running.network.nodes.values())
    return (await paced(urls, asks(signer, int(rate * LATENCY_S)), COSE, rate)).seconds


async def measure(folder: Path) -> None:
    for validators in GOALS:
        await compare(folder, validators)


def main() -> None:
    with tempfile.TemporaryDirectory() as folder:
        asyncio.run(measure(Path(folder)))


if __name__ == "__main__":
    main()
