"""Reading the parameters of a search: what it asks, how the answer is to be laid out.

FHIR R4 3.1.1. `strict` refuses a parameter that is not known; `lenient` leaves it out and says so
(3.1.1.6). A value that cannot be read is refused either way.
"""

from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Final, Literal, cast, get_args

from careledger.fhir.errors import (
    BadParameterValue,
    Issue,
    NotAResource,
    TooCostly,
    UnknownParameter,
)
from careledger.fhir.r4.registry import MODULES
from careledger.fhir.search.confinement import confined
from careledger.fhir.search.criteria import Reader, known, shown
from careledger.fhir.search.operands import Setting
from careledger.fhir.search.query import (
    MAXIMUM_COUNT,
    Condition,
    Include,
    InCompartment,
    Pair,
    Search,
    SortKey,
    Summary,
    Total,
)
from careledger.fhir.search.table import IndexSet

MAXIMUM_PARAMETERS: Final = 100
MAXIMUM_LENGTH: Final = 200_000
"""Characters of all names and values."""
MAXIMUM_LISTED: Final = 200
"""Names in `_elements`, `_type` and `_sort`."""
MAXIMUM_INCLUDES: Final = 20

Handling = Literal["strict", "lenient"]

_FOR_THE_DOOR: Final = frozenset({"_format", "_pretty"})
_ONCE: Final = frozenset({"_count", "_summary", "_total"})


def parse(
    type_: str | None,
    params: Iterable[Pair],
    *,
    indexed: IndexSet,
    handling: Handling = "strict",
    compartment: str | None = None,
    setting: Setting | None = None,
) -> Search:
    """Read a search on one type, or (None) on all or those that `_type` names.

    compartment: the local id of the patient in whose compartment the search is.

    Raises:
        NotAResource: no R4 resource type.
        UnknownParameter: a parameter or modifier that is not answered here; strict only.
        BadParameterValue: a value of another form.
        TooCostly: more of something than is answered.
    """
    pairs = _bounded(params)
    if type_ is not None and type_ not in MODULES:
        raise NotAResource("the name of an R4 resource type")
    types = (type_,) if type_ is not None else _types(pairs)
    reading = _Reading(types, indexed, handling, Reader(indexed, setting or Setting()))
    reading.untyped = type_ is None
    for pair in pairs:
        reading.add(pair)
    return reading.search(compartment)


def _bounded(params: Iterable[Pair]) -> list[Pair]:
    pairs: list[Pair] = []
    length = 0
    for name, value in params:
        length += len(name) + len(value)
        pairs.append((name, value))
        if len(pairs) > MAXIMUM_PARAMETERS:
            raise TooCostly(f"at most {MAXIMUM_PARAMETERS} parameters")
        if length > MAXIMUM_LENGTH:
            raise TooCostly(f"at most {MAXIMUM_LENGTH} characters of parameters")
    return pairs


def _types(pairs: list[Pair]) -> tuple[str, ...]:
    given = [name for _, value in pairs if _ == "_type" for name in _listed("_type", value)]
    if not all(name in MODULES for name in given):
        raise BadParameterValue("names of R4 resource types with commas between them", "_type")
    return tuple(dict.fromkeys(given))


def _listed(name: str, value: str) -> list[str]:
    parts = value.split(",", MAXIMUM_LISTED)
    if len(parts) > MAXIMUM_LISTED:
        raise TooCostly(f"at most {MAXIMUM_LISTED} names", name)
    return [part.strip() for part in parts if part.strip()]


@dataclass(slots=True)
class _Reading:
    """A search as far as it has been read."""

    types: tuple[str, ...]
    indexed: IndexSet
    handling: Handling
    reader: Reader
    untyped: bool = False
    conditions: list[Condition] = field(default_factory=list)
    sort: list[SortKey] = field(default_factory=list)
    includes: list[Include] = field(default_factory=list)
    elements: list[str] = field(default_factory=list)
    count: int | None = None
    summary: Summary | None = None
    total: Total | None = None
    applied: list[Pair] = field(default_factory=list)
    issues: list[Issue] = field(default_factory=list)
    met: set[str] = field(default_factory=set)

    def add(self, pair: Pair) -> None:
        """Read one parameter; lenient, one that is not known becomes a warning."""
        name, value = pair
        if name in _ONCE:
            if name in self.met:
                raise BadParameterValue("this parameter once", name)
            self.met.add(name)
        try:
            self._read(name, value)
        except UnknownParameter as error:
            if self.handling == "strict":
                raise
            self.issues += error.issues
        else:
            self.applied.append(pair)

    def _read(self, name: str, value: str) -> None:
        match name:
            case "_count":
                self.count = _count(value)
            case "_summary":
                self.summary = cast("Summary", _one_of(name, value, get_args(Summary)))
            case "_total":
                self.total = cast("Total", _one_of(name, value, get_args(Total)))
            case "_elements":
                self.elements += _elements(value)
            case "_sort":
                self._sort(value)
            case "_type" if self.untyped:
                pass
            case "_contained" if value == "false":
                pass
            case _ if name in _FOR_THE_DOOR:
                pass
            case _ if name.partition(":")[0] in ("_include", "_revinclude"):
                self._include(name, value)
            case _:
                self.conditions.append(self.reader.condition(self.types, name, value))

    def _sort(self, value: str) -> None:
        parameters = known(self.types, self.indexed)
        keys = []
        for part in _listed("_sort", value):
            code = part.removeprefix("-")
            found = parameters.get(code)
            if found is None or found.kind in ("composite", "special"):
                raise UnknownParameter("search parameters of this type to sort by", "_sort")
            keys.append(SortKey(code, found.kind, part.startswith("-")))
        if not keys:
            raise BadParameterValue("search parameters, each with - before it or not", "_sort")
        self.sort += keys

    def _include(self, name: str, value: str) -> None:
        base, colon, modifier = name.partition(":")
        if colon and modifier != "iterate":
            raise UnknownParameter("no modifier but iterate", shown(name))
        if len(self.includes) >= MAXIMUM_INCLUDES:
            raise TooCostly(f"at most {MAXIMUM_INCLUDES} includes", base)
        reverse = base == "_revinclude"
        self.includes.append(self._included(base, value, reverse=reverse, iterate=bool(colon)))

    def _included(self, name: str, value: str, *, reverse: bool, iterate: bool) -> Include:
        if value == "*":
            return Include(None, None, None, reverse, iterate)
        source, *rest = value.split(":", 2)
        code, target = [*rest, "", ""][:2]
        if source not in MODULES or not code or (target and target not in MODULES):
            raise BadParameterValue("*, Type:parameter or Type:parameter:Target", name)
        if code == "*":
            return Include(source, None, target or None, reverse, iterate)
        found = known((source,), self.indexed).get(code)
        if found is None or found.kind != "reference":
            raise UnknownParameter("a reference among the type's search parameters", name)
        return Include(source, code, target or None, reverse, iterate)

    def search(self, compartment: str | None) -> Search:
        """Put together what was read."""
        if self.includes and self.summary == "text":
            raise BadParameterValue("no includes with _summary=text", "_summary")
        if self.elements and self.summary in ("true", "text", "data"):
            raise BadParameterValue("_elements or _summary, not both", "_elements")
        conditions = list(self.conditions)
        if compartment is not None:
            conditions.insert(0, InCompartment(compartment))
        return Search(
            types=self.types,
            conditions=tuple(conditions),
            patients=confined(self.types, conditions, self.indexed),
            sort=tuple(self.sort),
            count=self.count,
            includes=tuple(dict.fromkeys(self.includes)),
            elements=tuple(dict.fromkeys(self.elements)),
            summary=self.summary or "false",
            total=self.total,
            applied=tuple(self.applied),
            issues=tuple(self.issues),
        )


def _elements(value: str) -> list[str]:
    """Names of elements at the top; `Patient.name` and `name.family` stand for `name`."""
    names = _listed("_elements", value)
    if not all(name.replace(".", "").replace("_", "").isalnum() for name in names):
        raise BadParameterValue("names of elements with commas between them", "_elements")
    plain = (
        name.partition(".")[2] if name.partition(".")[0] in MODULES else name for name in names
    )
    return [name.partition(".")[0] for name in plain if name]


def _count(value: str) -> int:
    """A larger count than is answered is answered with the largest (FHIR R4 3.1.1.5.2)."""
    if not (value.isascii() and value.isdigit()):
        raise BadParameterValue("a number, 0 or more", "_count")
    return min(int(value[:9]), MAXIMUM_COUNT) if len(value.lstrip("0")) <= 9 else MAXIMUM_COUNT  # noqa: PLR2004


def _one_of(name: str, value: str, allowed: tuple[str, ...]) -> str:
    if value not in allowed:
        raise BadParameterValue(f"one of {', '.join(allowed)}", name)
    return value
