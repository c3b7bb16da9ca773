"""One resource across two organisations: decision, ledger record, check and all.

Goals: p50 15 ms and p95 40 ms for the first read, p95 10 ms within its session. The node, the
custodian's gateway and the requester are three processes that talk over HTTP. The ratio is goal
over measured: 1 meets it, 2 is twice as fast. What the disk takes to make a write durable is
measured in the same run: the first read waits for it, one in a session does not.
"""

import asyncio
import json
import os
import statistics
import tempfile
import time
from pathlib import Path

from bench.exchange_world import ANA, ANA_AT_LAKEVIEW, DR_CHO, LAKEVIEW, LOCAL, RIVERSIDE, World
from bench.measure import percentiles
from careledger.cli.demo.processes import Processes
from careledger.exchange.asker import Asker
from careledger.exchange.exchange import Exchange
from careledger.mechanisms.delivery import TermsPackage
from careledger.mechanisms.messages import Query

PORT = 17_940
FIRST, WITHIN = 150, 600
OBSERVATIONS = 300
ASKER = Asker(purpose="TREAT", practitioner=DR_CHO, role="clinician")


def record() -> bytes:
    """Ana, and what was measured."""
    entries = [_entry({"resourceType": "Patient", "id": "ana"})]
    for number in range(OBSERVATIONS):
        observation: dict[str, object] = {
            "resourceType": "Observation",
            "id": f"o{number}",
            "status": "final",
            "code": {"coding": [{"system": "http://loinc.org", "code": "4548-4"}]},
            "subject": {"reference": "Patient/ana"},
            "effectiveDateTime": "2026-06-01",
            "valueQuantity": {"value": 7.2, "unit": "%"},
        }
        entries.append(_entry(observation))
    return json.dumps({"resourceType": "Bundle", "type": "transaction", "entry": entries}).encode()


def _entry(resource: dict[str, object]) -> dict[str, object]:
    url = f"{resource['resourceType']}/{resource['id']}"
    return {"resource": resource, "request": {"method": "PUT", "url": url}}


def fsync_s(folder: Path) -> float:
    """How long the disk takes to make 4 KB durable, at the median."""
    times = []
    with (folder / "probe").open("wb") as file:
        for _ in range(50):
            file.write(bytes(4096))
            file.flush()
            started = time.perf_counter()
            os.fsync(file.fileno())
            times.append(time.perf_counter() - started)
    return statistics.median(times)


async def set_up(world: World) -> TermsPackage:
    """Ana's record at Riverside, and her consent, before Riverside's own process starts."""
    await world.enrol(RIVERSIDE, ANA)
    await world.enrol(LAKEVIEW, ANA_AT_LAKEVIEW)
    await world.enrol(LAKEVIEW, DR_CHO, practitioner=True)
    package = await world.consent()
    async with world.gateway(RIVERSIDE) as riverside:
        riverside.exchange.organisation.vault.register("ana", ANA)
        await riverside.exchange.ingestion.bundle(record())
        await riverside.exchange.ingestion.settled()
        await world.deliver(package, riverside)
    return package


async def read(exchange: Exchange, number: int) -> float:
    query = Query(type="Observation", id=f"o{number % OBSERVATIONS}")
    started = time.perf_counter()
    got = await exchange.requester.read(LOCAL, RIVERSIDE, query, ASKER)
    elapsed = time.perf_counter() - started
    assert len(got.resources) == 1
    return elapsed


async def measure(folder: Path) -> None:
    world = World.found(folder / "net", PORT)
    network = world.network
    chain, node = network.chain, f"{network.node_url}/v1/health"
    with Processes(folder / "logs") as processes:
        processes.start("node", "node", "run", str(network.node_home))
        await processes.wait_until_up({"node": node}, chain)
        package = await set_up(world)
        processes.start("riverside", "gateway", "run", str(network.home(RIVERSIDE)))
        gateway = f"{network.gateways[RIVERSIDE]}/health"
        await processes.wait_until_up({"riverside": gateway}, chain)
        async with world.gateway(LAKEVIEW) as lakeview:
            exchange = lakeview.exchange
            exchange.organisation.vault.register(LOCAL, ANA_AT_LAKEVIEW)
            await world.deliver(package, lakeview)
            for number in range(20):
                await read(exchange, number)
            first = []
            for number in range(FIRST):
                exchange.requester.forget_sessions()
                first.append(await read(exchange, number))
                await asyncio.sleep(0.05)  # its acknowledgement is another transaction
            within = [await read(exchange, number) for number in range(WITHIN)]
    disk = fsync_s(folder)
    say("first read, p50", 0.015, statistics.median(first))
    say("first read, p95", 0.040, statistics.quantiles(first, n=20)[-1])
    say("within a session, p95", 0.010, statistics.quantiles(within, n=20)[-1])
    print(f"first: {percentiles(first)}; within a session: {percentiles(within)}")
    print(f"the disk makes 4 KB durable in {disk * 1e3:.2f} ms (p50)")


def say(what: str, goal_s: float, measured_s: float) -> None:
    print(f"{what}: {goal_s / measured_s:.2f} of the goal's speed (goal {goal_s * 1e3:.0f} ms)")


def main() -> None:
    with tempfile.TemporaryDirectory() as folder:
        asyncio.run(measure(Path(folder)))


if __name__ == "__main__":
    main()
