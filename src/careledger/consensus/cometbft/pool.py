"""What waits for a block in the engine's mempool, as the application knows it, and its bounds.

The engine keeps one line for everybody. So what may stand in it is bounded here: for each member,
so that nobody fills it alone, and for everybody, so that a revocation always finds a place.
"""

import heapq
from collections import defaultdict
from collections.abc import Iterable, Iterator
from dataclasses import dataclass

from careledger.consensus.intake import Busy
from careledger.consensus.proposal import Budget
from careledger.ledger.membership import NetworkParameters
from careledger.ledger.record import Instant, SignerId, TransactionId
from careledger.ledger.transaction import OverBudget, Replayed, VerifiedTransaction

MAX_TRANSACTIONS = 20_000
MAX_BYTES = 64_000_000
"""What may wait at most; the engine's mempool must be somewhat larger than this."""

RESERVED_PERCENT = 20
"""Share of both that only protective transactions may take."""


@dataclass(frozen=True, slots=True)
class Pooled:
    """One that waits: who pays, and whether it is protective."""

    transaction: VerifiedTransaction
    payer: SignerId
    protects: bool


class Pool:
    """Transactions that wait, by id: a second signature over the same is no second transaction."""

    def __init__(
        self, *, most_transactions: int = MAX_TRANSACTIONS, most_bytes: int = MAX_BYTES
    ) -> None:
        """Let at most so much wait."""
        self._most = most_transactions, most_bytes
        self._waiting: dict[TransactionId, Pooled] = {}
        self._all = Budget()
        self._used: defaultdict[tuple[SignerId, bool], Budget] = defaultdict(Budget)
        self._ends: list[tuple[Instant, TransactionId]] = []

    def __len__(self) -> int:
        return len(self._waiting)

    def __iter__(self) -> Iterator[VerifiedTransaction]:
        """All of them, first come first."""
        return (one.transaction for one in self._waiting.values())

    def has(self, transaction: VerifiedTransaction) -> bool:
        """Whether exactly this one waits, under this very signature."""
        pooled = self._waiting.get(transaction.id)
        return pooled is not None and pooled.transaction.raw == transaction.raw

    def get(self, id_: TransactionId) -> Pooled | None:
        """The one of that id, if it waits."""
        return self._waiting.get(id_)

    def awaits(self, id_: TransactionId) -> bool:
        """Whether one of that id waits, under whatever signature."""
        return id_ in self._waiting

    def protects(self, id_: TransactionId) -> bool:
        """Whether the one of that id is protective, if it waits."""
        pooled = self._waiting.get(id_)
        return pooled is not None and pooled.protects

    def protective(self) -> Iterator[VerifiedTransaction]:
        """The protective ones, first come first."""
        return (one.transaction for one in self._waiting.values() if one.protects)

    def add(self, pooled: Pooled, limits: NetworkParameters) -> None:
        """Let one more wait.

        Raises:
            Replayed: it waits already, under another signature.
            OverBudget: it fits into no block, or its member has as much waiting as it may.
            Busy: too much is waiting altogether.
        """
        transaction, payer, protects = pooled.transaction, pooled.payer, pooled.protects
        if self.has(transaction):
            return
        if transaction.id in self._waiting:
            raise Replayed
        self._check_room(transaction, protects=protects)
        used = self._used[payer, protects]
        used.use(transaction)
        if used.is_over(limits) or not Budget().has_room(transaction, limits, protective=protects):
            self._release(payer, pooled)
            raise OverBudget
        self._all.use(transaction)
        self._waiting[transaction.id] = pooled
        heapq.heappush(self._ends, (transaction.expires, transaction.id))

    def discard(self, id_: TransactionId) -> None:
        """It waits no longer, if it did."""
        pooled = self._waiting.pop(id_, None)
        if pooled is not None:
            self._all.release(pooled.transaction)
            self._release(pooled.payer, pooled)

    def settle(self, ordered: Iterable[TransactionId], time: Instant) -> None:
        """After a block at `time`: what it held waits no longer, nor does what has expired."""
        for id_ in ordered:
            self.discard(id_)
        while self._ends and self._ends[0][0] < time:
            self.discard(heapq.heappop(self._ends)[1])

    def _check_room(self, transaction: VerifiedTransaction, *, protects: bool) -> None:
        share = 100 if protects else 100 - RESERVED_PERCENT
        transactions, size = self._most
        if (len(self._waiting) + 1) * 100 > transactions * share or (
            self._all.bytes + len(transaction.raw)
        ) * 100 > size * share:
            raise Busy("too much is waiting for a block")

    def _release(self, payer: SignerId, pooled: Pooled) -> None:
        used = self._used[payer, pooled.protects]
        used.release(pooled.transaction)
        if used == Budget():
            del self._used[payer, pooled.protects]
