"""Whether a resource meets a criterion, judged by its values alone (FHIR R4 3.1.1.4).

`node_test` turns criteria into a function that is pure and cheap, for use on many resources.
"""

from collections.abc import Callable, Sequence
from typing import Any  # Any: each kind of parameter has values of its own type

from careledger.fhir.search.folding import fold
from careledger.fhir.search.graph import Node, Test
from careledger.fhir.search.near import is_near
from careledger.fhir.search.numbers import accepts
from careledger.fhir.search.query import (
    CompositeOperand,
    Criterion,
    DateOperand,
    Modifier,
    NearOperand,
    NumberOperand,
    Operand,
    QuantityOperand,
    ReferenceOperand,
    StringOperand,
    TokenOperand,
    UriOperand,
)
from careledger.fhir.search.reference_match import references_to
from careledger.fhir.search.shortcut import shortcut
from careledger.fhir.search.table import FROM_THE_NODE, Kind
from careledger.fhir.search.token_match import token_acceptor, tokens
from careledger.fhir.search.values import QuantityValue, Values, of_type
from careledger.fhir.terminology import Terminology

Accepts = Callable[[Any], bool]


def node_test(
    type_: str | None, criteria: Sequence[Criterion], terminology: Terminology | None
) -> Test:
    """Return the function that says whether a resource of a type meets all criteria.

    Raises:
        InvalidQuery: one needs a value set or a code system that is not known here.
    """
    of_node = [_of_node(one) for one in criteria if one.code in FROM_THE_NODE]
    of_values = [_of_values(one, terminology) for one in criteria if one.code not in FROM_THE_NODE]
    quick = [] if type_ is None else [shortcut(type_, one) for one in criteria]
    of_facts = [one for one in quick if one is not None]

    def test(node: Node) -> bool:
        for ask in of_node:
            if not ask(node):
                return False
        facts = node.facts
        for rule_out in of_facts:
            if not rule_out(facts):
                return False
        if of_values:
            values = node.values
            for meets in of_values:
                if not meets(values):
                    return False
        return True

    return test


def _of_node(criterion: Criterion) -> Test:
    """A test of what is known of every resource: its id and when it was stored."""
    if criterion.modifier == "missing":
        missing = criterion.missing
        return lambda _: not missing
    dates = [one for one in criterion.operands if isinstance(one, DateOperand)]
    if dates:
        return lambda node: any(date_accepts(one, node.stored, node.stored) for one in dates)
    wanted = frozenset(one.code for one in criterion.operands if isinstance(one, TokenOperand))
    if criterion.modifier == "not":
        return lambda node: node.id not in wanted
    return lambda node: node.id in wanted


def _of_values(criterion: Criterion, terminology: Terminology | None) -> Callable[[Values], bool]:
    of, code = _GROUP[criterion.kind], criterion.code
    if criterion.modifier == "of-type":
        code = of_type(code)
    if criterion.modifier == "missing":
        missing = criterion.missing
        return lambda values: (not of(values).get(code)) is missing
    accepts_one = _acceptor(criterion, terminology)
    if criterion.modifier in ("not", "not-in"):
        return lambda values: not any(map(accepts_one, of(values).get(code, ())))
    return lambda values: any(map(accepts_one, of(values).get(code, ())))


_GROUP: dict[str, Callable[[Values], dict[str, tuple[Any, ...]]]] = {
    "string": lambda values: values.strings,
    "token": lambda values: values.tokens,
    "reference": lambda values: values.references,
    "date": lambda values: values.dates,
    "number": lambda values: values.numbers,
    "quantity": lambda values: values.quantities,
    "uri": lambda values: values.uris,
    "composite": lambda values: values.composites,
    "special": lambda values: values.composites,
}


def values_of(values: Values, kind: Kind, code: str) -> tuple[Any, ...]:
    """Return the values of one parameter."""
    return _GROUP[kind](values).get(code, ())


def _acceptor(criterion: Criterion, terminology: Terminology | None) -> Accepts:
    """One function for all operands; it is asked of each value."""
    operands, modifier = criterion.operands, criterion.modifier
    if criterion.kind == "token":
        return token_acceptor(criterion, terminology)
    if criterion.kind == "reference" and modifier == "identifier":
        inner = tokens(one for one in operands if isinstance(one, TokenOperand))
        return lambda value: value.identifier is not None and inner(value.identifier)
    if criterion.kind == "composite":
        return _any([_composite(one) for one in operands if isinstance(one, CompositeOperand)])
    if criterion.kind == "reference":
        return references_to([one for one in operands if isinstance(one, ReferenceOperand)])
    return _any([_one(one, modifier) for one in operands])


def _any(tests: list[Accepts]) -> Accepts:
    if len(tests) == 1:
        return tests[0]
    return lambda value: any(test(value) for test in tests)


def _one(operand: Operand, modifier: Modifier = "") -> Accepts:  # noqa: PLR0911  one for each kind
    match operand:
        case StringOperand():
            return _string(operand, modifier)
        case TokenOperand():
            return tokens([operand])
        case ReferenceOperand():
            return references_to([operand])
        case DateOperand():
            return lambda value: date_accepts(operand, *value)
        case NumberOperand():
            return lambda value: accepts(operand, value)
        case QuantityOperand():
            return lambda value: _quantity(operand, value)
        case UriOperand():
            return _uri(operand.uri, modifier)
        case CompositeOperand():
            return _composite(operand)
        case NearOperand():
            return lambda value: is_near(operand, value)


def _string(operand: StringOperand, modifier: Modifier) -> Accepts:
    text, folded = operand.text, operand.folded
    if modifier == "exact":
        return lambda value: value == text
    if modifier == "contains":
        return lambda value: folded in fold(value)
    return lambda value: fold(value).startswith(folded)


def date_accepts(  # noqa: PLR0911  one for each prefix
    operand: DateOperand, start: int, end: int
) -> bool:
    """Compare ranges as FHIR R4 3.1.1.4.7 does; both ends are inside."""
    first, last = operand.span
    match operand.prefix:
        case "eq":
            return first <= start and end <= last
        case "ne":
            return not (first <= start and end <= last)
        case "gt":
            return end > last
        case "ge":
            return end > last or (first <= start and end <= last)
        case "lt":
            return start < first
        case "le":
            return start < first or (first <= start and end <= last)
        case "sa":
            return start > last
        case "eb":
            return end < first
        case "ap":
            return start <= last and end >= first


def _quantity(operand: QuantityOperand, value: QuantityValue) -> bool:
    if operand.code is not None:
        if operand.system is None:
            if operand.code not in (value.code, value.unit):
                return False
        elif (operand.system, operand.code) != (value.system, value.code):
            return False
    elif operand.system is not None and operand.system != value.system:
        return False
    return accepts(operand.number, value.value, value.comparator)


def _uri(uri: str, modifier: Modifier) -> Accepts:
    if modifier == "below":
        return lambda value: _is_below(value, uri)
    if modifier == "above":
        return lambda value: _is_below(uri, value)
    return lambda value: value == uri


def _is_below(longer: str, shorter: str) -> bool:
    """By whole segments of the path; a URN is below nothing but itself."""
    if longer == shorter:
        return True
    if shorter.startswith("urn:"):
        return False
    return longer.startswith(shorter if shorter.endswith("/") else f"{shorter}/")


def _composite(operand: CompositeOperand) -> Accepts:
    parts = [(str(at), kind, _one(one)) for at, (kind, one) in enumerate(operand.parts)]

    def test(values: Values) -> bool:
        return all(any(map(one, values_of(values, kind, at))) for at, kind, one in parts)

    return test
