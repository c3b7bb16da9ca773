"""Which resources meet the criteria of a conditional operation or reference (FHIR R4 3.1.0.4.3)."""

from collections.abc import Callable
from typing import Final
from urllib.parse import parse_qsl

from careledger.fhir.errors import BadParameterValue, EntryIncomplete
from careledger.fhir.index import Facts
from careledger.fhir.query import matches, parse_query
from careledger.fhir.search.graph import Graph

_MOST: Final = 16
"""Parameters of one condition."""


def matching(graph: Graph, type_: str, criteria: str) -> set[str]:
    """Ids of at most two resources of `graph` that meet the criteria: more need nobody know.

    Raises:
        EntryIncomplete: no criteria.
        InvalidQuery: search parameters that are not answered here.
    """
    try:
        given = parse_qsl(criteria, keep_blank_values=True, max_num_fields=_MOST)
    except ValueError:
        raise BadParameterValue(f"at most {_MOST} parameters") from None
    if not given:
        raise EntryIncomplete("a condition")
    identifiers = [_token(value) for name, value in given if name == "identifier"]
    rest = tuple(pair for pair in given if pair[0] != "identifier")
    parsed = parse_query(type_, rest)
    patients = frozenset(parsed.patients[0]) if parsed.patients else None

    def meets(facts: Facts) -> bool:
        found = (any(map(one, facts.identifiers)) for one in identifiers)
        return matches(facts, parsed) and all(found)

    found = set[str]()
    for node in graph.of_type(type_, patients, lambda node: meets(node.facts)):
        found.add(node.id)
        if len(found) > 1:
            break
    return found


def _token(text: str) -> Callable[[tuple[str, str]], bool]:
    """`system|value`, `|value` or `value`; values with commas between them are alternatives."""
    wanted = [one.rpartition("|") for one in text.split(",") if one]

    def is_it(identifier: tuple[str, str]) -> bool:
        return any(
            identifier[1] == value and (not bar or identifier[0] == system)
            for system, bar, value in wanted
        )

    return is_it
