"""The value sets and code systems in a caller's reach, for `:in`, `:above` and `:below`."""

from collections.abc import Iterator
from functools import cached_property

from careledger.exchange.reach import Reach
from careledger.fhir.concepts import Coding
from careledger.fhir.resource import Resource, parse_resource
from careledger.fhir.search.graph import Node
from careledger.fhir.terminology import Vocabulary, with_held

_MOST = 1_000
"""So many of each type are read; a search is no place for more."""


class HeldTerms:
    """A `fhir.terminology.Terminology`: R4's own and what is in reach, read when first asked."""

    def __init__(self, reach: Reach) -> None:
        """Look in `reach`; good for as long as that is."""
        self._reach = reach

    def expand(self, url: str) -> frozenset[Coding] | None:
        """Every code of a value set; None if it is not known to the last one."""
        return self._vocabulary.expand(url)

    def above(self, system: str, code: str) -> frozenset[Coding] | None:
        """A code and all that subsume it."""
        return self._vocabulary.above(system, code)

    def below(self, system: str, code: str) -> frozenset[Coding] | None:
        """A code and all that it subsumes."""
        return self._vocabulary.below(system, code)

    @cached_property
    def _vocabulary(self) -> Vocabulary:
        return with_held([*self._of("CodeSystem"), *self._of("ValueSet")])

    def _of(self, type_: str) -> Iterator[Resource]:
        for number, node in enumerate(self._reach.of_type(type_, None, _anything)):
            if number == _MOST:
                return
            opened = self._reach.open(node)
            if opened is not None and not opened.deleted:
                yield parse_resource(opened.data)


def _anything(_: Node) -> bool:
    return True
