"""What a running node counts: blocks, outcomes, refusals, and how long the durable step takes.

Counted from nothing at each start, in memory; `gateway.node_metrics` tells Prometheus. Blocks are
counted by the thread that writes them, arrivals by the event loop: nothing is counted by two.
"""

import time
from bisect import bisect_left
from collections import Counter
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from itertools import accumulate
from typing import Final

from careledger.ledger.transition import Receipt

COMMIT_BOUNDS_S: Final = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0)
INTERVAL_BOUNDS_S: Final = (0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 7.5, 10.0, 30.0)


class Distribution:
    """How often a measured time fell below each bound."""

    def __init__(self, bounds: tuple[float, ...]) -> None:
        """Sort by `bounds`, in seconds, rising; whatever exceeds the last is counted as well."""
        self._bounds = bounds
        self._counts = [0] * (len(bounds) + 1)
        self.total = 0.0

    def add(self, seconds: float) -> None:
        """One more."""
        self._counts[bisect_left(self._bounds, seconds)] += 1
        self.total += seconds

    def below(self) -> Iterator[tuple[float, int]]:
        """Each bound, the last one infinite, and how many were no longer than that."""
        return zip((*self._bounds, float("inf")), accumulate(self._counts), strict=True)


class Measures:
    """The counters of one node."""

    def __init__(self) -> None:
        """Begin at nothing."""
        self.blocks = 0
        self.outcomes: Counter[int] = Counter()
        """Transactions in blocks by the code of their receipt; 0 took effect."""
        self.inadmissible: Counter[int] = Counter()
        """Transactions that entered no block, by the number of why."""
        self.busy = 0
        """Transactions that were turned away because too much was waiting."""
        self.alarms = 0
        """Rules that failed unexpectedly."""
        self.commit_s = Distribution(COMMIT_BOUNDS_S)
        self.interval_s = Distribution(INTERVAL_BOUNDS_S)
        self._last: float | None = None

    def committed(self, receipts: Iterable[Receipt], alarms: int, seconds: float) -> None:
        """A block is durable; its durable step took so many `seconds`."""
        now = time.monotonic()
        if self._last is not None:
            self.interval_s.add(now - self._last)
        self._last = now
        self.blocks += 1
        self.commit_s.add(seconds)
        self.alarms += alarms
        self.outcomes.update(receipt.code for receipt in receipts)


@dataclass(frozen=True, kw_only=True)
class Load:
    """What waits for a block, and how much may."""

    transactions: int
    most_transactions: int
    bytes: int
    most_bytes: int


@dataclass(frozen=True, kw_only=True)
class Presence:
    """Who takes part in ordering, as far as this node's engine sees."""

    peers: int
    """Other engines that this one is connected to."""
    power: int
    """Voting power of the validators that signed last; a block needs more than two thirds."""
    total_power: int
