"""Patience: how many refusals in a minute one requester gets before it is no longer answered.

Each refusal is a transaction that the custodian pays for. Without a bound, whoever may ask could
use up the custodian's share of every block.
"""

from collections import deque
from typing import Final

from careledger.ledger.record import Instant, SignerId

REFUSALS: Final = 120
WINDOW_S: Final = 60


class Patience:
    """Counts for one custodian, in memory."""

    def __init__(self) -> None:
        """Begin with patience for everybody."""
        self._refused: dict[SignerId, deque[Instant]] = {}

    def is_left(self, requester: SignerId, now: Instant) -> bool:
        """Whether one more request of `requester` is answered."""
        times = self._refused.get(requester)
        if times is None:
            return True
        while times and times[0] <= now - WINDOW_S:
            times.popleft()
        if not times:
            del self._refused[requester]
        return len(times) < REFUSALS

    def use(self, requester: SignerId, now: Instant) -> None:
        """Count a refusal."""
        self._refused.setdefault(requester, deque()).append(now)
