"""Code systems and value sets as rules: read from resources and from R4's own definitions."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from functools import cache
from typing import TYPE_CHECKING, Any, Final  # Any: the value of a property differs by type

if TYPE_CHECKING:
    from careledger.fhir.resource import Resource

Coding = tuple[str, str]
"""System and code."""

R4_VERSION: Final = "4.0.1"
_NOT_SUBSUMPTION: Final = frozenset({"part-of", "classified-with", "grouped-by"})
_PROPERTY_VALUES: Final = (
    "valueCode",
    "valueString",
    "valueInteger",
    "valueBoolean",
    "valueDateTime",
)


@dataclass(frozen=True, slots=True)
class System:
    """A code system that lists all its codes."""

    url: str
    parents: Mapping[str, tuple[str, ...]] = field(repr=False)
    """Every code, with those directly above it."""
    properties: Mapping[str, frozenset[tuple[str, str]]] = field(repr=False, default_factory=dict)
    """What is said of a code: property and value as text; of R4's own systems nothing is kept."""
    version: str = ""
    subsumes: bool = True
    """Whether above means more general, rather than a whole or a group (CodeSystem 4.8.13)."""

    @property
    def codes(self) -> frozenset[str]:
        """All its codes."""
        return frozenset(self.parents)

    def above(self, code: str) -> frozenset[str]:
        """Return the code and all that subsume it."""
        return _closure(code, self.parents)

    def below(self, code: str) -> frozenset[str]:
        """Return the code and all that it subsumes."""
        children: dict[str, list[str]] = {}
        for child, parents in self.parents.items():
            for parent in parents:
                children.setdefault(parent, []).append(child)
        return _closure(code, children)


def _closure(code: str, steps: "Mapping[str, Iterable[str]]") -> frozenset[str]:
    found, waiting = {code}, [code]
    while waiting:
        for each in steps.get(waiting.pop(), ()):
            if each not in found:
                found.add(each)
                waiting.append(each)
    return frozenset(found)


@dataclass(frozen=True, slots=True)
class Rule:
    """One include or exclude of a value set: what is in all of its parts."""

    system: str = ""
    version: str = ""
    codes: frozenset[str] | None = None
    """Codes listed one by one; None where they are not."""
    filters: tuple[tuple[str, str, str], ...] = ()
    """Property, operator and value; all hold."""
    sets: tuple[str, ...] = ()
    """Canonicals of value sets; a code is in all of them."""


@dataclass(frozen=True, slots=True)
class CodeSet:
    """A value set as it is defined, or as it was expanded where it has no definition."""

    url: str
    version: str = ""
    include: tuple[Rule, ...] = field(repr=False, default=())
    exclude: tuple[Rule, ...] = field(repr=False, default=())
    expansion: frozenset[Coding] | None = field(repr=False, default=None)


def system_of(resource: "Resource") -> System | None:
    """Return the code system of a CodeSystem; None if it does not list all its codes."""
    model: Any = resource.model
    if model.url is None or model.content != "complete":
        return None
    parents: dict[str, list[str]] = {}
    properties: dict[str, frozenset[tuple[str, str]]] = {}
    waiting = [(concept, "") for concept in reversed(model.concept or ())]
    while waiting:
        concept, parent = waiting.pop()
        code = concept.code or ""
        parents.setdefault(code, []).extend([parent] if parent else [])
        said = frozenset(_properties(concept.property or ()))
        properties[code] = said
        for name, value in said:
            if name in ("parent", "subsumedBy"):
                parents[code].append(value)
            elif name == "child":
                parents.setdefault(value, []).append(code)
        waiting += [(child, code) for child in reversed(concept.concept or ())]
    return System(
        model.url,
        {code: tuple(dict.fromkeys(above)) for code, above in parents.items()},
        properties,
        model.version or "",
        subsumes=model.hierarchyMeaning not in _NOT_SUBSUMPTION,
    )


def _properties(properties: Iterable[Any]) -> Iterable[tuple[str, str]]:
    for each in properties:
        for name in _PROPERTY_VALUES:
            value = getattr(each, name)
            if value is not None:
                text = str(value).lower() if isinstance(value, bool) else str(value)
                yield each.code or "", text


def set_of(resource: "Resource") -> CodeSet:
    """Return the rules of a ValueSet; its expansion counts where it has none and lists all."""
    model: Any = resource.model
    url, version = model.url or f"ValueSet/{resource.id}", model.version or ""
    if model.compose is not None:
        include = tuple(_rule(part) for part in model.compose.include)
        exclude = tuple(_rule(part) for part in model.compose.exclude or ())
        return CodeSet(url, version, include, exclude)
    if model.expansion is None or model.expansion.parameter or model.expansion.offset:
        return CodeSet(url, version)
    found: list[Coding] = []
    waiting = list(model.expansion.contains or ())
    while waiting:
        each = waiting.pop()
        if each.code is not None and not each.abstract:
            found.append((each.system or "", each.code))
        waiting += each.contains or ()
    complete = model.expansion.total in (None, len(found))
    return CodeSet(url, version, expansion=frozenset(found) if complete else None)


def _rule(part: Any) -> Rule:
    listed = part.concept and frozenset(concept.code or "" for concept in part.concept)
    filters = ((f.property or "", f.op or "", f.value or "") for f in part.filter or ())
    sets = (each for each in part.valueSet or () if each is not None)
    return Rule(part.system or "", part.version or "", listed or None, tuple(filters), tuple(sets))


@cache
def official_systems() -> Mapping[str, System]:
    """Return the complete code systems of R4's own definitions, by URL."""
    from careledger.fhir.r4.terminology_table import SYSTEMS  # noqa: PLC0415  0.5 MB, seldom asked

    return {url: System(url, _nested(lines), version=R4_VERSION) for url, lines in SYSTEMS.items()}


@cache
def official_sets() -> Mapping[str, CodeSet]:
    """Return the value sets of R4's own definitions, by URL."""
    from careledger.fhir.r4.terminology_table import SETS  # noqa: PLC0415  likewise

    found: dict[str, CodeSet] = {}
    for url, lines in SETS.items():
        rules = [line.split("\t") for line in lines.splitlines()]
        include = tuple(_listed(*fields[1:]) for fields in rules if fields[0] == "+")
        exclude = tuple(_listed(*fields[1:]) for fields in rules if fields[0] == "-")
        found[url] = CodeSet(url, R4_VERSION, include, exclude)
    return found


def _nested(lines: str) -> dict[str, tuple[str, ...]]:
    parents: dict[str, tuple[str, ...]] = {}
    path: list[str] = []
    for line in lines.splitlines():
        code = line.lstrip(" ")
        del path[len(line) - len(code) :]
        parents[code] = (*parents.get(code, ()), *path[-1:])
        path.append(code)
    return parents


def _listed(system: str, kind: str, *rest: str) -> Rule:
    match kind:
        case "codes":
            return Rule(system, codes=frozenset(rest))
        case "where":
            filters = zip(rest[::3], rest[1::3], rest[2::3], strict=True)
            return Rule(system, filters=tuple(filters))
        case "sets":
            return Rule(sets=rest)
        case _:
            return Rule(system)
