"""The application and the engine's process together: to the node, one engine like any other."""

import asyncio
from collections.abc import Callable, Mapping
from dataclasses import replace

import httpx2

from careledger.consensus.cometbft.engine import CometEngine
from careledger.consensus.cometbft.home import EngineHome
from careledger.consensus.cometbft.process import EngineProcess
from careledger.consensus.cometbft.standing import Standing
from careledger.consensus.intake import Ordered
from careledger.consensus.measures import Load, Measures, Presence
from careledger.ledger.errors import Unavailable
from careledger.ledger.record import Instant

ASK_S = 10.0

RPC = "http://engine"
"""No host: the client behind it speaks over the engine's socket."""


def rpc_client(home: EngineHome) -> httpx2.AsyncClient:
    """A client of the engine in `home`."""
    transport = httpx2.AsyncHTTPTransport(uds=str(home.rpc_socket))
    return httpx2.AsyncClient(transport=transport, base_url=RPC, trust_env=False)


class Pair:
    """An application and its engine; it owns both until `close`."""

    def __init__(
        self,
        application: CometEngine,
        process: EngineProcess,
        rpc: httpx2.AsyncClient,
        peers: tuple[str, ...],
    ) -> None:
        """`process` runs the engine that calls `application` and answers `rpc`."""
        self.clock: Callable[[], Instant] = application.clock
        self.process = process
        self._application = application
        self._rpc = rpc
        self._standing = Standing(process, rpc, peers)
        self.halted: asyncio.Future[None]
        """Fails with the error that stopped either of them for good."""

    @property
    def new_block(self) -> asyncio.Condition:
        """Notified after each block that became durable, empty ones too."""
        return self._application.new_block

    @property
    def trouble(self) -> str | None:
        """Why this node commits nothing at present; None if it does."""
        return self._standing.trouble or self._application.trouble

    @property
    def measures(self) -> Measures:
        """What was counted since the start."""
        return self._application.measures

    def load(self) -> Load:
        """What waits for a block."""
        return self._application.load()

    def presence(self) -> Presence:
        """Who takes part in ordering, as far as this node's engine sees."""
        return replace(self._application.presence(), peers=self._standing.peers)

    def facts(self) -> Mapping[str, object]:
        """What the health page says of the engine."""
        return self._standing.facts()

    async def start(self) -> None:
        """The application first: the engine asks it at once where the chain stands.

        Raises:
            LedgerError: the engine's home cannot be written as it should be.
        """
        self.halted = asyncio.get_running_loop().create_future()
        self.halted.add_done_callback(lambda done: done.cancelled() or done.exception())
        await self._application.start()
        try:
            self.process.start()
        except BaseException:
            await self._application.close()
            await self._rpc.aclose()
            raise
        self._standing.start(self.new_block)
        for one in (self._application.halted, self.process.failed):
            one.add_done_callback(self._halt)

    async def close(self) -> None:
        """The engine first: without an application it would only complain."""
        await self._standing.close()
        await self.process.close()
        await self._application.close()
        await self._rpc.aclose()

    async def ask(self, body: bytes) -> bytes:
        """What the engine answers to a JSON-RPC request.

        Raises:
            Unavailable: it does not answer.
        """
        try:
            answer = await self._rpc.post("/", content=body, timeout=ASK_S)
        except httpx2.HTTPError as error:
            raise Unavailable(f"the engine does not answer: {type(error).__name__}") from error
        return answer.content

    def enqueue(self, raw: bytes) -> "asyncio.Future[Ordered]":
        """Take a transaction in; the answer is its receipt, once that is durable.

        Raises:
            Unavailable: too much is waiting, there are no blocks, or the engine has halted.
        """
        return self._application.enqueue(raw)

    async def submit(self, raw: bytes) -> Ordered:
        """Wait until the transaction is durable; resubmitting one gives its first receipt.

        Raises:
            Inadmissible: it may not enter a block.
            Unavailable: nothing is known to be decided; it may still be ordered later.
        """
        return await self.enqueue(raw)

    def _halt(self, failed: "asyncio.Future[None]") -> None:
        if not failed.cancelled() and (error := failed.exception()) and not self.halted.done():
            self.halted.set_exception(error)
