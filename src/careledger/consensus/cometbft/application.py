"""The ledger as CometBFT drives it: every call of ABCI 2.0, as a plain function over the chain.

Nothing here waits, and no time comes from anywhere but `clock` and the engine's blocks. What a
block does is decided in `finalize_block` and made durable in `commit`, in one step; before that
step a crash leaves nothing, and the engine brings the block again.
"""

import logging
from collections.abc import Callable, Iterable, Iterator, Sequence
from itertools import chain, islice

from careledger.consensus.chain import Chain, Prepared
from careledger.consensus.cometbft import messages as m
from careledger.consensus.cometbft.admission import Admission
from careledger.consensus.cometbft.blocks import (
    Anticipated,
    Judged,
    codes,
    evidence_of,
    seconds,
    voted,
    within,
)
from careledger.consensus.cometbft.genesis import check_init, consensus_parameters
from careledger.consensus.cometbft.pool import Pool
from careledger.consensus.cometbft.snapshot_calls import NoSnapshots, Snapshots
from careledger.consensus.cometbft.validators import check_voters, validator_updates
from careledger.consensus.intake import Busy
from careledger.consensus.proposal import MAX_BLOCK_COMMANDS, Choosing, Judge, Proposal
from careledger.consensus.verified import VerifiedOnce
from careledger.ledger.errors import Inadmissible, InvalidBlock, LedgerError
from careledger.ledger.record import Instant, TransactionId
from careledger.ledger.transaction import (
    Expired,
    OverBudget,
    Replayed,
    UnknownKey,
    VerifiedTransaction,
)
from careledger.ledger.transition import STATE_MACHINE_VERSION

ENGINE_SERIES = "0.38."
"""Which engine's calls these are."""

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
        self.admission = Admission(chain, clock, verified or VerifiedOnce(), pool or Pool())
        self.snapshots = snapshots or NoSnapshots()
        self._judged: Judged | None = None
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

    @property
    def verified(self) -> VerifiedOnce:
        """Transactions whose signature was checked."""
        return self.admission.verified

    @property
    def pool(self) -> Pool:
        """What waits."""
        return self.admission.pool

    def check_each(self, requests: Iterable[m.RequestCheckTx]) -> Iterator[m.ResponseCheckTx]:
        """Whether each may wait in the engine's mempool, or still may; one answer at a time."""
        return self.admission.check_each(requests)

    def offer(
        self, transactions: Iterable[VerifiedTransaction]
    ) -> list[Inadmissible | Busy | None]:
        """Take in what this node was sent itself; for each, why not if not."""
        return self.admission.offer(transactions)

    # --- proposals -----------------------------------------------------------------------------

    def prepare_proposal(self, request: m.RequestPrepareProposal) -> m.ResponsePrepareProposal:
        """Fill a block: what protects patients first, then the mempool in its order.

        Then what waits here and the engine did not offer: its mempool forgets what it cannot hold.
        """
        self._check_height(request.height)
        with self.chain.judging(seconds(request.time)) as judge:
            offered = self.admission.read_each(request.txs, judge)
            proposal = self._fill(judge, offered)
        for transaction, error in proposal.refused:
            if isinstance(error, _OVER):
                self.pool.discard(transaction.id)
        raws = within((one.raw for one in proposal.chosen), request.max_tx_bytes)
        chosen = proposal.chosen[: len(raws)]
        self._judged = Judged(request.height, seconds(request.time), raws, chosen)
        return m.ResponsePrepareProposal(txs=raws)

    def _fill(
        self, judge: Judge, offered: Sequence[VerifiedTransaction | Inadmissible]
    ) -> Proposal:
        """Choose; what cannot fit, because its member has used up its share, is passed over."""
        choosing, considered = Choosing(judge), set[TransactionId]()
        good = (one for one in offered if isinstance(one, VerifiedTransaction))
        ours = islice(self.pool, MAX_BLOCK_COMMANDS)
        for transaction in chain(self.pool.protective(), good, ours):
            if transaction.id in considered:
                continue
            considered.add(transaction.id)
            pooled = self.pool.get(transaction.id)
            if pooled is None or pooled.protects or choosing.has_room_for(pooled.payer):
                choosing.consider(transaction)
        return choosing.proposal

    def process_proposal(self, request: m.RequestProcessProposal) -> m.ResponseProcessProposal:
        """Vote yes, unless the block holds what no honest validator would have put there."""
        self._check_height(request.height)
        if self._known(request) is not None:
            return m.ResponseProcessProposal(status=m.Vote.ACCEPT)
        with self.chain.judging(seconds(request.time)) as judge:
            found = self.admission.read_each(request.txs, judge)
            valid = [one for one in found if isinstance(one, VerifiedTransaction)]
            proposal = judge.choose(valid)
        if len(proposal.chosen) == len(found):
            self._judged = Judged(request.height, seconds(request.time), request.txs, valid)
            return m.ResponseProcessProposal(status=m.Vote.ACCEPT)
        errors = [one for one in found if isinstance(one, Inadmissible)]
        errors += [error for _, error in proposal.refused]
        reason = type(errors[0]).__name__ if errors else OverBudget.__name__
        _log.error("voting against a proposal for height %d: %s", request.height, reason)
        return m.ResponseProcessProposal(status=m.Vote.REJECT)

    def _known(
        self, block: m.RequestProcessProposal | m.RequestFinalizeBlock
    ) -> Sequence[VerifiedTransaction] | None:
        """Its transactions, if all of them were chosen before, by the same state and time."""
        judged = self._judged
        if judged is None or (judged.height, judged.time) != (block.height, seconds(block.time)):
            return None
        return judged.transactions if judged.raws == block.txs else None

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
        results: dict[int, m.ExecTxResult] = {}
        return m.ResponseFinalizeBlock(
            tx_results=tuple(
                results.setdefault(code, m.ExecTxResult(code=code))
                for code in codes(found, prepared)
            ),
            validator_updates=updates,
            app_hash=prepared.header.app_hash,
        )

    def _work_out(
        self, block: m.RequestProcessProposal | m.RequestFinalizeBlock
    ) -> tuple[Sequence[VerifiedTransaction | Inadmissible], Prepared]:
        """What each transaction is, and what the block does."""
        time, evidence = seconds(block.time), evidence_of(block.misbehavior)
        if (known := self._known(block)) is not None:
            return known, self.chain.prepare(Proposal(chosen=[*known]), time, evidence)
        with self.chain.judging(time) as judge:
            found = self.admission.read_each(block.txs, judge)
        valid = [one for one in found if isinstance(one, VerifiedTransaction)]
        return found, self.chain.prepare(valid, time, evidence)

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
        self._finalized = self._anticipated = self._judged = None
        self.committed = prepared
        self.pool.settle(prepared.ids, prepared.header.time)
        for alarm in prepared.applied.alarms:
            _log.error("a rule failed unexpectedly at %s", alarm)
        return m.ResponseCommit()

    def _check_height(self, height: int) -> None:
        expected = self.chain.tip.height + 1
        if height != expected:
            raise InvalidBlock("the engine is at another height", expected, height)
