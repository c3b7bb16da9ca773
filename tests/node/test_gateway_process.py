"""A gateway as a process of its own: founded, started beside its node, asked, stopped."""

import asyncio
import contextlib
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import httpx2
import pytest

from careledger.node.config import BadConfiguration, load_gateway
from careledger.node.founding import Founder, Network, found
from careledger.node.gateway_process import open_gateway
from careledger.node.serve import wall_clock
from careledger.vault.errors import VaultInUse
from tests.faults.node_process import free_port

FOUNDERS = [
    Founder(id="riverside", name="Riverside", roles=("provider",)),
    Founder(id="lakeview", name="Lakeview", roles=("provider",)),
]

PROGRAM = """
import asyncio, sys
from pathlib import Path
from careledger.node.gateway_process import run_gateway
from careledger.node.serve import run_node

if __name__ == "__main__":
    run = run_node if sys.argv[1] == "node" else run_gateway
    asyncio.run(run(Path(sys.argv[2]), lambda it: print("ready", flush=True)))
"""


@pytest.fixture
def network(tmp_path: Path) -> Network:
    return found(
        tmp_path / "network", FOUNDERS, name="test", time=wall_clock(), first_port=free_port(10)
    )


@contextlib.contextmanager
def process(kind: str, home: Path, *, wait: bool = True) -> Iterator[subprocess.Popen[str]]:
    script = home / "run.py"
    script.write_text(PROGRAM)  # a file, because spawned workers import the main module
    command = [sys.executable, str(script), kind, str(home)]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as running:
        try:
            assert running.stdout is not None
            if wait:
                assert running.stdout.readline() == "ready\n"
            yield running
        finally:
            running.send_signal(signal.SIGTERM)
            assert running.wait(20) == 0


def test_a_gateway_starts_before_its_node_and_stops_when_told(network: Network) -> None:
    home = network.home("riverside")
    with (
        process("gateway", home, wait=False) as gateway,
        process("node", network.node_home),
    ):
        assert gateway.stdout is not None
        assert gateway.stdout.readline() == "ready\n"
        url = network.gateways["riverside"]
        health = httpx2.get(f"{url}/health").json()
        assert (health["status"], health["member"]) == ("pass", "riverside")
        assert health["chain"] == network.chain.hex()
        smart = httpx2.get(f"{url}/fhir/.well-known/smart-configuration").json()
        assert smart["token_endpoint"] == f"{url}/auth/token"

        async def again() -> None:
            async with open_gateway(home, load_gateway(home)):
                pass

        with pytest.raises(VaultInUse):
            asyncio.run(again())


def test_a_gateway_refuses_another_chain(network: Network, tmp_path: Path) -> None:
    other = found(
        tmp_path / "other", FOUNDERS, name="another", time=wall_clock(), first_port=free_port(10)
    )
    home, genesis = network.home("riverside"), network.folder / "genesis.json"

    async def opened() -> None:
        async with open_gateway(home, load_gateway(home)):
            pass

    with process("node", network.node_home):
        genesis.write_bytes((other.folder / "genesis.json").read_bytes())
        with pytest.raises(BadConfiguration, match="of chain"):
            asyncio.run(opened())
