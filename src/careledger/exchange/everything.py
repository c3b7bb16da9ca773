"""All that an organisation holds, for its own writing: nothing of it goes out.

A `fhir.search.graph.Graph` for what a record keeper's conditions are compared with.
"""

from collections.abc import Iterator

from careledger.fhir.search.graph import Node, Test
from careledger.ledger.record import Instant
from careledger.vault.deposit import DIRECTORY_TYPES, NOBODYS_TYPES
from careledger.vault.index import Entry, Predicate
from careledger.vault.objects import DIRECTORY, PatientRef
from careledger.vault.vault import Vault


class Everything:
    """Every newest version in a vault."""

    def __init__(self, vault: Vault, at: Instant) -> None:
        """Look at `vault` now, at `at`."""
        self._vault, self._at = vault, at

    def get(self, type_: str, id_: str) -> Node | None:
        """One resource; None if it is absent or deleted."""
        owner = self._vault.owner(type_, id_)
        if owner is None:
            return None
        ref = None if owner.patient == DIRECTORY else owner.patient
        nodes = self._nodes(ref, lambda one: one.type == type_ and one.id == id_)
        return next(nodes, None)

    def of_type(
        self, type_: str | None, patients: frozenset[str] | None, test: Test
    ) -> Iterator[Node]:
        """Those of a type (None: of any) that pass `test`."""
        for ref in self._records(type_, patients):
            for node in self._nodes(ref, lambda one: type_ in {None, one.type}):
                if test(node):
                    yield node

    def _records(
        self, type_: str | None, patients: frozenset[str] | None
    ) -> Iterator[PatientRef | None]:
        if patients is not None:
            named = (self._vault.patient(local) for local in sorted(patients))
            yield from dict.fromkeys(ref for ref in named if ref is not None)
            return
        if type_ is None or type_ not in DIRECTORY_TYPES:
            for family in self._vault.families():
                yield from (owner.patient for owner in family)
        if type_ is None or type_ in NOBODYS_TYPES:
            yield None

    def _nodes(self, ref: PatientRef | None, matches: Predicate) -> Iterator[Node]:
        met: list[Entry] = []

        def meet(entry: Entry) -> bool:
            if matches(entry):
                met.append(entry)
            return False

        self._vault.locate(ref, meet, self._at)
        for one in met:
            owner = ref or DIRECTORY
            yield Node(one.type, one.id, one.version, one.stored, one.seq, one.facts, owner)
