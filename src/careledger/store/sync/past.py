"""Blocks of the past as one node gives them to another that began from a snapshot."""

from collections.abc import Iterator

from careledger.ledger.errors import CorruptStore
from careledger.ledger.record import Instant, Record
from careledger.ledger.transition import Header
from careledger.store.layout import number_key
from careledger.store.snapshot import Snapshot

_BLOCK_BYTES = 64
"""What a block counts for at least: an answer with nothing but empty ones is bounded, too."""


class PastBlock(Record):
    """One block: what its log entries prove, and its time; that of an empty one nothing proves."""

    time: Instant
    entries: tuple[bytes, ...]
    """One a transaction, then the block entry; none if the block was empty."""
    transactions: tuple[bytes, ...]
    """As they were signed."""
    receipts: tuple[bytes, ...]
    """Encoded, one a transaction; then that of the block entry if the block brought evidence."""


def read_past(committed: Snapshot, height: int, most: int) -> Iterator[PastBlock]:
    """Consecutive blocks from `height` on: one, and more as long as they stay below `most` bytes.

    Raises:
        HistoryAbsent: the first of them is not here yet.
    """
    latest, size = committed.latest().height, 0
    last = latest if committed.gap is None else _whole(committed, height)
    while height <= last and size < most:
        header = committed.header(height)
        if header is None:
            raise CorruptStore("no header", height)
        block = _block(committed, header)
        yield block
        size += sum(map(len, (*block.entries, *block.transactions, *block.receipts))) + _BLOCK_BYTES
        height += 1


def _whole(committed: Snapshot, height: int) -> int:
    """The last block before the first that is missing here."""
    gap = committed.gap
    if gap is None or height > gap.height:
        return committed.latest().height
    if height >= gap.next_height:
        gap.raise_absent()
    return gap.next_height - 1


def _block(committed: Snapshot, header: Header) -> PastBlock:
    keys = [number_key(index) for index in range(header.first, header.size)]

    def stored(database: str) -> tuple[bytes, ...]:
        found = (committed.raw(database, key) for key in keys)
        return tuple(value for value in found if value is not None)

    return PastBlock(
        time=header.time,
        entries=stored("entries"),
        transactions=stored("transactions"),
        receipts=stored("receipts"),
    )
