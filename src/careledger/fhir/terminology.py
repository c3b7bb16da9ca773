"""What `:in`, `:not-in`, `:above` and `:below` ask of code systems and value sets (R4 3.1.1.4.5).

Nothing is fetched and no terminology server is asked. What cannot be listed to the last code
(SNOMED CT, LOINC, UCUM, a filter not known here) has no answer, and a search by it is refused.
"""

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from functools import cache
from typing import TYPE_CHECKING, Final, Protocol

from careledger.fhir.concepts import (
    CodeSet,
    Coding,
    Rule,
    System,
    official_sets,
    official_systems,
    set_of,
    system_of,
)

if TYPE_CHECKING:
    from careledger.fhir.resource import Resource


class Terminology(Protocol):
    """Whoever can say which codes are meant. None: that cannot be said here."""

    def expand(self, url: str) -> frozenset[Coding] | None:
        """Return every code of a value set, by canonical URL, `|version` allowed."""
        ...

    def above(self, system: str, code: str) -> frozenset[Coding] | None:
        """Return the code and all that subsume it."""
        ...

    def below(self, system: str, code: str) -> frozenset[Coding] | None:
        """Return the code and all that it subsumes."""
        ...


@dataclass(frozen=True, slots=True)
class Vocabulary:
    """Code systems and value sets that are held here. Nothing in it changes."""

    systems: Mapping[str, System] = field(repr=False)
    sets: Mapping[str, CodeSet] = field(repr=False)

    def expand(self, url: str) -> frozenset[Coding] | None:
        """Return every code of a value set; None if it is not held or cannot be listed.

        A value set that is contained in itself cannot.
        """
        return self._expand(url, ())

    def above(self, system: str, code: str) -> frozenset[Coding] | None:
        """Return the code and all that subsume it; None if the system is not held."""
        held = self._subsuming(system)
        return None if held is None else _of(system, held.above(code))

    def below(self, system: str, code: str) -> frozenset[Coding] | None:
        """Return the code and all that it subsumes; None if the system is not held."""
        held = self._subsuming(system)
        return None if held is None else _of(system, held.below(code))

    def _subsuming(self, system: str) -> System | None:
        held = self.systems.get(system)
        return held if held is not None and held.subsumes else None

    def _expand(self, canonical: str, within: tuple[str, ...]) -> frozenset[Coding] | None:
        url, _, version = canonical.partition("|")
        held = self.sets.get(url)
        if held is None or url in within or version not in ("", held.version):
            return None
        if not held.include:
            return held.expansion
        found: frozenset[Coding] = frozenset()
        for rule in held.include:
            more = self._codes(rule, (*within, url))
            if more is None:
                return None
            found |= more
        for rule in held.exclude:
            less = self._codes(rule, (*within, url))
            if less is None:
                return None
            found -= less
        return found

    def _codes(self, rule: Rule, within: tuple[str, ...]) -> frozenset[Coding] | None:
        """Return what is in every part of a rule."""
        parts: list[frozenset[Coding] | None] = []
        if rule.system:
            parts.append(self._of_system(rule))
        parts += [self._expand(each, within) for each in rule.sets]
        known = [part for part in parts if part is not None]
        if not known or len(known) < len(parts):
            return None
        return frozenset.intersection(*known)

    def _of_system(self, rule: Rule) -> frozenset[Coding] | None:
        if rule.codes is not None:
            return _of(rule.system, rule.codes)
        held = self.systems.get(rule.system)
        if held is None or rule.version not in ("", held.version):
            return None
        found = held.codes
        for name, operator, value in rule.filters:
            kept = _filtered(held, name, operator, value)
            if kept is None:
                return None
            found &= kept
        return _of(rule.system, found)


def _of(system: str, codes: Iterable[str]) -> frozenset[Coding]:
    return frozenset((system, code) for code in codes)


_BY_CODE: Final[Mapping[str, Callable[[System, str], frozenset[str]]]] = {
    "is-a": lambda system, value: system.below(value),
    "descendent-of": lambda system, value: system.below(value) - {value},
    "is-not-a": lambda system, value: system.codes - system.below(value),
    "generalizes": lambda system, value: system.above(value),
    "=": lambda _, value: frozenset({value}),
    "in": lambda _, value: frozenset(value.split(",")),
    "not-in": lambda system, value: system.codes - set(value.split(",")),
}
"""The operators of filters on the code itself (FHIR R4 4.9.5)."""


def _filtered(system: System, name: str, operator: str, value: str) -> frozenset[str] | None:
    """Return the codes that pass a filter; None for one that is not known here."""
    if name in ("concept", "code"):
        chosen = _BY_CODE.get(operator)
        return None if chosen is None else chosen(system, value)
    if operator not in ("=", "in"):
        return None
    values = frozenset(value.split(",")) if operator == "in" else frozenset({value})
    if name == "parent":
        return frozenset(c for c, above in system.parents.items() if not values.isdisjoint(above))
    return _with_property(system, name, values)


def _with_property(system: System, name: str, values: frozenset[str]) -> frozenset[str] | None:
    if not any(name == said for each in system.properties.values() for said, _ in each):
        return None
    return frozenset(
        code
        for code, said in system.properties.items()
        if any(name == known and value in values for known, value in said)
    )


@cache
def official() -> Vocabulary:
    """Return the vocabulary of R4's own definitions; 0.1 s when first asked for."""
    return Vocabulary(official_systems(), official_sets())


def with_held(resources: "Iterable[Resource]", below: Vocabulary | None = None) -> Vocabulary:
    """Return a vocabulary (R4's own by default) with the CodeSystems and ValueSets of others.

    What is held comes before what is official. A value set is also known as `ValueSet/id`.
    """
    base = official() if below is None else below
    systems, sets = dict(base.systems), dict(base.sets)
    for resource in resources:
        if resource.type == "CodeSystem":
            system = system_of(resource)
            if system is not None:
                systems[system.url] = system
        elif resource.type == "ValueSet":
            one = set_of(resource)
            sets[one.url] = sets[f"ValueSet/{resource.id}"] = one
    return Vocabulary(systems, sets)
