"""A node process and Riverside's gateway process, spoken to over HTTP like any FHIR server."""

import os
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path

import msgspec

from bench.exchange_world import RIVERSIDE, World
from careledger.cli.demo.processes import Processes
from careledger.cli.smart import Session, member_client
from careledger.fhir.synthetic.population import population
from careledger.node.config import GATEWAY_FILE, format_toml, load_gateway
from careledger.node.gateway_process import RunningGateway, open_gateway

FHIR_JSON = "application/fhir+json"


First = Callable[[World, RunningGateway], Awaitable[None]]


@dataclass(frozen=True)
class Gateway:
    """Riverside's gateway, and a signed-in system of its own."""

    url: str
    headers: dict[str, str]
    process: int
    """Its process id."""
    node: int
    """That of the node."""

    @property
    def processor_s(self) -> float:
        """Processor time that the process has used, in seconds."""
        return _processor_s([self.process])

    @property
    def spent(self) -> dict[str, float]:
        """Processor time so far, in seconds: gateway, node, the processes of each, ourselves."""
        return {
            "gateway": _processor_s([self.process]),
            "its workers": _processor_s(_children(self.process)),
            "node": _processor_s([self.node]),
            "the node's workers": _processor_s(_children(self.node)),
            "client": time.process_time(),
        }

    @property
    def private_mb(self) -> float:
        """Memory that is the process's own (RssAnon), in MB."""
        status = Path(f"/proc/{self.process}/status").read_text()
        (line,) = (one for one in status.splitlines() if one.startswith("RssAnon"))
        return int(line.split()[1]) / 1e3


@asynccontextmanager
async def gateway(
    folder: Path,
    port: int,
    settings: Mapping[str, object] | None = None,
    *,
    first: First | None = None,
) -> AsyncIterator[Gateway]:
    """Node and gateway on ports from `port` on, `settings` in gateway.toml.

    `first` has the gateway in this process, before it gets one of its own.
    """
    world = World.found(folder / "net", port)
    network, home = world.network, world.network.home(RIVERSIDE)
    config = msgspec.structs.replace(load_gateway(home), **(settings or {}))
    (home / GATEWAY_FILE).write_text(format_toml(config))
    with Processes(folder / "logs") as processes:
        processes.start("node", "node", "run", str(network.node_home))
        await processes.wait_until_up({"node": f"{network.node_url}/v1/health"}, network.chain)
        if first is not None:
            async with open_gateway(home, config) as here:
                await first(world, here)
        processes.start("riverside", "gateway", "run", str(home))
        address = network.gateways[RIVERSIDE]
        await processes.wait_until_up({"riverside": f"{address}/health"}, network.chain)
        async with Session(member_client(home, "HOPERAT", "system/*.cruds")) as session:
            token = await session.token()
        headers = {
            "Authorization": f"Bearer {token}",
            "Content-Type": FHIR_JSON,
            "Accept": FHIR_JSON,
        }
        pids = [processes.id_of(name) for name in ("riverside", "node")]
        yield Gateway(f"{address}/fhir", headers, *pids)


def _processor_s(pids: list[int]) -> float:
    return sum(_ticks(pid) for pid in pids) / os.sysconf("SC_CLK_TCK")


def _ticks(pid: int) -> int:
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return int(fields[11]) + int(fields[12])


def _children(pid: int) -> list[int]:
    lists = Path(f"/proc/{pid}/task").glob("*/children")
    return [int(child) for one in lists for child in one.read_text().split()]


def bundles(patients: int, seed: int = 1) -> list[bytes]:
    """Transaction bundles of the project's own population, directories first."""
    return [one.body for one in population(seed, patients) if one.organisation == RIVERSIDE]


def directories(data: list[bytes]) -> int:
    """How many of these bundles come before the first patient's."""
    return next((n for n, one in enumerate(data) if b'"Patient"' in one), len(data))


def entries(bundle: bytes) -> int:
    """How many resources a bundle brings."""
    return len(msgspec.json.decode(bundle, type=_Bundle).entry)


class _Bundle(msgspec.Struct):
    entry: list[msgspec.Raw]
