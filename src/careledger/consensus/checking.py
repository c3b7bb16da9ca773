"""Checks transactions where it is cheapest: right here, in a thread, or in worker processes."""

import asyncio
import logging
from collections.abc import Sequence
from concurrent.futures import BrokenExecutor

from careledger.consensus.chain import Chain
from careledger.consensus.verification import Checked, Workers, check, check_many
from careledger.ledger.errors import Inadmissible
from careledger.ledger.record import Instant
from careledger.ledger.state import View
from careledger.ledger.transaction import VerifiedTransaction

INLINE = 3
"""Up to so many transactions are checked right here: crossing to a worker costs more."""

Found = Checked | int | VerifiedTransaction
"""A verified transaction, whole or as it crosses between processes, or an `Inadmissible`'s code."""

_log = logging.getLogger(__name__)


class Checker:
    """Judges by what is committed, and checks signatures."""

    def __init__(self, chain: Chain, workers: Workers | None) -> None:
        """Without `workers`, signatures are checked in a thread."""
        self._chain = chain
        self._workers = workers

    @property
    def lanes(self) -> int:
        """How many calls of `check` go on side by side to some use."""
        return self._workers.count + 1 if self._workers else 1

    async def check(self, raws: Sequence[bytes], time: Instant, clock: Instant = 0) -> list[Found]:
        """What each is, as far as committed state at `time` tells; `clock` may be ahead of it."""
        loop = asyncio.get_running_loop()
        if self._workers is None or not self._workers.are_ready:
            return await loop.run_in_executor(None, self._check_here, raws, time, clock)
        if len(raws) <= INLINE:
            return self._check_here(raws, time, clock)
        try:
            return list(
                await loop.run_in_executor(self._workers.pool, check_many, raws, time, clock)
            )
        except BrokenExecutor:
            _log.exception("a worker died; signatures are checked in a thread from here on")
            self._workers = None
            return await loop.run_in_executor(None, self._check_here, raws, time, clock)

    def _check_here(self, raws: Sequence[bytes], time: Instant, clock: Instant) -> list[Found]:
        found: list[Found] = []
        with self._chain.store.snapshot() as committed:
            for raw in raws:
                try:
                    view, seen = View(committed), committed.has
                    found.append(check(raw, view, seen, time, self._chain.id, clock=clock))
                except Inadmissible as error:
                    found.append(error.code)
        return found
