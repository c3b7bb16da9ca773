"""A mapping that forgets what was used longest ago, so that memory stays bounded."""

from collections import OrderedDict
from collections.abc import Callable
from typing import Generic, TypeVar

K = TypeVar("K")
V = TypeVar("V")


class Bounded(Generic[K, V]):
    """At most `limit` in weight; one entry may be heavier than that and is then kept alone."""

    def __init__(self, limit: int) -> None:
        """Begin empty."""
        self._limit, self._total = limit, 0
        self._values: OrderedDict[K, tuple[int, V]] = OrderedDict()

    def get(self, key: K) -> V | None:
        """The value, if it is still remembered."""
        kept = self._values.get(key)
        if kept is None:
            return None
        self._values.move_to_end(key)
        return kept[1]

    def put(self, key: K, value: V, weight: int = 1) -> None:
        """Remember `value`; do it again after a change of its weight."""
        self.drop(key)
        self._values[key] = weight, value
        self._total += weight
        while self._total > self._limit and len(self._values) > 1:
            _, (old, _) = self._values.popitem(last=False)
            self._total -= old

    def drop(self, key: K) -> None:
        """Forget one."""
        weight, _ = self._values.pop(key, (0, None))
        self._total -= weight

    def drop_where(self, unwanted: Callable[[V], bool]) -> None:
        """Forget every value that is `unwanted`."""
        for key in [key for key, (_, value) in self._values.items() if unwanted(value)]:
            self.drop(key)

    def clear(self) -> None:
        """Forget everything."""
        self._values.clear()
        self._total = 0

    def __len__(self) -> int:
        return len(self._values)
