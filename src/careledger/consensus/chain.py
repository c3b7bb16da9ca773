"""One block at a time: choose, apply, close, make durable. Every engine drives this.

A block may be prepared while its parent is still being made durable: its view is the committed
state with the parent's changes laid over it, which reads the same before and after that commit.
"""

import logging
import time
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass

from careledger.consensus.measures import Measures
from careledger.consensus.proposal import Judge, Proposal, is_protective
from careledger.ledger import hybrid
from careledger.ledger.entry import Evidence
from careledger.ledger.errors import Inadmissible
from careledger.ledger.genesis import (
    Activation,
    Genesis,
    Installed,
    active_applications,
    missing_versions,
)
from careledger.ledger.membership import ACTIVATIONS, NetworkParameters, parameters
from careledger.ledger.record import Digest, Instant, TransactionId
from careledger.ledger.state import RememberingReader, View
from careledger.ledger.state_root import Delta
from careledger.ledger.transaction import VerifiedTransaction, parse_transaction
from careledger.ledger.transition import (
    Applications,
    Applied,
    Block,
    Closed,
    Header,
    apply_block,
    close_block,
)
from careledger.store.store import Store

_log = logging.getLogger(__name__)


@dataclass(frozen=True, kw_only=True)
class Prepared:
    """A block with everything it does, not durable yet."""

    block: Block
    proposal: Proposal
    applied: Applied
    closed: Closed
    delta: Delta
    ids: frozenset[TransactionId]

    @property
    def header(self) -> Header:
        """Where the chain will stand after it."""
        return self.closed.header


class Chain:
    """The chain's tip: the store, and at most one block that is on its way into it."""

    def __init__(
        self,
        store: Store,
        chain: Digest,
        genesis: Genesis,
        installed: Installed,
    ) -> None:
        """Continue from what `store` holds."""
        self.store = store
        self.id = chain
        self.measures = Measures()
        self._check_algorithms()
        self.genesis = genesis
        self._installed = installed
        self._pending: Prepared | None = None
        self._known: tuple[Header, NetworkParameters, Applications] | None = None

    @property
    def tip(self) -> Header:
        """The header that the next block follows."""
        return self._pending.header if self._pending else self.store.latest

    def prepare(
        self,
        waiting: Iterable[VerifiedTransaction] | Proposal,
        time: Instant,
        evidence: tuple[Evidence, ...] = (),
    ) -> Prepared:
        """Choose from `waiting`, apply and close the next block; `begin` makes it the pending one.

        Of a block that a network has decided, all is chosen: no honest validator votes for another.
        A `Proposal` was chosen already, for the same block by the same state and time.

        Raises:
            MissingVersion: the network runs what this program lacks from this block on.
            Unavailable: the store could not be read.
        """
        pending = self._pending  # once: it may become durable while this runs
        parent = pending.header if pending else self.store.latest
        frontier = pending.closed.frontier if pending else self.store.frontier
        with self._next(pending, parent, time) as judge:
            proposal = waiting if isinstance(waiting, Proposal) else judge.choose(waiting)
            block = Block(
                height=parent.height + 1,
                time=judge.time,
                transactions=tuple(proposal.chosen),
                evidence=evidence,
            )
            applied = apply_block(judge.view, parent, block, self.id, judge.applications)
        delta = self.store.delta(applied.changes, after=pending.delta if pending else None)
        closed = close_block(applied, block, parent, delta.root, frontier)
        return Prepared(
            block=block,
            proposal=proposal,
            applied=applied,
            closed=closed,
            delta=delta,
            ids=frozenset(transaction.id for transaction in block.transactions),
        )

    @contextmanager
    def judging(self, time: Instant) -> Iterator[Judge]:
        """Who judges what the next block may hold, at `time`.

        Raises:
            MissingVersion: the network runs what this program lacks from this block on.
            Unavailable: the store could not be read.
        """
        pending = self._pending
        with self._next(pending, pending.header if pending else self.store.latest, time) as judge:
            yield judge

    def is_protective(self, raw: bytes) -> bool:
        """Whether those bytes look like a transaction that protects somebody; nothing is checked.

        Raises:
            Unavailable: the store could not be read.
        """
        try:
            calls = parse_transaction(raw).calls
        except Inadmissible:
            return False
        with self.judging(0) as judge:
            return is_protective(calls, judge.applications)

    @contextmanager
    def _next(self, pending: Prepared | None, parent: Header, time: Instant) -> Iterator[Judge]:
        with self.store.snapshot() as committed:
            layers = [pending.applied.changes] if pending else []
            view = View(RememberingReader(committed), *layers)
            limits, applications = self._agreed(parent, view)
            yield Judge(
                view=view,
                seen=lambda id_: (pending and id_ in pending.ids) or committed.has(id_),
                time=max(time, parent.time),
                limits=limits,
                applications=applications,
            )

    def _agreed(self, parent: Header, view: View) -> tuple[NetworkParameters, Applications]:
        """What holds after `parent`; worked out once, for engines ask at every transaction."""
        known = self._known  # once: two threads may ask
        if known is None or known[0] != parent:
            applications = self.applications(parent.height + 1, view)
            known = self._known = parent, parameters(view), applications
        return known[1:]

    def begin(self, prepared: Prepared) -> None:
        """Make `prepared` the pending block; the one before must be durable."""
        if self._pending is not None:
            raise RuntimeError(self._pending.header.height)
        self._pending = prepared

    def commit(self, prepared: Prepared) -> None:
        """Make the pending block durable, in one step.

        Raises:
            Unavailable: the disk refused; nothing of the block is there.
        """
        began = time.monotonic()
        self.store.append(
            prepared.closed,
            [transaction.raw for transaction in prepared.block.transactions],
            prepared.applied.receipts,
            prepared.applied.changes,
            prepared.delta,
        )
        applied = prepared.applied
        seconds = time.monotonic() - began
        self.measures.committed(applied.receipts, len(applied.alarms), seconds)
        if any(key.startswith(ACTIVATIONS.prefix()) for key in prepared.applied.changes):
            self.warn_of_missing_versions()

    def settle(self) -> None:
        """Forget the pending block: it is durable, or it could not be written."""
        self._pending = None

    def applications(self, height: int, view: View) -> Applications:
        """What runs at `height`; `view` is the state before that block.

        Raises:
            MissingVersion: this program lacks some of it.
        """
        return active_applications(self.genesis, self._installed, height, view)

    def missing_versions(self) -> tuple[Activation, ...]:
        """What the network is about to run, by committed state, and this program lacks."""
        with self.store.snapshot() as committed:
            height = committed.latest().height
            return missing_versions(self.genesis, self._installed, height, View(committed))

    def _check_algorithms(self) -> None:
        """See that this program can judge every key that the network may have.

        Raises:
            MissingAlgorithm: hybrid keys were agreed on, and its library cannot check them.
        """
        if hybrid.is_available():
            return
        with self.store.snapshot() as committed:
            agreed = parameters(View(committed)).hybrid_keys is True
        if agreed:
            raise hybrid.MissingAlgorithm(
                "this network has hybrid keys, and the OpenSSL under this program's `cryptography` "
                "has no ML-DSA-65: install the locked versions"
            )

    def warn_of_missing_versions(self) -> None:
        """Tell the operators in time that this program has to be upgraded."""
        for one in self.missing_versions():
            _log.warning(
                "this node stops before height %d: it lacks %s version %d; upgrade it first",
                one.height,
                one.application,
                one.version,
                extra={"height": one.height, "application": one.application},
            )
