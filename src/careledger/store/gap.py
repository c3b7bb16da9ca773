"""What a store that began from a snapshot lacks of the chain's past, until it has been fetched."""

from typing import Annotated

import msgspec

from careledger.ledger.errors import Unavailable
from careledger.ledger.record import Count, Hash, Record


class HistoryAbsent(Unavailable):
    """That part of the past is not on this node yet: it is being fetched; ask again, or another."""


class Gap(Record):
    """The past that is missing; it shrinks from its old end. Kept in `meta` as long as it lasts.

    Blocks from `next_height` to `height` - 1 have no header here. Log positions from `next` have no
    entry until `kept`, and no receipt and transaction until `size`.
    """

    height: Count
    """The block of the snapshot with which the store began."""
    size: Count
    """The log's size after it."""
    kept: Count
    """The first log entry that the snapshot brought along."""
    before: Annotated[tuple[Hash, ...], msgspec.Meta(max_length=64)]
    """The frontier of the log of `kept` entries."""
    next_height: Count
    """The first block that is missing."""
    next: Count
    """The log position at which it begins."""

    def check_height(self, height: int) -> None:
        """See whether the header of a block would be here.

        Raises:
            HistoryAbsent: it would not.
        """
        if self.next_height <= height < self.height:
            raise HistoryAbsent(self._words())

    def check_entries(self, begin: int, end: int) -> None:
        """See whether the log entries [begin, end) would be here.

        Raises:
            HistoryAbsent: one of them would not.
        """
        if begin < min(self.kept, end) and end > self.next:
            raise HistoryAbsent(self._words())

    def check_receipts(self, begin: int, end: int) -> None:
        """See whether receipts and transactions at the log positions [begin, end) would be here.

        Raises:
            HistoryAbsent: one of them would not.
        """
        if begin < min(self.size, end) and end > self.next:
            raise HistoryAbsent(self._words())

    def raise_absent(self) -> None:
        """Say that what was looked for may be in what is missing.

        Raises:
            HistoryAbsent: always.
        """
        raise HistoryAbsent(self._words())

    def _words(self) -> str:
        return (
            f"not here yet: this node began from a snapshot of block {self.height:,} and is "
            f"fetching the past (log entries from {self.next:,} on)"
        )
