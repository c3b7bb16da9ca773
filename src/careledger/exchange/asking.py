"""What a `Query` finds in a graph: one language, whoever is asked."""

from collections.abc import Iterator
from dataclasses import replace

from careledger.fhir.search.engine import every
from careledger.fhir.search.graph import Graph, Node
from careledger.fhir.search.include import included
from careledger.fhir.search.parse import parse
from careledger.fhir.search.query import Search
from careledger.fhir.search.table import ALL, IndexSet
from careledger.mechanisms.messages import Query


def check_query(query: Query, indexed: IndexSet = ALL) -> None:
    """Refuse what is not answered.

    Raises:
        InvalidQuery: search parameters that are not answered where `indexed` is indexed.
    """
    if query.type is not None and query.id is None:
        parse(query.type, query.parameters, indexed=indexed)


def found_in(
    graph: Graph, query: Query, patients: frozenset[str] | None, indexed: IndexSet
) -> Iterator[Node]:
    """What the query finds in the records of `patients`, or of all in the graph; includes too.

    Raises:
        InvalidQuery: search parameters that are not answered here.
    """
    if query.type is None or query.id is not None:
        wanted = query.id
        yield from graph.of_type(query.type, patients, lambda node: wanted in {None, node.id})
        return
    search = _confined(parse(query.type, query.parameters, indexed=indexed), patients)
    if not search.includes:
        yield from every(search, graph)
        return
    matches = list(every(search, graph))
    yield from matches
    yield from included(search, matches, graph)[0]


def _confined(search: Search, patients: frozenset[str] | None) -> Search:
    if patients is None:
        return search
    named = patients if search.patients is None else patients & search.patients
    return replace(search, patients=named)
