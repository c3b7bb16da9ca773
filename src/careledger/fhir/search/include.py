"""The resources that go with the matches of a page: `_include` and `_revinclude`.

FHIR R4 3.1.1.5.4. What is not in the graph is not included; references to other servers and into
contained resources are never followed. A resource comes once, and no match comes again.
"""

from collections.abc import Iterable, Iterator
from typing import Final

from careledger.fhir.errors import Issue
from careledger.fhir.search.confinement import is_clinical
from careledger.fhir.search.graph import Graph, Node
from careledger.fhir.search.query import Include, Search
from careledger.fhir.search.values import ReferenceValue

MAXIMUM_INCLUDED: Final = 1_000
"""Included resources on one page."""
MAXIMUM_ROUNDS: Final = 8
"""How often `:iterate` is applied to what the round before included."""

_MORE: Final = Issue(
    "too-costly", "_include", "a smaller _count or fewer includes: not all are on this page"
)

Name = tuple[str, str]


def included(
    search: Search, matches: list[Node], graph: Graph
) -> tuple[list[Node], tuple[Issue, ...]]:
    """Return what goes with these matches, and a warning if that is not all."""
    found: dict[Name, Node] = {}
    met: set[Name] = {(node.type, node.id) for node in matches}
    frontier, includes = matches, search.includes
    for _ in range(MAXIMUM_ROUNDS):
        fresh: list[Node] = []
        for include in includes:
            reach = _backward(include, frontier, search, graph) if include.reverse else None
            for node in reach or _forward(include, frontier, graph, met):
                if (node.type, node.id) in met:
                    continue
                if len(found) >= MAXIMUM_INCLUDED:
                    return list(found.values()), (_MORE,)
                met.add((node.type, node.id))
                found[node.type, node.id] = node
                fresh.append(node)
        includes = tuple(one for one in search.includes if one.iterate)
        frontier = fresh
        if not frontier or not includes:
            return list(found.values()), ()
    return list(found.values()), (_MORE,)


def _forward(
    include: Include, frontier: Iterable[Node], graph: Graph, met: set[Name]
) -> Iterator[Node]:
    asked: set[Name] = set()
    for node in frontier:
        if include.source not in (None, node.type):
            continue
        for name in local_names(references(node, include.code)):
            if name in met or name in asked or include.target not in (None, name[0]):
                continue
            asked.add(name)
            target = graph.get(*name)
            if target is not None:
                yield target


def _backward(
    include: Include, frontier: Iterable[Node], search: Search, graph: Graph
) -> Iterator[Node]:
    names = frozenset(
        (node.type, node.id) for node in frontier if include.target in (None, node.type)
    )
    code = include.code

    def refers(node: Node) -> bool:
        return any(name in names for name in local_names(references(node, code)))

    if names:
        everywhere = include.source is not None and not is_clinical(include.source)
        patients = None if everywhere else search.patients
        yield from graph.of_type(include.source, patients, refers)


def references(node: Node, code: str | None) -> Iterator[ReferenceValue]:
    """Yield the references of one parameter, or of all."""
    by_code = node.values.references
    if code is not None:
        yield from by_code.get(code, ())
    else:
        for every in by_code.values():
            yield from every


def local_names(values: Iterable[ReferenceValue]) -> Iterator[Name]:
    """Yield type and id of those that lead to a resource of this server."""
    for value in values:
        if value.type and value.id and not value.url:
            yield value.type, value.id
