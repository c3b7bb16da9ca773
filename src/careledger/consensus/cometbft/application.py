"""The ledger as CometBFT drives it: every call of ABCI 2.0, as a plain function over the chain.

Nothing here waits, and no time comes from anywhere but `clock` and the engine's blocks. What a
block does is decided in `finalize_block` and made durable in `commit`, in one step; before that
step a crash leaves nothing, and the engine brings the block again.
"""

import logging
from collections.abc import Callable, Iterable, Sequence
from itertools import islice

from careledger.consensus.chain import Chain, Prepared
from careledger.consensus.cometbft import messages as m
from careledger.consensus.cometbft.blocks import (
    Anticipated,
    codes,
    evidence_of,
    seconds,
    voted,
    within,
)
from careledger.consensus.cometbft.genesis import check_init, consensus_parameters
from careledger.consensus.cometbft.pool import Pool, Pooled
from careledger.consensus.cometbft.snapshot_calls import NoSnapshots, Snapshots
from careledger.consensus.cometbft.validators import check_voters, validator_updates
from careledger.consensus.intake import Busy
from careledger.consensus.proposal import MAX_BLOCK_COMMANDS, Judge, is_protective, payer_of
from careledger.consensus.verification import check
from careledger.consensus.verified import VerifiedOnce
from careledger.ledger.errors import Inadmissible, InvalidBlock, LedgerError
from careledger.ledger.record import Instant
from careledger.ledger.transaction import (
    Expired,
    OverBudget,
    Replayed,
    UnknownKey,
    VerifiedTransaction,
    check_still_admissible,
)
from careledger.ledger.transition import STATE_MACHINE_VERSION

ENGINE_SERIES = "0.38."
"""Which engine's calls these are."""

BUSY_CODE = 1
"""Of a transaction that is turned away only because too much waits; below any refusal of ours."""

UNKNOWN_QUERY_CODE = 1

_OVER = (Replayed, Expired, UnknownKey)
"""What does not pass by waiting."""

_log = logging.getLogger(__name__)


class WrongEngine(LedgerError):
    """The engine is of another version than this program speaks with."""


class Application:
    """One node's application. One call at a time; `chain` is written by nobody else."""

    def __init__(
        self,
        chain: Chain,
        *,
        clock: Callable[[], Instant],
        verified: VerifiedOnce | None = None,
        pool: Pool | None = None,
        snapshots: Snapshots | None = None,
    ) -> None:
        """Drive `chain`; `clock` says only what may wait already, because it begins soon."""
        self.chain = chain
        self.verified = verified or VerifiedOnce()
        self.pool = pool or Pool()
        self.snapshots = snapshots or NoSnapshots()
        self._clock = clock
        self._finalized: Prepared | None = None
        self._anticipated: Anticipated | None = None
        self.voted = (0, 0)
        """Power of the validators that decided the block before the newest, and of all."""
        self.committed: Prepared | None = None
        """The newest block that was made durable since this began."""

    # --- beginning -----------------------------------------------------------------------------

    def info(self, request: m.RequestInfo) -> m.ResponseInfo:
        """Where the chain stands: what is durable, so that the engine brings the rest again.

        Raises:
            WrongEngine: an engine that makes other calls.
        """
        if not request.version.startswith(ENGINE_SERIES):
            raise WrongEngine(
                f"the engine is CometBFT {request.version or '(unknown)'}, and this program needs "
                f"{ENGINE_SERIES}x: `make setup` installs it"
            )
        latest = self.chain.store.latest
        return m.ResponseInfo(
            data=self.chain.id.hex(),
            app_version=STATE_MACHINE_VERSION,
            last_block_height=latest.height,
            last_block_app_hash=latest.app_hash,
        )

    def init_chain(self, request: m.RequestInitChain) -> m.ResponseInitChain:
        """Begin, if the engine's genesis file is that of this chain.

        Raises:
            WrongGenesis: it is not.
        """
        latest = self.chain.store.latest
        if latest.height:
            raise InvalidBlock("this chain has begun already", 0, latest.height)
        with self.chain.judging(latest.time) as judge:
            check_init(request, self.chain.id, self.chain.genesis, judge.view)
        return m.ResponseInitChain(
            consensus_params=consensus_parameters(), app_hash=latest.app_hash
        )

    def query(self, request: m.RequestQuery) -> m.ResponseQuery:
        """The node's own HTTP API answers questions, with proofs; here is only the app hash."""
        latest = self.chain.store.latest
        if request.path != "/app-hash":
            log = "ask the node's HTTP API; here is only /app-hash"
            return m.ResponseQuery(code=UNKNOWN_QUERY_CODE, log=log, height=latest.height)
        return m.ResponseQuery(value=latest.app_hash, height=latest.height)

    # --- what waits ----------------------------------------------------------------------------

    def check_tx(self, request: m.RequestCheckTx) -> m.ResponseCheckTx:
        """Whether it may wait in the engine's mempool; of one that does, whether it still may."""
        known = self.verified.get(request.tx)
        if known is not None and self.pool.has(known):
            return _OK
        if request.type:  # it waited, and was ordered or has expired since
            return m.ResponseCheckTx(code=Replayed.code, log="no longer waiting")
        with self.chain.judging(0) as judge:
            try:
                clock = self._clock()
                self._take(self._read(request.tx, judge, clock), judge, clock)
            except Inadmissible as error:
                return m.ResponseCheckTx(code=error.code, log=error.text())
            except Busy as error:
                return m.ResponseCheckTx(code=BUSY_CODE, log=str(error))
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
                        self._take(transaction, judge, self._clock())
                except (Inadmissible, Busy) as error:
                    found.append(error)
                else:
                    found.append(None)
        return found

    def _take(self, transaction: VerifiedTransaction, judge: Judge, clock: Instant) -> None:
        check_still_admissible(judge.view, judge.seen, transaction, judge.time, clock=clock)
        protects = is_protective(transaction.calls, judge.applications)
        pooled = Pooled(transaction, payer_of(judge.view, transaction), protects)
        self.pool.add(pooled, judge.limits)

    def _read(self, raw: bytes, judge: Judge, clock: Instant = 0) -> VerifiedTransaction:
        """Parse, judge and verify; what was verified before is left to whoever judges next.

        Raises:
            Inadmissible: the same as that judgement would say.
        """
        known = self.verified.get(raw)
        if known is None:
            known = check(raw, judge.view, judge.seen, judge.time, self.chain.id, clock=clock)
            self.verified.add(known)
        return known

    def _read_each(
        self, raws: Sequence[bytes], judge: Judge
    ) -> list[VerifiedTransaction | Inadmissible]:
        found: list[VerifiedTransaction | Inadmissible] = []
        for raw in raws:
            try:
                found.append(self._read(raw, judge))
            except Inadmissible as error:
                found.append(error)
        return found

    # --- proposals -----------------------------------------------------------------------------

    def prepare_proposal(self, request: m.RequestPrepareProposal) -> m.ResponsePrepareProposal:
        """Fill a block: what protects patients first, then the mempool in its order.

        Then what waits here and the engine did not offer: its mempool forgets what it cannot hold.
        """
        self._check_height(request.height)
        with self.chain.judging(seconds(request.time)) as judge:
            offered = self._read_each(request.txs, judge)
            waiting = [*self.pool.protective()]
            waiting += [one for one in offered if isinstance(one, VerifiedTransaction)]
            waiting += islice(self.pool, MAX_BLOCK_COMMANDS)
            proposal = judge.choose({one.id: one for one in waiting}.values())
        for transaction, error in proposal.refused:
            if isinstance(error, _OVER):
                self.pool.discard(transaction.id)
        chosen = (transaction.raw for transaction in proposal.chosen)
        return m.ResponsePrepareProposal(txs=within(chosen, request.max_tx_bytes))

    def process_proposal(self, request: m.RequestProcessProposal) -> m.ResponseProcessProposal:
        """Vote yes, unless the block holds what no honest validator would have put there."""
        self._check_height(request.height)
        with self.chain.judging(seconds(request.time)) as judge:
            found = self._read_each(request.txs, judge)
            valid = [one for one in found if isinstance(one, VerifiedTransaction)]
            proposal = judge.choose(valid)
        if len(proposal.chosen) == len(found):
            return m.ResponseProcessProposal(status=m.Vote.ACCEPT)
        errors = [one for one in found if isinstance(one, Inadmissible)]
        errors += [error for _, error in proposal.refused]
        reason = type(errors[0]).__name__ if errors else OverBudget.__name__
        _log.error("voting against a proposal for height %d: %s", request.height, reason)
        return m.ResponseProcessProposal(status=m.Vote.REJECT)

    def extend_vote(self, _: m.RequestExtendVote) -> m.ResponseExtendVote:
        """Votes are never extended; checkpoints are signed apart, after the commit."""
        return m.ResponseExtendVote()

    def verify_vote_extension(
        self, request: m.RequestVerifyVoteExtension
    ) -> m.ResponseVerifyVoteExtension:
        """An extension that nobody makes is none of ours."""
        status = m.Vote.REJECT if request.vote_extension else m.Vote.ACCEPT
        return m.ResponseVerifyVoteExtension(status=status)

    # --- blocks --------------------------------------------------------------------------------

    def anticipate(self, proposal: m.RequestProcessProposal) -> None:
        """Work out what a proposal would do, while the others still vote; nothing is decided.

        Whoever runs the application calls this once it has voted yes. If this is what is decided,
        `finalize_block` has its answer already; if not, it was for nothing.
        """
        self._check_height(proposal.height)
        self._anticipated = Anticipated(proposal, *self._work_out(proposal))

    def finalize_block(self, request: m.RequestFinalizeBlock) -> m.ResponseFinalizeBlock:
        """Work out what a decided block does; nothing is durable yet.

        What is inadmissible gets in only by the votes of more than two thirds. It is left out then,
        as if it were not there, with its reason as result: the same on every node.

        Raises:
            InvalidBlock: it does not follow what is durable, or comes from other validators.
        """
        self._check_height(request.height)
        if request.next_validators_hash:
            with self.chain.store.snapshot() as committed:
                check_voters(committed, request.next_validators_hash)
        if self._anticipated is not None and self._anticipated.is_of(request):
            found, prepared = self._anticipated.found, self._anticipated.prepared
        else:
            found, prepared = self._work_out(request)
        if len(prepared.block.transactions) != len(found):
            _log.critical("block %d was decided with what is inadmissible", request.height)
        self._finalized = prepared
        self.voted = voted(request.decided_last_commit)
        with self.chain.store.snapshot() as committed:
            updates = validator_updates(committed, prepared.applied.changes)
        return m.ResponseFinalizeBlock(
            tx_results=tuple(m.ExecTxResult(code=code) for code in codes(found, prepared)),
            validator_updates=updates,
            app_hash=prepared.header.app_hash,
        )

    def _work_out(
        self, block: m.RequestProcessProposal | m.RequestFinalizeBlock
    ) -> tuple[Sequence[VerifiedTransaction | Inadmissible], Prepared]:
        """What each transaction is, and what the block does."""
        time = seconds(block.time)
        with self.chain.judging(time) as judge:
            found = self._read_each(block.txs, judge)
        valid = [one for one in found if isinstance(one, VerifiedTransaction)]
        return found, self.chain.prepare(valid, time, evidence_of(block.misbehavior))

    def commit(self, _: m.RequestCommit) -> m.ResponseCommit:
        """Make the block durable.

        Raises:
            Unavailable: the disk refused; nothing of the block is there, call again.
        """
        prepared = self._finalized
        if prepared is None:
            raise InvalidBlock("nothing to commit", self.chain.tip.height)
        self.chain.begin(prepared)
        try:
            self.chain.commit(prepared)
        finally:
            self.chain.settle()
        self._finalized, self._anticipated, self.committed = None, None, prepared
        self.pool.settle(prepared.ids, prepared.header.time)
        for alarm in prepared.applied.alarms:
            _log.error("a rule failed unexpectedly at %s", alarm)
        return m.ResponseCommit()

    def _check_height(self, height: int) -> None:
        expected = self.chain.tip.height + 1
        if height != expected:
            raise InvalidBlock("the engine is at another height", expected, height)


_OK = m.ResponseCheckTx()
