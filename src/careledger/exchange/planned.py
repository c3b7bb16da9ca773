"""What a plan is: every entry of a bundle with its fate. The process that checks it needs no more.

That is why this is apart from the planning: it imports nothing of a gateway.
"""

from collections.abc import Mapping
from dataclasses import dataclass

import msgspec

from careledger.fhir.bundle import Entry, Kind
from careledger.fhir.errors import FhirError
from careledger.fhir.search.table import ALL, IndexSet


class Planned(msgspec.Struct, frozen=True, array_like=True):
    """One entry with its fate: created, updated, deleted, there already, or refused."""

    entry: Entry
    id: str | None = None
    if_version: int | None = None
    exists: bool = False
    """It is there already, and a conditional create leaves it as it is."""
    nothing: bool = False
    """A conditional deletion of what is not there; a read."""
    base: bytes | None = None
    """What a patch changes."""
    error: FhirError | None = None

    def __repr__(self) -> str:
        """Which entry it is, and nothing of what it brings."""
        return f"Planned(position={self.entry.position})"

    @property
    def target(self) -> str | None:
        """Where references to the entry lead."""
        return None if self.id is None else f"{self.entry.type}/{self.id}"

    @property
    def stores(self) -> bool:
        """Whether a resource is to be stored."""
        return self.error is None and not self.exists and self.entry.resource is not None

    @property
    def deletes(self) -> bool:
        """Whether a resource is to be deleted."""
        return self.error is None and self.entry.method == "DELETE" and not self.nothing


@dataclass(frozen=True, slots=True)
class Plan:
    """Every entry, in the bundle's own order, and what its references become."""

    type: Kind
    entries: tuple[Planned, ...]
    mapping: Mapping[str, str]
    indexed: IndexSet = ALL
    """The search parameters whose values are kept of each resource."""
