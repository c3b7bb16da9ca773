"""The order of matches, and where in it a page begins (FHIR R4 3.1.1.5.1).

Without `_sort` the newest come first; ties are ordered by type and id, so the order is total and a
page can begin behind any match, whether or not that match is still there. Missing values come last.
"""

from collections.abc import Callable, Sequence
from decimal import Decimal
from typing import Any, Final  # Any: keys are compared only with keys of the same kind

from careledger.fhir.search.folding import fold
from careledger.fhir.search.graph import Node
from careledger.fhir.search.match import values_of
from careledger.fhir.search.numbers import decimal
from careledger.fhir.search.query import Position, SortKey
from careledger.fhir.search.table import Kind
from careledger.fhir.search.values import ReferenceValue

NEWEST_FIRST: Final = (SortKey("_lastUpdated", "date", descending=True),)

Raw = str | int | None
Comparable = tuple[Any, ...]
_LAST: Final = (1,)
_ZERO: Final = Decimal(0)


class _Descending:
    """Text that is greater the earlier it comes in the alphabet."""

    __slots__ = ("text",)

    def __init__(self, text: str) -> None:
        self.text = text

    def __eq__(self, other: object) -> bool:
        return isinstance(other, _Descending) and self.text == other.text

    def __hash__(self) -> int:
        return hash(self.text)

    def __lt__(self, other: "_Descending") -> bool:
        return self.text > other.text


class Order:
    """The order that a search asks for."""

    def __init__(self, sort: Sequence[SortKey]) -> None:
        self._sort = tuple(sort) or NEWEST_FIRST
        self._raw = tuple(map(_reader, self._sort))
        self._comparable = tuple(map(_comparable, self._sort))
        self._columns = tuple(zip(self._raw, self._comparable, strict=True))

    def position(self, node: Node) -> Position:
        """Return where a match stands, as the cursor of a page keeps it."""
        return Position(tuple(read(node) for read in self._raw), node.type, node.id)

    def key(self, node: Node) -> Comparable:
        """Return what to sort a match by."""
        if len(self._columns) == 1:
            [(read, compare)] = self._columns
            return compare(read(node)), node.type, node.id
        return *[compare(read(node)) for read, compare in self._columns], node.type, node.id

    def key_of(self, position: Position) -> Comparable | None:
        """Return the same for a position; None if it is of another order."""
        raws = position.keys
        if len(raws) != len(self._sort) or not all(map(_fits, self._sort, raws)):
            return None
        keys = [compare(raw) for compare, raw in zip(self._comparable, raws, strict=True)]
        return *keys, position.type, position.id


def _fits(key: SortKey, raw: Raw) -> bool:
    return raw is None or isinstance(raw, int) is (key.kind == "date")


def _reader(key: SortKey) -> Callable[[Node], Raw]:
    """Of several values the least counts, or, descending, the greatest."""
    if key.code == "_id":
        return lambda node: node.id
    if key.code == "_lastUpdated":
        return lambda node: node.stored
    choose = max if key.descending else min
    value_of = _VALUE[key.kind]
    weigh: Callable[[Any], Any] = _number if key.kind in _NUMBERS else _itself

    def read(node: Node) -> Raw:
        values = values_of(node.values, key.kind, key.code)
        if len(values) <= 1:
            return value_of(values[0]) if values else None
        raws = [raw for raw in map(value_of, values) if raw is not None]
        chosen: Raw = choose(raws, key=weigh, default=None)
        return chosen

    return read


def _itself(value: Any) -> Any:
    return value


def _amount(text: str) -> str | None:
    return None if decimal(text) is None else text


def _reference(value: ReferenceValue) -> str:
    return value.url or f"{value.type}/{value.id}"


_NUMBERS: Final = frozenset({"number", "quantity"})
_VALUE: Final[dict[Kind, Callable[[Any], Raw]]] = {  # Any: see above
    "date": lambda span: int(span[0]),
    "string": fold,
    "token": lambda token: (token.code or token.text).casefold(),
    "reference": _reference,
    "uri": str,
    "number": _amount,
    "quantity": lambda quantity: _amount(quantity.value),
}


def _number(text: str) -> Decimal:
    number = decimal(text)
    return _ZERO if number is None else number


def _comparable(key: SortKey) -> Callable[[Raw], Comparable]:
    """Return what makes a value comparable in the direction of a key."""
    if key.kind == "date":
        sign = -1 if key.descending else 1
        return lambda raw: _LAST if raw is None else (0, sign * int(raw))
    if key.kind in _NUMBERS:
        least = -1 if key.descending else 1
        return lambda raw: _LAST if raw is None else (0, least * _number(str(raw)))
    turn: Callable[[str], Any] = _Descending if key.descending else str
    return lambda raw: _LAST if raw is None else (0, turn(str(raw)))
