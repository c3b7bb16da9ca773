"""What goes into the next block: admissible transactions, a fair share for every member.

Pure, and the same for every engine: the embedded one fills its blocks with it, and a validator of
a larger network will judge proposals with it.
"""

from collections.abc import Callable, Iterable
from dataclasses import dataclass, field

import msgspec

from careledger.ledger.errors import Inadmissible, Malformed
from careledger.ledger.membership import SIGNERS, NetworkParameters, live_key
from careledger.ledger.record import Instant, SignerId, TransactionId, decode
from careledger.ledger.state import View
from careledger.ledger.transaction import Expired, Replayed, UnknownKey, VerifiedTransaction
from careledger.ledger.transition import Applications

MAX_BLOCK_TRANSACTIONS = 4_000
MAX_BLOCK_BYTES = 8_000_000
"""A block's bounds, whoever pays: it must be applied and made durable in well under a second."""


@dataclass
class Budget:
    """What one member has used of one block."""

    transactions: int = 0
    bytes: int = 0

    def has_room(self, size: int, limit: NetworkParameters, *, protective: bool) -> bool:
        """Whether `size` more bytes fit; the last share is kept for protective commands."""
        share = 100 if protective else 100 - limit.protective_percent
        return (
            self.transactions + 1 <= limit.transactions_per_block * share // 100
            and self.bytes + size <= limit.bytes_per_block * share // 100
        )

    def use(self, size: int) -> None:
        """Count one transaction of `size` bytes."""
        self.transactions += 1
        self.bytes += size


@dataclass
class Proposal:
    """The outcome of choosing: what enters, what waits for a later block, what never will."""

    chosen: list[VerifiedTransaction] = field(default_factory=list)
    deferred: list[VerifiedTransaction] = field(default_factory=list)
    refused: list[tuple[VerifiedTransaction, Inadmissible]] = field(default_factory=list)


@dataclass(frozen=True, kw_only=True)
class Judge:
    """Committed state and block time, by which a proposal is chosen."""

    view: View
    seen: Callable[[TransactionId], bool]
    time: Instant
    limits: NetworkParameters
    applications: Applications

    def choose(self, waiting: Iterable[VerifiedTransaction]) -> Proposal:
        """Fill a block from `waiting`, in order, within every member's budget."""
        proposal = Proposal()
        budgets: dict[str, Budget] = {}
        within: set[TransactionId] = set()
        total = 0
        for transaction in waiting:
            size = len(transaction.raw)
            full = len(proposal.chosen) >= MAX_BLOCK_TRANSACTIONS or total + size > MAX_BLOCK_BYTES
            if full:
                proposal.deferred.append(transaction)
                continue
            try:
                payer = self._payer(transaction, within)
            except Inadmissible as error:
                proposal.refused.append((transaction, error))
                continue
            budget = budgets.setdefault(payer, Budget())
            if not self._fits(budget, transaction):
                proposal.deferred.append(transaction)
                continue
            budget.use(size)
            total += size
            within.add(transaction.id)
            proposal.chosen.append(transaction)
        return proposal

    def _payer(self, transaction: VerifiedTransaction, within: set[TransactionId]) -> SignerId:
        """Who pays, once it is still admissible at this block's time.

        Raises:
            Inadmissible: expired, seen, or signed by a key that is no longer live.
        """
        if self.time > transaction.expires:
            raise Expired(transaction.expires, self.time)
        if transaction.id in within or self.seen(transaction.id):
            raise Replayed
        key = live_key(self.view, transaction.signer, transaction.key_id)
        signer = self.view.get(SIGNERS, transaction.signer)
        if key is None or key.public != transaction.key.public or signer is None:
            raise UnknownKey
        return signer.payer  # type: ignore[return-value] # rows hold ids as plain text

    def _fits(self, budget: Budget, transaction: VerifiedTransaction) -> bool:
        size = len(transaction.raw)
        if budget.has_room(size, self.limits, protective=False):
            return True
        return budget.has_room(size, self.limits, protective=True) and self._protects(transaction)

    def _protects(self, transaction: VerifiedTransaction) -> bool:
        """Whether every command of it is protective: a revocation, a denial."""
        for call in transaction.calls:
            application = self.applications.get(call.application)
            if application is None or not application.protective:
                return False
            try:
                command = decode(call.command, application.command_type)
            except (Malformed, msgspec.ValidationError):
                return False
            if not isinstance(command, application.protective):
                return False
        return True
