"""Numbers: what their digits round to, and amounts that are only bounded."""

from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from careledger.fhir.search.numbers import accepts, number_operand
from careledger.fhir.search.query import Prefix


def holds(prefix: Prefix, asked: str, stored: str, comparator: str = "") -> bool:
    operand = number_operand(prefix, asked)
    assert operand is not None
    return accepts(operand, stored, comparator)


@pytest.mark.parametrize(
    ("asked", "low", "high"),
    [
        ("100", "99.5", "100.5"),
        ("100.00", "99.995", "100.005"),
        ("1e2", "50", "150"),
        ("5.40e-3", "5.395e-3", "5.405e-3"),
        ("-3", "-3.5", "-2.5"),
    ],
)
def test_digits_say_how_precise_it_is(asked: str, low: str, high: str) -> None:
    """FHIR R4 3.1.1.4.6; the lower end is inside, the upper is not."""
    assert holds("eq", asked, low)
    assert not holds("eq", asked, high)
    assert holds("ne", asked, high)


@pytest.mark.parametrize(
    ("comparator", "prefix", "asked", "found"),
    [
        ("<", "lt", "1", True),
        ("<", "gt", "4", True),
        ("<", "gt", "5", False),
        ("<", "ge", "5", False),
        ("<=", "ge", "5", True),
        ("<", "eb", "5", True),
        ("<=", "eb", "5", False),
        ("<", "sa", "-9", False),
        (">", "gt", "9", True),
        (">", "le", "5", False),
        (">=", "le", "5", True),
        (">", "sa", "5", True),
        (">=", "sa", "5", False),
        ("<", "eq", "5", False),
        ("<", "ne", "5", True),
        ("<", "ap", "3", True),
        (">", "ap", "3", False),
    ],
)
def test_amounts_that_are_only_bounded(
    comparator: str, prefix: Prefix, asked: str, found: object
) -> None:
    assert holds(prefix, asked, "5", comparator) is found


@pytest.mark.parametrize(
    "text", ["", "x", "1_0", " 1", "1 ", "NaN", "inf", "1e999", "1" * 65, "\u0661"]
)
def test_what_is_no_number(text: str) -> None:
    assert number_operand("eq", text) is None


DECIMALS = st.decimals(-1_000_000, 1_000_000, allow_nan=False, places=4)


@given(DECIMALS, DECIMALS)
def test_prefixes_agree(asked: Decimal, stored: Decimal) -> None:
    text, other = str(asked), str(stored)
    assert holds("gt", text, other) is (stored > asked)
    assert holds("ge", text, other) is (stored >= asked)
    assert holds("lt", text, other) is (stored < asked)
    assert holds("le", text, other) is (stored <= asked)
    assert holds("eq", text, other) is not holds("ne", text, other)
    assert holds("eq", text, text)
    assert holds("ap", text, text)
