"""Networks to measure: our validators, or CometBFT's own kvstore under the same settings."""

import asyncio
import base64
import itertools
import os
import secrets
import subprocess
import sys
import time
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx2
import msgspec

from careledger.apps.records.commands import CommitRecords
from careledger.consensus.cometbft.home import EngineHome
from careledger.consensus.cometbft.program import find_engine
from careledger.ledger.record import Digest
from careledger.ledger.statement import Claims
from careledger.ledger.transaction import call, sign_transaction
from careledger.node.config import load_node
from careledger.node.consortium import found_consortium, founder
from careledger.node.founding import Network
from careledger.node.member_keys import TRANSACTION_KEY
from careledger.vault.keyfile import load_signing_key

MEMBERS = ("hospital", "clinic", "payer", "pharmacy")
BATCH = 200
START_S = 60.0


@dataclass(frozen=True)
class Running:
    """One network that makes blocks, and the engines' RPC of its nodes."""

    network: Network
    rpcs: Sequence[httpx2.AsyncClient]
    pids: Sequence[int]


def found(folder: Path, validators: int, port: int) -> Network:
    """A network of so many members on this machine."""
    founders = [founder(member) for member in MEMBERS[:validators]]
    return found_consortium(
        folder, founders, name="bench", time=int(time.time()) - 60, first_port=port
    )


@asynccontextmanager
async def ours(network: Network) -> AsyncIterator[Running]:
    """`careledger node run` for each member."""
    program = Path(sys.executable).with_name("careledger")
    homes = list(network.node_homes.values())
    with _processes([[program, "node", "run", home] for home in homes], homes) as started:
        async with _answering(network, started) as running:
            yield running


@asynccontextmanager
async def kvstore(network: Network) -> AsyncIterator[Running]:
    """The engines of the same homes, settings and keys, with the application they come with.

    The homes must have run with our nodes, which write them. Blocks begin anew.
    """
    program = find_engine()
    homes = [EngineHome(home / load_node(home).engine_home) for home in network.node_homes.values()]
    for home in homes:
        _begin_anew(home)
    commands = [[program, "start", "--home", home.folder] for home in homes]
    with _processes(commands, [home.folder for home in homes]) as started:
        async with _answering(network, started) as running:
            yield running


def _begin_anew(home: EngineHome) -> None:
    settings = home.config / "config.toml"
    lines = [
        'proxy_app = "kvstore"' if line.startswith("proxy_app") else line
        for line in settings.read_text().splitlines()
    ]
    lines = [
        "double_sign_check_height = 0" if line.startswith("double_sign_check_height") else line
        for line in lines
    ]
    settings.write_text("\n".join(lines) + "\n")
    genesis = msgspec.json.decode(home.genesis.read_bytes())
    genesis["app_state"] = {}
    home.genesis.write_bytes(msgspec.json.encode(genesis))
    for path in home.data.iterdir():
        if path.is_dir():
            subprocess.run(["rm", "-r", path], check=True)
    home.validator_state.write_text('{"height":"0","round":0,"step":0}')
    home.rpc_socket.unlink(missing_ok=True)


class _processes:  # noqa: N801 - a context manager, used as a function
    """Programs that end with the `with` block."""

    def __init__(self, commands: Sequence[Sequence[object]], folders: Sequence[Path]) -> None:
        self._commands, self._folders = commands, folders
        self._running: list[subprocess.Popen[bytes]] = []

    def __enter__(self) -> list[subprocess.Popen[bytes]]:
        for command, folder in zip(self._commands, self._folders, strict=True):
            with (folder / "bench.log").open("ab") as log:
                self._running.append(
                    subprocess.Popen([str(word) for word in command], stdout=log, stderr=log)
                )
        return self._running

    def __exit__(self, *_: object) -> None:
        for one in self._running:
            one.terminate()
        for one in self._running:
            one.wait(30)


@asynccontextmanager
async def _answering(
    network: Network, started: Sequence[subprocess.Popen[bytes]]
) -> AsyncIterator[Running]:
    homes = [EngineHome(home / load_node(home).engine_home) for home in network.node_homes.values()]
    rpcs = [
        httpx2.AsyncClient(
            transport=httpx2.AsyncHTTPTransport(uds=str(home.rpc_socket)),
            base_url="http://engine",
            timeout=30,
        )
        for home in homes
    ]
    try:
        for rpc in rpcs:
            await _until_blocks(rpc)
        yield Running(network, rpcs, [one.pid for one in started])
    finally:
        for rpc in rpcs:
            await rpc.aclose()


async def _until_blocks(rpc: httpx2.AsyncClient) -> None:
    deadline = time.monotonic() + START_S
    while True:
        try:
            if await height(rpc) >= 2:
                return
        except (httpx2.HTTPError, KeyError):
            pass
        if time.monotonic() > deadline:
            raise TimeoutError("no blocks")
        await asyncio.sleep(0.2)


async def height(rpc: httpx2.AsyncClient) -> int:
    """Of the newest block."""
    answer = (await rpc.get("/status")).json()
    return int(answer["result"]["sync_info"]["latest_block_height"])


class Signer:
    """Our load: commitments of batches of records, signed by the members in turn."""

    def __init__(self, network: Network, size: int = 64) -> None:
        self._network, self._size = network, size
        self._numbers = itertools.count(1)
        self._keys = {
            member: load_signing_key(home.parent / TRANSACTION_KEY)
            for member, home in network.node_homes.items()
        }

    def sign(self) -> bytes:
        """One transaction."""
        number = next(self._numbers)
        member = list(self._keys)[number % len(self._keys)]
        now = int(time.time())
        claims = Claims(
            issuer=member,
            subject="records",
            audience=self._network.chain.hex(),
            not_before=now - 5,
            expires=now + 3_000,
            nonce=secrets.token_bytes(8) + number.to_bytes(8),
        )
        command = CommitRecords(root=Digest(secrets.token_bytes(32)), size=self._size)
        return sign_transaction(self._keys[member], claims, call("records", command))


def pair(size: int) -> bytes:
    """The kvstore's load: `key=value` of so many bytes."""
    digits = secrets.token_hex(size)
    return f"{digits[:32]}={digits[32 : size - 1]}".encode()


async def committed_rate(
    running: Running, make: Callable[[], bytes], count: int, window: int
) -> float:
    """Transactions in blocks a second, with at most `window` of them waiting at a time.

    Sent to the first node's engine, counted in its blocks: the same way for every application.
    """
    rpc = running.rpcs[0]
    raws = [make() for _ in range(count)]
    sent = done = 0
    seen = await height(rpc)
    begun = last = time.perf_counter()
    while done < count:
        room = min(window - (sent - done), count - sent)
        for _ in range(0, room, BATCH):
            batch = raws[sent : sent + min(BATCH, count - sent, window - (sent - done))]
            await _send(rpc, batch)
            sent += len(batch)
        newest = await height(rpc)
        while seen < newest:
            seen += 1
            number = await _transactions(rpc, seen)
            if number:
                done, last = done + number, time.perf_counter()
        if time.perf_counter() - last > START_S:
            raise TimeoutError(f"{done} of {count}")
        await asyncio.sleep(0.01)
    return count / (last - begun)


async def _send(rpc: httpx2.AsyncClient, raws: Sequence[bytes]) -> None:
    calls = [
        {
            "jsonrpc": "2.0",
            "id": number,
            "method": "broadcast_tx_async",
            "params": {"tx": base64.b64encode(raw).decode()},
        }
        for number, raw in enumerate(raws)
    ]
    answer = await rpc.post(
        "/", content=msgspec.json.encode(calls), headers={"content-type": "application/json"}
    )
    errors = [one["error"] for one in _list(answer.json()) if "error" in one]
    if errors:
        raise RuntimeError(errors[0])


def _list(found: Any) -> list[Any]:  # Any: the engine's JSON
    return found if isinstance(found, list) else [found]


async def _transactions(rpc: httpx2.AsyncClient, at: int) -> int:
    answer = (await rpc.get(f"/blockchain?minHeight={at}&maxHeight={at}")).json()
    return int(answer["result"]["block_metas"][0]["num_txs"])


def processor_s(pids: Sequence[int]) -> dict[str, float]:
    """Processor time so far of these processes and their children, by program."""
    found: dict[str, float] = {}
    tick = os.sysconf("SC_CLK_TCK")
    for pid in _with_children(pids):
        try:
            stat = Path(f"/proc/{pid}/stat").read_text()
            words = Path(f"/proc/{pid}/cmdline").read_bytes()
        except OSError:
            continue
        fields = stat.rpartition(")")[2].split()
        name = "engine" if b"cometbft" in words else "workers" if b"spawn" in words else "node"
        found[name] = found.get(name, 0.0) + (int(fields[11]) + int(fields[12])) / tick
    return found


def _with_children(pids: Sequence[int]) -> list[int]:
    found = list(pids)
    for pid in found:
        for thread in Path(f"/proc/{pid}/task").glob("*/children"):
            found += map(int, thread.read_text().split())
    return found
