"""What a search asks, as a tree: made by `fhir.search.parse`, answered by `fhir.search.engine`.

FHIR R4 3.1.1. Every condition of a search must hold; of a criterion's operands one is enough.
"""

from dataclasses import dataclass
from decimal import Decimal
from typing import Final, Literal

import msgspec

from careledger.fhir.dates import Span
from careledger.fhir.errors import Issue
from careledger.fhir.search.table import Kind

Prefix = Literal["eq", "ne", "gt", "lt", "ge", "le", "sa", "eb", "ap"]
Modifier = Literal[
    "",
    "exact",
    "contains",
    "missing",
    "not",
    "in",
    "not-in",
    "text",
    "identifier",
    "of-type",
    "above",
    "below",
]
Summary = Literal["true", "text", "data", "count", "false"]
Total = Literal["none", "estimate", "accurate"]
Pair = tuple[str, str]
"""Name and value of a parameter, as the client wrote them."""

DEFAULT_COUNT: Final = 100
MAXIMUM_COUNT: Final = 1_000
"""Matches on one page."""


@dataclass(frozen=True, slots=True)
class StringOperand:
    """Text as asked; `folded` without case, accents and extra spaces."""

    text: str
    folded: str


@dataclass(frozen=True, slots=True)
class TokenOperand:
    """`code`, `system|code`, `|code` or `system|`: None stands for any, "" for none."""

    system: str | None
    code: str | None
    value: str = ""
    """Of `:of-type`, which says the type of an identifier and then its value."""


@dataclass(frozen=True, slots=True)
class ReferenceOperand:
    """A resource here by `id`, with its type if said; `url` where it was asked for by URL.

    By a URL of this server both: a canonical URL may begin like its own.
    """

    type: str = ""
    id: str = ""
    version: str = ""
    url: str = ""


@dataclass(frozen=True, slots=True)
class DateOperand:
    """A prefix, and the first and last second of the date behind it."""

    prefix: Prefix
    span: Span


@dataclass(frozen=True, slots=True)
class NumberOperand:
    """A prefix and a number; `low` (inside) and `high` (outside) are what its digits round to."""

    prefix: Prefix
    value: Decimal
    low: Decimal
    high: Decimal


@dataclass(frozen=True, slots=True)
class QuantityOperand:
    """A number with its unit: None is any; without a system, `code` may also be the unit's name."""

    number: NumberOperand
    system: str | None = None
    code: str | None = None


@dataclass(frozen=True, slots=True)
class UriOperand:
    """A URI, compared letter by letter."""

    uri: str


Simple = (
    StringOperand
    | TokenOperand
    | ReferenceOperand
    | DateOperand
    | NumberOperand
    | QuantityOperand
    | UriOperand
)


@dataclass(frozen=True, slots=True)
class CompositeOperand:
    """One operand for each component, with its kind, in the order of the definition."""

    parts: tuple[tuple[Kind, Simple], ...]


@dataclass(frozen=True, slots=True)
class NearOperand:
    """A point in degrees, and how far from it is near."""

    latitude: float
    longitude: float
    within_km: float


Operand = Simple | CompositeOperand | NearOperand


@dataclass(frozen=True, slots=True)
class Criterion:
    """One parameter of the resource itself; `:missing` has no operands but `missing`."""

    code: str
    kind: Kind
    modifier: Modifier = ""
    operands: tuple[Operand, ...] = ()
    missing: bool = False


@dataclass(frozen=True, slots=True)
class Chain:
    """A reference leads to a resource of one of these types, for which its condition holds."""

    code: str
    ways: "tuple[tuple[str, Condition], ...]"


@dataclass(frozen=True, slots=True)
class Has:
    """Some resource of type `source` refers here by `code`, and the condition holds for it."""

    source: str
    code: str
    condition: "Condition"


@dataclass(frozen=True, slots=True)
class InCompartment:
    """The resource is in the compartment of this patient."""

    patient: str


Condition = Criterion | Chain | Has | InCompartment


@dataclass(frozen=True, slots=True)
class SortKey:
    """A parameter to sort by."""

    code: str
    kind: Kind
    descending: bool = False


@dataclass(frozen=True, slots=True)
class Include:
    """Resources to go with the matches; None or "" where `*` or nothing was said."""

    source: str | None
    code: str | None
    target: str | None = None
    reverse: bool = False
    iterate: bool = False


@dataclass(frozen=True, slots=True)
class Search:
    """A search, checked.

    types: whose resources; empty for every type.
    patients: local ids to whose records it is confined by what it asks; None for everywhere.
    applied: the pairs in force, for the `self` link; `issues` are warnings about the others.
    """

    types: tuple[str, ...]
    conditions: tuple[Condition, ...] = ()
    patients: frozenset[str] | None = None
    sort: tuple[SortKey, ...] = ()
    count: int | None = None
    includes: tuple[Include, ...] = ()
    elements: tuple[str, ...] = ()
    summary: Summary = "false"
    total: Total | None = None
    applied: tuple[Pair, ...] = ()
    issues: tuple[Issue, ...] = ()

    @property
    def counts_only(self) -> bool:
        """Whether nothing but the total was asked for."""
        return self.summary == "count" or self.count == 0


class Position(msgspec.Struct, frozen=True, array_like=True):
    """The last match of a page: the next page begins behind it. Clinical data; seal it."""

    keys: tuple[str | int | None, ...]
    """What stood at each sort key; None where there was no value."""
    type: str
    id: str
