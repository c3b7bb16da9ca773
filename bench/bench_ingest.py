"""Bundles taken in from end to end: checked, sealed, indexed, committed to on the ledger.

Goal: 3,000 resources a second. The node is a process of its own; the gateway is this one, as
`careledger gateway run` composes it. Bundles are the project's own synthetic population, or with
DATA=folder those of Synthea (`*.json`, hospitals and practitioners first). The ratio is resources a
second over the goal; the signature library's rate on one core lets machines be compared.
"""

import asyncio
import os
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

from bench.exchange_world import RIVERSIDE, World, key
from bench.measure import per_second
from careledger.cli.demo.processes import Processes
from careledger.fhir.errors import FhirError
from careledger.fhir.synthetic.population import population
from careledger.ledger.signature import verify

PORT = 17_960
PATIENTS = 60
GOAL = 3_000


def bundles() -> Iterator[bytes]:
    folder = os.environ.get("DATA")
    if folder is None:
        for bundle in population(1, PATIENTS):
            if bundle.organisation == RIVERSIDE:
                yield bundle.body
        return
    files = Path(folder).glob("*.json")
    for path in sorted(files, key=lambda path: ("Information" not in path.name, path.name)):
        yield path.read_bytes()


async def measure(folder: Path) -> None:
    world = World.found(folder / "net", PORT)
    network = world.network
    data = list(bundles())
    with Processes(folder / "logs") as processes:
        processes.start("node", "node", "run", str(network.node_home))
        await processes.wait_until_up({"node": f"{network.node_url}/v1/health"}, network.chain)
        async with world.gateway(RIVERSIDE) as riverside:
            ingestion, resources, used = riverside.exchange.ingestion, 0, time.process_time()
            started = time.perf_counter()
            async for outcomes in ingestion.stream(data):
                assert not isinstance(outcomes, FhirError), outcomes
                resources += sum(outcome.status == 201 for outcome in outcomes)
            await ingestion.settled()
            elapsed = time.perf_counter() - started
            used = time.process_time() - used
    signing, message = key("anybody"), bytes(256)
    signature = signing.sign(message)
    rate = per_second(lambda: verify(signing.public, message, signature))
    print(f"ingest: {resources / elapsed / GOAL:.2f} of the goal of {GOAL} resources a second")
    size = sum(map(len, data)) / resources
    print(f"{resources} resources in {len(data)} bundles, {size:.0f} bytes each")
    print(f"processor time: as {used / resources * rate:.1f} checks of a signature, each")


def main() -> None:
    with tempfile.TemporaryDirectory() as folder:
        asyncio.run(measure(Path(folder)))


if __name__ == "__main__":
    main()
