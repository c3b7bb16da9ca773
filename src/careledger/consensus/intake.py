"""The way in: from raw bytes to verified transactions that wait for a block, within bounds."""

import asyncio
import logging
from collections.abc import Callable
from concurrent.futures import BrokenExecutor
from dataclasses import dataclass

from careledger.consensus.chain import Chain
from careledger.consensus.verification import Checked, Workers, check, check_many, restore
from careledger.ledger.errors import Inadmissible, Unavailable
from careledger.ledger.record import Instant
from careledger.ledger.transaction import Replayed, VerifiedTransaction, parse_transaction
from careledger.ledger.transition import Receipt
from careledger.store.snapshot import Snapshot

INLINE = 3
"""Up to so many transactions are checked right here: crossing to a worker costs more."""

BATCH = 256
"""Most transactions that cross to a worker at once."""

_log = logging.getLogger(__name__)


class Busy(Unavailable):
    """The node has as much waiting as it takes; send the transaction again in a moment."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Ordered:
    """Where a transaction stands: its receipt, its log position, its block's height and time."""

    receipt: Receipt
    index: int
    height: int
    time: Instant


def ordered_at(committed: Snapshot, id_: bytes) -> Ordered | None:
    """Where a transaction stands in the committed ledger, if it is there."""
    index = committed.index_of(id_)
    receipt = None if index is None else committed.receipt_at(index)
    header = None if index is None else committed.header(committed.height_of(index))
    if index is None or receipt is None or header is None:
        return None
    return Ordered(receipt=receipt, index=index, height=header.height, time=header.time)


@dataclass(frozen=True, slots=True)
class Waiting:
    transaction: VerifiedTransaction
    answer: "asyncio.Future[Ordered]"


@dataclass(frozen=True, slots=True)
class Limits:
    """What may wait at most; whoever sends more is told `Busy`."""

    transactions: int = 20_000
    bytes: int = 64_000_000


class Intake:
    """Checks each signature once and keeps what is admissible until a block takes it."""

    def __init__(
        self,
        chain: Chain,
        *,
        clock: Callable[[], Instant],
        workers: Workers | None,
        limits: Limits,
    ) -> None:
        """Without `workers`, signatures are checked in a thread."""
        self._chain = chain
        self._clock = clock
        self._workers = workers
        self._limits = limits
        self._unchecked: list[tuple[bytes, asyncio.Future[Ordered]]] = []
        self._checked: list[Waiting] = []
        self._by_id: dict[bytes, asyncio.Future[Ordered]] = {}
        self._transactions = self._bytes = 0
        self._arrived = asyncio.Event()
        self._tasks: list[asyncio.Task[None]] = []
        self.ready = asyncio.Event()
        """Set while something waits for a block."""

    def start(self) -> None:
        """Begin to check what arrives."""
        count = self._workers.count + 1 if self._workers else 1
        self._tasks = [asyncio.create_task(self._check_arrivals()) for _ in range(count)]

    async def close(self) -> None:
        """Stop; what waits is answered `Unavailable`."""
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        for _, answer in self._unchecked:
            fail(answer, Unavailable("the node is stopping"))
        for waiting in self._checked:
            fail(waiting.answer, Unavailable("the node is stopping"))

    def enqueue(self, raw: bytes) -> "asyncio.Future[Ordered]":
        """Take a transaction in.

        Raises:
            Busy: too much is waiting.
        """
        limits = self._limits
        if self._transactions >= limits.transactions or self._bytes + len(raw) > limits.bytes:
            raise Busy
        answer: asyncio.Future[Ordered] = asyncio.get_running_loop().create_future()
        self._transactions += 1
        self._bytes += len(raw)
        answer.add_done_callback(lambda _: self._unload(len(raw)))
        self._unchecked.append((raw, answer))
        self._arrived.set()
        return answer

    def take(self) -> list[Waiting]:
        """Everything that waits for a block."""
        taken, self._checked = self._checked, []
        self.ready.clear()
        return taken

    def put_back(self, waiting: list[Waiting]) -> None:
        """What was taken and did not fit goes first next time."""
        if waiting:
            self._checked[:0] = waiting
            self.ready.set()

    def _unload(self, size: int) -> None:
        self._transactions -= 1
        self._bytes -= size

    async def _check_arrivals(self) -> None:
        while True:
            await self._arrived.wait()
            batch = self._unchecked[:BATCH]
            del self._unchecked[:BATCH]
            if not self._unchecked:
                self._arrived.clear()
            if not batch:
                continue
            raws = [raw for raw, _ in batch]
            try:
                found = await self._check_batch(raws)
            except Exception as error:  # noqa: BLE001 - a worker died: say so, keep serving
                _log.exception("signature check failed")
                for _, answer in batch:
                    fail(answer, Unavailable(f"signature check failed: {type(error).__name__}"))
                continue
            for (raw, answer), checked in zip(batch, found, strict=True):
                self._accept(raw, answer, checked)
            if self._checked:
                self.ready.set()

    async def _check_batch(self, raws: list[bytes]) -> list[Checked | int | VerifiedTransaction]:
        time = max(self._clock(), self._chain.tip.time)
        loop = asyncio.get_running_loop()
        if self._workers is None or not self._workers.are_ready:
            return await loop.run_in_executor(None, self._check_here, raws, time)
        if len(raws) <= INLINE:
            return self._check_here(raws, time)
        try:
            return list(await loop.run_in_executor(self._workers.pool, check_many, raws, time))
        except BrokenExecutor:
            _log.exception("a worker died; signatures are checked in a thread from here on")
            self._workers = None
            return await loop.run_in_executor(None, self._check_here, raws, time)

    def _check_here(
        self, raws: list[bytes], time: Instant
    ) -> list[Checked | int | VerifiedTransaction]:
        found: list[Checked | int | VerifiedTransaction] = []
        with self._chain.store.snapshot() as committed:
            for raw in raws:
                try:
                    found.append(check(raw, committed, committed.has, time, self._chain.id))
                except Inadmissible as error:
                    found.append(error.code)
        return found

    def _accept(
        self,
        raw: bytes,
        answer: "asyncio.Future[Ordered]",
        checked: Checked | int | VerifiedTransaction,
    ) -> None:
        try:
            if isinstance(checked, VerifiedTransaction):
                transaction = checked
            else:
                transaction = restore(raw, checked)
        except Replayed:
            self._answer_again(raw, answer)
            return
        except Inadmissible as error:
            fail(answer, error)
            return
        first = self._by_id.get(transaction.id)
        if first is not None:
            first.add_done_callback(lambda done: _copy(done, answer))
            return
        self._by_id[transaction.id] = answer
        answer.add_done_callback(lambda _: self._by_id.pop(transaction.id, None))
        self._checked.append(Waiting(transaction, answer))

    def _answer_again(self, raw: bytes, answer: "asyncio.Future[Ordered]") -> None:
        """The first receipt of a transaction that the ledger has already."""
        with self._chain.store.snapshot() as committed:
            found = ordered_at(committed, parse_transaction(raw).id)
        if found is None:
            fail(answer, Replayed())
        elif not answer.done():
            answer.set_result(found)


def fail(answer: "asyncio.Future[Ordered]", error: Exception) -> None:
    """Answer with `error`, unless whoever asked has gone."""
    if not answer.done():
        answer.set_exception(error)


def _copy(done: "asyncio.Future[Ordered]", answer: "asyncio.Future[Ordered]") -> None:
    if answer.done():
        return
    if done.cancelled():
        answer.cancel()
        return
    error = done.exception()
    if error is not None:
        answer.set_exception(error)
    else:
        answer.set_result(done.result())
