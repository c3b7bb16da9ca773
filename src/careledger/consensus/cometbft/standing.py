"""Whether this node commits, and why not: what its health page says of the engine.

A node that answers is not a node that commits. Only a block shows that it does, and a quiet chain
makes one every five seconds: when none comes, the engine is asked what it is doing.
"""

import asyncio
import time
from typing import Any

import httpx2

from careledger.consensus.cometbft.home import EMPTY_BLOCK_S
from careledger.consensus.cometbft.process import EngineProcess
from careledger.consensus.cometbft.program import ENGINE_VERSION

STALL_S = 3.0 * EMPTY_BLOCK_S
"""Without a block for so long, a node does not commit."""

LOOK_S, LOOK_AGAIN_S = 1.0, 5.0
"""Between two looks at the engine: while it does not commit, and while it does."""

CALL_AGAIN_S = 10.0
"""How often peers that were lost are called: the engine itself waits longer each time."""

STUCK_S = 90.0
"""An engine that has peers and fetches no further block for so long has lost count of whom it asked
(seen of 0.38.25 when a slow peer was dropped and called again): started anew, it goes on."""

Json = dict[str, Any]  # Any: what another program's JSON holds


class Standing:
    """Watches one engine until `close`."""

    def __init__(
        self, process: EngineProcess, client: httpx2.AsyncClient, peers: tuple[str, ...]
    ) -> None:
        """Ask the engine over `client`, whose base is its RPC; `peers` are those it should have."""
        self._process, self._client = process, client
        self._peers = {peer.partition("@")[0]: peer for peer in peers}
        self._connected: frozenset[str] = frozenset()
        self._fetching: int | None = None
        self._fetched = time.monotonic()
        self._answered = False
        self._last_block: float | None = None
        self._began = self._called = time.monotonic()
        self._tasks: list[asyncio.Task[None]] = []

    def start(self, blocks: asyncio.Condition) -> None:
        """Begin to watch; `blocks` is notified of each."""
        self._tasks = [
            asyncio.create_task(self._count(blocks)),
            asyncio.create_task(self._look_on()),
        ]

    async def close(self) -> None:
        """Stop watching."""
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)

    @property
    def trouble(self) -> str | None:
        """Why this node does not commit; None if it does."""
        if self._process.ended:
            return f"the engine {self._process.ended}; it is started again"
        if not self._answered:
            return "the engine is starting"
        if self._fetching is not None:
            return f"catching up: blocks up to height {self._fetching} are here"
        silent = time.monotonic() - (self._last_block or self._began)
        if self._last_block is None or silent > STALL_S:
            return (
                f"no block for {silent:.0f} s: connected to {len(self._connected)} of "
                f"{len(self._peers)} other engines, and a block needs validators with more than "
                f"two thirds of the power"
            )
        return None

    @property
    def peers(self) -> int:
        """How many other engines it is connected to."""
        return len(self._connected)

    def facts(self) -> Json:
        """What the health page says of the engine beside its trouble."""
        return {
            "name": "cometbft",
            "version": ENGINE_VERSION,
            "starts": self._process.starts,
            "peers": self.peers,
            "peers_configured": len(self._peers),
            "peers_of_another_chain": self._process.strangers,
        }

    async def _count(self, blocks: asyncio.Condition) -> None:
        while True:
            async with blocks:
                await blocks.wait()
            self._last_block = time.monotonic()
            self._process.runs_well()

    async def _look_on(self) -> None:
        while True:
            try:
                await self._look()
            except (httpx2.HTTPError, ValueError, KeyError, TypeError):
                self._answered, self._connected = False, frozenset()
            await asyncio.sleep(LOOK_S if self.trouble else LOOK_AGAIN_S)

    async def _look(self) -> None:
        """Ask what it is doing and whom it has, and call whom it lost."""
        sync = (await self._ask("status"))["sync_info"]
        fetching = int(sync["latest_block_height"]) if sync["catching_up"] else None
        if fetching != self._fetching:
            self._fetching, self._fetched = fetching, time.monotonic()
        peers = (await self._ask("net_info"))["peers"]
        self._connected = frozenset(str(one["node_info"]["id"]) for one in peers)
        self._answered = True
        self._end_if_stuck()
        lost = [peer for id_, peer in self._peers.items() if id_ not in self._connected]
        if lost and time.monotonic() - self._called > CALL_AGAIN_S:
            self._called = time.monotonic()
            await self._ask("dial_peers", peers=lost, persistent=True)

    def _end_if_stuck(self) -> None:
        """At height 0 it may be taking a snapshot; without peers nothing else would help."""
        stood = time.monotonic() - self._fetched
        if self._fetching and self._connected and stood > STUCK_S:
            self._fetched = time.monotonic()
            self._process.restart(f"catching up stood still at height {self._fetching}")

    async def _ask(self, method: str, **parameters: object) -> Json:
        call = {"jsonrpc": "2.0", "id": 0, "method": method, "params": parameters}
        answer = await self._client.post("/", json=call, timeout=LOOK_AGAIN_S)
        result: Json = answer.json()["result"]
        return result
