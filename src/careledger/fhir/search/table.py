"""The search parameters of every resource type, and which of them are indexed.

From the official definitions of R4 and of US Core, by way of the generated modules
`parameter_table` and `us_core_parameter_table`; what each means and which are not answered:
docs/reference/fhir-search.md.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cache
from re import compile as regex
from types import MappingProxyType
from typing import Final, Literal, NamedTuple, cast

from careledger.fhir.r4.parameter_table import TABLE
from careledger.fhir.r4.search import ELEMENTS
from careledger.fhir.r4.us_core_parameter_table import TABLE as US_CORE

Kind = Literal[
    "string", "token", "reference", "date", "number", "quantity", "uri", "composite", "special"
]

ANY: Final = "*"
"""As the only target: a reference to a resource of any type."""
FROM_THE_NODE: Final = frozenset({"_id", "_lastUpdated"})
"""Asked of the resource itself: always answered, and never among the values."""

IDENTIFIER: Final = "Identifier"

_CANONICAL: Final = "http://hl7.org/fhir/SearchParameter/"
_PATH: Final = regex(r"(/?)(.*):([A-Za-z]+)(?:\(([^)]*)\))?")
_STEP: Final = regex(r"([A-Za-z_]+)(\*?)(?:\[([^\]]*)\])?")


class Step(NamedTuple):
    """One name of a path: the JSON name, whether an array stands there, and what is kept of it."""

    name: str
    many: bool
    test: str
    """`member=value`, `is=Type`, `0` for the first, or "" for all."""


class Path(NamedTuple):
    """The way from a resource, or from the anchor of a composite, to a datatype."""

    steps: tuple[Step, ...]
    datatype: str
    """An R4 datatype; `deceased` is asked of the resource as a whole."""
    system: str = ""
    """The code system that the binding of a `code` implies."""
    from_resource: bool = False
    """In a component: it starts at the resource, not at the anchor."""


@dataclass(frozen=True, slots=True)
class Component:
    """One part of a composite."""

    kind: Kind
    url: str
    paths: tuple[Path, ...] = field(repr=False, default=())


@dataclass(frozen=True, slots=True)
class Parameter:
    """One search parameter as it is on one type of resource."""

    code: str
    kind: Kind
    url: str
    """The canonical URL of its official definition."""
    targets: tuple[str, ...] = ()
    """The types a reference may lead to, sorted; `(ANY,)` for every type."""
    components: tuple[Component, ...] = ()
    """Of a composite, in the order of its `$`; their places name its values: `"0"`, `"1"`."""
    paths: tuple[Path, ...] = field(repr=False, default=())
    """Where its values are; of a composite, where its anchors are."""

    @property
    def of_identifiers(self) -> bool:
        """Whether it reads identifiers, which have a type."""
        return any(path.datatype == IDENTIFIER for path in self.paths)

    def may_lead_to(self, type_: str) -> bool:
        """Whether a reference of this parameter may lead to that type."""
        return self.targets == (ANY,) or type_ in self.targets


@cache
def parameters(type_: str | None) -> Mapping[str, Parameter]:
    """Return the parameters of a type by their code; of None, those that every type has.

    `_id` and `_lastUpdated` are among them; `_text`, `_content`, `_query` and `_filter` are not.
    """
    found = _parse(TABLE[""])
    if type_ is not None:
        found |= _parse(TABLE[type_])
        found |= _parse(US_CORE.get(type_, ""))
    return MappingProxyType(found)


@dataclass(frozen=True, slots=True)
class IndexSet:
    """Which parameters are indexed: what an operator chooses between ingest and search."""

    name: Literal["small", "all"]

    def parameters(self, type_: str | None) -> Mapping[str, Parameter]:
        """Return those of a type that can be asked, `_id` and `_lastUpdated` included."""
        return _chosen(self.name, type_)

    def covers(self, type_: str | None, code: str) -> bool:
        """Whether the type has this parameter and it can be asked."""
        return code in _chosen(self.name, type_)


ALL: Final = IndexSet("all")
SMALL: Final = IndexSet("small")
"""What First light answered, under the official names, with status and who a patient is."""

_SMALL_EVERYWHERE: Final = FROM_THE_NODE | {
    "patient",
    "subject",
    "encounter",
    "identifier",
    "status",
    "clinical-status",
}
_SMALL_OF: Final[Mapping[str, frozenset[str]]] = {
    "Patient": frozenset({"name", "family", "given", "birthdate", "gender"}),
    "Provenance": frozenset({"target"}),
}


@cache
def _chosen(name: str, type_: str | None) -> Mapping[str, Parameter]:
    every = parameters(type_)
    if name == ALL.name:
        return every
    kept = _SMALL_EVERYWHERE
    if type_ is not None:
        row = ELEMENTS[type_]
        kept = kept | {row.code_parameter, row.category_parameter, row.date_parameter}
        kept = kept | _SMALL_OF.get(type_, frozenset())
    return MappingProxyType({code: each for code, each in every.items() if code in kept})


def _parse(lines: str) -> dict[str, Parameter]:
    found: dict[str, Parameter] = {}
    whole: list[list[str]] = []
    for line in lines.splitlines():
        words = line.split(" ")
        if words[0] == "+":
            whole[-1].append(line)
        else:
            whole.append([line])
    for first, *parts in whole:
        code, kind, name, targets, *paths = first.split(" ")
        found[code] = Parameter(
            code,
            cast("Kind", kind),
            name if "://" in name else _CANONICAL + name,
            () if targets == "-" else tuple(targets.split(",")),
            tuple(_component(part) for part in parts),
            tuple(_path(f"{path}:" if parts else path) for path in paths),
        )
    return found


def _component(line: str) -> Component:
    _, kind, name, _, *paths = line.split(" ")
    return Component(cast("Kind", kind), _CANONICAL + name, tuple(_path(path) for path in paths))


def _path(text: str) -> Path:
    if text.endswith(":"):
        return Path(_steps(text[:-1]), "")
    match = _PATH.fullmatch(text)
    if match is None:
        raise ValueError(text)
    root, path, datatype, system = match.groups()
    return Path(_steps(path), datatype, system or "", bool(root))


def _steps(path: str) -> tuple[Step, ...]:
    steps = _STEP.finditer("" if path == "." else path)
    return tuple(Step(step[1], bool(step[2]), step[3] or "") for step in steps)
