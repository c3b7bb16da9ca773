"""Whether a token, a code with its system, is what was asked for (FHIR R4 3.1.1.4.10)."""

from collections.abc import Callable, Collection, Iterable, Sequence

from careledger.fhir.errors import BadParameterValue, UnknownParameter
from careledger.fhir.search.folding import fold
from careledger.fhir.search.query import Criterion, TokenOperand
from careledger.fhir.search.values import TokenValue
from careledger.fhir.terminology import Terminology, official

Accepts = Callable[[TokenValue], bool]


def token_acceptor(criterion: Criterion, terminology: Terminology | None) -> Accepts:
    """Return the function that says whether a token is one of those asked for.

    terminology: R4's own if there is none.

    Raises:
        BadParameterValue: no system and code where both are needed.
        UnknownParameter: a value set or a code system that is not known here.
    """
    operands = [one for one in criterion.operands if isinstance(one, TokenOperand)]
    match criterion.modifier:
        case "text":
            wanted = tuple(fold(one.code or "") for one in operands)
            return lambda value: bool(value.text) and fold(value.text).startswith(wanted)
        case "of-type":
            typed = frozenset((one.system, one.code, one.value) for one in operands)
            return lambda value: tuple(value) in typed
        case "in" | "not-in":
            sets = [(terminology or official()).expand(one.code or "") for one in operands]
            return _members(sets, criterion.code, "a value set whose codes are all known here")
        case "below" | "above":
            known = terminology or official()
            related = known.below if criterion.modifier == "below" else known.above
            sets = [related(*_coding(one, criterion.code)) for one in operands]
            return _members(sets, criterion.code, "a code of a code system that is known here")
        case _:
            return tokens(operands)


def _coding(operand: TokenOperand, code: str) -> tuple[str, str]:
    if not operand.system or not operand.code:
        raise BadParameterValue("system|code", code)
    return operand.system, operand.code


def _members(
    sets: Sequence[Collection[tuple[str, str]] | None], code: str, expected: str
) -> Accepts:
    every: set[tuple[str, str]] = set()
    for members in sets:
        if members is None:
            raise UnknownParameter(expected, code)
        every.update(members)
    known = frozenset(every)
    bare = frozenset(member for _, member in known)
    return lambda value: (value.system, value.code) in known if value.system else value.code in bare


def tokens(operands: Iterable[TokenOperand]) -> Accepts:
    """With a system, codes are compared as written; without one, whatever their case."""
    pairs: set[tuple[str, str]] = set()
    systems: set[str] = set()
    codes: set[str] = set()
    for one in operands:
        if one.system is None:
            codes.add((one.code or "").casefold())
        elif one.code is None:
            systems.add(one.system)
        else:
            pairs.add((one.system, one.code))

    def test(value: TokenValue) -> bool:
        system, code = value[0], value[1]
        return (
            (system, code) in pairs
            or (bool(codes) and code.casefold() in codes)
            or system in systems
        )

    return test
