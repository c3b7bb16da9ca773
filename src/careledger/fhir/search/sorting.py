"""The order of matches, and where in it a page begins (FHIR R4 3.1.1.5.1).

Without `_sort` the newest come first; ties are ordered by type and id, so the order is total and a
page can begin behind any match, whether or not that match is still there. Missing values come last.
"""

from collections.abc import Sequence
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

    def position(self, node: Node) -> Position:
        """Return where a match stands, as the cursor of a page keeps it."""
        return Position(tuple(_raw(node, key) for key in self._sort), node.type, node.id)

    def key(self, node: Node) -> Comparable:
        """Return what to sort a match by."""
        keys = tuple(_comparable(key, _raw(node, key)) for key in self._sort)
        return (*keys, node.type, node.id)

    def key_of(self, position: Position) -> Comparable | None:
        """Return the same for a position; None if it is of another order."""
        if len(position.keys) != len(self._sort):
            return None
        pairs = list(zip(self._sort, position.keys, strict=True))
        if not all(raw is None or _fits(key, raw) for key, raw in pairs):
            return None
        return (*(_comparable(key, raw) for key, raw in pairs), position.type, position.id)


def _raw(node: Node, key: SortKey) -> Raw:
    """Of several values the least counts, or, descending, the greatest."""
    if key.code == "_id":
        return node.id
    if key.code == "_lastUpdated":
        return node.stored
    values = values_of(node.values, key.kind, key.code)
    if not values:
        return None
    choose = max if key.descending else min
    if key.kind in ("number", "quantity"):
        texts = (one if isinstance(one, str) else one.value for one in values)
        known = [text for text in texts if decimal(text) is not None]
        number: str | None = choose(known, key=_number, default=None)
        return number
    raw: Raw = choose(_text(key.kind, one) for one in values)
    return raw


def _text(kind: Kind, value: Any) -> Any:  # Any: see above
    match kind:
        case "date":
            return value[0]
        case "string":
            return fold(value)
        case "token":
            return (value.code or value.text).casefold()
        case "reference":
            return _reference(value)
        case _:
            return value


def _reference(value: ReferenceValue) -> str:
    return value.url or f"{value.type}/{value.id}"


def _number(text: str) -> Decimal:
    number = decimal(text)
    return _ZERO if number is None else number


def _fits(key: SortKey, raw: str | int) -> bool:
    return isinstance(raw, int) is (key.kind == "date")


def _comparable(key: SortKey, raw: Raw) -> Comparable:
    if raw is None:
        return _LAST
    if isinstance(raw, int):
        return (0, -raw if key.descending else raw)
    if key.kind in ("number", "quantity"):
        return (0, -_number(raw) if key.descending else _number(raw))
    return (0, _Descending(raw) if key.descending else raw)
