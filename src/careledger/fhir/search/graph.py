"""What a search may look at: a view that holds only what whoever asks may see.

The engine reads nothing else. So neither matches nor totals, includes, chains, sort orders or
pages can depend on a resource that is not in the view.
"""

from collections.abc import Callable, Iterator
from typing import Protocol

import msgspec

from careledger.fhir.index import Facts
from careledger.fhir.search.values import Values, decode_values


class Node(msgspec.Struct, frozen=True, gc=False):
    """The newest version of one resource that may be seen."""

    type: str
    id: str
    version: int
    stored: int
    """UTC second at which this version was stored: `meta.lastUpdated`."""
    seq: int
    """Its number in the order of storing; never shown to a client in the clear."""
    facts: Facts
    owner: bytes = b""
    """Whose it is, opaquely; the same for resources of one patient, and of the directory."""

    def __repr__(self) -> str:
        """What it is, and nothing of what is known of it: this is what logs and errors show."""
        return f"Node({self.type!r}, {self.id!r}, version={self.version})"

    @property
    def values(self) -> Values:
        """The values behind its search parameters, as far as they are indexed."""
        return decode_values(self.facts.values)

    @property
    def name(self) -> str:
        """`Type/id`, as references write it."""
        return f"{self.type}/{self.id}"


Test = Callable[[Node], bool]


class Graph(Protocol):
    """The resources that one caller may see, for one purpose, at one time."""

    def get(self, type_: str, id_: str) -> Node | None:
        """One resource; None if it is absent, deleted or may not be seen."""
        ...

    def of_type(
        self, type_: str | None, patients: frozenset[str] | None, test: Test
    ) -> Iterator[Node]:
        """Those of a type (None: of any) that pass `test`, in a stable order.

        `patients` are local ids of patients to whose records the search is confined, or None for
        everything in reach, the directory included. `test` is called before it is known whether
        a resource may be seen: it must be pure, and only what is yielded may count.
        """
        ...
