"""Keeps what this node was sent on its way into the engine's mempool until a block has it."""

import asyncio
import logging
from collections.abc import Awaitable, Callable, Iterable, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass

from careledger.consensus.cometbft.mempool import EngineMempool, Handed
from careledger.consensus.intake import Busy, Intake, Waiting
from careledger.ledger.errors import Inadmissible, LedgerError, Unavailable
from careledger.ledger.record import Instant, TransactionId
from careledger.ledger.transaction import Expired, Replayed, VerifiedTransaction
from careledger.store.snapshot import Snapshot

AGAIN_S = 1.0
"""After the engine had no room, or did not answer."""

REMIND_S = 10.0
"""After which the engine is told again, in case it dropped it."""

AT_ONCE = 1_000
"""Most that are handed on before the next look at what has arrived."""

Offer = Callable[
    [Sequence[VerifiedTransaction]], Awaitable[list[Inadmissible | Unavailable | None]]
]

_log = logging.getLogger(__name__)


@dataclass(slots=True)
class _Underway:
    waiting: Waiting
    due: float
    """When the engine is told next."""
    pooled: bool = False
    """Whether the application has it."""


class Forwarding:
    """What is under way from the intake to the engine; the event loop's alone."""

    def __init__(
        self,
        intake: Intake,
        mempool: EngineMempool,
        offer: Offer,
        *,
        protects: Callable[[TransactionId], bool],
        snapshot: Callable[[], AbstractContextManager[Snapshot]],
    ) -> None:
        """From `intake` to the application (`offer`) and to `mempool`, what `protects` first."""
        self._protects = protects
        self._intake = intake
        self._mempool = mempool
        self._offer = offer
        self._snapshot = snapshot
        self._underway: dict[TransactionId, _Underway] = {}
        self._task: asyncio.Task[None] | None = None

    def start(self) -> "asyncio.Task[None]":
        """Begin; the task ends only when it is cancelled or fails."""
        self._task = asyncio.create_task(self._forward())
        return self._task

    async def close(self) -> None:
        """Stop; what is under way stays with the intake."""
        if self._task:
            self._task.cancel()
            await asyncio.gather(self._task, return_exceptions=True)

    def block(self, time: Instant) -> None:
        """A block at `time` was made durable: who it answered, or came too late for, is done."""
        for id_, one in list(self._underway.items()):
            transaction = one.waiting.transaction
            if self._intake.find(id_) is not one.waiting:
                del self._underway[id_]
            elif time > transaction.expires:
                self._refuse(id_, self._over(transaction, time))
            elif not one.pooled:
                one.due = 0.0
        if self._underway:
            self._intake.ready.set()

    def _over(self, transaction: VerifiedTransaction, time: Instant) -> LedgerError:
        """It has expired, unless it came in with a snapshot of others and not with a block."""
        with self._snapshot() as committed:
            if committed.has(transaction.id):
                return Replayed()
        return Expired(transaction.expires, time)

    def engine_began(self) -> None:
        """The engine begins anew, without a memory: tell it everything, but what is ordered."""
        with self._snapshot() as committed:
            for id_, one in list(self._underway.items()):
                if committed.has(id_):
                    self._refuse(id_, Replayed())
                one.due = 0.0
        self._intake.ready.set()

    def give_up(self, error: Unavailable) -> None:
        """Answer everyone who waits with `error`; what the engine has may still be ordered."""
        self._underway.clear()
        self._intake.take()
        for waiting in self._intake.waiting():
            self._intake.refuse(waiting, error)

    def _refuse(self, id_: TransactionId, error: LedgerError) -> None:
        one = self._underway.pop(id_, None)
        if one is not None:
            self._intake.refuse(one.waiting, error)

    async def _forward(self) -> None:
        loop = asyncio.get_running_loop()
        while True:
            await self._wait()
            for waiting in self._intake.take():
                self._underway[waiting.transaction.id] = _Underway(waiting, 0.0)
            now = loop.time()
            due = [one for one in self._underway.values() if one.due <= now]
            try:
                await self._pool([one for one in due if not one.pooled])
                await self._hand(self._first(one for one in due if one.pooled))
            except Unavailable as error:
                _log.info("transactions wait: %s", error)
                for one in due:
                    one.due = loop.time() + AGAIN_S

    async def _wait(self) -> None:
        """Until something arrived, or is due again."""
        if any(one.pooled and one.due == 0.0 for one in self._underway.values()):
            return
        if not self._underway:
            await self._intake.ready.wait()
            return
        try:
            async with asyncio.timeout(AGAIN_S):
                await self._intake.ready.wait()
        except TimeoutError:
            return

    async def _pool(self, fresh: Sequence[_Underway]) -> None:
        """Offer to the application first: it says why not, and keeps what protects patients."""
        if not fresh:
            return
        found = await self._offer([one.waiting.transaction for one in fresh])
        again = asyncio.get_running_loop().time() + AGAIN_S
        for one, error in zip(fresh, found, strict=True):
            if error is None:
                one.pooled = True
            elif isinstance(error, Busy):
                one.due = again
            else:
                self._refuse(one.waiting.transaction.id, error)

    def _first(self, pooled: Iterable[_Underway]) -> list[_Underway]:
        """What is handed on now: a little at a time, so that what protects need not queue."""
        by_urgency = sorted(pooled, key=lambda one: not self._protects(one.waiting.transaction.id))
        return by_urgency[:AT_ONCE]

    async def _hand(self, pooled: Sequence[_Underway]) -> None:
        if not pooled:
            return
        found = await self._mempool.hand([one.waiting.transaction.raw for one in pooled])
        now = asyncio.get_running_loop().time()
        for one, handed in zip(pooled, found, strict=True):
            match handed:
                case Handed.TAKEN:
                    one.due = now + REMIND_S
                case Handed.FULL:
                    one.due = now + AGAIN_S
                case Handed.REFUSED:
                    error = Unavailable("the consensus engine refuses it: see its log")
                    self._refuse(one.waiting.transaction.id, error)
