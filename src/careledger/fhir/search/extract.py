"""The values behind the search parameters of one resource.

The readers of a type are compiled when its first resource is seen, once for each index set.
"""

from dataclasses import dataclass
from functools import cache
from typing import TYPE_CHECKING, Any, Final  # Any: models differ by type

from careledger.fhir.paths import Read, reader
from careledger.fhir.search.compile import SLOTS, Act, Found, Wish, shape, walk
from careledger.fhir.search.convert import TYPES_OF_IDENTIFIER
from careledger.fhir.search.figures import figures
from careledger.fhir.search.table import (
    FROM_THE_NODE,
    IDENTIFIER,
    IndexSet,
    Parameter,
    Path,
    Step,
)
from careledger.fhir.search.values import NOTHING, Values, of_type

if TYPE_CHECKING:
    import msgspec

    from careledger.fhir.resource import Resource

_FIELDS: Final = ("strings", "tokens", "references", "dates", "numbers", "quantities", "uris")
_COMPOSITES: Final = SLOTS.index("special")


def values(resource: "Resource", indexed: IndexSet) -> Values:
    """Read the values of a checked resource, as far as its parameters are in the index set."""
    plan = _plan(resource.type, indexed)
    return NOTHING if plan is None else plan.read(resource)


@dataclass(frozen=True, slots=True)
class _Anchored:
    """The composites that are anchored at the same elements."""

    anchors: Read
    model: Act | None
    amounts: Act | None
    resource: Act | None
    """For components that look at the resource rather than at the anchor."""
    composites: tuple["_Composite", ...]

    def read(self, model: Any, numbers: Any, found: Found) -> None:
        """Add what there is at each anchor where every component has a value."""
        anchors = self.anchors(model)
        figured = self.anchors(numbers) if numbers is not None and self.amounts else ()
        for place, anchor in enumerate(anchors):
            here = Found()
            if self.model is not None:
                self.model(anchor, here)
            if self.amounts is not None and figured and here.amounts:
                self.amounts(figured[place], here)
            if self.resource is not None:
                self.resource(model, here)
            here.settle()
            for each in self.composites:
                parts = each.parts(here)
                if parts is not None:
                    found.add(_COMPOSITES, each.code, (parts,))


@dataclass(frozen=True, slots=True)
class _Composite:
    """One composite: in which slot and under which key the walk leaves each component."""

    code: str
    components: tuple[tuple[int, str], ...]

    def parts(self, found: Found) -> Values | None:
        """Return the values of its components; None if one has none."""
        slots = found.slots
        for slot, key in self.components:
            if key not in slots[slot]:
                return None
        fields: dict[str, dict[str, Any]] = {}
        for place, (slot, key) in enumerate(self.components):
            fields.setdefault(_FIELDS[slot], {})[str(place)] = slots[slot][key]
        return Values(**fields)


@dataclass(frozen=True, slots=True)
class _Plan:
    """How the values of one type are read."""

    model: Act | None
    amounts: Act | None
    figures: "msgspec.json.Decoder[Any]"
    anchored: tuple[_Anchored, ...]

    def read(self, resource: "Resource") -> Values:
        """Read the values of one resource."""
        found, numbers = Found(), None
        if self.model is not None:
            self.model(resource.model, found)
        if found.amounts:
            numbers = self.figures.decode(resource.raw)
            if self.amounts is not None:
                self.amounts(numbers, found)
        for each in self.anchored:
            each.read(resource.model, numbers, found)
        found.settle()
        return Values(*found.slots)


@cache
def _plan(type_: str, indexed: IndexSet) -> _Plan | None:
    chosen = [each for code, each in indexed.parameters(type_).items() if code not in FROM_THE_NODE]
    if not chosen:
        return None
    plain = [wish for each in chosen if not each.components for wish in _wishes(each)]
    composites: dict[tuple[Step, ...], list[Parameter]] = {}
    for each in chosen:
        if each.components:
            for path in each.paths:
                composites.setdefault(path.steps, []).append(each)
    groups = [(steps, *_components(found)) for steps, found in composites.items()]
    amounts = [*plain]
    for steps, wishes, _ in groups:
        amounts += [
            wish._replace(path=wish.path._replace(steps=(*steps, *wish.path.steps)))
            for wish in wishes
            if not wish.path.from_resource
        ]
    return _Plan(
        model=walk(plain, amounts=False),
        amounts=walk(plain, amounts=True),
        figures=figures(type_, shape(amounts)),
        anchored=tuple(_anchored(*group) for group in groups),
    )


def _wishes(parameter: Parameter) -> list[Wish]:
    only = parameter.targets[0] if len(parameter.targets) == 1 else ""
    wanted = [
        Wish(parameter.code, parameter.kind, path, only if path.datatype == "Resource" else "")
        for path in parameter.paths
    ]
    if parameter.kind != "token":
        return wanted
    typed = [path for path in parameter.paths if path.datatype == IDENTIFIER]
    code = of_type(parameter.code)
    return wanted + [
        Wish(code, "token", path._replace(datatype=TYPES_OF_IDENTIFIER)) for path in typed
    ]


def _components(parameters: list[Parameter]) -> tuple[list[Wish], tuple[_Composite, ...]]:
    """Return what is wanted at an anchor, each wish once, and who wants it."""
    keys: dict[tuple[str, tuple[Path, ...]], str] = {}
    wishes: list[Wish] = []
    composites: list[_Composite] = []
    for parameter in parameters:
        own: list[tuple[int, str]] = []
        for part in parameter.components:
            known = (part.kind, part.paths)
            if known not in keys:
                keys[known] = str(len(keys))
                wishes += [Wish(keys[known], part.kind, path) for path in part.paths]
            own.append((SLOTS.index(part.kind), keys[known]))
        composites.append(_Composite(parameter.code, tuple(own)))
    return wishes, tuple(composites)


def _anchored(
    anchor: tuple[Step, ...], wishes: list[Wish], composites: tuple[_Composite, ...]
) -> _Anchored:
    at_anchor = [wish for wish in wishes if not wish.path.from_resource]
    at_resource = [wish for wish in wishes if wish.path.from_resource]
    path = ".".join(step.name for step in anchor)
    return _Anchored(
        anchors=reader((path,)) if path else lambda model: [model],
        model=walk(at_anchor, amounts=False),
        amounts=walk(at_anchor, amounts=True),
        resource=walk(at_resource, amounts=False),
        composites=composites,
    )
