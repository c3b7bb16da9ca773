"""Which resources meet the criteria of a conditional operation or reference (FHIR R4 3.1.0.4.3)."""

from itertools import islice
from typing import Final
from urllib.parse import parse_qsl

from careledger.fhir.errors import BadParameterValue, EntryIncomplete
from careledger.fhir.search.engine import every
from careledger.fhir.search.graph import Graph
from careledger.fhir.search.parse import parse
from careledger.fhir.search.table import ALL, IndexSet

_MOST: Final = 16
"""Parameters of one condition."""


def matching(graph: Graph, type_: str, criteria: str, indexed: IndexSet = ALL) -> set[str]:
    """Ids of at most two resources of `graph` that meet the criteria: more need nobody know.

    Raises:
        EntryIncomplete: no criteria.
        InvalidQuery: search parameters that are not answered here.
    """
    try:
        given = parse_qsl(criteria, keep_blank_values=True, max_num_fields=_MOST)
    except ValueError:
        raise BadParameterValue(f"at most {_MOST} parameters") from None
    search = parse(type_, given, indexed=indexed)
    if not search.conditions:
        raise EntryIncomplete("a condition")
    return {node.id for node in islice(every(search, graph), 2)}
