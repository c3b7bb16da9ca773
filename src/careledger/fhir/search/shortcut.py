"""What the facts alone can rule out, before the values of a resource are decoded.

A shortcut is necessary, never sufficient: what it lets through is still compared in full. There is
one only where facts and values are read from the very same elements.
"""

from collections.abc import Callable
from functools import cache
from typing import Final

from careledger.fhir.index import Facts, Token
from careledger.fhir.model import json_name
from careledger.fhir.r4.search import ELEMENTS
from careledger.fhir.search.query import Criterion, DateOperand, TokenOperand
from careledger.fhir.search.table import parameters

Shortcut = Callable[[Facts], bool]

_CODED: Final = frozenset({"CodeableConcept", "Coding", "code"})
_DATED: Final = frozenset({"date", "dateTime", "instant", "Period", "Timing"})


def shortcut(type_: str, criterion: Criterion) -> Shortcut | None:
    """Return what the facts of a resource of this type must say for a criterion to hold."""
    if criterion.modifier:
        return None
    elements = ELEMENTS[type_]
    if criterion.code == elements.date_parameter and _same(type_, criterion.code, "date"):
        return _dates([one for one in criterion.operands if isinstance(one, DateOperand)])
    tokens = [one for one in criterion.operands if isinstance(one, TokenOperand)]
    if not tokens or any(one.code is None for one in tokens):
        return None
    wanted = frozenset((one.code or "").casefold() for one in tokens)
    if criterion.code == elements.code_parameter and _same(type_, criterion.code, "code"):
        return lambda facts: _any(facts.codes, wanted)
    if criterion.code == elements.category_parameter and _same(type_, criterion.code, "category"):
        return lambda facts: _any(facts.categories, wanted)
    return None


@cache
def _same(type_: str, code: str, use: str) -> bool:
    """Whether facts and values of a parameter come from the same elements."""
    paths = parameters(type_)[code].paths
    ours = {".".join(map(json_name, path.split("."))) for path in getattr(ELEMENTS[type_], use)}
    theirs = {".".join(step.name for step in path.steps) for path in paths}
    allowed = _DATED if use == "date" else _CODED
    return ours == theirs and all(path.datatype in allowed for path in paths)


def _any(tokens: tuple[Token, ...], wanted: frozenset[str]) -> bool:
    for _, code in tokens:  # noqa: SIM110  several times as fast over one or two
        if code.casefold() in wanted:
            return True
    return False


def _dates(operands: list[DateOperand]) -> Shortcut:
    """The facts hold the earliest and the latest second of all dates."""

    def test(facts: Facts) -> bool:
        start, end = facts.start, facts.end
        if start is None or end is None:
            return False
        return any(_may(operand, start, end) for operand in operands)

    return test


def _may(operand: DateOperand, start: int, end: int) -> bool:
    first, last = operand.span
    match operand.prefix:
        case "eq" | "ap":
            return start <= last and end >= first
        case "gt" | "sa":
            return end > last
        case "lt" | "eb":
            return start < first
        case "ge":
            return end >= first
        case "le":
            return start <= last
        case "ne":
            return True
