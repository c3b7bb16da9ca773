"""To whose records a search is confined by what it asks.

A search that names patients is answered from their records alone, so that no other record has to
be decided on or opened. It never widens: a resource still has to meet every condition.
"""

from collections.abc import Iterable
from functools import cache

from careledger.fhir.compartment import ROSTERS
from careledger.fhir.r4.search import ELEMENTS
from careledger.fhir.search.query import (
    Condition,
    Criterion,
    InCompartment,
    ReferenceOperand,
    TokenOperand,
)
from careledger.fhir.search.table import IndexSet

_WHOSE = frozenset({"patient", "subject"})


@cache
def is_clinical(type_: str) -> bool:
    """Whether resources of a type are in the compartments of patients, and so in their records."""
    return type_ == "Patient" or bool(ELEMENTS[type_].patient and type_ not in ROSTERS)


def names_the_owner(type_: str, code: str, indexed: IndexSet) -> bool:
    """Whether a reference says in whose record a resource of this type is."""
    found = indexed.parameters(type_).get(code)
    return found is not None and code in _WHOSE and found.kind == "reference" and is_clinical(type_)


def confined(
    types: tuple[str, ...], conditions: Iterable[Condition], indexed: IndexSet
) -> frozenset[str] | None:
    """Return local ids of patients outside whose records nothing can match; None for anywhere."""
    found: frozenset[str] | None = None
    for condition in conditions:
        named = _named(types, condition, indexed)
        if named is not None:
            found = named if found is None else found & named
    return found


def _named(
    types: tuple[str, ...], condition: Condition, indexed: IndexSet
) -> frozenset[str] | None:
    if isinstance(condition, InCompartment):
        return frozenset({condition.patient})
    if not isinstance(condition, Criterion) or condition.modifier or not types:
        return None
    if types == ("Patient",) and condition.code == "_id":
        return frozenset(
            one.code or "" for one in condition.operands if isinstance(one, TokenOperand)
        )
    if not all(names_the_owner(type_, condition.code, indexed) for type_ in types):
        return None
    operands = [one for one in condition.operands if isinstance(one, ReferenceOperand)]
    everywhere = any(one.type != "Patient" for one in operands)
    return None if everywhere else frozenset(one.id for one in operands)
