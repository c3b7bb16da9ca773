"""Those who follow a node over an open connection: so many at most, and none once it stops."""

import asyncio
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Final

MOST: Final = 64


class Followers:
    """How many there are, and the word for all of them to go."""

    def __init__(self, most: int = MOST) -> None:
        """Let `most` follow at a time."""
        self.most, self.count = most, 0
        self.turn = asyncio.Lock()
        """Held while one of them reads: those that catch up take turns."""
        self.closed = asyncio.Event()

    @property
    def has_room(self) -> bool:
        """Whether one more may follow."""
        return self.count < self.most and not self.closed.is_set()

    @contextmanager
    def one_more(self) -> Iterator[None]:
        """Count one in, and out again."""
        self.count += 1
        try:
            yield
        finally:
            self.count -= 1

    def close(self) -> None:
        """Tell all of them to go."""
        self.closed.set()
