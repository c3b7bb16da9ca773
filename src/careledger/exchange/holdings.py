"""What some permits open of a vault, before anybody looks at it: records, entries, versions.

A record is what one patient account stands for. What belongs to nobody is one too: the directory,
which everybody may see, and the organisation's own resources.
"""

from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from functools import partial
from heapq import merge
from typing import Final, cast

from careledger.exchange.errors import AccessRefused
from careledger.fhir.attached import BINARY
from careledger.fhir.index import Facts
from careledger.fhir.search.graph import Node, Test
from careledger.ledger.record import Instant
from careledger.mechanisms.policy import Permit
from careledger.vault.deposit import DIRECTORY_TYPES, NOBODYS_TYPES
from careledger.vault.index import Entry, Predicate, consent_facts
from careledger.vault.objects import DIRECTORY, PatientRef
from careledger.vault.opening import Opened
from careledger.vault.patients import Owner
from careledger.vault.vault import Vault

Decide = Callable[[Owner], tuple[Permit, ...]]
"""The permits under which an owner's record is open, all of which must cover; or AccessRefused."""

Shows = Callable[[Facts], bool]
"""What else a resource must pass to be seen."""


@dataclass(frozen=True, slots=True)
class Holding:
    """One record that is open, resource by resource, as far as every permit covers."""

    owner: Owner
    permits: tuple[Permit, ...]

    @property
    def is_unlimited(self) -> bool:
        """Whether it is open whatever a resource says."""
        return all(permit.is_unlimited for permit in self.permits)

    def covers(self, facts: Facts) -> bool:
        """Whether every permit covers a resource."""
        known = consent_facts(facts)
        return all(permit.covers(known).allowed for permit in self.permits)

    def rest_covers(self, facts: Facts) -> bool:
        """Whether all but the first permit, which the vault asks, cover a resource."""
        if len(self.permits) <= 1:
            return True
        known = consent_facts(facts)
        return all(permit.covers(known).allowed for permit in self.permits[1:])


_PAGE: Final = 50

OPEN_DIRECTORY: Final = Holding(Owner(DIRECTORY, ()), ())


class Holdings:
    """A `fhir.search.graph.Graph` of what permits open, decided record by record when it is met."""

    def __init__(
        self,
        vault: Vault,
        at: Instant,
        decide: Decide,
        everybody: Callable[[], Iterable[list[Owner]]],
        shows: Shows,
        *,
        own: bool = False,
    ) -> None:
        """What `decide` allows and `shows` lets through; of `everybody` where nobody is named.

        own: whether the organisation's own resources, those about nobody, are among it.
        """
        self._vault, self._at = vault, at
        self._decide, self._everybody, self._shows = decide, everybody, shows
        self._own = own
        self._known: dict[PatientRef, Holding | None] = {}
        self._attachments: dict[PatientRef, dict[str, list[Facts]]] = {}
        self.met = set[PatientRef]()
        """Owners of the nodes that came out."""

    def get(self, type_: str, id_: str) -> Node | None:
        """One resource; None if it is absent, deleted or may not be seen."""
        holding = self.holding_of(type_, id_)
        entry = None if holding is None else self._entry(holding, type_, id_)
        if holding is None or entry is None or entry.deleted:
            return None
        self.met.add(holding.owner.patient)
        return _node(holding, entry)

    def of_type(
        self, type_: str | None, patients: frozenset[str] | None, test: Test
    ) -> Iterator[Node]:
        """Those of a type (None: of any) that pass `test` and may be seen, in a stable order."""
        for holding in self._open(type_, patients):
            for node in self._nodes(holding, type_, test):
                self.met.add(holding.owner.patient)
                yield node

    def of_nobody(self, type_: str | None, test: Test) -> list[Node]:
        """Like `of_type`, of what belongs to no patient."""
        return self._nodes(OPEN_DIRECTORY, type_, test)

    def open_each(self, nodes: Sequence[Node]) -> list[Opened | None]:
        """The resources behind nodes that came out of here, in their order."""
        found: list[Opened | None] = [None] * len(nodes)
        whose = defaultdict[bytes, list[int]](list)
        for place, node in enumerate(nodes):
            whose[node.owner].append(place)
        for owner, places in whose.items():
            some = [nodes[place] for place in places]
            for place, opened in zip(places, self._open_of(owner, some), strict=True):
                found[place] = opened
        return found

    def _open_of(self, owner: bytes, nodes: Sequence[Node]) -> list[Opened | None]:
        """Those of one owner."""
        holding = self._known.get(PatientRef(owner))
        if holding is None or len(holding.permits) != 1:
            return [self.unseal(one.type, one.id, one.version) for one in nodes]
        first, at = holding.permits[0], self._at  # the vault asks it about the newest version too
        versions = [(one.type, one.id, one.version) for one in nodes]
        opened = self._vault.open_each(first, versions, at=at)
        return [one if one is not None and self._shows(one.facts) else None for one in opened]

    def unseal(self, type_: str, id_: str, version: int | None = None) -> Opened | None:
        """A version, or the newest; None if it, or the newest, may not be seen."""
        holding = self.holding_of(type_, id_)
        if holding is None:
            return None
        if holding is not OPEN_DIRECTORY:
            first, sees = holding.permits[0], partial(self._may_see, holding)
            return self._vault.open(first, type_, id_, version, at=self._at, sees=sees)
        if self._entry(holding, type_, id_) is None:
            return None
        opened = self._vault.open_directory(type_, id_, version)
        return opened if opened is not None and self._may_see(holding, opened.facts) else None

    def history(
        self,
        type_: str | None,
        id_: str | None,
        patients: frozenset[str] | None,
        *,
        before: int | None,
        since: Instant | None,
    ) -> Iterator[Opened]:
        """Every version that may be seen, deletions too, the newest first."""
        if type_ is not None and id_ is not None:
            one = self.holding_of(type_, id_)
            holdings = [] if one is None else [one]
        else:
            holdings = list(self._open(type_, patients))
        at_once = _PAGE if len(holdings) == 1 else 1
        runs = [self._run(one, type_, id_, before, since, at_once) for one in holdings]
        return iter(merge(*runs, key=lambda opened: -opened.seq))

    def holding_of(self, type_: str, id_: str) -> Holding | None:
        """The record that a resource is in, if it is open."""
        owner = self._vault.owner(type_, id_)
        return None if owner is None else self._holding(owner)

    def open_of(self, owner: Owner) -> Holding | None:
        """An owner's record, if it is open."""
        return self._holding(owner)

    def known(self, patient: PatientRef | None) -> Holding | None:
        """The record of a patient, if it has been opened."""
        return None if patient is None else self._known.get(patient)

    # --- whose ---------------------------------------------------------------------------------

    def _open(self, type_: str | None, patients: frozenset[str] | None) -> Iterator[Holding]:
        """Every record in which there may be something to see."""
        if type_ is None or type_ not in DIRECTORY_TYPES:
            for family in self._everybody() if patients is None else self._named(patients):
                for owner in family:
                    holding = self._holding(owner)
                    if holding is not None:
                        yield holding
        if patients is None and (type_ is None or type_ in NOBODYS_TYPES):
            yield OPEN_DIRECTORY

    def _named(self, patients: frozenset[str]) -> Iterator[list[Owner]]:
        met = set[PatientRef]()
        for local in sorted(patients):
            ref = self._vault.patient(local)
            family = [] if ref is None else self._vault.family(ref)
            yield [one for one in family if one.patient not in met]
            met.update(one.patient for one in family)

    def _holding(self, owner: Owner) -> Holding | None:
        if owner.patient == DIRECTORY:
            return OPEN_DIRECTORY
        if owner.patient not in self._known:
            try:
                self._known[owner.patient] = Holding(owner, self._decide(owner))
            except AccessRefused:
                self._known[owner.patient] = None
        return self._known[owner.patient]

    # --- the vault -----------------------------------------------------------------------------

    def _nodes(self, holding: Holding, type_: str | None, test: Test) -> list[Node]:
        # An entry has all that a test looks at: a node for each of them would cost more than that.
        asked = cast("Predicate", test)
        if holding is OPEN_DIRECTORY:
            found = self._vault.search_directory(asked, type_)
        else:
            found = self._vault.search(holding.permits[0], asked, self._at, type_)
            if self._vault.is_joined(holding.owner.patient):
                found = [one for one in found if self._is_in(holding, one.type, one.id)]
        return [_node(holding, one) for one in found if self._may_see(holding, one.facts)]

    def _entry(self, holding: Holding, type_: str, id_: str) -> Entry | None:
        if holding is OPEN_DIRECTORY:
            entry = self._vault.entry_directory(type_, id_)
        else:
            entry = self._vault.entry(holding.permits[0], type_, id_, self._at)
        return entry if entry is not None and self._may_see(holding, entry.facts) else None

    def _run(
        self,
        holding: Holding,
        type_: str | None,
        id_: str | None,
        before: int | None,
        since: Instant | None,
        at_once: int,
    ) -> Iterator[Opened]:
        permit = None if holding is OPEN_DIRECTORY else holding.permits[0]
        newest: dict[tuple[str, str], bool] = {}
        while found := self._vault.history(
            permit, type_, id_, before=before, since=since, limit=at_once, at=self._at
        ):
            for opened in found:
                name = opened.type, opened.id
                if name not in newest:
                    newest[name] = self._is_in(holding, *name) and (
                        self._entry(holding, *name) is not None
                    )
                if newest[name] and self._may_see(holding, opened.facts):
                    yield opened
            before, at_once = found[-1].seq, _PAGE

    def _is_in(self, holding: Holding, type_: str, id_: str) -> bool:
        """Whether it is this record's own: a permit opens those of merged patients as well."""
        if holding is OPEN_DIRECTORY or not self._vault.is_joined(holding.owner.patient):
            return True
        owner = self._vault.owner(type_, id_)
        return owner is not None and owner.patient == holding.owner.patient

    def _may_see(self, holding: Holding, facts: Facts) -> bool:
        """What the vault does not ask: the other permits, and what else there is to pass."""
        if holding is OPEN_DIRECTORY and not self._own and facts.type not in DIRECTORY_TYPES:
            return False
        is_covered = self._shows(facts) and holding.rest_covers(facts)
        return is_covered and (facts.type != BINARY or self._goes_with(holding, facts))

    def _goes_with(self, holding: Holding, binary: Facts) -> bool:
        """Whether nothing that has a Binary as its content is withheld (FHIR R4 2.42.3).

        Judged by the consents that count for the Binary, wherever in the person's records it is.
        """
        if holding.is_unlimited:
            return True
        ref = holding.owner.patient
        if ref not in self._attachments:
            self._attachments[ref] = self._attachments_of(holding.owner)
        documents = self._attachments[ref].get(f"{BINARY}/{binary.id}", ())
        return all(map(holding.covers, documents))

    def _attachments_of(self, owner: Owner) -> dict[str, list[Facts]]:
        refs = [owner.patient]
        if self._vault.is_joined(owner.patient):
            root = self._vault.patient_of(owner.accounts[-1])
            refs = [one.patient for one in self._vault.family(root or owner.patient)]
        found = dict[str, list[Facts]]()
        for ref in refs:
            for name, some in self._vault.attachments(ref, self._at).items():
                found.setdefault(name, []).extend(some)
        return found


def _node(holding: Holding, entry: Entry) -> Node:
    return Node(
        type=entry.type,
        id=entry.id,
        version=entry.version,
        stored=entry.stored,
        seq=entry.seq,
        facts=entry.facts,
        owner=holding.owner.patient,
    )
