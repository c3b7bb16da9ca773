"""The network's engine, from one node's side: transactions out to CometBFT, blocks back from it.

CometBFT runs beside this process and calls the application over a socket, all of it in one thread
here, while the event loop goes on answering people. What this node is sent waits here until a block
has it: the engine forgets its mempool when it ends, so it is told again.
"""

import asyncio
import logging
import time
from collections.abc import Callable, Iterable, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import httpx2

from careledger.consensus.chain import Chain, Prepared
from careledger.consensus.checking import Checker
from careledger.consensus.cometbft import messages as m
from careledger.consensus.cometbft.ahead import Ahead
from careledger.consensus.cometbft.application import Application
from careledger.consensus.cometbft.calls import answer_each
from careledger.consensus.cometbft.forwarding import Forwarding
from careledger.consensus.cometbft.mempool import EngineMempool
from careledger.consensus.cometbft.protobuf import Message
from careledger.consensus.cometbft.server import AbciServer
from careledger.consensus.cometbft.snapshot_calls import Snapshots
from careledger.consensus.intake import Intake, Limits, Ordered
from careledger.consensus.measures import Load, Measures, Presence
from careledger.consensus.verification import Workers
from careledger.ledger.errors import Inadmissible, LedgerError, Unavailable
from careledger.ledger.record import Instant
from careledger.ledger.transaction import VerifiedTransaction

STALL_S = 15.0
"""Without a block for so long there is no quorum: a quiet chain has one every five seconds."""

RETRY_S = 1.0
"""After the disk refused."""

_YES = m.ResponseProcessProposal(status=m.Vote.ACCEPT)

_log = logging.getLogger(__name__)


class CometEngine:
    """One node's part in a network; it owns the application, its socket and its thread."""

    def __init__(
        self,
        chain: Chain,
        *,
        clock: Callable[[], Instant],
        socket: Path,
        rpc: httpx2.AsyncClient,
        workers: Workers | None = None,
        limits: Limits | None = None,
        snapshots: Snapshots | None = None,
        stall_s: float = STALL_S,
    ) -> None:
        """Answer the engine at `socket`, and call it through `rpc`."""
        self._stall_s = stall_s
        self._chain = chain
        self.clock = clock
        self.application = Application(chain, clock=clock, snapshots=snapshots)
        self._thread = ThreadPoolExecutor(1, "ledger")
        self._ahead = Ahead(chain, Checker(chain, workers), self.application.verified, clock)
        self._server = AbciServer(socket, self._answer)
        self._intake = Intake(
            chain, clock=clock, workers=workers, limits=limits or Limits(), makes_time=False
        )
        self._forwarding = Forwarding(
            self._intake,
            EngineMempool(rpc),
            self._offer,
            protects=self.application.pool.protects,
            snapshot=chain.store.snapshot,
        )
        self._watching: asyncio.Task[None] | None = None
        self._last_block = 0.0
        self._disk: str | None = None
        self.new_block = asyncio.Condition()
        self.peers = 0
        """Other engines that ours is connected to; whoever watches ours says so."""
        self.halted: asyncio.Future[None]
        """Fails with the error that stopped this node for good."""

    @property
    def trouble(self) -> str | None:
        """Why this node commits nothing at present; None if it does."""
        if self._disk is not None:
            return self._disk
        silent = time.monotonic() - self._last_block
        if silent <= self._stall_s:
            return None
        if not self._server.connections:
            return "the consensus engine is not connected"
        return f"no quorum: no block for {silent:.0f} s"

    @property
    def measures(self) -> Measures:
        """What was counted since the start."""
        return self._chain.measures

    def load(self) -> Load:
        """What this node was sent and no block has yet."""
        return self._intake.load

    def presence(self) -> Presence:
        """Who decided last; nobody, while nothing is decided."""
        power, total = self.application.voted
        return Presence(peers=self.peers, power=0 if self.trouble else power, total_power=total)

    async def start(self) -> None:
        """Wait for the engine's calls, and begin to take transactions."""
        loop = asyncio.get_running_loop()
        self._chain.warn_of_missing_versions()
        self.halted = loop.create_future()
        self.halted.add_done_callback(lambda done: done.cancelled() or done.exception())
        self._last_block = time.monotonic()
        await self._server.start()
        self._intake.start()
        self._watching = asyncio.create_task(self._watch())
        for one in (self._server.failed, self._forwarding.start(), self._watching):
            one.add_done_callback(self._halt)

    async def close(self) -> None:
        """Hang up; what waits is answered `Unavailable`. A commit that has begun is finished."""
        if self._watching:
            self._watching.cancel()
            await asyncio.gather(self._watching, return_exceptions=True)
        await self._forwarding.close()
        await self._server.close()
        await self._intake.close()
        self._thread.shutdown()

    async def submit(self, raw: bytes) -> Ordered:
        """Wait until the transaction is durable; resubmitting one gives its first receipt.

        Raises:
            Inadmissible: it may not enter a block.
            Unavailable: nothing is known to be decided; it may still be ordered later.
        """
        return await self.enqueue(raw)

    def enqueue(self, raw: bytes) -> "asyncio.Future[Ordered]":
        """Like `submit`, without waiting.

        Raises:
            Unavailable: too much is waiting, there is no quorum, or the node has halted.
        """
        if self.halted.done():
            raise Unavailable("the node has halted")
        if trouble := self.trouble:
            raise Unavailable(f"{trouble}; nothing was sent, try again")
        return self._intake.enqueue(raw)

    # --- the engine's calls --------------------------------------------------------------------

    async def _answer(self, requests: Sequence[Message]) -> Sequence[Message]:
        responses: list[Message] = []
        loop = asyncio.get_running_loop()
        while True:
            try:
                async with self._ahead.checked(requests) as checked:
                    await loop.run_in_executor(
                        self._thread, self._work, requests, responses, checked
                    )
            except Unavailable as error:  # the disk, most likely: the engine waits, as it must
                self._disk = str(error) or type(error).__name__
                _log.error("the engine has to wait: %s", self._disk)
                await asyncio.sleep(RETRY_S)
            else:
                break
        self._disk = None
        if any(isinstance(one, m.RequestCommit) for one in requests):
            await self._settle(self.application.committed)
        for request, response in zip(requests, responses, strict=True):
            if isinstance(request, m.RequestProcessProposal) and response == _YES:
                self._thread.submit(self._anticipate, request)
        return responses

    def _anticipate(self, proposal: m.RequestProcessProposal) -> None:
        """In the thread, after the vote was given to the engine: the next call will need this."""
        try:
            self.application.anticipate(proposal)
        except LedgerError as error:
            _log.info(
                "not worked out ahead: %s", type(error).__name__
            )  # it comes again, and counts

    def _work(
        self,
        requests: Sequence[Message],
        responses: list[Message],
        checked: Iterable[VerifiedTransaction],
    ) -> None:
        """In the thread: answer what is not answered yet."""
        for transaction in checked:
            self.application.verified.add(transaction)
        for response in answer_each(self.application, requests[len(responses) :]):
            responses.append(response)  # noqa: PERF402 - stays, if the next one fails

    async def _settle(self, prepared: Prepared | None) -> None:
        """A block is durable: answer those who wait for it."""
        self._last_block = time.monotonic()
        if prepared is None:
            raise RuntimeError
        header = prepared.header
        for position, receipt in enumerate(prepared.applied.receipts):
            waiting = self._intake.find(receipt.id)
            if waiting is not None:
                ordered = Ordered(
                    receipt=receipt,
                    index=header.first + position,
                    height=header.height,
                    time=header.time,
                )
                self._intake.settle(waiting, ordered)
        self._forwarding.block(header.time)
        async with self.new_block:
            self.new_block.notify_all()

    # --- what goes wrong -----------------------------------------------------------------------

    async def _offer(
        self, transactions: Sequence[VerifiedTransaction]
    ) -> list[Inadmissible | Unavailable | None]:
        loop = asyncio.get_running_loop()
        return list(await loop.run_in_executor(self._thread, self.application.offer, transactions))

    async def _watch(self) -> None:
        """Tell the engine again what it forgot, and nobody to wait for what does not come."""
        opened = self._server.opened
        while True:
            await asyncio.sleep(RETRY_S)
            if self._server.opened != opened:
                opened = self._server.opened
                self._forwarding.engine_began()
            if trouble := self.trouble:
                # Sent again later, a transaction that was ordered meanwhile has its first receipt.
                self._forwarding.give_up(Unavailable(f"{trouble}; it may still be ordered"))

    def _halt(self, failed: "asyncio.Future[None]") -> None:
        if failed.cancelled() or (error := failed.exception()) is None:
            return
        self._intake.stop(Unavailable(f"the node has halted: {type(error).__name__}"))
        if not self.halted.done():
            self.halted.set_exception(error)
