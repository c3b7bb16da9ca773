"""Reads, searches, whole records and exports of a gateway process, consent decided each time.

Goals: 1,500 reads and 600 searches a second (patient, code and date), p99 of a search 30 ms, 1 MB
of `$everything` in 200 ms, an export of 5,000 resources a second. PATIENTS says how large the vault
is (RESOURCES of it are printed); the generator is on the same two cores. Reads and searches also
go to Medplum's router in memory, with HAPI=1 to HAPI's JPA server, over the same resources.
"""

import asyncio
import json
import os
import random
import tempfile
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import urlencode, urlsplit

import httpx2

from bench.bench_fhir_ingest import MODULES, PEER_HEADERS, ingest
from bench.gateway_world import Gateway, bundles, entries, gateway
from bench.http_load import Ask, Load, ask, load
from bench.measure import percentiles
from tests.peers.servers import hapi, medplum

PORT = 17_990
PATIENTS = int(os.environ.get("PATIENTS", "60"))
READS, SEARCHES, CONNECTIONS = 4_000, 2_000, 8


@dataclass(frozen=True)
class Known:
    """What there is to ask for: ids of observations, and code and patient of some of them."""

    reads: list[Ask]
    searches: list[Ask]
    patients: list[str]


async def known(url: str, headers: dict[str, str]) -> Known:
    """Page through all patients and, of each, the observations, as any client would."""
    patients = [str(one["id"]) for one in await _all(url, headers, "/Patient?_count=100")]
    chance, reads, searches = random.Random(7), list[Ask](), list[Ask]()
    for patient in patients:
        found = await _all(url, headers, f"/Observation?patient={patient}&_count=100", most=100)
        for one in found:
            reads.append(Ask(f"/Observation/{one['id']}"))
            coding = one["code"]["coding"][0]
            date = str(one.get("effectiveDateTime", "2020"))[:4]
            asked = {"patient": patient, "code": f"{coding['system']}|{coding['code']}"}
            searches.append(Ask("/Observation?" + urlencode(asked | {"date": f"ge{date}"})))
    chance.shuffle(reads)
    chance.shuffle(searches)
    return Known(_times(reads, READS), _times(searches, SEARCHES), patients)


def _times(asks: Sequence[Ask], count: int) -> list[Ask]:
    return [asks[number % len(asks)] for number in range(count)]


async def _all(
    url: str, headers: dict[str, str], path: str, most: int = 10_000
) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = []  # FHIR JSON
    while path and len(found) < most:
        status, body = await ask(url, Ask(path), headers)
        assert status == 200, body[:300]
        bundle = json.loads(body)
        found += [one["resource"] for one in bundle.get("entry", ())]
        following = [one["url"] for one in bundle.get("link", ()) if one["relation"] == "next"]
        rest = urlsplit(following[0]) if following else None
        path = "" if rest is None else f"{rest.path.removeprefix('/fhir')}?{rest.query}"
    return found


async def everything(one: Gateway, patients: Sequence[str]) -> None:
    asks = [Ask(f"/Patient/{each}/$everything") for each in patients[:40]]
    await load(one.url, asks[:3], one.headers, connections=1)
    found = await load(one.url, asks, one.headers, connections=1)
    per_mb = found.elapsed_s / (found.bytes_received / 1e6)
    print(
        f"everything: {0.2 / per_mb:.2f} of the goal (1 MB in 200 ms); {percentiles(found.seconds)}"
    )


async def export(one: Gateway, count: int) -> None:
    """Ordered, polled and fetched."""
    headers, lines = one.headers | {"Prefer": "respond-async"}, 0
    async with httpx2.AsyncClient(headers=headers, timeout=60) as client:
        begun = time.perf_counter()
        place = (await client.get(f"{one.url}/$export")).headers["content-location"]
        while (answer := await client.get(place)).status_code == 202:  # noqa: ASYNC110 - a poll
            await asyncio.sleep(0.02)
        for file in answer.json()["output"]:
            async with client.stream("GET", file["url"]) as stream:
                async for part in stream.aiter_bytes():
                    lines += part.count(b"\n")
    rate = lines / (time.perf_counter() - begun)
    print(
        f"export: {rate / 5_000:.2f} of the goal of 5,000 resources a second ({lines} of {count})"
    )


def told(what: str, goal: float, found: Load, processor_s: float) -> None:
    """Processor time is the gateway's alone; its rate is what it would do with a core to itself."""
    each = processor_s / len(found.seconds)
    print(
        f"{what}: {found.rate / goal:.2f} of the goal of {goal:.0f} a second, "
        f"{1 / each / goal:.2f} by processor time; {percentiles(found.seconds)}"
    )


async def ours(folder: Path, data: list[bytes]) -> tuple[Load, Load]:
    async with gateway(folder, PORT) as one:
        await ingest(one.url, one.headers, data)
        asks = await known(one.url, one.headers)
        await load(one.url, asks.searches[:200], one.headers, connections=CONNECTIONS)
        before = one.processor_s
        reads = await load(one.url, asks.reads, one.headers, connections=CONNECTIONS)
        told("read", 1_500, reads, one.processor_s - before)
        before = one.processor_s
        searches = await load(one.url, asks.searches, one.headers, connections=CONNECTIONS)
        told("search", 600, searches, one.processor_s - before)
        await everything(one, asks.patients)
        await export(one, sum(map(entries, data)))
        print(f"own memory at the end {one.private_mb:.0f} MB")
    return reads, searches


async def peer(url: str, data: list[bytes]) -> tuple[Load, Load]:
    await ingest(url, PEER_HEADERS, data)
    asks = await known(url, PEER_HEADERS)
    reads = await load(url, asks.reads[:1_000], PEER_HEADERS, connections=CONNECTIONS)
    searches = await load(url, asks.searches[:200], PEER_HEADERS, connections=CONNECTIONS)
    return reads, searches


async def measure(folder: Path) -> None:
    data = bundles(PATIENTS)
    print(f"{sum(map(entries, data))} resources of {PATIENTS} patients")
    reads, searches = await ours(folder / "ours", data)
    with medplum(MODULES, folder / "medplum.log") as url:
        theirs = await peer(url, data)
        against("Medplum in memory", (reads, searches), theirs)
    if os.environ.get("HAPI"):
        with hapi(folder / "hapi.log") as url:
            against("HAPI JPA, H2 in memory", (reads, searches), await peer(url, data))


def against(name: str, our: tuple[Load, Load], theirs: tuple[Load, Load]) -> None:
    print(
        f"read, ours / {name}: {our[0].rate / theirs[0].rate:.2f}; theirs "
        f"{percentiles(theirs[0].seconds)}"
    )
    print(
        f"search, ours / {name}: {our[1].rate / theirs[1].rate:.2f}; theirs "
        f"{percentiles(theirs[1].seconds)}"
    )


def main() -> None:
    with tempfile.TemporaryDirectory() as folder:
        asyncio.run(measure(Path(folder)))


if __name__ == "__main__":
    main()
