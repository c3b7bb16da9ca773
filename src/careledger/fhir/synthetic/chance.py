"""Chance that is the same on every machine: named streams of random numbers."""

import hashlib
import random
from collections.abc import Sequence
from typing import TypeVar

T = TypeVar("T")


class Chance:
    """One stream, named by a seed and what it decides.

    Streams do not disturb each other: drawing more in one changes nothing in another. Only
    `random.Random(int).random()` is used, whose sequence Python promises to keep; everything else
    is arithmetic on it, so that 3.11 to 3.13 agree to the byte.
    """

    def __init__(self, seed: int, *names: str | int) -> None:
        label = "/".join(str(name) for name in (seed, *names))
        number = int.from_bytes(hashlib.sha256(label.encode()).digest())
        self._next = random.Random(number).random  # noqa: S311  nothing here is secret

    def happens(self, probability: float) -> bool:
        return self._next() < probability

    def integer(self, low: int, high: int) -> int:
        """Return a whole number from `low` to `high`, both included."""
        return low + int(self._next() * (high - low + 1))

    def choice(self, options: Sequence[T]) -> T:
        return options[int(self._next() * len(options))]

    def normal(self) -> float:
        """Return a number with mean 0 and deviation 1, never beyond 3 (sum of twelve uniforms)."""
        draw = self._next
        total = sum([draw() for _ in range(12)]) - 6.0
        return min(3.0, max(-3.0, total))
