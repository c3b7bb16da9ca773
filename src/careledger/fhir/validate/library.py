"""The profiles that resources are held against: R4's own definitions, and US Core 6.1.0.

Both are generated (tools/generate_fhir_profiles.py) and read when first asked for.
"""

import gzip
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from functools import cache, cached_property
from importlib.resources import files
from typing import Any, Final  # Any: a fixed value or pattern is any JSON

import msgspec

BASE: Final = "http://hl7.org/fhir/StructureDefinition/"
FILES: Final = ("r4", "us_core_6_1_0")


class Kind(msgspec.Struct, frozen=True, array_like=True):
    """One type that an element may have."""

    code: str
    profiles: tuple[str, ...]
    targets: tuple[str, ...]
    """For a Reference: profiles of what it may lead to."""


class Rule(msgspec.Struct, frozen=True, array_like=True):
    """An invariant: a FHIRPath expression that must not be false."""

    key: str
    severity: str
    human: str
    expression: str


class Slicing(msgspec.Struct, frozen=True, array_like=True):
    """How the repeats of an element are told apart."""

    rules: str
    marks: tuple[tuple[str, str], ...]
    """Discriminators: type and path."""


class Element(
    msgspec.Struct,
    frozen=True,
    rename={
        "id": "i",
        "kinds": "t",
        "least": "n",
        "most": "x",
        "value": "v",
        "slicing": "d",
        "binding": "b",
        "reference": "r",
        "rules": "c",
    },
):
    """An element as a profile constrains it."""

    id: str
    kinds: tuple[Kind, ...]
    least: int = 0
    most: int | None = None
    value: tuple[bool, Any] | None = None  # any JSON
    """Fixed (True) or a pattern (False), and which."""
    slicing: Slicing | None = None
    binding: tuple[str, str] | None = None
    """Strength, and URL of the value set."""
    reference: str | None = None
    """The element of the same profile whose content it has."""
    rules: tuple[Rule, ...] = ()

    @property
    def name(self) -> str:
        """The last part of its path, such as `value[x]`."""
        return self.id.rpartition(".")[2].partition(":")[0]


class Profile(msgspec.Struct, frozen=True, dict=True):
    """A StructureDefinition; the first element is the whole."""

    url: str
    version: str
    type: str
    profile: bool
    """Whether it only narrows another."""
    elements: tuple[Element, ...]

    @property
    def root(self) -> Element:
        """The whole."""
        return self.elements[0]

    @cached_property
    def by_id(self) -> Mapping[str, Element]:
        """Every element."""
        return {one.id: one for one in self.elements}

    @cached_property
    def children(self) -> Mapping[str, tuple[Element, ...]]:
        """What is directly in each element, slices aside."""
        return _grouped((one.id.rpartition(".")[0], one) for one in self.elements if not _of(one))

    @cached_property
    def slices(self) -> Mapping[str, tuple[Element, ...]]:
        """The slices of each element."""
        return _grouped((_of(one), one) for one in self.elements if _of(one))


class _File(msgspec.Struct, frozen=True):
    profiles: tuple[Profile, ...]
    sets: dict[str, frozenset[tuple[str, str]]]


@dataclass(frozen=True, slots=True)
class Library:
    """Profiles by URL, and the codes of the value sets that they bind to."""

    profiles: Mapping[str, Profile] = field(repr=False)
    sets: Mapping[str, frozenset[tuple[str, str]]] = field(repr=False)

    def profile(self, url: str) -> Profile | None:
        """A profile, if it is here; with `|version` only that version."""
        plain, _, version = url.partition("|")
        found = self.profiles.get(plain)
        return found if found is not None and version in ("", found.version) else None

    def of_type(self, type_: str) -> Profile | None:
        """What R4 itself says of a resource or data type."""
        return self.profiles.get(BASE + type_)


@cache
def library() -> Library:
    """Everything that is here; the first call takes some 50 ms."""
    profiles: dict[str, Profile] = {}
    sets: dict[str, frozenset[tuple[str, str]]] = {}
    folder = files(__package__) / "definitions"
    for name in FILES:
        packed = (folder / f"{name}.json.gz").read_bytes()
        content = msgspec.json.decode(gzip.decompress(packed), type=_File)
        profiles |= {one.url: one for one in content.profiles}
        sets |= content.sets
    return Library(profiles, sets)


def _of(element: Element) -> str:
    """The id of what an element is a slice of; "" if it is none."""
    before, _, last = element.id.rpartition(".")
    name, mark, _ = last.partition(":")
    return f"{before}.{name}" if mark else ""


def _grouped(pairs: Iterable[tuple[str, Element]]) -> Mapping[str, tuple[Element, ...]]:
    found: dict[str, list[Element]] = {}
    for key, one in pairs:
        found.setdefault(key, []).append(one)
    return {key: tuple(several) for key, several in found.items()}
