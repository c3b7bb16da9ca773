"""Bundles over HTTP into a gateway process, with the small index and with all parameters.

Goals: 5,000 resources a second with the small index, 1,500 with all, memory flat however much
comes; on SQLite and on PostgreSQL (where its programs are installed). Then LINES resources come as
one `$import`, and memory is told at its quarters. The generator is on the same two cores. The same
bundles go to Medplum's router in memory in the same run, with HAPI=1 to HAPI's JPA server too;
PEERS=0 leaves both out. What each of them checks on the way: docs/reference/performance.md.
"""

import asyncio
import os
import tempfile
import time
from collections.abc import AsyncIterator
from pathlib import Path

import httpx2

from bench.exchange_world import World
from bench.gateway_world import FHIR_JSON, bundles, directories, entries, gateway
from bench.grown_record import Renamed, fill, resources_of
from bench.http_load import Ask, Load, load
from bench.measure import percentiles
from careledger.exchange.bulk.writing import one_line
from careledger.node.gateway_process import RunningGateway
from careledger.vault.opening import Opened
from tests.peers.servers import hapi, medplum
from tests.postgres import programs, server

PORT = 17_970
PATIENTS = int(os.environ.get("PATIENTS", "60"))
GOALS = {"small": 5_000, "all": 1_500}
LINES = int(os.environ.get("LINES", "40000"))
CONNECTIONS = 4
MODULES = Path(__file__).parents[1] / "tests" / "interop" / "node_modules"
NDJSON = "application/fhir+ndjson"
PEER_HEADERS = {"Content-Type": FHIR_JSON, "Accept": FHIR_JSON}


async def ingest(url: str, headers: dict[str, str], data: list[bytes]) -> Load:
    """The directory bundles one after another, then all patients at once."""
    asks = [Ask("/", "POST", one) for one in data]
    first = directories(data)
    directory = await load(url, asks[:first], headers, connections=1)
    people = await load(url, asks[first:], headers, connections=CONNECTIONS)
    return Load(
        directory.seconds + people.seconds,
        directory.elapsed_s + people.elapsed_s,
        directory.bytes_received + people.bytes_received,
    )


async def ours(
    folder: Path, data: list[bytes], index: str, port: int, **settings: object
) -> tuple[float, str]:
    """Resources a second, and a line about it; memory at half of the input and at its end."""
    half = len(data) // 2
    async with gateway(folder, port, settings | {"index": index}) as one:
        spent = one.spent
        before = await ingest(one.url, one.headers, data[:half])
        at_half = one.private_mb
        asks = [Ask("/", "POST", each) for each in data[half:]]
        after = await load(one.url, asks, one.headers, connections=CONNECTIONS)
        seconds = before.seconds + after.seconds
        count = sum(map(entries, data))
        rate = count / (before.elapsed_s + after.elapsed_s)
        each = ", ".join(
            f"{name} {(now - spent[name]) / count * 1e6:.0f}" for name, now in one.spent.items()
        )
        memory = f"own memory {at_half:.0f} MB at half, {one.private_mb:.0f} MB at the end"
    return rate, f"a bundle {percentiles(seconds)}; {memory}; processor time in µs each: {each}"


async def measure(folder: Path) -> None:
    data = bundles(PATIENTS)
    count = sum(map(entries, data))
    print(f"{count} resources in {len(data)} bundles, {sum(map(len, data)) / count:.0f} bytes each")
    rate, where = 0.0, programs()
    for number, (index, goal) in enumerate(GOALS.items()):
        rate, told = await ours(folder / index, data, index, PORT + 20 * number)
        print(f"index {index}, SQLite: {rate / goal:.2f} of the goal of {goal}; {told}")
        if where is None:
            continue
        with server(where, durable=True) as database:
            file = folder / f"{index}.secret"
            file.touch(0o600)
            file.write_text(database)
            home, port = folder / f"{index}-postgres", PORT + 20 * number + 10
            in_postgres, told = await ours(home, data, index, port, postgres=str(file))
        print(f"index {index}, PostgreSQL: {in_postgres / goal:.2f} of the goal; {told}")
    await streamed(folder / "stream", data)
    if os.environ.get("PEERS") != "0":
        await peers(folder, data, rate)


async def streamed(folder: Path, data: list[bytes]) -> None:
    """One body of LINES lines: the record that is there, patient by patient, under new ids."""
    models: list[list[Opened]] = []

    async def first(_: World, here: RunningGateway) -> None:
        record = await fill(here, data)
        models.extend(resources_of(here, local) for local in record.accounts)

    async with gateway(folder, PORT + 60, first=first) as one:
        memory = list[float]()

        async def body() -> AsyncIterator[bytes]:
            sent = 0
            for number in range(LINES):
                if sent >= LINES * (len(memory) + 1) // 4:
                    memory.append(one.private_mb)
                if sent >= LINES:
                    return
                fresh = Renamed(models[number % len(models)])
                lines = [fresh.renamed(one_line(each.data)) for each in fresh.patient_first]
                sent += len(lines)
                yield b"".join(line + b"\n" for line in lines)

        headers = one.headers | {"Content-Type": NDJSON}
        async with httpx2.AsyncClient(headers=headers, timeout=None) as client:
            began = time.perf_counter()
            answer = await client.post(f"{one.url}/$import", content=body())
        elapsed = time.perf_counter() - began
        stored, refused = (each["valueInteger"] for each in answer.json()["parameter"][:2])
        assert not refused, answer.text[:500]
    told = "/".join(f"{each:.0f}" for each in memory)
    print(
        f"$import: {stored / elapsed / GOALS['all']:.2f} of the goal of {GOALS['all']}, all "
        f"parameters; own memory at the quarters of {stored} lines {told} MB"
    )


async def peers(folder: Path, data: list[bytes], ours_all: float) -> None:
    """The same bundles to servers that others wrote."""
    count = sum(map(entries, data))
    with medplum(MODULES, folder / "medplum.log") as url:
        found = await ingest(url, PEER_HEADERS, data)
        print(
            f"ours, all parameters / Medplum in memory: {ours_all / (count / found.elapsed_s):.2f}"
        )
    if os.environ.get("HAPI"):
        with hapi(folder / "hapi.log") as url:
            found = await ingest(url, PEER_HEADERS, data)
            print(
                f"ours, all parameters / HAPI JPA, H2: {ours_all / (count / found.elapsed_s):.2f}"
            )


def main() -> None:
    with tempfile.TemporaryDirectory() as folder:
        asyncio.run(measure(Path(folder)))


if __name__ == "__main__":
    main()
