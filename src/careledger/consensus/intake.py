"""The way in: from raw bytes to verified transactions that wait for a block, within bounds."""

import asyncio
import logging
from collections.abc import Callable
from dataclasses import dataclass

from careledger.consensus.chain import Chain
from careledger.consensus.checking import Checker, Found
from careledger.consensus.measures import Load
from careledger.consensus.verification import Workers, restore
from careledger.ledger.errors import Inadmissible, Unavailable
from careledger.ledger.record import Instant
from careledger.ledger.transaction import Replayed, VerifiedTransaction, parse_transaction
from careledger.ledger.transition import Receipt
from careledger.store.snapshot import Snapshot

BATCH = 256
"""Most transactions that cross to a worker at once."""

RESERVED_PERCENT = 10
"""Share of what may wait that only protective transactions may take."""

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


@dataclass(frozen=True, slots=True, eq=False)
class Waiting:
    """A transaction that waits for a block, and everyone who waits for it; they may have gone."""

    transaction: VerifiedTransaction
    answers: "list[asyncio.Future[Ordered]]"


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
        makes_time: bool = True,
    ) -> None:
        """Without `workers`, signatures are checked in a thread.

        Where `clock` makes the time of blocks, it says what has expired. In a network it may be an
        hour wrong: then only blocks say so.
        """
        self._makes_time = makes_time
        self._chain = chain
        self._clock = clock
        self._checker = Checker(chain, workers)
        self._limits = limits
        self._unchecked: list[tuple[bytes, asyncio.Future[Ordered]]] = []
        self._checked: list[Waiting] = []
        self._by_id: dict[bytes, Waiting] = {}
        self._transactions = self._bytes = 0
        self._arrived = asyncio.Event()
        self._tasks: list[asyncio.Task[None]] = []
        self._stopped: Unavailable | None = None
        self.ready = asyncio.Event()
        """Set while something waits for a block."""

    def start(self) -> None:
        """Begin to check what arrives."""
        lanes = range(self._checker.lanes)
        self._tasks = [asyncio.create_task(self._check_arrivals()) for _ in lanes]

    async def close(self) -> None:
        """Stop; what waits, here or for a block, is answered `Unavailable`."""
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        self.stop(Unavailable("the node is stopping"))

    def stop(self, error: Unavailable) -> None:
        """Answer everyone who waits, and whoever comes after them, with `error`."""
        self._stopped = error
        for raw, answer in self._unchecked:
            self._dismiss(raw, answer, error)
        self._unchecked.clear()
        self._checked.clear()
        for waiting in list(self._by_id.values()):
            self.refuse(waiting, error)

    def enqueue(self, raw: bytes) -> "asyncio.Future[Ordered]":
        """Take a transaction in. It counts until it is settled, even if whoever sent it has gone.

        Raises:
            Busy: too much is waiting.
        """
        if not self._has_room(raw):
            self._chain.measures.busy += 1
            raise Busy
        answer: asyncio.Future[Ordered] = asyncio.get_running_loop().create_future()
        self._transactions += 1
        self._bytes += len(raw)
        self._unchecked.append((raw, answer))
        self._arrived.set()
        return answer

    @property
    def load(self) -> Load:
        """What waits now, checked or not."""
        return Load(
            transactions=self._transactions,
            most_transactions=self._limits.transactions,
            bytes=self._bytes,
            most_bytes=self._limits.bytes,
        )

    def _has_room(self, raw: bytes) -> bool:
        """Whether it may wait; once most of the room is taken, only if it protects somebody."""
        count, size = (self._transactions + 1) * 100, (self._bytes + len(raw)) * 100
        limits = self._limits

        def has_room(share: int) -> bool:
            return count <= limits.transactions * share and size <= limits.bytes * share

        return has_room(100 - RESERVED_PERCENT) or (
            has_room(100) and self._chain.is_protective(raw)
        )

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

    def find(self, id_: bytes) -> Waiting | None:
        """The one of that id, if somebody waits for it."""
        return self._by_id.get(id_)

    def waiting(self) -> list[Waiting]:
        """All that were checked and not answered yet."""
        return list(self._by_id.values())

    def settle(self, waiting: Waiting, ordered: Ordered) -> None:
        """Answer: it is in the ledger, durably."""
        if self._is_let_go(waiting):
            for answer in waiting.answers:
                if not answer.done():
                    answer.set_result(ordered)

    def refuse(self, waiting: Waiting, error: Exception) -> None:
        """Answer: it is in no block, because of `error`; the first receipt if it was in one."""
        if not self._is_let_go(waiting):
            return
        self._count(error)
        for answer in waiting.answers:
            if isinstance(error, Replayed):
                self._answer_again(waiting.transaction.id, answer)
            else:
                fail(answer, error)

    def _is_let_go(self, waiting: Waiting) -> bool:
        """Whether it was still waiting; now it is not."""
        if self._by_id.pop(waiting.transaction.id, None) is None:
            return False
        self._unload(waiting.transaction.raw)
        return True

    def _unload(self, raw: bytes) -> None:
        self._transactions -= 1
        self._bytes -= len(raw)

    def _dismiss(self, raw: bytes, answer: "asyncio.Future[Ordered]", error: Exception) -> None:
        self._unload(raw)
        fail(answer, error)

    async def _check_arrivals(self) -> None:
        while True:
            await self._arrived.wait()
            batch = self._unchecked[:BATCH]
            del self._unchecked[:BATCH]
            if not self._unchecked:
                self._arrived.clear()
            if not batch:
                continue
            try:
                time, clock = self._chain.tip.time, self._clock()
                if self._makes_time:
                    time = max(time, clock)
                found = await self._checker.check([raw for raw, _ in batch], time, clock)
            except asyncio.CancelledError:
                self._unchecked[:0] = batch
                raise
            except Exception as error:  # noqa: BLE001 - a worker died: say so, keep serving
                _log.exception("signature check failed")
                failure = Unavailable(f"signature check failed: {type(error).__name__}")
                for raw, answer in batch:
                    self._dismiss(raw, answer, failure)
                continue
            for (raw, answer), checked in zip(batch, found, strict=True):
                self._accept(raw, answer, checked)
            if self._checked:
                self.ready.set()

    def _accept(
        self,
        raw: bytes,
        answer: "asyncio.Future[Ordered]",
        checked: Found,
    ) -> None:
        try:
            if self._stopped:
                raise self._stopped
            if isinstance(checked, VerifiedTransaction):
                transaction = checked
            else:
                transaction = restore(raw, checked)
        except Replayed:
            self._unload(raw)
            self._answer_again(parse_transaction(raw).id, answer)
            return
        except (Inadmissible, Unavailable) as error:
            self._count(error)
            self._dismiss(raw, answer, error)
            return
        waiting = self._by_id.get(transaction.id)
        if waiting is not None:
            self._unload(raw)
            waiting.answers.append(answer)
            return
        waiting = self._by_id[transaction.id] = Waiting(transaction, [answer])
        self._checked.append(waiting)

    def _count(self, error: Exception) -> None:
        """Count what enters no block; a replay has its place in one already."""
        if isinstance(error, Inadmissible) and not isinstance(error, Replayed):
            self._chain.measures.inadmissible[error.code] += 1

    def _answer_again(self, id_: bytes, answer: "asyncio.Future[Ordered]") -> None:
        """The first receipt of a transaction that the ledger has already."""
        try:
            with self._chain.store.snapshot() as committed:
                found = ordered_at(committed, id_)
        except Unavailable as error:
            fail(answer, error)
            return
        if found is None:
            fail(answer, Replayed())
        elif not answer.done():
            answer.set_result(found)


def fail(answer: "asyncio.Future[Ordered]", error: Exception) -> None:
    """Answer with `error`, unless whoever asked has gone."""
    if not answer.done():
        answer.set_exception(error)
