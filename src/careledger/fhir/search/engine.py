"""Answering a search from a graph: matches, totals, chains and pages.

Whatever comes out is computed from nodes that the graph gave. Chains are evaluated far end first,
as sets, where the search may be about anybody; where it is confined to named patients, reference
by reference. Each part of a search is evaluated once.
"""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from heapq import nsmallest
from operator import attrgetter, itemgetter
from typing import Final

from careledger.fhir.errors import BadParameterValue, Issue
from careledger.fhir.search.confinement import is_clinical
from careledger.fhir.search.graph import Graph, Node, Test
from careledger.fhir.search.include import Name, included, local_names, references
from careledger.fhir.search.match import node_test
from careledger.fhir.search.query import (
    DEFAULT_COUNT,
    MAXIMUM_COUNT,
    Chain,
    Condition,
    Criterion,
    Has,
    InCompartment,
    Position,
    Search,
    TokenOperand,
)
from careledger.fhir.search.sorting import Comparable, Order
from careledger.fhir.terminology import Terminology

FAR_FIRST: Final = 8
"""Up to so many types at the far end of a chain, they are searched before the near end is."""

BY_ID: Final = 100
"""Up to so many resources that are named are fetched one by one."""

_WHOSE: Final = frozenset({"patient", "subject"})


@dataclass(frozen=True, slots=True)
class Page:
    """One page. total: matches on all pages, None if not asked for. after: None on the last."""

    matches: list[Node]
    included: list[Node]
    total: int | None
    after: Position | None
    issues: tuple[Issue, ...]


def run(
    search: Search,
    graph: Graph,
    after: Position | None = None,
    *,
    terminology: Terminology | None = None,
) -> Page:
    """Answer a search: the page that begins behind `after`, or the first.

    terminology: R4's own unless given.

    Raises:
        InvalidQuery: it needs a value set that is not known, or `after` is of another search.
    """
    order = Order(search.sort)
    behind = None if after is None else order.key_of(after)
    if after is not None and behind is None:
        raise BadParameterValue("a page of this search")
    nodes = _Run(graph, terminology).all(search)
    if search.counts_only:
        return Page([], [], sum(1 for _ in nodes), None, search.issues)
    count = min(search.count or DEFAULT_COUNT, MAXIMUM_COUNT)
    counted = _Counted(nodes, order, behind)
    best = nsmallest(count + 1, counted, key=itemgetter(0))
    matches = [node for _, node in best[:count]]
    following = order.position(matches[-1]) if len(best) > count else None
    companions, issues = included(search, matches, graph) if search.includes else ([], ())
    companions.sort(key=attrgetter("type", "id"))  # the graph's own order says nothing
    total = None if search.total == "none" else counted.total
    return Page(matches, companions, total, following, (*search.issues, *issues))


def every(
    search: Search, graph: Graph, *, terminology: Terminology | None = None
) -> Iterator[Node]:
    """Yield all matches in the graph's own order, without pages: for exports and conditions."""
    return _Run(graph, terminology).all(search)


class _Counted:
    """All matches pass through; those behind a position come out, each with its key."""

    def __init__(self, nodes: Iterator[Node], order: Order, behind: Comparable | None) -> None:
        self._nodes, self._order, self._behind = nodes, order, behind
        self.total = 0

    def __iter__(self) -> Iterator[tuple[Comparable, Node]]:
        for node in self._nodes:
            self.total += 1
            key = self._order.key(node)
            if self._behind is None or self._behind < key:
                yield key, node


class _Run:
    """One evaluation of one search."""

    def __init__(self, graph: Graph, terminology: Terminology | None) -> None:
        self._graph, self._terminology = graph, terminology
        self._ends: dict[Chain, frozenset[Name]] = {}
        self._sources: dict[tuple[Has, frozenset[str] | None], frozenset[Name]] = {}
        self._nodes: dict[Name, Node | None] = {}

    def all(self, search: Search) -> Iterator[Node]:
        """Yield what a search matches."""
        for type_ in search.types or (None,):
            yield from self._of(type_, search.conditions, search.patients)

    def _of(
        self, type_: str | None, conditions: Sequence[Condition], patients: frozenset[str] | None
    ) -> Iterator[Node]:
        """Yield the nodes of a type that meet all conditions.

        The graph calls `local` before it knows whether a node may be seen, so nothing that asks
        the graph again is in it.
        """
        if type_ is not None and not is_clinical(type_):
            patients = None
        local = self._local(type_, conditions)
        ids = None if type_ is None else _ids(type_, conditions, patients)
        linked: list[Test] = []
        for condition in conditions:
            if isinstance(condition, Has):
                linked.append(self._has(condition, patients))
            elif isinstance(condition, Chain):
                test, patients = self._chain(condition, type_, patients)
                linked.append(test)
        further = _all(linked)
        if type_ is None or ids is None:
            found = self._graph.of_type(type_, patients, local)
        else:
            got = (self._graph.get(type_, one) for one in ids)
            found = (node for node in got if node is not None and local(node))
        for node in found:
            if further(node):
                yield node

    def _local(self, type_: str | None, conditions: Sequence[Condition]) -> Test:
        """A test of a node that looks at nothing else."""
        patients = [one.patient for one in conditions if isinstance(one, InCompartment)]
        criteria = [one for one in conditions if isinstance(one, Criterion)]
        meets = node_test(type_, criteria, self._terminology)
        if not patients:
            return meets
        return lambda node: all(one in node.facts.patients for one in patients) and meets(node)

    def _test(self, type_: str | None, condition: Condition) -> Test:
        match condition:
            case Chain():
                return self._by_reference(condition)
            case Has():
                return self._has(condition, None)
            case Criterion() | InCompartment():
                return self._local(type_, (condition,))

    # --- chains --------------------------------------------------------------------------------

    def _chain(
        self, chain: Chain, type_: str | None, patients: frozenset[str] | None
    ) -> tuple[Test, frozenset[str] | None]:
        """A test, and the patients in whose records a match can be."""
        if patients is not None or len(chain.ways) > FAR_FIRST:
            return self._by_reference(chain), patients
        ends = self._far(chain)
        whose = type_ is not None and is_clinical(type_) and chain.code in _WHOSE
        if whose and all(kind == "Patient" for kind, _ in ends):
            patients = frozenset(id_ for _, id_ in ends)
        return _leads_to(chain.code, ends), patients

    def _far(self, chain: Chain) -> frozenset[Name]:
        """What the far end of a chain may be."""
        if chain not in self._ends:
            self._ends[chain] = frozenset(
                (node.type, node.id)
                for type_, condition in chain.ways
                for node in self._of(type_, (condition,), None)
            )
        return self._ends[chain]

    def _by_reference(self, chain: Chain) -> Test:
        """Follow each reference of a node; each end is looked at once."""
        ways = {type_: self._test(type_, condition) for type_, condition in chain.ways}
        held: dict[Name, bool] = {}

        def test(node: Node) -> bool:
            for name in local_names(references(node, chain.code)):
                if name not in held:
                    held[name] = name[0] in ways and self._holds(ways[name[0]], name)
                if held[name]:
                    return True
            return False

        return test

    def _holds(self, test: Test, name: Name) -> bool:
        if name not in self._nodes:
            self._nodes[name] = self._graph.get(*name)
        node = self._nodes[name]
        return node is not None and test(node)

    # --- _has ----------------------------------------------------------------------------------

    def _has(self, has: Has, patients: frozenset[str] | None) -> Callable[[Node], bool]:
        """A test of whether a node is among those that the sources refer to."""
        confined = patients if is_clinical(has.source) else None
        asked = has, confined
        if asked not in self._sources:
            self._sources[asked] = frozenset(
                name
                for source in self._of(has.source, (has.condition,), confined)
                for name in local_names(references(source, has.code))
            )
        names = self._sources[asked]
        return lambda node: (node.type, node.id) in names


def _ids(
    type_: str, conditions: Sequence[Condition], patients: frozenset[str] | None
) -> tuple[str, ...] | None:
    """Ids of the only resources that can match; None if none are named, or too many.

    Nor are there any where the search is confined to some patients' records: fetching by id would
    look beyond them. A patient is in their own.
    """
    for one in conditions:
        if isinstance(one, Criterion) and one.code == "_id" and not one.modifier:
            ids = {o.code: None for o in one.operands if isinstance(o, TokenOperand) and o.code}
            beyond = patients is not None and not (type_ == "Patient" and ids.keys() <= patients)
            return None if beyond or len(ids) > BY_ID else tuple(ids)
    return None


def _leads_to(code: str, ends: frozenset[Name]) -> Test:
    return lambda node: any(name in ends for name in local_names(references(node, code)))


def _all(tests: list[Test]) -> Test:
    match tests:
        case []:
            return lambda _: True
        case [only]:
            return only
        case _:
            return lambda node: all(test(node) for test in tests)
