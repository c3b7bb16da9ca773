"""Signed transactions, durable when acknowledged, against the raw verify rate of one core.

Goals: 0.5 in process (0.75 is the prize), 0.35 over HTTP; p99 from submission to receipt at half
load 50 ms. The client, which shares the two cores, signs before the clock runs.
"""

import asyncio
import statistics
import tempfile
import time
from collections.abc import Awaitable, Callable
from pathlib import Path

from bench.measure import Signer, percentiles, trial_network
from careledger.consensus.intake import Ordered
from careledger.consensus.remote import RemoteNode
from careledger.node.config import load_node
from careledger.node.listening import serve
from careledger.node.serve import RunningNode, open_node

PORT = 17_900
TRANSACTIONS = 12_000
ROUNDS = 3
HTTP_BATCH = 250
HTTP_CLIENTS = 4
LATENCY_S = 4.0

Submit = Callable[[bytes], Awaitable[Ordered]]


async def in_process(node: RunningNode, raws: list[bytes]) -> float:
    started = time.perf_counter()
    ordered = await asyncio.gather(*[node.engine.enqueue(raw) for raw in raws])
    elapsed = time.perf_counter() - started
    assert all(one.receipt.code == 0 for one in ordered)
    return len(raws) / elapsed


async def over_http(url: str, raws: list[bytes]) -> float:
    batches = [raws[at : at + HTTP_BATCH] for at in range(0, len(raws), HTTP_BATCH)]

    async def client() -> None:
        async with RemoteNode(url) as remote:
            while batches:
                answers = await remote.submit_many(batches.pop())
                assert all(isinstance(one, Ordered) for one in answers)

    started = time.perf_counter()
    await asyncio.gather(*(client() for _ in range(HTTP_CLIENTS)))
    return len(raws) / (time.perf_counter() - started)


async def latencies(submit: Submit, signer: Signer, rate: float) -> list[float]:
    """Submission to receipt, arrivals evenly spread at `rate` a second."""
    raws = [signer.sign() for _ in range(int(rate * LATENCY_S))]
    times: list[float] = []

    async def one(raw: bytes) -> None:
        started = time.perf_counter()
        await submit(raw)
        times.append(time.perf_counter() - started)

    started = time.perf_counter()
    tasks = []
    for number, raw in enumerate(raws):
        await asyncio.sleep(max(0.0, started + number / rate - time.perf_counter()))
        tasks.append(asyncio.create_task(one(raw)))
    await asyncio.gather(*tasks)
    return times


def say(where: str, ratios: list[float], goal: float) -> None:
    middle, spread = statistics.median(ratios), f"{min(ratios):.2f} to {max(ratios):.2f}"
    print(f"{where}: {middle:.2f} of the raw verify rate, {spread} (goal {goal:.2f})")


async def measure(folder: Path) -> None:
    network, keys = trial_network(folder / "net", PORT)
    signer = Signer(network, keys)
    config = load_node(network.node_home)
    async with open_node(network.node_home, config) as node:
        opened = asyncio.Event()
        door = asyncio.create_task(serve(node.app, config.host, config.port, opened.set))
        await opened.wait()
        await asyncio.sleep(2)  # the workers start
        print(f"transaction size: {len(signer.sign())} bytes, two cores shared with the client")
        inside, outside, rates = [], [], []
        for _ in range(ROUNDS):
            first = [signer.sign() for _ in range(TRANSACTIONS)]
            second = [signer.sign() for _ in range(TRANSACTIONS)]
            raw_rate = signer.verify_rate()
            rates.append(await in_process(node, first))
            inside.append(rates[-1] / raw_rate)
            outside.append(await over_http(network.node_url, second) / raw_rate)
        say("in process", inside, 0.50)
        say("over HTTP", outside, 0.35)
        half = statistics.median(rates) / 2
        times = await latencies(node.engine.submit, signer, half)
        print(f"submit to receipt at half load: {percentiles(times)} (goal p99 50 ms)")
        door.cancel()
        await asyncio.gather(door, return_exceptions=True)


def main() -> None:
    with tempfile.TemporaryDirectory() as folder:
        asyncio.run(measure(Path(folder)))


if __name__ == "__main__":
    main()
