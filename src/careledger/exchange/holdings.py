"""What some permits open of a vault, before anybody looks at it: records, entries, versions.

A record is what one patient account stands for; the directory, which belongs to nobody, is one too.
"""

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from typing import Final

from careledger.exchange.errors import AccessRefused
from careledger.fhir.index import Facts
from careledger.fhir.search.graph import Node, Test
from careledger.ledger.record import Instant
from careledger.mechanisms.policy import Permit
from careledger.vault.deposit import DIRECTORY_TYPES
from careledger.vault.index import Entry, consent_facts
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

    def covers(self, facts: Facts) -> bool:
        """Whether the resource that `facts` describe may be opened."""
        known = consent_facts(facts)
        return all(permit.covers(known).allowed for permit in self.permits)


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
    ) -> None:
        """What `decide` allows and `shows` lets through; of `everybody` where nobody is named."""
        self._vault, self._at = vault, at
        self._decide, self._everybody, self._shows = decide, everybody, shows
        self._known: dict[PatientRef, Holding | None] = {}
        self.met = set[PatientRef]()
        """Owners of the nodes that came out."""

    def get(self, type_: str, id_: str) -> Node | None:
        """One resource; None if it is absent, deleted or may not be seen."""
        holding = self.holding_of(type_, id_)
        entry = None if holding is None else self._entry(holding, type_, id_)
        if holding is None or entry is None or not self._may_see(holding, entry.facts):
            return None
        self.met.add(holding.owner.patient)
        return _node(holding, entry)

    def of_type(
        self, type_: str | None, patients: frozenset[str] | None, test: Test
    ) -> Iterator[Node]:
        """Those of a type (None: of any) that pass `test` and may be seen, in a stable order."""
        for holding in self._open(type_, patients):
            for entry in self._entries(holding, type_):
                node = _node(holding, entry)
                if test(node) and self._may_see(holding, entry.facts):
                    self.met.add(holding.owner.patient)
                    yield node

    def unseal(self, type_: str, id_: str, version: int | None = None) -> Opened | None:
        """A version, or the newest; None if it, or the newest, may not be seen."""
        holding = self.holding_of(type_, id_)
        newest = None if holding is None else self._unseal(holding, type_, id_, None)
        if holding is None or newest is None or version in {None, newest.version}:
            return newest
        return self._unseal(holding, type_, id_, version)

    def versions(self, type_: str, id_: str) -> Iterator[Opened]:
        """Every version that may be seen, deletions too, the newest first."""
        holding = self.holding_of(type_, id_)
        newest = None if holding is None else self._unseal(holding, type_, id_, None)
        if holding is None or newest is None:
            return
        yield newest
        for version in range(newest.version - 1, 0, -1):
            older = self._unseal(holding, type_, id_, version)
            if older is not None:
                yield older

    def holding_of(self, type_: str, id_: str) -> Holding | None:
        """The record that a resource is in, if it is open."""
        owner = self._vault.owner(type_, id_)
        return None if owner is None else self._holding(owner)

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
        if patients is None and (type_ is None or type_ in DIRECTORY_TYPES):
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

    def _may_see(self, holding: Holding, facts: Facts) -> bool:
        return self._shows(facts) and holding.covers(facts)

    # --- the vault -----------------------------------------------------------------------------

    def _entries(self, holding: Holding, type_: str | None) -> Iterable[Entry]:
        def matches(entry: Entry) -> bool:
            return type_ is None or entry.type == type_

        if holding is OPEN_DIRECTORY:
            return self._vault.search_directory(matches)
        found = self._vault.search(holding.permits[0], matches, self._at)
        if not self._vault.is_joined(holding.owner.patient):
            return found
        return [one for one in found if self._is_in(holding, one)]

    def _is_in(self, holding: Holding, entry: Entry) -> bool:
        owner = self._vault.owner(entry.type, entry.id)
        return owner is not None and owner.patient == holding.owner.patient

    def _entry(self, holding: Holding, type_: str, id_: str) -> Entry | None:
        def matches(entry: Entry) -> bool:
            return entry.type == type_ and entry.id == id_

        if holding is OPEN_DIRECTORY:
            return next(iter(self._vault.search_directory(matches)), None)
        return next(iter(self._vault.search(holding.permits[0], matches, self._at)), None)

    def _unseal(self, holding: Holding, type_: str, id_: str, version: int | None) -> Opened | None:
        if holding is OPEN_DIRECTORY:
            opened = self._vault.open_directory(type_, id_, version)
        else:
            opened = self._vault.open(holding.permits[0], type_, id_, version, at=self._at)
        return opened if opened is not None and self._may_see(holding, opened.facts) else None


def _node(holding: Holding, entry: Entry) -> Node:
    return Node(
        type=entry.type,
        id=entry.id,
        version=entry.version,
        stored=getattr(entry, "stored", 0),
        seq=getattr(entry, "seq", 0),
        facts=entry.facts,
        owner=holding.owner.patient,
    )
