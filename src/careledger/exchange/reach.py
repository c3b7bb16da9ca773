"""The permitted world: what one caller may see of one organisation's records, at one moment.

Every read-like question is answered from here and from nowhere else: consent, the token's limits
and deletion have been applied to all that comes out, so nothing that is computed from it (matches,
totals, includes, chains, pages) can tell a resource that is withheld from one that is absent. What
is opened is in the journal before `note` returns; nothing may be released earlier.
"""

from collections.abc import Iterable, Iterator, Sequence
from typing import Final, Protocol

from careledger.exchange.asker import Asker
from careledger.exchange.bodies import Bodies, InVault, Whole
from careledger.exchange.errors import AccessRefused
from careledger.exchange.holdings import Holdings
from careledger.exchange.journal import Read
from careledger.exchange.limits import INTERACTION_OF, UNLIMITED, Limits
from careledger.exchange.organisation import Moment, Organisation
from careledger.fhir.compartment import ROSTERS
from careledger.fhir.index import Facts
from careledger.fhir.search.graph import Node, Test
from careledger.ledger.commitment import RecordName
from careledger.ledger.record import AccountId, Instant
from careledger.mechanisms.policy import Permit
from careledger.mechanisms.terms import Action
from careledger.vault.deposit import record_name
from careledger.vault.objects import PatientRef
from careledger.vault.opening import Opened
from careledger.vault.patients import Owner

AT_ONCE: Final = 100
"""So many resources are opened together."""

FEW: Final = 100
"""A count over more patients than this says nothing of any one of them, and is nobody's read."""


class Decides(Protocol):
    """Whoever decides under which permits a record is open: `Permits`, for our own people."""

    def decide(
        self, asker: Asker, action: Action, accounts: Sequence[AccountId], now: Moment
    ) -> tuple[Permit, ...]:
        """The permits, all of which must cover; raises `AccessRefused`."""
        ...

    def opens_own(self, asker: Asker) -> bool:
        """Whether the organisation's own resources are open, those about nobody."""
        ...


class Notes(Protocol):
    """Where it is written down what came out: `Journal`."""

    def note_all(self, reads: Iterable[Read]) -> None:
        """Keep `reads`, durably."""
        ...


class Reach:
    """A `fhir.search.graph.Graph` for one asker; made per request, and used by one thread."""

    def __init__(
        self,
        organisation: Organisation,
        permits: Decides,
        journal: Notes,
        asker: Asker,
        now: Moment,
        *,
        limits: Limits = UNLIMITED,
        action: Action = "read",
        bodies: Bodies | None = None,
    ) -> None:
        """What `asker` may see as of `now`, doing `action`, within a token's `limits`.

        `bodies` has the bytes of what the vault does not keep.
        """
        self._organisation, self._vault = organisation, organisation.vault
        self._permits, self._journal = permits, journal
        self._asker, self._now = asker, now
        self._limits, self._action = limits, action
        self._interaction = INTERACTION_OF[action]
        self._confined = self._only(limits.patient)
        self._holdings = Holdings(
            self._vault,
            now.time,
            self._decide,
            self._everybody,
            self._is_visible,
            own=permits.opens_own(asker),
        )
        self._opened: dict[AccountId, dict[RecordName, None]] = {}
        self._whole = Whole(bodies or InVault(), self._holdings.unseal)

    @property
    def time(self) -> int:
        """The UTC second by which all of it was decided."""
        return self._now.time

    # --- fhir.search.graph.Graph ---------------------------------------------------------------

    def get(self, type_: str, id_: str) -> Node | None:
        """One resource; None if it is absent, deleted or may not be seen."""
        return self._holdings.get(type_, id_)

    def of_type(
        self, type_: str | None, patients: frozenset[str] | None, test: Test
    ) -> Iterator[Node]:
        """Those of a type (None: of any) that pass `test` and may be seen, in a stable order.

        With `patients`, from the records of those patients alone, else from all there is.
        """
        return self._holdings.of_type(type_, patients, test)

    def of_nobody(self, type_: str | None, test: Test) -> Iterator[Node]:
        """Those that belong to no patient, pass `test` and may be seen."""
        return iter(self._holdings.of_nobody(type_, test))

    # --- bodies --------------------------------------------------------------------------------

    def open(self, node: Node) -> Opened | None:
        """The resource behind a node of this reach; None if it is gone meanwhile."""
        return next(self.open_each((node,)))

    def open_each(self, nodes: Sequence[Node]) -> Iterator[Opened | None]:
        """What `open` gives for each, in their order, read together. What is taken is noted."""
        for start in range(0, len(nodes), AT_ONCE):
            some = nodes[start : start + AT_ONCE]
            for node, opened in zip(some, self._holdings.open_each(some), strict=True):
                if opened is None or self._whole.is_at_hand(opened):
                    yield None if opened is None else self._came_out(opened)
                else:
                    yield self.open_version(node.type, node.id, node.version)

    def expect(self, nodes: Iterable[Node]) -> None:
        """Fetch at once what of these the vault does not keep; they will be opened next.

        Those that do not come are left out then, and counted in `unanswered`; for a node that
        was not expected, `open` raises Unavailable.
        """
        self._whole.expect(nodes)

    @property
    def unanswered(self) -> int:
        """How many that were expected are missing because who keeps them did not answer."""
        return self._whole.unanswered

    def open_version(self, type_: str, id_: str, version: int | None = None) -> Opened | None:
        """One version, the newest unless told; it may be a deletion (`Opened.deleted`).

        An older version is in reach only if the newest is too.

        Raises:
            Unavailable: whoever keeps its bytes did not answer.
        """
        opened = self._whole.open(type_, id_, version)
        return None if opened is None else self._came_out(opened)

    def history(
        self,
        type_: str | None = None,
        id_: str | None = None,
        patients: frozenset[str] | None = None,
        *,
        before: int | None = None,
        since: Instant | None = None,
    ) -> Iterator[Opened]:
        """Versions, deletions too, the newest first, of a resource, a type or all that is in reach.

        `before` is the `seq` from which on to leave out: the last of the page before; `since` the
        second before which to leave out what was stored. What is taken is noted, so take no more
        than is released.
        """
        found = self._holdings.history(type_, id_, patients, before=before, since=since)
        return map(self._came_out, self._whole.each(found))

    def current_at(
        self,
        time: Instant,
        type_: str | None = None,
        id_: str | None = None,
        *,
        before: int | None = None,
        since: Instant | None = None,
    ) -> Iterator[Opened]:
        """Of each resource the version that was the newest at `time`; else see `history`."""
        found = self._holdings.history(type_, id_, None, before=None, since=since)
        newest = _first_of_each(one for one in found if one.stored <= time)
        following = (one for one in newest if before is None or one.seq < before)
        return map(self._came_out, self._whole.each(following))

    def deleted(self, local: str, since: Instant) -> Iterator[Opened]:
        """The resources of a patient that are deletions now, and were not before `since`.

        Those of whoever is merged into the patient are theirs, not the patient's.
        """
        found = self._holdings.history(None, None, frozenset((local,)), before=None, since=since)
        gone = (one for one in _first_of_each(found) if one.deleted)
        return map(self._came_out, (one for one in gone if self._is_own(one, local)))

    # --- whose it is ---------------------------------------------------------------------------

    def is_of(self, node: Node, local: str) -> bool:
        """Whether a node is this patient's own, not that of one who is merged into them."""
        return node.owner == self._vault.patient(local)

    def decision(self, local: str) -> tuple[object, ...] | None:
        """On which basis and with which obligations a record is open; None if it is not.

        Two that are equal open the same; it says nothing else.
        """
        ref = self._vault.patient(local)
        family = [] if ref is None else self._vault.family(ref)
        own = next((one for one in family if one.patient == ref), None)
        holding = None if own is None else self._holdings.open_of(own)
        if holding is None:
            return None
        return tuple((permit.basis, permit.obligations) for permit in holding.permits)

    def _is_own(self, opened: Opened, local: str) -> bool:
        owner = self._vault.owner(opened.type, opened.id)
        return owner is not None and owner.patient == self._vault.patient(local)

    def _came_out(self, opened: Opened) -> Opened:
        if opened.account:
            mine = self._organisation.member
            name = record_name(mine, opened.account, opened.type, opened.id, opened.version)
            self._opened.setdefault(opened.account, {})[name] = None
        return opened

    # --- the journal ---------------------------------------------------------------------------

    def note(self, asked: Iterable[str] = (), *, counted: bool = False) -> None:
        """Write down what came out since the last note; release nothing before this returns.

        `asked` are the patients whom the question named, by local id: also if nothing came out,
        they can see that somebody looked. `counted`: the answer is a count; each who was counted
        can see that, if they are few.
        """
        opened, self._opened = self._opened, {}
        looked = set(map(self._vault.patient, asked))
        met, self._holdings.met = self._holdings.met, set[PatientRef]()
        if counted and len(met) <= FEW:
            looked |= met
        for holding in map(self._holdings.known, looked):
            if holding is not None:
                opened.setdefault(holding.owner.accounts[0], {})
        self._journal.note_all(
            Read(
                at=self._now.time,
                account=account,
                member=self._organisation.member,
                practitioner=self._asker.practitioner,
                role=self._asker.role,
                purpose=self._asker.purpose,
                records=tuple(names),
            )
            for account, names in opened.items()
        )

    # --- decisions -----------------------------------------------------------------------------

    def _decide(self, owner: Owner) -> tuple[Permit, ...]:
        if self._confined is not None and owner.patient not in self._confined:
            raise AccessRefused(("person",))
        return self._permits.decide(self._asker, self._action, owner.accounts, self._now)

    def _only(self, local: str | None) -> frozenset[PatientRef] | None:
        """The one person whose records the token reaches."""
        if local is None:
            return None
        ref = self._vault.patient(local)
        family = [] if ref is None else self._vault.family(ref)
        return frozenset(one.patient for one in family)

    def _everybody(self) -> Iterable[list[Owner]]:
        """Whose records are meant where nobody is named."""
        asker, local = self._asker.account, self._limits.patient
        if asker is None and local is None:
            return self._vault.families()
        ref = self._vault.patient_of(asker) if asker else self._vault.patient(local or "")
        return [] if ref is None else [self._vault.family(ref)]

    def _is_visible(self, facts: Facts) -> bool:
        """Rosters name patients whatever these say, so only the systems that keep them see any."""
        if facts.type in ROSTERS and not self._asker.is_system:
            return False
        return self._limits.visible(facts, self._interaction)


def _first_of_each(found: Iterable[Opened]) -> Iterator[Opened]:
    """Of each resource the first version that comes: the newest, in a history."""
    met = set[tuple[str, str]]()
    for opened in found:
        name = opened.type, opened.id
        if name not in met:
            met.add(name)
            yield opened
