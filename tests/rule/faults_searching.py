"""Faults of searches: matches, counts, pages, order, includes, chains."""

from collections.abc import Iterator
from dataclasses import replace
from typing import Any

from careledger.fhir.search import engine
from careledger.vault.deposit import DIRECTORY_TYPES
from tests.rule.patching import Replace, all_of, faults, hidden, peek

REACH = "careledger.exchange.reach:Reach"
RUN = "careledger.fhir.search.engine:_Run"


def _also_hidden(*, named: bool, typed: bool) -> Replace:
    """What is withheld is among the matches, and is left out when bodies are opened."""

    def patch(original: Any) -> Any:
        def of_type(self: Any, type_: Any, patients: Any, test: Any) -> Iterator[Any]:
            yield from original(self, type_, patients, test)
            if (patients is not None) == named and (type_ is not None) == typed:
                for node in all_of(self._vault).of_type(type_, patients, test):
                    if self._holdings.get(node.type, node.id) is None:
                        yield node

        return of_type

    return patch


def _counts_all(original: Any) -> Any:
    def run(search: Any, graph: Any, after: Any = None, **more: Any) -> Any:
        if search.counts_only:
            return original(search, all_of(graph._vault), after, **more)
        return original(search, graph, after, **more)

    return run


def _totals_all(original: Any) -> Any:
    def run(search: Any, graph: Any, after: Any = None, **more: Any) -> Any:
        page = original(search, graph, after, **more)
        if page.total is None or search.counts_only:
            return page
        every = sum(1 for _ in engine.every(search, all_of(graph._vault)))
        return replace(page, total=every)

    return run


def _filters_after_paging(original: Any) -> Any:
    def run(search: Any, graph: Any, after: Any = None, **more: Any) -> Any:
        if search.counts_only:
            return original(search, graph, after, **more)
        true = original(search, graph, None, **more)
        page = original(replace(search, includes=()), all_of(graph._vault), after, **more)
        seen = [one for one in (graph.get(n.type, n.id) for n in page.matches) if one is not None]
        return replace(page, matches=seen, total=true.total)

    return run


def _order_tells(original: Any) -> Any:
    """Where something is withheld the order is another."""

    def run(search: Any, graph: Any, after: Any = None, **more: Any) -> Any:
        page = original(search, graph, after, **more)
        if hidden(graph, page.matches[0].type if page.matches else None):
            page = replace(page, matches=list(reversed(page.matches)))
        return page

    return run


def _get_gives_all(original: Any) -> Any:
    return lambda self, type_, id_: (
        original(self, type_, id_) or all_of(self._vault).get(type_, id_)
    )


def _open_gives_all(original: Any) -> Any:
    def open_each(self: Any, nodes: Any) -> Iterator[Any]:
        for node, opened in zip(nodes, original(self, nodes), strict=True):
            yield opened or peek(self._vault, node.type, node.id)

    return open_each


def _include_gives_all(original: Any) -> Any:
    def _forward(include: Any, frontier: Any, graph: Any, met: Any) -> Any:
        return original(include, frontier, all_of(graph._vault), met)

    return _forward


def _include_beyond_scopes(original: Any) -> Any:
    """Includes are decided on by consent alone."""

    def _forward(include: Any, frontier: Any, graph: Any, met: Any) -> Any:
        frontier = list(frontier)
        yield from original(include, frontier, graph, met)
        for node in original(include, frontier, all_of(graph._vault), met):
            if node.type in DIRECTORY_TYPES and node.type != "Group":
                yield node

    return _forward


def _revinclude_gives_all(original: Any) -> Any:
    def _backward(include: Any, frontier: Any, search: Any, graph: Any) -> Any:
        return original(include, frontier, search, all_of(graph._vault))

    return _backward


def _include_is_cut_short(original: Any) -> Any:
    """An include ends where it comes upon something withheld."""

    def _forward(include: Any, frontier: Any, graph: Any, met: Any) -> Any:
        for node in list(frontier):
            shown = list(original(include, [node], graph, met))
            there = list(original(include, [node], all_of(graph._vault), met))
            yield from shown
            if len(shown) < len(there):
                return

    return _forward


def _most_included_counts_all(original: Any) -> Any:
    """The bound on what is included counts what is withheld."""

    def included(search: Any, matches: Any, graph: Any) -> Any:
        found, issues = original(search, matches, graph)
        every, _ = original(search, matches, all_of(graph._vault))
        return (found, issues) if len(every) <= 6 else (found[:3], issues)

    return included


def _in_everything(name: str) -> Replace:
    """Part of a search is asked of everything there is."""

    def patch(original: Any) -> Any:
        def asked(self: Any, *given: Any) -> Any:
            mine = self._graph
            self._graph = mine if not hasattr(mine, "_vault") else all_of(mine._vault)
            try:
                return original(self, *given)
            finally:
                self._graph = mine

        asked.__name__ = name
        return asked

    return patch


def _refers_everywhere(original: Any) -> Any:
    def _holds(self: Any, test: Any, name: Any) -> bool:
        node = all_of(self._graph._vault).get(*name)
        return node is not None and test(node)

    del original
    return _holds


SEARCHING = faults(
    (
        "a search on a type matches what is withheld",
        (f"{REACH}.of_type", _also_hidden(named=False, typed=True)),
    ),
    (
        "a search over a patient matches what is withheld",
        (f"{REACH}.of_type", _also_hidden(named=True, typed=True)),
    ),
    (
        "a search over all types matches what is withheld",
        (f"{REACH}.of_type", _also_hidden(named=False, typed=False)),
    ),
    (
        "a record's compartment and $everything count what is withheld",
        (f"{REACH}.of_type", _also_hidden(named=True, typed=False)),
    ),
    (
        "_summary=count counts what is withheld",
        ("careledger.gateway.fhir_search:search_in", _counts_all),
    ),
    (
        "a total counts what is withheld",
        ("careledger.gateway.fhir_search:search_in", _totals_all),
    ),
    (
        "pages are cut before they are filtered",
        ("careledger.gateway.fhir_search:search_in", _filters_after_paging),
    ),
    (
        "the order tells that something is withheld",
        ("careledger.gateway.fhir_search:search_in", _order_tells),
    ),
    ("_id finds what is withheld", (f"{REACH}.get", _get_gives_all)),
    (
        "_include brings what is withheld",
        ("careledger.fhir.search.include:_forward", _include_gives_all),
        (f"{REACH}.open_each", _open_gives_all),
    ),
    (
        "_include goes beyond the token's scopes",
        ("careledger.fhir.search.include:_forward", _include_beyond_scopes),
        (f"{REACH}.open_each", _open_gives_all),
    ),
    (
        "_revinclude brings what is withheld",
        ("careledger.fhir.search.include:_backward", _revinclude_gives_all),
        (f"{REACH}.open_each", _open_gives_all),
    ),
    (
        "an include is cut short where something is withheld",
        ("careledger.fhir.search.include:_forward", _include_is_cut_short),
    ),
    (
        "the bound on includes counts what is withheld",
        ("careledger.fhir.search.engine:included", _most_included_counts_all),
    ),
    ("_has asks everything", (f"{RUN}._has", _in_everything("_has"))),
    ("a chain ends in what is withheld", (f"{RUN}._far", _in_everything("_far"))),
    ("a chain follows references to what is withheld", (f"{RUN}._holds", _refers_everywhere)),
)
