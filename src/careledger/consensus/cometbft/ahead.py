"""Checks the signatures of what the engine is about to ask for, many side by side.

The engine's four connections may bring the same transaction at one time: in a proposal, and as
something that wants to wait. Whoever comes second waits for the check that is under way.
"""

import asyncio
from collections.abc import AsyncIterator, Callable, Iterable, Sequence
from contextlib import asynccontextmanager

from careledger.consensus.chain import Chain
from careledger.consensus.checking import Checker
from careledger.consensus.cometbft import messages as m
from careledger.consensus.cometbft.blocks import seconds
from careledger.consensus.cometbft.protobuf import Message
from careledger.consensus.verification import restore
from careledger.consensus.verified import VerifiedOnce
from careledger.ledger.record import Instant
from careledger.ledger.transaction import VerifiedTransaction

FEW = 4
"""More unchecked transactions than this are checked before the application asks."""

BATCH = 256
"""Most transactions that cross to a worker at once."""


class Ahead:
    """What is being checked, by its bytes; the event loop's alone."""

    def __init__(
        self,
        chain: Chain,
        checker: Checker,
        verified: VerifiedOnce,
        clock: Callable[[], Instant],
    ) -> None:
        """Check with `checker` what `verified` does not know."""
        self._chain, self._checker = chain, checker
        self._verified, self._clock = verified, clock
        self._underway: dict[bytes, asyncio.Task[list[VerifiedTransaction]]] = {}

    @asynccontextmanager
    async def checked(
        self, requests: Iterable[Message]
    ) -> AsyncIterator[Sequence[VerifiedTransaction]]:
        """Those that `requests` bring and nobody had checked, if there are more than a `FEW`.

        Whoever asks makes them known before this ends. What is inadmissible is left to the
        application, which judges it by its own time.
        """
        raws, at, clock = self._brought(requests)
        missing = self._verified.missing(raws)
        if len(missing) <= FEW:
            yield ()
            return
        self._begin([raw for raw in missing if raw not in self._underway], at, clock)
        tasks = dict.fromkeys(self._underway[raw] for raw in missing)
        try:
            found = await asyncio.gather(*tasks)
            yield [one for batch in found for one in batch]
        finally:
            for raw in missing:
                if (task := self._underway.get(raw)) is not None and task.done():
                    del self._underway[raw]

    def _brought(self, requests: Iterable[Message]) -> tuple[list[bytes], Instant, Instant]:
        """The transactions in `requests`; block time and clock by which they are judged."""
        raws: list[bytes] = []
        at, clock = self._chain.tip.time, self._clock()
        for request in requests:
            match request:
                case m.RequestCheckTx():
                    raws.append(request.tx)
                case m.RequestProcessProposal() | m.RequestFinalizeBlock():
                    raws += request.txs
                    at, clock = seconds(request.time), 0
                case _:
                    pass
        return raws, at, clock

    def _begin(self, raws: Sequence[bytes], at: Instant, clock: Instant) -> None:
        size = max(FEW, min(BATCH, -(-len(raws) // self._checker.lanes)))
        for first in range(0, len(raws), size):
            batch = raws[first : first + size]
            task = asyncio.create_task(self._check(batch, at, clock))
            self._underway |= dict.fromkeys(batch, task)

    async def _check(
        self, raws: Sequence[bytes], at: Instant, clock: Instant
    ) -> list[VerifiedTransaction]:
        checked: list[VerifiedTransaction] = []
        found = await self._checker.check(raws, at, clock)
        for raw, result in zip(raws, found, strict=True):
            if isinstance(result, VerifiedTransaction):
                checked.append(result)
            elif not isinstance(result, int):
                checked.append(restore(raw, result))
        return checked
