"""What may wait in the engine's mempool: each transaction checked once, and then known.

One committed state judges all that came in together, so that it is opened once for them.
"""

from collections.abc import Callable, Iterable, Iterator, Sequence

from careledger.consensus.chain import Chain
from careledger.consensus.cometbft.messages import RequestCheckTx, ResponseCheckTx
from careledger.consensus.cometbft.pool import Pool, Pooled
from careledger.consensus.intake import Busy
from careledger.consensus.proposal import Judge, is_protective
from careledger.consensus.verification import check
from careledger.consensus.verified import VerifiedOnce
from careledger.ledger.errors import Inadmissible
from careledger.ledger.record import Instant
from careledger.ledger.transaction import Replayed, VerifiedTransaction

BUSY_CODE = 1
"""Of a transaction that is turned away only because too much waits; below any refusal of ours."""

_OK = ResponseCheckTx()
_OVER = ResponseCheckTx(code=Replayed.code, log="no longer waiting")


class Admission:
    """One node's way in. One call at a time, and none while a block is made durable."""

    def __init__(
        self, chain: Chain, clock: Callable[[], Instant], verified: VerifiedOnce, pool: Pool
    ) -> None:
        """By the state of `chain`; `clock` says only what may wait because it begins soon."""
        self.chain, self.clock = chain, clock
        self.verified, self.pool = verified, pool

    def check_each(self, requests: Iterable[RequestCheckTx]) -> Iterator[ResponseCheckTx]:
        """Whether each may wait in the engine's mempool; of one that does, whether it still may.

        Raises:
            Unavailable: the store could not be read; what was answered before counts.
        """
        with self.chain.judging(0) as judge:
            for request in requests:
                known = self.verified.get(request.tx)
                if known is not None and self.pool.has(known):
                    yield _OK
                elif request.type:  # it waited, and was ordered or has expired since
                    yield _OVER
                else:
                    yield self._check(request.tx, judge)

    def _check(self, raw: bytes, judge: Judge) -> ResponseCheckTx:
        clock = self.clock()
        try:
            self._take(self.read(raw, judge, clock), judge, clock)
        except Inadmissible as error:
            return ResponseCheckTx(code=error.code, log=error.text())
        except Busy as error:
            return ResponseCheckTx(code=BUSY_CODE, log=str(error))
        return _OK

    def offer(
        self, transactions: Iterable[VerifiedTransaction]
    ) -> list[Inadmissible | Busy | None]:
        """Take in what this node was sent itself, ahead of the engine; for each, why not if not.

        So a protective one gets into this node's own proposals even if the engine's mempool has
        no place for it.
        """
        found: list[Inadmissible | Busy | None] = []
        with self.chain.judging(0) as judge:
            for transaction in transactions:
                self.verified.add(transaction)
                try:
                    if not self.pool.awaits(transaction.id):  # perhaps under another signature
                        self._take(transaction, judge, self.clock())
                except (Inadmissible, Busy) as error:
                    found.append(error)
                else:
                    found.append(None)
        return found

    def _take(self, transaction: VerifiedTransaction, judge: Judge, clock: Instant) -> None:
        payer = judge.payer(transaction, clock=clock)
        protects = is_protective(transaction.calls, judge.applications)
        self.pool.add(Pooled(transaction, payer, protects), judge.limits)

    def read(self, raw: bytes, judge: Judge, clock: Instant = 0) -> VerifiedTransaction:
        """Parse, judge and verify; what was verified before is left to whoever judges next.

        Raises:
            Inadmissible: the same as that judgement would say.
        """
        known = self.verified.get(raw)
        if known is None:
            chain = self.chain.id
            known = check(raw, judge.view, judge.seen, judge.time, chain, clock=clock)
            self.verified.add(known)
        return known

    def read_each(
        self, raws: Sequence[bytes], judge: Judge
    ) -> list[VerifiedTransaction | Inadmissible]:
        """Each of a block's; what is no transaction of ours as the reason."""
        found: list[VerifiedTransaction | Inadmissible] = []
        for raw in raws:
            try:
                found.append(self.read(raw, judge))
            except Inadmissible as error:
                found.append(error)
        return found
