"""Anchored batches: a gapless stream of which the ledger keeps each root and size, and no content.

Whoever keeps the content can prove one item against the root of its batch (`ledger.commitment`).
Whoever holds every batch knows that none is missing: they are numbered from 1 without a gap.
"""

from typing import Annotated, Final

import msgspec

from careledger.ledger.record import Count, Record

FIRST: Final = 1
"""Number of the first batch of every stream, and of the first of everything that is numbered."""

BatchSize = Annotated[int, msgspec.Meta(ge=1, lt=2**32)]
"""Leaves of the RFC 9162 tree that the batch is; an empty batch anchors nothing."""

Sequence = Annotated[int, msgspec.Meta(ge=FIRST, lt=2**53)]


class Stream(Record):
    """How far a stream has come."""

    batches: Count = 0
    items: Count = 0

    @property
    def next(self) -> int:
        """The only number the next batch can have."""
        return self.batches + FIRST

    def is_next(self, sequence: int) -> bool:
        """Whether a batch with that number follows without a gap and without overlap."""
        return sequence == self.next

    def extended(self, size: int) -> "Stream":
        """The stream after another batch of `size` items."""
        return Stream(batches=self.batches + 1, items=self.items + size)
