"""Transactions whose signature was checked already, by their bytes, so that nobody checks again.

An entry says that the bytes are well formed, addressed to this chain, and signed under the key that
it names. Whether that key still counts is for whoever uses it to ask (`check_still_admissible`).
"""

from collections.abc import Iterable

from careledger.ledger.transaction import VerifiedTransaction

MAX_TRANSACTIONS = 40_000
MAX_BYTES = 96_000_000
"""More than can wait: what waits was checked, and its turn comes again and again."""


class VerifiedOnce:
    """A bounded memory; what nobody asked for longest is forgotten first."""

    def __init__(
        self, *, most_transactions: int = MAX_TRANSACTIONS, most_bytes: int = MAX_BYTES
    ) -> None:
        """Remember at most so much."""
        self._most = most_transactions, most_bytes
        self._known: dict[bytes, VerifiedTransaction] = {}
        self._bytes = 0

    def __len__(self) -> int:
        return len(self._known)

    def __contains__(self, raw: bytes) -> bool:
        return raw in self._known

    def get(self, raw: bytes) -> VerifiedTransaction | None:
        """What those bytes are, if they were checked."""
        known = self._known.pop(raw, None)
        if known is not None:
            self._known[raw] = known
        return known

    def add(self, transaction: VerifiedTransaction) -> None:
        """Remember it."""
        if self._known.pop(transaction.raw, None) is None:
            self._bytes += len(transaction.raw)
        self._known[transaction.raw] = transaction
        transactions, size = self._most
        while len(self._known) > transactions or self._bytes > size:
            oldest = next(iter(self._known))
            del self._known[oldest]
            self._bytes -= len(oldest)

    def missing(self, raws: Iterable[bytes]) -> list[bytes]:
        """Those that nobody has checked, each once."""
        return [raw for raw in dict.fromkeys(raws) if raw not in self._known]
