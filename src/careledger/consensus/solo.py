"""The embedded engine: one process orders, and nobody else needs to be asked.

Group commit adapts by itself: whatever arrived while one block was being made durable forms the
next. Nothing queues without bound; whoever sends too fast is told `Busy`. Block time, admissibility
and budgets are those of a larger network, so that nothing changes meaning when there is one.
"""

import asyncio
import contextlib
import logging
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor

from careledger.consensus.chain import Chain, Prepared
from careledger.consensus.intake import Intake, Limits, Ordered, Waiting
from careledger.consensus.measures import Load, Measures, Presence
from careledger.consensus.verification import Workers
from careledger.ledger.errors import Unavailable
from careledger.ledger.record import Instant

EMPTY_BLOCK_S = 5.0
"""How long a quiet chain waits before an empty block moves its time on."""

_log = logging.getLogger(__name__)


class SoloEngine:
    """Orders transactions; it owns the chain's tip and its two threads until `close`."""

    def __init__(
        self,
        chain: Chain,
        *,
        clock: Callable[[], Instant],
        workers: Workers | None = None,
        limits: Limits | None = None,
    ) -> None:
        """Order for `chain` by `clock`; without `workers`, signatures are checked in a thread."""
        self._chain = chain
        self.clock = clock
        self._latest = 0
        self._intake = Intake(chain, clock=self._now, workers=workers, limits=limits or Limits())
        self._forming = ThreadPoolExecutor(1, "form")
        self._writing = ThreadPoolExecutor(1, "write")
        self._former: asyncio.Task[None] | None = None
        self._write: asyncio.Task[None] | None = None
        self.new_block = asyncio.Condition()
        self.halted: asyncio.Future[None]
        """Fails with the error that stopped the engine for good."""
        self.trouble: str | None = None
        """Why blocks cannot be made durable at present, for the health page."""

    async def start(self) -> None:
        """Begin to check and to form blocks."""
        self._chain.warn_of_missing_versions()
        self.halted = asyncio.get_running_loop().create_future()
        self.halted.add_done_callback(lambda done: done.cancelled() or done.exception())
        self._intake.start()
        self._former = asyncio.create_task(self._form_blocks())

    async def close(self) -> None:
        """Finish the block that is being made durable; what waits is answered `Unavailable`."""
        if self._former:
            self._former.cancel()
            await asyncio.gather(self._former, return_exceptions=True)
        await self._until_written()
        await self._intake.close()
        self._forming.shutdown()
        self._writing.shutdown()

    async def submit(self, raw: bytes) -> Ordered:
        """Wait until the transaction is durable; resubmitting one gives its first receipt.

        Raises:
            Inadmissible: it may not enter a block.
            Unavailable: the node is busy, stopping or cannot write; nothing was decided.
        """
        return await self.enqueue(raw)

    def enqueue(self, raw: bytes) -> "asyncio.Future[Ordered]":
        """Like `submit`, without waiting.

        Raises:
            Unavailable: too much is waiting, or the engine has halted.
        """
        if self.halted.done():
            raise Unavailable("the node has halted")
        return self._intake.enqueue(raw)

    @property
    def measures(self) -> Measures:
        """What was counted since the start."""
        return self._chain.measures

    def load(self) -> Load:
        """What waits for a block."""
        return self._intake.load

    def presence(self) -> Presence:
        """It orders alone: all the power there is, unless it has halted."""
        return Presence(peers=0, power=0 if self.halted.done() else 1, total_power=1)

    async def _form_blocks(self) -> None:
        loop = asyncio.get_running_loop()
        while True:
            await self._wait_for_work()
            waiting = self._intake.take()
            try:
                prepared = await loop.run_in_executor(
                    self._forming,
                    self._chain.prepare,
                    [one.transaction for one in waiting],
                    self._now(),
                )
            except Unavailable as error:
                self._give_up(waiting, error)
                continue
            except Exception as error:  # noqa: BLE001 - whatever it is, nobody may wait for ever
                self._halt(error)
                return
            await self._until_written()
            if self.halted.done():
                return
            answers = self._sort_out(prepared, waiting)
            if self._chain.tip.height + 1 != prepared.header.height:
                self._give_up(answers, Unavailable("the block before could not be written"))
                continue
            self._chain.begin(prepared)
            self._write = asyncio.create_task(self._make_durable(prepared, answers))
            if self.trouble:
                await self._until_written()

    async def _until_written(self) -> None:
        """Wait for the block that is being made durable; whoever stops waiting does not stop it."""
        if self._write:
            await asyncio.wait([self._write])

    def _now(self) -> Instant:
        """The clock, if it does not run back: no block may be older than what it was judged by."""
        self._latest = max(self._latest, self.clock())
        return self._latest

    async def _wait_for_work(self) -> None:
        with contextlib.suppress(TimeoutError):
            # Not wait_for: before Python 3.12 it swallows a cancellation that comes with the work.
            async with asyncio.timeout(EMPTY_BLOCK_S):
                await self._intake.ready.wait()

    def _sort_out(self, prepared: Prepared, waiting: list[Waiting]) -> list[Waiting]:
        """Keep the deferred, answer the inadmissible, return those in the block in its order."""
        by_id = {one.transaction.id: one for one in waiting}
        for transaction, error in prepared.proposal.refused:
            self._intake.refuse(by_id[transaction.id], error)
        deferred = [by_id[transaction.id] for transaction in prepared.proposal.deferred]
        self._intake.put_back(deferred)
        return [by_id[transaction.id] for transaction in prepared.block.transactions]

    async def _make_durable(self, prepared: Prepared, answers: list[Waiting]) -> None:
        loop = asyncio.get_running_loop()
        try:
            await loop.run_in_executor(self._writing, self._chain.commit, prepared)
        except Unavailable as error:
            self._chain.settle()
            self._give_up(answers, error)
            return
        except Exception as error:  # noqa: BLE001 - whatever it is, nobody may wait for ever
            self._halt(error)
            return
        self._chain.settle()
        self.trouble = None
        for alarm in prepared.applied.alarms:
            _log.error("a rule failed unexpectedly at %s", alarm)
        header = prepared.header
        receipts = prepared.applied.receipts
        for position, (one, receipt) in enumerate(zip(answers, receipts, strict=True)):
            ordered = Ordered(
                receipt=receipt,
                index=header.first + position,
                height=header.height,
                time=header.time,
            )
            self._intake.settle(one, ordered)
        async with self.new_block:
            self.new_block.notify_all()

    def _give_up(self, waiting: list[Waiting], error: Unavailable) -> None:
        self.trouble = str(error) or type(error).__name__
        _log.error("no block could be written: %s", self.trouble)
        for one in waiting:
            self._intake.refuse(one, error)

    def _halt(self, error: Exception) -> None:
        """Stop for good: going on could mean a fork. Whoever runs the engine ends the node."""
        halt = Unavailable(f"the node has halted: {type(error).__name__}")
        self._give_up([], halt)
        self._intake.stop(halt)
        if not self.halted.done():
            self.halted.set_exception(error)
