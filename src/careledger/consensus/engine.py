"""Whoever orders transactions, as the node that it serves sees it."""

import asyncio
from collections.abc import Callable
from typing import Protocol

from careledger.consensus.intake import Ordered
from careledger.consensus.measures import Load, Measures, Presence
from careledger.ledger.record import Instant


class Engine(Protocol):
    """One node's way to blocks: the embedded engine, or the network's."""

    @property
    def clock(self) -> Callable[[], Instant]:
        """The time, as this node has it."""
        ...

    @property
    def new_block(self) -> asyncio.Condition:
        """Notified after each block that became durable, empty ones too."""
        ...

    @property
    def halted(self) -> "asyncio.Future[None]":
        """Fails with the error that stopped the engine for good."""
        ...

    @property
    def trouble(self) -> str | None:
        """Why there are no blocks at present; None if there are."""
        ...

    @property
    def measures(self) -> Measures:
        """What was counted since the start."""
        ...

    def load(self) -> Load:
        """What waits for a block."""
        ...

    def presence(self) -> Presence:
        """Who takes part in ordering."""
        ...

    async def start(self) -> None:
        """Begin to take part."""
        ...

    async def close(self) -> None:
        """Stop; what waits is answered `Unavailable`."""
        ...

    def enqueue(self, raw: bytes) -> "asyncio.Future[Ordered]":
        """Take a transaction in; the answer is its receipt, once that is durable.

        Raises:
            Unavailable: too much is waiting, there are no blocks, or the engine has halted.
        """
        ...

    async def submit(self, raw: bytes) -> Ordered:
        """Wait until the transaction is durable; resubmitting one gives its first receipt.

        Raises:
            Inadmissible: it may not enter a block.
            Unavailable: nothing is known to be decided; what was sent may still be ordered.
        """
        ...
