"""Numbers as FHIR compares them: what their digits round to, and amounts that are only bounded.

FHIR R4 3.1.1.4.6: `100` asks for [99.5, 100.5); with gt, lt, ge, le, sa and eb a number is exact.
"""

from decimal import Context, Decimal, DecimalException
from functools import lru_cache
from typing import Final

from careledger.fhir.search.query import NumberOperand, Prefix

MAXIMUM_DIGITS: Final = 64
"""Characters of a number in a query."""
_EXPONENT: Final = 400

_EXACT: Final = Context(prec=2_000, traps=[])
_HALF: Final = Decimal("0.5")
_TENTH: Final = Decimal("0.1")
_INFINITY: Final = Decimal("Infinity")

Bound = tuple[Decimal, int]
"""A number; 1 just above it, -1 just below, 0 itself."""


@lru_cache(maxsize=65_536)
def decimal(text: str) -> Decimal | None:
    """Return a number as written; None if it is none, or beyond what a FHIR decimal can be."""
    if not text.isascii() or "_" in text or text != text.strip():
        return None
    try:
        number = Decimal(text)
    except (DecimalException, ValueError):
        return None
    return number if number.is_finite() and abs(number.adjusted()) <= _EXPONENT else None


def number_operand(prefix: Prefix, text: str) -> NumberOperand | None:
    """Read a number of a query; None if it is none."""
    value = decimal(text) if len(text) <= MAXIMUM_DIGITS else None
    if value is None:
        return None
    exponent = value.as_tuple().exponent
    half = _EXACT.scaleb(_HALF, exponent if isinstance(exponent, int) else 0)
    if prefix == "ap":
        half = max(half, _EXACT.multiply(abs(value), _TENTH))
    return NumberOperand(prefix, value, _EXACT.subtract(value, half), _EXACT.add(value, half))


def accepts(  # noqa: C901, PLR0911  one for each prefix
    operand: NumberOperand, text: str, comparator: str = ""
) -> bool:
    """Compare a stored amount, perhaps one such as `<5`, with what was asked."""
    number = decimal(text)
    if number is None:
        return False
    low, high = _bounds(number, comparator)
    value = (operand.value, 0)
    match operand.prefix:
        case "eq":
            return (operand.low, 0) <= low and high < (operand.high, 0)
        case "ne":
            return not ((operand.low, 0) <= low and high < (operand.high, 0))
        case "ap":
            return low <= (operand.high, 0) and high >= (operand.low, 0)
        case "gt":
            return high > value
        case "ge":
            return high >= value
        case "lt":
            return low < value
        case "le":
            return low <= value
        case "sa":
            return low > value
        case "eb":
            return high < value


def _bounds(number: Decimal, comparator: str) -> tuple[Bound, Bound]:
    """Return the least and the greatest that an amount may be."""
    match comparator:
        case "<":
            return (-_INFINITY, 0), (number, -1)
        case "<=":
            return (-_INFINITY, 0), (number, 0)
        case ">":
            return (number, 1), (_INFINITY, 0)
        case ">=":
            return (number, 0), (_INFINITY, 0)
        case _:
            return (number, 0), (number, 0)
