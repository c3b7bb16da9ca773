"""The part of the ledger that a patient keeps: members, practitioners, and all about her accounts.

The wallet reads the whole log and keeps what concerns her, instead of asking a node for her rows:
so no node learns which accounts are one person, and a row left out is noticed, because what was
read must add up to the checkpoint. It can be made again at any time.
"""

from collections.abc import Collection, Iterable

from careledger.apps import installed
from careledger.apps.governance.commands import ActivationAgreed
from careledger.apps.identity.commands import AccountEnrolled, PractitionerHolder
from careledger.ledger.entry import EventRecord
from careledger.ledger.genesis import genesis_changes, load_genesis, run_versions, schedule
from careledger.ledger.membership import SIGNERS
from careledger.ledger.merkle import Frontier
from careledger.ledger.record import (
    AccountName,
    Count,
    Digest,
    Hash,
    Instant,
    Record,
    decode_trusted,
)
from careledger.ledger.state import MemoryReader, View


class Seen(Record):
    """One event about the patient's accounts, and where in the log its transaction stands."""

    index: Count
    transaction: Hash
    time: Instant
    """When its block ended."""
    application: str
    event: bytes


class Kept(Record):
    """A copy as it is stored."""

    genesis: bytes
    accounts: tuple[AccountName, ...]
    size: Count
    frontier: tuple[Hash, ...]
    rows: tuple[tuple[bytes, bytes], ...]
    seen: tuple[Seen, ...]


class LedgerCopy:
    """A copy being extended; in memory, and the only writer of its rows."""

    def __init__(self, genesis_file: bytes, accounts: Collection[str]) -> None:
        """Begin at genesis, for these accounts of one patient."""
        self.genesis_file, self.accounts = genesis_file, frozenset(accounts)
        self.chain, genesis = load_genesis(genesis_file)
        self._genesis, self._installed = genesis, installed()
        self._activations = schedule(genesis)
        self._applications = run_versions(self._activations, self._installed, 0)
        self._rows = MemoryReader()
        self._rows.apply(genesis_changes(genesis, self._applications))
        self.frontier, self.seen = Frontier(), list[Seen]()

    @classmethod
    def of(cls, kept: Kept) -> "LedgerCopy":
        """Go on from what was stored."""
        copy = cls(kept.genesis, kept.accounts)
        copy._rows = MemoryReader(dict(kept.rows))
        copy._activations = schedule(copy._genesis, copy.view)
        copy.frontier = Frontier(kept.size, tuple(map(Digest, kept.frontier)))
        copy.seen = list(kept.seen)
        return copy

    def kept(self) -> Kept:
        """What to store."""
        return Kept(
            genesis=self.genesis_file,
            accounts=tuple(sorted(self.accounts)),
            size=self.frontier.size,
            frontier=self.frontier.hashes,
            rows=tuple(self._rows.rows().items()),
            seen=tuple(self.seen),
        )

    @property
    def size(self) -> int:
        """How many log entries it has read."""
        return self.frontier.size

    @property
    def view(self) -> View:
        """Members, practitioners and the patient's own accounts, as of `size`."""
        return View(self._rows)

    def grow(self, leaves: Iterable[Digest]) -> None:
        """Count these leaves as read."""
        self.frontier = self.frontier.extend(leaves)

    def enter(self, height: int) -> None:
        """Go by the versions that run at `height`; a copy reads blocks in order.

        Raises:
            MissingVersion: this program lacks one of them.
        """
        self._applications = run_versions(self._activations, self._installed, height)

    def fold(
        self, index: int, transaction: bytes, time: Instant, events: Iterable[EventRecord]
    ) -> None:
        """Keep those events of a transaction that concern the patient."""
        for record in events:
            application = self._applications.get(record.application)
            if application is None:
                continue
            event = decode_trusted(record.event, application.event_type)
            mine = self.is_mine(event)
            if not (mine or self._is_known(record.application, event)):
                continue
            self._rows.apply(application.evolve(event, self.view))
            if isinstance(event, ActivationAgreed):
                self._activations = schedule(self._genesis, self.view)
            if mine:
                seen = Seen(
                    index=index,
                    transaction=transaction,
                    time=time,
                    application=record.application,
                    event=record.event,
                )
                self.seen.append(seen)

    def event_of(self, seen: Seen) -> Record:
        """The event itself."""
        application = self._applications[seen.application]
        event: Record = decode_trusted(seen.event, application.event_type)
        return event

    def is_mine(self, event: Record) -> bool:
        """Whether it is about one of the patient's accounts."""
        return (
            getattr(event, "account", None) in self.accounts
            or getattr(event, "receiver", None) in self.accounts
        )

    def _is_known(self, application: str, event: Record) -> bool:
        """Whether it is about members or practitioners, whom everybody may know by name."""
        if application == "governance":
            return True
        if application != "identity":
            return False
        if isinstance(event, AccountEnrolled) and isinstance(event.holder, PractitionerHolder):
            return True
        account = getattr(event, "account", "")
        return self.view.get(SIGNERS, account) is not None
